"""FY-4B GHI L1 in HDF5, 250 to 2000 m, a region that moves (FORMATS.md B). **Not yet met with a real file.**

The image is a piece of the geostationary disk: even steps of the scan angle, fitted to the scan angles of its four
corner points (forward: from the places that the file gives). Line 0 is the north, as satpy lays its rows.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, Reason
from wxcore.hdf5 import is_hdf5, open_checked, read_bytes
from wxcore.satellite import fy4
from wxcore.satellite.files import HDF5_CAP_BYTES
from wxcore.satellite.fy4_counts import read_channels
from wxcore.satellite.geometry import Disk, Viewpoint, fy4_disk
from wxcore.satellite.ghi_write import write_ghi
from wxcore.satellite.scene import Band, Scene, describe
from wxcore.schema import Box, Format

WHAT = "FY-4B GHI L1"

WAVELENGTHS_UM = {1: 0.675, 2: 0.47, 3: 0.545, 4: 0.645, 5: 1.378, 6: 1.61, 7: 11.4}
"""Wavelength of each channel's name (FORMATS.md B)."""

RESOLUTIONS_M = (250, 500, 2000)
STEP_TOLERANCE = 0.2
"""How far a pixel may be from a nominal one, relatively [our choice]; the resolutions are a factor of two apart."""

UNVERIFIED = "GHI: no original file was at hand when this reader was written"

NAME = re.compile(
    r"FY4B-_GHI---_N_REG[CX]_(?P<lon>\d{4})E_L1-_FDI-_\w{4}_NOM_(?P<t>\d{14})_\d{14}_(?P<res>\d{4})M_V\d+\.(?i:hdf)"
)
"""Operational names; the time is UTC and the start."""

_CORNERS = ("Corner-Point Longitudes", "Corner-Point Latitudes")


def claims(file: h5py.File) -> bool:
    """Is it GHI L1: NOMChannelNN of a sensor GHI, or of one that is not named but has corner points?"""
    sensor = fy4.sensor(file)
    return (sensor == "GHI" or (not sensor and _CORNERS[0] in file.attrs)) and bool(fy4.channel_numbers(file))


def read_ghi(path: Path, name: str, box: Box | None = None, bands: Sequence[Band] = ()) -> Scene:
    """Read the lines and columns over a box.

    Args:
        path: of the uncompressed file; name: its base name, for comparison.
        box: (west, south, east, north) [deg]; None: everything.
        bands: channels outside of all of these are not read; none given: all are.

    Returns:
        Reflectance (1 = 100 %) below 3 um, brightness temperature [K] of the 11.4 um window.

    Raises:
        ReadError: UNSUPPORTED (another satellite), BAD_HEADER (corner points that are no rectangle of a known
            resolution), BAD_VALUE, TRUNCATED, OUTSIDE_REGION.
    """
    with open_checked(path, name, WHAT, cap_bytes=HDF5_CAP_BYTES) as file:
        return _read(file, name, box, bands)


