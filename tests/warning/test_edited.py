"""What an edit takes with it: the life of a level, reasons of lost storms, towns; and what its refusals say."""

from dataclasses import replace

import pytest

from tests.pipeline.issuing import BOOK, D1, D2, D3, WHEN, machine_draft, minutes
from tests.warning.test_lifecycle import NOW, edit, two_storms
from wxcore.errors import IssueError
from wxcore.warning.lifecycle import follow_up


def test_a_level_is_valid_from_the_onset_that_lies_ahead() -> None:
    far = edit(two_storms(), adcodes=(D2,))
    assert far.onset == WHEN + minutes(50)
    red = edit(far, level="red")
    assert (red.onset, red.expires) == (far.onset, far.onset + minutes(120))  # rules.toml: hail red, validity_h = 2
    late = WHEN + minutes(55)
    assert edit(far, level="red", now=late).expires == late + minutes(120)


def test_the_reasons_of_a_storm_that_is_gone_are_not_told() -> None:
    both = two_storms()
    twins = replace(both, districts=tuple(replace(place, p=both.p) for place in both.districts))
    far = edit(twins, adcodes=(D2,))
    assert (far.p, far.storm_ids) == (both.p, ("s2",))
    assert (far.drivers, far.drivers_zh) == ((), ())  # they speak of s1
    assert edit(twins, adcodes=(D1,)).drivers == both.drivers


def test_towns_go_with_their_district() -> None:
    both = two_storms()
    (first, second), names = both.districts, ("近镇", "远镇", "北镇")
    towns = tuple(
        replace(place, adcode=f"{place.adcode}{n:03d}", name_zh=name, district=district)
        for n, (place, name, district) in enumerate(
            zip((first, second, second), names, (D1, "", D2), strict=True)  # "": the code begins with the district's
        )
    )
    full = replace(both, towns=towns)
    near, far = edit(full, adcodes=(D1,)), edit(full, adcodes=(D2, D3))
    assert [town.name_zh for town in near.towns] == ["近镇"]
    assert [town.name_zh for town in far.towns] == ["远镇", "北镇"]
    assert "北镇" not in near.description_zh
    assert "近镇" not in far.description_zh


def test_refusals_tell_beijing_time() -> None:
    red = machine_draft("hail", "red", (D1,), WHEN)
    with pytest.raises(IssueError, match="end 2025-06-09 18:44 BJT: expected after 2025-06-09 18:44 BJT") as refused:
        edit(red, expires=NOW)
    assert "失效时间 2025-06-09 18:44（北京时）不合理：须晚于 2025-06-09 18:44（北京时）" in refused.value.zh
    with pytest.raises(IssueError, match="at 2025-06-09 19:32 BJT, after the end 2025-06-09 19:27 BJT") as refused:
        edit(edit(two_storms(), expires=WHEN + minutes(45)), adcodes=(D2,))
    assert "最早于 2025-06-09 19:32（北京时）受影响，晚于失效时间 2025-06-09 19:27（北京时）" in refused.value.zh
    with pytest.raises(IssueError, match="not in force at 2025-06-09 20:42 BJT") as refused:
        follow_up(red, id="u", now=red.expires, book=BOOK)
    assert "在 2025-06-09 20:42（北京时）已不生效" in refused.value.zh
