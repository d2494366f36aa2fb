"""Parquet tables as data sets are shared: ingested and scored, whatever columns hold the images and the labels."""

import json
import os
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.common import parquet_pages
from tasks.common.files import InputError
from tasks.data import parquet_shards, parquet_tables
from tasks.data.ingestion import bring_in
from tasks.data.parquet_shards import is_parquet
from tasks.data.parquet_tables import write_parquet_csv
from tasks.readers.raw_csv import read_raw
from tasks.readers.records import read_records
from tests.readers.test_layouts import FER2013, emotion_rows, keypoint_rows, noise_texts, values_of

NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
ROWS = emotion_rows(FER2013, 12, seed=3)
CODES = ROWS["emotion"].astype(int).tolist()
FACES = keypoint_rows(4, seed=4, missing=True)
BYTES_AND_PATH = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(text: str) -> bytes:
    """The picture of a pixel text."""
    values = np.array(text.split(), np.uint8)
    buffer = BytesIO()
    Image.fromarray(values.reshape(2 * (round(len(values) ** 0.5),))).save(buffer, "PNG")
    return buffer.getvalue()


PNGS = list(map(png, ROWS["pixels"]))
STRUCTS = pa.array([{"bytes": content, "path": f"{row}.png"} for row, content in enumerate(PNGS)], BYTES_AND_PATH)


def metadata(names: list[str], inside: bool = True) -> dict[bytes, bytes]:
    features = {"features": {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}}
    return {b"huggingface": json.dumps({"info": features} if inside else features).encode()}


def hugging_face(images: Any = STRUCTS, labels: Any = CODES, names: list[str] = NAMES, **more: Any) -> pa.Table:
    table = pa.table({"image": images, "label": labels, **more})
    return table.replace_schema_metadata(metadata(names))


def frame(**columns: Any) -> pa.Table:
    return pa.Table.from_pandas(pd.DataFrame(columns))


def ingested(path: Path, model_name: str = "emotion") -> pd.DataFrame:
    raw = bring_in(model_name, str(path), path.parent / "raw.csv")
    return pd.read_csv(raw, dtype=str, keep_default_na=False)


