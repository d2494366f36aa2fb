"""The map is true: who imports whom, what dvc.yaml runs and watches, what the README promises."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

import params
from tests.conftest import ROOT, tracked_files
from tests.old_names import OLD_NAMES, READERS

FACES_MAY_NOT = {"prefect", "dvc", "great_expectations", "params", "pathlib", "flows", "tasks", "os", "io"}
PREFECT_AT_IMPORT = {
    Path(name)
    for name in (
        "flows/deployed.py",
        *(f"tasks/operations/{name}.py" for name in ("pipeline_run", "deployments", "automations")),
    )
}
"""Modules that are nothing without an API. Others import Prefect in functions, once an API was found."""
EXEMPT_ROOMS = ("params/", "tasks/orchestration/")
EXEMPT = {f"tasks/common/{name}.py" for name in ("host", "process", "text_escaping")}
"""What changes no output: who runs a stage and where, and what is said about it."""
LAYERS = ("faces", "tasks", "flows")
"""Lowest first: each imports only itself and those before it."""
ROOMS = {
    "faces": (
        *("common", "synthetic", "data", "preparation", "models", "training", "evaluation"),
        *("release", "scoring", "plots"),
    ),
    "tasks": (
        *("common", "orchestration", "video", "readers", "transfer", "models", "data", "preparation", "training"),
        *("distillation", "evaluation", "scoring", "operations", "release", "plots"),
    ),
}
"""Of each layer, lowest first: a room imports only itself and those before it, so there is no cycle."""
MOST_MODULES, MOST_LINES = 12, 200
UNLIMITED, TOO_LONG = {("faces", "synthetic")}, set[str]()
TEST_FOLDERS = {"acceptance", "benchmarks", "docs", "flows"}
"""Folders of tests/ that are no rooms."""
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


def sources(folder: str) -> list[Path]:
    return [path for path in tracked_files() if path.parts[0] == folder and path.suffix == ".py"]


def modules(folder: str) -> list[Path]:
    return [path for path in sources(folder) if path.name != "__init__.py"]


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if not node.module or node.level:
                pytest.fail(f"{path}, line {node.lineno}: a relative import, which the rules below would not see")
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


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_never_climb_to_a_higher_layer(layer: str) -> None:
    above = {*LAYERS[LAYERS.index(layer) + 1 :], "benchmarks", "tests"}
    assert {str(path): found for path in sources(layer) if (found := roots(path) & above)} == {}


def test_settings_are_a_leaf() -> None:
    assert {
        str(path): found for path in sources("params") if (found := roots(path) & {*LAYERS, "benchmarks", "tests"})
    } == {}


@pytest.mark.parametrize("layer", ROOMS)
def test_every_module_stands_in_a_room_that_has_its_place(layer: str) -> None:
    assert {str(path) for path in modules(layer) if len(path.parts) != 3} == set()
    assert {path.parts[1] for path in modules(layer)} == set(ROOMS[layer])


@pytest.mark.parametrize(("layer", "room"), [(layer, room) for layer, rooms in ROOMS.items() for room in rooms])
def test_a_room_imports_only_rooms_below_it(layer: str, room: str) -> None:
    allowed = {*ROOMS[layer][: ROOMS[layer].index(room)], room}
    climbing = {
        f"{path} imports {name}"
        for path in sources(layer)
        if path.parts[1] == room
        for name in imported_names(path)
        if (parts := name.split("."))[0] == layer and len(parts) > 1 and parts[1] not in allowed
    }
    assert climbing == set()


def test_rooms_are_small() -> None:
    held = Counter(path.parts[:2] for layer in ROOMS for path in modules(layer))
    assert {room: count for room, count in held.items() if count > MOST_MODULES and room not in UNLIMITED} == {}


def test_modules_are_short() -> None:
    lines = {
        str(path): len((ROOT / path).read_text().splitlines())
        for layer in ("params", *LAYERS)
        for path in sources(layer)
    }
    assert {path for path, count in lines.items() if count > MOST_LINES} == TOO_LONG


def test_tests_stand_in_the_same_rooms() -> None:
    folders = {path.parts[1] for path in tracked_files() if path.parts[0] == "tests" and len(path.parts) > 2}
    assert folders - TEST_FOLDERS - {room for rooms in ROOMS.values() for room in rooms} == set()


@pytest.mark.parametrize("pattern", OLD_NAMES)
def test_names_of_earlier_versions_do_not_come_back(pattern: str) -> None:
    """As whole words."""
    exempt = {"tests/old_names.py", *READERS}
    files = [path for path in tracked_files() if fnmatch(str(path), pattern) and str(path) not in exempt]
    assert files, "no file matches, so nothing is searched"
    words = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, OLD_NAMES[pattern].split()))})(?!\w)")
    found = {str(path): sorted(set(words.findall((ROOT / path).read_text(errors="replace")))) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def top_level(path: Path) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported, without functions and classes."""
    for statement in ast.parse((ROOT / path).read_text()).body:
        guard = ast.unparse(statement.test) if isinstance(statement, ast.If) else ""
        if not (isinstance(statement, ast.FunctionDef | ast.ClassDef) or guard in GUARDS):
            yield statement


