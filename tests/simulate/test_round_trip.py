"""There and back: what is simulated, seen by clean instruments, comes out of the chain where it was put in.

Every check is also made with a radar 0.02 degree beside its place, and must fail there: it could not find a fault
otherwise.
"""

import bz2
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

from wxcore.archive.read import open_archive
from wxcore.pipeline.home import Home
from wxcore.pipeline.run import run
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.mosaic import mosaic
from wxcore.radar.volume import Volume
from wxcore.region import RadarSite, Region
from wxcore.simulate import lightning_feed, radar_feed
from wxcore.simulate.fields import hail_size, reflectivity
from wxcore.simulate.flashes import flashes
from wxcore.simulate.planned import FULL, Setting
from wxcore.simulate.radar import VCP21_DEG, scan
from wxcore.simulate.scene import Cell, Shield, World

WHEN = datetime(2026, 7, 1, 8, 6, tzinfo=UTC)
LIFE_MIN = 3000.0
BORN = WHEN - timedelta(minutes=LIFE_MIN / 2)
"""In mid-life of two days nothing changes in a volume: only geometry is tested."""

HAIL = Cell(106.25, 29.75, 0.0, 0.0, BORN, LIFE_MIN, 60.0, 7.0, 8500.0, hail_mm=40.0, flashes_min=30.0)
WORLD = World(
    cells=(HAIL, Cell(106.9, 29.25, 0.0, 0.0, BORN, LIFE_MIN, 55.0, 9.0, 7000.0, flashes_min=10.0)),
    shields=(Shield(106.4, 30.1, 0.0, 0.0, BORN, LIFE_MIN, 33.0, 60.0, 30.0, 60.0),),
    seed=7,
)
ASIDE_DEG = 0.02
EFFECTIVE_M = 4 / 3 * 6_371_000
Doubles = npt.NDArray[np.float64]


def aside(site: RadarSite, by_deg: float) -> RadarSite:
    return replace(site, lon=site.lon + by_deg)


def beam_height(site: RadarSite, arc_m: Doubles, elevation_deg: float) -> Doubles:
    """Height ASL of a beam over an arc on the ground, 4/3 earth, by the law of sines."""
    radius, angle = EFFECTIVE_M + site.antenna_m, np.deg2rad(elevation_deg)
    return np.asarray(radius * (np.cos(angle) / np.cos(angle + arc_m / EFFECTIVE_M) - 1) + site.antenna_m)


def seen_part(site: RadarSite, cube: xr.DataArray) -> float:
    """Part of the grid points in echo whose mosaic lies between the true values at the beams below and above, within
    a gate to each side."""
    random = np.random.default_rng(1)
    rows, columns, levels = (random.integers(0, cube.sizes[name], 400_000) for name in ("lat", "lon", "height"))
    lat, lon = cube["lat"].to_numpy()[rows], cube["lon"].to_numpy()[columns]
    height = cube["height"].to_numpy()[levels].astype(np.float64)
    found = cube.isel(time=0).transpose("lat", "lon", "height").to_numpy()[rows, columns, levels]
    km_x = 111.2 * np.cos(np.deg2rad(site.lat))
    arc = 1000 * np.hypot((lon - site.lon) * km_x, (lat - site.lat) * 111.2)
    beams = np.stack([beam_height(site, arc, tilt) for tilt in VCP21_DEG])
    above = (beams < height).sum(axis=0)
    inside = (above > 0) & (above < len(VCP21_DEG)) & (arc > 10_000) & (arc < 110_000)
    inside &= reflectivity(WORLD, lon, lat, height, WHEN) > 10
    lat, lon, arc, found, above = (part[inside] for part in (lat, lon, arc, found, above))
    values = []
    for index in (above - 1, above):
        at = beams[:, inside][index, np.arange(index.size)]
        half_km = 0.6 + arc / 1000 * np.deg2rad(0.5)
        for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7)):
            values.append(reflectivity(WORLD, lon + dx * half_km / km_x, lat + dy * half_km / 111.2, at, WHEN))
    low, high = np.min(values, axis=0) - 0.5, np.max(values, axis=0) + 0.5
    known = np.min(values, axis=0) > 0
    assert known.sum() > 2000
    return float(np.mean((found >= low)[known] & (found <= high)[known]))


