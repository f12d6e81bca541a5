"""A gridded radar product made elsewhere (MOC, SWAN), and its way on to our grid.

`GridField` keeps the file's codes; only the part that falls on our grid becomes float.
"""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore import schema
from wxcore.errors import ReadError, Reason, SchemaError
from wxcore.grid import Grid
from wxcore.radar.volume import FOLDED, NO_ECHO
from wxcore.times import to_datetime64

VOLUME_SOURCE, COMPOSITE_SOURCE = "volume", "composite"
"""Attribute `source_kind` of a gridded source: a composite can never claim hail."""

BELOW_BOTTOM_M = 250.0
"""A level of ours this much below a mosaic's lowest takes the lowest one's value: a quarter kilometre is the smallest
step of the MRMS levels (DOMAIN.md 1.4), so no level is invented out of more than its neighbour."""

MIN_DBZ, MAX_DBZ = -35.0, 90.0
"""Codes of reflectivity outside of this are fill values or damage: no data. Weaker than any radar's noise; the upper
end of the schema's reflectivity [dBZ]."""

FULL_CIRCLE = 360.0

_EDGE_SLACK = 1e-4
"""Part of a cell by which a place may lie west or south of a cell's edge and still be in it: headers hold
float32 or 1e-4 degree steps, so edges that mean the same differ by about this much."""

Codes = npt.NDArray[np.uint8] | npt.NDArray[np.int8] | npt.NDArray[np.uint16] | npt.NDArray[np.int16]


@dataclass(frozen=True)
class GridField:
    """One gridded product as its file holds it.

    Attributes:
        format: name of the file format.
        kind: "mosaic" (3-D reflectivity), "composite" (2-D maximum) or "product" (anything else).
        product: the file's own name of the product; units: of the values.
        time: observation time, UTC.
        lon_west, lat_south: centre of the south-west cell [deg]; d_lon, d_lat: distance of cell centres [deg].
        heights_m: levels [m ASL], ascending; empty where the file names none.
        codes: (level, lat, lon) integer codes, row 0 is the south.
        scale, offset: value = (code - offset) / scale.
        classes: (256,) or (65536,) u1: ECHO, NO_ECHO or MISSING for each code, by its bits read as unsigned.
        no_echo: value that stands for "observed, nothing there"; weaker values are raised to it. NaN: none.
        radar_count: number of radars in the product, by its header; radars: their ids or names.
        interval_min: minutes between products, 0 where unknown.
        remarks: short notes on what was odd.
    """

    format: str
    kind: str
    product: str
    units: str
    time: datetime
    lon_west: float
    lat_south: float
    d_lon: float
    d_lat: float
    heights_m: tuple[float, ...]
    codes: Codes
    scale: float
    offset: float
    classes: npt.NDArray[np.uint8]
    no_echo: float = schema.NO_ECHO_DBZ
    radar_count: int = 0
    radars: tuple[str, ...] = field(default=())
    interval_min: int = 0
    remarks: tuple[str, ...] = field(default=())

    @property
    def lon(self) -> npt.NDArray[np.float64]:
        """Longitudes of the cell centres, (lon,) [deg east]."""
        return np.round(self.lon_west + self.d_lon * np.arange(self.codes.shape[2]), 6)

    @property
    def lat(self) -> npt.NDArray[np.float64]:
        """Latitudes of the cell centres, (lat,) [deg north], ascending."""
        return np.round(self.lat_south + self.d_lat * np.arange(self.codes.shape[1]), 6)

    def table(self) -> npt.NDArray[np.float32]:
        """Value of each code read as unsigned, (256,) or (65536,): NaN where missing, `no_echo` where nothing was."""
        unsigned = np.arange(self.classes.size, dtype=f"u{self.codes.dtype.itemsize}")
        codes = unsigned.view(self.codes.dtype).astype(np.float64)
        values = ((codes - self.offset) / self.scale).astype(np.float32)
        if np.isfinite(self.no_echo):
            values = np.maximum(values, np.float32(self.no_echo))
        values[self.classes == NO_ECHO] = self.no_echo
        values[self.classes >= FOLDED] = np.nan
        return values

    def values(
        self, rows: slice | npt.NDArray[np.intp] = slice(None), columns: slice | npt.NDArray[np.intp] = slice(None)
    ) -> npt.NDArray[np.float32]:
        """(level, row, column) values of the rows and columns asked for, float32."""
        part = np.ascontiguousarray(self.codes[:, rows, :][:, :, columns])
        unsigned: npt.NDArray[np.uint8] | npt.NDArray[np.uint16] = part.view(f"u{part.dtype.itemsize}")
        return self.table()[unsigned]


