"""What is true in a simulated afternoon: cells with a life, sheets of rain, and the air they are in.

The shapes are convenient, not physical research: they prove plumbing, speed and conservation, never skill.
"""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from wxcore.grid import EARTH_RADIUS_M
from wxcore.times import require_utc

KM_PER_DEG = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)
"""A degree of latitude [km]."""

DYING_DB = 20.0
"""A cell at birth and death is so much weaker than in mid-life [dB]."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moving:
    """What is born, moves in a straight line, and dies.

    Attributes:
        lon, lat: place of its middle near the ground at `born` [deg]; u_m_s, v_m_s: motion.
        born: aware UTC; life_min: from birth to death, with the peak in the middle.
    """

    lon: float
    lat: float
    u_m_s: float
    v_m_s: float
    born: datetime
    life_min: float

    def place(self, when: datetime) -> tuple[float, float]:
        """(lon, lat) of its middle near the ground [deg]."""
        return moved(self.lon, self.lat, self.u_m_s, self.v_m_s, seconds_since(self.born, when))

    def age(self, when: datetime) -> float:
        """Part of its life that has gone: 0 at birth, 1 at death; outside of these it is not there."""
        return seconds_since(self.born, when) / 60 / self.life_min

    def vigour(self, when: datetime) -> float:
        """0 at birth and death and outside of its life, 1 in mid-life."""
        return vigour_at(self.age(when))


@dataclass(frozen=True)
class Cell(Moving):
    """One convective cell.

    Attributes:
        peak_dbz: reflectivity of the core at its strongest; radius_km: where the echo has fallen by 20 dB.
        core_top_m: height ASL up to which the core keeps its strength; lapse_db_km: fall above it.
        hail_mm: largest hail at the ground; rotation_m_s: tangential wind of its mesocyclone, counterclockwise; less
            than 0 clockwise, which is cyclonic south of the equator; outflow_m_s: strongest gust of its outflow;
            flashes_min: flashes a minute: all at its strongest.
        lean_x, lean_y: how far the echo leans to the east and north above 2 km [km per km].
        id: of the cell; storm: of the storm it belongs to; parents: ids of cells that it split from or that merged
            into it.
    """

    peak_dbz: float
    radius_km: float
    core_top_m: float
    lapse_db_km: float = 6.0
    hail_mm: float = 0.0
    rotation_m_s: float = 0.0
    outflow_m_s: float = 0.0
    flashes_min: float = 0.0
    lean_x: float = 0.0
    lean_y: float = 0.0
    id: str = ""
    storm: str = ""
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shield(Moving):
    """A sheet of stratiform rain: an ellipse that moves, with a bright band at the melting layer.

    Attributes:
        dbz: of the rain in its middle at its strongest; top_m: of its cloud [m ASL].
        along_km, across_km: half axes; heading_deg: of the first, clockwise from north.
    """

    dbz: float
    along_km: float
    across_km: float
    heading_deg: float
    top_m: float = 9000.0
    id: str = ""


@dataclass(frozen=True)
class Air:
    """The environment, the same everywhere and all afternoon.

    Attributes:
        ground_m, ground_c, dew_point_c, ground_hpa: height ASL, temperature, dew point and pressure at the ground.
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL]; tropopause_m, tropopause_c: above it the air is isothermal.
        winds: (height [m ASL], u, v [m s-1]), ascending; between them linear, beyond them constant.
    """

    ground_m: float = 300.0
    ground_c: float = 31.0
    dew_point_c: float = 24.0
    ground_hpa: float = 972.0
    h0_m: float = 5100.0
    hm20_m: float = 8400.0
    tropopause_m: float = 16_500.0
    tropopause_c: float = -76.0
    winds: tuple[tuple[float, float, float], ...] = (
        (300.0, -1.0, 2.5), (1500.0, 3.0, 7.0), (3000.0, 7.0, 6.0), (5600.0, 12.0, 5.0), (9000.0, 17.0, 4.0),
        (12_000.0, 22.0, 3.0), (16_500.0, 15.0, 0.0),
    )  # fmt: skip

    def temperature_c(self, height_m: npt.ArrayLike) -> Doubles:
        """Air temperature [degC] at heights ASL, linear between its given heights; below the ground that of it."""
        heights = (self.ground_m, self.h0_m, self.hm20_m, self.tropopause_m)
        found: Doubles = np.interp(np.asarray(height_m), heights, (self.ground_c, 0.0, -20.0, self.tropopause_c))
        return found

    def wind(self, height_m: npt.ArrayLike) -> tuple[Doubles, Doubles]:
        """(u, v) [m s-1] at heights ASL."""
        heights, u, v = np.array(self.winds).T
        return np.interp(np.asarray(height_m), heights, u), np.interp(np.asarray(height_m), heights, v)


@dataclass(frozen=True)
class World:
    """All that is true, at any time. `scenario`: its name; `seed`: it was drawn with."""

    cells: tuple[Cell, ...] = ()
    shields: tuple[Shield, ...] = ()
    air: Air = field(default_factory=Air)
    scenario: str = ""
    seed: int = 0


def vigour_at(age: float) -> float:
    """Strength by age: 0 at 0 and 1 and outside, 1 in the middle, flat there."""
    return 1 - abs(2 * age - 1) ** 3 if 0 <= age <= 1 else 0.0


def seconds_since(born: datetime, when: datetime) -> float:
    """Seconds from `born` to `when`, both aware UTC."""
    return (require_utc(when) - require_utc(born)).total_seconds()


def moved(lon: float, lat: float, u_m_s: float, v_m_s: float, seconds: float) -> tuple[float, float]:
    """(lon, lat) [deg] of what moves so, on a sphere, with the parallel of its new latitude."""
    north = lat + v_m_s * seconds / 1000 / KM_PER_DEG
    return lon + u_m_s * seconds / 1000 / (KM_PER_DEG * float(np.cos(np.deg2rad(north)))), north
