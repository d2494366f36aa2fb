"""The validated tables: their images."""

import numpy as np
import pandas as pd

from faces.common.pixel_text import SIZES


def images_of(table: pd.DataFrame, model_name: str) -> np.ndarray:
    """The images of a valid table, (N, H, W) uint8."""
    return np.frombuffer(b"".join(table["pixels"]), np.uint8).reshape(-1, SIZES[model_name], SIZES[model_name])
