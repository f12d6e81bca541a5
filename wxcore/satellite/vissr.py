"""FY-2C..H S-VISSR full disks in HDF5, "NOM" (FORMATS.md B, DOMAIN.md 7.5): 2288 x 2288 pixels of 5 km.

No original file was at hand: names and shapes come from readers of others (NingAnMe/pb; SatDump for the members of
/NomFileInfo that tell the time and the satellite, and for the fill 65535, which VALID_* leave out too).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.hdf5 import is_hdf5, open_checked, read_bytes
from wxcore.satellite.files import HDF5_CAP_BYTES, attribute_text
from wxcore.satellite.geometry import Disk
from wxcore.satellite.scene import (
    BRIGHTNESS_TEMPERATURE,
    MARGIN_DEG,
    REFLECTANCE,
    VALID,
    Channel,
    Floats,
    Scene,
    describe,
    within_range,
)
from wxcore.satellite.vissr_write import write_svissr
from wxcore.schema import Box

INSTRUMENT = "S-VISSR"
RESOLUTION_M = 5000.0

SIZE = 2288
"""Lines and columns of the infrared disk (FORMATS.md B)."""
STEP_RAD = 140e-6
"""Scan angle from one infrared pixel to the next, both ways [M]."""
CENTRE_PIXEL = 1143.5
"""Line and column of the sub-satellite point [M]: the middle of the image, between two pixels."""

SCAN_LINES, LINE_S = 2500, 0.6
"""A scan of 20 degrees has 2500 lines of 140 urad, one per turn of the satellite at 100 turns a minute [M]: 25 min,
which the header of the real AWX grid confirms (00:00 to 00:25)."""
SCAN = timedelta(seconds=SCAN_LINES * LINE_S)
FIRST_SCAN_LINE = (SCAN_LINES - SIZE) // 2
"""Line of the scan that is line 0 of the disk: the disk is taken to be the middle of the scan [our choice]."""

REFLECTANCE_MAX = 1.5
"""No table of reflectance [0-1] goes beyond; one that does is in percent [our choice]."""
TABLE_MAX = 200.0
"""Largest entry of a table in percent: beyond, the units are unknown [our choice]."""
NAME_SLACK = timedelta(minutes=30)
"""The name has the nominal time: further than this from it, /NomFileInfo is not believed [our choice]."""


class Kind(NamedTuple):
    """A channel of S-VISSR: name in the file, number for messages, centre, quantity, valid counts, size of table."""

    name: str
    number: int
    wavelength_um: float
    quantity: str
    valid_low: int
    valid_high: int
    table: int


VISIBLE_UM = 0.65
"""The broad visible channel, 0.55-0.90 um [M], counts as 0.65 um [our choice], so that it has a field on the grid."""

VISIBLE = Kind("VIS", 5, VISIBLE_UM, REFLECTANCE, 1, 62, 64)
IR1 = Kind("IR1", 1, 10.8, BRIGHTNESS_TEMPERATURE, 1, 1022, 1024)
IR2 = Kind("IR2", 2, 12.0, BRIGHTNESS_TEMPERATURE, 1, 1022, 1024)
IR3 = Kind("IR3", 3, 6.95, BRIGHTNESS_TEMPERATURE, 1, 1022, 1024)
IR4 = Kind("IR4", 4, 3.8, BRIGHTNESS_TEMPERATURE, 1, 1022, 1024)
KINDS = (VISIBLE, IR4, IR3, IR1, IR2)
"""Ascending in wavelength."""

_NAME = re.compile(r"FY2[C-H]_FDI_ALL_NOM_(?P<day>\d{8})_(?P<clock>\d{4})\.hdf$", re.IGNORECASE)
_INFO = "NomFileInfo"
_WINDOW_STEPS = 33


@dataclass(frozen=True)
class _Window:
    """What is kept of the disk."""

    line: int
    column: int
    geometry: Disk


def disk(sub_longitude: float) -> Disk:
    """The full infrared disk of FY-2 over a longitude [deg]: 2288 x 2288 pixels of 140 urad [M]."""
    first = -CENTRE_PIXEL * STEP_RAD
    return Disk(sub_longitude, first, first, STEP_RAD, STEP_RAD, SIZE, SIZE)


def line_seconds(line: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Seconds from the start of the scan to lines of the full disk (fractions allowed)."""
    return (line + FIRST_SCAN_LINE) * LINE_S


def platform_name(text: str) -> str | None:
    """ "FY2H" as "FY-2H"; None where it is no satellite of the FY-2 series."""
    found = re.search(r"FY-?2([A-H])", text.upper())
    return f"FY-2{found[1]}" if found else None


