"""The project's readers, as training and scoring use them, with what must hold of them whatever they are given."""

import csv
from contextlib import suppress
from pathlib import Path

import numpy as np

import params
from tasks.common.dataset import load_part
from tasks.common.errors import Unusable
from tasks.data.ingestion import bring_in
from tasks.readers.image_folder import _pixel_text, write_tree
from tasks.readers.images import grey_levels
from tasks.readers.raw_csv import read_raw
from tasks.readers.records import Item, items_of
from tasks.scoring.face_crops import cut_faces, picture_of
from tests.conftest import ROOT
from tests.readers.bombs import SOFT, encoded
from tests.readers.fuzz_seeds import zipped

MOST_PIXELS = 2**22
SCORE = params.load(ROOT / "params.yaml").score.model_copy(update={"most_pixels": MOST_PIXELS})
GOOD = encoded(SOFT, "PNG")


def read_picture(content: bytes) -> bool:
    """A picture as scoring and as training decode it; whether scoring does."""
    with suppress(Unusable):
        _pixel_text(content)
    with suppress(Unusable):
        picture = grey_levels(content, MOST_PIXELS)
        assert (picture.ndim, picture.dtype) == (2, np.uint8)
        assert picture.size <= MOST_PIXELS
        return True
    return False


def read_batch(contents: list[bytes], folder: Path) -> None:
    """Pictures among good ones, scored and as a training folder: each is told once, and the good ones are as ever."""
    items = [Item("good", 0, GOOD), *(Item(str(n), 0, one) for n, one in enumerate(contents)), Item("good", 1, GOOD)]
    cut = cut_faces(items, "whole", SCORE)
    assert sorted([*cut.places["source"], *cut.skipped["source"]]) == sorted(item.source for item in items)
    assert (cut.images["emotion"][[0, -1]] == np.asarray(SOFT)).all()
    packed = {f"train/happy/{item.source}.png": item.content for item in items if isinstance(item.content, bytes)}
    (folder / "tree.zip").write_bytes(zipped(packed))
    write_tree(folder / "tree.zip", folder / "tree.csv", "tree")
    with (folder / "tree.csv").open(newline="") as text:
        cells = {row["file"]: row["pixels"] for row in csv.DictReader(text)}
    assert list(cells) == sorted(packed)
    assert cells["train/happy/good.png"] == " ".join(map(str, np.asarray(SOFT).ravel().tolist()))


def read_table(name: str, content: bytes, folder: Path) -> bool:
    """A table as training and as scoring read it; whether a row of it could be used."""
    path, head = folder / name, "keypoints" if name.startswith("keypoints") else "emotion"
    path.write_bytes(content)
    if name.endswith(".npz"):
        return len(load_part(path).images) > 0
    found = usable(path)
    if not name.endswith(".parquet"):
        raw = bring_in(head, str(path), folder / "raw.csv")
        found += sum(map(len, read_raw(raw, head)))
    return found > 0


def usable(path: Path) -> int:
    """How many of a table's rows have a picture; every row is one item, and each is told once."""
    found, rows = 0, []
    for item in items_of(str(path)):
        rows.append(item.row)
        try:
            found += picture_of(item, SCORE).size > 0
        except Unusable:
            continue
    assert rows == list(range(1, len(rows) + 1)) or rows == [0]
    return found
