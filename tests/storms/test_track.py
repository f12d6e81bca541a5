"""track: ids, ages, parents and motion of storms of known life; and the real CMA mosaics."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.storms.frames import GRID, Blob, at, composite, products
from wxcore.errors import TimeError
from wxcore.grid import Grid
from wxcore.radar.moc import read_moc
from wxcore.radar.regrid import to_grid
from wxcore.schema import STORMS, check_table
from wxcore.storms.identify import Cells, identify
from wxcore.storms.motion import CHANGE_SD_M_S
from wxcore.storms.track import track


def follow(frames: Sequence[tuple[float, Sequence[Blob]]]) -> list[pd.DataFrame]:
    """Tracked tables of blobs seen at these minutes; positions move with the blobs' own motion."""
    tables: list[pd.DataFrame] = []
    for minutes, blobs in frames:
        cells = identify(products(composite(blobs, minutes), minutes), GRID)
        tables.append(track(cells, tables, when=at(minutes), grid=GRID))
        check_table(tables[-1], STORMS, what="storms")
        assert tables[-1]["storm_id"].is_unique
    return tables


class TestFirstCycle:
    def test_ids_ages_motion(self) -> None:
        table = follow([(0, [Blob(106.5, 29.5, 50), Blob(107.5, 30.0, 60)])])[0]
        assert table["storm_id"].tolist() == ["202607010800-001", "202607010800-002"]
        assert table["max_dbz"].iloc[0] > 59
        assert table["age_min"].tolist() == [0, 0]
        assert table[["u_m_s", "v_m_s", "motion_sd_m_s"]].isna().all(axis=None)
        assert table["parents"].tolist() == [(), ()]

    def test_naive_time_is_refused(self) -> None:
        cells = identify(products(composite([Blob(106.5, 29.5)], 0)), GRID)
        with pytest.raises(TimeError):
            track(cells, [], when=datetime(2026, 7, 1, 8), grid=GRID)  # noqa: DTZ001

    def test_no_storms(self) -> None:
        assert follow([(0, [Blob(106.5, 29.5)]), (6, [])])[1].empty


class TestMotion:
    @pytest.mark.parametrize(("u", "v"), [(0, 0), (12, 5), (-9, 14), (24, -8)])
    def test_known_velocity(self, u: float, v: float) -> None:
        blobs = [Blob(106.7, 29.7, 55, 4, u, v), Blob(107.1, 30.1, 58, 5, u, v)]
        tables = follow([(6 * k, blobs) for k in range(5)])
        last = tables[-1]
        assert last["age_min"].tolist() == [24, 24]
        assert abs(last["u_m_s"] - u).max() < 1
        assert abs(last["v_m_s"] - v).max() < 1
        assert sorted(last["storm_id"]) == sorted(tables[0]["storm_id"])

    def test_a_fast_lone_storm_is_found_again(self) -> None:
        """28 m/s in six minutes is 10 km: no overlap at all, and nothing known of the motion."""
        tables = follow([(6 * k, [Blob(106.3, 29.5, 55, 3, 28, 0)]) for k in range(3)])
        assert tables[2]["storm_id"].iloc[0] == tables[0]["storm_id"].iloc[0]
        assert tables[2]["u_m_s"].iloc[0] == pytest.approx(28, abs=1)

    def test_a_field_of_like_storms_is_not_mismatched(self) -> None:
        """Storms 12 km apart move 8.6 km: nearest neighbours would be wrong, the common shift is right."""
        blobs = [Blob(106.4 + 0.124 * i, 29.4 + 0.11 * j, 50 + (3 * i + 2 * j) % 9, 3, 24, 0)
                 for i in range(4) for j in range(3)]  # fmt: skip
        tables = follow([(0, blobs), (6, blobs), (12, blobs)])
        assert abs(tables[1]["u_m_s"] - 24).max() < 2
        assert set(tables[2]["storm_id"]) == set(tables[0]["storm_id"])

    def test_error_shrinks_with_age_and_never_vanishes(self) -> None:
        tables = follow([(6 * k, [Blob(106.7, 29.7, 55, 4, 10, 0)]) for k in range(5)])
        sd = [table["motion_sd_m_s"].iloc[0] for table in tables[1:]]
        assert sd == sorted(sd, reverse=True)
        assert sd[0] > 2 * sd[-1]
        assert sd[-1] > CHANGE_SD_M_S

    def test_a_new_storm_borrows_its_neighbours_motion(self) -> None:
        old = [Blob(106.7, 29.7, 55, 4, 15, 0), Blob(106.9, 30.1, 55, 4, 15, 0)]
        new = Blob(107.3, 29.8, 60, 4)
        tables = follow([*((6 * k, old) for k in range(4)), (24, [*old, new])])
        row = tables[-1].iloc[0]
        assert (row["storm_id"], row["age_min"]) == ("202607010824-001", 0)
        assert row["u_m_s"] == pytest.approx(15, abs=1)
        assert row["motion_sd_m_s"] > tables[-1]["motion_sd_m_s"].iloc[1:].max()

    def test_nobody_near_nothing_borrowed(self) -> None:
        """The other storm is 140 km away."""
        tables = follow([(6 * k, [Blob(106.2, 29.2, 55, 4, 5, 0)]) for k in range(3)])
        blobs = [Blob(106.2, 29.2, 55, 4, 5, 0), Blob(107.6, 30.1, 60)]
        cells = identify(products(composite(blobs, 18), 18), GRID)
        row = track(cells, tables, when=at(18), grid=GRID).iloc[0]
        assert row["max_dbz"] > 59
        assert np.isnan(row["u_m_s"])
        assert np.isnan(row["motion_sd_m_s"])


