"""What the headers of CC and of SC and CD base data share (FORMATS.md A.3, A.4): site, clock, and how sure we are.

Both begin with a site of country, province, station, number, radar type (text), longitude and latitude (text), then
i4 longitude, latitude and height; CC puts 16 bytes of file type before it. Their clocks show China's time (UTC+8).

Neither has met a real file. What is taken for granted, and what happens where it does not hold:

- Position: the unit is not certain (descriptions name 0.01 degree and 0.001 arc second), but for a radar in China each
  unit of UNITS gives another order of magnitude, so the number tells it. Where no unit fits, the position is NaN and
  station_meta's is used.
- Clock: where a file has its usual name, the pipeline refuses it if the name's time (UTC) is another than the header's.
- Height: millimetres above MAX_METRES, else metres: no antenna stands lower than nine metres above the sea.
- A gate without a value: the files do not tell "below the threshold" from "not measured". Within the gates that a cut's
  header declares it is taken as seen and empty (no echo), as in every other reader, for else no clear sky would ever be
  observed; in a cut without a single value, which a dead transmitter would give as well, it is missing. Beyond the
  declared gates nothing is kept.
"""

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, Reason
from wxcore.radar import codes
from wxcore.radar.cinrad_header import bad, text
from wxcore.radar.cinrad_write import fit
from wxcore.radar.volume import ECHO, MISSING, NO_ECHO, Site, Sweep, Volume
from wxcore.times import BEIJING, from_datetime64, require_utc, to_datetime64

HEADER_BYTES = 1024
MAX_CUTS, MAX_RAYS = 30, 1024
"""Cut blocks that a header has room for; most rays of one that are believed."""

VOLUME_MODE = 100
"""A scan mode of VOLUME_MODE + n is a volume of n cuts."""

UNITS = (100, 1000, 3600, 3_600_000)
"""Parts of a degree that longitude and latitude may be counted in."""

WRITTEN_UNIT = 3_600_000
LONGITUDES, LATITUDES = (73.0, 136.0), (3.0, 54.0)
"""China with its sea, where these radars stand [deg]."""

MAX_METRES, LOWEST_M = 9000, -500
"""The limit of `cinrad_header._site` on an antenna's height, and its lower end [m]."""

YEARS = (1980, 2100)
LONGEST_VOLUME = timedelta(minutes=30)
"""Twelve minutes are the most of an operational scan; an end later than this is not believed. [our choice]"""

CC2_HEADERS, CC2_RAY = 216 + 1282, 49_163
"""Bytes of the headers and of one ray of CC2, whose fields are not described (FORMATS.md A.4)."""

_SITE = struct.Struct("<30s20s40s10s20s16s16siii")


def site(data: bytes, at: int, name: str, remarks: list[str]) -> Site:
    """The site whose block begins at byte `at`: its id from the file's name, else the header's number.

    What is not plausible is NaN, with a remark.
    """
    _, _, station, number, _, _, _, longitude, latitude, height = _SITE.unpack_from(data, at)
    own = text(number)
    identity = codes.site_id(name) or (own if own.isalnum() else "")
    lon, lat = _position(longitude, latitude)
    if np.isnan(lon):
        remarks.append("the header has no plausible position")
    metres = height / 1000 if height > MAX_METRES else float(height)
    altitude = metres if LOWEST_M <= metres <= MAX_METRES and np.isfinite(lon) else np.nan
    return Site(identity, text(station), lat, lon, altitude)


def _position(longitude: int, latitude: int) -> tuple[float, float]:
    """(longitude, latitude) [deg], NaN where no unit puts both into China."""
    for unit in UNITS:
        lon, lat = longitude / unit, latitude / unit
        if LONGITUDES[0] <= lon <= LONGITUDES[1] and LATITUDES[0] <= lat <= LATITUDES[1]:
            return lon, lat
    return np.nan, np.nan


def put_site(head: bytearray, at: int, where: Site, kind: bytes) -> None:
    """Inverse of `site`: position in WRITTEN_UNIT, height in millimetres; zero where it is NaN or outside of China."""
    longitude, latitude = (round(value * WRITTEN_UNIT) if np.isfinite(value) and abs(value) <= 360 else 0
                           for value in (where.longitude, where.latitude))  # fmt: skip
    height = round(where.altitude_m * 1000) if np.isfinite(where.altitude_m) else 0
    if np.isnan(_position(longitude, latitude)).any():
        longitude = latitude = height = 0
    _SITE.pack_into(
        head, at, b"", b"", fit(where.name, 40), fit(where.id, 10), kind, b"", b"", longitude, latitude,
        height if abs(height) > MAX_METRES else round(height / 1000),
    )  # fmt: skip


def utc(year: int, month: int, day: int, clock: tuple[int, int, int]) -> datetime | None:
    """China's time to aware UTC, None where it is no time."""
    if not YEARS[0] <= year < YEARS[1]:
        return None
    try:
        return datetime(year, month, day, *clock, tzinfo=BEIJING).astimezone(UTC)
    except ValueError:
        return None


def beijing(time: datetime) -> datetime:
    """Inverse of `utc`, whole seconds.

    Raises:
        TimeError: a naive time.
    """
    return require_utc(time).astimezone(BEIJING).replace(microsecond=0)


