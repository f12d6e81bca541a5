"""The small linear systems of optimal interpolation and of the spatial consistency test."""

import numba
import numpy as np
import numpy.typing as npt

LEAST_PIVOT = 1e-12
"""Stations at one place make a matrix that is all but singular: its pivots are held above this."""


@numba.njit(cache=True, nogil=True)
def solve(matrix: npt.NDArray[np.float64], right: npt.NDArray[np.float64], count: int) -> float:
    """Solve matrix x = right in place by Cholesky: x goes into `right`, of which the first `count` count.

    Returns:
        right . x, the part of the variance that is explained.
    """
    for i in range(count):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(max(total, LEAST_PIVOT)) if i == j else total / matrix[j, j]
    explained = 0.0
    for i in range(count):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
        explained += right[i] * right[i]
    for i in range(count - 1, -1, -1):
        for k in range(i + 1, count):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]
    return explained
