"""Runs one stage from the command line: `python -m flows.STAGE [HEAD]`, the commands of `dvc.yaml`.

What else a flow takes, `score` its photographs, becomes arguments and options of the command.
"""

import argparse
import fcntl
import inspect
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import params
from tasks import orchestration
from tasks.files import InputError

LOCKS = Path(".dvc/tmp/stages")
RESTORE = (
    "What this stage had made before comes back with `dvc checkout --force`, which also removes what it wrote now; "
    "`dvc repro` goes on from here."
)


def _arguments(flow: Callable[..., object]) -> dict[str, object]:
    parser = argparse.ArgumentParser(prog=f"python -m flows.{flow.__name__}", description=inspect.getdoc(flow))
    for name, parameter in inspect.signature(flow).parameters.items():
        if name == "head":
            parser.add_argument("head", choices=params.HEADS)
        elif parameter.annotation == list[Path]:
            parser.add_argument(name, nargs="*", type=Path)
        elif parameter.annotation == str | None:
            parser.add_argument(f"--{name}", nargs="?", const="previous", metavar="VERSION")
        else:
            parser.add_argument(f"--{name}", default=parameter.default, type=parameter.annotation)
    return vars(parser.parse_args())


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Hold the stage's lock, which the kernel frees however this process ends."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"another run of {name} is under way here; wait for it, or end it first") from None
        yield


def main(flow: Callable[..., object]) -> None:
    """Run a stage's flow and exit: 0 done, 1 with a clear message, 130 interrupted."""
    logging.basicConfig(format="%(asctime)s | %(message)s", datefmt="%H:%M:%S")
    orchestration.terminal.setLevel(logging.INFO)
    arguments = _arguments(flow)
    name = os.environ.get("DVC_STAGE") or "@".join(
        [flow.__name__, *([str(arguments["head"])] if "head" in arguments else [])]
    )
    signal.signal(signal.SIGTERM, _terminated)
    try:
        if orchestration.api.refused:
            raise InputError(orchestration.api.note)
        orchestration.terminal.info("%s: %s", name, orchestration.api.note)
        params.load()
        with _alone(name):
            orchestration.run(flow, arguments)
    except (InputError, params.SettingsError) as error:
        # By hand over photographs, `score` touches nothing that DVC keeps.
        remedy = "" if arguments.get("photographs") else RESTORE
        sys.exit(f"\n{name} cannot be done:\n{error}\n{remedy}".rstrip())
    except KeyboardInterrupt:
        print(f"\n{name} was interrupted; no half-written file is left. {RESTORE}", file=sys.stderr)
        sys.exit(130)
    except Exception:
        print(f"\n{name} failed. {RESTORE}", file=sys.stderr)
        raise
