"""What people read."""

import csv
import json
import math
import re
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warning.scene import NATIONAL, WHEN, chance, region, storm, tables, town
from wxcore.region import load_region
from wxcore.warning.cap_rules import MAX_HEADLINE
from wxcore.warning.draft import draft
from wxcore.warning.level import rulebook
from wxcore.warning.model import ARRIVALS, LEVELS, Change, Move, Observed, Place, from_dict, to_dict
from wxcore.warning.sms import sms
from wxcore.warning.text import render_texts

BOOK = rulebook(NATIONAL)
TIMES = re.compile(
    r"(?:(?:\d+年\d+月)?\d+日)?\d+时\d+分|\d+日\d+:\d+|\d{4}-\d\d-\d\d \d\d:\d\d|\d\d [A-Z][a-z]{2} \d\d:\d\d|\d+:\d\d"
)


def one(hazard="hail", p=0.72, place=None, storms=None, **more):
    rows = storms or [storm(lon=105.8, u_m_s=10.0, v_m_s=0.0)]
    chances = [chance(row["storm_id"], hazard, p) for row in rows]
    return draft(*tables(rows, chances), place or region(), when=WHEN, **more)[0]


@pytest.mark.parametrize(
    ("hazard", "p", "title"),
    [
        ("hail", 0.7, "测试气象台发布冰雹橙色预警[Ⅱ级/严重]"),
        ("hail", 0.95, "测试气象台发布冰雹红色预警[Ⅰ级/特别严重]"),
        ("thunderstorm", 0.4, "测试气象台发布雷电黄色预警[Ⅲ级/较重]"),
        ("gale", 0.36, "测试气象台发布大风蓝色预警[Ⅳ级/一般]"),
    ],
)
def test_title_in_the_official_form_marked_as_a_draft(hazard, p, title):
    warning = one(hazard, p)
    assert warning.headline_zh == f"【草稿·测试】{title}"
    assert len(warning.headline_zh) <= MAX_HEADLINE
    assert len(warning.headline_en) <= MAX_HEADLINE


def test_body_says_now_next_how_sure_why_changed_risk_and_standard():
    warning = one()
    lines = warning.description_zh.split("\n")
    assert lines[0] == "测试气象台2025年6月9日18时42分（北京时）发布冰雹橙色预警信号（草稿，须经预报员签发）。"
    assert [line[:3] for line in lines[1:]] == ["实况：", "预计：", "把握：", "变化：", "风险：", "标准："]
    assert "最强回波58 dBZ" in lines[1]
    assert "向东移动，时速约36公里" in lines[1]
    assert "18时42分至19时42分，甲区（现在起）、乙区（约19时07分起）将出现冰雹。" in lines[2]
    assert "预警有效至10日0时42分" in lines[2]
    assert lines[3] == "把握：概率约70%。依据：MESH 44毫米"
    assert "请注意防范" in lines[5]
    assert "6小时内可能出现冰雹天气，并可能造成雹灾。" in lines[6]
    assert warning.instruction_zh.startswith("1.政府及相关部门")
    assert all(word in warning.description_en for word in ("Now:", "Next:", "How sure:", "Risk:", "BJT"))


def at(warning, minutes, **over):
    sent = WHEN + timedelta(minutes=minutes)
    made = replace(warning, stage="issued", sent=sent, effective=sent, onset=max(sent, warning.onset), **over)
    return render_texts(made, BOOK)


