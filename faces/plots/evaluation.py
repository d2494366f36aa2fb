"""Pictures of what the evaluation found. Every function returns a matplotlib Figure; whoever owns the file saves it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from faces.evaluation.metrics import FAILURE
from faces.models.calibration import Reliability

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#6b6b6b"
LINES = (BLUE, "#e69f00", "#009e73", ORANGE, "#cc79a7", "#000000", "#56b4e9")
"""Okabe & Ito 2008: told apart by colour-blind readers too; markers differ as well."""
MARKERS = "os^DvXP"


def reliability_figure(before: Reliability, after: Reliability, eces: tuple[float, float], title: str) -> Figure:
    """Accuracy over confidence, bin by bin, before and after temperature scaling; below, how many faces stand there."""
    figure = Figure(figsize=(8.6, 5.3), layout="constrained")
    figure.suptitle(title, fontsize=11)
    upper, lower = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3, 1])
    for column, (found, ece, when) in enumerate(zip((before, after), eces, ("before", "after"), strict=True)):
        _reliability(upper[column], found, f"{when} temperature scaling: ECE {ece:.3f}")
        edges = np.linspace(0, 1, len(found.faces) + 1)
        bars = lower[column].bar(edges[:-1], found.faces, np.diff(edges), align="edge", color=GREY, edgecolor="white")
        lower[column].bar_label(bars, fontsize=6)
        lower[column].margins(y=0.2)
        lower[column].set(xlabel="confidence", xlim=(0, 1))
    upper[0].set_ylabel("accuracy")
    lower[0].set_ylabel("faces")
    figure.legend(*upper[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def _reliability(axis: Axes, found: Reliability, title: str) -> None:
    edges, heights = np.linspace(0, 1, len(found.faces) + 1), np.nan_to_num(found.accuracy)
    axis.bar(edges[:-1], heights, np.diff(edges), align="edge", color="#9ecae1", edgecolor="white", label="accuracy")
    axis.plot(found.confidence, found.accuracy, "o", markersize=4, color=BLUE, label="at the bin's mean confidence")
    axis.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":", label="as right as confident")
    axis.set(ylim=(0, 1.02))
    axis.set_title(title, fontsize=10)


def risk_coverage_figure(coverage: np.ndarray, risk: np.ndarray, area: float, title: str) -> Figure:
    """Error rate among the faces answered over their share, (N,) each, the surest ones first."""
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axis = figure.subplots()
    axis.plot(coverage, risk, color=BLUE, label=f"network, area {area:.4f}")
    axis.axhline(risk[-1], color=GREY, linewidth=0.8, linestyle="--", label=f"answering always: {risk[-1]:.1%} wrong")
    axis.set(xlim=(0, 1), ylim=(0, max(1.15 * risk.max(), 0.01)), title=title)
    axis.set(xlabel="share of faces answered, surest first", ylabel="share of answers that are wrong")
    axis.legend(frameon=False, fontsize=8)
    return figure


def error_curve_figure(face_nme: np.ndarray, baseline: np.ndarray, title: str) -> Figure:
    """Share of faces whose NME stays under each value, for the network and for the mean face; (N,) each, no NaN.

    The legend has the area under each curve up to the dotted line, where a face counts as failed.
    """
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axis = figure.subplots()
    for errors, name, colour in ((face_nme, "network", BLUE), (baseline, "mean face", GREY)):
        label = f"{name}, area up to {FAILURE:.0%}: {np.maximum(1 - errors / FAILURE, 0).mean():.3f}"
        axis.step(np.sort(errors), np.arange(1, len(errors) + 1) / len(errors), label=label, color=colour)
    axis.axvline(FAILURE, color="black", linewidth=0.6, linestyle=":")
    axis.set(xlim=(0, 0.3), ylim=(0, 1), xlabel="NME of a face", ylabel="share of faces", title=title)
    axis.legend(loc="lower right", frameon=False, fontsize=8)
    return figure


def points_figure(names: Sequence[str], ends: np.ndarray, title: str) -> Figure:
    """Mean error of each point in pixels with its interval, the worst on top; `ends` (3, 15): value, low and high."""
    figure = Figure(figsize=(6.0, 4.4), layout="constrained")
    axis, order = figure.subplots(), np.argsort(np.nan_to_num(ends[0]))
    places = np.arange(len(names))
    axis.errorbar(ends[0, order], places, xerr=_whiskers(*ends[:, order]), fmt="o", color=BLUE, capsize=2)
    axis.set_yticks(places, [names[k].replace("_", " ") for k in order], fontsize=8)
    axis.set(xlabel="mean error, px, and 95% interval", title=title)
    axis.set_xlim(left=0)
    axis.grid(axis="x", linewidth=0.4)
    return figure


def slices_figure(
    labels: Sequence[tuple[str, str]], ends: np.ndarray, overall: float, metric: str, title: str
) -> Figure:
    """One row a slice, labelled (property, slice): `ends` (3, S) are value, low, high; a line marks all faces."""
    figure = Figure(figsize=(7.2, 0.34 * len(labels) + 1.5), layout="constrained")
    axis = figure.subplots()
    kinds = list(dict.fromkeys(property for property, _ in labels))
    places = np.array([-(row + 0.6 * kinds.index(property)) for row, (property, _) in enumerate(labels)])
    axis.axvline(overall, color="black", linewidth=0.8, linestyle=":", label=f"all test faces: {overall:.3f}")
    for kind, colour, marker in zip(kinds, LINES, MARKERS, strict=False):
        mine = np.array([property == kind for property, _ in labels])
        whiskers = _whiskers(*ends[:, mine])
        axis.errorbar(ends[0, mine], places[mine], xerr=whiskers, fmt=marker, color=colour, capsize=3)
    axis.set_yticks(places, [f"{property}: {name}" for property, name in labels], fontsize=8)
    axis.set(xlabel=f"{metric}, and 95% interval", ylim=(places.min() - 0.7, 0.7), title=title)
    axis.grid(axis="x", linewidth=0.4)
    figure.legend(loc="outside lower right", frameon=False, fontsize=8)
    return figure


def robustness_figure(lines: dict[str, np.ndarray], clean: np.ndarray, metric: str, title: str) -> Figure:
    """A metric over three strengths, one line a corruption: value, low and high, (3, 3); `clean` (3,) without one."""
    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.axhspan(clean[1], clean[2], color="#e4e4e4", zorder=0)
    axis.axhline(clean[0], color=GREY, linewidth=0.8, linestyle="--", label=f"clean: {clean[0]:.3f}", zorder=1)
    for number, (name, ends) in enumerate(lines.items()):
        # Side by side, so that whiskers of one strength do not hide each other.
        places = np.arange(1, 4) + 0.04 * (number - (len(lines) - 1) / 2)
        colour, marker = LINES[number % len(LINES)], MARKERS[number % len(MARKERS)]
        values, whiskers = np.r_[clean[0], ends[0]], np.c_[np.zeros(2), _whiskers(*ends)]
        axis.errorbar(
            np.r_[0, places], values, yerr=whiskers, label=name, color=colour, marker=marker, markersize=5, capsize=2,
            linewidth=1.3, elinewidth=0.8,
        )  # fmt: skip
    axis.set_xticks(range(4), ["none", "mild", "middling", "strong"])
    axis.set(xlabel="strength", ylabel=f"{metric}, and 95% interval", title=title)
    axis.grid(axis="y", linewidth=0.4)
    figure.legend(loc="outside right center", frameon=False, fontsize=8)
    return figure


def _whiskers(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Lengths to both sides, (2, K); none where an interval is unknown or, as an ECE's may, lies beside its value."""
    return np.nan_to_num(np.maximum(np.stack([value - low, high - value]), 0))


def confusion_figure(counts: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Confusion matrix (classes, classes), truth in rows: row shares as colour, counts as text."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axis = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = f"{counts[row, column]}\n{shares[row, column]:.0%}"
        axis.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="predicted", ylabel="truth", title=title)
    return figure
