"""The table of features: the same code live and in training."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wxcore.errors import SampleError
from wxcore.grid import EARTH_RADIUS_M
from wxcore.hazard.features.catalogue import ALSO_FLAT, COVERAGE, FEATURES, GROUPS, NAMES
from wxcore.hazard.features.trends import numbers, trends
from wxcore.schema import STORMS

NEIGHBOUR_KM = 50.0
"""Storms whose centres are this near are neighbours [our choice]: half of what a radar sees well."""

OF_THE_DAY = {"good": 1.0, "doubtful": 0.5, "climatology": 0.0}
"""`levels_of_the_day` by the quality of the levels; half for those that may describe another air."""

CLIMATOLOGY = "climatology"

HEIGHTS = ("h0_m", "hm20_m", "wet_bulb_zero_m")
"""Left out: hm10_m, which lies between."""
INDICES = (
    "mucape", "sbcin", "dcape", "lapse_rate_700_500", "shear_0_1km", "shear_0_6km", "srh_0_3km", "pwat",
    "theta_e_drop",
)  # fmt: skip
"""Of environment.thermo_door.INDICES; left out: sbcape and mlcape (mucape), heights of parcel levels and tropopause
above sea level (the ground below is not known here), shear_0_3km (between the other two)."""

OWN = tuple(column.name for column in STORMS if column.name in NAMES and column.kind == "float")
"""Features that are columns of a storm as they are."""

MEASURED: dict[str, frozenset[str]] = {
    group: frozenset(own.name for own in FEATURES if own.group == group) - {*COVERAGE, *ALSO_FLAT}
    for group in GROUPS
    if group != "quality"
} | {"motion": frozenset({"speed_m_s"})}
"""Source -> the features by which it is there."""

COVERS: dict[str, npt.NDArray[np.bool_]] = {
    group: np.array([own.group == group and own.name in COVERAGE for own in FEATURES])
    for group in sorted({own.group for own in FEATURES if own.name in COVERAGE})
}
"""Source -> which of FEATURES are its COVERAGE."""

Doubles = npt.NDArray[np.float64]


def features(storms: pd.DataFrame, history: Sequence[pd.DataFrame], levels: Mapping[str, Any]) -> pd.DataFrame:
    """(storm, feature) f8: columns NAMES, on the index of `storms`; NaN where unknown, never infinite.

    Of climatological levels nothing is told but that they are (`levels_of_the_day` 0): they are the place and the
    month. Columns that an older table does not have are NaN.

    Args:
        storms: schema.STORMS of one time.
        history: earlier tables of at most 30 minutes, in any order; rows of the same time or later are passed over.
        levels: provenance["levels"] of the cycle: h0_m, hm20_m, source, quality, age_h, indices ...; empty: unknown.

    Raises:
        SampleError: storms of several times, or without storm_id and time.
    """
    if absent := [f"no column {name}" for name in ("storm_id", "time") if name not in storms]:
        raise SampleError("features of storms", absent)
    if storms["time"].nunique() > 1:
        found = f"times {storms['time'].min()} to {storms['time'].max()}, expected one: call it once a cycle"
        raise SampleError("features of storms", [found])
    columns = dict(zip(OWN, numbers(storms, OWN).T, strict=True)) | _derived(storms, levels) | trends(storms, history)
    columns |= {name: np.full(len(storms), value) for name, value in environment(levels).items()}
    unknown = np.full(len(storms), np.nan)
    matrix = np.column_stack([columns.get(name, unknown) for name in NAMES])
    matrix[~np.isfinite(matrix)] = np.nan
    for group, covers in COVERS.items():
        blind = _nothing(matrix, NAMES, group)[:, None] & covers
        matrix[blind] = np.nan  # there 0 stands for "nobody looked"
    return pd.DataFrame(matrix, index=storms.index, columns=list(NAMES))


def missing_groups(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """Of each row the sources (GROUPS) that measured nothing.

    `radar`: nothing in three dimensions, a composite at most; `environment`: not of the day; `motion`: no speed.
    `quality` is never missing.

    Args:
        frame: as `features` gives it, or some columns of it: a source without columns is missing.
    """
    names = [str(name) for name in frame.columns]
    matrix = frame.to_numpy(dtype=np.float64)
    absent = np.column_stack([_nothing(matrix, names, group) for group in MEASURED])
    return [
        tuple(group for group, is_absent in zip(MEASURED, row, strict=True) if is_absent) for row in absent.tolist()
    ]


def environment(levels: Mapping[str, Any]) -> dict[str, float]:
    """Features of the environment, the same for all storms of a cycle, and `levels_of_the_day`; NaN where unknown."""
    quality = OF_THE_DAY.get(str(levels.get("quality")), np.nan)
    source = str(levels.get("source", CLIMATOLOGY))
    told: dict[str, float] = {"levels_of_the_day": quality}
    if CLIMATOLOGY in (source, levels.get("quality")):
        return told
    indices = levels.get("indices") or {}
    told |= {name: _number(levels.get(name)) for name in HEIGHTS}
    told |= {name: _number(indices.get(name)) for name in INDICES}
    told["mean_wind_0_6km"] = math.hypot(*(_number(indices.get(f"mean_{part}_0_6km")) for part in "uv"))
    told["environment_age_h"] = _number(levels.get("age_h"))
    return told | {f"environment_{name}": float(source == name) for name in ("nwp", "sounding")}


def _number(value: object) -> float:
    """A figure of JSON; NaN for None."""
    return float(value) if isinstance(value, int | float) else np.nan


def _derived(storms: pd.DataFrame, levels: Mapping[str, Any]) -> dict[str, Doubles]:
    h0, hm20 = (_number(levels.get(name)) / 1000 for name in ("h0_m", "hm20_m"))
    names = ("echo_top_18_km", "echo_top_45_km", "echo_top_50_km", "u_m_s", "v_m_s", "lat", "lon")
    top18, top45, top50, u, v, lat, lon = numbers(storms, names).T
    derived = {
        "top18_above_hm20_km": top18 - hm20,
        "top45_above_hm20_km": top45 - hm20,
        "top50_above_h0_km": top50 - h0,
        "speed_m_s": np.hypot(u, v),
        "neighbours": _neighbours(lat, lon),
    }
    if "parents" in storms:
        derived["parents"] = np.array([_count(own) for own in storms["parents"]], dtype=np.float64)
    return derived


def _count(parents: object) -> float:
    return float(len(parents)) if isinstance(parents, tuple | list) else np.nan


def _neighbours(lat: Doubles, lon: Doubles) -> Doubles:
    """Other storms whose centres are within NEIGHBOUR_KM of the sphere; NaN where the place is unknown."""
    phi, away = np.deg2rad(lat), np.deg2rad(lon)
    point = np.column_stack([np.cos(phi) * np.cos(away), np.cos(phi) * np.sin(away), np.sin(phi)])
    chord = 2 * np.sin(NEIGHBOUR_KM * 1000 / (2 * EARTH_RADIUS_M))
    square = sum((point[:, None, axis] - point[:, axis]) ** 2 for axis in range(3))
    near = square <= chord**2
    return np.where(np.isfinite(lat + lon), near.sum(axis=1) - 1.0, np.nan)


def _nothing(matrix: Doubles, names: Sequence[str], group: str) -> npt.NDArray[np.bool_]:
    """Rows in which a source measured nothing; matrix: (row, name)."""
    at = [place for place, name in enumerate(names) if name in MEASURED[group]]
    return np.asarray(np.isnan(matrix[:, at]).all(axis=1), dtype=np.bool_)
