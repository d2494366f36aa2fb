"""Follows the faces of a video from frame to frame by the overlap of their boxes, and smooths their emotions.

As SORT (Bewley et al. 2016, Simple Online and Realtime Tracking), with a constant velocity in place of the Kalman
filter, and greedy in place of optimal matching: faces seldom compete for a box.
"""

from dataclasses import dataclass, field

import numpy as np

INERTIA = 0.5
"""Weight of the velocity so far beside that since the last frame, which has the noise of two boxes."""


@dataclass
class Track:
    """A face that is followed: its number from 1, its box of left, top and side, its velocity in pixels a second."""

    number: int
    box: np.ndarray
    time: float
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def box_at(self, time: float) -> np.ndarray:
        """The box (3,) to expect at a time."""
        moved = self.box.copy()
        moved[:2] += self.velocity * (time - self.time)
        return moved

    def move(self, box: np.ndarray, time: float) -> None:
        """Put the track where its face was found."""
        seconds = time - self.time
        if seconds > 0:
            centre, before = box[:2] + box[2] / 2, self.box[:2] + self.box[2] / 2
            self.velocity = INERTIA * self.velocity + (1 - INERTIA) * (centre - before) / seconds
        self.box, self.time = box, time


class Tracker:
    """The tracks of one video, whose frames come in the order of time."""

    def __init__(self, min_iou: float, max_gap_s: float) -> None:
        """A face continues a track whose expected box it overlaps by `min_iou`, and that was seen `max_gap_s` ago."""
        self._min_iou, self._max_gap_s = min_iou, max_gap_s
        self._tracks: list[Track] = []
        self._count = 0

    def update(self, time: float, boxes: np.ndarray) -> np.ndarray:
        """The track numbers (n,) of the faces of a frame, given their boxes (n, 3) of left, top and side in pixels.

        The pair of track and face with the largest overlap is matched first. A face without a track starts one.
        """
        self._tracks = [track for track in self._tracks if time - track.time <= self._max_gap_s]
        expected = np.array([track.box_at(time) for track in self._tracks]).reshape(-1, 3)
        overlaps = overlaps_of(expected, boxes)
        numbers = np.zeros(len(boxes), np.int64)
        for place in np.argsort(-overlaps, axis=None, kind="stable").tolist():
            track, face = divmod(place, len(boxes))
            if overlaps[track, face] < self._min_iou:
                break
            is_free = self._tracks[track].number not in numbers
            if numbers[face] == 0 and is_free:
                numbers[face] = self._tracks[track].number
                self._tracks[track].move(boxes[face], time)
        for face in np.flatnonzero(numbers == 0).tolist():
            self._count += 1
            numbers[face] = self._count
            self._tracks.append(Track(self._count, boxes[face], time))
        return numbers


def overlaps_of(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union (n, m) of square boxes (n, 3) and (m, 3) of left, top and side."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum((boxes[:, :2] + boxes[:, 2:])[:, None], (others[:, :2] + others[:, 2:])[None])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = boxes[:, 2, None] ** 2 + others[None, :, 2] ** 2 - shared
    return np.asarray(np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0))


def smoothed(probabilities: np.ndarray, times: np.ndarray, tracks: np.ndarray, window_s: float) -> np.ndarray:
    """Means (n, classes) of each row's track over the rows that are at most half a window away, on either side.

    `probabilities` (n, classes), `times` (n,) in seconds, ascending within a track, `tracks` (n,): their numbers. A row
    depends on the rows in its window only, to the last bit.
    """
    # Integers, so that a sum over a window is exact, however many rows lie before it.
    whole = np.rint(probabilities.astype(np.float64) * SCALE).astype(np.int64)
    means = np.empty(probabilities.shape)
    for track in np.unique(tracks):
        rows = np.flatnonzero(tracks == track)
        sums = np.concatenate([np.zeros((1, probabilities.shape[1]), np.int64), whole[rows].cumsum(axis=0)])
        first = np.searchsorted(times[rows], times[rows] - window_s / 2, "left")
        end = np.searchsorted(times[rows], times[rows] + window_s / 2, "right")
        means[rows] = (sums[end] - sums[first]) / (end - first)[:, None] / SCALE
    return means


SCALE = 2**40
"""A sum of eight million probabilities still fits into 64 bits."""
