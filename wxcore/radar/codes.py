"""Tables that the CINRAD readers and writers share: moment types, reserved codes, record layouts (FORMATS.md A.1)."""

import re

import numpy as np
import numpy.typing as npt

from wxcore.radar.volume import ECHO, FOLDED, MISSING, NO_ECHO

MAGIC = b"RSTM"
GENERIC_AT, SITE_AT, TASK_AT, CUTS_AT = 0, 32, 160, 416
CUT_BYTES, RADIAL_BYTES, MOMENT_BYTES = 256, 64, 32
BASE_DATA, PRODUCT, PHASED_ARRAY = 1, 2, 16
"""Values of generic_type."""

UNMET = "format not yet met with a real file: verify against the radar's own display"
"""The remark of every volume whose reader was written from a description alone."""

LZO, PACKED_AT, RAY_CUT_AT = 1, 50, 16
"""The zip type that means packed, where a standard ray says it, and where a ray says its cut."""

RHI_SCANS = frozenset({2, 5})
"""Scan types (task @164) that turn in elevation."""

START_CUT, MIDDLE, END_CUT, START_VOLUME, END_VOLUME = 0, 1, 2, 3, 4
"""Values of a ray's state."""

RADIAL = np.dtype(
    {
        "names": [
            "state", "blank", "sequence", "number", "cut", "azimuth", "elevation", "seconds", "microseconds",
            "length", "moments", "zip",
        ],
        "formats": ["<i4", "<i4", "<i4", "<i4", "<i4", "<f4", "<f4", "<i4", "<i4", "<i4", "<i4", "u1"],
        "offsets": [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 50],
        "itemsize": RADIAL_BYTES,
    }
)  # fmt: skip

PHASED_RADIAL = np.dtype(
    {
        "names": [
            "state", "blank", "sequence", "number", "cut", "azimuth", "elevation", "seconds", "microseconds",
            "length", "moments",
        ],
        "formats": ["<i4", "<i4", "<i4", "<i4", "<i4", "<f4", "<f4", "<i8", "<i4", "<i4", "<i4"],
        "offsets": [0, 4, 8, 12, 16, 20, 24, 28, 36, 40, 44],
        "itemsize": 128,
    }
)  # fmt: skip
"""Header of a ray of a phased array: like the standard's, with time in eight bytes."""

CUT = np.dtype(
    {
        "names": [
            "process", "waveform", "prf1", "prf2", "dealias", "azimuth", "elevation", "start_angle", "end_angle",
            "angular_step", "speed", "log_gate", "doppler_gate", "max_range1", "max_range2", "start_range",
            "nyquist", "moments", "sizes",
        ],
        "formats": [
            "<i4", "<i4", "<f4", "<f4", "<i4", "<f4", "<f4", "<f4", "<f4", "<f4", "<f4", "<i4", "<i4", "<i4", "<i4",
            "<i4", "<f4", "<u8", "<u8",
        ],
        "offsets": [0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 80, 84, 92],
        "itemsize": CUT_BYTES,
    }
)  # fmt: skip

MOMENTS: dict[int, str] = {
    1: "DBTH", 2: "DBZH", 3: "VRADH", 4: "WRADH", 5: "SQIH", 6: "CPA", 7: "ZDR", 8: "LDR", 9: "RHOHV", 10: "PHIDP",
    11: "KDP", 12: "CP", 14: "HCL", 15: "CF", 16: "SNRH", 17: "SNRV", 19: "POTS", 21: "COP", 26: "VELSZ", 27: "DR",
    32: "DBZHC", 33: "VRADHC", 34: "WRADHC", 35: "ZDRC",
}  # fmt: skip
"""Moment type to name: FM301's where it has one; a trailing C marks the signal processor's corrected copies."""

TYPES: dict[str, int] = {name: number for number, name in MOMENTS.items()}

LOG_MOMENTS = frozenset({"DBTH", "DBZH", "DBZHC"})
DOPPLER_MOMENTS = frozenset({"VRADH", "WRADH", "VELSZ", "VRADHC", "WRADHC"})

PAD = 4
"""A reserved code of the standard format (class MISSING): fills ragged rays and rays without the moment."""

FINE = 32768
"""A gate size above this is a fine scan: metres = (value - FINE) / 100."""