def test_an_analysis_past_its_hour_is_not_told_as_of_now():
    warning = one()  # told as 20时33分至19时42分 once
    added = replace(warning.districts[1], p=0.0, arrival="possible")
    held = replace(warning.districts[0], arrival="held")
    late = at(warning, 111, districts=(held, added), msg_type="Update", change=Change(renewed=True))
    lines = late.description_zh.split("\n")
    assert lines[1] == ("预计：可能出现冰雹（到达时间不定）：乙区。此前预警继续有效：甲区。预警有效至10日0时42分。")
    assert lines[2] == "把握：18时42分分析的最高概率约70%；乙区为预报员添加，无客观概率。依据：MESH 44毫米"
    assert "实况" not in late.description_zh
    assert "Now:" not in late.description_en
    assert "\nNext: Hail possible (no arrival time) in District 2. Held over" in late.description_en
    assert "How sure: up to about 70 % by the analysis of 18:42 BJT; District 2 added by the" in late.description_en
    assert "no objective probability. Why: MESH 44 mm\n" in late.description_en
    assert "预计：19时41分至19时42分，" in at(warning, 59).description_zh
    assert "预计：甲区" in at(warning, 60).description_zh
    next_day = at(warning, 330, expires=WHEN + timedelta(hours=9))  # 0:12 on the 10th
    assert "9日18时42分分析的概率约70%" in next_day.description_zh
    assert "by the analysis of 09 Jun 18:42 BJT" in next_day.description_en


def test_an_analysis_older_than_a_cycle_is_dated():
    warning = one()
    perhaps = replace(warning.districts[1], arrival="possible")
    warning = replace(warning, districts=(warning.districts[0], perhaps))
    fresh, late = at(warning, 6), at(warning, 7)
    assert "\n实况：监测到1个对流单体" in fresh.description_zh
    assert "\nNow: 1 storm" in fresh.description_en
    assert "未来1小时内可能出现冰雹（到达时间不定）：乙区。" in fresh.description_zh
    assert "Hail possible within the hour (no arrival time) in District 2." in fresh.description_en
    assert "\n把握：概率约70%" in fresh.description_zh
    assert "\nHow sure: about 70 %. Why" in fresh.description_en
    assert "\n实况：18时42分监测到1个对流单体" in late.description_zh
    assert "\nAt 18:42 BJT: 1 storm" in late.description_en
    assert "将出现冰雹。19时42分前可能出现冰雹（到达时间不定）：乙区。" in late.description_zh
    assert "Hail possible until 19:42 (no arrival time) in District 2." in late.description_en
    assert "\n把握：18时42分分析的概率约70%。依据" in late.description_zh
    assert "\nHow sure: about 70 % by the analysis of 18:42 BJT. Why" in late.description_en
    assert "Now:" not in late.description_en
    assert "the hour" not in late.description_en
    alone = at(replace(warning, districts=(perhaps,)), 7)
    assert "\n预计：19时42分前可能出现冰雹" in alone.description_zh
    assert "\nNext: Hail possible until 19:42" in alone.description_en
    added = replace(perhaps, adcode="500103", name_zh="丙区", name_en="District 3", p=0.0, eta_min=20.0, end_min=80.0)
    more = at(replace(warning, districts=(*warning.districts, added)), 21)  # an hour from when it was added
    assert "：乙区。20时02分前可能出现冰雹（到达时间不定）：丙区。" in more.description_zh
    assert "Hail possible until 20:02 (no arrival time) in District 3." in more.description_en


def test_a_warning_only_held_over_tells_nothing_as_of_now():
    warning = one()
    held = tuple(replace(place, arrival="held") for place in warning.districts)
    for minutes in (0, 40):
        told = at(replace(warning, districts=held), minutes, msg_type="Update", change=Change())
        lines_zh, lines_en = told.description_zh.split("\n"), told.description_en.split("\n")
        assert lines_zh[1].startswith("实况：18时42分监测到1个对流单体")
        assert lines_zh[2] == "预计：此前预警继续有效：甲区、乙区。预警有效至10日0时42分。"
        assert lines_zh[3] == "把握：18时42分分析的概率约70%。依据：MESH 44毫米"
        assert lines_en[1].startswith("At 18:42 BJT: 1 storm")
        assert lines_en[2] == (
            "Next: Held over, the earlier warning stands: District 1, District 2. Valid until 10 Jun 00:42 BJT."
        )
        assert lines_en[3] == "How sure: about 70 % by the analysis of 18:42 BJT. Why: MESH 44 mm"
        assert told.instruction_zh == warning.instruction_zh
    unseen = at(replace(warning, districts=held, observed=Observed(0)), 0, msg_type="Update", change=Change())
    assert "\n实况：18时42分未监测到新的强回波，此前预警继续有效。\n" in unseen.description_zh
    assert "\nAt 18:42 BJT: no new strong echo; the earlier warning stands.\n" in unseen.description_en
    assert "\n把握：此前分析的概率约70%。" in unseen.description_zh  # that of the run that last found the storm
    assert "\nHow sure: about 70 % by an earlier analysis. Why" in unseen.description_en


