"""What the texts say of earlier warnings, of ups and downs, and of where storms go."""

from dataclasses import replace

import pytest

from tests.warning.scene import storm
from tests.warning.test_text import BOOK, at, one
from wxcore.warning.model import Change, Move, Observed


def test_no_earlier_warning_stands_where_none_was_issued():
    warning = one()
    held = tuple(replace(place, arrival="held") for place in warning.districts)
    first = at(replace(warning, districts=held, observed=Observed(0)), 2)
    assert (first.msg_type, first.change.added) == ("Alert", (("甲区", "District 1"), ("乙区", "District 2")))
    assert "预计：可能影响（依据此前分析）：甲区、乙区。预警有效至10日0时42分。" in first.description_zh
    assert "Next: Possible, by an earlier analysis: District 1, District 2. Valid until" in first.description_en
    assert "\n实况：18时42分未监测到新的强回波。\n" in first.description_zh
    assert "\nAt 18:42 BJT: no new strong echo.\n" in first.description_en
    again = at(first, 2, change=Change())  # of one that ran out, before it is released
    for told in (first, again, at(replace(warning, districts=(held[0], warning.districts[1])), 2)):
        assert "继续有效" not in told.description_zh
        assert "stands" not in told.description_en
        assert "Held over" not in told.description_en
    added = Change(added=(("乙区", "District 2"),))
    wider = at(replace(warning, districts=held, observed=Observed(0)), 2, msg_type="Update", change=added)
    assert "此前预警继续有效：甲区。可能影响（依据此前分析）：乙区。" in wider.description_zh
    assert "the earlier warning stands: District 1. Possible, by an earlier analysis: District 2." in (
        wider.description_en
    )
    assert "\n实况：18时42分未监测到新的强回波，此前预警继续有效。\n" in wider.description_zh
    only = at(replace(warning, districts=(held[1],), observed=Observed(0)), 2, msg_type="Update", change=added)
    assert "继续有效" not in only.description_zh
    assert "stands" not in only.description_en


@pytest.mark.parametrize(
    ("old", "new", "verb", "shifts", "shifted"),
    [("red", "orange", "降", "lowers", "lowered"), ("orange", "red", "升", "raises", "raised")],
)
def test_up_and_down_are_told_apart(old, new, verb, shifts, shifted):
    warning = one(p={"red": 0.95, "orange": 0.72}[new])
    warning = replace(warning, districts=warning.districts[:1])
    moves = (Move((("甲区", "District 1"),), old, new),)
    change = Change(raised=moves) if verb == "升" else Change(lowered=moves)
    told = at(warning, 2, msg_type="Update", change=change)
    was, now = (BOOK.colours[level] for level in (old, new))
    act_zh = f"将冰雹{was.zh}预警信号{verb}级为{now.zh}"
    act_en = f"{shifts} {was.en} hail warning to {now.en}"
    assert told.headline_zh == f"【测试】测试气象台{act_zh}[{now.roman}级/{now.grade_zh}]"
    assert told.headline_en == f"TEST - Test Observatory {act_en} ({now.grade_en})"
    assert told.description_zh.startswith(f"【测试】测试气象台2025年6月9日18时44分（北京时）{act_zh}：\n")
    assert told.description_en.startswith(f"TEST - Test Observatory, 2025-06-09 18:44 BJT: {act_en}.\n")
    assert f"\n变化：将甲区冰雹{was.zh}预警信号{verb}级为{now.zh}。\n" in told.description_zh
    assert f"\nChanged: District 1 {shifted} from {old} to {new}.\n" in told.description_en


DIRECTIONS = tuple(
    zip(
        ("北", "东北", "东", "东南", "南", "西南", "西", "西北"),
        ("N", "NE", "E", "SE", "S", "SW", "W", "NW"),
        ((0, 9), (9, 9), (9, 0), (9, -9), (0, -9), (-9, -9), (-9, 0), (-9, 9)),
        strict=True,
    )
)


@pytest.mark.parametrize(("zh", "en", "motion"), DIRECTIONS)
def test_where_the_storm_goes(zh, en, motion):
    warning = one("thunderstorm", 0.5, storms=[storm(u_m_s=float(motion[0]), v_m_s=float(motion[1]))])
    assert f"，向{zh}移动，" in warning.description_zh
    assert f", moving {en} at about " in warning.description_en
