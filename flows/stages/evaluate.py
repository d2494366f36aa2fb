"""Stage `evaluate@MODEL`: metrics and tables on the test split."""

from pathlib import Path

import params
from tasks.evaluation.curves import write_curves
from tasks.evaluation.drift_reference import write_drift_reference
from tasks.evaluation.metrics import evaluate_emotion, evaluate_keypoints
from tasks.evaluation.predict import predict_test
from tasks.evaluation.robustness import measure_robustness
from tasks.evaluation.slices import evaluate_slices


def evaluate(settings: params.Params, model_name: params.ModelName) -> None:
    """Evaluate a model on its test split."""
    chosen = getattr(settings.recipe.evaluate, model_name)
    duplicates = getattr(settings.dataset.prepare, model_name).duplicates
    model_path, prepared = Path(f"models/trained/{model_name}.keras"), Path(f"data/prepared/{model_name}")
    folder, metrics = Path(f"reports/evaluate/{model_name}"), Path(f"reports/metrics/{model_name}.json")
    predictions = predict_test(model_name, model_path, prepared, chosen, Path(f"data/predictions/{model_name}.npz"))
    if model_name == "keypoints":
        evaluate_keypoints(prepared, predictions, model_path, duplicates, metrics, folder)
    else:
        evaluate_emotion(prepared, predictions, model_path, chosen, duplicates, metrics, folder)
        write_curves(prepared, predictions, folder)
        write_drift_reference(prepared, predictions, folder / "reference.json")
    evaluate_slices(model_name, prepared, predictions, folder)
    measure_robustness(model_name, prepared, predictions, model_path, chosen, folder)
