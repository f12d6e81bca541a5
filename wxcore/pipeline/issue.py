"""Issuing: what people and the clock do with drafts and messages (DESIGN.md 4, "publish").

Drafts are rows of the machine or of a person; an edit makes a new row. What is released is a message, never changed.
Nothing here looks at cycles again: a late file or a re-analysis makes other drafts, never another message.
"""

import re
from dataclasses import replace
from datetime import datetime, timedelta

from wxcore.errors import IssueError
from wxcore.landing.ledger import (
    DRAFT,
    Actor,
    MessageRow,
    Revision,
    WarningRow,
    end_expired,
    enter_revision,
    expire_due,
    find_draft,
    move_draft,
    sign_draft,
)
from wxcore.landing.ledger.issuing import EXPIRED
from wxcore.pipeline.issue_bundle import make_composed, make_messages
from wxcore.pipeline.issue_calls import acknowledge_token, callout_of_token, escalate
from wxcore.pipeline.issue_office import (
    Office,
    digest_of,
    draft_row,
    drafts_open,
    live_records,
    message_row,
    open_office,
    record_of,
    require_issuer,
    require_reason,
)
from wxcore.pipeline.issue_release import MOST_A_MINUTE, auto_release, release
from wxcore.pipeline.policy import Policy
from wxcore.times import beijing, require_utc
from wxcore.warning.lifecycle import Edit, cancellation, edited, follow_up
from wxcore.warning.model import Warning, digest, to_dict
from wxcore.warning.text import render_texts

__all__ = [
    "MOST_A_MINUTE", "Edit", "Office", "Policy", "acknowledge_token", "auto_release", "callout_of_token", "digest_of",
    "drafts_open", "edit_draft", "edited_from", "escalate", "make_composed", "make_messages", "open_office",
    "prepare_cancel", "prepare_update", "ran_out_lately", "record_of", "reject", "release", "reopen", "review", "sign",
    "tick",
]  # fmt: skip

_EDIT = re.compile(r"\.e\d+$")


def edit_draft(office: Office, actor: Actor, id: str, edit: Edit, *, now: datetime, reason: str) -> WarningRow:  # noqa: A002
    """Make a new draft from one; the old one is superseded, a signature on it is not taken over.

    Raises:
        IssueError: no forecaster, no reason, nothing changed, or a level, district or end that cannot be.
        LedgerError: the draft was edited, signed or released meanwhile.
        TimeError: `now` is naive.
    """
    now, why = require_utc(now), require_reason(reason)
    require_issuer(actor, "edit")
    row = draft_row(office, id)
    name = _free(office, _EDIT.sub("", id), "e")
    record = edited(
        record_of(row), edit, office.book, id=name, now=now, region=office.region, live=live_records(office, now)
    )
    return _enter(office, actor, record, row.id, now, why)


def edited_from(office: Office, row: WarningRow) -> WarningRow | None:
    """The edit that took the place of this draft; None where nobody edited it."""
    base, count = _EDIT.sub("", row.id), 1
    while (edit := find_draft(office.ledger, f"{base}.e{count}")) is not None and edit.parent != row.id:
        count += 1
    return edit


def review(
    office: Office,
    actor: Actor,
    id: str,  # noqa: A002
    *,
    now: datetime,
    digest: str,
    reason: str = "",
) -> WarningRow:
    """Mark a draft as under review, for a second pair of eyes.

    Raises:
        IssueError: no forecaster, or no such draft.
        LedgerError: its content is not what `digest` says, or its state does not allow it.
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    return _move(office, actor, id, ("review", "review"), now, reason.strip(), digest)


def reject(
    office: Office,
    actor: Actor,
    id: str,  # noqa: A002
    *,
    now: datetime,
    reason: str,
    digest: str,
) -> WarningRow:
    """Reject a draft, with a reason.

    Raises:
        IssueError: no forecaster, no reason, or no such draft.
        LedgerError: as `review`.
        TimeError: `now` is naive.
    """
    now, why = require_utc(now), require_reason(reason)
    return _move(office, actor, id, ("reject", "rejected"), now, why, digest)


def reopen(
    office: Office,
    actor: Actor,
    id: str,  # noqa: A002
    *,
    now: datetime,
    reason: str,
    digest: str,
) -> WarningRow:
    """Take a signature back, or a rejection: the draft can be edited and signed again.

    Raises:
        IssueError: no forecaster, no reason, or no such draft.
        LedgerError: as `review`.
        TimeError: `now` is naive.
    """
    now, why = require_utc(now), require_reason(reason)
    return _move(office, actor, id, ("reopen", DRAFT), now, why, digest)


def _move(
    office: Office, actor: Actor, name: str, act: tuple[str, str], now: datetime, reason: str, digest: str
) -> WarningRow:
    what, state = act
    require_issuer(actor, what)
    draft_row(office, name)
    return move_draft(office.ledger, actor, name, state, now=now, reason=reason, digest=digest)


def sign(office: Office, actor: Actor, id: str, digest: str, *, now: datetime) -> WarningRow:  # noqa: A002
    """Sign a draft by what it says, for the office's status: `digest` is that of the content that was looked at.

    Raises:
        IssueError: no forecaster, or no such draft; it is over, or too old for a release.
        LedgerError: the content is another one by now, another person signed another content, or the state does not
            allow it.
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    require_issuer(actor, "sign")
    _require_timely(record_of(draft_row(office, id)), now, office.book.horizon_min)
    return sign_draft(office.ledger, actor, id, digest, now=now, status=office.policy.status)


