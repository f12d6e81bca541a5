"""The English texts, line by line beside the Chinese ones."""

from collections.abc import Sequence
from datetime import timedelta

from wxcore.warning.level import OFFICIAL, LevelRule, Rulebook, Signal
from wxcore.warning.model import Also, Move, Place, Warning
from wxcore.warning.words import (
    NAMES_SHOWN,
    TOWNS_SHOWN,
    added_places,
    by_arrival,
    clock_of,
    ends_sooner,
    harm,
    held_places,
    is_added,
    is_dated,
    is_past,
    is_raise,
    is_unseen,
    mark_of,
    others_by_place,
    percent,
    possible_until,
    reasons,
    shift,
    stay_at,
    towns_by_district,
)

VERBS = {"Alert": "issues", "Update": "updates", "Cancel": "lifts"}
STATUS_MARKS = {"Test": "TEST - ", "Exercise": "EXERCISE - ", "Draft": "DRAFT - ", "Actual": ""}
DRAFT_MARK = "DRAFT, TEST - "
SYN_MARK = "SIMULATED - "
OVER = "The warning is lifted. Keep watching the weather."
_TO = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


def mark(warning: Warning) -> str:
    """What must stand before every text: simulated, draft, test, exercise; nothing before a real message."""
    return mark_of(warning, SYN_MARK, DRAFT_MARK, STATUS_MARKS)


def headline(warning: Warning, book: Rulebook) -> str:
    """Who does what: issues, updates, raises, lowers, lifts."""
    colour, move = book.colours[warning.level], shift(warning)
    act = _shifted(move, warning, book) if move else _act(warning, book)
    grade = "" if warning.msg_type == "Cancel" else f" ({colour.grade_en})"
    return f"{mark(warning)}{warning.sender_name_en} {act}{grade}"


def body(warning: Warning, book: Rulebook) -> str:
    """Now, next, how sure and why, what changed, other hazards, data, risk, the forecaster's words, standard."""
    signal = book.signal(warning.hazard)
    rule = signal.rule(warning.level)
    lines = [
        "SIMULATED data, exercise only: this is not real weather." if warning.truth == "SYN" else "",
        _head(warning, book),
        *(
            [f"Changed: lifted for {_names([(p.name_zh, p.name_en) for p in warning.districts])}."]
            if warning.msg_type == "Cancel"
            else [
                "" if is_past(warning, book) else _now(warning, book),
                _next(warning, signal, book),
                _towns(warning),
                _sure(warning, book),
                _change(warning, book),
                _sooner(warning, book),
                _also(warning, book),
                _data(warning),
                f"Risk: {signal.risk_en}",
            ]
        ),
        f"Forecaster: {warning.remark_en}" if warning.remark_en else "",
        "" if warning.msg_type == "Cancel" else f"Standard: {rule.text_en} ({_source(rule)})",
    ]
    return "\n".join(line for line in lines if line)


def instruction(warning: Warning, book: Rulebook) -> str:
    """The defence guide of the level, numbered."""
    if warning.msg_type == "Cancel":
        return OVER
    guide = book.signal(warning.hazard).rule(warning.level).guidance_en
    return "\n".join(f"{n}. {line}" for n, line in enumerate(guide, 1))


def _act(warning: Warning, book: Rulebook) -> str:
    return f"{VERBS[warning.msg_type]} {book.colours[warning.level].en} {warning.event_en.lower()} warning"


def _shifted(move: Move, warning: Warning, book: Rulebook) -> str:
    old, new = book.colours[move.old].en, book.colours[move.new].en
    return f"{'raises' if is_raise(move) else 'lowers'} {old} {warning.event_en.lower()} warning to {new}"


def _head(warning: Warning, book: Rulebook) -> str:
    sent, move = clock_of(book)(warning.sent), shift(warning)
    act = _shifted(move, warning, book) if move else _act(warning, book)
    unit = f"{warning.sender_name_en}, {sent:%Y-%m-%d %H:%M} {book.clock_en}: {act}"
    if warning.stage == "draft":
        return f"{unit} (draft, a forecaster must sign)."
    return f"{STATUS_MARKS[warning.status]}{unit}."


