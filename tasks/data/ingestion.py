"""Copy or download a raw table, in any published format, to one uncompressed CSV."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from tasks.common.files import InputError, replacing, sha256
from tasks.data.downloads import download, is_address
from tasks.data.parquet_shards import is_parquet
from tasks.data.parquet_tables import check_parquet, write_parquet_csv
from tasks.orchestration.artifacts import log, log_table
from tasks.orchestration.decorators import task
from tasks.readers.archives import opened
from tasks.readers.bounded_csv import BoundedRows, RowTooLarge
from tasks.readers.image_folder import check_image_folder, is_image_folder, write_image_folder_csv
from tasks.readers.raw_csv import columns


@task
def bring_in(model_name: str, source: str, out: Path) -> Path:
    """Write `source` to `out` as one CSV, atomically. Retries a download itself, so that it needs no Prefect.

    `source` is a path or an http(s) address of a CSV, plain or packed, see `archives.opened`, of a Parquet table or its
    shards (in a folder or a zip) or, for the emotion model, of an image folder or a zip of one. Raises InputError if it
    cannot be read.
    """
    log(f"{model_name}: ingesting {source}")
    if is_address(source):
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.stem}.", dir=out.parent) as folder:
            downloaded = Path(folder) / "download"
            download(source, downloaded)
            _unpack(model_name, downloaded, out, source)
    else:
        _unpack(model_name, Path(source), out, source)
    return out


def check_sources(sources: dict[str, str]) -> None:
    """Raise the InputError of `bring_in` for what the beginning of each local source shows: its kind and its columns.

    Nothing is read of an address, of what is not there, and of tables below their first rows.
    """
    problems = []
    for model_name, source in sources.items():
        path = Path(source)
        if is_address(source) or not path.exists():
            continue
        try:
            kind = _kind(model_name, path, source)
            if kind == "parquet":
                check_parquet(model_name, path, source)
            elif kind == "images":
                check_image_folder(path, source)
            else:
                columns(path, model_name, source)
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise InputError("\n".join(problems))


def _kind(model_name: str, source: Path, display_name: str) -> str:
    """How a source is read: `parquet`, `images` or `csv`. Raises InputError for a pipe, and a folder of neither."""
    # Reading a named pipe would block until another process writes to it.
    if source.exists() and not (source.is_file() or source.is_dir()):
        raise InputError(f"{display_name}: neither a file nor a folder; name the CSV itself")
    if is_parquet(source, display_name):
        return "parquet"
    if model_name == "emotion" and is_image_folder(source, display_name):
        return "images"
    if source.is_dir():
        raise InputError(
            f"{display_name}: is a folder without a Parquet table; keypoints are read from a table, since pictures "
            "have no coordinates; name the CSV itself (`faces score` predicts the keypoints of pictures)"
        )
    return "csv"


def _unpack(model_name: str, source: Path, out: Path, display_name: str) -> None:
    kind = _kind(model_name, source, display_name)
    with replacing(out) as temporary:
        if kind == "parquet":
            write_parquet_csv(model_name, source, temporary, display_name)
        elif kind == "images":
            write_image_folder_csv(source, temporary, display_name)
        else:
            columns(source, model_name, display_name)
            with opened(source, display_name) as table, temporary.open("wb") as handle:
                _copy(table, handle, display_name)


def _copy(table: BinaryIO, out: BinaryIO, display_name: str) -> None:
    try:
        shutil.copyfileobj(BoundedRows(table), out, 1 << 20)
    except RowTooLarge as error:
        raise InputError(f"{display_name}, {error}") from None


@task
def report_tables(sources: dict[str, str], tables: dict[str, Path]) -> None:
    """Log a table of the raw tables; size and hash identify the bytes that all later stages depend on."""
    rows = [
        {"model": model_name, "from": sources[model_name], "MB": path.stat().st_size / 1e6, "sha256": sha256(path)[:16]}
        for model_name, path in tables.items()
    ]
    log_table("ingest", rows, "Raw tables")
