"""Warnings: drafts, and what became of them."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from wxcore.landing.ledger.engine import Writing, reading
from wxcore.landing.ledger.journal import WARNINGS_JOURNAL, Replayer, plain, row_of
from wxcore.landing.ledger.tables import WARNINGS, Ledger
from wxcore.times import require_utc

DRAFT, WITHDRAWN = "draft", "withdrawn"


@dataclass(frozen=True)
class WarningRow:
    """One warning; `json` is its whole content."""

    id: str
    region: str
    cycle_time: datetime
    hazard: str
    level: str
    state: str
    json: str
    created_at: datetime


@dataclass(frozen=True)
class Draft:
    """A draft to enter; `content` is what JSON can hold."""

    id: str
    hazard: str
    level: str
    content: Mapping[str, Any]


def enter_drafts(transaction: Writing, region: str, time: datetime, drafts: Iterable[Draft]) -> int:
    """Enter the drafts of a cycle.

    The same again changes nothing; a draft with other content is replaced, one that was withdrawn is a draft again.
    What is no longer a draft stays as it is: no run of a cycle rewrites an issued warning (RELIABILITY.md A10).

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
            "json": json.dumps(draft.content, ensure_ascii=False, sort_keys=True),
            "created_at": now,
        }
        if _draft(transaction.connection, values):
            transaction.tell(WARNINGS_JOURNAL, "draft", plain(values))
            changed += 1
    return changed


def withdraw_drafts(transaction: Writing, region: str, time: datetime, keep: Collection[str]) -> list[str]:
    """Mark the drafts of a cycle that a new run of it does not make again; only drafts can be withdrawn.

    Returns:
        their ids, ascending.

    Raises:
        TimeError: a naive time.
    """
    table = WARNINGS.c
    here = (table.region == region) & (table.cycle_time == require_utc(time)) & (table.state == DRAFT)
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
    if known["state"] not in {DRAFT, WITHDRAWN} or (known["state"], known["json"]) == (DRAFT, values["json"]):
        return False
    kept = {key: value for key, value in values.items() if key != "created_at"}
    connection.execute(update(WARNINGS).where(here).values(kept))
    return True


def _withdraw(connection: Connection, ids: Collection[str]) -> None:
    drafts = WARNINGS.c.id.in_(ids) & (WARNINGS.c.state == DRAFT)
    connection.execute(update(WARNINGS).where(drafts).values(state=WITHDRAWN))


def _replay_draft(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        _draft(connection, row_of(WARNINGS, data))


def _replay_withdraw(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        _withdraw(connection, data["ids"])


REPLAY: Mapping[str, Replayer] = {"draft": _replay_draft, "withdraw": _replay_withdraw}


def warnings_before(ledger: Ledger, region: str, time: datetime, *, since: datetime | None = None) -> list[WarningRow]:
    """Warnings of the cycles before `time` (and from `since` on), by cycle, then id."""
    table = WARNINGS.c
    wanted = select(WARNINGS).where(table.region == region, table.cycle_time < require_utc(time))
    if since is not None:
        wanted = wanted.where(table.cycle_time >= require_utc(since))
    with reading(ledger) as connection:
        rows = [WarningRow(**row) for row in connection.execute(wanted).mappings()]
    return sorted(rows, key=lambda row: (row.cycle_time, row.id))  # here: databases differ in how they order text
