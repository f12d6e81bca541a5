"""From a label map to one row a storm: outline, centroid and the statistics of the products inside it.

Every figure is NaN where its product is missing in all of the storm's cells (seen in 2-D only, temperature levels
unknown): missing is never zero.
"""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
import xarray as xr

from wxcore.grid import Grid
from wxcore.schema import OBSERVED_VOLUME, STORMS, VELOCITY_FOLDED, VELOCITY_OBSERVED

SIMPLIFY_DEG = 0.01
"""Tolerance of the outline [deg] (DOMAIN.md section 4, project default)."""

SEVERE_MESH_MM = 20.0
"""Severe hail in China: 2 cm (DOMAIN.md 5.1)."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAXIMA: tuple[tuple[str, str, float], ...] = (
    ("max_dbz", "composite_reflectivity", 1.0),
    ("vil_kg_m2", "vil", 1.0),
    ("vil_density_g_m3", "vil_density", 1.0),
    ("echo_top_18_km", "echo_top_18", 1e-3),
    ("echo_top_45_km", "echo_top_45", 1e-3),
    ("echo_top_50_km", "echo_top_50", 1e-3),
    ("shi", "shi", 1.0),
    ("mesh_mm", "mesh", 1.0),
    ("mesh75_mm", "mesh75", 1.0),
    ("posh_percent", "posh", 1.0),
    ("h45_above_h0_km", "h45_above_h0", 1e-3),
)
"""Column of schema.STORMS, variable of schema.PRODUCTS, factor between their units."""

OF_BEAMS: tuple[tuple[str, str, float], ...] = (
    ("azimuthal_shear_low_s1", "azimuthal_shear_low", 1.0),
    ("azimuthal_shear_mid_s1", "azimuthal_shear_mid", 1.0),
    ("divergence_low_s1", "radial_divergence_low", 1.0),
    ("convergence_low_s1", "radial_convergence_low", 1.0),
    ("marc_m_s", "marc", 1.0),
    ("storm_top_divergence_m_s", "storm_top_divergence", 1.0),
    ("spectrum_width_low_m_s", "spectrum_width_low", 1.0),
    ("hail_size_class", "hail_size_class", 1.0),
    ("hdr_db", "hail_differential_reflectivity", 1.0),
    ("zdr_column_km", "zdr_column_depth", 1e-3),
    ("kdp_low_deg_km", "specific_differential_phase_low", 1.0),
)
"""The same for schema.KINEMATICS and schema.POLARIMETRY; of shear the largest magnitude."""
OF_MAGNITUDE = ("azimuthal_shear_low", "azimuthal_shear_mid")
NOT_OBSERVED = ("hail_size_class",)
"""Variables whose 0 says that nobody looked."""

FILLED_LATER = (
    "u_m_s", "v_m_s", "motion_sd_m_s", "age_min", "major_axis_km", "axis_ratio", "bow", "gust_front_km",
    "radial_wind_low_m_s", "wind_view", "bt108_min_k", "bt108_change_15min_k", "wv_difference_max_k",
    "overshooting_tops", "satellite_age_min", "flash_rate_min", "flash_total", "flash_positive_fraction",
    "peak_current_ka", "lightning_jump_sigma", "lightning_jump", "stations_near", "gust_near_m_s",
    "gust_near_supported", "gust_near_witnesses", "pressure_jump_hpa", "temperature_drop_k", "theta_e_deficit_k",
)  # fmt: skip
"""By tracking, by what needs the motion, and by satellites, lightning and ground stations."""

_DTYPES = {"str": "object", "float": "f8", "int": "i8", "time": "datetime64[ns]", "object": "object"}


@dataclass(frozen=True)
class Groups:
    """The cells of each storm, one storm after the other.

    Attributes:
        cells: flat indices into (lat, lon), sorted by storm.
        starts: where storm i begins in `cells`; every storm has at least one cell.
    """

    cells: Ints
    starts: Ints

    @property
    def sizes(self) -> Ints:
        """Number of cells of each storm."""
        return np.diff(self.starts, append=self.cells.size)

    def __len__(self) -> int:
        return int(self.starts.size)


def group(labels: npt.NDArray[np.int32], count: int) -> Groups:
    """Cells of the labels 1..count, each of which must occur."""
    flat = labels.ravel()
    cells = np.flatnonzero(flat)
    cells = cells[np.argsort(flat[cells], kind="stable")]
    starts = np.searchsorted(flat[cells], np.arange(1, count + 1))
    return Groups(cells.astype(np.int64), starts.astype(np.int64))


def empty_storms() -> pd.DataFrame:
    """No storms: schema.STORMS without rows."""
    return pd.DataFrame({column.name: pd.Series(dtype=_DTYPES[column.kind]) for column in STORMS})


def storm_table(products: xr.Dataset, labels: npt.NDArray[np.int32], count: int, grid: Grid) -> pd.DataFrame:
    """Rows of schema.STORMS for the labels 1..count, in this order; what tracking fills is empty.

    Args:
        products: one time; the composite and `observed`, and as many other products as there are.
        labels: (lat, lon), 0 outside of storms.
        count: number of labels.
        grid: the grid of both.
    """
    if count == 0:
        return empty_storms()
    groups = group(labels, count)
    rows = groups.cells // grid.n_lon
    lat, lon, area = grid.lat[rows], grid.lon[groups.cells % grid.n_lon], grid.cell_area_km2[rows]
    fields = {name: _inside(products, name, groups) for _, name, _ in MAXIMA}
    linear = 10 ** (fields["composite_reflectivity"] / 10)
    weight = np.add.reduceat(linear, groups.starts)
    volume = _inside(products, "observed", groups) == OBSERVED_VOLUME
    hail = _hail_place(fields["mesh"], groups, lat, lon)
    columns: dict[str, object] = {
        "storm_id": np.full(count, "", dtype=object),
        "time": np.full(count, products["time"].to_numpy().ravel()[0], dtype="datetime64[ns]"),
        "lat": np.add.reduceat(linear * lat, groups.starts) / weight,
        "lon": np.add.reduceat(linear * lon, groups.starts) / weight,
        "area_km2": np.add.reduceat(area, groups.starts),
        "polygon": outlines(labels, groups, grid),
        "mesh_lat": hail[:, 0],
        "mesh_lon": hail[:, 1],
        "mesh20_area_km2": _area_above(fields["mesh"], SEVERE_MESH_MM, area, groups),
        "parents": _objects([()] * count),
        "observed_fraction": np.add.reduceat(volume.astype(np.float64), groups.starts) / groups.sizes,
    }
    for column, name, factor in MAXIMA:
        columns[column] = np.fmax.reduceat(fields[name], groups.starts) * factor
    for column, name, factor in OF_BEAMS:
        columns[column] = np.fmax.reduceat(_of_beams(products, name, groups), groups.starts) * factor
    columns["top18_open"], columns["top18_above_h0_km"] = _open_tops(products, fields["echo_top_18"], groups)
    state = _inside(products, "velocity_observed", groups)
    for column, flag in (("velocity_fraction", VELOCITY_OBSERVED), ("folded_fraction", VELOCITY_FOLDED)):
        columns[column] = np.add.reduceat((state == flag).astype(np.float64), groups.starts) / groups.sizes
    for column in FILLED_LATER:
        columns[column] = np.full(count, np.nan)
    return pd.DataFrame({column.name: columns[column.name] for column in STORMS})


def _inside(products: xr.Dataset, name: str, groups: Groups) -> Floats:
    """Values in the storms' cells; NaN where the product was not made."""
    if name not in products:
        return np.full(groups.cells.size, np.nan)
    return products[name].to_numpy().ravel()[groups.cells].astype(np.float64)


