"""Others' CAP in: alone, in ATOM or RSS feeds, in EDXL-DE envelopes; structure strict, meaning told.

A message that breaks the structure of its version refuses the whole file. Faults of meaning are listed: `fatal` ones
make the message unusable (no name, no readable times, from the future, stale, seen before, not signed by whom we
trust); with the others (`told`) it can still be shown and verified against, by what of it is sound.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lxml import etree
from shapely.geometry import Polygon
from shapely.geometry.polygon import orient

from wxcore.errors import TimeError, WarningError
from wxcore.landing.ledger.imports import TRUSTED, UNJUDGED, UNSIGNED
from wxcore.times import iso, parse_time, require_utc
from wxcore.warning.cap_model import NAMESPACES, Alert, Info
from wxcore.warning.cap_read import at, parse_alert, read_xml
from wxcore.warning.cap_rules import name_faults, semantic_faults
from wxcore.warning.lossless import ring_field
from wxcore.warning.model import Ring
from wxcore.warning.signature import MAX_AGE, Seen, check_fresh, check_new, verify_signed

ATOM = "{http://www.w3.org/2005/Atom}"
EDXL = "{urn:oasis:names:tc:emergency:EDXL:DE:1.0}"
ATOM_FEED = frozenset(
    {"author", "category", "contributor", "generator", "icon", "id", "link", "logo", "rights", "subtitle", "title",
     "updated", "entry"}
)  # fmt: skip
ATOM_ENTRY = frozenset(
    {"author", "category", "content", "contributor", "id", "link", "published", "rights", "source", "summary", "title",
     "updated"}
)  # fmt: skip
"""Elements that RFC 4287 knows in a feed and in an entry; both need id, title and updated."""

ATOM_NEEDS = ("id", "title", "updated")
RSS_NEEDS = ("title", "link", "description")
"""Elements that a channel of RSS 2.0 must have."""

SIGNATURES = {
    TRUSTED: ("已验证", "verified"), UNSIGNED: ("未签名", "unsigned"), UNJUDGED: ("未核验", "not verified"),
}  # fmt: skip
"""How a signature was judged, in words: (Chinese, English)."""


@dataclass(frozen=True)
class Foreign:
    """Somebody else's message, as far as it can be used.

    Attributes:
        sent, expires: UTC; `expires` is the latest of the info blocks, None where none is given.
        polygons: sound rings of all areas, closed, (lon, lat), counter-clockwise; each once.
        signature: TRUSTED, UNSIGNED or UNJUDGED.
        told, fatal: faults of meaning with line and element; usable only where `fatal` is empty.
        xml: the message alone as it came, its signature with it: the evidence to keep.
        content: sha256 of its canonical form: the same alone and inside of a feed.
    """

    alert: Alert
    sender: str
    identifier: str
    sent: datetime | None
    expires: datetime | None
    polygons: tuple[Ring, ...]
    signature: str
    told: tuple[str, ...]
    fatal: tuple[str, ...]
    xml: bytes
    content: str

    @property
    def usable(self) -> bool:
        """May it be shown and verified against?"""
        return not self.fatal


def read_alerts(xml: bytes) -> list[Alert]:
    """Every message of a file: a CAP alert, an ATOM or RSS feed, an EDXL-DE envelope. Links are not followed.

    Raises:
        WarningError: another kind of file, a broken envelope, or a message that its schema refuses, with the line.
    """
    return [parse_alert(element) for element in _alert_elements(read_xml(xml))]


def import_alerts(
    xml: bytes,
    *,
    now: datetime,
    pinned: Sequence[bytes] = (),
    seen: Seen | None = None,
    max_age: timedelta | None = MAX_AGE,
) -> list[Foreign]:
    """The messages of a file, judged: what is wrong with each, and what of it can be used.

    Args:
        now: the clock.
        pinned: certificates of the senders that we trust; then every message must be signed by one of them, and only
            what was signed is used. () : signatures are not judged.
        seen: messages taken before, see `signature.Seen`.
        max_age: after `sent`; None for archives.

    Raises:
        WarningError: as `read_alerts`.
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    return [_judged(element, now, pinned, seen, max_age) for element in _alert_elements(read_xml(xml))]


def _alert_elements(root: etree._Element) -> list[etree._Element]:
    tag = str(root.tag)
    if _is_alert(root):
        found = [root]
    elif tag == f"{ATOM}feed":
        found = list(_in_atom(root))
    elif tag == "rss":
        found = list(_in_rss(root))
    elif tag == f"{EDXL}EDXLDistribution":
        path = "/".join(f"{EDXL}{name}" for name in ("contentObject", "xmlContent", "embeddedXMLContent"))
        found = [child for content in root.findall(path) for child in content.iterchildren(etree.Element)]
        _refuse(f"{at(child)}: expected a CAP alert 应为 CAP 报文" for child in found if not _is_alert(child))
    else:
        raise WarningError("CAP", [f"{at(root)}: expected a CAP alert, ATOM, RSS or EDXL-DE, found {tag} 文件类型不符"])
    entered = set(found)
    stray = [element for element in root.iter(etree.Element) if _is_alert(element) and element not in entered]
    _refuse(
        f"{at(element)}: an alert outside of any entry, or inside of another alert: nobody would see it "
        "报文不在条目之内，或藏于另一报文之内"
        for element in stray
    )
    return found


