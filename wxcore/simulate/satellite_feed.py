"""Files of the seven satellites: AGRI of FY-4A and FY-4B, S-VISSR of FY-2H, MERSI of FY-3D, 3E, 3F and 3G.

What is ours [our choice]: AGRI's regional images are windows over the region and 1.5 degrees around it, every 5 minutes
of FY-4B and every 15 of FY-4A; S-VISSR's disk is the whole of it, but only a window has storms, the rest of the Earth
is clear; MERSI comes once an hour from each satellite (imager_orbit), its places in a file of their own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from wxcore.region import Region, Satellite
from wxcore.satellite import mersi_write
from wxcore.satellite.agri import FORMAT as AGRI_FORMAT
from wxcore.satellite.agri import WAVELENGTHS_UM
from wxcore.satellite.agri_write import write_agri
from wxcore.satellite.fy4_counts import SOLAR_UM
from wxcore.satellite.geometry import Disk, Doubles, fy4_disk
from wxcore.satellite.mersi import NAME as MERSI_NAME
from wxcore.satellite.mersi_tables import Variant, variant_of
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, REFLECTANCE, Channel, Scene
from wxcore.satellite.vissr import FORMAT as VISSR_FORMAT
from wxcore.satellite.vissr import INSTRUMENT, KINDS, RESOLUTION_M, SCAN, disk, line_seconds
from wxcore.satellite.vissr_write import write_svissr
from wxcore.simulate.imager import clear_k, noisy, see
from wxcore.simulate.imager_orbit import ORBITERS, Orbiter, Pass, pass_over
from wxcore.simulate.imager_rays import Rays, disk_rays
from wxcore.simulate.minutes import EPOCH
from wxcore.simulate.planned import Instrument, Planned, Setting
from wxcore.times import require_utc

MARGIN_DEG = 1.5
"""Around the region in AGRI's windows, and where S-VISSR's disk has storms [deg]."""

SAMPLES = 2
"""Rays each way in a geostationary pixel: one every 2 km."""

BEFORE = timedelta(minutes=30)
"""Geostationary images are made from so long before the start: cooling is measured over it."""

AGRI_M = 4000
AGRI_EVERY = {"FY-4B": timedelta(minutes=5), "FY-4A": timedelta(minutes=15)}
AGRI_SCAN = timedelta(seconds=257)
"""Of a regional image: 4 min 17 s, as names of FY-4A's say [M]."""

VISSR_PLATFORM, VISSR_EVERY = "FY-2H", timedelta(minutes=30)
HOUR = timedelta(hours=1)

AGRI_LATE_MIN, VISSR_LATE_MIN, MERSI_LATE_MIN = (3.0, 6.0), (8.0, 8.0), (15.0, 25.0)
"""From the end of the scan until the file is there [min]."""

DATA, PLACES = "data", "places"
_OF = ("FY-2H", "FY-4A", "FY-4B", *(one.platform for one in ORBITERS))
_NOISE, _LATE = 61, 62
"""Tell the draws of each from those of others with the same seed; places are late by themselves, 63."""


def _plan_agri(setting: Setting) -> Iterator[Planned]:
    for platform, every in AGRI_EVERY.items():
        for start in _starts(setting, every, AGRI_SCAN, BEFORE):
            longitude = _longitude(setting, platform, start)
            if longitude is None or _window(fy4_disk(AGRI_M, longitude), setting.region) is None:
                continue
            end = start + AGRI_SCAN
            short = platform.replace("-", "")
            name = (
                f"{short}-_AGRI--_N_REGC_{round(longitude * 10):04d}E_L1-_FDI-_MULT_NOM_{start:%Y%m%d%H%M%S}_"
                f"{end:%Y%m%d%H%M%S}_{AGRI_M:04d}M_V0001.HDF"
            )
            path = f"satellite/{short}/AGRI/{start:%Y%m%d}/{name}"
            yield Planned(path, start, end, _arrival(setting, platform, end, AGRI_LATE_MIN), "agri", (platform,))


