"""A known temperature is found again; bins and curves are those worked by hand."""

import numpy as np
import pytest
from scipy.special import softmax

from faces.evaluation.metrics import emotion_metrics, expected_calibration_error
from faces.evaluation.selective import aurc, risk_coverage
from faces.models.calibration import fit_biases, fit_temperature, reliability, with_temperature


def drawn_from(seed: int, faces: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from honest probabilities (N, 5), and these."""
    generator = np.random.default_rng(seed)
    probabilities = softmax(generator.normal(0, 2, (faces, 5)), axis=1)
    return (probabilities.cumsum(axis=1) < generator.random((faces, 1))).sum(axis=1), probabilities


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    labels, honest = drawn_from(1)
    assert fit_temperature(labels, with_temperature(honest, 1 / temperature)) == pytest.approx(temperature, rel=0.04)


def test_scaling_makes_confidence_honest_and_changes_no_class() -> None:
    labels, honest = drawn_from(2)
    sure = with_temperature(honest, 1 / 3)
    scaled = with_temperature(sure, fit_temperature(labels, sure))
    before, after = emotion_metrics(labels, sure), emotion_metrics(labels, scaled)
    assert before["ece"] > 0.1
    assert after["ece"] < 0.02
    assert after["log_loss"] < before["log_loss"]
    np.testing.assert_array_equal(scaled.argmax(axis=1), sure.argmax(axis=1))


def test_temperature_by_hand() -> None:
    # Of logits log 4 and log 1, a temperature of 2 makes log 2 and log 1.
    np.testing.assert_allclose(with_temperature(np.array([[0.8, 0.2]]), 2), [[2 / 3, 1 / 3]])
    np.testing.assert_allclose(with_temperature(np.array([[0.8, 0.2]]), 0.5), [[16 / 17, 1 / 17]])


def test_one_over_the_temperature_undoes_it() -> None:
    _, honest = drawn_from(3, faces=50)
    np.testing.assert_allclose(with_temperature(with_temperature(honest, 1.7), 1 / 1.7), honest)


def test_probabilities_of_zero_and_one_are_borne() -> None:
    certain = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    scaled = with_temperature(certain, 2.0)
    assert np.isfinite(scaled).all()
    np.testing.assert_allclose(scaled.sum(axis=1), 1)
    # One of four is wrong, and infinitely sure: as little confidence as can be had.
    assert 1 < fit_temperature(np.array([0, 1, 2, 0]), certain) <= 50.1
    # All are right, and as sure as can be: nothing to be gained by any temperature up to where 0.99 would be lost.
    assert 0 < fit_temperature(np.array([0, 1, 2, 2]), certain) < 20


def test_known_biases_are_found_again_beside_a_temperature() -> None:
    labels, honest = drawn_from(4)
    biases = np.array([0.6, -0.9, 0.1, 0.3, -0.1])
    # softmax((log p' + biases) / 2.5) is honest.
    shifted = softmax(2.5 * np.log(honest) - biases, axis=1)
    np.testing.assert_allclose(fit_biases(labels, shifted), biases, atol=0.15)
    mended = softmax(np.log(shifted) + fit_biases(labels, shifted), axis=1)
    assert fit_temperature(labels, mended) == pytest.approx(2.5, rel=0.04)


def test_a_class_that_no_validation_face_bears_has_a_bias_all_the_same() -> None:
    labels, honest = drawn_from(5, faces=500)
    found = fit_biases(labels[labels != 2], honest[labels != 2])
    assert np.isfinite(found).all()
    assert found.argmin() == 2


# Reliability: two bins, four classes. Under 1/2: 0.4 right. From 1/2 up: 0.6 right, 0.8 right, 1.0 wrong.
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


def test_calibration_error_is_that_of_the_bins() -> None:
    labels, honest = drawn_from(4, faces=500)
    found = reliability(labels, honest)
    gaps = np.nan_to_num(np.abs(found.accuracy - found.confidence)) * found.faces
    assert expected_calibration_error(labels, honest) == pytest.approx(gaps.sum() / 500)


# Abstaining.


def sure_of(confidence: list[float]) -> np.ndarray:
    """Probabilities (N, 2) that say class 0 with this confidence."""
    return np.stack([confidence, 1 - np.array(confidence)], axis=1)


def test_risk_over_coverage_by_hand() -> None:
    # From the surest on: right, wrong, right, wrong.
    coverage, risk = risk_coverage(np.array([1, 0, 0, 1]), sure_of([0.6, 0.7, 0.9, 0.8]))
    np.testing.assert_allclose(coverage, [1 / 4, 1 / 2, 3 / 4, 1])
    np.testing.assert_allclose(risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert aurc(np.array([1, 0, 0, 1]), sure_of([0.6, 0.7, 0.9, 0.8])) == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)


def test_a_perfect_ranking_is_wrong_only_at_the_end() -> None:
    labels, sureness = np.array([0, 0, 0, 1]), [0.9, 0.8, 0.7, 0.6]
    np.testing.assert_allclose(risk_coverage(labels, sure_of(sureness))[1], [0, 0, 0, 1 / 4])
    assert aurc(labels, sure_of(sureness)) == pytest.approx(1 / 16)
    # The worst one: the wrong face is the surest.
    assert aurc(labels, sure_of(sureness[::-1])) == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_aurc_is_nought_where_all_is_right_and_one_where_all_is_wrong() -> None:
    assert aurc(np.zeros(4, int), sure_of([0.9, 0.8, 0.7, 0.6])) == 0
    assert aurc(np.ones(4, int), sure_of([0.9, 0.8, 0.7, 0.6])) == 1


def test_the_order_of_equally_sure_faces_has_no_say() -> None:
    sureness, labels = sure_of([0.9, 0.8, 0.8, 0.8]), np.array([0, 1, 0, 0])
    first, last = (risk_coverage(each, sureness)[1] for each in (labels, np.array([0, 0, 0, 1])))
    np.testing.assert_allclose(first, last)
    np.testing.assert_allclose(first, [0, 1 / 6, 2 / 9, 1 / 4])


def test_coverage_climbs_to_all_faces_and_risk_ends_at_the_error_rate() -> None:
    labels, honest = drawn_from(5, faces=300)
    coverage, risk = risk_coverage(labels, honest)
    assert (np.diff(coverage) > 0).all()
    assert (coverage[0], coverage[-1]) == (1 / 300, 1)
    assert risk[-1] == pytest.approx((honest.argmax(axis=1) != labels).mean())
    assert aurc(labels, honest) < risk[-1]
