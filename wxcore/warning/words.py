"""What the texts of both languages share: clocks, rounding, order of places, and when a storm is at one of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from wxcore.times import require_utc
from wxcore.warning.level import Rulebook
from wxcore.warning.model import ARRIVALS, LEVELS, Move, Place, Warning

NAMES_SHOWN = 12
"""Places of each kind of arrival in the body; the others are counted there and listed in the area description."""

TOWNS_SHOWN = 5
"""Towns of each district in the body; the others are counted there, the record holds all [our choice]."""

DRIVERS_SHOWN = 3

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
    leaves = place.end_min < book.horizon_min and departure > max(arrival, warning.sent)
    return Stay(clock(arrival) if arrival > warning.sent else None, clock(departure) if leaves else None)


def is_past(warning: Warning, book: Rulebook) -> bool:
    """Was it sent when the analysis behind it said nothing of the time to come any more?"""
    return warning.sent >= warning.cycle + timedelta(minutes=book.horizon_min)


def is_added(warning: Warning) -> bool:
    """Did the forecaster name every place, and the machine none: is there no probability to tell?"""
    return bool(warning.districts) and all(place.p == 0 for place in warning.districts)


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
