"""Shared fixtures and helpers. Tests run without a Prefect API unless they start one, and send no usage statistics."""

import os

os.environ.update(
    PREFECT_API_URL="",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    DVC_NO_ANALYTICS="1",
    DO_NOT_TRACK="1",
    GX_ANALYTICS_ENABLED="false",
    TF_CPP_MIN_LOG_LEVEL="3",
    TF_ENABLE_ONEDNN_OPTS="1",
)
# A scheduler sets no SHELL. DVC then runs /bin/sh, which may stay as the parent of the command instead of exec.
os.environ.pop("SHELL", None)

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from ruamel.yaml import YAML

from params import section_files

PATIENCE = 600
"""Timeout in seconds for processes and servers: it ends a hanging test and measures no speed."""

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

Run = Callable[..., subprocess.CompletedProcess[str]]


def tracked_files() -> list[Path]:
    """Files of the project, relative to its root, including untracked files that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Path(name) for name in listed if (ROOT / name).exists()]


def copy_project(target: Path) -> Path:
    """Copy the project to `target` as a new git repository, without outputs of stages."""
    for name in tracked_files():
        if name.parts[0] not in ("reports", "docs") and name.name != "dvc.lock":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    subprocess.run(["git", "init", "-q"], cwd=target, check=True)
    commit(target, "a new copy")
    return target


def commit(project: Path, message: str) -> None:
    """Commit all files that git does not ignore, as a test user."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["add", "-A"], [*identity, "commit", "-q", "-m", message]):
        subprocess.run(["git", *command], cwd=project, check=True)


def copy_settings(target: Path) -> None:
    """Copy params.yaml and the presets into a folder."""
    shutil.copyfile(ROOT / "params.yaml", target / "params.yaml")
    shutil.copytree(ROOT / "conf", target / "conf")


def set_params(project: Path, **settings: object) -> None:
    """Set values of a project, `gate__emotion__min_accuracy=0.5` for gate.emotion.min_accuracy, each in its file.

    `dataset` and `recipe` come first: the others are set in the files of these presets.
    """
    chosen = {key: value for key, value in settings.items() if key in ("dataset", "recipe")}
    _write_values(project / "params.yaml", chosen)
    names = YAML(typ="safe").load(project / "params.yaml")
    files = section_files(names["dataset"], names["recipe"])
    by_file: dict[Path, dict[str, object]] = {}
    for key, value in settings.items():
        if key not in chosen:
            by_file.setdefault(files[key.split("__")[0]], {})[key] = value
    for path, values in by_file.items():
        _write_values(project / path, values)


def _write_values(path: Path, values: dict[str, object]) -> None:
    if not values:
        return
    yaml = YAML()
    document = yaml.load(path)
    for name, value in values.items():
        *sections, key = name.split("__")
        section = document
        for parent in sections:
            section = section[parent]
        section[key] = value
    yaml.dump(document, path)


def runner(project: Path) -> Run:
    """A function that runs programs of the virtual environment in `project` and captures their output as text.

    Keyword arguments are environment variables; None unsets a variable.
    """

    def run(*command: str, check: bool = True, **environment: str | None) -> subprocess.CompletedProcess[str]:
        env = environment_of(**environment)
        done = subprocess.run(
            [str(BIN / command[0]), *command[1:]], cwd=project, env=env, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    return run


def environment_of(**changes: str | None) -> dict[str, str]:
    """Environment variables with these changes, and with credentials if a test started the API that they name."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": "", **changes}
    if auth_string := AUTH_STRINGS.get(environment.get("PREFECT_API_URL") or ""):
        environment = {"PREFECT_API_AUTH_STRING": auth_string, **environment}
    return {name: value for name, value in environment.items() if value is not None}


AUTH_STRINGS: dict[str, str] = {}
"""Credentials of servers that tests started, by address."""


def start_server(project: Path, with_worker: bool = False) -> str:
    """Start a server in a project, with a worker if asked for; return the address of its API."""
    options = [] if with_worker else ["--server-only"]
    output = runner(project)("python", "-m", "flows", "up", *options, PREFECT_API_URL=None).stdout
    address = output[output.index("Prefect: ") :].split()[1].rstrip(";") + "/api"
    if (secret := project / ".prefect/auth").exists():
        AUTH_STRINGS[address] = secret.read_text().strip()
    return address


def stop_server(project: Path) -> None:
    """Stop the processes of `start_server`."""
    runner(project)("python", "-m", "flows", "down", PREFECT_API_URL=None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new copy of the project without any outputs."""
    return copy_project(tmp_path / "project")


@pytest.fixture
def run(project: Path) -> Run:
    """A function that runs programs of the virtual environment in the new copy."""
    return runner(project)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect API, started by the same code as for users."""
    home = copy_project(tmp_path_factory.mktemp("server") / "project")
    yield start_server(home)
    stop_server(home)


class Refusing(BaseHTTPRequestHandler):
    """An API that refuses all requests with status 401."""

    def do_POST(self) -> None:
        self.send_response(401)
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


LONGEST = ("test_promotion.py", "test_pipeline.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest files first, so that no worker runs them alone at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