def read_svissr(path: Path, name: str, box: Box | None = None) -> Scene:
    """Read the part of a disk over a box.

    Args:
        path: of the uncompressed file; name: base name, from which time and satellite come where the file has none.
        box: (west, south, east, north) [deg]; MARGIN_DEG around it is kept too. None: the whole disk.

    Returns:
        IR4 3.8, IR3 6.95, IR1 10.8, IR2 12.0 um [K] and VIS [0-1], as far as the file has them.

    Raises:
        ReadError: BAD_HEADER (no time, satellite or sub-longitude; a dataset of another shape or type), BAD_VALUE,
            OUTSIDE_REGION, TRUNCATED, and what `hdf5.check_hdf5` raises.
    """
    with open_checked(path, name, "FY-2 S-VISSR", cap_bytes=HDF5_CAP_BYTES) as file:
        info = _info(file)
        platform = _platform(info, name)
        start, end, remarks = _times(info, name)
        window = _window(disk(_sub_longitude(info)), box, name)
        channels = tuple(_channel(file, kind, window) for kind in KINDS if f"NOMChannel{kind.name}" in file)
        simulated = attribute_text(file, schema.SIMULATED_ATTRIBUTE) == schema.SIMULATED_MARK
    if not channels:
        raise _bad("datasets", "no NOMChannelIR1..4 or NOMChannelVIS", "at least one of them")
    lines = np.arange(window.line, window.line + window.geometry.lines, dtype=np.float64)
    return Scene(
        format=FORMAT.name, platform=platform, instrument=INSTRUMENT, resolution_m=RESOLUTION_M, start=start, end=end,
        channels=channels, geometry=window.geometry, line_offset_s=line_seconds(lines),
        bad_lines=_bad_lines(channels, window.geometry), simulated=simulated, remarks=remarks,
    )  # fmt: skip


def _bad(what: str, found: object, expected: str) -> ReadError:
    return ReadError(
        Reason.BAD_HEADER,
        f"FY-2 S-VISSR, {what}: {str(found)[:80]}, expected {expected}: the file is damaged or of another kind",
        f"FY-2 S-VISSR 文件 {what}：实为 {str(found)[:80]}，应为 {expected}：文件损坏或类型不同",
    )


def _info(file: h5py.File) -> Mapping[str, Any]:
    """The first row of /NomFileInfo by member; empty where the file has no such table."""
    table = file.get(_INFO)
    if not isinstance(table, h5py.Dataset) or table.dtype.names is None or table.size == 0:
        return {}
    row = table[(0,) * table.ndim]
    return {member: row[member] for member in table.dtype.names}


def _number(info: Mapping[str, Any], member: str) -> float | None:
    value = np.asarray(info.get(member, np.nan))
    if value.size != 1 or value.dtype.kind not in "iuf" or not np.isfinite(value).all():
        return None
    return float(value.reshape(-1)[0])


def _sub_longitude(info: Mapping[str, Any]) -> float:
    found = _number(info, "NOMCenterLon")
    if found is None or not -180 <= found <= 360:
        raise _bad(f"/{_INFO}.NOMCenterLon", found, "the sub-satellite longitude [deg east]")
    return found


def _platform(info: Mapping[str, Any], name: str) -> str:
    value = np.asarray(info.get("Satellite", b"")).reshape(-1)[:1]
    text = value[0].decode("latin-1") if value.size and isinstance(value[0], bytes) else ""
    found = platform_name(text) or platform_name(name)
    if found is None:
        raise _bad(f"/{_INFO}.Satellite and name", f"{text!r}, {name!r}", "FY2C to FY2H in one of them")
    return found


