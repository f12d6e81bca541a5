"""`wx bench cycle`: its figures out of measurements, and the files of larger networks."""

import bz2
import io
import itertools
import json
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from wxcore.cli import bench_cycle
from wxcore.cli.bench import bench_app
from wxcore.cli.bench_cycle import BUDGET, NOT_OURS, Prepared, goal_rows, run_child, stage_medians, steps
from wxcore.cli.bench_cycle_child import children
from wxcore.cli.bench_cycle_feed import (
    MOST_RADARS,
    copy_volumes,
    full_scale_feed,
    region_of_feed,
    with_copies,
)
from wxcore.cli.bench_cycle_scaling import WIDTH, Load, Point, efficiency, loads, write_scaling
from wxcore.cli.demo import OURS
from wxcore.errors import WxcoreError
from wxcore.pipeline import analyse, cycle, ground, prepared, report, sky
from wxcore.pipeline.expand import expand
from wxcore.radar.cinrad import read_standard
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.volume import ECHO, Moment, Site, Sweep, Volume
from wxcore.region import STATION_META, load_region
from wxcore.simulate.network import MOST

WHEN = datetime(2026, 7, 1, 8, tzinfo=UTC)


def _stage(name: str, seconds: float, peak: float = 0.0) -> dict[str, Any]:
    return {"name": name, "seconds": seconds, "busy_s": 2 * seconds, "calls": 1, "bytes": 10, "peak_mib": peak}


def _measured(seconds: float, staged: float, *stages: dict[str, Any]) -> dict[str, Any]:
    return {
        "seconds": seconds, "staged": staged, "stages": list(stages), "peak_mib": 512.0, "children_mib": 1024.0,
        "archive_bytes": 4_000_000, "storms": 3, "stations": 5, "volumes": 14,
    }  # fmt: skip


def _run(*seconds: float) -> list[dict[str, Any]]:
    return [_measured(each, each - 0.5) for each in seconds]


def test_the_goals() -> None:
    """8 and 12 s are of cycles with Prefect, 6 s of those without; first cycles count for nothing but their own row."""
    direct, flow = [_run(40.0, 4.0, 5.0), _run(50.0, 6.0)], [_run(60.0, 7.0, 6.0), _run(70.0, 8.0)]
    rows = goal_rows(direct, flow, machine=2.0)
    assert [row.ours for row in rows] == pytest.approx([7.0, 7.9, 5.0, 2.0, 65.0, 0.5, 1.5, 4.0])
    ratios = [row.ratio for row in rows]
    assert ratios[:4] == pytest.approx([7 / 16, 7.9 / 24, 5 / 12, 2 / 4])
    assert [row.held for row in rows] == [True] * 4 + [None] + [True] * 3
    assert [row.held for row in goal_rows(direct, flow, machine=0.7)][:4] == [False, True, False, False]


def test_the_first_cycle_and_the_decoders_have_rows_of_their_own() -> None:
    runs = [_run(9.0, 1.0)]
    items = [row.item for row in goal_rows(runs, runs, 1.0)]
    assert sum("first cycle of a process" in item for item in items) == 1
    assert sum("of the decoders still running" in item for item in items) == 1


def test_a_bench_touches_no_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NOT_OURS:
        monkeypatch.setenv(name, "postgresql://installation/wxcore")
    assert set(OURS) < set(NOT_OURS)
    seen: list[dict[str, str]] = []

    def run(command: list[str], *, env: dict[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
        seen.append(env)
        return subprocess.CompletedProcess(command, 0, stdout="[]\n")

    monkeypatch.setattr(subprocess, "run", run)
    (tmp_path / "home").mkdir()
    ready = Prepared(tmp_path / "home", tmp_path / "meta", [WHEN], 14, 2500)
    for flow in (False, True):
        assert run_child(ready, tmp_path / "run", Load(), flow=flow) == []
    assert len(seen) == 2
    for environment in seen:
        assert not set(NOT_OURS) & set(environment)
        assert environment["WXCORE_STATION_META"] == str(tmp_path / "meta")
        assert environment["PATH"] == os.environ["PATH"]


def test_children_of_a_thread_that_has_ended_are_none(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        (tmp_path / name).mkdir()
    (tmp_path / "1" / "children").write_text("11 12 ")
    (tmp_path / "3" / "children").write_text("31")
    assert list(children(tmp_path)) == [11, 12, 31]
    assert list(children(tmp_path / "gone")) == []


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


def test_the_largest_network_is_a_region(tmp_path: Path) -> None:
    own = len(load_region("chongqing").radars_at(WHEN))
    _meta(tmp_path, MOST_RADARS - own)
    found = region_of_feed(tmp_path).radars_at(WHEN)
    assert len({site.id for site in found}) == len({(site.lat, site.lon) for site in found}) == MOST_RADARS == 140


@pytest.mark.parametrize(("radars", "stations"), [(MOST_RADARS + 1, 10), (0, 10), (2, MOST + 1), (2, 0)])
def test_larger_networks_are_refused(tmp_path: Path, radars: int, stations: int) -> None:
    with pytest.raises(WxcoreError, match="can be simulated"):
        full_scale_feed(tmp_path, radars, stations, 2)
    assert not list(tmp_path.iterdir())


def test_options_have_limits() -> None:
    for option in (("--radars", "141"), ("--stations", "10000")):
        told = CliRunner().invoke(bench_app, ["cycle", *option])
        assert told.exit_code == 2, told.output


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
    assert expand([tmp_path / "feed"]) == sorted([feed / name, there])
    read = read_standard(bz2.decompress(there.read_bytes()), there.name)
    assert (read.site.id, read.task) == (copy.id, "SYN")
    assert read.site.latitude == pytest.approx(copy.lat, abs=1e-4)
    assert np.array_equal(read.sweeps[0].moments["DBZH"].codes, codes)


def test_scaling_is_on_the_reference_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds are divided by the mean slowness before and after; the feed at hand is that of the base load."""
    slow = itertools.cycle([2.0, 4.0])
    of_base = Prepared(tmp_path, tmp_path, [WHEN], 14, 2500)
    made: list[tuple[int, int]] = []
    used: list[Prepared] = []

    def write(folder: Path, radars: int, stations: int, cycles: int) -> Path:
        made.append((radars, stations))
        return folder / "feed"

    def measured(ready: Prepared, *_: Any) -> list[dict[str, Any]]:
        used.append(ready)
        return [_measured(99.0, 99.0), _measured(6.0, 6.0, _stage("decode", 3.0))]

    monkeypatch.setattr(bench_cycle, "slowness", lambda _: next(slow))
    monkeypatch.setattr(bench_cycle, "full_scale_feed", write)
    monkeypatch.setattr(bench_cycle, "made_ready", lambda folder, *_: replace(of_base, home=folder))
    monkeypatch.setattr(bench_cycle, "run_child", measured)
    points = bench_cycle.scaling_points(tmp_path, Load(), of_base, 2, tmp_path / "yardstick")
    assert [(point.seconds, point.machine, point.steps["decode"]) for point in points] == [(2.0, 3.0, 1.0)] * 8
    assert made == [(28, 2500), (56, 2500), (14, 2000), (14, 5000), (14, MOST)]
    assert [ready is of_base for ready in used] == [True] * 3 + [False] * 5


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
