"""Connections to the ledger's database: SQLite (WAL, FULL) or PostgreSQL, one pool for each in a process."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from wxcore.errors import LedgerError

BUSY_MS = 30_000
"""How long a writer waits for another one [ms]."""

STALLED_MS = 60_000
"""How long a writer of PostgreSQL may do nothing inside its transaction before the server ends it [ms]."""

READ_ONLY = "wxcore_read_only"
"""Execution option: this transaction only reads, so it need not wait for a writer."""

WRITER_LOCK = 0x7778636F7265
"""Key of the advisory lock that writers of PostgreSQL hold ("wxcore" in ASCII)."""

_ENGINES: WeakValueDictionary[tuple[int, str], Engine] = WeakValueDictionary()
"""By process (a fork must not use its parent's connections) and URL; each lives as long as a ledger uses it."""

_FILE = "wxcore_file"


def connect(path_or_url: Path | str) -> Engine:
    """The engine of this database: the one that this process has already, where it has one.

    Raises:
        LedgerError: an unreadable URL, or no driver for it.
    """
    url = _url(path_or_url)
    key = (os.getpid(), url.render_as_string(hide_password=False))
    engine = _ENGINES.get(key)
    if engine is None:
        engine = _ENGINES[key] = _create(url)
    if url.database and engine.dialect.name == "sqlite" and not Path(url.database).exists():
        with suppress(OSError):  # SQLite says what is wrong
            Path(url.database).touch()
    return engine


def _url(path_or_url: Path | str) -> URL:
    given = str(path_or_url)
    if "://" not in given:
        path = Path(given).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        return URL.create("sqlite", database=str(path))
    try:
        url = make_url(given)
    except ArgumentError as cause:
        raise LedgerError(
            "the ledger's URL cannot be read: write postgresql://user@host/database, or the path of a file",
            "台账地址无法解析：请写成 postgresql://用户@主机/数据库，或文件路径",
        ) from cause
    return url.set(drivername="postgresql+psycopg") if url.drivername in {"postgresql", "postgres"} else url


def _create(url: URL) -> Engine:
    try:
        engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (ModuleNotFoundError, NoSuchModuleError) as cause:
        raise LedgerError(
            f"{url!r}: no driver for it ({cause}): give a path (SQLite), or postgresql:// with wxcore[postgres]",
            f"{url!r}：没有对应的数据库驱动（{cause}）：请使用文件路径（SQLite），"
            "或 postgresql:// 并安装 wxcore[postgres]",
        ) from cause
    if engine.dialect.name == "sqlite":
        event.listen(engine, "do_connect", _refuse_missing)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "checkout", _refuse_moved)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_postgresql)
    return engine


def name_of(engine: Engine) -> str:
    """The database as messages name it: without its password."""
    return engine.url.render_as_string(hide_password=True)


def _refuse_missing(dialect: object, record: object, arguments: Sequence[Any], options: object) -> None:  # noqa: ARG001
    # A file that was moved away while it was in use: SQLite would start an empty one.
    if not Path(arguments[0]).exists():
        raise sqlite3.OperationalError(f"{arguments[0]} is gone")


def _configure_sqlite(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we send BEGIN ourselves
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    path = cursor.execute("PRAGMA database_list").fetchone()[2]
    cursor.close()
    record.info[_FILE] = path, _inode(path)


def _refuse_moved(connection: object, record: ConnectionPoolEntry, proxy: object) -> None:  # noqa: ARG001
    # What is written to a file that was moved away is lost: the pool connects to the one that is there now.
    path, inode = record.info[_FILE]
    if _inode(path) != inode:
        raise DisconnectionError(f"{path} is another file by now")


def _inode(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 (at every transaction)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that reads, then writes, would otherwise fail when another one wrote in between.
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get(READ_ONLY, False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return
    # Whatever the server's defaults are: a writer sees what the one before it wrote, and a commit is on the disk.
    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
    connection.exec_driver_sql(
        "SELECT set_config('synchronous_commit', 'on', true), "
        f"set_config('lock_timeout', '{BUSY_MS}', true), "
        f"set_config('idle_in_transaction_session_timeout', '{STALLED_MS}', true)"
    )
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")
