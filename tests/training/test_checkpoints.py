"""A checkpoint is loaded exactly or not at all: never that of another training, never a truncated one."""

import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from faces.training.trainer import Checkpoint, Epoch
from tasks.training.checkpoints import (
    CODE,
    LISTS,
    delete_checkpoints,
    load_checkpoint,
    run_fingerprint,
    save_checkpoint,
)
from tests.conftest import ROOT
from tests.test_structure import EXEMPT, EXEMPT_ROOMS, imported_files, sources

GENERATOR = np.random.default_rng(1)


def weights(count: int) -> list[np.ndarray]:
    """More than ten, so that their order is not that of their names as text; scalars and seeds among them."""
    arrays = [GENERATOR.normal(size=(3, k + 1)).astype(np.float32) for k in range(count)]
    return [*arrays, np.array(7, np.int64), np.array([2**32 - 1, 5], np.uint32)]


CHECKPOINT = Checkpoint(
    model=weights(12),
    optimizer=weights(24),
    best=weights(12),
    epochs=[
        Epoch(1, 5, 0.1 + 0.2, 1 / 3, {"loss": 1e-7 / 3, "val_loss": float(np.float32(0.1))}),
        Epoch(2, 5, 2.5, 1e9, {"loss": 0.25, "val_loss": 0.5}),
    ],
)


def test_checkpoint_is_loaded_exactly(tmp_path: Path) -> None:
    path = tmp_path / "new" / "emotion.npz"
    save_checkpoint(path, "mine", CHECKPOINT)
    found = load_checkpoint(path, "mine")
    assert found is not None
    assert found.epochs == CHECKPOINT.epochs
    for name in LISTS:
        assert len(getattr(found, name)) == len(getattr(CHECKPOINT, name))
        for one, other in zip(getattr(found, name), getattr(CHECKPOINT, name), strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            np.testing.assert_array_equal(one, other)


def test_later_checkpoint_replaces_the_previous_one(tmp_path: Path) -> None:
    path = tmp_path / "emotion.npz"
    save_checkpoint(path, "mine", CHECKPOINT)
    save_checkpoint(path, "mine", CHECKPOINT._replace(model=[], epochs=CHECKPOINT.epochs[:1]))
    found = load_checkpoint(path, "mine")
    assert found is not None
    assert (found.model, len(found.epochs)) == ([], 1)
    assert list(tmp_path.iterdir()) == [path]


def test_checkpoint_of_another_training_is_not_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "emotion.npz", "other", CHECKPOINT)
    assert load_checkpoint(tmp_path / "emotion.npz", "mine") is None


def test_absent_checkpoint_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "emotion.npz", "mine") is None
    assert load_checkpoint(tmp_path, "mine") is None


def test_truncated_checkpoint_is_none(tmp_path: Path) -> None:
    path = tmp_path / "emotion.npz"
    save_checkpoint(path, "mine", CHECKPOINT)
    whole = path.read_bytes()
    for length in {*range(0, len(whole), 997), 1, 4, 100, len(whole) - 1}:
        path.write_bytes(whole[:length])
        assert load_checkpoint(path, "mine") is None


def test_checkpoint_with_a_changed_byte_is_none(tmp_path: Path) -> None:
    path = tmp_path / "emotion.npz"
    save_checkpoint(path, "mine", CHECKPOINT)
    whole = path.read_bytes()
    position = whole.index(CHECKPOINT.model[5].tobytes())
    path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
    assert load_checkpoint(path, "mine") is None


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04" + bytes(50), bytes(1000)])
def test_file_of_another_kind_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "emotion.npz"
    path.write_bytes(content)
    assert load_checkpoint(path, "mine") is None


def test_archive_of_other_arrays_is_none(tmp_path: Path) -> None:
    path = tmp_path / "emotion.npz"
    np.savez(path, model_0000=np.zeros(3))
    assert load_checkpoint(path, "mine") is None
    np.savez(path, about=np.array("not json"))
    assert load_checkpoint(path, "mine") is None


class Trap:
    def __reduce__(self) -> tuple:
        return pytest.fail, ("a pickle was opened",)


