"""NEXRAD Level II and ODIM_H5 volumes, read with xradar, as a `Volume` of raw codes.

NEXRAD goes through xradar's file class, not through its DataTree, because the tree has one range axis a sweep: in
MSG1 files (before 2008) reflectivity has 1 km gates and velocity 250 m gates in one sweep, and the tree gives both the
1 km ones. Of xradar 0.12 these are corrected here: a first gate before the antenna (-375 m) is read as 65161 m, MSG1
spectrum width has offset 129 (as velocity; 192 there), the elevation of a cut is by its elevation number.
bzip2 blocks are opened here, with a limit, before xradar sees the bytes. ODIM files are checked for what they declare.
"""

import bz2
import io
import re
import struct
import tempfile
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr
from xradar.io import open_odim_datatree
from xradar.io.backends.nexrad_level2 import NEXRADLevel2File

from wxcore import schema
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.hdf5 import check_hdf5
from wxcore.radar.volume import ECHO, FOLDED, MISSING, NO_ECHO, Moment, Site, Sweep, Volume
from wxcore.times import from_datetime64

MAX_BYTES = 2**30
"""Most bytes that a file may declare or unpack to: 20 times the largest volume at hand (24 MB)."""

BROKEN = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, NameError, NotImplementedError,
    OSError, RuntimeError, TypeError, ValueError, struct.error,
)  # fmt: skip
"""What xradar, h5netcdf and h5py raise on damaged files (seen by flipping bits), by their common bases."""

NEXRAD_BEAM_DEG = 0.95
"""Beam width of the WSR-88D antenna: 0.925 to 0.95 deg (WSR-88D handbook)."""

_VOLUME_HEADER_BYTES, _RECORD_BYTES, _METADATA_RECORDS = 24, 2432, 134
_MOMENTS = {"REF": "DBZH", "VEL": "VRADH", "SW": "WRADH", "ZDR": "ZDR", "PHI": "PHIDP", "RHO": "RHOHV"}
_WORD_MASKS = {"PHI": 0x3FF, "ZDR": 0x7FF}
"""Bits of a 16-bit word that carry data (ICD 2620002, table XVII-I)."""
_MSG1_WIDTH_OFFSET = 129.0
_ODIM_NAMES = {"TH": "DBTH", "VRAD": "VRADH", "WRAD": "WRADH"}
_ODIM_MOMENTS = frozenset({"DBZH", "DBTH", "VRADH", "WRADH", "ZDR", "RHOHV", "PHIDP", "KDP", "SNRH", "SQIH"})
_LIGHT_CM_MHZ = 29_979.2458
"""Speed of light: frequency [MHz] x wavelength [cm]."""


def read_nexrad(data: bytes, name: str) -> Volume:
    """Read a NEXRAD Level II (Archive II) volume, MSG1 or MSG31, plain or in bzip2 blocks.

    MSG1 files carry no position: the site's is NaN, for the pipeline to fill from station_meta.

    Raises:
        ReadError: BAD_COMPRESSION, BAD_VALUE or NO_RADIALS.
        LimitError: TOO_LARGE.
    """
    plain = _whole_messages(_inflate(data))
    try:
        with NEXRADLevel2File(plain, loaddata=False) as file:
            return _nexrad_volume(file, data[20:24], name)
    except BROKEN as cause:
        raise _broken("NEXRAD Level II", cause) from cause


def read_odim(data: bytes, name: str) -> Volume:
    """Read an ODIM_H5 polar volume or scan.

    Raises:
        ReadError: BAD_VALUE, UNSUPPORTED (not polar, or not all of it in this file) or NO_RADIALS.
        LimitError: TOO_LARGE, the file declares more than MAX_BYTES, or more than check_hdf5 allows.
    """
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            check_hdf5(file, "ODIM_H5", cap_bytes=MAX_BYTES)
            attrs = {group: dict(file[group].attrs) for group in ("what", "where", "how") if group in file}
        site = _odim_site(attrs, name)
        # A name of its own each time: xarray caches open files by path, and would hand out the file before.
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # equal start and end times: said in remarks
            path = Path(folder) / "volume.h5"
            path.write_bytes(data)
            with open_odim_datatree(path, mask_and_scale=False) as tree:
                return _odim_volume(tree, site)
    except BROKEN as cause:
        raise _broken("ODIM_H5", cause) from cause


