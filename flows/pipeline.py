"""DVC's graph as one Prefect flow run with a child run per stage, for schedules, triggers and review."""

import time

import params
from tasks.common.files import InputError
from tasks.operations.dvc_graph import plan_of
from tasks.operations.pipeline_report import GATE_RESULT, metrics_now, report_pipeline, require_done
from tasks.operations.pipeline_run import run_stages
from tasks.orchestration.api import api, exclusive_lock, flow


@flow
def pipeline(
    targets: list[str] = [],  # noqa: B006  never changed, and the UI shows it
    force: bool = False,
    promote: bool = False,
) -> None:
    """Run every stage that is out of date, each as soon as its dependencies are done.

    Args:
        targets: Stages or outputs to bring up to date, with their dependencies, such as evaluate@emotion; none for all.
        force: Run stages even if nothing has changed.
        promote: Then promote the models to production, unless they are worse than the champion.
    """
    if not api.url:
        raise InputError(f"{api.note}; the pipeline needs an API. `dvc repro` runs the same stages without one")
    settings = params.load()
    with exclusive_lock("the pipeline"):
        plan, before, start_time = plan_of(targets), metrics_now(), time.time()
        results = run_stages(plan, force, settings.pipeline.retries, settings.pipeline.retry_delay_seconds)
        report_pipeline(results, before, start_time)
        require_done(results)
        if promote:
            # Imported here, since loading TensorFlow takes longer than a run with nothing to do.
            from tasks.release.promotion import promote_challenger

            promote_challenger(GATE_RESULT, settings.promote)


if __name__ == "__main__":
    from flows.stage import main

    main(pipeline)