def describe(field_: GridField) -> schema.Description:
    """What the field is, for `wx doctor`."""
    levels = (f"{len(field_.heights_m)} levels",) if field_.heights_m else ()
    radars = (f"{field_.radar_count} radars",) if field_.radar_count else ()
    return schema.Description(
        kind=field_.kind,
        site="",
        time=field_.time,
        sweeps=field_.codes.shape[0],
        moments=(field_.product,),
        remarks=(*levels, *radars, *field_.remarks),
    )


def to_dataset(field_: GridField, crop: tuple[float, float, float, float] | None = None) -> xr.Dataset:
    """The field on its own cells: dims ([height,] lat, lon), latitude ascending, float32, NaN = no data.

    Args:
        field_: what a reader returned.
        crop: (west, south, east, north) [deg]: only cells whose centres are inside become float.
    """
    rows, columns = slice(None), slice(None)
    if crop is not None:
        west, south, east, north = crop
        rows = slice(*np.searchsorted(field_.lat, (south, north + 1e-9)).tolist())
        columns = slice(*np.searchsorted(field_.lon, (west, east + 1e-9)).tolist())
    name = {"mosaic": "reflectivity", "composite": "composite_reflectivity"}.get(field_.kind, field_.product.lower())
    values = field_.values(rows, columns)
    coords = _plane_coords(field_.lat[rows], field_.lon[columns])
    dims: tuple[str, ...] = (schema.LAT, schema.LON)
    if len(field_.heights_m) == values.shape[0]:
        dims, coords = (schema.HEIGHT, *dims), {schema.HEIGHT: _height(field_.heights_m), **coords}
    elif values.shape[0] == 1:
        values = values[0]
    else:
        dims = ("level", *dims)
    attrs = {"time": to_datetime64(field_.time).astype("datetime64[s]").astype(str) + "Z", "format": field_.format}
    return xr.Dataset({name: (dims, values, {"units": field_.units, "long_name": field_.product})}, coords, attrs)


def to_grid(field_: GridField, grid: Grid) -> xr.Dataset:
    """The field on our grid: nearest cell in the horizontal, linear in dBZ in the vertical.

    A place belongs to the cell that holds it; one on an edge to the cell north-east of it. A level between two of
    the source's is interpolated linearly in dBZ where both are observed ("no echo" is NO_ECHO_DBZ, as in
    DOMAIN.md 1.4); one at most BELOW_BOTTOM_M under the lowest takes the lowest; others are NaN.

    Returns:
        mosaic: the schema's MOSAIC, attribute `source_kind` "volume"; `radar_count` is 1 where observed (the file
            does not say how many), `nearest_radar` -1.
        composite: `composite_reflectivity` and `observed` (time, lat, lon), `source_kind` "composite".

    Raises:
        ReadError: OUTSIDE_REGION, no cell of the field lies on the grid.
        SchemaError: the field is a product, which is never an input.
    """
    if field_.kind not in {"mosaic", "composite"}:
        raise SchemaError("to_grid", [f"{field_.product}: a {field_.kind} is for comparison, not an input"])
    rows = _cells(grid.lat, field_.lat_south, field_.d_lat, field_.codes.shape[1])
    columns = _cells(_turned(grid.lon, field_), field_.lon_west, field_.d_lon, field_.codes.shape[2])
    if not rows[1].any() or not columns[1].any():
        raise ReadError(
            Reason.OUTSIDE_REGION,
            f"{field_.format} {field_.product} covers {_box(field_)}; no cell of it lies in the region: "
            "choose another region, or another file",
            f"{field_.format} {field_.product} 覆盖范围为 {_box(field_)}，与所选区域无重叠：请换区域或换文件",
        )
    values = field_.values(rows[0], columns[0])
    values[:, ~rows[1], :] = np.nan
    values[:, :, ~columns[1]] = np.nan
    values[values > MAX_DBZ] = np.nan  # no weather is so strong: a fill value
    if field_.kind == "composite":
        return _composite(field_, values[0], grid)
    return _mosaic(field_, _to_levels(values, np.asarray(field_.heights_m), grid.height), grid)


