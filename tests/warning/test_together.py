"""Several hazards at one place: who leads, and what each message says of the others."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.warning.scene import NATIONAL, WHEN, by_id, chance, region, storm, tables
from wxcore.errors import TimeError
from wxcore.warning.draft import draft
from wxcore.warning.level import rulebook
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


def test_whoever_is_alone_at_a_place_leads_there():
    live = run([("w", "hail", 0.5), ("w", "thunderstorm", 0.4), ("m", "thunderstorm", 0.4)], names="wm")
    lightning = live["thunderstorm", "yellow"]
    assert lightning.adcodes == ("500101", "500102")
    assert lightning.leads
    assert also(lightning) == [("hail", "orange")]


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
