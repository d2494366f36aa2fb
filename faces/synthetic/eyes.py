"""The eyes: lids, whites, iris and pupil. Sides are +1 for the subject's left, -1 for the right."""

import cv2
import numpy as np

from faces.synthetic.canvas import FINE, SHIFT, Canvas, fixed
from faces.synthetic.expression import Expression
from faces.synthetic.look import Look
from faces.synthetic.shapes import blob, on_face, ribbon, taper

ACROSS = np.linspace(-1, 1, 15)
DOWN = np.array([0.0, 1.0, 0.0])
IRIS = 0.092


def eye_corners(look: Look, side: int) -> np.ndarray:
    """Inner and outer corner, (2, 3)."""
    ends = np.array([-1.0, 1.0])
    return on_face(side * (0.5 + look.eye_width * ends), -look.eye_tilt * ends)


def eye_centre(side: int) -> np.ndarray:
    """The pupil, (3,)."""
    pupil: np.ndarray = on_face(np.array([side * 0.5]), np.array([-0.012]))[0]
    return pupil


def lids(look: Look, mood: Expression, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Upper and lower lid from the inner corner to the outer, (15, 3) each."""
    x, axis = side * (0.5 + look.eye_width * ACROSS), -look.eye_tilt * ACROSS
    bow = (1 - ACROSS**2) ** 0.8
    # Even the narrowest squint has a slit, so that the pupil is visible at its keypoint.
    upper = max(look.eye_height * (1 + mood.lid), 0.035)
    lower = max(0.62 * look.eye_height - mood.lower_lid, 0.012)
    return on_face(x, axis - upper * bow), on_face(x, axis + lower * bow)


def paint_eye(canvas: Canvas, look: Look, mood: Expression, side: int) -> None:
    """Paint the socket shade, the eyeball between the lids, then lash line, crease and lower rim."""
    upper, lower = lids(look, mood, side)
    canvas.wash(blob(side * 0.5, -0.03, 0.3, 0.16), look.skin * 0.62, 0.4, 0.07)
    _paint_ball(canvas, look, np.concatenate([upper, lower[::-1]]), side)
    canvas.fill(ribbon(upper, taper(len(upper), 0.019)), min(look.skin * 0.25, 45.0))
    canvas.wash(ribbon(lower, taper(len(lower), 0.009)), look.skin * 0.4, 0.7)
    crease = upper - (0.05 + 0.02 * max(mood.lid, 0.0)) * DOWN
    canvas.wash(ribbon(crease[2:-1], taper(len(crease) - 3, 0.011)), look.skin * 0.5, 0.55, 0.006)
    bag = lower + 0.045 * DOWN
    canvas.wash(ribbon(bag, taper(len(bag), 0.012)), look.skin * 0.6, 0.25 + 5 * max(mood.lower_lid, 0.0), 0.012)


def _paint_ball(canvas: Canvas, look: Look, opening: np.ndarray, side: int) -> None:
    x, y, _ = eye_centre(side)
    ball = Canvas(canvas.size, canvas.pose)
    white = 0.25 * look.skin + 165
    ball.pixels[:] = int(white)
    ball.fill(blob(x, y, IRIS, IRIS), look.iris * 0.6)
    ball.fill(blob(x, y, IRIS * 0.8, IRIS * 0.8), look.iris)
    ball.fill(blob(x, y, IRIS * 0.5, IRIS * 0.5), 8.0)
    # The catch light is beside the pupil, so that the keypoint itself stays dark.
    ball.fill(blob(x - 0.04, y - 0.035, 0.016, 0.016), 250.0)
    ball.wash(opening[:15] + 0.01 * DOWN, white * 0.5, 0.5, 0.015)
    placed = canvas.place(opening)
    left, top = np.clip(placed.min(axis=0).astype(int) - 2, 0, FINE - 1).tolist()
    right, bottom = np.clip(placed.max(axis=0).astype(int) + 3, 1, FINE).tolist()
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, [fixed(placed - (left, top))], 255.0, cv2.LINE_AA, SHIFT)
    canvas.blend(mask, ball.pixels[top:bottom, left:right].astype(np.float32), 1.0, (left, top))
