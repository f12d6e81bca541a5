"""MICAPS diamond 5: soundings for the T-logP diagram, Beijing time.

    diamond 5 20年06月12日20时TLOGP
    20 06 12 20 1
    57516 106.47 29.58 259 30
    978 26 24.4 22.3 10 2 ...

After the header: year month day hour and number of stations; of each station its number, longitude, latitude, elevation
[m], and how many numbers follow (levels x 6): pressure [hPa], height [dam; M], temperature and dew point [degC], wind
direction [deg] and speed [m s-1; M]; 9999 missing. Layout: MICAPS format description as quoted on bbs.06climate.com.
"""

import re
from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from wxcore import schema
from wxcore.environment.build import MAX_LEVELS, Level, Place, wind
from wxcore.environment.profile import Soundings
from wxcore.environment.texts import SIMULATED_LINE, Found, clock, decode, describe, is_simulated
from wxcore.errors import ReadError, Reason

TITLE = "MICAPS diamond 5 (TLOGP)"
COLUMNS = 6
BEIJING_AHEAD = timedelta(hours=8)
BROKEN = "block of a station that is broken"
_HEAD = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:#[^\n]{0,200}\n)*\s*diamond\s+5\s", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d{1,8}(?:\.\d{0,8})?(?:[eE][-+]?\d{1,2})?")


def read_tlogp(data: bytes, name: str) -> Soundings:
    """All stations of a file; times in UTC.

    Raises:
        ReadError: BAD_HEADER (no date), BAD_VALUE where none, or less than half of the soundings, can be used.
        LimitError: TOO_LARGE.
    """
    text = decode(data, name, TITLE)
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    tokens = (token for line in lines[1:] for token in line.split())
    header = [_number(token) for token in _take(tokens, 5)]
    if len(header) < 5 or not all(value.is_integer() for value in header):
        raise _bad_header(name)
    year, month, day, hour, stations = (int(value) for value in header)
    local = clock(year + 2000 if year < 100 else year, month, day, hour)
    if local is None:
        raise _bad_header(name)
    found = Found()
    for number in _stations(tokens, stations, found):
        levels, lat, lon, station = number
        found.add(levels, Place(local - BEIJING_AHEAD, lat, lon, station))
    return found.soundings(FORMAT.name, TITLE, name, simulated=is_simulated(text))


def _stations(tokens: Iterator[str], stations: int, found: Found) -> Iterator[tuple[list[Level], float, float, str]]:
    """Blocks one after another; what follows a broken one cannot be placed and is left."""
    for _ in range(min(stations, 10_000)):
        head = _take(tokens, 5)
        if not head:
            break
        _, lon, lat, _, count = (_number(token) for token in (head + ["x"] * 5)[:5])
        whole = np.isfinite(count) and 0 <= count <= COLUMNS * MAX_LEVELS and count % COLUMNS == 0
        values = _take(tokens, int(count)) if whole else []
        if not whole or len(values) < count or not re.fullmatch(r"[0-9A-Za-z]{1,8}", head[0]):
            found.rejected[BROKEN] += 1
            break
        rows = np.array([_number(value) for value in values]).reshape(-1, COLUMNS)
        inside = -90 <= lat <= 90 and -180 <= lon <= 360
        yield [_level(*row) for row in rows], lat if inside else np.nan, lon if inside else np.nan, head[0]


def _level(
    pressure: float, height: float, temperature: float, dew_point: float, direction: float, speed: float
) -> Level:
    u, v = wind(direction, speed)
    return Level(pressure, height * 10, temperature, dew_point, u, v)


def _take(tokens: Iterator[str], count: int) -> list[str]:
    return [token for _, token in zip(range(count), tokens, strict=False)]


def _number(token: str) -> float:
    value = float(token) if _NUMBER.fullmatch(token) else np.nan
    return np.nan if abs(value) in {9999.0, 99999.0, 999999.0} else value


def _bad_header(name: str) -> ReadError:
    return ReadError(
        Reason.BAD_HEADER,
        f"{name}: {TITLE}: second line is not 'year month day hour stations': fetch it again",
        f"{name}：{TITLE}：第二行不是“年 月 日 时 站数”，请重新获取文件",
    )


def write_tlogp(native: Soundings) -> bytes:
    """Soundings of one hour as diamond 5 (GBK): pressure and height to 0.1, temperatures to 0.1, wind to 0.1.

    Raises:
        ValueError: soundings of several hours.
    """
    times = {profile.time for profile in native.profiles}
    if len(times) > 1:
        raise ValueError("a diamond 5 file holds soundings of one hour")
    local = times.pop() + BEIJING_AHEAD
    lines = [SIMULATED_LINE] if native.simulated else []
    lines += [f"diamond 5 {local:%Y年%m月%d日%H时}TLOGP", f"{local:%Y %m %d %H} {len(native.profiles)}"]
    for profile in native.profiles:
        ground = profile.height[0]
        lines.append(
            f"{profile.place} {profile.lon:.3f} {profile.lat:.3f} {ground:.1f} {profile.height.size * COLUMNS}"
        )
        speed = np.hypot(profile.u, profile.v)
        direction = np.rad2deg(np.arctan2(-profile.u, -profile.v)) % 360
        columns = (
            profile.pressure, profile.height / 10, profile.temperature, profile.dew_point, direction, speed
        )  # fmt: skip
        rows = np.where(np.isnan(np.column_stack(columns)), 9999.0, np.column_stack(columns))
        lines += [" ".join(f"{value:.1f}" for value in row) for row in rows]
    return ("\n".join(lines) + "\n").encode("gbk")


def recognise_tlogp(head: bytes) -> bool:
    """Does the file begin with 'diamond 5'?"""
    return _HEAD.match(head) is not None


FORMAT = schema.Format(
    name="micaps-5",
    title_en="MICAPS diamond 5 (TLOGP soundings)",
    title_zh="MICAPS 第5类（TLOGP 探空）",
    recognise=recognise_tlogp,
    name_pattern=re.compile(r"(?:^|tlogp[_-]?)\d{8}(?:\d{6})?\.000$", re.IGNORECASE),
    read=read_tlogp,
    describe=describe,
    write=write_tlogp,
)
