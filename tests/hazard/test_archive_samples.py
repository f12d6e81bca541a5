"""Samples out of an archive of two storms whose fate is known by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point

from tests.archive.cubes import cube
from wxcore.archive import place
from wxcore.archive.store import commit_cycle
from wxcore.archive.storms import read_storms, recent_storms
from wxcore.archive.tables import decode_table
from wxcore.errors import SampleError, TimeError
from wxcore.grid import Grid
from wxcore.hazard.features.build import features
from wxcore.hazard.features.catalogue import FEATURES
from wxcore.hazard.labels.events import no_events
from wxcore.hazard.labels.label import BEYOND
from wxcore.hazard.samples import archive, sources
from wxcore.hazard.samples.archive import Tally, build_samples, convective_day, join_parts
from wxcore.hazard.samples.sources import Cycle, read_cycles, truth_at_hand
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
from wxcore.region import STATION_META, load_region
from wxcore.schema import STATION_TABLE, STORMS
from wxcore.times import CYCLE, to_datetime64

REGION = load_region("chongqing", root=STATION_META)
GRID = Grid(lon_west=106.0, lat_south=29.0, n_lon=7, n_lat=5, levels_m=(500.0, 1000.0, 2000.0), step_deg=0.1)
NOON = datetime(2020, 6, 12, 12, tzinfo=UTC)
FIRST, LAST = NOON - 2 * CYCLE, NOON + 12 * CYCLE
"""11:48 to 13:12: an hour after the last storm."""

OLD, NEW = "202006121154-001", "202006121206-001"
LIFE = {OLD: (NOON - CYCLE, NOON + CYCLE), NEW: (NOON + CYCLE, NOON + 2 * CYCLE)}
"""First and last row: the old storm lives across 12 UTC."""

PLACE = {OLD: (106.3, 29.2), NEW: (106.6, 29.4)}
"""36 km apart."""

LEVELS = {"h0_m": 5000.0, "hm20_m": 8200.0, "source": "sounding", "quality": "good", "age_h": 2.0, "indices": {}}
PERIOD = (NOON - timedelta(hours=2), NOON + timedelta(hours=2))
ALL = ("hail", "thunderstorm", "gale")
FIXED = {"area_km2": 110.0, "max_dbz": 55.0, "flash_rate_min": 0.0, "u_m_s": 0.0, "v_m_s": 0.0}


def storms_at(when: datetime) -> pd.DataFrame:
    there = [name for name, (first, last) in LIFE.items() if first <= when <= last]
    columns: dict[str, Any] = {column.name: np.full(len(there), np.nan) for column in STORMS}
    columns |= {name: np.full(len(there), value) for name, value in FIXED.items()}
    columns |= {
        "storm_id": pd.Series(there, dtype="str"), "time": np.full(len(there), to_datetime64(when)),
        "lon": np.array([PLACE[name][0] for name in there]), "lat": np.array([PLACE[name][1] for name in there]),
        "polygon": pd.Series([Point(PLACE[name]).buffer(0.05) for name in there], dtype=object),
        "parents": pd.Series([()] * len(there), dtype=object),
        "age_min": np.array([(when - LIFE[name][0]) / timedelta(minutes=1) for name in there]),
        "observed_fraction": np.full(len(there), 0.9),
    }  # fmt: skip
    return pd.DataFrame(columns)


def station(when: datetime) -> pd.DataFrame:
    """One station under the new storm: 21 m/s at 12:09, told ever since."""
    row: dict[str, Any] = {column.name: [np.nan] for column in STATION_TABLE}
    blew = to_datetime64(NOON + timedelta(minutes=9)) if when > NOON + CYCLE else np.datetime64("NaT", "ns")
    gust = 21.0 if when > NOON + CYCLE else np.nan
    x, y = PLACE[NEW]
    row |= {
        "station_id": ["X0001"], "time": [to_datetime64(when)], "lat": [y], "lon": [x], "gust_m_s": [gust],
        "gust_time": [blew], "gust_flag": [0], "gust_30min_m_s": [3.0],
        "gust_30min_time": [to_datetime64(when - CYCLE / 2)], "gust_30min_flag": [0],
        "flags": pd.Series([()], dtype=object),
    }  # fmt: skip
    return pd.DataFrame(row)


def flash(when: datetime, name: str, source: str = "instrument") -> pd.DataFrame:
    lon, lat = PLACE[name]
    return pd.DataFrame({
        "kind": ["flash"], "time": [to_datetime64(when)], "lat": [lat], "lon": [lon], "value": [1.0],
        "time_error_min": [0.0], "place_error_km": [0.0], "label_source": [source],
    })  # fmt: skip


EVENTS = flash(NOON + timedelta(minutes=11), NEW)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of real data, and lightning networks that looked all the time."""
    folder = tmp_path_factory.mktemp("archive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, "sync_file_system", lambda descriptor: None)
        when = FIRST
        while when <= LAST:
            facts = {"fingerprint": when.isoformat(), "inputs": [], "levels": LEVELS, "truth": "real",
                     "sky": [{"source": "ADTD", "strokes": 3}]}  # fmt: skip
            data = cube(when, grid=GRID)
            commit_cycle(folder, "chongqing", GRID, when, data, storms_at(when), facts, station_table=station(when))
            when += CYCLE
    return folder


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tally]]:
    folder = tmp_path_factory.mktemp("samples")
    return folder, build_samples(root, REGION, ALL, PERIOD, folder, events=EVENTS)