def _read(file: h5py.File, name: str, box: Box | None, bands: Sequence[Band]) -> Scene:
    platform = fy4.platform(file, name)
    if platform != "FY-4B":
        raise ReadError(
            Reason.UNSUPPORTED,
            f"{WHAT}: attribute 'Satellite Name': found {platform or 'nothing'!r}, expected FY-4B",
            f"{WHAT}：属性 'Satellite Name'：实为 {platform or '空'!r}，应为 FY-4B",
        )
    numbers = fy4.channel_numbers(file)
    if not numbers:
        raise fy4.bad_header("datasets", "no NOMChannelNN", "at least one", "至少一个 NOMChannelNN")
    shape = fy4.image_shape(file, numbers)
    parsed = NAME.search(name)
    orbit, remarks = fy4.orbit(file, int(parsed["lon"]) / 10 if parsed else None)
    disk, resolution = _fit(file, shape, orbit)
    if parsed and int(parsed["res"]) != resolution:
        remarks.append(f"the name says {parsed['res']} m, the corner points {resolution} m: the file is believed")
    start, end = fy4.scan_times(file)
    rows, columns = fy4.window(disk, box)
    channels, more = read_channels(file, numbers, WAVELENGTHS_UM, shape, (rows, columns), bands)
    part = disk.window(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
    return Scene(
        format=FORMAT.name, platform=platform, instrument="GHI", resolution_m=resolution, start=start, end=end,
        channels=channels, geometry=part, line_offset_s=fy4.line_offsets(start, end, shape[0], rows),
        bad_lines=fy4.count_bad_lines(channels, part), simulated=fy4.is_simulated(file),
        remarks=(UNVERIFIED, *remarks, *more),
    )  # fmt: skip


def _fit(file: h5py.File, shape: tuple[int, int], orbit: Viewpoint) -> tuple[Disk, int]:
    """The image by its four corner points, in any order, and its resolution [m].

    Whether the points are centres or outer corners of the corner pixels is not published: what brings the step nearer
    to the nominal one is taken, for both axes together.
    """
    lon, lat = (_four(file, name) for name in _CORNERS)
    unit = fy4.on_orbit(Disk(orbit.sub_longitude, 0.0, 0.0, 1.0, 1.0, *shape), orbit)
    y, x = unit.pixels(lon, lat)
    if np.isnan(x).any():
        raise _no_rectangle(lon, lat, "not all on the side of the Earth that the satellite sees")
    sides = [_sides(angles, length) for angles, length in ((y, shape[0]), (x, shape[1]))]
    quarters = {(bool(a > y.mean()), bool(b > x.mean())) for a, b in zip(y, x, strict=True)}
    if len(quarters) < 4 or any(side is None for side in sides):
        raise _no_rectangle(lon, lat, "no rectangle in scan angle, to a pixel")
    (top, height), (left, width) = (side for side in sides if side is not None)
    best, chosen = STEP_TOLERANCE, None
    for resolution in RESOLUTIONS_M:
        nominal = fy4_disk(resolution, orbit.sub_longitude).step_x
        for edge in (0, 1):  # outer corners are one pixel farther apart than centres
            steps = height / (shape[0] - 1 + edge), width / (shape[1] - 1 + edge)
            error = max(abs(step / nominal - 1) for step in steps)
            if error < best:
                best, chosen = error, (resolution, edge, steps)
    if chosen is None:
        raise _no_rectangle(lon, lat, f"no pixels of {', '.join(map(str, RESOLUTIONS_M))} m")
    resolution, edge, (step_y, step_x) = chosen
    disk = Disk(orbit.sub_longitude, left + edge * step_x / 2, top + edge * step_y / 2, step_x, step_y, *shape)
    return fy4.on_orbit(disk, orbit), resolution


def _four(file: h5py.File, name: str) -> npt.NDArray[np.float64]:
    value = np.ravel(file.attrs[name]) if name in file.attrs else np.zeros(0)
    if value.size != 4 or value.dtype.kind not in "iuf":
        raise fy4.bad_header(f"attribute {name!r}", f"{value.size} values", "4 numbers", "4 个数")
    return value.astype(np.float64)


def _sides(angles: npt.NDArray[np.float64], length: int) -> tuple[float, float] | None:
    """(lower side, length) of a rectangle along one axis [rad]; None where its corners differ by a pixel or more."""
    ordered = np.sort(angles)
    low, high = float(ordered[:2].mean()), float(ordered[2:].mean())
    pixel = (high - low) / length
    return (low, high - low) if max(ordered[1] - ordered[0], ordered[3] - ordered[2]) < pixel else None


def _no_rectangle(lon: npt.NDArray[np.float64], lat: npt.NDArray[np.float64], why: str) -> ReadError:
    found = "; ".join(f"{a:.3f} E {b:.3f} N" for a, b in zip(lon, lat, strict=True))
    return fy4.bad_header("Corner-Point attributes", f"{found}: {why}", "the corners of the image", "图像的四个角点")


FORMAT = Format(
    name="fy4-ghi",
    title_en="FY-4B GHI L1 (HDF5)",
    title_zh="风云四号 B 星 GHI 一级数据（HDF5）",
    recognise=is_hdf5,
    name_pattern=NAME,
    read=read_bytes(read_ghi),
    describe=describe,
    write=write_ghi,
    in_child=True,
    read_path=read_ghi,
    claims=claims,
)
