"""The tiny region with ground stations, and the files that they and a sounding would send of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import xarray as xr

from tests.faults.scene import REGION, START, write_region
from tests.pipeline.skies import STORM, put
from wxcore.environment.profile import Profile, Soundings
from wxcore.environment.wyoming import write_wyoming
from wxcore.hazard.rules import probabilities
from wxcore.products.surface import station_table
from wxcore.region import Region, load_region
from wxcore.station.evidence import Evidence
from wxcore.station.ftm_write import write_ftm
from wxcore.station.network import network_of
from wxcore.station.qc import quality_control
from wxcore.station.reports import Reports
from wxcore.station.series import series
from wxcore.storms.stations import DEGREE_KM, storm_stations
from wxcore.times import to_datetime64

HEAD = "id,name_zh,name_en,lat,lon,elevation_m,barometer_m,elev_class,adcode,level,valid_from,valid_to,source\n"
NUMBER = 8
"""Stations in a row, and rows: 64 over 40 km."""

IDS = tuple(f"A{number + 1000}" for number in range(NUMBER * NUMBER))
LAT, LON = (
    grid.ravel() for grid in np.meshgrid(29.02 + 0.05 * np.arange(NUMBER), 106.02 + 0.05 * np.arange(NUMBER),
                                         indexing="ij")
)  # fmt: skip
NEAR_STORM = np.hypot(LON - STORM[0], LAT - STORM[1]) < 0.08
FAR = int(np.argmax(np.hypot(LON - STORM[0], LAT - STORM[1])))
"""The station farthest from the storm: 34 km from its middle."""

GUST_M_S = 22.0
STEP = timedelta(minutes=5)
TIMES = [START - number * STEP for number in range(25, -1, -1)]
Values = dict[str, npt.NDArray[np.float32]]


def ground_region(root: Path, *, ids: Sequence[str] = IDS) -> Region:
    """The tiny region with its stations, at 300 m."""
    folder = write_region(root) / REGION
    rows = [
        f"{one},站,Station,{lat:.4f},{lon:.4f},300,,plain,,regional,2000-01-01,,test\n"
        for one, lat, lon in zip(ids, LAT, LON, strict=False)
    ]
    (folder / "stations.csv").write_text(HEAD + "".join(rows))
    return load_region(REGION, root=root)


def air(when: datetime, *, outflow: bool) -> Values:
    """A fair afternoon; with `outflow`, what a storm leaves behind at the stations near it in the last 20 minutes."""
    rng = np.random.default_rng(round(when.timestamp()))

    def about(middle: float, spread: float) -> npt.NDArray[np.float32]:
        return np.asarray(middle + rng.normal(0, spread, LAT.size), dtype=np.float32)

    values = {
        "air_temperature": about(31.0, 0.2), "dew_point_temperature": about(23.0, 0.2),
        "air_pressure": about(973.0, 0.1),
        "wind_speed": about(2.0, 0.2), "wind_from_direction": np.full(LAT.size, 180, "f4"),
        "wind_speed_of_gust": about(4.0, 0.3), "wind_gust_from_direction": np.full(LAT.size, 180, "f4"),
        "precipitation_1h": np.zeros(LAT.size, "f4"),
    }  # fmt: skip
    if outflow and START - when <= timedelta(minutes=20):
        for name, change in (
            ("air_temperature", -7.0), ("dew_point_temperature", -3.0), ("air_pressure", 2.0), ("wind_speed", 9.0),
            ("wind_speed_of_gust", GUST_M_S - 4),
        ):  # fmt: skip
            values[name] = values[name] + np.where(NEAR_STORM, change, 0).astype("f4")
    return {name: np.round(column, 1) for name, column in values.items()}


def report(
    when: datetime, values: Mapping[str, npt.NDArray[np.float32]], *, ids: Sequence[str] = IDS, simulated: bool = True
) -> Reports:
    """One report of every station."""
    count = len(ids)
    return Reports(
        format="ftm-regional", title="FTM", station=np.array(ids), time=np.full(count, to_datetime64(when)),
        lat=LAT[:count], lon=LON[:count], elevation=np.full(count, 300, "f4"),
        values={name: column[:count] for name, column in values.items()},
        gust_time=np.full(count, to_datetime64(when)), simulated=simulated,
    )  # fmt: skip


def ftm(folder: Path, native: Reports, *, centre: str = "BECQ") -> Path:
    """The file of a report, with its operational name."""
    when = native.end
    return put(folder, f"Z_SURF_C_{centre}-REG_{when:%Y%m%d%H%M%S}_O_AWS_FTM.TXT", write_ftm(native), when)


def two_hours(
    folder: Path, *, outflow: bool = True, spoiled: Mapping[str, float] | None = None, station: int = FAR
) -> list[Path]:
    """Reports every five minutes up to START; `spoiled`: elements that a station has wrong in the last one."""
    paths = []
    for when in TIMES:
        values = air(when, outflow=outflow)
        if when == START:
            for name, value in (spoiled or {}).items():
                values[name][station] = value
        paths.append(ftm(folder, report(when, values)))
    return paths


def fair(region: Region) -> xr.Dataset:
    """The same reports of a fair afternoon, laid together as a cycle does."""
    reports = [report(when, air(when, outflow=False)) for when in TIMES]
    return series(reports, network_of(region, START), START - timedelta(minutes=130), START)


def away_km(storms: pd.DataFrame) -> npt.NDArray[np.float64]:
    """(station,) distance to the nearest outline; 0 inside."""
    scale = np.array([np.cos(np.deg2rad(LAT.mean())), 1.0]) * DEGREE_KM
    points = shapely.points(np.column_stack([LON, LAT]) * scale)
    outlines = [shapely.transform(one, lambda place: place * scale) for one in storms["polygon"]]
    return np.asarray(np.min([shapely.distance(points, one) for one in outlines], axis=0))


def at_km(storms: pd.DataFrame, km: float) -> int:
    """The station whose distance to the outline is nearest to `km`."""
    return int(np.argmin(np.abs(away_km(storms) - km)))


def assessed(storms: pd.DataFrame, obs: xr.Dataset, seen: Evidence) -> pd.DataFrame:
    """schema.PROBABILITIES of the storms with these observations near them, by the steps of a cycle."""
    table = station_table(quality_control(obs, seen), START)
    return probabilities(storms.assign(**storm_stations(storms, table, START)), levels_quality="good")


def profile(when: datetime, *, h0_m: float, lapse: float = 6.5) -> Profile:
    """A saturated-looking profile with a constant lapse rate [K km-1] that passes 0 C at `h0_m`."""
    height = np.arange(100.0, 16_000.0, 250.0)
    temperature = np.maximum((h0_m - height) / 1000 * lapse, -70.0)
    pressure = 1000.0 * np.exp(-height / 8000.0)
    wind = height / 1000
    return Profile(pressure, height, temperature, temperature - 3.0, wind, wind / 2, when, 29.2, 106.2, "57516")


def sounding(folder: Path, when: datetime, *, h0_m: float) -> Path:
    """A sounding from the middle of the region, as the text that the University of Wyoming gives."""
    native = Soundings("wyoming", "Wyoming", (profile(when, h0_m=h0_m),))
    return put(folder, f"57516_{when:%Y%m%d%H}.txt", write_wyoming(native), when)
