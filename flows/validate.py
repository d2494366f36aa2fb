"""Stage `validate`: valid rows are kept, invalid rows are quarantined with their reasons."""

from pathlib import Path

import params
from tasks.common.files import InputError
from tasks.data.validation import quarantine_rows, report_validation, validate_table
from tasks.orchestration.api import flow


@flow
def validate() -> None:
    """Validate both raw tables; write `data/validated/`, `data/quarantine/` and `reports/validation/`."""
    settings = params.load().dataset.validate_
    reports = Path("reports/validation")
    results, valid, refusals = {}, {}, []
    for model_name in params.MODELS:
        raw, quarantine = Path(f"data/raw/{model_name}.csv"), Path(f"data/quarantine/{model_name}.csv")
        results[model_name] = validate_table(
            model_name, raw, settings, reports / f"{model_name}.json", reports / "docs" / model_name
        )
        try:
            valid[model_name] = quarantine_rows(
                model_name, raw, results[model_name], settings, Path(f"data/validated/{model_name}.parquet"), quarantine
            )
        except InputError as refusal:
            # Report the problems of both tables, not only of the first.
            refusals.append(str(refusal))
    report_validation(results, valid, reports / "summary.json")
    if refusals:
        raise InputError("\n".join([*refusals, f"Validation results: {reports / 'docs'}"]))


if __name__ == "__main__":
    from flows.stage import main

    main(validate)
