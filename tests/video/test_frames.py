"""Frames of every container come with their numbers and times, upright, and damage is a reason."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.common.errors import UnreadableInput
from tasks.video.frames import Frame, FrameOptions, count_frames, read_frames
from tests.clips import shades, write_clip, write_gif, write_sound

CODECS = {"mp4": "libx264", "mov": "libx264", "webm": "libvpx-vp9", "mkv": "libx264", "avi": "mpeg4"}


def frames(path: Path, **options: Any) -> Iterator[Frame]:
    with path.open("rb") as video:
        yield from read_frames(video, FrameOptions(**options))


def expected(path: Path, fps: float | None = None) -> int:
    with path.open("rb") as video:
        return count_frames(video, fps)


def before_the_error(path: Path, **options: Any) -> tuple[list[int], str]:
    """The numbers of the frames that are read, and the reason why the rest is not."""
    found: list[int] = []
    with pytest.raises(UnreadableInput) as error:
        found.extend(frame.number for frame in frames(path, **options))
    return found, str(error.value)


@pytest.mark.parametrize("ending", CODECS)
def test_every_frame_of_every_container(ending: str, tmp_path: Path) -> None:
    pictures = shades(12)
    path = write_clip(tmp_path / f"clip.{ending}", pictures, codec=CODECS[ending])
    found = list(frames(path))
    assert [frame.number for frame in found] == list(range(12))
    np.testing.assert_allclose([frame.time_s for frame in found], np.arange(12) / 10, atol=1e-3)
    for frame, picture in zip(found, pictures, strict=True):
        assert frame.image.shape == picture.shape
        assert np.abs(frame.image.astype(int) - picture).mean() < 3
    assert expected(path) == 12
    assert expected(path, 5) in (6, 7)


def test_black_and_white_use_all_levels(tmp_path: Path) -> None:
    pictures = [np.full((64, 64), level, np.uint8) for level in (0, 255)]
    found = [frame.image for frame in frames(write_clip(tmp_path / "clip.mp4", pictures))]
    assert [(int(one.min()), int(one.max())) for one in found] == [(0, 0), (255, 255)]
    red, *_ = frames(tmp_path / "clip.mp4", pixels="rgb24")
    assert red.image.shape == (64, 64, 3)


def test_frames_of_a_time_grid_and_frames_by_number(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", shades(21))
    assert [frame.number for frame in frames(path, fps=2)] == [0, 5, 10, 15, 20]
    assert [frame.number for frame in frames(path, wanted=frozenset([3, 7]))] == [3, 7]
    assert [frame.number for frame in frames(path, wanted=frozenset([99]))] == []


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 40, 500, 510, 2000]
    for ending in ("mp4", "webm"):
        path = write_clip(tmp_path / f"clip.{ending}", shades(5), times, CODECS[ending])
        np.testing.assert_allclose([frame.time_s for frame in frames(path)], np.array(times) / 1000, atol=1e-3)
        assert [frame.number for frame in frames(path, fps=1)] == [0, 3, 4]


def test_times_start_with_the_first_frame(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", shades(3), [700, 800, 950])
    np.testing.assert_allclose([frame.time_s for frame in frames(path)], [0, 0.1, 0.25], atol=1e-3)


TURNS: dict[tuple[int, bool], Callable[[np.ndarray], np.ndarray]] = {
    (0, False): lambda it: it,
    (90, False): lambda it: np.rot90(it, 1),
    (180, False): lambda it: np.rot90(it, 2),
    (270, False): lambda it: np.rot90(it, 3),
    (0, True): lambda it: it[:, ::-1],
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_rotated_video_is_upright(turn: tuple[int, bool], tmp_path: Path) -> None:
    """Degrees counterclockwise, as PyAV sets them, and a mirrored one."""
    picture = np.full((64, 96), 60, np.uint8)
    picture[:16, :16], picture[:16, 80:] = 250, 160
    degrees, mirrored = turn

    def rotated(stream: Any) -> None:
        stream.set_display_rotation(degrees, hflip=mirrored)

    path = write_clip(tmp_path / "clip.mp4", [picture] * 2, change=rotated)
    found = [frame.image for frame in frames(path)]
    shown = TURNS[turn](picture)
    assert {one.shape for one in found} == {shown.shape}
    assert np.abs(found[0].astype(int) - shown).mean() < 3


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    def wide(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = 2

    path = write_clip(tmp_path / "clip.mkv", shades(2, 80, 120), change=wide)
    assert [frame.image.shape for frame in frames(path)] == [(120, 160)] * 2

    def absurd(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = 9

    path = write_clip(tmp_path / "other.mkv", shades(2), change=absurd)
    assert before_the_error(path) == ([], "declares pixels of the shape 9:1; convert it")


def test_a_gif_is_read_with_its_times(tmp_path: Path) -> None:
    path = write_gif(tmp_path / "clip.gif", shades(4, 64, 48), [200, 300, 0, 100])
    found = list(frames(path))
    assert [(frame.number, frame.time_s) for frame in found] == [(0, 0.0), (1, 0.2), (2, 0.5), (3, 0.6)]
    assert [int(frame.image[0, -1]) for frame in found] == [20, 25, 30, 35]
    assert [frame.number for frame in frames(path, fps=2)] == [0, 2]
    assert [frame.image.shape for frame in frames(path, wanted=frozenset([1]), pixels="rgb24")] == [(48, 64, 3)]
    assert expected(path) == 4
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    found_numbers, reason = before_the_error(path)
    assert found_numbers in ([0], [0, 1])
    assert reason.startswith("is truncated or corrupt")


def test_a_video_without_a_picture_says_what_it_has(tmp_path: Path) -> None:
    assert before_the_error(write_sound(tmp_path / "clip.mp4")) == ([], "has no video track, only audio")


def test_sound_beside_the_pictures_is_ignored(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", shades(5), sound=True)
    assert [frame.number for frame in frames(path)] == list(range(5))


@pytest.mark.parametrize("ending", CODECS)
def test_a_truncated_video_is_never_read_as_a_whole_one(ending: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / f"clip.{ending}", shades(12), codec=CODECS[ending])
    whole = path.read_bytes()
    for part in (0.3, 0.7, 0.95):
        path.write_bytes(whole[: int(len(whole) * part)])
        numbers, reason = before_the_error(path)
        assert numbers == list(range(len(numbers)))
        assert "truncated" in reason


def test_damage_in_the_middle_leaves_the_frames_before(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 255, (120, 160), np.uint8) for _ in range(12)]
    path = write_clip(tmp_path / "clip.mp4", pictures)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = generator.integers(0, 255, 200, np.uint8).tobytes()
    path.write_bytes(content)
    numbers, reason = before_the_error(path)
    assert 0 < len(numbers) < 12
    assert numbers == list(range(len(numbers)))
    assert "damaged" in reason
    assert before_the_error(path) == (numbers, reason)


def test_frames_that_are_too_large_or_too_small_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", shades(2))
    reason = "160x120 pixels are more than score.max_image_pixels; make it smaller"
    assert before_the_error(path, max_pixels=160 * 120 - 1) == ([], reason)
    small = write_clip(tmp_path / "small.mp4", [np.full((8, 16), 90, np.uint8)] * 2)
    assert before_the_error(small) == ([], "16x8 pixels: too small for a face")
