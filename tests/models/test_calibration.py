"""Known temperatures and biases are recovered; reliability bins and risk-coverage curves by hand."""

import numpy as np
import pytest
from scipy.special import softmax

from faces.evaluation.metrics import emotion_metrics, expected_calibration_error
from faces.evaluation.selective import aurc, risk_coverage
from faces.models.calibration import (
    apply_temperature,
    fit_bias_correction,
    fit_temperature,
    reliability,
    restrict_classes,
)


def calibrated_sample(seed: int, faces: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) sampled from probabilities (N, 5), and these probabilities: they are calibrated."""
    generator = np.random.default_rng(seed)
    probabilities = softmax(generator.normal(0, 2, (faces, 5)), axis=1)
    return (probabilities.cumsum(axis=1) < generator.random((faces, 1))).sum(axis=1), probabilities


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_known_temperature_is_recovered(temperature: float) -> None:
    labels, calibrated = calibrated_sample(1)
    assert fit_temperature(labels, apply_temperature(calibrated, 1 / temperature)) == pytest.approx(
        temperature, rel=0.04
    )


def test_temperature_scaling_calibrates_and_changes_no_class() -> None:
    labels, calibrated = calibrated_sample(2)
    overconfident = apply_temperature(calibrated, 1 / 3)
    scaled = apply_temperature(overconfident, fit_temperature(labels, overconfident))
    before, after = emotion_metrics(labels, overconfident), emotion_metrics(labels, scaled)
    assert before["ece"] > 0.1
    assert after["ece"] < 0.02
    assert after["log_loss"] < before["log_loss"]
    np.testing.assert_array_equal(scaled.argmax(axis=1), overconfident.argmax(axis=1))


def test_temperature_by_hand() -> None:
    # A temperature of 2 turns the logits log 4 and log 1 into log 2 and log 1.
    np.testing.assert_allclose(apply_temperature(np.array([[0.8, 0.2]]), 2), [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(apply_temperature(np.array([[0.8, 0.2]]), 0.5), [[16 / 17, 1 / 17]])


def test_biases_are_added_to_the_logits() -> None:
    # A bias of log 4 turns the odds 4 : 1 into 16 : 1, and the temperature 2 those into 4 : 1.
    biases = (np.log(4), 0.0)
    np.testing.assert_allclose(apply_temperature(np.array([[0.8, 0.2]]), 1, biases), [[16 / 17, 1 / 17]])
    np.testing.assert_allclose(apply_temperature(np.array([[0.8, 0.2]]), 2, biases), [[0.8, 0.2]])


def test_restricted_classes_have_the_conditional_probabilities() -> None:
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4], [1, 0, 0, 0]], np.float32)
    expected = np.array([[4 / 5, 1 / 5], [0, 1]])
    np.testing.assert_allclose(restrict_classes(probabilities, [3, 0]), expected, atol=1e-6)
    # None of the chosen classes has a probability: each is as likely as the others.
    np.testing.assert_allclose(restrict_classes(probabilities[1:], [2, 1]), [[0.5, 0.5]])


def test_one_over_the_temperature_inverts_it() -> None:
    _, calibrated = calibrated_sample(3, faces=50)
    np.testing.assert_allclose(apply_temperature(apply_temperature(calibrated, 1.7), 1 / 1.7), calibrated)


def test_probabilities_of_zero_and_one_give_finite_results() -> None:
    certain = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    scaled = apply_temperature(certain, 2.0)
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    # One of four is wrong with infinite confidence: the temperature goes towards its upper bound.
    assert 1 < fit_temperature(np.array([0, 1, 2, 0]), certain) <= 50.1
    # All are correct with full confidence: no temperature lowers the loss until the confidence falls below 0.99.
    assert 0 < fit_temperature(np.array([0, 1, 2, 2]), certain) < 20


def test_known_biases_are_recovered_together_with_a_temperature() -> None:
    labels, calibrated = calibrated_sample(4)
    biases = np.array([0.6, -0.9, 0.1, 0.3, -0.1])
    # softmax((log p' + biases) / 2.5) is calibrated.
    shifted = softmax(2.5 * np.log(calibrated) - biases, axis=1)
    np.testing.assert_allclose(fit_bias_correction(labels, shifted), biases, atol=0.15)
    corrected = softmax(np.log(shifted) + fit_bias_correction(labels, shifted), axis=1)
    assert fit_temperature(labels, corrected) == pytest.approx(2.5, rel=0.04)


def test_class_without_validation_faces_has_a_finite_bias() -> None:
    labels, calibrated = calibrated_sample(5, faces=500)
    found = fit_bias_correction(labels[labels != 2], calibrated[labels != 2])
    assert np.isfinite(found).all()
    assert found.argmin() == 2


# Reliability: two bins, four classes. Under 1/2: 0.4 correct. From 1/2 up: 0.6 correct, 0.8 correct, 1.0 wrong.
FOUR = np.array([[0.4, 0.3, 0.2, 0.1], [0.6, 0.4, 0, 0], [0.8, 0.2, 0, 0], [1, 0, 0, 0]])
FOUR_LABELS = np.array([0, 0, 0, 1])


def test_reliability_by_hand() -> None:
    found = reliability(FOUR_LABELS, FOUR, bins=2)
    assert found.faces.tolist() == [1, 3]
    np.testing.assert_allclose(found.confidence, [0.4, 0.8])
    np.testing.assert_allclose(found.accuracy, [1, 2 / 3])


def test_empty_bins_are_nan() -> None:
    found = reliability(FOUR_LABELS, FOUR, bins=4)
    assert found.faces.tolist() == [0, 1, 1, 2]
    assert np.isnan([found.confidence[0], found.accuracy[0]]).all()


def test_calibration_error_follows_from_the_bins() -> None:
    labels, calibrated = calibrated_sample(4, faces=500)
    found = reliability(labels, calibrated)
    gaps = np.nan_to_num(np.abs(found.accuracy - found.confidence)) * found.faces
    assert expected_calibration_error(labels, calibrated) == pytest.approx(gaps.sum() / 500)


# Selective classification.


def class_0_with(confidence: list[float]) -> np.ndarray:
    """Probabilities (N, 2) that predict class 0 with this confidence."""
    return np.stack([confidence, 1 - np.array(confidence)], axis=1)


def test_risk_coverage_curve_by_hand() -> None:
    # By falling confidence: correct, wrong, correct, wrong.
    coverage, risk = risk_coverage(np.array([1, 0, 0, 1]), class_0_with([0.6, 0.7, 0.9, 0.8]))
    np.testing.assert_allclose(coverage, [1 / 4, 1 / 2, 3 / 4, 1])
    np.testing.assert_allclose(risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert aurc(np.array([1, 0, 0, 1]), class_0_with([0.6, 0.7, 0.9, 0.8])) == pytest.approx(
        (1 / 2 + 1 / 3 + 1 / 2) / 4
    )


def test_perfect_ranking_has_its_error_at_the_end() -> None:
    labels, confidence = np.array([0, 0, 0, 1]), [0.9, 0.8, 0.7, 0.6]
    np.testing.assert_allclose(risk_coverage(labels, class_0_with(confidence))[1], [0, 0, 0, 1 / 4])
    assert aurc(labels, class_0_with(confidence)) == pytest.approx(1 / 16)
    # The worst ranking: the wrong face has the highest confidence.
    assert aurc(labels, class_0_with(confidence[::-1])) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_aurc_is_0_if_all_is_correct_and_1_if_all_is_wrong() -> None:
    assert aurc(np.zeros(4, int), class_0_with([0.9, 0.8, 0.7, 0.6])) == 0
    assert aurc(np.ones(4, int), class_0_with([0.9, 0.8, 0.7, 0.6])) == 1


def test_order_of_faces_of_equal_confidence_does_not_matter() -> None:
    probabilities, labels = class_0_with([0.9, 0.8, 0.8, 0.8]), np.array([0, 1, 0, 0])
    first, last = (risk_coverage(each, probabilities)[1] for each in (labels, np.array([0, 0, 0, 1])))
    np.testing.assert_allclose(first, last)
    np.testing.assert_allclose(first, [0, 1 / 6, 2 / 9, 1 / 4])


def test_coverage_rises_to_1_and_risk_ends_at_the_error_rate() -> None:
    labels, calibrated = calibrated_sample(5, faces=300)
    coverage, risk = risk_coverage(labels, calibrated)
    assert (np.diff(coverage) > 0).all()
    assert (coverage[0], coverage[-1]) == (1 / 300, 1)
    assert risk[-1] == pytest.approx((calibrated.argmax(axis=1) != labels).mean())
    assert aurc(labels, calibrated) < risk[-1]
