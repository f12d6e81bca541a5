"""Linear least squares derivatives of a sweep's unfolded velocity (DOMAIN.md 2.3).

About each gate a plane u = u0 + u_r dr + u_s ds is fitted to the velocities of a neighbourhood of fixed size in metres
(Smith & Elmore 2004; Miller et al. 2013, Wea. Forecasting 28; Mahalik et al. 2019, Wea. Forecasting 34). u_s is the
azimuthal shear, u_r the radial divergence. Here dr is along the beam and ds = (r + dr) cos(elevation) dtheta, with the
azimuths that the file gives: rays may be lost, doubled and in any order, and only where azimuths close the circle does
the neighbourhood. The normal equations are solved in full, since missing gates break the symmetry behind the usual
short cut.

What the figures are not:
- u_r is only half of the divergence of an axisymmetric outflow: the other half is across the beam, where one radar is
  blind. u_s likewise is half of a solid rotation's vorticity.
- A uniform wind U has an azimuthal shear of up to U / r: the beam turns through it (20 m/s at 30 km: 0.0007 s-1).
- A vortex smaller than the neighbourhood is flattened: of a Rankine core of radius R <= W, W = 1250 m or, from 57 km on
  with rays of 1 deg, 1.25 rays, the fit keeps x^2 (3 - 2 x), x = R / W (the fit's integral over the profile), and the
  median before it takes more where rays are sparse. What is kept of 0.5 to 4 km cores is in docs/kinematics.md.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wxcore.radar.kinematics import llsd_kernels
from wxcore.radar.kinematics.llsd_kernels import Bytes, Doubles, Floats, Ints
from wxcore.radar.tilts import COINCIDENT_DEG
from wxcore.radar.volume import Sweep

SHEAR_ACROSS_M, SHEAR_ALONG_M = 2500.0, 750.0
DIVERGENCE_ACROSS_M, DIVERGENCE_ALONG_M = 750.0, 1500.0
"""Size of the neighbourhood across and along the beam (DOMAIN.md 2.3): gates whose centres lie in it, and at least the
gates and rays next to the middle one."""
MOST_RAYS = 51
"""... and at most so many rays (DOMAIN.md 2.3), which is reached within 3 km of a radar with rays of 1 deg."""
NEXT_RAY = 1.25
"""The next ray is that within so many median spacings: pointing is good to a quarter of one. Across a lost ray the
smallest neighbourhood is one-sided, not wider [our choice]."""
WIDEST_RAD = np.pi / 3
"""... nor rays so far apart that an arc is no line [our choice]."""
MEDIAN_ACROSS_M = SHEAR_ACROSS_M / 2
"""The median of 3 x 3 gates takes the neighbouring rays in as long as they are no farther apart than this. Beyond,
three rays span 4 km and more, and their median flattens the very vortices that are looked for: at 100 km a Rankine core
of 2.5 km between two rays keeps 66 % of its shear with them, and 94 % with the median along the ray [our choice]."""
LEAST_KNOWN = 0.5
"""Part of the neighbourhood's gates that must have a velocity [our choice]."""
LEAST_SPREAD, LEAST_INDEPENDENCE = 0.15, 0.1
"""Their variance in each direction as a part of that of a whole neighbourhood, of which half a neighbourhood (at the
edge of a sector or of the echo) has about a quarter; 1 - r^2 of the two offsets [our choice]."""
LEAST_QUALITY = 50
"""A velocity whose fold is less likely right than wrong [%] is not used anywhere in this room [our choice]."""
SHEAR_LEAST_DBZ = 20.0
"""Azimuthal shear is given where the middle gate is at least as strong (DOMAIN.md 2.3): the edges of echo are noise.
Divergence is given in weaker echo too: gust fronts are thin lines of 0 to 30 dBZ."""


@dataclass(frozen=True)
class Derivatives:
    """(ray, gate of VRADH) f4 [s-1], rays in the order of the file; NaN where unknown."""

    azimuthal_shear: Floats
    radial_divergence: Floats


@dataclass(frozen=True)
class Beams:
    """The trusted velocities of a sweep, rays by ascending azimuth; rays without azimuth left out.

    Attributes:
        order: (ray,) index into the sweep's rays.
        azimuth: (ray,) [rad, 0 to 2 pi].
        spacing: of neighbouring rays, median [rad]; NaN where no two rays are apart.
        before, after: (ray,) the neighbours within two spacings, -1 where none.
        across: gates before this one have neighbouring rays near enough for the median.
        values: (ray, gate) f4 median of the 3 x 3 gates about each known one, of the 3 along the ray from `across` on
            [m s-1].
        support: (ray, gate) u1 known gates among the nine; 0 where the middle one is unknown.
        elevation: median of the rays [deg].
        first_gate_m, gate_m: of VRADH.
    """

    order: Ints
    azimuth: Doubles
    spacing: float
    before: Ints
    after: Ints
    across: int
    values: Floats
    support: Bytes
    elevation: float
    first_gate_m: float
    gate_m: float