def describe(volume: Volume) -> schema.Description:
    """What the volume is, for `wx doctor`."""
    names = tuple(dict.fromkeys(name for sweep in volume.sweeps for name in sweep.moments))
    return schema.Description("volume", volume.site.id, volume.start, len(volume.sweeps), names, volume.remarks)


def _broken(what: str, cause: Exception) -> ReadError:
    detail = f"{type(cause).__name__}: {str(cause)[:200]}"
    en = f"{what}: the file cannot be decoded ({detail}): it is damaged or cut short, fetch it again"
    return ReadError(Reason.BAD_VALUE, en, f"{what}：文件无法解码（{detail}）：可能损坏或不完整，请重新获取")


def _no_radials(what: str) -> ReadError:
    en = f"{what}: no radial with a moment we know: the file was cut short, or is not a volume"
    return ReadError(Reason.NO_RADIALS, en, f"{what}：没有可用的径向数据：文件不完整或不是体扫")


def _inflate(data: bytes) -> bytes:
    """The volume with its bzip2 blocks (4-byte length, then a bzip2 stream) opened, at most MAX_BYTES."""
    if data[_VOLUME_HEADER_BYTES + 4 : _VOLUME_HEADER_BYTES + 7] != b"BZh":
        return data
    parts, position, total = [data[:_VOLUME_HEADER_BYTES]], _VOLUME_HEADER_BYTES, 0
    while position + 4 < len(data):
        (size,) = struct.unpack_from(">i", data, position)
        block = data[position + 4 : position + 4 + abs(size)]
        if len(block) < abs(size) or not block:
            break  # cut short: what is whole is read
        try:
            part = bz2.BZ2Decompressor().decompress(block, MAX_BYTES - total + 1)
        except (OSError, ValueError) as cause:
            en = f"NEXRAD Level II: bzip2 block does not decompress ({cause}): fetch the file again"
            zh = f"NEXRAD Level II：bzip2 数据块无法解压（{cause}）：请重新获取文件"
            raise ReadError(Reason.BAD_COMPRESSION, en, zh, offset=position) from cause
        total += len(part)
        if total > MAX_BYTES:
            raise _too_large("NEXRAD Level II", total)
        parts.append(part)
        position += 4 + abs(size)
    return b"".join(parts)


def _whole_messages(plain: bytes) -> bytes:
    """Without a message that is cut short at the end, for which xradar gives up the whole file."""
    position, number = _VOLUME_HEADER_BYTES, 0
    while position + 28 <= len(plain):
        halfwords, kind = struct.unpack_from(">HxB", plain, position + 12)
        shortest = 28 if kind == 31 else _RECORD_BYTES
        step = _RECORD_BYTES if number < _METADATA_RECORDS else max(2 * halfwords + 12, shortest)
        if position + step > len(plain):
            break
        position, number = position + step, number + 1
    return plain[:position]


def _too_large(what: str, found: int) -> LimitError:
    en = f"{what}: {found} bytes or more after unpacking, at most {MAX_BYTES} are decoded: damaged or hostile"
    return LimitError(Reason.TOO_LARGE, en, f"{what}：解压后至少 {found} 字节，超过上限 {MAX_BYTES}：文件损坏或恶意")


