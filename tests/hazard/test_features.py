"""Features of a storm: hand values, what is missing stays missing, no future, no order, nothing forgotten."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.archive.tables import decode_table, encode_table
from wxcore.environment.thermo_door import INDEX_NAMES
from wxcore.errors import SampleError
from wxcore.hazard.features.build import INDICES, environment, features, missing_groups
from wxcore.hazard.features.catalogue import (
    ALSO_FLAT,
    COVERAGE,
    FEATURES,
    GROUPS,
    LEFT_OUT,
    NAMES,
    directions,
)
from wxcore.hazard.features.trends import CHANGES, TRENDS
from wxcore.schema import HAZARDS, STORMS
from wxcore.storms.features import empty_storms

NOW = pd.Timestamp("2026-07-01T08:00")
NUMBERS = tuple(column.name for column in STORMS if column.kind == "float")
DAY: dict[str, Any] = {
    "h0_m": 4800.0, "hm20_m": 8000.0, "hm10_m": 6400.0, "wet_bulb_zero_m": 4300.0, "age_h": 3.0, "source": "sounding",
    "quality": "good", "indices": {"mucape": 2100.0, "mean_u_0_6km": 6.0, "mean_v_0_6km": 8.0, "sbcin": None},
}  # fmt: skip
CLIMATE: dict[str, Any] = DAY | {"source": "climatology", "quality": "climatology", "age_h": None, "indices": {}}


def table(minute: float, rows: dict[str, Any]) -> pd.DataFrame:
    """A table of schema.STORMS, `minute` from NOW: what a row does not tell is NaN."""
    start: dict[str, Any] = {"time": NOW + pd.Timedelta(minutes=minute), "lat": 30.0, "lon": 107.0, "parents": ()}
    told = [start | {"storm_id": name} | values for name, values in rows.items()]
    columns = {name: [row.get(name, math.nan) for row in told] for name in empty_storms().columns}
    return pd.DataFrame(columns).astype({"storm_id": object, "polygon": object, "parents": object})


def one(storms: pd.DataFrame, history: Any = (), levels: dict[str, Any] = DAY) -> "pd.Series[Any]":
    return features(storms, history, levels).iloc[0]


class TestCatalogue:
    def test_names_are_unique_and_every_group_has_features(self) -> None:
        assert len(set(NAMES)) == len(NAMES)
        assert {feature.group for feature in FEATURES} == set(GROUPS)
        assert set(COVERAGE) | set(ALSO_FLAT) <= set(NAMES)
        assert all(feature.en and feature.zh and feature.units for feature in FEATURES)

    def test_both_languages_tell_features_apart(self) -> None:
        assert len({feature.en for feature in FEATURES}) == len({feature.zh for feature in FEATURES}) == len(FEATURES)

    def test_every_number_of_a_storm_is_used_or_left_out_with_a_reason(self) -> None:
        left_out = {name for name, reason in LEFT_OUT if reason}
        assert left_out <= set(NUMBERS)
        assert not left_out & set(NAMES)
        assert set(NUMBERS) - left_out <= set(NAMES)

    def test_units_are_those_of_the_schema(self) -> None:
        units = {column.name: column.units for column in STORMS if column.name in set(NAMES) - {"parents"}}
        assert {feature.name: feature.units for feature in FEATURES if feature.name in units} == units

    def test_no_place_no_clock_no_name(self) -> None:
        assert not set(NAMES) & {"lat", "lon", "mesh_lat", "mesh_lon", "time", "storm_id", "hour", "month", "u_m_s"}

    def test_indices_exist(self) -> None:
        assert set(INDICES) <= set(INDEX_NAMES) & set(NAMES)

    def test_directions(self) -> None:
        for feature in FEATURES:
            assert {*feature.up, *feature.down} <= set(HAZARDS)
            assert not set(feature.up) & set(feature.down)
        assert {"mesh_mm", "posh_percent", "shi", "vil_kg_m2", "h45_above_h0_km"} <= set(directions("hail"))
        assert directions("thunderstorm")["flash_rate_min"] == 1
        assert directions("thunderstorm")["bt108_min_k"] == -1
        gale = {"radial_wind_low_m_s", "marc_m_s", "gust_near_m_s", "speed_m_s"}
        assert gale <= {name for name, sign in directions("gale").items() if sign == 1}
        assert "mesh_mm" not in directions("gale")


class TestHandValues:
    def test_columns_and_index(self) -> None:
        storms = table(0, {"a": {"max_dbz": 55.0}, "b": {}}).set_axis([7, 3])
        found = features(storms, [], DAY)
        assert list(found.columns) == list(NAMES)
        assert list(found.index) == [7, 3]
        assert set(found.dtypes) == {np.dtype("f8")}
        assert found.loc[7, "max_dbz"] == 55.0

    def test_a_ramp(self) -> None:
        history = [table(-6 * back, {"a": {"max_dbz": 50 - 3.0 * back, "area_km2": 80.0}}) for back in (5, 4, 3, 2, 1)]
        found = one(table(0, {"a": {"max_dbz": 50.0, "area_km2": 80.0}}), history)
        assert found["max_dbz_trend"] == pytest.approx(0.5)
        assert found["max_dbz_change"] == 3.0
        assert found["area_trend"] == 0.0
        assert found["tracked_min"] == 30.0

    def test_least_squares_by_hand(self) -> None:
        """Minutes -12, -6, 0 and 10, 10, 16 mm: (-6 x -2 + 0 x -2 + 6 x 4) / 72 = 0.5."""
        history = [table(-12, {"a": {"mesh_mm": 10.0}}), table(-6, {"a": {"mesh_mm": 10.0}})]
        assert one(table(0, {"a": {"mesh_mm": 16.0}}), history)["mesh_trend"] == pytest.approx(0.5)

    def test_a_cycle_is_absent(self) -> None:
        found = one(table(0, {"a": {"max_dbz": 50.0}}), [table(-12, {"a": {"max_dbz": 44.0}})])
        assert found["max_dbz_trend"] == pytest.approx(0.5)
        assert math.isnan(found["max_dbz_change"])

    def test_only_the_own_past(self) -> None:
        storms = table(0, {"a": {"max_dbz": 50.0}, "b": {"max_dbz": 60.0}})
        found = features(storms, [table(-6, {"b": {"max_dbz": 66.0}, "c": {"max_dbz": 10.0}})], DAY)
        assert np.isnan(found["max_dbz_trend"][0])
        assert found["max_dbz_trend"][1] == pytest.approx(-1.0)
        assert list(found["tracked_min"]) == [0.0, 6.0]
        assert not np.signbit(found["tracked_min"]).any()  # -0.0 would be other bytes

    def test_a_gap_in_what_is_known(self) -> None:
        history = [table(-12, {"a": {"mesh_mm": 20.0}}), table(-6, {"a": {}})]
        found = one(table(0, {"a": {"mesh_mm": 32.0}}), history)
        assert found["mesh_trend"] == pytest.approx(1.0)
        assert math.isnan(found["mesh_change"])

    def test_heights_against_the_levels(self) -> None:
        found = one(table(0, {"a": {"echo_top_18_km": 12.0, "echo_top_45_km": 9.5, "echo_top_50_km": 7.0}}))
        assert found["top18_above_hm20_km"] == pytest.approx(4.0)
        assert found["top45_above_hm20_km"] == pytest.approx(1.5)
        assert found["top50_above_h0_km"] == pytest.approx(2.2)

    def test_motion_and_neighbours(self) -> None:
        rows = {
            "a": {"u_m_s": 3.0, "v_m_s": -4.0, "parents": ("x", "y")},
            "b": {"lat": 30.4},  # 44 km
            "c": {"lat": 30.5},  # 56 km
        }
        found = features(table(0, rows), [], DAY)
        assert found["speed_m_s"][0] == 5.0
        assert list(found["parents"]) == [2.0, 0.0, 0.0]
        assert list(found["neighbours"]) == [1.0, 2.0, 1.0]

    def test_environment(self) -> None:
        found = one(table(0, {"a": {}}))
        assert (found["h0_m"], found["hm20_m"], found["mucape"]) == (4800.0, 8000.0, 2100.0)
        assert found["mean_wind_0_6km"] == pytest.approx(10.0)
        assert (found["environment_sounding"], found["environment_nwp"]) == (1.0, 0.0)
        assert (found["environment_age_h"], found["levels_of_the_day"]) == (3.0, 1.0)
        assert math.isnan(found["sbcin"])


class TestMissing:
    def test_climatology_is_no_environment(self) -> None:
        """It is the place and the month: a model must not learn them."""
        found = features(table(0, {"a": {"max_dbz": 50.0, "mesh_mm": 3.0, "u_m_s": 1.0, "v_m_s": 1.0}}), [], CLIMATE)
        of_environment = [feature.name for feature in FEATURES if feature.group == "environment"]
        assert found[of_environment].isna().all(axis=None)
        assert found["levels_of_the_day"][0] == 0.0
        assert "environment" in missing_groups(found)[0]

    def test_unknown_levels(self) -> None:
        found = one(table(0, {"a": {"echo_top_18_km": 12.0}}), levels={})
        assert math.isnan(found["levels_of_the_day"])
        assert math.isnan(found["top18_above_hm20_km"])
        assert found["echo_top_18_km"] == 12.0
        assert set(environment({})) == {"levels_of_the_day"}

    def test_by_hand_there_is_no_source(self) -> None:
        found = one(
            table(0, {"a": {}}), levels={"h0_m": 4000.0, "hm20_m": 7000.0, "source": "manual", "quality": "good"}
        )
        assert found["h0_m"] == 4000.0
        assert (found["environment_sounding"], found["environment_nwp"]) == (0.0, 0.0)
        assert math.isnan(found["mucape"])

    @pytest.mark.parametrize(
        ("row", "present"),
        [
            ({"mesh_mm": 0.0}, "radar"),
            ({"marc_m_s": 4.0}, "velocity"),
            ({"hail_size_class": 1.0}, "polarimetry"),
            ({"bt108_min_k": 230.0}, "satellite"),
            ({"flash_rate_min": 0.0}, "lightning"),
            ({"gust_near_m_s": 4.0}, "station"),
            ({"u_m_s": 0.0, "v_m_s": 0.0}, "motion"),
        ],
    )
    def test_a_source_is_there_by_what_it_measured(self, row: dict[str, Any], present: str) -> None:
        """0 flashes seen are known; nobody looked is not."""
        others = [group for group in GROUPS if group not in {present, "quality", "environment"}]
        assert missing_groups(features(table(0, {"a": row}), [], DAY)) == [tuple(others)]

    def test_coverage_without_measurement_is_unknown(self) -> None:
        """What the pipeline writes for a cycle without velocities, and without a station near."""
        rows = {"a": {"velocity_fraction": 0.0, "folded_fraction": 0.0, "stations_near": 0.0},
                "b": {"velocity_fraction": 0.4, "marc_m_s": 3.0, "stations_near": 2.0, "gust_near_m_s": 5.0},
                }  # fmt: skip
        found = features(table(0, rows), [], DAY)
        unknown = found[["velocity_fraction", "folded_fraction", "stations_near"]].isna()
        assert unknown.all(axis=1).tolist() == [True, False]
        assert found[["velocity_fraction", "stations_near"]].iloc[1].tolist() == [0.4, 2.0]
        assert [set(row) >= {"velocity", "station"} for row in missing_groups(found)] == [True, False]

    def test_a_composite_only_misses_the_radar(self) -> None:
        row = {"max_dbz": 55.0, "area_km2": 90.0, "observed_fraction": 0.0}
        found = features(table(0, {"a": row}), [table(-6, {"a": row})], DAY)
        assert found["max_dbz_trend"][0] == 0.0
        assert "radar" in missing_groups(found)[0]

    def test_taking_a_source_away_is_the_same_as_not_having_it(self) -> None:
        """Else a model trained with sources dropped would never have met what it meets live."""
        row = dict.fromkeys(NUMBERS, 1.0) | {"parents": ()}
        lightning = [column.name for column in STORMS if "flash" in column.name or "lightning" in column.name]
        without = row | dict.fromkeys([*lightning, "peak_current_ka"], math.nan)
        kept = features(table(0, {"a": row}), [table(-6, {"a": row})], DAY)
        kept[[feature.name for feature in FEATURES if feature.group == "lightning"]] = np.nan
        pd.testing.assert_frame_equal(kept, features(table(0, {"a": without}), [table(-6, {"a": without})], DAY))

    def test_no_storms(self) -> None:
        found = features(empty_storms(), [], DAY)
        assert found.shape == (0, len(NAMES))
        assert missing_groups(found) == []

    def test_an_older_table_without_newer_columns(self) -> None:
        storms = table(0, {"a": {"max_dbz": 50.0}})
        old = storms[["storm_id", "time", "max_dbz"]]
        found = one(old, [table(-6, {"a": {"max_dbz": 44.0}})[["storm_id", "time", "max_dbz"]]])
        assert found["max_dbz_change"] == 6.0
        assert found[["mesh_mm", "parents", "neighbours", "bt108_trend"]].isna().all()

    def test_what_is_not_a_table_of_one_time_is_refused(self) -> None:
        both = pd.concat([table(0, {"a": {}}), table(6, {"a": {}})])
        with pytest.raises(SampleError, match="expected one"):
            features(both, [], DAY)
        with pytest.raises(SampleError, match="no column storm_id"):
            features(table(0, {"a": {}}).drop(columns="storm_id"), [], DAY)


def test_the_future_is_not_seen() -> None:
    """Nor the same time, nor what is older than half an hour."""
    storms, past = table(0, {"a": {"max_dbz": 50.0}}), table(-6, {"a": {"max_dbz": 47.0}})
    others = [table(minute, {"a": {"max_dbz": 70.0}}) for minute in (6, 0, -36)]
    pd.testing.assert_frame_equal(features(storms, [past, *others], DAY), features(storms, [past], DAY))


def test_tables_of_the_archive_give_the_same() -> None:
    """No difference between the live table and what training reads back."""
    random = np.random.default_rng(3)
    tables = [
        table(minute, {name: dict(zip(NUMBERS, random.random(len(NUMBERS)), strict=True)) for name in "abc"})
        for minute in (-12, -6, 0)
    ]
    plain = [each.drop(columns="polygon") for each in tables]
    archived = [decode_table(encode_table(each)) for each in plain]
    pd.testing.assert_frame_equal(features(archived[-1], archived[:-1], DAY), features(tables[-1], tables[:-1], DAY))


USED = sorted({column for _, column in (*TRENDS, *CHANGES)} | {"velocity_fraction", "u_m_s", "v_m_s", "lat", "parents"})


@st.composite
def cycles(draw: st.DrawFn) -> list[pd.DataFrame]:
    """Three tables, oldest first, of up to four storms that come and go; holes and infinities among the numbers."""
    names = [draw(st.lists(st.sampled_from("abcd"), unique=True, min_size=size)) for size in (0, 0, 1)]
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    tables = []
    for minute, own in zip((-12, -6, 0), names, strict=True):
        numbers = random.normal(scale=50, size=(len(own), len(USED))) * 10.0 ** random.integers(-3, 4)
        odd = random.random(numbers.shape)
        numbers[odd < 0.2] = np.nan
        numbers[odd > 0.95] = np.inf
        frame = pd.DataFrame(numbers, columns=USED)
        frame["parents"], frame["storm_id"], frame["time"] = [()] * len(own), own, NOW + pd.Timedelta(minutes=minute)
        tables.append(frame)
    return tables


@settings(max_examples=40, deadline=None)
@given(tables=cycles(), seed=st.integers(0, 100))
def test_never_infinite_and_order_does_not_matter(tables: list[pd.DataFrame], seed: int) -> None:
    storms, history = tables[-1], tables[:-1]
    expected = features(storms, history, DAY)
    assert not np.isinf(expected.to_numpy()).any()
    random = np.random.default_rng(seed)
    mixed = [each.iloc[random.permutation(len(each))] for each in (*history[::-1], storms)]
    mixed = [each[random.permutation(each.columns)] for each in mixed]
    assert np.isfinite(expected.to_numpy()).any()
    pd.testing.assert_frame_equal(features(mixed[-1], mixed[:-1], DAY).sort_index(), expected, check_exact=True)
    assert missing_groups(expected) == missing_groups(expected[random.permutation(expected.columns)])
