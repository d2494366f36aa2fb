"""Look of a person: proportions, tones and accessories, independent of the expression."""

from dataclasses import dataclass

import numpy as np

RANGES = {
    "head_width": (1.02, 1.2),
    "chin": (1.62, 1.84),
    "jaw": (0.0, 1.0),
    "eye_width": (0.185, 0.235),
    "eye_height": (0.095, 0.122),
    "eye_tilt": (-0.02, 0.035),
    "brow_height": (0.25, 0.35),
    "brow_thickness": (0.028, 0.062),
    "brow_arch": (0.02, 0.08),
    "nose_length": (0.57, 0.72),
    "nose_width": (0.15, 0.22),
    "mouth_height": (1.03, 1.15),
    "mouth_width": (0.35, 0.44),
    "lip": (0.055, 0.105),
    "hairline": (-0.95, -0.68),
    "hair_volume": (1.04, 1.16),
    "parting": (-0.6, 0.6),
    "skin": (100.0, 222.0),
    "hair": (14.0, 150.0),
    "iris": (35.0, 105.0),
    "lip_tone": (0.42, 0.64),
    "clothes": (25.0, 215.0),
}
"""Lengths in interocular distances from between the eyes, y down; tones in grey levels, lip_tone relative to skin."""

HAIR_STYLES = ("bald", "short", "fringe", "parted", "long", "curly")
HAIR_MIX = (0.09, 0.25, 0.15, 0.19, 0.2, 0.12)
BEARD_STYLES = ("none", "stubble", "moustache", "goatee", "beard")
BEARD_MIX = (0.72, 0.1, 0.06, 0.05, 0.07)
GLASSES_STYLES = ("none", "round", "square")
GLASSES_MIX = (0.82, 0.09, 0.09)


@dataclass(frozen=True)
class Look:
    """One person; RANGES documents each number."""

    head_width: float
    chin: float
    jaw: float
    eye_width: float
    eye_height: float
    eye_tilt: float
    brow_height: float
    brow_thickness: float
    brow_arch: float
    nose_length: float
    nose_width: float
    mouth_height: float
    mouth_width: float
    lip: float
    hairline: float
    hair_volume: float
    parting: float
    skin: float
    hair: float
    iris: float
    lip_tone: float
    clothes: float
    hair_style: str
    beard_style: str
    glasses_style: str

    @property
    def brow_tone(self) -> float:
        """Grey level of the brows: derived from the hair, always darker than the skin."""
        return min(0.6 * self.hair + 15.0, 0.55 * self.skin)


def draw_look(generator: np.random.Generator) -> Look:
    """Sample a person: numbers uniformly over their ranges, styles by their probabilities."""
    low, high = np.array(list(RANGES.values())).T
    numbers = {name: float(value) for name, value in zip(RANGES, generator.uniform(low, high), strict=True)}
    hair, beard, glasses = (
        styles[int(np.searchsorted(np.cumsum(mix), draw))]
        for styles, mix, draw in zip(
            (HAIR_STYLES, BEARD_STYLES, GLASSES_STYLES),
            (HAIR_MIX, BEARD_MIX, GLASSES_MIX),
            # Rounding may give a sum of probabilities just under one.
            generator.random(3) * 0.999,
            strict=True,
        )
    )
    # Long hair hides a beard, so the two are not combined.
    beard = "none" if hair == "long" else beard
    return Look(**numbers, hair_style=hair, beard_style=beard, glasses_style=glasses)
