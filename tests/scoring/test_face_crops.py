"""Faces are found in a photograph, cut out as the networks know them, and points are put back where they belong."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from faces.plots.photograph import photograph_figure
from faces.scoring.face_crops import cut_out, put_back
from faces.scoring.face_detection import MARGIN, found_faces
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.readers.images import grey_levels
from tasks.readers.sources import content_of

CORNERS = ((20, 30), (300, 60), (600, 20), (60, 380), (350, 330), (650, 340))
SIDE = 160


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """A photograph of six drawn faces, and their points (6, 15, 2) in its pixels."""
    faces, points = draw_faces(np.random.default_rng(5), np.arange(6) % 5, SIDE, KEYPOINTS_FRAMING)
    photograph = np.full((620, 900), 150, np.uint8)
    for face, (left, top) in zip(faces, CORNERS, strict=True):
        photograph[top : top + SIDE, left : left + SIDE] = face
    return photograph, points + np.array(CORNERS)[:, None]


def test_every_face_is_found_and_nothing_else(scene: tuple[np.ndarray, np.ndarray]) -> None:
    squares, scores = found_faces(scene[0], 1600)
    assert len(squares) == len(scores) == 6
    assert (np.diff(squares[:, 2]) <= 0).all()
    middles = scene[1].mean(axis=1)
    owners = [
        int(np.linalg.norm(middles - (left + side / 2, top + side / 2), axis=1).argmin()) for left, top, side in squares
    ]
    assert sorted(owners) == list(range(6))
    for (left, top, side), points in zip(squares, scene[1][owners], strict=True):
        inside = (points > [left, top]) & (points < [left + side, top + side])
        assert inside.all(axis=1).mean() >= 0.8
        # About as large in the square as in the key points' own crops.
        assert 0.3 < np.linalg.norm(points[0] - points[1]) / side < 0.55


def test_a_photograph_without_a_face_has_none() -> None:
    assert found_faces(np.full((200, 300), 90, np.uint8), 1600)[0].shape == (0, 3)


@pytest.mark.parametrize("size", [48, 96])
@pytest.mark.parametrize(
    "square", [(100.0, 50.0, 96.0), (101.5, 48.25, 133.0), (-20.0, 30.0, 200.0), (40.0, 60.0, 30.0)]
)
def test_a_dot_comes_back_to_its_place(size: int, square: tuple[float, float, float]) -> None:
    left, top, side = square
    photograph = np.zeros((300, 400), np.uint8)
    dot = np.array([left + 0.6 * side, top + 0.3 * side])
    cv2.circle(photograph, np.rint(dot).astype(int).tolist(), max(round(side / 20), 2), 255, -1)
    face = cut_out(photograph, np.array([square]), size)[0].astype(float)
    rows, columns = np.indices(face.shape)
    centre = np.array([(face * columns).sum(), (face * rows).sum()]) / face.sum()
    back = put_back(np.tile(centre, (1, 15, 1)), np.array([square]), size)
    np.testing.assert_allclose(back[0, 0], np.rint(dot), atol=0.6)


def test_a_square_of_the_network_s_size_is_cut_out_as_it_is() -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (120, 130), np.uint8)
    face = cut_out(photograph, np.array([[17, 11, 96]], float), 96)[0]
    np.testing.assert_array_equal(face, photograph[11:107, 17:113])
    assert MARGIN > 1


def test_what_lies_beyond_the_photograph_repeats_its_edge() -> None:
    photograph = np.tile(np.arange(100, 148, dtype=np.uint8)[:, None], (1, 48))
    face = cut_out(photograph, np.array([[-24, 0, 48]], float), 48)[0]
    np.testing.assert_array_equal(face, photograph)


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    """Orientation 6: the camera was held upright, and the picture has to be turned right by 90 degrees."""
    from PIL import Image

    lying = np.zeros((40, 80), np.uint8)
    lying[:, :40] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(lying).save(tmp_path / "upright.jpg", exif=exif)
    upright = grey_levels(content_of(str(tmp_path / "upright.jpg")), 10_000)
    assert upright.shape == (80, 40)
    assert upright[:30].mean() > 200 > 50 > upright[50:].mean()


def test_a_large_photograph_is_looked_through_at_a_smaller_size(scene: tuple[np.ndarray, np.ndarray]) -> None:
    large = cv2.resize(scene[0], None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    squares, _ = found_faces(large, 900)
    np.testing.assert_allclose(squares, found_faces(scene[0], 900)[0] * 3, atol=40)


def test_the_picture_shows_squares_points_and_captions(scene: tuple[np.ndarray, np.ndarray]) -> None:
    squares, _ = found_faces(scene[0], 1600)
    axis = photograph_figure(scene[0], squares, scene[1], ["sad 80%"] * 6).axes[0]
    assert len(axis.patches) == len(axis.texts) == 6
    np.testing.assert_allclose(np.asarray(axis.collections[2].get_offsets()), scene[1][2])
