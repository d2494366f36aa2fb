"""A wrong setting fails before any work, by file, line, name and remedy."""

import re
import shutil
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

import params
from faces.common.schema import LABEL_ENCODINGS
from params.renamed import RENAMED
from tests.conftest import ROOT, copy_settings, set_params

ONE_EACH = "widths and depths need one number per stage each, and at least two stages$"
OF_ITS_OWN = "the original architecture has a fixed size; remove widths, depths, dropout, stem_stride$"
PARAMS, DATASET, RECIPE = "params.yaml", "conf/dataset/sample.yaml", "conf/recipe/sample.yaml"
DETECTOR = "detector: {name: centerface, threshold: 0.2, tile_px: null}"
RECIPES = ["full", "original", "quick", "sample", "student"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the project's settings, of the data set and the recipe `sample`."""
    copy_settings(tmp_path)
    return tmp_path


def change(folder: Path, file: str, old: str, new: str) -> int:
    """Replace the first `old` in a settings file; returns its line."""
    before, found, after = (folder / file).read_text().partition(old)
    assert found
    (folder / file).write_text(before + new + after)
    return before.count("\n") + 1 + (len(old) - len(old.lstrip("\n")))


def lines_of_error(folder: Path) -> list[str]:
    """The lines of the error that loading raises, each without the folder's name."""
    with pytest.raises(params.SettingsError) as caught:
        params.load(folder)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_the_project_s_own_settings_are_valid_and_frozen() -> None:
    settings = params.load(ROOT)
    with pytest.raises(ValidationError, match="frozen"):
        settings.recipe.emotion.student.epochs = 99
    with pytest.raises(ValidationError, match="frozen"):
        settings.recipe_name = "full"


def test_each_name_chooses_its_file(folder: Path) -> None:
    assert params.presets(folder, "recipe") == RECIPES
    assert params.presets(folder, "dataset") == ["fer2013", "sample"]
    settings = params.load(folder)
    assert (settings.dataset_name, settings.recipe_name) == ("sample", "sample")
    set_params(folder, dataset="fer2013", recipe="full")
    chosen = params.load(folder)
    assert (chosen.dataset_name, chosen.recipe_name) == ("fer2013", "full")
    assert chosen.dataset.validate_.emotion.label_encoding == "fer2013"
    assert chosen.recipe.emotion.student.epochs > settings.recipe.emotion.student.epochs
    assert chosen.sample == settings.sample


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_is_valid(recipe: str) -> None:
    chosen = params.load(ROOT, recipe=recipe).recipe
    for settings in (chosen.keypoints.student, chosen.emotion.student):
        assert settings.architecture.name == ("original" if recipe == "original" else "resnet")
        assert (settings.distillation is not None) == (recipe == "student")


@pytest.mark.parametrize("recipe", [name for name in RECIPES if name != "original"])
def test_the_key_point_faces_halve_evenly_in_every_stage(recipe: str) -> None:
    """96 px, by the stem and by each stage after the first."""
    model = params.load(ROOT, recipe=recipe).recipe.keypoints.student.architecture
    assert 96 % (model.stem_stride * 2 ** (len(model.widths) - 1)) == 0


def test_real_faces_have_the_predefined_split_and_the_classes_that_are_released() -> None:
    emotion = params.load(ROOT, dataset="fer2013").dataset.prepare.emotion
    assert emotion.split.strategy == "predefined"
    assert set(emotion.train_classes) == set(LABEL_ENCODINGS["fer2013"])
    assert emotion.output_classes == LABEL_ENCODINGS["course"]


@pytest.mark.parametrize("kind", ["dataset", "recipe"])
def test_a_preset_of_a_user_s_own_is_a_copied_file(folder: Path, kind: str) -> None:
    shutil.copy(folder / f"conf/{kind}/sample.yaml", folder / f"conf/{kind}/my-own.v2.yaml")
    set_params(folder, **{kind: "my-own.v2"})
    assert getattr(params.load(folder), f"{kind}_name") == "my-own.v2"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (RECIPE, "  epochs: 7\n", "  epohcs: 12\n", r"keypoints.student.epohcs is no setting; did you mean epochs\?$"),
        (RECIPE, "    epochs: 7\n", "", r"keypoints.student.epochs is missing; add it$"),
        (RECIPE, "depths: [1, 1, 1, 1]", "depths: [1, 1, 1]", r"keypoints.student.architecture = .*: " + ONE_EACH),
        (RECIPE, "widths: [24, 48, 96], depths: [1, 1, 1]", "widths: [24], depths: [1]", ONE_EACH),
        (RECIPE, "widths: [24, 48, 96], depths: [1, 1, 1], ", "", r"emotion.student.architecture = .*: " + ONE_EACH),
        (RECIPE, "{name: resnet,", "{name: original,", OF_ITS_OWN),
        (RECIPE, "name: resnet", "name: vit", "architecture.name = 'vit': Input should be 'resnet', 'original' or"),
        (RECIPE, "widths: [16,", "widths: [1,", "architecture.widths.0 = 1: Input should be greater than"),
        (RECIPE, "widths: [16, 24, 48, 64]", "widths: [8, 8, 8, 8, 8, 8]", "keypoints.student.architecture.widths"),
        (RECIPE, "dropout: 0.0", "dropout: 1.0", "keypoints.student.architecture.dropout = 1.0"),
        (RECIPE, "name: adamw", "name: sgd", "keypoints.student.optimizer.name = 'sgd': .* 'adamw' or 'adam"),
        (RECIPE, "warmup_ratio: 0.1", "warmup_ratio: 1.0", "optimizer.warmup_ratio = 1.0: Input should be less than 1"),
        (RECIPE, "ema_decay: 0.97", "ema_decay: 1.0", "optimizer.ema_decay = 1.0: Input should be less than 1"),
        (RECIPE, "learning_rate: 4.0e-3", "learning_rate: .nan", "keypoints.student.optimizer.learning_rate"),
        (RECIPE, "{name: adamw", "{name: adam", "adam uses neither warmup_ratio nor weight_decay; set both to 0"),
        (RECIPE, "patience: 7", "patience: 0", "keypoints.student.patience = 0: Input should be greater than"),
        (RECIPE, "loss: smooth_l1", "loss: l2", "keypoints.student.loss = 'l2': .* 'smooth_l1', 'wing' or 'mse'"),
        (
            RECIPE,
            "{label_smoothing: 0.1,",
            "{label_smoothing: 1.0,",
            "loss.label_smoothing = 1.0: Input should be less",
        ),
        (RECIPE, "scale: [0.9, 1.1]", "scale: [1.1, 0.9]", "augmentation.scale = .* the other way round"),
        (RECIPE, "scale: [0.9, 1.1]", "scale: [0, 1.1]", "augmentation.scale.0 = 0: Input should be gr"),
        (RECIPE, "random_erasing: 0.1", "random_erasing: 1.1", "random_erasing = 1.1: Input should be less than or"),
        (
            RECIPE,
            "random_erasing: 0.1}",
            "random_erasing: 0.1, mixup_alpha: 0.2}",
            "keypoints.student.augmentation.mixup_alpha is no setting; remove it",
        ),
        (RECIPE, "mixup_alpha: 0.0", "mixup_alpha: -1", "emotion.student.augmentation.mixup_alpha = -1: Input should"),
        (RECIPE, "corruption_samples: 300", "corruption_samples: 0", "evaluate.keypoints.corruption_samples = 0"),
        (RECIPE, "flip_tta: false ", "flip_tta: twice ", "evaluate.keypoints.flip_tta = 'twice'"),
        (RECIPE, "num_examples: 16", "num_examples: 0", "report.keypoints.num_examples = 0"),
        (RECIPE, "\nevaluate:", "\nevalaute:", r"line \d+: evalaute is no setting; did you mean evaluate\?$"),
        (RECIPE, "\nreport:", "\nreport: 4\nrest:", r"line \d+: report = 4: a section with keys is needed"),
        (
            RECIPE,
            "\nemotion:\n  teachers: {}\n  student:",
            "\nemotion:\n  teachers: {}\n  learner:",
            r"line \d+: emotion.student is missing; add it",
        ),
        (DATASET, "\ngate:", "\ngaet:", r"line \d+: gaet is no setting; did you mean gate\?$"),
        (DATASET, "seed: 20261", "sede: 20261", r"line \d+: sample.sede is no setting; did you mean seed\?$"),
        (DATASET, "label_encoding: course", "label_encoding: cours", "label_encoding = 'cours': Input should be 'cour"),
        (
            DATASET,
            "val_size: 0.15, test_size: 0.15",
            "val_size: 0.5, test_size: 0.5",
            "leave less than 0.2 of the rows",
        ),
        (DATASET, "brightness: null", "brightness: [2.5, 2.0]", "offline_augmentation.brightness = .* other way round"),
        (
            DATASET,
            "max_missing_fraction: 0.8",
            "max_missing_fraction: 1.8",
            "max_missing_fraction = 1.8: Input should be",
        ),
        (DATASET, "max_invalid_fraction: 0.05", "max_invalid_fraction: 5%", "validate.max_invalid_fraction = '5%'"),
        (DATASET, "min_rows: 50", "min_rows: 0", "validate.keypoints.min_rows = 0"),
        (DATASET, "min_pixel_std: 2.0", "min_pixel_std: -1", "validate.keypoints.min_pixel_std = -1"),
        (
            DATASET,
            "happiness, surprise]",
            "happiness, joy]",
            r"prepare.emotion.train_classes.4 = 'joy': Input should be",
        ),
        (DATASET, "[anger, disgust, sad, happiness, surprise]", "[anger]", "train_classes = .* at least 2 items"),
        (
            DATASET,
            "label_conflicts: keep",
            "label_conflicts: vote",
            "label_conflicts = 'vote': .* 'drop' or 'majority'",
        ),
        (
            PARAMS,
            "emotion: data/sample/emotion.csv",
            "emotion: s3://faces/e.csv",
            "a path, http:// or https:// is needed",
        ),
        (PARAMS, DETECTOR, "detector: {name: yunet, sha: ab}", r"score.detector.sha is no setting; did you m"),
        (PARAMS, DETECTOR, "detector: null", r"score.detector = None: the cascade is now {name: cascade}"),
        (PARAMS, DETECTOR, "detector: {file: y.onnx, sha256: ab}", r"score.detector = .*: YuNet is now {name: yu"),
        (PARAMS, DETECTOR, "detector: {name: yunet, threshold: 0.6}", r"score.detector = .*: yunet needs file; a"),
        (PARAMS, DETECTOR, "detector: {name: cascade, tile_px: 640}", r"tile_px is no setting of cascade; remove it"),
        (PARAMS, DETECTOR, "detector: {name: centre}", r"score.detector.name = 'centre': Input should be 'centerface'"),
        (PARAMS, "retries: {ingest: 2", "retries: {injest: 2", r"line \d+: pipeline.retries names injest, .* no stage"),
        (PARAMS, "\npromote:", "\npromote:\n  epochs: 3", r"promote.epochs is no setting; remove it"),
    ],
)
def test_a_wrong_setting_is_named(folder: Path, file: str, old: str, new: str, message: str) -> None:
    change(folder, file, old, new)
    lines = lines_of_error(folder)
    assert any(re.search(message, line) for line in lines), lines
    assert all(re.match(rf"{file}(, line \d+)?: ", line) for line in lines), lines


