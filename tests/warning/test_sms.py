"""The short message: its length, and what is never cut."""

import itertools
import re
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.warning.scene import WHEN, chance, region, storm, tables
from wxcore.errors import WarningError
from wxcore.warning.draft import draft
from wxcore.warning.model import LEVELS, Change, Move
from wxcore.warning.sms import ACTIONS_EN, ACTIONS_ZH, sms, sms_lifted

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


def names(*numbers):
    """Of districts 1 (甲), 2 (乙), 3 (丙)."""
    return tuple((f"{'甲乙丙'[n - 1]}区", f"District {n}") for n in numbers)


def update(*numbers, **over):
    """A released update 8 minutes later that names these districts."""
    sent = WHEN + timedelta(minutes=8)
    places = tuple(
        replace(BASE.districts[0], adcode=f"50010{n}", name_zh=zh, name_en=en)
        for n, (zh, en) in zip(numbers, names(*numbers), strict=True)
    )
    return replace(
        BASE, districts=places, msg_type="Update", stage="issued", sent=sent, effective=sent, onset=sent, **over
    )


def test_an_update_says_so():
    assert sms(update(1), "zh") == (
        "【测试】冰雹橙色预警更新：甲区，18:50起，有效至10日0:42，概率约70%。请立即到室内躲避。"
    )
    told = "Orange hail warning update: District 1, from 18:50, until 10 Jun 00:42, about 70 %. Take shelter now."
    assert sms(update(1), "en") == f"TEST - {told}"


@pytest.mark.parametrize(
    ("old", "new", "zh", "en"),
    [
        ("orange", "red", "冰雹橙色预警升级为红色", "Orange hail warning raised to red"),
        ("red", "orange", "冰雹红色预警降级为橙色", "Red hail warning lowered to orange"),
    ],
)
def test_an_upgrade_and_a_downgrade_name_both_levels(old, new, zh, en):
    moves = {"raised" if new == "red" else "lowered": (Move(names(1), old, new),)}
    moved = update(1, change=Change(**moves), level=new, colour_en=new.title())
    assert sms(moved, "zh") == f"【测试】{zh}：甲区，18:50起，有效至10日0:42，概率约70%。请立即到室内躲避。"
    assert sms(moved, "en") == (
        f"TEST - {en}: District 1, from 18:50, until 10 Jun 00:42, about 70 %. Take shelter now."
    )


def test_what_an_update_lifts_is_told_to_all_and_nothing_else_to_those_it_was_lifted_for():
    less = update(2, change=Change(released=names(1)))
    assert sms(less, "zh") == (
        "【测试】冰雹橙色预警更新：乙区，18:50起，有效至10日0:42，概率约70%。请立即到室内躲避。解除：甲区。"
    )
    assert sms(less, "en").endswith(", about 70 %. Take shelter now. Lifted: District 1.")
    assert sms_lifted(less, "zh") == "【测试】冰雹预警18:50解除：甲区。请关注天气。"
    assert sms_lifted(less, "en") == "TEST - Hail warning lifted 18:50: District 1. Watch the weather."


def test_the_lifting_is_counted_before_a_name_is_and_left_out_before_the_last_name_is():
    many = update(2, change=Change(released=names(1, 3) * 3))
    assert sms(many, "zh").endswith("请立即到室内躲避。解除：6处。")
    long = replace(many, districts=(replace(many.districts[0], name_zh=LONGEST[0] * 2),))
    assert sms(long, "zh").endswith(f"更新：{LONGEST[0] * 2}，18:50起，有效至10日0:42，概率约70%。请立即到室内躲避。")


def test_what_is_only_held_over_has_neither_percent_nor_window():
    held = update(1, 2, change=Change())
    held = replace(held, districts=tuple(replace(place, arrival="held") for place in held.districts))
    assert sms(held, "zh") == "【测试】冰雹橙色预警维持：甲区、乙区，有效至10日0:42。请立即到室内躲避。"
    told = "Orange hail warning stands: District 1, District 2, until 10 Jun 00:42. Take shelter now."
    assert sms(held, "en") == f"TEST - {told}"
    unwarned = replace(held, change=Change(added=names(2)))
    assert sms(unwarned, "zh") == (
        "【测试】冰雹橙色预警更新：甲区、乙区，有效至10日0:42，依据此前分析。请立即到室内躲避。"
    ), "where no earlier warning stands, none is said to"
    assert "update: District 1, District 2, until 10 Jun 00:42, earlier analysis." in sms(unwarned, "en")
    one_held = replace(held, districts=(held.districts[0], replace(held.districts[1], arrival="timed")))
    assert "概率约70%" in sms(one_held, "zh")


def test_the_percent_does_not_cover_what_a_forecaster_added():
    both = update(1, 2)
    both = replace(both, districts=(both.districts[0], replace(both.districts[1], p=0.0, arrival="possible")))
    assert "甲区、乙区，18:50起，有效至10日0:42，概率约70%（乙区人工添加）。请" in sms(both, "zh")
    assert "from 18:50, until 10 Jun 00:42, about 70 % (District 2 by forecaster). Take" in sms(both, "en")
    more = replace(both, districts=(*both.districts, *(replace(both.districts[1], name_zh=LONGEST[0]),) * 2))
    assert "，概率最高约70%。请" in sms(more, "zh")
    long = tuple(replace(place, name_en=LONGEST[1]) for place in both.districts)
    assert ", up to 70 %. Take" in sms(replace(both, districts=long), "en")


