"""How the ledger is opened, written and read: the same on SQLite (WAL, FULL) and PostgreSQL.

Writers are serialised on both, from the begin of their transaction on (SQLite: BEGIN IMMEDIATE; PostgreSQL: an
advisory lock), so "look, then write" is safe. Readers never wait.
"""

import importlib
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select, text, update
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from wxcore.errors import LedgerError
from wxcore.landing.ledger.journal import FILES_JOURNAL, WARNINGS_JOURNAL, append, has_events, journal_folder
from wxcore.landing.ledger.tables import HEAD, JOURNAL_HEADS, Ledger

BUSY_MS = 30_000
"""How long a writer waits for another one [ms]."""

STALLED_MS = 60_000
"""How long a writer of PostgreSQL may do nothing inside its transaction before the server ends it [ms]."""

READ_ONLY = "wxcore_read_only"
"""Execution option: this transaction only reads, so it need not wait for a writer."""

WRITER_LOCK = 0x7778636F7265
"""Key of the advisory lock that writers of PostgreSQL hold ("wxcore" in ASCII)."""


@dataclass(frozen=True)
class Writing:
    """One write transaction, and what the journals will be told just before it commits."""

    connection: Connection
    told: dict[str, list[tuple[str, Mapping[str, Any]]]] = field(default_factory=dict)

    def tell(self, journal: str, kind: str, data: Mapping[str, Any]) -> None:
        """Have one event written to a journal (FILES_JOURNAL, WARNINGS_JOURNAL); `data`: see `journal.plain`."""
        self.told.setdefault(journal, []).append((kind, data))


@contextmanager
def writing(ledger: Ledger) -> Iterator[Writing]:
    """One write transaction: all of it, journal lines included, or nothing.

    Raises:
        LedgerError: the database fails, or a journal cannot be written; nothing has changed then.
    """
    with _translated(ledger.engine), ledger.engine.begin() as connection:
        transaction = Writing(connection)
        yield transaction
        for journal, events in transaction.told.items():
            folder = journals(ledger)[journal]
            if folder is not None:
                _append(connection, journal, folder, events)


@contextmanager
def reading(ledger: Ledger) -> Iterator[Connection]:
    """One read transaction: one state of the ledger, without waiting for a writer.

    Raises:
        LedgerError: the database fails.
    """
    with _translated(ledger.engine), ledger.reader.begin() as connection:
        yield connection


def journals(ledger: Ledger) -> dict[str, Path | None]:
    """Folder of each journal; None where it is not kept."""
    files = None if ledger.landing is None else journal_folder(ledger.landing)
    return {FILES_JOURNAL: files, WARNINGS_JOURNAL: ledger.warnings}


def _append(connection: Connection, journal: str, folder: Path, events: list[tuple[str, Mapping[str, Any]]]) -> None:
    here = JOURNAL_HEADS.c.journal == journal
    after: str = connection.execute(select(JOURNAL_HEADS.c.batch).where(here)).scalar_one()
    batch = secrets.token_hex(8)
    connection.execute(update(JOURNAL_HEADS).where(here).values(batch=batch))
    try:
        append(folder, batch, after, events)
    except OSError as cause:
        raise LedgerError(
            f"{folder}: the journal cannot be written ({cause}): nothing was entered; check free space and permissions",
            f"{folder}：无法写入日志（{cause}），本次登记已全部撤销；请检查剩余空间和权限",
        ) from cause


def open_ledger(path_or_url: Path | str, *, landing: Path | None = None, warnings: Path | None = None) -> Ledger:
    """Open the ledger; where it is new or of an older wxcore, create or upgrade it (several processes may at once).

    Args:
        path_or_url: path of an SQLite file, or an SQLAlchemy URL (`postgresql://...` uses psycopg).
        landing: root of the landed bytes, for the journal of files; None keeps none.
        warnings: folder for the journal of cycles and warnings; None keeps none.

    Raises:
        LedgerError: it cannot be opened, is damaged, was made by a newer wxcore, or is new although these journals
            say that there was one.
    """
    url = _url(path_or_url)
    try:
        engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (ModuleNotFoundError, NoSuchModuleError) as cause:
        raise LedgerError(
            f"{url!r}: no driver for it ({cause}): give a path (SQLite), or postgresql:// with wxcore[postgres]",
            f"{url!r}：没有对应的数据库驱动（{cause}）：请使用文件路径（SQLite），"
            "或 postgresql:// 并安装 wxcore[postgres]",
        ) from cause
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_postgresql)
    ledger = Ledger(engine, engine.execution_options(**{READ_ONLY: True}), landing, warnings)
    try:
        _bring_to_head(ledger)
    except BaseException:
        engine.dispose()
        raise
    return ledger


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


