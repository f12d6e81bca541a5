"""Outbox: what must be sent, to whom, until when; at least once, never after its end (RELIABILITY.md B9).

A message exists once the transaction that decided it commits. A sender claims rows, sends each with its `key` as the
idempotency key, and only before `claimed_until`, which is never later than the message's own end; then it tells what
came of it. The rows of a sender that dies come back when its claim ends.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from random import Random
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from wxcore.landing.ledger.engine import Writing, reading, writing
from wxcore.landing.ledger.journal import WARNINGS_JOURNAL, Replayer, plain
from wxcore.landing.ledger.rows import portions
from wxcore.landing.ledger.tables import Ledger, utc_time
from wxcore.landing.ledger.work_tables import OUTBOX
from wxcore.times import require_utc

WAITING, SENDING, SENT, EXPIRED = "waiting", "sending", "sent", "expired"

CLAIM_S = 60.0
"""How long a sender may keep a row [s]: twice the slowest answer that is waited for, 30 s (RELIABILITY.md B4)."""

BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""Longest wait after the first, second ... failure [s]; the last one from there on (RELIABILITY.md B9)."""

EVERYONE = "all"
"""Recipient of a message that a channel carries once, whoever reads it: a machine; every other one is a person."""

SUPERSEDED_BY = "superseded by "
"""Before the identifier, in `last_error` of a row that was closed because its message was ended by another one."""


@dataclass(frozen=True)
class Message:
    """One warning (its CAP `identifier`) on one channel to one recipient. `payload`: JSON text.

    `if_told`: only for who was told of a message that this one ends (callouts.carry_over), not kept in the outbox.
    """

    identifier: str
    channel: str
    recipient: str
    payload: str
    expires_at: datetime
    if_told: bool = False

    @property
    def key(self) -> str:
        """The idempotency key: hash of identifier, channel and recipient."""
        return hashlib.sha256("\0".join((self.identifier, self.channel, self.recipient)).encode()).hexdigest()


@dataclass(frozen=True)
class OutboxRow:
    """A message and what became of it. `state`: waiting, sending, sent or expired; `attempts` counts the claims."""

    key: str
    identifier: str
    channel: str
    recipient: str
    payload: str
    state: str
    attempts: int
    next_at: datetime
    expires_at: datetime
    claimed_by: str
    claimed_until: datetime | None
    last_error: str
    created_at: datetime
    sent_at: datetime | None


_COLUMNS = [OUTBOX.c[name] for name in OutboxRow.__dataclass_fields__]


def enqueue(transaction: Writing, items: Iterable[Message], *, now: datetime | None = None) -> int:
    """Enter messages that are to be sent at once, inside the transaction that records their warning.

    A message whose key is known changes nothing: what was decided first is what goes out.

    Args:
        items: those with the same payload in a row make one line of the journal.

    Returns:
        How many were new.

    Raises:
        TimeError: a naive time.
    """
    created_at = datetime.now(UTC) if now is None else require_utc(now)
    fresh = _enter(transaction.connection, items, created_at)
    for (identifier, channel, payload, expires_at), group in groupby(fresh, key=_all_but_recipient):
        told = {
            "identifier": identifier,
            "channel": channel,
            "payload": payload,
            "expires_at": expires_at,
            "recipients": [message.recipient for message in group],
            "created_at": created_at,
        }
        transaction.tell(WARNINGS_JOURNAL, "enqueue", plain(told))
    return len(fresh)


def _all_but_recipient(message: Message) -> tuple[str, str, str, datetime]:
    return message.identifier, message.channel, message.payload, message.expires_at


def _enter(connection: Connection, items: Iterable[Message], created_at: datetime) -> list[Message]:
    """Those that were new."""
    messages: dict[str, Message] = {}
    for item in items:
        messages.setdefault(item.key, item)
    known = {row.key for row in _rows(connection, list(messages))}
    fresh = {key: item for key, item in messages.items() if key not in known}
    if fresh:
        connection.execute(insert(OUTBOX), [_new(key, item, created_at) for key, item in fresh.items()])
    return list(fresh.values())


def _new(key: str, item: Message, created_at: datetime) -> dict[str, object]:
    return {
        "key": key,
        "identifier": item.identifier,
        "channel": item.channel,
        "recipient": item.recipient,
        "payload": item.payload,
        "state": WAITING,
        "attempts": 0,
        "next_at": created_at,
        "expires_at": require_utc(item.expires_at),
        "claimed_by": "",
        "last_error": "",
        "created_at": created_at,
    }


