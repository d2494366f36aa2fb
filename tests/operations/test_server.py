"""The project's own server: its process, credentials and address; no other server is used, stopped or contacted."""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from tasks.common.files import InputError
from tasks.operations import api_server, server
from tasks.orchestration import daemon, server_access
from tasks.orchestration.api_settings import AUTH, URL, accepts, is_prefect
from tests.conftest import runner
from tests.orchestration.test_stage import PROBE

RECORD = daemon.HOME / "server.json"
NOWHERE = "http://127.0.0.1:9/api"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(URL, raising=False)
    monkeypatch.delenv(AUTH, raising=False)
    return tmp_path


@pytest.fixture
def stranger(folder: Path) -> Iterator[psutil.Process]:
    """A process in this folder that is not a server."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(7200)"], start_new_session=True)
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


class Site(BaseHTTPRequestHandler):
    """A web site whose every page is HTML; records its requests."""

    requests: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        type(self).requests.append((self.path, self.headers.get("Authorization")))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A router</title>")

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    Site.requests = []
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}/api"
    listening.shutdown()
    listening.server_close()


def record(pid: int, started: float, **about: str | bool) -> None:
    daemon.HOME.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps({"pid": pid, "started": started, "address": NOWHERE, **about}))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_down_without_a_server_stops_nothing(folder: Path) -> None:
    assert server.stop() is False


def test_a_process_that_reuses_the_pid_is_not_stopped(stranger: psutil.Process) -> None:
    record(stranger.pid, stranger.create_time() - 100)
    assert server.stop() is False
    assert stranger.is_running()
    assert not RECORD.exists()


def test_down_stops_the_recorded_process(stranger: psutil.Process) -> None:
    record(stranger.pid, stranger.create_time())
    server_access.write_client(NOWHERE)
    assert server.stop() is True
    assert not stranger.is_running() or stranger.status() == psutil.STATUS_ZOMBIE
    assert not server_access.CLIENT.exists()


def test_a_copied_folder_does_not_own_the_original_s_server(
    stranger: psutil.Process, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(stranger.pid, stranger.create_time())
    server_access.write_client(NOWHERE)
    assert server_access.own_address() == NOWHERE
    copy = folder / "copy"
    shutil.copytree(folder / ".prefect", copy / ".prefect")
    shutil.copy(folder / "prefect.toml", copy)
    monkeypatch.chdir(copy)
    assert server_access.own_address() is None
    assert server_access.left_over() == NOWHERE
    assert server.stop() is False
    assert stranger.is_running()


def test_a_user_s_address_is_not_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = f'[api]\nurl = "{NOWHERE}"\n'
    server_access.CLIENT.write_text(theirs)
    monkeypatch.setattr(api_server, "configured_url", lambda: NOWHERE)
    with pytest.raises(InputError, match=f"no Prefect API responds at {NOWHERE}"):
        api_server.ensure_api()
    server.stop()
    assert server_access.CLIENT.read_text() == theirs
    server_access.CLIENT.unlink()
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    monkeypatch.setenv(URL, "")
    with pytest.raises(InputError, match=f"{URL} is empty"):
        api_server.ensure_api()
    assert not RECORD.exists()


def test_settings_that_a_user_wrote_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without an address, and our file with a section that a user added."""
    monkeypatch.setattr(api_server, "configured_url", lambda: None)
    server_access.CLIENT.write_text("[logging]\nlevel = 'DEBUG'\n")
    with pytest.raises(InputError, match=r"prefect.toml: not a file of this project"):
        api_server.ensure_api()
    server_access.write_client(NOWHERE)
    server_access.CLIENT.write_text(server_access.CLIENT.read_text() + '\n[logging]\nlevel = "DEBUG"\n')
    assert server_access.left_over() is None
    server_access.remove_left_over()
    server.stop()
    assert "DEBUG" in server_access.CLIENT.read_text()


@pytest.mark.parametrize("text", ["", "[api", "\xff", server_access.HEADER, server_access.HEADER + "api = 1\n"])
def test_an_invalid_client_file_gives_no_address(folder: Path, text: str) -> None:
    server_access.CLIENT.write_bytes(text.encode("latin-1"))
    assert server_access.left_over() is None


def test_an_unreadable_record_means_no_server(folder: Path) -> None:
    daemon.HOME.mkdir()
    RECORD.write_text("{")
    assert server.stop() is False
    assert not RECORD.exists()


