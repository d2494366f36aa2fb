"""A stage that runs without its inputs names them and the stages that make them, for all stages of dvc.yaml."""

import signal
import sys
from pathlib import Path

import pytest
from dvc.dependency import ParamsDependency
from dvc.repo import Repo

import params
from flows import runner as flow_runner
from tasks.common.files import InputError
from tasks.orchestration.stage_files import models_of, require_inputs, stage_files
from tests.conftest import copy_project, runner, set_params
from tests.test_structure import STAGES

MADE_BY = {
    "ingest": {"data/sample/keypoints.csv": "sample", "data/sample/emotion.csv": "sample"},
    "validate": {"data/raw/keypoints.csv": "ingest", "data/raw/emotion.csv": "ingest"},
    **{
        stage: {"data/validated/keypoints.parquet": "validate", "data/validated/emotion.parquet": "validate"}
        for stage in ("explore", "report_tables")
    },
    "prepare keypoints": {"data/validated/keypoints.parquet": "validate"},
    "prepare emotion": {"data/validated/emotion.parquet": "validate"},
    **{
        f"prepare_unlabeled {model_name}": {f"data/prepared/{name}": f"prepare@{name}" for name in params.MODELS}
        for model_name in params.MODELS
    },
    **{
        f"train_teacher {model_name}": {f"data/prepared/{model_name}": f"prepare@{model_name}"}
        for model_name in params.MODELS
    },
    **{
        f"predict_teacher {model_name}": {
            f"data/prepared/{model_name}": f"prepare@{model_name}",
            f"data/unlabeled/{model_name}": f"prepare_unlabeled@{model_name}",
            f"models/teachers/{model_name}": f"train_teacher@{model_name}",
        }
        for model_name in params.MODELS
    },
    **{
        f"train {model_name}": {
            f"data/prepared/{model_name}": f"prepare@{model_name}",
            f"data/unlabeled/{model_name}": f"prepare_unlabeled@{model_name}",
            f"data/teacher_predictions/{model_name}": f"predict_teacher@{model_name}",
            f"models/teachers/{model_name}": f"train_teacher@{model_name}",
        }
        for model_name in params.MODELS
    },
    **{
        f"export {model_name}": {
            f"data/prepared/{model_name}": f"prepare@{model_name}",
            f"models/trained/{model_name}.keras": f"train@{model_name}",
        }
        for model_name in params.MODELS
    },
    **{
        f"evaluate {model_name}": {
            f"data/prepared/{model_name}": f"prepare@{model_name}",
            f"models/trained/{model_name}.float32.onnx": f"export@{model_name}",
            f"models/trained/{model_name}.int8.onnx": f"export@{model_name}",
        }
        for model_name in params.MODELS
    },
    **{
        f"report {model_name}": {
            f"data/validated/{model_name}.parquet": "validate",
            f"data/prepared/{model_name}": f"prepare@{model_name}",
            f"data/predictions/{model_name}.npz": f"evaluate@{model_name}",
            f"reports/train/{model_name}.csv": f"train@{model_name}",
            f"reports/evaluate/{model_name}": f"evaluate@{model_name}",
            f"reports/metrics/{model_name}.json": f"evaluate@{model_name}",
        }
        for model_name in params.MODELS
    },
    "report_predictions": {"data/scored": "score", "data/prepared/emotion/test.npz": "prepare@emotion"},
    "gate": {
        path: maker
        for model_name in params.MODELS
        for path, maker in (
            (f"reports/metrics/{model_name}.json", f"evaluate@{model_name}"),
            (f"reports/evaluate/{model_name}", f"evaluate@{model_name}"),
            (f"reports/prepare/{model_name}.json", f"prepare@{model_name}"),
            (f"reports/train/{model_name}.json", f"train@{model_name}"),
            (f"data/prepared/{model_name}", f"prepare@{model_name}"),
            (f"models/trained/{model_name}.keras", f"train@{model_name}"),
            (f"models/trained/{model_name}.float32.onnx", f"export@{model_name}"),
            (f"models/trained/{model_name}.int8.onnx", f"export@{model_name}"),
            (f"reports/export/{model_name}.json", f"export@{model_name}"),
        )
    },
    "score": {
        "reports/gate.json": "gate",
        "models/trained/keypoints.float32.onnx": "export@keypoints",
        "models/trained/keypoints.int8.onnx": "export@keypoints",
        "models/trained/emotion.float32.onnx": "export@emotion",
        "models/trained/emotion.int8.onnx": "export@emotion",
        "data/prepared/emotion/test.npz": "prepare@emotion",
    },
}
"""By a stage's command line: inputs that other stages make, and their makers."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which nothing has run."""
    return copy_project(tmp_path_factory.mktemp("fresh") / "project")


