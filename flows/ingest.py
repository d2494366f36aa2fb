"""Stage `ingest`: the two raw tables, from wherever `params.yaml` says."""

from pathlib import Path

import params
from tasks.data.ingestion import bring_in, report_tables
from tasks.orchestration.api import flow


@flow
def ingest() -> None:
    """Bring both raw tables into `data/raw/`."""
    sources = params.load().ingest.model_dump()
    tables = {head: bring_in(head, sources[head], Path(f"data/raw/{head}.csv")) for head in params.HEADS}
    report_tables(sources, tables)


if __name__ == "__main__":
    from flows.stage import main

    main(ingest)