def test_the_auth_string_is_created_once_and_is_private(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generated = server_access.auth_string()
    user, _, password = generated.partition(":")
    assert (user, len(password)) == ("faces", 32)
    assert server_access.auth_string() == generated
    assert mode(folder / ".prefect/auth") == 0o600
    server_access.write_client(NOWHERE)
    assert mode(server_access.CLIENT) == 0o600
    assert f'auth_string = "{generated}"' in server_access.CLIENT.read_text()
    (folder / ".prefect/auth").chmod(0o644)
    server_access.auth_string()
    assert mode(folder / ".prefect/auth") == 0o600
    monkeypatch.setenv(AUTH, "me:mine")
    assert server_access.auth_string() == "me:mine"
    server_access.write_client(NOWHERE)
    assert "mine" not in server_access.CLIENT.read_text()
    monkeypatch.delenv(AUTH)
    (folder / ".env").write_text(f"{AUTH}=me:from-a-file\n")
    assert server_access.auth_string() == "me:from-a-file"


def test_the_auth_string_goes_to_no_other_api(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AUTH, "")
    server_access.write_client(NOWHERE)
    server_access.keep_credentials_apart()
    assert os.environ[AUTH] == ""
    monkeypatch.delenv(AUTH)
    server_access.keep_credentials_apart()
    assert AUTH not in os.environ
    monkeypatch.setenv(URL, "http://127.0.0.1:8/api")
    server_access.keep_credentials_apart()
    assert os.environ[AUTH] == ""


def test_another_web_site_is_not_taken_for_prefect(site: str) -> None:
    assert not is_prefect(site)
    assert not is_prefect(NOWHERE)
    assert accepts(site, "user:any-password")  # only the project's own server is asked


def test_the_address_of_a_killed_server_gets_no_request(site: str, project: Path) -> None:
    """Another server listens at its port now."""
    (project / "flows/stages/probe.py").write_text(PROBE)
    (project / ".prefect").mkdir()
    dead = {"pid": 2**22 + 1, "started": 0.0, "address": site, "guarded": True}
    (project / ".prefect/server.json").write_text(json.dumps(dead))
    (project / "prefect.toml").write_text(
        f'{server_access.HEADER}[api]\nurl = "{site}"\nauth_string = "faces:secret"\n'
    )
    output = runner(project)("python", "-m", "flows", "run", "probe", PREFECT_API_URL=None).stderr
    assert f"the Prefect server of this folder ({site}) no longer runs, `make up` starts it" in output
    assert (project / "probe.txt").exists()
    status = runner(project)("python", "-m", "flows", "status", check=False, PREFECT_API_URL=None)
    assert status.returncode == 1
    assert "no longer runs" in status.stderr
    assert Site.requests == []


def test_a_wrong_auth_string_and_a_silent_server_are_named(
    stranger: psutil.Process, refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(stranger.pid, stranger.create_time(), address=refusing, guarded=True)
    monkeypatch.setattr(api_server, "configured_url", lambda: refusing)
    with pytest.raises(InputError, match=r"runs with another auth string .+ `make down`, then `make up`, restarts it"):
        api_server.ensure_api()
    record(stranger.pid, stranger.create_time(), guarded=True)
    monkeypatch.setattr(api_server, "configured_url", lambda: NOWHERE)
    with pytest.raises(InputError, match=f"runs, but does not respond at {NOWHERE}"):
        api_server.require_api()


def test_a_server_of_an_earlier_version_is_replaced_unless_its_worker_is_busy(
    stranger: psutil.Process, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = f'{server_access.HEADER}[api]\nurl = "{NOWHERE}"\n\n[flows]\nheartbeat_frequency = 30\n'
    server_access.CLIENT.write_text(old)
    record(stranger.pid, stranger.create_time())
    monkeypatch.setattr(api_server, "configured_url", lambda: NOWHERE)
    monkeypatch.setattr(server, "start", lambda: "started")
    monkeypatch.setattr(daemon, "busy", lambda name: True)
    with pytest.raises(InputError, match="which any web page can use, and its worker is busy"):
        api_server.ensure_api()
    assert stranger.is_running()
    monkeypatch.setattr(daemon, "busy", lambda name: False)
    assert api_server.ensure_api() == "started"
    assert not stranger.is_running() or stranger.status() == psutil.STATUS_ZOMBIE
    assert "Replacing the Prefect server of an earlier version" in capsys.readouterr().out


def test_the_printed_instructions_contain_the_credentials(
    stranger: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_server, "getproxies", dict)
    assert api_server.sign_in_help() == ""
    record(stranger.pid, stranger.create_time(), guarded=True)
    assert server_access.auth_string() in api_server.sign_in_help()
    assert f"cd {Path.cwd()} && .venv/bin/prefect" in api_server.sign_in_help()
    monkeypatch.setattr(api_server, "getproxies", lambda: {"http": "http://127.0.0.1:9"})
    assert "&& NO_PROXY=127.0.0.1 .venv/bin/prefect" in api_server.sign_in_help()
    monkeypatch.setenv(AUTH, "me:mine")
    assert "mine" not in api_server.sign_in_help()


def test_a_port_that_another_server_takes_first_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, ports = [], []

    def start_at(port: int) -> bool:
        ports.append(port)
        if len(ports) > 1:
            return True
        other = socket.socket()
        other.bind(("127.0.0.1", port))
        other.listen()
        taken.append(other)
        return False

    monkeypatch.setattr(server, "_start_at", start_at)
    address = server.start()
    taken[0].close()
    assert ports[0] != ports[1]
    assert address == f"http://127.0.0.1:{ports[1]}/api"
    monkeypatch.setattr(server, "_start_at", lambda port: False)
    with pytest.raises(InputError, match=r"did not start; see its log, .prefect/server.log"):
        server.start()


def test_an_invalid_prefect_setting_is_named_on_one_line(project: Path) -> None:
    (project / ".env").write_text("PREFECT_API_REQUEST_TIMEOUT=long\n")
    done = runner(project)("python", "-m", "flows", "status", check=False, PREFECT_API_URL=None)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "settings cannot be read" in line]
    assert "(request_timeout: Input should be a valid number" in line
    assert line.endswith("~/.prefect/profiles.toml")
    assert "Traceback" not in done.stderr
