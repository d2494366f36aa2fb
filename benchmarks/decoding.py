"""Decoding a raw table: this project's way beside that of the project it began from, side by side.

    python -m benchmarks.decoding emotion data/sample/emotion.csv

Each way runs in processes of its own, in turn, several times; rows a second are medians, memory is the peak over what
the imports take. Both end with every image as an array.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from faces.common.pixel_text import SIZES, decode_images
from tasks.common.files import InputError
from tasks.readers.raw_csv import PIXELS, columns, read_raw


def in_chunks(head: str, path: Path) -> np.ndarray:
    """Ours: the text a chunk at a time, its pixels in one call, as uint8."""
    return np.concatenate(
        [decode_images(chunk[PIXELS[head]].tolist(), SIZES[head])[0] for chunk in read_raw(path, head)]
    )


def row_by_row(head: str, path: Path) -> np.ndarray:
    """The original's: the whole text, then split and reshape per row. Rows of another length are left out."""
    size = SIZES[head]
    texts = pd.read_csv(path, skipinitialspace=True)[PIXELS[head]]
    whole = texts[texts.str.count(" ") == size * size - 1]
    return np.stack([np.array(text.split(" ")).reshape(size, size, 1).astype("float32") for text in whole])


WAYS: dict[str, Callable[[str, Path], np.ndarray]] = {"row by row": row_by_row, "in chunks": in_chunks}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _measure(way: str, head: str, path: Path) -> None:
    before, start = _peak_mb(), time.perf_counter()
    images = WAYS[way](head, path)
    seconds = time.perf_counter() - start
    print(json.dumps({"rows": len(images), "rows/s": len(images) / seconds, "MB": _peak_mb() - before}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("head", choices=list(SIZES))
    parser.add_argument("path", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        _measure(options.way, options.head, options.path)
        return
    try:
        columns(options.path, options.head)
    except InputError as error:
        sys.exit(str(error))
    found: dict[str, list[dict]] = {way: [] for way in WAYS}
    for _ in range(options.repeats):
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.decoding", options.head, str(options.path), "--way", way]
            found[way].append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))
    table = Table(title=f"{options.path}, median of {options.repeats}", title_justify="left")
    for column in ("way", "rows", "rows/s", "peak MB"):
        table.add_column(column)
    middle = {way: {name: median(run[name] for run in runs) for name in runs[0]} for way, runs in found.items()}
    for way, one in middle.items():
        table.add_row(way, *(f"{one[name]:,.0f}" for name in ("rows", "rows/s", "MB")))
    old, new = middle["row by row"], middle["in chunks"]
    table.add_row("ratio", "", f"{new['rows/s'] / old['rows/s']:.1f} times", f"{new['MB'] / old['MB']:.2f} times")
    Console().print(table)


if __name__ == "__main__":
    main()
