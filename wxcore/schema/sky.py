"""Variables of satellites and lightning on the grid. Every one is optional: a cycle without such sources lacks them."""

from wxcore.schema.variables import COLUMN, Var

PLATFORMS = (
    "not_observed", "FY-2H", "FY-4A", "FY-4B", "FY-4C", "FY-3D", "FY-3E", "FY-3F", "FY-3G", "FY-3H", "FY-2G", "FY-2F",
    "FY-2E", "FY-3A", "FY-3B", "FY-3C", "other",
)  # fmt: skip
"""Satellites by the flag value that stands for them in an archive: new ones are added at the end, for ever."""

_FLAGS = tuple(enumerate(name.replace("-", "") for name in PLATFORMS))
_BT = "toa_brightness_temperature"


def _bt(band: str, um: str) -> Var:
    return Var(f"brightness_temperature_{band}", COLUMN, "K", f"brightness temperature at {um} um", _BT,
               valid_min=100, valid_max=500)  # fmt: skip


IMAGE: tuple[Var, ...] = (
    Var("reflectance_065", COLUMN, "1", "reflectance at 0.65 um", "toa_bidirectional_reflectance",
        valid_min=0, valid_max=2),
    _bt("038", "3.8"), _bt("062", "6.2"), _bt("070", "7.0"), _bt("073", "7.4"), _bt("085", "8.5"), _bt("108", "10.8"),
    _bt("120", "12.0"), _bt("133", "13.3"),
    Var("satellite", COLUMN, "1", "satellite whose image is taken here", dtype="u1", flags=_FLAGS),
    Var("satellite_offset", COLUMN, "s", "time when that satellite saw the cell minus the time of the analysis",
        valid_min=-7200, valid_max=3600),
)  # fmt: skip
"""Images on the grid, each cell where it truly is (parallax corrected). NaN where no satellite saw it."""

CLOUDS: tuple[Var, ...] = (
    Var("cloud_top_height", COLUMN, "m", "height above sea level of the cloud top, from its temperature",
        "cloud_top_altitude", valid_min=0, valid_max=25_000),
    Var("water_vapour_difference", COLUMN, "K", "brightness temperature at 6.2 minus 10.8 um",
        valid_min=-200, valid_max=100),
    Var("split_window_difference", COLUMN, "K", "brightness temperature at 10.8 minus 12.0 um",
        valid_min=-100, valid_max=100),
    Var("ice_difference", COLUMN, "K", "brightness temperature at 8.5 minus 10.8 um", valid_min=-100, valid_max=100),
    Var("cloud_top_change_15min", COLUMN, "K", "change of brightness temperature at 10.8 um in 15 minutes, along the "
        "motion; negative cools", valid_min=-150, valid_max=150),
    Var("overshooting_top", COLUMN, "1", "overshooting cloud top (Bedka 2010)", dtype="u1",
        flags=((0, "not_observed"), (1, "none"), (2, "overshooting_top"))),
    Var("convective_initiation", COLUMN, "1", "number of the eight SATCAST interest fields met; no data where fewer "
        "than six can be judged", valid_min=0, valid_max=8),
)  # fmt: skip
"""What the images say of clouds (DOMAIN.md 2.5). NaN, or not_observed, where the channels or earlier images lack."""

PASS: tuple[Var, ...] = (
    Var(
        "pass_brightness_temperature_108",
        COLUMN,
        "K",
        "brightness temperature at 10.8 um of a polar orbiter's pass",
        _BT,
        valid_min=100,
        valid_max=500,
    ),
    Var("pass_satellite", COLUMN, "1", "polar orbiter whose pass is taken here", dtype="u1", flags=_FLAGS),
    Var("pass_offset", COLUMN, "s", "time of the pass minus the time of the analysis", valid_min=-7200, valid_max=3600),
)
"""Passes of polar orbiters, finer and rarer than the geostationary images: beside them, never mixed with them."""

LIGHTNING: tuple[Var, ...] = (
    Var("flash_density", COLUMN, "km-2 h-1", "lightning flashes of the last 10 minutes, Gaussian of 5 km",
        valid_min=0, valid_max=1500),
    Var("lightning_source", COLUMN, "1", "what looked for lightning here", dtype="u1",
        flags=((0, "not_observed"), (1, "total_lightning_imager"), (2, "cloud_to_ground_network"), (3, "both"))),
)  # fmt: skip
"""`flash_density` 0 where somebody looked and saw none, NaN where nobody looked."""

SKY: tuple[Var, ...] = (*IMAGE, *CLOUDS, *PASS, *LIGHTNING)
