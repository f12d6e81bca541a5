"""Records -> what the templates show. Nothing here reads a database or a clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from wxcore.desk.words import (
    BY_HAND,
    FIRST,
    PLACES_SHOWN,
    TYPES,
    Pair,
    act_words,
    age,
    colour_of,
    how_sure,
    lifted_from,
    place_names,
    place_times,
    places_short,
    post_words,
    state_words,
    when_day,
    when_exact,
    when_span,
)
from wxcore.landing.ledger import SUPERSEDED_BY, AuditRow, CalloutRow, MessageRow, OutboxRow, WarningRow
from wxcore.pipeline.issue import record_of
from wxcore.region import Region
from wxcore.times import require_utc
from wxcore.warning.contacts import Contacts, posts_for
from wxcore.warning.level import Rulebook
from wxcore.warning.lifecycle import keys_of, predecessors
from wxcore.warning.model import Also, Change, Place, Warning
from wxcore.warning.text import render_texts
from wxcore.warning.words import harm, is_added

Row = TypeVar("Row", WarningRow, MessageRow)


@dataclass(frozen=True)
class PlaceLine:
    """One district or town: name, its times, how sure."""

    key: str
    name: Pair
    times: Pair
    sure: Pair


@dataclass(frozen=True)
class Sight:
    """A warning as the pages show it; pairs are (Chinese, English).

    A Cancel says where and from when (`span`) it lifts: `sure` and `why` are empty then, and there are no `places`.
    `short` and `others` are the names of `where`: the first with how many there are, and those that are left out.
    """

    warning: Warning
    event: Pair
    colour: Pair
    kind: Pair
    where: Pair
    short: Pair
    others: Pair
    towns: Pair
    start: Pair
    end: Pair
    span: Pair
    sure: Pair
    why: Pair
    changes: Pair
    places: tuple[PlaceLine, ...]
    texts: tuple[Pair, ...]


def sight(warning: Warning, book: Rulebook, *, own: str = "") -> Sight:
    """What every page says of a warning.

    Args:
        own: code of the reader's own district, named first; "" for none: the order of the record.
    """
    districts = sorted(warning.districts, key=lambda place: not own or place.adcode != own)
    lifts = warning.msg_type == "Cancel"
    return Sight(
        warning=warning,
        event=(warning.event_zh, warning.event_en),
        colour=colour_of(warning, book),
        kind=TYPES[warning.msg_type],
        where=place_names(districts),
        short=places_short(districts),
        others=place_names(districts[PLACES_SHOWN:]),
        towns=place_names(warning.towns),
        start=when_day(warning.onset),
        end=when_day(warning.expires),
        span=lifted_from(warning.onset) if lifts else when_span(warning.onset, warning.expires),
        sure=("", "") if lifts else BY_HAND if is_added(warning) else how_sure(warning.p),
        why=("", "") if lifts else ("；".join(warning.drivers_zh), "; ".join(warning.drivers)),
        changes=change_words(warning, book),
        places=() if lifts else tuple(_line(place, warning) for place in districts),
        texts=(
            (warning.headline_zh, warning.headline_en),
            (warning.description_zh, warning.description_en),
            (warning.instruction_zh, warning.instruction_en),
        ),
    )


def _line(place: Place, warning: Warning) -> PlaceLine:
    sure = how_sure(place.p) if place.p > 0 else BY_HAND  # lifecycle.edited gives an added district probability 0
    return PlaceLine(place.key, (place.name_zh, place.name_en), place_times(place, warning.cycle), sure)


def change_words(warning: Warning, book: Rulebook) -> Pair:
    """What changed since the message before, in a line; both empty where nothing did."""
    if warning.msg_type == "Alert":
        return FIRST
    change = warning.change
    zh, en = [], []
    for words, names in ((("新增", "Added"), change.added), (("解除", "Lifted"), change.released)):
        if names:
            zh.append(words[0] + "、".join(pair[0] for pair in names))
            en.append(f"{words[1]}: " + ", ".join(pair[1] for pair in names))
    for words, moves in ((("升级", "Raised"), change.raised), (("降级", "Lowered"), change.lowered)):
        for move in moves:
            old, new = book.colours[move.old], book.colours[move.new]
            zh.append(f"{'、'.join(pair[0] for pair in move.names)}由{old.zh}{words[0]}为{new.zh}")
            en.append(f"{words[1]} from {old.en} to {new.en}: {', '.join(pair[1] for pair in move.names)}")
    if change.renewed:
        zh.append("有效期延长")
        en.append("Valid longer")
    return "；".join(zh), "; ".join(en)


MOST_LISTED = 60
"""Drafts, and messages that are over, on one page; the others on request (`?all=1`). A record of 35 districts takes
6 ms to read and show (measured), and every open page asks again at each event."""


def most_harmful_first(rows: Iterable[Row]) -> list[Row]:
    """By level, then hazard (`harm`), the worst first; what is alike in the order given."""
    return sorted(rows, key=lambda row: harm(Also(row.hazard, row.level, "", "")), reverse=True)


def as_of_now(draft: Warning, live: Sequence[Warning], book: Rulebook) -> Warning:
    """The draft, called an update only where it would supersede a message in force: drafts count the drafts before."""
    same = [message for message in live if message.hazard == draft.hazard]
    kind = "Update" if predecessors(draft, same) else "Alert"
    if draft.msg_type in {"Cancel", kind}:
        return draft
    change = Change() if kind == "Alert" else draft.change
    return render_texts(replace(draft, msg_type=kind, change=change), book)


@dataclass(frozen=True)
class DraftLine:
    """One line of the inbox. `newer`: id of a newer draft that tells of the same, "" for none."""

    row: WarningRow
    sight: Sight
    age: Pair
    state: Pair
    newer: str


def overtaken_by(rows: Iterable[WarningRow], others: Sequence[WarningRow]) -> dict[str, str]:
    """Which of these drafts (or what they were made from) a later machine draft refers to: id -> that draft's id.

    Args:
        others: drafts among which the later ones are, whatever became of them but withdrawn.
    """
    machine = [row for row in others if row.origin == "machine" and row.state != "withdrawn"]
    found: dict[str, str] = {}
    for row in rows:
        later = [one for one in machine if one.hazard == row.hazard and one.cycle_time > row.cycle_time]
        for one in sorted(later, key=lambda draft: (draft.cycle_time, draft.id)):
            if {row.id, row.parent} & {reference.identifier for reference in record_of(one).references}:
                found[row.id] = one.id
    return found


def draft_lines(
    rows: Sequence[WarningRow],
    book: Rulebook,
    *,
    now: datetime,
    overtaken: Mapping[str, str] | None = None,
    live: Sequence[Warning] | None = None,
) -> tuple[DraftLine, ...]:
    """The inbox, in the order given.

    Args:
        overtaken: what `overtaken_by` found.
        live: messages in force, of the status of the office: drafts are named after them; None: as they were drafted.

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    newest: dict[str, WarningRow] = {}
    for row in sorted(rows, key=lambda row: (row.cycle_time, row.created_at, row.id), reverse=True):
        newest.setdefault(row.hazard, row)
    records = [record_of(row) for row in rows]
    if live is not None:
        records = [as_of_now(record, live, book) for record in records]
    return tuple(
        DraftLine(
            row=row,
            sight=sight(record, book),
            age=age(row.cycle_time, now),
            state=state_words(row.state),
            newer=newest[row.hazard].id
            if newest[row.hazard].cycle_time > row.cycle_time
            else (overtaken or {}).get(row.id, ""),
        )
        for row, record in zip(rows, records, strict=True)
    )


