"""Runs a flow as a command: settings, lock, status file, error messages and exit status."""

import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import params
from tasks.common import host
from tasks.common.files import InputError
from tasks.common.text_escaping import visible
from tasks.orchestration import api, dvc_cache, git_revision, stage_files
from tasks.orchestration.flow_run import LOG_FORMAT, NEEDS_API, FlowFunction, run_flow
from tasks.orchestration.locks import exclusive_lock
from tasks.orchestration.stage_status import write_status

RESTORE = (
    "`dvc checkout --force` restores the stage's previous outputs and removes what it wrote now; "
    "`dvc repro` resumes here."
)
OF_GIT = ("dvc", "dulwich", "git", "gto", "pygit2", "scmrepo")
"""Libraries whose errors may mean that the folder is no git repository, or one that git does not trust."""


def run_stage(stage: str, model: str | None = None, **options: str) -> None:
    """Run a stage of dvc.yaml, of the given model if it has models, and exit with 1 if it fails, 130 if interrupted.

    `options` are further arguments of the stage's flow.
    """
    name = os.environ.get("DVC_STAGE") or (f"{stage}@{model}" if model else stage)
    with reporting_errors(name, is_stage=True):
        settings = _begin(name)
        # DVC has checked the inputs itself.
        if "DVC_STAGE" not in os.environ:
            stage_files.require_inputs(name)
        with exclusive_lock(name):
            arguments: dict[str, object] = {**({"model_name": model} if model else {}), **options}
            run_flow(_function(f"flows.stages.{stage}", stage), settings, arguments, name)


def run_command(
    name: str, module: str, arguments: dict[str, object], into: Path | None = None, needs_api: bool = False
) -> None:
    """Run the flow `name` of a module, alone; with `into`, it excludes only runs that write into the same folder."""
    with reporting_errors(name, Path(), *([into] if into else [])):
        settings = _begin(name, needs_api)
        with exclusive_lock(name, str(into) if into else ""):
            run_flow(_function(module, name), settings, arguments, name, needs_api)


def _begin(name: str, needs_api: bool = False) -> params.Params:
    """Decide which API records the run, and return the settings. InputError if the API refuses, or none is there."""
    logging.basicConfig(format=LOG_FORMAT, datefmt="%H:%M:%S")
    api.terminal.setLevel(logging.INFO)
    settings = params.load()
    decided = api.decide()
    if decided.refused:
        raise InputError(decided.note)
    if needs_api and not decided.url:
        raise InputError(f"{decided.note}; {NEEDS_API}")
    api.use(decided)
    api.terminal.info("%s: %s", name, decided.note)
    return settings


def _function(module: str, name: str) -> FlowFunction:
    """Return a flow's function. Imported here, since Prefect may only be imported after the API is decided on."""
    function: FlowFunction = getattr(import_module(module), name)
    return function


@contextmanager
def reporting_errors(name: str, *folders: Path, is_stage: bool = False) -> Iterator[None]:
    """Print the message of an error and the remedy, and exit; a traceback only for an unknown error.

    `folders` are those written to, in case the disk is full.
    """
    signal.signal(signal.SIGTERM, _terminated)
    by_dvc = is_stage and "DVC_STAGE" in os.environ
    # Only DVC removes a stage's outputs before it runs.
    remedy = RESTORE if by_dvc else ""
    try:
        yield
        if by_dvc:
            write_status(name, "completed")
    except KeyboardInterrupt:
        print(f"\n{name} was interrupted; no partial file is left. {remedy}".rstrip(), file=sys.stderr)
        if by_dvc:
            write_status(name, "interrupted")
        _leave(130)
    except Exception as error:
        # By hand, an input may well be newer than DVC's record: what an InputError says is then the whole reason.
        is_suspect = is_stage and (by_dvc or not isinstance(error, InputError))
        reason = _reason(error, dvc_cache.inputs(name) if is_suspect else [], folders or (Path(),))
        message = visible(reason or f"{type(error).__name__}: {error}".splitlines()[0], lines=True)
        if by_dvc:
            write_status(name, "failed", message, input_fault=bool(reason))
        if not reason:
            traceback.print_exception(error)
        outcome = f"cannot be done:\n{message}\n" if reason else "failed. "
        print(f"\n{name} {outcome}{remedy}".rstrip(), file=sys.stderr)
        _leave(1)


def _reason(error: Exception, changed: list[str], folders: Any) -> str:
    """Return the reason in words, and the inputs that differ from DVC's record; empty if the reason is unknown."""
    why = host.explained(error, *folders) if isinstance(error, OSError) else None
    if type(error).__module__.lstrip("_").partition(".")[0] in OF_GIT:
        why = git_revision.trouble()
    known = why or changed or isinstance(error, (InputError, params.SettingsError))
    return "\n".join([why or str(error) or type(error).__name__, *changed]) if known else ""


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _leave(status: int) -> NoReturn:
    """Exit immediately: an interrupted training leaves threads that call Python, and a normal exit then never ends."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
