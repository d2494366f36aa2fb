"""Brings a raw table in, as one plain CSV, from a path or an http(s) address, in whichever form it is published."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from tasks.common.files import InputError, replacing, sha256
from tasks.orchestration.api import leave_table, log, task
from tasks.readers.archives import opened
from tasks.readers.bounded_csv import BoundedRows, RowTooLarge
from tasks.readers.image_folder import is_tree, write_tree
from tasks.readers.raw_csv import columns

ATTEMPTS = 3
# Of one request; a transfer that breaks off is begun again, ATTEMPTS times.
RETRIES = Retry(total=5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=("GET",))
TIMEOUT_SECONDS = (10, 60)


@task
def bring_in(head: str, source: str, out: Path) -> Path:
    """Write `source` to `out` as one CSV, whole or not at all. A download is retried here, so offline too.

    `source` is a CSV, plain, gzipped or zipped, or, for the emotion head, a tree of pictures or a zip of one.
    """
    log(f"{head}: bringing in {source}")
    if source.startswith(("http://", "https://")):
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.stem}.", dir=out.parent) as folder:
            fetched = Path(folder) / "download"
            _download(source, fetched)
            _unpack(head, fetched, out, source)
    else:
        _unpack(head, Path(source), out, source)
    return out


def _unpack(head: str, source: Path, out: Path, shown: str) -> None:
    # Of a named pipe, reading waits for whoever writes to it.
    if source.exists() and not (source.is_file() or source.is_dir()):
        raise InputError(f"{shown}: neither a file nor a folder; name the CSV itself")
    with replacing(out) as temporary:
        if head == "emotion" and is_tree(source, shown):
            write_tree(source, temporary, shown)
        else:
            columns(source, head, shown)
            with opened(source, shown) as table, temporary.open("wb") as handle:
                _copy(table, handle, shown)


def _copy(table: BinaryIO, out: BinaryIO, shown: str) -> None:
    try:
        shutil.copyfileobj(BoundedRows(table), out, 1 << 20)
    except RowTooLarge as error:
        raise InputError(f"{shown}, {error}") from None


def _download(address: str, out: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _transfer(address, out)
            return
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, requests.Timeout) as error:
            log(f"{address}: attempt {attempt} of {ATTEMPTS} broke off ({error})")
            reason = error
        except requests.RequestException as error:
            raise InputError(f"{address}: could not be downloaded ({error}); correct the address") from None
    raise InputError(f"{address}: could not be downloaded ({reason}); try later")


def _transfer(address: str, out: Path) -> None:
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=RETRIES))
        session.mount("https://", HTTPAdapter(max_retries=RETRIES))
        with session.get(address, stream=True, timeout=TIMEOUT_SECONDS) as response, out.open("wb") as handle:
            response.raise_for_status()
            for block in response.iter_content(1 << 20):
                handle.write(block)


@task
def report_tables(sources: dict[str, str], tables: dict[str, Path]) -> None:
    """Leave a table of what came in: size and hash identify the bytes that everything after rests on."""
    rows = [
        {"head": head, "from": sources[head], "MB": path.stat().st_size / 1e6, "sha256": sha256(path)[:16]}
        for head, path in tables.items()
    ]
    leave_table("ingest", rows, "Raw tables")
