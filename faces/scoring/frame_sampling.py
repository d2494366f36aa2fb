"""Chooses frames of a video by their times."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Timed(NamedTuple):
    """A frame of any kind, its number from 0, and its time from the first frame in seconds."""

    number: int
    time: float
    frame: object


def nearest_to_grid(frames: Iterable[Timed], fps: float) -> Iterator[Timed]:
    """Those frames, given in the order of time, that are nearest to a time k / fps, k = 0, 1, ...; of two the earlier.

    Each frame at most once, and none for times after the last frame.
    """
    held, is_wanted, step = None, False, 0
    for item in frames:
        last, is_next_wanted = math.floor(item.time * fps), False
        if last >= step:
            is_wanted |= held is not None and step / fps - held.time <= item.time - step / fps
            is_next_wanted = held is None or last / fps - held.time > item.time - last / fps
            step = last + 1
        if held is not None and is_wanted:
            yield held
        held, is_wanted = item, is_next_wanted
    if held is not None and is_wanted:
        yield held
