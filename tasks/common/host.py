"""What a host may lack: a home folder, a user name, disk space, permission to write. Standard library only."""

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
    """A folder of this user's own under the temporary folder, the same one each time."""
    folder = Path(tempfile.gettempdir()) / f"faces-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    # Whoever may write to the temporary folder can have made it first, to read or replace what is kept there.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix="faces-"))
    return folder


def home() -> Path:
    """The user's home folder if it exists and can be written to, else the private folder."""
    try:
        named = Path.home()
    except RuntimeError:  # neither HOME nor the user database names one
        return private_folder()
    return named if named.is_dir() and writable(named) else private_folder()


def settle() -> None:
    """Give this process, and the processes it starts, a home folder and a user name if the host has none for them.

    DVC and Prefect fail without them. Settings of git and Prefect in a home folder that is read-only remain in use.
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
    """What is wrong with a file that Prefect reads its settings from, and the remedy; empty if all can be read."""
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
            what = error.strerror if isinstance(error, OSError) else error
            return f"{path}: Prefect's settings cannot be read ({what}); correct the file, or move it away"
    return ""


def writable(folder: Path) -> bool:
    """Whether files can be made in `folder`, or the folder itself where it does not exist."""
    nearest = next(_ancestors(folder))
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def explained(error: OSError, *places: Path) -> str | None:
    """One sentence with the remedy for an error of the host, such as a full disk; None for any other error.

    `places` are the folders that were written to, for errors that name none.
    """
    number = _number(error)
    if number in FULL:
        named = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if name]
        return _full_disk(min((*named, *places, Path(tempfile.gettempdir())), key=_free))
    if number in REFUSED:
        where = os.fsdecode(error.filename) if error.filename else " or ".join(map(str, places))
        return (
            f"{where}: {os.strerror(number)} for the user {os.getuid()}; grant access, or name another folder, "
            "or work in a clone of your own"
        )
    return None


def _number(error: OSError) -> int | None:
    """The error's number; PyArrow and HDF5 only mention it in the message."""
    mentioned = re.search(r"errno[ =]+(\d+)", str(error), re.IGNORECASE)
    return error.errno or (int(mentioned[1]) if mentioned else None)


def _ancestors(path: Path) -> Iterator[Path]:
    """The existing ones, from `path` itself upwards."""
    absolute = Path(os.path.abspath(path))
    return (one for one in (absolute, *absolute.parents) if one.exists())


def _free(path: Path) -> int:
    return shutil.disk_usage(next(_ancestors(path))).free


def _full_disk(path: Path) -> str:
    usage = shutil.disk_usage(next(_ancestors(path)))
    mount = next(one for one in _ancestors(path) if one.is_mount())
    return (
        f"{path}: no space left on the disk mounted at {mount}: {usage.free / 2**20:.1f} MiB of "
        f"{usage.total / 2**20:.1f} MiB are free, less than is being written; free some, or write to another disk"
    )


if __name__ == "__main__":
    print(home(), end="")
