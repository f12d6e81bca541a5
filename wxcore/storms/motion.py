"""Motion of storms from their positions: weighted least squares with an honest standard error.

Positions are km east and north of a common origin; times are minutes; speeds in and out are m/s.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAX_SPEED_M_S = 40.0
"""Cap of a storm's speed [m/s]: faster is a mistaken match (v_max 30 m/s in DOMAIN.md 4 is for the search)."""

RECENT = 0.8
"""Weight of a position relative to the next newer one [I]."""

POSITION_SD_KM = 2.5
"""Scatter of a centroid about a straight track [km] before the track shows its own [I]; 2.5 km was seen from one frame
to the next in the CMA mosaics of 2025-06-09."""

POSITION_SD_FREEDOM = 2.0
"""How many residuals POSITION_SD_KM counts for [I]."""

CHANGE_SD_M_S = 3.0
"""How much a storm's motion differs from a perfect fit to its past [m/s], added (in quadrature) to the fit's error: it
is not a rigid body. Centroids in the same mosaics missed their track by 9 km in 30 min, 5 m/s, whatever the fit said
[I]."""

NEIGHBOUR_KM = 100.0
"""Storms this near lend their motion [km]."""

NEIGHBOUR_SPREAD_M_S = 6.0
"""How much motions of neighbouring storms differ before they show it themselves [m/s] [I]."""

NEIGHBOUR_FREEDOM = 2.0
"""How many neighbours NEIGHBOUR_SPREAD_M_S counts for [I]."""

VOTE_KM = 2.0
"""Displacements this near to each other (standard deviation of a Gaussian) support each other [km] [I]."""

KM_MIN = 1000 / 60
"""m/s of one km/min."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Motion:
    """u, v [m/s] eastward, northward; `sd` standard error of each [m/s]. NaN where unknown."""

    u: float
    v: float
    sd: float


UNKNOWN = Motion(np.nan, np.nan, np.nan)


def fit(minutes: Floats, east_km: Floats, north_km: Floats) -> Motion:
    """Straight track through n >= 2 positions (time ascending), the newer ones weighing more.

    The residual variance is pooled with POSITION_SD_KM, so that two positions, which have no residual, and tracks that
    happen to lie straight still get an honest error.
    """
    weight = RECENT ** np.arange(minutes.size - 1, -1, -1)
    mean = np.average(minutes, weights=weight)
    spread = float(np.sum(weight * (minutes - mean) ** 2))
    u = float(np.sum(weight * (minutes - mean) * east_km)) / spread
    v = float(np.sum(weight * (minutes - mean) * north_km)) / spread
    residual = 0.0
    for slope, position in ((u, east_km), (v, north_km)):
        error = position - np.average(position, weights=weight) - slope * (minutes - mean)
        residual += float(np.sum(weight * error**2)) / 2
    freedom = minutes.size - 2 + POSITION_SD_FREEDOM
    variance = (residual + POSITION_SD_FREEDOM * POSITION_SD_KM**2) / freedom
    sd = float(np.sqrt(variance / spread)) * KM_MIN
    return capped(Motion(u * KM_MIN, v * KM_MIN, sd))


def capped(motion: Motion) -> Motion:
    """The same direction at MAX_SPEED_M_S where faster."""
    speed = float(np.hypot(motion.u, motion.v))
    if not speed > MAX_SPEED_M_S:
        return motion
    share = MAX_SPEED_M_S / speed
    return Motion(motion.u * share, motion.v * share, max(motion.sd, speed - MAX_SPEED_M_S))


def borrowed(east_km: float, north_km: float, others: Floats) -> Motion:
    """Mean motion of other storms within NEIGHBOUR_KM; UNKNOWN where there are none.

    Args:
        east_km, north_km: where.
        others: (storm, 5): east, north [km], u, v, sd [m/s] of other storms with a measured motion.

    Returns:
        The mean weighted with 1/sd^2. Its error, as the motion of a storm here, holds how much the neighbours differ
        (pooled with NEIGHBOUR_SPREAD_M_S) and their own errors.
    """
    near = others[np.hypot(others[:, 0] - east_km, others[:, 1] - north_km) <= NEIGHBOUR_KM]
    count = near.shape[0]
    if count == 0:
        return UNKNOWN
    weight = 1 / near[:, 4] ** 2
    u, v = (float(np.average(near[:, k], weights=weight)) for k in (2, 3))
    spread = float(np.average((near[:, 2] - u) ** 2 + (near[:, 3] - v) ** 2, weights=weight)) / 2
    differ = (count * spread + NEIGHBOUR_FREEDOM * NEIGHBOUR_SPREAD_M_S**2) / (count + NEIGHBOUR_FREEDOM)
    return Motion(u, v, float(np.sqrt(differ + 1 / weight.sum())))


def inherited(mother: Motion) -> Motion:
    """Motion of a storm that split from `mother`: hers, with the error of two storms that may part."""
    return Motion(mother.u, mother.v, float(np.hypot(mother.sd, NEIGHBOUR_SPREAD_M_S)))


def blended(own: Motion, near: Motion) -> Motion:
    """Mean of a storm's own motion and its neighbours', each weighted with 1/sd^2: a young track leans on them.

    The error includes CHANGE_SD_M_S.
    """
    if not np.isfinite(near.u):
        return Motion(own.u, own.v, float(np.hypot(own.sd, CHANGE_SD_M_S)))
    a, b = own.sd**-2, near.sd**-2
    u, v = (own.u * a + near.u * b) / (a + b), (own.v * a + near.v * b) / (a + b)
    return Motion(u, v, float(np.hypot((a + b) ** -0.5, CHANGE_SD_M_S)))


def common_shift(old: Floats, old_area: Floats, new: Floats, new_area: Floats, *, radius_km: float) -> Floats:
    """First guess of each old storm's displacement, (old, 2) [km]: where most pairs of old and new storms agree.

    Every pair within `radius_km` votes for its displacement, more the more alike the two are in area; an old storm
    listens to the pairs within NEIGHBOUR_KM of it and takes the displacement with most votes within VOTE_KM.
    Zero where no pair votes.

    Args:
        old, new: (n, 2), (m, 2) positions [km]; old_area, new_area: [km2].
    """
    step = new[None, :, :] - old[:, None, :]
    i, j = np.nonzero(np.hypot(step[..., 0], step[..., 1]) <= radius_km)
    shift = np.zeros_like(old)
    if i.size == 0:
        return shift
    votes = step[i, j]
    alike = np.minimum(old_area[i], new_area[j]) / np.maximum(old_area[i], new_area[j])
    apart = votes[:, None, :] - votes[None, :, :]
    agree = np.exp(-0.5 * (apart**2).sum(axis=-1) / VOTE_KM**2)
    # Ties and lone pairs go to the smaller displacement.
    small = 1 - 0.01 * np.hypot(votes[:, 0], votes[:, 1]) / radius_km
    for storm in range(old.shape[0]):
        far = np.hypot(*(old[i] - old[storm]).T)
        voice = np.where(far <= NEIGHBOUR_KM, alike, 0.0)
        support = (agree @ voice) * small
        if voice.max() > 0:
            best = int(np.argmax(np.where(voice > 0, support, -1.0)))
            close = agree[best] * voice
            shift[storm] = (close[:, None] * votes).sum(axis=0) / close.sum()
    return shift