GUARDS = ("__name__ == '__main__'", "TYPE_CHECKING")
PREFECT_FLOWS = {"pipeline", "inbox"}


@pytest.mark.parametrize("layer", ["params", *LAYERS])
def test_nothing_happens_at_import(layer: str) -> None:
    """Modules import, define and name constants; only flows/deployed.py makes Prefect flows."""
    quiet = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign)
    found = {
        f"{path}, line {statement.lineno}"
        for path in sources(layer)
        for statement in top_level(path)
        if not (isinstance(statement, quiet) or isinstance(getattr(statement, "value", None), ast.Constant))
    }
    assert found == set()


PURE = set(
    [
        "AfterValidator",
        "Argument",
        "ContextVar",
        "Field",
        "Option",
        "ParamSpec",
        "Path",
        "Retry",
        "TypeVar",
        "compile",
        "frozenset",
        "fromkeys",
    ]
)
PURE |= set(["get_args", "getLogger", "items", "resolve"])


@pytest.mark.parametrize("layer", ["params", "tasks", "flows"])
def test_constants_are_made_by_pure_functions(layer: str) -> None:
    """`faces` computes arrays of constants, and imports nothing with a side effect."""
    calls = {
        (str(path), ast.unparse(call.func).split(".")[-1])
        for path in sources(layer)
        for statement in top_level(path)
        for call in ast.walk(statement)
        if isinstance(call, ast.Call)
    }
    assert {(path, name) for path, name in calls if name not in PURE} == set()


def test_decorators_do_not_ask_whether_there_is_an_api() -> None:
    """A module's functions become tasks when they are called; flows when they are run."""
    decorators = {
        (str(path), ast.unparse(decorator))
        for layer in LAYERS
        for path in sources(layer)
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
    }
    makers = {path for path, decorator in decorators if decorator.startswith("flow")}
    assert makers == {"flows/deployed.py"}


@pytest.mark.parametrize("path", [*sources("flows"), *sources("tasks")], ids=str)
def test_prefect_is_imported_in_functions(path: Path) -> None:
    imports = [statement for statement in top_level(path) if isinstance(statement, ast.Import | ast.ImportFrom)]
    names = {alias.name for one in imports if isinstance(one, ast.Import) for alias in one.names}
    names |= {one.module or "" for one in imports if isinstance(one, ast.ImportFrom)}
    assert ("prefect" in {name.split(".")[0] for name in names}) == (path in PREFECT_AT_IMPORT)


def test_only_the_deployments_refer_to_the_deployed_flows() -> None:
    assert [str(path) for layer in LAYERS for path in sources(layer) if "flows.deployed" in imported_names(path)] == []
    deployments = YAML(typ="safe").load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert {one["entrypoint"] for one in deployments} == {f"flows/deployed.py:{name}" for name in PREFECT_FLOWS}


@pytest.mark.parametrize("path", [path for path in sources("flows") if path.parts[1] == "stages"], ids=str)
def test_a_stage_imports_no_other_flow(path: Path) -> None:
    assert {name for name in imported_names(path) if name.startswith("flows")} == set()


def test_every_stage_has_a_module_and_no_module_is_no_stage() -> None:
    assert {path.stem for path in modules("flows") if path.parts[1] == "stages"} == set(STAGES)


def test_heavy_libraries_are_imported_only_where_used() -> None:
    users = {heavy: {str(p) for p in sources("tasks") + sources("flows") if heavy in roots(p)} for heavy in HEAVY}
    assert users == HEAVY


HEAVY = {
    "av": {"tasks/video/decoder.py", "tasks/video/webm.py"},
    "great_expectations": {"tasks/data/data_docs.py", "tasks/data/expectations.py", "tasks/data/suite_run.py"},
    "keras": {
        "tasks/models/keras_files.py",
        "tasks/models/onnx_files.py",
        "tasks/release/export_set.py",
        "tasks/training/builders.py",
        "tasks/training/checkpoints.py",
        "tasks/training/environment.py",
        "tasks/training/fit.py",
        "tasks/training/pretrained.py",
        "tasks/training/report.py",
    },
    "nncf": {"tasks/models/quantization.py"},
    "onnx": {
        "tasks/models/detector_export.py",
        "tasks/models/export.py",
        "tasks/models/onnx_files.py",
        "tasks/models/quantization.py",
    },
    "openvino": {"tasks/models/inference_engine.py", "tasks/scoring/centerface_network.py"},
    "tensorflow": set(),
}


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_names(path)}


