"""Measures how far scored faces have drifted from the reference data, the faces that the models were evaluated on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import kolmogorov

from faces.common.image_stats import brightness, sharpness

STEPS = 40
"""Quantiles are stored in steps of 2.5%."""
BINS = 10
"""Of the PSI."""
MIN_EXPECTED_COUNT, NUM_SIMULATIONS = 5, 9_999
MIN_FACES = 30
"""Drift of fewer faces is measured and not judged: they are often of few persons or one scene, not a random sample."""


class Reference(NamedTuple):
    """Reference data: counts of predicted emotions, and STEPS + 1 ascending quantiles of each property."""

    emotions: dict[str, int]
    quantiles: dict[str, list[float]]


class Drift(NamedTuple):
    """The drift of one property: its reference and current value, each a median or an emotion with its share.

    `psi` is the population stability index, `p` the probability of a distance at least as large by chance; `drifted` is
    None if there are fewer than MIN_FACES faces.
    """

    property: str
    reference: str
    current: str
    psi: float
    p: float
    drifted: bool | None


def pixel_properties(images: np.ndarray) -> dict[str, np.ndarray]:
    """Brightness and contrast in grey levels, and sharpness, (N,) each, of images (N, H, W) uint8."""
    return {"brightness": brightness(images), "contrast": images.std(axis=(1, 2)), "sharpness": sharpness(images)}


def reference_of(emotions: Sequence[str], properties: Mapping[str, np.ndarray]) -> Reference:
    """Reference data from the predicted emotions and the properties (N,) of the evaluated faces."""
    names, counts = np.unique(np.asarray(emotions, dtype=str), return_counts=True)
    levels = np.linspace(0, 1, STEPS + 1)
    return Reference(
        dict(zip(names.tolist(), counts.tolist(), strict=True)),
        # As precise as the table of predictions: many confidences are close to 1.
        {
            name: [float(f"{value:.9g}") for value in np.quantile(values.astype(np.float32), levels)]
            for name, values in properties.items()
        },
    )


def measure_drift(
    reference: Reference,
    emotions: Mapping[str, int],
    properties: Mapping[str, np.ndarray],
    *,
    psi_threshold: float,
    p_value: float,
) -> list[Drift]:
    """The drift of each property of n >= 1 faces: `emotions` are counts of predicted emotions, `properties` (n,) each.

    A property drifted if its PSI is over `psi_threshold` and its p under `p_value`: few faces exceed the first by
    chance, and of a million faces the smallest difference passes the second. Fewer than MIN_FACES are not judged.
    """
    num_reference = sum(reference.emotions.values())
    compared = [_compare_emotions(reference.emotions, emotions)]
    for name, quantiles in reference.quantiles.items():
        values, levels = np.sort(properties[name].astype(np.float32)), np.array(quantiles, np.float32)
        medians = f"{levels[STEPS // 2]:.3g}", f"{np.median(values):.3g}"
        compared.append((name, *medians, _psi_of_quantiles(levels, values), _smirnov_p(levels, num_reference, values)))
    judged = sum(emotions.values()) >= MIN_FACES
    return [Drift(*row, drifted=row[3] > psi_threshold and row[4] < p_value if judged else None) for row in compared]


def stability_index(expected: np.ndarray, counts: np.ndarray) -> float:
    """PSI of expected fractions and counts, (k,) each: 0 if they agree; by convention small to 0.1, large from 0.25.

    The symmetric Kullback-Leibler divergence (Yurdakul 2018, Statistical Properties of Population Stability Index).
    0.5 is added to every count, because the logarithm of 0 is undefined.
    """
    current = (counts + 0.5) / (counts + 0.5).sum()
    return float(((current - expected) * np.log(current / expected)).sum())


def _compare_emotions(reference: Mapping[str, int], current: Mapping[str, int]) -> tuple[str, str, str, float, float]:
    """A row of the drift table; it shows the emotion whose share changed most."""
    names = sorted(reference.keys() | current.keys())
    counts = np.array([[of.get(name, 0) for name in names] for of in (reference, current)])
    expected = (counts[0] + 0.5) / (counts[0] + 0.5).sum()
    shares = counts / counts.sum(axis=1, keepdims=True)
    most = int(np.abs(shares[1] - shares[0]).argmax())
    shown = [f"{names[most]} {share:.0%}" for share in shares[:, most]]
    return "emotion", shown[0], shown[1], stability_index(expected, counts[1]), _pearson_p(expected, counts)


def _pearson_p(expected: np.ndarray, counts: np.ndarray) -> float:
    """p of the chi-squared test of counts (2, k); simulated if an expected count is under 5, where it is invalid."""
    num_faces = int(counts[1].sum())
    if len(expected) == 1:
        return 1.0
    if (num_faces * expected).min() >= MIN_EXPECTED_COUNT:
        # Takes longer to import than a photograph to score, and a photograph has too few faces for it.
        from scipy.stats import chi2_contingency

        return float(chi2_contingency(counts).pvalue)
    simulated = np.random.default_rng(0).multinomial(num_faces, expected, NUM_SIMULATIONS)
    statistics = ((np.vstack([counts[1:], simulated]) - num_faces * expected) ** 2 / (num_faces * expected)).sum(axis=1)
    # Equal counts may differ in the last digit of the statistic.
    return float((statistics >= statistics[0] * (1 - 1e-9)).mean())


def _psi_of_quantiles(levels: np.ndarray, values: np.ndarray) -> float:
    """PSI over the deciles of the reference data; over fewer, larger bins if many of its values are equal."""
    edges = np.unique(levels[STEPS // BINS : -1 : STEPS // BINS])
    cumulative = _reference_cdf(levels, edges, "right")
    edges, cumulative = edges[cumulative < 1], cumulative[cumulative < 1]
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return stability_index(np.diff(cumulative, prepend=0, append=1), counts)


def _smirnov_p(levels: np.ndarray, num_reference: int, values: np.ndarray) -> float:
    """p of the largest distance between both distribution functions (Smirnov 1939)."""
    points = np.unique(np.concatenate([levels, values]))
    distance = max(
        np.abs(np.searchsorted(values, points, side=side) / len(values) - _reference_cdf(levels, points, side)).max()
        for side in ("left", "right")
    )
    # The effective sample size of two samples.
    size = len(values) * num_reference / (len(values) + num_reference)
    return float(kolmogorov(np.sqrt(size) * distance))


def _reference_cdf(levels: np.ndarray, points: np.ndarray, side: str) -> np.ndarray:
    """Fraction of the reference data below (`left`), or not above (`right`), each point; linear between quantiles."""
    values, first, counts = np.unique(levels, return_index=True, return_counts=True)
    below, up_to = first / STEPS, (first + counts - 1) / STEPS
    # Each value twice, with both fractions: a step where several quantiles are equal.
    between = np.interp(points, np.repeat(values, 2), np.column_stack([below, up_to]).ravel(), left=0.0, right=1.0)
    at = np.clip(np.searchsorted(values, points), 0, len(values) - 1)
    return np.where(points == values[at], (up_to if side == "right" else below)[at], between)
