"""Cloud cells: cold cloud objects with relief, for where no radar sees (ideas of the NWCSAF RDT; DOMAIN.md 2.5).

A cell is the warmest contour of 10.8 um that encloses one significant minimum. A minimum is significant with at least
RELIEF_K below a contour of at least the least area; where the contours of two meet, both cells end one step before.
Contours stand every CONTOUR_STEP_K. All contours of an image are followed in one pass from cold to warm.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import ndimage

from wxcore.grid import Grid
from wxcore.products.cloud_kernels import OFF, fill, nested_contours
from wxcore.products.cloud_motion import Motion
from wxcore.products.clouds import BT108, plane, satellite
from wxcore.products.overshooting import NOT_OBSERVED, OVERSHOOTING_TOP
from wxcore.schema import CLOUD_CELLS, OBSERVED_NONE, PLATFORMS
from wxcore.storms.features import Groups, group, outlines

RELIEF_K = 6.0
"""Least depth of a cell below its contour (NWCSAF RDT) [M]."""
TOP_K = 253.0
"""A cell's top is colder than this [our choice]: about -20 C, where cumulus glaciates."""
COLDEST_CONTOUR_K, WARMEST_CONTOUR_K, CONTOUR_STEP_K = 160.0, 273.0, 1.0
"""Contours that are looked at [our choice; RDT ends near the freezing level too [M]]."""
AREA_KM2 = (60.0, 40_000.0)
"""Least area (four pixels of 4 km) and largest area of a cell [our choice]."""
MAX_CELLS = 200
"""The coldest so many cells are kept."""

Labels = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CloudCells:
    """Cloud cells of one time.

    Attributes:
        table: schema.CLOUD_CELLS, coldest first (then from south-west to north-east); `flash_rate_min` NaN.
        labels: (lat, lon) int32; row i of the table is label i + 1, 0 is no cell.
        notes: what was left out.
    """

    table: pd.DataFrame
    labels: Labels
    notes: tuple[str, ...] = ()


def cloud_cells(cube: xr.Dataset, grid: Grid, *, motion: Motion | None = None) -> CloudCells:
    """Cloud cells in one time of a cube.

    Args:
        cube: schema.IMAGE and schema.CLOUDS (time, lat, lon) of one time, and `observed` for `radar_fraction`; what
            lacks leaves its columns NaN, and without 10.8 um there are no cells.
        grid: of the cube.
        motion: of the cloud tops; each cell takes that at its coldest place.

    Raises:
        SchemaError: several times or another grid.
    """
    bt108 = plane(cube, BT108, grid)
    tops, labels = label_clouds(bt108, grid)
    notes = () if len(tops) <= MAX_CELLS else (f"{len(tops)} cloud cells, the {MAX_CELLS} coldest kept",)
    if notes:
        tops, labels = tops[:MAX_CELLS], np.where(labels <= MAX_CELLS, labels, 0).astype(np.int32)
    return CloudCells(_table(cube, bt108, tops, labels, grid, motion), labels, notes)


def label_clouds(bt108: Floats, grid: Grid) -> tuple[npt.NDArray[np.int64], Labels]:
    """Flat index of each cell's coldest place, and (lat, lon) labels 1.. of the cells; coldest first.

    Args:
        bt108: brightness temperature at 10.8 um (lat, lon) [K], NaN unknown.
    """
    with np.errstate(invalid="ignore"):
        steps = np.ceil((bt108 - COLDEST_CONTOUR_K) / CONTOUR_STEP_K)
        within = bt108 <= WARMEST_CONTOUR_K
    level = np.where(within, np.maximum(steps, 0), OFF).astype(np.int32).ravel()
    values = bt108.ravel()
    if not within.any():
        return np.empty(0, dtype=np.int64), np.zeros(bt108.shape, dtype=np.int32)
    limits = np.array([RELIEF_K, *AREA_KM2, COLDEST_CONTOUR_K - CONTOUR_STEP_K, CONTOUR_STEP_K])
    contours = nested_contours(level, values, grid.n_lon, grid.cell_area_km2, limits)
    contours = contours[values[contours[:, 0]] < TOP_K]
    contours = contours[np.lexsort((contours[:, 0], values[contours[:, 0]]))]
    return contours[:, 0], fill(level, grid.n_lon, contours).reshape(bt108.shape)


