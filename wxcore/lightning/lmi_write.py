"""Writer of FY-4A LMI L2 files, and the words of the format that its reader shares. No real file was at hand."""

import io
import re
from datetime import datetime, timedelta

import h5py
import numpy as np

from wxcore.lightning.events import EVENT, FLASH, GROUP, Lightning
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.times import require_utc

NAME = re.compile(
    r"^FY4A-_LMI---_N_REG[A-Z0-9]_(?P<place>\d{4})E_L2-_LMI[EGF]_SING_NUL_(?P<start>\d{14})_(?P<end>\d{14})_7800M_"
    r"N(?P<number>\d{2})V\d\.NC",
    re.IGNORECASE,
)
"""Operational name (DOMAIN.md 7.4); its times are those of the run of ten minutes, N says which minute of it."""

LETTERS = {EVENT: "E", GROUP: "G", FLASH: "F"}
MINUTE = np.timedelta64(60, "s")
TAI_EPOCH = np.datetime64("2000-01-01T00:00:00", "ns")

TAI_MINUS_UTC: tuple[tuple[np.datetime64, int], ...] = tuple(
    (np.datetime64(day, "ns"), seconds)
    for day, seconds in (
        ("1999-01-01", 32), ("2006-01-01", 33), ("2009-01-01", 34), ("2012-07-01", 35), ("2015-07-01", 36),
        ("2017-01-01", 37),
    )
)  # fmt: skip
"""From which UTC day on TAI is ahead of UTC by how many seconds: IERS Bulletin C, IETF leap-seconds.list. No further
one is announced to the end of 2026 [M]."""


def write_lmi(native: Lightning) -> bytes:
    """Events, groups or flashes as an LMI file; times to the millisecond, places and radiances to float32.

    Raises:
        ValueError: the level is STROKE.
    """
    letter = LETTERS.get(native.level)
    if letter is None:
        raise ValueError(f"LMI holds events, groups or flashes, not {native.level}s")
    days = np.array([day for day, _ in TAI_MINUS_UTC])
    ahead = np.array([seconds for _, seconds in TAI_MINUS_UTC])[np.searchsorted(days, native.time, side="right") - 1]
    tai = (native.time - TAI_EPOCH) / np.timedelta64(1, "ms") + 1000.0 * ahead
    count = native.time.size
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        for name, value in (("platform_ID", "FY4A"), ("instrument_ID", "LMI"), ("scene_id", "Region")):
            file.attrs[name] = np.bytes_(value)
        if native.simulated:
            file.attrs[SIMULATED_ATTRIBUTE] = np.bytes_(SIMULATED_MARK)
        columns: dict[str, np.ndarray] = {
            "LON": native.lon.astype("f4"), "LAT": native.lat.astype("f4"), f"{letter}TT": np.round(tai),
            f"{letter}R": native.strength.astype("f4"), f"{letter}FP": np.full(count, 60.8, dtype="f4"),
            f"{letter}A": np.arange(count, dtype="i4"), "DQF": np.zeros(count, dtype="i1"),
        }  # fmt: skip
        if native.level == EVENT:
            columns |= {"EGA": np.arange(count, dtype="i4"), "EOT": np.zeros(count)}
            columns |= {axis: np.zeros(count, dtype="i2") for axis in ("EXP", "EYP")}
        for name, values in columns.items():
            file.create_dataset(name, data=values, chunks=(max(count, 1),), maxshape=(None,))
    return memory.getvalue()


def lmi_name(native: Lightning, run: datetime, *, minutes: int = 10) -> str:
    """What the file of a run that began at `run` (UTC) is called.

    Raises:
        TimeError: `run` is naive.
    """
    run = require_utc(run)
    number = round((native.start - run) / timedelta(minutes=1)) + 1
    last = run + timedelta(minutes=minutes, seconds=-21)
    return (
        f"FY4A-_LMI---_N_REGX_1047E_L2-_LMI{LETTERS[native.level]}_SING_NUL_{run:%Y%m%d%H%M%S}_{last:%Y%m%d%H%M%S}"
        f"_7800M_N{number:02d}V1.NC"
    )
