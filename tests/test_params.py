"""A wrong setting fails before any work, by name, line and remedy."""

from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

import params
from faces.labels import LABEL_SETS
from tests.conftest import ROOT

TEXT = (ROOT / "params.yaml").read_text()


def write(tmp_path: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    return path


def test_the_project_s_own_settings_are_valid_and_frozen() -> None:
    settings = params.load(ROOT / "params.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.emotion.epochs = 99


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    epochs:", "    epohcs:", r"line \d+: train.keypoints.epohcs is no setting; did you mean epochs\?"),
        ("    epochs:", "    epohcs:", "train.keypoints.epochs is missing; add it"),
        ("\ngate:", "\ngaet:", r"line \d+: gaet is no setting; did you mean gate\?"),
        ("label_set: course", "label_set: cours", "validate.emotion.label_set = 'cours': Input should be 'course'"),
        ("validation: 0.15, test: 0.15", "validation: 0.5, test: 0.5", "leave less than 0.2 of the rows"),
        ("[1.5, 2.0]", "[2.5, 2.0]", "the other way round"),
        ("dropout: 0.0", "dropout: 1.0", "train.keypoints.dropout = 1.0"),
        ("learning_rate: 2.0e-3", "learning_rate: .nan", "train.keypoints.learning_rate"),
        ("sample:", "sample: [", "not valid YAML"),
        ("max_missing: 0.8", "max_missing: 1.8", "validate.keypoints.max_missing = 1.8: Input should be less than"),
        ("max_quarantined: 0.05", "max_quarantined: 5%", "validate.max_quarantined = '5%'"),
        ("min_rows: 50", "min_rows: 0", "validate.keypoints.min_rows = 0"),
        ("min_deviation: 2.0", "min_deviation: -1", "validate.keypoints.min_deviation = -1"),
        ("happiness, surprise]", "happiness, joy]", r"prepare.emotion.classes.4 = 'joy': Input should be 'anger', .*'"),
        ("[anger, disgust, sad, happiness, surprise]", "[anger]", "prepare.emotion.classes = .* at least 2 items"),
        (
            "conflicts: keep",
            "conflicts: vote",
            "prepare.emotion.duplicates.conflicts = 'vote': .* 'drop' or 'majority'",
        ),
        ("widths: [16, 16, 32]", "widths: [8, 8, 8, 8, 8, 8]", "train.keypoints.widths"),
        ("emotion: data/sample/emotion.csv", "emotion: s3://faces/e.csv", "a path, http:// or https:// is needed"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, old, new)
    with pytest.raises(params.SettingsError, match=message) as caught:
        params.load(path)
    assert str(path) in str(caught.value)


def test_the_line_is_that_of_the_key(tmp_path: Path) -> None:
    path = write(tmp_path, "    batch_size: 64", "    bach_size: 64")
    line = path.read_text().splitlines().index("    bach_size: 64") + 1
    with pytest.raises(params.SettingsError, match=f"line {line}: train.emotion.bach_size"):
        params.load(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "    eye_distance: [80, 10]  # px",
            r"validate.keypoints.eye_distance = \[80, 10\]: \[lowest, highest\] is needed; .* the other way round",
        ),
        ("    class_share: [0.6, 0.005]", r"validate.emotion.class_share = \[0.6, 0.005\]: .* the other way round"),
        ("    class_share: [0.005, 1.6]", r"validate.emotion.class_share.1 = 1.6: Input should be less than or equal"),
        ("    class_share: [0.005]", r"validate.emotion.class_share"),
        ("    eye_distance: [-1, 80]", "validate.keypoints.eye_distance.0 = -1: Input should be greater than"),
        (
            "    classes: [sad, anger, sad]",
            r"prepare.emotion.classes = \['sad', 'anger', 'sad'\]: sad stands there twice; remove one$",
        ),
        ("    label_set: five  # or fer2013", "validate.emotion.label_set = 'five': Input should be 'course' or 'fer"),
    ],
)
def test_a_wrong_bound_or_class_is_named_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    key = line.split(":")[0]
    lines = [line if each.startswith(f"{key}:") else each for each in TEXT.splitlines()]
    assert sum(each == line for each in lines) == 1
    path = tmp_path / "params.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(params.SettingsError, match=rf"^{path}, line {lines.index(line) + 1}: {message}"):
        params.load(path)


def test_bounds_may_be_equal_and_brightness_absent(tmp_path: Path) -> None:
    assert params.load(write(tmp_path, "[10, 80]", "[40, 40]")).validate_.keypoints.eye_distance == (40, 40)
    path = write(tmp_path, "brightness: [1.5, 2.0]", "brightness: null")
    assert params.load(path).prepare.keypoints.augment.brightness is None


def test_classes_and_label_sets_are_those_of_the_labels() -> None:
    names = [name for names in LABEL_SETS.values() for name in names]
    assert set(get_args(params.Emotion)) == set(names)
    assert list(get_args(params.ValidateEmotion.model_fields["label_set"].annotation)) == list(LABEL_SETS)
    ours = params.load(ROOT / "params.yaml")
    assert ours.prepare.emotion.classes == LABEL_SETS[ours.validate_.emotion.label_set]


def test_a_class_that_the_label_set_lacks_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "classes: [anger,", "classes: [fear, anger,")
    with pytest.raises(
        params.SettingsError, match=r"^\S+params.yaml: prepare.emotion.classes names fear, .* course"
    ) as caught:
        params.load(path)
    assert len(str(caught.value)) < 400
    path.write_text(path.read_text().replace("label_set: course", "label_set: fer2013"))
    assert params.load(path).prepare.emotion.classes[0] == "fear"
    names = [name for name in LABEL_SETS["fer2013"] if name not in LABEL_SETS["course"]]
    assert names == list(params.NOT_IN_COURSE)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("emotion: data/sample/emotion.csv", "emotion: data/mine.csv", "there is no such file"),
        (
            "emotion: data/sample/emotion.csv",
            "emotion: data/quarantine/emotion.csv",
            "the stage validate makes it anew",
        ),
        ("keypoints: data/sample/keypoints.csv", "keypoints: data/raw/keypoints.csv", "the stage ingest makes it anew"),
        ("input: data/prepared/emotion/test.npz", "input: data/scored/faces.npz", "the stage score makes it anew"),
        ("input: data/prepared/emotion/test.npz", "input: data/quarantine/emotion.csv", None),
        ("emotion: data/sample/emotion.csv", "emotion: https://example.org/emotion.csv", None),
    ],
)
def test_a_source_is_there_or_made_by_a_stage_before(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    lines = params.wrong_sources(params.load(write(tmp_path, old, new)), ROOT / "dvc.yaml")
    assert len(lines) == (message is not None)
    assert all(str(message) in line and new.split(": ")[1] in line for line in lines)


def test_an_absent_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(params.SettingsError, match="run from the project's folder"):
        params.load(tmp_path / "params.yaml")


def test_absent_raw_tables_are_found_before_any_work(tmp_path: Path) -> None:
    path = write(tmp_path, "emotion: data/sample/emotion.csv", "emotion: nowhere/faces.csv")
    (line,) = params.wrong_sources(params.load(path), ROOT / "dvc.yaml")
    assert "ingest.emotion = 'nowhere/faces.csv'" in line
