"""Metrics of each member of an ensemble, and of the ensemble.

    python -m benchmarks.members emotion [--split validation] [--project FOLDER]

Run it after `dvc repro train@emotion`. Predictions are made as by `evaluate`: with flip TTA if the recipe sets it, and
for the emotion with a temperature per member, fitted on the validation split. Select models on `validation`, the
default, and use `--split test` once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from sklearn.metrics import f1_score

import params
from benchmarks.tables import print_table
from faces.evaluation.metrics import emotion_metrics, keypoint_metrics
from faces.models.calibration import fit_temperature
from faces.models.tta import Inference, predict
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.common.files import InputError
from tasks.models.keras_files import load_model


def models(model: keras.Model) -> dict[str, keras.Model]:
    """Return each member by its name, and the ensemble as `mean`; for a single model, only the latter."""
    members = {layer.name: layer for layer in model.layers if isinstance(layer, keras.Model)}
    return members | {"mean": model}


def metrics_of(
    model: keras.Model, dataset: FaceDataset, validation: FaceDataset, inference: Inference
) -> dict[str, float]:
    """Return metrics by name; for the emotion calibrated on `validation`, and with the F1 score of each class."""
    if not dataset.is_emotion:
        return keypoint_metrics(dataset.targets, predict(model, dataset.images, inference))
    if model.output.shape[1] == len(validation.classes):
        inference = inference._replace(class_indices=tuple(validation.output_class_indices))
    validation = validation.with_output_classes()
    temperature = fit_temperature(validation.targets, predict(model, validation.images, inference))
    predicted = predict(model, dataset.images, inference._replace(temperature=temperature))
    labels = range(len(dataset.classes))
    f1 = f1_score(dataset.targets, predicted.argmax(axis=1), labels=labels, average=None, zero_division=0)
    named = {f"F1 {name}": float(value) for name, value in zip(dataset.classes, f1, strict=True)}
    return emotion_metrics(dataset.targets, predicted) | named


def measure(model_name: str, split: str, project: Path) -> tuple[FaceDataset, dict[str, dict[str, float]]]:
    """Return the split, and its metrics by member name, `mean` for the ensemble last."""
    settings = getattr(params.load(project).recipe.evaluate, model_name)
    prepared, inference = project / "data/prepared" / model_name, Inference(settings.flip_tta)
    validation, dataset = (load_dataset(prepared / f"{one}.npz") for one in ("validation", split))
    dataset = dataset.with_output_classes()
    model = load_model(project / f"models/trained/{model_name}.keras")
    return dataset, {name: metrics_of(one, dataset, validation, inference) for name, one in models(model).items()}


def table_rows(results: dict[str, dict[str, float]]) -> list[list[str]]:
    """Return a row per metric: of each member, of the ensemble, and the mean over the members."""
    members = [metrics for name, metrics in results.items() if name != "mean"] or [results["mean"]]
    return [
        [
            metric,
            *(f"{metrics[metric]:.4f}" for metrics in results.values()),
            f"{np.mean([metrics[metric] for metrics in members]):.4f}",
        ]
        for metric in results["mean"]
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=params.MODELS)
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--project", type=Path, default=Path())
    options = parser.parse_args(arguments)
    try:
        dataset, results = measure(options.model, options.split, options.project)
    except InputError as error:
        sys.exit(str(error))
    title = f"{options.model}: {len(dataset)} {options.split} faces, {dataset.strategy} split{dataset.leakage_warning}"
    print_table(title, ("metric", *results, "mean over members"), table_rows(results))


if __name__ == "__main__":
    main()
