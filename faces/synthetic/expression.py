"""Facial expression: a few muscle parameters, sampled around each emotion with noise so that classes overlap."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Expression:
    """Lengths in interocular distances, upward positive for directions; the other values are amounts around 0..1."""

    brow_inner: float = 0.0
    brow_outer: float = 0.0
    squeeze: float = 0.0
    lid: float = 0.0
    lower_lid: float = 0.0
    curve: float = 0.0
    opening: float = 0.0
    width: float = 0.0
    upper_lip: float = 0.0
    wrinkle: float = 0.0
    cheek: float = 0.0
    press: float = 0.0


# Two variants per emotion, so that no class is a single open or a single closed mouth.
VARIANTS: tuple[tuple[Expression, ...], ...] = (
    (
        Expression(-0.13, 0.05, 0.08, -0.08, 0.01, -0.07, 0.0, -0.03, 0.0, 0.25, 0.0, 0.7),
        Expression(-0.14, 0.04, 0.08, 0.10, 0.02, -0.07, 0.16, 0.03, 0.04, 0.4, 0.2, 0.3),
    ),
    (
        Expression(-0.07, -0.05, 0.05, -0.40, 0.045, -0.05, 0.0, -0.03, 0.10, 1.0, 0.9, 0.0),
        Expression(-0.05, -0.06, 0.04, -0.45, 0.05, -0.06, 0.09, 0.02, 0.13, 1.0, 1.0, 0.0),
    ),
    (
        Expression(0.12, -0.07, 0.03, -0.25, 0.0, -0.11, 0.0, -0.05, 0.0, 0.0, 0.1, 0.2),
        Expression(0.13, -0.06, 0.03, -0.30, 0.01, -0.10, 0.04, -0.03, 0.0, 0.0, 0.2, 0.0),
    ),
    (
        Expression(0.01, 0.01, 0.0, -0.12, 0.035, 0.12, 0.0, 0.09, 0.0, 0.0, 0.7, 0.1),
        Expression(0.02, 0.03, 0.0, -0.18, 0.045, 0.13, 0.17, 0.12, 0.02, 0.0, 1.0, 0.0),
    ),
    (
        Expression(0.12, 0.13, 0.0, 0.40, -0.01, 0.0, 0.34, -0.11, 0.0, 0.0, 0.0, 0.0),
        Expression(0.13, 0.14, 0.0, 0.45, -0.01, -0.01, 0.15, -0.09, 0.0, 0.0, 0.0, 0.0),
    ),
)
"""Full-strength expressions by emotion code, in the order of LABEL_ENCODINGS["course"]."""

NOISE = Expression(0.026, 0.026, 0.014, 0.11, 0.011, 0.026, 0.025, 0.03, 0.014, 0.14, 0.16, 0.15)
"""Standard deviation of each value between people with the same emotion."""

INTENSITY = (0.45, 1.1)
LEAST = Expression(-0.17, -0.11, -0.02, -0.6, -0.03, -0.16, 0.0, -0.16, 0.0, 0.0, 0.0, 0.0)
MOST = Expression(0.17, 0.17, 0.1, 0.55, 0.06, 0.18, 0.42, 0.18, 0.16, 1.2, 1.2, 1.0)
"""Bounds of each value; beyond them, brows would cross the eyes or the lips would invert."""


def _amounts(expression: Expression) -> np.ndarray:
    return np.array([getattr(expression, field.name) for field in fields(Expression)])


def draw_expression(generator: np.random.Generator, emotion: int) -> Expression:
    """Sample an expression of an emotion code 0..4, of random strength and with individual noise."""
    variants = VARIANTS[emotion]
    full = _amounts(variants[int(generator.integers(len(variants)))])
    noisy = full * generator.uniform(*INTENSITY) + _amounts(NOISE) * generator.standard_normal(len(full))
    bounded = np.clip(noisy, _amounts(LEAST), _amounts(MOST))
    return Expression(*(float(value) for value in bounded))
