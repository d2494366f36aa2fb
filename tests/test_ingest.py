"""Raw tables come in whole or not at all, from a path or over http."""

import functools
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.files import InputError, replacing
from tasks.ingest import bring_in

TABLE = b"emotion,pixels\n3,1 2\n"


class Flaky(BaseHTTPRequestHandler):
    """Answers as `failures` say, then with the table; where `cut` says so, it promises more than it sends."""

    failures: list[int]
    cut: list[bool]

    def do_GET(self) -> None:
        if self.failures:
            self.send_error(self.failures.pop())
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(TABLE) + (100 if self.cut and self.cut.pop() else 0)))
        self.end_headers()
        self.wfile.write(TABLE)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[functools.partial[str]]:
    servers = []

    def start(failures: list[int], cut: list[bool] | None = None) -> str:
        handler = type("Handler", (Flaky,), {"failures": failures, "cut": cut or []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/emotion.csv"

    yield functools.partial(start)
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_path_is_copied_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(TABLE)
    out = bring_in("emotion", str(tmp_path / "mine.csv"), tmp_path / "raw" / "emotion.csv")
    assert out.read_bytes() == TABLE


def test_a_download_survives_passing_failures(tmp_path: Path, serve: functools.partial[str]) -> None:
    failures = [503, 502]
    out = bring_in("emotion", serve(failures), tmp_path / "emotion.csv")
    assert out.read_bytes() == TABLE
    assert failures == []


def test_a_download_that_breaks_off_is_begun_again(tmp_path: Path, serve: functools.partial[str]) -> None:
    out = bring_in("emotion", serve([], cut=[True]), tmp_path / "emotion.csv")
    assert out.read_bytes() == TABLE


def test_a_downloaded_table_of_the_other_head_is_named_by_its_address(
    tmp_path: Path, serve: functools.partial[str]
) -> None:
    address = serve([])
    with pytest.raises(InputError, match=rf"^{re.escape(address)}, header: no column"):
        bring_in("keypoints", address, tmp_path / "keypoints.csv")


@pytest.mark.parametrize(("failures", "cut"), [([404], []), ([], [True] * 9)])
def test_a_download_that_fails_leaves_nothing(
    tmp_path: Path, serve: functools.partial[str], failures: list[int], cut: list[bool]
) -> None:
    with pytest.raises(InputError, match="could not be downloaded"):
        bring_in("emotion", serve(failures, cut), tmp_path / "emotion.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_the_other_head_is_refused_before_it_replaces_anything(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(TABLE)
    out = tmp_path / "keypoints.csv"
    out.write_text("what was there")
    with pytest.raises(InputError, match=r"no column left_eye_center_x, .* and 27 more; found emotion, pixels"):
        bring_in("keypoints", str(tmp_path / "mine.csv"), out)
    assert out.read_text() == "what was there"


def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
