"""Record -> CAP -> record loses nothing; an edited message is told where it contradicts itself."""

import json
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from lxml import etree

from tests.warning.scene import WHEN
from tests.warning.strategies import examples, warnings
from tests.warning.test_cap import example
from wxcore.errors import WarningError, WxcoreError
from wxcore.warning.cap import cap_xml, to_alert
from wxcore.warning.cap_fields import RECORD
from wxcore.warning.cap_model import NAMESPACES
from wxcore.warning.cap_read import parse_cap, schema_faults
from wxcore.warning.cap_record import warning_from_cap
from wxcore.warning.cap_rules import validate
from wxcore.warning.model import Also, Place, Warning, to_dict
from wxcore.warning.national import national_xml, warning_from_national

BOX = (105.0, 28.0, 110.5, 32.5)


@settings(max_examples=examples(300), deadline=None, suppress_health_check=list(HealthCheck))
@given(warnings())
def test_every_record_is_valid_and_comes_back(warning: Warning) -> None:
    xml = cap_xml(warning)
    validate(xml, BOX)
    assert warning_from_cap(xml) == warning


def test_the_record_parameter_holds_only_what_the_elements_leave_out() -> None:
    warning = replace(example(), p=0.72)
    rest = json.loads(next(p.value for p in to_alert(warning).infos[0].parameters if p.name == RECORD))
    told = {"id", "sender", "sent", "expires", "headline_zh", "description_en", "severity", "level", "polygons", "p"}
    assert not told & set(rest)
    assert {"districts", "cycle", "region", "serial", "change"} <= set(rest)
    exact = replace(warning, p=0.7234)
    assert json.loads(to_alert(exact).infos[0].parameters[-1].value)["p"] == 0.7234
    assert warning_from_cap(cap_xml(exact)).p == 0.7234


def test_an_element_that_stands_alone_is_read_from_the_element() -> None:
    warning = example()
    xml = cap_xml(warning).replace(warning.headline_en.encode(), b"TEST - other words")
    assert warning_from_cap(xml).headline_en == "TEST - other words"


EDITS = {
    "geocode": ("<value>500101</value>", "<value>500102</value>", "value"),
    "area": ("<areaDesc>甲区</areaDesc>", "<areaDesc>乙区</areaDesc>", "areaDesc"),
    "severity of one language": ("<severity>Severe</severity>", "<severity>Minor</severity>", "severity"),
    "probability": ("<value>0.72</value>", "<value>0.99</value>", "value"),
    "note": ("not signed", "signed", "note"),
    "record": ('"name_zh":"甲区"', '"name_zh":"丙区"', "areaDesc"),
    "record, a field the element holds": ('{"region"', '{"certainty":"Unlikely","region"', "certainty"),
}


@pytest.mark.parametrize("name", EDITS)
def test_one_edit_is_a_contradiction(name: str) -> None:
    old, new, element = EDITS[name]
    warning = replace(example(), p=0.7234)
    text = cap_xml(warning).decode()
    assert old in text
    with pytest.raises(WarningError, match=rf"line \d+ <{element}>"):
        warning_from_cap(text.replace(old, new, 1).encode())


@pytest.mark.parametrize("rest", ["", "{", "[]", "null", '{"id":1}', "[" * 100_000, '{"x":NaN}'])
def test_a_damaged_record_is_refused(rest: str) -> None:
    root = etree.fromstring(cap_xml(example()))
    values = {e.getprevious().text: e for e in root.iter(f"{{{NAMESPACES['1.2']}}}value")}
    values[RECORD].text = rest
    with pytest.raises(WarningError):
        warning_from_cap(etree.tostring(root))


MUTANTS = 150


def test_hostile_values_end_in_a_refusal_and_nothing_else() -> None:
    """Right names, wrong types: in both dialects."""
    chooser = random.Random(20250609)
    warning = replace(example(), p=0.7234)
    cap, national = etree.fromstring(cap_xml(warning)), etree.fromstring(national_xml(warning))
    holder = next(e for e in cap.iter(f"{{{NAMESPACES['1.2']}}}value") if (e.text or "").startswith("{"))
    instruction = next(national.iterchildren(etree.ProcessingInstruction))
    odd = (None, 5, -1e308, 1e308, "", "x", [], {}, [[1]], [{}], ["x"], True, "2025-06-09T10:42:00Z", "\x01")
    for read, root, place in (
        (warning_from_cap, cap, holder), (warning_from_national, national, instruction),
    ):  # fmt: skip
        whole = json.loads(place.text)
        refused = 0
        for _ in range(MUTANTS):
            rest = dict(whole)
            for name in chooser.sample(sorted(to_dict(warning)), 2):
                rest[name] = chooser.choice(odd)
            place.text = json.dumps(rest).replace("?", "\\u003f")
            try:
                read(etree.tostring(root))
            except WxcoreError:
                refused += 1
        assert refused > MUTANTS / 2


