"""A training keeps its best epoch, depends only on its seed, and resumes after an interruption with the same result."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from faces.training.backend import host_backend
from faces.training.batch_norm import batch_norm_updater
from faces.training.batches import Augment, Batches, TrainingFaces
from faces.training.fit_inputs import PREFETCHED_BATCHES, VALIDATION_BATCH_SIZE, Prefetching, fit_inputs
from faces.training.optimizer import OptimizerSettings, cosine_schedule
from faces.training.trainer import Checkpoint, Epoch, best_epoch, fit_model
from params import TrainEmotion, TrainKeypoints
from tasks.training.batches import batches_of, training_faces, training_targets
from tasks.training.builders import batch_norm_samples, build_model, loss_of
from tests.tiny import CONSTANTS, EPOCHS, MODELS, training
from tests.tiny import part as dataset

SIMPLE_OPTIMIZER = OptimizerSettings("adamw", learning_rate=0.05, weight_decay=0.0, warmup_ratio=0.1, ema_decay=0.0)


def epochs_of(*losses: float) -> list[Epoch]:
    return [Epoch(number, 9, 1.0, 1.0, {"val_loss": loss}) for number, loss in enumerate(losses, start=1)]


def test_best_epoch_is_the_earliest_of_lowest_validation_loss() -> None:
    assert best_epoch(epochs_of(3, 2, 1, 1, 2)).number == 3
    assert best_epoch(epochs_of(1)).number == 1


@pytest.mark.parametrize(("warmup_ratio", "warmup_steps"), [(0.1, 20), (0.25, 50), (0.0, 1)])
def test_learning_rate_warms_up_and_decays_to_0(warmup_ratio: float, warmup_steps: int) -> None:
    schedule = cosine_schedule(1e-2, 200, warmup_ratio)
    rates = np.array([float(schedule(step)) for step in range(201)])
    assert rates.argmax() == warmup_steps
    assert rates.max() == pytest.approx(1e-2, rel=1e-4)
    assert rates[0] == pytest.approx(1e-4, rel=1e-3)
    assert (np.diff(rates[: warmup_steps + 1]) > 0).all()
    assert (np.diff(rates[warmup_steps:]) < 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-8)
    # A cosine: half way through the decay it has half the maximum, and is steepest.
    assert float(schedule((200 + warmup_steps) / 2)) == pytest.approx(1e-2 / 2, rel=1e-3)
    assert abs(np.diff(rates[warmup_steps:]).argmin() - (200 - warmup_steps) // 2) <= 1


@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("warmup_ratio", [0.0, 0.9])
def test_learning_rate_of_very_short_trainings(steps: int, warmup_ratio: float) -> None:
    schedule = cosine_schedule(1e-2, steps, warmup_ratio)
    rates = [float(schedule(step)) for step in range(steps)]
    assert 0 < min(rates) <= max(rates) <= 1e-2 * (1 + 1e-6)


class Run(NamedTuple):
    model: keras.Model
    validation: tuple[np.ndarray, np.ndarray]
    epochs: list[Epoch]
    rates: list[float]


def towards_one(
    checkpoint: Checkpoint | None = None,
    on_checkpoint: Callable = lambda checkpoint: None,
    epochs: int = 30,
    patience: int = 30,
    **changes: Any,
) -> Run:
    """The output rises to the training target 1; that of validation is 0.5, so the best epoch is on the way."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((2, 2)), keras.layers.Flatten(), keras.layers.Dense(1)])
    images, logged, rates = np.zeros((5, 2, 2), np.uint8), list[Epoch](), list[float]()
    validation = (images[:4], np.full((4, 1), 0.5, np.float32))

    def on_epoch(epoch: Epoch) -> None:
        logged.append(epoch)
        rates.append(float(model.optimizer.learning_rate))

    targets = np.ones((5, 1), np.float32)
    epochs_done = fit_model(
        model,
        lambda epochs: Batches(TrainingFaces(images, targets, 5), 2, 1, epochs, lambda generator, *batch: batch),
        validation,
        loss="mse",
        metrics=["mae"],
        optimizer=SIMPLE_OPTIMIZER._replace(**changes),
        epochs=epochs,
        patience=patience,
        backend=host_backend(),
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        on_checkpoint=on_checkpoint,
    )
    assert epochs_done[len(epochs_done) - len(logged) :] == logged
    return Run(model, validation, epochs_done, rates)


