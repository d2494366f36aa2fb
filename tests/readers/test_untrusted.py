"""Untrusted images: only the named formats are decoded, within bounds, and a bad image is one skipped record."""

import errno
import os
import re
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import tasks.readers.images
import tasks.scoring.batch
from tasks.common.files import InputError
from tasks.common.parquet_pages import row_groups
from tasks.common.walking import LeftOut
from tasks.data.ingestion import bring_in
from tasks.models.approved_models import ApprovedModels
from tasks.readers.images import MAX_SIDE, grey_levels
from tasks.readers.layouts import files_of
from tasks.readers.records import read_records
from tasks.readers.sources import UnreadableInput, content_of, find_sources
from tasks.scoring.face_crops import crop_faces
from tests.readers.bombs import (
    GREY,
    SOFT,
    claiming,
    encoded,
    gif_of_a_frame,
    heic,
    ihdr,
    inflating,
    jpeg_of_scans,
    png,
    tiff_of_a_tile,
    tiff_of_tags,
    webp_of_a_canvas,
)
from tests.readers.fuzz_seeds import images, zipped
from tests.scoring.test_batch import approved, scored, settings, skipped, stub_outputs

__all__ = ["approved"]
MAX_IMAGE_PIXELS = 10**8
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF\n"
READ = "jpg, png, webp, bmp, tiff, gif, avif and heic"


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: stub_outputs)


def other_formats() -> dict[str, bytes]:
    """Formats that Pillow or OpenCV decode, but the project does not."""
    colour, kinds = SOFT.convert("RGB"), ("PPM", "TGA", "DDS", "PCX", "SGI", "ICO", "JPEG2000", "QOI")
    return {kind: encoded(colour, kind) for kind in kinds} | {
        "EPS": EPS,
        "WMF": b"\xd7\xcd\xc6\x9a\0\0" + bytes(16) + b"\x01\0\x09\0" + bytes(80),
        "FITS": b"SIMPLE  =                    T" + b" " * 2850,
        "HDR": cv2.imencode(".hdr", np.full((48, 48, 3), 0.5, np.float32))[1].tobytes(),
    }


