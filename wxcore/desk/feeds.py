"""What machines and the public read: the feeds of live messages, and each released message as it was signed."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wxcore.desk.access import permits
from wxcore.desk.state import desk_of
from wxcore.landing.ledger import MessageRow, find_message, list_messages, message_count
from wxcore.times import require_utc
from wxcore.warning.deliver.feed import CAP_TYPE, FEED_BACK, Feeds, feed_bytes

router = APIRouter()

ATOM_TYPE, RSS_TYPE = "application/atom+xml", "application/rss+xml"
ASK_AGAIN = "no-cache"
"""Caches may keep it and ask each time whether it is still good."""


@router.api_route("/feed.atom", methods=["GET", "HEAD"], dependencies=[permits(public=True)])
def atom(request: Request) -> Response:
    """ATOM 1.0."""
    feeds, changed = _feeds(request)
    return answer(request, feeds.atom, ATOM_TYPE, changed)


@router.api_route("/feed.rss", methods=["GET", "HEAD"], dependencies=[permits(public=True)])
def rss(request: Request) -> Response:
    """RSS 2.0."""
    feeds, changed = _feeds(request)
    return answer(request, feeds.rss, RSS_TYPE, changed)


@router.api_route("/cap/{identifier}.xml", methods=["GET", "HEAD"], dependencies=[permits(public=True)])
def cap(request: Request, identifier: str) -> Response:
    """A released message, byte for byte as it was signed; drafts are not messages and are not found."""
    office = desk_of(request).office
    row = find_message(office.ledger, identifier)
    if row is None or row.region != office.region.id:
        raise HTTPException(404)
    return answer(request, row.cap.encode(), CAP_TYPE, row.released_at)


def answer(request: Request, body: bytes, media_type: str, changed: datetime) -> Response:
    """The bytes with their validators, or 304 where the caller has them by ETag (RFC 9110 section 13).

    Never by If-Modified-Since, which a server may ignore (section 13.1.3): two messages of one second have one date.

    Raises:
        TimeError: a naive time.
    """
    changed = require_utc(changed).replace(microsecond=0)
    headers = {
        "ETag": f'"{hashlib.sha256(body).hexdigest()}"',
        "Last-Modified": format_datetime(changed, usegmt=True),
        "Cache-Control": ASK_AGAIN,
    }
    if _has_it(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _has_it(request: Request, etag: str) -> bool:
    tags = request.headers.get("if-none-match", "")
    return any(tag.strip().removeprefix("W/") in {etag, "*"} for tag in tags.split(","))


def _feeds(request: Request) -> tuple[Feeds, datetime]:
    """Made anew after each act, and each minute (what is over leaves them by the clock)."""
    desk = desk_of(request)
    office, now = desk.office, desk.now()
    region, url = office.region.id, office.policy.desk_url

    def made() -> tuple[Feeds, datetime]:
        rows = list_messages(office.ledger, region, since=now - FEED_BACK)
        return feed_bytes(rows, now=now, base_url=url, region=region), _changed(rows)

    # Counted before they are read: an act in between makes the next caller's key another one.
    count = message_count(office.ledger, region)
    return desk.feeds.get((region, url, count, now.replace(second=0, microsecond=0)), made)


def _changed(rows: Sequence[MessageRow]) -> datetime:
    times = [time for row in rows for time in (row.released_at, row.ended_at) if time is not None]
    return max(times, default=datetime(1970, 1, 1, tzinfo=UTC))
