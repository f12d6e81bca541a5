"""Which gusts are thunderstorm gales: the truth that warnings and models are held against (DOMAIN.md 5.1).

A gust of 17.2 m/s is a thunderstorm gale only where lightning or strong echo was near; a wind that blew hard for hours
before is the weather map's, and a ridge station has it at any time. Where nobody looked it is not verifiable, never no.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wxcore.errors import RegionError, SchemaError
from wxcore.schema import QC_BAD, QC_SUSPECT

CONVECTIVE, NOT_CONVECTIVE, SYNOPTIC, RIDGE = "convective_gale", "not_convective", "synoptic_wind", "ridge_station"
NOT_VERIFIABLE, SUSPECT, BELOW = "not_verifiable", "suspect", "below_threshold"
VERDICTS = (CONVECTIVE, NOT_CONVECTIVE, SYNOPTIC, RIDGE, NOT_VERIFIABLE, SUSPECT, BELOW)
"""What a gust can be. Only `convective_gale` is an event; `not_convective` and `below_threshold` are none; the others
are left out of training and verification."""

SECTION = "gale_truth"
"""Table of a region's rules.toml that may change GaleTruthRules."""

SUSTAINED = 0.9
"""Part of the reports before the gust that must reach the synoptic wind [our choice]: a lull does not end a gale."""

GAP_MIN = 65
"""Reports of the wind before must not be further apart than this [our choice]: hourly ones suffice."""

RIDGE_CLASSES = ("", "mountain")
"""Classes that are taken for a ridge above GaleTruthRules.ridge_m; stations of the plateau (plain, hill) are not."""

NEEDED = ("station_id", "time", "lat", "lon", "elev_class", "gust_m_s", "gust_flag", "gust_supported")

Doubles = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class GaleTruthRules:
    """What makes a thunderstorm gale (DOMAIN.md 5.1).

    Attributes:
        threshold_m_s: gust from which it is a gale [m/s]; some provinces take 13.9.
        echo_dbz, radius_km, window_min: composite reflectivity near enough in place and time, and so lightning.
        synoptic_wind_m_s, synoptic_hours: mean wind that blew so long before the gust is synoptic.
        ridge_m, exclude_ridge: mountain stations above this [m] are left out.
    """

    threshold_m_s: float = 17.2
    echo_dbz: float = 35.0
    radius_km: float = 20.0
    window_min: float = 30.0
    synoptic_wind_m_s: float = 10.8
    synoptic_hours: float = 3.0
    ridge_m: float = 1500.0
    exclude_ridge: bool = True


Seen = Callable[[Doubles, Doubles, Times, GaleTruthRules], tuple[Doubles, Doubles]]
"""(lat, lon, time, rules) of n gusts -> largest composite reflectivity [dBZ] within rules.radius_km and
+-rules.window_min, and number of flashes there: each (n,), NaN where nobody looked."""


def gale_truth_rules(rules: Mapping[str, Any]) -> GaleTruthRules:
    """Rules of a region: section [gale_truth] of `Region.rules`, the defaults where it is silent.

    Raises:
        RegionError: a key is unknown, no number, or not above 0; the message names every one.
    """
    section = rules.get(SECTION, {})
    known = {field.name: field.default for field in fields(GaleTruthRules)}
    if not isinstance(section, Mapping):
        raise _refused([f"is {section!r}, expected a table"], [f"为 {section!r}，应为表"])
    en, zh = [], []
    for key, value in section.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if key not in known:
            en.append(f"{key}: unknown, expected one of {', '.join(known)}")
            zh.append(f"{key}：未知的键，应为 {'、'.join(known)} 之一")
        elif isinstance(known[key], bool) and not isinstance(value, bool):
            en.append(f"{key} = {value!r}, expected true or false")
            zh.append(f"{key} = {value!r}，应为 true 或 false")
        elif not isinstance(known[key], bool) and not (number and math.isfinite(value) and value > 0):
            en.append(f"{key} = {value!r}, expected a number above 0")
            zh.append(f"{key} = {value!r}，应为大于 0 的数")
    if en:
        raise _refused(en, zh)
    chosen: dict[str, Any] = {key: value if isinstance(value, bool) else float(value) for key, value in section.items()}
    return GaleTruthRules(**chosen)


