"""Networks are named, saved and read back whole; what their blocks add up to; they learn eight faces by heart."""

import random
import re
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from faces.common.schema import KEYPOINTS
from faces.models.class_subset import answering
from faces.models.complexity import multiply_adds
from faces.models.ensemble import mean_network
from faces.models.initializers import initialise
from faces.models.resnet import emotion_network, keypoints_network
from faces.models.spatial_softmax import SoftArgmax
from faces.preparation.normalization import pixel_statistics
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING
from faces.training.batches import Batches
from faces.training.losses import adjusted_cross_entropy, masked, smooth_l1
from faces.training.optimizer import Descent
from faces.training.trainer import Epoch, fit_network
from tasks.models.keras_files import load_network, save_network
from tests.tiny import CLASSES, CONSTANTS, HEADS, noise

TINY: dict[str, Any] = {"widths": (4, 6), "depths": (1, 2)}


def resnet(head: str, size: int = 16, dropout: float = 0.0, constants: dict[str, Any] = CONSTANTS, **sizes: Any):
    """Too small to learn much unless told otherwise, but with every kind of block."""
    sizes = {**TINY, **sizes, "dropout": dropout}
    if head == "emotion":
        return emotion_network(size, CLASSES, **constants, **sizes)
    return keypoints_network(size, **constants, **sizes)


