"""The semantic rules: one table of good and broken messages (RELIABILITY.md section 3), and what is said of each."""

import pytest
from lxml import etree

from tests.warning.test_cap import example
from wxcore.errors import WarningError
from wxcore.warning.cap import cap_xml
from wxcore.warning.cap_read import parse_cap, schema_faults
from wxcore.warning.cap_rules import validate

BOX = (105.0, 28.0, 110.5, 32.5)
GOOD = """<?xml version="1.0" encoding="UTF-8"?>
<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">
  <identifier>wx-1</identifier>
  <sender>wx@example.org</sender>
  <sent>2025-06-09T18:42:00+08:00</sent>
  <status>Test</status>
  <msgType>Alert</msgType>
  <scope>Public</scope>
  <info>
    <language>zh-CN</language>
    <category>Met</category>
    <event>冰雹</event>
    <urgency>Immediate</urgency>
    <severity>Severe</severity>
    <certainty>Likely</certainty>
    <eventCode><valueName>cn.eventType</valueName><value>11B15</value></eventCode>
    <effective>2025-06-09T18:42:00+08:00</effective>
    <expires>2025-06-10T00:42:00+08:00</expires>
    <headline>冰雹橙色预警</headline>
    <description>预计有冰雹</description>
    <area>
      <areaDesc>渝中区</areaDesc>
      <polygon>29.0,106.0 29.0,107.0 30.0,107.0 30.0,106.0 29.0,106.0</polygon>
    </area>
  </info>
</alert>
"""
POLYGON = "29.0,106.0 29.0,107.0 30.0,107.0 30.0,106.0 29.0,106.0"
SENT = "<sent>2025-06-09T18:42:00+08:00</sent>"
EARLY = {SENT: "<sent>2025-06-09T18:00:00+08:00</sent>"}


def reference(text: str, kind: str = "Update") -> dict[str, str]:
    return {"<msgType>Alert": f"<msgType>{kind}", "</scope>": f"</scope><references>{text}</references>"}


ACCEPTED = {
    "valid": {},
    "minus 00:00": {SENT: "<sent>2025-06-09T10:42:00-00:00</sent>"},
    "plus 00:00": {SENT: "<sent>2025-06-09T10:42:00+00:00</sent>"},
    "update": reference("wx@example.org,wx-0,2025-06-09T18:00:00+08:00"),
    "circle": {f"<polygon>{POLYGON}</polygon>": "<circle>29.5,106.5 20</circle>"},
    "restricted": {"<scope>Public</scope>": "<scope>Restricted</scope><restriction>staff</restriction>"},
}
"""Name -> replacements in GOOD."""

STRUCTURE = {
    "wrong status": ({"<status>Test": "<status>Real"}, "status"),
    "wrong severity": ({"<severity>Severe": "<severity>Orange"}, "severity"),
    "time with Z": ({SENT: "<sent>2025-06-09T10:42:00Z</sent>"}, "sent"),
    "time with fraction": ({SENT: "<sent>2025-06-09T18:42:00.5+08:00</sent>"}, "sent"),
    "naive time": ({SENT: "<sent>2025-06-09T18:42:00</sent>"}, "sent"),
    "second 60": ({SENT: "<sent>2025-06-09T18:42:60+08:00</sent>"}, "sent"),
    "no scope": ({"<scope>Public</scope>": ""}, "info"),
    "order": ({"<status>Test</status>": "", "</scope>": "</scope><status>Test</status>"}, "msgType"),
}
"""The schema alone refuses these."""

