"""Reads the frames of a video, one at a time: of a GIF with Pillow, of all others in a confined process."""

import json
import signal
import subprocess
import sys
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, NamedTuple

import numpy as np

from faces.scoring.frame_sampling import nearest_to_grid
from tasks.common.errors import UnreadableInput
from tasks.common.file_kinds import HEAD_BYTES
from tasks.video.confinement import SECONDS
from tasks.video.containers import container_of, missing_bytes, not_a_video
from tasks.video.decoder import Request
from tasks.video.gif_frames import count_gif_frames, gif_frames

CODE = "import sys; sys.path.insert(0, sys.argv[1]); from tasks.video.decoder import main; main(sys.argv[2])"
ROOT = Path(__file__).resolve().parents[2]
FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that are no fault of the video, such as that of a kernel that is out of memory."""
TRUNCATED = "is truncated: {:,} bytes are missing at its end; fetch it again"


class FrameOptions(NamedTuple):
    """Which frames are read: of at most `max_pixels`; with `fps`, the nearest to such a time grid; or only `wanted`.

    `wanted` are numbers of frames. `pixels`: gray, for arrays (H, W), or rgb24, for arrays (H, W, 3).
    """

    max_pixels: int = 100_000_000
    fps: float | None = None
    wanted: frozenset[int] | None = None
    pixels: str = "gray"


class Frame(NamedTuple):
    """A frame: its number from 0, its time from the first frame in seconds, its pixels as displayed, uint8.

    As displayed is rotated by its display matrix, and with square pixels.
    """

    number: int
    time_s: float
    image: np.ndarray


def read_frames(video: BinaryIO, options: FrameOptions) -> Iterator[Frame]:
    """The frames of an open file that `container_of` knows, in the order of presentation.

    Raises UnreadableInput, also after some frames, if the rest cannot be read, or is missing.
    """
    container = _container(video)
    if container == "gif":
        frames = gif_frames(video, options.max_pixels, "RGB" if options.pixels == "rgb24" else "L")
        for item in nearest_to_grid(frames, options.fps) if options.fps else frames:
            if options.wanted is None or item.number in options.wanted:
                yield Frame(item.number, item.time, np.asarray(item.frame))
        return
    missing = missing_bytes(video, container)
    try:
        with _decoder(video, container, options) as output:
            while "frame" in (header := _header(output)):
                yield Frame(header["frame"], header["time"], _image(header, output))
    except UnreadableInput as error:
        raise (UnreadableInput(f"{TRUNCATED.format(missing)} ({error})") if missing else error) from None
    if missing and options.wanted is None:
        raise UnreadableInput(TRUNCATED.format(missing))


def count_frames(video: BinaryIO, fps: float | None) -> int:
    """The number of frames to expect, for the remaining time; 0 if it is unknown. Raises as `read_frames`."""
    container = _container(video)
    if container == "gif":
        return count_gif_frames(video)
    with _decoder(video, container, FrameOptions(fps=fps), probe=True) as output:
        return int(_header(output)["end"])


def _container(video: BinaryIO) -> str:
    video.seek(0)
    first = video.read(HEAD_BYTES)
    video.seek(0)
    container = container_of(first)
    if container is None:
        raise UnreadableInput(not_a_video(first))
    return container


@contextmanager
def _decoder(video: BinaryIO, container: str, options: FrameOptions, probe: bool = False) -> Iterator[IO[bytes]]:
    """The output of a process that decodes; it is ended with the block. Raises UnreadableInput if it crashed."""
    with TemporaryFile() as numbers:
        if options.wanted is not None:
            array("q", sorted(options.wanted)).tofile(numbers)
            numbers.seek(0)
        handle = None if options.wanted is None else numbers.fileno()
        request = Request(container, options.pixels, options.max_pixels, options.fps, handle, probe)
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", CODE, str(ROOT), json.dumps(request._asdict())],
            stdin=video,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[] if handle is None else [handle],
            start_new_session=True,  # an interrupt reaches this process, which ends that one
        )
        assert process.stdout
        try:
            yield process.stdout
        except EOFError:
            raise _why_it_ended(process.wait()) from None
        finally:
            process.kill()
            process.stdout.close()
            process.wait()


def _why_it_ended(status: int) -> Exception:
    if status == -signal.SIGPROF:
        return UnreadableInput(f"its decoder took over {SECONDS} s for one frame; convert it to mp4 (H.264)")
    if status < 0 and -status not in FROM_OUTSIDE:
        return UnreadableInput(f"its decoder crashed ({signal.Signals(-status).name}); convert it to mp4 (H.264)")
    return RuntimeError(
        f"the process that decodes videos ended with status {status}: it was killed, perhaps because memory ran out, "
        "or the package `av` cannot be imported; install the locked packages, then run the same again"
    )


def _header(output: IO[bytes]) -> dict[str, Any]:
    """The next line of the decoder. Raises UnreadableInput for its error, and EOFError if it ended without one."""
    line = output.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header: dict[str, Any] = json.loads(line)
    if "error" in header:
        raise UnreadableInput(header["error"])
    return header


def _image(header: dict[str, Any], output: IO[bytes]) -> np.ndarray:
    content = output.read(header["size"])
    if len(content) < header["size"]:
        raise EOFError
    height, width, line = header["height"], header["width"], header["line"]
    channels = 3 if line >= 3 * width else 1
    rows = np.frombuffer(content, np.uint8, height * line).reshape(height, line)[:, : width * channels]
    image = rows.reshape((height, width, 3) if channels == 3 else (height, width))
    is_transposed, is_mirrored, is_upside_down = header["turn"]
    image = image.swapaxes(0, 1) if is_transposed else image
    image = image[:, ::-1] if is_mirrored else image
    return np.ascontiguousarray(image[::-1] if is_upside_down else image)
