"""Where the pixels of an FY-3 pass lie, and which of them are over a box (FORMATS.md B, DOMAIN.md 7.5)."""

from dataclasses import dataclass

import h5py
import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.satellite.files import attribute_number
from wxcore.satellite.geometry import Swath
from wxcore.satellite.scene import MARGIN_DEG, Floats

WHAT = "FY-3 MERSI"
"""What messages call the format."""
BLOCK_PIXELS = 2**21
"""Longitudes searched at once: a geolocation file at 250 m holds 100 million."""


@dataclass(frozen=True)
class Window:
    """The part of a pass that is kept, and where its pixels are."""

    lines: slice
    columns: slice
    swath: Swath


def error(reason: Reason, name: str, what: str, found: str, expected: str, zh: str) -> ReadError:
    """A ReadError that says where, what was found and what was expected."""
    return ReadError(
        reason,
        f"{name}: {what}: found {found}, expected {expected}: fetch the file again, or check that it is {WHAT} L1",
        f"{name}：{what}：{zh}，请重新获取文件或核对格式",
    )


def find_places(file: h5py.File, name: str) -> tuple[h5py.Dataset, h5py.Dataset] | None:
    """Longitude and latitude, in Geolocation/ or (at 250 m) at the root; None where there are not both.

    Raises:
        ReadError: BAD_VALUE: they are not two fields of one shape.
    """
    for group in ("Geolocation/", ""):
        lon, lat = (file.get(f"{group}{what}") for what in ("Longitude", "Latitude"))
        if not (isinstance(lon, h5py.Dataset) and isinstance(lat, h5py.Dataset)):
            continue
        if lon.ndim != 2 or lon.shape != lat.shape or not lon.size or lon.dtype.kind not in "fiu":
            raise error(Reason.BAD_VALUE, name, f"{group}Longitude, {group}Latitude", f"{lon.shape}, {lat.shape}",
                        "two fields (line, column)", f"大小为 {lon.shape}、{lat.shape}，应为相同的二维场")  # fmt: skip
        return lon, lat
    return None


def find_window(lon: h5py.Dataset, lat: h5py.Dataset, box: schema.Box | None, name: str) -> Window:
    """Lines and columns that hold every pixel over the box and its margin; all places are looked at, in blocks.

    Longitudes are compared modulo 360: a box or a pass may cross the antimeridian.

    Raises:
        ReadError: OUTSIDE_REGION where there is none.
    """
    count, width = lon.shape
    if box is None:
        return Window(slice(0, count), slice(0, width), Swath(*_cleaned(lon, lat, slice(0, count), slice(0, width))))
    west, south, east, north = box[0] - MARGIN_DEG, box[1] - MARGIN_DEG, box[2] + MARGIN_DEG, box[3] + MARGIN_DEG
    extent = 360.0 if box[2] - box[0] >= 360 else min((box[2] - box[0]) % 360 + 2 * MARGIN_DEG, 360.0)
    in_line, in_column = np.zeros(count, dtype=bool), np.zeros(width, dtype=bool)
    step = max(BLOCK_PIXELS // width, 1)
    for first in range(0, count, step):
        lines = slice(first, min(first + step, count))
        x, y = _cleaned(lon, lat, lines, slice(0, width))
        inside = (y >= south) & (y <= north) & ((x - west) % 360 <= extent)
        in_line[lines] = inside.any(axis=1)
        in_column |= inside.any(axis=0)
    if not in_line.any():
        raise ReadError(
            Reason.OUTSIDE_REGION,
            f"{name}: no pixel over {west:g}-{east:g}E {south:g}-{north:g}N: the pass went by elsewhere; ignore it",
            f"{name}：该轨道未经过 {west:g}-{east:g}E {south:g}-{north:g}N，可忽略",
        )
    lines, columns = (slice(int(k.argmax()), int(k.size - k[::-1].argmax())) for k in (in_line, in_column))
    return Window(lines, columns, Swath(*_cleaned(lon, lat, lines, columns)))


def _cleaned(lon: h5py.Dataset, lat: h5py.Dataset, lines: slice, columns: slice) -> tuple[Floats, Floats]:
    """Places [deg], -180 <= lon < 180; NaN for fill and for what is not on Earth.

    `valid_range` is not asked: satpy's example of such a file has those of longitude and latitude interchanged.
    """
    x, y = (_degrees(data, lines, columns) for data in (lon, lat))
    with np.errstate(invalid="ignore"):
        bad = ~((np.abs(y) <= 90) & (x >= -180) & (x <= 360))
        x = np.where(x >= 180, x - 360, x)
    x[bad], y[bad] = np.nan, np.nan
    return x.astype(np.float32), y.astype(np.float32)


def _degrees(data: h5py.Dataset, lines: slice, columns: slice) -> npt.NDArray[np.float64]:
    raw = data[lines, columns].astype(np.float64)
    fill = attribute_number(data, "FillValue", "_FillValue")
    slope, intercept = attribute_number(data, "Slope"), attribute_number(data, "Intercept")
    values = raw * (1.0 if slope is None else slope) + (intercept or 0.0)
    return values if fill is None else np.where(raw == fill, np.nan, values)