@pytest.mark.parametrize("file", [PARAMS, DATASET, RECIPE])
def test_a_file_that_is_no_yaml_is_named_with_its_line(folder: Path, file: str) -> None:
    with (folder / file).open("a") as handle:
        handle.write("wrong: 'it\n")
    (line,) = lines_of_error(folder)
    assert re.match(rf"{file}, line \d+: not valid YAML: ", line)
    (folder / file).write_bytes(b"a: \xff")
    (line,) = lines_of_error(folder)
    assert line == f"{file} is not valid YAML: it is not encoded in UTF-8"
    (folder / file).write_text("# nothing\n")
    (line,) = lines_of_error(folder)
    assert line == f"{file} has no settings; sections with keys are needed"
    (folder / file).write_text("a: 1\na: 2\n")
    (line,) = lines_of_error(folder)
    assert line.startswith(f'{file}, line 2: not valid YAML: found duplicate key "a"')


@pytest.mark.parametrize(
    ("file", "old", "new", "name"),
    [
        (RECIPE, "epochs: 9\n    batch_size: 64", "epohcs: 12\n    batch_size: 64", "emotion.student.epohcs"),
        (DATASET, "min_accuracy", "min_acuracy", "gate.emotion.min_acuracy"),
        (PARAMS, "retry_delay_seconds", "retry_delay_secnds", "pipeline.retry_delay_secnds"),
        (DATASET, "class_fraction: [0.005, 0.6]", "class_fraction: [0.6, 0.005]", "validate.emotion.class_fraction"),
        (DATASET, "class_fraction: [0.005, 0.6]", "class_fraction: [0.005]", "validate.emotion.class_fraction.1"),
        (DATASET, "[10, 80]", "[-1, 80]", "validate.keypoints.interocular_distance_px.0"),
        (
            DATASET,
            "train_classes: [anger, disgust, sad, happiness, surprise]",
            "train_classes: [sad, anger, sad]",
            "prepare.emotion.train_classes",
        ),
    ],
)
def test_the_line_is_that_of_the_key(folder: Path, file: str, old: str, new: str, name: str) -> None:
    number = change(folder, file, old, new)
    (line,) = lines_of_error(folder)
    assert line.startswith(f"{file}, line {number}: {name} ")


