"""Edits, updates and cancellations as new records; what a release makes of drafts and live messages."""

from dataclasses import replace
from datetime import datetime
from itertools import chain

import pytest
from shapely.geometry import Point, Polygon

from tests.pipeline.issuing import BOOK, D1, D2, D3, REGION, WHEN, machine_draft, minutes
from wxcore.errors import IssueError, TimeError
from wxcore.region import Region
from wxcore.warning.area import MAX_POINTS, outline
from wxcore.warning.compose import compose
from wxcore.warning.lifecycle import Edit, cancellation, edited, follow_up, held_since
from wxcore.warning.model import Observed, Ring, Warning

NOW = WHEN + minutes(2)


def issued(
    *drafts: Warning, live: tuple[Warning, ...] = (), now: datetime = NOW, **more: object
) -> tuple[Warning, ...]:
    return compose(drafts, live, now=now, status="Test", book=BOOK, **more).messages


def edit(warning: Warning, now: datetime = NOW, live: tuple[Warning, ...] = (), **what: object) -> Warning:
    return edited(warning, Edit(**what), BOOK, id="edit", now=now, region=REGION, live=live)


def test_a_level_brings_all_that_the_rulebook_says() -> None:
    red = machine_draft("hail", "red", (D1,), WHEN)
    orange = edit(red, level="orange")
    assert (orange.level, orange.colour_en, orange.grade, orange.severity) == ("orange", "Orange", "Ⅱ", "Severe")
    assert orange.expires == NOW + minutes(360)  # rules.toml: hail orange, validity_h = 6
    assert "橙色" in orange.headline_zh
    assert "并可能造成雹灾" in orange.description_zh  # the standard of orange (DOMAIN.md 6.1)
    assert (red.level, red.id) == ("red", machine_draft("hail", "red", (D1,), WHEN).id)
    with pytest.raises(IssueError, match="orange, red"):
        edit(red, level="blue")


def test_districts_bring_and_take_their_ground() -> None:
    red = machine_draft("hail", "red", (D1,), WHEN)
    both = edit(red, adcodes=(D3, D1))
    assert both.adcodes == (D1, D3)
    assert [place.arrival for place in both.districts] == [red.districts[0].arrival, "possible"]
    assert any(Polygon(ring).contains(Point(107.5, 29.2)) for ring in both.polygons)
    assert (both.p, both.drivers, both.observed) == (red.p, red.drivers, red.observed)
    # District 3's outline is clipped to the analysis grid, never outside of the region box.
    east = REGION.grid.bounds[2]
    assert max(lon for ring in both.polygons for lon, _ in ring) <= east + 0.001
    only = edit(both, adcodes=(D3,))
    assert not any(Polygon(ring).intersects(Point(105.5, 29.2)) for ring in only.polygons)
    for wrong in ((), ("999999",)):
        with pytest.raises(IssueError):
            edit(red, adcodes=wrong)


@pytest.mark.parametrize(
    "what",
    [
        {},
        {"expires": NOW},
        {"expires": NOW + minutes(24 * 60 + 1)},
        {"remark_zh": "字" * 201},
        {"remark_zh": "\x07"},
        {"level": "blue"},
    ],
)
def test_what_no_edit_can_be(what: dict) -> None:
    with pytest.raises(IssueError):
        edit(machine_draft("hail", "red", (D1,), WHEN), **what)


def test_a_remark_stands_in_the_text() -> None:
    made = edit(machine_draft("hail", "red", (D1,), WHEN), remark_zh=" 请注意山洪 ", remark_en="Mind flash floods.")
    assert "请注意山洪" in made.description_zh
    assert "Mind flash floods." in made.description_en


def test_a_text_area_sends_crlf() -> None:
    red = machine_draft("hail", "red", (D1,), WHEN)
    assert edit(red, remark_zh="请注意\r\n山洪\r\n").remark_zh == "请注意\n山洪"


def test_a_cancellation_takes_no_other_remark_than_an_edit() -> None:
    (first,) = issued(machine_draft("hail", "red", (D1,), WHEN))
    said = {"remark_zh": " 过程\r\n结束 ", "remark_en": ""}
    assert cancellation(first, id="c", now=NOW, book=BOOK, **said).remark_zh == "过程\n结束"
    for wrong in ({"remark_zh": "字" * 201}, {"remark_en": "x" * 5000}, {"remark_en": "\x07"}):
        with pytest.raises(IssueError, match="remark"):
            cancellation(first, id="c", now=NOW, book=BOOK, **{**said, **wrong})


