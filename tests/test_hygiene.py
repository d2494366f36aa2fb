"""Rules of the repository: line endings, pre-commit hooks, continuous integration, folders of artifacts."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.orchestration.stage_files import stage_files
from tests.conftest import BIN, ROOT, commit, copy_project, tracked_files

HOOKS, WORKFLOW = ROOT / ".pre-commit-config.yaml", ROOT / ".github/workflows/test.yml"


def blobs(project: Path) -> dict[str, str]:
    """Hash of each tracked file in the checkout, without git's filters."""
    names = subprocess.run(["git", "ls-files"], cwd=project, capture_output=True, text=True, check=True).stdout
    command = ["git", "hash-object", "--no-filters", "--stdin-paths"]
    hashed = subprocess.run(command, cwd=project, input=names, capture_output=True, text=True, check=True).stdout
    return dict(zip(names.splitlines(), hashed.split(), strict=True))


def test_a_clone_with_line_ending_conversion_has_the_same_bytes(tmp_path: Path) -> None:
    """Otherwise DVC would rerun every stage, and released models would not match the hashes in their gate result."""
    origin, clone = copy_project(tmp_path / "origin"), tmp_path / "clone"
    shutil.copyfile(ROOT / "dvc.lock", origin / "dvc.lock")
    shutil.copytree(ROOT / "docs", origin / "docs")
    commit(origin, "with the lock file and the figures")
    subprocess.run(["git", "clone", "--quiet", "--config", "core.autocrlf=true", origin, clone], check=True)
    hashes = blobs(clone)
    assert hashes == blobs(origin)
    assert {
        "dvc.lock",
        "params/loading.py",
        "conf/recipe/sample.yaml",
        "docs/predictions.png",
        "models/released/emotion.keras",
    } <= hashes.keys()
    status = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True)
    assert status.stdout == ""


def run_module(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("github-workflows", ".github/workflows/*.yml"),
        ("github-issue-forms", ".github/ISSUE_TEMPLATE/[!c]*.yml"),
        ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("citation-file-format", "CITATION.cff"),
    ],
)
def test_files_for_github_match_their_schemas(schema: str, pattern: str) -> None:
    files = sorted(map(str, ROOT.glob(pattern)))
    assert files
    done = run_module("check_jsonschema", "--builtin-schema", f"vendor.{schema}", *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_broken_workflow_is_found(tmp_path: Path) -> None:
    command = ["--builtin-schema", "vendor.github-workflows"]
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOW.read_text().replace("runs-on:", "runs_on:"))
    assert run_module("check_jsonschema", *command, str(broken)).returncode == 1


def test_the_hooks_match_pre_commit_s_schema(tmp_path: Path) -> None:
    done = run_module("pre_commit", "validate-config", str(HOOKS))
    assert done.returncode == 0, done.stdout + done.stderr
    broken = tmp_path / "broken.yaml"
    broken.write_text(HOOKS.read_text().replace("language: system", "language: unheard-of"))
    assert run_module("pre_commit", "validate-config", str(broken)).returncode == 1


def test_the_workflow_tests_every_supported_python() -> None:
    workflow = YAML(typ="safe").load(WORKFLOW.read_text())
    makefile = (ROOT / "Makefile").read_text()
    supported = re.search(r"\(3, (\d+)\) <= .+ <= \(3, (\d+)\)", makefile)
    assert supported
    job = workflow["jobs"]["test"]
    versions = [f"3.{minor}" for minor in range(int(supported[1]), int(supported[2]) + 1)]
    assert job["strategy"]["matrix"]["python"] == versions
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make test"]
    assert workflow["permissions"] == {"contents": "read"}


def test_only_the_comment_on_a_pull_request_may_write_and_it_runs_no_code_of_it() -> None:
    workflows = {path.name: YAML(typ="safe").load(path.read_text()) for path in WORKFLOW.parent.glob("*.yml")}
    assert {name for name, one in workflows.items() if "write" in str(one["jobs"]) + str(one["permissions"])} == {
        "metrics-comment.yml"
    }
    used = workflows["metrics-comment.yml"]["jobs"]["comment"]["steps"]
    assert [step["uses"].partition("@")[0] for step in used] == ["actions/download-artifact", "actions/github-script"]
    # YAML 1.1 reads the key `on` as true; ruamel reads YAML 1.2.
    assert all("pull_request_target" not in one["on"] for one in workflows.values())


def test_the_release_has_one_version_and_date() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    citation = YAML(typ="safe").load((ROOT / "CITATION.cff").read_text())
    assert version
    assert citation["version"] == version[1]
    assert f"\n## {version[1]} - {citation['date-released']}\n" in (ROOT / "CHANGELOG.md").read_text()


def test_hooks_run_the_checks_of_make_test_from_the_virtual_environment() -> None:
    hooks = {hook["id"]: hook["entry"] for hook in YAML(typ="safe").load(HOOKS.read_text())["repos"][0]["hooks"]}
    assert {(BIN / entry.split()[0].removeprefix(".venv/bin/")).exists() for entry in hooks.values()} == {True}
    recipe = (ROOT / "Makefile").read_text().partition("\ntest:")[2].partition("\n\n")[0]
    checks = re.findall(r"\$\(BIN\)/((?:ruff \w+|mypy))", recipe)
    assert len(checks) == 3
    assert all(any(entry.startswith(f".venv/bin/{check}") for entry in hooks.values()) for check in checks)


@pytest.mark.parametrize(
    ("folder", "not_outputs", "released"),
    [
        ("data", {"data/inbox", "data/inbox_results", "data/scoring"}, set()),
        (
            "models",
            {"models/checkpoints", "models/fetched"},
            {"models/released", "models/fast", "models/detector", "models/pretrained"},
        ),
    ],
)
def test_readmes_list_each_folder_and_git_tracks_no_other_files(
    folder: str, not_outputs: set[str], released: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`not_outputs` are folders that are no output of a stage, but that the code names."""
    monkeypatch.chdir(ROOT)
    outputs = {"/".join(Path(path).parts[:2]) for files in stage_files().values() for path in files.outputs}
    listed = re.findall(rf"^\| `({folder}/\w+)/` \| .+ \|$", (ROOT / folder / "README.md").read_text(), re.M)
    assert sorted(listed) == sorted(
        {path for path in outputs if Path(path).parts[0] == folder} | not_outputs | released
    )
    code = "".join((ROOT / path).read_text() for path in tracked_files() if path.parts[0] in ("flows", "tasks"))
    assert {path for path in not_outputs if not re.search(rf"{path}\b", code)} == set()
    tracked = {"/".join(path.parts[:2]) for path in tracked_files() if path.parts[0] == folder}
    assert tracked == {f"{folder}/README.md"} | released
