"""`params.yaml`: the chosen presets, and sources, scoring, promotion and pipeline runs."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, model_validator

from params.types import Address, Count, NotNegative, OpenShare, Positive, Settings, Sha256, Share

STAGES = (
    *("sample", "ingest", "validate", "explore", "report_tables", "prepare", "prepare_unlabeled"),
    *("train_teacher", "predict_teacher", "train", "export", "evaluate", "report", "gate", "score"),
    "report_predictions",
)
"""The stages of `dvc.yaml`."""


class Ingest(Settings):
    """The two raw tables: a path, or an http(s) address."""

    keypoints: Address
    emotion: Address


class Quality(Settings):
    """Bounds beyond which a face is flagged.

    `min_side` is the side of its box in pixels of the source. `min_laplacian_variance` is the variance of the Laplacian
    at 96x96; below it a face is flagged as blurred. `min_brightness` is in grey levels. `max_saturated_fraction` is the
    fraction of pixels that are 0 or 255.
    """

    min_side: NotNegative
    min_laplacian_variance: NotNegative
    min_brightness: NotNegative
    max_saturated_fraction: Share


class Drift(Settings):
    """A property has drifted if its PSI is over `psi_threshold` and its p-value is under `p_value`."""

    psi_threshold: Positive
    p_value: Annotated[float, Field(gt=0, lt=1)]


class Video(Settings):
    """How the faces of a video are followed.

    `min_iou`: overlap, intersection over union, of a face's box with the one that its track leads to expect;
    `max_gap_s`: seconds that a track survives without its face; `window_s`: seconds over which the probabilities of a
    track's emotions are averaged, half of them before a frame and half after it.
    """

    min_iou: OpenShare
    max_gap_s: NotNegative
    window_s: NotNegative


DetectorName = Literal["centerface", "cascade", "yunet"]
DETECTOR_KEYS: dict[str, tuple[str, ...]] = {
    "centerface": ("threshold", "tile_px"),
    "cascade": (),
    "yunet": ("threshold", "file", "sha256"),
}


class Detector(Settings):
    """CenterFace, OpenCV's cascade, or YuNet.

    `threshold`: a face with a lower score is not reported (CenterFace and YuNet; None: the detector's own default).
    `tile_px`: CenterFace searches tiles of this side too, each at up to twice its size, for small faces; None: no
    tiles. `file` and `sha256` are YuNet's ONNX file, a path, or an address that every worker of a cluster can read too,
    and its hash.
    """

    name: DetectorName
    threshold: OpenShare | None = None
    tile_px: Annotated[int, Field(ge=128)] | None = None
    file: Address | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="before")
    @classmethod
    def has_a_name(cls, value: object) -> object:
        if value is None:
            raise ValueError("the cascade is now {name: cascade}; the default is {name: centerface}")
        if isinstance(value, dict) and "file" in value and "name" not in value:
            raise ValueError("YuNet is now {name: yunet, file: PATH.onnx, sha256: ITS HASH}; add its name")
        return value

    @model_validator(mode="after")
    def has_its_own_keys(self) -> "Detector":
        for key in ("threshold", "tile_px", "file", "sha256"):
            given, known = getattr(self, key) is not None, key in DETECTOR_KEYS[self.name]
            if given and not known:
                raise ValueError(f"{key} is no setting of {self.name}; remove it")
            if key in ("file", "sha256") and known and not given:
                raise ValueError(f"{self.name} needs {key}; add it")
        return self


class Score(Settings):
    """`input` is scored by `dvc repro`, the rest is for all scoring.

    `max_crop_px`: an image no larger, in pixels, is taken for one face; `detector_max_px`: a larger one is searched for
    faces at this size, by `detector`; `max_image_pixels`: a still larger one is not opened; `shard_size`: images, or
    rows of tables, that are scored at one time; `confidence_threshold`: an emotion below it is marked as abstained.
    """

    input: Address
    max_crop_px: Count
    detector_max_px: Count
    detector: Detector
    max_image_pixels: Count
    shard_size: Count
    confidence_threshold: Share
    quality: Quality
    video: Video
    drift: Drift


class ReportPredictions(Settings):
    """`num_examples`: scored faces that the figure of the stage `report_predictions` shows."""

    num_examples: Count


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


class ParamsFile(Settings):
    """`dataset` and `recipe` are names of presets: `conf/dataset/NAME.yaml`, `conf/recipe/NAME.yaml`."""

    dataset: str
    recipe: str
    ingest: Ingest
    score: Score
    report_predictions: ReportPredictions
    promote: Promote
    pipeline: Pipeline

    @model_validator(mode="after")
    def retry_stages_that_there_are(self) -> "ParamsFile":
        if foreign := [name for name in self.pipeline.retries if name not in STAGES]:
            raise ValueError(f"pipeline.retries names {foreign[0]}, which is no stage; name one of {', '.join(STAGES)}")
        return self
