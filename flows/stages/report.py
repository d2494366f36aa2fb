"""Stage `report@MODEL`: figures of a model's faces, training, evaluation and gate checks."""

from pathlib import Path

import params
from tasks.plots.evaluation import draw_emotion, draw_keypoints
from tasks.plots.preparation import draw_duplicates, draw_offline_augmentation
from tasks.plots.quality_gate import draw_gate
from tasks.plots.robustness import draw_corruptions, draw_robustness, draw_slices
from tasks.plots.training import draw_augmented_batch, draw_learning_curve


def report(settings: params.Params, model_name: params.ModelName) -> None:
    """Draw the figures of a model from the files of earlier stages."""
    folder = Path(f"reports/figures/{model_name}")
    student, thresholds = getattr(settings.recipe, model_name).student, getattr(settings.dataset.gate, model_name)
    num_examples = getattr(settings.recipe.report, model_name).num_examples
    prepared, predictions = Path(f"data/prepared/{model_name}"), Path(f"data/predictions/{model_name}.npz")
    tables, metrics = Path(f"reports/evaluate/{model_name}"), Path(f"reports/metrics/{model_name}.json")
    draw_duplicates(model_name, Path(f"data/validated/{model_name}.parquet"), prepared, folder)
    draw_offline_augmentation(model_name, prepared, folder)
    draw_augmented_batch(model_name, prepared, student, folder)
    draw_learning_curve(model_name, prepared, Path(f"reports/train/{model_name}.csv"), folder)
    if model_name == "keypoints":
        draw_keypoints(prepared, predictions, tables, num_examples, folder)
    else:
        draw_emotion(prepared, predictions, tables, metrics, num_examples, folder)
    draw_slices(model_name, prepared, tables, metrics, folder)
    draw_robustness(model_name, prepared, tables, folder)
    draw_corruptions(model_name, prepared, folder)
    draw_gate(model_name, metrics, tables, thresholds, folder)
