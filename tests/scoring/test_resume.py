"""A batch that was interrupted at any step is resumed by the same command and ends as an uninterrupted one."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import flows.score
import params
import tasks.plots.annotated_images
import tasks.plots.scoring_report
import tasks.scoring.batch
import tasks.scoring.drift_check
from faces.models.tta import Inference
from faces.scoring.drift import Reference
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import ApprovedModels
from tasks.readers.sources import require_outside
from tasks.scoring.shards import MANIFEST, WORK
from tests.conftest import ROOT, copy_settings
from tests.scoring.test_batch import CLASSES, hashes, stub_outputs

OUT = Path("out")
REFERENCE = Reference({"anger": 300, "sad": 100}, {"brightness": [float(level) for level in range(0, 41)]})
"""Unlike the faces here, so that they have drifted."""


def crops(folder: Path, count: int = 6) -> Path:
    """A folder of images of one face each."""
    folder.mkdir(parents=True)
    for number, face in enumerate(draw_faces(np.random.default_rng(5), np.arange(count) % 5, 96, KEYPOINTS_FRAMING)[0]):
        Image.fromarray(face).save(folder / f"{number}.png")
    return folder


def models(folder: Path) -> ApprovedModels:
    """Stub files of models, with reference data."""
    folder.mkdir(parents=True)
    paths = {model_name: folder / f"{model_name}.onnx" for model_name in ("keypoints", "emotion")}
    for model_name, path in paths.items():
        path.write_text(model_name)
    return ApprovedModels(paths, hashes(paths), dict.fromkeys(paths, Inference(False)), CLASSES, REFERENCE)


def set_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with settings, six faces in `in`, and models that are stubs."""
    copy_settings(folder)
    monkeypatch.chdir(folder)
    crops(Path("in"))
    approved = models(Path("models"))
    monkeypatch.setattr(flows.score, "load_model_set", lambda models, classes="auto": (approved, models))
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: stub_outputs)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of a run that was not interrupted."""
    with pytest.MonkeyPatch.context() as patched:
        set_up(tmp_path_factory.mktemp("uninterrupted"), patched)
        score()
        return files(OUT)


def score(out: Path = OUT, **flags: Any) -> None:
    flows.score.score(params.load(), ["in"], "workspace", out, **{"draw": True, "csv": True, **flags})


def files(out: Path) -> dict[str, str]:
    """SHA-256 of every file; empty for the report, which contains the folder's name."""
    found = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {str(path.relative_to(out)): "" if path.suffix == ".html" else sha256(path) for path in found}


