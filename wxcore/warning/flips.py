"""How often warnings flip, and how often they would without hysteresis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from wxcore.times import require_utc
from wxcore.warning.changes import RANK, is_released
from wxcore.warning.level import LevelRule, Rulebook
from wxcore.warning.model import Warning

FLIP_WITHIN = timedelta(minutes=60)
"""A change taken back within this time is a flip: the hour for which storms are forecast [our choice]."""

Key = tuple[str, str]
"""Hazard and place."""


@dataclass(frozen=True)
class Flips:
    """Flips of places in a sequence of runs.

    Attributes:
        again: named, released and named again within FLIP_WITHIN; back: raised and lowered (or released) within it.
        place_hours: sum over hazards and places of the time that they were named [h].
        names: how often a place was named that was not in the run before.
    """

    again: int
    back: int
    names: int
    place_hours: float

    @property
    def rate(self) -> float:
        """Flips in a place-hour of warning, 0 without any warning [1/h]."""
        return (self.again + self.back) / self.place_hours if self.place_hours else 0.0


def flip_rate(history: Sequence[tuple[datetime, Sequence[Warning]]], *, hold_runs: int) -> Flips:
    """Flips of a sequence of runs.

    Args:
        history: time of each run, rising, and what `draft` returned then (live warnings, new and standing).
        hold_runs: that of the rule book the runs were drafted with: tells places let go in a message that still stands.

    Raises:
        TimeError: a time is naive.
    """
    times = [require_utc(when) for when, _ in history]
    ranks = [_named(warnings, hold_runs) for _, warnings in history]
    again = back = names = 0
    hours = 0.0
    for start, end, before in zip(times, times[1:], ranks, strict=False):
        hours += len(before) * (end - start) / timedelta(hours=1)
    for key in sorted({key for named in ranks for key in named}):
        course = [named.get(key, 0) for named in ranks]
        steps = [(when, old, new) for when, old, new in zip(times, [0, *course], course, strict=False) if old != new]
        names += sum(old == 0 for _, old, _ in steps)
        for (first, old, _), (second, middle, new) in pairwise(steps):
            soon = second - first <= FLIP_WITHIN
            again += soon and middle == 0
            back += soon and 0 < old < middle > new
    return Flips(again, back, names, hours)


def without_hysteresis(book: Rulebook) -> Rulebook:
    """The same rules with raw thresholds: named at p_up, released by the first run below it, no minimal life."""

    def raw(rule: LevelRule) -> LevelRule:
        return replace(rule, conditions=tuple(replace(one, p_down=one.p_up) for one in rule.conditions))

    signals = tuple(replace(signal, levels=tuple(raw(rule) for rule in signal.levels)) for signal in book.signals)
    return replace(book, signals=signals, hold_runs=1, min_life=timedelta(0), keep_fraction=1.0)


def _named(warnings: Sequence[Warning], hold_runs: int) -> Mapping[Key, int]:
    """Rank of the level of each place that is named and was not let go."""
    ranks: dict[Key, int] = {}
    for warning in warnings:
        for place in warning.districts:
            key = (warning.hazard, place.key)
            if warning.msg_type != "Cancel" and not is_released(place, hold_runs):
                ranks[key] = max(ranks.get(key, 0), RANK[warning.level])
    return ranks
