"""Storms of known truth: smooth cells that move, grow and decay, as reflectivity at any place, height and time.

The shapes are convenient, not physical research: they prove plumbing, never skill.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from wxcore.grid import EARTH_RADIUS_M
from wxcore.times import require_utc

NOTHING_DBZ = -33.0
"""Reflectivity [dBZ] where no cell is: below every radar's noise."""


@dataclass(frozen=True)
class Cell:
    """One storm.

    Attributes:
        lon, lat: place at `born` [deg]; u_m_s, v_m_s: motion.
        born: aware UTC; life_min: from birth to death, with the peak in the middle.
        peak_dbz: reflectivity of the core at its strongest; radius_km: where the echo has fallen by 20 dB.
        core_top_m: height ASL up to which the core keeps its strength; lapse_db_km: fall above it.
    """

    lon: float
    lat: float
    u_m_s: float
    v_m_s: float
    born: datetime
    life_min: float
    peak_dbz: float
    radius_km: float
    core_top_m: float
    lapse_db_km: float = 6.0

    def place(self, when: datetime) -> tuple[float, float]:
        """(lon, lat) of the core [deg]."""
        seconds = (require_utc(when) - self.born).total_seconds()
        metres_per_degree = np.deg2rad(1) * EARTH_RADIUS_M
        lat = self.lat + self.v_m_s * seconds / metres_per_degree
        lon = self.lon + self.u_m_s * seconds / (metres_per_degree * np.cos(np.deg2rad(lat)))
        return float(lon), float(lat)

    def strength_db(self, when: datetime) -> float:
        """Change of the peak with age [dB]: 0 in mid-life, -20 at birth and death, nothing outside."""
        age = (require_utc(when) - self.born).total_seconds() / 60 / self.life_min
        return -20 * abs(2 * age - 1) ** 3 if 0 <= age <= 1 else -np.inf


def reflectivity(
    cells: tuple[Cell, ...],
    lon: npt.NDArray[np.floating],
    lat: npt.NDArray[np.floating],
    height_m: npt.NDArray[np.floating],
    when: datetime,
) -> npt.NDArray[np.float64]:
    """Reflectivity [dBZ] at places of any common shape, heights ASL; NOTHING_DBZ where no cell is."""
    field = np.full(np.broadcast_shapes(lon.shape, lat.shape, height_m.shape), NOTHING_DBZ)
    metres_per_degree = np.deg2rad(1) * EARTH_RADIUS_M
    for cell in cells:
        strength = cell.strength_db(when)
        if not np.isfinite(strength):
            continue
        lon0, lat0 = cell.place(when)
        x = (lon - lon0) * metres_per_degree * np.cos(np.deg2rad(lat0))
        y = (lat - lat0) * metres_per_degree
        radial = 20 * (x**2 + y**2) / (cell.radius_km * 1000) ** 2
        aloft = np.maximum(height_m - cell.core_top_m, 0) / 1000 * cell.lapse_db_km
        field = np.maximum(field, cell.peak_dbz + strength - radial - aloft)
    return np.asarray(np.maximum(field, NOTHING_DBZ), dtype=np.float64)
