"""Expectation suites of both raw tables, for Great Expectations; they test the row checks.

An expectation of severity `warning` applies to rows: rows that fail are quarantined with its reason.
An expectation of severity `critical` applies to the table: if it fails, the stage fails.
"""

import great_expectations.expectations as gxe

from faces.common.pixel_text import MIN_SIDE, SIZES
from faces.common.schema import COORDINATES, KEYPOINTS, LABEL_ENCODINGS, USAGES
from params import ValidateEmotion, ValidateKeypoints
from tasks.orchestration.artifacts import counted


def emotion_suite(settings: ValidateEmotion, predefined_split: bool) -> list:
    """Expectations on the emotion table. Usage is only judged if the split is the predefined one."""
    names = LABEL_ENCODINGS[settings.label_encoding]
    (low, high), least = settings.class_fraction, f"{MIN_SIDE}x{MIN_SIDE}"
    label = f"emotion: not a label of {settings.label_encoding} (0..{len(names) - 1}, or a class name)"
    return [
        *_table("emotion", ["label", "label_foreign", "usage", *_pixel_columns()], settings.min_rows),
        _readable(),
        *_no_foreign_labels(settings.label_encoding),
        *[
            gxe.ExpectColumnMeanToBeBetween(
                column=f"is_{name}",
                min_value=low,
                max_value=high,
                **_critical(f"emotion: fraction of {name} outside {low:g}..{high:g}", CLASS_FRACTION_REMEDY),
            )
            for name in names
        ],
        _null(
            "label_unknown",
            "emotion: a class that no label encoding has",
            remedy="leave these rows, or their folder, out, or give them a class that they show",
        ),
        _in_set("label_valid", [True], label),
        *([_in_set("usage", list(USAGES), f"Usage: not one of {', '.join(USAGES)}")] if predefined_split else []),
        *_pixels("pixels", settings.min_pixel_std),
        _between("pixels_side", MIN_SIDE, None, f"pixels: not a square of {least} or more", detail="pixels_found"),
    ]


def keypoint_suite(settings: ValidateKeypoints) -> list:
    """Expectations on the keypoint table. Missing keypoints are allowed, up to a fraction; training masks them."""
    side = SIZES["keypoints"]
    low, high = settings.interocular_distance_px
    return [
        *_table("keypoints", [*COORDINATES, *_pixel_columns()], settings.min_rows),
        _readable(),
        _not_repeated(),
        *[_mostly_labelled(keypoint, settings.max_missing_fraction) for keypoint in KEYPOINTS],
        _in_set("points_numeric", [True], "coordinates: a cell is not a number"),
        _in_set("points_paired", [True], "coordinates: a keypoint has only one of x and y"),
        _between("points_labelled", 1, None, "coordinates: no keypoint is labelled"),
        _between("points_least", 0, None, "coordinates: a value under 0, outside the image"),
        _between("points_greatest", None, side, f"coordinates: a value over {side}, outside the image"),
        _between("points_eyes", 0, None, "coordinates: left eye not to the right of the right eye", strict_min=True),
        _between("points_eye_distance", low, high, f"coordinates: eyes not {low:g} to {high:g} px apart"),
        _between("points_extent", 0, None, "coordinates: all labelled keypoints are one point", strict_min=True),
        *_pixels("Image", settings.min_pixel_std),
        # Its coordinates may be in pixels of either size.
        _between(
            "pixels_count",
            side * side,
            side * side,
            f"Image: not {side}x{side} pixels, of which the coordinates are",
            detail="pixels_found",
        ),
    ]


CLASS_FRACTION_REMEDY = (
    "if the labels are right, widen validate.emotion.class_fraction; if the codes mean other classes, set "
    "validate.emotion.label_encoding"
)


def _warning(reason: str, detail: str = "", remedy: str = "", alone: bool = False) -> dict:
    """`detail`: the column of what was found in a row. `alone`: that is the only reason for quarantining the row."""
    return {
        "severity": "warning",
        "notes": reason,
        "meta": {"reason": reason, "detail": detail, "remedy": remedy, "alone": alone},
    }


