"""Warnings: what the machine drafted, and what became of it; what people make of it is in issuing.py."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select, update

from wxcore.landing.ledger.engine import Writing, reading
from wxcore.landing.ledger.journal import WARNINGS_JOURNAL, Replayer, plain, row_of
from wxcore.landing.ledger.tables import WARNINGS, Ledger
from wxcore.times import require_utc

DRAFT, WITHDRAWN = "draft", "withdrawn"
BY_MACHINE, BY_PERSON = "machine", "person"


@dataclass(frozen=True)
class WarningRow:
    """One draft; `json` is its whole content, `digest` the `content_digest` of it.

    Attributes:
        state: draft, review, signed, released, rejected, withdrawn (a new run of the cycle does not make it again) or
            superseded (somebody edited it: another row has it as `parent`).
        origin: machine or person.
        parent: the draft, or the message, that a person made it from.
        author: who made it.
        message: identifier of what was released of it.
        reason: of the last move, or of the edit that made it.
    """

    id: str
    region: str
    cycle_time: datetime
    hazard: str
    level: str
    state: str
    json: str
    created_at: datetime
    origin: str = BY_MACHINE
    parent: str = ""
    author: str = ""
    digest: str = ""
    signed_by: str = ""
    signed_at: datetime | None = None
    message: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Draft:
    """A draft to enter; `content` is what JSON can hold."""

    id: str
    hazard: str
    level: str
    content: Mapping[str, Any]


def content_digest(content: Mapping[str, Any]) -> str:
    """What a person signs: sha256 of the canonical JSON of a record (sorted keys, UTF-8, no blanks)."""
    return hashlib.sha256(
        json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def content_text(content: Mapping[str, Any]) -> str:
    """How a record is kept."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True)


def draft_of(row: RowMapping) -> WarningRow:
    """A row of the table, with its digest where it was entered before there were any."""
    found = WarningRow(**row)
    return found if found.digest else replace(found, digest=content_digest(json.loads(found.json)))


def enter_drafts(transaction: Writing, region: str, time: datetime, drafts: Iterable[Draft]) -> int:
    """Enter the drafts of a cycle.

    The same again changes nothing; a draft with other content is replaced, one that was withdrawn is a draft again.
    What is no longer a draft stays as it is, and so does what a person made: no run of a cycle rewrites an issued
    warning (RELIABILITY.md A10), nor what somebody is looking at to sign it.

    Returns:
        How many rows were new or changed.

    Raises:
        TimeError: a naive time.
    """
    now, changed = datetime.now(UTC), 0
    for draft in drafts:
        values = {
            "id": draft.id,
            "region": region,
            "cycle_time": require_utc(time),
            "hazard": draft.hazard,
            "level": draft.level,
            "state": DRAFT,
            "json": content_text(draft.content),
            "created_at": now,
            "digest": content_digest(draft.content),
        }
        if _draft(transaction.connection, values):
            transaction.tell(WARNINGS_JOURNAL, "draft", plain(values))
            changed += 1
    return changed


def withdraw_drafts(transaction: Writing, region: str, time: datetime, keep: Collection[str]) -> list[str]:
    """Mark the drafts of a cycle that a new run of it does not make again; only the machine's, and only drafts.

    Returns:
        their ids, ascending.

    Raises:
        TimeError: a naive time.
    """
    table = WARNINGS.c
    here = (table.region == region) & (table.cycle_time == require_utc(time)) & _ours()
    gone = sorted(set(transaction.connection.execute(select(table.id).where(here)).scalars()) - set(keep))
    if gone:
        transaction.tell(WARNINGS_JOURNAL, "withdraw", {"ids": gone})
        _withdraw(transaction.connection, gone)
    return gone


def _draft(connection: Connection, values: Mapping[str, Any]) -> bool:
    here = WARNINGS.c.id == values["id"]
    known = connection.execute(select(WARNINGS).where(here)).mappings().one_or_none()
    if known is None:
        connection.execute(insert(WARNINGS).values(values))
        return True
    if known["origin"] != BY_MACHINE or known["state"] not in {DRAFT, WITHDRAWN}:
        return False
    if (known["state"], known["json"]) == (DRAFT, values["json"]):
        return False
    kept = {key: value for key, value in values.items() if key != "created_at"}
    connection.execute(update(WARNINGS).where(here).values(kept))
    return True


def _withdraw(connection: Connection, ids: Collection[str]) -> None:
    connection.execute(update(WARNINGS).where(WARNINGS.c.id.in_(ids) & _ours()).values(state=WITHDRAWN))


def _ours() -> ColumnElement[bool]:
    """Is it a draft still, and of the machine?"""
    return (WARNINGS.c.state == DRAFT) & (WARNINGS.c.origin == BY_MACHINE)


def _replay_draft(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        _draft(connection, row_of(WARNINGS, data))


def _replay_withdraw(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        _withdraw(connection, data["ids"])


REPLAY: Mapping[str, Replayer] = {"draft": _replay_draft, "withdraw": _replay_withdraw}


def warnings_before(ledger: Ledger, region: str, time: datetime, *, since: datetime | None = None) -> list[WarningRow]:
    """What the machine drafted in the cycles before `time` (and from `since` on), by cycle, then id.

    Whatever people did with it: a draft that was rejected, edited or released still stands for the machine.
    """
    table = WARNINGS.c
    before = (table.region == region) & (table.cycle_time < require_utc(time))
    wanted = select(WARNINGS).where(before, table.origin == BY_MACHINE)
    if since is not None:
        wanted = wanted.where(table.cycle_time >= require_utc(since))
    with reading(ledger) as connection:
        rows = [draft_of(row) for row in connection.execute(wanted).mappings()]
    return sorted(rows, key=lambda row: (row.cycle_time, row.id))  # here: databases differ in how they order text
