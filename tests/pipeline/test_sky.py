"""Satellites and lightning in a cycle: beside the radar, without it, and with less than there should be."""

import io
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from tests.faults.scene import START, write_cycle
from tests.pipeline.skies import NOW, PASS_K, adtd, agri, damage, ghi, images, lmi, mersi_pass, redated, sky_region
from wxcore.archive import place
from wxcore.archive.digest import content_digest
from wxcore.archive.read import open_archive, read_provenance
from wxcore.archive.storms import read_cloud_cells
from wxcore.cli import show
from wxcore.cli.show import sky_line
from wxcore.environment.levels import levels_for
from wxcore.landing.land import landed_path
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.gather import choose
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.report import render
from wxcore.pipeline.result import CycleResult, RunResult
from wxcore.pipeline.run import run
from wxcore.pipeline.sky import Sky, sky_of
from wxcore.region import Region
from wxcore.schema import PLATFORMS
from wxcore.times import CYCLE

BT108 = "brightness_temperature_108"
NEWEST = START - timedelta(minutes=8)
MINUTE = timedelta(minutes=1)
LEAST_SHARE = 0.9
"""Of the cells: behind high clouds some are hidden from the satellite."""
PRESENT = datetime(2026, 7, 2, tzinfo=UTC)


@pytest.fixture(autouse=True, scope="module")
def nobody_waits_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "sync_file_system", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Region:
    return sky_region(tmp_path_factory.mktemp("sky-meta"))


