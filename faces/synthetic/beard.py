"""Hair on chin and lip."""

import numpy as np

from faces.synthetic.canvas import Canvas
from faces.synthetic.expression import Expression
from faces.synthetic.head import outline
from faces.synthetic.look import Look
from faces.synthetic.mouth import MIDDLE, lips
from faces.synthetic.shapes import blob, on_face, ribbon, taper

ACROSS = np.linspace(-0.9, 0.9, 13)


def paint_beard(canvas: Canvas, look: Look, mood: Expression) -> None:
    """Paint the beard; the mouth is painted over it later."""
    tone, mouth = min(look.hair, 0.6 * look.skin), lips(look, mood)
    if look.beard_style in ("stubble", "beard"):
        jaw = canvas.place(outline(look, mood, 0.985)[2:23])
        cheeks = on_face(ACROSS, 0.82 - 0.12 * np.cos(3.3 * ACROSS))
        strength = 0.3 if look.beard_style == "stubble" else 0.85
        canvas.wash_placed(np.concatenate([jaw, canvas.place(cheeks)]), tone, strength, 0.05 * canvas.unit)
    if look.beard_style == "goatee":
        low, chin = mouth.bottom[MIDDLE, 1], look.chin + 0.45 * mood.opening
        canvas.wash(blob(0.0, (low + chin) / 2, 0.24, (chin - low) / 2, 0.05), tone, 0.85, 0.03)
    if look.beard_style not in ("none", "stubble"):
        line = mouth.top - [0.0, 0.045, 0.0]
        canvas.wash(ribbon(line * [1.12, 1.0, 1.0], taper(len(line), 0.055)), tone, 0.85, 0.015)
