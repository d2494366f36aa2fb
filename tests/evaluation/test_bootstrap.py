"""Bootstrap intervals over groups have the stated coverage; weighted metrics equal metrics on repeated images."""

import numpy as np
import pytest

from faces.common.schema import LEFT_EYE
from faces.evaluation.bootstrap import BLOCK, MIN_GROUPS, Measure, bootstrap_intervals, group_weights
from faces.evaluation.metrics import emotion_metrics, keypoint_metrics
from faces.evaluation.selective import aurc
from faces.evaluation.weighted_metrics import (
    class_measure,
    difference,
    emotion_measure,
    keypoint_measure,
    point_measure,
)
from tests.evaluation.test_metrics import LABELS, PROBABILITIES, THREE_FACES, THREE_PREDICTED

GENERATOR = np.random.default_rng(0)
MANY_LABELS = GENERATOR.integers(0, 4, 60)
MANY_PROBABILITIES = GENERATOR.dirichlet(np.ones(4), 60)
MANY_POINTS = GENERATOR.uniform(0, 96, (60, 15, 2))
MANY_PREDICTED = MANY_POINTS + GENERATOR.normal(0, 3, (60, 15, 2))
MANY_POINTS[GENERATOR.random((60, 15)) < 0.2] = np.nan


def mean_of(values: np.ndarray) -> Measure:
    return lambda weights: {"mean": weights @ values / weights.sum(axis=1)}


def times(counts: list[int]) -> np.ndarray:
    """Indices of images, each repeated as often as it counts."""
    return np.repeat(np.arange(len(counts)), counts)


# Resampling.


def test_images_of_a_group_are_resampled_together() -> None:
    groups = np.array([7, 3, 7, 90, 3, 7])
    blocks = list(group_weights(groups, resamples=2 * BLOCK + 50))
    assert [len(block) for block in blocks] == [BLOCK, BLOCK, 50]
    weights = np.concatenate(blocks)
    for one, other in ((0, 2), (0, 5), (1, 4)):
        np.testing.assert_array_equal(weights[:, one], weights[:, other])
    # One image of each group: three groups are drawn, each once on average.
    assert set(weights[:, [0, 1, 3]].sum(axis=1)) == {3}
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.2)
    assert {0.0, 1.0, 2.0, 3.0} == set(np.unique(weights))


