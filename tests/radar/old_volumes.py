"""Volumes that the CC and SC/CD formats hold exactly, and bytes of their headers made by hand."""

import struct
from typing import Any

import numpy as np

from tests.radar import samples
from wxcore.radar import cc, scd
from wxcore.radar.cc_write import CODING as CC_MOMENTS
from wxcore.radar.cc_write import ZERO
from wxcore.radar.scd_write import ANGLE, coding
from wxcore.radar.scd_write import CODING as SCD_MOMENTS
from wxcore.radar.volume import Moment, Site, Sweep, Volume

SITE = Site("Z9230", "Test", 29.5, 106.5, 585.0)
NAME = "Z_RADR_I_Z9230_20200612053920_O_DOR_CC_CAP.bin"
RAY_S = 1
"""Seconds from ray to ray: then the format's even steps are exact."""


def times(first: int, count: int) -> np.ndarray:
    begin = np.datetime64(samples.START.replace(tzinfo=None), "ns")
    return begin + np.arange(first, first + count) * np.timedelta64(RAY_S, "s")


def cc_volume(shapes: list[tuple[int, int]], seed: int = 1, gate_m: float = 300.0) -> Volume:
    """Cuts of (rays, gates) with every code but those of no value at all in a cut."""
    rng, first, sweeps = np.random.default_rng(seed), 0, []
    for number, (rays, gates) in enumerate(shapes):
        moments = {}
        for name in CC_MOMENTS:
            raw = rng.integers(ZERO - 300, ZERO + 700, (rays, gates)).astype("u2")
            raw[rng.random(raw.shape) < 0.3] = 0
            raw[0, 0] = ZERO + 5
            moments[name] = Moment(raw, 10.0, float(ZERO), gate_m / 2, gate_m, cc.class_table(name))
        angle = 0.5 + number
        sweeps.append(
            Sweep(angle, (np.arange(rays) * 360 / rays).astype("f4"), np.full(rays, angle, "f4"), times(first, rays),
                  8.57, moments)
        )  # fmt: skip
        first += rays
    return Volume("cinrad-cc", SITE, samples.START, f"VOL{len(shapes)}", tuple(sweeps))


def scd_volume(shapes: list[tuple[int, int]], seed: int = 1, gate_m: float = 300.0, nyquist: float = 13.25) -> Volume:
    """Cuts of (rays, gates), angles in the format's units; a negative elevation in the second cut."""
    rng, first, sweeps = np.random.default_rng(seed), 0, []
    for number, (rays, gates) in enumerate(shapes):
        moments = {}
        for name in SCD_MOMENTS:
            raw: Any = rng.integers(0, 256, (rays, gates)).astype("u1")
            raw[0, 0] = 90
            moments[name] = Moment(raw, *coding(name, nyquist), gate_m / 2, gate_m, scd.CLASSES)
        angle = -0.5 if number == 1 else 0.5 + number
        azimuth = (rng.integers(0, 65536) + np.arange(rays) * 65536 // rays) % 65536
        elevation = np.full(rays, round(angle / ANGLE))
        sweeps.append(
            Sweep(angle, (azimuth * ANGLE).astype("f4"), (elevation * ANGLE).astype("f4"), times(first, rays), nyquist,
                  moments)
        )  # fmt: skip
        first += rays
    return Volume("cinrad-sc-cd", SITE, samples.START, f"VOL{len(shapes)}", tuple(sweeps))


def cc_by_hand(rays: list[np.ndarray], *, told: int | None = None, gate: int = 300, mode: int = 101) -> bytes:
    """One cut from the table of FORMATS.md A.3; a ray is (3, 500) i2."""
    head = bytearray(1024)
    head[16:21], head[66:73], head[106:111] = b"China", b"Station", b"Z9230"
    head[116:125] = b"CINRAD/CC"
    struct.pack_into("<iii", head, 168, 106_500, 29_500, 585_000)
    head[184:191] = bytes([20, 20, 6, 12, 13, 39, 20])
    head[192:199] = bytes([20, 20, 6, 12, 13, 45, 0])
    head[199] = mode
    count = len(rays) if told is None else told
    struct.pack_into("<9Hh", head, 218, 857, 1500, gate, 500, count, 0, 0, 0, 0, 150)
    return bytes(head) + b"".join(ray.astype("<i2").tobytes() for ray in rays)


def scd_by_hand(rays: list[tuple[int, int, int, int]], gates: np.ndarray, *, mode: int = 101) -> bytes:
    """One cut from the table of FORMATS.md A.4; `gates` is (ray, 998, 4) u1."""
    head = bytearray(1024)
    head[50:57], head[90:95], head[100:109] = b"Station", b"Z9230", b"CINRAD/CD"
    struct.pack_into("<iii", head, 152, 10_650, 2_950, 585)
    head[201] = mode
    struct.pack_into("<H5B", head, 202, 2020, 6, 12, 13, 39, 20)
    struct.pack_into("<B9Hh", head, 217, 1, 0, 0, 0, 0, 1325, 1500, 3000, 998, len(rays), 150)
    struct.pack_into("<H5B", head, 853, 2020, 6, 12, 13, 45, 0)
    parts = [struct.pack("<4H", *angles) + block.tobytes() for angles, block in zip(rays, gates, strict=True)]
    return bytes(head) + b"".join(parts)
