"""What mountains take of a beam: partial beam blockage from a terrain model (Bech et al. 2003, JTECH 20, 845).

A beam that is blocked by more than UNUSABLE sees nothing behind: *unobserved*, never "no hail". Blocked by less it
is weaker, and `correction_db` says by how much. The beam is a disc of the half-power width, its rise that of the
standard atmosphere (geometry.py); each degree of azimuth is the mean of several rays, for ridges are narrower.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from wxcore.errors import RegionError
from wxcore.radar.geometry import Floats, beam_height, ground_arc
from wxcore.radar.siting.ground import ground_along
from wxcore.radar.tilts import BLOCKED_LITTLE, BLOCKED_MOST, Blockage, half_beam_deg
from wxcore.radar.volume import Site
from wxcore.region.terrain import Terrain

AZIMUTHS, BIN_M = 360, 1000.0

UNUSABLE, NEGLIGIBLE = BLOCKED_MOST, BLOCKED_LITTLE
"""Blocked by more: masked; by less than the second: left alone, as the tilts do it."""

FINEST_NEEDED_DEG = 0.02
"""A coarser model knows no ridge: 0.02 deg are 2 km, as wide as a beam of 1 deg at 115 km."""

RAYS_A_DEGREE, STEPS_A_BIN = 3, 4
"""Rays and steps that each cell is made of: 0.33 deg by 250 m."""


def partial_blockage(ground_m: npt.ArrayLike, beam_m: npt.ArrayLike, radius_m: npt.ArrayLike) -> Floats:
    """Part of a beam's disc that lies below the ground, 0 to 1; NaN ground blocks nothing. Shapes broadcast.

    PBB = [y sqrt(a^2 - y^2) + a^2 asin(y / a) + pi a^2 / 2] / (pi a^2) with y = ground - beam (Bech et al. 2003).

    Args:
        ground_m: height of the ground; beam_m: of the beam's centre, same datum; radius_m: half of the beam's width.
    """
    radius = np.maximum(np.asarray(radius_m, dtype=np.float64), 1e-6)
    above = np.asarray(ground_m, dtype=np.float64) - np.asarray(beam_m, dtype=np.float64)
    part = np.clip(above, -radius, radius) / radius
    blocked = (part * np.sqrt(1 - part**2) + np.arcsin(part) + np.pi / 2) / np.pi
    return np.where(np.isnan(part), 0.0, blocked)


def fine_enough(terrain: Terrain) -> bool:
    """May blockage be computed from this model?"""
    return terrain.step_deg <= FINEST_NEEDED_DEG


def blockage_from_terrain(
    terrain: Terrain, site: Site, elevations_deg: Sequence[float], *, range_km: int = 300
) -> dict[float, npt.NDArray[np.float32]]:
    """Cumulative blockage of each elevation, (360, range_km) f4: the largest of the ray so far, mean over the degree.

    Ground that the model does not know blocks nothing. About 2 s for three elevations: once per site, not per cycle.

    Raises:
        RegionError: the model is coarser than FINEST_NEEDED_DEG, or the site has no finite position.
    """
    if not fine_enough(terrain):
        raise RegionError(
            f"elevation model {terrain.source} has steps of {terrain.step_deg:.3g} deg: too coarse for beam blockage, "
            f"which needs {FINEST_NEEDED_DEG:g} deg or finer; put a finer dem.nc or dem.tif into the region's folder",
            f"高程数据 {terrain.source} 的格距为 {terrain.step_deg:.3g}°，不足以计算波束遮挡"
            f"（需 {FINEST_NEEDED_DEG:g}° 或更细）；请在区域文件夹中放入更细的 dem.nc 或 dem.tif",
        )
    if not np.isfinite([site.latitude, site.longitude, site.altitude_m]).all():
        raise RegionError(
            f"radar {site.id}: blockage needs a position; give its site in the region's radars.csv",
            f"雷达 {site.id}：计算遮挡需要站址；请在区域的 radars.csv 中填写",
        )
    azimuth = np.asarray((np.arange(AZIMUTHS * RAYS_A_DEGREE) + 0.5) / RAYS_A_DEGREE, dtype=np.float64)
    slant = np.asarray((np.arange(range_km * STEPS_A_BIN) + 0.5) * (BIN_M / STEPS_A_BIN), dtype=np.float64)
    # the model is asked once, along the ground; tilts look up the nearest of these distances
    ground = ground_along(terrain, site.latitude, site.longitude, azimuth, slant)
    return {float(angle): _one_tilt(ground, site, float(angle), slant) for angle in elevations_deg}


def _one_tilt(
    ground: npt.NDArray[np.float32], site: Site, elevation_deg: float, slant: Floats
) -> npt.NDArray[np.float32]:
    step = slant[1] - slant[0]
    below = np.clip(np.rint(ground_arc(slant, elevation_deg) / step - 0.5), 0, slant.size - 1).astype(np.intp)
    beam = beam_height(slant, elevation_deg) + site.altitude_m
    radius = slant * np.deg2rad(half_beam_deg(site))
    cumulative = np.maximum.accumulate(partial_blockage(ground[:, below], beam, radius), axis=1)
    at_end = cumulative[:, STEPS_A_BIN - 1 :: STEPS_A_BIN].reshape(AZIMUTHS, RAYS_A_DEGREE, -1)
    return np.asarray(at_end.mean(axis=1), dtype=np.float32)


def correction_db(blocked: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """What to add to reflectivity [dB]: -10 log10(1 - blocked) from NEGLIGIBLE to UNUSABLE, 0 below, NaN above."""
    part = np.asarray(blocked, dtype=np.float32)
    lost = -10 * np.log10(1 - np.clip(part, 0, UNUSABLE))
    return np.where(part > UNUSABLE, np.nan, np.where(part < NEGLIGIBLE, 0.0, lost)).astype(np.float32)


def lowest_usable(blockage: Blockage) -> npt.NDArray[np.float32]:
    """(360, kilometres) lowest elevation [deg] that is not blocked by more than UNUSABLE; NaN where none is.

    Without any elevation an array of no kilometres.
    """
    if not blockage:
        return np.empty((AZIMUTHS, 0), dtype=np.float32)
    shape = next(iter(blockage.values())).shape
    lowest = np.full(shape, np.nan, dtype=np.float32)
    for elevation in sorted(blockage, reverse=True):
        lowest[blockage[elevation] <= UNUSABLE] = elevation
    return lowest
