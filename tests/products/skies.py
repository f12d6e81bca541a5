"""Images of known clouds for the tests: Gaussian cold tops on warm ground, and the Datasets that carry them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.grid import EARTH_RADIUS_M, Grid
from wxcore.schema import IMAGE

GRID = Grid(105.0, 29.0, 300, 240)
DEGREE_M = float(np.deg2rad(1) * EARTH_RADIUS_M)
VARS = {var.name: var for var in IMAGE}
GROUND_K = 290.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cloud:
    """Colder than the ground by `depth` K at (row, column), by 0.6 of it at `radius` cells, growing by K in 15 min."""

    row: float
    column: float
    depth: float = 60.0
    radius: float = 12.0
    growth: float = 0.0


def many(
    grid: Grid = GRID, *, seed: int = 1, count: int = 30, growth: float = 0.0, narrowest: float = 8.0
) -> list[Cloud]:
    rng = np.random.default_rng(seed)
    margin = 40
    return [
        Cloud(rng.uniform(-margin, grid.n_lat + margin), rng.uniform(-margin, grid.n_lon + margin),
              rng.uniform(40, 85), rng.uniform(narrowest, 20), growth)
        for _ in range(count)
    ]  # fmt: skip


def sky(
    clouds: list[Cloud], minutes: float = 0.0, shift: tuple[float, float] = (0, 0), *, grid: Grid = GRID, pixel: int = 1
) -> Floats:
    """Temperature (lat, lon) [K]; `shift` is the way (rows, columns) of 15 minutes; `pixel` cells make a mean."""
    row, column = np.mgrid[: grid.n_lat, : grid.n_lon]
    depth = np.zeros(grid.shape)
    for cloud in clouds:
        y, x = cloud.row + shift[0] * minutes / 15, cloud.column + shift[1] * minutes / 15
        strength = cloud.depth + cloud.growth * minutes / 15
        depth += (strength * np.exp(-((row - y) ** 2 + (column - x) ** 2) / 2 / cloud.radius**2)) ** 4
    return pixelled(GROUND_K - depth**0.25, pixel)  # the deepest, without a crease between two


def pixelled(field: npt.NDArray[np.float64], pixel: int) -> Floats:
    """Means of pixel x pixel cells, in each of these cells."""
    rows, columns = field.shape
    padded = np.pad(field, ((0, -rows % pixel), (0, -columns % pixel)), mode="edge")
    means = padded.reshape(padded.shape[0] // pixel, pixel, -1, pixel).mean(axis=(1, 3))
    return np.kron(means, np.ones((pixel, pixel)))[:rows, :columns].astype(np.float32)


def image(bt108: npt.ArrayLike, grid: Grid = GRID, *, satellite: int = 3, **more: npt.ArrayLike) -> xr.Dataset:
    """Variables of schema.IMAGE; `more` by the end of their name (bt062 = ...) or whole name."""
    fields = {"brightness_temperature_108": bt108, "satellite": np.full(grid.shape, satellite)}
    fields |= {name.replace("bt", "brightness_temperature_"): values for name, values in more.items()}
    return xr.Dataset(
        {
            name: (VARS[name].dims, np.asarray(values, dtype=VARS[name].dtype)[np.newaxis], VARS[name].attrs)
            for name, values in fields.items()
        },
        {"time": np.array(["2026-07-01T06:00"], "M8[ns]"), "lat": grid.lat, "lon": grid.lon},
    )
