"""METAR and SPECI: real bulletins, values by hand, and every trap of the library."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import ReadError, Reason
from wxcore.station import metar_text, synop
from wxcore.station.reports import Reports

WHEN = datetime(2022, 4, 2, tzinfo=UTC)
KNOT = 1852 / 3600


def read(*reports: str, heading: str = "SACI31 BABJ 090900") -> Reports:
    text = f"{heading}\nMETAR\n" + "".join(f"{report}=\n" for report in reports)
    return metar_text.read_metar_dated(text.encode(), "x", datetime(2025, 6, 9, 12, tzinfo=UTC))


def only(reports: Reports, element: str) -> float:
    assert reports.time.size == 1
    return float(reports.values[element][0]) if element in reports.values else np.nan


@pytest.mark.parametrize(
    ("name", "rows", "gusts"),
    [
        ("badchars.txt", 3, 0), ("collective.txt", 7, 3), ("collective2.txt", 35, 5), ("first.txt", 2, 1),
        ("kawn.txt", 3, 0), ("kmwn.txt", 1, 1), ("nullbyte.txt", 1, 0), ("rtd_bbb.txt", 1, 0),
    ],
)  # fmt: skip
def test_real_bulletins(data: Path, name: str, rows: int, gusts: int) -> None:
    raw = (data / "truth" / "lsr" / "METAR" / name).read_bytes()
    assert metar_text.recognise_metar(raw[:8192])
    assert not synop.recognise_synop(raw[:8192])
    found = metar_text.read_metar_dated(raw, name, WHEN)
    assert found.time.size == rows
    assert found.rejected == ()
    assert int(np.isfinite(found.values.get("wind_speed_of_gust", np.empty(0))).sum()) == gusts
    assert np.isfinite(found.values["air_temperature"]).all()


def test_other_texts_are_not_claimed(data: Path) -> None:
    lsr = data / "truth" / "lsr"
    for file in [*(lsr / "DSM").glob("*"), *(lsr / "LSR").glob("*"), lsr / "METAR" / "sa.txt"]:
        assert not metar_text.recognise_metar(file.read_bytes()[:8192]), file
    with pytest.raises(ReadError) as caught:
        metar_text.read_metar_dated((lsr / "METAR" / "sa.txt").read_bytes(), "sa.txt", WHEN)
    assert caught.value.reason is Reason.BAD_HEADER


def test_values_by_hand() -> None:
    found = read("ZUCK 090900Z 24012G38MPS 210V270 0800 +TSRA SCT030CB M02/M05 Q0998 NOSIG")
    assert found.station.tolist() == ["ZUCK"]
    assert found.time[0] == np.datetime64("2025-06-09T09:00")
    assert found.gust_period_min == 10
    assert np.isnat(found.gust_time[0])
    expected = {
        "wind_speed_10min": 12, "wind_from_direction_10min": 240, "wind_speed_of_gust": 38,
        "wind_gust_from_direction": 240, "air_temperature": -2, "dew_point_temperature": -5,
        "air_pressure_at_mean_sea_level": 998,
    }  # fmt: skip
    assert {key: float(value[0]) for key, value in found.values.items()} == expected


def test_units() -> None:
    found = read(
        "ZUCK 090900Z 24010KT 25/20 Q1000", "KMIA 090900Z 24010KT 25/20 A2992", "UUEE 090900Z 24036KMH 25/20 Q1000"
    )
    np.testing.assert_allclose(found.values["wind_speed_10min"], [10 * KNOT, np.nan, 10], rtol=1e-5)
    np.testing.assert_allclose(found.values["wind_speed"], [np.nan, 10 * KNOT, np.nan], rtol=1e-5)  # of 2 minutes
    np.testing.assert_allclose(found.values["air_pressure_at_mean_sea_level"][1], 1013.21, atol=0.01)
    assert "air_pressure" not in found.values


def test_tenths_rain_and_peak_wind_of_remarks() -> None:
    found = read(
        "KLBB 090853Z 16012G25KT 10SM 23/19 A3003 RMK AO2 PK WND 15060/0822 SLP162 P0046 T02280194 10233 $",
        "KAMA 090853Z 16012G45KT 10SM 23/19 A3003 RMK PK WND 15060/0022 P0000",  # typing error: eight hours before
    )
    np.testing.assert_allclose(found.values["wind_speed_of_gust"], [60 * KNOT, 45 * KNOT], rtol=1e-5)
    assert found.gust_time[0] == np.datetime64("2025-06-09T08:22")
    assert np.isnat(found.gust_time[1])
    np.testing.assert_allclose(found.values["air_temperature"], [22.8, 23], rtol=1e-6)
    np.testing.assert_allclose(found.values["precipitation_1h"], [11.684, 0], rtol=1e-6)


def test_peak_wind_before_midnight() -> None:
    found = read("KLBB 090010Z 16012KT 10SM 23/19 A3003 RMK PK WND 15060/2350")
    assert found.gust_time[0] == np.datetime64("2025-06-08T23:50")


def test_gusts_of_forecasts_are_none() -> None:
    found = read("ZUCK 090900Z 24005MPS 9999 25/20 Q1000 TEMPO 27020G35MPS TSRA BECMG FM1200 27018G30MPS")
    assert "wind_speed_of_gust" not in found.values
    assert only(found, "wind_speed_10min") == 5


@pytest.mark.parametrize("wind", ["0800", "/////KT", "24010", "///////", "VRB"])
def test_a_visibility_or_a_wind_without_unit_is_no_wind(wind: str) -> None:
    found = read(f"ZUCK 090900Z {wind} FG 25/20 Q1000")
    assert np.isnan(only(found, "wind_speed_10min"))
    assert only(found, "air_temperature") == 25


def test_a_pressure_of_nothing_is_missing() -> None:
    found = read("ZUCK 090900Z 24010MPS 9999 25/20 Q0000", "ZUUU 090900Z 24010MPS 9999 25/20 Q1000")
    assert np.isnan(found.values["air_pressure_at_mean_sea_level"]).tolist() == [True, False]


def test_reports_of_another_kind_are_counted() -> None:
    raw = b"METAR ZUCK 090900Z 24010MPS 9999 25/20 Q1000=\nAAXX 09091\n57516 02999 10200=\n57517 02999 10200=\n"
    found = metar_text.read_metar_dated(raw, "x", WHEN)
    assert found.rejected == (("reports of another kind (SYNOP): split the file", 2),)
    assert found.station.tolist() == ["ZUCK"]


def test_texts_that_quote_a_report_are_not_claimed() -> None:
    report = b"METAR ZUCK 010600Z 24010G28MPS 9999 25/20 Q1000=\n"
    for head in (b'"""How\n\n', b"# METAR\n\n", b"from x import y\n\n", b'{"x": "', b"2026-07-01 06:00 INFO ",
                 b"2026-07-01T06:00:00Z ", b"<?xml?><alert>\n", b'"id","text"\n1,', b"at noon "):  # fmt: skip
        assert not metar_text.recognise_metar(head + report), head
    for head in (b"", b"\x01\r\r\n123 \r\r\n", b"2026/07/01 06:00\n", b"SACI31 BABJ 010600\r\r\n", b"ZCZC 123\n",
                 b"TAF ZUCK 010500Z 0106/0206 24010MPS=\n", b"SACI31 BABJ 010600\nMETAR\n",
                 b"SAUS70 KWBC 010600\nMTRMIA\n"):  # fmt: skip
        assert metar_text.recognise_metar(head + report), head


