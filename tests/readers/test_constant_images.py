"""Images without any contrast, and those of 0 and 1 alone: the same reason for files, tables, splits and arrays."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from faces.data.grey_levels import ZERO_OR_ONE
from tasks.data.ingestion import bring_in
from tasks.readers.records import Record, read_records
from tasks.scoring import face_crops
from tasks.scoring.face_crops import crop_faces
from tests.readers.test_bounds import SCORE

CONSTANT = "all pixels have the level {}: no face"
CHESS = np.indices((48, 48)).sum(axis=0).astype(np.uint8) % 2
LEVELS = {
    "black": (0 * CHESS, CONSTANT.format(0)),
    "grey": (0 * CHESS + 128, CONSTANT.format(128)),
    "white": (0 * CHESS + 255, CONSTANT.format(255)),
    "zero and one": (CHESS, ZERO_OR_ONE),
}


def encoded(image: Image.Image, kind: str) -> bytes:
    image.save(buffer := BytesIO(), kind)
    return buffer.getvalue()


def files() -> dict[str, tuple[bytes, str]]:
    """The bytes of picture files, and why they have no face."""
    cases = {f"{name}, PNG": (encoded(Image.fromarray(levels), "PNG"), why) for name, (levels, why) in LEVELS.items()}
    black, two = Image.new("RGB", (48, 48)), Image.fromarray(CHESS)
    palette = Image.fromarray(CHESS, "P")
    palette.putpalette([0, 0, 0, 1, 1, 1])
    return cases | {
        **{f"black, {kind}": (encoded(black, kind), CONSTANT.format(0)) for kind in ("JPEG", "BMP", "WEBP", "GIF")},
        "black, 1 bit": (encoded(Image.new("1", (48, 48)), "PNG"), CONSTANT.format(0)),
        "black, 16 bits": (encoded(Image.fromarray(np.zeros((48, 48), np.uint16)), "PNG"), CONSTANT.format(0)),
        "clear": (encoded(Image.new("RGBA", (48, 48)), "PNG"), CONSTANT.format(255)),
        "zero and one, BMP": (encoded(two, "BMP"), ZERO_OR_ONE),
        "zero and one, TIFF": (encoded(two, "TIFF"), ZERO_OR_ONE),
        "zero and one, RGB": (encoded(two.convert("RGB"), "PNG"), ZERO_OR_ONE),
        "zero and one, opaque": (encoded(two.convert("LA"), "PNG"), ZERO_OR_ONE),
        "zero and one, palette": (encoded(palette, "PNG"), ZERO_OR_ONE),
        "zero and one, inverted": (encoded(Image.fromarray(255 - CHESS), "PNG"), CONSTANT.format("254 or 255")),
    }


@pytest.mark.parametrize("name", files())
def test_a_picture_file_of_one_level_is_skipped_with_the_reason(name: str, tmp_path: Path) -> None:
    content, reason = files()[name]
    for mode in ("auto", "detect", "whole"):
        crops = crop_faces([Record("a.png", 0, content)], mode, SCORE)
        assert crops.skipped[["source", "row", "reason"]].to_numpy().tolist() == [["a.png", 0, reason]]
    (tmp_path / "faces/happy").mkdir(parents=True)
    (tmp_path / "faces/happy/a.png").write_bytes(content)
    row = pd.read_csv(bring_in("emotion", str(tmp_path / "faces"), tmp_path / "out.csv")).iloc[0]
    assert pd.isna(row["pixels"])
    assert row["unreadable"] == reason


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("kind", ["csv", "parquet", "npz"])
def test_a_row_of_one_level_is_skipped_with_the_reason_of_a_picture(name: str, kind: str, tmp_path: Path) -> None:
    levels, reason = LEVELS[name]
    images, path = np.stack([levels, 100 * CHESS]), tmp_path / f"a.{kind}"
    if kind == "npz":
        np.savez(path, images=images, rows=np.arange(1, 3))
    else:
        texts = [" ".join(map(str, image.ravel())) for image in images]
        table = pd.DataFrame({"pixels": texts})
        table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    crops = crop_faces(list(read_records(str(path))), "auto", SCORE)
    assert crops.skipped[["source", "row", "reason"]].to_numpy().tolist() == [[str(path), 1, reason]]
    assert crops.detections["row"].tolist() == [2]


def test_a_constant_photograph_is_judged_before_faces_are_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_crops, "make_detector", lambda settings: pytest.fail("a detector ran"))
    photograph = encoded(Image.new("RGB", (1600, 1200), (40, 40, 40)), "JPEG")
    assert crop_faces([Record("a.jpg", 0, photograph)], "auto", SCORE).skipped["reason"][0] == CONSTANT.format(40)


def test_values_up_to_one_are_read_as_floats_and_refused_as_integers() -> None:
    floats = encoded(Image.fromarray(CHESS.astype(np.float32)), "TIFF")
    images = crop_faces([Record("a.tif", 0, floats)], "auto", SCORE).images["emotion"]
    np.testing.assert_array_equal(images, [255 * CHESS])
