"""What a new message says against the ones before: places that come again, change level, or are only held over."""

import math
from datetime import timedelta

from tests.warning.scene import WHEN, by_id, chance, region, storm, tables
from wxcore.warning.cap import cap_xml, to_alert
from wxcore.warning.cap_rules import validate
from wxcore.warning.draft import draft, is_new
from wxcore.warning.model import Warning

STEP = timedelta(minutes=6)
STILL = {"u_m_s": 0.0, "v_m_s": 0.0}
LON = {"w": 105.5, "m": 106.5, "e": 107.5}


def run(at: int, previous: list[Warning], hazard: str = "hail", **p: float) -> list[Warning]:
    """Still storms w, m, e over districts 1, 2, 3 with the probabilities given."""
    storms = [storm(name, LON[name], **STILL) for name in p]
    rows = [chance(name, hazard, value) for name, value in p.items()]
    live = draft(*tables(storms, rows), region(), when=WHEN + at * STEP, previous=previous)
    for warning in live:
        if is_new(warning, WHEN + at * STEP):
            validate(cap_xml(warning), region().grid.bounds)
    return live


def arrivals(warning: Warning) -> set[str]:
    values = {value.name for value in to_alert(warning).infos[0].parameters}
    return {name.removeprefix("arrival.") for name in values if name.startswith("arrival.")}


def test_a_released_place_that_is_reached_again_gets_a_new_message():
    live = run(0, [], w=0.7)
    first = live[0].id
    for at in range(1, 20):
        live = run(at, live)
        assert [warning.id for warning in live] == [first]
    (again,) = run(20, live, w=0.7)
    assert (again.msg_type, again.sent) == ("Update", WHEN + 20 * STEP)
    assert [ref.identifier for ref in again.references] == [first]
    assert again.districts[0].since == WHEN + 20 * STEP
    assert again.districts[0].below_runs == 0
    assert "新增甲区" in again.description_zh
    assert "added District 1" in again.description_en
    assert [warning.id for warning in run(21, [again], w=0.7)] == [again.id]


def test_a_released_place_must_reach_the_upper_threshold_again():
    live = run(0, [], w=0.7)
    for at in range(1, 8):
        live = run(at, live)
    live = run(8, live, w=0.3)
    assert (live[0].serial, live[0].districts[0].below_runs) == (1, 2)


def test_a_storm_back_within_the_minimal_life_makes_no_message():
    live = run(0, [], w=0.7)
    for at in range(1, 5):
        live = run(at, live)
    live = run(5, live, w=0.7)
    assert (live[0].serial, live[0].districts[0].below_runs) == (1, 0)


def test_a_released_place_that_comes_again_at_another_level_says_so():
    live = run(0, [], "thunderstorm", w=0.8)
    for at in range(1, 8):
        live = run(at, live, "thunderstorm")
    (yellow,) = run(8, live, "thunderstorm", w=0.4)
    assert (yellow.level, yellow.msg_type) == ("yellow", "Update")
    assert "变化：将甲区雷电橙色预警信号降级为黄色" in yellow.description_zh
    assert yellow.headline_zh == "【草稿·测试】测试气象台将雷电橙色预警信号降级为黄色[Ⅲ级/较重]"
    assert yellow.headline_en.startswith("DRAFT, TEST - Test Observatory lowers Orange lightning warning to Yellow")


def test_places_held_over_do_not_lend_their_probability():
    live = run(0, [], w=0.5, e=0.85)
    assert (live[0].p, live[0].certainty) == (0.85, "Likely")
    (update,) = run(1, live, w=0.45, m=0.5, e=0.1)
    assert update.adcodes == ("500101", "500102", "500103")
    assert (update.p, update.certainty) == (0.5, "Possible")
    assert {place.adcode: place.arrival for place in update.districts} == {
        "500101": "timed", "500102": "timed", "500103": "held",
    }  # fmt: skip
    assert "甲区（现在起）、乙区（现在起）将出现冰雹。此前预警继续有效：丙区。" in update.description_zh
    assert "Held over, the earlier warning stands: District 3." in update.description_en
    assert arrivals(update) == {"500101", "500102"}
    assert "监测到2个对流单体" in update.description_zh


