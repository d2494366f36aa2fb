"""Small videos, drawn for tests, and damage to them."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING

FACE = 64
"""Side of a drawn face in pixels."""


def faces(count: int = 4) -> np.ndarray:
    """Drawn faces (count, FACE, FACE) uint8, the same in every call."""
    drawn = draw_faces(np.random.default_rng(5), np.arange(count) % 5, 128, KEYPOINTS_FRAMING)[0]
    return np.stack([cv2.resize(face, (FACE, FACE), interpolation=cv2.INTER_AREA) for face in drawn])


def scene(placed: Sequence[tuple[int, int, int]], width: int = 240, height: int = 160) -> np.ndarray:
    """A grey picture (height, width) uint8 with drawn faces: number, left and top of each."""
    picture, drawn = np.full((height, width), 150, np.uint8), faces()
    for number, left, top in placed:
        picture[top : top + FACE, left : left + FACE] = drawn[number]
    return picture


def shades(count: int, width: int = 160, height: int = 120) -> list[np.ndarray]:
    """Pictures that are told apart by their brightness, 20, 25, 30 and so on, brighter on the left."""
    pictures = [np.full((height, width), 20 + 5 * number, np.uint8) for number in range(count)]
    for picture in pictures:
        picture[:, : width // 4] += 60
    return pictures


def write_clip(
    path: Path,
    pictures: Sequence[np.ndarray],
    times_ms: Sequence[int] | None = None,
    codec: str = "libx264",
    format_name: str | None = None,
    change: Callable[[Any], None] = lambda stream: None,
    sound: bool = False,
) -> Path:
    """Write grey pictures as a video, ten a second unless `times_ms` are given; `change` sets up the stream."""
    times = times_ms or [100 * number for number in range(len(pictures))]
    with av.open(str(path), "w", format=format_name) as container:
        stream: Any = container.add_stream(codec, rate=10)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = "yuv420p"
        if path.suffix != ".avi":  # has no times of its own
            stream.codec_context.time_base = Fraction(1, 1000)
        change(stream)
        if sound:
            _write_sound(container)
        for picture, milliseconds in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = milliseconds, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """Write a second of silence, without a video track."""
    with av.open(str(path), "w") as container:
        _write_sound(container)
    return path


def _write_sound(container: Any) -> None:
    stream: Any = container.add_stream("aac", rate=8000)
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
    frame.sample_rate = 8000
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def write_gif(path: Path, pictures: Sequence[np.ndarray], milliseconds: Sequence[int] | int = 100) -> Path:
    """Write grey pictures as a GIF."""
    first, *others = map(Image.fromarray, pictures)
    first.save(path, save_all=True, append_images=others, duration=milliseconds, optimize=False)
    return path
