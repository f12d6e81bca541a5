"""A synthetic network of ground stations: as many and as uneven as a real one, and not to be mistaken for one."""

from datetime import date

import numpy as np
import numpy.typing as npt

from wxcore.region import Region, Station
from wxcore.station.table import districts_of, elev_classes

FIRST_DAY = date(2000, 1, 1)
SOURCE = "SYN simulated network, no real station"
LETTER = "X"
"""Ids are X and four digits: no province of China uses it [our choice, unverified]."""

MOST = 9999
CANDIDATES = 4
"""Places that are drawn for each station, of which the lowest is likeliest: people and stations are in valleys."""

LOW_M, HIGH_M = 180.0, 1900.0
"""Heights of the synthetic ground [m]."""

WAVES = 12
Floats = npt.NDArray[np.float64]


def network(region: Region, count: int = 2500, *, seed: int = 20260701) -> tuple[Station, ...]:
    """A synthetic network on a region's grid: one national station in each district, the others where ground is low.

    The ground is synthetic too (`ground`), so that the same network comes out everywhere. Same seed, same network.

    Args:
        count: of stations, at most MOST.

    Raises:
        ValueError: more than MOST, or fewer than one.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"{count} stations, expected 1 to {MOST}")
    random = np.random.default_rng(seed)
    west, south, east, north = region.grid.bounds
    districts = [row for row in region.districts if row.valid_to is None][:count]
    lat = random.uniform(south, north, (count, CANDIDATES))
    lon = random.uniform(west, east, (count, CANDIDATES))
    heights = ground(lat, lon, seed)
    # A candidate's chance falls with its height: a scale of 400 m makes valleys about four times as dense as ridges.
    lowest = np.argmin(heights / 400 + random.gumbel(size=heights.shape), axis=1)
    picked = np.arange(count), lowest
    lat, lon = lat[picked], lon[picked]
    for index, district in enumerate(districts):
        lat[index], lon[index] = district.lat, district.lon
    lat, lon = np.round(lat, 4), np.round(lon, 4)
    elevation = np.round(ground(lat, lon, seed) + random.normal(0, 15, count), 1)
    above = elevation - ground(lat, lon, seed, smooth=True)
    codes, classes = districts_of(region, lat, lon), elev_classes(elevation, above)
    return tuple(
        Station(
            f"{LETTER}{index:04d}", f"模拟{index:04d}", f"Synthetic {index:04d}", float(lat[index]), float(lon[index]),
            float(elevation[index]), round(float(elevation[index]) + 1.2, 1),
            classes[index], codes[index], "national" if index < len(districts) else "regional", FIRST_DAY, None,
            SOURCE,
        )
        for index in range(count)
    )  # fmt: skip


def ground(lat: Floats, lon: Floats, seed: int, *, smooth: bool = False) -> Floats:
    """Synthetic ground height [m]: ranges and valleys out of sine waves of 15 to 120 km; without the short ones where
    `smooth`."""
    random = np.random.default_rng(seed + 1)
    length_deg = np.geomspace(0.15, 1.2, WAVES)
    angle, phase = random.uniform(0, np.pi, WAVES), random.uniform(0, 2 * np.pi, WAVES)
    height = np.zeros(np.shape(lat))
    for number in range(WAVES // 3 if smooth else 0, WAVES):
        along = (lon * np.cos(angle[number]) + lat * np.sin(angle[number])) / length_deg[number]
        height += np.sqrt(length_deg[number]) * np.sin(2 * np.pi * along + phase[number])
    part = 0.5 + height / (2 * np.sqrt(length_deg).sum() / 2)
    return np.asarray(LOW_M + (HIGH_M - LOW_M) * np.clip(part, 0, 1) ** 2, dtype=np.float64)
