"""The original's networks: layer for layer what they were, saved and read back whole, and able to learn."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from benchmarks.explanations.blocks import ORIGINAL, OURS, layer_names
from faces.common.schema import KEYPOINTS, LABEL_SETS
from faces.models import resnet
from faces.models.original_resnet import emotion_network, keypoints_network
from faces.preparation.normalization import pixel_statistics
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING
from faces.training.losses import masked, smooth_l1
from tasks.models.keras_files import load_network, save_network

GOLDEN = Path(__file__).parent / "golden"
CLASSES = len(LABEL_SETS["course"])
CONSTANTS = {"mean": 120.0, "std": 60.0}
NETWORKS = [("emotion", 96), ("emotion", 48), ("keypoints", 96)]
LOSS: dict[str, Any] = {"keypoints": masked(smooth_l1), "emotion": "sparse_categorical_crossentropy"}


def original(head: str, size: int, **constants: float) -> keras.Model:
    """Drawn anew from one seed, so that two tests never see different weights."""
    keras.utils.set_random_seed(1)
    if head == "emotion":
        return emotion_network(size, CLASSES, **(constants or CONSTANTS))
    return keypoints_network(size, **(constants or CONSTANTS))


def drawn(head: str, size: int, faces: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Sample faces (N, size, size) and the head's targets."""
    emotions = np.arange(faces) % CLASSES
    framing = EMOTION_FRAMING if head == "emotion" else KEYPOINTS_FRAMING
    images, points = draw_faces(np.random.default_rng(1), emotions, size, framing)
    return images, emotions if head == "emotion" else points


def described(network: keras.Model) -> list[str]:
    """A line a layer: name, class, where it takes its input from, output shape, parameters."""
    lines = []
    for layer in network.layers:
        taken = layer.input if isinstance(layer.input, list) else [layer.input]
        sources = "+".join(tensor._keras_history.operation.name for tensor in taken)
        shape = "x".join(str(side) for side in layer.output.shape[1:])
        lines.append(f"{layer.name} {type(layer).__name__} {sources} {shape} {layer.count_params()}")
    return lines


@pytest.mark.parametrize("head", ["emotion", "keypoints"])
def test_every_layer_is_as_it_was(head: str) -> None:
    """`python -m tests.models.test_original_resnet` writes down a change that is meant; read the difference first."""
    assert written(head).splitlines() == (GOLDEN / f"original_{head}.txt").read_text().splitlines()


def written(head: str) -> str:
    sections = [(name, size) for name, size in NETWORKS if name == head]
    return "".join("\n".join([f"# {size}x{size}", *described(original(head, size)), ""]) for _, size in sections)


@pytest.mark.parametrize("head", ["emotion", "keypoints"])
def test_diagram_names_real_layers(head: str) -> None:
    """Those of the picture in docs/networks.md."""
    assert set(layer_names(ORIGINAL)) <= {layer.name for layer in original(head, 96).layers}
    ours = resnet.keypoints_network(96, 120.0, 60.0, widths=(4, 8), depths=(1, 1), dropout=0.0)
    assert set(layer_names(OURS)) <= {layer.name for layer in ours.layers}


@pytest.mark.parametrize("head", ["emotion", "keypoints"])
def test_options_that_no_shape_shows(head: str) -> None:
    network = original(head, 96)
    kinds = {kind: [one for one in network.layers if isinstance(one, kind)] for kind in CHECKED}
    assert [len(found) for found in kinds.values()] == [21, 21, 19, 5]
    for layer in kinds[keras.layers.Conv2D]:
        kernel = {"stem_conv": 7}.get(layer.name, 3 if "main2" in layer.name else 1)
        assert layer.kernel_size == (kernel, kernel), layer.name
        assert layer.use_bias, layer.name
        assert isinstance(layer.kernel_initializer, keras.initializers.GlorotUniform)
    for layer in kinds[keras.layers.BatchNormalization]:
        assert (layer.axis, layer.momentum, layer.epsilon) == (-1, 0.99, 1e-3)
    assert {layer.pool_size for layer in kinds[keras.layers.MaxPooling2D]} == {(2, 2), (3, 3)}
    assert network.get_layer("stem_pool").strides == (2, 2)
    assert {layer.negative_slope for layer in kinds[keras.layers.ReLU]} == {0}
    assert original("emotion", 48).get_layer("enlarge").interpolation == "bilinear"
    if head == "keypoints":
        assert [network.get_layer(f"head{number}_dropout").rate for number in (1, 2)] == [0.2, 0.1]
        assert {network.get_layer(f"head{number}_dense").activation for number in (1, 2)} == {keras.activations.relu}


