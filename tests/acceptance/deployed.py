"""A project with its server and worker, as an operator starts, triggers and loses them."""

import json
from pathlib import Path

import psutil

from tests.acceptance.test_operate import TERMINAL, here
from tests.conftest import start_server, stop_server
from tests.orchestration.test_stage import flow_runs, post, wait_for


class Site:
    """Server and worker of a project, and the runs of its deployments."""

    def __init__(self, project: Path) -> None:
        self.project, self.run = project, here(project)
        try:
            self.address = start_server(project, with_worker=True)
        except BaseException:
            stop_server(project)  # it may have started in part
            raise

    def trigger(self, deployment: str, *options: str) -> str:
        """Trigger a run of a deployment, FLOW/NAME; returns its ID."""
        out = self.run("prefect", "deployment", "run", deployment, *options).stdout
        (found,) = {one["id"] for one in flow_runs(self.address, deployment.partition("/")[0]) if one["id"] in out}
        return str(found)

    def state(self, run: str) -> str:
        """The type of a run's state."""
        (found,) = post(self.address, "flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return str(found["state"]["type"])

    def finished(self, run: str) -> str:
        """The type of the state that a run ends in."""
        wait_for(lambda: self.state(run) in TERMINAL, 2400)
        return self.state(run)

    def lose_worker(self) -> None:
        """Kill the worker and its runs, as a power failure does: nobody is left to say that they are gone."""
        worker = self.worker()
        for process in [worker, *worker.children(recursive=True)]:
            process.kill()

    def stop(self) -> None:
        """Stop server and worker; none of their processes may be left."""
        stop_server(self.project)
        every = psutil.process_iter(["cmdline", "cwd"])
        assert [one.info["cmdline"] for one in every if one.info["cwd"] == str(self.project)] == []

    def worker(self) -> psutil.Process:
        return psutil.Process(json.loads((self.project / ".prefect/worker.json").read_text())["pid"])