def _critical(reason: str, remedy: str) -> dict:
    return {"severity": "critical", "notes": f"{reason}; {remedy}", "meta": {"reason": reason, "remedy": remedy}}


def _pixel_columns() -> list[str]:
    return ["pixels_numeric", "pixels_count", "pixels_minimum", "pixels_maximum", "pixels_deviation"]


def _table(model_name: str, columns: list[str], min_rows: int) -> list:
    remedy = f"provide a larger table, or lower validate.{model_name}.min_rows"
    too_few_rows = _critical(f"fewer than {counted(min_rows, 'row')}", remedy)
    missing = _critical("columns are missing", "add them")
    return [
        gxe.ExpectTableColumnsToMatchSet(column_set=columns, exact_match=False, **missing),
        gxe.ExpectTableRowCountToBeBetween(min_value=min_rows, **too_few_rows),
    ]


def _no_foreign_labels(label_encoding: str) -> list:
    """A label of the other encoding only indicates that the whole file may use that encoding."""
    classes = LABEL_ENCODINGS[label_encoding]
    longest = max(LABEL_ENCODINGS.values(), key=len)
    foreign = [*map(str, range(len(classes), len(longest))), *(name for name in longest if name not in classes)]
    if not foreign:
        return []
    remedy = f"set the encoding of this file in validate.emotion.label_encoding: {', '.join(LABEL_ENCODINGS)}"
    reason = f"emotion: a label {' or '.join(foreign)}, which is not in {label_encoding}"
    return [gxe.ExpectColumnValuesToBeInSet(column="label_foreign", value_set=[False], **_critical(reason, remedy))]


def _mostly_labelled(keypoint: str, max_missing_fraction: float):
    remedy = "label more of them, or raise validate.keypoints.max_missing_fraction"
    reason = f"coordinates: {keypoint} is missing in more than {max_missing_fraction:.0%} of the rows"
    return gxe.ExpectColumnValuesToNotBeNull(
        column=f"{keypoint}_x", mostly=1 - max_missing_fraction, **_critical(reason, remedy)
    )


def _not_repeated():
    remedy = "leave such cells empty, or the table out: they are no labels"
    reason = "coordinates: a column has one value in over half of its labelled rows"
    critical = _critical(reason, remedy)
    critical["meta"]["detail"] = "points_repeated"
    return gxe.ExpectColumnValuesToBeNull(column="points_repeated", **critical)


def _readable():
    return gxe.ExpectColumnValuesToBeNull(column="unreadable", **_warning("unreadable", "unreadable", alone=True))


def _null(column: str, reason: str, remedy: str):
    return gxe.ExpectColumnValuesToBeNull(column=column, **_warning(reason, column, remedy))


def _between(column: str, low: float | None, high: float | None, reason: str, detail: str = "", **options):
    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, **_warning(reason, detail), **options
    )


def _in_set(column: str, values: list, reason: str, detail: str = ""):
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=values, **_warning(reason, detail))


def _not_in_set(column: str, values: list, reason: str):
    return gxe.ExpectColumnValuesToNotBeInSet(column=column, value_set=values, **_warning(reason))


def _pixels(column: str, min_pixel_std: float) -> list:
    return [
        _in_set("pixels_numeric", [True], f"{column}: not integers", "pixels_found"),
        _between("pixels_minimum", 0, None, f"{column}: a value under 0"),
        _between("pixels_maximum", None, 255, f"{column}: a value over 255"),
        _not_in_set("pixels_maximum", [1], f"{column}: all pixels are 0 or 1: multiply them by 255"),
        _between(
            "pixels_deviation",
            min_pixel_std,
            None,
            f"{column}: constant or nearly constant image, standard deviation under {min_pixel_std:g} grey levels",
        ),
    ]
