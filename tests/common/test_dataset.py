"""Prepared datasets on disk: written as NumPy does, block by block, and read with memory-mapped images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.common import npz
from tasks.common.dataset import concatenate, load_dataset, save_dataset
from tasks.common.files import InputError
from tasks.common.npz import map_array, write_arrays
from tasks.preparation.mapped_images import columns_without_pixels, mapped_images
from tests.tiny import MODELS, noise, part

CHOSEN = np.array([4, 0, 3, 9])


def is_mapped(array: np.ndarray) -> bool:
    return isinstance(array.base, np.memmap) and not array.flags.writeable


@pytest.mark.parametrize("model_name", MODELS)
@pytest.mark.parametrize("rows", [None, CHOSEN, CHOSEN[:0]])
def test_files_are_those_of_numpy(
    model_name: str, rows: np.ndarray | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "ROWS", 3)
    dataset = part(model_name, 10)
    save_dataset(tmp_path / "ours.npz", dataset, rows)
    np.savez(tmp_path / "numpy.npz", allow_pickle=False, **vars(dataset if rows is None else dataset[rows]))
    assert (tmp_path / "ours.npz").read_bytes() == (tmp_path / "numpy.npz").read_bytes()


def test_images_are_mapped_and_everything_is_as_it_was(tmp_path: Path) -> None:
    dataset = part("keypoints", 10)
    save_dataset(tmp_path / "train.npz", dataset)
    loaded = load_dataset(tmp_path / "train.npz")
    assert is_mapped(loaded.images)
    for name, array in vars(dataset).items():
        np.testing.assert_array_equal(getattr(loaded, name), array)
    save_dataset(tmp_path / "empty.npz", dataset[:0])
    assert load_dataset(tmp_path / "empty.npz").images.shape == (0, *dataset.images.shape[1:])


def test_datasets_without_faces_add_nothing_and_copy_nothing(tmp_path: Path) -> None:
    dataset = part("emotion", 10)
    save_dataset(tmp_path / "train.npz", dataset)
    loaded = load_dataset(tmp_path / "train.npz")
    other = replace(dataset[:0], classes=dataset.classes[::-1])
    for several, classes in (([loaded, other], dataset.classes), ([other, loaded], other.classes)):
        both = concatenate(several)
        assert is_mapped(both.images)
        assert both.classes.tolist() == classes.tolist()
        np.testing.assert_array_equal(both.targets, dataset.targets)
    assert len(concatenate([other, other])) == 0
    assert len(concatenate([loaded, dataset])) == 20


def test_compressed_arrays_and_those_by_column_are_read(tmp_path: Path) -> None:
    images = noise(5)
    np.savez_compressed(tmp_path / "compressed.npz", images=images)
    np.savez(tmp_path / "columns.npz", images=np.asfortranarray(images))
    for name in ("compressed", "columns"):
        found = map_array(tmp_path / f"{name}.npz", "images")
        assert not is_mapped(found)
        np.testing.assert_array_equal(found, images)


def test_a_corrupt_byte_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "train.npz"
    save_dataset(path, part("emotion", 40))
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"train\.npz: not a file of prepared faces .*CRC"):
        load_dataset(path)


def test_only_the_array_by_row_is_indexed(tmp_path: Path) -> None:
    write_arrays(tmp_path / "arrays.npz", {"a": np.arange(6).reshape(3, 2), "b": "text"}, np.array([2, 1]), "a")
    with np.load(tmp_path / "arrays.npz") as found:
        assert found["a"].tolist() == [[4, 5], [2, 3]]
        assert found["b"] == "text"


@pytest.mark.parametrize("which", [[True] * 7, [False, True, True, False, True, False, True], [False] * 7])
def test_images_of_a_table_are_mapped(which: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.preparation.mapped_images.ROWS", 2)
    images = noise(7, 48)
    table = pd.DataFrame({"row": range(7), "pixels": [image.tobytes() for image in images], "emotion": "sad"})
    table.to_parquet(tmp_path / "emotion.parquet", index=False)
    with mapped_images(tmp_path / "emotion.parquet", "emotion", np.array(which), tmp_path / "new") as found:
        np.testing.assert_array_equal(found, images[which])
        assert is_mapped(found) is any(which)
    assert not list(tmp_path.glob("new/*"))
    assert columns_without_pixels(tmp_path / "emotion.parquet").columns.tolist() == ["row", "emotion"]
