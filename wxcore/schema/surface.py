"""What ground stations observe, how it is flagged, and what is made of it on the grid and by storm."""

from dataclasses import dataclass

from wxcore.schema.variables import COLUMN, TIME, Column, Var

STATION = "station"
REPORT = (TIME, STATION)


@dataclass(frozen=True)
class Element:
    """One observed element.

    Attributes:
        name, units, long_name, standard_name: as in CF.
        lowest, highest: beyond these an observation is bad (DOMAIN.md 2.6, range check).
    """

    name: str
    units: str
    long_name: str
    standard_name: str
    lowest: float
    highest: float


ELEMENTS: tuple[Element, ...] = (
    Element("air_pressure", "hPa", "pressure at the station", "surface_air_pressure", 500, 1060),
    Element("air_pressure_at_mean_sea_level", "hPa", "pressure reduced to sea level", "air_pressure_at_mean_sea_level",
            870, 1085),
    Element("air_temperature", "degC", "air temperature in the screen", "air_temperature", -45, 46),
    Element("dew_point_temperature", "degC", "dew point in the screen", "dew_point_temperature", -60, 35),
    Element("relative_humidity", "%", "relative humidity in the screen", "relative_humidity", 1, 100),
    Element("wind_speed", "m s-1", "mean wind of 2 minutes (of 1 or 5 where a source has no other)", "wind_speed",
            0, 45),
    Element("wind_from_direction", "degree", "direction of the same", "wind_from_direction", 0, 360),
    Element("wind_speed_10min", "m s-1", "mean wind of 10 minutes", "wind_speed", 0, 45),
    Element("wind_from_direction_10min", "degree", "direction of the same", "wind_from_direction", 0, 360),
    Element("wind_speed_of_gust", "m s-1", "largest 3-second wind of the period (extreme wind, jida feng)",
            "wind_speed_of_gust", 0, 75),
    Element("wind_gust_from_direction", "degree", "direction of the same", "wind_gust_from_direction", 0, 360),
    Element("precipitation_1h", "mm", "precipitation since the last full hour, or of the hour that ends",
            "lwe_thickness_of_precipitation_amount", 0, 200),
    Element("precipitation_1min", "mm", "precipitation of the minute that ends",
            "lwe_thickness_of_precipitation_amount", 0, 10),
    Element("present_weather", "1", "present weather, WMO code table 4677", "", 0, 99),
    Element("hail_diameter", "mm", "largest diameter of hailstones", "", 0, 200),
)  # fmt: skip
"""Every element a reader may give; a source has some. Limits: DOMAIN.md 2.6, widened where it speaks of Chongqing only
(temperature from -45 C, so that winter in the north is no error; pressure of the plateau)."""

ELEMENT_NAMES = tuple(element.name for element in ELEMENTS)

QC_GOOD, QC_SUSPECT, QC_BAD, QC_MISSING = 0, 1, 2, 8
"""Flags of an element (DOMAIN.md 2.6). A bad value is used nowhere, a suspect one makes no warning by itself."""

QC_REASONS: tuple[tuple[int, str], ...] = (
    (1, "range"), (2, "internal"), (4, "step"), (8, "persistence"), (16, "buddy"), (32, "spatial"), (64, "provider"),
    (128, "isolated_gust"), (256, "step_cleared"), (512, "moved_station"),
)  # fmt: skip
"""Bits of `<element>_qc_reason`: which check said so. `step_cleared`: a jump that neighbours, pressure, wind or radar
bear out, so an outflow and no error; `isolated_gust`: nothing else speaks for it, so it is demoted, not deleted."""

REASON = {name: bit for bit, name in QC_REASONS}


def qc_name(element: str) -> str:
    """Name of an element's flags."""
    return f"{element}_qc"


def reason_name(element: str) -> str:
    """Name of the bits that say why."""
    return f"{element}_qc_reason"


