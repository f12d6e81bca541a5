"""Rules: the official texts, and which level is reached, kept or out of the machine's reach."""

import math

import pytest

from tests.warning.scene import NATIONAL
from wxcore.errors import RegionError
from wxcore.hazard.gale import GALE_CONSTANTS
from wxcore.region import list_regions, load_region
from wxcore.region.rules import merged
from wxcore.warning.level import highest, keeps, reaches, rulebook

BOOK = rulebook(NATIONAL)
SIGNALS = {signal.hazard: signal for signal in BOOK.signals}


def test_national_colours_and_codes():
    found = {hazard: (s.name_zh, s.event_code, [r.level for r in s.levels]) for hazard, s in SIGNALS.items()}
    assert found == {
        "hail": ("冰雹", "11B15", ["orange", "red"]),
        "thunderstorm": ("雷电", "11B14", ["yellow", "orange", "red"]),
        "gale": ("大风", "11B06", ["blue", "yellow", "orange", "red"]),
    }


@pytest.mark.parametrize(
    ("hazard", "level", "text", "hours"),
    [
        ("hail", "orange", "6小时内可能出现冰雹天气，并可能造成雹灾。", 6),
        ("hail", "red", "2小时内出现冰雹可能性极大，并可能造成重雹灾。", 2),
        ("thunderstorm", "yellow", "6小时内可能发生雷电活动，可能会造成雷电灾害事故。", 6),
        (
            "thunderstorm", "orange",
            "2小时内发生雷电活动的可能性很大，或者已经受雷电活动影响，且可能持续，出现雷电灾害事故的可能性比较大。", 2,
        ),
        (
            "gale", "blue",
            "24小时内可能受大风影响，平均风力可达6级以上，或者阵风7级以上；"
            "或者已经受大风影响，平均风力为6～7级，或者阵风7～8级并可能持续。", 24,
        ),
    ],
)  # fmt: skip
def test_texts_and_validity_of_decree_16(hazard, level, text, hours):
    rule = SIGNALS[hazard].rule(level)
    assert rule.text_zh == text
    assert rule.source_grade == "official"
    assert rule.source.startswith("16号令 附件")
    assert rule.decree == "中国气象局令第16号《气象灾害预警信号发布与传播办法》(2007-06-12)"
    assert rule.validity.total_seconds() == hours * 3600


@pytest.mark.parametrize(
    ("p", "mesh", "level"),
    [(0.39, 44, ""), (0.40, 44, "orange"), (0.89, 44, "orange"), (0.90, 44, "red"), (0.60, 50, "red"),
     (0.60, math.nan, "orange"), (0.59, 80, "orange"), (math.nan, 80, "")],
)  # fmt: skip
def test_hail_ladder(p, mesh, level):
    assert highest(SIGNALS["hail"].levels, p, {"mesh_mm": mesh}) == level


def test_lightning_red_needs_a_measured_flash_rate():
    red = SIGNALS["thunderstorm"].rule("red")
    assert not reaches(red, 0.99, {"max_dbz": 65.0})
    assert not reaches(red, 0.99, {"flash_rate_min": math.nan})
    assert reaches(red, 0.99, {"flash_rate_min": 20.0})


def test_gale_above_blue_is_left_to_the_forecaster_and_blue_is_within_reach():
    assert highest(SIGNALS["gale"].levels, 1.0, {}) == "blue"
    assert highest(SIGNALS["gale"].levels, GALE_CONSTANTS["structure_ceiling"], {}) == "blue"


def test_evidence_may_weaken_before_a_level_is_lost():
    red = SIGNALS["hail"].rule("red")
    assert keeps(red, 0.46, {"mesh_mm": 40.0}, 0.8)
    assert not keeps(red, 0.46, {"mesh_mm": 39.9}, 0.8)
    assert not keeps(red, 0.44, {"mesh_mm": 60.0}, 0.8)


def test_a_bureau_can_switch_to_the_local_gale_ladder():
    over = {"hazards": {"gale": "thunderstorm_gale"}, "signals": {"thunderstorm_gale": {"enabled": True}}}
    gale = {s.hazard: s for s in rulebook(merged(NATIONAL, over)).signals}["gale"]
    assert (gale.name_zh, gale.event_code) == ("雷雨大风", "11B20")
    assert {(rule.source_grade, rule.decree) for rule in gale.levels} == {("local-trial", "")}


def test_every_source_and_the_decree_have_english():
    over = {"signals": {"thunderstorm_gale": {"enabled": True}}, "hazards": {"squall": "thunderstorm_gale"}}
    rules = [rule for signal in rulebook(merged(NATIONAL, over)).signals for rule in signal.levels]
    assert len(rules) == 13
    for rule in rules:
        assert rule.source_en.isascii()
        assert rule.decree_en.isascii()
        assert bool(rule.decree_en) == bool(rule.decree)
    other = {"decree": "某令", "signals": {"hail": {"levels": {"red": {"source": "某标准"}}}}}
    red = rulebook(merged(NATIONAL, other)).signal("hail").rule("red")
    assert (red.source_en, red.decree_en) == ("某标准", "某令")  # no English is known: never that of another one


def test_an_unknown_hazard_or_colour_names_those_that_are_known():
    with pytest.raises(RegionError, match="hail, thunderstorm, gale"):
        BOOK.signal("fog")
    with pytest.raises(RegionError, match=r"no level 'blue'.*orange, red"):
        BOOK.signal("hail").rule("blue")


@pytest.mark.parametrize(
    "over",
    [
        {"hazards": {"gale": "nosuch"}},
        {"signals": {"hail": {"levels": {"purple": {}}}}},
        {"signals": {"hail": {"levels": {"red": {"when": [{"p_up": 0.4, "p_down": 0.5}]}}}}},
        {"drafting": {"hold_runs": "two"}},
    ],
)
def test_broken_rules_are_refused(over):
    with pytest.raises(RegionError, match="national"):
        rulebook(merged(NATIONAL, over))


@pytest.mark.parametrize("name", ["chongqing", "jianghuai", "guizhou", "oklahoma", "canberra"])
def test_every_region_has_usable_rules(name):
    assert name in list_regions()
    book = rulebook(load_region(name).rules)
    assert {signal.hazard for signal in book.signals} == {"hail", "thunderstorm", "gale"}
    assert book.languages[0] == {"oklahoma": "en-US", "canberra": "en-AU"}.get(name, "zh-CN")


def test_event_codes_agree_with_the_table(data):
    table = dict(line.split(",")[:2] for line in (data / "cap/cn/event_codes_11B.csv").read_text().splitlines()[1:])
    for signal in NATIONAL["signals"].values():
        assert table[signal["event_code"]] == signal["name_zh"]
