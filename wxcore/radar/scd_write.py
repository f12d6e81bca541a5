"""Volume to CINRAD/SC or CD base data, the inverse of `scd.read_scd`, and the layout both share (FORMATS.md A.4)."""

import struct

import numpy as np
import numpy.typing as npt

from wxcore.radar import old_header
from wxcore.radar.old_header import HEADER_BYTES, MAX_CUTS, VOLUME_MODE
from wxcore.radar.volume import Moment, Sweep, Volume

NAME = "cinrad-sc-cd"
MAGICS = (b"CINRAD/SC", b"CINRAD/CD")
MODE_AT, START_AT, CUTS_AT, END_AT = 201, 202, 217, 853
"""The observation section (660 bytes from 201): type, start (u2 year, five bytes), nine bytes (time's origin, u4
milliseconds, calibration and two integrations), 30 cuts of 21 bytes, three i2 of an RHI, end as the start, one byte."""

CLOCK = struct.Struct("<H5B")
BLOCK_GATES = 998
CODING = ("DBZH", "VRADH", "DBTH", "WRADH")
"""Bytes of a gate; DBTH is the uncorrected reflectivity."""

ANGLE = 360 / 65536
"""Degrees of one unit of a ray's angles (assumed; `scd` checks it against the header's elevation)."""

CUT = np.dtype(
    {
        "names": ["dealias", "nyquist", "reach", "gate", "gates", "rays", "elevation"],
        "formats": ["u1", "<u2", "<u2", "<u2", "<u2", "<u2", "<i2"],
        "offsets": [0, 9, 11, 13, 15, 17, 19],
        "itemsize": 21,
    }
)
"""A cut's block: Nyquist velocity [0.01 m/s], greatest range, size [0.1 m] and number of gates, number of rays,
elevation [0.01 deg]."""

RAY = np.dtype(
    [("azimuth", "<u2"), ("elevation", "<u2"), ("azimuth_end", "<u2"), ("elevation_end", "<u2"),
     ("gates", "u1", (BLOCK_GATES, len(CODING)))]
)  # fmt: skip


def coding(name: str, nyquist: float) -> tuple[float, float]:
    """(scale, offset) of a moment's codes; `nyquist` [m/s] scales velocity and width."""
    if name == "VRADH":
        return 128 / nyquist, 128.0
    if name == "WRADH":
        return 256 / nyquist, 0.0
    return 2.0, 64.0


def write_scd(volume: Volume) -> bytes:
    """Bytes of a volume in the SC format.

    Lost, for the format has no place for it: the rays' own times, angles finer than 0.0055 degree, the site's frequency
    and beam, other moments. Moments that a cut lacks are written as nothing.

    Raises:
        ValueError: the format cannot hold it: no sweep or more than 30, codes that are not u1 in the format's coding,
            velocities without a Nyquist velocity of whole cm/s, more than 998 gates, gates that differ, are no whole
            decimetres or begin elsewhere than at the radar.
    """
    if not 1 <= len(volume.sweeps) <= MAX_CUTS:
        raise ValueError(f"{len(volume.sweeps)} sweeps: the SC format holds 1 to {MAX_CUTS}")
    cuts = np.zeros(len(volume.sweeps), CUT)
    parts = [_rays(sweep, cuts[index : index + 1]) for index, sweep in enumerate(volume.sweeps)]
    head = bytearray(HEADER_BYTES)
    old_header.put_site(head, 0, volume.site, MAGICS[0])
    head[MODE_AT] = VOLUME_MODE + len(volume.sweeps)
    for at, time in ((START_AT, volume.start), (END_AT, old_header.end_of(volume))):
        local = old_header.beijing(time)
        CLOCK.pack_into(head, at, local.year, local.month, local.day, local.hour, local.minute, local.second)
    head[CUTS_AT : CUTS_AT + cuts.nbytes] = cuts.tobytes()
    return b"".join([bytes(head), *parts])


def _rays(sweep: Sweep, cut: npt.NDArray[np.void]) -> bytes:
    """Bytes of a sweep's rays; fills its block of the header."""
    gate_m = old_header.one_gate(sweep, CODING, BLOCK_GATES, parts=10)
    table, gates = np.zeros(sweep.azimuth.size, RAY), 0
    for index, name in enumerate(CODING):
        moment = sweep.moments.get(name)
        if moment is not None:
            _check(name, moment, sweep.nyquist)
            gates = moment.codes.shape[1]
            table["gates"][:, :gates, index] = moment.codes
    half = min(round(180 / max(table.size, 1) / ANGLE), round(1 / ANGLE))
    azimuth = np.rint(sweep.azimuth.astype("f8") / ANGLE).astype("i8")
    table["azimuth"], table["azimuth_end"] = (azimuth - half) % 65536, (azimuth + half) % 65536
    elevation = np.rint(sweep.elevation.astype("f8") / ANGLE).astype("i8") % 65536
    table["elevation"] = table["elevation_end"] = elevation
    cut["gate"], cut["gates"], cut["rays"] = round(gate_m * 10), gates, table.size
    cut["reach"] = min(round(gate_m * gates / 100), 65535)
    cut["nyquist"] = round(sweep.nyquist * 100) if np.isfinite(sweep.nyquist) else 0
    cut["elevation"] = round(sweep.fixed_angle * 100)
    return table.tobytes()


def _check(name: str, moment: Moment, nyquist: float) -> None:
    fast = name in {"VRADH", "WRADH"}
    if fast and not (np.isfinite(nyquist) and abs(nyquist * 100 - round(nyquist * 100)) < 1e-6):
        raise ValueError(f"{name}: the SC format scales it by a Nyquist velocity of whole cm/s, not {nyquist} m/s")
    expected = coding(name, nyquist)
    if (moment.scale, moment.offset) != expected or moment.codes.dtype != np.uint8:
        raise ValueError(f"{name}: the SC format has one-byte codes of scale and offset {expected}")
