"""The whole chain on simulated volumes: plumbing, idempotence, provenance. No skill is claimed."""

import json
from pathlib import Path

import pytest
import xarray as xr

from wxcore.archive.read import list_cycles
from wxcore.landing.ledger import conservation
from wxcore.pipeline.home import Home
from wxcore.pipeline.result import RunResult
from wxcore.pipeline.run import run
from wxcore.region import Region
from wxcore.schema import LEVELS_SOURCES
from wxcore.simulate.demo import DEMO_CELLS, DEMO_CYCLES


def test_every_cycle_finds_the_simulated_hailstorm_where_it_is(demo_run: RunResult) -> None:
    assert len(demo_run.cycles) == DEMO_CYCLES
    for cycle in demo_run.cycles:
        lon, lat = DEMO_CELLS[0].place(cycle.time)
        strongest = cycle.storms.sort_values("max_dbz").iloc[-1]
        assert strongest["lon"] == pytest.approx(lon, abs=0.06)  # the volumes are up to seven minutes old
        assert strongest["lat"] == pytest.approx(lat, abs=0.06)
        assert strongest["mesh_mm"] > 20


def test_motion_is_the_simulated_one(demo_run: RunResult) -> None:
    storm = demo_run.cycles[-1].storms.sort_values("max_dbz").iloc[-1]
    assert storm["u_m_s"] == pytest.approx(DEMO_CELLS[0].u_m_s, abs=3)
    assert storm["v_m_s"] == pytest.approx(DEMO_CELLS[0].v_m_s, abs=3)
    assert storm["age_min"] == pytest.approx(6 * (DEMO_CYCLES - 1))


def test_everything_says_syn(demo_run: RunResult, demo_home: Home) -> None:
    drafts = [draft for cycle in demo_run.cycles for draft in cycle.drafts]
    assert drafts
    assert all(draft.truth == "SYN" for draft in drafts)
    assert "SYN" in demo_home.report.read_text()
    assert all(picture.title_en.startswith("SYN") for cycle in demo_run.cycles for picture in cycle.pictures)


def test_second_identical_run_changes_nothing(
    demo_run: RunResult, demo_files: list[Path], demo_home: Home, chongqing: Region
) -> None:
    before = [cycle.to_json() for cycle in demo_run.cycles]
    again = run(demo_files, demo_home, chongqing)
    assert {item.status for item in again.inputs} == {"duplicate"}
    assert not any(cycle.committed for cycle in again.cycles)
    for old, new in zip(before, again.cycles, strict=True):
        now = new.to_json()
        for key in ("storms", "probabilities", "drafts", "snapshot"):
            assert now[key] == old[key]


def test_archive_opens_with_one_line(demo_run: RunResult, demo_home: Home) -> None:
    cube = xr.open_dataset(demo_home.archive / "chongqing", engine="wxcore")
    assert cube.sizes["time"] == DEMO_CYCLES
    assert cube.attrs["Conventions"].startswith("CF-")
    assert float(cube["composite_reflectivity"].max()) > 60
    assert (cube["levels_source"] == LEVELS_SOURCES.index("climatology")).all()
    assert cube["freezing_level"].to_numpy() == pytest.approx([cycle.levels["h0_m"] for cycle in demo_run.cycles])
    assert list_cycles(demo_home.archive, "chongqing") == [cycle.time for cycle in demo_run.cycles]


def test_json_holds_what_other_programs_rely_on(demo_run: RunResult) -> None:
    whole = json.loads(json.dumps(demo_run.to_json()))
    assert {"region", "report", "cycles"} <= set(whole)
    cycle = whole["cycles"][-1]
    assert {"time", "degraded", "missing", "inputs", "storms", "probabilities", "drafts"} <= set(cycle)
    assert {"file", "sha256", "status", "reason"} <= set(cycle["inputs"][0])
    assert {
        "storm_id", "lat", "lon", "area_km2", "max_dbz", "vil_kg_m2", "echo_top_18_km", "shi", "mesh_mm",
        "posh_percent", "u_m_s", "v_m_s", "age_min",
    } <= set(cycle["storms"][0])  # fmt: skip
    assert {"storm_id", "hazard", "lead_min", "p", "model", "drivers"} <= set(cycle["probabilities"][0])
    assert {"id", "hazard", "level", "districts", "headline_zh", "headline_en", "effective", "expires"} <= set(
        next(draft for cycle in whole["cycles"] for draft in cycle["drafts"])
    )
    assert "radar Z9831" in cycle["missing"]


def test_report_opens_offline(demo_run: RunResult, demo_home: Home) -> None:
    page = demo_home.report.read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert page.count("data:image/png;base64,") == sum(len(cycle.pictures) for cycle in demo_run.cycles)


def test_received_is_stored_plus_duplicate_plus_quarantined(
    tmp_path: Path, demo_files: list[Path], chongqing: Region
) -> None:
    broken = tmp_path / demo_files[0].name
    broken.write_bytes(demo_files[0].read_bytes()[:1000])
    home = Home(tmp_path / "home")
    result = run([demo_files[0], demo_files[0], broken], home, chongqing)
    assert [item.status for item in result.inputs] == ["stored", "duplicate", "quarantined"]
    counts = conservation(home.ledger())
    assert (counts.received, counts.stored, counts.duplicate, counts.quarantined) == (3, 1, 1, 1)
    assert counts.holds
