"""The command `faces` runs the code of its own checkout, there only; `python -m flows` that of the current folder."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, copy_project

COMMAND_LINE = """\
import sys
from pathlib import Path

import params


def main() -> None:
    print("code of", Path(__file__).parents[1].name, Path(params.__file__).is_relative_to(Path(__file__).parents[1]))
    print(*sys.argv[1:])


if __name__ == "__main__":
    main()
"""
"""Stands for flows/__main__.py: names the checkout that it belongs to."""

Output = tuple[int, str, str]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkouts, `first` and `second`; an environment without libraries in which the first is installed."""
    place = tmp_path_factory.mktemp("console").resolve()
    for name in ("first", "second"):
        copy_project(place / name)
        (place / name / "flows/__main__.py").write_text(COMMAND_LINE)
        # The settings need libraries.
        shutil.rmtree(place / name / "params", ignore_errors=True)
        (place / name / "params.py").write_text("")
    build = "from setuptools.build_meta import build_editable; print(build_editable(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", f"import sys; {build}", str(place)],
        cwd=place / "first",
        capture_output=True,
        text=True,
        check=True,
    )
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], check=True)
    (packages,) = (place / "venv/lib").glob("python*/site-packages")
    with zipfile.ZipFile(place / built.stdout.split()[-1]) as wheel:
        wheel.extractall(packages)
    return place


@pytest.fixture
def python(place: Path) -> Callable[..., Output]:
    def run(folder: Path, *arguments: str, **environment: str) -> Output:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
        command = [str(place / "venv/bin/python"), *arguments]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def faces(place: Path, python: Callable[..., Output]) -> Callable[..., Output]:
    """Runs the entry point as the script in `bin` does, which lies in no checkout."""
    metadata = next((place / "venv/lib").glob("python*/site-packages/faces-*.dist-info/entry_points.txt")).read_text()
    module, function = metadata.split("faces = ")[1].split()[0].split(":")
    script = place / "venv/bin/faces"
    script.write_text(f"from {module} import {function}\n{function}()\n")
    return lambda folder, *arguments, **environment: python(folder, str(script), *arguments, **environment)


def test_the_command_runs_the_code_that_it_is_installed_from(place: Path, faces: Callable[..., Output]) -> None:
    assert faces(place / "first", "score", "a.jpg") == (0, "code of first True\nscore a.jpg\n", "")
    (place / "link").symlink_to(place / "first")
    assert faces(place / "link", "score")[0] == 0


@pytest.mark.parametrize("below", ["", "tasks/common"])
@pytest.mark.parametrize("argument", ["score", "--help"])
def test_the_command_refuses_another_checkout(
    below: str, argument: str, place: Path, faces: Callable[..., Output]
) -> None:
    first, second = place / "first", place / "second"
    status, output, error = faces(second / below, argument)
    assert (status, output) == (2, "")
    assert f"belongs to the checkout {first}, but the current folder is in another one, {second}.\n" in error
    assert f"Run {second}/.venv/bin/faces" in error
    assert "`python -m flows`" in error


@pytest.mark.parametrize("project", [None, "[project]\nname = 'other'\n", "[project", "project = 1"])
def test_elsewhere_the_command_names_the_folder_of_its_project(
    project: str | None, place: Path, faces: Callable[..., Output], tmp_path: Path
) -> None:
    if project:
        (tmp_path / "flows").mkdir()
        (tmp_path / "dvc.yaml").touch()
        (tmp_path / "pyproject.toml").write_text(project)
    for folder in (tmp_path, place / "first/tasks"):
        expected = f"This command runs in the folder of its project only: cd {place / 'first'}\n"
        assert faces(folder, "score") == (2, "", expected)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("score", "-h"), ("--show-completion",)])
def test_help_is_shown_anywhere(arguments: tuple[str, ...], place: Path, faces: Callable[..., Output]) -> None:
    assert faces(place, *arguments) == (0, f"code of first True\n{' '.join(arguments)}\n", "")


def test_the_shell_completes_anywhere(place: Path, faces: Callable[..., Output]) -> None:
    for folder in (place, place / "second"):
        assert faces(folder, "sc", _FACES_COMPLETE="complete_bash")[0] == 0


def test_a_folder_that_was_removed_is_no_checkout(place: Path, faces: Callable[..., Output]) -> None:
    gone = place / "gone"
    gone.mkdir()
    command = f"rmdir {gone}; exec {place}/venv/bin/python {place}/venv/bin/faces score"
    done = subprocess.run(["sh", "-c", command], cwd=gone, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"cd {place / 'first'}" in done.stderr


def test_the_module_runs_the_code_of_the_current_folder(place: Path, python: Callable[..., Output]) -> None:
    """As stages do: an installed checkout must not run in the place of another one."""
    for name in ("second", "first"):
        assert python(place / name, "-m", "flows", "run") == (0, f"code of {name} True\nrun\n", "")
    assert python(place, "-c", "import flows; print(flows.__file__)")[1] == f"{place / 'first/flows/__init__.py'}\n"


def test_an_installation_leaves_nothing_that_git_shows(place: Path) -> None:
    shown = subprocess.run(
        ["git", "status", "--porcelain", "--", ".", ":!flows/__main__.py", ":!params", ":!params.py"],
        cwd=place / "first",
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == ""


def test_make_installs_offline_from_what_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    locked = {line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line}
    build = {requirement.partition(">=")[0] for requirement in project["build-system"]["requires"]}
    assert build <= locked
    left_out = {line.partition(" ;")[0] for line in project["tool"]["uv"]["override-dependencies"]}
    assert left_out == {"imageio", "imageio-ffmpeg", "scikit-image"}
    assert not left_out & locked
    target = (ROOT / "Makefile").read_text().partition(".venv/installed:")[2].partition("\n\n")[0]
    assert {"requirements.txt", "pyproject.toml"} <= set(target.partition("\n")[0].split())
    (packages,) = (line for line in target.splitlines() if "requirements.txt" in line and "pip install" in line)
    assert {"--no-deps", "--require-hashes"} <= set(packages.split())
    (install,) = (line for line in target.splitlines() if "--editable" in line)
    assert {"--no-index", "--no-deps", "--no-build-isolation"} <= set(install.split())
