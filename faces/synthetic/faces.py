"""Whole faces: sample a look, an expression and a pose; paint from back to front; return the 15 keypoints."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from faces.synthetic.beard import paint_beard
from faces.synthetic.brows import brow_line, paint_brow, paint_forehead
from faces.synthetic.canvas import Canvas
from faces.synthetic.expression import Expression, draw_expression
from faces.synthetic.eyes import eye_centre, eye_corners, paint_eye
from faces.synthetic.glasses import paint_glasses
from faces.synthetic.hair import paint_back_hair, paint_hair
from faces.synthetic.head import paint_body, paint_ears, paint_head
from faces.synthetic.look import Look, draw_look
from faces.synthetic.mouth import MIDDLE, lips, paint_folds, paint_mouth
from faces.synthetic.nose import nose_tip, paint_nose, paint_wrinkle
from faces.synthetic.pose import Framing, draw_pose
from faces.synthetic.scene import paint_background, photograph

LEFT, RIGHT = 1, -1

Mapper = Callable[..., Iterable[Any]]
"""Applies a function to the items of iterables, in order, as `map` does."""


def face_points(look: Look, mood: Expression) -> np.ndarray:
    """The keypoints in face units, in the order of KEYPOINTS, (15, 3)."""
    mouth = lips(look, mood)
    brows = [brow_line(look, mood, side)[[0, -1]] for side in (LEFT, RIGHT)]
    return np.vstack(
        [
            eye_centre(LEFT),
            eye_centre(RIGHT),
            eye_corners(look, LEFT),
            eye_corners(look, RIGHT),
            *brows,
            nose_tip(look, mood),
            mouth.upper[[-1, 0]],
            mouth.top[MIDDLE],
            mouth.bottom[MIDDLE],
        ]
    )


def paint_person(canvas: Canvas, look: Look, mood: Expression, light: np.ndarray) -> None:
    """Paint the person from back to front; `light` (2,) points to the light source."""
    paint_back_hair(canvas, look)
    paint_body(canvas, look)
    paint_ears(canvas, look)
    paint_head(canvas, look, mood, light)
    paint_forehead(canvas, look, mood)
    paint_folds(canvas, look, mood)
    paint_beard(canvas, look, mood)
    paint_nose(canvas, look, mood, float(light[0]))
    paint_wrinkle(canvas, look, mood)
    paint_mouth(canvas, look, mood)
    for side in (LEFT, RIGHT):
        paint_eye(canvas, look, mood, side)
    paint_hair(canvas, look)
    for side in (LEFT, RIGHT):
        paint_brow(canvas, look, mood, side)
    paint_glasses(canvas, look)


def draw_face(
    generator: np.random.Generator, emotion: int, size: int, framing: Framing
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one face: image (size, size) uint8 and its points (15, 2) in pixels, none missing."""
    look, mood = draw_look(generator), draw_expression(generator, emotion)
    points = face_points(look, mood)
    pose = draw_pose(generator, framing, size, points)
    canvas = Canvas(size, pose)
    paint_background(canvas, generator)
    paint_person(canvas, look, mood, generator.uniform(-1, 1, 2) * [1.0, 0.6])
    return photograph(canvas.finished(), generator), pose.project(points)


def draw_faces(
    generator: np.random.Generator, emotions: np.ndarray, size: int, framing: Framing, mapper: Mapper = map
) -> tuple[np.ndarray, np.ndarray]:
    """Draw faces of the given emotion codes (N,): images (N, size, size) uint8, points (N, 15, 2) float32 in pixels.

    `mapper` is used in place of `map`; that of a pool of processes draws the same faces sooner.
    """
    images = np.empty((len(emotions), size, size), np.uint8)
    points = np.empty((len(emotions), 15, 2), np.float32)
    # One child generator per face: a longer list begins with the same faces.
    children = generator.spawn(len(emotions))
    drawn = mapper(partial(draw_face, size=size, framing=framing), children, emotions.tolist())
    for index, (image, of_face) in enumerate(drawn):
        images[index], points[index] = image, of_face
    return images, points
