"""Pages for one hand at 3 a.m.: what, where, when, how sure, why, what changed, what to do; acknowledge; call-outs."""

from math import ceil

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wxcore.desk.access import ROLES, permits
from wxcore.desk.answers import REFUSALS, Posted, field, refused, see_other, status_of
from wxcore.desk.render import render
from wxcore.desk.state import Desk, desk_of, user_of
from wxcore.desk.views import callout_lines, listed, message_line
from wxcore.desk.warnings import LISTED, message_of
from wxcore.desk.words import Pair
from wxcore.landing.ledger import (
    CalloutRow,
    MessageRow,
    acknowledge,
    find_message,
    list_audit,
    list_callouts,
    list_messages,
    record_act,
)
from wxcore.pipeline.issue import acknowledge_token, callout_of_token

router = APIRouter()

GUIDE_ROWS = 7
"""Rows of the guide that fit below the rest on a screen of 360 x 740 (tests/browser); two points are always shown."""

ROW_CHARS = (20, 38)
"""Characters in such a row: Chinese, English."""

ACKNOWLEDGERS = ("duty", "forecaster")
"""Roles that may say: I have seen it."""


@router.get("/m", dependencies=[permits(*ROLES)])
def phone_list(request: Request) -> Response:
    """What is in force, most recent first; below, the rest of the last day."""
    desk = desk_of(request)
    office, now = desk.office, desk.now()
    rows = list_messages(office.ledger, office.region.id, since=now - LISTED)
    found = listed(rows, office.book, now=now, every="all" in request.query_params)
    return render(request, "phone_list.html", found=found)


@router.get("/m/{identifier}", dependencies=[permits(*ROLES)])
def phone_page(request: Request, identifier: str) -> Response:
    """One message on one screen."""
    desk = desk_of(request)
    return _phone(request, "phone.html", message_of(desk, identifier))


@router.post("/m/{identifier}/ack", dependencies=[permits(*ACKNOWLEDGERS)])
def phone_acknowledge(request: Request, identifier: str, form: Posted) -> Response:
    """The user has seen it: their own call-out is answered; without one the act alone is recorded."""
    desk, user = desk_of(request), user_of(request)
    row = message_of(desk, identifier)
    ledger, now, note = desk.office.ledger, desk.now(), field(form, "note")
    own = [one for one in list_callouts(ledger, identifier=identifier) if one.person == user.name]
    try:
        for one in own:
            acknowledge(ledger, user.actor, one.key, now=now, how="desk", note=note)
        if not own and not _has_seen(request, row):
            record_act(ledger, user.actor, SEEN, identifier, now=now, reason=note)
    except REFUSALS as error:
        return _phone(request, "phone.html", row, refused(error))
    return see_other("m", identifier)


@router.get("/callouts", dependencies=[permits(*ROLES)])
def callouts_page(request: Request) -> Response:
    """The call-out log: who was called, who answered, who did not."""
    return _callouts(request)


@router.post("/callouts/{key}/ack", dependencies=[permits(*ACKNOWLEDGERS)])
def callout_acknowledge(request: Request, key: str, form: Posted) -> Response:
    """Enter an answer that came by telephone: who took it, and what was said."""
    desk = desk_of(request)
    here = desk.office.region.id
    if not any((row.key, row.region) == (key, here) for row in list_callouts(desk.office.ledger)):
        raise HTTPException(404)
    try:
        acknowledge(
            desk.office.ledger, user_of(request).actor, key, now=desk.now(), how="telephone", note=field(form, "note")
        )
    except REFUSALS as error:
        return _callouts(request, refused(error))
    return see_other("callouts")


@router.get("/a/{token}", dependencies=[permits(public=True)])
def link_page(request: Request, token: str) -> Response:
    """What the link of a call-out shows: the phone page and one button; nothing changes by looking."""
    return _link(request, token)


