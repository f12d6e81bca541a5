"""The analysis grid: regular in longitude and latitude, with levels in metres above sea level."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

EARTH_RADIUS_M = 6_371_000.0
"""Mean Earth radius [m] of the 4/3-earth model and of areas on the grid (DOMAIN.md 1.1)."""

MRMS_LEVELS_M: tuple[float, ...] = (
    *(float(z) for z in range(500, 3001, 250)),
    *(float(z) for z in range(3500, 9001, 500)),
    *(float(z) for z in range(10_000, 19_001, 1000)),
)
"""The 33 MRMS levels [m ASL]: 0.50 (0.25) 3.00, 3.5 (0.5) 9.0, 10 (1) 19 km (DOMAIN.md 1.4)."""


@dataclass(frozen=True)
class Grid:
    """Cell centres from (`lon_west`, `lat_south`), `step_deg` apart; latitude ascends (row 0 is the south).

    Attributes:
        lon_west, lat_south: centre of the south-west cell [deg].
        n_lon, n_lat: number of cells.
        step_deg: distance of cell centres [deg].
        levels_m: heights [m ASL], ascending.
    """

    lon_west: float
    lat_south: float
    n_lon: int
    n_lat: int
    step_deg: float = 0.01
    levels_m: tuple[float, ...] = field(default=MRMS_LEVELS_M)

    @cached_property
    def lon(self) -> npt.NDArray[np.float64]:
        """Longitudes of the cell centres, (n_lon,) [deg east]."""
        return np.round(self.lon_west + self.step_deg * np.arange(self.n_lon), 6)

    @cached_property
    def lat(self) -> npt.NDArray[np.float64]:
        """Latitudes of the cell centres, (n_lat,) [deg north], ascending."""
        return np.round(self.lat_south + self.step_deg * np.arange(self.n_lat), 6)

    @cached_property
    def height(self) -> npt.NDArray[np.float64]:
        """Levels, (n_level,) [m ASL]."""
        return np.asarray(self.levels_m, dtype=np.float64)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_lat, n_lon)."""
        return (self.n_lat, self.n_lon)

    @cached_property
    def cell_area_km2(self) -> npt.NDArray[np.float64]:
        """Area of a cell in each row, (n_lat,) [km2], on a sphere of EARTH_RADIUS_M."""
        step_km = np.deg2rad(self.step_deg) * EARTH_RADIUS_M / 1000
        return np.asarray(step_km**2 * np.cos(np.deg2rad(self.lat)), dtype=np.float64)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Outer edges of the cells: (west, south, east, north) [deg]."""
        half = self.step_deg / 2
        return (
            float(self.lon[0]) - half, float(self.lat[0]) - half,
            float(self.lon[-1]) + half, float(self.lat[-1]) + half,
        )  # fmt: skip

    def contains(self, lon: float, lat: float) -> bool:
        """Is the place inside the outer edges?"""
        west, south, east, north = self.bounds
        return west <= lon <= east and south <= lat <= north
