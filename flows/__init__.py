"""Flows. This package sets environment variables before the heavy libraries, which flows import, read them."""

import ctypes
import os
import signal
import sys

from tasks.common import host

host.settle()
if spoilt := host.spoilt_settings():
    sys.exit(spoilt)

# TensorFlow's start-up messages about missing GPUs, several lines per stage, hide a stage's own messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow disables oneDNN on CPUs without AVX-512, although training is 1.5 times as fast with it on AVX2.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
for reporting, off in (
    ("DVC_NO_ANALYTICS", "1"),
    ("DO_NOT_TRACK", "1"),
    ("GX_ANALYTICS_ENABLED", "false"),
    ("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
):
    os.environ.setdefault(reporting, off)

# A proxy cannot reach the server on loopback.
direct = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")
direct = list(dict.fromkeys([*filter(None, direct), "127.0.0.1", "localhost", "::1"]))
os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(direct)

PR_SET_PDEATHSIG = 1

if sys.platform == "linux" and os.environ.keys() & {"DVC_STAGE", "FACES_PARENT_TASK_RUN_ID"}:
    # The kernel ends a stage when DVC ends, and DVC when the pipeline ends: else a killed `dvc` leaves a training that
    # runs beside the next one. By SIGKILL, since TensorFlow ignores other signals while it compiles a model. Set here,
    # since imports take seconds. If the parent ends before this request, no signal is sent.
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent process ended before this process started")