def _require_timely(draft: Warning, now: datetime, horizon_min: float) -> None:
    """Refuse what no release would take: `sent` is the time of the analysis, or when an update was begun."""
    if draft.msg_type != "Cancel" and draft.expires <= now:
        raise IssueError(
            f"{draft.id} ended at {beijing(draft.expires):%Y-%m-%d %H:%M} BJT: edit its end, or take a newer draft",
            f"{draft.id} 已于 {beijing(draft.expires):%Y-%m-%d %H:%M}（北京时）失效：请修改失效时间，或签发较新的草稿",
        )
    if now - draft.sent > timedelta(minutes=horizon_min):
        raise IssueError(
            f"{draft.id} is of {beijing(draft.sent):%Y-%m-%d %H:%M} BJT, more than {horizon_min:g} min ago, and could "
            "not be released: sign a newer draft, or prepare the update again",
            f"{draft.id} 形成于 {beijing(draft.sent):%Y-%m-%d %H:%M}（北京时），已超过{horizon_min:g}分钟，不能再发布："
            "请签发较新的草稿，或重新拟制更新",
        )


def prepare_update(office: Office, actor: Actor, identifier: str, *, now: datetime, reason: str) -> WarningRow:
    """Begin the update of a message: a draft with its content, to be edited, signed and released.

    Of one that ran out within the rules' horizon: the draft of a new alert, valid from now for as long as that one was.

    Raises:
        IssueError: no forecaster, no reason, or the message is not in force and did not just run out.
        TimeError: `now` is naive.
    """
    now, why = require_utc(now), require_reason(reason)
    require_issuer(actor, "update")
    message, name = _not_replaced(office, identifier), _free(office, identifier, "u")
    if ran_out_lately(office, message, now=now):
        again = replace(message, expires=now + (message.expires - message.onset))
        record = follow_up(again, id=name, now=now, book=office.book)
        alert = replace(record, msg_type="Alert", serial=1, references=(), shortened_from=None)
        record = render_texts(alert, office.book)
    else:
        record = follow_up(message, id=name, now=now, book=office.book)
    return _enter(office, actor, record, identifier, now, why)


def ran_out_lately(office: Office, message: Warning, *, now: datetime) -> bool:
    """Did it run out within the rules' horizon, so that it can be taken up again?

    Raises:
        TimeError: `now` is naive.
    """
    gone = require_utc(now) - message.expires
    return message.msg_type != "Cancel" and timedelta(0) <= gone <= timedelta(minutes=office.book.horizon_min)


def prepare_cancel(
    office: Office,
    actor: Actor,
    identifier: str,
    *,
    now: datetime,
    reason: str,
    remark_zh: str = "",
    remark_en: str = "",
) -> WarningRow:
    """Begin the cancellation of a message: a draft, to be signed and released.

    Raises:
        IssueError: no forecaster, no reason, or the message is not in force.
        TimeError: `now` is naive.
    """
    now, why = require_utc(now), require_reason(reason)
    require_issuer(actor, "cancel")
    message, name = _not_replaced(office, identifier), _free(office, identifier, "c")
    record = cancellation(message, id=name, now=now, remark_zh=remark_zh, remark_en=remark_en, book=office.book)
    return _enter(office, actor, record, identifier, now, why)


def _not_replaced(office: Office, identifier: str) -> Warning:
    row: MessageRow = message_row(office, identifier)
    if row.ended_by not in {"", EXPIRED}:
        raise IssueError(
            f"{identifier} was ended by {row.ended_by}: it can be neither updated nor cancelled",
            f"{identifier} 已被 {row.ended_by} 终止，不能再更新或解除",
        )
    return record_of(row)


def _free(office: Office, base: str, kind: str) -> str:
    """The next id of an edit (e), update (u) or cancellation (c): `base.e1`, `base.e2` ..."""
    count = 1
    while find_draft(office.ledger, f"{base}.{kind}{count}") is not None:
        count += 1
    return f"{base}.{kind}{count}"


def _enter(office: Office, actor: Actor, record: Warning, parent: str, now: datetime, reason: str) -> WarningRow:
    revision = Revision(
        id=record.id, parent=parent, region=record.region, cycle_time=record.cycle, hazard=record.hazard,
        level=record.level, content=to_dict(record), digest=digest(record),
    )  # fmt: skip
    enter_revision(office.ledger, actor, revision, now=now, reason=reason)
    return draft_row(office, record.id)


def tick(office: Office, *, now: datetime) -> None:
    """What the clock does, every few seconds: end what has expired, call the next person, close deliveries that ran
    out, and where the policy says so release what the machine drafted.

    Raises:
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    end_expired(office.ledger, office.region.id, now=now)
    escalate(office, now=now)
    expire_due(office.ledger, now=now)
    if office.policy.auto_release:
        auto_release(office, [row.id for row in drafts_open(office, now)], now=now)
