"""Two hundred broken observations, each put into a sane network with an outflow elsewhere.

A row of KINDS is read as: at the broken station, from `since` minutes before the newest report, `element` is what
`change` makes of its sane values; quality control must flag that element in the newest report.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from wxcore.schema import STATION, TIME
from wxcore.station.evidence import Evidence

MINUTES, STATIONS = 71, 60
OUTFLOW = slice(50, 60)
"""Stations that the outflow reaches; the broken ones stand more than 30 km away."""
FOREVER = MINUTES
T, TD, RH = "air_temperature", "dew_point_temperature", "relative_humidity"
P, MSL = "air_pressure", "air_pressure_at_mean_sea_level"
W, W10, G = "wind_speed", "wind_speed_10min", "wind_speed_of_gust"
D, D10, GD = "wind_from_direction", "wind_from_direction_10min", "wind_gust_from_direction"
R, R1 = "precipitation_1h", "precipitation_1min"
Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Broken:
    """One absurd observation: what it is, whose, since when [min] and how."""

    kind: str
    element: str
    since: int
    change: Change


def is_always(value: float) -> Change:
    return lambda sane: np.full_like(sane, value)


def times(factor: float, plus: float = 0) -> Change:
    return lambda sane: sane * factor + plus


def stuck(sane: np.ndarray) -> np.ndarray:
    return np.full_like(sane, sane[0])


def values(element: str, *numbers: float) -> list[Broken]:
    return [Broken(f"{element} {number:g}", element, 0, is_always(number)) for number in numbers]


def steps(element: str, *jumps: float) -> list[Broken]:
    return [Broken(f"{element} jumps by {jump:g}", element, 0, times(1, jump)) for jump in jumps]


def shifts(element: str, *offsets: float) -> list[Broken]:
    return [Broken(f"{element} always off by {offset:g}", element, FOREVER, times(1, offset)) for offset in offsets]


def unit(element: str, what: str, factor: float, plus: float = 0) -> list[Broken]:
    return [Broken(f"{element}: {what}", element, since, times(factor, plus)) for since in (0, FOREVER)]


KINDS: tuple[list[Broken], ...] = (
    values(T, 80, 60, 46.5, -46, -60, -99.9, 999.9, 9999, 999999, 32766, -9999, 1e30, np.inf, -np.inf, 3276.6),
    values(TD, 45, 36, -61, 99.9, 999.9, 999999, -9999, np.inf, -np.inf, 32.0),
    values(RH, 0, 120, 101, -5, 999, 0.7, 999999, -9999, 65535, np.inf, -np.inf),
    values(P, 300, 1100, 0, -1, 499, 1061, 9999, 999999, 32766, np.inf, -np.inf),
    values(MSL, 300, 1100, 869, 1086, 0, 9999, 999999, np.inf, -np.inf),
    values(W, 999.9, 99.9, 45.5, 60, -1, -0.1, 999999, 32766, np.inf, -np.inf, 30.0),
    values(W10, 999.9, 99.9, 46, -1, 999999, np.inf, -np.inf, 28.0),
    values(G, 999.9, 99.9, 75.5, 200, -1, -9999, 999999, 32766, np.inf, -np.inf, 28.0, 40.0, 60.0, 17.3),
    values(D, 400, -10, 361, 999, 999017, 999999, np.inf, -np.inf),
    values(D10, 400, -10, 361, 999017, np.inf),
    values(GD, 400, -10, 361, 999017, np.inf, -np.inf),
    values(R, 900, 201, -1, -0.1, 999.9, 9999, 999990, 999999, 32766, np.inf, -np.inf, 150.0, 60.0),
    values(R1, 900, 10.5, 60, -1, -0.1, 999.9, 999999, np.inf, -np.inf, 5.0),
    values("present_weather", 100, 255, -1, 999999, np.inf),
    values("hail_diameter", 999, 201, -1, 999999, np.inf),
    steps(T, 12, -12, 5, -5), steps(TD, -12, -5, -6), steps(RH, 20, -30, -16),
    steps(P, 3, -3, 1, -1, 10), steps(MSL, 3, -3, 1, 8), steps(W, 12, 25), steps(W10, 11, 24),
    shifts(T, 15, -15, 9, -9), shifts(TD, 15, -15, -9), shifts(P, 100, -100, 35, -35, 6, -6),
    shifts(MSL, 30, -30, 6, -6),
    [Broken(f"{element} frozen", element, FOREVER, stuck) for element in (T, TD, RH, P, MSL, W, W10, D, D10, G)],
    [Broken(f"{element} stuck in rain", element, FOREVER, is_always(0.4)) for element in (R, R1)],
    unit(T, "K for C", 1, 273.15), unit(T, "F for C", 1.8, 32), unit(T, "tenths", 10), unit(T, "wrong sign", -1),
    unit(T, "a tenth", 0.1), unit(TD, "K for C", 1, 273.15), unit(TD, "tenths", 10), unit(TD, "wrong sign", -1),
    unit(RH, "a share", 0.01), unit(RH, "tenths", 10), unit(P, "kPa", 0.1), unit(P, "Pa", 100), unit(P, "mmHg", 0.75),
    unit(P, "tenths", 10), unit(MSL, "kPa", 0.1), unit(MSL, "Pa", 100), unit(MSL, "inHg", 0.02953),
    unit(W, "tenths", 10), unit(W, "tenths of knots", 19.4384),
    unit(G, "tenths", 10), unit(G, "tenths of knots", 19.4384),
    unit(D, "tenths", 10), unit(W10, "tenths of knots", 19.4384),
    [Broken(f"{a} holds {b}", a, since, is_always(value)) for since in (0, FOREVER) for a, b, value in (
        (T, "humidity", 72.0), (RH, "pressure", 965.0), (P, "temperature", 24.0), (W, "direction", 240.0),
        (G, "direction", 240.0), (TD, "humidity", 72.0))],
    [Broken("gust below mean wind", G, 0, is_always(0.4)), Broken("dew point above temperature", TD, 0, times(1, 7)),
     Broken("rain of the minute above that of the hour", R1, 0, is_always(1.5)),
     Broken("humidity against dew point", RH, FOREVER, times(1, -15)),
     Broken("pressure of sea level at a mountain", P, FOREVER, is_always(1008.0))],
)  # fmt: skip
ALL: tuple[Broken, ...] = tuple(row for kind in KINDS for row in kind)


def sane() -> xr.Dataset:
    """Sixty stations between 200 and 900 m around Chongqing, 71 minutes of a summer afternoon; at OUTFLOW a gust front
    arrives in the last hour: T falls by 8 K, p rises by 2.5 hPa, wind turns and reaches 22 m/s."""
    random = np.random.default_rng(6)
    shape, minute = (MINUTES, STATIONS), np.arange(MINUTES)[:, None]
    lat, lon = 29.2 + 0.09 * (np.arange(STATIONS) // 8), 106.0 + 0.1 * (np.arange(STATIONS) % 8)
    lat, lon = lat + random.uniform(-0.02, 0.02, STATIONS), lon + random.uniform(-0.02, 0.02, STATIONS)
    height = random.uniform(200, 500, STATIONS)
    height[::7] = random.uniform(500, 900, height[::7].size)
    wave = np.sin(minute / 11 + random.uniform(0, 6, STATIONS))
    after = np.clip(
        (minute - np.where(np.arange(STATIONS) >= OUTFLOW.start, 15 + np.arange(STATIONS) % 10 * 2, 999)) / 5, 0, 1
    )
    noise = {name: random.normal(0, 1, shape) for name in "TPWDR"}
    temperature = 31 - 0.0065 * height + 0.4 * random.normal(size=STATIONS) + 0.01 * minute + 0.15 * wave
    temperature = temperature + 0.05 * noise["T"] - 8 * after
    dew_point = 23 - 0.0018 * height + 0.4 * random.normal(size=STATIONS) + 0.3 * wave + 0.1 * noise["R"] - 2 * after
    dew_point = np.minimum(dew_point, temperature - 0.5)
    mean_t = 273.15 + 31 - 0.0065 * height / 2
    sea = 1005 + 0.3 * (lat - 29) - 0.006 * minute + 0.15 * wave + 0.03 * noise["P"] + 2.5 * after
    speed = np.abs(2.2 + 0.7 * wave + 0.3 * noise["W"]) + 10 * after
    humidity = 100 * np.exp(17.67 * dew_point / (dew_point + 243.5) - 17.67 * temperature / (temperature + 243.5))
    direction = (170 + 40 * wave + 12 * noise["D"] + 130 * after) % 360
    station = sea * np.exp(-9.80665 * height / (287.05 * mean_t))
    fields = {
        T: temperature, TD: dew_point, RH: np.clip(humidity, 5, 100), P: station,
        MSL: sea, W: speed, W10: 0.8 * speed + 0.3, D: direction, D10: direction, G: 1.5 * speed + 1 + 3 * after,
        GD: direction, R: 12 * after, R1: 0.2 * after * (minute % 2), "present_weather": 0 * minute + 0 * after,
        "hail_diameter": 0 * minute + 0 * after,
    }  # fmt: skip
    return xr.Dataset(
        {name: ((TIME, STATION), np.round(field, 1).astype("f4")) for name, field in fields.items()},
        {
            TIME: np.datetime64("2026-07-05T08:50", "ns") + np.arange(MINUTES) * np.timedelta64(1, "m"),
            STATION: [f"A{8000 + i}" for i in range(STATIONS)],
            "lat": (STATION, lat), "lon": (STATION, lon), "elevation": (STATION, height.astype("f4")),
            "barometer": (STATION, height.astype("f4")), "moved": (STATION, np.zeros(STATIONS, "?")),
        },
    )  # fmt: skip


def evidence() -> Evidence:
    """A storm at the outflow, a clear sky elsewhere."""
    storm = np.arange(STATIONS) >= OUTFLOW.start - 8
    return Evidence(np.where(storm, 52, -10).astype("f4"), np.where(storm, 9, 0).astype("f4"))


def break_one(obs: xr.Dataset, row: Broken, station: int) -> xr.Dataset:
    """The network with one broken observation."""
    out = obs.copy(deep=True)
    first = max(MINUTES - 1 - row.since, 0)
    column = out[row.element].values
    column[first:, station] = row.change(column[first:, station])
    return out
