"""`wx bench cycle`: its figures out of measurements, and the files of larger networks."""

import bz2
import io
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wxcore.cli.bench_cycle import BUDGET, goal_rows, stage_medians, steps
from wxcore.cli.bench_cycle_feed import copy_volumes, files_of, region_of_feed, with_copies
from wxcore.cli.bench_cycle_scaling import WIDTH, Load, Point, efficiency, loads, write_scaling
from wxcore.pipeline import analyse, cycle, ground, prepared, report, sky
from wxcore.radar.cinrad import read_standard
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.volume import ECHO, Moment, Site, Sweep, Volume
from wxcore.region import STATION_META, load_region

WHEN = datetime(2026, 7, 1, 8, tzinfo=UTC)


def _stage(name: str, seconds: float, peak: float = 0.0) -> dict[str, Any]:
    return {"name": name, "seconds": seconds, "busy_s": 2 * seconds, "calls": 1, "bytes": 10, "peak_mib": peak}


def _measured(seconds: float, staged: float, *stages: dict[str, Any]) -> dict[str, Any]:
    return {
        "seconds": seconds, "staged": staged, "stages": list(stages), "peak_mib": 512.0, "children_mib": 1024.0,
        "archive_bytes": 4_000_000, "storms": 3, "stations": 5, "volumes": 14,
    }  # fmt: skip


def test_the_goals() -> None:
    direct = [_measured(seconds, seconds - 0.5) for seconds in (4.0, 5.0, 6.0)]
    flow = [_measured(7.0, 4.5), _measured(7.0, 5.0)]
    rows = goal_rows(direct, flow, machine=2.0)
    assert [row.ours for row in rows] == pytest.approx([5.0, 5.9, 1.75, 0.5, 1.5, 4.0])
    assert [row.ratio for row in rows][:3] == pytest.approx([5 / 16, 5.9 / 24, 1.75 / 4])
    assert all(row.held for row in rows)


def test_steps_have_every_second_once() -> None:
    one = _measured(
        10.0, 9.0, _stage("decode", 1.0, 300), _stage("read prepared", 0.5), _stage("stations", 0.25),
        _stage("stations/read", 2.0, 700), _stage("unheard of", 1.5),
    )  # fmt: skip
    found = {row["step"]: row for row in steps([one], machine=2.0)}
    assert found["decode"]["seconds"] == 1.5
    assert found["decode"]["budget_s"] == 2.0
    assert found["stations"]["seconds"] == 2.25
    assert found["stations"]["peak_mib"] == 700
    assert found["all else"]["seconds"] == pytest.approx(6.25)
    assert sum(row["seconds"] for row in found.values()) == pytest.approx(10.0)


def test_a_stage_that_a_cycle_has_not_counts_as_nothing() -> None:
    with_decode = _measured(2.0, 2.0, _stage("mosaic", 1.0), _stage("decode", 1.0))
    without = _measured(1.0, 1.0, _stage("mosaic", 3.0))
    found = {row["name"]: row for row in stage_medians([with_decode, without, without])}
    assert list(found) == ["mosaic", "decode"]
    assert found["decode"]["seconds"] == 0.0
    assert found["mosaic"]["seconds"] == 3.0


def test_the_budget_knows_the_stages_of_the_cycle() -> None:
    """A stage that was renamed in the pipeline would silently move to "all else"."""
    text = "".join(Path(str(module.__file__)).read_text() for module in (analyse, cycle, ground, prepared, report, sky))
    for name in {name for _, names, _ in BUDGET for name in names} - {"recover"}:
        assert f'stage("{name}"' in text, name


def _meta(tmp_path: Path, more: int) -> Path:
    meta = tmp_path / "station_meta"
    shutil.copytree(STATION_META / "chongqing", meta / "chongqing")
    table = meta / "chongqing" / "radars.csv"
    table.write_text(with_copies(table.read_text(), more))
    return meta


def test_a_larger_network_is_a_region(tmp_path: Path) -> None:
    own = load_region("chongqing").radars_at(WHEN)
    assert len(own) == 14
    _meta(tmp_path, 42)
    found = region_of_feed(tmp_path).radars_at(WHEN)
    assert len({site.id for site in found}) == len({(site.lat, site.lon) for site in found}) == 56
    added = [site for site in found if site.id not in {row.id for row in own}]
    assert all(site.source.startswith("SYN") for site in added)


def test_volumes_of_copies(tmp_path: Path) -> None:
    _meta(tmp_path, 1)
    region = region_of_feed(tmp_path)
    own = [site for site in region.radars_at(WHEN) if not site.source.startswith("SYN")]
    (copy,) = [site for site in region.radars_at(WHEN) if site.source.startswith("SYN")]
    first = next(site for site in own if site.id[2:] == copy.id[2:])
    codes = np.repeat(np.arange(5, 95, dtype=np.uint8), 16).reshape(360, 4)
    classes = np.full(256, ECHO, np.uint8)
    moment = Moment(codes, 2.0, 66.0, 500.0, 1000.0, classes)
    angle = np.arange(360, dtype=np.float32)
    time = np.full(360, np.datetime64("2026-07-01T08:00:00", "ns"))
    site = Site(first.id, "SYN", first.lat, first.lon, first.antenna_m)
    sweep = Sweep(0.5, angle, np.full(360, 0.5, np.float32), time, 27.0, {"DBZH": moment})
    name = f"Z_RADR_I_{first.id}_20260701080000_O_DOR_SA_CAP_FMT.bin.bz2"
    feed = tmp_path / "feed" / "radar"
    feed.mkdir(parents=True)
    (feed / name).write_bytes(bz2.compress(write_standard(Volume("cinrad-standard", site, WHEN, "SYN", (sweep,)))))
    copy_volumes(tmp_path / "feed", own, [copy])
    there = feed / name.replace(first.id, copy.id)
    assert files_of(tmp_path) == sorted([feed / name, there])
    read = read_standard(bz2.decompress(there.read_bytes()), there.name)
    assert (read.site.id, read.task) == (copy.id, "SYN")
    assert read.site.latitude == pytest.approx(copy.lat, abs=1e-4)
    assert np.array_equal(read.sweeps[0].moments["DBZH"].codes, codes)


def test_scaling(tmp_path: Path) -> None:
    base = Load()
    points = [
        Point(varied, load, 8.0 / load.workers**0.5 * load.radars / 14, 900.0, {"decode": 1.0})
        for varied, load in loads(base)
    ]
    assert [point.x for point in points] == [1, 2, 14, 28, 56, 2000, 5000, 9999]
    assert all(replace(point.load, **{point.varied: getattr(base, point.varied)}) == base for point in points)
    assert efficiency(points) == pytest.approx(2**-0.5)
    told, drawn = write_scaling(tmp_path / "new", points)
    assert len(json.loads(told.read_text())["points"]) == 8
    with Image.open(io.BytesIO(drawn.read_bytes())) as image:
        assert image.size[0] == 3 * WIDTH
        assert len(image.getcolors(maxcolors=1 << 20) or []) > 4
