"""Names, dims, units and valid range of what crosses a door. `check` and `check_table` list every fault at once.

NaN is *no data* (nobody looked). *No echo* (somebody looked, nothing was there) is `NO_ECHO_DBZ`.
"""

from wxcore.schema.check import check, check_table
from wxcore.schema.files import HEAD_BYTES, SIMULATED_ATTRIBUTE, SIMULATED_MARK, Box, Description, Format
from wxcore.schema.radar import (
    COLUMN_QUALITY,
    ENVIRONMENT,
    ENVIRONMENT_MORE,
    KINEMATICS,
    LEVELS_QUALITIES,
    LEVELS_SOURCES,
    MOSAIC,
    MOSAIC_QUALITY,
    POLARIMETRY,
    PRODUCTS,
)
from wxcore.schema.sky import CLOUDS, IMAGE, LIGHTNING, PASS, PLATFORMS, SKY
from wxcore.schema.surface import (
    ELEMENT_NAMES,
    ELEMENTS,
    QC_BAD,
    QC_GOOD,
    QC_MISSING,
    QC_REASONS,
    QC_SUSPECT,
    REASON,
    REPORT,
    STATION,
    STATION_TABLE,
    SURFACE,
    Element,
    qc_name,
    reason_name,
)
from wxcore.schema.tables import CLOUD_CELLS, HAZARDS, PROBABILITIES, STORMS
from wxcore.schema.variables import (
    COLUMN,
    CUBE,
    HEIGHT,
    LAT,
    LON,
    NO_ECHO_DBZ,
    OBSERVED_COMPOSITE,
    OBSERVED_NONE,
    OBSERVED_VOLUME,
    TIME,
    VELOCITY_FOLDED,
    VELOCITY_OBSERVED,
    Column,
    Var,
)

OPTIONAL: tuple[Var, ...] = (*COLUMN_QUALITY, *KINEMATICS, *POLARIMETRY, *SKY, *SURFACE, *ENVIRONMENT_MORE)
"""A cube may lack these: a source that cannot know them leaves them out."""

__all__ = [
    "CLOUDS", "CLOUD_CELLS", "COLUMN", "COLUMN_QUALITY", "CUBE", "ELEMENTS", "ELEMENT_NAMES", "ENVIRONMENT",
    "ENVIRONMENT_MORE", "HAZARDS", "HEAD_BYTES", "HEIGHT", "IMAGE", "KINEMATICS", "LAT", "LEVELS_QUALITIES",
    "LEVELS_SOURCES", "LIGHTNING", "LON", "MOSAIC", "MOSAIC_QUALITY", "NO_ECHO_DBZ", "OBSERVED_COMPOSITE",
    "OBSERVED_NONE", "OBSERVED_VOLUME", "OPTIONAL", "PASS", "PLATFORMS", "POLARIMETRY", "PROBABILITIES", "PRODUCTS",
    "QC_BAD", "QC_GOOD", "QC_MISSING", "QC_REASONS", "QC_SUSPECT", "REASON", "REPORT", "SIMULATED_ATTRIBUTE",
    "SIMULATED_MARK", "SKY", "STATION", "STATION_TABLE", "STORMS", "SURFACE", "TIME", "VELOCITY_FOLDED",
    "VELOCITY_OBSERVED", "Box", "Column", "Description", "Element", "Format", "Var", "check", "check_table", "qc_name",
    "reason_name",
]  # fmt: skip
