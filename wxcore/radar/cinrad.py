"""CINRAD "standard" base data, V1 and V2 (FORMATS.md A.1, DOMAIN.md 7.1): uncompressed bytes to a Volume.

Range: a cut's `start_range` is where its first gate begins, so the centre of gate i lies at
start_range + (i + 0.5) gate. Then a 1-km reflectivity gate covers exactly the four 250-m velocity gates that lie in
it, which holds for no other reading of the header. (Other readers put it at i gate or (i + 1) gate.)

`cinrad_rays` walks the records, `phased` reads the phased arrays' files with the same code, `lzo` packed rays.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.errors import ReadError, Reason
from wxcore.radar import codes, lzo
from wxcore.radar.cinrad_header import Header, bad, generic_type, read_header
from wxcore.radar.cinrad_rays import STANDARD, Layout, Run, walk
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.codes import CUT_BYTES, CUTS_AT
from wxcore.radar.describe import describe_volume
from wxcore.radar.volume import Moment, Sweep, Volume
from wxcore.schema import Format
from wxcore.times import to_datetime64

NAME = "cinrad-standard"

MAX_GATE_M, MAX_START_M = 5000.0, 100_000

MAX_RAY_DELAY_S = 7200
"""A volume takes 6 minutes (DOMAIN.md 1.2); a ray two hours from its start has a wrong clock."""

PADDING_RATIO, PADDING_SLACK = 4, 65536
"""Ragged rays may grow a cut's bytes by this factor when padded, plus these bytes."""


def read_standard(data: bytes, name: str = "") -> Volume:
    """Read a volume.

    Args:
        data: the whole file, uncompressed.
        name: base name, asked for the station's id only where the header has none.

    Returns:
        Every cut of the file that has rays, in the header's order, split cuts apart; `site.altitude_m` is the
        antenna's height, and a header's position of 0, 0 becomes NaN. A file that ends early gives its whole rays and
        a remark "truncated at byte N" (N counts unpacked bytes where rays are packed).

    Raises:
        ReadError: BAD_HEADER, BAD_VALUE, BAD_POSITION, TRUNCATED (not one whole ray), NO_RADIALS, UNSUPPORTED,
            BAD_COMPRESSION (packed rays).
        LimitError: TOO_LARGE (packed rays).
    """
    header = read_header(data, name)
    begin = CUTS_AT + CUT_BYTES * header.cuts.size
    if lzo.is_packed(data, begin):
        data = lzo.unpack_rays(data, begin)
        header = replace(header, remarks=(lzo.REMARK, *header.remarks))
    return assemble(data, begin, header, STANDARD, NAME)


def assemble(data: bytes, begin: int, header: Header, layout: Layout, form: str) -> Volume:
    """The volume whose rays begin at byte `begin`; `form` is its format's name. Raises as `read_standard`."""
    runs, end = walk(data, begin, header.cuts.size, layout)
    if not runs:
        raise _no_rays(len(data), begin)
    remarks = list(header.remarks)
    if names := sorted({block.kind for run in runs for block in run.blocks} - codes.MOMENTS.keys()):
        remarks.append(f"moment types skipped: {', '.join(map(str, names))}")
    sweeps = []
    for number in sorted({int(run.rays["cut"][0]) for run in runs}):
        own = [run for run in runs if run.rays["cut"][0] == number]
        sweep = _sweep(data, own, header.cuts[number - 1], header.start, remarks)
        if sweep is not None:
            sweeps.append(sweep)
    if not sweeps:
        what = "no ray has a plausible angle and time"
        raise bad(Reason.NO_RADIALS, what, "没有一条径向的角度和时间有效", begin)
    ending, truncated_at = _ending(runs, end, len(data), header.cuts.size)
    remarks += ending
    return Volume(form, header.site, header.start, header.task, tuple(sweeps), tuple(remarks), truncated_at)


def recognise(head: bytes) -> bool:
    """Magic "RSTM", and not what `standard_product` or `phased` read (generic_type 2 and 16)."""
    others = {codes.PRODUCT, codes.PHASED_ARRAY}
    return head.startswith(codes.MAGIC) and len(head) >= 12 and generic_type(head) not in others


