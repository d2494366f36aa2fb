"""Every published layout of the two tables gives the same arrays, up to the prepared splits."""

import bz2
import gzip
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

import params
from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES, KEYPOINTS, LABEL_ENCODINGS
from faces.preparation.splits import SPLITS
from tasks.common.dataset import FaceDataset, load_dataset
from tasks.data.ingestion import bring_in
from tasks.data.validation import quarantine_rows, validate_table
from tasks.preparation.near_duplicates import group_faces
from tasks.preparation.splits import split
from tasks.readers.raw_csv import PIXELS, read_raw
from tests.conftest import ROOT

COURSE, FER2013 = LABEL_ENCODINGS["course"], LABEL_ENCODINGS["fer2013"]
USAGES = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
FOLDERS = dict(zip(FER2013, ("angry", "Disgusted", "fear", "Happy", "sadness", "surprise", "neutral"), strict=True))

Write = Callable[[Path], str]


def rules(label_encoding: str = "course", max_invalid_fraction: float = 0.2, min_rows: int = 10) -> params.Validate:
    """The project's validation settings, for small tables."""
    content = params.load(ROOT).dataset.validate_.model_dump()
    content["max_invalid_fraction"] = max_invalid_fraction
    content["keypoints"]["min_rows"] = content["emotion"]["min_rows"] = min_rows
    content["emotion"]["label_encoding"] = label_encoding
    return params.Validate.model_validate(content)


def noise_texts(seed: int, rows: int, side: int) -> list[str]:
    """Pixel texts of faces that all differ."""
    images = np.random.default_rng(seed).integers(0, 256, (rows, side * side))
    return [" ".join(map(str, image)) for image in images.tolist()]


def emotion_rows(classes: tuple[str, ...], rows: int, seed: int = 0) -> pd.DataFrame:
    """A clean emotion table as text: emotion (a code of `classes`), pixels and Usage, every class alike often."""
    usage = [list(USAGES)[max(row % 8 - 5, 0)] for row in range(rows)]
    codes = [str(row % len(classes)) for row in range(rows)]
    return pd.DataFrame({"emotion": codes, "pixels": noise_texts(seed, rows, SIZES["emotion"]), "Usage": usage})


def keypoint_rows(rows: int, seed: int = 0, missing: bool = False) -> pd.DataFrame:
    """A clean keypoint table as text, coordinates to four places, empty where `missing`."""
    generator = np.random.default_rng(seed)
    points = generator.uniform(5, 91, (rows, 15, 2)).round(4)
    points[:, KEYPOINTS.index("left_eye_center")] = generator.uniform([60, 30], [70, 40], (rows, 2)).round(4)
    points[:, KEYPOINTS.index("right_eye_center")] = generator.uniform([25, 30], [35, 40], (rows, 2)).round(4)
    if missing:
        points[::2, KEYPOINTS.index("left_eye_inner_corner") : KEYPOINTS.index("nose_tip")] = np.nan
        points[1, KEYPOINTS.index("mouth_center_bottom_lip")] = np.nan
    cells = [["" if np.isnan(value) else f"{value:g}" for value in face] for face in points.reshape(rows, -1)]
    table = pd.DataFrame(cells, columns=list(COORDINATES), dtype=str)
    return table.assign(Image=noise_texts(seed + 1, rows, SIZES["keypoints"]))


def images_of(valid: pd.DataFrame) -> list[list[int]]:
    return [list(pixels) for pixels in valid["pixels"]]


def values_of(texts: pd.Series) -> list[list[int]]:
    return [[int(word) for word in text.split()] for text in texts]


