"""Walks folders by one set of rules, for training and for scoring: what is read, and what is left out and named."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import NamedTuple, NoReturn

from tasks.common.files import InputError

HIDDEN, TWICE = "hidden or metadata of the system", "linked to a folder that is searched already"
SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir"})
"""Metadata that Windows and network disks add, in lower case."""
SHOWN = 3


class LeftOut(NamedTuple):
    """A file or folder that is not read, and why."""

    path: str
    why: str


class Walk(NamedTuple):
    """Below a folder: the paths of all files, sorted, what is left out, and the real paths of the folders searched.

    `roots` are the folder itself and the target of each link that was followed.
    """

    files: list[str]
    left_out: list[LeftOut]
    roots: list[str]


def is_hidden(name: str) -> bool:
    """Whether a relative path is hidden, or metadata that macOS, Windows or a network disk adds beside files."""
    return any(part.startswith((".", "__MACOSX")) or part.lower() in SYSTEM_FILES for part in PurePosixPath(name).parts)


def _fail(error: OSError) -> NoReturn:
    raise InputError(
        f"{error.filename}: cannot be searched ({error.strerror}); change its permissions, or leave it out"
    )


def walk(folder: str, on_error: Callable[[OSError], object] = _fail) -> Walk:
    """All files below a folder, without hidden ones. Linked folders are entered, each real folder once.

    Broken links, pipes and empty files are among the files; reading them raises the reason. `on_error` is called for
    a folder that cannot be searched; by default it raises InputError.
    """
    found, entered, waiting = Walk([], [], []), set[str](), [folder]
    # A real folder comes before its links, so that a file has the name that it has without them.
    while waiting:
        start = waiting.pop(0)
        if os.path.realpath(start) not in entered:
            found.roots.append(os.path.realpath(start))
        for place, folders, names in os.walk(start, onerror=on_error):
            if (real := os.path.realpath(place)) in entered:
                found.left_out.append(LeftOut(place, TWICE))
                folders.clear()
                continue
            entered.add(real)
            waiting += _kept(place, folders, found)
            hidden = [name for name in names if is_hidden(name)]
            found.left_out.extend(LeftOut(os.path.join(place, name), HIDDEN) for name in sorted(hidden))
            found.files.extend(os.path.join(place, name) for name in names if not is_hidden(name))
    found.files.sort()
    return found


def _kept(place: str, folders: list[str], found: Walk) -> list[str]:
    """Keep the folders to enter now, in order, and return the links to enter later."""
    hidden = sorted(name for name in folders if is_hidden(name))
    found.left_out.extend(LeftOut(os.path.join(place, name, ""), HIDDEN) for name in hidden)
    paths = [os.path.join(place, name) for name in sorted(folders) if name not in hidden]
    folders[:] = [os.path.basename(path) for path in paths if not os.path.islink(path)]
    return [path for path in paths if os.path.islink(path)]


def summary_of(left_out: Iterable[LeftOut]) -> str:
    """How many are left out for each reason, with the first names; empty if there are none."""
    by_reason = defaultdict(list)
    for one in left_out:
        by_reason[one.why].append(one.path)
    return "; ".join(
        f"{len(paths):,} {why} ({', '.join(paths[:SHOWN])}{', ...' if len(paths) > SHOWN else ''})"
        for why, paths in by_reason.items()
    )