def _no_rays(size: int, begin: int) -> ReadError:
    if size > begin:
        return bad(Reason.TRUNCATED, f"no whole ray in {size} bytes", f"{size} 字节中没有一条完整的径向", size)
    return bad(Reason.NO_RADIALS, "the file has headers and no ray", "文件只有头信息，没有径向", size)


def _sweep(data: bytes, runs: list[Run], cut: Any, start: datetime, remarks: list[str]) -> Sweep | None:
    rays = runs[0].rays if len(runs) == 1 else np.concatenate([run.rays for run in runs])
    number = int(rays["cut"][0])
    kinds = _layout(runs, number, remarks)
    moments = {}
    counts = {codes.MOMENTS[kind]: gates for kind, (_, gates) in kinds.items()}
    for kind, (key, gates) in kinds.items():
        name = codes.MOMENTS[kind]
        first, step = _range(cut, name, counts, number)
        moments[name] = _moment(data, runs, kind, key, gates, first, step)
    _unsee_blanked(rays["blank"] == 1, moments, number, remarks)
    begin = to_datetime64(start)
    delay = rays["seconds"].astype("i8") - int(begin.astype("datetime64[s]").astype("i8"))
    azimuth, elevation = rays["azimuth"].copy(), rays["elevation"].copy()
    good = (
        (delay >= -MAX_RAY_DELAY_S)
        & (delay <= MAX_RAY_DELAY_S)
        & (azimuth >= -360)
        & (azimuth <= 720)
        & (np.abs(elevation) <= 360)
    )
    delay[~good] = 0
    fraction = np.where((rays["microseconds"] >= 0) & (rays["microseconds"] < 1_000_000), rays["microseconds"], 0)
    time = begin + (delay * 1_000_000 + fraction).astype("timedelta64[us]").astype("timedelta64[ns]")
    if not good.all():
        remarks.append(f"cut {number}: {int((~good).sum())} of {good.size} rays dropped (angle or time implausible)")
        azimuth, elevation, time = azimuth[good], elevation[good], time[good]
        moments = {name: Moment(m.codes[good], m.scale, m.offset, m.first_gate_m, m.gate_m, m.classes)
                   for name, m in moments.items()}  # fmt: skip
    if azimuth.size == 0:
        return None
    azimuth = np.where((azimuth < 0) | (azimuth >= 360), np.mod(azimuth, np.float32(360)), azimuth)
    elevation = np.where(elevation > 180, elevation - np.float32(360), elevation)
    angle, nyquist = float(cut["elevation"]), float(cut["nyquist"])
    if not abs(angle) <= 360:
        raise bad(Reason.BAD_VALUE, f"cut {number}: elevation {angle}", f"第 {number} 层仰角为 {angle}")
    return Sweep(
        angle - 360 if angle > 180 else angle,
        azimuth, elevation, time, nyquist if 0 < nyquist < 1000 else np.nan, moments,
    )  # fmt: skip


def _unsee_blanked(blank: npt.NDArray[np.bool_], moments: dict[str, Moment], number: int, remarks: list[str]) -> None:
    """In rays of a blanked sector (transmitter off) "no echo" becomes missing: nobody looked there.

    What they hold of echo, at the sector's edges, stays. A cut blanked all round is a flag that is not kept.
    """
    if not blank.any() or blank.all():
        return
    remarks.append(f"cut {number}: {int(blank.sum())} of {blank.size} rays blanked, no echo in them is missing")
    for moment in moments.values():
        part = moment.codes[blank]
        part[part == 0] = codes.PAD
        moment.codes[blank] = part


