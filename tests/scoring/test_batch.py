"""Any sources become one table and one list of what has no face, whatever the shards, the kills and the bad files."""

import gzip
import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

import params
import tasks.readers.records
import tasks.scoring.batch
from faces.common.schema import COORDINATES
from faces.models.tta import Inference
from faces.scoring.drift import Reference
from faces.scoring.face_crops import taken_out
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import Judged
from tasks.readers.sources import sources_of
from tasks.scoring.annotated_images import count_scored, draw_pictures, write_csv
from tasks.scoring.batch import finish_run, score_sources
from tasks.scoring.drift_check import watch_drift
from tasks.scoring.report import faces_of, write_page
from tasks.scoring.shards import WORK
from tests.conftest import ROOT

CLASSES = ["anger", "sad", "happiness"]
CORNERS = ((30, 40), (330, 70), (640, 30))
SIDE = 160


def said_of(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Something of each face that depends on all of its pixels, and on no other face."""
    grey = faces["emotion"].reshape(-1, 48 * 48).astype(float)
    logits = np.stack([grey.mean(axis=1), grey.std(axis=1) * 2, grey[:, ::7].mean(axis=1)], axis=1) / 40
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    points = np.tile(np.linspace(20, 70, 30).reshape(15, 2), (len(grey), 1, 1))
    return {"emotion": shares, "keypoints": points + faces["keypoints"].mean(axis=(1, 2))[:, None, None] / 100}


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.scoring.batch, "predictor_of", lambda paths, inference: said_of)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    folder = tmp_path_factory.mktemp("networks")
    paths = {head: folder / f"{head}.keras" for head in ("keypoints", "emotion")}
    for head, path in paths.items():
        path.write_text(head)
    return Judged(paths, dict.fromkeys(paths, Inference(False)), CLASSES)


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return draw_faces(np.random.default_rng(5), np.arange(12) % 5, SIDE, KEYPOINTS_FRAMING)[0]


@pytest.fixture
def scene(faces: np.ndarray) -> np.ndarray:
    photograph = np.full((260, 900), 150, np.uint8)
    for face, (left, top) in zip(faces, CORNERS, strict=False):
        photograph[top : top + SIDE, left : left + SIDE] = face
    return photograph


@pytest.fixture
def sources(tmp_path: Path, faces: np.ndarray, scene: np.ndarray) -> Path:
    """A folder of a photograph, crops, a CSV, a Parquet table, and some that are none of these."""
    folder = tmp_path / "in"
    (folder / "crops").mkdir(parents=True)
    cv2.imwrite(str(folder / "a scene.jpg"), scene)
    crops = [cv2.resize(face, (96, 96), interpolation=cv2.INTER_AREA) for face in faces]
    for number, crop in enumerate(crops):
        cv2.imwrite(str(folder / f"crops/{number:02}.png"), crop)
    (folder / "crops/empty.png").touch()
    small = [" ".join(map(str, cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA).ravel())) for crop in crops]
    pd.DataFrame({"emotion": 0, "pixels": [*small[:4], "1 2 3", *small[4:]]}).to_csv(folder / "faces.csv", index=False)
    encoded = [cv2.imencode(".png", crop)[1].tobytes() for crop in crops]
    pd.DataFrame({"image": [*encoded, b"nothing", None]}).to_parquet(folder / "faces.parquet")
    return folder


def settings(**changes: object) -> params.Score:
    return params.load(ROOT / "params.yaml").score.model_copy(update=changes)


def scored(given: Path | list[str], judged: Judged, out: Path, how: str = "auto", **changes: object) -> pd.DataFrame:
    names = sources_of([str(given)] if isinstance(given, Path) else given)
    path = score_sources(names, judged, "v1.0.0", how, settings(**changes), out)
    finish_run(out)
    return pd.read_parquet(path)


def skipped(out: Path) -> dict[str, str]:
    """Reasons by file name and row."""
    table = pd.read_parquet(out / "skipped.parquet")
    return {f"{Path(s).name}:{row}": reason for s, row, reason in table.itertuples(index=False)}


def same_bytes(one: Path, other: Path) -> bool:
    table, second = (pd.read_parquet(out / "predictions.parquet") for out in (one, other))
    pd.testing.assert_frame_equal(table, second, check_exact=True)
    return all(sha256(one / name) == sha256(other / name) for name in ("predictions.parquet", "skipped.parquet"))


def test_every_source_and_row_comes_out_once(sources: Path, judged: Judged, tmp_path: Path) -> None:
    table = scored(sources, judged, tmp_path / "out")
    counts = table.groupby(table["source"].map(lambda name: Path(name).suffix)).size().to_dict()
    assert counts == {".jpg": 3, ".png": 12, ".csv": 12, ".parquet": 12}
    assert set(skipped(tmp_path / "out")) == {"empty.png:0", "faces.csv:5", "faces.parquet:13", "faces.parquet:14"}
    csv = table[table["source"].str.endswith("csv")]
    assert csv["row"].tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13]
    assert not (tmp_path / "out" / WORK).exists()
    assert set(table["version"]) == {"v1.0.0"}
    assert set(table["emotion_sha256"]) == {sha256(judged.paths["emotion"])}
    sums = table[[f"probability_{name}" for name in CLASSES]].sum(axis=1)
    np.testing.assert_allclose(sums, 1, atol=1e-6)
    assert set(table["emotion"]) <= set(CLASSES)
    assert (table["abstained"] == (table["confidence"] < 0.4)).all()


def test_a_face_is_told_of_alike_however_it_comes(sources: Path, judged: Judged, tmp_path: Path) -> None:
    table = scored(sources, judged, tmp_path / "out")
    columns = ["confidence", *COORDINATES, "left", "top", "side"]
    crops = table[table["source"].str.endswith("png")][columns].to_numpy()
    rows = table[table["source"].str.endswith("parquet")][columns].to_numpy()
    np.testing.assert_array_equal(crops, rows)


def test_faces_of_a_photograph_have_places_in_its_pixels(sources: Path, judged: Judged, tmp_path: Path) -> None:
    table = scored(sources / "a scene.jpg", judged, tmp_path / "out").sort_values("left")
    assert sorted(table["face"]) == [1, 2, 3]
    middles = table[["left", "top"]].to_numpy() + table[["side"]].to_numpy() / 2
    np.testing.assert_allclose(middles, np.array(CORNERS) + SIDE / 2, atol=30)
    points = table[list(COORDINATES)].to_numpy().reshape(-1, 15, 2)
    low, side = table[["left", "top"]].to_numpy(), table["side"].to_numpy()
    # The stub's points are at 20 to 72 of 96 pixels of the square.
    inside = (points - low[:, None]) / side[:, None, None]
    assert (inside > 0.2).all()
    assert (inside < 0.8).all()
    assert (table["detection_score"] > 0).all()


def test_how_pictures_are_taken_can_be_said(sources: Path, judged: Judged, tmp_path: Path) -> None:
    whole = scored(sources / "a scene.jpg", judged, tmp_path / "whole", how="whole")
    assert whole[["left", "top", "side"]].to_numpy().tolist() == [[0, -320, 900]]
    assert whole["detection_score"].isna().all()
    found = scored(sources / "crops", judged, tmp_path / "found", how="detect")
    assert found["detection_score"].notna().all()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_table_does_not_depend_on_the_shards(sources: Path, judged: Judged, tmp_path: Path, size: int) -> None:
    for name, items in (("some", size), ("five", 5)):
        scored(sources, judged, tmp_path / name, shard_items=items)
    assert same_bytes(tmp_path / "some", tmp_path / "five")


def test_the_table_does_not_depend_on_the_shards_bytes(
    sources: Path, judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(sources, judged, tmp_path / "one")
    monkeypatch.setattr(tasks.readers.records, "SHARD_BYTES", 20_000)
    scored(sources, judged, tmp_path / "many")
    assert same_bytes(tmp_path / "one", tmp_path / "many")


def test_a_run_that_stopped_goes_on_and_scores_nothing_twice(
    sources: Path, judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(sources, judged, tmp_path / "whole", shard_items=3)
    seen: list[int] = []

    def failing(at: int) -> Callable:
        def predict(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            if len(seen) == at:
                raise KeyboardInterrupt
            seen.append(len(faces["emotion"]))
            return said_of(faces)

        return predict

    for at in (0, 2, 7):
        monkeypatch.setattr(tasks.scoring.batch, "predictor_of", lambda paths, inference, at=at: failing(at))
        with pytest.raises(KeyboardInterrupt):
            scored(sources, judged, tmp_path / "out", shard_items=3)
        assert not (tmp_path / "out/predictions.parquet").exists()
    monkeypatch.setattr(tasks.scoring.batch, "predictor_of", lambda paths, inference: failing(-1))
    scored(sources, judged, tmp_path / "out", shard_items=3)
    assert same_bytes(tmp_path / "out", tmp_path / "whole")
    assert sum(seen) == len(pd.read_parquet(tmp_path / "out/predictions.parquet"))


def test_what_is_there_is_not_written_over(
    sources: Path, judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(sources / "crops", judged, tmp_path / "out")
    with pytest.raises(InputError, match=r"out: is there already; name another folder"):
        scored(sources / "crops", judged, tmp_path / "out")

    def interrupted(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks.scoring.batch, "predictor_of", lambda paths, inference: interrupted)
    with pytest.raises(KeyboardInterrupt):
        scored(sources / "crops", judged, tmp_path / "other")
    with pytest.raises(InputError, match="a run that was asked otherwise stopped there"):
        scored(sources / "crops", judged, tmp_path / "other", min_confidence=0.9)


def test_a_table_s_columns_are_there_without_a_face(judged: Judged, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    table = scored(tmp_path / "empty.png", judged, tmp_path / "out")
    assert table.empty
    assert [*table.columns[7:9], *table.columns[-3:]] == [
        "emotion",
        "confidence",
        "version",
        "keypoints_sha256",
        "emotion_sha256",
    ]
    kinds = pq.read_schema(tmp_path / "out/predictions.parquet")
    assert str(kinds.field("emotion").type) == "string"
    assert str(kinds.field("nose_tip_x").type) == "float"


def test_a_batch_is_counted_whatever_is_in_it(sources: Path, judged: Judged, tmp_path: Path) -> None:
    for given in (sources, sources / "faces.csv", sources / "crops/00.png", sources / "crops/empty.png"):
        out = tmp_path / f"of {given.name}"
        scored(given, judged, out)
        count_scored(out)
        draw_pictures(out, settings())
        write_csv(out)
    assert len(pd.read_csv(tmp_path / "of faces.csv/predictions.csv")) == 12
    assert sorted(path.name for path in (tmp_path / "of in/pictures").iterdir())[:2] == [
        "0001-a_scene.png",
        "0002-00.png",
    ]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is large: a decompression bomb, as far as its reader can tell."""
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    about = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", about) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bad_pictures() -> dict[str, tuple[bytes, str]]:
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8))
    jpeg, png, gif = (encoded(grey, kind) for kind in ("JPEG", "PNG", "GIF"))
    return {
        "zero bytes": (b"", "is empty"),
        "text": (b"hello", "is no picture"),
        "half a jpeg": (jpeg[: len(jpeg) // 2], "is cut off or spoilt"),
        "half a png": (png[: len(png) // 2], "is cut off or spoilt"),
        "half a gif": (gif[: len(gif) // 2], "is cut off or spoilt"),
        "a jpeg's first bytes": (jpeg[:20], "is (no picture|cut off)"),
        "one pixel": (encoded(Image.new("L", (1, 1)), "PNG"), "1x1 pixels: too small"),
        "very wide": (encoded(Image.new("L", (3000, 2)), "PNG"), "3000x2 pixels: too small"),
        "twenty thousand square": (png_claiming(20_000, 20_000), "20000x20000 pixels are more than score.most_pixels"),
        "a bomb": (png_claiming(2**31 - 1, 2**31 - 1), r"\d+x\d+ pixels are more than score.most_pixels"),
        "no face": (encoded(Image.new("L", (300, 300), 90), "PNG"), "no face was found"),
        "a program": (b"\x7fELF" + bytes(200), "is no picture"),
        "a vector graphic": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture"),
    }


@pytest.mark.parametrize("name", bad_pictures())
def test_a_bad_picture_is_a_row_with_the_reason_and_the_rest_goes_on(
    name: str, scene: np.ndarray, judged: Judged, tmp_path: Path
) -> None:
    content, reason = bad_pictures()[name]
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "bad.jpg").write_bytes(content)
    cv2.imwrite(str(folder / "good.png"), scene)
    assert len(scored(folder, judged, tmp_path / "out")) == 3
    (told,) = skipped(tmp_path / "out").values()
    assert re.match(reason, told), told


def good_pictures() -> dict[str, Callable[[Image.Image], bytes]]:
    return {
        "grey png": lambda it: encoded(it, "PNG"),
        "colour jpeg": lambda it: encoded(it.convert("RGB"), "JPEG", quality=95),
        "cmyk jpeg": lambda it: encoded(it.convert("RGB").convert("CMYK"), "JPEG", quality=95),
        "webp": lambda it: encoded(it, "WEBP", quality=95),
        "bmp": lambda it: encoded(it, "BMP"),
        "tiff": lambda it: encoded(it, "TIFF"),
        "16 bits png": lambda it: encoded(Image.fromarray(np.asarray(it).astype(np.uint16) * 257), "PNG"),
        "16 bits tiff": lambda it: encoded(Image.fromarray(np.asarray(it).astype(np.uint16) * 257), "TIFF"),
        "palette gif": lambda it: encoded(it.convert("P"), "GIF"),
        "animated gif": lambda it: encoded(it, "GIF", save_all=True, append_images=[Image.new("L", it.size)]),
        "animated webp": lambda it: encoded(
            it.convert("RGB"), "WEBP", save_all=True, append_images=[Image.new("RGB", it.size)], quality=95
        ),
        "opaque alpha": lambda it: encoded(it.convert("RGBA"), "PNG"),
        "grey with alpha": lambda it: encoded(it.convert("LA"), "PNG"),
    }


@pytest.mark.parametrize("name", good_pictures())
def test_every_kind_of_picture_shows_the_same_faces(
    name: str, scene: np.ndarray, judged: Judged, tmp_path: Path
) -> None:
    (tmp_path / "picture").write_bytes(good_pictures()[name](Image.fromarray(scene)))
    table = scored(tmp_path / "picture", judged, tmp_path / "out").sort_values("left")
    middles = table[["left", "top"]].to_numpy() + table[["side"]].to_numpy() / 2
    np.testing.assert_allclose(middles, np.array(CORNERS) + SIDE / 2, atol=30)


def test_what_is_transparent_is_white(judged: Judged) -> None:
    from tasks.readers.images import grey_levels

    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert (grey_levels(encoded(clear, "PNG"), 10_000) == 255).all()


def test_a_lying_photograph_is_turned_upright(scene: np.ndarray, judged: Judged, tmp_path: Path) -> None:
    """Orientation 6: to be turned right by 90 degrees; faces that lie are not found."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(np.rot90(scene))
    (tmp_path / "upright.jpg").write_bytes(encoded(lying, "JPEG", exif=exif, quality=95))
    assert len(scored(tmp_path / "upright.jpg", judged, tmp_path / "out")) == 3


def test_names_of_any_kind_are_kept(scene: np.ndarray, judged: Judged, tmp_path: Path) -> None:
    folder = tmp_path / "Fotos für [Ärzte]"
    folder.mkdir()
    names = ["two words.png", "line\nbreak.png", "visage é 顔.png", "pattern*[a].png", "-option.png"]
    for name in names:
        Image.fromarray(scene).save(folder / name)
    table = scored(folder, judged, tmp_path / "out")
    assert {Path(source).name for source in table["source"]} == set(names)
    assert len(scored([str(folder / names[3])], judged, tmp_path / "one")) == 3


def test_a_name_that_is_no_text_is_written_so_that_it_is(scene: np.ndarray, judged: Judged, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    content = encoded(Image.fromarray(scene), "PNG")
    for name, what in ((b"caf\xe9.png", content), (b"\xff.png", b"")):
        with open(os.path.join(os.fsencode(folder), name), "wb") as handle:
            handle.write(what)
    table = scored(folder, judged, tmp_path / "out")
    draw_pictures(tmp_path / "out", settings())
    assert {Path(source).name for source in table["source"]} == {"caf\\xe9.png"}
    assert list(skipped(tmp_path / "out")) == ["\\xff.png:0"]
    assert [path.name for path in (tmp_path / "out/pictures").iterdir()] == ["0001-caf_xe9.png"]


def test_links_that_lead_nowhere_or_in_circles_are_told(scene: np.ndarray, judged: Judged, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(scene).save(folder / "good.png")
    (folder / "circle").symlink_to(folder)
    (folder / "itself.png").symlink_to(folder / "itself.png")
    (folder / "nowhere.png").symlink_to(folder / "absent.png")
    (folder / ".hidden.png").write_text("hidden")
    os.mkfifo(folder / "pipe.png")
    assert len(scored(folder, judged, tmp_path / "out")) == 3
    told = skipped(tmp_path / "out")
    assert "cannot be read (Too many levels of symbolic links)" in told["itself.png:0"]
    assert "cannot be read (No such file or directory)" in told["nowhere.png:0"]
    assert told["pipe.png:0"] == "is no regular file"
    assert len(told) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(scene: np.ndarray, judged: Judged, tmp_path: Path) -> None:
    Image.fromarray(scene).save(tmp_path / "closed.png")
    (tmp_path / "closed.png").chmod(0)
    scored(tmp_path / "closed.png", judged, tmp_path / "out")
    assert skipped(tmp_path / "out")["closed.png:0"] == "cannot be read (Permission denied)"


def bad_tables() -> dict[str, tuple[str, bytes, str]]:
    return {
        "no pixels": ("t.csv", b"a,b\n1,2\n", "has neither a column pixels"),
        "no row": ("t.csv", b"emotion,pixels\n", "there is a header but no row"),
        "empty": ("t.csv", b"", "the file is empty"),
        "too many cells": ("t.csv", b"emotion,pixels\n1,2,3\n", "a row has more cells than the header"),
        "not gzip to its end": ("t.csv.gz", gzip.compress(b"emotion,pixels\n0,1 2\n" * 99)[:-9], "cannot be unpacked"),
        "no parquet": ("t.parquet", b"PAR1 and nothing", "Parquet"),
    }


@pytest.mark.parametrize("name", bad_tables())
def test_a_bad_table_is_told_and_the_rest_goes_on(name: str, scene: np.ndarray, judged: Judged, tmp_path: Path) -> None:
    file, content, reason = bad_tables()[name]
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / file).write_bytes(content)
    Image.fromarray(scene).save(folder / "z.png")
    assert len(scored(folder, judged, tmp_path / "out")) == 3
    told = skipped(tmp_path / "out")
    assert any(reason in one for one in told.values()), told


def test_a_folder_that_is_not_there_is_an_error_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: there is no such file or folder; correct the path"):
        sources_of([str(tmp_path / "absent")])
    with pytest.raises(InputError, match="no file is there to score"):
        sources_of([str(tmp_path)])


def test_a_pattern_names_what_it_matches(sources: Path) -> None:
    found = sources_of([str(sources / "**/*.png"), str(sources / "crops/00.png")])
    assert [Path(name).name for name in found] == [*(f"{number:02}.png" for number in range(12)), "empty.png"]


def test_addresses_are_read_through_fsspec(scene: np.ndarray, judged: Judged, tmp_path: Path) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    files.pipe("/photos/a.png", encoded(Image.fromarray(scene), "PNG"))
    files.pipe("/photos/b.png", b"")
    files.pipe("/tables/faces.csv.gz", gzip.compress(("emotion,pixels\n0," + "90 " * 48**2 + "\n").encode()))
    files.pipe("/tables/spoilt.csv", b"a,b\n1,2\n")
    given = ["memory://photos", "memory://absent.png", "memory://tables", "memory://absent.csv"]
    table = scored(given, judged, tmp_path / "out")
    assert {source.replace(":///", "://") for source in table["source"]} == {
        "memory://photos/a.png",
        "memory://tables/faces.csv.gz",
    }
    told = skipped(tmp_path / "out")
    assert told["spoilt.csv:1"] == "from here on: has neither a column pixels (emotion) nor Image (key points)"
    assert "FileNotFoundError" in told["absent.csv:1"]
    assert told["b.png:0"] == "is empty"
    assert told["absent.png:0"].startswith("cannot be read")


def test_a_disk_that_is_full_leaves_nothing_half(
    sources: Path, judged: Judged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scored(sources, judged, tmp_path / "whole", shard_items=3)
    write, count = pq.write_table, iter(range(100))

    def full(table: object, where: Path, *args: object) -> None:
        if next(count) == 5:
            Path(where).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(table, where, *args)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(InputError, match="no space left on the disk"):
        scored(sources, judged, tmp_path / "out", shard_items=3)
    assert not (tmp_path / "out/predictions.parquet").exists()
    monkeypatch.undo()
    monkeypatch.setattr(tasks.scoring.batch, "predictor_of", lambda paths, inference: said_of)
    pd.testing.assert_frame_equal(scored(sources, judged, tmp_path / "out", shard_items=3), whole)


def test_a_page_shows_a_batch_whatever_is_left_of_its_sources(judged: Judged, sources: Path, tmp_path: Path) -> None:
    (sources / "<b>odd.txt").write_text("no picture")
    out = tmp_path / "out"
    scored(sources, judged, out)
    usual = Reference({"anger": 3, "sad": 1}, {"brightness": [float(level) for level in range(100, 141)]})
    watch_drift(out, usual, params.Drift(max_psi=0.25, max_p=0.001), "tiny")
    page = write_page(out, usual, settings()).read_text()
    table, skipped = pd.read_parquet(out / "predictions.parquet"), pd.read_parquet(out / "skipped.parquet")
    assert f"Faces: {len(table):,}. Sources, or rows of tables, without one: {len(skipped):,}." in page
    assert page.count("data:image/png;base64,") == 4
    assert "brightness" in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # needs no other file
    for name in ("faces", "least-sure"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    shutil.rmtree(sources)
    for path in (out / "page.html", out / "faces.png", out / "least-sure.png"):
        path.unlink()
    page = write_page(out, None, settings()).read_text()
    assert page.count("data:image/png;base64,") == 2
    assert not (out / "faces.png").exists()


def test_a_page_of_nothing_says_so(judged: Judged, tmp_path: Path) -> None:
    (tmp_path / "<b>.png").write_bytes(b"no picture")
    out = tmp_path / "<i>"
    scored(tmp_path / "<b>.png", judged, out)
    page = write_page(out, None, settings()).read_text()
    assert "Faces: 0. Sources, or rows of tables, without one: 1." in page
    assert "&lt;i&gt;" in page
    assert "<i>" not in page
    assert "data:image" not in page


def test_faces_are_cut_out_again_as_they_were_scored(judged: Judged, sources: Path, tmp_path: Path) -> None:
    """Points go back to where the network said that they are in the face."""
    table = scored(sources, judged, tmp_path / "out")
    images, kept = faces_of(table, settings())
    assert len(kept) == len(table) == len(images)
    squares = table[["left", "top", "side"]].to_numpy(float)
    points = taken_out(table[list(COORDINATES)].to_numpy(float).reshape(-1, 15, 2), squares, 96)
    expected = said_of({"emotion": np.zeros((len(images), 48, 48)), "keypoints": images})["keypoints"]
    np.testing.assert_allclose(points, expected, atol=1e-3)
