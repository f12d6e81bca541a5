"""Headers of AWX files, the format in which NSMC distributes FY-2 images and grids (AWX 2.1, "SAT2004"; SAT96 before).

    level 1 | level 2 | palette, calibration, positioning | filling || extension records || data records
    40 bytes, the same for all products; then what the product needs, in whole records of one length

Whole numbers are 16 bits; the one at byte 12 says which byte comes first. The field at 16, length of the second header,
includes palette, calibration and positioning (2112 = 64 + 2048 in the real images). The header's records include the
extension, whose first 64 bytes are the name that the file had where it was made.

Times are UTC. Evidence: ANI_IR1_R04_20220331_2100_FY2G.AWX has the hour 13 in its header and
"FY2G_ANI_IR1_R04_20220331_1300.AWX" in its extension; ANI_VIS_R02_20230308_1400 has 6 and "..._0600", and is a picture
in full daylight from 60E to 160E, which at 14 UTC would be night. So in ANI_*.AWX only the name outside is Beijing
time; FY2G_TBB_IR1_OTG_20150729_0000 has the hour 0, as its name.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.satellite.geometry import Plate

LEVEL1, IMAGE, GRID = "12s9H8sH", "8s5H2h2H3h4h4h2H2hHHHH", "8sHHhHH5H5H4hHHHHH8HHHHH"
"""Layouts of the level-1 header, of the second header of images of geostationary satellites, and of that of grids."""
LEVEL1_BYTES = struct.calcsize("<" + LEVEL1)
IMAGE_BYTES, GRID_BYTES = struct.calcsize("<" + IMAGE), struct.calcsize("<" + GRID)

MAX_PIXELS = 64_000_000
"""Most pixels that are decoded [our choice]: 25 times the images at hand."""

STATIONARY, GRIDDED = 1, 3
PRODUCTS = {
    0: "undefined", 1: "image of a geostationary satellite", 2: "image of a polar-orbiting satellite", 3: "grid",
    4: "scattered points", 5: "graphics",
}  # fmt: skip
COMPRESSIONS = {1: "run lengths", 2: "LZW", 3: "a special way"}

LAMBERT, MERCATOR, LONGLAT = 1, 2, 4
PROJECTIONS = {0: "the satellite's own view", 3: "polar stereographic", 5: "equal area"}

SPHERE_M = 6_378_137.0
"""Radius of the sphere that is mapped: of 6371.2, 6378.137 km and WGS84 only this gives the real Mercator bounds."""

MERCATOR_LAT, CONE_LAT = 80.0, 89.0
"""Furthest from the equator that a centre or a parallel is believed to be [deg, our choice]."""

BOUNDS_PIXELS = 2.0
"""Most that Mercator bounds may be off: they are cut off at 0.01 degree, 1 pixel at 1.1 km [our choice]."""
LAMBERT_DEG = 0.1
"""Most that Lambert bounds may be off without a remark [our choice]."""

YEARS = (1970, 2100)
"""First and last year of an image that is believed [our choice]."""

NAME_BYTES = 64
"""Length of the name at the beginning of the extension [seen in the three real files]."""


@dataclass(frozen=True)
class Level1:
    """What all products have. `body`: byte at which the data begin; `order`: "<" or ">"."""

    order: str
    second_bytes: int
    record_bytes: int
    records: int
    product: int
    body: int
    inner_name: str


@dataclass(frozen=True)
class ImageHeader:
    """Second header of an image: bounds of the centres of its outer pixels and projection, all [deg]."""

    platform: str
    time: datetime
    channel: int
    projection: int
    width: int
    height: int
    north: float
    south: float
    west: float
    east: float
    centre_lat: float
    centre_lon: float
    standard_1: float
    standard_2: float
    step_x: float
    step_y: float
    overlay: int | None
    calibration_at: int
    calibration_bytes: int


@dataclass(frozen=True)
class GridHeader:
    """Second header of a grid: value = (stored + base) / scale; corners are centres of grid points [deg]."""

    platform: str
    start: datetime
    end: datetime
    element: int
    item_bytes: int
    base: int
    scale: int
    north: float
    west: float
    south: float
    east: float
    unit: int
    width: int
    height: int
    low: int | None
    high: int | None
    codes: tuple[int, ...]


def bad_header(what: str, at: int, found: object, expected: str) -> ReadError:
    """A header's field that cannot be; `at`: its byte."""
    return ReadError(
        Reason.BAD_HEADER,
        f"AWX header, {what}@{at}: {str(found)[:60]}, expected {expected}: the file is damaged, fetch it again",
        f"AWX 文件头 {what}@{at}：读到 {str(found)[:60]}，应为 {expected}：文件损坏，请重新获取",
        offset=at,
    )


