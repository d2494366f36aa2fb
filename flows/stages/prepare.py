"""Stage `prepare@MODEL`: group, split, augment, normalize, in that order."""

from pathlib import Path

import params
from tasks.preparation.leakage_check import check_leakage
from tasks.preparation.near_duplicates import group_faces
from tasks.preparation.normalization import normalize
from tasks.preparation.offline_augmentation import augment
from tasks.preparation.splits import augment_then_split, split
from tasks.preparation.summary import report_prepared


def prepare(settings: params.Params, model_name: params.ModelName) -> None:
    """Turn a model's validated rows into arrays for training and evaluation."""
    chosen = getattr(settings.dataset.prepare, model_name)
    valid, prepared = Path(f"data/validated/{model_name}.parquet"), Path(f"data/prepared/{model_name}")
    grouped = group_faces(model_name, valid, chosen, prepared / "groups.csv")
    if chosen.split.strategy == "random":
        splits = augment_then_split(model_name, valid, grouped, chosen, prepared)
        normalize(model_name, check_leakage(model_name, splits, chosen.duplicates))
    else:
        splits = check_leakage(model_name, split(model_name, valid, grouped, chosen, prepared), chosen.duplicates)
        normalize(model_name, augment(model_name, splits, chosen.offline_augmentation))
    report_prepared(model_name, prepared, Path(f"reports/prepare/{model_name}.json"))
