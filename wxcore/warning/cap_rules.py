"""What a schema cannot see: the semantic rules of CAP 1.2 (RELIABILITY.md section 3), all faults at once."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import isfinite

from lxml import etree
from shapely.geometry import Polygon

from wxcore.errors import TimeError, WarningError
from wxcore.times import parse_time
from wxcore.warning.cap_model import Alert
from wxcore.warning.cap_read import at, qualified, read_xml, schema_faults, version_of

Box = tuple[float, float, float, float]
"""(west, south, east, north) [deg]."""

MAX_HEADLINE = 160
"""Characters of a headline (CAP 1.2, 3.2.2: "should be ... below 160 characters")."""

BOX_MARGIN_DEG = 0.001
"""Coordinates are written with four decimals: a point on the region's edge may round outwards."""

_TIMES = ("sent", "effective", "onset", "expires")
_BAD_ID = re.compile(r"[\s,<&]")


def validate(xml: bytes, region_box: Box | None = None, known: Sequence[Alert] = ()) -> None:
    """Refuse a CAP 1.2 message that must not leave the house.

    Args:
        xml: the message.
        region_box: polygons must lie inside of it; catches swapped coordinates.
        known: messages of the same sender already issued; then references must be complete and known.

    Raises:
        WarningError: with every fault, each naming line and element.
    """
    root = read_xml(xml)
    if version_of(root) != "1.2":
        raise WarningError("CAP", [f"{at(root)}: expected CAP 1.2, found {version_of(root)} 须为 CAP 1.2"])
    faults = schema_faults(root)
    if not faults:  # the rules below rely on the structure
        faults = semantic_faults(root, region_box, known)
    if faults:
        raise WarningError(f"CAP {_text(root, 'identifier')}", faults)


def semantic_faults(root: etree._Element, region_box: Box | None = None, known: Sequence[Alert] = ()) -> list[str]:
    """Faults of meaning of an alert element that fits the schema (of any version)."""
    unreadable = list(_unreadable_times(root))
    if unreadable:  # the rules below rely on the times
        return unreadable
    faults = [*name_faults(root), *_scope(root), *_references(root, known), *_infos_agree(root)]
    infos = _all(root, "info")
    if not infos:
        faults.append(f"{at(root)}: no info block 缺少 info")
    for info in infos:
        faults += [*_times(root, info), *_words(info)]
        if not _all(info, "area"):
            faults.append(f"{at(info)}: no area 缺少 area")
        for area in _all(info, "area"):
            faults += _area(area, region_box)
    return list(dict.fromkeys(faults))


def _all(parent: etree._Element, tag: str) -> list[etree._Element]:
    return parent.findall(_tag(parent, tag))


def _text(parent: etree._Element, tag: str) -> str:
    return (parent.findtext(_tag(parent, tag)) or "").strip()


def _tag(parent: etree._Element, tag: str) -> str:
    return qualified(tag, etree.QName(parent).namespace or "")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.strip())


def _unreadable_times(root: etree._Element) -> Iterator[str]:
    """What the schema takes for a time and a clock does not: 24:00:00, years of five digits, times without a zone."""
    for tag in _TIMES:
        for element in root.iter(_tag(root, tag)):
            text = (element.text or "").strip()
            try:
                if text:
                    parse_time(text)
            except TimeError as cause:
                yield f"{at(element)}: {cause.en} 时间无法读取"


def name_faults(root: etree._Element) -> Iterator[str]:
    """Faults of identifier and sender: without these a message cannot be told from others, nor referred to."""
    for tag in ("identifier", "sender"):
        element = _all(root, tag)[0]
        text = element.text or ""
        if not text:
            yield f"{at(element)}: empty 为空"
        elif _BAD_ID.search(text):
            yield f"{at(element)}: {text!r} holds a space, comma, < or & 含有空格、逗号、< 或 &"


def _scope(root: etree._Element) -> Iterator[str]:
    scope = _text(root, "scope")
    restriction, addresses = _text(root, "restriction"), _text(root, "addresses")
    element = _all(root, "scope")[0]
    if scope == "Restricted" and not restriction:
        yield f"{at(element)}: Restricted needs a restriction 缺少 restriction"
    if scope != "Restricted" and restriction:
        yield f"{at(element)}: restriction only with scope Restricted, found {scope} restriction 与 scope 不符"
    if scope == "Private" and not addresses:
        yield f"{at(element)}: Private needs addresses 缺少 addresses"


