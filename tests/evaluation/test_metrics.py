"""Each metric: perfect, worst and computed by hand; predictions of the baselines."""

import numpy as np
import pytest

from faces.common.schema import KEYPOINTS, LEFT_EYE, RIGHT_EYE
from faces.evaluation.baselines import majority_class, mean_face, pixel_logistic
from faces.evaluation.metrics import (
    ced_auc,
    emotion_metrics,
    expected_calibration_error,
    face_nme,
    failure_rate,
    keypoint_metrics,
    nme,
    rmse_px,
)

NOSE = KEYPOINTS.index("nose_tip")
UNLABELLED = np.full((1, 15, 2), np.nan)


def face(eyes: float, nose: float | None = None) -> np.ndarray:
    """Points (1, 15, 2), at (20, 30) except the left eye, `eyes` px right of it; with `nose`, only three labelled."""
    points = np.full((1, 15, 2), np.nan if nose is not None else (20.0, 30.0))
    points[0, [LEFT_EYE, RIGHT_EYE]] = [[20 + eyes, 30], [20, 30]]
    if nose is not None:
        points[0, NOSE] = [nose, 30]
    return points


def moved(points: np.ndarray, by: tuple[float, float], only: int | None = None) -> np.ndarray:
    """Predictions: the points, unlabelled ones at 77, with one or all of them moved."""
    predicted = np.nan_to_num(points, nan=77.0)
    predicted[:, slice(None) if only is None else only] += by
    return predicted


THREE_FACES = np.concatenate([face(10), face(40), face(20, nose=25)])
THREE_PREDICTED = np.concatenate(
    [moved(face(10), (3, 4), NOSE), moved(face(40), (0, -8)), moved(face(20, nose=25), (6, 8), NOSE)]
)
# Image 1: one of 15 points has an error of |(3, 4)| = 5: mean 5/15 = 1/3 px, over 10 px between the eyes = 1/30.
# Image 2: all have an error of 8 px, over 40 px = 1/5.
# Image 3: one of 3 labelled points has an error of |(6, 8)| = 10: mean 10/3 px, over 20 px = 1/6.
THREE_NME = [1 / 30, 1 / 5, 1 / 6]


def test_keypoint_metrics_perfect() -> None:
    assert keypoint_metrics(THREE_FACES, moved(THREE_FACES, (0, 0))) == {
        **{"nme": 0, "rmse_px": 0, "failure_rate_at_010": 0},
        "ced_auc_at_010": 1,
    }


def test_keypoint_metrics_worst() -> None:
    """Every point has an error of twice the distance between the eyes."""
    found = keypoint_metrics(face(20), moved(face(20), (40, 0)))
    # Half of the coordinates, the ys, are correct: sqrt(40 ** 2 / 2).
    assert found == pytest.approx({"nme": 2, "rmse_px": 40 / np.sqrt(2), "failure_rate_at_010": 1, "ced_auc_at_010": 0})


def test_keypoint_metrics_by_hand() -> None:
    np.testing.assert_allclose(face_nme(THREE_FACES, THREE_PREDICTED), THREE_NME)
    assert nme(THREE_FACES, THREE_PREDICTED) == pytest.approx((1 / 30 + 1 / 5 + 1 / 6) / 3)
    # Squares: 9 + 16, then 15 * 64, then 36 + 64; coordinates: 30 + 30 + 6.
    assert rmse_px(THREE_FACES, THREE_PREDICTED) == pytest.approx(np.sqrt((25 + 960 + 100) / 66))
    assert failure_rate(THREE_FACES, THREE_PREDICTED) == pytest.approx(2 / 3)
    assert failure_rate(THREE_FACES, THREE_PREDICTED, threshold=0.19) == pytest.approx(1 / 3)
    # Image 1: two thirds of the range up to 1/10 are right of its NME; the others fail.
    assert ced_auc(THREE_FACES, THREE_PREDICTED) == pytest.approx(2 / 3 / 3)
    # Up to 1/5: 5/6 of the range, none, 1/6.
    assert ced_auc(THREE_FACES, THREE_PREDICTED, limit=0.2) == pytest.approx((5 / 6 + 1 / 6) / 3)


@pytest.mark.parametrize("missing", [[LEFT_EYE], [RIGHT_EYE], list(range(15))], ids=str)
def test_nme_ignores_images_without_both_eyes(missing: list[int]) -> None:
    blind = face(10)
    blind[0, missing] = np.nan
    truth, predicted = np.concatenate([THREE_FACES, blind]), np.concatenate([THREE_PREDICTED, moved(blind, (50, 50))])
    np.testing.assert_allclose(face_nme(truth, predicted), [*THREE_NME, np.nan])
    assert nme(truth, predicted) == pytest.approx(sum(THREE_NME) / 3)
    assert failure_rate(truth, predicted) == pytest.approx(2 / 3)


