"""The models of the original project: unchanged layer by layer, saved and loaded without loss, trainable."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from docs.figures.blocks import ORIGINAL, OURS, layer_names
from faces.common.schema import KEYPOINTS, LABEL_ENCODINGS
from faces.models import resnet
from faces.models.original_resnet import emotion_model, keypoints_model
from faces.preparation.normalization import pixel_statistics
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING
from faces.training.losses import masked, smooth_l1
from tasks.models.keras_files import load_model, save_model

GOLDEN = Path(__file__).parent / "golden"
CLASSES = len(LABEL_ENCODINGS["course"])
CONSTANTS = {"mean": 120.0, "std": 60.0}
MODEL_FILES = [("emotion", 96), ("emotion", 48), ("keypoints", 96)]
LOSS: dict[str, Any] = {"keypoints": masked(smooth_l1), "emotion": "sparse_categorical_crossentropy"}


def original(model_name: str, size: int, **constants: float) -> keras.Model:
    """Initialized from one seed, so that all tests see the same weights."""
    keras.utils.set_random_seed(1)
    if model_name == "emotion":
        return emotion_model(size, CLASSES, **(constants or CONSTANTS))
    return keypoints_model(size, **(constants or CONSTANTS))


def drawn_faces(model_name: str, size: int, faces: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Sample faces (N, size, size) and the model's targets."""
    emotions = np.arange(faces) % CLASSES
    framing = EMOTION_FRAMING if model_name == "emotion" else KEYPOINTS_FRAMING
    images, points = draw_faces(np.random.default_rng(1), emotions, size, framing)
    return images, emotions if model_name == "emotion" else points


def described(model: keras.Model) -> list[str]:
    """One line per layer: name, class, input layers, output shape, parameters."""
    lines = []
    for layer in model.layers:
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        sources = "+".join(tensor._keras_history.operation.name for tensor in inputs)
        shape = "x".join(str(side) for side in layer.output.shape[1:])
        lines.append(f"{layer.name} {type(layer).__name__} {sources} {shape} {layer.count_params()}")
    return lines


@pytest.mark.parametrize("model_name", ["emotion", "keypoints"])
def test_every_layer_is_unchanged(model_name: str) -> None:
    """`python -m tests.models.test_original_resnet` writes intended changes; read the difference first."""
    assert written(model_name).splitlines() == (GOLDEN / f"original_{model_name}.txt").read_text().splitlines()


def written(model_name: str) -> str:
    sections = [(name, size) for name, size in MODEL_FILES if name == model_name]
    return "".join("\n".join([f"# {size}x{size}", *described(original(model_name, size)), ""]) for _, size in sections)


@pytest.mark.parametrize("model_name", ["emotion", "keypoints"])
def test_diagram_names_real_layers(model_name: str) -> None:
    """The diagram in docs/explanation/networks.md."""
    assert set(layer_names(ORIGINAL)) <= {layer.name for layer in original(model_name, 96).layers}
    ours = resnet.keypoints_model(96, 120.0, 60.0, widths=(4, 8), depths=(1, 1), dropout=0.0)
    assert set(layer_names(OURS)) <= {layer.name for layer in ours.layers}


@pytest.mark.parametrize("model_name", ["emotion", "keypoints"])
def test_layer_options_that_do_not_change_shapes(model_name: str) -> None:
    model = original(model_name, 96)
    kinds = {kind: [one for one in model.layers if isinstance(one, kind)] for kind in CHECKED}
    assert [len(found) for found in kinds.values()] == [21, 21, 19, 5]
    for layer in kinds[keras.layers.Conv2D]:
        kernel = {"stem_conv": 7}.get(layer.name, 3 if "main2" in layer.name else 1)
        assert layer.kernel_size == (kernel, kernel), layer.name
        assert layer.use_bias, layer.name
        assert isinstance(layer.kernel_initializer, keras.initializers.GlorotUniform)
    for layer in kinds[keras.layers.BatchNormalization]:
        assert (layer.axis, layer.momentum, layer.epsilon) == (-1, 0.99, 1e-3)
    assert {layer.pool_size for layer in kinds[keras.layers.MaxPooling2D]} == {(2, 2), (3, 3)}
    assert model.get_layer("stem_pool").strides == (2, 2)
    assert {layer.negative_slope for layer in kinds[keras.layers.ReLU]} == {0}
    assert original("emotion", 48).get_layer("enlarge").interpolation == "bilinear"
    if model_name == "keypoints":
        assert [model.get_layer(f"head{number}_dropout").rate for number in (1, 2)] == [0.2, 0.1]
        assert {model.get_layer(f"head{number}_dense").activation for number in (1, 2)} == {keras.activations.relu}


