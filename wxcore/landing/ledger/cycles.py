"""Cycles and their versions."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import RowMapping, insert, select, update

from wxcore.landing.ledger.tables import CYCLE_VERSIONS, CYCLES, Ledger
from wxcore.times import require_utc


@dataclass(frozen=True)
class CycleRow:
    """One version of one cycle of a region."""

    region: str
    time: datetime
    snapshot_id: str
    fingerprint: str
    degraded: bool
    missing: tuple[str, ...]
    committed_at: datetime


def record_cycle(
    ledger: Ledger,
    region: str,
    time: datetime,
    *,
    snapshot_id: str,
    degraded: bool,
    missing: Sequence[str],
    fingerprint: str = "",
) -> bool:
    """Enter the newest version of a cycle; the versions before it stay in `cycle_versions`.

    Returns:
        False where this very version is the newest already: nothing changes then.
    """
    values = {
        "region": region,
        "time": require_utc(time),
        "snapshot_id": snapshot_id,
        "fingerprint": fingerprint,
        "degraded": degraded,
        "missing": json.dumps(list(missing), ensure_ascii=False),
    }
    here = (CYCLES.c.region == region) & (CYCLES.c.time == time)
    with ledger.engine.begin() as connection:
        known = connection.execute(select(CYCLES).where(here)).mappings().one_or_none()
        if known is not None and all(known[key] == value for key, value in values.items()):
            return False
        values["committed_at"] = datetime.now(UTC)
        if known is None:
            connection.execute(insert(CYCLES).values(values))
        else:
            connection.execute(update(CYCLES).where(here).values(values))
        connection.execute(insert(CYCLE_VERSIONS).values(values))
    return True


def _cycle(row: RowMapping) -> CycleRow:
    columns = {name: row[name] for name in CYCLES.columns.keys()}  # noqa: SIM118 (a ColumnCollection is no dict)
    return CycleRow(**{**columns, "missing": tuple(json.loads(row["missing"]))})


def find_cycle(ledger: Ledger, region: str, time: datetime) -> CycleRow | None:
    """The newest version of a cycle, or None."""
    here = (CYCLES.c.region == region) & (CYCLES.c.time == require_utc(time))
    with ledger.reader.connect() as connection:
        row = connection.execute(select(CYCLES).where(here)).mappings().one_or_none()
    return None if row is None else _cycle(row)


def cycle_versions(ledger: Ledger, region: str, time: datetime) -> list[CycleRow]:
    """Every version of a cycle, oldest first."""
    table = CYCLE_VERSIONS.c
    wanted = select(CYCLE_VERSIONS).where(table.region == region, table.time == require_utc(time)).order_by(table.id)
    with ledger.reader.connect() as connection:
        return [_cycle(row) for row in connection.execute(wanted).mappings()]
