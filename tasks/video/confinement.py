"""Confines the process that decodes a video, so that a hostile file reaches nothing and takes bounded memory and time.

Standard library only.
"""

import importlib
import pkgutil
import resource
import signal
from contextlib import suppress
from types import ModuleType

MEMORY = 3 * 2**30
"""Bytes of address space: what one damaged or hostile file can make a decoder allocate. Linux keeps to it."""
SECONDS = 300
"""Of processor time for a frame."""


def confine() -> None:
    """Let this process open and write no further file, and bound its memory and time; what is open stays open."""
    restart_clock()
    limits = {"RLIMIT_AS": MEMORY, "RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "RLIMIT_NOFILE": 0}
    for name, limit in limits.items():
        with suppress(ValueError, OSError):  # another system, or a lower limit of its own
            resource.setrlimit(getattr(resource, name), (limit, limit))


def restart_clock() -> None:
    """End this process by SIGPROF after SECONDS of processor time from now, also inside a decoder."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)


def import_all(package: ModuleType) -> None:
    """Import all modules of a package, since a confined process cannot read them later."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
