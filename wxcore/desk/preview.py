"""What a release would do if it came now: the texts as they would go out, what ends, whom it reaches; read only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from wxcore.desk.answers import REFUSALS, refused
from wxcore.desk.compare import Row, compare
from wxcore.desk.state import Desk
from wxcore.desk.views import MessageLine, Reach, left_out, message_line, reach, superseded_by
from wxcore.desk.words import Pair
from wxcore.landing.ledger import MessageRow, WarningRow, live_messages
from wxcore.pipeline.issue import Office, make_composed, make_messages, record_of
from wxcore.pipeline.policy import ACTUAL
from wxcore.times import require_utc
from wxcore.warning.compose import Composed
from wxcore.warning.model import Place, Warning

ACTABLE = ("draft", "review", "signed")
"""States of drafts that can still go out."""


@dataclass(frozen=True)
class Preview:
    """What would go out now. `messages`: by id of their draft; `refusals`: why some would not, (Chinese, English)."""

    messages: Mapping[str, Warning]
    refusals: tuple[Pair, ...]


@dataclass(frozen=True)
class Stands:
    """A live message that a draft would supersede, and both side by side."""

    line: MessageLine
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Effect:
    """What a release of some drafts would do.

    Attributes:
        ready: all are signed.
        red, again: the level must be typed; the password is asked again.
        first: the first message by itself, beside nothing.
        left_out: places that would lose their warning unless they are ticked.
    """

    ids: tuple[str, ...]
    ready: bool
    red: bool
    again: bool
    preview: Preview
    stands: tuple[Stands, ...]
    first: tuple[Row, ...]
    left_out: tuple[Place, ...]
    reach: tuple[Reach, ...]
    status: str


def effect(desk: Desk, rows: Sequence[WarningRow], lang: str, *, now: datetime) -> Effect:
    """What a release of these drafts would do now.

    Args:
        lang: of the values that are compared, "zh" or "en".

    Raises:
        TimeError: a naive time.
    """
    now, office = require_utc(now), desk.office
    warnings = [record_of(row) for row in rows]
    old = superseded_by(warnings, live_messages(office.ledger, office.region.id, now), office.policy.status)
    preview = preview_of(office, [row for row in rows if row.state in ACTABLE], old, now=now)
    told = preview.messages.get(rows[0].id, warnings[0])
    return Effect(
        ids=tuple(row.id for row in rows),
        ready=all(row.state == "signed" for row in rows),
        red=is_red(rows),
        again=asks_again(desk, rows),
        preview=preview,
        stands=tuple(
            Stands(message_line(one, office.book, now=now), compare(record_of(one), told, office.book, lang))
            for one in old
        ),
        first=() if old else compare(None, told, office.book, lang),
        left_out=left_out(warnings, old),
        reach=reach(office.contacts, warnings, office.region),
        status=office.policy.status,
    )


def preview_of(office: Office, rows: Sequence[WarningRow], old: Sequence[MessageRow], *, now: datetime) -> Preview:
    """The messages that a release of these drafts would consist of now, places that nobody names being lifted.

    Args:
        old: the live messages that they would supersede.

    Raises:
        TimeError: a naive time.
    """
    now, groups = require_utc(now), dict[str, list[WarningRow]]()
    for row in rows:
        groups.setdefault(row.hazard, []).append(row)
    lifted = {hazard: _lifted(hazard, group, old) for hazard, group in groups.items()}
    refusals: list[Pair] = []
    together: list[Composed] = []
    for hazard in list(groups) if len(groups) > 1 else []:
        try:
            together.append(make_composed(office, groups[hazard], now, lifted[hazard])[0])
        except REFUSALS as error:
            refusals.append(refused(error))
            del groups[hazard]
    messages: dict[str, Warning] = {}
    for hazard, group in groups.items():
        try:
            composed = make_messages(office, group, now, lifted[hazard], together)[0]
        except REFUSALS as error:
            refusals.append(refused(error))
        else:
            messages |= {composed.drafts[message.id]: message for message in composed.messages}
    return Preview(messages, tuple(refusals))


def _lifted(hazard: str, rows: Sequence[WarningRow], old: Sequence[MessageRow]) -> set[str]:
    places = left_out([record_of(row) for row in rows], [one for one in old if one.hazard == hazard])
    return {place.key for place in places}


def is_red(rows: Sequence[WarningRow]) -> bool:
    """Is one of them red?"""
    return any(row.level == "red" for row in rows)


def asks_again(desk: Desk, rows: Sequence[WarningRow]) -> bool:
    """Is the password asked again? For red, and for whatever is Actual (RELIABILITY.md C3)."""
    return is_red(rows) or desk.office.policy.status == ACTUAL