def _clock(info: Mapping[str, Any], which: str) -> datetime | None:
    parts = [_number(info, f"{which}{part}") for part in ("Year", "Month", "Day", "Hour", "Minute", "Second")]
    if None in parts[:5]:
        return None
    try:
        return datetime(*(int(part or 0) for part in parts), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except (ValueError, OverflowError):
        return None


def _times(info: Mapping[str, Any], name: str) -> tuple[datetime, datetime, tuple[str, ...]]:
    """Start and end in UTC: /NomFileInfo's, unless the name says something else by more than NAME_SLACK."""
    found, nominal = _clock(info, "Start"), _name_time(name)
    if found is None and nominal is None:
        raise _bad("time", f"none in /{_INFO} or {name!r}", "StartYear.. or FY2H_FDI_ALL_NOM_yyyymmdd_hhmm.hdf")
    remarks: tuple[str, ...] = ()
    if found is not None and nominal is not None and abs(found - nominal) > NAME_SLACK:
        remarks = (f"/{_INFO} says {found:%Y%m%d%H%M%S}, name {nominal:%Y%m%d%H%M}: the name is used",)
        found = None
    start = found or nominal
    assert start is not None
    end = _clock(info, "End") if found is not None else None
    return start, end if end is not None and start < end <= start + 2 * SCAN else start + SCAN, remarks


def _name_time(name: str) -> datetime | None:
    found = _NAME.search(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found["day"] + found["clock"], "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None


def _window(whole: Disk, box: Box | None, name: str) -> _Window:
    """The lines and columns over a box and its margin."""
    if box is None:
        return _Window(0, 0, whole)
    west, south, east, north = box
    lon, lat = np.meshgrid(
        np.linspace(west - MARGIN_DEG, east + MARGIN_DEG, _WINDOW_STEPS),
        np.linspace(max(south - MARGIN_DEG, -90), min(north + MARGIN_DEG, 90), _WINDOW_STEPS),
    )
    line, column = whole.pixels(lon, lat)
    seen = np.isfinite(line)
    if not seen.any():
        raise ReadError(
            Reason.OUTSIDE_REGION,
            f"{name}: the satellite over {whole.sub_longitude:g}E does not see {box}: give a file of another satellite",
            f"{name}：星下点 {whole.sub_longitude:g}E 的卫星看不到区域 {box}，请提供其他卫星的文件",
        )
    first = np.clip([np.floor(line[seen].min()), np.floor(column[seen].min())], 0, SIZE - 1).astype(int)
    last = np.clip([np.ceil(line[seen].max()), np.ceil(column[seen].max())], 0, SIZE - 1).astype(int)
    lines, columns = (int(extent) for extent in last - first + 1)
    return _Window(int(first[0]), int(first[1]), whole.window(int(first[0]), int(first[1]), lines, columns))


def _dataset(file: h5py.File, path: str, shape: tuple[int, ...] | None, kinds: str) -> h5py.Dataset:
    found = file.get(path)
    if not isinstance(found, h5py.Dataset):
        raise _bad(f"/{path}", "missing", "a dataset")
    if found.dtype.kind not in kinds or (shape is not None and found.shape != shape):
        raise _bad(f"/{path}", f"{found.dtype} {found.shape}", f"numbers of kind {kinds}, shape {shape}")
    return found


def _channel(file: h5py.File, kind: Kind, window: _Window) -> Channel:
    """Counts through the table of their channel; counts that are not valid give NaN."""
    counts_set = _dataset(file, f"NOMChannel{kind.name}", (SIZE, SIZE), "iu")
    rows = slice(window.line, window.line + window.geometry.lines)
    columns = slice(window.column, window.column + window.geometry.columns)
    counts = np.asarray(counts_set[rows, columns])
    table = _table(file, kind)
    valid = (counts >= kind.valid_low) & (counts <= kind.valid_high)
    return Channel(kind.number, kind.wavelength_um, kind.quantity, table[np.where(valid, counts, 0)])


def _table(file: h5py.File, kind: Kind) -> Floats:
    """Value by count, NaN for counts that are not valid; the size is checked before it is read."""
    path = f"CALChannel{kind.name}"
    found = _dataset(file, path, None, "f")
    if found.size != kind.table:
        raise _bad(f"/{path}", f"shape {found.shape}", f"{kind.table} entries")
    table = np.asarray(found[()], dtype=np.float32).reshape(-1)
    low, high = (0.0, TABLE_MAX) if kind.quantity == REFLECTANCE else VALID[kind.quantity]
    table = np.where((table >= low) & (table <= high), table, np.float32(np.nan))
    valid = table[kind.valid_low : kind.valid_high + 1]
    if not np.isfinite(valid).any():
        raise ReadError(
            Reason.BAD_VALUE,
            f"FY-2 S-VISSR, /{path}: no entry in {low:g}..{high:g}: not the table of this channel; fetch it again",
            f"FY-2 S-VISSR 文件 /{path}：没有 {low:g}..{high:g} 之间的值：定标表不对，请重新获取文件",
        )
    if kind.quantity == REFLECTANCE and np.nanmax(valid) > REFLECTANCE_MAX:
        table = table / np.float32(100)
    table[0] = np.nan
    return within_range(table, kind.quantity)


def _bad_lines(channels: tuple[Channel, ...], geometry: Disk) -> int:
    """Lines that cross the Earth, but on which an infrared channel has no value (VIS has none at night)."""
    lines, columns = np.mgrid[0 : geometry.lines, 0 : geometry.columns : max(geometry.columns // 64, 1)]
    on_earth = np.isfinite(geometry.places(lines, columns)[0]).any(axis=1)
    empty = np.zeros(geometry.lines, dtype=bool)
    for channel in channels:
        if channel.quantity == BRIGHTNESS_TEMPERATURE:
            empty |= ~np.isfinite(channel.values).any(axis=1)
    return int((empty & on_earth).sum())


def _claims(file: h5py.File) -> bool:
    return "NOMChannelIR1" in file and _INFO in file


FORMAT = schema.Format(
    name="fy2-svissr",
    title_en="FY-2 S-VISSR full disk, HDF5",
    title_zh="风云二号 S-VISSR 全圆盘（HDF5）",
    recognise=is_hdf5,
    name_pattern=_NAME,
    read=read_bytes(read_svissr),
    describe=describe,
    write=write_svissr,
    in_child=True,
    read_path=read_svissr,
    claims=_claims,
)
