"""Scoring imports no library for training, drawing, versions or clusters before it is used."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT, environment_of
from tests.tiny import noise

TRAINING = ("tensorflow", "keras", "onnx", "nncf", "sklearn")
UNUSED = (
    *TRAINING,
    "av",
    "matplotlib",
    "seaborn",
    "scipy.stats",
    "scipy.optimize",
    "gto",
    "dvc",
    "distributed",
    "prefect",
)
CODE = """
import sys
from pathlib import Path
import params
from flows.score import score
face, out, draw = sys.argv[1:]
score(params.load(), [face], "released", Path(out), draw=draw == "draw")
print("imported:", *sorted(sys.modules))
"""


@pytest.mark.parametrize("draw", ["", "draw"])
def test_a_photograph_is_scored_without_heavy_libraries(draw: str, tmp_path: Path) -> None:
    face, out = tmp_path / "face.png", tmp_path / "out"
    Image.fromarray(noise(1, 96)[0]).save(face)
    command = [sys.executable, "-c", CODE, str(face), str(out), draw]
    done = subprocess.run(command, cwd=ROOT, env=environment_of(), capture_output=True, text=True, check=True)
    assert (out / "predictions.parquet").exists()
    imported = set(done.stdout.partition("imported: ")[2].split())
    assert imported >= {"openvino", "pyarrow", "cv2"}
    assert imported & set(UNUSED) == ({"matplotlib"} if draw else set())