def test_a_forecasters_own_places_have_no_probability():
    warning = one()
    own = tuple(replace(place, p=0.0, arrival="possible") for place in warning.districts)
    told = render_texts(replace(warning, districts=own), BOOK)  # p of the record may be an old one
    assert "\n把握：预报员添加，无客观概率。\n" in told.description_zh
    assert "\nHow sure: added by the forecaster, no objective probability.\n" in told.description_en
    assert "%" not in told.description_zh + told.description_en
    both = render_texts(replace(warning, districts=(warning.districts[0], own[1])), BOOK)
    assert "\n把握：最高概率约70%；乙区为预报员添加，无客观概率。依据：MESH 44毫米\n" in both.description_zh
    assert (
        "\nHow sure: up to about 70 %; District 2 added by the forecaster, no objective probability. Why: MESH 44 mm\n"
    ) in both.description_en


def test_an_end_brought_forward_is_told_from_the_record():
    warning = one()
    promised = warning.expires + timedelta(hours=2)
    told = render_texts(replace(warning, shortened_from=promised), BOOK)
    assert "\n有效时间缩短：改为10日0时42分（原定10日2时42分）。\n" in told.description_zh
    assert "\nValidity shortened: until 10 Jun 00:42 instead of 10 Jun 02:42 BJT.\n" in told.description_en
    assert told.remark_zh == told.remark_en == ""
    for other in (
        replace(told, msg_type="Cancel"),
        replace(told, expires=promised),
        replace(told, shortened_from=None),
    ):
        assert "有效时间缩短" not in render_texts(other, BOOK).description_zh
        assert "Validity shortened" not in render_texts(other, BOOK).description_en


def test_arrival_in_the_body_is_the_arrival_of_the_record():
    warning = one()
    eta = {place.adcode: place.eta_min for place in warning.districts}["500102"]
    assert f"乙区（约19时{round(eta) - 18:02d}分起）" in warning.description_zh


def test_missing_products_are_left_out_not_written_as_zero():
    bare = storm(mesh_mm=math.nan, echo_top_18_km=math.nan, u_m_s=math.nan, v_m_s=math.nan)
    text = one("thunderstorm", 0.5, storms=[bare]).description_zh
    assert "冰雹尺寸" not in text
    assert "回波顶高" not in text
    assert "移动" not in text
    assert "nan" not in text


def test_hail_size_is_told_in_hail_drafts_only():
    assert "雷达估测冰雹尺寸44毫米" in one("hail").description_zh
    for hazard in ("thunderstorm", "gale"):
        warning = one(hazard, 0.5)
        assert "冰雹尺寸" not in warning.description_zh
        assert "hail size" not in warning.description_en


def test_a_machine_is_never_certain():
    assert "概率约99%" in one(p=1.0).description_zh


