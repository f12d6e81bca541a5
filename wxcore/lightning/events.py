"""What one lightning file holds: events, groups, flashes or strokes, in UTC."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from wxcore.schema import Box, Description

TOTAL, CLOUD_TO_GROUND = "total", "cloud_to_ground"
EVENT, GROUP, FLASH, STROKE = "event", "group", "flash", "stroke"

Times = npt.NDArray[np.datetime64]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lightning:
    """The records of one file, ascending in time.

    Attributes:
        format: name of the file format; source: "FY-4A/LMI", "GOES-16/GLM", "ADTD".
        sees: TOTAL (an imager: in cloud and to ground) or CLOUD_TO_GROUND (a network).
        level: EVENT, GROUP, FLASH or STROKE: what one record is. A file with the whole tree gives its flashes.
        start, end: aware UTC, the time that the file covers: no record in it means that none was seen.
        time: (n,) datetime64[ns], UTC; lon, lat: (n,) [deg].
        strength: (n,) [kA] signed peak current of strokes, [J] or the file's unit of radiance of the others; NaN
            where unknown.
        coverage: outer edges of where the source looked; None: everywhere that matters (a national network).
        rejected: records left out, by reason (quality flag, place, time), for messages.
        simulated: does the file itself say that it is simulated?
    """

    format: str
    source: str
    sees: str
    level: str
    start: datetime
    end: datetime
    time: Times
    lon: Doubles
    lat: Doubles
    strength: Doubles
    coverage: Box | None = None
    rejected: tuple[tuple[str, int], ...] = ()
    simulated: bool = False
    remarks: tuple[str, ...] = field(default=())


def describe(native: Lightning) -> Description:
    """What the file is, for `wx doctor` and the ledger; kind "lightning"."""
    left = tuple(f"{count} left out: {why}" for why, count in native.rejected)
    records = f"{native.time.size} {native.level}{'es' if native.level == FLASH else 's'}"
    return Description(
        "lightning", native.source, native.end, 0, (records,), (*native.remarks, *left), began=native.start
    )
