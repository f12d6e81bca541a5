"""CMA radar mosaics in the "MOC" v3 format (FORMATS.md A.6): national composite reflectivity and other 2-D products.

256-byte little-endian header, then int16, row 0 north. The header's S, W, N, E are the outer edges of the cells
(checked on real files: (E - W) / dx is exactly nx), so the centre of cell i is W + (i + 0.5) dx.

Codes of reflectivity: -32768 no coverage; -128 x scale covered without echo; values from MIN_DBZ on are echo, the
weakest being real (-30.5 dBZ seen); everything else comes from averaging codes with values, and is no data.
"""

import bz2
import re
import struct
import zlib
from datetime import UTC, datetime, timedelta

import numpy as np
import xarray as xr

from wxcore import schema
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.radar.regrid import MAX_DBZ, MIN_DBZ, GridField, describe, to_dataset
from wxcore.radar.volume import ECHO, MISSING, NO_ECHO

NO_ECHO_VALUE = -128.0
"""Value that the code of "covered, no echo" stands for: -1280 at the scale of 10 of every file seen."""

MAX_CELLS = 100_000_000
"""Most cells we decode: four times the national mosaic at 0.01 degree (26 million)."""

_HEADER = struct.Struct("<4s4xi4x8s64siii6HIHHI10iHHiiH")
_HEADER_BYTES = 256
_COMPOSITES = frozenset({"CREF", "CR", "MCR"})
_NONE, _BZ2, _ZIP, _LZW = 0, 1, 2, 3
_UNITS = {"CREF": "dBZ", "CR": "dBZ", "MCR": "dBZ", "CAP": "dBZ", "CAPPI": "dBZ", "VIL": "kg m-2", "OHP": "mm"}
_NAME_TIME = re.compile(r"_(\d{8})_(\d{6})(?=\D|$)")


def read_moc(data: bytes, name: str) -> GridField:
    """Read a MOC mosaic.

    Args:
        data: the whole file, decompressed from outside (the body has its own compression).
        name: base name, compared with the header's time.

    Returns:
        Codes (1, lat, lon) int16, row 0 south; kind "composite" for reflectivity, else "product".

    Raises:
        ReadError: TRUNCATED, BAD_HEADER, BAD_COMPRESSION or UNSUPPORTED.
        LimitError: TOO_LARGE.
    """
    _check_header(len(data))
    head = _HEADER.unpack_from(data)
    size, code, position, length = head[1], head[2], head[4], head[5]
    time = _time(head[6], head[7:13])
    edges, n_lon, n_lat, d_lon, d_lat = head[17:21], head[23], head[24], head[25] / 1e4, head[26] / 1e4
    height, compression, radars, scale = head[27], head[28], head[29], head[31]
    product = code.rstrip(b"\0 ").decode("ascii", errors="replace").strip() or "unknown"
    _check_size(n_lon, n_lat)
    west, south = _south_west_centre(edges, (n_lon, n_lat), (d_lon, d_lat))
    if scale == 0:
        raise _bad_header("scale@176", "0", "a divisor of the codes")
    _check_extent(len(data), size, position, length)
    body = _decompress(data[position : position + length], compression, 2 * n_lon * n_lat, position)
    codes = np.frombuffer(body, dtype="<i2").reshape(1, n_lat, n_lon)[:, ::-1, :]
    composite = product in _COMPOSITES
    return GridField(
        format=FORMAT.name,
        kind="composite" if composite else "product",
        product=product,
        units=_UNITS.get(product, ""),
        time=time,
        lon_west=west,
        lat_south=south,
        d_lon=d_lon,
        d_lat=d_lat,
        heights_m=(float(height),) if height and not composite else (),
        codes=codes,
        scale=float(scale),
        offset=0.0,
        classes=_classes(scale, reflectivity=_UNITS.get(product) == "dBZ"),
        no_echo=schema.NO_ECHO_DBZ if composite else np.nan,
        radar_count=max(radars, 0),
        remarks=_name_remarks(name, time),
    )


