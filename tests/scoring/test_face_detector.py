"""YuNet instead of the cascade: OpenCV decodes the outputs of a model built here, which detects white cells as faces.

The published file is not part of this project.
"""

import hashlib
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from faces.scoring.face_detection import YUNET_POINTS, detect_faces_yunet
from params import Detector, Score, load
from tasks.common.files import InputError
from tasks.models.approved_models import load_approved_models
from tasks.readers.records import Record
from tasks.scoring.batch import score_sources
from tasks.scoring.face_crops import crop_faces
from tasks.scoring.face_detector import make_detector
from tests.conftest import ROOT

STRIDES = (8, 16, 32)
WIDTH = 40.0
"""Of the box around a white cell, px."""
POINTS = (YUNET_POINTS - YUNET_POINTS.mean(axis=0)) * 0.5
"""Around the centre of a cell: the mean face, half as large as in a crop of 96 px."""


def field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protocol-buffer message."""

    def varint(left: int) -> bytes:
        return bytes([left]) if left < 128 else bytes([left % 128 + 128]) + varint(left // 128)

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, values: np.ndarray) -> bytes:
    dims = b"".join(field(1, size) for size in values.shape)
    return field(5, dims + field(2, 1) + field(8, name) + field(9, values.astype("<f4").tobytes()))


def node(kind: str, inputs: list[str], output: str, **attributes: list[int]) -> bytes:
    ends = b"".join(field(1, name) for name in inputs) + field(2, output)
    given = b"".join(
        field(5, field(1, name) + b"".join(field(8, one) for one in values) + field(20, 7))
        for name, values in attributes.items()
    )
    return field(1, ends + field(4, kind) + given)


def placed(name: str, kind: int, shape: tuple[int, ...]) -> bytes:
    sizes = b"".join(field(1, field(1, size)) for size in shape)
    return field(kind, field(1, name) + field(2, field(1, field(1, 1) + field(2, sizes))))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file with YuNet's inputs and outputs: the score of a cell is its brightness, the rest is constant."""
    graph = field(2, "cells") + placed("input", 11, (1, 3, 64, 64))
    for stride in STRIDES:
        # Only cells of the finest grid can be entirely white.
        bright = np.full((1, 3, stride, stride), 1 / (3 * 255 * stride**2)) * (stride == 8)
        middle = (POINTS / stride + 0.5).ravel()
        outputs = {
            "cls": (bright, np.zeros(1)),
            "obj": (0 * bright, np.ones(1)),
            "bbox": (np.zeros((4, 3, stride, stride)), np.array([0.5, 0.5, *[math.log(WIDTH / stride)] * 2])),
            "kps": (np.zeros((10, 3, stride, stride)), middle),
        }
        for name, (kernel, bias) in outputs.items():
            name = f"{name}_{stride}"
            graph += tensor(f"{name}_kernel", kernel) + tensor(f"{name}_bias", bias)
            conv = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
            graph += node("Conv", ["input", f"{name}_kernel", f"{name}_bias"], f"{name}_maps", **conv)
            graph += node("Transpose", [f"{name}_maps"], name, perm=[0, 2, 3, 1])
            graph += placed(name, 12, (1, 64 // stride, 64 // stride, len(bias)))
    path = tmp_path_factory.mktemp("yunet") / "cells.onnx"
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 13)))
    return path


def settings(model: Path, **changes: Any) -> Score:
    detector = Detector(name="yunet", file=str(model), sha256=hashlib.sha256(model.read_bytes()).hexdigest())
    return load(ROOT).score.model_copy(update={"detector": detector} | changes)


def photograph(*cells: tuple[int, int]) -> np.ndarray:
    """Black, with white cells of 8 px at these rows and columns of the grid."""
    pixels = np.zeros((320, 416), np.uint8)
    for row, column in cells:
        pixels[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255
    return pixels


def test_a_box_places_the_five_points_as_in_a_crop(model: Path) -> None:
    boxes, scores = make_detector(settings(model))(photograph((10, 20), (30, 40)))
    assert len(boxes) == 2
    np.testing.assert_allclose(boxes[:, 2], 48, atol=0.01)
    np.testing.assert_allclose(scores, 1, atol=1e-3)
    for row, column in ((10, 20), (30, 40)):
        points = POINTS + np.array([8 * column + 4, 8 * row + 4])
        # Inverts `crop_to_image`.
        corner = points.mean(axis=0) + 0.5 - 0.5 * (YUNET_POINTS.mean(axis=0) + 0.5)
        assert np.isclose(boxes[:, :2], corner, atol=0.01).all(axis=1).any()


def test_images_are_searched_with_yunet(model: Path) -> None:
    """The cascade does not detect a white cell as a face."""
    record = Record("cell.png", 0, cv2.imencode(".png", photograph((10, 20)))[1].tobytes())
    crops = crop_faces([record], "auto", settings(model))
    assert crops.detections["box_size"].to_numpy() == pytest.approx([48], abs=0.01)
    assert crops.detections["detection_score"].to_numpy() == pytest.approx([1], abs=1e-3)
    assert crops.images["keypoints"].shape == (1, 96, 96)
    by_cascade = crop_faces([record], "auto", settings(model, detector=Detector(name="cascade")))
    (reason,) = by_cascade.skipped["reason"]
    assert reason.startswith("no face found (searched, because 416x320 pixels are more than score.max_crop_px = 128; ")


def test_in_a_photograph_of_twice_the_size_the_boxes_are_twice_as_large(model: Path) -> None:
    content = np.frombuffer(model.read_bytes(), np.uint8)
    once = detect_faces_yunet(photograph((10, 20)), 416, content, 0.6)[0]
    large = cv2.resize(photograph((10, 20)), None, fx=2, fy=2, interpolation=0)
    twice = detect_faces_yunet(large, 416, content, 0.6)[0]
    np.testing.assert_allclose(twice[:, 2], 2 * once[:, 2], rtol=1e-3)
    np.testing.assert_allclose(twice[:, :2], 2 * once[:, :2], atol=0.01)


def test_an_image_without_a_face_has_no_boxes(model: Path) -> None:
    boxes, scores = make_detector(settings(model))(photograph())
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_a_file_that_is_not_yunet_is_refused_before_anything_is_written(model: Path, tmp_path: Path) -> None:
    other, text = tmp_path / "other.onnx", tmp_path / "text.onnx"
    other.write_bytes(model.read_bytes().replace(b"kps_8", b"kqs_8"))
    text.write_text("not a model")
    absent = settings(model, detector=Detector(name="yunet", file=str(tmp_path / "none.onnx"), sha256="0" * 64))
    altered = settings(model, detector=Detector(name="yunet", file=str(model), sha256="0" * 64))
    approved = load_approved_models(ROOT / "models/fast/gate.json", ROOT / "models/fast")
    for changed, message in (
        (settings(other), "other.onnx: not a YuNet model"),
        (settings(text), "text.onnx: not a YuNet model"),
        (absent, r"none.onnx: cannot be read \(FileNotFoundError"),
        (altered, f"cells.onnx: has SHA-256 {hashlib.sha256(model.read_bytes()).hexdigest()}, not 0000"),
    ):
        with pytest.raises(InputError, match=message):
            score_sources(["a.png"], approved, "fast", "detect", changed, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    with pytest.raises(ValidationError, match="sha256"):
        Detector(name="yunet", file="yunet.onnx", sha256="short")
