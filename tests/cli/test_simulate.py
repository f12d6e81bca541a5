"""`wx simulate`: the same bytes again, a manifest that is true, a region that loads, and what it refuses."""

import csv
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from wxcore.cli import simulate
from wxcore.errors import WxcoreError
from wxcore.region import Region, load_region
from wxcore.simulate.feed import SCALES, plan
from wxcore.simulate.mess import Sent
from wxcore.simulate.planned import Planned, Scale, Setting
from wxcore.simulate.station_feed import FTM

TINY = Scale("tiny", ("Z9230",), (), 30, 2)
COUNTED = ("missing", "overtaken", "duplicated", "broken")
START = datetime(2026, 7, 1, 8, tzinfo=UTC)
MESS = ("--late", "0.3", "--missing", "0.3", "--duplicated", "0.4", "--broken", "0.6")


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCALES, TINY.name, TINY)


def _wx(out: Path, *words: str) -> Result:
    app = typer.Typer()
    app.command()(simulate.simulate_command)
    base = ("--region", "chongqing", "--start", "2026-07-01T08:00Z", "--hours", "0.2", "--scale", TINY.name,
            "--jobs", "1", "--lang", "en", "--out", str(out))  # fmt: skip
    return CliRunner().invoke(app, [*base, *words])


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCALES, TINY.name, TINY)
        out = tmp_path_factory.mktemp("once")
        return out, _wx(out, "--json", *MESS)


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(
    told: tuple[Path, Result], tmp_path: Path
) -> None:
    once, result = told
    assert result.exit_code == 0, result.output
    again = _wx(tmp_path / "it's new", *MESS, "--jobs", "2", "--lang", "zh")
    assert again.exit_code == 0, again.output
    assert _digests(once) == _digests(tmp_path / "it's new")
    assert "模拟" in again.stderr
    quoted = str(tmp_path / "it's new").replace("'", "'\"'\"'")
    assert f"export WXCORE_STATION_META='{quoted}/station_meta'\n" in again.stderr
    assert f"wx run '{quoted}/feed' --region chongqing --out" in again.stderr


@pytest.fixture
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is quickly made, and no truth."""
    monkeypatch.setattr(simulate, "plan", lambda setting: plan(setting, (FTM,)))
    monkeypatch.setattr(simulate, "write_truth", lambda setting, folder: (folder / "truth").mkdir())


def _rows(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "manifest.csv").open()))


@pytest.mark.usefixtures("_few")
def test_our_folder_is_emptied_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _wx(tmp_path).exit_code == 0
    old = (tmp_path / "manifest.csv").read_bytes()
    for left in ("feed/old.bin", "truth/old.nc", "station_meta/elsewhere/region.toml"):
        (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / left).write_text("old")
    again = _wx(tmp_path, "--seed", "3")
    assert again.exit_code == 0, again.output
    assert "replacing what an earlier run left" in again.stderr
    assert "station_meta, manifest.csv" in again.stderr
    assert old != (tmp_path / "manifest.csv").read_bytes()
    assert {f"feed/{row['path']}" for row in _rows(tmp_path)} == {
        name for name in _digests(tmp_path) if name.startswith("feed/")
    }
    assert sorted(path.name for path in (tmp_path / "station_meta").iterdir()) == ["chongqing", "rules"]
    assert not list((tmp_path / "truth").iterdir())
    (tmp_path / "station_meta" / "mine").mkdir()
    monkeypatch.setenv("WXCORE_STATION_META", str(tmp_path / "station_meta"))
    assert _wx(tmp_path).exit_code == 0
    assert (tmp_path / "station_meta" / "mine").is_dir(), "the region is read from there"


@pytest.mark.usefixtures("_few")
def test_a_run_that_is_stopped_leaves_a_manifest_of_what_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[Sent] = []

    def stop(sent: Sent) -> None:
        came.append(sent)
        if len(came) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(simulate, "pacer", lambda start, speed: stop)
    assert _wx(tmp_path, "--hours", "0.4", "--speed", "10", "--duplicated", "0.5").exit_code == 130
    rows = _rows(tmp_path)
    assert [row["path"] for row in rows if row["sha256"]] == [sent.path for sent in came[:3]]
    assert len(rows) > 8
    assert all(not row["arrives"] and row["size"] == "0" for row in rows[3:])
    assert sum(row["copy"] == "1" for row in rows)
    here = _digests(tmp_path / "feed")
    assert here == {row["path"]: row["sha256"] for row in rows[:3]}, "and nothing hidden is left"


@pytest.mark.usefixtures("_few")
def test_what_cannot_be_planned_empties_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _wx(tmp_path).exit_code == 0
    before = _digests(tmp_path)

    def fail(setting: Setting) -> None:
        raise WxcoreError("no such orbit", "无此轨道")

    monkeypatch.setattr(simulate, "plan", fail)
    assert _wx(tmp_path, "--seed", "3").exit_code != 0
    assert _digests(tmp_path) == before


def test_report_manifest_and_feed_agree(told: tuple[Path, Result]) -> None:
    out, result = told
    report = json.loads(result.stdout)
    rows = _rows(out)
    sent = [row for row in rows if row["sha256"]]
    assert report["files"] == len(sent) > 5
    assert report["bytes"] == sum(int(row["size"]) for row in sent)
    assert report["truth"] == "SYN"
    counts = {key: sum(row[key] for row in report["instruments"]) for key in COUNTED}
    assert counts == {
        "missing": len(rows) - len(sent) - counts["overtaken"],
        "overtaken": counts["overtaken"],
        "duplicated": sum(row["copy"] == "1" for row in sent),
        "broken": sum(bool(row["broken"]) for row in sent),
    }
    assert all(counts[key] for key in COUNTED if key != "overtaken")
    assert not any(row["overtaken"] for row in report["instruments"] if row["instrument"] != "adtd")
    here = _digests(out / "feed")
    newest = {row["path"]: row["sha256"] for row in sent}
    assert newest == here
    assert (out / "truth" / "truth.nc").is_file()


def test_the_region_loads_with_the_network(told: tuple[Path, Result], chongqing: Region) -> None:
    loaded = load_region("chongqing", root=told[0] / "station_meta")
    assert len(loaded.stations) == TINY.stations
    assert all("SYN" in station.source for station in loaded.stations)
    assert loaded.radars == chongqing.radars


@pytest.mark.parametrize(
    "words",
    [("--scenario", "apocalypse"), ("--scale", "huge"), ("--hours", "0"), ("--hours", "nan"), ("--hours", "241"),
     ("--hours", "1e300"), ("--late", "1.5"), ("--seed", "-1"), ("--seed", str(2**63)), ("--jobs", "0"),
     ("--start", "1979-12-31T23:59Z"), ("--start", "2038-01-01T00:00Z")],
)  # fmt: skip
def test_bad_arguments_are_refused_before_anything_is_made(tmp_path: Path, words: tuple[str, ...]) -> None:
    result = _wx(tmp_path / "new", *words)
    assert result.exit_code == 2, result.output
    assert not (tmp_path / "new").exists()


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    assert _wx(tmp_path).exit_code == 2
    assert _wx(tmp_path / "thesis.txt").exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_pace_is_that_of_the_arrivals(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slept = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", sleep)
    wait = simulate.pacer(START, 10.0)
    for minutes in (-5, 3, 3, 4):
        when = START + timedelta(minutes=minutes)
        wait(Sent(Planned("a", START, START, when, "fake"), "a", when))
    assert slept == pytest.approx([0, 18, 0, 6])
