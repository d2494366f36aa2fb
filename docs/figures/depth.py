"""Depth with and without shortcuts: gradient norms before training, and the training loss."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from matplotlib.figure import Figure

from docs.figures.look import INK, PLAIN, RESIDUAL, SHALLOW, blank, emotion_faces
from faces.preparation.normalization import pixel_statistics

DEPTH, SHALLOW_DEPTH, FILTERS, SEEDS = 32, 8, 16, (1, 2, 3)
EPOCHS, TRAINED_ON, BATCH = 15, 512, 64


def chain(depth: int, residual: bool, normalized: bool, constants: dict[str, float]) -> keras.Model:
    """Return a model of `depth` 3x3 convolutions in pairs, with or without a shortcut around each pair."""
    images = keras.Input((48, 48), dtype="uint8")
    x = layers.Reshape((48, 48, 1))(images)
    x = layers.Rescaling(1 / constants["std"], offset=-constants["mean"] / constants["std"])(x)
    x = layers.Conv2D(FILTERS, 4, strides=4, activation="relu", name="stem")(x)
    for first in range(1, depth, 2):
        before = x
        x = layers.ReLU()(_convolution(x, normalized, f"conv{first}"))
        x = _convolution(x, normalized, f"conv{first + 1}")
        x = layers.ReLU()(layers.Add()([x, before]) if residual else x)
    return keras.Model(images, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def _convolution(x, normalized: bool, name: str):
    x = layers.Conv2D(FILTERS, 3, padding="same", name=name)(x)
    return layers.BatchNormalization(momentum=0.9)(x) if normalized else x


def gradient_sizes(residual: bool, normalized: bool, depth: int, seeds: Sequence[int]) -> np.ndarray:
    """Return the L2 norm of the loss's gradient for each convolution's kernel before training, (seeds, depth)."""
    images, emotions = emotion_faces(64)
    norms = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        model = chain(depth, residual, normalized, pixel_statistics(images))
        kernels = [model.get_layer(f"conv{number + 1}").kernel.value for number in range(depth)]
        with tf.GradientTape() as tape:
            probabilities = model(images, training=True)
            loss = ops.mean(keras.losses.sparse_categorical_crossentropy(emotions, probabilities))
        norms.append([float(np.linalg.norm(gradient)) for gradient in tape.gradient(loss, kernels)])
    return np.array(norms)


def training_losses(depth: int, residual: bool, seed: int, epochs: int, faces: int) -> np.ndarray:
    """Return the training loss of each epoch, (epochs,): the mean over its batches during training."""
    images, emotions = emotion_faces(faces)
    keras.utils.set_random_seed(seed)
    model = chain(depth, residual, True, pixel_statistics(images))
    model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", jit_compile=False)
    history = model.fit(images, emotions, batch_size=BATCH, epochs=epochs, verbose=0)
    return np.array(history.history["loss"])


def gradients_figure(depth: int = DEPTH, seeds: Sequence[int] = SEEDS) -> tuple[Figure, str]:
    """Draw gradient norms by layer, with and without shortcuts, with and without batch normalization."""
    figure, axes = blank(9.5, 3.6, 2)
    layer, measurements = np.arange(1, depth + 1), []
    for axis, normalized in zip(axes, (False, True), strict=True):
        title = f"{'with' if normalized else 'without'} batch normalization"
        for residual, name, colour in ((False, "plain", PLAIN), (True, "residual", RESIDUAL)):
            norms = gradient_sizes(residual, normalized, depth, seeds)
            axis.semilogy(layer, np.exp(np.log(norms).mean(axis=0)), color=colour, label=name)
            axis.fill_between(layer, norms.min(axis=0), norms.max(axis=0), color=colour, alpha=0.18, linewidth=0)
            first, last = np.exp(np.log(norms).mean(axis=0))[[0, -1]]
            measurements.append(f"{name} {title}: first layer {first:.2g}, last {last:.2g}")
        axis.set_title(title, fontsize=10, color=INK)
        axis.set(xlabel=f"convolution, of {depth}; 1 is nearest the image")
    axes[0].set_ylabel("norm of the loss's gradient")
    axes[1].legend(frameon=False, fontsize=9)
    return figure, "; ".join(measurements)


def depth_figure(
    shallow: int = SHALLOW_DEPTH, deep: int = DEPTH, epochs: int = EPOCHS, faces: int = TRAINED_ON
) -> tuple[Figure, str]:
    """Draw the training loss by epoch: shallow and plain, deep and plain, deep and residual."""
    figure, (axis,) = blank(6.6, 3.6)
    measurements = []
    for depth, residual, colour in ((shallow, False, SHALLOW), (deep, False, PLAIN), (deep, True, RESIDUAL)):
        losses = training_losses(depth, residual, 1, epochs, faces)
        name = f"{depth} convolutions, {'residual' if residual else 'plain'}"
        axis.plot(np.arange(1, epochs + 1), losses, color=colour, marker=".", label=name)
        measurements.append(f"{name}: {losses[-1]:.3f}")
    axis.axhline(np.log(5), color=INK, linewidth=0.7, linestyle=":")
    axis.text(epochs, np.log(5) + 0.02, "chance", ha="right", fontsize=8, color=INK)
    axis.set(xlabel="epoch", ylabel="training loss")
    axis.legend(frameon=False, fontsize=9, loc="lower left")
    return figure, "; ".join(measurements)