def frame_of(folder: Path, hazard: str) -> pd.DataFrame:
    return read_samples(folder / f"{hazard}.parquet").frame


def labels(frame: pd.DataFrame, storm: str, window: str) -> dict[str, float]:
    """Clock -> label of a storm's rows."""
    rows = frame[frame[STORM] == storm]
    return dict(zip(rows[TIME].dt.strftime("%H:%M"), rows[label_column(window)], strict=True))


class TestBuildSamples:
    def test_labels_of_a_flash_by_hand(self, built: tuple[Path, dict[str, Tally]]) -> None:
        frame = frame_of(built[0], "thunderstorm")
        hour = {"12:06": 1, "12:12": 0}
        assert labels(frame, NEW, "0-60") == hour
        assert labels(frame, NEW, "0-15") == hour
        assert set(labels(frame, NEW, "15-30").values()) == {0.0}
        assert labels(frame, OLD, "0-60") == {"11:54": 0, "12:00": 0, "12:06": 0}
        assert set(frame[LABEL_SOURCE]) == {"instrument"}

    def test_labels_of_a_gust_of_the_stations_of_the_archive(self, built: tuple[Path, dict[str, Tally]]) -> None:
        frame = frame_of(built[0], "gale")
        assert labels(frame, NEW, "0-60") == {"12:06": 1, "12:12": 0}
        assert np.isnan(list(labels(frame, OLD, "0-60").values())).all()
        assert built[1]["gale"].censored == {"no station within 20 km": 3}

    def test_a_hazard_that_nobody_told_of_has_no_file(self, built: tuple[Path, dict[str, Tally]]) -> None:
        assert not (built[0] / "hail.parquet").exists()
        assert built[1]["hail"] == Tally(censored={"nobody reported hail": 5})

    def test_a_storm_across_12_utc_belongs_to_the_day_of_its_first_row(self, built: tuple[Path, Any]) -> None:
        frame = frame_of(built[0], "thunderstorm")
        rows = frame.groupby(STORM)
        assert rows.size().to_dict() == {OLD: 3, NEW: 2}
        assert {name: set(part[DAY]) for name, part in rows} == {OLD: {"2020-06-11"}, NEW: {"2020-06-12"}}
        assert np.allclose(frame[WEIGHT], np.where(frame[STORM] == OLD, 3.0, 2.0) ** -0.5)

    def test_counts(self, built: tuple[Path, dict[str, Tally]]) -> None:
        tally = built[1]["thunderstorm"]
        assert tally == Tally(5, 2, 2, 1, 5, {}, {"instrument": 5})
        assert tally.base_rate == 0.2

    def test_what_the_columns_are_is_told(self, built: tuple[Path, Any]) -> None:
        samples = read_samples(built[0] / "thunderstorm.parquet")
        assert samples.features == tuple(item.name for item in FEATURES)
        assert samples.windows == ("0-60", "0-15", "15-30", "30-60")
        assert set(samples.frame["slice_environment"]) == {"sounding"}
        assert set(samples.frame["slice_coverage"]) == {"well covered"}
        assert "lightning" in samples.label_text

    def test_features_are_those_of_a_live_cycle(self, root: Path, built: tuple[Path, Any]) -> None:
        when = NOON + CYCLE
        storms = read_storms(root, "chongqing", when)
        assert storms is not None
        live = features(storms, recent_storms(root, "chongqing", when), LEVELS).set_index(storms["storm_id"])
        frame = frame_of(built[0], "thunderstorm")
        rows = frame[frame[TIME] == to_datetime64(when)].set_index(STORM)
        assert set(rows.index) == {OLD, NEW}
        pd.testing.assert_frame_equal(rows.loc[live.index, list(live)], live, check_names=False)

    def test_same_bytes_again_and_with_more_workers(
        self, root: Path, built: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archive, "SPAWNED", "threads")
        told: list[tuple[int, int]] = []
        build_samples(
            root, REGION, ALL, PERIOD, tmp_path, events=EVENTS, jobs=2, progress=lambda *step: told.append(step)
        )
        for hazard in ("thunderstorm", "gale"):
            again = (tmp_path / f"{hazard}.parquet").read_bytes()
            assert again == (built[0] / f"{hazard}.parquet").read_bytes()
        assert told[-1][0] == told[-1][1]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["gale.parquet", "thunderstorm.parquet"]

    def test_periods_in_pieces_give_the_rows_of_the_whole(
        self, root: Path, built: tuple[Path, Any], tmp_path: Path
    ) -> None:
        pieces = []
        for number, period in enumerate(((PERIOD[0], NOON), (NOON + CYCLE, PERIOD[1]))):
            build_samples(root, REGION, ["thunderstorm"], period, tmp_path / str(number), events=EVENTS)
            pieces.append(frame_of(tmp_path / str(number), "thunderstorm"))
        joined = pd.concat(pieces).sort_values([DAY, TIME, STORM], ignore_index=True)
        assert len(pieces[1]) == 3  # one of the old storm, two of the new
        pd.testing.assert_frame_equal(joined, frame_of(built[0], "thunderstorm"))

    def test_bad_arguments(self, root: Path, tmp_path: Path) -> None:
        with pytest.raises(SampleError, match="no hazard 'snow', expected hail, thunderstorm, gale"):
            build_samples(root, REGION, ["snow"], PERIOD, tmp_path)
        with pytest.raises(SampleError, match="before it begins"):
            build_samples(root, REGION, ALL, PERIOD[::-1], tmp_path)
        with pytest.raises(TimeError):
            build_samples(root, REGION, ALL, (NOON.replace(tzinfo=None), NOON), tmp_path)

    def test_an_empty_archive_gives_nothing(self, tmp_path: Path) -> None:
        assert build_samples(tmp_path / "none", REGION, ALL, PERIOD, tmp_path) == dict.fromkeys(ALL, Tally())


