"""Flows: when things run. Loaded before any of them, hence before the heavy libraries read what is set here."""

import ctypes
import os
import signal
import sys

from tasks.common import host

host.settle()
if spoilt := host.spoilt_settings():
    sys.exit(spoilt)

# TensorFlow's start-up notices about absent GPUs, several lines a stage, hide what a stage says itself.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# TensorFlow leaves oneDNN off where there is no AVX-512, though with AVX2 it trains half as fast again.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
for reporting, off in (
    ("DVC_NO_ANALYTICS", "1"),
    ("DO_NOT_TRACK", "1"),
    ("GX_ANALYTICS_ENABLED", "false"),
    ("PREFECT_SERVER_ANALYTICS_ENABLED", "false"),
):
    os.environ.setdefault(reporting, off)

# What a proxy is for lies beyond this machine: the server on loopback is not reached through one.
direct = (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",")
direct = list(dict.fromkeys([*filter(None, direct), "127.0.0.1", "localhost", "::1"]))
os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(direct)

PR_SET_PDEATHSIG = 1

if sys.platform == "linux" and os.environ.keys() & {"DVC_STAGE", "FACES_PARENT_TASK_RUN_ID"}:
    # Have the kernel end a stage when DVC ends, and DVC when the pipeline does: else a killed `dvc` leaves a training
    # beside the next one. Killed, for TensorFlow heeds no gentler signal while it compiles a network. Here, since
    # imports take seconds; the parent may have ended before the request, and then no signal comes.
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("what started this ended before it began")
