"""Where the head is and how it is turned: face units (eye distances) to pixels of the finished image."""

from dataclasses import dataclass

import numpy as np

HEAD_CENTRE = np.array([0.0, 0.15, -0.75])
"""Middle of the skull in face units: behind the eyes, which is why features slide over the head as it turns."""

FACE_MIDDLE = 0.55
"""How far below the eyes the middle of the key points lies; faces grow around it, so that large ones still fit."""

MARGIN = 1.5


@dataclass(frozen=True)
class Framing:
    """How a data set crops its faces; lengths in image widths, angles in degrees."""

    eye_distance: float
    middle: tuple[float, float]
    shift: float
    zoom: float
    zoom_range: tuple[float, float]
    roll: float
    yaw: float
    pitch: float


KEYPOINTS_FRAMING = Framing(36 / 96, (48 / 96, 57 / 96), 3 / 96, 0.12, (0.85, 1.35), 5.0, 7.5, 4.0)
EMOTION_FRAMING = Framing(0.42, (23.5 / 48, 29 / 48), 1.7 / 48, 0.08, (0.82, 1.15), 7.0, 8.0, 5.0)


@dataclass(frozen=True)
class Pose:
    """Scaled orthographic view: rotation (3, 3), roll (2, 2), pixels per eye distance, pixel of the eyes' middle."""

    rotation: np.ndarray
    roll: np.ndarray
    scale: float
    origin: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (n, 2) of points (n, 3) on the face, or of (n, 2) on the outline of the head."""
        if points.shape[-1] == 3:
            return points @ self.rotation[:2].T * self.scale + self.origin
        # The outline of a round head stays whole when it turns: only its centre moves.
        outline = (points - HEAD_CENTRE[:2]) @ self.roll.T + self.rotation[:2] @ HEAD_CENTRE
        return outline * self.scale + self.origin


def rotation_matrix(roll: float, yaw: float, pitch: float) -> np.ndarray:
    """Pitch, then yaw, then roll, in degrees; x to the image's right, y down, z to the viewer; (3, 3)."""
    (cr, cy, cp), (sr, sy, sp) = np.cos(np.radians([roll, yaw, pitch])), np.sin(np.radians([roll, yaw, pitch]))
    around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return around_z @ around_y @ around_x


def draw_pose(generator: np.random.Generator, framing: Framing, size: int, keypoints: np.ndarray) -> Pose:
    """A random pose that keeps the key points (15, 3), in face units, inside a square image of that size."""
    spread = np.array([framing.roll, framing.yaw, framing.pitch])
    roll, yaw, pitch = np.clip(generator.standard_normal(3), -2.5, 2.5) * spread
    zoom = float(np.clip(np.exp(framing.zoom * generator.standard_normal()), *framing.zoom_range))
    wanted = np.array(framing.middle) * size + framing.shift * size * generator.standard_normal(2)
    rotation = rotation_matrix(roll, yaw, pitch)
    turned = keypoints @ rotation[:2].T
    room = size - 1 - 2 * MARGIN
    scale = min(framing.eye_distance * size * zoom, room / float(np.ptp(turned, axis=0).max()))
    origin = wanted - scale * rotation[:2] @ np.array([0.0, FACE_MIDDLE, 0.0])
    lowest, highest = MARGIN - scale * turned.min(axis=0), MARGIN + room - scale * turned.max(axis=0)
    return Pose(rotation, rotation_matrix(roll, 0.0, 0.0)[:2, :2], scale, np.clip(origin, lowest, highest))
