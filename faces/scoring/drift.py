"""Whether the faces that are scored are like those that the networks were judged on."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from faces.common.image_stats import brightness, sharpness

STEPS = 40
"""Quantiles are kept in steps of 2.5%."""
BINS = 10
FEWEST, DRAWS = 5, 9_999


class Reference(NamedTuple):
    """Of judged faces: how many were named each emotion, and each property's STEPS + 1 quantiles, the least first."""

    emotions: dict[str, int]
    quantiles: dict[str, list[float]]


class Drift(NamedTuple):
    """One property: what is usual (a median, or an emotion with its share), what was found, and how far apart they are.

    `psi` is the population stability index, `p` the probability of as great a distance by chance.
    """

    property: str
    usual: str
    found: str
    psi: float
    p: float
    drifted: bool


def pixel_properties(images: np.ndarray) -> dict[str, np.ndarray]:
    """Brightness and contrast in grey levels, and sharpness, of faces (N, H, W) uint8, (N,) each."""
    return {"brightness": brightness(images), "contrast": images.std(axis=(1, 2)), "sharpness": sharpness(images)}


def reference_of(emotions: Sequence[str], properties: Mapping[str, np.ndarray]) -> Reference:
    """From the emotion that each judged face was named, and properties (N,) of these faces."""
    names, counts = np.unique(np.asarray(emotions, dtype=str), return_counts=True)
    levels = np.linspace(0, 1, STEPS + 1)
    return Reference(
        dict(zip(names.tolist(), counts.tolist(), strict=True)),
        # As exact as the table of predictions: confidences near 1 are many and close.
        {
            name: [float(f"{v:.9g}") for v in np.quantile(of.astype(np.float32), levels)]
            for name, of in properties.items()
        },
    )


def drifts(
    usual: Reference,
    emotions: Mapping[str, int],
    properties: Mapping[str, np.ndarray],
    *,
    max_psi: float,
    max_p: float,
) -> list[Drift]:
    """How far scored faces have drifted: `emotions` counts those named each, `properties` are (n,), n of 1 or more.

    What drifted has a PSI over `max_psi`, which a few faces have by chance, and a p under `max_p`, which a million
    faces have by the smallest difference.
    """
    judged = sum(usual.emotions.values())
    compared = [_of_emotions(usual.emotions, emotions)]
    for name, quantiles in usual.quantiles.items():
        values, levels = np.sort(properties[name].astype(np.float32)), np.array(quantiles, np.float32)
        ends = f"{levels[STEPS // 2]:.3g}", f"{np.median(values):.3g}"
        compared.append((name, *ends, _psi_of(levels, values), _smirnov(levels, judged, values)))
    return [Drift(*one, drifted=one[3] > max_psi and one[4] < max_p) for one in compared]


def stability_index(expected: np.ndarray, counts: np.ndarray) -> float:
    """PSI of shares and counts, (k,) each: 0 where they agree, by custom small to 0.1 and large from 0.25 on.

    The symmetric Kullback-Leibler divergence (Yurdakul 2018, Statistical Properties of Population Stability Index).
    Half a face is added to every count: the logarithm of nothing is not a number.
    """
    found = (counts + 0.5) / (counts + 0.5).sum()
    return float(((found - expected) * np.log(found / expected)).sum())


def _of_emotions(usual: Mapping[str, int], found: Mapping[str, int]) -> tuple[str, str, str, float, float]:
    """Shown is the emotion whose share changed most."""
    names = sorted(usual.keys() | found.keys())
    counts = np.array([[one.get(name, 0) for name in names] for one in (usual, found)])
    expected = (counts[0] + 0.5) / (counts[0] + 0.5).sum()
    shares = counts / counts.sum(axis=1, keepdims=True)
    most = int(np.abs(shares[1] - shares[0]).argmax())
    ends = [f"{names[most]} {share:.0%}" for share in shares[:, most]]
    return "emotion", ends[0], ends[1], stability_index(expected, counts[1]), _pearson(expected, counts)


def _pearson(expected: np.ndarray, counts: np.ndarray) -> float:
    """Chi-squared of both counts (2, k); by lot where a count of under 5 is expected, for which it does not hold."""
    faces = int(counts[1].sum())
    if len(expected) == 1:
        return 1.0
    if (faces * expected).min() >= FEWEST:
        return float(stats.chi2_contingency(counts).pvalue)
    drawn = np.random.default_rng(0).multinomial(faces, expected, DRAWS)
    apart = ((np.vstack([counts[1:], drawn]) - faces * expected) ** 2 / (faces * expected)).sum(axis=1)
    # Equal draws differ in the last digit.
    return float((apart >= apart[0] * (1 - 1e-9)).mean())


def _psi_of(levels: np.ndarray, values: np.ndarray) -> float:
    """In tenths of the judged faces; in fewer and larger parts where many of them have one value."""
    edges = np.unique(levels[STEPS // BINS : -1 : STEPS // BINS])
    upto = _share(levels, edges, "right")
    edges, upto = edges[upto < 1], upto[upto < 1]
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return stability_index(np.diff(upto, prepend=0, append=1), counts)


def _smirnov(levels: np.ndarray, judged: int, values: np.ndarray) -> float:
    """Of the greatest distance between both distributions (Smirnov 1939)."""
    places = np.unique(np.concatenate([levels, values]))
    distance = max(
        np.abs(np.searchsorted(values, places, side=side) / len(values) - _share(levels, places, side)).max()
        for side in ("left", "right")
    )
    # Of two samples as of one of their size together.
    size = len(values) * judged / (len(values) + judged)
    return float(stats.kstwobign.sf(np.sqrt(size) * distance))


def _share(levels: np.ndarray, places: np.ndarray, side: str) -> np.ndarray:
    """Of judged faces, those under (`left`) or not over (`right`) each place; between quantiles, straight lines."""
    values, first, counts = np.unique(levels, return_index=True, return_counts=True)
    under, upto = first / STEPS, (first + counts - 1) / STEPS
    # Each value twice, with what is under it and what is not over it: a step where it is many faces'.
    between = np.interp(places, np.repeat(values, 2), np.column_stack([under, upto]).ravel(), left=0.0, right=1.0)
    at = np.clip(np.searchsorted(values, places), 0, len(values) - 1)
    return np.where(places == values[at], (upto if side == "right" else under)[at], between)