def through(model_name: str, source: str, folder: Path, settings: params.Validate) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The valid and the quarantined rows of a source, after ingestion and validation."""
    raw = bring_in(model_name, source, folder / "raw" / f"{model_name}.csv")
    findings = validate_table(model_name, raw, settings, folder / f"{model_name}.json", folder / "docs")
    valid = quarantine_rows(
        model_name, raw, findings, settings, folder / f"{model_name}.parquet", folder / f"{model_name}-aside.csv"
    )
    aside = pd.read_csv(folder / f"{model_name}-aside.csv", dtype=str, keep_default_na=False)
    return pd.read_parquet(valid), aside


def plain(table: pd.DataFrame, header: str = "", name: str = "mine.csv") -> Write:
    """A CSV of the columns that a header names, with this header."""

    def write(folder: Path) -> str:
        chosen = table[[column.strip() for column in header.split(",")]] if header else table
        text = chosen.to_csv(index=False, header=not header)
        (folder / name).write_text(f"{header}\n{text}" if header else text)
        return str(folder / name)

    return write


def test_linked_folders_are_read_once_and_a_broken_link_is_an_empty_cell(tmp_path: Path) -> None:
    for split_folder in ("elsewhere/train", "mine/test"):
        image = tmp_path / split_folder / "happy" / "1.png"
        image.parent.mkdir(parents=True)
        image.write_bytes(cv2.imencode(".png", np.eye(48, dtype=np.uint8) * 9)[1].tobytes())
    (tmp_path / "mine/train").symlink_to(tmp_path / "elsewhere/train")
    (tmp_path / "mine/test/round").symlink_to(tmp_path / "mine")
    bring_in("emotion", str(tmp_path / "mine"), tmp_path / "emotion.csv")
    assert pd.read_csv(tmp_path / "emotion.csv")["file"].tolist() == ["test/happy/1.png", "train/happy/1.png"]
    (tmp_path / "mine/train/happy/2.png").symlink_to(tmp_path / "nowhere.png")
    table = pd.read_csv(bring_in("emotion", str(tmp_path / "mine"), tmp_path / "emotion.csv"), keep_default_na=False)
    assert table.loc[table["pixels"] == "", "file"].tolist() == ["train/happy/2.png"]
    assert len(table) == 3


def gzipped(write: Write, name: str = "mine.csv.gz") -> Write:
    def pack(folder: Path) -> str:
        (folder / name).write_bytes(gzip.compress(Path(write(folder)).read_bytes()))
        return str(folder / name)

    return pack


def packed(write: Write, how: Callable[[bytes], bytes], name: str) -> Write:
    def pack(folder: Path) -> str:
        (folder / name).write_bytes(how(Path(write(folder)).read_bytes()))
        return str(folder / name)

    return pack


def tarred(write: Write, kind: str = "gz") -> Write:
    """A tar archive as Kaggle publishes FER2013: one CSV in a folder, with a README and metadata of macOS."""

    def pack(folder: Path) -> str:
        path = Path(write(folder))
        with tarfile.open(folder / "fer2013.tar", f"w:{kind}") as archive:  # type: ignore[call-overload]
            archive.add(path, "fer2013/fer2013.csv")
            for name in ("fer2013/README", "fer2013/._fer2013.csv"):
                archive.addfile(tarfile.TarInfo(name))
        return str(folder / "fer2013.tar")

    return pack


def zipped(write: Write, inside: str = "fer2013/fer2013.csv") -> Write:
    """A zip with the CSV and other files that people and macOS add."""

    def pack(folder: Path) -> str:
        with zipfile.ZipFile(folder / "mine.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(write(folder), inside)
            archive.writestr("fer2013/README", "faces")
            archive.writestr(f"__MACOSX/{Path(inside).parent}/._{Path(inside).name}", b"\x00\x05\x16\x07")
        return str(folder / "mine.zip")

    return pack


def tree(table: pd.DataFrame, ending: str = ".png", above: str = "", splits: dict[str, str] = USAGES) -> Write:
    """An image folder, `<split>/<class name>/NUMBER.png`; codes are FER2013's."""

    def write(folder: Path) -> str:
        for number, face in enumerate(table.to_dict("records")):
            image = np.array(face["pixels"].split(), np.uint8).reshape(48, 48)
            path = folder / "tree" / above / splits[face["Usage"]] / FOLDERS[FER2013[int(face["emotion"])]]
            path.mkdir(parents=True, exist_ok=True)
            (path / f"{number:04}{ending}").write_bytes(cv2.imencode(ending.lower(), image)[1].tobytes())
        (folder / "tree" / "notes.txt").write_text("faces")
        return str(folder / "tree")

    return write