def _nexrad_volume(file: NEXRADLevel2File, icao: bytes, name: str) -> Volume:
    _ = file.data_header  # makes xradar walk through the messages
    sweeps = [_nexrad_sweep(file, number) for number in sorted(file.data)]
    kept = tuple(sweep for sweep in sweeps if sweep is not None)
    if not kept:
        raise _no_radials("NEXRAD Level II")
    incomplete = [number for number in sorted(file.data) if not file.data[number]["complete"]]
    remarks = (f"cut {', '.join(map(str, incomplete))} has no end: file cut short",) if incomplete else ()
    constants = file.msg_31_data_header[0]["msg_31_data_header"]["VOL"]
    vcp = constants.get("vcp", constants.get("volume_coverage_pattern", 0))
    return Volume(
        format=NEXRAD.name,
        site=_nexrad_site(constants, icao, name),
        start=from_datetime64(min(sweep.time.min() for sweep in kept)),
        task=f"VCP-{vcp}",
        sweeps=kept,
        remarks=remarks,
    )


def _nexrad_site(constants: dict[str, Any], icao: bytes, name: str) -> Site:
    """The header's ICAO, else the name's; the position where MSG31 gives one."""
    code = icao.decode("ascii", errors="replace").strip(" \0")
    if not re.fullmatch(r"[A-Z][A-Z0-9]{3}", code):
        found = re.search(r"(?<![A-Z0-9])([A-Z]{4})_?(?=\d{8})", name)
        code = found[1] if found else ""
    lat, lon = float(constants["lat"]), float(constants["lon"])
    height = float(constants["height"]) + float(constants["feedhorn_height"])
    if lat == 0 and lon == 0:
        lat = lon = height = np.nan
    return Site(code, code, lat, lon, height, beam_width_deg=NEXRAD_BEAM_DEG)


def _nexrad_sweep(file: NEXRADLevel2File, number: int) -> Sweep | None:
    """One cut, or None where it holds no moment that we know."""
    header = file.msg_31_data_header[number]
    blocks, first_message = header["msg_31_data_header"], header["msg_type"] == 1
    rays = file.msg_31_header[number]
    moments: dict[str, Moment] = {}
    for key, block in list(blocks.items()):  # xradar takes them out as they are read
        target = _MOMENTS.get(key.strip())
        if target is None or "data_offset" not in block or not block["ngates"]:
            continue
        file.get_moment(number, key, "sweep_data")
        file.get_data(number, key)
        codes = np.vstack(file.data[number]["sweep_data"][key]["data"])[: len(rays)]
        moments[target] = _nexrad_moment(codes, block, key.strip(), first_message=first_message)
    if not moments or not rays:
        return None
    if any(moment.codes.shape[0] != len(rays) for moment in moments.values()):
        raise ValueError(f"moments of cut {number} lack rays")
    scale = 180 / (4096 * 8) if first_message else 1.0
    azimuth = np.array([ray["azimuth_angle"] for ray in rays]) * scale
    elevation = np.array([ray["elevation_angle"] for ray in rays]) * scale
    if not (np.isfinite(azimuth).all() and np.abs(elevation).max() <= 100):
        raise ValueError(f"angles of cut {number} are not angles")
    milliseconds = np.array([(ray["collect_date"] - 1) * 86_400_000 + ray["collect_ms"] for ray in rays])
    nyquist = rays[0]["nyquist_vel"] if first_message else blocks.get("RAD", {}).get("nyquist_vel", 0)
    return Sweep(
        fixed_angle=_fixed_angle(file, rays[0]["elevation_number"], float(np.median(elevation))),
        azimuth=(azimuth % 360).astype(np.float32),
        elevation=elevation.astype(np.float32),
        time=milliseconds.astype("datetime64[ms]").astype("datetime64[ns]"),
        nyquist=nyquist / 100 if nyquist > 0 else np.nan,
        moments=moments,
    )


def _fixed_angle(file: NEXRADLevel2File, elevation_number: int, measured: float) -> float:
    """The plan's elevation of this number where it agrees with the rays, else theirs."""
    cuts = (file.msg_5 or {}).get("elevation_data", [])
    if 0 < elevation_number <= len(cuts):
        planned = float(cuts[elevation_number - 1]["elevation_angle"])
        if abs(planned - measured) < 0.3:
            return planned
    return measured


