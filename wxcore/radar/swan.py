"""SWAN grids ("diamond 131", FORMATS.md A.5): composites (MCR), 3-D mosaics (TDMOSAIC) and other products.

1024-byte little-endian header, then (level, lat, lon) codes, row 0 north, sometimes 5-byte station ids after it.

Start longitude and latitude are outer edges: in the files seen the header's own centre (106.00, 27.00) is start plus
half of nx (ny) whole steps; were they cell centres it would be 105.995, 27.005. The one cone of silence that stands
alone (radar 13, 3.5 km) agrees: 0.1 and 0.4 cells from the site so, 0.6 and 0.9 cells otherwise. The centre of cell
i is thus start + (i + 0.5) dx. The header's time is UTC (the time inside the product's name is Beijing's). Offset and
scale of the codes are float32 at 856 and 860 (-33, 0.5 for reflectivity; 0, 1 for HCA), which FORMATS.md does not
list; where they are 0 reflectivity is (raw - 66) / 2. Reflectivity's raw 0 is no data, 1 covered without echo; codes
of values no radar gives (255 is 94.5 dBZ; -9999 and -32768 of i2) are taken for fill values: no data.
"""

import re
import struct
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.radar.regrid import MAX_DBZ, MIN_DBZ, Codes, GridField, describe
from wxcore.radar.volume import ECHO, MISSING, NO_ECHO
from wxcore.times import BEIJING

MAGIC = b"diamond 131"
MAX_CELLS = 200_000_000
"""Most cells we decode: eight times a 12 x 10 degree mosaic of 21 levels (25 million)."""

_HEADER = struct.Struct("<12s38s8s8s6H3Hi6f40f320s20f20f20f20s2h2f")
_HEADER_BYTES = 1024
_TIME, _SHAPE, _RADARS, _BOX, _HEIGHTS, _NAMES, _FLAGS, _DTYPE, _OFFSET, _SCALE = (
    4,
    10,
    13,
    14,
    20,
    60,
    121,
    122,
    124,
    125,
)
_DTYPES: dict[int, type[np.generic]] = {0: np.uint8, 1: np.int8, 2: np.uint16, 3: np.int16}
_COMPOSITES = frozenset({"MCR", "CR", "CREF", "RADAMCR", "RADACR"})
_MOSAICS = frozenset({"TDMOSAIC", "MOSAIC", "3DMOSAIC", "RADAMOSAIC"})
_DBZ_SCALE, _DBZ_OFFSET = 2.0, 66.0
_MAX_RADARS = 20
_PRODUCT = re.compile(r"^([0-9A-Z]*?[A-Z][A-Z0-9]*?)_?(\d{8,14})?$", re.IGNORECASE)
_NAME_TIME = re.compile(r"(\d{14})")


def read_swan(data: bytes, name: str) -> GridField:
    """Read a SWAN grid.

    Args:
        data: the whole file, uncompressed.
        name: base name; its time (UTC) tells whether the header's clock is Beijing's.

    Returns:
        Codes (level, lat, lon), row 0 south. Kind "composite" for MCR, "mosaic" for TDMOSAIC, else "product".

    Raises:
        ReadError: TRUNCATED or BAD_HEADER.
        LimitError: TOO_LARGE.
    """
    if len(data) < _HEADER_BYTES:
        raise _truncated(len(data), _HEADER_BYTES)
    head = _HEADER.unpack_from(data)
    codes = _codes(data, head)
    n_level, n_lat, n_lon = codes.shape
    west, north, *_, d_lon, d_lat = head[_BOX : _BOX + 6]
    _check_box(west, north, (n_lon, n_lat), (d_lon, d_lat))
    product = _product(_text(head[1]), name)
    kind = _kind(product, n_level)
    heights = _heights(head[_HEIGHTS : _HEIGHTS + 40], n_level, needed=kind == "mosaic")
    scale, offset = _calibration(head[_OFFSET], head[_SCALE], reflectivity=kind != "product")
    time, remarks = _time(head[_TIME : _TIME + 5], name)
    names = tuple(_text(head[_NAMES][16 * i : 16 * i + 16]) for i in range(_MAX_RADARS))
    return GridField(
        format=FORMAT.name,
        kind=kind,
        product=product,
        units="dBZ" if kind != "product" else "1",
        time=time,
        lon_west=round(west + d_lon / 2, 5),
        lat_south=round(north - (n_lat - 0.5) * round(d_lat, 6), 5),
        d_lon=round(d_lon, 6),
        d_lat=round(d_lat, 6),
        heights_m=heights,
        codes=codes,
        scale=scale,
        offset=offset,
        classes=_classes(codes.dtype, scale, offset, reflectivity=kind != "product"),
        no_echo=schema.NO_ECHO_DBZ if kind != "product" else np.nan,
        radar_count=min(max(head[_RADARS], 0), _MAX_RADARS),
        radars=tuple(found for found in names if found),
        interval_min=head[_TIME + 5],
        remarks=remarks,
    )


