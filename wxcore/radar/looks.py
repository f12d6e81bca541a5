"""One volume made ready for the grid: what is kept of it between its arrival and the cycle.

A look holds plain arrays and numbers, so it can be pickled. Everything that depends on one radar alone is done here,
when its file arrives; `mosaic.mosaic_looks` then only has to bring the looks together.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from wxcore.errors import ReadError, Reason
from wxcore.radar.tilts import Blockage, Tilt, half_beam_deg, tilts_of
from wxcore.radar.volume import Site, Volume
from wxcore.times import require_utc

__all__ = ["MAX_RANGE_M", "Blockage", "Look", "look_of", "require_position"]

MAX_RANGE_M = 300_000.0
"""Ground distance to which a radar takes part. At 300 km the lowest beam (0.5 deg) is 8 km above the antenna and
5 km thick: farther out it sees only anvils, and would call the storm below them unobserved at best (DOMAIN.md 1.1)."""


@dataclass(frozen=True)
class Look:
    """One radar's view of the air.

    Attributes:
        site: the radar.
        start: of the volume, aware UTC.
        tilts: in order of elevation; none where the volume has no usable DBZH.
        half_beam: half of the half-power beam width [deg].
    """

    site: Site
    start: datetime
    tilts: tuple[Tilt, ...]
    half_beam: float


def look_of(volume: Volume, *, max_range_m: float = MAX_RANGE_M, blocked: Blockage | None = None) -> Look:
    """The volume's tilts of DBZH (the derived one where there is one), quality control and blockage folded in.

    Args:
        volume: any volume.
        max_range_m: ground distance beyond which nothing is kept [m].
        blocked: what terrain hides of the beams, by elevation; None: nothing.

    Raises:
        ReadError: BAD_POSITION, the site has no finite position.
        TimeError: a naive start.
    """
    require_position(volume.site)
    tilts = tilts_of(volume, max_range_m=_slant_limit(max_range_m), blocked=blocked)
    return Look(volume.site, require_utc(volume.start), tilts, half_beam_deg(volume.site))


def require_position(site: Site) -> None:
    """Refuse a site whose position is not finite.

    Raises:
        ReadError: BAD_POSITION.
    """
    if not np.isfinite([site.latitude, site.longitude, site.altitude_m]).all():
        raise ReadError(
            Reason.BAD_POSITION,
            f"radar {site.id}: position {site.latitude}, {site.longitude}, {site.altitude_m} m is not finite; "
            "give its site in the region's radars.csv",
            f"雷达 {site.id}：位置 {site.latitude}, {site.longitude}, {site.altitude_m} m 无效；"
            "请在区域的 radars.csv 中填写站址",
        )


def _slant_limit(max_range_m: float) -> float:
    """Slant range that no gate above `max_range_m` exceeds below 30 km: the rest is not decoded."""
    return float(np.hypot(max_range_m * 1.01, 30_000.0))
