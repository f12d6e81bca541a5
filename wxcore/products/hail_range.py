"""Where radars can say anything about hail: near enough, far enough, and seen through the layer where hail grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.grid import Grid
from wxcore.radar.geometry import ground_position
from wxcore.schema import COLUMN, HEIGHT, LAT, LON, TIME

NEAREST_M, FARTHEST_M = 10_000.0, 150_000.0
"""Ground distances between which hail products are given (defaults of pyhail, DOMAIN.md 1.1)."""

LEAST_OBSERVED = 0.75
"""Part of the levels from 0 C to -20 C that must be observed: below, as in the cone of silence (28 km wide at 10 km
height, DOMAIN.md 1.1), a small SHI says nothing about hail [our choice]."""

KEPT = 8
"""Sets of radars whose cells are kept: those of a cycle change when one is late."""

HAIL_PRODUCTS = ("shi", "mesh", "mesh75", "mesh95", "posh", "h45_above_h0")


@dataclass(frozen=True)
class Reach:
    """A radar's place [deg] and how far along the ground it sees [m]."""

    lat: float
    lon: float
    range_m: float


def only_where_hail_can_be_judged(
    cube: xr.Dataset, grid: Grid, *, h0_m: float, hm20_m: float, radars: Sequence[Reach] | None
) -> xr.Dataset:
    """The cube with HAIL_PRODUCTS missing where nobody can judge hail: missing is never "no hail".

    Args:
        cube: schema.PRODUCTS and `radar_count` (time, height, lat, lon) on `grid`.
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL] that the products used.
        radars: those in the mosaic; None where they are unknown (another system's), then only the layer decides.
    """
    good = _layer_seen(cube["radar_count"], grid, h0_m, hm20_m)
    if radars is not None:
        good &= _in_range(grid, tuple(radars))
    mask = xr.DataArray(good[np.newaxis], dims=COLUMN)
    told = {"hail_range_m": [NEAREST_M, FARTHEST_M], "hail_layer_observed": LEAST_OBSERVED}
    return cube.assign(
        {name: cube[name].where(mask).astype("f4").assign_attrs(cube[name].attrs | told) for name in HAIL_PRODUCTS}
    )


def _layer_seen(count: xr.DataArray, grid: Grid, h0_m: float, hm20_m: float) -> npt.NDArray[np.bool_]:
    """(lat, lon): is enough of the layer observed? A grid without a level in it decides by the nearest level."""
    levels = np.flatnonzero((grid.height >= h0_m) & (grid.height <= hm20_m))
    if levels.size == 0:
        levels = np.array([int(np.argmin(np.abs(grid.height - (h0_m + hm20_m) / 2)))])
    layer = count.transpose(TIME, LAT, LON, HEIGHT).to_numpy()[0, :, :, levels[0] : levels[-1] + 1]
    return np.asarray((layer > 0).mean(axis=-1) >= LEAST_OBSERVED)


@lru_cache(maxsize=KEPT)
def _in_range(grid: Grid, radars: tuple[Reach, ...]) -> npt.NDArray[np.bool_]:
    """(lat, lon): is any radar at the right distance? Not to be written to: the next cycle has the same radars."""
    good = np.zeros(grid.shape, dtype=bool)
    for radar in radars:
        distance, _ = ground_position(radar.lat, radar.lon, grid.lat[:, np.newaxis], grid.lon[np.newaxis, :])
        good |= (distance >= NEAREST_M) & (distance <= min(FARTHEST_M, radar.range_m))
    good.flags.writeable = False
    return good
