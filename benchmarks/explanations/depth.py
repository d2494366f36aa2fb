"""Depth with and without short paths: the size of gradients before training, and the loss in training."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from matplotlib.figure import Figure

from benchmarks.explanations.look import INK, PLAIN, RESIDUAL, SHALLOW, blank, emotion_faces
from faces.preparation.normalization import pixel_statistics

DEPTH, SHALLOW_DEPTH, FILTERS, SEEDS = 32, 8, 16, (1, 2, 3)
EPOCHS, TRAINED_ON, BATCH = 15, 512, 64


def chain(depth: int, residual: bool, normalised: bool, constants: dict[str, float]) -> keras.Model:
    """`depth` 3x3 convolutions in pairs, each pair's input added to its output or not; the same weights either way."""
    faces = keras.Input((48, 48), dtype="uint8")
    x = layers.Reshape((48, 48, 1))(faces)
    x = layers.Rescaling(1 / constants["std"], offset=-constants["mean"] / constants["std"])(x)
    x = layers.Conv2D(FILTERS, 4, strides=4, activation="relu", name="stem")(x)
    for first in range(1, depth, 2):
        before = x
        x = layers.ReLU()(_convolution(x, normalised, f"conv{first}"))
        x = _convolution(x, normalised, f"conv{first + 1}")
        x = layers.ReLU()(layers.Add()([x, before]) if residual else x)
    return keras.Model(faces, layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def _convolution(x, normalised: bool, name: str):
    x = layers.Conv2D(FILTERS, 3, padding="same", name=name)(x)
    return layers.BatchNormalization(momentum=0.9)(x) if normalised else x


def gradient_sizes(residual: bool, normalised: bool) -> np.ndarray:
    """Length of the loss's gradient by each convolution's kernel before training, (seeds, DEPTH)."""
    images, emotions = emotion_faces(64)
    sizes = []
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        network = chain(DEPTH, residual, normalised, pixel_statistics(images))
        kernels = [network.get_layer(f"conv{number + 1}").kernel.value for number in range(DEPTH)]
        with tf.GradientTape() as tape:
            probabilities = network(images, training=True)
            loss = ops.mean(keras.losses.sparse_categorical_crossentropy(emotions, probabilities))
        sizes.append([float(np.linalg.norm(gradient)) for gradient in tape.gradient(loss, kernels)])
    return np.array(sizes)


def training_losses(depth: int, residual: bool, seed: int) -> np.ndarray:
    """Training loss of each epoch, (EPOCHS,): the mean over its batches, as the weights were at each."""
    images, emotions = emotion_faces(TRAINED_ON)
    keras.utils.set_random_seed(seed)
    network = chain(depth, residual, True, pixel_statistics(images))
    network.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", jit_compile=False)
    fitted = network.fit(images, emotions, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return np.array(fitted.history["loss"])


def gradients_figure() -> tuple[Figure, str]:
    """Gradient by layer, with and without short paths, with and without batch normalisation."""
    figure, axes = blank(9.5, 3.6, 2)
    layer, measured = np.arange(1, DEPTH + 1), []
    for axis, normalised in zip(axes, (False, True), strict=True):
        title = f"{'with' if normalised else 'without'} batch normalisation"
        for residual, name, colour in ((False, "plain", PLAIN), (True, "residual", RESIDUAL)):
            sizes = gradient_sizes(residual, normalised)
            axis.semilogy(layer, np.exp(np.log(sizes).mean(axis=0)), color=colour, label=name)
            axis.fill_between(layer, sizes.min(axis=0), sizes.max(axis=0), color=colour, alpha=0.18, linewidth=0)
            first, last = np.exp(np.log(sizes).mean(axis=0))[[0, -1]]
            measured.append(f"{name} {title}: first layer {first:.2g}, last {last:.2g}")
        axis.set_title(title, fontsize=10, color=INK)
        axis.set(xlabel=f"convolution, of {DEPTH}; 1 is nearest the image")
    axes[0].set_ylabel("length of the loss's gradient")
    axes[1].legend(frameon=False, fontsize=9)
    return figure, "; ".join(measured)


def depth_figure() -> tuple[Figure, str]:
    """Training loss over epochs: shallow and plain, deep and plain, deep and residual."""
    figure, (axis,) = blank(6.6, 3.6)
    measured = []
    for depth, residual, colour in ((SHALLOW_DEPTH, False, SHALLOW), (DEPTH, False, PLAIN), (DEPTH, True, RESIDUAL)):
        losses = training_losses(depth, residual, seed=1)
        name = f"{depth} convolutions, {'residual' if residual else 'plain'}"
        axis.plot(np.arange(1, EPOCHS + 1), losses, color=colour, marker=".", label=name)
        measured.append(f"{name}: {losses[-1]:.3f}")
    axis.axhline(np.log(5), color=INK, linewidth=0.7, linestyle=":")
    axis.text(EPOCHS, np.log(5) + 0.02, "guessing", ha="right", fontsize=8, color=INK)
    axis.set(xlabel="epoch", ylabel="training loss")
    axis.legend(frameon=False, fontsize=9, loc="lower left")
    return figure, "; ".join(measured)
