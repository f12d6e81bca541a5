"""Tables of the ledger. What the databases hold is made by `migrations/`; a test keeps the two the same."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator

from wxcore.times import require_utc

HEAD = "0003"
"""The newest revision in `migrations/versions`: what this code reads and writes."""

SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""Numbers that count up for ever: 2,000 stations a minute would use up 32 bits in two years."""


class UtcTime(TypeDecorator[datetime]):
    """Aware datetimes, kept as sortable ISO 8601 text in UTC with microseconds; naive ones are refused."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect | None) -> str | None:  # noqa: ARG002
        """To text."""
        return None if value is None else utc_text(value)

    def process_result_value(self, value: str | None, dialect: Dialect | None) -> datetime | None:  # noqa: ARG002
        """From text."""
        return None if value is None else utc_time(value)


def utc_text(time: datetime) -> str:
    """An aware datetime as `2020-06-12T05:42:00.000000Z`.

    Raises:
        TimeError: a naive datetime.
    """
    return require_utc(time).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def utc_time(text: str) -> datetime:
    """The time that `utc_text` wrote."""
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)


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
    Column("published_at", UtcTime, nullable=False, server_default="1970-01-01T00:00:00.000000Z"),
    Index("files_by_time", "status", "obs_time"),
)
"""One row for each content (sha256). `status`: stored, quarantined or pending.

The default of `published_at` is only there because SQLite adds no other NOT NULL column to a table with rows.
"""

RECEIPTS = Table(
    "receipts",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("sha256", String(64), ForeignKey("files.sha256")),
    Column("name", Text, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("message_en", Text, nullable=False),
    Column("message_zh", Text, nullable=False),
    Column("published_at", UtcTime, nullable=False, server_default="1970-01-01T00:00:00.000000Z"),
    Column("arrival_key", String(64)),
    Index("receipts_by_file", "sha256"),
    Index("receipts_by_arrival", "arrival_key"),
)
"""One row each time that a path was handed to us; `sha256` is NULL where there were no bytes to land (a folder).

`arrival_key` tells one file of a watched folder from every other, so that it is not received again after a restart.
"""

TALLIES = Table(
    "tallies",
    METADATA,
    Column("outcome", String(16), primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""How many receipts of each outcome have expired: conservation stays exact after they are gone."""

JOURNAL_HEADS = Table(
    "journal_heads",
    METADATA,
    Column("journal", String(16), primary_key=True),
    Column("batch", String(16), nullable=False),
)
"""The last batch of each journal that was committed here (see journal.py)."""


def _cycle_columns(*, key: bool) -> list[Column[Any]]:
    return [
        Column("region", String(64), primary_key=key, nullable=False),
        Column("time", UtcTime, primary_key=key, nullable=False),
        Column("snapshot_id", String(64), nullable=False),
        Column("fingerprint", String(64), nullable=False),
        Column("degraded", Boolean, nullable=False),
        Column("missing", Text, nullable=False),
        Column("committed_at", UtcTime, nullable=False),
        Column("basis", String(64), nullable=False, server_default=text("''")),
        Column("reanalysis", Boolean, nullable=False, server_default=false()),
    ]


CYCLES = Table("cycles", METADATA, *_cycle_columns(key=True))
"""The newest version of each cycle. `missing`: JSON list of text. `basis`: digest of what it was made of; empty where
it must be run again. `reanalysis`: run past the cut-off, it touched no warning."""

CYCLE_VERSIONS = Table(
    "cycle_versions",
    METADATA,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    *_cycle_columns(key=False),
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
    Column("origin", String(16), nullable=False, server_default=text("'machine'")),
    Column("parent", String(200), nullable=False, server_default=text("''")),
    Column("author", Text, nullable=False, server_default=text("''")),
    Column("digest", String(64), nullable=False, server_default=text("''")),
    Column("signed_by", Text, nullable=False, server_default=text("''")),
    Column("signed_at", UtcTime),
    Column("message", String(200), nullable=False, server_default=text("''")),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Index("warnings_by_cycle", "region", "cycle_time"),
)
"""Drafts, of machine and people. `state`: draft, review, signed, released, rejected, withdrawn or superseded.

`parent`: the draft or message that a person's row was made from; `digest`: of `json` (empty: entered before 0003);
`message`: what was released of it; `reason`: of the last move.
"""


@dataclass(frozen=True)
class Ledger:
    """An open ledger.

    Attributes:
        engine: to write, one writer at a time.
        reader: the same pool, to read without waiting for writers.
        landing: root of the landed bytes; the journal of file events is in its `journal/`. None: no such journal.
        warnings: folder of the journal of cycles, warnings and what is sent. None: no such journal.
    """

    engine: Engine
    reader: Engine
    landing: Path | None = None
    warnings: Path | None = None
