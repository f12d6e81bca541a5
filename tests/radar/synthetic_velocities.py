"""Doppler sweeps with a known field of velocity, as if unfolded, for the tests of kinematics."""

from collections.abc import Callable

import numpy as np

from wxcore.radar.geometry import ground_arc
from wxcore.radar.volume import ECHO, FOLDED, MISSING, NO_ECHO, Moment, Sweep, Velocity

GATE_M = 250.0
CLASSES = np.full(256, ECHO, dtype=np.uint8)
CLASSES[:3] = (MISSING, NO_ECHO, FOLDED)
NO_ECHO_CODE, FOLDED_CODE, ECHO_CODE = 1, 2, 100

Wind = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
Radial = Callable[[np.ndarray, np.ndarray], np.ndarray]


def doppler(
    field: Radial, *, elevation: float = 0.5, azimuth: np.ndarray | None = None, gates: int = 480, rays: int = 360,
    gate_m: float = GATE_M, dbz: Radial | None = None, width: Radial | None = None,
) -> Sweep:  # fmt: skip
    """A sweep of the radial velocity `field(azimuth [deg], slant [m])`; NaN is no echo. dBZ and width likewise."""
    if azimuth is None:
        azimuth = (np.arange(rays) + 0.5) * 360 / rays
    slant = gate_m / 2 + gate_m * np.arange(gates)
    shape = (azimuth.size, gates)
    values = np.broadcast_to(field(azimuth[:, None], slant[None, :]), shape).astype("f4")
    codes = np.where(np.isnan(values), NO_ECHO_CODE, ECHO_CODE).astype("u1")
    moments = {"VRADH": Moment(codes, 2.0, 129.0, gate_m / 2, gate_m, CLASSES)}
    for name, what, scale, offset in (("DBZH", dbz, 2.0, 66.0), ("WRADH", width, 2.0, 10.0)):
        if what is not None:
            raw = np.broadcast_to(what(azimuth[:, None], slant[None, :]), shape)
            code = np.where(np.isnan(raw), NO_ECHO_CODE, np.rint(np.nan_to_num(raw) * scale + offset))
            moments[name] = Moment(code.astype("u1"), scale, offset, gate_m / 2, gate_m, CLASSES)
    velocity = Velocity(values, np.where(np.isnan(values), 0, 100).astype("u1"), 1.0, 27.0)
    return Sweep(
        elevation, azimuth.astype("f4"), np.full(azimuth.size, elevation, "f4"),
        np.full(azimuth.size, np.datetime64(0, "ns")), 27.0, moments, velocity=velocity,
    )  # fmt: skip


def seen_from_the_side(wind: Wind, *, elevation: float = 0.5) -> Radial:
    """The radial component, at azimuth and slant range, of a horizontal wind (u, v) of (x, y) east and north [m]."""

    def radial(azimuth: np.ndarray, slant: np.ndarray) -> np.ndarray:
        turn, arc = np.deg2rad(azimuth), ground_arc(slant, elevation)
        u, v = wind(arc * np.sin(turn), arc * np.cos(turn))
        return (u * np.sin(turn) + v * np.cos(turn)) * np.cos(np.deg2rad(elevation))

    return radial


def rankine(x0: float, y0: float, core_m: float, fastest: float) -> Wind:
    """A vortex that turns counter-clockwise, as a solid body inside of the core, as 1 / distance outside."""

    def wind(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        east, north = x - x0, y - y0
        distance = np.maximum(np.hypot(east, north), 1e-6)
        speed = np.where(distance < core_m, fastest * distance / core_m, fastest * core_m / distance)
        return -speed * north / distance, speed * east / distance

    return wind


def outflow(x0: float, y0: float, core_m: float, fastest: float) -> Wind:
    """The same profile, blowing out from the middle: in the core each component's derivative is fastest / core_m."""
    vortex = rankine(x0, y0, core_m, fastest)

    def wind(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u, v = vortex(x, y)
        return v, -u

    return wind
