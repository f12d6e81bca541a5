"""Composites of known storms for the tests: Gaussian blobs on a small grid, and the Datasets that carry them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.grid import EARTH_RADIUS_M, Grid
from wxcore.schema import MOSAIC, NO_ECHO_DBZ, PRODUCTS
from wxcore.times import to_datetime64

GRID = Grid(106.0, 29.0, 200, 160)
START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
DEGREE_M = np.deg2rad(1) * EARTH_RADIUS_M
VARS = {var.name: var for var in (*MOSAIC, *PRODUCTS)}


@dataclass(frozen=True)
class Blob:
    """A round storm: `peak` dBZ falling by 10 dB at `radius_km`, at (lon, lat) at START, moving with u, v [m/s]."""

    lon: float
    lat: float
    peak: float = 55.0
    radius_km: float = 4.0
    u: float = 0.0
    v: float = 0.0


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def composite(blobs: Iterable[Blob], minutes: float, grid: Grid = GRID) -> npt.NDArray[np.float32]:
    lon, lat = np.meshgrid(grid.lon, grid.lat)
    field = np.full(grid.shape, NO_ECHO_DBZ)
    for blob in blobs:
        lat0 = blob.lat + blob.v * minutes * 60 / DEGREE_M
        lon0 = blob.lon + blob.u * minutes * 60 / (DEGREE_M * np.cos(np.deg2rad(blob.lat)))
        east = (lon - lon0) * DEGREE_M * np.cos(np.deg2rad(lat0)) / 1000
        north = (lat - lat0) * DEGREE_M / 1000
        field = np.maximum(field, blob.peak - 10 * (east**2 + north**2) / blob.radius_km**2)
    return field.astype(np.float32)


def products(
    dbz: npt.NDArray[np.float32], minutes: float = 0, *, observed: int = 1, grid: Grid = GRID, **more: npt.ArrayLike
) -> xr.Dataset:
    """A Dataset as identify takes it; `more` holds further products (lat, lon)."""
    fields = {"composite_reflectivity": dbz, "observed": np.full(grid.shape, observed), **more}
    return xr.Dataset(
        {
            name: (VARS[name].dims, np.asarray(values, dtype=VARS[name].dtype)[np.newaxis], VARS[name].attrs)
            for name, values in fields.items()
        },
        {"time": np.array([to_datetime64(at(minutes))]), "lat": grid.lat, "lon": grid.lon},
    )
