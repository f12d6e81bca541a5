"""Where a radar can say anything about hail: neither in its cone of silence nor where its beam is wide and high."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from wxcore.grid import Grid
from wxcore.radar.geometry import ground_position
from wxcore.schema import COLUMN

NEAREST_M, FARTHEST_M = 10_000.0, 150_000.0
"""Ground distances between which hail products are given (defaults of pyhail, DOMAIN.md 1.1)."""

HAIL_PRODUCTS = ("shi", "mesh", "mesh75", "mesh95", "posh", "h45_above_h0")


def within_hail_range(products: xr.Dataset, grid: Grid, sites: Sequence[tuple[float, float]]) -> xr.Dataset:
    """The products with HAIL_PRODUCTS missing wherever no radar stands NEAREST_M to FARTHEST_M away.

    Args:
        products: schema.PRODUCTS (time, lat, lon) on `grid`.
        sites: (lat, lon) of the radars in the mosaic [deg].
    """
    good = np.zeros(grid.shape, dtype=bool)
    for lat, lon in sites:
        distance, _ = ground_position(lat, lon, grid.lat[:, np.newaxis], grid.lon[np.newaxis, :])
        good |= (distance >= NEAREST_M) & (distance <= FARTHEST_M)
    mask = xr.DataArray(good[np.newaxis], dims=COLUMN)
    told = {"hail_range_m": [NEAREST_M, FARTHEST_M]}
    return products.assign(
        {
            name: products[name].where(mask).astype("f4").assign_attrs(products[name].attrs | told)
            for name in HAIL_PRODUCTS
        }
    )
