"""MICAPS stations: real files counted, columns borne out, headers in every dress, sentinels, lists, writers, damage."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.samples import mutate
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.schema import HEAD_BYTES, Format
from wxcore.station import micaps, micaps_text
from wxcore.station.micaps_plots import describe, element_of, read_scatter, read_surface, write_scatter, write_surface
from wxcore.station.micaps_rows import Plot
from wxcore.station.reports import Reports

SURFACE = """\
diamond  1 2020年03月27日14时地面观测（全站点）
  20  03  27  14   3
57516 106.47  29.58  259 1 9999  334    2  117    0    0    0    0.2 9999 9999 9999   12   21    0   14.7 9999 9999 9999 9999
57348 109.48  31.03  299 1   10   71    0  983    0    6    6     20 9999 9999 1500 9999   20   60   1.16e+01 9999 **** 9999 9999
658290 106.5  29.5  9999 1   10   71    3  9999    0    6    6     20 9999 9999 1500    9   20   161 9999.0 9999 9999 1 2 -3 4
"""  # noqa: E501
SCATTER = """\
diamond 3 17年01月14日18时气温
17 01 14 18 -1
0
1 25 0
1 2
T0005 116.09 40.07 1 9999
99070 115.5 25.2 2 07.2
"""
LIST = "diamond 17 x 2\n57598 2902 11435 147.4 6 1 a\n57694 2832 11423 256 6 1 b\n"

STATIONS = "micaps/pymicaps/SampleData/"
REAL = {  # path in data/stations -> format, rows, stations
    "micaps/20032714.000": ("micaps-1", 6644, 5186),
    STATIONS + "17011418.000": ("micaps-3", 1621, 1621),
    STATIONS + "17033115.000": ("micaps-3", 1863, 1863),
    STATIONS + "data.txt": ("micaps-3", 375, 375),
    STATIONS + "jxstation.txt": ("micaps-17", 86, 85),
    "lists/meteva_sta2411_alt.txt": ("micaps-3", 2411, 2411),
    "lists/meteva_sta_global_alt_243.txt": ("micaps-3", 243, 243),
    "lists/meteva_stat10461.txt": ("micaps-3", 10460, 10460),
    "lists/meteva_station_1w_plus_1w.txt": ("micaps-3", 19469, 19469),
    "lists/meteva_station_global_alt_11621.txt": ("micaps-3", 11621, 11621),
    "lists/nmc_met_map_sta2513.dat": ("micaps-16", 2513, 2511),
}


def surface(text: str = SURFACE, name: str = "", encoding: str = "gbk") -> Reports:
    found = read_surface(text.encode(encoding), name)
    assert isinstance(found, Reports)
    return found


def plot(text: str, name: str = "") -> Plot:
    found = read_scatter(text.encode("gbk"), name)
    assert isinstance(found, Plot)
    return found


def format_of(head: bytes) -> Format:
    (found,) = [each for each in micaps.FORMATS if each.recognise(head[:HEAD_BYTES])]
    return found


@pytest.mark.parametrize("path", REAL)
def test_real_files(data: Path, path: str) -> None:
    form, rows, stations = REAL[path]
    content = (data / "stations" / path).read_bytes()
    found = format_of(content)
    native = found.read(content, Path(path).name)
    assert (found.name, native.station.size, np.unique(native.station).size) == (form, rows, stations)
    what = found.describe(native)
    is_list = path.startswith("lists") or "jxstation" in path
    assert what.kind == ("station" if form == "micaps-1" else "product")
    assert any("wx stations import" in remark for remark in what.remarks) == is_list


def test_other_lists_are_not_ours(data: Path) -> None:
    for name in ("meteostat_cn.csv", "meteva_station_id_pro_county.txt"):
        head = (data / "stations/lists" / name).read_bytes()[:HEAD_BYTES]
        assert not any(each.recognise(head) for each in micaps.FORMATS)


def test_real_columns_are_what_we_say(data: Path) -> None:
    found = read_surface((data / "stations/micaps/20032714.000").read_bytes(), "20032714.000")
    assert found.start == found.end == datetime(2020, 3, 27, 6, tzinfo=UTC)
    value = found.values
    counts = {name: int((~np.isnan(column)).sum()) for name, column in value.items()}
    assert counts == {
        "air_pressure_at_mean_sea_level": 4570, "air_temperature": 6198, "dew_point_temperature": 5195,
        "wind_speed_10min": 6644, "wind_from_direction_10min": 5301, "present_weather": 1404,
    }  # fmt: skip
    pressure = value["air_pressure_at_mean_sea_level"]
    assert np.nanmin(pressure) > 940
    assert np.nanmax(pressure) < 1060
    warm, dew = value["air_temperature"], value["dew_point_temperature"]
    both = ~np.isnan(warm) & ~np.isnan(dew)
    assert (dew > warm + 0.5)[both].sum() == 2  # dew points are whole degrees
    bands = [np.nanmedian(warm[(found.lat >= south) & (found.lat < south + 15)]) for south in range(0, 90, 15)]
    assert bands == sorted(bands, reverse=True)
    assert np.nanmax(value["wind_speed_10min"]) == 32
    assert not any((np.abs(column) >= 9000).any() for column in (*value.values(), found.elevation))
    at = found.station.tolist().index("57348")
    assert value["present_weather"][at] == 60  # rain; 20 mm in 6 hours in its row
    assert (found.lon[at], found.lat[at], found.elevation[at]) == (109.48, 31.03, 299)
    assert any("01009" in remark for remark in found.remarks)


@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "utf-8-sig", "gb18030"])
def test_by_hand(encoding: str) -> None:
    found = surface(encoding=encoding)
    assert found.title == "MICAPS 2020年03月27日14时地面观测（全站点）"
    assert found.start == datetime(2020, 3, 27, 6, tzinfo=UTC)
    assert found.station.tolist() == ["57516", "57348", "A8290"]
    np.testing.assert_allclose(found.values["air_pressure_at_mean_sea_level"], [1011.7, 998.3, np.nan], rtol=1e-6)
    np.testing.assert_allclose(found.values["air_temperature"], [14.7, 11.6, np.nan], rtol=1e-6)
    np.testing.assert_array_equal(found.values["dew_point_temperature"], [12, np.nan, 9])
    np.testing.assert_array_equal(found.values["wind_speed_10min"], [2, 0, 3])
    np.testing.assert_array_equal(found.values["wind_from_direction_10min"], [334, np.nan, 71])  # calm has none
    np.testing.assert_array_equal(found.values["present_weather"], [np.nan, 60, np.nan])
    np.testing.assert_array_equal(found.elevation, [259, 299, np.nan])
    assert "precipitation_1h" not in found.values
    assert found.rejected == ()
    assert format_of(SURFACE.encode(encoding)).name == "micaps-1"


def test_broken_bytes_in_the_title() -> None:
    broken = SURFACE.encode("gbk").replace("观".encode("gbk"), b"\xff\xb9", 1)
    np.testing.assert_array_equal(read_surface(broken, "").lon, surface().lon)


@pytest.mark.parametrize(
    "head",
    [
        "diamond 1 some title 20 03 27 14 3",
        "diamond 1 some title 20 03 27\n14 3",
        "diamond 1 some title\n2020 3 27\n 14\n3",
        "diamond 1\n20 03 27 14 3",
        "diamond 1 2020 03 title 5\n20 03 27 14\n3",
        "\ndiamond1\t\n20 03 26 38 3".replace("26 38", "27 14"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_header_on_any_lines(head: str, end: str) -> None:
    text = "\n".join([head, *SURFACE.split("\n")[2:]]).replace("\n", end)
    found = surface(text)
    assert found.start == datetime(2020, 3, 27, 6, tzinfo=UTC)
    assert found.station.size == 3


@pytest.mark.parametrize(
    ("date", "year"), [("99 03 27 24", 1999), ("00 03 27 24", 2000), ("2008 3 27 24", 2008), ("89 3 27 24", 2089)]
)
def test_years_and_hour_24(date: str, year: int) -> None:
    assert surface(SURFACE.replace("20  03  27  14", date)).start == datetime(year, 3, 27, 16, tzinfo=UTC)


@pytest.mark.parametrize("date", ["20 13 27 14", "20 02 30 14", "20 03 27 25", "20 03 x 14", "2200 03 27 14", "20 3"])
def test_no_date(date: str) -> None:
    with pytest.raises(ReadError) as caught:
        surface(SURFACE.replace("20  03  27  14", date))
    assert caught.value.reason is Reason.BAD_HEADER


def test_names_tell_minutes_or_disagree() -> None:
    assert surface(name="20032714.000").remarks == ()
    assert surface(name="2020032714.000").remarks == ()
    assert surface(name="2003271410.000").start == datetime(2020, 3, 27, 6, 10, tzinfo=UTC)
    assert surface(name="20200327142500.000").start == datetime(2020, 3, 27, 6, 25, tzinfo=UTC)
    other = surface(name="20032708.000")
    assert other.start == datetime(2020, 3, 27, 6, tzinfo=UTC)
    assert "20032708" in other.remarks[0]


@pytest.mark.parametrize(
    ("code", "pressure"),
    [("0", 1000.0), ("082", 1008.2), ("499", 1049.9), ("600", 960.0), ("999", 999.9), ("500", np.nan),
     ("599", np.nan), ("10117", np.nan), ("998.3", np.nan), ("117.5", np.nan), ("117.0", 1011.7),
     ("-3", np.nan), ("9999.0", np.nan)],
)  # fmt: skip
def test_pressure(code: str, pressure: float) -> None:
    found = surface(SURFACE.replace("117", code))
    np.testing.assert_allclose(found.values["air_pressure_at_mean_sea_level"][0], pressure, rtol=1e-6)
    odd = any("codes of pressure" in remark for remark in found.remarks)
    assert odd == (np.isnan(pressure) and code != "9999.0")


def test_a_name_with_a_lead_time_is_that_of_a_forecast() -> None:
    rows = "17 01 14 18 -1 0 1 25 0 1 2\n57516 106.5 29.5 260 31.2\n57517 106.6 29 260 30\n"
    text = f"diamond 3 17年01月14日18时1小时极大风速\n{rows}"
    assert isinstance(read_scatter(text.encode("gbk"), "17011418.000"), Reports)
    forecast = plot(text, "17011418.024")
    assert (forecast.hours, describe(forecast).kind) == (24, "product")
    assert "a forecast of 24 h, by its name" in forecast.remarks


def test_a_file_with_more_rows_than_its_header_counts_is_refused() -> None:
    row = SURFACE.split("\n")[2] + "\n"
    assert surface(SURFACE + row * 3).station.size == 6
    with pytest.raises(ReadError, match="header counts 3") as caught:
        surface(SURFACE + row * 4)
    assert caught.value.reason is Reason.BAD_VALUE
    blank = surface(SURFACE.replace("\n", "\n\n\r\n"))
    assert blank.station.size == 3


def test_words_for_nothing_are_no_ids() -> None:
    found = surface(SURFACE.replace("57348", "null"))
    assert found.station.tolist() == ["57516", "A8290"]
    assert [count for _, count in found.rejected] == [1]


def test_texts_are_read_where_they_can_be_killed() -> None:
    assert all(one.in_child for one in micaps.FORMATS)


def test_ragged_glued_and_displaced_rows() -> None:
    rows = SURFACE.split("\n")
    rows[2] = rows[2].replace("106.47  29.58", "106.47-29.58")  # Fortran without a blank
    rows[3] = rows[3].replace("  31.03", "  131.03")
    rows[4] = rows[4].replace(" 1 2 -3 4", "")  # 22 columns
    text = "\n".join([*rows[:-1], *SURFACE.split("\n")[2:5], ""]).replace(" 14   3\n", " 14   6\n")
    found = surface(text)
    assert found.station.tolist() == ["57516", "57516", "57348", "A8290"]
    assert found.lat[0] == -29.58
    assert dict(found.rejected) == {"row not understood": 1, "impossible latitude or longitude": 1}


def test_duplicates_stay_in_order() -> None:
    again = SURFACE.split("\n")[2].replace("14.7", "15.0")
    found = surface(SURFACE.replace(" 14   3\n", " 14   4\n") + again + "\n")
    assert found.station.tolist() == ["57516", "57348", "A8290", "57516"]
    assert found.values["air_temperature"][-1] == 15
    assert "the last is the newest" in found.remarks[0]


@pytest.mark.parametrize(
    ("count", "text", "reason"),
    [
        (100, SURFACE, Reason.TRUNCATED),
        (3, "\n".join([*SURFACE.split("\n")[:4], ""]), Reason.TRUNCATED),  # two thirds are there
        (0, "\n".join(SURFACE.split("\n")[:2]), Reason.EMPTY),
        (3, "\n".join([*SURFACE.split("\n")[:2], "a b", "c d", "e f", ""]), Reason.BAD_VALUE),
        (10**12, SURFACE, Reason.BAD_HEADER),
    ],
)
def test_refused(count: int, text: str, reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        surface(text.replace(" 14   3", f" 14   {count}"))
    assert caught.value.reason is reason


def test_last_row_without_its_end_is_left_out() -> None:
    body = [SURFACE.split("\n")[2]] * 20
    head = SURFACE.split("\n", maxsplit=1)[0]
    whole = "\n".join([head, "20 03 27 14 20", *body])
    assert surface(whole).station.size == 20  # the count says that nothing is missing
    short = "\n".join([head, "20 03 27 14 21", *body])
    assert surface(short).station.size == 19
    assert "header counts 21" in surface(short).remarks[0]


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micaps_text, "MAX_BYTES", 100)
    with pytest.raises(LimitError):
        surface()
    with pytest.raises(ReadError):
        surface("diamond 1 " + "x" * 2000)


@pytest.mark.parametrize(
    ("title", "element"),
    [
        ("17年01月14日18时气温", "air_temperature"), ("2017年1月14日18时全国自动站气温实况", "air_temperature"),
        ("2017011418 1小时降水量", "precipitation_1h"), ("17年03月31日15时1小时降水", "precipitation_1h"),
        ("17年01月14日18时最高气温", ""), ("17年03月31日15时24小时降水", ""), ("2017033124小时极大风速", ""),
        ("2017年3月气温", ""), ("小时降水预报", ""), ("极大风速", ""), ("ZDZData", ""), ("24小时变温", ""), ("", ""),
        ("17年01月14日小时极大风速", ""), ("17年01月14日18时小时极大风速", "wind_speed_of_gust"),
    ],
)  # fmt: skip
def test_elements_of_titles(title: str, element: str) -> None:
    assert element_of(title) == element


def test_scatter_with_a_clear_title_is_reports() -> None:
    found = read_scatter(SCATTER.encode("gbk"), "")
    assert isinstance(found, Reports)
    assert found.start == datetime(2017, 1, 14, 10, tzinfo=UTC)
    np.testing.assert_allclose(found.values["air_temperature"], [np.nan, 7.2], rtol=1e-6)
    assert found.station.tolist() == ["T0005", "99070"]
    assert describe(found).kind == "station"


def test_scatter_with_contours_boundary_and_elements() -> None:
    head = "diamond 3 17年01月14日18时气温\n17 01 14 18 850\n3 0 10 20\n1 25 2 100 20 110 30\n2 2\n"
    found = plot(head + "57516 106.5 29.6 259 1.5 9999\n57348 109.5 31 299 2.5 3.5\n")
    assert found.level == 850
    np.testing.assert_array_equal(found.values["value1"], [1.5, 2.5])
    np.testing.assert_array_equal(found.values["value2"], [np.nan, 3.5])
    assert describe(found).kind == "product"


def test_station_lists(data: Path) -> None:
    def read(name: str) -> dict[str, list[float]]:
        path = data / "stations" / name
        return {station: where for station, *where in micaps.station_list(path.read_bytes(), path.name)}

    high = read("lists/meteva_sta2411_alt.txt")
    assert len(high) == 2411
    assert high["50136"] == [122.52, 52.97, 433]
    everyone = read("lists/meteva_station_1w_plus_1w.txt")
    assert len(everyone) == 19469
    assert all(np.isnan(height) for _, _, height in everyone.values())  # the list has 0 everywhere
    globe = read("lists/meteva_station_global_alt_11621.txt")
    assert globe["01001"] == [-8.667, 70.918, 10]
    assert np.isnan(globe["01004"][2])  # 999999
    assert read("lists/meteva_sta_global_alt_243.txt")["03334"][0] == pytest.approx(-1.8)  # 358.2
    degrees = read("lists/nmc_met_map_sta2513.dat")
    assert degrees["45001"][:2] == pytest.approx([114 + 1 / 60, 22.2])
    assert np.isnan(degrees["45001"][2])
    assert "51243" not in degrees  # its minutes are 77
    jiangxi = read(STATIONS + "jxstation.txt")
    assert jiangxi["57598"] == pytest.approx([114 + 35 / 60, 29 + 2 / 60, 147.4])


def test_value_may_be_the_height() -> None:
    text = "diamond 3 sta_alt.txt\n2099 01 01 08 -1 0 0 0 0\n1 2\n86 358.2 40.07 0 31\n0899233 1.5 -25.2 0 9999\n"
    first, second = micaps.station_list(text.encode(), "x.txt")
    assert first[0] == "00086"
    assert first[1:] == pytest.approx((-1.8, 40.07, 31))
    assert np.isnan(second[3])
    assert plot(text).stations_only
    assert "Y9233" in [station for station, *_ in micaps.station_list(text.replace("0899", "899").encode(), "")]


def test_no_station_list() -> None:
    with pytest.raises(ReadError) as caught:
        micaps.station_list(SURFACE.encode("gbk"), "x")
    assert caught.value.reason is Reason.UNSUPPORTED


def test_upper_air_and_forecasts_as_the_manual_has_them() -> None:
    rows = b"57516 106.47 29.58 259 1 576 -12 3.5 270 22\n57447 109.5 30.3 458 1 9999 1 2 3 4\n"
    text = b"diamond 2 t\n20 03 27 08 500 2\n" + rows
    found = format_of(text).read(text, "20032708.000")
    assert isinstance(found, Plot)
    assert (found.level, found.values["height"][0], found.values["wind_speed"][1]) == (500, 576, 4)
    assert np.isnan(found.values["height"][1])
    text = b"diamond 8 t\n20 03 27 08 24 1\n57516 106.47 29.58 259 1 0 2 12 20 3 0 9999\n"
    found = format_of(text).read(text, "")
    assert isinstance(found, Plot)
    assert (found.hours, found.values["highest_temperature"][0]) == (24, 20)
    assert np.isnan(found.values["wind_force_2"][0])
    what = format_of(text).describe(found)
    assert what.kind == "product"
    assert any("no real file" in remark for remark in what.remarks)


def test_recognised_by_its_number_alone() -> None:
    names = [each.name for head in (1, 2, 3, 4, 8, 11, 14, 16, 17) for each in [format_of(b"diamond %d t\n" % head)]]
    assert names == [f"micaps-{number}" for number in (1, 2, 3, 4, 8, 11, 14, 16, 17)]
    for head in (
        b"",
        b"diamonds 1",
        b"diamond 7 x",
        b"diamond 131 x",
        b"a diamond 1",
        b"DIAMOND 1",
        SURFACE.encode()[9:],
    ):
        assert not any(each.recognise(head) for each in micaps.FORMATS)
    for name in ("20032714.000", "2003271410.000", "20200327140000.000"):
        assert micaps_text.NAME.search(name)
    for name in ("2003271.000", "20032714.000.bz2", "x20032714.000", "20032714"):
        assert not micaps_text.NAME.search(name)


numbers = st.one_of(st.none(), st.floats(-80, 60, width=32))
table_rows = st.tuples(numbers, st.floats(960, 1049.9), st.integers(0, 40), st.integers(0, 360))


@settings(max_examples=40, deadline=None)
@given(st.lists(table_rows, min_size=1, max_size=8), st.booleans())
def test_surface_written_and_read(rows: list[tuple[float | None, float, int, int]], simulated: bool) -> None:
    size = len(rows)
    warm = np.array([np.nan if row[0] is None else row[0] for row in rows], "f4")
    speed, direction = (np.array([row[k] for row in rows], "f4") for k in (2, 3))
    native = Reports(
        "micaps-1", "MICAPS 地面观测", np.array([f"A{row:04d}" for row in range(size)]),
        np.full(size, "2026-06-30T16:00", "M8[ns]"), np.linspace(-80, 80, size), np.linspace(-170, 170, size),
        np.full(size, np.nan, "f4"),
        {"air_temperature": warm, "air_pressure_at_mean_sea_level": np.array([row[1] for row in rows], "f4"),
         "wind_speed_10min": speed, "wind_from_direction_10min": direction},
        np.full(size, "NaT", "M8[ns]"), simulated=simulated,
    )  # fmt: skip
    found = read_surface(write_surface(native), "")
    assert (found.title, found.simulated, found.start) == (native.title, simulated, native.start)
    assert found.station.tolist() == native.station.tolist()
    nothing = np.full(size, np.nan, "f4")
    for name, error in (
        ("air_temperature", 0.051),
        ("air_pressure_at_mean_sea_level", 0.051),
        ("wind_speed_10min", 0.051),
    ):
        np.testing.assert_allclose(found.values.get(name, nothing), native.values[name], atol=error)
    turned = np.where(speed == 0, np.nan, direction)
    np.testing.assert_allclose(found.values.get("wind_from_direction_10min", nothing), turned)
    np.testing.assert_allclose(found.lat, native.lat, atol=1e-4)


def test_scatter_written_and_read() -> None:
    reports = read_scatter(SCATTER.encode("gbk"), "")
    assert isinstance(reports, Reports)
    again = read_scatter(write_scatter(replace(reports, simulated=True)), "")
    assert isinstance(again, Reports)
    assert again.simulated
    np.testing.assert_array_equal(again.values["air_temperature"], reports.values["air_temperature"])
    clear = plot(SCATTER.replace("时气温", "时最高气温"))
    np.testing.assert_array_equal(plot(write_scatter(clear).decode("gbk")).values["value"], clear.values["value"])
    with pytest.raises(ValueError, match="one element"):
        write_scatter(surface())
    with pytest.raises(ValueError, match="full hours"):
        write_surface(surface(name="2003271410.000"))


words = st.one_of(
    st.sampled_from("9999 9999.0 999999 999017 -9999 32766 nan inf 1e400 1_0 **** /// １".split()),  # noqa: SIM905
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.floats(9998.999, 9999.001).map(repr),
    st.text("0123456789.-eE+x", min_size=1, max_size=8),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(words, min_size=20, max_size=20), min_size=1, max_size=4), st.lists(words, max_size=6))
def test_junk_never_yields_a_sentinel(rows: list[list[str]], junk: list[str]) -> None:
    lines = [f"57516 106.5 29.6 {' '.join(row)}" for row in rows]
    text = "\n".join([f"diamond 1 x\n20 3 27 14 {len(lines)}", *lines, " ".join(junk), ""])
    try:
        found = read_surface(text.encode(), "")
    except ReadError:
        return
    for column in (*found.values.values(), found.elevation):
        size = np.abs(column)
        assert not np.isin(size, [9999, 99999, 32766, 999999, 999017]).any()
        assert not np.isinf(column).any()


@pytest.mark.parametrize(
    "text", [SURFACE, SCATTER, "diamond 17 x 2\n57598 2902 11435 147.4 6 1 a\n57694 2832 11423 256 6 1 b\n"]
)
def test_damage_raises_read_errors_only(text: str) -> None:
    rng = np.random.default_rng(6)
    whole = text.encode("gbk")
    read = format_of(whole).read
    for _ in range(400):
        mutant = mutate(whole, rng, 80)
        with suppress(ReadError):
            format_of(whole).describe(read(mutant, "20032714.000"))
