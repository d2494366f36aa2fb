"""Any sources give one table of faces and one of skipped records, whatever the shards, kills and bad files."""

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
from PIL import Image, ImageOps

import params
import tasks.readers.records
import tasks.scoring.batch
from faces.common.schema import COORDINATES
from faces.models.tta import Inference
from faces.scoring.drift import Reference
from faces.scoring.face_crops import image_to_crop
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.files import InputError, sha256
from tasks.models.approved_models import ApprovedModels
from tasks.plots.annotated_images import draw_pictures
from tasks.plots.prediction_grid import cropped_faces
from tasks.plots.scoring_report import write_report
from tasks.readers.sources import find_sources
from tasks.scoring.batch import score_sources
from tasks.scoring.drift_check import watch_drift
from tasks.scoring.face_crops import BOX
from tasks.scoring.run_folder import finish_run
from tasks.scoring.shards import WORK
from tasks.scoring.summary import count_scored, write_csv
from tests.conftest import ROOT
from tests.scoring.approved import models_with

CLASSES = ["anger", "sad", "happiness"]
CORNERS = ((30, 40), (330, 70), (640, 30))
SIDE = 160


def hashes(paths: dict[str, Path]) -> dict[str, str]:
    """SHA-256 of files by name."""
    return {name: sha256(path) for name, path in paths.items()}


