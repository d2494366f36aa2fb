"""What new users give by mistake: each is refused before anything is written, with its reason and the remedy."""

import gzip
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faces.common.schema import COORDINATES
from faces.data.pixel_columns import PIXEL_NAMES
from tasks.common.files import InputError
from tasks.data.ingestion import bring_in
from tasks.readers.records import read_records
from tests.readers.bombs import GREY, encoded
from tests.readers.test_layouts import noise_texts

PNG = encoded(GREY, "PNG")
HEADER = b"emotion,pixels\n"
FACE = noise_texts(1, 1, 48)[0]


def tree(*names: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        folder.mkdir()
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(PNG if name.endswith(".png") else HEADER)

    return write


def zipped(**members: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return write


def bytes_of(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def tar(kind: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with tarfile.open(path, f"w:{kind}"):  # type: ignore[call-overload]
            pass

    return write


NO_ROWS, NO_FILES = "has a header but no rows; rows are needed", "is an archive without regular files"
ZEROS = "is a file of zero bytes (damaged, or a tar archive without files), .*; fetch or pack it again"
PREDICT = "if the faces have no labels, predict them: `faces score {}`"
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "header.csv": (bytes_of(HEADER), NO_ROWS),
    "header_without_an_end.csv": (bytes_of(HEADER.strip()), NO_ROWS),
    "header.csv.gz": (bytes_of(gzip.compress(HEADER)), NO_ROWS),
    "header.zip": (zipped(**{"a.csv": HEADER}), NO_ROWS),
    "empty.zip": (zipped(), f"{NO_FILES}; pack the files again, or name another"),
    "folders.zip": (zipped(**{"a/": b"", "a/b/": b""}), f"{NO_FILES}; pack"),
    "hidden.zip": (zipped(**{"__MACOSX/a.png": PNG}), f"{NO_FILES} but hidden ones; pack"),
    "empty.tar": (tar(""), ZEROS),
    "empty.tgz": (tar("gz"), ZEROS),
    "loose": (
        tree("a.png", "b.png"),
        f"a.png: no folder names the class; put each .* shows, happy/a.png; {PREDICT.format('loose')}",
    ),
    "my faces": (tree("a.png"), ".*; " + PREDICT.format("'my faces'")),
    "loose.zip": (zipped(**{"a.png": PNG}), f"a.png: no folder names the class; .*; {PREDICT.format('loose.zip')}"),
    "splits": (tree("train/a.png", "test/b.png"), "test/b.png: no folder names the class; .*, test/happy/b.png; "),
    "one split": (tree("train/a.png"), "train/a.png: no folder names the class; .*, train/happy/a.png; "),
    "some loose": (tree("happy/a.png", "b.png"), "b.png is not in <class name>/ or <split>/<class name>/; move it"),
    "no class": (
        tree("img/a.png"),
        f"img/a.png: the folder img names no class; .*; {PREDICT.format(chr(39) + 'no class' + chr(39))}",
    ),
    "of a table": (tree("data/fer.csv"), "contains no image; .*, or name data/fer.csv itself"),
    "of an archive": (tree("fer.zip"), "contains no image; .*, or name fer.zip itself"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_ingest_refuses_it_with_the_remedy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, message = REFUSED[name]
    make(Path(name))
    with pytest.raises(InputError, match=f"^{name}: {re.escape(message).replace(re.escape('.*'), '.*')}"):
        bring_in("emotion", name, Path("out.csv"))
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("name", [name for name in REFUSED if "." in name and "loose" not in name])
def test_scoring_gives_the_same_reason(name: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    make(tmp_path / name)
    (record,) = read_records(str(tmp_path / name))
    assert re.match(re.escape(message).replace(re.escape(".*"), ".*"), str(record.content))


def test_a_folder_is_no_table_of_keypoints(tmp_path: Path) -> None:
    tree("a.png")(tmp_path / "faces")
    with pytest.raises(InputError, match=r"faces: is a folder without a Parquet table; .*name the CSV itself"):
        bring_in("keypoints", str(tmp_path / "faces"), tmp_path / "out.csv")


@pytest.mark.parametrize("inner", ["a.zip", "a.csv.gz", "a.tar", "a"])
def test_an_archive_among_the_pictures_of_a_zip_is_named_as_such(inner: str, tmp_path: Path) -> None:
    content = {"a.csv.gz": gzip.compress(HEADER), "a.tar": bytes(257) + b"ustar" + bytes(250)}
    if inner not in content:
        zipped(**{"a.png": PNG})(tmp_path / "inner.zip")
        content[inner] = (tmp_path / "inner.zip").read_bytes()
    zipped(**{"1.png": PNG, inner: content[inner]})(tmp_path / "faces.zip")
    records = {Path(record.source).name: record.content for record in read_records(str(tmp_path / "faces.zip"))}
    assert records["1.png"] == PNG
    assert re.fullmatch("is a .* archive in an archive, .*; unpack the outer one and name .*", str(records[inner]))


UNLABELLED: dict[str, tuple[str, dict[str, list[str]]]] = {
    "a column of pixels": ("emotion", {"pixels": [FACE]}),
    "FER2013 without its labels": ("emotion", {"pixels": [FACE], "Usage": ["PrivateTest"]}),
    "Kaggle's test.csv": ("keypoints", {"ImageId": ["1"], "Image": [FACE]}),
    "no column of a label": ("keypoints", {"IMG": [FACE]}),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("name", UNLABELLED)
def test_a_table_without_labels_names_the_command_that_predicts_them(name: str, kind: str, tmp_path: Path) -> None:
    model_name, columns = UNLABELLED[name]
    path, table = tmp_path / f"a.{kind}", pd.DataFrame(columns)
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    with pytest.raises(
        InputError, match=f"no column .*; if the faces have no labels, predict them: `faces score {path}`$"
    ):
        bring_in(model_name, str(path), tmp_path / "out.csv")
    assert all(isinstance(record.content, np.ndarray) for record in read_records(str(path)))


@pytest.mark.parametrize(
    ("model_name", "columns"),
    [("emotion", {"id": ["1"]}), ("keypoints", {name: ["1"] for name in ("Image", *COORDINATES[1:])})],
    ids=["no pixels either", "some labels"],
)
def test_another_table_is_not_taken_for_one_without_labels(
    model_name: str, columns: dict[str, list[str]], tmp_path: Path
) -> None:
    pd.DataFrame(columns).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError, match=r"no column .*; add or rename them$"):
        bring_in(model_name, str(tmp_path / "a.csv"), tmp_path / "out.csv")


REPEATED = {
    "emotion,PIXELS,Pixels": "columns PIXELS and Pixels have the same name but for its case; remove one",
    "emotion,IMG,IMG": "column IMG is repeated; remove one",
    "LABEL,Label,pixels": "columns LABEL and Label have the same name but for its case; remove one",
    "Emotion,EMOTION,pixels": "columns Emotion and EMOTION have the same name but for its case; remove one",
    "label,label,pixels": "column label is repeated; remove one",
    "emotion,USAGE,usage,pixels": "columns USAGE and usage have the same name but for its case; remove one",
    "emotion,emotion,pixels": "column emotion is repeated; remove one",
}


@pytest.mark.parametrize("header", REPEATED)
def test_two_columns_of_one_name_are_named(header: str, tmp_path: Path) -> None:
    row = [FACE if name.lower() in PIXEL_NAMES else "3" for name in header.split(",")]
    (tmp_path / "a.csv").write_text(f"{header}\n{','.join(row)}\n")
    with pytest.raises(InputError, match=f"a.csv, header: {re.escape(REPEATED[header])}$"):
        bring_in("emotion", str(tmp_path / "a.csv"), tmp_path / "out.csv")


STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
WITHOUT_BYTES: dict[str, tuple[pa.Array, str]] = {
    "paths": (pa.array([{"bytes": None, "path": "a.png"}] * 9, STRUCT), "no row of its column image has the bytes"),
    "only paths": (pa.array([{"path": "a.png"}] * 9), "has the paths of images and not their bytes"),
    "nothing": (pa.array([None] * 9, pa.binary()), "no row of its column image has the bytes of an image"),
}


@pytest.mark.parametrize("name", WITHOUT_BYTES)
def test_a_table_with_paths_of_images_is_refused_by_ingest(name: str, tmp_path: Path) -> None:
    images, reason = WITHOUT_BYTES[name]
    pq.write_table(pa.table({"image": images, "label": range(9)}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=f"a.parquet: {reason}.*; embed the bytes .*or give the folder of the files"):
        bring_in("emotion", str(tmp_path / "a.parquet"), tmp_path / "out.csv")


def test_some_images_without_bytes_are_bad_rows(tmp_path: Path) -> None:
    images = [{"bytes": None, "path": "a.png"}] * 9 + [{"bytes": PNG, "path": None}]
    pq.write_table(pa.table({"image": pa.array(images, STRUCT), "label": [3] * 10}), tmp_path / "a.parquet")
    table = pd.read_csv(bring_in("emotion", str(tmp_path / "a.parquet"), tmp_path / "out.csv"))
    assert table["unreadable"].tolist()[:9] == ["has no bytes of an image"] * 9
    assert table["pixels"].notna().tolist() == [False] * 9 + [True]


@pytest.mark.parametrize("column", ["pixels", "face"])
def test_a_parquet_table_without_rows_is_named_as_such(column: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"emotion": ["3"], column: [FACE]}).iloc[:0].astype("string")
    table.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a.parquet: has columns but no rows; rows are needed"):
        bring_in("emotion", str(tmp_path / "a.parquet"), tmp_path / "out.csv")
