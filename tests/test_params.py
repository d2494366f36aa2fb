"""A wrong setting fails before any work, by name, line and remedy."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

import params
from faces.common.schema import LABEL_ENCODINGS
from tests.conftest import ROOT

ONE_EACH = "widths and depths need one number per stage each, and at least two stages$"
OF_ITS_OWN = "the original architecture has a fixed size; remove widths, depths, dropout, stem_stride$"
TEXT = (ROOT / "params.yaml").read_text()


def write(tmp_path: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1))
    return path


def test_the_project_s_own_settings_are_valid_and_frozen() -> None:
    settings = params.load(ROOT / "params.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.sample.emotion.epochs = 99
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.recipe = "full"


@pytest.mark.parametrize("recipe", ["sample", "quick", "full", "distilled", "original"])
def test_the_recipe_s_name_chooses_what_is_trained(tmp_path: Path, recipe: str) -> None:
    train = params.load(write(tmp_path, "recipe: sample", f"recipe: {recipe}")).train
    assert train.chosen is getattr(train, recipe)
    for settings in (train.chosen.keypoints, train.chosen.emotion):
        assert settings.architecture.name == ("original" if recipe == "original" else "resnet")


@pytest.mark.parametrize("recipe", ["sample", "quick", "full", "distilled"])
def test_the_key_point_faces_halve_evenly_in_every_stage(recipe: str) -> None:
    """96 px, by the stem and by each stage after the first."""
    sample = getattr(params.load(ROOT / "params.yaml").train, recipe)
    model = sample.keypoints.architecture
    assert 96 % (model.stem_stride * 2 ** (len(model.widths) - 1)) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  epochs: 12\n",
            "  epohcs: 12\n",
            r"line \d+: train.sample.keypoints.epohcs is no setting; did you mean epochs\?",
        ),
        ("  epochs: 12\n", "  epohcs: 12\n", "train.sample.keypoints.epochs is missing; add it"),
        (
            "recipe: sample",
            "recipe: fast",
            "train.recipe = 'fast': Input should be 'sample', 'quick', 'full', 'distilled' or 'original'",
        ),
        ("  full:\n", "  ful:\n", r"line \d+: train.ful is no setting; did you mean full\?"),
        (
            "depths: [1, 1, 1, 1]",
            "depths: [1, 1, 1]",
            r"line \d+: train.sample.keypoints.architecture = .*: " + ONE_EACH,
        ),
        ("widths: [24, 48, 96], depths: [1, 1, 1]", "widths: [24], depths: [1]", ONE_EACH),
        ("widths: [24, 48, 96], depths: [1, 1, 1], ", "", r"train.sample.emotion.architecture = .*: " + ONE_EACH),
        ("{name: original}", "{name: original, widths: [8, 8], depths: [1, 1]}", OF_ITS_OWN),
        ("{name: original}", "{name: original, dropout: 0.2}", OF_ITS_OWN),
        (
            "name: resnet",
            "name: vit",
            "train.sample.keypoints.architecture.name = 'vit': Input should be 'resnet' or 'orig",
        ),
        (
            "widths: [16,",
            "widths: [1,",
            "train.sample.keypoints.architecture.widths.0 = 1: Input should be greater than",
        ),
        ("name: adamw", "name: sgd", "train.sample.keypoints.optimizer.name = 'sgd': .* 'adamw' or 'adam"),
        (
            "warmup_ratio: 0.1",
            "warmup_ratio: 1.0",
            "train.sample.keypoints.optimizer.warmup_ratio = 1.0: Input should be less than 1",
        ),
        (
            "ema_decay: 0.97",
            "ema_decay: 1.0",
            "train.sample.keypoints.optimizer.ema_decay = 1.0: Input should be less than 1",
        ),
        ("patience: 12", "patience: 0", "train.sample.keypoints.patience = 0: Input should be greater than"),
        ("loss: smooth_l1", "loss: l2", "train.sample.keypoints.loss = 'l2': .* 'smooth_l1', 'wing' or 'mse'"),
        (
            "{label_smoothing: 0.1,",
            "{label_smoothing: 1.0,",
            "train.sample.emotion.loss.label_smoothing = 1.0: Input should be less",
        ),
        (
            "scale: [0.9, 1.1]",
            "scale: [1.1, 0.9]",
            "train.sample.keypoints.augmentation.scale = .* the other way round",
        ),
        ("scale: [0.9, 1.1]", "scale: [0, 1.1]", "train.sample.keypoints.augmentation.scale.0 = 0: Input should be gr"),
        (
            "random_erasing: 0.1",
            "random_erasing: 1.1",
            "train.sample.keypoints.augmentation.random_erasing = 1.1: Input should be less than or",
        ),
        (
            "random_erasing: 0.1}",
            "random_erasing: 0.1, mixup_alpha: 0.2}",
            "train.sample.keypoints.augmentation.mixup_alpha is no setting; remove it",
        ),
        (
            "mixup_alpha: 0.0",
            "mixup_alpha: -1",
            "train.sample.emotion.augmentation.mixup_alpha = -1: Input should be greater than",
        ),
        ("\ngate:", "\ngaet:", r"line \d+: gaet is no setting; did you mean gate\?"),
        (
            "label_encoding: course",
            "label_encoding: cours",
            "validate.emotion.label_encoding = 'cours': Input should be 'course'",
        ),
        ("val_size: 0.15, test_size: 0.15", "val_size: 0.5, test_size: 0.5", "leave less than 0.2 of the rows"),
        (
            "brightness: null",
            "brightness: [2.5, 2.0]",
            "prepare.keypoints.offline_augmentation.brightness = .* the other way round",
        ),
        ("corruption_samples: 1000", "corruption_samples: 0", "evaluate.keypoints.corruption_samples = 0"),
        ("flip_tta: false ", "flip_tta: twice ", "evaluate.keypoints.flip_tta = 'twice'"),
        ("dropout: 0.0", "dropout: 1.0", "train.sample.keypoints.architecture.dropout = 1.0"),
        ("learning_rate: 4.0e-3", "learning_rate: .nan", "train.sample.keypoints.optimizer.learning_rate"),
        ("{name: adamw", "{name: adam", "adam uses neither warmup_ratio nor weight_decay; set both to 0"),
        ("sample:", "sample: [", "not valid YAML"),
        (
            "max_missing_fraction: 0.8",
            "max_missing_fraction: 1.8",
            "validate.keypoints.max_missing_fraction = 1.8: Input should be less than",
        ),
        ("max_invalid_fraction: 0.05", "max_invalid_fraction: 5%", "validate.max_invalid_fraction = '5%'"),
        ("min_rows: 50", "min_rows: 0", "validate.keypoints.min_rows = 0"),
        ("min_pixel_std: 2.0", "min_pixel_std: -1", "validate.keypoints.min_pixel_std = -1"),
        (
            "happiness, surprise]",
            "happiness, joy]",
            r"prepare.emotion.train_classes.4 = 'joy': Input should be 'anger', .*'",
        ),
        (
            "[anger, disgust, sad, happiness, surprise]",
            "[anger]",
            "prepare.emotion.train_classes = .* at least 2 items",
        ),
        (
            "label_conflicts: keep",
            "label_conflicts: vote",
            "prepare.emotion.duplicates.label_conflicts = 'vote': .* 'drop' or 'majority'",
        ),
        ("widths: [16, 24, 48, 64]", "widths: [8, 8, 8, 8, 8, 8]", "train.sample.keypoints.architecture.widths"),
        ("emotion: data/sample/emotion.csv", "emotion: s3://faces/e.csv", "a path, http:// or https:// is needed"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, old, new)
    with pytest.raises(params.SettingsError, match=message) as caught:
        params.load(path)
    assert str(path) in str(caught.value)


def test_the_line_is_that_of_the_key(tmp_path: Path) -> None:
    path = write(tmp_path, "epochs: 12\n      batch_size: 64", "epohcs: 12\n      batch_size: 64")
    (line,) = [number for number, text in enumerate(path.read_text().splitlines(), start=1) if "epohcs" in text]
    message = rf"^{path}, line {line}: train.sample.emotion.epohcs is no setting; did you mean epochs\?$"
    with pytest.raises(params.SettingsError, match=re.compile(message, re.MULTILINE)):
        params.load(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "    interocular_distance_px: [80, 10]  # px",
            r"validate.keypoints.interocular_distance_px = \[80, 10\]: \[lowest, .*; these stand the other way round$",
        ),
        (
            "    class_fraction: [0.6, 0.005]",
            r"validate.emotion.class_fraction = \[0.6, 0.005\]: .* the other way round",
        ),
        (
            "    class_fraction: [0.005, 1.6]",
            r"validate.emotion.class_fraction.1 = 1.6: Input should be less than or equal",
        ),
        ("    class_fraction: [0.005]", r"validate.emotion.class_fraction"),
        (
            "    interocular_distance_px: [-1, 80]",
            "validate.keypoints.interocular_distance_px.0 = -1: Input should be greater than",
        ),
        (
            "    train_classes: [sad, anger, sad]",
            r"prepare.emotion.train_classes = \['sad', 'anger', 'sad'\]: sad stands there twice; remove one$",
        ),
        (
            "    label_encoding: five  # or fer2013",
            "validate.emotion.label_encoding = 'five': Input should be 'course' or 'fer",
        ),
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
    assert params.load(write(tmp_path, "[10, 80]", "[40, 40]")).validate_.keypoints.interocular_distance_px == (40, 40)
    assert params.load(
        write(tmp_path, "brightness: null", "brightness: [2, 2]")
    ).prepare.keypoints.offline_augmentation.brightness
    assert params.load(ROOT / "params.yaml").prepare.keypoints.offline_augmentation.brightness is None


def test_classes_and_label_sets_are_those_of_the_labels() -> None:
    names = [name for names in LABEL_ENCODINGS.values() for name in names]
    assert set(get_args(params.Emotion)) == set(names)
    assert list(get_args(params.ValidateEmotion.model_fields["label_encoding"].annotation)) == list(LABEL_ENCODINGS)
    ours = params.load(ROOT / "params.yaml")
    assert ours.prepare.emotion.train_classes == LABEL_ENCODINGS[ours.validate_.emotion.label_encoding]


def test_a_class_that_the_label_set_lacks_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "train_classes: [anger,", "train_classes: [fear, anger,")
    with pytest.raises(
        params.SettingsError, match=r"^\S+params.yaml: prepare.emotion.train_classes names fear, .* course"
    ) as caught:
        params.load(path)
    assert len(str(caught.value)) < 400
    path.write_text(path.read_text().replace("label_encoding: course", "label_encoding: fer2013"))
    assert params.load(path).prepare.emotion.train_classes[0] == "fear"
    names = [name for name in LABEL_ENCODINGS["fer2013"] if name not in LABEL_ENCODINGS["course"]]
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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "max_invalid_fraction:",
            "max_quarantined:",
            r"line \d+: validate.max_quarantined is now max_invalid_fraction$",
        ),
        ("ensemble_size: 1  #", "members: 1  #", r"line \d+: train.sample.keypoints.members is now ensemble_size$"),
        (
            "architecture: {name: resnet",
            "network: {kind: resnet",
            r"keypoints.network is now architecture, .* stem_stride",
        ),
        (
            "num_samples: {keypoints: 2000, emotion: 4000}",
            "emotion_rows: 4000",
            r"sample.emotion_rows is now sample.num_sam",
        ),
        ("strategy: group,", "strategy: grouped,", r"'random'; 'grouped' is now 'group'$"),
        ("loss: mse", "loss: squared", r"'wing' or 'mse'; 'squared' is now 'mse'$"),
        ("p_value: 0.001", "max_p: 0.001", r"score.drift.max_p is now p_value$"),
        (
            "pixel_baseline_rows: 4000",
            "pixel_baseline_rows: 4000\n    num_examples: 32",
            r"evaluate.emotion.num_examples is now num_examples in the section report$",
        ),
    ],
)
def test_a_key_of_an_earlier_version_is_refused_with_its_new_name(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(params.SettingsError) as caught:
        params.load(write(tmp_path, old, new))
    assert re.search(message, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)


def test_no_key_of_an_earlier_version_is_a_key_of_today() -> None:
    """Else a right key would be told to be another."""

    def keys(model: type[params.Settings], name: str) -> Iterator[str]:
        for key, field in model.model_fields.items():
            inner, path = field.annotation, f"{name}{field.alias or key}"
            yield path
            if isinstance(inner, type) and issubclass(inner, params.Settings):
                yield from keys(inner, f"{path}.")

    today = list(keys(params.Params, ""))
    assert "train.sample.emotion.loss.label_smoothing" in today
    assert [key for key in today if any(fnmatchcase(key, old) for old in params.RENAMED)] == []


def test_an_absent_teacher_is_found_before_any_work(tmp_path: Path) -> None:
    path = write(tmp_path, "file: models/released/emotion.keras", "file: models/trained/emotion.keras")
    assert params.wrong_sources(params.load(path), ROOT / "dvc.yaml") == []
    path.write_text(path.read_text().replace("recipe: sample", "recipe: distilled"))
    (line,) = params.wrong_sources(params.load(path), ROOT / "dvc.yaml")
    assert "train.distilled.emotion.distillation.file" in line
    assert "the stage train makes it anew" in line


def test_an_absent_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(params.SettingsError, match="run from the project's folder"):
        params.load(tmp_path / "params.yaml")


def test_absent_raw_tables_are_found_before_any_work(tmp_path: Path) -> None:
    path = write(tmp_path, "emotion: data/sample/emotion.csv", "emotion: nowhere/faces.csv")
    (line,) = params.wrong_sources(params.load(path), ROOT / "dvc.yaml")
    assert "ingest.emotion = 'nowhere/faces.csv'" in line
