"""The leakage check finds every planted leak and nothing else, and it rejects a split that leaks."""

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
from faces.preparation.leakage import SAME_IMAGE, count_leakage, seen
from faces.preparation.splits import SPLITS
from tasks.preparation.leakage_check import check_leakage
from tasks.preparation.near_duplicates import group_faces
from tasks.preparation.splits import split
from tests.pictures import CLOSE, emotion_settings, emotion_table, mirrored, noisy, one_sided_pair, strangers
from tests.pictures import write_table as write
from tests.preparation.test_near_duplicates import correlation, hash_distance

FACES = strangers(36)
NO_LEAKS = {
    "images_in_multiple_splits": 0,
    "cross_split_near_duplicates": 0,
    "subjects_in_multiple_splits": 0,
    "correlated_beyond_hash_distance": 0,
}

# What is planted, and the expected counts: a copy is a near-duplicate too.
PLANTS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str, list[int]]] = {
    "copy": (lambda face: face, "", [1, 1, 0, 0]),
    "mirrored copy": (mirrored, "", [1, 1, 0, 0]),
    "near-duplicate": (noisy, "", [0, 1, 0, 0]),
    "mirrored near-duplicate": (lambda face: mirrored(noisy(face)), "", [0, 1, 0, 0]),
    "brighter": (lambda face: face + np.uint8(40), "", [0, 1, 0, 0]),
    "subject": (lambda face: face[::-1], "ann", [0, 0, 1, 0]),
    "copy of the same subject": (lambda face: face, "ann", [1, 1, 1, 0]),
}


def splits_with(planted: dict[str, list[np.ndarray]] | None = None) -> dict[str, np.ndarray]:
    """Twelve unrelated faces per split, and the planted faces in the middle."""
    each = {split: list(FACES[12 * number : 12 * number + 12]) for number, split in enumerate(SPLITS)}
    return {name: np.stack([*each[name][:6], *(planted or {}).get(name, []), *each[name][6:]]) for name in SPLITS}


def counted(
    images: dict[str, np.ndarray], named: dict[str, list[str]] | None = None, close: tuple[int, float] = CLOSE
) -> dict[str, int]:
    subjects: dict[str, Sequence[str]] = {
        name: ((named or {}).get(name, []) + [""] * len(images[name]))[: len(images[name])] for name in images
    }
    return count_leakage(images, subjects, *close)


def test_unrelated_faces_do_not_leak() -> None:
    assert counted(splits_with()) == NO_LEAKS
    assert (
        counted(splits_with(), {split: [f"{split} {number}" for number in range(12)] for split in SPLITS}) == NO_LEAKS
    )


@pytest.mark.parametrize("where", list(permutations(SPLITS, 2)), ids="-".join)
@pytest.mark.parametrize("kind", PLANTS)
def test_planted_leak_is_found(kind: str, where: tuple[str, str]) -> None:
    copy, subject, expected = PLANTS[kind]
    face = strangers(1, seed=9)[0]
    images = splits_with({where[0]: [face], where[1]: [copy(face)]})
    found = counted(images, {split: ["", subject] for split in where})
    assert found == dict(zip(NO_LEAKS, expected, strict=True))


def test_seen_marks_each_face_that_has_a_copy_among_the_others() -> None:
    others = np.stack([FACES[20], mirrored(FACES[2]), FACES[5], noisy(FACES[7]), mirrored(noisy(FACES[9])), FACES[5]])
    assert np.flatnonzero(seen(FACES[:12], others, *CLOSE)).tolist() == [2, 5, 7, 9]
    assert np.flatnonzero(seen(others, FACES[:12], *CLOSE)).tolist() == [1, 2, 3, 4, 5]
    assert seen(FACES[:12], FACES[12:24], *CLOSE).tolist() == [False] * 12


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("kind", PLANTS)
def test_copies_inside_one_split_are_no_leak(kind: str, split: str) -> None:
    copy, subject, _ = PLANTS[kind]
    face = strangers(1, seed=9)[0]
    assert counted(splits_with({split: [face, copy(face), copy(face)]}), {split: [subject] * 3}) == NO_LEAKS