MEANING = {
    "open polygon": ({" 29.0,106.0</polygon>": "</polygon>"}, "<polygon>: not closed"),
    "swapped": (
        {POLYGON: "106.0,29.0 107.0,29.0 107.0,30.0 106.0,30.0 106.0,29.0"}, "latitude beyond 90",
    ),
    "swapped, still in range": (
        {POLYGON: "60.0,29.0 61.0,29.0 61.0,30.0 60.0,30.0 60.0,29.0"}, "outside the region",
    ),
    "NaN polygon": ({"29.0,107.0": "NaN,107.0"}, "finite lat,lon"),
    "three points": ({POLYGON: "29.0,106.0 29.0,107.0 29.0,106.0"}, "at least 4"),
    "bow tie": ({POLYGON: "29.0,106.0 30.0,107.0 29.0,107.0 30.0,106.0 29.0,106.0"}, "crosses itself"),
    "update without references": ({"<msgType>Alert": "<msgType>Update"}, "must refer"),
    "cancel without references": ({"<msgType>Alert": "<msgType>Cancel"}, "must refer"),
    "alert with references": (reference("wx@example.org,wx-0,2025-06-09T18:00:00+08:00", "Alert"), "must not refer"),
    "reference is an identifier only": (reference("wx-0"), "sender,identifier,sent"),
    "reference to itself": (reference("wx@example.org,wx-1,2025-06-09T18:00:00+08:00"), "itself"),
    "reference to the future": (reference("wx@example.org,wx-2,2025-06-09T19:00:00+08:00"), "later than its own"),
    "reference with a naive time": (reference("wx@example.org,wx-0,2025-06-09T18:00:00"), "time with offset"),
    "expires before sent": ({"<expires>2025-06-10": "<expires>2025-06-08"}, "not after sent"),
    "expires before onset": (
        {"</effective>": "</effective><onset>2025-06-10T01:00:00+08:00</onset>"}, "before onset",
    ),
    "expires before effective": (
        {"<effective>2025-06-09T18:42:00": "<effective>2025-06-10T02:42:00"}, "before effective",
    ),
    "expires at 24:00": ({"2025-06-10T00:42:00": "2025-06-10T24:00:00"}, "时间无法读取"),
    "sent a thousand years ago": ({SENT: "<sent>1025-06-09T18:42:00+08:00</sent>"}, "时间无法读取"),
    "no expires": ({"<expires>2025-06-10T00:42:00+08:00</expires>": ""}, "no expires"),
    "identifier with a space": ({"wx-1": "wx 1"}, "identifier"),
    "identifier with a comma": ({"wx-1": "wx,1"}, "identifier"),
    "identifier empty": ({"<identifier>wx-1": "<identifier>"}, "identifier"),
    "sender with &": ({"wx@example.org": "wx&amp;x"}, "sender"),
    "restricted without restriction": ({"<scope>Public": "<scope>Restricted"}, "Restricted needs"),
    "restriction on a public message": ({"</scope>": "</scope><restriction>x</restriction>"}, "only with scope"),
    "private without addresses": ({"<scope>Public": "<scope>Private"}, "Private needs"),
    "area without place": ({f"<polygon>{POLYGON}</polygon>": ""}, "no polygon, circle or geocode"),
    "circle of radius 0": ({f"<polygon>{POLYGON}</polygon>": "<circle>29.5,106.5 0</circle>"}, "radius"),
    "circle of radius NaN": ({f"<polygon>{POLYGON}</polygon>": "<circle>29.5,106.5 NaN</circle>"}, "radius"),
    "circle of infinite radius": ({f"<polygon>{POLYGON}</polygon>": "<circle>29.5,106.5 INF</circle>"}, "radius"),
    "circle elsewhere": ({f"<polygon>{POLYGON}</polygon>": "<circle>39.5,116.5 5</circle>"}, "outside the region"),
    "endless polygon": ({"29.0,107.0": "1e999,107.0"}, "finite lat,lon"),
    "unknown severity": ({"<severity>Severe": "<severity>Unknown"}, "Unknown"),
    "unknown certainty": ({"<certainty>Likely": "<certainty>Unknown"}, "Unknown"),
    "circle without radius": ({f"<polygon>{POLYGON}</polygon>": "<circle>29.5,106.5</circle>"}, "lat,lon radius"),
    "long headline": ({"冰雹橙色预警": "雹" * 161}, "161 characters"),
    "headline repeated": ({"预计有冰雹": "冰雹橙色预警"}, "same as the headline"),
    "unknown urgency": ({"<urgency>Immediate": "<urgency>Unknown"}, "Unknown"),
    "other event in the second block": (
        {"</info>": "</info>" + GOOD[GOOD.index("<info>") : GOOD.index("</alert>")].replace("11B15", "11B14")},
        "eventCode",
    ),
    "other category in the second block": (
        {"</info>": "</info>" + GOOD[GOOD.index("<info>") : GOOD.index("</alert>")].replace(">Met<", ">Geo<")},
        "category",
    ),
    "no info": ({GOOD[GOOD.index("<info>") : GOOD.index("</alert>")]: ""}, "no info"),
}  # fmt: skip
"""The schema takes these (checked below): only the rules see them."""


TABLE = (
    "valid", "minus 00:00", "plus 00:00", *STRUCTURE, "open polygon", "swapped", "NaN polygon", "bow tie",
    "update without references", "reference is an identifier only", "expires before sent", "identifier with a space",
    "identifier with a comma", "sender with &", "area without place", "circle of radius 0", "headline repeated",
)  # fmt: skip
"""The 24 cases of RELIABILITY.md section 3: 3 good ones, 8 that a schema refuses, 13 of which it is blind."""


def broken(changes: dict[str, str]) -> bytes:
    text = GOOD
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text.encode()


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name):
    validate(broken(ACCEPTED[name]), BOX)


@pytest.mark.parametrize("name", STRUCTURE)
def test_refused_by_the_schema(name):
    changes, element = STRUCTURE[name]
    with pytest.raises(WarningError, match=rf"line \d+: Element '{element}'"):
        validate(broken(changes), BOX)


@pytest.mark.parametrize("name", MEANING)
def test_refused_by_the_rules_alone(name):
    changes, words = MEANING[name]
    xml = broken(changes)
    assert schema_faults(etree.fromstring(xml)) == []
    with pytest.raises(WarningError, match=r"line \d+ <\w+>") as caught:
        validate(xml, BOX)
    assert words in str(caught.value)


