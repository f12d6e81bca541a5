"""Polar planes: what a radar's tilts say of each place on the ground, as one number a place; and their way to a grid.

A plane is (PLANE_AZIMUTHS, PLANE_RANGES) f4, NaN where the radar cannot say: cell (k, j) covers azimuths k to k + 1
deg and ground distances j to j + 1 times PLANE_STEP_M. Kinematics and polarimetry reduce their gates to planes, so
that a volume's share of a cycle can be kept and many radars merged in one pass.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

PLANE_AZIMUTHS = 360
PLANE_STEP_M = 500.0
PLANE_RANGES = 460
"""1 deg by 500 m to 230 km, the range of Doppler cuts (DOMAIN.md 1.2): finer than the beam beyond 30 km."""

PLANE_SHAPE = (PLANE_AZIMUTHS, PLANE_RANGES)
PLANE_AZIMUTH_DEG = np.arange(PLANE_AZIMUTHS) + 0.5
PLANE_DISTANCE_M = (np.arange(PLANE_RANGES) + 0.5) * PLANE_STEP_M
"""Centres of the cells."""

Plane: TypeAlias = npt.NDArray[np.float32]