def claim_due(ledger: Ledger, *, now: datetime, holder: str, limit: int, skip: Collection[str] = ()) -> list[OutboxRow]:
    """Take up to `limit` messages that are due and not at their end, the longest due first; no two senders get one.

    Args:
        holder: who sends: a name that no other sender has.
        skip: channels that are left alone: those that have their hands full.

    Returns:
        The rows as claimed. Send each before its `claimed_until`, and not at all after it.

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    table = OUTBOX.c
    due = or_(and_(table.state == WAITING, _is_due(now)), and_(table.state == SENDING, _claim_ended(now)))
    wanted = select(table.key, table.expires_at).where(due, table.expires_at > now, table.channel.not_in(list(skip)))
    with writing(ledger) as transaction:
        connection = transaction.connection
        found = connection.execute(wanted.order_by(table.next_at, table.id).limit(limit)).all()
        for key, expires_at in found:
            until = min(now + timedelta(seconds=CLAIM_S), expires_at)
            claim = {"state": SENDING, "claimed_by": holder, "claimed_until": until, "attempts": table.attempts + 1}
            connection.execute(update(OUTBOX).where(table.key == key).values(claim))
        rows = {row.key: row for row in _rows(connection, [key for key, _ in found])}
    return [rows[key] for key, _ in found]


def is_claimed(ledger: Ledger, row: OutboxRow) -> bool:
    """Is the row, as `claim_due` gave it, still that sender's to send? Not where it was closed or taken since."""
    with reading(ledger) as connection:
        return connection.execute(select(OUTBOX.c.id).where(_ours(row))).first() is not None


def _ours(row: OutboxRow) -> ColumnElement[bool]:
    table = OUTBOX.c  # `attempts` tells this claim from a later one of the same sender
    return and_(
        table.key == row.key, table.state == SENDING, table.claimed_by == row.claimed_by,
        table.attempts == row.attempts,
    )  # fmt: skip


def mark_sent(ledger: Ledger, rows: Sequence[OutboxRow], *, now: datetime) -> int:
    """Enter that the recipient took these messages, whoever has claimed them since.

    Returns:
        How many were not known to be sent yet.

    Raises:
        TimeError: a naive time.
    """
    sent_at = require_utc(now)
    with writing(ledger) as transaction:
        keys = _enter_sent(transaction.connection, [row.key for row in rows], sent_at)
        if keys:
            transaction.tell(WARNINGS_JOURNAL, "sent", plain({"keys": keys, "sent_at": sent_at}))
    return len(keys)


def _enter_sent(connection: Connection, keys: Sequence[str], sent_at: datetime) -> list[str]:
    fresh = [row.key for row in _rows(connection, keys) if row.state != SENT]
    values = {"state": SENT, "sent_at": sent_at, "claimed_by": "", "claimed_until": None, "last_error": ""}
    _change(connection, fresh, values)
    return fresh


def mark_failed(
    ledger: Ledger, row: OutboxRow, *, error: str, now: datetime, random: Random, retry_after_s: float = 0.0
) -> datetime | None:
    """Enter that a message could not be sent, and let it wait: half to all of BACKOFF_S, at random.

    Args:
        row: as `claim_due` gave it.
        error: what went wrong, for people to read.
        random: what draws the wait, so that a thousand failures do not come back in the same second.
        retry_after_s: how long the receiver asks us to wait [s]: done where it is longer, up to the last of BACKOFF_S.

    Returns:
        When it is due again; None where another sender has the row by now, or it is sent or expired: nothing changes.

    Raises:
        TimeError: a naive time.
    """
    now, longest = require_utc(now), BACKOFF_S[min(row.attempts, len(BACKOFF_S)) - 1]
    wait_s = max(longest * random.uniform(0.5, 1.0), min(retry_after_s, BACKOFF_S[-1]))
    next_at = now + timedelta(seconds=wait_s)
    values = {
        "state": WAITING, "next_at": next_at, "last_error": error, "claimed_by": "", "claimed_until": None,
    }  # fmt: skip
    with writing(ledger) as transaction:
        changed = transaction.connection.execute(update(OUTBOX).where(_ours(row)).values(values)).rowcount
    return next_at if changed else None


def mark_held_up(ledger: Ledger, channel: str, *, error: str) -> int:
    """Enter why the messages of a channel that failed never yet are not sent: they wait behind those that did.

    Returns:
        How many there were.
    """
    table = OUTBOX.c
    held_up = and_(table.channel == channel, table.state.in_([WAITING, SENDING]), table.last_error == "")
    with writing(ledger) as transaction:
        return transaction.connection.execute(update(OUTBOX).where(held_up).values(last_error=error)).rowcount


