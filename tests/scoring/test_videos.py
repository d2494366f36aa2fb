"""Videos become rows per face and frame, with times and tracks, whatever the shards and kills; and are drawn."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import av
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

import tasks.plots.annotated_videos
import tasks.scoring.batch
from faces.scoring.drift import Reference
from faces.scoring.tracking import smoothed
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import ApprovedModels
from tasks.plots.annotated_videos import draw_videos
from tasks.plots.prediction_grid import draw_predictions
from tasks.plots.scoring_report import write_report
from tasks.scoring.drift_check import watch_drift
from tasks.scoring.run_folder import finish_run
from tasks.scoring.shards import WORK
from tests.clips import scene, shades, write_clip, write_gif
from tests.conftest import ROOT
from tests.scoring.approved import models_with
from tests.scoring.test_batch import CLASSES, approved, scored, settings, stub, stub_outputs

__all__ = ["approved", "stub"]

NUM_FRAMES = 12
EMPTY = (4, 5)
"""Frames without a face."""


def two_faces(number: int) -> np.ndarray:
    """One face that goes to the right above one that goes to the left."""
    if number in EMPTY:
        return scene([])
    return scene([(0, 10 + 10 * number, 6), (3, 160 - 10 * number, 88)])


def clip(path: Path, **changes: Any) -> Path:
    return write_clip(path, [two_faces(number) for number in range(NUM_FRAMES)], **changes)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("video") / "two.mp4")


def skipped(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "skipped.parquet")


def test_a_clip_becomes_a_row_per_face_and_frame(video: Path, approved: ApprovedModels, tmp_path: Path) -> None:
    table = scored([str(video)], approved, tmp_path / "out", shard_size=5)
    with_faces = [number for number in range(NUM_FRAMES) if number not in EMPTY]
    assert table["frame"].tolist() == [number for number in with_faces for _ in range(2)]
    np.testing.assert_allclose(table["time_s"], table["frame"] / 10, atol=1e-6)
    assert set(table["row"]) == {0}
    assert skipped(tmp_path / "out")[["frame", "time_s"]].to_numpy().tolist() == [[4.0, 0.4], [5.0, 0.5]]
    upper = table[table["box_y"] < 60]
    lower = table[table["box_y"] >= 60]
    assert len(upper) == len(lower) == len(with_faces)
    assert {frozenset(upper["track"]), frozenset(lower["track"])} == {frozenset([1]), frozenset([2])}
    shift = np.diff(upper["box_x"]) / np.diff(upper["frame"])
    np.testing.assert_allclose(shift, 10, atol=4)
    names = [f"probability_{name}" for name in CLASSES]
    means = smoothed(table[names].to_numpy(), table["time_s"].to_numpy(), table["track"].to_numpy(), 1.0)
    assert table["track_emotion"].tolist() == [CLASSES[place] for place in means.argmax(axis=1)]
    np.testing.assert_allclose(table["track_confidence"], means.max(axis=1), rtol=1e-6)
    columns = pq.read_schema(tmp_path / "out/predictions.parquet")
    assert columns.names[:5] == ["source", "row", "frame", "time_s", "face"]
    assert str(columns.field("frame").type) == "int64"


def test_shards_do_not_change_the_tables(video: Path, approved: ApprovedModels, tmp_path: Path) -> None:
    for size in (1, 3, 512):
        scored([str(video)], approved, tmp_path / str(size), shard_size=size)
    for name in ("predictions.parquet", "skipped.parquet"):
        assert len({sha256(tmp_path / str(size) / name) for size in (1, 3, 512)}) == 1


def test_a_clip_beside_pictures_leaves_their_columns_empty(
    video: Path, approved: ApprovedModels, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(scene([(0, 20, 20)])).save(folder / "b.png")
    write_gif(folder / "c.gif", [scene([(1, 20 + 3 * number, 40)]) for number in range(3)])
    write_gif(folder / "d.gif", [scene([(2, 20, 40)])])
    (folder / "a.mp4").write_bytes(video.read_bytes())
    table = scored(folder, approved, tmp_path / "out", shard_size=4)
    named = table.assign(name=table["source"].map(lambda name: Path(name).name))
    assert named.groupby("name")["frame"].nunique().to_dict() == {"a.mp4": 10, "b.png": 0, "c.gif": 3, "d.gif": 0}
    pictures = named[named["name"].isin(["b.png", "d.gif"])]
    assert pictures[["frame", "time_s", "track", "track_emotion", "track_confidence"]].isna().all(axis=None)
    assert named[named["name"] == "c.gif"]["track"].tolist() == [1, 1, 1]
    assert named[named["name"] == "c.gif"]["time_s"].round(3).tolist() == [0, 0.1, 0.2]


def test_a_run_without_videos_has_no_such_columns(approved: ApprovedModels, tmp_path: Path) -> None:
    Image.fromarray(scene([(0, 20, 20)])).save(tmp_path / "a.png")
    table = scored([str(tmp_path / "a.png")], approved, tmp_path / "out")
    assert not {"frame", "time_s", "track", "track_emotion", "track_confidence"} & set(table)
    assert pq.read_schema(tmp_path / "out/skipped.parquet").names == ["source", "row", "reason"]


def test_fewer_frames_a_second(video: Path, approved: ApprovedModels, tmp_path: Path) -> None:
    out = tmp_path / "out"
    predictor = make_predictor_of(approved)
    table = predictor.predict_files(video, fps=5, out=out)
    assert table["frame"].unique().tolist() == [0, 2, 6, 8, 10]
    assert skipped(out)["frame"].tolist() == [4]
    assert set(table["track"]) == {1, 2}
    pd.testing.assert_frame_equal(predictor.predict_files(video, fps=5), table)
    with pytest.raises(InputError, match="fps = 0: not a positive number"):
        predictor.predict_files(video, fps=0)


def make_predictor_of(approved: ApprovedModels) -> Any:
    from tasks.scoring.prediction_rows import model_info
    from tasks.scoring.predictor import Predictor

    return Predictor(model_info(approved, "v1"), approved, settings(shard_size=5), stub_outputs)


def test_every_damaged_video_is_one_record_with_its_reason(
    video: Path, approved: ApprovedModels, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    clip(folder / "a.webm", codec="libvpx-vp9")
    content = (folder / "a.webm").read_bytes()
    (folder / "b half.webm").write_bytes(content[: len(content) * 9 // 10])
    (folder / "c list.mp4").write_text("ffconcat version 1.0\nfile a.webm\n")
    (folder / "d empty.mov").touch()
    write_clip(folder / "e black.mp4", [np.zeros((120, 160), np.uint8)] * 3)
    table = scored(folder, approved, tmp_path / "out", shard_size=4)
    reasons = skipped(tmp_path / "out")
    reasons["name"] = reasons["source"].map(lambda name: Path(name).name)
    half = reasons[reasons["name"] == "b half.webm"]
    last = half.iloc[-1]
    num_read = int(last["frame"])
    assert 0 < num_read < NUM_FRAMES
    assert last["reason"].startswith("this frame and all after it cannot be read: is truncated: ")
    assert np.isnan(last["time_s"])
    frames = table[table["source"].str.endswith("half.webm")]["frame"]
    assert set(frames) | set(half["frame"]) == set(range(num_read + 1))
    assert reasons[reasons["name"] == "c list.mp4"]["frame"].isna().all()
    assert reasons[reasons["name"] == "d empty.mov"]["reason"].tolist() == ["is empty"]
    assert reasons[reasons["name"] == "e black.mp4"]["reason"].tolist() == ["all pixels have the level 0: no face"] * 3


def test_a_whole_frame_may_be_one_face(approved: ApprovedModels, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", shades(3, 96, 96))
    table = scored([str(path)], approved, tmp_path / "out")
    assert table["box_size"].tolist() == [96] * 3, "of at most score.max_crop_px"
    assert scored([str(path)], approved, tmp_path / "other", mode="detect").empty
    assert len(skipped(tmp_path / "other")) == 3


def drawn(out: Path) -> list[tuple[float, np.ndarray]]:
    (path,) = out.glob("pictures/*.webm")
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "vp9"
        assert not container.streams.audio
        return [(float(frame.time or 0), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def test_the_annotated_copy_shows_every_scored_frame_at_its_time(
    approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = clip(tmp_path / "two.mp4", sound=True)
    out = tmp_path / "out"
    table = scored([str(video)], approved, out)
    monkeypatch.setattr(tasks.plots.annotated_videos, "EVERY_SECONDS", 0.0)
    lines: list[str] = []
    monkeypatch.setattr(tasks.plots.annotated_videos, "log", lines.append)
    draw_videos(out, settings())
    frames = drawn(out)
    np.testing.assert_allclose([time for time, _ in frames], np.arange(NUM_FRAMES) / 10, atol=2e-3)
    assert lines[-1].startswith(f"{video}: 12 of 12 frames drawn · ")
    scale = frames[0][1].shape[1] / 240
    for number, (_, image) in enumerate(frames):
        coloured = np.ptp(image.astype(int), axis=2) > 60
        assert coloured.any() == (number not in EMPTY)
        if number not in EMPTY:
            boxes = table[table["frame"] == number][["box_x", "box_y", "box_size"]].to_numpy() * scale
            left = [coloured[round(y + size / 2), round(max(x, 1)) - 3 : round(max(x, 1)) + 4] for x, y, size in boxes]
            assert all(edge.any() for edge in left)
    made = {path: path.stat().st_mtime_ns for path in out.glob("pictures/*")}
    assert sorted(path.name for path in made) == ["0001-two.jpg", "0001-two.webm"]
    draw_videos(out, settings())
    assert {path: path.stat().st_mtime_ns for path in out.glob("pictures/*")} == made


def test_a_drawing_that_was_interrupted_leaves_no_video(
    video: Path, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored([str(video)], approved, tmp_path / "out")
    whole, calls = tasks.plots.annotated_videos.annotate, iter(range(100))

    def interrupted(*args: Any) -> np.ndarray:
        if next(calls) == 6:
            raise KeyboardInterrupt
        return whole(*args)

    with monkeypatch.context() as during:
        during.setattr(tasks.plots.annotated_videos, "annotate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            draw_videos(tmp_path / "out", settings())
    assert not list((tmp_path / "out").glob("pictures/*"))
    draw_videos(tmp_path / "out", settings())
    assert len(drawn(tmp_path / "out")) == NUM_FRAMES


def test_a_video_that_is_gone_is_not_drawn_and_a_full_disk_is_an_error(
    approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, out, lines = clip(tmp_path / "two.mp4"), tmp_path / "out", list[str]()
    scored([str(video)], approved, out)
    monkeypatch.setattr(tasks.plots.annotated_videos, "log", lines.append)
    with monkeypatch.context() as during:
        full = OSError(errno.ENOSPC, "No space left on device")
        during.setattr(tasks.plots.annotated_videos, "annotate", Mock(side_effect=full))
        with pytest.raises((OSError, InputError), match=r"(?i)no space left"):
            draw_videos(out, settings())
    video.unlink()
    draw_videos(out, settings())
    assert lines == [f"{video}: not drawn (cannot be read (No such file or directory))"]
    assert not list(out.glob("pictures/*"))


def test_report_grid_and_drift_know_frames(video: Path, approved: ApprovedModels, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "<two>.mp4").write_bytes(video.read_bytes())
    Image.fromarray(scene([(0, 20, 20)])).save(folder / "b.png")
    table = scored(folder, approved, out)
    draw_videos(out, settings())
    text = write_report(out, models_with(None), settings()).read_text()
    assert "<h2>Videos</h2>" in text
    assert "&lt;two&gt;.mp4" in text
    assert "12 frames scored up to 0:01.1, 2 without a face; 2 tracks." in text
    assert "0001-_two_.webm" in text
    assert '"has_frames":true' in text
    assert "Images, table rows and frames without a face: 2." in text
    draw_predictions(out, settings(), 100, tmp_path / "grid.png")
    assert (tmp_path / "grid.png").stat().st_size > 10_000
    reference = Reference(dict.fromkeys(CLASSES, 100), {"brightness": [float(level) for level in range(0, 41)]})
    watch_drift(out, models_with(reference), settings().drift, "v1")
    assert f'"faces": {2 + (table["frame"].isna().sum())},' in (out / "drift.json").read_text(), "one of each track"


KILLED = """
import os, signal, sys
from pathlib import Path
import tasks.scoring.batch
from tasks.scoring.batch import score_sources
from tests.scoring.test_batch import settings, stub_outputs
from tests.scoring.test_resume import models