def offset_km(site: RadarSite, cube: xr.DataArray) -> float:
    """How far the echo of the mosaic at 3 km is from the true one: the shift that fits best."""
    level = cube.isel(time=0).sel(height=3000)
    lat, lon = np.meshgrid(level["lat"], level["lon"], indexing="ij")
    near = np.hypot(lon - HAIL.lon, lat - HAIL.lat) < 0.12
    found = level.to_numpy()[near]
    shifts = [(x, y) for x in range(-4, 5) for y in range(-4, 5)]
    errors = [
        float(np.mean((reflectivity(WORLD, lon[near] - x / 100, lat[near] - y / 100, 3000.0, WHEN) - found) ** 2))
        for x, y in shifts
    ]
    x, y = shifts[int(np.argmin(errors))]
    return float(np.hypot(x, y) * 1.11)


@pytest.mark.parametrize("by_deg", [0.0, ASIDE_DEG, -ASIDE_DEG])
def test_the_mosaic_is_the_simulated_field_within_beam_geometry(chongqing: Region, by_deg: float) -> None:
    site = chongqing.radar("Z9230", WHEN)
    assert site is not None
    volume = seen_by(site, WHEN - timedelta(minutes=6), by_deg)
    cube = mosaic([volume], chongqing.grid, when=WHEN, max_range_m=120_000, with_quality=False)["reflectivity"]
    seen, offset = seen_part(site, cube), offset_km(site, cube)
    if by_deg:
        assert seen < 0.9
        assert offset > 1.5
    else:
        assert seen > 0.995
        assert offset == 0


def seen_by(site: RadarSite, start: datetime, by_deg: float) -> Volume:
    """A clean volume of a radar that truly stands `by_deg` beside what its file says."""
    volume = scan(aside(site, by_deg), WORLD, start, seed=1, clean=True)
    return volume.at(replace(volume.site, longitude=site.lon))


def make_files(region: Region, folder: Path, by_deg: float) -> list[Path]:
    """One cycle of three radars and the lightning network, from clean instruments.

    Not of the imager: the chain leaves its flashes where parallax puts them (docs/lightning.md).
    """
    scale = replace(FULL, radars=("Z9230", "Z9092", "Z9817"), satellites=(), stations=0)
    setting = Setting(region, WORLD, scale, WHEN - timedelta(minutes=6), WHEN, seed=3, clean=True)
    contents = {
        folder / planned.path: bz2.compress(write_standard(seen_by(site, planned.start, by_deg)))
        for planned in radar_feed.INSTRUMENT.plan(setting)
        if (site := region.radar(str(planned.key[0]), WHEN))
    }
    adtd = lightning_feed.ADTD
    contents |= {folder / planned.path: adtd.make(setting, planned) for planned in adtd.plan(setting)}
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(contents)


def distance_km(field: xr.DataArray, lon: float, lat: float) -> float:
    """From a field's largest value to a place."""
    top = field.where(field == field.max(), drop=True)
    return float(np.hypot((top["lon"].mean() - lon) * 96.5, (top["lat"].mean() - lat) * 111.2))


@pytest.mark.parametrize("by_deg", [0.0, ASIDE_DEG])
def test_hail_and_lightning_come_out_where_they_are(chongqing: Region, tmp_path: Path, by_deg: float) -> None:
    home = Home(tmp_path / "home")
    result = run(make_files(chongqing, tmp_path / "feed", by_deg), home, chongqing, at=WHEN)
    assert not result.failed
    cube = open_archive(home.archive, region=chongqing.id).isel(time=-1).load()
    off = distance_km(cube["mesh"], HAIL.lon, HAIL.lat)
    if by_deg:
        assert off > 1.3
        return
    assert off < 1.0
    lat, lon = np.meshgrid(cube["lat"], cube["lon"], indexing="ij")
    truth = hail_size(WORLD, lon, lat, WHEN)
    hit = cube["mesh"].to_numpy()[truth > 0.75 * HAIL.hail_mm]
    assert hit.size > 3
    assert hit.min() > 20
    assert cube["mesh"].where(np.hypot(lon - HAIL.lon, lat - HAIL.lat) > 0.15).max() < 15
    told = flashes(WORLD, result.cycles[-1].time - timedelta(minutes=6), result.cycles[-1].time)
    seen = cube["flash_density"].to_numpy()
    weights = np.where(np.isfinite(seen), seen, 0)
    for cell in WORLD.cells:
        near = np.hypot((lon - cell.lon) * 0.87, lat - cell.lat) < 0.12
        assert (weights * lon)[near].sum() / weights[near].sum() == pytest.approx(cell.lon, abs=0.015)
    assert told.lon.size > 100