def zipped_tree(write: Write) -> Write:
    """A zip of an image folder from macOS: every file has metadata below __MACOSX, with the same extension."""

    def pack(folder: Path) -> str:
        source = Path(write(folder))
        with zipfile.ZipFile(folder / "tree.zip", "w") as archive:
            for path in sorted(source.rglob("*")):
                name = path.relative_to(source)
                archive.write(path, str(name))
                if path.is_file():
                    archive.writestr(f"__MACOSX/{name.parent}/._{name.name}", b"\x00\x05\x16\x07")
        return str(folder / "tree.zip")

    return pack


EMOTION = emotion_rows(FER2013, 42)
EMOTION_LAYOUTS = {
    "emotion,pixels": plain(EMOTION, "emotion,pixels"),
    "blank before pixels": plain(EMOTION, "emotion, pixels"),
    "blanks, Usage in the middle": plain(EMOTION, "emotion, Usage, pixels"),
    "Usage at the end": plain(EMOTION, "emotion,pixels,Usage"),
    "gzip": gzipped(plain(EMOTION, "emotion,pixels,Usage")),
    "gzip that does not say so": gzipped(plain(EMOTION, "emotion,pixels,Usage", "in.csv"), "mine.csv"),
    "zip": zipped(plain(EMOTION, "emotion,pixels,Usage")),
    "bzip2": packed(plain(EMOTION, "emotion,pixels,Usage"), bz2.compress, "mine.csv.bz2"),
    "xz": packed(plain(EMOTION, "emotion,pixels,Usage"), lzma.compress, "mine.csv.xz"),
    **{f"tar {kind}": tarred(plain(EMOTION, "emotion,pixels,Usage"), kind) for kind in ("", "gz", "bz2", "xz")},
    "class names": plain(EMOTION.assign(emotion=[FER2013[int(code)] for code in EMOTION["emotion"]])),
    "folder": tree(EMOTION),
    "folder with other names": tree(EMOTION, ".PNG", "fer/images", {usage: usage for usage in USAGES}),
    "zip of a folder": zipped_tree(tree(EMOTION)),
}


@pytest.mark.parametrize("layout", EMOTION_LAYOUTS)
def test_every_emotion_layout_gives_the_same_faces(tmp_path: Path, layout: str) -> None:
    valid, aside = through("emotion", EMOTION_LAYOUTS[layout](tmp_path), tmp_path, rules("fer2013"))
    assert len(aside) == 0
    assert valid["row"].tolist() == list(range(1, 43))
    names = [FER2013[int(code)] for code in EMOTION["emotion"]]
    has_usage = layout not in ("emotion,pixels", "blank before pixels")
    assert ("usage" in valid) == has_usage
    usages = (valid["usage"].tolist(), EMOTION["Usage"].tolist()) if has_usage else ([""] * 42, [""] * 42)
    found = list(zip(images_of(valid), valid["emotion"], usages[0], strict=True))
    expected = list(zip(values_of(EMOTION["pixels"]), names, usages[1], strict=True))
    in_order = "folder" not in layout
    assert found == expected if in_order else sorted(found) == sorted(expected)


def test_rows_of_an_image_folder_are_in_the_order_of_their_paths_and_name_their_file(tmp_path: Path) -> None:
    (tmp_path / "zip").mkdir()
    sources = [tree(EMOTION)(tmp_path), zipped_tree(tree(EMOTION))(tmp_path / "zip")]
    first, second = (bring_in("emotion", source, tmp_path / f"{n}.csv") for n, source in enumerate(sources))
    assert first.read_bytes() == second.read_bytes()
    files = pd.read_csv(first)["file"].tolist()
    assert files == sorted(files)
    assert files[0] == "test/Disgusted/0015.png"


