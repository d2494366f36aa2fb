"""Preparing end to end on small tables: nothing straddles, rows add up, training rows alone set what is learnt."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import params
from faces.common.geometry import mirror_points
from faces.preparation.splits import DROPPED, PARTS, grouped_parts
from faces.release.quality_gate import emotion_rules, ends_of
from flows.prepare import prepare
from tasks.common.dataset import Part, load_part
from tasks.common.files import InputError
from tasks.preparation.leakage_check import check_leaks
from tasks.preparation.near_duplicates import draw_duplicates, group_faces
from tasks.preparation.normalization import normalise
from tasks.preparation.splits import split, split_after_augmenting
from tests.pictures import (
    emotion_settings,
    emotion_table,
    keypoint_settings,
    keypoint_table,
    mirrored,
    noisy,
    strangers,
    write_table,
)
from tests.preparation.test_near_duplicates import brute_force

Prepared = params.PrepareEmotion | params.PrepareKeypoints

PNG = b"\x89PNG\r\n\x1a\n"
FACES = strangers(90)
TWO = ["anger", "happiness"]


def group(folder: Path, table: pd.DataFrame, settings: Prepared, head: str = "emotion") -> pd.DataFrame:
    """What became of each row of a table when it was grouped."""
    group_faces(head, write_table(folder, head, table), settings, folder / "groups.csv")
    return pd.read_csv(folder / "groups.csv", keep_default_na=False)


def part(folder: Path, table: pd.DataFrame, settings: Prepared, head: str = "emotion") -> dict[str, Part]:
    """The parts of a table that was grouped and split."""
    group(folder, table, settings, head)
    splits = split_after_augmenting if settings.split.protocol == "random" else split
    splits(head, folder / "data" / "valid" / f"{head}.parquet", folder / "groups.csv", settings, folder)
    return {name: load_part(folder / f"{name}.npz") for name in PARTS}


def run_flow(folder: Path, head: params.Head, table: pd.DataFrame, settings: Prepared) -> Path:
    """The whole stage, in a folder of its own."""
    write_table(folder, head, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(params, "load", lambda: SimpleNamespace(prepare=SimpleNamespace(**{head: settings})))
        prepare(head)
    return folder


def report_of(folder: Path, head: str = "emotion") -> dict:
    return json.loads((folder / "reports" / "prepare" / f"{head}.json").read_text())


def fate_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "parts.csv", keep_default_na=False)


def copied(faces: np.ndarray = FACES) -> pd.DataFrame:
    """Two classes and a third one, exact copies, mirrored copies, near-duplicates and persons, in 100 rows."""
    again = [faces[:3], mirrored(faces[3:5]), noisy(faces[5:8]), mirrored(noisy(faces[8:10]))]
    images = np.concatenate([faces[:90], *again])
    emotions = [*TWO * 40, *["fear"] * 10, *TWO * 5]
    persons = [f"person {number // 3}" if number % 2 else "" for number in range(100)]
    usages = ["Training"] * 60 + ["PublicTest"] * 15 + ["PrivateTest"] * 15 + ["PublicTest", "Training"] * 5
    return emotion_table(images, emotions, persons, usages)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# A property: whatever stands in the table.

EXTRA = st.tuples(
    st.integers(0, 89),
    st.sampled_from(["plain", "mirrored", "noisy", "noisy, mirrored", "new"]),
    st.sampled_from(["", "", "ann", "bob", "cy"]),
    st.sampled_from([*TWO, "fear"]),
    st.sampled_from(["Training", "PublicTest", "PrivateTest"]),
)


def drawn_table(extras: Sequence[tuple[int, str, str, str, str]], people: dict[int, str]) -> pd.DataFrame:
    """Sixty strangers, some of them of known persons, and other rows in front, between and behind."""
    made: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
        "plain": lambda face, seed: face,
        "mirrored": lambda face, seed: mirrored(face),
        "noisy": noisy,
        "noisy, mirrored": lambda face, seed: mirrored(noisy(face, seed)),
        "new": lambda face, seed: strangers(1, seed=100 + seed)[0],
    }
    rows = [
        (FACES[number], people.get(number, ""), TWO[number % 2], ["Training", "PublicTest", "PrivateTest"][number % 3])
        for number in range(60)
    ]
    for each, (number, kind, person, emotion, usage) in enumerate(extras):
        rows.insert((7 * number) % (len(rows) + 1), (made[kind](FACES[number], each), person, emotion, usage))
    images, persons, emotions, usages = zip(*rows, strict=True)
    return emotion_table(np.stack(images), emotions, persons, usages)


def chains(table: pd.DataFrame) -> list[set[int]]:
    """The rows of each group, by plain search over brute-force pairs."""
    images = np.stack([np.frombuffer(pixels, np.uint8).reshape(48, 48) for pixels in table["pixels"]])
    person = table["person"].tolist()
    known = [(i, j) for i in range(len(table)) for j in range(i) if person[i] and person[i] == person[j]]
    group = list(range(len(table)))
    edges = [*brute_force(images, 10, 0.9), *known]
    while any(group[i] != group[j] for i, j in edges):
        for i, j in edges:
            group[i] = group[j] = min(group[i], group[j])
    return [set(table["row"][np.array(group) == number].tolist()) for number in set(group)]


@pytest.mark.parametrize("protocol", ["grouped", "official"])
@settings(deadline=None, max_examples=12)
@given(st.lists(EXTRA, max_size=14), st.dictionaries(st.integers(0, 59), st.sampled_from(["ann", "bob"]), max_size=5))
def test_no_group_straddles_and_every_row_is_accounted_for(
    protocol: str, extras: list[tuple[int, str, str, str, str]], people: dict[int, str]
) -> None:
    table = drawn_table(extras, people)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            parts = part(folder, table, emotion_settings(protocol, conflicts="majority"))
        except InputError as error:
            assume("no face of the class" not in str(error) and "no row falls" not in str(error))
            raise
        fate, grouped = fate_of(folder), pd.read_csv(folder / "groups.csv", keep_default_na=False)
        check_leaks("emotion", folder, emotion_settings().duplicates)
    # Each valid row once, in one part or dropped with a reason.
    assert fate["row"].tolist() == table["row"].tolist()
    where = {row: part for part, faces in parts.items() for row in faces.rows.tolist()}
    assert len(where) == sum(map(len, parts.values()))
    assert [where.get(row, DROPPED) for row in fate["row"]] == fate["part"].tolist()
    assert ((fate["part"] == DROPPED) == (fate["dropped"] != "")).all()
    assert (fate["dropped"] == "class not trained on").tolist() == (table["emotion"] == "fear").tolist()
    if protocol == "official":
        own = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
        usage = dict(zip(table["row"], table["usage"], strict=True))
        assert all(own[usage[row]] == name for row, name in where.items())
    # The groups are those of the definition, among the rows that are trained on.
    trained = table[table["emotion"] != "fear"].reset_index(drop=True)
    expected = chains(trained)
    found = grouped[grouped["group"] != ""].groupby("group")["row"].agg(set).tolist()
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
    for chain in expected:
        assert len({where[row] for row in chain if row in where}) <= 1
    # What is written is what stood in the table.
    by_row = table.set_index("row")
    for faces in parts.values():
        for image, row, person in zip(faces.images, faces.rows.tolist(), faces.persons.tolist(), strict=True):
            assert image.tobytes() == by_row["pixels"][row]
            assert person == by_row["person"][row]


# Grouping.


def test_groups_worked_by_hand(tmp_path: Path) -> None:
    images = np.stack([FACES[0], FACES[1], mirrored(FACES[0]), noisy(FACES[1]), FACES[2], FACES[3], FACES[4]])
    table = emotion_table(images, TWO * 3 + ["fear"], ["", "ann", "bob", "", "bob", "", "ann"])
    found = group(tmp_path, table, emotion_settings())
    assert found["row"].tolist() == [3, 5, 7, 9, 11, 13, 15]
    # Clusters are of pictures, named by row; groups are of persons too.
    assert found["cluster"].tolist() == [3, 5, 3, 5, 11, 13, 15]
    first = found["group"][0]
    assert first.startswith("image:")
    assert found["group"].tolist() == [first, "person:ann", first, "person:ann", first, found["group"][5], ""]
    assert found["group"][5].startswith("image:")
    assert found["label"].tolist() == table["emotion"].tolist()
    assert found["dropped"].tolist() == [""] * 6 + ["class not trained on"]
    pairs = pd.read_csv(tmp_path / "pairs.csv")
    assert pairs[["first", "second", "mirrored"]].to_numpy().tolist() == [[3, 7, True], [5, 9, False]]
    assert pairs["correlation"][0] == pytest.approx(1)
    assert json.loads((tmp_path / "duplicates.json").read_text()) == {
        "faces": 6,
        "exact_copies": 0,
        "mirrored_copies": 1,
        "near_duplicate_pairs": 2,
        "clusters": 2,
        "faces_in_clusters": 4,
        "largest_cluster": 2,
        "conflicts": "keep",
        "conflicting_clusters": 0,
        "conflicting_faces": 0,
        "relabelled_faces": 0,
    }


def test_copies_are_counted_beyond_the_first(tmp_path: Path) -> None:
    images = np.stack([FACES[0]] * 3 + [mirrored(FACES[0])] * 2 + [FACES[1], mirrored(FACES[1]), FACES[2]])
    group(tmp_path, emotion_table(images, ["anger"] * 8), emotion_settings())
    counts = json.loads((tmp_path / "duplicates.json").read_text())
    # Of five equal but for mirroring, 2 + 1 stand there again; of the next two one does, mirrored.
    expected = {"faces": 8, "exact_copies": 3, "mirrored_copies": 2, "near_duplicate_pairs": 11, "clusters": 2}
    assert counts.items() >= (expected | {"faces_in_clusters": 7, "largest_cluster": 5}).items()


def test_exact_copies_are_one_cluster_where_correlation_says_nothing(tmp_path: Path) -> None:
    """A constant face correlates with nothing, its copy included."""
    images = np.stack([np.full((48, 48), 9, np.uint8), FACES[0], np.full((48, 48), 9, np.uint8)])
    found = group(tmp_path, emotion_table(images, ["anger"] * 3), emotion_settings())
    assert found["cluster"].tolist() == [3, 5, 3]
    assert pd.read_csv(tmp_path / "pairs.csv").empty
    counts = json.loads((tmp_path / "duplicates.json").read_text())
    assert counts.items() >= {"exact_copies": 1, "near_duplicate_pairs": 0, "clusters": 1}.items()


@pytest.mark.parametrize("head", ["keypoints", "emotion"])
def test_a_chain_of_strangers_is_refused(tmp_path: Path, head: str) -> None:
    side = 96 if head == "keypoints" else 48
    some = strangers(30, side=side)
    for copies, refused in ((10, False), (11, True)):
        images = np.concatenate([some[1:], [noisy(some[0], seed) for seed in range(copies)]])
        made = keypoint_settings if head == "keypoints" else emotion_settings
        table = keypoint_table(images) if head == "keypoints" else emotion_table(images, (TWO * 30)[: len(images)])
        if not refused:
            assert set(Counter(group(tmp_path, table, made(max_cluster=0.2), head)["cluster"]).values()) == {1, 10}
            continue
        with pytest.raises(InputError) as caught:
            group(tmp_path, table, made(max_cluster=0.2), head)
        rows = ", ".join(map(str, table["row"][29:34]))
        for what in (f"{head}.parquet", "11 of 40 faces", f"rows {rows}", f"prepare.{head}.duplicates.max_cluster"):
            assert what in str(caught.value)
        assert "(20.0%)" in str(caught.value)
        assert "lower max_distance, raise min_correlation, or remove the copies" in str(caught.value)
        group(tmp_path, table, made(max_cluster=0.3), head)


def test_rows_of_classes_that_are_not_trained_on_join_nobody(tmp_path: Path) -> None:
    """One face of fear is the first one's near-duplicate and of the second one's person; another is their copy."""
    images = np.stack([FACES[0], FACES[1], noisy(FACES[0]), FACES[2], mirrored(FACES[2]), *FACES[10:40]])
    persons = ["", "ann", "ann", "", "", *[""] * 30]
    table = emotion_table(images, ["anger", "anger", "fear", "happiness", "fear", *TWO * 15], persons)
    trained = table[table["emotion"] != "fear"].reset_index(drop=True)
    both = group(tmp_path, table, emotion_settings())
    alone = group(tmp_path, trained, emotion_settings())
    pd.testing.assert_frame_equal(both[both["dropped"] == ""].reset_index(drop=True), alone)
    assert (both["dropped"] == "class not trained on").sum() == 2
    assert both["group"][0] != both["group"][1]
    joined = group(tmp_path, table, emotion_settings(classes=("anger", "fear", "happiness")))
    assert joined["group"][0] == joined["group"][1] == joined["group"][2]
    assert joined["group"][3] == joined["group"][4]
    with_fear, without = (part(tmp_path, each, emotion_settings()) for each in (table, trained))
    for name in PARTS:
        np.testing.assert_array_equal(with_fear[name].rows, without[name].rows)
        np.testing.assert_array_equal(with_fear[name].targets, without[name].targets)


def test_targets_follow_the_order_of_the_classes(tmp_path: Path) -> None:
    table = emotion_table(FACES[:60], ["happiness", "fear", "anger"] * 20)
    for classes in (("anger", "happiness"), ("happiness", "fear", "anger")):
        emotions = table.set_index("row")["emotion"]
        for faces in part(tmp_path, table, emotion_settings(classes=classes)).values():
            assert faces.classes.tolist() == list(classes)
            assert [classes[target] for target in faces.targets] == emotions[faces.rows].tolist()


@pytest.mark.parametrize("protocol", ["grouped", "official", "random"])
def test_faces_of_classes_that_are_not_answered_with_teach_and_are_not_judged(tmp_path: Path, protocol: str) -> None:
    usages = [*["Training"] * 60, *["PublicTest"] * 30]
    labels = ["happiness", "fear", "anger"] * 30
    settings = emotion_settings(protocol, classes=("anger", "fear", "happiness"), answers=("happiness", "anger"))
    parts = part(tmp_path, emotion_table(FACES, labels, None, usages), settings)
    for name, faces in parts.items():
        assert faces.classes.tolist() == (["happiness", "anger"] if name == "test" else ["anger", "fear", "happiness"])
        assert set(faces.classes[faces.targets]) == set(faces.classes)
        asked = faces.answered()
        assert asked.classes.tolist() == ["happiness", "anger"]
        assert [asked.classes[k] for k in asked.targets] == [
            faces.classes[k] for k in faces.targets if faces.classes[k] != "fear"
        ]
    fate = fate_of(tmp_path)
    left_out = fate[fate["dropped"] == "class that is not answered with"]
    assert len(left_out) > 0
    assert set(left_out["part"]) == {DROPPED}
    kept = set(parts["test"].rows.tolist()) | set(parts["train"].rows.tolist()) | set(parts["validation"].rows.tolist())
    if protocol != "random":
        assert not kept & set(left_out["row"])


CONFLICTS = {
    "keep": (["anger", "happiness", "anger", "anger", "happiness"], [False] * 5),
    "drop": (["anger", "happiness", "anger", "anger", "happiness"], [True] * 5),
    "majority": (["anger", "anger", "anger", "anger", "happiness"], [False] * 3 + [True] * 2),
}


@pytest.mark.parametrize("how", CONFLICTS)
def test_copies_that_bear_different_labels(tmp_path: Path, how: str) -> None:
    """Three alike, two of them of anger; then two alike, one each. Those of one person are not in conflict."""
    images = np.stack([FACES[0], mirrored(FACES[0]), noisy(FACES[0]), FACES[1], FACES[1], *FACES[2:70]])
    persons = [""] * 5 + ["ann", "ann"] + [""] * 66
    table = emotion_table(images, ["anger", "happiness", "anger", "anger", "happiness", *TWO * 34], persons)
    labels, dropped = CONFLICTS[how]
    settings = emotion_settings(conflicts=how)
    parts, found = part(tmp_path, table, settings), pd.read_csv(tmp_path / "groups.csv", keep_default_na=False)
    assert found["label"].tolist() == labels + TWO * 34
    assert found["dropped"].tolist() == ["copies bear different labels" * drop for drop in dropped] + [""] * 68
    counts = json.loads((tmp_path / "duplicates.json").read_text())
    expected = {"conflicts": how, "conflicting_clusters": 2, "conflicting_faces": 5}
    assert counts.items() >= (expected | {"relabelled_faces": int(how == "majority")}).items()
    written = {
        row: TWO[target]
        for faces in parts.values()
        for row, target in zip(faces.rows.tolist(), faces.targets, strict=True)
    }
    kept = found[found["dropped"] == ""]
    assert written == dict(zip(kept["row"].tolist(), kept["label"].tolist(), strict=True))


def test_any_person_s_name_comes_back_from_the_file(tmp_path: Path) -> None:
    people = ["NA", "nan", 'a,"b"', "x\ny", "x\ry", " blank ", "é", "1", "1.0", ""]
    table = emotion_table(FACES[:80], [TWO[number // 10 % 2] for number in range(80)], people * 8)
    found = group(tmp_path, table, emotion_settings())
    for person, name in zip(table["person"], found["group"], strict=True):
        assert name.startswith("image:") if not person else name == f"person:{person}"
    parts = part(tmp_path, table, emotion_settings())
    together = [parts[name].persons for name in PARTS]
    assert set(np.concatenate(together).tolist()) == set(people)
    expected = grouped_parts(found["group"].tolist(), 1, 0.3, 0.3)
    for name in PARTS:
        assert parts[name].rows.tolist() == table["row"][expected == name].tolist()


def test_near_duplicates_are_drawn_and_their_absence_is_said(tmp_path: Path) -> None:
    sizes = []
    for images in (FACES[:9], np.concatenate([FACES[:6], noisy(FACES[:2]), mirrored(FACES[2:3])])):
        table = emotion_table(images, (TWO * 5)[:9])
        group(tmp_path, table, emotion_settings())
        valid = tmp_path / "data" / "valid" / "emotion.parquet"
        draw_duplicates("emotion", valid, tmp_path / "pairs.csv", tmp_path / "pairs.png")
        assert (tmp_path / "pairs.png").read_bytes().startswith(PNG)
        sizes.append((tmp_path / "pairs.png").stat().st_size)
    assert sizes[1] > sizes[0]


# Splitting.


def test_the_grouped_split_goes_by_the_group_s_name(tmp_path: Path) -> None:
    for shares, seed in (((0.3, 0.3), 1), ((0.15, 0.2), 7)):
        parts = part(tmp_path, copied(), emotion_settings(seed=seed, shares=shares))
        kept = fate_of(tmp_path)[lambda fate: fate["dropped"] == ""]
        expected = grouped_parts(kept["group"].tolist(), seed, validation=shares[0], test=shares[1])
        assert kept["part"].tolist() == expected.tolist()
        for name, faces in parts.items():
            assert faces.rows.tolist() == kept["row"][kept["part"] == name].tolist()
            assert set(faces.kinds.tolist()) == {"original"}
            assert str(faces.protocol) == "grouped"
            assert not faces.leaks
            assert faces.caution == ""


def test_the_official_split_goes_by_usage_and_drops_what_straddles(tmp_path: Path) -> None:
    usages = ["Training", "Training", "PublicTest", "PrivateTest", "Training"] * 12
    images = np.concatenate([FACES[:60], FACES[:1], mirrored(FACES[1:2]), noisy(FACES[2:3]), FACES[3:4]])
    table = emotion_table(images, TWO * 32, None, [*usages, "PublicTest", "PrivateTest", "PrivateTest", "PrivateTest"])
    parts = part(tmp_path, table, emotion_settings("official"))
    fate = fate_of(tmp_path)
    # Of the first four rows there are copies: a training row's in PublicTest and in PrivateTest, and a PublicTest
    # row's in PrivateTest; the fourth row's stands where it stands.
    own = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
    assert fate["part"].tolist() == [*[DROPPED] * 3, *[own[usage] for usage in table["usage"][3:]]]
    assert fate["dropped"].tolist() == ["its group stands in a part more precious"] * 3 + [""] * 61
    assert [len(parts[name]) for name in PARTS] == [34, 12, 15]
    assert {str(faces.protocol) for faces in parts.values()} == {"official"}
    check_leaks("emotion", tmp_path, emotion_settings().duplicates)


@pytest.mark.parametrize("how", ["majority", "drop"])
def test_conflicts_change_no_official_test_label(tmp_path: Path, how: str) -> None:
    """A test face has two copies of one other label in training, and a training face has a copy of another label."""
    images = np.concatenate([FACES[:60], FACES[:1], FACES[:1], FACES[1:2]])
    usages = ["PrivateTest", "Training", "Training", "PublicTest", "Training"] * 12 + ["Training"] * 3
    table = emotion_table(images, [*TWO * 30, TWO[1], TWO[1], TWO[0]], None, usages)
    part(tmp_path, table, emotion_settings("official", conflicts=how))
    fate = fate_of(tmp_path)
    assert (fate["label"][0], fate["part"][0], fate["dropped"][0]) == (TWO[0], "test", "")
    assert fate["dropped"][[60, 61]].tolist() == ["its group stands in a part more precious"] * 2
    # Two training faces of two minds have no majority either.
    assert fate["dropped"][[1, 62]].tolist() == ["copies bear different labels"] * 2


@pytest.mark.parametrize("absent", ["PublicTest", "PrivateTest"])
def test_with_one_official_test_part_training_gives_the_validation_part(tmp_path: Path, absent: str) -> None:
    other = {"PublicTest", "PrivateTest"}.difference([absent]).pop()
    table = emotion_table(FACES[:80], TWO * 40, None, ["Training"] * 60 + [other] * 20)
    parts = part(tmp_path, table, emotion_settings("official"))
    assert parts["test"].rows.tolist() == table["row"][60:].tolist()
    assert 8 <= len(parts["validation"]) <= 28
    assert len(parts["train"]) + len(parts["validation"]) == 60


@pytest.mark.parametrize(
    ("usages", "message"),
    [
        (None, "the official split needs the column Usage; give a table with it, or choose prepare.emotion.split"),
        (["Training"] * 40, "needs Training rows and PublicTest or PrivateTest rows; choose prepare.emotion.split"),
        (["PrivateTest"] * 40, "needs Training rows and PublicTest or PrivateTest rows"),
    ],
)
def test_the_official_split_says_what_it_needs(tmp_path: Path, usages: list[str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        part(tmp_path, emotion_table(FACES[:40], TWO * 20, None, usages), emotion_settings("official"))
    assert "emotion.parquet" in str(caught.value)
    assert "protocol: grouped" in str(caught.value)


def person_in(wanted: str, seed: int = 1) -> str:
    """A name that the hash puts into a part."""
    names = [f"person:{number}" for number in range(100)]
    return names[grouped_parts(names, seed, 0.3, 0.3).tolist().index(wanted)].removeprefix("person:")


@pytest.mark.parametrize("protocol", ["grouped", "official"])
@pytest.mark.parametrize("lacking", PARTS)
def test_a_class_that_a_part_lacks_is_named(tmp_path: Path, protocol: str, lacking: str) -> None:
    """Two faces of surprise in each of the other parts, by person or by usage."""
    usage = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    others = [name for name in PARTS for _ in range(2) if name != lacking]
    table = emotion_table(
        FACES[:58],
        [*TWO * 27, *["surprise"] * 4],
        [*[""] * 54, *map(person_in, others)],
        [*[*usage.values()] * 18, *(usage[name] for name in others)],
    )
    part(tmp_path, table, emotion_settings(protocol))
    message = f"emotion.parquet: no face of the class surprise falls into the {lacking} part; .*prepare.emotion.classes"
    with pytest.raises(InputError, match=message):
        part(tmp_path / "three", table, emotion_settings(protocol, (*TWO, "surprise")))
    assert not list((tmp_path / "three").glob("*.npz"))


def test_a_class_without_faces_is_named_by_lot_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no face of the class fear falls into the train part"):
        part(tmp_path, emotion_table(FACES, TWO * 45), emotion_settings("random", (*TWO, "fear")))


def test_a_part_without_rows_is_named(tmp_path: Path) -> None:
    everyone = emotion_table(FACES[:30], TWO * 15, [person_in("train")] * 30)
    with pytest.raises(InputError, match=r"into the validation part; give more rows, or change prepare.emotion.split"):
        part(tmp_path, everyone, emotion_settings())
    with pytest.raises(InputError, match="no row falls into the train part"):
        part(tmp_path, emotion_table(FACES[:30], ["fear"] * 30), emotion_settings())


def test_class_shares_too_far_off_the_whole_s_are_refused(tmp_path: Path) -> None:
    """One person of 140 angry pictures in the test part."""
    some = strangers(320, seed=3)
    table = emotion_table(some, [*TWO * 90, *["anger"] * 140], [*[""] * 180, *[person_in("test")] * 140])
    parts = part(tmp_path / "let pass", table, emotion_settings(max_share_difference=0.5))
    # 90 + 140 of 320 are angry; the training part, of half, is furthest off.
    off = (parts["train"].targets == 0).mean() - 230 / 320
    assert off < -0.2
    with pytest.raises(InputError) as caught:
        part(tmp_path / "refused", table, emotion_settings(max_share_difference=0.02))
    message = str(caught.value)
    assert f"the share of anger in the train part is {off:.1%} off the whole's" in message
    assert "choose another prepare.emotion.split.seed, or raise max_share_difference" in message
    assert not list((tmp_path / "refused").glob("*.npz"))
    part(tmp_path / "just", table, emotion_settings(max_share_difference=1e-6 - off))
    # What chance alone explains is let pass, however strict the setting; and only a grouped split is judged.
    part(tmp_path / "chance", emotion_table(some, TWO * 160), emotion_settings(max_share_difference=0.0))
    usages = [*["Training"] * 90, *["PublicTest"] * 90, *["PrivateTest"] * 140]
    official = emotion_table(some, [*TWO * 90, *["anger"] * 139, "happiness"], None, usages)
    part(tmp_path / "official", official, emotion_settings("official", max_share_difference=0.0))


@pytest.mark.parametrize("shift", [(0.0, 0.0), (-1.5, 0.25)])
def test_key_points_are_split_too(tmp_path: Path, shift: tuple[float, float]) -> None:
    faces = strangers(40, side=96)
    table = keypoint_table(np.concatenate([faces, mirrored(faces[:3])]))
    parts = part(tmp_path, table, keypoint_settings(label_shift=shift), "keypoints")
    points = table.drop(columns=["row", "pixels"]).to_numpy().reshape(-1, 15, 2) + np.array(shift, np.float32)
    for faces_of_part in parts.values():
        np.testing.assert_array_equal(faces_of_part.targets, points[faces_of_part.rows - 1])
        assert faces_of_part.targets.dtype == np.float32
        assert not faces_of_part.is_emotion
    where = {row: name for name, faces in parts.items() for row in faces.rows.tolist()}
    assert sorted(where) == list(range(1, 44))
    assert all(where[row] == where[row + 40] for row in (1, 2, 3))


# The whole stage.


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders in which the stage has run, by protocol; `keypoints` is the other head's."""
    base = tmp_path_factory.mktemp("stages")
    protocols = ("grouped", "official", "random")
    done = {name: run_flow(base / name, "emotion", copied(), emotion_settings(name)) for name in protocols}
    faces = strangers(40, side=96)
    table = keypoint_table(np.concatenate([faces, noisy(faces[:3])]), [f"{n // 2}" for n in range(43)])
    return done | {"keypoints": run_flow(base / "keypoints", "keypoints", table, keypoint_settings())}


