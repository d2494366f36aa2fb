"""Calibration of the output classes and of all training classes, on validation faces."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from faces.common.geometry import mirror_images
from faces.evaluation.metrics import emotion_metrics
from faces.models.calibration import fit_bias_correction, fit_temperature
from faces.models.tta import Inference, predict_by
from params import EvaluateEmotion
from tasks.common.dataset import FaceDataset
from tasks.common.files import InputError
from tasks.evaluation.calibration import fit_calibrations
from tests.pictures import strangers

COUNT, CLASSES, OUTPUT = 60, ["anger", "fear", "sad", "neutral"], ["sad", "anger"]
SETTINGS = EvaluateEmotion(flip_tta=False, corruption_samples=None, pixel_baseline_rows=30)


def validation() -> FaceDataset:
    rows, text = np.arange(COUNT), np.full(COUNT, "")
    return FaceDataset(
        strangers(COUNT, 1, 48),
        np.arange(COUNT) % 4,
        rows,
        rows,
        text,
        np.full(COUNT, "original"),
        np.array(CLASSES),
        np.array(OUTPUT),
        np.array("group"),
    )


def outputs_of(num_classes: int):
    """A model of this many classes, right more often than not, whose answer depends on the side of the face."""
    kernel = np.random.default_rng(0).normal(0, 3, (2, num_classes))

    def run(images: np.ndarray) -> np.ndarray:
        halves = images.reshape(len(images), 48, 2, 24).mean(axis=(1, 3)) / 100
        logits = halves @ kernel
        logits[np.arange(len(images)), np.arange(len(images)) % num_classes] += 1
        return softmax(logits, axis=1).astype(np.float32)

    return run


@pytest.mark.parametrize("bias_correction", [False, True])
@pytest.mark.parametrize("flip_tta", [False, True])
def test_each_set_of_classes_has_a_calibration_of_its_own(
    tmp_path: Path, flip_tta: bool, bias_correction: bool
) -> None:
    run, faces, path = outputs_of(4), validation(), tmp_path / "calibration.json"
    settings = SETTINGS.model_copy(update={"flip_tta": flip_tta, "bias_correction": bias_correction})
    output = fit_calibrations(run, faces, settings, path)
    found = json.loads(path.read_text())
    assert found["trained_classes"] == found["all"]["classes"] == CLASSES
    assert list(output.class_indices) == found["output"]["class_indices"] == [2, 0]
    assert found["all"]["class_indices"] == [0, 1, 2, 3]
    assert output == Inference(flip_tta, found["output"]["temperature"], (2, 0), tuple(found["output"]["biases"]))

    everything, both = run(faces.images), [run(faces.images)]
    if flip_tta:
        both.append(run(mirror_images(faces.images)))
        everything = (both[0] + both[1]) / 2
    conditional = np.mean([each[:, [2, 0]] / each[:, [2, 0]].sum(axis=1, keepdims=True) for each in both], axis=0)
    restricted = faces.with_output_classes()
    kept = np.isin(faces.targets, [2, 0])
    for name, targets, probabilities in (
        ("output", restricted.targets, conditional[kept]),
        ("all", faces.targets, everything),
    ):
        biases = fit_bias_correction(targets, probabilities) if bias_correction else np.array([])
        np.testing.assert_allclose(found[name]["biases"], biases, atol=1e-4)
        corrected = softmax(np.log(probabilities) + biases, axis=1) if bias_correction else probabilities
        assert found[name]["temperature"] == pytest.approx(fit_temperature(targets, corrected), rel=1e-3)
    assert found["output"]["temperature"] != pytest.approx(found["all"]["temperature"], rel=0.01)


def test_metrics_and_reference_of_all_classes_are_those_of_the_validation_faces(tmp_path: Path) -> None:
    run, faces, path = outputs_of(4), validation(), tmp_path / "calibration.json"
    fit_calibrations(run, faces, SETTINGS, path)
    found = json.loads(path.read_text())["all"]
    predicted = predict_by(run, faces.images, Inference(False, found["temperature"], (0, 1, 2, 3)))
    metrics = emotion_metrics(faces.targets, predicted)
    for name in ("accuracy", "macro_f1", "ece"):
        assert found["validation"][name] == pytest.approx(metrics[name], rel=1e-5)
    assert found["validation"]["accuracy_low"] < metrics["accuracy"] < found["validation"]["accuracy_high"]
    assert found["num_validation_samples"] == COUNT
    names, counts = np.unique(np.array(CLASSES)[predicted.argmax(axis=1)], return_counts=True)
    assert found["reference"]["emotions"] == dict(zip(names.tolist(), counts.tolist(), strict=True))
    assert set(found["reference"]["quantiles"]) == {"brightness", "contrast", "sharpness", "confidence"}


def test_model_of_the_output_classes_alone_has_one_calibration(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    output = fit_calibrations(outputs_of(2), validation(), SETTINGS, path)
    found = json.loads(path.read_text())
    assert found["trained_classes"] == OUTPUT
    assert output.class_indices == (0, 1)
    assert "all" not in found


def test_model_whose_training_classes_are_all_predicted_has_one_calibration_in_their_order(tmp_path: Path) -> None:
    path, faces = tmp_path / "calibration.json", replace(validation(), output_classes=np.array(CLASSES[::-1]))
    output = fit_calibrations(outputs_of(4), faces, SETTINGS, path)
    assert json.loads(path.read_text())["trained_classes"] == CLASSES
    assert output.class_indices == (3, 2, 1, 0)


def test_model_of_other_classes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    with pytest.raises(InputError, match=r"the model has 3 outputs, .* anger, fear, sad, neutral; `dvc repro train@em"):
        fit_calibrations(outputs_of(3), validation(), SETTINGS, path)
    assert not path.exists()
