"""What is true at one place: loops over the few storms near it. Rows of storms are laid out by `instant`."""

import numpy as np
import numpy.typing as npt
from numba import njit

from wxcore.simulate.scene import KM_PER_DEG

Doubles = npt.NDArray[np.float64]

# Columns of a cell's row.
LON, LAT, KX, RADIUS, PEAK, TOP, LAPSE, LEAN_X, LEAN_Y, HAIL_DB = range(10)
ROTATION, OUTFLOW, FRONT, HAIL_MM, COLD, JUMP = range(10, 16)
ANVIL_LON, ANVIL_LAT, ANVIL_RADIUS, ANVIL_TOP = range(16, 20)
CELL_COLUMNS = 20

# Columns of a shield's row.
S_LON, S_LAT, S_KX, S_DBZ, S_ALONG, S_ACROSS, S_SIN, S_COS, S_TOP, S_H0 = range(10)
SHIELD_COLUMNS = 10

NOTHING_DBZ = -33.0
"""Reflectivity [dBZ] where no storm is: below every radar's noise."""

EDGE_DB = 20.0
"""Fall of a cell's echo from its axis to its radius; it goes with the square of the distance."""

LEANS_FROM_M = 2000.0
CORE_NARROW, CORE_M, CORE_HALF_M = 6.0, 6500.0, 2500.0
"""The hail core: how much faster it falls outwards, its height, and how far above and below it is 3 dB weaker."""

SHIELD_EDGE_DB, SNOW_LAPSE_DB_KM = 15.0, 4.5
BRIGHT_DB, BRIGHT_BELOW_M, BRIGHT_HALF_M = 6.0, 200.0, 300.0
"""Bright band: excess, depth of its middle below 0 C, half width (Fabry and Zawadzki 1995: 5-10 dB, some 500 m)."""

MESO_LOW_M, MESO_HIGH_M, MESO_PART = 500.0, 9000.0, 0.25
"""A mesocyclone is between these heights; its radius of strongest wind, as a part of the cell's."""

OUTFLOW_DEPTH_M, FRONT_WIDTH = 1500.0, 0.25
"""Depth of outflow above the ground; width of the gust front, as a part of its radius."""

CLOUD_DBZ = 5.0
"""The tower's visible top is where its echo has fallen to this."""


@njit(cache=True, nogil=True)
def dbz_at(lon: float, lat: float, height: float, cells: Doubles, shields: Doubles) -> float:
    """Reflectivity [dBZ] at a place and height ASL [m]."""
    best = NOTHING_DBZ
    aloft = max(height - LEANS_FROM_M, 0.0) / 1000
    for k in range(cells.shape[0]):
        x = (lon - cells[k, LON]) * cells[k, KX] - cells[k, LEAN_X] * aloft
        y = (lat - cells[k, LAT]) * KM_PER_DEG - cells[k, LEAN_Y] * aloft
        part = (x * x + y * y) / (cells[k, RADIUS] * cells[k, RADIUS])
        above = max(height - cells[k, TOP], 0.0) / 1000 * cells[k, LAPSE]
        best = max(best, cells[k, PEAK] - EDGE_DB * part - above)
        if cells[k, HAIL_DB] > 0:
            off = (height - CORE_M) / CORE_HALF_M
            best = max(best, cells[k, PEAK] + cells[k, HAIL_DB] - EDGE_DB * CORE_NARROW * part - 3 * off * off)
    for k in range(shields.shape[0]):
        part = _within(lon, lat, shields, k)
        melting = 1 - ((height - shields[k, S_H0] + BRIGHT_BELOW_M) / BRIGHT_HALF_M) ** 2
        snow = max(height - shields[k, S_H0], 0.0) / 1000 * SNOW_LAPSE_DB_KM
        best = max(best, shields[k, S_DBZ] - SHIELD_EDGE_DB * part * part + BRIGHT_DB * max(melting, 0.0) - snow)
    return best


@njit(cache=True, nogil=True)
def _within(lon: float, lat: float, shields: Doubles, k: int) -> float:
    """Squared distance from the middle, 1 on the ellipse."""
    x, y = (lon - shields[k, S_LON]) * shields[k, S_KX], (lat - shields[k, S_LAT]) * KM_PER_DEG
    along = (x * shields[k, S_SIN] + y * shields[k, S_COS]) / shields[k, S_ALONG]
    across = (x * shields[k, S_COS] - y * shields[k, S_SIN]) / shields[k, S_ACROSS]
    return float(along * along + across * across)