def between(network: keras.Model, *names: str) -> keras.Model:
    """From the faces to what layers give."""
    outputs = [network.get_layer(name).output for name in names]
    return keras.Model(network.input, outputs if len(outputs) > 1 else outputs[0])


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("size", [16, 48])
def test_network_takes_grey_levels_and_gives_what_its_head_is_for(head: str, size: int) -> None:
    network = resnet(head, size)
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
    network, images = resnet(head, dropout=0.5), noise(4)
    np.testing.assert_allclose(network(images)[1:2], network(images[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_every_layer_is_named_by_us(head: str) -> None:
    """Keras's own names count up: they would differ between two networks of one process."""
    names = [layer.name for layer in resnet(head).layers]
    assert names == [layer.name for layer in resnet(head).layers]
    assert len(set(names)) == len(names) > 30
    automatic = re.compile(
        r"(re_lu|conv2d|batch_normalization|average_pooling2d|global_average_pooling2d|up_sampling2d|add|dense|dropout"
        r"|input_layer|reshape|rescaling|soft_argmax)_\d+|re_lu|conv2d|batch_normalization|dense|input_layer|reshape"
    )
    assert [name for name in names if automatic.fullmatch(name)] == []


@pytest.mark.parametrize("head", HEADS)
def test_a_stem_that_halves_twice_costs_less_and_gives_the_same(head: str) -> None:
    once, twice = (resnet(head, 32, widths=(8, 12, 16), depths=(1, 1, 1), halvings=halvings) for halvings in (1, 2))
    assert multiply_adds(twice) < 0.4 * multiply_adds(once)
    assert twice.output.shape == once.output.shape
    assert np.isfinite(twice(noise(3, 32))).all()
    assert between(twice, "stage1_block1_relu").output.shape[1:3] == (8, 8)
    if head == "keypoints":
        for network in (once, twice):  # a quarter as wide as the face, whatever the stem
            assert network.get_layer("score_maps").output.shape[1:3] == (8, 8)


@pytest.mark.parametrize("head", HEADS)
def test_a_stem_that_does_not_halve_sees_every_pixel(head: str) -> None:
    network = resnet(head, 32, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1), halvings=0)
    assert between(network, "stage1_block1_relu").output.shape[1:3] == (32, 32)
    assert np.isfinite(network(noise(2, 32))).all()
    if head == "keypoints":  # a quarter as wide as the face, or what comes nearest to it
        assert network.get_layer("score_maps").output.shape[1:3] == (8, 8)
        shallow = resnet(head, 32, widths=(4, 6), depths=(1, 1), halvings=0)
        assert shallow.get_layer("score_maps").output.shape[1:3] == (16, 16)
        assert shallow(noise(2, 32)).shape == (2, 15, 2)


@pytest.mark.parametrize("head", HEADS)
def test_normalisation_is_inside(head: str) -> None:
    """Mean and deviation are applied to grey levels: a constant face of the mean level is a face of noughts."""
    levels = np.array([60, 120, 180, 240], np.uint8).reshape(4, 1, 1) * np.ones((16, 16), np.uint8)
    found = np.asarray(between(resnet(head), "normalise")(levels))
    np.testing.assert_allclose(found[:, 3, 5, 0], [-1, 0, 1, 2], atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_stages_have_their_widths_and_depths_and_halve(head: str) -> None:
    network = resnet(head, 32, widths=(4, 6, 10), depths=(1, 3, 2))
    ends = [layer for layer in network.layers if re.fullmatch(r"stage\d_block\d_relu", layer.name)]
    assert {layer.name[:13]: layer.output.shape[1:] for layer in ends} == {
        "stage1_block1": (16, 16, 4),
        "stage2_block1": (8, 8, 6),
        "stage2_block2": (8, 8, 6),
        "stage2_block3": (8, 8, 6),
        "stage3_block1": (4, 4, 10),
        "stage3_block2": (4, 4, 10),
    }


def test_points_are_read_off_maps_as_fine_as_the_second_stage() -> None:
    network = resnet("keypoints", 48, widths=(4, 6, 10, 12), depths=(1, 1, 1, 1))
    assert network.get_layer("score_maps").output.shape == (None, 12, 12, len(KEYPOINTS))
    assert network.get_layer("points").stride == 4


@pytest.mark.parametrize("head", HEADS)
def test_a_block_with_a_silent_main_path_gives_its_short_path(head: str) -> None:
    """An identity block: what came in; where the sides halve: its means; where the width changes: 1x1 of these."""
    network = resnet(head, widths=(4, 4, 6), depths=(2, 1, 1))
    for block in ("stage1_block2", "stage2_block1", "stage3_block1"):
        network.get_layer(f"{block}_main2_bn").gamma.assign(np.zeros(4 if block < "stage3" else 6))
    names = ("stage1_block1_relu", "stage1_block2_relu", "stage2_block1_relu", "stage3_block1_short_bn")
    first, second, halved, short, last = map(np.asarray, between(network, *names, "stage3_block1_relu")(noise(3)))
    np.testing.assert_array_equal(second, first)
    np.testing.assert_allclose(halved, first.reshape(3, 4, 2, 4, 2, 4).mean(axis=(2, 4)), rtol=1e-5)
    np.testing.assert_allclose(last, np.maximum(short, 0), rtol=1e-5)
    assert min(first.max(), short.max()) > 0
    kernel = np.asarray(network.get_layer("stage3_block1_short_conv").kernel)[0, 0]
    pooled = halved.reshape(3, 2, 2, 2, 2, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(short, pooled @ kernel / np.sqrt(1.001), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_a_block_adds_its_main_path(head: str) -> None:
    block = "stage2_block2"
    network = resnet(head)
    names = ("stage2_block1_relu", f"{block}_main2_bn", f"{block}_relu")
    came, main, gave = map(np.asarray, between(network, *names)(noise(3)))
    np.testing.assert_allclose(gave, np.maximum(came + main, 0), rtol=1e-5)
    assert np.abs(main).max() > 0


def test_the_cost_is_that_of_every_kernel_at_every_place() -> None:
    network = resnet("emotion", 16, widths=(4, 6), depths=(1, 1))
    # Stem: 3x3x1x2 at 16x16, 3x3x2x4 at 8x8; a block of 4 at 8x8; one of 6 at 4x4 with its 1x1; five classes.
    stem, first = 18 * 256 + 72 * 64, 2 * 144 * 64
    second = (216 + 324 + 24) * 16
    assert multiply_adds(network) == stem + first + second + 6 * CLASSES
    assert multiply_adds(mean_network([network, resnet("emotion", 16, widths=(4, 6), depths=(1, 1))])) == 2 * (
        stem + first + second + 6 * CLASSES
    )


@pytest.mark.parametrize("head", HEADS)
def test_dropout_is_as_the_settings_say_and_in_training_only(head: str) -> None:
    network, images = resnet(head, dropout=0.5), noise(4)
    assert network.get_layer("dropout").rate == 0.5
    np.testing.assert_array_equal(network(images), network(images))
    dropped = between(network, "dropout")
    kept = np.asarray(dropped(images, training=True))[np.asarray(dropped(images)) > 0] > 0
    assert 0.2 < kept.mean() < 0.8


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


def initialised(head: str, seed: int, drawn_by_others: int = 0) -> keras.Model:
    keras.utils.set_random_seed(1)
    for _ in range(drawn_by_others):
        random.random()
    network = resnet(head, dropout=0.5)
    initialise(network, seed)
    return network


@pytest.mark.parametrize("head", HEADS)
def test_initial_weights_come_from_seed_and_layer_name_alone(head: str) -> None:
    """Another thread that draws from Python's generator meanwhile must not change them, nor what dropout drops."""
    first, again, other = (
        [np.array(variable) for variable in initialised(head, *drawn).variables] for drawn in ((3, 0), (3, 5), (4, 0))
    )
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    # Kernels, and dropout's state, which is of whole numbers.
    assert all((one != differs).any() for one, differs in zip(first, other, strict=True) if one.ndim > 1)
    assert [(one != differs).any() for one, differs in zip(first, other, strict=True) if one.dtype.kind in "iu"] == [
        True
    ]


@pytest.mark.parametrize("head", HEADS)
def test_kernels_of_two_layers_differ(head: str) -> None:
    kernels = [layer.kernel.numpy() for layer in initialised(head, 3).layers if hasattr(layer, "kernel")]
    assert len({kernel.tobytes()[:64] for kernel in kernels}) == len(kernels)


@pytest.mark.parametrize("head", HEADS)
def test_saved_network_reads_back_the_same_and_in_the_same_bytes(head: str, tmp_path: Path) -> None:
    network, paths = initialised(head, 3), [tmp_path / "one.keras", tmp_path / "two.keras"]
    save_network(network, paths[0])
    read = load_network(paths[0])
    for kept, weights in zip(read.get_weights(), network.get_weights(), strict=True):
        rounded = weights.astype(np.float16).astype(np.float32) if weights.ndim > 1 else weights
        np.testing.assert_array_equal(kept, rounded)
    np.testing.assert_allclose(read(noise(3)), network(noise(3)), atol=2e-3 if head == "emotion" else 0.1)
    assert [layer.name for layer in read.layers] == [layer.name for layer in network.layers]
    assert (read.name, read.input.dtype) == (head, "uint8")
    assert getattr(read, "optimizer", None) is None
    save_network(initialised(head, 3), paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_fewer_answers_are_the_probabilities_given_that_the_face_is_of_one_of_them() -> None:
    network = initialised("emotion", 3)
    every = np.asarray(network(noise(5)))
    fewer = answering(network, [3, 0])
    np.testing.assert_allclose(
        fewer(noise(5)), every[:, [3, 0]] / every[:, [3, 0]].sum(axis=1, keepdims=True), rtol=1e-5
    )
    assert fewer.name == network.name
    assert answering(network, range(every.shape[1])) is network


class Fitted(NamedTuple):
    """A network that was shown the same eight faces for training and for validation."""

    head: str
    network: keras.Model
    images: np.ndarray
    targets: np.ndarray
    epochs: list[Epoch]


BY_HEART = Descent("adamw", epochs=75, learning_rate=2e-2, warmup=0.1, weight_decay=0.0, ema=0.0, patience=75)


@pytest.fixture(scope="module", params=HEADS)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    head, emotions, size = str(request.param), np.arange(8) % CLASSES, 48
    framing = EMOTION_FRAMING if head == "emotion" else KEYPOINTS_FRAMING
    images, points = draw_faces(np.random.default_rng(1), emotions, size, framing)
    widths = (8, 16) if head == "emotion" else (16, 16, 16)
    network = resnet(head, size, constants=pixel_statistics(images), widths=widths, depths=(1,) * len(widths))
    initialise(network, 1)
    targets = np.eye(CLASSES, dtype=np.float32)[emotions] if head == "emotion" else points
    epochs = fit_network(
        network,
        lambda epochs: Batches(images, targets, 8, 1, epochs, lambda generator, *batch: batch),
        (images, targets),
        loss=adjusted_cross_entropy(np.bincount(emotions), 0.0, 0.0) if head == "emotion" else masked(smooth_l1),
        metrics=["accuracy"] if head == "emotion" else [],
        descent=BY_HEART._replace(epochs=50, learning_rate=1e-2) if head == "emotion" else BY_HEART,
        tell=lambda epoch: None,
    )
    return Fitted(head, network, images, targets, epochs)


def test_network_learns_eight_faces_by_heart(fitted: Fitted) -> None:
    predicted = fitted.network.predict(fitted.images, verbose=0)
    if fitted.head == "emotion":
        np.testing.assert_array_equal(predicted.argmax(axis=1), fitted.targets.argmax(axis=1))
        assert predicted.max(axis=1).min() > 0.5
    else:
        errors = np.linalg.norm(predicted - fitted.targets, axis=2)
        assert errors.mean() < 0.7
        # Far better than what needs no face: the mean of these eight.
        assert errors.mean() < 0.3 * np.linalg.norm(fitted.targets.mean(axis=0) - fitted.targets, axis=2).mean()
    assert fitted.epochs[-1].metrics["loss"] < 0.1 * fitted.epochs[0].metrics["loss"]


def test_fitted_network_is_that_of_its_best_epoch(fitted: Fitted) -> None:
    best = min(epoch.metrics["val_loss"] for epoch in fitted.epochs)
    found = fitted.network.evaluate(fitted.images, fitted.targets, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(best, rel=1e-3, abs=1e-5)


def test_network_is_the_same_eagerly_and_in_a_graph(fitted: Fitted) -> None:
    graph = fitted.network.predict(fitted.images, batch_size=3, verbose=0)
    np.testing.assert_allclose(fitted.network(fitted.images), graph, rtol=1e-3, atol=1e-3)
