"""Volume to CINRAD/CC base data, the inverse of `cc.read_cc`, and the layout that both share (FORMATS.md A.3)."""

from datetime import datetime

import numpy as np
import numpy.typing as npt

from wxcore.radar import old_header
from wxcore.radar.old_header import HEADER_BYTES, MAX_CUTS, VOLUME_MODE
from wxcore.radar.volume import Sweep, Volume

NAME = "cinrad-cc"
MAGIC = b"CINRAD/CC"
START_AT, END_AT, MODE_AT, CUTS_AT = 184, 192, 199, 218
BLOCK_GATES = 500
CODING = ("DBZH", "VRADH", "WRADH")
"""Blocks of a ray; each value is tenths."""

ZERO = 32768
"""Added to the file's i2 to make our u2 codes: "nothing" (-32768) becomes code 0."""

RAY_BYTES = len(CODING) * BLOCK_GATES * 2

CUT = np.dtype(
    {
        "names": ["nyquist", "reach", "gate", "gates", "rays", "elevation"],
        "formats": ["<u2", "<u2", "<u2", "<u2", "<u2", "<i2"],
        "offsets": [0, 2, 4, 6, 8, 18],
        "itemsize": 22,
    }
)
"""A cut's block: Nyquist velocity [cm/s] (assumed, as in SC and CD), greatest range, size and number of gates, number
of rays, elevation [0.01 deg]."""


def write_cc(volume: Volume) -> bytes:
    """Bytes of a volume in the CC format.

    Lost, for the format has no place for it: azimuths (it has even steps from north), the rays' own times and
    elevations, the site's frequency and beam, other moments. Moments that a cut lacks are written as nothing.

    Raises:
        ValueError: the format cannot hold it: no sweep or more than 30, codes that are not u2 with value
            (code - 32768) / 10, more than 500 gates, gates that differ, are no whole metres or begin elsewhere.
    """
    if not 1 <= len(volume.sweeps) <= MAX_CUTS:
        raise ValueError(f"{len(volume.sweeps)} sweeps: the CC format holds 1 to {MAX_CUTS}")
    cuts = np.zeros(len(volume.sweeps), CUT)
    parts = [_rays(sweep, cuts[index : index + 1]) for index, sweep in enumerate(volume.sweeps)]
    head = bytearray(HEADER_BYTES)
    head[:3] = b"CC\0"
    old_header.put_site(head, 16, volume.site, MAGIC)
    head[START_AT : START_AT + 7] = _clock(volume.start)
    head[END_AT : END_AT + 7] = _clock(old_header.end_of(volume))
    head[MODE_AT] = VOLUME_MODE + len(volume.sweeps)
    head[CUTS_AT : CUTS_AT + cuts.nbytes] = cuts.tobytes()
    return b"".join([bytes(head), *parts])


def _clock(time: datetime) -> bytes:
    local = old_header.beijing(time)
    century, year = divmod(local.year, 100)
    return bytes([century, year, local.month, local.day, local.hour, local.minute, local.second])


def _rays(sweep: Sweep, cut: npt.NDArray[np.void]) -> bytes:
    """Bytes of a sweep's rays; fills its block of the header."""
    count, gate_m, gates = sweep.azimuth.size, old_header.one_gate(sweep, CODING, BLOCK_GATES), 0
    table = np.full((count, len(CODING), BLOCK_GATES), -ZERO, "<i2")
    for index, name in enumerate(CODING):
        moment = sweep.moments.get(name)
        if moment is None:
            continue
        if (moment.scale, moment.offset, moment.codes.dtype) != (10.0, float(ZERO), np.dtype(np.uint16)):
            raise ValueError(f"{name}: the CC format has two-byte codes of value (code - {ZERO}) / 10")
        gates = moment.codes.shape[1]
        table[:, index, :gates] = moment.codes.astype("i4") - ZERO
    cut["gate"], cut["gates"], cut["rays"] = round(gate_m), gates, count
    cut["reach"] = min(round(gate_m * gates / 100), 65535)
    cut["nyquist"] = round(sweep.nyquist * 100) if np.isfinite(sweep.nyquist) else 0
    cut["elevation"] = round(sweep.fixed_angle * 100)
    return table.tobytes()
