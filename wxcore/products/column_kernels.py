"""All column products in one fused pass. Rules and formulas: columns.py, hail.py, reference.py; here is only speed.

Powers come from tables with an entry every 0.02 dB, so a value is rounded by at most 0.01 dB (0.2 % of SHI, 0.1 % of
MESH and VIL) and a multiple of 0.1 dB by nothing. No numeric constant of a formula is written here: numba's cache
does not notice a change in another module, so everything comes in as an argument.
"""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from wxcore.products import hail, reference
from wxcore.schema import NO_ECHO_DBZ

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

_SIGN_FREE = 0x7FFFFFFF
_INFINITY = 0x7F800000
_NOBODY = -0x80000000
"""Bits of a float32: all but its sign; those of infinity (more is NaN); a key below that of every float, which are
also the bits of -0."""

ENTRIES_PER_DB = 50.0
TABLE_MAX_DBZ = 90.0
"""The tables end at the schema's maximum of reflectivity; more counts as this."""

_EMPTY = -2000
"""Entry of a level below the VIL floor: further from a level with liquid (0.02 dB entries) than any two of those can be
apart, so that the difference finds the lone level's part."""

OUTPUTS = (
    "composite_reflectivity", "composite_height", "vil", "vil_density",
    "echo_top_18", "echo_top_30", "echo_top_45", "echo_top_50", "echo_top_60",
    "shi", "mesh", "mesh75", "mesh95", "posh", "h45_above_h0",
)  # fmt: skip
"""Order of the planes of `run`."""


(
    _NO_ECHO,
    _MOST_DBZ,
    _VIL_MIN,
    _FLUX_MIN,
    _VIL_CAP,
    _MIN_TOP,
    _MAX_MESH,
    _H0,
    _WT,
    _W98,
    _M75,
    _M75_POWER,
    _M95,
    _M95_POWER,
    _SLOPE,
    _OFFSET,
    _FLUX_SLOPE,
) = range(17)
"""Places in `Tables.numbers`."""


@dataclass(frozen=True)
class Tables:
    """What the kernel needs.

    Attributes:
        by_dbz: (3, entry). By reflectivity above NO_ECHO_DBZ: flux E / W [J m-2 s-1]; VIL of a metre [kg m-3]. By
            difference of reflectivity: part of that VIL that a layer keeps whose other level is weaker by so much.
        by_level: (3, level): height [m ASL], 0.1 W_T, and distance to the level above [m].
        tops: thresholds of the echo tops [dBZ].
        numbers: scalars of the formulas, at the places _NO_ECHO to _FLUX_SLOPE.
    """

    by_dbz: Floats
    by_level: Floats
    tops: Floats
    numbers: Floats


def tables(height_m: Doubles, h0_m: float, hm20_m: float) -> Tables:
    """Tables for these levels [m ASL, ascending] and these heights of 0 C and -20 C [m ASL]."""
    step = np.arange(int((TABLE_MAX_DBZ - NO_ECHO_DBZ) * ENTRIES_PER_DB) + 2 - _EMPTY) / ENTRIES_PER_DB
    dbz = NO_ECHO_DBZ + step
    capped = np.minimum(dbz, reference.VIL_CAP_DBZ)
    liquid = reference.VIL_FACTOR * 10.0 ** (0.1 * capped * reference.VIL_EXPONENT)
    ratio = np.where(step > reference.VIL_CAP_DBZ - reference.VIL_MIN_DBZ, 0.0, 10.0 ** (-0.1 * step))
    weight = hail.SHI_FACTOR * hail.temperature_weight(height_m, h0_m, hm20_m)
    numbers = (
        NO_ECHO_DBZ, TABLE_MAX_DBZ, reference.VIL_MIN_DBZ, hail.FLUX_MIN_DBZ, reference.VIL_CAP_DBZ,
        reference.DENSITY_MIN_TOP_M, reference.MESH_MAX_MM, h0_m, hail.warning_threshold(h0_m),
        hail.W98_FACTOR, hail.M75_FACTOR, hail.M75_EXPONENT, hail.M95_FACTOR, hail.M95_EXPONENT,
        hail.POSH_SLOPE, hail.POSH_OFFSET, 1 / (hail.FLUX_FULL_DBZ - hail.FLUX_MIN_DBZ),
    )  # fmt: skip
    return Tables(
        by_dbz=np.stack(
            [
                hail.FLUX_COEFFICIENT * 10.0 ** (hail.FLUX_EXPONENT * np.minimum(dbz, TABLE_MAX_DBZ)),
                np.where(dbz < reference.VIL_MIN_DBZ - 0.01, 0, liquid),
                ((1.0 + ratio) / 2) ** reference.VIL_EXPONENT,
            ]
        ).astype(np.float32),
        by_level=np.stack([height_m, weight, np.diff(height_m, append=height_m[-1])]).astype(np.float32),
        tops=np.array(reference.TOP_DBZ, dtype=np.float32),
        numbers=np.array(numbers, dtype=np.float32),
    )


