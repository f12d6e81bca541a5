"""CAP: our schema against the OASIS one, round trip, what we emit, hostile input."""

import random
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from tests.conftest import DATA
from tests.warning.scene import WHEN, chance, region, storm, tables
from wxcore.errors import WarningError
from wxcore.warning.cap import cap_time, cap_xml, emit_cap, to_alert
from wxcore.warning.cap_model import NAMESPACES
from wxcore.warning.cap_read import MAX_CAP_BYTES, parse_alert, parse_cap, read_xml, schema_faults, version_of
from wxcore.warning.draft import draft

OASIS = {"1.0": "cap10.xsd", "1.1": "cap11.xsd", "1.2": "CAP-v1.2.xsd"}
MUTANTS_PER_MESSAGE = 60
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]>&amp;",
    "a & b < c",
    "'; DROP TABLE w;--",
]


def example():
    chances = [chance("s1", "hail", 0.72), chance("s1", "thunderstorm", 0.5)]
    return draft(*tables([storm()], chances), region(), when=WHEN)[0]


@cache
def oasis(version):
    return etree.XMLSchema(etree.parse(str(DATA / "cap/xsd" / OASIS[version])))


def corpus() -> list[tuple[str, bytes]]:
    """Every alert element of the public messages (inside feeds and envelopes too), each as a document of its own."""
    found = []
    folders = [DATA / "cap/google-cap-library", DATA / "cap/ibm-cap"]
    for path in sorted(path for folder in folders for path in folder.glob("*") if path.suffix not in {".txt", ".pem"}):
        if path.stem == "xee":  # DOCTYPE: see TestHostile
            continue
        root = read_xml(path.read_bytes())
        for namespace in NAMESPACES.values():
            for n, alert in enumerate(root.iter(f"{{{namespace}}}alert")):
                found.append((f"{path.name}#{n}", etree.tostring(alert, with_tail=False)))
    return found


def oasis_says(root) -> bool:
    return oasis(version_of(root)).validate(root)


class TestAgainstOasis:
    def test_same_verdict_on_the_corpus(self, data: Path) -> None:
        messages = corpus()
        verdicts = {name: oasis_says(etree.fromstring(xml)) for name, xml in messages}
        ours = {name: not schema_faults(etree.fromstring(xml)) for name, xml in messages}
        assert ours == verdicts
        assert len(verdicts) == 43
        assert sum(verdicts.values()) == 37

    def test_same_verdict_on_mutants(self, data: Path) -> None:
        chooser = random.Random(20250609)
        refused = taken = 0
        for name, xml in [*corpus(), ("ours", cap_xml(example()))]:
            root = etree.fromstring(xml)
            for _ in range(MUTANTS_PER_MESSAGE):
                mutant = mutate(root, chooser)
                verdict = oasis_says(mutant)
                assert (not schema_faults(mutant)) == verdict, f"{name}: {etree.tostring(mutant)[:2000]!r}"
                refused += not verdict
                taken += verdict
        assert refused > 1000
        assert taken > 300

    def test_the_three_public_schemas_agree_that_ours_is_valid(self, data: Path) -> None:
        root = etree.fromstring(cap_xml(example()))
        for name in ("CAP-v1.2.xsd", "CAP-v1.2-schema.xsd", "cap12.xsd", "cap12_extended.xsd"):
            schema = etree.XMLSchema(etree.parse(str(data / "cap/xsd" / name)))
            assert schema.validate(root), f"{name}: {schema.error_log}"


TEXTS = (
    "", " ", "x", "0", "-1", "1.5", "Actual", "Draft", "Alert", "Public", "Met", "CBRNE", "Avoid", "AllClear", "None",
    "Observed", "Very Likely", "Likely", "Unknown", "Past", "Extreme", "en-US", "zh", "123456789-toolong",
    "2025-06-09T18:42:00+08:00", "2025-06-09T18:42:00Z", "2025-06-09T18:42:00.5+08:00", "2025-06-09T18:42:00",
    "2025-06-09T18:42:60+08:00", "2025-13-09T18:42:00+08:00", "2025-06-09T24:00:00-00:00", "2025-06-09T18:42:00,08:00",
    "2025-06-09T18:42:00+15:00", " 2025-06-09T18:42:00-05:00 ", "not a uri %%", "12 13", "1e3",
)  # fmt: skip


def mutate(root, chooser):
    """A copy with one to three changes: an element dropped, doubled, moved, renamed, emptied, or another text."""
    mutant = deepcopy(root)
    for _ in range(chooser.randint(1, 3)):
        element = chooser.choice([e for e in mutant.iter(etree.Element) if e is not mutant] or [mutant])
        parent = element.getparent()
        act = chooser.choice(["drop", "double", "move", "rename", "text", "text", "text", "attribute", "child"])
        if parent is None:
            continue
        if act == "drop":
            parent.remove(element)
        elif act == "double":
            element.addnext(deepcopy(element))
        elif act == "move":
            parent.insert(chooser.randrange(len(parent) + 1), element)
        elif act == "rename":
            element.tag = chooser.choice([e.tag for e in root.iter(etree.Element)])
        elif act == "text":
            element.text = chooser.choice(TEXTS)
        elif act == "attribute":
            element.set("odd", "1")
        else:
            etree.SubElement(element, chooser.choice([e.tag for e in root.iter(etree.Element)])).text = "x"
    return mutant


