"""Who speaks for a strong wind: up to three independent witnesses, of which no one is the anemometer itself.

(1) The sky: a cell or lightning near the station (station.evidence). (2) The neighbours: one of them, not at the same
mast, had GUST_SHARE_OF_NEIGHBOUR of it. (3) The station's own air: temperature fell and pressure rose, both, as in an
outflow. One witness makes a gust good to be looked at; hazard.ground asks for two before a gust counts by itself, so
that a broken anemometer beside a storm makes no warning.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.schema import QC_GOOD
from wxcore.station.evidence import Evidence
from wxcore.station.neighbours import Network
from wxcore.station.qc_kernels import neighbour_reaches, own_any
from wxcore.station.qc_outflow import SIGNAL_MIN, fell, rose
from wxcore.station.qc_sheet import GUST, PRESSURE, SEA_LEVEL, TEMPERATURE, WIND, Floats, Mask, Sheet

GUST_SHARE_OF_NEIGHBOUR = 0.6
NEIGHBOUR_BACK_MIN, NEIGHBOUR_AHEAD_MIN = 60, 10
"""A neighbour's gust this long before and after the report speaks for a gust: one that is reported at the full hour may
be an hour old, and a gust front needs half an hour for 30 km [our choice]."""
AIR_FALL_K, AIR_RISE_HPA = 3.0, 1.0
"""Outflow (DOMAIN.md 2.6: -3 K, 1 to 2 hPa), each within SIGNAL_MIN."""
AIR_WITHIN_MIN = 10
"""The own air speaks so long before and after the gust [our choice]: the front brings all three at once."""
AIR_BACK_MIN = 60
"""The same before the report where nobody told when the gust blew."""
LOW_M = 300.0
"""Up to this elevation pressure at sea level stands in for that of the station [our choice], as products.surface has
it: above it the reduction turns a fall of temperature into a rise of pressure, and one witness would be two."""


def strongest_good(sheet: Sheet) -> Floats:
    """(time, station) gust or mean wind of the reports that nothing speaks against: what neighbours testify with."""
    return np.asarray(np.fmax(_good(sheet, GUST), _good(sheet, WIND)))


def gust_age(obs: xr.Dataset, rows: Any, columns: Any) -> npt.NDArray[np.float64]:
    """(case,) minutes from the gust until its report; 0 where it is of a short period, NaN where nobody told when."""
    unknown = np.full(rows.size, np.datetime64("NaT", "ns"))
    blew, earliest = (
        obs[name].values[rows, columns].astype("datetime64[ns]") if name in obs else unknown
        for name in ("gust_time", "gust_earliest")
    )
    reported = obs["time"].values[rows].astype("datetime64[ns]")
    short = np.isnat(blew) & (reported - earliest <= np.timedelta64(AIR_WITHIN_MIN, "m"))
    blew = np.where(short, reported, blew)
    return np.where(np.isnat(blew), np.nan, (reported - blew).astype("i8") / 6e10)


def witnesses(
    sheet: Sheet, strongest: Floats, evidence: Evidence, stations: Network, cases: tuple[Any, Any, Floats],
    age: npt.NDArray[np.float64],
) -> Floats:  # fmt: skip
    """(case,) f4: how many of the three speak for a wind, 0 to 3; NaN where there is nobody to ask.

    Where the station stands (ridge, mountain) is neither witness nor fault.

    Args:
        strongest: of `strongest_good`.
        cases: rows, columns (case,) of (time, station) and speed (case,) [m/s].
        age: (case,) minutes from the wind until its report, NaN unknown.
    """
    rows, columns, speed = cases
    sky = evidence.echo[columns] | evidence.lightning[columns]
    wanted = np.asarray(speed * GUST_SHARE_OF_NEIGHBOUR, "f4")
    around = neighbour_reaches(
        strongest, rows, columns, wanted, stations.near, stations.km, NEIGHBOUR_BACK_MIN, NEIGHBOUR_AHEAD_MIN
    )
    air, senses = _own_air(sheet, rows, columns, age)
    asked = (around != 8) | senses | evidence.asked[columns]
    count = sky.astype("f4") + (around == 1) + air
    return np.asarray(np.where(asked, count, np.nan), "f4")


def _own_air(sheet: Sheet, rows: Any, columns: Any, age: npt.NDArray[np.float64]) -> tuple[Mask, Mask]:
    """(case,): do temperature and pressure at the station speak of an outflow; and do they report often enough?"""
    some, at = np.unique(columns, return_inverse=True)
    air, barometer = _good(sheet, TEMPERATURE, some), _good(sheet, PRESSURE, some)
    at_sea = ~np.isfinite(barometer).any(axis=0) & (sheet.elevation[some] <= LOW_M)
    barometer = np.where(at_sea, _good(sheet, SEA_LEVEL, some), barometer)
    signs = fell(air, AIR_FALL_K), rose(barometer, AIR_RISE_HPA)
    known = np.isfinite(age)
    blew = rows - np.rint(np.where(known, age, 0)).astype("i8")
    speaks = np.zeros(rows.size, "?")
    for which, back in ((known, AIR_WITHIN_MIN), (~known, AIR_BACK_MIN)):
        both = [own_any(sign, blew[which], at[which], back, AIR_WITHIN_MIN) for sign in signs]
        speaks[which] = both[0] & both[1]
    return speaks, (_often(air) & _often(barometer))[at]


def _good(sheet: Sheet, name: str, columns: Any = slice(None)) -> Floats:
    """(time, station) values that no check so far speaks against; NaN elsewhere."""
    if name not in sheet.values:
        return sheet.of(name)[:, columns]
    good = sheet.level[name][:, columns] == QC_GOOD
    return np.asarray(np.where(good, sheet.values[name][:, columns], np.float32(np.nan)))


def _often(values: Floats) -> Mask:
    """(station,): are there two values within SIGNAL_MIN? A station that reports by the hour cannot say what fell."""
    there = np.isfinite(values)
    row = np.arange(there.shape[0])[:, None]
    before = np.maximum.accumulate(np.where(there, row, -SIGNAL_MIN - 1), axis=0)
    return np.asarray((there[1:] & (row[1:] - before[:-1] <= SIGNAL_MIN)).any(axis=0))
