"""Drafts in the hands of people: edited into new rows, reviewed, rejected, signed; never changed in place."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from wxcore.errors import RefusedError
from wxcore.landing.ledger.audit import MACHINE, Act, Actor, detail_of, enter_act
from wxcore.landing.ledger.engine import Writing, reading, writing
from wxcore.landing.ledger.issue_tables import AUDIT, MESSAGES
from wxcore.landing.ledger.rows import change_rows, enter_rows
from wxcore.landing.ledger.tables import WARNINGS, Ledger
from wxcore.landing.ledger.warnings import (
    BY_PERSON,
    DRAFT,
    WarningRow,
    content_digest,
    content_text,
    draft_of,
)
from wxcore.times import require_utc

REVIEW, SIGNED, RELEASED, REJECTED, SUPERSEDED = "review", "signed", "released", "rejected", "superseded"

MOVES: Mapping[str, frozenset[str]] = {
    DRAFT: frozenset({REVIEW, REJECTED}),
    REVIEW: frozenset({DRAFT, REJECTED}),
    SIGNED: frozenset({DRAFT, REJECTED}),
    REJECTED: frozenset({DRAFT}),
}
"""Where a draft may be moved from each state; a signature falls away with the move. All else goes another way."""

EDITABLE = frozenset({DRAFT, REVIEW, REJECTED})
SIGNABLE = frozenset({DRAFT, REVIEW})

EXPIRED = "expired"
"""`ended_by` of a message that ran out: nothing took its place, so that a person may go on from it."""


@dataclass(frozen=True)
class Revision:
    """A draft that a person made, of a draft or a message (`parent`; "" of nothing). `content`: what JSON can hold."""

    id: str
    parent: str
    region: str
    cycle_time: datetime
    hazard: str
    level: str
    content: Mapping[str, Any]
    digest: str = ""


def find_draft(ledger: Ledger, id: str) -> WarningRow | None:  # noqa: A002
    """The draft of this id, of machine or person; None where there is none."""
    with reading(ledger) as connection:
        return _find(connection, id)


def list_drafts(
    ledger: Ledger, region: str, *, since: datetime, states: Collection[str] | None = None
) -> list[WarningRow]:
    """Drafts of the cycles from `since` on, by cycle, then id: in some states, or all.

    Raises:
        TimeError: a naive time.
    """
    table = WARNINGS.c
    wanted = select(WARNINGS).where(table.region == region, table.cycle_time >= require_utc(since))
    if states is not None:
        wanted = wanted.where(table.state.in_(list(states)))
    with reading(ledger) as connection:
        rows = [draft_of(row) for row in connection.execute(wanted).mappings()]
    return sorted(rows, key=lambda row: (row.cycle_time, row.id))  # here: databases differ in how they order text


def enter_revision(ledger: Ledger, actor: Actor, revision: Revision, *, now: datetime, reason: str) -> WarningRow:
    """Enter what a person made of a draft, which is superseded by it, or of a message, which stays as it is.

    A message that ran out may be gone on from; one that another message ended may not.

    Raises:
        TimeError: a naive time.
        RefusedError: the parent is unknown, signed, released, withdrawn, or edited by somebody already; the message
            was ended by another; the id is taken; the digest is not that of the content.
        LedgerError: the database fails.
    """
    now, cycle_time = require_utc(now), require_utc(revision.cycle_time)
    digest = content_digest(revision.content)
    if revision.digest not in {"", digest}:
        raise RefusedError(
            f"{revision.id}: digest {revision.digest} is not that of the content, {digest}: make the draft again",
            f"{revision.id}：摘要 {revision.digest} 与内容不符（应为 {digest}）：请重新生成该草稿",
        )
    made = WarningRow(
        revision.id, revision.region, cycle_time, revision.hazard, revision.level, DRAFT,
        content_text(revision.content), now, BY_PERSON, revision.parent, actor.name, digest, reason=reason,
    )  # fmt: skip
    with writing(ledger) as transaction:
        if _find(transaction.connection, revision.id) is not None:
            raise RefusedError(
                f"{revision.id}: there is a draft of this id already: look at it, or edit again",
                f"{revision.id}：已有同编号的草稿：请查看该草稿，或重新编辑",
            )
        if revision.parent:
            _supersede(transaction, revision)
        enter_rows(transaction, WARNINGS, [asdict(made)])
        detail = {"parent": revision.parent, "digest": digest, "level": revision.level}
        enter_act(transaction, actor, Act("edit", revision.id, reason, detail), now=now)
    return made


def _supersede(transaction: Writing, revision: Revision) -> None:
    parent = _find(transaction.connection, revision.parent)
    if parent is None:
        _refuse_ended(transaction.connection, revision.parent)
    elif parent.state not in EDITABLE:
        raise _refused_state(parent, "edited", "编辑", EDITABLE)
    else:
        change_rows(transaction, WARNINGS, [parent.id], {"state": SUPERSEDED})


def _refuse_ended(connection: Connection, identifier: str) -> None:
    wanted = select(MESSAGES.c.ended_by).where(MESSAGES.c.identifier == identifier)
    ended_by = connection.execute(wanted).scalar_one_or_none()
    if ended_by is None:
        raise unknown(identifier)
    if ended_by not in {"", EXPIRED}:
        raise RefusedError(
            f"{identifier}: this message has ended already ({ended_by}): go on from the newest of its chain",
            f"{identifier}：该预警已终止（{ended_by}）：请从同一链条的最新一条继续",
        )


def move_draft(
    ledger: Ledger,
    actor: Actor,
    id: str,  # noqa: A002
    state: str,
    *,
    now: datetime,
    reason: str,
    digest: str,
) -> WarningRow:
    """Send a draft to review, reject it (with a reason), or take it back to draft; a signature on it falls away.

    The same again changes nothing.

    Args:
        digest: of what was looked at.

    Raises:
        TimeError: a naive time.
        RefusedError: unknown, changed since it was looked at, or no move from where it is; rejected without a reason.
        LedgerError: the database fails.
    """
    now = require_utc(now)
    if state == REJECTED and not reason.strip():
        raise RefusedError(f"{id}: say why it is rejected", f"{id}：驳回时请填写理由")
    with writing(ledger) as transaction:
        found = _seen(transaction.connection, id, digest)
        if found.state == state:
            return found
        if state not in MOVES.get(found.state, frozenset()):
            raise _refused_state(found, f"moved to {state}", f"转为“{state}”", _sources(state))
        values = {"state": state, "reason": reason, "signed_by": "", "signed_at": None}
        change_rows(transaction, WARNINGS, [id], values)
        detail = {"from": found.state, "digest": digest, "signed_by": found.signed_by}
        action = {REVIEW: "review", REJECTED: "reject"}.get(state, "reopen")
        enter_act(transaction, actor, Act(action, id, reason, detail), now=now)
        return WarningRow(**{**asdict(found), **values})


def _sources(state: str) -> frozenset[str]:
    return frozenset(source for source, targets in MOVES.items() if state in targets)


def sign_draft(
    ledger: Ledger,
    actor: Actor,
    id: str,  # noqa: A002
    digest: str,
    *,
    now: datetime,
    status: str = "",
) -> WarningRow:
    """Sign the content that was looked at. The same content signed again changes nothing, whoever does.

    A signature that the machine gave, or that was given under another status, is replaced by a person's.

    Args:
        status: what the message is to go out as; kept with the signature in the audit log.

    Raises:
        TimeError: a naive time.
        RefusedError: unknown, changed since it was looked at, or neither draft nor in review; the content is not what
            was entered.
        LedgerError: the database fails.
    """
    now = require_utc(now)
    with writing(ledger) as transaction:
        found = _seen(transaction.connection, id, digest)
        refuse_altered(found)
        if found.state == SIGNED and (not actor.role or _signed_for(transaction.connection, found, status)):
            return found
        if found.state not in SIGNABLE | {SIGNED}:
            raise _refused_state(found, "signed", "签发", SIGNABLE)
        values = {"state": SIGNED, "signed_by": actor.name, "signed_at": now, "digest": digest}
        change_rows(transaction, WARNINGS, [id], values)
        detail = {"from": found.state, "digest": digest, "status": status}
        enter_act(transaction, actor, Act("sign", id, "", detail), now=now)
        return WarningRow(**{**asdict(found), **values})


def signed_for(ledger: Ledger, found: WarningRow, status: str) -> bool:
    """Is the draft signed, by a person, for this status? Else whoever releases it signs it anew."""
    with reading(ledger) as connection:
        return _signed_for(connection, found, status)


def _signed_for(connection: Connection, found: WarningRow, status: str) -> bool:
    by_person = found.signed_by not in {"", MACHINE.name}
    return found.state == SIGNED and by_person and _signature(connection, found.id).get("status", "") == status


def _signature(connection: Connection, name: str) -> Mapping[str, Any]:
    """What the audit log holds of the last signature of a draft; nothing where there is none."""
    last = _last_act(connection, name, "sign")
    return {} if last is None else detail_of(last.detail)


def reason_of(connection: Connection, name: str) -> str:
    """Why a person made this draft; "" of the machine's."""
    last = _last_act(connection, name, "edit")
    return "" if last is None else str(last.reason)


