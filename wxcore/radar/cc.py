"""CINRAD/CC (3830) base data (FORMATS.md A.3). **Not yet met with a real file**: every volume carries that remark.

1024 bytes of header, then for each cut its rays of three blocks (reflectivity, velocity, width) of 500 i2 in tenths of
dBZ or m/s, -32768 for nothing. Rays hold no angle and no time: azimuths are taken to begin at north and to go round
evenly, elevations are the header's, times are spread over the volume. What else is assumed stands in `old_header`.

Rays a cut: the header's counts where they account for the file's size, else 512 each where that does. Gates are 300 m
unless the header has a plausible size in metres or tenths of them. Values that no radar measures are missing.
"""

import re
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.errors import Reason
from wxcore.radar import codes, old_header
from wxcore.radar.cc_write import (
    BLOCK_GATES,
    CODING,
    CUT,
    CUTS_AT,
    END_AT,
    MAGIC,
    MODE_AT,
    NAME,
    RAY_BYTES,
    START_AT,
    ZERO,
    write_cc,
)
from wxcore.radar.cinrad_header import bad
from wxcore.radar.describe import describe_volume
from wxcore.radar.old_header import HEADER_BYTES
from wxcore.radar.volume import Moment, Sweep, Volume
from wxcore.schema import Format

KIND = "CINRAD/CC"
SITE_AT = 16
TYPE_AT = 116
USUAL_RAYS = 512
USUAL_GATE_M = 300.0
GATES_M = (30.0, 1000.0)
"""Sizes of gates that are believed [m]."""

LIMITS = {"DBZH": (-60.0, 100.0), "VRADH": (-100.0, 100.0), "WRADH": (0.0, 50.0)}
"""Outside of them no weather radar measures: a value there is a damaged one. [our choice]"""


def recognise(head: bytes) -> bool:
    """ "CINRAD/CC" at byte 116."""
    return head[TYPE_AT : TYPE_AT + len(MAGIC)] == MAGIC


