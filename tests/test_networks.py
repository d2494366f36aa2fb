"""Networks are named, saved and read back whole; their loss bears missing points; they learn eight faces by heart."""

import random
import re
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from faces.labels import KEYPOINTS, LABEL_SETS
from faces.losses import masked_smooth_l1
from faces.networks import SoftArgmax, emotion_network, initialise, keypoints_network
from faces.normalise import pixel_statistics
from faces.sample.faces import draw_faces
from faces.sample.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING
from faces.training import Epoch, cosine_schedule, fit_network

HEADS = ("keypoints", "emotion")
CLASSES = len(LABEL_SETS["course"])
LOSS: dict[str, Any] = {"keypoints": masked_smooth_l1, "emotion": "sparse_categorical_crossentropy"}
NAN = float("nan")


def tiny_network(head: str, size: int = 16, widths: tuple[int, ...] = (4, 4), dropout: float = 0.0) -> keras.Model:
    """Too small to learn much, but with every kind of block, built in a moment."""
    if head == "emotion":
        return emotion_network(size, CLASSES, widths, dropout, mean=120.0, std=60.0)
    return keypoints_network(size, widths, dropout, mean=120.0, std=60.0)


def noise(faces: int, size: int = 16) -> np.ndarray:
    return np.random.default_rng(faces).integers(0, 256, (faces, size, size), np.uint8)


def targets(head: str, faces: int, size: int = 16) -> np.ndarray:
    generator = np.random.default_rng(faces)
    if head == "emotion":
        return generator.integers(0, CLASSES, faces)
    return generator.uniform(0, size - 1, (faces, len(KEYPOINTS), 2)).astype(np.float32)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", [16, 48])
def test_network_takes_grey_levels_and_gives_what_its_head_is_for(head: str, size: int) -> None:
    network = tiny_network(head, size)
    assert network.name == head
    assert (network.input.shape, network.input.dtype) == ((None, size, size), "uint8")
    predicted = np.asarray(network(noise(5, size)))
    assert predicted.dtype == np.float32
    if head == "emotion":
        assert predicted.shape == (5, CLASSES)
        assert (predicted >= 0).all()
        np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)
    else:
        assert predicted.shape == (5, len(KEYPOINTS), 2)
        assert predicted.min() >= 0
        assert predicted.max() <= size - 1
    assert network.output.shape == (None, *predicted.shape[1:])
    assert np.ptp(predicted, axis=0).max() > 0


@pytest.mark.parametrize("head", HEADS)
def test_points_and_probabilities_do_not_depend_on_the_company(head: str) -> None:
    network, images = tiny_network(head), noise(4)
    np.testing.assert_allclose(network(images)[1:2], network(images[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_every_layer_is_named_by_us(head: str) -> None:
    """Keras's own names count up: they would differ between two networks of one process."""
    names = [layer.name for layer in tiny_network(head).layers]
    assert names == [layer.name for layer in tiny_network(head).layers]
    assert len(set(names)) == len(names) > 30
    automatic = re.compile(r"(re_lu|conv2d|batch_normalization|max_pooling2d|add|dense|input_layer|reshape)(_\d+)?")
    assert [name for name in names if automatic.fullmatch(name)] == []


@pytest.mark.parametrize("head", HEADS)
def test_normalisation_is_inside(head: str) -> None:
    """Mean and deviation are applied to grey levels: a constant face of the mean level is a face of noughts."""
    network = tiny_network(head)
    inside = keras.Model(network.input, network.get_layer("normalise").output)
    levels = np.array([60, 120, 180, 240], np.uint8).reshape(4, 1, 1) * np.ones((16, 16), np.uint8)
    np.testing.assert_allclose(np.asarray(inside(levels))[:, 3, 5, 0], [-1, 0, 1, 2], atol=1e-5)


@pytest.mark.parametrize("stride", [4, 8])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 4), (2, 1), (3, 4)])
def test_soft_argmax_of_one_peak_is_the_middle_of_its_cell(stride: int, row: int, column: int) -> None:
    scores = np.zeros((2, 4, 5, 3), np.float32)
    scores[1, row, column, 2] = 1000
    found = np.asarray(SoftArgmax(stride)(scores))
    covered = np.arange(stride)
    np.testing.assert_allclose(
        found[1, 2], [(column * stride + covered).mean(), (row * stride + covered).mean()], atol=1e-3
    )
    # Even scores have no peak: the middle of the image, (5 * stride, 4 * stride) pixels wide and high.
    middle = [np.arange(5 * stride).mean(), np.arange(4 * stride).mean()]
    np.testing.assert_allclose(found[0], [middle] * 3, atol=1e-3)