def test_no_pickle_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "emotion.npz"
    about = np.array('{"run_fingerprint": "mine", "epochs": []}')
    np.savez(path, allow_pickle=True, about=about, model_0000=np.array([Trap()], dtype=object))
    assert load_checkpoint(path, "mine") is None


def test_fingerprint_follows_settings_and_files(tmp_path: Path) -> None:
    files = [tmp_path / "train.npz", tmp_path / "validation.npz"]
    for file in files:
        file.write_bytes(file.name.encode())
    first = run_fingerprint("settings", files)
    assert run_fingerprint("settings", files) == first
    assert run_fingerprint("other settings", files) != first
    assert run_fingerprint("settings", files[::-1]) != first
    files[1].write_bytes(b"another byte")
    assert run_fingerprint("settings", files) != first
    files[1].write_bytes(files[1].name.encode())
    assert run_fingerprint("settings", files) == first


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of this project's code, and of nothing else."""
    for folder in ("faces", "flows", "tasks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


IMPORTED = sorted(
    str(path)
    for path in imported_files(Path("tasks/training/fit.py"))
    if str(path) not in EXEMPT and not str(path).startswith(EXEMPT_ROOMS)
)
UNRELATED = sorted(
    str(path)
    for path in [*sources("faces"), *sources("flows"), *sources("tasks")]
    if str(path) not in IMPORTED and str(path.parent) not in CODE
)


def changed(path: Path) -> Path:
    path.write_bytes(path.read_bytes() + b"# another line\n")
    return path


def test_fingerprint_does_not_depend_on_the_location_of_the_code(code: Path) -> None:
    assert run_fingerprint("settings", [], code) == run_fingerprint("settings", [])


def test_fingerprint_follows_every_module_that_a_training_imports(code: Path) -> None:
    assert {"faces/training/batches.py", "faces/models/resnet.py", "tasks/common/dataset.py"} <= {*IMPORTED}
    before = run_fingerprint("settings", [], code)
    found = {before}
    for name in IMPORTED:
        changed(code / name)
        found.add(run_fingerprint("settings", [], code))
    assert len(found) == 1 + len(IMPORTED)


def test_fingerprint_follows_a_new_module_in_a_room_of_training(code: Path) -> None:
    before = run_fingerprint("settings", [], code)
    (code / "faces/training/novel.py").touch()
    assert run_fingerprint("settings", [], code) != before


def test_fingerprint_follows_the_names_of_modules(code: Path) -> None:
    before = run_fingerprint("settings", [], code)
    (code / "faces/models/resnet.py").rename(code / "faces/models/residual.py")
    assert run_fingerprint("settings", [], code) != before


def test_fingerprint_ignores_modules_that_no_training_imports(code: Path) -> None:
    """Plots, scoring, orchestration and flows, all at once."""
    assert {"tasks/plots/training.py", "tasks/scoring/batch.py", "tasks/orchestration/api.py"} <= {*UNRELATED, *EXEMPT}
    before = run_fingerprint("settings", [], code)
    for name in {*UNRELATED, *EXEMPT}:
        changed(code / name)
    assert run_fingerprint("settings", [], code) == before


def test_fingerprint_does_not_depend_on_the_loaded_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run_fingerprint("settings", [])
    for name in ("faces.training.novel", "tasks.scoring.novel"):
        novel = ModuleType(name)
        novel.__file__ = str(tmp_path / "novel.py")
        (tmp_path / "novel.py").write_text("# of another project\n")
        monkeypatch.setitem(sys.modules, name, novel)
    monkeypatch.delitem(sys.modules, "faces.training.trainer")
    assert run_fingerprint("settings", []) == before


def test_deleting_checkpoints_removes_temporary_files_too(tmp_path: Path) -> None:
    other = tmp_path / "keypoints" / "seed-1.npz"
    for name in ("seed-1.npz", "seed-2.npz", ".seed-1.123.npz"):
        save_checkpoint(tmp_path / "emotion" / name, "mine", CHECKPOINT)
    save_checkpoint(other, "mine", CHECKPOINT)
    for _ in range(2):
        delete_checkpoints(tmp_path / "emotion")
        assert list(tmp_path.iterdir()) == [other.parent]
    assert load_checkpoint(other, "mine") is not None
