"""CINRAD legacy base data of SA, SB, CA and CB radars (FORMATS.md A.2): fixed records without a magic number.

A record is a 128-byte header, then u1 reflectivity, velocity and spectrum width, then filler: 2432 bytes for
460/920/920 gates, 4132 for 800/1600/1600; other lengths of the same block are found by looking for the next record.
The bytes hold no site: its id comes from the file's name, its position stays NaN for the pipeline to fill from
station_meta. The header's "first gate" is taken as where the gate begins, as in `cinrad`.

The 3132-byte record of SC and CC radars is recognised, and refused with a reason; `cc` and `scd` read their own files.
"""

import re
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, Reason
from wxcore.radar import cc, codes, scd
from wxcore.radar.codes import LEGACY_ANGLE, LEGACY_DAY_MS, LEGACY_HEADER, LEGACY_RAY
from wxcore.radar.describe import describe_volume
from wxcore.radar.legacy_write import write_legacy
from wxcore.radar.volume import SIMULATED_TASK, Moment, Site, Sweep, Volume
from wxcore.schema import Format
from wxcore.times import from_datetime64

NAME = "cinrad-legacy"

SPECIAL_BYTES = 3132
"""Record of SC and CC radars converted to this block: 132-byte header and other scales (unverified)."""

_SPECIAL = ("SC/CC base data in 3132-byte records", "3132 字节记录的 SC/CC 基数据")

KNOWN_BYTES = (2432, 4132, SPECIAL_BYTES)
MIN_RECORD, MAX_RECORD = 256, 8064
"""Other lengths looked for; the upper one leaves the next record's header inside of HEAD_BYTES."""

FIRST_DAY, LAST_DAY = 3653, 47482
"""1980-01-01 and 2100-01-01, in days with 1970-01-01 as day 1."""

MAX_CUTS, MAX_GATES, MAX_GATE_M, MAX_STATE = 64, 4000, 5000, 10
MAX_DELAY = np.timedelta64(2, "h")
VELOCITY_SCALES = {2: 2.0, 4: 1.0}
"""Velocity resolution code to scale: 0.5 or 1 m/s. Spectrum width always has 0.5 m/s."""

_FIELDS = ("gates_r", "gates_v", "gate_r", "gate_v", "first_r", "first_v", "at_r", "at_v", "at_w", "resolution")
_Rays = npt.NDArray[np.void]


def record_length(head: bytes) -> int:
    """Bytes of one record, 0 where the bytes are no legacy volume.

    Decided by structure: plausible header fields (flag 1, date, time, state, cut, gates) at the start and again one
    record later, on the same day or the next and one ray further.
    """
    if len(head) < LEGACY_HEADER or not _plausible(head, 0):
        return 0
    first = np.frombuffer(head, LEGACY_RAY, 1)[0]
    if first["gates_r"] == 0 and first["gates_v"] == 0:
        return 0
    needed = LEGACY_HEADER + int(first["gates_r"]) + 2 * int(first["gates_v"])
    candidates: tuple[int, ...] = (*KNOWN_BYTES, *range(MIN_RECORD, MAX_RECORD + 1))
    for length in candidates:
        if length < needed:
            continue
        if len(head) < length + LEGACY_HEADER:
            if length in KNOWN_BYTES and len(head) == length:
                return length  # a file of one record
            continue
        if head[length + 14 : length + 16] != b"\1\0" or not _plausible(head, length):
            continue
        second = np.frombuffer(head, LEGACY_RAY, 1, length)[0]
        days, rays = int(second["day"]) - int(first["day"]), int(second["number"]) - int(first["number"])
        if days in {0, 1} and (1 <= rays <= 3 or second["cut"] != first["cut"]):
            return length
    return 0


def recognise(head: bytes) -> bool:
    """A legacy volume with records that we read."""
    return record_length(head) not in {0, SPECIAL_BYTES}


