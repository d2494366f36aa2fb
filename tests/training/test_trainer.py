"""A training keeps its best epoch, follows from its seed alone, and goes on after a cut as if there had been none."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from faces.training.batch_norm import renew_statistics
from faces.training.batches import Batches, Distort
from faces.training.optimizer import Descent, cosine_schedule
from faces.training.trainer import Epoch, State, best_epoch, fit_network
from params import TrainEmotion, TrainKeypoints
from tasks.training.builders import batches_of, built_network, class_shares, loss_of, statistics_of
from tests.tiny import CONSTANTS, EPOCHS, HEADS, part, training

TOWARDS_ONE = Descent("adamw", epochs=30, learning_rate=0.05, warmup=0.1, weight_decay=0.0, ema=0.0, patience=30)


def epochs_of(*losses: float) -> list[Epoch]:
    return [Epoch(number, 9, 1.0, 1.0, {"val_loss": loss}) for number, loss in enumerate(losses, start=1)]


def test_best_epoch_is_the_earliest_of_least_validation_loss() -> None:
    assert best_epoch(epochs_of(3, 2, 1, 1, 2)).number == 3
    assert best_epoch(epochs_of(1)).number == 1


@pytest.mark.parametrize(("warmup", "rising"), [(0.1, 20), (0.25, 50), (0.0, 1)])
def test_learning_rate_rises_for_its_share_of_the_steps_and_falls_to_nothing(warmup: float, rising: int) -> None:
    schedule = cosine_schedule(1e-2, 200, warmup)
    rates = np.array([float(schedule(step)) for step in range(201)])
    assert rates.argmax() == rising
    assert rates.max() == pytest.approx(1e-2, rel=1e-4)
    assert rates[0] == pytest.approx(1e-4, rel=1e-3)
    assert (np.diff(rates[: rising + 1]) > 0).all()
    assert (np.diff(rates[rising:]) < 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-8)
    # A cosine: half way down it is half way to nothing, and steepest.
    assert float(schedule((200 + rising) / 2)) == pytest.approx(1e-2 / 2, rel=1e-3)
    assert abs(np.diff(rates[rising:]).argmin() - (200 - rising) // 2) <= 1


@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("warmup", [0.0, 0.9])
def test_learning_rate_of_the_shortest_trainings(steps: int, warmup: float) -> None:
    schedule = cosine_schedule(1e-2, steps, warmup)
    rates = [float(schedule(step)) for step in range(steps)]
    assert 0 < min(rates) <= max(rates) <= 1e-2 * (1 + 1e-6)


class Run(NamedTuple):
    network: keras.Model
    validation: tuple[np.ndarray, np.ndarray]
    epochs: list[Epoch]
    rates: list[float]


def towards_one(state: State | None = None, keep: Callable = lambda state: None, **changes: Any) -> Run:
    """One number climbs to the training faces' 1; validation's is 0.5, so the best epoch is on the way."""
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((2, 2)), keras.layers.Flatten(), keras.layers.Dense(1)])
    images, told, rates = np.zeros((5, 2, 2), np.uint8), list[Epoch](), list[float]()
    validation = (images[:4], np.full((4, 1), 0.5, np.float32))

    def tell(epoch: Epoch) -> None:
        told.append(epoch)
        rates.append(float(network.optimizer.learning_rate))

    targets = np.ones((5, 1), np.float32)
    epochs = fit_network(
        network,
        lambda epochs: Batches(images, targets, 2, 1, epochs, lambda generator, *batch: batch),
        validation,
        loss="mse",
        metrics=["mae"],
        descent=TOWARDS_ONE._replace(**changes),
        tell=tell,
        state=state,
        keep=keep,
    )
    assert epochs[len(epochs) - len(told) :] == told
    return Run(network, validation, epochs, rates)


@pytest.mark.parametrize("ema", [0.0, 0.8])
def test_fit_keeps_the_best_epoch_as_validation_judged_it(ema: float) -> None:
    """With mean weights, those are what was judged, and what is kept."""
    run = towards_one(ema=ema)
    losses = [epoch.metrics["val_loss"] for epoch in run.epochs]
    assert 0 < int(np.argmin(losses)) < len(losses) - 1
    assert min(losses) < 0.1 * losses[-1]
    kept = run.network.evaluate(*run.validation, batch_size=2, verbose=0)[0]
    assert kept == pytest.approx(min(losses), rel=1e-4, abs=1e-7)


def test_fit_tells_of_every_epoch() -> None:
    told, rates = towards_one(epochs=10)[2:]
    assert [(epoch.number, epoch.of) for epoch in told] == [(number, 10) for number in range(1, 11)]
    assert all(set(epoch.metrics) == {"loss", "mae", "val_loss", "val_mae"} for epoch in told)
    # Two whole batches of two an epoch; the fifth face waits.
    assert all(epoch.faces_per_second == pytest.approx(4 / epoch.seconds) for epoch in told)
    planned = cosine_schedule(0.05, 20, 0.1)
    assert rates == pytest.approx([float(planned(2 * number)) for number in range(1, 11)], rel=1e-4, abs=1e-9)


def test_mean_weights_lag_behind() -> None:
    plain, mean = (towards_one(ema=ema).epochs for ema in (0.0, 0.8))
    assert best_epoch(plain).number < best_epoch(mean).number
    assert plain[0].metrics["loss"] == mean[0].metrics["loss"]


def test_adam_keeps_its_learning_rate() -> None:
    assert towards_one(optimizer="adam", epochs=3).rates == pytest.approx([0.05] * 3)


@pytest.mark.parametrize("patience", [1, 3])
def test_training_ends_after_so_many_epochs_without_a_better_one(patience: int) -> None:
    told = towards_one(patience=patience).epochs
    assert len(told) == best_epoch(told).number + patience < 30


def test_decay_leaves_biases_and_normalisation_alone() -> None:
    """A loss that teaches nothing, so that whatever changes has decayed."""
    layers = [keras.layers.Conv2D(2, 3), keras.layers.BatchNormalization(), keras.layers.Flatten()]
    network = keras.Sequential([keras.Input((4, 4, 1)), *layers, keras.layers.Dense(3)])
    for variable in network.trainable_variables:
        variable.assign(np.ones(variable.shape))
    faces = np.ones((4, 4, 4), np.uint8)
    fit_network(
        network,
        lambda epochs: Batches(faces, np.zeros((4, 3)), 2, 1, epochs, lambda generator, *batch: batch),
        (faces, np.zeros((4, 3))),
        loss=lambda truth, predicted: 0 * keras.ops.sum(predicted, axis=1),
        metrics=[],
        descent=TOWARDS_ONE._replace(epochs=1, weight_decay=0.5),
        tell=lambda epoch: None,
    )
    decayed = {variable.path for variable in network.trainable_variables if (np.array(variable) < 1).any()}
    assert decayed == {variable.path for variable in network.trainable_variables if variable.name == "kernel"}
    assert len(decayed) == 2


TWENTY = np.arange(20, dtype=np.uint8).reshape(20, 1, 1)


def twenty(epochs: range, distort: Distort = lambda generator, faces, targets: (faces, targets)) -> Batches:
    return Batches(TWENTY, np.arange(20, dtype=np.float32)[:, None], 2, 1, epochs, distort)


def shown(epoch: int) -> list[list[float]]:
    return [targets.ravel().tolist() for _, targets in twenty(range(epoch, epoch + 1))]


@functools.cache
def seen_in_three_epochs() -> list[list[list[float]]]:
    """The numbers of the faces in each batch of each epoch, as a training asked for them."""
    seen: list[list[float]] = []

    def seeing(generator: np.random.Generator, faces: np.ndarray, targets: np.ndarray) -> tuple:
        seen.append(targets.ravel().tolist())
        return faces, targets

    fit_network(
        keras.Sequential([keras.Input((1, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]),
        lambda epochs: twenty(epochs, seeing),
        (TWENTY, np.zeros((20, 1), np.float32)),
        loss="mse",
        metrics=[],
        descent=TOWARDS_ONE._replace(epochs=3),
        tell=lambda epoch: None,
    )
    # Keras looks at a few batches beforehand, to learn their shapes.
    return [seen[-30:-20], seen[-20:-10], seen[-10:]]


def test_a_training_sees_the_batches_of_an_epoch_in_their_order() -> None:
    """Keras would shuffle them with Python's generator, which other threads draw from."""
    epochs = [shown(epoch) for epoch in range(6)]
    places = [epochs.index(seen) if seen in epochs else None for seen in seen_in_three_epochs()]
    assert None not in places
    assert len(set(places)) == 3


