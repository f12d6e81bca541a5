"""Make a lost or damaged ledger again from its journals and the landed bytes (RELIABILITY.md B14)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, case, select, update

from wxcore.errors import LedgerError
from wxcore.landing.land import landed_path
from wxcore.landing.ledger.connect import name_of
from wxcore.landing.ledger.cycles import REPLAY as CYCLE_EVENTS
from wxcore.landing.ledger.engine import CONTENT, filled, lagging, reading, writing
from wxcore.landing.ledger.expiry import REPLAY as EXPIRY_EVENTS
from wxcore.landing.ledger.files import REPLAY as FILE_EVENTS
from wxcore.landing.ledger.files import SLICE, Arrival, enter_arrivals, slices
from wxcore.landing.ledger.journal import (
    FILES_JOURNAL,
    WARNINGS_JOURNAL,
    Event,
    Replayer,
    journal_folder,
    plain,
)
from wxcore.landing.ledger.litter import unknown
from wxcore.landing.ledger.outbox import REPLAY as OUTBOX_EVENTS
from wxcore.landing.ledger.outbox import SENDING, WAITING
from wxcore.landing.ledger.products import REPLAY as PRODUCT_EVENTS
from wxcore.landing.ledger.replay import Damage, find_batch, last_event, replay
from wxcore.landing.ledger.rows import REPLAY as ROW_EVENTS
from wxcore.landing.ledger.tables import JOURNAL_HEADS, RECEIPTS, Ledger
from wxcore.landing.ledger.warnings import REPLAY as WARNING_EVENTS
from wxcore.landing.ledger.work_tables import OUTBOX

REPLAY: Mapping[str, Replayer] = {
    **FILE_EVENTS, **EXPIRY_EVENTS, **CYCLE_EVENTS, **WARNING_EVENTS, **OUTBOX_EVENTS, **PRODUCT_EVENTS,
    **ROW_EVENTS,
}  # fmt: skip
"""What does again the events of each kind."""

STATE = tuple(table for table in CONTENT if table is not RECEIPTS)
"""Tables that a rebuilt ledger has as the lost one had them."""

_UNDER_WAY = {"attempts", "next_at", "claimed_by", "claimed_until", "last_error"}
"""Columns of the outbox about attempts to send, which no journal tells."""


@dataclass(frozen=True)
class Rebuilt:
    """What a ledger was rebuilt from.

    Attributes:
        events: lines that were done again.
        adopted: landed files that no line knew; they wait for their decision.
        broken: damaged lines that were left out, by day file.
        abandoned: lines of transactions that never committed, left out, by day file.
    """

    events: int
    adopted: int
    broken: Mapping[str, int]
    abandoned: Mapping[str, int]


def rebuild(ledger: Ledger, landing: Path, warnings: Path) -> Rebuilt:
    """Fill an empty ledger from both journals, then with the landed files that they do not know; all or nothing.

    Idempotent: one that was interrupted left nothing, and the same journals give the same state.

    Args:
        ledger: a new one; `open_ledger` without journals makes it. What is done again is not told again.
        landing: root of the landed bytes.
        warnings: folder of the journal of cycles and warnings.

    Raises:
        LedgerError: the ledger is not empty; the database fails.
    """
    damage, events = Damage(), 0
    with writing(ledger) as transaction:
        connection = transaction.connection
        _refuse_filled(ledger, connection)
        for journal, folder in ((FILES_JOURNAL, journal_folder(landing)), (WARNINGS_JOURNAL, warnings)):
            events += _replay(connection, journal, replay(folder, damage), damage)
        adopted = 0
        for part in slices(unknown(connection, landing)):
            enter_arrivals(connection, [_found(landing, sha256) for sha256 in part])
            adopted += len(part)
    return Rebuilt(events, adopted, dict(damage.broken), dict(damage.abandoned))


def catch_up(ledger: Ledger) -> int | None:
    """Do again what the journals tell of after the last batch that this database knows; all or nothing.

    For a database that lost its newest commits: its -wal is gone, an older copy was put back. Where nothing is lost it
    takes a millisecond, whatever the length of the journals.

    Returns:
        how many events were done again; None where that batch is in no journal any more: rebuild the ledger.

    Raises:
        LedgerError: the database fails.
    """
    count = 0
    with writing(ledger) as transaction:  # nobody writes meanwhile: a journal's last batch was committed, or never
        starts = []
        for journal, folder, head in lagging(ledger, transaction.connection):
            place = find_batch(folder, head)
            if place is not None:
                starts.append((journal, replay(folder, start=place, committed=head)))
            elif not last_event(folder)[1]:  # else that batch is the broken one at the journal's end
                return None
        for journal, events in starts:
            count += _replay(transaction.connection, journal, events, Damage())
    return count


def _replay(connection: Connection, journal: str, events: Iterable[Event], damage: Damage) -> int:
    count, last = 0, ""
    for kind, run in groupby(events, key=lambda event: event.kind):
        while part := list(islice(run, SLICE)):
            last = part[-1].batch
            if kind in REPLAY:
                REPLAY[kind](connection, [event.data for event in part])
                count += len(part)
            else:  # told by a newer wxcore
                damage.broken[f"{journal}: {kind}"] += len(part)
    if last:
        connection.execute(update(JOURNAL_HEADS).where(JOURNAL_HEADS.c.journal == journal).values(batch=last))
    return count


def is_empty(ledger: Ledger) -> bool:
    """Whether nothing was ever entered."""
    with reading(ledger) as connection:
        return filled(connection) is None


def _refuse_filled(ledger: Ledger, connection: Connection) -> None:
    table = filled(connection)
    if table is not None:
        name = name_of(ledger.engine)
        raise LedgerError(
            f"{name}: table {table.name} is not empty: only a new ledger can be rebuilt; move this one away first",
            f"{name}：表 {table.name} 不为空：只能重建全新的台账，请先移走现有台账",
        )


def _found(landing: Path, sha256: str) -> Arrival:
    status = landed_path(landing, sha256).stat()
    landed_at = datetime.fromtimestamp(status.st_mtime, UTC)
    return Arrival(sha256, sha256, status.st_size, landed_at)


def state_hash(ledger: Ledger) -> str:
    """sha256 over the rows of all tables of STATE, whatever their order and running numbers."""
    total = hashlib.sha256()
    with reading(ledger) as connection:
        for table in STATE:
            wanted = select(*_columns(table)).execution_options(yield_per=1000)
            rows = connection.execute(wanted).mappings()
            total.update(table.name.encode())
            for digest in sorted(_digest(dict(row)) for row in rows):
                total.update(digest)
    return total.hexdigest()


def _columns(table: Table) -> list[ColumnElement[Any]]:
    """Those that a rebuilt ledger has too: no running numbers, and what was being sent is to be sent again."""
    if table is OUTBOX:
        state = case((OUTBOX.c.state == SENDING, WAITING), else_=OUTBOX.c.state).label("state")
        kept = [column for column in OUTBOX.columns if column.name not in {"id", "state", *_UNDER_WAY}]
        return [*kept, state]
    return [column for column in table.columns if column.autoincrement is not True]


def _digest(row: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(plain(row), ensure_ascii=False, sort_keys=True).encode()).digest()