def test_a_message_of_others_is_refused() -> None:
    root = etree.fromstring(cap_xml(example()))
    for name in list(root.iter(f"{{{NAMESPACES['1.2']}}}valueName")):
        if name.text == RECORD:
            name.getparent().getparent().remove(name.getparent())
    with pytest.raises(WarningError, match="not a message of ours"):
        warning_from_cap(etree.tostring(root))


def test_characters_that_xml_cannot_carry_are_refused() -> None:
    with pytest.raises(WarningError, match="cannot be written"):
        cap_xml(replace(example(), headline_zh="a\x00b"))
    with pytest.raises(WarningError, match="no language"):
        cap_xml(replace(example(), languages=()))


def parameters(warning: Warning) -> dict[str, str]:
    return {pair.name: pair.value for pair in to_alert(warning).infos[0].parameters}


def with_first_place(warning: Warning, **over: object) -> Warning:
    return replace(warning, districts=(replace(warning.districts[0], **over), *warning.districts[1:]))  # type: ignore[arg-type]


class TestWhatMachinesRead:
    def test_departure_towns_and_other_hazards(self) -> None:
        town = Place("500101001000", "子镇", "Zi", "s1", 6.4, 21.6, 0.6, WHEN, "timed")
        warning = replace(example(), towns=(town,), also=(Also("thunderstorm", "yellow", "雷电", "Lightning"),))
        info = to_alert(warning).infos[0]
        values = {p.name: p.value for p in info.parameters}
        assert values["also.thunderstorm"] == "yellow"
        assert values["arrival.500101001000"] == "2025-06-09T18:48:00+08:00"
        assert values["departure.500101001000"] == "2025-06-09T19:04:00+08:00"
        assert "arrival.500101" in values
        assert ("cn.geocode", "500101001000") in {(c.name, c.value) for c in info.areas[0].geocodes}

    def test_a_departure_at_the_horizon_is_not_told(self) -> None:
        """It means: not before it. A machine that lifted the alarm then would be wrong."""
        for end_min, told in ((59.0, True), (60.0, False)):
            warning = with_first_place(example(), end_min=end_min, arrival="timed")
            assert ("departure.500101" in parameters(warning)) == told
            assert warning_from_cap(cap_xml(warning)) == warning

    def test_what_stands_behind_a_place_where_no_storm_does(self) -> None:
        assert not [name for name in parameters(example()) if name.startswith("basis.")]
        for over, basis in (({"arrival": "held"}, "held"), ({"arrival": "possible", "p": 0.0}, "forecaster")):
            warning = with_first_place(example(), **over)
            assert parameters(warning)["basis.500101"] == basis
            assert "arrival.500101" not in parameters(warning)
            assert warning_from_cap(cap_xml(warning)) == warning

    def test_notes(self) -> None:
        draft = example()
        issued = replace(draft, stage="issued")
        assert "not signed" in to_alert(draft).note
        assert to_alert(issued).note.startswith("Test message")
        assert to_alert(replace(issued, status="Exercise")).note.startswith("Exercise message")
        assert to_alert(replace(issued, status="Actual")).note == ""
        assert to_alert(replace(issued, truth="SYN")).note.startswith("SIMULATED DATA")

    def test_a_cancel_comes_back_with_what_it_cancels(self) -> None:
        warning = example()
        sent = WHEN + timedelta(minutes=12)
        cancel = replace(
            warning, id="wx-2", msg_type="Cancel", references=(warning.reference,), stage="issued",
            sent=sent, effective=sent, onset=sent,
        )  # fmt: skip
        xml = cap_xml(cancel)
        validate(xml, BOX, [parse_cap(cap_xml(warning))])
        assert schema_faults(etree.fromstring(xml)) == []
        assert warning_from_cap(xml) == cancel
