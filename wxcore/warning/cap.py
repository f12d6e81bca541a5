"""CAP 1.2: from a Warning to a message, and from a message to bytes (China profile codes of RELIABILITY.md section 3).

Our identifiers are our own: the national series (`ZZZZZZ41600000_YYYYMMDDhhmmss`) belongs to the issuing platform.
"""

from datetime import datetime, timedelta, timezone

from lxml import etree

from wxcore.times import require_utc
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
    Resource,
)
from wxcore.warning.model import Warning
from wxcore.warning.text import area_words

PROFILE_CODE = "wxcore-draft-1"


def cap_time(time: datetime, offset_h: float = 8.0) -> str:
    """`2025-06-09T18:42:00+08:00`: CAP 1.2 takes neither Z nor fractions of a second."""
    local = require_utc(time).astimezone(timezone(timedelta(hours=offset_h)))
    return local.isoformat(timespec="seconds")


def to_alert(warning: Warning) -> Alert:
    """The CAP message of a warning; one info block a language, in the region's order."""
    offset = warning.utc_offset_h
    references = " ".join(f"{ref.sender},{ref.identifier},{cap_time(ref.sent, offset)}" for ref in warning.references)
    notes = ["SIMULATED DATA 模拟资料"] if warning.truth == "SYN" else []
    notes.append("Machine draft, not signed by a forecaster. 机器草稿，未经预报员签发。")
    return Alert(
        identifier=warning.id,
        sender=warning.sender,
        sent=cap_time(warning.sent, offset),
        status=warning.status,
        msg_type=warning.msg_type,
        scope="Public",
        codes=(PROFILE_CODE,),
        note=" ".join(notes),
        references=references,
        infos=tuple(_info(warning, language) for language in warning.languages),
    )


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
        NamedValue("cn.level", {"Ⅰ": "I", "Ⅱ": "II", "Ⅲ": "III", "Ⅳ": "IV"}.get(warning.grade, warning.grade)),
        NamedValue("probability", f"{warning.p:.2f}"),
        NamedValue("model.id", warning.model),
        NamedValue("inputs.kind", warning.data_kind),
        NamedValue("inputs.truth", warning.truth),
    ]
    if warning.degraded:
        values.append(NamedValue("inputs.degraded", "; ".join(warning.degraded)))
    for place in warning.districts:
        if place.adcode and place.arrival == "timed":
            arrival = warning.cycle + timedelta(minutes=round(place.eta_min))
            values.append(NamedValue(f"arrival.{place.adcode}", cap_time(arrival, warning.utc_offset_h)))
    return tuple(values)


def _area(warning: Warning, *, zh: bool) -> Area:
    words_zh, words_en = area_words(warning)
    codes = [
        NamedValue(name, value)
        for adcode in warning.adcodes
        for name, value in (("adcode", adcode), ("cn.geocode", f"{adcode}000000"))
    ]
    polygons = tuple(" ".join(f"{lat:.4f},{lon:.4f}" for lon, lat in ring) for ring in warning.polygons)
    return Area(desc=words_zh if zh else words_en, polygons=polygons, geocodes=tuple(codes))


def emit_cap(alert: Alert) -> bytes:
    """Bytes of a message: UTF-8 with XML declaration, elements in the standard's order.

    A signed message is written without indentation, so that its text stays as it was signed.
    """
    namespace = NAMESPACES[alert.version]
    root = etree.Element(f"{{{namespace}}}alert", nsmap={None: namespace})  # type: ignore[dict-item]  # None is the default namespace
    _fill(root, alert, namespace)
    for signature in alert.signatures:
        root.append(etree.fromstring(signature))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=not alert.signatures)


def cap_xml(warning: Warning) -> bytes:
    """The CAP 1.2 message of a warning as bytes; the same warning gives the same bytes."""
    return emit_cap(to_alert(warning))


def _fill(parent: etree._Element, record: Alert | Info | Area | Resource, namespace: str) -> None:
    for attribute, tag, kind in SHAPES[type(record)]:
        value = getattr(record, attribute)
        if kind == TEXT:
            if value or tag in REQUIRED:
                _child(parent, tag, namespace).text = value
        elif kind == TEXTS:
            for text in value:
                _child(parent, tag, namespace).text = text
        elif kind == NAMED:
            for pair in value:
                _named(_child(parent, tag, namespace), pair, namespace)
        else:
            for item in value:
                _fill(_child(parent, tag, namespace), item, namespace)


def _child(parent: etree._Element, tag: str, namespace: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{namespace}}}{tag}")


def _named(element: etree._Element, pair: NamedValue, namespace: str) -> None:
    if namespace == NAMESPACES["1.0"]:
        element.text = pair.value
        return
    _child(element, "valueName", namespace).text = pair.name
    _child(element, "value", namespace).text = pair.value