def test_a_missing_key_is_named_with_the_line_of_its_section(folder: Path) -> None:
    change(folder, RECIPE, "    epochs: 9\n    batch_size: 64\n", "    batch_size: 64\n")
    text = (folder / RECIPE).read_text()
    section = text[: text.index("  student:", text.index("\nemotion:"))].count("\n") + 1
    assert lines_of_error(folder) == [f"{RECIPE}, line {section}: emotion.student.epochs is missing; add it"]


def test_everything_wrong_is_told_at_once(folder: Path) -> None:
    change(folder, PARAMS, "shard_size: 512", "shard_size: 0")
    change(folder, DATASET, "min_accuracy: 0.80", "min_accuracy: 80")
    change(folder, RECIPE, "patience: 7", "patience: 0")
    assert [line.split(",")[0] for line in lines_of_error(folder)] == [PARAMS, DATASET, RECIPE]


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("recipe", "ful", "did you mean full? name one of full, original, quick, sample, student, or copy one of"),
        ("recipe", "distilled", "it is now student; conf/recipe has no preset of this name"),
        (
            "dataset",
            "../dataset/sample",
            "conf/dataset has no preset of this name; name one of fer2013, sample, or copy",
        ),
        ("dataset", "..", "conf/dataset has no preset of this name"),
        ("recipe", "sample.yaml", "conf/recipe has no preset of this name; did you mean sample?"),
        ("recipe", "", "conf/recipe has no preset of this name"),
        ("recipe", 5, "Input should be a valid string"),
        ("dataset", None, "Input should be a valid string"),
    ],
)
def test_an_unknown_preset_is_refused_with_those_there_are(folder: Path, kind: str, name: object, message: str) -> None:
    (folder / "conf/dataset.yaml").touch()
    text = (folder / PARAMS).read_text()
    number = text[: text.index(f"\n{kind}:") + 1].count("\n") + 1
    value = "" if name is None else repr(name)
    (folder / PARAMS).write_text(re.sub(rf"^{kind}: sample", f"{kind}: {value}", text, flags=re.M))
    (line,) = lines_of_error(folder)
    assert line.startswith(f"{PARAMS}, line {number}: {kind} = {name!r}: ")
    assert message in line


