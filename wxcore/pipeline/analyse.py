"""Decoded inputs to the cycle's cube: mosaic, column products, and the 2-D composite where no beam looked."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr

from wxcore.environment.levels import Levels
from wxcore.errors import ReadError, WxcoreError
from wxcore.landing.ledger import FileRow
from wxcore.pipeline.gather import Chosen, load_file, lost
from wxcore.pipeline.ground import Ground, ground_of
from wxcore.pipeline.home import Home
from wxcore.pipeline.network import compare
from wxcore.pipeline.prepared import load_prepared, to_record, winds_before
from wxcore.pipeline.sky import Sky, sky_of
from wxcore.pipeline.stages import stage
from wxcore.pipeline.static import ground_model, static_digest, terrain_trouble
from wxcore.products.columns import column_products, composite_only_products
from wxcore.products.hail_range import Reach, only_where_hail_can_be_judged
from wxcore.radar.mosaic import mosaic, mosaic_looks
from wxcore.radar.plane_mosaic import plane_mosaic
from wxcore.radar.prepare import Prepared
from wxcore.radar.regrid import to_grid
from wxcore.radar.remarks import chinese
from wxcore.radar.volume import SIMULATED_TASK
from wxcore.region import Region
from wxcore.schema import (
    COLUMN,
    ENVIRONMENT,
    ENVIRONMENT_MORE,
    LEVELS_QUALITIES,
    LEVELS_SOURCES,
    OBSERVED_COMPOSITE,
    OBSERVED_NONE,
)
from wxcore.times import iso

REAL, SIMULATED = "real", "SYN"
"""Truth classes of what a cycle is made of (DESIGN.md section 4)."""

_SWEEP = re.compile(r"(?P<before>sweep |cut |第 )(?P<number>\d+)(?P<after>(?:: | 层).+)")
"""A remark on one sweep, in English or Chinese."""

ONLY_2D = ("2-D only: hail and gale were not assessed", "仅有二维组合反射率：未评估冰雹和雷暴大风")
FOREIGN_MOSAIC = ("mosaic of another system, its quality control unknown", "采用外部系统三维拼图，其质控情况未知")
ONLY_SKY = (
    "no radar at all: satellites, lightning and ground stations only, no storm was assessed and no warning changed",
    "无任何雷达资料：仅有卫星、闪电和地面站，未评估风暴，预警保持不变",
)
DOUBTFUL = (
    "0 C and -20 C heights are of an older or distant profile: MESH and POSH less certain",
    "0℃和-20℃层高度取自较早或较远的探空：MESH、POSH 可信度降低",
)
CLIMATOLOGY = (
    "0 C and -20 C heights are climatology: MESH and POSH less certain",
    "0℃和-20℃层高度取自气候值：MESH、POSH 可信度降低",
)


@dataclass(frozen=True)
class Analysis:
    """The cube and what to say about its sources.

    Attributes:
        cube: schema.MOSAIC, schema.PRODUCTS and schema.ENVIRONMENT of one time.
        kind: "volume" (three dimensions), "composite" (two), or "sky" (no radar: satellites, lightning and stations).
        truth: REAL or SIMULATED.
        missing: radars of the region that gave nothing; notes: what else makes the result less certain.
        quality: gates with echo by radar and by flag of the quality control.
        winds: the wind over each radar that its velocities show, as the provenance keeps it.
        radar_pairs: rows of the table of biases between radars.
        remarks: what was odd in each radar's volume.
        static: digests of elevation model and learnt maps, by radar that has any.
        sky: what satellites and lightning said; ground: what ground stations said.
    """

    cube: xr.Dataset
    kind: str
    truth: str
    missing: tuple[str, ...]
    notes_en: tuple[str, ...]
    notes_zh: tuple[str, ...]
    quality: dict[str, dict[str, int]] = field(default_factory=dict)
    winds: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    radar_pairs: tuple[dict[str, str], ...] = ()
    remarks: dict[str, list[str]] = field(default_factory=dict)
    static: dict[str, list[str]] = field(default_factory=dict)
    sky: Sky | None = None
    ground: Ground = field(default_factory=Ground)


def analyse(home: Home, region: Region, when: datetime, chosen: Chosen, levels: Levels) -> Analysis:
    """Decode what was chosen and make the cycle's cube of it."""
    analysis = _analyse(home, region, when, chosen, levels)
    by_radar = analysis.kind != "sky"
    real_only = by_radar and analysis.truth == REAL
    sky = sky_of(home, region, when, chosen, levels, real_only=real_only)
    looked = sky.flashes if sky.flashes.looks else None
    with stage("stations"):
        ground = ground_of(home, region, when, chosen, analysis.cube, looked, real_only=real_only)
    missing = (*analysis.missing, *sky.missing, *ground.missing)
    if not by_radar and not sky.fields.data_vars and ground.table.empty:
        raise WxcoreError(
            f"no file of {iso(when)} can be used for {region.id}: {'; '.join(missing)}",
            f"{region.name_zh} {iso(when)} 没有可用文件：{'；'.join(missing)}",
        )
    return replace(
        analysis,
        cube=_with_levels(analysis.cube, levels).assign(sky.fields.data_vars).assign(ground.fields.data_vars),
        missing=missing,
        truth=analysis.truth if by_radar or not (sky.simulated or ground.simulated) else SIMULATED,
        sky=sky,
        ground=ground,
    )


