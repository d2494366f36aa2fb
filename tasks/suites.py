"""The contract of each raw table, as Great Expectations suites over the facts of its rows.

An expectation of severity `warning` judges rows: those that fail are set aside with its reason, the rest goes on.
One of severity `critical` judges the table: its failure ends the stage.
"""

from pathlib import Path

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.checkpoint import UpdateDataDocsAction

from faces.labels import LABEL_SETS
from faces.pixels import SIZES


def _between(column: str, low: float | None, high: float | None, reason: str, **options):
    return gxe.ExpectColumnValuesToBeBetween(
        column=column, min_value=low, max_value=high, severity="warning", meta={"reason": reason}, **options
    )


def _among(column: str, values: list, reason: str):
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=values, severity="warning", meta={"reason": reason})


def _pixels(column: str, side: int) -> list:
    count = side * side
    return [
        _among("pixels_numeric", [True], f"{column}: not whole numbers separated by blanks"),
        _between("pixels_count", count, count, f"{column}: not {count} values"),
        _between("pixels_minimum", 0, None, f"{column}: a value under 0"),
        _between("pixels_maximum", None, 255, f"{column}: a value over 255"),
        _between("pixels_range", 1, None, f"{column}: every value the same"),
    ]


def _table(min_rows: int) -> list:
    reason = f"fewer than {min_rows} rows"
    return [gxe.ExpectTableRowCountToBeBetween(min_value=min_rows, severity="critical", meta={"reason": reason})]


def emotion_expectations(min_rows: int, label_set: str) -> list:
    """The emotion table's contract; `label_set` is a name of LABEL_SETS."""
    codes = list(range(len(LABEL_SETS[label_set])))
    label = f"emotion: not a label of {label_set} (0..{codes[-1]})"
    return [
        *_table(min_rows),
        gxe.ExpectColumnValuesToNotBeNull(column="label", severity="warning", meta={"reason": label}),
        _among("label", [float(code) for code in codes], label),
        *_pixels("pixels", SIZES["emotion"]),
    ]


def keypoint_expectations(min_rows: int) -> list:
    """The key-point table's contract. Missing points are allowed: they are masked in training."""
    side = SIZES["keypoints"]
    return [
        *_table(min_rows),
        _among("points_numeric", [True], "coordinates: a cell is not a number"),
        _between("points_labelled", 2, None, "coordinates: no point is labelled"),
        _between("points_least", 0, None, "coordinates: a value under 0"),
        _between("points_greatest", None, side, f"coordinates: a value over {side}, outside the image"),
        _between("points_eyes", 0, None, "coordinates: left eye not to the right of the right eye", strict_min=True),
        *_pixels("Image", side),
    ]


def run_suite(name: str, expectations: list, facts: pd.DataFrame, docs: Path) -> list[dict]:
    """One dict per expectation (reason, severity, passed, rows that fail), Data Docs written under `docs`."""
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
    outcome = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": facts})
    (result,) = outcome.run_results.values()
    return [_finding(one) for one in result.results]


def _finding(result) -> dict:
    # With values excluded, the index comes as one dict of columns: [{"row": [3, 17, ...]}].
    failing = [row for index in result.result.get("unexpected_index_list") or [] for row in index["row"]]
    config = result.expectation_config
    if not result.success and not failing and "observed_value" not in result.result:
        # A metric that raised: the rule did not run, and no row may pass for that.
        raise RuntimeError(f"Great Expectations could not judge {config}: {result.exception_info}")
    return {
        "reason": config.meta["reason"],
        "severity": str(getattr(config.severity, "value", config.severity)),
        "passed": bool(result.success),
        "rows": [int(row) for row in failing],
    }
