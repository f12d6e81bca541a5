"""Released messages: the list, one message with its whole history, its dialects, update and cancel, the outbox."""

from collections.abc import Callable
from datetime import datetime, timedelta

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wxcore.desk.access import ROLES, permits
from wxcore.desk.answers import REFUSALS, Posted, field, refused, see_other, status_of
from wxcore.desk.others import foreign_lines
from wxcore.desk.render import render
from wxcore.desk.state import Desk, desk_of, user_of
from wxcore.desk.views import (
    audit_lines,
    callout_lines,
    delivery_lines,
    listed,
    message_line,
    standing,
)
from wxcore.desk.words import Pair
from wxcore.errors import WarningError
from wxcore.landing.ledger import (
    MessageRow,
    count_outbox,
    find_message,
    list_audit,
    list_callouts,
    list_deliveries,
    list_imports,
    list_messages,
)
from wxcore.pipeline.issue import prepare_cancel, prepare_update, ran_out_lately, record_of
from wxcore.times import require_utc
from wxcore.warning.geojson import geojson_bytes
from wxcore.warning.national import national_xml
from wxcore.warning.sms import sms

router = APIRouter()

LISTED = timedelta(hours=24)
"""How far back the list of messages goes."""

CHAIN_LISTED = timedelta(days=3)
"""How far back from a message the others of its chain are looked for: no chain of ours lives longer."""

MOST_DELIVERIES = 300
"""Rows of the outbox on one page; those in trouble come first."""

Maker = Callable[[Desk, MessageRow], tuple[bytes, str]]


@router.get("/warnings", dependencies=[permits(*ROLES)])
def warnings_page(request: Request) -> Response:
    """What is in force, what was issued in the last day, and what was taken in from others."""
    desk = desk_of(request)
    office, now, every = desk.office, desk.now(), "all" in request.query_params
    rows = list_messages(office.ledger, office.region.id, since=now - LISTED)
    others, more = foreign_lines(list_imports(office.ledger, since=now - LISTED), now=now, every=every)
    found = listed(rows, office.book, now=now, every=every)
    return render(request, "warnings.html", found=found, others=others, more=more)


@router.get("/warnings/{identifier}", dependencies=[permits(*ROLES)])
def warning_page(request: Request, identifier: str) -> Response:
    """One message: texts, chain, deliveries, acknowledgements, who did what."""
    return _page(request, identifier)


@router.post("/warnings/{identifier}/update", dependencies=[permits("forecaster")])
def update(request: Request, identifier: str, form: Posted) -> Response:
    """Begin an update: a draft that is signed again."""
    desk = desk_of(request)
    message_of(desk, identifier)
    try:
        row = prepare_update(
            desk.office, user_of(request).actor, identifier, now=desk.now(), reason=field(form, "reason")
        )
    except REFUSALS as error:
        return _page(request, identifier, refused(error))
    return see_other("drafts", row.id)


@router.post("/warnings/{identifier}/cancel", dependencies=[permits("forecaster")])
def cancel(request: Request, identifier: str, form: Posted) -> Response:
    """Begin a cancellation: a draft that is signed again."""
    desk = desk_of(request)
    message_of(desk, identifier)
    try:
        row = prepare_cancel(
            desk.office,
            user_of(request).actor,
            identifier,
            now=desk.now(),
            reason=field(form, "reason"),
            remark_zh=field(form, "remark_zh"),
            remark_en=field(form, "remark_en"),
        )
    except REFUSALS as error:
        return _page(request, identifier, refused(error))
    return see_other("drafts", row.id)


def _cap(_desk: Desk, row: MessageRow) -> tuple[bytes, str]:
    return row.cap.encode(), "application/cap+xml"


def _national(desk: Desk, row: MessageRow) -> tuple[bytes, str]:
    return national_xml(record_of(row), issuer_adcode=desk.office.region.issuer.adcode), "application/xml"


def _geojson(_desk: Desk, row: MessageRow) -> tuple[bytes, str]:
    return geojson_bytes([record_of(row)]), "application/geo+json"


def _sms(_desk: Desk, row: MessageRow) -> tuple[bytes, str]:
    return "\n".join((*_short(row), "")).encode(), "text/plain; charset=utf-8"


def _short(row: MessageRow) -> tuple[str, ...]:
    """SMS in both languages; where one does not fit, why."""
    found = []
    for language in ("zh", "en"):
        try:
            found.append(sms(record_of(row), language))
        except WarningError as error:
            found.append(refused(error)[0 if language == "zh" else 1])
    return tuple(found)


FORMS: dict[str, Maker] = {"cap.xml": _cap, "national.xml": _national, "geojson": _geojson, "sms": _sms}
"""The forms in which a message leaves: file name -> what writes it and its media type."""


@router.get("/warnings/{identifier}/{form}", dependencies=[permits(*ROLES)])
def dialect(request: Request, identifier: str, form: str) -> Response:
    """The message as CAP (the signed bytes), national XML, GeoJSON or SMS."""
    if form not in FORMS:
        raise HTTPException(404)
    desk = desk_of(request)
    body, kind = FORMS[form](desk, message_of(desk, identifier))
    return Response(body, media_type=kind, headers={"Cache-Control": "no-store"})


@router.get("/outbox", dependencies=[permits(*ROLES)])
def outbox(request: Request) -> Response:
    """What waits, what failed and why; failures first."""
    desk = desk_of(request)
    ledger, since = desk.office.ledger, desk.now() - LISTED
    counts = count_outbox(ledger, since=since)
    failing = delivery_lines(list_deliveries(ledger, in_trouble=since, limit=MOST_DELIVERIES))
    lines = delivery_lines(list_deliveries(ledger, limit=MOST_DELIVERIES))
    return render(
        request,
        "outbox.html",
        failing=failing,
        waiting=[line for line in lines if not line.failing],
        counts={state: getattr(counts, state) for state in ("waiting", "sending", "sent", "expired")},
        failed=counts.failing + counts.expired,
    )


def message_of(desk: Desk, identifier: str) -> MessageRow:
    """The message.

    Raises:
        HTTPException: 404.
    """
    row = find_message(desk.office.ledger, identifier)
    if row is None or row.region != desk.office.region.id:
        raise HTTPException(404)
    return row


def chain_of(desk: Desk, row: MessageRow, *, now: datetime) -> list[MessageRow]:
    """Every message of the chain, oldest first.

    Raises:
        TimeError: a naive time.
    """
    office = desk.office
    found = list_messages(office.ledger, office.region.id, since=min(row.sent, require_utc(now)) - CHAIN_LISTED)
    return sorted((one for one in found if one.chain == row.chain), key=lambda one: (one.sent, one.identifier))


def _page(request: Request, identifier: str, error: Pair | None = None) -> Response:
    desk = desk_of(request)
    office, now, row = desk.office, desk.now(), message_of(desk, identifier)
    ledger, state = office.ledger, standing(row, now=now)
    return render(
        request,
        "warning.html",
        status_of(error),
        line=message_line(row, office.book, now=now),
        chain=[message_line(one, office.book, now=now) for one in chain_of(desk, row, now=now)],
        is_live=state == "live",
        renewable=state == "expired" and ran_out_lately(office, record_of(row), now=now),
        sms=_short(row),
        forms=tuple(FORMS),
        audit=audit_lines([*list_audit(ledger, subject=identifier), *list_audit(ledger, subject=row.draft_id)]),
        deliveries=delivery_lines(list_deliveries(ledger, identifier=identifier, limit=MOST_DELIVERIES)),
        callouts=callout_lines(list_callouts(ledger, identifier=identifier), office.region),
        error=error,
    )
