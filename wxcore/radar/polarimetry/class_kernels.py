"""Compiled loop of the hydrometeor classes. What it decides and why: classes.py."""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]


class Sizes(NamedTuple):
    """Entries of each variable in the table, the unknown one included, and where in it each part begins."""

    classes: int
    z: int
    zdr: int
    rho: int
    kdp: int
    sd_z: int
    sd_phi: int
    at_rho: int
    at_kdp: int
    at_sd_z: int
    at_sd_phi: int
    at_allowed: int
    at_weight: int
    at_flag: int


class Scales(NamedTuple):
    """First values and steps of the tables' indices, flags and limits of classes.py."""

    nothing: float
    z0: float
    z_step: float
    zdr0: float
    zdr_step: float
    rho0: float
    rho_step: float
    sd_z_step: float
    sd_phi_step: float
    kdp0_db: float
    kdp_step_db: float
    kdp_least: float
    hail_dbz: float
    least_score: float
    clutter: float
    no_echo: float
    light: float
    light_dbz: float
    rain: float
    hail: float
    rain_hail: float
    above: int
    no_weather: int
    no_weather_classes: int
    qc_good: int
    qc_speckle: int
    qc_clutter: int
    qc_non_met: int


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _index(value: float, first: float, step: float, size: int) -> int:
    """Nearest of the entries but the last, whose ends answer for what lies beyond; the last where unknown."""
    if np.isnan(value):
        return size - 1
    return int(min(max((value - first) / step + 0.5, 0.0), size - 2.0))


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _winner(  # noqa: PLR0913, PLR0917 - the six variables of a gate
    z: float, zdr: float, rho: float, kdp: float, sd_z: float, sd_phi: float, layer: int, classes: int,
    table: Floats, sizes: Sizes, scales: Scales,
) -> int:  # fmt: skip
    """Of the first `classes` the one with the largest score, -1 where none is large enough."""
    i = min(_index(z, scales.z0, scales.z_step, sizes.z + 1), sizes.z - 1)
    j = 1 if z >= scales.hail_dbz else 0
    db = kdp
    if not np.isnan(kdp):
        db = 10.0 * np.log10(kdp) if kdp > scales.kdp_least else scales.kdp0_db
    n = sizes.classes
    at_rho = sizes.at_rho + (j * sizes.rho + _index(rho, scales.rho0, scales.rho_step, sizes.rho)) * n
    at_zdr = (i * sizes.zdr + _index(zdr, scales.zdr0, scales.zdr_step, sizes.zdr)) * n
    at_kdp = sizes.at_kdp + (i * sizes.kdp + _index(db, scales.kdp0_db, scales.kdp_step_db, sizes.kdp)) * n
    at_sd_z = sizes.at_sd_z + _index(sd_z, 0.0, scales.sd_z_step, sizes.sd_z) * n
    at_sd_phi = sizes.at_sd_phi + _index(sd_phi, 0.0, scales.sd_phi_step, sizes.sd_phi) * n
    at_allowed = sizes.at_allowed + layer * n
    known = (0 if np.isnan(zdr) else 1) | (0 if np.isnan(kdp) else 2) | (0 if np.isnan(sd_phi) else 4)
    at_weight = sizes.at_weight + known * n
    best, winner = np.float32(scales.least_score), -1
    for k in range(classes):
        score = table[at_rho + k] + table[at_zdr + k] + table[at_kdp + k]
        score = (score + table[at_sd_z + k] + table[at_sd_phi + k] + table[at_allowed + k]) * table[at_weight + k]
        if score >= best:
            best, winner = score, k
    return winner


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _flag(winner: int, z: float, layer: int, table: Floats, at_flag: int, scales: Scales) -> float:
    """Flag of a class: light rain and hail are parts of rain and of rain with hail."""
    if winner < 0:
        return np.nan
    flag = np.float64(table[at_flag + winner])
    if flag == scales.rain and z < scales.light_dbz:
        return scales.light
    if flag == scales.rain_hail and layer == scales.above:
        return scales.hail
    return flag


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sums(rows: tuple[Floats, Floats, Floats], use: npt.NDArray[np.bool_], span: tuple[int, int], out: Doubles) -> None:
    """Prefix sums along a ray: gates used, Z, Z^2, rhoHV, gates with ZDR, ZDR; `out` is (gate + 1, 6)."""
    z, rho, zdr = rows
    low, high = span
    n, sz, zz, sr, m, sd = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for g in range(low, high + 1):
        out[g, 0], out[g, 1], out[g, 2], out[g, 3], out[g, 4], out[g, 5] = n, sz, zz, sr, m, sd
        if g < high and use[g]:
            v = np.float64(z[g])
            n += 1.0
            sz += v
            zz += v * v
            sr += rho[g]
            if not np.isnan(zdr[g]):
                m += 1.0
                sd += zdr[g]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def classify(
    fields: tuple[Floats, Floats, Floats, Floats, Floats], qc: Bytes, layer: npt.NDArray[np.int32],
    table: Floats, sizes: Sizes, scales: Scales, half: int, out: Floats,
) -> int:  # fmt: skip
    """Fill the flags and return the number of gates with hail; `half` gates to each side are averaged."""
    z, zdr, rho, kdp, texture = fields
    rays, gates = z.shape
    hail = 0
    sums, use = np.empty((gates + 1, 6), dtype=np.float64), np.zeros(gates, dtype=np.bool_)
    for i in range(rays):
        low, high = gates, 0
        for g in range(gates):
            echo = z[i, g] > scales.nothing
            out[i, g] = scales.no_echo if z[i, g] == scales.nothing else np.nan
            use[g] = echo and qc[i, g] == scales.qc_good and not np.isnan(rho[i, g])
            if echo:
                low, high = min(low, g), g + 1
        if low >= high:
            continue
        _sums((z[i], rho[i], zdr[i]), use, (low, high), sums)
        for g in range(low, high):
            if use[g]:
                a, b = max(g - half, low), min(g + half + 1, high)
                n, m = sums[b, 0] - sums[a, 0], sums[b, 4] - sums[a, 4]
                mean, rho_mean = (sums[b, 1] - sums[a, 1]) / n, (sums[b, 3] - sums[a, 3]) / n
                spread = np.sqrt(max((sums[b, 2] - sums[a, 2]) / n - mean * mean, 0.0))
                zdr_mean = (sums[b, 5] - sums[a, 5]) / m if m > 0 else np.nan
                winner = _winner(
                    mean,
                    zdr_mean,
                    rho_mean,
                    kdp[i, g],
                    spread,
                    texture[i, g],
                    layer[g],
                    sizes.classes,
                    table,
                    sizes,
                    scales,
                )
                out[i, g] = _flag(winner, mean, layer[g], table, sizes.at_flag, scales)
                hail += out[i, g] == scales.hail or out[i, g] == scales.rain_hail
            elif z[i, g] > scales.nothing and qc[i, g] == scales.qc_clutter:
                out[i, g] = scales.clutter
            elif z[i, g] > scales.nothing and qc[i, g] == scales.qc_speckle:
                out[i, g] = scales.no_echo
            elif z[i, g] > scales.nothing and qc[i, g] == scales.qc_non_met and not np.isnan(rho[i, g]):
                winner = _winner(
                    z[i, g], zdr[i, g], rho[i, g], np.nan, np.nan, texture[i, g], scales.no_weather,
                    scales.no_weather_classes, table, sizes, scales,
                )  # fmt: skip
                out[i, g] = _flag(winner, z[i, g], layer[g], table, sizes.at_flag, scales)
    return hail
