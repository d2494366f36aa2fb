"""Row checks: values derived from each raw row, which the expectation suites test instead of the pixel text."""

import numpy as np
import pandas as pd

from faces.common.pixel_text import SIZES, cut_hint, pixel_checks, text_problem
from faces.common.schema import COORDINATES, LABEL_ENCODINGS, class_name, unknown_class, usage_name
from faces.data.eda import most_common

MIN_REPEATED = 10
"""Labelled rows of a coordinate from which on a value can be too frequent."""
SHOWN_CLASSES = 20
"""Unknown classes that are counted by name."""


def _pixel_columns(texts: pd.Series, unreadable: pd.Series | None) -> pd.DataFrame:
    """`pixel_checks` as `pixels_*`, `pixels_found` in words, and `unreadable`, why a row has no pixels, or None.

    A row that has pixels in spite of a reason was mended.
    """
    checks = pixel_checks(texts.tolist()).set_index(texts.index)
    columns = (checks[name] for name in ("numeric", "count", "side"))
    checks["found"] = [_found(*each) for each in zip(texts, *columns, strict=True)]
    checks = checks.add_prefix("pixels_")
    given = [""] * len(texts) if unreadable is None else unreadable.tolist()
    reasons = [reason.strip() or None if not text.strip() else None for text, reason in zip(texts, given, strict=True)]
    checks["unreadable"] = pd.Series(reasons, index=texts.index, dtype=object)
    # Nothing else is wrong with a row that has a reason already.
    is_known = checks["unreadable"].notna()
    checks["pixels_numeric"] = checks["pixels_numeric"].astype(object).mask(is_known, None)
    return checks


def _found(text: str, is_numeric: bool, count: float, side: float) -> str:
    if not is_numeric:
        return text_problem(text)
    return f"{side:.0f}x{side:.0f} pixels" if side else f"{count:,.0f} values{cut_hint(text)}"


def numbers(texts: pd.Series) -> pd.Series:
    """Convert text cells to float64; NaN where empty or not a finite number."""
    return pd.to_numeric(texts.str.strip(), errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)


def emotion_row_checks(raw: pd.DataFrame, label_encoding: str) -> pd.DataFrame:
    """Columns `row`, `label*`, `is_CLASS`, `usage`, `unreadable` and `pixels_*` from the text columns of `read_raw`.

    `label` is a class name of `label_encoding`, or None. `label_foreign` is True for a label of another encoding only;
    `label_unknown` is the name of a class that none has, or None; `label_valid` is False for any other wrong label.
    `is_CLASS` is 1.0 or 0.0, so its mean is the fraction of the class. `usage` is FER2013's word, or the text if it
    names no split; None if the column is absent.
    """
    classes = LABEL_ENCODINGS[label_encoding]
    names = [class_name(text, label_encoding) for text in raw["emotion"]]
    label = pd.Series([name if name in classes else None for name in names], index=raw.index, dtype=object)
    known = np.array([any(class_name(text, other) for other in LABEL_ENCODINGS) for text in raw["emotion"]])
    unknown = pd.Series([unknown_class(text) for text in raw["emotion"]], index=raw.index, dtype=object)
    checks = pd.DataFrame({"row": raw["row"], "label": label, "label_foreign": label.isna() & known})
    checks["label_unknown"], checks["label_valid"] = unknown, label.notna() | unknown.notna()
    for name in classes:
        checks[f"is_{name}"] = (label == name).astype(float)
    checks["usage"] = usages(raw["Usage"]) if "Usage" in raw else None
    return checks.join(_pixel_columns(raw["pixels"], raw.get("unreadable")))


def usages(texts: pd.Series) -> pd.Series:
    """FER2013's words for the names of splits; other texts without the blanks around them."""
    return pd.Series([usage_name(text) or text.strip() for text in texts], index=texts.index, dtype=object)


