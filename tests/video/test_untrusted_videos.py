"""A video opens no other file, takes bounded memory, and what only looks like one is refused in words."""

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from tasks.common.errors import UnreadableInput
from tasks.common.files import InputError
from tasks.readers.layouts import has_videos, layout_of
from tasks.readers.records import read_records
from tasks.readers.sources import find_sources
from tasks.video.confinement import MEMORY
from tasks.video.containers import container_of, missing_bytes
from tasks.video.frames import FrameOptions, _why_it_ended, read_frames
from tests.clips import shades, write_clip, write_gif
from tests.conftest import ROOT

LISTS = {
    "ffconcat": "ffconcat version 1.0\nfile 'secret.mp4'\n",
    "concat": "file 'secret.mp4'\n",
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
    "dash": '<?xml version="1.0"?><MPD><Period><BaseURL>secret.mp4</BaseURL></Period></MPD>',
}


def reasons(source: Path) -> list[str]:
    """The reasons of all records; of what is read, an empty one."""
    return [record.content if isinstance(record.content, str) else "" for record in read_records(str(source))]


@pytest.mark.parametrize("ending", ["mp4", "mov", "webm", "avi", "mkv"])
@pytest.mark.parametrize("kind", LISTS)
def test_a_list_of_files_is_refused_and_opens_none(kind: str, ending: str, tmp_path: Path) -> None:
    write_clip(tmp_path / "secret.mp4", shades(3))
    path = tmp_path / f"clip.{ending}"
    path.write_text(LISTS[kind])
    (reason,) = reasons(path)
    assert "not a video; a playlist or a list of files is never followed" in reason
    assert not has_videos([str(path)])


def test_a_name_with_a_pattern_is_that_file_only(tmp_path: Path) -> None:
    for number in range(3):
        write_clip(tmp_path / f"clip{number:03}.mp4", shades(2))
    with pytest.raises(InputError, match="no such file or folder"):
        find_sources([str(tmp_path / "clip%03d.mp4")])
    write_clip(tmp_path / "clip%03d.mp4", shades(4))
    assert reasons(tmp_path / "clip%03d.mp4") == [""] * 4


OPENED = """
import sys
sys.path.insert(0, sys.argv[1])
import av
from tasks.video.confinement import confine, import_all

import_all(av)
confine()
for attempt in (lambda: open("/etc/passwd"), lambda: open("new", "w"), lambda: av.open("secret.mp4"),
                lambda: __import__("socket").socket()):
    try:
        attempt()
    except OSError as error:
        print(error.errno)
try:
    bytes(4 * 2**30)
except MemoryError:
    print("memory")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_a_confined_process_opens_nothing_and_has_little_memory(tmp_path: Path) -> None:
    write_clip(tmp_path / "secret.mp4", shades(2))
    command = [sys.executable, "-I", "-c", OPENED, str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["24", "24", "24", "24", "memory"]  # EMFILE
    assert not (tmp_path / "new").exists()
    assert MEMORY == 3 * 2**30


def atom(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)


def test_a_reference_to_another_file_is_not_followed(tmp_path: Path) -> None:
    """QuickTime's alias: the same movie, whose pictures are said to be in another file."""
    secret = write_clip(tmp_path / "secret.mov", shades(3))
    content = secret.read_bytes()
    own = atom(b"url ", b"\0\0\0\1")
    assert content.count(own) == 1
    place = str(secret).encode()
    records = struct.pack(">HH", 2, len(place)) + place + b"\0" * (len(place) % 2) + struct.pack(">hH", -1, 0)
    other = atom(b"alis", b"\0\0\0\0", bytes(150), records)
    # `moov` lies behind `mdat`, so no offset of a sample changes; all boxes around the reference grow.
    grown, moved = bytearray(content.replace(own, other)), len(other) - len(own)
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = content.index(kind) - 4
        grown[at : at + 4] = struct.pack(">I", struct.unpack(">I", content[at : at + 4])[0] + moved)
    start = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    grown[start:end] = bytes(end - start)
    path = tmp_path / "clip.mov"
    path.write_bytes(grown)
    # FFmpeg follows it if it is asked to, so this is such a reference.
    with av.open(str(path), options={"enable_drefs": "1", "use_absolute_path": "1"}) as container:
        assert len(list(container.decode(video=0))) == 3
    found = reasons(path)
    assert len(found) == 1
    assert found[0].startswith(("is damaged or truncated", "has no frame that can be decoded"))


