"""The database of the project's own Prefect server: its SQLite file, or the one that a setting of Prefect's names."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from tasks.common.errors import error_text
from tasks.common.files import InputError
from tasks.orchestration import daemon
from tasks.orchestration.server_access import given

SETTING = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
TLS_SETTING = "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_TLS_ENABLED"
DRIVERS = ("postgresql+asyncpg", "sqlite+aiosqlite")
CONNECT_SECONDS = 30


def check_database() -> None:
    """Raise InputError if the database cannot be used: the server would fail on start, or later on requests."""
    if url := given(SETTING):
        _check_address(url)
    else:
        _check_file(daemon.HOME / "prefect.db")


def _check_address(url: str) -> None:
    """Connect once, as the server will. No message has the password."""
    # Imported here, since the SQLite file of every other project needs none of it.
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        address: URL = make_url(url)
    except (SQLAlchemyError, ValueError):
        raise InputError(
            f"{SETTING}: is not an address such as postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE; percent-encode "
            "what has a meaning in an address, @ as %40, : as %3A, / as %2F and % as %25"
        ) from None
    if address.drivername not in DRIVERS:
        raise InputError(f"{SETTING}: begins with {address.drivername}://; Prefect needs {DRIVERS[0]}://")
    if address.drivername != DRIVERS[0] or given(TLS_SETTING):
        return
    try:
        _connect(address)
    except Exception as error:  # of the driver, of the socket, or SQLAlchemy's around either
        cause = error_text(getattr(error, "orig", None) or error)
        place = f"{address.host}:{address.port or 5432}/{address.database}"
        raise InputError(
            f"{SETTING}: the database at {place} cannot be used by {address.username} ({cause}); start it, create the "
            "user and the database, or correct the setting, in the environment or in .env"
        ) from None


def _connect(address: object) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    async def once() -> None:
        engine = create_async_engine(address, connect_args={"timeout": CONNECT_SECONDS})  # type: ignore[arg-type]
        try:
            async with engine.connect():
                pass
        finally:
            await engine.dispose()

    asyncio.run(once())


def _check_file(path: Path) -> None:
    if not path.exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            result = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        result = str(error)
    if result != "ok":
        raise InputError(
            f"{path}: the server's database cannot be used ({result}); restore it from a backup, or move it away and "
            "start again: this loses the recorded runs, but no data or models"
        )
