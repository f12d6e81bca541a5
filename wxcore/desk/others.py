"""Warnings of others, as the pages show them. Nothing here reads a database or a clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from wxcore.desk.views import MOST_LISTED
from wxcore.desk.words import TYPES, Pair, when_day
from wxcore.landing.ledger import ImportRow
from wxcore.pipeline.foreign import Received, received
from wxcore.times import require_utc
from wxcore.warning.foreign import SIGNATURES

STATUSES: dict[str, Pair] = {
    "Actual": ("实际", "Actual"), "Exercise": ("演练", "Exercise"), "System": ("系统", "System"),
    "Test": ("测试", "Test"), "Draft": ("草案", "Draft"),
}  # fmt: skip
"""CAP's status in words."""


@dataclass(frozen=True)
class ForeignLine:
    """One warning of others. `until`: empty where it names no end; `expired`: that end is past."""

    one: Received
    kind: Pair
    status: Pair
    signature: Pair
    sent: Pair
    until: Pair
    expired: bool


def foreign_lines(rows: Sequence[ImportRow], *, now: datetime, every: bool) -> tuple[tuple[ForeignLine, ...], int]:
    """Warnings of others, newest first, and how many are left out.

    Args:
        every: leave none out.

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    ordered = sorted(rows, key=lambda row: (row.sent, row.key), reverse=True)
    shown = ordered if every else ordered[:MOST_LISTED]
    return tuple(_foreign(received(row), now) for row in shown), len(ordered) - len(shown)


def _foreign(one: Received, now: datetime) -> ForeignLine:
    return ForeignLine(
        one=one,
        kind=TYPES.get(one.msg_type, (one.msg_type, one.msg_type)),
        status=STATUSES.get(one.status, (one.status, one.status)),
        signature=SIGNATURES[one.signature],
        sent=when_day(one.sent),
        until=when_day(one.expires) if one.expires else ("", ""),
        expired=one.expires is not None and one.expires <= now,
    )
