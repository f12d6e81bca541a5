"""Warnings: drafts, and what became of them."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select, update

from wxcore.errors import LedgerError
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


def record_warnings(ledger: Ledger, warnings: Iterable[tuple[str, str, datetime, str, str, Mapping[str, Any]]]) -> int:
    """Enter drafts: (id, region, cycle time, hazard, level, content that JSON can hold).

    The same again changes nothing; a draft with other content is replaced.

    Returns:
        How many rows were new or changed.

    Raises:
        LedgerError: other content under the id of a warning that is no longer a draft: it is never edited.
    """
    changed = 0
    with ledger.engine.begin() as connection:
        for identifier, region, time, hazard, level, content in warnings:
            text = json.dumps(content, ensure_ascii=False, sort_keys=True)
            values = {"region": region, "cycle_time": time, "hazard": hazard, "level": level, "json": text}
            here = WARNINGS.c.id == identifier
            known = connection.execute(select(WARNINGS).where(here)).mappings().one_or_none()
            if known is not None and known["json"] == text and known["state"] != WITHDRAWN:
                continue
            if known is None:
                row = {**values, "id": identifier, "state": DRAFT, "created_at": datetime.now(UTC)}
                connection.execute(insert(WARNINGS).values(row))
            elif known["state"] in {DRAFT, WITHDRAWN}:
                connection.execute(update(WARNINGS).where(here).values(state=DRAFT, **values))
            else:
                raise LedgerError(
                    f"warning {identifier} is {known['state']}, not a draft: make an update that refers to it",
                    f"预警 {identifier} 状态为 {known['state']}，不是草稿，不能修改：请发布引用它的更新",
                )
            changed += 1
    return changed


def withdraw_drafts(ledger: Ledger, region: str, time: datetime, keep: Collection[str]) -> list[str]:
    """Mark the drafts of a cycle that a new run of it does not make again; only drafts can be withdrawn.

    Returns:
        their ids, ascending.
    """
    table = WARNINGS.c
    here = (table.region == region) & (table.cycle_time == require_utc(time)) & (table.state == DRAFT)
    with ledger.engine.begin() as connection:
        gone = sorted(set(connection.execute(select(table.id).where(here)).scalars()) - set(keep))
        if gone:
            connection.execute(update(WARNINGS).where(table.id.in_(gone)).values(state=WITHDRAWN))
    return gone


def warnings_before(ledger: Ledger, region: str, time: datetime, *, since: datetime | None = None) -> list[WarningRow]:
    """Warnings of the cycles before `time` (and from `since` on), by cycle, then id."""
    table = WARNINGS.c
    wanted = select(WARNINGS).where(table.region == region, table.cycle_time < require_utc(time))
    if since is not None:
        wanted = wanted.where(table.cycle_time >= require_utc(since))
    with ledger.reader.connect() as connection:
        rows = connection.execute(wanted.order_by(table.cycle_time, table.id)).mappings()
        return [WarningRow(**row) for row in rows]
