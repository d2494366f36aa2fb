"""What DVC and Prefect cost: the same stages, done four ways side by side, and done again where nothing has changed.

    python -m benchmarks.overhead [--rows 300] [--epochs 2]

As plain functions in one process; by `dvc repro` without and with a Prefect API; as a run of the pipeline. Each way has
a clone of its own, on the committed state of this checkout; the server runs beside all of them. Gate and score are left
out: networks this small pass no gate.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ["explore", "evaluate@keypoints", "evaluate@emotion"]
IN_ONE_PROCESS = f"""
import importlib
from tasks.operations.dvc_graph import plan_of
for stage in plan_of({TARGETS}).needs:
    name, *head = stage.split("@")
    getattr(importlib.import_module(f"flows.{{name}}"), name)(*head)
"""
WAYS: dict[str, tuple[list[str], bool]] = {
    "plain functions, one process": ([sys.executable, "-c", IN_ONE_PROCESS], False),
    "dvc repro, no API": ([sys.executable, "-m", "dvc", "repro", *TARGETS], False),
    "dvc repro, with API": ([sys.executable, "-m", "dvc", "repro", *TARGETS], True),
    "pipeline": ([sys.executable, "-m", "flows.pipeline", *TARGETS], True),
}


def clone_of(folder: Path, rows: int, epochs: int) -> Path:
    """A clone in which few faces are drawn and little is trained."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    yaml, path = YAML(), folder / "params.yaml"
    settings = yaml.load(path)
    for head in ("keypoints", "emotion"):
        settings["sample"][f"{head}_rows"] = rows
        settings["train"]["sample"][head]["descent"]["epochs"] = epochs
    yaml.dump(settings, path)
    # What was committed is of other settings; a stage must not be taken for done.
    (folder / "dvc.lock").unlink()
    return folder


def seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Wall-clock time of a command that must succeed."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - began


def measured(
    address: str, auth_string: str, clone: Callable[[Path], Path], folder: Path
) -> list[tuple[str, float, float | None]]:
    """Each way's name, its seconds, and its seconds where nothing has changed."""
    found = []
    for number, (name, (command, with_api)) in enumerate(WAYS.items()):
        project = clone(folder / str(number))
        binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        environment = {**os.environ, "PATH": binaries, "PREFECT_API_URL": address if with_api else ""}
        environment["PREFECT_API_AUTH_STRING"] = auth_string
        first = seconds(command, project, environment)
        again = None if command[1] == "-c" else seconds(command, project, environment)
        found.append((name, first, again))
        print(f"{name}: {first:.1f} s, then {again or 0:.1f} s", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        home = clone_of(folder / "home", options.rows, options.epochs)
        serve = [sys.executable, "-m", "flows.serve"]
        plain = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
        said = subprocess.run([*serve, "up"], cwd=home, env=plain, capture_output=True, text=True, check=True).stdout
        try:
            address = said.split()[1] + "/api"
            auth_string = (home / ".prefect/auth").read_text().strip()
            rows = measured(address, auth_string, lambda path: clone_of(path, options.rows, options.epochs), folder)
        finally:
            subprocess.run([*serve, "down"], cwd=home, env=plain, check=True)
    table = Table(title=f"{options.rows} rows a table, {options.epochs} epochs", title_justify="left")
    for column in ("way", "seconds", "times plain", "nothing changed, s", "times no-op dvc repro"):
        table.add_column(column)
    base, idle = rows[0][1], rows[1][2]
    for name, first, again in rows:
        repeated = [f"{again:.1f}", f"{again / idle:.2f}"] if again and idle else ["", ""]
        table.add_row(name, f"{first:.1f}", f"{first / base:.2f}", *repeated)
    Console().print(table)


if __name__ == "__main__":
    main()
