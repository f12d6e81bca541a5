"""`wx samples`: what it prints, and what it refuses; the table itself is tested in tests/hazard."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from wxcore.cli import samples as commands
from wxcore.cli import season
from wxcore.cli.samples import samples_command
from wxcore.errors import SampleError, WxcoreError
from wxcore.hazard.labels.events import no_events, write_events
from wxcore.hazard.samples.archive import Tally
from wxcore.hazard.samples.table import (
    DAY,
    LABEL_SOURCE,
    STORM,
    TIME,
    WEIGHT,
    Samples,
    label_column,
    read_samples,
    write_samples,
)
from wxcore.schema import HAZARDS
from wxcore.simulate.scene import Air

app = typer.Typer()
app.command()(samples_command)

TALLY = Tally(4, 2, 1, 1, 2, {"data gap": 2}, {"SYN": 3, "instrument": 1})
PERIOD = ("--from", "2020-06-12T00:00Z", "--to", "2020-06-13T00:00Z")


def run(*words: str) -> Any:
    return CliRunner().invoke(app, [*words, "--lang", "en"])


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the archive was asked for; it answers with TALLY and a file."""
    told: dict[str, Any] = {"tally": TALLY}

    def build(root: Any, region: Any, hazards: Any, period: Any, folder: Path, **more: Any) -> dict[str, Tally]:
        told.update(hazards=hazards, period=period, **more)
        (folder / f"{hazards[0]}.parquet").write_bytes(b"new")
        return {hazards[0]: told["tally"]}

    monkeypatch.setattr(commands, "build_samples", build)
    monkeypatch.setattr(commands, "region_of", lambda _: SimpleNamespace(id="chongqing"))
    monkeypatch.setenv("WXCORE_HOME", str(tmp_path / "home"))
    return told


class TestOfArchive:
    def test_tells_counts_and_truth(self, asked: dict[str, Any], tmp_path: Path) -> None:
        result = run("hail", *PERIOD)
        assert result.exit_code == 0, result.output
        assert "hail: 4 rows, 2 storms, 1 convective days" in result.stderr
        assert "events 1/2 = 50.0%; truth: SYN" in result.stderr
        assert "censored: data gap: 2 rows" in result.stderr
        assert (tmp_path / "home/samples/hail.parquet").read_bytes() == b"new"
        assert (asked["hazards"], asked["events"]) == (("hail",), None)

    def test_json(self, asked: dict[str, Any], tmp_path: Path) -> None:
        result = run("gale", *PERIOD, "--out", str(tmp_path / "mine.parquet"), "--json")
        told = json.loads(result.stdout)
        assert (told["rows"], told["base_rate"], told["truth"], told["hazard"]) == (4, 0.5, "SYN", "gale")
        assert told["censored"] == {"data gap": 2}
        assert Path(told["file"]).read_bytes() == b"new"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.parquet"]

    def test_nothing_known_is_a_failure_and_leaves_no_file(self, asked: dict[str, Any], tmp_path: Path) -> None:
        asked["tally"] = Tally(censored={"nobody reported hail": 9})
        result = run("hail", *PERIOD, "--json", "--out", str(tmp_path / "none.parquet"))
        assert result.exit_code == 1
        told = json.loads(result.stdout)
        assert (told["file"], told["base_rate"], told["truth"]) == (None, None, "")
        assert not (tmp_path / "none.parquet").exists()

    def test_events_of_several_files(self, asked: dict[str, Any], tmp_path: Path) -> None:
        hail = "kind,time,lat,lon,value,time_error_min,place_error_km,label_source\n"
        (tmp_path / "one.csv").write_text(f"{hail}hail,2020-06-12T06:10:00Z,29.5,106.5,25,,,report\n")
        write_events(no_events(), tmp_path / "two.csv")
        result = run("hail", *PERIOD, "--events", str(tmp_path / "one.csv"), "--events", str(tmp_path / "two.csv"))
        assert result.exit_code == 0, result.output
        assert asked["events"]["value"].tolist() == [25.0]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["snow", *PERIOD], "hail, thunderstorm, gale"),
            (["hail"], "give --from and --to, or --table"),
            (["hail", "--from", "2020-06-12T00:00Z"], "give --from and --to, or --table"),
            (["hail", *PERIOD, "--table", "x.csv"], "give --from and --to, or --table"),
            (["hail", "--table", "x.csv", "--events", "y.csv"], "events are for the archive"),
            (["hail", "--from", PERIOD[3], "--to", PERIOD[1]], "before it begins"),
        ],
    )
    def test_bad_arguments(self, asked: dict[str, Any], words: list[str], said: str) -> None:
        result = run(*words)
        assert result.exit_code == 2
        assert said in " ".join(result.output.replace("│", " ").split())


