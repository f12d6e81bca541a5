"""Column products of a mosaic: composite, VIL, echo tops, SHI, MESH, POSH, by one rule for gaps.

Rules:
- A level that nobody observed (NaN) contributes nothing; a layer counts where both its levels are observed. A column
  with no observed level is NaN in everything (`topped` 0). Observed without echo: composite NO_ECHO_DBZ; VIL, SHI,
  MESH, POSH 0; tops and composite height NaN.
- VIL: layer means in linear Z, levels below 18 dBZ hold nothing, 56 dBZ cap (Greene & Clark 1972; DOMAIN.md 2.1).
- SHI: trapezoidal rule between neighbouring levels, W_T and E taken at the levels (Witt et al. 1998). On levels with
  no gap and weak ends this equals level values times mid-point thickness.
- Echo tops: from the top down the first level with t, linear in dBZ to the level above. Nothing observed above it (a
  gap, or the topmost level): the top is the level itself and its bit of `topped` is set, for the true top is higher.
- VIL density is undefined with an 18 dBZ top that is open above or below 2 km ASL (DOMAIN.md 2.1).
- Heights are metres above sea level throughout, also in the warning threshold of POSH.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore import schema
from wxcore.errors import SchemaError, WxcoreError
from wxcore.products import column_kernels

INTEGRATION = "trapezoidal rule between levels; a layer counts where both its levels are observed"

CALIBRATION = {
    "mesh": "Witt 1998",
    "mesh75": "Murillo 2021, 75th percentile",
    "mesh95": "Murillo 2021, 95th percentile",
}
"""Attribute `mesh_calibration` of each MESH; SHI and POSH follow Witt 1998."""

METHODS = {
    "composite_reflectivity": "maximum of the observed levels",
    "composite_height": "lowest level that holds the maximum",
    "vil": "Greene & Clark 1972, layer means in linear Z, 18 dBZ floor, 56 dBZ cap; " + INTEGRATION,
    "vil_density": "Amburn & Wolf 1997; undefined where the 18 dBZ top is open above or below 2 km",
    "shi": "Witt 1998; " + INTEGRATION,
    "posh": "29 ln(SHI / WT) + 50, WT = 57.5 H0[km] - 121, at least 20 (Witt 1998)",
    "h45_above_h0": "45 dBZ echo top minus the 0 C level (Waldvogel 1979)",
    **dict.fromkeys(
        (f"echo_top_{dbz}" for dbz in (18, 30, 45, 50, 60)),
        "from the top down, linear in dBZ to the next level; a gap ends the search",
    ),
}

NEEDS_TEMPERATURE = frozenset({"shi", "mesh", "mesh75", "mesh95", "posh", "h45_above_h0"})


def column_products(mosaic: xr.Dataset, *, h0_m: float, hm20_m: float, levels_source: str) -> xr.Dataset:
    """Every product of schema.PRODUCTS from the mosaic's columns.

    Args:
        mosaic: `reflectivity` (time, height, lat, lon) [dBZ], NaN where unobserved; `height` [m ASL] ascending.
            Fastest where height is the last axis in memory, as `radar.mosaic` leaves it.
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL].
        levels_source: where those come from, for the attributes ("climatology", "sounding 57516", "by hand", ...).

    Returns:
        Dataset (time, lat, lon) float32 (`topped` u1). The variables that depend on temperature carry
        `freezing_level_m`, `minus20_level_m`, `levels_source` and `mesh_calibration`; all carry `method`.
        MESH is held at 250 mm.

    Raises:
        WxcoreError: temperature levels that are missing or not in order.
        SchemaError: no reflectivity on ascending heights.
    """
    _check_levels(h0_m, hm20_m)
    cube = mosaic["reflectivity"].transpose(schema.TIME, schema.LAT, schema.LON, schema.HEIGHT)
    height = cube[schema.HEIGHT].to_numpy().astype(np.float64)
    if height.size == 0 or not (np.isfinite(height).all() and (np.diff(height) > 0).all()):
        raise SchemaError("column_products", [f"height: {height.tolist()}, expected ascending metres"])
    t = column_kernels.tables(height, h0_m, hm20_m)
    values = np.ascontiguousarray(cube.to_numpy(), dtype=np.float32)
    planes, topped = column_kernels.run(values.reshape(-1, *values.shape[2:]), t)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        name: plane.reshape(values.shape[:3]) for name, plane in zip(column_kernels.OUTPUTS, planes, strict=True)
    }
    levels = {"freezing_level_m": float(h0_m), "minus20_level_m": float(hm20_m), "levels_source": levels_source}
    return _dataset(cube, {**arrays, "topped": topped.reshape(values.shape[:3])}, levels)


def composite_only_products(composite: xr.Dataset) -> xr.Dataset:
    """Products of a 2-D composite: it alone is known. Everything else is NaN, so that it can never claim hail.

    Args:
        composite: `composite_reflectivity` (time, lat, lon) [dBZ], NaN where unobserved.
    """
    field = composite["composite_reflectivity"].transpose(*schema.COLUMN)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        var.name: np.zeros(field.shape, np.uint8) if var.dtype == "u1" else np.full(field.shape, np.nan, np.float32)
        for var in schema.PRODUCTS
    }
    known = np.maximum(field.to_numpy().astype(np.float32), np.float32(schema.NO_ECHO_DBZ))
    arrays["composite_reflectivity"] = known
    return _dataset(field, arrays, {"source_kind": "2-D composite: no vertical structure observed"})


def _check_levels(h0_m: float, hm20_m: float) -> None:
    if math.isfinite(h0_m) and math.isfinite(hm20_m) and h0_m < hm20_m:
        return
    raise WxcoreError(
        f"0 C level {h0_m:g} m, -20 C level {hm20_m:g} m: expected finite heights ASL with -20 C above 0 C; "
        "check --h0-m and --hm20-m, or the region's levels.csv",
        f"0℃层高度 {h0_m:g} m、-20℃层高度 {hm20_m:g} m 不合理：应为海拔高度，且 -20℃层高于 0℃层；"
        "请检查 --h0-m、--hm20-m 或区域的 levels.csv",
    )


def _dataset(
    like: xr.DataArray, arrays: Mapping[str, npt.NDArray[np.generic]], levels: Mapping[str, object]
) -> xr.Dataset:
    variables = {}
    for var in schema.PRODUCTS:
        attrs = dict(var.attrs)
        if var.name in METHODS:
            attrs["method"] = METHODS[var.name]
        if var.name in NEEDS_TEMPERATURE:
            attrs |= {"mesh_calibration": CALIBRATION.get(var.name, "Witt 1998"), **levels}
        variables[var.name] = (var.dims, arrays[var.name], attrs)
    coords = {name: like.coords[name] for name in schema.COLUMN if name in like.coords}
    return xr.Dataset(variables, coords)
