"""What people read: headline, body and instruction, Chinese and English (elements of DOMAIN.md 6.2).

Short lines for one phone screen: now, next (where, from when to when), how sure and why, what changed, risk, standard.
Drafts and tests say so, simulated data say so first, 2-D data say what they cannot tell. Every number comes from the
record: the same record gives the same texts, whoever renders them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import atan2, degrees, hypot, isfinite
from typing import Any

from wxcore.warning import text_en, text_zh
from wxcore.warning.level import Rulebook
from wxcore.warning.model import Change, Observed, Warning

STILL_M_S = 1.0
"""A slower storm has no direction worth telling [m/s, our choice]."""


def render_texts(warning: Warning, book: Rulebook) -> Warning:
    """The warning with its six texts, from the record and the rule book's words alone.

    Raises:
        RegionError: the rule book has no such signal or level.
    """
    return replace(
        warning,
        headline_zh=text_zh.headline(warning, book),
        headline_en=text_en.headline(warning, book),
        description_zh=text_zh.body(warning, book),
        description_en=text_en.body(warning, book),
        instruction_zh=text_zh.instruction(warning, book),
        instruction_en=text_en.instruction(warning, book),
    )


def write_texts(warning: Warning, book: Rulebook, storms: Sequence[Mapping[Any, Any]], change: Change) -> Warning:
    """The warning with what is observed and what changed, and its texts.

    Args:
        storms: rows of schema.STORMS behind it (may be none).
        change: against the messages before (wxcore.warning.changes.find_change).

    Raises:
        RegionError: the rule book has no such signal or level.
    """
    return render_texts(replace(warning, observed=observe(storms), change=change), book)


def observe(storms: Sequence[Mapping[Any, Any]]) -> Observed:
    """What the storms' rows (schema.STORMS) say of now, rounded as it is told."""
    towards, speed = _motion(storms)
    return Observed(
        storms=len(storms),
        max_dbz=_most(storms, "max_dbz"),
        echo_top_km=_most(storms, "echo_top_18_km"),
        mesh_mm=_most(storms, "mesh_mm"),
        towards=towards,
        speed_km_h=speed,
    )


def area_words(warning: Warning) -> tuple[str, str]:
    """All places of the warning in one line, (Chinese, English)."""
    zh = "、".join(place.name_zh for place in warning.districts)
    return zh, ", ".join(place.name_en for place in warning.districts)


def _values(storms: Sequence[Mapping[Any, Any]], column: str) -> list[float]:
    values = [float(storm.get(column, float("nan"))) for storm in storms]
    return [value for value in values if isfinite(value)]


def _most(storms: Sequence[Mapping[Any, Any]], column: str) -> float | None:
    most = max(_values(storms, column), default=0.0)
    return float(round(most)) if most > 0 else None


def _motion(storms: Sequence[Mapping[Any, Any]]) -> tuple[int | None, int | None]:
    """Compass index (towards) and speed [km/h] of the storm with the largest echo, None where unknown or still."""
    if not storms:
        return None, None
    lead = max(storms, key=lambda s: (max(_values([s], "max_dbz"), default=0.0), str(s.get("storm_id", ""))))
    u, v = float(lead.get("u_m_s", float("nan"))), float(lead.get("v_m_s", float("nan")))
    if not (isfinite(u) and isfinite(v)) or hypot(u, v) < STILL_M_S:
        return None, None
    return round((degrees(atan2(u, v)) % 360) / 45) % 8, round(hypot(u, v) * 3.6)