LISTS = [list(map(int, text.split())) for text in ROWS["pixels"]]
RAW = [bytes(values) for values in LISTS]
NAMED, CODED = [NAMES[code] for code in CODES], list(map(str, CODES))
TABLES: dict[str, tuple[pa.Table, list[str]]] = {
    "Hugging Face": (hugging_face(), NAMED),
    "names outside info": (hugging_face().replace_schema_metadata(metadata(NAMES, inside=False)), NAMED),
    "codes without names": (hugging_face().replace_schema_metadata({b"huggingface": b"{"}), CODED),
    "bytes": (pa.table({"img_bytes": PNGS, "emotion": CODES}), CODED),
    "bytes under another name": (pa.table({"picture": PNGS, "emotion": CODES}), CODED),
    "a thumbnail and a mask": (hugging_face(mask=pa.array([b"none"] * 12), bytes=pa.array([b"no"] * 12)), NAMED),
    "paths under image": (pa.table({"image": ["a.png"] * 12, "bytes": PNGS, "label": NAMED}), NAMED),
    "pandas' texts": (pa.Table.from_pandas(ROWS[["emotion", "pixels"]]), CODED),
    "lists": (frame(emotion=CODES, pixels=LISTS), CODED),
    "lists of rows": (
        pa.table({"image": [np.reshape(one, (48, 48)).tolist() for one in LISTS], "label": CODES}),
        CODED,
    ),
    "arrays of bytes": (frame(emotion=CODES, pixels=[np.array(one, np.uint8) for one in LISTS]), CODED),
    "whole floats": (frame(emotion=np.array(CODES, float), pixels=[np.array(one, float) for one in LISTS]), CODED),
    "raw pixels": (pa.table({"emotion": CODES, "pixels": pa.array(RAW, pa.binary(2304))}), CODED),
    "raw pixels of any length": (pa.table({"emotion": CODES, "pixels": pa.array(RAW, pa.binary())}), CODED),
    "views of bytes": (pa.table({"image": pa.array(PNGS, pa.binary_view()), "emotion": CODES}), CODED),
    "views of texts": (
        pa.table({key: pa.array(list(ROWS[key]), pa.string_view()) for key in ("emotion", "pixels")}),
        CODED,
    ),
    "views of lists": (pa.table({"pixels": pa.array(LISTS, pa.list_view(pa.int64())), "emotion": CODES}), CODED),
    "a dot in the name": (pa.table({"image.bytes": PNGS, "emotion": CODES}), CODED),
    "lists with a dot in the name": (pa.table({"face.bytes": LISTS, "emotion": CODES}), CODED),
    "categories": (frame(emotion=pd.Categorical(NAMED), Image=PNGS), NAMED),
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_of_table_gives_the_same_faces(kind: str, tmp_path: Path) -> None:
    table, labels = TABLES[kind]
    pq.write_table(table, tmp_path / "faces.parquet", row_group_size=5)
    raw = ingested(tmp_path / "faces.parquet")
    assert raw.columns.tolist() == ["emotion", "pixels", "unreadable"]
    assert values_of(raw["pixels"]) == LISTS
    assert raw["emotion"].tolist() == labels
    assert set(raw["unreadable"]) == {""}
    contents = [record.content for record in read_records(str(tmp_path / "faces.parquet"))]
    images = [np.asarray(Image.open(BytesIO(one))) if isinstance(one, bytes) else one for one in contents]
    assert [np.asarray(image).ravel().tolist() for image in images] == LISTS


@pytest.mark.parametrize("images", ["text", "bytes"])
def test_a_keypoint_table_keeps_its_coordinates(images: str, tmp_path: Path) -> None:
    table = FACES.apply(lambda column: column if column.name == "Image" else pd.to_numeric(column))
    table["Image"] = FACES["Image"] if images == "text" else list(map(png, FACES["Image"]))
    table.to_parquet(tmp_path / "faces.parquet")
    pd.testing.assert_frame_equal(ingested(tmp_path / "faces.parquet", "keypoints").drop(columns="unreadable"), FACES)


SHARDS = ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000-of-00001.parquet"]


@pytest.mark.parametrize("packed", [False, True])
def test_shards_are_read_in_order_and_their_names_give_the_usage(packed: bool, tmp_path: Path) -> None:
    for number, name in enumerate(SHARDS):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(hugging_face().slice(4 * number, 4), tmp_path / "set" / name)
    (tmp_path / "set/README.md").write_text("faces")
    if packed:
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for path in (tmp_path / "set").rglob("*.*"):
                archive.write(path, path.relative_to(tmp_path / "set"))
    raw = ingested(tmp_path / ("set.zip" if packed else "set"))
    assert raw["Usage"].tolist() == ["PrivateTest"] * 4 + ["Training"] * 8
    assert values_of(raw["pixels"]) == LISTS[8:] + LISTS[:8]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("name", "usage"), [("validation/0000.parquet", "PublicTest"), ("faces.parquet", None)])
def test_a_folder_of_a_split_gives_the_usage_too(name: str, usage: str | None, tmp_path: Path) -> None:
    (tmp_path / "test" / name).parent.mkdir(parents=True)
    pq.write_table(hugging_face(), tmp_path / "test" / name)
    assert set(ingested(tmp_path / "test").get("Usage", [None])) == {usage}


def test_a_column_of_splits_and_subjects_is_kept(tmp_path: Path) -> None:
    table = hugging_face(split=["train"] * 12, person=[f"person {row // 2}" for row in range(12)])
    pq.write_table(table, tmp_path / "a.parquet")
    raw = ingested(tmp_path / "a.parquet")
    assert set(raw["Usage"]) == {"train"}
    assert raw["person"].tolist()[::2] == [f"person {row}" for row in range(6)]


