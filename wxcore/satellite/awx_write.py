"""AWX images and grids, written for tests and the simulator in the structure that `awx` reads."""

import struct
from datetime import datetime

import numpy as np
import numpy.typing as npt

from wxcore.satellite.awx_header import (
    GRID,
    GRID_BYTES,
    GRIDDED,
    IMAGE,
    LAMBERT,
    LEVEL1,
    LEVEL1_BYTES,
    LONGLAT,
    MERCATOR,
    NAME_BYTES,
    STATIONARY,
)
from wxcore.satellite.geometry import Plate
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, Channel, Scene

WORDS = 1024
"""Words of the calibration, as in the real images; a visible one fills 64 of them."""
HOTTEST, STEP = 33_000, 20
"""Calibration of infrared count 0 and its fall from count to count [0.01 K]: 330 to 125.4 K [our choice]."""
VIS_COUNTS, BRIGHTEST = 64, 12_000
"""Visible counts, and the calibration of the last [0.0001]; it goes with the square of the count [our choice]."""
GRID_BASE_K = 100
"""Base of grids of one byte, as in the real one; of 2 and 4 bytes the scale is 100 and the base 0 [our choice]."""
OVERLAY = 255

_CHANNEL_NUMBERS = {1: 1, 3: 2, 2: 3, 5: 4, 4: 5}
"""Number in a scene (1-4 IR1-IR4, 5 VIS) to number in AWX."""


