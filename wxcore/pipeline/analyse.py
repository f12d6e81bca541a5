"""Decoded inputs to the cycle's cube: mosaic, column products, and the 2-D composite where no beam looked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr

from wxcore.environment.levels import Levels
from wxcore.products.columns import column_products, composite_only_products
from wxcore.products.hail_range import within_hail_range
from wxcore.radar.mosaic import mosaic
from wxcore.radar.regrid import to_grid
from wxcore.radar.volume import Volume
from wxcore.region import Region
from wxcore.schema import OBSERVED_COMPOSITE, OBSERVED_NONE


def volume_cube(volumes: Sequence[Volume], region: Region, when: datetime, levels: Levels) -> xr.Dataset:
    """Mosaic of the volumes and its column products (schema.MOSAIC and schema.PRODUCTS)."""
    cube = _with_products(mosaic(volumes, region.grid, when=when), levels)
    sites = [(volume.site.latitude, volume.site.longitude) for volume in volumes]
    return within_hail_range(cube, region.grid, sites)


def mosaic_cube(native: Any, region: Region, when: datetime, levels: Levels) -> xr.Dataset:
    """A 3-D mosaic of another system on our grid, and its column products."""
    return _with_products(_at(to_grid(native, region.grid), when), levels)


def composite_cube(native: Any, region: Region, when: datetime) -> xr.Dataset:
    """A 2-D composite on our grid: the composite and where it looked, everything else missing."""
    flat = _at(to_grid(native, region.grid), when)
    blind = mosaic([], region.grid, when=when).drop_vars("observed")
    parts = [flat[["observed"]], blind, composite_only_products(flat)]
    return xr.merge(parts, compat="override", combine_attrs="override")


def fill_with_composite(cube: xr.Dataset, flat: xr.Dataset) -> xr.Dataset:
    """Where no beam looked, take the composite's reflectivity and say so in `observed`."""
    blind = cube["observed"] == OBSERVED_NONE
    use = blind & (flat["observed"] == OBSERVED_COMPOSITE)
    z, flag = cube["composite_reflectivity"], cube["observed"]
    return cube.assign(
        composite_reflectivity=z.where(~use, flat["composite_reflectivity"]).assign_attrs(z.attrs),
        observed=flag.where(~use, np.uint8(OBSERVED_COMPOSITE)).assign_attrs(flag.attrs),
    )


def _with_products(cube: xr.Dataset, levels: Levels) -> xr.Dataset:
    products = column_products(cube, h0_m=levels.h0_m, hm20_m=levels.hm20_m, levels_source=levels.source)
    return xr.merge([cube, products], compat="override", combine_attrs="override")


def _at(ds: xr.Dataset, when: datetime) -> xr.Dataset:
    return ds.assign_coords(time=[np.datetime64(when.replace(tzinfo=None), "ns")])
