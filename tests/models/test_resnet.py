"""Models have stable layer names, load as they were saved, compute what they should, and overfit eight faces."""

import random
import re
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from faces.common.schema import KEYPOINTS
from faces.models.complexity import macs, num_parameters
from faces.models.ensemble import ensemble
from faces.models.initializers import initialize_weights
from faces.models.resnet import emotion_model, keypoints_model
from faces.preparation.normalization import pixel_statistics
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING, KEYPOINTS_FRAMING
from faces.training.backend import host_backend
from faces.training.batches import Batches, TrainingFaces
from faces.training.losses import adjusted_cross_entropy, masked, smooth_l1
from faces.training.optimizer import OptimizerSettings
from faces.training.trainer import Epoch, fit_model
from tasks.models.keras_files import load_model, save_model
from tests.tiny import CLASSES, CONSTANTS, MODELS, noise

TINY: dict[str, Any] = {"widths": (4, 6), "depths": (1, 2)}


def resnet(model_name: str, size: int = 16, dropout: float = 0.0, constants: dict[str, Any] = CONSTANTS, **sizes: Any):
    """By default too small to learn much, but with every kind of block."""
    sizes = {**TINY, **sizes, "dropout": dropout}
    if model_name == "emotion":
        return emotion_model(size, CLASSES, **constants, **sizes)
    return keypoints_model(size, **constants, **sizes)


def outputs_of(model: keras.Model, *names: str) -> keras.Model:
    """A model from the faces to the outputs of some layers."""
    outputs = [model.get_layer(name).output for name in names]
    return keras.Model(model.input, outputs if len(outputs) > 1 else outputs[0])


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("size", [16, 48])
def test_input_is_grey_levels_and_output_probabilities_or_pixels(model_name: str, size: int) -> None:
    model = resnet(model_name, size)
    assert model.name == model_name
    assert (model.input.shape, model.input.dtype) == ((None, size, size), "uint8")
    predicted = np.asarray(model(noise(5, size)))
    assert predicted.dtype == np.float32
    if model_name == "emotion":
        assert predicted.shape == (5, CLASSES)
        assert (predicted >= 0).all()
        np.testing.assert_allclose(predicted.sum(axis=1), 1, rtol=1e-5)
    else:
        assert predicted.shape == (5, len(KEYPOINTS), 2)
        assert predicted.min() >= 0
        assert predicted.max() <= size - 1
    assert model.output.shape == (None, *predicted.shape[1:])
    assert np.ptp(predicted, axis=0).max() > 0