@pytest.fixture(scope="module")
def cycles(root: Path) -> list[Cycle]:
    return read_cycles(root, "chongqing", FIRST, LAST)


def simulated(cycles: list[Cycle]) -> list[Cycle]:
    return [replace(cycle, simulated=True) for cycle in cycles]


class TestTruthAtHand:
    def test_simulated_events_are_the_whole_truth(self, root: Path, cycles: list[Cycle]) -> None:
        truth = truth_at_hand(root, REGION, simulated(cycles), flash(NOON, NEW, "SYN"))
        assert truth.events["kind"].tolist() == ["flash"]  # not the gust of the station
        assert {getattr(truth.looked, kind).source for kind in ("flash", "gust", "hail")} == {"SYN"}

    def test_an_empty_list_of_a_simulated_period_says_that_nothing_happened(
        self, root: Path, cycles: list[Cycle]
    ) -> None:
        truth = truth_at_hand(root, REGION, simulated(cycles), no_events())
        assert truth.events.empty
        assert truth.looked.hail is not None

    def test_simulated_observations_are_syn(self, root: Path, cycles: list[Cycle]) -> None:
        truth = truth_at_hand(root, REGION, simulated(cycles), None)
        assert set(truth.events["label_source"]) == {"SYN"}
        assert truth.looked.gust is not None
        assert truth.looked.gust.source == "SYN"

    def test_a_station_that_measures_no_gust_tells_no_zero(self, root: Path, cycles: list[Cycle]) -> None:
        assert truth_at_hand(root, REGION, cycles, None).looked.gust.places == (PLACE[NEW],)  # type: ignore[union-attr]
        deaf = lambda text: decode_table(text).assign(gust_30min_flag=8)  # noqa: E731
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sources, "decode_table", deaf)
            assert truth_at_hand(root, REGION, cycles, None).looked.gust.places == ()  # type: ignore[union-attr]

    def test_lightning_of_storm_rows(self, root: Path, cycles: list[Cycle]) -> None:
        struck = [replace(cycle, storms=cycle.storms.assign(flash_rate_min=0.5)) for cycle in cycles]
        events = truth_at_hand(root, REGION, struck, None).events
        assert (events["kind"] == "flash").sum() == 5
        assert (events[events["kind"] == "flash"]["value"] == 3).all()

    def test_where_nobody_looked_for_lightning_no_zero_is_learnt(self, root: Path, cycles: list[Cycle]) -> None:
        blind = [replace(cycle, lightning=False) for cycle in cycles]
        looked = truth_at_hand(root, REGION, blind, None).looked
        assert looked.flash is not None
        assert looked.flash.periods == ()

    def test_a_cycle_knows_who_looked(self, cycles: list[Cycle]) -> None:
        assert len(cycles) == 15
        assert all(cycle.lightning and not cycle.simulated for cycle in cycles)
        assert cycles[0].levels == LEVELS


