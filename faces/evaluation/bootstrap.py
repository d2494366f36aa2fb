"""95% intervals, by drawing whole groups: the faces of one person, or of one cluster, are not independent evidence.

The cluster bootstrap (Field & Welsh 2007) with percentiles (Efron & Tibshirani 1993, chapter 13). Where a rate is 0 or
1, every draw agrees and so do the bounds: that tells how the method works, and not that the next face cannot differ.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

Measure = Callable[[np.ndarray], dict[str, np.ndarray]]
"""From how often each face counts, (B, N), to each metric B times: (B,) or (B, K), NaN where it is undefined."""

RESAMPLES, SEED, BLOCK = 1000, 0, 100

FEWEST = 5
"""Of fewer groups no interval is given: so few draws differ that it would look far narrower than it is."""

MAY_MISS = 0.01
"""Nor where a metric is undefined in a larger share of the draws: it rests on too few of the groups, such as those that
bear a rare class. Five of many groups are missed together in exp(-5), 0.7% of the draws, four in 1.8%."""


class Estimate(NamedTuple):
    """A metric on the faces as they are, and the bounds of its 95% interval: () or (K,), NaN where undefined."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def group_weights(groups: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[np.ndarray]:
    """How often each face (N,) is drawn when as many groups as there are get drawn with replacement.

    Comes in blocks (up to BLOCK, N). Equal groups and seed give equal draws, so that two metrics can be compared.
    """
    numbers, own = np.unique(groups, return_inverse=True)
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, BLOCK):
        rows = min(BLOCK, resamples - start)
        drawn = generator.integers(len(numbers), size=(rows, len(numbers)))
        places = drawn + len(numbers) * np.arange(rows)[:, None]
        counts = np.bincount(places.ravel(), minlength=rows * len(numbers)).reshape(rows, -1)
        yield counts[:, own].astype(float)


def estimates(
    measure: Measure, groups: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Estimate]:
    """Every metric of `measure` with its interval, over faces of these groups (N,).

    Draws in which a metric is undefined do not count. Of fewer than `FEWEST` groups, or where a larger share than
    `MAY_MISS` of the draws do not count, the bounds are NaN.
    """
    values = {name: np.asarray(value)[0] for name, value in measure(np.ones((1, len(groups)))).items()}
    if len(np.unique(groups)) < FEWEST:
        return {name: Estimate(value, *2 * [np.full_like(value, np.nan)]) for name, value in values.items()}
    drawn = [measure(weights) for weights in group_weights(groups, resamples, seed)]
    return {
        name: Estimate(value, *_bounds(np.concatenate([one[name] for one in drawn]))) for name, value in values.items()
    }


def rests_on_enough(drawn: np.ndarray) -> np.ndarray:
    """Whether a metric, drawn (R, ...), is defined in nearly all draws, (...)."""
    return np.isnan(drawn).mean(axis=0) <= MAY_MISS


def _bounds(drawn: np.ndarray) -> np.ndarray:
    """The 2.5th and the 97.5th percentile of (R, ...) over R, (2, ...)."""
    bounds = np.full((2, *drawn.shape[1:]), np.nan)
    defined = rests_on_enough(drawn)
    bounds[:, defined] = np.nanpercentile(drawn[:, defined], [2.5, 97.5], axis=0)
    return bounds
