"""A place small enough that a cycle takes a moment: 40 x 40 cells, two radars, one hailstorm."""

import bz2
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from wxcore.radar import codes
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.volume import Moment, Site, Sweep, Volume
from wxcore.region import RadarSite, Region, load_region
from wxcore.simulate.fields import reflectivity
from wxcore.simulate.radar import SYN_TASK
from wxcore.simulate.radar_feed import file_name
from wxcore.simulate.scene import Cell, World
from wxcore.times import CYCLE, to_datetime64

REGION = "tiny"
START = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
"""First cycle of the scene."""

WEST, SOUTH, CELLS, STEP = 106.0, 29.0, 40, 0.01
ELEVATIONS = (0.5, 1.5, 2.4, 3.4, 4.3, 6.0, 9.9, 14.6, 19.5)
RAYS, GATES, GATE_M = 360, 60, 1000.0
M_PER_DEG = 111_195.0

SITES = (("Z9001", 106.1, 29.1), ("Z9002", 106.3, 29.32))

REGION_TOML = f"""
id = "{REGION}"
name_zh = "小区"
name_en = "Tiny"
timezone = "Asia/Shanghai"
rules = "rules.toml"
[grid]
lon_west = {WEST}
lat_south = {SOUTH}
n_lon = {CELLS}
n_lat = {CELLS}
step_deg = {STEP}
levels = [1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0, 7000.0, 8000.0, 10000.0, 12000.0, 14000.0, 16000.0]
[boundaries]
source = "geojson"
file = "outlines.geojson"
datum = "wgs84"
[issuer]
name_zh = "小区气象台"
name_en = "Tiny office"
sender = "wxcore-test@tiny.example"
adcode = "500000"
"""

FOREIGN = (("KTLX", 106.2, 29.2), ("AU40", 106.25, 29.25), ("Z9517", 106.1, 29.3), ("ZG170", 106.05, 29.05))
"""Sites of other readers' samples, put on the grid by a second region's table."""

RADARS_HEAD = "id,name_zh,name_en,lat,lon,antenna_m,type,band,owner,valid_from,valid_to,source\n"
SQUARE = (
    '{{"type":"FeatureCollection","features":[{{"type":"Feature","properties":{{"adcode":"500101"}},'
    '"geometry":{{"type":"Polygon","coordinates":[[[{w},{s}],[{e},{s}],[{e},{n}],[{w},{n}],[{w},{s}]]]}}}}]}}'
)


def write_region(root: Path, *, sites: Iterable[tuple[str, float, float]] = SITES) -> Path:
    """Write the region's folder under `root` and give `root` back."""
    folder = root / REGION
    folder.mkdir(parents=True, exist_ok=True)
    east, north = WEST + CELLS * STEP, SOUTH + CELLS * STEP
    (folder / "region.toml").write_text(REGION_TOML)
    rows = [f"{site},雷达,Radar,{lat},{lon},500,SA,S,own,1980-01-01,,test\n" for site, lon, lat in sites]
    (folder / "radars.csv").write_text(RADARS_HEAD + "".join(rows))
    (folder / "satellites.csv").write_text("id,orbit,sub_longitude,instruments,enabled,valid_from,valid_to,source\n")
    months = [f"{month},5000,8300,test,true\n" for month in range(1, 13)]
    (folder / "levels.csv").write_text("month,h0_m,hm20_m,source,placeholder\n" + "".join(months))
    (folder / "districts.csv").write_text(
        "adcode,name_zh,name_en,lat,lon,outline,valid_from,valid_to\n"
        f"500101,小区,Tiny,{SOUTH + 0.2},{WEST + 0.2},500101,2000-01-01,\n"
    )
    (folder / "outlines.geojson").write_text(SQUARE.format(w=WEST, s=SOUTH, e=east, n=north))
    (folder / "rules.toml").write_text('extends = "national"\n')
    return root


def tiny_region(root: Path, *, foreign: bool = False) -> Region:
    """The region, written and loaded; `foreign` adds the sites of other readers' samples."""
    return load_region(REGION, root=write_region(root, sites=(*SITES, *FOREIGN) if foreign else SITES))


def storm(born: datetime) -> World:
    """One hailstorm that crosses the grid in its first hour."""
    return World(cells=(Cell(106.15, 29.2, 6.0, 3.0, born - timedelta(minutes=40), 140.0, 66.0, 5.0, 9500.0),))


def volume_at(site: RadarSite, start: datetime, *, seed: int = 1, born: datetime = START) -> Volume:
    """The site's volume of the scene that began at `start`: flat-earth geometry, quick to make."""
    rng = np.random.default_rng(seed)
    sweeps = []
    for number, elevation in enumerate(ELEVATIONS):
        azimuth = (rng.uniform(0, 360) + np.arange(RAYS)) % 360
        began = start + timedelta(seconds=20 * number)
        sweeps.append(
            Sweep(
                fixed_angle=elevation,
                azimuth=azimuth.astype("f4"),
                elevation=np.full(RAYS, elevation, "f4"),
                time=to_datetime64(began) + np.arange(RAYS) * np.timedelta64(50_000, "us"),
                nyquist=27.0,
                moments={"DBZH": _reflectivity(site, storm(born), azimuth, elevation, began)},
            )
        )
    place = Site(site.id, site.name_en, site.lat, site.lon, site.antenna_m, frequency_mhz=2800.0)
    return Volume("cinrad-standard", place, start, SYN_TASK, tuple(sweeps))


def _reflectivity(site: RadarSite, world: World, azimuth: np.ndarray, elevation: float, when: datetime) -> Moment:
    slant = GATE_M / 2 + GATE_M * np.arange(GATES)
    ground, above = slant * np.cos(np.deg2rad(elevation)), slant * np.sin(np.deg2rad(elevation))
    angle = np.deg2rad(azimuth)[:, None]
    lat = site.lat + ground * np.cos(angle) / M_PER_DEG
    lon = site.lon + ground * np.sin(angle) / (M_PER_DEG * np.cos(np.deg2rad(site.lat)))
    dbz = reflectivity(world, lon, lat, (above + site.antenna_m)[None, :], when)
    raw = np.where(dbz < 0, 0, np.clip(np.round(dbz * 2 + 66), 5, 255)).astype("u1")
    return Moment(raw, 2.0, 66.0, GATE_M / 2, GATE_M, codes.CLASSES_U1)


def packed(volume: Volume) -> bytes:
    """The volume as its operational file."""
    return bz2.compress(write_standard(volume), 1)


def write_cycle(region: Region, folder: Path, when: datetime, *, seed: int = 1, born: datetime = START) -> list[Path]:
    """The volumes of all radars for the cycle at `when`, written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, site in enumerate(region.radars):
        start = when - CYCLE + timedelta(seconds=20 + 15 * number)
        path = folder / file_name(site, start)
        path.write_bytes(packed(volume_at(site, start, seed=seed + number, born=born)))
        paths.append(path)
    return paths


def write_scene(region: Region, folder: Path, cycles: int) -> Iterator[list[Path]]:
    """The files of each of the scene's first cycles."""
    for number in range(cycles):
        yield write_cycle(region, folder, START + number * CYCLE, seed=1 + 10 * number)