def test_a_file_that_declares_billions_of_frames_takes_bounded_memory(tmp_path: Path) -> None:
    content = bytearray(write_clip(tmp_path / "clip.mp4", shades(3)).read_bytes())
    at = content.index(b"stsz") + 8
    content[at : at + 8] = struct.pack(">II", 1, 2**31)
    chunk = content.index(b"stsc") + 12
    content[chunk + 4 : chunk + 8] = struct.pack(">I", 2**31 - 1)
    (tmp_path / "clip.mp4").write_bytes(content)
    found = reasons(tmp_path / "clip.mp4")
    assert found[-1]


@pytest.mark.parametrize("ending", ["mp4", "webm", "avi"])
def test_damaged_bytes_end_in_a_reason_and_in_no_crash(ending: str, tmp_path: Path) -> None:
    codec = {"mp4": "libx264", "webm": "libvpx-vp9", "avi": "mpeg4"}[ending]
    whole = write_clip(tmp_path / f"whole.{ending}", shades(3, 64, 48), codec=codec).read_bytes()
    generator = np.random.default_rng(0)
    for number in range(8):
        content = bytearray(whole)
        for place in generator.integers(0, len(content), 1 + number * 4):
            content[place] = generator.integers(0, 256)
        path = tmp_path / f"{number}.{ending}"
        path.write_bytes(content)
        records = list(read_records(str(path)))
        places = [(record.row, record.frame) for record in records]
        assert len(set(places)) == len(records) > 0


def test_what_ends_a_decoder_is_told_apart() -> None:
    assert str(_why_it_ended(-signal.SIGPROF)).startswith("its decoder took over 300 s for one frame")
    assert str(_why_it_ended(-signal.SIGSEGV)).startswith("its decoder crashed (SIGSEGV)")
    assert isinstance(_why_it_ended(-signal.SIGSEGV), UnreadableInput)
    for status in (-signal.SIGKILL, 1):
        assert isinstance(_why_it_ended(status), RuntimeError)


def test_the_content_decides_what_a_video_is(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", shades(2))
    moving, still = write_gif(tmp_path / "moving.gif", shades(3)), write_gif(tmp_path / "still.gif", shades(1))
    (tmp_path / "no ending").write_bytes(clip.read_bytes())
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "page.mp4").write_text("<!doctype html><title>Log in</title>")
    (tmp_path / "face.jpg").write_bytes(clip.read_bytes())
    (tmp_path / "old.mpg").write_bytes(b"\0\0\1\xba" + bytes(range(256)))
    found = {path.name: layout_of(str(path)) for path in sorted(tmp_path.iterdir())}
    assert found == {
        "clip.mp4": "video",
        "no ending": "video",
        "moving.gif": "video",
        "still.gif": "image",
        "empty.mp4": "is empty",
        "face.jpg": "is a video with the name of a picture; give it its own, such as .mp4",
        "page.mp4": found["page.mp4"],
        "old.mpg": "is a video, not a table or a picture; save its frames as png or jpg, or score it as a file in mp4, "
        "mov, webm, mkv or avi",
    }
    assert found["page.mp4"].startswith('is a web page ("Log in")')
    assert has_videos([str(still), str(moving)])
    assert not has_videos([str(still), str(tmp_path / "face.jpg")])
    assert layout_of("https://example.org/clip.mp4") == "video"
    assert layout_of("https://example.org/clip.gif") == "image"


def test_missing_bytes_are_counted(tmp_path: Path) -> None:
    for ending, codec in (("mp4", "libx264"), ("mkv", "libx264"), ("avi", "mpeg4")):
        path = write_clip(tmp_path / f"clip.{ending}", shades(3), codec=codec)
        whole = path.read_bytes()
        container = container_of(whole)
        assert container
        for missing in (0, 100):
            path.write_bytes(whole[: len(whole) - missing])
            with path.open("rb") as video:
                assert missing_bytes(video, container) == missing
        path.write_bytes(whole + b"\0" * 5)
        with path.open("rb") as video:
            assert missing_bytes(video, container) == 0


def test_no_process_is_left_when_reading_ends_early(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", shades(12, 640, 480))
    with path.open("rb") as video:
        frames = read_frames(video, FrameOptions())
        assert next(frames).number == 0
        del frames  # which ends the generator
    listed = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, text=True).stdout
    assert "tasks.video.decoder" not in listed