def read_cc(data: bytes, name: str = "") -> Volume:
    """Read a volume.

    Args:
        data: the whole file, uncompressed.
        name: base name, asked for the station's id before the header is.

    Returns:
        Cuts in the file's order; codes are u2 (value = (code - 32768) / 10). A file that ends early gives its whole
        rays and a remark.

    Raises:
        ReadError: TRUNCATED, BAD_HEADER, BAD_VALUE, UNSUPPORTED (no volume; CC2), NO_RADIALS.
    """
    old_header.need_header(data, KIND)
    if not recognise(data):
        found = data[TYPE_AT : TYPE_AT + len(MAGIC)]
        raise bad(Reason.BAD_HEADER, f"radar type {found!r}, expected {MAGIC!r}", f"雷达型号为 {found!r}", TYPE_AT)
    if data[TYPE_AT + len(MAGIC) :].startswith(b"2"):
        raise old_header.cc2(f"its type {(MAGIC + b'2').decode()}")
    cuts = np.frombuffer(data, CUT, old_header.cuts_of(data[MODE_AT], KIND, MODE_AT), CUTS_AT)
    remarks = [codes.UNMET, "azimuths assumed: even steps from north"]
    counts = old_header.ray_counts(cuts["rays"], USUAL_RAYS, len(data), RAY_BYTES, KIND)
    start = _clock(data, START_AT)
    if start is None:
        raise old_header.bad_time(KIND, data[START_AT : START_AT + 7].hex(" "), START_AT)
    times = old_header.ray_times(start, _clock(data, END_AT), counts)
    site = old_header.site(data, SITE_AT, name, remarks)
    sweeps, at = [], HEADER_BYTES
    for number, (cut, count, time) in enumerate(zip(cuts, counts, times, strict=True), 1):
        whole = min(count, (len(data) - at) // RAY_BYTES)
        if whole > 0:
            sweeps.append(_sweep(data, at, cut, (number, count), time[:whole], remarks))
        at += count * RAY_BYTES
    if not sweeps:
        raise bad(Reason.NO_RADIALS, f"{KIND}: headers and no whole ray", f"{KIND}：只有头信息，没有径向", len(data))
    truncated_at = len(data) if at > len(data) else None
    if at < len(data):
        remarks.append(f"{len(data) - at} bytes after the end of the volume ignored")
    if truncated_at is not None:
        remarks.append(f"truncated at byte {len(data)}: {len(sweeps)} of {cuts.size} cuts")
    return Volume(NAME, site, start, f"VOL{cuts.size}", tuple(sweeps), tuple(remarks), truncated_at)


def _clock(data: bytes, at: int) -> datetime | None:
    """Seven bytes: century and year, or a two-byte year; then month to second."""
    century, year, month, day, *clock = data[at : at + 7]
    whole = century * 100 + year if century in {19, 20} and year < 100 else century + 256 * year
    hour, minute, second = clock
    return old_header.utc(whole, month, day, (hour, minute, second))


def _sweep(
    data: bytes, at: int, cut: Any, which: tuple[int, int], time: npt.NDArray[np.datetime64], remarks: list[str]
) -> Sweep:
    """The cut at byte `at`, as many rays as `time` has; `which` is its number and its declared rays."""
    number, count = which
    angle = float(cut["elevation"]) / 100
    if not -5 <= angle <= 90:
        what = f"cut {number}: elevation {angle}"
        raise bad(Reason.BAD_VALUE, what, f"第 {number} 层仰角为 {angle}", CUTS_AT + (number - 1) * CUT.itemsize)
    gates = int(cut["gates"])
    if not 1 <= gates <= BLOCK_GATES:
        remarks.append(f"cut {number}: {gates} gates declared, {BLOCK_GATES} read")
        gates = BLOCK_GATES
    gate_m = _gate(int(cut["gate"]))
    if gate_m is None:
        remarks.append(f"cut {number}: gate size {int(cut['gate'])} not believed, {USUAL_GATE_M:g} m taken")
        gate_m = USUAL_GATE_M
    raw: npt.NDArray[np.uint16] = np.ndarray((time.size, len(CODING), BLOCK_GATES), "<u2", data, at)
    used = raw[:, :, :gates] ^ np.uint16(ZERO)  # adds ZERO to the i2 that it is
    seen = bool(used.any())
    if not seen:
        remarks.append(f"cut {number}: not one value, taken as not observed")
    moments = {
        name: Moment(
            np.ascontiguousarray(used[:, index]), 10.0, float(ZERO), gate_m / 2, gate_m, class_table(name, seen=seen)
        )
        for index, name in enumerate(CODING)
    }
    azimuth = (np.arange(time.size) * 360 / count).astype("f4")
    nyquist = float(cut["nyquist"]) / 100
    return Sweep(
        angle, azimuth, np.full(time.size, angle, "f4"), time, nyquist if 1 <= nyquist <= 100 else np.nan, moments
    )


def _gate(raw: int) -> float | None:
    """Gate size [m] of a header's number in metres or tenths of them."""
    if GATES_M[0] <= raw <= GATES_M[1]:
        return float(raw)
    return raw / 10 if GATES_M[0] <= raw / 10 <= GATES_M[1] else None


@cache
def class_table(name: str, *, seen: bool = True) -> npt.NDArray[np.uint8]:
    """(65536,) classes of a moment's codes; `seen` is False in a cut without a single value."""
    low, high = LIMITS[name]
    return old_header.classes(65536, seen=seen, lowest=round(low * 10) + ZERO, highest=round(high * 10) + ZERO)


FORMAT = Format(
    name=NAME,
    title_en="CINRAD/CC base data (not yet met a real file)",
    title_zh="CINRAD/CC 基数据（尚未经实际文件验证）",
    recognise=recognise,
    name_pattern=re.compile(r"Z_RADR_I_(?P<id>Z[0-9A-Z]{4})_(?P<t>\d{14})_O_DOR_CC_CAP(?!_FMT)", re.IGNORECASE),
    read=read_cc,
    describe=describe_volume,
    write=write_cc,
)