@pytest.mark.parametrize("name", STAGES)
def test_stage_is_flow_is_section(name: str) -> None:
    """Stage = flow module = section of the settings, in its file; no text of a user's reaches a command line."""
    stage = STAGES[name]
    model_name = " ${item.model}" if "matrix" in stage else ""
    assert stage["cmd"] == f"exec python -m flows run {name}{model_name}"
    if model_name:
        assert stage["matrix"] == {"model": list(params.MODELS)}
    if name == "explore":
        return
    # A model's training settings stand in the model's own section.
    section = SECTIONS.get(name, f"{name}.{model_name.strip()}" if model_name else name)
    assert section in watched(stage)[FILES[section.replace("${item.model}", "keypoints").split(".")[0]]]


SECTIONS = {
    "prepare_unlabeled": "${item.model}.student.distillation",
    "train_teacher": "${item.model}.teachers",
    "predict_teacher": "${item.model}.student.distillation",
    "train": "${item.model}.student",
    "export": "export.${item.model}.calibration_samples",
}
FILES = {
    section: str(path).replace("DATASET", "${dataset}").replace("RECIPE", "${recipe}")
    for section, path in params.section_files("DATASET", "RECIPE").items()
}


def watched(stage: dict) -> dict[str, list[str]]:
    """Settings that a stage watches, by file."""
    found: dict[str, list[str]] = {}
    for one in stage.get("params", []):
        for path, names in one.items() if isinstance(one, dict) else [("params.yaml", [one])]:
            found.setdefault(path, []).extend(names)
    return found


@pytest.mark.parametrize("name", STAGES)
def test_every_watched_setting_stands_in_its_file(name: str) -> None:
    """A key that the chosen file lacks would fail every DVC command."""
    for path, names in watched(STAGES[name]).items():
        for setting in names:
            for model_name in params.MODELS:
                key = setting.replace("${item.model}", model_name)
                assert FILES[key.split(".")[0]] == path
                assert key in KEYS


KEYS = {".".join(path) for model in params.schemas("DATASET", "RECIPE").values() for path in params.key_paths(model)}


def test_training_watches_the_settings_of_its_own_model_only() -> None:
    """A change of anything else, such as flip TTA or the other model's learning rate, must not retrain it."""
    assert watched(STAGES["train"]) == {"conf/recipe/${recipe}.yaml": ["${item.model}.student"]}


@pytest.mark.parametrize("name", STAGES)
def test_stage_watches_every_setting_that_its_flow_reads(name: str) -> None:
    """Else a changed setting would leave what the stage made with the old one. It may watch a part of a section."""
    listed = {setting for names in watched(STAGES[name]).values() for setting in names}
    one_model = ["${item.model}"] if "matrix" in STAGES[name] else list(params.MODELS)
    read = settings_read(Path(f"flows/stages/{name}.py")) - PRESET_NAMES
    assert bool(read) == (name != "explore")
    for setting in read:
        for model_name in one_model:
            key = setting.replace("MODEL", model_name)
            watches = (f"{key}.".startswith(f"{one}.") or f"{one}.".startswith(f"{key}.") for one in listed)
            assert any(watches), key


PRESET_NAMES = {"dataset_name", "recipe_name"}
"""They are written down outside the graph, and change no output."""


def settings_read(path: Path) -> set[str]:
    """The settings that a module names, as `prepare.MODEL`: the longest names, without `dataset` and `recipe`."""
    found = {setting_of(node) for node in ast.walk(ast.parse((ROOT / path).read_text()))} - {""}
    longest = {one for one in found if not any(other.startswith(f"{one}.") for other in found)}
    return {
        one.removeprefix("dataset.").removeprefix("recipe.").replace("_.", ".").removesuffix("_") for one in longest
    }


def setting_of(node: ast.AST) -> str:
    """`dataset.prepare.MODEL` for `getattr(settings.dataset.prepare, model_name)`; empty for all else."""
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name):
            return node.attr if node.value.id == "settings" else ""
        before, name = setting_of(node.value), node.attr
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
        before, name = setting_of(node.args[0]), "MODEL"
    else:
        return ""
    # What follows a section's own methods is no setting.
    return f"{before}.{name}" if before and name != "model_dump" else ""


def test_every_section_has_a_stage() -> None:
    """But for what stands outside DVC's graph; a training's settings are in the section of its model,
    and `explore` has none."""
    of_models = {name for name, section in SECTIONS.items() if section.startswith("${item.model}")}
    assert FILES.keys() - {*params.MODELS, "dataset", "recipe", "promote", "pipeline"} == STAGES.keys() - {
        *of_models,
        "explore",
    }
    assert tuple(STAGES) == params.STAGES


