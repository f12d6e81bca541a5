"""The national warning platform's XML, a second dialect beside CAP: uncertified, shape from one public sample.

The sample (issue 9; Henan, 2020) is all that is known of the form: no schema and no platform has judged what is
written here, and `secClassification`, the audience elements and the order of what it does not show are guesses.
Identifiers of the national series are written for `Actual` alone; every other status carries a mark behind it, so that
a test can never be taken for one of the series. What the dialect has no element for travels in the processing
instruction `wxcore-record`.
"""

import re
from collections import Counter
from datetime import datetime

from lxml import etree

from wxcore.errors import TimeError, WarningError
from wxcore.times import beijing
from wxcore.warning.cap import fill, geocodes, note_of
from wxcore.warning.cap_read import at, read_xml, values_of
from wxcore.warning.lossless import Fields, refuse_contradiction, rest_of, restored, ring_field, ring_text, time_field
from wxcore.warning.model import LEVELS, Warning
from wxcore.warning.national_model import (
    NATIONAL_SHAPES,
    NATIONAL_TAGS,
    Code,
    Method,
    NationalAlert,
    NationalArea,
    NationalInfo,
)
from wxcore.warning.sms import sms
from wxcore.warning.text import area_words

INDUSTRY = "41600000"
"""Behind the issuer's adcode in a sender code: 416 meteorology, unit 000, 00 (derived from two real identifiers of
RELIABILITY.md section 3; unverified)."""

UNCERTIFIED = "格式依据一份公开样例，未经认证。Shape from one public sample, uncertified."
"""In `note`, so that nobody takes the file for a certified one."""

RECORD_PI = "wxcore-record"

NATIONWIDE = "000000"
"""Adcode of the sender where the record names no district and the caller no issuer."""

_SENDER_CODE = re.compile(r"\d{14}")
_GEOCODE = re.compile(r"(\d{12}(,\d{12})*)?")
_SEND_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+08:00")


def national_xml(warning: Warning, *, issuer_adcode: str = "") -> bytes:
    """The warning as a message of the national platform, in Chinese; UTF-8, indented.

    Args:
        issuer_adcode: six digits of the issuer's own area (`Region.issuer.adcode`); "": the province of the first
            district.

    Raises:
        WarningError: not six digits, a short message that does not fit, or a character that XML cannot carry.
    """
    adcode = issuer_adcode or (f"{warning.adcodes[0][:2]}0000" if warning.adcodes else NATIONWIDE)
    if not re.fullmatch(r"\d{6}", adcode):
        raise WarningError(
            f"national XML {warning.id}", [f"issuer adcode {adcode!r}: expected six digits 应为六位数字"]
        )
    alert = to_national(warning, adcode)
    rest = rest_of(warning, _fields(alert)).replace("?", "\\u003f")  # no `?>` inside of the instruction
    try:
        root = _element(alert)
        root.append(etree.ProcessingInstruction(RECORD_PI, rest))
    except ValueError as cause:
        raise WarningError(f"national XML {warning.id}", [f"cannot be written 无法写出: {cause}"]) from cause
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def to_national(warning: Warning, issuer_adcode: str) -> NationalAlert:
    """The elements of the message; `issuer_adcode` has six digits."""
    code = f"{issuer_adcode}{INDUSTRY}"
    return NationalAlert(
        identifier=_identifier(code, warning.sent, warning.status),
        sender=warning.sender_name_zh,
        sender_code=code,
        sent=_time(warning.sent),
        status=warning.status,
        msg_type=warning.msg_type,
        scope="Public",
        codes=(Code((Method("WEB", warning.headline_zh), Method("SMS", sms(warning, "zh")))),),
        classification="None",
        note=" ".join(part for part in (note_of(warning), UNCERTIFIED) if part),
        references=" ".join(_identifier(code, ref.sent, warning.status) for ref in warning.references),
        infos=(_info(warning),),
    )


def _identifier(code: str, sent: datetime, status: str) -> str:
    series = f"{code}_{beijing(sent):%Y%m%d%H%M%S}"
    return series if status == "Actual" else f"{series}_{status.upper()}"


def _time(time: datetime) -> str:
    return f"{beijing(time):%Y-%m-%d %H:%M:%S}+08:00"


def _info(warning: Warning) -> NationalInfo:
    area = NationalArea(
        desc=area_words(warning)[0],
        polygons=tuple(ring_text(ring) for ring in warning.polygons),
        geocode=",".join(geocodes(warning)),
    )
    return NationalInfo(
        language="zh-CN",
        event_type=warning.event_code,
        urgency="Past" if warning.msg_type == "Cancel" else warning.urgency,
        severity=warning.colour_en,
        certainty=warning.certainty,
        effective=_time(warning.effective),
        onset=_time(warning.onset),
        expires=_time(warning.expires),
        sender_name=warning.sender_name_zh,
        headline=warning.headline_zh,
        description=warning.description_zh,
        instruction=warning.instruction_zh,
        areas=(area,),
    )


def _element(alert: NationalAlert) -> etree._Element:
    root = etree.Element("alert")
    fill(root, alert, "", NATIONAL_SHAPES, NATIONAL_TAGS)
    return root


