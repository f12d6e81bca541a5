"""Hints of wind by storm, from gridded fields and the storms' outlines: shape, gust front, geometry of the view.

A hint is no detection: it says what a forecaster would look at twice (DOMAIN.md 2.3).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import xarray as xr
from scipy import ndimage
from shapely.geometry.base import BaseGeometry

from wxcore.grid import EARTH_RADIUS_M, Grid

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]

DEGREE_KM = float(np.deg2rad(1) * EARTH_RADIUS_M / 1000)

BOW_KM, BOW_RATIO, BOW_M_S = 40.0, 3.0, 15.0
"""A bow echo is longer, slimmer and faster than this (DOMAIN.md 2.3)."""
FRONT_DBZ, FRONT_LEAST_KM, FRONT_WIDTH_KM = (0.0, 30.0), 20.0, 5.0
"""A gust front is a thin line of this reflectivity, longer and narrower than this (DOMAIN.md 2.3)."""
FRONT_CONVERGENCE = 0.001
"""... on radial convergence of at least this [s-1]: 1 m/s within a kilometre, above the fit's noise [our choice]."""
FRONT_WITHIN_KM = 40.0
"""... this near to the storm's outline: an hour's way of an outflow of 10 m/s [our choice]."""
ARC_BY_BOX, RING_BY_BOX = 1.6, 2.6
"""Length over diagonal of the box: 1.4 of a half circle, 2.2 of a circle, and a margin for ragged edges."""
WIND_WITHIN_KM = 5.0
"""The storm's strongest wind is looked for in its outline and so far around it [our choice]."""

COLUMNS = ("major_axis_km", "axis_ratio", "bow", "gust_front_km", "radial_wind_low_m_s", "wind_view")


@dataclass(frozen=True)
class _Line:
    """A thin line: its length, and its cells [deg]."""

    length_km: float
    lon: Doubles
    lat: Doubles


