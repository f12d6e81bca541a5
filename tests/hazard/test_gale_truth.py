"""Truth of thunderstorm gales: one test a rule, and what may never be said."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from wxcore.errors import RegionError, SchemaError
from wxcore.hazard.definitions import GALE
from wxcore.hazard.gale_truth import (
    BELOW,
    CONVECTIVE,
    NOT_CONVECTIVE,
    NOT_VERIFIABLE,
    RIDGE,
    SUSPECT,
    SYNOPTIC,
    VERDICTS,
    GaleTruthRules,
    gale_truth,
    gale_truth_rules,
)

TIME = pd.Timestamp("2026-07-01T08:00")
NAN = float("nan")


def gust(speed: float = 20.0, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "station_id": "57516", "time": TIME, "lat": 29.5, "lon": 106.5, "elev_class": "plain", "elevation_m": 260.0,
        "gust_m_s": speed, "gust_flag": 0, "gust_supported": 1.0,
    }  # fmt: skip
    return row | more


def winds(speed: float, hours: float = 4.0, every_min: int = 10, station: str = "57516") -> pd.DataFrame:
    minutes = np.arange(every_min, 60 * hours + 1, every_min)
    return pd.DataFrame({
        "station_id": station, "time": TIME - pd.to_timedelta(minutes, unit="min"), "wind_speed": speed
    })  # fmt: skip


LIGHT = winds(3.0)


def judged(
    *gusts: dict[str, Any], dbz: float = 45.0, flashes: float = 0.0, wind: pd.DataFrame = LIGHT,
    rules: GaleTruthRules | None = None,
) -> pd.DataFrame:  # fmt: skip
    table = pd.DataFrame(list(gusts))
    seen = pd.DataFrame({"max_dbz": dbz, "flashes": flashes}, index=table.index)
    result = gale_truth(table, seen, wind, rules)
    assert set(result["verdict"]) <= set(VERDICTS)
    assert result["reason"].str.len().min() > 0
    assert result["reason_zh"].str.len().min() > 0
    return result


def verdict(*gusts: dict[str, Any], **more: Any) -> str:
    return str(judged(*gusts, **more)["verdict"].iloc[0])


class TestConvection:
    @pytest.mark.parametrize(
        ("dbz", "flashes", "expected"),
        [
            (35.0, 0.0, CONVECTIVE),
            (34.9, 0.0, NOT_CONVECTIVE),
            (34.9, NAN, NOT_CONVECTIVE),
            (-10.0, 1.0, CONVECTIVE),
            (NAN, 1.0, CONVECTIVE),
            (50.0, NAN, CONVECTIVE),
            (NAN, 0.0, NOT_VERIFIABLE),
            (NAN, NAN, NOT_VERIFIABLE),
        ],
    )
    def test_lightning_or_echo(self, dbz: float, flashes: float, expected: str) -> None:
        assert verdict(gust(), dbz=dbz, flashes=flashes) == expected

    def test_a_function_is_asked_with_the_rules(self) -> None:
        asked: list[Any] = []

        def seen(lat: Any, lon: Any, time: Any, rules: GaleTruthRules) -> Any:
            asked.append((lat.tolist(), lon.tolist(), time.tolist(), rules.radius_km))
            return np.array([40.0, NAN]), np.array([NAN, NAN])

        table = pd.DataFrame([gust(), gust(station_id="A8290", lat=30.0)], index=[7, 9])
        result = gale_truth(table, seen, LIGHT, GaleTruthRules(radius_km=15))
        assert result["verdict"].to_dict() == {7: CONVECTIVE, 9: NOT_VERIFIABLE}
        assert asked[0][0] == [29.5, 30.0]
        assert asked[0][3] == 15


class TestGust:
    @pytest.mark.parametrize(("speed", "expected"), [(17.2, CONVECTIVE), (17.1, BELOW), (NAN, NOT_VERIFIABLE)])
    def test_threshold(self, speed: float, expected: str) -> None:
        assert verdict(gust(speed)) == expected

    def test_threshold_of_a_region(self) -> None:
        assert verdict(gust(14), rules=GaleTruthRules(threshold_m_s=13.9)) == CONVECTIVE

    def test_no_time_is_not_verifiable(self) -> None:
        assert verdict(gust(time=pd.NaT)) == NOT_VERIFIABLE

    @pytest.mark.parametrize(
        ("flag", "supported", "expected"),
        [(0, 1.0, CONVECTIVE), (0, NAN, CONVECTIVE), (0, 0.0, SUSPECT), (1, 1.0, SUSPECT), (2, 1.0, SUSPECT)],
    )
    def test_suspect_and_unsupported(self, flag: int, supported: float, expected: str) -> None:
        assert verdict(gust(gust_flag=flag, gust_supported=supported)) == expected

    def test_bad_is_suspect_whatever_its_size(self) -> None:
        assert verdict(gust(5, gust_flag=2)) == SUSPECT

    def test_repeated_gust_is_there_once(self) -> None:
        again = [gust(), gust(), gust(time=TIME + pd.Timedelta("1min")), gust(21), gust(station_id="A8290")]
        assert judged(*again).index.tolist() == [1, 2, 3, 4]


class TestRidge:
    @pytest.mark.parametrize(
        ("elev_class", "elevation", "expected"),
        [
            ("ridge", 600.0, RIDGE),
            ("ridge", NAN, RIDGE),
            ("mountain", 1501.0, RIDGE),
            ("mountain", 1500.0, CONVECTIVE),
            ("", 1600.0, RIDGE),
            ("plain", 1900.0, CONVECTIVE),
            ("", NAN, CONVECTIVE),
        ],
    )
    def test_class_and_height(self, elev_class: str, elevation: float, expected: str) -> None:
        assert verdict(gust(elev_class=elev_class, elevation_m=elevation)) == expected

    def test_may_be_kept(self) -> None:
        assert verdict(gust(elev_class="ridge"), rules=GaleTruthRules(exclude_ridge=False)) == CONVECTIVE

    def test_elevation_column_may_lack(self) -> None:
        row = gust()
        del row["elevation_m"]
        assert verdict(row) == CONVECTIVE


class TestSynoptic:
    def test_hours_of_wind_before(self) -> None:
        assert verdict(gust(), wind=winds(10.8)) == SYNOPTIC
        assert verdict(gust(), wind=winds(10.7)) == CONVECTIVE

    def test_hourly_reports_suffice(self) -> None:
        assert verdict(gust(), wind=winds(12, every_min=60)) == SYNOPTIC

    def test_two_hours_are_too_short(self) -> None:
        calm = winds(3)
        calm_before = pd.concat([winds(12, hours=2), calm[calm["time"] < TIME - pd.Timedelta("2h")]])
        assert verdict(gust(), wind=calm_before) == CONVECTIVE

    def test_a_lull_does_not_end_it(self) -> None:
        wind = winds(12)
        wind.loc[5, "wind_speed"] = 9.0
        assert verdict(gust(), wind=wind) == SYNOPTIC

    def test_wind_at_and_after_the_gust_does_not_count(self) -> None:
        after = pd.DataFrame({"station_id": "57516", "time": TIME + pd.to_timedelta(range(60), unit="min"),
                              "wind_speed": 15.0})  # fmt: skip
        assert verdict(gust(), wind=pd.concat([LIGHT, after])) == CONVECTIVE

    @pytest.mark.parametrize("wind", [winds(12, hours=1.5), winds(12, station="A8290"), winds(NAN)])
    def test_unknown_wind_is_told(self, wind: pd.DataFrame) -> None:
        row = judged(gust(), wind=wind).iloc[0]
        assert row["verdict"] == CONVECTIVE
        assert "unknown" in row["reason"]
        assert "未知" in row["reason_zh"]

    def test_order_of_the_winds_does_not_matter(self) -> None:
        assert verdict(gust(), wind=winds(12).iloc[::-1]) == SYNOPTIC


class TestRules:
    def test_defaults_are_the_definition(self) -> None:
        assert gale_truth_rules({}) == GaleTruthRules()
        assert GaleTruthRules().threshold_m_s == GALE.threshold

    def test_a_region_changes_some(self) -> None:
        rules = gale_truth_rules({"gale_truth": {"threshold_m_s": 14, "exclude_ridge": False}, "other": 1})
        assert rules == GaleTruthRules(threshold_m_s=14.0, exclude_ridge=False)

    def test_every_fault_is_named(self) -> None:
        wrong = {
            "treshold": 1,
            "echo_dbz": "35",
            "radius_km": -1,
            "exclude_ridge": 1,
            "ridge_m": True,
            "window_min": NAN,
        }
        with pytest.raises(RegionError) as caught:
            gale_truth_rules({"gale_truth": wrong})
        assert all(key in caught.value.en and key in caught.value.zh for key in wrong)
        with pytest.raises(RegionError, match="table"):
            gale_truth_rules({"gale_truth": 3})

    def test_missing_columns_are_named(self) -> None:
        with pytest.raises(SchemaError, match="elev_class"):
            gale_truth(pd.DataFrame([gust()]).drop(columns="elev_class"), lambda *_: (np.zeros(1), np.zeros(1)), LIGHT)
        with pytest.raises(SchemaError, match="wind_speed"):
            judged(gust(), wind=LIGHT.drop(columns="wind_speed"))

    def test_no_gusts(self) -> None:
        table = pd.DataFrame([gust()]).iloc[:0]
        seen = pd.DataFrame({"max_dbz": [], "flashes": []})
        assert list(gale_truth(table, seen, LIGHT)[["verdict", "reason", "reason_zh"]].columns) == [
            "verdict", "reason", "reason_zh"
        ]  # fmt: skip