@pytest.mark.parametrize("name", STAGES)
def test_stage_watches_what_its_flow_imports(name: str) -> None:
    """Else a change of code would leave a stale cache, or a change of nothing would run a stage again.

    A folder may stand for its modules if the stage imports at least three quarters of them. A training, which takes
    hours, watches exactly what it imports, so it must import all of them.
    """
    declared = {dep for dep in STAGES[name]["deps"] if dep.split("/")[0] in LAYERS}
    folders = {dep for dep in declared if (ROOT / dep).is_dir()}
    imported = {str(path) for path in imported_files(Path(f"flows/stages/{name}.py"))}
    imported = {path for path in imported - EXEMPT if not path.startswith(EXEMPT_ROOMS)}
    shares = {folder: share(folder, imported) for folder in folders}
    assert {folder: one for folder, one in shares.items() if one < LEAST_SHARE} == {}
    assert {path for path in imported if not path.startswith(tuple(f"{folder}/" for folder in folders))} == (
        declared - folders
    )
    assert {folder: one for folder, one in shares.items() if one < 1 and name.startswith("train")} == {}


def test_stages_watch_the_pretrained_files_of_their_model() -> None:
    """Else a changed file would leave what was made from the old one."""
    watching = {
        name: {dep for dep in stage["deps"] if dep.startswith("models/pretrained")} for name, stage in STAGES.items()
    }
    of_weights, of_predictions = (f"models/pretrained/{folder}${{item.model}}" for folder in ("", "teachers/"))
    assert {name: found for name, found in watching.items() if found} == {
        "train_teacher": {of_weights},
        "train": {of_weights},
        "predict_teacher": {of_predictions},
    }


LEAST_SHARE = 0.75
DRAWING_STAGES = {"report", "report_tables", "report_predictions"}


def share(folder: str, imported: set[str]) -> float:
    """The fraction of a folder's modules that a stage imports."""
    held = {str(path) for path in modules(folder.split("/")[0]) if str(path).startswith(f"{folder}/")}
    return len(held & imported) / len(held)


@pytest.mark.parametrize("name", STAGES)
def test_only_reports_import_drawing_code(name: str) -> None:
    """A change of a colour must not train, evaluate or score again."""
    files = imported_files(Path(f"flows/stages/{name}.py"))
    drawing = {str(path) for path in files if "plots" in path.parts or roots(path) & {"matplotlib", "seaborn"}}
    assert bool(drawing) == (name in DRAWING_STAGES), drawing


def test_dvc_reads_the_graph() -> None:
    with Repo(str(ROOT)) as repo:
        names = {stage.addressing for stage in repo.index.stages}
    model_names = {
        f"{stage}@{model_name}"
        for stage in (
            *("prepare", "prepare_unlabeled", "train_teacher", "predict_teacher", "train", "export"),
            *("evaluate", "report"),
        )
        for model_name in params.MODELS
    }
    assert (
        names
        == {"sample", "ingest", "validate", "explore", "report_tables", "gate", "score", "report_predictions"}
        | model_names
    )


def test_readme_names_every_make_target_and_no_other() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M))
    readme = (ROOT / "README.md").read_text()
    listed = readme[readme.index("`make help` lists") :].partition("\n\n")[0]
    named = set(re.findall(r"\bmake ([a-z]+)", readme)) | set(re.findall(r"`([a-z]+)`", listed))
    assert named - {"help"} == targets - {"help"}


def test_readme_maps_every_room_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text()
    mapped, layer = set(), ""
    for line in readme[readme.index("## Code map") :].splitlines():
        if heading := re.match(r"(faces|tasks)/ ", line):
            layer = heading[1]
        elif entry := re.match(r"  (\w+)/ +\S", line):
            mapped.add((layer, entry[1]))
    assert mapped == {path.parts[:2] for layer in ("faces", "tasks") for path in modules(layer)}


def test_every_benchmark_has_a_test_of_its_name_that_runs_it() -> None:
    tests = {path.stem: path for path in modules("tests") if path.parent.name == "benchmarks"}
    names = {path.stem for path in modules("benchmarks")}
    assert set(tests) == {f"test_{name}" for name in names}
    for name in names:
        assert f"benchmarks.{name} " in (ROOT / tests[f"test_{name}"]).read_text().replace("'", " "), name


def test_no_machine_path_and_no_registry_in_what_is_committed() -> None:
    registries = re.compile("py" + r"pi\.org|python" + r"hosted\.org")
    paths = re.compile(r"(?<![\w.])/(?:root|work)/")
    for path in tracked_files():
        if path.suffix not in (".png", ".keras", ".onnx"):
            text = (ROOT / path).read_text()
            assert not registries.search(text), path
            assert not paths.search(text), path
