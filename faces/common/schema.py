"""The vocabulary of both tables: key-point names, emotion names, and what a mirror does to them."""

import re

import numpy as np

KEYPOINTS = (
    "left_eye_center",
    "right_eye_center",
    "left_eye_inner_corner",
    "left_eye_outer_corner",
    "right_eye_inner_corner",
    "right_eye_outer_corner",
    "left_eyebrow_inner_end",
    "left_eyebrow_outer_end",
    "right_eyebrow_inner_end",
    "right_eyebrow_outer_end",
    "nose_tip",
    "mouth_left_corner",
    "mouth_right_corner",
    "mouth_center_top_lip",
    "mouth_center_bottom_lip",
)
"""Kaggle's order. Left is the subject's left, so it has the larger x in an image that is not mirrored."""

COORDINATES = tuple(f"{name}_{axis}" for name in KEYPOINTS for axis in "xy")
"""The 30 coordinate columns of the published table, in its order."""

LEFT_EYE = KEYPOINTS.index("left_eye_center")
RIGHT_EYE = KEYPOINTS.index("right_eye_center")

LABEL_SETS = {
    "course": ("anger", "disgust", "sad", "happiness", "surprise"),
    "fer2013": ("anger", "disgust", "fear", "happiness", "sad", "surprise", "neutral"),
}
"""Class names by integer code. The same integer means different things in the two sets."""

SYNONYMS = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "happy": "happiness",
    "sadness": "sad",
    "surprised": "surprise",
}
"""What published files and folders also call the classes."""


def class_name(text: str, label_set: str) -> str | None:
    """The class that a label means, given as a code of `label_set` or as a name; None where it means no class.

    A name may be of another label set than `label_set`; a code never is.
    """
    names = LABEL_SETS[label_set]
    word = text.strip().lower()
    if re.fullmatch(r"[0-9]{1,9}(\.0*)?", word, re.ASCII):
        code = int(word.split(".")[0])
        return names[code] if code < len(names) else None
    name = SYNONYMS.get(word, word)
    return name if name in set().union(*LABEL_SETS.values()) else None


def _mirrored_name(name: str) -> str:
    if "left" in name:
        return name.replace("left", "right")
    return name.replace("right", "left")


MIRROR_ORDER = np.array([KEYPOINTS.index(_mirrored_name(name)) for name in KEYPOINTS])
"""Row k of a mirrored face's points is row MIRROR_ORDER[k] of the original's: left and right change names."""
