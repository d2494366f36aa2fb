"""Keys and values of earlier versions, and what replaces them."""

from fnmatch import fnmatchcase

RENAMED = {
    "train": "recipe: NAME in params.yaml, and MODEL.student in conf/recipe/NAME.yaml for the settings of each model; "
    "the recipe distilled is now student",
    "explore": "report_tables, in conf/dataset/NAME.yaml",
    "sample.*_rows": "sample.num_samples, with keypoints and emotion",
    "validate.max_quarantined": "max_invalid_fraction",
    "validate.*.min_deviation": "min_pixel_std",
    "validate.*.eye_distance": "interocular_distance_px",
    "validate.*.max_missing": "max_missing_fraction",
    "validate.*.label_set": "label_encoding",
    "validate.*.class_share": "class_fraction",
    "evaluate.*.faces_drawn": "report.MODEL.num_examples",
    "score.num_examples": "report_predictions.num_examples",
    "score.faces_drawn": "report_predictions.num_examples",
    "evaluate.*.num_examples": "report.MODEL.num_examples",
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
    "*.student.members": "ensemble_size",
    "*.student.network": "architecture, with name for kind, and stem_stride 1, 2 or 4 for halvings 0, 1 or 2",
    "*.student.descent": "epochs, batch_size, patience, bn_update_samples (was statistics_faces) and optimizer, "
    "with name, learning_rate, weight_decay, warmup_ratio and ema_decay",
    "*.student.distortion": "augmentation, with horizontal_flip, degrees, translate, scale, blur_sigma, brightness, "
    "contrast, noise_std, random_erasing, and for the emotion mixup_alpha and cutmix_alpha",
    "*.student.teacher": "distillation, with teacher_weight for share, cached_epochs for rounds, flip_tta for "
    "flip_averaging; the teacher itself is an entry of MODEL.teachers, and init_from: teacher replaces begin",
    "*.student.distillation.file": "an entry of MODEL.teachers, which the stage train_teacher trains; to use a saved "
    "model, copy it to models/pretrained/MODEL, and give the entry init_from: FILE and epochs: 0",
    "*.student.distillation.sha256": "recorded by DVC in dvc.lock; remove it",
    "*.student.distillation.classes": "always prepare.emotion.train_classes; remove it",
    "*.student.distillation.init_from_teacher": "MODEL.student.init_from: teacher",
    "*.student.loss.smoothing": "label_smoothing",
    "*.student.loss.adjustment": "logit_adjustment_tau",
    "*.student.loss.refit_biases": "evaluate.emotion.bias_correction",
    "*.student.loss.bias_correction": "evaluate.emotion.bias_correction",
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
"""Keys of earlier versions, as patterns of their names in a file, and what replaces each of them."""

RENAMED_VALUES = {"grouped": "group", "official": "predefined", "squared": "mse", "distilled": "student"}


def replacement(name: str) -> str | None:
    """What replaces a key of an earlier version; None for any other key."""
    return next((new for pattern, new in RENAMED.items() if fnmatchcase(name, pattern)), None)
