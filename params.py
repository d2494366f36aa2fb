"""What can be set: `params.yaml` in a typed, frozen form. Unknown keys are refused, by name and line."""

import difflib
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

ModelName = Literal["keypoints", "emotion"]
MODELS: tuple[str, ...] = get_args(ModelName)

PARAMS = Path("params.yaml")

Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Shift = Annotated[float, Field(ge=-10, le=10)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


def _path_or_http(address: str) -> str:
    if "://" in address and not address.startswith(("http://", "https://")):
        raise ValueError("a path, http:// or https:// is needed")
    return address


Address = Annotated[str, Field(min_length=1), AfterValidator(_path_or_http)]


Emotion = Literal["anger", "disgust", "fear", "happiness", "sad", "surprise", "neutral"]
NOT_IN_COURSE = ("fear", "neutral")


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]} stands there twice; remove one")
    return names


Classes = Annotated[tuple[Emotion, ...], Field(min_length=2), AfterValidator(_each_once)]


class SettingsError(ValueError):
    """`params.yaml` cannot be used; the message names file, line, key and remedy."""


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NumSamples(Settings):
    keypoints: Annotated[int, Field(ge=100)]
    emotion: Annotated[int, Field(ge=100)]


class Sample(Settings):
    """`num_samples`: rows of each drawn table."""

    seed: Seed
    num_samples: NumSamples


class Ingest(Settings):
    keypoints: Address
    emotion: Address


def _in_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("[lowest, highest] is needed; these stand the other way round")
    return bounds


class ValidateKeypoints(Settings):
    """`min_pixel_std` is in grey levels; `interocular_distance_px` is [min, max] in pixels of the 96x96 image."""

    min_rows: Count
    min_pixel_std: NotNegative
    interocular_distance_px: Annotated[tuple[NotNegative, NotNegative], AfterValidator(_in_order)]
    max_missing_fraction: Share


class ValidateEmotion(Settings):
    """`class_fraction`: [min, max] fraction of the rows that a class of the label encoding may have."""

    min_rows: Count
    min_pixel_std: NotNegative
    label_encoding: Literal["course", "fer2013"]
    class_fraction: Annotated[tuple[Share, Share], AfterValidator(_in_order)]


class Validate(Settings):
    max_invalid_fraction: Share
    keypoints: ValidateKeypoints
    emotion: ValidateEmotion


class Explore(Settings):
    seed: Seed
    num_examples: Count


class Duplicates(Settings):
    """Two faces are near-duplicates if their perceptual hashes differ by at most `max_hamming_distance` bits and their
    pixels correlate by at least `min_correlation`.

    `max_component_fraction` is the largest fraction of the rows that one duplicate component may hold. Ten faces are
    always allowed.
    """

    max_hamming_distance: Annotated[int, Field(ge=0, le=24)]
    min_correlation: Annotated[float, Field(gt=0, le=1)]
    max_component_fraction: OpenShare


class EmotionDuplicates(Duplicates):
    """`label_conflicts`: what happens to duplicate components whose faces have different labels."""

    label_conflicts: Literal["keep", "drop", "majority"]


class Split(Settings):
    """`strategy`: `group` keeps every group in one split; `random` augments first and splits last, which leaks.

    `val_size` and `test_size` are fractions of the rows.
    """

    strategy: Literal["group", "random"]
    seed: Seed
    val_size: OpenShare
    test_size: OpenShare

    @model_validator(mode="after")
    def leave_rows_to_train_on(self) -> "Split":
        if self.val_size + self.test_size > 0.8:
            raise ValueError("val_size + test_size leave less than 0.2 of the rows to train on")
        return self


class EmotionSplit(Split):
    """`strategy: predefined` follows the column Usage.

    `max_class_fraction_difference`: how far a class's fraction in a split may be from its fraction of all rows. Four
    standard errors of a split of that size are always allowed.
    """

    strategy: Literal["group", "predefined", "random"]  # type: ignore[assignment]
    max_class_fraction_difference: Share