out, source, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
approved = models(out.parent / "models" / f"{out.name}{at}")
calls = iter(range(10_000))

def killed(faces):
    if "emotion" in faces and next(calls) == at:
        os.kill(os.getpid(), signal.SIGKILL)
    return stub_outputs(faces)

score_sources([source], approved, "v1", "auto", settings(shard_size=2), out, predict=killed)
"""


def test_a_run_that_is_killed_writes_the_same_tables(video: Path, tmp_path: Path) -> None:
    def run(out: Path, at: int) -> int:
        command = [sys.executable, "-c", KILLED, str(out), str(video), str(at)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode

    assert run(tmp_path / "undisturbed", -1) == 0
    assert [run(tmp_path / "killed", at) for at in (1, 2)] == [-signal.SIGKILL] * 2
    assert len(list((tmp_path / "killed" / WORK).glob("predictions-*"))) in (2, 3)
    assert run(tmp_path / "killed", -2) == 0
    for name in ("predictions.parquet", "skipped.parquet"):
        assert sha256(tmp_path / "killed" / name) == sha256(tmp_path / "undisturbed" / name)


def test_other_frames_a_second_are_another_run(
    video: Path, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise KeyboardInterrupt

    def score(predict: Any, fps: float | None) -> None:
        tasks.scoring.batch.score_sources(
            [str(video)], approved, "v1", "auto", settings(), tmp_path / "out", predict=predict, fps=fps
        )

    with pytest.raises(KeyboardInterrupt):
        score(interrupted, 2)
    with pytest.raises(InputError, match="unfinished run with other fps;"):
        score(stub_outputs, None)
    score(stub_outputs, 2)
    finish_run(tmp_path / "out")
