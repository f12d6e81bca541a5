"""What an imager in space and a network on the ground tell of the true flashes: FY-4A/LMI and ADTD."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from wxcore.lightning.adtd import FORMAT as ADTD_FORMAT
from wxcore.lightning.adtd import TITLE, write_adtd
from wxcore.lightning.events import CLOUD_TO_GROUND, EVENT, STROKE, TOTAL, Doubles, Lightning, Times
from wxcore.lightning.lmi import EQUINOXES, SOURCE
from wxcore.lightning.lmi import FORMAT as LMI_FORMAT
from wxcore.lightning.lmi_write import lmi_name, write_lmi
from wxcore.region import Region
from wxcore.satellite.geometry import DISTANCE_M, WGS84_A_M, Disk, apparent
from wxcore.simulate.flashes import ENERGY, ENERGY_SPREAD, flashes
from wxcore.simulate.minutes import MINUTE, minute_of, minutes_between, time_of
from wxcore.simulate.planned import Instrument, Planned, Setting
from wxcore.simulate.scene import KM_PER_DEG, World
from wxcore.times import BEIJING, beijing, require_utc, to_datetime64

LMI_STREAM, ADTD_STREAM = 72, 73
"""Tell the draws of each from those of others with the same seed."""

SATELLITE = "FY-4A"
"""Whose imager it is."""

PIXEL_M = 7800.0
GLOW_M = 10_000.0
"""Height at which the light leaves the cloud [our choice]; from 86.5E what is over Chongqing appears
some 9 km too far to the east."""

LEAST_SEEN, MOST_SEEN = 0.7, 0.9
"""Chance of the weakest and the strongest flash to be seen: 70 to 90 % are claimed of imagers [M]."""

GROUPS, GROUP_GAP_S, PIXELS = 3, 0.02, 0.8
"""Most groups of a flash, mean time between them [s], mean of further pixels of a group [our choice]."""

AROUND = np.array([(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)])
"""Lines and columns of a group's pixels, from that of its flash."""

LMI_DELAY, ADTD_DELAY = timedelta(seconds=90), timedelta(minutes=1)
"""From the end of a file's content to its arrival [our choice]."""

VERSION_MIN = 6
"""Between two versions of the network's file of the day [min]."""

STROKES_OF = (0.35, 0.30, 0.20, 0.15)
"""Share of negative flashes to the ground with 1, 2, 3, 4 strokes [our choice]; positive ones have one [M]."""

STROKE_GAP_S, LONGEST_GAP_S = 0.06, 0.2
STROKE_SEEN, STROKE_ERROR_KM = 0.9, 0.25
"""Chance of a stroke to be located; error of its place, one standard deviation on each axis: median 0.3 km."""

Ints = npt.NDArray[np.int64]
Columns = tuple[Times, Doubles, Doubles, Doubles]
"""time, lon, lat, strength."""


def plan_lmi(setting: Setting) -> Iterator[Planned]:
    """A file a minute, with lightning or without, while the region has the satellite and its imager looks at the north.

    Raises:
        TimeError: a naive time.
    """
    for minute in minutes_between(setting.start, setting.end):
        begin = time_of(minute)
        looks_north = EQUINOXES[0] <= (begin.month, begin.day) < EQUINOXES[1]
        longitude = _sub_longitude(setting.region, begin)
        if SATELLITE in setting.scale.satellites and looks_north and longitude is not None:
            place = f"_{round(10 * longitude):04d}E_"
            name = lmi_name(_seen(begin, _NOTHING), time_of(minute - minute % 10)).replace("_1047E_", place)
            path = f"lightning/LMI/{begin:%Y%m%d}/{name}"
            yield Planned(path, begin, begin + MINUTE, begin + MINUTE + LMI_DELAY, "lmi", (minute,))


def make_lmi(setting: Setting, planned: Planned) -> bytes:
    """Events of a minute."""
    begin = planned.start
    minute, sub_longitude = minute_of(begin), _sub_longitude(setting.region, begin)
    if sub_longitude is None:
        raise ValueError(f"{SATELLITE} is not listed for {setting.region.id} at {begin:%Y-%m-%d %H:%M}")
    parts = [_events(setting.world, one, setting.seed, setting.clean, sub_longitude) for one in (minute - 1, minute)]
    return write_lmi(_seen(begin, _cut(parts, to_datetime64(begin), to_datetime64(planned.end))))


def _seen(begin: datetime, columns: Columns) -> Lightning:
    return Lightning(LMI_FORMAT.name, SOURCE, TOTAL, EVENT, begin, begin + MINUTE, *columns, simulated=True)


def _sub_longitude(region: Region, when: datetime) -> float | None:
    """Where the satellite stands [deg east]; None where it is not listed then: not launched, or not of the region."""
    return next((one.sub_longitude for one in region.satellites_at(when) if one.id == SATELLITE), None)