class OfflineAugmentation(Settings):
    """`brightness`: [min, max] of the factor of each brightened copy; null makes no such copies."""

    seed: Seed
    horizontal_flip: bool
    brightness: Annotated[tuple[Positive, Positive], AfterValidator(_in_order)] | None


class PrepareKeypoints(Settings):
    """`keypoint_offset_px` is added to x and y of every keypoint, in pixels of the 96x96 image."""

    keypoint_offset_px: tuple[Shift, Shift]
    duplicates: Duplicates
    split: Split
    offline_augmentation: OfflineAugmentation


class PrepareEmotion(Settings):
    """`train_classes` are the classes to train on. Rows of other classes are dropped and counted.

    `output_classes` are the classes the model predicts, in the order of its outputs; None for all training classes.
    Other training classes serve as auxiliary data.
    """

    train_classes: Classes
    output_classes: Classes | None
    duplicates: EmotionDuplicates
    split: EmotionSplit
    offline_augmentation: OfflineAugmentation

    @model_validator(mode="after")
    def predict_classes_that_are_trained(self) -> "PrepareEmotion":
        if foreign := [name for name in self.output_classes or () if name not in self.train_classes]:
            raise ValueError(f"output_classes names {foreign[0]}, which is not in train_classes; add it or remove it")
        return self


class Prepare(Settings):
    keypoints: PrepareKeypoints
    emotion: PrepareEmotion


class Architecture(Settings):
    """`resnet` has one stage per entry of `widths` (filters) and `depths` (blocks); each stage halves height and width.

    `stem_stride` is the stride of the stem: 1, 2 or 4. `original` has a fixed size and takes none of these settings.
    """

    name: Literal["resnet", "original"]
    widths: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(max_length=5)] = ()
    depths: tuple[Count, ...] = ()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    stem_stride: Literal[1, 2, 4] = 2

    @model_validator(mode="after")
    def have_sizes_that_fit(self) -> "Architecture":
        if self.name == "original" and (self.widths or self.depths or self.dropout or self.stem_stride != 2):
            raise ValueError("the original architecture has a fixed size; remove widths, depths, dropout, stem_stride")
        if self.name == "resnet" and (len(self.widths) < 2 or len(self.widths) != len(self.depths)):
            raise ValueError("widths and depths need one number per stage each, and at least two stages")
        return self


class Optimizer(Settings):
    """`warmup_ratio` is a fraction of the training steps; `ema_decay` of the weights' moving average, 0 disables it.

    `adam` has a constant learning rate, no warm-up and no weight decay, as in the original project.
    """

    name: Literal["adamw", "adam"]
    learning_rate: Positive
    weight_decay: NotNegative
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)]
    ema_decay: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def set_nothing_that_is_not_used(self) -> "Optimizer":
        if self.name == "adam" and (self.warmup_ratio or self.weight_decay):
            raise ValueError("adam uses neither warmup_ratio nor weight_decay; set both to 0")
        return self


class Augmentation(Settings):
    """Random augmentation of training faces, drawn anew in every epoch. Each value is the maximum.

    `horizontal_flip` and `random_erasing` are probabilities; `degrees` is a rotation; `translate` and `blur_sigma` are
    fractions of the image side; `scale` and `contrast` are [min, max] factors; `brightness` and `noise_std` are in grey
    levels.
    """

    horizontal_flip: Share
    degrees: Annotated[float, Field(ge=0, le=180)]
    translate: Annotated[float, Field(ge=0, le=0.5)]
    scale: Annotated[tuple[Positive, Positive], AfterValidator(_in_order)]
    blur_sigma: Annotated[float, Field(ge=0, le=0.1)]
    brightness: Annotated[float, Field(ge=0, le=255)]
    contrast: Annotated[tuple[NotNegative, NotNegative], AfterValidator(_in_order)]
    noise_std: Annotated[float, Field(ge=0, le=255)]
    random_erasing: Share


