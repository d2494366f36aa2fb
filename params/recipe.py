"""`conf/recipe/NAME.yaml`: how both models are trained, evaluated and drawn."""

from typing import Literal

from params.distillation import RecipeEmotion, RecipeKeypoints
from params.types import Count, Settings


class ExportModel(Settings):
    """`precision`: of the exported models that are evaluated and scored; the other one is compared with it.

    `calibration_samples`: training faces that the int8 models are calibrated on.
    """

    precision: Literal["int8", "float32"]
    calibration_samples: Count


class Export(Settings):
    keypoints: ExportModel
    emotion: ExportModel


class EvaluateModel(Settings):
    """`flip_tta`: whether the headline predictions use it; `corruption_samples`: null corrupts every test face."""

    flip_tta: bool
    corruption_samples: Count | None


class EvaluateKeypoints(EvaluateModel):
    pass


class EvaluateEmotion(EvaluateModel):
    """`pixel_baseline_rows`: training rows shown to the logistic regression on pixels.

    With `bias_correction`, a bias for each class is fitted to the validation faces beside the temperature, so that the
    predictions assume their class frequencies.
    """

    pixel_baseline_rows: Count
    bias_correction: bool = False


class Evaluate(Settings):
    keypoints: EvaluateKeypoints
    emotion: EvaluateEmotion


class ReportModel(Settings):
    """`num_examples`: test faces that a figure shows."""

    num_examples: Count


class Report(Settings):
    keypoints: ReportModel
    emotion: ReportModel


class Recipe(Settings):
    keypoints: RecipeKeypoints
    emotion: RecipeEmotion
    export: Export
    evaluate: Evaluate
    report: Report
