"""What can be set: `params.yaml` in a typed, frozen form. Unknown keys are refused, by name and line."""

import difflib
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

Head = Literal["keypoints", "emotion"]
HEADS: tuple[str, ...] = get_args(Head)

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


class Sample(Settings):
    seed: Seed
    keypoints_rows: Annotated[int, Field(ge=100)]
    emotion_rows: Annotated[int, Field(ge=100)]


class Ingest(Settings):
    keypoints: Address
    emotion: Address


def _in_order(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("[lowest, highest] is needed; these stand the other way round")
    return bounds


class ValidateKeypoints(Settings):
    """`min_deviation` is in grey levels, `eye_distance` the least and the greatest in pixels of the 96x96 image."""

    min_rows: Count
    min_deviation: NotNegative
    eye_distance: Annotated[tuple[NotNegative, NotNegative], AfterValidator(_in_order)]
    max_missing: Share


class ValidateEmotion(Settings):
    """`class_share`: the least and the greatest share of the rows that a class of the label set may have."""

    min_rows: Count
    min_deviation: NotNegative
    label_set: Literal["course", "fer2013"]
    class_share: Annotated[tuple[Share, Share], AfterValidator(_in_order)]


class Validate(Settings):
    max_quarantined: Share
    keypoints: ValidateKeypoints
    emotion: ValidateEmotion


class Explore(Settings):
    seed: Seed
    faces_drawn: Count


class Duplicates(Settings):
    """Two faces are near-duplicates within `max_distance` bits of perceptual hash, and from `min_correlation` on.

    `max_cluster` is the greatest share of the rows that one cluster of them may hold; ten faces may always.
    """

    max_distance: Annotated[int, Field(ge=0, le=24)]
    min_correlation: Annotated[float, Field(gt=0, le=1)]
    max_cluster: OpenShare


class EmotionDuplicates(Duplicates):
    """`conflicts`: what becomes of clusters whose faces bear different labels."""

    conflicts: Literal["keep", "drop", "majority"]


class Split(Settings):
    """`grouped` lets no group straddle; `random` is the original's way, which leaks."""

    protocol: Literal["grouped", "random"]
    seed: Seed
    validation: OpenShare
    test: OpenShare

    @model_validator(mode="after")
    def leave_rows_to_train_on(self) -> "Split":
        if self.validation + self.test > 0.8:
            raise ValueError("validation + test leave less than 0.2 of the rows to train on")
        return self


class EmotionSplit(Split):
    """`official` follows the column Usage; `max_share_difference`: how far a class's share of a part may be off.

    So much as chance gives, four standard errors of a part of that size, is always allowed.
    """

    protocol: Literal["grouped", "official", "random"]  # type: ignore[assignment]
    max_share_difference: Share


class Augment(Settings):
    """`brightness`: the factors between which each copy's is drawn; null makes no such copies."""

    seed: Seed
    mirror: bool
    brightness: Annotated[tuple[Positive, Positive], AfterValidator(_in_order)] | None


class PrepareKeypoints(Settings):
    """`label_shift` is added to x and y of every point, in pixels of the 96x96 image."""

    label_shift: tuple[Shift, Shift]
    duplicates: Duplicates
    split: Split
    augment: Augment


class PrepareEmotion(Settings):
    """`classes`: those to train on; rows of others are left out, and counted.

    `answers`: those of them that are answered with and judged, in the order of the network's outputs; faces of the
    others only teach. None for all.
    """

    classes: Classes
    answers: Classes | None
    duplicates: EmotionDuplicates
    split: EmotionSplit
    augment: Augment

    @model_validator(mode="after")
    def answer_with_what_was_taught(self) -> "PrepareEmotion":
        if foreign := [name for name in self.answers or () if name not in self.classes]:
            raise ValueError(f"answers names {foreign[0]}, which is none of the classes; add it there, or leave it out")
        return self


class Prepare(Settings):
    keypoints: PrepareKeypoints
    emotion: PrepareEmotion


class Network(Settings):
    """`resnet` has `widths` filters and `depths` blocks a stage, each stage half as high and wide as the one before.

    Its stem halves the face `halvings` times before the first of them, 0 to 2. `original` has sizes of its own: it
    takes none of these, nor a dropout.
    """

    kind: Literal["resnet", "original"]
    widths: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(max_length=5)] = ()
    depths: tuple[Count, ...] = ()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    halvings: Literal[0, 1, 2] = 1

    @model_validator(mode="after")
    def have_sizes_that_fit(self) -> "Network":
        if self.kind == "original" and (self.widths or self.depths or self.dropout or self.halvings != 1):
            raise ValueError("the original network has sizes of its own; remove widths, depths, dropout and halvings")
        if self.kind == "resnet" and (len(self.widths) < 2 or len(self.widths) != len(self.depths)):
            raise ValueError("widths and depths need one number a stage each, and two stages or more")
        return self


