"""Rays followed down to what they meet first, over maps of clouds."""

import numpy as np
import numpy.typing as npt
from numba import njit

Doubles = npt.NDArray[np.float64]


@njit(cache=True, nogil=True)
def look_down(
    track: Doubles, clouds: Doubles, corner: tuple[float, float], step_deg: float, step_m: float, met: Doubles,
) -> None:  # fmt: skip
    """Heights at which rays meet clouds.

    Args:
        track: (lon | lat, power of the height, ray) as of Rays; NaN: beside the Earth, nothing is met.
        clouds: (opaque top [m], sheet's height [m], its emissivity, highest of both that a ray from here can meet [m]
            | row from south, column from west), of truth; it holds every place where a ray meets the ground.
        corner: (lon, lat) [deg] of the first cell's middle; step_deg: of cells both ways.
        step_m: rays are looked at every so much of their height.
        met: result, (top [m], sheet [m], emissivity | ray), zeros: a ray meets an opaque cloud at its top where it
            comes from above, at the level where it comes from the side; a sheet only where it passes its height.
    """
    _, rows, columns = clouds.shape
    for k in range(track.shape[2]):
        if np.isnan(track[0, 0, k] + track[1, 0, k] + track[0, 1, k] + track[1, 1, k]):
            continue
        row = int(np.floor((track[1, 0, k] - corner[1]) / step_deg + 0.5))
        column = int(np.floor((track[0, 0, k] - corner[0]) / step_deg + 0.5))
        for level in range(int(np.ceil(clouds[3, row, column] / step_m)), 0, -1):
            height = level * step_m
            lon = track[0, 0, k] + height * (track[0, 1, k] + height * track[0, 2, k])
            lat = track[1, 0, k] + height * (track[1, 1, k] + height * track[1, 2, k])
            row = int(np.floor((lat - corner[1]) / step_deg + 0.5))
            column = int(np.floor((lon - corner[0]) / step_deg + 0.5))
            if row < 0 or row >= rows or column < 0 or column >= columns:
                continue
            sheet = clouds[1, row, column]
            if met[2, k] == 0 and clouds[2, row, column] > 0 and height <= sheet < height + step_m:
                met[1, k], met[2, k] = sheet, clouds[2, row, column]
            if clouds[0, row, column] >= height:
                met[0, k] = min(clouds[0, row, column], height + step_m)
                break