class EmotionAugmentation(Augmentation):
    """`mixup_alpha` and `cutmix_alpha` are the parameters of the Beta distributions of the mixing ratio; 0 disables."""

    mixup_alpha: NotNegative
    cutmix_alpha: NotNegative


class EmotionLoss(Settings):
    """`logit_adjustment_tau` compensates for class imbalance (Menon et al. 2021); 0 disables it.

    With `bias_correction`, the biases of the last layer are fitted to the validation faces after training, so that the
    model assumes their class frequencies.
    """

    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    logit_adjustment_tau: NotNegative
    bias_correction: bool = False


class Teacher(Settings):
    """The saved teacher `file`, whose predictions make up `teacher_weight` of every target; the label is the rest.

    `sha256` is the hash of the file; `classes` are the teacher's output classes in order, none for keypoints. It runs
    for the first `cached_epochs` epochs; later epochs replay those augmentations and its cached predictions.
    `flip_tta` averages the teacher's predictions over a face and its mirror image. `init_from_teacher` starts training
    from the teacher's weights (of an ensemble, from its first model's).
    """

    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    classes: tuple[str, ...] = ()
    teacher_weight: Annotated[float, Field(gt=0, le=1)]
    cached_epochs: Count
    flip_tta: bool
    init_from_teacher: bool


class TrainModel(Settings):
    """`ensemble_size`: number of models whose outputs are averaged. They train in turn, with `seed`, `seed` + 1, ...

    Training stops after `patience` epochs without a lower validation loss. Before each validation, batch normalization
    is updated on `bn_update_samples` training faces without augmentation; 0 keeps the moving statistics.
    `distillation`: None trains on labels alone. A distilled emotion model has the outputs of its teacher.
    """

    seed: Seed
    ensemble_size: Count
    architecture: Architecture
    epochs: Count
    batch_size: Count
    patience: Count
    bn_update_samples: Annotated[int, Field(ge=0)]
    optimizer: Optimizer
    distillation: Teacher | None = None


class TrainKeypoints(TrainModel):
    loss: Literal["smooth_l1", "wing", "mse"]
    augmentation: Augmentation


class TrainEmotion(TrainModel):
    loss: EmotionLoss
    augmentation: EmotionAugmentation


class Recipe(Settings):
    keypoints: TrainKeypoints
    emotion: TrainEmotion


class Train(Settings):
    """`recipe` names the one of the five that is used."""

    recipe: Literal["sample", "quick", "full", "distilled", "original"]
    sample: Recipe
    quick: Recipe
    full: Recipe
    distilled: Recipe
    original: Recipe

    @property
    def chosen(self) -> Recipe:
        recipe: Recipe = getattr(self, self.recipe)
        return recipe


class EvaluateModel(Settings):
    """`flip_tta`: whether the headline predictions use it; `corruption_samples`: null corrupts every test face."""

    flip_tta: bool
    corruption_samples: Count | None


class EvaluateKeypoints(EvaluateModel):
    pass


class EvaluateEmotion(EvaluateModel):
    pixel_baseline_rows: Count


class Evaluate(Settings):
    keypoints: EvaluateKeypoints
    emotion: EvaluateEmotion


class ReportModel(Settings):
    """`num_examples`: test faces in each grid of faces."""

    num_examples: Count


class Report(Settings):
    keypoints: ReportModel
    emotion: ReportModel


class GateKeypoints(Settings):
    """Bounds for the whole 95% interval. `max_slice_nme`: no slice may have its whole interval above it."""

    max_nme: Positive
    max_rmse_px: Positive
    max_failure_rate: Share
    max_nme_ratio: Positive
    max_slice_nme: Positive