def two_storms() -> Warning:
    """District 1: storm s1 now, p 0.9; district 2: storm s2 at 19:32 (10:42Z + 50 min), p 0.3."""
    found = machine_draft("hail", "orange", (D1,), WHEN)
    (near,) = found.districts
    far = replace(near, adcode=D2, name_zh="乙区", name_en="District 2", storm_id="s2", eta_min=50.0, p=0.3)
    west, east = ([(x, 29.0), (x + 0.2, 29.0), (x + 0.2, 29.3), (x, 29.3)] for x in (105.4, 106.4))
    return replace(
        found, districts=(near, far), storm_ids=("s1", "s2"), polygons=outline([Polygon(west), Polygon(east)])
    )


def told(warning: Warning) -> tuple[object, ...]:
    return warning.p, warning.certainty, warning.urgency, warning.storm_ids


def test_a_removed_district_takes_its_numbers_with_it() -> None:
    both = two_storms()
    assert told(both) == (0.9, "Likely", "Immediate", ("s1", "s2"))
    far = edit(both, adcodes=(D2,))
    assert told(far) == (0.3, "Possible", "Expected", ("s2",))
    assert far.onset == WHEN + minutes(50)
    assert (far.observed, far.drivers, far.drivers_zh) == (None, (), ())
    near = edit(both, adcodes=(D1,))
    assert told(near) == (0.9, "Likely", "Immediate", ("s1",))
    assert near.drivers == both.drivers  # district 1 is what they speak of
    assert near.observed is None  # of both storms: what is seen of one alone, the record does not know
    late = edit(both, adcodes=(D2,), now=WHEN + minutes(36))
    assert late.urgency == "Immediate"  # 14 min before it comes
    assert told(edit(edit(both, adcodes=(D1, D2, D3)), adcodes=(D1,))) == told(near)
    twin = replace(both, districts=tuple(replace(place, storm_id="s1") for place in both.districts))
    assert edit(twin, adcodes=(D2,)).observed == both.observed  # the same storm stands behind both


def test_a_district_only_the_forecaster_named_has_no_number() -> None:
    both = two_storms()
    for made in (edit(both, adcodes=(D3,)), edit(edit(both, adcodes=(D1, D3)), adcodes=(D3,))):
        assert told(made) == (0.0, "Possible", "Expected", ())
        assert (made.observed, made.drivers, made.drivers_zh, made.onset) == (None, (), (), both.onset)
        words = made.description_zh + made.description_en
        assert "预报员添加" in words
        assert "90%" not in words
        assert "44" not in words


def test_an_end_before_the_first_storm_is_asked_for() -> None:
    short = edit(two_storms(), expires=WHEN + minutes(45))
    for level in (None, short.level):
        with pytest.raises(IssueError, match="give a later end"):
            edit(short, adcodes=(D2,), level=level)
    assert edit(short, adcodes=(D2,), expires=WHEN + minutes(90)).expires == WHEN + minutes(90)
    assert edit(short, adcodes=(D2,), level="red").onset == WHEN + minutes(50)
    with pytest.raises(IssueError, match="end"):
        edit(short, adcodes=(D2,), expires=WHEN + minutes(45))


def test_a_district_added_late_is_not_over_at_once() -> None:
    late = WHEN + minutes(90)
    (first,) = issued(machine_draft("hail", "orange", (D1,), WHEN))
    made = edit(follow_up(first, id="u", now=late, book=BOOK), adcodes=(D1, D2), now=late)
    assert [place.arrival for place in held_since(made, late + minutes(59)).districts] == ["held", "possible"]
    assert [place.arrival for place in held_since(made, late + minutes(60)).districts] == ["held", "held"]


def ground(warning: Warning, region: Region, home: str) -> Warning:
    """The warning, of one district of the region, with a square of 0.3 degree about its middle."""
    district = next(one for one in region.districts_at(WHEN) if one.adcode == home)
    middle = district.polygon.representative_point()
    place = replace(warning.districts[0], adcode=home, name_zh=district.name_zh, name_en=district.name_en)
    return replace(warning, districts=(place,), polygons=outline([middle.buffer(0.15, cap_style="square")]))


def whole(ring: Ring) -> bool:
    return Polygon(ring).is_valid and ring[0] == ring[-1] and 4 <= len(ring) <= MAX_POINTS


