"""This project's automations in the Prefect API: crashed runs, notifications, training on drift."""

from datetime import timedelta
from typing import Any

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from tasks.common.files import InputError
from tasks.operations.deployments import entrypoints
from tasks.scoring.drift_check import EVENT

CRASH_AUTOMATION = "Mark runs without a heartbeat as crashed"
NOTIFY_AUTOMATION = "Notify of failed and crashed runs"
DRIFT_AUTOMATION = "Retrain on drift"
FORMER_NAMES = {
    CRASH_AUTOMATION: "Runs that fell silent have crashed",
    NOTIFY_AUTOMATION: "Runs that failed or crashed are told of",
    DRIFT_AUTOMATION: "Faces that have drifted start a training",
}
"""Names by which an earlier version of this project created the automations; they are replaced."""


def crash_silent_runs(seconds: int) -> None:
    """Create an automation that marks a run as crashed after `seconds` without an event: its process is gone.

    It applies to all runs of the server. Use it on the project's own server, whose runs send heartbeats more often.
    """
    trigger = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.*"},  # any event, since names of states vary
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=seconds),
    )
    message = f"No heartbeat for {seconds} s: the run's process or its machine is gone."
    action = ChangeFlowRunState(state=StateType.CRASHED, name="Crashed", message=message, force=False)
    _apply(Automation(name=CRASH_AUTOMATION, description=message, trigger=trigger, actions=[action]))


def notify_of_bad_runs(block: str | None) -> None:
    """Create an automation that reports our deployments' failed and crashed runs by a notification block, `type/name`.

    None removes the automation. Raises InputError if the block does not exist.
    """
    kind, _, name = (block or "").partition("/")
    with get_client(sync_client=True) as client:
        if block is None:
            _delete(client, NOTIFY_AUTOMATION)
            return
        try:
            document = client.read_block_document_by_name(name, kind)
        except ObjectNotFound:
            raise InputError(
                f"params.yaml, pipeline.notification_block: the Prefect API has no block {block}; create it in the UI, "
                "under Blocks, or name one of `prefect block ls`"
            ) from None
    trigger = EventTrigger(
        expect={f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")},
        match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
        # Only runs of our deployments. The runs of their stages, which have no deployment, would repeat the message.
        match_related=ResourceSpecification(
            {"prefect.resource.role": ["deployment"], "prefect.resource.name": [*entrypoints()]}
        ),
        posture=Posture.Reactive,
        threshold=1,
    )
    action = SendNotification(
        block_document_id=document.id,
        subject="{{ deployment.name }}: {{ flow_run.state.name }}",
        body="{{ flow_run.name }}\n{{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
    )
    _apply(Automation(name=NOTIFY_AUTOMATION, description=f"By the block {block}.", trigger=trigger, actions=[action]))


def retrain_on_drift(enabled: bool) -> None:
    """Create the automation that runs the deployment `retrain` when scored faces have drifted, or remove it."""
    with get_client(sync_client=True) as client:
        if not enabled:
            _delete(client, DRIFT_AUTOMATION)
            return
        deployment = client.read_deployment_by_name(f"{entrypoints()['retrain'].rpartition(':')[2]}/retrain")
    trigger = EventTrigger(
        expect={EVENT},
        match=ResourceSpecification({"prefect.resource.id": [EVENT]}),
        posture=Posture.Reactive,
        threshold=1,
    )
    action = RunDeployment(source="selected", deployment_id=deployment.id, parameters={}, job_variables={})
    description = "Scored faces differ from the reference data: the test faces that the models were evaluated on."
    _apply(Automation(name=DRIFT_AUTOMATION, description=description, trigger=trigger, actions=[action]))


def _apply(automation: Automation) -> None:
    """Create an automation in place of those of its name, unless the only one is equal.

    One that was created anew would not know the heartbeats before it, and would wait for ever for a run that had died.
    """
    what = {"description", "trigger", "actions"}
    with get_client(sync_client=True) as client:
        existing = _named(client, automation.name)
        if [one.model_dump(include=what) for one in existing] == [automation.model_dump(include=what)]:
            return
        _delete(client, automation.name)
    automation.create()


def _delete(client: SyncPrefectClient, automation: str) -> None:
    for existing in _named(client, automation):
        client.delete_automation(existing.id)


def _named(client: SyncPrefectClient, automation: str) -> list[Any]:
    """Return the automations of this name, and of the one of an earlier version."""
    return [one for name in (automation, FORMER_NAMES[automation]) for one in client.read_automations_by_name(name)]
