"""Calibrates an emotion model on validation faces: for its output classes, and for all that it was trained on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from faces.common.geometry import mirror_images
from faces.evaluation.bootstrap import bootstrap_intervals
from faces.evaluation.weighted_metrics import emotion_measure
from faces.models.calibration import fit_bias_correction, fit_temperature
from faces.models.tta import Inference, calibrate, choose_classes
from faces.scoring.drift import pixel_properties, reference_of
from params import EvaluateEmotion
from tasks.common.dataset import FaceDataset
from tasks.common.files import InputError, replacing
from tasks.evaluation.predictions import flat
from tasks.orchestration.artifacts import log

METRICS = ("accuracy", "macro_f1", "ece")
"""Metrics of all trained classes; no test face is of a class that the gate does not judge."""


def fit_calibrations(
    run: Callable[[np.ndarray], np.ndarray], validation: FaceDataset, settings: EvaluateEmotion, path: Path
) -> Inference:
    """The inference settings for the output classes; those for all trained classes are written beside them to `path`.

    `run` returns the uncalibrated outputs of the model, `validation` has faces of all training classes. The JSON has
    `trained_classes`, the classes of the model's outputs, `output`, and `all` if these are more: its classes, metrics
    on the validation faces, and the reference data for drift checks. Raises InputError if the model has another number
    of outputs.
    """
    outputs = [run(validation.images)]
    if settings.flip_tta:
        outputs.append(run(mirror_images(validation.images)))
    trained = _trained_classes(validation, outputs[0].shape[1])
    output = _fitted(outputs, validation.with_output_classes(), _mask(validation), trained, settings)
    content: dict[str, Any] = {"trained_classes": trained, "output": _calibration(output)}
    if len(trained) > len(validation.output_classes):
        everything = _fitted(outputs, validation, np.ones(len(validation), bool), trained, settings)
        content["all"] = {"classes": trained, **_calibration(everything)} | _measured(outputs, validation, everything)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content) + "\n")
    return output


def _trained_classes(validation: FaceDataset, num_outputs: int) -> list[str]:
    """The classes of a model's outputs: all training classes, or the output classes if it was distilled for these."""
    for classes in (validation.classes.tolist(), validation.output_classes.tolist()):
        if len(classes) == num_outputs:
            return classes
    raise InputError(
        f"emotion: the model has {num_outputs} outputs, but the prepared faces have the classes "
        f"{', '.join(validation.classes)}; `dvc repro train@emotion` trains a model of these"
    )


def _mask(validation: FaceDataset) -> np.ndarray:
    return np.isin(validation.targets, validation.output_class_indices)


def _fitted(
    outputs: list[np.ndarray], faces: FaceDataset, mask: np.ndarray, trained: list[str], settings: EvaluateEmotion
) -> Inference:
    """Inference settings for the classes of `faces`.

    `outputs` (N, trained classes) are those of the faces, and of the flipped faces with flip TTA, at `mask` (N,).
    """
    inference = Inference(settings.flip_tta, 1.0, tuple(map(trained.index, faces.classes.tolist())))
    probabilities = _uncalibrated(outputs, inference)[mask]
    if settings.bias_correction:
        inference = inference._replace(biases=tuple(fit_bias_correction(faces.targets, probabilities).tolist()))
        probabilities = calibrate(probabilities, inference)
    inference = inference._replace(temperature=fit_temperature(faces.targets, probabilities))
    each = ", ".join(f"{name} {bias:+.2f}" for name, bias in zip(faces.classes, inference.biases, strict=False))
    fitted = f"temperature {inference.temperature:.3f}" + (f", biases {each}" if each else "")
    log(f"emotion: {fitted}, fitted on {len(faces)} validation faces of {len(faces.classes)} classes")
    return inference


def _uncalibrated(outputs: list[np.ndarray], inference: Inference) -> np.ndarray:
    return np.mean([choose_classes(each, inference) for each in outputs], axis=0)


def _calibration(inference: Inference) -> dict[str, Any]:
    indices, biases = list(inference.class_indices), list(inference.biases)
    return {"class_indices": indices, "temperature": inference.temperature, "biases": biases}


def _measured(outputs: list[np.ndarray], validation: FaceDataset, inference: Inference) -> dict[str, Any]:
    """Metrics on the validation faces, and the reference data of their images and predictions."""
    probabilities = calibrate(_uncalibrated(outputs, inference), inference)
    intervals = bootstrap_intervals(emotion_measure(validation.targets, probabilities), validation.groups)
    properties = pixel_properties(validation.images) | {"confidence": probabilities.max(axis=1)}
    reference = reference_of(validation.classes[probabilities.argmax(axis=1)], properties)
    metrics = flat({name: intervals[name] for name in METRICS})
    return {"num_validation_samples": len(validation), "validation": metrics, "reference": reference._asdict()}
