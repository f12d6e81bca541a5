"""Gusts of gale force and what to think of them: from files of reports, or from the archive (truth of gales)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from wxcore.archive.observations import read_stations
from wxcore.archive.read import open_archive
from wxcore.errors import ArchiveError, ReadError, Reason
from wxcore.grid import EARTH_RADIUS_M
from wxcore.hazard.gale_truth import GaleTruthRules, gale_truth, gale_truth_rules
from wxcore.pipeline.home import Home
from wxcore.pipeline.read import read_file
from wxcore.region import Region
from wxcore.schema import LAT, LON, QC_GOOD, QC_MISSING, TIME, qc_name
from wxcore.station.network import network_of
from wxcore.station.qc import quality_control
from wxcore.station.qc_sheet import GUST_WITNESSES
from wxcore.station.reports import Reports
from wxcore.station.series import series
from wxcore.times import CYCLE, require_utc, to_datetime64

GUST, DIRECTION, WIND = "wind_speed_of_gust", "wind_gust_from_direction", "wind_speed"
DAY = timedelta(days=1)

FLASH_MINUTES = 10.0
"""`flash_density` is of so many minutes (lightning.density)."""

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Gusts:
    """Gusts of the threshold and more.

    Attributes:
        table: station_id, time (when it blew, UTC), lat, lon, elevation_m, elev_class, gust_m_s, gust_from_deg,
            gust_flag, gust_supported, and of `gale_truth` verdict, reason, reason_zh; ascending in time.
        stations: that reported anything; reports: gusts that were reported; flagged: of these suspect or bad.
        start, end: of what was looked at.
        rules: by which they were judged.
    """

    table: pd.DataFrame
    stations: int
    reports: int
    flagged: int
    start: datetime
    end: datetime
    rules: GaleTruthRules


def gusts_of_files(paths: Sequence[Path], region: Region, *, home: Home | None = None) -> Gusts:
    """The gusts in files of reports, quality controlled among themselves; echo and lightning from the archive of
    `home`, where there are any.

    Raises:
        ReadError: a file cannot be read, holds no reports, or none of the region's stations.
    """
    reports = [_reports(path) for path in paths]
    start, end = min(one.start for one in reports), max(one.end for one in reports)
    network = network_of(region, end)
    parts = []
    for first, last in _days(start, end):
        obs = series(reports, network, first, last)
        if GUST in obs:
            parts.append(_judged(obs))
    if not parts:
        told = ", ".join(path.name for path in paths)
        raise ReadError(
            Reason.UNKNOWN_SITE,
            f"{told}: no gust of a station of station_meta/{region.id}/stations.csv: import the station list with "
            f"`wx stations import LIST --region {region.id}`",
            f"{told}：没有 station_meta/{region.id}/stations.csv 中站点的阵风资料：请先用 wx stations import 台站表 "
            f"--region {region.id} 导入",
        )
    return _verdicts(parts, region, home, start, end)


def gusts_of_archive(home: Home, region: Region, start: datetime, end: datetime) -> Gusts:
    """The gusts that the cycles from `start` to `end` kept, with the flags that they were given then.

    Raises:
        TimeError: a naive time.
        ArchiveError: there is no archive.
    """
    start, end = require_utc(start), require_utc(end)
    obs = read_stations(home.archive, region.id, start, end)
    return _verdicts([_with_support(obs)], region, home, start, end)


def _reports(path: Path) -> Reports:
    native = read_file(path, path.name).native
    if not isinstance(native, Reports):
        raise ReadError(
            Reason.UNSUPPORTED,
            f"{path.name}: no file of station reports: `wx doctor` tells what it is",
            f"{path.name}：不是站点观测文件：可用 wx doctor 查看其格式",
        )
    return native


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The time in pieces of a day at most: a network's minutes of a day are some hundred megabytes."""
    while start <= end:
        yield start, min(end, start + DAY - timedelta(minutes=1))
        start += DAY


def _judged(obs: xr.Dataset) -> xr.Dataset:
    return _with_support(quality_control(obs, spatial_minutes=obs.sizes[TIME]))


def _with_support(obs: xr.Dataset) -> xr.Dataset:
    """With `gust_supported` (time, station) beside: whether quality control found a witness (NaN nobody to ask); where
    only its flags were kept, by the flag, for a strong gust without a witness is suspect."""
    if GUST_WITNESSES in obs:
        told = obs[GUST_WITNESSES].values
    elif qc_name(GUST) in obs:
        told = np.where(obs[GUST].notnull().values, obs[qc_name(GUST)].values == QC_GOOD, np.nan)
    else:
        told = np.full((obs.sizes[TIME], obs.sizes["station"]), np.nan)
    return obs.assign(gust_supported=((TIME, "station"), np.where(np.isnan(told), np.nan, told >= 1)))


def _verdicts(parts: Sequence[xr.Dataset], region: Region, home: Home | None, start: datetime, end: datetime) -> Gusts:
    rules = gale_truth_rules(region.rules)
    table = pd.concat([_rows(part, rules.threshold_m_s) for part in parts], ignore_index=True)
    winds = pd.concat([_winds(part, set(table["station_id"])) for part in parts], ignore_index=True)
    judged = gale_truth(table, _seen(table, region, home, rules), winds, rules)
    flags = [part[qc_name(GUST)].values for part in parts if qc_name(GUST) in part]
    told = [part[GUST].notnull().values for part in parts if GUST in part]
    reporting = {str(one) for part in parts for one in part["station"].values[_reported(part)]}
    return Gusts(
        table=judged.sort_values(["time", "station_id"], ignore_index=True),
        stations=len(reporting),
        reports=sum(int(one.sum()) for one in told),
        flagged=sum(int(((one > 0) & (one < QC_MISSING)).sum()) for one in flags),
        start=start,
        end=end,
        rules=rules,
    )


