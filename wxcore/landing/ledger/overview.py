"""What the ledger says at a glance: how many files wait, and what each source delivered last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from wxcore.landing.ledger.engine import reading
from wxcore.landing.ledger.files import PENDING, STORED
from wxcore.landing.ledger.tables import FILES, RECEIPTS, Ledger
from wxcore.times import require_utc


@dataclass(frozen=True)
class Source:
    """A site (or a kind of file without one), its newest observation, and when the last file of it came."""

    kind: str
    site: str
    newest: datetime
    received_at: datetime

    @property
    def name(self) -> str:
        """`volume Z9230`, `mosaic`."""
        return f"{self.kind} {self.site}".strip()


def sources(ledger: Ledger, since: datetime) -> Sequence[Source]:
    """Every source with a stored observation since then, by kind and site.

    Raises:
        TimeError: a naive time.
    """
    table = FILES.c
    wanted = (
        select(table.kind, table.site, func.max(table.obs_time), func.max(table.received_at))
        .where(table.status == STORED, table.obs_time >= require_utc(since))
        .group_by(table.kind, table.site)
        .order_by(table.kind, table.site)
    )
    with reading(ledger) as connection:
        return [Source(*row) for row in connection.execute(wanted)]


def pending_count(ledger: Ledger) -> int:
    """How many files wait to be decoded."""
    wanted = select(func.count()).select_from(FILES).where(FILES.c.status == PENDING)
    with reading(ledger) as connection:
        return int(connection.execute(wanted).scalar_one())


def quarantined_since(ledger: Ledger, since: datetime) -> dict[str, int]:
    """How many receipts were refused since then, by reason.

    Raises:
        TimeError: a naive time.
    """
    table = RECEIPTS.c
    wanted = (
        select(table.reason, func.count())
        .where(table.reason != "", table.received_at >= require_utc(since))
        .group_by(table.reason)
    )
    with reading(ledger) as connection:
        return {str(reason): int(count) for reason, count in connection.execute(wanted)}
