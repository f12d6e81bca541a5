"""What the ledger knows about files: by hash, by time, what waits, and whether everything is accounted for."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select

from wxcore.landing.ledger.engine import reading
from wxcore.landing.ledger.files import DUPLICATE, PENDING, QUARANTINED, STORED, FileRow, slices
from wxcore.landing.ledger.tables import FILES, RECEIPTS, TALLIES, Ledger
from wxcore.times import require_utc


@dataclass(frozen=True)
class Conservation:
    """Counts over all receipts. `holds`: nothing received is unaccounted for, nothing stored came from nowhere."""

    received: int
    stored: int
    duplicate: int
    quarantined: int
    pending: int
    holds: bool


def find_file(ledger: Ledger, sha256: str) -> FileRow | None:
    """The row of these bytes, or None."""
    with reading(ledger) as connection:
        row = connection.execute(select(FILES).where(FILES.c.sha256 == sha256)).mappings().one_or_none()
    return None if row is None else FileRow(**row)


def pending_files(ledger: Ledger, limit: int) -> list[FileRow]:
    """At most `limit` files that wait for their decision, newest published first."""
    order = (FILES.c.published_at.desc(), FILES.c.received_at.desc(), FILES.c.sha256)
    wanted = select(FILES).where(FILES.c.status == PENDING).order_by(*order).limit(limit)
    with reading(ledger) as connection:
        return [FileRow(**row) for row in connection.execute(wanted).mappings()]


def known_arrivals(ledger: Ledger, keys: Collection[str]) -> set[str]:
    """Those of these arrival keys that were received already."""
    known: set[str] = set()
    with reading(ledger) as connection:
        for part in slices(keys):
            known.update(
                connection.execute(select(RECEIPTS.c.arrival_key).where(RECEIPTS.c.arrival_key.in_(part))).scalars()
            )
    return known


def files_between(
    ledger: Ledger, start: datetime, end: datetime, kinds: Collection[str] | None = None
) -> list[FileRow]:
    """Stored files observed from `start` to `end` (both inside), by time, then site.

    Of the files of one site and time the last is the one to use: the newest published, then received, then by sha256.

    Args:
        kinds: only these kinds ("volume", "mosaic", "composite", "product"); all where None.

    Raises:
        TimeError: a naive time.
    """
    wanted = select(FILES).where(
        FILES.c.status == STORED, FILES.c.obs_time >= require_utc(start), FILES.c.obs_time <= require_utc(end)
    )
    if kinds is not None:
        wanted = wanted.where(FILES.c.kind.in_(list(kinds)))
    with reading(ledger) as connection:
        rows = connection.execute(wanted).mappings().all()
    return [FileRow(**row) for row in sorted(rows, key=_use_order)]


def _use_order(row: RowMapping) -> tuple[Any, ...]:
    # Sorted here: databases differ in how they order text.
    return row["obs_time"], row["site"], row["published_at"], row["received_at"], row["sha256"]


def conservation(ledger: Ledger) -> Conservation:
    """Count what was received and what became of it, expired receipts included, across the tables."""
    counts = select(RECEIPTS.c.outcome, func.count()).group_by(RECEIPTS.c.outcome)
    with reading(ledger) as connection:
        outcomes = Counter({str(outcome): int(count) for outcome, count in connection.execute(counts)})
        expired = Counter({str(row.outcome): int(row.count_) for row in connection.execute(
            select(TALLIES.c.outcome, TALLIES.c["count"].label("count_"))
        )})  # fmt: skip
        stored = select(func.count()).select_from(FILES).where(FILES.c.status == STORED)
        stored_files = int(connection.execute(stored).scalar_one()) + expired[STORED]
        orphans = int(connection.execute(select(func.count()).select_from(FILES).where(
            FILES.c.sha256.not_in(select(RECEIPTS.c.sha256).where(RECEIPTS.c.sha256.is_not(None)))
        )).scalar_one())  # fmt: skip
    total = outcomes + expired
    received = total.total()
    accounted = stored_files + total[DUPLICATE] + total[QUARANTINED] + total[PENDING]
    return Conservation(
        received, stored_files, total[DUPLICATE], total[QUARANTINED], total[PENDING],
        holds=received == accounted and not orphans,
    )  # fmt: skip