def _analyse(home: Home, region: Region, when: datetime, chosen: Chosen, levels: Levels) -> Analysis:
    """What the radars say; of kind "sky" and blind where there is none."""
    volumes, unread = load_prepared(home, region, chosen.volumes, levels, winds_before(home, region, when))
    present = {volume.look.site.id for volume in volumes}
    missing = [*unread, *(f"radar {site.id}" for site in region.radars_at(when) if site.id not in present)]
    flat = _try(chosen.composite, lambda row: composite_cube(load_file(home, row), region, when), missing)
    if volumes:
        cube: xr.Dataset | None = volume_cube(volumes, region, when, levels)
        with stage("compare radars"):
            compared = compare([volume.look for volume in volumes], when, ground_model(region))
        notes = [*compared.alarms, *_remarks(volumes)]
    else:
        cube = _try(chosen.mosaic, lambda row: mosaic_cube(load_file(home, row), region, when, levels), missing)
        compared, notes = None, [FOREIGN_MOSAIC]
    if cube is None and flat is None:
        return _told(blind_cube(region, when), "sky", REAL, missing, [ONLY_SKY])
    if cube is None:
        assert flat is not None
        return _told(flat, "composite", REAL, missing, [ONLY_2D])
    if flat is not None:
        cube = fill_with_composite(cube, flat)
    if levels.quality != "good":
        notes.append(DOUBTFUL if levels.quality == "doubtful" else CLIMATOLOGY)
    if (trouble := terrain_trouble(region)) is not None:
        notes.append(trouble)
    found = _told(cube, "volume", SIMULATED if is_simulated(volumes) else REAL, missing, notes)
    return replace(
        found,
        quality={volume.look.site.id: dict(volume.quality) for volume in volumes},
        winds={volume.look.site.id: to_record(volume.wind) for volume in volumes if volume.wind.height_m.size},
        radar_pairs=compared.rows if compared is not None else (),
        remarks={volume.look.site.id: list(volume.remarks) for volume in volumes if volume.remarks},
        static={site: known for site in sorted(present) if (known := static_digest(home, region, site))},
    )


def _remarks(volumes: Sequence[Prepared]) -> list[tuple[str, str]]:
    """One note a radar: what was odd in its volume and changes what a forecaster sees."""
    notes = []
    for volume in volumes:
        told = [(remark, zh) for remark in volume.remarks if (zh := chinese(remark)) is not None]
        if told:
            site = volume.look.site.id
            en, zh = "; ".join(_by_sweep([en for en, _ in told])), "；".join(_by_sweep([zh for _, zh in told]))
            notes.append((f"radar {site}: {en}", f"雷达 {site}：{zh}"))
    return notes


def _by_sweep(sentences: Sequence[str]) -> list[str]:
    """The same sentences, those that differ in the number of the sweep only once, with all numbers."""
    numbers: dict[tuple[str, str], list[str]] = {}
    for sentence in sentences:
        found = _SWEEP.match(sentence)
        key = (found["before"], found["after"]) if found else (sentence, "")
        numbers.setdefault(key, []).append(found["number"] if found else "")
    return [before + ", ".join(every) + after if after else before for (before, after), every in numbers.items()]


