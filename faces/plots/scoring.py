"""Figures of the predictions of a batch."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

BAR_COLOUR, REFERENCE_COLOUR = "#56b4e9", "#e69f00"


def emotions_figure(emotions: Mapping[str, int], reference: Mapping[str, int]) -> Figure:
    """The fraction of each predicted emotion, here and in the reference data; `reference` is empty if unknown."""
    names, figure = sorted(emotions.keys() | reference.keys()), Figure(figsize=(6, 3.4), layout="constrained")
    axis, total = figure.subplots(), sum(emotions.values())
    fractions = [emotions.get(name, 0) / total for name in names]
    axis.bar(names, fractions, color=BAR_COLOUR, label="current")
    if reference:
        reference_total = sum(reference.values())
        expected = [reference.get(name, 0) / reference_total for name in names]
        axis.plot(names, expected, "_", color=REFERENCE_COLOUR, markersize=30, markeredgewidth=3, label="reference")
        axis.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=8, handlelength=3.5)
    for position, name in enumerate(names):
        # At the foot of its bar, away from the mark of the reference.
        axis.annotate(f"{emotions.get(name, 0):,}", (position, 0), (0, 2), textcoords="offset points", ha="center")
    noun = "face" if total == 1 else "faces"
    axis.set_title(f"Predicted emotions of {total:,} {noun}", loc="left")
    axis.set_ylabel("fraction of faces")
    axis.tick_params("x", labelsize=9 if len(names) < 8 else 8)
    axis.margins(y=0.15)
    return figure


def confidence_figure(confidence: np.ndarray, threshold: float) -> Figure:
    """A histogram of confidences (N,) with the threshold below which a prediction is marked as abstained."""
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.hist(confidence, bins=np.linspace(0, 1, 21).tolist(), color=BAR_COLOUR, edgecolor="white")
    axis.axvline(threshold, color=REFERENCE_COLOUR, linestyle="--")
    below = (confidence < threshold).mean()
    title = f"Confidence; below {threshold:g}: {below:.1%}"
    axis.set_title(title, loc="left")
    axis.set(xlabel="confidence", ylabel="number of faces", xlim=(0, 1))
    return figure
