"""Groups that must not straddle the parts, and parts that never move."""

import hashlib
from collections.abc import Sequence

import numpy as np

from faces.preparation.near_duplicates import clusters

PARTS = ("train", "validation", "test")
DROPPED = ""
"""The part of a row that no part may hold."""


def groups(keys: Sequence[str], persons: Sequence[str], pairs: np.ndarray) -> list[str]:
    """The group of each face: its person's, joined with every group in which a copy or a near-duplicate of it stands.

    `keys` (N,) are equal for exact copies, `persons` (N,) are names, "" where unknown, `pairs` (M, 2) near-duplicates.
    A group is named after its first face, its person's name or else its key: appended rows rename no group, unless they
    join two that were apart.
    """
    names = [f"person:{person}" if person else f"image:{key}" for key, person in zip(keys, persons, strict=True)]
    same = [_first_of_same(keys), _first_of_same(persons)]
    alone = np.array([not person for person in persons], bool)
    same[1][alone] = np.flatnonzero(alone)
    faces = np.arange(len(keys))
    edges = np.concatenate([pairs, *(np.stack([faces, first], axis=1) for first in same)]).astype(np.int64)
    return [names[first] for first in clusters(len(keys), edges)]


def _first_of_same(values: Sequence[str]) -> np.ndarray:
    first: dict[str, int] = {}
    return np.array([first.setdefault(value, number) for number, value in enumerate(values)], np.int64)


def grouped_parts(group_names: Sequence[str], seed: int, validation: float, test: float) -> np.ndarray:
    """The part of each row, (N,) str, from a hash of its group's name.

    Rows appended later move none of these, unless they join two groups that were apart.
    """
    position = np.array([_unit_hash(f"{seed}:{name}") for name in group_names])
    return np.where(position < test, "test", np.where(position < test + validation, "validation", "train"))


def _unit_hash(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def official_parts(usages: np.ndarray, group_names: Sequence[str], seed: int, validation: float) -> np.ndarray:
    """The part of each row, (N,) str, from FER2013's Usage (N,): Training, PublicTest, PrivateTest.

    PrivateTest is the test part, and PublicTest the validation part. Where one of the two is absent, the other is the
    test part, and a grouped share of Training is the validation part. A row of whose group another stands in a part
    more precious (test, then validation) is dropped: its part is DROPPED.
    """
    official = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
    if not {"PublicTest", "PrivateTest"} <= set(usages.tolist()):
        official["PublicTest"] = "test"
    own_part = np.array([official[usage] for usage in usages.tolist()])
    names = np.array(group_names)
    if "validation" not in own_part:
        drawn = grouped_parts(group_names, seed, validation, 0.0)
        own_part = np.where(own_part == "train", drawn, own_part)
    for precious, lesser in (("test", ("validation", "train")), ("validation", ("train",))):
        straddles = np.isin(names, names[own_part == precious]) & np.isin(own_part, lesser)
        own_part = np.where(straddles, DROPPED, own_part)
    return own_part


def random_parts(rows: int, seed: int, validation: float, test: float) -> np.ndarray:
    """The part of each of `rows` faces, (N,) str, by lot, whatever their groups: the way that leaks."""
    position = np.random.default_rng(seed).permutation(rows) / rows
    return np.where(position < test, "test", np.where(position < test + validation, "validation", "train"))


def share_differences(targets: np.ndarray, own_part: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    """By how much each class's share in a part is off its share in all parts; (classes,) per part, signed.

    `targets` (N,) are class numbers. A part without rows is off by all.
    """
    overall = np.bincount(targets, minlength=classes) / max(len(targets), 1)
    return {
        part: np.bincount(targets[own_part == part], minlength=classes) / max((own_part == part).sum(), 1) - overall
        for part in PARTS
    }


def by_chance(overall: np.ndarray, rows: int) -> np.ndarray:
    """How far the shares (classes,) of a part of `rows` rows may be off by chance alone: four standard errors."""
    return 4 * np.sqrt(overall * (1 - overall) / max(rows, 1))
