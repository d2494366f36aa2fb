"""The nose and its wrinkle."""

import numpy as np

from faces.synthetic.canvas import Canvas
from faces.synthetic.expression import Expression
from faces.synthetic.look import Look
from faces.synthetic.shapes import CIRCLE, on_face, ribbon, taper

TIP_LIFT = 0.32
BEND = np.linspace(-0.9, 1.3, 7)


def nose_tip(look: Look, mood: Expression) -> np.ndarray:
    """The tip of the nose, (3,); a wrinkled nose is shorter."""
    return np.array([0.0, look.nose_length - 0.03 * mood.wrinkle, TIP_LIFT])


def paint_nose(canvas: Canvas, look: Look, mood: Expression, light: float) -> None:
    """Paint the shaded side, wings, nostrils and the bright tip; `light` -1..1 is the side of the light source."""
    tip, dark = nose_tip(look, mood), look.skin * 0.5
    shaded = -1.0 if light > 0 else 1.0
    ridge = np.array(
        [[0.03 * shaded, -0.05, 0.06], [0.02 * shaded, 0.3, 0.18], tip, [0.03 * shaded, tip[1] + 0.09, 0.2]]
    )
    foot = np.array([[shaded * look.nose_width * 0.95, tip[1] + 0.06, 0.05], [shaded * 0.11, 0.1, 0.0]])
    canvas.wash(np.concatenate([ridge, foot]), dark, 0.3 + 0.15 * abs(light), 0.03)
    canvas.wash(_disc(tip + np.array([0, 0.15, -0.2]), 0.2, 0.05), dark, 0.35, 0.035)
    for side in (-1, 1):
        centre = np.array([side * (look.nose_width - 0.05), tip[1] + 0.02, 0.1])
        arc = centre + np.column_stack([0.06 * side * np.cos(BEND), 0.075 * np.sin(BEND), np.zeros(len(BEND))])
        canvas.wash(ribbon(arc, taper(len(arc), 0.016)), dark * 0.8, 0.75, 0.008)
        nostril = _disc(np.array([side * 0.08, tip[1] + 0.075, 0.2]), 0.042, 0.022)
        canvas.wash(nostril, look.skin * 0.22, 0.85, 0.008)
    canvas.wash(_disc(tip - [0, 0.005, 0], 0.05, 0.045), min(look.skin * 1.3 + 15, 250), 0.65, 0.025)
    canvas.wash(_disc(np.array([0.0, tip[1] * 0.5, 0.17]), 0.022, 0.2), look.skin * 1.2 + 10, 0.4, 0.02)


def paint_wrinkle(canvas: Canvas, look: Look, mood: Expression) -> None:
    """Paint slanted folds on both sides of the bridge; a neutral nose has none."""
    if mood.wrinkle < 0.04:
        return
    for side in (-1, 1):
        for level in (0.1, 0.2):
            x = np.linspace(0.03, 0.15, 5)
            fold = on_face(side * x, level + 0.5 * x - 0.03, 0.1)
            canvas.wash(ribbon(fold, taper(5, 0.014)), look.skin * 0.45, 0.65 * mood.wrinkle, 0.008)


def _disc(centre: np.ndarray, radius_x: float, radius_y: float) -> np.ndarray:
    outline: np.ndarray = centre + np.column_stack([CIRCLE * [radius_x, radius_y], np.zeros(len(CIRCLE))])
    return outline