def run(dbz: Floats, t: Tables) -> tuple[Floats, Bytes]:
    """Products of (row, column, level) C-contiguous reflectivity: (OUTPUTS, row, column) and `topped` (row, column)."""
    out = np.empty((len(OUTPUTS), *dbz.shape[:2]), dtype=np.float32)
    topped = np.empty(dbz.shape[:2], dtype=np.uint8)
    _columns_pass(
        dbz, dbz.view(np.int32), t.by_dbz, t.by_level, t.tops, t.tops[:1].view(np.int32), t.numbers, out, topped
    )
    return out, topped


@numba.njit(cache=True, nogil=True, inline="always")
def _largest_key(bits: Ints) -> np.int32:
    """Largest float of a column as an int32 that sorts like it, _NOBODY where all are NaN.

    The compiler turns this into vector instructions, which it does not do for a maximum of floats with NaN.
    """
    best = np.int32(_NOBODY)
    for k in range(bits.size):
        b = bits[k]
        key = np.int32(b ^ np.int32(np.int32(b >> np.int32(31)) & np.int32(_SIGN_FREE)))
        key = np.int32(_NOBODY) if np.int32(b & np.int32(_SIGN_FREE)) > np.int32(_INFINITY) else key
        best = max(key, best)
    return best


@numba.njit(cache=True, nogil=True, inline="always")
def _level_of(bits: Ints, key: np.int32) -> int:
    """Lowest level with the value of this key; -0 is 0."""
    wanted = np.int32(key ^ np.int32(np.int32(key >> np.int32(31)) & np.int32(_SIGN_FREE)))
    for k in range(bits.size):
        if bits[k] == wanted or (wanted == 0 and bits[k] == np.int32(_NOBODY)):
            return k
    return 0


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nsz", "contract"})
def _liquid_of(z: Floats, by_dbz: Floats, depth: Floats, numbers: Floats, entries: Ints) -> np.float32:
    """VIL of a column. Written without branches, so that the compiler takes many levels at once."""
    no_echo, vil_min = numbers[_NO_ECHO], numbers[_VIL_MIN]
    per_db, half, nothing = np.float32(ENTRIES_PER_DB), np.float32(0.5), np.float32(0)
    cap = np.int32((numbers[_VIL_CAP] - no_echo) * per_db + half)
    liquid, pair = by_dbz[1], by_dbz[2]
    for k in range(z.size):
        entry = np.int32(min((max(z[k], no_echo) - no_echo) * per_db + half, np.float32(cap)))
        entries[k] = entry if z[k] >= vil_min else np.int32(_EMPTY)
    vil = nothing
    for k in range(z.size - 1):
        strong = np.int32(max(entries[k], entries[k + 1]))
        apart = np.int32(strong - np.int32(min(entries[k], entries[k + 1])))
        counts = depth[k] if (z[k] == z[k]) & (z[k + 1] == z[k + 1]) else nothing
        vil += liquid[np.uint32(max(strong, np.int32(0)))] * pair[np.uint32(apart)] * counts
    return vil


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _shi_of(z: Floats, by_dbz: Floats, by_level: Floats, depth: Floats, numbers: Floats) -> np.float32:
    """SHI of a column."""
    no_echo, most_dbz, flux_min = numbers[_NO_ECHO], numbers[_MOST_DBZ], numbers[_FLUX_MIN]
    flux, weight = by_dbz[0], by_level[1]
    shi = np.float32(0)
    for k in range(z.size):
        if not z[k] > flux_min or weight[k] == 0:
            continue
        v = min(z[k], most_dbz)
        around = np.float32(0)
        if k > 0 and not np.isnan(z[k - 1]):
            around += depth[k - 1]
        if k < z.size - 1 and not np.isnan(z[k + 1]):
            around += depth[k]
        hail_part = min((v - flux_min) * numbers[_FLUX_SLOPE], np.float32(1))
        entry = np.uint32((v - no_echo) * np.float32(ENTRIES_PER_DB) + np.float32(0.5))
        shi += weight[k] * hail_part * flux[entry] * around
    return np.float32(np.float32(0.5) * shi)


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _highest(z: Floats, below: int, wanted: np.float32) -> int:
    """Highest level under `below` with at least `wanted`, -1 where none: every level is looked at, with no branch."""
    found = np.int32(-1)
    for k in range(below):
        found = max(found, np.int32(k) if z[k] >= wanted else np.int32(-1))
    return int(found)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _tops_of(z: Floats, most: np.float32, by_level: Floats, tops: Floats, top_m: Floats) -> tuple[int, int]:
    """Echo tops of a column with maximum `most` into `top_m`; returns the `topped` bits and the first top's level."""
    topped, highest, k, depth = 0, 0, z.size - 1, by_level[2]
    for t in range(tops.size):
        wanted = tops[t]
        if most < wanted:
            top_m[t:] = np.nan
            return topped, highest
        k = _highest(z, k + 1, wanted)
        highest = max(highest, k)
        top_m[t] = by_level[0, k]
        if k == z.size - 1 or np.isnan(z[k + 1]):
            topped |= 1 << t
        else:
            top_m[t] += (z[k] - wanted) / (z[k] - z[k + 1]) * depth[k]
    return topped, highest


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _hail_of(shi: np.float32, numbers: Floats, out: Floats, i: int, j: int) -> None:
    """SHI, MESH of the three calibrations and POSH into planes 9 to 13."""
    out[9, i, j] = shi
    if shi <= 0:
        out[10:14, i, j] = 0
        return
    most, ln = numbers[_MAX_MESH], np.log(shi)
    out[10, i, j] = min(numbers[_W98] * np.sqrt(shi), most)
    out[11, i, j] = min(numbers[_M75] * np.exp(numbers[_M75_POWER] * ln), most)
    out[12, i, j] = min(numbers[_M95] * np.exp(numbers[_M95_POWER] * ln), most)
    out[13, i, j] = min(
        max(numbers[_SLOPE] * (ln - np.log(numbers[_WT])) + numbers[_OFFSET], np.float32(0)), np.float32(100)
    )


