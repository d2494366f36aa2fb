"""Overlays keep the photograph's colours, mark the right pixels, and are readable on any background."""

import cv2
import numpy as np
import pytest

from faces.plots.captions import place_captions
from faces.plots.face_grid import POINT_COLOUR, POINT_COLOURS
from faces.plots.photograph import ABSTAINED_COLOUR, MAX_SIDE, MIN_SIDE, annotate

NOWHERE = np.full((1, 15, 2), np.nan)
BLUE_GREEN = np.array([40, 90, 200], np.uint8)


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])


def drawn(
    photograph: np.ndarray,
    box: tuple[float, float, float],
    angle: float = 0,
    points: np.ndarray = NOWHERE,
    caption: str = "",
    side: int = 0,
    abstained: bool = False,
) -> np.ndarray:
    """A photograph with one face, as integers."""
    side = side or max(photograph.shape[:2])
    flags, boxes = np.array([abstained]), np.array([box])
    return annotate(photograph, side, boxes, np.array([angle]), points, [caption], flags).astype(int)


def plain(height: int = 600, width: int = 800, colour: np.ndarray = BLUE_GREEN) -> np.ndarray:
    return np.broadcast_to(colour, (height, width, 3)).copy()


def test_every_pixel_away_from_the_marks_keeps_its_colour() -> None:
    photograph = np.random.default_rng(1).integers(0, 256, (600, 800, 3), np.uint8)
    before = photograph.copy()
    marked = drawn(photograph, (300, 200, 200), points=NOWHERE + 0, caption="sad 80%")
    changed = (marked != before).any(axis=2)
    near = np.zeros_like(changed)
    near[150:406, 294:506] = True
    assert changed.any()
    assert not (changed & ~near).any()
    assert not changed[210:390, 310:490].any()
    np.testing.assert_array_equal(photograph, before)


@pytest.mark.parametrize("grey", [0, 90, 255])
def test_boxes_and_captions_are_readable_on_dark_and_on_bright_pictures(grey: int) -> None:
    marked = drawn(plain(colour=np.full(3, grey, np.uint8)), (300, 200, 200), caption="sad 80%")
    across = marked[300, 285:315]
    assert (np.abs(across - rgb(POINT_COLOUR)).sum(axis=1) < 10).any()
    assert (across.sum(axis=1) < 30).any()
    caption = marked[150:200, 300:420]
    assert (caption.min(axis=2) > 230).sum() > 100
    assert (caption.max(axis=2) < 115).sum() > 100


def test_a_box_whose_emotion_is_abstained_has_another_colour() -> None:
    marked = drawn(plain(), (300, 200, 200), abstained=True)
    assert (np.abs(marked[300] - rgb(ABSTAINED_COLOUR)).sum(axis=1) < 10).any()
    assert not (np.abs(marked[300] - rgb(POINT_COLOUR)).sum(axis=1) < 60).any()


def lines(marked: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(marked - rgb(POINT_COLOUR)).sum(axis=2) < 40)


def test_an_upright_box_is_drawn_at_its_borders() -> None:
    rows, columns = np.nonzero(lines(drawn(plain(), (300, 200, 100))))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((200, 300, 300, 400), abs=2)


@pytest.mark.parametrize("angle", [30, -30, 20])
def test_a_tilted_box_is_rotated_clockwise_around_its_centre(angle: float) -> None:
    """The upper edge's middle lies right of the centre if the angle is positive."""
    found = lines(drawn(plain(), (300, 200, 200), angle))
    centre, turn = np.array([400, 300]), np.radians(angle)
    top = centre + 100 * np.array([np.sin(turn), -np.cos(turn)])
    rows, columns = np.nonzero(found)
    assert (rows.mean(), columns.mean()) == pytest.approx((299.5, 399.5), abs=1)
    across, down = top.round().astype(int)
    assert found[down - 3 : down + 4, across - 3 : across + 4].any()
    mirrored = 800 - across
    assert not found[down - 3 : down + 4, mirrored - 3 : mirrored + 4].any()
    extent = 100 * (abs(np.sin(turn)) + abs(np.cos(turn)))
    assert (columns.max() - columns.min()) / 2 == pytest.approx(extent, abs=3)


def test_points_have_their_colours_and_places_and_unknown_ones_are_left_out() -> None:
    points = NOWHERE.copy()
    points[0, 0], points[0, 10] = (350, 280), (440, 310)
    marked = drawn(plain(), (300, 200, 200), points=points)
    np.testing.assert_allclose(marked[280, 350], rgb(POINT_COLOURS[0]), atol=3)
    np.testing.assert_allclose(marked[310, 440], rgb(POINT_COLOURS[10]), atol=3)
    marked[274:287, 344:357] = marked[304:317, 434:447] = BLUE_GREEN
    assert (marked[210:390, 310:490] == BLUE_GREEN).all()


