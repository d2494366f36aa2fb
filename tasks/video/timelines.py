"""What a scored table says of its videos over time."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faces.plots.timeline import Timeline
from faces.scoring.tracking import smoothed
from tasks.video.track_table import PROBABILITY, has_frames


class ScoredVideo(NamedTuple):
    """A source of frames: its name, the frames that were scored and the time of the last in seconds, and its tracks."""

    source: str
    num_frames: int
    num_without_face: int
    last_s: float
    tracks: list[Timeline]


def videos_of(path: Path) -> list[str]:
    """The videos with faces, in the order of the table."""
    if not has_frames(path):
        return []
    table = pq.read_table(path, columns=["source", "frame"])
    return list(map(str, pc.unique(table.filter(pc.is_valid(table["frame"]))["source"]).to_pylist()))


def scored_video(out: Path, source: str, window_s: float) -> ScoredVideo:
    """The tracks of a video with their smoothed probabilities, the one with most faces first."""
    path = out / "predictions.parquet"
    names = [name for name in pq.read_schema(path).names if name.startswith(PROBABILITY)]
    of_source = [("source", "==", source)]
    faces = pq.read_table(path, columns=["frame", "time_s", "track", *names], filters=of_source).to_pandas()
    skipped = pq.read_table(out / "skipped.parquet", columns=["frame", "time_s"], filters=of_source).to_pandas()
    probabilities = smoothed(faces[names].to_numpy(), faces["time_s"].to_numpy(), faces["track"].to_numpy(), window_s)
    timelines = [
        Timeline(int(track), faces["time_s"].to_numpy()[rows], probabilities[rows])
        for track, rows in faces.groupby("track").indices.items()
    ]
    without = skipped[skipped["time_s"].notna()]
    return ScoredVideo(
        source,
        faces["frame"].nunique() + len(without),
        len(without),
        float(np.nanmax([*faces["time_s"].to_numpy(), *without["time_s"].to_numpy()])),
        sorted(timelines, key=lambda timeline: (-len(timeline.times), timeline.track)),
    )
