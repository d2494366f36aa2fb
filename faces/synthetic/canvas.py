"""A grey canvas at four or two times the resolution of the finished image; shapes are in face units."""

import cv2
import numpy as np

from faces.synthetic.pose import Pose

FINE = 192
"""Side of the canvas in pixels: a multiple of both 48 and 96."""

SHIFT = 5


class Canvas:
    """An unfinished image, `pixels` (FINE, FINE) uint8, under one pose; lengths in interocular distances."""

    def __init__(self, size: int, pose: Pose) -> None:
        """An empty canvas for a finished image of `size` pixels, which must divide FINE."""
        self.size, self.factor, self.pose = size, FINE // size, pose
        self.unit = pose.scale * self.factor
        self.pixels = np.zeros((FINE, FINE), np.uint8)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Points in fine pixels; pixel centres are integers on both grids, hence the half pixels."""
        return (self.pose.project(points) + 0.5) * self.factor - 0.5

    def fill(self, points: np.ndarray, tone: float) -> None:
        """Paint a sharp polygon of one tone."""
        cv2.fillPoly(self.pixels, [fixed(self.place(points))], min(max(tone, 0.0), 255.0), cv2.LINE_AA, SHIFT)

    def wash(self, points: np.ndarray, tone: float, alpha: float, soft: float = 0.0) -> None:
        """Paint a polygon with opacity `alpha`, its edge blurred over `soft`."""
        if alpha > 0.01:
            self.wash_placed(self.place(points), tone, min(alpha, 1.0), soft * self.unit)

    def wash_placed(self, placed: np.ndarray, tone: float, alpha: float, sigma: float) -> None:
        """The same for a polygon (n, 2) and a blur in fine pixels; only its bounding box is blended."""
        (left, top), (right, bottom) = placed.min(axis=0).tolist(), placed.max(axis=0).tolist()
        edge = 3 * sigma + 2
        left, top = max(int(left - edge), 0), max(int(top - edge), 0)
        right, bottom = min(int(right + edge) + 1, FINE), min(int(bottom + edge) + 1, FINE)
        if right <= left or bottom <= top:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(mask, [fixed(placed - (left, top))], 255.0, cv2.LINE_AA, SHIFT)
        # A blur that is invisible after downscaling is skipped.
        if sigma > 0.3 * self.factor:
            mask = blur(mask, sigma)
        self.blend(mask, np.float32(min(max(tone, 0.0), 255.0)), alpha, (left, top))

    def blend(self, mask: np.ndarray, tone: np.ndarray | np.float32, alpha: float, corner: tuple[int, int]) -> None:
        """Blend a tone 0..255 where a uint8 mask, with its first pixel at the corner (x, y), is set."""
        (x, y), (height, width) = corner, mask.shape
        ground = self.pixels[y : y + height, x : x + width]
        mixed = ground + (tone - ground) * (mask * np.float32(alpha / 255))
        np.copyto(ground, mixed + np.float32(0.5), casting="unsafe")

    def finished(self) -> np.ndarray:
        """The image at its final size, (size, size) float32."""
        small = cv2.resize(self.pixels, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return np.asarray(small).astype(np.float32)


def blur(mask: np.ndarray, sigma: float) -> np.ndarray:
    """Blur a uint8 mask to a standard deviation in pixels; the time of OpenCV's stack blur does not depend on it."""
    # Its kernel is a triangle of variance r (r + 2) / 6.
    radius = max(1, round(float(np.sqrt(1 + 6 * sigma**2)) - 1))
    return np.asarray(cv2.stackBlur(mask, (2 * radius + 1, 2 * radius + 1)))


def fixed(points: np.ndarray) -> np.ndarray:
    """Fixed-point coordinates for OpenCV's `shift`; integers are pixel centres there too."""
    coordinates: np.ndarray = np.rint(points * (1 << SHIFT)).astype(np.int32)
    return coordinates
