"""The check for leaks finds every planted leak, and nothing else; and it fails a split that is broken."""

import ast
import inspect
from collections.abc import Callable, Sequence
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import faces.preparation.leakage
import tasks.preparation.near_duplicates
from faces.preparation.leakage import ONE_PICTURE, leaks, seen
from faces.preparation.splits import PARTS
from tasks.preparation.leakage_check import check_leaks
from tasks.preparation.near_duplicates import group_faces
from tasks.preparation.splits import split
from tests.pictures import CLOSE, emotion_settings, emotion_table, mirrored, noisy, one_sided_pair, strangers
from tests.pictures import write_table as write
from tests.preparation.test_near_duplicates import apart, correlation

FACES = strangers(36)
NONE = {
    "images_in_two_parts": 0,
    "near_duplicate_pairs_across_parts": 0,
    "persons_in_two_parts": 0,
    "alike_but_hashed_apart": 0,
}

# What is planted, and what is counted: a copy is a near-duplicate too.
PLANTS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str, list[int]]] = {
    "copy": (lambda face: face, "", [1, 1, 0, 0]),
    "mirrored copy": (mirrored, "", [1, 1, 0, 0]),
    "near-duplicate": (noisy, "", [0, 1, 0, 0]),
    "mirrored near-duplicate": (lambda face: mirrored(noisy(face)), "", [0, 1, 0, 0]),
    "brighter": (lambda face: face + np.uint8(40), "", [0, 1, 0, 0]),
    "person": (lambda face: face[::-1], "ann", [0, 0, 1, 0]),
    "person's copy": (lambda face: face, "ann", [1, 1, 1, 0]),
}


def parted(more: dict[str, list[np.ndarray]] | None = None) -> dict[str, np.ndarray]:
    """Twelve strangers a part, and what is planted, in the middle."""
    each = {part: list(FACES[12 * number : 12 * number + 12]) for number, part in enumerate(PARTS)}
    return {part: np.stack([*each[part][:6], *(more or {}).get(part, []), *each[part][6:]]) for part in PARTS}


def counted(
    images: dict[str, np.ndarray], who: dict[str, list[str]] | None = None, close: tuple[int, float] = CLOSE
) -> dict[str, int]:
    persons: dict[str, Sequence[str]] = {
        part: ((who or {}).get(part, []) + [""] * len(images[part]))[: len(images[part])] for part in images
    }
    return leaks(images, persons, *close)


def test_strangers_do_not_leak() -> None:
    assert counted(parted()) == NONE
    assert counted(parted(), {part: [f"{part} {number}" for number in range(12)] for part in PARTS}) == NONE


@pytest.mark.parametrize("where", list(permutations(PARTS, 2)), ids="-".join)
@pytest.mark.parametrize("kind", PLANTS)
def test_a_planted_leak_is_found(kind: str, where: tuple[str, str]) -> None:
    made, person, expected = PLANTS[kind]
    face = strangers(1, seed=9)[0]
    images = parted({where[0]: [face], where[1]: [made(face)]})
    found = counted(images, {part: ["", person] for part in where})
    assert found == dict(zip(NONE, expected, strict=True))


def test_faces_of_which_others_are_copies_are_told_one_by_one() -> None:
    others = np.stack([FACES[20], mirrored(FACES[2]), FACES[5], noisy(FACES[7]), mirrored(noisy(FACES[9])), FACES[5]])
    assert np.flatnonzero(seen(FACES[:12], others, *CLOSE)).tolist() == [2, 5, 7, 9]
    assert np.flatnonzero(seen(others, FACES[:12], *CLOSE)).tolist() == [1, 2, 3, 4, 5]
    assert seen(FACES[:12], FACES[12:24], *CLOSE).tolist() == [False] * 12


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", PLANTS)
def test_copies_inside_one_part_are_no_leak(kind: str, part: str) -> None:
    made, person, _ = PLANTS[kind]
    face = strangers(1, seed=9)[0]
    assert counted(parted({part: [face, made(face), made(face)]}), {part: [person] * 3}) == NONE


