"""Connections: to the file that is there now, one pool for each database, whatever the server's defaults."""

import gc
import multiprocessing
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.landing.conftest import administer
from tests.landing.test_ledger import ARRIVAL, numbered
from wxcore.errors import LedgerError
from wxcore.landing.ledger import (
    Ledger,
    conservation,
    open_ledger,
    rebuild,
    receive,
)
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.files import enter_arrivals


class TestMoved:
    """SQLite: the file is moved away while a process has it open."""

    @pytest.fixture
    def opened(self, new_url: Callable[[str], str], folders: tuple[Path, Path]) -> tuple[Ledger, Path]:
        path = Path(new_url("sqlite"))
        ledger = open_ledger(path, landing=folders[0], warnings=folders[1])
        receive(ledger, [ARRIVAL])
        with ledger.reader.begin(), ledger.reader.begin():
            pass  # two connections in the pool
        return ledger, path

    def move(self, path: Path) -> Path:
        for found in list(path.parent.glob(f"{path.name}*")):
            found.rename(found.with_name(f"torn-{found.name}"))
        return path.with_name(f"torn-{path.name}")

    def rows(self, path: Path) -> int:
        """Asked by another process: a connection of ours must not hide what is on the disk."""
        script = (
            "import sqlite3, sys\n"
            "print(*sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM receipts').fetchone())"
        )
        return int(subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, check=True).stdout)

    def test_the_file_that_is_there_now_is_written(
        self, opened: tuple[Ledger, Path], folders: tuple[Path, Path]
    ) -> None:
        ledger, path = opened
        old = self.move(path)
        child = multiprocessing.get_context("spawn").Process(target=_rebuild, args=(path, *folders))
        child.start()
        child.join()
        with ledger.reader.begin(), ledger.engine.begin():
            pass  # both stale connections are closed: neither may take the new file's -wal with it
        for number in range(3):
            assert receive(ledger, [replace(ARRIVAL, sha256=numbered(number))]) == ["pending"]
            assert self.rows(path) == 2 + number
        assert self.rows(old) == 1
        ledger.engine.dispose()
        assert conservation(open_ledger(path, landing=folders[0], warnings=folders[1])).received == 4

    def test_nothing_is_started_anew(self, opened: tuple[Ledger, Path]) -> None:
        ledger, path = opened
        self.move(path)
        for _ in range(2):
            with pytest.raises(LedgerError, match="gone"):
                receive(ledger, [ARRIVAL])
            assert not path.exists()


def _rebuild(path: Path, landing: Path, warnings: Path) -> None:
    rebuild(open_ledger(path), landing, warnings)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class TestEngines:
    def test_one_for_each_database(self, ledger: Ledger, ledger_url: str, kind: str) -> None:
        first = descriptors()
        for _ in range(30):
            again = open_ledger(ledger_url)
            assert again.engine is ledger.engine
            assert conservation(again).received == 0
        assert descriptors() <= first + 1

    def test_none_outlives_its_ledgers(self, new_url: Callable[[str], str]) -> None:
        kept = weakref.ref(open_ledger(new_url("sqlite")).engine)
        gc.collect()
        assert kept() is None

    def test_a_fork_uses_its_own(self, ledger: Ledger, ledger_url: str) -> None:
        receive(ledger, [ARRIVAL])
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        child = context.Process(target=_forked, args=(ledger, ledger_url, theirs))
        child.start()
        assert ours.recv() == (False, 1)
        child.join()
        assert receive(ledger, [ARRIVAL]) == ["pending"]


def _forked(ledger: Ledger, url: str, pipe: Connection) -> None:
    own = open_ledger(url)
    pipe.send((own.engine is ledger.engine, conservation(own).received))


def test_a_servers_own_settings_do_not_count(new_url: Callable[[str], str]) -> None:
    url = new_url("postgresql")
    database = make_url(url).database
    for setting in ("default_transaction_isolation = 'repeatable read'", "synchronous_commit = off"):
        administer(url, f"ALTER DATABASE {database} SET {setting}")
    ledger = open_ledger(url)
    with writing(ledger) as transaction:
        shown = [
            transaction.connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("transaction_isolation", "synchronous_commit")
        ]
    assert shown == ["read committed", "on"]
    second = threading.Thread(target=receive, args=(ledger, [ARRIVAL]))
    with writing(ledger) as transaction:
        second.start()
        enter_arrivals(transaction.connection, [ARRIVAL])
        time.sleep(0.2)  # the second writer waits for the lock by now, and must see what we enter
    second.join()
    assert conservation(ledger).received == 2
    ledger.engine.dispose()
