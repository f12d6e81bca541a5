"""Hail by HDR (Aydin & Zhao 1990; size by Depue et al. 2007) and by HSDA (Ryzhkov et al. 2013; Ortega et al. 2016).

Both are for S band with ZDR good to 0.2 dB (DOMAIN.md 2.2): without a known offset of ZDR `derive` asks neither. HSDA
asks only gates that the classification calls hail or rain with hail; the 0 C level it wants is that of the wet bulb.
"""

import numba
import numpy as np
import numpy.typing as npt

from wxcore.radar.qc_kernels import NOTHING

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

SMALL, LARGE, GIANT = 1, 2, 3
"""HSDA: below 25 mm, 25 to 50 mm, above 50 mm."""

SMOOTHED_GATES = 5

HAIL_LEAST_DBZ = 40.0
"""Weaker is no hail, whatever else is known: the least of rain with hail (Park et al. 2009, table 3)."""

WEIGHTS = np.array(
    [(1.0, 0.3, 0.6), (1.0, 0.3, 0.6), (0.8, 0.5, 0.6), (0.7, 0.8, 0.6), (0.7, 1.0, 0.6), (0.7, 1.0, 0.6)]
)
"""(layer, variable): of Zh, ZDR, rhoHV. Layers from the top: above -25 C, above 0 C, then 1 km each below 0 C."""

_S, _L = (45.0, 50.0, 60.0, 65.0), (48.0, 58.0, 63.0, 68.0)
Z_LIMITS = np.array(
    [
        (_S, _L, (50.0, 60.0, 100.0, 101.0)),
        (_S, _L, (50.0, 60.0, 100.0, 101.0)),
        (_S, _L, (50.0, 60.0, 100.0, 101.0)),
        ((45.0, 52.0, 62.0, 67.0), (50.0, 60.0, 65.0, 70.0), (52.0, 62.0, 100.0, 101.0)),
        ((45.0, 49.0, 59.0, 64.0), (50.0, 57.0, 62.0, 67.0), (50.0, 59.0, 100.0, 101.0)),
        ((45.0, 47.0, 57.0, 62.0), (50.0, 55.0, 60.0, 65.0), (50.0, 57.0, 100.0, 101.0)),
    ]
)
"""(layer, class, corner) [dBZ]: the trapezoid is 1 between the second and the third."""

_LOW_RHO = ((0.91, 0.94, 0.96, 0.99), (0.80, 0.90, 0.96, 0.99), (-1.0, 0.0, 0.93, 0.98))
RHOHV_LIMITS = np.array(
    [
        ((0.92, 0.96, 0.99, 1.0), (0.92, 0.96, 0.99, 1.0), (-1.0, 0.0, 0.99, 1.0)),
        ((0.92, 0.96, 0.99, 1.0), (0.86, 0.90, 0.96, 0.98), (-1.0, 0.0, 0.93, 0.98)),
        ((0.93, 0.96, 0.99, 1.0), (0.80, 0.91, 0.97, 0.98), (-1.0, 0.0, 0.94, 0.98)),
        ((0.94, 0.96, 0.98, 1.0), (0.80, 0.91, 0.97, 0.98), (-1.0, 0.0, 0.96, 0.98)),
        _LOW_RHO,
        _LOW_RHO,
    ]
)

_CONSTANT, _F1, _F2, _F3, _G1, _G2, _G3 = range(7)
ZDR_CURVES = np.array(
    [
        (0.0, 0.0, 0.0),
        (-0.5, 2.5e-3, 7.5e-4),
        (-5.0, 0.1, 0.0),
        (-6.0, 0.1, 0.0),
        (-0.9, 1.5e-2, 5.0e-4),
        (-3.75, 0.075, 0.0),
        (-4.5, 0.075, 0.0),
    ]
)
"""Corners of ZDR that depend on Z: a + b Z + c Z^2 of the constant 0 and of f1, f2, f3, g1, g2, g3."""