def test_every_stage_that_depends_on_another_is_tested() -> None:
    assert {stage.split()[0] for stage in MADE_BY} == STAGES.keys() - {"sample"}
    assert len(MADE_BY) == len(stage_files()) - 1


@pytest.mark.parametrize("stage", MADE_BY)
def test_a_stage_names_its_missing_inputs_and_the_stages_that_make_them(stage: str, fresh: Path) -> None:
    done = runner(fresh)("python", "-m", "flows", "run", *stage.split(), check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    *_, title, line = done.stderr.splitlines()
    assert title == f"{stage.replace(' ', '@')} cannot be done:"
    names, _, remedy = line.partition(" not exist; `dvc repro ")
    named, makers = names.removesuffix(" does").removesuffix(" do").split(", "), remedy.partition("` makes ")[0].split()
    assert sorted(named) == sorted(MADE_BY[stage])
    assert sorted(makers) == sorted({*MADE_BY[stage].values()})
    assert not (fresh / "models/trained").exists()


@pytest.fixture
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project as the current folder."""
    monkeypatch.chdir(project)
    return project


def by_dvc(project: Path) -> dict[str, tuple[set[str], set[str], set[str]]]:
    """Inputs, outputs and cached outputs of each stage, as DVC reads them."""
    with Repo(str(project)) as repo:
        return {
            stage.addressing: (
                {dep.def_path for dep in stage.deps if not isinstance(dep, ParamsDependency)},
                {out.def_path for out in stage.outs},
                {out.def_path for out in stage.outs if out.use_cache},
            )
            for stage in repo.index.stages
        }


def test_inputs_and_outputs_are_those_that_dvc_reads(here: Path) -> None:
    for settings in (
        {},
        {"ingest__emotion": "https://example.org/emotion.csv", "score__input": "data/raw/emotion.csv"},
    ):
        set_params(here, **settings)
        ours = {name: tuple(map(set, files)) for name, files in stage_files().items()}
        assert ours == by_dvc(here)
    assert "https://example.org/emotion.csv" in stage_files()["ingest"].inputs


def test_only_inputs_that_a_stage_makes_are_required(here: Path) -> None:
    set_params(here, ingest__keypoints="nowhere.csv", ingest__emotion="https://example.org/emotion.csv")
    require_inputs("ingest")
    require_inputs("sample")
    require_inputs("promote")
    with pytest.raises(
        InputError, match=r"^data/validated/emotion\.parquet does not exist; `dvc repro validate` makes it$"
    ):
        require_inputs("prepare@emotion")


def test_existing_inputs_are_accepted(here: Path) -> None:
    for model_name in params.MODELS:
        Path("data/raw").mkdir(parents=True, exist_ok=True)
        Path(f"data/raw/{model_name}.csv").touch()
    require_inputs("validate")
    Path("data/raw/emotion.csv").unlink()
    Path("data/raw/emotion.csv").symlink_to("gone")
    with pytest.raises(InputError, match=r"^data/raw/emotion\.csv does not exist; `dvc repro ingest` makes it$"):
        require_inputs("validate")


def test_only_a_stage_by_hand_is_refused_without_its_inputs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC has checked the inputs itself, and a batch reads none of the graph's outputs but its models."""
    used: list[str] = []
    monkeypatch.setattr(flow_runner, "_function", lambda module, name: lambda settings: used.append(module))
    monkeypatch.setattr(flow_runner, "_leave", sys.exit)
    before = signal.getsignal(signal.SIGTERM)
    flow_runner.run_command("score", "flows.score", {})
    with pytest.raises(SystemExit, match="1"):
        flow_runner.run_stage("score")
    monkeypatch.setenv("DVC_STAGE", "score")
    flow_runner.run_stage("score")
    signal.signal(signal.SIGTERM, before)
    assert used == ["flows.score", "flows.stages.score"]


def test_models_of_a_stage_are_those_of_the_graph(here: Path) -> None:
    assert models_of("train") == list(params.MODELS)
    assert models_of("gate") == models_of("no stage") == []
