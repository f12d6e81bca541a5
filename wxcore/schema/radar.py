"""Variables of the radar mosaic, its column products, velocities and dual polarisation, and the temperature levels."""

from wxcore.schema.variables import COLUMN, CUBE, TIME, Var

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

LEVELS_SOURCES = ("unknown", "manual", "climatology", "nwp", "sounding")

ENVIRONMENT: tuple[Var, ...] = (
    Var("freezing_level", (TIME,), "m", "height above sea level of 0 C that the hail products used",
        "freezing_level_altitude"),
    Var("minus20_level", (TIME,), "m", "height above sea level of -20 C that the hail products used"),
    Var("levels_source", (TIME,), "1", "where the two heights come from", dtype="u1",
        flags=tuple(enumerate(LEVELS_SOURCES))),
)  # fmt: skip
"""The temperature levels travel with the products that used them."""

LEVELS_QUALITIES = ("unknown", "good", "doubtful", "climatology")

ENVIRONMENT_MORE: tuple[Var, ...] = (
    Var("minus10_level", (TIME,), "m", "height above sea level of -10 C"),
    Var("wet_bulb_zero", (TIME,), "m", "height above sea level where the wet-bulb temperature is 0 C",
        "wet_bulb_freezing_level_altitude"),
    Var("levels_age", (TIME,), "h", "age of the run or sounding that the heights come from", valid_min=0),
    Var("levels_quality", (TIME,), "1", "do the heights describe the air of the day", dtype="u1",
        flags=tuple(enumerate(LEVELS_QUALITIES))),
)  # fmt: skip
"""The same, where it is known: cycles of before lack these, and NaN is what nobody said."""