def _references(root: etree._Element, known: Sequence[Alert]) -> Iterator[str]:
    kind, sent = _text(root, "msgType"), _time(_text(root, "sent"))
    element = next(iter(_all(root, "references")), root)
    texts = _text(root, "references").split()
    if kind in {"Update", "Cancel", "Ack", "Error"} and not texts:
        yield f"{at(element)}: {kind} must refer to a message, no references found 缺少 references"
    if kind == "Alert" and texts:
        yield f"{at(element)}: Alert must not refer to other messages; use Update Alert 不得带 references"
    triples = []
    for text in texts:
        parts = text.split(",")
        if len(parts) != 3 or not all(parts):
            yield f"{at(element)}: {text!r}, expected sender,identifier,sent 引用格式错误"
            continue
        triples.append((parts[0], parts[1], parts[2]))
        if parts[1] == _text(root, "identifier"):
            yield f"{at(element)}: refers to itself 引用自身"
        yield from _reference_time(element, parts[2], sent)
    if known:
        yield from _chain(root, element, triples, known)


def _reference_time(element: etree._Element, text: str, sent: datetime) -> Iterator[str]:
    try:
        time = _time(text)
        late = time > sent
    except (ValueError, TypeError):  # no time; or one without offset, which cannot be compared
        yield f"{at(element)}: {text!r} is no time with offset 引用时间无效"
        return
    if late:
        yield f"{at(element)}: refers to a message of {text}, later than its own sent 引用了更晚的报文"


def _chain(
    root: etree._Element, element: etree._Element, triples: Sequence[tuple[str, str, str]], known: Sequence[Alert]
) -> Iterator[str]:
    """References against the messages we know: known as such, not circular, no live predecessor left out."""
    by_id = {alert.identifier: alert for alert in known}
    identifiers = [identifier for _, identifier, _ in triples]
    own, sent = _text(root, "identifier"), _time(_text(root, "sent"))
    for sender, identifier, text in triples:
        alert = by_id.get(identifier)
        if alert is None:
            yield f"{at(element)}: refers to {identifier}, which was never issued 引用了未发布的报文"
            continue
        if sender != alert.sender or not _is_at(text, alert.sent):
            yield (
                f"{at(element)}: refers to {identifier} as of {sender}, sent {text}; issued was {alert.sender}, "
                f"{alert.sent} 引用的发布者或发布时间与原报文不符"
            )
        earlier = _earlier(identifier, by_id)
        if own in earlier:
            yield f"{at(element)}: {identifier} refers back to this message 循环引用"
        for missing in earlier:
            other = by_id.get(missing)
            if missing not in {*identifiers, own} and other is not None and _stands(other, sent):
                yield f"{at(element)}: {missing} has not expired and is not listed 未列出仍有效的前序报文"


def _is_at(text: str, sent: str) -> bool:
    """Are both the same instant? What is no time is told by _reference_time, and not again."""
    try:
        return parse_time(text) == parse_time(sent)
    except TimeError:
        return True


def _earlier(identifier: str, by_id: Mapping[str, Alert]) -> list[str]:
    """Every message that this one refers to, directly or through others that we know."""
    found: list[str] = []
    todo = [identifier]
    while todo:
        alert = by_id.get(todo.pop())
        for text in alert.references.split() if alert is not None else ():
            parts = text.split(",")
            if len(parts) == 3 and parts[1] not in found:
                found.append(parts[1])
                todo.append(parts[1])
    return found


def _stands(alert: Alert, when: datetime) -> bool:
    return any(info.expires and _time(info.expires) > when for info in alert.infos)


def _infos_agree(root: etree._Element) -> Iterator[str]:
    """All info blocks describe one event: same categories and event codes."""
    infos = _all(root, "info")
    for tag, words in (("category", "category"), ("eventCode", "eventCode")):
        found = [sorted(_joined(e) for e in _all(info, tag)) for info in infos]
        for info, values in zip(infos[1:], found[1:], strict=True):
            if values != found[0]:
                yield f"{at(info)}: {words} {values}, the first info block has {found[0]} 各 info 的 {words} 不一致"


def _joined(element: etree._Element) -> str:
    """All text below an element, white space collapsed."""
    return " ".join("".join(str(text) for text in element.itertext()).split())


