"""The picture of a verdict: every rule's metric with its interval and its threshold."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from faces.release.quality_gate import Rule

COLOURS = {"passed": "#0072b2", "undecided": "#e69f00", "failed": "#d55e00"}
"""Okabe & Ito 2008: told apart by colour-blind readers too; the words beside them say the same."""


def verdict_figure(rules: list[Rule]) -> Figure:
    """One row a rule, each on a scale of its own; where the metric must not lie is shaded."""
    figure = Figure(figsize=(9.0, 0.62 * len(rules) + 0.6), layout="constrained")
    axes = figure.subplots(len(rules), 1, squeeze=False)[:, 0]
    for axis, rule in zip(axes, rules, strict=True):
        _draw(axis, rule)
    figure.suptitle("The gate: each metric, its 95% interval, and where it must not lie (shaded)", fontsize=10)
    return figure


def _draw(axis: Axes, rule: Rule) -> None:
    ends = np.array([rule.value, rule.low, rule.high, rule.threshold])
    known = ends[np.isfinite(ends)]
    margin = 0.25 * max(np.ptp(known), 0.02 * np.abs(known).max(), 1e-3)
    left, right = known.min() - margin, known.max() + margin
    shaded = (left, rule.threshold) if rule.bound in ("at least", "not surely under") else (rule.threshold, right)
    axis.axvspan(*shaded, color="#e4e4e4")
    axis.axvline(rule.threshold, color="black", linewidth=1)
    colour = COLOURS[rule.outcome]
    if np.isfinite(rule.value):
        axis.plot([rule.low, rule.high], [0, 0], color=colour, linewidth=2)
        axis.plot(rule.value, 0, "o", color=colour)
    axis.set(xlim=(left, right), ylim=(-1, 1), yticks=[])
    axis.tick_params(axis="x", labelsize=7)
    axis.set_ylabel(f"{rule.head}: {rule.rule}", rotation=0, ha="right", va="center", fontsize=8)
    axis.text(1.01, 0.5, rule.outcome, transform=axis.transAxes, va="center", fontsize=8, color=colour)