@pytest.mark.parametrize("kind", ["dataset", "recipe"])
def test_a_missing_choice_is_told_with_the_presets(folder: Path, kind: str) -> None:
    text = (folder / PARAMS).read_text()
    (folder / PARAMS).write_text(re.sub(rf"^{kind}: .*\n", "", text, flags=re.M))
    known = ", ".join(params.presets(folder, kind))
    assert lines_of_error(folder) == [f"{PARAMS}: {kind} is missing; add it, with one of {known}"]
    (folder / PARAMS).write_text(re.sub(rf"^{kind}: ", f"{kind}s: ", text, flags=re.M))
    (line,) = lines_of_error(folder)
    assert line.endswith(f"{kind}s is no setting; did you mean {kind}?")


def test_without_presets_the_remedy_is_to_restore_them(folder: Path) -> None:
    (folder / DATASET).rename(folder / "conf/dataset/mine.yaml")
    set_params(folder, dataset="fer2013")
    assert lines_of_error(folder) == [
        f"{DATASET} is missing; run from the project's folder, or `git restore {DATASET}`"
    ]
    shutil.rmtree(folder / "conf/recipe")
    assert "conf/recipe has no presets; `git restore conf`" in lines_of_error(folder)
    shutil.rmtree(folder / "conf")
    assert lines_of_error(folder) == ["conf is missing; run from the project's folder, or `git restore conf`"]
    (folder / PARAMS).unlink()
    assert f"{PARAMS} is missing; run from the project's folder, or `git restore {PARAMS}`" in lines_of_error(folder)


