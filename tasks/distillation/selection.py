"""Selects unlabelled faces, none of which is a copy of a judged face."""

import json
from pathlib import Path

import numpy as np

from faces.common.geometry import resize_images
from faces.common.pixel_text import SIZES
from faces.preparation.leakage import count_leakage
from faces.preparation.near_duplicates import find_near_duplicates
from params import Duplicates
from tasks.common.dataset import load_dataset
from tasks.common.files import InputError, replacing
from tasks.orchestration.artifacts import Progress, log, log_table

OTHER = {"keypoints": "emotion", "emotion": "keypoints"}
IMAGES, LEAKAGE = "images.npz", "leakage.json"
PROTECTED = ("validation", "test")
FORBIDDEN = ("images_in_multiple_splits", "cross_split_near_duplicates")


def write_unlabeled(model_name: str, prepared: Path, needed: int, duplicates: Duplicates, folder: Path) -> None:
    """Write the selected faces and the counts of the leakage check, as `select_unlabeled` says."""
    path = prepared / OTHER[model_name] / "train.npz"
    source = load_dataset(path)
    images = resize_images(source[source.augmentation_kind == "original"].images, SIZES[model_name])
    protected = _protected(model_name, prepared)
    kept = images[~_near_protected(model_name, images, protected, duplicates)]
    log(f"{model_name}: {len(kept):,} of {len(images):,} {OTHER[model_name]} training faces are used without labels")
    if len(kept) < needed:
        raise InputError(
            f"{path}: {len(kept):,} unlabelled faces; set {model_name}.student.distillation.unlabeled_samples, "
            f"{needed:,}, to that or less"
        )
    _check(model_name, kept, protected, duplicates, folder / LEAKAGE)
    with replacing(folder / IMAGES) as temporary:
        np.savez(temporary, allow_pickle=False, images=kept)


def _protected(model_name: str, prepared: Path) -> dict[str, np.ndarray]:
    """Validation and test faces of both models, at this model's size, by a name of the split."""
    return {
        f"{name} {split}": resize_images(load_dataset(prepared / name / f"{split}.npz").images, SIZES[model_name])
        for name in OTHER
        for split in PROTECTED
    }


def _near_protected(
    model_name: str, images: np.ndarray, protected: dict[str, np.ndarray], duplicates: Duplicates
) -> np.ndarray:
    """Which faces have a copy or near-duplicate among the protected ones, (N,) bool."""
    progress = Progress(f"unlabeled-{model_name}", f"{model_name}: unlabelled faces compared with the judged ones")
    every = np.concatenate([images, *protected.values()])
    pairs = find_near_duplicates(every, duplicates.max_hamming_distance, duplicates.min_correlation, progress.update)
    across = (pairs["first"] < len(images)) & (pairs["second"] >= len(images))
    return np.isin(np.arange(len(images)), pairs["first"][across])


def _check(
    model_name: str,
    images: np.ndarray,
    protected: dict[str, np.ndarray],
    duplicates: Duplicates,
    path: Path,
) -> None:
    """Write the counts of the leakage check. Raises AssertionError if a face leaks."""
    counts = {
        name: count_leakage(
            {"unlabeled": images, name: others},
            {"unlabeled": [""] * len(images), name: [""] * len(others)},
            duplicates.max_hamming_distance,
            duplicates.min_correlation,
        )
        for name, others in protected.items()
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(counts, indent=2) + "\n")
    rows = [{"split": name} | {key: count[key] for key in FORBIDDEN} for name, count in counts.items()]
    log_table(f"unlabeled-leakage-{model_name}", rows, f"{model_name}: unlabelled faces that are in a judged split")
    if any(count[key] for count in counts.values() for key in FORBIDDEN):
        raise AssertionError(f"{model_name}: unlabelled faces leak: {counts}")
