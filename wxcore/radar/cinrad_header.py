"""Headers of CINRAD standard base data: generic, site, task and cut blocks (FORMATS.md A.1)."""

import struct
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, Reason
from wxcore.radar import codes
from wxcore.radar.codes import CUT_BYTES, CUTS_AT
from wxcore.radar.volume import Site
from wxcore.times import from_epoch

MAX_CUTS = 256
"""30 cuts are the most that are known."""

EARLIEST, LATEST = 315_532_800, 4_102_444_800
"""1980-01-01 (before the first CINRAD) and 2100-01-01, in seconds since 1970."""

_HEAD = struct.Struct("<4sHHi")
_SITE = struct.Struct("<8s32sffii3f")


@dataclass(frozen=True)
class Header:
    """What stands before the rays. `cuts` is an array of `codes.CUT`; a header's position of 0, 0 is NaN."""

    site: Site
    task: str
    start: datetime
    cuts: npt.NDArray[Any]
    remarks: tuple[str, ...]


def bad(reason: Reason, what: str, what_zh: str, offset: int | None = None) -> ReadError:
    """A ReadError that tells what to do about a file that contradicts its format."""
    return ReadError(
        reason,
        f"{what}: the file is damaged or of a variant we do not know; fetch it again",
        f"{what_zh}：文件已损坏或格式变体未知；请重新获取",
        offset=offset,
    )


def text(raw: bytes) -> str:
    """A fixed-width field: UTF-8 or GBK up to the first NUL."""
    raw = raw.split(b"\0", 1)[0].strip()
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("gbk", errors="replace")


def generic_type(head: bytes) -> int:
    """The generic_type of bytes that begin with the format's magic, 0 of others."""
    if len(head) < _HEAD.size or not head.startswith(codes.MAGIC):
        return 0
    return int(_HEAD.unpack_from(head)[3])


def read_header(data: bytes, name: str) -> Header:
    """Read and check the headers; `name` is asked for the station's id only where the header has none.

    Raises:
        ReadError: TRUNCATED, BAD_HEADER, BAD_VALUE, BAD_POSITION or UNSUPPORTED.
    """
    if len(data) < CUTS_AT:
        raise bad(
            Reason.TRUNCATED,
            f"header: {len(data)} bytes, expected at least {CUTS_AT}",
            f"文件头只有 {len(data)} 字节，至少应为 {CUTS_AT}",
            len(data),
        )
    magic, _major, _minor, generic = _HEAD.unpack_from(data)
    if magic != codes.MAGIC:
        raise bad(Reason.BAD_HEADER, f"magic {magic!r}, expected {codes.MAGIC!r}", f"文件标识为 {magic!r}", 0)
    _require_base_data(generic)
    refuse_rhi(data)
    start, count = struct.unpack_from("<ii", data, 332)
    if not 1 <= count <= MAX_CUTS:
        raise bad(Reason.BAD_HEADER, f"{count} cuts, expected 1 to {MAX_CUTS}", f"扫描层数为 {count}", 336)
    if not EARLIEST <= start < LATEST:
        raise bad(Reason.BAD_VALUE, f"scan start {start} s since 1970 is no time", f"扫描开始时间 {start} 无效", 332)
    if len(data) < CUTS_AT + CUT_BYTES * count:
        raise bad(Reason.TRUNCATED, f"the file ends inside its {count} cut headers", "文件在扫描层头内中断", len(data))
    code, label, lat, lon, antenna, _ground, mhz, beam, _beam_v = _SITE.unpack_from(data, codes.SITE_AT)
    site, remarks = site_of(code, label, (lat, lon, antenna), (mhz, beam), name)
    cuts = np.frombuffer(data, codes.CUT, count, CUTS_AT)
    return Header(site, text(data[codes.TASK_AT : codes.TASK_AT + 32]), from_epoch(start), cuts, remarks)


def refuse_rhi(data: bytes) -> None:
    """Refuse a task that turns in elevation.

    Raises:
        ReadError: UNSUPPORTED.
    """
    (scan,) = struct.unpack_from("<i", data, 324)
    if scan in codes.RHI_SCANS:
        raise ReadError(
            Reason.UNSUPPORTED,
            f"scan type {scan} is an RHI: only scans in azimuth are read",
            f"扫描类型 {scan} 为 RHI：只读取方位扫描",
            offset=324,
        )


def _require_base_data(generic: int) -> None:
    if generic == codes.PHASED_ARRAY:
        raise ReadError(
            Reason.UNSUPPORTED,
            "phased-array base data (generic_type 16), not the standard's: read it with phased",
            "这是相控阵基数据（generic_type 16），不是标准基数据：请用 phased 读取",
            offset=8,
        )
    if generic == codes.PRODUCT:
        raise ReadError(
            Reason.UNSUPPORTED,
            "a standard product (generic_type 2), not base data: read it with standard_product",
            "这是标准格式产品（generic_type 2），不是基数据：请用 standard_product 读取",
            offset=8,
        )
    if generic != codes.BASE_DATA:
        raise bad(Reason.BAD_HEADER, f"generic_type {generic}, expected 1", f"generic_type 为 {generic}，应为 1", 8)


def site_of(
    code: bytes, label: bytes, place: tuple[float, float, int], beam: tuple[float, float], name: str
) -> tuple[Site, tuple[str, ...]]:
    """The site of a header's fields, and remarks.

    Args:
        code, label: id and name.
        place: latitude, longitude [deg], antenna height [m].
        beam: frequency [MHz] and width [deg]; what is not plausible becomes NaN and 1 degree.
        name: the file's.

    Raises:
        ReadError: BAD_POSITION.
    """
    lat, lon, antenna = place
    mhz, width = beam
    own = text(code)
    identity = own if own.isalnum() else codes.site_id(name)
    remarks: tuple[str, ...] = ()
    named = codes.site_id(name)
    if named and named != identity:
        remarks = (f"the file's name says {named}, its header {identity}",)
    if lat == 0 and lon == 0:
        lat = lon = height = np.nan
        remarks = (*remarks, "the header has no position")
    else:
        height = float(antenna)
        if not (abs(lat) <= 90 and -180 <= lon <= 360 and -500 <= height <= 9000):  # NaN fails too
            raise ReadError(
                Reason.BAD_POSITION,
                f"site {identity}: latitude {lat}, longitude {lon}, antenna {antenna} m is no place on land",
                f"站点 {identity}：纬度 {lat}、经度 {lon}、天线高度 {antenna} 米无效",
                offset=72,
            )
    frequency = mhz if 1000 <= mhz <= 100_000 else np.nan
    width = width if 0.1 <= width <= 5 else 1.0
    return Site(identity, text(label), lat, lon, height, frequency, width), remarks
