"""Section `prepare`: near-duplicates, splits and offline augmentation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from params.types import Classes, InOrder, OpenShare, Positive, Seed, Settings, Share, Shift


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
    brightness: Annotated[tuple[Positive, Positive], InOrder] | None


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