@pytest.mark.parametrize("ema_decay", [0.0, 0.8])
def test_fit_keeps_the_weights_of_the_lowest_validation_loss(ema_decay: float) -> None:
    """With `ema_decay`, the averaged weights are validated and kept."""
    run = towards_one(ema_decay=ema_decay)
    losses = [epoch.metrics["val_loss"] for epoch in run.epochs]
    assert 0 < int(np.argmin(losses)) < len(losses) - 1
    assert min(losses) < 0.1 * losses[-1]
    loss = run.model.evaluate(*run.validation, batch_size=2, verbose=0)[0]
    assert loss == pytest.approx(min(losses), rel=1e-4, abs=1e-7)


def test_fit_reports_every_epoch() -> None:
    epochs, rates = towards_one(epochs=10)[2:]
    assert [(epoch.number, epoch.of) for epoch in epochs] == [(number, 10) for number in range(1, 11)]
    assert all(set(epoch.metrics) == {"loss", "mae", "val_loss", "val_mae"} for epoch in epochs)
    # Two whole batches of two per epoch; the fifth face is skipped.
    assert all(epoch.faces_per_second == pytest.approx(4 / epoch.seconds) for epoch in epochs)
    schedule = cosine_schedule(0.05, 20, 0.1)
    assert rates == pytest.approx([float(schedule(2 * number)) for number in range(1, 11)], rel=1e-4, abs=1e-9)


def test_averaged_weights_lag_behind() -> None:
    current, averaged = (towards_one(ema_decay=ema_decay).epochs for ema_decay in (0.0, 0.8))
    assert best_epoch(current).number < best_epoch(averaged).number
    assert current[0].metrics["loss"] == averaged[0].metrics["loss"]


def test_adam_keeps_its_learning_rate() -> None:
    assert towards_one(name="adam", epochs=3).rates == pytest.approx([0.05] * 3)


@pytest.mark.parametrize("patience", [1, 3])
def test_training_stops_after_patience_epochs_without_a_better_one(patience: int) -> None:
    epochs = towards_one(patience=patience).epochs
    assert len(epochs) == best_epoch(epochs).number + patience < 30


def test_weight_decay_excludes_biases_and_batch_normalization() -> None:
    """The loss has no gradient, so every change is weight decay."""
    layers = [keras.layers.Conv2D(2, 3), keras.layers.BatchNormalization(), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((4, 4, 1)), *layers, keras.layers.Dense(3)])
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    faces = np.ones((4, 4, 4), np.uint8)
    fit_model(
        model,
        lambda epochs: Batches(
            TrainingFaces(faces, np.zeros((4, 3)), 4), 2, 1, epochs, lambda generator, *batch: batch
        ),
        (faces, np.zeros((4, 3))),
        loss=lambda truth, predicted: 0 * keras.ops.sum(predicted, axis=1),
        metrics=[],
        optimizer=SIMPLE_OPTIMIZER._replace(weight_decay=0.5),
        epochs=1,
        patience=1,
        backend=host_backend(),
        on_epoch=lambda epoch: None,
    )
    decayed = {variable.path for variable in model.trainable_variables if (np.array(variable) < 1).any()}
    assert decayed == {variable.path for variable in model.trainable_variables if variable.name == "kernel"}
    assert len(decayed) == 2


TWENTY = np.arange(20, dtype=np.uint8).reshape(20, 1, 1)


def twenty(epochs: range, augment: Augment = lambda generator, faces, targets: (faces, targets)) -> Batches:
    return Batches(TrainingFaces(TWENTY, np.arange(20, dtype=np.float32)[:, None], 20), 2, 1, epochs, augment)


def batches_in(epoch: int) -> list[list[float]]:
    return [targets.ravel().tolist() for _, targets in twenty(range(epoch, epoch + 1))]


