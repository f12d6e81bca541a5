"""Compiled loops of `sane`. What they decide and why: sane.py."""

import numba
import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


@numba.njit(cache=True, nogil=True)
def tally(codes: Codes, rows: Indices, counts: npt.NDArray[np.int64]) -> None:
    """Add how often each code occurs in these rays to `counts`, (256,) or (65536,)."""
    for row in rows:
        for code in codes[row]:
            counts[code] += 1


@numba.njit(cache=True, nogil=True)
def products(codes: Codes, table: Floats, rows: Indices, others: Indices, shift: int) -> tuple[int, float, float]:
    """Number of pairs of known gates, sum of the products of their values, and mean of the sums of either's squares.

    Args:
        table: (256 or 65536, 2): value of each code, as a vector; NaN in the first part where it has none.
        rows, others: rays of the first and the second gate of the pairs.
        shift: gates between the two, not negative.
    """
    pairs, total, square = 0, 0.0, 0.0
    for k in range(rows.size):
        one, two = codes[rows[k]], codes[others[k]]
        for g in range(one.size - shift):
            a, b = one[g], two[g + shift]
            if not (np.isnan(table[a, 0]) or np.isnan(table[b, 0])):
                x, y, u, v = np.float64(table[a, 0]), np.float64(table[a, 1]), table[b, 0], table[b, 1]
                pairs += 1
                total += x * u + y * v
                square += 0.5 * (x * x + y * y + np.float64(u) * u + np.float64(v) * v)
    return pairs, total, square