def _source(rule: LevelRule) -> str:
    if rule.source_grade != OFFICIAL:
        return f"{rule.source_en}; not a national standard, unverified"
    return f"{rule.source_en}; {rule.decree_en}" if rule.decree_en else rule.source_en


def _analysed(warning: Warning, book: Rulebook) -> str:
    """When the analysis was, with the day where it is not that of the message."""
    cycle, sent = clock_of(book)(warning.cycle), clock_of(book)(warning.sent)
    when = f"{cycle:%H:%M}" if cycle.date() == sent.date() else f"{cycle:%d %b %H:%M}"
    return f"{when} {book.clock_en}"


def _now(warning: Warning, book: Rulebook) -> str:
    seen, label = warning.observed, f"At {_analysed(warning, book)}" if is_dated(warning) else "Now"
    if seen is None:
        return ""
    if is_unseen(warning):
        stands = "; the earlier warning stands" if held_places(warning)[0] else ""
        return f"{label}: no new strong echo{stands}."
    parts = [f"{seen.storms} storm{'s' if seen.storms > 1 else ''}"]
    parts += [f"up to {seen.max_dbz:.0f} dBZ"] if seen.max_dbz is not None else []
    parts += [f"tops to {seen.echo_top_km:.0f} km"] if seen.echo_top_km is not None else []
    hail = warning.hazard == "hail" and seen.mesh_mm is not None
    parts += [f"radar hail size {seen.mesh_mm:.0f} mm"] if hail else []
    moves = seen.towards is not None and seen.speed_km_h is not None
    parts += [f"moving {_TO[seen.towards or 0]} at about {seen.speed_km_h} km/h"] if moves else []
    return f"{label}: {', '.join(parts)}."


def _next(warning: Warning, signal: Signal, book: Rulebook) -> str:
    clock = clock_of(book)
    sent, until = clock(warning.sent), clock(warning.expires)
    horizon = clock(warning.cycle + timedelta(minutes=book.horizon_min))
    told_of = (by_arrival(warning)["timed"], *held_places(warning))
    timed, stands, new = (_listed(places, warning, book) for places in told_of)
    told = not is_past(warning, book) and (bool(timed) or not is_dated(warning))
    window = f"{sent:%H:%M} to {horizon:%H:%M} {book.clock_en}, " if told else ""
    parts = [f"{signal.verb_en} in {timed}."] if timed else []
    parts += _possible(warning, signal, book)
    parts += [f"Held over, the earlier warning stands: {stands}."] if stands else []
    parts += [f"Possible, by an earlier analysis: {new}."] if new else []
    return f"Next: {window}{' '.join(parts)} Valid until {until:%d %b %H:%M} {book.clock_en}."


def _possible(warning: Warning, signal: Signal, book: Rulebook) -> list[str]:
    """Where a storm may come: within the horizon, or until when, where that counts from an earlier analysis."""
    groups, hours, sent = possible_until(warning, book), book.horizon_min / 60, clock_of(book)(warning.sent)
    if is_dated(warning):
        rows = [(f" until {until:%H:%M}" if until > sent else "", places) for until, places in groups.items()]
    else:
        hour = " within the hour" if hours == 1 else f" within {hours:g} h"
        rows = [(hour, by_arrival(warning)["possible"])] if groups else []
    what = f"{signal.name_en} possible"
    return [f"{what}{within} (no arrival time) in {_listed(places, warning, book)}." for within, places in rows]


def _listed(places: Sequence[Place], warning: Warning, book: Rulebook) -> str:
    words = [place.name_en + _stay(warning, place, book) for place in places[:NAMES_SHOWN]]
    return ", ".join(words) + (f" and {len(places) - len(words)} more" if len(places) > len(words) else "")


def _stay(warning: Warning, place: Place, book: Rulebook) -> str:
    if place.arrival != "timed":
        return ""
    stay = stay_at(warning, place, book)
    if stay.start is None:
        return f" (now until about {stay.end:%H:%M})" if stay.end else " (now)"
    return f" (about {stay.start:%H:%M} to {stay.end:%H:%M})" if stay.end else f" (about {stay.start:%H:%M})"


