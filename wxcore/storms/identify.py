"""Identify storms in one frame of column products.

DOMAIN.md section 4, project default: regions of composite reflectivity >= 35 dBZ of at least 10 km2 with a peak of
at least 40 dBZ. A region that holds several distinct cores of a higher threshold is split by watershed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy import ndimage

from wxcore.errors import SchemaError
from wxcore.grid import Grid
from wxcore.schema import MOSAIC, PRODUCTS, check
from wxcore.storms.features import storm_table

OUTLINE_DBZ = 35.0
"""Reflectivity of a storm's edge [dBZ] (DOMAIN.md 4; TITAN: Dixon & Wiener 1993)."""

CORE_DBZ = (40.0, 45.0, 50.0)
"""Thresholds at which cores are told apart [dBZ] (DOMAIN.md 4; multiple thresholds: SCIT, Johnson et al. 1998)."""

MIN_PEAK_DBZ = 40.0
"""A storm's peak is at least this [dBZ] (DOMAIN.md 4)."""

MIN_AREA_KM2 = 10.0
"""Smallest storm (DOMAIN.md 4)."""

MIN_CORE_KM2 = 10.0
"""Smallest core that makes a storm of its own (SCIT component area, DOMAIN.md 4)."""

MIN_CONTRAST_DB = 3.0
"""A core's peak is at least this far above its threshold, and so above the saddle [dB] (half of TRT's mindiff of 6 dB,
DOMAIN.md 4: radar noise of 1 dB must not split storms)."""

STEPS_PER_DB = 10
"""Steps of the watershed's relief per dB; its 16-bit relief spans all of -10 to 90 dBZ."""

Labels = npt.NDArray[np.int32]
_NEEDED = tuple(var for var in (*MOSAIC, *PRODUCTS) if var.name in {"observed", "composite_reflectivity"})


@dataclass(frozen=True)
class Cells:
    """Storms of one time.

    Attributes:
        table: schema.STORMS; `storm_id` "" and motion, age NaN until tracked.
        labels: (lat, lon) int32; row i of the table is label i + 1, 0 is no storm.
    """

    table: pd.DataFrame
    labels: Labels


def identify(products: xr.Dataset, grid: Grid) -> Cells:
    """Storms in one frame, strongest first (then from south-west to north-east).

    Args:
        products: schema.PRODUCTS and `observed` (time, lat, lon) of exactly one time. Only the composite and
            `observed` must be there: the features of a missing product are NaN.
        grid: the grid that the products are on.

    Raises:
        SchemaError: the composite or `observed` is missing or not as the schema says, more than one time, or
            another grid.
    """
    check(products, _NEEDED, what="products for identify")
    composite = products["composite_reflectivity"].to_numpy()
    if composite.shape != (1, *grid.shape):
        raise SchemaError("products for identify", [f"shape {composite.shape}, expected {(1, *grid.shape)}"])
    labels, count = label_cells(composite[0], grid.cell_area_km2)
    table = storm_table(products, labels, count, grid)
    order = np.lexsort((table["lon"], table["lat"], -table["max_dbz"]))
    new_label = np.zeros(count + 1, dtype=np.int32)
    new_label[order + 1] = np.arange(1, count + 1)
    return Cells(table.iloc[order].reset_index(drop=True), new_label[labels])


def label_cells(composite: npt.NDArray[np.float32], row_area_km2: npt.NDArray[np.float64]) -> tuple[Labels, int]:
    """Number the storms of a composite.

    Args:
        composite: (lat, lon) [dBZ]; NaN is outside of any storm.
        row_area_km2: area of a cell in each row, (lat,).

    Returns:
        (lat, lon) with 0 outside and 1..n in storms, each connected over edges; and n.
    """
    regions, count = ndimage.label(composite >= OUTLINE_DBZ)
    labels = np.zeros(composite.shape, dtype=np.int32)
    storms = 0
    cells = np.flatnonzero(regions)
    area = np.bincount(
        regions.ravel()[cells], weights=row_area_km2[cells // composite.shape[1]], minlength=count + 1
    )  # fmt: skip
    for region, box in enumerate(ndimage.find_objects(regions), start=1):
        if area[region] < MIN_AREA_KM2:
            continue
        inside = regions[box] == region
        dbz = np.where(inside, composite[box], -np.inf)
        if dbz.max() < MIN_PEAK_DBZ:
            continue
        parts, number = _split(dbz, inside, float(row_area_km2[box[0]].mean()))
        labels[box][inside] = parts[inside] + storms
        storms += number
    return labels, storms


def _split(dbz: npt.NDArray[np.float32], inside: npt.NDArray[np.bool_], cell_km2: float) -> tuple[Labels, int]:
    """Storms of one connected region: 1..n inside."""
    cores = _cores(dbz, inside, cell_km2)
    if len(cores) < 2:
        return inside.astype(np.int32), 1
    markers = np.zeros(dbz.shape, dtype=np.int32)
    for number, core in enumerate(cores, start=1):
        markers[core] = number
    relief = np.where(inside, np.clip(90 - dbz, 0, 100) * STEPS_PER_DB, 65_535).astype(np.uint16)
    markers[~inside] = -1  # the background is a basin of its own, so that no storm leaks through it
    basins = ndimage.watershed_ift(relief, markers)
    return _whole(np.asarray(basins, dtype=np.int32), inside, cores), len(cores)


def _whole(basins: Labels, inside: npt.NDArray[np.bool_], cores: list[npt.NDArray[np.bool_]]) -> Labels:
    """Hand what the watershed cut off, or gave to the background, to the nearest storm it touches."""
    sure = np.zeros_like(basins)
    for number, core in enumerate(cores, start=1):
        pieces, _ = ndimage.label(basins == number)
        sure[pieces == pieces[core][0]] = number
    while True:
        bare = inside & (sure == 0)
        if not bare.any():
            return sure
        grown = np.asarray(ndimage.grey_dilation(sure, footprint=ndimage.generate_binary_structure(2, 1)))
        sure = np.where(bare, grown, sure)


def _cores(dbz: npt.NDArray[np.float32], inside: npt.NDArray[np.bool_], cell_km2: float) -> list[npt.NDArray[np.bool_]]:
    """Distinct cores: the leaves of the tree of nested thresholds, a branch counting only if large enough."""
    leaves = [inside]
    for threshold in CORE_DBZ:
        pieces, count = ndimage.label(dbz >= threshold)
        if count == 0:
            break
        sizes = np.bincount(pieces.ravel(), minlength=count + 1) * cell_km2
        peaks = np.full(count + 1, -np.inf)
        np.maximum.at(peaks, pieces.ravel(), dbz.ravel())
        distinct = (sizes >= MIN_CORE_KM2) & (peaks >= threshold + MIN_CONTRAST_DB)
        distinct[0] = False
        deeper: list[npt.NDArray[np.bool_]] = []
        for leaf in leaves:
            branches = [piece for piece in np.unique(pieces[leaf]) if distinct[piece]]
            deeper += [pieces == piece for piece in branches] or [leaf]
        leaves = deeper
    return leaves
