"""AWX images and grids of FY-2 (issue 5): brightness temperature or reflectance on a map projection.

Images are bytes, grids 1, 2 or 4 bytes a value. An image carries its calibration: words of 16 bits, brightness
temperature in 0.01 K or reflectance in 0.0001, indexed by count. Its bytes hold the upper 8 bits of an infrared count
of 10 bits (byte x 4; seen: read as it stands, every cloud of the real image would be warmer than 311 K), or a visible
count of 6 bits shifted up (byte / 4; seen: all bytes are multiples of 4).

Navigation, found on the real files: the centre of projection is the middle of the image, between two pixels; bounds in
the header are centres of outer pixels, cut off after 0.01 degree; Mercator is that of a sphere of 6378.137 km whose
latitudes are the geodetic ones, true to scale at the equator, though the header's standard parallels say 30 and 60.
Against coasts the visible image is 0 to 1 pixel off, the infrared one 0.2 line and 1 column near India and 3 columns at
its western rim: an error of the product's own, which is left as it is.
No Lambert image was at hand: the same sphere, the header's parallels and centre are used, and a remark tells where the
header's bounds are elsewhere.

Lines burnt into a picture (coasts, grid) have the code that the header names; where its flag says so they are no data.
The real images have none.
"""

import re
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.satellite.awx_header import (
    GRIDDED,
    PRODUCTS,
    STATIONARY,
    GridHeader,
    ImageHeader,
    Level1,
    bad_header,
    image_plate,
    is_awx,
    read_grid_header,
    read_image_header,
    read_level1,
    unsupported,
)
from wxcore.satellite.awx_write import write_awx
from wxcore.satellite.geometry import Plate
from wxcore.satellite.scene import (
    BRIGHTNESS_TEMPERATURE,
    REFLECTANCE,
    VALID,
    Channel,
    Floats,
    Scene,
    describe,
    within_range,
)
from wxcore.satellite.vissr import (
    INSTRUMENT,
    IR1,
    IR2,
    IR3,
    IR4,
    SCAN,
    VISIBLE,
    Kind,
    disk,
    line_seconds,
)

CHANNELS: dict[int, Kind] = {1: IR1, 2: IR3, 3: IR2, 4: VISIBLE, 5: IR4}
"""Channel number of AWX 2.1 to channel: 1 10.3-11.3, 2 water vapour 6.3-7.6, 3 11.5-12.5, 4 visible, 5 3.5-4.0 um."""

BRIGHTNESS_ELEMENT = 19
"""Element of grids (AWX 2.1): brightness temperature [K]. Which channel's, only the name says."""

BT_UNIT, REFLECTANCE_UNIT = 0.01, 0.0001
"""What 1 in the calibration stands for: [K]; [1], which puts thick clouds of the real image at 0.5 to 1."""

KM_PER_DEGREE = 111.32
"""Length of a degree of the equator, to name a resolution."""

RIM_LAT = 80.0
"""Nearly the northernmost place that a geostationary satellite sees [deg]."""

_GRID_CHANNEL = re.compile(r"_TBB_(IR[1-4])_", re.IGNORECASE)
_NAME_TIME = re.compile(r"_(\d{8})_(\d{4})(?=\D|$)")
_BEIJING = timedelta(hours=8)


def read_awx(data: bytes, name: str) -> Scene:
    """Read an AWX image of a geostationary satellite or a grid of brightness temperature, whole.

    Args:
        data: the whole file; name: base name; of a grid it tells the channel, where the name inside does not.

    Returns:
        One channel: brightness temperature [K] or reflectance [0-1], on a Plate; line 0 north; times UTC.

    Raises:
        ReadError: TRUNCATED, BAD_HEADER, BAD_VALUE (no plausible value), UNSUPPORTED (another product, element,
            projection or satellite; compressed). LimitError: TOO_LARGE.
    """
    level1 = read_level1(data)
    if level1.product == STATIONARY:
        return _image(data, level1, name)
    if level1.product == GRIDDED:
        return _grid(data, level1, name)
    raise unsupported(
        "product", f"{level1.product} ({PRODUCTS.get(level1.product, 'unknown')})",
        "give an image of a geostationary satellite or a grid", "请提供静止卫星图像或格点产品", 26,
    )  # fmt: skip