def test_soft_argmax_of_two_equal_peaks_is_their_midpoint() -> None:
    scores = np.zeros((1, 6, 6, 1), np.float32)
    scores[0, 1, 0, 0] = scores[0, 4, 2, 0] = 1000
    # Cells of 2 px: middles (0.5, 2.5) and (4.5, 8.5).
    np.testing.assert_allclose(SoftArgmax(2)(scores), [[[2.5, 5.5]]], atol=1e-4)


def test_soft_argmax_is_the_same_in_a_graph() -> None:
    layer = SoftArgmax(8)
    scores = tf.constant(np.random.default_rng(0).normal(0, 5, (3, 6, 6, 15)).astype(np.float32))
    signature = [tf.TensorSpec((None, 6, 6, 15), tf.float32)]
    in_graph = tf.function(layer, input_signature=signature)(scores)
    assert in_graph.shape == layer.compute_output_shape(scores.shape) == (3, 15, 2)
    np.testing.assert_allclose(in_graph, layer(scores), rtol=1e-5)
    assert np.ptp(in_graph) > 10


def test_soft_argmax_keeps_its_stride_when_copied() -> None:
    copy = SoftArgmax.from_config(SoftArgmax(4, name="points").get_config())
    assert (copy.stride, copy.name) == (4, "points")


def huber(errors: np.ndarray) -> np.ndarray:
    """Half the square up to 1, beyond it the straight line that goes on from there."""
    return np.where(np.abs(errors) <= 1, errors**2 / 2, np.abs(errors) - 0.5)


def some_points(faces: int = 6) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    truth = generator.uniform(0, 96, (faces, 15, 2)).astype(np.float32)
    return truth, truth + generator.normal(0, 1.5, truth.shape).astype(np.float32)


def test_loss_of_whole_faces_is_hubers() -> None:
    truth, predicted = some_points()
    found = np.asarray(masked_smooth_l1(truth, predicted))
    assert found.shape == (6,)
    np.testing.assert_allclose(found, huber(predicted - truth).mean(axis=(1, 2)), rtol=1e-4)
    assert float(keras.losses.Huber(delta=1.0)(truth, predicted)) == pytest.approx(found.mean(), rel=1e-4)


