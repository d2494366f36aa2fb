"""Metrics on corrupted test images."""

from pathlib import Path

import numpy as np

from faces.evaluation.corruptions import CORRUPTIONS
from faces.models.tta import predict_by
from params import EvaluateModel
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.evaluation.corrupted import CLEAN, SEED, STEPS, corrupted
from tasks.evaluation.predictions import HEADLINE_METRIC, flat, load_predictions, metric_intervals, save_table
from tasks.models.inference_engine import predictor
from tasks.orchestration.artifacts import Progress, log
from tasks.orchestration.decorators import task


@task
def measure_robustness(
    model_name: str, prepared: Path, predictions: Path, export: Path, settings: EvaluateModel, folder: Path
) -> Path:
    """Write and log metrics under each corruption at three strengths, `robustness.csv`; strength 0 is clean.

    `export` is the exported model that is evaluated. The metrics are measured on a random sample of at most
    `corruption_samples` test images, the same for each corruption.
    """
    test = load_dataset(prepared / "test.npz")
    sample = test[np.sort(np.random.default_rng(SEED).permutation(len(test))[: settings.corruption_samples])]
    log(f"{model_name}: corrupting {len(sample)} test faces in {3 * len(CORRUPTIONS)} ways")
    run, inference = predictor(export, sample.images.shape[2]), load_predictions(predictions).inference
    progress = Progress(f"corruptions-tried-{model_name}", f"{model_name}: corruptions evaluated")
    variants = [(one, step) for one in CORRUPTIONS for step in STEPS]

    def metrics(dataset: FaceDataset) -> dict[str, float]:
        return flat(metric_intervals(dataset, predict_by(run, dataset.images, inference)))

    rows = [{"corruption": CLEAN, "step": 0, "strength": 0.0, "unit": "", "faces": len(sample), **metrics(sample)}]
    for one, step in variants:
        about = {"corruption": one.name, "step": step, "strength": one.strengths[step - 1], "unit": one.unit}
        rows.append({**about, "faces": len(sample), **metrics(corrupted(sample, one, step))})
        progress.update(len(rows) / (1 + len(variants)))
    description = f"{model_name}: metrics on corrupted test faces{test.leakage_warning}"
    save_table(rows, folder / "robustness.csv", f"robustness-{model_name}", description, HEADLINE_METRIC[model_name])
    return folder / "robustness.csv"
