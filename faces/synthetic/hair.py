"""Hair behind and on the head."""

import numpy as np

from faces.synthetic.canvas import Canvas
from faces.synthetic.expression import Expression
from faces.synthetic.head import outline
from faces.synthetic.look import Look
from faces.synthetic.shapes import on_face, ribbon, taper

CALM = Expression()
ACROSS = np.linspace(1, -1, 21)
STRAND = np.linspace(0, 1, 7)
TURN = np.linspace(0, 2 * np.pi, 90, endpoint=False)
CLOUD = ((1 + 0.03 * np.cos(15 * TURN)) * [np.cos(TURN), np.sin(TURN)]).T


def paint_back_hair(canvas: Canvas, look: Look) -> None:
    """Paint the visible long or curly hair behind head and neck."""
    if look.hair_style == "long":
        wide = look.head_width * look.hair_volume + 0.08
        fall = np.array([[wide, 0.2], [wide + 0.06, 1.2], [wide - 0.02, 2.2], [wide - 0.35, 2.6]])
        crown = outline(look, CALM, look.hair_volume + 0.05)[24:]
        canvas.fill(np.concatenate([fall, fall[::-1] * [-1, 1], crown]), look.hair * 0.75)
    elif look.hair_style == "curly":
        puff = CLOUD * [look.head_width + 0.28, 0.35 + look.hair_volume] + [0.0, -0.45]
        canvas.fill(puff, look.hair * 0.85)


def paint_hair(canvas: Canvas, look: Look) -> None:
    """Paint the hair between crown and hairline, combed away from the parting, with a shine on top."""
    if look.hair_style == "bald":
        return
    # From below the right temple over the top to below the left one; long hair reaches the jaw.
    reach = 5 if look.hair_style == "long" else 2
    crown = outline(look, CALM, look.hair_volume)[np.arange(24 - reach, 49 + reach) % 48]
    line = _hairline(look, ACROSS)
    # Crown and hairline move differently when the head turns, so they are joined after projection.
    front = canvas.place(on_face(ACROSS * look.head_width * 0.95, line))
    canvas.wash_placed(np.concatenate([canvas.place(crown), front]), look.hair, 0.97, 0.018 * canvas.unit)
    for index in range(1, 21, 3):
        x = look.head_width * 0.93 * (0.35 * look.parting + (ACROSS[index] - 0.35 * look.parting) * STRAND**0.7)
        y = -1.5 + (line[index] - 0.04 + 1.5) * STRAND**1.4
        tone = look.hair * 1.5 + 22 if index % 2 else look.hair * 0.6
        canvas.wash(ribbon(on_face(x, y), taper(7, 0.035)), tone, 0.4, 0.02)
    shine = on_face(0.75 * ACROSS, -1.3 + 0.25 * ACROSS**2)
    canvas.wash(ribbon(shine, taper(21, 0.07)), look.hair * 1.5 + 30, 0.35, 0.06)


def _hairline(look: Look, x: np.ndarray) -> np.ndarray:
    """Height (n,) of the lower edge of the hair at positions -1..1 across the head."""
    height: np.ndarray
    sides = np.maximum((np.abs(x) - 0.6) / 0.4, 0) ** 2
    drop = {"long": 1.3, "curly": 0.7}.get(look.hair_style, 0.6)
    if look.hair_style == "fringe":
        height = -0.6 + 0.025 * np.cos(14 * x) + (drop - 0.1) * sides
    elif look.hair_style in ("parted", "long"):
        away = np.abs(x - look.parting) / (1 + np.abs(look.parting))
        height = look.hairline - 0.12 + 0.38 * away**1.4 + drop * sides
    else:
        height = look.hairline + 0.1 * x**2 + 0.015 * np.cos(17 * x) + drop * sides
    return height
