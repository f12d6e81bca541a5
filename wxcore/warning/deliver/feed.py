"""Feeds: ATOM 1.0 (RFC 4287) and RSS 2.0 of the messages that are live or ended less than two days ago.

A projection of the ledger's messages: the same messages give the same bytes, so that an ETag of their sha256 changes
only when there is something new.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from lxml import etree

from wxcore.landing.ledger import MessageRow
from wxcore.times import iso, require_utc
from wxcore.warning.lifecycle import MAX_VALIDITY
from wxcore.warning.model import Warning, from_json

ATOM = "http://www.w3.org/2005/Atom"
CAP_TYPE = "application/cap+xml"
"""Media type of CAP 1.2 (OASIS CAP 1.2; IANA registry)."""

KEEP = timedelta(hours=48)
"""How long what is over stays in the feed: Google's public alerts guide asks for 24 to 48 h (RELIABILITY.md 3)."""

FEED_BACK = KEEP + MAX_VALIDITY
"""What was sent earlier than so long ago is in no feed: no message lives longer than MAX_VALIDITY."""

NOTHING_YET = datetime(1970, 1, 1, tzinfo=UTC)
"""`updated` of a feed that has never had a message: it must not change with every look."""


@dataclass(frozen=True)
class Feeds:
    """Both feeds, and the ETag of the ATOM one."""

    atom: bytes
    rss: bytes

    @property
    def etag(self) -> str:
        """Strong validator (RFC 9110 8.8.3) of the ATOM bytes, with its quotes."""
        return f'"{hashlib.sha256(self.atom).hexdigest()}"'


def end_of(row: MessageRow) -> datetime:
    """When a message was over, or will be."""
    return min(row.ended_at, row.expires) if row.ended_at is not None else row.expires


def in_feed(messages: Sequence[MessageRow], now: datetime) -> list[MessageRow]:
    """Those that the feed names at `now`, newest first.

    Raises:
        TimeError: a naive time.
    """
    now = require_utc(now)
    kept = [row for row in messages if now < end_of(row) + KEEP]
    return sorted(kept, key=lambda row: (row.sent, row.identifier), reverse=True)


def feed_bytes(messages: Sequence[MessageRow], *, now: datetime, base_url: str, region: str = "") -> Feeds:
    """Both feeds of the messages of a region.

    Args:
        base_url: where the public folder is seen from outside, without a slash at the end.

    Raises:
        TimeError: a naive time.
    """
    kept = in_feed(messages, require_utc(now))
    rows = [(row, from_json(row.json)) for row in kept]
    updated = max((_changed(row) for row in messages), default=NOTHING_YET)
    title = f"wxcore {region}".strip()
    return Feeds(_atom(rows, title, updated, base_url), _rss(rows, title, updated, base_url))


def cap_url(base_url: str, identifier: str) -> str:
    """Where the CAP file of a message is fetched."""
    return f"{base_url}/cap/{identifier}.xml"


def _changed(row: MessageRow) -> datetime:
    return row.sent if row.ended_at is None else max(row.sent, row.ended_at)


def _atom(rows: Sequence[tuple[MessageRow, Warning]], title: str, updated: datetime, base_url: str) -> bytes:
    feed = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM})  # type: ignore[dict-item]  # lxml-stubs do not know the default name space
    _put(feed, "id", f"{base_url}/feed.atom")
    _put(feed, "title", title)
    _put(feed, "updated", iso(updated))
    _put(feed, "link", rel="self", type="application/atom+xml", href=f"{base_url}/feed.atom")
    _put(_put(feed, "author"), "name", rows[0][1].sender_name_zh if rows else "wxcore")
    for row, warning in rows:
        entry = _put(feed, "entry")
        _put(entry, "id", row.identifier)
        _put(entry, "title", _title(warning))
        _put(entry, "updated", iso(_changed(row)))
        _put(entry, "published", iso(row.sent))
        _put(_put(entry, "author"), "name", warning.sender_name_zh)
        for scheme, term in _terms(row, warning):
            _put(entry, "category", scheme=f"urn:wxcore:{scheme}", term=term)
        _put(entry, "link", rel="alternate", type=CAP_TYPE, href=cap_url(base_url, row.identifier))
        _put(entry, "summary", _summary(warning))
    return etree.tostring(feed, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _put(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    element.text = text
    return element


def _terms(row: MessageRow, warning: Warning) -> list[tuple[str, str]]:
    ended = [("ended-by", row.ended_by)] if row.ended_by else []
    return [
        ("status", row.status), ("msgType", row.msg_type), ("hazard", row.hazard), ("level", row.level),
        ("event-code", warning.event_code), ("expires", iso(row.expires)), *ended,
    ]  # fmt: skip


def _title(warning: Warning) -> str:
    return warning.headline_zh or warning.headline_en or warning.id


def _summary(warning: Warning) -> str:
    return "\n".join(text for text in (warning.description_zh, warning.headline_en) if text) or warning.id


def _rss(rows: Sequence[tuple[MessageRow, Warning]], title: str, updated: datetime, base_url: str) -> bytes:
    rss = etree.Element("rss", version="2.0")
    channel = etree.SubElement(rss, "channel")
    for name, text in (
        ("title", title), ("link", f"{base_url}/feed.rss"), ("description", f"{title}: CAP 1.2"),
        ("lastBuildDate", format_datetime(updated, usegmt=True)),
    ):  # fmt: skip
        etree.SubElement(channel, name).text = text
    for row, warning in rows:
        item = etree.SubElement(channel, "item")
        etree.SubElement(item, "title").text = _title(warning)
        etree.SubElement(item, "link").text = cap_url(base_url, row.identifier)
        etree.SubElement(item, "description").text = _summary(warning)
        for scheme, term in _terms(row, warning):
            etree.SubElement(item, "category", domain=f"urn:wxcore:{scheme}").text = term
        etree.SubElement(item, "guid", isPermaLink="false").text = row.identifier
        etree.SubElement(item, "pubDate").text = format_datetime(row.sent, usegmt=True)
    return etree.tostring(rss, xml_declaration=True, encoding="UTF-8", pretty_print=True)