def ray_times(start: datetime, end: datetime | None, counts: list[int]) -> list[npt.NDArray[np.datetime64]]:
    """Time of every ray, by cut: the files have only the volume's start and end, over which the rays are spread evenly.

    Args:
        start, end: aware; without a plausible end all rays get the start.
        counts: declared rays of each cut.
    """
    begin = to_datetime64(start).astype("datetime64[ns]")
    length = end - start if end is not None and timedelta() < end - start <= LONGEST_VOLUME else timedelta()
    total = sum(counts)
    offsets = np.arange(total) * (round(length.total_seconds()) * 1_000_000_000) // max(total, 1)
    times = begin + offsets.astype("timedelta64[ns]")
    return np.split(times, np.cumsum(counts)[:-1])


def end_of(volume: Volume) -> datetime:
    """When the last ray was over: its time and one even step more, so that reading spreads the rays as they were."""
    times = np.concatenate([sweep.time for sweep in volume.sweeps])
    span = times.max() - times.min()
    step = span // max(times.size - 1, 1)
    whole = np.datetime64(int(np.rint((times.max() + step).astype("i8") / 1e9)), "s")
    return from_datetime64(whole.astype("datetime64[ns]"))


def cuts_of(mode: int, kind: str, offset: int) -> int:
    """Number of cuts of a scan mode.

    Raises:
        ReadError: UNSUPPORTED where it is no volume.
    """
    if VOLUME_MODE < mode <= VOLUME_MODE + MAX_CUTS:
        return mode - VOLUME_MODE
    raise ReadError(
        Reason.UNSUPPORTED,
        f"{kind}, scan mode {mode}: only volumes of 1 to {MAX_CUTS} cuts (mode {VOLUME_MODE} + cuts) are read",
        f"{kind}，扫描方式 {mode}：只读取 1 至 {MAX_CUTS} 层的体扫（方式为 {VOLUME_MODE} 加层数）",
        offset=offset,
    )


def need_header(data: bytes, kind: str) -> None:
    """Refuse what ends inside of its header.

    Raises:
        ReadError: TRUNCATED.
    """
    if len(data) < HEADER_BYTES:
        what = f"{kind}: {len(data)} bytes, the header alone has {HEADER_BYTES}"
        raise bad(Reason.TRUNCATED, what, f"{kind}：只有 {len(data)} 字节，不足文件头的 {HEADER_BYTES}", len(data))


def ray_counts(told: npt.NDArray[Any], usual: int, size: int, ray_bytes: int, kind: str) -> list[int]:
    """Rays of each cut: what the header says where that accounts for the file's size, else the usual number where that
    does; of a file that ends early the header's, where it is plausible.

    Args:
        told: the header's counts; usual: of every cut of such files.
        size: bytes of the file; ray_bytes: of one ray.
        kind: for the message.

    Raises:
        ReadError: BAD_HEADER where the file holds more rays than that; UNSUPPORTED where it is CC2 by its size.
    """
    counts, habit = [int(count) for count in told], [usual] * told.size
    held, rest = divmod(size - HEADER_BYTES, ray_bytes)
    plausible = all(1 <= count <= MAX_RAYS for count in counts)
    if sum(habit) == held and not (plausible and sum(counts) == held):
        return habit
    if rest and size > CC2_HEADERS and (size - CC2_HEADERS) % CC2_RAY == 0:
        raise cc2(f"its size of {size} bytes")
    counts = counts if plausible else habit
    if sum(counts) < held:
        what = f"{kind}: {sum(counts)} rays declared, {held} in the file"
        raise bad(Reason.BAD_HEADER, what, f"{kind}：声明 {sum(counts)} 条径向，文件中有 {held} 条", HEADER_BYTES)
    return counts


def cc2(told_by: str) -> ReadError:
    """The refusal of CC2 files."""
    return ReadError(
        Reason.UNSUPPORTED,
        f"CINRAD/CC2 base data, by {told_by}: recognised, but its fields are not described to us; convert the file to "
        "the standard format",
        f"CINRAD/CC2 基数据（{told_by}）：已识别，但缺少格式说明；请先转换为标准格式",
    )


def bad_time(kind: str, what: str, offset: int) -> ReadError:
    """The header's start is no time."""
    return bad(Reason.BAD_VALUE, f"{kind}: start {what} is no time", f"{kind}：开始时间 {what} 无效", offset)


def classes(size: int, *, seen: bool, lowest: int = 1, highest: int | None = None) -> npt.NDArray[np.uint8]:
    """Classes of codes: 0 no echo (missing in a cut that saw nothing), then echo from `lowest` to `highest`, and what
    no radar measures missing."""
    table = np.full(size, MISSING, np.uint8)
    table[lowest : size if highest is None else highest + 1] = ECHO
    table[0] = NO_ECHO if seen else MISSING
    table.flags.writeable = False
    return table


def one_gate(sweep: Sweep, names: tuple[str, ...], most: int, parts: int = 1) -> float:
    """The one gate size [m] of a cut's moments: at most `most` gates of whole 1/`parts` m from the radar on.

    Raises:
        ValueError: it is not so.
    """
    found = {(m.gate_m, m.first_gate_m, m.codes.shape[1]) for name, m in sweep.moments.items() if name in names}
    if len(found) != 1:
        raise ValueError(f"cut at {sweep.fixed_angle} deg: {sorted(found)}: the format has one kind of gates a cut")
    gate_m, first, gates = found.pop()
    if gates > most or first != gate_m / 2 or gate_m * parts != round(gate_m * parts):
        raise ValueError(
            f"cut at {sweep.fixed_angle} deg: {gates} gates of {gate_m} m from {first} m: "
            f"the format holds {most} whole ones from the radar on"
        )
    return gate_m
