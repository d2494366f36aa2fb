"""Position and rotation of the head: face units (interocular distances) to pixels of the finished image."""

from dataclasses import dataclass

import numpy as np

HEAD_CENTRE = np.array([0.0, 0.15, -0.75])
"""Centre of the skull in face units: behind the eyes, so features shift across the head as it turns."""

FACE_MIDDLE = 0.55
"""Distance of the centre of the keypoints below the eyes; faces scale around it, so that large ones fit."""

MARGIN = 1.5


@dataclass(frozen=True)
class Framing:
    """How a published data set crops its faces; lengths in image widths, angles in degrees."""

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
    """Scaled orthographic view: rotation (3, 3), roll (2, 2), pixels per interocular distance, eyes' centre (2,)."""

    rotation: np.ndarray
    roll: np.ndarray
    scale: float
    origin: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points (n, 3) on the face, or (n, 2) on the outline of the head, to pixels (n, 2)."""
        if points.shape[-1] == 3:
            turned = points @ self.rotation[:2].T
        else:
            # The outline of a round head does not change when it turns: only its centre moves.
            turned = (points - HEAD_CENTRE[:2]) @ self.roll.T + self.rotation[:2] @ HEAD_CENTRE
        projected: np.ndarray = turned * self.scale + self.origin
        return projected


def rotation_matrix(roll: float, yaw: float, pitch: float) -> np.ndarray:
    """Pitch, then yaw, then roll, in degrees; x to the image's right, y down, z to the viewer; (3, 3)."""
    (cr, cy, cp), (sr, sy, sp) = np.cos(np.radians([roll, yaw, pitch])), np.sin(np.radians([roll, yaw, pitch]))
    around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    rotation: np.ndarray = around_z @ around_y @ around_x
    return rotation


def draw_pose(generator: np.random.Generator, framing: Framing, size: int, keypoints: np.ndarray) -> Pose:
    """Sample a pose that keeps the keypoints (15, 3), in face units, inside a square image of that size."""
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
