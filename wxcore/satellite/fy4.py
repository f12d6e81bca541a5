"""What the imagers of FY-4 (AGRI and GHI) have in common: names, orbit, the window over a box, times of lines.

Structure and traps: FORMATS.md B, DOMAIN.md 7.3. FY-4A keeps its datasets at the root, FY-4B in /Data and /Calibration:
either layout is read for either satellite, by what exists.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import h5py
import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, Reason
from wxcore.satellite.files import attribute_number, attribute_text, observing_time
from wxcore.satellite.geometry import WGS84_A_M, WGS84_B_M, Disk, Viewpoint
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, MARGIN_DEG, Channel
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK, Box

Window = tuple[slice, slice]

DATA, CALIBRATION, NAVIGATION = "Data", "Calibration", "Navigation"
CENTRE_M = 42_000_000.0
"""A NOMSatHeight above it counts from the Earth's centre, else from the ellipsoid (satpy: fy4.get_area_def)."""

KM_BELOW_AXIS, KM_BELOW_HEIGHT = 1e4, 1e6
"""An axis, or a height, below it is in km, else in m: dEA is 6378.137 or 6378137."""

DISTANCES_M, AXES_M = (41_500_000.0, 43_000_000.0), (6_300_000.0, 6_400_000.0)
"""Geostationary orbits and Earths that we believe [our choice]."""

MAX_SCAN = timedelta(hours=2)
"""Longest scan that we believe [our choice]: a full disk takes 15 minutes."""

SUB_LONGITUDE_TOLERANCE_DEG = 0.06
"""Between attribute and name, which has tenths of a degree."""

MAX_SAMPLES, SAMPLE_DEG = 721, 0.25
"""Points along each side of a box by which its window is found."""

_CHANNEL = re.compile(r"NOMChannel(\d\d)")


def bad_header(what: str, found: object, expected: str, expected_zh: str) -> ReadError:
    """BAD_HEADER: which field, what was found, what was expected."""
    return ReadError(
        Reason.BAD_HEADER,
        f"{what}: found {found}, expected {expected}: the file is damaged or of another version",
        f"{what}：实为 {found}，应为 {expected_zh}：文件损坏或版本不同",
    )


def member(file: h5py.File, group: str, name: str) -> h5py.Dataset | None:
    """A dataset of a group, or at the root; None where there is none."""
    for path in (f"{group}/{name}", name):
        item = file.get(path)
        if isinstance(item, h5py.Dataset):
            return item
    return None


def channel_numbers(file: h5py.File) -> list[int]:
    """Numbers of the NOMChannelNN datasets, ascending."""
    inner = file.get(DATA)
    names = [*file, *(inner if isinstance(inner, h5py.Group) else ())]
    found = {int(match[1]) for match in map(_CHANNEL.fullmatch, names) if match}
    return sorted(number for number in found if member(file, DATA, f"NOMChannel{number:02d}") is not None)


def sensor(file: h5py.File) -> str:
    """What the file calls its instrument: "AGRI", "GHI"; "" where it does not."""
    return (attribute_text(file, "Sensor Identification Code", "Sensor Name") or "").upper()


def platform(file: h5py.File, name: str) -> str:
    """Such as "FY-4B", by the attribute 'Satellite Name' ("FY4B", "FY-4B"), else by the file's name; else ""."""
    for text in (attribute_text(file, "Satellite Name") or "", name):
        match = re.match(r"FY-?(4[A-Z])", text.upper())
        if match:
            return f"FY-{match[1]}"
    return ""


def image_shape(file: h5py.File, numbers: Sequence[int]) -> tuple[int, int]:
    """(lines, columns) of the file's images.

    Raises:
        ReadError: BAD_HEADER where RegLength or RegWidth contradict them, or they are no images.
    """
    first = member(file, DATA, f"NOMChannel{numbers[0]:02d}")
    shape: tuple[int, ...] = first.shape if first is not None else ()
    if len(shape) != 2 or min(shape) < 2:
        raise bad_header(f"NOMChannel{numbers[0]:02d}", f"shape {shape}", "lines x columns", "行 × 列")
    for attribute, length in zip(("RegLength", "RegWidth"), shape, strict=True):
        said = attribute_number(file, attribute)
        if said is not None and round(said) != length:
            raise bad_header(
                f"attribute {attribute!r}", f"{said:g}", f"{length} as the images", f"与图像一致的 {length}"
            )
    return (int(shape[0]), int(shape[1]))


def orbit(file: h5py.File, said_by_name: float | None) -> tuple[Viewpoint, list[str]]:
    """The satellite's place and the Earth's axes, and remarks.

    NOMSatHeight is in m or km, from the Earth's centre or from the ellipsoid; dEA in m or km, dObRecFlat is the inverse
    flattening. An axis that is missing is that of WGS 84.

    Args:
        said_by_name: longitude in the file's name, for comparison and where the file has none.

    Raises:
        ReadError: BAD_HEADER: no longitude or height, or none of a geostationary satellite.
    """
    remarks = []
    longitude = attribute_number(file, "NOMSubSatLon", "NOMCenterLon")
    if longitude is None:
        longitude = said_by_name
        remarks.append("no NOMCenterLon: sub-satellite longitude from the file's name")
    elif said_by_name is not None and abs(longitude - said_by_name) > SUB_LONGITUDE_TOLERANCE_DEG:
        remarks.append(f"the name says {said_by_name:.1f} E, the file {longitude:.1f} E: the file is believed")
    if longitude is None or not -180 <= longitude <= 360:
        raise bad_header("attribute 'NOMCenterLon'", longitude, "degrees east", "东经度数")
    major = _metres(attribute_number(file, "Semimajor axis of ellipsoid", "Semi_major_axis", "dEA"), KM_BELOW_AXIS)
    minor = _metres(attribute_number(file, "Semiminor axis of ellipsoid", "Semi_minor_axis"), KM_BELOW_AXIS)
    flat = attribute_number(file, "dObRecFlat")
    if minor is None and major is not None and flat is not None and flat > 1:
        minor = major * (1 - 1 / flat)
    major, minor = major or WGS84_A_M, minor or WGS84_B_M
    if not AXES_M[0] < minor <= major < AXES_M[1]:
        raise bad_header("axes of the ellipsoid", f"{major:g}, {minor:g} m", "the Earth's", "地球椭球半轴")
    height = _metres(attribute_number(file, "NOMSatHeight"), KM_BELOW_HEIGHT)
    distance = 0.0 if height is None else height if height > CENTRE_M else height + major
    if not DISTANCES_M[0] <= distance <= DISTANCES_M[1]:
        raise bad_header("attribute 'NOMSatHeight'", height, "35786 km, or 42164 km from the Earth's centre",
                         "35786 km 或距地心 42164 km")  # fmt: skip
    return Viewpoint(round(longitude, 4), distance, major, minor), remarks