def test_of_the_table_only_the_three_good_ones_are_accepted(data):
    official = etree.XMLSchema(etree.parse(str(data / "cap/xsd/CAP-v1.2.xsd")))
    changes = {**ACCEPTED, **{name: row[0] for name, row in (*STRUCTURE.items(), *MEANING.items())}}
    assert len(TABLE) == len(set(TABLE)) == 24
    messages = {name: broken(changes[name]) for name in TABLE}
    assert sum(official.validate(etree.fromstring(xml)) for xml in messages.values()) == 16
    assert [name for name, xml in messages.items() if is_accepted(xml)] == ["valid", "minus 00:00", "plus 00:00"]


def is_accepted(xml: bytes) -> bool:
    try:
        validate(xml, BOX)
    except WarningError:
        return False
    return True


def test_all_predecessors_that_stand_are_listed():
    first, second = "wx@example.org,wx-0,2025-06-09T18:00:00+08:00", "wx@example.org,wx-1,2025-06-09T18:42:00+08:00"
    third = "wx@example.org,wx-2,2025-06-09T18:43:00+08:00"
    sent = {SENT: "<sent>2025-06-09T18:48:00+08:00</sent>"}
    known = [
        parse_cap(broken({"wx-1": "wx-0", **EARLY})),
        parse_cap(broken(reference(first))),
        parse_cap(broken({"wx-1": "wx-2", **reference(second), "18:42:00+08:00</sent>": "18:43:00+08:00</sent>"})),
    ]  # the last one leaves a gap of its own
    new = {"<identifier>wx-1": "<identifier>wx-3", **sent}
    validate(broken({**new, **reference(f"{first} {second} {third}")}), BOX, known)
    with pytest.raises(WarningError, match=r"line 8 <references>: wx-0 has not expired and is not listed"):
        validate(broken({**new, **reference(f"{second} {third}")}), BOX, known)
    with pytest.raises(WarningError) as caught:  # wx-0 stands behind wx-2 only through wx-1
        validate(broken({**new, **reference(third)}), BOX, known)
    assert sorted(fault.split()[3] for fault in caught.value.faults) == ["wx-0", "wx-1"]


def test_a_circle_of_three_is_found():
    one, two = "wx@example.org,wx-1,2025-06-09T18:00:00+08:00", "wx@example.org,wx-2,2025-06-09T18:01:00+08:00"
    known = [parse_cap(broken({"wx-1": "wx-2", **reference("wx@example.org,wx-3,2025-06-09T18:00:00+08:00")}))]
    known.append(parse_cap(broken({"<identifier>wx-1": "<identifier>wx-3", **reference(one)})))
    with pytest.raises(WarningError, match="refers back"):
        validate(broken(reference(two)), BOX, known)


def test_every_fault_is_told_at_once():
    changes = {**MEANING["open polygon"][0], **MEANING["no expires"][0], **MEANING["unknown urgency"][0]}
    with pytest.raises(WarningError) as caught:
        validate(broken(changes), BOX)
    assert len(caught.value.faults) == 3


def test_unknown_and_circular_references():
    update = broken(reference("wx@example.org,wx-0,2025-06-09T18:00:00+08:00"))
    stranger = parse_cap(broken({"wx-1": "wx-9"}))
    with pytest.raises(WarningError, match="never issued"):
        validate(update, BOX, [stranger])
    back = {"wx-1": "wx-0", **reference("wx@example.org,wx-1,2025-06-09T18:00:00+08:00")}
    with pytest.raises(WarningError, match="refers back"):
        validate(update, BOX, [parse_cap(broken(back))])
    validate(update, BOX, [parse_cap(broken({"wx-1": "wx-0", **EARLY}))])


@pytest.mark.parametrize(
    ("text", "is_known"),
    [
        ("wx@example.org,wx-0,2025-06-09T10:00:00+00:00", True),  # the same instant
        ("someone@else.org,wx-0,2025-06-09T18:00:00+08:00", False),
        ("wx@example.org,wx-0,2025-06-09T17:00:00+08:00", False),
        ("wx@example.org,wx-0,2025-06-09T18:00:00+00:00", False),
    ],
)
def test_a_reference_is_to_sender_and_time_too(text, is_known):
    known = [parse_cap(broken({"wx-1": "wx-0", **EARLY}))]
    new = broken({**reference(text), SENT: "<sent>2025-06-10T18:48:00+08:00</sent>", "2025-06-10T00": "2025-06-11T00"})
    if is_known:
        validate(new, BOX, known)
        return
    with pytest.raises(WarningError, match=r"line 8 <references>: refers to wx-0 as of") as caught:
        validate(new, BOX, known)
    assert "issued was wx@example.org, 2025-06-09T18:00:00+08:00" in str(caught.value)
    assert "与原报文不符" in str(caught.value)


def test_other_versions_do_not_leave_the_house():
    with pytest.raises(WarningError, match=r"expected CAP 1\.2"):
        validate(GOOD.replace("cap:1.2", "cap:1.1").encode(), BOX)


def test_ours_is_accepted():
    validate(cap_xml(example()), (104.995, 27.995, 108.0, 30.5))
