"""Trains an emotion recipe as stage `train@emotion` does, with prefetched batches, in a given precision."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

import faces.training.batch_norm
import params
from benchmarks.prefetching import Prefetching
from faces.models.ensemble import ensemble
from faces.models.tta import Inference, predict_by
from faces.training.batches import Distillation
from faces.training.distillation import distillation_targets
from faces.training.optimizer import OptimizerSettings
from faces.training.trainer import Epoch, fit_model
from params import Teacher, TrainEmotion
from tasks.common.dataset import FaceDataset, concatenate, load_dataset
from tasks.common.files import InputError
from tasks.models.keras_files import save_model
from tasks.training.batches import batches_of, training_targets
from tasks.training.builders import batch_norm_samples, build_model, for_teacher, load_teacher, loss_of

PredictorOf = Callable[[keras.Model], Callable[[np.ndarray], np.ndarray]]
"""From a model to a function from images (N, H, W) to its outputs."""


class Prepared(NamedTuple):
    """Training and validation splits, and the constants of the normalization."""

    train: FaceDataset
    validation: FaceDataset
    constants: dict[str, float]


def load_prepared(project: Path) -> Prepared:
    """Load a project's emotion data; offline augmentation's copies are added to the training split."""
    folder = project / "data/prepared/emotion"
    train, copies, validation = (load_dataset(folder / f"{name}.npz") for name in ("train", "augmented", "validation"))
    return Prepared(concatenate([train, copies]), validation, json.loads((folder / "normalization.json").read_text()))


def distillation(
    project: Path, data: Prepared, settings: TrainEmotion, by: Teacher, predictor_of: PredictorOf
) -> Distillation:
    """Return distillation by a saved teacher. Raises InputError for the same teachers as the stage."""
    student = build_model(data.train, settings, data.constants)
    teacher = load_teacher(project / by.file, student, data.train.classes.tolist(), by)
    predictor, how = predictor_of(teacher), Inference(by.flip_tta)
    return Distillation(
        lambda images, labels: distillation_targets(labels, predict_by(predictor, images, how), by.teacher_weight),
        by.cached_epochs,
    )


def train_member(
    data: Prepared, settings: TrainEmotion, teacher: Distillation | None, on_epoch: Callable[[Epoch], None]
) -> tuple[keras.Model, list[Epoch]]:
    """Train one model in the current precision; returns it with the weights of its best epoch."""
    keras.utils.set_random_seed(settings.seed)
    model = build_model(data.train, settings, data.constants)
    batches = batches_of(data.train, settings, teacher)
    epochs = fit_model(
        model,
        lambda epochs: Prefetching(batches(epochs)),
        (data.validation.images, training_targets(data.validation)),
        loss=loss_of(data.train, settings),
        metrics=["accuracy"],
        optimizer=OptimizerSettings(**settings.optimizer.model_dump()),
        epochs=settings.epochs,
        patience=settings.patience,
        statistics=batch_norm_samples(data.train, settings),
        on_epoch=on_epoch,
        on_checkpoint=lambda _: None,
    )
    return model, epochs


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Set Keras's dtype policy for layers that are created in this context, and restore it afterwards."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_full_precision(model: keras.Model, data: Prepared, settings: TrainEmotion) -> keras.Model:
    """Return a float32 model with the same weights, its batch norm statistics updated."""
    with precision("float32"):
        exact = build_model(data.train, settings, data.constants)
    exact.set_weights(model.get_weights())
    if (images := batch_norm_samples(data.train, settings)) is not None:
        faces.training.batch_norm.update_batch_norm(exact, images)
    return exact


def write_member(path: Path, model: keras.Model, epochs: list[Epoch]) -> None:
    """Write an `.npz`: the model's variables as `best_0000` and so on, and `epochs` as JSON."""
    arrays = {f"best_{k:04}": np.asarray(variable) for k, variable in enumerate(model.variables)}
    history = np.array(json.dumps([epoch._asdict() for epoch in epochs]))
    np.savez(path, allow_pickle=False, epochs=history, **arrays)


def train_recipe(
    project: Path, out: Path, policy: str, predictor_of: PredictorOf, on_epoch: Callable[[Epoch], None] = lambda _: None
) -> None:
    """Train every member of the project's recipe; write each member and their ensemble into `out`.

    Raises InputError for a recipe that initializes from its teacher's weights.
    """
    settings: TrainEmotion = params.load(project).recipe.emotion.student
    data, teacher = load_prepared(project), None
    if settings.distillation:
        if settings.distillation.init_from_teacher:
            raise InputError(
                "initialization from a teacher's weights is not supported here; set `init_from_teacher` to false"
            )
        train, validation = for_teacher(data.train, data.validation, settings.distillation)
        data = data._replace(train=train, validation=validation)
        teacher = distillation(project, data, settings, settings.distillation, predictor_of)
    out.mkdir(parents=True, exist_ok=True)
    models = []
    for number in range(settings.ensemble_size):
        one = settings.model_copy(update={"seed": settings.seed + number, "ensemble_size": 1})
        with precision(policy):
            model, epochs = train_member(data, one, teacher, on_epoch)
        exact = in_full_precision(model, data, one)
        write_member(out / f"seed-{one.seed}.npz", exact, epochs)
        models.append(exact)
    save_model(ensemble(models), out / "emotion.keras")