def head_of(stage: str) -> str:
    return "keypoints" if stage == "keypoints" else "emotion"


@pytest.mark.parametrize("stage", ["grouped", "official", "random", "keypoints"])
def test_the_report_adds_up(stages: dict[str, Path], stage: str) -> None:
    folder, head = stages[stage], head_of(stage)
    report, prepared = report_of(folder, head), folder / "data" / "prepared" / head
    parts = {name: load_part(prepared / f"{name}.npz") for name in (*PARTS, "augmented")}
    table = pd.read_parquet(folder / "data" / "valid" / f"{head}.parquet")
    assert report["rows"] == {name: len(faces) for name, faces in parts.items()}
    kept, dropped = sum(report["rows"][name] for name in PARTS), sum(report["dropped"].values())
    # By lot, faces are copied twice before they are parted.
    assert kept / (3 if stage == "random" else 1) + dropped == len(table)
    assert report["dropped"].get("class not trained on", 0) == (10 if head == "emotion" else 0)
    assert report["rows"]["augmented"] == (0 if stage == "random" else 2 * report["rows"]["train"])
    assert report["protocol"] == ("grouped" if stage == "keypoints" else stage)
    assert report["leaking"] is (stage == "random")
    assert report["duplicates"]["faces"] == len(table) - report["dropped"].get("class not trained on", 0)
    for name in ("duplicates", "leaks", "normalisation"):
        assert report[name] == json.loads((prepared / f"{name}.json").read_text())
    for name in PARTS:
        faces = parts[name]
        assert report["persons"][name] == len(set(faces.persons.tolist()) - {""})
        if head == "emotion":
            assert list(report["class_shares"][name]) == TWO
            expected = [(faces.targets == number).mean() for number in (0, 1)]
            assert list(report["class_shares"][name].values()) == pytest.approx(expected, abs=1e-4)
            assert report["labelled_shares"] == {}
        else:
            assert report["labelled_shares"][name] == pytest.approx(np.isfinite(faces.targets).mean())
            assert report["class_shares"] == {}
    for name in (f"{head}.png", f"{head}-duplicates.png"):
        assert (folder / "reports" / "prepare" / name).read_bytes().startswith(PNG)