def test_loss_is_the_mean_over_labelled_coordinates() -> None:
    truth, predicted = some_points(4)
    truth[1, :7] = truth[2, 3, 1] = truth[3] = NAN
    found = np.asarray(masked_smooth_l1(truth, predicted))
    each = huber(predicted - truth)
    expected = [each[0].mean(), each[1, 7:].mean(), np.nansum(each[2]) / 29, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_loss_by_hand() -> None:
    truth = np.full((1, 15, 2), NAN, np.float32)
    truth[0, 0] = [10, 20]
    predicted = np.full((1, 15, 2), 50, np.float32)
    predicted[0, 0] = [10.5, 17]
    # 0.5 ** 2 / 2 = 0.125 and 3 - 0.5 = 2.5, over two labelled coordinates.
    np.testing.assert_allclose(masked_smooth_l1(truth, predicted), [(0.125 + 2.5) / 2], rtol=1e-6)


def test_loss_teaches_labelled_points_only_and_never_with_nan() -> None:
    truth, predicted = some_points(3)
    truth[1, ::2] = truth[2] = NAN
    variable = tf.Variable(predicted)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(masked_smooth_l1(tf.constant(truth), variable))
    slope = np.asarray(tape.gradient(loss, variable))
    # Huber's slope is the error, held to -1..1, over the number of labelled coordinates: 30, 14 and none.
    count = np.array([30, 14, 1])[:, None, None]
    np.testing.assert_allclose(slope, np.nan_to_num(np.clip(predicted - truth, -1, 1)) / count, atol=1e-6)


def test_learning_rate_rises_for_a_tenth_and_falls_to_a_hundredth() -> None:
    rates = np.array([float(cosine_schedule(1e-2, 200)(step)) for step in range(0, 201, 5)])
    assert rates.argmax() == 20 // 5
    assert rates.max() == pytest.approx(1e-2, rel=1e-4)
    assert (np.diff(rates[:5]) > 0).all()
    assert (np.diff(rates[4:]) < 0).all()
    assert rates[0] == pytest.approx(1e-4, rel=1e-3)
    assert rates[-1] == pytest.approx(1e-4, rel=1e-3)
    # A cosine: half way down it is half way between the two.
    assert rates[110 // 5] == pytest.approx((1e-2 + 1e-4) / 2, rel=1e-3)


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_learning_rate_of_the_shortest_trainings(steps: int) -> None:
    rates = [float(cosine_schedule(1e-2, steps)(step)) for step in range(steps)]
    assert 0 < min(rates) <= max(rates) <= 1e-2 * (1 + 1e-6)


def test_fit_keeps_the_best_epoch_and_tells_of_all() -> None:
    """One number climbs to the training faces' 1; validation's is 0.5, so the best epoch is on the way."""
    network = keras.Sequential([keras.Input((2, 2)), keras.layers.Flatten(), keras.layers.Dense(1)])
    images, epochs, told = np.zeros((5, 2, 2), np.float32), 30, list[Epoch]()
    validation = (images[:4], np.full((4, 1), 0.5, np.float32))
    rates: list[float] = []

    def tell(epoch: Epoch) -> None:
        told.append(epoch)
        rates.append(float(network.optimizer.learning_rate))

    fit_network(
        network,
        (images, np.ones((5, 1), np.float32)),
        validation,
        loss="mse",
        metrics=["mae"],
        epochs=epochs,
        batch_size=2,
        learning_rate=0.05,
        tell=tell,
    )
    assert [(epoch.number, epoch.of) for epoch in told] == [(number, epochs) for number in range(1, epochs + 1)]
    assert all(set(epoch.metrics) == {"loss", "mae", "val_loss", "val_mae"} for epoch in told)
    assert all(epoch.faces_per_second == pytest.approx(5 / epoch.seconds) for epoch in told)
    losses = [epoch.metrics["val_loss"] for epoch in told]
    assert 0 < int(np.argmin(losses)) < epochs - 1
    assert min(losses) < 0.1 * losses[-1]
    assert network.evaluate(*validation, batch_size=2, verbose=0)[0] == pytest.approx(min(losses), rel=1e-4, abs=1e-7)
    # Three steps an epoch, the last of one face, all of them planned for.
    planned = cosine_schedule(0.05, 3 * epochs)
    assert rates == pytest.approx([float(planned(3 * number)) for number in range(1, epochs + 1)], rel=1e-4)


def weights_after(head: str, seed: int, epochs: int) -> list[np.ndarray]:
    keras.utils.set_random_seed(seed)
    network = tiny_network(head, widths=(4,), dropout=0.5)
    if epochs:
        fit_network(
            network,
            (noise(8), targets(head, 8)),
            (noise(4), targets(head, 4)),
            loss=LOSS[head],
            metrics=[],
            epochs=epochs,
            batch_size=4,
            learning_rate=1e-2,
            tell=lambda epoch: None,
        )
    return network.get_weights()


@pytest.mark.parametrize("head", HEADS)
def test_initial_weights_come_from_seed_and_layer_name_alone(head: str) -> None:
    """Another thread that draws from Python's generator meanwhile must not change them."""

    def initial(seed: int, drawn_by_others: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(1)
        for _ in range(drawn_by_others):
            random.random()
        network = tiny_network(head, dropout=0.5)
        initialise(network, seed)
        return network.get_weights()

    for one, other in zip(initial(3, 0), initial(3, 5), strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(initial(3, 0), initial(4, 0), strict=True))


@pytest.mark.parametrize("head", HEADS)
def test_one_seed_gives_one_network(head: str) -> None:
    first, second, untrained = weights_after(head, 1, 2), weights_after(head, 1, 2), weights_after(head, 1, 0)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(first, untrained, strict=True))
    another = weights_after(head, 2, 0)
    assert any((one != other).any() for one, other in zip(another, untrained, strict=True))


class Fitted(NamedTuple):
    """A network that was shown the same eight faces for training and for validation."""

    head: str
    network: keras.Model
    images: np.ndarray
    targets: np.ndarray
    told: list[Epoch]


@pytest.fixture(scope="module", params=HEADS)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    """Moving means of the batch normalisation lag behind the weights, hence the steps after all is known by heart."""
    head, emotions, told = str(request.param), np.arange(8) % CLASSES, list[Epoch]()
    size, framing = (48, EMOTION_FRAMING) if head == "emotion" else (96, KEYPOINTS_FRAMING)
    images, points = draw_faces(np.random.default_rng(1), emotions, size, framing)
    constants = pixel_statistics(images)
    keras.utils.set_random_seed(1)
    if head == "emotion":
        network = emotion_network(size, CLASSES, (16, 32), 0.0, **constants)
    else:
        network = keypoints_network(size, (16, 16, 32), 0.0, **constants)
    faces = (images, emotions if head == "emotion" else points)
    fit_network(
        network,
        faces,
        faces,
        loss=LOSS[head],
        metrics=["accuracy"] if head == "emotion" else [],
        epochs=40 if head == "emotion" else 72,
        batch_size=4 if head == "emotion" else 8,
        learning_rate=3e-3 if head == "emotion" else 1e-2,
        tell=told.append,
    )
    return Fitted(head, network, *faces, told)


def test_network_learns_eight_faces_by_heart(fitted: Fitted) -> None:
    predicted = fitted.network.predict(fitted.images, verbose=0)
    if fitted.head == "emotion":
        np.testing.assert_array_equal(predicted.argmax(axis=1), fitted.targets)
        assert predicted.max(axis=1).min() > 0.5
    else:
        errors = np.linalg.norm(predicted - fitted.targets, axis=2)
        assert errors.mean() < 1
        # Far better than what needs no face: the mean of these eight.
        assert errors.mean() < 0.3 * np.linalg.norm(fitted.targets.mean(axis=0) - fitted.targets, axis=2).mean()
    assert fitted.told[-1].metrics["loss"] < 0.1 * fitted.told[0].metrics["loss"]


def test_fitted_network_is_that_of_its_best_epoch(fitted: Fitted) -> None:
    best = min(epoch.metrics["val_loss"] for epoch in fitted.told)
    found = fitted.network.evaluate(fitted.images, fitted.targets, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(best, rel=1e-3, abs=1e-5)


def test_saved_network_reads_back_the_same(fitted: Fitted, tmp_path: Path) -> None:
    path = tmp_path / "network.keras"
    fitted.network.save(path, include_optimizer=False)
    read = keras.saving.load_model(path, compile=False, safe_mode=True)
    others = noise(3, fitted.images.shape[1])
    np.testing.assert_array_equal(read(others), fitted.network(others))
    assert [layer.name for layer in read.layers] == [layer.name for layer in fitted.network.layers]
    assert read.input.dtype == "uint8"
    assert getattr(read, "optimizer", None) is None


def test_network_is_the_same_eagerly_and_in_a_graph(fitted: Fitted) -> None:
    graph = fitted.network.predict(fitted.images, batch_size=3, verbose=0)
    np.testing.assert_allclose(fitted.network(fitted.images), graph, rtol=1e-3, atol=1e-3)
