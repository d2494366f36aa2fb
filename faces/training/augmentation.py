"""Random distortions of training faces, drawn anew for every batch: what is drawn in numpy, its effect in Keras's ops.

Every effect follows from what was drawn, so it is the same run eagerly, in a graph, and on every backend.
"""

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from faces.common.schema import MIRROR_ORDER


class Distortions(NamedTuple):
    """What is drawn for a batch of N faces of `size` pixels a side.

    `places` (N, 8) is the projective transform that Keras asks for: where in the given face each pixel of the new one
    comes from. `moves` (N, 2, 3) takes a point of the given face to its place in the new one; `mirrored` (N,) says
    whether left and right change names. `blur` (N, taps) are weights along rows and columns. `contrast` (N,)
    multiplies, `brightness` (N,) is added, in grey levels, as is `noise` (N, size, size). `boxes` (N, 4) are first and
    last row and column, exclusive, of what is painted over with the grey level `paint` (N,).
    """

    places: np.ndarray
    moves: np.ndarray
    mirrored: np.ndarray
    blur: np.ndarray
    contrast: np.ndarray
    brightness: np.ndarray
    noise: np.ndarray
    boxes: np.ndarray
    paint: np.ndarray


def draw_distortions(
    generator: np.random.Generator,
    faces: int,
    size: int,
    *,
    mirror: float,
    rotation: float,
    shift: float,
    scale: tuple[float, float],
    blur: float,
    brightness: float,
    contrast: tuple[float, float],
    noise: float,
    erase: float,
) -> Distortions:
    """Draw for `faces` faces. `mirror` and `erase` are probabilities.

    `rotation` is the greatest angle in degrees, `shift` the greatest shift and `blur` the greatest deviation as shares
    of the side; `scale` and `contrast` the least and the greatest factor; `brightness` the greatest change and `noise`
    the greatest standard deviation, in grey levels.
    """
    mirrored = generator.random(faces) < mirror
    angle = np.radians(generator.uniform(-rotation, rotation, faces))
    factor = np.exp(generator.uniform(np.log(scale[0]), np.log(scale[1]), faces))
    moved = generator.uniform(-shift, shift, (faces, 2)) * size
    moves = _moves(mirrored, angle, factor, moved, size)
    sides = generator.uniform(0.1, 0.4, (faces, 2)) * size * (generator.random((faces, 1)) < erase)
    corner = generator.uniform(0, 1, (faces, 2)) * (size - sides)
    boxes = np.concatenate([corner, corner + sides], axis=1)[:, [0, 2, 1, 3]].astype(np.int32)
    deviation = generator.uniform(0, noise, (faces, 1, 1)).astype(np.float32)
    return Distortions(
        places=_places(moves),
        moves=moves,
        mirrored=mirrored,
        blur=_gaussians(generator.uniform(0, blur * size, faces), reach=math.ceil(2 * blur * size)),
        contrast=generator.uniform(*contrast, faces).astype(np.float32),
        brightness=generator.uniform(-brightness, brightness, faces).astype(np.float32),
        noise=deviation * generator.standard_normal((faces, size, size), np.float32),
        boxes=boxes,
        paint=generator.uniform(0, 255, faces).astype(np.float32),
    )


def _moves(mirrored: np.ndarray, angle: np.ndarray, factor: np.ndarray, moved: np.ndarray, size: int) -> np.ndarray:
    """Mirror, scale and turn about the middle of the pixel grid, then shift; (N, 2, 3)."""
    middle = (size - 1) / 2
    side = np.where(mirrored, -1.0, 1.0)
    cosine, sine = factor * np.cos(angle), factor * np.sin(angle)
    linear = np.stack([np.stack([side * cosine, -sine], 1), np.stack([side * sine, cosine], 1)], 1)
    offset = middle + moved - linear.sum(axis=2) * middle
    return np.concatenate([linear, offset[:, :, None]], axis=2).astype(np.float32)


def _gaussians(deviations: np.ndarray, reach: int) -> np.ndarray:
    """Weights (N, 2 reach + 1) that sum to 1; a deviation of nearly 0 px leaves a face as it is."""
    places = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (places / np.maximum(deviations, 1e-3)[:, None]) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _places(moves: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(moves[:, :, :2].astype(np.float64))
    offset = -linear @ moves[:, :, 2:]
    rows = np.concatenate([linear, offset], axis=2).reshape(len(moves), 6)
    return np.concatenate([rows, np.zeros((len(moves), 2))], axis=1).astype(np.float32)


def distort_images(images, drawn: Distortions):
    """(N, size, size) uint8 to the same, distorted; what comes from outside the face repeats its edge."""
    x = ops.cast(images, "float32")[..., None]
    x = ops.image.affine_transform(
        x, drawn.places, interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
    )[..., 0]
    x = _blurred(_blurred(x, drawn.blur, axis=1), drawn.blur, axis=2)
    x = (x - 127.5) * _each(drawn.contrast) + 127.5 + _each(drawn.brightness) + drawn.noise
    x = ops.where(_inside(drawn.boxes, images.shape[1]), _each(drawn.paint), x)
    return ops.cast(ops.round(ops.clip(x, 0, 255)), "uint8")


def distort_points(points, drawn: Distortions, size: int):
    """Points (N, 15, 2) of the distorted faces, NaN where unlabelled or pushed out of the image."""
    moved = ops.einsum("nij,nkj->nki", drawn.moves[:, :, :2], points) + drawn.moves[:, None, :, 2]
    moved = ops.where(
        ops.convert_to_tensor(drawn.mirrored)[:, None, None], ops.take(moved, MIRROR_ORDER, axis=1), moved
    )
    # An image reaches half a pixel beyond the middles of its outermost pixels.
    inside = ops.all(ops.logical_and(moved >= -0.5, moved <= size - 0.5), axis=2, keepdims=True)
    return ops.where(inside, moved, float("nan"))


def _blurred(x, weights, axis: int):
    taps, side = weights.shape[1], x.shape[axis]
    reach = [[0, 0], [0, 0], [0, 0]]
    reach[axis] = [taps // 2, taps // 2]
    padded = ops.pad(x, reach, mode="symmetric")
    shifted = (padded[:, k : k + side] if axis == 1 else padded[:, :, k : k + side] for k in range(taps))
    return sum(_each(weights[:, k]) * part for k, part in enumerate(shifted))


def _each(values):
    return ops.convert_to_tensor(values)[:, None, None]


def _inside(boxes, size: int):
    position = ops.arange(size, dtype="int32")
    boxes = ops.convert_to_tensor(boxes)
    row = ops.logical_and(position >= boxes[:, :1], position < boxes[:, 1:2])
    column = ops.logical_and(position >= boxes[:, 2:3], position < boxes[:, 3:])
    return ops.logical_and(row[:, :, None], column[:, None, :])