def _last_act(connection: Connection, name: str, action: str) -> Row[Any] | None:
    these = (AUDIT.c.subject == name) & (AUDIT.c.action == action)
    wanted = select(AUDIT.c.reason, AUDIT.c.detail).where(these).order_by(AUDIT.c.seq.desc()).limit(1)
    return connection.execute(wanted).one_or_none()


def require_as_signed(ledger: Ledger, found: WarningRow) -> None:
    """Refuse a draft whose content is not the one that was signed.

    Raises:
        RefusedError: it is another one, by the row or by the audit log.
    """
    with reading(ledger) as connection:
        _require_as_signed(connection, found)


def _require_as_signed(connection: Connection, found: WarningRow) -> None:
    refuse_altered(found)
    signed = str(_signature(connection, found.id).get("digest", ""))
    if signed != found.digest:
        raise _altered(found, found.digest, signed)


def refuse_altered(found: WarningRow) -> None:
    """Refuse a draft whose content is not what was entered: somebody edited the database.

    Raises:
        RefusedError: its digest is another one.
    """
    digest = content_digest(json.loads(found.json))
    if digest != found.digest:
        raise _altered(found, digest, found.digest)


def _altered(found: WarningRow, digest: str, expected: str) -> RefusedError:
    return RefusedError(
        f"{found.id}: the content was changed around the programme (digest {digest[:12]}, entered or signed was "
        f"{expected[:12] or 'none'}): it is not released; reject it, make a new draft, and run `wx warnings audit "
        "--verify`",
        f"{found.id}：草稿内容被绕过程序改动（现摘要 {digest[:12]}，登记或签名时为 {expected[:12] or '无'}）："
        "不予发布；请驳回并另拟新稿，再运行 `wx warnings audit --verify` 核验",
    )


