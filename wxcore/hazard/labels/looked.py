"""What could have been seen: without an observer no label is 0."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from wxcore.errors import SampleError
from wxcore.hazard.labels.events import KINDS
from wxcore.times import CYCLE, iso, require_utc

GUST_RADIUS_KM = 20.0
"""A gust of a storm is seen where a station stands within this of its outline (DOMAIN.md 5.1)."""

HAIL_RADIUS_KM = 10.0
"""Hail is told where a station, a town or a reporter is within this of the outline [our choice; DOMAIN.md 5.2 drops
zeros within 30 km of land without people]."""

Place = tuple[float, float]
Period = tuple[datetime, datetime]


@dataclass(frozen=True)
class Observers:
    """Who would have told of one kind of event.

    Attributes:
        periods: (start, end), aware UTC, in which they looked.
        source: truth class of what they tell, and so of a 0.
        places: (lon, lat) [deg] of each; None: they see everywhere, as a lightning network or the simulator's truth.
        radius_km: how near to a storm's outline one must be.
    """

    periods: tuple[Period, ...]
    source: str
    places: tuple[Place, ...] | None = None
    radius_km: float = 0.0

    def covered(self, start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Did they look all the time from each start to each end [ns since 1970]? Periods that touch are joined."""
        joined: list[list[int]] = []
        for begin, stop in sorted((nanoseconds(begin), nanoseconds(stop)) for begin, stop in self.periods):
            if joined and begin <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], stop)
            else:
                joined.append([begin, stop])
        if not joined:
            return np.zeros(start.size, dtype=np.bool_)
        begins, stops = np.array(joined, dtype=np.int64).T
        which = np.searchsorted(begins, start, side="right") - 1
        return np.asarray((which >= 0) & (end <= stops[np.maximum(which, 0)]), dtype=np.bool_)


@dataclass(frozen=True)
class Looked:
    """What could have been seen in a period.

    Attributes:
        cycles: analysis cycles that there are, ascending, aware UTC; also those without a storm.
        box: (west, south, east, north) [deg] of the domain.
        flash, gust, hail: who would have told; None: nobody.

    Raises:
        TimeError: a naive time.
        SampleError: no cycle, cycles not in order, or not full cycles of six minutes.
    """

    cycles: tuple[datetime, ...]
    box: tuple[float, float, float, float]
    flash: Observers | None = None
    gust: Observers | None = None
    hail: Observers | None = None

    def __post_init__(self) -> None:
        times = [require_utc(cycle) for cycle in self.cycles]
        faults = [] if times else ["no cycle"]
        for before, after in pairwise(times):
            if after <= before or (after - before) % CYCLE:
                faults.append(f"cycle {iso(after)} after {iso(before)}: expected later by a multiple of six minutes")
        if faults:
            raise SampleError("cycles of labels", faults)

    def of_kind(self, kind: str) -> Observers | None:
        """Who would have told of hail, flash or gust."""
        return dict(zip(KINDS, (self.hail, self.flash, self.gust), strict=True))[kind]

    @property
    def times(self) -> npt.NDArray[np.int64]:
        """The cycles [ns since 1970]."""
        return np.array([nanoseconds(cycle) for cycle in self.cycles], dtype=np.int64)


def everything_seen(
    cycles: tuple[datetime, ...], box: tuple[float, float, float, float], source: str = "SYN"
) -> Looked:
    """As the simulator's truth: every event within the cycles and the box is known.

    Args:
        cycles: see Looked; aware UTC. box: (west, south, east, north) [deg]. source: truth class.

    Raises:
        TimeError, SampleError: as Looked.
    """
    all_times = tuple(require_utc(cycle) for cycle in cycles)
    seen = Observers(((all_times[0] - CYCLE, all_times[-1]),) if all_times else (), source)
    return Looked(all_times, box, seen, seen, seen)


def nanoseconds(time: datetime) -> int:
    """Of an aware time, since 1970.

    Raises:
        TimeError: naive.
    """
    return (require_utc(time) - EPOCH) // timedelta(microseconds=1) * 1000


EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