def test_a_training_s_first_epoch_is_the_one_that_its_batches_begin_with() -> None:
    assert seen_in_three_epochs() == [shown(epoch) for epoch in range(3)]


class Cut(Exception):
    """Stands for whatever ends a training before its time."""


class Trained(NamedTuple):
    weights: list[np.ndarray]
    metrics: list[dict[str, float]]


def trained(settings: TrainKeypoints | TrainEmotion, head: str, state: State | None = None, keep=lambda state: None):
    """A training with dropout, distortions, decay and mean weights, as `fit_head` sets it up."""
    faces, judged = part(head, 18), part(head, 6)
    network = built_network(faces, settings, CONSTANTS)
    epochs = fit_network(
        network,
        batches_of(faces, settings),
        (judged.images, class_shares(judged)),
        loss=loss_of(faces, settings),
        metrics=["accuracy"] if head == "emotion" else [],
        descent=Descent(**settings.descent.model_dump(exclude={"batch_size", "statistics_faces"})),
        statistics=statistics_of(faces, settings),
        tell=lambda epoch: None,
        state=state,
        keep=keep,
    )
    return Trained(network.get_weights(), [epoch.metrics for epoch in epochs])


def cut_after(epoch: int, train: Callable) -> State:
    """What was kept of a training that ended with an exception after an epoch."""
    kept: list[State] = []

    def keep(state: State) -> None:
        kept.append(state)
        if len(state.epochs) == epoch:
            raise Cut

    with pytest.raises(Cut):
        train(keep=keep)
    assert len(kept[-1].epochs) == epoch
    return kept[-1]