class GateEmotion(Settings):
    """Bounds for the whole 95% interval. `min_slice_accuracy`: no slice may have its whole interval below it."""

    min_accuracy: Share
    min_macro_f1: Share
    max_ece: Share
    min_skill_score: Annotated[float, Field(lt=1)]
    min_recall: Share
    min_slice_accuracy: Share


class GateLicense(Settings):
    """For the model card: what the faces of each model are, and under which terms they are published."""

    keypoints: str
    emotion: str


class Gate(Settings):
    license: GateLicense
    keypoints: GateKeypoints
    emotion: GateEmotion


class Promote(Settings):
    """By how much a challenger may be worse than the champion: in accuracy, in the recall of any class, in NME."""

    max_accuracy_drop: Share
    max_recall_drop: Share
    max_nme_increase: NotNegative


class Pipeline(Settings):
    """`retries` by stage, for failures that are no fault of the input, such as a process that was killed.

    `notification_block`: the block, `type/name`, by which Prefect reports failed and crashed runs; None for none.
    `retrain_on_drift`: whether the deployment `retrain` runs when scored faces have drifted.
    """

    retries: dict[str, NonNegativeInt]
    retry_delay_seconds: NonNegativeInt
    notification_block: Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")] | None
    retrain_on_drift: bool


class Quality(Settings):
    """Beyond which a face is flagged, see `faces.scoring.quality_flags.Bounds`."""

    min_side: NotNegative
    min_laplacian_variance: NotNegative
    min_brightness: NotNegative
    max_saturated_fraction: Share


class Drift(Settings):
    """A property has drifted if its PSI is over `psi_threshold` and its p-value is under `p_value`."""

    psi_threshold: Positive
    p_value: Annotated[float, Field(gt=0, lt=1)]


class Detector(Settings):
    """YuNet's ONNX file: a path, or an address that every worker of a cluster can read too, and its hash."""

    file: Address
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Score(Settings):
    """`input` is scored by `dvc repro`; `report_predictions` draws `num_examples` of its faces; the rest is for all.

    `max_crop_px`: an image no larger, in pixels, is taken for one face; `detector_max_px`: a larger one is searched for
    faces at this size, by `detector` or, if that is None, by OpenCV's cascade; `max_image_pixels`: a still larger one
    is not opened; `shard_size`: images, or rows of tables, that are scored at one time; `confidence_threshold`: an
    emotion below it is marked as abstained.
    """

    input: Address
    num_examples: Count
    max_crop_px: Count
    detector_max_px: Count
    detector: Detector | None = None
    max_image_pixels: Count
    shard_size: Count
    confidence_threshold: Share
    quality: Quality
    drift: Drift


class Params(Settings):
    sample: Sample
    ingest: Ingest
    validate_: Annotated[Validate, Field(alias="validate")]
    explore: Explore
    prepare: Prepare
    train: Train
    evaluate: Evaluate
    report: Report
    gate: Gate
    promote: Promote
    score: Score
    pipeline: Pipeline

    @model_validator(mode="after")
    def retry_stages_that_there_are(self) -> "Params":
        stages = [field.alias or name for name, field in Params.model_fields.items()]
        if foreign := [name for name in self.pipeline.retries if name not in stages]:
            raise ValueError(f"pipeline.retries names {foreign[0]}, which is no stage; name one of {', '.join(stages)}")
        return self

    @model_validator(mode="after")
    def train_on_classes_of_the_label_encoding(self) -> "Params":
        foreign = [name for name in self.prepare.emotion.train_classes if name in NOT_IN_COURSE]
        if foreign and self.validate_.emotion.label_encoding == "course":
            raise ValueError(
                f"prepare.emotion.train_classes names {foreign[0]}, which is not in the label encoding course; "
                "leave it out, or set validate.emotion.label_encoding to fer2013 if that is the file's numbering"
            )
        return self


