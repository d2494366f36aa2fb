"""Cope with hosts without home folder, user name, disk space or write permission. Standard library only."""

import errno
import getpass
import os
import re
import shutil
import stat
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT}
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}


def private_folder() -> Path:
    """A folder under the temporary folder that only this user can access, the same for each call."""
    folder = Path(tempfile.gettempdir()) / f"faces-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    # Another user of the temporary folder may have created it first, to read or replace its files.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix="faces-"))
    return folder


def home() -> Path:
    """The user's home folder if it exists and is writable, else the private folder."""
    try:
        folder = Path.home()
    except RuntimeError:  # neither HOME nor the user database has one
        return private_folder()
    return folder if folder.is_dir() and writable(folder) else private_folder()


def settle() -> None:
    """Set a home folder and a user name for this process and its children if the host has none.

    DVC and Prefect fail without them. Git and Prefect settings in a read-only home folder remain in use.
    """
    before = os.environ.get("HOME")
    if before == "":
        del os.environ["HOME"]
    os.environ["HOME"] = after = str(home())
    if before and before != after:
        for variable, name in (
            ("GIT_CONFIG_GLOBAL", ".gitconfig"),
            ("PREFECT_PROFILES_PATH", ".prefect/profiles.toml"),
        ):
            if os.access(Path(before, name), os.R_OK):
                os.environ.setdefault(variable, str(Path(before, name)))
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = f"uid-{os.getuid()}"


def spoilt_settings() -> str:
    """Error message with the remedy for an unreadable Prefect settings file; empty if all are readable."""
    if os.environ.get("PREFECT_API_URL") == "":
        return ""
    prefect = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH", prefect / "profiles.toml")).expanduser()
    for path in (Path(".env"), Path("prefect.toml"), profiles):
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".toml":
                tomllib.loads(text)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            return f"{path}: Prefect's settings cannot be read ({reason}); correct the file, or move it away"
    return ""


def writable(folder: Path) -> bool:
    """Whether files can be created in `folder`, or the folder itself if it does not exist."""
    nearest = next(_ancestors(folder))
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def explained(error: OSError, *places: Path) -> str | None:
    """One sentence with the remedy for an error of the host, such as a full disk; None for any other error.

    `places` are the folders written to, for errors without a file name.
    """
    number = _number(error)
    if number in FULL:
        paths = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if name]
        return _full_disk(min((*paths, *places, Path(tempfile.gettempdir())), key=_free))
    if number in REFUSED:
        where = os.fsdecode(error.filename) if error.filename else " or ".join(map(str, places))
        return (
            f"{where}: {os.strerror(number)} for the user {os.getuid()}; grant access, or name another folder, "
            "or work in your own clone"
        )
    return None


def _number(error: OSError) -> int | None:
    """The error number; PyArrow and HDF5 give it in the message only."""
    in_message = re.search(r"errno[ =]+(\d+)", str(error), re.IGNORECASE)
    return error.errno or (int(in_message[1]) if in_message else None)


def _ancestors(path: Path) -> Iterator[Path]:
    """The existing ancestors, from `path` itself upwards."""
    absolute = Path(os.path.abspath(path))
    return (each for each in (absolute, *absolute.parents) if each.exists())


def _free(path: Path) -> int:
    return shutil.disk_usage(next(_ancestors(path))).free


def _full_disk(path: Path) -> str:
    usage = shutil.disk_usage(next(_ancestors(path)))
    mount = next(each for each in _ancestors(path) if each.is_mount())
    return (
        f"{path}: no space left on the disk mounted at {mount}: {usage.free / 2**20:.1f} MiB of "
        f"{usage.total / 2**20:.1f} MiB are free, less than the output needs; free some space, or write to another disk"
    )


if __name__ == "__main__":
    print(home(), end="")
