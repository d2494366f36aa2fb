"""Adds tracks to the table of predictions, in one pass in the order of its rows, with few of them in memory."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from faces.scoring.tracking import Tracker, smoothed
from params import Video

FRAME_COLUMNS = ("frame", "time_s")
TRACK_COLUMNS = (("track", "int64"), ("track_emotion", "string"), ("track_confidence", "float"))
"""Names and types, as Arrow spells them."""
AFTER = "abstained"
PROBABILITY = "probability_"


class Tracking(NamedTuple):
    """How faces are followed: the settings, and the frames per second that were asked for, None for all."""

    settings: Video
    fps: float | None

    @property
    def max_gap_s(self) -> float:
        """Seconds that a track survives without its face: that of the settings, or to the next frame that is scored."""
        return max(self.settings.max_gap_s, 1.5 / self.fps if self.fps else 0)


def has_frames(path: Path) -> bool:
    """Whether a table is of a run with videos."""
    return "frame" in pq.read_schema(path).names


def table_schema(schema: pa.Schema, tracking: Tracking | None) -> pa.Schema:
    """The schema of a table of a run, from that of its shards; `tracking` is None for a run without videos."""
    if tracking is None:
        return pa.schema([field for field in schema if field.name not in FRAME_COLUMNS])
    if AFTER not in schema.names:
        return schema
    place = schema.names.index(AFTER) + 1
    columns = [pa.field(name, pa.type_for_alias(kind)) for name, kind in TRACK_COLUMNS]
    return pa.schema([*list(schema)[:place], *columns, *list(schema)[place:]])


def finished(tables: Iterable[pa.Table], tracking: Tracking | None) -> Iterator[pa.Table]:
    """The tables of a run, from those of its shards, in their order, with the columns of `table_schema`."""
    if tracking is None:
        yield from (table.drop_columns(list(FRAME_COLUMNS)) for table in tables)
        return
    waiting = _Waiting(tracking)
    for table in tables:
        if AFTER not in table.column_names:  # of skipped records
            yield table
            continue
        yield waiting.add(table)
    if waiting.rows is not None:
        yield waiting.rest()


class _Rows(NamedTuple):
    """Rows that wait, and before them `num_context` rows that were given out and are in the windows of these."""

    table: pa.Table
    sources: np.ndarray
    times: np.ndarray
    tracks: np.ndarray
    probabilities: np.ndarray
    num_context: int

    def since(self, start: int) -> "_Rows":
        """The rows from `start` on."""
        table, sources, times = self.table[start:], self.sources[start:], self.times[start:]
        return _Rows(table, sources, times, self.tracks[start:], self.probabilities[start:], 0)

    def and_then(self, other: "_Rows") -> "_Rows":
        """These rows, and the others after them."""
        return _Rows(
            pa.concat_tables([self.table, other.table]),
            np.concatenate([self.sources, other.sources]),
            np.concatenate([self.times, other.times]),
            np.concatenate([self.tracks, other.tracks]),
            np.concatenate([self.probabilities, other.probabilities]),
            self.num_context,
        )


class _Waiting:
    """Rows whose window may have rows to come."""

    def __init__(self, tracking: Tracking) -> None:
        self.rows: _Rows | None = None
        self._tracking, self._source, self._tracker = tracking, "", Tracker(1, 0)
        self._num_sources = 0

    def add(self, table: pa.Table) -> pa.Table:
        """Take the next rows; the rows that are finished by that."""
        new = self._tracked(table)
        rows = new if self.rows is None else self.rows.and_then(new)
        if not len(rows.times):
            self.rows = rows
            return self._given(rows, 0)
        half, is_open = self._tracking.settings.window_s / 2, rows.sources == rows.sources[-1]
        # Rows of a source are in the order of time.
        is_open &= ~np.isnan(rows.times) & (rows.times + half >= rows.times[-1])
        is_open[: rows.num_context] = False
        end = len(is_open) - int(is_open.sum())
        given = self._given(rows, end)
        oldest = rows.times[end] if end < len(rows.times) else rows.times[-1]
        is_context = (rows.sources == rows.sources[-1]) & (rows.times >= oldest - half)
        start = end - int(is_context[:end].sum())
        self.rows = rows.since(start)._replace(num_context=end - start)
        return given

    def rest(self) -> pa.Table:
        """The rows that still wait."""
        assert self.rows
        return self._given(self.rows, len(self.rows.times))

    def _given(self, rows: _Rows, end: int) -> pa.Table:
        """The rows up to `end` that were not given yet, with their tracks."""
        start, followed = rows.num_context, rows.tracks > 0
        # A track's number counts within its source.
        keys = rows.sources[followed] * (rows.tracks.max(initial=0) + 1) + rows.tracks[followed]
        means = np.zeros_like(rows.probabilities)
        window = self._tracking.settings.window_s
        means[followed] = smoothed(rows.probabilities[followed], rows.times[followed], keys, window)
        means, table = means[start:end], rows.table[start:end]
        names = [name.removeprefix(PROBABILITY) for name in table.column_names if name.startswith(PROBABILITY)]
        emotions, confidences = np.array(names, object)[means.argmax(axis=1)], means.max(axis=1).astype(np.float32)
        place = table.column_names.index(AFTER) + 1
        for offset, values in enumerate((rows.tracks[start:end], emotions, confidences)):
            name, kind = TRACK_COLUMNS[offset]
            column = pa.array(values, pa.type_for_alias(kind), mask=~followed[start:end])
            table = table.add_column(place + offset, name, column)
        return table

    def _tracked(self, table: pa.Table) -> _Rows:
        times = table["time_s"].to_numpy().astype(float)
        boxes = np.stack([table[name].to_numpy().astype(float) for name in ("box_x", "box_y", "box_size")], axis=1)
        probabilities = [table[name].to_numpy() for name in table.column_names if name.startswith(PROBABILITY)]
        sources, tracks = np.zeros(len(table), np.int64), np.zeros(len(table), np.int64)
        places = list(
            zip(table["source"].to_pylist(), table["row"].to_pylist(), table["frame"].to_pylist(), strict=True)
        )
        for (source, _, frame), group in groupby(range(len(places)), places.__getitem__):
            rows = list(group)
            if source != self._source:
                self._source, self._num_sources = source, self._num_sources + 1
                self._tracker = Tracker(self._tracking.settings.min_iou, self._tracking.max_gap_s)
            sources[rows] = self._num_sources
            if frame is not None:
                tracks[rows] = self._tracker.update(times[rows[0]], boxes[rows])
        return _Rows(table, sources, times, tracks, np.stack(probabilities, axis=1), 0)
