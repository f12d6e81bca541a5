"""Outlines of cold pools: the air that storms left on the ground."""

import numpy as np
import shapely
import xarray as xr
from scipy import ndimage
from shapely.geometry import Polygon

from wxcore.grid import Grid
from wxcore.station.analysis import COLD_POOL

SIMPLIFY_CELLS = 1.0
"""Tolerance of the outline [cells], as storms have (DOMAIN.md section 4)."""

LEAST_KM2 = 50.0
"""Smaller pools are left out [our choice]: stations are about 10 km apart."""


def cold_pools(ds: xr.Dataset, grid: Grid) -> list[Polygon]:
    """Outer outlines (lon, lat) of the regions of `cold_pool`, the largest first; holes are filled.

    Args:
        ds: schema.SURFACE of one time on `grid`, (time, lat, lon).
    """
    labels, count = ndimage.label(ds["cold_pool"].to_numpy()[0] == COLD_POOL)
    west, south, _, _ = grid.bounds
    found: list[tuple[float, Polygon]] = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        inside = ndimage.binary_fill_holes(labels[box] == label)
        area = float((inside.sum(axis=1) * grid.cell_area_km2[box[0]]).sum())
        if count == 0 or area < LEAST_KM2:
            continue
        # A run of cells of a row is a rectangle; rows of rectangles together are the region.
        edges = np.diff(np.pad(inside.astype(np.int8), ((0, 0), (1, 1))), axis=1)
        row, begin = np.nonzero(edges == 1)
        _, end = np.nonzero(edges == -1)
        row, begin, end = row + box[0].start, begin + box[1].start, end + box[1].start
        step = grid.step_deg
        runs = shapely.box(west + step * begin, south + step * row, west + step * end, south + step * (row + 1))
        whole = shapely.union_all(runs, grid_size=step / 1000)
        outline = shapely.simplify(whole, SIMPLIFY_CELLS * step, preserve_topology=True)
        if isinstance(outline, Polygon):
            found.append((area, outline))
    return [outline for _, outline in sorted(found, key=lambda item: -item[0])]
