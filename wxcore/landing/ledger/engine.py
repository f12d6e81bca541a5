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

from sqlalchemy import Connection, Engine, Table, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from wxcore.errors import LedgerError
from wxcore.landing.ledger.connect import READ_ONLY, connect, name_of
from wxcore.landing.ledger.issue_tables import AUDIT, CALLOUTS, IMPORTS, MESSAGES
from wxcore.landing.ledger.journal import FILES_JOURNAL, WARNINGS_JOURNAL, append, has_events, journal_folder
from wxcore.landing.ledger.replay import last_event
from wxcore.landing.ledger.tables import (
    CYCLE_VERSIONS,
    CYCLES,
    FILES,
    HEAD,
    JOURNAL_HEADS,
    RECEIPTS,
    TALLIES,
    WARNINGS,
    Ledger,
)
from wxcore.landing.ledger.work_tables import OUTBOX, PRODUCTS

CONTENT = (
    RECEIPTS, FILES, CYCLES, CYCLE_VERSIONS, WARNINGS, OUTBOX, PRODUCTS, TALLIES, MESSAGES, CALLOUTS, IMPORTS, AUDIT,
)  # fmt: skip
"""Tables of what the journals tell. Who is logged in at the desk (`sessions`) they are not told."""


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
    engine = connect(path_or_url)
    ledger = Ledger(engine, engine.execution_options(**{READ_ONLY: True}), landing, warnings)
    try:
        _bring_to_head(ledger)
    except BaseException:
        engine.dispose()
        raise
    return ledger


def _bring_to_head(ledger: Ledger) -> None:
    with reading(ledger) as connection:
        if _revision(connection) == HEAD and not _is_forgotten(ledger, connection):
            return
    with writing(ledger) as transaction:  # another process may have been faster, or was about to commit
        found = _revision(transaction.connection)
        _refuse_newer(ledger, found)
        if (not found and has_events(ledger.landing, ledger.warnings)) or (
            found == HEAD and _is_forgotten(ledger, transaction.connection)
        ):
            _refuse_forgotten(ledger)
        if found != HEAD:
            # alembic takes a fifth of a second to import, and is needed once in the life of a ledger.
            importlib.import_module("wxcore.landing.ledger.migrate").upgrade(transaction, found)


def _is_forgotten(ledger: Ledger, connection: Connection) -> bool:
    """Is this database empty, although its journals tell of more than what it knows?"""
    return filled(connection) is None and bool(lagging(ledger, connection))


def filled(connection: Connection) -> Table | None:
    """A table of CONTENT that has rows; None where all are empty."""
    full = (table for table in CONTENT if connection.execute(select(table).limit(1)).first() is not None)
    return next(full, None)


def lagging(ledger: Ledger, connection: Connection) -> list[tuple[str, Path, str]]:
    """The journals whose last batch is not the last that was committed here: name, folder, and that one."""
    heads = {row.journal: str(row.batch) for row in connection.execute(select(JOURNAL_HEADS))}
    found = []
    for journal, folder in journals(ledger).items():
        last = None if folder is None else last_event(folder)[0]
        if folder is not None and last is not None and last.batch != heads[journal]:
            found.append((journal, folder, heads[journal]))
    return found


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
    name = name_of(ledger.engine)
    raise LedgerError(
        f"{name}: this ledger is empty, but its journals in {ledger.landing} and {ledger.warnings} are not: "
        "`wx archive recover` rebuilds it",
        f"{name}：台账为空，但 {ledger.landing} 和 {ledger.warnings} 中存在日志：请运行 `wx archive recover` 重建台账",
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
