"""A small, real-shaped file for every reader of satellites and lightning, over the tiny region, made by the writers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import NamedTuple

import numpy as np

from tests.faults.scene import CELLS, SOUTH, START, STEP, WEST
from wxcore.lightning.adtd import write_adtd
from wxcore.lightning.events import CLOUD_TO_GROUND, EVENT, FLASH, GROUP, STROKE, TOTAL, Lightning
from wxcore.lightning.glm_write import glm_name, write_glm
from wxcore.lightning.lmi_write import lmi_name, write_lmi
from wxcore.satellite import mersi_write
from wxcore.satellite.agri_write import write_agri
from wxcore.satellite.awx_write import write_awx
from wxcore.satellite.geometry import Disk, Geometry, Plate, Swath, fy4_disk
from wxcore.satellite.ghi_write import write_ghi
from wxcore.satellite.mersi_tables import variant_of
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, REFLECTANCE, Channel, Floats, Geolocation, Scene
from wxcore.satellite.vissr import disk as vissr_disk
from wxcore.satellite.vissr_write import write_svissr
from wxcore.schema import IMAGE, Box
from wxcore.times import to_datetime64

BOX: Box = (WEST, SOUTH, WEST + CELLS * STEP, SOUTH + CELLS * STEP)
CENTRE = (np.array((BOX[0] + BOX[2]) / 2), np.array((BOX[1] + BOX[3]) / 2))
"""Of the tiny region, (lon, lat) [deg]."""

PIXELS = 24
"""Lines and columns of a file that may hold a region."""

SCAN = timedelta(minutes=4)


class SkySeed(NamedTuple):
    """A good file: the format's name, a word for the variant, its bytes, the name it comes with."""

    reader: str
    variant: str
    raw: bytes
    name: str


