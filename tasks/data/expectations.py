"""Expectation suites of both raw tables, for Great Expectations; they test the row checks.

An expectation of severity `warning` applies to rows: rows that fail are quarantined with its reason.
An expectation of severity `critical` applies to the table: if it fails, the stage fails.
"""

import logging
from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.checkpoint import UpdateDataDocsAction

from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES, KEYPOINTS, LABEL_ENCODINGS
from params import ValidateEmotion, ValidateKeypoints

USAGE_VALUES = ["Training", "PublicTest", "PrivateTest"]


def emotion_suite(settings: ValidateEmotion) -> list:
    """Expectations on the emotion table."""
    names = LABEL_ENCODINGS[settings.label_encoding]
    low, high = settings.class_fraction
    label = f"emotion: not a label of {settings.label_encoding} (0..{len(names) - 1}, or a class name)"
    return [
        *_table(["label", "label_foreign", "usage", *_pixel_columns()], settings.min_rows),
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
        _not_null("label", label),
        _in_set("usage", USAGE_VALUES, f"Usage: not one of {', '.join(USAGE_VALUES)}"),
        *_pixels("pixels", SIZES["emotion"], settings.min_pixel_std),
    ]


def keypoint_suite(settings: ValidateKeypoints) -> list:
    """Expectations on the keypoint table. Missing keypoints are allowed, up to a fraction; training masks them."""
    side = SIZES["keypoints"]
    low, high = settings.interocular_distance_px
    return [
        *_table([*COORDINATES, *_pixel_columns()], settings.min_rows),
        *[_mostly_labelled(keypoint, settings.max_missing_fraction) for keypoint in KEYPOINTS],
        _in_set("points_numeric", [True], "coordinates: a cell is not a number"),
        _in_set("points_paired", [True], "coordinates: a keypoint has only one of x and y"),
        _between("points_labelled", 1, None, "coordinates: no keypoint is labelled"),
        _between("points_least", 0, None, "coordinates: a value under 0, outside the image"),
        _between("points_greatest", None, side, f"coordinates: a value over {side}, outside the image"),
        _between("points_eyes", 0, None, "coordinates: left eye not to the right of the right eye", strict_min=True),
        _between("points_eye_distance", low, high, f"coordinates: eyes not {low:g} to {high:g} px apart"),
        *_pixels("Image", side, settings.min_pixel_std),
    ]


CLASS_FRACTION_REMEDY = (
    "set other bounds in validate.emotion.class_fraction, or another label_encoding, if the table is correct"
)


def _warning(reason: str) -> dict:
    return {"severity": "warning", "notes": reason, "meta": {"reason": reason}}


def _critical(reason: str, remedy: str) -> dict:
    return {"severity": "critical", "notes": f"{reason}; {remedy}", "meta": {"reason": reason, "remedy": remedy}}


def _pixel_columns() -> list[str]:
    return ["pixels_numeric", "pixels_count", "pixels_minimum", "pixels_maximum", "pixels_deviation"]


def _table(columns: list[str], min_rows: int) -> list:
    too_few_rows = _critical(f"fewer than {min_rows} rows", "provide a larger table")
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


def _not_null(column: str, reason: str):
    return gxe.ExpectColumnValuesToNotBeNull(column=column, **_warning(reason))


def _between(column: str, low: float | None, high: float | None, reason: str, **options):
    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, **_warning(reason), **options
    )


def _in_set(column: str, values: list, reason: str):
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=values, **_warning(reason))


def _pixels(column: str, side: int, min_pixel_std: float) -> list:
    count = side * side
    return [
        _in_set("pixels_numeric", [True], f"{column}: not integers separated by blanks"),
        _between("pixels_count", count, count, f"{column}: not {count} values"),
        _between("pixels_minimum", 0, None, f"{column}: a value under 0"),
        _between("pixels_maximum", None, 255, f"{column}: a value over 255"),
        _between(
            "pixels_deviation",
            min_pixel_std,
            None,
            f"{column}: constant or nearly constant image, standard deviation under {min_pixel_std:g} grey levels",
        ),
    ]


def run_suite(name: str, expectations: list, checks: pd.DataFrame, docs: Path) -> list[dict]:
    """Write Data Docs to `docs`; return one dict per expectation: reason, severity, passed, failing rows."""
    # At INFO level it logs its temporary folder, which is irrelevant to the user.
    gx.data_context.types.base.logger.setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    for site in list(context.get_site_names()):
        context.delete_data_docs_site(site)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    site_config = {"class_name": "SiteBuilder", "store_backend": store, "site_index_builder": index}
    context.add_data_docs_site("local", site_config)
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
    batch = asset.add_batch_definition_whole_dataframe(name)
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    checkpoint = gx.Checkpoint(
        name=name,
        validation_definitions=[definition],
        actions=[UpdateDataDocsAction(name="docs", site_names=["local"])],
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["row"],
            "exclude_unexpected_values": True,
        },
    )
    run = context.checkpoints.add(checkpoint).run(
        batch_parameters={"dataframe": checks}, run_id=gx.RunIdentifier(run_name=name)
    )
    (result,) = run.run_results.values()
    return [_result(each) for each in result.results]


def _result(result) -> dict:
    # With values excluded, the index comes as one dict of columns: [{"row": [3, 17, ...]}].
    failing = [int(row) for index in result.result.get("unexpected_index_list") or [] for row in index["row"]]
    config = result.expectation_config
    if not result.success and not failing and "observed_value" not in result.result:
        # A metric raised an error: the expectation was not evaluated, so no row may pass it.
        raise RuntimeError(f"Great Expectations could not evaluate {config}: {result.exception_info}")
    severity = str(getattr(config.severity, "value", config.severity))
    return {
        "reason": config.meta["reason"],
        "remedy": config.meta.get("remedy", ""),
        "severity": severity,
        "passed": bool(result.success),
        "observed": result.result.get("observed_value") if severity == "critical" else None,
        "count": len(failing),
        # Five example rows for the table; all failing rows where rows are quarantined.
        "rows": failing if severity == "warning" else failing[:5],
    }
