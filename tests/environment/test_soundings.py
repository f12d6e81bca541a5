"""Readers of soundings: TEMP, Wyoming, MICAPS diamond 5, BUFR."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.environment.makers import NOON, bufr, simple
from tests.radar.samples import mutate
from wxcore.environment import temp
from wxcore.environment.bufr import nominal_hour
from wxcore.environment.bufr import read_bufr as bufr_read
from wxcore.environment.files import FORMATS
from wxcore.environment.heights import heights_of
from wxcore.environment.profile import Soundings
from wxcore.environment.tlogp import read_tlogp, write_tlogp
from wxcore.environment.wyoming import read_wyoming, write_wyoming
from wxcore.errors import ReadError, Reason, TimeError

KNOT = 0.514444
REFERENCE = datetime(2020, 6, 12, 13, tzinfo=UTC)
BY_NAME = {form.name: form for form in FORMATS}

TEMP = b"""ZCZC 123
USCI01 BABJ 121200
TTAA  12121 57516 99978 24423 01002 00105 ///// ///// 92587 22016
14504 85503 18032 20506 70137 08256 22508 50588 05158 25515 40760 16568 26020
30970 31913 27025 25097 42313 27530 20242 54707 28035 15423 67106 28530
10664 75710 29015 88118 72908 29020 77999=
TTBB  12128 57516 00978 24423 11956 25858 22600 02022 33560 01157 44118 72908
21212 00978 01002 11900 18505 31313 01234=
TTCC  12128 57516 70868 65956 50072 59156 88999 77999=
NNNN
"""


def test_temp_by_hand() -> None:
    profile = temp.read_dated(TEMP, "x.txt", REFERENCE).profiles[0]
    assert (profile.place, profile.time) == ("57516", NOON)
    assert np.isnan(profile.lat)
    row = {round(p, 1): index for index, p in enumerate(profile.pressure)}

    def at(pressure: float) -> list[float]:
        index = row[pressure]
        return [
            float(column[index]) for column in (profile.temperature, profile.dew_point, profile.u, profile.v)
        ]  # fmt: skip

    # 99978 24423: 978 hPa, 24.4 C, depression 2.3 K; 01002: from 10 deg with 2 m/s.
    assert at(978) == pytest.approx([24.4, 22.1, -2 * np.sin(np.pi / 18), -2 * np.cos(np.pi / 18)])
    # 1000 hPa lies under the ground: no level of it, though its height is told.
    assert 1000 not in row
    # 85503: 1503 m; 18032: 18.0 C, depression 3.2; 20506: 205 is 20 tens, 506 = 500 + 6: from 205 deg with 6 m/s.
    assert profile.height[row[850]] == 1503
    assert at(850) == pytest.approx([18.0, 14.8, -6 * np.sin(np.deg2rad(205)), -6 * np.cos(np.deg2rad(205))])
    # 70137: 3137 m; 08256: 8.2 C, 56 is 6 K. 50588 05158: 5880 m, tenths odd: -5.1 C, 58 is 8 K.
    assert (profile.height[row[700]], profile.height[row[500]]) == (3137, 5880)
    assert at(700)[:2] == pytest.approx([8.2, 2.2])
    assert at(500)[:2] == pytest.approx([-5.1, -13.1])
    # 25097: 10,970 m; 20242: 12,420 m; 10664: 16,640 m. 27530: from 275 deg? 27 tens, 530: 275 deg, 30 m/s.
    assert [profile.height[row[p]] for p in (250, 200, 100)] == [10_970, 12_420, 16_640]
    assert at(250)[2] == pytest.approx(-30 * np.sin(np.deg2rad(275)))
    # Part B: 956 hPa 25.8 C, depression 8 K; 560 hPa 01157: -1.1 C; wind alone at 900 hPa: 185 deg, 5 m/s.
    assert at(956)[:2] == pytest.approx([25.8, 17.8])
    assert at(560)[0] == pytest.approx(-1.1)
    assert np.isnan(at(900)[0])
    assert at(900)[3] == pytest.approx(-5 * np.cos(np.deg2rad(185)))
    # Part C: 70868: 18,680 m, 50072: 20,720 m.
    assert [profile.height[row[p]] for p in (70, 50)] == [18_680, 20_720]
    # 0 C between 600 hPa (2.0 C) and 560 hPa (-1.1 C).
    assert profile.height[row[600]] < heights_of(profile).h0_m < profile.height[row[560]]
    assert np.isfinite(profile.height).all()


def test_temp_height_of_the_ground_is_hypsometric() -> None:
    native = temp.read_dated(TEMP, "x.txt", REFERENCE)
    profile = native.profiles[0]
    # 925 hPa at 587 m; 53 hPa of air of 24.7 C (virtual 27.6 C): 287.05 / 9.80665 * 300.7 * ln(978 / 925) = 490 m.
    assert profile.height[0] == pytest.approx(587 - 490, abs=5)
    assert any("hypsometric" in remark for remark in native.remarks)


def test_temp_in_knots() -> None:
    knots = TEMP.replace(b"TTAA  12121", b"TTAA  62121")
    profile = temp.read_dated(knots, "x.txt", REFERENCE).profiles[0]
    assert profile.time == NOON
    assert np.hypot(profile.u[0], profile.v[0]) == pytest.approx(2 * KNOT, rel=1e-4)


def test_temp_winds_end_where_the_code_says() -> None:
    """Id 5: no wind group above 500 hPa, so that 30970 is a level and no wind."""
    text = (
        b"TTAA  12125 57516 99978 24423 01002 92587 22016 14504 85503 18032 20506 70137 08256 22508 50588 05158 25515 "
        b"40760 16568 30970 31913 25097 42313 20242 54707 88999 77999="
    )
    profile = temp.read_dated(text, "x.txt", REFERENCE).profiles[0]
    assert [profile.height[profile.pressure == p][0] for p in (400, 300, 250, 200)] == [7600, 9700, 10_970, 12_420]
    assert np.isfinite(profile.u[profile.pressure == 500]).all()
    assert np.isnan(profile.u[profile.pressure == 400]).all()


def test_temp_without_signs_of_the_end() -> None:
    bare = TEMP.replace(b"=", b"").replace(b"NNNN", b"").replace(b"ZCZC 123\nUSCI01 BABJ 121200\n", b"")
    native = temp.read_dated(bare + bare.replace(b"57516", b"57494"), "x.txt", REFERENCE)
    whole = temp.read_dated(TEMP, "x.txt", REFERENCE).profiles[0]
    assert [one.place for one in native.profiles] == ["57516", "57494"]
    assert all(np.array_equal(one.height, whole.height) for one in native.profiles)


def test_temp_several_stations_in_a_bulletin() -> None:
    other = TEMP.replace(b"57516", b"57494").replace(b"ZCZC 123\n", b"")
    native = temp.read_dated(TEMP + other, "x.txt", REFERENCE)
    assert [one.place for one in native.profiles] == ["57516", "57494"]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (datetime(2020, 6, 12, 11, 30, tzinfo=UTC), NOON),  # part A is sent before its nominal hour
        (datetime(2020, 6, 12, 9, 0, tzinfo=UTC), datetime(2020, 5, 12, 12, tzinfo=UTC)),
        (datetime(2021, 1, 3, 0, 0, tzinfo=UTC), datetime(2020, 12, 12, 12, tzinfo=UTC)),
    ],
)
def test_temp_month_and_year_from_the_reference(reference: datetime, expected: datetime) -> None:
    native = temp.read_dated(TEMP, "x.txt", reference)
    assert native.profiles[0].time == expected
    assert "reference" in native.remarks[0]


def test_temp_takes_the_names_date_or_refuses() -> None:
    assert temp.read_temp(TEMP, "A_USCI01BABJ121200_C_BABJ_20200612131500_1.txt").profiles[0].time == NOON
    assert temp.read_temp(TEMP, "UPAR_20200612.txt").profiles[0].time == NOON
    with pytest.raises(ReadError, match="no date") as caught:
        temp.read_temp(TEMP, "temp.txt")
    assert caught.value.reason == Reason.BAD_HEADER
    with pytest.raises(TimeError):
        temp.read_dated(TEMP, "x", datetime(2020, 6, 12, 13))  # noqa: DTZ001


def test_temp_day_that_no_month_has() -> None:
    with pytest.raises(ReadError) as caught:
        temp.read_dated(TEMP.replace(b" 1212", b" 4912"), "x.txt", REFERENCE)
    assert caught.value.reason == Reason.BAD_VALUE


@pytest.mark.parametrize(("pressure", "metres"), [(850, 1457), (500, 5574), (250, 10_363), (100, 16_180), (10, 31_055)])
def test_standard_atmosphere(pressure: float, metres: float) -> None:
    assert temp.standard_height(pressure) == pytest.approx(metres, abs=15)  # ICAO table


WYOMING = b"""<H2>57516 Chongqing Observations at 12Z 12 Jun 2020</H2>
<PRE>
-----------------------------------------------------------------------------
   PRES   HGHT   TEMP   DWPT   RELH   MIXR   DRCT   SKNT   THTA   THTE   THTV
    hPa     m      C      C      %    g/kg    deg   knot     K      K      K
