"""Groups are what chains of copies and persons join, nothing straddles the parts, and parts never move."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.preparation.splits import (
    DROPPED,
    PARTS,
    by_chance,
    grouped_parts,
    groups,
    official_parts,
    random_parts,
    share_differences,
)

Row = tuple[str, str]
"""Which picture (copies and mirrored copies share its key), and whose."""

Near = frozenset[frozenset[str]]
"""Which pictures are near-duplicates."""

PICTURES = "abcdef"
ROW = st.tuples(st.sampled_from(PICTURES), st.sampled_from(["", "", "ann", "bob", "cy", "dee"]))
ROWS = st.lists(ROW, min_size=1, max_size=12)
NEAR = st.frozensets(st.frozensets(st.sampled_from(PICTURES), min_size=2, max_size=2), max_size=2)


def groups_of(rows: Sequence[Row], near: Near = frozenset()) -> list[str]:
    pairs = [(i, j) for i, j in combinations(range(len(rows)), 2) if frozenset((rows[i][0], rows[j][0])) in near]
    return groups([row[0] for row in rows], [row[1] for row in rows], np.array(pairs, np.int64).reshape(-1, 2))


def parts_of(rows: Sequence[Row], near: Near, seed: int) -> np.ndarray:
    return grouped_parts(groups_of(rows, near), seed, validation=0.3, test=0.3)


def reached(rows: Sequence[Row], near: Near, start: int) -> set[int]:
    """By plain search: the rows that a chain of shared or like pictures and shared persons joins to one row."""
    found, waiting = {start}, [start]
    while waiting:
        picture, person = rows[waiting.pop()]
        joined = {
            i
            for i, other in enumerate(rows)
            if other[0] == picture or frozenset((other[0], picture)) in near or (person and other[1] == person)
        }
        waiting += joined - found
        found |= joined
    return found


@settings(deadline=None)
@given(ROWS, NEAR)
def test_groups_are_what_chains_join_named_after_the_first_face(rows: list[Row], near: Near) -> None:
    names = groups_of(rows, near)
    for row, name in enumerate(names):
        chain = reached(rows, near, row)
        assert {other for other, its in enumerate(names) if its == name} == chain
        picture, person = rows[min(chain)]
        assert name == (f"person:{person}" if person else f"image:{picture}")


@pytest.mark.parametrize(
    ("rows", "near", "joined"),
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
def test_first_two_rows_share_a_group_or_not(rows: list[Row], near: str, joined: bool) -> None:
    names = groups_of(rows, frozenset(map(frozenset, near.split())))
    assert (names[0] == names[1]) is joined


def test_no_row_gives_no_group() -> None:
    assert groups_of([]) == []


@settings(deadline=None)
@given(ROWS, NEAR, st.integers(0, 1000))
def test_nothing_straddles(rows: list[Row], near: Near, seed: int) -> None:
    own_part, names = parts_of(rows, near, seed), groups_of(rows, near)
    assert len(own_part) == len(rows)
    assert set(own_part) <= set(PARTS)
    assert len(set(zip(names, own_part.tolist(), strict=True))) == len(set(names))


MORE = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 4)), max_size=6)


@settings(deadline=None)
@given(ROWS, NEAR, MORE, st.integers(0, 50))
def test_rows_appended_move_none(rows: list[Row], near: Near, more: list[tuple[int, int]], seed: int) -> None:
    """Strangers, copies, near-duplicates, new pictures of people who are there, and new people beside copies."""
    appended: list[Row] = []
    alike = set(near)
    for each, (number, kind) in enumerate(more):
        picture, person = rows[number % len(rows)]
        new: Row = [
            (f"new {each}", f"eve {each}"),
            (picture, ""),
            (f"new {each}", ""),
            (f"new {each}", person),
            (picture, f"eve {each}"),
        ][kind]
        appended.append(new)
        if kind == 2:
            alike.add(frozenset((picture, new[0])))
    after = [*rows, *appended]
    assert groups_of(after, frozenset(alike))[: len(rows)] == groups_of(rows, near)
    np.testing.assert_array_equal(
        parts_of(after, frozenset(alike), seed)[: len(rows)], parts_of(rows, near, seed).tolist()
    )


@settings(deadline=None)
@given(ROWS, NEAR, st.lists(ROW, max_size=6))
def test_appended_rows_that_join_groups_give_all_the_name_of_the_first(
    rows: list[Row], near: Near, more: list[Row]
) -> None:
    before, after, everyone = groups_of(rows, near), groups_of([*rows, *more], near), [*rows, *more]
    for row in range(len(rows)):
        assert after[row] == before[min(reached(everyone, near, row))]


def test_shares_are_as_asked_for() -> None:
    own_part = grouped_parts([f"person:{number}" for number in range(5000)], seed=1, validation=0.2, test=0.1)
    shares = [(own_part == part).mean() for part in PARTS]
    np.testing.assert_allclose(shares, [0.7, 0.2, 0.1], atol=0.02)


@pytest.mark.parametrize(
    ("validation", "test", "only"), [(0.0, 0.0, "train"), (1.0, 0.0, "validation"), (0.0, 1.0, "test")]
)
def test_a_share_of_all_is_all(validation: float, test: float, only: str) -> None:
    assert set(grouped_parts([str(number) for number in range(200)], 1, validation, test)) == {only}


def test_seed_and_nothing_else_changes_the_parts() -> None:
    names = [f"person:{number}" for number in range(400)]
    first = grouped_parts(names, 1, 0.3, 0.3)
    np.testing.assert_array_equal(grouped_parts(names, 1, 0.3, 0.3), first)
    np.testing.assert_array_equal(grouped_parts(names[::-1], 1, 0.3, 0.3)[::-1], first)
    assert 0.5 < (grouped_parts(names, 2, 0.3, 0.3) != first).mean() < 0.8


def test_parts_are_the_same_in_every_process_and_version() -> None:
    """A split that changed with the code would show old test faces to new networks."""
    # The first 16 digits of SHA-256 of "1:person:ann", "1:image:00" and "1:person:gus", by `sha256sum`, over 2 ** 64.
    hashes = {"person:ann": 0.4643, "image:00": 0.7091, "person:gus": 0.2095}
    assert grouped_parts(list(hashes), 1, validation=0.3, test=0.3).tolist() == ["validation", "train", "test"]
    for name, position in hashes.items():
        assert grouped_parts([name], 1, 0.0, position + 1e-4).tolist() == ["test"]
        assert grouped_parts([name], 1, 0.0, position - 1e-4).tolist() == ["train"]


def official(rows: Sequence[tuple[str, str]], validation: float = 0.3) -> list[str]:
    """The parts of rows of (usage, group)."""
    usages, names = np.array([row[0] for row in rows]), [row[1] for row in rows]
    return official_parts(usages, names, seed=1, validation=validation).tolist()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["Training a", "PublicTest b", "PrivateTest c"], ["train", "validation", "test"]),
        # Whatever the order, test is more precious than validation, and that than train.
        (["Training a", "PublicTest a", "PrivateTest c"], [DROPPED, "validation", "test"]),
        (["Training a", "PublicTest b", "PrivateTest a"], [DROPPED, "validation", "test"]),
        (["Training a", "PublicTest b", "PrivateTest b"], ["train", DROPPED, "test"]),
        (["PrivateTest a", "PublicTest a", "Training a", "PublicTest b"], ["test", DROPPED, DROPPED, "validation"]),
        # A validation row that is dropped itself drops no training row: b stands in no other part then.
        (["Training a", "PublicTest a", "PrivateTest a", "PublicTest b"], [DROPPED, DROPPED, "test", "validation"]),
        (["Training a", "Training a", "PublicTest b", "PrivateTest c"], ["train", "train", "validation", "test"]),
        (["PrivateTest c", "PrivateTest c", "PublicTest b", "Training c"], ["test", "test", "validation", DROPPED]),
    ],
)
def test_official_parts_by_hand(rows: list[str], expected: list[str]) -> None:
    assert official([(row.split()[0], row.split()[1]) for row in rows]) == expected


@pytest.mark.parametrize("absent", ["PublicTest", "PrivateTest"])
def test_with_one_official_test_part_validation_is_drawn_from_training_by_group(absent: str) -> None:
    other = {"PublicTest", "PrivateTest"}.difference([absent]).pop()
    rows = [("Training", f"image:{number // 2}") for number in range(400)]
    rows += [(other, f"image:{number}") for number in range(190, 230)]
    own_part = official(rows)
    assert own_part[400:] == ["test"] * 40
    # Groups 190 to 199 stand in the test part; the others are where the grouped split of the same seed has them.
    assert own_part[380:400] == [DROPPED] * 20
    names = [row[1] for row in rows[:380]]
    assert own_part[:380] == grouped_parts(names, 1, validation=0.3, test=0.0).tolist()
    assert 0.2 < own_part[:380].count("validation") / 380 < 0.4
    assert own_part[:380:2] == own_part[1:380:2]


USAGES = ("Training", "PublicTest", "PrivateTest")
OFFICIAL = st.lists(st.tuples(st.sampled_from(USAGES), st.sampled_from("abcde")), min_size=1, max_size=14)


@settings(deadline=None, max_examples=200)
@given(OFFICIAL)
def test_official_parts_keep_the_most_precious_row_of_every_group(rows: list[tuple[str, str]]) -> None:
    own_part = official(rows)
    both = {"PublicTest", "PrivateTest"} <= {usage for usage, _ in rows}
    for (usage, group), part in zip(rows, own_part, strict=True):
        present = {other for other, name in rows if name == group}
        in_parts = {its for (_, name), its in zip(rows, own_part, strict=True) if name == group} - {DROPPED}
        assert len(in_parts) == 1
        if both:
            best = max(present, key=USAGES.index)
            assert part == (["train", "validation", "test"][USAGES.index(best)] if usage == best else DROPPED)
        elif usage != "Training":
            assert part == "test"
        else:
            assert (part == DROPPED) is (present != {"Training"})


@pytest.mark.parametrize(
    ("rows", "counts"), [(10, [5, 3, 2]), (1000, [500, 300, 200]), (7, [3, 2, 2]), (1, [0, 0, 1]), (0, [0, 0, 0])]
)
def test_random_parts_have_their_shares(rows: int, counts: list[int]) -> None:
    own_part = random_parts(rows, seed=1, validation=0.3, test=0.2)
    assert [int((own_part == part).sum()) for part in PARTS] == counts


def test_random_parts_are_drawn_by_seed_and_in_no_order() -> None:
    first = random_parts(600, 1, 0.3, 0.3)
    np.testing.assert_array_equal(random_parts(600, 1, 0.3, 0.3), first)
    assert 0.5 < (random_parts(600, 2, 0.3, 0.3) != first).mean() < 0.8
    # By lot, each third of the rows holds about a third of each part.
    for third in np.split(first, 3):
        assert all(40 < count < 110 for count in Counter(third.tolist()).values())


def test_share_differences_by_hand() -> None:
    # 4 of 8 are of class 0, 3 of class 1, 1 of class 2, none of class 3.
    targets = np.array([0, 0, 1, 2, 0, 1, 0, 1])
    own_part = np.array(["train"] * 4 + ["validation"] * 2 + ["test"] * 2)
    found = share_differences(targets, own_part, 4)
    assert list(found) == ["train", "validation", "test"]
    np.testing.assert_allclose(found["train"], [2 / 4 - 4 / 8, 1 / 4 - 3 / 8, 1 / 4 - 1 / 8, 0])
    np.testing.assert_allclose(found["validation"], [1 / 2 - 4 / 8, 1 / 2 - 3 / 8, -1 / 8, 0])
    np.testing.assert_allclose(found["test"], found["validation"])
    # Only `train` has rows: its shares are the whole's, and the others are off by all.
    found = share_differences(np.array([0, 1]), np.array(["train", "train"]), 2)
    assert {part: off.tolist() for part, off in found.items()} == {
        "train": [0, 0],
        "validation": [-0.5, -0.5],
        "test": [-0.5, -0.5],
    }


@pytest.mark.parametrize(
    ("share", "rows", "allowed"), [(0.5, 100, 0.2), (0.5, 400, 0.1), (0.1, 36, 0.2), (0, 9, 0), (1, 9, 0), (0.5, 0, 2)]
)
def test_chance_by_hand(share: float, rows: int, allowed: float) -> None:
    # Four times the root of share * (1 - share) / rows.
    np.testing.assert_allclose(by_chance(np.array([share]), rows), [allowed], atol=1e-12)