class Descent(Settings):
    """`warmup` is a share of the steps, `ema` the momentum of the weights' running mean, 0 for none.

    `patience` is how many epochs without a better one end the training. `statistics_faces` are the training faces that
    batch normalisation's statistics are taken from anew before each validation, undistorted; 0 leaves it the running
    ones. `adam` keeps its learning rate and knows neither warm-up nor decay, as the original's.
    """

    optimizer: Literal["adamw", "adam"]
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    warmup: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NotNegative
    ema: Annotated[float, Field(ge=0, lt=1)]
    patience: Count
    statistics_faces: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def set_nothing_that_is_not_used(self) -> "Descent":
        if self.optimizer == "adam" and (self.warmup or self.weight_decay):
            raise ValueError("adam knows neither warmup nor weight_decay; set both to 0")
        return self


class Distortion(Settings):
    """How far training faces are distorted at most, drawn anew in every epoch.

    `mirror` and `erase` are probabilities; `rotation` is in degrees, `shift` and the deviation of the `blur` are
    shares of the side, `scale` and `contrast` are factors, `brightness` and the deviation of the `noise` are in grey
    levels.
    """

    mirror: Share
    rotation: Annotated[float, Field(ge=0, le=180)]
    shift: Annotated[float, Field(ge=0, le=0.5)]
    scale: Annotated[tuple[Positive, Positive], AfterValidator(_in_order)]
    blur: Annotated[float, Field(ge=0, le=0.1)]
    brightness: Annotated[float, Field(ge=0, le=255)]
    contrast: Annotated[tuple[NotNegative, NotNegative], AfterValidator(_in_order)]
    noise: Annotated[float, Field(ge=0, le=255)]
    erase: Share


class EmotionDistortion(Distortion):
    """`mixup` and `cutmix` are the parameters of the Beta distributions that shares are drawn from; 0 for never."""

    mixup: NotNegative
    cutmix: NotNegative


class EmotionLoss(Settings):
    """`smoothing` of each label goes to all classes; `adjustment` of the logits by the classes' shares, 0 for none.

    With `refit_biases` each member's last ones are fitted to the validation faces when its training is done, each face
    seen once: their shares of the classes are what it then answers to.
    """

    smoothing: Annotated[float, Field(ge=0, lt=1)]
    adjustment: NotNegative
    refit_biases: bool = False


class Teacher(Settings):
    """A saved network that is learnt from: `share` of every target is its answer, the rest the label.

    `sha256` is its file's, so that no other is taken for it; `classes` are what its outputs stand for, in their order,
    none for key points. It is asked about every face in `rounds` distortions, which come again when all were shown.
    With `flip_averaging` it answers by the mean over a face and its mirror image; with `begin` training begins from its
    weights, those of its first member if it has several.
    """

    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    classes: tuple[str, ...] = ()
    share: Annotated[float, Field(gt=0, le=1)]
    rounds: Count
    flip_averaging: bool
    begin: bool


class TrainHead(Settings):
    """`members`: networks whose outputs are averaged; they train one after another, from `seed`, `seed` + 1, ...

    `teacher`: None to learn from labels alone. A taught emotion network has the outputs of its teacher, the answers,
    and of faces that are of none of them it learns what the teacher says.
    """

    seed: Seed
    members: Count
    network: Network
    descent: Descent
    teacher: Teacher | None = None


class TrainKeypoints(TrainHead):
    loss: Literal["smooth_l1", "wing", "squared"]
    distortion: Distortion


class TrainEmotion(TrainHead):
    loss: EmotionLoss
    distortion: EmotionDistortion


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


class EvaluateHead(Settings):
    """`flip_averaging` says which predictions are headline; `robustness_faces`: null corrupts every test face."""

    faces_drawn: Count
    flip_averaging: bool
    robustness_faces: Count | None


class EvaluateKeypoints(EvaluateHead):
    pass


class EvaluateEmotion(EvaluateHead):
    pixel_baseline_rows: Count


class Evaluate(Settings):
    keypoints: EvaluateKeypoints
    emotion: EvaluateEmotion


