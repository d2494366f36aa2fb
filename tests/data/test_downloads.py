"""Addresses: what is fetched is the file itself, whole, and what DVC sees of a change is what the warnings say."""

import asyncio
import gzip
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from dvc_data.hashfile.hash import hash_file
from dvc_http import HTTPFileSystem  # type: ignore[import-untyped]

import tasks.data.downloads
from tasks.common.files import InputError
from tasks.data.downloads import warnings_of
from tasks.data.ingestion import bring_in

TABLE = b"emotion,pixels\n3,1 2\n"
PAGE = b"<!doctype html><html><head><title>Log in</title></head></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


MOVED = {"/moved": "/login", "/malformed": "http://a..b/x"}


class Answering(BaseHTTPRequestHandler):
    """Sends `headers` and `body`; redirects MOVED; answers HEAD with 405 unless `allows_head`."""

    headers_sent: dict[str, str]
    body: bytes
    allows_head: bool
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(f"{self.command} {self.headers.get('Accept-Encoding')}")
        if self.command == "HEAD" and not self.allows_head:
            self.send_error(405)
            return
        if self.path in MOVED:
            self.send_response(302)
            self.send_header("Location", MOVED[self.path])
            self.end_headers()
            return
        self.send_response(200)
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(self.body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: dict[str, ThreadingHTTPServer] = {}

    def start(
        body: bytes = TABLE,
        allows_head: bool = True,
        asked: list[str] | None = None,
        sent: dict[str, str] | None = None,
    ) -> str:
        content = {"headers_sent": sent or {}, "body": body, "allows_head": allows_head}
        content["asked"] = [] if asked is None else asked
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Answering,), content))
        threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True).start()
        servers[address := f"http://127.0.0.1:{server.server_port}"] = server
        return address

    yield start
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(tasks.data.downloads, "log", lines.append)
    return lines


def seen_by_dvc(address: str) -> str:
    """What DVC records of a dependency at an address, and compares with at the next run."""
    files = HTTPFileSystem(skip_instance_cache=True)
    value = hash_file(address, files, "checksum")[1].value
    asyncio.run_coroutine_threadsafe(files.fs._session.close(), files.fs.loop).result(10)
    return str(value)


SIZE = {"Content-Length": str(len(TABLE))}
HEADERS: dict[str, tuple[dict[str, str], dict[str, str], bool, str]] = {
    # Headers, others of a changed file, whether DVC sees the change, and the warning.
    "an ETag": (SIZE | {"ETag": '"1"'}, SIZE | {"ETag": '"2"'}, True, ""),
    "only an ETag": ({"ETag": '"1"'}, {"ETag": '"2"'}, True, "no size"),
    "Content-MD5": (SIZE | {"Content-MD5": "1"}, SIZE | {"Content-MD5": "2"}, True, ""),
    "Last-Modified": (SIZE | {"Last-Modified": "1"}, SIZE | {"Last-Modified": "2"}, True, ""),
    "a size": (SIZE, SIZE, False, "does not see a change that keeps its size; "),
    "nothing": ({}, {}, False, "does not see any change; "),
}


@pytest.mark.parametrize("allows_head", [True, False])
@pytest.mark.parametrize("kind", HEADERS)
def test_a_change_that_dvc_does_not_see_is_a_warning_with_the_remedy(
    kind: str, allows_head: bool, serve: Serve, tmp_path: Path, logged: list[str]
) -> None:
    before, after, is_seen, warning = HEADERS[kind]
    sent = dict(before)
    address = serve(allows_head=allows_head, sent=sent)
    first = seen_by_dvc(f"{address}/a.csv")
    sent.update(after)
    assert (first != seen_by_dvc(f"{address}/a.csv")) == is_seen
    bring_in("emotion", f"{address}/a.csv", tmp_path / "emotion.csv")
    assert bool(logged) == bool(warning)
    assert any(warning in line for line in logged) == bool(warning)
    if not is_seen:
        assert "run `dvc repro --force --single-item ingest`, or download the file yourself and name it" in logged[0]


def test_the_body_is_asked_for_as_it_is_and_unpacked_if_the_server_packs_it_anyway(
    serve: Serve, tmp_path: Path
) -> None:
    asked: list[str] = []
    packed = gzip.compress(TABLE)
    address = serve(packed, True, asked, {"Content-Encoding": "gzip", "Content-Length": str(len(packed))})
    out = bring_in("emotion", f"{address}/a.csv.gz", tmp_path / "emotion.csv")
    assert out.read_bytes() == TABLE
    assert asked == ["GET identity", "HEAD identity"]


