"""Several hazards at one place: the most harmful leads, the others are named (CMA 2022, DOMAIN.md 6.2)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from wxcore.times import require_utc
from wxcore.warning.changes import RANK
from wxcore.warning.level import Rulebook
from wxcore.warning.model import Also, Warning
from wxcore.warning.text import render_texts

HARM_ORDER = ("thunderstorm", "gale", "hail")
"""Of one level, from the least to the most harmful. No published order was found: hail before gale before lightning is
our choice; the level always comes first."""


def harm(warning: Warning) -> tuple[int, int]:
    """How harmful: level, then hazard; larger is worse. Hazards without a place in the order come last."""
    return RANK[warning.level], HARM_ORDER.index(warning.hazard) if warning.hazard in HARM_ORDER else -1


def together(warnings: Sequence[Warning], book: Rulebook, *, when: datetime) -> list[Warning]:
    """The same warnings; those written at `when` know the others, new or standing, at their places.

    Raises:
        TimeError: `when` is naive.
    """
    when = require_utc(when)
    return [beside(warning, warnings, book) if warning.cycle == when else warning for warning in warnings]


def beside(warning: Warning, others: Sequence[Warning], book: Rulebook) -> Warning:
    """The warning with `also` and `leads` as the others make it, and its texts rendered anew where that differs.

    Args:
        others: warnings that are drafted or in force; those of the same hazard, cancellations, what one of them
            supersedes or cancels, and those that share no place with this one do not count.
    """
    ended = {reference.identifier for other in others for reference in other.references}
    keys = {place.key for place in warning.districts}
    near = [
        other
        for other in others
        if other.hazard != warning.hazard
        and other.msg_type != "Cancel"
        and other.id not in ended
        and keys & {p.key for p in other.districts}
    ]
    near.sort(key=lambda other: (harm(other), other.id), reverse=True)
    also = tuple(dict.fromkeys(Also(o.hazard, o.level, o.event_zh, o.event_en) for o in near))
    worse = [{place.key for place in other.districts} for other in near if harm(other) > harm(warning)]
    leads = not keys or any(not any(key in places for places in worse) for key in keys)
    if (also, leads) == (warning.also, warning.leads):
        return warning
    return render_texts(replace(warning, also=also, leads=leads), book)
