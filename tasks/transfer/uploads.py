"""Outputs at an address that fsspec can write to, such as s3://bucket/folder: made in a local folder, then uploaded."""

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tasks.common import host
from tasks.common.errors import access_remedy, error_text, raise_if_ours
from tasks.common.files import InputError, ignores_itself
from tasks.orchestration.artifacts import counted, log
from tasks.orchestration.decorators import task
from tasks.readers.sources import is_remote

LAST = "predictions.parquet"
"""Uploaded after all other files: an output that has it is complete."""
READ_ONLY = ("http", "https", "data", "github", "git")
"""Protocols that write nothing, or not what is meant."""


def working_folder(out: str) -> Path:
    """The local folder for the files of an output: `out` itself, or for an address one under the temporary folder.

    That of an address is the same for each run of this user, so that an interrupted run resumes.
    """
    if not is_remote(out):
        return Path(out)
    return host.private_folder() / "outputs" / hashlib.sha256(_normalized(out).encode()).hexdigest()[:16]


def require_destination(out: str, given: list[str]) -> None:
    """Raises InputError, before anything is scored, if an address cannot be written to or is in use.

    It is in use if it holds a complete output, if it holds files and no run for it is unfinished here, or if it is
    inside a source. For a local path nothing is checked.
    """
    if not is_remote(out):
        return
    if out.partition("://")[0] in READ_ONLY:
        raise InputError(f"{out}: cannot be written to; name a folder, or an address such as s3://BUCKET/FOLDER")
    place = _normalized(out) + "/"
    if inside := [source for source in given if is_remote(source) and place.startswith(_normalized(source) + "/")]:
        raise InputError(f"{out}: is inside {inside[0]}, so the next run would score it too; name another address")
    with _address_errors(out):
        files, root = fsspec.core.url_to_fs(out)
        held = files.find(root)
    complete, folder = any(name.endswith(f"/{LAST}") for name in held), working_folder(out)
    if complete and folder.exists():
        shutil.rmtree(folder)  # of a run that was killed after its last upload
    if complete or (held and not folder.exists()):
        raise InputError(f"{out}: exists already; name another address, or remove what is there")


def require_local(out: str) -> None:
    """Raises InputError for an address, or a path that was made of one and has lost a slash."""
    if re.match(r"\w[\w+.-]*:/", out):
        raise InputError(f"{out}: an address is not possible here; name a local folder, or use `faces score --out`")


@task
def upload(folder: Path, out: str) -> None:
    """Upload the finished files of `folder` to an address, LAST at the end; nothing if `out` is that folder itself.

    Hidden files stay, and so do links and shards. Raises InputError if it fails; the folder then stays as it is.
    """
    if not is_remote(out):
        return
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_hidden(path, folder)]
    with _address_errors(out):
        files, root = fsspec.core.url_to_fs(out)
        for path in sorted(paths, key=lambda path: path.name == LAST):
            target = f"{root}/{path.relative_to(folder).as_posix()}"
            if isinstance(files, LocalFileSystem):  # object stores have no folders, and may create a bucket instead
                files.makedirs(target.rpartition("/")[0], exist_ok=True)
            files.put_file(str(path), target)
    log(f"{out}: {counted(len(paths), 'file is', 'files are')} uploaded")


@task
def discard(folder: Path, out: str) -> None:
    """Remove the local folder of an uploaded output; nothing if `out` is that folder itself."""
    if is_remote(out):
        shutil.rmtree(folder)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts) or ignores_itself(path)


def _normalized(address: str) -> str:
    return address.rstrip("/")


@contextmanager
def _address_errors(out: str) -> Iterator[None]:
    """Raise errors of the protocol as InputError, with the remedy."""
    try:
        yield
    except Exception as error:  # each fsspec protocol raises its own errors
        raise_if_ours(out, error)
        raise InputError(f"{out}: cannot be written to ({error_text(error)}); {access_remedy(error)}") from None