def _make_agri(setting: Setting, planned: Planned) -> bytes:
    platform, start = str(planned.key[0]), require_utc(planned.start)
    part = _seen(setting, platform, start, lambda longitude: fy4_disk(AGRI_M, longitude))
    kinds = [
        (number, um, REFLECTANCE if um < SOLAR_UM else BRIGHTNESS_TEMPERATURE)
        for number, um in WAVELENGTHS_UM[platform].items()
    ]
    seconds = (np.arange(part.lines) + 0.5) / part.lines * AGRI_SCAN.total_seconds()
    channels = _channels(setting, planned, disk_rays(part, SAMPLES).lines, seconds, kinds)
    scene = Scene(
        AGRI_FORMAT.name, platform, "AGRI", AGRI_M, start, start + AGRI_SCAN, channels, part, seconds, simulated=True
    )
    return write_agri(scene)


def _plan_vissr(setting: Setting) -> Iterator[Planned]:
    for start in _starts(setting, VISSR_EVERY, SCAN, BEFORE):
        longitude = _longitude(setting, VISSR_PLATFORM, start)
        if longitude is None or _window(disk(longitude), setting.region) is None:
            continue
        path = f"satellite/FY2H/SVISSR/{start:%Y%m%d}/FY2H_FDI_ALL_NOM_{start:%Y%m%d_%H%M}.hdf"
        arrives = _arrival(setting, VISSR_PLATFORM, start + SCAN, VISSR_LATE_MIN)
        yield Planned(path, start, start + SCAN, arrives, "vissr", (VISSR_PLATFORM,))


def _make_vissr(setting: Setting, planned: Planned) -> bytes:
    start = require_utc(planned.start)
    part = _seen(setting, VISSR_PLATFORM, start, disk)
    assert isinstance(part, Disk)
    whole = disk(part.sub_longitude)
    line, column = (part.first_y - whole.first_y) / whole.step_y, (part.first_x - whole.first_x) / whole.step_x
    rows = slice(round(line), round(line) + part.lines)
    columns = slice(round(column), round(column) + part.columns)
    seconds = line_seconds(np.arange(rows.start, rows.stop, dtype=np.float64))
    kinds = [(kind.number, kind.wavelength_um, kind.quantity) for kind in KINDS]
    on_earth, channels = _on_earth(whole), []
    for channel in _channels(setting, planned, disk_rays(part, SAMPLES).lines, seconds, kinds):
        infrared = channel.quantity == BRIGHTNESS_TEMPERATURE
        calm = float(clear_k(setting.world.air, channel.wavelength_um, 0.0)) if infrared else 0.0
        values = np.where(on_earth, np.float32(calm), np.float32(np.nan))
        values[rows, columns] = channel.values
        channels.append(replace(channel, values=values))
    scene = Scene(
        VISSR_FORMAT.name, VISSR_PLATFORM, INSTRUMENT, RESOLUTION_M, start, start + SCAN, tuple(channels), whole,
        line_seconds(np.arange(whole.lines, dtype=np.float64)), simulated=True,
    )  # fmt: skip
    return write_svissr(scene)