@pytest.mark.parametrize("stage", ["grouped", "official", "random", "keypoints"])
def test_faces_bear_the_number_of_their_group(stages: dict[str, Path], stage: str) -> None:
    """That of its first row; copies bear their source's."""
    prepared = stages[stage] / "data" / "prepared" / head_of(stage)
    fate = pd.read_csv(prepared / "groups.csv", keep_default_na=False)
    group, first = fate.set_index("row")["group"], fate.groupby("group")["row"].min()
    shared = 0
    for name in (*PARTS, "augmented"):
        faces = load_part(prepared / f"{name}.npz")
        assert faces.groups.dtype == np.int64
        assert faces.groups.tolist() == first[group[faces.rows]].tolist()
        shared += len(faces) - len(set(faces.groups.tolist()))
    assert shared > 10


@pytest.mark.parametrize("stage", ["grouped", "official", "keypoints"])
def test_only_training_rows_are_copied(stages: dict[str, Path], stage: str) -> None:
    head = head_of(stage)
    prepared = stages[stage] / "data" / "prepared" / head
    train, copies = (load_part(prepared / f"{name}.npz") for name in ("train", "augmented"))
    turned, bright = copies[copies.kinds == "mirrored"], copies[copies.kinds == "brightened"]
    assert len(copies) == len(turned) + len(bright)
    for each in (turned, bright):
        np.testing.assert_array_equal(each.rows, train.rows)
        np.testing.assert_array_equal(each.persons, train.persons)
        np.testing.assert_array_equal(each.groups, train.groups)
    np.testing.assert_array_equal(turned.images, mirrored(train.images))
    np.testing.assert_array_equal(bright.targets, train.targets)
    np.testing.assert_array_equal(
        turned.targets, train.targets if head == "emotion" else mirror_points(train.targets, 96)
    )
    factors = bright.images.max(axis=(1, 2)) / train.images.max(axis=(1, 2))
    assert (bright.images >= train.images).all()
    assert factors.mean() > 1.2
    for name in ("validation", "test"):
        other = load_part(prepared / f"{name}.npz")
        assert set(other.rows.tolist()).isdisjoint(copies.rows.tolist())
        assert set(other.kinds.tolist()) == {"original"}


