"""What the neighbours say: buddy check, and spatial consistency test with elevation.

Sources: Titanlib (https://github.com/metno/titanlib), whose buddy check this follows; Lussana, Uboldi and Salvati 2010
(Q. J. R. Meteorol. Soc. 136, 1075-1088) for the spatial consistency test. Ours differs: each station has a box of its
own, and the spread is a median (sct_kernels.judge).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wxcore.schema import REASON
from wxcore.station.neighbours import BOX, Network
from wxcore.station.qc_kernels import buddy
from wxcore.station.qc_sheet import DEW_POINT, LAPSE, PRESSURE, SEA_LEVEL, TEMPERATURE, Floats, Mask, Sheet
from wxcore.station.sct_kernels import judge, members, renew, residuals

Doubles = npt.NDArray[np.float64]

BUDDY_KM, BUDDY_HEIGHT_M, BUDDY_FEWEST, BUDDY_THRESHOLD, BUDDY_ITERATIONS = 30.0, 300.0, 5, 3.0, 5
"""DOMAIN.md 2.6."""
SCT_FEWEST, SCT_THRESHOLD, SCT_ITERATIONS = 10, 16.0, 10
"""At least ten stations (DOMAIN.md 2.6), beside the one that is judged; threshold of TITAN [M]: 4 standard errors. Ten
rounds [our choice], for each takes only the largest outlier of a box."""
BAD_FACTOR = 2.0
"""Bad only where both tests fail, the buddy check by this times its threshold; suspect otherwise [our choice]."""
PRESSURE_LAPSE, DEW_POINT_LAPSE = 0.0, -0.0018
"""Per metre: of pressure reduced to sea level, and of dew point in mixed air [our choice]."""
GRAVITY, GAS = 9.80665, 287.05


@dataclass(frozen=True)
class Spatial:
    """How an element is compared: gradient [per m], least spread of the buddy check (DOMAIN.md 2.6) and of the spatial
    consistency test, and departure to which one member counts for the box's slope [our choice]."""

    gradient: float
    buddy_std: float
    sct_std: float
    clip: float


SPATIAL: dict[str, Spatial] = {
    TEMPERATURE: Spatial(LAPSE, 1.0, 1.0, 6.0),
    DEW_POINT: Spatial(DEW_POINT_LAPSE, 2.0, 1.5, 6.0),
    PRESSURE: Spatial(PRESSURE_LAPSE, 0.6, 0.6, 3.0),
    SEA_LEVEL: Spatial(PRESSURE_LAPSE, 0.6, 0.6, 3.0),
}


@dataclass(frozen=True)
class Departures:
    """(station,) of one time: buddy excess (0 passed), squared ratio of the consistency test (0 passed), departure."""

    buddy: Doubles
    sct: Doubles
    off: Doubles

    @property
    def level(self) -> npt.NDArray[np.uint8]:
        """0 good, 1 suspect, 2 bad."""
        worst = (self.sct > 0) & (self.buddy > BAD_FACTOR * BUDDY_THRESHOLD)
        return np.asarray(((self.buddy > 0) | (self.sct > 0)).astype("u1") + worst, "u1")

    @property
    def reason(self) -> npt.NDArray[np.uint16]:
        """Bits of REASON."""
        return np.asarray((self.buddy > 0) * REASON["buddy"] + (self.sct > 0) * REASON["spatial"], "u2")


def check_field(element: str, values: Floats | Doubles, stations: Network) -> Departures:
    """Both tests of one element at one time.

    Args:
        values: (station,), NaN where nothing is to be judged or used; pressure reduced to sea level.
    """
    x, rule = np.asarray(values, "f8"), SPATIAL[element]
    excess, off = np.zeros(x.size), np.zeros(x.size)
    buddy(
        x, stations.elevation, stations.near, stations.km, BUDDY_KM, BUDDY_HEIGHT_M, rule.gradient, BUDDY_FEWEST,
        BUDDY_THRESHOLD, rule.buddy_std, BUDDY_ITERATIONS, excess, off,
    )  # fmt: skip
    ratio, residual = consistency(element, x, stations)
    return Departures(excess, ratio, np.where(ratio > 0, residual, off))


def consistency(element: str, x: Doubles, stations: Network) -> tuple[Doubles, Doubles]:
    """Spatial consistency test: (station,) squared ratio, 0 where passed, and residual in the element's units."""
    rule, near = SPATIAL[element], stations.near
    ratio, found = np.zeros(x.size), np.zeros(x.size)
    rest, everyone = x.copy(), np.ones(x.size, "?")
    residual, square, only = np.full(x.size, np.nan), np.zeros(x.size), everyone
    with stations.lock:
        weights = stations.weights_of(element)
        for _ in range(SCT_ITERATIONS):
            now = members(rest, stations.elevation, near, BOX)
            only = everyone if only is everyone else (now != weights.used) | np.isnan(rest)
            renew(now, weights.used, near, stations.km, stations.xyz, stations.elevation, weights.weight,
                  weights.variance)  # fmt: skip
            residuals(rest, stations.elevation, near, now, weights.weight, weights.variance, rule.gradient, rule.clip,
                      SCT_FEWEST, only, residual)  # fmt: skip
            judge(residual, near, BOX, SCT_THRESHOLD, rule.sct_std, everyone, square)
            failed = square > 0
            if not failed.any():
                break
            ratio[failed] = square[failed]
            found[failed] = residual[failed] * np.sqrt(weights.variance[failed])
            rest[failed] = np.nan
            only = failed
    return ratio, found


def reduced_pressure(sheet: Sheet, row: int, usable: Mask) -> Doubles:
    """(station,) pressure at sea level [hPa], by one temperature profile for all: their differences are the air's.

    The profile: the median over stations of temperature moved to sea level, LAPSE above; 15 C where none is given.
    """
    ground = sheet.of(TEMPERATURE)[row] - LAPSE * sheet.elevation
    ground = ground[np.isfinite(ground)]
    height = sheet.barometer.astype("f8")
    mean = 273.15 + (float(np.median(ground)) if ground.size else 15.0) + 0.5 * LAPSE * height
    with np.errstate(all="ignore"):
        reduced = sheet.values[PRESSURE][row] * np.exp(GRAVITY * height / (GAS * mean))
    return np.asarray(np.where(usable & (mean > 150), reduced, np.nan), "f8")