SAME_TOP_M = 500.0
"""Tops this near to the highest are the highest: the step of the upper MRMS levels (DOMAIN.md 1.4)."""


def _open_tops(products: xr.Dataset, tops: Floats, groups: Groups) -> tuple[Floats, Floats]:
    """Is the highest 18 dBZ top of each storm open, and how far is it above the 0 C level [km]?"""
    topped = _inside(products, "topped", groups)
    is_open = np.where(np.isnan(topped), 0, topped).astype(np.int64) & 1 > 0
    highest = np.fmax.reduceat(tops, groups.starts)
    open_top = np.fmax.reduceat(np.where(is_open, tops, np.nan), groups.starts)
    h0 = float(products["freezing_level"].to_numpy().ravel()[0]) if "freezing_level" in products else np.nan
    told = np.where(np.isfinite(highest), (open_top >= highest - SAME_TOP_M).astype(np.float64), np.nan)
    return told, (highest - h0) * 1e-3


def _of_beams(products: xr.Dataset, name: str, groups: Groups) -> Floats:
    values = _inside(products, name, groups)
    if name in NOT_OBSERVED:
        return np.where(values == 0, np.nan, values)
    return np.abs(values) if name in OF_MAGNITUDE else values


def _hail_place(mesh: Floats, groups: Groups, lat: Floats, lon: Floats) -> Floats:
    """(lat, lon) of each storm's largest MESH, (storm, 2); NaN where there is none above zero. All but the result are
    along `groups.cells`."""
    place = np.full((len(groups), 2), np.nan)
    known = np.where(mesh > 0, mesh, -1.0)
    for storm, (start, size) in enumerate(zip(groups.starts, groups.sizes, strict=True)):
        best = start + int(np.argmax(known[start : start + size]))
        if known[best] > 0:
            place[storm] = lat[best], lon[best]
    return place