def _table(
    cube: xr.Dataset, bt108: Floats, tops: npt.NDArray[np.int64], labels: Labels, grid: Grid, motion: Motion | None
) -> pd.DataFrame:
    count = len(tops)
    if count == 0:
        return _empty()
    groups = group(labels, count)
    area = grid.cell_area_km2[groups.cells // grid.n_lon]
    time = np.datetime64(cube["time"].to_numpy().ravel()[0], "ns")
    stamp = pd.Timestamp(time).strftime("%Y%m%d%H%M")
    looked = plane(cube, "observed", grid).ravel()[groups.cells] if "observed" in cube else None
    u, v = (np.full(count, np.nan), np.full(count, np.nan)) if motion is None else (
        field.ravel()[tops].astype(np.float64) for field in (motion.u, motion.v)
    )  # fmt: skip
    source = satellite(cube, grid).ravel()[tops]
    columns: dict[str, object] = {
        "cell_id": [f"{stamp}-C{number:03d}" for number in range(1, count + 1)],
        "time": np.full(count, time, dtype="datetime64[ns]"),
        "lat": grid.lat[tops // grid.n_lon],
        "lon": grid.lon[tops % grid.n_lon],
        "area_km2": np.add.reduceat(area, groups.starts),
        "polygon": outlines(labels, groups, grid),
        "bt108_min_k": _of_cells(bt108, groups, np.fmin),
        "bt108_edge_k": _of_cells(bt108, groups, np.fmax),
        "bt108_change_15min_k": _of_cells(plane(cube, "cloud_top_change_15min", grid), groups, np.fmin),
        "wv_difference_max_k": _of_cells(plane(cube, "water_vapour_difference", grid), groups, np.fmax),
        "overshooting_tops": _tops_of_cells(cube, groups, grid),
        "convective_initiation": _of_cells(plane(cube, "convective_initiation", grid), groups, np.fmax),
        "flash_rate_min": np.full(count, np.nan),
        "u_m_s": u,
        "v_m_s": v,
        "radar_fraction": np.full(count, np.nan) if looked is None else _share(looked != OBSERVED_NONE, area, groups),
        "source": [PLATFORMS[number] if number < len(PLATFORMS) else PLATFORMS[-1] for number in source],
        "age_min": plane(cube, "satellite_offset", grid).ravel()[tops].astype(np.float64) / -60,
    }
    return pd.DataFrame({column.name: columns[column.name] for column in CLOUD_CELLS})


def _empty() -> pd.DataFrame:
    dtypes = {"str": "object", "time": "datetime64[ns]", "float": "f8", "object": "object"}
    return pd.DataFrame({column.name: pd.Series(dtype=dtypes[column.kind]) for column in CLOUD_CELLS})


def _of_cells(field: Floats, groups: Groups, join: np.ufunc) -> Doubles:
    """A statistic of the field over each cell; NaN where it is nowhere known."""
    return np.asarray(join.reduceat(field.ravel()[groups.cells].astype(np.float64), groups.starts))


def _share(yes: npt.NDArray[np.bool_], area: Doubles, groups: Groups) -> Doubles:
    part = np.add.reduceat(np.where(yes, area, 0.0), groups.starts) / np.add.reduceat(area, groups.starts)
    return np.minimum(np.asarray(part, dtype=np.float64), 1.0)


def count_tops(cube: xr.Dataset, grid: Grid) -> tuple[Labels, npt.NDArray[np.bool_]] | None:
    """Numbers of the overshooting tops (lat, lon), 0 elsewhere, and where one was looked for; None without the flag."""
    if "overshooting_top" not in cube:
        return None
    flags = plane(cube, "overshooting_top", grid)
    tops, _ = ndimage.label(flags == OVERSHOOTING_TOP)
    return tops.astype(np.int32), flags != NOT_OBSERVED


def _tops_of_cells(cube: xr.Dataset, groups: Groups, grid: Grid) -> Doubles:
    found = count_tops(cube, grid)
    if found is None:
        return np.full(len(groups), np.nan)
    tops, looked = found[0].ravel()[groups.cells], found[1].ravel()[groups.cells]
    parts = zip(np.split(tops, groups.starts[1:]), np.split(looked, groups.starts[1:]), strict=True)
    return np.array(
        [np.unique(part[part > 0]).size if seen.any() else np.nan for part, seen in parts], dtype=np.float64
    )