def storm_hints(cube: xr.Dataset, storms: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """One row a storm, with the index of `storms`.

    - major_axis_km, axis_ratio: sides of the smallest rectangle about the outline, long side by short side.
    - bow: 1 if longer than BOW_KM, slimmer than BOW_RATIO and faster than BOW_M_S, else 0; NaN where motion or shape is
      unknown.
    - gust_front_km: length of the longest thin line within FRONT_WITHIN_KM, 0 where there is none, NaN where no
      velocity was observed there, or the cube has no reflectivity or convergence.
    - radial_wind_low_m_s: strongest low-level radial wind in the outline and WIND_WITHIN_KM around it; NaN unobserved.
    - wind_view: |cos| of the angle between the storm's motion and the beam that saw that wind: 1 if it is the wind
      along the motion, 0 if the radar looked across it. NaN where either is unknown.

    Args:
        cube: one time; of schema.KINEMATICS, PRODUCTS and MOSAIC what it has: what lacks leaves its hints NaN.
            (time, lat, lon) or (lat, lon) on `grid`.
        storms: columns polygon (lon, lat), lat, lon, u_m_s, v_m_s of schema.STORMS.

    Raises:
        ValueError: `cube` holds several times, or another grid.
    """
    lines = _thin_lines(cube, grid)
    seen = _field(cube, "velocity_observed", grid)
    wind, towards = _field(cube, "radial_wind_low", grid), _field(cube, "radial_wind_low_azimuth", grid)
    rows = []
    wanted = ("polygon", "lat", "lon", "u_m_s", "v_m_s")
    for polygon, lat, lon, u, v in zip(*(storms[name].tolist() for name in wanted), strict=True):
        outline = _in_km(polygon, lat, lon)
        major, ratio = _axes(outline)
        front = np.nan if lines is None else _front(outline, lines, seen, grid, (lat, lon))
        strongest, direction = _strongest(outline, wind, towards, grid, (lat, lon))
        rows.append((major, ratio, _bow(major, ratio, np.hypot(u, v)), front, strongest, _view(direction, (u, v))))
    return pd.DataFrame(rows, columns=list(COLUMNS), index=storms.index, dtype=float)


def _field(cube: xr.Dataset, name: str, grid: Grid) -> npt.NDArray[np.float64] | None:
    """A column variable as (lat, lon), None where the cube lacks it."""
    if name not in cube:
        return None
    values: Doubles = cube[name].to_numpy().astype(np.float64)
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.shape != grid.shape:
        raise ValueError(f"{name}: shape {values.shape}, expected one time on a grid of {grid.shape}")
    return values


def _in_km(polygon: BaseGeometry | None, lat: float, lon: float) -> BaseGeometry:
    """Kilometres east and north of a place; an empty polygon where there is none."""
    if polygon is None or polygon.is_empty or not np.isfinite([lat, lon]).all():
        return shapely.Polygon()
    scale = np.array([DEGREE_KM * np.cos(np.deg2rad(lat)), DEGREE_KM])
    return shapely.transform(polygon, lambda points: (points - (lon, lat)) * scale)


def _axes(outline: BaseGeometry) -> tuple[float, float]:
    """Long side [km] of the smallest rectangle about the outline, and its ratio to the short side; NaN of a line."""
    rectangle = shapely.minimum_rotated_rectangle(outline)
    if rectangle.is_empty or rectangle.geom_type != "Polygon":
        return np.nan, np.nan
    corners = shapely.get_coordinates(rectangle)
    short, long = np.sort(np.hypot(*np.diff(corners[:3], axis=0).T))
    return float(long), float(long / short) if short > 0 else np.nan


def _bow(major: float, ratio: float, speed: float) -> float:
    if not np.isfinite([major, ratio, speed]).all():
        return np.nan
    return float(major > BOW_KM and ratio > BOW_RATIO and speed > BOW_M_S)


def _thin_lines(cube: xr.Dataset, grid: Grid) -> list[_Line] | None:
    """Connected cells of weak echo on convergence that are long and narrow; None where the cube cannot tell."""
    echo, convergence = _low_echo(cube, grid), _field(cube, "radial_convergence_low", grid)
    if echo is None or convergence is None:
        return None
    with np.errstate(invalid="ignore"):
        mask = (echo >= FRONT_DBZ[0]) & (echo <= FRONT_DBZ[1]) & (convergence >= FRONT_CONVERGENCE)
    around = np.ones((3, 3), dtype=bool)
    labels, _ = ndimage.label(ndimage.binary_closing(mask, around), around)
    depths = ndimage.distance_transform_edt(labels > 0)
    lines = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        row, column = np.nonzero(labels[box] == number)
        lat, lon = grid.lat[row + box[0].start], grid.lon[column + box[1].start]
        step_km = grid.step_deg * DEGREE_KM
        narrow = float(np.sqrt(np.cos(np.deg2rad(lat.mean()))))  # side of a square as large as a cell
        width = _width(depths[box][row, column])
        length = row.size / width * step_km * narrow
        thin = length >= FRONT_LEAST_KM and width * step_km * narrow <= FRONT_WIDTH_KM
        if thin and _is_one_line(labels[box] == number, length / (step_km * narrow)):
            lines.append(_Line(length, lon, lat))
    return lines


def _low_echo(cube: xr.Dataset, grid: Grid) -> npt.NDArray[np.float64] | None:
    """Reflectivity of each column's lowest observed level; the composite where the cube has no levels."""
    if "reflectivity" not in cube:
        return _field(cube, "composite_reflectivity", grid)
    values = cube["reflectivity"].to_numpy()
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    if values.ndim != 3 or values.shape[1:] != grid.shape:
        raise ValueError(f"reflectivity: shape {values.shape}, expected one time and levels on a grid of {grid.shape}")
    lowest = np.argmax(np.isfinite(values), axis=0)
    return np.asarray(np.take_along_axis(values, lowest[np.newaxis], axis=0)[0], dtype=np.float64)


def _is_one_line(cells: Bools, length: float) -> bool:
    """Does a figure of this length [cells] run along its box, as a line or an arc does, or close to one ring?

    Convergence in a field of weak echo makes nets, which are longer than both and have many holes.
    """
    around = float(np.hypot(*cells.shape))
    _, outside = ndimage.label(np.pad(~cells, 1, constant_values=True))
    return length <= ARC_BY_BOX * around or (outside == 2 and length <= RING_BY_BOX * around)


def _width(depth: Doubles) -> float:
    """Width of a line, straight or curved, from the distance of its cells to the nearest one outside, all in cells.

    In a bar of n cells across, n odd, four times the mean of (distance - 1/2) is n + 1/n.
    """
    mean = max(4 * float(np.mean(depth - 0.5)), 2.0)
    return (mean + float(np.sqrt(mean**2 - 4))) / 2


def _front(
    outline: BaseGeometry, lines: list[_Line], seen: npt.NDArray[np.float64] | None, grid: Grid,
    place: tuple[float, float],
) -> float:  # fmt: skip
    if seen is None or outline.is_empty:
        return np.nan
    near = outline.buffer(FRONT_WITHIN_KM)
    rows, columns, inside = _cells(near, grid, place)
    if not (inside & (seen[rows, columns] == 1)).any():
        return np.nan
    longest = 0.0
    for line in lines:
        x, y = _km(line.lon, line.lat, place)
        if line.length_km > longest and shapely.contains_xy(near, x, y).any():
            longest = line.length_km
    return longest


def _strongest(
    outline: BaseGeometry, wind: npt.NDArray[np.float64] | None, towards: npt.NDArray[np.float64] | None,
    grid: Grid, place: tuple[float, float],
) -> tuple[float, float]:  # fmt: skip
    """The strongest radial wind in and about a storm, and the azimuth towards which it blows."""
    if wind is None or towards is None or outline.is_empty:
        return np.nan, np.nan
    rows, columns, inside = _cells(outline.buffer(WIND_WITHIN_KM), grid, place)
    found = np.where(inside & np.isfinite(towards[rows, columns]), wind[rows, columns], np.nan)
    if not np.isfinite(found).any():
        return np.nan, np.nan
    best = int(np.nanargmax(found))
    return float(found.flat[best]), float(towards[rows, columns].flat[best])


def _view(direction: float, motion: tuple[float, float]) -> float:
    if not np.hypot(*motion) > 0:
        return np.nan
    return float(abs(np.cos(np.deg2rad(direction) - np.arctan2(motion[0], motion[1]))))


def _cells(area: BaseGeometry, grid: Grid, place: tuple[float, float]) -> tuple[slice, slice, Bools]:
    """Rows and columns of the grid about an area in km, and which of these cells it contains."""
    west, south, east, north = area.bounds
    lat, lon = place
    wide = DEGREE_KM * np.cos(np.deg2rad(lat))
    rows = slice(*np.searchsorted(grid.lat, (lat + south / DEGREE_KM, lat + north / DEGREE_KM)))
    columns = slice(*np.searchsorted(grid.lon, (lon + west / wide, lon + east / wide)))
    x, y = _km(grid.lon[columns][np.newaxis], grid.lat[rows][:, np.newaxis], place)
    shapely.prepare(area)
    x, y = np.broadcast_arrays(x, y)
    return rows, columns, np.asarray(shapely.contains_xy(area, x, y), dtype=bool)


def _km(lon: Doubles, lat: Doubles, place: tuple[float, float]) -> tuple[Doubles, Doubles]:
    """Kilometres east and north of a place (lat, lon)."""
    return (lon - place[1]) * DEGREE_KM * np.cos(np.deg2rad(place[0])), (lat - place[0]) * DEGREE_KM
