"""CenterFace finds drawn faces, upright and tilted; a network made up here tells what becomes of its outputs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from faces.scoring.centerface import CENTERFACE_POINTS, Maps, decode, detect_faces_centerface
from faces.scoring.face_crops import crop, crop_to_image
from faces.scoring.face_framing import UPRIGHT_DEGREES
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from params import Detector, Score, load
from tasks.common.files import InputError
from tasks.readers.records import Record
from tasks.scoring import centerface_network, face_crops
from tasks.scoring.centerface_network import centerface, run_centerface
from tasks.scoring.face_crops import crop_faces
from tasks.scoring.face_detector import make_detector
from tests.conftest import ROOT

SIDE, BOX = 160, 40.0
CORNERS = ((20, 30), (340, 60), (680, 20), (60, 380), (370, 330), (680, 340))
ANGLES = (0, 35, -35, 25, -25, 0)


def settings(**changes: object) -> Score:
    score = load(ROOT).score
    return score.model_copy(update={"detector": Detector.model_validate({"name": "centerface"} | changes)})


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photograph of six drawn faces, four of them tilted, the boxes (6, 4) of their crops, and keypoints in it."""
    faces, points = draw_faces(np.random.default_rng(5), np.arange(6) % 5, SIDE, KEYPOINTS_FRAMING)
    photograph = np.full((620, 900), 150, np.uint8)
    boxes = np.array([(*corner, SIDE, angle) for corner, angle in zip(CORNERS, ANGLES, strict=True)], float)
    for face, (left, top, _, angle) in zip(faces, boxes, strict=True):
        place = cv2.getRotationMatrix2D(((SIDE - 1) / 2,) * 2, -angle, 1) + np.array([[0, 0, left], [0, 0, top]])
        photograph = cv2.warpAffine(face, place, (900, 620), photograph, borderMode=cv2.BORDER_TRANSPARENT)
    return photograph, boxes, crop_to_image(points, boxes, SIDE)


def centres(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(boxes[:, :2] + (boxes[:, 2:3] - 1) / 2)


def white_cells(image: np.ndarray) -> Maps:
    """The maps of a network that sees a face of BOX px in each white block of 4 px, with the mean face's points."""
    heat = (cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA) > 250).astype(np.float32)
    half = np.ones((2, *heat.shape), np.float32)
    relative = ((CENTERFACE_POINTS - 47.5) / 96 * 1.17 + 0.5)[:, ::-1].ravel()
    points = half[:1] * relative[:, None, None].astype(np.float32)
    return heat, half * np.log(np.float32(BOX / 4)), 0 * half, points


def dots(*places: tuple[int, int], size: tuple[int, int] = (640, 960), side: int = 4) -> np.ndarray:
    """Black, with white blocks from these x and y on."""
    image = np.zeros(size, np.uint8)
    for x, y in places:
        image[y : y + side, x : x + side] = 255
    return image


