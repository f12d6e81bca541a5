"""Is a well-formed file one that this region's cycles may use? Site, position, time and name are held together."""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from wxcore.errors import ReadError, Reason, TimeError
from wxcore.pipeline.formats import FORMATS, SKY_HDF5
from wxcore.pipeline.read import Reading
from wxcore.radar.volume import Site, Volume
from wxcore.region import RadarSite, Region
from wxcore.schema import Format
from wxcore.station.network import network_of, sort_out
from wxcore.station.reports import Reports
from wxcore.times import CYCLE, FUTURE_LIMIT, from_datetime64, iso, parse_time, require_utc, to_datetime64

POSITION_TOLERANCE_DEG = 0.05
ALTITUDE_TOLERANCE_M = 100.0
"""Beyond these the header is taken as wrong and station_meta as right (DOMAIN.md 1.3, step 2)."""

FROM_FUTURE = "from the future: the clock of the station is wrong"

SHOWN = 6
"""So many unknown stations are named in a refusal."""

NAME_TIME_TOLERANCE = timedelta(minutes=10)
"""A name whose time is farther from the header's than this names another file."""


NOMINAL_AHEAD = timedelta(minutes=75)
"""A sounding is launched, and its first part sent, so long before the hour that it is named by (WMO-No. 306, FM 35)."""

SETTLED_SHARE = 0.25
"""A file of stations is of the newest time that so many of them report: one fast clock dates nobody else [our
choice]."""


def accept(reading: Reading, name: str, region: Region, now: datetime) -> Reading:
    """Refuse what a cycle of this region must not use.

    Returns:
        the reading; of a file of stations without the reports from the future, and with the time of most of the others.

    Raises:
        ReadError: UNSUPPORTED (a product), NAME_MISMATCH, FUTURE_TIME, UNKNOWN_SITE or BAD_POSITION.
    """
    description = reading.description
    if description.kind == "product":
        raise ReadError(
            Reason.UNSUPPORTED,
            f"{name}: {reading.format.title_en} is a product of another system; it serves for comparison, not as input",
            f"{name}：{reading.format.title_zh}是其他系统的产品，只用于对比，不作为输入",
        )
    _check_name(reading, name)
    if isinstance(reading.native, Reports):
        reading = _settled(reading, now)
        description = reading.description
    began = description.began or description.time
    observed = began if description.kind == "nwp" else description.time
    if observed > now + FUTURE_LIMIT + (NOMINAL_AHEAD if description.kind == "sounding" else timedelta()):
        raise ReadError(
            Reason.FUTURE_TIME,
            f"{name}: observed at {iso(observed)}, now is {iso(now)}: check the clock of the source",
            f"{name}：观测时间 {iso(observed)} 晚于当前时间 {iso(now)}：请检查数据源时钟",
        )
    if isinstance(reading.native, Volume):
        place(reading.native, region)
    if isinstance(reading.native, Reports):
        known_stations(reading.native, name, region)
    return reading