def beams_of(sweep: Sweep) -> Beams:
    """The sweep's velocities of at least LEAST_QUALITY, median filtered.

    Raises:
        ValueError: the sweep has no unfolded velocity.
    """
    if sweep.velocity is None:
        raise ValueError("the sweep has no unfolded velocity: dealias it first")
    moment = sweep.moments["VRADH"]
    degrees = sweep.azimuth.astype(np.float64)
    known = np.flatnonzero(np.isfinite(degrees))
    order = known[np.argsort(degrees[known] % 360.0, kind="stable")]
    azimuth = np.deg2rad(degrees[order] % 360.0)
    values = np.empty((order.size, moment.codes.shape[1]), dtype=np.float32)
    llsd_kernels.trusted(sweep.velocity.values, sweep.velocity.quality, LEAST_QUALITY, order, values)
    spacing, before, after = _adjacent(azimuth)
    smooth, support = np.empty_like(values), np.empty(values.shape, dtype=np.uint8)
    elevation = float(np.nanmedian(sweep.elevation)) if np.isfinite(sweep.elevation).any() else sweep.fixed_angle
    slant = MEDIAN_ACROSS_M / spacing / np.cos(np.deg2rad(elevation)) if np.isfinite(spacing) else 0.0
    across = max(0, int((slant - moment.first_gate_m) / moment.gate_m) + 1)
    everywhere = np.ones(values.shape, dtype=bool)
    llsd_kernels.median_3x3(values, before, after, across, everywhere, smooth, support)
    return Beams(
        order, azimuth, spacing, before, after, across, smooth, support, elevation, moment.first_gate_m, moment.gate_m
    )  # fmt: skip


def _adjacent(azimuth: Doubles) -> tuple[float, Ints, Ints]:
    """Median distance of neighbouring rays [rad], and each ray's neighbours; azimuths ascend."""
    gaps = np.diff(azimuth, append=azimuth[:1] + 2 * np.pi)
    apart = gaps[gaps >= np.deg2rad(COINCIDENT_DEG)]
    spacing = float(np.median(apart)) if apart.size and azimuth.size > 1 else np.nan
    near = gaps <= 2 * spacing
    rays = np.arange(azimuth.size)
    after = np.where(near, np.roll(rays, -1), -1)
    before = np.where(np.roll(near, 1), np.roll(rays, 1), -1)
    return spacing, before, after


def derivatives(sweep: Sweep, dbz: Floats | None) -> Derivatives:
    """Azimuthal shear and radial divergence of a sweep.

    A gate has one if it has a velocity of at least LEAST_QUALITY itself, as have half of its neighbourhood's gates.

    Args:
        sweep: with `velocity`.
        dbz: (ray, gate of VRADH) reflectivity; azimuthal shear is NaN where it is below SHEAR_LEAST_DBZ or unknown.
            None: no such mask.

    Raises:
        ValueError: the sweep has no unfolded velocity.
    """
    beams = beams_of(sweep)
    known = beams.support > 0
    with np.errstate(invalid="ignore"):
        strong = known if dbz is None else known & (dbz[beams.order] >= SHEAR_LEAST_DBZ)
    shape = sweep.moments["VRADH"].codes.shape
    found = Derivatives(np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32))
    found.azimuthal_shear[beams.order] = azimuthal_shear(beams, strong)
    found.radial_divergence[beams.order] = radial_divergence(beams, known)
    return found


def azimuthal_shear(beams: Beams, wanted: npt.NDArray[np.bool_]) -> Floats:
    """u_s [s-1] of the `wanted` gates, (ray, gate) in the order of `beams`; NaN elsewhere and where unknown."""
    return _slope(beams, wanted, SHEAR_ACROSS_M, SHEAR_ALONG_M, across=True)


def radial_divergence(beams: Beams, wanted: npt.NDArray[np.bool_]) -> Floats:
    """u_r [s-1] of the `wanted` gates, (ray, gate) in the order of `beams`; NaN elsewhere and where unknown."""
    return _slope(beams, wanted, DIVERGENCE_ACROSS_M, DIVERGENCE_ALONG_M, across=False)


def _slope(beams: Beams, wanted: npt.NDArray[np.bool_], width_m: float, depth_m: float, *, across: bool) -> Floats:
    if not np.isfinite(beams.spacing) or not wanted.any():
        return np.full(wanted.shape, np.nan, dtype=np.float32)
    out = np.empty(wanted.shape, dtype=np.float32)
    half = max(1, int(depth_m / 2 / beams.gate_m))
    widest = min(MOST_RAYS / 2 * beams.spacing, WIDEST_RAD)
    widths = np.array([width_m / 2, min(NEXT_RAY * beams.spacing, widest), widest])
    geometry = np.array([beams.first_gate_m, beams.gate_m, np.cos(np.deg2rad(beams.elevation)), half])
    least = np.array([LEAST_KNOWN, LEAST_SPREAD, LEAST_INDEPENDENCE])
    llsd_kernels.fit(beams.values, beams.azimuth, geometry, widths, least, wanted, across, out)
    return out
