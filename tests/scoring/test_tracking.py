"""Faces are followed over frames by the overlap of their boxes, and their emotions are means over time."""

import numpy as np
import pytest

from faces.scoring.frame_sampling import Timed, nearest_to_grid
from faces.scoring.tracking import Tracker, overlaps_of, smoothed


def boxes(*given: tuple[float, float, float]) -> np.ndarray:
    return np.array(given, float).reshape(-1, 3)


def numbers(tracker: Tracker, frames: list[tuple[float, np.ndarray]]) -> list[list[int]]:
    return [tracker.update(time, found).tolist() for time, found in frames]


def test_overlaps_by_hand() -> None:
    found = overlaps_of(boxes((0, 0, 10), (0, 0, 0)), boxes((0, 0, 10), (5, 0, 10), (20, 20, 5), (0, 0, 0)))
    np.testing.assert_allclose(found, np.array([[1, 50 / 150, 0, 0], [0, 0, 0, 0]]))


def test_a_face_keeps_its_number_and_a_new_one_gets_the_next() -> None:
    frames = [
        (0.0, boxes((0, 0, 20))),
        (0.1, boxes((100, 0, 20), (2, 0, 20))),
        (0.2, boxes((4, 0, 20), (102, 0, 20))),
        (0.3, boxes()),
        (0.4, boxes((8, 0, 20))),
    ]
    assert numbers(Tracker(0.3, 1.0), frames) == [[1], [2, 1], [1, 2], [], [1]]


def test_a_gap_counts_in_seconds() -> None:
    still = boxes((0, 0, 20))
    assert numbers(Tracker(0.3, 1.0), [(0.0, still), (1.0, still), (2.1, still)]) == [[1], [1], [2]]


def test_the_larger_overlap_wins() -> None:
    tracker = Tracker(0.1, 1.0)
    tracker.update(0, boxes((0, 0, 20), (10, 0, 20)))
    assert tracker.update(0.1, boxes((9, 0, 20))).tolist() == [2]
    assert tracker.update(0.2, boxes((50, 0, 20))).tolist() == [3]


@pytest.mark.parametrize("hidden", [0, 3])
def test_two_faces_that_cross_keep_their_numbers(hidden: int) -> None:
    """Also where only the nearer one is found for some frames."""
    tracker, found = Tracker(0.3, 1.0), []
    for step in range(41):
        right, left = (4.0 * step, 0.0, 40.0), (160 - 4.0 * step, 6.0, 40.0)
        is_hidden = hidden and abs(step - 20) <= hidden
        found.append(tracker.update(step / 10, boxes(right) if is_hidden else boxes(right, left)).tolist())
    assert found == [[1] if hidden and abs(step - 20) <= hidden else [1, 2] for step in range(41)]


def test_smoothing_is_the_mean_over_a_centred_window_of_the_same_track() -> None:
    times = np.array([0.0, 0.0, 0.4, 0.5, 1.0])
    tracks = np.array([1, 2, 1, 1, 1])
    one = np.array([1.0, 0.5, 0.0, 0.2, 0.6])
    probabilities = np.stack([one, 1 - one], axis=1)
    means = smoothed(probabilities, times, tracks, 1.0)
    expected = [(1 + 0 + 0.2) / 3, 0.5, (1 + 0 + 0.2) / 3, (1 + 0 + 0.2 + 0.6) / 4, (0.2 + 0.6) / 2]
    np.testing.assert_allclose(means[:, 0], expected, atol=1e-9)
    np.testing.assert_allclose(means.sum(axis=1), 1)
    np.testing.assert_allclose(smoothed(probabilities, times, tracks, 0.0), probabilities, atol=1e-9)


def test_smoothing_does_not_depend_on_rows_outside_the_window_to_the_last_bit() -> None:
    generator = np.random.default_rng(0)
    probabilities, times = generator.dirichlet(np.ones(5), 500).astype(np.float32), np.arange(500) / 25
    whole = smoothed(probabilities, times, np.ones(500), 1.0)
    part = smoothed(probabilities[300:400], times[300:400], np.ones(100), 1.0)
    assert (part[20:80] == whole[320:380]).all()


def sampled(times: list[float], fps: float) -> list[int]:
    return [item.number for item in nearest_to_grid((Timed(n, t, None) for n, t in enumerate(times)), fps)]


def test_frames_nearest_to_a_grid_of_times() -> None:
    tenths = [number / 10 for number in range(21)]
    assert sampled(tenths, 2) == [0, 5, 10, 15, 20]
    assert sampled(tenths, 4) == [0, 2, 5, 7, 10, 12, 15, 17, 20]  # of two equally near, the earlier
    assert sampled(tenths, 100) == list(range(21))
    assert sampled([0.0, 0.4, 0.45, 1.3, 9.0], 1) == [0, 3, 4]
    assert sampled([0.0], 1) == [0]
    assert sampled([], 1) == []


def test_every_time_of_the_grid_has_its_nearest_frame() -> None:
    times = np.concatenate([[0], np.random.default_rng(1).exponential(0.05, 300).cumsum()])
    grid = np.arange(0, times[-1], 1 / 7)
    nearest = {int(np.argmin(np.abs(times - point))) for point in grid}
    assert sampled(times.tolist(), 7) == sorted(nearest)