def test_an_event_before_the_end_of_the_archive_is_not_taken(root: Path, tmp_path: Path) -> None:
    """Where nobody could tell a 0 no 1 is taken either: else the end of each period would hold events only."""
    late = until(read_cycles(root, "chongqing", FIRST, LAST), NOON + 3 * CYCLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "read_cycles", lambda *_, **__: [cycle for cycle in late if cycle.time >= NOON])
        tally = build_samples(root, REGION, ["thunderstorm"], PERIOD, tmp_path, events=EVENTS)["thunderstorm"]
    assert (tally.events, tally.known) == (0, 0)
    assert set(tally.censored) == {BEYOND}


def until(cycles: list[Cycle], end: datetime) -> list[Cycle]:
    """The archive as if it ended then."""
    return [cycle for cycle in cycles if cycle.time <= end]


class TestConvectiveDay:
    def test_begins_at_12_utc(self) -> None:
        assert convective_day(NOON) == date(2020, 6, 12)
        assert convective_day(NOON - timedelta(seconds=1)) == date(2020, 6, 11)

    def test_refuses_naive_times(self) -> None:
        with pytest.raises(TimeError):
            convective_day(NOON.replace(tzinfo=None))


class TestJoinParts:
    def part(self, path: Path, hazard: str = "hail", source: str = "") -> Path:
        frame = pd.DataFrame({
            DAY: ["2020-06-12"], STORM: ["a"], TIME: [to_datetime64(NOON)], WEIGHT: [1.0], LABEL_SOURCE: ["report"],
            label_column("0-60"): [1.0], "x": [2.0],
        })  # fmt: skip
        write_samples(Samples(frame, hazard, ("x",), source=source), path)
        return path

    def test_parts_that_are_not_there_are_left_out(self, tmp_path: Path) -> None:
        parts = [self.part(tmp_path / "a"), tmp_path / "none", self.part(tmp_path / "b")]
        assert join_parts(parts, tmp_path / "whole")
        assert len(read_samples(tmp_path / "whole").frame) == 2

    def test_days_of_a_season_are_told_as_one(self, tmp_path: Path) -> None:
        parts = [self.part(tmp_path / name, source=f"archive of day {name}") for name in "ab"]
        with pytest.raises(SampleError, match="differ"):
            join_parts(parts, tmp_path / "whole")
        join_parts(parts, tmp_path / "whole", "season of two days")
        assert read_samples(tmp_path / "whole").source == "season of two days"

    def test_no_parts_no_file(self, tmp_path: Path) -> None:
        (tmp_path / "whole").write_bytes(b"of yesterday")
        assert not join_parts([tmp_path / "none"], tmp_path / "whole")
        assert not (tmp_path / "whole").exists()

    def test_refuses_parts_of_another_kind(self, tmp_path: Path) -> None:
        parts = [self.part(tmp_path / "a"), self.part(tmp_path / "b", "gale")]
        with pytest.raises(SampleError, match="differ"):
            join_parts(parts, tmp_path / "whole")
