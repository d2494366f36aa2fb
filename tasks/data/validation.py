"""Validate the raw tables against their expectation suites and quarantine invalid rows."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from faces.common.geometry import resize_images
from faces.common.pixel_text import SIZES, decode_images, decode_squares
from faces.common.schema import COORDINATES, class_name
from faces.data.row_checks import (
    emotion_row_checks,
    keypoint_coordinates,
    keypoint_row_checks,
    repeated_columns,
    table_notes,
    usages,
)
from params import Validate
from tasks.common.csv_escaping import write_cells
from tasks.common.files import InputError, replacing
from tasks.data.expectations import emotion_suite, keypoint_suite
from tasks.data.suite_run import run_suite
from tasks.data.validation_report import (
    failed_expectations,
    outcome,
    reason_texts,
    reasons_by_row,
    too_many_invalid,
)
from tasks.orchestration.artifacts import counted, log, log_table
from tasks.orchestration.decorators import task
from tasks.readers.raw_csv import OPTIONAL, PIXELS, read_raw


@task
def validate_table(
    model_name: str, raw: Path, settings: Validate, report: Path, docs: Path, predefined_split: bool = True
) -> Path:
    """Run the expectation suite; write validation results (reasons, severities, failing rows) and Data Docs.

    Any word passes in the column Usage unless the split is `predefined_split`, which follows it.
    """
    log(f"{model_name}: reading {raw}")
    checks = pd.concat(list(_row_checks(model_name, raw, settings)), ignore_index=True)
    if model_name == "emotion":
        suite = emotion_suite(settings.emotion, predefined_split)
    else:
        suite, checks["points_repeated"] = keypoint_suite(settings.keypoints), repeated_columns(checks)
    log(f"{model_name}: validating {counted(len(checks), 'row')} against {counted(len(suite), 'expectation')}")
    results = run_suite(model_name, suite, checks, docs)
    notes = table_notes(model_name, checks, set(reasons_by_row(results)))
    for note, count in notes.items():
        log(f"{model_name}: {note}: {count}")
    content = {"table": str(raw), "rows": len(checks), "notes": notes, "results": results}
    with replacing(report) as temporary:
        temporary.write_text(json.dumps(content, indent=1))
    return report


@task
def quarantine_rows(
    model_name: str, raw: Path, results: Path, settings: Validate, valid: Path, quarantine: Path
) -> Path:
    """Write valid rows, decoded, to `valid`; write invalid rows, unchanged and with all reasons, to `quarantine`.

    Raises InputError listing all problems if a `critical` expectation failed, or if more than `max_invalid_fraction` of
    the rows, or all, are invalid. The quarantine is written then too, so that its rows can be corrected.
    """
    report = json.loads(results.read_text())
    reasons = reason_texts(report["results"])
    with replacing(valid) as valid_file:
        with replacing(quarantine) as quarantine_file:
            num_valid, num_invalid = _split_rows(model_name, raw, settings, reasons, valid_file, quarantine_file)
        if num_valid + num_invalid != report["rows"] or num_invalid != len(reasons):
            raise AssertionError(
                f"{model_name}: {report['rows']} raw rows, but {num_valid} valid and {num_invalid} quarantined"
            )
        if problems := [
            *failed_expectations(report),
            *too_many_invalid(report, settings.max_invalid_fraction, quarantine),
        ]:
            raise InputError(f"{raw} cannot be used:\n" + "\n".join(problems))
    log(f"{model_name}: {report['rows']} raw = {num_valid} valid + {num_invalid} quarantined")
    return valid


@task
def report_validation(results: dict[str, Path], valid: dict[str, Path], summary: Path) -> Path:
    """Write and log the data-quality summary: rows, failing rows per expectation, and classes.

    A model that is not in `valid` had its table refused.
    """
    content, outcomes = {}, []
    for model_name, path in results.items():
        report = json.loads(path.read_text())
        reasons = reasons_by_row(report["results"])
        content[model_name] = {
            "raw": report["rows"],
            "valid": pq.read_metadata(valid[model_name]).num_rows if model_name in valid else "refused",
            "quarantined": len(reasons),
            "reasons": dict(Counter(reason for each in reasons.values() for reason in each)),
            "notes": report["notes"],
        }
        outcomes += [{"model": model_name, **outcome(result)} for result in report["results"]]
    if "emotion" in valid:
        emotions = pd.read_parquet(valid["emotion"], columns=["emotion"])["emotion"]
        content["emotion"]["classes"] = emotions.value_counts().to_dict()
    with replacing(summary) as temporary:
        temporary.write_text(json.dumps(content, indent=1))
    counts = [
        {"model": model_name, **{key: each[key] for key in ("raw", "valid", "quarantined")}}
        for model_name, each in content.items()
    ]
    log_table("data-counts", counts, "Rows: raw = valid + quarantined")
    log_table("data-quality", outcomes, "Data quality: rows that fail each expectation")
    return summary


def _row_checks(model_name: str, raw: Path, settings: Validate) -> Iterator[pd.DataFrame]:
    for chunk in read_raw(raw, model_name):
        yield (
            emotion_row_checks(chunk, settings.emotion.label_encoding)
            if model_name == "emotion"
            else keypoint_row_checks(chunk)
        )


def _split_rows(
    model_name: str, raw: Path, settings: Validate, reasons: dict[int, list[str]], valid: Path, quarantine: Path
) -> tuple[int, int]:
    """Number of rows written to `valid` and to `quarantine`, in chunks, so that no table is in memory as a whole."""
    num_valid = num_invalid = 0
    with _parquet_writer(valid) as write, quarantine.open("w", newline="", encoding="utf-8") as text:
        for chunk in read_raw(raw, model_name):
            is_invalid = chunk["row"].isin(reasons.keys())
            invalid = chunk[is_invalid]
            invalid.insert(1, "reasons", ["; ".join(reasons[row]) for row in invalid["row"]])
            write_cells(invalid, text, header=text.tell() == 0)
            decoded = _decode_rows(model_name, chunk[~is_invalid], settings.emotion.label_encoding)
            write(decoded)
            num_valid, num_invalid = num_valid + len(decoded), num_invalid + len(invalid)
    return num_valid, num_invalid


@contextmanager
def _parquet_writer(path: Path) -> Iterator:
    """Yield a function that appends tables of the same columns to a Parquet file."""
    writer: pq.ParquetWriter | None = None

    def write(table: pd.DataFrame) -> None:
        nonlocal writer
        if table.empty:
            return  # a column of text or bytes has no type without a row
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, arrow.schema)
        writer.write_table(arrow)

    try:
        yield write
    finally:
        if writer:
            writer.close()


def _decode_rows(model_name: str, raw: pd.DataFrame, label_encoding: str) -> pd.DataFrame:
    """Valid rows as typed columns: `row`, `pixels` (bytes, row-major), and the labels."""
    table = pd.DataFrame({"row": raw["row"].to_numpy(), "pixels": _pixels(model_name, raw)})
    if model_name == "emotion":
        table["emotion"] = pd.Series([class_name(text, label_encoding) for text in raw["emotion"]], dtype="str")
    else:
        coordinates, at_origin = keypoint_coordinates(raw)
        table[list(COORDINATES)] = coordinates.to_numpy(np.float32)
        table["points_at_origin"] = at_origin.to_numpy(np.int64)
    for optional in OPTIONAL[model_name]:
        if optional in raw:
            texts = usages(raw[optional]) if optional == "Usage" else raw[optional].str.strip()
            table[optional.lower()] = texts.to_numpy("str")
    return table


def _pixels(model_name: str, raw: pd.DataFrame) -> list[bytes]:
    """The pixels of each row, in the model's size: other squares, which have no coordinates, are resized."""
    texts, size = raw[PIXELS[model_name]].tolist(), SIZES[model_name]
    images, is_decoded = decode_images(texts, size)
    decoded = iter(images)
    pixels = []
    for row, text, is_of_size in zip(raw["row"], texts, is_decoded, strict=True):
        image = next(decoded) if is_of_size else decode_squares([text])[0]
        if isinstance(image, str) or (model_name == "keypoints" and not is_of_size):
            raise AssertionError(f"{model_name}: row {row} passed validation, but it cannot be decoded")
        pixels.append(resize_images(image[None], size).tobytes())
    return pixels