def _refused(en: list[str], zh: list[str]) -> RegionError:
    return RegionError(f"rules.toml [{SECTION}]: {'; '.join(en)}", f"rules.toml [{SECTION}]：{'；'.join(zh)}")


def gale_truth(
    gusts: pd.DataFrame,
    seen: Seen | pd.DataFrame,
    winds: pd.DataFrame,
    rules: GaleTruthRules | None = None,
) -> pd.DataFrame:
    """`gusts` with columns verdict (VERDICTS), reason and reason_zh; a gust that hourly records repeat is there once.

    In this order: no value or no time, bad or without support, below the threshold, ridge station, synoptic wind,
    lightning or echo near. That nothing convective was near is believed of a radar only: no lightning seen does not
    exclude a wet or dry downburst without any. Where the wind before the gust is unknown the gust is judged without it,
    and the reason says so.

    Args:
        gusts: NEEDED columns, `time` (datetime64, UTC) when it blew; of schema.STATION_TABLE, renamed. Column
            elevation_m [m] may lack.
        seen: function (see Seen), or a table with the columns max_dbz and flashes on the index of `gusts`.
        winds: station_id, time, wind_speed [m/s]: mean wind of the hours before, of any stations.
        rules: of the region, see `gale_truth_rules`.

    Raises:
        SchemaError: a column is missing.
    """
    rules = rules or GaleTruthRules()
    _require(gusts, NEEDED, "gusts")
    _require(winds, ("station_id", "time", "wind_speed"), "winds before gusts")
    once = gusts[~gusts.duplicated(["station_id", "time", "gust_m_s"], keep="last")].copy()
    time = once["time"].to_numpy().astype("datetime64[ns]")
    if isinstance(seen, pd.DataFrame):
        _require(seen, ("max_dbz", "flashes"), "what was seen at gusts")
        near = seen.loc[once.index]
        dbz, flashes = (near[name].to_numpy(dtype=np.float64) for name in ("max_dbz", "flashes"))
    else:
        lat, lon = (once[name].to_numpy(dtype=np.float64) for name in ("lat", "lon"))
        dbz, flashes = seen(lat, lon, time, rules)
    history = _History(winds)
    said = [
        _verdict({str(key): value for key, value in row.items()}, float(dbz[i]), float(flashes[i]), history, rules)
        for i, row in enumerate(once.to_dict("records"))
    ]
    for place, name in enumerate(("verdict", "reason", "reason_zh")):
        once[name] = pd.Series([each[place] for each in said], index=once.index, dtype=object)
    return once


def _require(table: pd.DataFrame, names: tuple[str, ...], what: str) -> None:
    missing = [f"{name}: missing 缺少此列" for name in names if name not in table]
    if missing:
        raise SchemaError(what, missing)


Said = tuple[str, str, str]
"""Verdict, why in English, why in Chinese."""


def _verdict(gust: Mapping[str, Any], dbz: float, flashes: float, history: "_History", rules: GaleTruthRules) -> Said:
    excluded = _not_a_gale(gust, rules)
    if excluded is not None:
        return excluded
    sustained = history.sustained(str(gust["station_id"]), gust["time"], rules)
    if sustained:
        wind, hours = rules.synoptic_wind_m_s, rules.synoptic_hours
        return (
            SYNOPTIC,
            f"mean wind of {wind:g} m/s or more for {hours:g} h before",
            f"此前 {hours:g} 小时平均风持续不低于 {wind:g} 米/秒",
        )
    verdict, en, zh = _convection(dbz, flashes, rules)
    if sustained is None and verdict == CONVECTIVE:
        return verdict, f"{en}; mean wind before unknown", f"{zh}；此前平均风未知"
    return verdict, en, zh


