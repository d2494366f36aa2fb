"""What shows faces never gets into git by accident, wherever it is written."""

import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import flows.score
import tasks.scoring.batch
from faces.models.tta import Inference
from tasks.common.files import InputError
from tasks.models.approved_models import Judged
from tasks.scoring.annotated_images import draw_pictures, write_csv
from tasks.scoring.batch import WORK, score_sources
from tasks.scoring.report import write_page
from tests.scoring.test_batch import CLASSES, said_of, settings


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    cv2.imwrite("face.png", np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8))
    return tmp_path


def staged() -> list[str]:
    """What `git add -A` takes."""
    subprocess.run(["git", "add", "-A"], check=True)
    listed = subprocess.run(["git", "diff", "--cached", "--name-only"], check=True, capture_output=True, text=True)
    return listed.stdout.split()


def scored(repository: Path, out: Path, monkeypatch: pytest.MonkeyPatch, predict: object = said_of) -> None:
    paths = {head: repository / ".git" / f"{head}.keras" for head in ("keypoints", "emotion")}
    for head, path in paths.items():
        path.write_text(head)
    monkeypatch.setattr(tasks.scoring.batch, "predictor_of", lambda paths, inference: predict)
    judged = Judged(paths, dict.fromkeys(paths, Inference(False)), CLASSES)
    score_sources(["face.png"], judged, "v1.0.0", "auto", settings(), out)


def interrupted(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    raise KeyboardInterrupt


def test_git_takes_nothing_of_a_scored_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Path("scored")
    with pytest.raises(KeyboardInterrupt):
        scored(repository, out, monkeypatch, interrupted)
    assert (out / WORK).exists()
    assert staged() == ["face.png"]
    scored(repository, out, monkeypatch)
    draw_pictures(out, settings())
    write_csv(out)
    write_page(out, None, settings())
    assert {"predictions.parquet", "predictions.csv", "page.html", "pictures"} <= {path.name for path in out.iterdir()}
    assert staged() == ["face.png"]


def test_a_folder_that_only_ignores_itself_is_empty_and_one_with_ignores_of_its_own_is_not(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in (("ours", "*\n"), ("theirs", "*.pyc\n")):
        Path(name).mkdir()
        Path(name, ".gitignore").write_text(content)
    scored(repository, Path("ours"), monkeypatch)
    with pytest.raises(InputError, match="theirs: is there already"):
        scored(repository, Path("theirs"), monkeypatch)
    assert Path("theirs/.gitignore").read_text() == "*.pyc\n"


def test_the_score_input_scored_by_other_networks_is_ignored_too(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(faces: Path, predictions: Path, count: int, picture: Path) -> None:
        picture.write_text("a face")

    def faces(source: Path, out: Path) -> Path:
        assert (out.parent / ".gitignore").read_text() == "*\n"
        return out

    monkeypatch.setattr(flows.score, "_judged", lambda models: (None, models))
    monkeypatch.setattr(flows.score, "read_faces", faces)
    monkeypatch.setattr(flows.score, "predict_faces", lambda faces, judged, predictions: predictions)
    monkeypatch.setattr(flows.score, "draw_predictions", drawn)
    monkeypatch.setattr(flows.score.params, "load", lambda: Settings())
    flow: Any = flows.score.score
    flow(models="released", out=Path("mine"))
    assert Path("mine/predictions.png").exists()
    assert staged() == ["face.png"]


class Settings:
    """As many as the flow asks of `score.input`."""

    score = settings()
