"""Overhead of DVC and Prefect: the same stages run in four ways, and run again with nothing changed.

    python -m benchmarks.overhead [--rows 300] [--epochs 2] [--ways plain dvc dvc-api pipeline] [--targets STAGE ...]

The ways are plain functions in one process, `dvc repro` without and with a Prefect API, and a pipeline run. Each has a
separate clone of the committed state of this checkout. If any way needs a server, it runs during all of them. Gate and
score are omitted: models this small do not pass the gate.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ruamel.yaml import YAML

from benchmarks.tables import print_table

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("explore", "report_tables", "evaluate@keypoints", "evaluate@emotion")
IN_ONE_PROCESS = """
import importlib, sys
from tasks.common import process
process.prepare()
import params
from tasks.operations.dvc_graph import plan_of
settings = params.load()
for stage in plan_of(sys.argv[1:]).needs:
    name, *model = stage.split("@")
    getattr(importlib.import_module(f"flows.stages.{name}"), name)(settings, *model)
"""


class Way(NamedTuple):
    """`arguments` of Python, before the targets; `skips_unchanged`: whether a second run skips unchanged stages."""

    name: str
    arguments: tuple[str, ...]
    with_api: bool
    skips_unchanged: bool = True


WAYS = {
    "plain": Way("plain functions, one process", ("-c", IN_ONE_PROCESS), with_api=False, skips_unchanged=False),
    "dvc": Way("dvc repro, no API", ("-m", "dvc", "repro"), with_api=False),
    "dvc-api": Way("dvc repro, with API", ("-m", "dvc", "repro"), with_api=True),
    "pipeline": Way("pipeline", ("-m", "flows", "pipeline"), with_api=True),
}


class Api(NamedTuple):
    """Address and credentials of a Prefect server; both empty without one."""

    address: str = ""
    auth_string: str = ""


class Cost(NamedTuple):
    """Seconds of the first run, and of a run with nothing changed; None for a way that runs everything again."""

    first: float
    again: float | None


def clone_of(folder: Path, rows: int, epochs: int) -> Path:
    """Make a clone of the checkout with small settings: sample tables of `rows` rows, and `epochs` epochs."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    yaml, dataset, recipe = YAML(), folder / "conf/dataset/sample.yaml", folder / "conf/recipe/sample.yaml"
    faces, training = yaml.load(dataset), yaml.load(recipe)
    for model_name in ("keypoints", "emotion"):
        faces["sample"]["num_samples"][model_name] = rows
        training[model_name]["student"]["epochs"] = epochs
    yaml.dump(faces, dataset)
    yaml.dump(training, recipe)
    # The committed lock belongs to other settings; no stage may be taken from it.
    (folder / "dvc.lock").unlink()
    return folder


def seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Return the wall-clock time of a command. Raises SystemExit, with its output, if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:8])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return time.perf_counter() - start


def cost_of(way: Way, targets: Sequence[str], project: Path, api: Api) -> Cost:
    """Measure one way in a project in which no stage has run."""
    command = [sys.executable, *way.arguments, *targets]
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": binaries, "PREFECT_API_URL": api.address if way.with_api else ""}
    environment["PREFECT_API_AUTH_STRING"] = api.auth_string
    first = seconds(command, project, environment)
    return Cost(first, seconds(command, project, environment) if way.skips_unchanged else None)


@contextmanager
def served(home: Path) -> Iterator[Api]:
    """Run a Prefect server of the clone `home`."""
    flows = [sys.executable, "-m", "flows"]
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    command = [*flows, "up", "--server-only"]
    started = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=True)
    try:
        yield Api(started.stdout.split()[1] + "/api", (home / ".prefect/auth").read_text().strip())
    finally:
        subprocess.run([*flows, "down"], cwd=home, env=environment, check=True)


def measure(ways: Sequence[str], targets: Sequence[str], clone: Callable[[Path], Path], api: Api) -> dict[str, Cost]:
    """Return costs by way, in the given order; `clone` creates a project in a new folder."""
    costs = {}
    with TemporaryDirectory() as folder:
        for way in ways:
            costs[way] = one = cost_of(WAYS[way], targets, clone(Path(folder) / way), api)
            print(f"{WAYS[way].name}: {one.first:.1f} s, then {one.again or 0:.1f} s", file=sys.stderr)
    return costs


def table_rows(costs: dict[str, Cost]) -> list[list[str]]:
    """Return a row per way: seconds, relative to plain functions; with nothing changed, relative to `dvc repro`."""
    base = costs["plain"].first if "plain" in costs else None
    idle = costs["dvc"].again if "dvc" in costs else None
    rows = []
    for way, one in costs.items():
        again = f"{one.again:.1f}" if one.again else ""
        ratios = [f"{one.first / base:.2f}" if base else "", f"{one.again / idle:.2f}" if one.again and idle else ""]
        rows.append([WAYS[way].name, f"{one.first:.1f}", ratios[0], again, ratios[1]])
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument(
        "--targets", nargs="+", metavar="STAGE", default=list(TARGETS), help="stages to run, with their dependencies"
    )
    options = parser.parse_args(arguments)

    def clone(folder: Path) -> Path:
        return clone_of(folder, options.rows, options.epochs)

    if any(WAYS[way].with_api for way in options.ways):
        with TemporaryDirectory() as folder, served(clone(Path(folder) / "home")) as api:
            costs = measure(options.ways, options.targets, clone, api)
    else:
        costs = measure(options.ways, options.targets, clone, Api())
    columns = ("way", "seconds", "relative to plain", "nothing changed, s", "relative to no-op dvc repro")
    print_table(f"{options.rows} rows per table, {options.epochs} epochs", columns, table_rows(costs))


if __name__ == "__main__":
    main()
