"""Files and receipts: what came, when, and what became of it, each change in one transaction.

Conservation holds at all times: received = stored + duplicate + quarantined + pending (RELIABILITY.md B13).
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from wxcore.errors import LedgerError, Reason
from wxcore.landing.ledger.tables import FILES, RECEIPTS, Ledger
from wxcore.times import require_utc

STORED, DUPLICATE, QUARANTINED, PENDING = "stored", "duplicate", "quarantined", "pending"


@dataclass(frozen=True)
class FileRow:
    """One content. `status`: stored, quarantined or pending; `obs_time` None where the file could not be read."""

    sha256: str
    name: str
    size: int
    format: str
    kind: str
    site: str
    obs_time: datetime | None
    received_at: datetime
    status: str
    reason: str = ""
    message_en: str = ""
    message_zh: str = ""
    offset: int | None = None


@dataclass(frozen=True)
class Conservation:
    """Counts over all receipts. `holds`: nothing received is unaccounted for, nothing stored came from nowhere."""

    received: int
    stored: int
    duplicate: int
    quarantined: int
    pending: int
    holds: bool


def record_file(ledger: Ledger, row: FileRow) -> str:
    """Enter that a file was received and what became of it.

    Bytes that are stored already give a duplicate and leave the file's row as it is; bytes that were quarantined
    or pending take the new row (a newer reader may read what an older one refused). A decision on bytes that are
    pending settles their receipts; everything else is one more receipt.

    Returns:
        "stored", "duplicate", "quarantined" or "pending".

    Raises:
        LedgerError: a status that is none of stored, quarantined, pending, or a stored file without time.
        TimeError: a naive time.
    """
    if row.status not in {STORED, QUARANTINED, PENDING} or (row.status == STORED and row.obs_time is None):
        raise LedgerError(
            f"{row.name}: status {row.status!r} with time {row.obs_time}, expected stored (with a time), quarantined "
            "or pending",
            f"{row.name}：状态 {row.status!r}、时间 {row.obs_time} 不合法，"
            "应为 stored（须有时间）、quarantined 或 pending",
        )
    with ledger.engine.begin() as connection:
        known = connection.execute(select(FILES.c.status).where(FILES.c.sha256 == row.sha256)).scalar_one_or_none()
        outcome = DUPLICATE if known == STORED else row.status
        values = asdict(row)
        if known is None:
            connection.execute(insert(FILES).values(values))
        elif known != STORED:
            connection.execute(update(FILES).where(FILES.c.sha256 == row.sha256).values(values))
            # Receipts that wait are settled by the decision, instead of one more receipt for the same arrival.
            if row.status != PENDING and _settle(connection, row):
                return outcome
        connection.execute(insert(RECEIPTS).values(**_receipt(row, outcome)))
    return outcome


def _settle(connection: Connection, row: FileRow) -> bool:
    """Give the waiting receipts of these bytes their outcome: the oldest its own, later ones are duplicates."""
    waiting = (RECEIPTS.c.sha256 == row.sha256) & (RECEIPTS.c.outcome == PENDING)
    oldest: int | None = connection.execute(select(func.min(RECEIPTS.c.id)).where(waiting)).scalar_one()
    if oldest is None:
        return False
    connection.execute(update(RECEIPTS).where(RECEIPTS.c.id == oldest).values(**_receipt(row, row.status)))
    later = DUPLICATE if row.status == STORED else row.status
    connection.execute(update(RECEIPTS).where(waiting).values(outcome=later))
    return True


def _receipt(row: FileRow, outcome: str) -> dict[str, Any]:
    told = outcome == QUARANTINED
    return {
        "sha256": row.sha256,
        "name": row.name,
        "received_at": row.received_at,
        "outcome": outcome,
        "reason": row.reason if told else "",
        "message_en": row.message_en if told else "",
        "message_zh": row.message_zh if told else "",
    }


def record_refusal(
    ledger: Ledger, *, name: str, reason: Reason, message_en: str, message_zh: str, received_at: datetime
) -> None:
    """Enter that a path was received that holds no bytes to land (a folder, a device, nothing): quarantined."""
    with ledger.engine.begin() as connection:
        connection.execute(
            insert(RECEIPTS).values(
                sha256=None,
                name=name,
                received_at=received_at,
                outcome=QUARANTINED,
                reason=str(reason),
                message_en=message_en,
                message_zh=message_zh,
            )
        )


def find_file(ledger: Ledger, sha256: str) -> FileRow | None:
    """The row of these bytes, or None."""
    with ledger.reader.connect() as connection:
        row = connection.execute(select(FILES).where(FILES.c.sha256 == sha256)).mappings().one_or_none()
    return None if row is None else FileRow(**row)


def files_between(
    ledger: Ledger, start: datetime, end: datetime, kinds: Collection[str] | None = None
) -> list[FileRow]:
    """Stored files observed from `start` to `end` (both inside), by time, then site, then sha256.

    Args:
        kinds: only these kinds ("volume", "mosaic", "composite", "product"); all where None.
    """
    wanted = select(FILES).where(
        FILES.c.status == STORED, FILES.c.obs_time >= require_utc(start), FILES.c.obs_time <= require_utc(end)
    )
    if kinds is not None:
        wanted = wanted.where(FILES.c.kind.in_(list(kinds)))
    wanted = wanted.order_by(FILES.c.obs_time, FILES.c.site, FILES.c.sha256)
    with ledger.reader.connect() as connection:
        return [FileRow(**row) for row in connection.execute(wanted).mappings()]


def conservation(ledger: Ledger) -> Conservation:
    """Count what was received and what became of it, across both tables."""
    counts = select(RECEIPTS.c.outcome, func.count()).group_by(RECEIPTS.c.outcome)
    with ledger.reader.begin() as connection:
        outcomes = {str(outcome): int(count) for outcome, count in connection.execute(counts)}
        received = int(connection.execute(select(func.count()).select_from(RECEIPTS)).scalar_one())
        stored = select(func.count()).select_from(FILES).where(FILES.c.status == STORED)
        stored_files = int(connection.execute(stored).scalar_one())
        orphans = int(connection.execute(select(func.count()).select_from(FILES).where(
            FILES.c.sha256.not_in(select(RECEIPTS.c.sha256).where(RECEIPTS.c.sha256.is_not(None)))
        )).scalar_one())  # fmt: skip
    duplicate, quarantined, pending = (outcomes.get(name, 0) for name in (DUPLICATE, QUARANTINED, PENDING))
    accounted = stored_files + duplicate + quarantined + pending
    return Conservation(
        received, stored_files, duplicate, quarantined, pending, holds=received == accounted and not orphans
    )
