"""Random augmentation of training faces: NumPy samples the parameters, Keras's ops apply them.

The same parameters give the same result eagerly, in a graph, and on every backend.
"""

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from faces.common.schema import MIRROR_ORDER
from faces.models.tensors import Tensor


class AugmentationParams(NamedTuple):
    """The random parameters of one batch of N faces of `size` pixels a side.

    `output_to_input_transforms` (N, 8): projective transforms, as Keras takes them, from output pixels to input pixels.
    `point_affines` (N, 2, 3): from keypoints of the input to keypoints of the output. `flipped` (N,) bool: left and
    right keypoints are swapped. `blur_weights` (N, taps): along rows and columns. `contrast` (N,) is a factor about the
    middle grey 127.5; `brightness` (N,) and `noise` (N, size, size) are added, in grey levels. `erase_boxes` (N, 4):
    first and last row, first and last column, the last ones exclusive, of the area filled with the grey level
    `erase_values` (N,).
    """

    output_to_input_transforms: np.ndarray
    point_affines: np.ndarray
    flipped: np.ndarray
    blur_weights: np.ndarray
    contrast: np.ndarray
    brightness: np.ndarray
    noise: np.ndarray
    erase_boxes: np.ndarray
    erase_values: np.ndarray


def sample_augmentation_params(
    generator: np.random.Generator,
    num_faces: int,
    size: int,
    *,
    horizontal_flip: float,
    degrees: float,
    translate: float,
    scale: tuple[float, float],
    blur_sigma: float,
    brightness: float,
    contrast: tuple[float, float],
    noise_std: float,
    random_erasing: float,
) -> AugmentationParams:
    """Sample the parameters of one batch.

    `horizontal_flip` and `random_erasing` are probabilities; the other values are maxima. `degrees` is a rotation;
    `translate` and `blur_sigma` are fractions of the side; `scale` and `contrast` are [min, max] factors; `brightness`
    and `noise_std` are in grey levels.
    """
    flipped = generator.random(num_faces) < horizontal_flip
    angle = np.radians(generator.uniform(-degrees, degrees, num_faces))
    factor = np.exp(generator.uniform(np.log(scale[0]), np.log(scale[1]), num_faces))
    offset = generator.uniform(-translate, translate, (num_faces, 2)) * size
    point_affines = _point_affines(flipped, angle, factor, offset, size)
    sides = generator.uniform(0.1, 0.4, (num_faces, 2)) * size * (generator.random((num_faces, 1)) < random_erasing)
    corner = generator.uniform(0, 1, (num_faces, 2)) * (size - sides)
    erase_boxes = np.concatenate([corner, corner + sides], axis=1)[:, [0, 2, 1, 3]].astype(np.int32)
    std = generator.uniform(0, noise_std, (num_faces, 1, 1)).astype(np.float32)
    return AugmentationParams(
        output_to_input_transforms=_output_to_input_transforms(point_affines),
        point_affines=point_affines,
        flipped=flipped,
        blur_weights=_gaussians(generator.uniform(0, blur_sigma * size, num_faces), math.ceil(2 * blur_sigma * size)),
        contrast=generator.uniform(*contrast, num_faces).astype(np.float32),
        brightness=generator.uniform(-brightness, brightness, num_faces).astype(np.float32),
        noise=std * generator.standard_normal((num_faces, size, size), np.float32),
        erase_boxes=erase_boxes,
        erase_values=generator.uniform(0, 255, num_faces).astype(np.float32),
    )


def _point_affines(
    flipped: np.ndarray, angle: np.ndarray, factor: np.ndarray, offset: np.ndarray, size: int
) -> np.ndarray:
    """Mirror, scale and rotate about the centre of the pixel grid, then translate by `offset` px; (N, 2, 3)."""
    centre = (size - 1) / 2
    sign = np.where(flipped, -1.0, 1.0)
    cosine, sine = factor * np.cos(angle), factor * np.sin(angle)
    linear = np.stack([np.stack([sign * cosine, -sine], 1), np.stack([sign * sine, cosine], 1)], 1)
    constant = centre + offset - linear.sum(axis=2) * centre
    return np.concatenate([linear, constant[:, :, None]], axis=2).astype(np.float32)


