"""Call-outs: who was called because of which message, who answered, and who is called next (RELIABILITY.md C12)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from wxcore.errors import RefusedError
from wxcore.landing.ledger.audit import CLOCK, MACHINE, Act, Actor, enter_act
from wxcore.landing.ledger.engine import Writing, reading, writing
from wxcore.landing.ledger.issue_tables import CALLOUTS, MESSAGES
from wxcore.landing.ledger.outbox import Message, enqueue
from wxcore.landing.ledger.rows import change_rows, enter_rows, known_keys, portions
from wxcore.landing.ledger.tables import Ledger
from wxcore.times import require_utc

CALLED, ACKNOWLEDGED, ESCALATED, OVER = "called", "acknowledged", "escalated", "over"
UNANSWERED = (CALLED, ESCALATED)


@dataclass(frozen=True)
class CalloutRow:
    """One person called because of one message.

    Attributes:
        post: who should answer, whoever holds it; `rank`: which of its people this is.
        token_hash: of the token in the link; the token itself is in the message that was sent, nowhere else.
        state: called, acknowledged, escalated (the next person is called as well) or over (nobody need answer).
        due_at: when the next person is called.
        how: by which way it was acknowledged.
    """

    key: str
    identifier: str
    region: str
    post: str
    tier: str
    area: str
    person: str
    name: str
    rank: int
    token_hash: str
    state: str
    called_at: datetime
    due_at: datetime
    acknowledged_at: datetime | None
    how: str
    note: str
    expires_at: datetime


def list_callouts(
    ledger: Ledger, *, identifier: str | None = None, open_only: bool = False, since: datetime | None = None
) -> list[CalloutRow]:
    """Call-outs by the time of the call, post and rank: of one message, or all.

    Args:
        open_only: those that nobody answered: called or escalated.
        since: those called from then on.

    Raises:
        TimeError: a naive time.
    """
    wanted = select(CALLOUTS)
    if since is not None:
        wanted = wanted.where(CALLOUTS.c.called_at >= require_utc(since))
    if identifier is not None:
        wanted = wanted.where(CALLOUTS.c.identifier == identifier)
    if open_only:
        wanted = wanted.where(CALLOUTS.c.state.in_(UNANSWERED))
    with reading(ledger) as connection:
        rows = [CalloutRow(**row) for row in connection.execute(wanted).mappings()]
    # Here: databases differ in how they order text.
    return sorted(rows, key=lambda row: (row.called_at, row.identifier, row.post, row.rank, row.key))


def find_callout(ledger: Ledger, token_hash: str) -> CalloutRow | None:
    """The call-out of a token; None where there is none."""
    wanted = select(CALLOUTS).where(CALLOUTS.c.token_hash == token_hash)
    with reading(ledger) as connection:
        row = connection.execute(wanted).mappings().first()
    return None if row is None else CalloutRow(**row)


def acknowledge(ledger: Ledger, actor: Actor, key: str, *, now: datetime, how: str, note: str) -> bool:
    """Enter that somebody answered; whoever else was called for the same post and message need not any more.

    A late answer, after another one or after the end of the message, is entered too: who knew when is worth knowing.

    Returns:
        False where this call-out is acknowledged already: nothing changes.

    Raises:
        TimeError: a naive time.
        RefusedError: no such call-out.
        LedgerError: the database fails.
    """
    now = require_utc(now)
    with writing(ledger) as transaction:
        row = transaction.connection.execute(select(CALLOUTS).where(CALLOUTS.c.key == key)).mappings().one_or_none()
        if row is None:
            raise RefusedError(f"{key}: no such call-out", f"{key}：没有此叫应记录")
        found = CalloutRow(**row)
        if found.state == ACKNOWLEDGED:
            return False
        answer = {"state": ACKNOWLEDGED, "acknowledged_at": now, "how": how, "note": note}
        change_rows(transaction, CALLOUTS, [key], answer)
        others = select(CALLOUTS.c.key).where(
            CALLOUTS.c.identifier == found.identifier,
            CALLOUTS.c.post == found.post,
            CALLOUTS.c.state.in_(UNANSWERED),
        )
        change_rows(transaction, CALLOUTS, sorted(transaction.connection.execute(others).scalars()), {"state": OVER})
        detail = {"key": key, "post": found.post, "person": found.person, "how": how}
        enter_act(transaction, actor, Act("acknowledge", found.identifier, note, detail), now=now)
    return True


def add_callouts(transaction: Writing, callouts: Sequence[CalloutRow]) -> list[str]:
    """Enter call-outs whose key is not known yet; their keys."""
    known = known_keys(transaction.connection, CALLOUTS, [row.key for row in callouts])
    fresh = {row.key: asdict(row) for row in callouts if row.key not in known}
    enter_rows(transaction, CALLOUTS, list(fresh.values()))
    return list(fresh)


def enter_callouts(
    ledger: Ledger,
    callouts: Sequence[CalloutRow],
    outbox: Sequence[Message],
    *,
    now: datetime,
    actor: Actor = MACHINE,
) -> int:
    """Call more people, and have them told; those whose key is known are called already.

    Nobody is called, or told, for a message that has ended by now: the release that ended it was faster.

    Returns:
        How many were new.

    Raises:
        TimeError: a naive time.
        LedgerError: the database fails.
    """
    now = require_utc(now)
    with writing(ledger) as transaction:
        over = _ended_among(
            transaction.connection, [*(row.identifier for row in callouts), *(item.identifier for item in outbox)]
        )
        callouts = [row for row in callouts if row.identifier not in over]
        fresh = set(add_callouts(transaction, callouts))
        enqueue(transaction, [message for message in outbox if message.identifier not in over], now=now)
        called: dict[str, list[str]] = {}
        for row in callouts:
            if row.key in fresh:
                called.setdefault(row.identifier, []).append(row.person)
        for identifier, people in called.items():
            enter_act(transaction, actor, Act("call", identifier, "", {"people": people}), now=now)
    return len(fresh)


def _ended_among(connection: Connection, identifiers: Collection[str]) -> set[str]:
    table, found = MESSAGES.c, set[str]()
    for some in portions(sorted(set(identifiers))):
        wanted = select(table.identifier).where(table.identifier.in_(some), table.ended_by != "")
        found.update(connection.execute(wanted).scalars())
    return found


def carry_over(
    connection: Connection, ended: Mapping[str, str], callouts: Sequence[CalloutRow], outbox: Sequence[Message],
    closed: Collection[tuple[str, str]],
) -> tuple[list[CalloutRow], list[Message]]:  # fmt: skip
    """What of a bundle goes out, given who was called for the messages that it ends, and did not answer.

    A post that did not answer keeps its clock: everyone of it who was called is called again, and the next person is
    due when they were. Who was called for a message that ends, or had not got it yet (`closed`, as `supersede` gives
    them), and whom no message of the bundle concerns any more, is told of the one that ends it.

    Args:
        outbox: a message `if_told` that has a call-out is for who is called again, one that has none for who is told.
    """
    before: list[CalloutRow] = []
    for some in portions(sorted(ended)):
        rows = connection.execute(select(CALLOUTS).where(CALLOUTS.c.identifier.in_(some))).mappings()
        before += [CalloutRow(**row) for row in rows]
    clocks: dict[tuple[str, str], datetime] = {}
    for old in before:
        if old.state in UNANSWERED:
            who = old.post, old.person
            clocks[who] = min(old.due_at, clocks.get(who, old.due_at))
    offered = {(row.identifier, row.person): row for row in callouts}
    concerned = {row.person for row in callouts} | {item.recipient for item in outbox if not item.if_told}
    heard = {(ended[old.identifier], old.person) for old in before}.union(closed)

    def is_for_nobody(item: Message) -> bool:
        who = item.identifier, item.recipient
        if not item.if_told:
            return False
        if who in offered:
            return (offered[who].post, offered[who].person) not in clocks
        return item.recipient in concerned or who not in heard

    dropped = {(item.identifier, item.recipient) for item in outbox if is_for_nobody(item)}
    kept = [item for item in outbox if (item.identifier, item.recipient) not in dropped]
    calls = [row for row in callouts if (row.identifier, row.person) not in dropped]
    return [_in_turn(row, calls, clocks) for row in calls], kept


def _in_turn(row: CalloutRow, calls: Sequence[CalloutRow], clocks: Mapping[tuple[str, str], datetime]) -> CalloutRow:
    """With the clock of the call before; of a post the last who was called is waited for."""
    due_at = min(row.due_at, clocks.get((row.post, row.person), row.due_at))
    later = any(
        (other.identifier, other.post) == (row.identifier, row.post)
        and (other.post, other.person) in clocks
        and (other.rank, other.person) > (row.rank, row.person)
        for other in calls
    )
    return replace(row, due_at=due_at, state=ESCALATED if later else row.state)


def mark_escalated(ledger: Ledger, keys: Sequence[str], *, now: datetime) -> list[str]:
    """Enter that nobody answered these in time and the next person is called.

    Returns:
        Those that were still only called, ascending: whoever answered meanwhile is not escalated.

    Raises:
        TimeError: a naive time.
        LedgerError: the database fails.
    """
    now = require_utc(now)
    with writing(ledger) as transaction:
        waiting: dict[str, tuple[str, str]] = {}
        for some in portions(keys):
            wanted = select(CALLOUTS).where(CALLOUTS.c.key.in_(some), CALLOUTS.c.state == CALLED)
            rows = transaction.connection.execute(wanted)
            waiting.update({row.key: (row.identifier, row.person) for row in rows})
        change_rows(transaction, CALLOUTS, sorted(waiting), {"state": ESCALATED})
        for identifier in sorted({name for name, _ in waiting.values()}):
            silent = sorted(person for name, person in waiting.values() if name == identifier)
            enter_act(transaction, CLOCK, Act("escalate", identifier, "", {"people": silent}), now=now)
    return sorted(waiting)


def close_callouts(transaction: Writing, identifiers: Collection[str]) -> None:
    """Nobody need answer for these messages any more."""
    keys: list[str] = []
    for some in portions(sorted(identifiers)):
        wanted = select(CALLOUTS.c.key).where(CALLOUTS.c.identifier.in_(some), CALLOUTS.c.state.in_(UNANSWERED))
        keys.extend(transaction.connection.execute(wanted).scalars())
    change_rows(transaction, CALLOUTS, sorted(keys), {"state": OVER})