@pytest.mark.parametrize("stage", ["grouped", "official", "keypoints"])
def test_an_honest_split_leaks_nothing(stages: dict[str, Path], stage: str) -> None:
    leaks = report_of(stages[stage], head_of(stage))["leaks"]
    assert leaks.pop("alike_but_hashed_apart") >= 0
    assert set(leaks.values()) == {0}


def test_the_random_split_mixes_faces_and_copies_and_says_so(stages: dict[str, Path]) -> None:
    prepared = stages["random"] / "data" / "prepared" / "emotion"
    parts = {name: load_part(prepared / f"{name}.npz") for name in PARTS}
    fate = fate_of(prepared)
    for name, faces in parts.items():
        assert set(faces.kinds.tolist()) == {"original", "mirrored", "brightened"}
        assert faces.leaks
        assert faces.caution == " [LEAKS: random split]"
        own = fate[fate["part"] == name]
        assert sorted(zip(own["row"], own["kind"], strict=True)) == sorted(
            zip(faces.rows.tolist(), faces.kinds.tolist(), strict=True)
        )
    assert [len(faces) for faces in parts.values()] == [108, 81, 81]
    assert not set(parts["train"].rows.tolist()).isdisjoint(parts["test"].rows.tolist())
    kept = fate[fate["dropped"] == ""]
    assert set(Counter(kept["row"]).values()) == {3}
    assert (kept["part"] != DROPPED).all()
    left_out = fate[fate["dropped"] != ""]
    assert len(left_out) == 10
    assert set(left_out["dropped"]) == {"class not trained on"}
    assert set(left_out["part"]) == {DROPPED}
    assert len(load_part(prepared / "augmented.npz")) == 0
    leaks = report_of(stages["random"])["leaks"]
    assert leaks["images_in_two_parts"] > 20
    assert leaks["near_duplicate_pairs_across_parts"] > 50
    assert leaks["persons_in_two_parts"] > 5