_FIXED = ((_CONSTANT,) * 4,) * 3
_BY_G = ((_G2, _G2, _G1, _G1), (_G3, _G3, _G2, _G2), (_CONSTANT, _CONSTANT, _G3, _G3))
_BY_F = ((_F2, _F2, _F1, _F1), (_F3, _F3, _F2, _F2), (_CONSTANT, _CONSTANT, _F3, _F3))
ZDR_CURVE = np.array([_FIXED, _FIXED, _FIXED, _BY_G, _BY_F, _BY_F])
"""(layer, class, corner): which curve."""

_ICE = (-0.5, -0.3, 0.3, 0.5)
_ABOUT = ((-0.3, 0.0, 0.0, 0.3), (-0.3, 0.0, 0.0, 0.3), (-8.75, -7.75, 0.0, 0.3))
ZDR_SHIFTS = np.array(
    [
        (_ICE, _ICE, (-8.75, -7.75, 0.3, 0.5)),
        (_ICE, _ICE, (-8.75, -7.75, 0.2, 0.5)),
        ((-0.1, 0.3, 0.7, 1.2), (-0.3, 0.1, 0.5, 1.0), (-8.75, -7.75, 0.2, 0.7)),
        _ABOUT,
        _ABOUT,
        _ABOUT,
    ]
)
"""(layer, class, corner) [dB]: added to the curve."""

LEAST_MEMBERSHIP, LEAST_AGGREGATE, SMALL_FROM_ZDR_DB = 0.2, 0.6, 2.0
"""A class with a membership below the first is out; below the second, and from this ZDR on, hail is small."""


@numba.njit(cache=True, nogil=True)
def hdr(zh: float, zdr: float) -> float:
    """Hail differential reflectivity [dB] of a gate: Zh - f(ZDR), f = 27 up to 0 dB, 19 ZDR + 27 up to 1.74, 60 above.

    NaN where one of them is.
    """
    rain = 27.0 if zdr <= 0.0 else 60.0 if zdr > 1.74 else 19.0 * zdr + 27.0
    return zh - rain


def hdr_diameter(hdr_db: npt.ArrayLike) -> Doubles:
    """Hail size [mm]: 0.0284 HDR^2 - 0.366 HDR + 11.69 where HDR is above 0, else 0."""
    x = np.asarray(hdr_db, dtype=np.float64)
    size = np.where(x > 0.0, (0.0284 * x - 0.366) * x + 11.69, 0.0)
    return np.asarray(np.where(np.isnan(x), np.nan, size))


def layers(height_m: npt.ArrayLike, h0_m: float, hm25_m: float) -> npt.NDArray[np.int32]:
    """Layer 0 (above -25 C) to 5 (lower than 3 km below 0 C) of heights ASL."""
    height = np.asarray(height_m, dtype=np.float64)
    floors = np.array([hm25_m, h0_m, h0_m - 1000.0, h0_m - 2000.0, h0_m - 3000.0])
    return np.asarray((height[..., np.newaxis] < floors).sum(axis=-1), dtype=np.int32)