def _times(root: etree._Element, info: etree._Element) -> Iterator[str]:
    sent = _time(_text(root, "sent"))
    if not _text(info, "expires"):
        yield f"{at(info)}: no expires 缺少 expires"
        return
    element = _all(info, "expires")[0]
    expires = _time(_text(info, "expires"))
    if expires <= sent:
        yield f"{at(element)}: {expires.isoformat()} is not after sent {sent.isoformat()} 失效时间不晚于发布时间"
    for tag in ("effective", "onset"):
        text = _text(info, tag)
        if text and expires < _time(text):
            yield f"{at(element)}: {expires.isoformat()} is before {tag} {text} 失效时间早于 {tag}"


def _words(info: etree._Element) -> Iterator[str]:
    headline, description = _text(info, "headline"), _text(info, "description")
    if len(headline) > MAX_HEADLINE:
        element = _all(info, "headline")[0]
        yield f"{at(element)}: {len(headline)} characters, at most {MAX_HEADLINE} 标题过长"
    if headline and headline == description:
        yield f"{at(_all(info, 'description')[0])}: same as the headline 正文与标题相同"
    for tag in ("urgency", "severity", "certainty"):
        if _text(info, tag) == "Unknown":
            yield f"{at(_all(info, tag)[0])}: Unknown tells nobody anything; say what is known 不得为 Unknown"


def _area(area: etree._Element, region_box: Box | None) -> Iterator[str]:
    polygons, circles = _all(area, "polygon"), _all(area, "circle")
    if not (polygons or circles or _all(area, "geocode")):
        yield f"{at(area)}: no polygon, circle or geocode 区域没有范围"
    for element in polygons:
        yield from _polygon(element, region_box)
    for element in circles:
        yield from _circle(element, region_box)


def _polygon(element: etree._Element, region_box: Box | None) -> Iterator[str]:
    pairs = [_pair(text) for text in (element.text or "").split()]
    points = [pair for pair in pairs if pair is not None]
    if len(points) < len(pairs) or not pairs:
        yield f"{at(element)}: expected finite lat,lon pairs 坐标不是有效的纬度,经度"
        return
    yield from _in_range(element, points)
    if len(points) < 4:
        yield f"{at(element)}: {len(points)} points, at least 4 needed 顶点不足"
        return
    if points[0] != points[-1]:
        yield f"{at(element)}: not closed: first {points[0]}, last {points[-1]} 多边形未闭合"
        return
    if not Polygon([(lon, lat) for lat, lon in points]).is_valid:
        yield f"{at(element)}: crosses itself 多边形自相交"
    yield from _in_box(element, points, region_box)


def _circle(element: etree._Element, region_box: Box | None) -> Iterator[str]:
    words = (element.text or "").split()
    point = _pair(words[0]) if len(words) == 2 else None
    if point is None:
        yield f"{at(element)}: expected 'lat,lon radius', found {element.text!r} 圆的格式错误"
        return
    radius = _number(words[1])
    if radius is None or radius <= 0:
        yield f"{at(element)}: radius {words[1]} km, expected more than 0 半径须大于 0"
    yield from _in_range(element, [point])
    yield from _in_box(element, [point], region_box)


def _in_range(element: etree._Element, points: Sequence[tuple[float, float]]) -> Iterator[str]:
    if any(not (-90 <= lat <= 90 and -180 <= lon <= 180) for lat, lon in points):
        yield f"{at(element)}: latitude beyond 90 or longitude beyond 180: swapped? 经纬度超出范围，是否颠倒"


def _in_box(element: etree._Element, points: Sequence[tuple[float, float]], box: Box | None) -> Iterator[str]:
    if box is None:
        return
    west, south, east, north = box
    margin = BOX_MARGIN_DEG
    outside = [
        (lat, lon)
        for lat, lon in points
        if not (south - margin <= lat <= north + margin and west - margin <= lon <= east + margin)
    ]
    if outside:
        lat, lon = outside[0]
        yield (
            f"{at(element)}: {lat:g},{lon:g} outside the region ({south:g} to {north:g} N, {west:g} to {east:g} E): "
            f"swapped? 超出本区域范围，经纬度是否颠倒"
        )


def _pair(text: str) -> tuple[float, float] | None:
    parts = [_number(part) for part in text.split(",")]
    if len(parts) != 2 or parts[0] is None or parts[1] is None:
        return None
    return parts[0], parts[1]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
