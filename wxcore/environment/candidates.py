"""Which model run or sounding speaks for a region at a time, and the level heights it gives (DOMAIN.md section 3)."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from wxcore.environment.heights import Heights, heights_of
from wxcore.environment.profile import Model, Profile, Remark, Soundings
from wxcore.region.records import Region
from wxcore.region.stations import sounding_places
from wxcore.times import iso, require_utc

MAX_RUN_AGE = timedelta(hours=36)
"""Older runs are not used (DOMAIN.md section 3: the latest valid cycle; the limit is our choice)."""

NEAREST, NEAR = timedelta(hours=3), timedelta(minutes=90)
"""Without two valid times around it, the nearest this near is taken as it is; over the second it is doubtful
[our choice]."""

FRESH_RUN = timedelta(hours=24)
"""Runs over this are doubtful [our choice]."""

MAX_SPREAD_M = 1000.0
"""Where the 0 C heights within the region differ by more, one height for all of it is doubtful [our choice]."""

MAX_STEP = timedelta(hours=12)
"""Two valid times further apart are not interpolated between [our choice]: a front passes in between."""

MAX_SOUNDING_AGE, FRESH_SOUNDING = timedelta(hours=12), timedelta(hours=6)
"""Older soundings are not used; those over the second are doubtful (DOMAIN.md section 3; the second is our choice)."""

MAX_DISTANCE_KM = 300.0
"""Stations further from the grid's edge are not used [our choice]: half the distance of two synoptic stations there."""

MOST_TOLD = 3
"""Stations without a place that are told by number; of the others the count [our choice]."""

EARTH_KM = 6371.0


@dataclass(frozen=True)
class Candidate:
    """What one source says.

    Attributes:
        h0_m, hm10_m, hm20_m, wet_bulb_zero_m: [m ASL], NaN where it does not tell.
        source: "nwp" or "sounding"; valid: the time it speaks of; age_h: since the run, or the sounding's hour.
        doubtful: the remarks say why, or old, or the ground is colder than 0 C; note_en, note_zh: a sentence each.
        profile: that of the valid time, or the nearer one of two.
    """

    h0_m: float
    hm10_m: float
    hm20_m: float
    wet_bulb_zero_m: float
    source: str
    valid: datetime
    age_h: float
    doubtful: bool
    note_en: str
    note_zh: str
    profile: Profile
    remarks: tuple[Remark, ...]


def model_candidates(models: Iterable[Model], when: datetime) -> list[Candidate]:
    """One of every run that started 0 to 36 h before `when` and reaches it, the newest first.

    The files of a run (one a valid time, as models are delivered) count as one.

    Raises:
        TimeError: `when` is naive.
    """
    when = require_utc(when)
    runs: dict[tuple[datetime, str], dict[datetime, list[tuple[Profile, float]]]] = defaultdict(dict)
    for model in models:
        if timedelta(0) <= when - model.run <= MAX_RUN_AGE:
            times = runs[model.run, model.title]
            for valid, profile in model.profiles.items():
                times.setdefault(valid, []).append((profile, model.spread_h0_m.get(valid, math.nan)))
    found = []
    for (run, title), times in sorted(runs.items(), key=lambda item: (-item[0][0].timestamp(), item[0][1])):
        made = _of_run(run, title, {valid: min(rows, key=_order) for valid, rows in times.items()}, when)
        found += [made] if made is not None else []
    return found


def _order(row: tuple[Profile, float]) -> tuple[object, ...]:
    """Of two versions of the same fields that with most levels, else any will do, but always the same."""
    profile = row[0]
    return -profile.pressure.size, profile.pressure.tobytes(), profile.temperature.tobytes(), profile.height.tobytes()


def _of_run(
    run: datetime, title: str, times: dict[datetime, tuple[Profile, float]], when: datetime
) -> Candidate | None:
    around = next(((a, b) for a, b in pairwise(sorted(times)) if a <= when <= b and b - a <= MAX_STEP), None)
    nearest = min(times, key=lambda valid: (abs(valid - when), valid))
    if around is None and abs(nearest - when) > NEAREST:
        return None
    first, second = around or (nearest, nearest)
    share = (when - first) / (second - first) if second > first else 0.0
    one, two = heights_of(times[first][0]), heights_of(times[second][0])
    h0, hm10, hm20, wet_bulb_zero = (_between(getattr(one, key), getattr(two, key), share) for key in _KEYS)
    age_h = (when - run).total_seconds() / 3600
    spread = times[nearest][1]
    told = f"; 0 C height differs by {spread:.0f} m within the region" if math.isfinite(spread) else ""
    told_zh = f"；区域内 0 ℃ 层高度相差 {spread:.0f} m" if math.isfinite(spread) else ""
    off = timedelta(0) if around else abs(nearest - when)
    doubts = _doubts(when - run, off, spread)
    exact = {first, second} if when not in {first, second} else {when}
    valid_en = " and ".join(iso(valid) for valid in sorted(exact))
    return Candidate(
        h0, hm10, hm20, wet_bulb_zero, "nwp", when if around else nearest, age_h,
        bool(doubts) or one.grounded or two.grounded,
        f"{title} run of {iso(run)}, {age_h:.1f} h old, valid {valid_en}{told}",
        f"{title} 模式 {iso(run)} 起报（{age_h:.1f} 小时前），预报时刻 {valid_en.replace(' and ', '、')}{told_zh}",
        times[nearest][0], tuple(dict.fromkeys((*doubts, *one.remarks, *two.remarks))),
    )  # fmt: skip


