"""The state of a training comes back exactly, or not at all: never of another training, never half."""

from pathlib import Path

import numpy as np
import pytest

from faces.training.trainer import Epoch, State
from tasks.training.checkpoints import LISTS, forget_states, identity, keep_state, kept_state

GENERATOR = np.random.default_rng(1)


def weights(count: int) -> list[np.ndarray]:
    """More than ten, so that their order is not that of their names as text; scalars and seeds among them."""
    arrays = [GENERATOR.normal(size=(3, k + 1)).astype(np.float32) for k in range(count)]
    return [*arrays, np.array(7, np.int64), np.array([2**32 - 1, 5], np.uint32)]


STATE = State(
    network=weights(12),
    optimizer=weights(24),
    best=weights(12),
    epochs=[
        Epoch(1, 5, 0.1 + 0.2, 1 / 3, {"loss": 1e-7 / 3, "val_loss": float(np.float32(0.1))}),
        Epoch(2, 5, 2.5, 1e9, {"loss": 0.25, "val_loss": 0.5}),
    ],
)


def test_a_state_comes_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "new" / "emotion.npz"
    keep_state(path, "mine", STATE)
    found = kept_state(path, "mine")
    assert found is not None
    assert found.epochs == STATE.epochs
    for name in LISTS:
        assert len(getattr(found, name)) == len(getattr(STATE, name))
        for one, other in zip(getattr(found, name), getattr(STATE, name), strict=True):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            np.testing.assert_array_equal(one, other)


def test_a_later_state_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "emotion.npz"
    keep_state(path, "mine", STATE)
    keep_state(path, "mine", STATE._replace(network=[], epochs=STATE.epochs[:1]))
    found = kept_state(path, "mine")
    assert found is not None
    assert (found.network, len(found.epochs)) == ([], 1)
    assert list(tmp_path.iterdir()) == [path]


def test_a_state_of_another_training_is_none(tmp_path: Path) -> None:
    keep_state(tmp_path / "emotion.npz", "other", STATE)
    assert kept_state(tmp_path / "emotion.npz", "mine") is None


def test_an_absent_state_is_none(tmp_path: Path) -> None:
    assert kept_state(tmp_path / "emotion.npz", "mine") is None
    assert kept_state(tmp_path, "mine") is None


def test_a_truncated_state_is_none(tmp_path: Path) -> None:
    path = tmp_path / "emotion.npz"
    keep_state(path, "mine", STATE)
    whole = path.read_bytes()
    for length in {*range(0, len(whole), 997), 1, 4, 100, len(whole) - 1}:
        path.write_bytes(whole[:length])
        assert kept_state(path, "mine") is None


def test_a_state_with_a_changed_byte_is_none(tmp_path: Path) -> None:
    path = tmp_path / "emotion.npz"
    keep_state(path, "mine", STATE)
    whole = path.read_bytes()
    place = whole.index(STATE.network[5].tobytes())
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    assert kept_state(path, "mine") is None


@pytest.mark.parametrize("content", [b"", b"no state", b"PK\x03\x04" + bytes(50), bytes(1000)])
def test_a_file_of_anything_else_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "emotion.npz"
    path.write_bytes(content)
    assert kept_state(path, "mine") is None


def test_an_archive_of_other_arrays_is_none(tmp_path: Path) -> None:
    path = tmp_path / "emotion.npz"
    np.savez(path, network_0000=np.zeros(3))
    assert kept_state(path, "mine") is None
    np.savez(path, about=np.array("not json"))
    assert kept_state(path, "mine") is None


class Trap:
    def __reduce__(self) -> tuple:
        return pytest.fail, ("a pickle was opened",)


def test_no_pickle_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "emotion.npz"
    about = np.array('{"identity": "mine", "epochs": []}')
    np.savez(path, allow_pickle=True, about=about, network_0000=np.array([Trap()], dtype=object))
    assert kept_state(path, "mine") is None


def test_identity_follows_settings_and_files(tmp_path: Path) -> None:
    files = [tmp_path / "train.npz", tmp_path / "validation.npz"]
    for file in files:
        file.write_bytes(file.name.encode())
    first = identity("settings", files)
    assert identity("settings", files) == first
    assert identity("other settings", files) != first
    assert identity("settings", files[::-1]) != first
    files[1].write_bytes(b"another byte")
    assert identity("settings", files) != first
    files[1].write_bytes(files[1].name.encode())
    assert identity("settings", files) == first


def test_identity_follows_our_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import faces.training.batches

    copy = tmp_path / "batches.py"
    copy.write_bytes(Path(str(faces.training.batches.__file__)).read_bytes())
    first = identity("settings", [])
    monkeypatch.setattr(faces.training.batches, "__file__", str(copy))
    assert identity("settings", []) == first
    copy.write_bytes(copy.read_bytes() + b"# another line\n")
    assert identity("settings", []) != first


def test_a_training_that_is_done_leaves_nothing_nor_what_kills_left_of_it(tmp_path: Path) -> None:
    other = tmp_path / "keypoints" / "seed-1.npz"
    for name in ("seed-1.npz", "seed-2.npz", ".seed-1.123.npz"):
        keep_state(tmp_path / "emotion" / name, "mine", STATE)
    keep_state(other, "mine", STATE)
    for _ in range(2):
        forget_states(tmp_path / "emotion")
        assert list(tmp_path.iterdir()) == [other.parent]
    assert kept_state(other, "mine") is not None
