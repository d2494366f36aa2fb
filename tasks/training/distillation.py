"""Distillation from a saved teacher."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import keras

from faces.models.portable import portable
from faces.models.tta import Inference, predict_by
from faces.training.batches import Distillation
from faces.training.distillation import distillation_targets, first_of_ensemble
from params import Teacher
from tasks.common.files import InputError
from tasks.models.inference_engine import predictor
from tasks.models.onnx_files import export_float32
from tasks.training.builders import load_teacher


def make_distillation(model: keras.Model, classes: Sequence[str], settings: Teacher) -> Distillation:
    """Targets from the teacher's predictions for augmented faces; with `init_from_teacher`, `model` gets its weights.

    `classes` are the model's output classes, none for keypoints. Raises InputError as `load_teacher` does, and if the
    teacher's weights do not fit the model.
    """
    path = Path(settings.file)
    teacher = load_teacher(path, model, classes, settings)
    if settings.init_from_teacher:
        _initialize(model, portable(first_of_ensemble(teacher)), path)
    with TemporaryDirectory() as folder:
        exported = Path(folder) / "teacher.onnx"
        export_float32(teacher, exported)
        run, inference = predictor(exported, model.input.shape[1]), Inference(settings.flip_tta)
    return Distillation(
        lambda faces, labels: distillation_targets(labels, predict_by(run, faces, inference), settings.teacher_weight),
        settings.cached_epochs,
    )


def _initialize(model: keras.Model, teacher: keras.Model, path: Path) -> None:
    # Output shapes are compared too, because a stride changes no shape of weights.
    own, given = (
        [(layer.output.shape, [weights.shape for weights in layer.weights]) for layer in each.layers]
        for each in (model, teacher)
    )
    if own != given:
        raise InputError(
            f"{path}: does not have the widths, depths and stem_stride of `architecture`; set `init_from_teacher` to "
            "false"
        )
    model.set_weights(teacher.get_weights())
