"""ADTD text: lines written out by hand in both dresses, Beijing time, leap second, bad lines, growing files, damage."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lightning.makers import strokes
from tests.radar.samples import mutate
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.lightning import adtd
from wxcore.lightning.adtd import FORMAT, write_adtd
from wxcore.lightning.events import CLOUD_TO_GROUND, STROKE, Lightning

CHINESE = """\
0 2018-06-26 00:00:01.1234567 纬度=29.563100 经度=106.551200 强度=-35.200000 陡度=-8.1 误差=0.3 定位方式=四站算法
1 2018-06-26 08:00:00.5 纬度=30.1 经度=107.2 强度=88.5 陡度=12.0 误差=0.4 定位方式=二站混合
2 2018-06-26 15:59:59.9999999 纬度=28.9 经度=105.4 强度=-12.0 陡度=-3.0 误差=0.2 定位方式=三站混合
"""
ASCII = "7 2018-06-26 08:00:00.5 lat=30.1 lon=107.2 strength=88.5 err=0.4\n"
TIMES = np.array(["2018-06-25T16:00:01.1234567", "2018-06-26T00:00:00.5", "2018-06-26T07:59:59.9999999"], "M8[ns]")
NAME = "2018_06_26.txt"


def read(text: str, name: str = NAME, encoding: str = "utf-8") -> Lightning:
    found = FORMAT.read(text.encode(encoding), name)
    assert isinstance(found, Lightning)
    return found


@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "utf-8-sig"])
def test_by_hand(encoding: str) -> None:
    found = read(CHINESE, encoding=encoding)
    np.testing.assert_array_equal(found.time, TIMES)
    assert found.lat.tolist() == [29.5631, 30.1, 28.9]
    assert found.lon.tolist() == [106.5512, 107.2, 105.4]
    assert found.strength.tolist() == [-35.2, 88.5, -12.0]
    assert found.start == datetime(2018, 6, 25, 16, tzinfo=UTC)
    assert found.end == datetime(2018, 6, 26, 7, 59, 59, 999999, tzinfo=UTC)
    assert (found.source, found.sees, found.level) == ("ADTD", CLOUD_TO_GROUND, STROKE)
    assert (found.coverage, found.rejected, found.remarks, found.simulated) == (None, (), (), False)
    assert FORMAT.recognise(CHINESE.encode(encoding))


def test_ascii_labels() -> None:
    found = read(ASCII)
    assert (found.lat[0], found.lon[0], found.strength[0]) == (30.1, 107.2, 88.5)
    assert FORMAT.recognise(ASCII.encode())


def test_labels_in_any_order_and_dress() -> None:
    found = read("7 2018/6/26 08:00:00 强度：-20.5kA 经度: 107.2 纬度 = 30.1\r\n")
    assert (found.lat[0], found.lon[0], found.strength[0]) == (30.1, 107.2, -20.5)


def test_unknown_current_is_nan() -> None:
    assert np.isnan(read(CHINESE.replace("强度=88.5", "强度=")).strength[1])


@pytest.mark.parametrize(
    "other", [b"", b"\x89HDF\r\n\x1a\n", b"lat=1 lon=2\n", b"1 2018-06-26 08:00:00 temperature=3\n", b"\n" * 8192]
)
def test_other_files_are_not_claimed(other: bytes) -> None:
    assert not FORMAT.recognise(other)


class TestTime:
    def test_leap_second(self) -> None:
        found = read(ASCII + "8 2018-06-26 07:59:60.25 lat=30 lon=107 strength=1\n")
        assert found.time[0] == np.datetime64("2018-06-26T00:00:00.25", "ns")

    @pytest.mark.parametrize("clock", ["08:00:60", "24:00:00", "08:61:00", "07:59:61"])
    def test_no_such_clock(self, clock: str) -> None:
        found = read(CHINESE + ASCII.replace("08:00:00.5", clock))
        assert found.rejected == (("no possible date or time", 1),)

    def test_a_stroke_of_another_day_does_not_move_the_end(self) -> None:
        found = read(CHINESE + ASCII.replace("2018", "2062"))
        assert found.end.year == 2018
        assert found.rejected == (("time not in the file's period", 1),)

    def test_description_has_the_last_stroke(self) -> None:
        one, two = read(CHINESE.splitlines(keepends=True)[0]), read(CHINESE)
        assert FORMAT.describe(one).time < FORMAT.describe(two).time == two.end
        assert (FORMAT.describe(two).kind, FORMAT.describe(two).site) == ("lightning", "ADTD")

    def test_name_of_another_day_is_told(self) -> None:
        assert read(CHINESE, "2018_06_27.txt").remarks == ("name says 2018_06_27, most lines 2018_06_26",)


class TestBadLines:
    def test_counted_by_reason(self) -> None:
        bad = [
            ASCII.replace("88.5", "-500.5"), ASCII.replace("lat=30.1", "lat=91"), ASCII.replace("107.2", "999"),
            ASCII.replace("06-26", "13-26"), "garbage\n", ASCII.replace("lat=30.1 ", ""), "\n", "# comment\n",
        ]  # fmt: skip
        found = read(CHINESE * 3 + "".join(bad))
        assert found.time.size == 9
        assert dict(found.rejected) == {
            "current over 500 kA": 1, "no place on Earth": 2, "no possible date or time": 1, "line not understood": 2,
        }  # fmt: skip

    def test_500_ka_is_believed(self) -> None:
        assert read(ASCII.replace("88.5", "-500")).strength[0] == -500

    def test_a_line_cut_off_at_the_end(self) -> None:
        found = read(CHINESE + "3 2018-06-26 16:00:00 纬度=30.1 经度=10")
        assert found.rejected == (("last line without its end", 1),)
        assert found.time.size == 3

    def test_mostly_rubbish_is_refused(self) -> None:
        with pytest.raises(ReadError, match="1 strokes of one day in 4 lines") as caught:
            read(ASCII + "x\n" * 3)
        assert caught.value.reason == Reason.BAD_VALUE

    def test_too_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(adtd, "MAX_BYTES", 50)
        with pytest.raises(LimitError):
            read(CHINESE)

    def test_long_lines_are_not_searched(self) -> None:
        assert read(CHINESE + ASCII.rstrip() + "a" * 10**6 + "\n").rejected == (("line not understood", 1),)


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 30), seed=st.integers(0, 99), encoding=st.sampled_from(["gbk", "utf-8"]), plain=st.booleans()
)
def test_writer_then_reader(count: int, seed: int, encoding: str, plain: bool) -> None:
    rng = np.random.default_rng(seed)
    made = strokes(
        np.round(rng.uniform(0, 3600 * 7, count), 7), np.round(rng.uniform(70, 140, count), 6),
        np.round(rng.uniform(15, 55, count), 6), np.round(rng.uniform(-300, 300, count), 3),
    )  # fmt: skip
    data = write_adtd(made, encoding=encoding, labels=("lat", "lon", "peak") if plain else None)
    assert FORMAT.recognise(data)
    found = FORMAT.read(data, "x.txt")
    np.testing.assert_array_equal(found.time, made.time)
    for name in ("lon", "lat", "strength"):
        np.testing.assert_allclose(getattr(found, name), getattr(made, name), atol=1e-9)


NUMBERS = st.one_of(
    st.sampled_from(["30.1", "-107.25", "+5"]),
    st.sampled_from(["88.5kA", "30.", "1.2.3", "123456789", "1.1234567890123", "١٢", "", "-", "1e3", "500.5"]),
)  # fmt: skip
LABELS = st.sampled_from(
    ["lat", "LATITUDE", "纬度", "lon", "经度", "longitude", "强度", "peak", "电流", "flat", "x", "陡度"]
)
SEPARATORS = st.one_of(
    st.just(" "), st.sampled_from([" ", "  ", "\t", ",", ";", "；", "", " , ", "     ", "\r", "\u3000"])
)
FIELDS = st.tuples(LABELS, st.sampled_from(["=", ": ", " ：", "", "    ="]), NUMBERS, SEPARATORS)
USUAL_FIELDS = st.tuples(
    st.sampled_from(["lat=", "纬度=", "LAT : "]), NUMBERS, SEPARATORS,
    st.sampled_from(["lon=", "经度：", "xlon="]), NUMBERS, SEPARATORS,
    st.sampled_from(["强度=", "peak=", "Strength=", "陡度="]), NUMBERS,
).map("".join)  # fmt: skip
CLOCKS = st.sampled_from(
    ["2018-06-26 08:00:00.5", "2018/6/26T8:00:00", "2018-06-26t08:00:00", "2018-13-26 08:00:00",
     "2018-06-26 23:59:60.5", "2018-06-26 24:00:00", "2018-06-26 08:00:00.0000000001", "2018-06-26, 08:00:00.5,"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    head=st.sampled_from(["7 ", "\ufeff 7,", "x ", " 7  "]), clock=CLOCKS,
    fields=st.one_of(USUAL_FIELDS, st.lists(FIELDS, max_size=5).map(lambda some: "".join(map("".join, some)))),
    tail=st.sampled_from(["", " 陡度=1.0", " lat=1 lon=2 强度=3", "kA", " " * 300, "\r"]),
)  # fmt: skip
def test_a_line_in_the_usual_order_says_what_the_search_for_its_labels_says(
    head: str, clock: str, fields: str, tail: str
) -> None:
    line = f"{head}{clock} {fields}{tail}"
    quick = adtd._stroke(line)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adtd, "_USUAL", re.compile("(?!)"))
        assert repr(adtd._stroke(line)) == repr(quick)


def test_lines_as_written_are_in_the_usual_order() -> None:
    for text in (*CHINESE.splitlines(), ASCII):
        assert adtd._USUAL.match(text)


def test_it_is_read_in_a_child() -> None:
    assert FORMAT.in_child


def test_simulated() -> None:
    data = write_adtd(replace(strokes([1], 107, 30), simulated=True))
    assert FORMAT.recognise(data)
    assert FORMAT.read(data, "x").simulated


def test_mutants_raise_read_errors_only() -> None:
    data, rng = CHINESE.encode("gbk") * 20, np.random.default_rng(7)
    for _ in range(300):
        try:
            FORMAT.read(mutate(data, rng, 512), NAME)
        except ReadError:
            continue
