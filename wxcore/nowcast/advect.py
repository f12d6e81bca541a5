"""Storms moved on along their motion for an hour, with the growth of the position's error.

Growth and decay of storms are not forecast: probabilities decay with lead time instead (hazard.rules).
All distances are taken in a local plane about the storm: x = R cos(lat) dlon, y = R dlat.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy.special import ndtr
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from wxcore.grid import EARTH_RADIUS_M

LEADS_MIN = (0, 10, 20, 30, 40, 50, 60)
"""Leads of the forecast positions [min]."""

SIGMA0_KM = 3.0
"""Error of a storm's position at lead 0 [km]: sigma0 of DOMAIN.md section 4."""

KAPPA_KM_MIN = 0.3
"""Growth of the error [km/min] of a storm with a well known motion: kappa of DOMAIN.md section 4 (0.25 to 0.35)."""

STATIONARY_SPEED_M_S = 12.0
"""A storm of unknown motion stays where it is, with an error that grows at a typical storm's speed [m/s] [I]."""

HORIZON_MIN = 60.0
"""How far the storms are moved on by default [min]."""

SWEEP_STEP_MIN = 2.0
"""Steps of a swept area [min]: at 40 m/s under 5 km, less than two buffers of SIGMA0_KM, so no gap opens."""

ARRIVAL_STEP_MIN = 1.0
"""Resolution of arrival times [min]."""

KM_PER_MIN = 0.06
"""km/min of one m/s."""

DEGREE_KM = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Arrival:
    """When a storm is over a district [min after the storm's time].

    Attributes:
        eta_min: first lead at which the forecast outline itself touches; where `timed` is false the first lead at
            which the outline, one sigma wider, does: the earliest possible, not the expected time.
        end_min: last lead at which the outline, one sigma wider, touches.
        timed: does the forecast outline touch before the horizon? Never for a storm of unknown motion, unless it is
            there already: such a storm may come, but nobody knows when.
    """

    eta_min: float
    end_min: float
    timed: bool


def sigma_km(storm: pd.Series, lead_min: Floats | float) -> Floats:
    """Standard error of each coordinate of a storm's position after `lead_min` [km].

    sigma(tau)^2 = sigma0^2 + (kappa tau)^2 (DOMAIN.md section 4); kappa is KAPPA_KM_MIN or the error of the storm's own
    motion, whichever is larger, and STATIONARY_SPEED_M_S where the motion is unknown.
    """
    if _is_moving(storm):
        sd = float(storm["motion_sd_m_s"])
        kappa = max(KAPPA_KM_MIN, sd * KM_PER_MIN) if np.isfinite(sd) else KAPPA_KM_MIN
    else:
        kappa = STATIONARY_SPEED_M_S * KM_PER_MIN
    return np.hypot(SIGMA0_KM, kappa * np.asarray(lead_min, dtype=np.float64))


def forecast_positions(storms: pd.DataFrame, leads_min: Sequence[float] = LEADS_MIN) -> pd.DataFrame:
    """Where each storm will be: one row a storm a lead, in the order of both.

    Args:
        storms: schema.STORMS of one time.
        leads_min: leads [min], not negative.

    Returns:
        storm_id; lead_min [min]; lat, lon of the centroid [deg]; polygon (lon, lat); sigma_km, the standard error of
        each coordinate [km]; moving: is the motion known. At lead 0 place and polygon are the storm's own.
    """
    leads = np.asarray(leads_min, dtype=np.float64)
    columns: dict[str, list[object]] = {name: [] for name in _POSITION_COLUMNS}
    for _, storm in storms.iterrows():
        steps = _displacement_deg(storm, leads)
        for lead, (east, north), sigma in zip(leads, steps, sigma_km(storm, leads), strict=True):
            row = (
                storm["storm_id"], float(lead), storm["lat"] + north, storm["lon"] + east,
                _shifted(storm["polygon"], east, north), float(sigma), _is_moving(storm),
            )  # fmt: skip
            for name, value in zip(_POSITION_COLUMNS, row, strict=True):
                columns[name].append(value)
    table = pd.DataFrame(columns)
    return table.astype(dict.fromkeys(("lead_min", "lat", "lon", "sigma_km"), "f8") | {"moving": "bool"})


_POSITION_COLUMNS = ("storm_id", "lead_min", "lat", "lon", "polygon", "sigma_km", "moving")


def area_at_risk(storm: pd.Series, lead_start_min: float, lead_end_min: float) -> Polygon:
    """The area that the storm's outline, one sigma wider at each lead, passes over between two leads.

    Args:
        storm: one row of schema.STORMS.
        lead_start_min, lead_end_min: leads [min], 0 <= start <= end.

    Returns:
        (lon, lat), without holes: a place that the storm goes around is still at risk.
    """
    count = max(2, int(np.ceil((lead_end_min - lead_start_min) / SWEEP_STEP_MIN)) + 1)
    leads = np.linspace(lead_start_min, lead_end_min, count)
    swept = shapely.union_all(shapely.buffer(_outlines_km(storm, leads), sigma_km(storm, leads), quad_segs=6))
    if not isinstance(swept, Polygon):
        swept = shapely.convex_hull(swept)
    return _to_degrees(shapely.polygons(shapely.get_exterior_ring(swept)), storm)