@pytest.mark.parametrize(("side", "expected"), [(4000, MAX_SIDE), (100, MIN_SIDE), (1000, 1000)])
def test_marks_follow_the_size_of_the_picture(side: int, expected: int) -> None:
    photograph = plain(side * 3 // 4, side)
    marked = drawn(photograph, (side / 4, side / 4, side / 4))
    assert marked.shape[:2] == (expected * 3 // 4, expected)
    rows, columns = np.nonzero(lines(marked))
    assert (rows.min(), columns.max()) == pytest.approx((expected / 4, expected / 2), abs=3)


def test_a_picture_that_was_decoded_at_a_fraction_is_marked_at_the_same_places() -> None:
    whole = drawn(plain(1500, 2000), (400, 300, 500), side=4000)
    rows, columns = np.nonzero(lines(whole))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((120, 320, 160, 360), abs=3)


def test_lines_and_letters_grow_with_the_picture_and_the_face() -> None:
    def white(marked: np.ndarray) -> int:
        return int((marked.min(axis=2) > 230).sum())

    small, large = (
        drawn(plain(1200, 1600), (300, 300, size), caption="sad 80%", points=NOWHERE) for size in (100, 600)
    )
    assert white(large) > 2 * white(small) > 0
    thin, thick = (lines(marked)[350, :350].sum() for marked in (small, large))
    assert thick > thin > 0


def test_the_box_of_a_whole_picture_is_drawn_inside_it() -> None:
    marked = lines(drawn(plain(480, 640), (0, -80, 640)))
    assert marked[:6].any()
    assert marked[-6:].any()
    assert marked[:, :6].any()
    assert marked[:, -6:].any()


def placed(boxes: np.ndarray, sizes: np.ndarray, width: int, height: int) -> np.ndarray:
    areas = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    corners = place_captions(areas, sizes, width, height)
    return np.concatenate([corners, corners + sizes], axis=1)


def overlapping(found: np.ndarray) -> int:
    """Pairs of rectangles that share a pixel."""
    return sum(
        bool((np.maximum(one[:2], two[:2]) < np.minimum(one[2:], two[2:])).all())
        for place, one in enumerate(found)
        for two in found[:place]
    )


def test_captions_stay_in_the_picture_and_off_one_another() -> None:
    generator = np.random.default_rng(3)
    for _ in range(20):
        boxes = np.column_stack([generator.uniform(-20, 1500, 25), generator.uniform(-20, 1100, 25), [90] * 25])
        found = placed(boxes, np.tile([150, 24], (25, 1)), 1600, 1200)
        assert overlapping(found) == 0
        assert found.min() >= 0
        assert (found[:, 2] <= 1600).all()
        assert (found[:, 3] <= 1200).all()
    # A row of faces, narrower than their captions.
    row = np.column_stack([np.arange(8) * 60, [100] * 8, [58] * 8])
    assert overlapping(placed(row, np.tile([110, 20], (8, 1)), 480, 300)) == 0


def test_a_caption_stands_above_its_box_or_below_it_at_the_upper_border() -> None:
    found = placed(np.array([[200.0, 200, 100], [500, 2, 100]]), np.array([[80, 20], [80, 20]]), 800, 600)
    assert found[0].tolist() == [200, 177, 280, 197]
    assert found[1].tolist() == [500, 105, 580, 125]


@pytest.mark.parametrize(("height", "width"), [(20, 900), (900, 20), (1, 640), (16, 16)])
def test_a_caption_that_cannot_fit_is_reduced_or_cut(height: int, width: int) -> None:
    marked = drawn(plain(height, width), (0, 0, 16), caption="a very long name of an emotion 100%" * 3)
    assert max(marked.shape[:2]) >= MIN_SIDE


def test_odd_values_are_drawn_without_an_error() -> None:
    wild = np.full((1, 15, 2), 1e9)
    wild[0, 0], wild[0, 1] = (np.inf, 0), (-1e9, np.nan)
    drawn(plain(), (-1e6, 5, 3e6), 17.5, wild, "two\nlines \u202e ☺ 12%")
    no_faces = annotate(plain(), 800, np.empty((0, 3)), np.empty(0), np.empty((0, 15, 2)), [], np.empty(0, bool))
    assert (no_faces == BLUE_GREEN).all()


def test_hundreds_of_faces_are_drawn() -> None:
    generator = np.random.default_rng(4)
    boxes = np.column_stack([generator.uniform(0, 1500, (400, 2)), [40.0] * 400])
    points = np.repeat(NOWHERE, 400, axis=0)
    marked = annotate(plain(1600, 1600), 1600, boxes, np.zeros(400), points, ["sad 80%"] * 400, np.zeros(400, bool))
    assert cv2.absdiff(marked, plain(1600, 1600)).any()
