"""MixUp and CutMix: two faces of a batch as one."""

from typing import NamedTuple

import numpy as np


class Mixing(NamedTuple):
    """How much two faces are mixed: the parameter of Beta(a, a), 0 for never; where both are set, a coin decides.

    `mixup` blends two faces and their labels (Zhang et al. 2018), `cutmix` pastes a rectangle of one into the other and
    their labels by area (Yun et al. 2019).
    """

    mixup: float
    cutmix: float


def mix_faces(
    generator: np.random.Generator, faces: np.ndarray, targets: np.ndarray, mixing: Mixing
) -> tuple[np.ndarray, np.ndarray]:
    """Faces (N, H, W) uint8 and class shares (N, classes), each mixed with another of the batch."""
    kinds = [kind for kind, strength in mixing._asdict().items() if strength > 0]
    if not kinds:
        return faces, targets
    kind = kinds[generator.integers(len(kinds))]
    share = float(generator.beta(getattr(mixing, kind), getattr(mixing, kind)))
    other = generator.permutation(len(faces))
    if kind == "mixup":
        mixed = np.rint(share * faces + (1 - share) * faces[other]).astype(np.uint8)
    else:
        mixed, share = _pasted(generator, faces, faces[other], share)
    return mixed, (share * targets + (1 - share) * targets[other]).astype(np.float32)


def _pasted(
    generator: np.random.Generator, faces: np.ndarray, others: np.ndarray, share: float
) -> tuple[np.ndarray, float]:
    size = faces.shape[1]
    side = round(size * (1 - share) ** 0.5)
    top, left = generator.integers(0, size - side + 1, 2)
    mixed = faces.copy()
    mixed[:, top : top + side, left : left + side] = others[:, top : top + side, left : left + side]
    return mixed, 1 - side**2 / size**2