def _is_alert(element: etree._Element) -> bool:
    name = etree.QName(element)
    return name.localname == "alert" and name.namespace in NAMESPACES.values()


def _refuse(faults: Iterator[str] | Sequence[str]) -> None:
    listed = list(faults)
    if listed:
        raise WarningError("feed", listed)


def _in_atom(feed: etree._Element) -> Iterator[etree._Element]:
    entries = feed.findall(f"{ATOM}entry")
    _refuse([*_atom_faults(feed, ATOM_FEED), *(f for entry in entries for f in _atom_faults(entry, ATOM_ENTRY))])
    for entry in entries:
        for content in entry.iterchildren(f"{ATOM}content"):
            yield from (child for child in content.iterchildren(etree.Element) if _is_alert(child))


def _atom_faults(element: etree._Element, known: frozenset[str]) -> Iterator[str]:
    for name in ATOM_NEEDS:
        found = element.findall(f"{ATOM}{name}")
        if len(found) != 1:
            yield f"{at(element)}: {len(found)} <{name}>, expected one (RFC 4287) 应恰有一个 {name}"
    for child in element.iterchildren(f"{ATOM}*"):
        if etree.QName(child).localname not in known:
            yield f"{at(child)}: unknown in ATOM (RFC 4287) 未知的 ATOM 元素"
    if known is ATOM_ENTRY and element.find(f"{ATOM}link") is None and element.find(f"{ATOM}content") is None:
        yield f"{at(element)}: neither content nor link (RFC 4287) 条目既无内容也无链接"


def _in_rss(rss: etree._Element) -> Iterator[etree._Element]:
    channels = rss.findall("channel")
    if len(channels) != 1:
        raise WarningError("feed", [f"{at(rss)}: {len(channels)} channels, expected one (RSS 2.0) 应恰有一个 channel"])
    channel = channels[0]
    faults = [f"{at(channel)}: no <{name}> (RSS 2.0) 缺少元素" for name in RSS_NEEDS if channel.find(name) is None]
    faults += [
        f"{at(item)}: neither title nor description (RSS 2.0) 条目既无标题也无说明"
        for item in channel.iterchildren("item")
        if item.find("title") is None and item.find("description") is None
    ]
    _refuse(faults)
    for item in channel.iterchildren("item"):
        alerts = (element for element in item.iter(etree.Element) if _is_alert(element))
        yield from (element for element in alerts if not any(_is_alert(around) for around in element.iterancestors()))


def _judged(
    element: etree._Element, now: datetime, pinned: Sequence[bytes], seen: Seen | None, max_age: timedelta | None
) -> Foreign:
    alert, root, fatal = parse_alert(element), element, list(name_faults(element))
    xml = etree.tostring(element, with_tail=False, xml_declaration=True, encoding="UTF-8")
    canonical = etree.tostring(element, with_tail=False, method="c14n", exclusive=True)
    signature = UNJUDGED if alert.signatures else UNSIGNED
    if pinned:
        try:
            root = read_xml(verify_signed(xml, pinned, now=now, max_age=None))
            alert, signature = parse_alert(root), TRUSTED
        except WarningError as cause:
            fatal += cause.faults
    told = semantic_faults(root)
    try:
        sent = parse_time(alert.sent.strip())
        check_fresh(alert.identifier, alert.sent.strip(), now=now, max_age=max_age)
        if not fatal:
            check_new((alert.sender, alert.identifier, iso(sent)), seen)
    except WarningError as cause:
        fatal += cause.faults
    except TimeError as cause:
        fatal.append(f"<sent>: {cause.en}")
    return Foreign(
        alert=alert,
        sender=alert.sender,
        identifier=alert.identifier,
        sent=_time(alert.sent),
        expires=max((time for info in alert.infos if (time := _time(info.expires))), default=None),
        polygons=tuple(dict.fromkeys(ring for info in alert.infos for ring in _rings(info))),
        signature=signature,
        told=tuple(fault for fault in told if fault not in fatal),
        fatal=tuple(fatal),
        xml=xml,
        content=hashlib.sha256(canonical).hexdigest(),
    )


def _time(text: str) -> datetime | None:
    try:
        return parse_time(text.strip())
    except TimeError:
        return None


def _rings(info: Info) -> Iterator[Ring]:
    """Sound polygons alone: what is open, crosses itself or leaves the globe is told, not used."""
    for area in info.areas:
        for text in area.polygons:
            try:
                ring = [(lon, lat) for lon, lat in ring_field(text)]
            except ValueError:
                continue
            on_globe = all(-180 <= lon <= 180 and -90 <= lat <= 90 for lon, lat in ring)
            if len(ring) < 4 or ring[0] != ring[-1] or not on_globe or not Polygon(ring).is_valid:
                continue
            yield tuple((float(lon), float(lat)) for lon, lat in orient(Polygon(ring)).exterior.coords)
