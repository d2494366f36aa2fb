"""The readers as training and scoring use them, with assertions that hold for every input."""

import csv
import re
from contextlib import suppress
from pathlib import Path

import numpy as np

import params
from tasks.common.dataset import load_dataset
from tasks.common.errors import UnreadableInput
from tasks.data.ingestion import bring_in
from tasks.readers.image_folder import write_image_folder_csv
from tasks.readers.images import grey_levels
from tasks.readers.raw_csv import read_raw
from tasks.readers.records import Record, read_records
from tasks.readers.training_images import face_pixels
from tasks.scoring.face_crops import crop_faces, load_image
from tests.conftest import ROOT
from tests.readers.bombs import SOFT, encoded
from tests.readers.fuzz_seeds import zipped

MAX_PIXELS = 2**22
SCORE = params.load(ROOT).score.model_copy(update={"max_image_pixels": MAX_PIXELS})
GOOD = encoded(SOFT, "PNG")


def read_image(content: bytes) -> bool:
    """Decode an image as scoring and training do; whether scoring accepts it."""
    with suppress(UnreadableInput):
        face_pixels(content)
    with suppress(UnreadableInput):
        image = grey_levels(content, MAX_PIXELS)
        assert (image.ndim, image.dtype) == (2, np.uint8)
        assert image.size <= MAX_PIXELS
        return True
    return False


def read_batch(contents: list[bytes], folder: Path) -> None:
    """Score images among valid ones and read them as a training folder: each is one record, valid ones stay equal."""
    records = [
        Record("good", 0, GOOD),
        *(Record(str(n), 0, one) for n, one in enumerate(contents)),
        Record("good", 1, GOOD),
    ]
    crops = crop_faces(records, "whole", SCORE)
    assert sorted([*crops.detections["source"], *crops.skipped["source"]]) == sorted(
        record.source for record in records
    )
    assert (crops.images["emotion"][[0, -1]] == np.asarray(SOFT)).all()
    packed = {
        f"train/happy/{record.source}.png": record.content for record in records if isinstance(record.content, bytes)
    }
    (folder / "tree.zip").write_bytes(zipped(packed))
    write_image_folder_csv(folder / "tree.zip", folder / "tree.csv", "tree")
    with (folder / "tree.csv").open(newline="") as text:
        cells = {row["file"]: row["pixels"] for row in csv.DictReader(text)}
    assert list(cells) == sorted(packed)
    assert cells["train/happy/good.png"] == " ".join(map(str, np.asarray(SOFT).ravel().tolist()))


def read_table(name: str, content: bytes, folder: Path) -> bool:
    """Read a table as training and scoring do; whether a row of it is usable."""
    path, model_name = folder / name, "keypoints" if name.startswith("keypoints") else "emotion"
    path.write_bytes(content)
    if name.endswith(".npz"):
        return read_split(path)
    found = usable(path)
    if not name.endswith(".parquet") or "emotion" in name:
        raw = bring_in(model_name, str(path), folder / "raw.csv")
        found += sum(map(len, read_raw(raw, model_name)))
    return found > 0


def read_split(path: Path) -> bool:
    """Read a prepared split as scoring does, face by face, and as training does; whether it has faces."""
    faces = [record.content for record in read_records(str(path))]
    dataset = load_dataset(path)
    unread = isinstance(faces[0], str)
    # Training accepts repeated rows, of augmented faces, and pixels stored in either order.
    assert unread or np.array_equal(np.array(faces), dataset.images)
    assert not unread or not len(dataset) or re.search("rows|by column", str(faces[0]))
    return len(dataset) > 0


def usable(path: Path) -> int:
    """The number of rows of a table with an image; every row is exactly one record."""
    found, rows = 0, []
    for record in read_records(str(path)):
        rows.append(record.row)
        try:
            found += load_image(record, SCORE).size > 0
        except UnreadableInput:
            continue
    assert rows == list(range(1, len(rows) + 1)) or set(rows) == {0}
    return found
