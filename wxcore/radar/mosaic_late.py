"""A radar that came late: added to a mosaic that is there already, in place."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import xarray as xr
from numba import njit

from wxcore.errors import SchemaError
from wxcore.grid import Grid
from wxcore.radar.looks import Look
from wxcore.radar.mosaic import WEIGHT, Z_LAST, mosaic_looks
from wxcore.radar.mosaic_kernels import of_columns
from wxcore.radar.mosaic_tables import column_indices
from wxcore.schema import OBSERVED_NONE, OBSERVED_VOLUME

_SUMMED = ("reflectivity", "observation_offset")


def add_look(ds: xr.Dataset, look: Look, grid: Grid) -> xr.Dataset:
    """The mosaic with one more radar. Its arrays are changed in place and must not be used by others meanwhile.

    Equals the mosaic of all looks at once within rounding; attribute `radars` has the new one last. A look without
    tilts changes nothing but attribute `radars_without_tilts`.

    Args:
        ds: what `mosaic_looks(..., keep_weights=True)` returned for `grid`.
        look: of a radar that is not in it.
        grid: of `ds`.

    Raises:
        SchemaError: `ds` has no weights, or has this radar already.
    """
    place = (look.site.id, float(look.site.latitude), float(look.site.longitude))
    present = list(zip(ds.attrs["radars"], ds.attrs["radar_lat"], ds.attrs["radar_lon"], strict=True))
    if WEIGHT not in ds or place in present:
        fault = f"{WEIGHT}: missing" if WEIGHT not in ds else f"radar {look.site.id}: already in it"
        raise SchemaError("mosaic that a late radar is added to", [fault])
    when = datetime.fromtimestamp(int(ds["time"].to_numpy()[0].astype("M8[us]").astype("i8")) / 1e6, tz=UTC)
    reach = float(ds.attrs["max_range_m"])
    one = mosaic_looks([look], grid, when=when, max_range_m=reach, keep_weights=True)
    if not look.tilts:
        without = sorted({*ds.attrs["radars_without_tilts"], look.site.id})
        return ds.assign_attrs(radars_without_tilts=without)
    for name in _SUMMED:
        _mean(_columns(ds, name), _columns(ds, WEIGHT), _columns(one, name), _columns(one, WEIGHT))
    _columns(ds, WEIGHT)[:] += _columns(one, WEIGHT)
    count = _columns(ds, "radar_count")
    np.minimum(count.astype("u2") + _columns(one, "radar_count"), 255, out=count, casting="unsafe")
    np.maximum(_columns(ds, "mosaic_quality"), _columns(one, "mosaic_quality"), out=_columns(ds, "mosaic_quality"))
    best, mean = of_columns(_columns(ds, "mosaic_quality").astype("u1", copy=False), _columns(ds, "observation_offset"))
    ds["column_quality"].to_numpy()[0], ds["column_offset"].to_numpy()[0] = best, mean
    _take_nearest(ds, one, grid, [(lat, lon) for _, lat, lon in (*present, place)], reach)
    joined = {name: [*ds.attrs[name], *one.attrs[name]] for name in ("radars", "radar_times", "radar_lat", "radar_lon")}
    without = [radar for radar in ds.attrs["radars_without_tilts"] if radar != look.site.id]
    return ds.assign_attrs(**joined, radars_without_tilts=without)


def _columns(ds: xr.Dataset, name: str) -> npt.NDArray[np.float32]:
    """(Y, X, L) view of a variable of one time."""
    values: npt.NDArray[np.float32] = ds[name].transpose(*Z_LAST).to_numpy()[0]
    return values


@njit(cache=True, nogil=True)
def _mean(
    values: npt.NDArray[np.float32], weight: npt.NDArray[np.float32], other: npt.NDArray[np.float32],
    other_weight: npt.NDArray[np.float32],
) -> None:  # fmt: skip  # pragma: no cover - compiled
    """Weighted mean of two fields (Y, X, L) into the first; what has no weight takes no part."""
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            for z in range(values.shape[2]):
                added = other_weight[y, x, z]
                if added > 0 and weight[y, x, z] > 0:
                    values[y, x, z] += (other[y, x, z] - values[y, x, z]) * added / (added + weight[y, x, z])
                elif added > 0:
                    values[y, x, z] = other[y, x, z]


def _take_nearest(ds: xr.Dataset, one: xr.Dataset, grid: Grid, places: list[tuple[float, float]], reach: float) -> None:
    """Columns that the last of `places` sees, and to which it is nearer than the radar they name, name it."""
    distance = column_indices(tuple(places), grid, reach).distance
    nearest, observed = ds["nearest_radar"].to_numpy()[0], ds["observed"].to_numpy()[0]
    named = np.take_along_axis(distance, np.maximum(nearest, 0)[None].astype(np.intp), axis=0)[0]
    seen = one["observed"].to_numpy()[0] != OBSERVED_NONE
    nearest[seen & ((nearest < 0) | (distance[-1] < named))] = len(places) - 1
    observed[seen] = OBSERVED_VOLUME
