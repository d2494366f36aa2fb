"""A batch that was cut off at any step is gone on with by the same command, and ends as one that was not."""

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
import tasks.scoring.annotated_images
import tasks.scoring.batch
import tasks.scoring.drift_check
from faces.models.tta import Inference
from faces.scoring.drift import Reference
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import Judged
from tasks.readers.sources import require_outside
from tasks.scoring.shards import MANIFEST, WORK
from tests.conftest import ROOT
from tests.scoring.test_batch import CLASSES, said_of

OUT = Path("out")
REFERENCE = Reference({"anger": 300, "sad": 100}, {"brightness": [float(level) for level in range(0, 41)]})
"""Unlike the faces here: they have drifted."""


def crops(folder: Path, count: int = 6) -> Path:
    """A folder of faces, one a picture."""
    folder.mkdir(parents=True)
    for number, face in enumerate(draw_faces(np.random.default_rng(5), np.arange(count) % 5, 96, KEYPOINTS_FRAMING)[0]):
        Image.fromarray(face).save(folder / f"{number}.png")
    return folder


def networks(folder: Path) -> Judged:
    """Files that stand for networks, with what was judged beside them."""
    folder.mkdir(parents=True)
    paths = {head: folder / f"{head}.keras" for head in ("keypoints", "emotion")}
    for head, path in paths.items():
        path.write_text(head)
    return Judged(paths, dict.fromkeys(paths, Inference(False)), CLASSES, REFERENCE)


def settle_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with settings, six faces in `in`, and networks that are stubs."""
    shutil.copy(ROOT / "params.yaml", folder)
    monkeypatch.chdir(folder)
    crops(Path("in"))
    judged = networks(Path("networks"))
    monkeypatch.setattr(flows.score, "_judged", lambda models: (judged, models))
    monkeypatch.setattr(tasks.scoring.batch, "predictor_of", lambda paths, inference: said_of)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of a run that was not cut off."""
    with pytest.MonkeyPatch.context() as patched:
        settle_in(tmp_path_factory.mktemp("undisturbed"), patched)
        score()
        return files(OUT)


def score(out: Path = OUT, **flags: Any) -> None:
    flows.score.score(["in"], out=out, **{"draw": True, "csv": True, **flags})


def files(out: Path) -> dict[str, str]:
    """SHA-256 of every file; of the page, which names its folder, that it is there."""
    found = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {str(path.relative_to(out)): "" if path.suffix == ".html" else sha256(path) for path in found}


