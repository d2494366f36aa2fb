"""The stage end to end on small tables: no group in two splits, rows add up, constants from training rows only."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import params
from faces.common.geometry import mirror_points
from faces.preparation.splits import DROPPED, SPLITS, group_split
from faces.release.quality_gate import emotion_checks, interval_of
from flows.stages.prepare import prepare
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.common.files import InputError
from tasks.plots.preparation import draw_duplicates, draw_offline_augmentation
from tasks.preparation.leakage_check import check_leakage
from tasks.preparation.near_duplicates import group_faces
from tasks.preparation.normalization import normalize
from tasks.preparation.splits import augment_then_split, split
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


def group(folder: Path, table: pd.DataFrame, settings: Prepared, model_name: str = "emotion") -> pd.DataFrame:
    """`groups.csv` of a table."""
    group_faces(model_name, write_table(folder, model_name, table), settings, folder / "groups.csv")
    return pd.read_csv(folder / "groups.csv", keep_default_na=False)


def split_table(
    folder: Path, table: pd.DataFrame, settings: Prepared, model_name: str = "emotion"
) -> dict[str, FaceDataset]:
    """The splits of a table, after grouping."""
    group(folder, table, settings, model_name)
    make_splits = augment_then_split if settings.split.strategy == "random" else split
    make_splits(
        model_name, folder / "data" / "validated" / f"{model_name}.parquet", folder / "groups.csv", settings, folder
    )
    return {name: load_dataset(folder / f"{name}.npz") for name in SPLITS}


def run_flow(folder: Path, model_name: params.ModelName, table: pd.DataFrame, settings: Prepared) -> Path:
    """Run the whole stage in a folder."""
    write_table(folder, model_name, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        every: Any = SimpleNamespace(dataset=SimpleNamespace(prepare=SimpleNamespace(**{model_name: settings})))
        prepare(every, model_name)
    return folder


def report_of(folder: Path, model_name: str = "emotion") -> dict:
    return json.loads((folder / "reports" / "prepare" / f"{model_name}.json").read_text())


def splits_csv(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "splits.csv", keep_default_na=False)


def copied(faces: np.ndarray = FACES) -> pd.DataFrame:
    """100 rows: two classes and a third one, exact copies, mirrored copies, near-duplicates and subjects."""
    again = [faces[:3], mirrored(faces[3:5]), noisy(faces[5:8]), mirrored(noisy(faces[8:10]))]
    images = np.concatenate([faces[:90], *again])
    emotions = [*TWO * 40, *["fear"] * 10, *TWO * 5]
    subjects = [f"subject {number // 3}" if number % 2 else "" for number in range(100)]
    usages = ["Training"] * 60 + ["PublicTest"] * 15 + ["PrivateTest"] * 15 + ["PublicTest", "Training"] * 5
    return emotion_table(images, emotions, subjects, usages)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# A property of any table.

EXTRA = st.tuples(
    st.integers(0, 89),
    st.sampled_from(["plain", "mirrored", "noisy", "noisy, mirrored", "new"]),
    st.sampled_from(["", "", "ann", "bob", "cy"]),
    st.sampled_from([*TWO, "fear"]),
    st.sampled_from(["Training", "PublicTest", "PrivateTest"]),
)


def mixed_table(extras: Sequence[tuple[int, str, str, str, str]], known: dict[int, str]) -> pd.DataFrame:
    """Sixty unrelated faces, some of known subjects, with other rows inserted anywhere."""
    made: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
        "plain": lambda face, seed: face,
        "mirrored": lambda face, seed: mirrored(face),
        "noisy": noisy,
        "noisy, mirrored": lambda face, seed: mirrored(noisy(face, seed)),
        "new": lambda face, seed: strangers(1, seed=100 + seed)[0],
    }
    rows = [
        (FACES[number], known.get(number, ""), TWO[number % 2], ["Training", "PublicTest", "PrivateTest"][number % 3])
        for number in range(60)
    ]
    for each, (number, kind, subject, emotion, usage) in enumerate(extras):
        rows.insert((7 * number) % (len(rows) + 1), (made[kind](FACES[number], each), subject, emotion, usage))
    images, subjects, emotions, usages = zip(*rows, strict=True)
    return emotion_table(np.stack(images), emotions, subjects, usages)


def expected_groups(table: pd.DataFrame) -> list[set[int]]:
    """The rows of each group, by a plain search over brute-force pairs."""
    images = np.stack([np.frombuffer(pixels, np.uint8).reshape(48, 48) for pixels in table["pixels"]])
    subject = table["person"].tolist()
    known = [(i, j) for i in range(len(table)) for j in range(i) if subject[i] and subject[i] == subject[j]]
    group = list(range(len(table)))
    edges = [*brute_force(images, 10, 0.9), *known]
    while any(group[i] != group[j] for i, j in edges):
        for i, j in edges:
            group[i] = group[j] = min(group[i], group[j])
    return [set(table["row"][np.array(group) == number].tolist()) for number in set(group)]


@pytest.mark.parametrize("strategy", ["group", "predefined"])
@settings(deadline=None, max_examples=12)
@given(st.lists(EXTRA, max_size=14), st.dictionaries(st.integers(0, 59), st.sampled_from(["ann", "bob"]), max_size=5))
def test_no_group_is_in_two_splits_and_every_row_is_accounted_for(
    strategy: str, extras: list[tuple[int, str, str, str, str]], known: dict[int, str]
) -> None:
    table = mixed_table(extras, known)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            datasets = split_table(folder, table, emotion_settings(strategy, label_conflicts="majority"))
        except InputError as error:
            assume("has no face of the class" not in str(error) and "has no rows" not in str(error))
            raise
        rows, grouped = splits_csv(folder), pd.read_csv(folder / "groups.csv", keep_default_na=False)
        check_leakage("emotion", folder, emotion_settings().duplicates)
    # Each valid row once, in one split or dropped with a reason.
    assert rows["row"].tolist() == table["row"].tolist()
    split_of = {row: name for name, dataset in datasets.items() for row in dataset.rows.tolist()}
    assert len(split_of) == sum(map(len, datasets.values()))
    assert [split_of.get(row, DROPPED) for row in rows["row"]] == rows["part"].tolist()
    assert ((rows["part"] == DROPPED) == (rows["dropped"] != "")).all()
    assert (rows["dropped"] == "class not trained on").tolist() == (table["emotion"] == "fear").tolist()
    if strategy == "predefined":
        own = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
        usage = dict(zip(table["row"], table["usage"], strict=True))
        assert all(own[usage[row]] == name for row, name in split_of.items())
    # The groups are those of the definition, among the rows that are trained on.
    trained = table[table["emotion"] != "fear"].reset_index(drop=True)
    expected = expected_groups(trained)
    found = grouped[grouped["group"] != ""].groupby("group")["row"].agg(set).tolist()
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
    for group_rows in expected:
        assert len({split_of[row] for row in group_rows if row in split_of}) <= 1
    # Images and subjects are those of the table.
    by_row = table.set_index("row")
    for dataset in datasets.values():
        for image, row, subject in zip(dataset.images, dataset.rows.tolist(), dataset.subjects.tolist(), strict=True):
            assert image.tobytes() == by_row["pixels"][row]
            assert subject == by_row["person"][row]


# Grouping.


def test_groups_by_hand(tmp_path: Path) -> None:
    images = np.stack([FACES[0], FACES[1], mirrored(FACES[0]), noisy(FACES[1]), FACES[2], FACES[3], FACES[4]])
    table = emotion_table(images, TWO * 3 + ["fear"], ["", "ann", "bob", "", "bob", "", "ann"])
    found = group(tmp_path, table, emotion_settings())
    assert found["row"].tolist() == [3, 5, 7, 9, 11, 13, 15]
    # Components connect images and are named by row; groups connect subjects too.
    assert found["component"].tolist() == [3, 5, 3, 5, 11, 13, 15]
    first = found["group"][0]
    assert first.startswith("image:")
    assert found["group"].tolist() == [first, "person:ann", first, "person:ann", first, found["group"][5], ""]
    assert found["group"][5].startswith("image:")
    assert found["label"].tolist() == table["emotion"].tolist()
    assert found["dropped"].tolist() == [""] * 6 + ["class not trained on"]
    pairs = pd.read_csv(tmp_path / "near_duplicate_pairs.csv")
    assert pairs[["first", "second", "mirrored"]].to_numpy().tolist() == [[3, 7, True], [5, 9, False]]
    assert pairs["correlation"][0] == pytest.approx(1)
    assert json.loads((tmp_path / "duplicates.json").read_text()) == {
        "faces": 6,
        "exact_copies": 0,
        "mirrored_copies": 1,
        "near_duplicate_pairs": 2,
        "components": 2,
        "faces_in_components": 4,
        "largest_component": 2,
        "conflicts": "keep",
        "conflicting_components": 0,
        "conflicting_faces": 0,
        "relabelled_faces": 0,
    }


def test_copies_are_counted_beyond_the_first(tmp_path: Path) -> None:
    images = np.stack([FACES[0]] * 3 + [mirrored(FACES[0])] * 2 + [FACES[1], mirrored(FACES[1]), FACES[2]])
    group(tmp_path, emotion_table(images, ["anger"] * 8), emotion_settings())
    counts = json.loads((tmp_path / "duplicates.json").read_text())
    # Of five equal up to mirroring, 2 + 1 are exact copies and 1 is a mirrored one; of the next two, 1 is mirrored.
    expected = {"faces": 8, "exact_copies": 3, "mirrored_copies": 2, "near_duplicate_pairs": 11, "components": 2}
    assert counts.items() >= (expected | {"faces_in_components": 7, "largest_component": 5}).items()


def test_constant_copies_are_one_component(tmp_path: Path) -> None:
    """The correlation of a constant face with its copy is undefined."""
    images = np.stack([np.full((48, 48), 9, np.uint8), FACES[0], np.full((48, 48), 9, np.uint8)])
    found = group(tmp_path, emotion_table(images, ["anger"] * 3), emotion_settings())
    assert found["component"].tolist() == [3, 5, 3]
    assert pd.read_csv(tmp_path / "near_duplicate_pairs.csv").empty
    counts = json.loads((tmp_path / "duplicates.json").read_text())
    assert counts.items() >= {"exact_copies": 1, "near_duplicate_pairs": 0, "components": 1}.items()


@pytest.mark.parametrize("model_name", ["keypoints", "emotion"])
def test_too_large_component_is_rejected(tmp_path: Path, model_name: str) -> None:
    side = 96 if model_name == "keypoints" else 48
    some = strangers(30, side=side)
    for copies, rejected in ((10, False), (11, True)):
        images = np.concatenate([some[1:], [noisy(some[0], seed) for seed in range(copies)]])
        made = keypoint_settings if model_name == "keypoints" else emotion_settings
        table = (
            keypoint_table(images) if model_name == "keypoints" else emotion_table(images, (TWO * 30)[: len(images)])
        )
        if not rejected:
            assert set(
                Counter(group(tmp_path, table, made(max_component_fraction=0.2), model_name)["component"]).values()
            ) == {1, 10}
            continue
        with pytest.raises(InputError) as caught:
            group(tmp_path, table, made(max_component_fraction=0.2), model_name)
        rows = ", ".join(map(str, table["row"][29:34]))
        for phrase in (
            f"{model_name}.parquet",
            "11 of 40 faces",
            f"rows {rows}",
            f"prepare.{model_name}.duplicates.max_component_fraction",
        ):
            assert phrase in str(caught.value)
        assert "(20.0%)" in str(caught.value)
        assert "lower max_hamming_distance, raise min_correlation, or remove the copies" in str(caught.value)
        group(tmp_path, table, made(max_component_fraction=0.3), model_name)


def test_rows_of_other_classes_connect_no_groups(tmp_path: Path) -> None:
    """One face of fear is a near-duplicate of the first face and shows the subject of the second; another is a copy."""
    images = np.stack([FACES[0], FACES[1], noisy(FACES[0]), FACES[2], mirrored(FACES[2]), *FACES[10:40]])
    subjects = ["", "ann", "ann", "", "", *[""] * 30]
    table = emotion_table(images, ["anger", "anger", "fear", "happiness", "fear", *TWO * 15], subjects)
    trained = table[table["emotion"] != "fear"].reset_index(drop=True)
    both = group(tmp_path, table, emotion_settings())
    alone = group(tmp_path, trained, emotion_settings())
    pd.testing.assert_frame_equal(both[both["dropped"] == ""].reset_index(drop=True), alone)
    assert (both["dropped"] == "class not trained on").sum() == 2
    assert both["group"][0] != both["group"][1]
    connected = group(tmp_path, table, emotion_settings(train_classes=("anger", "fear", "happiness")))
    assert connected["group"][0] == connected["group"][1] == connected["group"][2]
    assert connected["group"][3] == connected["group"][4]
    with_fear, without = (split_table(tmp_path, each, emotion_settings()) for each in (table, trained))
    for name in SPLITS:
        np.testing.assert_array_equal(with_fear[name].rows, without[name].rows)
        np.testing.assert_array_equal(with_fear[name].targets, without[name].targets)


def test_targets_follow_the_order_of_the_classes(tmp_path: Path) -> None:
    table = emotion_table(FACES[:60], ["happiness", "fear", "anger"] * 20)
    for classes in (("anger", "happiness"), ("happiness", "fear", "anger")):
        emotions = table.set_index("row")["emotion"]
        for faces in split_table(tmp_path, table, emotion_settings(train_classes=classes)).values():
            assert faces.classes.tolist() == list(classes)
            assert [classes[target] for target in faces.targets] == emotions[faces.rows].tolist()


@pytest.mark.parametrize("strategy", ["group", "predefined", "random"])
def test_auxiliary_classes_are_in_train_and_validation_but_not_in_test(tmp_path: Path, strategy: str) -> None:
    usages = [*["Training"] * 60, *["PublicTest"] * 30]
    labels = ["happiness", "fear", "anger"] * 30
    settings = emotion_settings(
        strategy, train_classes=("anger", "fear", "happiness"), output_classes=("happiness", "anger")
    )
    datasets = split_table(tmp_path, emotion_table(FACES, labels, None, usages), settings)
    for name, faces in datasets.items():
        assert faces.classes.tolist() == (["happiness", "anger"] if name == "test" else ["anger", "fear", "happiness"])
        assert set(faces.classes[faces.targets]) == set(faces.classes)
        restricted = faces.with_output_classes()
        assert restricted.classes.tolist() == ["happiness", "anger"]
        assert [restricted.classes[k] for k in restricted.targets] == [
            faces.classes[k] for k in faces.targets if faces.classes[k] != "fear"
        ]
    rows = splits_csv(tmp_path)
    left_out = rows[rows["dropped"] == "class not in output_classes"]
    assert len(left_out) > 0
    assert set(left_out["part"]) == {DROPPED}
    kept = {row for dataset in datasets.values() for row in dataset.rows.tolist()}
    if strategy != "random":
        assert not kept & set(left_out["row"])


CONFLICTS = {
    "keep": (["anger", "happiness", "anger", "anger", "happiness"], [False] * 5),
    "drop": (["anger", "happiness", "anger", "anger", "happiness"], [True] * 5),
    "majority": (["anger", "anger", "anger", "anger", "happiness"], [False] * 3 + [True] * 2),
}


@pytest.mark.parametrize("how", CONFLICTS)
def test_copies_with_different_labels(tmp_path: Path, how: str) -> None:
    """Three copies, two labelled anger; then two, one of each label. Different faces of one subject do not conflict."""
    images = np.stack([FACES[0], mirrored(FACES[0]), noisy(FACES[0]), FACES[1], FACES[1], *FACES[2:70]])
    subjects = [""] * 5 + ["ann", "ann"] + [""] * 66
    table = emotion_table(images, ["anger", "happiness", "anger", "anger", "happiness", *TWO * 34], subjects)
    labels, dropped = CONFLICTS[how]
    settings = emotion_settings(label_conflicts=how)
    datasets = split_table(tmp_path, table, settings)
    found = pd.read_csv(tmp_path / "groups.csv", keep_default_na=False)
    assert found["label"].tolist() == labels + TWO * 34
    assert found["dropped"].tolist() == ["copies have different labels" * drop for drop in dropped] + [""] * 68
    counts = json.loads((tmp_path / "duplicates.json").read_text())
    expected = {"conflicts": how, "conflicting_components": 2, "conflicting_faces": 5}
    assert counts.items() >= (expected | {"relabelled_faces": int(how == "majority")}).items()
    written = {
        row: TWO[target]
        for dataset in datasets.values()
        for row, target in zip(dataset.rows.tolist(), dataset.targets, strict=True)
    }
    kept = found[found["dropped"] == ""]
    assert written == dict(zip(kept["row"].tolist(), kept["label"].tolist(), strict=True))


def test_any_subject_name_survives_the_csv_file(tmp_path: Path) -> None:
    names = ["NA", "nan", 'a,"b"', "x\ny", "x\ry", " blank ", "é", "1", "1.0", ""]
    table = emotion_table(FACES[:80], [TWO[number // 10 % 2] for number in range(80)], names * 8)
    found = group(tmp_path, table, emotion_settings())
    for subject, name in zip(table["person"], found["group"], strict=True):
        assert name.startswith("image:") if not subject else name == f"person:{subject}"
    datasets = split_table(tmp_path, table, emotion_settings())
    subjects = [datasets[name].subjects for name in SPLITS]
    assert set(np.concatenate(subjects).tolist()) == set(names)
    expected = group_split(found["group"].tolist(), 1, 0.3, 0.3)
    for name in SPLITS:
        assert datasets[name].rows.tolist() == table["row"][expected == name].tolist()


def test_figure_shows_near_duplicates_or_that_there_are_none(tmp_path: Path) -> None:
    sizes = []
    for images in (FACES[:9], np.concatenate([FACES[:6], noisy(FACES[:2]), mirrored(FACES[2:3])])):
        table = emotion_table(images, (TWO * 5)[:9])
        group(tmp_path, table, emotion_settings())
        valid = tmp_path / "data" / "validated" / "emotion.parquet"
        draw_duplicates("emotion", valid, tmp_path, tmp_path)
        assert (tmp_path / "near_duplicates.png").read_bytes().startswith(PNG)
        sizes.append((tmp_path / "near_duplicates.png").stat().st_size)
    assert sizes[1] > sizes[0]


# Splitting.


def test_group_split_follows_the_group_name(tmp_path: Path) -> None:
    for sizes, seed in (((0.3, 0.3), 1), ((0.15, 0.2), 7)):
        datasets = split_table(tmp_path, copied(), emotion_settings(seed=seed, shares=sizes))
        kept = splits_csv(tmp_path)[lambda table: table["dropped"] == ""]
        expected = group_split(kept["group"].tolist(), seed, validation=sizes[0], test=sizes[1])
        assert kept["part"].tolist() == expected.tolist()
        for name, faces in datasets.items():
            assert faces.rows.tolist() == kept["row"][kept["part"] == name].tolist()
            assert set(faces.augmentation_kind.tolist()) == {"original"}
            assert str(faces.strategy) == "group"
            assert not faces.is_leaky
            assert faces.leakage_warning == ""


def test_predefined_split_follows_usage_and_drops_straddling_rows(tmp_path: Path) -> None:
    usages = ["Training", "Training", "PublicTest", "PrivateTest", "Training"] * 12
    images = np.concatenate([FACES[:60], FACES[:1], mirrored(FACES[1:2]), noisy(FACES[2:3]), FACES[3:4]])
    table = emotion_table(images, TWO * 32, None, [*usages, "PublicTest", "PrivateTest", "PrivateTest", "PrivateTest"])
    datasets = split_table(tmp_path, table, emotion_settings("predefined"))
    rows = splits_csv(tmp_path)
    # The first four rows have copies: those of two training rows are in PublicTest and in PrivateTest, that of a
    # PublicTest row is in PrivateTest, and that of the fourth row is in the same split.
    own = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
    assert rows["part"].tolist() == [*[DROPPED] * 3, *[own[usage] for usage in table["usage"][3:]]]
    assert rows["dropped"].tolist() == ["same group as a validation or test row"] * 3 + [""] * 61
    assert [len(datasets[name]) for name in SPLITS] == [34, 12, 15]
    assert {str(dataset.strategy) for dataset in datasets.values()} == {"predefined"}
    check_leakage("emotion", tmp_path, emotion_settings().duplicates)


@pytest.mark.parametrize("how", ["majority", "drop"])
def test_conflicts_change_no_predefined_test_label(tmp_path: Path, how: str) -> None:
    """A test face has two copies of one other label in training, and a training face has a copy of another label."""
    images = np.concatenate([FACES[:60], FACES[:1], FACES[:1], FACES[1:2]])
    usages = ["PrivateTest", "Training", "Training", "PublicTest", "Training"] * 12 + ["Training"] * 3
    table = emotion_table(images, [*TWO * 30, TWO[1], TWO[1], TWO[0]], None, usages)
    split_table(tmp_path, table, emotion_settings("predefined", label_conflicts=how))
    rows = splits_csv(tmp_path)
    assert (rows["label"][0], rows["part"][0], rows["dropped"][0]) == (TWO[0], "test", "")
    assert rows["dropped"][[60, 61]].tolist() == ["same group as a validation or test row"] * 2
    # Two training faces with different labels have no majority.
    assert rows["dropped"][[1, 62]].tolist() == ["copies have different labels"] * 2


@pytest.mark.parametrize("absent", ["PublicTest", "PrivateTest"])
def test_with_one_predefined_test_split_validation_is_taken_from_training(tmp_path: Path, absent: str) -> None:
    other = {"PublicTest", "PrivateTest"}.difference([absent]).pop()
    table = emotion_table(FACES[:80], TWO * 40, None, ["Training"] * 60 + [other] * 20)
    datasets = split_table(tmp_path, table, emotion_settings("predefined"))
    assert datasets["test"].rows.tolist() == table["row"][60:].tolist()
    assert 8 <= len(datasets["validation"]) <= 28
    assert len(datasets["train"]) + len(datasets["validation"]) == 60


@pytest.mark.parametrize(
    ("usages", "message"),
    [
        (
            None,
            "needs the column Usage; give a table that has it, or an image folder <split>/<class name>/, or choose",
        ),
        (["Training"] * 40, "needs Training rows and PublicTest or PrivateTest rows; choose prepare.emotion.split"),
        (["PrivateTest"] * 40, "needs Training rows and PublicTest or PrivateTest rows"),
        (["Training", "foo"] * 20, "Usage holds 'foo', which is no split; `dvc repro validate`"),
    ],
)
def test_predefined_split_names_what_is_missing(tmp_path: Path, usages: list[str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        split_table(tmp_path, emotion_table(FACES[:40], TWO * 20, None, usages), emotion_settings("predefined"))
    assert "emotion.parquet" in str(caught.value)
    assert "strategy: group" in str(caught.value)


def subject_in(wanted: str, seed: int = 1) -> str:
    """A subject name that the hash puts into a split."""
    names = [f"person:{number}" for number in range(100)]
    return names[group_split(names, seed, 0.3, 0.3).tolist().index(wanted)].removeprefix("person:")


@pytest.mark.parametrize("strategy", ["group", "predefined"])
@pytest.mark.parametrize("lacking", SPLITS)
def test_class_missing_from_a_split_is_named(tmp_path: Path, strategy: str, lacking: str) -> None:
    """Two faces of surprise in each of the other splits, by subject or by usage."""
    usage = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
    others = [name for name in SPLITS for _ in range(2) if name != lacking]
    table = emotion_table(
        FACES[:58],
        [*TWO * 27, *["surprise"] * 4],
        [*[""] * 54, *map(subject_in, others)],
        [*[*usage.values()] * 18, *(usage[name] for name in others)],
    )
    split_table(tmp_path, table, emotion_settings(strategy))
    message = f"emotion.parquet: the {lacking} split has no face of the class surprise; .*prepare.emotion.train_classes"
    with pytest.raises(InputError, match=message):
        split_table(tmp_path / "three", table, emotion_settings(strategy, (*TWO, "surprise")))
    assert not list((tmp_path / "three").glob("*.npz"))


def test_class_without_faces_is_named_for_a_random_split_too(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the train split has no face of the class fear"):
        split_table(tmp_path, emotion_table(FACES, TWO * 45), emotion_settings("random", (*TWO, "fear")))


def test_split_without_rows_is_named(tmp_path: Path) -> None:
    one_subject = emotion_table(FACES[:30], TWO * 15, [subject_in("train")] * 30)
    message = r"the validation split has no rows; give more rows, or change prepare.emotion.split"
    with pytest.raises(InputError, match=message):
        split_table(tmp_path, one_subject, emotion_settings())
    with pytest.raises(InputError, match="the train split has no rows"):
        split_table(tmp_path, emotion_table(FACES[:30], ["fear"] * 30), emotion_settings())


def test_class_fractions_that_differ_too_much_are_rejected(tmp_path: Path) -> None:
    """One subject with 140 images of anger is in the test split."""
    some = strangers(320, seed=3)
    table = emotion_table(some, [*TWO * 90, *["anger"] * 140], [*[""] * 180, *[subject_in("test")] * 140])
    datasets = split_table(tmp_path / "accepted", table, emotion_settings(max_class_fraction_difference=0.5))
    # 90 + 140 of 320 are of anger; the training split, with about half of its own, differs most.
    difference = (datasets["train"].targets == 0).mean() - 230 / 320
    assert difference < -0.2
    with pytest.raises(InputError) as caught:
        split_table(tmp_path / "rejected", table, emotion_settings(max_class_fraction_difference=0.02))
    message = str(caught.value)
    where = "the fraction of anger in the train split differs from that of the whole dataset"
    assert f"emotion.parquet: {where} by {difference:.1%}; choose another prepare.emotion.split.seed" in message
    assert "or raise prepare.emotion.split.max_class_fraction_difference" in message
    assert not list((tmp_path / "rejected").glob("*.npz"))
    split_table(tmp_path / "just", table, emotion_settings(max_class_fraction_difference=1e-6 - difference))
    # A difference that chance explains is accepted whatever the setting, and only a group split is checked.
    split_table(
        tmp_path / "chance", emotion_table(some, TWO * 160), emotion_settings(max_class_fraction_difference=0.0)
    )
    usages = [*["Training"] * 90, *["PublicTest"] * 90, *["PrivateTest"] * 140]
    predefined = emotion_table(some, [*TWO * 90, *["anger"] * 139, "happiness"], None, usages)
    split_table(tmp_path / "predefined", predefined, emotion_settings("predefined", max_class_fraction_difference=0.0))


@pytest.mark.parametrize("offset", [(0.0, 0.0), (-1.5, 0.25)])
def test_keypoints_are_split_too(tmp_path: Path, offset: tuple[float, float]) -> None:
    faces = strangers(40, side=96)
    table = keypoint_table(np.concatenate([faces, mirrored(faces[:3])]))
    datasets = split_table(tmp_path, table, keypoint_settings(keypoint_offset_px=offset), "keypoints")
    points = table.drop(columns=["row", "pixels"]).to_numpy().reshape(-1, 15, 2) + np.array(offset, np.float32)
    for dataset in datasets.values():
        np.testing.assert_array_equal(dataset.targets, points[dataset.rows - 1])
        assert dataset.targets.dtype == np.float32
        assert not dataset.is_emotion
    split_of = {row: name for name, dataset in datasets.items() for row in dataset.rows.tolist()}
    assert sorted(split_of) == list(range(1, 44))
    assert all(split_of[row] == split_of[row + 40] for row in (1, 2, 3))


# The whole stage.


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders in which the stage has run, by strategy; `keypoints` is that of the other model."""
    base = tmp_path_factory.mktemp("stages")
    strategies = ("group", "predefined", "random")
    done = {name: run_flow(base / name, "emotion", copied(), emotion_settings(name)) for name in strategies}
    faces = strangers(40, side=96)
    table = keypoint_table(np.concatenate([faces, noisy(faces[:3])]), [f"{n // 2}" for n in range(43)])
    return done | {"keypoints": run_flow(base / "keypoints", "keypoints", table, keypoint_settings())}


