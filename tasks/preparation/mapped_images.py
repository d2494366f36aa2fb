"""The images of a validated table in a temporary file, so that they need no memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from faces.common.pixel_text import SIZES
from faces.common.stored_images import images_of

ROWS = 4096


def columns_without_pixels(valid: Path) -> pd.DataFrame:
    """A validated table without its images."""
    names = [name for name in pq.read_schema(valid).names if name != "pixels"]
    return pd.read_parquet(valid, columns=names)


@contextmanager
def mapped_images(valid: Path, model_name: str, which: np.ndarray, folder: Path) -> Iterator[np.ndarray]:
    """The images (M, H, W) uint8 of the rows `which` (N,) bool of a validated table, memory-mapped and read-only.

    The file is in `folder` and disappears with the context, or with the process.
    """
    shape = (int(which.sum()), SIZES[model_name], SIZES[model_name])
    if not shape[0]:
        yield np.empty(shape, np.uint8)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder) as handle:
        start = 0
        with pq.ParquetFile(valid) as table:
            for batch in table.iter_batches(ROWS, columns=["pixels"]):
                chosen = which[start : start + len(batch)]
                handle.write(images_of(batch.to_pandas()[chosen], model_name).tobytes())
                start += len(batch)
        handle.flush()
        yield np.asarray(np.memmap(handle, np.uint8, "r", shape=shape))
