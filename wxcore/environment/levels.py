"""Heights of the 0 C and -20 C levels for the hail products, and where they come from.

The order of sources is DOMAIN.md section 3: by hand, a model, a sounding, climatology. What is not used is never
silent: the origin, its age and quality travel with the heights, and `remarks` tell of what was passed over.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal

from wxcore.environment.candidates import Candidate, model_candidates, sounding_candidates, unplaced
from wxcore.environment.profile import Model, Profile, Remark, Soundings
from wxcore.errors import WxcoreError
from wxcore.region.records import MonthLevels, Region
from wxcore.times import require_utc

MAX_HM20_M = 12_000.0
"""Upper limit of a -20 C height given by hand [m ASL]: above the highest seen in the tropics (about 9.5 km)."""


MIN_HM20_M = 100.0
"""Lower limit of the same: a smaller number is a height in km."""


Quality = Literal["good", "doubtful", "climatology"]


@dataclass(frozen=True)
class Levels:
    """The heights and their origin.

    Attributes:
        h0_m, hm20_m: heights of 0 C and -20 C [m ASL].
        source: one of schema.LEVELS_SOURCES: "manual", "nwp", "sounding" or "climatology".
        source_note, note_zh: a sentence for the report, English and Chinese.
        age_h: age at the time of use [h]: of a model since its run, of a sounding since its nominal hour; None where
            it has none (by hand, climatology).
        quality: "good" if it describes the day; "doubtful" if it is old, off in time, says much different things
            within the region, or the ground is colder than 0 C; "climatology" if it does not describe the day at all.
        hm10_m, wet_bulb_zero_m: heights of -10 C and of wet-bulb 0 C [m ASL], NaN where the source does not tell.
        valid: the time that the source speaks of, aware UTC; None by hand and climatology.
        indices: of the profile (`thermo_door.INDICES`), empty until somebody computes them.
        remarks: sources that were passed over, inversions, why it is doubtful; (English, Chinese) sentences.
        profile: the air itself, None by hand and climatology.
    """

    h0_m: float
    hm20_m: float
    source: str
    source_note: str
    age_h: float | None
    quality: Quality
    hm10_m: float = field(default=math.nan, compare=False)
    wet_bulb_zero_m: float = field(default=math.nan, compare=False)
    valid: datetime | None = None
    indices: Mapping[str, float] = field(default_factory=dict, compare=False)
    remarks: tuple[Remark, ...] = ()
    note_zh: str = ""
    profile: Profile | None = field(default=None, compare=False, repr=False)


def plausible(h0_m: float, hm20_m: float) -> bool:
    """0 <= h0 < hm20 [m ASL], and hm20 from MIN_HM20_M to MAX_HM20_M?"""
    return math.isfinite(h0_m) and 0 <= h0_m < hm20_m and MIN_HM20_M <= hm20_m <= MAX_HM20_M


def manual_levels(h0_m: float, hm20_m: float) -> Levels:
    """Heights that a person gave [m ASL].

    Raises:
        WxcoreError: not 0 <= h0 < hm20 with hm20 from MIN_HM20_M to MAX_HM20_M (km given for m, usually).
    """
    if not plausible(h0_m, hm20_m):
        raise WxcoreError(
            f"0 C height {h0_m:g} m and -20 C height {hm20_m:g} m: expected 0 <= h0 < hm20 and hm20 from "
            f"{MIN_HM20_M:g} to {MAX_HM20_M:g} (metres above sea level, not km): correct --h0-m and --hm20-m",
            f"0 ℃ 层高度 {h0_m:g} m、-20 ℃ 层高度 {hm20_m:g} m：应满足 0 ≤ h0 < hm20，且 hm20 在 {MIN_HM20_M:g} 至 "
            f"{MAX_HM20_M:g} 之间（海拔高度，单位米而非千米）：请更正 --h0-m 与 --hm20-m",
        )
    return Levels(h0_m, hm20_m, "manual", "given by hand", None, "good", note_zh="人工给定")


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


def levels_for(
    region: Region,
    when: datetime,
    h0_m: float | None = None,
    hm20_m: float | None = None,
    *,
    natives: Sequence[Model | Soundings] = (),
) -> Levels:
    """By hand if both heights are given, else by the newest model run, the nearest sounding, the climatology.

    Args:
        when: time of use, aware UTC. Nothing that was made after it is used.
        natives: models and soundings as they were read, in any order.

    Raises:
        WxcoreError: only one of the two is given, or `manual_levels` refuses them.
        TimeError: `when` is naive.
    """
    when = require_utc(when)
    if h0_m is not None and hm20_m is not None:
        return manual_levels(h0_m, hm20_m)
    if h0_m is not None or hm20_m is not None:
        raise WxcoreError(
            "only one of --h0-m and --hm20-m is given: give both, or none for the region's climatology",
            "--h0-m 与 --hm20-m 只给了一个：请两个都给，或都不给（用本区域气候值）",
        )
    passed_over: list[Remark] = []
    models = [native for native in natives if isinstance(native, Model)]
    soundings = [native for native in natives if isinstance(native, Soundings)]
    for candidate in (*model_candidates(models, when), *sounding_candidates(soundings, region, when)):
        if plausible(candidate.h0_m, candidate.hm20_m):
            others = () if candidate.source == "nwp" or not candidate.doubtful else unplaced(soundings, region, when)
            return _of_candidate(candidate, (*passed_over, *others))
        h0, hm20 = (f"{height:.0f}" for height in (candidate.h0_m, candidate.hm20_m))
        passed_over.append((
            f"passed over: {candidate.note_en}: 0 C at {h0} m and -20 C at {hm20} m",
            f"未采用：{candidate.note_zh}：0 ℃ 层 {h0} m，-20 ℃ 层 {hm20} m",
        ))  # fmt: skip
    return replace(
        climatological_levels(region, when), remarks=(*passed_over, *unplaced(soundings, region, when))
    )  # fmt: skip


def _of_candidate(candidate: Candidate, passed_over: Sequence[Remark]) -> Levels:
    return Levels(
        h0_m=round(candidate.h0_m, 1),
        hm20_m=round(candidate.hm20_m, 1),
        source=candidate.source,
        source_note=candidate.note_en,
        age_h=round(candidate.age_h, 2),
        quality="doubtful" if candidate.doubtful else "good",
        hm10_m=round(candidate.hm10_m, 1),
        wet_bulb_zero_m=round(candidate.wet_bulb_zero_m, 1),
        valid=candidate.valid,
        remarks=(*passed_over, *candidate.remarks),
        note_zh=candidate.note_zh,
        profile=candidate.profile,
    )


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
    note_zh = f"{region.id} 逐月气候值" + ("（占位估计值，非统计结果）" if placeholder else "")
    heights = round(h0_m, 1), round(hm20_m, 1)
    return Levels(*heights, "climatology", note, None, "climatology", note_zh=note_zh)
