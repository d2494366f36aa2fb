"""The example of docs/reference/python.md runs as it stands, in a folder that is no checkout, and writes nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from flows.predictor import load
from tasks.common.files import InputError
from tasks.scoring.predictor import _check_images
from tests.conftest import ROOT

PAGE = (ROOT / "docs/reference/python.md").read_text()
SAVE = """
table.drop(columns=["source", "row"]).tail(1).to_pickle("file.pickle")
predictor.predict([face]).drop(columns=["source", "row"]).to_pickle("array.pickle")
import sys
assert not {"prefect", "dvc.repo", "great_expectations"} & set(sys.modules), "imported what scoring does not need"
"""


def test_the_example_runs_in_any_folder(tmp_path: Path) -> None:
    """With the released models: a face has the same prediction as a file and as an array."""
    face = draw_faces(np.random.default_rng(5), np.array([1]), 96, KEYPOINTS_FRAMING)[0][0]
    Image.fromarray(face).save(tmp_path / "face.png")
    Image.fromarray(np.tile(np.linspace(60, 120, 400).astype(np.uint8), (300, 1))).save(tmp_path / "photograph.jpg")
    (code,) = re.findall(r"```python\n(.+?)```", PAGE, re.S)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code + SAVE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "'source': 'photograph.jpg', 'row': 0, 'reason': 'no face found" in done.stdout
    written = {path.name for path in tmp_path.iterdir()} - {"face.png", "photograph.jpg"}
    assert written == {"array.pickle", "file.pickle"}
    from_file, from_array = (pd.read_pickle(tmp_path / f"{name}.pickle") for name in ("file", "array"))
    pd.testing.assert_frame_equal(from_file, from_array, check_exact=True)
    assert from_array["model_version"].tolist() == ["released"]
    assert 0 <= from_array["left_eye_center_x"].item() < 96


def test_the_defaults_are_those_of_the_page() -> None:
    assert 'load(model_set="released", root=None, classes="auto")' in PAGE
    assert load.__defaults__ == ("released", None, "auto")


def test_the_page_quotes_the_message() -> None:
    with pytest.raises(InputError) as error:
        _check_images([np.zeros((48, 48))])
    assert f"`{error.value}`" in " ".join(PAGE.split())