def test_image_in_three_splits_counts_once_but_all_its_pairs_count() -> None:
    face = strangers(1, seed=9)[0]
    images = splits_with({"train": [face, face], "validation": [mirrored(face)], "test": [face]})
    found = counted(images, {split: ["ann", "ann", "bob"] for split in SPLITS})
    assert found == {
        "images_in_multiple_splits": 1,
        # 2 * 1 between train and validation, 2 * 1 between train and test, 1 * 1 between validation and test.
        "cross_split_near_duplicates": 5,
        "subjects_in_multiple_splits": 2,
        "correlated_beyond_hash_distance": 0,
    }


def test_face_equal_to_its_own_mirror_image_makes_one_pair() -> None:
    face = np.minimum(FACES[0], mirrored(FACES[0]))
    found = counted(splits_with({"train": [face], "test": [face]}))
    assert found == NO_LEAKS | {"images_in_multiple_splits": 1, "cross_split_near_duplicates": 1}


def test_correlated_faces_with_distant_hashes_are_counted_but_are_no_leak() -> None:
    slope = np.broadcast_to(np.linspace(0, 150, 48), (48, 48))
    for divisor, name in ((10, "cross_split_near_duplicates"), (2.5, "correlated_beyond_hash_distance")):
        one, other = (slope + strangers(2, seed=9) / divisor).astype(np.uint8)
        assert hash_distance(one, other) > 10
        # Above this correlation, they are the same image whatever their hashes.
        assert (correlation(one, other) > SAME_IMAGE) == (divisor == 10)
        assert correlation(one, other) > 0.9
        for planted in (other, mirrored(other)):
            assert counted(splits_with({"train": [one], "test": [planted]})) == NO_LEAKS | {name: 1}
    # Similar hashes without correlation do not count.
    grainy = noisy(one, deviation=150)
    assert correlation(one, grainy) < 0.9
    assert counted(splits_with({"train": [one], "test": [grainy]}), close=(64, 0.9)) == NO_LEAKS


def test_mirrored_face_may_be_in_either_split() -> None:
    first, second, distance = one_sided_pair()
    close = (distance, 0.9)
    for one, other in ((first, second), (second, first)):
        found = counted(splits_with({"train": [one], "test": [other]}), close=close)
        assert found["cross_split_near_duplicates"] == 1


def test_block_size_does_not_change_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    some = strangers(4, seed=9)
    images = splits_with({"train": list(noisy(some)), "test": list(some), "validation": list(mirrored(some))})
    expected = counted(images)
    assert expected["cross_split_near_duplicates"] == 12
    for block in (1, 5):
        monkeypatch.setattr(faces.preparation.leakage, "BLOCK", block)
        assert counted(images) == expected


def test_empty_split_leaks_nothing() -> None:
    fractions: list[float] = []
    images = splits_with() | {"validation": FACES[:0]}
    subjects: dict[str, Sequence[str]] = {split: [""] * len(its) for split, its in images.items()}
    assert count_leakage(images, subjects, *CLOSE, on_progress=fractions.append) == NO_LEAKS
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1


COPIES = [lambda face: face, mirrored, noisy, lambda face: mirrored(noisy(face, 1, 8)), lambda face: noisy(face, 2, 20)]
PLACED = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.sampled_from(SPLITS)), max_size=9)


@settings(deadline=None, max_examples=40)
@given(PLACED, st.sampled_from([0, 3, 10]), st.sampled_from([0.5, 0.9]))
def test_counts_equal_those_of_brute_force(
    placed: list[tuple[int, int, str]], max_hamming_distance: int, min_correlation: float
) -> None:
    faces = [(COPIES[copy](FACES[number]), split) for number, copy, split in placed]
    near, correlated, same = 0, 0, set()
    for (one, here), (other, there) in combinations(faces, 2):
        ways = [(correlation(one, view), view) for view in (other, mirrored(other))]
        assume(all(abs(value - edge) > 1e-3 for value, _ in ways for edge in (min_correlation, SAME_IMAGE)))
        if here == there:
            continue
        mirrored_distance = min(hash_distance(one, mirrored(other)), hash_distance(mirrored(one), other))
        distances = (hash_distance(one, other), mirrored_distance)
        close = [value >= min_correlation for value, _ in ways]
        correlated += any(close)
        same_image = any(value >= SAME_IMAGE for value, _ in ways)
        hashed = any(c and distance <= max_hamming_distance for c, distance in zip(close, distances, strict=True))
        near += same_image or hashed
        if any((one == view).all() for _, view in ways):
            same.add(min(one.tobytes(), np.fliplr(one).tobytes()))
    images = {
        name: np.array([face for face, split in faces if split == name], np.uint8).reshape(-1, 48, 48)
        for name in SPLITS
    }
    found = counted(images, close=(max_hamming_distance, min_correlation))
    assert list(found.values()) == [len(same), near, 0, correlated - near]