def _image(data: bytes, level1: Level1, name: str) -> Scene:
    header = read_image_header(data, level1)
    kind = CHANNELS.get(header.channel)
    if kind is None:
        raise unsupported("channel", str(header.channel), "give channels 1 to 5", "请提供 1 至 5 通道的文件", 58)
    plate, remarks = image_plate(header)
    pixels = np.frombuffer(data, np.uint8, header.width * header.height, level1.body).reshape(plate.shape)
    values = _calibration(data, level1, header, kind)[pixels]
    resolution = header.step_x * 1000 if plate.projection != "+proj=longlat" else plate.step_x * KM_PER_DEGREE * 1000
    times = (header.time, header.time + SCAN)
    remarks = (*remarks, *_name_remarks(header.time, name))
    return _scene(header.platform, times, _channel(kind, values), plate, resolution, remarks)


def _calibration(data: bytes, level1: Level1, header: ImageHeader, kind: Kind) -> Floats:
    """Value by byte of the image; NaN for counts that are not valid (FORMATS.md B) and for burnt-in lines."""
    kind_of_word = np.dtype(f"{level1.order}u2")
    words = np.frombuffer(data, kind_of_word, header.calibration_bytes // 2, header.calibration_at)
    used = int(np.flatnonzero(words)[-1]) + 1 if words.any() else 0
    counts = kind.table
    if used == 0 or (words.size < counts and words.size != 256):
        raise bad_header("calibration", header.calibration_at, f"{used} of {words.size} words", f"{counts} or 256")
    code = np.arange(256)
    if (words.size == 256 and used > 64) or (kind is VISIBLE and 64 < used <= 256):
        index, low, high = code, 1, 254
    else:
        index, low, high = code * counts // 256, kind.valid_low, kind.valid_high
    unit = BT_UNIT if kind.quantity == BRIGHTNESS_TEMPERATURE else REFLECTANCE_UNIT
    table = words[index].astype(np.float32) * np.float32(unit)
    table[(index < low) | (index > high) | (words[index] == 0)] = np.nan
    if header.overlay is not None:
        table[header.overlay] = np.nan
    return table


def _grid(data: bytes, level1: Level1, name: str) -> Scene:
    header = read_grid_header(data, level1)
    if header.element != BRIGHTNESS_ELEMENT:
        raise unsupported(
            "grid element", str(header.element), f"give brightness temperature ({BRIGHTNESS_ELEMENT})",
            f"请提供亮温产品（{BRIGHTNESS_ELEMENT}）", 48,
        )  # fmt: skip
    if header.unit != 0:
        raise unsupported("unit of the grid's steps", str(header.unit), "give 0 (degrees)", "请提供单位为度的文件", 86)
    found = _GRID_CHANNEL.search(name) or _GRID_CHANNEL.search(level1.inner_name)
    if found is None:
        raise unsupported(
            "grid", f"channel unknown from {name[:60]!r}", "name it such as FY2G_TBB_IR1_OTG_20150729_0000.AWX",
            "文件名应如 FY2G_TBB_IR1_OTG_20150729_0000.AWX", level1.body,
        )  # fmt: skip
    kind = {"IR1": IR1, "IR2": IR2, "IR3": IR3, "IR4": IR4}[found[1].upper()]
    plate = Plate(
        "+proj=longlat", header.west, header.north, (header.east - header.west) / (header.width - 1),
        (header.south - header.north) / (header.height - 1), header.height, header.width,
    )  # fmt: skip
    remarks = _name_remarks(header.start, name)
    channel, resolution = _channel(kind, _grid_values(data, level1, header)), plate.step_x * KM_PER_DEGREE * 1000
    return _scene(header.platform, (header.start, header.end), channel, plate, resolution, remarks)


def _grid_values(data: bytes, level1: Level1, header: GridHeader) -> Floats:
    """(stored + base) / scale; stored without sign: brightness temperature has none (76 to 202 in the real grid)."""
    kind = np.dtype(f"{level1.order}u{header.item_bytes}")
    stored = np.frombuffer(data, kind, header.width * header.height, level1.body).reshape(header.height, header.width)
    values = ((stored.astype(np.float64) + header.base) / header.scale).astype(np.float32)
    if header.low is not None and header.high is not None:
        values[(stored < header.low) | (stored > header.high)] = np.nan
    for code in header.codes:
        values[stored == code] = np.nan
    return values


def _channel(kind: Kind, values: Floats) -> Channel:
    """The channel with implausible values dropped.

    Raises:
        ReadError: BAD_VALUE where none is plausible though there are values: then the unit is not what we take it for.
    """
    good = within_range(values, kind.quantity)
    if not np.isfinite(good).any() and np.isfinite(values).any():
        low, high = VALID[kind.quantity]
        raise ReadError(
            Reason.BAD_VALUE,
            f"AWX {kind.name}: no value in {low:g} to {high:g}, but such as {np.nanmax(values):g}: another unit; "
            "give another file",
            f"AWX {kind.name}：没有 {low:g} 至 {high:g} 之间的值，例如 {np.nanmax(values):g}：定标单位不明，"
            "请提供其他文件",
        )
    return Channel(kind.number, kind.wavelength_um, kind.quantity, good)


def _scene(
    platform: str, times: tuple[datetime, datetime], channel: Channel, plate: Plate, resolution: float,
    remarks: tuple[str, ...],
) -> Scene:  # fmt: skip
    if not platform.startswith("FY-2"):
        raise unsupported(
            "satellite", platform, "its channel numbers are not known; give its HDF5 file",
            "通道号含义未知，请提供 HDF5 文件", 40,
        )  # fmt: skip
    empty = ~np.isfinite(channel.values).any(axis=1)
    return Scene(
        format=FORMAT.name, platform=platform, instrument=INSTRUMENT, resolution_m=float(round(resolution)),
        start=times[0], end=times[1], channels=(channel,), geometry=plate, line_offset_s=_line_offsets(plate),
        bad_lines=0 if channel.quantity == REFLECTANCE else int(empty.sum()), remarks=remarks,
    )  # fmt: skip


def _line_offsets(plate: Plate) -> npt.NDArray[np.float64]:
    """When the middle of each line was seen: as if the satellite stood over it, which the header does not tell.

    North and south of the disk: its rim. Good to a minute, since a line of a map is not one of the scan.
    """
    lines = np.arange(plate.lines, dtype=np.float64)
    _, lat = plate.places(lines, np.full(plate.lines, (plate.columns - 1) / 2))
    line, _ = disk(0.0).pixels(np.zeros(plate.lines), np.clip(np.nan_to_num(lat), -RIM_LAT, RIM_LAT))
    return line_seconds(line)


def _name_remarks(time: datetime, name: str) -> tuple[str, ...]:
    """A remark where a name's time is neither the header's (UTC) nor, as in ANI_*.AWX, eight hours later."""
    found = _NAME_TIME.search(name)
    if found is None:
        return ()
    said = "".join(found.groups())
    if said in (f"{time:%Y%m%d%H%M}", f"{time + _BEIJING:%Y%m%d%H%M}"):
        return ()
    return (f"name says {said}, header {time:%Y%m%d%H%M} UTC",)


FORMAT = schema.Format(
    name="awx",
    title_en="AWX satellite image or grid, FY-2",
    title_zh="AWX 卫星图像与格点产品（风云二号）",
    recognise=is_awx,
    name_pattern=re.compile(r"\.AWX$", re.IGNORECASE),
    read=read_awx,
    describe=describe,
    write=write_awx,
)
