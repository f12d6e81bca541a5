"""Word by word: nothing is lost, nothing is called changed that is not, numbers are whole."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.desk.scene_pages import make_drafts
from tests.warning.scene import region
from wxcore.desk.compare import compare, word_diff
from wxcore.warning.level import rulebook

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


def test_nothing_before_all_is_new():
    hail = next(one for one in make_drafts() if one.hazard == "hail")
    rows = compare(None, hail, BOOK, "en")
    assert rows
    assert all(not row.old and row.changed for row in rows)
