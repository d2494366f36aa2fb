"""Stage `evaluate@MODEL`: metrics and tables on the test split; outside DVC's graph also on the validation split."""

from pathlib import Path

import params
from tasks.evaluation.curves import write_curves
from tasks.evaluation.drift_reference import write_drift_reference
from tasks.evaluation.metrics import evaluate_emotion, evaluate_keypoints
from tasks.evaluation.openings import record_opening
from tasks.evaluation.predict import predict_split
from tasks.evaluation.robustness import measure_robustness
from tasks.evaluation.slices import evaluate_slices
from tasks.models.exports import export_path

SAMPLE = "sample"
"""The data set whose test split is not counted: its faces are drawn, and nothing is chosen on them."""


def evaluate(settings: params.Params, model_name: params.ModelName, split: str = "test") -> None:
    """Evaluate a model on its test split; or on its validation split, as often as you like, into another folder."""
    chosen = getattr(settings.recipe.evaluate, model_name)
    duplicates = getattr(settings.dataset.prepare, model_name).duplicates
    precision = getattr(settings.recipe.export, model_name).precision
    model_path, prepared = Path(f"models/trained/{model_name}.keras"), Path(f"data/prepared/{model_name}")
    export = export_path(model_path, precision)
    is_test = split == "test"
    folder = Path("reports/evaluate" if is_test else f"reports/evaluate_{split}", model_name)
    metrics = Path(f"reports/metrics/{model_name}.json") if is_test else folder / "metrics.json"
    predictions = Path(f"data/predictions/{model_name}.npz") if is_test else folder / "predictions.npz"
    if is_test and settings.dataset_name != SAMPLE:
        record_opening(model_name, prepared / "test.npz", settings.recipe_name, export)
    predict_split(model_name, model_path, precision, prepared, chosen, predictions, folder / "calibration.json", split)
    if model_name == "keypoints":
        evaluate_keypoints(prepared, predictions, export, duplicates, metrics, folder, split)
    else:
        evaluate_emotion(prepared, predictions, export, chosen, duplicates, metrics, folder, split)
    evaluate_slices(model_name, prepared, predictions, folder, split)
    if is_test:
        _describe_test(model_name, prepared, predictions, export, chosen, folder)


def _describe_test(
    model_name: str, prepared: Path, predictions: Path, export: Path, settings: params.EvaluateModel, folder: Path
) -> None:
    """Write what no choice needs: curves, the reference for drift, and robustness."""
    if model_name == "emotion":
        write_curves(prepared, predictions, folder)
        write_drift_reference(prepared, predictions, folder / "reference.json")
    measure_robustness(model_name, prepared, predictions, export, settings, folder)