@functools.cache
def requested_in_three_epochs() -> list[list[list[float]]]:
    """The numbers of the faces in each batch of each epoch, as a training requested them."""
    requested: list[list[float]] = []

    def recording(generator: np.random.Generator, faces: np.ndarray, targets: np.ndarray) -> tuple:
        requested.append(targets.ravel().tolist())
        return faces, targets

    fit_model(
        keras.Sequential([keras.Input((1, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]),
        lambda epochs: twenty(epochs, recording),
        (TWENTY, np.zeros((20, 1), np.float32)),
        loss="mse",
        metrics=[],
        optimizer=SIMPLE_OPTIMIZER,
        epochs=3,
        patience=3,
        backend=host_backend(),
        on_epoch=lambda epoch: None,
    )
    # Keras requests a few batches beforehand, for their shapes.
    return [requested[-30:-20], requested[-20:-10], requested[-10:]]


def test_training_takes_the_batches_of_an_epoch_in_order() -> None:
    """Keras would shuffle them with Python's generator, which other threads use too."""
    epochs = [batches_in(epoch) for epoch in range(6)]
    numbers = [epochs.index(epoch) if epoch in epochs else None for epoch in requested_in_three_epochs()]
    assert None not in numbers
    assert len(set(numbers)) == 3


def test_training_starts_with_the_first_epoch_of_its_batches() -> None:
    assert requested_in_three_epochs() == [batches_in(epoch) for epoch in range(3)]


class Interrupted(Exception):
    """Stands for anything that interrupts a training."""


class Trained(NamedTuple):
    weights: list[np.ndarray]
    metrics: list[dict[str, float]]


def trained(
    settings: TrainKeypoints | TrainEmotion,
    model_name: str,
    checkpoint: Checkpoint | None = None,
    on_checkpoint=lambda checkpoint: None,
):
    """A training with dropout, augmentation, weight decay and averaged weights, as `train_model` sets it up."""
    train, validation = dataset(model_name, 18), dataset(model_name, 6)
    model = build_model(train, settings, CONSTANTS)
    epochs = fit_model(
        model,
        batches_of(training_faces(train), settings, host_backend()),
        (validation.images, training_targets(validation)),
        loss=loss_of(train, settings),
        metrics=["accuracy"] if model_name == "emotion" else [],
        optimizer=OptimizerSettings(**settings.optimizer.model_dump()),
        epochs=settings.epochs,
        patience=settings.patience,
        statistics=batch_norm_samples(train, settings),
        backend=host_backend(),
        on_epoch=lambda epoch: None,
        checkpoint=checkpoint,
        on_checkpoint=on_checkpoint,
    )
    return Trained(model.get_weights(), [epoch.metrics for epoch in epochs])


def interrupted_after(epoch: int, train: Callable) -> Checkpoint:
    """The checkpoint of a training that an exception interrupts after an epoch."""
    checkpoints: list[Checkpoint] = []

    def on_checkpoint(checkpoint: Checkpoint) -> None:
        checkpoints.append(checkpoint)
        if len(checkpoint.epochs) == epoch:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(on_checkpoint=on_checkpoint)
    assert len(checkpoints[-1].epochs) == epoch
    return checkpoints[-1]


@functools.cache
def uninterrupted(model_name: str) -> Trained:
    return trained(training(model_name), model_name)


def assert_same(one: Trained, other: Trained) -> None:
    assert one.metrics == other.metrics
    for first, second in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("model_name", MODELS)
def test_resumed_training_ends_as_an_uninterrupted_one(model_name: str) -> None:
    expected = uninterrupted(model_name)
    assert len(expected.metrics) == EPOCHS
    checkpoint = interrupted_after(2, functools.partial(trained, training(model_name), model_name))
    keras.utils.set_random_seed(77)
    assert_same(trained(training(model_name), model_name, checkpoint), expected)


def test_model_depends_only_on_the_seed() -> None:
    """Not on the state of Keras's, NumPy's and Python's global generators."""
    keras.utils.set_random_seed(88)
    assert_same(trained(training("emotion"), "emotion"), uninterrupted("emotion"))
    other = training("emotion").model_copy(update={"seed": 2})
    assert trained(other, "emotion").metrics != uninterrupted("emotion").metrics


@pytest.mark.parametrize("patience", [3, 30])
def test_training_interrupted_after_its_last_epoch_only_restores_the_best(patience: int) -> None:
    """Whether its epochs or its patience had ended: no further epoch is trained."""
    train = functools.partial(towards_one, patience=patience, ema_decay=0.8)
    expected = train()
    assert (len(expected.epochs) < 30) == (patience < 30)
    found = train(interrupted_after(len(expected.epochs), train))
    assert [epoch.metrics for epoch in found.epochs] == [epoch.metrics for epoch in expected.epochs]
    for one, other in zip(found.model.get_weights(), expected.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# Batch-normalization statistics.


def as_it_is(function: Callable) -> Callable:
    """Not compiled."""
    return function


@pytest.mark.parametrize("model_name", MODELS)
def test_statistics_are_those_of_faces_without_augmentation(model_name: str) -> None:
    """At inference, each normalization layer has mean 0 and variance 1 over these faces, without dropout."""
    faces, settings = dataset(model_name, 18), training(model_name)
    model = build_model(faces, settings, CONSTANTS)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta, weights = [layer.momentum for layer in norms], model.get_weights()
    batch_norm_updater(model, as_it_is)(faces.images)
    outputs = keras.Model(model.inputs, [layer.output for layer in norms]).predict(faces.images, verbose=0)
    for layer, output in zip(norms, outputs, strict=True):
        np.testing.assert_allclose(output.mean(axis=(0, 1, 2)), 0, atol=1e-3)
        # Keras adds epsilon to the variance.
        variance = np.asarray(layer.moving_variance)
        np.testing.assert_allclose(output.var(axis=(0, 1, 2)), variance / (variance + layer.epsilon), rtol=1e-3)
    assert [layer.momentum for layer in norms] == momenta
    assert model.get_layer("dropout").rate == settings.architecture.dropout
    updated = {id(variable) for layer in norms for variable in layer.non_trainable_variables}
    for variable, before in zip(model.weights, weights, strict=True):
        assert (id(variable) in updated) or np.array_equal(variable, before)


def test_statistics_are_the_mean_over_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faces.training.batch_norm.UPDATE_BATCH_SIZE", 6)
    faces = dataset("emotion", 18)
    model = build_model(faces, training("emotion"), CONSTANTS)
    first = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    batch_norm_updater(model, as_it_is)(faces.images)
    inputs = keras.Model(model.inputs, first.input).predict(faces.images, verbose=0)
    batches = [inputs[start : start + 6] for start in (0, 6, 12)]
    np.testing.assert_allclose(
        first.moving_mean, np.mean([each.mean(axis=(0, 1, 2)) for each in batches], 0), rtol=1e-4
    )
    variances = np.mean([each.var(axis=(0, 1, 2)) for each in batches], 0)
    np.testing.assert_allclose(first.moving_variance, variances, rtol=1e-4)


def test_averaged_weights_are_validated_and_kept_with_their_own_statistics() -> None:
    train, validation, settings = dataset("emotion", 18), dataset("emotion", 6), training("emotion")
    expected, statistics = uninterrupted("emotion"), batch_norm_samples(train, settings)
    assert statistics is not None
    model = build_model(train, settings, CONSTANTS)
    model.set_weights(expected.weights)
    batch_norm_updater(model, as_it_is)(statistics)
    for one, other in zip(expected.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    model.compile(loss=loss_of(train, settings))
    found = model.evaluate(validation.images, training_targets(validation), verbose=0)
    assert found == pytest.approx(min(metrics["val_loss"] for metrics in expected.metrics), rel=1e-3)


def test_tensorflow_reads_the_batches_in_order_without_autotuning() -> None:
    faces = dataset("emotion", 12)
    batches = batches_of(training_faces(faces), training("emotion", batch_size=5), host_backend())(range(3))
    inputs = fit_inputs(batches, (faces.images, training_targets(faces)))
    for each in (inputs["x"], inputs["validation_data"]):
        assert each.options().autotune.enabled is False
    given = list(inputs["x"].as_numpy_iterator())
    assert len(given) == len(batches) == 6
    for number, (images, targets) in enumerate(given):
        np.testing.assert_array_equal(images, batches[number][0])
        np.testing.assert_array_equal(targets, batches[number][1])
    ((images, targets),) = inputs["validation_data"].as_numpy_iterator()
    np.testing.assert_array_equal(images, faces.images)
    np.testing.assert_array_equal(targets, training_targets(faces))


def test_other_backends_get_batches_and_arrays_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    faces = dataset("emotion", 12)
    batches = batches_of(training_faces(faces), training("emotion", batch_size=5), host_backend())(range(1))
    validation = (faces.images, training_targets(faces))
    assert fit_inputs(batches, validation) == {
        "x": batches,
        "validation_data": validation,
        "validation_batch_size": VALIDATION_BATCH_SIZE,
    }


@pytest.mark.parametrize("threads", [1, 3])
def test_prefetched_batches_are_the_same_in_the_same_order(threads: int) -> None:
    """More of them than are prepared in advance; and from the first one again, as Keras requests one for its shape."""
    epochs = range(3, 3 + PREFETCHED_BATCHES)
    plain, prefetched = twenty(epochs), Prefetching(twenty(epochs), threads)
    assert len(prefetched) == len(plain) > 3 * PREFETCHED_BATCHES
    for number in (0, *range(len(plain))):
        for actual, expected in zip(prefetched[number], plain[number], strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_accelerators_are_fed_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert isinstance(fit_inputs(twenty(range(1)), (TWENTY, TWENTY), 2)["x"], Prefetching)
