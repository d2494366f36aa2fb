"""Files that show faces are never added to Git by accident, wherever they are written."""

import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

import flows.score
import flows.stages.score
import params
import tasks.scoring.batch
from faces.models.tta import Inference
from tasks.common.files import InputError
from tasks.models.approved_models import ApprovedModels
from tasks.plots.annotated_images import draw_pictures
from tasks.plots.scoring_report import write_report
from tasks.scoring.batch import score_sources
from tasks.scoring.shards import WORK
from tasks.scoring.summary import write_csv
from tests.conftest import ROOT, copy_settings, set_params
from tests.scoring.approved import models_with
from tests.scoring.test_batch import CLASSES, hashes, settings, stub_outputs
from tests.scoring.test_resume import models


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    cv2.imwrite("face.png", np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8))
    return tmp_path


def staged() -> list[str]:
    """The files that `git add -A` stages."""
    subprocess.run(["git", "add", "-A"], check=True)
    listed = subprocess.run(["git", "diff", "--cached", "--name-only"], check=True, capture_output=True, text=True)
    return listed.stdout.split()


def scored(repository: Path, out: Path, monkeypatch: pytest.MonkeyPatch, predict: object = stub_outputs) -> None:
    paths = {model_name: repository / ".git" / f"{model_name}.onnx" for model_name in ("keypoints", "emotion")}
    for model_name, path in paths.items():
        path.write_text(model_name)
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: predict)
    approved = ApprovedModels(paths, hashes(paths), dict.fromkeys(paths, Inference(False)), CLASSES)
    score_sources(["face.png"], approved, "v1.0.0", "auto", settings(), out)


def interrupted(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    raise KeyboardInterrupt


def test_git_stages_nothing_of_a_scored_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Path("scored")
    with pytest.raises(KeyboardInterrupt):
        scored(repository, out, monkeypatch, interrupted)
    assert (out / WORK).exists()
    assert staged() == ["face.png"]
    scored(repository, out, monkeypatch)
    draw_pictures(out, settings())
    write_csv(out)
    write_report(out, models_with(None), settings())
    assert {"predictions.parquet", "predictions.csv", "report.html", "pictures"} <= {
        path.name for path in out.iterdir()
    }
    assert staged() == ["face.png"]


def test_a_folder_that_only_ignores_itself_is_empty_and_one_with_ignores_of_its_own_is_not(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("ours", "*\n"), ("theirs", "*.pyc\n")):
        Path(name).mkdir()
        Path(name, ".gitignore").write_text(content)
    scored(repository, Path("ours"), monkeypatch)
    with pytest.raises(InputError, match="theirs: exists already"):
        scored(repository, Path("theirs"), monkeypatch)
    assert Path("theirs/.gitignore").read_text() == "*.pyc\n"


def test_predictions_of_the_score_input_are_ignored_too(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another model set, in a new folder; as the stage, in the folder that DVC tracks, without a .gitignore."""
    shutil.copy(ROOT / ".gitignore", ".gitignore")
    copy_settings(repository)
    set_params(repository, score__input="face.png")
    approved = models(repository / ".git/models")
    monkeypatch.setattr(flows.score, "load_model_set", lambda models, classes="auto": (approved, models))
    monkeypatch.setattr(flows.stages.score, "load_approved_models", lambda *_, **__: approved)
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: stub_outputs)
    flows.score.score(params.load(), [], "released", Path("mine"), draw=True, csv=True)
    flows.stages.score.score(params.load())
    for name in ("mine/predictions.csv", "mine/faces.png", "data/scored/predictions.csv"):
        assert (repository / name).exists()
    assert not list(Path("data").rglob(".gitignore"))
    assert staged() == [".gitignore", *sorted(map(str, Path("conf").rglob("*.yaml"))), "face.png", "params.yaml"]