def test_the_local_gale_ladder_says_that_it_is_not_national():
    over = {"hazards": {"gale": "thunderstorm_gale"}, "signals": {"thunderstorm_gale": {"enabled": True}}}
    warning = one("gale", 0.5, region(over=over))
    assert warning.event_zh == "雷雨大风"
    assert "非国家标准，未核实" in warning.description_zh
    assert "(local trial standard (see DOMAIN.md 6.1); not a national standard, unverified)" in warning.description_en
    assert "(Decree 16, annex, hail signal; CMA decree No. 16, Measures for" in one().description_en
    assert one().description_en.endswith("Warning Signals (2007-06-12))")


def test_another_clock_and_language_first():
    display = {"languages": ["en-US", "zh-CN"], "utc_offset_h": 0, "clock_zh": "世界时", "clock_en": "UTC"}
    warning = one(place=region(over={"display": display}))
    assert "10:42 UTC" in warning.description_en
    assert "2025年6月9日10时42分（世界时）" in warning.description_zh


def test_many_districts_are_counted():
    place = region()
    rows = [storm(lon=105.5 + n, radius=0.3) for n in range(3)]
    for n, row in enumerate(rows):
        row["storm_id"] = f"s{n}"
    warning = one(place=place, storms=rows)
    assert len(warning.districts) == 3
    assert "监测到3个对流单体" in warning.description_zh


def test_a_departure_within_the_hour_is_told():
    fast = storm(lon=105.8, u_m_s=25.0, radius=0.05)
    warning = one(storms=[fast])
    first, second = warning.districts
    assert (first.adcode, second.adcode) == ("500101", "500102")
    # the rear is 24.3 km from the border: 1.5 t - 24.3 is below the rim hypot(3, 0.3 t) until 20 min, not at 21
    assert (first.eta_min, first.end_min, second.end_min) == (0, 20, 60)
    assert "甲区（现在起至约19时02分）、乙区（约18时52分起）" in warning.description_zh
    assert "District 1 (now until about 19:02), District 2 (about 18:52)" in warning.description_en


def test_arrival_and_departure_both():
    warning = one()
    place = replace(warning.districts[0], eta_min=8.0, end_min=38.0)
    text = render_texts(replace(warning, districts=(place,)), BOOK)
    assert "甲区（约18时50分至19时20分）将出现冰雹。" in text.description_zh
    assert "in District 1 (about 18:50 to 19:20)." in text.description_en
    late = render_texts(replace(text, sent=WHEN + timedelta(minutes=10), effective=WHEN + timedelta(minutes=10),
                                onset=WHEN + timedelta(minutes=10)), BOOK)  # fmt: skip
    assert "甲区（现在起至约19时20分）" in late.description_zh


def test_an_issued_message_is_no_draft():
    draft_ = one()
    for status, mark in (("Test", "【测试】"), ("Exercise", "【演练】"), ("Actual", "")):
        issued = render_texts(
            replace(draft_, stage="issued", status=status, remark_zh="加强巡查", remark_en="Go"), BOOK
        )
        assert issued.headline_zh == f"{mark}测试气象台发布冰雹橙色预警[Ⅱ级/严重]"
        first = issued.description_zh.split("\n")[0]
        assert first == f"{mark}测试气象台2025年6月9日18时42分（北京时）发布冰雹橙色预警信号："
        assert "草稿" not in issued.description_zh
        assert "draft" not in issued.description_en.lower()
        assert "\n预报员补充：加强巡查\n" in issued.description_zh
        assert "\nForecaster: Go\n" in issued.description_en
    update = render_texts(replace(draft_, stage="issued", msg_type="Update", change=Change()), BOOK)
    assert "变化：预警区域和等级不变。" in update.description_zh
    assert "Changed: same places, same level." in update.description_en


