"""Single steps of the ledger, each in a transaction of its own, as the tests want them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from wxcore.landing.ledger import Arrival, Draft, FileRow, Ledger, Outcome, decide, receive
from wxcore.landing.ledger.cycles import enter_cycle
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.files import DUPLICATE
from wxcore.landing.ledger.warnings import enter_drafts
from wxcore.landing.ledger.warnings import withdraw_drafts as withdraw

Entry = tuple[str, str, datetime, str, str, Mapping[str, Any]]


def record_file(ledger: Ledger, row: FileRow) -> str:
    """Receive and decide one file."""
    arrival = Arrival(row.sha256, row.name, row.size, row.received_at, row.published_at)
    return DUPLICATE if receive(ledger, [arrival]) == [DUPLICATE] else decide(ledger, [row])[0]


def record_cycle(
    ledger: Ledger,
    region: str,
    time: datetime,
    *,
    snapshot_id: str,
    degraded: bool,
    missing: Sequence[str],
    fingerprint: str = "",
    basis: str = "",
    fence: Callable[[Connection], None] | None = None,
) -> bool:
    """Enter a version of a cycle, after asking the fence."""
    with writing(ledger) as transaction:
        if fence is not None:
            fence(transaction.connection)
        return enter_cycle(
            transaction, region, time, Outcome(snapshot_id, fingerprint, degraded, tuple(missing), basis)
        )


def record_warnings(ledger: Ledger, entries: Iterable[Entry]) -> int:
    """Enter drafts: (id, region, cycle time, hazard, level, content)."""
    changed = 0
    with writing(ledger) as transaction:
        for name, region, time, hazard, level, content in entries:
            changed += enter_drafts(transaction, region, time, [Draft(name, hazard, level, content)])
    return changed


def withdraw_drafts(ledger: Ledger, region: str, time: datetime, keep: Collection[str]) -> list[str]:
    """Withdraw the drafts of a cycle that are not to be kept."""
    with writing(ledger) as transaction:
        return withdraw(transaction, region, time, keep)
