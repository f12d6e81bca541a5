"""What every instrument of the simulator offers: which files it sends, and their bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from wxcore.region import Region
from wxcore.simulate.scene import World


@dataclass(frozen=True)
class Scale:
    """How much is simulated.

    Attributes:
        radars: ids; empty: all of the region.
        satellites: names as in satellites.csv; stations: how many; station_minutes: between two of their reports.
    """

    name: str
    radars: tuple[str, ...]
    satellites: tuple[str, ...]
    stations: int
    station_minutes: int


FULL = Scale("full", (), ("FY-2H", "FY-4A", "FY-4B", "FY-3D", "FY-3E", "FY-3F", "FY-3G"), 2500, 1)
SMALL = Scale("small", ("Z9230", "Z9092", "Z9090"), ("FY-4B",), 300, 6)


@dataclass(frozen=True)
class Setting:
    """What is simulated.

    Attributes:
        region: with the simulated network as its stations.
        start, end: aware UTC: times of observation from start (inclusive) to end (exclusive).
        clean: instruments without noise, clutter, folding, attenuation, failures: for round trips.
    """

    region: Region
    world: World
    scale: Scale
    start: datetime
    end: datetime
    seed: int
    clean: bool = False


@dataclass(frozen=True)
class Planned:
    """One file to be made; plain and picklable.

    Attributes:
        path: in the feed's folder, with slashes: layout and operational name.
        start, end: aware UTC, of what it holds; arrives: when its last byte is there.
        instrument: name of the Instrument that makes it; key: which of its files, as the instrument likes.
    """

    path: str
    start: datetime
    end: datetime
    arrives: datetime
    instrument: str
    key: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class Instrument:
    """A kind of instrument: `plan` lists its files in any order, `make` gives the bytes of one.

    `make` depends on its arguments only: the same in any process and order.
    """

    name: str
    plan: Callable[[Setting], Iterator[Planned]]
    make: Callable[[Setting, Planned], bytes]
