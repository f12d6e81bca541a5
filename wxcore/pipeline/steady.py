"""A clock that jumps: what ends by the clock must not end because it is wrong for a moment.

A step of time synchronisation three hours ahead would end every warning in force, and nothing brings them back.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from wxcore.times import require_utc

MOST_STEP_S = 30.0
"""Further than this from where the machine's steady clock says it should be [s], the clock has jumped: our choice, far
above a synchronised clock's error, far below what ends a warning early to any effect."""

AGREE_S = 180.0
"""A clock that jumped is believed once it has gone on evenly for so long [s]: our choice. One that jumps back to where
it was is believed at once."""


@dataclass(frozen=True)
class Steady:
    """What two clocks agree on: that of the wall, and one that never jumps. After a sleep of the machine they do not.

    Attributes:
        believed: wall clock minus steady clock [s]; None before the first look.
        other: the same where the wall clock has jumped; None where it is believed.
        since: when that was first seen, by the steady clock [s].
    """

    believed: float | None = None
    other: float | None = None
    since: float = 0.0

    @property
    def is_right(self) -> bool:
        """May the wall clock be acted on?"""
        return self.other is None

    def seen(self, wall: datetime, steady_s: float) -> "Steady":
        """With one more look at both clocks; looks are seconds apart, so that a clock that is slewed is followed.

        Raises:
            TimeError: a naive time.
        """
        offset = require_utc(wall).timestamp() - steady_s
        if self.believed is None or abs(offset - self.believed) <= MOST_STEP_S:
            return Steady(offset)
        if self.other is None or abs(offset - self.other) > MOST_STEP_S:
            return Steady(self.believed, offset, steady_s)
        return Steady(offset) if steady_s - self.since >= AGREE_S else replace(self, other=offset)
