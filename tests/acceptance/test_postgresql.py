"""Prefect's server on PostgreSQL, set up as docs/how-to/postgresql.md says: runs, kills, a restart, a queue."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from ruamel.yaml import YAML

from tasks.operations.database import SETTING
from tests.acceptance.deployed import Site
from tests.acceptance.postgresql import PostgreSQL, postgresql, programs
from tests.acceptance.test_operate import small_graph
from tests.conftest import commit, runner
from tests.orchestration.test_stage import credentials, flow_runs, post, wait_for

QUEUED, AT_ONCE = 100, 2
TICK = """from prefect import flow


@flow
def tick() -> None:
    print("tick")
"""


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    bin_folder = programs()
    if not bin_folder:
        pytest.skip("PostgreSQL is not installed; apt-get install postgresql")
    with postgresql(bin_folder) as server:
        yield server


def project_on(folder: Path, url: str | None) -> Path:
    """A project with fast stages, whose server keeps its runs at this address; None: in its SQLite file."""
    project = small_graph(folder / "project")
    commit(project, "a small graph")
    if url:
        (project / ".env").write_text(f"{SETTING}={url}\n")
    return project


class Waiting(Site):
    """A site whose runs of `retrain` can be held in their first stage."""

    def retrain(self) -> str:
        return self.trigger("pipeline/retrain")

    def hold(self) -> str:
        """Trigger a run that stays in its first stage; returns its ID."""
        (self.project / "started-ingest").unlink(missing_ok=True)
        (self.project / "wait-ingest").touch()
        source = self.project / "source.txt"
        source.write_text(source.read_text() + "+")
        run = self.retrain()
        wait_for((self.project / "started-ingest").exists)
        return run

    def release(self) -> None:
        (self.project / "wait-ingest").unlink()


@pytest.fixture(scope="module")
def site(database: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waiting]:
    site = Waiting(project_on(tmp_path_factory.mktemp("postgresql"), database.url()))
    yield site
    site.stop()


@pytest.mark.timeout(1200)
def test_a_triggered_run_is_recorded_in_postgresql(site: Waiting, database: PostgreSQL) -> None:
    site.run("prefect", "deployment", "run", "pipeline/retrain", "--watch")
    assert (site.project / "evaluate.txt").exists()
    assert database.query("SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED'") == "6"
    assert not (site.project / ".prefect/prefect.db").exists()
    status = site.run("python", "-m", "flows", "status").stdout
    assert "worker: running" in status


@pytest.mark.timeout(1200)
def test_a_killed_run_is_marked_as_crashed_and_the_next_one_completes(site: Waiting) -> None:
    killed = site.hold()
    for process in site.worker().children(recursive=True):
        process.kill()
    wait_for(lambda: site.state(killed) == "CRASHED")
    site.release()
    assert site.finished(site.retrain()) == "COMPLETED"


@pytest.mark.timeout(1800)
def test_a_lost_worker_is_replaced_and_its_run_is_marked_as_crashed(site: Waiting) -> None:
    killed = site.hold()
    site.lose_worker()
    site.release()
    start = time.monotonic()
    site.run("python", "-m", "flows", "up")
    wait_for(lambda: site.state(killed) == "CRASHED")
    print(f"marked as crashed {time.monotonic() - start:.0f} s after the kill")
    assert site.finished(site.retrain()) == "COMPLETED"


@pytest.mark.timeout(1800)
def test_a_restart_of_postgresql_during_a_run_loses_no_run(site: Waiting, database: PostgreSQL) -> None:
    held = site.hold()
    database.stop()
    time.sleep(5)
    database.start()
    site.release()
    assert site.finished(held) == "COMPLETED"


@pytest.mark.timeout(600)
def test_a_database_that_refuses_is_named_without_its_password(database: PostgreSQL, tmp_path: Path) -> None:
    project = project_on(tmp_path, database.url("wrong-password"))
    refused = runner(project)("python", "-m", "flows", "up", check=False, PREFECT_API_URL=None)
    assert refused.returncode == 1
    assert f"the database at 127.0.0.1:{database.port}/runs cannot be used by faces" in refused.stderr
    assert "password authentication failed" in refused.stderr
    assert "wrong-password" not in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (project / ".prefect/server.json").exists()


class Queue(Site):
    """A site with a deployment whose runs do nothing, a few of them at one time."""

    def __init__(self, project: Path) -> None:
        (project / "tick.py").write_text(TICK)
        yaml = YAML()
        document = yaml.load(project / "prefect.yaml")
        document["deployments"].append({"name": "tick", "entrypoint": "tick.py:tick", "work_pool": {"name": "faces"}})
        yaml.dump(document, project / "prefect.yaml")
        commit(project, "a deployment that does nothing")
        super().__init__(project)

    def prepare(self) -> None:
        """Limit the runs at one time, and get what each write needs."""
        self.run("prefect", "work-pool", "set-concurrency-limit", "faces", str(AT_ONCE))
        found = post(self.address, "deployments/filter", {"deployments": {"name": {"any_": ["tick"]}}})
        self.deployment = found[0]["id"]
        self.headers, client = credentials(self.address), str(uuid4())
        csrf = requests.get(f"{self.address}/csrf-token", {"client": client}, headers=self.headers, timeout=600).json()
        self.headers |= {"Prefect-Csrf-Token": csrf["token"], "Prefect-Csrf-Client": client}

    def write(self, path: str, content: dict[str, Any]) -> float:
        """Seconds until the API has accepted a write; a database that is locked is asked again, as by its clients."""
        start = time.monotonic()
        while True:
            response = requests.post(f"{self.address}/{path}", json=content, headers=self.headers, timeout=600)
            if response.status_code != 503:
                response.raise_for_status()
                return time.monotonic() - start

    def states(self) -> list[str]:
        return [one["state"]["type"] for one in flow_runs(self.address, "tick")]


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kept_in", ["postgresql", "sqlite"])
def test_a_hundred_queued_runs_complete(kept_in: str, database: PostgreSQL, tmp_path: Path) -> None:
    """Prints the slowest writes to the API: of those that queue the runs, and of an artifact while they run."""
    if kept_in == "postgresql":
        database.create("queue")
    queue = Queue(project_on(tmp_path, database.url(database="queue") if kept_in == "postgresql" else None))
    try:
        queue.prepare()
        start = time.monotonic()
        queued = [queue.write(f"deployments/{queue.deployment}/create_flow_run", {}) for _ in range(QUEUED)]
        during = []
        while set(queue.states()) != {"COMPLETED"}:
            assert time.monotonic() - start < 2400, queue.states()
            during.append(queue.write("artifacts/", {"key": "probe", "type": "markdown", "data": "a text"}))
            time.sleep(1)
        assert len(queue.states()) == QUEUED
        for name, taken in (("queue a run", queued), ("write an artifact", during)):
            print(
                f"{kept_in}, {name}: {len(taken)} writes, the slowest {max(taken):.2f} s, median "
                f"{statistics.median(taken):.3f} s; {QUEUED} runs in {time.monotonic() - start:.0f} s"
            )
    finally:
        queue.stop()
