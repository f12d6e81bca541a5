"""Observations of ground stations in the archive: exact, whole cycles, days that grow."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

from tests.archive.cubes import GRID, NOON, SIX, cube, provenance, storms, table
from wxcore.archive import layout, stations
from wxcore.archive.check import check_archive
from wxcore.archive.compact import compact
from wxcore.archive.digest import content_digest
from wxcore.archive.expire import Retention, expire
from wxcore.archive.export import export_day
from wxcore.archive.log import commits
from wxcore.archive.observations import read_stations
from wxcore.archive.place import REPO
from wxcore.archive.read import read_text
from wxcore.archive.recover import recover
from wxcore.archive.store import commit_cycle
from wxcore.archive.storms import read_station_table
from wxcore.errors import SchemaError, TimeError
from wxcore.schema import ELEMENT_NAMES, QC_MISSING, QC_REASONS, STATION_TABLE, qc_name, reason_name
from wxcore.times import to_datetime64

R = "r"
MINUTE = timedelta(minutes=1)
NAMES = ("57516", "A8290", "57511")
ELEMENTS = ("air_temperature", "wind_speed_of_gust", "precipitation_1min")


def observed(
    when: datetime,
    names: Sequence[str] = NAMES,
    *,
    minutes: int = 131,
    seed: int = 0,
    elements: Sequence[str] = ELEMENTS,
) -> xr.Dataset:
    """Observations until `when`: two fifths missing, some absurd."""
    random = np.random.default_rng([seed, int(when.timestamp())])
    shape = (131, len(names))
    times = to_datetime64(when) - np.arange(131)[::-1] * np.timedelta64(1, "m")
    data: dict[str, Any] = {}
    for element in elements:
        values = random.uniform(-1e7, 1e7, shape).astype("f4")
        values[random.random(shape) < 0.4] = np.nan
        data[element] = values
        data[qc_name(element)] = np.where(np.isnan(values), QC_MISSING, random.integers(0, 3, shape)).astype("u1")
        data[reason_name(element)] = random.integers(0, 1024, shape).astype("u2")
    gust = times[:, None] - random.integers(0, 3600, shape).astype("m8[s]")
    gust[random.random(shape) < 0.5] = np.datetime64("NaT")
    data |= {"gust_time": gust, "gust_earliest": np.where(np.isnat(gust), times[:, None], gust)}
    numbers = np.array([sum(map(ord, name)) for name in names], "f8")
    coords = {
        "time": times, "station": np.array(names), "lat": ("station", 29 + numbers / 997),
        "lon": ("station", 106 + numbers / 991), "elevation": ("station", numbers.astype("f4")),
        "barometer": ("station", np.full(len(names), np.nan, "f4")), "elev_class": ("station", ["hill"] * len(names)),
        "moved": ("station", [False] * len(names)),
    }  # fmt: skip
    return xr.Dataset({name: (("time", "station"), values) for name, values in data.items()}, coords)


def commit(root: Path, when: datetime, given: xr.Dataset | None, version: int = 0) -> None:
    told = None if given is None else table(STATION_TABLE, when)
    flags = {"gust_flag": 0, "gust_30min_flag": 0}
    told = None if told is None else told.assign(**flags, flags=pd.Series([("a:b",)] * len(told)))
    facts = provenance(when, version)
    commit_cycle(root, R, GRID, when, cube(when), storms(when), facts, stations=given, station_table=told)


def expect(found: xr.Dataset, given: xr.Dataset) -> None:
    """The same values, flags, gust times and places, bit for bit."""
    wanted = given.sel(time=found["time"])
    assert sorted(found["station"].to_numpy()) == sorted(given["station"].to_numpy())
    found = found.sel(station=wanted["station"])
    for name in (*wanted.data_vars, "lat", "lon", "elevation", "barometer"):
        assert found[name].dtype == wanted[name].dtype
        np.testing.assert_array_equal(found[name].to_numpy(), wanted[name].to_numpy(), err_msg=str(name))
    assert found["elev_class"].to_numpy().tolist() == wanted["elev_class"].to_numpy().tolist()


def test_six_minutes_are_kept_exactly(tmp_path: Path) -> None:
    given = observed(NOON)
    given["air_temperature"][-1, :] = np.array([np.nan, 3.4e38, -999999.0], "f4")
    given["air_temperature"][-2, :] = np.array([-0.0, np.inf, 1e-45], "f4")
    given["air_temperature_qc"][-2:, :] = 2
    commit(tmp_path, NOON, given)
    found = read_stations(tmp_path, R, NOON - timedelta(days=3), NOON + timedelta(days=3))
    assert found.sizes["time"] == 6, "the other minutes belong to other cycles"
    assert found["time"].to_numpy()[[0, -1]].tolist() == given["time"].to_numpy()[[-6, -1]].tolist()
    expect(found, given)
    kept, wanted = (data["air_temperature"].to_numpy().view("u4") for data in (found, given.sel(time=found["time"])))
    np.testing.assert_array_equal(kept[:, [1, 2, 0]], wanted)
    assert np.isnan(found["dew_point_temperature"]).all()
    assert (found["dew_point_temperature_qc"] == QC_MISSING).all()
    assert check_archive(tmp_path, R).faults == ()


def test_what_is_handed_out_says_what_it_is(tmp_path: Path) -> None:
    commit(tmp_path, NOON, observed(NOON))
    found = read_stations(tmp_path, R, NOON, NOON)
    gust = found["wind_speed_of_gust"]
    assert gust.attrs["units"] == "m s-1"
    assert gust.attrs["ancillary_variables"] == "wind_speed_of_gust_qc wind_speed_of_gust_qc_reason"
    assert found["wind_speed_of_gust_qc"].attrs["flag_meanings"] == "good suspect bad missing"
    masks = found["wind_speed_of_gust_qc_reason"].attrs["flag_masks"]
    assert masks.tolist() == [bit for bit, _ in QC_REASONS]
    assert found["gust_time"].attrs["standard_name"] == "time"
    assert found["station"].attrs["cf_role"] == "timeseries_id"
    assert found.attrs["featureType"] == "timeSeries"
    assert "present_weather" in found
    assert "standard_name" not in found["present_weather"].attrs


def test_stations_join_a_day_and_stay(tmp_path: Path) -> None:
    first, second = observed(NOON), observed(NOON + SIX, ("99999", "A8290"))
    commit(tmp_path, NOON, first)
    commit(tmp_path, NOON + SIX, second)
    found = read_stations(tmp_path, R, NOON - 5 * MINUTE, NOON + SIX)
    assert found["station"].to_numpy().tolist() == ["57511", "57516", "99999", "A8290"]
    expect(found.isel(time=slice(0, 6)).sel(station=list(NAMES)), first)
    expect(found.isel(time=slice(6, 12)).sel(station=["99999", "A8290"]), second)
    assert np.isnan(found["air_temperature"].sel(station="99999").isel(time=slice(0, 6))).all()
    assert (found["air_temperature_qc"].sel(station="57511").isel(time=slice(6, 12)) == QC_MISSING).all()
    assert check_archive(tmp_path, R).faults == ()


def test_a_station_that_moved_is_there_with_each_place(tmp_path: Path) -> None:
    first, second = observed(NOON), observed(NOON + SIX)
    second = second.assign_coords(lat=("station", second["lat"].to_numpy() + np.array([0.1, 0, 0])))
    commit(tmp_path, NOON, first)
    commit(tmp_path, NOON + SIX, second)
    found = read_stations(tmp_path, R, NOON, NOON + SIX)
    assert found["station"].to_numpy().tolist() == ["57511", "57516", "57516", "A8290"]
    before, after = found.isel(station=1), found.isel(station=2)
    assert float(after["lat"] - before["lat"]) == pytest.approx(0.1)
    assert np.isnan(after["air_temperature"].isel(time=0))
    assert np.isnan(before["air_temperature"].isel(time=slice(1, None))).all()


def test_a_new_version_overwrites_its_own_minutes_only(tmp_path: Path) -> None:
    given = {slot: observed(NOON + slot * SIX) for slot in (0, 1)}
    for slot, data in given.items():
        commit(tmp_path, NOON + slot * SIX, data)
    again = observed(NOON, NAMES[:1], seed=7)
    commit(tmp_path, NOON, again, version=1)
    found = read_stations(tmp_path, R, NOON - 5 * MINUTE, NOON + SIX)
    expect(found.isel(time=slice(0, 6)).sel(station=[NAMES[0]]), again)
    assert (found["air_temperature_qc"].sel(station="A8290").isel(time=slice(0, 6)) == QC_MISSING).all()
    assert np.isnat(found["gust_time"].sel(station="A8290").isel(time=slice(0, 6))).all()
    expect(found.isel(time=slice(6, 12)), given[1])
    commit(tmp_path, NOON, None, version=2)
    assert read_stations(tmp_path, R, NOON - 5 * MINUTE, NOON).sizes["time"] == 0
    assert read_station_table(tmp_path, R, NOON) is None
    assert read_station_table(tmp_path, R, NOON + SIX) is not None


def test_midnight_is_whole_in_its_own_day(tmp_path: Path) -> None:
    midnight = datetime(2020, 6, 13, tzinfo=UTC)
    given = {when: observed(when) for when in (midnight - SIX, midnight, midnight + SIX)}
    for when in (midnight, midnight + SIX, midnight - SIX):
        commit(tmp_path, when, given[when])
    for when, data in given.items():
        expect(found := read_stations(tmp_path, R, when - 5 * MINUTE, when), data)
        assert found.sizes["time"] == 6
    whole = read_stations(tmp_path, R, midnight - timedelta(hours=1), midnight + timedelta(hours=1))
    steps = np.diff(whole["time"].to_numpy()).astype("m8[m]").astype(int)
    assert steps.tolist() == [1] * 17
    late = read_stations(tmp_path, R, midnight - 2 * MINUTE, midnight - 2 * MINUTE)
    assert list(late["time"].to_numpy()) == [to_datetime64(midnight - 2 * MINUTE)]


def test_as_of_and_empty_answers(tmp_path: Path) -> None:
    commit(tmp_path, NOON, None)
    assert read_stations(tmp_path, R, NOON, NOON).sizes == {"time": 0, "station": 0}
    nothing = commits(tmp_path, R)[0].written_at
    first = observed(NOON)
    commit(tmp_path, NOON, first, version=1)
    before = commits(tmp_path, R)[0].written_at
    commit(tmp_path, NOON, observed(NOON, seed=3), version=2)
    expect(read_stations(tmp_path, R, NOON - SIX, NOON, as_of=before), first)
    empty = read_stations(tmp_path, R, NOON - SIX, NOON, as_of=nothing)
    assert set(ELEMENT_NAMES) <= set(empty.data_vars)
    with pytest.raises(TimeError):
        read_stations(tmp_path, R, NOON.replace(tzinfo=None), NOON)


def test_elements_of_a_newer_version_join_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.setattr(stations, "ELEMENT_NAMES", ELEMENTS[1:])
        commit(tmp_path, NOON, observed(NOON, elements=ELEMENTS[1:]))
    given = observed(NOON + SIX)
    commit(tmp_path, NOON + SIX, given)
    found = read_stations(tmp_path, R, NOON - 5 * MINUTE, NOON + SIX)
    expect(found.isel(time=slice(6, 12)), given)
    expect(found.isel(time=slice(0, 6)).drop_vars("air_temperature"), observed(NOON, elements=ELEMENTS[1:]))
    assert np.isnan(found["air_temperature"].isel(time=slice(0, 6))).all()


def test_station_tables_are_kept_but_not_in_the_view(tmp_path: Path) -> None:
    commit(tmp_path, NOON, observed(NOON))
    kept = read_station_table(tmp_path, R, NOON)
    assert kept is not None
    assert kept["flags"].tolist() == [("a:b",)] * 2
    compact(tmp_path, R, NOON.date())
    assert check_archive(tmp_path, R).faults == ()
    exported = export_day(tmp_path, R, NOON.date(), tmp_path / "day.nc")
    with xr.open_dataset(exported, group="stations") as found:
        expect(found.load().set_coords(["lat", "lon", "elevation", "barometer", "elev_class"]), observed(NOON))
        assert "dew_point_temperature" not in found
    exported = export_day(tmp_path, R, NOON.date(), tmp_path / "day.zarr", format="zarr")
    with xr.open_zarr(exported, group="stations", consolidated=False) as found:
        expect(found.load(), observed(NOON))
    expire(tmp_path, R, Retention(None, 0, None), NOON + timedelta(days=9))
    assert read_text(tmp_path, R, NOON, layout.STATION_TABLE_TEXT) is None
    expect(read_stations(tmp_path, R, NOON - SIX, NOON), observed(NOON))


def test_observations_expire_with_the_views(tmp_path: Path) -> None:
    commit(tmp_path, NOON, observed(NOON))
    compact(tmp_path, R, NOON.date())
    young = Retention(None, 0, 5)
    done = expire(tmp_path, R, young, NOON + timedelta(days=5))
    assert (done.cube_days, done.station_days) == (("20200612",), ())
    done = expire(tmp_path, R, young, NOON + timedelta(days=7), dry_run=True)
    assert (done.view_days, done.station_days) == (("20200612",), ("20200612",))
    expire(tmp_path, R, young, NOON + timedelta(days=7))
    assert read_stations(tmp_path, R, NOON - SIX, NOON).sizes["time"] == 0


def told(order: Sequence[int], data: Sequence[xr.Dataset]) -> list[tuple[str, bytes]]:
    """What the digest is made of, of two cycles written in an order."""
    group = zarr.open_group({}, mode="w", zarr_format=3)
    for index in order:
        stations.write_stations(group, layout.slot_of(NOON + index * SIX), R, data[index])
    day: Any = group["stations/20200612"]
    return [part for slot in stations.given_slots(day) for part in stations.slot_parts(day, slot)]


def test_what_they_say_depends_on_no_order() -> None:
    given = [observed(NOON, NAMES), observed(NOON + SIX, ("99999", *NAMES[1:]))]
    wanted = told((0, 1), given)
    assert told((1, 0), given) == wanted
    assert told((0, 1), [given[0].isel(station=[2, 0, 1]), given[1]]) == wanted
    former = observed(NOON + SIX, ("11111", "22222"), seed=5)
    assert told((0, 1), [given[0], former])[-1] != wanted[-1]
    bent = given[0].copy(deep=True)
    bent["air_temperature_qc_reason"][-1, 0] += 1
    assert told((0, 1), [bent, given[1]]) != wanted
    assert told((0, 1), [given[0].assign_coords(elevation=given[0]["elevation"] + 1), given[1]]) != wanted


def test_the_digest_knows_them(tmp_path: Path) -> None:
    commit(tmp_path / "a", NOON, observed(NOON))
    commit(tmp_path / "b", NOON, observed(NOON, ("11111", *NAMES), seed=5))
    assert content_digest(tmp_path / "a", R) != content_digest(tmp_path / "b", R)
    commit(tmp_path / "b", NOON, observed(NOON), version=1)
    commit(tmp_path / "a", NOON, observed(NOON), version=1)
    assert content_digest(tmp_path / "a", R) == content_digest(tmp_path / "b", R)


def _spoilt(how: str) -> xr.Dataset:
    given = observed(NOON)
    match how:
        case "time":
            return given.assign_coords(time=given["time"] + np.timedelta64(1, "s"))
        case "station":
            return given.assign_coords(station=["a", "a", "b"])
        case "air_temperature":
            return given.assign(air_temperature=given["air_temperature"].astype("f8"))
    return given.drop_vars(how)


@pytest.mark.parametrize("how", ["air_temperature_qc", "air_temperature", "gust_time", "elevation", "station", "time"])
def test_what_is_no_observation_is_refused(how: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=how):
        commit(tmp_path, NOON, _spoilt(how))
    assert commits(tmp_path, R) == []


def test_damage_is_found_and_a_torn_commit_is_taken_back(tmp_path: Path) -> None:
    commit(tmp_path, NOON, observed(NOON))
    tip = commits(tmp_path, R)[0].snapshot_id
    before = {path for path in (tmp_path / R / REPO / "chunks").rglob("*") if path.is_file()}
    commit(tmp_path, NOON + SIX, observed(NOON + SIX, ("99999",)))
    new = sorted({path for path in (tmp_path / R / REPO / "chunks").rglob("*") if path.is_file()} - before)
    assert new
    for path in new:
        path.write_bytes(path.read_bytes()[:-3] + b"\0\0\0")
    assert any(fault.variable == stations.STATIONS for fault in check_archive(tmp_path, R).faults)
    assert recover(tmp_path, R, tip).action == "reset"
    expect(read_stations(tmp_path, R, NOON - SIX, NOON + SIX), observed(NOON))


def test_check_knows_flags(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "plain", mode="w", zarr_format=3)
    given = observed(NOON)
    stations.write_stations(group, layout.slot_of(NOON), R, given)
    day: Any = group["stations/20200612"]
    assert stations.slot_faults(day, layout.slot_of(NOON).index) == []
    first = layout.slot_of(NOON).index * stations.MINUTES
    day["qc"][first, 0, 0] = 5
    day["qc"][first + 1] = QC_MISSING
    told = [en for en, _ in stations.slot_faults(day, layout.slot_of(NOON).index)]
    assert "flags [5]" in told[0]
    assert "values without a flag" in told[1]