@pytest.fixture
def ghostscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake `gs` on the PATH; the path of the file that it creates when it runs."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gs").write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\nexit 1\n")
    (tmp_path / "bin/gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path / "ran"


@pytest.mark.parametrize("name", ["face.jpg", "face.png", "face.eps", "face"])
def test_other_formats_are_refused_under_any_file_name(
    name: str, approved: ApprovedModels, ghostscript: Path, tmp_path: Path
) -> None:
    for kind, content in other_formats().items():
        folder = tmp_path / "in" / kind
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
    scored(tmp_path / "in", approved, tmp_path / "out")
    reasons = pd.read_parquet(tmp_path / "out/skipped.parquet")["reason"].tolist()
    assert len(reasons) == len(other_formats())
    named = f"is (a|an) .*; only {READ} are read|is not an image of the formats {READ}"
    assert [reason for reason in reasons if not re.fullmatch(named, reason)] == []
    assert not ghostscript.exists()


def test_pillow_itself_would_start_ghostscript(ghostscript: Path) -> None:
    """Otherwise the test above would prove nothing."""
    with pytest.raises(Exception, match="gs"), Image.open(BytesIO(EPS)) as image:
        image.load()
    assert ghostscript.exists()


def tree_of(images: dict[str, bytes], folder: Path, packed: bool) -> str:
    for name, content in images.items():
        (folder / "tree/train/happy").mkdir(parents=True, exist_ok=True)
        (folder / "tree/train/happy" / name).write_bytes(content)
    if not packed:
        return str(folder / "tree")
    with zipfile.ZipFile(folder / "tree.zip", "w") as archive:
        for path in (folder / "tree").rglob("*.*"):
            archive.write(path, path.relative_to(folder / "tree"))
    return str(folder / "tree.zip")


@pytest.mark.parametrize("packed", [False, True])
def test_a_bad_image_in_a_training_folder_is_an_empty_cell(packed: bool, ghostscript: Path, tmp_path: Path) -> None:
    bad = {f"{kind}.png": content for kind, content in other_formats().items()}
    for kind, seeds in images().items():
        # OpenCV fills in the rest of a truncated JPEG.
        bad[f"truncated {kind}.jpg"] = seeds[0][: len(seeds[0]) // 3]
    source = tree_of(bad | {"good.png": encoded(SOFT, "PNG"), "empty.png": b""}, tmp_path, packed)
    table = pd.read_csv(bring_in("emotion", source, tmp_path / "raw.csv"), keep_default_na=False, index_col="file")
    cells, reasons = table["pixels"].to_dict(), table["unreadable"].to_dict()
    assert reasons.pop("train/happy/good.png") == ""
    assert all(reason.startswith("is ") for reason in reasons.values())
    good = cells.pop("train/happy/good.png")
    assert good == " ".join(map(str, np.asarray(SOFT).ravel().tolist()))
    assert len(cells) == len(bad) + 1
    assert set(cells.values()) == {""}
    assert not ghostscript.exists()


def test_a_large_image_in_a_training_folder_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: object) -> None:
        raise AssertionError("decoded")

    large = {
        "a.png": png(60000, 60000, rows=bytes(999)),
        "b.png": webp_of_a_canvas(16384),
        "c.png": gif_of_a_frame(65535),
    }
    monkeypatch.setattr(tasks.readers.images, "_opaque", never)
    monkeypatch.setattr(Image.Image, "load", never)
    raw = bring_in("emotion", tree_of(large, tmp_path, False), tmp_path / "raw.csv")
    sizes = ["60000x60000", "16384x16384", "65535x65535"]
    reasons = [f"{size} pixels are more than 16,777,216; make it smaller" for size in sizes]
    assert pd.read_csv(raw)["unreadable"].tolist() == reasons


def test_a_pipe_in_a_training_folder_is_an_empty_cell(tmp_path: Path) -> None:
    """Opening a pipe would wait forever."""
    source = tree_of({"good.png": encoded(SOFT, "PNG")}, tmp_path, False)
    os.mkfifo(tmp_path / "tree/train/happy/pipe.png")
    table = pd.read_csv(bring_in("emotion", source, tmp_path / "raw.csv"), keep_default_na=False)
    assert table.loc[table["pixels"] == "", "file"].tolist() == ["train/happy/pipe.png"]


GREY_PNG = encoded(GREY, "PNG")


def lost_bytes() -> bytes:
    """A zip whose member starts before the zip does."""
    archive = zipped({"fer2013.csv": b"emotion,pixels\n0,1 2\n"})
    return archive[:10] + archive[20:]


def corrupt_bzip2() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("fer2013.csv", "emotion,pixels\n0,1 2\n" * 99)
    return buffer.getvalue().replace(b"BZh9", b"BZhX")


@pytest.mark.parametrize("make", [lost_bytes, corrupt_bzip2])
@pytest.mark.parametrize("model_name", ["emotion", "keypoints"])
def test_a_corrupt_archive_is_named(make: Callable[[], bytes], model_name: str, tmp_path: Path) -> None:
    """Python's own readers raise a bare OSError for these."""
    (tmp_path / "a.zip").write_bytes(make())
    with pytest.raises(InputError, match=r"a.zip: .*cannot be unpacked"):
        bring_in(model_name, str(tmp_path / "a.zip"), tmp_path / "raw.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "tags that all point at the same bytes": (
        lambda: tiff_of_tags(2000, 1_000_000),
        "its tags are larger than the file",
    ),
    "more tags than allowed": (lambda: tiff_of_tags(5000, 1), "has more than 4,096 tags"),
    "a tile much larger than its image": (lambda: tiff_of_a_tile(12000), "a tile of 12000x12000 pixels"),
    "scans without end": (lambda: jpeg_of_scans(64, 200), "has more than 100 scans"),
    "profiles without end": (lambda: png(64, 64, *inflating(b"iCCP", 1000)), "or 16 colour profiles"),
    "texts without end": (lambda: png(64, 64, *inflating(b"zTXt", 1000)), "Too much memory used in text chunks"),
    "two sizes": (lambda: png(48, 48, before=ihdr(60000, 60000)), "its header is not its first chunk"),
    "a chunk larger than its file": (lambda: GREY_PNG[:33] + b"\x7f" + GREY_PNG[34:], "a chunk is larger"),
    "a frame larger than its image": (lambda: gif_of_a_frame(65535), "65535x65535 pixels are more than"),
    "a canvas larger than its frame": (lambda: webp_of_a_canvas(16384), "16384x16384 pixels are more than"),
    "an AVIF that claims a large image": (
        lambda: claiming(20_000, encoded(SOFT, "AVIF"), 48),
        "20000x20000 pixels are more than",
    ),
    "a HEIC that claims a large image": (
        lambda: claiming(12_000, heic(SOFT.resize((64, 64))), 64),
        "12000x12000 pixels are more than",
    ),
    "a HEIC of a larger image": (
        lambda: claiming(64, heic(Image.new("L", (512, 512))), 512),
        "Security limit exceeded: Image size 512x512",
    ),
    "one long side": (lambda: png(MAX_SIDE + 1, 20), "32767x20 pixels: a side over 32,766"),
    "no number among reals": (
        lambda: encoded(Image.fromarray(np.full((20, 20), np.nan, np.float32)), "TIFF"),
        "has pixels that are NaN or infinite",
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_they_are_decoded(name: str) -> None:
    make, reason = BOMBS[name]
    with pytest.raises(UnreadableInput, match=reason):
        grey_levels(make(), MAX_IMAGE_PIXELS)


def test_the_scans_of_a_jpeg_are_counted_to_its_end_marker() -> None:
    """Phones append a second image or a video, which may contain any bytes."""
    seen = grey_levels(encoded(SOFT, "JPEG", progressive=True) + b"\xff\xda" * 500, MAX_IMAGE_PIXELS)
    assert seen.shape == (48, 48)


@pytest.mark.parametrize("kind", images())
def test_every_named_format_is_read_in_all_its_variants(kind: str) -> None:
    for content in images()[kind]:
        image = grey_levels(content, MAX_IMAGE_PIXELS)
        assert (image.shape, image.dtype) == ((48, 48), np.uint8)
        # The noise or the slope, rotated by its EXIF tag, or a flat image.
        likeness = [np.corrcoef(image.ravel(), one.ravel())[0, 1] for one in shown()] if image.std() else [1.0]
        assert max(likeness) > 0.7


def shown() -> Iterator[np.ndarray]:
    for array in (np.asarray(GREY), np.asarray(GREY.convert("1")), np.asarray(SOFT)):
        yield array
        yield np.rot90(array, -1)
    yield np.add.outer(-np.arange(48), np.zeros(48))  # of the run lengths


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    """Three images; the second one has another size."""
    (tmp_path / "in").mkdir()
    for name, side in (("a", 48), ("b", 50), ("c", 48)):
        (tmp_path / f"in/{name}.png").write_bytes(encoded(SOFT.resize((side, side)), "PNG"))
    return tmp_path / "in"


def failing(error: BaseException) -> Callable:
    def opaque(image: Image.Image, samples: object) -> Image.Image:
        if image.size == (50, 50):
            raise error
        return image

    return opaque


CONTENT = (OverflowError, RuntimeError, NotImplementedError, AttributeError, KeyError, AssertionError, RecursionError)


@pytest.mark.parametrize("error", [*(kind("odd") for kind in CONTENT), OSError("image file is truncated")], ids=repr)
def test_any_error_of_a_decoder_is_one_skipped_record(
    error: Exception, batch: Path, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.readers.images, "_opaque", failing(error))
    assert len(scored(batch, approved, tmp_path / "out")) == 2
    (reason,) = skipped(tmp_path / "out").values()
    assert reason.startswith("is truncated or corrupt (")


OURS = [OSError(number, "ours") for number in (errno.ENOSPC, errno.EMFILE, errno.EIO, errno.ENOMEM)]


@pytest.mark.parametrize("error", [*OURS, MemoryError(), KeyboardInterrupt()], ids=repr)
def test_a_fault_of_the_machine_ends_the_run_and_the_next_run_scores_everything(
    error: BaseException, batch: Path, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(tasks.readers.images, "_opaque", failing(error))
        with pytest.raises(type(error)):
            scored(batch, approved, tmp_path / "out")
        assert not (tmp_path / "out/predictions.parquet").exists()
        assert not (tmp_path / "out/skipped.parquet").exists()
    assert len(scored(batch, approved, tmp_path / "out")) == 3
    assert skipped(tmp_path / "out") == {}


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
@pytest.mark.parametrize("name", ["a.png", "a.csv"])
def test_a_file_that_the_machine_cannot_open_is_not_skipped(
    number: int, name: str, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text("emotion,pixels\n")
    score_settings = settings()

    def full(self: Path, *given: object, **named: object) -> None:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match=os.strerror(number)):
        crop_faces(list(read_records(str(tmp_path / name))), "whole", score_settings)


def test_an_error_of_the_detector_is_one_skipped_record(
    batch: Path, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of 16 x 30,000 pixels has no rows left at the detector's size."""
    (batch / "b.png").write_bytes(encoded(Image.fromarray(np.tile(np.array([0, 90], np.uint8), (16, 15_000))), "PNG"))
    scored(batch, approved, tmp_path / "out", mode="detect", detector_max_px=300)
    reasons = skipped(tmp_path / "out")
    assert reasons["b.png:0"].startswith("face detection failed (")
    assert reasons["a.png:0"].startswith("no face found")


def test_the_box_around_a_long_image_is_bounded_too(batch: Path, approved: ApprovedModels, tmp_path: Path) -> None:
    """The box around an image of 16 x 30,000 pixels has 30,000 x 30,000."""
    (batch / "b.png").write_bytes(encoded(Image.fromarray(np.tile(np.array([0, 90], np.uint8), (16, 15_000))), "PNG"))
    assert len(scored(batch, approved, tmp_path / "out", mode="whole")) == 2
    assert skipped(tmp_path / "out")["b.png:0"].startswith("the square box around it has more pixels than")


class Answers(BaseHTTPRequestHandler):
    """Answers `/404.png` with 404, `/drop.png` with nothing, and `/good.png` with an image."""

    def do_GET(self) -> None:
        asked = Path(self.path).stem
        if asked == "drop":
            self.connection.close()
            return
        content = encoded(SOFT, "PNG") if asked == "good" else b""
        self.send_response(200 if asked == "good" else int(asked))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def host() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_refused_address_is_a_skipped_record(host: str, approved: ApprovedModels, tmp_path: Path) -> None:
    given = [f"{host}/{name}" for name in ("404.png", "403.png", "good.png", "404.parquet", "403.csv")]
    assert len(scored(given, approved, tmp_path / "out")) == 1
    reasons = skipped(tmp_path / "out")
    assert len(reasons) == 4
    assert all(name[:3] in reason for name, reason in reasons.items())


@pytest.mark.parametrize("name", ["drop.png", "503.png", "503.csv", "drop.parquet"])
def test_a_host_that_does_not_answer_ends_the_run(
    name: str, host: str, approved: ApprovedModels, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"{name}: cannot be reached \(.*\); run the same again"):
        scored([f"{host}/good.png", f"{host}/{name}"], approved, tmp_path / "out")
    assert not (tmp_path / "out/skipped.parquet").exists()


def test_a_closed_port_and_an_unknown_host_are_unreachable(host: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        port = server.server_port
    for address in (f"http://127.0.0.1:{port}/a.png", "http://nowhere.invalid/a.png"):
        with pytest.raises(InputError, match="cannot be reached"):
            content_of(address)


def test_an_address_of_an_unknown_protocol_is_refused_before_any_work() -> None:
    with pytest.raises(InputError, match=r"nosuch://a.png: cannot be searched \(ValueError: Protocol not known"):
        find_sources(["nosuch://a.png"])


def test_a_nameless_entry_of_a_zip_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"")
        archive.writestr("folder/", b"")
        archive.writestr("x", b"")
    with zipfile.ZipFile(path) as archive:
        archive.getinfo("x").filename = ""
        walk = files_of(archive)
    assert walk.files == ["a.png"]
    assert walk.left_out == [LeftOut("", "without a name")]


@pytest.mark.parametrize("field", [b"\x45\x02", b"\x49\x15\x02"], ids=["a number", "a list of numbers"])
def test_row_groups_that_are_no_structs_are_corrupt(field: bytes) -> None:
    """The fourth field of a footer, in Thrift's compact protocol, is of another type than a list of structs."""
    footer = field + b"\x00"
    with pytest.raises(InputError, match="is truncated or corrupt"):
        row_groups(BytesIO(b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"))
