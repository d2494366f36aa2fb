"""The brows and the forehead lines that they cause."""

import numpy as np

from faces.synthetic.canvas import Canvas
from faces.synthetic.expression import Expression
from faces.synthetic.look import Look
from faces.synthetic.shapes import on_face, ribbon, taper

ALONG = np.linspace(0, 1, 13)
UPRIGHT, LEVEL = np.linspace(-0.26, -0.04, 5), np.linspace(-0.5, 0.5, 11)


def brow_line(look: Look, mood: Expression, side: int) -> np.ndarray:
    """Centre line of a brow from its inner to its outer end, (13, 3)."""
    x = 0.22 + 0.63 * ALONG - mood.squeeze * (1 - ALONG) ** 2
    arch = look.brow_arch * np.sin(np.pi * ALONG**1.3) - 0.03 * ALONG**2
    raised = mood.brow_inner * (1 - ALONG) ** 1.3 + mood.brow_outer * ALONG**0.8
    return on_face(side * x, -(look.brow_height + arch + raised))


def paint_brow(canvas: Canvas, look: Look, mood: Expression, side: int) -> None:
    """Paint a brow that thins outwards, with a soft edge."""
    line = brow_line(look, mood, side)
    half = look.brow_thickness * (1 - 0.7 * ALONG**1.5)
    # The stroke extends past both ends, so that the end points lie on hair, not on its edge.
    reach = np.concatenate([[line[0] * 1.4 - line[1] * 0.4], line, [line[-1] * 1.3 - line[-2] * 0.3]])
    half = np.concatenate([[half[0] * 0.6], half, [half[-1] * 0.6]])
    canvas.wash(ribbon(reach, half * 1.25), look.brow_tone, 0.45, 0.02)
    canvas.wash(ribbon(reach, half), look.brow_tone, 0.9, 0.008)


def paint_forehead(canvas: Canvas, look: Look, mood: Expression) -> None:
    """Paint vertical folds between squeezed brows, and horizontal folds above raised brows."""
    raised = (mood.brow_inner + mood.brow_outer) / 2
    if mood.squeeze > 0.02:
        for side in (-1, 1):
            fold = on_face(np.full(5, side * 0.075), UPRIGHT)
            canvas.wash(ribbon(fold, taper(5, 0.014)), look.skin * 0.5, 7 * (mood.squeeze - 0.015), 0.01)
    if raised > 0.025:
        for level in (0.16, 0.27):
            fold = on_face(LEVEL, -look.brow_height - raised - level - 0.03 * np.cos(3 * LEVEL))
            canvas.wash(ribbon(fold, taper(11, 0.01)), look.skin * 0.6, 4 * (raised - 0.02), 0.008)
