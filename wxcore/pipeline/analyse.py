"""Decoded inputs to the cycle's cube: mosaic, column products, and the 2-D composite where no beam looked."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr

from wxcore.environment.levels import Levels
from wxcore.landing.land import landed_path
from wxcore.pipeline.gather import Chosen, is_simulated, load_volumes
from wxcore.pipeline.home import Home
from wxcore.pipeline.read import read_file
from wxcore.products.columns import column_products, composite_only_products
from wxcore.products.hail_range import Reach, only_where_hail_can_be_judged
from wxcore.radar.mosaic import mosaic
from wxcore.radar.qc import qc_summary
from wxcore.radar.regrid import to_grid
from wxcore.radar.volume import Volume
from wxcore.region import Region
from wxcore.schema import ENVIRONMENT, LEVELS_SOURCES, OBSERVED_COMPOSITE, OBSERVED_NONE

REAL, SIMULATED = "real", "SYN"
"""Truth classes of what a cycle is made of (DESIGN.md section 4)."""


@dataclass(frozen=True)
class Analysis:
    """The cube and what to say about its sources.

    Attributes:
        cube: schema.MOSAIC, schema.PRODUCTS and schema.ENVIRONMENT of one time.
        kind: "volume" (three dimensions) or "composite" (two).
        truth: REAL or SIMULATED.
        missing: radars of the region that gave nothing; notes: what else makes the result less certain.
        quality: gates with echo by radar and by flag of the quality control.
    """

    cube: xr.Dataset
    kind: str
    truth: str
    missing: tuple[str, ...]
    notes_en: tuple[str, ...]
    notes_zh: tuple[str, ...]
    quality: dict[str, dict[str, int]] = field(default_factory=dict)


def analyse(home: Home, region: Region, when: datetime, chosen: Chosen, levels: Levels) -> Analysis:
    """Decode what was chosen and make the cycle's cube of it."""
    analysis = _analyse(home, region, when, chosen, levels)
    return replace(analysis, cube=_with_levels(analysis.cube, levels))


def _analyse(home: Home, region: Region, when: datetime, chosen: Chosen, levels: Levels) -> Analysis:
    volumes = load_volumes(home, region, chosen.volumes)
    present = {volume.site.id for volume in volumes}
    missing = tuple(f"radar {site.id}" for site in region.radars_at(when) if site.id not in present)
    notes_en: list[str] = []
    notes_zh: list[str] = []
    flat = None
    if chosen.composite is not None:
        native = read_file(landed_path(home.landing, chosen.composite.sha256), chosen.composite.name).native
        flat = composite_cube(native, region, when)
    if volumes:
        cube = volume_cube(volumes, region, when, levels)
    elif chosen.mosaic is not None:
        native = read_file(landed_path(home.landing, chosen.mosaic.sha256), chosen.mosaic.name).native
        cube = mosaic_cube(native, region, when, levels)
        notes_en.append("mosaic of another system, its quality control unknown")
        notes_zh.append("采用外部系统三维拼图，其质控情况未知")
    else:
        assert flat is not None, "choose() gave a row of no known kind"
        notes_en.append("2-D only: hail and gale were not assessed")
        notes_zh.append("仅有二维组合反射率：未评估冰雹和雷暴大风")
        return Analysis(flat, "composite", REAL, missing, tuple(notes_en), tuple(notes_zh))
    if flat is not None:
        cube = fill_with_composite(cube, flat)
    truth = SIMULATED if is_simulated(volumes) else REAL
    if levels.quality != "good":
        notes_en.append("0 C and -20 C heights are climatology: MESH and POSH less certain")
        notes_zh.append("0℃和-20℃层高度取自气候值：MESH、POSH 可信度降低")
    quality = {volume.site.id: qc_summary(volume) for volume in volumes}
    return Analysis(cube, "volume", truth, missing, tuple(notes_en), tuple(notes_zh), quality)


def volume_cube(volumes: Sequence[Volume], region: Region, when: datetime, levels: Levels) -> xr.Dataset:
    """Mosaic of the volumes and its column products (schema.MOSAIC and schema.PRODUCTS)."""
    cube = mosaic(volumes, region.grid, when=when)
    return _with_products(cube, region, levels, [_reach(v) for v in volumes if v.site.id in cube.attrs["radars"]])


def mosaic_cube(native: Any, region: Region, when: datetime, levels: Levels) -> xr.Dataset:
    """A 3-D mosaic of another system on our grid, and its column products."""
    return _with_products(_at(to_grid(native, region.grid), when), region, levels, None)


def _reach(volume: Volume) -> Reach:
    moments = [sweep.moments["DBZH"] for sweep in volume.sweeps if "DBZH" in sweep.moments]
    farthest = max(moment.first_gate_m + moment.codes.shape[1] * moment.gate_m for moment in moments)
    return Reach(volume.site.latitude, volume.site.longitude, farthest)


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


def _with_products(cube: xr.Dataset, region: Region, levels: Levels, radars: Sequence[Reach] | None) -> xr.Dataset:
    heights = {"h0_m": levels.h0_m, "hm20_m": levels.hm20_m}
    products = column_products(cube, levels_source=levels.source, **heights)
    whole = xr.merge([cube, products], compat="override", combine_attrs="override")
    return only_where_hail_can_be_judged(whole, region.grid, radars=radars, **heights)


def _with_levels(cube: xr.Dataset, levels: Levels) -> xr.Dataset:
    """The cube with the heights that its hail products used (schema.ENVIRONMENT)."""
    values = (levels.h0_m, levels.hm20_m, LEVELS_SOURCES.index(levels.source))
    return cube.assign(
        {
            var.name: (var.dims, np.array([value], dtype=var.dtype), var.attrs)
            for var, value in zip(ENVIRONMENT, values, strict=True)
        }
    )


def _at(ds: xr.Dataset, when: datetime) -> xr.Dataset:
    return ds.assign_coords(time=[np.datetime64(when.replace(tzinfo=None), "ns")])
