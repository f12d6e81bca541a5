"""The short message: its length, and what is never cut."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warning.scene import WHEN, chance, region, storm, tables
from wxcore.errors import WarningError
from wxcore.warning.draft import draft
from wxcore.warning.model import LEVELS
from wxcore.warning.sms import sms

LONGEST = ("秀山土家族苗族自治县", "Xiushan Tujia and Miao")
"""The longest name of a district of Chongqing."""


(BASE,) = draft(*tables([storm(u_m_s=0.0, v_m_s=0.0)], [chance("s1", "hail", 0.7)]), region(), when=WHEN)


def one(count=1, **over):
    places = tuple(replace(BASE.districts[0], adcode=f"5002{n:02d}") for n in range(count))
    return replace(BASE, districts=places, **over)


def test_what_where_when_how_sure_what_to_do():
    assert sms(one(), "zh") == (
        "【草稿·测试】冰雹橙色预警：甲区，18:42起，有效至10日0:42，概率约70%。请立即到室内躲避。"
    )
    told = "Orange hail warning: District 1, from 18:42, until 10 Jun 00:42, about 70 %. Take shelter now."
    assert sms(one(), "en-US") == f"DRAFT, TEST - {told}"


def test_a_forecasters_own_places_have_no_percent():
    own = one()
    own = replace(own, p=0.7, districts=tuple(replace(place, p=0.0, arrival="possible") for place in own.districts))
    assert sms(own, "zh") == "【草稿·测试】冰雹橙色预警：甲区，18:42起，有效至10日0:42，预报员添加。请立即到室内躲避。"
    assert "until 10 Jun 00:42, by forecaster. Take shelter now." in sms(own, "en")


def test_a_cancellation():
    sent = WHEN + timedelta(minutes=65)
    gone = one(msg_type="Cancel", stage="issued", sent=sent, effective=sent, onset=sent)
    assert sms(gone, "zh") == "【测试】冰雹橙色预警19:47解除：甲区。请关注天气。"
    assert sms(gone, "en") == "TEST - Orange hail warning lifted 19:47: District 1. Watch the weather."


def test_two_parts_hold_more_names():
    many = one(count=9)
    assert "、甲区等9处，" in sms(many, "zh")
    assert len(sms(many, "zh", 140)) > len(sms(many, "zh"))
    assert sms(many, "zh", 140).count("甲区") == 9


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([("hail", "冰雹", "Hail"), ("gale", "雷雨大风", "Thunderstorm gale")]),
    st.sampled_from(LEVELS), st.integers(1, 40), st.floats(0, 1), st.sampled_from(["real", "SYN"]),
    st.sampled_from([("draft", "Test"), ("issued", "Test"), ("issued", "Exercise"), ("issued", "Actual")]),
    st.sampled_from(["Alert", "Update", "Cancel"]), st.integers(0, 3000), st.booleans(),
)  # fmt: skip
def test_never_too_long_and_never_without_its_mark(kind, level, count, p, truth, stage, msg_type, minutes, by_hand):
    hazard, event_zh, event_en = kind
    base = one(count)
    own = {"p": 0.0} if by_hand else {}
    places = tuple(replace(place, name_zh=LONGEST[0], name_en=LONGEST[1], **own) for place in base.districts)
    warning = replace(
        base, hazard=hazard, event_zh=event_zh, event_en=event_en, level=level, colour_en=level.title(), p=p,
        truth=truth, stage=stage[0], status=stage[1], msg_type=msg_type, districts=places,
        expires=base.onset + timedelta(minutes=1 + minutes),
    )  # fmt: skip
    zh, en = sms(warning, "zh"), sms(warning, "en")
    assert len(zh) <= 70
    assert len(en) <= 140
    mark = ("【模拟】" if truth == "SYN" else "") + (
        "【草稿·测试】" if stage[0] == "draft" else {"Test": "【测试】", "Exercise": "【演练】", "Actual": ""}[stage[1]]
    )
    assert zh.startswith(mark + event_zh)
    assert zh.endswith("。")
    assert event_en.lower() in en
    if msg_type != "Cancel":
        assert re.search(r"，预报员添加。请" if by_hand else r"概率约\d+%。请", zh)
        assert re.search(r"\d+:\d\d起，有效至\d+日\d+:\d\d", zh)
    assert count == 1 or f"{count}处" in zh or zh.count(LONGEST[0]) == count


def test_a_limit_that_holds_nothing_is_refused():
    with pytest.raises(WarningError, match="limit 30"):
        sms(one(), "zh", 30)
