"""`conf/dataset/NAME.yaml`: the data, from the sample tables to validation, splits and the gate."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from params.gate import Gate
from params.preparation import Prepare
from params.types import NOT_IN_COURSE, Count, InOrder, NotNegative, Seed, Settings, Share


class NumSamples(Settings):
    keypoints: Annotated[int, Field(ge=100)]
    emotion: Annotated[int, Field(ge=100)]


class Sample(Settings):
    """`num_samples`: rows of each drawn table."""

    seed: Seed
    num_samples: NumSamples


class SampleSection(Settings):
    sample: Sample


class ValidateKeypoints(Settings):
    """`min_rows`: a table with fewer rows fails. `min_pixel_std`: an image with a lower standard deviation is nearly
    constant and is quarantined. `interocular_distance_px`: [min, max] of the distance between the eye centres.
    `max_missing_fraction`: of the rows in which a keypoint may be unlabelled.
    """

    min_rows: Count
    min_pixel_std: NotNegative
    interocular_distance_px: Annotated[tuple[NotNegative, NotNegative], InOrder]
    max_missing_fraction: Share


class ValidateEmotion(Settings):
    """`min_rows` and `min_pixel_std` as for keypoints. `label_encoding`: which codes mean which emotion.
    `class_fraction`: [min, max] fraction of the rows that a class of the label encoding may have.
    """

    min_rows: Count
    min_pixel_std: NotNegative
    label_encoding: Literal["course", "fer2013"]
    class_fraction: Annotated[tuple[Share, Share], InOrder]


class Validate(Settings):
    """`max_invalid_fraction`: of the rows of a table; above it the stage fails."""

    max_invalid_fraction: Share
    keypoints: ValidateKeypoints
    emotion: ValidateEmotion


class ReportTables(Settings):
    """`num_examples`: faces in each grid, a random sample by `seed`."""

    seed: Seed
    num_examples: Count


class Dataset(Settings):
    validate_: Annotated[Validate, Field(alias="validate")]
    report_tables: ReportTables
    prepare: Prepare
    gate: Gate

    @model_validator(mode="after")
    def train_on_classes_of_the_label_encoding(self) -> "Dataset":
        foreign = [name for name in self.prepare.emotion.train_classes if name in NOT_IN_COURSE]
        if foreign and self.validate_.emotion.label_encoding == "course":
            raise ValueError(
                f"prepare.emotion.train_classes names {foreign[0]}, which is not in the label encoding course; "
                "leave it out, or set validate.emotion.label_encoding to fer2013 if that is the file's numbering"
            )
        return self