def unsupported(what: str, found: str, advice: str, advice_zh: str, at: int) -> ReadError:
    """Something that the format allows and we do not read."""
    return ReadError(
        Reason.UNSUPPORTED,
        f"AWX {what}: {found}: not read here; {advice}",
        f"AWX {what}：{found}：不支持读取；{advice_zh}",
        offset=at,
    )


def is_awx(head: bytes) -> bool:
    """By the first header: its length of 40, written in one of the two byte orders, and the version."""
    return len(head) >= LEVEL1_BYTES and head[14:16] in (b"\x28\0", b"\0\x28") and head[30:33] == b"SAT"


def read_level1(data: bytes) -> Level1:
    """The first header, checked against itself and the file's size.

    Raises:
        ReadError: TRUNCATED, BAD_HEADER, UNSUPPORTED (compressed data).
    """
    _need(data, LEVEL1_BYTES, "level-1 header")
    order = "<" if data[12:14] == b"\0\0" else ">"
    words = struct.unpack_from(order + LEVEL1, data)
    first, second, _, record, head_records, data_records, product, compression = words[2:10]
    if first != LEVEL1_BYTES:
        raise bad_header("length of the first header", 14, first, str(LEVEL1_BYTES))
    if record == 0:
        raise bad_header("record length", 20, record, "more than 0")
    body = head_records * record
    if LEVEL1_BYTES + second > body:
        raise bad_header("header records", 22, f"{head_records} of {record} bytes", f"{LEVEL1_BYTES + second} bytes")
    if compression:
        raise unsupported(
            "data", f"compressed by {COMPRESSIONS.get(compression, f'code {compression}')}",
            "give the file uncompressed", "请提供未压缩的文件", 28,
        )  # fmt: skip
    _need(data, body, "header records")
    end = LEVEL1_BYTES + second + words[4]
    inner = data[end : min(end + NAME_BYTES, body)].split(b"\0")[0].decode("ascii", errors="replace")
    return Level1(order, second, record, data_records, product, body, inner.rsplit("/", 1)[-1])


def read_image_header(data: bytes, level1: Level1) -> ImageHeader:
    """The second header of an image of a geostationary satellite.

    Raises:
        ReadError: BAD_HEADER, TRUNCATED. LimitError: TOO_LARGE.
    """
    _fits(level1, IMAGE_BYTES)
    words = struct.unpack_from(level1.order + IMAGE, data, LEVEL1_BYTES)
    width, height = words[8], words[9]
    north, south, west, east, lat, lon, standard_1, standard_2 = (word / 100 for word in words[13:21])
    step_x, step_y, flag, code, palette, calibration = words[21:27]
    _check_body(data, level1, width, height, 1, 62)
    if LEVEL1_BYTES + IMAGE_BYTES + palette + calibration > LEVEL1_BYTES + level1.second_bytes:
        raise bad_header("length of the calibration", 98, calibration, "a block inside of the second header")
    if not (-90 <= south < north <= 90 and -180 <= west < 360):
        raise bad_header("bounds", 72, f"{west} to {east}E, {south} to {north}N", "places on Earth, south < north")
    if step_x == 0 or step_y == 0:
        raise bad_header("resolution", 88, f"{step_x} x {step_y}", "more than 0")
    return ImageHeader(
        platform(words[0]), clock(words[1:6], 48), words[6], words[7], width, height, north, south, west, east,
        lat, lon, standard_1, standard_2, step_x / 100, step_y / 100, code & 0xFF if flag else None,
        LEVEL1_BYTES + IMAGE_BYTES + palette, calibration,
    )  # fmt: skip


