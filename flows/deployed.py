"""The flows of the deployments in prefect.yaml.

A deployment's entrypoint must be a decorated flow, so this module, unlike all others, imports Prefect and makes flows
when it is imported. Only the worker and `prefect deploy` import it.
"""

from importlib import import_module
from typing import Any

from prefect import flow

from tasks.common import process
from tasks.orchestration.flow_run import run_deployed, run_name


def _pipeline_run_name() -> str:
    return run_name("pipeline")


def _inbox_run_name() -> str:
    return run_name("inbox")


@flow(flow_run_name=_pipeline_run_name, persist_result=False)
def pipeline(targets: list[str] = [], force: bool = False, promote: bool = False) -> Any:  # noqa: B006  the UI shows it
    """Run every stage that is out of date, each as soon as its dependencies are done.

    Args:
        targets: Stages or outputs to bring up to date, with their dependencies, such as evaluate@emotion; none for all.
        force: Run stages even if nothing has changed.
        promote: Then promote the models to production, unless they are worse than the champion.
    """
    return _run("pipeline", {"targets": targets, "force": force, "promote": promote})


@flow(flow_run_name=_inbox_run_name, persist_result=False)
def inbox(model_set: str = "prod") -> Any:
    """Score new images and tables of `data/inbox/` into a folder of `data/inbox_results/` named after the time.

    Interrupted runs are resumed first.

    Args:
        model_set: prod, the models in production, whatever is trained meanwhile; or a version.
    """
    return _run("inbox", {"model_set": model_set})


def _run(name: str, arguments: dict[str, object]) -> object:
    # A user's own worker may have been started without these environment variables.
    process.prepare()
    return run_deployed(getattr(import_module(f"flows.{name}"), name), arguments)
