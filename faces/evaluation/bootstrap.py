"""95% bootstrap intervals over groups: images of one subject, or of one duplicate component, are not independent.

The cluster bootstrap (Field & Welsh 2007) with percentiles (Efron & Tibshirani 1993, chapter 13). Where a rate is 0 or
1, every resample agrees and so do the bounds. This is a property of the method. It does not mean that the next image
cannot differ.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

Measure = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Maps sample weights (B, N) to each metric B times: (B,) or (B, K), NaN where undefined."""

RESAMPLES, SEED, BLOCK = 1000, 0, 100

MIN_GROUPS = 5
"""With fewer groups no interval is given: so few resamples differ that it would be far too narrow."""

MAY_MISS = 0.01
"""No interval is given for a metric that is undefined in a larger fraction of the resamples. It depends on too few
groups, for example on those of a rare class. Five of many groups are all missing in exp(-5), 0.7% of the resamples,
four in 1.8%."""


class Estimate(NamedTuple):
    """A metric on the whole sample, and the bounds of its 95% interval: () or (K,), NaN where undefined."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def group_weights(groups: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> Iterator[np.ndarray]:
    """Yields how often each image (N,) is drawn when groups are resampled with replacement, in blocks (up to BLOCK, N).

    Each resample draws as many groups as there are. Equal groups and seed give equal resamples, so two metrics can be
    compared.
    """
    unique_groups, group_index = np.unique(groups, return_inverse=True)
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, BLOCK):
        rows = min(BLOCK, resamples - start)
        drawn = generator.integers(len(unique_groups), size=(rows, len(unique_groups)))
        flat_indices = drawn + len(unique_groups) * np.arange(rows)[:, None]
        counts = np.bincount(flat_indices.ravel(), minlength=rows * len(unique_groups)).reshape(rows, -1)
        yield counts[:, group_index].astype(float)


def bootstrap_intervals(
    measure: Measure, groups: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED
) -> dict[str, Estimate]:
    """Returns every metric of `measure` with its interval, over images of these groups (N,).

    Resamples in which a metric is undefined are ignored. The bounds are NaN with fewer than `MIN_GROUPS` groups, and
    where a fraction larger than `MAY_MISS` of the resamples is ignored.
    """
    values = {name: np.asarray(value)[0] for name, value in measure(np.ones((1, len(groups)))).items()}
    if len(np.unique(groups)) < MIN_GROUPS:
        return {name: Estimate(value, *2 * [np.full_like(value, np.nan)]) for name, value in values.items()}
    resampled = [measure(weights) for weights in group_weights(groups, resamples, seed)]
    return {
        name: Estimate(value, *_bounds(np.concatenate([block[name] for block in resampled])))
        for name, value in values.items()
    }


def rests_on_enough(resampled: np.ndarray) -> np.ndarray:
    """Returns whether a metric, resampled (R, ...), is defined in nearly all resamples, (...)."""
    enough: np.ndarray = np.isnan(resampled).mean(axis=0) <= MAY_MISS
    return enough


def _bounds(resampled: np.ndarray) -> np.ndarray:
    """Returns the 2.5th and the 97.5th percentile of (R, ...) over R, (2, ...)."""
    bounds = np.full((2, *resampled.shape[1:]), np.nan)
    defined = rests_on_enough(resampled)
    bounds[:, defined] = np.nanpercentile(resampled[:, defined], [2.5, 97.5], axis=0)
    return bounds
