"""Hail from reflectivity and the 0 and -20 C heights: the published formulas, in float64, one function each.

This is where every hail constant lives; the fast kernel takes its tables and coefficients from here.
Heights and temperature levels share one datum, metres above sea level.
"""

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FLUX_COEFFICIENT = 5e-6
"""Hail kinetic energy flux E = 5e-6 * 10^(0.084 Z) * W(Z) [J m-2 s-1] (Witt et al. 1998, eq. 1; Waldvogel 1978)."""
FLUX_EXPONENT = 0.084
FLUX_MIN_DBZ, FLUX_FULL_DBZ = 40.0, 50.0
"""W(Z) rises linearly from 0 to 1 between these: rain below, hail above (Witt et al. 1998, eq. 3)."""

SHI_FACTOR = 0.1
"""SHI = 0.1 * integral of W_T E dH (Witt et al. 1998, eq. 4)."""

W98_FACTOR, W98_EXPONENT = 2.54, 0.5
"""MESH = 2.54 SHI^0.5 [mm] (Witt et al. 1998, eq. 8)."""
M75_FACTOR, M75_EXPONENT = 15.096, 0.206
"""MESH75 = 15.096 SHI^0.206 [mm], fit of the 75th percentile (Murillo, Homeyer & Allen 2021)."""
M95_FACTOR, M95_EXPONENT = 22.157, 0.212
"""MESH95 = 22.157 SHI^0.212 [mm], fit of the 95th percentile (Murillo, Homeyer & Allen 2021)."""
BLEND_PIVOT_SHI = 429.3
"""SHI where Witt 1998 and MESH75 agree (52.6 mm): middle of the blend (DOMAIN.md 2.2)."""
BLEND_STEEPNESS = 2 * math.log(9) / 200
"""Logistic steepness: the blend goes from 10 to 90 % over 200 SHI units (DOMAIN.md 2.2)."""

POSH_SLOPE, POSH_OFFSET = 29.0, 50.0
"""POSH = 29 ln(SHI / WT) + 50 [%] (Witt et al. 1998, eq. 6)."""
WT_SLOPE_PER_KM, WT_OFFSET = 57.5, -121.0
"""Warning threshold WT = 57.5 H0[km] - 121 (Witt et al. 1998, eq. 5; H0 above sea level, as MRMS and pyhail do)."""
WT_FLOOR = 20.0
"""WT is not let below this: the fit has no data for H0 < 2.5 km, where it turns negative (DOMAIN.md 2.2)."""


def reflectivity_weight(dbz: npt.ArrayLike) -> Array:
    """W(Z): 0 up to 40 dBZ, 1 from 50 dBZ, linear between; NaN stays NaN. Any shape."""
    z = np.asarray(dbz, dtype=np.float64)
    return np.clip((z - FLUX_MIN_DBZ) / (FLUX_FULL_DBZ - FLUX_MIN_DBZ), 0.0, 1.0)


def energy_flux(dbz: npt.ArrayLike) -> Array:
    """Kinetic energy flux of hail E(Z) [J m-2 s-1]; NaN stays NaN. Any shape."""
    z = np.asarray(dbz, dtype=np.float64)
    return np.asarray(FLUX_COEFFICIENT * 10.0 ** (FLUX_EXPONENT * z) * reflectivity_weight(z), dtype=np.float64)


def temperature_weight(height_m: npt.ArrayLike, h0_m: float, hm20_m: float) -> Array:
    """W_T(H): 0 up to the 0 C level, 1 from the -20 C level, linear between (Witt et al. 1998, eq. 4).

    Args:
        height_m: heights [m ASL], any shape.
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL], h0_m < hm20_m.
    """
    return np.clip((np.asarray(height_m, dtype=np.float64) - h0_m) / (hm20_m - h0_m), 0.0, 1.0)


def severe_hail_index(dbz: npt.ArrayLike, height_m: npt.ArrayLike, h0_m: float, hm20_m: float) -> Array:
    """SHI [J m-1 s-1] by the trapezoidal rule between neighbouring levels.

    W_T and E are taken at the levels. A layer counts where both its levels are observed; nothing is added above
    the topmost or below the lowest observed level.

    Args:
        dbz: (..., level) reflectivity [dBZ], NaN where unobserved.
        height_m: (level,) [m ASL], ascending.
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL].

    Returns:
        (...,) SHI; 0 where no layer counts, also in a column that nobody observed.
    """
    height = np.asarray(height_m, dtype=np.float64)
    flux = temperature_weight(height, h0_m, hm20_m) * energy_flux(dbz)
    layers = 0.5 * (flux[..., 1:] + flux[..., :-1]) * np.diff(height)
    return np.asarray(SHI_FACTOR * np.nansum(layers, axis=-1), dtype=np.float64)


def mesh_w98(shi: npt.ArrayLike) -> Array:
    """MESH [mm] of SHI, Witt et al. 1998."""
    return np.asarray(W98_FACTOR * np.asarray(shi, dtype=np.float64) ** W98_EXPONENT, dtype=np.float64)


def mesh75(shi: npt.ArrayLike) -> Array:
    """MESH75 [mm] of SHI, Murillo, Homeyer & Allen 2021. It exceeds 24 mm at SHI 10: W98 thresholds do not fit it."""
    return np.asarray(M75_FACTOR * np.asarray(shi, dtype=np.float64) ** M75_EXPONENT, dtype=np.float64)


def mesh95(shi: npt.ArrayLike) -> Array:
    """MESH95 [mm] of SHI, Murillo, Homeyer & Allen 2021."""
    return np.asarray(M95_FACTOR * np.asarray(shi, dtype=np.float64) ** M95_EXPONENT, dtype=np.float64)


def mesh_blend(shi: npt.ArrayLike) -> Array:
    """MESH [mm]: Witt 1998 for weak columns, MESH75 for strong ones, logistic in SHI about the crossing."""
    index = np.asarray(shi, dtype=np.float64)
    strong = 1.0 / (1.0 + np.exp(-BLEND_STEEPNESS * (index - BLEND_PIVOT_SHI)))
    return np.asarray((1.0 - strong) * mesh_w98(index) + strong * mesh75(index), dtype=np.float64)


def warning_threshold(h0_m: float) -> float:
    """WT [J m-1 s-1] of the 0 C height [m ASL], at least WT_FLOOR."""
    return max(WT_FLOOR, WT_SLOPE_PER_KM * h0_m / 1000.0 + WT_OFFSET)


def posh(shi: npt.ArrayLike, h0_m: float) -> Array:
    """Probability of severe hail [%], 0..100, not rounded; 0 where SHI is 0, NaN where SHI is NaN."""
    index = np.asarray(shi, dtype=np.float64)
    with np.errstate(divide="ignore"):
        percent = POSH_SLOPE * np.log(index / warning_threshold(h0_m)) + POSH_OFFSET
    return np.clip(percent, 0.0, 100.0)


def h45_above_h0(echo_top_45_m: npt.ArrayLike, h0_m: float) -> Array:
    """Height of the 45 dBZ top above the 0 C level [m] (Waldvogel 1979); negative below it, NaN without a top."""
    return np.asarray(echo_top_45_m, dtype=np.float64) - h0_m
