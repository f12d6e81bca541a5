"""What the texts of both languages share: clocks, rounding, order of places, and when a storm is at one of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from wxcore.times import CYCLE, beijing, require_utc
from wxcore.warning.level import Rulebook
from wxcore.warning.model import ARRIVALS, LEVELS, Also, Move, Place, Warning

NAMES_SHOWN = 12
"""Places of each kind of arrival in the body; the others are counted there and listed in the area description."""

TOWNS_SHOWN = 5
"""Towns of each district in the body; the others are counted there, the record holds all [our choice]."""

DRIVERS_SHOWN = 3

HARM_ORDER = ("thunderstorm", "gale", "hail")
"""Of one level, from the least to the most harmful. No published order was found: hail before gale before lightning is
our choice; the level always comes first."""

Clock = Callable[[datetime], datetime]


@dataclass(frozen=True)
class Stay:
    """When a storm is at a place, on the display's clock: None: now (start), or not before the horizon (end)."""

    start: datetime | None
    end: datetime | None


def clock_of(book: Rulebook) -> Clock:
    """From aware times to those of the display."""
    zone = timezone(timedelta(hours=book.utc_offset_h))
    return lambda time: require_utc(time).astimezone(zone)


def bjt(time: datetime) -> str:
    """A time in what a person is told of a refusal: 2025-06-09 18:42, Beijing's clock; the zone is to be named there.

    Raises:
        TimeError: it is naive.
    """
    return f"{beijing(time):%Y-%m-%d %H:%M}"


def mark_of(warning: Warning, simulated: str, draft: str, statuses: Mapping[str, str]) -> str:
    """What must stand before every text, in the language of these words: simulated, draft, test, exercise."""
    status = draft if warning.stage == "draft" else statuses[warning.status]
    return (simulated if warning.truth == "SYN" else "") + status


def percent(p: float) -> int:
    """A probability as it is told: steps of five, and a machine is never certain."""
    return min(99, round(p * 20) * 5)


def by_arrival(warning: Warning) -> dict[str, list[Place]]:
    """The places of each kind of arrival, soonest first."""
    places = sorted(warning.districts, key=lambda place: (place.eta_min, place.key))
    return {kind: [place for place in places if place.arrival == kind] for kind in ARRIVALS}


def stay_at(warning: Warning, place: Place, book: Rulebook) -> Stay:
    """Arrival and departure at a place whose arrival is "timed", as of the time the message was sent."""
    clock = clock_of(book)
    arrival, departure = (warning.cycle + timedelta(minutes=minutes) for minutes in (place.eta_min, place.end_min))
    told = leaves(place, book) and departure > max(arrival, warning.sent)
    return Stay(clock(arrival) if arrival > warning.sent else None, clock(departure) if told else None)


def leaves(place: Place, book: Rulebook) -> bool:
    """Is the departure a time at which the storm leaves, rather than the horizon, before which it does not?"""
    return place.end_min < book.horizon_min


def possible_until(warning: Warning, book: Rulebook) -> dict[datetime, list[Place]]:
    """The places whose arrival is "possible", soonest first, by the end [display's clock] of what is said of them.

    That is the horizon of the analysis, or later where the forecaster added a place after it.
    """
    groups: dict[datetime, list[Place]] = {}
    for place in by_arrival(warning)["possible"]:
        until = warning.cycle + timedelta(minutes=max(place.end_min, book.horizon_min))
        groups.setdefault(clock_of(book)(until).replace(second=0, microsecond=0), []).append(place)
    return dict(sorted(groups.items()))


def is_past(warning: Warning, book: Rulebook) -> bool:
    """Was it sent when the analysis behind it said nothing of the time to come any more?"""
    return warning.sent >= warning.cycle + timedelta(minutes=book.horizon_min)


def is_dated(warning: Warning) -> bool:
    """Must the texts say of when the analysis is: sent more than one cycle after it, or once every storm has left?"""
    return warning.sent - warning.cycle > CYCLE or is_held(warning)


def is_held(warning: Warning) -> bool:
    """Is every place only held over: does nothing but an earlier warning or analysis stand behind it?"""
    return bool(warning.districts) and all(place.arrival == "held" for place in warning.districts)


def held_places(warning: Warning) -> tuple[list[Place], list[Place]]:
    """The places only held over, soonest first: those at which an earlier message stands, and those that none named."""
    stands, new = list[Place](), list[Place]()
    for place in by_arrival(warning)["held"]:
        is_new = warning.msg_type == "Alert" or (place.name_zh, place.name_en) in warning.change.added
        (new if is_new else stands).append(place)
    return stands, new


def is_unseen(warning: Warning) -> bool:
    """Did no storm support it in its own run: is its probability that of an earlier one?"""
    return warning.observed is not None and not warning.observed.storms


def is_added(warning: Warning) -> bool:
    """Did the forecaster name every place, and the machine none: is there no probability to tell?"""
    return bool(warning.districts) and len(added_places(warning)) == len(warning.districts)


def added_places(warning: Warning) -> list[Place]:
    """The places that the forecaster named and the machine did not, soonest first: they have no probability."""
    return [place for places in by_arrival(warning).values() for place in places if place.p == 0]


def harm(one: Warning | Also) -> tuple[int, int]:
    """How harmful: level, then hazard; larger is worse. Hazards without a place in the order come last."""
    return LEVELS.index(one.level), HARM_ORDER.index(one.hazard) if one.hazard in HARM_ORDER else -1


def others_by_place(warning: Warning) -> dict[tuple[Also, ...], list[Place]]:
    """The places at which other hazards are, by these hazards (most harmful first)."""
    groups: dict[tuple[Also, ...], list[Place]] = {}
    for place in warning.districts:
        names = (place.name_zh, place.name_en)
        others = tuple(other for other in warning.also if not other.places or names in other.places)
        if others:
            groups.setdefault(others, []).append(place)
    return groups


def ends_sooner(warning: Warning) -> datetime | None:
    """The later end that was promised before, None where none was."""
    before = warning.shortened_from
    return before if before is not None and before > warning.expires else None


def shift(warning: Warning) -> Move | None:
    """The one move that brought every place of the message to its level: the message is an upgrade or a downgrade."""
    moves = [move for move in (*warning.change.raised, *warning.change.lowered) if move.new == warning.level]
    if warning.msg_type != "Update" or len(moves) != 1:
        return None
    return moves[0] if set(moves[0].names) == {(p.name_zh, p.name_en) for p in warning.districts} else None


def is_raise(move: Move) -> bool:
    """Up, not down."""
    return LEVELS.index(move.new) > LEVELS.index(move.old)


def towns_by_district(warning: Warning) -> list[tuple[Place, list[Place]]]:
    """Each district that has towns in the record, with these, soonest first."""
    groups = []
    for district in warning.districts:
        towns = [town for town in warning.towns if district.adcode and town.district == district.adcode]
        if towns:
            groups.append((district, sorted(towns, key=lambda town: (town.eta_min, town.adcode))))
    return groups


def reasons(label: str, drivers: Sequence[str], joint: str) -> str:
    """The first drivers behind a label; nothing without any."""
    return f"{label}{joint.join(drivers[:DRIVERS_SHOWN])}" if drivers else ""
