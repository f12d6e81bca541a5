"""Files that turn up among radar files and are not an input here: recognised, named and refused with the reason.

Their `read` always raises UNSUPPORTED. Where a header tells site, time and product cheaply, the message does.
HDF5 here is HDF5 that is not ODIM_H5.
"""

import re
import struct
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from wxcore import schema
from wxcore.errors import ReadError, Reason, TimeError
from wxcore.radar.xradar_door import is_odim
from wxcore.times import from_epoch, iso

LEVEL3_PRODUCTS: dict[int, str] = {
    16: "R", 17: "R", 18: "R", 19: "R base reflectivity", 20: "R base reflectivity", 25: "V velocity",
    26: "V velocity", 27: "V velocity", 28: "SW spectrum width", 30: "SW spectrum width", 32: "DHR hybrid reflectivity",
    36: "CR composite reflectivity", 37: "CR composite reflectivity", 38: "CR composite reflectivity",
    41: "ET echo tops", 48: "VWP wind profile", 56: "SRM storm-relative velocity", 57: "VIL", 58: "STI storm tracking",
    59: "HI hail index", 60: "M mesocyclone", 61: "TVS", 62: "SS storm structure", 78: "OHP one-hour rain",
    79: "THP three-hour rain", 80: "STP storm-total rain", 81: "DPA rain array", 94: "DR digital reflectivity",
    99: "DV digital velocity", 134: "DVL digital VIL", 135: "EET enhanced echo tops", 138: "DSP storm-total rain",
    141: "MD mesocyclone", 153: "DR super-resolution reflectivity", 154: "DV super-resolution velocity",
    159: "ZDR", 161: "CC", 163: "KDP", 165: "HC hydrometeor class", 166: "ML melting layer", 169: "OHA one-hour rain",
    170: "DAA", 172: "DTA", 173: "DUA", 174: "DOD", 175: "DSD", 176: "DPR rain rate", 177: "HHC hybrid class",
}  # fmt: skip
"""Message code to product (ICD 2620001, table III)."""

_WMO_HEADING = re.compile(
    rb"(?:\x01\r\r\n\d{3} ?\r\r\n)?(SDUS\d\d) ([A-Z]{4}) (\d{6})[^\n]*\n(?:([A-Z0-9]{6})[^\n]*\n)?"
)
_MESSAGE = struct.Struct(">hHIIhhhhiihhhhhhHI")
"""Message header (18 bytes), divider -1, latitude, longitude [0.001 deg], height [ft], product code, mode, VCP,
sequence, volume number, volume date (day 1 = 1970-01-01), volume time [s]: ICD 2620001, figures 3-3 and 3-6."""

_INSTEAD_EN = "give base data (CINRAD, NEXRAD Level II, ODIM_H5) or a MOC or SWAN mosaic instead"
_INSTEAD_ZH = "请提供雷达基数据（CINRAD、NEXRAD Level II、ODIM_H5）或 MOC、SWAN 拼图"


def _refuse(en: str, zh: str) -> ReadError:
    return ReadError(
        Reason.UNSUPPORTED,
        f"{en}: recognised, but not an input here; {_INSTEAD_EN}",
        f"{zh}：已识别，但不作为输入；{_INSTEAD_ZH}",
    )


def _message_at(data: bytes) -> int | None:
    """Offset of a Level III message: 0 in PUP files, after the WMO heading elsewhere."""
    heading = _WMO_HEADING.match(data)
    start = heading.end() if heading else 0
    if len(data) < start + _MESSAGE.size:
        return None
    code, _, _, _, _, _, blocks, divider, lat, lon, _, product = _MESSAGE.unpack_from(data, start)[:12]
    fits = divider == -1 and 16 <= code <= 300 and product == code and 1 <= blocks <= 16
    return start if fits and abs(lat) <= 90_000 and abs(lon) <= 180_000 else None


def level3_text(data: bytes) -> tuple[str, str]:
    """(English, Chinese) words for a Level III message: product, site, position, time."""
    heading = _WMO_HEADING.match(data)
    start = _message_at(data)
    en, zh = "NEXRAD Level III / PUP product", "NEXRAD Level III / PUP 产品"
    if start is None:
        words = f" {heading[1].decode()} {heading[4].decode() if heading[4] else ''}" if heading else ""
        return en + words.rstrip(), zh + words.rstrip()
    code, _, _, _, source, _, _, _, lat, lon, _, _, _, vcp, _, _, day, second = _MESSAGE.unpack_from(data, start)
    site = heading[4][3:].decode() if heading and heading[4] else f"source {source}"
    try:
        time = iso(from_epoch((day - 1) * 86_400 + second))
    except TimeError:
        time = "time unknown"
    product = LEVEL3_PRODUCTS.get(code, "")
    words = f" {code} {product}".rstrip() + f", {site}, {lat / 1000:.3f}N {lon / 1000:.3f}E, VCP{vcp}, {time}"
    return en + words, zh + words


