"""Column products in plain numpy: the slow, obvious version. Oracle of the tests and peer of `wx bench`.

Same rules as `columns.column_products` (stated there), in float64, on a z-last array.
"""

import numpy as np
import numpy.typing as npt

from wxcore.products import hail
from wxcore.schema import NO_ECHO_DBZ

Array = npt.NDArray[np.float64]

TOP_DBZ = (18.0, 30.0, 45.0, 50.0, 60.0)
"""Thresholds of the echo tops [dBZ]; bit k of `topped` belongs to threshold k."""

VIL_FACTOR, VIL_EXPONENT = 3.44e-6, 4.0 / 7.0
"""VIL = sum of 3.44e-6 ((Z_i + Z_i+1)/2)^(4/7) dh [kg m-2], Z linear (Greene & Clark 1972)."""
VIL_MIN_DBZ, VIL_CAP_DBZ = 18.0, 56.0
"""A level below 18 dBZ holds no liquid; one above 56 dBZ counts as 56, for the rest is ice (DOMAIN.md 2.1)."""

DENSITY_MIN_TOP_M = 2000.0
"""VIL density is undefined with an 18 dBZ top below this height [m ASL] (DOMAIN.md 2.1)."""

MESH_MAX_MM = 250.0
"""MESH is held at the schema's maximum: the largest stone on record had 203 mm (Vivian 2010)."""


def reference_products(
    dbz: npt.ArrayLike, height_m: npt.ArrayLike, *, h0_m: float, hm20_m: float
) -> dict[str, npt.NDArray[np.generic]]:
    """Every variable of schema.PRODUCTS for columns of reflectivity.

    Args:
        dbz: (..., level) reflectivity [dBZ], NaN where unobserved.
        height_m: (level,) [m ASL], ascending.
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL].

    Returns:
        name to (...,) float64, `topped` uint8.
    """
    z = np.asarray(dbz, dtype=np.float64)
    height = np.asarray(height_m, dtype=np.float64)
    observed = ~np.isnan(z)
    seen = observed.any(axis=-1)
    filled = np.where(observed, np.clip(z, NO_ECHO_DBZ, None), -np.inf)
    composite = np.where(seen, filled.max(axis=-1), np.nan)
    tops, topped = echo_tops(z, height)
    vil = np.where(seen, vertically_integrated_liquid(z, height), np.nan)
    shi = np.where(seen, hail.severe_hail_index(z, height, h0_m, hm20_m), np.nan)
    defined = (tops[0] >= DENSITY_MIN_TOP_M) & ((topped & 1) == 0)
    return {
        "composite_reflectivity": composite,
        "composite_height": np.where(composite > NO_ECHO_DBZ, height[filled.argmax(axis=-1)], np.nan),
        "vil": vil,
        "vil_density": np.where(defined, 1000.0 * vil / tops[0], np.nan),
        **{f"echo_top_{level:.0f}": top for level, top in zip(TOP_DBZ, tops, strict=True)},
        "topped": topped,
        "shi": shi,
        "mesh": np.minimum(hail.mesh_w98(shi), MESH_MAX_MM),
        "mesh75": np.minimum(hail.mesh75(shi), MESH_MAX_MM),
        "mesh95": np.minimum(hail.mesh95(shi), MESH_MAX_MM),
        "posh": hail.posh(shi, h0_m),
        "h45_above_h0": hail.h45_above_h0(tops[2], h0_m),
    }


def vertically_integrated_liquid(dbz: Array, height_m: Array) -> Array:
    """VIL [kg m-2] of (..., level) dBZ: layer means in linear Z; a layer counts where both levels are observed."""
    linear = np.where(dbz < VIL_MIN_DBZ, 0.0, 10.0 ** (0.1 * np.minimum(dbz, VIL_CAP_DBZ)))
    layers = (0.5 * (linear[..., 1:] + linear[..., :-1])) ** VIL_EXPONENT * np.diff(height_m)
    return np.asarray(VIL_FACTOR * np.nansum(layers, axis=-1), dtype=np.float64)


def echo_tops(dbz: Array, height_m: Array) -> tuple[list[Array], npt.NDArray[np.uint8]]:
    """Echo tops [m ASL] of (..., level) dBZ for TOP_DBZ, NaN where none, and the `topped` bits.

    From the top down: the first level with t, and linear interpolation in dBZ to the level above it. Where that is
    unobserved, or there is none, the top is the level itself and its bit is set.
    """
    above = np.concatenate([dbz[..., 1:], np.full_like(dbz[..., :1], np.nan)], axis=-1)
    step = np.append(np.diff(height_m), 0.0)
    tops, topped = [], np.zeros(dbz.shape[:-1], dtype=np.uint8)
    for k, threshold in enumerate(TOP_DBZ):
        has = dbz >= threshold
        level = dbz.shape[-1] - 1 - has[..., ::-1].argmax(axis=-1)
        z = np.take_along_axis(dbz, level[..., np.newaxis], -1)[..., 0]
        z_above = np.take_along_axis(above, level[..., np.newaxis], -1)[..., 0]
        found, open_above = has.any(axis=-1), np.isnan(z_above)
        with np.errstate(divide="ignore", invalid="ignore"):
            up = np.where(open_above, 0.0, (z - threshold) / (z - z_above) * step[level])
        tops.append(np.where(found, height_m[level] + up, np.nan))
        topped |= ((found & open_above).astype(np.uint8) << k).astype(np.uint8)
    return tops, topped