EVENTS = [("hail", "冰雹", "Hail"), ("gale", "雷雨大风", "Thunderstorm gale"), ("thunderstorm", "雷电", "Lightning")]
STAGES = [("draft", "Test"), ("issued", "Test"), ("issued", "Exercise"), ("issued", "Actual")]
KINDS = ["Alert", "Update", "Cancel", *((old, new) for old in LEVELS for new in LEVELS if old != new)]
"""Of messages; a pair of levels: an update from the one to the other."""


@cache
def long_places(count, basis):
    own = {"timed": {}, "mixed": {}, "held": {"arrival": "held"}, "hand": {"p": 0.0, "arrival": "possible"}}[basis]
    places = [replace(place, name_zh=LONGEST[0], name_en=LONGEST[1], **own) for place in one(count).districts]
    if basis == "mixed":
        places[-1] = replace(places[-1], p=0.0, arrival="possible")
    return tuple(places)


def shaped(event, stage, kind, level, truth, count, lifted, basis, *, p=0.99, action="Monitor", minutes=3000):
    """A message of places with the longest name: `basis` of them "timed", "held", "hand", or "mixed": one by hand."""
    places, moves = long_places(count, basis), ()
    if isinstance(kind, tuple):
        (old, level), kind = kind, "Update"
        moves = (Move((LONGEST,) * count, old, level),)
    return replace(
        BASE, hazard=event[0], event_zh=event[1], event_en=event[2], level=level, colour_en=level.title(), p=p,
        truth=truth, stage=stage[0], status=stage[1], msg_type=kind, districts=places, response=(action,),
        change=Change(released=(LONGEST,) * lifted, raised=moves), expires=BASE.onset + timedelta(minutes=1 + minutes),
    )  # fmt: skip


def test_the_limits_hold_for_every_combination():
    """With the longest action and level; as many places as a region has that needs three digits for them."""
    action_zh, action_en = (max(actions, key=lambda name: len(actions[name])) for actions in (ACTIONS_ZH, ACTIONS_EN))
    counts = [(1, 0), (1, 1), (2, 1), (100, 0), (100, 100)]
    combinations = itertools.product(
        EVENTS, STAGES[:2], KINDS, ["real", "SYN"], counts, ["timed", "held", "hand", "mixed"]
    )
    for event, stage, kind, truth, (count, lifted), basis in combinations:
        how = event, stage, kind, max(LEVELS, key=len), truth, count, lifted, basis
        zh, en = shaped(*how, action=action_zh), shaped(*how, action=action_en)
        assert len(sms(zh, "zh")) <= 70, how
        assert len(sms(en, "en")) <= 140, how
        if lifted:
            assert len(sms_lifted(zh, "zh")) <= 70
            assert len(sms_lifted(en, "en")) <= 140


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(EVENTS), st.sampled_from(STAGES), st.sampled_from(KINDS), st.sampled_from(LEVELS),
    st.sampled_from(["real", "SYN"]), st.integers(1, 40), st.integers(0, 40),
    st.sampled_from(["timed", "held", "hand", "mixed"]), st.floats(0, 1), st.sampled_from(sorted(ACTIONS_ZH)),
    st.integers(0, 3000),
)  # fmt: skip
def test_never_without_its_mark(event, stage, kind, level, truth, count, lifted, basis, p, action, minutes):
    warning = shaped(
        event, stage, kind, level, truth, count, lifted, basis, p=p, action=action, minutes=minutes
    )  # fmt: skip
    zh, en = sms(warning, "zh"), sms(warning, "en")
    mark = ("【模拟】" if truth == "SYN" else "") + (
        "【草稿·测试】" if stage[0] == "draft" else {"Test": "【测试】", "Exercise": "【演练】", "Actual": ""}[stage[1]]
    )
    assert zh.startswith(mark + event[1])
    assert zh.endswith("。")
    assert event[2].lower() in en.lower()
    if isinstance(kind, tuple):
        act = ("升级为", "raised to") if LEVELS.index(kind[1]) > LEVELS.index(kind[0]) else ("降级为", "lowered to")
        assert act[0] in zh
        assert f"{act[1]} {kind[1]}: " in en
    if kind == "Update":
        assert ("预警维持：" if basis == "held" else "预警更新：") in zh
        assert (" stands: " if basis == "held" else " update: ") in en
    if kind != "Cancel":
        assert re.search(r"有效至\d+日\d+:\d\d", zh)
        assert re.search(r"until \d\d \w{3} \d\d:\d\d", en)
        hand = basis == "hand" or (basis == "mixed" and count == 1)
        sure = r"，预报员添加。请" if hand else r"约\d+%(（.*人工添加）)?。请"
        assert bool(re.search(sure, zh)) == (basis != "held")
        assert bool(re.search(r"\d+:\d\d起，", zh)) == (basis != "held")
        assert ("最高约" in zh or "人工添加" in zh) == (basis == "mixed" and count > 1)
    assert count == 1 or f"{count}处" in zh or zh.count(LONGEST[0]) >= count


def test_a_limit_that_holds_nothing_is_refused():
    with pytest.raises(WarningError, match="limit 30"):
        sms(one(), "zh", 30)
