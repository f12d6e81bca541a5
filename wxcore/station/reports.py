"""What every reader of station files gives: one row a report of a station, with sentinels gone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.schema import ELEMENT_NAMES, Description
from wxcore.times import from_datetime64

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]
Ids = npt.NDArray[np.str_]
Levels = npt.NDArray[np.int32]

CORRECTED, PROVINCIAL = 1, 100
"""`Reports.revision` of a first correction (CCA, or BBB of a bulletin; the second is 2 ...), and of a file after
provincial quality control (`_PQC`): of two reports of a station and time the higher one is taken."""


@dataclass(frozen=True)
class Reports:
    """Reports of one file, rows in the file's order.

    Attributes:
        format: name of the file's format; title: what people call its source, such as "FTM BEHT".
        station: (n,) id: five digits, or a letter and four digits, upper case; as the file has it where it is neither.
        time: (n,) datetime64[ns] UTC, when the report was observed; never NaT.
        lat, lon: (n,) f8 [deg] and elevation: (n,) f4 [m ASL] as the file says them, NaN where it does not.
        values: element of schema.ELEMENTS -> (n,) f4 in its units, NaN where missing. Elements that no row has are
            left out. No sentinel is ever in it; absurd numbers are: judging is for quality control.
        gust_time: (n,) datetime64[ns] UTC, when the gust of `wind_speed_of_gust` blew; NaT where not told.
        gust_period_min: how long before `time` that gust may be, where it has no time (an hourly report 60): of all
            rows, or (n,) f4.
        minute_rain: (n, 60) f4 [mm] of the minutes that end at time - 59 min ... time, NaN missing; None where the
            format has none.
        provider: element -> (n,) u1: the provider's own verdict as QC_GOOD, QC_SUSPECT or QC_BAD; QC_MISSING where it
            gives none.
        revision: see PROVINCIAL; of all rows, or (n,) i4. rejected: (reason, count) of rows that could not be read.
        simulated: the file says of itself that it is; remarks: what is odd, one sentence each.
    """

    format: str
    title: str
    station: Ids
    time: Times
    lat: Doubles
    lon: Doubles
    elevation: Floats
    values: Mapping[str, Floats]
    gust_time: Times
    gust_period_min: float | Floats = 60.0
    minute_rain: Floats | None = None
    provider: Mapping[str, npt.NDArray[np.uint8]] = field(default_factory=dict)
    revision: int | Levels = 0
    rejected: tuple[tuple[str, int], ...] = ()
    simulated: bool = False
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        columns: list[npt.NDArray[Any]] = [*self.values.values(), *self.provider.values()]
        columns += [self.station, self.time, self.lat, self.lon, self.elevation, self.gust_time]
        columns += [one for one in (self.revision, self.gust_period_min) if isinstance(one, np.ndarray)]
        sizes = {column.size for column in columns}
        if len(sizes) > 1 or not self.time.size or np.isnat(self.time).any() or set(self.values) - set(ELEMENT_NAMES):
            raise ValueError(f"reports of {self.title}: columns of {sizes} rows, elements {sorted(self.values)}")

    @property
    def start(self) -> datetime:
        """Time of the oldest report."""
        return from_datetime64(self.time.min())

    @property
    def end(self) -> datetime:
        """Time of the newest report."""
        return from_datetime64(self.time.max())


def revision_of(levels: npt.NDArray[np.integer[Any]]) -> int | Levels:
    """(n,) revisions as `Reports.revision`: one number where all rows have the same."""
    return int(levels[0]) if (levels == levels[0]).all() else levels.astype(np.int32)


def describe(native: Any) -> Description:
    """What the file is; its time is that of its newest report, `sweeps` is 0, `scan` counts."""
    assert isinstance(native, Reports)
    stations = int(np.unique(native.station).size)
    rejected = tuple(f"{count} rows left out: {why}" for why, count in native.rejected)
    return Description(
        kind="station",
        site=native.title,
        time=native.end,
        sweeps=0,
        moments=tuple(name for name in ELEMENT_NAMES if name in native.values),
        remarks=(f"{native.time.size} reports of {stations} stations", *rejected, *native.remarks),
        began=native.start,
    )