def hail_sizes(
    z: Floats, zdr: Floats, rho: Floats, hclass: Floats, layer: npt.NDArray[np.int32], kinds: tuple[float, float],
    quality: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> Floats:  # fmt: skip
    """(ray, gate) SMALL, LARGE or GIANT where there is hail; 0 where there is none; NaN where nobody knows.

    Nobody knows where Z is unknown, where an echo of HAIL_LEAST_DBZ has no class, and where one of the three variables
    of hail is unknown.

    Args:
        z, zdr, rho: (ray, gate) [dBZ], [dB], 1; NaN unknown, z NOTHING without echo. Each is averaged over 5 gates,
            of those known.
        hclass: (ray, gate) hydrometeor class; it is hail where it is one of the two `kinds`.
        layer: (gate,) of `layers`.
        quality: of the three, 0 to 1; 1 where it is not known.
    """
    out = np.empty(z.shape, dtype=np.float32)
    trapezoids = (Z_LIMITS, ZDR_SHIFTS, RHOHV_LIMITS, ZDR_CURVE, ZDR_CURVES)
    limits = (LEAST_MEMBERSHIP, LEAST_AGGREGATE, SMALL_FROM_ZDR_DB)
    weights = WEIGHTS * np.array(quality)
    _sizes(
        (z, zdr, rho),
        (hclass, kinds, (NOTHING, HAIL_LEAST_DBZ)),
        layer,
        weights,
        trapezoids,
        limits,
        (SMOOTHED_GATES // 2, out),
    )
    return out


@numba.njit(cache=True, nogil=True)
def _mean(row: Floats, g: int, half: int, nothing: float) -> float:
    """Mean of the known gates about g; NaN where gate g itself is unknown."""
    n, total = 0, 0.0
    for k in range(max(g - half, 0), min(g + half + 1, row.size)):
        if row[k] > nothing:
            n += 1
            total += np.float64(row[k])
    return total / n if row[g] > nothing else np.nan


@numba.njit(cache=True, nogil=True)
def _trapezoid(x: float, a: float, b: float, c: float, d: float) -> float:
    """1 from b to c, 0 up to a and from d on; the rising side decides first should the corners ever cross."""
    if x <= a or x >= d:
        return 0.0
    if x < b:
        return (x - a) / (b - a)
    return 1.0 if x <= c else (d - x) / (d - c)


@numba.njit(cache=True, nogil=True)
def _aggregate(
    z: float, zdr: float, rho: float, weights: Doubles,
    trapezoids: tuple[Doubles, Doubles, Doubles, npt.NDArray[np.int64], Doubles], layer: int, kind: int, least: float,
) -> float:  # fmt: skip
    of_z, shift, of_rho, curve, curves = trapezoids
    corner = np.empty(4, dtype=np.float64)
    for k in range(4):
        a, b, c = curves[curve[layer, kind, k]]
        corner[k] = a + b * z + c * z * z + shift[layer, kind, k]
    p, q = of_z[layer, kind], of_rho[layer, kind]
    m_z = _trapezoid(z, p[0], p[1], p[2], p[3])
    m_zdr = _trapezoid(zdr, corner[0], corner[1], corner[2], corner[3])
    m_rho = _trapezoid(rho, q[0], q[1], q[2], q[3])
    total = weights[0] + weights[1] + weights[2]
    if min(m_z, m_zdr, m_rho) < least or not total > 0.0:
        return 0.0
    return float((weights[0] * m_z + weights[1] * m_zdr + weights[2] * m_rho) / total)


@numba.njit(cache=True, nogil=True)
def _sizes(
    fields: tuple[Floats, Floats, Floats], hail: tuple[Floats, tuple[float, float], tuple[float, float]],
    layer: npt.NDArray[np.int32], weights: Doubles,
    trapezoids: tuple[Doubles, Doubles, Doubles, npt.NDArray[np.int64], Doubles],
    limits: tuple[float, float, float], window: tuple[int, Floats],
) -> None:  # fmt: skip
    half, out = window
    hclass, kinds, (nothing, least) = hail
    for i in range(hclass.shape[0]):
        for g in range(hclass.shape[1]):
            v = fields[0][i, g]
            unknown = np.isnan(v) or (v >= least and np.isnan(hclass[i, g]))
            out[i, g] = np.nan if unknown else 0.0
            if hclass[i, g] != kinds[0] and hclass[i, g] != kinds[1]:
                continue
            z, zdr = _mean(fields[0][i], g, half, nothing), _mean(fields[1][i], g, half, nothing)
            rho = _mean(fields[2][i], g, half, nothing)
            if np.isnan(z) or np.isnan(zdr) or np.isnan(rho):
                out[i, g] = np.nan
                continue
            best, kind = -1.0, 0
            for k in range(3):
                a = _aggregate(z, zdr, rho, weights[layer[g]], trapezoids, layer[g], k, limits[0])
                if a >= best:
                    best, kind = a, k
            out[i, g] = np.float32(1 if best < limits[1] or zdr >= limits[2] else kind + 1)
