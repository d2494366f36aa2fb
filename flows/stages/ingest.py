"""Stage `ingest`: the two raw tables, from the sources in `params.yaml`."""

from pathlib import Path

import params
from tasks.data.ingestion import bring_in, report_tables


def ingest(settings: params.Params) -> None:
    """Copy or download both raw tables into `data/raw/`."""
    sources = settings.ingest.model_dump()
    tables = {
        model_name: bring_in(model_name, sources[model_name], Path(f"data/raw/{model_name}.csv"))
        for model_name in params.MODELS
    }
    report_tables(sources, tables)
