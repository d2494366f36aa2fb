"""Outputs at an address: whole, or resumed by the same command. tests/acceptance/test_s3.py has a real S3 server."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import flows.score
import params
import tasks.scoring.batch
from tasks.common.files import InputError
from tasks.scoring.predictor import Predictor
from tasks.transfer.uploads import LAST, require_destination, working_folder
from tests.scoring.test_resume import crops, set_up

OUT = "memory://bucket/out"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryFileSystem]:
    """An empty store in memory; the temporary folder is one of the test's."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    set_up(tmp_path, monkeypatch)
    store = fsspec.filesystem("memory")
    store.store.clear()
    yield store
    store.store.clear()


def score(out: str = OUT, *sources: str, **flags: Any) -> None:
    flows.score.score(params.load(), list(sources) or ["in"], "workspace", out, **{"draw": True, "csv": True, **flags})


def names(folder: Path) -> set[str]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in found if not path.name.startswith(".")}


def uploaded(store: MemoryFileSystem) -> set[str]:
    return {name.removeprefix("/bucket/out/") for name in store.find("/bucket")}


def test_an_address_gets_the_files_that_a_folder_gets(store: MemoryFileSystem) -> None:
    score("local")
    score()
    assert uploaded(store) == names(Path("local"))
    assert store.cat(f"/bucket/out/{LAST}") == (Path("local") / LAST).read_bytes()
    assert not working_folder(OUT).exists()
    assert not Path("memory:").exists()


def test_a_local_address_gets_its_folders(tmp_path: Path) -> None:
    score((tmp_path / "new/out").as_uri())
    assert LAST in names(tmp_path / "new/out")
    assert any(name.startswith("pictures/") for name in names(tmp_path / "new/out"))


def test_an_interrupted_upload_resumes_without_scoring(
    store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = MemoryFileSystem.put_file
    with monkeypatch.context() as during:
        left = iter([None, None])

        def lost(self: MemoryFileSystem, *paths: str) -> None:
            if next(left, "gone") == "gone":
                raise ConnectionError("the server is gone")
            whole(self, *paths)

        during.setattr(MemoryFileSystem, "put_file", lost)
        with pytest.raises(InputError, match=r"bucket/out: cannot be reached .+ run the same again later: it resumes"):
            score()
    assert len(uploaded(store)) == 2
    assert LAST not in uploaded(store)

    def twice(*_: object) -> None:
        raise AssertionError("scored twice")

    monkeypatch.setattr(tasks.scoring.batch, "score_here", twice)
    score()
    assert uploaded(store) >= {LAST, "skipped.parquet", "predictions.csv", "report.html"}
    assert not working_folder(OUT).exists()


def test_a_complete_output_and_other_files_are_kept(store: MemoryFileSystem) -> None:
    score()
    kept = store.cat(f"/bucket/out/{LAST}")
    with pytest.raises(InputError, match="bucket/out: exists already; name another address, or remove what is there"):
        score()
    assert store.cat(f"/bucket/out/{LAST}") == kept
    store.pipe("/bucket/theirs/notes.txt", b"of somebody else")
    with pytest.raises(InputError, match="bucket/theirs: exists already"):
        score("memory://bucket/theirs")
    assert store.find("/bucket/theirs") == ["/bucket/theirs/notes.txt"]


def test_what_a_run_that_was_killed_after_its_upload_left_is_removed() -> None:
    score()
    working_folder(OUT).mkdir(parents=True)
    with pytest.raises(InputError, match="exists already"):
        score()
    assert not working_folder(OUT).exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("https://host/out", "cannot be written to; name a folder, or an address such as s3://BUCKET/FOLDER"),
        ("memory://faces/out", "is inside memory://faces, so the next run would score it too"),
        ("unheard-of://bucket/out", "cannot be written to"),
    ],
)
def test_an_address_that_cannot_be_used_is_an_error_before_anything_is_scored(
    out: str, message: str, store: MemoryFileSystem
) -> None:
    with pytest.raises(InputError, match=message):
        require_destination(out, ["memory://faces"])
    assert store.find("/") == []


@pytest.mark.parametrize("error", [PermissionError(13, "Forbidden"), type("NoCredentialsError", (Exception,), {})()])
def test_a_refusal_names_the_credentials(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(MemoryFileSystem, "find", refuse)
    with pytest.raises(InputError, match="check the credentials, and what they allow"):
        score()
    monkeypatch.setattr(MemoryFileSystem, "isdir", refuse)
    with pytest.raises(InputError, match=r"memory://faces: cannot be searched .+; check the credentials"):
        score("local", "memory://faces")
    assert not Path("local").exists()


def test_python_takes_no_address_and_makes_no_folder_of_its_name(tmp_path: Path) -> None:
    predictor = Predictor.__new__(Predictor)
    crops(tmp_path / "more")
    for out in (OUT, Path(OUT)):
        with pytest.raises(InputError, match="an address is not possible here; name a local folder"):
            predictor.predict_files("more", out=out)
    assert not Path("memory:").exists()