def test_a_transfer_that_is_cut_short_is_an_error(serve: Serve, tmp_path: Path) -> None:
    packed = gzip.compress(TABLE * 1000)
    for whole, headers in ((TABLE, {}), (packed, {"Content-Encoding": "gzip"})):
        address = serve(whole[:-9], sent={"Content-Length": str(len(whole)), **headers})
        with pytest.raises(InputError, match=r"could not be downloaded .*; try again later"):
            bring_in("emotion", f"{address}/a.csv", tmp_path / "emotion.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_page_in_place_of_the_file_is_named_with_where_it_came_from(serve: Serve, tmp_path: Path) -> None:
    address = serve(PAGE)
    login = rf'{address}/moved:, redirected to {address}/login, is a web page \("Log in"\), not a table'
    with pytest.raises(InputError, match=login):
        bring_in("emotion", f"{address}/moved", tmp_path / "emotion.csv")
    with pytest.raises(InputError, match=r'a.csv: is a web page \("Log in"\).*: download the file in a browser'):
        bring_in("keypoints", f"{address}/a.csv", tmp_path / "emotion.csv")
    with pytest.raises(InputError, match=r"a.csv: the server's answer is empty; correct the address"):
        bring_in("emotion", f"{serve(b'')}/a.csv", tmp_path / "emotion.csv")


PAGES = {
    "https://github.com/me/faces/blob/main/a/fer.csv": "name https://github.com/me/faces/raw/main/a/fer.csv",
    "https://gitlab.com/me/g/faces/-/blob/main/fer.csv": "name https://gitlab.com/me/g/faces/-/raw/main/fer.csv",
    "https://huggingface.co/datasets/me/f/blob/main/a.csv": "name https://huggingface.co/datasets/me/f/resolve/main/a.csv",
    "https://www.dropbox.com/scl/fi/x/a.csv?rlkey=1&dl=0": "name https://www.dropbox.com/scl/fi/x/a.csv?rlkey=1&dl=1",
    "https://drive.google.com/file/d/1aB/view?usp=sharing": "name https://drive.google.com/uc?export=download&id=1aB",
    "https://www.kaggle.com/datasets/me/fer2013": "run `kaggle datasets download OWNER/NAME`",
    "https://raw.githubusercontent.com/me/faces/main/fer.csv": "name https://media.githubusercontent.com/media/me/faces/"
    "main/fer.csv",
    "https://example.org/login": None,
}
FOR_POINTERS = "https://raw.githubusercontent.com/"
"""Serves files as they are: a page from there is no page about a file."""


@pytest.mark.parametrize("body", [PAGE, POINTER])
@pytest.mark.parametrize("address", PAGES)
def test_the_address_of_the_file_itself_is_named_where_it_is_known(
    address: str, body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def transfer(address: str, out: Path) -> str:
        out.write_bytes(body)
        return address

    monkeypatch.setattr(tasks.data.downloads, "_transfer", transfer)
    with pytest.raises(InputError) as error:
        bring_in("emotion", address, tmp_path / "emotion.csv")
    remedy = PAGES[address] if body == POINTER or not address.startswith(FOR_POINTERS) else None
    assert str(error.value).startswith(f"{address}: is a ")
    assert (f"; or {remedy}" in str(error.value)) if remedy else ("; or " not in str(error.value))


@pytest.mark.parametrize("address", PAGES)
def test_an_address_that_serves_nothing_is_to_be_corrected(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def transfer(address: str, out: Path) -> str:
        raise requests.HTTPError("404 Client Error: Not Found")

    monkeypatch.setattr(tasks.data.downloads, "_transfer", transfer)
    with pytest.raises(InputError) as error:
        bring_in("emotion", address, tmp_path / "emotion.csv")
    reason = "could not be downloaded (404 Client Error: Not Found); correct the address"
    assert str(error.value) == f"{address}: {reason}"


@pytest.mark.parametrize(
    "address", ["http://a..b/x", "http:///x", "http://[::1/x", f"http://{'a' * 64}.org/x", "http://a:99999/x"]
)
def test_a_malformed_address_is_named(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r": could not be downloaded \(.*\); correct the address$") as error:
        bring_in("emotion", address, tmp_path / "emotion.csv")
    assert str(error.value).startswith(address)


def test_a_redirect_to_a_malformed_address_is_named(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"malformed: could not be downloaded \(.*\); correct the address$"):
        bring_in("emotion", f"{serve()}/malformed", tmp_path / "emotion.csv")


OTHERS = {
    "s3://bucket/a.csv": "not s3; download the file and name its path",
    "ftp://host/a.csv": "not ftp; download",
    "file:///data/a.csv": "not file; name the path itself, /data/a.csv",
    "kaggle://me/fer": "not kaggle; download",
}


@pytest.mark.parametrize("address", OTHERS)
def test_an_address_of_another_protocol_is_named(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{address}: addresses are read over http and https, {OTHERS[address]}"):
        bring_in("emotion", address, tmp_path / "emotion.csv")


def test_warnings_are_of_headers_with_a_value_in_any_case() -> None:
    of_get: dict[str, Any] = {"content-length": "9"}
    assert warnings_of({"etag": '"1"', "content-length": "9"}, of_get) == []
    assert len(warnings_of({"etag": ""}, of_get)) == 1
    assert "does not see any change" in warnings_of({"Content-Length": "9", "Content-Encoding": "gzip"}, of_get)[0]
    assert warnings_of({"ETag": "1"}, {"Transfer-Encoding": "chunked"}) == []
