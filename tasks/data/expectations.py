"""The contract of each raw table, as Great Expectations suites over the facts of its rows.

An expectation of severity `warning` judges rows: those that fail are set aside with its reason, the rest goes on.
One of severity `critical` judges the table: its failure ends the stage.
"""

import logging
from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.checkpoint import UpdateDataDocsAction

from faces.common.pixel_text import SIZES
from faces.common.schema import COORDINATES, KEYPOINTS, LABEL_SETS
from params import ValidateEmotion, ValidateKeypoints

USAGES = ["Training", "PublicTest", "PrivateTest"]


def emotion_contract(settings: ValidateEmotion) -> list:
    """What an emotion table must be."""
    names = LABEL_SETS[settings.label_set]
    low, high = settings.class_share
    label = f"emotion: not a label of {settings.label_set} (0..{len(names) - 1}, or a class name)"
    return [
        *_table(["label", "label_foreign", "usage", *_pixel_columns()], settings.min_rows),
        *_none_foreign(settings.label_set),
        *[
            gxe.ExpectColumnMeanToBeBetween(
                column=f"is_{name}",
                min_value=low,
                max_value=high,
                **_of_table(f"emotion: share of {name} outside {low:g}..{high:g}", WRONG_SHARES),
            )
            for name in names
        ],
        _filled("label", label),
        _among("usage", USAGES, f"Usage: not one of {', '.join(USAGES)}"),
        *_pixels("pixels", SIZES["emotion"], settings.min_deviation),
    ]


def keypoint_contract(settings: ValidateKeypoints) -> list:
    """What a key-point table must be. Missing points are allowed, up to a share: they are masked in training."""
    side = SIZES["keypoints"]
    near, far = settings.eye_distance
    return [
        *_table([*COORDINATES, *_pixel_columns()], settings.min_rows),
        *[_mostly_labelled(point, settings.max_missing) for point in KEYPOINTS],
        _among("points_numeric", [True], "coordinates: a cell is not a number"),
        _among("points_paired", [True], "coordinates: a point has one of x and y, not both"),
        _between("points_labelled", 1, None, "coordinates: no point is labelled"),
        _between("points_least", 0, None, "coordinates: a value under 0, outside the image"),
        _between("points_greatest", None, side, f"coordinates: a value over {side}, outside the image"),
        _between("points_eyes", 0, None, "coordinates: left eye not to the right of the right eye", strict_min=True),
        _between("points_eye_distance", near, far, f"coordinates: eyes not {near:g} to {far:g} px apart"),
        *_pixels("Image", side, settings.min_deviation),
    ]


WRONG_SHARES = "declare other bounds in validate.emotion.class_share, or another label_set, if the table is right"


def _of_rows(reason: str) -> dict:
    return {"severity": "warning", "notes": reason, "meta": {"reason": reason}}


def _of_table(reason: str, remedy: str) -> dict:
    return {"severity": "critical", "notes": f"{reason}; {remedy}", "meta": {"reason": reason, "remedy": remedy}}


def _pixel_columns() -> list[str]:
    return ["pixels_numeric", "pixels_count", "pixels_minimum", "pixels_maximum", "pixels_deviation"]


def _table(needed: list[str], min_rows: int) -> list:
    few = _of_table(f"fewer than {min_rows} rows", "give a larger table")
    missing = _of_table("columns are missing", "add them")
    return [
        gxe.ExpectTableColumnsToMatchSet(column_set=needed, exact_match=False, **missing),
        gxe.ExpectTableRowCountToBeBetween(min_value=min_rows, **few),
    ]


def _none_foreign(label_set: str) -> list:
    """A label that only the other set has tells that the whole file may be numbered otherwise."""
    own = LABEL_SETS[label_set]
    longest = max(LABEL_SETS.values(), key=len)
    foreign = [*map(str, range(len(own), len(longest))), *(name for name in longest if name not in own)]
    if not foreign:
        return []
    remedy = f"declare the numbering of this file in validate.emotion.label_set: {', '.join(LABEL_SETS)}"
    rule = _of_table(f"emotion: a label {' or '.join(foreign)}, which {label_set} has not", remedy)
    return [gxe.ExpectColumnValuesToBeInSet(column="label_foreign", value_set=[False], **rule)]


def _mostly_labelled(point: str, max_missing: float):
    remedy = "label more of them, or raise validate.keypoints.max_missing"
    rule = _of_table(f"coordinates: {point} is missing in more than {max_missing:.0%} of the rows", remedy)
    return gxe.ExpectColumnValuesToNotBeNull(column=f"{point}_x", mostly=1 - max_missing, **rule)


def _filled(column: str, reason: str):
    return gxe.ExpectColumnValuesToNotBeNull(column=column, **_of_rows(reason))


def _between(column: str, low: float | None, high: float | None, reason: str, **options):
    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, **_of_rows(reason), **options
    )


def _among(column: str, values: list, reason: str):
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=values, **_of_rows(reason))


def _pixels(column: str, side: int, min_deviation: float) -> list:
    count = side * side
    return [
        _among("pixels_numeric", [True], f"{column}: not whole numbers separated by blanks"),
        _between("pixels_count", count, count, f"{column}: not {count} values"),
        _between("pixels_minimum", 0, None, f"{column}: a value under 0"),
        _between("pixels_maximum", None, 255, f"{column}: a value over 255"),
        _between(
            "pixels_deviation",
            min_deviation,
            None,
            f"{column}: (nearly) every value the same, deviation under {min_deviation:g} grey levels",
        ),
    ]


def run_suite(name: str, expectations: list, facts: pd.DataFrame, docs: Path) -> list[dict]:
    """One dict per expectation (reason, severity, passed, rows that fail), Data Docs written under `docs`."""
    # It would tell the user of a temporary folder of its own.
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
    outcome = context.checkpoints.add(checkpoint).run(
        batch_parameters={"dataframe": facts}, run_id=gx.RunIdentifier(run_name=name)
    )
    (result,) = outcome.run_results.values()
    return [_finding(one) for one in result.results]


def _finding(result) -> dict:
    # With values excluded, the index comes as one dict of columns: [{"row": [3, 17, ...]}].
    failing = [int(row) for index in result.result.get("unexpected_index_list") or [] for row in index["row"]]
    config = result.expectation_config
    if not result.success and not failing and "observed_value" not in result.result:
        # A metric that raised: the rule did not run, and no row may pass for that.
        raise RuntimeError(f"Great Expectations could not judge {config}: {result.exception_info}")
    severity = str(getattr(config.severity, "value", config.severity))
    return {
        "reason": config.meta["reason"],
        "remedy": config.meta.get("remedy", ""),
        "severity": severity,
        "passed": bool(result.success),
        "observed": result.result.get("observed_value") if severity == "critical" else None,
        "count": len(failing),
        # A rule on the table names a few rows; one on rows must name them all.
        "rows": failing if severity == "warning" else failing[:5],
    }
