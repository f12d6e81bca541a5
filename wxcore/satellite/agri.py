"""FY-4A and FY-4B AGRI L1 in HDF5, 500 to 4000 m, full disk or a region (FORMATS.md B, DOMAIN.md 7.3).

Met with real data: FY-4B 4 km (a real scene in a container that was rebuilt, DATA.md). FY-4A and the other resolutions
are read by the published structure only. FY-4C is recognised and refused: its format is unverified.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import h5py

from wxcore.errors import ReadError, Reason
from wxcore.hdf5 import is_hdf5, open_checked, read_bytes
from wxcore.satellite import fy4
from wxcore.satellite.agri_write import write_agri
from wxcore.satellite.files import HDF5_CAP_BYTES, attribute_number, attribute_text
from wxcore.satellite.fy4_counts import read_channels
from wxcore.satellite.geometry import GEOS_COFF, Disk, Viewpoint, fy4_disk
from wxcore.satellite.scene import Band, Scene, describe
from wxcore.schema import Box, Format

WHAT = "FY-4 AGRI L1"

WAVELENGTHS_UM: dict[str, dict[int, float]] = {
    "FY-4A": {1: 0.47, 2: 0.65, 3: 0.83, 4: 1.37, 5: 1.61, 6: 2.22, 7: 3.72, 8: 3.72, 9: 6.25, 10: 7.1, 11: 8.5,
              12: 10.8, 13: 12.0, 14: 13.5},
    "FY-4B": {1: 0.47, 2: 0.65, 3: 0.83, 4: 1.37, 5: 1.61, 6: 2.22, 7: 3.72, 8: 3.72, 9: 6.25, 10: 6.95, 11: 7.42,
              12: 8.5, 13: 10.8, 14: 12.0, 15: 13.5},
}  # fmt: skip
"""Wavelength of each channel's name, by satellite (FORMATS.md B)."""

HIGH_GAIN, LOW_GAIN = 7, 8
"""Both at 3.7 um. C07 is made for fires, C08 for clouds: C07 is taken only where a file has no C08 (2 km)."""

DISABLED = ("FY-4C",)
RESOLUTIONS_M = (500, 1000, 2000, 4000)
FINEST_M = {2: 500, 1: 1000, 3: 1000, 4: 2000, 5: 2000, 6: 2000, 7: 2000}
"""Resolution at which a channel first appears; the others are at 4000 m only."""

NAME = re.compile(
    r"FY4(?P<sat>[ABC])-_AGRI--_N_(?P<area>DISK|REGC|REGX)_(?P<lon>\d{4})E_L1-_FDI-_\w{4}_NOM_(?P<t>\d{14})_\d{14}"
    r"_(?P<res>\d{4})M_V\d+\.(?i:hdf)"
)
"""Operational names; the time is UTC and the nominal start."""

_LAYER = re.compile(r"(\d+(?:\.\d+)?) ?(km|m) image", re.IGNORECASE)
_ANGLES = ("NOMSatelliteZenith", "NOMSunZenith", "ColumnNumber")


def claims(file: h5py.File) -> bool:
    """Is it AGRI L1: NOMChannelNN, or the angles of its GEO twin, of a sensor AGRI (or one that is not named)?"""
    sensor = fy4.sensor(file)
    if sensor == "AGRI":
        return bool(fy4.channel_numbers(file)) or _is_geo(file)
    return not sensor and "Corner-Point Latitudes" not in file.attrs and bool(fy4.channel_numbers(file))


def read_agri(path: Path, name: str, box: Box | None = None, bands: Sequence[Band] = ()) -> Scene:
    """Read the lines and columns over a box.

    Args:
        path: of the uncompressed file; name: its base name, for what the file does not say and for comparison.
        box: (west, south, east, north) [deg]; None: everything.
        bands: channels outside of all of these are not read; none given: all are.

    Returns:
        All channels, reflectance (1 = 100 %) below 3 um, brightness temperature [K] above, by look-up table.

    Raises:
        ReadError: UNSUPPORTED (FY-4C, another satellite, the GEO twin), BAD_HEADER, BAD_VALUE, TRUNCATED,
            OUTSIDE_REGION.
    """
    with open_checked(path, name, WHAT, cap_bytes=HDF5_CAP_BYTES) as file:
        return _read(file, name, box, bands)


