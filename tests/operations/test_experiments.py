"""Experiments and plots in a fresh clone: no outputs, no cache, an empty remote."""

import json
import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo

from tests.conftest import ROOT, Run, commit, copy_project, runner, set_params


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_project(tmp_path_factory.mktemp("experiments") / "project")
    shutil.copyfile(ROOT / "dvc.lock", project / "dvc.lock")
    set_params(project, sample__num_samples__keypoints=100, sample__num_samples__emotion=100)
    commit(project, "with the lock of other outputs")
    return project


@pytest.fixture(scope="module")
def dvc(clone: Path) -> Run:
    run = runner(clone)
    return lambda *command, **options: run("dvc", *command, **options)


def test_plots_are_defined_before_any_output_exists(clone: Path) -> None:
    with Repo(str(clone)) as repo:
        named = set(repo.index._plot_sources)
        outputs = {str(out) for out in repo.index.outs}
    assert {"reports/score/predictions.png", "reports/train/emotion.csv"} <= named
    assert {path for path in named if not any(path == out or path.startswith(f"{out}/") for out in outputs)} == set()


@pytest.mark.parametrize("options", [[], ["--temp"]], ids=["here", "temporary"])
def test_an_experiment_with_one_stage_is_kept(clone: Path, dvc: Run, options: list[str]) -> None:
    name = "temporary" if options else "here"
    seed = f"conf/dataset/sample.yaml:sample.seed={len(name)}"
    done = dvc("exp", "run", *options, "--name", name, "-S", seed, "-S", "recipe=quick", "sample")
    assert "Running stage 'sample'" in done.stdout
    assert name in dvc("exp", "list", "--name-only").stdout.split()
    (tables,) = json.loads(dvc("exp", "show", "--json", "--rev", name).stdout)[-1:]
    assert '"recipe": "quick"' in json.dumps(tables)


def test_an_experiment_in_a_temporary_folder_runs_the_code_of_that_folder(clone: Path, dvc: Run) -> None:
    """Not that of the checkout which the environment belongs to."""
    stage = clone / "flows/stages/sample.py"
    before = stage.read_text()
    stage.write_text(before + '\n\nprint("changed code of", __file__)\n')
    seed = "conf/dataset/sample.yaml:sample.seed=3"
    done = dvc("exp", "run", "--temp", "--name", "changed", "-S", seed, "sample")
    stage.write_text(before)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("changed code of")]
    assert not Path(line.split()[-1]).is_relative_to(ROOT)
    assert not Path(line.split()[-1]).is_relative_to(clone / "flows")


def test_plots_without_an_output_are_omitted(clone: Path, dvc: Run) -> None:
    (clone / "reports/score").mkdir(parents=True)
    shutil.copyfile(ROOT / "docs/predictions.png", clone / "reports/score/predictions.png")
    dvc("plots", "show")
    page = (clone / "dvc_plots/index.html").read_text()
    assert "reports/score/predictions.png" in page
    assert "reports/figures" not in page
