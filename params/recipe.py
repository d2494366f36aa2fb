"""`conf/recipe/NAME.yaml`: how both models are trained, evaluated and drawn."""

from params.training import TrainEmotion, TrainKeypoints
from params.types import Count, Settings


class RecipeKeypoints(Settings):
    student: TrainKeypoints


class RecipeEmotion(Settings):
    student: TrainEmotion


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
    """`num_examples`: test faces that a figure shows."""

    num_examples: Count


class Report(Settings):
    keypoints: ReportModel
    emotion: ReportModel


class Recipe(Settings):
    keypoints: RecipeKeypoints
    emotion: RecipeEmotion
    evaluate: Evaluate
    report: Report
