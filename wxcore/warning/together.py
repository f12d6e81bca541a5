"""Several hazards at one place: the most harmful leads, the others are named (CMA 2022, DOMAIN.md 6.2)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from wxcore.times import require_utc
from wxcore.warning.level import Rulebook
from wxcore.warning.model import Also, Warning
from wxcore.warning.text import render_texts
from wxcore.warning.words import harm


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
    also = _also(warning, near)
    leads = all(harm(other) <= harm(warning) for other in near)
    if (also, leads) == (warning.also, warning.leads):
        return warning
    return render_texts(replace(warning, also=also, leads=leads), book)


def _also(warning: Warning, near: Sequence[Warning]) -> tuple[Also, ...]:
    """Each hazard and level of the others once, in their order, with the places that it shares with the warning."""
    spots: dict[Also, set[str]] = {}
    for other in near:
        what = Also(other.hazard, other.level, other.event_zh, other.event_en)
        spots.setdefault(what, set()).update(place.key for place in other.districts)
    everywhere = {place.key for place in warning.districts}
    return tuple(
        what
        if everywhere <= keys
        else replace(what, places=tuple((p.name_zh, p.name_en) for p in warning.districts if p.key in keys))
        for what, keys in spots.items()
    )
