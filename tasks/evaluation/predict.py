"""Predicts a split with an exported model in both precisions, flipped images included."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from faces.common.geometry import mirror_images
from faces.models.calibration import fit_temperature
from faces.models.tta import Inference, predict_by, unflip
from params import EvaluateModel
from tasks.common.dataset import FaceDataset
from tasks.evaluation.predictions import Predictions, load_split, save_predictions
from tasks.models.exports import export_path, other_precision
from tasks.models.inference_engine import predictor
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task

Run = Callable[[np.ndarray], np.ndarray]


@task
def predict_split(
    model_name: str,
    model_path: Path,
    precision: str,
    prepared: Path,
    settings: EvaluateModel,
    out: Path,
    split: str = "test",
) -> Path:
    """Write the outputs for a split and its flipped images, with the inference settings: `Predictions`.

    The exports of `model_path` predict: in `precision` what is evaluated, in the other what it is compared with. The
    temperature of an emotion model is fitted on predictions of the validation split, made with the same settings; on
    that split itself, the calibration error is therefore too low.
    """
    dataset = load_split(prepared, split)
    other = other_precision(precision)
    run, run_other = (predictor(export_path(model_path, each), dataset.images.shape[2]) for each in (precision, other))
    log(f"{model_name}: predicting {len(dataset)} {split} faces and their flipped images, {precision} and {other}")
    no_tta, flipped = run(dataset.images), unflip(run(mirror_images(dataset.images)), dataset.images.shape[2])
    inference = Inference(settings.flip_tta)
    compared = predict_by(run_other, dataset.images, inference)
    inference = _with_temperature(run, load_split(prepared, "validation"), inference)
    save_predictions(
        out,
        Predictions(
            no_tta,
            flipped,
            np.array(inference.flip_tta),
            np.array(inference.temperature),
            dataset.rows,
            np.array(precision),
            compared,
        ),
    )
    return out


def _with_temperature(run: Run, validation: FaceDataset, inference: Inference) -> Inference:
    if not validation.is_emotion:
        return inference
    temperature = fit_temperature(validation.targets, predict_by(run, validation.images, inference))
    log(f"emotion: temperature {temperature:.3f}, fitted on {len(validation)} validation faces")
    return inference._replace(temperature=temperature)
