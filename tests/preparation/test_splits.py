"""Groups connect copies and subjects, no group is in two splits, and appended rows do not change the splits."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.preparation.splits import (
    DROPPED,
    SPLITS,
    class_fraction_differences,
    expected_difference,
    group_split,
    groups,
    predefined_split,
    random_split,
)

Row = tuple[str, str]
"""Key of the image (shared by copies and mirrored copies), and subject."""

Near = frozenset[frozenset[str]]
"""Which images are near-duplicates."""

IMAGES = "abcdef"
ROW = st.tuples(st.sampled_from(IMAGES), st.sampled_from(["", "", "ann", "bob", "cy", "dee"]))
ROWS = st.lists(ROW, min_size=1, max_size=12)
NEAR = st.frozensets(st.frozensets(st.sampled_from(IMAGES), min_size=2, max_size=2), max_size=2)


def groups_of(rows: Sequence[Row], near: Near = frozenset()) -> list[str]:
    pairs = [(i, j) for i, j in combinations(range(len(rows)), 2) if frozenset((rows[i][0], rows[j][0])) in near]
    return groups([row[0] for row in rows], [row[1] for row in rows], np.array(pairs, np.int64).reshape(-1, 2))


def splits_of(rows: Sequence[Row], near: Near, seed: int) -> np.ndarray:
    return group_split(groups_of(rows, near), seed, validation=0.3, test=0.3)


def reached(rows: Sequence[Row], near: Near, start: int) -> set[int]:
    """By a plain search: the rows connected to one row by shared or near-duplicate images and shared subjects."""
    found, waiting = {start}, [start]
    while waiting:
        image, subject = rows[waiting.pop()]
        neighbours = {
            i
            for i, other in enumerate(rows)
            if other[0] == image or frozenset((other[0], image)) in near or (subject and other[1] == subject)
        }
        waiting += neighbours - found
        found |= neighbours
    return found


@settings(deadline=None)
@given(ROWS, NEAR)
def test_groups_are_connected_components_named_after_their_first_face(rows: list[Row], near: Near) -> None:
    names = groups_of(rows, near)
    for row, name in enumerate(names):
        component = reached(rows, near, row)
        assert {other for other, its in enumerate(names) if its == name} == component
        image, subject = rows[min(component)]
        assert name == (f"person:{subject}" if subject else f"image:{image}")


@pytest.mark.parametrize(
    ("rows", "near", "same_group"),
    [
        ([("a", ""), ("a", "")], "", True),
        ([("a", ""), ("b", "")], "", False),
        ([("a", ""), ("b", "")], "ab", True),
        ([("a", ""), ("b", "")], "bc", False),
        ([("a", "ann"), ("b", "ann")], "", True),
        ([("a", "ann"), ("b", "bob")], "", False),
        ([("a", "ann"), ("a", "bob")], "", True),
        ([("a", "ann"), ("b", "bob")], "ab", True),
        ([("a", "ann"), ("b", "bob"), ("c", "ann"), ("c", "bob")], "", True),
        ([("a", "ann"), ("b", "bob"), ("c", "ann"), ("d", "bob")], "cd", True),
        ([("a", "ann"), ("d", ""), ("a", "bob"), ("d", "bob")], "", True),
        ([("a", ""), ("c", ""), ("b", "")], "ab bc", True),
    ],
)
def test_first_two_rows_share_a_group_or_not(rows: list[Row], near: str, same_group: bool) -> None:
    names = groups_of(rows, frozenset(map(frozenset, near.split())))
    assert (names[0] == names[1]) is same_group


def test_no_row_gives_no_group() -> None:
    assert groups_of([]) == []


@settings(deadline=None)
@given(ROWS, NEAR, st.integers(0, 1000))
def test_no_group_is_in_two_splits(rows: list[Row], near: Near, seed: int) -> None:
    split_of, names = splits_of(rows, near, seed), groups_of(rows, near)
    assert len(split_of) == len(rows)
    assert set(split_of) <= set(SPLITS)
    assert len(set(zip(names, split_of.tolist(), strict=True))) == len(set(names))


MORE = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 4)), max_size=6)


@settings(deadline=None)
@given(ROWS, NEAR, MORE, st.integers(0, 50))
def test_appended_rows_do_not_change_the_splits(
    rows: list[Row], near: Near, more: list[tuple[int, int]], seed: int
) -> None:
    """Unrelated faces, copies, near-duplicates, new images of known subjects, and copies of a new subject."""
    appended: list[Row] = []
    near_after = set(near)
    for each, (number, kind) in enumerate(more):
        image, subject = rows[number % len(rows)]
        new: Row = [
            (f"new {each}", f"eve {each}"),
            (image, ""),
            (f"new {each}", ""),
            (f"new {each}", subject),
            (image, f"eve {each}"),
        ][kind]
        appended.append(new)
        if kind == 2:
            near_after.add(frozenset((image, new[0])))
    after = [*rows, *appended]
    assert groups_of(after, frozenset(near_after))[: len(rows)] == groups_of(rows, near)
    np.testing.assert_array_equal(
        splits_of(after, frozenset(near_after), seed)[: len(rows)], splits_of(rows, near, seed).tolist()
    )


@settings(deadline=None)
@given(ROWS, NEAR, st.lists(ROW, max_size=6))
def test_groups_that_appended_rows_connect_take_the_name_of_the_first(
    rows: list[Row], near: Near, more: list[Row]
) -> None:
    before, after, all_rows = groups_of(rows, near), groups_of([*rows, *more], near), [*rows, *more]
    for row in range(len(rows)):
        assert after[row] == before[min(reached(all_rows, near, row))]


def test_split_sizes_are_as_requested() -> None:
    split_of = group_split([f"person:{number}" for number in range(5000)], seed=1, validation=0.2, test=0.1)
    fractions = [(split_of == name).mean() for name in SPLITS]
    np.testing.assert_allclose(fractions, [0.7, 0.2, 0.1], atol=0.02)


@pytest.mark.parametrize(
    ("validation", "test", "only"), [(0.0, 0.0, "train"), (1.0, 0.0, "validation"), (0.0, 1.0, "test")]
)
def test_fraction_of_one_takes_every_row(validation: float, test: float, only: str) -> None:
    assert set(group_split([str(number) for number in range(200)], 1, validation, test)) == {only}


def test_only_the_seed_changes_the_splits() -> None:
    names = [f"person:{number}" for number in range(400)]
    first = group_split(names, 1, 0.3, 0.3)
    np.testing.assert_array_equal(group_split(names, 1, 0.3, 0.3), first)
    np.testing.assert_array_equal(group_split(names[::-1], 1, 0.3, 0.3)[::-1], first)
    assert 0.5 < (group_split(names, 2, 0.3, 0.3) != first).mean() < 0.8


def test_splits_are_the_same_in_every_process_and_version() -> None:
    """If a split changed with the code, new models would be trained on old test faces."""
    # The first 16 digits of SHA-256 of "1:person:ann", "1:image:00" and "1:person:gus", by `sha256sum`, over 2 ** 64.
    hashes = {"person:ann": 0.4643, "image:00": 0.7091, "person:gus": 0.2095}
    assert group_split(list(hashes), 1, validation=0.3, test=0.3).tolist() == ["validation", "train", "test"]
    for name, position in hashes.items():
        assert group_split([name], 1, 0.0, position + 1e-4).tolist() == ["test"]
        assert group_split([name], 1, 0.0, position - 1e-4).tolist() == ["train"]


def predefined(rows: Sequence[tuple[str, str]], validation: float = 0.3) -> list[str]:
    """The splits of rows of (usage, group)."""
    usages, names = np.array([row[0] for row in rows]), [row[1] for row in rows]
    return predefined_split(usages, names, seed=1, validation=validation).tolist()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["Training a", "PublicTest b", "PrivateTest c"], ["train", "validation", "test"]),
        # In any order, a group stays in test rather than validation, and in validation rather than train.
        (["Training a", "PublicTest a", "PrivateTest c"], [DROPPED, "validation", "test"]),
        (["Training a", "PublicTest b", "PrivateTest a"], [DROPPED, "validation", "test"]),
        (["Training a", "PublicTest b", "PrivateTest b"], ["train", DROPPED, "test"]),
        (["PrivateTest a", "PublicTest a", "Training a", "PublicTest b"], ["test", DROPPED, DROPPED, "validation"]),
        # A dropped validation row drops no training row: group b is then in no other split.
        (["Training a", "PublicTest a", "PrivateTest a", "PublicTest b"], [DROPPED, DROPPED, "test", "validation"]),
        (["Training a", "Training a", "PublicTest b", "PrivateTest c"], ["train", "train", "validation", "test"]),
        (["PrivateTest c", "PrivateTest c", "PublicTest b", "Training c"], ["test", "test", "validation", DROPPED]),
    ],
)
def test_predefined_splits_by_hand(rows: list[str], expected: list[str]) -> None:
    assert predefined([(row.split()[0], row.split()[1]) for row in rows]) == expected


@pytest.mark.parametrize("absent", ["PublicTest", "PrivateTest"])
def test_with_one_predefined_test_split_validation_is_taken_from_training_by_group(absent: str) -> None:
    other = {"PublicTest", "PrivateTest"}.difference([absent]).pop()
    rows = [("Training", f"image:{number // 2}") for number in range(400)]
    rows += [(other, f"image:{number}") for number in range(190, 230)]
    split_of = predefined(rows)
    assert split_of[400:] == ["test"] * 40
    # Groups 190 to 199 are in the test split; the others are where the group split of the same seed puts them.
    assert split_of[380:400] == [DROPPED] * 20
    names = [row[1] for row in rows[:380]]
    assert split_of[:380] == group_split(names, 1, validation=0.3, test=0.0).tolist()
    assert 0.2 < split_of[:380].count("validation") / 380 < 0.4
    assert split_of[:380:2] == split_of[1:380:2]


USAGES = ("Training", "PublicTest", "PrivateTest")
PREDEFINED = st.lists(st.tuples(st.sampled_from(USAGES), st.sampled_from("abcde")), min_size=1, max_size=14)


@settings(deadline=None, max_examples=200)
@given(PREDEFINED)
def test_predefined_splits_keep_each_group_in_one_split(rows: list[tuple[str, str]]) -> None:
    split_of = predefined(rows)
    both = {"PublicTest", "PrivateTest"} <= {usage for usage, _ in rows}
    for (usage, group), split in zip(rows, split_of, strict=True):
        present = {other for other, name in rows if name == group}
        in_splits = {its for (_, name), its in zip(rows, split_of, strict=True) if name == group} - {DROPPED}
        assert len(in_splits) == 1
        if both:
            best = max(present, key=USAGES.index)
            assert split == (["train", "validation", "test"][USAGES.index(best)] if usage == best else DROPPED)
        elif usage != "Training":
            assert split == "test"
        else:
            assert (split == DROPPED) is (present != {"Training"})


@pytest.mark.parametrize(
    ("rows", "counts"), [(10, [5, 3, 2]), (1000, [500, 300, 200]), (7, [3, 2, 2]), (1, [0, 0, 1]), (0, [0, 0, 0])]
)
def test_random_splits_have_their_sizes(rows: int, counts: list[int]) -> None:
    split_of = random_split(rows, seed=1, validation=0.3, test=0.2)
    assert [int((split_of == name).sum()) for name in SPLITS] == counts


def test_random_splits_follow_the_seed_and_are_shuffled() -> None:
    first = random_split(600, 1, 0.3, 0.3)
    np.testing.assert_array_equal(random_split(600, 1, 0.3, 0.3), first)
    assert 0.5 < (random_split(600, 2, 0.3, 0.3) != first).mean() < 0.8
    # Each third of the rows contains about a third of each split.
    for third in np.split(first, 3):
        assert all(40 < count < 110 for count in Counter(third.tolist()).values())


def test_class_fraction_differences_by_hand() -> None:
    # 4 of 8 are of class 0, 3 of class 1, 1 of class 2, none of class 3.
    targets = np.array([0, 0, 1, 2, 0, 1, 0, 1])
    split_of = np.array(["train"] * 4 + ["validation"] * 2 + ["test"] * 2)
    found = class_fraction_differences(targets, split_of, 4)
    assert list(found) == ["train", "validation", "test"]
    np.testing.assert_allclose(found["train"], [2 / 4 - 4 / 8, 1 / 4 - 3 / 8, 1 / 4 - 1 / 8, 0])
    np.testing.assert_allclose(found["validation"], [1 / 2 - 4 / 8, 1 / 2 - 3 / 8, -1 / 8, 0])
    np.testing.assert_allclose(found["test"], found["validation"])
    # Only `train` has rows: its fractions are those of the whole dataset; those of the others are 0.
    found = class_fraction_differences(np.array([0, 1]), np.array(["train", "train"]), 2)
    assert {name: difference.tolist() for name, difference in found.items()} == {
        "train": [0, 0],
        "validation": [-0.5, -0.5],
        "test": [-0.5, -0.5],
    }


@pytest.mark.parametrize(
    ("fraction", "rows", "allowed"),
    [(0.5, 100, 0.2), (0.5, 400, 0.1), (0.1, 36, 0.2), (0, 9, 0), (1, 9, 0), (0.5, 0, 2)],
)
def test_expected_difference_by_hand(fraction: float, rows: int, allowed: float) -> None:
    # Four times the square root of fraction * (1 - fraction) / rows.
    np.testing.assert_allclose(expected_difference(np.array([fraction]), rows), [allowed], atol=1e-12)
