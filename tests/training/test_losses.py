"""Losses by hand: unlabelled keypoints have no effect, and logit adjustment compensates for class imbalance."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from faces.training.losses import WING_WIDTH, adjusted_cross_entropy, masked, smooth_l1, wing

NAN = float("nan")
PENALTIES = (smooth_l1, wing, ops.square)


def expected_penalty(penalty: Callable, errors: np.ndarray) -> np.ndarray:
    size = np.abs(errors)
    if penalty is ops.square:
        return size**2
    if penalty is smooth_l1:
        return np.where(size <= 1, size**2 / 2, size - 0.5)
    return np.where(size <= 10, 10 * np.log(1 + size / 2), size - 10 + 10 * np.log(6))


def expected_gradient(penalty: Callable, errors: np.ndarray) -> np.ndarray:
    if penalty is ops.square:
        return 2 * errors
    if penalty is smooth_l1:
        return np.clip(errors, -1, 1)
    return np.sign(errors) * np.where(np.abs(errors) <= 10, 10 / (2 + np.abs(errors)), 1)


def some_points(faces: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted keypoints, with some errors under 1 px and some over 10 px."""
    generator = np.random.default_rng(3)
    truth = generator.uniform(0, 96, (faces, 15, 2)).astype(np.float32)
    return truth, truth + generator.choice([0.5, 4, 20], truth.shape).astype(np.float32) * generator.normal(
        0, 1, truth.shape
    ).astype(np.float32)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_loss_is_the_mean_over_labelled_coordinates(penalty: Callable) -> None:
    truth, predicted = some_points(4)
    truth[1, :7] = truth[2, 3, 1] = truth[3] = NAN
    found = np.asarray(masked(penalty)(truth, predicted))
    each = expected_penalty(penalty, predicted - truth)
    expected = [each[0].mean(), each[1, 7:].mean(), np.nansum(each[2]) / 29, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("penalty", "half", "three", "thirty"),
    [
        (smooth_l1, 0.125, 2.5, 29.5),
        (wing, 10 * np.log(1.25), 10 * np.log(2.5), 20 + 10 * np.log(6)),
        (ops.square, 0.25, 9, 900),
    ],
)
def test_keypoints_loss_by_hand(penalty: Callable, half: float, three: float, thirty: float) -> None:
    """Errors of 0.5, 3, 30 and 0 px in either direction; all other keypoints are unlabelled."""
    truth = np.full((1, 15, 2), NAN, np.float32)
    truth[0, :2] = [[10.0, 20.0], [40.0, 60.0]]
    predicted = np.full((1, 15, 2), 50, np.float32)
    predicted[0, :2] = [[10.5, 17.0], [70.0, 60.0]]
    np.testing.assert_allclose(masked(penalty)(truth, predicted), [(half + three + thirty + 0) / 4], rtol=1e-5)


def test_smooth_l1_is_the_huber_loss() -> None:
    truth, predicted = some_points()
    ours = float(np.mean(masked(smooth_l1)(truth, predicted)))
    assert float(keras.losses.Huber(delta=1.0)(truth, predicted)) == pytest.approx(ours, rel=1e-4)


@pytest.mark.parametrize(("penalty", "threshold"), [(smooth_l1, 1.0), (wing, WING_WIDTH)])
def test_penalty_is_continuous_at_its_threshold(penalty: Callable, threshold: float) -> None:
    below, at, above = np.asarray(penalty(ops.convert_to_tensor([threshold - 1e-3, threshold, threshold + 1e-3])))
    assert 0 < at - below < 2e-3
    assert 0 < above - at < 2e-3