class TestSplitMergeGap:
    def split(self) -> list[pd.DataFrame]:
        one = [Blob(106.8, 29.8, 56, 6)]
        apart = [Blob(106.77, 29.8, 56, 5), Blob(106.89, 29.8, 53, 3)]
        return follow([(0, one), (6, one), (12, apart)])

    def test_split(self) -> None:
        before, after = self.split()[1:]
        mother = before["storm_id"].iloc[0]
        assert after["storm_id"].tolist() == [mother, "202607010812-001"]  # the larger overlap keeps the id
        assert after["parents"].tolist() == [(), (mother,)]
        assert after["age_min"].tolist() == [12, 0]
        assert abs(after["u_m_s"].iloc[1]) < 5  # the mother's, which did not move

    def test_a_split_does_not_throw_the_old_storms_motion_off(self) -> None:
        """A line moving east at 10 m/s breaks in two: the centroid of the part that keeps the id jumps west."""
        tables: list[pd.DataFrame] = []
        for minute in range(0, 37, 6):
            east_km = (GRID.lon[None, :] - 106.67) * 96.5 - 0.6 * minute
            north_km = (GRID.lat[:, None] - 29.8) * 111.2
            inside = (np.abs(east_km) < 20) & (np.abs(north_km) < 5)
            if minute >= 24:
                inside &= np.abs(east_km - 4) > 1.5
            field = np.where(inside, 50, -10).astype("f4")
            tables.append(track(identify(products(field, minute), GRID), tables, when=at(minute), grid=GRID))
        assert [len(table) for table in tables] == [1, 1, 1, 1, 2, 2, 2]
        for table in tables[4:]:
            assert table["u_m_s"].to_numpy() == pytest.approx(10, abs=1.5)

    def test_merge(self) -> None:
        apart = [Blob(106.77, 29.8, 56, 5), Blob(106.93, 29.8, 53, 3.5)]
        together = [Blob(106.8, 29.8, 57, 8)]
        tables = follow([(0, apart), (6, apart), (12, together), (18, together)])
        large, small = tables[1]["storm_id"]
        assert tables[2]["storm_id"].tolist() == [large]
        assert tables[2]["parents"].tolist() == [(large, small)]
        assert abs(tables[2]["u_m_s"].iloc[0]) < 3  # the centroid jumped 3 km, the storm did not move
        assert tables[3]["storm_id"].tolist() == [large]
        assert tables[3]["parents"].tolist() == [()]

    def test_one_missed_cycle_is_bridged(self) -> None:
        """The storm is not seen at 12; another storm keeps that cycle's table from being empty."""
        a, b = Blob(106.5, 29.5, 55, 4, 10, 0), Blob(107.2, 30.2, 60, 4)
        tables = follow([(0, [a, b]), (6, [a, b]), (12, [b]), (18, [a, b])])
        assert set(tables[3]["storm_id"]) == set(tables[0]["storm_id"])
        assert tables[3]["age_min"].tolist() == [18, 18]

    def test_an_absent_cycle_is_bridged(self) -> None:
        tables = follow([(0, [Blob(106.5, 29.5, 55, 4, 10, 0)]), (12, [Blob(106.5, 29.5, 55, 4, 10, 0)])])
        assert tables[1]["storm_id"].tolist() == tables[0]["storm_id"].tolist()

    def test_two_missed_cycles_are_not(self) -> None:
        tables = follow([(0, [Blob(106.5, 29.5)]), (18, [Blob(106.5, 29.5)])])
        assert tables[1]["storm_id"].tolist() == ["202607010818-001"]
        assert tables[1]["age_min"].tolist() == [0]

    def test_a_merged_storm_does_not_rise_again(self) -> None:
        apart = [Blob(106.77, 29.8, 56, 5), Blob(106.93, 29.8, 53, 3.5)]
        tables = follow([(0, apart), (6, apart), (12, [Blob(106.8, 29.8, 57, 8)]), (18, apart)])
        large, small = tables[1]["storm_id"]
        assert tables[3]["storm_id"].tolist() == [large, "202607010818-001"]
        assert tables[3]["parents"].tolist() == [(), (large,)]
        assert small not in set(tables[3]["storm_id"])

    def test_the_future_is_not_looked_at(self) -> None:
        blobs = [Blob(106.5, 29.5, 55, 4, 10, 0)]
        tables = follow([(0, blobs), (6, blobs), (12, blobs)])
        cells = identify(products(composite(blobs, 6), 6), GRID)
        again = track(cells, tables, when=at(6), grid=GRID)
        pd.testing.assert_frame_equal(again, tables[1])