def on_orbit(disk: Disk, orbit: Viewpoint) -> Disk:
    """The same image, seen by a satellite on this orbit around an Earth of these axes."""
    return replace(
        disk, sub_longitude=orbit.sub_longitude, distance_m=orbit.distance_m, semi_major_m=orbit.semi_major_m,
        semi_minor_m=orbit.semi_minor_m,
    )  # fmt: skip


def _metres(value: float | None, km_below: float) -> float | None:
    return value * 1000 if value is not None and value < km_below else value


def window(disk: Disk, box: Box | None) -> Window:
    """Lines and columns of an image over a box and MARGIN_DEG around it; all of them where there is no box.

    Raises:
        ReadError: OUTSIDE_REGION: no pixel of the image is in the box.
    """
    if box is None:
        return slice(0, disk.lines), slice(0, disk.columns)
    if _cover(disk, box) is None:
        raise ReadError(
            Reason.OUTSIDE_REGION,
            f"no pixel of the image ({disk.lines} x {disk.columns}) is in the box {box}: give a file that covers it",
            f"图像（{disk.lines} × {disk.columns}）在范围 {box} 内没有像元：请提供覆盖该范围的文件",
        )
    west, south, east, north = box
    wide = (west - MARGIN_DEG, max(south - MARGIN_DEG, -90), east + MARGIN_DEG, min(north + MARGIN_DEG, 90))
    found = _cover(disk, wide)
    return found if found is not None else (slice(0, 0), slice(0, 0))


def _cover(disk: Disk, box: Box) -> Window | None:
    """Lines and columns that hold a box, a pixel more on each side; None where the image has nothing of it."""
    west, south, east, north = box
    lon, lat = np.meshgrid(_samples(west, east), _samples(south, north))
    line, column = disk.pixels(lon, lat)
    if np.isnan(line).all():
        return None
    rows, columns = _span(line, disk.lines), _span(column, disk.columns)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return None
    if not ((line > -1) & (line < disk.lines) & (column > -1) & (column < disk.columns)).any():
        part = disk.window(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
        lon, lat = part.places(*np.mgrid[: part.lines, : part.columns].astype(np.float64))
        if not ((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)).any():
            return None
    return rows, columns


def _span(values: npt.NDArray[np.float64], length: int) -> slice:
    low, high = int(np.floor(np.nanmin(values))) - 1, int(np.ceil(np.nanmax(values))) + 1
    return slice(max(low, 0), min(high + 1, length))


def _samples(low: float, high: float) -> npt.NDArray[np.float64]:
    return np.linspace(low, high, int(np.clip(np.ceil((high - low) / SAMPLE_DEG) + 1, 2, MAX_SAMPLES)))


def scan_times(file: h5py.File) -> tuple[datetime, datetime]:
    """When the scan began and ended, aware UTC.

    Raises:
        ReadError: BAD_HEADER: no such times, or a scan that ends before it begins or lasts longer than MAX_SCAN.
    """
    start, end = observing_time(file, "Beginning"), observing_time(file, "Ending")
    if not timedelta(0) <= end - start <= MAX_SCAN:
        raise bad_header("Observing Beginning and Ending", f"{start} to {end}", "at most 2 hours", "不超过 2 小时")
    return start, end


def line_offsets(start: datetime, end: datetime, lines: int, rows: slice) -> npt.NDArray[np.float64]:
    """Seconds from `start` to the middle of each line of a window: linear over all `lines` of the scan."""
    return (np.arange(rows.start, rows.stop) + 0.5) / lines * (end - start).total_seconds()


def count_bad_lines(channels: Sequence[Channel], disk: Disk) -> int:
    """Lines that lie on the Earth's disk and of which a channel has no valid pixel.

    Emission decides where there is any: reflected light may be missing at night.
    """
    columns = np.arange(disk.columns, dtype=np.float64)
    middle = columns[np.argmin(np.abs(disk.first_x + columns * disk.step_x))]
    lon, _ = disk.places(np.arange(disk.lines, dtype=np.float64), np.full(disk.lines, middle))
    emitted = [channel for channel in channels if channel.quantity == BRIGHTNESS_TEMPERATURE] or channels
    bad = np.zeros(disk.lines, bool)
    for channel in emitted:
        bad |= np.isnan(channel.values).all(axis=1)
    return int(np.count_nonzero(bad & ~np.isnan(lon)))


def is_simulated(file: h5py.File) -> bool:
    """Does the file itself say that it is simulated?"""
    return attribute_text(file, SIMULATED_ATTRIBUTE) == SIMULATED_MARK