def parse_national(xml: bytes) -> NationalAlert:
    """A message of the national platform as records.

    Raises:
        WarningError: refused by `read_xml`; an element missing, unknown or out of order; codes or times of another
            form; each with its line.
    """
    return _parse(read_xml(xml))


def _parse(root: etree._Element) -> NationalAlert:
    if root.tag != "alert":
        raise WarningError("national XML", [f"{at(root)}: expected <alert> without namespace, found {root.tag}"])
    alert = NationalAlert(**values_of(root, NationalAlert, "", NATIONAL_SHAPES))
    faults = _structure_faults(root, NationalAlert) or _value_faults(root, alert)
    if faults:
        raise WarningError(f"national XML {alert.identifier}", faults)
    return alert


def _structure_faults(element: etree._Element, record: type) -> list[str]:
    """What is missing, unknown, repeated or out of order: the sample holds every element, in this order."""
    shape = NATIONAL_SHAPES[record]
    order = [tag for _, tag, _ in shape]
    kinds = {tag: kind for _, tag, kind in shape}
    tags = Counter(str(child.tag) for child in element.iterchildren(etree.Element))
    faults = [f"{at(element)}: <{tag}> is missing 缺少元素" for tag in order if tag not in tags]
    furthest = 0
    for child in element.iterchildren(etree.Element):
        tag = str(child.tag)
        if tag not in kinds:
            faults.append(f"{at(child)}: unknown below <{element.tag}> 未知元素")
            continue
        if order.index(tag) < furthest:
            faults.append(f"{at(child)}: out of order 顺序错误")
        furthest = max(furthest, order.index(tag))
        kind = kinds[tag]
        if isinstance(kind, type):
            faults += _structure_faults(child, kind)
        elif tags[tag] > 1 and tag != "polygon":
            faults.append(f"{at(child)}: repeated 重复")
        elif len(child):
            faults.append(f"{at(child)}: expected text alone 只应含文本")
    return faults


def _value_faults(root: etree._Element, alert: NationalAlert) -> list[str]:
    faults = []

    def check(path: str, fits: bool, expected: str) -> None:
        element = root.find(path)
        if not fits and element is not None:
            faults.append(f"{at(element)}: {element.text!r}, expected {expected} 格式错误")

    check("senderCode", bool(_SENDER_CODE.fullmatch(alert.sender_code)), "14 digits")
    check("identifier", alert.identifier.startswith(f"{alert.sender_code}_"), "the sender code, _ and a time")
    check("sendTime", bool(_SEND_TIME.fullmatch(alert.sent)), "YYYY-MM-DD hh:mm:ss+08:00")
    if len(alert.infos) > 1 or len(alert.codes) > 1:
        faults.append(f"{at(root)}: expected one code and one info 应各有一个 code 和 info")
    for info in alert.infos:
        check("info/severity", info.severity.lower() in LEVELS, "Blue, Yellow, Orange or Red")
        for area in info.areas:
            check("info/area/geocode", bool(_GEOCODE.fullmatch(area.geocode)), "12-digit codes and commas")
    return faults


def warning_from_national(xml: bytes) -> Warning:
    """The record of a message that `national_xml` wrote.

    What the dialect has an element for is read from the element; the rest from the instruction `wxcore-record`.

    Raises:
        WarningError: refused by `parse_national`; not a message of ours; or elements and instruction contradict each
            other, with the element and line.
    """
    root = read_xml(xml, keep_pis=True)
    alert = _parse(root)
    what = f"national XML {alert.identifier}"
    found = [pi.text or "" for pi in root.iterchildren(etree.ProcessingInstruction) if _target(pi) == RECORD_PI]
    if len(found) != 1:
        raise WarningError(what, [f"{len(found)} instructions {RECORD_PI}, expected one 不是本系统的报文"])
    try:
        told = _fields(alert)
    except (TimeError, ValueError, LookupError) as cause:
        raise WarningError(what, [f"not a message of ours 不是本系统的报文: {cause!r}"]) from cause
    warning = restored(told, found[0], what)
    refuse_contradiction(root, lambda: national_xml(warning, issuer_adcode=alert.sender_code[:6]), what)
    return warning


def _target(instruction: etree._Element) -> str:
    return str(instruction.target)  # type: ignore[attr-defined]  # missing in the stub


def _fields(alert: NationalAlert) -> Fields:
    """What the elements of one of our messages say, under the names of the record."""
    info = alert.infos[0]
    told: Fields = {
        "sender_name_zh": alert.sender,
        "sent": time_field(alert.sent),
        "status": alert.status,
        "msg_type": alert.msg_type,
        "event_code": info.event_type,
        "colour_en": info.severity,
        "level": info.severity.lower(),
        "certainty": info.certainty,
        "effective": time_field(info.effective),
        "onset": time_field(info.onset),
        "expires": time_field(info.expires),
        "headline_zh": info.headline,
        "description_zh": info.description,
        "instruction_zh": info.instruction,
        "polygons": [ring_field(text) for text in info.areas[0].polygons if text],
    }
    return told if alert.msg_type == "Cancel" else told | {"urgency": info.urgency}