RENAMED = {
    "sample.*_rows": "sample.num_samples, with keypoints and emotion",
    "validate.max_quarantined": "max_invalid_fraction",
    "validate.*.min_deviation": "min_pixel_std",
    "validate.*.eye_distance": "interocular_distance_px",
    "validate.*.max_missing": "max_missing_fraction",
    "validate.*.label_set": "label_encoding",
    "validate.*.class_share": "class_fraction",
    "evaluate.*.faces_drawn": "num_examples in the section report",
    "evaluate.*.num_examples": "num_examples in the section report",
    "*.faces_drawn": "num_examples",
    "prepare.*.label_shift": "keypoint_offset_px",
    "prepare.*.classes": "train_classes",
    "prepare.*.answers": "output_classes",
    "prepare.*.augment": "offline_augmentation, with horizontal_flip for mirror",
    "prepare.*.max_distance": "max_hamming_distance",
    "prepare.*.max_cluster": "max_component_fraction",
    "prepare.*.conflicts": "label_conflicts",
    "prepare.*.protocol": "strategy: group, predefined or random",
    "prepare.*.validation": "val_size",
    "prepare.*.test": "test_size",
    "prepare.*.max_share_difference": "max_class_fraction_difference",
    "train.*.members": "ensemble_size",
    "train.*.network": "architecture, with name for kind, and stem_stride 1, 2 or 4 for halvings 0, 1 or 2",
    "train.*.descent": "epochs, batch_size, patience, bn_update_samples (was statistics_faces) and optimizer, "
    "with name, learning_rate, weight_decay, warmup_ratio and ema_decay",
    "train.*.distortion": "augmentation, with horizontal_flip, degrees, translate, scale, blur_sigma, brightness, "
    "contrast, noise_std, random_erasing, and for the emotion mixup_alpha and cutmix_alpha",
    "train.*.teacher": "distillation, with teacher_weight for share, cached_epochs for rounds, flip_tta for "
    "flip_averaging, init_from_teacher for begin",
    "train.*.loss.smoothing": "label_smoothing",
    "train.*.loss.adjustment": "logit_adjustment_tau",
    "train.*.loss.refit_biases": "bias_correction",
    "evaluate.*.flip_averaging": "flip_tta",
    "evaluate.*.robustness_faces": "corruption_samples",
    "gate.data": "license",
    "gate.*.max_share_of_baseline": "max_nme_ratio",
    "gate.*.min_share_of_gap": "min_skill_score",
    "promote.accuracy": "max_accuracy_drop",
    "promote.recall": "max_recall_drop",
    "promote.nme": "max_nme_increase",
    "score.crop_side": "max_crop_px",
    "score.detection_side": "detector_max_px",
    "score.most_pixels": "max_image_pixels",
    "score.shard_items": "shard_size",
    "score.min_confidence": "confidence_threshold",
    "score.quality.min_sharpness": "min_laplacian_variance",
    "score.quality.max_clipped": "max_saturated_fraction",
    "score.drift.max_psi": "psi_threshold",
    "score.drift.max_p": "p_value",
    "pipeline.retry_seconds": "retry_delay_seconds",
    "pipeline.notify": "notification_block",
}
"""Keys of earlier versions, as patterns, and what replaces each of them."""

RENAMED_VALUES = {"grouped": "group", "official": "predefined", "squared": "mse"}


def _replacement(name: str) -> str | None:
    """What replaces a key of an earlier version; None for any other key."""
    return next((new for pattern, new in RENAMED.items() if fnmatchcase(name, pattern)), None)