def busy() -> tuple[list[pd.DataFrame], Cells]:
    rng = np.random.default_rng(7)
    blobs = [Blob(106.2 + 1.6 * x, 29.2 + 1.2 * y, 48 + 14 * p, 3 + 3 * r, 8 + 4 * u, 4 * v)
             for x, y, p, r, u, v in rng.random((14, 6))]  # fmt: skip
    tables = follow([(6 * k, blobs[k // 2 :]) for k in range(4)])
    return tables, identify(products(composite(blobs[2:], 24), 24), GRID)


BUSY, BUSY_NOW = busy()


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_rows_and_tables_does_not_matter(random: object) -> None:
    """Shuffled rows of every table and shuffled tables give the same storms."""
    shuffle = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]
    expected = track(BUSY_NOW, BUSY, when=at(24), grid=GRID)
    mixed = [table.iloc[shuffle.permutation(len(table))].reset_index(drop=True) for table in BUSY]
    order = shuffle.permutation(len(BUSY_NOW.table))
    label = np.zeros(len(order) + 1, dtype=np.int32)
    label[order + 1] = np.arange(1, len(order) + 1)
    now = Cells(BUSY_NOW.table.iloc[order].reset_index(drop=True), label[BUSY_NOW.labels])
    found = track(now, [mixed[i] for i in shuffle.permutation(len(mixed))], when=at(24), grid=GRID)
    restored = found.sort_values("max_dbz", ascending=False, kind="stable").set_index("storm_id")
    wanted = expected.set_index("storm_id").loc[restored.index]
    pd.testing.assert_frame_equal(restored, wanted, rtol=1e-9)


def test_inputs_are_left_alone() -> None:
    before = [table.copy(deep=True) for table in BUSY]
    track(BUSY_NOW, BUSY, when=at(24), grid=GRID)
    assert (BUSY_NOW.table["storm_id"] == "").all()
    for table, copy in zip(BUSY, before, strict=True):
        pd.testing.assert_frame_equal(table, copy)


CHONGQING = Grid(104.8, 27.6, 601, 521)


def test_real_mosaics(radar_data: Path) -> None:
    """Four frames over Chongqing: storms persist, ids are unique, speeds are those of storms."""
    tables: list[pd.DataFrame] = []
    for path in sorted((radar_data / "cma_mosaic_cref").glob("*.bin"))[:4]:
        field = read_moc(path.read_bytes(), path.name)
        cells = identify(to_grid(field, CHONGQING), CHONGQING)
        tables.append(track(cells, tables, when=field.time, grid=CHONGQING))
        check_table(tables[-1], STORMS, what="storms")
        assert tables[-1]["storm_id"].is_unique
        assert all(polygon.is_valid for polygon in tables[-1]["polygon"])
        assert tables[-1]["mesh_mm"].isna().all()
    last = tables[-1]
    assert 15 <= len(last) <= 80
    assert (last["age_min"] >= 12).mean() > 0.5
    assert len(set(last["storm_id"]) & set(tables[0]["storm_id"])) >= 8
    assert last["u_m_s"].notna().mean() > 0.9
    assert np.hypot(last["u_m_s"], last["v_m_s"]).median() < 20
    assert tables[0]["time"].iloc[0] == pd.Timestamp("2025-06-09 10:42")
