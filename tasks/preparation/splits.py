"""Splits the faces into train, validation and test."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from faces.common.schema import COORDINATES, USAGES
from faces.common.stored_images import images_of
from faces.preparation.splits import (
    DROPPED,
    SPLITS,
    class_fraction_differences,
    expected_difference,
    group_split,
    predefined_split,
    random_split,
)
from params import EmotionSplit, PrepareEmotion, PrepareKeypoints, Split
from tasks.common.csv_escaping import protected, unprotected
from tasks.common.dataset import FaceDataset, concatenate, save_dataset
from tasks.common.files import InputError, replacing
from tasks.orchestration.artifacts import log
from tasks.orchestration.decorators import task
from tasks.preparation.mapped_images import columns_without_pixels, mapped_images
from tasks.preparation.offline_augmentation import copies

NO_OUTPUT_CLASS = "class not in output_classes"
STRADDLES = "same group as a validation or test row"


@task
def split(
    model_name: str, valid: Path, grouped: Path, settings: PrepareKeypoints | PrepareEmotion, prepared: Path
) -> Path:
    """Split the faces by group, or by the column Usage, into `prepared`/{train,validation,test}.npz.

    `splits.csv` lists the split of each valid row, or why it is dropped. Raises InputError if a split is empty or lacks
    a class, or if the class fractions of a group split differ too much from those of the whole dataset.
    """
    table, faces = columns_without_pixels(valid), unprotected(pd.read_csv(grouped, keep_default_na=False))
    kept = (faces["dropped"] == "").to_numpy()
    group_names = faces.loc[kept, "group"].tolist()
    split_of = np.full(len(faces), DROPPED, "<U10")
    rules = settings.split
    if rules.strategy == "predefined":
        split_of[kept] = predefined_split(_usages(valid, table)[kept], group_names, rules.seed, rules.val_size)
    else:
        split_of[kept] = group_split(group_names, rules.seed, rules.val_size, rules.test_size)
    faces.loc[kept & (split_of == DROPPED), "dropped"] = STRADDLES
    with mapped_images(valid, model_name, np.ones(len(table), bool), prepared) as images:
        dataset = _dataset(images, table, faces, settings)
        not_evaluated = (split_of == "test") & ~_has_output_class(dataset)
        faces.loc[not_evaluated, "dropped"] = NO_OUTPUT_CLASS
        split_of[not_evaluated] = DROPPED
        faces["part"] = split_of
        with replacing(prepared / "splits.csv") as temporary:
            protected(faces).to_csv(temporary, index=False, quoting=csv.QUOTE_NONNUMERIC)
        _write_splits(model_name, valid, dataset, split_of, rules, prepared)
    return prepared


@task
def augment_then_split(
    model_name: str, valid: Path, grouped: Path, settings: PrepareKeypoints | PrepareEmotion, prepared: Path
) -> Path:
    """Copy every face first, then split faces and copies at random: the original project's order, which leaks."""
    table, faces = pd.read_parquet(valid), unprotected(pd.read_csv(grouped, keep_default_na=False))
    kept = (faces["dropped"] == "").to_numpy()
    originals = _dataset(images_of(table, model_name), table, faces, settings)[kept]
    dataset = concatenate([originals, copies(originals, settings.offline_augmentation)])
    split_of = random_split(len(dataset), settings.split.seed, settings.split.val_size, settings.split.test_size)
    not_evaluated = (split_of == "test") & ~_has_output_class(dataset)
    split_of[not_evaluated] = DROPPED
    reasons = np.where(not_evaluated, NO_OUTPUT_CLASS, "")
    splits = {"row": dataset.rows, "kind": dataset.augmentation_kind, "part": split_of, "dropped": reasons}
    left_out = faces.loc[~kept, ["row", "dropped"]].assign(kind="original", part=DROPPED)
    with replacing(prepared / "splits.csv") as temporary:
        pd.concat([pd.DataFrame(splits), left_out]).to_csv(temporary, index=False)
    _write_splits(model_name, valid, dataset, split_of, settings.split, prepared)
    save_dataset(prepared / "augmented.npz", dataset[:0])
    return prepared


def _has_output_class(dataset: FaceDataset) -> np.ndarray:
    """Whether each face is of an output class, (N,) bool; always true for keypoints."""
    if not dataset.is_emotion:
        return np.ones(len(dataset), bool)
    return np.isin(dataset.targets, dataset.output_class_indices)


