"""Messages: what was released, to whom, and what ended it; immutable but for that end."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from wxcore.errors import RefusedError
from wxcore.landing.ledger.audit import ACTIONS, BY_TIME, CLOCK, Act, Actor, enter_act, message_facts
from wxcore.landing.ledger.callouts import (
    UNANSWERED,
    CalloutRow,
    add_callouts,
    carry_over,
    close_callouts,
)
from wxcore.landing.ledger.engine import Writing, reading, writing
from wxcore.landing.ledger.issue_tables import AUDIT, CALLOUTS, MESSAGES
from wxcore.landing.ledger.issuing import reason_of, release_drafts
from wxcore.landing.ledger.journal import plain
from wxcore.landing.ledger.outbox import Message, enqueue, supersede
from wxcore.landing.ledger.rows import change_rows, enter_rows, known_keys
from wxcore.landing.ledger.tables import WARNINGS, Ledger
from wxcore.landing.ledger.warnings import WarningRow, content_text
from wxcore.times import require_utc


@dataclass(frozen=True)
class Issue:
    """A message to release. `content`: the record; `cap`: the CAP message as signed; `digest`: of the record.

    `lifted`: keys of the places of the messages that it ends which have no warning any more.
    """

    identifier: str
    draft_id: str
    region: str
    hazard: str
    level: str
    msg_type: str
    status: str
    chain: str
    sent: datetime
    expires: datetime
    content: Mapping[str, Any]
    cap: str
    digest: str
    lifted: tuple[str, ...] = ()


@dataclass(frozen=True)
class MessageRow:
    """A released message. `json`: its record; `ended_by`: a later message, "expired", or "" while it lasts."""

    identifier: str
    draft_id: str
    region: str
    hazard: str
    level: str
    msg_type: str
    status: str
    chain: str
    sent: datetime
    expires: datetime
    json: str
    cap: str
    digest: str
    signed_by: str
    released_by: str
    released_at: datetime
    ended_by: str = ""
    ended_at: datetime | None = None


def find_message(ledger: Ledger, identifier: str) -> MessageRow | None:
    """The message of this identifier; None where there is none."""
    wanted = select(MESSAGES).where(MESSAGES.c.identifier == identifier)
    with reading(ledger) as connection:
        row = connection.execute(wanted).mappings().one_or_none()
    return None if row is None else MessageRow(**row)


def live_messages(ledger: Ledger, region: str, now: datetime) -> list[MessageRow]:
    """Messages in force: not expired, not ended, no cancellation; by time sent, then identifier.

    Raises:
        TimeError: a naive time.
    """
    return _messages(ledger, _live(region, require_utc(now)))


def list_messages(ledger: Ledger, region: str, *, since: datetime, until: datetime | None = None) -> list[MessageRow]:
    """Messages sent from `since` on, and before `until`; by time sent, then identifier.

    Raises:
        TimeError: a naive time.
    """
    wanted = (MESSAGES.c.region == region) & (MESSAGES.c.sent >= require_utc(since))
    if until is not None:
        wanted &= MESSAGES.c.sent < require_utc(until)
    return _messages(ledger, wanted)


def _messages(ledger: Ledger, which: ColumnElement[bool]) -> list[MessageRow]:
    with reading(ledger) as connection:
        rows = [MessageRow(**row) for row in connection.execute(select(MESSAGES).where(which)).mappings()]
    return sorted(rows, key=lambda row: (row.sent, row.identifier))  # here: databases differ in how they order text


def _live(region: str, now: datetime) -> ColumnElement[bool]:
    table = MESSAGES.c
    return (table.region == region) & (table.ended_by == "") & (table.expires > now) & (table.msg_type != "Cancel")


def message_count(ledger: Ledger, region: str) -> tuple[int, int, int, int]:
    """What changes with every act: messages, drafts and call-outs of the region, and the last audit entry of all."""
    counts = [
        select(func.count()).select_from(table).where(table.c.region == region)
        for table in (MESSAGES, WARNINGS, CALLOUTS)
    ]
    with reading(ledger) as connection:
        messages, drafts, callouts = (int(connection.execute(count).scalar_one()) for count in counts)
        return messages, drafts, callouts, int(connection.execute(select(func.max(AUDIT.c.seq))).scalar() or 0)


def release_messages(  # noqa: PLR0913 (one act, all or nothing)
    ledger: Ledger,
    actor: Actor,
    issues: Sequence[Issue],
    *,
    seen_live: Collection[str],
    ended: Mapping[str, str],
    outbox: Sequence[Message],
    callouts: Sequence[CalloutRow],
    now: datetime,
    reason: str,
) -> list[MessageRow]:
    """Release a bundle of messages of one hazard, end those they follow, and have everybody told: all or nothing.

    Args:
        issues: one for each signed draft.
        seen_live: identifiers of all messages of this region, hazard and status that were in force when the bundle was
            composed; where others are by now, somebody was faster.
        ended: messages in force that the bundle ends, each with the identifier of the one that ends it. What people
            were not yet told of them is not sent any more: they get the newest word (outbox.supersede).
        reason: "": why each draft was made, as its author said.
        outbox, callouts: those of who need be told only if they heard of an ended message too are left out where they
            did not (callouts.carry_over).

    Raises:
        TimeError: a naive time.
        RefusedError: what is in force is not `seen_live`; a draft is not signed; an identifier is taken; the bundle is
            empty or mixed, or ends what is not in force; "Actual" without a person.
        LedgerError: the database fails.
    """
    now = require_utc(now)
    _refuse_bundle(actor, issues, ended)
    with writing(ledger) as transaction:
        _refuse_changed(transaction.connection, issues, seen_live, ended, now)
        drafts = release_drafts(transaction, {issue.draft_id: issue.identifier for issue in issues})
        rows = [_row(issue, drafts[issue.draft_id], actor, now) for issue in issues]
        enter_rows(transaction, MESSAGES, [asdict(row) for row in rows])
        for issue, row in zip(issues, rows, strict=True):
            gone = sorted(old for old, new in ended.items() if new == row.identifier)
            why = reason or reason_of(transaction.connection, row.draft_id)
            change_rows(transaction, MESSAGES, gone, {"ended_by": row.identifier, "ended_at": now})
            detail = {**message_facts(plain(asdict(row))), "ended": gone, "lifted": sorted(issue.lifted)}
            enter_act(transaction, actor, Act(ACTIONS[row.msg_type], row.identifier, why, detail), now=now)
            for old in gone:
                enter_act(transaction, actor, Act("end", old, why, {"by": row.identifier}), now=now)
        closed = supersede(transaction, ended, now=now)
        calls, told = carry_over(transaction.connection, ended, callouts, outbox, closed)
        close_callouts(transaction, ended)
        add_callouts(transaction, calls)
        enqueue(transaction, told, now=now)
    return rows


def _row(issue: Issue, draft: WarningRow, actor: Actor, now: datetime) -> MessageRow:
    return MessageRow(
        issue.identifier, issue.draft_id, issue.region, issue.hazard, issue.level, issue.msg_type, issue.status,
        issue.chain, require_utc(issue.sent), require_utc(issue.expires), content_text(issue.content), issue.cap,
        issue.digest, draft.signed_by, actor.name, now,
    )  # fmt: skip


def _refuse_bundle(actor: Actor, issues: Sequence[Issue], ended: Mapping[str, str]) -> None:
    kinds = {(issue.region, issue.hazard, issue.status) for issue in issues}
    identifiers = {issue.identifier for issue in issues}
    if len(kinds) != 1 or len(identifiers) != len(issues) or len({issue.draft_id for issue in issues}) != len(issues):
        raise RefusedError(
            f"a bundle has messages of one region, hazard and status, each of its own draft; found {sorted(kinds)}",
            f"一次发布只能包含同一地区、同一灾种、同一状态的预警，且每条对应各自的草稿；现为 {sorted(kinds)}",
        )
    if not set(ended.values()) <= identifiers:
        foreign = sorted(set(ended.values()) - identifiers)
        raise RefusedError(
            f"messages are ended by {foreign}, which are not in this bundle: compose it again",
            f"终止者 {foreign} 不在本次发布之中：请重新编排",
        )
    if any(issue.status == "Actual" for issue in issues) and not actor.role:
        raise RefusedError(
            f"{actor.name}: only a person releases what is Actual", f"{actor.name}：正式（Actual）预警只能由人员发布"
        )


def _refuse_changed(
    connection: Connection, issues: Sequence[Issue], seen: Collection[str], ended: Mapping[str, str], now: datetime
) -> None:
    first = issues[0]
    kind = (MESSAGES.c.hazard == first.hazard) & (MESSAGES.c.status == first.status)
    wanted = select(MESSAGES.c.identifier).where(_live(first.region, now) & kind)
    live = set(connection.execute(wanted).scalars())
    if live != set(seen) or not ended.keys() <= live:
        raise RefusedError(
            f"in force are {sorted(live)}, not {sorted(set(seen) | ended.keys())}: somebody was faster, "
            "look at the warnings in force and release again",
            f"当前有效的预警为 {sorted(live)}，而非 {sorted(set(seen) | ended.keys())}：他人已先行操作，"
            "请查看当前有效预警后重新发布",
        )
    taken = sorted(known_keys(connection, MESSAGES, [issue.identifier for issue in issues]))
    if taken:
        raise RefusedError(f"{taken}: already released: release again", f"{taken}：编号已被使用：请重新发布")


def end_expired(ledger: Ledger, region: str, *, now: datetime) -> list[str]:
    """End the messages whose time is over, and the call-outs of them and of other ended ones.

    Returns:
        their identifiers, ascending.

    Raises:
        TimeError: a naive time.
        LedgerError: the database fails.
    """
    now = require_utc(now)
    table = MESSAGES.c
    due = (table.region == region) & (table.ended_by == "") & (table.expires <= now)
    wanted = select(table.identifier).where(due)
    called = (CALLOUTS.c.region == region) & CALLOUTS.c.state.in_(UNANSWERED)
    over = select(table.identifier).join(CALLOUTS, CALLOUTS.c.identifier == table.identifier)
    over = over.where(called, table.ended_by != "").distinct()
    with reading(ledger) as connection:
        if all(connection.execute(some.limit(1)).first() is None for some in (wanted, over)):
            return []
    with writing(ledger) as transaction:
        gone = sorted(transaction.connection.execute(wanted).scalars())
        _expire(transaction, gone, now)
        close_callouts(transaction, list(transaction.connection.execute(over).scalars()))
    return gone


def _expire(transaction: Writing, gone: Sequence[str], now: datetime) -> None:
    change_rows(transaction, MESSAGES, gone, {"ended_by": BY_TIME, "ended_at": now})
    close_callouts(transaction, gone)
    for identifier in gone:
        enter_act(transaction, CLOCK, Act("expire", identifier), now=now)