def _read(file: h5py.File, name: str, box: Box | None, bands: Sequence[Band]) -> Scene:
    platform = fy4.platform(file, name)
    _check_supported(file, platform)
    numbers = fy4.channel_numbers(file)
    if not numbers:
        raise fy4.bad_header("datasets", "no NOMChannelNN", "at least one", "至少一个 NOMChannelNN")
    shape = fy4.image_shape(file, numbers)
    parsed = NAME.search(name)
    orbit, remarks = fy4.orbit(file, int(parsed["lon"]) / 10 if parsed else None)
    resolution = _resolution(file, numbers, shape, int(parsed["res"]) if parsed else 0)
    if parsed and int(parsed["res"]) != resolution:
        remarks.append(f"the name says {parsed['res']} m, the file {resolution} m: the file is believed")
    if parsed and platform != f"FY-4{parsed['sat']}":
        remarks.append(f"the name says FY-4{parsed['sat']}, the file {platform}: the file is believed")
    start, end = fy4.scan_times(file)
    disk = _disk(file, resolution, shape, orbit)
    rows, columns = fy4.window(disk, box)
    kept = [number for number in numbers if number != HIGH_GAIN or LOW_GAIN not in numbers]
    channels, more = read_channels(file, kept, WAVELENGTHS_UM[platform], shape, (rows, columns), bands)
    part = disk.window(rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)
    return Scene(
        format=FORMAT.name, platform=platform, instrument="AGRI", resolution_m=resolution, start=start, end=end,
        channels=channels, geometry=part, line_offset_s=fy4.line_offsets(start, end, shape[0], rows),
        bad_lines=fy4.count_bad_lines(channels, part), simulated=fy4.is_simulated(file),
        remarks=(*remarks, *more),
    )  # fmt: skip


def _is_geo(file: h5py.File) -> bool:
    return any(fy4.member(file, fy4.NAVIGATION, name) is not None for name in _ANGLES)


def _check_supported(file: h5py.File, platform: str) -> None:
    if platform in DISABLED:
        raise ReadError(
            Reason.UNSUPPORTED,
            f"{WHAT}: {platform} is registered but disabled: the format of its files is unverified; send us one",
            f"{WHAT}：{platform} 已登记但未启用：其文件格式尚未核实，请提供样例文件",
        )
    if platform not in WAVELENGTHS_UM:
        known = ", ".join(WAVELENGTHS_UM)
        raise ReadError(
            Reason.UNSUPPORTED,
            f"{WHAT}: attribute 'Satellite Name': found {platform or 'nothing'!r}, expected {known}",
            f"{WHAT}：属性 'Satellite Name'：实为 {platform or '空'!r}，应为 {known}",
        )
    if not fy4.channel_numbers(file) and _is_geo(file):
        raise ReadError(
            Reason.UNSUPPORTED,
            f"{WHAT}: this is the GEO twin (angles only); it is not needed: places are computed. Give the FDI file",
            f"{WHAT}：这是 GEO 角度文件，无需提供（定位由计算得出），请提供 FDI 文件",
        )


def _resolution(file: h5py.File, numbers: list[int], shape: tuple[int, int], said: int) -> int:
    """Nominal pixel [m]: by a full disk's size, else a dataset's own word, else the name's (`said`), else channels."""
    for resolution in RESOLUTIONS_M:
        if shape == _full(resolution):
            return resolution
    for number in numbers:
        data = fy4.member(file, fy4.DATA, f"NOMChannel{number:02d}")
        match = _LAYER.search(attribute_text(data, "long_name") or "") if data is not None else None
        found = round(float(match[1]) * (1000 if match[2].lower() == "km" else 1)) if match else 0
        if found in RESOLUTIONS_M:
            return found
    if said in RESOLUTIONS_M:
        return said
    return max(FINEST_M.get(number, RESOLUTIONS_M[-1]) for number in numbers)


def _full(resolution: int) -> tuple[int, int]:
    size = round(2 * GEOS_COFF[resolution] + 1)
    return size, size


def _disk(file: h5py.File, resolution: int, shape: tuple[int, int], orbit: Viewpoint) -> Disk:
    """The image as a part of the full disk: by Begin Line and Pixel Number, which a full disk does not need."""
    full = fy4.on_orbit(fy4_disk(resolution, orbit.sub_longitude), orbit)
    if shape == full.shape:
        return full
    begins = []
    for what, length, size in zip(("Line", "Pixel"), shape, full.shape, strict=True):
        begin, end = (attribute_number(file, f"{which} {what} Number") for which in ("Begin", "End"))
        if begin is None and end is not None:
            begin = end - length + 1
        if begin is None or not 0 <= begin <= size - length or (end is not None and end - begin + 1 != length):
            raise fy4.bad_header(f"attributes 'Begin/End {what} Number'", f"{begin} to {end}",
                                 f"{length} of {size}", f"{size} 中的 {length} 个")  # fmt: skip
        begins.append(round(begin))
    return full.window(begins[0], begins[1], *shape)


FORMAT = Format(
    name="fy4-agri",
    title_en="FY-4A/B AGRI L1 (HDF5)",
    title_zh="风云四号 A/B 星 AGRI 一级数据（HDF5）",
    recognise=is_hdf5,
    name_pattern=NAME,
    read=read_bytes(read_agri),
    describe=describe,
    write=write_agri,
    in_child=True,
    read_path=read_agri,
    claims=claims,
)
