"""The life of a draft: raise, hold, release, update, renew; hail and two-dimensional data; what never happens."""

import json
import math
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warning.scene import NATIONAL, WHEN, by_id, chance, region, storm, tables
from wxcore.errors import WarningError
from wxcore.warning.cap import cap_xml
from wxcore.warning.cap_read import parse_cap
from wxcore.warning.cap_rules import validate
from wxcore.warning.draft import draft, is_new, urgency
from wxcore.warning.level import rulebook
from wxcore.warning.model import from_dict, to_dict

STILL = {"u_m_s": 0.0, "v_m_s": 0.0}
STEP = timedelta(minutes=6)


def run(storms, chances, at=0, previous=(), place=None, **more):
    return draft(*tables(storms, chances), place or region(), when=WHEN + at * STEP, previous=previous, **more)


def hail(p, at=0, previous=(), lon=105.5, **more):
    """One still storm over the district at `lon` with a probability of hail."""
    return run([storm(lon=lon, **STILL)], [chance("s1", "hail", p)], at, previous, **more)


def test_an_alert_says_who_what_where_when():
    (warning,) = hail(0.72)
    assert warning.id == "wx-testland-20250609T1042Z-hail-orange-1"
    assert (warning.msg_type, warning.references, warning.status) == ("Alert", (), "Test")
    assert warning.adcodes == ("500101",)
    assert warning.sent == warning.effective == WHEN
    assert warning.expires == WHEN + timedelta(hours=6)
    assert (warning.severity, warning.event_code, warning.p) == ("Severe", "11B15", 0.72)
    assert (warning.urgency, warning.certainty) == ("Immediate", "Likely")
    assert warning.polygons


def test_urgency_is_that_of_the_first_arrival_that_can_be_told():
    (place,) = hail(0.72)[0].districts
    soon, later = replace(place, eta_min=14.9), replace(place, eta_min=40.0)
    assert urgency([later, soon]) == "Immediate"
    assert [urgency([later], age) for age in (0.0, 25.0, 25.1, 50.0)] == [
        "Expected",
        "Expected",
        "Immediate",
        "Immediate",
    ]
    assert urgency([replace(soon, arrival="held"), replace(soon, arrival="possible")]) == "Expected"


def test_a_region_without_rules_drafts_nothing():
    found = run([storm()], [chance("s1", "hail", 0.9)], place=replace(region(), rules={}))
    assert found == []


def test_the_same_input_drafts_the_same_and_its_own_output_is_no_history():
    first = hail(0.72)
    assert hail(0.72) == first
    assert hail(0.72, previous=first) == first


def test_nothing_new_when_nothing_changed():
    first = hail(0.72)
    second = hail(0.70, 1, first)
    assert [w.id for w in second] == [w.id for w in first]
    assert not is_new(second[0], WHEN + STEP)
    assert cap_xml(second[0]) == cap_xml(first[0])


def test_between_the_thresholds_nothing_is_raised_but_what_is_stands():
    assert hail(0.30) == []
    first = hail(0.72)
    second = hail(0.30, 1, first)
    assert second[0].districts[0].below_runs == 0


def test_a_place_is_released_after_two_runs_below_and_thirty_minutes():
    west, east = storm("w", 105.5, **STILL), storm("e", 107.5, **STILL)
    live = run([west, east], [chance("w", "hail", 0.7), chance("e", "hail", 0.7)])
    assert live[0].adcodes == ("500101", "500103")
    seen = []
    for at in range(1, 8):
        live = run([west, east], [chance("w", "hail", 0.7), chance("e", "hail", 0.1)], at, live)
        seen.append(live[0].adcodes)
    assert seen[:4] == [("500101", "500103")] * 4  # 6 to 24 min: minimal life
    assert seen[4:] == [("500101",)] * 3  # from 30 min
    assert live[0].msg_type == "Update"
    assert "解除丙区冰雹预警" in live[0].description_zh


def test_one_run_below_is_forgiven():
    live = hail(0.7)
    for at in range(1, 8):
        live = hail(0.1 if at % 2 else 0.3, at, live)
    assert live[0].serial == 1
    assert live[0].districts[0].below_runs == 1


def test_a_warning_without_storms_stands_until_it_expires():
    live = hail(0.7)
    first = live[0].id
    for at in range(1, 60):
        live = run([], [], at, live)
        assert [w.id for w in live] == [first]
    assert run([], [], 60, live) == []


def test_missing_probability_neither_raises_nor_releases():
    assert hail(math.nan) == []
    live = hail(0.7)
    for at in range(1, 12):
        live = hail(math.nan, at, live)
    assert live[0].districts[0].below_runs == 0
    assert live[0].serial == 1


def test_a_new_district_makes_an_update_that_refers_to_the_alert():
    first = hail(0.7)
    storms = [storm(**STILL), storm("s2", 106.5, **STILL)]
    (second,) = run(storms, [chance("s1", "hail", 0.7), chance("s2", "hail", 0.5)], 1, first)
    assert second.msg_type == "Update"
    assert second.adcodes == ("500101", "500102")
    assert [ref.identifier for ref in second.references] == [first[0].id]
    assert "新增乙区" in second.description_zh
    assert "added District 2" in second.description_en


