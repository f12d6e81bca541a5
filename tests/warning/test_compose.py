"""What a release makes of older drafts, of places that storms have left, and of ends brought forward."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.pipeline.issuing import D1, D2, D3, machine_draft
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
    with pytest.raises(IssueError, match=r"18:42 BJT, but .* 19:12 BJT: release a newer draft") as refused:
        released(old, "11:27", red)
    assert "依据 2025-06-09 18:42（北京时）的分析" in refused.value.zh
    assert "依据 2025-06-09 19:12（北京时）的分析：请发布较新的草稿" in refused.value.zh
    with pytest.raises(IssueError, match="19:12 BJT"):
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
    with pytest.raises(IssueError, match="19:12 BJT"):  # of the other message it is no update
        released(wider, "11:21", first, other)


def test_what_was_cancelled_is_not_warned_of_again_by_an_older_analysis():
    red = released(machine(0.95, "12:40"), "12:42")
    gone = lift(red, "12:54")
    old = machine(0.95, "12:50")
    with pytest.raises(
        IssueError, match=r"20:50 BJT, but .* at 2025-06-09 20:54 BJT: release a newer draft"
    ) as refused:
        released(old, "12:56", cancelled=(gone,))
    assert "形成于 2025-06-09 20:50（北京时）" in refused.value.zh
    assert "2025-06-09 20:54（北京时）解除当地预警" in refused.value.zh
    assert released(machine(0.95, "12:54"), "12:56", cancelled=(gone,)).msg_type == "Alert"
    assert released(machine(0.95, "12:50", (106.5,)), "12:56", cancelled=(gone,)).msg_type == "Alert"
    for other in (replace(gone, status="Exercise"), replace(gone, hazard="gale"), replace(gone, region="elsewhere")):
        assert released(old, "12:56", cancelled=(other,)).msg_type == "Alert"
    edit = replace(old, id="e")
    with pytest.raises(IssueError, match="20:53 BJT"):
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
    assert "乙区（现在起）将出现冰雹。可能影响（依据此前分析）：甲区。" in message.description_zh
    assert "甲区（现在起" not in message.description_zh
    soon = released(made, "11:00")
    assert "甲区（现在起至约19时02分）" in soon.description_zh


def test_an_update_after_the_storm_has_left_tells_nothing_as_of_now():
    made = machine(0.7, "10:42", u_m_s=10.0)
    made = replace(made, districts=tuple(replace(place, end_min=20.0) for place in made.districts))
    first = released(made, "10:43")
    assert "实况：监测到1个" in first.description_zh
    update = released(follow_up(first, id="u", now=at("11:22"), book=BOOK), "11:22", first)
    assert update.description_zh.split("\n")[1].startswith("实况：18时42分监测到1个")
    assert update.description_zh.split("\n")[2].startswith("预计：此前预警继续有效：甲区")
    assert "\n把握：18时42分分析的概率约70%。" in update.description_zh
    assert update.instruction_zh == first.instruction_zh


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


def test_no_earlier_warning_stands_where_nothing_is_in_force():
    made = machine(0.7, "10:42", (105.8,), u_m_s=25.0)
    chain = replace(made, msg_type="Update", references=(replace(made, id="unreleased").reference,))
    held = replace(chain, districts=tuple(replace(place, arrival="held") for place in chain.districts))
    first = released(held, "10:44")  # the drafts before were never released
    assert (first.msg_type, first.references) == ("Alert", ())
    assert "可能影响（依据此前分析）：甲区、乙区。" in first.description_zh
    assert "继续有效" not in first.description_zh
    assert "stands" not in first.description_en
    west = released(replace(made, districts=made.districts[:1]), "10:43")
    wider = released(held, "10:44", west)
    assert "此前预警继续有效：甲区。可能影响（依据此前分析）：乙区。" in wider.description_zh
    second = released(held, "10:50", first)
    assert "此前预警继续有效：甲区、乙区。" in second.description_zh
    assert "此前分析）" not in second.description_zh


def test_refusals_tell_beijing_time():
    made = machine(0.95, "10:42")
    with pytest.raises(IssueError, match="rests on 2025-06-09 18:42 BJT, more than 60 min") as refused:
        released(made, "11:43")
    assert "依据 2025-06-09 18:42（北京时）的分析" in refused.value.zh
    with pytest.raises(IssueError, match="would end at 2025-06-09 18:50 BJT") as refused:
        released(replace(made, expires=at("10:50")), "10:50")
    assert "已于 2025-06-09 18:50（北京时）结束" in refused.value.zh


def test_another_level_keeps_its_own_end():
    orange = released(machine_draft("gale", "orange", (D1,), at("10:42")), "10:44")
    longer = replace(orange, expires=at("23:00"))
    blue = replace(machine_draft("gale", "blue", (D1,), at("10:48")), expires=at("12:00"))
    made = released(blue, "10:50", longer)
    assert (made.level, made.expires, made.shortened_from) == ("blue", at("12:00"), at("23:00"))
    same = released(replace(machine_draft("gale", "orange", (D1,), at("10:48")), expires=at("12:00")), "10:50", longer)
    assert same.expires == at("23:00")


def test_the_higher_level_goes_first_and_ends_what_both_supersede():
    west, east = (machine(0.7, clock, (lon,)) for clock, lon in (("10:30", 105.5), ("10:36", 106.5)))
    old = released(replace(west, districts=(*west.districts, *machine(0.7, "10:30", (107.5,)).districts)), "10:31")
    newer = released(east, "10:37")
    low = replace(machine(0.7, "10:42", (106.5, 107.5)), id="a")
    high = replace(machine(0.95, "10:42"), id="b")
    made = compose([low, high], [newer, old], now=at("10:44"), status="Test", book=BOOK)
    red, orange = made.messages
    assert ((red.level, red.sent), (orange.level, orange.sent)) == (
        ("red", at("10:44")),
        ("orange", at("10:44") + timedelta(seconds=1)),
    )
    assert made.ended == {old.id: red.id, newer.id: orange.id}
    assert made.predecessors == {red.id: (old,), orange.id: (old, newer)}
    assert made.drafts == {red.id: "b", orange.id: "a"}


def test_the_serial_is_one_more_than_the_largest():
    west, east = (released(machine(0.7, "10:30", (lon,)), clock) for lon, clock in ((105.5, "10:31"), (106.5, "10:32")))
    both = machine(0.7, "10:42", (105.5, 106.5))
    for live in ((replace(west, serial=4), east), (west, replace(east, serial=4))):
        message = released(both, "10:44", *live)
        assert message.serial == 5
        assert message.id.endswith("-orange-5")


def test_only_places_of_superseded_messages_can_be_lifted():
    message = released(machine(0.7, "10:36", (105.5, 106.5)), "10:37")
    new = machine(0.7, "10:42")
    assert released(new, "10:44", message, lifted=(D2,)).change.released == (("乙区", "District 2"),)
    for wrong in ("unknown", D1, D3):
        with pytest.raises(IssueError, match=f"cannot lift {wrong}"):
            released(new, "10:44", message, lifted=(D2, wrong))


def test_an_analysis_after_the_cancellation_counts_whenever_the_draft_was_made():
    gone = lift(released(machine(0.95, "12:40"), "12:42"), "12:54")
    new = machine(0.95, "12:55")
    assert released(new, "12:56", cancelled=(gone,), made={new.id: at("12:53")}).msg_type == "Alert"
