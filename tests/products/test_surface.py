"""Station table: theta-e, tides, gusts that count once, jumps, falls, shifts, rain."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from metpy.calc import equivalent_potential_temperature
from metpy.units import units

from wxcore.errors import SchemaError, TimeError
from wxcore.products.diurnal import S2_HPA, pressure_tide
from wxcore.products.surface import station_table
from wxcore.products.theta_e import dew_point, theta_e, vapour_pressure
from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT, REASON, STATION_TABLE, check_table

WHEN = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
ROWS = 131
NOW = ROWS - 1
NAT = np.datetime64("NaT", "ns")


def at(minutes_before: float, when: datetime = WHEN) -> np.datetime64:
    return np.datetime64((when - timedelta(minutes=minutes_before)).replace(tzinfo=None), "ns")


class Net:
    """Observations that a test fills: station 0 unless told; values by minutes before the end."""

    def __init__(self, stations: int = 1, elevation: float = 200.0, when: datetime = WHEN) -> None:
        self.n, self.when, self.data = stations, when, dict[str, np.ndarray[Any, Any]]()
        self.elevation = np.full(stations, elevation, "f4")

    def put(self, name: str, values: dict[int, Any], station: int = 0) -> "Net":
        if name not in self.data:
            fill: Any = NAT if name in {"gust_time", "gust_earliest"} else np.float32(np.nan)
            if name.endswith(("_qc", "_reason")):
                fill = np.uint16(0)
            self.data[name] = np.full((ROWS, self.n), fill)
        for before, value in values.items():
            self.data[name][NOW - before, station] = value
        return self

    def every(self, name: str, value: float, station: int = 0) -> "Net":
        return self.put(name, dict.fromkeys(range(ROWS), value), station)

    def ds(self) -> xr.Dataset:
        return xr.Dataset(
            {name: (("time", "station"), values) for name, values in self.data.items()},
            {
                "time": np.array([at(NOW - row, self.when) for row in range(ROWS)]),
                "station": [f"A{number:04d}" for number in range(self.n)],
                "lat": ("station", np.linspace(29, 30, self.n)),
                "lon": ("station", np.linspace(106, 107, self.n)),
                "elevation": ("station", self.elevation),
            },
        )

    def row(self, station: int = 0) -> Any:
        table = station_table(self.ds(), self.when)
        check_table(table, STATION_TABLE, what="stations")
        assert list(table.columns) == [column.name for column in STATION_TABLE]
        return table.iloc[station]


class TestThetaE:
    def test_check_values_of_the_domain_brief(self) -> None:
        warm, cold = theta_e(960, 34, 24), theta_e(965, 23, 21)
        assert float(warm) == pytest.approx(372.3, abs=0.05)
        assert float(cold) == pytest.approx(347.4, abs=0.06)
        assert float(warm - cold) == pytest.approx(25, abs=0.1)

    @given(st.floats(850, 1040), st.floats(-10, 42), st.floats(2, 25))
    @settings(max_examples=40, deadline=None)
    def test_beside_metpy(self, pressure: float, celsius: float, depression: float) -> None:
        dew = min(celsius - depression, 27.0)
        theirs = equivalent_potential_temperature(pressure * units.hPa, celsius * units.degC, dew * units.degC)
        assert float(theta_e(pressure, celsius, dew)) == pytest.approx(theirs.m_as("K"), rel=2e-3)

    def test_nonsense_is_nan_and_makes_no_noise(self) -> None:
        given_ = np.array([np.nan, -5.0, 1000.0, 10.0])
        assert np.isnan(theta_e(given_, [20, 20, np.nan, 30], [10, 10, 10, 30])).all()

    @given(st.floats(-30, 45), st.floats(1, 100))
    def test_humidity_to_dew_point_and_back(self, celsius: float, humidity: float) -> None:
        back = 100 * vapour_pressure(dew_point(celsius, humidity)) / vapour_pressure(celsius)
        assert float(back) == pytest.approx(humidity, rel=1e-6)
        assert np.isnan(dew_point(20, 0.0))


class TestTide:
    def test_highest_before_ten_and_size_at_the_equator(self) -> None:
        time = np.datetime64("2026-07-01T00:00", "ns") + np.arange(1440) * np.timedelta64(60, "s")
        tide = pressure_tide(time, [0.0, 0.0, 60.0], [0.0, 120.0, 0.0])
        assert 8 * 60 < int(tide[:, 0].argmax()) < 10 * 60, "S1 draws the highest of S2 (9:44) towards the morning"
        assert int(tide[:, 1].argmax()) == pytest.approx((int(tide[:, 0].argmax()) - 480) % 1440, abs=1), "8 h east"
        assert np.abs(tide.mean(axis=0)).max() < 1e-9
        waves = 2 * np.abs(np.fft.rfft(tide[:, 0])) / 1440
        assert waves[2] == pytest.approx(S2_HPA, abs=1e-6)
        assert tide[:, 2] == pytest.approx(tide[:, 0] * 0.125, abs=1e-9)

    def test_a_day_of_tide_alone_is_no_pressure_change(self) -> None:
        net = Net()
        tide = pressure_tide(net.ds()["time"].to_numpy(), [29.0], [106.0])[:, 0]
        net.put("air_pressure", {NOW - row: 980 + value for row, value in enumerate(tide)})
        row = net.row()
        assert abs(tide[-1] - tide[-61]) > 0.25, "the tide itself is not small then"
        assert abs(row["pressure_change_1h_hpa"]) < 1e-3
        assert abs(row["pressure_jump_10min_hpa"]) < 1e-3


class TestGust:
    def minute(self, values: dict[int, float]) -> Net:
        net = Net().put("wind_speed_of_gust", values).put("gust_time", {m: at(m) for m in values})
        return net.every("air_temperature", 20)

    def test_largest_of_the_hour_with_time_and_direction(self) -> None:
        net = self.minute({70: 40, 61: 30, 40: 21, 39: 22, 3: 8}).put("wind_gust_from_direction", {39: 310})
        row = net.row()
        assert (row["gust_m_s"], row["gust_time"], row["gust_from_deg"]) == (22, at(39), 310)
        assert row["gust_flag"] == 0
        assert np.isnan(row["gust_supported"])

    def test_an_hourly_record_repeats_until_the_full_hour(self) -> None:
        """25 m/s blew 75 min ago; records up to 62 min ago and later ones repeat it: it is not of the last hour."""
        net = Net().put("wind_speed_of_gust", dict.fromkeys(range(1, 70), 25) | {0: 12})
        net.put("gust_time", dict.fromkeys(range(1, 70), at(75)) | {0: at(5)})
        row = net.row()
        assert (row["gust_m_s"], row["gust_time"]) == (12, at(5))

    def test_newest_report_of_a_repeated_gust_tells_its_flag_and_any_its_witnesses(self) -> None:
        net = Net().put("wind_speed_of_gust", {20: 25, 10: 25, 0: 25})
        net.put("gust_time", dict.fromkeys((20, 10, 0), at(22))).put("wind_speed_of_gust_qc", {20: QC_SUSPECT})
        net.put("gust_witnesses", {20: 2, 0: 0})
        row = net.row()
        assert (row["gust_m_s"], row["gust_time"], row["gust_flag"], row["gust_supported"]) == (25, at(22), 0, 1)
        assert row["gust_witnesses"] == row["gust_30min_witnesses"] == 2

    @pytest.mark.parametrize(("flag", "witnesses", "supported"), [(QC_SUSPECT, 0, 0), (QC_GOOD, 3, 1)])
    def test_a_gust_that_is_not_good_has_no_witness(self, flag: int, witnesses: float, supported: float) -> None:
        row = self.minute({5: 25}).put("gust_witnesses", {5: 3}).put("wind_speed_of_gust_qc", {5: flag}).row()
        assert (row["gust_witnesses"], row["gust_30min_witnesses"]) == (witnesses, witnesses)
        assert (row["gust_supported"], row["gust_30min_flag"]) == (supported, flag)

    def test_the_last_half_hour_has_a_gust_of_its_own(self) -> None:
        row = self.minute({40: 25, 30: 18, 5: 20}).put("gust_witnesses", {40: 3, 5: 1}).row()
        assert (row["gust_m_s"], row["gust_witnesses"]) == (25, 3)
        assert (row["gust_30min_m_s"], row["gust_30min_time"], row["gust_30min_witnesses"]) == (20, at(5), 1)
        none = self.minute({31: 25}).row()
        assert (none["gust_m_s"], none["gust_30min_flag"]) == (25, QC_MISSING)
        assert np.isnan(none["gust_30min_m_s"])

    def test_a_gust_of_an_unknown_time_is_not_of_the_last_half_hour(self) -> None:
        row = Net().put("wind_speed_of_gust", {0: 25}).put("gust_earliest", {0: at(20)}).row()
        assert row["gust_m_s"] == 25
        assert np.isnan(row["gust_30min_m_s"])

    def test_bad_in_one_report_is_bad_in_all(self) -> None:
        net = Net().put("wind_speed_of_gust", {20: 60, 10: 60, 5: 18})
        net.put("gust_time", {20: at(22), 10: at(22), 5: at(5)}).put("wind_speed_of_gust_qc", {20: QC_BAD})
        assert net.row()["gust_m_s"] == 18

    def test_the_same_value_at_another_time_is_another_gust(self) -> None:
        net = self.minute({20: 25, 10: 25}).put("wind_speed_of_gust_qc", {10: QC_BAD})
        row = net.row()
        assert (row["gust_m_s"], row["gust_time"]) == (25, at(20))

    def test_unknown_time_counts_only_if_it_surely_was_in_the_hour(self) -> None:
        net = Net().put("wind_speed_of_gust", {0: 19}).put("gust_earliest", {0: at(60)})
        row = net.row()
        assert row["gust_m_s"] == 19
        assert np.isnat(row["gust_time"].to_datetime64())
        late = Net().put("wind_speed_of_gust", {6: 19}).put("gust_earliest", {6: at(66)})
        assert np.isnan(late.row()["gust_m_s"])
        assert late.row()["gust_flag"] == QC_MISSING

    def test_short_period_tells_the_time(self) -> None:
        net = Net().put("wind_speed_of_gust", {5: 19}).put("gust_earliest", {5: at(10)})
        assert net.row()["gust_time"] == at(5)

    def test_suspect_is_flagged_and_bad_is_not_there(self) -> None:
        net = self.minute({10: 28, 5: 70}).put("wind_speed_of_gust_qc", {10: QC_SUSPECT, 5: QC_BAD})
        row = net.row()
        assert (row["gust_m_s"], row["gust_flag"]) == (28, QC_SUSPECT)


class TestPressure:
    def test_jump_and_change(self) -> None:
        net = Net().put("air_pressure", {m: 980 + 2.5 * (m < 25) + 1.0 * (m < 20) for m in range(ROWS)})
        row = net.row()
        assert row["pressure_jump_10min_hpa"] == pytest.approx(3.5, abs=0.15)
        assert row["pressure_change_1h_hpa"] == pytest.approx(3.5, abs=0.7), "the tide of an hour is taken off"

    def test_bad_and_suspect_values_make_no_jump(self) -> None:
        net = Net().every("air_pressure", 980).put("air_pressure", {10: 990, 20: 1000})
        net.put("air_pressure_qc", {10: QC_SUSPECT, 20: QC_BAD})
        assert abs(net.row()["pressure_jump_10min_hpa"]) < 0.2

    def test_hourly_source_has_a_change_but_no_jump(self) -> None:
        row = Net().put("air_pressure", {0: 982, 60: 980, 120: 979}).row()
        assert np.isnan(row["pressure_jump_10min_hpa"])
        assert row["pressure_change_1h_hpa"] == pytest.approx(2, abs=0.7)

    @pytest.mark.parametrize(("elevation", "known"), [(100.0, True), (1500.0, False)])
    def test_sea_level_stands_in_low_down_only(self, elevation: float, known: bool) -> None:
        row = Net(elevation=elevation).put("air_pressure_at_mean_sea_level", {0: 1002, 60: 1000}).row()
        assert np.isfinite(row["pressure_change_1h_hpa"]) == known


class TestAir:
    def test_fall_of_temperature(self) -> None:
        net = Net().put("air_temperature", {m: 34 if m > 40 else 23 if m > 10 else 26 for m in range(ROWS)})
        assert net.row()["temperature_drop_k"] == 11

    def test_one_value_is_no_fall(self) -> None:
        assert np.isnan(Net().put("air_temperature", {0: 20}).row()["temperature_drop_k"])

    def test_check_values_as_deficit(self) -> None:
        net = Net()
        for name, before, after in (
            ("air_pressure", 960, 965), ("air_temperature", 34, 23), ("dew_point_temperature", 24, 21)
        ):  # fmt: skip
            net.put(name, {m: after if m < 30 else before for m in range(ROWS)})
        row = net.row()
        assert row["theta_e_k"] == pytest.approx(347.4, abs=0.1)
        assert row["theta_e_deficit_k"] == pytest.approx(25, abs=0.1)

    def test_humidity_stands_in_for_the_dew_point(self) -> None:
        net = Net().every("air_temperature", 30).every("air_pressure", 960)
        humid = 100 * float(vapour_pressure(24) / vapour_pressure(30))
        assert net.every("relative_humidity", humid).row()["theta_e_k"] == pytest.approx(
            float(theta_e(960, 30, 24)), abs=0.01
        )

    def test_standard_pressure_stands_in(self) -> None:
        net = Net(elevation=540).every("air_temperature", 30).every("dew_point_temperature", 24)
        assert net.row()["theta_e_k"] == pytest.approx(float(theta_e(950, 30, 24)), abs=0.3)

    @pytest.mark.parametrize(
        ("minutes", "known"),
        [((0, 60, 120), True), ((0, 60), True), ((0, 1, 2, 61, 62), False), ((0, 1, 2, 61, 62, 63), True)],
    )
    def test_three_values_before_or_one_of_a_rare_source(self, minutes: tuple[int, ...], known: bool) -> None:
        net = Net().put("air_temperature", dict.fromkeys(minutes, 30.0))
        net.put("dew_point_temperature", dict.fromkeys(minutes, 20.0)).put("air_pressure", dict.fromkeys(minutes, 980))
        assert np.isfinite(net.row()["theta_e_deficit_k"]) == known

    def test_absurd_values_make_no_theta_e(self) -> None:
        net = Net().every("air_temperature", 46).every("dew_point_temperature", 46).every("air_pressure", 500)
        assert np.isnan(net.row()["theta_e_k"])


class TestWind:
    def winds(self, before: tuple[float, float], after: tuple[float, float]) -> float:
        net = Net()
        net.put("wind_speed", {m: after[0] if m < 30 else before[0] for m in range(ROWS)})
        net.put("wind_from_direction", {m: after[1] if m < 30 else before[1] for m in range(ROWS)})
        return float(net.row()["wind_shift_deg"])

    def test_turn_across_north(self) -> None:
        assert self.winds((2, 330), (12, 60)) == pytest.approx(90, abs=0.01)

    def test_small_turn_or_weaker_wind_is_none(self) -> None:
        assert self.winds((2, 100), (12, 140)) == 0
        assert self.winds((12, 100), (2, 280)) == 0

    def test_calm_has_no_direction(self) -> None:
        assert np.isnan(self.winds((0, np.nan), (12, 100)))


class TestRain:
    def test_minutes(self) -> None:
        assert Net().every("precipitation_1min", 0.5).row()["rain_1h_mm"] == pytest.approx(30)

    def test_too_few_minutes_are_unknown(self) -> None:
        assert np.isnan(Net().put("precipitation_1min", dict.fromkeys(range(40), 1.0)).row()["rain_1h_mm"])

    def test_since_the_full_hour_and_the_rest_of_the_hour_before(self) -> None:
        """At 08:20: 4 mm since 08:00; 10 mm fell 07:00-08:00, of which 3 mm before 07:20."""
        net = Net(when=WHEN + timedelta(minutes=20))
        net.put("precipitation_1h", {0: 4, 20: 10, 60: 3})
        assert net.row()["rain_1h_mm"] == pytest.approx(11)

    def test_hourly_total_of_the_full_hour(self) -> None:
        assert Net(when=WHEN + timedelta(minutes=6)).put("precipitation_1h", {6: 7}).row()["rain_1h_mm"] == 7


class TestRows:
    def test_silent_stations_have_no_row_and_order_is_kept(self) -> None:
        net = Net(4).put("air_temperature", {70: 20}, 0).put("air_temperature", {71: 20}, 1)
        net.put("wind_speed", {3: 2}, 3)
        table = station_table(net.ds(), WHEN)
        assert table["station_id"].tolist() == ["A0000", "A0003"]
        assert table["time"].tolist() == [pd.Timestamp(at(70)), pd.Timestamp(at(3))]

    def test_later_rows_are_not_used(self) -> None:
        net = Net().put("air_temperature", {0: 10, 30: 20})
        early = station_table(net.ds(), WHEN - timedelta(minutes=10))
        assert early["time"].tolist() == [pd.Timestamp(at(30))]
        assert station_table(net.ds(), WHEN - timedelta(hours=9)).empty
        assert station_table(net.ds(), WHEN + timedelta(hours=9)).empty

    def test_flags_of_the_newest_report(self) -> None:
        net = Net(2).every("air_temperature", 20, 0).every("air_temperature", 20, 1)
        net.put("air_temperature_qc", {0: QC_BAD}).put("air_temperature_qc", {5: QC_BAD}, 1)
        net.put("air_temperature_qc_reason", {0: REASON["range"] | REASON["buddy"]})
        table = station_table(net.ds(), WHEN)
        assert table["flags"].tolist() == [("air_temperature:range", "air_temperature:buddy"), ()]

    def test_every_value_bad_is_no_value(self) -> None:
        net = Net()
        for name in ("air_temperature", "air_pressure", "dew_point_temperature", "wind_speed", "wind_from_direction",
                     "wind_speed_of_gust", "precipitation_1min"):  # fmt: skip
            net.every(name, 20).put(f"{name}_qc", dict.fromkeys(range(ROWS), QC_BAD))
        row = net.row()
        names = [column.name for column in STATION_TABLE if column.kind == "float"]
        assert [name for name in names if np.isfinite(row[name])] == ["lat", "lon", "elevation_m"]

    def test_naive_time_and_uneven_rows_are_refused(self) -> None:
        net = Net().every("air_temperature", 20)
        with pytest.raises(TimeError):
            station_table(net.ds(), WHEN.replace(tzinfo=None))
        with pytest.raises(SchemaError, match="minute"):
            station_table(net.ds().isel(time=slice(None, None, 2)), WHEN)