def _bring_to_head(ledger: Ledger) -> None:
    with reading(ledger) as connection:
        found = _revision(connection)
    if found == HEAD:
        return
    with writing(ledger) as transaction:
        found = _revision(transaction.connection)  # another process may have been faster
        if found == HEAD:
            return
        _refuse_newer(ledger, found)
        if not found:
            _refuse_forgotten(ledger)
        # alembic takes a fifth of a second to import, and is needed once in the life of a ledger.
        importlib.import_module("wxcore.landing.ledger.migrate").upgrade(transaction.connection, found)


def _revision(connection: Connection) -> str:
    """Revision of the tables: "" where there are none, "0001" where they are older than the revisions."""
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" in tables:
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
    return "0001" if {"files", "receipts", "cycles", "warnings"} <= tables else ""


def _refuse_newer(ledger: Ledger, found: str) -> None:
    if found > HEAD:
        name = name_of(ledger.engine)
        raise LedgerError(
            f"{name}: this ledger has revision {found}, this wxcore knows {HEAD} at most: upgrade wxcore",
            f"{name}：台账版本为 {found}，本程序最高支持 {HEAD}：请升级 wxcore",
        )


def _refuse_forgotten(ledger: Ledger) -> None:
    if has_events(ledger.landing, ledger.warnings):
        name = name_of(ledger.engine)
        raise LedgerError(
            f"{name}: this ledger is empty, but its journals in {ledger.landing} and {ledger.warnings} are not: "
            "`wx archive recover` rebuilds it",
            f"{name}：台账为空，但 {ledger.landing} 和 {ledger.warnings} 中存在日志："
            "请运行 `wx archive recover` 重建台账",
        )


def is_sound(ledger: Ledger) -> bool:
    """Whether the database finds itself undamaged (SQLite: quick_check; a PostgreSQL server checks its own pages)."""
    if ledger.engine.dialect.name != "sqlite":
        return True
    try:
        with reading(ledger) as connection:
            return connection.exec_driver_sql("PRAGMA quick_check").scalars().all() == ["ok"]
    except LedgerError:
        return False


def is_damaged(error: BaseException | None) -> bool:
    """Whether a LedgerError says that the SQLite file is no database, or a broken one (not: busy, full, forbidden)."""
    while error is not None:
        original = error.orig if isinstance(error, DBAPIError) else None
        if getattr(original, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            return True
        error = error.__cause__
    return False


def name_of(engine: Engine) -> str:
    """The database as messages name it: without its password."""
    return engine.url.render_as_string(hide_password=True)


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout) as cause:
        name, detail = name_of(engine), getattr(cause, "orig", None) or cause
        if engine.dialect.name == "sqlite":
            raise LedgerError(
                f"{name}: the ledger cannot be used ({detail}): check path, permissions and free space; where it is "
                "damaged, move the file away: `wx archive recover` rebuilds it",
                f"{name}：台账无法使用（{detail}）：请检查路径、权限和剩余空间；若文件已损坏，"
                "请移走该文件，再运行 `wx archive recover` 重建",
            ) from cause
        raise LedgerError(
            f"{name}: the ledger cannot be used ({detail}): check that the server runs, the address and the rights",
            f"{name}：台账无法使用（{detail}）：请检查数据库服务是否运行、地址和权限",
        ) from cause


def _configure_sqlite(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001
    connection.isolation_level = None  # we send BEGIN ourselves
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE: a transaction that reads, then writes, would otherwise fail when another one wrote in between.
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get(READ_ONLY, False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {BUSY_MS}")
    connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {STALLED_MS}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")