def _not_a_gale(gust: Mapping[str, Any], rules: GaleTruthRules) -> Said | None:
    """What the report and its station alone exclude."""
    speed, flag, supported = float(gust["gust_m_s"]), int(gust["gust_flag"]), float(gust["gust_supported"])
    elevation = float(gust.get("elevation_m", math.nan))
    if not math.isfinite(speed) or pd.isna(gust["time"]):
        return NOT_VERIFIABLE, "no gust, or no time of it", "没有阵风值或其出现时间"
    if flag == QC_BAD:
        return SUSPECT, f"gust {speed:.1f} m/s is bad", f"阵风 {speed:.1f} 米/秒为错误值"
    if speed < rules.threshold_m_s:
        return BELOW, f"{speed:.1f} m/s < {rules.threshold_m_s:g}", f"{speed:.1f} 米/秒，未达 {rules.threshold_m_s:g}"
    if flag == QC_SUSPECT or supported == 0:
        return SUSPECT, f"nothing else speaks for {speed:.1f} m/s", f"阵风 {speed:.1f} 米/秒可疑，没有其他资料支持"
    high = elevation > rules.ridge_m and gust["elev_class"] in RIDGE_CLASSES
    if rules.exclude_ridge and (gust["elev_class"] == "ridge" or high):
        where = "" if math.isnan(elevation) else f" {elevation:.0f} m"
        return RIDGE, f"ridge or mountain station{where}", f"山脊或高山站{where}"
    return None


def _convection(dbz: float, flashes: float, rules: GaleTruthRules) -> Said:
    around_en = f"within {rules.radius_km:g} km and {rules.window_min:g} min"
    around_zh = f"{rules.radius_km:g} 公里、前后 {rules.window_min:g} 分钟内"
    if flashes > 0:
        return CONVECTIVE, f"lightning {around_en}", f"{around_zh}有闪电"
    if dbz >= rules.echo_dbz:
        return CONVECTIVE, f"echo of {dbz:.0f} dBZ {around_en}", f"{around_zh}有 {dbz:.0f} dBZ 回波"
    if math.isnan(dbz):
        if math.isnan(flashes):
            return NOT_VERIFIABLE, "neither radar nor lightning network looked", "没有雷达和闪电观测"
        return NOT_VERIFIABLE, f"no lightning {around_en}, but no radar looked", f"{around_zh}无闪电，但没有雷达观测"
    return (
        NOT_CONVECTIVE,
        f"no echo of {rules.echo_dbz:g} dBZ and no lightning known {around_en}",
        f"{around_zh}无 {rules.echo_dbz:g} dBZ 回波，也未见闪电",
    )


class _History:
    """Mean winds of stations, by time."""

    def __init__(self, winds: pd.DataFrame) -> None:
        known = winds[np.isfinite(winds["wind_speed"].to_numpy(dtype=np.float64)) & winds["time"].notna()]
        self._of = {
            str(name): (rows["time"].to_numpy().astype("datetime64[ns]"), rows["wind_speed"].to_numpy(dtype=np.float64))
            for name, rows in known.sort_values("time", kind="stable").groupby("station_id")
        }

    def sustained(self, station: str, time: pd.Timestamp, rules: GaleTruthRules) -> bool | None:
        """Did the synoptic wind blow all the hours before a time? None where the reports do not tell."""
        if station not in self._of:
            return None
        times, speeds = self._of[station]
        end = np.datetime64(time, "ns")
        start = end - np.timedelta64(round(rules.synoptic_hours * 3600), "s")
        first, last = np.searchsorted(times, [start, end])
        within = speeds[first:last]
        if not within.size:
            return None
        if float((within >= rules.synoptic_wind_m_s).mean()) < SUSTAINED:
            return False
        gaps = np.diff(np.concatenate([[start], times[first:last], [end]]))
        return True if gaps.max() <= np.timedelta64(GAP_MIN, "m") else None
