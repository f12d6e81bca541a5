"""Several hazards at one place: who leads, and what each message says of the others."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.warning.scene import NATIONAL, WHEN, by_id, chance, region, storm, tables
from wxcore.errors import TimeError
from wxcore.warning.draft import draft
from wxcore.warning.level import rulebook
from wxcore.warning.model import Also
from wxcore.warning.together import beside, together

STEP = timedelta(minutes=6)
BOOK = rulebook(NATIONAL)
LON = {"w": 105.5, "m": 106.5}


def run(chances, at=0, previous=(), names="w"):
    storms = [storm(name, LON[name], u_m_s=0.0, v_m_s=0.0) for name in names]
    live = draft(*tables(storms, [chance(*one) for one in chances]), region(), when=WHEN + at * STEP, previous=previous)
    return by_id(live)


def also(warning):
    return [(other.hazard, other.level) for other in warning.also]


def test_of_one_level_hail_leads_and_all_name_the_others():
    live = run([("w", "hail", 0.5), ("w", "thunderstorm", 0.8), ("w", "gale", 0.5)])
    hail, lightning, gale = (live[key] for key in (("hail", "orange"), ("thunderstorm", "orange"), ("gale", "blue")))
    assert (hail.leads, lightning.leads, gale.leads) == (True, False, False)
    assert also(hail) == [("thunderstorm", "orange"), ("gale", "blue")]
    assert also(gale) == [("hail", "orange"), ("thunderstorm", "orange")]
    assert "多灾种并存：同时注意雷电橙色、大风蓝色预警，以冰雹为主。" in hail.description_zh
    assert "多灾种并存：以冰雹橙色预警为主，同时注意雷电橙色预警。" in gale.description_zh
    assert "多灾种并存：以冰雹橙色预警为主，同时注意大风蓝色预警。" in lightning.description_zh
    assert "Several hazards: hail (orange) leads; beware of lightning (orange) too." in gale.description_en
    assert "Several hazards: beware of lightning (orange), gale (blue) too; hail leads." in hail.description_en


def test_the_level_comes_before_the_kind():
    live = run([("w", "hail", 0.5), ("w", "thunderstorm", 0.8)])
    red = replace(live["thunderstorm", "orange"], level="red")
    assert not beside(live["hail", "orange"], [red], BOOK).leads


def test_who_leads_is_told_of_the_places_where_both_are():
    live = run([("w", "hail", 0.95), ("w", "gale", 0.95), ("m", "gale", 0.95)], names="wm")
    hail, gale = live["hail", "red"], live["gale", "blue"]
    assert gale.adcodes == ("500101", "500102")
    assert (hail.leads, gale.leads) == (True, False)
    assert hail.also == (Also("gale", "blue", "大风", "Gale"),)  # at all places of the hail
    assert gale.also == (Also("hail", "red", "冰雹", "Hail", (("甲区", "District 1"),)),)
    assert "\n多灾种并存：同时注意大风蓝色预警，以冰雹为主。\n" in hail.description_zh
    assert "\n多灾种并存：甲区同时有冰雹红色预警，以冰雹为主。\n" in gale.description_zh
    assert "\nSeveral hazards: beware of gale (blue) too; hail leads.\n" in hail.description_en
    assert "\nSeveral hazards: in District 1 beware of hail (red) too, which leads.\n" in gale.description_en


def test_the_more_harmful_of_a_wider_warning_leads_where_the_other_is():
    live = run([("w", "hail", 0.5), ("m", "hail", 0.5), ("w", "thunderstorm", 0.4)], names="wm")
    hail = live["hail", "orange"]
    assert hail.leads
    assert "多灾种并存：甲区同时有雷电黄色预警，以冰雹为主。" in hail.description_zh
    assert "Several hazards: in District 1 beware of lightning (yellow) too, while hail leads." in hail.description_en


def test_each_place_has_its_own_others():
    chances = [("w", "hail", 0.5), ("w", "thunderstorm", 0.4), ("m", "thunderstorm", 0.4)]
    gale = run([*chances, ("w", "gale", 0.4), ("m", "gale", 0.4)], names="wm")["gale", "blue"]
    assert [other.places for other in gale.also] == [(("甲区", "District 1"),), ()]
    assert "多灾种并存：甲区同时有冰雹橙色、雷电黄色预警，以冰雹为主；乙区同时有雷电黄色预警，以雷电为主。" in (
        gale.description_zh
    )
    assert (
        "Several hazards: in District 1 beware of hail (orange) too, which leads, and of lightning (yellow); "
        "in District 2 beware of lightning (yellow) too, which leads."
    ) in gale.description_en


def test_two_messages_of_one_level_are_one_hazard_at_both_their_places():
    live = run([("w", "hail", 0.5), ("w", "thunderstorm", 0.4), ("m", "thunderstorm", 0.4)], names="wm")
    west, lightning = live["hail", "orange"], live["thunderstorm", "yellow"]
    east = replace(west, id="east", districts=(lightning.districts[1],))
    assert beside(lightning, [west, east], BOOK).also == (Also("hail", "orange", "冰雹", "Hail"),)


def test_places_apart_know_nothing_of_each_other():
    live = run([("w", "hail", 0.5), ("m", "thunderstorm", 0.4)], names="wm")
    assert all(not warning.also and warning.leads for warning in live.values())
    assert all("多灾种" not in warning.description_zh for warning in live.values())


def test_a_standing_message_is_named_and_stays_as_it_was():
    first = run([("w", "thunderstorm", 0.4)])
    both = run([("w", "thunderstorm", 0.4), ("w", "hail", 0.5)], 1, list(first.values()))
    assert both["thunderstorm", "yellow"] == first["thunderstorm", "yellow"]
    assert also(both["hail", "orange"]) == [("thunderstorm", "yellow")]
    assert both["hail", "orange"].leads


def test_cancelled_and_naive():
    live = list(run([("w", "hail", 0.5), ("w", "thunderstorm", 0.4)]).values())
    gone = [replace(warning, msg_type="Cancel") for warning in live]
    assert beside(live[0], gone, BOOK).also == ()
    hail, lightning = live
    lone = beside(lightning, [hail], BOOK)
    assert "多灾种并存：以冰雹橙色预警为主。" in lone.description_zh
    assert "Several hazards: hail (orange) leads.\n" in lone.description_en
    newer = replace(hail, id="newer", level="red", references=(hail.reference,))
    assert also(beside(lightning, [hail, newer], BOOK)) == [("hail", "red")]
    cancel = replace(hail, id="cancel", msg_type="Cancel", references=(hail.reference,))
    assert beside(lightning, [hail, cancel], BOOK).also == ()
    with pytest.raises(TimeError):
        together(live, BOOK, when=WHEN.replace(tzinfo=None))


def test_of_two_hazards_that_the_order_does_not_know_both_lead():
    new = {"hail": "fog", "thunderstorm": "dust"}
    book = replace(BOOK, signals=tuple(replace(one, hazard=new.get(one.hazard, one.hazard)) for one in BOOK.signals))
    live = run([("w", "hail", 0.5), ("w", "thunderstorm", 0.8)])
    fog, dust = (replace(live[key, "orange"], hazard=new[key]) for key in ("hail", "thunderstorm"))
    for one, other in ((fog, dust), (dust, fog)):
        told = beside(one, [one, other], book)
        assert told.leads
        assert f"多灾种并存：同时注意{other.event_zh}橙色预警，以{one.event_zh}为主。" in told.description_zh
        lines = f"beware of {other.event_en.lower()} (orange) too; {one.event_en.lower()} leads."
        assert f"Several hazards: {lines}" in told.description_en