@pytest.fixture(scope="module")
def radar_home(tiny: Region, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with the volumes of START and their preparation; copy it."""
    home = Home(tmp_path_factory.mktemp("radar") / "home")
    offer(home, tiny, write_cycle(tiny, tmp_path_factory.mktemp("radar-in"), START))
    return home


@pytest.fixture(scope="module")
def radar_only(tiny: Region, radar_home: Home) -> CycleResult:
    return run_cycle(radar_home, tiny, START)


@pytest.fixture(scope="module")
def sky_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What satellites and lightning sources sent: FY-4B thrice, LMI of two minutes, ADTD."""
    folder = tmp_path_factory.mktemp("sky-in")
    return [*images(folder, NEWEST), *lmi(folder, START), adtd(folder, START - MINUTE)]


@pytest.fixture(scope="module")
def full_home(tiny: Region, radar_home: Home, radar_only: CycleResult, sky_files: list[Path],
              tmp_path_factory: pytest.TempPathFactory) -> Home:  # fmt: skip
    assert radar_only.committed
    home = copied(radar_home, tmp_path_factory.mktemp("full") / "home")
    offer(home, tiny, sky_files)
    return home


@pytest.fixture(scope="module")
def full(tiny: Region, full_home: Home) -> CycleResult:
    return run_cycle(full_home, tiny, START)


def copied(home: Home, to: Path) -> Home:
    return Home(Path(shutil.copytree(home.root, to)))


def offer(home: Home, region: Region, paths: Sequence[Path], now: datetime = NOW) -> None:
    assert [(item.file, item.message_en) for item in ingest(paths, home, region, now=now) if item.status != "stored"] \
        == []  # fmt: skip


def look(home: Home, region: Region, when: datetime = START) -> Sky:
    """What a cycle would take from satellites and lightning."""
    return sky_of(home, region, when, choose(home.ledger(), region, when), levels_for(region, when))


def landed(home: Home, region: Region, kind: str, when: datetime = START) -> list[Path]:
    chosen = choose(home.ledger(), region, when)
    return [landed_path(home.landing, row.sha256) for row in chosen.rows if row.kind == kind]


def platforms(flags: xr.DataArray) -> set[str]:
    return {PLATFORMS[flag] for flag in np.unique(flags) if flag}


def known_share(field: xr.DataArray) -> float:
    return float(np.isfinite(field.to_numpy()).mean())


def drivers(cycle: CycleResult, hazard: str, column: str) -> str:
    rows = cycle.probabilities[cycle.probabilities["hazard"] == hazard]
    return "; ".join(phrase for told in rows[column] for phrase in told)


# Beside the radar


def test_fields_stand_beside_the_radar_in_the_archive(tiny: Region, full_home: Home, full: CycleResult) -> None:
    ds = open_archive(full_home.archive, region=tiny.id).sel(time=np.datetime64(START.replace(tzinfo=None))).load()
    assert float(ds["composite_reflectivity"].max()) > 55
    assert known_share(ds[BT108]) > LEAST_SHARE
    assert platforms(ds["satellite"]) == {"FY-4B"}
    assert float(ds[BT108].min()) == pytest.approx(212, abs=6)
    assert float(ds["cloud_top_change_15min"].min()) < -8
    assert set(np.unique(ds["lightning_source"])) == {3}
    row, column = np.unravel_index(np.argmax(ds["flash_density"].to_numpy()), tiny.grid.shape)
    assert tiny.grid.lat[row] == pytest.approx(29.2, abs=0.02)
    assert tiny.grid.lon[column] == pytest.approx(106.15, abs=0.02)
    assert full.truth == "SYN"


def test_storms_say_what_satellites_and_lightning_saw(full: CycleResult, radar_only: CycleResult) -> None:
    storm = full.storms.iloc[0]
    assert storm["bt108_min_k"] < 230
    assert storm["bt108_change_15min_k"] < -4
    assert storm["satellite_age_min"] == pytest.approx(15, abs=3)
    assert storm["flash_rate_min"] > 5
    assert storm["flash_total"] == 1
    assert "flashes a minute" in drivers(full, "thunderstorm", "drivers")
    assert "次/分钟" in drivers(full, "thunderstorm", "drivers_zh")
    assert "cloud top cools" in drivers(full, "thunderstorm", "drivers")
    assert np.isnan(radar_only.storms.iloc[0]["bt108_min_k"])
    assert "flashes" not in drivers(radar_only, "thunderstorm", "drivers")


def test_cloud_cells_are_in_result_and_archive(tiny: Region, full_home: Home, full: CycleResult) -> None:
    (cell,) = full.clouds.to_dict("records")
    assert cell["bt108_min_k"] < 220
    assert cell["source"] == "FY-4B"
    assert cell["flash_rate_min"] > 5
    assert cell["radar_fraction"] == 1
    stored = read_cloud_cells(full_home.archive, tiny.id, START)
    assert stored is not None
    assert stored["cell_id"].tolist() == [cell["cell_id"]]


def test_provenance_names_every_source_with_its_age(tiny: Region, full_home: Home, full: CycleResult) -> None:
    provenance = read_provenance(full_home.archive, tiny.id, START)
    assert provenance is not None
    assert provenance["sky"] == list(full.sources)
    told = [(item["source"], item.get("age_min")) for item in full.sources]
    assert [name for name, _ in told] == ["FY-4B/AGRI-4000M"] * 3 + ["ADTD"] + ["FY-4A/LMI"] * 2
    assert [age for _, age in told[:3]] == pytest.approx([44.4, 29.4, 14.4], abs=0.2)
    assert len(provenance["inputs"]) == 2 + 6


def test_the_same_cycle_twice_commits_nothing(tiny: Region, full_home: Home, full: CycleResult) -> None:
    again = run_cycle(full_home, tiny, START)
    assert not again.committed
    assert again.snapshot == full.snapshot
    assert again.sources == full.sources


def test_the_order_of_arrival_does_not_matter(
    tiny: Region, radar_home: Home, radar_only: CycleResult, full_home: Home, full: CycleResult, sky_files: list[Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    assert full.committed
    home = copied(radar_home, tmp_path / "home")
    for path in reversed(sky_files):
        offer(home, tiny, [path])
    run_cycle(home, tiny, START)
    assert content_digest(home.archive, tiny.id) == content_digest(full_home.archive, tiny.id)


# What a forecaster reads


def section(page: str, title: str) -> str:
    """The text of a section of the page, without its tags, one cell of a table after another."""
    (part,) = [part for part in page.split("<section>") if f"<h2>{title}" in part]
    return " ".join(re.sub(r"<[^>]*>", " ", part).split())


def test_the_page_shows_sources_and_cloud_cells(tiny: Region, full: CycleResult) -> None:
    page = render(tiny, RunResult(tiny.id, full.inputs, (full,)))
    sky = section(page, "卫星与闪电 Satellites and lightning")
    assert "FY-4B/AGRI-4000M 3 14 0" in sky  # files, minutes, bad lines
    assert "FY-4A/LMI 2 0 – 闪电 24 个 24 flashes" in sky
    assert "ADTD 1 1 – 回击 200 个 200 strokes" in sky
    cell = full.clouds.iloc[0]
    rate = f"{cell['flash_rate_min']:.1f}"
    coldest, change = f"{cell['bt108_min_k'] - 273.15:.0f}", f"{cell['bt108_change_15min_k']:.1f}"
    assert f"{coldest} {change} 0 {cell['convective_initiation']:.0f} {rate} 100 14 FY-4B" in sky
    assert page.count('class="cloud ink"') == len(full.pictures)
    assert "SYN 10.8微米亮温（K）" in page
    assert "SYN 闪电密度" in page
    storm = full.storms.iloc[0]
    assert f"{storm['bt108_min_k'] - 273.15:.0f} {storm['flash_rate_min']:.1f}" in section(page, "风暴 Storms")
    assert "缺少：卫星 FY-4A<br>" in page


def test_the_page_without_satellites_has_nothing_of_them(tiny: Region, radar_only: CycleResult) -> None:
    page = render(tiny, RunResult(tiny.id, radar_only.inputs, (radar_only,)))
    assert "卫星与闪电 Satellites" not in page
    assert 'class="cloud ink"' not in page
    assert "缺少：卫星 FY-4B、卫星 FY-4A、闪电资料<br>" in page
    assert sky_line(radar_only, "en") is None


def test_the_page_says_in_chinese_what_is_late(tiny: Region, full: CycleResult) -> None:
    late = "satellite FY-4B: a slot is missing, its newest image is 38 min old"
    page = render(tiny, RunResult(tiny.id, (), (replace(full, missing=(late, "file x.HDF (BAD_HEADER)", "other")),)))
    assert "缺少：卫星 FY-4B 缺一个时次，最新图像已 38 分钟、文件 x.HDF（BAD_HEADER）、other<br>" in page


def test_the_terminal_has_one_line_of_it(full: CycleResult) -> None:
    assert sky_line(full, "en") == "sky: FY-4B/AGRI-4000M 14 min, ADTD 1 min, FY-4A/LMI 0 min; cloud cells: 1"
    assert sky_line(full, "zh") == "卫星与闪电：FY-4B/AGRI-4000M 14分钟前、ADTD 1分钟前、FY-4A/LMI 0分钟前；云团：1 个"


# Without radar


def test_without_radar_nothing_is_drafted_and_drafts_stand(
    tiny: Region, full_home: Home, full: CycleResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert full.drafts
    home, when = copied(full_home, tmp_path / "home"), START + CYCLE
    offer(home, tiny, [agri(tmp_path / "in", NEWEST + timedelta(minutes=12))])
    cycle = run_cycle(home, tiny, when)
    assert cycle.drafts == ()
    assert cycle.storms.empty
    assert {item.id for item in cycle.active} == {item.id for item in full.active}
    assert any(note.startswith("no radar at all") for note in cycle.notes_en)
    assert any("无任何雷达资料" in note for note in cycle.notes_zh)
    assert {"radar Z9001", "radar Z9002"} <= set(cycle.missing)
    assert len(cycle.clouds) == 1
    assert cycle.clouds["radar_fraction"].tolist() == [0]
    page = render(tiny, RunResult(tiny.id, cycle.inputs, (cycle,)))
    assert "仅有卫星、闪电和地面站" in page
    assert "无雷达资料，未评估风暴 no radar, storms not assessed · 1 个云团" in page
    assert "0 个风暴" not in page
    assert "仍有效 still in force" in page
    screen = io.StringIO()
    monkeypatch.setattr(show, "SCREEN", Console(file=screen, width=200))
    show.show_cycle(cycle, "zh")
    assert "无任何雷达资料" in screen.getvalue()
    assert "0 个风暴" not in screen.getvalue()
    assert "云团：1 个" in screen.getvalue()
    ds = open_archive(home.archive, region=tiny.id).isel(time=-1).load()
    assert known_share(ds[BT108]) > LEAST_SHARE
    assert np.isnan(ds["composite_reflectivity"]).all()


# Less than there should be


def test_each_satellite_without_an_image_is_named(tiny: Region, full_home: Home, full: CycleResult) -> None:
    assert full.missing == ("satellite FY-4A",)
    assert full.degraded


def test_nothing_at_all_names_satellites_and_lightning(radar_only: CycleResult) -> None:
    assert radar_only.missing == ("satellite FY-4B", "satellite FY-4A", "lightning")
    assert radar_only.sources == ()


@pytest.mark.parametrize(
    ("age_min", "told", "used"), [(24, [], True), (30, ["a slot is missing", "30 min old"], True), (41, [], False)]
)
def test_a_late_image_is_told_and_an_old_one_not_used(
    tiny: Region, tmp_path: Path, age_min: int, told: list[str], used: bool
) -> None:
    home = Home(tmp_path / "home")
    offer(home, tiny, [agri(tmp_path / "in", START - age_min * MINUTE)])
    sky = look(home, tiny)
    assert (BT108 in sky.fields) is used
    said = [item for item in sky.missing if item.startswith("satellite FY-4B")]
    if used:
        assert [item for item in said if not all(word in item for word in told)] == []
        assert bool(said) == bool(told)
    else:
        assert said == ["satellite FY-4B"]
        assert sky.sources == ()


def test_bad_lines_are_counted_and_left_out(tiny: Region, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    offer(home, tiny, [agri(tmp_path / "in", NEWEST, bad_lines=range(20, 24))])
    sky = look(home, tiny)
    ((en, zh),) = sky.notes
    assert "4 bad lines" in en
    assert "4条坏线" in zh
    blank = np.isnan(sky.fields[BT108].values)
    assert 0.2 < blank.mean() < 0.6
    assert sky.sources[0]["bad_lines"] == 4


def test_a_file_damaged_on_disk_is_named_and_the_others_are_used(
    tiny: Region, full_home: Home, full: CycleResult, tmp_path: Path
) -> None:
    home = copied(full_home, tmp_path / "home")
    newest = landed(home, tiny, "scene")[-1]
    damage(newest)
    sky = look(home, tiny)
    (named,) = [item for item in sky.missing if item.startswith("file FY4B")]
    assert f"{NEWEST:%Y%m%d%H%M%S}" in named
    assert any("satellite FY-4B" not in item for item in sky.missing)
    assert BT108 in sky.fields
    assert [item["source"] for item in sky.sources].count("FY-4B/AGRI-4000M") == 2
    assert full.sources[2] not in sky.sources


def test_a_file_gone_from_disk_is_named(tiny: Region, full_home: Home, full: CycleResult, tmp_path: Path) -> None:
    assert full.committed
    home = copied(full_home, tmp_path / "home")
    landed(home, tiny, "scene")[-1].unlink()
    sky = look(home, tiny)
    assert [item for item in sky.missing if item.endswith("(NOT_FOUND)")]
    assert BT108 in sky.fields


def test_with_every_scene_damaged_the_radar_says_the_same(
    tiny: Region, full_home: Home, full: CycleResult, radar_only: CycleResult, tmp_path: Path
) -> None:
    assert full.committed
    home = copied(full_home, tmp_path / "home")
    for path in (*landed(home, tiny, "scene"), *landed(home, tiny, "lightning")):
        damage(path)
    cycle = run_cycle(home, tiny, START)
    assert len([item for item in cycle.missing if item.startswith("file ")]) == 6
    assert {"satellite FY-4B", "satellite FY-4A", "lightning"} <= set(cycle.missing)
    assert cycle.storms.drop(columns=["polygon", "parents"]).equals(
        radar_only.storms.drop(columns=["polygon", "parents"])
    )
    assert cycle.storms["polygon"].tolist() == radar_only.storms["polygon"].tolist()
    assert cycle.probabilities["p"].equals(radar_only.probabilities["p"])


def test_nothing_readable_at_all_is_said_with_every_file(tiny: Region, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    offer(home, tiny, [agri(tmp_path / "in", NEWEST)])
    damage(landed(home, tiny, "scene")[0])
    result = run([], home, tiny, at=START)
    (failure,) = result.failures
    assert "FY4B-_AGRI" in failure.message_en


# Passes


def test_a_pass_with_its_places_is_compared(tiny: Region, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    offer(home, tiny, [agri(tmp_path / "in", NEWEST), *mersi_pass(tmp_path / "in", NEWEST)])
    sky = look(home, tiny)
    seen = sky.fields["pass_brightness_temperature_108"].values
    assert np.isfinite(seen).mean() > 0.95
    np.testing.assert_allclose(seen[np.isfinite(seen)], PASS_K, atol=0.1)
    assert platforms(sky.fields["pass_satellite"]) == {"FY-3D"}
    (check,) = [item for item in sky.sources if "check" in item]
    expected = np.nanmedian(PASS_K - sky.fields[BT108].values[np.isfinite(seen)])
    assert check["median_k"] == pytest.approx(float(expected), abs=0.2)
    assert check["cells"] > 1000
    assert platforms(sky.fields["satellite"]) == {"FY-4B"}


def test_a_pass_without_its_places_is_not_used(tiny: Region, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    granule, _ = mersi_pass(tmp_path / "in", NEWEST)
    offer(home, tiny, [agri(tmp_path / "in", NEWEST), granule])
    sky = look(home, tiny)
    assert "pass_satellite" not in sky.fields
    assert BT108 in sky.fields
    assert not [item for item in sky.missing if "FY3D" in item]
    assert "FY-3D" not in {item["source"][:5] for item in sky.sources}


def test_a_pass_elsewhere_is_nothing_missing(tiny: Region, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    far = sky_region(tmp_path / "far", corner=(109.0, 29.0), cells=(40, 40))
    offer(home, tiny, mersi_pass(tmp_path / "in", NEWEST))
    assert "pass_satellite" in look(home, tiny).fields
    sky = look(home, far)
    assert "pass_satellite" not in sky.fields
    assert [item for item in sky.missing if item.startswith("file")] == []


def test_two_instruments_of_one_satellite_are_not_each_others_past(
    tiny: Region, full_home: Home, full: CycleResult, tmp_path: Path
) -> None:
    """GHI sends every minute: its newest image must not hide the channels of AGRI's."""
    assert full.committed
    home = copied(full_home, tmp_path / "home")
    offer(home, tiny, [ghi(tmp_path / "in", START - 2 * MINUTE)])
    sky = look(home, tiny)
    assert "water_vapour_difference" in sky.fields
    assert known_share(sky.fields["water_vapour_difference"]) > LEAST_SHARE
    assert float(sky.fields["cloud_top_change_15min"].min()) < -8


def test_a_moved_satellite_is_told_once(tmp_path: Path) -> None:
    region = sky_region(tmp_path / "meta", ["FY-4B,GEO,133.0,AGRI,true,2020-01-01,,test"])
    home = Home(tmp_path / "home")
    offer(home, region, images(tmp_path / "in", NEWEST))
    sky = look(home, region)
    ((en, zh),) = sky.notes
    assert "105.0" in en
    assert "133.0" in en
    assert "采用文件值" in zh
    assert known_share(sky.fields[BT108]) > LEAST_SHARE


# Real files


@pytest.fixture(scope="module")
def fy4b(data: Path) -> Path:
    return next((data / "satellite" / "fy4b_hdf").glob("*.HDF"))


def test_real_fy4b_and_national_mosaics(data: Path, fy4b: Path, tmp_path: Path) -> None:
    """The real crop of February under a date of June: values and places are real, the clouds are not those of the
    radar; three times the same clouds, colder each time."""
    region = sky_region(tmp_path / "meta", radars=False, corner=(104.9, 30.6), cells=(180, 100))
    when = datetime(2025, 6, 9, 10, 42, tzinfo=UTC)
    files = [
        redated(fy4b, tmp_path / "in", when - timedelta(minutes=back), warmer_k=warmer)
        for back, warmer in ((42, 8.0), (27, 4.0), (12, 0.0))
    ]
    mosaics = sorted((data / "radar" / "cma_mosaic_cref").glob("*.bin"))[:2]
    # The newest scan is complete as the first cycle is due. Lightning is where the mosaics have 45 dBZ.
    spot = (105.7, 31.3)
    strikes = [
        *lmi(tmp_path / "in", when + CYCLE, place=spot, simulated=False),
        adtd(tmp_path / "in", when + 5 * MINUTE, place=spot, simulated=False),
    ]
    home = Home(tmp_path / "home")
    offer(home, region, [*files, *mosaics, *strikes], now=PRESENT)
    cycles = [run_cycle(home, region, time) for time in (when, when + CYCLE)]
    last = cycles[-1]
    ds = open_archive(home.archive, region=region.id).isel(time=-1).load()
    assert float(ds["composite_reflectivity"].max()) > 45
    assert known_share(ds[BT108]) > LEAST_SHARE
    assert platforms(ds["satellite"]) == {"FY-4B"}
    assert 240 < float(ds[BT108].min()) < 252
    assert float(ds[BT108].max()) < 300
    assert float(ds["flash_density"].max()) > 0
    assert float(ds["cloud_top_change_15min"].min()) == pytest.approx(-4, abs=0.5)
    storms = last.storms
    assert len(storms) > 0
    assert storms["bt108_min_k"].between(238, 300).all()
    assert storms["bt108_change_15min_k"].notna().any()
    assert storms["flash_rate_min"].max() > 1
    assert "flashes a minute" in drivers(last, "thunderstorm", "drivers")
    assert len(last.clouds) > 0
    assert (last.clouds["bt108_min_k"] < 253).all()
    assert last.missing == ("satellite FY-4A",)


def test_simulated_lightning_beside_real_radars_is_left_out_and_told(data: Path, tmp_path: Path) -> None:
    """It would make a real warning look simulated."""
    region = sky_region(tmp_path / "meta", (), radars=False, corner=(104.9, 30.6), cells=(180, 100))
    when, home = datetime(2025, 6, 9, 10, 42, tzinfo=UTC), Home(tmp_path / "home")
    mosaic = sorted((data / "radar" / "cma_mosaic_cref").glob("*.bin"))[:1]
    offer(home, region, [*mosaic, *lmi(tmp_path / "in", when, place=(105.7, 31.3))], now=PRESENT)
    cycle = run_cycle(home, region, when)
    assert cycle.truth == "real"
    assert any("simulated, not used" in item for item in cycle.missing)
    assert cycle.storms["flash_rate_min"].isna().all()


def test_real_glm_flashes_are_on_the_map(data: Path, tmp_path: Path) -> None:
    region = sky_region(tmp_path / "meta", (), radars=False, corner=(-57.0, -33.0), cells=(100, 100))
    result = run([data / "satellite" / "glm"], Home(tmp_path / "home"), region)
    (cycle,) = result.cycles
    assert not result.failures
    assert cycle.time == datetime(2018, 7, 2, 4, 36, tzinfo=UTC)
    assert cycle.sources[0]["source"] == "GOES-16/GLM"
    ds = open_archive(tmp_path / "home" / "archive", region=region.id).load()
    assert set(np.unique(ds["lightning_source"])) == {1}
    # 23 flashes in this square degree in 20 s: spread over it, their number comes back but for what leaks at the edge.
    area = np.broadcast_to(region.grid.cell_area_km2[:, np.newaxis], region.grid.shape)
    number = float((ds["flash_density"].isel(time=0).to_numpy() * area).sum()) * 20 / 3600
    assert 12 < number < 40


def test_real_awx_image_alone_is_fy2g(data: Path, tmp_path: Path) -> None:
    region = sky_region(tmp_path / "meta", ["FY-2G,GEO,99.2,S-VISSR,true,2015-01-01,,test"])
    result = run([data / "satellite" / "awx" / "ANI_IR1_R04_20220331_2100_FY2G.AWX"], Home(tmp_path / "home"), region)
    (cycle,) = result.cycles
    assert not result.failures
    ds = open_archive(tmp_path / "home" / "archive", region=region.id).load()
    assert platforms(ds["satellite"]) == {"FY-2G"}
    assert 200 < float(ds[BT108].min()) < float(ds[BT108].max()) < 310
    assert not [item for item in cycle.missing if "FY-2G" in item]
    half_an_hour_later = look(Home(tmp_path / "home"), region, cycle.time + timedelta(minutes=30))
    assert BT108 in half_an_hour_later.fields
    assert not [item for item in half_an_hour_later.missing if "FY-2G" in item]  # its next disk is not due
    assert cycle.drafts == ()