def _find(connection: Connection, name: str) -> WarningRow | None:
    row = connection.execute(select(WARNINGS).where(WARNINGS.c.id == name)).mappings().one_or_none()
    return None if row is None else draft_of(row)


def _seen(connection: Connection, name: str, digest: str) -> WarningRow:
    """The draft, if it still is what was looked at."""
    found = _find(connection, name)
    if found is None:
        raise unknown(name)
    if found.digest != digest:
        signer = f", signed by {found.signed_by}" if found.signed_by else ""
        signer_zh = f"，已由 {found.signed_by} 签名" if found.signed_by else ""
        raise RefusedError(
            f"{name}: the draft is not what was looked at (digest {found.digest[:12]}{signer}, not {digest[:12]}): "
            "look at it again",
            f"{name}：草稿内容已变（现摘要 {found.digest[:12]}{signer_zh}，所阅为 {digest[:12]}）：请重新查看",
        )
    return found


def unknown(name: str) -> RefusedError:
    """What is said where there is neither draft nor message of a name."""
    return RefusedError(
        f"{name}: no such draft or message: look at the list again", f"{name}：没有此草稿或预警：请刷新列表"
    )


def _refused_state(found: WarningRow, done: str, done_zh: str, allowed: Collection[str]) -> RefusedError:
    wanted = ", ".join(sorted(allowed)) or "-"
    return RefusedError(
        f"{found.id}: it is {found.state} and cannot be {done} (only from: {wanted}): look at it again",
        f"{found.id}：当前状态为 {found.state}，不能{done_zh}（仅限状态：{wanted}）：请重新查看",
    )


def release_drafts(transaction: Writing, messages: Mapping[str, str]) -> Mapping[str, WarningRow]:
    """Mark signed drafts (ids, with the message made of each) as released.

    Raises:
        RefusedError: one is unknown, not signed, or not what was signed.
    """
    drafts = {}
    for name, identifier in messages.items():
        found = _find(transaction.connection, name)
        if found is None:
            raise unknown(name)
        if found.state != SIGNED:
            raise _refused_state(found, "released", "发布", {SIGNED})
        _require_as_signed(transaction.connection, found)
        change_rows(transaction, WARNINGS, [name], {"state": RELEASED, "message": identifier})
        drafts[name] = found
    return drafts
