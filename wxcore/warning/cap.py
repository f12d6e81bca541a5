"""CAP 1.2: from a Warning to a message, and from a message to bytes (China profile codes of RELIABILITY.md section 3).

Our identifiers are our own: the national series (`ZZZZZZ41600000_YYYYMMDDhhmmss`) belongs to the issuing platform.
What CAP has no element for travels in the parameter `wx.record`, so that `cap_record.warning_from_cap` loses nothing.
"""

from collections.abc import Iterator, Set
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from lxml import etree

from wxcore.errors import WarningError
from wxcore.nowcast.advect import HORIZON_MIN
from wxcore.times import require_utc
from wxcore.warning.cap_fields import RECORD, ROMAN, fields_of
from wxcore.warning.cap_model import (
    NAMED,
    NAMESPACES,
    REQUIRED,
    SHAPES,
    TEXT,
    TEXTS,
    Alert,
    Area,
    Info,
    NamedValue,
    Shapes,
)
from wxcore.warning.cap_read import qualified
from wxcore.warning.lossless import rest_of, ring_text
from wxcore.warning.model import Place, Warning
from wxcore.warning.text import area_words
from wxcore.warning.words import added_places

PROFILE_CODE = "wxcore-1"
"""CAP `code` of our messages: which parameters to expect."""

TOWN_DIGITS = 12
"""Digits of a statistical code (GB/T 10114 below GB/T 2260): the form of `cn.geocode`."""

NOTES = {
    "draft": "Machine draft, not signed by a forecaster. 机器草稿，未经预报员签发。",
    "Test": "Test message, not a warning. 测试信息，并非预警。",
    "Exercise": "Exercise message, not a warning. 演练信息，并非预警。",
    "Draft": "Draft message, not a warning. 草稿信息，并非预警。",
    "Actual": "",
}
"""CAP `note` by stage and, once issued, by status."""


def cap_time(time: datetime, offset_h: float = 8.0) -> str:
    """`2025-06-09T18:42:00+08:00`: CAP 1.2 takes neither Z nor fractions of a second."""
    local = require_utc(time).astimezone(timezone(timedelta(hours=offset_h)))
    return local.isoformat(timespec="seconds")


def to_alert(warning: Warning) -> Alert:
    """The CAP message of a warning; one info block a language, in the region's order, `wx.record` in the first.

    Raises:
        WarningError: the record names no language.
    """
    if not warning.languages:
        raise WarningError(f"CAP {warning.id}", ["no language: a message needs an info block 没有语种，无法写 info"])
    alert = _elements(warning)
    first = alert.infos[0]
    record = NamedValue(RECORD, rest_of(warning, fields_of(alert)))
    infos = (replace(first, parameters=(*first.parameters, record)), *alert.infos[1:])
    return replace(alert, infos=infos)


def _elements(warning: Warning) -> Alert:
    offset = warning.utc_offset_h
    references = " ".join(f"{ref.sender},{ref.identifier},{cap_time(ref.sent, offset)}" for ref in warning.references)
    return Alert(
        identifier=warning.id,
        sender=warning.sender,
        sent=cap_time(warning.sent, offset),
        status=warning.status,
        msg_type=warning.msg_type,
        scope="Public",
        codes=(PROFILE_CODE,),
        note=note_of(warning),
        references=references,
        infos=tuple(_info(warning, language) for language in warning.languages),
    )


def note_of(warning: Warning) -> str:
    """What kind of message this is, in both languages; "" for an issued real one."""
    simulated = "SIMULATED DATA 模拟资料" if warning.truth == "SYN" else ""
    kind = NOTES["draft" if warning.stage == "draft" else warning.status]
    return " ".join(part for part in (simulated, kind) if part)


def _info(warning: Warning, language: str) -> Info:
    zh = language.startswith("zh")
    offset = warning.utc_offset_h
    cancelled = warning.msg_type == "Cancel"
    return Info(
        language=language,
        categories=("Met",),
        event=warning.event_zh if zh else warning.event_en,
        responses=("None",) if cancelled else warning.response,
        urgency="Past" if cancelled else warning.urgency,
        severity=warning.severity,
        certainty=warning.certainty,
        event_codes=(NamedValue("cn.eventType", warning.event_code),),
        effective=cap_time(warning.effective, offset),
        onset=cap_time(warning.onset, offset),
        expires=cap_time(warning.expires, offset),
        sender_name=warning.sender_name_zh if zh else warning.sender_name_en,
        headline=warning.headline_zh if zh else warning.headline_en,
        description=warning.description_zh if zh else warning.description_en,
        instruction=warning.instruction_zh if zh else warning.instruction_en,
        parameters=_parameters(warning),
        areas=(_area(warning, zh=zh),),
    )


