"""Approved models: those of a passed gate result, with the inference settings of their evaluation."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from faces.models.tta import Inference, predict
from faces.scoring.drift import Reference
from tasks.common.files import InputError, sha256
from tasks.models.keras_files import load_model
from tasks.orchestration.decorators import task


@dataclass(frozen=True)
class ApprovedModels:
    """Files and inference settings of the evaluated models, by model, and the emotion model's output classes.

    `reference` is the reference data of the test faces for drift checks; None in gate results older than these.
    """

    paths: dict[str, Path]
    inference: dict[str, Inference]
    classes: list[str]
    reference: Reference | None = None


@task
def load_approved_models(gate_result: Path, folder: Path | None = None) -> ApprovedModels:
    """The models that a passed gate result names; with `folder`, their copies of the same name in it.

    Raises InputError if the gate did not pass, or if a model file is not the one that was evaluated.
    """
    try:
        content = json.loads(gate_result.read_text())
        models, classes = content["models"], content["classes"]
        paths = {model_name: Path(model["path"]) for model_name, model in models.items()}
        if folder:
            paths = {model_name: folder / path.name for model_name, path in paths.items()}
        inference = {
            model_name: Inference(bool(model["flip_tta"]), float(model["temperature"]))
            for model_name, model in models.items()
        }
        reference = Reference(**content["reference"]) if "reference" in content else None
    except FileNotFoundError:
        raise InputError(
            f"{gate_result}: there is no gate result; `dvc repro gate` writes one for the models of this workspace"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{gate_result}: not a gate result ({error!r}); `dvc repro gate` writes one") from None
    if not content["passed"]:
        raise InputError(f"{gate_result}: the gate did not let these models pass; they are not used for scoring")
    for model_name, path in paths.items():
        if not path.is_file() or sha256(path) != models[model_name]["sha256"]:
            raise InputError(f"{path}: not the model that {gate_result} is about; `dvc repro` evaluates this one")
    return ApprovedModels(paths, inference, classes, reference)


def predict_functions(approved: ApprovedModels) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """By model, a function of faces (N, H, W) uint8: keypoints (N, 15, 2) in pixels or probabilities (N, classes)."""
    return {
        model_name: partial(predict, load_model(path), inference=approved.inference[model_name])
        for model_name, path in approved.paths.items()
    }
