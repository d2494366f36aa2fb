"""Gradient descent in two dimensions: a slice through the loss of a small model, and paths at three learning rates."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from matplotlib.figure import Figure

from docs.figures.look import INK, blank, emotion_faces
from faces.preparation.normalization import pixel_statistics

SEED, FACES, EPOCHS, STEPS, GRID = 1, 256, 12, 60, 37


def small_model(images: np.ndarray) -> keras.Model:
    """Return a model of two convolutions and a dense layer, with 1,725 weights."""
    constants = pixel_statistics(images)
    return keras.Sequential(
        [
            keras.Input((48, 48, 1), dtype="uint8"),
            layers.Rescaling(1 / constants["std"], offset=-constants["mean"] / constants["std"]),
            layers.Conv2D(8, 4, strides=4, activation="tanh"),
            layers.Conv2D(8, 3, strides=2, activation="tanh"),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )


class Slice:
    """The loss as a function of (a, b): weights = centre + a * first direction + b * second direction."""

    def __init__(self, faces: int, epochs: int) -> None:
        images, self._emotions = emotion_faces(faces)
        self._images = images[..., None]
        keras.utils.set_random_seed(SEED)
        self._model = small_model(images)
        self._model.compile(keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy")
        initial = self._weights()
        self._model.fit(self._images, self._emotions, batch_size=32, epochs=epochs, verbose=0)
        self._shapes = [tuple(weight.shape) for weight in self._model.trainable_variables]
        self._centre = self._weights()
        self.weights = len(self._centre)
        first = self._steepest()
        second = self._centre - initial
        second -= first * (second @ first)
        self._directions = np.stack([first, second / np.linalg.norm(second)])

    def _weights(self) -> np.ndarray:
        return np.concatenate([np.ravel(weight) for weight in self._model.trainable_variables])

    def _loss(self, weights):
        sizes = [int(np.prod(shape)) for shape in self._shapes]
        split = zip(tf.split(weights, sizes), self._shapes, strict=True)
        variables = [tf.reshape(values, shape) for values, shape in split]
        probabilities = self._model.stateless_call(variables, [], self._images)[0]
        return ops.mean(keras.losses.sparse_categorical_crossentropy(self._emotions, probabilities))

    def _gradient(self, weights: np.ndarray) -> np.ndarray:
        point = tf.constant(weights)
        with tf.GradientTape() as tape:
            tape.watch(point)
            loss = self._loss(point)
        return np.asarray(tape.gradient(loss, point))

    def _steepest(self) -> np.ndarray:
        """Return the direction of greatest curvature of the loss at the trained weights, by power iteration."""
        direction = np.random.default_rng(SEED).standard_normal(self.weights).astype(np.float32)
        for _ in range(25):
            direction /= np.linalg.norm(direction)
            ahead, behind = (self._gradient(self._centre + sign * 1e-2 * direction) for sign in (1, -1))
            direction = ahead - behind
        return direction / np.linalg.norm(direction)

    def loss(self, point: np.ndarray) -> float:
        """Return the loss at (a, b)."""
        return float(self._loss(tf.constant(self._centre + point.astype(np.float32) @ self._directions)))

    def gradient(self, point: np.ndarray) -> np.ndarray:
        """Return the gradient with respect to a and b, (2,), at (a, b)."""
        return self._directions @ self._gradient(self._centre + point.astype(np.float32) @ self._directions)


def path(surface: Slice, start: np.ndarray, learning_rate: float, steps: int) -> np.ndarray:
    """Return the points of gradient descent, (steps + 1, 2)."""
    points = [start]
    for _ in range(steps):
        points.append(points[-1] - learning_rate * surface.gradient(points[-1]))
    return np.array(points)


RATES = {"too small": (0.02, "#ffb703"), "good": (0.15, "#00c2a8"), "too large": (0.4, "#ef476f")}
"""Learning rates and their colours."""
START = np.array([-0.7, -2.0])


def descent_figure(
    faces: int = FACES, epochs: int = EPOCHS, steps: int = STEPS, grid: int = GRID
) -> tuple[Figure, str]:
    """Draw the slice as a contour map with one path per learning rate, and the loss along each path."""
    surface = Slice(faces, epochs)
    across, up = np.linspace(-1.1, 1.1, grid), np.linspace(-3, 3, grid)
    heights = np.array([[surface.loss(np.array([a, b])) for a in across] for b in up])
    figure, axes = blank(11, 3.9, 4, width_ratios=[1, 1, 1, 1.15])
    losses_by_rate = []
    for axis, (name, (rate, colour)) in zip(axes, RATES.items(), strict=False):
        points = path(surface, START, rate, steps)
        losses = [surface.loss(point) for point in points]
        axis.contourf(across, up, heights, levels=24, cmap="YlGnBu_r")
        axis.contour(across, up, heights, levels=24, colors="white", linewidths=0.3)
        axis.plot(*points.T, color=colour, marker="o", markersize=2.5, linewidth=1)
        axis.plot(*START, marker="o", markersize=8, color="white", markeredgecolor=INK)
        axis.set(xlim=(-1.1, 1.1), ylim=(-3, 3), xlabel="a: greatest curvature of the loss")
        axis.set_title(f"learning rate {rate}: {name}", fontsize=10, color=INK)
        axes[3].plot(losses, color=colour, label=f"{rate}")
        losses_by_rate.append(f"{rate}: {losses[0]:.3f} to {losses[-1]:.3f}")
    axes[0].set_ylabel("b: from initial to trained weights")
    axes[3].set(xlabel="step", ylabel="loss")
    axes[3].legend(title="learning rate", frameon=False, fontsize=8, title_fontsize=8)
    a, b = ((surface.gradient(0.05 * one) - surface.gradient(-0.05 * one)) @ one / 0.1 for one in np.eye(2))
    curvature = f"curvature {a:.2f} along a, {b:.2f} along b"
    losses_text = f"loss in {steps} steps at {', '.join(losses_by_rate)}"
    return figure, f"{surface.weights} weights; {curvature}; {losses_text}"