CHECKED = (
    keras.layers.Conv2D,
    keras.layers.BatchNormalization,
    keras.layers.ReLU,
    keras.layers.MaxPooling2D,
)


@pytest.mark.parametrize(("model_name", "size"), MODEL_FILES)
def test_parameters_are_as_many_as_in_the_original(model_name: str, size: int) -> None:
    """1.17 and 18 million trainable ones, and the moving statistics of batch normalization."""
    model = original(model_name, size)
    trainable = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    assert trainable == {"emotion": 1_173_125, "keypoints": 18_007_710}[model_name]
    assert model.count_params() - trainable == 8_576


@pytest.mark.parametrize(("model_name", "size"), MODEL_FILES)
def test_input_is_grey_levels_and_output_probabilities_or_pixels(model_name: str, size: int) -> None:
    model = original(model_name, size)
    assert model.name == model_name
    assert (model.input.shape, model.input.dtype) == ((None, size, size), "uint8")
    predicted = np.asarray(model(drawn_faces(model_name, size)[0]))
    assert predicted.dtype == np.float32
    assert np.isfinite(predicted).all()
    assert predicted.shape == (4, CLASSES) if model_name == "emotion" else (4, len(KEYPOINTS), 2)
    assert np.ptp(predicted, axis=0).max() > 0
    if model_name == "emotion":
        assert predicted.min() >= 0
        np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)


def test_keypoints_are_x_then_y() -> None:
    model = original("keypoints", 96)
    inner = keras.Model(model.input, [model.get_layer("coordinates").output, model.output])
    flat, points = inner(drawn_faces("keypoints", 96)[0])
    np.testing.assert_array_equal(np.asarray(flat)[:, 2:4], np.asarray(points)[:, 1])


@pytest.mark.parametrize("size", [48, 96])
def test_model_normalizes_and_resizes_its_input(size: int) -> None:
    """A face of the mean grey level becomes 0, whatever its size; the padding is 0 too."""
    model = original("emotion", size)
    inner = keras.Model(model.input, model.get_layer("stem_pad").output)
    levels = np.array([60, 120, 180, 240], np.uint8).reshape(4, 1, 1) * np.ones((size, size), np.uint8)
    found = np.asarray(inner(levels))
    np.testing.assert_allclose(
        found[:, 3:-3, 3:-3, 0], np.full((4, 96, 96), np.arange(-1, 3)[:, None, None]), atol=1e-5
    )
    assert not found[:, :3].any()


def test_shortcut_passes_the_input() -> None:
    """If the main path outputs 0, an identity block returns its input, and a convolution block its shortcut."""
    model = original("emotion", 96)
    for block in ("stage2_a", "stage2_b"):
        model.get_layer(f"{block}_main3_bn").gamma.assign(np.zeros(256))
    wanted = ["stage2_a_short_bn", "stage2_a_relu", "stage2_b_relu"]
    inner = keras.Model(model.input, [model.get_layer(name).output for name in wanted])
    shortcut, first, second = (np.asarray(one) for one in inner(drawn_faces("emotion", 96)[0]))
    np.testing.assert_array_equal(first, np.maximum(shortcut, 0))
    np.testing.assert_array_equal(second, first)
    assert first.max() > 0


@pytest.mark.parametrize("model_name", ["emotion", "keypoints"])
def test_saved_model_loads_unchanged_and_has_the_same_bytes(model_name: str, tmp_path: Path) -> None:
    model = original(model_name, 96)
    paths = [tmp_path / "one.keras", tmp_path / "two.keras"]
    save_model(model, paths[0])
    loaded = load_model(paths[0])
    for kept, weights in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(kept, weights, rtol=2**-11, atol=2**-24)
    save_model(original(model_name, 96), paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(("model_name", "size"), MODEL_FILES)
def test_a_few_steps_lower_the_loss(model_name: str, size: int) -> None:
    images, targets = drawn_faces(model_name, size)
    model = original(model_name, size, **pixel_statistics(images))
    model.compile(keras.optimizers.Adam(1e-4), loss=LOSS[model_name])
    losses = [model.train_on_batch(images, targets) for _ in range(4)]
    assert losses[-1] < 0.9 * losses[0]


if __name__ == "__main__":
    for one in ("emotion", "keypoints"):
        (GOLDEN / f"original_{one}.txt").write_text(written(one))