def standing(row: MessageRow, *, now: datetime) -> str:
    """`live`, `ended` (superseded or cancelled by another message), `expired` or `over` (it was a Cancel).

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    if row.msg_type == "Cancel":
        return "over"
    if row.ended_by and row.ended_by != "expired":
        return "ended"
    return "expired" if row.ended_by or row.expires <= now else "live"


@dataclass(frozen=True)
class MessageLine:
    """One released message; `standing` is the key of `state`'s words."""

    row: MessageRow
    sight: Sight
    standing: str
    state: Pair
    sent: str


@dataclass(frozen=True)
class Listed:
    """All messages in force, and the newest of the others; `more`: how many of those are left out."""

    live: tuple[MessageLine, ...]
    past: tuple[MessageLine, ...]
    more: int


def listed(rows: Iterable[MessageRow], book: Rulebook, *, now: datetime, every: bool) -> Listed:
    """The list of messages: those in force the most harmful first, the others newest first.

    Args:
        every: leave none out.

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    ordered = sorted(rows, key=lambda row: (row.sent, row.identifier), reverse=True)
    live = [row for row in ordered if standing(row, now=now) == "live"]
    past = [row for row in ordered if standing(row, now=now) != "live"]
    shown = past if every else past[:MOST_LISTED]
    lines = [[message_line(row, book, now=now) for row in some] for some in (most_harmful_first(live), shown)]
    return Listed(tuple(lines[0]), tuple(lines[1]), len(past) - len(shown))


def message_line(row: MessageRow, book: Rulebook, *, now: datetime, own: str = "") -> MessageLine:
    """One message; `own` as `sight` takes it.

    Raises:
        TimeError: a naive time.
    """
    state = standing(row, now=now)
    return MessageLine(row, sight(record_of(row), book, own=own), state, state_words(state), when_exact(row.sent))


def superseded_by(drafts: Sequence[Warning], live: Sequence[MessageRow], status: str) -> tuple[MessageRow, ...]:
    """The live messages that a release of these drafts would supersede (the rule is `lifecycle.predecessors`)."""
    standing = {row.identifier: (row, record_of(row)) for row in live if row.status == status}
    ended: set[str] = set()
    for draft in drafts:
        same = [message for _, message in standing.values() if message.hazard == draft.hazard]
        ended |= {message.id for message in predecessors(draft, same)}
    return tuple(row for identifier, (row, _) in standing.items() if identifier in ended)


def left_out(drafts: Sequence[Warning], superseded: Sequence[MessageRow]) -> tuple[Place, ...]:
    """Places of the superseded messages that no draft names again: they must be lifted in so many words, or kept.

    None for a cancellation, which ends its whole message.
    """
    if all(draft.msg_type == "Cancel" for draft in drafts):
        return ()
    named = {key for draft in drafts for key in keys_of(draft)}
    places = {place.key: place for row in superseded for place in record_of(row).districts}
    return tuple(places[key] for key in sorted(places.keys() - named))


@dataclass(frozen=True)
class Reach:
    """How many people of one post (its place) a message would be sent to, by which channels."""

    post: Pair
    people: int
    channels: str


def reach(contacts: Contacts, warnings: Sequence[Warning], region: Region) -> tuple[Reach, ...]:
    """Whom a release would reach, post by post; empty where no delivery.toml names anybody."""
    found: dict[str, dict[str, str]] = {}
    for warning in warnings:
        for post, people in posts_for(contacts, warning):
            found.setdefault(str(post), {}).update({person.id: person.channel for person in people})
    return tuple(
        Reach(post_words(post, region), len(people), ", ".join(sorted(set(people.values()))))
        for post, people in sorted(found.items())
    )


@dataclass(frozen=True)
class CalloutLine:
    """One call-out: who, since when, until when an answer is awaited; `post` is its place."""

    row: CalloutRow
    post: Pair
    state: Pair
    called: str
    due: str
    acknowledged: str


def callout_lines(rows: Iterable[CalloutRow], region: Region) -> tuple[CalloutLine, ...]:
    """Call-outs, newest first."""
    ordered = sorted(rows, key=lambda row: (row.called_at, row.identifier, row.rank), reverse=True)
    return tuple(
        CalloutLine(
            row,
            post_words(row.post, region),
            state_words(row.state),
            when_exact(row.called_at),
            when_exact(row.due_at),
            when_exact(row.acknowledged_at) if row.acknowledged_at else "",
        )
        for row in ordered
    )


@dataclass(frozen=True)
class DeliveryLine:
    """One row of the outbox. `failing`: it was tried, is not there, and says why."""

    row: OutboxRow
    state: Pair
    next_at: str
    expires_at: str
    sent_at: str
    failing: bool


def delivery_lines(rows: Iterable[OutboxRow]) -> tuple[DeliveryLine, ...]:
    """Deliveries: those in trouble first, then newest first."""
    lines = [
        DeliveryLine(
            row=row,
            state=state_words(row.state),
            next_at=when_exact(row.next_at),
            expires_at=when_exact(row.expires_at),
            sent_at=when_exact(row.sent_at) if row.sent_at else "",
            failing=row.state != "sent"
            and (bool(row.last_error) or row.state == "expired")
            and not row.last_error.startswith(SUPERSEDED_BY),
        )
        for row in rows
    ]
    newest = sorted(lines, key=lambda line: line.row.created_at, reverse=True)
    return tuple(sorted(newest, key=lambda line: not line.failing))


@dataclass(frozen=True)
class AuditLine:
    """One entry of the audit chain, readable."""

    row: AuditRow
    time: str
    act: Pair


def audit_lines(rows: Iterable[AuditRow]) -> tuple[AuditLine, ...]:
    """Entries, newest first."""
    return tuple(
        AuditLine(row, when_exact(row.time), act_words(row.action))
        for row in sorted(rows, key=lambda row: row.seq, reverse=True)
    )
