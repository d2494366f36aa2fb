"""Prepared faces on disk: one `.npz` file a part, read without pickles."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tasks.common.files import InputError, replacing
from tasks.common.npz import read_arrays

LEAKING = "random"
"""The protocol that leaks, kept to show what leakage does."""

PER_FACE = ("images", "targets", "rows", "groups", "persons", "kinds")


@dataclass(frozen=True)
class Part:
    """Faces that go together, each with its target.

    `images` (N, H, W) uint8; `targets` points (N, 15, 2) float32 in pixels or class numbers (N,) int64; `rows` (N,)
    row numbers of the raw table; `groups` (N,) int64, the row of the first face of the group that the split keeps
    together, a copy's is its source's; `persons` (N,) names, "" where unknown; `kinds` (N,) "original", "mirrored" or
    "brightened"; `classes` names by class number, empty for key points; `answers` those of them that are answered with;
    `protocol` () how the split was made.
    """

    images: np.ndarray
    targets: np.ndarray
    rows: np.ndarray
    groups: np.ndarray
    persons: np.ndarray
    kinds: np.ndarray
    classes: np.ndarray
    answers: np.ndarray
    protocol: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_emotion(self) -> bool:
        return self.classes.size > 0

    @property
    def leaks(self) -> bool:
        """Whether copies of one face stand in several parts, so that metrics on them measure memory."""
        return str(self.protocol) == LEAKING

    @property
    def caution(self) -> str:
        """What has to stand wherever metrics on these faces appear; "" where they are honest."""
        return f" [LEAKS: {self.protocol} split]" if self.leaks else ""

    @property
    def columns(self) -> list[int]:
        """Class numbers of the answers, in their order."""
        return [self.classes.tolist().index(name) for name in self.answers.tolist()]

    def answered(self) -> "Part":
        """The faces of classes that are answered with; these are its classes."""
        faces = self.in_terms_of_answers()
        return faces[faces.targets >= 0] if self.is_emotion else self

    def in_terms_of_answers(self) -> "Part":
        """Every face; the answers are its classes, and -1 is the target of a face that is of none of them."""
        if not self.is_emotion:
            return self
        numbers = np.full(len(self.classes), -1)
        numbers[self.columns] = np.arange(len(self.answers))
        return replace(self, targets=numbers[self.targets], classes=self.answers)

    def __getitem__(self, which: np.ndarray | slice) -> "Part":
        """The faces at an index, a mask or a slice."""
        return replace(self, **{name: getattr(self, name)[which] for name in PER_FACE})


def joined(parts: Sequence[Part]) -> Part:
    """The faces of several parts, one after the other."""
    return replace(parts[0], **{name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_FACE})


def save_part(path: Path, part: Part) -> None:
    """Equal parts give equal bytes."""
    with replacing(path) as temporary:
        np.savez(temporary, allow_pickle=False, **vars(part))


def load_part(path: Path) -> Part:
    """Raises InputError where the file is absent or not of this form."""
    if not path.exists():
        raise InputError(f"{path}: there is no such file; `dvc repro` makes it")
    try:
        part = Part(**read_arrays(path, Part.__dataclass_fields__))
        _check(part)
    except ValueError as error:
        raise InputError(f"{path}: not a file of prepared faces ({error}); `dvc repro` makes one") from None
    return part


def _check(part: Part) -> None:
    """Raises ValueError where there are no faces, or the arrays do not belong together."""
    if part.images.ndim != 3 or part.images.dtype != np.uint8 or (len(part) and 0 in part.images.shape):
        raise ValueError(f"images are {part.images.dtype} {part.images.shape}, not uint8 (N, H, W)")
    for name in PER_FACE:
        if (found := np.shape(getattr(part, name))[:1]) != (len(part),):
            raise ValueError(f"{len(part)} images, but {name} has {found[0] if found else 'no rows'}")