def test_nme_without_labelled_images_is_nan() -> None:
    assert np.isnan(nme(UNLABELLED, face(10)))
    assert np.isnan(ced_auc(UNLABELLED, face(10)))


LABELS = np.array([0, 0, 0, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]])


def test_emotion_metrics_perfect() -> None:
    found = emotion_metrics(np.array([0, 1, 2, 2]), np.eye(3)[[0, 1, 2, 2]])
    assert found == pytest.approx(
        {"accuracy": 1, "balanced_accuracy": 1, "macro_f1": 1, "log_loss": 0, "ece": 0}, abs=1e-12
    )


def test_emotion_metrics_worst() -> None:
    found = emotion_metrics(np.array([0, 1, 2, 2]), np.eye(3)[[1, 2, 0, 0]])
    assert found.pop("log_loss") > 30
    assert found == {"accuracy": 0, "balanced_accuracy": 0, "macro_f1": 0, "ece": 1}


def test_emotion_metrics_by_hand() -> None:
    # Predictions 0, 0, 1, 1 for the labels 0, 0, 0, 1.
    found = emotion_metrics(LABELS, PROBABILITIES)
    assert found["accuracy"] == pytest.approx(3 / 4)
    # Recall of class 0 is 2/3, of class 1 is 1.
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    # F1 of class 0: precision 1, recall 2/3: 4/5; of class 1: precision 1/2, recall 1: 2/3.
    assert found["macro_f1"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert found["log_loss"] == pytest.approx(-np.log(0.9 * 0.6 * 0.3 * 0.8) / 4)
    # One image in each of the bins around 0.9, 0.6, 0.7 and 0.8: (0.1 + 0.4 + 0.7 + 0.2) / 4.
    assert found["ece"] == pytest.approx(0.35)


def test_a_class_without_labels_and_predictions_is_ignored() -> None:
    wider = np.column_stack([PROBABILITIES, np.zeros(4)])
    assert emotion_metrics(LABELS, wider) == pytest.approx(emotion_metrics(LABELS, PROBABILITIES))


def test_calibration_error_by_hand() -> None:
    # Two bins. Under 1/2 (four classes): 0.4, correct: gap of sums |1 - 0.4|.
    # From 1/2 up, 1 included: 0.6 correct, 0.8 correct, 1.0 wrong: |2 - 2.4|. Over 4 images: (0.6 + 0.4) / 4.
    probabilities = np.array([[0.4, 0.3, 0.2, 0.1], [0.6, 0.4, 0, 0], [0.8, 0.2, 0, 0], [1, 0, 0, 0]])
    labels = np.array([0, 0, 0, 1])
    assert expected_calibration_error(labels, probabilities, bins=2) == pytest.approx(0.25)
    # One bin: |3 - 2.8| / 4; each image in its own bin: (0.6 + 0.4 + 0.2 + 1) / 4.
    assert expected_calibration_error(labels, probabilities, bins=1) == pytest.approx(0.05)
    assert expected_calibration_error(labels, probabilities, bins=10) == pytest.approx(0.55)


def test_calibrated_probabilities_have_no_calibration_error() -> None:
    """Seven of ten predictions of confidence 0.7 are correct."""
    assert expected_calibration_error(np.repeat([0, 1], [7, 3]), np.tile([0.7, 0.3], (10, 1))) == pytest.approx(0)


def test_mean_face_by_hand() -> None:
    points = np.zeros((3, 15, 2))
    points[:, NOSE] = np.array([[10, 20], [np.nan, np.nan], [40, 60]])
    points[:, LEFT_EYE] = [[1, 2], [3, 5], [8, 2]]
    mean = mean_face(points)
    assert mean.shape == (15, 2)
    assert mean[NOSE].tolist() == [25, 40]
    assert mean[LEFT_EYE].tolist() == [4, 3]
    assert mean[RIGHT_EYE].tolist() == [0, 0]
    assert np.isfinite(mean_face(UNLABELLED)).all()


@pytest.mark.parametrize(("labels", "majority"), [([4], 4), ([0, 1, 1], 1), ([3, 0, 3, 2, 2, 3], 3)])
def test_majority_class(labels: list[int], majority: int) -> None:
    assert majority_class(np.array(labels)) == majority


def test_logistic_regression_separates_left_from_right() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = generator.integers(0, 100, (60, 6, 6), np.uint8)
    images[labels == 0, :, :3] += 100
    images[labels == 1, :, 3:] += 100
    train, validation, test = ((images[rows], labels[rows]) for rows in np.split(np.arange(60), [30, 40]))
    np.testing.assert_array_equal(pixel_logistic(train, validation, test[0]), test[1])