def write_swan(field: GridField) -> bytes:
    """A field as a SWAN file (names of radars in UTF-8, no positions).

    Raises:
        ValueError: the codes' type, or the number of levels, is not one that SWAN holds.
    """
    kinds = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
    n_level, n_lat, n_lon = field.codes.shape
    if field.codes.dtype not in kinds or max(n_lat, n_lon) > 65535 or len(field.heights_m) > 40:
        raise ValueError(f"SWAN cannot hold {field.codes.dtype} {field.codes.shape}")
    west, north = field.lon_west - field.d_lon / 2, field.lat_south + (n_lat - 0.5) * field.d_lat
    time = field.time.astimezone(UTC)
    heights = [height / 1000 for height in field.heights_m]
    names = b"".join(name.encode()[:16].ljust(16, b"\0") for name in field.radars[:_MAX_RADARS])
    header = _HEADER.pack(
        MAGIC, f"{field.product}_{field.time.astimezone(BEIJING):%Y%m%d%H%M%S}".encode(), b"SWAN", b"2.1",
        time.year, time.month, time.day, time.hour, time.minute, field.interval_min, n_lon, n_lat, n_level,
        field.radar_count, west, north, west + n_lon * field.d_lon / 2, north - n_lat * field.d_lat / 2, field.d_lon,
        field.d_lat, *heights, *[0.0] * (40 - len(heights)), names, *[0.0] * 60, b"", kinds[field.codes.dtype], 1,
        -field.offset / field.scale, 1 / field.scale,
    )  # fmt: skip
    codes = np.ascontiguousarray(field.codes[:, ::-1, :], dtype=field.codes.dtype.newbyteorder("<"))
    return header.ljust(_HEADER_BYTES, b"\0") + codes.tobytes()


def _bad_header(what: str, found: str, expected: str) -> ReadError:
    return ReadError(
        Reason.BAD_HEADER,
        f"SWAN header, {what}: {found}, expected {expected}: the file is damaged or of another version",
        f"SWAN 文件头 {what}：读到 {found}，应为 {expected}：文件损坏或版本不同",
    )


def _truncated(found: int, expected: int) -> ReadError:
    return ReadError(
        Reason.TRUNCATED,
        f"SWAN file: {found} bytes, at least {expected} expected by its header: fetch the file again",
        f"SWAN 文件只有 {found} 字节，按文件头至少应为 {expected}：请重新获取文件",
        offset=found,
    )


def _codes(data: bytes, head: tuple[Any, ...]) -> Codes:
    """(level, lat, lon), row 0 south; a view of the file's bytes, whose number is checked first."""
    n_lon, n_lat, n_level = head[_SHAPE : _SHAPE + 3]
    dtype = _DTYPES.get(head[_DTYPE])
    if dtype is None:
        raise _bad_header("dtype@852", str(head[_DTYPE]), "0 (u1), 1 (i1), 2 (u2) or 3 (i2)")
    cells = n_lon * n_lat * n_level
    if cells == 0:
        raise _bad_header("nx, ny, nz@78", f"{n_lon} x {n_lat} x {n_level}", "at least one cell")
    if cells > MAX_CELLS:
        raise LimitError(
            Reason.TOO_LARGE,
            f"SWAN header declares {n_lon} x {n_lat} x {n_level} cells, more than the {MAX_CELLS} we decode",
            f"SWAN 文件头声明 {n_lon} x {n_lat} x {n_level} 个格点，超过上限 {MAX_CELLS}",
        )
    if len(data) < _HEADER_BYTES + cells * np.dtype(dtype).itemsize:
        raise _truncated(len(data), _HEADER_BYTES + cells * np.dtype(dtype).itemsize)
    flat = np.frombuffer(data, np.dtype(dtype).newbyteorder("<"), cells, _HEADER_BYTES)
    return cast(Codes, flat.reshape(n_level, n_lat, n_lon)[:, ::-1, :])


