"""All settings in a typed, frozen form: `params.yaml` and the presets of `conf/` that it names.

Unknown keys are refused, by file, name and line.
"""

from params.dataset import Dataset, NumSamples, ReportTables, Sample, Validate, ValidateEmotion, ValidateKeypoints
from params.distillation import Distillation, StudentEmotion, StudentKeypoints
from params.gate import Gate, GateEmotion, GateKeypoints, GateLicense
from params.layout import PARAMS, PRESETS, Params, key_paths, preset_file, presets, schemas, section_files
from params.loading import check, load
from params.preparation import (
    Duplicates,
    EmotionDuplicates,
    EmotionSplit,
    OfflineAugmentation,
    Prepare,
    PrepareEmotion,
    PrepareKeypoints,
    Split,
)
from params.recipe import Evaluate, EvaluateEmotion, EvaluateKeypoints, EvaluateModel, Recipe, Report, ReportModel
from params.run import STAGES, Detector, Drift, Ingest, Pipeline, Promote, Quality, ReportPredictions, Score, Video
from params.sources import wrong_sources
from params.training import (
    Architecture,
    Augmentation,
    EmotionAugmentation,
    EmotionLoss,
    Optimizer,
    TrainEmotion,
    TrainKeypoints,
    TrainModel,
)
from params.types import MODELS, NOT_IN_COURSE, TEACHER, Emotion, ModelName, Settings, SettingsError

__all__ = [
    "MODELS",
    "NOT_IN_COURSE",
    "PARAMS",
    "PRESETS",
    "STAGES",
    "TEACHER",
    "Architecture",
    "Augmentation",
    "Dataset",
    "Detector",
    "Distillation",
    "Drift",
    "Duplicates",
    "Emotion",
    "EmotionAugmentation",
    "EmotionDuplicates",
    "EmotionLoss",
    "EmotionSplit",
    "Evaluate",
    "EvaluateEmotion",
    "EvaluateKeypoints",
    "EvaluateModel",
    "Gate",
    "GateEmotion",
    "GateKeypoints",
    "GateLicense",
    "Ingest",
    "ModelName",
    "NumSamples",
    "OfflineAugmentation",
    "Optimizer",
    "Params",
    "Pipeline",
    "Prepare",
    "PrepareEmotion",
    "PrepareKeypoints",
    "Promote",
    "Quality",
    "Recipe",
    "Report",
    "ReportModel",
    "ReportPredictions",
    "ReportTables",
    "Sample",
    "Score",
    "Settings",
    "SettingsError",
    "Split",
    "StudentEmotion",
    "StudentKeypoints",
    "TrainEmotion",
    "TrainKeypoints",
    "TrainModel",
    "Validate",
    "ValidateEmotion",
    "ValidateKeypoints",
    "Video",
    "check",
    "key_paths",
    "load",
    "preset_file",
    "presets",
    "schemas",
    "section_files",
    "wrong_sources",
]