def test_what_stands_in_three_parts_is_counted_once_but_for_its_pairs() -> None:
    face = strangers(1, seed=9)[0]
    images = parted({"train": [face, face], "validation": [mirrored(face)], "test": [face]})
    found = counted(images, {part: ["ann", "ann", "bob"] for part in PARTS})
    assert found == {
        "images_in_two_parts": 1,
        # 2 * 1 between train and validation, 2 * 1 between train and test, 1 * 1 between validation and test.
        "near_duplicate_pairs_across_parts": 5,
        "persons_in_two_parts": 2,
        "alike_but_hashed_apart": 0,
    }


def test_a_face_that_is_its_own_mirror_image_makes_one_pair() -> None:
    face = np.minimum(FACES[0], mirrored(FACES[0]))
    found = counted(parted({"train": [face], "test": [face]}))
    assert found == NONE | {"images_in_two_parts": 1, "near_duplicate_pairs_across_parts": 1}


def test_what_correlates_but_is_hashed_apart_is_told_and_no_leak() -> None:
    slope = np.broadcast_to(np.linspace(0, 150, 48), (48, 48))
    for share, what in ((10, "near_duplicate_pairs_across_parts"), (2.5, "alike_but_hashed_apart")):
        one, other = (slope + strangers(2, seed=9) / share).astype(np.uint8)
        assert apart(one, other) > 10
        # Correlated so much, they are one picture whatever their hashes.
        assert (correlation(one, other) > ONE_PICTURE) == (share == 10)
        assert correlation(one, other) > 0.9
        for planted in (other, mirrored(other)):
            assert counted(parted({"train": [one], "test": [planted]})) == NONE | {what: 1}
    # Hashed alike and uncorrelated is nothing.
    grainy = noisy(one, deviation=150)
    assert correlation(one, grainy) < 0.9
    assert counted(parted({"train": [one], "test": [grainy]}), close=(64, 0.9)) == NONE


def test_it_does_not_matter_which_part_the_mirrored_face_is_in() -> None:
    first, second, distance = one_sided_pair()
    close = (distance, 0.9)
    for one, other in ((first, second), (second, first)):
        found = counted(parted({"train": [one], "test": [other]}), close=close)
        assert found["near_duplicate_pairs_across_parts"] == 1


def test_blocks_miss_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    more = strangers(4, seed=9)
    images = parted({"train": list(noisy(more)), "test": list(more), "validation": list(mirrored(more))})
    expected = counted(images)
    assert expected["near_duplicate_pairs_across_parts"] == 12
    for block in (1, 5):
        monkeypatch.setattr(faces.preparation.leakage, "BLOCK", block)
        assert counted(images) == expected


def test_an_empty_part_leaks_nothing() -> None:
    heard: list[float] = []
    images = parted() | {"validation": FACES[:0]}
    found = leaks(images, {part: [""] * len(faces) for part, faces in images.items()}, *CLOSE, tell=heard.append)
    assert found == NONE
    assert heard == pytest.approx([1 / 3, 2 / 3, 1])


COPIES = [lambda face: face, mirrored, noisy, lambda face: mirrored(noisy(face, 1, 8)), lambda face: noisy(face, 2, 20)]
PLACED = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.sampled_from(PARTS)), max_size=9)


@settings(deadline=None, max_examples=40)
@given(PLACED, st.sampled_from([0, 3, 10]), st.sampled_from([0.5, 0.9]))
def test_counts_are_those_of_plain_loops(
    placed: list[tuple[int, int, str]], max_distance: int, min_correlation: float
) -> None:
    faces = [(COPIES[copy](FACES[number]), part) for number, copy, part in placed]
    near, alike, same = 0, 0, set()
    for (one, here), (other, there) in combinations(faces, 2):
        ways = [(correlation(one, view), view) for view in (other, mirrored(other))]
        assume(all(abs(value - edge) > 1e-3 for value, _ in ways for edge in (min_correlation, ONE_PICTURE)))
        if here == there:
            continue
        turned = min(apart(one, mirrored(other)), apart(mirrored(one), other))
        distances = (apart(one, other), turned)
        close = [value >= min_correlation for value, _ in ways]
        alike += any(close)
        same_picture = any(value >= ONE_PICTURE for value, _ in ways)
        hashed = any(c and distance <= max_distance for c, distance in zip(close, distances, strict=True))
        near += same_picture or hashed
        if any((one == view).all() for _, view in ways):
            same.add(min(one.tobytes(), np.fliplr(one).tobytes()))
    images = {
        part: np.array([face for face, its in faces if its == part], np.uint8).reshape(-1, 48, 48) for part in PARTS
    }
    found = counted(images, close=(max_distance, min_correlation))
    assert list(found.values()) == [len(same), near, 0, alike - near]