class TestRoundTrip:
    def test_every_valid_message_of_the_corpus(self, data: Path) -> None:
        count = 0
        for name, xml in corpus():
            root = etree.fromstring(xml)
            if schema_faults(root):
                continue
            alert = parse_alert(root)
            again = emit_cap(alert)
            assert parse_cap(again) == alert, name
            assert leaves(etree.fromstring(again)) == leaves(root), name
            count += 1
        assert count == 37

    def test_ours(self) -> None:
        alert = to_alert(example())
        assert parse_cap(emit_cap(alert)) == alert

    def test_the_same_warning_gives_the_same_bytes(self) -> None:
        assert cap_xml(example()) == cap_xml(example())

    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_markup_in_names_stays_text(self, payload: str) -> None:
        warning = replace(example(), headline_zh=payload, sender_name_zh=payload)
        xml = cap_xml(warning)
        assert b"<script" not in xml
        assert b"<img" not in xml
        assert parse_cap(xml).infos[0].headline == payload


def leaves(root) -> list[tuple[str, str]]:
    """(tag, text) of every element with text, in order; an independent account of what a message says."""
    return [
        (str(element.tag), " ".join(element.text.split()))
        for element in root.iter(etree.Element)
        if element.text and element.text.strip()
    ]


class TestEmit:
    def test_languages_codes_and_times(self) -> None:
        warning = example()
        alert = to_alert(warning)
        assert [info.language for info in alert.infos] == ["zh-CN", "en-US"]
        assert alert.sent == "2025-06-09T18:42:00+08:00"
        zh, en = alert.infos
        assert (zh.event, en.event) == ("冰雹", "Hail")
        assert [(c.name, c.value) for c in zh.event_codes] == [("cn.eventType", "11B15")]
        values = {p.name: p.value for p in zh.parameters}
        assert (values["cn.colour"], values["cn.level"], values["probability"]) == ("Orange", "II", "0.72")
        codes = {(c.name, c.value) for c in zh.areas[0].geocodes}
        assert {("adcode", "500101"), ("cn.geocode", "500101000000")} <= codes
        lat, lon = zh.areas[0].polygons[0].split()[0].split(",")
        assert (28 < float(lat) < 31, 104 < float(lon) < 108) == (True, True)

    def test_status_is_test_and_the_text_says_draft(self) -> None:
        alert = to_alert(example())
        assert alert.status == "Test"
        assert "草稿" in alert.infos[0].headline
        assert "DRAFT" in alert.infos[1].headline

    def test_a_cancel_asks_for_nothing(self) -> None:
        warning = example()
        cancel = replace(warning, msg_type="Cancel", references=(warning.reference,))
        info = to_alert(cancel).infos[0]
        assert (info.responses, info.urgency) == (("None",), "Past")

    def test_time_form(self) -> None:
        assert cap_time(WHEN.replace(microsecond=999_999)) == "2025-06-09T18:42:00+08:00"
        assert cap_time(WHEN, 0) == "2025-06-09T10:42:00+00:00"


class TestHostile:
    def test_the_xee_messages_are_refused(self, data: Path) -> None:
        for name in ("xee.cap", "xee.atom"):
            with pytest.raises(WarningError, match="DOCTYPE"):
                parse_cap((data / "cap/google-cap-library" / name).read_bytes())

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-7"])
    def test_no_file_is_read_in_any_encoding(self, tmp_path: Path, encoding: str) -> None:
        secret = tmp_path / "secret"
        secret.write_text("swordfish")
        text = (
            f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE alert [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
            f'<alert xmlns="{NAMESPACES["1.2"]}"><identifier>&x;</identifier></alert>'
        )
        with pytest.raises(WarningError) as caught:
            parse_cap(text.encode(encoding))
        assert "swordfish" not in str(caught.value)

    def test_billion_laughs(self) -> None:
        rows = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
        bomb = f'<!DOCTYPE a [<!ENTITY l0 "ha">{rows}]><a>&l9;</a>'
        with pytest.raises(WarningError, match="DOCTYPE"):
            parse_cap(bomb.encode())

    def test_xinclude_is_not_followed(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("swordfish")
        hook = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text" href="{secret.as_uri()}"/>'
        xml = cap_xml(example()).replace(b"<scope>", hook.encode() + b"<scope>")
        with pytest.raises(WarningError) as caught:
            parse_cap(xml)
        assert "swordfish" not in str(caught.value)

    @pytest.mark.parametrize("xml", [b"", b"\x00", b"not xml", b"<alert>", b"<alert/>", b"<a xmlns='urn:x'/>"])
    def test_other_things_are_refused(self, xml: bytes) -> None:
        with pytest.raises(WarningError):
            parse_cap(xml)

    def test_too_large(self) -> None:
        with pytest.raises(WarningError, match="bytes"):
            parse_cap(b" " * (MAX_CAP_BYTES + 1))

    def test_faults_name_line_and_element(self, data: Path) -> None:
        xml = (data / "cap/google-cap-library/invalid.cap").read_bytes()
        with pytest.raises(WarningError, match=r"line 9: Element 'info'"):
            parse_cap(xml)