@pytest.mark.parametrize("penalty", PENALTIES)
def test_only_labelled_keypoints_have_a_gradient_and_it_is_finite(penalty: Callable) -> None:
    truth, predicted = some_points(3)
    truth[1, ::2] = truth[2] = NAN
    predicted[0, 0] = truth[0, 0]
    variable = tf.Variable(predicted)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(masked(penalty)(tf.constant(truth), variable))
    gradient = np.asarray(tape.gradient(loss, variable))
    # 30, 14 and no labelled coordinates.
    count = np.array([30, 14, 1])[:, None, None]
    expected = np.nan_to_num(expected_gradient(penalty, predicted - truth)) / count
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_keypoints_loss_is_the_same_in_a_graph(penalty: Callable) -> None:
    truth, predicted = some_points(3)
    truth[1, ::2] = truth[2] = NAN
    loss = masked(penalty)
    np.testing.assert_allclose(tf.function(loss)(truth, predicted), loss(truth, predicted), rtol=1e-6)


COUNTS = np.array([50, 5, 20, 100, 25])


def some_targets(faces: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Targets, half of them one-hot, and predicted probabilities, some of them nearly 0."""
    generator = np.random.default_rng(4)
    targets = np.concatenate(
        [np.eye(5)[generator.integers(0, 5, faces // 2)], generator.dirichlet([1] * 5, faces // 2)]
    )
    return targets.astype(np.float32), generator.dirichlet([0.3] * 5, faces).astype(np.float32)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_without_adjustment_it_is_the_cross_entropy_of_keras(label_smoothing: float) -> None:
    targets, probabilities = some_targets()
    found = adjusted_cross_entropy(COUNTS, label_smoothing, 0.0)(targets, probabilities)
    expected = keras.losses.categorical_crossentropy(targets, probabilities, label_smoothing=label_smoothing)
    assert found.shape == (40,)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("logit_adjustment_tau", "label_smoothing", "expected"),
    [
        (1.0, 0.0, [-np.log(3 / 4), -np.log(1 / 4)]),
        (2.0, 0.0, [-np.log(9 / 10), -np.log(1 / 10)]),
        (1.0, 0.2, [-0.9 * np.log(3 / 4) - 0.1 * np.log(1 / 4), -0.1 * np.log(3 / 4) - 0.9 * np.log(1 / 4)]),
    ],
)
def test_adjusted_loss_by_hand(logit_adjustment_tau: float, label_smoothing: float, expected: list[float]) -> None:
    """Class counts of 3 to 1 turn equal logits into odds of 3 to 1; with tau 2, of 9 to 1."""
    loss = adjusted_cross_entropy(np.array([300, 100]), label_smoothing, logit_adjustment_tau)
    found = loss(np.eye(2, dtype=np.float32), np.full((2, 2), 0.5, np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_adjustment_raises_the_loss_of_rare_classes_and_lowers_that_of_frequent_ones() -> None:
    uniform = np.full((5, 5), 0.2, np.float32)
    unadjusted, adjusted = (np.asarray(adjusted_cross_entropy(COUNTS, 0.0, tau)(np.eye(5), uniform)) for tau in (0, 1))
    np.testing.assert_allclose(unadjusted, np.log(5), rtol=1e-5)
    np.testing.assert_array_equal(np.argsort(adjusted), np.argsort(-COUNTS))
    assert adjusted[1] > unadjusted[1]
    assert adjusted[3] < unadjusted[3]


@pytest.mark.parametrize("logit_adjustment_tau", [0.0, 1.0])
def test_probability_0_and_empty_class_have_finite_loss_and_gradient(logit_adjustment_tau: float) -> None:
    loss = adjusted_cross_entropy(np.array([8, 0, 2]), 0.0, logit_adjustment_tau)
    probabilities = tf.Variable(np.eye(3, dtype=np.float32))
    with tf.GradientTape() as tape:
        values = loss(tf.constant(np.roll(np.eye(3, dtype=np.float32), 1, axis=0)), probabilities)
    assert np.isfinite(values).all()
    assert np.min(values) > 10
    assert np.isfinite(tape.gradient(values, probabilities)).all()


def test_emotion_loss_is_the_same_in_a_graph() -> None:
    loss = adjusted_cross_entropy(COUNTS, 0.1, 1.0)
    np.testing.assert_allclose(tf.function(loss)(*some_targets()), loss(*some_targets()), rtol=1e-5)
