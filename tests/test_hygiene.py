"""The repository's own rules: line ends, pre-commit hooks, continuous integration."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from tests.conftest import BIN, ROOT, commit, copy_project

HOOKS, WORKFLOW = ROOT / ".pre-commit-config.yaml", ROOT / ".github/workflows/test.yml"


def blobs(project: Path) -> dict[str, str]:
    """The hash of each tracked file's bytes as they lie in the checkout, without git's filters."""
    names = subprocess.run(["git", "ls-files"], cwd=project, capture_output=True, text=True, check=True).stdout
    command = ["git", "hash-object", "--no-filters", "--stdin-paths"]
    hashed = subprocess.run(command, cwd=project, input=names, capture_output=True, text=True, check=True).stdout
    return dict(zip(names.splitlines(), hashed.split(), strict=True))


def test_a_clone_that_converts_line_ends_has_the_same_bytes(tmp_path: Path) -> None:
    """Else DVC would run every stage again there, and take released networks for others than their verdict names."""
    origin, clone = copy_project(tmp_path / "origin"), tmp_path / "clone"
    shutil.copyfile(ROOT / "dvc.lock", origin / "dvc.lock")
    shutil.copytree(ROOT / "docs", origin / "docs")
    commit(origin, "with the lock and the pictures")
    subprocess.run(["git", "clone", "--quiet", "--config", "core.autocrlf=true", origin, clone], check=True)
    found = blobs(clone)
    assert found == blobs(origin)
    assert {"dvc.lock", "params.py", "docs/predictions.png", "models/released/emotion.keras"} <= found.keys()
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert status.stdout == ""


def checked(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_workflow_keeps_github_s_schema(tmp_path: Path) -> None:
    command = ["--builtin-schema", "vendor.github-workflows"]
    done = checked("check_jsonschema", *command, str(WORKFLOW))
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOW.read_text().replace("runs-on:", "runs_on:"))
    assert checked("check_jsonschema", *command, str(broken)).returncode == 1


def test_the_hooks_keep_pre_commit_s_schema(tmp_path: Path) -> None:
    done = checked("pre_commit", "validate-config", str(HOOKS))
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "broken.yaml"
    broken.write_text(HOOKS.read_text().replace("language: system", "language: unheard-of"))
    assert checked("pre_commit", "validate-config", str(broken)).returncode == 1


def test_the_workflow_runs_the_suite_on_every_python_that_is_supported() -> None:
    workflow = YAML(typ="safe").load(WORKFLOW.read_text())
    makefile = (ROOT / "Makefile").read_text()
    supported = re.search(r"\(3, (\d+)\) <= .+ <= \(3, (\d+)\)", makefile)
    assert supported
    job = workflow["jobs"]["test"]
    versions = [f"3.{minor}" for minor in range(int(supported[1]), int(supported[2]) + 1)]
    assert job["strategy"]["matrix"]["python"] == versions
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make test"]
    assert workflow["permissions"] == {"contents": "read"}


def test_hooks_run_what_make_test_checks_with_the_environment_s_programs() -> None:
    hooks = {hook["id"]: hook["entry"] for hook in YAML(typ="safe").load(HOOKS.read_text())["repos"][0]["hooks"]}
    assert {(BIN / entry.split()[0].removeprefix(".venv/bin/")).exists() for entry in hooks.values()} == {True}
    recipe = (ROOT / "Makefile").read_text().partition("\ntest:")[2].partition("\n\n")[0]
    checks = re.findall(r"\$\(BIN\)/((?:ruff \w+|mypy))", recipe)
    assert len(checks) == 3
    assert all(any(entry.startswith(f".venv/bin/{check}") for entry in hooks.values()) for check in checks)
