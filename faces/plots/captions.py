"""Finds places for the captions of boxes: inside the picture, and not on one another if there is room."""

import numpy as np

GAP = 3
"""Pixels between a box and its caption."""
PLACES = {
    "above": 0.0,
    "below": 0.1,
    "above, right": 0.05,
    "below, right": 0.15,
    "right": 0.4,
    "left": 0.6,
    "inside": 0.5,
}
"""What each place beside a box costs, as a fraction of the caption that hides a box."""
STEPS, STEP_COST = (1, 2, 3), 0.5
"""Heights of a caption by which one is moved away from its box to be free of the others, and what each costs."""


def place_captions(areas: np.ndarray, sizes: np.ndarray, width: int, height: int) -> np.ndarray:
    """The left upper corners (n, 2) int of captions of `sizes` (n, 2), each no larger than the picture.

    `areas` (n, 4) are left, top, right and bottom of the boxes. In order, each caption takes the place that hides least
    of the earlier captions, and of those the cheapest: one that hides little of the boxes and is close to its own.
    """
    placed = np.empty((len(areas), 4))
    for place, (area, size) in enumerate(zip(areas, sizes, strict=True)):
        corners, costs = _candidates(area, size)
        corners = np.clip(corners, 0, np.maximum([width, height] - size, 0)).round()
        found = np.concatenate([corners, corners + size], axis=1)
        costs = costs + _covered(found, areas) / max(size.prod(), 1)
        placed[place] = found[np.lexsort((costs, _covered(found, placed[:place])))[0]]
    return placed[:, :2].astype(int)


def _candidates(area: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Left upper corners (m, 2) of a caption, and what each costs (m,)."""
    (left, top, right, bottom), (across, down) = area, size
    above, below, end = top - down - GAP, bottom + GAP, right - across
    near = [(left, above), (left, below), (end, above), (end, below), (right + GAP, top), (left - GAP - across, top)]
    further = [(x, y) for step in STEPS for x in (left, end) for y in (above - step * down, below + step * down)]
    corners = np.array([*near, (left + GAP, top + GAP), *further])
    return corners, np.array([*PLACES.values(), *(STEP_COST * step for step in STEPS for _ in range(4))])


def _covered(found: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The pixels (m,) of rectangles (m, 4) that lie on others (k, 4), summed over these."""
    low = np.maximum(found[:, None, :2], others[None, :, :2])
    high = np.minimum(found[:, None, 2:], others[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2).sum(axis=1))