def arrival_window(
    storm: pd.Series, polygon_of_district: BaseGeometry, horizon_min: float = HORIZON_MIN
) -> Arrival | None:
    """When the storm comes over a district and leaves it, and whether that can be told at all.

    The arrival is that of the outline moved on, not of its growing one-sigma rim, which touches earlier the farther the
    district is. The rim decides only whether the storm may come.

    Args:
        storm: one row of schema.STORMS.
        polygon_of_district: (lon, lat), any geometry.
        horizon_min: how far to look [min].

    Returns:
        0 <= eta_min <= end_min <= horizon, to ARRIVAL_STEP_MIN; eta_min is 0 where it is there already, end_min the
        horizon where it may still be there then. None where not even the rim comes.
    """
    count = round(horizon_min / ARRIVAL_STEP_MIN) + 1
    leads = np.linspace(0.0, horizon_min, count)
    outlines, sigma = _outlines_km(storm, leads), sigma_km(storm, leads)
    district = _to_km(polygon_of_district, storm)
    shapely.prepare(district)
    touched = np.flatnonzero(shapely.dwithin(outlines, district, sigma))  # type: ignore[call-overload]  # takes arrays
    if touched.size == 0:
        return None
    over = np.flatnonzero(shapely.intersects(district, outlines[:-1]))
    first = over[0] if over.size else touched[0]
    return Arrival(float(leads[first]), float(leads[touched[-1]]), timed=over.size > 0)


def hit_probability(storm: pd.Series, polygon_of_district: BaseGeometry, horizon_min: float = HORIZON_MIN) -> float:
    """Probability that the storm, should it live, touches a district within the horizon, 0 to 1.

    1 where its outline is there already. Later the storm is a disc of its own area about the forecast position, whose
    error across the district's border is normal with `sigma_km`: Phi((radius - distance) / sigma), distance negative
    inside; the largest over all leads (DOMAIN.md section 4, cell-based probabilistic nowcast).

    Args:
        storm: one row of schema.STORMS.
        polygon_of_district: (lon, lat), any geometry.
        horizon_min: how far to look [min].
    """
    leads = np.linspace(0.0, horizon_min, round(horizon_min / ARRIVAL_STEP_MIN) + 1)
    district = _to_km(polygon_of_district, storm)
    if shapely.intersects(district, _to_km(storm["polygon"], storm)):
        return 1.0
    centres = shapely.points(_displacement_km(storm, leads))
    shapely.prepare(district)
    inside = shapely.contains(district, centres)
    border = shapely.distance(shapely.boundary(district), centres)
    distance = np.where(inside, -border, border)
    radius = np.sqrt(float(storm["area_km2"]) / np.pi)
    return float(np.max(ndtr((radius - distance) / sigma_km(storm, leads))))


def _is_moving(storm: pd.Series) -> bool:
    return bool(np.isfinite(storm["u_m_s"]) and np.isfinite(storm["v_m_s"]))


def _displacement_km(storm: pd.Series, leads_min: Floats) -> Floats:
    """(lead, 2): east, north; zero where the motion is unknown."""
    if not _is_moving(storm):
        return np.zeros((leads_min.size, 2))
    motion = np.array([storm["u_m_s"], storm["v_m_s"]], dtype=np.float64)
    return leads_min[:, None] * motion * KM_PER_MIN


def _scale(storm: pd.Series) -> Floats:
    """km per degree of (longitude, latitude) at the storm."""
    return np.array([DEGREE_KM * np.cos(np.deg2rad(float(storm["lat"]))), DEGREE_KM])


def _displacement_deg(storm: pd.Series, leads_min: Floats) -> Floats:
    return np.asarray(_displacement_km(storm, leads_min) / _scale(storm))


def _origin(storm: pd.Series) -> Floats:
    return np.array([storm["lon"], storm["lat"]], dtype=np.float64)


def _to_km(shape: BaseGeometry, storm: pd.Series) -> BaseGeometry:
    origin, scale = _origin(storm), _scale(storm)
    return shapely.transform(shape, lambda xy: (xy - origin) * scale)


def _to_degrees(shape: Polygon, storm: pd.Series) -> Polygon:
    origin, scale = _origin(storm), _scale(storm)
    return shapely.transform(shape, lambda xy: xy / scale + origin)


def _shifted(shape: Polygon, east: float, north: float) -> Polygon:
    return shape if east == north == 0 else shapely.transform(shape, lambda xy: xy + np.array([east, north]))


def _outlines_km(storm: pd.Series, leads_min: Floats) -> npt.NDArray[np.object_]:
    """The outline at each lead, in the local plane."""
    outline = _to_km(storm["polygon"], storm)
    points = shapely.get_coordinates(outline)
    steps = np.repeat(_displacement_km(storm, leads_min), len(points), axis=0)
    outlines = np.full(leads_min.size, outline, dtype=object)
    return np.asarray(shapely.set_coordinates(outlines, np.tile(points, (leads_min.size, 1)) + steps))
