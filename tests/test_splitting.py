"""Nothing straddles the parts, parts never move, and the check for leaks can fail."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.splitting import PARTS, groups, image_keys, leaks, parts

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 4, 4), np.uint8)
"""Eight faces, one of them its own mirror image."""
IMAGES[7] = np.minimum(IMAGES[7], IMAGES[7][:, ::-1])

Row = tuple[int, bool, str]
"""Which image, whether mirrored, whose."""

ROW = st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from(["", "", "ann", "bob", "cy", "dee"]))
ROWS = st.lists(ROW, min_size=1, max_size=12)


def images_of(rows: Sequence[Row]) -> np.ndarray:
    return np.stack([IMAGES[number][:, ::-1] if mirrored else IMAGES[number] for number, mirrored, _ in rows])


def persons_of(rows: Sequence[Row]) -> list[str]:
    return [person for _, _, person in rows]


def groups_of(rows: Sequence[Row]) -> list[str]:
    return groups(image_keys(images_of(rows)), persons_of(rows))


def parts_of(rows: Sequence[Row], seed: int) -> np.ndarray:
    return parts(groups_of(rows), seed, validation=0.3, test=0.3)


def leaks_of(rows: Sequence[Row], own_part: np.ndarray) -> dict[str, int]:
    images, persons = images_of(rows), np.array(persons_of(rows))
    return leaks(
        {part: images[own_part == part] for part in PARTS}, {part: persons[own_part == part].tolist() for part in PARTS}
    )


def reached(rows: Sequence[Row], start: int) -> set[int]:
    """By plain search: the rows that a chain of shared images and shared persons joins to one row."""
    found, waiting = {start}, [start]
    while waiting:
        image, _, person = rows[waiting.pop()]
        near = {i for i, other in enumerate(rows) if other[0] == image or (person and other[2] == person)}
        waiting += near - found
        found |= near
    return found


@settings(deadline=None)
@given(ROWS)
def test_groups_are_what_chains_of_copies_and_persons_join(rows: list[Row]) -> None:
    names = groups_of(rows)
    for row, name in enumerate(names):
        assert {other for other, its in enumerate(names) if its == name} == reached(rows, row)


@settings(deadline=None)
@given(ROWS, st.integers(0, 1000))
def test_nothing_straddles(rows: list[Row], seed: int) -> None:
    own_part = parts_of(rows, seed)
    assert len(own_part) == len(rows)
    assert set(own_part) <= set(PARTS)
    assert len(set(zip(groups_of(rows), own_part, strict=True))) == len(set(groups_of(rows)))
    assert leaks_of(rows, own_part) == {"images_in_two_parts": 0, "persons_in_two_parts": 0}


def test_copies_and_mirrored_copies_share_a_key_and_others_do_not() -> None:
    keys = image_keys(IMAGES)
    assert len(set(keys)) == len(IMAGES)
    assert image_keys(IMAGES.copy()) == keys
    assert image_keys(IMAGES[:, :, ::-1]) == keys
    assert set(image_keys(IMAGES[:7, ::-1])).isdisjoint(keys)


@pytest.mark.parametrize(
    ("rows", "joined"),
    [
        ([(0, False, ""), (0, False, "")], True),
        ([(0, False, ""), (0, True, "")], True),
        ([(0, False, ""), (1, False, "")], False),
        ([(0, False, "ann"), (1, False, "ann")], True),
        ([(0, False, "ann"), (1, False, "bob")], False),
        ([(0, False, "ann"), (1, True, "bob"), (2, False, "ann"), (2, True, "bob")], True),
        ([(0, False, "ann"), (3, False, ""), (0, True, "bob"), (3, True, "bob")], True),
    ],
)
def test_first_two_rows_share_a_group_or_not(rows: list[Row], joined: bool) -> None:
    names = groups_of(rows)
    assert (names[0] == names[1]) is joined


@settings(deadline=None)
@given(ROWS, st.lists(st.tuples(st.integers(0, 11), st.booleans(), st.integers(0, 2)), max_size=6), st.integers(0, 50))
def test_rows_appended_move_none(rows: list[Row], more: list[tuple[int, bool, int]], seed: int) -> None:
    """Appended are strangers, nameless copies, and new pictures of people who are there."""
    appended: list[Row] = []
    for number, mirrored, kind in more:
        image, _, person = rows[number % len(rows)]
        appended.append([(6, mirrored, "eve"), (image, mirrored, ""), (7, mirrored, person)][kind])
    # Two people in one new picture would be joined; that is the next test's.
    if len({person for image, _, person in appended if image == 7 and person}) > 1:
        appended = [row for row in appended if row[0] != 7]
    np.testing.assert_array_equal(parts_of([*rows, *appended], seed)[: len(rows)], parts_of(rows, seed))


@settings(deadline=None)
@given(ROWS, st.lists(ROW, max_size=6), st.integers(0, 50))
def test_only_groups_into_which_another_person_comes_may_move(rows: list[Row], more: list[Row], seed: int) -> None:
    before, after, everyone = parts_of(rows, seed), parts_of([*rows, *more], seed), [*rows, *more]
    for row in range(len(rows)):
        people = [{everyone[i][2] for i in reached(those, row)} - {""} for those in (rows, everyone)]
        assert before[row] == after[row] or people[0] != people[1]
    assert not any(leaks_of(everyone, after).values())


def test_shares_are_as_asked_for() -> None:
    own_part = parts([f"person:{number}" for number in range(5000)], seed=1, validation=0.2, test=0.1)
    shares = [(own_part == part).mean() for part in PARTS]
    np.testing.assert_allclose(shares, [0.7, 0.2, 0.1], atol=0.02)


@pytest.mark.parametrize(
    ("validation", "test", "only"), [(0.0, 0.0, "train"), (1.0, 0.0, "validation"), (0.0, 1.0, "test")]
)
def test_a_share_of_all_is_all(validation: float, test: float, only: str) -> None:
    assert set(parts([str(number) for number in range(200)], 1, validation, test)) == {only}


def test_seed_and_nothing_else_changes_the_parts() -> None:
    names = [f"person:{number}" for number in range(400)]
    first = parts(names, 1, 0.3, 0.3)
    np.testing.assert_array_equal(parts(names, 1, 0.3, 0.3), first)
    np.testing.assert_array_equal(parts(names[::-1], 1, 0.3, 0.3)[::-1], first)
    assert 0.5 < (parts(names, 2, 0.3, 0.3) != first).mean() < 0.8


def test_parts_are_the_same_in_every_process_and_version() -> None:
    """A split that changed with the code would show old test faces to new networks."""
    # The first 16 digits of SHA-256 of "1:person:ann", "1:image:00" and "1:person:gus", by `sha256sum`, over 2 ** 64.
    hashes = {"person:ann": 0.4643, "image:00": 0.7091, "person:gus": 0.2095}
    assert parts(list(hashes), 1, validation=0.3, test=0.3).tolist() == ["validation", "train", "test"]
    for name, position in hashes.items():
        assert parts([name], 1, 0.0, position + 1e-4).tolist() == ["test"]
        assert parts([name], 1, 0.0, position - 1e-4).tolist() == ["train"]


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([(0, False, ""), (0, False, "")], "images_in_two_parts"),
        ([(0, False, ""), (0, True, "")], "images_in_two_parts"),
        ([(7, False, ""), (7, False, "")], "images_in_two_parts"),
        ([(0, False, "ann"), (1, False, "ann")], "persons_in_two_parts"),
    ],
)
@pytest.mark.parametrize("where", [("train", "test"), ("validation", "train"), ("test", "validation")])
def test_planted_leak_is_found(rows: list[Row], kind: str, where: tuple[str, str]) -> None:
    found = leaks_of([*rows, (2, False, "bob"), (2, False, "bob")], np.array([*where, "train", "train"]))
    assert {name for name, count in found.items() if count} == {kind}


@pytest.mark.parametrize("copies", [2, 3])
@pytest.mark.parametrize("person", ["", "ann"])
def test_leaking_persons_are_counted_once(copies: int, person: str) -> None:
    rows: list[Row] = [(number, False, person) for number in range(copies)]
    assert leaks_of(rows, np.array(PARTS[:copies]))["persons_in_two_parts"] == (person == "ann")


def test_a_leaking_image_is_counted_once() -> None:
    rows: list[Row] = [(0, False, ""), (0, False, ""), (7, False, ""), (7, False, "")]
    assert leaks_of(rows, np.array(["train", "test"] * 2))["images_in_two_parts"] == 2
