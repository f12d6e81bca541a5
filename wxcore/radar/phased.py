"""CINRAD phased-array base data, generic_type 16 (FORMATS.md A.1). **Not yet met with a real file**: every volume
carries that remark.

generic 32 | site 128 | task 256 | beams | n x 256 cuts | rays. A ray is the standard format's, with a header of 128
bytes, so `cinrad` assembles the volume. What is assumed:

- A beam's block has 640 bytes by one description and 384 by another: the length is taken at which a cut block with an
  elevation and a ray stand behind the beams.
- A cut's range and start are written as i4 in the standard format and listed among floats here: a number is read as the
  one of both that is a distance (no distance is plausible as both).
- The site's block has no frequency and beam width that we know; rays packed inside cannot be told and are refused as
  damaged.
"""

import re
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.errors import Reason
from wxcore.radar import cinrad, codes
from wxcore.radar.cinrad_header import EARLIEST, LATEST, MAX_CUTS, Header, bad, generic_type, refuse_rhi, site_of, text
from wxcore.radar.cinrad_rays import MAX_MOMENTS, PHASED
from wxcore.radar.codes import CUT_BYTES, CUTS_AT, SITE_AT, TASK_AT
from wxcore.radar.describe import describe_volume
from wxcore.radar.phased_write import BEAM_BYTES, BEAMS_AT, CUT, NAME, START_AT, write_phased
from wxcore.radar.volume import Volume
from wxcore.schema import Format
from wxcore.times import from_epoch

MAX_BEAMS = 1024
MAX_DISTANCE_M = 1_000_000.0

_COUNTS = struct.Struct("<ii")
_PLACE = struct.Struct("<8s32sffi")


def recognise(head: bytes) -> bool:
    """Magic "RSTM" and generic_type 16."""
    return generic_type(head) == codes.PHASED_ARRAY


def read_phased(data: bytes, name: str = "") -> Volume:
    """Read a volume.

    Args:
        data: the whole file, uncompressed.
        name: base name, asked for the station's id only where the header has none.

    Returns:
        As `cinrad.read_standard`; a cut's rays are in the file's order, whichever beams took them.

    Raises:
        ReadError: BAD_HEADER, BAD_VALUE, BAD_POSITION, TRUNCATED, NO_RADIALS, UNSUPPORTED (RHI).
    """
    if len(data) < CUTS_AT:
        what = f"header: {len(data)} bytes, expected at least {CUTS_AT}"
        raise bad(Reason.TRUNCATED, what, f"文件头只有 {len(data)} 字节，至少应为 {CUTS_AT}", len(data))
    if not recognise(data):
        what = f"magic {data[:4]!r}, generic_type {generic_type(data)}, expected {codes.PHASED_ARRAY}"
        raise bad(Reason.BAD_HEADER, what, f"文件标识或类型不是相控阵（{codes.PHASED_ARRAY}）", 8)
    refuse_rhi(data)
    beams, cuts = _COUNTS.unpack_from(data, BEAMS_AT)
    if not (0 <= beams <= MAX_BEAMS and 1 <= cuts <= MAX_CUTS):
        raise bad(Reason.BAD_HEADER, f"{beams} beams, {cuts} cuts", f"波束数 {beams}、层数 {cuts} 无效", BEAMS_AT)
    (start,) = struct.unpack_from("<q", data, START_AT)
    if not EARLIEST <= start < LATEST:
        raise bad(
            Reason.BAD_VALUE, f"scan start {start} s since 1970 is no time", f"扫描开始时间 {start} 无效", START_AT
        )
    place = _cuts_at(data, beams, cuts)
    code, label, lat, lon, antenna = _PLACE.unpack_from(data, SITE_AT)
    site, told = site_of(code, label, (lat, lon, antenna), (np.nan, np.nan), name)
    table = _standard_cuts(np.frombuffer(data, CUT, cuts, place))
    header = Header(site, text(data[TASK_AT : TASK_AT + 32]), from_epoch(start), table, (codes.UNMET, *told))
    return cinrad.assemble(data, place + cuts * CUT_BYTES, header, PHASED, NAME)


def _cuts_at(data: bytes, beams: int, cuts: int) -> int:
    """Where the cuts begin: behind beam blocks of the length that has an elevation and a ray after them.

    Raises:
        ReadError: TRUNCATED or BAD_HEADER.
    """
    places = [CUTS_AT + beams * length for length in BEAM_BYTES]
    for place in places:
        if _is_ray(data, place + cuts * CUT_BYTES, cuts) and _has_elevations(data, place, cuts):
            return place
    if len(data) < places[0] + cuts * CUT_BYTES + PHASED.size:
        what = f"the file ends inside its headers of {beams} beams and {cuts} cuts, or before its first ray"
        raise bad(Reason.TRUNCATED, what, "文件在头信息内中断", len(data))
    what = f"no ray behind {beams} beams of {' or '.join(map(str, BEAM_BYTES))} bytes and {cuts} cuts"
    raise bad(Reason.BAD_HEADER, what, f"{beams} 个波束和 {cuts} 个扫描层之后没有有效的径向", places[0])


def _is_ray(data: bytes, at: int, cuts: int) -> bool:
    if at + PHASED.size > len(data):
        return False
    ray: Any = np.frombuffer(data, codes.PHASED_RADIAL, 1, at)[0]
    sane = 1 <= ray["cut"] <= cuts and 0 < ray["moments"] <= MAX_MOMENTS and 0 <= ray["length"] <= len(data)
    return bool(sane and 0 <= ray["state"] <= 6)


def _has_elevations(data: bytes, at: int, cuts: int) -> bool:
    table = np.frombuffer(data, CUT, cuts, at)
    return bool((np.abs(table["elevation"]) <= 360).all() and (table["log_gate"] > 0).any())


def _standard_cuts(found: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A phased array's cut blocks as the standard format's."""
    cuts = np.zeros(found.size, codes.CUT)
    for name in ("elevation", "nyquist"):
        cuts[name] = found[name]
    for name in ("log_gate", "doppler_gate"):
        cuts[name] = [_gate(float(metres)) for metres in found[name]]
    for name in ("max_range1", "start_range"):
        cuts[name] = [_distance(word) for word in found[name]]
    return cuts


def _gate(metres: float) -> int:
    """A gate size as `codes.gate_metres` reads it; 0 where there is none."""
    return codes.gate_raw(round(metres * 100) / 100) if 0.01 <= metres <= cinrad.MAX_GATE_M else 0


def _distance(word: np.int32) -> int:
    """A distance [m] that was written as an integer or as a float; no distance (2**31 - 1) where it is neither."""
    if abs(int(word)) <= MAX_DISTANCE_M:
        return int(word)
    metres = float(np.array(word, "<i4").view("<f4"))
    return round(metres) if abs(metres) <= MAX_DISTANCE_M else 2**31 - 1


FORMAT = Format(
    name=NAME,
    title_en="CINRAD phased-array base data (not yet met a real file)",
    title_zh="相控阵天气雷达基数据（尚未经实际文件验证）",
    recognise=recognise,
    name_pattern=re.compile(
        r"Z_RADR_I_(?P<id>Z[0-9A-Z]{4})_(?P<t>\d{14})_O_DOR_[0-9A-Z]+_CA[PR](?:_FMT)?", re.IGNORECASE
    ),
    read=read_phased,
    describe=describe_volume,
    write=write_phased,
)
