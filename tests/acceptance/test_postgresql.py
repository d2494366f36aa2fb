"""Prefect's server on PostgreSQL, set up as docs/how-to/postgresql.md says: runs, kills, a restart, a queue."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.acceptance.postgresql import PostgreSQL, postgresql, programs
from tests.acceptance.test_operate import TERMINAL, here, small_graph
from tests.conftest import commit, runner, start_server, stop_server
from tests.orchestration.test_stage import flow_runs, post, wait_for

SETTING = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
QUEUED = 100


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
        with (project / ".env").open("a") as settings:
            settings.write(f"{SETTING}={url}\n")
    return project


def processes_in(project: Path) -> list[str]:
    every = psutil.process_iter(["cmdline", "cwd"])
    return [" ".join(p.info["cmdline"] or []) for p in every if p.info["cwd"] == str(project)]


class Site:
    """Server and worker of a project, and its runs of the deployment `retrain`."""

    def __init__(self, project: Path) -> None:
        self.project, self.run = project, here(project)
        self.address = start_server(project, with_worker=True)

    def retrain(self) -> str:
        """Trigger a run; returns its ID."""
        out = self.run("prefect", "deployment", "run", "pipeline/retrain").stdout
        (found,) = {one["id"] for one in flow_runs(self.address, "pipeline") if one["id"] in out}
        return str(found)

    def state(self, run: str) -> str:
        (found,) = post(self.address, "flow_runs/filter", {"flow_runs": {"id": {"any_": [run]}}})
        return str(found["state"]["type"])

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

    def worker(self) -> psutil.Process:
        return psutil.Process(json.loads((self.project / ".prefect/worker.json").read_text())["pid"])


@pytest.fixture(scope="module")
def site(database: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(project_on(tmp_path_factory.mktemp("postgresql"), database.url()))
    yield site
    stop_server(site.project)
    assert processes_in(site.project) == []


@pytest.mark.timeout(1200)
def test_a_triggered_run_is_recorded_in_postgresql(site: Site, database: PostgreSQL) -> None:
    site.run("prefect", "deployment", "run", "pipeline/retrain", "--watch")
    assert (site.project / "evaluate.txt").exists()
    assert database.query("SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED'") == "6"
    assert not (site.project / ".prefect/prefect.db").exists()
    status = site.run("python", "-m", "flows", "status").stdout
    assert "worker: running" in status


@pytest.mark.timeout(1200)
def test_a_killed_run_is_marked_as_crashed_and_the_next_one_completes(site: Site) -> None:
    killed = site.hold()
    for process in site.worker().children(recursive=True):
        process.kill()
    wait_for(lambda: site.state(killed) == "CRASHED")
    site.release()
    run = site.retrain()
    wait_for(lambda: site.state(run) in TERMINAL)
    assert site.state(run) == "COMPLETED"


@pytest.mark.timeout(1800)
def test_a_killed_worker_is_replaced_and_its_run_is_marked_as_crashed(site: Site) -> None:
    """As after a power failure: nobody is left to say that the run is gone, and the server finds out."""
    killed, worker = site.hold(), site.worker()
    for process in [worker, *worker.children(recursive=True)]:
        process.kill()
    site.release()
    site.run("python", "-m", "flows", "up")
    start = time.monotonic()
    wait_for(lambda: site.state(killed) == "CRASHED")
    print(f"marked as crashed {time.monotonic() - start:.0f} s after the new worker started")
    run = site.retrain()
    wait_for(lambda: site.state(run) in TERMINAL)
    assert site.state(run) == "COMPLETED"


@pytest.mark.timeout(1800)
def test_a_restart_of_postgresql_during_a_run_loses_no_run(site: Site, database: PostgreSQL) -> None:
    held = site.hold()
    database.stop()
    time.sleep(5)
    database.start()
    site.release()
    wait_for(lambda: site.state(held) in TERMINAL)
    assert site.state(held) == "COMPLETED"


@pytest.mark.timeout(600)
def test_a_database_that_refuses_is_named_without_its_password(database: PostgreSQL, tmp_path: Path) -> None:
    project = project_on(tmp_path, database.url("wrong-password"))
    refused = runner(project)("python", "-m", "flows", "up", check=False, PREFECT_API_URL=None)
    assert refused.returncode == 1
    assert f"the database at 127.0.0.1:{database.port}/runs" in refused.stderr
    assert "password authentication failed" in refused.stderr
    assert "wrong-password" not in refused.stderr
    assert "Traceback" not in refused.stderr
    assert processes_in(project) == []
