"""What a release makes of older drafts, of places that storms have left, and of ends brought forward."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.warning.scene import NATIONAL, WHEN, chance, region, storm, tables
from wxcore.errors import IssueError
from wxcore.warning.compose import compose
from wxcore.warning.draft import draft
from wxcore.warning.level import rulebook
from wxcore.warning.lifecycle import cancellation, follow_up
from wxcore.warning.model import Warning

BOOK = rulebook(NATIONAL)
REGION = region()
STILL = {"u_m_s": 0.0, "v_m_s": 0.0}


def at(clock: str) -> datetime:
    """A time of the day of the scene (UTC)."""
    hour, minute = clock.split(":")
    return WHEN.replace(hour=int(hour), minute=int(minute))


def machine(p: float, clock: str, lons: tuple[float, ...] = (105.5,), **over: float) -> Warning:
    """A hail draft of that cycle: red from p 0.9, orange below; a still storm over each district."""
    storms = [storm(f"s{n}", lon, **{**STILL, **over}) for n, lon in enumerate(lons)]
    rows = tables(storms, [chance(f"s{n}", "hail", p) for n in range(len(lons))])
    (made,) = draft(*rows, REGION, when=at(clock))
    return made


def released(draft_: Warning, clock: str, *live: Warning, **more: object) -> Warning:
    (message,) = compose([draft_], live, now=at(clock), status="Test", book=BOOK, **more).messages
    return message


def lift(message: Warning, clock: str) -> Warning:
    made = cancellation(message, id="c", now=at(clock), remark_zh="", remark_en="", book=BOOK)
    return released(made, clock, message)


def test_an_older_analysis_never_replaces_a_newer_one():
    red = released(machine(0.95, "11:12"), "11:13")
    old = machine(0.7, "10:42")
    with pytest.raises(IssueError, match=r"10:42Z, but .* 11:12Z: release a newer draft") as refused:
        released(old, "11:27", red)
    assert "11:12 的分析：请发布较新的草稿" in refused.value.zh
    with pytest.raises(IssueError, match="11:12Z"):
        released(replace(old, id="edit", remark_zh="另有说明"), "11:27", red)  # a person's edit of it
    assert released(machine(0.7, "11:12"), "11:27", red).level == "orange"
    beside = replace(old, districts=machine(0.7, "10:42", (106.5,)).districts)
    assert released(beside, "11:27", red).msg_type == "Alert"  # no place in common


def test_an_update_that_a_person_made_of_the_message_may_rest_on_its_analysis():
    first = released(machine(0.7, "10:42"), "10:45")
    made = follow_up(first, id="u", now=at("11:20"), book=BOOK)
    assert released(made, "11:21", first).references == (first.reference,)
    other = released(machine(0.95, "11:12", (106.5,)), "11:13")
    wider = replace(made, districts=(*made.districts, *other.districts))
    with pytest.raises(IssueError, match="11:12Z"):  # of the other message it is no update
        released(wider, "11:21", first, other)


def test_what_was_cancelled_is_not_warned_of_again_by_an_older_analysis():
    red = released(machine(0.95, "12:40"), "12:42")
    gone = lift(red, "12:54")
    old = machine(0.95, "12:50")
    with pytest.raises(IssueError, match=r"12:50Z, but .* at 2025-06-09 12:54Z: release a newer draft") as refused:
        released(old, "12:56", cancelled=(gone,))
    assert "12:54 解除当地预警" in refused.value.zh
    assert released(machine(0.95, "12:54"), "12:56", cancelled=(gone,)).msg_type == "Alert"
    assert released(machine(0.95, "12:50", (106.5,)), "12:56", cancelled=(gone,)).msg_type == "Alert"
    for other in (replace(gone, status="Exercise"), replace(gone, hazard="gale"), replace(gone, region="elsewhere")):
        assert released(old, "12:56", cancelled=(other,)).msg_type == "Alert"
    edit = replace(old, id="e")
    with pytest.raises(IssueError, match="12:53Z"):
        released(edit, "12:56", cancelled=(gone,), made={"e": at("12:53")})
    assert released(edit, "12:56", cancelled=(gone,), made={"e": at("12:55")}).msg_type == "Alert"
    east = released(machine(0.7, "12:40", (107.5,)), "12:43")
    wider = follow_up(east, id="u", now=at("12:55"), book=BOOK)
    wider = replace(wider, districts=(*wider.districts, *old.districts))
    assert released(wider, "12:56", east, cancelled=(gone,)).msg_type == "Update"


def test_a_place_that_the_storm_has_left_is_not_told_of_as_now():
    made = machine(0.7, "10:42", (105.8,), u_m_s=25.0)
    assert [(place.eta_min, place.end_min) for place in made.districts] == [(0, 20), (10, 60)]
    message = released(made, "11:12")
    assert [place.arrival for place in message.districts] == ["held", "timed"]
    assert "乙区（现在起）将出现冰雹。此前预警继续有效：甲区。" in message.description_zh
    assert "甲区（现在起" not in message.description_zh
    soon = released(made, "11:00")
    assert "甲区（现在起至约19时02分）" in soon.description_zh


def test_urgency_is_that_of_the_release():
    far = machine(0.7, "10:42", (105.45,), u_m_s=25.0)
    later = replace(far, districts=tuple(replace(place, eta_min=30.0) for place in far.districts), urgency="Expected")
    assert released(later, "10:57").urgency == "Expected"  # 15 min to go
    assert released(later, "10:58").urgency == "Immediate"
    left = replace(far, districts=tuple(replace(place, end_min=10.0) for place in far.districts))
    assert (far.urgency, released(left, "11:00").urgency) == ("Immediate", "Expected")  # only held over
    gone = lift(released(far, "10:43"), "10:50")
    assert gone.urgency == "Past"


def test_an_end_brought_forward_stands_in_the_record_and_never_in_the_remark():
    orange = released(machine(0.7, "10:42"), "10:44")
    red = released(machine(0.95, "10:48"), "10:50", orange)
    assert (red.expires, red.shortened_from) == (at("12:48"), orange.expires)  # another level, 2 h instead of 6
    assert "有效时间缩短：改为9日20时48分（原定10日0时42分）" in red.description_zh
    assert "Validity shortened: until 09 Jun 20:48 instead of 10 Jun 00:42 BJT." in red.description_en
    assert (red.remark_zh, red.remark_en) == ("", "")
    longer = replace(orange, expires=orange.expires + timedelta(hours=1))
    kept = released(machine(0.7, "10:48"), "10:50", longer)
    assert (kept.expires, kept.shortened_from) == (longer.expires, None)  # same level: never earlier
    assert "缩短" not in kept.description_zh
    edit = replace(machine(0.7, "10:48"), expires=at("12:00"), shortened_from=orange.expires)
    cut = released(edit, "10:50", longer)
    assert (cut.expires, cut.shortened_from) == (at("12:00"), longer.expires)  # what was promised is what stands now
    alone = released(edit, "10:50")
    assert (alone.expires, alone.shortened_from) == (at("12:00"), None)  # nobody was promised more