@pytest.mark.parametrize("ending", [".jpg", ".JPEG"])
def test_jpegs_in_an_image_folder_are_read_too(tmp_path: Path, ending: str) -> None:
    raw = bring_in("emotion", tree(EMOTION, ending)(tmp_path), tmp_path / "emotion.csv")
    (table,) = read_raw(raw, "emotion")
    numbers = [int(Path(name).stem) for name in table["file"]]
    assert sorted(numbers) == list(range(len(EMOTION)))
    meant = EMOTION.iloc[numbers]
    assert table["emotion"].tolist() == [FER2013[int(code)] for code in meant["emotion"]]
    assert table["Usage"].tolist() == meant["Usage"].tolist()
    values = np.array(values_of(table["pixels"]))
    assert values.shape == (len(EMOTION), 2304)
    # JPEG is lossy, and noise is its worst case.
    assert np.abs(values - np.array(values_of(meant["pixels"]))).mean() < 20


KEYPOINTS_COMPLETE, KEYPOINTS_MISSING = keypoint_rows(24), keypoint_rows(24, missing=True)
PERSONS = [f"person {row // 2}" for row in range(24)]
KEYPOINT_LAYOUTS = {
    "Kaggle's training.csv": (KEYPOINTS_MISSING, plain(KEYPOINTS_MISSING)),
    "data.csv, complete": (KEYPOINTS_COMPLETE, plain(KEYPOINTS_COMPLETE)),
    "Image first": (KEYPOINTS_MISSING, plain(KEYPOINTS_MISSING[["Image", *COORDINATES]])),
    "blanks in the header": (KEYPOINTS_MISSING, plain(KEYPOINTS_MISSING, ", ".join(KEYPOINTS_MISSING.columns))),
    "with subjects": (KEYPOINTS_MISSING, plain(KEYPOINTS_MISSING.assign(person=PERSONS))),
    "gzip": (KEYPOINTS_MISSING, gzipped(plain(KEYPOINTS_MISSING))),
    "zip": (KEYPOINTS_COMPLETE, zipped(plain(KEYPOINTS_COMPLETE), "training.csv")),
}


@pytest.mark.parametrize("layout", KEYPOINT_LAYOUTS)
def test_every_keypoints_layout_gives_the_same_faces(tmp_path: Path, layout: str) -> None:
    table, write = KEYPOINT_LAYOUTS[layout]
    valid, aside = through("keypoints", write(tmp_path), tmp_path, rules())
    assert len(aside) == 0
    assert images_of(valid) == values_of(table["Image"])
    expected = [[float(cell) if cell else np.nan for cell in face] for face in table[list(COORDINATES)].to_numpy()]
    np.testing.assert_array_equal(valid[list(COORDINATES)].to_numpy(), np.array(expected, np.float32))
    assert (valid["person"].tolist() == PERSONS) if layout == "with subjects" else ("person" not in valid)


FILES = [f"{number}.jpg" for number in range(24)]
RENAMED: dict[str, tuple[str, pd.DataFrame, list[str]]] = {
    "other case": (
        "emotion",
        EMOTION[:24].rename(columns={"emotion": "Emotion", "pixels": " Pixels", "Usage": "USAGE"}),
        ["emotion", "pixels", "Usage"],
    ),
    "label and image": (
        "emotion",
        EMOTION[:24][["emotion", "pixels"]].rename(columns={"emotion": "Label", "pixels": "img"}),
        ["emotion", "pixels"],
    ),
    "names of files in pixels": (
        "emotion",
        EMOTION[:24][["emotion", "pixels"]].rename(columns={"pixels": "Image"}).assign(pixels=FILES),
        ["emotion", "pixels", "pixels.3"],
    ),
    "names of files in Image": (
        "keypoints",
        KEYPOINTS_COMPLETE.rename(columns=str.upper).rename(columns={"IMAGE": "pixels"}).assign(Image=FILES),
        [*COORDINATES, "Image", "Image.32"],
    ),
}


