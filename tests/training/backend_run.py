"""One training on drawn faces, for the backend that KERAS_BACKEND names; prints its results as JSON."""

import contextlib
import functools
import json
import sys
from pathlib import Path

import keras
import numpy as np

from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING
from faces.training.backend import Backend
from faces.training.optimizer import OptimizerSettings, compile_model
from faces.training.trainer import Checkpoint, Epoch, fit_model
from tasks.training.batches import batches_of, training_faces, training_targets
from tasks.training.builders import batch_norm_samples, build_model, loss_of
from tasks.training.environment import training_backend, training_environment
from tests.tiny import CLASSES, CONSTANTS, STILL, training
from tests.tiny import part as dataset

SIZE = 48
NUM_TRAIN, NUM_VALIDATION = 800, 150
CHOSEN = training(
    "emotion",
    epochs=2,
    batch_size=16,
    bn_update_samples=64,
    architecture={"name": "resnet", "widths": (8, 16, 32), "depths": (1, 1, 1), "dropout": 0.0},
)
# Without mixing and blur, so that two epochs learn something.
MILD = {**STILL, "horizontal_flip": 0.5, "brightness": 10.0, "mixup_alpha": 0.0, "cutmix_alpha": 0.0}
SETTINGS = CHOSEN.model_copy(update={"augmentation": CHOSEN.augmentation.model_copy(update=MILD)})


@functools.cache
def drawn(seed: int, count: int):
    """Drawn faces with each emotion equally often."""
    labels = np.arange(count) % CLASSES
    images, _ = draw_faces(np.random.default_rng(seed), labels, SIZE, EMOTION_FRAMING)
    return dataset("emotion", count).__class__(
        **{**vars(dataset("emotion", count)), "images": images, "targets": labels}
    )


class Interrupted(Exception):
    """Stands for a kill."""


def fitted(backend: Backend, checkpoint: Checkpoint | None = None, stop_after: int = 99) -> tuple:
    """Weights and epochs of the training; the checkpoint after the epoch at which it stops."""
    train, validation = drawn(1, NUM_TRAIN), drawn(2, NUM_VALIDATION)
    model, kept = build_model(train, SETTINGS, CONSTANTS), list[Checkpoint]()

    def on_checkpoint(one: Checkpoint) -> None:
        kept.append(one)
        if len(one.epochs) == stop_after:
            raise Interrupted

    epochs: list[Epoch] = []
    with contextlib.suppress(Interrupted):
        epochs = fit_model(
            model,
            batches_of(training_faces(train), SETTINGS, backend),
            (validation.images, training_targets(validation)),
            loss=loss_of(train, SETTINGS),
            metrics=["accuracy"],
            optimizer=OptimizerSettings(**SETTINGS.optimizer.model_dump()),
            epochs=SETTINGS.epochs,
            patience=SETTINGS.patience,
            backend=backend,
            statistics=batch_norm_samples(train, SETTINGS),
            on_epoch=lambda epoch: None,
            checkpoint=checkpoint,
            on_checkpoint=on_checkpoint,
        )
    return model.get_weights(), [epoch.metrics for epoch in epochs], kept[-1]


def first_losses(backend: Backend) -> list[float]:
    """The losses of the first three steps."""
    train = drawn(1, NUM_TRAIN)
    model, batches = (
        build_model(train, SETTINGS, CONSTANTS),
        batches_of(training_faces(train), SETTINGS, backend)(range(1)),
    )
    compile_model(model, loss_of(train, SETTINGS), [], OptimizerSettings(**SETTINGS.optimizer.model_dump()), 16)
    return [float(model.train_on_batch(*batches[number])) for number in range(3)]


def main(out: Path) -> None:
    backend = training_backend()
    initial = build_model(drawn(1, 8), SETTINGS, CONSTANTS).get_weights()
    weights, metrics, _ = fitted(backend)
    resumed, _, _ = fitted(backend, fitted(backend, stop_after=1)[2])
    # As on an accelerator: faces are kept and augmented where the model is.
    on_device = backend._replace(on_device=True, prefetch_threads=2) if backend.name == "jax" else backend
    device_batch = batches_of(training_faces(drawn(1, NUM_TRAIN)), SETTINGS, on_device)(range(1))[1]
    host_batch = batches_of(training_faces(drawn(1, NUM_TRAIN)), SETTINGS, backend)(range(1))[1]
    result = {
        **training_environment(),
        "initial": float(sum(np.abs(each).sum(dtype=np.float64) for each in initial)),
        "losses": first_losses(backend),
        "metrics": metrics,
        "resumed_equals": all((one == other).all() for one, other in zip(weights, resumed, strict=True)),
        "on_device": fitted(on_device)[1],
        "device_batch_is_host_batch": all(
            (np.asarray(one) == np.asarray(other)).all() for one, other in zip(device_batch, host_batch, strict=True)
        ),
        "kept_on_device": not isinstance(device_batch[0], np.ndarray),
        "mean_image": host_batch[0].astype(float).mean(axis=(1, 2)).tolist(),
    }
    out.write_text(json.dumps(result))


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    main(Path(sys.argv[1]))
