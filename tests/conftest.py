"""Shared ground: tests run without a Prefect API unless they start one themselves, and never report usage."""

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
# What a schedule starts has none; DVC then takes /bin/sh, which need not give way to the command that it is given.
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

PATIENCE = 600
"""Seconds that a test waits for a process or a server: for what hangs, not a measure of speed."""

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

Run = Callable[..., subprocess.CompletedProcess[str]]


def tracked_files() -> list[Path]:
    """The project's files, relative to its root; those not yet added too, unless ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Path(name) for name in listed if (ROOT / name).exists()]


def copy_project(target: Path) -> Path:
    """The project as a fresh git repository in `target`, without what stages made."""
    for name in tracked_files():
        if name.parts[0] not in ("reports", "docs") and name.name != "dvc.lock":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    subprocess.run(["git", "init", "-q"], cwd=target, check=True)
    commit(target, "a fresh copy")
    return target


def commit(project: Path, message: str) -> None:
    """Everything that git does not ignore, as a commit of nobody in particular."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["add", "-A"], [*identity, "commit", "-q", "-m", message]):
        subprocess.run(["git", *command], cwd=project, check=True)


def set_params(project: Path, **settings: object) -> None:
    """Change settings of a project's params.yaml, `gate__emotion__min_accuracy=0.5` for gate.emotion.min_accuracy."""
    path = project / "params.yaml"
    yaml = YAML()
    document = yaml.load(path)
    for name, value in settings.items():
        *sections, key = name.split("__")
        section = document
        for one in sections:
            section = section[one]
        section[key] = value
    yaml.dump(document, path)


def runner(project: Path) -> Run:
    """Runs programs of the environment in `project`; `dvc("repro")` style, output captured as text.

    A variable that is None is not set.
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
    """The environment of a program, with the credentials of the API that it names, if a test started that."""
    wanted = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": "", **changes}
    if known := AUTH_STRINGS.get(wanted.get("PREFECT_API_URL") or ""):
        wanted = {"PREFECT_API_AUTH_STRING": known, **wanted}
    return {name: value for name, value in wanted.items() if value is not None}


AUTH_STRINGS: dict[str, str] = {}
"""By address, of the servers that tests started."""


def start_server(project: Path, module: str = "flows.serve") -> str:
    """The address of the API of a server, or of server and worker (`flows.operate`), started in a project."""
    said = runner(project)("python", "-m", module, "up", PREFECT_API_URL=None).stdout
    address = said[said.index("Prefect: ") :].split()[1].rstrip(";") + "/api"
    if (secret := project / ".prefect/auth").exists():
        AUTH_STRINGS[address] = secret.read_text().strip()
    return address


def stop_server(project: Path, module: str = "flows.serve") -> None:
    """Stop what `start_server` started."""
    runner(project)("python", "-m", module, "down", PREFECT_API_URL=None)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh copy of the project in which nothing has run."""
    return copy_project(tmp_path / "project")


@pytest.fixture
def run(project: Path) -> Run:
    """Runs a program of the environment in the fresh copy."""
    return runner(project)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prefect API of our own, started by the code that users start theirs with."""
    home = copy_project(tmp_path_factory.mktemp("server") / "project")
    yield start_server(home)
    stop_server(home)


class Refusing(BaseHTTPRequestHandler):
    """An API that turns everybody away."""

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
    """Files that take minutes come first: two processes share the rest, and neither is left with them at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)