def test_equal_seeds_give_equal_resamples() -> None:
    groups = np.arange(20)
    one, same, other = (np.concatenate(list(group_weights(groups, 150, seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_interval_of_a_mean_matches_the_normal_theory() -> None:
    values = np.random.default_rng(3).normal(5, 2, 400)
    found = bootstrap_intervals(mean_of(values), np.arange(400))["mean"]
    error = values.std(ddof=1) / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.25 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.25 * error)


def test_intervals_cover_the_truth_only_over_groups() -> None:
    """Thirty groups of ten equal images: treating the images as independent overstates the evidence tenfold."""
    generator, groups = np.random.default_rng(4), np.repeat(np.arange(30), 10)
    covered = {"groups": 0, "faces": 0}
    for _ in range(150):
        values = np.repeat(generator.normal(0, 1, 30), 10)
        for name, units in (("groups", groups), ("faces", np.arange(300))):
            found = bootstrap_intervals(mean_of(values), units, resamples=200)["mean"]
            covered[name] += bool(found.low <= 0 <= found.high)
    assert 130 <= covered["groups"] <= 149  # 95% of 150, slightly less with so few groups
    assert covered["faces"] < 90


@pytest.mark.parametrize("groups", [1, 4, MIN_GROUPS])
def test_few_groups_give_no_interval(groups: int) -> None:
    found = bootstrap_intervals(mean_of(np.arange(60.0)), np.arange(60) % groups)["mean"]
    assert found.value == 29.5
    assert np.isnan([found.low, found.high]).tolist() == [groups < MIN_GROUPS] * 2


def test_resamples_with_an_undefined_metric_are_ignored() -> None:
    """Half of twelve images are evaluated, so a resample may have none of them; of a single one, most have none."""
    which = [0] * 6 + [1] * 6
    truth, predicted = THREE_FACES[which], THREE_PREDICTED[which]
    truth[6:, LEFT_EYE] = np.nan
    found = bootstrap_intervals(keypoint_measure(truth, predicted), np.arange(12))["nme"]
    assert tuple(found) == pytest.approx((1 / 30, 1 / 30, 1 / 30))
    truth[1:, LEFT_EYE] = np.nan
    found = bootstrap_intervals(keypoint_measure(truth, predicted), np.arange(12))["nme"]
    assert tuple(found) == pytest.approx((1 / 30, np.nan, np.nan), nan_ok=True)
    nothing = bootstrap_intervals(keypoint_measure(np.full_like(truth, np.nan), predicted), np.arange(12))
    assert all(np.isnan(one).all() for one in nothing.values())


def test_intervals_of_a_vector_valued_metric() -> None:
    found = bootstrap_intervals(class_measure(MANY_LABELS, MANY_PROBABILITIES), np.arange(60))["recall"]
    assert found.value.shape == found.low.shape == found.high.shape == (4,)
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()


# Weighted metrics.


@pytest.mark.parametrize(
    "counts", [[1] * 60, [0] * 20 + [2] * 20 + [1] * 20, [3, 0, 1] * 20], ids=["all", "some", "few"]
)
def test_weighted_emotion_metrics_equal_those_of_repeated_images(counts: list[int]) -> None:
    repeated = times(counts)
    found = emotion_measure(MANY_LABELS, MANY_PROBABILITIES)(np.array([[1] * 60, counts], float))
    assert found.pop("aurc")[0] == pytest.approx(aurc(MANY_LABELS, MANY_PROBABILITIES))
    assert {name: values[1] for name, values in found.items()} == pytest.approx(
        emotion_metrics(MANY_LABELS[repeated], MANY_PROBABILITIES[repeated])
    )


def test_weighted_emotion_metrics_worked_by_hand() -> None:
    """The second image has weight 0, the third weight 2: predictions 0, 1, 1, 1 for the labels 0, 0, 0, 1."""
    found = emotion_measure(LABELS, PROBABILITIES)(np.array([[1.0, 0, 2, 1]]))
    assert found["accuracy"] == pytest.approx(2 / 4)
    assert found["balanced_accuracy"] == pytest.approx((1 / 3 + 1) / 2)
    # Class 0: precision 1, recall 1/3; class 1: precision 1/3, recall 1.
    assert found["macro_f1"] == pytest.approx(1 / 2)
    # By confidence: 0.9 correct, 0.8 correct, 0.7 wrong twice. Risks 0, 0 and 2/4, the last for two of four.
    assert found["aurc"] == pytest.approx((0 + 0 + 2 * 2 / 4) / 4)


def test_a_class_without_weight_is_ignored() -> None:
    found = emotion_measure(LABELS, PROBABILITIES)(np.array([[1.0, 1, 0, 0]]))
    assert (found["balanced_accuracy"], found["macro_f1"]) == (1, 1)
    classes = class_measure(LABELS, PROBABILITIES)(np.array([[1.0, 1, 0, 0]]))
    assert all(np.isnan(values[0, 1]) for values in classes.values())


def test_precision_recall_and_f1_of_each_class_by_hand() -> None:
    found = class_measure(LABELS, PROBABILITIES)(np.ones((1, 4)))
    np.testing.assert_allclose(found["precision"], [[1, 1 / 2]])
    np.testing.assert_allclose(found["recall"], [[2 / 3, 1]])
    np.testing.assert_allclose(found["f1"], [[4 / 5, 2 / 3]])


@pytest.mark.parametrize(
    "counts", [[1] * 60, [0] * 20 + [2] * 20 + [1] * 20, [3, 0, 1] * 20], ids=["all", "some", "few"]
)
def test_weighted_keypoint_metrics_equal_those_of_repeated_images(counts: list[int]) -> None:
    repeated = times(counts)
    found = keypoint_measure(MANY_POINTS, MANY_PREDICTED)(np.array([[1] * 60, counts], float))
    assert {name: values[1] for name, values in found.items()} == pytest.approx(
        keypoint_metrics(MANY_POINTS[repeated], MANY_PREDICTED[repeated])
    )


def test_error_of_each_keypoint_by_hand() -> None:
    """Errors of the nose are 5, 8 and 10 px; those of a brow 0 and 8 px, and it is unlabelled on the third image."""
    found = point_measure(THREE_FACES, THREE_PREDICTED)(np.array([[1.0, 1, 1], [0, 3, 1]]))["error_px"]
    np.testing.assert_allclose(found[:, 10], [(5 + 8 + 10) / 3, (3 * 8 + 10) / 4])
    np.testing.assert_allclose(found[:, 6], [4, 8])


def test_a_difference_is_paired() -> None:
    """Both metrics vary far more than they differ."""
    values = np.random.default_rng(5).normal(0, 10, 100)
    found = bootstrap_intervals(difference(mean_of(values + 1), mean_of(values)), np.arange(100))["mean"]
    assert tuple(found) == pytest.approx((1, 1, 1))