def _doubts(age: timedelta, off: timedelta, spread: float) -> list[Remark]:
    """Why a run is doubtful, empty where it is not."""
    doubts: list[Remark] = []
    if age > FRESH_RUN:
        hours = FRESH_RUN.total_seconds() / 3600
        doubts.append((f"doubtful: the run is over {hours:g} h old", f"存疑：起报已超过 {hours:g} 小时"))
    if off > NEAR:
        hours = off.total_seconds() / 3600
        doubts.append((
            f"doubtful: the nearest valid time is {hours:.1f} h off", f"存疑：最近预报时刻相差 {hours:.1f} 小时",
        ))  # fmt: skip
    if spread > MAX_SPREAD_M:
        doubts.append((
            f"doubtful: 0 C height differs by {spread:.0f} m within the region",
            f"存疑：区域内 0 ℃ 层高度相差 {spread:.0f} m",
        ))  # fmt: skip
    return doubts


_KEYS = ("h0_m", "hm10_m", "hm20_m", "wet_bulb_zero_m")


def _between(one: float, two: float, share: float) -> float:
    """Linear; at the ends the end itself, so that a NaN at the other one does not matter."""
    if share in {0.0, 1.0}:
        return two if share else one
    return one + share * (two - one)


def sounding_candidates(soundings: Sequence[Soundings], region: Region, when: datetime) -> list[Candidate]:
    """Ascents of 0 to 12 h before `when` at most 300 km from the grid's edge: the nearest to its centre first, of one
    place the newest first, of one place and hour (parts of a report in files of their own) that with most levels.
    A profile without position is placed by its number (`region.stations.sounding_places`)."""
    places = sounding_places(region, when)
    west, south, east, north = region.grid.bounds
    rows = []
    for profile in _of_the_day(soundings, when):
        lat, lon = _position(profile, places)
        if not math.isfinite(lat + lon):
            continue
        to_edge = distance_km(lat, lon, min(max(lat, south), north), min(max(lon, west), east))
        to_centre = distance_km(lat, lon, (south + north) / 2, (west + east) / 2)
        if to_edge <= MAX_DISTANCE_KM:
            rows.append((round(to_centre, 1), to_edge, profile))
    nearest: dict[str, float] = {}  # files give one place to 0.01 deg and to 0.0001 deg
    for centre, _, profile in rows:
        nearest[profile.place] = min(centre, nearest.get(profile.place, math.inf))
    rows.sort(key=lambda row: (
        nearest[row[2].place] if row[2].place else row[0], when - row[2].time, row[2].place, _order((row[2], 0.0)),
        row[:2],
    ))  # fmt: skip
    return [_of_sounding(profile, when - profile.time, centre, edge) for centre, edge, profile in rows]


def unplaced(soundings: Sequence[Soundings], region: Region, when: datetime) -> tuple[Remark, ...]:
    """One remark of the ascents that would do for their hour, but nobody knows where their stations are; or none."""
    places = sounding_places(region, when)
    lost = sorted({
        profile.place for profile in _of_the_day(soundings, when) if not math.isfinite(sum(_position(profile, places)))
    })  # fmt: skip
    if not lost:
        return ()
    named, more = ", ".join(lost[:MOST_TOLD]), len(lost) - MOST_TOLD
    others, others_zh = (f" and {more} more", f" 等共 {len(lost)} 站") if more > 0 else ("", "")
    file = f"station_meta/{region.id}/stations.csv"
    return (
        (
            f"sounding {named}{others}: its place is not known: add it to {file}, or to [soundings] of region.toml",
            f"探空 {named}{others_zh}：站址未知，请加入 {file} 或 region.toml 的 [soundings]",
        ),
    )


def _of_the_day(soundings: Sequence[Soundings], when: datetime) -> list[Profile]:
    """Profiles of 0 to 12 h before `when`."""
    profiles = (profile for file in soundings for profile in file.profiles)
    return [profile for profile in profiles if timedelta(0) <= when - profile.time <= MAX_SOUNDING_AGE]


def _of_sounding(profile: Profile, age: timedelta, to_centre: float, to_edge: float) -> Candidate:
    heights: Heights = heights_of(profile)
    age_h = age.total_seconds() / 3600
    where = "inside the region" if to_edge == 0 else f"{to_edge:.0f} km outside of the region"
    where_zh = "在区域内" if to_edge == 0 else f"在区域外 {to_edge:.0f} km"
    return Candidate(
        heights.h0_m, heights.hm10_m, heights.hm20_m, heights.wet_bulb_zero_m, "sounding", profile.time, age_h,
        age > FRESH_SOUNDING or heights.grounded,
        f"sounding of station {profile.place} at {iso(profile.time)}, {age_h:.1f} h old, {to_centre:.0f} km from the "
        f"region's centre ({where})",
        f"{profile.place} 站 {iso(profile.time)} 探空（{age_h:.1f} 小时前），距区域中心 {to_centre:.0f} km"
        f"（{where_zh}）",
        profile, heights.remarks,
    )  # fmt: skip


def _position(profile: Profile, places: Mapping[str, tuple[float, float]]) -> tuple[float, float]:
    if np.isfinite(profile.lat + profile.lon):
        return profile.lat, profile.lon
    return places.get(profile.place, (math.nan, math.nan))


def distance_km(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """Great-circle distance [km] of two places [deg] on a sphere of EARTH_KM."""
    one, two = math.radians(lat), math.radians(other_lat)
    across = math.radians(other_lon - lon)
    half = math.sin((two - one) / 2) ** 2 + math.cos(one) * math.cos(two) * math.sin(across / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))