@pytest.mark.parametrize("model_name", MODELS)
def test_predictions_do_not_depend_on_the_other_faces(model_name: str) -> None:
    model, images = resnet(model_name, dropout=0.5), noise(4)
    np.testing.assert_allclose(model(images)[1:2], model(images[1:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("model_name", MODELS)
def test_every_layer_has_an_explicit_name(model_name: str) -> None:
    """Keras's automatic names count up, so they would differ between two models in one process."""
    names = [layer.name for layer in resnet(model_name).layers]
    assert names == [layer.name for layer in resnet(model_name).layers]
    assert len(set(names)) == len(names) > 30
    automatic = re.compile(
        r"(re_lu|conv2d|batch_normalization|average_pooling2d|global_average_pooling2d|up_sampling2d|add|dense|dropout"
        r"|input_layer|reshape|rescaling|permute|softmax)_\d+|re_lu|conv2d|batch_normalization|dense|input_layer|reshape|permute|softmax"
    )
    assert [name for name in names if automatic.fullmatch(name)] == []


@pytest.mark.parametrize("model_name", MODELS)
def test_stem_stride_4_costs_less_and_has_the_same_output_shape(model_name: str) -> None:
    two, four = (
        resnet(model_name, 32, widths=(8, 12, 16), depths=(1, 1, 1), stem_stride=stem_stride) for stem_stride in (2, 4)
    )
    assert macs(four) < 0.4 * macs(two)
    assert four.output.shape == two.output.shape
    assert np.isfinite(four(noise(3, 32))).all()
    assert outputs_of(four, "stage1_block1_relu").output.shape[1:3] == (8, 8)
    if model_name == "keypoints":
        for model in (two, four):  # a quarter of the image's width, whatever the stem
            assert model.get_layer("score_maps").output.shape[1:3] == (8, 8)


@pytest.mark.parametrize("model_name", MODELS)
def test_stem_stride_1_keeps_the_resolution(model_name: str) -> None:
    model = resnet(model_name, 32, widths=(4, 6, 8, 10), depths=(1, 1, 1, 1), stem_stride=1)
    assert outputs_of(model, "stage1_block1_relu").output.shape[1:3] == (32, 32)
    assert np.isfinite(model(noise(2, 32))).all()
    if model_name == "keypoints":  # a quarter of the image's width, or the nearest to it
        assert model.get_layer("score_maps").output.shape[1:3] == (8, 8)
        shallow = resnet(model_name, 32, widths=(4, 6), depths=(1, 1), stem_stride=1)
        assert shallow.get_layer("score_maps").output.shape[1:3] == (16, 16)
        assert shallow(noise(2, 32)).shape == (2, 15, 2)


@pytest.mark.parametrize("model_name", MODELS)
def test_model_normalizes_its_input(model_name: str) -> None:
    """A constant face of the mean grey level becomes 0, one a standard deviation brighter 1."""
    levels = np.array([60, 120, 180, 240], np.uint8).reshape(4, 1, 1) * np.ones((16, 16), np.uint8)
    found = np.asarray(outputs_of(resnet(model_name), "normalise")(levels))
    np.testing.assert_allclose(found[:, 3, 5, 0], [-1, 0, 1, 2], atol=1e-5)


@pytest.mark.parametrize("model_name", MODELS)
def test_stages_have_their_widths_and_depths_and_halve_the_resolution(model_name: str) -> None:
    model = resnet(model_name, 32, widths=(4, 6, 10), depths=(1, 3, 2))
    ends = [layer for layer in model.layers if re.fullmatch(r"stage\d_block\d_relu", layer.name)]
    assert {layer.name[:13]: layer.output.shape[1:] for layer in ends} == {
        "stage1_block1": (16, 16, 4),
        "stage2_block1": (8, 8, 6),
        "stage2_block2": (8, 8, 6),
        "stage2_block3": (8, 8, 6),
        "stage3_block1": (4, 4, 10),
        "stage3_block2": (4, 4, 10),
    }


def test_score_maps_have_the_resolution_of_the_second_stage() -> None:
    model = resnet("keypoints", 48, widths=(4, 6, 10, 12), depths=(1, 1, 1, 1))
    assert model.get_layer("score_maps").output.shape == (None, 12, 12, len(KEYPOINTS))
    assert model.get_layer("points").get_weights()[0][:2].tolist() == [[1.5, 1.5], [5.5, 1.5]]


@pytest.mark.parametrize("model_name", MODELS)
def test_block_whose_main_path_is_0_returns_its_shortcut(model_name: str) -> None:
    """The input, its 2x2 means where the resolution halves, and a 1x1 convolution of them where the width changes."""
    model = resnet(model_name, widths=(4, 4, 6), depths=(2, 1, 1))
    for block in ("stage1_block2", "stage2_block1", "stage3_block1"):
        model.get_layer(f"{block}_main2_bn").gamma.assign(np.zeros(4 if block < "stage3" else 6))
    names = ("stage1_block1_relu", "stage1_block2_relu", "stage2_block1_relu", "stage3_block1_short_bn")
    first, second, halved, shortcut, last = map(np.asarray, outputs_of(model, *names, "stage3_block1_relu")(noise(3)))
    np.testing.assert_array_equal(second, first)
    np.testing.assert_allclose(halved, first.reshape(3, 4, 2, 4, 2, 4).mean(axis=(2, 4)), rtol=1e-5)
    np.testing.assert_allclose(last, np.maximum(shortcut, 0), rtol=1e-5)
    assert min(first.max(), shortcut.max()) > 0
    kernel = np.asarray(model.get_layer("stage3_block1_short_conv").kernel)[0, 0]
    pooled = halved.reshape(3, 2, 2, 2, 2, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(shortcut, pooled @ kernel / np.sqrt(1.001), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("model_name", MODELS)
def test_block_adds_its_main_path(model_name: str) -> None:
    block = "stage2_block2"
    model = resnet(model_name)
    names = ("stage2_block1_relu", f"{block}_main2_bn", f"{block}_relu")
    inputs, main, outputs = map(np.asarray, outputs_of(model, *names)(noise(3)))
    np.testing.assert_allclose(outputs, np.maximum(inputs + main, 0), rtol=1e-5)
    assert np.abs(main).max() > 0


def test_macs_by_hand() -> None:
    model = resnet("emotion", 16, widths=(4, 6), depths=(1, 1))
    # Stem: 3x3x1x2 at 16x16, 3x3x2x4 at 8x8; a block of 4 at 8x8; one of 6 at 4x4 with its 1x1; five classes.
    stem, first = 18 * 256 + 72 * 64, 2 * 144 * 64
    second = (216 + 324 + 24) * 16
    assert macs(model) == stem + first + second + 6 * CLASSES
    assert macs(ensemble([model, resnet("emotion", 16, widths=(4, 6), depths=(1, 1))])) == 2 * (
        stem + first + second + 6 * CLASSES
    )


def test_parameters_are_counted_without_the_fixed_cell_centres() -> None:
    emotion, keypoints = resnet("emotion", 16), resnet("keypoints", 16)
    assert num_parameters(emotion) == emotion.count_params()
    centres = keypoints.get_layer("points").count_params()
    assert centres > 0
    assert num_parameters(keypoints) == keypoints.count_params() - centres
    assert num_parameters(ensemble([keypoints, resnet("keypoints", 16)])) == 2 * num_parameters(keypoints)


@pytest.mark.parametrize("model_name", MODELS)
def test_dropout_has_its_rate_and_acts_in_training_only(model_name: str) -> None:
    model, images = resnet(model_name, dropout=0.5), noise(4)
    assert model.get_layer("dropout").rate == 0.5
    np.testing.assert_array_equal(model(images), model(images))
    dropped = outputs_of(model, "dropout")
    kept = np.asarray(dropped(images, training=True))[np.asarray(dropped(images)) > 0] > 0
    assert 0.2 < kept.mean() < 0.8


def initialized(model_name: str, seed: int, draws_by_others: int = 0) -> keras.Model:
    keras.utils.set_random_seed(1)
    for _ in range(draws_by_others):
        random.random()
    model = resnet(model_name, dropout=0.5)
    initialize_weights(model, seed)
    return model


@pytest.mark.parametrize("model_name", MODELS)
def test_initial_weights_depend_only_on_seed_and_layer_name(model_name: str) -> None:
    """Another thread that draws from Python's generator changes neither them nor the dropout masks."""
    first, again, other = (
        [np.array(variable) for variable in initialized(model_name, *arguments).variables]
        for arguments in ((3, 0), (3, 5), (4, 0))
    )
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    fixed = [variable.path.startswith("points/") for variable in initialized(model_name, 3).variables]
    # Kernels, and the state of dropout, which is of integers.
    assert all(
        (one != differs).any() != is_fixed
        for one, differs, is_fixed in zip(first, other, fixed, strict=True)
        if one.ndim > 1
    )
    assert [(one != differs).any() for one, differs in zip(first, other, strict=True) if one.dtype.kind in "iu"] == [
        True
    ]


@pytest.mark.parametrize("model_name", MODELS)
def test_kernels_of_different_layers_differ(model_name: str) -> None:
    trained = [layer for layer in initialized(model_name, 3).layers if layer.trainable_weights]
    kernels = [layer.kernel.numpy() for layer in trained if hasattr(layer, "kernel")]
    assert len({kernel.tobytes()[:64] for kernel in kernels}) == len(kernels)


@pytest.mark.parametrize("model_name", MODELS)
def test_saved_model_loads_unchanged_and_has_the_same_bytes(model_name: str, tmp_path: Path) -> None:
    model, paths = initialized(model_name, 3), [tmp_path / "one.keras", tmp_path / "two.keras"]
    save_model(model, paths[0])
    loaded = load_model(paths[0])
    for kept, weights in zip(loaded.get_weights(), model.get_weights(), strict=True):
        rounded = weights.astype(np.float16).astype(np.float32) if weights.ndim > 1 else weights
        np.testing.assert_array_equal(kept, rounded)
    np.testing.assert_allclose(loaded(noise(3)), model(noise(3)), atol=2e-3 if model_name == "emotion" else 0.1)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    assert (loaded.name, loaded.input.dtype) == (model_name, "uint8")
    assert getattr(loaded, "optimizer", None) is None
    save_model(initialized(model_name, 3), paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()


class Fitted(NamedTuple):
    """A model, trained and validated on the same eight faces."""

    model_name: str
    model: keras.Model
    images: np.ndarray
    targets: np.ndarray
    epochs: list[Epoch]


OVERFIT = OptimizerSettings("adamw", learning_rate=2e-2, weight_decay=0.0, warmup_ratio=0.1, ema_decay=0.0)


@pytest.fixture(scope="module", params=MODELS)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    model_name, emotions, size = str(request.param), np.arange(8) % CLASSES, 48
    framing = EMOTION_FRAMING if model_name == "emotion" else KEYPOINTS_FRAMING
    images, points = draw_faces(np.random.default_rng(1), emotions, size, framing)
    widths = (8, 16) if model_name == "emotion" else (16, 16, 16)
    model = resnet(model_name, size, constants=pixel_statistics(images), widths=widths, depths=(1,) * len(widths))
    initialize_weights(model, 1)
    targets = np.eye(CLASSES, dtype=np.float32)[emotions] if model_name == "emotion" else points
    epochs = fit_model(
        model,
        lambda epochs: Batches(
            TrainingFaces(images, targets, len(images)), 8, 1, epochs, lambda generator, *batch: batch
        ),
        (images, targets),
        loss=adjusted_cross_entropy(np.bincount(emotions), 0.0, 0.0) if model_name == "emotion" else masked(smooth_l1),
        metrics=["accuracy"] if model_name == "emotion" else [],
        optimizer=OVERFIT._replace(learning_rate=1e-2) if model_name == "emotion" else OVERFIT,
        epochs=50 if model_name == "emotion" else 75,
        patience=75,
        backend=host_backend(),
        on_epoch=lambda epoch: None,
    )
    return Fitted(model_name, model, images, targets, epochs)


def test_model_overfits_eight_faces(fitted: Fitted) -> None:
    predicted = fitted.model.predict(fitted.images, verbose=0)
    if fitted.model_name == "emotion":
        np.testing.assert_array_equal(predicted.argmax(axis=1), fitted.targets.argmax(axis=1))
        assert predicted.max(axis=1).min() > 0.5
    else:
        errors = np.linalg.norm(predicted - fitted.targets, axis=2)
        assert errors.mean() < 0.7
        # Far better than the mean of the eight, which needs no image.
        assert errors.mean() < 0.3 * np.linalg.norm(fitted.targets.mean(axis=0) - fitted.targets, axis=2).mean()
    assert fitted.epochs[-1].metrics["loss"] < 0.1 * fitted.epochs[0].metrics["loss"]


def test_fitted_model_is_that_of_its_best_epoch(fitted: Fitted) -> None:
    best = min(epoch.metrics["val_loss"] for epoch in fitted.epochs)
    found = fitted.model.evaluate(fitted.images, fitted.targets, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(best, rel=1e-3, abs=1e-5)


def test_model_gives_the_same_eagerly_and_in_a_graph(fitted: Fitted) -> None:
    graph = fitted.model.predict(fitted.images, batch_size=3, verbose=0)
    np.testing.assert_allclose(fitted.model(fitted.images), graph, rtol=1e-3, atol=1e-3)
