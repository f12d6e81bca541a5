"""Names, dims, units and valid range of what crosses a door. `check` and `check_table` list every fault at once.

NaN is *no data* (nobody looked). *No echo* (somebody looked, nothing was there) is `NO_ECHO_DBZ`.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from wxcore.errors import SchemaError

NO_ECHO_DBZ = -10.0
"""Reflectivity [dBZ] that stands for "observed, no echo". Weaker echoes are raised to it (DOMAIN.md 1.4)."""

VELOCITY_OBSERVED, VELOCITY_FOLDED = 1, 2
"""Flag values of `velocity_observed`: a radial velocity is known near the ground; only range-folded echo is there."""

OBSERVED_NONE, OBSERVED_COMPOSITE, OBSERVED_VOLUME = 0, 1, 2
"""Flag values of `observed`: no radar looked here; a 2-D composite only; radar beams in three dimensions."""

TIME, HEIGHT, LAT, LON = "time", "height", "lat", "lon"
COLUMN = (TIME, LAT, LON)
CUBE = (TIME, HEIGHT, LAT, LON)


@dataclass(frozen=True)
class Var:
    """One variable: its dims, units and range, and the CF words that describe it."""

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    standard_name: str = ""
    dtype: str = "f4"
    valid_min: float = -np.inf
    valid_max: float = np.inf
    flags: tuple[tuple[int, str], ...] = ()

    @property
    def attrs(self) -> dict[str, object]:
        """CF attributes of the variable."""
        attrs: dict[str, object] = {"units": self.units, "long_name": self.long_name}
        if self.standard_name:
            attrs["standard_name"] = self.standard_name
        if self.flags:
            attrs["flag_values"] = np.array([value for value, _ in self.flags], dtype=self.dtype)
            attrs["flag_meanings"] = " ".join(meaning for _, meaning in self.flags)
        return attrs


Z = "equivalent_reflectivity_factor"

MOSAIC: tuple[Var, ...] = (
    Var("reflectivity", CUBE, "dBZ", "reflectivity of the radar mosaic", Z, valid_min=-10, valid_max=90),
    Var("radar_count", CUBE, "1", "number of radars that observed the cell", dtype="u1"),
    Var("observed", COLUMN, "1", "how the column was observed", dtype="u1",
        flags=((0, "not_observed"), (1, "composite_only"), (2, "volume"))),
    Var("nearest_radar", COLUMN, "1", "nearest radar that observed the column, as an index into attribute radars",
        dtype="i2", valid_min=-1),
)  # fmt: skip
"""The 3-D mosaic. `reflectivity` NaN where unobserved; `nearest_radar` -1 where none."""

MOSAIC_QUALITY: tuple[Var, ...] = (
    Var("mosaic_quality", CUBE, "1", "largest weight of a radar in the cell, hundredths", dtype="u1", valid_max=100),
    Var("observation_offset", CUBE, "s", "observation time of the cell minus the time of the analysis, weighted mean",
        valid_min=-3600, valid_max=3600),
)  # fmt: skip
"""Of our own mosaics only: how well each cell was observed (0 where not), and when (NaN where not)."""

COLUMN_QUALITY: tuple[Var, ...] = (
    Var("column_quality", COLUMN, "1", "largest mosaic_quality of the column", dtype="u1", valid_max=100),
    Var("column_offset", COLUMN, "s", "mean observation_offset of the column", valid_min=-3600, valid_max=3600),
)
"""The same by column: what the archive keeps of it. The cubes would double a cycle on the disk (decision 0016)."""

PRODUCTS: tuple[Var, ...] = (
    Var("composite_reflectivity", COLUMN, "dBZ", "maximum reflectivity of the column", Z,
        valid_min=-10, valid_max=90),
    Var("composite_height", COLUMN, "m", "height above sea level of the maximum", "height_above_mean_sea_level"),
    Var("vil", COLUMN, "kg m-2", "vertically integrated liquid, 56 dBZ cap", valid_min=0, valid_max=200),
    Var("vil_density", COLUMN, "g m-3", "VIL over the 18 dBZ echo top", valid_min=0, valid_max=50),
    *(
        Var(f"echo_top_{dbz}", COLUMN, "m", f"highest height above sea level with {dbz} dBZ",
            "height_above_mean_sea_level", valid_min=0, valid_max=30_000)
        for dbz in (18, 30, 45, 50, 60)
    ),
    Var("topped", COLUMN, "1", "bit k set: the topmost observed level still has 18, 30, 45, 50, 60 dBZ (k = 0..4)",
        dtype="u1"),
    Var("shi", COLUMN, "J m-1 s-1", "severe hail index", valid_min=0),
    Var("mesh", COLUMN, "mm", "maximum expected size of hail, Witt 1998", valid_min=0, valid_max=250),
    Var("mesh75", COLUMN, "mm", "maximum expected size of hail, 75th percentile, Murillo 2021", valid_min=0,
        valid_max=250),
    Var("mesh95", COLUMN, "mm", "maximum expected size of hail, 95th percentile, Murillo 2021", valid_min=0,
        valid_max=250),
    Var("posh", COLUMN, "%", "probability of severe hail, Witt 1998", valid_min=0, valid_max=100),
    Var("h45_above_h0", COLUMN, "m", "45 dBZ echo top above the 0 C level"),
)  # fmt: skip
"""Column products. NaN where the column was unobserved, and all but the composite NaN where it was seen in 2-D only.
Observed without echo: composite NO_ECHO_DBZ; vil, shi, mesh*, posh 0; tops, composite_height, vil_density NaN."""

S1 = "s-1"
KINEMATICS: tuple[Var, ...] = (
    Var("azimuthal_shear_low", COLUMN, S1, "azimuthal shear of the largest magnitude, 0-2 km above ground",
        valid_min=-0.2, valid_max=0.2),
    Var("azimuthal_shear_mid", COLUMN, S1, "azimuthal shear of the largest magnitude, 3-6 km above ground",
        valid_min=-0.2, valid_max=0.2),
    Var("radial_divergence_low", COLUMN, S1, "largest radial divergence, 0-2 km above ground",
        valid_min=-0.2, valid_max=0.2),
    Var("radial_convergence_low", COLUMN, S1, "largest radial convergence, 0-2 km above ground",
        valid_min=-0.2, valid_max=0.2),
    Var("radial_convergence_mid", COLUMN, S1, "largest radial convergence, 3-6 km above ground",
        valid_min=-0.2, valid_max=0.2),
    Var("marc", COLUMN, "m s-1", "mid-altitude radial convergence, velocity difference, 3-7 km above ground",
        valid_min=0, valid_max=150),
    Var("radial_wind_low", COLUMN, "m s-1", "largest radial wind speed, 0-1.5 km above ground",
        valid_min=0, valid_max=120),
    Var("radial_wind_low_azimuth", COLUMN, "degree", "azimuth towards which that radial wind blows",
        valid_min=0, valid_max=360),
    Var("storm_top_divergence", COLUMN, "m s-1", "divergent velocity difference above 8 km ASL",
        valid_min=0, valid_max=200),
    Var("spectrum_width_low", COLUMN, "m s-1", "largest spectrum width, 0-2 km above ground",
        valid_min=0, valid_max=60),
    Var("velocity_observed", COLUMN, "1", "is there a radial velocity 0-2 km above ground", dtype="u1",
        flags=((0, "not_observed"), (1, "observed"), (2, "range_folded"))),
)  # fmt: skip
"""What Doppler velocities say (DOMAIN.md 2.3). NaN where no velocity was observed in the layer: never 0."""

POLARIMETRY: tuple[Var, ...] = (
    Var("hail_size_class", COLUMN, "1", "largest hail size class of the column (HSDA)", dtype="u1",
        flags=((0, "not_observed"), (1, "no_hail"), (2, "below_25_mm"), (3, "25_to_50_mm"), (4, "above_50_mm"))),
    Var("hail_differential_reflectivity", COLUMN, "dB", "largest HDR below the 0 C level (Aydin & Zhao 1990)",
        valid_min=-200, valid_max=100),
    Var("hydrometeor_class_low", COLUMN, "1", "hydrometeor class of the lowest observed gate with echo", dtype="u1",
        flags=((0, "not_observed"), (1, "no_echo"), (2, "ground_clutter"), (3, "biological"), (4, "drizzle_light_rain"),
               (5, "rain"), (6, "heavy_rain"), (7, "big_drops"), (8, "rain_hail"), (9, "hail"), (10, "graupel"),
               (11, "dry_snow"), (12, "wet_snow"), (13, "ice_crystals"))),
    Var("zdr_column_depth", COLUMN, "m", "depth of ZDR >= 1 dB above the 0 C level", valid_min=0, valid_max=20_000),
    Var("specific_differential_phase_low", COLUMN, "degree km-1", "largest KDP below the 0 C level",
        valid_min=-20, valid_max=60),
)  # fmt: skip
"""What dual polarisation says (DOMAIN.md 2.2). 0 or NaN where no dual-polarisation radar looked."""

OPTIONAL: tuple[Var, ...] = (*COLUMN_QUALITY, *KINEMATICS, *POLARIMETRY)
"""A cube may lack these: a source that cannot know them leaves them out."""

LEVELS_SOURCES = ("unknown", "manual", "climatology", "nwp", "sounding")

ENVIRONMENT: tuple[Var, ...] = (
    Var("freezing_level", (TIME,), "m", "height above sea level of 0 C that the hail products used",
        "freezing_level_altitude"),
    Var("minus20_level", (TIME,), "m", "height above sea level of -20 C that the hail products used"),
    Var("levels_source", (TIME,), "1", "where the two heights come from", dtype="u1",
        flags=tuple(enumerate(LEVELS_SOURCES))),
)  # fmt: skip
"""The temperature levels travel with the products that used them."""


@dataclass(frozen=True)
class Column:
    """One column of a table. `kind`: "str", "float", "int", "time" (datetime64[ns]), "object"."""

    name: str
    kind: str
    units: str
    meaning: str
    valid_min: float = -np.inf
    valid_max: float = np.inf


STORMS: tuple[Column, ...] = (
    Column("storm_id", "str", "", "stays the same through the storm's life; first cycle and a number"),
    Column("time", "time", "UTC", "analysis time"),
    Column("lat", "float", "deg", "centroid weighted with linear Z", -90, 90),
    Column("lon", "float", "deg", "centroid weighted with linear Z", -180, 360),
    Column("area_km2", "float", "km2", "area of the polygon's cells", 0),
    Column("polygon", "object", "deg", "shapely Polygon, (lon, lat)"),
    Column("max_dbz", "float", "dBZ", "maximum composite reflectivity", -10, 90),
    Column("vil_kg_m2", "float", "kg m-2", "maximum VIL", 0),
    Column("vil_density_g_m3", "float", "g m-3", "maximum VIL density", 0),
    Column("echo_top_18_km", "float", "km", "maximum 18 dBZ top ASL", 0),
    Column("echo_top_45_km", "float", "km", "maximum 45 dBZ top ASL", 0),
    Column("echo_top_50_km", "float", "km", "maximum 50 dBZ top ASL", 0),
    Column("shi", "float", "J m-1 s-1", "maximum severe hail index", 0),
    Column("mesh_mm", "float", "mm", "maximum MESH, Witt 1998", 0),
    Column("mesh75_mm", "float", "mm", "maximum MESH75, Murillo 2021", 0),
    Column("mesh_lat", "float", "deg", "place of the maximum MESH", -90, 90),
    Column("mesh_lon", "float", "deg", "place of the maximum MESH", -180, 360),
    Column("mesh20_area_km2", "float", "km2", "area with MESH >= 20 mm", 0),
    Column("posh_percent", "float", "%", "maximum POSH", 0, 100),
    Column("h45_above_h0_km", "float", "km", "maximum height of 45 dBZ above the 0 C level"),
    Column("u_m_s", "float", "m s-1", "eastward motion", -100, 100),
    Column("v_m_s", "float", "m s-1", "northward motion", -100, 100),
    Column("motion_sd_m_s", "float", "m s-1", "standard error of each motion component", 0),
    Column("age_min", "float", "min", "time since the storm was first seen", 0),
    Column("parents", "object", "", "tuple of storm_ids it split from or merged out of, at this time"),
    Column("observed_fraction", "float", "1", "part of the storm's cells seen in three dimensions", 0, 1),
    Column("top18_open", "float", "1", "1 where no beam saw what is above the 18 dBZ top, else 0", 0, 1),
    Column("top18_above_h0_km", "float", "km", "18 dBZ top above the 0 C level"),
    Column("velocity_fraction", "float", "1", "part of the cells with a radial velocity 0-2 km above ground", 0, 1),
    Column("folded_fraction", "float", "1", "part of the cells with range-folded velocities only", 0, 1),
    Column("azimuthal_shear_low_s1", "float", "s-1", "largest magnitude of azimuthal shear, 0-2 km above ground", 0),
    Column("azimuthal_shear_mid_s1", "float", "s-1", "largest magnitude of azimuthal shear, 3-6 km above ground", 0),
    Column("divergence_low_s1", "float", "s-1", "largest radial divergence, 0-2 km above ground"),
    Column("convergence_low_s1", "float", "s-1", "largest radial convergence, 0-2 km above ground"),
    Column("marc_m_s", "float", "m s-1", "largest mid-altitude radial convergence", 0),
    Column("radial_wind_low_m_s", "float", "m s-1", "largest radial wind, 0-1.5 km above ground, to 5 km around it", 0),
    Column("storm_top_divergence_m_s", "float", "m s-1", "largest divergent velocity difference above 8 km ASL", 0),
    Column("spectrum_width_low_m_s", "float", "m s-1", "largest spectrum width, 0-2 km above ground", 0),
    Column("hail_size_class", "float", "1", "largest class of hail_size_class (schema.POLARIMETRY), NaN not observed"),
    Column("hdr_db", "float", "dB", "largest hail differential reflectivity below the 0 C level"),
    Column("zdr_column_km", "float", "km", "largest depth of ZDR >= 1 dB above the 0 C level", 0),
    Column("kdp_low_deg_km", "float", "degree km-1", "largest KDP below the 0 C level"),
    Column("major_axis_km", "float", "km", "longer side of the outline's smallest rectangle", 0),
    Column("axis_ratio", "float", "1", "longer over shorter side of that rectangle", 0),
    Column("bow", "float", "1", "1 where it is long, narrow and fast as a bow echo; NaN motion unknown", 0, 1),
    Column("gust_front_km", "float", "km", "length of a thin line of convergence ahead of or beside the storm", 0),
    Column("wind_view", "float", "1", "cosine of the angle between that wind's beam and the motion", 0, 1),
)
"""One row a storm a time. NaN where the product is missing (2-D only, unobserved): missing is never zero.
Motion of a storm without history: u, v NaN unless a field gives them; motion_sd_m_s then NaN too."""

HAZARDS = ("hail", "thunderstorm", "gale")

PROBABILITIES: tuple[Column, ...] = (
    Column("storm_id", "str", "", "the storm"),
    Column("hazard", "str", "", "hail, thunderstorm or gale"),
    Column("lead_start_min", "int", "min", "start of the lead window", 0),
    Column("lead_end_min", "int", "min", "end of the lead window", 0),
    Column("p", "float", "1", "probability; NaN where the inputs it needs are missing", 0, 1),
    Column("model", "str", "", "name/version of the model"),
    Column("drivers", "object", "", "tuple of English phrases: why"),
    Column("drivers_zh", "object", "", "tuple of Chinese phrases: why"),
)


@dataclass(frozen=True)
class Description:
    """What a native object is, for `wx doctor` and the ledger.

    `kind`: "volume" (one radar's beams), "mosaic" (3-D grid), "composite" (2-D grid), "product" (truth for
    comparison, never an input of a cycle). `site` is a radar's id, "" for a grid; `scan` names the scan strategy.
    `time` is the observation time.
    """

    kind: str
    site: str
    time: datetime
    sweeps: int
    moments: tuple[str, ...]
    remarks: tuple[str, ...] = field(default=())
    scan: str = ""


@dataclass(frozen=True)
class Format:
    """A file format as a source room offers it to landing.

    Attributes:
        name: stable id, such as "cinrad-standard"; title_en, title_zh: what people call it.
        recognise: the first HEAD_BYTES bytes (after decompression) -> is it this format? Decides alone; the
            file's name is only read after it, for what the bytes do not hold.
        name_pattern: what a well-named file of this format is called (searched in the file's base name).
        read: (whole uncompressed bytes, base name) -> native object. Raises ReadError.
        describe: native object -> Description.
        write: native object -> bytes, where there is a writer.
        in_child: a C library parses it, so it is decoded where a hang or crash can be killed.
    """

    name: str
    title_en: str
    title_zh: str
    recognise: Callable[[bytes], bool]
    name_pattern: re.Pattern[str]
    read: Callable[[bytes, str], Any]
    describe: Callable[[Any], Description]
    write: Callable[[Any], bytes] | None = None
    in_child: bool = False


HEAD_BYTES = 8192
"""How much of a file `Format.recognise` sees."""


def check(ds: xr.Dataset, variables: Iterable[Var], *, what: str) -> xr.Dataset:
    """Return `ds` if each of `variables` that it holds is as the schema says, and it holds all of them.

    Args:
        ds: any Dataset; more variables than the schema's are allowed.
        variables: the schema.
        what: how messages name the Dataset.

    Raises:
        SchemaError: with every fault: missing variable, dims, dtype, units, values out of range.
    """
    faults: list[str] = []
    for var in variables:
        if var.name not in ds:
            faults.append(f"{var.name}: missing")
            continue
        faults += _variable_faults(ds[var.name], var)
    if TIME in ds.coords and not np.issubdtype(ds[TIME].dtype, np.datetime64):
        faults.append(f"time: dtype {ds[TIME].dtype}, expected datetime64[ns] in UTC")
    if faults:
        raise SchemaError(what, faults)
    return ds


def _variable_faults(array: xr.DataArray, var: Var) -> list[str]:
    faults: list[str] = []
    if array.dims != var.dims:
        faults.append(f"{var.name}: dims {array.dims}, expected {var.dims}")
    if array.dtype != np.dtype(var.dtype):
        faults.append(f"{var.name}: dtype {array.dtype}, expected {np.dtype(var.dtype)}")
    if array.attrs.get("units") != var.units:
        faults.append(f"{var.name}: units {array.attrs.get('units')!r}, expected {var.units!r}")
    bounded = np.isfinite(var.valid_min) or np.isfinite(var.valid_max)
    if bounded and array.size and np.issubdtype(array.dtype, np.number):
        faults += _range_faults(var.name, array.to_numpy(), var.valid_min, var.valid_max)
    return faults


def _range_faults(name: str, values: np.ndarray, low: float, high: float) -> list[str]:
    present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if present.size == 0:
        return []
    smallest, largest = float(present.min()), float(present.max())
    if smallest < low or largest > high:
        return [f"{name}: values {smallest:g} to {largest:g}, expected {low:g} to {high:g}"]
    return []


_KINDS = {"float": "f", "int": "iu", "time": "M", "str": "OUT", "object": "O"}


def check_table(table: pd.DataFrame, columns: Iterable[Column], *, what: str) -> pd.DataFrame:
    """Return `table` if it holds each of `columns` with the right kind and range.

    Raises:
        SchemaError: with every fault.
    """
    faults: list[str] = []
    for column in columns:
        if column.name not in table:
            faults.append(f"{column.name}: missing")
            continue
        series = table[column.name]
        if len(table) and column.kind != "str" and series.dtype.kind not in _KINDS[column.kind]:
            faults.append(f"{column.name}: dtype {series.dtype}, expected {column.kind}")
        elif len(table) and column.kind in {"float", "int"}:
            faults += _range_faults(column.name, series.to_numpy(dtype="f8"), column.valid_min, column.valid_max)
    if faults:
        raise SchemaError(what, faults)
    return table