@pytest.mark.parametrize("absent", params.MODELS)
def test_a_recipe_for_only_one_model_is_refused(folder: Path, absent: str) -> None:
    text = (folder / RECIPE).read_text()
    (folder / RECIPE).write_text(re.sub(rf"^{absent}:\n(  .*\n)+", "", text, flags=re.M))
    assert lines_of_error(folder) == [
        f"{RECIPE}: {absent} is missing; a recipe has a section for each model, keypoints and emotion; add it"
    ]


@pytest.mark.parametrize(
    ("file", "added", "message"),
    [
        (PARAMS, "gate: {}\n", f"gate belongs in {DATASET}; move it there"),
        (PARAMS, "sample: {}\n", f"sample belongs in {DATASET}; move it there"),
        (PARAMS, "emotion: {}\n", f"emotion belongs in {RECIPE}; move it there"),
        (PARAMS, "evaluate: {}\n", f"evaluate belongs in {RECIPE}; move it there"),
        (PARAMS, "learning_rate: 1\n", "learning_rate is no setting; remove it"),
        (
            PARAMS,
            "min_accuracy: 1\n",
            f"min_accuracy is no setting of this file; gate.emotion.min_accuracy in {DATASET} is",
        ),
        (DATASET, "recipe: full\n", f"recipe belongs in {PARAMS}; move it there"),
        (DATASET, "emotion: {}\n", f"emotion belongs in {RECIPE}; move it there"),
        (RECIPE, "prepare: {}\n", f"prepare belongs in {DATASET}; move it there"),
        (RECIPE, "score: {}\n", f"score belongs in {PARAMS}; move it there"),
        (
            RECIPE,
            "learning_rate: 1\n",
            "learning_rate is no setting; did you mean keypoints.student.optimizer.learning_rate?",
        ),
    ],
)
def test_a_key_in_the_wrong_file_is_told_where_it_belongs(folder: Path, file: str, added: str, message: str) -> None:
    with (folder / file).open("a") as handle:
        handle.write(added)
    number = len((folder / file).read_text().splitlines())
    assert lines_of_error(folder) == [f"{file}, line {number}: {message}"]


def test_settings_of_the_previous_layout_are_told_what_replaces_them(folder: Path) -> None:
    """Alone, without the names of presets, and beside the new keys."""
    old = "train:\n  recipe: distilled\nprepare:\n  emotion: {}\n"
    train = "train is now recipe: NAME in params.yaml, and MODEL.student in conf/recipe/NAME.yaml"
    text = (folder / PARAMS).read_text()
    (folder / PARAMS).write_text(text + old)
    lines = lines_of_error(folder)
    assert len(lines) == 2
    assert any(train in line for line in lines)
    assert any(line.endswith(f"prepare belongs in {DATASET}; move it there") for line in lines)
    (folder / PARAMS).write_text(re.sub(r"^(dataset|recipe): .*\n", "", text, flags=re.M) + old)
    lines = lines_of_error(folder)
    assert len(lines) == 4
    assert any(train in line for line in lines)
    assert any(line.endswith("prepare belongs in conf/dataset/NAME.yaml; move it there") for line in lines)
    assert any("dataset is missing; add it, with one of fer2013, sample" in line for line in lines)


def test_a_copied_section_that_nothing_reads_may_not_differ(folder: Path) -> None:
    shutil.copy(folder / DATASET, folder / "conf/dataset/mine.yaml")
    set_params(folder, dataset="mine")
    number = change(folder, "conf/dataset/mine.yaml", "seed: 20261", "seed: 20262") - 1
    assert lines_of_error(folder) == [
        f"conf/dataset/mine.yaml, line {number}: sample differs from that of {DATASET}, the only one that is read; "
        "remove it here"
    ]
    set_params(folder, sample__seed=20262)
    assert params.load(folder).sample.seed == 20262


