"""The mouth: four lip lines that carry the expression, teeth, and the folds beside it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from faces.synthetic.canvas import Canvas
from faces.synthetic.expression import Expression
from faces.synthetic.look import Look
from faces.synthetic.shapes import blob, on_face, ribbon, taper

ACROSS = np.linspace(-1, 1, 21)
MIDDLE = len(ACROSS) // 2


@dataclass(frozen=True)
class Lips:
    """Four lines from the subject's right corner to the left, (21, 3) each, and the gap between the lips."""

    top: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    bottom: np.ndarray
    gap: float


@lru_cache(maxsize=1)
def lips(look: Look, mood: Expression) -> Lips:
    """The lip lines of an expression; all four meet at the corners. Cached, as each face needs them several times."""
    half = look.mouth_width * (1 + 1.6 * mood.width)
    x, flat = half * ACROSS, 1 - np.abs(ACROSS) ** 2.4
    corner = look.mouth_height + mood.curve * (0.35 - 1.15 * ACROSS**2)
    # Pressed lips are thin; so are lips pulled wide.
    thick = look.lip * (1 - 0.5 * mood.press) * (1 - 0.8 * mood.width)
    raised = 0.3 * mood.opening + 0.8 * mood.upper_lip
    bow = 1 - 0.2 * np.exp(-((ACROSS / 0.13) ** 2))
    upper = corner - raised * flat
    lower = corner + (0.7 * mood.opening - 0.45 * mood.upper_lip) * flat
    lower = np.maximum(lower, upper)
    top = upper - thick * 0.85 * flat * bow - 0.2 * mood.upper_lip * flat
    bottom = lower + thick * 1.15 * (1 - ACROSS**2)
    gap = float(lower[MIDDLE] - upper[MIDDLE])
    return Lips(on_face(x, top, 0.06), on_face(x, upper, 0.06), on_face(x, lower, 0.06), on_face(x, bottom, 0.06), gap)


def paint_mouth(canvas: Canvas, look: Look, mood: Expression) -> None:
    """Paint the lips, then the open mouth between them, then the shade below."""
    lines, tone = lips(look, mood), look.skin * look.lip_tone
    low = lines.bottom[MIDDLE]
    canvas.wash(blob(0.0, low[1] + 0.06, 0.2, 0.035), look.skin * 0.65, 0.3, 0.03)
    canvas.wash(np.concatenate([lines.top, lines.upper[::-1]]), tone * 0.88, 0.95, 0.006)
    canvas.wash(np.concatenate([lines.lower, lines.bottom[::-1]]), tone, 0.95, 0.006)
    canvas.wash(blob(0.0, low[1] - 0.4 * look.lip, 0.12, 0.018, 0.06), tone * 1.25, 0.3, 0.015)
    if lines.gap > 0.025:
        _paint_inside(canvas, lines)
    canvas.wash(ribbon(lines.upper, taper(len(ACROSS), 0.013)), look.skin * 0.2, 0.85, 0.004)
    for end in (0, -1):
        x, y, _ = lines.upper[end]
        canvas.wash(blob(x, y, 0.03, 0.025, 0.06), look.skin * 0.35, 0.55, 0.012)


def _paint_inside(canvas: Canvas, lines: Lips) -> None:
    canvas.fill(np.concatenate([lines.upper, lines.lower[::-1]]), 22.0)
    # Teeth start at the upper lip line and fill only part of a wide-open mouth.
    depth = min(0.085 / lines.gap, 0.75)
    inner = slice(3, -3)
    edge = lines.upper + (lines.lower - lines.upper) * depth
    canvas.fill(np.concatenate([lines.upper[inner], edge[inner][::-1]]), 222.0)
    if lines.gap > 0.2:
        canvas.wash(blob(0.0, lines.lower[MIDDLE, 1] - 0.06, 0.14, 0.045), 95.0, 0.8, 0.015)


def paint_folds(canvas: Canvas, look: Look, mood: Expression) -> None:
    """Paint the fold from each wing of the nose past the corner of the mouth, and the cheek above it."""
    corner = lips(look, mood).upper[-1]
    for side in (-1, 1):
        x = np.linspace(look.nose_width + 0.04, corner[0] + 0.11, 7)
        y = np.linspace(look.nose_length - 0.02, corner[1] + 0.02, 7)
        fold = on_face(side * (x + 0.05 * np.sin(np.linspace(0, np.pi, 7))), y)
        canvas.wash(ribbon(fold, taper(7, 0.018)), look.skin * 0.55, 0.12 + 0.5 * mood.cheek, 0.014)
        cheek = blob(side * 0.62, 0.52 - 0.08 * mood.cheek, 0.2, 0.15)
        canvas.wash(cheek, look.skin * 1.22 + 8, 0.2 + 0.25 * mood.cheek, 0.08)
