"""Heights of the 0 C and -20 C levels for the hail products, and where they come from.

The order of sources is DOMAIN.md section 3; here are the two that need no other data: by hand, and climatology.
Climatology is never silent: it travels as `quality` "climatology" with its note.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from wxcore.errors import WxcoreError
from wxcore.region.records import MonthLevels, Region
from wxcore.times import require_utc

MAX_HM20_M = 12_000.0
"""Upper limit of a -20 C height given by hand [m ASL]: above the highest seen in the tropics (about 9.5 km)."""


MIN_HM20_M = 100.0
"""Lower limit of the same: a smaller number is a height in km."""


@dataclass(frozen=True)
class Levels:
    """The two heights and their origin.

    Attributes:
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL].
        source: "manual", "climatology", later "nwp" or "sounding".
        source_note: a sentence for the report.
        age_h: age of the data at the time of use [h]; None where it has none (by hand, climatology).
        quality: "good" if it describes the day; "climatology" if it does not.
    """

    h0_m: float
    hm20_m: float
    source: str
    source_note: str
    age_h: float | None
    quality: Literal["good", "climatology"]


def manual_levels(h0_m: float, hm20_m: float) -> Levels:
    """Heights that a person gave [m ASL].

    Raises:
        WxcoreError: not 0 <= h0 < hm20 with hm20 from MIN_HM20_M to MAX_HM20_M (km given for m, usually).
    """
    if not (math.isfinite(h0_m) and 0 <= h0_m < hm20_m and MIN_HM20_M <= hm20_m <= MAX_HM20_M):
        raise WxcoreError(
            f"0 C height {h0_m:g} m and -20 C height {hm20_m:g} m: expected 0 <= h0 < hm20 and hm20 from "
            f"{MIN_HM20_M:g} to {MAX_HM20_M:g} (metres above sea level, not km): correct --h0-m and --hm20-m",
            f"0 ℃ 层高度 {h0_m:g} m、-20 ℃ 层高度 {hm20_m:g} m：应满足 0 ≤ h0 < hm20，且 hm20 在 {MIN_HM20_M:g} 至 "
            f"{MAX_HM20_M:g} 之间（海拔高度，单位米而非千米）：请更正 --h0-m 与 --hm20-m",
        )
    return Levels(h0_m, hm20_m, "manual", "given by hand", None, "good")


def climatological_levels(region: Region, when: datetime) -> Levels:
    """The region's levels.csv, linear in time between the middles of the months (so that nothing jumps on the 1st).

    Raises:
        TimeError: `when` is naive.
    """
    when = require_utc(when)
    by_month = {row.month: row for row in region.levels}
    months = [_month(when, offset) for offset in (-1, 0, 1)]
    for (start, first), (end, second) in pairwise((_middle(year, month), by_month[month]) for year, month in months):
        if start <= when <= end:
            share = (when - start) / (end - start)
            return _between(region, first, second, share)
    raise AssertionError("a time lies between the middles of the months before and after its own")


def levels_for(region: Region, when: datetime, h0_m: float | None = None, hm20_m: float | None = None) -> Levels:
    """By hand if both heights are given, else the region's climatology.

    Raises:
        WxcoreError: only one of the two is given, or `manual_levels` refuses them.
    """
    if h0_m is not None and hm20_m is not None:
        return manual_levels(h0_m, hm20_m)
    if h0_m is not None or hm20_m is not None:
        raise WxcoreError(
            "only one of --h0-m and --hm20-m is given: give both, or none for the region's climatology",
            "--h0-m 与 --hm20-m 只给了一个：请两个都给，或都不给（用本区域气候值）",
        )
    return climatological_levels(region, when)


def _month(when: datetime, offset: int) -> tuple[int, int]:
    index = when.year * 12 + when.month - 1 + offset
    return index // 12, index % 12 + 1


def _middle(year: int, month: int) -> datetime:
    start = datetime(year, month, 1, tzinfo=UTC)
    end_year, end_month = (year + 1, 1) if month == 12 else (year, month + 1)
    return start + (datetime(end_year, end_month, 1, tzinfo=UTC) - start) / 2


def _between(region: Region, first: MonthLevels, second: MonthLevels, share: float) -> Levels:
    h0_m = first.h0_m + share * (second.h0_m - first.h0_m)
    hm20_m = first.hm20_m + share * (second.hm20_m - first.hm20_m)
    placeholder = first.placeholder or second.placeholder
    note = f"{region.id} monthly climatology" + (" (placeholder: an estimate, not statistics)" if placeholder else "")
    return Levels(round(h0_m, 1), round(hm20_m, 1), "climatology", note, None, "climatology")
