"""Gradient descent on two real numbers: a slice through the loss of a small network, and steps on it at three rates."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from matplotlib.figure import Figure

from benchmarks.explanations.look import INK, blank, emotion_faces
from faces.preparation.normalization import pixel_statistics

SEED, FACES, STEPS = 1, 256, 60


def small_network(images: np.ndarray) -> keras.Model:
    """Two convolutions and a dense layer, a few hundred weights."""
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
    """The loss as a function of two numbers (a, b): weights = middle + a * first + b * second."""

    def __init__(self) -> None:
        images, self._emotions = emotion_faces(FACES)
        self._images = images[..., None]
        keras.utils.set_random_seed(SEED)
        self._network = small_network(images)
        self._network.compile(keras.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy")
        begun = self._weights()
        self._network.fit(self._images, self._emotions, batch_size=32, epochs=12, verbose=0)
        self._shapes = [tuple(weight.shape) for weight in self._network.trainable_variables]
        self._middle = self._weights()
        self.weights = len(self._middle)
        first = self._steepest()
        other = self._middle - begun
        other -= first * (other @ first)
        self._directions = np.stack([first, other / np.linalg.norm(other)])

    def _weights(self) -> np.ndarray:
        return np.concatenate([np.ravel(weight) for weight in self._network.trainable_variables])

    def _loss(self, weights):
        sizes = [int(np.prod(shape)) for shape in self._shapes]
        parts = [tf.reshape(part, shape) for part, shape in zip(tf.split(weights, sizes), self._shapes, strict=True)]
        probabilities = self._network.stateless_call(parts, [], self._images)[0]
        return ops.mean(keras.losses.sparse_categorical_crossentropy(self._emotions, probabilities))

    def _gradient(self, weights: np.ndarray) -> np.ndarray:
        point = tf.constant(weights)
        with tf.GradientTape() as tape:
            tape.watch(point)
            loss = self._loss(point)
        return np.asarray(tape.gradient(loss, point))

    def _steepest(self) -> np.ndarray:
        """The direction in which the loss bends most at the trained weights, by power iteration."""
        direction = np.random.default_rng(SEED).standard_normal(self.weights).astype(np.float32)
        for _ in range(25):
            direction /= np.linalg.norm(direction)
            ahead, behind = (self._gradient(self._middle + sign * 1e-2 * direction) for sign in (1, -1))
            direction = ahead - behind
        return direction / np.linalg.norm(direction)

    def loss(self, point: np.ndarray) -> float:
        """At (a, b)."""
        return float(self._loss(tf.constant(self._middle + point.astype(np.float32) @ self._directions)))

    def gradient(self, point: np.ndarray) -> np.ndarray:
        """By a and b, (2,), at (a, b)."""
        return self._directions @ self._gradient(self._middle + point.astype(np.float32) @ self._directions)


def path(surface: Slice, start: np.ndarray, learning_rate: float) -> np.ndarray:
    """Each step is the gradient times the learning rate, downhill; (STEPS + 1, 2)."""
    points = [start]
    for _ in range(STEPS):
        points.append(points[-1] - learning_rate * surface.gradient(points[-1]))
    return np.array(points)


RATES = {"too small": (0.02, "#ffb703"), "good": (0.15, "#00c2a8"), "too large": (0.4, "#ef476f")}
"""Learning rates and their colours."""
START = np.array([-0.7, -2.0])


def descent_figure() -> tuple[Figure, str]:
    """The slice as a map, a path a learning rate; and the loss along each path."""
    surface = Slice()
    across, up = np.linspace(-1.1, 1.1, 37), np.linspace(-3, 3, 37)
    heights = np.array([[surface.loss(np.array([a, b])) for a in across] for b in up])
    figure, axes = blank(11, 3.9, 4, width_ratios=[1, 1, 1, 1.15])
    figures = []
    for axis, (name, (rate, colour)) in zip(axes, RATES.items(), strict=False):
        steps = path(surface, START, rate)
        losses = [surface.loss(point) for point in steps]
        axis.contourf(across, up, heights, levels=24, cmap="YlGnBu_r")
        axis.contour(across, up, heights, levels=24, colors="white", linewidths=0.3)
        axis.plot(*steps.T, color=colour, marker="o", markersize=2.5, linewidth=1)
        axis.plot(*START, marker="o", markersize=8, color="white", markeredgecolor=INK)
        axis.set(xlim=(-1.1, 1.1), ylim=(-3, 3), xlabel="a: where the loss bends most")
        axis.set_title(f"learning rate {rate}: {name}", fontsize=10, color=INK)
        axes[3].plot(losses, color=colour, label=f"{rate}")
        figures.append(f"{rate}: {losses[0]:.3f} to {losses[-1]:.3f}")
    axes[0].set_ylabel("b: from the initial weights to the trained")
    axes[3].set(xlabel="step", ylabel="loss")
    axes[3].legend(title="learning rate", frameon=False, fontsize=8, title_fontsize=8)
    bends = [(surface.gradient(0.05 * one) - surface.gradient(-0.05 * one)) @ one / 0.1 for one in np.eye(2)]
    measured = (
        f"{surface.weights} weights; bend {bends[0]:.2f} along a, {bends[1]:.2f} along b; loss in {STEPS} steps at "
    )
    return figure, measured + ", ".join(figures)