STATION_TABLE: tuple[Column, ...] = (
    Column("station_id", "str", "", "CMA id: five digits, or a letter and four digits"),
    Column("time", "time", "UTC", "time of the newest report"),
    Column("lat", "float", "deg", "of the station table", -90, 90),
    Column("lon", "float", "deg", "of the station table", -180, 360),
    Column("elevation_m", "float", "m", "of the station table"),
    Column("gust_m_s", "float", "m s-1", "largest gust of the last hour that is not bad", 0, 75),
    Column("gust_time", "time", "UTC", "when it blew; NaT where the report does not tell"),
    Column("gust_from_deg", "float", "degree", "direction of the same", 0, 360),
    Column("gust_flag", "int", "1", "flag of the same (QC_GOOD ...); 8 where there is none", 0, 8),
    Column("gust_witnesses", "float", "1", "how many of sky (echo, lightning), neighbours and own air speak for it; "
           "NaN where nobody is there to ask, and for gusts below 13.9", 0, 3),
    Column("gust_supported", "float", "1", "1 with a witness, 0 without, NaN as gust_witnesses", 0, 1),
    Column("gust_30min_m_s", "float", "m s-1", "largest gust of the last 30 minutes that is not bad", 0, 75),
    Column("gust_30min_time", "time", "UTC", "when it blew: a gust without a time is not counted here"),
    Column("gust_30min_flag", "int", "1", "flag of the same; 8 where there is none", 0, 8),
    Column("gust_30min_witnesses", "float", "1", "as gust_witnesses", 0, 3),
    Column(
        "pressure_jump_10min_hpa", "float", "hPa", "largest rise in 10 minutes of the last hour, daily cycle removed"
    ),
    Column("pressure_change_1h_hpa", "float", "hPa", "change in an hour, daily cycle removed"),
    Column("temperature_drop_k", "float", "K", "largest fall of temperature in an hour; falls are positive"),
    Column("theta_e_k", "float", "K", "equivalent potential temperature now (Bolton 1980)", 200, 450),
    Column("theta_e_deficit_k", "float", "K", "median of 1 to 2 hours before, minus now"),
    Column("wind_shift_deg", "float", "degree", "turn of the mean wind in an hour, where it also grew", 0, 180),
    Column("rain_1h_mm", "float", "mm", "precipitation of the last hour", 0),
    Column("flags", "object", "", "tuple of element:reason of what is suspect or bad in the newest report"),
)  # fmt: skip
"""One row a station a cycle: what its last two hours say. NaN where it does not report: missing is never zero."""

SURFACE: tuple[Var, ...] = (
    Var("surface_temperature", COLUMN, "K", "air temperature near the ground", "air_temperature",
        valid_min=200, valid_max=340),
    Var("surface_temperature_error", COLUMN, "K", "standard error of the analysed temperature", valid_min=0),
    Var("surface_theta_e", COLUMN, "K", "equivalent potential temperature near the ground",
        "air_equivalent_potential_temperature", valid_min=200, valid_max=450),
    Var("surface_theta_e_error", COLUMN, "K", "standard error of the same", valid_min=0),
    Var("theta_e_deficit", COLUMN, "K", "equivalent potential temperature of 1 to 2 hours before, minus now",
        valid_min=-100, valid_max=100),
    Var("pressure_change_1h", COLUMN, "hPa", "change of surface pressure in an hour, daily cycle removed",
        valid_min=-50, valid_max=50),
    Var("pressure_change_1h_error", COLUMN, "hPa", "standard error of the same", valid_min=0),
    Var("cold_pool", COLUMN, "1", "cold pool of outflow", dtype="u1",
        flags=((0, "not_observed"), (1, "none"), (2, "cold_pool"))),
    Var("gust_nearby", COLUMN, "m s-1", "largest gust of the last hour of stations that reach this cell, not bad",
        "wind_speed_of_gust", valid_min=0, valid_max=75),
)  # fmt: skip
"""Surface analysis on the grid. NaN (not_observed) where no station is near enough: nothing is extrapolated."""