def read_legacy(data: bytes, name: str = "") -> Volume:
    """Read a volume.

    Args:
        data: the whole file, uncompressed.
        name: base name, which holds the station's id ("Z_RADR_I_Z9517_...").

    Returns:
        Cuts in the file's order, split cuts apart; `fixed_angle` is the median elevation of a cut's rays, for the
        file has no other. Position NaN. A file that ends early gives its whole rays and a remark.

    Raises:
        ReadError: TRUNCATED (not one whole record), UNKNOWN_FORMAT, UNSUPPORTED, BAD_HEADER (most
            records are no rays) or NO_RADIALS.
    """
    length = _readable_length(data)
    count = len(data) // length
    table = np.frombuffer(data, np.uint8, count * length).reshape(count, length)
    rays: _Rays = np.ndarray((count,), LEGACY_RAY, data, 0, (length,))
    good, time = _good(rays, length)
    if 2 * good.sum() < count:
        raise ReadError(
            Reason.BAD_HEADER,
            f"only {int(good.sum())} of {count} records of {length} bytes begin with a ray: fetch the file again",
            f"{count} 条 {length} 字节的记录中只有 {int(good.sum())} 条有效：请重新获取文件",
            offset=int(np.argmin(good)) * length,
        )
    remarks = [] if good.all() else [f"{int((~good).sum())} of {count} rays dropped (header implausible)"]
    sweeps = []
    for number in np.unique(rays["cut"][good]):
        own = np.flatnonzero(good & (rays["cut"] == number))
        sweeps.append((int(own[0]), _sweep(table, rays, own, time, remarks)))
    if not sweeps:
        raise ReadError(
            Reason.NO_RADIALS,
            "no record has a plausible header: fetch the file again",
            "没有一条有效的径向：请重新获取",
        )
    broken_off = len(data) % length or rays["state"][-1] not in {codes.END_CUT, codes.END_VOLUME}
    if broken_off:
        remarks.append(f"truncated at byte {len(data)}: {len(sweeps)} cuts")
    site = Site(codes.site_id(name), "", np.nan, np.nan, np.nan)
    simulated = bool((rays["mark"][good] == SIMULATED_TASK.encode()).any())
    task = f"{SIMULATED_TASK} " * simulated + f"VCP{int(rays['vcp'][good][0])}"
    ordered = tuple(sweep for _, sweep in sorted(sweeps, key=lambda pair: pair[0]))
    start, end = from_datetime64(time[good][0]), len(data) if broken_off else None
    return Volume(NAME, site, start, task, ordered, tuple(remarks), end)


def _readable_length(data: bytes) -> int:
    """Bytes a record, where we read such records."""
    length = record_length(data[: MAX_RECORD + LEGACY_HEADER])
    if length == SPECIAL_BYTES:
        raise _unsupported(*_SPECIAL)
    if length == 0:
        if len(data) < KNOWN_BYTES[0]:
            raise ReadError(
                Reason.TRUNCATED,
                f"{len(data)} bytes are less than one legacy record ({KNOWN_BYTES[0]}): fetch the file again",
                f"文件只有 {len(data)} 字节，不足一条旧格式记录（{KNOWN_BYTES[0]}）：请重新获取",
                offset=len(data),
            )
        raise ReadError(
            Reason.UNKNOWN_FORMAT,
            "no legacy ray at byte 0 with another one behind it: not a legacy volume, or damaged at its start",
            "文件开头没有旧格式径向：不是旧格式基数据，或开头已损坏",
            offset=0,
        )
    return length


def _plausible(head: bytes, at: int) -> bool:
    return bool(_good_headers(np.frombuffer(head, LEGACY_RAY, 1, at))[0])


def _good_headers(rays: _Rays) -> npt.NDArray[np.bool_]:
    good: npt.NDArray[np.bool_] = (rays["flag"] == 1) & (rays["ms"] < LEGACY_DAY_MS)
    good &= (rays["day"] >= FIRST_DAY) & (rays["day"] < LAST_DAY)
    good &= (rays["state"] <= MAX_STATE) & (rays["cut"] >= 1) & (rays["cut"] <= MAX_CUTS) & (rays["number"] >= 1)
    for gates, size in (("gates_r", "gate_r"), ("gates_v", "gate_v")):
        good &= (rays[gates] <= MAX_GATES) & (rays[size] <= MAX_GATE_M) & ((rays[gates] == 0) | (rays[size] > 0))
    good &= (rays["gates_v"] == 0) | np.isin(rays["resolution"], list(VELOCITY_SCALES))
    return good


def _good(rays: _Rays, length: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.datetime64]]:
    """Which records are believed, and the times of all."""
    good = _good_headers(rays)
    good &= LEGACY_HEADER + rays["gates_r"].astype("i4") + 2 * rays["gates_v"].astype("i4") <= length
    ms = (rays["day"].astype("i8") - 1) * LEGACY_DAY_MS + rays["ms"]
    time = ms.astype("datetime64[ms]").astype("datetime64[ns]")
    if good.any():
        good &= np.abs(time - time[np.argmax(good)]) <= MAX_DELAY
    return good, time


