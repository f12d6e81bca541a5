"""Small cubes and tables that the archive's tests write."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from shapely.geometry import Polygon

from wxcore.archive.layout import QUANTUM
from wxcore.grid import Grid
from wxcore.schema import CUBE, ENVIRONMENT, HEIGHT, LAT, LON, MOSAIC, OPTIONAL, PRODUCTS, STORMS, TIME, Column
from wxcore.times import to_datetime64

GRID = Grid(lon_west=106.0, lat_south=29.0, n_lon=7, n_lat=5, levels_m=(500.0, 1000.0, 2000.0))
NOON = datetime(2020, 6, 12, 5, 42, tzinfo=UTC)
SIX = timedelta(minutes=6)


def cube(when: datetime, *, seed: int = 0, grid: Grid = GRID, optional: bool = False) -> xr.Dataset:
    """A cube with random values within the schema, a fifth of them missing; with all of schema.OPTIONAL if wanted."""
    random = np.random.default_rng(seed)
    sizes = {TIME: 1, HEIGHT: len(grid.levels_m), LAT: grid.n_lat, LON: grid.n_lon}
    data: dict[str, Any] = {}
    for var in (*MOSAIC, *PRODUCTS, *ENVIRONMENT, *(OPTIONAL if optional else ())):
        shape = tuple(sizes[name] for name in var.dims)
        if np.dtype(var.dtype).kind == "f":
            low = var.valid_min if np.isfinite(var.valid_min) else 0.0
            high = var.valid_max if np.isfinite(var.valid_max) else min(3000.0, 30_000 * QUANTUM.get(var.name, 1.0))
            values = random.uniform(low, high, shape).astype(var.dtype)
            values[random.random(shape) < 0.2] = np.nan
        else:
            values = random.integers(0, 2, shape).astype(var.dtype)
        data[var.name] = (var.dims, values, dict(var.attrs))
    coords = {TIME: [to_datetime64(when)], HEIGHT: grid.height, LAT: grid.lat, LON: grid.lon}
    dataset = xr.Dataset(data, coords, {"radars": ["Z9517", "Z9523"]})
    assert dataset["reflectivity"].dims == CUBE
    return dataset


def storms(when: datetime, rows: int = 2) -> pd.DataFrame:
    """A storm table of the schema."""
    return table(STORMS, when, rows)


def table(schema: tuple[Column, ...], when: datetime, rows: int = 2) -> pd.DataFrame:
    """A table of a schema, with odd numbers and outlines."""
    columns: dict[str, Any] = {}
    for column in schema:
        if column.kind == "float":
            columns[column.name] = max(column.valid_min, 0.0) + np.arange(rows) * 0.1 + 1 / 3
        elif column.kind == "time":
            columns[column.name] = np.full(rows, to_datetime64(when))
        elif column.name == "polygon":
            columns[column.name] = _objects(
                [Polygon([(106, 29), (106.1 + row / 3, 29), (106.1, 29.1 + 1 / 7)]) for row in range(rows)]
            )
        elif column.name == "parents":
            columns[column.name] = _objects([("a", "b")[:row] for row in range(rows)])
        else:
            columns[column.name] = [f"{when:%Y%m%d%H%M}-{row}" for row in range(rows)]
    return pd.DataFrame(columns)


def _objects(values: list[Any]) -> "pd.Series[Any]":
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return pd.Series(array, dtype=object)


def provenance(when: datetime, version: int = 0) -> dict[str, Any]:
    """Provenance whose fingerprint is the cycle and a version."""
    return {"fingerprint": f"{when.isoformat()}/{version}", "inputs": [{"sha256": "00" * 32}], "levels": "by hand"}
