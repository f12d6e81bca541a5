"""Volume to CINRAD phased-array base data, the inverse of `phased.read_phased`, and the layout both share."""

import struct

import numpy as np

from wxcore.radar import codes
from wxcore.radar.cinrad_rays import PHASED
from wxcore.radar.cinrad_write import cut_block, fit, ray_blocks
from wxcore.radar.codes import CUT_BYTES, CUTS_AT, SITE_AT, TASK_AT
from wxcore.radar.volume import Volume
from wxcore.times import to_datetime64

NAME = "cinrad-phased"
BEAMS_AT, START_AT = TASK_AT + 168, TASK_AT + 180
BEAM_BYTES = (640, 384)
"""Lengths of a beam's block; the first is written."""

CUT = np.dtype(
    {
        "names": ["elevation", "log_gate", "doppler_gate", "max_range1", "start_range", "nyquist"],
        "formats": ["<f4", "<f4", "<f4", "<i4", "<i4", "<f4"],
        "offsets": [4, 72, 76, 80, 88, 108],
        "itemsize": CUT_BYTES,
    }
)


def write_phased(volume: Volume) -> bytes:
    """Bytes of a volume in the phased-array format, with one beam block of zeros.

    Lost, for we know no place for it: the site's frequency and beam width.

    Raises:
        ValueError: the format cannot hold it, as `cinrad_write.write_standard`.
    """
    if not 1 <= len(volume.sweeps) <= 256:
        raise ValueError(f"{len(volume.sweeps)} sweeps: the format holds 1 to 256")
    site, head = volume.site, bytearray(CUTS_AT + BEAM_BYTES[0])
    known = np.isfinite(site.latitude) and np.isfinite(site.longitude)
    height = round(site.altitude_m) if np.isfinite(site.altitude_m) else 0
    start = int(to_datetime64(volume.start).astype("datetime64[s]").astype("i8"))
    struct.pack_into("<4shhii", head, codes.GENERIC_AT, codes.MAGIC, 1, 0, codes.PHASED_ARRAY, 0)
    struct.pack_into(
        "<8s32sffi", head, SITE_AT, fit(site.id, 8), fit(site.name, 32),
        site.latitude if known else 0.0, site.longitude if known else 0.0, height,
    )  # fmt: skip
    struct.pack_into("<32s", head, TASK_AT, fit(volume.task, 32))
    struct.pack_into("<iiiq", head, BEAMS_AT, 1, len(volume.sweeps), 0, start)
    cuts = np.zeros(len(volume.sweeps), CUT)
    for index, sweep in enumerate(volume.sweeps):
        block = cut_block(sweep)
        for name in ("elevation", "nyquist", "max_range1", "start_range"):
            cuts[name][index] = block[name]
        for name in ("log_gate", "doppler_gate"):
            cuts[name][index] = codes.gate_metres(int(block[name]))
    return b"".join([bytes(head), cuts.tobytes(), *ray_blocks(volume, PHASED.ray)])