def _layout(runs: list[Run], number: int, remarks: list[str]) -> dict[int, tuple[tuple[int, int, int], int]]:
    """Type of each known moment of a cut to (scale, offset, bytes) of most of its rays, and its most gates.

    Raises:
        ReadError: BAD_VALUE where padding ragged rays would take far more memory than the file.
    """
    votes: dict[int, Counter[tuple[int, int, int]]] = {}
    for run in runs:
        for block in run.blocks:
            if block.kind in codes.MOMENTS:
                votes.setdefault(block.kind, Counter())[block.key] += run.rays.size
    chosen = {}
    for kind, counter in votes.items():
        key = counter.most_common(1)[0][0]
        if odd := counter.total() - counter[key]:
            remarks.append(f"cut {number}: {odd} rays of {codes.MOMENTS[kind]} with another scale left out")
        chosen[kind] = (key, max(b.gates for run in runs for b in run.blocks if b.kind == kind and b.key == key))
    count = sum(run.rays.size for run in runs)
    held = sum(run.end - run.at for run in runs)
    needed = sum(count * gates * key[2] for key, gates in chosen.values())
    if needed > PADDING_RATIO * held + PADDING_SLACK:
        what = f"cut {number}: rays so ragged that {held} bytes would become {needed}"
        raise bad(Reason.BAD_VALUE, what, f"第 {number} 层径向长度相差过大", runs[0].at)
    return chosen


def _range(cut: Any, name: str, counts: dict[str, int], number: int) -> tuple[float, float]:
    """Centre of gate 0 and distance of gates [m]."""
    log, doppler = codes.gate_metres(int(cut["log_gate"])), codes.gate_metres(int(cut["doppler_gate"]))
    fast = codes.has_doppler_gates(name, counts[name], counts, log, float(cut["max_range1"]))
    step = doppler if fast else log
    start = int(cut["start_range"])
    if not (0 < step <= MAX_GATE_M and abs(start) <= MAX_START_M):
        what = f"cut {number}: {name} gates of {step} m from {start} m"
        raise bad(Reason.BAD_VALUE, what, f"第 {number} 层 {name} 的库长 {step} 米、起始距离 {start} 米无效")
    return start + step / 2, step


def _moment(
    data: bytes, runs: Iterable[Run], kind: int, key: tuple[int, int, int], gates: int, first: float, step: float
) -> Moment:
    scale, offset, size = key
    dtype = "<u1" if size == 1 else "<u2"
    parts = []
    for run in runs:
        block = next((b for b in run.blocks if b.kind == kind and b.key == key), None)
        shape = (run.rays.size, gates)
        if block is not None and block.gates == gates:
            parts.append(np.ndarray(shape, dtype, data, run.at + block.at, (run.stride, size)))
            continue
        padded = np.full(shape, codes.PAD, dtype)
        if block is not None:
            view: npt.NDArray[Any] = np.ndarray(
                (shape[0], block.gates), dtype, data, run.at + block.at, (run.stride, size)
            )
            padded[:, : block.gates] = view
        parts.append(padded)
    raw = parts[0].copy() if len(parts) == 1 else np.concatenate(parts)
    classes = codes.CLASSES_U1 if size == 1 else codes.CLASSES_U2
    return Moment(raw, float(scale), float(offset), first, step, classes)


def _ending(runs: list[Run], end: int, size: int, cuts: int) -> tuple[list[str], int | None]:
    """Remarks on how the file ends, and where it breaks off if it does."""
    last = int(runs[-1].rays["state"][-1])
    seen = len({int(run.rays["cut"][0]) for run in runs})
    if last == codes.END_VOLUME and end < size:
        return [f"{size - end} bytes after the end of the volume ignored"], None
    if end < size or (last != codes.END_VOLUME and (last != codes.END_CUT or seen < cuts)):
        return [f"truncated at byte {size}: {seen} of {cuts} cuts"], size
    return [], None


FORMAT = Format(
    name=NAME,
    title_en="CINRAD standard base data",
    title_zh="天气雷达标准格式基数据",
    recognise=recognise,
    name_pattern=re.compile(r"Z_RADR_I_(?P<id>Z[0-9A-Z]{4})_(?P<t>\d{14})_O_DOR_[0-9A-Z]+_CAP_FMT", re.IGNORECASE),
    read=read_standard,
    describe=describe_volume,
    write=write_standard,
)