def read_grid_header(data: bytes, level1: Level1) -> GridHeader:
    """The second header of a grid.

    Raises:
        ReadError: BAD_HEADER, TRUNCATED. LimitError: TOO_LARGE.
    """
    _fits(level1, GRID_BYTES)
    words = struct.unpack_from(level1.order + GRID, data, LEVEL1_BYTES)
    element, item, base, scale = words[1:5]
    north, west, south, east = (word / 100 for word in words[16:20])
    unit, width, height = words[20], words[23], words[24]
    if item not in (1, 2, 4):
        raise bad_header("bytes of a value", 50, item, "1, 2 or 4")
    _check_body(data, level1, width, height, item, 92)
    if scale == 0:
        raise bad_header("scale", 54, scale, "a divisor of the values")
    if not (-90 <= south < north <= 90 and -180 <= west < east <= 360):
        raise bad_header("corners", 78, f"{west} to {east}E, {south} to {north}N", "places on Earth, south < north")
    codes = tuple(value for flag, value in zip(words[25:33:2], words[26:33:2], strict=True) if flag)
    quality, high, low = words[33:36]
    checked = bool(quality) and low < high
    start, end = clock(words[6:11], 58), clock(words[11:16], 68)
    return GridHeader(
        platform(words[0]), start, max(end, start), element, item, base, scale, north, west, south, east,
        unit, width, height, low if checked else None, high if checked else None, codes,
    )  # fmt: skip


def image_plate(header: ImageHeader) -> tuple[Plate, tuple[str, ...]]:
    """Where an image's pixels lie, checked against the header's bounds, and remarks on what could not be checked.

    Raises:
        ReadError: UNSUPPORTED (another projection), BAD_HEADER (bounds and projection contradict each other).
    """
    if header.projection == LONGLAT:
        return _longlat_plate(header), ()
    if header.projection == MERCATOR:
        return _mercator_plate(header), ()
    if header.projection == LAMBERT:
        return _lambert_plate(header)
    raise unsupported(
        "projection", f"{header.projection} ({PROJECTIONS.get(header.projection, 'unknown')})",
        "give a lat-lon, Mercator or Lambert image", "请提供等经纬度、麦卡托或兰勃特投影的文件", 60,
    )  # fmt: skip


def _longlat_plate(header: ImageHeader) -> Plate:
    """Steps and centre of the header [deg], unless its bounds say otherwise by more than a pixel."""
    width = (header.east - header.west) % 360
    axes = ((width, header.width, header.step_x), (header.north - header.south, header.height, header.step_y))
    step_x, step_y = (
        step if abs((count - 1) * step - span) <= step else span / (count - 1) for span, count, step in axes
    )
    lon, lat = header.west + width / 2, (header.north + header.south) / 2
    lon = header.centre_lon if abs(header.centre_lon - lon) <= step_x else lon
    lat = header.centre_lat if abs(header.centre_lat - lat) <= step_y else lat
    return _centred("+proj=longlat", (lon, lat), (step_x, step_y), header)


def _centred(projection: str, middle: tuple[float, float], step: tuple[float, float], header: ImageHeader) -> Plate:
    first_x = middle[0] - step[0] * (header.width - 1) / 2
    first_y = middle[1] + step[1] * (header.height - 1) / 2
    return Plate(projection, first_x, first_y, step[0], -step[1], header.height, header.width)


def _projected(projection: str, header: ImageHeader) -> Plate:
    """The plate whose middle is the header's centre; its steps are km in the header."""
    origin = Plate(projection, 0.0, 0.0, 1.0, 1.0, 1, 1)
    y, x = origin.pixels(np.asarray(header.centre_lon), np.asarray(header.centre_lat))
    return _centred(projection, (float(x), float(y)), (header.step_x * 1000, header.step_y * 1000), header)


def _mercator_plate(header: ImageHeader) -> Plate:
    """True to scale at the equator (as the real image) or at the header's first parallel: which fits the bounds."""
    if not -MERCATOR_LAT <= header.centre_lat <= MERCATOR_LAT:
        raise bad_header("centre of projection", 80, header.centre_lat, f"within {MERCATOR_LAT} of the equator")
    candidates: list[tuple[float, Plate]] = []
    for true_lat in (0.0, header.standard_1):
        if abs(true_lat) <= MERCATOR_LAT:
            projection = f"+proj=merc +R={SPHERE_M:.0f} +lon_0={header.centre_lon:g} +lat_ts={true_lat:g}"
            plate = _projected(projection, header)
            lines, columns = plate.pixels(np.array([header.west, header.east]), np.array([header.north, header.south]))
            off = np.abs([*(lines - [0, header.height - 1]), *(columns - [0, header.width - 1])]).max()
            candidates.append((float(off), plate))
    off, plate = min(candidates, key=lambda candidate: candidate[0])
    if not off <= BOUNDS_PIXELS:
        raise bad_header("bounds", 72, f"{off:.1f} pixels from the projection's", f"at most {BOUNDS_PIXELS:g}")
    return plate


