"""Runs one stage from the command line: `python -m flows.STAGE [MODEL]`, the commands of `dvc.yaml`.

The parameters of a flow become arguments and options: `model_name` and lists of texts are positional.
"""

import argparse
import inspect
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Literal, NoReturn, get_args, get_origin

import params
from tasks.common import host
from tasks.common.files import InputError, text_of
from tasks.common.text_escaping import visible
from tasks.orchestration import api, dvc_cache, git_revision, stage_files
from tasks.orchestration.stage_status import Outcome, write_status

RESTORE = (
    "`dvc checkout --force` restores the stage's previous outputs and removes what it wrote now; "
    "`dvc repro` resumes here."
)


OF_GIT = ("dvc", "dulwich", "git", "gto", "pygit2", "scmrepo")
"""Libraries whose errors may mean that the folder is no git repository, or one that git does not trust."""


def _arguments(flow: Callable[..., object]) -> dict[str, object]:
    """Return the flow's parameters by name, parsed from the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m flows.{flow.__name__}", description=inspect.getdoc(flow))
    for name, parameter in inspect.signature(flow).parameters.items():
        option = f"--{name.replace('_', '-')}"
        if name == "model_name":
            parser.add_argument(name, metavar="MODEL", choices=params.MODELS, help=", ".join(params.MODELS))
        elif parameter.annotation == list[str]:
            # Prefect's API accepts only names in UTF-8.
            parser.add_argument(name, nargs="*", type=text_of)
        elif get_origin(parameter.annotation) is Literal:
            parser.add_argument(option, default=parameter.default, choices=get_args(parameter.annotation))
        elif parameter.annotation is bool:
            parser.add_argument(option, action="store_true")
        elif parameter.annotation == str | None:
            parser.add_argument(option, nargs="?", const="previous", metavar="VERSION")
        else:
            parser.add_argument(option, default=parameter.default, type=parameter.annotation)
    return vars(parser.parse_args())


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _leave(status: int) -> NoReturn:
    """Exit immediately: an interrupted training leaves threads that call Python, and a normal exit then never ends."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _report(outcome: Outcome, message: str = "", input_fault: bool = False) -> None:
    """Report to the pipeline how the stage ended. A run by hand must not answer for the one that DVC started."""
    if stage := os.environ.get("DVC_STAGE"):
        write_status(stage, outcome, message, input_fault)


def _fail(name: str, error: Exception, folders: list[Path], remedy: str) -> NoReturn:
    """Print the reason and the inputs that differ from DVC's record, and exit; a traceback if the reason is unknown."""
    # Scoring given sources into a folder is not a DVC stage.
    changed = [] if len(folders) > 1 else dvc_cache.inputs(name)
    why = host.explained(error, *folders) if isinstance(error, OSError) else None
    if type(error).__module__.lstrip("_").partition(".")[0] in OF_GIT:
        why = git_revision.trouble()
    if why or changed or isinstance(error, (InputError, params.SettingsError)):
        lines = ["", f"{name} cannot be done:", why or str(error) or type(error).__name__, *changed, remedy]
        lines = [visible(line, lines=True) for line in lines]
        _report("failed", "\n".join(lines[2:-1]), input_fault=True)
    else:
        traceback.print_exception(error)
        _report("failed", visible(f"{type(error).__name__}: {error}".splitlines()[0]))
        lines = ["", f"{name} failed. {remedy}"]
    print("\n".join(lines).rstrip(), file=sys.stderr)
    _leave(1)


def main(flow: Callable[..., object]) -> None:
    """Run a stage's flow and exit: 0 for success, 1 with an error message, 130 if interrupted."""
    logging.basicConfig(format="%(asctime)s | %(message)s", datefmt="%H:%M:%S")
    api.terminal.setLevel(logging.INFO)
    arguments = _arguments(flow)
    model = [str(arguments["model_name"])] if "model_name" in arguments else []
    name = os.environ.get("DVC_STAGE") or "@".join([flow.__name__, *model])
    signal.signal(signal.SIGTERM, _terminated)
    # Only DVC removes a stage's outputs before it runs.
    remedy = RESTORE if "DVC_STAGE" in os.environ else ""
    is_batch = "out" in arguments and bool(arguments["sources"] or arguments["model_set"] != "workspace")
    try:
        if api.api.refused:
            raise InputError(api.api.note)
        api.terminal.info("%s: %s", name, api.api.note)
        params.load()
        # DVC has checked the inputs itself. With options, the run differs from the stage in the graph.
        if "DVC_STAGE" not in os.environ and len(sys.argv) == 1 + len(model):
            stage_files.require_inputs(name)
        # A batch has a folder of its own, and need not wait for other runs.
        with api.exclusive_lock(name, str(arguments["out"]) if is_batch else ""):
            api.run(flow, arguments)
    except KeyboardInterrupt:
        _report("interrupted")
        print(f"\n{name} was interrupted; no partial file is left. {remedy}".rstrip(), file=sys.stderr)
        _leave(130)
    except Exception as error:
        _fail(name, error, [Path(), Path(str(arguments["out"]))] if is_batch else [Path()], remedy)
    _report("completed")
