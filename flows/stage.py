"""Runs one stage from the command line: `python -m flows.STAGE [HEAD]`, the commands of `dvc.yaml`.

What else a flow takes, `score` its sources, becomes arguments and options of the command.
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
from tasks.orchestration import api, dvc_cache, git_revision

RESTORE = (
    "What this stage had made before comes back with `dvc checkout --force`, which also removes what it wrote now; "
    "`dvc repro` goes on from here."
)


OF_GIT = ("dvc", "dulwich", "git", "gto", "pygit2", "scmrepo")
"""Libraries whose errors may mean that there is no repository, or none that git trusts."""


def _arguments(flow: Callable[..., object]) -> dict[str, object]:
    parser = argparse.ArgumentParser(prog=f"python -m flows.{flow.__name__}", description=inspect.getdoc(flow))
    for name, parameter in inspect.signature(flow).parameters.items():
        if name == "head":
            parser.add_argument("head", choices=params.HEADS)
        elif parameter.annotation == list[str]:
            # Prefect's API takes no name that is not UTF-8.
            parser.add_argument(name, nargs="*", type=text_of)
        elif get_origin(parameter.annotation) is Literal:
            parser.add_argument(f"--{name}", default=parameter.default, choices=get_args(parameter.annotation))
        elif parameter.annotation is bool:
            parser.add_argument(f"--{name}", action="store_true")
        elif parameter.annotation == str | None:
            parser.add_argument(f"--{name}", nargs="?", const="previous", metavar="VERSION")
        else:
            parser.add_argument(f"--{name}", default=parameter.default, type=parameter.annotation)
    return vars(parser.parse_args())


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _leave(status: int) -> NoReturn:
    """Exit at once: a training that was broken off leaves threads that call Python, and tidying up then never ends."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _fail(name: str, error: Exception, folders: list[Path], remedy: str) -> NoReturn:
    """Say why, and which inputs are not what DVC recorded; with a traceback only where nothing better is known."""
    # What is scored by hand into a folder is no stage of DVC's.
    unlike = [] if len(folders) > 1 else dvc_cache.inputs(name)
    why = host.explained(error, *folders) if isinstance(error, OSError) else None
    if type(error).__module__.lstrip("_").partition(".")[0] in OF_GIT:
        why = git_revision.trouble()
    if why or unlike or isinstance(error, (InputError, params.SettingsError)):
        lines = ["", f"{name} cannot be done:", why or str(error) or type(error).__name__, *unlike, remedy]
        lines = [visible(line, lines=True) for line in lines]
    else:
        traceback.print_exception(error)
        lines = ["", f"{name} failed. {remedy}"]
    print("\n".join(lines).rstrip(), file=sys.stderr)
    _leave(1)


def main(flow: Callable[..., object]) -> None:
    """Run a stage's flow and exit: 0 done, 1 with a clear message, 130 interrupted."""
    logging.basicConfig(format="%(asctime)s | %(message)s", datefmt="%H:%M:%S")
    api.terminal.setLevel(logging.INFO)
    arguments = _arguments(flow)
    name = os.environ.get("DVC_STAGE") or "@".join(
        [flow.__name__, *([str(arguments["head"])] if "head" in arguments else [])]
    )
    signal.signal(signal.SIGTERM, _terminated)
    # By hand, nothing was removed before.
    remedy = RESTORE if "DVC_STAGE" in os.environ else ""
    by_hand = bool(arguments.get("sources"))
    try:
        if api.api.refused:
            raise InputError(api.api.note)
        api.terminal.info("%s: %s", name, api.api.note)
        params.load()
        # What is scored by hand has a folder of its own, and need not wait for other runs.
        with api.alone(name, str(arguments["out"]) if by_hand else ""):
            api.run(flow, arguments)
    except KeyboardInterrupt:
        print(f"\n{name} was interrupted; no half-written file is left. {remedy}".rstrip(), file=sys.stderr)
        _leave(130)
    except Exception as error:
        _fail(name, error, [Path(), Path(str(arguments["out"]))] if by_hand else [Path()], remedy)
