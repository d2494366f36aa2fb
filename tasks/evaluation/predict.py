"""Predicts a split with an exported model in both precisions, flipped images included."""

from pathlib import Path

import numpy as np

from faces.common.geometry import mirror_images
from faces.models.tta import Inference, choose_classes, predict_by, unflip
from params import EvaluateEmotion, EvaluateModel
from tasks.common.dataset import load_dataset
from tasks.evaluation.calibration import fit_calibrations
from tasks.evaluation.predictions import Predictions, load_split, save_predictions
from tasks.models.exports import export_path, other_precision
from tasks.models.inference_engine import predictor
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task


@task
def predict_split(
    model_name: str,
    model_path: Path,
    precision: str,
    prepared: Path,
    settings: EvaluateModel,
    out: Path,
    calibration: Path,
    split: str = "test",
) -> Path:
    """Write the outputs for a split and its flipped images, with the inference settings: `Predictions`.

    The exports of `model_path` predict: in `precision` what is evaluated, in the other what it is compared with. An
    emotion model is calibrated on predictions of the validation split, made with the same settings, and `calibration`
    is written, see `fit_calibrations`; on that split itself, the calibration error is therefore too low.
    """
    dataset = load_split(prepared, split)
    other = other_precision(precision)
    run, run_other = (predictor(export_path(model_path, each), dataset.images.shape[2]) for each in (precision, other))
    log(f"{model_name}: predicting {len(dataset)} {split} faces and their flipped images, {precision} and {other}")
    inference = Inference(settings.flip_tta)
    if isinstance(settings, EvaluateEmotion):
        inference = fit_calibrations(run, load_dataset(prepared / "validation.npz"), settings, calibration)
    no_tta, flipped = run(dataset.images), unflip(run(mirror_images(dataset.images)), dataset.images.shape[2])
    compared = predict_by(run_other, dataset.images, inference._replace(temperature=1.0, biases=()))
    save_predictions(
        out,
        Predictions(
            choose_classes(no_tta, inference),
            choose_classes(flipped, inference),
            np.array(inference.flip_tta),
            np.array(inference.temperature),
            dataset.rows,
            np.array(precision),
            compared,
            np.array(inference.class_indices, np.int64),
            np.array(inference.biases, np.float64),
        ),
    )
    return out
