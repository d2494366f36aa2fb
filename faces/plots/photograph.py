"""Draws the detected faces into a photograph."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from faces.plots.captions import place_captions
from faces.plots.face_grid import POINT_COLOUR, POINT_COLOURS

MAX_SIDE, MIN_SIDE = 1600, 640
"""Pixels of the longer side: a larger photograph is reduced before it is drawn on, a smaller one enlarged."""
ABSTAINED_COLOUR = "#ffb300"
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
SHIFT = 4
"""Binary digits of a pixel's fraction in OpenCV's coordinates."""
MIN_FONT, PLATE = 11, 0.4
"""Pixels of the smallest font that is chosen, and the brightness that remains of the photograph behind a caption."""


def annotate(
    photograph: np.ndarray,
    side: int,
    boxes: np.ndarray,
    angles: np.ndarray,
    points: np.ndarray,
    captions: Sequence[str],
    abstained: np.ndarray,
) -> np.ndarray:
    """A photograph (H, W, 3) uint8, red first, with boxes (n, 3) of x, y, size, points (n, 15, 2), and captions.

    Boxes and points are in pixels of a photograph whose longer side is `side`; `photograph` may be a reduced one, and
    the result has MIN_SIDE to MAX_SIDE pixels. `angles` (n,) are degrees by which a box is rotated around its centre,
    clockwise on the screen. Points that are NaN are not drawn. `abstained` (n,) bool: those boxes have another colour.
    """
    canvas = _resized(photograph)
    scale = max(canvas.shape[:2]) / side
    corners = _corners(boxes, angles) * scale - 0.5
    sizes, longer = boxes[:, 2] * scale, max(canvas.shape[:2])
    height, width = canvas.shape[:2]
    for face_corners, size, is_abstained, angle in zip(corners, sizes, abstained, angles, strict=True):
        line = int(np.clip(round(size / 60), 1, round(longer / 320)))
        # A box at the border, as that of a whole image, would be drawn outside it.
        inset = 0 if angle else (3 * line - 1) // 2
        within = face_corners if angle else np.clip(face_corners, inset, [width - 1 - inset, height - 1 - inset])
        colour = _rgb(ABSTAINED_COLOUR if is_abstained else POINT_COLOUR)
        for drawn, thickness in ((BLACK, 3 * line), (colour, line)):
            cv2.polylines(canvas, [_fixed(within)], True, drawn, thickness, cv2.LINE_AA, SHIFT)
    for face_points, size in zip((points + 0.5) * scale - 0.5, sizes, strict=True):
        _draw_points(canvas, face_points, radius=float(np.clip(size * 0.013, 1, longer / 250)))
    _draw_captions(canvas, corners, sizes, captions)
    return canvas


def _resized(photograph: np.ndarray) -> np.ndarray:
    """A copy whose longer side has MIN_SIDE to MAX_SIDE pixels."""
    height, width = photograph.shape[:2]
    factor = np.clip(max(height, width), MIN_SIDE, MAX_SIDE) / max(height, width)
    if factor == 1:
        return photograph.copy()
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    resized: np.ndarray = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    return resized


def _corners(boxes: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """The corners (n, 4, 2) of boxes (n, 3) that are rotated by angles (n,) in degrees."""
    half = boxes[:, 2] / 2
    around = half[:, None, None] * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    cosine, sine = np.cos(np.radians(angles)), np.sin(np.radians(angles))
    rotation = np.stack([np.stack([cosine, sine], axis=-1), np.stack([-sine, cosine], axis=-1)], axis=1)
    return np.asarray((boxes[:, :2] + half[:, None])[:, None] + around @ rotation)


def _draw_points(canvas: np.ndarray, points: np.ndarray, radius: float) -> None:
    """Draw points (15, 2), with dark rings if they are large enough to have one."""
    drawn = [place for place, point in enumerate(points) if np.isfinite(point).all()]
    rings = [(BLACK, radius + max(1, radius / 3))] if radius > 1.2 else []
    for colour, size in [*rings, (None, radius)]:
        for place in drawn:
            filled = colour if colour else _rgb(POINT_COLOURS[place])
            cv2.circle(canvas, _fixed(points[place]), round(size * 2**SHIFT), filled, cv2.FILLED, cv2.LINE_AA, SHIFT)


def _draw_captions(canvas: np.ndarray, corners: np.ndarray, sizes: np.ndarray, captions: Sequence[str]) -> None:
    """Write each caption beside its box, inside the photograph, and beside the other captions if there is room."""
    height, width = canvas.shape[:2]
    longer = max(height, width)
    fonts = np.clip(0.17 * sizes, max(0.011 * longer, MIN_FONT), 0.028 * longer)
    texts = [" ".join(text.split()) for text in captions]
    fitting = [_fit(text, round(font), width, height) for text, font in zip(texts, fonts, strict=True)]
    areas = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    measured = np.array([_measure(text, font) for text, font in fitting]).reshape(-1, 2)
    for (x, y), (text, font), (across, down) in zip(
        place_captions(areas, measured, width, height), fitting, measured, strict=True
    ):
        plate = canvas[y : y + down, x : x + across]
        image = Image.fromarray((plate * PLATE).astype(np.uint8))
        ImageDraw.Draw(image).text(
            (across / 2, down / 2), text, WHITE, _font(font), anchor="mm", stroke_width=_stroke(font), stroke_fill=BLACK
        )
        plate[:] = image


def _fit(text: str, font: int, width: int, height: int) -> tuple[str, int]:
    """The text and the size of the font with which it is no larger than the photograph; it may be cut to nothing."""
    while font > MIN_FONT and (_measure(text, font) > (width, height)).any():
        font -= 1
    while text and (_measure(text, font) > (width, height)).any():
        text = text[:-2] + "…" if len(text) > 2 else ""
    return text, font


def _measure(text: str, font: int) -> np.ndarray:
    """Width and height of a caption with its margins, in pixels; 0 for no text."""
    if not text:
        return np.zeros(2, int)
    margin = 2 * _stroke(font) + max(font // 4, 2)
    return np.array([round(_font(font).getlength(text)) + 2 * margin, round(font * 1.25) + margin])


def _stroke(font: int) -> int:
    return max(round(font / 14), 1)


@lru_cache(maxsize=64)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow is built without FreeType, which draws the captions; install its wheel")
    return font


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in to_rgb(colour))
    return red, green, blue


def _fixed(points: np.ndarray) -> np.ndarray:
    """Coordinates as OpenCV takes them with SHIFT; what is far outside stays far outside, in 32 bits."""
    coordinates: np.ndarray = np.rint(np.clip(points, -16_384, 32_767) * 2**SHIFT).astype(np.int32)
    return coordinates
