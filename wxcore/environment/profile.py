"""The air over a place (a profile), and what a file of soundings or of a model holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from wxcore.times import require_utc

Doubles = npt.NDArray[np.float64]

Remark = tuple[str, str]
"""A sentence in English and in Chinese."""


@dataclass(frozen=True)
class Profile:
    """Levels from the ground up, (n,) f8 each.

    Attributes:
        pressure: [hPa], strictly falling; height: geopotential height [m ASL], strictly rising.
        temperature, dew_point: [degC]; u, v: wind [m s-1]; NaN where unknown.
        time: when it is valid (of a sounding: its nominal hour, DOMAIN.md section 3), aware UTC; lat, lon: [deg].
        place: WMO number of the station, or a model's name.
    """

    pressure: Doubles
    height: Doubles
    temperature: Doubles
    dew_point: Doubles
    u: Doubles
    v: Doubles
    time: datetime
    lat: float
    lon: float
    place: str

    def __post_init__(self) -> None:
        require_utc(self.time)
        columns = (self.pressure, self.height, self.temperature, self.dew_point, self.u, self.v)
        if len({column.shape for column in columns}) > 1 or self.pressure.size < 2:
            raise ValueError(f"profile of {self.place}: columns of {[column.shape for column in columns]}")
        if (np.diff(self.pressure) >= 0).any() or (np.diff(self.height) <= 0).any():
            raise ValueError(f"profile of {self.place}: levels out of order")


@dataclass(frozen=True)
class Soundings:
    """A file of soundings: at least one profile, in the file's order.

    `title`: what people call the source. `rejected`, `remarks` as in `station.reports.Reports`.
    """

    format: str
    title: str
    profiles: tuple[Profile, ...]
    rejected: tuple[tuple[str, int], ...] = ()
    simulated: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """Fields of a forecast model over the region at one or more valid times.

    Attributes:
        title: centre and model, such as "ECMF"; run: when it started, aware UTC.
        profiles: by valid time (aware UTC), the mean profile over the region's box: of each level the mean of all grid
            points of the box (levels below the ground of a point left out).
        spread_h0_m: by valid time, the difference between the highest and the lowest 0 C height of the box [m]; NaN
            where it cannot be told.
    """

    format: str
    title: str
    run: datetime
    profiles: Mapping[datetime, Profile]
    spread_h0_m: Mapping[datetime, float] = field(default_factory=dict)
    simulated: bool = False
    remarks: tuple[str, ...] = ()
