"""The list of registered versions: production, gate result and metrics of each, whatever its layout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.common.files import InputError
from tasks.models import old_layout
from tasks.release.registry import assign, register, versions
from tasks.release.versions import Version, list_versions, print_versions
from tests.conftest import ROOT

OLD, NEW, TAGGED = "v1.0.0", "v1.1.0", "v1.2.0"


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def commit(files: dict[str, object]) -> str:
    """Commit exactly these files, as JSON, and return the commit."""
    git("rm", "-rq", "--cached", "--ignore-unmatch", ".")
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(content if isinstance(content, str) else json.dumps(content))
        git("add", name)
    git("commit", "-q", "--allow-empty", "-m", "models")
    return git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A repository with the commits of an old and a new version, and of a tag on files that are no version's."""
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("registry")
        patched.chdir(folder)
        git("init", "-q")
        git("config", "user.name", "test")
        git("config", "user.email", "test@localhost")
        commits = {"folder": str(folder)}
        gate_result = {"outcome": "undecided", "passed": False, "rules": [], "classes": [], "models": {}}
        metrics = {"reports/metrics/emotion.json": {"accuracy": 0.8125, "nme": 1}}
        commits[OLD] = commit({f"reports/{old_layout.GATE_RESULT}": gate_result, **metrics})
        assert register("HEAD") == OLD
        assign(OLD)
        metrics["reports/metrics/keypoints.json"] = {"nme": 0.05, "accuracy": 1}
        commits[NEW] = commit({"reports/gate.json": {"outcome": "passed", "passed": True}, **metrics})
        assert register("HEAD") == NEW
        commits[TAGGED] = commit({"reports/gate.json": "[1", "reports/metrics/emotion.json": {}})
        assert register("HEAD") == TAGGED
    return commits


@pytest.fixture
def in_registry(registry: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(registry["folder"])


@pytest.mark.usefixtures("in_registry")
def test_each_version_has_its_gate_result_and_metrics_the_newest_first(registry: dict[str, str]) -> None:
    rows = list_versions()
    assert [row._replace(date=rows[0].date) for row in rows] == [
        Version(TAGGED, registry[TAGGED], rows[0].date, False, None, None, None),
        Version(NEW, registry[NEW], rows[0].date, False, "passed", 0.8125, 0.05),
        Version(OLD, registry[OLD], rows[0].date, True, "inconclusive", 0.8125, None),
    ]
    assert [row.version for row in rows] == versions()
    for row in rows:
        tagged = git("for-each-ref", f"refs/tags/faces@{row.version}", "--format=%(taggerdate:unix)")
        assert row.date.timestamp() == int(tagged)


@pytest.mark.usefixtures("in_registry")
def test_the_table_shows_every_version(registry: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    print_versions()
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if "│" in line]
    cells = [[cell for cell in line if cell != "│"] for line in lines]
    dates = [[f"{row.date.astimezone():%Y-%m-%d}", f"{row.date.astimezone():%H:%M}"] for row in list_versions()]
    assert cells == [
        [TAGGED, registry[TAGGED][:7], *dates[0], "unknown"],
        [NEW, registry[NEW][:7], *dates[1], "passed", "0.8125", "0.0500"],
        [OLD, registry[OLD][:7], *dates[2], "production", "inconclusive", "0.8125"],
    ]


def test_without_versions_a_sentence_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"the versions cannot be listed: .*not a git repository.* `git init`"):
        list_versions()
    git("init", "-q")
    assert list_versions() == []
    print_versions()
    expected = "No version is registered yet. `faces promote` registers the models of this workspace.\n"
    assert capsys.readouterr().out == expected


@pytest.mark.usefixtures("in_registry")
def test_the_list_needs_neither_prefect_nor_models() -> None:
    code = (
        "import sys; from tasks.release.versions import print_versions; print_versions(); "
        "print({'prefect', 'keras', 'tensorflow', 'openvino', 'pandas', 'numpy'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
