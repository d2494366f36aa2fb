"""Draws the emotions of the faces of a video over time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

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
TICK_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
"""Seconds; beyond them, whole hours."""
MAX_TICKS = 10
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
    axes[-1].xaxis.set_major_locator(MultipleLocator(tick_step(edges[-1])))
    axes[-1].xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds)))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(classes), frameon=False, fontsize=9)
    return figure


def bin_edges(timelines: Sequence[Timeline], last_s: float) -> np.ndarray:
    """Edges (bins + 1,) of equal bins that are no shorter than the usual step between two frames."""
    steps = np.concatenate([np.diff(timeline.times) for timeline in timelines])
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
    count = int(np.clip(round(last_s / step), 1, MAX_BINS))
    return np.linspace(0, max(last_s, step), count + 1)


def binned(timeline: Timeline, edges: np.ndarray, max_gap_s: float) -> np.ndarray:
    """Mean probabilities (bins, classes); NaN where the face was not seen for over `max_gap_s`, before or after it."""
    num_bins, num_classes = len(edges) - 1, timeline.probabilities.shape[1]
    bins = np.clip(np.searchsorted(edges, timeline.times, "right") - 1, 0, num_bins - 1)
    sums, counts = np.zeros((num_bins, num_classes)), np.bincount(bins, minlength=num_bins)
    np.add.at(sums, bins, timeline.probabilities)
    means = np.divide(sums, counts[:, None], out=np.full_like(sums, np.nan), where=counts[:, None] > 0)
    places = np.arange(num_bins)
    before = np.maximum.accumulate(np.where(counts > 0, places, -1))
    after = np.minimum.accumulate(np.where(counts > 0, places, num_bins)[::-1])[::-1]
    is_known = (before >= 0) & (after < num_bins)
    before, after = np.where(is_known, before, 0), np.where(is_known, after, 0)
    is_known &= (after == before) | (edges[after] - edges[before + 1] <= max_gap_s)
    return np.where(is_known[:, None], means[before], np.nan)


def tick_step(last_s: float) -> float:
    """Seconds between the marks of a time axis, at most MAX_TICKS of them."""
    hours = 3600 * (last_s // (3600 * MAX_TICKS) + 1)
    return next((step for step in TICK_STEPS if last_s / step <= MAX_TICKS), hours)


def clock(seconds: float) -> str:
    """A time in a video, such as 0:05 or 1:02:30; with a tenth of a second if it is no whole second."""
    whole, tenth = divmod(round(seconds * 10), 10)
    minutes, shown = divmod(whole, 60)
    start = f"{minutes // 60}:{minutes % 60:02}" if minutes >= 60 else f"{minutes}"
    return f"{start}:{shown:02}" + (f".{tenth}" if tenth else "")