@njit(cache=True, nogil=True)
def storm_wind(lon: float, lat: float, height: float, cells: Doubles, ground: float) -> tuple[float, float]:
    """(u, v) [m s-1] that the storms add to the environment's wind: mesocyclones, and the strongest outflow.

    `ground`: height of the ground ASL [m].
    """
    u, v, strongest, out_u, out_v = 0.0, 0.0, 0.0, 0.0, 0.0
    aloft = max(height - LEANS_FROM_M, 0.0) / 1000
    shallow = 1 - (height - ground) / OUTFLOW_DEPTH_M
    middle, half = (MESO_LOW_M + MESO_HIGH_M) / 2, (MESO_HIGH_M - MESO_LOW_M) / 2
    deep = 1 - ((height - middle) / half) ** 2
    for k in range(cells.shape[0]):
        x, y = (lon - cells[k, LON]) * cells[k, KX], (lat - cells[k, LAT]) * KM_PER_DEG
        if cells[k, OUTFLOW] > 0 and shallow > 0:
            r = np.sqrt(x * x + y * y)
            speed = cells[k, OUTFLOW] * min(shallow, 1.0) * front_part(r / cells[k, FRONT])
            if speed > strongest and r > 0:
                strongest, out_u, out_v = speed, speed * x / r, speed * y / r
        if cells[k, ROTATION] != 0 and deep > 0:
            x, y = x - cells[k, LEAN_X] * aloft, y - cells[k, LEAN_Y] * aloft
            core = MESO_PART * cells[k, RADIUS]
            turn = 2 * cells[k, ROTATION] * deep / core / (1 + (x * x + y * y) / (core * core))
            u -= turn * y
            v += turn * x
    return u + out_u, v + out_v


@njit(cache=True, nogil=True)
def front_part(s: float) -> float:
    """Outflow by distance over the front's: rises to 1 at the front, and is gone a quarter beyond."""
    return s if s <= 1 else max(1 - (s - 1) / FRONT_WIDTH, 0.0)


@njit(cache=True, nogil=True)
def cloud_at(lon: float, lat: float, cells: Doubles, shields: Doubles) -> tuple[float, float, float]:
    """(opaque, thin, emissivity): top [m ASL] of the opaque cloud, 0 without; top and emissivity of the anvil."""
    opaque, thin, emissivity = 0.0, 0.0, 0.0
    for k in range(cells.shape[0]):
        x, y = (lon - cells[k, LON]) * cells[k, KX], (lat - cells[k, LAT]) * KM_PER_DEG
        over = cells[k, PEAK] - EDGE_DB * (x * x + y * y) / (cells[k, RADIUS] * cells[k, RADIUS]) - CLOUD_DBZ
        if over > 0:
            opaque = max(opaque, cells[k, TOP] + 1000 * over / cells[k, LAPSE])
        if cells[k, ANVIL_RADIUS] > 0:
            x, y = (lon - cells[k, ANVIL_LON]) * cells[k, KX], (lat - cells[k, ANVIL_LAT]) * KM_PER_DEG
            part = (x * x + y * y) / (cells[k, ANVIL_RADIUS] * cells[k, ANVIL_RADIUS])
            if part < 1:
                thin = max(thin, cells[k, ANVIL_TOP])
                emissivity = max(emissivity, min(1.0, 1.5 * (1 - part)))
    for k in range(shields.shape[0]):
        if _within(lon, lat, shields, k) < 1 and shields[k, S_DBZ] > CLOUD_DBZ:
            opaque = max(opaque, shields[k, S_TOP])
    return opaque, thin, emissivity


@njit(cache=True, nogil=True)
def ground_at(lon: float, lat: float, cells: Doubles) -> tuple[float, float, float]:
    """(deficit, jump, hail): temperature deficit [K] and pressure excess [hPa] of cold pools; hail [mm] falling."""
    deficit, jump, hail = 0.0, 0.0, 0.0
    for k in range(cells.shape[0]):
        x, y = (lon - cells[k, LON]) * cells[k, KX], (lat - cells[k, LAT]) * KM_PER_DEG
        square = x * x + y * y
        if cells[k, FRONT] > 0:
            inside = max(1 - square / (cells[k, FRONT] * cells[k, FRONT]), 0.0)
            deficit = max(deficit, cells[k, COLD] * inside**0.5)
            jump = max(jump, cells[k, JUMP] * inside**0.5)
        if cells[k, HAIL_MM] > 0:
            hail = max(hail, cells[k, HAIL_MM] * (1 - CORE_NARROW * square / (cells[k, RADIUS] * cells[k, RADIUS])))
    return deficit, jump, hail


@njit(cache=True, nogil=True)
def fill_dbz(lon: Doubles, lat: Doubles, height: Doubles, cells: Doubles, shields: Doubles, out: Doubles) -> None:
    """`dbz_at` of flat arrays."""
    for k in range(out.size):
        out[k] = dbz_at(lon[k], lat[k], height[k], cells, shields)


@njit(cache=True, nogil=True)
def fill_wind(
    lon: Doubles, lat: Doubles, height: Doubles, cells: Doubles, ground: float, u: Doubles, v: Doubles
) -> None:
    """Add `storm_wind` to flat arrays."""
    for k in range(u.size):
        du, dv = storm_wind(lon[k], lat[k], height[k], cells, ground)
        u[k] += du
        v[k] += dv


@njit(cache=True, nogil=True)
def fill_clouds(
    lon: Doubles, lat: Doubles, cells: Doubles, shields: Doubles, opaque: Doubles, thin: Doubles, emissivity: Doubles
) -> None:
    """`cloud_at` of flat arrays."""
    for k in range(opaque.size):
        opaque[k], thin[k], emissivity[k] = cloud_at(lon[k], lat[k], cells, shields)


@njit(cache=True, nogil=True)
def fill_ground(lon: Doubles, lat: Doubles, cells: Doubles, deficit: Doubles, jump: Doubles, hail: Doubles) -> None:
    """`ground_at` of flat arrays."""
    for k in range(deficit.size):
        deficit[k], jump[k], hail[k] = ground_at(lon[k], lat[k], cells)