def test_a_district_edit_undone_leaves_no_slivers(chongqing: Region) -> None:
    home, table = "500118", {district.adcode: district.polygon for district in chongqing.districts_at(WHEN)}
    before = ground(machine_draft("hail", "orange", (D1,), WHEN), chongqing, home)
    filled = replace(before, polygons=outline([table[home]]))

    def named(warning: Warning, *adcodes: str) -> Warning:
        return edited(warning, Edit(adcodes=adcodes), BOOK, id="edit", now=NOW, region=chongqing)

    for code in sorted(set(table) - {home}):
        more = named(before, home, code)
        undone, moved = named(more, home), named(filled, code)
        back = named(moved, home)
        assert all(whole(ring) for ring in chain(more.polygons, undone.polygons, moved.polygons, back.polygons)), code
        assert len(undone.polygons) <= len(before.polygons) + 1, code
        assert len(moved.polygons) == len(back.polygons) == 1, code
        left = sum(Polygon(ring).intersection(table[code]).area for ring in undone.polygons)
        assert left < 0.02 * table[code].area, code
        issued(undone)


def test_a_strip_of_a_district_that_stays_named_is_not_lost() -> None:
    # 0.015 degree (1.5 km) of the outline lie in district 2: thinner than what a cut clears away
    both = replace(
        two_storms(), polygons=outline([Polygon([(105.5, 29), (106.015, 29), (106.015, 29.5), (105.5, 29.5)])])
    )
    (ring,) = edit(both, adcodes=(D2,)).polygons
    assert Polygon(ring).contains(Point(106.5, 29.2))
    kept = edit(replace(both, districts=(*both.districts, replace(both.districts[0], adcode=D3))), adcodes=(D2, D3))
    assert any(Polygon(ring).contains(Point(106.5, 29.2)) for ring in kept.polygons)


def test_the_first_message_is_an_alert_and_the_next_an_update() -> None:
    (first,) = issued(machine_draft("hail", "orange", (D1, D2), WHEN))
    assert (first.id, first.msg_type, first.serial) == ("wx-testland-20250609T104400Z-hail-orange-1", "Alert", 1)
    assert (first.sent, first.effective, first.stage, first.references) == (NOW, NOW, "issued", ())
    assert "草稿" not in first.headline_zh + first.description_zh
    later = NOW + minutes(12)
    (second,) = issued(machine_draft("hail", "red", (D1, D2, D3), WHEN + minutes(12)), live=(first,), now=later)
    assert (second.msg_type, second.serial, second.references) == ("Update", 2, (first.reference,))
    assert [move.new for move in second.change.raised] == ["red"]
    assert second.change.added == (("丙区", "District 3"),)
    (third,) = issued(
        machine_draft("hail", "orange", (D1, D2, D3), WHEN + minutes(18)), live=(second,), now=later + minutes(6)
    )
    assert [ref.identifier for ref in third.references] == [first.id, second.id]  # all that have not expired
    assert [move.new for move in third.change.lowered] == ["orange"]


def test_nobody_loses_a_warning_silently() -> None:
    (first,) = issued(machine_draft("hail", "orange", (D1, D2, D3), WHEN))
    new = machine_draft("hail", "red", (D1,), WHEN + minutes(6))
    later = NOW + minutes(6)
    with pytest.raises(IssueError, match="District 2, District 3") as refused:
        issued(new, live=(first,), now=later)
    assert "乙区、丙区" in refused.value.zh
    with pytest.raises(IssueError, match="District 3 would"):
        issued(new, live=(first,), now=later, lifted=(D2,))
    (second,) = issued(new, live=(first,), now=later, lifted=(D2, D3))
    assert second.change.released == (("乙区", "District 2"), ("丙区", "District 3"))
    assert "乙区" in second.description_zh
    beside = machine_draft("hail", "orange", (D2, D3), WHEN + minutes(6))
    high, low = issued(beside, new, live=(first,), now=later)
    assert (high.level, low.level) == ("red", "orange")
    assert high.references == low.references == (first.reference,)
    for wrong in ((D1,), ("999999",)):
        with pytest.raises(IssueError, match="cannot lift"):
            issued(new, beside, live=(first,), now=later, lifted=wrong)


def test_other_hazards_and_statuses_are_left_alone() -> None:
    (hail,) = issued(machine_draft("hail", "red", (D1, D2), WHEN))
    exercise = replace(hail, status="Exercise")
    (storm,) = issued(machine_draft("thunderstorm", "orange", (D1,), WHEN), live=(hail,))
    (again,) = issued(machine_draft("hail", "red", (D1,), WHEN), live=(exercise,))
    assert storm.msg_type == again.msg_type == "Alert"
    with pytest.raises(IssueError, match="one hazard"):
        issued(machine_draft("thunderstorm", "orange", (D1,), WHEN), machine_draft("hail", "red", (D1,), WHEN))
    with pytest.raises(IssueError, match="named by two"):
        issued(machine_draft("hail", "orange", (D1,), WHEN), machine_draft("hail", "red", (D1,), WHEN))


