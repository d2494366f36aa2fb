"""The stage `score`: code and columns of any batch, in a folder that DVC tracks and removes before each run."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure

import faces.plots.face_grid
import flows.score
import flows.stages.score
import params
import tasks.plots.prediction_grid
import tasks.scoring.batch
import tasks.scoring.drift_check
import tasks.scoring.run_folder
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from flows.stages.report_predictions import report_predictions
from tasks.common.files import InputError
from tests.conftest import ROOT, set_params
from tests.scoring.test_batch import stub_outputs
from tests.scoring.test_resume import files, set_up, stopping

STAGE, SHARDS, FIGURE = Path("data/scored"), Path("data/scoring"), Path("reports/score/predictions.png")
INPUT, FACES, SHARD = Path("split.npz"), 60, 16


def split(path: Path, faces: int = FACES) -> None:
    """The arrays of a prepared split that scoring reads; it repeats seven faces, so that they have drifted."""
    images = draw_faces(np.random.default_rng(5), np.arange(7) % 5, 96, KEYPOINTS_FRAMING)[0]
    np.savez(path, allow_pickle=False, images=images[np.arange(faces) % 7], rows=np.arange(faces) * 2 + 1)


def set_up_stage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout with settings, a split as `score.input`, and stub models."""
    set_up(folder, monkeypatch)
    approved, _ = flows.score.load_model_set("workspace")
    monkeypatch.setattr(flows.stages.score, "load_approved_models", lambda *_, **__: approved)
    split(INPUT)
    set_params(Path(), score__input=str(INPUT), score__shard_size=SHARD, report_predictions__num_examples=4)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_stage(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of a run that was not interrupted."""
    with pytest.MonkeyPatch.context() as patched:
        set_up_stage(tmp_path_factory.mktemp("uninterrupted"), patched)
        stage()
        return files(STAGE)


def stage() -> None:
    flows.stages.score.score(params.load())


def batch(sources: list[str], model_set: str, out: Path, **options: bool) -> None:
    flows.score.score(params.load(), sources, model_set, out, **options)  # type: ignore[arg-type]


def forbid_scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise AssertionError("scored twice")

    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: twice)


def test_the_stage_writes_tables_and_nothing_else() -> None:
    stage()
    assert set(files(STAGE)) == {"predictions.parquet", "skipped.parquet", "predictions.csv", "drift.json"}
    assert not Path("reports/score").exists()
    assert not SHARDS.exists()
    table = pd.read_parquet(STAGE / "predictions.parquet")
    assert table["row"].tolist() == list(range(1, 2 * FACES, 2))
    assert set(table["source"]) == {str(INPUT)}
    assert (table["box_size"] == 96).all()
    assert table["detection_score"].isna().all()


def test_the_scored_faces_are_drawn_by_a_stage_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Sequence[str]] = []

    def faces_figure(images: np.ndarray, captions: Sequence[str], title: str, points: np.ndarray) -> Figure:
        drawn.append(captions)
        return faces.plots.face_grid.faces_figure(images, captions, title, points)

    monkeypatch.setattr(tasks.plots.prediction_grid, "faces_figure", faces_figure)
    stage()
    assert drawn == []
    before = files(STAGE)
    report_predictions(params.load())
    table = pd.read_parquet(STAGE / "predictions.parquet").iloc[[0, 19, 39, 59]]
    expected = [
        f"{emotion} {confidence:.0%}" for emotion, confidence in zip(table["emotion"], table["confidence"], strict=True)
    ]
    assert drawn == [expected]
    assert Path("reports/score/predictions.png").read_bytes().startswith(b"\x89PNG")
    assert files(STAGE) == before
    INPUT.unlink()
    with pytest.raises(InputError, match=r"predictions.png: no face can be read from the scored sources any more"):
        report_predictions(params.load())


def test_there_is_one_schema() -> None:
    stage()
    batch(["in"], "workspace", Path("batch"), csv=True)
    batch([], "released", Path("released"), csv=True)
    for name in ("predictions.parquet", "skipped.parquet"):
        schemas = [pq.read_schema(folder / name) for folder in (STAGE, Path("batch"), Path("released"))]
        assert schemas[0].equals(schemas[1], check_metadata=True)
        assert schemas[0].equals(schemas[2], check_metadata=True)
    headers = [pd.read_csv(folder / "predictions.csv", nrows=0).columns.tolist() for folder in (STAGE, Path("batch"))]
    assert headers[0] == headers[1] == pq.read_schema(STAGE / "predictions.parquet").names


def test_the_score_input_with_another_model_set_is_as_any_source() -> None:
    batch([], "released", Path("one"), draw=True)
    batch([str(INPUT)], "released", Path("other"), draw=True)
    assert files(Path("one")) == files(Path("other"))
    assert (Path("one") / "report.html").exists()
    assert not STAGE.exists()
    with pytest.raises(InputError, match="one: exists already"):
        batch([], "released", Path("one"))
    assert not STAGE.exists()


STEPS: dict[str, tuple[object, str, int]] = {
    "clearing": (tasks.scoring.batch, "clear_output", 0),
    # Two tables of each of four shards come before.
    "first table": (pq.ParquetWriter, "write_table", 8),
    "second table": (pq.ParquetWriter, "write_table", 9),
    "count": (flows.stages.score, "count_scored", 0),
    "csv": (flows.stages.score, "write_csv", 0),
    "end": (flows.stages.score, "finish_run", 0),
}


@pytest.mark.parametrize("removed", [False, True], ids=["by hand", "by DVC"])
@pytest.mark.parametrize("step", STEPS)
def test_a_stage_interrupted_at_any_step_resumes(
    step: str, removed: bool, uninterrupted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as during:
        stopping(during, *STEPS[step], OSError(errno.ENOSPC, "No space left on device"))
        with pytest.raises((OSError, InputError), match=r"(?i)no space left"):
            stage()
    assert SHARDS.exists()
    if removed:
        shutil.rmtree(STAGE, ignore_errors=True)
    forbid_scoring(monkeypatch)
    stage()
    assert files(STAGE) == uninterrupted
    assert not SHARDS.exists()


def test_a_stage_interrupted_while_scoring_resumes_after_its_last_complete_shard(
    uninterrupted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def failing(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if sum(seen) == 2 * SHARD and not STAGE.exists():
            STAGE.mkdir(parents=True)
            raise KeyboardInterrupt
        seen.append(len(faces["emotion"]))
        return stub_outputs(faces)

    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: failing)
    with pytest.raises(KeyboardInterrupt):
        stage()
    assert not list(STAGE.iterdir())
    stage()
    assert seen == [SHARD, SHARD, SHARD, FACES - 3 * SHARD]
    assert files(STAGE) == uninterrupted


def test_tables_of_another_run_are_replaced_when_a_run_resumes(
    uninterrupted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a stage was killed and `dvc checkout` restored the previous output."""
    with monkeypatch.context() as during:
        stopping(during, tasks.scoring.batch, "join_shards", 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            stage()
    batch(["in"], "workspace", Path("before"))
    shutil.copytree("before", STAGE, dirs_exist_ok=True)
    stage()
    assert files(STAGE) == uninterrupted


@pytest.mark.parametrize("other", ["input", "settings", "models", "code"])
def test_an_unfinished_run_with_another_fingerprint_is_scored_again(
    other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as during:
        stopping(during, flows.stages.score, "count_scored", 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            stage()
    if other == "input":
        split(INPUT, FACES - 1)
    elif other == "settings":
        set_params(Path(), score__confidence_threshold=0.9)
    elif other == "models":
        approved, _ = flows.score.load_model_set("workspace")
        others = replace(approved, hashes=approved.hashes | {"emotion": "another"})
        monkeypatch.setattr(flows.stages.score, "load_approved_models", lambda *_, **__: others)
    else:
        monkeypatch.setattr(tasks.scoring.run_folder, "code_files", lambda: [INPUT])
    forbid_scoring(monkeypatch)
    with pytest.raises(AssertionError, match="scored twice"):
        stage()


def test_a_second_run_replaces_the_output_with_the_same_files(uninterrupted: dict[str, str]) -> None:
    stage()
    (STAGE / "faces.npz").write_text("of an earlier version")
    (STAGE / ".predictions.01234567.tmp.csv").write_text("of a run that was killed")
    (STAGE / "pictures").mkdir()
    kept = Path("cached.parquet")
    (STAGE / "skipped.parquet").rename(kept)
    (STAGE / "skipped.parquet").symlink_to(kept.absolute())
    kept.chmod(0o444)
    before = kept.read_bytes()
    stage()
    assert files(STAGE) == uninterrupted
    assert not (STAGE / "skipped.parquet").is_symlink()
    assert kept.read_bytes() == before


def bad_inputs() -> dict[str, tuple[str, bytes, str]]:
    text = b"emotion,pixels\n" + b"0,1 2 3\n" * 3
    return {
        "empty": ("a.csv", b"", ": the file is empty, or its first line"),
        "no pixels": ("a.csv", b"a,b\n1,2\n", ": no column holds pixels; found a, b; "),
        "no usable row": ("a.csv", text, ", row 1: 3 values are not the pixels of a square"),
        "no split": ("a.npz", b"PK\x03\x04", ": not a prepared split .*; `dvc repro` writes one"),
        "no image": ("a.png", b"hello", ": is a text file; only jpg"),
    }


@pytest.mark.parametrize("name", bad_inputs())
def test_an_input_without_a_face_fails_and_keeps_the_previous_output(name: str, uninterrupted: dict[str, str]) -> None:
    stage()
    file, content, reason = bad_inputs()[name]
    Path(file).write_bytes(content)
    set_params(Path(), score__input=file)
    with pytest.raises(InputError, match=rf"^{file}{reason}.*; nothing can be scored$"):
        stage()
    assert files(STAGE) == uninterrupted
    assert not SHARDS.exists()
    set_params(Path(), score__input="absent.csv")
    with pytest.raises(InputError, match=r"absent.csv: no such file or folder; correct the path"):
        stage()


def test_some_rows_without_a_face_are_skipped() -> None:
    pixels = " ".join(str(number % 200) for number in range(48**2))
    Path("a.csv").write_text(f"emotion,pixels\n0,1 2 3\n0,{pixels}\n")
    set_params(Path(), score__input="a.csv")
    stage()
    assert pd.read_parquet(STAGE / "predictions.parquet")["row"].tolist() == [2]
    (reason,) = pd.read_parquet(STAGE / "skipped.parquet")["reason"]
    assert reason == "3 values are not the pixels of a square, such as 48x48 = 2,304"


def test_the_drift_event_is_emitted_for_each_input_that_drifted(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.scoring.drift_check, "emit", lambda event, payload: events.append(payload))
    stage()
    split(INPUT, FACES - 1)
    stage()
    assert [event["faces"] for event in events] == [FACES, FACES - 1]
    assert {event["folder"] for event in events} == {str(STAGE)}
    assert json.loads((STAGE / "drift.json").read_text())["drifted"]


KILLS = """
import os, signal, sys
from pathlib import Path

import flows.stages.score
import params
import tasks.scoring.batch
import tests.scoring.test_score_stage as test
from tests.scoring.test_batch import stub_outputs
from tests.scoring.test_resume import models

approved = models(Path("stubs"))
flows.stages.score.load_approved_models = lambda *_, **__: approved
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
            killed_at(*step)
        test.stage()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


for number, step in enumerate(("first table", "second table")):
    test.STEPS[step] = test.STEPS[step][:2] + (number,)  # no shard is left to write
steps = [(tasks.scoring.batch, "write_shard", 2), *test.STEPS.values()]
assert [in_a_process(step) for step in steps] == [-signal.SIGKILL] * len(steps)
assert in_a_process(None) == 0
"""


def test_a_stage_killed_many_times_ends_as_an_uninterrupted_one(uninterrupted: dict[str, str]) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLS], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert files(STAGE) == uninterrupted
    assert not SHARDS.exists()
