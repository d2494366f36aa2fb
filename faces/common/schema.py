"""Schema of both tables: keypoint names and columns, class names, and the keypoint order after a horizontal flip."""

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
"""Kaggle's order. Left is the subject's left: it has the larger x unless the image is mirrored."""

COORDINATES = tuple(f"{name}_{axis}" for name in KEYPOINTS for axis in "xy")
"""The 30 coordinate columns of the published table, in its order."""

LEFT_EYE = KEYPOINTS.index("left_eye_center")
RIGHT_EYE = KEYPOINTS.index("right_eye_center")

LABEL_ENCODINGS = {
    "course": ("anger", "disgust", "sad", "happiness", "surprise"),
    "fer2013": ("anger", "disgust", "fear", "happiness", "sad", "surprise", "neutral"),
}
"""Class names by integer code. The two encodings assign different classes to the same code."""

SYNONYMS = {
    **dict.fromkeys(("angry",), "anger"),
    **dict.fromkeys(("disgusted",), "disgust"),
    **dict.fromkeys(("fearful", "afraid", "scared"), "fear"),
    **dict.fromkeys(("happy", "joy", "joyful"), "happiness"),
    **dict.fromkeys(("sadness",), "sad"),
    **dict.fromkeys(("surprised",), "surprise"),
    **dict.fromkeys(("neutrality",), "neutral"),
}
"""Class names as published files and folders spell them, and their canonical names.

Joy is the name of happiness in Cohn-Kanade's and other sets. A word for another emotion, such as contempt or calm, is
no synonym.
"""

USAGES = ("Training", "PublicTest", "PrivateTest")
"""FER2013's values of the column Usage: the splits train, validation and test."""

USAGE_SYNONYMS = {
    **dict.fromkeys(("train", "training"), "Training"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "publictest"), "PublicTest"),
    **dict.fromkeys(("test", "testing", "privatetest"), "PrivateTest"),
}
"""Values of Usage by the names of splits, in lower case without blanks and punctuation."""


def usage_name(text: str) -> str | None:
    """FER2013's value of Usage for the name of a split, such as `val` or `Public Test`; None for an unknown word."""
    return USAGE_SYNONYMS.get(re.sub(r"[\W_]", "", text.lower()))


def class_name(text: str, label_encoding: str) -> str | None:
    """Class name for a label, which is a code of `label_encoding` or a name; None for an unknown label.

    Names of all label encodings are accepted, but codes of `label_encoding` only.
    """
    names = LABEL_ENCODINGS[label_encoding]
    word = text.strip().lower()
    if re.fullmatch(r"[0-9]{1,9}(\.0*)?", word, re.ASCII):
        code = int(word.split(".")[0])
        return names[code] if code < len(names) else None
    name = SYNONYMS.get(word, word)
    return name if name in set().union(*LABEL_ENCODINGS.values()) else None


def unknown_class(text: str) -> str | None:
    """The name of a class that no label encoding has, in lower case, at most 40 characters; None for any other label.

    A label without a letter is no name: it is a wrong code, not another class.
    """
    word = text.strip().lower()
    known = any(class_name(word, label_encoding) for label_encoding in LABEL_ENCODINGS)
    return None if known or not any(letter.isalpha() for letter in word) else word[:40]


def _mirrored_name(name: str) -> str:
    if "left" in name:
        return name.replace("left", "right")
    return name.replace("right", "left")


MIRROR_ORDER = np.array([KEYPOINTS.index(_mirrored_name(name)) for name in KEYPOINTS])
"""Keypoint k of a mirrored face is keypoint MIRROR_ORDER[k] of the original: left and right are exchanged."""