def _part(full: Disk, pixels: int = PIXELS) -> Disk:
    """A square of a full disk around the region."""
    line, column = (round(float(place)) - pixels // 2 for place in full.pixels(*CENTRE))
    return full.window(line, column, pixels, pixels)


def _channel(number: int, wavelength_um: float, shape: tuple[int, int]) -> Channel:
    """A slope of brightness with a hole in it."""
    slope = np.linspace(0, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    solar = wavelength_um < 3
    values: Floats = slope if solar else 200 + 100 * slope
    values[shape[0] // 2 : shape[0] // 2 + 2, shape[1] // 2 : shape[1] // 2 + 3] = np.nan
    return Channel(number, wavelength_um, REFLECTANCE if solar else BRIGHTNESS_TEMPERATURE, values)


def _scene(
    reader: str, platform: str, instrument: str, resolution_m: float, geometry: Geometry, channels: dict[int, float]
) -> Scene:
    return Scene(
        format=reader, platform=platform, instrument=instrument, resolution_m=resolution_m, start=START,
        end=START + SCAN,
        channels=tuple(_channel(number, um, geometry.shape) for number, um in channels.items()),
        geometry=geometry, line_offset_s=np.linspace(0, SCAN.total_seconds(), geometry.shape[0]),
    )  # fmt: skip


def _agri() -> list[SkySeed]:
    made = []
    for letter, longitude, resolution, channels in (
        ("A", 104.7, 4000, {2: 0.65, 9: 6.25, 12: 10.8}),
        ("B", 105.0, 4000, {2: 0.65, 9: 6.25, 13: 10.8, 14: 12.0}),
        ("B", 133.0, 500, {2: 0.65}),
    ):
        scene = _scene(
            "fy4-agri", f"FY-4{letter}", "AGRI", resolution, _part(fy4_disk(resolution, longitude)), channels
        )
        name = (
            f"FY4{letter}-_AGRI--_N_REGC_{10 * longitude:04.0f}E_L1-_FDI-_MULT_NOM_{START:%Y%m%d%H%M%S}_"
            f"{START + SCAN:%Y%m%d%H%M%S}_{resolution:04d}M_V0001.HDF"
        )
        made.append(SkySeed("fy4-agri", f"{letter}-{resolution}", write_agri(scene), name))
    return made


def _ghi() -> list[SkySeed]:
    made = []
    for resolution, channels in ((250, {1: 0.675}), (2000, {1: 0.675, 7: 11.4})):
        disk = _part(fy4_disk(resolution, 105.0), 48)
        scene = _scene("fy4-ghi", "FY-4B", "GHI", resolution, disk, channels)
        name = (
            f"FY4B-_GHI---_N_REGX_1050E_L1-_FDI-_MULT_NOM_{START:%Y%m%d%H%M%S}_{START + SCAN:%Y%m%d%H%M%S}_"
            f"{resolution:04d}M_V0001.HDF"
        )
        made.append(SkySeed("fy4-ghi", f"{resolution}", write_ghi(scene), name))
    return made


def _pass(platform: str, resolution: int) -> Scene:
    """A pass over the region, slightly turned, two turns of the mirror long."""
    variant = variant_of(platform, resolution)
    assert variant is not None
    line, column = np.mgrid[: 2 * variant.rows_per_scan, :PIXELS] - np.array([10.0, 12.0])[:, None, None]
    lon, lat = CENTRE[0] + 0.02 * column - 0.002 * line, CENTRE[1] - 0.02 * line - 0.002 * column
    channels = {plane.number: plane.wavelength_um for plane in variant.planes}
    swath = Swath(lon.astype(np.float32), lat.astype(np.float32))
    return _scene("fy3-mersi", platform, variant.instrument, resolution, swath, channels)


def _mersi() -> list[SkySeed]:
    """Passes that hold their places, one that does not, and its geolocation file."""
    made = []
    for platform, resolution in (("FY-3D", 1000), ("FY-3E", 1000), ("FY-3G", 500)):
        scene, kind = _pass(platform, resolution), platform.replace("-", "")
        name = f"{kind}_MERSI_GRAN_L1_{START:%Y%m%d_%H%M}_{resolution:04d}M_V0.HDF"
        made.append(SkySeed("fy3-mersi", kind, mersi_write.write(scene, own_places=True), name))
    bare = mersi_write.write(_pass("FY-3D", 1000))
    made.append(SkySeed("fy3-mersi", "bare", bare, f"FY3D_MERSI_GRAN_L1_{START:%Y%m%d_%H%M}_1000M_V0.HDF"))
    places = mersi_write.write_geolocation(_pass("FY-3D", 1000))
    made.append(SkySeed("fy3-geolocation", "1km", places, f"FY3D_MERSI_GRAN_L1_{START:%Y%m%d_%H%M}_GEO1K_V0.HDF"))
    return made


def _map(projection: str, step_m: float = 10_000.0) -> Plate:
    """A square of a map around the region."""
    line, column = Plate(projection, 0, 0, step_m, -step_m, 1, 1).pixels(*CENTRE)
    middle = (PIXELS - 1) / 2
    first_x, first_y = (float(column) - middle) * step_m, -(float(line) - middle) * step_m
    return Plate(projection, first_x, first_y, step_m, -step_m, PIXELS, PIXELS)


def _awx() -> list[SkySeed]:
    """Images on the three projections, and grids of values of each size; both byte orders."""
    flat = Plate("+proj=longlat", float(CENTRE[0]) - 1.15, float(CENTRE[1]) + 1.15, 0.1, -0.1, PIXELS, PIXELS)
    lambert = f"+proj=lcc +lat_1=30 +lat_2=60 +lat_0={CENTRE[1]:g} +lon_0={CENTRE[0]:g} +R=6378137"
    made = []
    for word, plate, order, size, channel in (
        ("longlat", flat, "<", 0, (1, 10.8)), ("visible", flat, ">", 0, (5, 0.65)),
        ("mercator", _map("+proj=merc +lon_0=106.2 +R=6378137"), "<", 0, (1, 10.8)),
        ("lambert", _map(lambert), ">", 0, (1, 10.8)),
        ("grid1", flat, "<", 1, (1, 10.8)), ("grid2", flat, ">", 2, (1, 10.8)), ("grid4", flat, "<", 4, (1, 10.8)),
    ):  # fmt: skip
        scene = _scene("awx", "FY-2H", "S-VISSR", 10_000, plate, dict([channel]))
        made.append(SkySeed("awx", word, write_awx(scene, order=order, grid_bytes=size), f"{word}.AWX"))
    return made


def _vissr() -> list[SkySeed]:
    scene = _scene("fy2-svissr", "FY-2H", "S-VISSR", 5000, vissr_disk(79.0), {1: 10.8})
    return [SkySeed("fy2-svissr", "ir1", write_svissr(scene), f"FY2H_FDI_ALL_NOM_{START:%Y%m%d_%H%M}.hdf")]


def _lightning(reader: str, source: str, sees: str, level: str, seconds: float, coverage: Box | None) -> Lightning:
    """Twelve records over the region."""
    share = np.linspace(0.05, 0.95, 12)
    times = to_datetime64(START) + (1e9 * seconds * share).astype("timedelta64[ns]")
    west, south, east, north = BOX
    return Lightning(
        reader, source, sees, level, START, START + timedelta(seconds=seconds), times, west + (east - west) * share,
        south + (north - south) * share, 1e-13 * (1 + share), coverage,
    )  # fmt: skip


def _glm() -> list[SkySeed]:
    native = _lightning("goes-glm-lcfa", "GOES-16/GLM", TOTAL, FLASH, 20, (60.0, -50.0, 150.0, 50.0))
    return [SkySeed("goes-glm-lcfa", "flashes", write_glm(native), glm_name(native))]


def _lmi() -> list[SkySeed]:
    made = []
    for level in (EVENT, GROUP, FLASH):
        native = _lightning("fy4-lmi-l2", "FY-4A/LMI", TOTAL, level, 60, None)
        made.append(SkySeed("fy4-lmi-l2", level, write_lmi(native), lmi_name(native, START)))
    return made


def _adtd() -> list[SkySeed]:
    native = _lightning("adtd-text", "ADTD", CLOUD_TO_GROUND, STROKE, 3600, None)
    native = replace(native, strength=np.linspace(-80, 80, native.time.size))
    return [SkySeed("adtd-text", word, write_adtd(native, encoding=word), f"{START:%Y_%m_%d}.txt")
            for word in ("gbk", "utf-8")]  # fmt: skip


MAKERS: tuple[Callable[[], list[SkySeed]], ...] = (_agri, _ghi, _mersi, _vissr, _awx, _lmi, _glm, _adtd)


@cache
def sky_seeds() -> tuple[SkySeed, ...]:
    """Good files of every format of satellites and lightning; made once."""
    return tuple(seed for make in MAKERS for seed in make())


def faults_of(native: object) -> list[str]:
    """What is wrong with an object that a reader gave."""
    if isinstance(native, Lightning):
        return _faults_of_lightning(native)
    if isinstance(native, Geolocation):
        return [] if native.start <= native.end and min(native.shape) > 0 else ["geolocation"]
    assert isinstance(native, Scene)
    faults = [] if native.start <= native.end and native.start.utcoffset() == timedelta(0) else ["times"]
    if native.geometry is None:  # to be read again together with its places
        return faults
    shapes = {channel.values.shape for channel in native.channels}
    if len(shapes) != 1 or 0 in next(iter(shapes)):
        faults.append(f"shapes {shapes}")
    if {native.geometry.shape} != shapes:
        faults.append(f"geometry {native.geometry.shape}, images {shapes}")
    if native.line_offset_s.shape != next(iter(shapes))[:1] or not np.isfinite(native.line_offset_s).all():
        faults.append("line_offset_s")
    for channel in native.channels:
        var = next(var for var in IMAGE if var.name.startswith(channel.quantity))
        assert var.valid_min is not None
        assert var.valid_max is not None
        finite = channel.values[~np.isnan(channel.values)]
        if channel.values.dtype != np.float32 or not ((finite >= var.valid_min) & (finite <= var.valid_max)).all():
            faults.append(f"channel {channel.number}: {channel.values.dtype} {finite.min()} to {finite.max()}")
    if isinstance(native.geometry, Disk | Plate):
        line, column = native.geometry.pixels(np.array([BOX[0], BOX[2]]), np.array([BOX[1], BOX[3]]))
        faults += [] if line.shape == column.shape == (2,) else ["geometry gives no pixels"]
    return faults


def _faults_of_lightning(native: Lightning) -> list[str]:
    size = native.time.size
    faults = [] if native.start <= native.end and native.start.utcoffset() == timedelta(0) else ["times"]
    columns = (native.lon, native.lat, native.strength)
    faults += [] if {column.shape for column in columns} == {(size,)} else ["lengths"]
    if np.isnat(native.time).any() or (np.diff(native.time) < np.timedelta64(0)).any():
        faults.append("records without or out of time")
    if not ((np.abs(native.lon) <= 180) & (np.abs(native.lat) <= 90)).all() or np.isinf(native.strength).any():
        faults.append("values out of range")
    return faults
