"""Reports of the simulated network as regional FTM text, one collective file for all stations.

FTM has neither a sign nor room for places west of Greenwich or south of the equator: such regions have no files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from wxcore.environment.heights import saturation_vapour_pressure
from wxcore.region import Station
from wxcore.simulate.fields import Ground
from wxcore.simulate.ground_truth import BEFORE_MIN, dew_point_c, felt, places, pressure_hpa, temperature_c
from wxcore.simulate.minutes import minute_of, minutes_between, time_of
from wxcore.simulate.planned import Instrument, Planned, Setting
from wxcore.simulate.scene import Doubles, World
from wxcore.station.ftm import FORMAT
from wxcore.station.ftm_write import CALM_M_S, write_ftm
from wxcore.station.reports import Floats, Reports
from wxcore.times import to_datetime64

TURBULENCE, READING, SPELL, OFFSET, ILL, SPIKE, DELAY = range(81, 88)
"""Tell the draws of each from those of others with the same seed."""

CENTRE = "BEHT-REG"
DELAY_S = (40, 90)
"""From a report's time to its file's arrival [s]."""

WIND_M_S, GUST_PART, WARM_K, DEW_K, PRESSURE_HPA = 0.5, 0.05, 0.15, 0.2, 0.07
"""Noise, one standard deviation: of each wind component of a minute, of a gust as a part of it, of temperature, dew
point and pressure [our choice]."""

DEW_POINT_PART = 0.25
"""Fall of the dew point in a cold pool, as a part of that of temperature: 3 of 11 K in DOMAIN.md section 10."""

SILENT, SPELL_MIN = 0.01, 30
"""Share of stations that are silent, for spells of this length."""

SICK, SPIKING = 0.003, 0.05
"""Share of stations with a sick sensor; in which share of minutes one spikes."""

STUCK_K, SPIKE_C, SPIKE_M_S, SPIKE_MM = 3.0, -40.0, 74.0, 99.0
"""A thermometer that sticks so much below the air of an ordinary minute; spikes of temperature, gust and rain of a
minute (of which the text has place for 9.9)."""

MOST_HOUR_MM = 990.0
"""Most rain of an hour that the text holds."""

TIPS = 10
"""Tips of a rain gauge in a millimetre."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Sick:
    """Stations by what ails them, indices."""

    stuck: Ints
    cold: Ints
    gusty: Ints
    wet: Ints


@dataclass(frozen=True, eq=False)
class _Hour:
    """What the instruments that remember saw, (69, n) as `felt`. u, v, gust: [m s-1] of a minute; rain: [mm] of a
    minute, in tips of the gauge, from row BEFORE_MIN + 1 on."""

    truth: Ground
    u: Doubles
    v: Doubles
    gust: Doubles
    rain: Doubles


def plan(setting: Setting) -> Iterator[Planned]:
    """A file every `station_minutes`; none without stations, or for a box that reaches west of 0 E or south of 0 N.

    Raises:
        TimeError: a naive time.
    """
    west, south, _, _ = setting.region.grid.bounds
    for minute in minutes_between(setting.start, setting.end, setting.scale.station_minutes):
        if setting.scale.stations and setting.region.stations and west >= 0 and south >= 0:
            when = time_of(minute)
            delay = np.random.default_rng([setting.seed, DELAY, minute]).integers(*DELAY_S, endpoint=True)
            sent = when + timedelta(seconds=int(delay))
            path = f"surface/FTM/{when:%Y%m%d%H}/Z_SURF_C_{CENTRE}_{sent:%Y%m%d%H%M%S}_O_AWS_FTM.txt"
            yield Planned(path, when, when, sent, "ftm", (minute,))


def make(setting: Setting, planned: Planned) -> bytes:
    """The reports of all stations that are not silent, of one minute."""
    minute, stations = minute_of(planned.start), setting.region.stations
    hour, elapsed = (minute - 1) // 60, (minute - 1) % 60 + 1
    seen = _hour(setting.world, stations, hour, setting.seed, setting.clean)
    values = _wind(seen, elapsed) | _air(setting, seen.truth, minute, elapsed)
    gust = seen.gust[BEFORE_MIN + 1 : BEFORE_MIN + 1 + elapsed]
    last = gust.argmax(axis=0)
    at = BEFORE_MIN + 1 + last, np.arange(last.size)
    values["wind_speed_of_gust"] = seen.gust[at]
    values["wind_gust_from_direction"] = _direction(seen.u[at], seen.v[at])
    rain = seen.rain[BEFORE_MIN + 1 : BEFORE_MIN + 1 + elapsed]
    values["precipitation_1h"] = np.minimum(rain.sum(axis=0), MOST_HOUR_MM)
    by_minute = np.full((last.size, 60), np.nan, np.float32)
    by_minute[:, 60 - elapsed :] = rain.T
    gust_time = to_datetime64(time_of(60 * hour + 1)) + last.astype("timedelta64[m]")
    sent = np.ones(last.size, np.bool_) if setting.clean else ~_silent(last.size, minute, setting.seed)
    where = places(stations)
    return write_ftm(
        Reports(
            FORMAT.name, f"FTM {CENTRE[:4]}", np.array([one.id for one in stations])[sent],
            np.full(int(sent.sum()), to_datetime64(planned.start)), where.lat[sent], where.lon[sent],
            where.elevation[sent].astype(np.float32), {name: _told(column[sent]) for name, column in values.items()},
            gust_time[sent], minute_rain=by_minute[sent], simulated=True,
        )
    )  # fmt: skip