def test_exactly_the_faces_are_found_as_large_and_as_tilted_as_they_are(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    boxes, scores = make_detector(settings())(scene[0])
    assert len(boxes) == len(scores) == 6
    assert (np.diff(boxes[:, 2]) <= 0).all()
    distances = np.linalg.norm(centres(boxes)[:, None] - centres(scene[1])[None], axis=2)
    owners = distances.argmin(axis=1)
    assert sorted(owners) == list(range(6))
    assert distances.min(axis=1).max() < 0.2 * SIDE
    np.testing.assert_allclose(boxes[:, 2], SIDE, rtol=0.3)
    expected = scene[1][owners, 3]
    np.testing.assert_allclose(boxes[:, 3], expected, atol=12)
    assert (boxes[expected == 0, 3] == 0).all()


def test_the_crop_of_a_tilted_face_is_upright(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    image, boxes, points = scene
    faces, _ = draw_faces(np.random.default_rng(5), np.arange(6) % 5, SIDE, KEYPOINTS_FRAMING)
    for again, face, angle in zip(crop(image, boxes, SIDE), faces, ANGLES, strict=True):
        inner = np.s_[20:-20, 20:-20]
        assert np.abs(again[inner].astype(int) - face[inner]).mean() < (8 if angle else 1e-9)
    assert points.shape == (6, 15, 2)


def test_boxes_and_points_are_those_of_the_maps() -> None:
    image = dots((400, 200), (404, 200), (800, 500))
    found = decode(white_cells(image), 0.5)
    assert len(found.scores) == 2, "the neighbour overlaps"
    np.testing.assert_allclose(found.boxes[0], [400 + 1.5 - 20, 200 + 1.5 - 20, BOX, BOX], atol=1e-4)
    np.testing.assert_allclose(found.points[0].mean(axis=0), [401.2, 205.3], atol=0.1)
    assert decode(white_cells(dots()), 0.5).boxes.shape == (0, 4)


@pytest.mark.parametrize("factor", [1, 2])
def test_boxes_are_in_pixels_of_a_large_photograph(factor: int) -> None:
    image = cv2.resize(dots((400, 200)), None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    boxes, scores = detect_faces_centerface(image, 960, white_cells, 0.5)
    assert boxes[0, 2:].tolist() == pytest.approx([1.17 * BOX * factor, 0], abs=0.01)
    np.testing.assert_allclose((centres(boxes)[0] + 0.5) / factor, [402, 202], atol=1.5)
    assert scores.tolist() == [1]


def test_tiles_find_what_is_lost_in_the_reduced_photograph() -> None:
    """Blocks of 8 px are grey in a photograph that is reduced four times; each is found once, at its place."""
    places = [(8, 8), (700, 400), (704, 2000), (2300, 3000), (3900, 2800), (3000, 1560)]
    image = dots(*places, size=(3008, 4000), side=8)
    assert not len(detect_faces_centerface(image, 1000, white_cells, 0.5)[0])
    boxes, _ = detect_faces_centerface(image, 1000, white_cells, 0.5, tile=1000)
    assert len(boxes) == len(places)
    distances = np.linalg.norm(centres(boxes)[:, None] - (np.array(places) + 3.5), axis=2)
    assert distances.min(axis=0).max() < 5


def test_pictures_of_many_sizes_share_one_network() -> None:
    for side in (40, 200, 360, 520, 680):
        heat, *others = run_centerface(np.full((side, 40), 90, np.uint8))
        assert heat.shape == (side // 4, 10)
        assert [maps.shape for maps in others] == [(count, side // 4, 10) for count in (2, 2, 10)]
    assert centerface_network._requests.cache_info().misses == 1


def test_maps_do_not_depend_on_what_runs_beside_them(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    pictures = [scene[0], scene[0][:300, :250], scene[0][200:], scene[0][:, ::-1]] * 3
    alone = [run_centerface(picture) for picture in pictures[:4]] * 3
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(run_centerface, pictures))
    for one, other in zip(alone, together, strict=True):
        for expected, maps in zip(one, other, strict=True):
            np.testing.assert_array_equal(maps, expected)


@pytest.mark.parametrize("side", [129, 224, 512])
def test_a_picture_that_one_face_fills_is_taken_whole(side: int) -> None:
    """As the same face of a table is, which has the size of a crop."""
    faces, _ = draw_faces(np.random.default_rng(3), np.arange(8) % 5, 96, KEYPOINTS_FRAMING)
    records = [
        Record(
            str(number),
            0,
            cv2.imencode(".png", cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC))[1].tobytes(),
        )
        for number, face in enumerate(faces)
    ]
    table = crop_faces(records, "auto", settings()).detections
    assert table[["box_x", "box_y", "box_size", "angle"]].to_numpy().tolist() == [[0, 0, side, 0]] * 8
    assert (table["detection_score"] > 0).all()
    found = crop_faces(records, "detect", settings()).detections
    assert not (found["box_size"] == side).any()


def test_a_photograph_and_a_picture_without_a_face_are_not_taken_whole(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    blotches = cv2.resize(np.random.default_rng(0).integers(90, 150, (9, 9), np.uint8), (224, 224))
    records = [
        Record(str(number), 0, cv2.imencode(".png", one)[1].tobytes())
        for number, one in enumerate((scene[0], blotches))
    ]
    crops = crop_faces(records, "auto", settings())
    assert len(crops.detections) == 6
    assert crops.skipped["reason"].tolist() == [
        "no face found (searched, because 224x224 pixels are more than score.max_crop_px = 128); `faces score --mode "
        "whole` takes it as one face"
    ]
    assert (np.abs(crops.detections["angle"]) > UPRIGHT_DEGREES).sum() == 4


def test_the_rows_of_photographs_do_not_depend_on_the_number_of_threads(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photographs, one of them too large to be processed beside another, and files that cannot be read."""
    monkeypatch.setattr(face_crops, "LARGE_PIXELS", 900 * 600)
    pictures = [scene[0], scene[0][:, :450], np.full((200, 300), 90, np.uint8), scene[0][::-1].copy(), scene[0]]
    contents = [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures]
    contents.insert(2, contents[0][:5000])
    records = [Record(str(number), 0, content) for number, content in enumerate(contents)]
    alone = crop_faces(records, "auto", settings())
    assert len(alone.skipped) >= 2
    with ThreadPoolExecutor(4) as pool:
        together = crop_faces(records, "auto", settings(), pool)
    pd.testing.assert_frame_equal(together.detections, alone.detections)
    pd.testing.assert_frame_equal(together.skipped, alone.skipped)
    for model_name, images in alone.images.items():
        np.testing.assert_array_equal(together.images[model_name], images)
    np.testing.assert_array_equal(together.detected, alone.detected)
    np.testing.assert_array_equal(together.patches, alone.patches)


def test_another_file_and_a_missing_one_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SHA256", "absent"), ("FILE", tmp_path / "absent.onnx")):
        with monkeypatch.context() as changed:
            changed.setattr(centerface_network, name, value)
            centerface.cache_clear()
            with pytest.raises(InputError, match=r"score.detector: .*; restore it with `git checkout models/detector`"):
                make_detector(settings())
    centerface.cache_clear()
