"""DVC's graph as one Prefect flow run with a child run per stage, for schedules, triggers and review."""

import time

import params
from tasks.operations.dvc_graph import plan_of
from tasks.operations.pipeline_report import GATE_RESULT, metrics_now, report_pipeline, require_done
from tasks.operations.pipeline_run import run_stages
from tasks.orchestration.locks import exclusive_lock


def pipeline(settings: params.Params, targets: list[str], force: bool, promote: bool) -> None:
    """Run every stage that is out of date, each as soon as its dependencies are done; then promote, if asked to.

    `targets` are stages or outputs; none are all. With `force`, stages run even if nothing has changed.
    """
    with exclusive_lock("the pipeline"):
        plan, before, start_time = plan_of(targets), metrics_now(), time.time()
        results = run_stages(plan, force, settings.pipeline.retries, settings.pipeline.retry_delay_seconds)
        report_pipeline(results, before, start_time)
        require_done(results)
        if promote:
            # Imported here, since loading TensorFlow takes longer than a run with nothing to do.
            from tasks.release.promotion import promote_challenger

            promote_challenger(GATE_RESULT, settings.promote)
