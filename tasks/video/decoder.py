"""Decodes the video that is the standard input, in a process of its own that can open no other file.

`tasks.video.frames` starts it. Standard output: for each frame a line of JSON, then its pixels; at last a line with
`end` or `error`.
"""

import json
import math
import sys
from array import array
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from faces.scoring.frame_sampling import Timed, nearest_to_grid
from tasks.video.confinement import MEMORY, confine, import_all, restart_clock
from tasks.video.display import Refused, check_size, turn_of

MAX_STREAMS = 32
MAX_ASPECT = 4
"""Pixels that are further from square are taken for damage."""
DEMUXERS = {"mov": "mov", "matroska": "matroska", "avi": "avi"}
"""FFmpeg's demuxers that may run, by the container that the first bytes tell. None of them reads lists of files."""
DECODERS = (
    *("h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d", "mpeg4", "msmpeg4", "msmpeg4v2"),
    *("mjpeg", "prores", "dnxhd", "mpeg2video", "mpeg1video", "h263", "theora", "ffv1", "huffyuv", "ffvhuff"),
    *("rawvideo", "png", "qtrle", "cinepak", "dvvideo", "wmv1", "wmv2", "utvideo"),
)


class Request(NamedTuple):
    """What to decode: `container` is a key of DEMUXERS, `pixels` are gray or rgb24.

    `fps`: only frames nearest to such a time grid. `wanted`: handle of a file with the numbers of the only frames, as
    int64. `probe`: no frame, and as `end` the number of frames to expect.
    """

    container: str
    pixels: str
    max_pixels: int
    fps: float | None = None
    wanted: int | None = None
    probe: bool = False


def main(text: str) -> None:
    """Write what the Request, given as JSON, asks for to standard output."""
    import av

    import_all(av)
    request, source, out = Request(**json.loads(text)), sys.stdin.buffer, sys.stdout.buffer
    wanted = _numbers(request.wanted)
    confine()
    source.seek(0)  # the handle is where its other owner left it
    try:
        with _opened(av, source, request) as container:
            stream = _stream(container, request.max_pixels)
            end = _expected(container, stream, request.fps) if request.probe else 0
            for item in () if request.probe else _chosen(_decoded(container, stream, request), request.fps, wanted):
                _write(out, item, request, stream.sample_aspect_ratio)
        _say(out, end=end)
    except BrokenPipeError:
        return
    except Refused as error:
        _say(out, error=str(error))
    except MemoryError:
        _say(out, error=f"its decoder needs more than {MEMORY // 2**30} GiB of memory; convert it to mp4 (H.264)")
    except Exception as error:  # damaged bytes raise any error
        _say(out, error=f"is damaged or truncated ({getattr(error, 'strerror', '') or type(error).__name__})")
    out.flush()


def _opened(av: Any, source: BinaryIO, request: Request) -> Any:
    def refuse(url: str, flags: int, options: object) -> None:
        raise PermissionError("a video names another file")

    options = {"codec_whitelist": ",".join(DECODERS), "max_streams": str(MAX_STREAMS)}
    options |= {"max_pixels": str(request.max_pixels), "enable_drefs": "0"}
    demuxer = DEMUXERS[request.container]
    return av.open(source, "r", format=demuxer, options=options, io_open=refuse, metadata_errors="replace")


def _stream(container: Any, max_pixels: int) -> Any:
    """The first video track that is no cover picture."""
    found = [one for one in container.streams.video if "attached_pic" not in str(one.disposition)]
    if not found:
        kinds = " and ".join(sorted({one.type for one in container.streams}))
        raise Refused(f"has no video track, only {kinds}" if kinds else "has no track")
    stream, codec = found[0], found[0].codec_context
    if codec is None or codec.name not in DECODERS:
        name = codec.name if codec else "an unknown codec"
        raise Refused(f"is coded with {name}, which is not read; convert it to mp4 (H.264)")
    check_size(codec.width, codec.height, max_pixels)
    ratio = stream.sample_aspect_ratio
    if ratio and not 1 / MAX_ASPECT <= ratio <= MAX_ASPECT:
        raise Refused(f"declares pixels of the shape {ratio.numerator}:{ratio.denominator}; convert it")
    codec.options = {"max_pixels": str(max_pixels), "err_detect": "explode"}
    # What several threads make of damaged bytes depends on their timing.
    codec.thread_count = 1
    return stream


def _decoded(container: Any, stream: Any, request: Request) -> Iterator[Timed]:
    number, first, time = 0, None, 0.0
    for packet in container.demux(stream):
        for frame in packet.decode():
            restart_clock()
            check_size(frame.width, frame.height, request.max_pixels)
            if frame.is_corrupt:  # frames after it are drawn on it
                raise Refused("its decoder marks this frame as damaged")
            if frame.time is not None:
                first = frame.time if first is None else first
                time = max(time, frame.time - first)
            elif number:
                time += 1 / float(stream.average_rate or 25)
            yield Timed(number, time, frame)
            number += 1
    if not number:
        raise Refused("has no frame that can be decoded")


def _chosen(frames: Iterator[Timed], fps: float | None, wanted: set[int] | None) -> Iterator[Timed]:
    if wanted is None:
        yield from nearest_to_grid(frames, fps) if fps else frames
        return
    last = max(wanted, default=-1)
    for item in frames:
        if item.number in wanted:
            yield item
        if item.number >= last:
            return


def _write(out: BinaryIO, item: Timed, request: Request, aspect: Any) -> None:
    frame: Any = item.frame
    width = max(round(frame.width * float(aspect or 1)), 1)
    check_size(width, frame.height, request.max_pixels)
    # One thread, and exact arithmetic: the same bytes on every machine.
    shown = frame.reformat(
        width=width,
        format=request.pixels,
        interpolation=BICUBIC | ACCURATE_RND | BITEXACT,
        src_color_range=frame.color_range,
        dst_color_range="JPEG",
        threads=1,
    )
    plane = shown.planes[0]
    header = {"frame": item.number, "time": item.time, "width": width, "height": frame.height, "turn": turn_of(frame)}
    _say(out, **header, line=plane.line_size, size=plane.buffer_size)
    out.write(plane)


BICUBIC, ACCURATE_RND, BITEXACT = 1 << 2, 1 << 18, 1 << 19
"""Of libswscale."""


def _expected(container: Any, stream: Any, fps: float | None) -> int:
    """The number of frames, as the header says or lets expect; 0 if it does not."""
    seconds = float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / 1e6
    rate = float(stream.average_rate or 0)
    if fps and seconds:
        return math.floor(seconds * min(fps, rate or fps)) + 1
    return int(stream.frames or seconds * rate)


def _numbers(handle: int | None) -> set[int] | None:
    if handle is None:
        return None
    numbers = array("q")
    with open(handle, "rb") as content:
        numbers.frombytes(content.read())
    return set(numbers)


def _say(out: BinaryIO, **values: object) -> None:
    out.write(json.dumps(values).encode() + b"\n")