def test_an_end_is_never_brought_forward_without_a_word() -> None:
    (first,) = issued(edit(machine_draft("hail", "orange", (D1,), WHEN), expires=NOW + minutes(600)))
    later = NOW + minutes(6)
    machine = machine_draft("hail", "orange", (D1,), WHEN + minutes(6))
    assert machine.expires < first.expires
    (kept,) = issued(machine, live=(first,), now=later)
    assert kept.expires == first.expires
    shorter = edit(machine, now=later, live=(first,), expires=later + minutes(60))
    assert (shorter.shortened_from, shorter.remark_zh, shorter.remark_en) == (first.expires, "", "")
    (said,) = issued(shorter, live=(first,), now=later)
    assert said.expires == later + minutes(60)
    longer = edit(shorter, now=later, live=(first,), expires=first.expires + minutes(1))
    assert longer.shortened_from is None
    (raised,) = issued(machine_draft("hail", "red", (D1,), WHEN + minutes(6)), live=(first,), now=later)
    assert raised.expires < first.expires
    assert raised.shortened_from == first.expires
    assert "有效时间缩短" in raised.description_zh  # another level with a shorter life: the text says so by itself
    assert raised.remark_zh == ""


def test_a_shortening_is_the_last_word_on_the_end_not_a_remark() -> None:
    (first,) = issued(edit(machine_draft("hail", "orange", (D1, D2), WHEN), expires=NOW + minutes(600)))
    later = NOW + minutes(6)
    end, live = later + minutes(60), (first,)
    draft = follow_up(first, id="u", now=later, book=BOOK)
    shorter = edit(draft, now=later, live=live, expires=end, remark_zh="减弱", remark_en="Weaker.")
    bare = edit(shorter, now=later, live=live, remark_zh="", remark_en="")
    fewer = edit(shorter, now=later, live=live, adcodes=(D1,))
    for made in (shorter, bare, fewer):
        assert (made.shortened_from, made.expires) == (first.expires, end)
        # 10:50Z + 60 min and 10:44Z + 600 min, Beijing time
        assert "有效时间缩短：改为9日19时50分（原定10日4时44分）" in made.description_zh
    assert (shorter.remark_zh, shorter.remark_en) == ("减弱", "Weaker.")
    (said,) = issued(bare, live=live, now=later)
    assert (said.expires, said.shortened_from) == (end, first.expires)
    other = edit(shorter, now=later, live=live, level="red")
    assert other.shortened_from is None
    assert "缩短" not in other.description_zh + other.remark_zh
    both = edit(shorter, now=later, live=live, level="red", expires=end)
    assert both.shortened_from == first.expires
    assert edit(shorter, now=later, live=(), adcodes=(D1,)).shortened_from is None  # nothing in force is shortened
    again = follow_up(said, id="u2", now=later + minutes(1), book=BOOK)
    assert again.shortened_from is None  # the message said it; its update ends when it does
    ended = cancellation(said, id="c", now=later + minutes(1), remark_zh="", remark_en="", book=BOOK)
    assert ended.shortened_from is None


def test_old_drafts_and_ended_ones_are_not_released() -> None:
    draft = machine_draft("hail", "red", (D1,), WHEN)
    issued(draft, now=WHEN + minutes(60))
    with pytest.raises(IssueError, match="60 min"):
        issued(draft, now=WHEN + minutes(61))
    over = edit(draft, expires=NOW + minutes(10))
    with pytest.raises(IssueError, match="before it begins"):
        issued(over, now=NOW + minutes(10))
    with pytest.raises(IssueError, match="at least one"):
        issued()


def test_an_update_by_a_person_rests_on_the_message() -> None:
    (first,) = issued(machine_draft("hail", "orange", (D1, D2), WHEN))
    later = NOW + minutes(90)
    draft = follow_up(first, id="u", now=later, book=BOOK)
    assert (draft.stage, draft.msg_type, draft.cycle, draft.expires) == ("draft", "Update", first.cycle, first.expires)
    assert draft.references == (first.reference,)
    assert {place.arrival for place in draft.districts} == {"held"}  # its hour is over
    assert (draft.observed, draft.drivers, draft.drivers_zh) == (None, (), ())
    (second,) = issued(draft, live=(first,), now=later + minutes(5))
    assert (second.serial, second.msg_type) == (2, "Update")
    moved = replace(draft, districts=edit(draft, now=later, adcodes=(D3,)).districts)
    with pytest.raises(IssueError, match="District 1, District 2 would"):
        issued(moved, live=(first,), now=later)
    with pytest.raises(IssueError, match="not in force"):
        follow_up(first, id="u", now=first.expires, book=BOOK)