def _line(document: Any, location: tuple[str | int, ...]) -> int | None:
    """1-based line of a key in a round-trip YAML document; None where the key is absent."""
    line = None
    for key in location:
        try:
            positions = document.lc.data[key]
            document = document[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            return line if line is not None and not isinstance(document, dict) else None
        line = positions[0] + 1
    return line


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    model: Any = Params
    for key in location[:-1]:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        model = fields[str(key)].annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def _complaint(error: Any, document: Any, path: Path) -> str:
    location = error["loc"]
    name = ".".join(map(str, location)) or "the whole file"
    line = _line(document, location)
    where = f"{path}, line {line}: " if line else f"{path}: "
    if not location and error["type"] == "value_error":
        return where + error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        if new := _replacement(name):
            return f"{where}{name} is now {new}"
        near = difflib.get_close_matches(str(location[-1]), _known_keys(location), n=1)
        return f"{where}{name} is no setting" + (f"; did you mean {near[0]}?" if near else "; remove it")
    if error["type"] == "missing":
        return f"{where}{name} is missing; add it"
    renamed = RENAMED_VALUES.get(error["input"]) if isinstance(error["input"], str) else None
    now = f"; {error['input']!r} is now {renamed!r}" if renamed else ""
    return f"{where}{name} = {error['input']!r}: {error['msg'].removeprefix('Value error, ')}{now}"


def load(path: Path = PARAMS) -> Params:
    """The settings in `path`. Raises SettingsError, with one line for each thing that is wrong."""
    try:
        document = YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing; run from the project's folder, or `git restore {path}`") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid YAML: {error}") from None
    try:
        return Params.model_validate(document)
    except ValidationError as error:
        errors = error.errors()
        # Where a section has keys of an earlier version, what is missing beside them is told by their new names.
        old = {one["loc"][:-1] for one in errors if _replacement(".".join(map(str, one["loc"])))}
        told = [one for one in errors if one["type"] != "missing" or one["loc"][:-1] not in old]
        lines = [_complaint(one, document, path) for one in told]
        raise SettingsError("\n".join(lines)) from None


def wrong_sources(params: Params, graph: Path = Path("dvc.yaml")) -> list[str]:
    """A line for each file that the settings name, and that is neither there nor made by a stage before it is read."""
    stages = YAML(typ="safe", pure=True).load(graph.read_text(encoding="utf-8"))["stages"]
    made = {stage: [_folder(out) for out in entry.get("outs", [])] for stage, entry in stages.items()}
    named = {f"ingest.{model_name}": ("ingest", getattr(params.ingest, model_name)) for model_name in MODELS}
    named["score.input"] = ("score", params.score.input)
    for model_name in MODELS:
        if teacher := getattr(params.train.chosen, model_name).distillation:
            named[f"train.{params.train.recipe}.{model_name}.distillation.file"] = ("train", teacher.file)
    lines = []
    for key, (stage, source) in named.items():
        maker = next((name for name, folders in made.items() if _folder(source) in folders), None)
        if "://" in source or (maker and _stands_before(maker, stage)):
            continue
        if maker:
            lines.append(f"{PARAMS}: {key} = {source!r}: the stage {maker} makes it anew; name a copy elsewhere")
        elif not Path(source).exists():
            lines.append(f"{PARAMS}: {key} = {source!r}: there is no such file; correct the path")
        elif not (Path(source).is_file() or Path(source).is_dir()):
            lines.append(f"{PARAMS}: {key} = {source!r}: neither a file nor a folder; correct the path")
    return lines


def _stands_before(maker: str, stage: str) -> bool:
    # `sample` is all that ingest may read from; score reads from what any other stage makes.
    return maker == "sample" or (stage == "score" and maker != "score")


def _folder(path: str | dict[str, Any]) -> tuple[str, ...]:
    """The folder that a stage has to itself, `data/raw` of `data/raw/emotion.csv`."""
    return Path(path if isinstance(path, str) else next(iter(path))).parts[:2]


def main() -> None:
    """`python -m params`: check the settings, and the files that they name, before `dvc repro` reads them."""
    try:
        lines = wrong_sources(load())
    except SettingsError as error:
        sys.exit(str(error))
    if lines:
        sys.exit("\n".join(lines))
    print(f"{PARAMS} is in order.")


if __name__ == "__main__":
    main()
