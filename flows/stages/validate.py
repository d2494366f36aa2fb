"""Stage `validate`: valid rows are kept, invalid rows are quarantined with their reasons."""

from pathlib import Path

import params
from tasks.common.files import InputError
from tasks.data.validation import quarantine_rows, report_validation, validate_table


def validate(settings: params.Params) -> None:
    """Validate both raw tables; write `data/validated/`, `data/quarantine/` and `reports/validation/`."""
    bounds = settings.dataset.validate_
    predefined_split = settings.dataset.prepare.emotion.split.strategy == "predefined"
    reports = Path("reports/validation")
    results, valid, refusals = {}, {}, []
    for model_name in params.MODELS:
        raw, quarantine = Path(f"data/raw/{model_name}.csv"), Path(f"data/quarantine/{model_name}.csv")
        results[model_name] = validate_table(
            model_name, raw, bounds, reports / f"{model_name}.json", reports / "docs" / model_name, predefined_split
        )
        try:
            valid[model_name] = quarantine_rows(
                model_name, raw, results[model_name], bounds, Path(f"data/validated/{model_name}.parquet"), quarantine
            )
        except InputError as refusal:
            # Report the problems of both tables, not only of the first.
            refusals.append(str(refusal))
    report_validation(results, valid, reports / "summary.json")
    if refusals:
        raise InputError("\n".join([*refusals, f"Validation results: {reports / 'docs'}"]))