def _sure(warning: Warning, book: Rulebook) -> str:
    if is_added(warning):
        return "How sure: added by the forecaster, no objective probability."
    own = [(place.name_zh, place.name_en) for place in added_places(warning)]
    basis = f" by the analysis of {_analysed(warning, book)}" if is_dated(warning) else ""
    basis = " by an earlier analysis" if is_unseen(warning) else basis
    p = f"{'up to ' if own else ''}about {percent(warning.p)} %{basis}"
    rest = f"; {_names(own)} added by the forecaster, no objective probability" if own else ""
    return f"How sure: {p}{rest}. {reasons('Why: ', warning.drivers, '; ')}".rstrip()


def _sooner(warning: Warning, book: Rulebook) -> str:
    promised = ends_sooner(warning)
    if promised is None:
        return ""
    old, new = clock_of(book)(promised), clock_of(book)(warning.expires)
    return f"Validity shortened: until {new:%d %b %H:%M} instead of {old:%d %b %H:%M} {book.clock_en}."


def _towns(warning: Warning) -> str:
    parts = []
    for district, towns in towns_by_district(warning):
        words = ", ".join(town.name_en or town.name_zh for town in towns[:TOWNS_SHOWN])
        more = f" and {len(towns) - TOWNS_SHOWN} more" if len(towns) > TOWNS_SHOWN else ""
        parts.append(f"{district.name_en}: {words}{more}")
    more = f" and {len(parts) - NAMES_SHOWN} districts more" if len(parts) > NAMES_SHOWN else ""
    return f"Towns: {'; '.join(parts[:NAMES_SHOWN])}{more}." if parts else ""


def _names(pairs: Sequence[tuple[str, str]]) -> str:
    shown = [en for _, en in pairs[:NAMES_SHOWN]]
    return ", ".join(shown) + (", ..." if len(pairs) > len(shown) else "")


def _change(warning: Warning, book: Rulebook) -> str:
    change = warning.change
    if warning.msg_type == "Alert" and not (change.raised or change.lowered):
        return "Changed: new."
    parts = [f"added {_names(change.added)}"] if change.added else []
    for move in (*change.raised, *change.lowered):
        old, new = book.colours[move.old].en.lower(), book.colours[move.new].en.lower()
        parts.append(f"{_names(move.names)} {'raised' if is_raise(move) else 'lowered'} from {old} to {new}")
    parts += [f"lifted for {_names(change.released)}"] if change.released else []
    parts += ["valid longer"] if change.renewed else []
    if not parts and warning.stage == "issued":
        parts = ["same places, same level"]
    return f"Changed: {'; '.join(parts)}." if parts else ""


def _also(warning: Warning, book: Rulebook) -> str:
    parts = [_beside(others, places, warning, book) for others, places in others_by_place(warning).items()]
    return f"Several hazards: {'; '.join(parts)}." if parts else ""


def _beside(others: Sequence[Also], places: Sequence[Place], warning: Warning, book: Rulebook) -> str:
    """Which others there are, and who leads; the places where they are not all of the warning."""
    told, leads = [_other(other, book) for other in others], harm(others[0]) <= harm(warning)
    own = warning.event_en.lower()
    if len(places) < len(warning.districts):
        where = f"in {_names([(place.name_zh, place.name_en) for place in places])} beware of"
        rest = f", and of {', '.join(told[1:])}" if told[1:] else ""
        alone = f"{where} {told[0]} too, which leads{rest}"
        return f"{where} {', '.join(told)} too, while {own} leads" if leads else alone
    if leads:
        return f"beware of {', '.join(told)} too; {own} leads"
    rest = f"; beware of {', '.join(told[1:])} too" if told[1:] else ""
    return f"{told[0]} leads{rest}"


def _other(other: Also, book: Rulebook) -> str:
    return f"{other.event_en.lower()} ({book.colours[other.level].en.lower()})"


def _data(warning: Warning) -> str:
    told = any("2-D only" in note and "hail" in note for note in warning.degraded)
    parts = ["2-D only, hail not assessed"] if warning.data_kind == "composite" and not told else []
    return f"Data: {'; '.join([*parts, *warning.degraded])}." if parts or warning.degraded else ""