def test_the_check_shares_no_code_that_groups_or_splits() -> None:
    """The hash is the definition of a near-duplicate; how pairs are correlated, found and grouped is not shared."""
    tree = ast.parse(inspect.getsource(faces.preparation.leakage))
    lines = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported = {f"{line.module}.{name.name}" for line in lines for name in line.names}
    ours = {name for name in imported if name.startswith(("faces", "tasks"))}
    assert ours == {"faces.preparation.near_duplicates.perceptual_hashes"}


def planted_table(kind: str) -> pd.DataFrame:
    """Sixty strangers, and twenty of them again, as one kind of copy or as the same persons."""
    some = strangers(80, seed=2)
    again = {
        "copy": some[:20],
        "mirrored copy": mirrored(some[:20]),
        "near-duplicate": noisy(some[:20]),
        "mirrored near-duplicate": mirrored(noisy(some[:20])),
        "person": some[60:],
    }[kind]
    persons = [f"person {number}" for number in [*range(60), *range(20)]] if kind == "person" else None
    return emotion_table(np.concatenate([some[:60], again]), ["anger", "happiness"] * 40, persons)


def prepare(folder: Path, kind: str) -> Path:
    valid, settings = write(folder, "emotion", planted_table(kind)), emotion_settings()
    grouped = group_faces("emotion", valid, settings, folder / "groups.csv")
    return check_leaks("emotion", split("emotion", valid, grouped, settings, folder), settings.duplicates)


WHAT = {
    "copy": "'images_in_two_parts': [1-9]",
    "mirrored copy": "'images_in_two_parts': [1-9]",
    "near-duplicate": "'near_duplicate_pairs_across_parts': [1-9]",
    "mirrored near-duplicate": "'near_duplicate_pairs_across_parts': [1-9]",
    "person": "'persons_in_two_parts': [1-9]",
}


@pytest.mark.parametrize("kind", WHAT)
def test_a_split_that_groups_nothing_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path, kind)
    monkeypatch.setattr(
        tasks.preparation.near_duplicates,
        "groups",
        lambda keys, persons, pairs: [f"image:{n}" for n in range(len(keys))],
    )
    with pytest.raises(AssertionError, match=f"emotion: the split leaks: .*{WHAT[kind]}"):
        prepare(tmp_path, kind)


@pytest.mark.parametrize("kind", ["near-duplicate", "mirrored near-duplicate"])
def test_a_split_that_overlooks_near_duplicates_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tasks.preparation.near_duplicates.near_pairs
    monkeypatch.setattr(tasks.preparation.near_duplicates, "near_pairs", lambda *args: real(*args)[:0])
    with pytest.raises(AssertionError, match=f"emotion: the split leaks: .*{WHAT[kind]}"):
        prepare(tmp_path, kind)


def test_a_pair_that_is_mirrored_from_one_side_only_passes_grouped(tmp_path: Path) -> None:
    """Whichever of the two comes first, and wherever they fall, the split and the check agree on what is near."""
    first, second, distance = one_sided_pair()
    for number, pair in enumerate(([first, second], [second, first])):
        images = np.concatenate([strangers(60, seed=2), np.stack(pair)])
        folder = tmp_path / str(number)
        valid = write(folder, "emotion", emotion_table(images, ["anger", "happiness"] * 31))
        settings = emotion_settings()
        close = settings.duplicates.model_copy(update={"max_distance": distance})
        settings = settings.model_copy(update={"duplicates": close})
        grouped = group_faces("emotion", valid, settings, folder / "groups.csv")
        names = pd.read_csv(grouped)["group"].tolist()
        assert names[-1] == names[-2]
        check_leaks("emotion", split("emotion", valid, grouped, settings, folder), close)