def read_level3(data: bytes, _name: str) -> NoReturn:
    """Say what the Level III product is.

    Raises:
        ReadError: UNSUPPORTED, always.
    """
    raise _refuse(*level3_text(data))


def read_pgm(data: bytes, _name: str) -> NoReturn:
    """Say what the PGM image is: radar composites in PGM name their product and time in comments.

    Raises:
        ReadError: UNSUPPORTED, always.
    """
    words = dict(re.findall(rb"^# (obstime|param|producttype|composite_area) (\S{1,40})", data[:4096], re.MULTILINE))
    said = ", ".join(f"{key.decode()} {value.decode('ascii', errors='replace')}" for key, value in words.items())
    tail = f" ({said})" if said else ""
    raise _refuse(f"PGM image{tail}: grey levels without a scale we know", f"PGM 图像{tail}：灰度图，定标未知")


def _read_as(en: str, zh: str, _data: bytes, _name: str) -> NoReturn:
    raise _refuse(en, zh)


def describe(native: object) -> schema.Description:
    """Never reached with a native object, since nothing here is decoded.

    Raises:
        ReadError: UNSUPPORTED, always.
    """
    raise _refuse(f"a {type(native).__name__}", f"{type(native).__name__} 类型")


def _plain(
    name: str, titles: tuple[str, str], starts: tuple[bytes, ...], suffix: str, why: tuple[str, str]
) -> schema.Format:
    """A format told by how it begins; `why` (English, Chinese) says why it is no input."""
    return _format(
        name,
        titles,
        lambda head: head.startswith(starts),
        suffix,
        partial(_read_as, f"{titles[0]}: {why[0]}", f"{titles[1]}：{why[1]}"),
    )


def _format(
    name: str,
    titles: tuple[str, str],
    recognise: Callable[[bytes], bool],
    pattern: str,
    read: Callable[[bytes, str], NoReturn],
) -> schema.Format:
    return schema.Format(name, *titles, recognise, re.compile(pattern, re.IGNORECASE), read, describe)


_PICTURE = ("a picture, its colours are not measurements", "图片，颜色不能还原为观测值")
_OTHER_ROOM = ("not a radar volume that we know", "不是可识别的雷达体扫")

FORMATS: tuple[schema.Format, ...] = (
    _format(
        "nexrad-level3",
        ("NEXRAD Level III / PUP product", "NEXRAD Level III / PUP 产品"),
        lambda head: _WMO_HEADING.match(head) is not None or _message_at(head) is not None,
        r"SDUS\d\d_|^\d{8}\.\d{6}\.\d\d\.\d+\.\d+$",
        read_level3,
    ),
    _format(
        "pgm",
        ("PGM image", "PGM 图像"),
        lambda head: re.match(rb"P[25]\s", head) is not None,
        r"\.pgm$",
        read_pgm,
    ),
    _plain("gif", ("GIF image", "GIF 图像"), (b"GIF87a", b"GIF89a"), r"\.gif$", _PICTURE),
    _plain("png", ("PNG image", "PNG 图像"), (b"\x89PNG\r\n\x1a\n",), r"\.png$", _PICTURE),
    _plain("jpeg", ("JPEG image", "JPEG 图像"), (b"\xff\xd8\xff",), r"\.jpe?g$", _PICTURE),
    _plain("tiff", ("TIFF image", "TIFF 图像"), (b"II*\0", b"MM\0*"), r"\.tiff?$", _PICTURE),
    _plain("bufr", ("BUFR message", "BUFR 报文"), (b"BUFR",), r"\.bufr?$", _OTHER_ROOM),
    _plain("netcdf3", ("netCDF-3 file", "netCDF-3 文件"), (b"CDF\1", b"CDF\2", b"CDF\5"), r"\.nc$", _OTHER_ROOM),
    _format(
        "hdf5",
        ("HDF5 or netCDF-4 file that is not ODIM_H5", "不是 ODIM_H5 的 HDF5 / netCDF-4 文件"),
        lambda head: head.startswith(b"\x89HDF\r\n\x1a\n") and not is_odim(head),
        r"\.(h5|hdf|hdf5|nc)$",
        partial(_read_as, "HDF5 or netCDF-4 file that is not ODIM_H5", "不是 ODIM_H5 的 HDF5 / netCDF-4 文件"),
    ),
)
"""No two of these, and none of the formats we read, claim the same bytes."""