def write_awx(scene: Scene, *, order: str = "<", grid_bytes: int = 0) -> bytes:
    """One channel as an AWX image, or as a grid of values of 1, 2 or 4 bytes.

    Args:
        scene: with one channel on a Plate (lat-lon, Mercator or Lambert) whose middle is the centre of projection.
        order: "<" or ">", byte order of whole numbers; grid_bytes: 0 for an image.

    Raises:
        ValueError: no such scene; a resolution or place that the header's hundredths cannot tell.
    """
    if len(scene.channels) != 1 or not isinstance(scene.geometry, Plate):
        raise ValueError("AWX holds one channel on a map projection")
    channel, plate = scene.channels[0], scene.geometry
    if grid_bytes:
        second, body = _grid(scene, channel, plate, order, grid_bytes), _stored(channel, order, grid_bytes)
    else:
        words, codes = _calibrated(channel)
        block = words.astype(np.dtype(f"{order}u2")).tobytes()
        second, body = _image(scene, channel, plate, order, len(block)) + block, codes.tobytes()
    record = plate.columns * max(grid_bytes, 1)
    filling = -(LEVEL1_BYTES + len(second)) % record
    head = LEVEL1_BYTES + len(second) + filling
    name = f"{scene.platform.replace('-', '')}_{_product(channel, grid_bytes)}_{scene.start:%Y%m%d_%H%M}.AWX".encode()
    extension = name.ljust(NAME_BYTES, b"\0")
    extension = extension.ljust(-(-NAME_BYTES // record) * record, b"\0")
    first = struct.pack(
        order + LEVEL1, b"WXCORE00.AWX", int(order == ">"), LEVEL1_BYTES, len(second), filling, record,
        (head + len(extension)) // record, plate.lines, GRIDDED if grid_bytes else STATIONARY, 0, b"SAT2004", 0,
    )  # fmt: skip
    return first + second + bytes(filling) + extension + body


def _product(channel: Channel, grid_bytes: int) -> str:
    band = "VIS" if channel.quantity != BRIGHTNESS_TEMPERATURE else f"IR{channel.number}"
    return f"TBB_{band}_OTG" if grid_bytes else f"ANI_{band}_R01"


def _hundredths(value: float) -> int:
    """As the real headers have it: cut off towards zero."""
    return int(value * 100 + np.copysign(1e-6, value))


def _image(scene: Scene, channel: Channel, plate: Plate, order: str, calibration: int) -> bytes:
    words = dict(word.removeprefix("+").split("=") for word in plate.projection.split())
    projection = {"longlat": LONGLAT, "merc": MERCATOR, "lcc": LAMBERT}[words["proj"]]
    middle = plate.places(np.asarray((plate.lines - 1) / 2), np.asarray((plate.columns - 1) / 2))
    centre = [round(float(part), 2) for part in middle]
    unit = 1.0 if projection == LONGLAT else 1000.0
    steps = [round(step / unit * 100) for step in (plate.step_x, -plate.step_y)]
    line, column = plate.pixels(np.asarray(centre[0]), np.asarray(centre[1]))
    off = max(abs(float(line) - (plate.lines - 1) / 2), abs(float(column) - (plate.columns - 1) / 2))
    if off > 0.1 or not np.allclose([step * unit / 100 for step in steps], [plate.step_x, -plate.step_y], rtol=1e-6):
        raise ValueError("AWX tells centre and resolution in hundredths of degrees and kilometres")
    lon, lat = plate.places(np.array([0.0, plate.lines - 1]), np.array([0.0, plate.columns - 1]))
    parallels = (words.get("lat_1", words.get("lat_ts", "30")), words.get("lat_2", "60"))
    return struct.pack(
        order + IMAGE, scene.platform.replace("-", "").encode(), *_clock(scene.start),
        _CHANNEL_NUMBERS[channel.number], projection, plate.columns, plate.lines, 0, 0, 1,
        *(_hundredths(float(bound)) for bound in (lat[0], lat[1], lon[0], lon[1])),
        round(centre[1] * 100), round(centre[0] * 100), *(round(float(lat) * 100) for lat in parallels),
        *steps, 0, OVERLAY, 0, calibration, 0, 0,
    )  # fmt: skip


def _calibrated(channel: Channel) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """(words of the calibration, byte of each pixel): the nearest valid byte; 0 where there is no value."""
    values, words = channel.values.astype(np.float64), np.zeros(WORDS, dtype=np.int64)
    if channel.quantity == BRIGHTNESS_TEMPERATURE:
        words[:] = HOTTEST - STEP * np.arange(WORDS)
        codes = np.clip(np.rint((HOTTEST - values * 100) / (4 * STEP)), 1, 254)
    else:
        words[:VIS_COUNTS] = np.rint(BRIGHTEST * (np.arange(VIS_COUNTS) / (VIS_COUNTS - 1)) ** 2)
        root = np.sqrt(np.maximum(values, 0) * 1e4 / BRIGHTEST) * (VIS_COUNTS - 1)
        codes = 4 * np.clip(np.rint(root), 1, VIS_COUNTS - 2)
    return words, np.where(np.isfinite(values), codes, 0).astype(np.uint8)


def _scale(size: int) -> tuple[int, int]:
    """(base, scale) of a grid of values of 1, 2 or 4 bytes."""
    return (GRID_BASE_K, 1) if size == 1 else (0, 100)


def _grid(scene: Scene, channel: Channel, plate: Plate, order: str, size: int) -> bytes:
    if plate.projection != "+proj=longlat" or channel.quantity != BRIGHTNESS_TEMPERATURE:
        raise ValueError("AWX grids hold brightness temperature on longitudes and latitudes")
    east = plate.first_x + plate.step_x * (plate.columns - 1)
    south = plate.first_y + plate.step_y * (plate.lines - 1)
    steps = (round(plate.step_x * 100), round(-plate.step_y * 100))
    second = struct.pack(
        order + GRID, scene.platform.replace("-", "").encode(), 19, size, *_scale(size), 0, *_clock(scene.start),
        *_clock(scene.end), *(round(place * 100) for place in (plate.first_y, plate.first_x, south, east)), 0, *steps,
        plate.columns, plate.lines, *(0,) * 8, 3, min(2 ** (8 * size) - 1, 65_535), 1, 0,
    )  # fmt: skip
    assert len(second) == GRID_BYTES
    return second


def _stored(channel: Channel, order: str, size: int) -> bytes:
    """Values of a grid; 0, which is below the lower limit, where there is none."""
    base, scale = _scale(size)
    stored = np.clip(np.rint(channel.values.astype(np.float64) * scale - base), 1, min(2 ** (8 * size) - 1, 65_535))
    return np.where(np.isfinite(channel.values), stored, 0).astype(np.dtype(f"{order}u{size}")).tobytes()


def _clock(time: datetime) -> tuple[int, ...]:
    return (time.year, time.month, time.day, time.hour, time.minute)
