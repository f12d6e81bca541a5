"""LMI: no real file is at hand; the writer's files, hand-computed TAI times, every trap, damage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lightning.makers import START, change, lightning
from tests.radar.samples import mutate
from tests.satellite.test_hostile import SEEDS, end_of, mutants
from wxcore.errors import ReadError, Reason
from wxcore.lightning.events import EVENT, FLASH, GROUP, STROKE, Lightning
from wxcore.lightning.lmi import FORMAT, NORTH, SOUTH, read_lmi, tai_to_utc
from wxcore.lightning.lmi_write import lmi_name, write_lmi

RUN = datetime(2026, 7, 1, 7, 55, tzinfo=UTC)


def some(count: int = 6, level: str = EVENT, start: datetime = START, seed: int = 0) -> Lightning:
    rng = np.random.default_rng(seed)
    return lightning(
        np.round(rng.uniform(0, 60, count), 3), rng.uniform(75, 135, count), rng.uniform(16, 54, count),
        rng.uniform(5, 500, count), level=level, start=start, form=FORMAT.name,
    )  # fmt: skip


def tai(*utc: str, ahead: int) -> np.ndarray:
    """Milliseconds of TAI since 2000, by the calendar."""
    since = np.array(utc, "datetime64[ms]") - np.datetime64("2000-01-01T00:00:00", "ms")
    return since.astype("i8") + 1000.0 * ahead


def test_strength_that_is_not_finite_is_unknown(tmp_path: Path) -> None:
    made = some(3)
    path = change(write_lmi(made), tmp_path / "a.nc", {"ER": np.array([np.inf, 5, -np.inf], np.float32)})
    np.testing.assert_array_equal(read_lmi(path, lmi_name(made, RUN), None).strength, [np.nan, 5, np.nan])


@pytest.mark.parametrize("variant", [GROUP, FLASH])
def test_a_damaged_scale_gives_no_infinite_strength(variant: str) -> None:
    seed = next(seed for seed in SEEDS if (seed.reader, seed.variant) == (FORMAT.name, variant))
    assert end_of(seed.reader, mutants(seed, "meaning", 111, 82)[81], seed.name) == ""


class TestTime:
    def test_leap_seconds_by_hand(self) -> None:
        for utc, ahead in (
            ("2018-06-26T16:06:10.250", 37), ("2017-01-01T00:00:00.000", 37), ("2016-12-31T23:59:58.000", 36),
            ("2015-07-01T00:00:00.000", 36), ("2008-08-08T12:00:00.000", 33), ("2000-01-01T00:00:00.000", 32),
        ):  # fmt: skip
            assert tai_to_utc(tai(utc, ahead=ahead))[0] == np.datetime64(utc, "ns"), utc

    def test_epoch_is_tai(self) -> None:
        assert tai_to_utc(np.array([0.0]))[0] == np.datetime64("1999-12-31T23:59:28", "ns")

    def test_37_seconds_matter(self, tmp_path: Path) -> None:
        made = some(1)
        path = change(write_lmi(made), tmp_path / "a.nc", {"ETT": tai("2026-07-01T08:00:20", ahead=37)})
        found = read_lmi(path, lmi_name(made, RUN), None)
        assert found.time[0] == np.datetime64("2026-07-01T08:00:20", "ns")
        assert found.remarks == ()

    def test_times_that_are_utc_already_are_told(self, tmp_path: Path) -> None:
        made = some(2)
        utc = tai("2026-07-01T08:00:05", "2026-07-01T08:00:20", ahead=0)
        found = read_lmi(change(write_lmi(made), tmp_path / "a.nc", {"ETT": utc}), lmi_name(made, RUN), None)
        assert found.remarks == ("2 records are in the file's minute if their times are UTC, 0 if TAI as documented",)

    def test_minute_is_start_plus_n_minus_one(self) -> None:
        made = some()
        name = lmi_name(made, RUN)
        assert name == "FY4A-_LMI---_N_REGX_1047E_L2-_LMIE_SING_NUL_20260701075500_20260701080439_7800M_N06V1.NC"
        assert FORMAT.name_pattern.search(name)
        found = FORMAT.read(write_lmi(made), name)
        assert (found.start, found.end) == (START, START + timedelta(minutes=1))

    def test_without_a_name_the_records_tell_the_minute(self) -> None:
        assert FORMAT.read(write_lmi(some()), "x.nc").start == START

    def test_nothing_tells_the_minute(self) -> None:
        with pytest.raises(ReadError, match="operational name") as caught:
            FORMAT.read(write_lmi(some(0)), "x.nc")
        assert caught.value.reason == Reason.NAME_MISMATCH

    def test_another_day_is_no_zero(self) -> None:
        name = lmi_name(some(), RUN).replace("20260701", "20260601")
        with pytest.raises(ReadError, match="6 of 6"):
            FORMAT.read(write_lmi(some()), name)

    def test_one_wrong_time_is_left_out(self, tmp_path: Path) -> None:
        made = some(4)
        times = tai(*(["2026-07-01T08:00:20"] * 3), "2026-07-01T09:00:00", ahead=37)
        found = read_lmi(change(write_lmi(made), tmp_path / "a.nc", {"ETT": times}), lmi_name(made, RUN), None)
        assert found.rejected == (("time not in the file's period", 1),)


class TestQuality:
    def test_0_and_1_are_kept_2_and_3_left_out(self, tmp_path: Path) -> None:
        made = some(6)
        flags = np.array([0, 1, 2, 3, 1, 0], "i1")
        found = read_lmi(change(write_lmi(made), tmp_path / "a.nc", {"DQF": flags}), lmi_name(made, RUN), None)
        np.testing.assert_allclose(found.lat, made.lat[[0, 1, 4, 5]], atol=1e-5)
        assert found.rejected == (("DQF out of range or no value", 2),)


class TestView:
    def test_north_and_south(self) -> None:
        made = some()
        assert FORMAT.read(write_lmi(made), lmi_name(made, RUN)).coverage == NORTH
        assert FORMAT.read(write_lmi(replace(made, lat=-made.lat)), lmi_name(made, RUN)).coverage == SOUTH

    @pytest.mark.parametrize(("month", "view"), [(7, NORTH), (4, NORTH), (12, SOUTH), (2, SOUTH)])
    def test_by_the_season_where_there_is_none(self, month: int, view: tuple[float, ...]) -> None:
        made = some(0, start=datetime(2026, month, 1, 8, tzinfo=UTC))
        found = FORMAT.read(write_lmi(made), lmi_name(made, made.start))
        assert (found.coverage, found.time.size) == (view, 0)

    def test_turned_away_is_not_observed(self, tmp_path: Path) -> None:
        made = some(0, start=datetime(2026, 12, 1, 8, tzinfo=UTC))
        path = change(write_lmi(made), tmp_path / "a.nc", {})
        with pytest.raises(ReadError) as caught:
            read_lmi(path, lmi_name(made, made.start), (105, 28, 110, 32))
        assert caught.value.reason == Reason.OUTSIDE_REGION

    def test_moves_with_the_satellite(self) -> None:
        made = some(0)
        found = FORMAT.read(write_lmi(made), lmi_name(made, RUN).replace("1047E", "0865E"))
        assert found.coverage == pytest.approx((51.8, 15, 121.8, 55))

    def test_box(self, tmp_path: Path) -> None:
        made = replace(some(4), lon=np.array([104.0, 104.6, 108, 112]), lat=np.full(4, 30.0))
        path = change(write_lmi(made), tmp_path / "a.nc", {})
        np.testing.assert_allclose(read_lmi(path, lmi_name(made, RUN), (105, 28, 110, 32)).lon, [104.6, 108], atol=1e-5)


class TestLevels:
    @pytest.mark.parametrize("level", [EVENT, GROUP, FLASH])
    @settings(max_examples=8, deadline=None)
    @given(count=st.integers(0, 30), seed=st.integers(0, 99))
    def test_writer_then_reader(self, level: str, count: int, seed: int) -> None:
        made = some(count, level, seed=seed)
        found = FORMAT.read(write_lmi(made), lmi_name(made, RUN))
        assert (found.level, found.source, found.sees) == (level, "FY-4A/LMI", "total")
        np.testing.assert_array_equal(found.time, made.time)
        for name in ("lon", "lat", "strength"):
            np.testing.assert_allclose(getattr(found, name), getattr(made, name), rtol=1e-6)

    def test_strokes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="stroke"):
            write_lmi(some(1, STROKE))


def test_columns_of_different_lengths(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="one length"):
        read_lmi(change(write_lmi(some()), tmp_path / "a.nc", {"LAT": np.zeros(3)}), lmi_name(some(), RUN), None)


def test_simulated() -> None:
    made = replace(some(), simulated=True)
    assert FORMAT.read(write_lmi(made), lmi_name(made, RUN)).simulated


def test_mutants_raise_read_errors_only() -> None:
    data, rng, name = write_lmi(some(30)), np.random.default_rng(6), lmi_name(some(), RUN)
    for _ in range(150):
        try:
            FORMAT.read(mutate(data, rng, 512), name)
        except ReadError:
            continue