@functools.cache
def undisturbed(head: str) -> Trained:
    return trained(training(head), head)


def assert_same(one: Trained, other: Trained) -> None:
    assert one.metrics == other.metrics
    for first, second in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("head", HEADS)
def test_a_training_taken_up_after_a_cut_ends_as_one_that_never_stopped(head: str) -> None:
    expected = undisturbed(head)
    assert len(expected.metrics) == EPOCHS
    state = cut_after(2, functools.partial(trained, training(head), head))
    keras.utils.set_random_seed(77)
    assert_same(trained(training(head), head, state), expected)


def test_one_seed_gives_one_network() -> None:
    """Whatever Keras's, numpy's and Python's own generators hold."""
    keras.utils.set_random_seed(88)
    assert_same(trained(training("emotion"), "emotion"), undisturbed("emotion"))
    other = training("emotion").model_copy(update={"seed": 2})
    assert trained(other, "emotion").metrics != undisturbed("emotion").metrics


@pytest.mark.parametrize("patience", [3, 30])
def test_a_training_cut_off_after_its_last_epoch_only_takes_the_best(patience: int) -> None:
    """Whether its epochs had ended, or its patience: no further epoch is trained."""
    train = functools.partial(towards_one, patience=patience, ema=0.8)
    expected = train()
    assert (len(expected.epochs) < 30) == (patience < 30)
    found = train(cut_after(len(expected.epochs), train))
    assert [epoch.metrics for epoch in found.epochs] == [epoch.metrics for epoch in expected.epochs]
    for one, other in zip(found.network.get_weights(), expected.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# Batch normalisation's statistics.


@pytest.mark.parametrize("head", HEADS)
def test_statistics_are_those_of_the_faces_as_they_are(head: str) -> None:
    """With them, in use, each normalisation's output has mean 0 and deviation 1 over the very faces; dropout is off."""
    faces, settings = part(head, 18), training(head)
    network = built_network(faces, settings, CONSTANTS)
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta, weights = [layer.momentum for layer in norms], network.get_weights()
    renew_statistics(network, faces.images)
    outputs = keras.Model(network.inputs, [layer.output for layer in norms]).predict(faces.images, verbose=0)
    for output in outputs:
        np.testing.assert_allclose(output.mean(axis=(0, 1, 2)), 0, atol=1e-3)
        np.testing.assert_allclose(output.std(axis=(0, 1, 2)), 1, atol=0.05)
    assert [layer.momentum for layer in norms] == momenta
    assert network.get_layer("dropout").rate == settings.network.dropout
    trained_ones = {id(variable) for layer in norms for variable in layer.non_trainable_variables}
    for variable, before in zip(network.weights, weights, strict=True):
        assert (id(variable) in trained_ones) or np.array_equal(variable, before)


def test_statistics_are_the_mean_over_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faces.training.batch_norm.STATISTICS_BATCH", 6)
    faces = part("emotion", 18)
    network = built_network(faces, training("emotion"), CONSTANTS)
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    renew_statistics(network, faces.images)
    inputs = keras.Model(network.inputs, first.input).predict(faces.images, verbose=0)
    batches = [inputs[start : start + 6] for start in (0, 6, 12)]
    np.testing.assert_allclose(
        first.moving_mean, np.mean([each.mean(axis=(0, 1, 2)) for each in batches], 0), rtol=1e-4
    )
    variances = np.mean([each.var(axis=(0, 1, 2)) for each in batches], 0)
    np.testing.assert_allclose(first.moving_variance, variances, rtol=1e-4)


def test_the_mean_weights_are_judged_and_kept_with_statistics_of_their_own() -> None:
    faces, judged, settings = part("emotion", 18), part("emotion", 6), training("emotion")
    kept, statistics = undisturbed("emotion"), statistics_of(faces, settings)
    assert statistics is not None
    network = built_network(faces, settings, CONSTANTS)
    network.set_weights(kept.weights)
    renew_statistics(network, statistics)
    for one, other in zip(kept.weights, network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    network.compile(loss=loss_of(faces, settings))
    found = network.evaluate(judged.images, class_shares(judged), verbose=0)
    assert found == pytest.approx(min(metrics["val_loss"] for metrics in kept.metrics), rel=1e-3)
