"""Profiles, TEMP text, GRIB and BUFR with known heights, for the tests of the environment room."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from wxcore.codes import eccodes
from wxcore.environment.profile import Profile

NOON = datetime(2020, 6, 12, 12, tzinfo=UTC)
STANDARD_HPA = (1000, 925, 850, 700, 600, 500, 400, 300, 250, 200, 150, 100)
LAPSE, DEPRESSION = 6.5, 4.0
"""Of `height_of` and `temperature_of` [K/km], [K]."""


def height_of(pressure: Any, surface: float = 30.0) -> Any:
    """Height [m] of a pressure [hPa] in a dry atmosphere of `surface` [degC] and 1010 hPa at sea level that cools by
    LAPSE."""
    return (
        (surface + 273.15)
        / LAPSE
        * 1000
        * (1 - (np.asarray(pressure, dtype=float) / 1010) ** (287.05 * LAPSE / 9806.65))
    )


def temperature_of(height: Any, surface: float = 30.0) -> Any:
    """[degC], linear in height."""
    return surface - LAPSE * np.asarray(height, dtype=float) / 1000


def simple(
    time: datetime = NOON, surface: float = 30.0, lat: float = 29.58, lon: float = 106.47, place: str = "57516",
    pressures: Iterable[float] = (1000, 950, 900, 850, 800, 700, 600, 500, 400, 350, 300, 250, 200, 150, 100),
) -> Profile:  # fmt: skip
    """6.5 K/km from `surface` at sea level; 0 C lies at surface / 6.5 km."""
    p = np.array(list(pressures), dtype=float)
    z = height_of(p, surface)
    t = temperature_of(z, surface)
    return Profile(p, z, t, t - DEPRESSION, 5 + z / 1000, np.zeros_like(z), time, lat, lon, place)


def of(temperatures: list[float], pressures: list[float] | None = None, time: datetime = NOON) -> Profile:
    """Levels 1 km apart from 500 m up, dew point 2 K below."""
    t = np.array(temperatures, dtype=float)
    z = 500 + 1000.0 * np.arange(t.size, dtype=np.float64)
    p = np.array(pressures) if pressures else 1000 * np.exp(-z / 8000)
    nothing = np.full(t.size, np.nan)
    return Profile(p, z, t, t - 2, nothing, nothing, time, 29.58, 106.47, "57516")


def grib_field(
    short: str, values: Any, level: int | None = None, *, sample: str = "regular_ll_pl_grib2", valid_h: int = 0,
    run: tuple[int, int] = (20200612, 0), box: tuple[float, float, float, float] = (28.0, 32.0, 105.0, 110.0),
    step: float = 1.0, scan: tuple[int, int, int] = (0, 0, 0), more: dict[str, Any] | None = None,
) -> bytes:  # fmt: skip
    """One GRIB message on a regular grid; `values` (lat ascending, lon) or a number, `box` south, north, west, east;
    `scan`: iScansNegatively, jScansPositively, jPointsAreConsecutive."""
    handle = eccodes.codes_grib_new_from_samples(sample)
    south, north, west, east = box
    n_lat, n_lon = round((north - south) / step) + 1, round((east - west) / step) + 1
    grid = np.broadcast_to(np.asarray(values, dtype=float), (n_lat, n_lon))
    i_neg, j_pos, consecutive = scan
    grid = grid if j_pos else grid[::-1]
    grid = grid[:, ::-1] if i_neg else grid
    keys: dict[str, Any] = {
        "Ni": n_lon, "Nj": n_lat, "iDirectionIncrementInDegrees": step, "jDirectionIncrementInDegrees": step,
        "latitudeOfFirstGridPointInDegrees": south if j_pos else north,
        "latitudeOfLastGridPointInDegrees": north if j_pos else south,
        "longitudeOfFirstGridPointInDegrees": (east if i_neg else west) % 360,
        "longitudeOfLastGridPointInDegrees": (west if i_neg else east) % 360,
        "iScansNegatively": i_neg, "jScansPositively": j_pos, "jPointsAreConsecutive": consecutive,
        "dataDate": run[0], "dataTime": run[1], "shortName": short,
    }  # fmt: skip
    if level is not None:
        keys |= {"typeOfLevel": "isobaricInhPa", "level": level}
    keys |= {"stepRange" if "grib1" in sample else "forecastTime": valid_h}
    for key, value in (keys | (more or {})).items():
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set(handle, "bitsPerValue", 24)
    flat = grid.T if consecutive else grid
    if np.isnan(flat).any():
        eccodes.codes_set(handle, "bitmapPresent", 1)
        eccodes.codes_set(handle, "missingValue", 9999)
        flat = np.where(np.isnan(flat), 9999, flat)
    eccodes.codes_set_values(handle, np.ascontiguousarray(flat).ravel())
    message: bytes = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return message


def grib_profile(surface: Any = 30.0, **keys: Any) -> bytes:
    """Temperature, height and relative humidity on STANDARD_HPA; `surface` [degC] at sea level, a number or a field."""
    parts = []
    for pressure in STANDARD_HPA:
        z = float(height_of(pressure))
        parts.append(grib_field("t", np.asarray(surface) - LAPSE * z / 1000 + 273.15, pressure, **keys))
        parts.append(grib_field("gh", z, pressure, **keys))
        parts.append(grib_field("r", 60.0, pressure, **keys))
    return b"".join(parts)


def bufr(profiles: list[Profile], *, compressed: int = 0, hour: int = 11, minute: int = 15) -> bytes:
    """Template 309052, a subset a profile, launched at `hour`:`minute`."""
    handle = eccodes.codes_bufr_new_from_samples("BUFR4")
    n, subsets = profiles[0].pressure.size, len(profiles)
    copies = 1 if compressed else subsets
    keys: list[tuple[str, Any]] = [
        ("dataCategory", 2), ("masterTablesVersionNumber", 31), ("compressedData", compressed),
        ("numberOfSubsets", subsets),
    ]  # fmt: skip
    for key, value in keys:
        eccodes.codes_set(handle, key, value)
    eccodes.codes_set_array(handle, "inputExtendedDelayedDescriptorReplicationFactor", [n] * copies)
    eccodes.codes_set_array(handle, "inputDelayedDescriptorReplicationFactor", [1] * copies)
    eccodes.codes_set(handle, "unexpandedDescriptors", 309052)
    for index, profile in enumerate(profiles):
        # Uncompressed ranks run on from subset to subset; a compressed message has the subsets in an array.
        place = f"#{1 if compressed else index + 1}#"
        head = {
            "blockNumber": int(profile.place[:2]), "stationNumber": int(profile.place[2:]), "year": profile.time.year,
            "month": profile.time.month, "day": profile.time.day, "hour": hour, "minute": minute,
            "latitude": profile.lat, "longitude": profile.lon,
        }  # fmt: skip
        for key, value in head.items():
            eccodes.codes_set(handle, place + key, value)
        columns = {
            "pressure": profile.pressure * 100, "nonCoordinateGeopotentialHeight": np.round(profile.height),
            "airTemperature": profile.temperature + 273.15, "dewpointTemperature": profile.dew_point + 273.15,
            "windDirection": np.round(np.rad2deg(np.arctan2(-profile.u, -profile.v)) % 360),
            "windSpeed": np.hypot(profile.u, profile.v),
        }  # fmt: skip
        first = 0 if compressed else index * n
        for key, column in columns.items():
            ranks = first + index if key == "pressure" and not compressed else first  # the shear level's pressure
            for level, value in enumerate(column):
                if np.isfinite(value):
                    whole = int(value) if key in {"nonCoordinateGeopotentialHeight", "windDirection"} else float(value)
                    eccodes.codes_set(handle, f"#{ranks + level + 1}#{key}", whole)
    eccodes.codes_set(handle, "pack", 1)
    message: bytes = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return message