@pytest.mark.parametrize("kind", RENAMED)
def test_columns_are_found_by_their_content_and_in_any_case(kind: str, tmp_path: Path) -> None:
    model_name, table, names = RENAMED[kind]
    table.to_csv(tmp_path / "mine.csv", index=False)
    (read,) = read_raw(bring_in(model_name, str(tmp_path / "mine.csv"), tmp_path / "raw.csv"), model_name)
    assert read.columns.tolist() == ["row", *names]
    expected = KEYPOINTS_COMPLETE["Image"] if model_name == "keypoints" else EMOTION["pixels"][:24]
    assert read[PIXELS[model_name]].tolist() == expected.tolist()
    if model_name == "emotion":
        assert read["emotion"].tolist() == EMOTION["emotion"][:24].tolist()


SHARED_ROWS = 210
SEVEN = emotion_rows(FER2013, SHARED_ROWS, seed=5)
FIVE = SEVEN[[FER2013[int(code)] in COURSE for code in SEVEN["emotion"]]].reset_index(drop=True)
FIVE["emotion"] = [str(COURSE.index(FER2013[int(code)])) for code in FIVE["emotion"]]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Valid tables of the same faces: FER2013's seven classes, the course's five, and seven as an image folder."""
    tables = {}
    for name, write, label_encoding in (
        ("seven", plain(SEVEN), "fer2013"),
        ("five", plain(FIVE), "course"),
        ("tree", tree(SEVEN), "fer2013"),
    ):
        folder = tmp_path_factory.mktemp(name)
        through("emotion", write(folder), folder, rules(label_encoding))
        tables[name] = folder / "emotion.parquet"
    return tables


def test_seven_and_five_classes_agree_row_by_row(both: dict[str, Path]) -> None:
    seven, five = pd.read_parquet(both["seven"]), pd.read_parquet(both["five"])
    shared = seven[seven["emotion"].isin(COURSE)].reset_index(drop=True)
    assert 0 < len(shared) < len(seven)
    pd.testing.assert_frame_equal(shared.drop(columns="row"), five.drop(columns="row"))


def unordered(dataset: FaceDataset) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), int(target)) for image, target in zip(dataset.images, dataset.targets, strict=True))


@pytest.mark.parametrize("strategy", ["group", "predefined"])
def test_seven_and_five_classes_give_the_same_prepared_arrays(
    both: dict[str, Path], tmp_path: Path, strategy: str
) -> None:
    content = params.load(ROOT).dataset.prepare.emotion.model_dump()
    content["train_classes"] = COURSE
    content["split"] |= {"strategy": strategy, "val_size": 0.25, "test_size": 0.25}
    settings = params.PrepareEmotion.model_validate(content)
    datasets = {}
    for name, valid in both.items():
        grouped = group_faces("emotion", valid, settings, tmp_path / name / "groups.csv")
        folder = split("emotion", valid, grouped, settings, tmp_path / name)
        datasets[name] = {split_name: load_dataset(folder / f"{split_name}.npz") for split_name in SPLITS}
    assert sum(len(dataset) for dataset in datasets["five"].values()) == len(FIVE)
    for split_name in SPLITS:
        five, seven, folder_of_seven = (datasets[name][split_name] for name in ("five", "seven", "tree"))
        np.testing.assert_array_equal(seven.images, five.images)
        np.testing.assert_array_equal(seven.targets, five.targets)
        assert seven.classes.tolist() == five.classes.tolist() == list(COURSE)
        # The rows of an image folder are in the order of their paths.
        assert unordered(folder_of_seven) == unordered(five)