@lru_cache(maxsize=1)
def _on_earth(whole: Disk) -> npt.NDArray[np.bool_]:
    """(line, column): does the pixel see the Earth? The disk is the same on both sides of its middle."""
    half = np.arange(whole.lines // 2, dtype=np.float64)
    corner = np.isfinite(whole.places(half[:, None], half)[1])
    left = np.concatenate([corner, corner[::-1]])
    return np.concatenate([left, left[:, ::-1]], axis=1)


def _plan_mersi(setting: Setting) -> Iterator[Planned]:
    for orbiter in ORBITERS:
        over = timedelta(seconds=_pass(setting.region, orbiter).seconds)
        variant = _variant(orbiter)
        for start in _starts(setting, HOUR, over, timedelta(0), timedelta(minutes=orbiter.minute)):
            if all(row.id != orbiter.platform for row in _satellites(setting, start)):
                continue
            short = orbiter.platform.replace("-", "")
            for number, (what, code) in enumerate(((DATA, variant.code), (PLACES, variant.places_code))):
                name = f"{short}_MERSI_{orbiter.kind}_L1_{start:%Y%m%d_%H%M}_{code}_{orbiter.version}.HDF"
                arrives = _arrival(setting, orbiter.platform, start + over, MERSI_LATE_MIN, number)
                path = f"satellite/{short}/MERSI/{start:%Y%m%d}/{name}"
                yield Planned(path, start, start + over, arrives, "mersi", (orbiter.platform, what))


def _make_mersi(setting: Setting, planned: Planned) -> bytes:
    platform, what = planned.key
    orbiter = next(one for one in ORBITERS if one.platform == platform)
    variant, over, start = _variant(orbiter), _pass(setting.region, orbiter), require_utc(planned.start)
    lines = (np.arange(over.lon.shape[0], dtype=np.float64) + 0.5) * over.line_s
    channels: tuple[Channel, ...] = ()
    if what == DATA:
        kinds = [(plane.number, plane.wavelength_um, plane.quantity) for plane in variant.planes]
        channels = _channels(setting, planned, over.rays, lines, kinds)
    scene = Scene(
        MERSI_NAME, orbiter.platform, variant.instrument, variant.resolution_m, start,
        start + timedelta(seconds=over.seconds), channels, over.swath, lines, simulated=True,
    )  # fmt: skip
    return mersi_write.write(scene) if what == DATA else mersi_write.write_geolocation(scene)


def _variant(orbiter: Orbiter) -> Variant:
    variant = variant_of(orbiter.platform, orbiter.resolution_m)
    assert variant is not None
    return variant


def _pass(region: Region, orbiter: Orbiter) -> Pass:
    return pass_over(orbiter, region.grid.bounds)


def _starts(
    setting: Setting, every: timedelta, scan: timedelta, before: timedelta, after: timedelta = timedelta(0)
) -> Iterator[datetime]:
    """Starts, each `after` a multiple of `every`, of the scans that end in [start - before, end) of the setting."""
    first, stop = require_utc(setting.start) - before, require_utc(setting.end)
    start = EPOCH + after - (EPOCH + after - first + scan) // every * every
    while start + scan < stop:
        yield start
        start += every


def _satellites(setting: Setting, when: datetime) -> list[Satellite]:
    return [row for row in setting.region.satellites_at(when) if row.id in setting.scale.satellites]


def _longitude(setting: Setting, platform: str, when: datetime) -> float | None:
    """Where a geostationary satellite stands [deg east]; None where it is not simulated or not listed then."""
    rows = [row for row in _satellites(setting, when) if row.id == platform]
    return rows[0].sub_longitude if rows else None


def _window(full: Disk, region: Region) -> Disk | None:
    """The part of a disk over the region and its margin; None where the satellite does not see all of it."""
    west, south, east, north = region.grid.bounds
    lon, lat = np.meshgrid(
        np.linspace(west - MARGIN_DEG, east + MARGIN_DEG, 33), np.linspace(south - MARGIN_DEG, north + MARGIN_DEG, 33)
    )
    line, column = full.pixels(lon, lat)
    if np.isnan(line).any():
        return None
    first = int(np.floor(line.min())), int(np.floor(column.min()))
    return full.window(*first, int(np.ceil(line.max())) - first[0] + 1, int(np.ceil(column.max())) - first[1] + 1)


def _seen(setting: Setting, platform: str, when: datetime, full: Callable[[float], Disk]) -> Disk:
    longitude = _longitude(setting, platform, when)
    part = None if longitude is None else _window(full(longitude), setting.region)
    if part is None:
        raise ValueError(f"{platform} does not see {setting.region.id} at {when:%Y-%m-%d %H:%M}")
    return part


def _channels(
    setting: Setting,
    planned: Planned,
    rays: Callable[[slice], Rays],
    seconds: Doubles,
    kinds: Sequence[tuple[int, float, str]],
) -> tuple[Channel, ...]:
    """Channels of (number, wavelength [um], quantity), ascending in wavelength; equal ones differ by noise only."""
    order = sorted(kinds, key=lambda kind: (kind[1], kind[0]))
    seen = see(setting.world, rays, planned.start, seconds, [kind[1:] for kind in order])
    random = _random(setting, _NOISE, str(planned.key[0]), planned.start)
    return tuple(
        Channel(number, um, quantity, values if setting.clean else noisy(values, quantity, random))
        for (number, um, quantity), values in zip(order, seen, strict=True)
    )


def _arrival(
    setting: Setting, platform: str, end: datetime, late_min: tuple[float, float], number: int = 0
) -> datetime:
    late = _random(setting, _LATE + number, platform, end).uniform(*late_min)
    return end + timedelta(seconds=round(late * 60))


def _random(setting: Setting, what: int, platform: str, when: datetime) -> np.random.Generator:
    return np.random.default_rng([setting.seed, what, _OF.index(platform), int(when.timestamp())])


INSTRUMENTS: tuple[Instrument, ...] = (
    Instrument("agri", _plan_agri, _make_agri),
    Instrument("vissr", _plan_vissr, _make_vissr),
    Instrument("mersi", _plan_mersi, _make_mersi),
)
