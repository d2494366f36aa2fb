"""What was said of a batch, drawn."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

BAR_COLOUR, USUAL_COLOUR = "#56b4e9", "#e69f00"


def emotions_figure(emotions: Mapping[str, int], usual: Mapping[str, int]) -> Figure:
    """Each emotion's share of the faces, with its share of the judged faces beside it; `usual` is empty if unknown."""
    names, figure = sorted(emotions.keys() | usual.keys()), Figure(figsize=(5.2, 3.4), layout="constrained")
    axis, total = figure.subplots(), sum(emotions.values())
    shares = [emotions.get(name, 0) / total for name in names]
    axis.bar(names, shares, color=BAR_COLOUR, label="here")
    if usual:
        judged = sum(usual.values())
        before = [usual.get(name, 0) / judged for name in names]
        axis.plot(names, before, "_", color=USUAL_COLOUR, markersize=30, markeredgewidth=3, label="when judged")
        axis.legend(frameon=False)
    for place, (name, share) in enumerate(zip(names, shares, strict=True)):
        axis.annotate(f"{emotions.get(name, 0):,}", (place, share), ha="center", va="bottom", fontsize=8)
    axis.set(title=f"Emotions of {total:,} faces", ylabel="share of the faces")
    axis.margins(y=0.15)
    return figure


def confidence_figure(confidence: np.ndarray, least: float) -> Figure:
    """A histogram of confidences (N,), with the bound `least` under which an emotion is abstained from."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.hist(confidence, bins=np.linspace(0, 1, 21).tolist(), color=BAR_COLOUR, edgecolor="white")
    axis.axvline(least, color=USUAL_COLOUR, linestyle="--")
    abstained = (confidence < least).mean()
    axis.set(title=f"Confidence; under {least:g}: {abstained:.1%}", xlabel="confidence", ylabel="faces", xlim=(0, 1))
    return figure