def _told(column: Doubles) -> Floats:
    return column.astype(np.float32)


def _wind(seen: _Hour, elapsed: int) -> dict[str, Doubles]:
    """Means of the last two and ten minutes, as vectors."""
    found: dict[str, Doubles] = {}
    for length, ending in ((2, ""), (10, "_10min")):
        rows = slice(BEFORE_MIN + elapsed + 1 - length, BEFORE_MIN + elapsed + 1)
        u, v = seen.u[rows].mean(axis=0), seen.v[rows].mean(axis=0)
        found[f"wind_speed{ending}"] = np.hypot(u, v)
        found[f"wind_from_direction{ending}"] = _direction(u, v)
    return found


def _direction(u: Doubles, v: Doubles) -> Doubles:
    """From where [deg], whole, 1 to 360; NaN in a calm."""
    degrees = np.rint(np.rad2deg(np.arctan2(-u, -v))) % 360
    calm = np.rint(np.hypot(u, v) * 10) <= round(CALM_M_S * 10)
    return np.where(calm, np.nan, np.where(degrees == 0, 360.0, degrees))


def _air(setting: Setting, truth: Ground, minute: int, elapsed: int) -> dict[str, Doubles]:
    """Temperature, humidity and pressure of the minute."""
    air, where, row = setting.world.air, places(setting.region.stations), BEFORE_MIN + elapsed
    random = np.random.default_rng([setting.seed, READING, minute])
    noise = (0.0 if setting.clean else 1.0) * random.standard_normal((3, where.lon.size))
    usual = temperature_c(air, where.elevation)
    celsius = usual - truth.deficit[row] + WARM_K * noise[0]
    dew_point = dew_point_c(air, where.elevation) - DEW_POINT_PART * truth.deficit[row] + DEW_K * noise[1]
    if not setting.clean:
        sick = _sick(where.lon.size, setting.seed)
        celsius[sick.stuck] = usual[sick.stuck] - STUCK_K
        celsius[sick.cold[_spikes(sick.cold, 0, minute, setting.seed)]] = SPIKE_C
    dew_point = np.minimum(dew_point, celsius)
    humidity = 100 * saturation_vapour_pressure(dew_point) / saturation_vapour_pressure(celsius)
    return {
        "air_temperature": celsius, "dew_point_temperature": dew_point,
        "relative_humidity": np.clip(np.rint(humidity), 1, 100),
        "air_pressure": pressure_hpa(air, where.barometer) + truth.jump[row] + PRESSURE_HPA * noise[2],
    }  # fmt: skip


@lru_cache(maxsize=3)
def _hour(world: World, stations: tuple[Station, ...], hour: int, seed: int, clean: bool) -> _Hour:
    """An hour as the instruments saw it. The gauge begins each hour empty, so that any process makes any file."""
    truth = felt(world, stations, hour)
    amount = np.zeros_like(truth.rain)
    amount[BEFORE_MIN + 1 :] = truth.rain[BEFORE_MIN + 1 :] / 60
    tipped = np.floor(np.cumsum(amount, axis=0) * TIPS + 1e-9)
    rain = np.diff(tipped, axis=0, prepend=0) / TIPS
    if clean:
        return _Hour(truth, truth.u, truth.v, truth.gust, rain)
    noise = np.stack([_turbulence(60 * hour - BEFORE_MIN + row, len(stations), seed) for row in range(len(rain))])
    u, v = truth.u + WIND_M_S * noise[:, 0], truth.v + WIND_M_S * noise[:, 1]
    gust = np.maximum(truth.gust * (1 + GUST_PART * noise[:, 2]), np.hypot(u, v))
    sick = _sick(len(stations), seed)
    for row in range(BEFORE_MIN + 1, len(rain)):
        minute = 60 * hour - BEFORE_MIN + row
        gust[row, sick.gusty[_spikes(sick.gusty, 1, minute, seed)]] = SPIKE_M_S
        rain[row, sick.wet[_spikes(sick.wet, 2, minute, seed)]] = SPIKE_MM
    return _Hour(truth, u, v, gust, rain)


def _turbulence(minute: int, count: int, seed: int) -> Doubles:
    """(3, n) standard normal."""
    return np.random.default_rng([seed, TURBULENCE, minute]).standard_normal((3, count))


def _silent(count: int, minute: int, seed: int) -> npt.NDArray[np.bool_]:
    """Which stations send nothing: each has spells of its own beginning."""
    offset = np.random.default_rng([seed, OFFSET]).integers(0, SPELL_MIN, count)
    spell = (minute + offset) // SPELL_MIN
    first = minute // SPELL_MIN
    drawn = np.stack([np.random.default_rng([seed, SPELL, first + later]).random(count) < SILENT for later in (0, 1)])
    return np.asarray(drawn[spell - first, np.arange(count)])


@lru_cache(maxsize=8)
def _sick(count: int, seed: int) -> _Sick:
    """SICK of the stations, at least one, by turns with each ail."""
    chosen = np.random.default_rng([seed, ILL]).permutation(count)[: int(np.ceil(SICK * count))]
    return _Sick(*(chosen[kind::4] for kind in (1, 2, 0, 3)))


def _spikes(stations: Ints, kind: int, minute: int, seed: int) -> npt.NDArray[np.bool_]:
    return np.asarray(np.random.default_rng([seed, SPIKE, kind, minute]).random(stations.size) < SPIKING)


FTM = Instrument("ftm", plan, make)