def _text(raw: bytes) -> str:
    """Text up to the first NUL: UTF-8 where it is valid, else GBK."""
    raw = raw.split(b"\0")[0].strip()
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("gbk", errors="replace")


def _product(label: str, name: str) -> str:
    """`MCR` of a label such as `MCR_20230316193000`; where there is none, the file name's third word."""
    found = _PRODUCT.match(label)
    if found:
        return found[1].upper()
    words = name.split("_")
    return words[2].upper() if len(words) > 3 else label or "unknown"


def _kind(product: str, n_level: int) -> str:
    if product in _COMPOSITES and n_level == 1:
        return "composite"
    return "mosaic" if product in _MOSAICS and n_level > 1 else "product"


def _check_box(west: float, north: float, count: tuple[int, int], step: tuple[float, float]) -> None:
    """NaN fails each comparison, so it is refused too."""
    if not (1e-4 <= step[0] <= 5 and 1e-4 <= step[1] <= 5):
        raise _bad_header("dx, dy@104", f"{step[0]:g}, {step[1]:g}", "0.0001 to 5 deg")
    east, south = west + count[0] * step[0], north - count[1] * step[1]
    if not (-180 <= west < east <= 360.001 and -90.001 <= south < north <= 90.001):
        raise _bad_header("start@88", f"{west:g}-{east:g}E {south:g}-{north:g}N", "a box on Earth")


def _heights(km: tuple[float, ...], n_level: int, *, needed: bool) -> tuple[float, ...]:
    """Levels [m], ascending; empty where the header holds none and none are needed."""
    if n_level == 1 and not needed:
        return ()
    heights = np.round(np.asarray(km[:n_level], dtype=np.float64) * 1000, 1)
    good = (
        heights.size == n_level and bool(np.all(np.diff(heights) > 0)) and -500 <= heights[0] <= heights[-1] <= 30_000
    )
    if good:
        return tuple(heights.tolist())
    if needed:
        raise _bad_header("heights@112", f"{km[:n_level]}", f"{n_level} ascending levels in km")
    return ()


def _calibration(first: float, step: float, *, reflectivity: bool) -> tuple[float, float]:
    """(scale, offset) of value = (raw - offset) / scale from the header's value = raw x step + first."""
    if np.isfinite(first) and 1e-4 <= step <= 1e4 and abs(first) <= 1e4:
        return 1 / step, 0.0 - first / step
    return (_DBZ_SCALE, _DBZ_OFFSET) if reflectivity else (1.0, 0.0)


def _time(clock: tuple[int, ...], name: str) -> tuple[datetime, tuple[str, ...]]:
    """The header's clock is UTC, unless the file's name says that it is eight hours ahead."""
    try:
        time = datetime(*clock, tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError as cause:
        raise _bad_header("time@66", "-".join(map(str, clock)), "a date and time") from cause
    found = _NAME_TIME.search(name)
    if found is None:
        return time, ()
    try:
        named = datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return time, (f"the name's {found[1]} is no time",)
    if time - named == timedelta(hours=8):
        return named, ("the header's clock is Beijing time",)
    same = abs(time - named) < timedelta(minutes=1)
    return time, () if same else (f"name says {found[1]}, header {time:%Y%m%d%H%M} UTC",)


def _classes(dtype: np.dtype[np.generic], scale: float, offset: float, *, reflectivity: bool) -> npt.NDArray[np.uint8]:
    """Class of each code by its bits read as unsigned; reflectivity outside MIN_DBZ..MAX_DBZ is missing."""
    classes = np.full(256**dtype.itemsize, ECHO, dtype=np.uint8)
    if reflectivity:
        codes = np.arange(classes.size, dtype=f"u{dtype.itemsize}").view(dtype.newbyteorder("=")).astype(np.float64)
        dbz = np.round((codes - offset) / scale, 3)  # the header's float32 steps
        classes[(dbz < MIN_DBZ) | (dbz > MAX_DBZ)] = MISSING
        classes[1] = NO_ECHO
    classes[0] = MISSING
    return classes


FORMAT = schema.Format(
    name="swan-grid",
    title_en="SWAN grid (diamond 131)",
    title_zh="SWAN 格点产品（diamond 131）",
    recognise=lambda head: head.startswith(MAGIC),
    name_pattern=re.compile(r"^Z_(OTHE|SWAN)_RADA[A-Z0-9]+_\d{14}", re.IGNORECASE),
    read=read_swan,
    describe=describe,
    write=write_swan,
)
