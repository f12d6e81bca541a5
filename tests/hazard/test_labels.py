"""Labels: who is hit, when exactly, and when nobody can say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import SampleError, SchemaError, TimeError
from wxcore.hazard.labels.events import (
    FLASH_KIND,
    GUST_KIND,
    HAIL_KIND,
    as_events,
    check_events,
    flash_rows,
    join_events,
    no_events,
    read_events,
    station_gusts,
    station_hail,
    write_events,
)
from wxcore.hazard.labels.label import label_storms
from wxcore.hazard.labels.looked import Looked, Observers, everything_seen
from wxcore.schema import STATION_TABLE

T0 = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
BOX = (100.0, 20.0, 115.0, 35.0)
KM = 111.19492664
KX = KM * np.cos(np.deg2rad(25.0))
WINDOWS = ("0_60", "0_15", "15_30", "30_60")
HEAD = "kind,time,lat,lon,value,time_error_min,place_error_km,label_source\n"


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def stamp(minute: float) -> np.datetime64:
    return np.datetime64(at(minute).replace(tzinfo=None), "ns")


def storm(name: str, minute: float, east_km: float, north_km: float = 0.0, **other: object) -> dict[str, object]:
    """A storm of 10 km across, east and north of (105, 25); moves east at 10 m/s where nothing else is said."""
    lon, lat = 105 + east_km / KX, 25 + north_km / KM
    ring = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    outline = shapely.Polygon(np.column_stack([lon + 5 * np.cos(ring) / KX, lat + 5 * np.sin(ring) / KM]))
    row: dict[str, object] = {"storm_id": name, "time": stamp(minute), "lat": lat, "lon": lon, "polygon": outline}
    return row | {"u_m_s": 10.0, "v_m_s": 0.0, "parents": (), "flash_rate_min": np.nan} | other


def moving(name: str, minutes: Sequence[float], north_km: float = 0.0, **other: object) -> list[dict[str, object]]:
    return [storm(name, minute, 0.6 * minute, north_km, **other) for minute in minutes]


def tables(rows: list[dict[str, object]]) -> list[pd.DataFrame]:
    frame = pd.DataFrame(rows)
    return [part.reset_index(drop=True) for _, part in frame.groupby("time", sort=True)]


def event(
    kind: str, minute: float, east_km: float, north_km: float = 0.0, value: float = 30.0, **other: object
) -> pd.DataFrame:
    place = 25 + north_km / KM, 105 + east_km / KX
    return as_events(kind, [stamp(minute)], [place[0]], [place[1]], [value], "report").assign(**other)


def cycles(last: int = 120, without: tuple[int, ...] = ()) -> tuple[datetime, ...]:
    return tuple(at(minute) for minute in range(0, last + 1, 6) if minute not in without)


LONG = moving("a", range(0, 121, 6))
SEEN = everything_seen(cycles(), BOX)


def labels_of(
    rows: list[dict[str, object]], events: pd.DataFrame, looked: Looked = SEEN, hazard: str = "hail"
) -> pd.DataFrame:
    table = label_storms(tables(rows), events, looked)
    names = {f"label_{hazard}_{window}": window for window in WINDOWS}
    return table.set_index(["storm_id", "time"]).rename(columns=names)


def of(labels: pd.DataFrame, minute: float = 0, name: str = "a") -> tuple[float, ...]:
    return tuple(float(labels.loc[(name, stamp(minute)), window]) for window in WINDOWS)


def test_hail_ahead_of_a_moving_storm_is_its_own() -> None:
    labels = labels_of(LONG, event(HAIL_KIND, 25, 15 + 12))
    assert of(labels) == (1, 0, 1, 0)
    assert of(labels, 24) == (1, 1, 0, 0)
    assert of(labels, 30) == (0, 0, 0, 0)
    row = labels.loc[("a", stamp(0))]
    assert (row["value_hail"], row["source_hail"], row["reason_hail"], row["weight"]) == (30, "report", "", 1)


@pytest.mark.parametrize(
    ("east", "hit"), [(15 + 14.9, 1), (15 + 15.1, 0), (15 + 30, 0), (15 - 14.9, 1), (15 - 15.1, 0)]
)
def test_ten_km_from_the_outline_moved_to_the_time(east: float, hit: float) -> None:
    assert of(labels_of(LONG, event(HAIL_KIND, 25, east)))[0] == hit


def test_the_outline_is_moved_between_rows_and_without_motion_is_not() -> None:
    first = [storm("a", 0, 0.0)]
    lost = everything_seen(cycles(), BOX)
    at_14 = event(HAIL_KIND, 14, 0.6 * 14 + 14.9)
    assert of(labels_of(first, at_14, lost))[1] == 1
    assert of(labels_of([storm("a", 0, 0.0, v_m_s=np.nan)], at_14, lost))[1] == 0
    assert of(labels_of(first, event(HAIL_KIND, 16, 0.6 * 16), lost))[0] == 0, "its row is older than 15 minutes"


@pytest.mark.parametrize(("km", "hit"), [(0.0, 0), (2.0, 1)])
def test_an_error_of_the_place_widens_the_reach(km: float, hit: float) -> None:
    assert of(labels_of(LONG, event(HAIL_KIND, 25, 15 + 16.5, place_error_km=km)))[0] == hit


@pytest.mark.parametrize(
    ("minute", "expected"),
    [
        (0, (0, 0, 0, 0)), (0.01, (1, 1, 0, 0)), (15, (1, 1, 0, 0)), (15.01, (1, 0, 1, 0)), (30, (1, 0, 1, 0)),
        (30.01, (1, 0, 0, 1)), (60, (1, 0, 0, 1)), (60.01, (0, 0, 0, 0)),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("kind", "hazard"), [(HAIL_KIND, "hail"), (FLASH_KIND, "thunderstorm"), (GUST_KIND, "gale")])
def test_edges_of_windows(minute: float, expected: tuple[float, ...], kind: str, hazard: str) -> None:
    assert of(labels_of(LONG, event(kind, minute, 0.6 * minute), hazard=hazard)) == expected


@pytest.mark.parametrize(
    ("kind", "hazard", "value", "expected"),
    [
        (HAIL_KIND, "hail", 19.9, 0), (HAIL_KIND, "hail", 20.0, 1), (GUST_KIND, "gale", 17.1, 0),
        (GUST_KIND, "gale", 17.2, 1), (FLASH_KIND, "thunderstorm", 1, 1),
    ],
)  # fmt: skip
def test_thresholds_of_the_definitions(kind: str, hazard: str, value: float, expected: float) -> None:
    labels = labels_of(LONG, event(kind, 20, 12, value=value), hazard=hazard)
    assert of(labels)[0] == expected
    assert labels.loc[("a", stamp(0)), f"value_{hazard}"] == value
    assert labels.loc[("a", stamp(24)), f"value_{hazard}"] == 0
    assert np.isnan(labels.loc[("a", stamp(120)), f"value_{hazard}"])


def test_other_thresholds_and_hazards_are_kept_apart() -> None:
    events = event(HAIL_KIND, 20, 12, value=6)
    table = label_storms(tables(LONG), events, SEEN, {"hail": 5.0})
    assert table["label_hail_0_60"].iloc[0] == 1
    assert (table["label_gale_0_60"].iloc[0], table["label_thunderstorm_0_60"].iloc[0]) == (0, 0)


def test_a_time_that_straddles_an_edge_is_ambiguous_unless_another_event_settles_it() -> None:
    unsure = event(HAIL_KIND, 14, 9, time_error_min=5.0)
    labels = labels_of(LONG, unsure)
    np.testing.assert_array_equal(of(labels), (1, np.nan, np.nan, 0))
    reason = labels.loc[("a", stamp(0)), "reason_hail"]
    assert reason == "an event may have been inside or outside the window (0-15, 15-30)"
    labels = labels_of(LONG, join_events([unsure, event(HAIL_KIND, 8, 5)]))
    np.testing.assert_array_equal(of(labels), (1, 1, np.nan, 0))


def test_an_uncertain_time_is_held_against_the_storm_at_all_its_times() -> None:
    labels = labels_of(LONG, event(HAIL_KIND, 30, 0.6 * 52, time_error_min=20.0))
    np.testing.assert_array_equal(of(labels), (1, np.nan, np.nan, np.nan))
    assert of(labels_of(LONG, event(HAIL_KIND, 30, 0.6 * 56, time_error_min=0.0)))[0] == 0


def test_hail_of_unknown_size_is_not_severe_and_not_none() -> None:
    labels = labels_of(LONG, event(HAIL_KIND, 20, 12, value=np.nan))
    np.testing.assert_array_equal(of(labels), (np.nan, 0, np.nan, 0))
    assert "unknown size" in labels.loc[("a", stamp(0)), "reason_hail"]


def test_the_end_of_the_period_censors_ones_as_well_as_zeros() -> None:
    labels = labels_of(LONG, event(HAIL_KIND, 119, 0.6 * 119))
    np.testing.assert_array_equal(of(labels, 60), (1, 0, 0, 1))
    np.testing.assert_array_equal(of(labels, 66), (np.nan, 0, 0, np.nan))
    np.testing.assert_array_equal(of(labels, 96), (np.nan, 0, np.nan, np.nan))
    np.testing.assert_array_equal(of(labels, 120), (np.nan,) * 4)
    reason = labels.loc[("a", stamp(120)), "reason_hail"]
    assert reason == "the period ends within the window (0-60, 0-15, 15-30, 30-60)"
    np.testing.assert_array_equal(of(labels_of(LONG, no_events()), 60), (0, 0, 0, 0))
    np.testing.assert_array_equal(of(labels_of(LONG, no_events()), 66), (np.nan, 0, 0, np.nan))


def test_a_missing_cycle_censors_ones_as_well_as_zeros() -> None:
    rows = moving("a", [minute for minute in range(0, 121, 6) if minute != 36])
    looked = everything_seen(cycles(without=(36,)), BOX)
    labels = labels_of(rows, event(HAIL_KIND, 10, 6), looked)
    np.testing.assert_array_equal(of(labels), (np.nan, 1, 0, np.nan))
    np.testing.assert_array_equal(of(labels, 30), (np.nan,) * 4)
    assert labels.loc[("a", stamp(30)), "reason_hail"] == "data gap (0-60, 0-15, 15-30, 30-60)"
    assert of(labels, 42) == (0, 0, 0, 0)
    hit = labels_of(rows, event(HAIL_KIND, 39, 0.6 * 39), looked)
    np.testing.assert_array_equal(of(hit, 30), (np.nan,) * 4)


def test_a_storm_that_leaves_the_domain_is_censored_and_one_that_dies_is_not() -> None:
    east = 105 + (0.6 * 24 + 5 + 3) / KX
    small = everything_seen(cycles(), (100, 20, east, 35))
    rows = moving("a", range(0, 25, 6)) + moving("b", range(0, 25, 6), 40, u_m_s=-10.0)
    labels = labels_of(rows, no_events(), small)
    np.testing.assert_array_equal(of(labels), (np.nan, 0, np.nan, np.nan))
    assert labels.loc[("a", stamp(0)), "reason_hail"] == "left the domain (0-60, 15-30, 30-60)"
    assert of(labels, name="b") == (0, 0, 0, 0)
    assert of(labels_of(rows, no_events())) == (0, 0, 0, 0), "it died inside of the large box"


def test_nobody_looked() -> None:
    looked = Looked(cycles(), BOX)
    table = label_storms(tables(LONG), no_events(), looked)
    assert table.filter(like="label_").isna().all().all()
    assert table["reason_hail"].iloc[0].startswith("nobody reported hail")
    assert table["reason_thunderstorm"].iloc[0].startswith("no lightning source")
    assert table["reason_gale"].iloc[0].startswith("no stations")
    assert (table["source_gale"] == "").all()
    seen = label_storms(tables(LONG), event(FLASH_KIND, 20, 12, value=1), looked)
    assert np.isnan(seen["label_thunderstorm_0_60"].iloc[0]), "where no 0 can be told, no 1 is learnt"


def test_lightning_that_was_off_for_a_while() -> None:
    flash = Observers(((at(0), at(20)), (at(20), at(40)), (at(50), at(120))), "instrument")
    labels = labels_of(LONG, no_events(), replace(SEEN, flash=flash), "thunderstorm")
    np.testing.assert_array_equal(of(labels), (np.nan, 0, 0, np.nan))
    np.testing.assert_array_equal(of(labels, 24), (np.nan, 0, np.nan, 0))
    assert of(labels, 54) == (0, 0, 0, 0)
    assert labels.loc[("a", stamp(54)), "source_thunderstorm"] == "instrument"


def test_somebody_must_be_near_all_the_way() -> None:
    all_time = ((at(0), at(120)),)
    near = tuple((105 + east / KX, 25.0) for east in (0, 20))
    labels = labels_of(LONG, no_events(), replace(SEEN, gust=Observers(all_time, "instrument", near, 20.0)), "gale")
    np.testing.assert_array_equal(of(labels), (0, 0, 0, 0))
    np.testing.assert_array_equal(of(labels, 36), (np.nan, 0, 0, np.nan))
    assert labels.loc[("a", stamp(36)), "reason_gale"] == "no station within 20 km (0-60, 30-60)"
    nobody = labels_of(LONG, no_events(), replace(SEEN, gust=Observers(all_time, "instrument", (), 20.0)), "gale")
    assert nobody["0_60"].isna().all()


def test_an_event_between_two_storms_is_shared() -> None:
    rows = LONG + moving("b", range(0, 121, 6), 22)
    labels = labels_of(rows, event(HAIL_KIND, 20, 12, 9.5))
    assert (of(labels)[0], of(labels, name="b")[0]) == (1, 1)
    assert labels.loc[("a", stamp(0)), "weight_hail"] == labels.loc[("b", stamp(0)), "weight"] == 0.5
    assert labels.loc[("a", stamp(0)), "weight_gale"] == 1
    labels = labels_of(rows, event(HAIL_KIND, 20, 12, 8))
    assert (of(labels)[0], of(labels, name="b")[0]) == (1, 0), "6 km further than the nearest"
    both = join_events([event(HAIL_KIND, 20, 12, 9.5), event(HAIL_KIND, 22, 13.2, 0)])
    assert labels_of(rows, both).loc[("a", stamp(0)), "weight_hail"] == 1


def test_a_lost_storm_yields_to_a_living_one() -> None:
    rows = [storm("old", 0, 0.0), storm("a", 0, 0.0, 18), *moving("a", range(6, 121, 6), 18)]
    assert of(labels_of(rows, event(HAIL_KIND, 10, 6, 6)), name="old")[0] == 0
    assert of(labels_of(rows, event(HAIL_KIND, 10, 6, -6)), name="old")[0] == 1


def test_children_inherit_after_a_split() -> None:
    child = moving("b", range(18, 121, 6), 30)
    child[0]["parents"] = ("a",)
    labels = labels_of(LONG + child, event(HAIL_KIND, 40, 24, 30))
    assert [of(labels, minute)[0] for minute in (0, 6, 12, 18, 24)] == [1, 1, 1, 0, 0]
    assert [of(labels, minute, "b")[0] for minute in (18, 36, 42)] == [1, 1, 0]
    grandchild = moving("c", range(30, 121, 6), 60)
    grandchild[0]["parents"] = ("b",)
    labels = labels_of(LONG + child + grandchild, event(HAIL_KIND, 50, 30, 60))
    assert [of(labels, minute)[0] for minute in (0, 12, 18)] == [1, 1, 0]
    assert [of(labels, minute, "b")[0] for minute in (18, 24, 30)] == [1, 1, 0]


def test_a_storm_that_merges_keeps_its_future_only() -> None:
    other = moving("b", range(0, 19, 6), 8)
    rows = [dict(row) for row in LONG]
    rows[4]["parents"] = ("a", "b")
    later = labels_of(rows + other, event(HAIL_KIND, 40, 24))
    assert [of(later, minute, "b")[0] for minute in (0, 18)] == [1, 1]
    assert later.loc[("b", stamp(0)), "weight"] == 1
    before = labels_of(rows + other, event(HAIL_KIND, 10, 6, -12))
    assert (of(before)[0], of(before, name="b")[0]) == (1, 0)


def test_rows_keep_the_order_of_the_tables_and_a_time_must_be_a_cycle() -> None:
    rows = [storm("z", 0, 0.0), storm("a", 0, 60.0), storm("a", 6, 64.0)]
    table = label_storms([*tables(rows), pd.DataFrame()], no_events(), SEEN)
    assert table["storm_id"].tolist() == ["z", "a", "a"]
    assert len(label_storms([], no_events(), SEEN)) == 0
    with pytest.raises(SampleError, match="none of the cycles"):
        label_storms(tables([storm("a", 3, 0.0)]), no_events(), SEEN)
    with pytest.raises(SampleError, match="twice"):
        label_storms(tables([storm("a", 0, 0.0), storm("a", 0, 9.0)]), no_events(), SEEN)
    with pytest.raises(SampleError, match="no column polygon"):
        label_storms([tables(rows)[0].drop(columns="polygon")], no_events(), SEEN)


@pytest.mark.parametrize("odd", [(T0, T0 + timedelta(minutes=5)), (T0, T0), (at(6), T0), ()])
def test_cycles_in_order(odd: tuple[datetime, ...]) -> None:
    with pytest.raises(SampleError, match="cycle"):
        Looked(odd, BOX)


def test_naive_times_are_refused() -> None:
    naive = T0.replace(tzinfo=None)
    with pytest.raises(TimeError):
        Looked((naive,), BOX)
    with pytest.raises(TimeError):
        everything_seen((naive,), BOX)
    with pytest.raises(TimeError):
        Observers(((naive, T0),), "report").covered(np.zeros(1, np.int64), np.zeros(1, np.int64))


ONE_EVENT = st.tuples(
    st.sampled_from([HAIL_KIND, FLASH_KIND, GUST_KIND]), st.integers(0, 119), st.integers(-20, 90),
    st.integers(-20, 50), st.sampled_from([1.0, 18.0, 25.0]), st.sampled_from([0.0, 4.0, 12.0]),
)  # fmt: skip
MANY = st.lists(ONE_EVENT, max_size=8)
PAIR = LONG[:14] + moving("b", range(12, 121, 6), 22)
PAIR[14]["parents"] = ("a",)


def drawn(parts: list[tuple[str, int, int, int, float, float]]) -> pd.DataFrame:
    return join_events(
        [event(*part[:2], part[2] + 0.37, part[3] + 0.21, part[4], time_error_min=part[5]) for part in parts]
    )


@settings(max_examples=10, deadline=None)
@given(parts=MANY, more=ONE_EVENT)
def test_more_events_never_take_one_away_and_windows_agree(
    parts: list[tuple[str, int, int, int, float, float]], more: tuple[str, int, int, int, float, float]
) -> None:
    table = label_storms(tables(PAIR), drawn(parts), SEEN)
    fuller = label_storms(tables(PAIR), drawn([*parts, more]), SEEN)
    for hazard in ("hail", "thunderstorm", "gale"):
        names = [f"label_{hazard}_{window}" for window in WINDOWS]
        whole, *halves = (table[name].to_numpy() for name in names)
        happened = whole[np.any([part == 1 for part in halves], axis=0)]
        assert (happened[~np.isnan(happened)] == 1).all()
        assert (np.all([part == 0 for part in halves], axis=0) <= (whole == 0)).all()
        for name in names:
            assert (fuller[name][table[name] == 1] == 1).all()
        censored = table[names].isna().any(axis=1)
        assert (censored == (table[f"reason_{hazard}"] != "")).all()


@settings(max_examples=6, deadline=None)
@given(parts=MANY, days=st.integers(-400, 400), degrees=st.sampled_from([-40.0, -3.5, 7.25, 74.0, 120.0]))
def test_days_and_longitudes_change_nothing(
    parts: list[tuple[str, int, int, int, float, float]], days: int, degrees: float
) -> None:
    events = drawn(parts)
    shift = pd.Timedelta(days=days)
    moved = [{
        **row, "time": row["time"] + shift.to_timedelta64(), "lon": row["lon"] + degrees,
        "polygon": shapely.transform(row["polygon"], lambda places: places + np.array([degrees, 0])),
    } for row in PAIR]  # fmt: skip
    there = everything_seen(
        tuple(cycle + timedelta(days=days) for cycle in SEEN.cycles), (BOX[0] + degrees, 20, BOX[2] + degrees, 35)
    )
    other = label_storms(tables(moved), events.assign(time=events["time"] + shift, lon=events["lon"] + degrees), there)
    here = label_storms(tables(PAIR), events, SEEN)
    pd.testing.assert_frame_equal(other.drop(columns="time"), here.drop(columns="time"))


def test_events_are_written_and_read(tmp_path: Path) -> None:
    events = join_events([
        event(HAIL_KIND, 3, 1, value=np.nan), event(GUST_KIND, 1, 2, value=17.25), event(FLASH_KIND, 2.5, 0, value=1),
    ])  # fmt: skip
    write_events(events, tmp_path / "a.csv")
    write_events(events.iloc[::-1], tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    found = read_events(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[1] == (
        "gust,2026-07-01T06:01:00.000Z,25.0000,105.0198,17.25,0,0,report"
    )
    pd.testing.assert_frame_equal(found.drop(columns=["lat", "lon"]), events.drop(columns=["lat", "lon"]))
    np.testing.assert_allclose(found[["lat", "lon"]], events[["lat", "lon"]], atol=5.1e-5)
    write_events(no_events(), tmp_path / "none.csv", simulated=True)
    assert (tmp_path / "none.csv").read_text() == "# wxcore_truth=SYN\n" + HEAD
    assert read_events(tmp_path / "none.csv").empty


def test_what_a_report_does_not_tell(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(
        HEAD + "hail,2026-07-01T06:00Z,25,105,,,,report\nhail,2026-07-01T06:20Z,25,105,30,,,report\n"
        "# a comment\n\ngust,2026-07-01T06:00+00:00,25,105,20,,,instrument\n"
    )
    found = read_events(path)
    assert found["time_error_min"].tolist() == [30, 10, 0]
    assert found["place_error_km"].tolist() == [2, 2, 0]
    assert found["value"].isna().tolist() == [True, False, False]
    assert found["time"].dtype == np.dtype("datetime64[ns]")


def test_every_bad_row_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(
        HEAD + "hail,2026-07-01T06:00Z,25,105,30,0,0,report\n"
        "snow,2026-07-01T06:00Z,25,105,30,0,0,report\n"
        "hail,2026-07-01T06:00,25,105,30,0,0,report\n"
        "hail,2026-07-01T14:00+08:00,25,105,30,0,0,report\n"
        "hail,2026-07-01T06:00Z,95,105,300,0,0,report\n"
        "gust,2026-07-01T06:00Z,25,105,,0,0,report\n"
        "gust,2026-07-01T06:00Z,25,x,20,0,0,hearsay\n"
        "gust,2026-07-01T06:00Z,25\n"
    )
    with pytest.raises(SampleError) as caught:
        read_events(path)
    lines = [fault.split(":")[0] for fault in caught.value.faults]
    assert lines == [f"line {number}" for number in (3, 4, 5, 6, 6, 7, 8, 8, 9)]
    text = str(caught.value)
    for words in ("snow", "no time zone", "not UTC", "lat 95", "value 300", "value ''", "hearsay", "3 fields"):
        assert words in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"), (HEAD.replace(",lat", ""), "no column lat"), (HEAD.replace("kind", "kind,day"), "column day"),
        (HEAD.replace("kind", "kind,kind"), "stands twice"),
        ("# wxcore_truth=SYN\n" + HEAD + "hail,2026-07-01T06:00Z,25,105,30,0,0,report\n", "says that it is simulated"),
    ],
)  # fmt: skip
def test_files_that_are_no_events(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(text)
    with pytest.raises(SampleError, match=words):
        read_events(tmp_path / "e.csv")
    (tmp_path / "e.csv").write_bytes("冰雹".encode("gb18030"))
    with pytest.raises(SampleError, match="UTF-8"):
        read_events(tmp_path / "e.csv")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "snow"}, "kind: snow"), ({"value": -1.0}, "value: -1 in row 0"), ({"lat": np.nan}, "lat: nan"),
        ({"time": pd.NaT}, "time"), ({"time": pd.Timestamp(T0)}, "time"), ({"label_source": "x"}, "label_source: x"),
    ],
)  # fmt: skip
def test_tables_that_are_no_events(change: dict[str, object], words: str) -> None:
    with pytest.raises(SampleError, match=words):
        check_events(event(HAIL_KIND, 0, 0).assign(**change))
    with pytest.raises(SampleError, match="no such column"):
        label_storms([], event(HAIL_KIND, 0, 0).drop(columns="value"), SEEN)


def test_gusts_of_stations_that_quality_control_believes() -> None:
    kinds = {"str": object, "object": object, "time": "datetime64[ns]", "int": np.int64, "float": np.float64}
    blank = {"str": "", "object": None, "time": pd.NaT, "int": 8, "float": np.nan}
    rows = pd.DataFrame({
        column.name: pd.Series([blank[column.kind]] * 6, dtype=kinds[column.kind]) for column in STATION_TABLE
    })  # fmt: skip
    rows = rows.assign(
        lat=25.0, lon=np.arange(6.0) + 100, gust_m_s=[20, 20, 20, 20, 20, 8.0], gust_flag=[0, 1, 0, 0, 0, 0],
        gust_witnesses=[2, 2, 0, 1, np.nan, np.nan], gust_time=[stamp(1)] * 3 + [pd.NaT] + [stamp(1)] * 2,
    )  # fmt: skip
    rows.loc[0, ["gust_30min_m_s", "gust_30min_flag", "gust_30min_witnesses"]] = [20.0, 0, 2.0]
    rows.loc[0, "gust_30min_time"] = stamp(1)
    found = station_gusts(rows)
    assert found["lon"].tolist() == [100, 104], "suspect, without witness, without time and weak gusts are left out"
    assert (found["kind"] == GUST_KIND).all()
    assert found["time"].tolist() == [pd.Timestamp(stamp(1))] * 2
    with pytest.raises(SchemaError, match="gust_flag"):
        station_gusts(rows.drop(columns="gust_flag"))


def test_hail_of_stations() -> None:
    observations = xr.Dataset(
        {
            "present_weather": (("time", "station"), [[np.nan, 96.0, 95.0], [99.0, np.nan, 90.0]]),
            "present_weather_qc": (("time", "station"), [[8, 0, 0], [0, 8, 2]]),
            "hail_diameter": (("time", "station"), [[np.nan, 25.0, np.nan], [np.nan, np.nan, np.nan]]),
        },
        {"time": [stamp(0), stamp(10)], "lat": ("station", [25.0, 26, 27]), "lon": ("station", [105.0, 106, 107])},
    )
    found = station_hail(observations)
    assert found["lon"].tolist() == [106, 105]
    np.testing.assert_array_equal(found["value"], [25, np.nan])
    assert found["time"].tolist() == [pd.Timestamp(stamp(-5)), pd.Timestamp(stamp(5))]
    assert (found["time_error_min"] == 5).all()
    assert station_hail(observations.drop_vars(["present_weather", "hail_diameter"])).empty


def test_lightning_of_storm_rows_is_in_the_six_minutes_before() -> None:
    rows = [dict(row) for row in LONG]
    rows[2]["flash_rate_min"], rows[5]["flash_rate_min"] = 2.0, 0.0
    events = flash_rows(pd.DataFrame(rows), "SYN")
    assert events["value"].tolist() == [12]
    labels = labels_of(rows, events, hazard="thunderstorm")
    assert of(labels, 0) == (1, 1, 0, 0)
    assert of(labels, 6) == (1, 1, 0, 0)
    assert of(labels, 12) == (0, 0, 0, 0)


def test_the_newest_verdict_on_a_gust_counts() -> None:
    def table(witnesses: float, minute: int) -> pd.DataFrame:
        row = {
            "lat": 29.0,
            "lon": 106.0,
            "gust_m_s": 25.0,
            "gust_time": stamp(3),
            "gust_flag": 0,
            "gust_witnesses": witnesses,
        }
        old = {
            "gust_30min_m_s": 25.0,
            "gust_30min_time": stamp(3),
            "gust_30min_flag": 0,
            "gust_30min_witnesses": witnesses,
        }
        return pd.DataFrame([row | old | {"time": stamp(minute)}])

    assert len(station_gusts(table(2.0, 6))) == 1
    assert station_gusts(pd.concat([table(2.0, 6), table(0.0, 12)], ignore_index=True)).empty
    assert len(station_gusts(pd.concat([table(0.0, 6), table(2.0, 12)], ignore_index=True))) == 1


def test_whether_a_label_is_known_does_not_depend_on_how_long_the_storm_lives() -> None:
    """Else those that live on into places that nobody watches, and have the events, would be censored more often."""
    gust = replace(SEEN.gust, places=((105.0, 29.0),), radius_km=20.0)
    looked = replace(SEEN, gust=gust)
    short, whole = (labels_of(moving("a", range(0, end, 6)), no_events(), looked, "gale") for end in (13, 121))
    np.testing.assert_array_equal(of(short), of(whole))
    assert np.isnan(of(short)[0])