def test_metrics_on_the_random_split_are_marked_and_fail_the_gate(stages: dict[str, Path], tmp_path: Path) -> None:
    """However good they are. The heavy import is this test's own."""
    from tasks.evaluation.metrics import judge_emotion
    from tasks.evaluation.predictions import Evaluated, save_evaluated

    (tmp_path / "network").write_bytes(b"any")
    passed = {}
    for protocol in ("grouped", "random"):
        prepared = stages[protocol] / "data" / "prepared" / "emotion"
        test = load_part(prepared / "test.npz")
        perfect = np.full((len(test), 2), 0.01)
        perfect[np.arange(len(test)), test.targets] = 0.99
        evaluated = Evaluated(perfect, perfect, np.array(False), np.array(1.0), test.rows)
        save_evaluated(tmp_path / "predictions.npz", evaluated)
        judge_emotion(
            prepared,
            tmp_path / "predictions.npz",
            tmp_path / "network",
            params.EvaluateEmotion(faces_drawn=4, pixel_baseline_rows=50, flip_averaging=False, robustness_faces=None),
            emotion_settings().duplicates,
            tmp_path / "metrics.json",
            tmp_path,
        )
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        assert metrics["protocol"] == protocol
        assert metrics["leaking"] is (protocol == "random")
        assert metrics["accuracy"] == 1
        slices = {"brightness: dark": ends_of(metrics, "accuracy")}
        bounds = {"min_accuracy": 0.5, "min_macro_f1": 0.5, "max_ece": 0.5, "min_share_of_gap": 0.1}
        rules = emotion_rules(metrics, slices, slices, **bounds, min_recall=0.5, min_slice_accuracy=0.5)
        passed[protocol] = [rule.outcome for rule in rules]
    assert passed == {"grouped": ["passed"] * 7, "random": ["failed", *["passed"] * 6]}


