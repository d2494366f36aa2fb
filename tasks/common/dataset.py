"""Prepared datasets on disk: one `.npz` file per split, read without pickle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tasks.common.files import InputError, replacing
from tasks.common.npz import map_array, read_arrays, write_arrays

LEAKY_STRATEGY = "random"
"""The split strategy with leakage, kept to demonstrate its effect."""

PER_FACE = ("images", "targets", "rows", "groups", "subjects", "augmentation_kind")
OF_ALL = ("classes", "output_classes", "strategy")


@dataclass(frozen=True)
class FaceDataset:
    """The faces of one split, each with its target.

    `images` (N, H, W) uint8; `targets` (N, 15, 2) float32 keypoints in pixels, NaN where unlabelled, or (N,) int64
    class indices; `rows` (N,) row numbers of the raw table; `groups` (N,) int64, the row of the first face of the group
    that the split keeps together, for an augmented face that of its source; `subjects` (N,) names, "" where unknown;
    `augmentation_kind` (N,) "original", "mirrored" or "brightened"; `classes` names by class index, empty for
    keypoints; `output_classes` the classes that the model predicts; `strategy` () how the split was made.
    """

    images: np.ndarray
    targets: np.ndarray
    rows: np.ndarray
    groups: np.ndarray
    subjects: np.ndarray
    augmentation_kind: np.ndarray
    classes: np.ndarray
    output_classes: np.ndarray
    strategy: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_emotion(self) -> bool:
        return self.classes.size > 0

    @property
    def is_leaky(self) -> bool:
        """Whether copies of one face are in several splits, so that metrics measure memorization."""
        return str(self.strategy) == LEAKY_STRATEGY

    @property
    def leakage_warning(self) -> str:
        """Warning to show beside all metrics on this dataset; "" where the split is free of leakage."""
        return f" [LEAKS: {self.strategy} split]" if self.is_leaky else ""

    @property
    def output_class_indices(self) -> list[int]:
        """Class indices of the output classes, in their order."""
        return [self.classes.tolist().index(name) for name in self.output_classes.tolist()]

    def with_output_classes(self) -> "FaceDataset":
        """The faces of output classes only, with targets indexed by output class."""
        dataset = self.relabel_to_output_classes()
        return dataset[dataset.targets >= 0] if self.is_emotion else self

    def relabel_to_output_classes(self) -> "FaceDataset":
        """All faces, with targets indexed by output class, and -1 for faces of other classes."""
        if not self.is_emotion:
            return self
        indices = np.full(len(self.classes), -1)
        indices[self.output_class_indices] = np.arange(len(self.output_classes))
        return replace(self, targets=indices[self.targets], classes=self.output_classes)

    def __getitem__(self, which: np.ndarray | slice) -> "FaceDataset":
        """The faces at an index, a mask or a slice."""
        return replace(self, **{name: getattr(self, name)[which] for name in PER_FACE})


def concatenate(datasets: Sequence[FaceDataset]) -> FaceDataset:
    """Concatenate the faces of several datasets; classes and strategy are those of the first.

    Images are not copied if only one of the datasets has faces.
    """
    filled = [dataset for dataset in datasets if len(dataset)]
    if len(filled) == 1:
        return replace(filled[0], **{name: getattr(datasets[0], name) for name in OF_ALL})
    arrays = {name: np.concatenate([getattr(dataset, name) for dataset in datasets]) for name in PER_FACE}
    return replace(datasets[0], **arrays)


def save_dataset(path: Path, dataset: FaceDataset, rows: np.ndarray | None = None) -> None:
    """Write a dataset, or its faces at the indices `rows` (M,), as `.npz`. Equal datasets give equal bytes.

    With `rows`, memory-mapped images are copied block by block.
    """
    arrays = vars(dataset)
    if rows is not None:
        arrays = {name: each[rows] if name in PER_FACE[1:] else each for name, each in arrays.items()}
    with replacing(path) as temporary:
        write_arrays(temporary, arrays, rows, "images")


def load_dataset(path: Path) -> FaceDataset:
    """Read a dataset, with memory-mapped images. Raises InputError if the file is absent or not a valid dataset."""
    if not path.exists():
        raise InputError(f"{path}: there is no such file; `dvc repro` makes it")
    try:
        others = [name for name in FaceDataset.__dataclass_fields__ if name != "images"]
        dataset = FaceDataset(images=map_array(path, "images"), **read_arrays(path, others))
        _check(dataset)
    except ValueError as error:
        raise InputError(f"{path}: not a file of prepared faces ({error}); `dvc repro` makes one") from None
    return dataset


def _check(dataset: FaceDataset) -> None:
    """Raises ValueError if the images are not uint8 (N, H, W), or the arrays differ in length."""
    images = dataset.images
    if images.ndim != 3 or images.dtype != np.uint8 or (len(dataset) and 0 in images.shape):
        raise ValueError(f"images are {images.dtype} {images.shape}, not uint8 (N, H, W)")
    for name in PER_FACE:
        if (length := np.shape(getattr(dataset, name))[:1]) != (len(dataset),):
            raise ValueError(f"{len(dataset)} images, but {name} has {length[0] if length else 'no rows'}")