def _box(field_: GridField) -> str:
    lon, lat = field_.lon, field_.lat
    return f"{lon[0]:.2f}-{lon[-1]:.2f}E {lat[0]:.2f}-{lat[-1]:.2f}N"


def _turned(lon: npt.NDArray[np.float64], field_: GridField) -> npt.NDArray[np.float64]:
    """The longitudes as the file counts them (-180..180 or 0..360): within a full circle east of its west edge."""
    west = field_.lon_west - (0.5 + _EDGE_SLACK) * field_.d_lon
    return west + np.mod(lon - west, FULL_CIRCLE)


def _cells(
    places: npt.NDArray[np.float64], first: float, step: float, count: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Index of the cell that holds each place (clipped to the field), and whether one does."""
    index = np.floor((places - (first - step / 2)) / step + _EDGE_SLACK).astype(np.intp)
    return index.clip(0, count - 1), (index >= 0) & (index < count)


def _to_levels(
    values: npt.NDArray[np.float32], source: npt.NDArray[np.float64], target: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """(source level, lat, lon) to (target level, lat, lon): linear, NaN where either neighbour is."""
    result = np.full((target.size, *values.shape[1:]), np.nan, dtype=np.float32)
    for k, height in enumerate(target):
        if source[0] - BELOW_BOTTOM_M <= height < source[0]:
            result[k] = values[0]
        if not source[0] <= height <= source[-1]:
            continue
        above = int(np.searchsorted(source, height))
        if source[above] == height:
            result[k] = values[above]
            continue
        weight = np.float32((height - source[above - 1]) / (source[above] - source[above - 1]))
        np.multiply(values[above], weight, out=result[k])
        result[k] += values[above - 1] * (1 - weight)
    return result


def _composite(field_: GridField, values: npt.NDArray[np.float32], grid: Grid) -> xr.Dataset:
    composite = next(var for var in schema.PRODUCTS if var.name == "composite_reflectivity")
    observed = next(var for var in schema.MOSAIC if var.name == "observed")
    seen = np.where(np.isnan(values), schema.OBSERVED_NONE, schema.OBSERVED_COMPOSITE).astype(np.uint8)
    return xr.Dataset(
        {
            composite.name: (composite.dims, values[np.newaxis], composite.attrs),
            observed.name: (observed.dims, seen[np.newaxis], observed.attrs),
        },
        {schema.TIME: _time(field_.time), **_plane_coords(grid.lat, grid.lon)},
        {"source_kind": COMPOSITE_SOURCE, "source": field_.format, "radars": []},
    )


def _mosaic(field_: GridField, values: npt.NDArray[np.float32], grid: Grid) -> xr.Dataset:
    seen = ~np.isnan(values)
    column = np.where(seen.any(axis=0), schema.OBSERVED_VOLUME, schema.OBSERVED_NONE).astype(np.uint8)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "reflectivity": values,
        "radar_count": seen.view(np.uint8),
        "observed": column,
        "nearest_radar": np.full(grid.shape, -1, dtype=np.int16),
    }
    return xr.Dataset(
        {var.name: (var.dims, arrays[var.name][np.newaxis], var.attrs) for var in schema.MOSAIC},
        {
            schema.TIME: _time(field_.time),
            schema.HEIGHT: _height(grid.levels_m),
            **_plane_coords(grid.lat, grid.lon),
        },
        {"source_kind": VOLUME_SOURCE, "source": field_.format, "radars": []},
    )


def _time(time: datetime) -> xr.Variable:
    return xr.Variable(schema.TIME, np.array([to_datetime64(time)]), {"standard_name": "time"})


def _height(heights_m: tuple[float, ...]) -> xr.Variable:
    attrs = {"units": "m", "standard_name": "height_above_mean_sea_level", "positive": "up"}
    return xr.Variable(schema.HEIGHT, np.asarray(heights_m, dtype=np.float64), attrs)


def _plane_coords(lat: npt.NDArray[np.float64], lon: npt.NDArray[np.float64]) -> dict[str, xr.Variable]:
    return {
        schema.LAT: xr.Variable(schema.LAT, lat, {"units": "degrees_north", "standard_name": "latitude"}),
        schema.LON: xr.Variable(schema.LON, lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
