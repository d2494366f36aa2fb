"""The figure of a gate result: the metric of every check with its interval and threshold."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from faces.release.quality_gate import Check

COLOURS = {"passed": "#0072b2", "inconclusive": "#e69f00", "failed": "#d55e00"}
"""Okabe & Ito 2008: colour-blind readers can distinguish them, and the outcome is also written beside each row."""


def gate_figure(checks: list[Check]) -> Figure:
    """One row per check, each with its own scale; values beyond the threshold are shaded."""
    figure = Figure(figsize=(9.0, 0.62 * len(checks) + 0.6), layout="constrained")
    axes = figure.subplots(len(checks), 1, squeeze=False)[:, 0]
    for axis, check in zip(axes, checks, strict=True):
        _draw(axis, check)
    figure.suptitle("Quality gate: each metric with its 95% interval; shaded: beyond the threshold", fontsize=10)
    return figure


def _draw(axis: Axes, check: Check) -> None:
    interval = np.array([check.value, check.low, check.high, check.threshold])
    known = interval[np.isfinite(interval)]
    margin = 0.25 * max(np.ptp(known), 0.02 * np.abs(known).max(), 1e-3)
    left, right = known.min() - margin, known.max() + margin
    shaded = (left, check.threshold) if check.bound in ("at least", "no slice below") else (check.threshold, right)
    axis.axvspan(*shaded, color="#e4e4e4")
    axis.axvline(check.threshold, color="black", linewidth=1)
    colour = COLOURS[check.outcome]
    if np.isfinite(check.value):
        axis.plot([check.low, check.high], [0, 0], color=colour, linewidth=2)
        axis.plot(check.value, 0, "o", color=colour)
    axis.set(xlim=(left, right), ylim=(-1, 1), yticks=[])
    axis.tick_params(axis="x", labelsize=7)
    axis.set_ylabel(f"{check.model}: {check.check}", rotation=0, ha="right", va="center", fontsize=8)
    axis.text(1.01, 0.5, check.outcome, transform=axis.transAxes, va="center", fontsize=8, color=colour)
