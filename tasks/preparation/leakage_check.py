"""Checks the written splits for leakage."""

import json
from pathlib import Path

from faces.preparation.leakage import count_leakage
from faces.preparation.splits import SPLITS
from params import Duplicates
from tasks.common.dataset import load_dataset
from tasks.common.files import replacing
from tasks.orchestration.artifacts import Progress, log, log_table
from tasks.orchestration.decorators import task

FORBIDDEN = ("images_in_multiple_splits", "cross_split_near_duplicates", "subjects_in_multiple_splits")


@task
def check_leakage(model_name: str, prepared: Path, settings: Duplicates) -> Path:
    """Check the written files: no image, near-duplicate or subject is in more than one split.

    The check shares no code with the split. A random split leaks; there, the leaks are only counted. Raises
    AssertionError if any other split leaks.
    """
    datasets = {split: load_dataset(prepared / f"{split}.npz") for split in SPLITS}
    progress = Progress(f"leakage-check-{model_name}", f"{model_name}: splits compared")
    log(f"{model_name}: comparing every face with those of the other splits")
    counts = count_leakage(
        {split: dataset.images for split, dataset in datasets.items()},
        {split: dataset.subjects.tolist() for split, dataset in datasets.items()},
        settings.max_hamming_distance,
        settings.min_correlation,
        progress.update,
    )
    with replacing(prepared / "leakage.json") as temporary:
        temporary.write_text(json.dumps(counts))
    leakage_warning = datasets["train"].leakage_warning
    rows = [{"what": name.replace("_", " "), "count": count} for name, count in counts.items()]
    log_table(f"leakage-{model_name}", rows, f"{model_name}: what is in more than one split{leakage_warning}")
    if datasets["train"].is_leaky:
        return prepared
    if any((dataset.augmentation_kind != "original").any() for dataset in datasets.values()):
        raise AssertionError(f"{model_name}: a split contains an augmented copy")
    if any(counts[name] for name in FORBIDDEN):
        remedy = f"if these show the same image, raise prepare.{model_name}.duplicates.max_hamming_distance"
        raise AssertionError(f"{model_name}: the split leaks: {counts}; {remedy}")
    return prepared
