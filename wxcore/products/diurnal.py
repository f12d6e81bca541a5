"""The daily cycle of surface pressure: the solar tides S1 and S2, which no storm makes.

    p' = cos^3(lat) [A2 sin(2 t + phase2) + A1 sin(t + phase1)],   t: local mean solar time as an angle

S2 is much the same all over the world; S1 is larger over land, in valleys above all (Dai & Wang 1999): what is left
of it there is some tenths of an hPa in an hour, far from the 1 to 2 hPa of a mesohigh (DOMAIN.md 2.6).
"""

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

S2_HPA, S2_PHASE_DEG = 1.16, 158.0
"""Travelling semi-diurnal tide at the equator, highest near 9:44 and 21:44 local time (Haurwitz & Cowley 1973; Chapman
& Lindzen 1970) [M]."""

S1_HPA, S1_PHASE_DEG = 0.593, 12.0
"""Travelling diurnal tide at the equator, highest near 5:12 local time (the same sources) [M]."""

DAY_NS = 86_400 * 10**9


def pressure_tide(time: npt.NDArray[np.datetime64], lat: npt.ArrayLike, lon: npt.ArrayLike) -> Doubles:
    """Departure of the pressure by the solar tides [hPa], (time, place).

    Args:
        time: (time,) datetime64 UTC.
        lat, lon: (place,) [deg].
    """
    into_day = time.astype("datetime64[ns]").astype(np.int64) % DAY_NS
    utc = 2 * np.pi * into_day / DAY_NS
    size = np.cos(np.deg2rad(np.asarray(lat, dtype=np.float64))) ** 3
    east = np.deg2rad(np.asarray(lon, dtype=np.float64))
    turns, sizes = [], []
    for waves, height, phase in ((2, S2_HPA, S2_PHASE_DEG), (1, S1_HPA, S1_PHASE_DEG)):
        turned = waves * east + np.deg2rad(phase)
        turns += [np.sin(waves * utc), np.cos(waves * utc)]
        sizes += [height * size * np.cos(turned), height * size * np.sin(turned)]
    return np.asarray(np.column_stack(turns) @ np.vstack(sizes), dtype=np.float64)
