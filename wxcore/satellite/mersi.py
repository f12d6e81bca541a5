"""FY-3 MERSI L1B (FY-3D MERSI-2, 3E MERSI-LL, 3F MERSI-3, 3G MERSI-RM) and its geolocation files: HDF5, FORMATS.md B.

This reader has never met a real file: none is at hand. It was written from FORMATS.md B and DOMAIN.md 7.5 and is tested
against `mersi_write`, which was written from the same pages.

Infrared: radiance = count x Slope + Intercept [mW m-2 sr-1 cm], Planck's law at the band's effective wavelength, then
(T - B) / A. The file's own wavelengths are taken ("Effect_Center_WaveLength"; FY-3D says 10.714 um where tables say
10.8: 0.8 K at 300 K). Reflective: c0 + c1 count + c2 count^2, not divided by the cosine of the sun's zenith distance.
The infrared is why we read: a reflective dataset that is missing or odd is left out with a remark.

Scans overlap towards the rim (bow-tie): 10 lines a turn at 1 km, 40 at 250 m. Nothing is trimmed: each pixel has its
own place, and nearest-neighbour mapping copes. Lines are timed evenly from begin to end, though those of a turn are
simultaneous (1.5 s a turn [M]).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.hdf5 import is_hdf5, open_checked, read_bytes
from wxcore.satellite.files import HDF5_CAP_BYTES, attribute_text, observing_time
from wxcore.satellite.mersi_bands import Bands, bad_lines
from wxcore.satellite.mersi_places import WHAT, Window, error, find_places, find_window
from wxcore.satellite.mersi_tables import DISABLED, VARIANTS, variant_of
from wxcore.satellite.mersi_write import write, write_geolocation
from wxcore.satellite.scene import BRIGHTNESS_TEMPERATURE, Geolocation, Scene, describe

NAME, PLACES_NAME = "fy3-mersi", "fy3-geolocation"

MAX_START_DIFFERENCE_S = 60.0
"""A pass and its geolocation start together; another granule is 5 minutes away [M] [our choice]."""
MAX_PASS_S = 3 * 3600.0
"""An orbit takes 102 minutes: a file that says more has a wrong time [our choice]."""
_PLATFORM = re.compile(r"FY-?3([A-H])", re.IGNORECASE)
_PLACES_CODE = re.compile(r"_(GEO1K|GEOQK|GEOHK)", re.IGNORECASE)
_NO_PLACES = "no longitudes of its own: read it together with its geolocation file"


@dataclass(frozen=True)
class _Head:
    platform: str
    start: datetime
    end: datetime
    simulated: bool


def read_path(path: Path, name: str, box: schema.Box | None) -> Scene | Geolocation:
    """Read an L1B file, or look at a geolocation file.

    Args:
        path: of the uncompressed file; name: base name, whose satellite must be that of the file.
        box: (west, south, east, north) [deg]; only lines and columns over it and MARGIN_DEG are read. None: all.

    Returns:
        A Geolocation for a geolocation file. Else a Scene, geometry a Swath; where the L1B file has no longitudes of
        its shape (`needs_geolocation`): geometry None and channels with empty (0, 0) values, for `read_pass`.

    Raises:
        ReadError: BAD_HEADER, BAD_VALUE, TRUNCATED, NAME_MISMATCH; UNSUPPORTED (FY-3H and other satellites);
            OUTSIDE_REGION where no pixel with a known place is in the box.
    """
    with open_checked(path, name, WHAT, cap_bytes=HDF5_CAP_BYTES) as file:
        head = _head(file, name)
        if _is_places(file):
            return _geolocation(file, name, head, box)
        scan = _open_pass(file, name, head)
        places = find_places(file, name)
        if places is not None and places[0].shape == scan.shape:
            return _scene(scan, head, find_window(*places, box, name))
        if places is not None:
            scan.remark(f"longitudes {places[0].shape} are not of the data's shape {scan.shape}")
        scan.remark(_NO_PLACES)
        return _scene(scan, head, None)


def read_pass(path: Path, geolocation_path: Path, name: str, box: schema.Box | None) -> Scene:
    """Read an L1B file at the places that its geolocation file says; arguments and errors as of `read_path`.

    Raises:
        ReadError: also BAD_HEADER (another satellite, or starts more than MAX_START_DIFFERENCE_S apart) and BAD_VALUE
            (another shape) where the files do not belong together.
    """
    twin = geolocation_path.name
    with open_checked(geolocation_path, twin, WHAT, cap_bytes=HDF5_CAP_BYTES) as file:
        other = _head(file, twin)
        places = find_places(file, twin)
        if places is None:
            raise error(Reason.BAD_HEADER, twin, "Longitude, Latitude", "neither at the root nor in Geolocation/",
                        "both", "根目录和 Geolocation/ 均无经纬度数据集")  # fmt: skip
        shape, window = places[0].shape, find_window(*places, box, twin)
    with open_checked(path, name, WHAT, cap_bytes=HDF5_CAP_BYTES) as file:
        head = _head(file, name)
        scan = _open_pass(file, name, head)
        apart_s = abs((head.start - other.start).total_seconds())
        if head.platform != other.platform:
            raise error(Reason.BAD_HEADER, name, "Satellite Name", head.platform, f"{other.platform} as {twin} says",
                        f"数据文件为 {head.platform}，定位文件为 {other.platform}")  # fmt: skip
        if apart_s > MAX_START_DIFFERENCE_S:
            raise error(Reason.BAD_HEADER, name, "Observing Beginning", f"{apart_s:.0f} s from that of {twin}",
                        f"at most {MAX_START_DIFFERENCE_S:.0f} s", f"起始时间差 {apart_s:.0f} 秒")  # fmt: skip
        if scan.shape != shape:
            raise error(Reason.BAD_VALUE, name, "lines x columns", f"{scan.shape}", f"{shape} as {twin} has",
                        f"数据 {scan.shape} 与定位 {shape} 大小不同")  # fmt: skip
        return _scene(scan, head, window)


def needs_geolocation(scene: Scene) -> bool:
    """Must this scene be read again by `read_pass`, when its geolocation file has come?"""
    return scene.format == NAME and scene.geometry is None


def _head(file: h5py.File, name: str) -> _Head:
    said = attribute_text(file, "Satellite Name")
    inside, outside = (_PLATFORM.search(text or "") for text in (said, name))
    known = inside or outside
    if known is None:
        raise error(Reason.BAD_HEADER, name, "Satellite Name", f"{(said or '')[:40]!r}", "FY-3D, 3E, 3F or 3G",
                    "未标明卫星")  # fmt: skip
    platform = f"FY-3{known[1].upper()}"
    if inside and outside and inside[1].upper() != outside[1].upper():
        raise error(Reason.NAME_MISMATCH, name, "Satellite Name", platform, "the satellite of the name",
                    f"文件内为 {platform}，与文件名不符")  # fmt: skip
    if platform in DISABLED or all(variant.platform != platform for variant in VARIANTS):
        why = DISABLED.get(platform, "only MERSI of FY-3D, 3E, 3F and 3G is")
        raise ReadError(
            Reason.UNSUPPORTED,
            f"{name}: MERSI of {platform} is not read: {why}; nothing to do but wait for a wxcore that can",
            f"{name}：暂不支持 {platform} MERSI（{'格式未经验证' if platform in DISABLED else '只支持 FY-3D/E/F/G'}）",
        )
    sensor = attribute_text(file, "Sensor Identification Code")
    if sensor is not None and "MERSI" not in sensor.upper():
        raise error(Reason.BAD_HEADER, name, "Sensor Identification Code", repr(sensor[:40]), "MERSI",
                    f"仪器为 {sensor[:40]}")  # fmt: skip
    start, end = observing_time(file, "Beginning"), observing_time(file, "Ending")
    if not 0 <= (end - start).total_seconds() <= MAX_PASS_S:
        raise error(Reason.BAD_HEADER, name, "Observing Ending Date/Time", f"{end:%Y-%m-%d %H:%M:%S}",
                    f"up to 3 hours after {start:%Y-%m-%d %H:%M:%S}", "观测结束时间与开始时间矛盾")  # fmt: skip
    simulated = attribute_text(file, schema.SIMULATED_ATTRIBUTE) == schema.SIMULATED_MARK
    return _Head(platform, start, end, simulated)


def _is_places(file: h5py.File) -> bool:
    """Is it a geolocation file, by its groups?"""
    return "Data" not in file and any(f"{group}Longitude" in file for group in ("Geolocation/", ""))


def _geolocation(file: h5py.File, name: str, head: _Head, box: schema.Box | None) -> Geolocation:
    places = find_places(file, name)
    if places is None:
        raise error(Reason.BAD_HEADER, name, "Latitude", "none beside Longitude", "both", "只有经度没有纬度")
    code = _PLACES_CODE.search(name)
    if code is not None:
        resolution = {"GEO1K": 1000, "GEOQK": 250, "GEOHK": 500}[code[1].upper()]
    else:
        resolution = 500 if head.platform == "FY-3G" else 250 if places[0].parent.name == "/" else 1000
    variant = variant_of(head.platform, resolution)
    if variant is None:
        raise error(Reason.NAME_MISMATCH, name, "resolution", f"{resolution} m", f"one of {head.platform}",
                    f"{head.platform} 没有 {resolution} 米分辨率")  # fmt: skip
    if box is not None:
        find_window(*places, box, name)
    return Geolocation(
        PLACES_NAME, head.platform, variant.instrument, variant.resolution_m, head.start, head.end, places[0].shape
    )


def _open_pass(file: h5py.File, name: str, head: _Head) -> Bands:
    """Which kind of L1B it is, by its infrared datasets; and the shape of its first one."""
    for variant in VARIANTS:
        infrared = [plane.dataset for plane in variant.planes if plane.quantity == BRIGHTNESS_TEMPERATURE]
        there = [data for data in map(file.get, infrared) if isinstance(data, h5py.Dataset)]
        if variant.platform == head.platform and there:
            return Bands(file, name, variant, there[0].shape[-2:])
    wanted = [
        plane.dataset for variant in VARIANTS if variant.platform == head.platform for plane in variant.planes[-1:]
    ]
    raise error(Reason.BAD_HEADER, name, " or ".join(wanted), "none", f"an infrared dataset of {head.platform}",
                f"没有 {head.platform} 的红外数据集")  # fmt: skip


def _scene(bands: Bands, head: _Head, window: Window | None) -> Scene:
    """The pass over the window; None: what it has, without pixels."""
    variant, lines = bands.variant, bands.shape[0]
    channels = tuple(sorted(bands.channels(window), key=lambda channel: channel.wavelength_um))
    if lines % variant.rows_per_scan:
        bands.remark(f"{lines} lines are not whole scans of {variant.rows_per_scan}")
    offsets, bad = np.zeros(0), 0
    if window is not None:
        middles = np.arange(window.lines.start, window.lines.stop) + 0.5
        offsets = (head.end - head.start).total_seconds() * middles / lines
        bad = bad_lines(channels, window.swath)
    return Scene(
        NAME, head.platform, variant.instrument, variant.resolution_m, head.start, head.end, channels,
        None if window is None else window.swath, offsets, bad, head.simulated, tuple(bands.remarks),
    )  # fmt: skip


def _claims(file: h5py.File, *, places: bool) -> bool:
    said = _PLATFORM.search(attribute_text(file, "Satellite Name") or "")
    sensor = (attribute_text(file, "Sensor Identification Code") or "").upper()
    platforms = {*DISABLED, *(variant.platform for variant in VARIANTS)}
    platform = f"FY-3{said[1].upper()}" if said else ""
    if (platform and platform not in platforms) or "MERSI" not in (sensor or "MERSI"):
        return False
    if places or _is_places(file):
        return places and _is_places(file) and bool(sensor and platform)
    bands = any(plane.dataset in file for variant in VARIANTS for plane in variant.planes)
    return platform in DISABLED or (bands and bool(sensor or platform))


_DATE = r"(?:tf\d{13}\.FY3[DEFGH]-[A-Z]_MERSI_|FY3[DEFGH]_(?:MERSI_(?:GBAL|GRAN|ORBT)_L1_\d{8}_\d{4}_|[\d_]+_MERSI_))"

FORMATS: tuple[schema.Format, ...] = (
    schema.Format(
        name=NAME,
        title_en="FY-3 MERSI L1B (FY-3D, 3E, 3F, 3G)",
        title_zh="风云三号 MERSI L1B（FY-3D、3E、3F、3G）",
        recognise=is_hdf5,
        name_pattern=re.compile(rf"^{_DATE}(?:1000|0500|0250)M_(?:L1B|MS|V\d)\.HDF5?$", re.IGNORECASE),
        read=read_bytes(read_path),
        describe=describe,
        write=write,
        in_child=True,
        read_path=read_path,
        claims=lambda file: _claims(file, places=False),
    ),
    schema.Format(
        name=PLACES_NAME,
        title_en="FY-3 MERSI geolocation",
        title_zh="风云三号 MERSI 定位文件",
        recognise=is_hdf5,
        name_pattern=re.compile(rf"^{_DATE}GEO(?:1K|HK|QK)_(?:L1B|MS|V\d)\.HDF5?$", re.IGNORECASE),
        read=read_bytes(read_path),
        describe=describe,
        write=write_geolocation,
        in_child=True,
        read_path=read_path,
        claims=lambda file: _claims(file, places=True),
    ),
)
"""Pass files and their geolocation. FY-3H is among the names, and refused: its format is unverified."""
