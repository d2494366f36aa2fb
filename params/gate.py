"""Section `gate`: bounds that the models must keep, and the terms of their data."""

from typing import Annotated

from pydantic import Field

from params.types import NotNegative, Positive, Settings, Share


class GateKeypoints(Settings):
    """Bounds for the whole 95% interval. `max_failure_rate`: of faces with an NME over 10%. `max_nme_ratio`: of the NME
    to that of the mean face.

    `max_slice_nme`: no slice may have its whole interval above it. `max_int8_nme_increase`: nor may what int8 adds to
    the NME.
    """

    max_nme: Positive
    max_rmse_px: Positive
    max_failure_rate: Share
    max_nme_ratio: Positive
    max_slice_nme: Positive
    max_int8_nme_increase: NotNegative


class GateEmotion(Settings):
    """Bounds for the whole 95% interval. `max_ece`: calibration error over 15 bins. `min_skill_score`: (accuracy - the
    majority class's) / (1 - the majority class's). `min_recall`: of every class.

    `min_slice_accuracy`: no slice may have its whole interval below it. `max_int8_accuracy_drop`: what int8 takes from
    the accuracy may not have its whole interval above it.
    """

    min_accuracy: Share
    min_macro_f1: Share
    max_ece: Share
    min_skill_score: Annotated[float, Field(lt=1)]
    min_recall: Share
    min_slice_accuracy: Share
    max_int8_accuracy_drop: Share


class GateLicense(Settings):
    """For the model card: what the faces of each model are, and under which terms they are published."""

    keypoints: str
    emotion: str


class Gate(Settings):
    license: GateLicense
    keypoints: GateKeypoints
    emotion: GateEmotion
