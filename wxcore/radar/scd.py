"""CINRAD/SC and CD base data (FORMATS.md A.4). **Not yet met with a real file**: every volume carries that remark.

1024 bytes of header, then for each cut its rays of 4000 bytes: azimuth and elevation of start and end,
then 998 gates of {reflectivity, velocity, uncorrected reflectivity, width}, one byte each. dBZ = (raw - 64) / 2,
velocity = Nyquist (raw - 128) / 128, width = Nyquist raw / 256, 0 is nothing. What is assumed of position, clock and
nothing stands in `old_header`. A cut has as many rays as the header says, or 360 where that accounts for the file's
size. The cut blocks' place (byte 217) follows from the length of their section.

Angles are taken as 65536 to the circle. A ray more than MAX_OFF degrees from its cut's elevation, or wider than
MAX_WIDTH, or without any angle (never written), is dropped; where most are, the file is refused: its angles are not
what we take them for.
"""

import re
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from wxcore.errors import Reason
from wxcore.radar import codes, old_header
from wxcore.radar.cinrad_header import bad
from wxcore.radar.describe import describe_volume
from wxcore.radar.old_header import HEADER_BYTES
from wxcore.radar.scd_write import (
    ANGLE,
    BLOCK_GATES,
    CLOCK,
    CODING,
    CUT,
    CUTS_AT,
    END_AT,
    MAGICS,
    MODE_AT,
    NAME,
    RAY,
    START_AT,
    coding,
    write_scd,
)
from wxcore.radar.volume import Moment, Sweep, Volume
from wxcore.schema import Format

KIND = "CINRAD/SC or CD"
TYPE_AT = 100
USUAL_RAYS = 360
GATES_M = (30.0, 2000.0)
MAX_OFF, MAX_WIDTH = 2.0, 5.0
"""[deg]; antennas settle to a tenth, rays are one degree wide. [our choice]"""

NYQUIST = (1.0, 100.0)
"""Nyquist velocities that are believed [m/s]: without one, velocity and width cannot be read."""


def recognise(head: bytes) -> bool:
    """ "CINRAD/SC" or "CINRAD/CD" at byte 100."""
    return head[TYPE_AT : TYPE_AT + 9] in MAGICS


