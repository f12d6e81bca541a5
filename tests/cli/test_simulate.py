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
from wxcore.region import Region, load_region
from wxcore.simulate.feed import SCALES
from wxcore.simulate.mess import Sent
from wxcore.simulate.planned import Planned, Scale

TINY = Scale("tiny", ("Z9230",), (), 30, 2)
START = datetime(2026, 7, 1, 8, tzinfo=UTC)
MESS = ("--late", "0.2", "--missing", "0.4", "--duplicated", "0.3", "--broken", "0.3")


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


def test_the_same_seed_gives_the_same_bytes(told: tuple[Path, Result], tmp_path: Path) -> None:
    once, result = told
    assert result.exit_code == 0, result.output
    again = _wx(tmp_path / "new", *MESS)
    assert again.exit_code == 0, again.output
    assert _digests(once) == _digests(tmp_path / "new")
    other = _wx(tmp_path / "new", *MESS, "--seed", "3", "--json")  # ours: it is emptied first
    assert other.exit_code == 0
    old, new = _digests(once), _digests(tmp_path / "new")
    assert old["manifest.csv"] != new["manifest.csv"]
    rows = list(csv.DictReader((tmp_path / "new" / "manifest.csv").open()))
    assert {name.removeprefix("feed/") for name in new if name.startswith("feed/")} == {
        row["path"] for row in rows if row["sha256"]
    }


def test_report_manifest_and_feed_agree(told: tuple[Path, Result]) -> None:
    out, result = told
    report = json.loads(result.stdout)
    rows = list(csv.DictReader((out / "manifest.csv").open()))
    sent = [row for row in rows if row["sha256"]]
    assert report["files"] == len(sent) > 5
    assert report["bytes"] == sum(int(row["size"]) for row in sent)
    assert report["truth"] == "SYN"
    counts = {key: sum(row[key] for row in report["instruments"]) for key in ("missing", "duplicated", "broken")}
    assert counts == {
        "missing": len(rows) - len(sent),
        "duplicated": sum(row["copy"] == "1" for row in sent),
        "broken": sum(bool(row["broken"]) for row in sent),
    }
    assert all(counts.values())
    here = _digests(out / "feed")
    newest = {row["path"]: row["sha256"] for row in sent}
    assert newest == here
    assert (out / "truth" / "truth.nc").is_file()


def test_the_region_loads_with_the_network(told: tuple[Path, Result], chongqing: Region) -> None:
    loaded = load_region("chongqing", root=told[0] / "station_meta")
    assert len(loaded.stations) == TINY.stations
    assert all("SYN" in station.source for station in loaded.stations)
    assert loaded.radars == chongqing.radars


def test_next_steps_are_told(tmp_path: Path) -> None:
    result = _wx(tmp_path / "new", "--hours", "0.1", "--lang", "zh")
    assert result.exit_code == 0
    assert f"WXCORE_STATION_META={tmp_path / 'new' / 'station_meta'}" in result.stderr
    assert "模拟" in result.stderr


@pytest.mark.parametrize(
    "words",
    [("--scenario", "apocalypse"), ("--scale", "huge"), ("--hours", "0"), ("--hours", "nan"), ("--late", "1.5"),
     ("--seed", "-1"), ("--jobs", "0")],
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
