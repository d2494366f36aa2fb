"""What the scoring report shows of pictures and faces: bounded, as text for display, with thumbnails."""

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from os import cpu_count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from faces.scoring.quality_flags import FLAGS
from tasks.common.text_escaping import visible
from tasks.orchestration.artifacts import counted
from tasks.plots.annotated_images import picture_paths

MAX_FACES, MAX_THUMBNAILS, MAX_SKIPPED = 10_000, 2_000, 500
"""Faces, thumbnails and skipped sources in the page; the tables have all of them."""
MAX_NAME = 200
"""Characters of a name that are shown."""
THUMBNAIL = 176, 132
PROBABILITY = "probability_"


def classes_of(path: Path) -> list[str]:
    """The emotions that the table has probabilities of, in its order."""
    return [name.removeprefix(PROBABILITY) for name in pq.read_schema(path).names if name.startswith(PROBABILITY)]


def report_data(out: Path) -> tuple[dict[str, Any], list[str]]:
    """What the script of the page reads of the first MAX_FACES faces, and notes in words on what is left out."""
    path = out / "predictions.parquet"
    classes, num_faces = classes_of(path), pq.read_metadata(path).num_rows
    names = ["source", "row", "face", "emotion", "confidence", "abstained", *FLAGS]
    table = _first_rows(path, [*names, *(PROBABILITY + name for name in classes)], MAX_FACES)
    places, sources = pd.factorize(table["source"])
    folder, drawn = _folder_of(sources.tolist()), picture_paths(out)
    paths = [found if (found := drawn.get(source)) and found.exists() else None for source in sources]
    thumbnails = _thumbnails([found for found in paths if found][:MAX_THUMBNAILS])
    probabilities = _shares(table[[PROBABILITY + name for name in classes]].to_numpy(float))
    quality = [", ".join(flag for flag, is_set in zip(FLAGS, row, strict=True) if is_set) for row in _flags(table)]
    columns = ["row", "face", "emotion", "confidence", "abstained"]
    rows = zip(places.tolist(), *(table[name].tolist() for name in columns), quality, probabilities, strict=True)
    faces = [
        {"source": place, "row": row, "face": face, "emotion": emotion, "confidence": round(confidence, 3)}
        | {"abstained": abstained, "quality": flags, "probabilities": shares}
        for place, row, face, emotion, confidence, abstained, flags, shares in rows
    ]
    data = {
        "classes": classes,
        "has_rows": bool((table["row"] > 0).any()),
        "sources": [
            {"name": shown_name(source.removeprefix(folder))}
            | ({"picture": f"pictures/{quote(found.name)}", "thumbnail": thumbnails.get(found, "")} if found else {})
            for source, found in zip(sources, paths, strict=True)
        ],
        "faces": faces,
    }
    return data, _notes(folder, num_faces, len(faces), sum(map(bool, paths)), len(thumbnails))


def skipped_rows(out: Path) -> tuple[list[tuple[str, object, str]], int]:
    """Source, row and reason of the first MAX_SKIPPED records without a face, and the number of all of them."""
    path = out / "skipped.parquet"
    table = _first_rows(path, ["source", "row", "reason"], MAX_SKIPPED)
    rows = [
        (shown_name(source), row or "", visible(reason)[: 2 * MAX_NAME])
        for source, row, reason in table.itertuples(index=False, name=None)
    ]
    return rows, pq.read_metadata(path).num_rows


def shown_name(source: str) -> str:
    """A source on one line, without control characters; of a long one, its beginning and its end."""
    text = visible(source)
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME // 2 - 1]}…{text[-MAX_NAME // 2 :]}"


def _first_rows(path: Path, columns: Sequence[str], count: int) -> pd.DataFrame:
    found, rows = [], 0
    with pq.ParquetFile(path, pre_buffer=False) as table:
        empty = table.schema_arrow.empty_table().select(list(columns))
        for batch in table.iter_batches(columns=list(columns)):
            found.append(batch.slice(0, count - rows))
            rows += len(found[-1])
            if rows == count:
                break
    return pa.Table.from_batches(found, empty.schema).select(list(columns)).to_pandas()


def _shares(probabilities: np.ndarray) -> list[list[float | None]]:
    """None for a class that was not asked for: JSON has no NaN."""
    return [[None if np.isnan(share) else share for share in row] for row in probabilities.round(3).tolist()]


def _flags(table: pd.DataFrame) -> list[list[bool]]:
    flags: list[list[bool]] = table[list(FLAGS)].to_numpy(bool).tolist()
    return flags


def _folder_of(sources: Sequence[str]) -> str:
    """The beginning that all names share, up to a folder; empty if they share none."""
    first, last = min(sources), max(sources)
    end = next((place for place, (one, two) in enumerate(zip(first, last, strict=False)) if one != two), len(first))
    return first[: first.rfind("/", 0, end) + 1]


def _notes(folder: str, num_faces: int, shown: int, drawn: int, thumbnails: int) -> list[str]:
    notes = [f"All sources are in {shown_name(folder)}"] if folder else []
    notes.append("An emotion with ? is abstained: its confidence is below the threshold; its box is amber.")
    if shown < num_faces:
        notes.append(
            f"The first {shown:,} of {counted(num_faces, 'face')} are listed here; predictions.parquet has all of "
            "them, and pictures/ all pictures."
        )
    if thumbnails < drawn:
        notes.append(f"The first {thumbnails:,} of {counted(drawn, 'picture')} have a thumbnail; all can be opened.")
    return notes


def _thumbnails(paths: list[Path]) -> dict[Path, str]:
    with ThreadPoolExecutor(cpu_count() or 1) as pool:
        return dict(zip(paths, pool.map(_thumbnail, paths), strict=True))


def _thumbnail(path: Path) -> str:
    content = BytesIO()
    with Image.open(path, formats=("JPEG",)) as image:
        # A JPEG is decoded at a fraction of its size.
        image.thumbnail(THUMBNAIL)
        image.save(content, "JPEG", quality=72, optimize=True)
    return base64.b64encode(content.getvalue()).decode()