def _reported(obs: xr.Dataset) -> npt.NDArray[np.bool_]:
    names = [name for name in (GUST, WIND, "air_temperature", "air_pressure", "precipitation_1h") if name in obs]
    found = np.zeros(obs.sizes["station"], dtype=np.bool_)
    for name in names:
        found |= obs[name].notnull().any(TIME).values
    return found


def _rows(obs: xr.Dataset, threshold: float) -> pd.DataFrame:
    """The reported gusts from `threshold` on; of what an hourly record repeats, once."""
    values = obs[GUST].values if GUST in obs else np.empty((0, 0))
    row, column = np.nonzero(values >= threshold)
    blew = obs["gust_time"].values[row, column]
    direction = obs[DIRECTION].values[row, column] if DIRECTION in obs else np.full(row.size, np.nan)
    table = pd.DataFrame({
        "station_id": obs["station"].values[column].astype(str),
        "time": np.where(np.isnat(blew), obs[TIME].values[row], blew),
        "lat": obs["lat"].values[column],
        "lon": obs["lon"].values[column],
        "elevation_m": obs["elevation"].values[column],
        "elev_class": obs["elev_class"].values[column].astype(str),
        "gust_m_s": values[row, column].astype(np.float64),
        "gust_from_deg": direction.astype(np.float64),
        "gust_flag": obs[qc_name(GUST)].values[row, column].astype(np.int64) if row.size else np.empty(0, np.int64),
        "gust_supported": obs["gust_supported"].values[row, column].astype(np.float64),
    })  # fmt: skip
    return table.drop_duplicates(["station_id", "time", "gust_m_s"], keep="last", ignore_index=True)


def _winds(obs: xr.Dataset, wanted: set[str]) -> pd.DataFrame:
    """Mean winds of the stations that gusted."""
    if WIND not in obs:
        return pd.DataFrame({"station_id": [], "time": np.empty(0, "M8[ns]"), "wind_speed": []})
    mine = np.isin(obs["station"].values.astype(str), sorted(wanted))
    values = obs[WIND].values[:, mine]
    row, column = np.nonzero(~np.isnan(values))
    return pd.DataFrame({
        "station_id": obs["station"].values[mine][column].astype(str),
        "time": obs[TIME].values[row],
        "wind_speed": values[row, column].astype(np.float64),
    })  # fmt: skip


def _seen(table: pd.DataFrame, region: Region, home: Home | None, rules: GaleTruthRules) -> pd.DataFrame:
    """Largest composite reflectivity and number of flashes near each gust, as the archive has them; NaN where nobody
    looked, or there is no archive."""
    found = pd.DataFrame(np.nan, index=table.index, columns=["max_dbz", "flashes"])
    try:
        cube = None if home is None or table.empty else open_archive(home.archive, region=region.id)
    except ArchiveError:
        cube = None
    if cube is None:
        return found
    back = np.timedelta64(round(rules.window_min * 60), "s")
    for index, gust in table.iterrows():
        when = np.datetime64(gust["time"], "ns")
        near = _around(cube, float(gust["lat"]), float(gust["lon"]), rules.radius_km)
        near = near.sel(time=slice(when - back, when + back + np.timedelta64(CYCLE)))
        found.loc[index] = [_largest(near, "composite_reflectivity"), _flashes(near, region)]
    return found


def _around(cube: xr.Dataset, lat: float, lon: float, radius_km: float) -> xr.Dataset:
    """The cells within the radius; the others of the box around it are NaN."""
    degrees = float(np.rad2deg(radius_km * 1000 / EARTH_RADIUS_M))
    wide = degrees / np.cos(np.deg2rad(lat))
    names = [name for name in ("composite_reflectivity", "flash_density") if name in cube]
    box = cube[names].sel(lat=slice(lat - degrees, lat + degrees), lon=slice(lon - wide, lon + wide))
    inside = ((box[LAT] - lat) / degrees) ** 2 + ((box[LON] - lon) / wide) ** 2 <= 1
    return box.where(inside)


def _largest(near: xr.Dataset, name: str) -> float:
    values = near[name].values if name in near else np.empty(0)
    return float(np.nanmax(values)) if np.isfinite(values).any() else float("nan")


def _flashes(near: xr.Dataset, region: Region) -> float:
    """Flashes of the window: density [km-2 h-1] times area and time, over windows that overlap as cycles do."""
    if "flash_density" not in near or not np.isfinite(near["flash_density"].values).any():
        return float("nan")
    area = np.interp(near[LAT].values, region.grid.lat, region.grid.cell_area_km2)
    struck = np.nansum(near["flash_density"].values * area[np.newaxis, :, np.newaxis]) * FLASH_MINUTES / 60
    return float(struck * (CYCLE / timedelta(minutes=FLASH_MINUTES)))


def to_json(found: Gusts, region: Region) -> dict[str, Any]:
    """What `--json` prints."""
    rows = found.table.assign(time=found.table["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return {
        "region": region.id,
        "threshold_m_s": found.rules.threshold_m_s,
        "start": f"{to_datetime64(found.start).astype('datetime64[s]')}Z",
        "end": f"{to_datetime64(found.end).astype('datetime64[s]')}Z",
        "stations": found.stations,
        "gust_reports": found.reports,
        "flagged": found.flagged,
        "gusts": len(rows),
        "verdicts": {str(key): int(value) for key, value in rows["verdict"].value_counts().items()},
        "rows": [
            {str(key): None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
            for row in rows.to_dict("records")
        ],
    }
