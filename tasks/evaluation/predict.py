"""Predicts the test split with a trained model, flipped images included."""

from pathlib import Path
from time import perf_counter

import numpy as np

from faces.models.calibration import fit_temperature
from faces.models.tta import BATCH, Inference, predict, predict_flipped, predict_no_tta
from params import EvaluateModel
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.evaluation.predictions import Predictions, save_predictions
from tasks.models.keras_files import load_model
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task


@task
def predict_test(model_name: str, model_path: Path, prepared: Path, settings: EvaluateModel, out: Path) -> Path:
    """Write the model's outputs for the test split and its flipped images, with the inference settings: `Predictions`.

    The temperature of an emotion model is fitted on predictions of the validation split, made with the same settings.
    """
    test, model = load_dataset(prepared / "test.npz"), load_model(model_path)
    log(f"{model_name}: predicting {len(test)} test faces and their flipped images")
    # Compiles the model for full batches and for the last one; the times must not include this.
    predict_no_tta(model, test.images[: BATCH + len(test) % BATCH])
    start = perf_counter()
    no_tta = predict_no_tta(model, test.images)
    middle = perf_counter()
    flipped = predict_flipped(model, test.images)
    cost = (perf_counter() - start) / (middle - start)
    # Logged and not written: a time differs between runs, and a DVC output must not.
    log(f"{model_name}: flip TTA takes {cost:.2f} times as long")
    inference = _with_temperature(model, load_dataset(prepared / "validation.npz"), Inference(settings.flip_tta))
    save_predictions(
        out, Predictions(no_tta, flipped, np.array(inference.flip_tta), np.array(inference.temperature), test.rows)
    )
    return out


def _with_temperature(model, validation: FaceDataset, inference: Inference) -> Inference:
    if not validation.is_emotion:
        return inference
    validation = validation.with_output_classes()
    temperature = fit_temperature(validation.targets, predict(model, validation.images, inference))
    log(f"emotion: temperature {temperature:.3f}, fitted on {len(validation)} validation faces")
    return inference._replace(temperature=temperature)