def is_simulated(volumes: Sequence[Prepared]) -> bool:
    """Does any volume say in its own header that it is simulated?"""
    return any(volume.task.startswith(SIMULATED_TASK) for volume in volumes)


def _try(row: FileRow | None, make: Callable[[FileRow], xr.Dataset], missing: list[str]) -> xr.Dataset | None:
    """What `make` gives; None, and a word in `missing`, where the file is gone or does not touch the region."""
    if row is None:
        return None
    try:
        return make(row)
    except ReadError as error:
        missing.append(lost(row, error))
        return None


def _told(
    cube: xr.Dataset, kind: str, truth: str, missing: Sequence[str], notes: Sequence[tuple[str, str]]
) -> Analysis:
    return Analysis(cube, kind, truth, tuple(missing), tuple(en for en, _ in notes), tuple(zh for _, zh in notes))


def volume_cube(volumes: Sequence[Prepared], region: Region, when: datetime, levels: Levels) -> xr.Dataset:
    """Mosaic of the volumes, its column products, and what velocities and dual polarisation say where there are any
    (schema.MOSAIC, PRODUCTS and OPTIONAL)."""
    with stage("mosaic"):
        cube = mosaic_looks([volume.look for volume in volumes], region.grid, when=when)
    cube = cube.assign(reflectivity=cube["reflectivity"].assign_attrs(method=cube.attrs["method"]))
    used = [volume for volume in volumes if volume.look.site.id in cube.attrs["radars"]]
    whole = _with_products(cube, region, levels, [_reach(volume) for volume in used])
    with stage("planes"):
        planes = plane_mosaic([share for volume in volumes if (share := volume.share) is not None], region.grid)
    return whole.assign(planes.data_vars)


def mosaic_cube(native: Any, region: Region, when: datetime, levels: Levels) -> xr.Dataset:
    """A 3-D mosaic of another system on our grid, and its column products."""
    return _with_products(_at(to_grid(native, region.grid), when), region, levels, None)


def _reach(volume: Prepared) -> Reach:
    return Reach(volume.look.site.latitude, volume.look.site.longitude, volume.range_m)


def composite_cube(native: Any, region: Region, when: datetime) -> xr.Dataset:
    """A 2-D composite on our grid: the composite and where it looked, everything else missing."""
    flat = _at(to_grid(native, region.grid), when)
    blind = mosaic([], region.grid, when=when, with_quality=False).drop_vars("observed")
    parts = [flat[["observed"]], blind, composite_only_products(flat)]
    return xr.merge(parts, compat="override", combine_attrs="override")


def blind_cube(region: Region, when: datetime) -> xr.Dataset:
    """The cube of a time at which no radar looked anywhere: everything missing."""
    blind = mosaic([], region.grid, when=when, with_quality=False)
    nothing = np.full((1, *region.grid.shape), np.nan, dtype=np.float32)
    flat = blind.assign(composite_reflectivity=(COLUMN, nothing))
    return xr.merge([blind, composite_only_products(flat)], compat="override", combine_attrs="override")


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
    with stage("products"):
        products = column_products(cube, levels_source=levels.source, **heights)
        whole = xr.merge([cube, products], compat="override", combine_attrs="override")
        return only_where_hail_can_be_judged(whole, region.grid, radars=radars, **heights)


def _with_levels(cube: xr.Dataset, levels: Levels) -> xr.Dataset:
    """The cube with the heights that its hail products used, and where they come from (schema.ENVIRONMENT and
    ENVIRONMENT_MORE)."""
    age = np.nan if levels.age_h is None else levels.age_h
    more = (levels.hm10_m, levels.wet_bulb_zero_m, age, LEVELS_QUALITIES.index(levels.quality))
    values = (levels.h0_m, levels.hm20_m, LEVELS_SOURCES.index(levels.source), *more)
    return cube.assign(
        {
            var.name: (var.dims, np.array([value], dtype=var.dtype), var.attrs)
            for var, value in zip((*ENVIRONMENT, *ENVIRONMENT_MORE), values, strict=True)
        }
    )


def _at(ds: xr.Dataset, when: datetime) -> xr.Dataset:
    return ds.assign_coords(time=[np.datetime64(when.replace(tzinfo=None), "ns")])
