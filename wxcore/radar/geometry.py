"""Where a beam is: the 4/3-earth model for heights, the WGS-84 ellipsoid for places on the ground.

Two earth models meet here, on purpose. Refraction needs only a sphere of 4/3 of the mean radius (DOMAIN.md 1.1;
Doviak & Zrnic 1993, eq. 2.28b, c). Where a grid column lies as seen from the radar is taken on WGS-84, because a
sphere alone is wrong by up to 0.5 km at 230 km. The ground arc of the first is the distance of the second.
Everything is float64 and vectorised; angles in degrees, lengths in metres.
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from wxcore.grid import EARTH_RADIUS_M, MRMS_LEVELS_M, Grid
from wxcore.radar.volume import Site

EFFECTIVE_RADIUS_M = 4 / 3 * EARTH_RADIUS_M
"""Radius of the sphere on which a beam in the standard atmosphere is a straight line [m] (DOMAIN.md 1.1)."""

WGS84_A_M = 6_378_137.0
WGS84_E2 = 6.694_379_990_14e-3
"""Semi-major axis [m] and squared eccentricity of WGS-84 (NIMA TR8350.2)."""

Floats: TypeAlias = npt.NDArray[np.float64]


def beam_height(slant_m: npt.ArrayLike, elevation_deg: npt.ArrayLike) -> Floats:
    """Height of the beam's centre above the antenna [m], at a slant range [m] and an elevation [deg]. Broadcasts."""
    r = np.asarray(slant_m, dtype=np.float64)
    sine = np.sin(np.deg2rad(np.asarray(elevation_deg, dtype=np.float64)))
    return np.asarray(np.sqrt(r**2 + EFFECTIVE_RADIUS_M**2 + 2 * r * EFFECTIVE_RADIUS_M * sine) - EFFECTIVE_RADIUS_M)


def ground_arc(slant_m: npt.ArrayLike, elevation_deg: npt.ArrayLike) -> Floats:
    """Distance along the ground [m] to the place under the beam at a slant range [m]. Broadcasts."""
    r = np.asarray(slant_m, dtype=np.float64)
    cosine = np.cos(np.deg2rad(np.asarray(elevation_deg, dtype=np.float64)))
    ratio = r * cosine / (EFFECTIVE_RADIUS_M + beam_height(slant_m, elevation_deg))
    return np.asarray(EFFECTIVE_RADIUS_M * np.arcsin(ratio))


def beam_through(arc_m: npt.ArrayLike, height_m: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Elevation [deg] and slant range [m] of the beam that passes `height_m` above the antenna at `arc_m`.

    The inverse of `beam_height` and `ground_arc` (DOMAIN.md 1.1). Straight above or below the antenna
    the elevation is 90 or -90.
    """
    angle = np.asarray(arc_m, dtype=np.float64) / EFFECTIVE_RADIUS_M
    radius = EFFECTIVE_RADIUS_M + np.asarray(height_m, dtype=np.float64)
    up, along = radius * np.cos(angle) - EFFECTIVE_RADIUS_M, radius * np.sin(angle)
    return np.rad2deg(np.arctan2(up, along)), np.hypot(up, along)


def slant_at_arc(arc_m: npt.ArrayLike, elevation_deg: npt.ArrayLike) -> Floats:
    """Slant range [m] at which a beam of this elevation stands above the ground distance `arc_m`. Broadcasts.

    Sine rule in the triangle earth's centre, antenna, beam: r = a_e sin(s/a_e) / cos(e + s/a_e).
    """
    angle = np.asarray(arc_m, dtype=np.float64) / EFFECTIVE_RADIUS_M
    elevation = np.deg2rad(np.asarray(elevation_deg, dtype=np.float64))
    return np.asarray(EFFECTIVE_RADIUS_M * np.sin(angle) / np.cos(elevation + angle))


def ground_position(site_lat: float, site_lon: float, lat: npt.ArrayLike, lon: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Distance [m] and azimuth [deg, 0..360, clockwise from north] of places, seen from a site.

    The azimuth is that of the vertical plane through the place (the normal section, which is where a beam goes); the
    distance is the arc over the straight chord, with Euler's radius of curvature in that direction. Against the
    geodesic of WGS-84 both are within 1 m out to 230 km and 10 m out to 460 km.

    Args:
        site_lat, site_lon: the radar [deg].
        lat, lon: the places [deg], any shapes that broadcast.
    """
    phi0 = math.radians(site_lat)
    phi = np.deg2rad(np.asarray(lat, dtype=np.float64))
    turn = np.deg2rad(np.asarray(lon, dtype=np.float64) - site_lon)
    normal0 = WGS84_A_M / math.sqrt(1 - WGS84_E2 * math.sin(phi0) ** 2)
    normal = WGS84_A_M / np.sqrt(1 - WGS84_E2 * np.sin(phi) ** 2)
    out = normal * np.cos(phi) * np.cos(turn) - normal0 * math.cos(phi0)
    east = normal * np.cos(phi) * np.sin(turn)
    polar = (1 - WGS84_E2) * (normal * np.sin(phi) - normal0 * math.sin(phi0))
    north = math.cos(phi0) * polar - math.sin(phi0) * out
    azimuth = np.arctan2(east, north)
    middle = (phi + phi0) / 2
    across = WGS84_A_M / np.sqrt(1 - WGS84_E2 * np.sin(middle) ** 2)
    along = across * (1 - WGS84_E2) / (1 - WGS84_E2 * np.sin(middle) ** 2)
    radius = 1 / (np.cos(azimuth) ** 2 / along + np.sin(azimuth) ** 2 / across)
    chord = np.sqrt(out**2 + east**2 + polar**2)
    distance = 2 * radius * np.arcsin(np.minimum(chord / (2 * radius), 1.0))
    return np.asarray(distance), np.asarray(np.rad2deg(azimuth) % 360.0)


def own_box_grid(
    site: Site, range_m: float = 460_000.0, step_deg: float = 0.01, levels_m: tuple[float, ...] = MRMS_LEVELS_M
) -> Grid:
    """The smallest grid centred on the site that holds the circle of `range_m` around it."""
    half_lat = math.degrees(range_m / EARTH_RADIUS_M)
    half_lon = half_lat / math.cos(math.radians(site.latitude))
    n_lat, n_lon = math.ceil(2 * half_lat / step_deg), math.ceil(2 * half_lon / step_deg)
    return Grid(
        lon_west=round(site.longitude - (n_lon - 1) / 2 * step_deg, 6),
        lat_south=round(site.latitude - (n_lat - 1) / 2 * step_deg, 6),
        n_lon=n_lon, n_lat=n_lat, step_deg=step_deg, levels_m=levels_m,
    )  # fmt: skip
