"""What each member of a trained network is worth alone, and what their mean wins.

    python -m benchmarks.members emotion [--part validation] [--project FOLDER]

Run it after `dvc repro train@emotion`. Predictions are made as `evaluate` makes them: flip-averaged where params.yaml
says so, an emotion's temperature fitted on the validation part, for each member its own. Choose by `validation`, the
default; look at `--part test` once.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.metrics import f1_score

import params
from faces.evaluation.metrics import emotion_metrics, keypoint_metrics
from faces.models.calibration import fit_temperature
from faces.models.tta import Inference, predictions_of, tempered
from tasks.common.dataset import Part, load_part
from tasks.models.keras_files import load_network


def members(network: keras.Model) -> dict[str, keras.Model]:
    """Each by its name, and the whole network as `mean`; of a network without members, the whole alone."""
    inside = {layer.name: layer for layer in network.layers if isinstance(layer, keras.Model)}
    return inside | {"mean": network}


def figures(network: keras.Model, part: Part, validation: Part, how: Inference) -> dict[str, float]:
    predicted = predictions_of(network, part.images, how)
    if not part.is_emotion:
        return keypoint_metrics(part.targets, predicted)
    temperature = fit_temperature(validation.targets, predictions_of(network, validation.images, how))
    predicted = tempered(predicted, temperature)
    each = f1_score(part.targets, predicted.argmax(axis=1), labels=range(len(part.classes)), average=None)
    named = {f"F1 {name}": float(value) for name, value in zip(part.classes, each, strict=True)}
    return emotion_metrics(part.targets, predicted) | named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head", choices=params.HEADS)
    parser.add_argument("--part", choices=["validation", "test"], default="validation")
    parser.add_argument("--project", type=Path, default=Path())
    options = parser.parse_args()
    settings = getattr(params.load(options.project / "params.yaml").evaluate, options.head)
    prepared = options.project / "data/prepared" / options.head
    validation = load_part(prepared / "validation.npz").answered()
    part = load_part(prepared / f"{options.part}.npz").answered()
    network = load_network(options.project / f"models/trained/{options.head}.keras")
    found = {
        name: figures(one, part, validation, Inference(settings.flip_averaging))
        for name, one in members(network).items()
    }
    alone = [of for name, of in found.items() if name != "mean"]
    table = Table(
        title=f"{options.head}: {len(part)} {options.part} faces, {part.protocol} split{part.caution}",
        title_justify="left",
    )
    for column in ("metric", *found, "members' mean figure"):
        table.add_column(column)
    for metric in found["mean"]:
        own = np.mean([of[metric] for of in alone]) if alone else found["mean"][metric]
        table.add_row(metric, *(f"{of[metric]:.4f}" for of in found.values()), f"{own:.4f}")
    Console().print(table)


if __name__ == "__main__":
    main()