-----------------------------------------------------------------------------
 1000.0    105
  978.0    260   24.4   22.1     87  17.50     10      4  299.4  351.0  302.6
  925.0    770   22.0   20.4     91  16.60    145      8  301.6  351.4  304.6
  850.0   1503   18.0   14.8     82  12.62    205     12  305.0  343.2  307.3
  700.0   3137    8.2    2.2     66   6.43    225     16  311.6  332.4  312.8
  500.0   5880   -5.1  -13.1     53   2.84    255     30  326.8  336.9  327.4
  400.0   7600  -16.5  -34.5     19   0.51                333.4  335.5  333.6
  300.0   9700  -31.9                         270     50  340.4
</PRE><H3>Station information and sounding indices</H3><PRE>
                         Station number: 57516
                       Observation time: 200612/1200
                       Station latitude: 29.51
                      Station longitude: 106.48
                      Station elevation: 260.0
</PRE>
"""


def test_wyoming_by_hand() -> None:
    profile = read_wyoming(WYOMING, "x.txt").profiles[0]
    assert (profile.place, profile.time, profile.lat, profile.lon) == ("57516", NOON, 29.51, 106.48)
    assert list(profile.pressure) == [978, 925, 850, 700, 500, 400, 300]
    assert profile.height[1] == 770
    assert np.hypot(profile.u[1], profile.v[1]) == pytest.approx(8 * KNOT, rel=1e-4)
    assert profile.v[1] > 0  # from 145 deg: towards the north
    assert profile.u[1] < 0
    assert np.isnan(profile.u[5])
    assert np.isnan(profile.dew_point[6])
    # 0 C between 3137 m (8.2 C) and 5880 m (-5.1 C): 3137 + 8.2 / 13.3 * 2743.
    assert heights_of(profile).h0_m == pytest.approx(3137 + 8.2 / 13.3 * 2743)


def test_wyoming_in_metres_per_second() -> None:
    metric = WYOMING.replace(b"   SKNT", b"   SPED").replace(b"   knot", b"    m/s")
    profile = read_wyoming(metric, "x.txt").profiles[0]
    assert np.hypot(profile.u[1], profile.v[1]) == pytest.approx(8)


def test_wyoming_pages_of_2025_and_later() -> None:
    body = WYOMING.split(b"</PRE>")[0].replace(b"   SKNT", b"   SPED").replace(b"   knot", b"    m/s")
    title = b"<H3>Observations for Station 57516 at 12 UTC 12 Jun 2020</H3><BR><I>Latitude: 29.51 Longitude: 106.48</I>"
    data = title + b"\n" + body.split(b"\n", 1)[1]
    assert BY_NAME["sounding-wyoming"].recognise(data)
    profile = read_wyoming(data, "x.txt").profiles[0]
    assert (profile.place, profile.time, profile.lat, profile.lon) == ("57516", NOON, 29.51, 106.48)
    assert np.hypot(profile.u[1], profile.v[1]) == pytest.approx(8)


def test_wyoming_two_in_a_file_and_one_broken() -> None:
    second = WYOMING.replace(b"12Z 12 Jun", b"00Z 13 Jun")
    native = read_wyoming(WYOMING + second + WYOMING.replace(b"12 Jun", b"32 Jun"), "x.txt")
    assert [one.time for one in native.profiles] == [NOON, NOON + timedelta(hours=12)]
    assert native.rejected == (("impossible date", 1),)


def test_a_wrong_height_is_replaced() -> None:
    native = read_wyoming(WYOMING.replace(b"  700.0   3137", b"  700.0   7137"), "x.txt")
    assert native.profiles[0].height[3] == pytest.approx(3137, abs=40)
    assert any("contradict" in remark for remark in native.remarks)


def test_four_levels_are_no_profile() -> None:
    lines = WYOMING.split(b"\n")
    with pytest.raises(ReadError, match="fewer than 5") as caught:
        read_wyoming(b"\n".join(lines[:11]), "x.txt")
    assert caught.value.reason == Reason.BAD_VALUE


DIAMOND = """diamond 5 20年06月12日20时TLOGP
20 06 12 20 2
57516 106.47 29.58 259 42
978 26 24.4 22.1 10 2
925 77 22.0 20.4 145 4
850 150 18.0 14.8 205 6
700 314 8.2 2.2 225 8
500 588 -5.1 -13.1 255 15
400 760 -16.5 -34.5 9999 9999
300 970 -31.9 9999 270 25
57494 114.05 30.60 23 12
1000 10 24.4 22.1 10 2
925 77 22.0 20.4 145 4
""".encode("gbk")


def test_diamond_5_by_hand() -> None:
    native = read_tlogp(DIAMOND, "20061220.000")
    profile = native.profiles[0]
    assert (profile.place, profile.time, profile.lat, profile.lon) == ("57516", NOON, 29.58, 106.47)  # 20 BJT
    assert profile.height[3] == 3140
    assert np.isnan(profile.u[5])
    assert np.isnan(profile.dew_point[6])
    assert profile.u[6] == pytest.approx(25)
    assert native.rejected == (("fewer than 5 levels with temperature", 1),)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b"20 06 12 20 2", b"20 13 12 20 2", Reason.BAD_HEADER),
        (b"20 06 12 20 2", b"a b c d e", Reason.BAD_HEADER),
        (b"29.58 259 42", b"29.58 259 43", Reason.BAD_VALUE),
        (b"29.58 259 42", b"29.58 259 9e9", Reason.BAD_VALUE),
    ],
)
def test_diamond_5_refusals(before: bytes, after: bytes, reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        read_tlogp(DIAMOND.replace(before, after), "x.000")
    assert caught.value.reason == reason


def close(found: Soundings, expected: Soundings, height_m: float, speed: float) -> None:
    assert [one.place for one in found.profiles] == [one.place for one in expected.profiles]
    for one, two in zip(found.profiles, expected.profiles, strict=True):
        assert one.time == two.time
        np.testing.assert_allclose(one.pressure, two.pressure, atol=0.06)
        np.testing.assert_allclose(one.height, two.height, atol=height_m)
        np.testing.assert_allclose(one.temperature, two.temperature, atol=0.06)
        np.testing.assert_allclose(one.dew_point, two.dew_point, atol=0.06)
        np.testing.assert_allclose(np.hypot(one.u, one.v), np.hypot(two.u, two.v), atol=speed)


@settings(max_examples=30, deadline=None)
@given(st.floats(-5, 45), st.integers(0, 23), st.floats(-80, 80), st.booleans())
def test_writers_then_readers(surface: float, hour: int, lat: float, simulated: bool) -> None:
    profile = simple(NOON.replace(hour=hour), surface, lat)
    native = Soundings("", "", (profile,), simulated=simulated)
    for read, write in ((read_wyoming, write_wyoming), (read_tlogp, write_tlogp)):
        found = read(write(native), "x")
        close(found, native, 1.1, 0.3)
        assert found.simulated == simulated
        assert found.profiles[0].lat == pytest.approx(lat, abs=0.006)


@pytest.mark.parametrize(("count", "compressed"), [(1, 0), (1, 1)])
def test_bufr(count: int, compressed: int) -> None:
    native = Soundings("", "", tuple(simple() for _ in range(count)))
    found = bufr_read(bufr(list(native.profiles), compressed=compressed), "x.bin")
    close(found, native, 0.6, 0.06)
    assert found.profiles[0].lat == pytest.approx(29.58)


def test_bufr_of_two_subsets_and_two_messages() -> None:
    data = bufr([simple(), simple(place="57494")]) + b"\r\r\nNNNN" + bufr([simple(place="57447")])
    found = bufr_read(b"IUSC41 BABJ 121200\r\r\n" + data, "x.bin")
    assert [one.place for one in found.profiles] == ["57516", "57494", "57447"]
    assert found.profiles[1].temperature == pytest.approx(simple().temperature, abs=0.06)


def test_bufr_of_another_category_is_not_claimed() -> None:
    data = bytearray(bufr([simple()]))
    assert BY_NAME["bufr-sounding"].recognise(bytes(data))
    data[18] = 0
    assert not BY_NAME["bufr-sounding"].recognise(bytes(data))


@pytest.mark.parametrize(
    ("launch", "nominal"),
    [((11, 15), 12), ((10, 45), 12), ((12, 20), 12), ((23, 15), 24), ((8, 20), 8), ((0, 10), 0), ((17, 0), 18)],
)
def test_nominal_hour(launch: tuple[int, int], nominal: int) -> None:
    midnight = datetime(2020, 6, 12, tzinfo=UTC)
    assert nominal_hour(midnight.replace(hour=launch[0], minute=launch[1])) == midnight + timedelta(hours=nominal)


SAMPLES = {"temp-text": TEMP, "sounding-wyoming": WYOMING, "micaps-5": DIAMOND, "bufr-sounding": bufr([simple()])}


@pytest.mark.parametrize("name", SAMPLES)
def test_recognised_by_one_format_alone(name: str) -> None:
    assert [form.name for form in FORMATS if form.recognise(SAMPLES[name][:8192])] == [name]
    for other in (
        b"diamond 1 x\n20 06 12 20 2\n",
        b"AAXX 12121\n57516 32970 00000=\n",
        b"",
        b"\0" * 8192,
        b"diamond 50 ",
    ):
        assert not any(form.recognise(other) for form in FORMATS)


@pytest.mark.parametrize("name", SAMPLES)
def test_description(name: str) -> None:
    native = BY_NAME[name].read(SAMPLES[name], "x_20200612130000.txt")
    description = BY_NAME[name].describe(native)
    assert (description.kind, description.time, description.site) == ("sounding", NOON, "57516")


@pytest.mark.parametrize("name", SAMPLES)
def test_mutants_are_read_or_refused(name: str) -> None:
    rng = np.random.default_rng(6)
    for _ in range(60):
        try:
            BY_NAME[name].read(mutate(SAMPLES[name], rng, 40), "x_20200612130000.txt")
        except ReadError:
            continue


@pytest.mark.parametrize("name", SAMPLES)
def test_no_sentinel_leaves_a_reader(name: str) -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        data = SAMPLES[name]
        if name != "bufr-sounding":
            at = int(rng.integers(60, len(data) - 4))
            data = data[:at] + [b"9999", b"////", b"    "][int(rng.integers(0, 3))] + data[at + 4 :]
        try:
            native = BY_NAME[name].read(data, "x_20200612130000.txt")
        except ReadError:
            continue
        for profile in native.profiles:
            for column in (profile.temperature, profile.dew_point, profile.u, profile.v):
                assert not (np.abs(column) > 200).any()
            assert np.isfinite(profile.height).all()


def test_too_large_a_file_is_refused() -> None:
    for name, data in SAMPLES.items():
        with pytest.raises(ReadError) as caught:
            BY_NAME[name].read(data + bytes(64 * 2**20), "x_20200612130000.txt")
        assert caught.value.reason == Reason.TOO_LARGE