def read_scd(data: bytes, name: str = "") -> Volume:
    """Read a volume.

    Args:
        data: the whole file, uncompressed.
        name: base name, asked for the station's id before the header is.

    Returns:
        Cuts in the file's order; azimuth and elevation are the middle of a ray's. A file that ends early gives its
        whole rays and a remark.

    Raises:
        ReadError: TRUNCATED, BAD_HEADER, BAD_VALUE, UNSUPPORTED (no volume; CC2), NO_RADIALS.
    """
    old_header.need_header(data, KIND)
    if not recognise(data):
        found = data[TYPE_AT : TYPE_AT + 9]
        raise bad(
            Reason.BAD_HEADER, f"radar type {found!r}, expected one of {MAGICS}", f"雷达型号为 {found!r}", TYPE_AT
        )
    cuts = np.frombuffer(data, CUT, old_header.cuts_of(data[MODE_AT], KIND, MODE_AT), CUTS_AT)
    counts = old_header.ray_counts(cuts["rays"], USUAL_RAYS, len(data), RAY.itemsize, KIND)
    start = _clock(data, START_AT)
    if start is None:
        raise old_header.bad_time(KIND, str(CLOCK.unpack_from(data, START_AT)), START_AT)
    times = old_header.ray_times(start, _clock(data, END_AT), counts)
    remarks = [codes.UNMET]
    site = old_header.site(data, 0, name, remarks)
    sweeps, at, dropped = [], HEADER_BYTES, 0
    for number, (cut, count, time) in enumerate(zip(cuts, counts, times, strict=True), 1):
        whole = max(0, min(count, (len(data) - at) // RAY.itemsize))
        rays = np.frombuffer(data, RAY, whole, at) if whole else np.zeros(0, RAY)
        sweep = _sweep(rays, time[:whole], cut, number, remarks)
        dropped += whole - (0 if sweep is None else sweep.azimuth.size)
        if sweep is not None:
            sweeps.append(sweep)
        at += count * RAY.itemsize
    held = min(sum(counts), (len(data) - HEADER_BYTES) // RAY.itemsize)
    if 2 * dropped > held:
        what = f"{KIND}: {dropped} of {held} rays have angles that contradict their cut's elevation"
        raise bad(Reason.BAD_VALUE, what, f"{KIND}：{held} 条径向中有 {dropped} 条角度与仰角不符", HEADER_BYTES)
    if not sweeps:
        raise bad(Reason.NO_RADIALS, f"{KIND}: headers and no whole ray", f"{KIND}：只有头信息，没有径向", len(data))
    if at < len(data):
        remarks.append(f"{len(data) - at} bytes after the end of the volume ignored")
    truncated_at = len(data) if at > len(data) else None
    if truncated_at is not None:
        remarks.append(f"truncated at byte {len(data)}: {len(sweeps)} of {cuts.size} cuts")
    return Volume(NAME, site, start, f"VOL{cuts.size}", tuple(sweeps), tuple(remarks), truncated_at)


def _clock(data: bytes, at: int) -> datetime | None:
    year, month, day, hour, minute, second = CLOCK.unpack_from(data, at)
    return old_header.utc(year, month, day, (hour, minute, second))


def _sweep(
    rays: npt.NDArray[Any], time: npt.NDArray[np.datetime64], cut: Any, number: int, remarks: list[str]
) -> Sweep | None:
    """One cut; None where no ray of it is plausible."""
    angle, gate_m, gates = float(cut["elevation"]) / 100, float(cut["gate"]) / 10, int(cut["gates"])
    if not (-5 <= angle <= 90 and GATES_M[0] <= gate_m <= GATES_M[1] and 1 <= gates <= BLOCK_GATES):
        what = f"cut {number}: elevation {angle}, {gates} gates of {gate_m} m"
        raise bad(Reason.BAD_VALUE, what, f"第 {number} 层仰角 {angle}、{gates} 个 {gate_m} 米库无效", CUTS_AT)
    azimuth, width = _middle(rays["azimuth"], rays["azimuth_end"])
    elevation, height = _middle(rays["elevation"], rays["elevation_end"])
    elevation = np.where(elevation > 180, elevation - np.float32(360), elevation)
    written = rays["azimuth"] | rays["azimuth_end"] | rays["elevation"] | rays["elevation_end"]
    good = (
        (written != 0)
        & (np.abs(elevation - np.float32(angle)) <= MAX_OFF)
        & (width <= MAX_WIDTH)
        & (height <= MAX_WIDTH)
    )
    if not good.all():
        remarks.append(f"cut {number}: {int((~good).sum())} of {good.size} rays dropped (angle implausible)")
    if not good.any():
        return None
    used = rays["gates"][good, :gates]
    seen = bool(used.any())
    if not seen:
        remarks.append(f"cut {number}: not one value, taken as not observed")
    nyquist = float(cut["nyquist"]) / 100
    if not NYQUIST[0] <= nyquist <= NYQUIST[1]:
        remarks.append(f"cut {number}: Nyquist velocity {nyquist} m/s, velocity and width left out")
        nyquist = np.nan
    table = CLASSES if seen else CLASSES_UNSEEN
    moments = {
        name: Moment(np.ascontiguousarray(used[:, :, k]), *coding(name, nyquist), gate_m / 2, gate_m, table)
        for k, name in enumerate(CODING)
        if np.isfinite(nyquist) or name not in codes.DOPPLER_MOMENTS
    }
    return Sweep(angle, azimuth[good], elevation[good], time[good], nyquist, moments)


def _middle(start: npt.NDArray[Any], end: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(middle, width) [deg] of turns from start to end, whichever way is the shorter."""
    turn = (end.astype("i4") - start.astype("i4") + 32768) % 65536 - 32768
    middle = (start.astype("i4") + turn / 2) % 65536 * ANGLE
    return middle.astype("f4"), (np.abs(turn) * ANGLE).astype("f4")


CLASSES = old_header.classes(256, seen=True)
CLASSES_UNSEEN = old_header.classes(256, seen=False)

FORMAT = Format(
    name=NAME,
    title_en="CINRAD/SC or CD base data (not yet met a real file)",
    title_zh="CINRAD/SC 或 CD 基数据（尚未经实际文件验证）",
    recognise=recognise,
    name_pattern=re.compile(r"Z_RADR_I_(?P<id>Z[0-9A-Z]{4})_(?P<t>\d{14})_O_DOR_(?:SC|CD)_CAP(?!_FMT)", re.IGNORECASE),
    read=read_scd,
    describe=describe_volume,
    write=write_scd,
)
