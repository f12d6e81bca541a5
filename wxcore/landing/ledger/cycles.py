"""Cycles and their versions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from wxcore.landing.ledger.engine import Writing, reading, writing
from wxcore.landing.ledger.journal import WARNINGS_JOURNAL, Replayer, plain, row_of
from wxcore.landing.ledger.tables import CYCLE_VERSIONS, CYCLES, Ledger, utc_text
from wxcore.times import require_utc

NOT_A_VERSION = {"committed_at", "basis"}
"""Columns that may change without making another version: what the cycle says is the same."""

VERSION, BASIS = "version", "basis"


@dataclass(frozen=True)
class CycleRow:
    """One version of one cycle of a region. `basis`, `reanalysis`: see tables.py."""

    region: str
    time: datetime
    snapshot_id: str
    fingerprint: str
    degraded: bool
    missing: tuple[str, ...]
    committed_at: datetime
    basis: str = ""
    reanalysis: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a run of a cycle came to."""

    snapshot_id: str
    fingerprint: str
    degraded: bool
    missing: tuple[str, ...]
    basis: str = ""
    reanalysis: bool = False


def enter_cycle(transaction: Writing, region: str, time: datetime, outcome: Outcome) -> bool:
    """Enter the newest version of a cycle; the versions before it stay in `cycle_versions`.

    Returns:
        False where this very version is the newest already.

    Raises:
        TimeError: a naive time.
    """
    values = {
        "region": region,
        "time": require_utc(time),
        "snapshot_id": outcome.snapshot_id,
        "fingerprint": outcome.fingerprint,
        "degraded": outcome.degraded,
        "missing": json.dumps(list(outcome.missing), ensure_ascii=False),
        "committed_at": datetime.now(UTC),
        "basis": outcome.basis,
        "reanalysis": outcome.reanalysis,
    }
    changed = _enter(transaction.connection, values)
    if changed:
        transaction.tell(WARNINGS_JOURNAL, "cycle", plain(values))
    return changed == VERSION


def mark_stale(ledger: Ledger, region: str, times: Sequence[datetime]) -> None:
    """Let these cycles be run again: their basis is forgotten.

    Raises:
        LedgerError: the database or the journal fails.
        TimeError: a naive time.
    """
    if not times:
        return
    event = {"region": region, "times": [utc_text(time) for time in times]}
    with writing(ledger) as transaction:
        transaction.tell(WARNINGS_JOURNAL, "stale", event)
        _replay_stale(transaction.connection, [event])


def marked_stale(ledger: Ledger, region: str) -> list[datetime]:
    """The cycles that `mark_stale` marked and that were not run since, ascending."""
    wanted = select(CYCLES.c.time).where(CYCLES.c.region == region, CYCLES.c.basis == "").order_by(CYCLES.c.time)
    with reading(ledger) as connection:
        return list(connection.execute(wanted).scalars())


def _enter(connection: Connection, values: Mapping[str, Any]) -> str:
    """VERSION or BASIS where that changed, else ""."""
    here = (CYCLES.c.region == values["region"]) & (CYCLES.c.time == values["time"])
    known = connection.execute(select(CYCLES).where(here)).mappings().one_or_none()
    if known is not None and all(known[key] == value for key, value in values.items() if key not in NOT_A_VERSION):
        if values["basis"] == known["basis"]:
            return ""
        connection.execute(update(CYCLES).where(here).values(basis=values["basis"]))
        return BASIS
    if known is None:
        connection.execute(insert(CYCLES).values(values))
    else:
        connection.execute(update(CYCLES).where(here).values(values))
    connection.execute(insert(CYCLE_VERSIONS).values(values))
    return VERSION


def _replay_cycle(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        _enter(connection, row_of(CYCLES, data))


def _replay_stale(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    for data in events:
        for time in data["times"]:
            here = row_of(CYCLES, {"region": data["region"], "time": time})
            connection.execute(update(CYCLES).filter_by(**here).values(basis=""))


REPLAY: Mapping[str, Replayer] = {"cycle": _replay_cycle, "stale": _replay_stale}


def _cycle(row: RowMapping) -> CycleRow:
    columns = {name: row[name] for name in CYCLES.columns.keys()}  # noqa: SIM118 (a ColumnCollection is no dict)
    return CycleRow(**{**columns, "missing": tuple(json.loads(row["missing"]))})


def find_cycle(ledger: Ledger, region: str, time: datetime) -> CycleRow | None:
    """The newest version of a cycle, or None."""
    here = (CYCLES.c.region == region) & (CYCLES.c.time == require_utc(time))
    with reading(ledger) as connection:
        row = connection.execute(select(CYCLES).where(here)).mappings().one_or_none()
    return None if row is None else _cycle(row)


def cycles_between(
    ledger: Ledger, region: str, start: datetime | None = None, end: datetime | None = None
) -> list[CycleRow]:
    """The newest versions of a region's cycles from `start` to `end` (both inside; open where None), ascending."""
    wanted = select(CYCLES).where(CYCLES.c.region == region)
    if start is not None:
        wanted = wanted.where(CYCLES.c.time >= require_utc(start))
    if end is not None:
        wanted = wanted.where(CYCLES.c.time <= require_utc(end))
    with reading(ledger) as connection:
        return [_cycle(row) for row in connection.execute(wanted.order_by(CYCLES.c.time)).mappings()]


def cycle_versions(ledger: Ledger, region: str, time: datetime) -> list[CycleRow]:
    """Every version of a cycle, oldest first."""
    table = CYCLE_VERSIONS.c
    wanted = select(CYCLE_VERSIONS).where(table.region == region, table.time == require_utc(time)).order_by(table.id)
    with reading(ledger) as connection:
        return [_cycle(row) for row in connection.execute(wanted).mappings()]


def last_snapshot(ledger: Ledger, region: str) -> str | None:
    """The archive's snapshot that was entered last, of whichever cycle; None where there is none."""
    table = CYCLE_VERSIONS.c
    newest = select(func.max(table.id)).where(table.region == region).scalar_subquery()
    with reading(ledger) as connection:
        return connection.execute(select(table.snapshot_id).where(table.id == newest)).scalar_one_or_none()
