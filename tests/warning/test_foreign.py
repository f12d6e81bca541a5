"""Others' CAP: the public corpus read or refused file by file, with element and line; signatures, replay, stale."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from shapely.geometry import Polygon

from tests.warning.scene import WHEN
from tests.warning.test_cap import example
from tests.warning.test_cap_rules import GOOD, POLYGON, broken
from tests.warning.test_signature import identity
from wxcore.errors import WarningError
from wxcore.warning.cap import cap_xml, emit_cap
from wxcore.warning.cap_read import parse_cap
from wxcore.warning.foreign import import_alerts, read_alerts
from wxcore.warning.signature import sign_xml

LATER = datetime(2026, 1, 1, tzinfo=UTC)
READ = {
    "43b080713727.cap": 1, "KAR0-0306112239-SW.cap": 1, "amber.atom": 1, "amber.rss": 0, "australia.cap": 1,
    "bushfire.edxlde": 7, "bushfire_valid.edxlde": 7, "canada.cap": 1, "canada_errors.cap": 1, "canada_signed.atom": 1,
    "canada_signed.cap": 1, "earthquake-iso8859-1.cap": 1, "earthquake.atom": 1, "earthquake.cap": 1,
    "earthquake_index.atom": 0, "empty_weather_index.atom": 0, "no_optional_fields.cap": 1, "ny_index.rss": 0,
    "thunderstorm.cap": 1, "wcatwc-warning.cap": 1, "weather.atom": 1, "weather.cap": 1, "weather_index.atom": 0,
    "weather_invalid.atom": 1, "cap_amber_alert_example.xml": 1, "nws_atom_feed_example.xml": 0,
}  # fmt: skip
"""File -> messages in it."""

REFUSED = {
    "bushfire_invalid.edxlde": r"line 94: Element 'alert': Missing child",
    "earthquake_signed.cap": r"line 76: Element '.*Signature': This element is not expected",
    "invalid.cap": r"line 9: Element 'info': This element is not expected",
    "invalid.rss": r"line 3 <channel>: no <title>",
    "invalid_element.atom": r"line 5 <foo>: unknown in ATOM",
    "no_entries.atom": r"line 9 <alert>: an alert outside of any entry",
    "no_id.atom": r"line 2 <feed>: 0 <id>",
    "no_link.atom": r"line 9 <entry>: neither content nor link",
    "no_title.atom": r"line 9 <entry>: 0 <title>",
    "noaa_errors.cap": r"line 17: Element 'urgency'",
    "xee.atom": "DOCTYPE",
    "xee.cap": "DOCTYPE",
}
"""File -> what is said of it."""


def files(data: Path) -> dict[str, Path]:
    folders = (data / "cap/google-cap-library", data / "cap/ibm-cap")
    return {p.name: p for folder in folders for p in sorted(folder.iterdir()) if p.suffix not in {".txt", ".pem"}}


class TestCorpus:
    def test_every_file_is_read_or_refused(self, data: Path) -> None:
        found = files(data)
        assert set(found) == set(READ) | set(REFUSED)
        assert {name: len(read_alerts(found[name].read_bytes())) for name in READ} == READ
        assert sum(READ.values()) == 32

    def test_the_refused_ones_with_element_and_line(self, data: Path) -> None:
        found = files(data)
        for name, words in REFUSED.items():
            with pytest.raises(WarningError, match=words):
                read_alerts(found[name].read_bytes())

    def test_what_is_read_comes_back(self, data: Path) -> None:
        for name in READ:
            for alert in read_alerts(files(data)[name].read_bytes()):
                assert parse_cap(emit_cap(alert)) == alert, name

    def test_a_bad_name_is_fatal_and_a_fault_of_meaning_is_not(self, data: Path) -> None:
        (bad,) = import_alerts(files(data)["weather_invalid.atom"].read_bytes(), now=LATER, max_age=None)
        assert not bad.usable
        assert any("line 28 <identifier>" in fault for fault in bad.fatal)
        (canada,) = import_alerts(files(data)["canada_errors.cap"].read_bytes(), now=LATER, max_age=None)
        assert canada.usable
        assert any("must refer to a message" in fault for fault in canada.told)

    def test_polygons_for_verification(self, data: Path) -> None:
        imported = import_alerts(files(data)["thunderstorm.cap"].read_bytes(), now=LATER, max_age=None)
        (ring,) = imported[0].polygons
        assert ring[0] == ring[-1]
        assert all(-125 < lon < -115 and 35 < lat < 42 for lon, lat in ring)  # northern California
        assert Polygon(ring).is_valid


class TestJudged:
    def one(self, xml: bytes, **how: object):
        (imported,) = import_alerts(xml, **{"now": WHEN, **how})
        return imported

    def test_a_broken_polygon_is_told_and_not_used(self) -> None:
        imported = self.one(broken({f"{POLYGON}</polygon>": f"{POLYGON[:-10]}</polygon>"}))
        assert (imported.usable, imported.polygons) == (True, ())
        assert any("<polygon>" in fault for fault in imported.told)

    def test_stale_future_and_replay_are_fatal(self) -> None:
        seen: set[tuple[str, str, str]] = set()
        assert self.one(GOOD.encode(), seen=seen).usable
        for how, words in (
            ({"seen": seen}, "taken before"),
            ({"now": WHEN + timedelta(hours=25)}, "stale"),
            ({"now": WHEN - timedelta(hours=1)}, "after now"),
        ):
            imported = self.one(GOOD.encode(), **how)
            assert not imported.usable
            assert words in imported.fatal[0]

    def test_times_that_no_clock_knows(self) -> None:
        imported = self.one(broken({"2025-06-10T00:42:00": "2025-06-10T24:00:00"}))
        assert (imported.expires, imported.usable) == (None, True)
        assert any("<expires>" in fault for fault in imported.told)
        assert not self.one(broken({"<sent>2025-06-09T18:42:00": "<sent>2025-06-09T24:00:00"})).usable

    def test_signatures(self) -> None:
        key, certificate = identity()
        xml = sign_xml(cap_xml(replace(example(), stage="issued")), key, certificate)
        assert self.one(xml).signature == "unjudged"
        assert self.one(GOOD.encode()).signature == "unsigned"
        trusted = self.one(xml, pinned=[certificate])
        assert (trusted.signature, trusted.fatal, trusted.told) == ("trusted", (), ())
        assert trusted.polygons
        assert self.one(trusted.xml, pinned=[certificate]).usable  # what is kept can be judged again
        for forged in (GOOD.encode(), xml.replace("甲区".encode(), "乙区".encode())):
            assert not self.one(forged, pinned=[certificate]).usable
        assert not self.one(xml, pinned=[identity()[1]]).usable

    def test_a_forgery_does_not_use_up_the_name(self) -> None:
        seen: set[tuple[str, str, str]] = set()
        self.one(GOOD.encode(), pinned=[identity()[1]], seen=seen)
        assert seen == set()

    @pytest.mark.parametrize("xml", [b"", b"<rss/>", b"<rss><channel/></rss>", b"<html/>", b"<feed/>"])
    def test_other_files(self, xml: bytes) -> None:
        with pytest.raises(WarningError):
            import_alerts(xml, now=WHEN)

    def test_an_envelope_with_something_else(self) -> None:
        xml = (
            '<e:EDXLDistribution xmlns:e="urn:oasis:names:tc:emergency:EDXL:DE:1.0"><e:contentObject><e:xmlContent>'
            "<e:embeddedXMLContent><other/></e:embeddedXMLContent></e:xmlContent></e:contentObject></e:EDXLDistribution>"
        )
        with pytest.raises(WarningError, match="line 1 <other>"):
            read_alerts(xml.encode())


BODY = GOOD.partition("?>")[2]
RSS = (
    '<rss version="2.0"><channel><title>t</title><link>l</link><description>d</description><item><title>t</title>{}'
    "</item></channel></rss>"
)
ATOM = (
    '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:other="urn:o"><id>i</id><title>t</title><updated>u</updated>'
    "<entry><id>i</id><title>t</title><updated>u</updated><content>{}</content></entry></feed>"
)


@pytest.mark.parametrize("envelope", ["{}", RSS, ATOM], ids=["alone", "rss", "atom"])
def test_an_alert_inside_of_another_is_refused(envelope: str) -> None:
    assert len(read_alerts(envelope.format(BODY).encode())) == 1
    hidden = f'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><Object>{BODY}</Object></Signature></alert>'
    with pytest.raises(WarningError, match="inside of another alert"):
        read_alerts(envelope.format(BODY.replace("</alert>", hidden)).encode())


def test_the_content_is_the_same_alone_and_in_a_feed() -> None:
    alone, in_feed, other = (
        import_alerts(xml.encode(), now=WHEN)[0] for xml in (BODY, ATOM.format(BODY), BODY.replace("橙色", "红色"))
    )
    assert alone.xml != in_feed.xml
    assert alone.content == in_feed.content != other.content