def _usages(valid: Path, table: pd.DataFrame) -> np.ndarray:
    remedy = "choose prepare.emotion.split.strategy: group"
    if "usage" not in table:
        raise InputError(
            f"{valid}: the predefined split needs the column Usage; give a table that has it, or an image folder "
            f"<split>/<class name>/, or {remedy}"
        )
    unknown = set(table["usage"]) - set(USAGES)
    if unknown:
        raise InputError(
            f"{valid}: Usage holds {min(unknown)!r}, which is no split; `dvc repro validate` quarantines such rows, "
            f"or {remedy}"
        )
    training = table["usage"] == "Training"
    if not training.any() or training.all():
        raise InputError(
            f"{valid}: the predefined split needs Training rows and PublicTest or PrivateTest rows; {remedy}"
        )
    return table["usage"].to_numpy(str)


def _dataset(
    images: np.ndarray, table: pd.DataFrame, faces: pd.DataFrame, settings: PrepareKeypoints | PrepareEmotion
) -> FaceDataset:
    """All valid faces; the target of a face whose class is not in `train_classes` is -1."""
    rows = table["row"].to_numpy(np.int64)
    groups = faces.groupby("group")["row"].transform("min").to_numpy(np.int64)
    subjects = table["person"].to_numpy(str) if "person" in table else np.full(len(table), "")
    kinds, strategy = np.full(len(rows), "original", "<U10"), np.array(settings.split.strategy)
    if not isinstance(settings, PrepareEmotion):
        points = table[list(COORDINATES)].to_numpy(np.float32).reshape(-1, 15, 2)
        points = points + np.array(settings.keypoint_offset_px, np.float32)
        no_classes = np.array([], "<U1")
        return FaceDataset(images, points, rows, groups, subjects, kinds, no_classes, no_classes, strategy)
    numbers = {str(name): number for number, name in enumerate(settings.train_classes)}
    targets = faces["label"].map(numbers).fillna(-1).to_numpy(np.int64)
    classes = np.array(settings.train_classes)
    output_classes = np.array(settings.output_classes or settings.train_classes)
    return FaceDataset(images, targets, rows, groups, subjects, kinds, classes, output_classes, strategy)


def _write_splits(
    model_name: str, valid: Path, dataset: FaceDataset, split_of: np.ndarray, settings: Split, prepared: Path
) -> None:
    counts = {name: int((split_of == name).sum()) for name in SPLITS}
    for name, count in counts.items():
        if not count:
            remedy = f"give more rows, or change prepare.{model_name}.split"
            raise InputError(f"{valid}: the {name} split has no rows; {remedy}")
    if dataset.is_emotion:
        _check_classes(valid, dataset, split_of, settings)
    for name in SPLITS:
        # Test faces of other classes than the output classes are dropped already.
        saved = dataset.relabel_to_output_classes() if name == "test" else dataset
        save_dataset(prepared / f"{name}.npz", saved, np.flatnonzero(split_of == name))
    log(f"{model_name}: {', '.join(f'{name} {count}' for name, count in counts.items())}{dataset.leakage_warning}")


def _check_classes(valid: Path, dataset: FaceDataset, split_of: np.ndarray, settings: Split) -> None:
    kept = (split_of != DROPPED) & _has_output_class(dataset)
    # Without images, which would be copied.
    dataset = replace(dataset, images=dataset.images[:, :0])[kept].with_output_classes()
    split_of = split_of[kept]
    remedy = (
        "give more of them, choose another prepare.emotion.split.seed, or remove it from prepare.emotion.train_classes"
    )
    for name in SPLITS:
        for number, class_name in enumerate(dataset.classes):
            if not (dataset.targets[split_of == name] == number).any():
                raise InputError(f"{valid}: the {name} split has no face of the class {class_name}; {remedy}")
    if settings.strategy == "group" and isinstance(settings, EmotionSplit):
        _check_class_fractions(valid, dataset, split_of, settings)


def _check_class_fractions(valid: Path, dataset: FaceDataset, split_of: np.ndarray, settings: EmotionSplit) -> None:
    overall = np.bincount(dataset.targets, minlength=len(dataset.classes)) / len(dataset)
    differences = class_fraction_differences(dataset.targets, split_of, len(dataset.classes))
    for name, difference in differences.items():
        by_chance = expected_difference(overall, (split_of == name).sum())
        allowed = np.maximum(settings.max_class_fraction_difference, by_chance)
        if (np.abs(difference) > allowed).any():
            worst = int((np.abs(difference) - allowed).argmax())
            raise InputError(
                f"{valid}: the fraction of {dataset.classes[worst]} in the {name} split differs from that of the whole "
                f"dataset by {difference[worst]:+.1%}; choose another prepare.emotion.split.seed, or raise "
                "prepare.emotion.split.max_class_fraction_difference"
            )