CHECKED = (
    keras.layers.Conv2D,
    keras.layers.BatchNormalization,
    keras.layers.ReLU,
    keras.layers.MaxPooling2D,
)


@pytest.mark.parametrize(("head", "size"), NETWORKS)
def test_as_many_parameters_as_the_original(head: str, size: int) -> None:
    """1.17 and 18 million that are learnt; the running means and variances of batch normalisation come on top."""
    network = original(head, size)
    learnt = sum(int(np.prod(weight.shape)) for weight in network.trainable_variables)
    assert learnt == {"emotion": 1_173_125, "keypoints": 18_007_710}[head]
    assert network.count_params() - learnt == 8_576


@pytest.mark.parametrize(("head", "size"), NETWORKS)
def test_grey_levels_in_and_probabilities_or_pixels_out(head: str, size: int) -> None:
    network = original(head, size)
    assert network.name == head
    assert (network.input.shape, network.input.dtype) == ((None, size, size), "uint8")
    predicted = np.asarray(network(drawn(head, size)[0]))
    assert predicted.dtype == np.float32
    assert np.isfinite(predicted).all()
    assert predicted.shape == (4, CLASSES) if head == "emotion" else (4, len(KEYPOINTS), 2)
    assert np.ptp(predicted, axis=0).max() > 0
    if head == "emotion":
        assert predicted.min() >= 0
        np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)


def test_points_are_x_then_y_of_each_point() -> None:
    network = original("keypoints", 96)
    inside = keras.Model(network.input, [network.get_layer("coordinates").output, network.output])
    flat, points = inside(drawn("keypoints", 96)[0])
    np.testing.assert_array_equal(np.asarray(flat)[:, 2:4], np.asarray(points)[:, 1])


@pytest.mark.parametrize("size", [48, 96])
def test_normalisation_and_enlargement_are_inside(size: int) -> None:
    """A face of the mean level is a face of noughts, whatever its size; the padding is of noughts too."""
    network = original("emotion", size)
    inside = keras.Model(network.input, network.get_layer("stem_pad").output)
    levels = np.array([60, 120, 180, 240], np.uint8).reshape(4, 1, 1) * np.ones((size, size), np.uint8)
    found = np.asarray(inside(levels))
    np.testing.assert_allclose(
        found[:, 3:-3, 3:-3, 0], np.full((4, 96, 96), np.arange(-1, 3)[:, None, None]), atol=1e-5
    )
    assert not found[:, :3].any()


def test_short_path_carries_what_came_in() -> None:
    """With a silent main path an identity block gives back its input; a convolution block gives its short path."""
    network = original("emotion", 96)
    for block in ("stage2_a", "stage2_b"):
        network.get_layer(f"{block}_main3_bn").gamma.assign(np.zeros(256))
    wanted = ["stage2_a_short_bn", "stage2_a_relu", "stage2_b_relu"]
    inside = keras.Model(network.input, [network.get_layer(name).output for name in wanted])
    short, first, second = (np.asarray(one) for one in inside(drawn("emotion", 96)[0]))
    np.testing.assert_array_equal(first, np.maximum(short, 0))
    np.testing.assert_array_equal(second, first)
    assert first.max() > 0


@pytest.mark.parametrize("head", ["emotion", "keypoints"])
def test_saved_network_reads_back_the_same_and_in_the_same_bytes(head: str, tmp_path: Path) -> None:
    network = original(head, 96)
    paths = [tmp_path / "one.keras", tmp_path / "two.keras"]
    save_network(network, paths[0])
    read = load_network(paths[0])
    for kept, weights in zip(read.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_allclose(kept, weights, rtol=2**-11, atol=2**-24)
    save_network(original(head, 96), paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(("head", "size"), NETWORKS)
def test_a_few_steps_lower_the_loss(head: str, size: int) -> None:
    images, targets = drawn(head, size)
    network = original(head, size, **pixel_statistics(images))
    network.compile(keras.optimizers.Adam(1e-4), loss=LOSS[head])
    losses = [network.train_on_batch(images, targets) for _ in range(4)]
    assert losses[-1] < 0.9 * losses[0]


if __name__ == "__main__":
    for one in ("emotion", "keypoints"):
        (GOLDEN / f"original_{one}.txt").write_text(written(one))
