"""What satellites see of each storm: the coldest top over its outline and a margin (DOMAIN.md 2.5)."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import xarray as xr
from shapely.geometry.base import BaseGeometry

from wxcore.grid import EARTH_RADIUS_M, Grid
from wxcore.products.clouds import BT108, plane
from wxcore.storms.clouds import count_tops

AROUND_KM = 5.0
"""Cloud tops are looked for in the outline and so far around it [our choice]: a pixel, and what parallax leaves."""

COLUMNS = (
    "bt108_min_k", "bt108_change_15min_k", "wv_difference_max_k", "overshooting_tops", "satellite_age_min",
)  # fmt: skip

DEGREE_KM = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)

Doubles = npt.NDArray[np.float64]


def storm_satellite(cube: xr.Dataset, storms: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """COLUMNS of schema.STORMS, one row a storm, with the index of `storms`; NaN where the field is unknown there.

    - bt108_min_k, wv_difference_max_k: coldest top and largest 6.2 - 10.8 um [K].
    - bt108_change_15min_k: strongest cooling [K]; positive where all warms.
    - overshooting_tops: number of them.
    - satellite_age_min: mean age of the image against the time of the analysis.

    Args:
        cube: one time; of schema.IMAGE and schema.CLOUDS what it has, (time, lat, lon) on `grid`.
        storms: column polygon (lon, lat) of schema.STORMS.

    Raises:
        SchemaError: several times or another grid.
    """
    names = (BT108, "cloud_top_change_15min", "water_vapour_difference", "satellite_offset")
    coldest, change, wv, offset = (plane(cube, name, grid) for name in names)
    tops = count_tops(cube, grid)
    rows = []
    for polygon in storms["polygon"]:
        window, inside = _cells(polygon, grid)
        if not inside.any():
            rows.append((np.nan,) * len(COLUMNS))
            continue
        number = np.nan
        if tops is not None and tops[1][window][inside].any():
            over = tops[0][window][inside]
            number = np.unique(over[over > 0]).size
        bt, cooling, moist, late = (field[window][inside] for field in (coldest, change, wv, offset))
        known = late[np.isfinite(late)]
        age = -float(known.mean(dtype=np.float64)) / 60 if known.size else np.nan
        rows.append((np.fmin.reduce(bt), np.fmin.reduce(cooling), np.fmax.reduce(moist), number, age))
    return pd.DataFrame(rows, columns=list(COLUMNS), index=storms.index, dtype=float)


def _cells(polygon: BaseGeometry | None, grid: Grid) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_]]:
    """The window of the grid about an outline and AROUND_KM, and which of its cells (centres) that contains."""
    if polygon is None or polygon.is_empty:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), dtype=bool)
    middle = polygon.centroid
    scale = np.array([DEGREE_KM * np.cos(np.deg2rad(middle.y)), DEGREE_KM])
    origin = np.array([middle.x, middle.y])
    around = shapely.transform(polygon, lambda points: (points - origin) * scale).buffer(AROUND_KM)
    west, south, east, north = np.array(around.bounds) / np.tile(scale, 2) + np.tile(origin, 2)
    rows = slice(*np.searchsorted(grid.lat, (south, north)))
    columns = slice(*np.searchsorted(grid.lon, (west, east)))
    x, y = np.meshgrid((grid.lon[columns] - origin[0]) * scale[0], (grid.lat[rows] - origin[1]) * scale[1])
    shapely.prepare(around)
    return (rows, columns), np.asarray(shapely.contains_xy(around, x, y), dtype=bool)