def log_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    for module in (parquet_tables, parquet_shards):
        monkeypatch.setattr(module, "log", lines.append)
    return lines


def test_rows_that_cannot_be_read_have_their_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = Image.new("L", (60, 40))
    wide.save(buffer := BytesIO(), "PNG")
    lines = log_of(monkeypatch)
    images = [PNGS[0], PNGS[1][:300], None, buffer.getvalue(), PNGS[4], PNGS[5]]
    structs = pa.array([{"bytes": content, "path": "a"} for content in images], BYTES_AND_PATH)
    pq.write_table(hugging_face(structs, [0, 1, 2, 3, 7, -1]), tmp_path / "a.parquet")
    raw = ingested(tmp_path / "a.parquet")
    assert raw["pixels"].ne("").tolist() == [True] + [False] * 5
    reasons = raw["unreadable"].tolist()
    assert reasons[0] == ""
    assert "truncated or corrupt" in reasons[1]
    assert reasons[2:] == [
        *("has no bytes of an image", "60x40 pixels: not square"),
        *("the label 7 has none of its 7 class names", "the label -1 has none of its 7 class names"),
    ]
    where = tmp_path / "a.parquet"
    assert lines == [f"{where}: 6 rows", f"{where}: 5 rows have no usable pixels, the first: row 2: {reasons[1]}"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([value / 255 for value in LISTS[0]], "no pixels: fractions up to 1, such as 0."),
        ([*LISTS[0], 7], "2,305 values are not the pixels of a square"),
        ([256, *LISTS[0][1:]], "a pixel of 256: pixels are 0..255"),
        ([float("nan"), *LISTS[0][1:]], "no pixels: nan is not an integer"),
        ([None, *LISTS[0][1:]], "no pixels: the list has missing values"),
        ([], "no pixels: empty"),
        (None, "no pixels: empty"),
    ],
)
def test_a_list_that_is_no_face_says_why(values: list[float] | None, reason: str, tmp_path: Path) -> None:
    table = pa.table({"pixels": pa.array([values, LISTS[1]], pa.list_(pa.float64())), "emotion": [0, 1]})
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = read_records(str(tmp_path / "a.parquet"))
    assert str(first.content).startswith(reason)
    assert isinstance(second.content, np.ndarray)
    assert ingested(tmp_path / "a.parquet")["unreadable"].tolist() == [first.content, ""]


SQUARE = np.reshape(LISTS[0], (48, 48)).tolist()


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, pa.list_view])
@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (np.reshape(LISTS[0], (36, 64)).tolist(), "64x36 pixels: not square"),
        ([*SQUARE[:46], SQUARE[46][:47], [*SQUARE[47], 7]], "rows of 47 to 49 pixels: all must be as long"),
        ([*SQUARE, []], "rows of 0 to 48 pixels: all must be as long"),
        ([*SQUARE[:47], None], "no pixels: the list has missing values"),
        ([*SQUARE[:47], [None] * 48], "no pixels: the list has missing values"),
        ([LISTS[0]], ""),
    ],
)
def test_rows_that_are_no_square_are_not_joined(
    rows: list[Any], reason: str, kind: Callable[[Any], pa.DataType], tmp_path: Path
) -> None:
    table = pa.table({"pixels": pa.array([rows, SQUARE], kind(kind(pa.int64()))), "emotion": [0, 1]})
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = read_records(str(tmp_path / "a.parquet"))
    assert first.content == reason if reason else pixels_of(first.content) == LISTS[0]
    assert pixels_of(second.content) == LISTS[0]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        *(([36, 64], "64x36 pixels: not square"), ([16, 48, 3], "144x16 pixels: not square")),
        *(([48, 48], ""), ([1, 48, 48], ""), ([2304], "")),
    ],
)
def test_a_tensor_keeps_its_shape(shape: list[int], reason: str, tmp_path: Path) -> None:
    stored = pa.FixedSizeListArray.from_arrays(pa.array(LISTS[0], pa.uint8()), 2304)
    tensors = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.uint8(), shape), stored)
    pq.write_table(pa.table({"pixels": tensors}), tmp_path / "a.parquet")
    (record,) = read_records(str(tmp_path / "a.parquet"))
    assert record.content == reason if reason else pixels_of(record.content) == LISTS[0]


