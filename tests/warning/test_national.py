"""The national dialect: shaped as the sample, never the national series for a test, lossless, hostile input refused."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from lxml import etree

from tests.warning.scene import WHEN
from tests.warning.strategies import examples, warnings
from tests.warning.test_cap import example
from wxcore.errors import WarningError
from wxcore.warning.model import Reference, Warning
from wxcore.warning.national import national_xml, parse_national, warning_from_national

SAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<alert><identifier>41000041600000_20200205105119</identifier><sender>河南省气象局</sender>
<senderCode>41000041600000</senderCode><sendTime>2020-02-05 10:51:19+08:00</sendTime><status>Actual</status>
<msgType>Alert</msgType><scope>Public</scope>
<code><method><methodName>WEB</methodName><message>m</message><audienceGrp></audienceGrp><audenceprt></audenceprt></method>
<method><methodName>SMS</methodName><message>m</message><audienceGrp/><audenceprt/></method></code>
<secClassification>None</secClassification><note></note><references></references>
<info><language>zh-CN</language><eventType>11B03</eventType><urgency>Unknown</urgency><severity>Blue</severity>
<certainty>Unknown</certainty><effective>2020-02-05 10:51:19+08:00</effective><onset>2020-02-05 10:51:19+08:00</onset>
<expires>2020-02-06 10:51:19+08:00</expires><senderName>河南省气象局</senderName><headline>h</headline>
<description>d</description><instruction>i</instruction><web></web>
<area><areaDesc>河南省</areaDesc><polygon></polygon><circle></circle><geocode>410000000000,410100000000</geocode></area>
</info></alert>
"""
"""Written by hand after the description of the public sample in issue 9."""


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(warnings())
def test_every_record_comes_back(warning: Warning) -> None:
    xml = national_xml(warning, issuer_adcode="500000")
    parse_national(xml)
    assert warning_from_national(xml) == warning


def issued(**changes: object) -> Warning:
    return replace(example(), stage="issued", **changes)


class TestShape:
    def test_reads_the_sample(self) -> None:
        alert = parse_national(SAMPLE.encode())
        assert alert.sender_code == "41000041600000"
        assert [method.name for method in alert.codes[0].methods] == ["WEB", "SMS"]
        assert alert.infos[0].areas[0].geocode == "410000000000,410100000000"

    def test_writes_the_elements_of_the_sample_in_its_order(self) -> None:
        sample, ours = (etree.fromstring(xml) for xml in (SAMPLE.encode(), national_xml(issued())))
        assert [e.tag for e in ours.iter(etree.Element)] == [e.tag for e in sample.iter(etree.Element)]

    def test_codes_times_and_colour(self) -> None:
        alert = parse_national(national_xml(issued(status="Actual"), issuer_adcode="500000"))
        assert alert.identifier == "50000041600000_20250609184200"
        assert alert.sender_code == "50000041600000"
        assert alert.sent == "2025-06-09 18:42:00+08:00"
        info = alert.infos[0]
        assert (info.event_type, info.severity) == ("11B15", "Orange")
        assert re.fullmatch(r"\d{12}(,\d{12})*", info.areas[0].geocode)
        assert info.areas[0].geocode.startswith("500101000000")
        assert "uncertified" in alert.note
        web, short = alert.codes[0].methods
        assert "冰雹橙色预警" in web.message
        assert "冰雹橙色预警" in short.message
        assert len(short.message) <= 70

    @pytest.mark.parametrize("status", ["Test", "Exercise", "Draft"])
    def test_only_a_real_message_takes_an_identifier_of_the_series(self, status: str) -> None:
        old = Reference("wx@example.org", "wx-0", WHEN - timedelta(minutes=6), WHEN + timedelta(hours=1))
        alert = parse_national(national_xml(issued(status=status, msg_type="Update", references=(old,))))
        for identifier in (alert.identifier, alert.references):
            assert not re.fullmatch(r"\d{14}_\d{14}", identifier)
            assert identifier.endswith(f"_{status.upper()}")

    def test_references_are_bare_identifiers(self) -> None:
        old = Reference("wx@example.org", "wx-0", WHEN - timedelta(minutes=6), WHEN + timedelta(hours=1))
        update = issued(status="Actual", msg_type="Update", references=(old,))
        assert (
            parse_national(national_xml(update, issuer_adcode="500000")).references == "50000041600000_20250609183600"
        )

    def test_no_instruction_can_end_early(self) -> None:
        warning = issued(remark_en="?><alert/>")
        xml = national_xml(warning)
        assert warning_from_national(xml) == warning
        assert xml.count(b"?>") == 2  # the declaration and the end of the instruction


class TestRefused:
    def test_an_issuer_that_is_none(self) -> None:
        with pytest.raises(WarningError, match="six digits"):
            national_xml(issued(), issuer_adcode="50")

    @pytest.mark.parametrize(
        ("old", "new", "element"),
        [
            ("500101000000", "500102000000", "geocode"),
            ("<areaDesc>甲区", "<areaDesc>乙区", "areaDesc"),
            ("_TEST</identifier>", "</identifier>", "identifier"),
            ("<senderName>测试", "<senderName>真实", "senderName"),
        ],
    )
    def test_a_contradiction(self, old: str, new: str, element: str) -> None:
        text = national_xml(issued()).decode()
        assert old in text
        with pytest.raises(WarningError, match=rf"line \d+ <{element}>"):
            warning_from_national(text.replace(old, new, 1).encode())

    @pytest.mark.parametrize(
        ("old", "new", "element"),
        [
            ("<senderCode>41000041600000", "<senderCode>4100", "senderCode"),
            ("<identifier>41", "<identifier>42", "identifier"),
            ("2020-02-05 10:51:19+08:00</sendTime>", "2020-02-05T10:51:19+08:00</sendTime>", "sendTime"),
            ("<severity>Blue", "<severity>Minor", "severity"),
            ("410000000000,", "410000,", "geocode"),
            ("<web></web>", "", "info"),
            ("<web></web>", "<web></web><odd/>", "odd"),
            ("<web></web>", "<web></web><web></web>", "web"),
            ("<note></note><references></references>", "<references></references><note></note>", "note"),
            ("<note></note>", "<note><b/></note>", "note"),
        ],
    )
    def test_another_structure(self, old: str, new: str, element: str) -> None:
        assert old in SAMPLE
        with pytest.raises(WarningError, match=rf"line \d+ <{element}>"):
            parse_national(SAMPLE.replace(old, new, 1).encode())

    @pytest.mark.parametrize("xml", [b"", b"<alert", b"<a/>", b'<!DOCTYPE a [<!ENTITY x "y">]><alert>&x;</alert>'])
    def test_other_files(self, xml: bytes) -> None:
        with pytest.raises(WarningError):
            parse_national(xml)
        with pytest.raises(WarningError):
            warning_from_national(xml)

    def test_a_message_of_others_has_no_record(self) -> None:
        with pytest.raises(WarningError, match="wxcore-record"):
            warning_from_national(SAMPLE.encode())
