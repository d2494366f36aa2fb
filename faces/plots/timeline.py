"""Draws the emotions of the faces of a video over time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

COLOURS = {
    "anger": "#d55e00",
    "disgust": "#009e73",
    "fear": "#cc79a7",
    "happiness": "#f0c33c",
    "sad": "#0072b2",
    "surprise": "#56b4e9",
    "neutral": "#b5bcc3",
}
OTHER_COLOUR = "#6a737d"
MAX_BINS = 600
"""Of a timeline: an hour is drawn as means over six seconds."""


class Timeline(NamedTuple):
    """A face over time: the number of its track, times (n,) in seconds, probabilities (n, classes)."""

    track: int
    times: np.ndarray
    probabilities: np.ndarray


def timeline_figure(timelines: Sequence[Timeline], classes: Sequence[str], last_s: float, max_gap_s: float) -> Figure:
    """A row per track with the probabilities of its emotions, stacked, from 0 to `last_s` seconds.

    Where a face was not seen for longer than `max_gap_s`, its row is empty.
    """
    figure = Figure(figsize=(10, 1.0 + 0.95 * len(timelines)), layout="constrained")
    axes = figure.subplots(len(timelines), sharex=True, squeeze=False)[:, 0]
    edges = bin_edges(timelines, last_s)
    for axis, timeline in zip(axes, timelines, strict=True):
        means = binned(timeline, edges, max_gap_s)
        upper = np.cumsum(means, axis=1)
        for place, name in enumerate(classes):
            lower = upper[:, place] - means[:, place]
            axis.stairs(
                upper[:, place], edges, baseline=lower, fill=True, color=COLOURS.get(name, OTHER_COLOUR), label=name
            )
        axis.set(ylim=(0, 1), xlim=(edges[0], edges[-1]), yticks=[])
        axis.set_ylabel(f"track {timeline.track}", rotation=0, ha="right", va="center")
        axis.spines[["top", "right", "left"]].set_visible(False)
    axes[-1].xaxis.set_major_locator(MaxNLocator(9, steps=[1, 1.5, 2, 3, 5, 6, 10]))
    axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(classes), frameon=False, fontsize=9)
    return figure


def bin_edges(timelines: Sequence[Timeline], last_s: float) -> np.ndarray:
    """Edges (bins + 1,) of equal bins that are no shorter than the usual step between two frames."""
    steps = np.concatenate([np.diff(timeline.times) for timeline in timelines])
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
    count = int(np.clip(last_s / step, 1, MAX_BINS))
    return np.linspace(0, max(last_s, step), count + 1)


def binned(timeline: Timeline, edges: np.ndarray, max_gap_s: float) -> np.ndarray:
    """Mean probabilities (bins, classes); of a bin without the face, those before it unless too old; else NaN."""
    num_bins, num_classes = len(edges) - 1, timeline.probabilities.shape[1]
    bins = np.clip(np.searchsorted(edges, timeline.times, "right") - 1, 0, num_bins - 1)
    sums, counts = np.zeros((num_bins, num_classes)), np.bincount(bins, minlength=num_bins)
    np.add.at(sums, bins, timeline.probabilities)
    means = np.divide(sums, counts[:, None], out=np.full_like(sums, np.nan), where=counts[:, None] > 0)
    previous = np.maximum.accumulate(np.where(counts > 0, np.arange(num_bins), -1))
    is_recent = (previous >= 0) & (edges[:-1] - edges[previous + 1] < max_gap_s)
    return np.where(is_recent[:, None], means[np.maximum(previous, 0)], np.nan)


def clock(seconds: float) -> str:
    """A time in a video, such as 0:05 or 1:02:30; with a tenth of a second if it is no whole second."""
    whole, tenth = divmod(round(seconds * 10), 10)
    minutes, shown = divmod(whole, 60)
    start = f"{minutes // 60}:{minutes % 60:02}" if minutes >= 60 else f"{minutes}"
    return f"{start}:{shown:02}" + (f".{tenth}" if tenth else "")
