"""`wx demo`: a home of its own, drafts told on the way, and next steps that work as they are printed."""

import json
import os
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.faults.scene import REGION, START, tiny_region, write_scene
from wxcore.cli import demo, desk
from wxcore.cli.app import add_lazy, app
from wxcore.desk.state import Desk
from wxcore.errors import WxcoreError
from wxcore.pipeline.issue import drafts_open
from wxcore.pipeline.result import Input
from wxcore.region import Region, load_region
from wxcore.simulate.planned import FULL, SMALL, Scale
from wxcore.times import CYCLE

CYCLES = 2


def _scene(region: Region, folder: Path) -> list[Path]:
    return [path for paths in write_scene(region, folder, CYCLES) for path in paths]


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the packaged regions: the tiny region in the place of Chongqing, its scene of the feed."""
    meta = tmp_path_factory.mktemp("meta")
    tiny_region(meta)

    def simulated(_scale: Scale, region: Region, folder: Path) -> tuple[int, Iterator[Path]]:
        return 2 * CYCLES, iter(_scene(region, folder))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "REGION", REGION)
        patch.setattr(demo, "STATION_META", meta)
        patch.setattr(demo, "simulated", simulated)
        for name in (*demo.OURS, "WXCORE_STATION_META", "WXCORE_HOME", "WXCORE_REGION"):
            patch.setenv(name, "theirs")
        patch.setenv("COLUMNS", "400")
        yield meta


def wx(*words: str, given: str = "") -> Any:
    add_lazy(words)
    return CliRunner().invoke(app, list(words), input=given)


@pytest.fixture(scope="module")
def done(patched: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("demo") / "out"
    return out, wx("demo", "--scale", "small", "--out", str(out), "--direct", "--json", "--lang", "en")


def test_the_chain_runs_and_tells_stages_and_drafts(done: tuple[Path, Any]) -> None:
    out, found = done
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert [cycle["time"] for cycle in told["cycles"]] == ["2026-07-01T08:00:00Z", "2026-07-01T08:06:00Z"]
    assert list(told["demo"]["seconds"]) == ["simulate", "ingest", "cycles", "report"]
    assert 'id="animation"' in (out / "report.html").read_text(encoding="utf-8")
    drafts = [draft for cycle in told["cycles"] for draft in cycle["drafts"]]
    assert drafts
    lines = [line for line in found.stderr.splitlines() if "▶" in line]
    assert len(lines) == len(drafts)
    for line, draft in zip(lines, drafts, strict=True):
        assert "SYN" in line
        assert draft["level"] in line
        assert all(name in line for name in draft["districts_en"])
        assert "BJT" in line
        assert "p " in line
        assert "%" in line


def test_every_next_step_works_as_it_is_printed(done: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    out, found = done
    told = json.loads(found.stdout)["demo"]["next"]
    export, *settings = told["settings"].split()
    assert export == "export"
    for setting in settings:
        monkeypatch.setenv(*setting.split("=", 1))
    for name in demo.OURS:
        monkeypatch.delenv(name, raising=False)
    served: list[Desk] = []
    monkeypatch.setattr(desk, "serve", lambda it, **_: served.append(it))
    assert set(told["commands"]) == {"forecaster", "who issues", "duty staff", "modeller", "engineer"}
    for command in (item for own in told["commands"].values() for item in own):
        program, *words = shlex.split(command.partition(" > ")[0])
        if program == "xdg-open":
            assert Path(words[0]).is_file()
        elif words[:3] == ["desk", "users", "add"]:
            assert wx(*words, given="a long enough one\n" * 2).exit_code == 0, command
        elif words[0] == "bench" or "--json" in words:  # long: only whether there is such a command
            assert wx(*words, "--help").exit_code == 0, command
        else:
            answer = wx(*words)
            assert answer.exit_code == 0, (command, answer.output, answer.exception)
    assert (out / "export.nc").exists()
    assert drafts_open(served[0].office, served[0].now()), "the desk of the demo shows its drafts"


def test_the_region_is_a_copy_with_simulated_stations(done: tuple[Path, Any], patched: Path) -> None:
    out, _ = done
    copy = load_region(REGION, root=out / demo.META)
    assert len(copy.stations) == SMALL.stations
    assert all(station.source.startswith("SYN") for station in copy.stations)
    assert not (patched / REGION / "stations.csv").exists()
    assert os.environ["WXCORE_STATION_META"] == str(out / demo.META)
    assert not {*demo.OURS} & os.environ.keys()


def test_a_demo_never_goes_into_what_is_not_its_own(patched: Path, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "ledger.sqlite").write_bytes(b"real")
    with pytest.raises(WxcoreError, match="something else"):
        demo.settle(tmp_path / "home", FULL)
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["ledger.sqlite"]
    (tmp_path / "new").mkdir()
    for _ in range(2):
        assert len(demo.settle(tmp_path / "new", SMALL).stations) == SMALL.stations
    with pytest.raises(WxcoreError, match="scale small") as caught:
        demo.settle(tmp_path / "new", FULL)
    assert "规模为 small" in caught.value.zh


@pytest.mark.parametrize("content", ["", "[]", "{}", "rubbish"])
def test_a_damaged_mark_is_no_mark(patched: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / demo.MARK).write_text(content)
    with pytest.raises(WxcoreError, match="something else"):
        demo.settle(tmp_path, FULL)


def test_files_of_before_the_first_volume_and_after_the_last_make_no_cycle() -> None:
    def offered(kind: str, time: datetime | None) -> Input:
        return Input(kind, kind, "stored", kind=kind, time=time)

    image, late = offered("satellite", START - CYCLE), offered("satellite", START)
    volume, broken = offered("volume", START - CYCLE / 2), offered("station", None)
    assert demo.seen_by_radars([image, volume, late, broken]) == [volume, late, broken]
    assert demo.seen_by_radars([image, broken]) == [image, broken]


def test_an_unknown_scale_is_a_bad_argument(tmp_path: Path) -> None:
    assert wx("demo", "--scale", "huge", "--out", str(tmp_path / "x")).exit_code == 2
    assert not (tmp_path / "x").exists()