@numba.njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def _columns_pass(  # noqa: PLR0913, PLR0917
    dbz: Floats, bits: Ints, by_dbz: Floats, by_level: Floats, tops: Floats, echo_key: Ints, numbers: Floats,
    out: Floats, topped: Bytes,
) -> None:  # fmt: skip
    """Fill `out` (OUTPUTS, row, column) and `topped` (row, column) from `dbz` (row, column, level) and its bits."""
    n_tops = tops.size
    for i in numba.prange(dbz.shape[0]):
        top_m = np.empty(n_tops, dtype=np.float32)
        entries = np.empty(dbz.shape[2], dtype=np.int32)
        for j in range(dbz.shape[1]):
            key = _largest_key(bits[i, j])
            topped[i, j] = 0
            out[3 : 4 + n_tops, i, j] = np.nan
            out[14, i, j] = np.nan
            if key == np.int32(_NOBODY):
                out[:, i, j] = np.nan
                continue
            level = _level_of(bits[i, j], key)
            strong = dbz[i, j, level] > numbers[_NO_ECHO]
            out[0, i, j] = dbz[i, j, level] if strong else numbers[_NO_ECHO]
            out[1, i, j] = by_level[0, level] if strong else np.float32(np.nan)
            if key < echo_key[0]:
                out[2, i, j] = 0
                out[9:14, i, j] = 0
                continue
            open_bits, highest = _tops_of(dbz[i, j], dbz[i, j, level], by_level, tops, top_m)
            vil = _liquid_of(dbz[i, j, : highest + 2], by_dbz, by_level[2], numbers, entries)
            shi = np.float32(0)
            if dbz[i, j, level] > numbers[_FLUX_MIN]:
                shi = _shi_of(dbz[i, j], by_dbz, by_level, by_level[2], numbers)
            topped[i, j] = open_bits
            out[2, i, j] = vil
            if not (open_bits & 1) and top_m[0] >= numbers[_MIN_TOP]:
                out[3, i, j] = np.float32(1000) * vil / top_m[0]
            for k in range(n_tops):
                out[4 + k, i, j] = top_m[k]
            _hail_of(shi, numbers, out, i, j)
            out[14, i, j] = top_m[2] - numbers[_H0]
