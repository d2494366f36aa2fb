"""The map is true: who imports whom, what dvc.yaml runs and watches, what the README promises."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

import params
from tests.conftest import ROOT, tracked_files

FACES_MAY_NOT = {"prefect", "dvc", "great_expectations", "params", "pathlib", "flows", "tasks", "os", "io"}
PREFECTS_OWN = {
    Path(f"tasks/{name}.py")
    for name in ("orchestration/api", "orchestration/api_settings", "operations/pipeline_run", "operations/deployments")
}
"""What decides whether there is a Prefect API, and what is nothing without one."""
EXEMPT = {"params.py", "flows/stage.py"} | {
    f"tasks/{name}.py"
    for name in (
        "common/host",
        "common/text_escaping",
        "orchestration/api",
        "orchestration/api_settings",
        "orchestration/daemon",
        "orchestration/dvc_cache",
        "orchestration/git_revision",
        "orchestration/server_access",
    )
}
"""What changes no output: who runs a stage and where, and what is said about it."""
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def sources(folder: str) -> list[Path]:
    return [path for path in tracked_files() if path.parts[0] == folder and path.suffix == ".py"]


def modules(folder: str) -> list[Path]:
    return [path for path in sources(folder) if path.name != "__init__.py"]


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_files(path: Path) -> set[Path]:
    """Files of the project that `path` imports, directly or not, itself included."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        names = (Path(*name.split(".")) for name in imported_names(path))
        waiting += [file for name in names if (ROOT / (file := name.with_suffix(".py"))).exists()]
    return found


@pytest.mark.parametrize("path", sources("faces"), ids=str)
def test_array_code_knows_no_file_and_no_orchestration(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported_names(path)}
    assert not roots & FACES_MAY_NOT
    calls = [node.func for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.Call)]
    assert "open" not in {call.id for call in calls if isinstance(call, ast.Name)}


@pytest.mark.parametrize("path", sources("tasks"), ids=str)
def test_tasks_never_import_flows(path: Path) -> None:
    assert "flows" not in {name.split(".")[0] for name in imported_names(path)}


@pytest.mark.parametrize("path", [*sources("flows"), *sources("tasks")], ids=str)
def test_stages_do_not_import_prefect(path: Path) -> None:
    if path not in PREFECTS_OWN:
        assert "prefect" not in {name.split(".")[0] for name in imported_names(path)}


@pytest.mark.parametrize("path", sources("flows"), ids=str)
def test_flows_import_each_other_only_to_run_them(path: Path) -> None:
    own = {name for name in imported_names(path) if name.startswith("flows.")}
    assert own <= {"flows.stage", "flows.stage.main", "flows.serve"}, "each is a command of its own"


def test_heavy_libraries_are_imported_only_where_used() -> None:
    users = {heavy: {str(p) for p in sources("tasks") + sources("flows") if heavy in roots(p)} for heavy in HEAVY}
    assert users == HEAVY


HEAVY = {
    "great_expectations": {"tasks/data/expectations.py"},
    "keras": {
        "tasks/models/keras_files.py",
        "tasks/training/builders.py",
        "tasks/training/distillation.py",
        "tasks/training/fit.py",
        "tasks/training/checkpoints.py",
    },
    "openvino": {"tasks/models/inference_engine.py"},
    "tensorflow": set(),
}


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_names(path)}


@pytest.mark.parametrize("name", STAGES)
def test_stage_is_flow_is_section(name: str) -> None:
    """Stage = flow module = params section, and no text of a user's reaches a command line."""
    stage = STAGES[name]
    head = " ${item.head}" if "matrix" in stage else ""
    assert stage["cmd"] == f"exec python -m flows.{name}{head}"
    if head:
        assert stage["matrix"] == {"head": list(params.HEADS)}
    sections = {field.alias or key for key, field in params.Params.model_fields.items()}
    assert name in sections
    assert any(watched.split(".")[0] == name for watched in stage["params"])


def test_every_section_has_a_stage() -> None:
    """But for what stands outside DVC's graph."""
    sections = {field.alias or key for key, field in params.Params.model_fields.items()}
    assert sections == {*STAGES, "promote", "pipeline"}


@pytest.mark.parametrize("name", STAGES)
def test_stage_watches_what_its_flow_imports(name: str) -> None:
    """Else a change of code would leave a stale cache, or a change of nothing would run a stage again."""
    declared = {dep for dep in STAGES[name]["deps"] if dep.split("/")[0] in ("faces", "flows", "tasks")}
    folders = {dep for dep in declared if (ROOT / dep).is_dir()}
    imported = {str(path) for path in imported_files(Path(f"flows/{name}.py"))} - EXEMPT
    covered = {folder for folder in folders if any(path.startswith(f"{folder}/") for path in imported)}
    assert covered == folders
    assert {path for path in imported if not any(path.startswith(f"{folder}/") for folder in folders)} == (
        declared - folders
    )


def test_dvc_reads_the_graph() -> None:
    with Repo(str(ROOT)) as repo:
        names = {stage.addressing for stage in repo.index.stages}
    heads = {f"{stage}@{head}" for stage in ("prepare", "train", "evaluate") for head in params.HEADS}
    assert names == {"sample", "ingest", "validate", "explore", "gate", "score"} | heads


def test_readme_names_every_make_target_and_no_other() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text()))
    assert named == targets


def test_readme_maps_every_room_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text()
    mapped, layer = set(), ""
    for line in readme[readme.index("## The house") :].splitlines():
        if heading := re.match(r"(faces|tasks)/ ", line):
            layer = heading[1]
        elif entry := re.match(r"  (\w+)/ +\S", line):
            mapped.add((layer, entry[1]))
    assert mapped == {path.parts[:2] for layer in ("faces", "tasks") for path in modules(layer)}


def test_settings_are_a_leaf() -> None:
    assert not {name.split(".")[0] for name in imported_names(Path("params.py"))} & {"faces", "tasks", "flows"}


def test_no_machine_path_and_no_registry_in_what_is_committed() -> None:
    registries = re.compile("py" + r"pi\.org|python" + r"hosted\.org")
    paths = re.compile(r"(?<![\w.])/(?:root|work)/")
    for path in tracked_files():
        if path.suffix not in (".png", ".keras"):
            text = (ROOT / path).read_text()
            assert not registries.search(text), path
            assert not paths.search(text), path