def _settled(reading: Reading, now: datetime) -> Reading:
    """Without reports from the future, unless most are; dated by what a share of the stations says; and with how far
    back it reaches in its source, where that is more than a cycle (`gather.span_of`)."""
    reports = without_future(reading.native, now)
    times, count = np.unique(reports.time, return_counts=True)
    enough = count >= SETTLED_SHARE * np.unique(reports.station).size
    newest = times[enough][-1] if enough.any() else times[-1]
    found = reading.format.describe(reports)
    minutes = int((newest - reports.time.min()) // np.timedelta64(1, "m"))
    site = f"{found.site}/{minutes}min" if minutes > CYCLE // timedelta(minutes=1) else found.site
    return replace(reading, native=reports, description=replace(found, time=from_datetime64(newest), site=site))


def without_future(reports: Reports, now: datetime) -> Reports:
    """Without the reports that claim to be from later than FUTURE_LIMIT after `now`; as it is where most do, for then
    the file is to be refused.

    Raises:
        TimeError: `now` is naive.
    """
    ahead = reports.time > to_datetime64(require_utc(now) + FUTURE_LIMIT)
    count = int(np.count_nonzero(ahead))
    if not count or 2 * count > ahead.size:
        return reports
    columns: dict[str, Any] = {}
    for field in fields(reports):
        value = getattr(reports, field.name)
        if isinstance(value, np.ndarray):
            columns[field.name] = value[~ahead]
        elif isinstance(value, Mapping):
            columns[field.name] = {name: column[~ahead] for name, column in value.items()}
    return replace(reports, **columns, rejected=(*reports.rejected, (FROM_FUTURE, count)))


def _check_name(reading: Reading, name: str) -> None:
    match = reading.format.name_pattern.search(name)
    if match is None:
        _check_not_named_as_another(reading.format, name)
        return
    named = match.groupdict()
    site, time = named.get("id"), named.get("t")
    described = reading.description
    if site and described.site and site.upper() != described.site.upper():
        raise ReadError(
            Reason.NAME_MISMATCH,
            f"{name}: the name says radar {site}, the header says {described.site}: find out which is right and rename",
            f"{name}：文件名为雷达 {site}，文件头为 {described.site}：请核实后改名",
        )
    if time and len(time) == len("yyyymmddHHMMSS"):
        said, began = _time_named(time), described.began or described.time
        if said is None or abs(said - began) > NAME_TIME_TOLERANCE:
            raise ReadError(
                Reason.NAME_MISMATCH,
                f"{name}: the name says {time}, the header says {iso(began)}: find out which is right and rename",
                f"{name}：文件名时间 {time}，文件头时间 {iso(began)}：请核实后改名",
            )


def _time_named(digits: str) -> datetime | None:
    """The time of 14 digits, None where they are none."""
    try:
        return parse_time(f"{digits[:8]}T{digits[8:]}+00:00")
    except TimeError:
        return None


def _check_not_named_as_another(found: Format, name: str) -> None:
    """A free name is nobody's business; the name of another kind of file means that something upstream is mixed up."""
    family = found.name.split("-")[0]
    for other in (*FORMATS, *SKY_HDF5):
        if other.name.split("-")[0] != family and other.name_pattern.search(name):
            raise ReadError(
                Reason.NAME_MISMATCH,
                f"{name}: named as {other.title_en}, but its bytes are {found.title_en}: "
                "find out what it is and rename",
                f"{name}：文件名属于{other.title_zh}，内容却是{found.title_zh}：请核实后改名",
            )


def place(volume: Volume, region: Region) -> Volume:
    """The volume at the antenna's true position: the header's, or station_meta's where the header is off (then a remark
    says so) or empty.

    Raises:
        ReadError: UNKNOWN_SITE where the region does not know the radar.
    """
    known = known_radar(volume.site.id, volume.start, region)
    site = _true_site(volume.site, known)
    if site is volume.site or not math.isfinite(volume.site.latitude + volume.site.longitude):
        return volume.at(site)
    remark = f"header position {_words(volume.site)} replaced by the station list's {_words(site)}"
    return replace(volume.at(site), remarks=(*volume.remarks, remark))


def _words(site: Site) -> str:
    return f"{site.latitude:.4f}, {site.longitude:.4f}, {site.altitude_m:.0f} m"


def known_radar(site: str, when: datetime, region: Region) -> RadarSite:
    """The region's row of a radar.

    Raises:
        ReadError: UNKNOWN_SITE, with the fix.
    """
    known = region.radar(site, when)
    if known is None:
        raise ReadError(
            Reason.UNKNOWN_SITE,
            f"radar {site} is not in region {region.id}: add its line to "
            f"station_meta/{region.id}/radars.csv (id, position, antenna height, valid_from, source), "
            "or choose another --region",
            f"雷达 {site} 不在区域 {region.name_zh}（{region.id}）中："
            f"请在 station_meta/{region.id}/radars.csv 增加一行（站号、经纬度、天线海拔、生效日期、来源），"
            "或改用其他 --region",
        )
    return known


def known_stations(reports: Reports, name: str, region: Region) -> None:
    """Refuse a file without a report of the region's own stations.

    Raises:
        ReadError: OUTSIDE_REGION, or UNKNOWN_SITE with the fix.
    """
    found = sort_out(reports, network_of(region, reports.end))
    if (found.place >= 0).any():
        return
    if found.unknown:
        shown = ", ".join(found.unknown[:SHOWN])
        raise ReadError(
            Reason.UNKNOWN_SITE,
            f"{name}: {len(found.unknown)} stations ({shown}), none in station_meta/{region.id}/stations.csv: "
            f"import the station list with `wx stations import LIST --region {region.id}`, then offer the file again",
            f"{name}：{len(found.unknown)} 个站点（{shown}）均不在 station_meta/{region.id}/stations.csv 中："
            f"请先用 wx stations import 台站表 --region {region.id} 导入，再重新导入该文件",
        )
    raise ReadError(
        Reason.OUTSIDE_REGION,
        f"{name}: none of its {found.elsewhere} reports is of a station of {region.id} (they are from elsewhere, or "
        f"have neither a place nor an id of station_meta/{region.id}/stations.csv): leave it out, or import the list",
        f"{name}：{found.elsewhere} 份报文均不属于区域 {region.name_zh}（位于区域之外，或无位置且站号不在台站表中）："
        "无需使用该文件，或先导入台站表",
    )


def _true_site(site: Site, known: RadarSite) -> Site:
    off = (
        not math.isfinite(site.latitude)
        or not math.isfinite(site.longitude)
        or abs(site.latitude - known.lat) > POSITION_TOLERANCE_DEG
        or abs(site.longitude - known.lon) > POSITION_TOLERANCE_DEG
        or not abs(site.altitude_m - known.antenna_m) <= ALTITUDE_TOLERANCE_M
    )
    if not off:
        return site
    return Site(site.id, site.name, known.lat, known.lon, known.antenna_m, site.frequency_mhz, site.beam_width_deg)