EMBEDDINGS = np.random.default_rng(5).normal(0, 1, (12, 512)).astype(np.float32)
OTHERS: dict[str, Any] = {
    "bytes of floats": [one.tobytes() for one in EMBEDDINGS[:, :256]],
    "a list of floats": list(EMBEDDINGS),
    "a square list of fractions": list(EMBEDDINGS[:, :256]),
    "a list of integers": [list(range(2000))] * 12,
    "a square mask": [[0, 1] * 128] * 12,
    "a text of floats": [" ".join(map(str, one)) for one in EMBEDDINGS],
}


FACE_COLUMNS: dict[str, Any] = {
    "files": ("face", PNGS),
    "lists": ("face", LISTS),
    "texts": ("face", ROWS["pixels"].tolist()),
    "raw pixels": ("face", RAW),
    "raw pixels under their name": ("pixels", RAW),
}
# Nothing tells raw pixels from other bytes but a name.
SAME = ("raw pixels", "bytes of floats")
BESIDE = [(kind, other) for kind in FACE_COLUMNS for other in OTHERS if (kind, other) != SAME]


@pytest.mark.parametrize("name", ["embedding", "zone"])
@pytest.mark.parametrize(("kind", "other"), BESIDE)
def test_images_are_found_beside_other_numbers(kind: str, other: str, name: str, tmp_path: Path) -> None:
    face, faces = FACE_COLUMNS[kind]
    columns = {name: OTHERS[other], face: faces}
    pq.write_table(pa.table(columns).select(sorted(columns)), tmp_path / "a.parquet")
    contents = [record.content for record in read_records(str(tmp_path / "a.parquet"))]
    images = [np.asarray(Image.open(BytesIO(one))) if isinstance(one, bytes) else one for one in contents]
    assert [np.asarray(image).ravel().tolist() for image in images] == LISTS


def test_a_named_column_that_cannot_be_read_is_not_replaced_by_other_bytes(tmp_path: Path) -> None:
    fractions = [[value / 255 for value in one] for one in LISTS]
    table = pa.table({"embedding": OTHERS["bytes of floats"], "pixels": fractions})
    pq.write_table(table, tmp_path / "a.parquet")
    reasons = [str(record.content) for record in read_records(str(tmp_path / "a.parquet"))]
    assert {reason.partition(",")[0] for reason in reasons} == {"no pixels: fractions up to 1"}


def broken(change: Callable[[bytes], bytes]) -> bytes:
    buffer = BytesIO()
    pq.write_table(hugging_face(), buffer)
    return change(buffer.getvalue())


