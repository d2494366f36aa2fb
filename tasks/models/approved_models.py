"""The networks that a verdict lets pass, used as they were judged."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from faces.models.tta import Inference, predictions_of
from faces.scoring.drift import Reference
from tasks.common.files import InputError, sha256
from tasks.models.keras_files import load_network
from tasks.orchestration.api import task


@dataclass(frozen=True)
class Judged:
    """Saved networks by head, how they were used when judged, and what the emotion's outputs stand for.

    `reference` tells what the judged faces looked like; None in a verdict that is older than that.
    """

    paths: dict[str, Path]
    inference: dict[str, Inference]
    classes: list[str]
    reference: Reference | None = None


@task
def judged_networks(verdict: Path, folder: Path | None = None) -> Judged:
    """What a passing verdict names, or its like in `folder`, where copies of them lie.

    Raises InputError where the verdict is no pass, or a network is not the one that was judged.
    """
    try:
        content = json.loads(verdict.read_text())
        models, classes = content["models"], content["classes"]
        named = {head: Path(one["path"]) for head, one in models.items()}
        paths = {head: folder / path.name if folder else path for head, path in named.items()}
        how = {head: Inference(bool(one["flip_averaging"]), float(one["temperature"])) for head, one in models.items()}
        reference = Reference(**content["reference"]) if "reference" in content else None
    except FileNotFoundError:
        raise InputError(f"{verdict}: there is no verdict; `dvc repro gate` gives one on the networks here") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{verdict}: not a verdict ({error!r}); `dvc repro gate` gives one") from None
    if not content["passed"]:
        raise InputError(f"{verdict}: the gate did not let these networks pass; nothing is scored with them")
    for head, path in paths.items():
        if not path.is_file() or sha256(path) != models[head]["sha256"]:
            raise InputError(f"{path}: not the network that {verdict} is about; `dvc repro` judges this one")
    return Judged(paths, how, classes, reference)


def predictors(judged: Judged) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """By head, what gives points (N, 15, 2) in pixels or probabilities (N, classes) for faces (N, H, W) uint8."""
    return {
        head: partial(predictions_of, load_network(path), how=judged.inference[head])
        for head, path in judged.paths.items()
    }
