"""Runs an expectation suite on the row checks of a table, with Great Expectations, and writes its Data Docs."""

import logging
from pathlib import Path

import great_expectations as gx
import pandas as pd

from tasks.data.data_docs import write_data_docs


def run_suite(name: str, expectations: list, checks: pd.DataFrame, docs: Path) -> list[dict]:
    """Write Data Docs to `docs/index.html`; return one dict per expectation: reason, severity, passed, failing rows.

    `details` is what the expectation's column of details holds in these rows, by row.
    """
    # At INFO level it logs its temporary folder, which is irrelevant to the user.
    gx.data_context.types.base.logger.setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
    batch = asset.add_batch_definition_whole_dataframe(name)
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    checkpoint = gx.Checkpoint(
        name=name,
        validation_definitions=[definition],
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["row"],
            "exclude_unexpected_values": True,
        },
    )
    run = context.checkpoints.add(checkpoint).run(
        batch_parameters={"dataframe": checks}, run_id=gx.RunIdentifier(run_name=name)
    )
    ((identifier, result),) = run.run_results.items()
    # What was stored holds the numbers of JSON; the renderers refuse those of numpy.
    write_data_docs(context.validation_results_store.get(identifier), docs / "index.html")
    found = checks.set_index("row")
    return [_with_details(_result(each), found) for each in result.results]


def _with_details(result: dict, checks: pd.DataFrame) -> dict:
    column = result.pop("detail")
    rows = result["rows"] if column else []
    return {
        **result,
        "details": dict(zip(map(str, rows), checks.loc[rows, column].tolist(), strict=True) if rows else []),
    }


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
        "detail": config.meta.get("detail", ""),
        "alone": config.meta.get("alone", False),
        "severity": severity,
        "passed": bool(result.success),
        "observed": result.result.get("observed_value") if severity == "critical" else None,
        "count": len(failing),
        # Five example rows for the table; all failing rows where rows are quarantined.
        "rows": failing if severity == "warning" else failing[:5],
    }