def _area_above(values: Floats, threshold: float, area: Floats, groups: Groups) -> Floats:
    above = np.add.reduceat(np.where(values >= threshold, area, 0.0), groups.starts)
    known = np.logical_or.reduceat(np.isfinite(values), groups.starts)
    return np.where(known, above, np.nan)


def _objects(items: list[object]) -> npt.NDArray[np.object_]:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def outlines(
    labels: npt.NDArray[np.int32], groups: Groups, grid: Grid, *, simplify_deg: float = SIMPLIFY_DEG
) -> npt.NDArray[np.object_]:
    """Outer outline of each storm as a valid Polygon (lon, lat) without holes, simplified by `simplify_deg`."""
    longest = int(4 * groups.sizes.max() + 4)
    west, south, _, _ = grid.bounds
    polygons: list[object] = []
    for storm, start in enumerate(groups.starts):
        # The first cell of a storm is the westernmost one of its southernmost row: its south-west corner is outside.
        corners = _trace(labels, storm + 1, groups.cells[start], longest)
        ring = np.array([west, south]) + grid.step_deg * corners
        polygons.append(shapely.simplify(shapely.polygons(ring), simplify_deg, preserve_topology=True))
    return _objects(polygons)


@numba.njit(cache=True, nogil=True)
def _trace(labels: npt.NDArray[np.int32], label: int, first: int, longest: int) -> npt.NDArray[np.int32]:
    """Corners (column, row) of the outer outline, anticlockwise from the south-west corner of cell `first`.

    Crack following. Where two cells of the storm meet only at a corner it goes straight to the other cell (cells of a
    storm are connected over edges, so such a corner closes a hole): the ring never touches itself.
    """
    rows, columns = labels.shape
    step_x = np.array([1, 0, -1, 0])  # east, north, west, south
    step_y = np.array([0, 1, 0, -1])
    # Cells ahead of a corner, by heading: (right, left), as offsets of (column, row) from the corner.
    right_x, right_y = np.array([0, 0, -1, -1]), np.array([-1, 0, 0, -1])
    left_x, left_y = np.array([0, -1, -1, 0]), np.array([0, 0, -1, -1])
    ring = np.empty((longest, 2), dtype=np.int32)
    x0, y0 = first % columns, first // columns
    x, y, heading, count = x0, y0, 0, 0
    while count < longest:
        ring[count, 0], ring[count, 1] = x, y
        count += 1
        x, y = x + step_x[heading], y + step_y[heading]
        if x == x0 and y == y0:
            break
        cx, cy = x + right_x[heading], y + right_y[heading]
        right = 0 <= cx < columns and 0 <= cy < rows and labels[cy, cx] == label
        cx, cy = x + left_x[heading], y + left_y[heading]
        left = 0 <= cx < columns and 0 <= cy < rows and labels[cy, cx] == label
        if right:
            heading = (heading + 3) % 4
        elif not left:
            heading = (heading + 1) % 4
    return ring[:count]