def _gaussians(sigmas: np.ndarray, radius: int) -> np.ndarray:
    """Weights (N, 2 radius + 1) that sum to 1, from `sigmas` (N,) in px; a sigma of nearly 0 changes nothing."""
    taps = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (taps / np.maximum(sigmas, 1e-3)[:, None]) ** 2)
    normalized: np.ndarray = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalized


def _output_to_input_transforms(point_affines: np.ndarray) -> np.ndarray:
    linear = np.linalg.inv(point_affines[:, :, :2].astype(np.float64))
    offset = -linear @ point_affines[:, :, 2:]
    rows = np.concatenate([linear, offset], axis=2).reshape(len(point_affines), 6)
    return np.concatenate([rows, np.zeros((len(point_affines), 2))], axis=1).astype(np.float32)


def augment_images(images: Tensor, params: AugmentationParams) -> Tensor:
    """Augmented faces (N, size, size) uint8 of the same shape; pixels from outside a face repeat its edge."""
    x = ops.cast(images, "float32")[..., None]
    x = ops.image.affine_transform(
        x, params.output_to_input_transforms, interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
    )[..., 0]
    x = _blur(_blur(x, params.blur_weights, axis=1), params.blur_weights, axis=2)
    x = (x - 127.5) * _per_face(params.contrast) + 127.5 + _per_face(params.brightness) + params.noise
    x = ops.where(_inside(params.erase_boxes, images.shape[1]), _per_face(params.erase_values), x)
    return ops.cast(ops.round(ops.clip(x, 0, 255)), "uint8")


def augment_keypoints(points: Tensor, params: AugmentationParams, size: int) -> Tensor:
    """Keypoints (N, 15, 2) of the augmented faces, NaN where unlabelled or moved out of the image."""
    moved = ops.einsum("nij,nkj->nki", params.point_affines[:, :, :2], points) + params.point_affines[:, None, :, 2]
    moved = ops.where(
        ops.convert_to_tensor(params.flipped)[:, None, None], ops.take(moved, MIRROR_ORDER, axis=1), moved
    )
    # An image extends half a pixel beyond the centres of its outermost pixels.
    inside = ops.all(ops.logical_and(moved >= -0.5, moved <= size - 0.5), axis=2, keepdims=True)
    return ops.where(inside, moved, float("nan"))


def _blur(x: Tensor, weights: np.ndarray, axis: int) -> Tensor:
    """Convolve (N, H, W) along one axis with each face's own weights (N, taps)."""
    taps, side = weights.shape[1], x.shape[axis]
    padding = [[0, 0], [0, 0], [0, 0]]
    padding[axis] = [taps // 2, taps // 2]
    padded = ops.pad(x, padding, mode="symmetric")
    shifted = (padded[:, k : k + side] if axis == 1 else padded[:, :, k : k + side] for k in range(taps))
    return sum(_per_face(weights[:, k]) * image for k, image in enumerate(shifted))


def _per_face(values: np.ndarray) -> Tensor:
    """(N,) as (N, 1, 1)."""
    return ops.convert_to_tensor(values)[:, None, None]


def _inside(erase_boxes: np.ndarray, size: int) -> Tensor:
    """Which pixels are inside the boxes (N, 4) of their face, (N, size, size) bool."""
    position = ops.arange(size, dtype="int32")
    erase_boxes = ops.convert_to_tensor(erase_boxes)
    row = ops.logical_and(position >= erase_boxes[:, :1], position < erase_boxes[:, 1:2])
    column = ops.logical_and(position >= erase_boxes[:, 2:3], position < erase_boxes[:, 3:])
    return ops.logical_and(row[:, :, None], column[:, None, :])
