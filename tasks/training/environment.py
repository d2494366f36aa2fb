"""What a training ran on."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from faces.training.backend import Backend, accelerator, this_backend

LIBRARIES = ("keras", "numpy")
"""Beside Keras's backend."""
CPU_NAME = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def training_backend() -> Backend:
    """How this process trains, on the cores that it may use."""
    return this_backend(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def training_environment() -> dict[str, Any]:
    """Keras's backend, the device it computes on, and the versions of the libraries that the weights depend on."""
    backend = keras.backend.backend()
    return {
        "backend": backend,
        "device": accelerator() or _processor(),
        "versions": {name: version(name) for name in (*LIBRARIES, backend)},
    }


def _processor() -> str:
    """The processor's name, else its architecture."""
    information = Path("/proc/cpuinfo")
    found = CPU_NAME.search(information.read_text()) if information.exists() else None
    return found[1] if found else platform.machine()
