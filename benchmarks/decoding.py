"""Decoding of a raw table: this project's method beside the original project's.

    python -m benchmarks.decoding emotion data/sample/emotion.csv

The methods alternate, each run in a new process. Rows per second are medians; memory is the peak beyond what imports
take. Both methods return every image as an array.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from benchmarks.processes import measured_apart, peak_mb
from benchmarks.tables import print_table
from faces.common.pixel_text import SIZES, decode_images
from tasks.common.files import InputError
from tasks.readers.raw_csv import PIXELS, columns, read_raw


def in_chunks(model_name: str, path: Path) -> np.ndarray:
    """This project's method: read the text in chunks and decode each in one call, to uint8."""
    return np.concatenate(
        [
            decode_images(chunk[PIXELS[model_name]].tolist(), SIZES[model_name])[0]
            for chunk in read_raw(path, model_name)
        ]
    )


def row_by_row(model_name: str, path: Path) -> np.ndarray:
    """The original's method: read the whole text, split and reshape each row. Rows of another length are dropped."""
    size = SIZES[model_name]
    texts = pd.read_csv(path, skipinitialspace=True)[PIXELS[model_name]]
    complete = texts[texts.str.count(" ") == size * size - 1]
    return np.stack([np.array(text.split(" ")).reshape(size, size, 1).astype("float32") for text in complete])


WAYS: dict[str, Callable[[str, Path], np.ndarray]] = {"row by row": row_by_row, "in chunks": in_chunks}


def _measure(way: str, model_name: str, path: Path) -> None:
    before, start = peak_mb(), time.perf_counter()
    images = WAYS[way](model_name, path)
    seconds = time.perf_counter() - start
    print(json.dumps({"rows": len(images), "rows/s": len(images) / seconds, "MB": peak_mb() - before}))


def medians(model_name: str, path: Path, repeats: int) -> dict[str, dict[str, float]]:
    """Return `rows`, `rows/s` and `MB` by way: medians over the repeats, each in a new process."""
    runs: dict[str, list[dict]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            runs[way].append(measured_apart("benchmarks.decoding", model_name, str(path), "--way", way))
    return {way: {name: median(run[name] for run in some) for name in some[0]} for way, some in runs.items()}


def table_rows(results: dict[str, dict[str, float]]) -> list[list[str]]:
    """Return a row per way, and the ratio of ours to the original's; - for memory that did not grow."""
    rows = [[way, *(f"{one[name]:,.0f}" for name in ("rows", "rows/s", "MB"))] for way, one in results.items()]
    old, new = results["row by row"], results["in chunks"]
    memory = f"{new['MB'] / old['MB']:.2f} times" if old["MB"] else "-"
    return [*rows, ["ratio", "", f"{new['rows/s'] / old['rows/s']:.1f} times", memory]]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=list(SIZES))
    parser.add_argument("path", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.way:
        _measure(options.way, options.model, options.path)
        return
    try:
        columns(options.path, options.model)
    except InputError as error:
        sys.exit(str(error))
    rows = table_rows(medians(options.model, options.path, options.repeats))
    print_table(f"{options.path}, median of {options.repeats}", ("way", "rows", "rows/s", "peak MB"), rows)


if __name__ == "__main__":
    main()
