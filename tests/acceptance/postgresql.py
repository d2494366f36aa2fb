"""A PostgreSQL server of its own for a test: a temporary data folder, a free port on loopback, one user.

`initdb` and `postgres` refuse to run as root; then they run as the user that Debian's package creates, or as `nobody`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.acceptance.ports import free_port
from tests.orchestration.test_stage import wait_for

ADMIN, USER, DATABASE = "postgres", "faces", "runs"
PASSWORD = "p@ss/word:50%"
"""Every character that has a meaning in an address."""
INSTALLED = "/usr/lib/postgresql"
"""Where Debian's packages put the programs, which are not on the PATH."""


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, of the newest version; None if PostgreSQL is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path(INSTALLED).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


class PostgreSQL:
    """A running server, with a user who is no superuser, and a database that belongs to that user."""

    def __init__(self, folder: Path, bin_folder: Path) -> None:
        self.folder, self.port, self.bin = folder, free_port(), bin_folder
        self.user: dict[str, Any] = _unprivileged()
        if self.user:
            os.chown(folder, self.user["user"], self.user["group"])
        password = folder / "password"
        password.write_text(PASSWORD)
        options = ("--username", ADMIN, "--auth", "scram-sha-256", "--pwfile", str(password), "--encoding", "UTF8")
        self._run("initdb", "--pgdata", str(folder / "data"), *options, "--locale", "C.UTF-8")
        self.start()
        self.query(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'", "postgres")
        self.create(DATABASE)

    def url(self, password: str = PASSWORD, database: str = DATABASE) -> str:
        """The address for Prefect's setting."""
        return f"postgresql+asyncpg://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server on the same data, and wait until it accepts connections."""
        command = [str(self.bin / "postgres"), "-D", str(self.folder / "data"), "-h", "127.0.0.1", "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, "-k", ""], cwd=self.folder, stdout=log, stderr=log, **self.user)
        ready = [str(self.bin / "pg_isready"), "--quiet", *self._client()]
        wait_for(lambda: subprocess.run(ready, check=False).returncode == 0 or self.process.poll() is not None, 120)
        assert self.process.poll() is None, (self.folder / "log").read_text()

    def stop(self) -> None:
        """Stop the server at once, whoever is connected; its child processes end with it."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(120)

    def create(self, database: str) -> None:
        """Create a database that belongs to the user."""
        self._run("createdb", *self._client(), "--owner", USER, database)

    def query(self, sql: str, database: str = DATABASE) -> str:
        """The rows that a query returns, a line each."""
        return self._run("psql", *self._client(), "--dbname", database, "--no-align", "--tuples-only", "-c", sql)

    def _client(self) -> tuple[str, ...]:
        return ("--host", "127.0.0.1", "--port", str(self.port), "--username", ADMIN)

    def _run(self, program: str, *arguments: str) -> str:
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        done = subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            **self.user,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


def _unprivileged() -> dict[str, Any]:
    """For root, the user and the group that a child process is to have; empty for any other user."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def postgresql(bin_folder: Path) -> Iterator[PostgreSQL]:
    """A server that is stopped, and whose data are removed, at the end."""
    # Not in pytest's temporary folder, which other users may not enter.
    with tempfile.TemporaryDirectory(prefix="faces-postgresql-") as folder:
        server = PostgreSQL(Path(folder), bin_folder)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.stop()