def model_of(stage: str) -> str:
    return "keypoints" if stage == "keypoints" else "emotion"


@pytest.mark.parametrize("stage", ["group", "predefined", "random", "keypoints"])
def test_report_adds_up(stages: dict[str, Path], stage: str, tmp_path: Path) -> None:
    folder, model_name = stages[stage], model_of(stage)
    report, prepared = report_of(folder, model_name), folder / "data" / "prepared" / model_name
    datasets = {name: load_dataset(prepared / f"{name}.npz") for name in (*SPLITS, "augmented")}
    table = pd.read_parquet(folder / "data" / "validated" / f"{model_name}.parquet")
    assert report["rows"] == {name: len(dataset) for name, dataset in datasets.items()}
    kept, dropped = sum(report["rows"][name] for name in SPLITS), sum(report["dropped"].values())
    # For a random split, each face is copied twice beforehand.
    assert kept / (3 if stage == "random" else 1) + dropped == len(table)
    assert report["dropped"].get("class not trained on", 0) == (10 if model_name == "emotion" else 0)
    assert report["rows"]["augmented"] == (0 if stage == "random" else 2 * report["rows"]["train"])
    assert report["strategy"] == ("group" if stage == "keypoints" else stage)
    assert report["is_leaky"] is (stage == "random")
    assert report["duplicates"]["faces"] == len(table) - report["dropped"].get("class not trained on", 0)
    for name in ("duplicates", "leakage", "normalization"):
        assert report[name] == json.loads((prepared / f"{name}.json").read_text())
    for name in SPLITS:
        faces = datasets[name]
        assert report["subjects"][name] == len(set(faces.subjects.tolist()) - {""})
        if model_name == "emotion":
            assert list(report["class_fractions"][name]) == TWO
            expected = [(faces.targets == number).mean() for number in (0, 1)]
            assert list(report["class_fractions"][name].values()) == pytest.approx(expected, abs=1e-4)
            assert report["labelled_fractions"] == {}
        else:
            assert report["labelled_fractions"][name] == pytest.approx(np.isfinite(faces.targets).mean())
            assert report["class_fractions"] == {}
    draw_offline_augmentation(model_name, prepared, tmp_path)
    assert (tmp_path / "offline_augmentation.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("stage", ["group", "predefined", "random", "keypoints"])
def test_group_number_is_the_first_row_of_the_group(stages: dict[str, Path], stage: str) -> None:
    """A copy has the group of its source."""
    prepared = stages[stage] / "data" / "prepared" / model_of(stage)
    rows = pd.read_csv(prepared / "groups.csv", keep_default_na=False)
    group, first = rows.set_index("row")["group"], rows.groupby("group")["row"].min()
    shared = 0
    for name in (*SPLITS, "augmented"):
        faces = load_dataset(prepared / f"{name}.npz")
        assert faces.groups.dtype == np.int64
        assert faces.groups.tolist() == first[group[faces.rows]].tolist()
        shared += len(faces) - len(set(faces.groups.tolist()))
    assert shared > 10


@pytest.mark.parametrize("stage", ["group", "predefined", "keypoints"])
def test_only_training_rows_are_copied(stages: dict[str, Path], stage: str) -> None:
    model_name = model_of(stage)
    prepared = stages[stage] / "data" / "prepared" / model_name
    train, copies = (load_dataset(prepared / f"{name}.npz") for name in ("train", "augmented"))
    flipped, bright = copies[copies.augmentation_kind == "mirrored"], copies[copies.augmentation_kind == "brightened"]
    assert len(copies) == len(flipped) + len(bright)
    for each in (flipped, bright):
        np.testing.assert_array_equal(each.rows, train.rows)
        np.testing.assert_array_equal(each.subjects, train.subjects)
        np.testing.assert_array_equal(each.groups, train.groups)
    np.testing.assert_array_equal(flipped.images, mirrored(train.images))
    np.testing.assert_array_equal(bright.targets, train.targets)
    np.testing.assert_array_equal(
        flipped.targets, train.targets if model_name == "emotion" else mirror_points(train.targets, 96)
    )
    factors = bright.images.max(axis=(1, 2)) / train.images.max(axis=(1, 2))
    assert (bright.images >= train.images).all()
    assert factors.mean() > 1.2
    for name in ("validation", "test"):
        other = load_dataset(prepared / f"{name}.npz")
        assert set(other.rows.tolist()).isdisjoint(copies.rows.tolist())
        assert set(other.augmentation_kind.tolist()) == {"original"}


@pytest.mark.parametrize("stage", ["group", "predefined", "keypoints"])
def test_split_by_groups_leaks_nothing(stages: dict[str, Path], stage: str) -> None:
    leakage = report_of(stages[stage], model_of(stage))["leakage"]
    assert leakage.pop("correlated_beyond_hash_distance") >= 0
    assert set(leakage.values()) == {0}


def test_random_split_mixes_faces_and_copies_and_is_marked_leaky(stages: dict[str, Path]) -> None:
    prepared = stages["random"] / "data" / "prepared" / "emotion"
    datasets = {name: load_dataset(prepared / f"{name}.npz") for name in SPLITS}
    rows = splits_csv(prepared)
    for name, faces in datasets.items():
        assert set(faces.augmentation_kind.tolist()) == {"original", "mirrored", "brightened"}
        assert faces.is_leaky
        assert faces.leakage_warning == " [LEAKS: random split]"
        own = rows[rows["part"] == name]
        assert sorted(zip(own["row"], own["kind"], strict=True)) == sorted(
            zip(faces.rows.tolist(), faces.augmentation_kind.tolist(), strict=True)
        )
    assert [len(dataset) for dataset in datasets.values()] == [108, 81, 81]
    assert not set(datasets["train"].rows.tolist()).isdisjoint(datasets["test"].rows.tolist())
    kept = rows[rows["dropped"] == ""]
    assert set(Counter(kept["row"]).values()) == {3}
    assert (kept["part"] != DROPPED).all()
    left_out = rows[rows["dropped"] != ""]
    assert len(left_out) == 10
    assert set(left_out["dropped"]) == {"class not trained on"}
    assert set(left_out["part"]) == {DROPPED}
    assert len(load_dataset(prepared / "augmented.npz")) == 0
    leakage = report_of(stages["random"])["leakage"]
    assert leakage["images_in_multiple_splits"] > 20
    assert leakage["cross_split_near_duplicates"] > 50
    assert leakage["subjects_in_multiple_splits"] > 5


def test_metrics_on_the_random_split_are_marked_and_fail_the_gate(stages: dict[str, Path], tmp_path: Path) -> None:
    """However good they are. Only this test needs the heavy imports."""
    from tasks.evaluation.metrics import evaluate_emotion
    from tasks.evaluation.predictions import Predictions, save_predictions

    (tmp_path / "model").write_bytes(b"any")
    passed = {}
    for strategy in ("group", "random"):
        prepared = stages[strategy] / "data" / "prepared" / "emotion"
        test = load_dataset(prepared / "test.npz")
        perfect = np.full((len(test), 2), 0.01)
        perfect[np.arange(len(test)), test.targets] = 0.99
        predictions = Predictions(
            perfect, perfect, np.array(False), np.array(1.0), test.rows, np.array("int8"), perfect
        )
        save_predictions(tmp_path / "predictions.npz", predictions)
        evaluate_emotion(
            prepared,
            tmp_path / "predictions.npz",
            tmp_path / "model",
            params.EvaluateEmotion(pixel_baseline_rows=50, flip_tta=False, corruption_samples=None),
            emotion_settings().duplicates,
            tmp_path / "metrics.json",
            tmp_path,
        )
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        assert metrics["strategy"] == strategy
        assert metrics["is_leaky"] is (strategy == "random")
        assert metrics["accuracy"] == 1
        slices = {"brightness: dark": interval_of(metrics, "accuracy")}
        bounds = {"min_accuracy": 0.5, "min_macro_f1": 0.5, "max_ece": 0.5, "min_skill_score": 0.1}
        bounds |= {"min_recall": 0.5, "min_slice_accuracy": 0.5, "max_int8_accuracy_drop": 0.0}
        checks = emotion_checks(metrics, slices, slices, **bounds)
        passed[strategy] = [check.outcome for check in checks]
    assert passed == {"group": ["passed"] * 8, "random": ["failed", *["passed"] * 7]}


def test_equal_input_gives_equal_bytes(stages: dict[str, Path], tmp_path: Path) -> None:
    for stage in ("group", "random"):
        again = run_flow(tmp_path / stage, "emotion", copied(), emotion_settings(stage))
        before, after = (bytes_of(folder / "data" / "prepared" / "emotion") for folder in (stages[stage], again))
        assert sorted(after) == [
            *(
                "augmented.npz",
                "duplicates.json",
                "groups.csv",
                "leakage.json",
                "near_duplicate_pairs.csv",
                "normalization.json",
            ),
            *("splits.csv", "test.npz", "train.npz", "validation.npz"),
        ]
        assert {name for name in after if after[name] != before[name]} == set()
        assert report_of(again) == report_of(stages[stage])


def test_only_training_rows_set_the_constants(tmp_path: Path) -> None:
    """Every face has a subject, so that other images do not change the splits."""
    subjects = [str(number) for number in range(60)]
    table, others = emotion_table(FACES[:60], TWO * 30, subjects), strangers(60, seed=4) // 3
    settings = emotion_settings()
    first = run_flow(tmp_path / "first", "emotion", table, settings)
    prepared = first / "data" / "prepared" / "emotion"
    split_of = splits_csv(prepared)["part"]
    for changed, same in ((("validation", "test"), True), (("train",), False)):
        images = np.where(split_of.isin(changed).to_numpy()[:, None, None], others, FACES[:60])
        folder = tmp_path / "-".join(changed)
        again = run_flow(folder, "emotion", emotion_table(images, TWO * 30, subjects), settings)
        files = bytes_of(again / "data" / "prepared" / "emotion")
        assert splits_csv(again / "data" / "prepared" / "emotion")["part"].tolist() == split_of.tolist()
        for name in ("normalization.json", "train.npz", "augmented.npz"):
            assert (files[name] == (prepared / name).read_bytes()) is same
        assert (files["test.npz"] == (prepared / "test.npz").read_bytes()) is not same


def test_constants_are_the_statistics_of_the_training_faces_and_their_copies(
    stages: dict[str, Path], tmp_path: Path
) -> None:
    for stage in ("group", "random", "keypoints"):
        prepared = shutil.copytree(stages[stage] / "data" / "prepared" / model_of(stage), tmp_path / stage)
        images = np.concatenate([load_dataset(prepared / f"{name}.npz").images for name in ("train", "augmented")])
        constants = json.loads((normalize(model_of(stage), prepared) / "normalization.json").read_text())
        assert constants == pytest.approx({"mean": images.mean(), "std": images.std()})


def test_appended_rows_do_not_change_the_split_of_others(tmp_path: Path) -> None:
    before = split_table(tmp_path / "before", copied(), emotion_settings())
    more = np.concatenate([strangers(15, seed=6), mirrored(FACES[20:30]), noisy(FACES[40:50])])
    table = copied().drop(columns="usage")
    appended = emotion_table(more, (TWO * 18)[:35], [""] * 35, rows=range(1000, 1035))
    after = split_table(tmp_path / "after", pd.concat([table, appended], ignore_index=True), emotion_settings())
    for name in SPLITS:
        assert after[name].rows[after[name].rows < 1000].tolist() == before[name].rows.tolist()
