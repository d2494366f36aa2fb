"""Scenes of faces are what they say."""

import numpy as np
import pytest

from benchmarks.face_scenes import CELLS, Faces, draw_cell, halves, scenes_of
from faces.scoring.face_crops import crop
from faces.synthetic.faces import draw_faces
from faces.synthetic.photographs import SCENE
from faces.synthetic.pose import KEYPOINTS_FRAMING


def drawn_faces() -> Faces:
    """16 drawn faces of eight subjects."""
    images, points = draw_faces(np.random.default_rng(2), np.arange(16) % 5, 96, KEYPOINTS_FRAMING)
    return Faces(images, points, np.arange(16) // 2)


@pytest.mark.parametrize("name", CELLS)
def test_a_box_of_a_scene_is_where_its_face_is(name: str) -> None:
    faces = drawn_faces()
    (scene,) = draw_cell(np.random.default_rng(1), faces, np.arange(16), CELLS[name], 4)
    assert scene.image.shape == SCENE
    low, high = CELLS[name].degrees
    assert ((np.abs(scene.boxes[:, 3]) >= low) & (np.abs(scene.boxes[:, 3]) <= high)).all()
    for face, again in zip(faces.images[scene.faces], crop(scene.image, scene.boxes, 96), strict=True):
        inner = np.s_[16:-16, 16:-16]
        assert np.corrcoef(face[inner].ravel(), again[inner].ravel())[0, 1] > 0.9


def test_upright_scenes_have_the_same_faces_in_the_same_places() -> None:
    faces = drawn_faces()
    tilted, upright = (scenes_of(faces, np.arange(16), 4, 1, seed=1, upright=upright) for upright in (False, True))
    for name, cell in CELLS.items():
        for one, other in zip(tilted[name], upright[name], strict=True):
            np.testing.assert_array_equal(one.faces, other.faces)
            np.testing.assert_array_equal(one.boxes[:, :3], other.boxes[:, :3])
            assert not other.boxes[:, 3].any()
            # The backgrounds are the same too.
            assert (one.image == other.image).mean() > 0.7
            assert (one.image != other.image).any() == (cell.degrees[1] > 0)


def test_no_subject_is_in_both_halves() -> None:
    faces = drawn_faces()
    first, second = halves(faces.persons, 1)
    assert not set(faces.persons[first]) & set(faces.persons[second])
    assert len(first) == len(second) == 8