ERRORS = {
    "no label": (pa.table({"image": PNGS}), "no column emotion; found image; add or rename them"),
    "no image": (
        pa.table({"label": CODES, "path": ["a.png"] * 12}),
        "no column holds images; found label (int64), path",
    ),
    "text under image": (pa.table({"label": CODES, "image": ["a.png"] * 12}), "no column holds images; found label"),
    "two labels": (
        pa.Table.from_arrays([PNGS, CODES, CODES], ["image", "emotion", "emotion"]),
        "column emotion is repeated; remove one",
    ),
    "two labels in other case": (
        pa.Table.from_arrays([PNGS, CODES, CODES], ["image", "LABEL", "Label"]),
        "columns LABEL and Label have the same name but for its case; remove one",
    ),
    "two people": (
        pa.Table.from_arrays([PNGS, CODES, CODES, CODES], ["image", "label", "person", "person"]),
        "column person is repeated; remove one",
    ),
    "two images": (
        pa.Table.from_arrays([PNGS, PNGS, CODES], ["image", "image", "label"]),
        "column image is repeated; remove one",
    ),
    "lists of labels": (
        pa.table({"image": PNGS, "label": [[1, 2]] * 12}),
        "its column label holds list<element: int64>; write numbers or texts",
    ),
    "truncated": (broken(lambda content: content[:-9]), "; fetch or write it again"),
    "a footer of noise": (broken(lambda content: content[:-900] + b"\xff" * 892 + content[-8:]), ""),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_the_error_for_a_table_names_it_and_the_remedy(kind: str, tmp_path: Path) -> None:
    table, message = ERRORS[kind]
    path = tmp_path / "a.parquet"
    path.write_bytes(table) if isinstance(table, bytes) else pq.write_table(table, path)
    with pytest.raises(InputError) as caught:
        ingested(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert [one.name for one in tmp_path.iterdir()] == ["a.parquet"]


def test_lists_are_bounded_by_their_declared_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(frame(emotion=CODES, pixels=LISTS), tmp_path / "a.parquet", row_group_size=6)
    monkeypatch.setattr(parquet_pages, "MAX_VALUES", 6 * 2304)
    assert len(ingested(tmp_path / "a.parquet")) == 12
    monkeypatch.setattr(parquet_pages, "MAX_VALUES", 6 * 2304 - 1)
    reason = "its column pixels has 13,824 values; write the table with fewer rows per row group"
    with pytest.raises(InputError, match=reason):
        ingested(tmp_path / "a.parquet")
    (record,) = read_records(str(tmp_path / "a.parquet"))
    assert record.content == reason


def test_a_page_of_any_column_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({"image": PNGS, "label": pa.array(["sad" + " " * 2**20] * 12)})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd", use_dictionary=False)
    monkeypatch.setattr(parquet_pages, "MAX_PAGE", 2**20)
    with pytest.raises(InputError, match="a page unpacks to 12 MiB; write the table with fewer rows per row group"):
        ingested(tmp_path / "a.parquet")


def test_a_few_bytes_of_lists_do_not_exhaust_the_memory(tmp_path: Path) -> None:
    """One value, repeated in one row, which run-length encoding stores in some bytes."""
    values = pa.array(np.zeros(5_000_000, np.int64))
    lists = pa.ListArray.from_arrays(pa.array([0, 5_000_000], pa.int32()), values)
    pq.write_table(pa.table({"pixels": lists}), tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 20_000
    (record,) = read_records(str(tmp_path / "a.parquet"))
    assert record.content == "5,000,000 pixels are more than 4,194,304"


def pixels_of(content: object) -> list[int]:
    assert isinstance(content, np.ndarray)
    return list(content.ravel().tolist())


def test_raw_pixels_of_another_length_have_their_reason(tmp_path: Path) -> None:
    pq.write_table(pa.table({"pixels": pa.array([*RAW, RAW[0][1:], None], pa.binary())}), tmp_path / "a.parquet")
    records = list(read_records(str(tmp_path / "a.parquet")))
    assert pixels_of(records[0].content) == LISTS[0]
    assert str(records[12].content).startswith("2,303 values are not the pixels of a square")
    assert records[13].content == "has no bytes of an image"


def test_a_text_that_is_not_utf8_does_not_refuse_the_table(tmp_path: Path) -> None:
    def latin(texts: list[str]) -> pa.Array:
        encoded = pa.array([text.encode("latin-1") for text in texts], pa.binary())
        return pa.Array.from_buffers(pa.string(), len(texts), encoded.buffers())

    table = pa.table({"note": latin(["caf\xe9"] * 2), "pixels": latin(["\xe9 1 2", ROWS["pixels"][1]])})
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = read_records(str(tmp_path / "a.parquet"))
    assert first.content == "no pixels: empty, or not UTF-8"
    assert pixels_of(second.content) == LISTS[1]


def test_noise_of_other_sizes_is_scored_at_its_size(tmp_path: Path) -> None:
    table = frame(pixels=[list(map(int, text.split())) for text in noise_texts(1, 2, 64)])
    pq.write_table(table, tmp_path / "a.parquet")
    shapes = [np.shape(record.content) for record in read_records(str(tmp_path / "a.parquet"))]  # type: ignore[arg-type]
    assert shapes == [(64, 64), (64, 64)]


@pytest.mark.parametrize("kind", ["files", "lists", "texts"])
def test_resized_pictures_are_counted(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*noise_texts(1, 2, 64), ROWS["pixels"][0]]
    images: dict[str, list[Any]] = {"files": list(map(png, texts)), "texts": texts}
    images["lists"] = [list(map(int, text.split())) for text in texts]
    lines = log_of(monkeypatch)
    for name, rows in (("a", slice(0, 2)), ("b", slice(2, 3))):
        (tmp_path / "set").mkdir(exist_ok=True)
        pq.write_table(pa.table({"face": images[kind][rows], "label": CODES[rows]}), tmp_path / f"set/{name}.parquet")
    assert [len(face) for face in values_of(ingested(tmp_path / "set")["pixels"])] == [2304] * 3
    where = tmp_path / "set"
    assert lines == [
        f"{where}: a.parquet: 2 rows",
        f"{where}: b.parquet: 1 row",
        f"{where}: 2 pictures of other square sizes (64x64: 2) were resized to 48x48",
    ]


def test_lists_of_large_pictures_do_not_become_long_cells(tmp_path: Path) -> None:
    large = np.full((1, 2048 * 2048), 200, np.uint8)
    values = pa.FixedSizeListArray.from_arrays(pa.array(large.ravel()), 2048 * 2048)
    pq.write_table(pa.table({"pixels": values, "emotion": [0]}), tmp_path / "a.parquet")
    assert values_of(ingested(tmp_path / "a.parquet")["pixels"]) == [[200] * 2304]


@pytest.mark.parametrize("kind", ["bytes", "text"])
def test_a_keypoint_picture_of_another_size_has_its_reason(kind: str, tmp_path: Path) -> None:
    large = " ".join(["7", "9"] * (300 * 300 // 2))
    table = FACES.apply(lambda column: column if column.name == "Image" else pd.to_numeric(column))
    texts = [*FACES["Image"][:2], large, FACES["Image"][3]]
    table["Image"] = list(map(png, texts)) if kind == "bytes" else texts
    table.to_parquet(tmp_path / "faces.parquet")
    raw = ingested(tmp_path / "faces.parquet", "keypoints")
    assert raw["unreadable"].tolist() == ["", "", "300x300 pixels: not 96x96", ""]
    assert raw["Image"].tolist() == [*FACES["Image"][:2], "", FACES["Image"][3]]


PEOPLE = [f"person {row}" for row in range(12)]
UNLIKE = {
    "class names in the first": (
        (hugging_face(), hugging_face().replace_schema_metadata(None)),
        "its class names (none) are not those of the first shard (angry, disgust, fear, happy, sad, surprise, neutral)",
    ),
    "class names in the second": (
        (hugging_face().replace_schema_metadata(None), hugging_face(names=["a", "b"])),
        "its class names (a, b) are not those of the first shard (none)",
    ),
    "other class names": ((hugging_face(), hugging_face(names=NAMES[::-1])), "its class names (neutral, surprise, "),
    "people in the first": ((hugging_face(person=PEOPLE), hugging_face()), "has no column person, unlike the first"),
    "people in the second": ((hugging_face(), hugging_face(person=PEOPLE)), "has a column person, unlike the first"),
    "splits in the second": (
        (hugging_face(), hugging_face(split=["train"] * 12)),
        "has a column Usage, unlike the first shard; write all shards with the same columns",
    ),
}


@pytest.mark.parametrize("kind", UNLIKE)
def test_shards_that_are_unlike_are_refused(kind: str, tmp_path: Path) -> None:
    tables, message = UNLIKE[kind]
    (tmp_path / "set").mkdir()
    for name, table in zip("ab", tables, strict=True):
        pq.write_table(table, tmp_path / f"set/{name}.parquet")
    with pytest.raises(InputError) as caught:
        ingested(tmp_path / "set")
    assert str(caught.value).startswith(f"{tmp_path}/set: b.parquet: {message}")
    assert [one.name for one in tmp_path.iterdir()] == ["set"]


def packed_as(path: Path, how: str) -> Path:
    if how == "folder":
        return path
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        for file in sorted(path.rglob("*")):
            archive.write(file, file.relative_to(path))
    return path.with_suffix(".zip")


@pytest.mark.parametrize("how", ["folder", "zip"])
def test_hidden_files_are_no_shards_and_are_named(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set/.cache").mkdir(parents=True)
    pq.write_table(hugging_face(), tmp_path / "set/.cache/old.parquet")
    hidden = packed_as(tmp_path / "set", how)
    assert not is_parquet(hidden, "faces")
    with pytest.raises(InputError, match=r"faces: contains no Parquet; left out: .* \(\.cache"):
        write_parquet_csv("emotion", hidden, tmp_path / "raw.csv", "faces")
    with pytest.raises(InputError):
        ingested(hidden)
    (tmp_path / "set/.cache/p.png").write_bytes(PNGS[0])
    (tmp_path / "set/README.md").write_text("faces")
    pq.write_table(hugging_face(), tmp_path / "set/a.parquet")
    lines = log_of(monkeypatch)
    assert values_of(ingested(packed_as(tmp_path / "set", how))["pixels"]) == LISTS
    (line,) = (line for line in lines if "left out: " in line)
    assert "hidden or metadata of the system (.cache" in line
    assert "1 other than Parquet (README.md)" in line


def test_linked_folders_of_shards_are_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    pq.write_table(hugging_face(), tmp_path / "elsewhere/a.parquet")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/train").symlink_to(tmp_path / "elsewhere")
    lines = log_of(monkeypatch)
    raw = ingested(tmp_path / "set")
    assert set(raw["Usage"]) == {"Training"}
    assert any("linked folders are entered, in which DVC sees no change" in line for line in lines)


def test_a_folder_that_cannot_be_searched_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "set/locked").mkdir(parents=True)
    pq.write_table(hugging_face(), tmp_path / "set/a.parquet")
    scandir = os.scandir

    def refused(path: Any) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(InputError, match=r"locked: cannot be searched \(Permission denied\); change its permissions"):
        ingested(tmp_path / "set")


def test_a_table_before_a_zip_is_no_zip(tmp_path: Path) -> None:
    """zipfile finds the end of a zip in any file."""
    table = ROWS[["emotion", "pixels"]].to_csv(index=False).encode()
    with zipfile.ZipFile(buffer := BytesIO(), "w") as archive:
        archive.writestr("a.parquet", b"PAR1")
    (tmp_path / "a.csv").write_bytes(table + buffer.getvalue())
    assert zipfile.is_zipfile(tmp_path / "a.csv")
    assert not is_parquet(tmp_path / "a.csv", "a.csv")


def test_a_csv_may_name_its_splits_split(tmp_path: Path) -> None:
    table = ROWS[["emotion", "pixels"]].assign(Split=["train", "test"] * 6)
    table.to_csv(tmp_path / "a.csv", index=False)
    (chunk,) = read_raw(tmp_path / "a.csv", "emotion")
    assert chunk["Usage"].tolist() == ["train", "test"] * 6
