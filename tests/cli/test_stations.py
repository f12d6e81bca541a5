"""`wx stations import`, `check` and `gusts`: what they refuse, and what they leave out."""

import json
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from wxcore.cli import gusts as gust_commands
from wxcore.cli import stations as commands
from wxcore.cli.app import app
from wxcore.errors import ReadError, Reason, RegionError, WxcoreError
from wxcore.region import Region, Station, load_region
from wxcore.station.reports import Reports

DAY = date(2024, 5, 1)
ROW = Station("A0001", "甲", "", 29.5, 106.5, 300.0, float("nan"), "plain", "500106", "regional", DAY, None, "one")
LIST = "id,lat,lon,elev\nA0001,29.6,106.5,300\nA0002,29.6,106.6,300\n"


@cache
def chongqing() -> Region:
    return load_region("chongqing")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of regions of their own, with one station, and a list that moves it."""
    monkeypatch.setenv("WXCORE_STATION_META", str(tmp_path))
    monkeypatch.setattr(commands, "region_of", lambda region: replace(chongqing(), stations=(ROW,)))
    monkeypatch.setattr(gust_commands, "region_of", lambda region: replace(chongqing(), stations=(ROW,)))
    (tmp_path / "chongqing").mkdir()
    (tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["stations", *arguments])


def bring(home: Path, *more: str) -> Any:
    return run("import", str(home / "list.csv"), *more)


def table(home: Path) -> Path:
    return home / "chongqing" / "stations.csv"


def test_a_blank_source_does_not_brick_the_region(home: Path) -> None:
    assert bring(home, "--source", " ", "--valid-from", "2025-01-01").exit_code == 0
    assert [line.split(",")[-1] for line in table(home).read_text(encoding="utf-8").splitlines()[1:]] == [
        "one", "list.csv", "list.csv",
    ]  # fmt: skip


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_what_would_not_load_is_not_written(home: Path, monkeypatch: pytest.MonkeyPatch, dry: list[str]) -> None:
    faulty = replace(chongqing(), stations=(replace(ROW, source=""),))
    monkeypatch.setattr(commands, "region_of", lambda region: faulty)
    told = bring(home, "--valid-from", "2025-01-01", *dry)
    assert isinstance(told.exception, RegionError)
    assert "source" in told.exception.en
    assert "未写入" in told.exception.zh
    assert not table(home).exists()


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_an_older_list_needs_force(home: Path, dry: list[str]) -> None:
    told = bring(home, "--valid-from", "2020-01-01", *dry)
    assert isinstance(told.exception, RegionError)
    assert "A0001 2024-05-01" in told.exception.en
    assert "A0002" not in told.exception.en, "it is new"
    assert "--force" in told.exception.zh
    assert not table(home).exists()
    assert bring(home, "--valid-from", "2020-01-01", "--force").exit_code == 0
    assert table(home).read_text(encoding="utf-8").splitlines()[1].split(",")[3] == "29.6"


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(30, "Read-only file system")])
def test_an_installation_that_is_read_only(home: Path, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise error

    monkeypatch.setattr(commands, "write_file", refuse)
    told = bring(home, "--valid-from", "2025-01-01")
    assert type(told.exception) is WxcoreError, "exit code 1"
    assert "run the import as the owner" in told.exception.en
    assert str(error.strerror) in told.exception.zh


def test_a_full_disk_is_no_matter_of_rights(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(commands, "write_file", refuse)
    assert isinstance(bring(home, "--valid-from", "2025-01-01").exception, OSError)


def reports(*rows: tuple[str, float, float]) -> Reports:
    ids, lat, lon = zip(*rows, strict=True)
    count = len(rows)
    return Reports(
        "test", "test", np.array(ids), np.array(["2025-05-01T00:00"] * count, "M8[ns]"), np.array(lat), np.array(lon),
        np.full(count, 300, "f4"), {"wind_speed_of_gust": np.full(count, 20, "f4")},
        np.full(count, np.datetime64("2025-05-01T00:00"), "M8[ns]"),
    )  # fmt: skip


def test_ids_without_a_place_are_unknown_and_told_apart(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nan = float("nan")
    native = reports(
        ("A0001", nan, nan), ("A0005", 29.7, 106.7), ("A0009", nan, nan), ("A0007", nan, nan), ("A0007", 29.7, 106.8),
        ("B0001", 45.0, 120.0),
    )  # fmt: skip
    monkeypatch.setattr(commands, "read_file", lambda path, name: SimpleNamespace(native=native))
    told = json.loads(run("check", "x", "--json").stdout)[0]
    assert (told["unknown"], told["no_place"]) == (["A0005", "A0007", "A0009"], ["A0009"])
    assert [line.split(",")[0] for line in told["lines"]] == ["A0005", "A0007"], "a line without a place is no line"
    assert told["moved"] == {}
    assert "place not in the file: A0009" in run("check", "x", "--lang", "en").output


@pytest.fixture
def files(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`good` has a gust, `bad` cannot be read, `other` is a file of something else."""
    natives = {"good": reports(("A0001", 29.5, 106.5)), "other": object()}

    def read(path: Path, name: str) -> SimpleNamespace:
        if name not in natives:
            raise ReadError(Reason.TRUNCATED, f"{name}: ends early", f"{name}：提前结束")
        return SimpleNamespace(native=natives[name])

    for module in ("wxcore.pipeline.gusts", "wxcore.cli.gusts"):
        monkeypatch.setattr(f"{module}.read_file", read)


@pytest.mark.usefixtures("files")
def test_an_unreadable_file_is_told_and_the_others_are_used(home: Path) -> None:
    out = ("--out", str(home / "out"), "--lang", "en")
    told = run("gusts", "good", "bad", "other", *out)
    assert told.exit_code == 1
    assert "bad: ends early" in told.output
    assert "other: no file of station reports" in told.output
    assert "1 gusts of 17.2 m/s or more" in told.output
    alone = run("gusts", "good", *out, "--json")
    assert alone.exit_code == 0
    assert json.loads(run("gusts", "good", "bad", *out, "--json").stdout) == json.loads(alone.stdout)


@pytest.mark.usefixtures("files")
def test_nothing_but_unreadable_files(home: Path) -> None:
    out = ("--out", str(home / "out"), "--lang", "en")
    assert isinstance(run("gusts", "bad", *out).exception, ReadError)
    told = run("gusts", "bad", "worse", *out)
    assert told.exit_code == 1
    assert told.output.count("ends early") == 2
