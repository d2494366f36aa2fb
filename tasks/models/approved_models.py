"""Approved models: those of a passed gate result, with the inference settings of their evaluation."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from faces.common.pixel_text import SIZES
from faces.models.tta import Inference, predict_by
from faces.scoring.drift import Reference
from tasks.common.files import InputError, sha256
from tasks.models.export_cache import exported_once
from tasks.models.exports import export_path
from tasks.models.inference_engine import predictor
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task

Classes = Literal["auto", "output", "all"]
"""The emotions that are predicted: the output classes, which the gate judges, or all that the model was trained on.

`auto`: all for images and video frames, the output classes for rows of tables.
"""


class TableClasses(NamedTuple):
    """How rows of tables are predicted, where images are predicted with more classes.

    Their classes, the inference settings of the emotion model, and the reference data for drift checks.
    """

    classes: list[str]
    inference: Inference
    reference: Reference | None


@dataclass(frozen=True)
class ApprovedModels:
    """Exported files and inference settings of the evaluated models, by model, and the emotion classes predicted.

    `hashes` are the SHA-256 by which the gate result names what is scored: of the exported files, or of the model files
    in gate results without exports. `reference` is the reference data of the evaluated faces for drift checks; None in
    gate results older than these. `tables` is None if rows of tables are predicted as images are.
    """

    paths: dict[str, Path]
    hashes: dict[str, str]
    inference: dict[str, Inference]
    classes: list[str]
    reference: Reference | None = None
    tables: TableClasses | None = None

    @property
    def table_inference(self) -> Inference | None:
        """Inference settings of the emotion model for rows of tables; None if they are those for images."""
        return self.tables.inference if self.tables else None


class _Scored(NamedTuple):
    """The file of a model that is scored with: its export, or the model file where the gate result has no exports."""

    path: Path
    sha256: str
    is_export: bool
    inference: Inference


@task
def load_approved_models(gate_result: Path, folder: Path | None = None, classes: Classes = "output") -> ApprovedModels:
    """The models that a passed gate result names; with `folder`, their copies of the same name in it.

    `classes` are the emotions that are predicted, see `Classes`; the gate result is about the output classes. Models of
    a gate result without exports are exported now, once. Raises InputError if the gate did not pass, a file is not the
    one that was evaluated, or `classes` is another word.
    """
    if classes not in get_args(Classes):
        raise InputError(f"classes = {classes!r}: not one of {', '.join(get_args(Classes))}")
    content, scored = _read(gate_result, classes)
    if not content["passed"]:
        raise InputError(f"{gate_result}: the gate did not let these models pass; they are not used for scoring")
    paths = {}
    for model_name, one in scored.items():
        path = folder / one.path.name if folder else one.path
        if not path.is_file() or sha256(path) != one.sha256:
            raise InputError(f"{path}: not the model that {gate_result} is about; `dvc repro` evaluates this one")
        paths[model_name] = path if one.is_export else exported_once(path, one.sha256)
    return ApprovedModels(
        paths,
        {model_name: one.sha256 for model_name, one in scored.items()},
        {model_name: one.inference for model_name, one in scored.items()},
        content["classes"],
        content["reference"],
        _table_classes(gate_result) if classes == "auto" else None,
    )


def _table_classes(gate_result: Path) -> TableClasses | None:
    """How rows of tables are predicted if images are predicted with all classes; None if these are no more."""
    output, scored = _read(gate_result, "output")
    if output["classes"] == _read(gate_result, "auto")[0]["classes"]:
        return None
    return TableClasses(output["classes"], scored["emotion"].inference, output["reference"])


def _read(gate_result: Path, classes: Classes) -> tuple[dict[str, Any], dict[str, _Scored]]:
    """`passed`, `classes` and `reference` of a gate result, and what is scored with, by model.

    Raises InputError if there is no gate result, or a key is missing.
    """
    try:
        content = json.loads(gate_result.read_text())
        if classes != "output":
            content = _with_all_classes(gate_result, content, explain=classes == "all")
        scored = {model_name: _scored(model) for model_name, model in content["models"].items()}
        reference = Reference(**content["reference"]) if "reference" in content else None
        return {name: content[name] for name in ("passed", "classes")} | {"reference": reference}, scored
    except FileNotFoundError:
        raise InputError(
            f"{gate_result}: there is no gate result; `dvc repro gate` writes one for the models of this workspace"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{gate_result}: not a gate result ({error!r}); `dvc repro gate` writes one") from None


def _with_all_classes(gate_result: Path, content: dict[str, Any], explain: bool) -> dict[str, Any]:
    """A gate result whose emotion model predicts all classes that it was trained on; unchanged if these are no more.

    `explain`: log it if these are no more.
    """
    emotion = content["models"]["emotion"]
    if "all_classes" not in emotion:
        if explain:
            names = ", ".join(content["classes"])
            log(f"{gate_result}: the emotion model was trained for {names} alone, so all classes are these")
        return content
    every = emotion["all_classes"]
    models = content["models"] | {"emotion": emotion | every}
    return content | {"classes": every["classes"], "reference": every["reference"], "models": models}


def _scored(model: dict[str, Any]) -> _Scored:
    # Gate results of earlier versions have neither: their models have the output classes alone, biases included.
    indices, biases = (tuple(model.get(name, ())) for name in ("class_indices", "biases"))
    path = Path(model["path"])
    inference = Inference(bool(model["flip_tta"]), float(model["temperature"]), indices, biases)
    if "exports" not in model:
        return _Scored(path, model["sha256"], False, inference)
    precision = model["precision"]
    return _Scored(export_path(path, precision), model["exports"][precision], True, inference)


def named_files(gate_result: Path) -> list[Path]:
    """All files that a gate result names by hash: of each model, its file and its exports."""
    models = json.loads(gate_result.read_text())["models"].values()
    paths = {Path(model["path"]): model for model in models}
    exported = [export_path(path, each) for path, model in paths.items() for each in model.get("exports", {})]
    return [*paths, *exported]


def predict_functions(approved: ApprovedModels) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """By model, a function of faces (N, H, W) uint8: keypoints (N, 15, 2) in pixels or probabilities (N, classes)."""
    return {
        model_name: partial(predict_by, predictor(path, SIZES[model_name]), inference=approved.inference[model_name])
        for model_name, path in approved.paths.items()
    }