def expire_due(ledger: Ledger, *, now: datetime) -> list[str]:
    """Close the messages that are at their end and that nobody is sending.

    Returns:
        Their keys, oldest first: recipients who were not told, for the desk to show.

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    table = OUTBOX.c
    idle = or_(table.state == WAITING, and_(table.state == SENDING, _claim_ended(now)))
    wanted = select(table.key).where(idle, table.expires_at <= now).order_by(table.id)
    with writing(ledger) as transaction:
        keys = list(transaction.connection.execute(wanted).scalars())
        if keys:
            _enter_expired(transaction.connection, keys)
            transaction.tell(WARNINGS_JOURNAL, "expired", {"keys": keys})
    return keys


def supersede(transaction: Writing, ended: Mapping[str, str], *, now: datetime) -> set[tuple[str, str]]:
    """Close what people were not yet told of messages that others end: no old word reaches them after the newer one.

    Machines get every message: what still waits for them is due at once, before what is newer.

    Args:
        ended: identifiers, each with that of the message that ends it.

    Returns:
        whose rows were closed, each as the message they must be told of instead, and the recipient.

    Raises:
        TimeError: a naive time.
    """
    now, table, closed = require_utc(now), OUTBOX.c, set[tuple[str, str]]()
    for old, new in sorted(ended.items()):
        unsent = select(table.key, table.recipient, table.state).where(
            table.identifier == old, table.state.in_([WAITING, SENDING])
        )
        rows = transaction.connection.execute(unsent.order_by(table.id)).all()
        people = [row.key for row in rows if row.recipient != EVERYONE]
        if people:
            error = f"{SUPERSEDED_BY}{new}"
            _enter_expired(transaction.connection, people, error)
            transaction.tell(WARNINGS_JOURNAL, "expired", {"keys": people, "error": error})
        machines = [row.key for row in rows if row.recipient == EVERYONE and row.state == WAITING]
        _change(transaction.connection, machines, {"next_at": now})
        closed |= {(new, row.recipient) for row in rows if row.recipient != EVERYONE}
    return closed


def _enter_expired(connection: Connection, keys: Sequence[str], error: str = "") -> None:
    unsent = [row.key for row in _rows(connection, keys) if row.state != SENT]
    why = {"last_error": error} if error else {}
    _change(connection, unsent, {"state": EXPIRED, "claimed_by": "", "claimed_until": None, **why})


def _replay_enqueue(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        identifier, channel, payload = (data[name] for name in ("identifier", "channel", "payload"))
        expires_at = utc_time(data["expires_at"])
        messages = [Message(identifier, channel, recipient, payload, expires_at) for recipient in data["recipients"]]
        _enter(connection, messages, utc_time(data["created_at"]))


def _replay_sent(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        _enter_sent(connection, data["keys"], utc_time(data["sent_at"]))


def _replay_expired(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        _enter_expired(connection, data["keys"], data.get("error", ""))


REPLAY: Mapping[str, Replayer] = {"enqueue": _replay_enqueue, "sent": _replay_sent, "expired": _replay_expired}
"""What was being sent, and what failed and waited, waits again: attempts and their errors are not told."""


def list_outbox(ledger: Ledger, *, identifier: str | None = None, state: str | None = None) -> list[OutboxRow]:
    """Messages in the order of their entry: of one warning, or in one state, or all."""
    wanted = select(*_COLUMNS).order_by(OUTBOX.c.id)
    if identifier is not None:
        wanted = wanted.where(OUTBOX.c.identifier == identifier)
    if state is not None:
        wanted = wanted.where(OUTBOX.c.state == state)
    with reading(ledger) as connection:
        return [OutboxRow(**row) for row in connection.execute(wanted).mappings()]


def _is_due(now: datetime) -> ColumnElement[bool]:
    # Further off than twice the longest wait: written by a clock that was ahead, not by a writer we waited for.
    table, furthest = OUTBOX.c, now + timedelta(seconds=2 * BACKOFF_S[-1])
    return or_(table.next_at <= now, table.next_at > furthest)


def _claim_ended(now: datetime) -> ColumnElement[bool]:
    table, furthest = OUTBOX.c, now + timedelta(seconds=2 * CLAIM_S)
    return or_(table.claimed_until <= now, table.claimed_until > furthest)


def _rows(connection: Connection, keys: Sequence[str]) -> Iterator[OutboxRow]:
    for some in portions(keys):
        for row in connection.execute(select(*_COLUMNS).where(OUTBOX.c.key.in_(some))).mappings():
            yield OutboxRow(**row)


def _change(connection: Connection, keys: Sequence[str], values: Mapping[str, Any]) -> None:
    for some in portions(keys):
        connection.execute(update(OUTBOX).where(OUTBOX.c.key.in_(some)).values(values))