@lru_cache(maxsize=64)
def _events(world: World, minute: int, seed: int, clean: bool, sub_longitude: float) -> Columns:
    """What the imager sees of the flashes that begin in a minute, on its pixels, displaced by parallax."""
    random = np.random.default_rng([seed, LMI_STREAM, minute])
    true = flashes(world, time_of(minute), time_of(minute + 1))
    rank = ndtr(np.log(true.energy / ENERGY) / ENERGY_SPREAD)
    seen = random.random(true.time.size) < LEAST_SEEN + (MOST_SEEN - LEAST_SEEN) * rank
    true = true if clean else true[seen]
    groups = random.integers(1, GROUPS + 1, true.time.size)
    flash = np.repeat(np.arange(true.time.size), groups)
    delay = _delays(np.minimum(random.exponential(GROUP_GAP_S, flash.size), 5 * GROUP_GAP_S), groups)
    pixels = 1 + np.minimum(random.poisson(PIXELS, flash.size), len(AROUND) - 1)
    group, beside = np.repeat(np.arange(flash.size), pixels), AROUND[_order_in(pixels)]
    flash = flash[group]
    disk = _disk(sub_longitude)
    line, column = disk.pixels(*apparent(disk, true.lon, true.lat, GLOW_M))
    lon, lat = disk.places(np.rint(line)[flash] + beside[:, 0], np.rint(column)[flash] + beside[:, 1])
    energy = true.energy[flash] / pixels[group] * np.exp(0.3 * random.standard_normal(flash.size))
    known = np.isfinite(lon)
    time = true.time[flash] + (delay[group] * 1e9).astype("timedelta64[ns]")
    return time[known], lon[known], lat[known], energy[known]


def _order_in(counts: Ints) -> Ints:
    """0, 1 ... of each group of so many."""
    before = np.cumsum(counts) - counts
    return np.asarray(np.arange(int(counts.sum())) - np.repeat(before, counts))


def _delays(gaps: Doubles, counts: Ints) -> Doubles:
    """Time since the first of each group, of gaps before each; that before the first does not count."""
    since = np.cumsum(gaps)
    return np.asarray(since - np.repeat(since[np.cumsum(counts) - counts], counts))


def _disk(sub_longitude: float) -> Disk:
    step, half = PIXEL_M / (DISTANCE_M - WGS84_A_M), 700
    return Disk(sub_longitude, -half * step, -half * step, step, step, 2 * half + 1, 2 * half + 1)


def plan_adtd(setting: Setting) -> Iterator[Planned]:
    """A version of the file of Beijing's day every six minutes, from the day's first stroke on, or the setting's first
    where it starts later; key: up to which minute it tells.

    Raises:
        TimeError: a naive time.
    """
    begun: set[datetime] = set()
    for before in minutes_between(setting.start, setting.end, VERSION_MIN):
        until = time_of(before + VERSION_MIN)
        begin = _begin(setting, until)
        if begin not in begun and not _strokes_until(setting, until)[0].size:
            continue
        begun.add(begin)
        path = f"lightning/ADTD/{beijing(begin):%Y_%m_%d}.txt"
        yield Planned(path, begin, until, until + ADTD_DELAY, "adtd", (minute_of(until),))


def make_adtd(setting: Setting, planned: Planned) -> bytes:
    """Strokes of the day since the setting's start, up to the version's time."""
    columns = _strokes_until(setting, planned.end)
    return write_adtd(
        Lightning(
            ADTD_FORMAT.name, TITLE, CLOUD_TO_GROUND, STROKE, planned.start, planned.end, *columns, simulated=True
        )
    )


def _begin(setting: Setting, until: datetime) -> datetime:
    """Beginning of Beijing's day that a version up to `until` is of, not before the setting's start; one up to midnight
    is of the day that ends."""
    day = (until - timedelta(microseconds=1)).astimezone(BEIJING)
    midnight = time_of(minute_of(day.replace(hour=0, minute=0, second=0, microsecond=0)))
    return max(midnight, require_utc(setting.start))


def _strokes_until(setting: Setting, until: datetime) -> Columns:
    begin = _begin(setting, until)
    hours = range(minute_of(begin) // 60 - 1, -(-minute_of(until) // 60))
    parts = [_strokes(setting.world, hour, setting.seed, setting.clean) for hour in hours]
    return _cut(parts, to_datetime64(begin), to_datetime64(until))


@lru_cache(maxsize=64)
def _strokes(world: World, hour: int, seed: int, clean: bool) -> Columns:
    """Strokes that the network locates of the flashes that begin in an hour."""
    random = np.random.default_rng([seed, ADTD_STREAM, hour])
    true = flashes(world, time_of(60 * hour), time_of(60 * hour + 60))
    true = true[true.cloud_to_ground]
    count = 1 + random.choice(len(STROKES_OF), true.time.size, p=STROKES_OF)
    count[true.peak_current > 0] = 1
    flash, order = np.repeat(np.arange(true.time.size), count), _order_in(count)
    delay = _delays(0.02 + np.minimum(random.exponential(STROKE_GAP_S, flash.size), LONGEST_GAP_S), count)
    ka = true.peak_current[flash] * np.where(order > 0, random.uniform(0.4, 0.8, flash.size), 1.0)
    error = np.zeros((2, flash.size)) if clean else STROKE_ERROR_KM * random.standard_normal((2, flash.size))
    located = np.ones(flash.size, np.bool_) if clean else random.random(flash.size) < STROKE_SEEN
    lat = true.lat[flash] + error[1] / KM_PER_DEG
    lon = true.lon[flash] + error[0] / (KM_PER_DEG * np.cos(np.deg2rad(lat)))
    time = true.time[flash] + (delay * 1e9).astype("timedelta64[ns]")
    return time[located], lon[located], lat[located], ka[located]


_NOTHING: Columns = (np.empty(0, "datetime64[ns]"), np.empty(0), np.empty(0), np.empty(0))


def _cut(parts: list[Columns], start: np.datetime64, end: np.datetime64) -> Columns:
    """Records from `start` to before `end`, ascending in time."""
    time, lon, lat, strength = (np.concatenate(column) for column in zip(_NOTHING, *parts, strict=True))
    order = np.argsort(time, kind="stable")
    order = order[(time[order] >= start) & (time[order] < end)]
    return time[order], lon[order], lat[order], strength[order]


LMI = Instrument("lmi", plan_lmi, make_lmi)
ADTD = Instrument("adtd", plan_adtd, make_adtd)