class GateKeypoints(Settings):
    """Bounds that the whole 95% interval must keep; `max_slice_nme` one that no slice may surely exceed."""

    max_nme: Positive
    max_rmse_px: Positive
    max_failure_rate: Share
    max_share_of_baseline: Positive
    max_slice_nme: Positive


class GateEmotion(Settings):
    """Bounds that the whole 95% interval must keep; `min_slice_accuracy` one that no slice may surely fall under."""

    min_accuracy: Share
    min_macro_f1: Share
    max_ece: Share
    min_share_of_gap: Annotated[float, Field(lt=1)]
    min_recall: Share
    min_slice_accuracy: Share


class GateData(Settings):
    """For the model card: what each head's faces are, and under which terms they are published."""

    keypoints: str
    emotion: str


class Gate(Settings):
    data: GateData
    keypoints: GateKeypoints
    emotion: GateEmotion


class Promote(Settings):
    """By how much a challenger may be worse than the champion: of accuracy, of a class's recall, of NME."""

    accuracy: Share
    recall: Share
    nme: NotNegative


class Pipeline(Settings):
    """`retries` by stage, for failures that are no fault of the input, such as a process that was killed.

    `notify`: the notification block, `type/name`, by which Prefect tells of bad runs; None for none.
    `retrain_on_drift`: whether the deployment `retrain` runs when scored faces have drifted.
    """

    retries: dict[str, NonNegativeInt]
    retry_seconds: NonNegativeInt
    notify: Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")] | None
    retrain_on_drift: bool


class Quality(Settings):
    """Beyond which a face is flagged, see `faces.scoring.quality_flags.Bounds`."""

    min_side: NotNegative
    min_sharpness: NotNegative
    min_brightness: NotNegative
    max_clipped: Share


class Drift(Settings):
    """Both must be passed: a PSI over `max_psi`, and a probability of chance under `max_p`: `faces.scoring.drift`."""

    max_psi: Positive
    max_p: Annotated[float, Field(gt=0, lt=1)]


class Detector(Settings):
    """YuNet's ONNX file: a path, or an address that every worker of a cluster can read too, and its hash."""

    file: Address
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Score(Settings):
    """`input` is scored by `dvc repro`; the rest is for what is scored by hand or from the inbox.

    `crop_side`: a picture no larger, in pixels, is taken for one face; `detection_side`: a larger one is looked through
    at this size, for faces, by `detector` or, if that is None, by OpenCV's cascade; `most_pixels`: a still larger one
    is not opened; `shard_items`: pictures, or rows of tables, that are scored at one time; `min_confidence`: an emotion
    that is less sure is marked as abstained.
    """

    input: Address
    faces_drawn: Count
    crop_side: Count
    detection_side: Count
    detector: Detector | None = None
    most_pixels: Count
    shard_items: Count
    min_confidence: Share
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
    def train_on_classes_of_the_label_set(self) -> "Params":
        foreign = [name for name in self.prepare.emotion.classes if name in NOT_IN_COURSE]
        if foreign and self.validate_.emotion.label_set == "course":
            raise ValueError(
                f"prepare.emotion.classes names {foreign[0]}, which the label set course has not; leave it out, or set "
                "validate.emotion.label_set to fer2013 if that is the file's numbering"
            )
        return self


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
        near = difflib.get_close_matches(str(location[-1]), _known_keys(location), n=1)
        return f"{where}{name} is no setting" + (f"; did you mean {near[0]}?" if near else "; remove it")
    if error["type"] == "missing":
        return f"{where}{name} is missing; add it"
    return f"{where}{name} = {error['input']!r}: {error['msg'].removeprefix('Value error, ')}"


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
        lines = [_complaint(one, document, path) for one in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def wrong_sources(params: Params, graph: Path = Path("dvc.yaml")) -> list[str]:
    """A line for each file that the settings name, and that is neither there nor made by a stage before it is read."""
    stages = YAML(typ="safe", pure=True).load(graph.read_text(encoding="utf-8"))["stages"]
    made = {stage: [_folder(out) for out in entry.get("outs", [])] for stage, entry in stages.items()}
    named = {f"ingest.{head}": ("ingest", getattr(params.ingest, head)) for head in HEADS}
    named["score.input"] = ("score", params.score.input)
    for head in HEADS:
        if teacher := getattr(params.train.chosen, head).teacher:
            named[f"train.{params.train.recipe}.{head}.teacher.file"] = ("train", teacher.file)
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