def read_moc_dataset(data: bytes, name: str, crop: tuple[float, float, float, float] | None = None) -> xr.Dataset:
    """`read_moc` as a Dataset (lat, lon) of float32; `crop` (west, south, east, north) keeps that box only."""
    return to_dataset(read_moc(data, name), crop)


def write_moc(field: GridField) -> bytes:
    """A 2-D field as a MOC file, bzip2 inside, time zone 0.

    Raises:
        ValueError: the field is 3-D, or not int16.
    """
    if field.codes.shape[0] != 1 or field.codes.dtype != np.int16:
        raise ValueError(f"MOC holds one int16 plane, not {field.codes.dtype} {field.codes.shape}")
    _, n_lat, n_lon = field.codes.shape
    raw = np.ascontiguousarray(field.codes[0, ::-1], dtype="<i2").tobytes()
    body = bz2.compress(raw)
    west, south = field.lon_west - field.d_lon / 2, field.lat_south - field.d_lat / 2
    edges = (south, west, south + n_lat * field.d_lat, west + n_lon * field.d_lon)
    centre = ((edges[1] + edges[3]) / 2, (edges[0] + edges[2]) / 2)
    time = field.time.astimezone(UTC)
    clock = (time.year, time.month, time.day, time.hour, time.minute, time.second)
    days = (time - datetime(1970, 1, 1, tzinfo=UTC)).days + 1
    header = _HEADER.pack(
        b"MOC", _HEADER_BYTES + len(body), field.product.encode("ascii"), field.product.encode("ascii"),
        _HEADER_BYTES, len(body), 0, *clock, time.hour * 3600 + time.minute * 60 + time.second, days, 0, 0,
        *(round(edge * 1000) for edge in (*edges, *centre)), n_lon, n_lat, round(field.d_lon * 1e4),
        round(field.d_lat * 1e4), int(field.heights_m[0]) if field.heights_m else 0, _BZ2, field.radar_count,
        len(raw), int(field.scale),
    )  # fmt: skip
    return header.ljust(_HEADER_BYTES, b"\0") + body


def _bad_header(what: str, found: str, expected: str) -> ReadError:
    return ReadError(
        Reason.BAD_HEADER,
        f"MOC header, {what}: {found}, expected {expected}: the file is damaged or of another version",
        f"MOC 文件头 {what}：读到 {found}，应为 {expected}：文件损坏或版本不同",
    )


def _time(zone_s: int, clock: tuple[int, ...]) -> datetime:
    """Header clock minus its zone."""
    if abs(zone_s) > 14 * 3600:
        raise _bad_header("time zone@96", f"{zone_s} s", "0 (UTC) or 28800 (Beijing)")
    try:
        return datetime(*clock, tzinfo=UTC) - timedelta(seconds=zone_s)  # type: ignore[misc,arg-type]
    except (ValueError, OverflowError) as cause:
        raise _bad_header("time@100", "-".join(map(str, clock)), "a date and time") from cause


def _check_size(n_lon: int, n_lat: int) -> None:
    if n_lon < 1 or n_lat < 1:
        raise _bad_header("nx, ny@148", f"{n_lon} x {n_lat}", "at least one cell")
    if n_lon * n_lat > MAX_CELLS:
        raise LimitError(
            Reason.TOO_LARGE,
            f"MOC header declares {n_lon} x {n_lat} cells, more than the {MAX_CELLS} we decode: the file is damaged",
            f"MOC 文件头声明 {n_lon} x {n_lat} 个格点，超过上限 {MAX_CELLS}：文件可能损坏",
        )


def _check_header(found: int) -> None:
    if found < _HEADER_BYTES:
        raise ReadError(
            Reason.TRUNCATED,
            f"MOC header: {found} bytes, expected {_HEADER_BYTES}: fetch the file again",
            f"MOC 文件头只有 {found} 字节，应为 {_HEADER_BYTES}：请重新获取文件",
            offset=found,
        )


