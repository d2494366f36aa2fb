"""Raw tables are ingested atomically, from a path or over HTTP, in every published format."""

import functools
import gzip
import io
import re
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from tasks.common.files import InputError, replacing
from tasks.data.ingestion import bring_in
from tasks.readers import image_folder
from tasks.readers.archives import opened

TABLE = b"emotion,pixels\n3,1 2\n"
PNG = cv2.imencode(".png", np.tile(np.array([7, 90], np.uint8), (48, 24)))[1].tobytes()


def a_zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Flaky(BaseHTTPRequestHandler):
    """Responds with the status codes `failures`, then with the table; `cut` announces more bytes than are sent."""

    failures: list[int]
    cut: list[bool]
    table: bytes

    def do_GET(self) -> None:
        if self.failures:
            self.send_error(self.failures.pop())
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.table) + (100 if self.cut and self.cut.pop() else 0)))
        self.end_headers()
        self.wfile.write(self.table)

    def log_message(self, format: str, *args: object) -> None:
        pass


Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(failures: list[int], cut: list[bool] | None = None, table: bytes = TABLE) -> str:
        handler = type("Handler", (Flaky,), {"failures": failures, "cut": cut or [], "table": table})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=functools.partial(server.serve_forever, 0.05), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/emotion.csv"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


PACKED = {
    "plain": TABLE,
    "gzip": gzip.compress(TABLE),
    "gzip of two members": gzip.compress(TABLE[:9]) + gzip.compress(TABLE[9:]),
    "zip": a_zip(**{"a/b/table.CSV": TABLE}),
    "zip with company": a_zip(**{"notes.txt": b"", "table.csv": TABLE, "a.png": PNG, "__MACOSX/._table.csv": b""}),
    "zip with a hidden copy": a_zip(**{"table.csv": TABLE, ".ipynb_checkpoints/table.csv": b"", "._table.csv": b""}),
}


@pytest.mark.parametrize("how", PACKED)
def test_a_file_is_copied_byte_for_byte(tmp_path: Path, how: str) -> None:
    # The first bytes determine the format; the file name does not.
    (tmp_path / "mine.csv").write_bytes(PACKED[how])
    out = bring_in("emotion", str(tmp_path / "mine.csv"), tmp_path / "raw" / "emotion.csv")
    assert out.read_bytes() == TABLE


@pytest.mark.parametrize("how", ["plain", "gzip", "zip"])
def test_a_download_is_retried_after_transient_failures(tmp_path: Path, serve: Serve, how: str) -> None:
    failures = [503, 502]
    out = bring_in("emotion", serve(failures, table=PACKED[how]), tmp_path / "emotion.csv")
    assert out.read_bytes() == TABLE
    assert failures == []
    assert list(tmp_path.iterdir()) == [out]


def test_an_interrupted_download_is_restarted(tmp_path: Path, serve: Serve) -> None:
    out = bring_in("emotion", serve([], cut=[True]), tmp_path / "emotion.csv")
    assert out.read_bytes() == TABLE


def test_an_image_folder_is_downloaded_as_a_zip(tmp_path: Path, serve: Serve) -> None:
    archive = a_zip(**{"train/happy/b.png": PNG, "train/happy/": b"", "PublicTest/anger/a.png": PNG, "a.txt": b""})
    out = bring_in("emotion", serve([], table=archive), tmp_path / "emotion.csv")
    pixels = " ".join(["7", "90"] * 1152)
    assert out.read_text().splitlines() == [
        "emotion,pixels,Usage,file,unreadable",
        f"anger,{pixels},PublicTest,PublicTest/anger/a.png,",
        f"happiness,{pixels},Training,train/happy/b.png,",
    ]


