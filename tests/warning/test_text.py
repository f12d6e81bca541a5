"""What people read."""

import math

import pytest

from tests.warning.scene import WHEN, chance, region, storm, tables
from wxcore.warning.cap_rules import MAX_HEADLINE
from wxcore.warning.draft import draft


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
