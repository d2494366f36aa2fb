"""An overlay shows the picture that was scored, in its colours and upright, whatever its format."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tasks.plots.annotated_images
from faces.plots.face_grid import POINT_COLOUR
from tasks.common.files import text_of
from tasks.plots.annotated_images import draw_pictures, pictures_of
from tests.plots.scored_folder import SETTINGS, write_scored
from tests.readers.bombs import encoded, heic
from tests.readers.decoder_matrix import png16

RED, GREEN, BLUE = (200, 40, 30), (30, 180, 60), (20, 60, 210)
BOX = (260, 40, 120)
"""In the upper right of the upright picture, of 640x480 pixels."""


def upright() -> Image.Image:
    """Red above, green at the left below, blue at the right below."""
    image = Image.new("RGB", (640, 480), RED)
    image.paste(GREEN, (0, 240, 320, 480))
    image.paste(BLUE, (320, 240, 640, 480))
    return image


def lying(orientation: int) -> tuple[Image.Image, bytes]:
    """The same picture as a camera stores it, and its EXIF data."""
    turns = {6: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_180, 8: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[0x0112] = orientation
    return upright().transpose(turns[orientation]), exif.tobytes()


def rotated(kind: str, orientation: int) -> bytes:
    image, exif = lying(orientation)
    return heic(image, exif=exif) if kind == "HEIC" else encoded(image, kind, exif=exif)


def with_alpha() -> bytes:
    image = upright().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 240, 320, 480))
    return encoded(image, "PNG")


PICTURES = {
    "RGB PNG": lambda: encoded(upright(), "PNG"),
    "JPEG, camera turned": lambda: rotated("JPEG", 6),
    "JPEG, camera upside down": lambda: rotated("JPEG", 3),
    "PNG, camera turned": lambda: rotated("PNG", 8),
    "HEIC, camera turned": lambda: rotated("HEIC", 6),
    "palette": lambda: encoded(upright().quantize(8), "PNG"),
    "GIF": lambda: encoded(upright(), "GIF"),
    "16 bits": lambda: png16(np.asarray(upright()).astype(np.uint16) * 257),
    "alpha": with_alpha,
}


def drawn(tmp_path: Path, content: bytes, name: str = "photo.bin", **columns: Any) -> np.ndarray:
    (tmp_path / name).write_bytes(content)
    out = write_scored(tmp_path / "out", [text_of(str(tmp_path / name))], [BOX], **columns)
    draw_pictures(out, SETTINGS)
    (path,) = (out / "pictures").iterdir()
    with Image.open(path) as image:
        assert image.format == "JPEG"
        return np.asarray(image).astype(int)


@pytest.mark.parametrize("kind", PICTURES)
def test_the_overlay_has_the_colours_and_the_orientation_that_were_scored(kind: str, tmp_path: Path) -> None:
    found = drawn(tmp_path, PICTURES[kind]())
    assert found.shape == (480, 640, 3)
    left = (255, 255, 255) if kind == "alpha" else GREEN
    for colour, (x, y) in ((RED, (40, 100)), (left, (100, 400)), (BLUE, (500, 400))):
        assert np.abs(found[y, x] - colour).max() <= 8, colour
    teal = np.array([0, 0xC2, 0xA8])
    assert POINT_COLOUR == "#00c2a8"
    rows, columns = np.nonzero(np.abs(found - teal).sum(axis=2) < 60)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((40, 160, 260, 380), abs=4)


def test_a_box_is_rotated_by_the_angle_of_the_table(tmp_path: Path) -> None:
    straight = drawn(tmp_path, PICTURES["RGB PNG"]())
    (tmp_path / "more").mkdir()
    tilted = drawn(tmp_path / "more", PICTURES["RGB PNG"](), angle=np.float32(30))
    teal = np.array([0, 0xC2, 0xA8])
    width = [np.ptp(np.nonzero(np.abs(found - teal).sum(axis=2) < 60)[1]) for found in (straight, tilted)]
    assert width[0] == pytest.approx(120, abs=6)
    assert width[1] == pytest.approx(120 * (0.5 + 0.866), abs=6)


def test_names_of_any_kind_give_files_that_any_system_accepts(tmp_path: Path) -> None:
    names = ["a#b%20c?.png", '<script>"x".png', "new\nline.png", "\u202egnp.png", "é" * 100 + ".png", "顔.png"]
    for name in names:
        (tmp_path / name).write_bytes(PICTURES["RGB PNG"]())
    out = write_scored(tmp_path / "out", [text_of(str(tmp_path / name)) for name in names])
    draw_pictures(out, SETTINGS)
    found = sorted(path.name for path in (out / "pictures").iterdir())
    assert len(found) == len(names)
    assert not set("".join(found)) & set("#%?<>\"'\n\u202e /\\")


def test_pictures_that_are_gone_or_changed_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(tasks.plots.annotated_images, "log", lines.append)
    (tmp_path / "good.png").write_bytes(PICTURES["RGB PNG"]())
    (tmp_path / "changed.png").write_bytes(b"now a text")
    (tmp_path / "emptied.png").write_bytes(b"")
    gone = [str(tmp_path / f"{number}.png") for number in range(20)]
    sources = [str(tmp_path / f"{name}.png") for name in ("changed", "emptied", "good")]
    out = write_scored(tmp_path / "out", [*sources, *gone])
    draw_pictures(out, SETTINGS)
    assert [path.name for path in (out / "pictures").iterdir()] == ["0003-good.jpg"]
    refused = [line for line in lines if "not drawn" in line]
    assert refused[0].endswith(
        "changed.png: not drawn (is a text file; only jpg, png, webp, bmp, tiff, gif, avif and heic are read)"
    )
    assert refused[1].endswith("emptied.png: not drawn (is empty)")
    assert refused[-1] == "10 more images not drawn"
    assert len(refused) == 13


def test_pictures_are_drawn_at_the_same_time_and_large_ones_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.plots.annotated_images.os, "cpu_count", lambda: 3)
    together = threading.Barrier(3, timeout=20)
    annotate, running, most = tasks.plots.annotated_images.annotate, [0], [0]

    def waiting(*args: Any) -> np.ndarray:
        together.wait()
        return annotate(*args)

    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(PICTURES["RGB PNG"]())
    out = write_scored(tmp_path / "out", [str(tmp_path / f"{number}.png") for number in range(3)])
    with monkeypatch.context() as during:
        during.setattr(tasks.plots.annotated_images, "annotate", waiting)
        draw_pictures(out, SETTINGS)
    assert len(list((out / "pictures").iterdir())) == 3

    def counted(*args: Any) -> np.ndarray:
        running[0] += 1
        most[0] = max(most[0], running[0])
        try:
            return annotate(*args)
        finally:
            running[0] -= 1

    monkeypatch.setattr(tasks.plots.annotated_images, "annotate", counted)
    monkeypatch.setattr(tasks.plots.annotated_images, "LARGE_PIXELS", 1000)
    again = write_scored(tmp_path / "again", [str(tmp_path / f"{number}.png") for number in range(3)])
    draw_pictures(again, SETTINGS)
    assert most == [1]


def test_rows_of_tables_have_no_picture_and_faces_of_one_image_share_one(tmp_path: Path) -> None:
    out = write_scored(tmp_path / "out", ["faces.csv", "b.png", "a.png", "b.png"], row=[3, 0, 0, 0])
    found = pictures_of(out)
    assert [(picture.source, len(picture.faces), picture.path.name) for picture in found] == [
        ("b.png", 2, "0001-b.jpg"),
        ("a.png", 1, "0002-a.jpg"),
    ]
