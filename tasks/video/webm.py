"""Writes videos that every browser plays: VP9 in WebM, without sound."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

TICKS = 1000
"""Of a time stamp, per second; WebM has no finer ones unless asked."""
RATE = 30
"""Frames a second that the encoder plans with; the time stamps decide when a frame is shown."""
# Constant quality; row-mt and tiles use all cores; cpu-used is the speed that the encoder has for live video.
OPTIONS = {"crf": "32", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1", "tile-columns": "2"}

Show = Callable[[float, np.ndarray], None]
"""Adds a frame (H, W, 3) uint8, red first, at its time in seconds; times ascend."""


@contextmanager
def webm_writer(path: Path) -> Iterator[Show]:
    """Write a video of the size of its first frame, in even numbers of pixels; later frames are resized to it."""
    import av

    size: tuple[int, int] = 0, 0
    last = -1
    with av.open(str(path), "w", format="webm", container_options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libvpx-vp9", rate=RATE, options=OPTIONS)
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, TICKS)

        def show(time_s: float, image: np.ndarray) -> None:
            nonlocal size, last
            if last < 0:
                size = max(image.shape[1] // 2 * 2, 2), max(image.shape[0] // 2 * 2, 2)
                stream.width, stream.height = size
            if image.shape[1::-1] != size:
                image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            last = max(round(time_s * TICKS), last + 1)
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pts, frame.time_base = last, Fraction(1, TICKS)
            container.mux(stream.encode(frame))

        yield show
        container.mux(stream.encode(None))
