"""The ground under a radar's beams, and whether its antenna can stand where the site says."""

import numpy as np
import numpy.typing as npt
from pyproj import Geod

from wxcore.radar.geometry import Floats
from wxcore.radar.planes import PLANE_AZIMUTH_DEG, PLANE_DISTANCE_M, Plane
from wxcore.radar.siting.overlap import Sentence
from wxcore.radar.volume import Site
from wxcore.region.terrain import Terrain

TOWER_M = 150.0
"""An antenna stands at most so high above the ground about it: towers of CINRAD reach 100 m, some stand on buildings
[our choice]."""

BELOW_M = 100.0
"""... and not more than this below the lowest ground: the vertical error of coarse models [our choice]."""

_GEOD = Geod(ellps="WGS84")


def terrain_plane(terrain: Terrain, site_lat: float, site_lon: float) -> Plane:
    """Ground height [m ASL] at the centres of the polar cells of `planes` about a site; NaN where unknown."""
    azimuth, arc = np.asarray(PLANE_AZIMUTH_DEG, np.float64), np.asarray(PLANE_DISTANCE_M, np.float64)
    return ground_along(terrain, site_lat, site_lon, azimuth, arc)


def ground_along(
    terrain: Terrain, site_lat: float, site_lon: float, azimuth_deg: Floats, arc_m: Floats
) -> npt.NDArray[np.float32]:
    """(azimuth, distance) ground height [m ASL] along rays from a site; NaN where unknown.

    Args:
        azimuth_deg: (A,) clockwise from north; arc_m: (D,) distance along the ground [m].
    """
    azimuth, arc = (part.ravel() for part in np.meshgrid(azimuth_deg, arc_m, indexing="ij"))
    lon, lat, _ = _GEOD.fwd(np.full(arc.size, site_lon), np.full(arc.size, site_lat), azimuth, arc)
    return terrain.at(lat, lon).reshape(azimuth_deg.size, arc_m.size)


def antenna_fault(site: Site, terrain: Terrain) -> Sentence | None:
    """What is wrong with a site's altitude, by the ground within two cells about it; None where nothing, or unknown."""
    if not np.isfinite([site.latitude, site.longitude]).all():
        return None
    offset = terrain.step_deg * np.arange(-2.0, 3.0)
    around = terrain.at(site.latitude + offset[:, None], site.longitude + offset[None, :])
    if np.isnan(around).all():
        return None
    low, high = float(np.nanmin(around)), float(np.nanmax(around))
    if low - BELOW_M <= site.altitude_m <= high + TOWER_M:
        return None
    return Sentence(
        f"radar {site.id}: antenna at {site.altitude_m:g} m ASL, but the ground about it lies at {low:.0f} to "
        f"{high:.0f} m ({terrain.source}): check position and altitude",
        f"雷达 {site.id}：天线海拔 {site.altitude_m:g} m，而周围地面海拔为 {low:.0f} 至 {high:.0f} m"
        f"（{terrain.source}）：请核对站址与海拔",
    )