def test_calm_and_variable() -> None:
    found = read("ZUCK 090900Z 00000MPS 9999 25/20 Q1000", "ZUUU 090900Z VRB02MPS 9999 25/20 Q1000")
    assert found.values["wind_speed_10min"].tolist() == [0, 2]
    assert "wind_from_direction_10min" not in found.values


def test_nil_slashes_forecasts_and_impossible_dates() -> None:
    found = read(
        "ZUCK 090900Z 24010KT //// ///// Q////", "ZUUU 090900Z NIL", "TAF ZBAA 090900Z 24010G50KT 9999",
        "ZPPP 390900Z 24010KT 25/20 Q1000", "ZGGG 090900Z COR 24010KT 25/// Q1000",
    )  # fmt: skip
    assert found.station.tolist() == ["ZUCK", "ZGGG"]
    assert found.rejected == ((metar_text.NO_DATE, 1),)
    assert "1 stations report nothing" in found.remarks
    assert "dew_point_temperature" not in found.values


def test_corrections() -> None:
    first = "METAR ZUCK 090900Z 24010MPS 25/20 Q1000="
    later = "METAR COR ZUCK 090900Z 24012MPS 25/20 Q1000="
    for raw in (first + later, later + first):
        found = metar_text.read_metar_dated(raw.encode(), "x", datetime(2025, 6, 9, 12, tzinfo=UTC))
        assert only(found, "wind_speed_10min") == 12
        assert found.revision == 1


def test_remarks_on_which_the_library_runs_for_years() -> None:
    found = read(f"KLBB 090853Z 16012KT 10SM 23/19 A3003 RMK LTG DSNT {'E' * 60}X TS {'NE' * 40}Y T02280194")
    assert only(found, "air_temperature") == np.float32(22.8)


def test_the_date_comes_from_the_name() -> None:
    raw = b"SACI31 BABJ 311600\nMETAR ZUCK 311600Z 24010MPS 25/20 Q1000="
    found = metar_text.FORMAT.read(raw, "A_SACI31BABJ311600_C_BABJ_20250531160500_1.txt")
    assert found.time[0] == np.datetime64("2025-05-31T16:00")
    with pytest.raises(ReadError) as caught:
        metar_text.FORMAT.read(raw, "metar.txt")
    assert caught.value.reason is Reason.BAD_HEADER


GROUP = st.one_of(
    st.text("0123456789/KTMPSGVRB-+AQ ", max_size=30), st.text(max_size=8),
    st.sampled_from(["RMK", "TEMPO", "PK WND 15060/9999", "T1", "LTG", "WS ALL RWY", "R18L/////", "99999KT", "G99KT"]),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(GROUP, max_size=20))
def test_any_groups_end_well(groups: list[str]) -> None:
    text = f"METAR ZUCK 090900Z {' '.join(groups)}=\nMETAR ZUUU 090900Z 24010MPS 25/20 Q1000="
    try:
        found = metar_text.read_metar_dated(text.encode(), "x", WHEN)
    except ReadError:
        return
    assert all(not np.isinf(column).any() for column in found.values.values())