class TestOfTable:
    def samples(self) -> Samples:
        frame = pd.DataFrame({
            DAY: ["2020-06-12", "2020-06-13"], STORM: ["a", "b"], TIME: np.full(2, np.datetime64("NaT", "ns")),
            WEIGHT: [1.0, 1.0], LABEL_SOURCE: ["report", "report"], label_column("0-60"): [1.0, 0.0], "x": [2.0, 1.0],
        })  # fmt: skip
        return Samples(frame, "hail", ("x",))

    def test_writes_what_was_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[Any] = []

        def read(*words: Any) -> Samples:
            asked.append(words)
            return self.samples()

        monkeypatch.setattr(commands, "read_outside", read)
        monkeypatch.setattr(commands, "check_leaks", lambda _: ("x looks odd",))
        out = tmp_path / "hail.parquet"
        result = run("hail", "--table", "t.csv", "--columns", "c.toml", "--out", str(out), "--json")
        assert result.exit_code == 0, result.output
        told = json.loads(result.stdout)
        assert (told["rows"], told["days"], told["base_rate"], told["truth"]) == (2, 2, 0.5, "report")
        assert told["remarks"] == ["x looks odd"]
        assert asked == [([Path("t.csv")], "hail", Path("c.toml"))]
        assert read_samples(out).features == ("x",)

    def test_a_leak_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: Samples) -> tuple[str, ...]:
            raise SampleError("samples", ["x contains the label"])

        monkeypatch.setattr(commands, "read_outside", lambda *_: self.samples())
        monkeypatch.setattr(commands, "check_leaks", refuse)
        result = run("hail", "--table", "t.csv", "--out", str(tmp_path / "out.parquet"))
        assert isinstance(result.exception, SampleError)
        assert not (tmp_path / "out.parquet").exists()


class TestSeason:
    DAY = season.Day(3, 1.0, 5, Path("day"))

    def test_days_have_dates_and_scenarios_of_their_own(self) -> None:
        days = [replace(self.DAY, number=number) for number in range(10)]
        assert len({day.start.date() for day in days}) == 10
        assert {day.scenario for day in days} == {
            "afternoon", "multicell", "supercell", "squall_line", "pulse", "stratiform",
        }  # fmt: skip

    def test_the_air_of_a_day_is_its_own_and_comes_again(self) -> None:
        airs = [season.day_air(Air(), seed) for seed in (1, 2, 1)]
        assert airs[0] == airs[2] != airs[1]
        for air in airs:
            assert season.H0_M[0] <= air.h0_m <= season.H0_M[1]
            assert air.h0_m + season.DEPTH_M[0] <= air.hm20_m < air.tropopause_m
            assert air.dew_point_c < air.ground_c

    def test_a_setting_has_storms_radars_and_the_air_of_the_day(self) -> None:
        setting = season.day_setting(self.DAY)
        assert setting.world.air == season.day_air(Air(), 8)
        assert setting.world.cells
        assert set(setting.scale.radars) <= {radar.id for radar in setting.region.radars}
        assert setting.start == self.DAY.start

    def test_a_day_that_is_done_is_kept(self, tmp_path: Path) -> None:
        day = replace(self.DAY, folder=tmp_path)
        (tmp_path / season.DONE).write_text("{}")
        assert season.run_day(day) == day
        assert [path.name for path in tmp_path.iterdir()] == [season.DONE]

    def test_days_are_joined_in_order(self, tmp_path: Path) -> None:
        days = [replace(self.DAY, number=number, folder=tmp_path / str(number)) for number in range(2)]
        for day in days:
            rows = TestOfTable().samples()
            rows = replace(rows, frame=rows.frame.assign(**{DAY: f"2026-06-0{day.number + 1}"}))
            write_samples(rows, day.folder / season.SAMPLES / "hail.parquet")
            counts = {key: {"rows": 2, "known": 2, "events": 1, "sources": {"SYN": 2}} for key in HAZARDS}
            (day.folder / season.DONE).write_text(json.dumps({season.TALLIES: counts}))
        tallies = season.join_season(days, tmp_path)
        assert tallies["hail"] == Tally(rows=4, known=4, events=2, sources={"SYN": 4})
        assert read_samples(tmp_path / "hail.parquet").frame[DAY].tolist() == ["2026-06-01"] * 2 + ["2026-06-02"] * 2
        assert not (tmp_path / "gale.parquet").exists()

    def test_leaves_what_is_not_its_own_alone(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("mine")
        with pytest.raises(WxcoreError, match="something else"):
            season.settle(tmp_path, {"hours": 1.0, "seed": 1})

    def test_goes_on_with_the_same_season_only(self, tmp_path: Path) -> None:
        season.settle(tmp_path / "new", {"hours": 1.0, "seed": 1})
        season.settle(tmp_path / "new", {"hours": 1.0, "seed": 1})
        with pytest.raises(WxcoreError, match="'seed': 1"):
            season.settle(tmp_path / "new", {"hours": 1.0, "seed": 2})