def _nexrad_moment(codes: npt.NDArray[Any], block: dict[str, Any], key: str, *, first_message: bool) -> Moment:
    """Codes 0 below threshold, 1 range folded (ICD 2620002, table XVII-I)."""
    scale, offset, first, gate = block["scale"], block["offset"], block["first_gate"], block["gate_spacing"]
    if first_message:
        first = first - 65536 if first >= 32768 else first
        offset = _MSG1_WIDTH_OFFSET if key == "SW" else offset
    if not (np.isfinite(scale) and np.isfinite(offset) and scale > 0 and gate > 0):
        raise ValueError(f"{key}: scale {scale}, offset {offset}, gate {gate} m")
    if codes.dtype.itemsize == 2:
        codes = codes & np.uint16(_WORD_MASKS.get(key, 0xFFFF))
    classes = np.full(256**codes.dtype.itemsize, ECHO, dtype=np.uint8)
    classes[0], classes[1] = NO_ECHO, FOLDED
    native = np.ascontiguousarray(codes, dtype=codes.dtype.newbyteorder("="))
    return Moment(native, float(scale), float(offset), float(first), float(gate), classes)


def _text(value: object) -> str:
    return value.decode("utf-8", errors="replace").strip("\0 ") if isinstance(value, bytes) else str(value)


def _odim_site(attrs: dict[str, dict[str, Any]], name: str) -> Site:
    """The id in what/source, by preference the radar's, the node's, the WMO number's; then the place's name."""
    what, where, how = attrs.get("what", {}), attrs.get("where", {}), attrs.get("how", {})
    kind = _text(what.get("object", ""))
    if kind not in {"PVOL", "SCAN"}:
        en = f"ODIM_H5 object {kind!r}: only polar volumes and scans (PVOL, SCAN) are read"
        zh = f"ODIM_H5 对象类型 {kind!r}：只支持极坐标体扫和单层扫描（PVOL、SCAN）"
        raise ReadError(Reason.UNSUPPORTED, en, zh)
    source = dict(part.split(":", 1) for part in _text(what.get("source", "")).split(",") if ":" in part)
    code = next((source[key] for key in ("RAD", "NOD", "WMO", "WIGOS", "PLC") if source.get(key)), Path(name).stem)
    lat, lon, height = (float(where.get(key, np.nan)) for key in ("lat", "lon", "height"))
    wavelength, beam = float(how.get("wavelength", np.nan)), float(how.get("beamwH", how.get("beamwidth", 1.0)))
    return Site(
        id=code,
        name=source.get("PLC", code),
        latitude=lat,
        longitude=lon,
        altitude_m=height,
        frequency_mhz=_LIGHT_CM_MHZ / wavelength if wavelength > 0 else np.nan,
        beam_width_deg=beam if 0.1 <= beam <= 10 else 1.0,
    )


def _odim_volume(tree: xr.DataTree, site: Site) -> Volume:
    groups = sorted((key for key in tree.children if key.startswith("sweep_")), key=lambda key: int(key[6:]))
    skipped: dict[str, None] = {}
    sweeps = (_odim_sweep(tree[key].to_dataset(), skipped) for key in groups)
    kept = tuple(sweep for sweep in sweeps if sweep is not None)
    if not kept:
        raise _no_radials("ODIM_H5")
    remarks: tuple[str, ...] = (f"not taken over: {', '.join(skipped)}",) if skipped else ()
    if all((sweep.time == sweep.time[0]).all() for sweep in kept):
        remarks += ("one time a sweep: the rays' times are not in the file",)
    start = from_datetime64(min(sweep.time.min() for sweep in kept))
    return Volume(ODIM.name, site, start, _text(tree.attrs.get("Conventions", "")), kept, remarks)