def stub_outputs(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs of stub models, which depend on all pixels of a face and on no other face."""
    outputs = {}
    if "emotion" in faces:
        grey = faces["emotion"].reshape(-1, 48 * 48).astype(float)
        logits = np.stack([grey.mean(axis=1), grey.std(axis=1) * 2, grey[:, ::7].mean(axis=1)], axis=1) / 40
        outputs["emotion"] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if "keypoints" in faces:
        levels = faces["keypoints"].mean(axis=(1, 2))[:, None, None]
        outputs["keypoints"] = np.linspace(20, 70, 30).reshape(15, 2) + levels / 100
    return outputs


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: stub_outputs)


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory) -> ApprovedModels:
    folder = tmp_path_factory.mktemp("models")
    paths = {model_name: folder / f"{model_name}.onnx" for model_name in ("keypoints", "emotion")}
    for model_name, path in paths.items():
        path.write_text(model_name)
    return ApprovedModels(paths, hashes(paths), dict.fromkeys(paths, Inference(False)), CLASSES)


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
    """A folder with a photograph, crops, a CSV, a Parquet table, a prepared split, and unreadable records."""
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
    split = {"images": np.stack(crops), "rows": np.arange(12) * 3 + 7}
    np.savez(folder / "split.npz", allow_pickle=False, **split)
    return folder


def settings(**changes: object) -> params.Score:
    return params.load(ROOT).score.model_copy(update=changes)


def scored(
    given: Path | list[str], approved: ApprovedModels, out: Path, mode: str = "auto", **changes: object
) -> pd.DataFrame:
    names = find_sources([str(given)] if isinstance(given, Path) else given)[0]
    path = score_sources(names, approved, "v1.0.0", mode, settings(**changes), out)
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


def test_every_source_and_row_comes_out_once(sources: Path, approved: ApprovedModels, tmp_path: Path) -> None:
    table = scored(sources, approved, tmp_path / "out")
    counts = table.groupby(table["source"].map(lambda name: Path(name).suffix)).size().to_dict()
    assert counts == {".jpg": 3, ".png": 12, ".csv": 12, ".parquet": 12, ".npz": 12}
    assert set(skipped(tmp_path / "out")) == {"empty.png:0", "faces.csv:5", "faces.parquet:13", "faces.parquet:14"}
    csv = table[table["source"].str.endswith("csv")]
    assert csv["row"].tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13]
    assert not (tmp_path / "out" / WORK).exists()
    assert set(table["model_version"]) == {"v1.0.0"}
    assert set(table["emotion_sha256"]) == {sha256(approved.paths["emotion"])}
    sums = table[[f"probability_{name}" for name in CLASSES]].sum(axis=1)
    np.testing.assert_allclose(sums, 1, atol=1e-6)
    assert set(table["emotion"]) <= set(CLASSES)
    assert (table["abstained"] == (table["confidence"] < 0.4)).all()


def test_a_face_gets_the_same_prediction_from_every_kind_of_source(
    sources: Path, approved: ApprovedModels, tmp_path: Path
) -> None:
    table = scored(sources, approved, tmp_path / "out")
    columns = ["confidence", *COORDINATES, *BOX]
    crops = table[table["source"].str.endswith("png")][columns].to_numpy()
    for kind in ("parquet", "npz"):
        rows = table[table["source"].str.endswith(kind)]
        np.testing.assert_array_equal(crops, rows[columns].to_numpy())
    assert rows["row"].tolist() == list(range(7, 43, 3))


def test_faces_of_a_photograph_have_boxes_and_keypoints_in_its_pixels(
    sources: Path, approved: ApprovedModels, tmp_path: Path
) -> None:
    table = scored(sources / "a scene.jpg", approved, tmp_path / "out").sort_values("box_x")
    assert sorted(table["face"]) == [1, 2, 3]
    middles = table[["box_x", "box_y"]].to_numpy() + table[["box_size"]].to_numpy() / 2
    np.testing.assert_allclose(middles, np.array(CORNERS) + SIDE / 2, atol=30)
    points = table[list(COORDINATES)].to_numpy().reshape(-1, 15, 2)
    low, side = table[["box_x", "box_y"]].to_numpy(), table["box_size"].to_numpy()
    # The stub's keypoints are at 20 to 72 of the crop's 96 pixels.
    inside = (points - low[:, None]) / side[:, None, None]
    assert (inside > 0.2).all()
    assert (inside < 0.8).all()
    assert (table["detection_score"] > 0).all()


def test_the_mode_selects_detection_or_whole_images(sources: Path, approved: ApprovedModels, tmp_path: Path) -> None:
    whole = scored(sources / "a scene.jpg", approved, tmp_path / "whole", mode="whole")
    assert whole[["box_x", "box_y", "box_size"]].to_numpy().tolist() == [[0, -320, 900]]
    assert whole["detection_score"].isna().all()
    found = scored(sources / "crops", approved, tmp_path / "found", mode="detect")
    assert found["detection_score"].notna().all()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_table_does_not_depend_on_the_shards(
    sources: Path, approved: ApprovedModels, tmp_path: Path, size: int
) -> None:
    for name, records in (("some", size), ("five", 5)):
        scored(sources, approved, tmp_path / name, shard_size=records)
    assert same_bytes(tmp_path / "some", tmp_path / "five")


def test_the_table_does_not_depend_on_the_shards_bytes(
    sources: Path, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(sources, approved, tmp_path / "one")
    monkeypatch.setattr(tasks.readers.records, "SHARD_BYTES", 20_000)
    scored(sources, approved, tmp_path / "many")
    assert same_bytes(tmp_path / "one", tmp_path / "many")


def test_an_interrupted_run_resumes_and_scores_nothing_twice(
    sources: Path, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(sources, approved, tmp_path / "whole", shard_size=3)
    seen: list[int] = []

    def failing(at: int) -> Callable:
        def predict(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
            if "emotion" in faces:
                if len(seen) == at:
                    raise KeyboardInterrupt
                seen.append(len(faces["emotion"]))
            return stub_outputs(faces)

        return predict

    for at in (0, 2, 7):
        monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_, at=at: failing(at))
        with pytest.raises(KeyboardInterrupt):
            scored(sources, approved, tmp_path / "out", shard_size=3)
        assert not (tmp_path / "out/predictions.parquet").exists()
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: failing(-1))
    scored(sources, approved, tmp_path / "out", shard_size=3)
    assert same_bytes(tmp_path / "out", tmp_path / "whole")
    assert sum(seen) == len(pd.read_parquet(tmp_path / "out/predictions.parquet"))


def test_existing_results_are_not_overwritten(
    sources: Path, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(sources / "crops", approved, tmp_path / "out")
    with pytest.raises(InputError, match=r"out: exists already; name another folder"):
        scored(sources / "crops", approved, tmp_path / "out")

    def interrupted(faces: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: interrupted)
    with pytest.raises(KeyboardInterrupt):
        scored(sources / "crops", approved, tmp_path / "other")
    with pytest.raises(InputError, match="holds an unfinished run with other settings"):
        scored(sources / "crops", approved, tmp_path / "other", confidence_threshold=0.9)


def test_an_empty_table_has_all_columns(approved: ApprovedModels, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    table = scored(tmp_path / "empty.png", approved, tmp_path / "out")
    assert table.empty
    assert [*table.columns[8:10], *table.columns[-3:]] == [
        "emotion",
        "confidence",
        "model_version",
        "keypoints_sha256",
        "emotion_sha256",
    ]
    kinds = pq.read_schema(tmp_path / "out/predictions.parquet")
    assert str(kinds.field("emotion").type) == "string"
    assert str(kinds.field("nose_tip_x").type) == "float"


def test_every_kind_of_batch_is_counted_and_drawn(sources: Path, approved: ApprovedModels, tmp_path: Path) -> None:
    for given in (sources, sources / "faces.csv", sources / "crops/00.png", sources / "crops/empty.png"):
        out = tmp_path / f"of {given.name}"
        scored(given, approved, out)
        count_scored(out)
        draw_pictures(out, settings())
        write_csv(out)
    assert len(pd.read_csv(tmp_path / "of faces.csv/predictions.csv")) == 12
    assert sorted(path.name for path in (tmp_path / "of in/pictures").iterdir())[:2] == [
        "0001-a_scene.jpg",
        "0002-00.jpg",
    ]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a large size, as that of a decompression bomb."""
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bad_images() -> dict[str, tuple[bytes, str]]:
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8))
    jpeg, png, gif = (encoded(grey, kind) for kind in ("JPEG", "PNG", "GIF"))
    return {
        "zero bytes": (b"", "is empty"),
        "text": (b"hello", "is a text file; only jpg"),
        "half a jpeg": (jpeg[: len(jpeg) // 2], "is truncated or corrupt"),
        "half a png": (png[: len(png) // 2], "is truncated or corrupt"),
        "half a gif": (gif[: len(gif) // 2], "is truncated or corrupt"),
        "a jpeg's first bytes": (jpeg[:20], "is (not an image|truncated)"),
        "one pixel": (encoded(Image.new("L", (1, 1)), "PNG"), "1x1 pixels: too small"),
        "very wide": (encoded(Image.new("L", (3000, 2)), "PNG"), "3000x2 pixels: too small"),
        "twenty thousand square": (
            png_claiming(20_000, 20_000),
            "20000x20000 pixels are more than score.max_image_pixels",
        ),
        "a bomb": (png_claiming(2**31 - 1, 2**31 - 1), r"\d+x\d+ pixels are more than score.max_image_pixels"),
        "no face": (encoded(ImageOps.expand(Image.new("L", (200, 200), 90), 50, 95), "PNG"), "no face found"),
        "a program": (b"\x7fELF" + bytes(200), "is a program; only jpg, png"),
        "a vector graphic": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG drawing; only jpg, png"),
        "noise": (bytes(range(1, 200)), "is not an image of the formats jpg, png"),
    }


@pytest.mark.parametrize("name", bad_images())
def test_a_bad_image_is_a_row_with_the_reason_and_the_rest_is_scored(
    name: str, scene: np.ndarray, approved: ApprovedModels, tmp_path: Path
) -> None:
    content, reason = bad_images()[name]
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "bad.jpg").write_bytes(content)
    cv2.imwrite(str(folder / "good.png"), scene)
    assert len(scored(folder, approved, tmp_path / "out")) == 3
    (found,) = skipped(tmp_path / "out").values()
    assert re.match(reason, found), found


def good_images() -> dict[str, Callable[[Image.Image], bytes]]:
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


@pytest.mark.parametrize("name", good_images())
def test_every_image_format_gives_the_same_faces(
    name: str, scene: np.ndarray, approved: ApprovedModels, tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(good_images()[name](Image.fromarray(scene)))
    table = scored(tmp_path / "image", approved, tmp_path / "out").sort_values("box_x")
    middles = table[["box_x", "box_y"]].to_numpy() + table[["box_size"]].to_numpy() / 2
    np.testing.assert_allclose(middles, np.array(CORNERS) + SIDE / 2, atol=30)


def test_transparent_pixels_are_white(approved: ApprovedModels) -> None:
    from tasks.readers.images import grey_levels

    clear = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert (grey_levels(encoded(clear, "PNG"), 10_000) == 255).all()


def test_a_photograph_is_rotated_upright_by_its_exif_tag(
    scene: np.ndarray, approved: ApprovedModels, tmp_path: Path
) -> None:
    """Orientation 6: rotate right by 90 degrees; only upright faces are detected."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(np.rot90(scene))
    (tmp_path / "upright.jpg").write_bytes(encoded(lying, "JPEG", exif=exif, quality=95))
    assert len(scored(tmp_path / "upright.jpg", approved, tmp_path / "out")) == 3


def test_names_of_any_kind_are_kept(scene: np.ndarray, approved: ApprovedModels, tmp_path: Path) -> None:
    folder = tmp_path / "Fotos für [Ärzte]"
    folder.mkdir()
    names = ["two words.png", "line\nbreak.png", "visage é 顔.png", "pattern*[a].png", "-option.png"]
    for name in names:
        Image.fromarray(scene).save(folder / name)
    table = scored(folder, approved, tmp_path / "out")
    assert {Path(source).name for source in table["source"]} == set(names)
    assert len(scored([str(folder / names[3])], approved, tmp_path / "one")) == 3


def test_a_name_that_is_not_utf_8_is_escaped(scene: np.ndarray, approved: ApprovedModels, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    content = encoded(Image.fromarray(scene), "PNG")
    for name, what in ((b"caf\xe9.png", content), (b"\xff.png", b"")):
        with open(os.path.join(os.fsencode(folder), name), "wb") as handle:
            handle.write(what)
    table = scored(folder, approved, tmp_path / "out")
    draw_pictures(tmp_path / "out", settings())
    assert {Path(source).name for source in table["source"]} == {"caf\\xe9.png"}
    assert list(skipped(tmp_path / "out")) == ["\\xff.png:0"]
    assert [path.name for path in (tmp_path / "out/pictures").iterdir()] == ["0001-caf_xe9.jpg"]


def test_broken_and_circular_links_are_skipped_with_the_reason(
    scene: np.ndarray, approved: ApprovedModels, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(scene).save(folder / "good.png")
    (folder / "circle").symlink_to(folder)
    (folder / "itself.png").symlink_to(folder / "itself.png")
    (folder / "nowhere.png").symlink_to(folder / "absent.png")
    (folder / ".hidden.png").write_text("hidden")
    os.mkfifo(folder / "pipe.png")
    assert len(scored(folder, approved, tmp_path / "out")) == 3
    reasons = skipped(tmp_path / "out")
    assert reasons["itself.png:0"].startswith("is a broken link to ")
    assert reasons["nowhere.png:0"] == f"is a broken link to {folder / 'absent.png'}; mend or remove it"
    assert reasons["pipe.png:0"].startswith("is not a regular file; ")
    assert len(reasons) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_permission_is_skipped_with_the_reason(
    scene: np.ndarray, approved: ApprovedModels, tmp_path: Path
) -> None:
    Image.fromarray(scene).save(tmp_path / "closed.png")
    (tmp_path / "closed.png").chmod(0)
    scored(tmp_path / "closed.png", approved, tmp_path / "out")
    assert skipped(tmp_path / "out")["closed.png:0"] == "cannot be read (Permission denied)"


def bad_tables() -> dict[str, tuple[str, bytes, str]]:
    return {
        "no pixels": ("t.csv", b"a,b\n1,2\n", "no column holds pixels; found a, b; a cell of such a column"),
        "no row": ("t.csv", b"emotion,pixels\n", "has a header but no rows"),
        "empty": ("t.csv", b"", "the file is empty"),
        "too many cells": (
            "t.csv",
            b"emotion,pixels\n1,2,3\n",
            "row 1: more cells than the 2 columns of the header; quote or mend it",
        ),
        "not gzip to its end": ("t.csv.gz", gzip.compress(b"emotion,pixels\n0,1 2\n" * 99)[:-9], "cannot be unpacked"),
        "no parquet": ("t.parquet", b"PAR1 and nothing", "Parquet"),
    }


@pytest.mark.parametrize("name", bad_tables())
def test_a_bad_table_is_skipped_with_the_reason_and_the_rest_is_scored(
    name: str, scene: np.ndarray, approved: ApprovedModels, tmp_path: Path
) -> None:
    file, content, reason = bad_tables()[name]
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / file).write_bytes(content)
    Image.fromarray(scene).save(folder / "z.png")
    assert len(scored(folder, approved, tmp_path / "out")) == 3
    reasons = skipped(tmp_path / "out")
    assert any(reason in found for found in reasons.values()), reasons


def test_a_missing_folder_is_an_error_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: no such file or folder; correct the path"):
        find_sources([str(tmp_path / "absent")])
    with pytest.raises(InputError, match="no file found to score"):
        find_sources([str(tmp_path)])


def test_a_pattern_names_what_it_matches(sources: Path) -> None:
    found, _ = find_sources([str(sources / "**/*.png"), str(sources / "crops/00.png")])
    assert [Path(name).name for name in found] == [*(f"{number:02}.png" for number in range(12)), "empty.png"]


def test_addresses_are_read_through_fsspec(scene: np.ndarray, approved: ApprovedModels, tmp_path: Path) -> None:
    import fsspec

    files = fsspec.filesystem("memory")
    files.pipe("/photos/a.png", encoded(Image.fromarray(scene), "PNG"))
    files.pipe("/photos/b.png", b"")
    files.pipe("/tables/faces.csv.gz", gzip.compress(("emotion,pixels\n0," + "90 95 " * (48**2 // 2) + "\n").encode()))
    files.pipe("/tables/corrupt.csv", b"a,b\n1,2\n")
    given = ["memory://photos", "memory://absent.png", "memory://tables", "memory://absent.csv"]
    table = scored(given, approved, tmp_path / "out")
    assert {source.replace(":///", "://") for source in table["source"]} == {
        "memory://photos/a.png",
        "memory://tables/faces.csv.gz",
    }
    reasons = skipped(tmp_path / "out")
    assert reasons["corrupt.csv:0"].startswith("no column holds pixels; found a, b; ")
    assert "FileNotFoundError" in reasons["absent.csv:0"]
    assert reasons["b.png:0"] == "is empty"
    assert reasons["absent.png:0"].startswith("cannot be read")


def test_a_full_disk_leaves_no_partial_file(
    sources: Path, approved: ApprovedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scored(sources, approved, tmp_path / "whole", shard_size=3)
    write, count = pq.write_table, iter(range(100))

    def full(table: object, where: Path, *args: object) -> None:
        if next(count) == 5:
            Path(where).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(table, where, *args)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(InputError, match="no space left on the disk"):
        scored(sources, approved, tmp_path / "out", shard_size=3)
    assert not (tmp_path / "out/predictions.parquet").exists()
    monkeypatch.undo()
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: stub_outputs)
    pd.testing.assert_frame_equal(scored(sources, approved, tmp_path / "out", shard_size=3), whole)


def test_a_report_is_written_even_if_the_sources_are_gone(
    approved: ApprovedModels, sources: Path, tmp_path: Path
) -> None:
    (sources / "<b>odd.txt").write_text("not an image")
    out = tmp_path / "out"
    scored(sources, approved, out)
    reference = Reference({"anger": 3, "sad": 1}, {"brightness": [float(level) for level in range(100, 141)]})
    watch_drift(out, models_with(reference), params.Drift(psi_threshold=0.25, p_value=0.001), "tiny")
    page = write_report(out, models_with(reference), settings()).read_text()
    table, skipped = pd.read_parquet(out / "predictions.parquet"), pd.read_parquet(out / "skipped.parquet")
    assert f"Faces: {len(table):,}. Images and table rows without a face: {len(skipped):,}." in page
    assert page.count("data:image/png;base64,") == 4
    assert "brightness" in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # self-contained
    for name in ("faces", "least-sure"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    shutil.rmtree(sources)
    for path in (out / "report.html", out / "faces.png", out / "least-sure.png"):
        path.unlink()
    page = write_report(out, models_with(None), settings()).read_text()
    assert page.count("data:image/png;base64,") == 2
    assert not (out / "faces.png").exists()


def test_a_report_without_a_face_says_so(approved: ApprovedModels, tmp_path: Path) -> None:
    (tmp_path / "<b>.png").write_bytes(b"not an image")
    out = tmp_path / "<i>"
    scored(tmp_path / "<b>.png", approved, out)
    page = write_report(out, models_with(None), settings()).read_text()
    assert "Faces: 0. Images and table rows without a face: 1." in page
    assert "&lt;i&gt;" in page
    assert "<i>" not in page
    assert "data:image" not in page


def test_faces_are_cropped_again_as_they_were_scored(approved: ApprovedModels, sources: Path, tmp_path: Path) -> None:
    """Keypoints map back to the positions that the model predicted in the crop."""
    table = scored(sources, approved, tmp_path / "out")
    images, kept = cropped_faces(table, settings())
    assert len(kept) == len(table) == len(images)
    boxes = table[BOX].to_numpy(float)
    points = image_to_crop(table[list(COORDINATES)].to_numpy(float).reshape(-1, 15, 2), boxes, 96)
    expected = stub_outputs({"emotion": np.zeros((len(images), 48, 48)), "keypoints": images})["keypoints"]
    np.testing.assert_allclose(points, expected, atol=1e-3)
