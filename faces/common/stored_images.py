"""The images of a validated table, in which they are stored as bytes."""

import numpy as np
import pandas as pd

from faces.common.pixel_text import SIZES


def images_of(table: pd.DataFrame, model_name: str) -> np.ndarray:
    """The images (N, H, W) uint8 of a valid table, whose column `pixels` has their bytes, row by row."""
    return np.frombuffer(b"".join(table["pixels"]), np.uint8).reshape(-1, SIZES[model_name], SIZES[model_name])