def keypoint_coordinates(raw: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    """The 30 coordinates as numbers, NaN where unlabelled or no number; and the count of points at exactly (0, 0).

    Such a point is outside every face: tables have it in place of a missing label, so it counts as unlabelled.
    """
    values = raw[list(COORDINATES)].apply(numbers)
    points = values.to_numpy(copy=True).reshape(-1, len(COORDINATES) // 2, 2)
    at_origin = (points == 0).all(axis=2)
    points[at_origin] = np.nan
    labelled = pd.DataFrame(points.reshape(-1, len(COORDINATES)), columns=values.columns, index=values.index)
    return labelled, pd.Series(at_origin.sum(axis=1), index=values.index)


def keypoint_row_checks(raw: pd.DataFrame) -> pd.DataFrame:
    """Columns `row`, the 30 coordinates (NaN where unlabelled), `points_*`, `unreadable` and `pixels_*`.

    `points_numeric` is False if a cell holds text that is not a number. `points_paired` is False if only one coordinate
    of a keypoint is empty. `points_labelled` counts labelled keypoints, `points_at_origin` those at (0, 0), which are
    not labelled. `points_least` and `points_greatest` are the minimum and maximum labelled coordinate, `points_extent`
    is the larger side of the box around the labelled points, NaN for fewer than two. `points_eyes` is the left minus
    the right eye centre's x, and `points_eye_distance` their distance, both in pixels; NaN where unlabelled.
    """
    texts, (values, at_origin) = raw[list(COORDINATES)], keypoint_coordinates(raw)
    filled = texts.apply(lambda column: column.str.strip() != "")
    is_no_number = texts.apply(numbers).isna() & filled
    labelled, cells = (each.to_numpy(bool).reshape(-1, len(COORDINATES) // 2, 2) for each in (values.notna(), filled))
    x, y = values.iloc[:, ::2], values.iloc[:, 1::2]
    extent = pd.concat([x.max(axis=1) - x.min(axis=1), y.max(axis=1) - y.min(axis=1)], axis=1).max(axis=1)
    num_labelled = labelled.any(axis=2).sum(axis=1).astype(float)
    eyes = values[["left_eye_center_x", "left_eye_center_y"]].to_numpy() - (
        values[["right_eye_center_x", "right_eye_center_y"]].to_numpy()
    )
    checks = pd.DataFrame(
        {
            "row": raw["row"],
            "points_numeric": ~is_no_number.any(axis=1),
            "points_paired": (cells[:, :, 0] == cells[:, :, 1]).all(axis=1),
            "points_labelled": num_labelled,
            "points_at_origin": at_origin,
            "points_extent": extent.where(num_labelled > 1),
            "points_least": values.min(axis=1),
            "points_greatest": values.max(axis=1),
            "points_eyes": eyes[:, 0],
            "points_eye_distance": np.hypot(eyes[:, 0], eyes[:, 1]),
        }
    )
    return checks.join(values).join(_pixel_columns(raw["Image"], raw.get("unreadable")))


def repeated_columns(checks: pd.DataFrame) -> pd.Series:
    """Per row, the coordinate columns in which it has a value that over half of the labelled rows share; or None.

    Such a column is no measurement: a filler in place of missing labels, or a constant.
    """
    found = pd.Series("", index=checks.index, dtype=object)
    for name in COORDINATES:
        value, fraction = most_common(checks[name])
        if fraction > 0.5 and checks[name].count() >= MIN_REPEATED:
            found[checks[name] == value] += f", {name} is {value:g} in {fraction:.0%}"
    return found.str.removeprefix(", ").replace("", None)


def table_notes(model_name: str, checks: pd.DataFrame, invalid: set[int]) -> dict[str, int]:
    """What was changed or left out, without being an error, in words, and how often; `invalid` rows are quarantined."""
    if model_name == "keypoints":
        notes = {"points at (0, 0), which count as unlabelled": int(checks["points_at_origin"].sum())}
    else:
        is_resized = (checks["pixels_side"] != SIZES[model_name]) & ~checks["row"].isin(invalid)
        notes = {f"pictures that are resized to {SIZES[model_name]}x{SIZES[model_name]}": int(is_resized.sum())}
        unknown = checks["label_unknown"].value_counts().head(SHOWN_CLASSES)
        notes |= {f"rows of the unknown class {name}": int(count) for name, count in unknown.items()}
    return {note: count for note, count in notes.items() if count}
