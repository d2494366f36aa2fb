"""Spectacles: two rims, a bridge and the arms."""

import numpy as np

from faces.synthetic.canvas import Canvas
from faces.synthetic.look import Look
from faces.synthetic.shapes import CIRCLE, on_face, ribbon

LIFT = 0.1


def paint_glasses(canvas: Canvas, look: Look) -> None:
    """Paint thin dark rims that do not cover the eyes, with a faint shine on the glass."""
    if look.glasses_style == "none":
        return
    tone = 0.2 * look.hair + 18
    power, size = (1.0, [0.31, 0.27]) if look.glasses_style == "round" else (0.5, [0.33, 0.23])
    ring = np.sign(CIRCLE) * np.abs(CIRCLE) ** power * size
    for side in (-1, 1):
        rim = on_face(side * 0.5 + ring[:, 0], 0.04 + ring[:, 1], LIFT)
        canvas.wash(rim, 245.0, 0.07)
        closed = np.concatenate([rim, rim[:2]])
        canvas.wash(ribbon(closed, 0.017), tone, 0.9, 0.004)
        arm = np.array([[side * (0.5 + size[0]), -0.01, -0.1], [side * (look.head_width - 0.02), -0.02, -0.75]])
        canvas.wash(ribbon(arm, 0.02), tone, 0.85)
    x = np.linspace(-0.19, 0.19, 5) * (0.5 - size[0]) / 0.19
    canvas.wash(ribbon(on_face(x, -0.02 - 0.03 * np.cos(6 * x), LIFT), 0.017), tone, 0.9)