def stopping(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, after: int, error: BaseException) -> None:
    """Let a function raise after so many calls."""
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
    "first picture": (tasks.scoring.annotated_images, "photograph_figure", 0),
    "fourth picture": (tasks.scoring.annotated_images, "photograph_figure", 3),
    "page": (flows.score, "write_page", 0),
    "end": (flows.score, "finish_run", 0),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_run_cut_off_at_any_step_ends_as_one_that_was_not(
    step: str, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as during:
        stopping(during, *STEPS[step], OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises((OSError, InputError), match=r"(?i)no space left"):
            score()
    assert (OUT / WORK / MANIFEST).exists()
    assert not [path for path in OUT.rglob("*") if path.name.startswith(".") and path.name not in (WORK, ".gitignore")]

    def twice(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise AssertionError("scored twice")

    monkeypatch.setattr(tasks.scoring.batch, "predictor_of", lambda paths, inference: twice)
    score()
    assert files(OUT) == undisturbed
    with pytest.raises(InputError, match=r"out: is there already"):
        score()


def test_what_is_drawn_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as during:
        stopping(during, tasks.scoring.annotated_images, "photograph_figure", 4, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            score()
    drawn = {path: path.stat().st_mtime_ns for path in (OUT / "pictures").iterdir()}
    assert len(drawn) == 4
    stopping(monkeypatch, tasks.scoring.annotated_images, "photograph_figure", 2, AssertionError("drawn twice"))
    score()
    assert len(list((OUT / "pictures").iterdir())) == 6
    assert {path: path.stat().st_mtime_ns for path in drawn} == drawn


def test_the_drawing_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    shares: list[float] = []
    monkeypatch.setattr(tasks.scoring.annotated_images, "log", said.append)
    monkeypatch.setattr(tasks.scoring.annotated_images, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(tasks.scoring.annotated_images.Progress, "update", lambda self, share: shares.append(share))
    score()
    assert shares.pop(0) == 1  # all is scored
    assert [line.split(" pictures drawn")[0] for line in said] == [f"{number} of 6" for number in range(1, 7)]
    assert all("/s · " in line and line.endswith(" s left") for line in said)
    assert shares == [number / 6 for number in range(1, 7)]


def test_flags_may_change_while_a_run_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as during:
        stopping(during, flows.score, "count_scored", 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            score(draw=False, csv=False)
    score(csv=False)
    assert (OUT / "page.html").exists()
    assert not (OUT / "predictions.csv").exists()


def test_another_question_is_refused_with_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as during:
        stopping(during, flows.score, "count_scored", 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            score()
    with pytest.raises(InputError, match=r"asked otherwise stopped there \(other faces\)"):
        score(faces="detect")
    Path("in/more.png").touch()
    with pytest.raises(InputError, match=r"\(other sources\); name another folder, or remove it"):
        score()
    (OUT / WORK / MANIFEST).write_text("{")
    with pytest.raises(InputError, match="asked otherwise"):
        score()


def test_a_drift_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(tasks.scoring.drift_check, "emit", lambda event, payload: told.append(event))
    shutil.copy("in/0.png", "in/copy.png")
    for number in range(60):
        shutil.copy("in/0.png", f"in/copy {number}.png")
    with monkeypatch.context() as during:
        stopping(during, flows.score, "write_csv", 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            score(draw=False)
    assert told == ["faces.drift"]
    score(draw=False)
    assert told == ["faces.drift"]
    assert json.loads((OUT / "drift.json").read_text())["drifted"]


def test_where_results_cannot_go_is_said(tmp_path: Path) -> None:
    Path("file").write_text("mine")
    Path("link").symlink_to("nowhere")
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    named = tmp_path / os.fsdecode(b"caf\xe9")
    for out, reason in ((Path("file"), "is no folder"), (Path("link"), "is no folder"), (named, "is not UTF-8")):
        with pytest.raises(InputError, match=f"{reason}.*; name another"):
            score(out)
    with pytest.raises(InputError, match="mine: is there already; name another folder"):
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
def test_results_do_not_go_where_they_would_be_scored_next_time(out: str, given: str) -> None:
    Path("link").symlink_to("in")
    with pytest.raises(InputError, match=f"{out}: lies in .*; name a folder elsewhere"):
        flows.score.score([given], out=Path(out))
    assert sorted(path.name for path in Path("in").iterdir()) == [f"{number}.png" for number in range(6)]


def refuses(out: str, given: str) -> bool:
    try:
        require_outside(Path(out), [given])
    except InputError:
        return True
    return False


def test_results_may_go_beside_what_is_scored() -> None:
    asked = (
        ("out", "in"),
        ("in/scored", "in/*.png"),
        ("in/scored", "in/0.png"),
        ("in/.scored", "in"),
        ("in2", "in"),
        ("in/scored", "memory://in"),
        ("scored", "in/**/*.png"),
    )
    assert [one for one in asked if refuses(*one)] == []
    assert refuses("in/scored", "in")


def test_results_of_the_graph_s_faces_take_no_one_s_place() -> None:
    score()
    before = files(OUT)
    with pytest.raises(InputError, match=r"out: predictions.parquet, predictions.csv is there already"):
        flows.score.score(models="fast", out=OUT)
    assert files(OUT) == before


KILLS = """
import os, signal, sys
from pathlib import Path

import flows.score
import tasks.scoring.batch
import tasks.scoring.annotated_images
from tests.scoring.test_batch import said_of
from tests.scoring.test_resume import STEPS, networks, score

judged = networks(Path("stubs"))
flows.score._judged = lambda models: (judged, models)
tasks.scoring.batch.predictor_of = lambda paths, inference: said_of


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
steps = ["first table", "second table", "csv", "fourth picture", "end"]
assert [in_a_process(step) for step in steps] == [-signal.SIGKILL] * len(steps)
assert in_a_process("") == 0
"""


def test_a_run_killed_five_times_ends_as_one_that_was_not(undisturbed: dict[str, str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLS], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert files(OUT) == undisturbed
