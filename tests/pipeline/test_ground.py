"""Ground stations in a cycle: what they add, what one absurd station may not do, and who is not let in."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from tests.faults.scene import START, write_cycle
from tests.pipeline.grounds import (
    GUST_M_S,
    IDS,
    NEAR_STORM,
    air,
    assessed,
    at_km,
    away_km,
    fair,
    ftm,
    ground_region,
    report,
    sounding,
    two_hours,
)
from tests.pipeline.test_sky import offer
from wxcore.archive import place
from wxcore.archive.observations import read_stations
from wxcore.archive.read import open_archive, read_provenance
from wxcore.archive.storms import read_station_table
from wxcore.errors import Reason
from wxcore.hazard.rules import probabilities
from wxcore.landing.land import landed_path
from wxcore.landing.ledger import FileRow
from wxcore.pipeline import ground as module
from wxcore.pipeline.analyse import blind_cube
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.gather import Chosen, choose
from wxcore.pipeline.ground_evidence import evidence_at
from wxcore.pipeline.gusts import gusts_of_archive, gusts_of_files, to_json
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.report import render
from wxcore.pipeline.result import QUARANTINED, CycleResult, RunResult
from wxcore.pipeline.run import run
from wxcore.region import Region
from wxcore.schema import QC_BAD, QC_GOOD, QC_SUSPECT
from wxcore.station.evidence import Evidence
from wxcore.station.network import network_of
from wxcore.times import CYCLE

MINUTE = timedelta(minutes=1)
NOW = START + CYCLE
LAST_MINUTES = START - CYCLE + MINUTE
GUST, T, P = "wind_speed_of_gust", "air_temperature", "air_pressure"


@pytest.fixture(autouse=True, scope="module")
def nobody_waits_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "sync_file_system", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Region:
    return ground_region(tmp_path_factory.mktemp("ground-meta"))


@pytest.fixture(scope="module")
def volumes(tiny: Region, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_cycle(tiny, tmp_path_factory.mktemp("ground-radar"), START)


@pytest.fixture(scope="module")
def radar_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("radar-only"))


@pytest.fixture(scope="module")
def radar_only(tiny: Region, volumes: list[Path], radar_home: Home) -> CycleResult:
    offer(radar_home, tiny, volumes)
    return run_cycle(radar_home, tiny, START)


@pytest.fixture(scope="module")
def seen(tiny: Region, radar_only: CycleResult, radar_home: Home) -> Evidence:
    """What the radar saw at the stations."""
    cube = open_archive(radar_home.archive, region=tiny.id).sel(time=[np.datetime64(START.replace(tzinfo=None))])
    return evidence_at(radar_home, tiny, START, cube, None, network_of(tiny, START))


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("ground-home"))


@pytest.fixture(scope="module")
def full(tiny: Region, volumes: list[Path], full_home: Home, tmp_path_factory: pytest.TempPathFactory) -> CycleResult:
    offer(full_home, tiny, [*volumes, *two_hours(tmp_path_factory.mktemp("ground-in"))])
    return run_cycle(full_home, tiny, START)


def gale_of(cycle: CycleResult) -> float:
    chances = cycle.probabilities
    rows = chances[(chances["hazard"] == "gale") & (chances["lead_start_min"] == 0) & (chances["lead_end_min"] == 60)]
    return float(rows["p"].max())


def test_every_station_is_in_the_table_and_the_outflow_is_no_error(full: CycleResult) -> None:
    table = full.stations.set_index("station_id")
    assert sorted(table.index) == sorted(IDS)
    near = table.loc[np.array(IDS)[NEAR_STORM]]
    assert (near["gust_m_s"] > GUST_M_S - 2).all()
    assert (near["gust_flag"] == QC_GOOD).all()
    assert (near["gust_supported"] == 1).all()
    assert (near["temperature_drop_k"] > 6).all()
    assert (near["theta_e_deficit_k"] > 10).all()
    assert (near["pressure_jump_10min_hpa"] > 1.5).all()
    assert (table.loc[np.array(IDS)[~NEAR_STORM], "gust_m_s"] < 7).all()


def test_a_measured_gust_that_is_borne_out_makes_the_gale_likely(full: CycleResult, radar_only: CycleResult) -> None:
    storm = full.storms.sort_values("max_dbz").iloc[-1]
    assert storm["gust_near_m_s"] > GUST_M_S - 2
    assert storm["gust_near_supported"] == 1
    assert storm["stations_near"] > 10
    assert gale_of(full) >= 0.85 > gale_of(radar_only)
    rows = full.probabilities
    said = rows[(rows["storm_id"] == storm["storm_id"]) & (rows["hazard"] == "gale")]["drivers"].iloc[0]
    assert any(phrase.startswith("measured gust") for phrase in said)
    assert not any("nothing else speaks" in phrase for phrase in said)


def test_the_archive_holds_what_was_observed_with_its_flags(full: CycleResult, full_home: Home, tiny: Region) -> None:
    kept = read_stations(full_home.archive, tiny.id, LAST_MINUTES, START)
    told = report(START, air(START, outflow=True)).values["air_temperature"]
    np.testing.assert_array_equal(kept["air_temperature"].sel(station=list(IDS)).values[-1], told)
    assert (kept["air_temperature_qc"].sel(station=list(IDS)).values[-1] == QC_GOOD).all()
    table = read_station_table(full_home.archive, tiny.id, START)
    assert table is not None
    assert len(table) == len(IDS)
    cube = open_archive(full_home.archive, region=tiny.id).sel(time=np.datetime64(START.replace(tzinfo=None)))
    near_storm = float(cube["surface_temperature"].sel(lat=29.2, lon=106.15, method="nearest"))
    far = float(cube["surface_temperature"].sel(lat=29.37, lon=106.37, method="nearest"))
    assert near_storm < far - 4
    assert 300 < far < 307
    assert int(cube["cold_pool"].sel(lat=29.2, lon=106.15, method="nearest")) == 2
    provenance = read_provenance(full_home.archive, tiny.id, START)
    assert provenance is not None
    assert provenance["stations"][0]["reports"] == 26 * len(IDS)


@pytest.mark.parametrize(
    ("spoiled", "km", "flag"),
    [
        ({GUST: 74.0, T: 22.0}, 0.0, QC_GOOD),  # the radar speaks for it: good to be looked at, and no more
        ({GUST: 90.0}, 2.0, QC_BAD),
        ({GUST: 60.0}, 19.5, QC_SUSPECT),
    ],
)
def test_one_absurd_station_changes_no_warning(
    spoiled: dict[str, float], km: float, flag: int, tiny: Region, volumes: list[Path], radar_only: CycleResult,
    tmp_path: Path,
) -> None:  # fmt: skip
    home, station = Home(tmp_path / "home"), at_km(radar_only.storms, km)
    offer(home, tiny, [*volumes, *two_hours(tmp_path / "in", outflow=False, spoiled=spoiled, station=station)])
    cycle = run_cycle(home, tiny, START)
    assert {(draft.hazard, draft.level, draft.adcodes) for draft in cycle.drafts} == {
        (draft.hazard, draft.level, draft.adcodes) for draft in radar_only.drafts
    }
    assert gale_of(cycle) == pytest.approx(gale_of(radar_only))
    row = cycle.stations.set_index("station_id").loc[IDS[station]]
    said = " ".join(cycle.probabilities.query("hazard == 'gale'")["drivers"].explode().dropna())
    if flag == QC_BAD:
        assert not row["gust_m_s"] > 10
        assert "measured gust" not in said
    else:
        assert (row["gust_flag"], row["gust_witnesses"]) == (flag, float(flag == QC_GOOD))
        assert f"measured gust {spoiled[GUST]:.1f} m/s, " in said
        assert ("check it" in said, "not used" in said) == (flag == QC_GOOD, flag == QC_SUSPECT)
    kept = read_stations(home.archive, tiny.id, LAST_MINUTES, START).sel(station=IDS[station])
    for name, value in spoiled.items():
        assert kept[name].values[-1] == np.float32(value)  # the raw value is kept


@pytest.mark.parametrize("km", [0.0, 2.0, 5.0, 9.0, 13.0, 16.5, 19.5])
def test_no_gust_of_one_station_moves_a_probability(
    km: float, radar_only: CycleResult, tiny: Region, seen: Evidence
) -> None:
    storms, quiet = radar_only.storms, fair(tiny)
    station, before = at_km(storms, km), probabilities(storms, levels_quality="good")
    assert away_km(storms)[station] == pytest.approx(km, abs=2)
    for gust in (28.0, 40.0, 60.0, 74.0):
        for name, change in ((GUST, 0.0), (T, -9.0), (P, 2.0)):
            obs = quiet.copy(deep=True)
            obs[GUST].values[-1, station] = gust
            obs[name].values[-1, station] += change
            after = assessed(storms, obs, seen)
            np.testing.assert_array_equal(after["p"], before["p"], err_msg=f"{gust} {name}")
            assert any(phrase.startswith(f"measured gust {gust:.1f}") for said in after["drivers"] for phrase in said)


@pytest.mark.parametrize(
    ("stations", "changes", "lifts"),
    [(1, {}, False), (2, {}, True), (1, {T: -5.0, P: 1.6}, True), (1, {T: -2.5, P: 1.6}, False)],
)
def test_a_neighbour_or_the_own_air_lifts_it(
    stations: int, changes: dict[str, float], lifts: bool, radar_only: CycleResult, tiny: Region, seen: Evidence
) -> None:
    obs, first = fair(tiny), at_km(radar_only.storms, 0.0)
    obs[GUST].values[-11::5, first : first + stations] = 25.0
    obs["wind_speed"].values[-11::5, first] += 9
    for name, change in changes.items():
        obs[name].values[-11::5, first] += change
    chances = assessed(radar_only.storms, obs, seen).query("hazard == 'gale' and lead_start_min == 0")
    assert (chances["p"].max() >= 0.85) == lifts


def test_stations_alone_make_a_cycle_that_assesses_no_storm(tiny: Region, tmp_path: Path) -> None:
    result = run(two_hours(tmp_path / "in")[-3:], Home(tmp_path / "home"), tiny)
    (cycle, *_) = reversed(result.cycles)
    assert cycle.time == START
    assert len(cycle.stations) == len(IDS)
    assert cycle.storms.empty
    assert not cycle.drafts
    assert any("no radar at all" in note for note in cycle.notes_en)


def test_beside_radars_stations_make_no_cycle_of_their_own(tiny: Region, volumes: list[Path], tmp_path: Path) -> None:
    result = run([*volumes, *two_hours(tmp_path / "in")], Home(tmp_path / "home"), tiny)
    assert [cycle.time for cycle in result.cycles] == [START]


def test_an_unknown_station_is_set_aside_and_told(tiny: Region, volumes: list[Path], tmp_path: Path) -> None:
    values = air(START, outflow=False)
    values["wind_speed_of_gust"][-1] = 70.0
    strange = report(START, values, ids=(*IDS[:-1], "Z9999"))
    home = Home(tmp_path / "home")
    offer(home, tiny, [*volumes, ftm(tmp_path / "in", strange)])
    cycle = run_cycle(home, tiny, START)
    (note,) = [note for note in cycle.notes_en if "unknown station" in note]
    assert "Z9999" in note
    assert "wx stations check" in note
    assert "Z9999" not in set(cycle.stations["station_id"])
    assert float(cycle.stations["gust_m_s"].max()) < 10
    assert tiny.stations == ground_region(tmp_path / "meta").stations  # never registered


def test_a_file_of_strangers_is_quarantined_with_the_fix(tiny: Region, tmp_path: Path) -> None:
    strangers = report(START, air(START, outflow=False), ids=("Z9998", "Z9999"))
    (item,) = ingest([ftm(tmp_path / "in", strangers)], Home(tmp_path / "home"), tiny, now=NOW)
    assert (item.status, item.reason) == (QUARANTINED, Reason.UNKNOWN_SITE)
    assert "Z9998" in item.message_en
    assert "wx stations import" in item.message_en
    assert "wx stations import" in item.message_zh


def test_a_station_that_reports_from_elsewhere_keeps_the_tables_place(tiny: Region, tmp_path: Path) -> None:
    native = report(START, air(START, outflow=False))
    moved = replace(native, lat=native.lat + np.where(np.arange(len(IDS)) == 3, 0.02, 0.0))
    home = Home(tmp_path / "home")
    offer(home, tiny, [ftm(tmp_path / "in", moved)])
    cycle = run_cycle(home, tiny, START)
    (note,) = [note for note in cycle.notes_en if "another place" in note]
    assert note.endswith(IDS[3])
    row = cycle.stations.set_index("station_id").loc[IDS[3]]
    assert row["lat"] == pytest.approx(float(native.lat[3]), abs=1e-4)
    assert any("moved_station" in flag for flag in row["flags"])


def test_no_sentinel_comes_out_anywhere(tiny: Region, volumes: list[Path], tmp_path: Path) -> None:
    values = air(START, outflow=False)
    for name in ("air_temperature", "air_pressure", "wind_speed_of_gust", "precipitation_1h"):
        values[name][::3] = np.nan
    home = Home(tmp_path / "home")
    offer(home, tiny, [*volumes, ftm(tmp_path / "in", report(START, values))])
    cycle = run_cycle(home, tiny, START)
    text = json.dumps(cycle.to_json())
    for sentinel in ("999999", "999017", "9999.0", "32766", "-9999", "999.9"):
        assert sentinel not in text
    kept = read_stations(home.archive, tiny.id, LAST_MINUTES, START)
    assert int(kept["air_temperature"].notnull().sum()) == len(IDS) - len(IDS[::3])
    assert (kept["air_temperature_qc"].sel(station=IDS[0]).values == 8).all()


def test_simulated_reports_stay_out_of_real_cycles(
    tiny: Region, full_home: Home, full: CycleResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    module._decoded.cache_clear()
    chosen = Chosen((), None, None, stations=tuple(_rows(full_home, tiny)))
    assert module.ground_of(full_home, tiny, START, chosen, _blind(tiny), None).simulated
    ground = module.ground_of(full_home, tiny, START, chosen, _blind(tiny), None, real_only=True)
    assert ground.table.empty
    assert len(ground.missing) == 26
    assert all("simulated" in item for item in ground.missing)


def _rows(home: Home, region: Region) -> list[FileRow]:
    return list(choose(home.ledger(), region, START).stations)


def _blind(region: Region) -> xr.Dataset:
    return blind_cube(region, START)


def test_an_error_that_nobody_expected_leaves_the_radars_alone(
    tiny: Region, full_home: Home, full: CycleResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*args: object, **kwargs: object) -> None:
        raise ValueError("cannot convert float NaN to integer")

    monkeypatch.setattr(module, "quality_control", wrong)
    again = run_cycle(full_home, tiny, START)
    assert len(again.storms) == len(full.storms)
    assert any("ground stations (ValueError" in item for item in again.missing)
    monkeypatch.undo()
    run_cycle(full_home, tiny, START)


def test_the_archive_tells_which_gusts_were_a_thunderstorms(full: CycleResult, full_home: Home, tiny: Region) -> None:
    found = gusts_of_archive(full_home, tiny, START - timedelta(hours=1), START)
    assert set(found.table["station_id"]) == set(np.array(IDS)[NEAR_STORM])
    assert set(found.table["verdict"]) == {"convective_gale"}
    told = json.loads(json.dumps(to_json(found, tiny), allow_nan=False))
    assert told["verdicts"] == {"convective_gale": len(found.table)}
    bare = gusts_of_files(_files(full_home, tiny), tiny)
    assert set(bare.table["verdict"]) == {"not_verifiable"}  # nobody looked: never "no"
    assert set(np.array(IDS)[NEAR_STORM]) == set(bare.table["station_id"])


def _files(home: Home, region: Region) -> list[Path]:
    return [landed_path(home.landing, row.sha256) for row in _rows(home, region)]


def test_the_report_says_whom_to_believe(full: CycleResult, tiny: Region) -> None:
    page = render(tiny, RunResult(tiny.id, full.inputs, (full,)))
    assert "地面站 Ground stations" in page
    assert "项佐证" in page
    assert f"{GUST_M_S:.0f}" in page
    assert "气候值 climatology" in page
    assert np.array(IDS)[NEAR_STORM][0] in page


def test_a_sounding_moves_the_levels_and_with_them_the_hail(
    tiny: Region, volumes: list[Path], radar_only: CycleResult, tmp_path: Path
) -> None:
    launched = (START - timedelta(hours=3)).replace(minute=0)
    result = run([*volumes, sounding(tmp_path / "in", launched, h0_m=3600.0)], Home(tmp_path / "home"), tiny)
    (cycle,) = result.cycles
    assert (cycle.levels["source"], cycle.levels["quality"]) == ("sounding", "good")
    assert cycle.levels["h0_m"] == pytest.approx(3600, abs=10)
    assert cycle.levels["hm20_m"] == pytest.approx(3600 + 20_000 / 6.5, abs=15)
    assert cycle.levels["age_h"] == pytest.approx((START - launched) / timedelta(hours=1))
    assert cycle.levels["indices"]["lapse_rate_700_500"] == pytest.approx(6.5, abs=0.1)
    assert float(cycle.storms["mesh_mm"].max()) > 1.2 * float(radar_only.storms["mesh_mm"].max())
    assert radar_only.levels["source"] == "climatology"
    page = Path(result.report).read_text()
    assert "探空 sounding" in page
    assert "57516" in page


@pytest.mark.parametrize("hours", [-1, 13])
def test_a_sounding_of_later_or_of_yesterday_is_not_used(
    hours: int, tiny: Region, volumes: list[Path], tmp_path: Path
) -> None:
    launched: datetime = (START - timedelta(hours=hours)).replace(minute=0)
    home = Home(tmp_path / "home")
    paths = [*volumes, sounding(tmp_path / "in", launched, h0_m=3600.0)]
    ingest(paths, home, tiny, now=START + timedelta(days=1))
    assert run_cycle(home, tiny, START).levels["source"] == "climatology"


def test_one_fast_clock_does_not_shut_the_network_out(tiny: Region, tmp_path: Path) -> None:
    native = report(START, air(START, outflow=False))
    ahead = np.where(np.arange(len(IDS)) == 3, np.timedelta64(8, "h"), np.timedelta64(0, "h"))
    home = Home(tmp_path / "home")
    offer(home, tiny, [ftm(tmp_path / "in", replace(native, time=native.time + ahead, gust_time=native.gust_time))])
    cycle = run_cycle(home, tiny, START)
    assert len(cycle.stations) == len(IDS) - 1
    assert IDS[3] not in set(cycle.stations["station_id"])


def test_a_file_of_the_future_is_refused(tiny: Region, tmp_path: Path) -> None:
    later = report(START + timedelta(hours=8), air(START, outflow=False))
    (item,) = ingest([ftm(tmp_path / "in", later)], Home(tmp_path / "home"), tiny, now=NOW)
    assert (item.status, item.reason) == (QUARANTINED, Reason.FUTURE_TIME)


def test_a_clock_some_minutes_fast_dates_nobody_else(tiny: Region, tmp_path: Path) -> None:
    native = report(START, air(START, outflow=False))
    ahead = np.where(np.arange(len(IDS)) == 3, np.timedelta64(8, "m"), np.timedelta64(0, "m"))
    home = Home(tmp_path / "home")
    (item,) = ingest([ftm(tmp_path / "in", replace(native, time=native.time + ahead))], home, tiny, now=NOW)
    assert item.time == START
    assert len(run_cycle(home, tiny, START).stations) == len(IDS) - 1