SITE_ID = re.compile(r"(?<![0-9A-Z])(Z[0-9A-Z]{4})(?![0-9A-Z])")
"""A station's id in a file name, such as Z9517 or ZG170."""


def _classes(size: int, missing_below: int) -> npt.NDArray[np.uint8]:
    classes = np.full(size, ECHO, np.uint8)
    classes[:missing_below] = MISSING
    classes[0], classes[1] = NO_ECHO, FOLDED
    classes.flags.writeable = False
    return classes


CLASSES_U1 = _classes(256, 5)
CLASSES_U2 = _classes(65536, 5)
"""Standard format: 0 below threshold, 1 range folded, 2 to 4 reserved."""

LEGACY_PAD = 255
"""Fills ragged rays of the legacy format, which has no reserved code left: read as a value it would be 94.5 dBZ or
63 m/s, which no radar measures."""


def _legacy_classes() -> npt.NDArray[np.uint8]:
    classes = _classes(256, 2).copy()
    classes[LEGACY_PAD] = MISSING
    classes.flags.writeable = False
    return classes


CLASSES_LEGACY = _legacy_classes()
"""Legacy format: 0 below threshold, 1 range folded, 255 padding."""

LEGACY_HEADER = 128
LEGACY_POINTER_BASE = 28
LEGACY_SIZES = ((2432, 460, 920), (4132, 800, 1600))
"""Record length, most reflectivity gates and most velocity gates of SA/SB and of CA/CB."""

LEGACY_DAY_MS = 86_400_000
LEGACY_ANGLE = 180 / 4096 / 8
"""Degrees of one unit of a 16-bit angle."""

LEGACY_RAY = np.dtype(
    {
        "names": [
            "mark", "flag", "ms", "day", "reach", "azimuth", "number", "state", "elevation", "cut", "first_r",
            "first_v", "gate_r", "gate_v", "gates_r", "gates_v", "sector", "at_r", "at_v", "at_w", "resolution",
            "vcp", "nyquist",
        ],
        "formats": [
            "S3", "<u2", "<u4", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<i2", "<i2",
            "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2",
        ],
        "offsets": [0, 14, 28, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 64, 66, 68, 70, 72, 88],
        "itemsize": LEGACY_HEADER,
    }
)  # fmt: skip
"""Header of a legacy record (FORMATS.md A.2). Day 1 is 1970-01-01; pointers count from byte 28. `mark` lies in
reserved bytes: the simulator's, for the format has no place for a task name."""


def site_id(name: str) -> str:
    """The station's id in a base name, "" where there is none."""
    found = SITE_ID.search(name.upper())
    return found.group(1) if found else ""


def gate_metres(raw: int) -> float:
    """A cut header's gate size in metres."""
    return (raw - FINE) / 100 if raw > FINE else float(raw)


def gate_raw(metres: float) -> int:
    """Inverse of `gate_metres` (whole metres, or hundredths up to 327 m).

    Raises:
        ValueError: the format cannot hold it.
    """
    hundredths = round(metres * 100)
    if metres <= 0 or abs(hundredths - metres * 100) > 1e-6:
        raise ValueError(f"gate size {metres} m: the format holds whole metres or hundredths of a metre above zero")
    if hundredths % 100 == 0:
        return hundredths // 100
    return FINE + hundredths


def has_doppler_gates(name: str, gates: int, counts: dict[str, int], log_gate: float, max_range: float) -> bool:
    """Which of a cut's two gate sizes a moment has: Doppler (True) or log (False).

    The header does not say it for dual-polarisation moments, so their number of gates decides: that of the
    reflectivity, else that of the velocity, else the size with which the moment ends inside the cut's range.

    Args:
        name: the moment; gates: its number of gates.
        counts: number of gates of every moment of the cut.
        log_gate: [m]; max_range: of the cut [m], 0 where unknown.
    """
    if name in LOG_MOMENTS or name in DOPPLER_MOMENTS:
        return name in DOPPLER_MOMENTS
    if any(counts.get(other) == gates for other in LOG_MOMENTS):
        return False
    if any(counts.get(other) == gates for other in DOPPLER_MOMENTS):
        return True
    return max_range > 0 and gates * log_gate > max_range + log_gate
