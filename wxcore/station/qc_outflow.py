"""An outflow is not an error: what speaks for a jump and for a cold pool (for a gust: qc_witness).

THE RULE. A failed step, buddy check or spatial consistency test is cleared (good, bit `step_cleared`) when at least
KINDS_TO_CLEAR different kinds of support are there, and only softened to suspect with one. The kinds: (1) a neighbour
within NEIGHBOUR_KM jumped the same way, (2) pressure rose, (3) temperature fell, (4) wind grew or turned, each by
SIGNAL within SIGNAL_MIN at the station itself, (5) a cell within 15 km, (6) lightning. An instrument never speaks for
itself: (2) counts not for pressure, (3) not for temperature and humidity, (4) not for wind. Steps are asked within
STEP_WITHIN_MIN, spatial checks within COLD_POOL_MIN before, for cold air stays after the front has passed. A spike that
returns with the next report, and what is larger than any outflow (PLAUSIBLE), is never cleared.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.station.evidence import Evidence
from wxcore.station.neighbours import Network
from wxcore.station.qc_kernels import neighbour_any, own_any
from wxcore.station.qc_sheet import (
    DEW_POINT,
    DIRECTION,
    GUST,
    HUMIDITY,
    PRESSURE,
    SEA_LEVEL,
    TEMPERATURE,
    WIND,
    WIND_10MIN,
    Mask,
    Sheet,
)

Floats = npt.NDArray[np.float32]

KINDS_TO_CLEAR = 2
NEIGHBOUR_KM = 30.0
STEP_WITHIN_MIN = 10
"""DOMAIN.md 2.6: corroborated within 10 min."""
COLD_POOL_MIN = 60
"""How long a departure from neighbours may be an outflow's [our choice]."""
SIGNAL_MIN = 10
SIGNAL: dict[str, float] = {
    TEMPERATURE: 2, DEW_POINT: 2, HUMIDITY: 10, PRESSURE: 1, SEA_LEVEL: 1, WIND: 5, WIND_10MIN: 5
}  # fmt: skip
"""Change in SIGNAL_MIN that speaks of an outflow [our choice, below DOMAIN.md 2.6: -3 K, 1 to 2 hPa]."""
TURN_DEG, TURN_GROWTH, TURN_SPEED = 45.0, 2.0, 4.0
"""Shift of the wind in SIGNAL_MIN (DOMAIN.md 2.6), that also grew [m/s] and is then at least so strong [our choice]."""
PLAUSIBLE: dict[str, float] = {
    TEMPERATURE: 15, DEW_POINT: 15, HUMIDITY: 70, PRESSURE: 8, SEA_LEVEL: 8, WIND: 35, WIND_10MIN: 30
}  # fmt: skip
"""Largest jump that an outflow can make [our choice]."""
FAMILIES: tuple[tuple[str, ...], ...] = ((PRESSURE, SEA_LEVEL), (TEMPERATURE, DEW_POINT, HUMIDITY), (WIND, WIND_10MIN))


@dataclass(frozen=True)
class Signals:
    """(time, station) each: an outflow's mark within the SIGNAL_MIN before, at the station itself."""

    pressure: Mask
    temperature: Mask
    wind: Mask

    def others(self, element: str) -> tuple[Mask, ...]:
        """Those of other instruments than the element's own."""
        own = (self.pressure, self.temperature, self.wind)
        return tuple(mask for family, mask in zip(FAMILIES, own, strict=True) if element not in family)


@dataclass(frozen=True)
class Cases:
    """Failures to be asked about: rows and columns of (time, station), and each one's sign (0: either way)."""

    rows: Any
    columns: Any
    sign: Floats


def rolling(values: Floats, lowest: bool) -> Floats:
    """Smallest (largest) of each report and those of the SIGNAL_MIN rows before, along time; NaN counts for nothing."""
    smaller, out, reach = (np.fmin if lowest else np.fmax), values, 0
    while reach < SIGNAL_MIN:
        shift = min(reach + 1, SIGNAL_MIN - reach, len(values))
        longer = out.copy()
        smaller(longer[shift:], out[: len(out) - shift], out=longer[shift:])
        out, reach = longer, reach + shift
    return out


def rose(values: Floats, least: float) -> Mask:
    """(time, station): by `least` above the smallest of SIGNAL_MIN."""
    return np.asarray(values - rolling(values, lowest=True) >= least)


def fell(values: Floats, least: float) -> Mask:
    """(time, station): by `least` below the largest of SIGNAL_MIN."""
    return np.asarray(rolling(values, lowest=False) - values >= least)


def signals(sheet: Sheet) -> Signals:
    """What each station's own instruments say; a range failure or a spike is taken out before."""
    shape = (sheet.minute.size, sheet.elevation.size)
    pressure, temperature, wind = np.zeros(shape, "?"), np.zeros(shape, "?"), np.zeros(shape, "?")
    barometer = PRESSURE if PRESSURE in sheet.values else SEA_LEVEL
    if barometer in sheet.values:
        pressure = rose(sheet.values[barometer], SIGNAL[barometer])
    if TEMPERATURE in sheet.values:
        temperature = fell(sheet.values[TEMPERATURE], SIGNAL[TEMPERATURE])
    for name in (WIND, GUST):
        if name in sheet.values:
            wind |= rose(sheet.values[name], SIGNAL[WIND])
    if {WIND, DIRECTION} <= sheet.values.keys() and shape[0] > SIGNAL_MIN:
        speed, direction = sheet.values[WIND], sheet.values[DIRECTION]
        turn = np.abs((direction[SIGNAL_MIN:] - direction[:-SIGNAL_MIN] + 180) % 360 - 180) >= TURN_DEG
        grew = (speed[SIGNAL_MIN:] - speed[:-SIGNAL_MIN] >= TURN_GROWTH) & (speed[SIGNAL_MIN:] >= TURN_SPEED)
        wind[SIGNAL_MIN:] |= turn & grew
    return Signals(pressure, temperature, wind)


def kinds_of_support(
    sheet: Sheet, seen: Signals, evidence: Evidence, stations: Network, element: str, cases: Cases, *,
    back: int = STEP_WITHIN_MIN,
) -> npt.NDArray[np.int64]:  # fmt: skip
    """(case,): how many of the six kinds of THE RULE support each failure of an element."""
    rows, columns = cases.rows, cases.columns
    count = np.zeros(rows.size, "i8")
    if not rows.size:
        return count
    near, km, ahead = stations.near, stations.km, STEP_WITHIN_MIN
    for jumped, wanted in ((rose, cases.sign >= 0), (fell, cases.sign <= 0)):
        if wanted.any():
            mask = jumped(sheet.values[element], SIGNAL[element])
            same_way = neighbour_any(mask, rows[wanted], columns[wanted], near, km, NEIGHBOUR_KM, back, ahead)
            count[wanted] = np.maximum(count[wanted], same_way)
    for mask in seen.others(element):
        count += own_any(mask, rows, columns, back, ahead)
    return np.asarray(count + evidence.echo[columns] + evidence.lightning[columns])