def test_where_nothing_is_supported_the_old_probability_stands():
    live = run(0, [], w=0.85)
    live = run(4, live, w=0.5, e=0.6)
    for at in (5, 6):
        live = run(at, live)
    (left,) = live
    assert (left.sent, left.adcodes) == (WHEN + 6 * STEP, ("500103",))
    assert (left.p, left.onset, left.urgency) == (0.6, left.sent, "Expected")
    assert arrivals(left) == set()
    assert "现在起" not in left.description_zh
    assert "解除甲区冰雹预警" in left.description_zh
    assert left.polygons


def test_a_district_lowered_into_a_new_message_is_no_new_danger():
    live = run(0, [], "thunderstorm", w=0.8, e=0.8)
    for at in range(1, 6):
        live = run(at, live, "thunderstorm", w=0.4, e=0.8)
    orange, yellow = (by_id(live)["thunderstorm", level] for level in ("orange", "yellow"))
    assert (orange.msg_type, yellow.msg_type) == ("Update", "Alert")
    assert (orange.adcodes, yellow.adcodes) == (("500103",), ("500101",))
    for warning in (orange, yellow):
        assert "变化：将甲区雷电橙色预警信号降级为黄色" in warning.description_zh
        assert "Changed: District 1 lowered from orange to yellow" in warning.description_en
    assert "新发布" not in yellow.description_zh


def test_a_district_lowered_into_a_standing_message_was_not_added_from_nowhere():
    live = run(0, [], "thunderstorm", w=0.8, m=0.4, e=0.8)
    for at in range(1, 6):
        live = run(at, live, "thunderstorm", w=0.4, m=0.4, e=0.8)
    yellow = by_id(live)["thunderstorm", "yellow"]
    assert (yellow.msg_type, yellow.adcodes) == ("Update", ("500101", "500102"))
    assert "将甲区雷电橙色预警信号降级为黄色" in yellow.description_zh
    assert "将" not in yellow.headline_zh  # district 2 was yellow before
    assert "新增" not in yellow.description_zh


def test_a_district_raised_out_of_a_message_that_stands():
    live = run(0, [], "thunderstorm", w=0.4, e=0.4)
    live = run(1, live, "thunderstorm", w=0.8, e=0.4)
    orange, yellow = (by_id(live)["thunderstorm", level] for level in ("orange", "yellow"))
    assert (orange.msg_type, yellow.msg_type) == ("Alert", "Update")
    assert "变化：将甲区雷电黄色预警信号升级为橙色。" in orange.description_zh
    assert "将甲区雷电黄色预警信号升级为橙色" in yellow.description_zh


def test_a_storm_of_unknown_motion_has_no_arrival_time_elsewhere():
    unknown = storm(lon=105.8, u_m_s=math.nan, v_m_s=math.nan, motion_sd_m_s=math.nan)
    rows = tables([unknown], [chance("s1", "thunderstorm", 0.95, 0, 30), chance("s1", "thunderstorm", 0.9, 30, 60)])
    live = by_id(draft(*rows, region(), when=WHEN))
    here, near = live["thunderstorm", "orange"], live["thunderstorm", "yellow"]
    assert (here.adcodes, near.adcodes) == (("500101",), ("500102",))
    assert (here.urgency, arrivals(here)) == ("Immediate", {"500101"})
    assert (near.urgency, arrivals(near), near.onset) == ("Expected", set(), WHEN)
    assert "未来1小时内可能出现雷电（到达时间不定）：乙区。" in near.description_zh
    assert "possible within the hour (no arrival time) in District 2." in near.description_en
    assert "起）" not in near.description_zh


def test_the_texts_speak_of_the_leading_storms_only():
    lead, other = storm("lead", 105.4, max_dbz=50.0, **STILL), storm("other", 105.6, max_dbz=70.0, **STILL)
    weak = chance("other", "hail", 0.26) | {"drivers_zh": ("别的",)}
    (warning,) = draft(*tables([lead, other], [chance("lead", "hail", 0.6), weak]), region(), when=WHEN)
    assert "监测到1个对流单体，最强回波50 dBZ" in warning.description_zh
    assert "1 storm, up to 50 dBZ" in warning.description_en
    assert "别的" not in warning.description_zh
