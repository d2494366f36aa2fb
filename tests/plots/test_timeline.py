"""The emotions of a video over time are drawn for seconds and for hours, and gaps stay gaps."""

import numpy as np

from faces.plots.timeline import MAX_BINS, MAX_TICKS, Timeline, bin_edges, binned, clock, tick_step, timeline_figure


def timeline(times: np.ndarray, track: int = 1) -> Timeline:
    return Timeline(track, times, np.tile([0.25, 0.75], (len(times), 1)))


def test_bins_are_means_and_gaps_are_empty() -> None:
    probabilities = np.array([[1.0, 0.0], [0.0, 1.0], [0.4, 0.6], [0.8, 0.2]])
    found = binned(Timeline(1, np.array([0.0, 0.5, 2.2, 9.0]), probabilities), np.arange(11.0), 1.0)
    np.testing.assert_allclose(found[:4], [[0.5, 0.5], [0.5, 0.5], [0.4, 0.6], [np.nan, np.nan]])
    assert np.isnan(found[3:9]).all()
    np.testing.assert_allclose(found[9], [0.8, 0.2])


def test_a_face_that_was_seen_once_fills_one_bin() -> None:
    long, once = timeline(np.arange(0, 5, 0.04)), timeline(np.array([2.0]), 2)
    edges = bin_edges([long, once], 4.96)
    assert (~np.isnan(binned(once, edges, 1.0)[:, 0])).sum() == 1
    assert not np.isnan(binned(long, edges, 1.0)).any()
    assert len(edges) - 1 == 124


def test_an_hour_and_a_single_frame_can_be_drawn() -> None:
    hour = timeline(np.arange(0, 3600, 0.2))
    assert len(bin_edges([hour], 3599.8)) == MAX_BINS + 1
    for shown, last in (([hour, timeline(np.arange(10.0), 2)], 3599.8), ([timeline(np.array([0.0]))], 0.0)):
        figure = timeline_figure(shown, ["anger", "joy"], last, 1.0)
        assert len(figure.axes) == len(shown)
        assert [axis.get_ylabel() for axis in figure.axes] == [f"track {one.track}" for one in shown]
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["anger", "joy"]


def test_times_are_read_as_on_a_clock() -> None:
    shown = [clock(seconds) for seconds in (0, 0.5, 5, 65.04, 3599.96, 3661, 36000.1)]
    assert shown == ["0:00", "0:00.5", "0:05", "1:05", "1:00:00", "1:01:01", "10:00:00.1"]
    assert [tick_step(seconds) for seconds in (0.9, 5, 60, 3600, 86400)] == [0.1, 0.5, 10, 600, 10800]
    assert all(seconds / tick_step(seconds) <= MAX_TICKS for seconds in np.geomspace(0.5, 1e6, 50))
