"""What a process of this project needs before it imports other libraries. Standard library only."""

import ctypes
import os
import signal
import sys
from pathlib import Path

from tasks.common import host

PARENT_TASK_RUN = "FACES_PARENT_TASK_RUN_ID"
"""Environment variable that passes the ID of a pipeline's task run to the stage that the task starts."""

DEFAULTS = {
    # TensorFlow's start-up messages about missing GPUs, several lines per stage, hide a stage's own messages.
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # TensorFlow disables oneDNN on CPUs without AVX-512, although training is 1.5 times as fast with it on AVX2.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Else every process without an API starts a server of its own, which takes half a minute and often fails.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    "PREFECT_CLIENT_MAX_RETRIES": "2",
}
"""Environment variables that libraries read when they are imported. Values of the user remain."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PR_SET_PDEATHSIG = 1


def prepare() -> None:
    """Set environment variables and the death signal. Exit if Prefect's settings files cannot be read."""
    set_environment()
    if reason := host.spoilt_settings():
        sys.exit(reason)
    if os.environ.keys() & {"DVC_STAGE", PARENT_TASK_RUN}:
        _end_with_parent()


def set_environment() -> None:
    """Set the environment variables that libraries and child processes read. Call it before libraries are imported."""
    host.settle()
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    _bypass_proxy()
    # DVC starts stages by the name `python`: that of this environment, also where its folder is not on the PATH.
    binaries, path = str(Path(sys.executable).parent), os.environ.get("PATH", "")
    if path.split(os.pathsep)[0] != binaries:
        os.environ["PATH"] = os.pathsep.join(filter(None, [binaries, path]))


def _bypass_proxy() -> None:
    """Exclude loopback from proxies, which cannot reach a server there."""
    direct = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys([*filter(None, direct), *LOOPBACK]))


def _end_with_parent() -> None:
    """Have the kernel end this process with its parent; on Linux only.

    A stage ends when DVC ends, and DVC when the pipeline ends: else a killed `dvc` leaves a training that runs beside
    the next one. The signal is SIGKILL, since TensorFlow ignores others while it compiles a model.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # If the parent ended before the request, no signal is sent.
    if os.getppid() != parent:
        sys.exit("the parent process ended before this process started")