def test_a_cancellation_names_the_places_and_the_reason():
    sent = WHEN + timedelta(minutes=50)
    gone = replace(
        one(), stage="issued", msg_type="Cancel", remark_zh="对流已减弱。", sent=sent, effective=sent, onset=sent
    )
    gone = render_texts(replace(gone, truth="SYN"), BOOK)
    assert gone.headline_zh == "【模拟】【测试】测试气象台解除冰雹橙色预警信号"
    assert gone.description_zh.split("\n") == [
        "模拟资料，仅供演练，并非真实天气。",
        "【测试】测试气象台2025年6月9日19时32分（北京时）解除冰雹橙色预警信号。",
        "变化：解除甲区、乙区冰雹预警。",
        "预报员补充：对流已减弱。",
    ]
    assert gone.headline_en == "SIMULATED - TEST - Test Observatory lifts Orange hail warning"
    assert "Changed: lifted for District 1, District 2." in gone.description_en


def test_towns_are_named_by_district_and_counted():
    rows = tuple(town(f"500101{n:03d}", f"镇{n}", 105.8 + n / 100) for n in range(1, 9))
    warning = one(place=replace(region(), towns=(*rows, town("500102001", "东镇", 106.1))))
    assert len(warning.towns) == 9
    assert "乡镇（街道）：甲区镇1、镇2、镇3、镇4、镇5等8个；乙区东镇。" in warning.description_zh
    assert "Towns: District 1: Town 001, Town 002" in warning.description_en
    assert "and 3 more; District 2: Town 001." in warning.description_en


