"""DVC's graph as one Prefect run, a child run for each stage: what is scheduled, triggered and reviewed."""

import sys
import time

from tasks.operations.dvc_plan import plan_ahead, planned

if __name__ == "__main__":
    # Here, since Prefect is loaded by the imports below.
    plan_ahead([word for word in sys.argv[1:] if not word.startswith("-")])

import params
from tasks.common.files import InputError
from tasks.operations.pipeline_report import VERDICT, metrics_now, report_pipeline, require_done
from tasks.operations.pipeline_run import run_lanes
from tasks.orchestration.api import alone, api, flow


@flow
def pipeline(
    targets: list[str] = [],  # noqa: B006  never changed, and the UI shows it
    force: bool = False,
    promote: bool = False,
) -> None:
    """Run every stage that is out of date, each as soon as those that it needs are done.

    Args:
        targets: Stages or outputs to bring up to date, with what they need, such as evaluate@emotion; none for all.
        force: Run stages even where nothing has changed.
        promote: Then put the networks into production, unless they are worse than those there.
    """
    if not api.url:
        raise InputError(f"{api.note}; a pipeline's run is a record. `dvc repro` runs the same stages without one")
    settings = params.load()
    with alone("the pipeline"):
        plan, before, began = planned(targets), metrics_now(), time.time()
        lanes = run_lanes(plan, force, settings.pipeline.retries, settings.pipeline.retry_seconds)
        report_pipeline(lanes, before, began)
        require_done(lanes)
        if promote:
            # Here: it loads TensorFlow, which takes longer than a run that has nothing to do.
            from tasks.release.promotion import promote_challenger

            promote_challenger(VERDICT, settings.promote)


if __name__ == "__main__":
    from flows.stage import main

    main(pipeline)