def _sweep(
    table: npt.NDArray[np.uint8],
    rays: _Rays,
    own: npt.NDArray[np.intp],
    time: npt.NDArray[np.datetime64],
    remarks: list[str],
) -> Sweep:
    """The cut made of the records `own`. Ragged rays are merged, rays of another gate size left out."""
    heads = rays[own]
    layouts = np.stack([heads[field].astype("i4") for field in _FIELDS], axis=1)
    if (layouts == layouts[0]).all():
        kinds, which, votes = layouts[:1], np.zeros(own.size, np.intp), np.array([own.size])
    else:
        kinds, which, votes = np.unique(layouts, axis=0, return_inverse=True, return_counts=True)
    main = kinds[np.argmax(votes)]
    same = (kinds[:, 2:6] == main[2:6]).all(axis=1) & (kinds[:, -1] == main[-1])
    keep = same[which]
    if not keep.all():
        remarks.append(f"cut {int(heads['cut'][0])}: {int((~keep).sum())} rays with other gates left out")
        own, heads, which = own[keep], heads[keep], which[keep]
    moments = {}
    gates_r, gates_v = int(kinds[same, 0].max()), int(kinds[same, 1].max())
    if gates_r:
        moments["DBZH"] = _moment(table, own, kinds, which, (0, gates_r), (2.0, 66.0))
    if gates_v:
        scale = VELOCITY_SCALES[int(main[-1])]
        moments["VRADH"] = _moment(table, own, kinds, which, (1, gates_v), (scale, 129.0))
        moments["WRADH"] = _moment(table, own, kinds, which, (2, gates_v), (2.0, 129.0))
    elevation = (heads["elevation"] * LEGACY_ANGLE).astype("f4")
    elevation = np.where(elevation > 180, elevation - np.float32(360), elevation)
    azimuth = (heads["azimuth"] * LEGACY_ANGLE).astype("f4")
    nyquist = float(np.median(heads["nyquist"])) / 100
    return Sweep(
        float(np.median(elevation)), azimuth, elevation, time[own], nyquist if nyquist > 0 else np.nan, moments
    )


def _moment(
    table: npt.NDArray[np.uint8],
    own: npt.NDArray[np.intp],
    kinds: npt.NDArray[np.int32],
    which: npt.NDArray[np.intp],
    part: tuple[int, int],
    coding: tuple[float, float],
) -> Moment:
    """Block `part` = (0 R, 1 V, 2 W; gates) of the records `own`; short rays are padded."""
    block, gates = part
    raw = np.full((own.size, gates), codes.LEGACY_PAD, np.uint8)
    first, step = 0, 0
    for index in np.unique(which):
        kind = kinds[index]
        count = int(kind[0] if block == 0 else kind[1])
        if count == 0:
            continue
        first, step = int(kind[4 if block == 0 else 5]), int(kind[2 if block == 0 else 3])
        at = _data_at(kind, block, table.shape[1])
        mine = which == index
        place = own[mine]
        if place[-1] - place[0] + 1 == place.size:  # consecutive records: a view, no gather
            raw[mine, :count] = table[place[0] : place[-1] + 1, at : at + count]
        else:
            raw[mine, :count] = table[place, at : at + count]
    return Moment(raw, *coding, first + step / 2, float(step), codes.CLASSES_LEGACY)


def _data_at(kind: npt.NDArray[np.int32], block: int, length: int) -> int:
    """Where a block begins: its pointer, or behind the ones before it where the pointer leads out of the record."""
    gates_r, gates_v = int(kind[0]), int(kind[1])
    count = gates_v if block else gates_r
    pointed = codes.LEGACY_POINTER_BASE + int(kind[6 + block])
    if LEGACY_HEADER <= pointed <= length - count:
        return pointed
    return LEGACY_HEADER + (0, gates_r, gates_r + gates_v)[block]


def _unsupported(what: str, what_zh: str) -> ReadError:
    return ReadError(
        Reason.UNSUPPORTED,
        f"{what}: recognised, but their scales are not described to us; convert the file to the standard format",
        f"{what_zh}：已识别，但缺少数据定标说明；请先转换为标准格式",
    )


def _refuse(_data: bytes, _name: str) -> NoReturn:
    raise _unsupported(*_SPECIAL)


def _is_special(head: bytes) -> bool:
    return record_length(head) == SPECIAL_BYTES


FORMAT = Format(
    name=NAME,
    title_en="CINRAD legacy base data (SA/SB/CA/CB)",
    title_zh="天气雷达旧格式基数据（SA/SB/CA/CB）",
    recognise=recognise,
    name_pattern=re.compile(
        r"Z_RADR_I_(?P<id>Z[0-9A-Z]{4})_(?P<t>\d{14})_O_DOR_(?:S[AB]|C[AB])_CAP(?!_FMT)", re.IGNORECASE
    ),
    read=read_legacy,
    describe=describe_volume,
    write=write_legacy,
)

FORMATS: tuple[Format, ...] = (
    cc.FORMAT,
    scd.FORMAT,
    Format(
        "cinrad-3132",
        *_SPECIAL,
        _is_special,
        re.compile(r"Z_RADR_I_Z[0-9A-Z]{4}_\d{14}_O_DOR_(?:SC|CC)_CAP(?!_FMT)", re.IGNORECASE),
        _refuse,
        describe_volume,
    ),
    FORMAT,
)
"""Magic numbers first, then structure."""