def _lambert_plate(header: ImageHeader) -> tuple[Plate, tuple[str, ...]]:
    """Conformal conic with the header's parallels; which bounds such a header has is not known, so only a remark."""
    parallels = (header.standard_1, header.standard_2)
    if not all(abs(lat) <= CONE_LAT for lat in (*parallels, header.centre_lat)) or abs(sum(parallels)) < 1:
        found = f"{parallels[0]:g}, {parallels[1]:g}, centre {header.centre_lat:g}"
        raise bad_header("standard parallels", 84, found, "of one hemisphere [deg]")
    plate = _projected(
        f"+proj=lcc +R={SPHERE_M:.0f} +lat_0={header.centre_lat:g} +lon_0={header.centre_lon:g} "
        f"+lat_1={parallels[0]:g} +lat_2={parallels[1]:g}", header,
    )  # fmt: skip
    across, down = np.linspace(0, header.width - 1, 65), np.linspace(0, header.height - 1, 65)
    lines = np.concatenate([0 * across, 0 * across + header.height - 1, down, down])
    columns = np.concatenate([across, across, 0 * down, 0 * down + header.width - 1])
    lon, lat = plate.places(lines, columns)
    west_of = header.centre_lon + (lon - header.centre_lon + 180) % 360 - 180
    extent = (lat.max(), lat.min(), west_of.min(), west_of.max())
    corners = (lat[0], lat[2 * 65 - 1], west_of[0], west_of[2 * 65 - 1])
    bounds = np.array([header.north, header.south, header.west, header.east])
    off = min(float(np.abs(bounds - found).max()) for found in (extent, corners))
    if off <= LAMBERT_DEG:
        return plate, ()
    return plate, (f"bounds of the header are {off:.2f} deg from those of its Lambert projection: place not verified",)


def platform(raw: bytes) -> str:
    """ "FY2G" as "FY-2G"; other names as they are.

    Raises:
        ReadError: BAD_HEADER where there is no name.
    """
    text = raw.split(b"\0")[0].decode("ascii", errors="replace").strip().upper()
    if not text.isprintable() or not text or "\ufffd" in text:
        raise bad_header("satellite", 40, repr(raw), "a name such as FY2G")
    return f"FY-{text[2:]}" if text.startswith("FY") and text[2:3].isdigit() else text


def clock(words: tuple[int, ...], at: int) -> datetime:
    """Year, month, day, hour, minute in UTC.

    Raises:
        ReadError: BAD_HEADER where they are no time.
    """
    year, month, day, hour, minute = words
    try:
        found = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError as cause:
        raise bad_header("time", at, "-".join(map(str, words)), "year, month, day, hour, minute") from cause
    if not YEARS[0] <= year <= YEARS[1]:
        raise bad_header("time", at, "-".join(map(str, words)), f"a year from {YEARS[0]} to {YEARS[1]}")
    return found


def _need(data: bytes, size: int, what: str) -> None:
    if len(data) < size:
        raise ReadError(
            Reason.TRUNCATED,
            f"AWX {what}: the file has {len(data)} bytes, expected at least {size}: fetch it again",
            f"AWX {what}：文件只有 {len(data)} 字节，至少应有 {size}：请重新获取文件",
            offset=len(data),
        )


def _fits(level1: Level1, size: int) -> None:
    if level1.second_bytes < size:
        raise bad_header("length of the second header", 16, level1.second_bytes, f"at least {size}")


def _check_body(data: bytes, level1: Level1, width: int, height: int, item: int, at: int) -> None:
    """Size of the picture against records, limit and file, before anything is allocated."""
    if width < 2 or height < 2:
        raise bad_header("size", at, f"{width} x {height}", "at least 2 x 2")
    if width * height > MAX_PIXELS:
        raise LimitError(
            Reason.TOO_LARGE,
            f"AWX header declares {width} x {height} pixels, more than the {MAX_PIXELS} we decode: the file is damaged",
            f"AWX 文件头声明 {width} x {height} 个像元，超过上限 {MAX_PIXELS}：文件可能损坏",
        )
    if level1.record_bytes != width * item:
        raise bad_header("record length", 20, level1.record_bytes, f"a line of {width} x {item} bytes")
    if level1.records != height:
        raise bad_header("data records", 24, level1.records, f"{height}, the lines of the second header")
    _need(data, level1.body + width * height * item, f"data of {height} records")