def test_references_hold_the_whole_chain_that_has_not_run_out():
    live = hail(0.7)
    messages = list(live)
    for at, lon in ((1, 106.5), (2, 107.5)):
        live = hail(0.7, at, live, lon=lon)
        messages += live
    assert [ref.identifier for ref in live[0].references] == [message.id for message in messages[:-1]]
    known = [parse_cap(cap_xml(message)) for message in messages[:-1]]
    validate(cap_xml(live[0]), region().grid.bounds, known)
    short = replace(live[0], references=live[0].references[1:])
    with pytest.raises(WarningError, match="has not expired and is not listed"):
        validate(cap_xml(short), region().grid.bounds, known)


def test_a_raised_level_supersedes_the_lower_one():
    first = hail(0.7)
    (red,) = hail(0.95, 1, first)
    assert (red.level, red.msg_type) == ("red", "Update")
    assert [ref.identifier for ref in red.references] == [first[0].id]
    assert "将甲区冰雹橙色预警信号升级为红色" in red.description_zh
    assert "District 1 raised from orange to red" in red.description_en


def test_a_district_appears_only_in_its_highest_level():
    storms = [storm(**STILL), storm("s2", 106.5, **STILL)]
    live = run(storms, [chance("s1", "hail", 0.95), chance("s2", "hail", 0.5)])
    assert {w.level: w.adcodes for w in live} == {"red": ("500101",), "orange": ("500102",)}


def test_a_falling_level_is_lowered_by_an_update():
    live = hail(0.95)
    for at in range(1, 6):
        live = hail(0.44, at, live)
    assert [(w.level, w.msg_type) for w in live] == [("orange", "Update")]
    assert "变化：将甲区冰雹红色预警信号降级为橙色" in live[0].description_zh


def test_a_supported_warning_is_renewed_before_it_runs_out():
    book = replace(rulebook(NATIONAL), redraft=timedelta(days=1))
    live = hail(0.95)  # red: two hours, renewed 12 min before
    for at in range(1, 18):
        live = hail(0.95, at, live, book=book)
        assert live[0].serial == 1
    live = hail(0.95, 18, live, book=book)
    assert (live[0].serial, live[0].msg_type) == (2, "Update")
    assert live[0].expires == WHEN + 18 * STEP + timedelta(hours=2)
    assert "有效时间延长" in live[0].description_zh


def test_while_a_threat_stands_something_can_always_be_released():
    book = rulebook(NATIONAL)
    live = hail(0.9)
    for at in range(1, 30):
        live = hail(0.9, at, live)
        (red,) = live
        age = WHEN + at * STEP - red.cycle  # a draft older than horizon_min is not released
        assert age < timedelta(minutes=book.horizon_min)
        assert red.serial == 1 + at // 8  # drafted again every 48 min
    assert red.cycle == red.sent == WHEN + 24 * STEP
    assert red.expires == red.cycle + timedelta(hours=2)
    assert [ref.sent for ref in red.references] == [WHEN + 8 * n * STEP for n in (1, 2)]  # the first has run out
    assert red.districts[0].arrival == "timed"


def test_what_nothing_supports_is_not_drafted_again():
    west, east = storm("w", 105.5, **STILL), storm("e", 107.5, **STILL)
    live = run([west, east], [chance("w", "hail", 0.7), chance("e", "thunderstorm", 0.4)])
    for at in range(1, 12):
        live = run([east], [chance("e", "thunderstorm", 0.4)], at, live)
    assert {w.hazard: w.serial for w in live} == {"hail": 1, "thunderstorm": 2}


def test_hail_is_never_drafted_from_a_composite():
    chances = [chance("s1", "hail", 0.99), chance("s1", "thunderstorm", 0.6)]
    live = run([storm(mesh_mm=math.nan, **STILL)], chances, data_kind="composite")
    assert [w.hazard for w in live] == ["thunderstorm"]
    assert "仅有二维拼图资料，未评估冰雹" in live[0].description_zh
    assert "2-D only" in live[0].description_en


def test_a_composite_does_not_release_hail_either():
    live = hail(0.7)
    for at in range(1, 12):
        live = run([], [], at, live, data_kind="composite")
    assert [(w.hazard, w.serial) for w in live] == [("hail", 1)]


def test_only_the_storms_that_reach_the_level_speak_for_it():
    storms = [storm("strong", 105.8, u_m_s=10.0, v_m_s=0.0), storm("weak", 106.2, max_dbz=40.0, **STILL)]
    (warning,) = run(storms, [chance("strong", "hail", 0.7), chance("weak", "hail", 0.1)])
    assert warning.storm_ids == ("strong",)
    arrival = {place.adcode: place.eta_min for place in warning.districts}
    assert arrival["500101"] == 0
    assert arrival["500102"] == 25


def test_the_shortest_lead_windows_decide_at_each_place():
    windows = [chance("s1", "hail", 0.8), chance("s1", "hail", 0.8, 0, 30), chance("s1", "hail", 0.2, 30, 60)]
    (warning,) = run([storm(lon=105.55, u_m_s=10.0, v_m_s=0.0)], windows)
    assert warning.adcodes == ("500101",)  # district 2 is reached after 30 min, at p = 0.2