def _check_extent(found: int, size: int, position: int, length: int) -> None:
    if size > found or not _HEADER_BYTES <= position <= found or not 0 <= length <= found - position:
        raise ReadError(
            Reason.TRUNCATED,
            f"MOC body: header names {length} bytes at {position} of {size}, the file has {found}: fetch it again",
            f"MOC 数据块：文件头写明共 {size} 字节（{position} 处起 {length} 字节），实有 {found} 字节：请重新获取文件",
            offset=found,
        )


def _south_west_centre(
    edges: tuple[int, ...], count: tuple[int, int], step: tuple[float, float]
) -> tuple[float, float]:
    """Centre (lon, lat) of the south-west cell, where the edges span the cells exactly."""
    south, west, north, east = (edge / 1000 for edge in edges)
    if not (-90 <= south < north <= 90 and -180 <= west < east <= 360):
        raise _bad_header("edges@124", f"{west}-{east}E {south}-{north}N", "S < N and W < E on Earth")
    for what, span, cells, size in (("dx", east - west, count[0], step[0]), ("dy", north - south, count[1], step[1])):
        if abs(span - cells * size) > size / 4:
            raise _bad_header(what, f"{cells} cells of {size} deg", f"the {span:.4f} deg between the edges")
    return round(west + step[0] / 2, 6), round(south + step[1] / 2, 6)


def _decompress(body: bytes, compression: int, expected: int, position: int) -> bytes:
    """The body, never more than one byte over what the header's nx, ny need."""
    try:
        if compression == _NONE:
            raw = body
        elif compression == _BZ2:
            raw = bz2.BZ2Decompressor().decompress(body, expected + 1)
        elif compression == _ZIP:
            raw = zlib.decompressobj(wbits=47).decompress(body, expected + 1)
        else:
            name = "LZW" if compression == _LZW else f"code {compression}"
            raise ReadError(
                Reason.UNSUPPORTED,
                f"MOC body compressed with {name}: only none, bzip2 and gzip/zlib are read",
                f"MOC 数据块压缩方式为 {name}：只支持不压缩、bzip2 和 gzip/zlib",
                offset=position,
            )
    except (OSError, EOFError, ValueError, zlib.error) as cause:
        raise ReadError(
            Reason.BAD_COMPRESSION,
            f"MOC body does not decompress ({cause}): fetch the file again",
            f"MOC 数据块无法解压（{cause}）：请重新获取文件",
            offset=position,
        ) from cause
    if len(raw) != expected:
        reason = Reason.TRUNCATED if len(raw) < expected else Reason.BAD_HEADER
        found = f"{len(raw)} bytes" if len(raw) < expected else f"more than {expected} bytes"
        raise ReadError(
            reason,
            f"MOC body: {found} after decompression, nx x ny x 2 = {expected} expected: fetch the file again",
            f"MOC 数据块解压后为 {found}，按 nx x ny x 2 应为 {expected}：请重新获取文件",
            offset=position,
        )
    return raw


def _classes(scale: int, *, reflectivity: bool) -> np.ndarray:
    codes = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    no_echo = round(NO_ECHO_VALUE * scale)
    believed = (codes >= MIN_DBZ * scale) & (codes <= MAX_DBZ * scale) if reflectivity else codes > no_echo
    classes = np.where(believed, ECHO, MISSING).astype(np.uint8)
    classes[codes == no_echo] = NO_ECHO
    return classes


def _name_remarks(name: str, time: datetime) -> tuple[str, ...]:
    found = _NAME_TIME.search(name)
    if found is None or "".join(found.groups()) == f"{time:%Y%m%d%H%M%S}":
        return ()
    return (f"name says {''.join(found.groups())}, header {time:%Y%m%d%H%M%S} UTC",)


FORMAT = schema.Format(
    name="cma-moc",
    title_en="CMA radar mosaic, MOC v3",
    title_zh="中国气象局雷达拼图（MOC v3）",
    recognise=lambda head: head.startswith(b"MOC\0"),
    name_pattern=re.compile(r"^Z_RADA_C_[A-Z]{4}_\d{14}_P_DOR_.+_\d{8}_\d{6}\.bin", re.IGNORECASE),
    read=read_moc,
    describe=describe,
    write=write_moc,
)
