"""The command line: help for every option, quick to start, shell completion."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.main import get_command
from typer.testing import CliRunner

from flows.cli import make_app, stages
from tests.conftest import ROOT, runner, tracked_files

COMMAND = get_command(make_app())
PUBLIC = {
    *("run", "pipeline", "score", "inbox", "export", "release", "promote", "rollback"),
    *("up", "down", "status", "check", "versions", "demo"),
}
HEAVY = {"numpy", "pandas", "pydantic", "prefect", "dvc", "keras", "tensorflow", "rich", "requests"}


def commands() -> dict:
    return COMMAND.commands  # type: ignore[attr-defined]


def test_the_commands_are_those_of_the_documentation() -> None:
    assert {name for name, command in commands().items() if not command.hidden} == PUBLIC
    documented = set(re.findall(r"^## `faces ([a-z]+)`$", (ROOT / "docs/reference/cli.md").read_text(), re.M))
    assert documented == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_command_argument_and_option_has_help(name: str) -> None:
    command = commands()[name]
    assert command.help
    assert [one.name for one in command.params if not one.help] == []


def test_help_imports_nothing_heavy() -> None:
    """It then takes less than half a second more than Python."""
    code = f"""
import sys
sys.argv = ["faces", "--help"]
from flows.__main__ import main
try:
    main()
except SystemExit as exit:
    assert exit.code == 0, exit.code
print("HEAVY", sorted({HEAVY} & sys.modules.keys()))
"""
    done = runner(ROOT)("python", "-c", code)
    assert "Usage: faces" in done.stdout
    assert "HEAVY []" in done.stdout


def test_a_stage_is_completed_in_the_shell() -> None:
    words = {"_TYPER_COMPLETE_ARGS": "faces run tr", "_FACES_COMPLETE": "complete_bash", "COMP_WORDS": "faces run tr"}
    code = "import sys; sys.argv = ['faces']; from flows.__main__ import main; main()"
    done = runner(ROOT)("python", "-c", code, check=False, COMP_CWORD="2", **words)
    assert done.stdout.split() == [stage for stage in stages() if stage.startswith("tr")]


def test_every_stage_of_the_graph_can_be_run() -> None:
    assert stages() == sorted(YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "gate", "--split", "val"], "gate takes none"),
        (["run", "evaluate", "emotion", "--split", "train"], "'train' is not one of"),
        (["export", "released", "--prepared", "data/prepared"], "Missing option '--out'"),
        (["export", "released", "--prepared", "x", "--in-place", "--out", "y"], "No such option: --in-place"),
    ],
)
def test_options_that_do_not_fit_are_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(make_app(), arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_processes_of_the_project_start_it_as_a_module() -> None:
    """The console script belongs to one checkout, so that in another it would run the wrong code."""
    started = re.compile(r"""["'](?:\S*/)?faces["'], ["'](?:run|repro|pipeline|score|worker)""")
    for folder in ("flows", "tasks"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not started.search(path.read_text()), path
    single_modules = re.compile(r"""-m["']?,? ["']?flows\.""")
    for path in tracked_files():
        if path.suffix in (".py", ".yaml", ".yml") or path.name in ("Makefile", "README.md"):
            assert not single_modules.search((ROOT / path).read_text()), path
    graph = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    assert {stage["cmd"].split(" run ")[0] for stage in graph.values()} == {"exec python -m flows"}


def test_a_dask_worker_is_that_of_dask(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows", "dask-worker", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--nthreads" in done.stdout
