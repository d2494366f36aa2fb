"""A wrong setting fails before any work, by name, line and remedy."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

import params
from faces.common.schema import LABEL_SETS
from tests.conftest import ROOT

ONE_EACH = "widths and depths need one number a stage each, and two stages or more$"
OF_ITS_OWN = "the original network has sizes of its own; remove widths, depths, dropout and halvings$"
TEXT = (ROOT / "params.yaml").read_text()


def write(tmp_path: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    return path


def test_the_project_s_own_settings_are_valid_and_frozen() -> None:
    settings = params.load(ROOT / "params.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.sample.emotion.descent.epochs = 99
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.recipe = "full"


@pytest.mark.parametrize("recipe", ["sample", "quick", "full", "distilled", "original"])
def test_the_recipe_s_name_chooses_what_is_trained(tmp_path: Path, recipe: str) -> None:
    train = params.load(write(tmp_path, "recipe: sample", f"recipe: {recipe}")).train
    assert train.chosen is getattr(train, recipe)
    for settings in (train.chosen.keypoints, train.chosen.emotion):
        assert settings.network.kind == ("original" if recipe == "original" else "resnet")


@pytest.mark.parametrize("recipe", ["sample", "quick", "full", "distilled"])
def test_the_key_point_faces_halve_evenly_in_every_stage(recipe: str) -> None:
    """96 px, by the stem and by each stage after the first."""
    sample = getattr(params.load(ROOT / "params.yaml").train, recipe)
    network = sample.keypoints.network
    assert 96 % 2 ** (len(network.widths) - 1 + network.halvings) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "adamw, epochs:",
            "adamw, epohcs:",
            r"line \d+: train.sample.keypoints.descent.epohcs is no setting; did you mean epochs\?",
        ),
        ("adamw, epochs:", "adamw, epohcs:", "train.sample.keypoints.descent.epochs is missing; add it"),
        (
            "recipe: sample",
            "recipe: fast",
            "train.recipe = 'fast': Input should be 'sample', 'quick', 'full', 'distilled' or 'original'",
        ),
        ("  full:\n", "  ful:\n", r"line \d+: train.ful is no setting; did you mean full\?"),
        ("depths: [1, 1, 1, 1]", "depths: [1, 1, 1]", r"line \d+: train.sample.keypoints.network = .*: " + ONE_EACH),
        ("widths: [24, 48, 96], depths: [1, 1, 1]", "widths: [24], depths: [1]", ONE_EACH),
        ("widths: [24, 48, 96], depths: [1, 1, 1], ", "", r"train.sample.emotion.network = .*: " + ONE_EACH),
        ("{kind: original}", "{kind: original, widths: [8, 8], depths: [1, 1]}", OF_ITS_OWN),
        ("{kind: original}", "{kind: original, dropout: 0.2}", OF_ITS_OWN),
        ("kind: resnet", "kind: vit", "train.sample.keypoints.network.kind = 'vit': Input should be 'resnet' or 'orig"),
        ("widths: [16,", "widths: [1,", "train.sample.keypoints.network.widths.0 = 1: Input should be greater than"),
        ("optimizer: adamw", "optimizer: sgd", "train.sample.keypoints.descent.optimizer = 'sgd': .* 'adamw' or 'adam"),
        ("warmup: 0.1", "warmup: 1.0", "train.sample.keypoints.descent.warmup = 1.0: Input should be less than 1"),
        ("ema: 0.97", "ema: 1.0", "train.sample.keypoints.descent.ema = 1.0: Input should be less than 1"),
        ("patience: 12", "patience: 0", "train.sample.keypoints.descent.patience = 0: Input should be greater than"),
        ("loss: smooth_l1", "loss: l2", "train.sample.keypoints.loss = 'l2': .* 'smooth_l1', 'wing' or 'squared'"),
        ("{smoothing: 0.1,", "{smoothing: 1.0,", "train.sample.emotion.loss.smoothing = 1.0: Input should be less"),
        ("scale: [0.9, 1.1]", "scale: [1.1, 0.9]", "train.sample.keypoints.distortion.scale = .* the other way round"),
        ("scale: [0.9, 1.1]", "scale: [0, 1.1]", "train.sample.keypoints.distortion.scale.0 = 0: Input should be gr"),
        ("erase: 0.1", "erase: 1.1", "train.sample.keypoints.distortion.erase = 1.1: Input should be less than or"),
        ("erase: 0.1}", "erase: 0.1, mixup: 0.2}", "train.sample.keypoints.distortion.mixup is no setting; remove it"),
        ("mixup: 0.0", "mixup: -1", "train.sample.emotion.distortion.mixup = -1: Input should be greater than"),
        ("\ngate:", "\ngaet:", r"line \d+: gaet is no setting; did you mean gate\?"),
        ("label_set: course", "label_set: cours", "validate.emotion.label_set = 'cours': Input should be 'course'"),
        ("validation: 0.15, test: 0.15", "validation: 0.5, test: 0.5", "leave less than 0.2 of the rows"),
        ("brightness: null", "brightness: [2.5, 2.0]", "prepare.keypoints.augment.brightness = .* the other way round"),
        ("robustness_faces: 1000", "robustness_faces: 0", "evaluate.keypoints.robustness_faces = 0"),
        ("flip_averaging: false ", "flip_averaging: twice ", "evaluate.keypoints.flip_averaging = 'twice'"),
        ("dropout: 0.0", "dropout: 1.0", "train.sample.keypoints.network.dropout = 1.0"),
        ("learning_rate: 4.0e-3", "learning_rate: .nan", "train.sample.keypoints.descent.learning_rate"),
        ("{optimizer: adamw", "{optimizer: adam", "adam knows neither warmup nor weight_decay; set both to 0"),
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
        ("widths: [16, 24, 48, 64]", "widths: [8, 8, 8, 8, 8, 8]", "train.sample.keypoints.network.widths"),
        ("emotion: data/sample/emotion.csv", "emotion: s3://faces/e.csv", "a path, http:// or https:// is needed"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, old, new)
    with pytest.raises(params.SettingsError, match=message) as caught:
        params.load(path)
    assert str(path) in str(caught.value)


def test_the_line_is_that_of_the_key(tmp_path: Path) -> None:
    path = write(tmp_path, "epochs: 12, batch_size: 64", "epohcs: 12, batch_size: 64")
    (line,) = [number for number, text in enumerate(path.read_text().splitlines(), start=1) if "epohcs" in text]
    message = rf"^{path}, line {line}: train.sample.emotion.descent.epohcs is no setting; did you mean epochs\?$"
    with pytest.raises(params.SettingsError, match=re.compile(message, re.MULTILINE)):
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
    assert params.load(write(tmp_path, "brightness: null", "brightness: [2, 2]")).prepare.keypoints.augment.brightness
    assert params.load(ROOT / "params.yaml").prepare.keypoints.augment.brightness is None


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


def test_an_absent_teacher_is_found_before_any_work(tmp_path: Path) -> None:
    path = write(tmp_path, "file: models/released/emotion.keras", "file: models/trained/emotion.keras")
    assert params.wrong_sources(params.load(path), ROOT / "dvc.yaml") == []
    path.write_text(path.read_text().replace("recipe: sample", "recipe: distilled"))
    (line,) = params.wrong_sources(params.load(path), ROOT / "dvc.yaml")
    assert "train.distilled.emotion.teacher.file" in line
    assert "the stage train makes it anew" in line


def test_an_absent_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(params.SettingsError, match="run from the project's folder"):
        params.load(tmp_path / "params.yaml")


def test_absent_raw_tables_are_found_before_any_work(tmp_path: Path) -> None:
    path = write(tmp_path, "emotion: data/sample/emotion.csv", "emotion: nowhere/faces.csv")
    (line,) = params.wrong_sources(params.load(path), ROOT / "dvc.yaml")
    assert "ingest.emotion = 'nowhere/faces.csv'" in line
