"""The benchmark of face detectors runs on drawn faces, and its scenes are what they say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import detection, photograph_rate, tight_crops
from benchmarks.detection import search
from benchmarks.face_scenes import CELLS, SCENE, Faces, Scene, draw_cell, halves
from faces.common.schema import COORDINATES
from faces.scoring.face_crops import crop
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING


@pytest.fixture(scope="module")
def faces() -> Faces:
    images, points = draw_faces(np.random.default_rng(2), np.arange(16) % 5, 96, KEYPOINTS_FRAMING)
    return Faces(images, points, np.arange(16) // 2)


def test_both_parts_run_and_print_their_tables(
    faces: Faces, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.DataFrame(faces.keypoints.reshape(-1, 30), columns=list(COORDINATES))
    table["Image"] = [" ".join(map(str, image.ravel())) for image in faces.images]
    table["person"] = faces.persons
    table.to_csv(tmp_path / "faces.csv", index=False)
    detection.main([str(tmp_path / "faces.csv"), "--faces", "4", "--empty", "2", "--model-set", "fast"])
    out = capsys.readouterr().out
    for words in ("Half of the subjects, CenterFace", "The other half", "cascade", "Keypoints and emotion, CenterFace"):
        assert words in out


@pytest.mark.parametrize("name", CELLS)
def test_a_box_of_a_scene_is_where_its_face_is(name: str, faces: Faces) -> None:
    (scene,) = draw_cell(np.random.default_rng(1), faces, np.arange(16), name, 4)
    assert scene.image.shape == SCENE
    low, high = CELLS[name].degrees
    assert ((np.abs(scene.boxes[:, 3]) >= low) & (np.abs(scene.boxes[:, 3]) <= high)).all()
    for face, again in zip(faces.images[scene.faces], crop(scene.image, scene.boxes, 96), strict=True):
        inner = np.s_[16:-16, 16:-16]
        assert np.corrcoef(face[inner].ravel(), again[inner].ravel())[0, 1] > 0.9


def test_no_subject_is_in_both_halves(faces: Faces) -> None:
    first, second = halves(faces.persons, 1)
    assert not set(faces.persons[first]) & set(faces.persons[second])
    assert len(first) == len(second) == 8


def test_a_box_that_no_face_owns_or_a_better_one_has_is_a_false_alarm() -> None:
    scene = Scene(np.zeros((9, 9), np.uint8), np.array([0, 1]), np.array([[0.0, 0, 100, 0], [500.0, 0, 100, 0]]))
    found = np.array([[5.0, 0, 100, 0], [0.0, 5, 100, 0], [250.0, 0, 100, 0]])
    result = search(lambda image: (found, np.array([0.5, 0.9, 0.3])), [scene])
    np.testing.assert_array_equal(result.boxes[0], found[1])
    assert np.isnan(result.scores[1])
    assert sorted(result.false_scores) == [0.3, 0.5]


def test_tight_faces_and_photographs_are_measured(
    faces: Faces, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = [" ".join(map(str, image[::2, ::2].ravel())) for image in faces.images[:4]]
    pd.DataFrame({"emotion": [0, 1, 2, 3], "pixels": pixels}).to_csv(tmp_path / "emotion.csv", index=False)
    tight_crops.main([str(tmp_path / "emotion.csv"), "--sizes", "48", "224", "--model-set", "fast"])
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    (size, scored, whole, accuracy, by_whole), _ = (row for row in rows if row and row[0] in ("48", "224"))
    assert (size, scored, whole, accuracy) == ("48", "1.0000", "1.0000", by_whole)
    photograph_rate.main(["--photographs", "1", "--repeats", "1", "--model-set", "fast"])
    assert capsys.readouterr().out.count("CenterFace") == 3