def test_bounds_may_be_equal_and_brightness_absent(folder: Path) -> None:
    set_params(folder, validate__keypoints__interocular_distance_px=[40, 40])
    assert params.load(folder).dataset.validate_.keypoints.interocular_distance_px == (40, 40)
    assert params.load(folder).dataset.prepare.keypoints.offline_augmentation.brightness is None
    set_params(folder, prepare__keypoints__offline_augmentation__brightness=[2, 2])
    assert params.load(folder).dataset.prepare.keypoints.offline_augmentation.brightness == (2, 2)


def test_classes_and_label_sets_are_those_of_the_labels() -> None:
    names = [name for names in LABEL_ENCODINGS.values() for name in names]
    assert set(get_args(params.Emotion)) == set(names)
    assert list(get_args(params.ValidateEmotion.model_fields["label_encoding"].annotation)) == list(LABEL_ENCODINGS)
    ours = params.load(ROOT).dataset
    assert ours.prepare.emotion.train_classes == LABEL_ENCODINGS[ours.validate_.emotion.label_encoding]


def test_a_class_that_the_label_set_lacks_is_refused(folder: Path) -> None:
    number = change(folder, DATASET, "train_classes: [anger,", "train_classes: [fear, anger,")
    (line,) = lines_of_error(folder)
    assert line.startswith(f"{DATASET}, line {number}: prepare.emotion.train_classes names fear, ")
    set_params(folder, validate__emotion__label_encoding="fer2013")
    assert params.load(folder).dataset.prepare.emotion.train_classes[0] == "fear"
    names = [name for name in LABEL_ENCODINGS["fer2013"] if name not in LABEL_ENCODINGS["course"]]
    assert names == list(params.NOT_IN_COURSE)


@pytest.mark.parametrize(
    ("setting", "source", "message"),
    [
        ("ingest__emotion", "data/mine.csv", "there is no such file"),
        ("ingest__emotion", "data/quarantine/emotion.csv", "the stage validate makes it anew"),
        ("ingest__keypoints", "data/raw/keypoints.csv", "the stage ingest makes it anew"),
        ("score__input", "data/scored/faces.npz", "the stage score makes it anew"),
        ("score__input", "data/quarantine/emotion.csv", None),
        ("ingest__emotion", "https://example.org/emotion.csv", None),
    ],
)
def test_a_source_is_there_or_made_by_a_stage_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch, setting: str, source: str, message: str | None
) -> None:
    set_params(folder, **{setting: source})
    shutil.copy(ROOT / "dvc.yaml", folder)
    monkeypatch.chdir(folder)
    lines = params.wrong_sources(params.load())
    assert lines == ([] if message is None else [lines[0]])
    assert all(f"{PARAMS}: {setting.replace('__', '.')} = {source!r}: {message}" in line for line in lines)
    if message:
        with pytest.raises(params.SettingsError, match=message):
            params.check()
    else:
        params.check()


def test_an_absent_pretrained_file_is_found_before_any_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    set_params(folder, recipe="student")
    assert params.wrong_sources(params.load(), ROOT / "dvc.yaml") == []
    path = "models/pretrained/emotion/absent.keras"
    set_params(folder, emotion__student__init_from=path, emotion__teachers__large__init_from=path)
    set_params(folder, emotion__student__distillation__predictions=["wide"])
    backbone = {"name": "backbone", "file": path, "input_size": 160}
    set_params(folder, emotion__teachers__large__architecture=backbone)
    lines = params.wrong_sources(params.load(), ROOT / "dvc.yaml")
    keys = ("teachers.large.init_from", "teachers.large.architecture.file", "student.init_from")
    assert lines == [
        *(
            f"conf/recipe/student.yaml: emotion.{key} = {path!r}: there is no such file; correct the path"
            for key in keys
        ),
        "conf/recipe/student.yaml: emotion.student.distillation.predictions.wide = "
        "'models/pretrained/teachers/emotion/wide': there is no such file; correct the path",
    ]


