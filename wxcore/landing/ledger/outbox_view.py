"""What people look at of the outbox: counts and rows without their payloads, however many wait."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, literal, or_, select

from wxcore.landing.ledger.engine import reading
from wxcore.landing.ledger.outbox import EXPIRED, SENDING, SENT, SUPERSEDED_BY, WAITING, OutboxRow
from wxcore.landing.ledger.tables import Ledger, utc_time
from wxcore.landing.ledger.work_tables import OUTBOX
from wxcore.times import require_utc

_BARE = [
    literal("").label(name) if name == "payload" else OUTBOX.c[name] for name in OutboxRow.__dataclass_fields__
]  # fmt: skip


@dataclass(frozen=True)
class OutboxCounts:
    """How deliveries stand.

    Attributes:
        waiting, sending: now; sent, expired: entered since the time asked for; what a newer message took the place of
            is no longer counted.
        failing: of those waiting or being sent, how many failed before.
        due_at: when the longest due one was due; None where none waits.
    """

    waiting: int
    sending: int
    sent: int
    expired: int
    failing: int
    due_at: datetime | None


def count_outbox(ledger: Ledger, *, since: datetime) -> OutboxCounts:
    """Count deliveries.

    Raises:
        TimeError: a naive time.
    """
    table, since = OUTBOX.c, require_utc(since)
    recent = and_(or_(table.state.in_([WAITING, SENDING]), table.expires_at >= since), ~_is_superseded())
    counted = select(table.state, func.count()).where(recent).group_by(table.state)
    failing = select(func.count()).where(_is_failing())
    first = select(func.min(table.next_at)).where(table.state == WAITING)
    with reading(ledger) as connection:
        counts = {str(state): int(count) for state, count in connection.execute(counted)}
        troubled = int(connection.execute(failing).scalar_one())
        due_at = connection.execute(first).scalar_one()
    waiting, sending, sent, expired = (counts.get(state, 0) for state in (WAITING, SENDING, SENT, EXPIRED))
    due_at = utc_time(due_at) if isinstance(due_at, str) else due_at
    return OutboxCounts(waiting, sending, sent, expired, failing=troubled, due_at=due_at)


def list_deliveries(
    ledger: Ledger, *, identifier: str | None = None, in_trouble: datetime | None = None, limit: int = 200
) -> list[OutboxRow]:
    """Deliveries, newest first, their payloads left out.

    Args:
        identifier: of this message alone, whatever became of them; else those that are not sent yet.
        in_trouble: only those that failed before and are still tried, or that were not sent by their end since then.

    Raises:
        TimeError: a naive time.
    """
    table = OUTBOX.c
    which = table.state.in_([WAITING, SENDING]) if identifier is None else table.identifier == identifier
    if in_trouble is not None:
        lost = and_(table.state == EXPIRED, table.expires_at >= require_utc(in_trouble), ~_is_superseded())
        which = or_(_is_failing(), lost) if identifier is None else and_(which, or_(_is_failing(), lost))
    wanted = select(*_BARE).where(which)
    with reading(ledger) as connection:
        rows = connection.execute(wanted.order_by(table.id.desc()).limit(limit)).mappings()
        return [OutboxRow(**row) for row in rows]


def _is_superseded() -> ColumnElement[bool]:
    return and_(OUTBOX.c.state == EXPIRED, OUTBOX.c.last_error.startswith(SUPERSEDED_BY))


def _is_failing() -> ColumnElement[bool]:
    return and_(OUTBOX.c.state.in_([WAITING, SENDING]), OUTBOX.c.last_error != "")