def _parameters(warning: Warning) -> tuple[NamedValue, ...]:
    values = [
        NamedValue("cn.colour", warning.colour_en),
        NamedValue("cn.level", ROMAN.get(warning.grade, warning.grade)),
        NamedValue("probability", f"{warning.p:.2f}"),
        NamedValue("model.id", warning.model),
        NamedValue("inputs.kind", warning.data_kind),
        NamedValue("inputs.truth", warning.truth),
    ]
    if warning.degraded:
        values.append(NamedValue("inputs.degraded", "; ".join(warning.degraded)))
    values += [NamedValue(f"also.{other.hazard}", other.level) for other in warning.also]
    for place in (*warning.districts, *warning.towns):
        values += _stay(place, warning)
    return (*values, *_bases(warning))


def _stay(place: Place, warning: Warning) -> Iterator[NamedValue]:
    """Expected arrival and departure at a place whose times can be told; a departure at the horizon cannot."""
    if place.adcode and place.arrival == "timed":
        departure = (("departure", place.end_min),) if place.end_min < HORIZON_MIN else ()
        for name, minutes in (("arrival", place.eta_min), *departure):
            time = warning.cycle + timedelta(minutes=round(minutes))
            yield NamedValue(f"{name}.{place.adcode}", cap_time(time, warning.utc_offset_h))


def _bases(warning: Warning) -> Iterator[NamedValue]:
    """Where no storm of this run, and so no `probability`, stands behind a place: what does."""
    bases = {place.adcode: "held" for place in (*warning.districts, *warning.towns) if place.arrival == "held"}
    bases |= {place.adcode: "forecaster" for place in added_places(warning)}
    for adcode, basis in bases.items():
        if adcode:
            yield NamedValue(f"basis.{adcode}", basis)


def _area(warning: Warning, *, zh: bool) -> Area:
    words_zh, words_en = area_words(warning)
    codes = [NamedValue("adcode", adcode) for adcode in warning.adcodes]
    codes += [NamedValue("cn.geocode", code) for code in geocodes(warning)]
    polygons = tuple(ring_text(ring) for ring in warning.polygons)
    return Area(desc=words_zh if zh else words_en, polygons=polygons, geocodes=tuple(codes))


def geocodes(warning: Warning) -> list[str]:
    """12-digit codes of the districts, then of the towns (shorter codes filled up with zeros)."""
    codes = (*warning.adcodes, *(town.adcode for town in warning.towns if town.adcode))
    return list(dict.fromkeys(code.ljust(TOWN_DIGITS, "0") for code in codes))


def emit_cap(alert: Alert) -> bytes:
    """Bytes of a message: UTF-8 with XML declaration, elements in the standard's order.

    A signed message is written without indentation, so that its text stays as it was signed.
    """
    namespace = NAMESPACES[alert.version]
    root = etree.Element(f"{{{namespace}}}alert", nsmap={None: namespace})  # type: ignore[dict-item]  # None is the default namespace
    fill(root, alert, namespace)
    for signature in alert.signatures:
        root.append(etree.fromstring(signature))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=not alert.signatures)


def cap_xml(warning: Warning) -> bytes:
    """The CAP 1.2 message of a warning as bytes; the same warning gives the same bytes.

    Raises:
        WarningError: the record names no language, or holds a character that XML cannot carry.
    """
    try:
        return emit_cap(to_alert(warning))
    except ValueError as cause:
        raise WarningError(f"CAP {warning.id}", [f"cannot be written 无法写出: {cause}"]) from cause


def fill(
    parent: etree._Element, record: Any, namespace: str, shapes: Shapes = SHAPES, required: Set[str] = REQUIRED
) -> None:
    """Write a record below its element, by the table of its shape.

    Args:
        required: tags that are written even when empty.
    """
    for attribute, tag, kind in shapes[type(record)]:
        value = getattr(record, attribute)
        if kind == TEXT:
            if value or tag in required:
                _child(parent, tag, namespace).text = value
        elif kind == TEXTS:
            for text in value or ([""] if tag in required else []):
                _child(parent, tag, namespace).text = text
        elif kind == NAMED:
            for pair in value:
                _named(_child(parent, tag, namespace), pair, namespace)
        else:
            for item in value:
                fill(_child(parent, tag, namespace), item, namespace, shapes, required)


def _child(parent: etree._Element, tag: str, namespace: str) -> etree._Element:
    return etree.SubElement(parent, qualified(tag, namespace))


def _named(element: etree._Element, pair: NamedValue, namespace: str) -> None:
    if namespace == NAMESPACES["1.0"]:
        element.text = pair.value
        return
    _child(element, "valueName", namespace).text = pair.name
    _child(element, "value", namespace).text = pair.value
