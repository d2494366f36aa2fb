"""Stage `score`: `score.input` with both models of the workspace, into one table of predictions."""

from pathlib import Path

import params
from tasks.common.files import source_of
from tasks.models.approved_models import load_approved_models
from tasks.readers.sources import find_sources, require_outside
from tasks.scoring.batch import score_sources
from tasks.scoring.drift_check import watch_drift
from tasks.scoring.run_folder import finish_run
from tasks.scoring.summary import count_scored, write_csv

MODEL_SET = "workspace"


def score(settings: params.Params) -> None:
    """Score `score.input` into `data/scored`; after an interruption, resume from the shards in `data/scoring`."""
    out, shards = Path("data/scored"), Path("data/scoring")
    approved = load_approved_models(Path("reports/gate.json"), classes="auto")
    given = [source_of(settings.score.input)]
    require_outside(out, given)
    found, left_out = find_sources(given)
    score_sources(found, approved, MODEL_SET, "auto", settings.score, out, shards_folder=shards)
    count_scored(out, left_out)
    watch_drift(out, approved, settings.score.drift, MODEL_SET)
    write_csv(out)
    finish_run(out, shards)