def test_places_and_towns_are_held_when_their_stay_is_over() -> None:
    found = two_storms()
    near, far = (replace(place, end_min=end) for place, end in zip(found.districts, (20.0, 60.0), strict=True))
    town = replace(near, adcode="500101001", district=D1)
    found = replace(found, districts=(near, far), towns=(town,))
    assert held_since(found, WHEN + minutes(19)) == found
    after = held_since(found, WHEN + minutes(20))
    assert [place.arrival for place in (*after.districts, *after.towns)] == ["held", "timed", "held"]
    (first,) = issued(found)
    early, late = (follow_up(first, id="u", now=WHEN + minutes(age), book=BOOK) for age in (59, 60))
    assert [place.arrival for place in early.districts] == ["held", "timed"]
    assert early.drivers == found.drivers
    longer = replace(first, districts=(replace(near, end_min=75.0), far))  # added by hand: its hour began later
    past = follow_up(longer, id="u", now=WHEN + minutes(60), book=BOOK)
    for draft in (late, past):
        assert {place.arrival for place in (*draft.districts, *draft.towns)} == {"held"}
        assert draft.drivers == draft.drivers_zh == ()
        assert draft.observed is None
    unseen = follow_up(replace(first, observed=Observed(0)), id="u", now=WHEN + minutes(60), book=BOOK)
    assert unseen.observed == Observed(0)  # nothing new: p stays told as that of an earlier analysis
    assert "\n把握：此前分析的概率约90%。" in unseen.description_zh


def test_a_cancellation_ends_its_message_and_no_other() -> None:
    whole = issued(machine_draft("hail", "orange", (D1, D2, D3), WHEN))
    high, low = issued(
        machine_draft("hail", "red", (D1,), WHEN), machine_draft("hail", "orange", (D2, D3), WHEN), live=whole
    )
    draft = cancellation(high, id="c", now=NOW + minutes(9), remark_zh="过程结束", remark_en="", book=BOOK)
    assert (draft.msg_type, draft.urgency) == ("Cancel", "Past")
    now = NOW + minutes(20)
    composed = compose([draft], [high, low], now=now, status="Test", book=BOOK)
    (cancel,) = composed.messages
    assert composed.ended == {high.id: cancel.id}
    assert cancel.expires == now + minutes(60)
    assert [ref.identifier for ref in cancel.references] == [whole[0].id, high.id]
    assert "解除" in cancel.headline_zh
    assert "过程结束" in cancel.description_zh
    with pytest.raises(IssueError, match="not in force any more"):
        compose([draft], [low], now=now, status="Test", book=BOOK)
    with pytest.raises(IssueError, match="by itself"):
        issued(draft, machine_draft("hail", "orange", (D2,), WHEN), live=(high, low))
    with pytest.raises(IssueError, match="only its remark"):
        edit(draft, level="orange")


def test_an_identifier_is_used_once() -> None:
    draft = machine_draft("hail", "orange", (D1,), WHEN)
    taken = {"wx-testland-20250609T104400Z-hail-orange-1", "wx-testland-20250609T104400Z-hail-orange-1-2"}
    (message,) = issued(draft, taken=taken.__contains__)
    assert message.id == "wx-testland-20250609T104400Z-hail-orange-1-3"
    twins = issued(draft, replace(draft, id="other", districts=machine_draft("hail", "orange", (D2,), WHEN).districts))
    assert len({message.id for message in twins}) == 2
    (simulated,) = issued(replace(draft, truth="SYN"))
    assert simulated.id == "wx-syn-testland-20250609T104400Z-hail-orange-1"


def test_naive_times_are_refused() -> None:
    draft, naive = machine_draft("hail", "red", (D1,), WHEN), datetime(2025, 6, 9, 10, 44)  # noqa: DTZ001
    for act in (
        lambda: issued(draft, now=naive),
        lambda: edit(draft, now=naive, remark_zh="x"),
        lambda: edit(draft, expires=naive),
        lambda: follow_up(draft, id="u", now=naive, book=BOOK),
        lambda: held_since(draft, naive),
    ):
        with pytest.raises(TimeError):
            act()