def _odim_sweep(ds: xr.Dataset, skipped: dict[str, None]) -> Sweep | None:
    order = np.argsort(ds["time"].to_numpy(), kind="stable")
    gates = ds["range"].to_numpy().astype(np.float64)
    if gates.size < 2 or not order.size:
        return None
    moments: dict[str, Moment] = {}
    for key, array in ds.data_vars.items():
        name = _ODIM_NAMES.get(str(key), str(key))
        if array.ndim == 2 and name in _ODIM_MOMENTS:
            moments[name] = _odim_moment(array, order, float(gates[0]), float(gates[1] - gates[0]))
        elif array.ndim == 2:
            skipped[str(key)] = None
    if not moments:
        return None
    limit = ds["nyquist_velocity"].item() if "nyquist_velocity" in ds else None
    return Sweep(
        fixed_angle=float(ds["sweep_fixed_angle"]),
        azimuth=ds["azimuth"].to_numpy()[order].astype(np.float32),
        elevation=ds["elevation"].to_numpy()[order].astype(np.float32),
        time=ds["time"].to_numpy()[order].astype("datetime64[ns]"),
        nyquist=float(limit) if isinstance(limit, int | float) and limit > 0 else np.nan,
        moments=moments,
    )


def _odim_moment(array: xr.DataArray, order: npt.NDArray[np.intp], first_gate_m: float, gate_m: float) -> Moment:
    """Codes of ODIM: `undetect` is no echo, `nodata` missing; where both are one code, it is no echo."""
    raw = array.to_numpy()[order]
    gain, offset = float(array.attrs.get("scale_factor", 1.0)), float(array.attrs.get("add_offset", 0.0))
    nodata, undetect = (float(array.attrs.get(key, np.nan)) for key in ("_FillValue", "_Undetect"))
    if not (np.isfinite([gain, offset]).all() and gain != 0):
        raise ValueError(f"{array.name}: gain {gain}, offset {offset}")
    if raw.dtype.kind == "u" and raw.dtype.itemsize <= 2:
        codes = np.ascontiguousarray(raw, dtype=raw.dtype.newbyteorder("="))
        classes = np.full(256**codes.dtype.itemsize, ECHO, dtype=np.uint8)
        for code, label in ((nodata, MISSING), (undetect, NO_ECHO)):
            if 0 <= code < classes.size and code.is_integer():
                classes[int(code)] = label
        return Moment(codes, 1 / gain, -offset / gain, first_gate_m, gate_m, classes)
    values = raw.astype(np.float64)
    state = np.where(~np.isfinite(values) | (values == nodata), MISSING, ECHO)
    state[values == undetect] = NO_ECHO
    return _requantise(values * gain + offset, state, first_gate_m, gate_m)


def _requantise(values: npt.NDArray[np.float64], state: npt.NDArray[Any], first_gate_m: float, gate_m: float) -> Moment:
    """Values to u2 codes: 0 missing, 1 no echo, the range of the values over codes 2 to 65535."""
    seen = values[state == ECHO]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    step = max((high - low) / 65533, 1e-6)
    codes = np.where(state == ECHO, np.round((values - low) / step) + 2, np.where(state == NO_ECHO, 1, 0))
    classes = np.full(65536, ECHO, dtype=np.uint8)
    classes[0], classes[1] = MISSING, NO_ECHO
    return Moment(codes.astype(np.uint16), 1 / step, 2 - low / step, first_gate_m, gate_m, classes)


def is_odim(head: bytes) -> bool:
    """HDF5 whose start names ODIM_H5, or its first dataset group (files without the attribute Conventions)."""
    return head.startswith(b"\x89HDF\r\n\x1a\n") and (b"ODIM_H5" in head or b"dataset1" in head)


NEXRAD = schema.Format(
    name="nexrad-level2",
    title_en="NEXRAD Level II volume",
    title_zh="NEXRAD Level II 体扫",
    recognise=lambda head: head.startswith((b"AR2V", b"ARCHIVE2")),
    name_pattern=re.compile(r"^(Level2_)?[A-Z]{4}_?\d{8}"),
    read=read_nexrad,
    describe=describe,
    in_child=True,
)
ODIM = schema.Format(
    name="odim-h5",
    title_en="ODIM_H5 polar volume",
    title_zh="ODIM_H5 极坐标体扫",
    recognise=is_odim,
    name_pattern=re.compile(r"\.(h5|hdf|hdf5)$", re.IGNORECASE),
    read=read_odim,
    describe=describe,
    in_child=True,
)
FORMATS = (NEXRAD, ODIM)