@pytest.mark.parametrize(("late", "reached"), [(0.2, ("500101",)), (0.95, ("500101", "500102"))])
def test_a_part_of_the_hour_speaks_before_the_hour(late, reached):
    """District 2 is reached after 30 min, and the storm stays: of 0-15, 15-30, 30-60 and 0-60 only 30-60 decides."""
    windows = [
        chance("s1", "hail", 0.8), chance("s1", "hail", 0.8, 0, 15), chance("s1", "hail", 0.8, 15, 30),
        chance("s1", "hail", late, 30, 60),
    ]  # fmt: skip
    warnings = run([storm(lon=105.55, u_m_s=10.0, v_m_s=0.0)], windows)
    assert sorted(adcode for warning in warnings for adcode in warning.adcodes) == list(reached)


def test_a_longer_part_is_not_silenced_by_a_shorter_one_beside_it():
    """A place where the storm is from now on, by a model that expects hail late."""
    windows = [
        chance("s1", "hail", 0.7), chance("s1", "hail", 0.0, 0, 15), chance("s1", "hail", 0.0, 15, 30),
        chance("s1", "hail", 0.7, 30, 60),
    ]  # fmt: skip
    (warning,) = run([storm(lon=105.5, **STILL)], windows)
    assert warning.adcodes == ("500101",)


def test_simulated_data_say_so_everywhere():
    (warning,) = hail(0.7, truth="SYN")
    assert warning.id.startswith("wx-syn-")
    assert warning.headline_zh.startswith("【模拟】")
    assert warning.headline_en.startswith("SIMULATED")
    assert warning.description_zh.startswith("模拟资料")
    assert b"SIMULATED" in cap_xml(warning)


def test_json_round_trip():
    (warning,) = hail(0.7, degraded=[("one radar missing", "缺少一部雷达"), "x"])
    assert warning.degraded == ("one radar missing", "x")
    assert "缺少一部雷达" in warning.description_zh
    assert from_dict(json.loads(json.dumps(to_dict(warning)))) == warning


@pytest.mark.parametrize("part", ["districts", "references"])
def test_a_record_of_another_version_is_refused_with_the_fields_named(part):
    (warning,) = hail(0.7, 1, hail(0.7), lon=106.5)
    data = to_dict(warning)
    data[part][0] = {"older": 1} | {key: value for key, value in data[part][0].items() if key not in ("since", "sent")}
    with pytest.raises(WarningError, match=rf"{part}: (since|sent): missing[\s\S]*{part}: older: unknown"):
        from_dict(data)


def test_nothing_can_be_actual():
    (warning,) = hail(0.7)
    with pytest.raises(WarningError, match="Actual"):
        replace(warning, status="Actual")
    with pytest.raises(WarningError, match="Actual"):
        from_dict({**to_dict(warning), "status": "Actual"})


def test_without_districts_the_storm_itself_is_the_place():
    (warning,) = hail(0.7, place=region(districts=False))
    assert warning.adcodes == ()
    assert warning.districts[0].name_en == "49 km W of Z9999"
    validate(cap_xml(warning), region().grid.bounds)


storms_drawn = st.lists(
    st.tuples(
        st.floats(105.1, 107.8), st.floats(28.1, 30.3), st.floats(-25, 25) | st.just(math.nan),
        st.floats(-25, 25), st.floats(0.01, 0.25), st.floats(0, 1) | st.just(math.nan), st.floats(0, 90),
    ),
    max_size=4,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(storms_drawn, min_size=1, max_size=4), st.sampled_from(["volume", "composite"]), st.booleans())
def test_whatever_is_drafted_is_valid_and_each_place_has_one_level(runs, kind, districts):
    place, live, known = region(districts=districts), [], []
    for at, drawn in enumerate(runs):
        storms, chances = [], []
        for n, (lon, lat, u, v, radius, p, mesh) in enumerate(drawn):
            storms.append(storm(f"s{n}", lon, lat, radius=radius, u_m_s=u, v_m_s=v, mesh_mm=mesh))
            chances += [chance(f"s{n}", hazard, p) for hazard in ("hail", "thunderstorm", "gale")]
        when = WHEN + at * STEP
        live = draft(*tables(storms, chances), place, when=when, previous=live, data_kind=kind)
        new = [warning for warning in live if is_new(warning, when)]
        for warning in new:
            validate(cap_xml(warning), place.grid.bounds, known)
            assert warning.status == "Test"
            assert from_dict(json.loads(json.dumps(to_dict(warning)))) == warning
        known += [parse_cap(cap_xml(warning)) for warning in new]
        assert kind == "volume" or all(warning.hazard != "hail" for warning in live)
        for hazard in ("hail", "thunderstorm", "gale"):
            fresh = [key for w in new if w.hazard == hazard for key in (p.key for p in w.districts)]
            assert len(fresh) == len(set(fresh))
        assert len(by_id(live)) == len(live)