def test_check_shares_no_code_with_grouping_and_splitting() -> None:
    """The hash is part of the definition of a near-duplicate; the code that correlates and groups is not shared."""
    tree = ast.parse(inspect.getsource(faces.preparation.leakage))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported = {f"{node.module}.{name.name}" for node in imports for name in node.names}
    own = {name for name in imported if name.startswith(("faces", "tasks"))}
    assert own == {"faces.preparation.perceptual_hash.perceptual_hashes"}


def planted_table(kind: str) -> pd.DataFrame:
    """Sixty unrelated faces, and twenty of them again, as one kind of copy or as the same subjects."""
    some = strangers(80, seed=2)
    again = {
        "copy": some[:20],
        "mirrored copy": mirrored(some[:20]),
        "near-duplicate": noisy(some[:20]),
        "mirrored near-duplicate": mirrored(noisy(some[:20])),
        "subject": some[60:],
    }[kind]
    subjects = [f"subject {number}" for number in [*range(60), *range(20)]] if kind == "subject" else None
    return emotion_table(np.concatenate([some[:60], again]), ["anger", "happiness"] * 40, subjects)


def prepare(folder: Path, kind: str) -> Path:
    valid, settings = write(folder, "emotion", planted_table(kind)), emotion_settings()
    grouped = group_faces("emotion", valid, settings, folder / "groups.csv")
    return check_leakage("emotion", split("emotion", valid, grouped, settings, folder), settings.duplicates)


EXPECTED = {
    "copy": "'images_in_multiple_splits': [1-9]",
    "mirrored copy": "'images_in_multiple_splits': [1-9]",
    "near-duplicate": "'cross_split_near_duplicates': [1-9]",
    "mirrored near-duplicate": "'cross_split_near_duplicates': [1-9]",
    "subject": "'subjects_in_multiple_splits': [1-9]",
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_split_without_groups_is_rejected(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path, kind)
    monkeypatch.setattr(
        tasks.preparation.near_duplicates,
        "groups",
        lambda keys, subjects, pairs: [f"image:{n}" for n in range(len(keys))],
    )
    with pytest.raises(AssertionError, match=f"emotion: the split leaks: .*{EXPECTED[kind]}"):
        prepare(tmp_path, kind)


@pytest.mark.parametrize("kind", ["near-duplicate", "mirrored near-duplicate"])
def test_split_that_misses_near_duplicates_is_rejected(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tasks.preparation.near_duplicates.find_near_duplicates
    monkeypatch.setattr(tasks.preparation.near_duplicates, "find_near_duplicates", lambda *args: real(*args)[:0])
    with pytest.raises(AssertionError, match=f"emotion: the split leaks: .*{EXPECTED[kind]}"):
        prepare(tmp_path, kind)


def test_pair_that_is_near_when_only_one_face_is_mirrored_passes_once_grouped(tmp_path: Path) -> None:
    """The split and the check agree on near-duplicates, whichever face comes first."""
    first, second, distance = one_sided_pair()
    for number, pair in enumerate(([first, second], [second, first])):
        images = np.concatenate([strangers(60, seed=2), np.stack(pair)])
        folder = tmp_path / str(number)
        valid = write(folder, "emotion", emotion_table(images, ["anger", "happiness"] * 31))
        settings = emotion_settings()
        close = settings.duplicates.model_copy(update={"max_hamming_distance": distance})
        settings = settings.model_copy(update={"duplicates": close})
        grouped = group_faces("emotion", valid, settings, folder / "groups.csv")
        names = pd.read_csv(grouped)["group"].tolist()
        assert names[-1] == names[-2]
        check_leakage("emotion", split("emotion", valid, grouped, settings, folder), close)
