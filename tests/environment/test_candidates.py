"""Which source speaks: model, sounding, climatology."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from tests.environment.makers import LAPSE, NOON, of, simple
from tests.environment.test_levels import region
from wxcore.environment.candidates import distance_km
from wxcore.environment.levels import Levels, climatological_levels, levels_for
from wxcore.environment.profile import Model, Profile, Soundings
from wxcore.errors import TimeError
from wxcore.grid import Grid
from wxcore.region import Region
from wxcore.region.records import Station
from wxcore.schema import LEVELS_SOURCES

WHEN = NOON + timedelta(hours=3)
HERE = (28.0, 105.0)
COLUMNS = ("pressure", "height", "temperature", "dew_point", "u", "v")


def here() -> Region:
    """104.8 ... 105.2 E, 27.6 ... 28.0 N at 0.1 deg (edges 0.05 deg outside)."""
    return replace(region(), grid=Grid(104.8, 27.6, 5, 5, 0.1))


def at(surface: float, time: datetime, lat: float = 27.8, lon: float = 105.0, place: str = "57516") -> Profile:
    return simple(time, surface, lat, lon, place)


def model(run: datetime, *surfaces: tuple[float, float], title: str = "ECMF") -> Model:
    """(hours after the run, surface temperature)."""
    profiles = {run + timedelta(hours=step): at(warm, run + timedelta(hours=step)) for step, warm in surfaces}
    return Model("nwp-grib", title, run, profiles, dict.fromkeys(profiles, 150.0))


def soundings(*profiles: Profile) -> Soundings:
    return Soundings("temp-text", "TEMP", profiles)


def choose(*natives: Model | Soundings, when: datetime = WHEN, where: Region | None = None) -> Levels:
    levels = levels_for(where or here(), when, natives=natives)
    assert levels.source in LEVELS_SOURCES
    assert levels.note_zh
    return levels


def test_a_model_half_way_between_two_valid_times() -> None:
    levels = choose(model(NOON, (0, 26.0), (6, 29.25)))
    assert levels.h0_m == pytest.approx((4000 + 4500) / 2, abs=0.1)
    assert levels.hm10_m == pytest.approx(4250 + 10 / LAPSE * 1000, abs=0.1)
    assert levels.hm20_m == pytest.approx(4250 + 20 / LAPSE * 1000, abs=0.1)
    assert (levels.source, levels.quality, levels.age_h, levels.valid) == ("nwp", "good", 3.0, WHEN)
    assert levels.source_note == (
        "ECMF run of 2020-06-12T12:00:00Z, 3.0 h old, valid 2020-06-12T12:00:00Z and 2020-06-12T18:00:00Z; 0 C height "
        "differs by 150 m within the region"
    )
    assert levels.wet_bulb_zero_m < levels.h0_m
    assert levels.profile is not None


def test_a_quarter_of_the_way_in_files_of_one_valid_time_each() -> None:
    levels = choose(model(NOON, (6, 29.25)), model(NOON, (0, 26.0)), when=NOON + timedelta(minutes=90))
    assert levels.h0_m == pytest.approx(4125, abs=0.1)


def test_a_valid_time_hit_exactly_needs_no_other() -> None:
    levels = choose(model(NOON - timedelta(hours=6), (6, 26.0), (9, 29.25)), when=NOON)
    assert levels.h0_m == pytest.approx(4000, abs=0.1)
    assert "and" not in levels.source_note.split(";")[0]


@pytest.mark.parametrize(("hours", "source"), [(3.0, "nwp"), (3.1, "climatology")])
def test_nearest_valid_time_within_three_hours(hours: float, source: str) -> None:
    assert choose(model(NOON, (0, 26.0)), when=NOON + timedelta(hours=hours)).source == source


def test_times_too_far_apart_are_not_interpolated_between() -> None:
    run = NOON - timedelta(hours=12)
    assert choose(model(run, (0, 26.0), (24, 29.25)), when=NOON).source == "climatology"
    assert choose(model(run, (6, 26.0), (18, 29.25)), when=NOON).h0_m == pytest.approx(4250, abs=0.1)


@pytest.mark.parametrize(("age_h", "source"), [(36, "nwp"), (36.1, "climatology"), (0, "nwp"), (-0.1, "climatology")])
def test_runs_too_old_or_from_the_future(age_h: float, source: str) -> None:
    run = WHEN - timedelta(hours=age_h)
    assert choose(model(run, (age_h - 1, 26.0), (age_h + 1, 26.0))).source == source


def test_the_newest_run_that_reaches_the_time() -> None:
    older, newer = model(NOON - timedelta(hours=12), (12, 26.0), (18, 26.0)), model(NOON, (0, 29.25), (6, 29.25))
    assert choose(older, newer).h0_m == pytest.approx(4500, abs=0.1)
    late = model(NOON, (48, 29.25))
    assert choose(older, late).h0_m == pytest.approx(4000, abs=0.1)


def test_a_model_goes_before_a_sounding_and_a_sounding_before_climatology() -> None:
    ascent = soundings(at(29.25, NOON))
    assert choose(ascent, model(NOON, (0, 26.0), (6, 26.0))).source == "nwp"
    levels = choose(ascent)
    assert (levels.source, levels.age_h, levels.quality, levels.valid) == ("sounding", 3.0, "good", NOON)
    assert levels.h0_m == pytest.approx(4500, abs=0.1)
    assert levels.source_note == (
        "sounding of station 57516 at 2020-06-12T12:00:00Z, 3.0 h old, 0 km from the region's centre (inside the "
        "region)"
    )
    assert choose() == climatological_levels(here(), WHEN)


@pytest.mark.parametrize(
    ("age_h", "expected"),
    [(-0.1, "climatology"), (0, "good"), (6, "good"), (6.1, "doubtful"), (12, "doubtful"), (12.1, "climatology")],
)
def test_age_of_a_sounding(age_h: float, expected: str) -> None:
    assert choose(soundings(at(26.0, WHEN - timedelta(hours=age_h)))).quality == expected


def test_distance_from_the_grids_edge() -> None:
    # A degree of latitude is 111.19 km; the northern edge lies at 28.05 N.
    assert distance_km(28.05, 105.0, 30.74, 105.0) == pytest.approx(299.1, abs=0.2)
    assert choose(soundings(at(26.0, NOON, lat=30.74))).source == "sounding"
    assert choose(soundings(at(26.0, NOON, lat=30.76))).source == "climatology"


def test_the_nearest_station_and_of_it_the_newest() -> None:
    near_old, near_new = at(20.0, NOON - timedelta(hours=6)), at(26.0, NOON)
    far = at(30.0, WHEN, lat=29.0, place="57494")
    for natives in permutations([soundings(near_old), soundings(far), soundings(near_new)]):
        assert choose(*natives).h0_m == pytest.approx(4000, abs=0.1)


def test_the_order_of_files_does_not_matter() -> None:
    natives: list[Model | Soundings] = [
        model(NOON, (0, 26.0)), model(NOON, (6, 29.25)), model(NOON, (0, 27.0)), model(NOON, (0, 20.0), title="BABJ"),
    ]  # fmt: skip
    found = [choose(*order) for order in permutations(natives)]
    assert all(levels == found[0] for levels in found)
    twins = soundings(at(26.0, NOON)), soundings(at(27.0, NOON))
    assert choose(*twins) == choose(*reversed(twins))


def test_a_temp_is_placed_by_the_regions_stations() -> None:
    nowhere = at(26.0, NOON, lat=float("nan"), lon=float("nan"))
    lost = choose(soundings(nowhere))
    assert lost.source == "climatology"
    assert "sounding 57516: its place is not known: add it to" in lost.remarks[0][0]
    assert "探空 57516：站址未知" in lost.remarks[0][1]
    row = Station("57516", "", "", 27.9, 105.0, 259, 259, "", "", "national", date(2000, 1, 1), None, "test")
    found = choose(soundings(nowhere), where=replace(here(), stations=(row,)))
    assert (found.source, found.remarks) == ("sounding", ())


def sited(**soundings: tuple[float, float]) -> Region:
    return replace(here(), soundings={number.strip("_"): place for number, place in soundings.items()})


def test_the_file_then_the_table_then_the_regions_soundings_place_an_ascent() -> None:
    where, nowhere = sited(_57516=(28.95, 105.0)), at(26.0, NOON, lat=float("nan"), lon=float("nan"))
    # The northern edge lies at 28.05 N: 100 km south of 28.95 N.
    assert "100 km outside" in choose(soundings(nowhere), where=where).source_note
    row = Station("57516", "", "", 28.5, 105.0, 259, 259, "", "", "national", date(2000, 1, 1), None, "test")
    with_row = replace(where, stations=(row,))
    assert "50 km outside" in choose(soundings(nowhere), where=with_row).source_note
    assert "inside" in choose(soundings(at(26.0, NOON)), where=with_row).source_note


def test_many_places_unknown_are_one_remark_and_none_where_a_model_speaks() -> None:
    lost = [at(26.0, NOON, float("nan"), float("nan"), f"5000{number}") for number in range(5)]
    remarks = choose(soundings(*lost)).remarks
    assert len(remarks) == 1
    assert "50000, 50001, 50002 and 2 more" in remarks[0][0]
    assert choose(soundings(*lost), model(NOON, (0, 26.0), (6, 26.0))).remarks == ()
    assert choose(soundings(*lost, at(26.0, NOON))).remarks == (), "a good one is there"
    old = at(26.0, WHEN - timedelta(hours=7))
    assert "its place is not known" in choose(soundings(*lost, old)).remarks[0][0], "a better one may be among them"
    late = at(26.0, WHEN + timedelta(hours=1), float("nan"), float("nan"))
    assert choose(soundings(late)).remarks == (), "of the future"


def test_of_one_place_and_hour_the_most_levels_count() -> None:
    full = at(26.0, NOON, lat=27.83)
    few = replace(full, **{name: getattr(full, name)[::4] for name in COLUMNS})
    few = replace(few, temperature=few.temperature + 3)
    for part in (few, replace(few, lat=27.8)):
        for natives in permutations([soundings(full), soundings(part)]):
            levels = choose(*natives)
            assert levels.profile is full
            assert levels.h0_m == pytest.approx(4000, abs=0.1)


@pytest.mark.parametrize(
    ("native", "when", "quality", "told"),
    [
        (model(NOON - timedelta(hours=24), (24, 26.0)), NOON, "good", ""),
        (model(NOON - timedelta(hours=24.1), (24.1, 26.0)), NOON, "doubtful", "over 24 h old"),
        (model(NOON, (0, 26.0)), NOON + timedelta(hours=1.5), "good", ""),
        (model(NOON, (0, 26.0)), NOON + timedelta(hours=1.6), "doubtful", "1.6 h off"),
        (model(NOON, (0, 26.0), (6, 26.0)), WHEN, "good", ""),
        (replace(model(NOON, (0, 26.0)), spread_h0_m={NOON: 1000.0}), NOON, "good", ""),
        (replace(model(NOON, (0, 26.0)), spread_h0_m={NOON: 1001.0}), NOON, "doubtful", "1001 m within the region"),
    ],
)
def test_a_model_that_is_old_or_off_or_spread_is_doubtful(
    native: Model, when: datetime, quality: str, told: str
) -> None:
    levels = choose(native, soundings(at(29.25, when - timedelta(hours=1))), when=when)
    assert (levels.source, levels.quality) == ("nwp", quality), "a sounding does not overrule a model"
    assert [told in en and zh.startswith("存疑") for en, zh in levels.remarks] == ([True] if told else [])


def test_an_implausible_source_is_passed_over_and_told() -> None:
    short = of([20, 14, 8, 2, -5], time=NOON)  # never reaches -20 C
    levels = choose(soundings(replace(short, lat=27.8, lon=105.0)))
    assert levels.source == "climatology"
    assert "passed over: sounding of station 57516" in levels.remarks[0][0]
    assert "未采用：57516 站" in levels.remarks[0][1]


def test_frozen_ground_is_doubtful() -> None:
    cold = replace(of([-2, -5, -12, -19, -26], time=NOON), lat=27.8, lon=105.0)
    levels = choose(soundings(cold))
    assert (levels.h0_m, levels.quality) == (500, "doubtful")
    assert "ground is colder" in levels.remarks[0][0]


def test_by_hand_goes_before_all() -> None:
    levels = levels_for(here(), WHEN, 4600, 7900, natives=[model(NOON, (0, 26.0), (6, 26.0))])
    assert (levels.source, levels.h0_m) == ("manual", 4600)


@pytest.mark.parametrize("heights", [{}, {"h0_m": 4600.0, "hm20_m": 7900.0}])
def test_naive_times_are_refused(heights: dict[str, Any]) -> None:
    with pytest.raises(TimeError):
        levels_for(here(), datetime(2020, 6, 12), natives=[], **heights)  # noqa: DTZ001


def test_another_zone_is_the_same_instant() -> None:
    beijing = WHEN.astimezone(datetime.fromisoformat("2020-06-12T20:00+08:00").tzinfo)
    native = model(NOON, (0, 26.0), (6, 29.25))
    assert choose(native, when=beijing) == choose(native, when=WHEN.astimezone(UTC))
