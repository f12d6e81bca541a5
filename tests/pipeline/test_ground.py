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
    FAR,
    GUST_M_S,
    IDS,
    NEAR_STORM,
    air,
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
from wxcore.landing.ledger import FileRow
from wxcore.pipeline import ground as module
from wxcore.pipeline.analyse import blind_cube
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.gather import Chosen, choose
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.report import render
from wxcore.pipeline.result import QUARANTINED, CycleResult, RunResult
from wxcore.pipeline.run import run
from wxcore.region import Region
from wxcore.schema import QC_BAD, QC_GOOD, QC_SUSPECT
from wxcore.times import CYCLE

MINUTE = timedelta(minutes=1)
NOW = START + CYCLE
LAST_MINUTES = START - CYCLE + MINUTE


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
def radar_only(tiny: Region, volumes: list[Path], tmp_path_factory: pytest.TempPathFactory) -> CycleResult:
    home = Home(tmp_path_factory.mktemp("radar-only"))
    offer(home, tiny, volumes)
    return run_cycle(home, tiny, START)


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
    ("spoiled", "flag"),
    [
        ({"wind_speed_of_gust": 60.0}, QC_SUSPECT),
        ({"wind_speed_of_gust": 90.0}, QC_BAD),
        ({"air_temperature": 80.0, "air_pressure": 500.0, "precipitation_1h": 900.0}, QC_GOOD),
    ],
)
def test_one_absurd_station_changes_no_warning(
    spoiled: dict[str, float], flag: int, tiny: Region, volumes: list[Path], radar_only: CycleResult, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    offer(home, tiny, [*volumes, *two_hours(tmp_path / "in", outflow=False, spoiled=spoiled)])
    cycle = run_cycle(home, tiny, START)
    assert {(draft.hazard, draft.level, draft.adcodes) for draft in cycle.drafts} == {
        (draft.hazard, draft.level, draft.adcodes) for draft in radar_only.drafts
    }
    assert gale_of(cycle) == pytest.approx(gale_of(radar_only))
    row = cycle.stations.set_index("station_id").loc[IDS[FAR]]
    if flag == QC_SUSPECT:
        assert row["gust_flag"] == QC_SUSPECT
        assert row["gust_supported"] == 0
    else:
        assert not row["gust_m_s"] > 10
    assert row["flags"]
    kept = read_stations(home.archive, tiny.id, LAST_MINUTES, START).sel(station=IDS[FAR])
    for name, value in spoiled.items():
        assert kept[name].values[-1] == np.float32(value)  # the raw value is kept
        assert kept[f"{name}_qc"].values[-1] in {1, 2}


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


def test_the_report_says_whom_to_believe(full: CycleResult, tiny: Region) -> None:
    page = render(tiny, RunResult(tiny.id, full.inputs, (full,)))
    assert "地面站 Ground stations" in page
    assert "有佐证" in page
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