LARGE = {"name": "resnet", "widths": [4, 8], "depths": [1, 1]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teachers": {}}, "student.distillation needs a teacher: one in teachers, or one in predictions"),
        ({"student__distillation": None}, "teachers would be trained and not used; give student a distillation"),
        ({"student__distillation__predictions": ["large"]}, "predictions names large, which is one of teachers"),
        ({"teachers__large__init_from": "teacher"}, "teachers.large.init_from = 'teacher' is for the student"),
        ({"student__epochs": 0}, "epochs: 0 takes the weights of init_from unchanged"),
        (
            {"student__init_from": "models/released/emotion.keras"},
            "a file models/pretrained/MODEL/NAME.keras is needed",
        ),
        ({"student__init_from": "models/pretrained/../x.keras"}, "a file models/pretrained/MODEL/NAME.keras is needed"),
        ({"student__init_from": "teacher", "student__ensemble_size": 2}, "set ensemble_size to 1"),
        ({"teachers__large__architecture": {"name": "backbone"}}, "a backbone needs file"),
        ({"teachers__large__architecture": {**LARGE, "frozen": False}}, "only a backbone has file, layer, input_size"),
        ({"student__distillation__sha256": "0"}, "student.distillation.sha256 is now recorded by DVC in dvc.lock"),
        ({"student__distillation__init_from_teacher": True}, "is now MODEL.student.init_from: teacher"),
        ({"teachers__large__epoch": 3}, r"teachers.large.epoch is no setting; did you mean epochs\?"),
        ({"student__distillation__cached_epoch": 3}, r"is no setting; did you mean cached_epochs\?"),
    ],
)
def test_teachers_and_weights_that_make_no_sense_are_refused(
    folder: Path, changes: dict[str, object], message: str
) -> None:
    set_params(folder, recipe="student")
    set_params(folder, **{f"emotion__{key}": value for key, value in changes.items()})
    lines = lines_of_error(folder)
    assert any(re.search(message, line) for line in lines), lines
    assert all(line.startswith("conf/recipe/student.yaml, line ") for line in lines), lines


@pytest.mark.parametrize(("key", "none"), [("teachers", "{}"), ("student__distillation", "null")])
def test_sections_that_dvc_needs_are_asked_for(folder: Path, key: str, none: str) -> None:
    path = folder / RECIPE
    lines = path.read_text().splitlines(keepends=True)
    name = key.rpartition("_")[2] + ":"
    first = next(number for number, line in enumerate(lines) if line.strip().startswith(name))
    path.write_text("".join(lines[:first] + lines[first + 1 :]))
    (line,) = lines_of_error(folder)
    assert f"keypoints.{key.replace('__', '.')} is missing; add it, {none} for none" in line


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            DATASET,
            "max_invalid_fraction:",
            "max_quarantined:",
            r"validate.max_quarantined is now max_invalid_fraction$",
        ),
        (RECIPE, "ensemble_size: 1  #", "members: 1  #", r"keypoints.student.members is now ensemble_size$"),
        (
            RECIPE,
            "architecture: {name: resnet",
            "network: {kind: resnet",
            r"student.network is now architecture, .* stem",
        ),
        (DATASET, "num_samples: {keypoints: 2000, emotion: 4000}", "emotion_rows: 4000", r"is now sample.num_samples"),
        (DATASET, "strategy: group,", "strategy: grouped,", r"'random'; 'grouped' is now 'group'$"),
        (RECIPE, "loss: smooth_l1", "loss: squared", r"'wing' or 'mse'; 'squared' is now 'mse'$"),
        (PARAMS, "p_value: 0.001", "max_p: 0.001", r"score.drift.max_p is now p_value$"),
        (
            PARAMS,
            "  max_crop_px: 128",
            "  num_examples: 24\n  max_crop_px: 128",
            r"is now report_predictions.num_examples$",
        ),
        (RECIPE, "corruption_samples: 300", "num_examples: 16", r"num_examples is now report.MODEL.num_examples$"),
    ],
)
def test_a_key_of_an_earlier_version_is_refused_with_its_new_name(
    folder: Path, file: str, old: str, new: str, message: str
) -> None:
    number = change(folder, file, old, new)
    (line,) = lines_of_error(folder)
    assert line.startswith(f"{file}, line {number}: ")
    assert re.search(message, line), line


def every_key() -> list[str]:
    models = params.schemas("sample", "sample").values()
    return [".".join(path) for model in models for path in params.key_paths(model)]


def test_no_key_of_an_earlier_version_is_a_key_of_today() -> None:
    """Else a right key would be told to be another."""
    today = every_key()
    assert "emotion.student.loss.label_smoothing" in today
    assert [key for key in today if any(fnmatchcase(key, old) for old in RENAMED)] == []


def test_every_key_is_in_one_file() -> None:
    assert len(every_key()) == len(set(every_key()))


def test_an_absent_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(params.SettingsError, match="run from the project's folder"):
        params.load(tmp_path)
