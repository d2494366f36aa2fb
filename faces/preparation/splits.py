"""Groups that must stay in one split, and splits that keep their rows when rows are appended."""

import hashlib
from collections.abc import Sequence

import numpy as np

from faces.preparation.near_duplicates import duplicate_components

SPLITS = ("train", "validation", "test")
DROPPED = ""
"""Instead of a split: the row is in none."""


def groups(keys: Sequence[str], subjects: Sequence[str], pairs: np.ndarray) -> list[str]:
    """The group of each face: faces of one subject, exact copies and near-duplicates, directly or through others.

    `keys` (N,) are equal for exact copies, `subjects` (N,) are names, "" where unknown, `pairs` (M, 2) near-duplicates.
    A group is named after the subject of its first face, or its key where the subject is unknown. Appended rows rename
    no group unless they connect two groups.
    """
    names = [f"person:{subject}" if subject else f"image:{key}" for key, subject in zip(keys, subjects, strict=True)]
    first_of_key, first_of_subject = _first_of_same(keys), _first_of_same(subjects)
    unknown = np.array([not subject for subject in subjects], bool)
    first_of_subject[unknown] = np.flatnonzero(unknown)
    faces = np.arange(len(keys))
    same = [np.stack([faces, first], axis=1) for first in (first_of_key, first_of_subject)]
    edges = np.concatenate([pairs, *same]).astype(np.int64)
    return [names[first] for first in duplicate_components(len(keys), edges)]


def _first_of_same(values: Sequence[str]) -> np.ndarray:
    first: dict[str, int] = {}
    return np.array([first.setdefault(value, number) for number, value in enumerate(values)], np.int64)


def group_split(group_names: Sequence[str], seed: int, validation: float, test: float) -> np.ndarray:
    """The split of each row, (N,) str, from a hash of its group's name; `validation` and `test` are fractions.

    Appended rows change the split of no other row unless they connect two groups.
    """
    position = np.array([_unit_hash(f"{seed}:{name}") for name in group_names])
    return np.where(position < test, "test", np.where(position < test + validation, "validation", "train"))


def _unit_hash(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def predefined_split(usages: np.ndarray, group_names: Sequence[str], seed: int, validation: float) -> np.ndarray:
    """The split of each row, (N,) str, from FER2013's Usage (N,): Training, PublicTest, PrivateTest.

    PrivateTest is the test split, PublicTest the validation split. If one of the two is absent, the other is the test
    split, and a group split takes the fraction `validation` of Training as the validation split. A row is DROPPED if
    another row of its group is in the test split, or it is a training row and one is in the validation split.
    """
    predefined = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
    if not {"PublicTest", "PrivateTest"} <= set(usages.tolist()):
        predefined["PublicTest"] = "test"
    split_of = np.array([predefined[usage] for usage in usages.tolist()])
    names = np.array(group_names)
    if "validation" not in split_of:
        by_group = group_split(group_names, seed, validation, 0.0)
        split_of = np.where(split_of == "train", by_group, split_of)
    for keeps, drops in (("test", ("validation", "train")), ("validation", ("train",))):
        straddles = np.isin(names, names[split_of == keeps]) & np.isin(split_of, drops)
        split_of = np.where(straddles, DROPPED, split_of)
    return split_of


def random_split(rows: int, seed: int, validation: float, test: float) -> np.ndarray:
    """The split of each of `rows` faces, (rows,) str, at random, whatever their groups: this leaks."""
    position = np.random.default_rng(seed).permutation(rows) / rows
    return np.where(position < test, "test", np.where(position < test + validation, "validation", "train"))


def class_fraction_differences(targets: np.ndarray, split_of: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """Each class's fraction in a split minus its fraction in the whole dataset; (classes,) per split.

    `targets` (N,) are class numbers, `split_of` (N,) the split of each face. In a split without rows all fractions
    are 0.
    """
    overall = np.bincount(targets, minlength=classes) / max(len(targets), 1)
    return {
        split: np.bincount(targets[split_of == split], minlength=classes) / max((split_of == split).sum(), 1) - overall
        for split in SPLITS
    }


def expected_difference(overall: np.ndarray, rows: int) -> np.ndarray:
    """How far the class fractions (classes,) of a split of `rows` rows may differ by chance: four standard errors."""
    difference: np.ndarray = 4 * np.sqrt(overall * (1 - overall) / max(rows, 1))
    return difference