def test_the_error_for_a_downloaded_table_of_the_other_model_names_its_address(tmp_path: Path, serve: Serve) -> None:
    address = serve([])
    with pytest.raises(InputError, match=rf"^{re.escape(address)}, header: no column"):
        bring_in("keypoints", address, tmp_path / "keypoints.csv")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (gzip.compress(TABLE)[:-9], "cannot be unpacked .*; fetch it again"),
        (a_zip(**{"a.csv": TABLE, "b.csv": TABLE}), "one CSV is needed in the archive, found a.csv, b.csv"),
        (a_zip(**{"train/3/a.png": PNG}), "train/3/a.png: the folder 3 names no class: codes differ between data sets"),
        (a_zip(**{"train/happy/a.png": PNG})[:-9], "cannot be unpacked .*; fetch it again"),
        (b"<!DOCTYPE html>", "is a web page, not a table"),
    ],
    ids=["truncated gzip", "two tables", "folder of no class", "truncated zip", "a web page"],
)
def test_the_error_for_a_broken_download_names_its_address(
    tmp_path: Path, serve: Serve, table: bytes, message: str
) -> None:
    address = serve([], table=table)
    with pytest.raises(InputError, match=rf"^{re.escape(address)}: {message}"):
        bring_in("emotion", address, tmp_path / "emotion.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("failures", "cut"), [([404], []), ([], [True] * 9)])
def test_a_failed_download_leaves_no_files(tmp_path: Path, serve: Serve, failures: list[int], cut: list[bool]) -> None:
    with pytest.raises(InputError, match="could not be downloaded"):
        bring_in("emotion", serve(failures, cut), tmp_path / "emotion.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_the_other_model_does_not_replace_the_output(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(TABLE)
    out = tmp_path / "keypoints.csv"
    out.write_text("previous content")
    with pytest.raises(InputError, match=r"no column left_eye_center_x, .* and 26 more; found emotion, pixels"):
        bring_in("keypoints", str(tmp_path / "mine.csv"), out)
    assert out.read_text() == "previous content"


def test_a_truncated_file_does_not_replace_the_output(tmp_path: Path) -> None:
    # The header is valid; the error occurs when the copy is incomplete.
    lines = b"".join(b"3,%d 2\n" % number for number in range(300_000))
    (tmp_path / "mine.csv.gz").write_bytes(gzip.compress(TABLE + lines, 1)[:-1000])
    out = tmp_path / "emotion.csv"
    out.write_text("previous content")
    with pytest.raises(InputError, match="cannot be unpacked"):
        bring_in("emotion", str(tmp_path / "mine.csv.gz"), out)
    assert out.read_text() == "previous content"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("how", ["plain", "gzip", "zip"])
def test_no_table_is_in_memory_as_a_whole(tmp_path: Path, how: str) -> None:
    table = TABLE + b"3,7 7 7\n" * 3_000_000
    content = {"plain": table, "gzip": gzip.compress(table, 1), "zip": a_zip(**{"table.csv": table})}[how]
    (tmp_path / "mine").write_bytes(content)
    tracemalloc.start()
    bring_in("emotion", str(tmp_path / "mine"), tmp_path / "emotion.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6 < len(table) / 2
    assert (tmp_path / "emotion.csv").stat().st_size == len(table)


def test_one_image_of_a_folder_is_in_memory_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        (tmp_path / "faces" / "train" / "happy").mkdir(parents=True, exist_ok=True)
        (tmp_path / "faces" / "train" / "happy" / f"{number}.png").write_bytes(PNG)
    written: list[int] = []
    out, real = tmp_path / "emotion.csv", image_folder._pixel_text

    def watched(content: bytes, *given: Any) -> str:
        (temporary,) = tmp_path.glob(".emotion.*")
        written.append(temporary.stat().st_size)
        return real(content, *given) + " 7" * 20_000

    monkeypatch.setattr(image_folder, "_pixel_text", watched)
    bring_in("emotion", str(tmp_path / "faces"), out)
    assert written[0] < written[1] < written[2] < out.stat().st_size


@pytest.mark.parametrize(
    ("folder", "usage"),
    [
        *(("train", "Training"), ("Training", "Training"), ("valid", "PublicTest"), ("VAL", "PublicTest")),
        *(("public_test", "PublicTest"), ("PublicTest", "PublicTest"), ("test", "PrivateTest")),
        ("Private Test", "PrivateTest"),
    ],
)
def test_split_folders_have_several_names(folder: str, usage: str) -> None:
    assert image_folder._usage_and_class(f"above/{folder}/Happy/1.png", "tree") == (usage, "happiness")


@pytest.mark.parametrize(
    ("first", "second", "usages"),
    [
        ("train/happy/1.png", "test/happy/1.png", ["PrivateTest", "Training"]),
        ("a/train/happy/1.png", "b/train/happy/1.png", ["Training", "Training"]),
        ("happy/1.png", "sad/1.png", None),
        ("CK+48/happy/1.png", "CK+48/sad/1.png", None),
        ("train/happy/1.png", "happy/1.png", "tree: happy/1.png is not in <split>/<class name>/; move it there"),
        ("train/happy/1.png", "more/happy/1.png", "more/happy/1.png: the folder more names no split; rename it"),
        ("train_set/happy/1.png", "test_set/happy/1.png", "the folder test_set names no split; rename it"),
        ("happy/1.png", "1.png", "tree: 1.png is not in <class name>/ or <split>/<class name>/; move it there"),
    ],
)
def test_usage_is_written_where_all_class_folders_are_in_splits_and_left_out_where_none_is(
    tmp_path: Path, first: str, second: str, usages: list[str] | str | None
) -> None:
    for name in (first, second):
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(PNG)
    if isinstance(usages, str):
        with pytest.raises(InputError, match=re.escape(usages)):
            bring_in("emotion", str(tmp_path / "tree"), tmp_path / "emotion.csv")
        return
    table = pd.read_csv(bring_in("emotion", str(tmp_path / "tree"), tmp_path / "emotion.csv"))
    assert table["file"].tolist() == sorted((first, second))
    assert ("Usage" in table) == (usages is not None)
    assert usages is None or table["Usage"].tolist() == usages


def test_an_error_while_writing_leaves_only_the_old_file(tmp_path: Path) -> None:
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


def test_an_internal_error_is_not_attributed_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(TABLE)
    with pytest.raises(RecursionError, match="internal"), opened(path):
        raise RecursionError("internal")


def test_the_error_for_an_encrypted_zip_has_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train/happy/1.png", b"image")
    # The first bit of the flags, in the local header and in the central directory.
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine.zip: cannot be unpacked \(.*encrypted.*\); unpack it yourself"):
        bring_in("emotion", str(path), tmp_path / "emotion.csv")
