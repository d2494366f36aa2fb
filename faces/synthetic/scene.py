"""The scene: background, lighting of the whole image, and the camera."""

import cv2
import numpy as np

from faces.synthetic.canvas import FINE, Canvas

SOFT = 12


def paint_background(canvas: Canvas, generator: np.random.Generator) -> None:
    """Paint a tilted gradient with a few soft patches, sometimes one straight edge."""
    across = np.linspace(-1, 1, SOFT)
    tone, slope_x, slope_y = generator.uniform((25, -45, -45), (225, 45, 45))
    ground = tone + slope_x * across[None, :] + slope_y * across[:, None]
    for _ in range(int(generator.integers(4))):
        x, y, radius, change = generator.uniform((-1, -1, 0.2, -60), (1, 1, 0.7, 60))
        ground += change * np.exp(-((across[None, :] - x) ** 2 + (across[:, None] - y) ** 2) / radius**2)
    fine = cv2.resize(ground.astype(np.float32), (FINE, FINE), interpolation=cv2.INTER_LINEAR)
    canvas.pixels[:] = np.clip(fine, 0, 255)
    if generator.random() < 0.35:
        x, width, change = generator.uniform((0, 10, -50), (FINE, 70, 50))
        band = canvas.pixels[:, int(x) : int(x + width)]
        band[:] = np.clip(band.astype(np.float32) + change, 0, 255)


def photograph(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Apply uneven light, slight defocus and sensor noise to an image (size, size) float32; the result is uint8."""
    size = len(image)
    across = np.linspace(-1, 1, size, dtype=np.float32)
    slope_x, slope_y, gain, lift, focus, noise = generator.uniform(
        (-0.25, -0.2, 0.75, -18, 0.0, 1.0), (0.25, 0.2, 1.08, 20, 0.0085, 6.5)
    ).astype(np.float32)
    lit = image * (gain * (1 + slope_x * across[None, :] + slope_y * across[:, None])) + lift
    sigma = float(focus) * size
    if sigma > 0.2:
        lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), sigma))
    grainy = lit + noise * generator.standard_normal((size, size), dtype=np.float32)
    photo: np.ndarray = np.clip(np.rint(grainy), 0, 255).astype(np.uint8)
    return photo
