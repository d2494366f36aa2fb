"""Whether a picture is one tight face, which is then taken whole, as the faces of a table are.

Of 700 faces of FER2013's PublicTest, enlarged to 224 px, the detector finds 98.6% at a threshold of 0.25, and the whole
picture and the detector's box give the emotion with the same accuracy: 0.851 and 0.853.
"""

import cv2
import numpy as np

from faces.scoring.centerface import Run, decode

MIN_SIDE, MAX_OFFSET = 0.75, 0.2
"""Of a face that fills its picture: side of the box, and offset of its centre, over the longer side."""
LOOK_SIZE, LOOK_MARGIN = 128, 32
"""The second look at a picture without a face: its longer side, and the width of a grey frame around it, px.

A detector misses some faces that fill their picture: it needs to see what is around them.
"""
LOOK_THRESHOLD, LOOK_MIN_BOX, LOOK_MAX_OFFSET = 0.05, 0.45, 0.25
"""Score, side of the detector's box and its distance from the middle, over the picture's longer side."""


def fills(boxes: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether boxes (n, 4) are one upright face that fills a picture of this shape (H, W)."""
    if len(boxes) != 1 or boxes[0, 3] != 0:
        return False
    left, top, side, _ = boxes[0]
    middle = (np.array(shape[::-1]) - 1) / 2
    offset = np.hypot(*(np.array([left, top]) + (side - 1) / 2 - middle))
    return bool(side >= MIN_SIDE * max(shape) and offset <= MAX_OFFSET * max(shape))


def second_look(image: np.ndarray, run: Run) -> float | None:
    """The score of the face that fills a picture (H, W) uint8 in which none was found; None if there is none.

    The picture and its mirror image are looked at with a grey frame around them, and with a lower threshold.
    """
    scale = LOOK_SIZE / max(image.shape)
    width, height = (max(round(side * scale), 1) for side in image.shape[::-1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    framed = np.pad(small, LOOK_MARGIN, constant_values=round(float(small.mean())))
    return max(filter(None, (_filling(picture, run) for picture in (framed, framed[:, ::-1]))), default=None)


def _filling(framed: np.ndarray, run: Run) -> float | None:
    found = decode(run(framed), LOOK_THRESHOLD)
    sides = np.sqrt(found.boxes[:, 2] * found.boxes[:, 3])
    middle = np.array(framed.shape[::-1]) / 2
    offsets = np.linalg.norm(found.boxes[:, :2] + found.boxes[:, 2:] / 2 - middle, axis=1)
    kept = (sides > LOOK_MIN_BOX * LOOK_SIZE) & (offsets < LOOK_MAX_OFFSET * LOOK_SIZE)
    return float(found.scores[kept].max()) if kept.any() else None
