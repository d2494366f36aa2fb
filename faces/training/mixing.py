"""MixUp and CutMix: each face is mixed with another one of its batch."""

from typing import NamedTuple

import numpy as np

from faces.models.tensors import Tensor


class Mixing(NamedTuple):
    """Parameters of the Beta distributions of the mixing ratio; 0 disables. If both are set, each batch uses one.

    MixUp blends two faces and their labels (Zhang et al. 2018). CutMix pastes a square of one face into the other and
    mixes the labels by area (Yun et al. 2019).
    """

    mixup_alpha: float
    cutmix_alpha: float


def mix_faces(
    generator: np.random.Generator, faces: Tensor, targets: np.ndarray, mixing: Mixing
) -> tuple[Tensor, np.ndarray]:
    """Faces (N, H, W) uint8 and class probabilities (N, classes), each mixed with another one of the batch.

    The faces may be an array of NumPy or of JAX.
    """
    enabled = {name: alpha for name, alpha in mixing._asdict().items() if alpha > 0}
    if not enabled:
        return faces, targets
    name = list(enabled)[generator.integers(len(enabled))]
    ratio = float(generator.beta(enabled[name], enabled[name]))
    other = generator.permutation(len(faces))
    if name == "mixup_alpha":
        mixed = (ratio * faces + (1 - ratio) * faces[other]).round().astype(np.uint8)
    else:
        mixed, ratio = _cutmix(generator, faces, faces[other], ratio)
    return mixed, (ratio * targets + (1 - ratio) * targets[other]).astype(np.float32)


def _cutmix(generator: np.random.Generator, faces: Tensor, others: Tensor, ratio: float) -> tuple[Tensor, float]:
    """Faces with a square of the others, and the ratio of the area that is not pasted, to the whole pixel."""
    size = faces.shape[1]
    side = round(size * (1 - ratio) ** 0.5)
    top, left = generator.integers(0, size - side + 1, 2)
    pasted = np.zeros((size, size), np.uint8)
    pasted[top : top + side, left : left + side] = 1
    return faces * (1 - pasted) + others * pasted, 1 - side**2 / size**2
