"""Word by word: nothing is lost, nothing is called changed that is not, numbers are whole."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.desk.scene_pages import make_drafts
from tests.warning.scene import WHEN, region
from wxcore.desk.compare import compare, word_diff
from wxcore.desk.words import how_sure, place_times
from wxcore.warning.level import rulebook
from wxcore.warning.sms import sms

BOOK = rulebook(region().rules)


def _kinds(pieces):
    return [(piece.kind, piece.text) for piece in pieces]


def test_numbers_and_words_are_whole():
    old, new = word_diff("冰雹直径20毫米", "冰雹直径25毫米")
    assert _kinds(old) == [("same", "冰雹直径"), ("del", "20"), ("same", "毫米")]
    assert _kinds(new) == [("same", "冰雹直径"), ("ins", "25"), ("same", "毫米")]
    old, new = word_diff("until 19:30", "until 19:36")
    assert _kinds(new) == [("same", "until 19:"), ("ins", "36")]
    assert _kinds(old) == [("same", "until 19:"), ("del", "30")]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_joined_the_pieces_are_the_texts(one, other):
    old, new = word_diff(one, other)
    assert "".join(piece.text for piece in old) == one
    assert "".join(piece.text for piece in new) == other
    assert [p.text for p in old if p.kind == "same"] == [p.text for p in new if p.kind == "same"]
    assert all(piece.kind == "same" for piece in (*old, *new)) == (one == other)


def test_fields_beside_each_other():
    hail = next(one for one in make_drafts() if one.hazard == "hail")
    other = replace(hail, p=0.55, remark_zh="请加固", districts=hail.districts[:1])
    rows = {row.label[1]: row for row in compare(hail, other, BOOK, "zh")}
    assert _kinds(rows["Probability"].new)[0] == ("ins", "55")
    assert rows["Remark (Chinese)"].changed
    assert not rows["Level"].changed
    assert not any(row.changed for row in compare(hail, hail, BOOK, "en"))


def test_the_desk_tells_the_percent_and_the_stay_of_the_message():
    hail = next(one for one in make_drafts() if one.hazard == "hail")
    for p, told in ((0.874, 85), (0.97, 95), (0.996, 99), (0.03, 5)):
        assert how_sure(p)[1].startswith(f"{told} % (")
        assert sms(replace(hail, p=p), "zh").count(f"约{told}%") == 1
        rows = {row.label[1]: row for row in compare(None, replace(hail, p=p), BOOK, "zh")}
        assert _kinds(rows["Probability"].new) == [("ins", f"{told} %")]
    place = replace(hail.districts[0], eta_min=0.0, end_min=60.0, arrival="timed")
    assert place_times(place, WHEN) == ("预计 18:42 起", "expected about 18:42, end not known")
    left = ("预计 18:42 至 19:41", "expected about 18:42 to 19:41")
    assert place_times(replace(place, end_min=59.0), WHEN) == left


def test_nothing_before_all_is_new():
    hail = next(one for one in make_drafts() if one.hazard == "hail")
    rows = compare(None, hail, BOOK, "en")
    assert rows
    assert all(not row.old and row.changed for row in rows)


def test_texts_with_little_in_common_are_shown_whole():
    old, new = (
        "1.政府及相关部门按照职责做好防冰雹的应急工作；2.户外行人立即到安全的地方躲避。",
        "预警已解除，请继续关注最新天气信息。",
    )
    assert [_kinds(side) for side in word_diff(old, new)] == [[("del", old)], [("ins", new)]]
    added = "甲区、" + "、".join("乙丙丁戊己庚辛壬癸")
    assert _kinds(word_diff("甲区", added)[0]) == [("same", "甲区")]  # what stays is not struck out


def test_a_cancel_has_neither_end_nor_probability():
    hail = next(one for one in make_drafts() if one.hazard == "hail")
    rows = {row.label[1]: row for row in compare(hail, replace(hail, msg_type="Cancel"), BOOK, "en")}
    for label in ("Until", "Probability"):
        assert rows[label].old
        assert not rows[label].new
