"""Neck, shoulders, ears and the shaded ball of the head."""

import cv2
import numpy as np

from faces.synthetic.canvas import FINE, SHIFT, Canvas, blur, fixed
from faces.synthetic.expression import Expression
from faces.synthetic.look import Look
from faces.synthetic.shapes import CIRCLE

COARSE = 48
ROUND = np.linspace(0, 2 * np.pi, 48, endpoint=False)
CROWN = -1.55


def outline(look: Look, mood: Expression, grow: float = 1.0) -> np.ndarray:
    """Outline of the head (48, 2), from the subject's left down past the chin, scaled by `grow`."""
    chin = look.chin + 0.45 * mood.opening
    cos, sin = np.cos(ROUND), np.sin(ROUND)
    y = np.where(sin > 0, 0.1 + (chin - 0.1) * sin, 0.1 + (0.1 - CROWN) * sin)
    # A strong jaw stays wide far down, a pointed one narrows from the cheeks.
    bump = np.sin(np.pi * np.minimum(np.maximum((y - 0.2) / (chin - 0.2), 0), 1))
    x = look.head_width * np.sign(cos) * np.abs(cos) ** 0.85 * (1 - (0.1 - 0.12 * look.jaw) * bump)
    return np.column_stack([x * grow, 0.1 + (y - 0.1) * grow])


def paint_body(canvas: Canvas, look: Look) -> None:
    """Paint the shaded neck, then clothes with a collar."""
    neck = np.array([[-0.6, 1.0], [0.6, 1.0], [0.66, 2.8], [-0.66, 2.8]])
    canvas.fill(neck, look.skin * 0.66)
    shirt = np.array([[-0.62, 2.1], [0.0, 2.5], [0.62, 2.1], [1.5, 2.35], [2.4, 2.8], [2.6, 6.0], [-2.6, 6.0]])
    canvas.fill(np.concatenate([shirt, [[-2.4, 2.8], [-1.5, 2.35]]]), look.clothes)


def paint_ears(canvas: Canvas, look: Look) -> None:
    """Paint an ear on both edges of the head, unless hair covers it."""
    if look.hair_style == "long":
        return
    for side in (-1, 1):
        middle = np.array([side * (look.head_width + 0.03), 0.18])
        canvas.fill(middle + CIRCLE * [0.13, 0.29], look.skin * 0.85)
        canvas.wash(middle + [0.02 * side, 0.0] + CIRCLE * [0.065, 0.18], look.skin * 0.55, 0.6, 0.03)


def paint_head(canvas: Canvas, look: Look, mood: Expression, light: np.ndarray) -> None:
    """Paint the head, brighter in its middle and towards the light (2,), a direction of length 0..1."""
    edge = outline(look, mood)
    mask = np.zeros((FINE, FINE), np.uint8)
    cv2.fillPoly(mask, [fixed(canvas.place(edge))], 255.0, cv2.LINE_AA, SHIFT)
    # Shade has no fine detail: it is computed on a coarse grid and enlarged.
    step = FINE // COARSE
    lit = np.zeros((COARSE, COARSE), np.uint8)
    towards = canvas.place(edge * 0.96) + 0.22 * canvas.unit * light
    cv2.fillPoly(lit, [fixed((towards + 0.5) / step - 0.5)], 255.0, cv2.LINE_AA, SHIFT)
    blurred = blur(lit, 0.27 * canvas.unit / step)
    shade = cv2.resize(blurred, (FINE, FINE), interpolation=cv2.INTER_LINEAR)
    canvas.blend(mask, np.minimum(look.skin * (0.52 + np.float32(0.53 / 255) * shade), 255), 1.0, (0, 0))
