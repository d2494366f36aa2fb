"""Names of exported models."""

from pathlib import Path

PRECISIONS = ("float32", "int8")


def export_path(model_path: Path, precision: str) -> Path:
    """The exported file of a model: beside `keypoints.keras`, `keypoints.int8.onnx`."""
    return model_path.with_suffix(f".{precision}.onnx")


def other_precision(precision: str) -> str:
    """The precision that is not the given one."""
    return next(each for each in PRECISIONS if each != precision)