def stopping(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, after: int, error: BaseException) -> None:
    """Let a function raise `error` after `after` calls."""
    whole, calls = getattr(owner, name), iter(range(1000))

    def function(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == after:
            raise error
        return whole(*args, **kwargs)

    monkeypatch.setattr(owner, name, function)


STEPS: dict[str, tuple[object, str, int]] = {
    "first table": (pq.ParquetWriter, "write_table", 2),
    "second table": (pq.ParquetWriter, "write_table", 3),
    "shards removed": (tasks.scoring.batch, "remove_shards", 0),
    "count": (flows.score, "count_scored", 0),
    "drift": (flows.score, "watch_drift", 0),
    "csv": (flows.score, "write_csv", 0),
    "first image": (tasks.plots.annotated_images, "annotate", 0),
    "fourth image": (tasks.plots.annotated_images, "annotate", 3),
    "report": (tasks.plots.scoring_report, "write_report", 0),
    "end": (flows.score, "finish_run", 0),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_run_interrupted_at_any_step_ends_as_an_uninterrupted_one(
    step: str, uninterrupted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as during:
        stopping(during, *STEPS[step], OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises((OSError, InputError), match=r"(?i)no space left"):
            score()
    assert (OUT / WORK / MANIFEST).exists()
    assert not [path for path in OUT.rglob("*") if path.name.startswith(".") and path.name not in (WORK, ".gitignore")]

    def twice(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise AssertionError("scored twice")

    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: twice)
    score()
    assert files(OUT) == uninterrupted
    with pytest.raises(InputError, match=r"out: exists already"):
        score()


def test_existing_images_are_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as during:
        stopping(during, tasks.plots.annotated_images, "annotate", 4, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            score()
    drawn = {path: path.stat().st_mtime_ns for path in (OUT / "pictures").iterdir()}
    # Another thread may draw the sixth.
    assert len(drawn) in (4, 5)
    stopping(monkeypatch, tasks.plots.annotated_images, "annotate", 6 - len(drawn), AssertionError("drawn twice"))
    score()
    assert len(list((OUT / "pictures").iterdir())) == 6
    assert {path: path.stat().st_mtime_ns for path in drawn} == drawn


def test_the_drawing_logs_its_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    fractions: list[float] = []
    monkeypatch.setattr(tasks.plots.annotated_images, "log", lines.append)
    monkeypatch.setattr(tasks.plots.annotated_images, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(
        tasks.plots.annotated_images.Progress, "update", lambda self, fraction: fractions.append(fraction)
    )
    score()
    assert fractions.pop(0) == 1  # of the scoring
    assert [line.split(" images drawn")[0] for line in lines] == [f"{number} of 6" for number in range(1, 7)]
    assert all("/s · " in line and line.endswith(" s left") for line in lines)
    assert fractions == [number / 6 for number in range(1, 7)]


def test_flags_may_change_when_a_run_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as during:
        stopping(during, flows.score, "count_scored", 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            score(draw=False, csv=False)
    score(csv=False)
    assert (OUT / "report.html").exists()
    assert not (OUT / "predictions.csv").exists()


def test_a_run_with_other_arguments_is_refused_and_the_difference_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as during:
        stopping(during, flows.score, "count_scored", 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            score()
    with pytest.raises(InputError, match=r"holds an unfinished run with other mode; name another folder, or remove it"):
        score(mode="detect")
    Path("in/more.png").touch()
    with pytest.raises(InputError, match=r"with other sources; name another folder, or remove it"):
        score()
    (OUT / WORK / MANIFEST).write_text("{")
    with pytest.raises(InputError, match="holds an unfinished run with other sources, models"):
        score()


def test_the_drift_event_is_emitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(tasks.scoring.drift_check, "emit", lambda event, payload: events.append(event))
    shutil.copy("in/0.png", "in/copy.png")
    for number in range(60):
        shutil.copy("in/0.png", f"in/copy {number}.png")
    with monkeypatch.context() as during:
        stopping(during, flows.score, "write_csv", 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            score(draw=False)
    assert events == ["faces.drift"]
    score(draw=False)
    assert events == ["faces.drift"]
    assert json.loads((OUT / "drift.json").read_text())["drifted"]


def test_an_unusable_output_is_refused_with_the_reason(tmp_path: Path) -> None:
    Path("file").write_text("mine")
    Path("link").symlink_to("nowhere")
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    named = tmp_path / os.fsdecode(b"caf\xe9")
    for out, reason in (
        (Path("file"), "is not a folder"),
        (Path("link"), "is not a folder"),
        (named, "is not valid UTF-8"),
    ):
        with pytest.raises(InputError, match=f"{reason}.*; name another"):
            score(out)
    with pytest.raises(InputError, match="mine: exists already; name another folder"):
        score(Path("mine"))
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]
    assert Path("file").read_text() == "mine"


@pytest.mark.parametrize(
    ("out", "given"),
    [
        ("in", "in"),
        ("in/scored", "in"),
        ("in/scored", "."),
        ("in/scored", "in/**/*.png"),
        ("scored", "**/*.png"),
        ("in/scored", "in/*"),
        ("in/scored", "in/*/*.png"),
        ("scored/here", "sc*"),
        ("link/scored", "in"),
    ],
)
def test_an_output_that_the_next_run_would_score_is_refused(out: str, given: str) -> None:
    Path("link").symlink_to("in")
    with pytest.raises(InputError, match=f"{out}: is inside .*; name a folder elsewhere"):
        flows.score.score(params.load(), [given], "workspace", Path(out))
    assert sorted(path.name for path in Path("in").iterdir()) == [f"{number}.png" for number in range(6)]


def refuses(out: str, given: str) -> bool:
    try:
        require_outside(Path(out), [given])
    except InputError:
        return True
    return False


def test_an_output_beside_the_sources_is_accepted() -> None:
    cases = (
        ("out", "in"),
        ("in/scored", "in/*.png"),
        ("in/scored", "in/0.png"),
        ("in/.scored", "in"),
        ("in2", "in"),
        ("in/scored", "memory://in"),
        ("scored", "in/**/*.png"),
    )
    assert [case for case in cases if refuses(*case)] == []
    assert refuses("in/scored", "in")


KILLS = """
import os, signal, sys
from pathlib import Path

import flows.score
import params
import tasks.scoring.batch
import tasks.plots.annotated_images
from tests.scoring.test_batch import stub_outputs
from tests.scoring.test_resume import STEPS, models, score

approved = models(Path("stubs"))
flows.score.load_model_set = lambda models, classes="auto": (approved, models)
tasks.scoring.batch.make_predictor = lambda *_: stub_outputs


def killed_at(owner, name, after):
    whole, calls = getattr(owner, name), iter(range(1000))

    def function(*args, **kwargs):
        if next(calls) == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*args, **kwargs)

    setattr(owner, name, function)


def in_a_process(step):
    child = os.fork()
    if not child:
        if step:
            killed_at(*STEPS[step])
        score()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


STEPS["second table"] = STEPS["second table"][:2] + (1,)  # no shard is left to write
steps = ["first table", "second table", "csv", "fourth image", "end"]
assert [in_a_process(step) for step in steps] == [-signal.SIGKILL] * len(steps)
assert in_a_process("") == 0
"""


def test_a_run_killed_five_times_ends_as_an_uninterrupted_one(uninterrupted: dict[str, str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLS], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert files(OUT) == uninterrupted
