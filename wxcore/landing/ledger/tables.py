"""Tables of the ledger, and how a connection to them is opened (SQLite: WAL, synchronous FULL)."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Dialect,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.exc import DatabaseError
from sqlalchemy.types import TypeDecorator

from wxcore.errors import LedgerError
from wxcore.times import require_utc

BUSY_MS = 30_000
"""How long a writer waits for another one [ms]."""

READ_ONLY = "wxcore_read_only"
"""Execution option: this transaction only reads, so it need not wait for a writer."""


class UtcTime(TypeDecorator[datetime]):
    """Aware datetimes, kept as sortable ISO 8601 text in UTC with microseconds; naive ones are refused."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        """To text."""
        return None if value is None else require_utc(value).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From text."""
        return None if value is None else datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


METADATA = MetaData()

FILES = Table(
    "files",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("format", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("site", String(32), nullable=False),
    Column("obs_time", UtcTime),
    Column("received_at", UtcTime, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("message_en", Text, nullable=False),
    Column("message_zh", Text, nullable=False),
    Column("offset", Integer),
    Index("files_by_time", "status", "obs_time"),
)
"""One row for each content (sha256). `status`: stored, quarantined or pending."""

RECEIPTS = Table(
    "receipts",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("sha256", String(64), ForeignKey("files.sha256")),
    Column("name", Text, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("message_en", Text, nullable=False),
    Column("message_zh", Text, nullable=False),
    Index("receipts_by_file", "sha256"),
)
"""One row each time that a path was handed to us; `sha256` is NULL where there were no bytes to land (a folder)."""

CYCLES = Table(
    "cycles",
    METADATA,
    Column("region", String(64), primary_key=True),
    Column("time", UtcTime, primary_key=True),
    Column("snapshot_id", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("degraded", Boolean, nullable=False),
    Column("missing", Text, nullable=False),
    Column("committed_at", UtcTime, nullable=False),
)
"""The newest version of each cycle. `missing`: JSON list of text."""

CYCLE_VERSIONS = Table(
    "cycle_versions",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *(Column(column.name, column.type, nullable=False) for column in CYCLES.columns),
    Index("versions_by_cycle", "region", "time"),
)
"""Every version of every cycle, in the order of its commit."""

WARNINGS = Table(
    "warnings",
    METADATA,
    Column("id", String(200), primary_key=True),
    Column("region", String(64), nullable=False),
    Column("cycle_time", UtcTime, nullable=False),
    Column("hazard", String(16), nullable=False),
    Column("level", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("json", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Index("warnings_by_cycle", "region", "cycle_time"),
)
"""Warnings; `state` is draft until somebody signs."""


@dataclass(frozen=True)
class Ledger:
    """An open ledger: `engine` to write, `reader` (the same pool) to read without waiting for writers."""

    engine: Engine
    reader: Engine


def open_ledger(path_or_url: Path | str) -> Ledger:
    """Open the ledger, and create folder, file and tables where they are not there yet.

    Args:
        path_or_url: path of an SQLite file, or an SQLAlchemy URL.

    Raises:
        LedgerError: not a database, or it cannot be opened.
    """
    text = str(path_or_url)
    if "://" not in text:
        path = Path(text).absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        text = f"sqlite:///{path}"
    engine = create_engine(text)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with engine.begin() as connection:
            METADATA.create_all(connection)
    except DatabaseError as cause:
        raise LedgerError(
            f"{path_or_url}: cannot be opened as a ledger ({cause.orig}): check path, permissions and free space, or "
            "move the file away and ingest again",
            f"{path_or_url}：无法作为台账打开（{cause.orig}）：请检查路径、权限和剩余空间，或移走该文件后重新导入",
        ) from cause
    return Ledger(engine, engine.execution_options(**{READ_ONLY: True}))


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