def test_the_real_list_of_towns(data):
    """Codes and names of Chongqing's towns; the list has no positions: all are set at their districts' centres."""
    place = load_region("chongqing")
    centres = {district.adcode: district for district in place.districts_at(WHEN)}
    with (data / "geo/modood_streets.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["areaCode"] in centres]
    assert len(rows) > 900
    towns = [
        replace(town(row["code"], row["name"], centres[row["areaCode"]].lon, centres[row["areaCode"]].lat),
                district=row["areaCode"])
        for row in rows
    ]  # fmt: skip
    at = centres["500151"]
    drawn = storm(lon=at.lon, lat=at.lat, u_m_s=0.0, v_m_s=0.0)
    warning = one(place=replace(place, towns=tuple(towns)), storms=[drawn])
    found = {name.district for name in warning.towns}
    assert "500151" in found
    assert found <= set(warning.adcodes)
    tongliang = [row for row in rows if row["areaCode"] == "500151"]
    assert f"等{len(tongliang)}个" in warning.description_zh


BASE = one()
RULE = BOOK.signal("hail").rule("orange")
WORDS = set(
    re.findall(
        r"\d+",
        f"{RULE.text_zh}{RULE.text_en}{RULE.source}{RULE.decree}{RULE.source_en}{RULE.decree_en}{BASE.drivers}未来1小时内2-D",
    )
)
"""Numbers of the rule book's fixed words, of the record's reasons, and of the horizon."""

SHORT = ("TEST - Orange hail warning", "DRAFT, TEST - Orange hail warning")
PLACES = st.builds(
    lambda n, eta, stay, arrival, p: Place(
        f"50010{n}", f"第{n}区", f"District {n}", "s", float(eta), float(min(eta + stay, 60)), p, WHEN, arrival
    ),
    st.integers(1, 9), st.integers(0, 59), st.integers(0, 60), st.sampled_from(ARRIVALS), st.floats(0, 1),
)  # fmt: skip
NAMES = st.lists(st.integers(1, 40).map(lambda n: (f"第{n}区", f"District {n}")), max_size=20).map(tuple)
MOVES = st.lists(st.builds(Move, NAMES.filter(bool), st.sampled_from(LEVELS), st.sampled_from(LEVELS)), max_size=2)
OBSERVED = st.builds(
    Observed, st.integers(0, 30), st.none() | st.integers(30, 75).map(float), st.none() | st.integers(3, 20).map(float),
    st.none() | st.integers(1, 90).map(float), st.none() | st.integers(0, 7), st.none() | st.integers(4, 120),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.lists(PLACES, min_size=1, max_size=30), st.lists(PLACES, max_size=30), OBSERVED,
    st.builds(Change, NAMES, NAMES, MOVES.map(tuple), MOVES.map(tuple), st.booleans()), st.floats(0, 1),
    st.integers(0, 90), st.integers(1, 3000), st.sampled_from(["Alert", "Update", "Cancel"]),
    st.sampled_from(["draft", "issued"]), st.none() | st.integers(1, 600),
)  # fmt: skip
def test_every_number_comes_from_the_record(places, towns, seen, change, p, wait, life, msg_type, stage, sooner):
    towns = tuple(
        replace(town_, adcode=f"{town_.adcode}{n:03d}", district=town_.adcode) for n, town_ in enumerate(towns)
    )
    sent = WHEN + timedelta(minutes=wait)
    warning = replace(
        BASE, districts=tuple(places), towns=towns, observed=seen, change=change, p=p, sent=sent, effective=sent,
        onset=sent, expires=sent + timedelta(minutes=life), msg_type=msg_type, stage=stage,
        shortened_from=sent + timedelta(minutes=life + sooner) if sooner else None,
    )  # fmt: skip
    again = render_texts(from_dict(json.loads(json.dumps(to_dict(warning)))), BOOK)
    assert again == render_texts(warning, BOOK)
    times = [sent, warning.expires, WHEN, WHEN + timedelta(minutes=60), warning.shortened_from or sent]
    times += [WHEN + timedelta(minutes=minutes) for place in places for minutes in (place.eta_min, place.end_min)]
    local = [time.astimezone(timezone(timedelta(hours=8))) for time in times]
    told_zh = {f"{t.year}年{t.month}月{t.day}日{t.hour}时{t.minute:02d}分" for t in local}
    told_zh |= {f"{t.day}日{t.hour}时{t.minute:02d}分" for t in local} | {f"{t.hour}时{t.minute:02d}分" for t in local}
    told_zh |= {f"{t.day}日{t.hour}:{t.minute:02d}" for t in local} | {f"{t.hour}:{t.minute:02d}" for t in local}
    told_en = {form for t in local for form in (f"{t:%Y-%m-%d %H:%M}", f"{t:%d %b %H:%M}", f"{t:%H:%M}")}
    percent = str(min(99, round(p * 20) * 5))
    counts = {len(places), len(change.added), len(change.released)} | {
        len(move.names) for move in (*change.raised, *change.lowered)
    }
    groups = [sum(place.arrival == kind for place in places) for kind in ARRIVALS]
    groups += [sum(t.district == f"50010{n}" for t in towns) for n in range(1, 10)]
    groups += [sum(1 for place in places if any(t.district == place.adcode for t in towns))]
    counts |= set(groups) | {n - shown for n in (*groups, len(places)) for shown in (*range(13),) if n > shown >= 5}
    seen_values = {
        f"{v:.0f}" for v in (seen.storms, seen.max_dbz, seen.echo_top_km, seen.mesh_mm, seen.speed_km_h) if v
    }
    numbers = {str(n) for n in counts} | seen_values | {percent} | WORDS
    for text, forms in (
        (again.headline_zh + again.description_zh, told_zh), (sms(again, "zh", 500), told_zh),
        (again.headline_en + again.description_en, told_en), (sms(again, "en", 900), told_en),
    ):  # fmt: skip
        text = re.sub(r"第\d+区|District \d+", "", text)  # noqa: PLW2901
        for found in TIMES.findall(text):
            assert found in forms, found
        rest = TIMES.sub("", text)
        left = {str(n) for n in range(1, len(places))} if text.startswith(SHORT) else set()  # "+7" places more
        assert set(re.findall(r"\d+", rest)) <= numbers | left, rest


def test_the_check_of_numbers_can_fail():
    assert TIMES.findall("至19时03分，9 Jun") == ["19时03分"]
    assert TIMES.findall("until 10 Jun 00:42 and 2025-06-09 18:42") == ["10 Jun 00:42", "2025-06-09 18:42"]