def test_equal_input_gives_equal_bytes(stages: dict[str, Path], tmp_path: Path) -> None:
    for stage in ("grouped", "random"):
        again = run_flow(tmp_path / stage, "emotion", copied(), emotion_settings(stage))
        before, after = (bytes_of(folder / "data" / "prepared" / "emotion") for folder in (stages[stage], again))
        assert sorted(after) == [
            *("augmented.npz", "duplicates.json", "groups.csv", "leaks.json", "normalisation.json", "pairs.csv"),
            *("parts.csv", "test.npz", "train.npz", "validation.npz"),
        ]
        assert {name for name in after if after[name] != before[name]} == set()
        assert report_of(again) == report_of(stages[stage])


def test_training_rows_alone_set_the_constants(tmp_path: Path) -> None:
    """Everyone has a name, so that other images leave the parts alone."""
    persons = [str(number) for number in range(60)]
    table, others = emotion_table(FACES[:60], TWO * 30, persons), strangers(60, seed=4) // 3
    settings = emotion_settings()
    first = run_flow(tmp_path / "first", "emotion", table, settings)
    prepared = first / "data" / "prepared" / "emotion"
    own_part = fate_of(prepared)["part"]
    for changed, same in ((("validation", "test"), True), (("train",), False)):
        images = np.where(own_part.isin(changed).to_numpy()[:, None, None], others, FACES[:60])
        folder = tmp_path / "-".join(changed)
        again = run_flow(folder, "emotion", emotion_table(images, TWO * 30, persons), settings)
        files = bytes_of(again / "data" / "prepared" / "emotion")
        assert fate_of(again / "data" / "prepared" / "emotion")["part"].tolist() == own_part.tolist()
        for name in ("normalisation.json", "train.npz", "augmented.npz"):
            assert (files[name] == (prepared / name).read_bytes()) is same
        assert (files["test.npz"] == (prepared / "test.npz").read_bytes()) is not same


def test_constants_are_those_of_the_training_faces_and_their_copies(stages: dict[str, Path], tmp_path: Path) -> None:
    for stage in ("grouped", "random", "keypoints"):
        prepared = shutil.copytree(stages[stage] / "data" / "prepared" / head_of(stage), tmp_path / stage)
        images = np.concatenate([load_part(prepared / f"{name}.npz").images for name in ("train", "augmented")])
        constants = json.loads((normalise(head_of(stage), prepared) / "normalisation.json").read_text())
        assert constants == pytest.approx({"mean": images.mean(), "std": images.std()})


def test_appended_rows_move_none_from_one_part_to_another(tmp_path: Path) -> None:
    before = part(tmp_path / "before", copied(), emotion_settings())
    more = np.concatenate([strangers(15, seed=6), mirrored(FACES[20:30]), noisy(FACES[40:50])])
    table = copied().drop(columns="usage")
    appended = emotion_table(more, (TWO * 18)[:35], [""] * 35, rows=range(1000, 1035))
    after = part(tmp_path / "after", pd.concat([table, appended], ignore_index=True), emotion_settings())
    for name in PARTS:
        assert after[name].rows[after[name].rows < 1000].tolist() == before[name].rows.tolist()
