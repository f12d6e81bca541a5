"""Drafting: from storms and probabilities to the warnings that are live after this run.

Life of a place in a warning (anti-flapping, DOMAIN.md 6.3): named when a storm reaches p_up; it stays while p_down
holds and is released after `hold_runs` runs below it, not before `min_life`. Missing probabilities neither raise nor
release. A place that was released is named anew like any other.
Life of a message: Alert; Update when places come, go, rise or fall, when a released place comes again, and while still
supported when it is about to run out or its analysis grows too old to be released; else it stands unchanged until
`expires`. No AllClear is drafted: storms that
are gone and storms that nobody saw look the same from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

import pandas as pd
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from wxcore.region import Region
from wxcore.times import require_utc
from wxcore.warning.area import Touch, find_touches, find_towns, outline
from wxcore.warning.changes import RANK, Named, find_change, is_released, named_before, references
from wxcore.warning.level import LevelRule, Rulebook, Signal, highest, keeps, rulebook
from wxcore.warning.model import Place, Warning, with_counts
from wxcore.warning.text import write_texts
from wxcore.warning.together import together

IMMEDIATE_MIN = 15.0
"""A first arrival sooner than this is urgency Immediate, else Expected ("within the next hour", CAP 1.2) [min]."""

LIKELY_P = 0.5
"""CAP certainty Likely means p above about one half (RELIABILITY.md 3)."""


@dataclass(frozen=True)
class Chance:
    """A storm's probability of one hazard at one place, and the rows it came from. p NaN where inputs were missing."""

    touch: Touch
    p: float
    model: str
    drivers: tuple[str, ...]
    drivers_zh: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What is the same for all hazards of one run."""

    region: Region
    book: Rulebook
    when: datetime
    degraded: tuple[tuple[str, str], ...]
    data_kind: str
    truth: str
    areas: Mapping[str, BaseGeometry]
    probabilities: pd.DataFrame


def draft(  # noqa: PLR0913  # what a run knows, each by its name
    storms: pd.DataFrame,
    probabilities: pd.DataFrame,
    region: Region,
    *,
    when: datetime,
    previous: Sequence[Warning] = (),
    degraded: Sequence[str | tuple[str, str]] = (),
    data_kind: str = "volume",
    truth: str = "real",
    book: Rulebook | None = None,
) -> list[Warning]:
    """The warnings live after this run: new and updated ones (`cycle == when`) and those that stand unchanged.

    Args:
        storms: schema.STORMS of the analysis time.
        probabilities: schema.PROBABILITIES of the same storms.
        region: its rules.toml holds signals and thresholds.
        when: the cycle (aware); also `sent` and `effective`, so that a second run drafts the same.
        previous: what the run before returned (older ones may be there too); those sent at or after `when` are ignored.
        degraded: what was missing, in words that the texts repeat: (English, Chinese), or one text for both.
        data_kind: "volume" or "composite"; hazards in `volume_only` are neither drafted nor released on composites.
        truth: "real", or "SYN" for simulated data: marked in id and text.
        book: other rules than the region's, for trials.

    Raises:
        RegionError: the region's rules cannot be used.
        TimeError: `when` is naive.
    """
    when = require_utc(when)
    if not region.rules:  # region.toml says rules = "none"
        return []
    book = book or rulebook(region.rules)
    live = _live(previous, when)
    touches, areas = find_touches(
        storms, region, when, horizon_min=book.horizon_min, min_overlap_km2=book.min_overlap_km2
    )
    notes = tuple(note if isinstance(note, tuple) else (note, note) for note in degraded)
    run = Run(region, book, when, notes, data_kind, truth, areas, probabilities)
    warnings: list[Warning] = []
    for signal in book.signals:
        before = [warning for warning in live if warning.hazard == signal.hazard]
        if data_kind == "composite" and signal.hazard in book.volume_only:
            warnings += before
            continue
        warnings += _draft_hazard(signal, _chances(signal, touches, probabilities), before, run)
    return together(warnings, book, when=when)


def is_new(warning: Warning, when: datetime) -> bool:
    """Was this message written by the run at `when` (Alert or Update), rather than carried over unchanged?"""
    return warning.cycle == require_utc(when)


def first_arrival(places: Sequence[Place]) -> float | None:
    """The first arrival that can be told [min after the cycle], None where none can."""
    return min((place.eta_min for place in places if place.arrival == "timed"), default=None)


def urgency(places: Sequence[Place], age_min: float = 0.0) -> str:
    """CAP urgency, `age_min` after the cycle at which the arrivals were found."""
    eta = first_arrival(places)
    return "Immediate" if eta is not None and eta - age_min < IMMEDIATE_MIN else "Expected"


def _live(previous: Sequence[Warning], when: datetime) -> list[Warning]:
    """Latest state of each message that still stands at `when`, oldest first."""
    latest = {warning.id: warning for warning in previous if warning.sent < when}
    superseded = {ref.identifier for warning in latest.values() for ref in warning.references}
    standing = [
        warning
        for warning in latest.values()
        if warning.expires > when and warning.id not in superseded and warning.msg_type != "Cancel"
    ]
    return sorted(standing, key=lambda warning: (warning.sent, warning.id))


def _chances(signal: Signal, touches: Sequence[Touch], probabilities: pd.DataFrame) -> list[Chance]:
    """The probability at each place: the storm's own, in the lead window of its stay there, times that of its coming.

    Of the windows that overlap the stay the most probable counts; a window that holds another one of them is silent,
    for the parts know the decay with lead better.
    """
    rows: dict[str, list[Mapping[Any, Any]]] = {}
    for row in probabilities.to_dict("records"):
        if row["hazard"] == signal.hazard:
            rows.setdefault(row["storm_id"], []).append(row)
    chances = []
    for touch in touches:
        fits = [
            row
            for row in rows.get(touch.storm_id, [])
            if row["lead_start_min"] <= touch.end_min and row["lead_end_min"] > touch.eta_min
        ]
        known = [row for row in fits if isfinite(row["p"]) and not any(_holds(row, other) for other in fits)]
        if not known:
            chances.append(Chance(touch, float("nan"), "", (), ()))
            continue
        best = max(known, key=lambda row: float(row["p"]))
        drivers, drivers_zh = tuple(best["drivers"]), tuple(best["drivers_zh"])
        chances.append(Chance(touch, touch.p_hit * float(best["p"]), str(best["model"]), drivers, drivers_zh))
    return chances


def _holds(row: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    """Is the other's lead window a part of this one's?"""
    (start, end), (first, last) = ((one["lead_start_min"], one["lead_end_min"]) for one in (row, other))
    return bool(start <= first and last <= end and last - first < end - start)


def _draft_hazard(signal: Signal, chances: Sequence[Chance], before: Sequence[Warning], run: Run) -> list[Warning]:
    levels: dict[str, dict[str, Place]] = {}
    counts: dict[str, int] = {}
    named = named_before(before)
    by_key: dict[str, list[Chance]] = {}
    for chance in chances:
        by_key.setdefault(chance.touch.key, []).append(chance)
    for key in dict.fromkeys([*by_key, *named]):
        level, place = _decide(signal, by_key.get(key, []), named.get(key), run)
        if level and place:
            levels.setdefault(level, {})[key] = place
        if key in named:
            counts[key] = place.below_runs if place else run.book.hold_runs
    target = {level: places for level, places in levels.items() if places}
    return _messages(signal, target, by_key, before, named, counts, run)


def _decide(
    signal: Signal, chances: Sequence[Chance], named: tuple[str, Place] | None, run: Run
) -> tuple[str, Place | None]:
    """The level of one place after this run, "" for none, and its row."""
    if named and is_released(named[1], run.book.hold_runs):
        named = None
    known = [chance for chance in chances if isfinite(chance.p)]
    up = max((highest(signal.levels, c.p, c.touch.storm) for c in known), key=RANK.__getitem__, default="")
    old, place = named or ("", None)
    if up and RANK[up] >= RANK[old]:
        since = place.since if place and up == old else run.when
        return up, _place(_behind(signal.rule(up), known, run.book), since)
    if place is None:
        return "", None
    support = _behind(signal.rule(old), known, run.book)
    if support:
        return old, _place(support, place.since)
    if chances and not known:
        return old, place
    below, young = place.below_runs + 1, run.when - place.since < run.book.min_life
    if below < run.book.hold_runs or young:
        return old, replace(place, below_runs=min(below, run.book.hold_runs - 1))
    for rule in reversed([rule for rule in signal.levels if RANK[rule.level] < RANK[old]]):
        support = _behind(rule, known, run.book)
        if support:
            return rule.level, _place(support, run.when)
    return "", None


def _behind(rule: LevelRule, chances: Sequence[Chance], book: Rulebook) -> list[Chance]:
    """The chances that hold a level: only their storms speak for it, in times and in words."""
    return [c for c in chances if isfinite(c.p) and keeps(rule, c.p, c.touch.storm, book.keep_fraction)]


def _place(support: Sequence[Chance], since: datetime) -> Place:
    lead = max(support, key=lambda chance: (chance.p, chance.touch.storm_id))
    touch = lead.touch
    timed = [c.touch.eta_min for c in support if c.touch.timed]
    eta, end = min(timed or [c.touch.eta_min for c in support]), max(c.touch.end_min for c in support)
    arrival = "timed" if timed else "possible"
    names = (touch.adcode, touch.name_zh, touch.name_en)
    return Place(*names, touch.storm_id, eta, end, lead.p, since, arrival, district=touch.district)


def _messages(
    signal: Signal,
    target: Mapping[str, Mapping[str, Place]],
    by_key: Mapping[str, Sequence[Chance]],
    before: Sequence[Warning],
    named: Named,
    counts: Mapping[str, int],
    run: Run,
) -> list[Warning]:
    """One message a level, highest first; a standing one whose places all moved to another level is superseded."""
    result: list[Warning] = []
    absorbed: set[str] = set()
    storms = {c.touch.storm_id: c.touch.storm for chances in by_key.values() for c in chances}
    levels = {key: level for level in target for key in target[level]}
    for level in sorted(target, key=RANK.__getitem__, reverse=True):
        places = tuple(target[level][key] for key in sorted(target[level]))
        same = [warning for warning in before if warning.level == level]
        moved = [
            w
            for w in before
            if w.level not in target and w.id not in absorbed and any(p.key in target[level] for p in w.districts)
        ]
        absorbed |= {warning.id for warning in (*same, *moved)}
        if len(same) == 1 and not moved and not _needs_update(same[0], places, by_key, run):
            result.append(with_counts(same[0], counts))
            continue
        message = _write(signal, signal.rule(level), places, [*same, *moved], by_key, run)
        message = replace(message, towns=_towns(signal, message, [*same, *moved], by_key, run))
        change = find_change(message, [*same, *moved], named, levels, run.book.hold_runs)
        rows = [storms[storm_id] for storm_id in _leading(message.districts)]
        result.append(write_texts(message, run.book, rows, change))
    result += [with_counts(warning, counts) for warning in before if warning.id not in absorbed]
    return result


def _leading(places: Sequence[Place]) -> tuple[str, ...]:
    """The most probable storm of each place that one supports in this run: those that the text speaks of."""
    return tuple(dict.fromkeys(place.storm_id for place in places if place.arrival != "held"))


def _needs_update(warning: Warning, places: Sequence[Place], by_key: Mapping[str, Sequence[Chance]], run: Run) -> bool:
    if {place.key for place in warning.districts} != {place.key for place in places}:
        return True
    if any(is_released(place, run.book.hold_runs) for place in warning.districts):  # and named again
        return True
    supported = any(
        place.below_runs == 0 and any(isfinite(chance.p) for chance in by_key.get(place.key, [])) for place in places
    )
    old = warning.expires - run.when <= run.book.renew_before or run.when - warning.cycle >= run.book.redraft
    return supported and old


def _write(
    signal: Signal,
    rule: LevelRule,
    places: tuple[Place, ...],
    superseded: Sequence[Warning],
    by_key: Mapping[str, Sequence[Chance]],
    run: Run,
) -> Warning:
    book, region, when = run.book, run.region, run.when
    keys = {place.key for place in places}
    chances = [c for key in sorted(keys & set(by_key)) for c in _behind(rule, by_key[key], book)]
    fresh = {chance.touch.key for chance in chances}
    places = tuple(place if place.key in fresh else replace(place, arrival="held") for place in places)
    chances.sort(key=lambda chance: (-chance.p, chance.touch.storm_id))
    storm_ids = tuple(dict.fromkeys(chance.touch.storm_id for chance in chances))
    eta = first_arrival(places)
    p = max([place.p for place in places if place.key in fresh] or [place.p for place in places])
    serial = 1 + max((warning.serial for warning in superseded), default=0)
    colour = book.colours[rule.level]
    synthetic = "syn-" if run.truth == "SYN" else ""
    validity = [when + rule.validity, *(w.expires for w in superseded if w.level == rule.level)]
    return Warning(
        id=f"wx-{synthetic}{region.id}-{when:%Y%m%dT%H%MZ}-{signal.hazard}-{rule.level}-{serial}",
        region=region.id, cycle=when, hazard=signal.hazard, level=rule.level,
        msg_type="Update" if superseded else "Alert", serial=serial, references=references(superseded, when),
        sender=region.issuer.sender, sender_name_zh=region.issuer.name_zh, sender_name_en=region.issuer.name_en,
        sent=when, effective=when, onset=when + timedelta(minutes=round(eta or 0.0)), expires=max(validity),
        event_zh=signal.name_zh, event_en=signal.name_en, event_code=signal.event_code,
        colour_en=colour.en, grade=colour.roman, severity=colour.severity,
        urgency=urgency(places),
        certainty="Likely" if p > LIKELY_P else "Possible", response=rule.response,
        districts=places, polygons=_outlines(storm_ids, places, superseded, run), p=p, storm_ids=storm_ids,
        model=chances[0].model if chances else superseded[0].model,
        drivers=chances[0].drivers if chances else superseded[0].drivers,
        drivers_zh=chances[0].drivers_zh if chances else superseded[0].drivers_zh,
        degraded=tuple(en for en, _ in run.degraded), degraded_zh=tuple(zh for _, zh in run.degraded),
        data_kind=run.data_kind, truth=run.truth,
        languages=book.languages, utc_offset_h=book.utc_offset_h,
    )  # fmt: skip


def _towns(
    signal: Signal, message: Warning, superseded: Sequence[Warning], by_key: Mapping[str, Sequence[Chance]], run: Run
) -> tuple[Place, ...]:
    """Towns that the message's storms reach in its districts; in those only held over, the towns named before."""
    held = {place.adcode for place in message.districts if place.arrival == "held"}
    behind = [
        chance.touch
        for place in message.districts
        for chance in by_key.get(place.key, [])
        if place.adcode not in held and chance.touch.storm_id in message.storm_ids
    ]
    reached: dict[str, list[Chance]] = {}
    touches = find_towns(behind, run.areas, run.region, run.when, horizon_min=run.book.horizon_min)
    for chance in _chances(signal, touches, run.probabilities) if touches else ():
        if isfinite(chance.p):
            reached.setdefault(chance.touch.key, []).append(chance)
    towns = {key: _place(chances, run.when) for key, chances in reached.items()}
    for town in (town for warning in superseded for town in warning.towns if town.district in held):
        towns.setdefault(town.key, replace(town, arrival="held"))
    return tuple(towns[key] for key in sorted(towns))


def _outlines(
    storm_ids: Sequence[str], places: Sequence[Place], superseded: Sequence[Warning], run: Run
) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Areas at risk of the storms; for places only held over, what the superseded messages drew there."""
    geometries: list[BaseGeometry] = [run.areas[storm_id] for storm_id in storm_ids]
    held = {place.adcode for place in places if place.arrival == "held"}
    old = [Polygon(ring) for warning in superseded for ring in warning.polygons]
    if not geometries:
        return outline(old)
    for district in run.region.districts_at(run.when) if held and old else ():
        if district.adcode in held:
            geometries += [polygon.intersection(district.polygon) for polygon in old]
    return outline(geometries)
