"""Figures of the evaluation. Every function returns a matplotlib Figure; the caller saves it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from faces.evaluation.metrics import FAILURE
from faces.models.calibration import Reliability

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#6b6b6b"
LINES = (BLUE, "#e69f00", "#009e73", ORANGE, "#cc79a7", "#000000", "#56b4e9")
"""Okabe & Ito 2008: colour-blind readers can distinguish them; markers differ as well."""
MARKERS = "os^DvXP"


def reliability_figure(before: Reliability, after: Reliability, eces: tuple[float, float], title: str) -> Figure:
    """Reliability diagrams before and after calibration, with the number of images in each bin below."""
    figure = Figure(figsize=(8.6, 5.3), layout="constrained")
    figure.suptitle(title, fontsize=11)
    upper, lower = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3, 1])
    for column, (bins, ece, when) in enumerate(zip((before, after), eces, ("before", "after"), strict=True)):
        _reliability(upper[column], bins, f"{when} calibration: ECE {ece:.3f}")
        edges = np.linspace(0, 1, len(bins.faces) + 1)
        bars = lower[column].bar(edges[:-1], bins.faces, np.diff(edges), align="edge", color=GREY, edgecolor="white")
        lower[column].bar_label(bars, fontsize=6)
        lower[column].margins(y=0.2)
        lower[column].set(xlabel="confidence", xlim=(0, 1))
    upper[0].set_ylabel("accuracy")
    lower[0].set_ylabel("number of faces")
    figure.legend(*upper[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure


def _reliability(axis: Axes, bins: Reliability, title: str) -> None:
    edges, heights = np.linspace(0, 1, len(bins.faces) + 1), np.nan_to_num(bins.accuracy)
    axis.bar(edges[:-1], heights, np.diff(edges), align="edge", color="#9ecae1", edgecolor="white", label="accuracy")
    axis.plot(bins.confidence, bins.accuracy, "o", markersize=4, color=BLUE, label="at the bin's mean confidence")
    axis.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle=":", label="perfect calibration")
    axis.set(ylim=(0, 1.02))
    axis.set_title(title, fontsize=10)


def risk_coverage_figure(coverage: np.ndarray, risk: np.ndarray, area: float, title: str) -> Figure:
    """Risk (error rate) over coverage, (N,) each; `area` is the area under the curve."""
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axis = figure.subplots()
    axis.plot(coverage, risk, color=BLUE, label=f"model, AURC {area:.4f}")
    axis.axhline(risk[-1], color=GREY, linewidth=0.8, linestyle="--", label=f"full coverage: {risk[-1]:.1%} errors")
    axis.set(xlim=(0, 1), ylim=(0, max(1.15 * risk.max(), 0.01)), title=title)
    axis.set(xlabel="coverage (fraction of predictions accepted)", ylabel="risk (error rate)")
    axis.legend(loc="upper left", frameon=False, fontsize=8)
    return figure


def ced_curve_figure(face_nme: np.ndarray, baseline: np.ndarray, title: str) -> Figure:
    """Cumulative error distribution of the NME, for the model and for the mean face; (N,) each, no NaN.

    The legend has the area under each curve up to the dotted line, above which a prediction counts as a failure.
    """
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axis = figure.subplots()
    for errors, name, colour in ((face_nme, "model", BLUE), (baseline, "mean face", GREY)):
        label = f"{name}, AUC up to {FAILURE:.0%}: {np.maximum(1 - errors / FAILURE, 0).mean():.3f}"
        axis.step(np.sort(errors), np.arange(1, len(errors) + 1) / len(errors), label=label, color=colour)
    axis.axvline(FAILURE, color="black", linewidth=0.6, linestyle=":")
    axis.set(xlim=(0, 0.3), ylim=(0, 1), xlabel="NME", ylabel="fraction of faces", title=title)
    axis.legend(loc="lower right", frameon=False, fontsize=8)
    return figure


def per_keypoint_error_figure(names: Sequence[str], ends: np.ndarray, title: str) -> Figure:
    """Mean error of each keypoint in pixels with its interval, worst at the top; `ends` (3, 15): value, low, high."""
    figure = Figure(figsize=(6.0, 4.4), layout="constrained")
    axis, order = figure.subplots(), np.argsort(np.nan_to_num(ends[0]))
    rows = np.arange(len(names))
    axis.errorbar(ends[0, order], rows, xerr=_whiskers(*ends[:, order]), fmt="o", color=BLUE, capsize=2)
    axis.set_yticks(rows, [names[k].replace("_", " ") for k in order], fontsize=8)
    axis.set(xlabel="mean error (px), 95% interval", title=title)
    axis.set_xlim(left=0)
    axis.grid(axis="x", linewidth=0.4)
    return figure


def slices_figure(
    labels: Sequence[tuple[str, str]], ends: np.ndarray, overall: float, metric: str, title: str
) -> Figure:
    """One row per slice, labelled (property, slice): `ends` (3, S) are value, low, high; a line marks all images."""
    figure = Figure(figsize=(7.2, 0.34 * len(labels) + 1.5), layout="constrained")
    axis = figure.subplots()
    properties = list(dict.fromkeys(property for property, _ in labels))
    heights = np.array([-(row + 0.6 * properties.index(property)) for row, (property, _) in enumerate(labels)])
    axis.axvline(overall, color="black", linewidth=0.8, linestyle=":", label=f"all test faces: {overall:.3f}")
    for wanted, colour, marker in zip(properties, LINES, MARKERS, strict=False):
        mask = np.array([property == wanted for property, _ in labels])
        whiskers = _whiskers(*ends[:, mask])
        axis.errorbar(ends[0, mask], heights[mask], xerr=whiskers, fmt=marker, color=colour, capsize=3)
    axis.set_yticks(heights, [f"{property}: {name}" for property, name in labels], fontsize=8)
    axis.set(xlabel=f"{metric}, 95% interval", ylim=(heights.min() - 0.7, 0.7), title=title)
    axis.grid(axis="x", linewidth=0.4)
    figure.legend(loc="outside lower right", frameon=False, fontsize=8)
    return figure


def robustness_figure(lines: dict[str, np.ndarray], clean: np.ndarray, metric: str, title: str) -> Figure:
    """A metric over three strengths, one line per corruption: value, low, high (3, 3); `clean` (3,) without."""
    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    axis = figure.subplots()
    axis.axhspan(clean[1], clean[2], color="#e4e4e4", zorder=0)
    axis.axhline(clean[0], color=GREY, linewidth=0.8, linestyle="--", label=f"clean: {clean[0]:.3f}", zorder=1)
    for number, (name, ends) in enumerate(lines.items()):
        # Side by side, so that the whiskers of one strength do not overlap.
        positions = np.arange(1, 4) + 0.04 * (number - (len(lines) - 1) / 2)
        colour, marker = LINES[number % len(LINES)], MARKERS[number % len(MARKERS)]
        values, whiskers = np.r_[clean[0], ends[0]], np.c_[np.zeros(2), _whiskers(*ends)]
        axis.errorbar(
            np.r_[0, positions], values, yerr=whiskers, label=name, color=colour, marker=marker, markersize=5,
            capsize=2, linewidth=1.3, elinewidth=0.8,
        )  # fmt: skip
    axis.set_xticks(range(4), ["none", "mild", "medium", "strong"])
    axis.set(xlabel="strength", ylabel=f"{metric}, 95% interval", title=title)
    axis.grid(axis="y", linewidth=0.4)
    figure.legend(loc="outside right center", frameon=False, fontsize=8)
    return figure


def _whiskers(value: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Lengths to both sides, (2, K); 0 where an interval is unknown or does not contain the value, as for an ECE."""
    lengths: np.ndarray = np.nan_to_num(np.maximum(np.stack([value - low, high - value]), 0))
    return lengths


def confusion_figure(counts: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Confusion matrix (classes, classes), true classes in rows: fractions of the row as colour, counts as text."""
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axis = figure.subplots()
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if fractions[row, column] > 0.5 else "black"
        text = f"{counts[row, column]}\n{fractions[row, column]:.0%}"
        axis.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(classes)), classes, rotation=30, ha="right")
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="predicted class", ylabel="true class", title=title)
    return figure
