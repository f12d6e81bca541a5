"""What goes wrong in one place must not take the rest along: cycles, files, drafts of an earlier run."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from wxcore.errors import WxcoreError
from wxcore.landing.land import landed_path
from wxcore.landing.ledger import conservation
from wxcore.pipeline.cycle import run_cycle
from wxcore.pipeline.home import Home
from wxcore.pipeline.result import CycleResult
from wxcore.pipeline.run import DIRECT, run
from wxcore.region import Region, load_region

FIRST = 3
"""Volumes of the demo's first cycle."""


def test_a_cycle_that_fails_is_told_and_the_others_are_published(
    tmp_path: Path, demo_files: list[Path], chongqing: Region
) -> None:
    def sometimes(home: Home, region: Region, when: datetime, **heights: Any) -> CycleResult:
        if f"{when:%H%M}" == "0806":
            raise WxcoreError("the disk is on fire", "磁盘着火")
        return run_cycle(home, region, when, **heights)

    home = Home(tmp_path)
    result = run(demo_files[: 3 * FIRST], home, chongqing, jobs=replace(DIRECT, cycle=sometimes))
    assert [f"{cycle.time:%H%M}" for cycle in result.cycles] == ["0800", "0812"]
    assert result.failed
    assert result.to_json()["failures"] == [
        {"time": "2026-07-01T08:06:00Z", "message_en": "the disk is on fire", "message_zh": "磁盘着火"}
    ]
    assert "磁盘着火" in home.report.read_text()
    assert list(home.drafts.glob("*.xml"))


def test_landed_bytes_that_are_gone_are_named_and_the_other_radars_go_on(
    tmp_path: Path, demo_files: list[Path], chongqing: Region
) -> None:
    home = Home(tmp_path)
    first = run(demo_files[:FIRST], home, chongqing)
    gone = next(item for item in first.inputs if item.site == "Z9230")
    landed_path(home.landing, gone.sha256).unlink()
    again = run_cycle(home, chongqing, first.cycles[0].time)
    assert f"file {gone.file} (NOT_FOUND)" in again.missing
    assert "radar Z9230" in again.missing
    assert "radar Z9092" not in again.missing


def test_without_any_readable_file_the_cycle_says_so(tmp_path: Path, demo_files: list[Path], chongqing: Region) -> None:
    home = Home(tmp_path)
    first = run(demo_files[:1], home, chongqing)
    landed_path(home.landing, first.inputs[0].sha256).unlink()
    with pytest.raises(WxcoreError, match="NOT_FOUND"):
        run_cycle(home, chongqing, first.cycles[0].time)


def test_drafts_that_a_new_run_does_not_make_are_withdrawn(
    tmp_path: Path, demo_files: list[Path], chongqing: Region
) -> None:
    """A forecaster corrects the freezing level: the hail draft of the first run must not lie there to be signed."""
    home = Home(tmp_path)
    first = run(demo_files[:FIRST], home, chongqing, heights=(4800.0, 8000.0)).cycles[0]
    hail = sorted(item.id for item in first.drafts if item.hazard == "hail")
    assert hail
    assert all((home.drafts / f"{name}.xml").is_file() for name in hail)
    second = run(demo_files[:FIRST], home, chongqing, heights=(9000.0, 12_000.0)).cycles[0]
    assert list(second.withdrawn) == hail
    assert not any((home.drafts / f"{name}.xml").exists() for name in hail)
    collections = [json.loads(path.read_text()) for path in home.drafts.glob("*.geojson")]
    assert not any(name in json.dumps(collections) for name in hail)
    third = run(demo_files[:FIRST], home, chongqing, heights=(4800.0, 8000.0)).cycles[0]
    assert set(hail) <= {item.id for item in third.drafts}
    assert all((home.drafts / f"{name}.xml").is_file() for name in hail)


def test_the_same_bytes_under_two_names_are_stored_once(
    tmp_path: Path, demo_files: list[Path], chongqing: Region
) -> None:
    twin = tmp_path / demo_files[0].name.replace("Z9230", "Z9999")
    twin.write_bytes(demo_files[0].read_bytes())
    home = Home(tmp_path / "home")
    result = run([demo_files[0], twin], home, chongqing)
    assert result.inputs[0].status == "stored"
    assert (result.inputs[1].status, result.inputs[1].reason) in {("duplicate", ""), ("quarantined", "NAME_MISMATCH")}
    assert conservation(home.ledger()).holds


def test_a_file_stored_for_one_region_is_told_to_another_that_does_not_know_its_radar(
    tmp_path: Path, demo_files: list[Path], chongqing: Region
) -> None:
    home = Home(tmp_path)
    run(demo_files[:1], home, chongqing)
    result = run(demo_files[:1], home, load_region("jianghuai"))
    assert (result.inputs[0].status, result.inputs[0].reason) == ("quarantined", "UNKNOWN_SITE")
    assert "station_meta/jianghuai/radars.csv" in result.inputs[0].message_en
    assert conservation(home.ledger()).holds
    assert run(demo_files[:1], home, chongqing).inputs[0].status == "duplicate"