@router.post("/a/{token}", dependencies=[permits(public=True)])
def link_acknowledge(request: Request, token: str, form: Posted) -> Response:
    """The button: acknowledged, once and for all; again changes nothing."""
    desk = desk_of(request)
    _callout(desk, token)
    try:
        acknowledge_token(desk.office, token, now=desk.now(), note=field(form, "note"))
    except REFUSALS as error:
        return _link(request, token, refused(error))
    return see_other("a", token)


SEEN = "acknowledge"
"""The act of somebody who was not called but says that they have seen a message."""


def _callout(desk: Desk, token: str) -> CalloutRow:
    row = callout_of_token(desk.office, token)
    if row is None:
        raise HTTPException(404)
    return row


def _link(request: Request, token: str, error: Pair | None = None) -> Response:
    desk = desk_of(request)
    row = _callout(desk, token)
    message = message_of(desk, row.identifier)
    over = row.expires_at <= desk.now() and row.acknowledged_at is None
    line = callout_lines([row], desk.office.region)[0]
    return _phone(request, "ack.html", message, error, area=row.area, callout=line, over=over, token=token)


def _has_seen(request: Request, row: MessageRow) -> bool:
    """Did this user say so already? Their own call-out says it in the audit log too."""
    acts = list_audit(desk_of(request).office.ledger, subject=row.identifier)
    return any(act.action == SEEN and act.actor == user_of(request).name for act in acts)


def _successor(desk: Desk, row: MessageRow) -> MessageRow | None:
    """The last message of those that ended this one; None where none did: a chain has branches, its newest message
    may be about other places."""
    found, after = None, find_message(desk.office.ledger, row.ended_by)
    while after is not None:
        found, after = after, find_message(desk.office.ledger, after.ended_by)
    return found


def fold(guide: str, chars: int) -> tuple[str, str]:
    """The points of a guide (one a line) that fit on a small screen with so many characters a row, and the others."""
    points, shown, rows = guide.split("\n"), 0, 0
    for point in points:
        rows += ceil(len(point) / chars)
        if shown >= 2 and rows > GUIDE_ROWS:
            break
        shown += 1
    return "\n".join(points[:shown]), "\n".join(points[shown:])


def _phone(
    request: Request, template: str, row: MessageRow, error: Pair | None = None, *, area: str = "", **more: object
) -> Response:
    """The page; `area`: code of the post that the reader holds, their own call-out's where none is given."""
    desk = desk_of(request)
    office, now = desk.office, desk.now()
    newest, called = _successor(desk, row), list_callouts(office.ledger, identifier=row.identifier)
    own = area or next((one.area for one in called if one.person == user_of(request).name), "")
    line = message_line(row, office.book, now=now, own=own[:6])
    guides = [fold(text, chars) for text, chars in zip(line.sight.texts[2], ROW_CHARS, strict=True)]
    context: dict[str, object] = {
        "line": line,
        "guide": tuple(zip(*guides, strict=True)),
        "newest": None if newest is None else message_line(newest, office.book, now=now),
        "callouts": callout_lines(called, office.region),
        "seen": user_of(request).is_known and _has_seen(request, row),
        "may_answer": user_of(request).role in ACKNOWLEDGERS,
        "error": error,
    }
    return render(request, template, status_of(error), **context, **more)


def _callouts(request: Request, error: Pair | None = None) -> Response:
    desk = desk_of(request)
    office, now = desk.office, desk.now()
    recent = {row.identifier for row in list_messages(office.ledger, office.region.id, since=now - LISTED)}
    rows = [row for row in list_callouts(office.ledger, since=now - LISTED) if row.identifier in recent]
    return render(
        request,
        "callouts.html",
        status_of(error),
        open=callout_lines((row for row in rows if row.state in {"called", "escalated"}), office.region),
        done=callout_lines((row for row in rows if row.state not in {"called", "escalated"}), office.region),
        may_answer=user_of(request).role in ACKNOWLEDGERS,
        error=error,
    )
