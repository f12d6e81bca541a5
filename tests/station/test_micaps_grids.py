"""MICAPS grids and drawings: real files counted, rows by the sign of the step, sizes before values, damage."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar.samples import mutate
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.schema import HEAD_BYTES
from wxcore.station import micaps_grids
from wxcore.station.micaps_grids import FORMATS, Drawing, Field, describe, read_drawing, read_scalar, read_wind

SCALAR = (
    "diamond 4 17年3月31日8点高度\n17 3 31 8 240 500 2.5 -2.5 100 105 30 27.5 3 2\n4 480 588 0 0\n1 2 3\n4 9999 6\n"
)
WIND = "diamond 11 t\n17 3 31 8 0 850 1 1 100 101 20 21 2 2\n1 2 3 4\n5 6 7 8\n"
DRAWING = """\
diamond 14
2021 01 15 08 24
LINES: 1
3 2
 160.0 48.5 0 159.5 49 0
548 1
 160 48 0
LINES_SYMBOL: 1
0 4 1
 107.0 64 1
NoLabel 0
SYMBOLS: 2
  61   139.750    46.336     0.000     0.000
  48   120.589     1.132 1 Analyser: A B
CLOSED_CONTOURS: 0
STATION_SITUATION
57516 3
WEATHER_REGION: 1
5 1
100 30 0
FILLAREA: 0
NOTES_SYMBOL: 1
48 120.589 1.132 0 14 Analyser 0
"""
GRIDS = {  # path in micaps/ -> format, shape, value in the south-west, north-west and south-east
    "pymicaps/SampleData/17033108.240": ("micaps-4", (37, 145), (585.7, 517.8, 585.7)),
    "pymicaps/SampleData/17032908.060": ("micaps-4", (241, 281), (0.0, 0.0, 0.44)),
    "utils/test/sample_data/micaps_4/19020108.000": ("micaps-4", (21, 33), (588.4, 521.3, 588.2)),
    "pymicaps/SampleData/17041020.000": ("micaps-11", (37, 145), (-13.9, None, -13.9)),
    "pymicaps/SampleData/17041720.048": ("micaps-11", (121, 141), (None, -0.6, None)),
    "utils/test/sample_data/micaps_11/14050220.000": ("micaps-11", (18, 33), (None, -0.1, None)),
}
DRAWINGS = {  # -> lines by section, symbols
    "micaps_14/19020108": ({"LINES_SYMBOL": 9}, 0),
    "qixiangtai_micaps14/21011508": ({"LINES_SYMBOL": 11}, 0),
    "qixiangtai_micaps14/21010108.000": ({"LINES": 35, "LINES_SYMBOL": 7, "CLOSED_CONTOURS": 2}, 8),
    "qixiangtai_micaps14/21011508.000": ({"LINES": 35, "LINES_SYMBOL": 11}, 6),
}


@pytest.mark.parametrize("path", GRIDS)
def test_real_grids(data: Path, path: str) -> None:
    name, shape, corners = GRIDS[path]
    content = (data / "stations/micaps" / path).read_bytes()
    (form,) = [each for each in FORMATS if each.recognise(content[:HEAD_BYTES])]
    found = form.read(content, Path(path).name)
    assert isinstance(found, Field)
    assert (form.name, found.remarks) == (name, ())
    first = next(iter(found.values.values()))
    for plane in found.values.values():
        assert plane.shape == shape == (found.lat.size, found.lon.size)
        assert not np.isnan(plane).any()
    for (row, column), value in zip(((0, 0), (-1, 0), (0, -1)), corners, strict=True):
        if value is not None:
            assert first[row, column] == np.float32(value)
    assert (np.diff(found.lat) > 0).all()
    assert describe(found).kind == "product"


def test_heights_fall_to_the_north(data: Path) -> None:
    for path in ("pymicaps/SampleData/17033108.240", "utils/test/sample_data/micaps_4/19020108.000"):
        found = read_scalar((data / "stations/micaps" / path).read_bytes(), "")
        rows = found.values["value"].mean(axis=1)
        assert rows[np.searchsorted(found.lat, 20)] > rows[np.searchsorted(found.lat, 60)] + 20


def test_westerlies(data: Path) -> None:
    path = "utils/test/sample_data/micaps_11/14050220.000"
    found = read_wind((data / "stations/micaps" / path).read_bytes(), "")
    middle = (found.lat > 30) & (found.lat < 60)
    assert found.values["u"][middle].mean() > 5
    assert abs(found.values["v"][middle].mean()) < 3


@pytest.mark.parametrize("path", DRAWINGS)
def test_real_drawings(data: Path, path: str) -> None:
    sections, symbols = DRAWINGS[path]
    content = (data / "stations/micaps/utils/test/sample_data" / path).read_bytes()
    (form,) = [each for each in FORMATS if each.recognise(content[:HEAD_BYTES])]
    found = form.read(content, Path(path).name)
    assert isinstance(found, Drawing)
    assert {key: sum(line.section == key for line in found.lines) for key in sections} == sections
    assert len(found.lines) == sum(sections.values())
    assert len(found.symbols) == symbols
    assert describe(found).kind == "product"
    if "21010108" in path:
        assert found.lines[0].lon[0] == 160
        assert found.lines[0].lat.size == 61
        assert {line.label for line in found.lines if line.section == "CLOSED_CONTOURS"} == {"572", "548"}
        assert found.symbols[-1].text.startswith("Analyser")


def test_by_hand() -> None:
    found = read_scalar(SCALAR.encode("gbk"), "17033108.240")
    assert (found.hours, found.level, found.time.hour) == (240, 500, 0)
    np.testing.assert_array_equal(found.lat, [27.5, 30])
    np.testing.assert_array_equal(found.lon, [100, 102.5, 105])
    np.testing.assert_array_equal(found.values["value"], [[4, np.nan, 6], [1, 2, 3]])
    wind = read_wind(WIND.encode(), "")
    np.testing.assert_array_equal(wind.values["u"], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(wind.values["v"], [[5, 6], [7, 8]])
    west = read_wind(WIND.replace("1 1 100 101", "-1 1 101 100").encode(), "")
    np.testing.assert_array_equal(west.values["u"], [[2, 1], [4, 3]])
    np.testing.assert_array_equal(west.lon, [100, 101])


def test_header_dresses() -> None:
    usual = read_scalar(SCALAR.encode("gbk"), "")
    for old, new in (
        ("2.5 -2.5 100", "2.5-2.5 100"),  # Fortran without a blank
        ("17 3 31 8 240", "17 3 31 240 8"),  # lead time before the hour
        ("高度\n17", "高度 17"),
        ("500 2.5", "500\n2.5"),
    ):
        found = read_scalar(SCALAR.replace(old, new).encode("gbk"), "")
        assert (found.time, found.hours) == (usual.time, 240)
        np.testing.assert_array_equal(found.values["value"], usual.values["value"])


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("2.5 -2.5", "2.5 2.5", Reason.BAD_HEADER),  # the sign contradicts 30 to 27.5
        ("2.5 -2.5", "2.5 -1", Reason.BAD_HEADER),
        ("2.5 -2.5", "0 -2.5", Reason.BAD_HEADER),
        (" 3 2\n", " 3 1\n", Reason.BAD_HEADER),
        (" 3 2\n", " 99999 2\n", Reason.BAD_HEADER),
        (" 3 2\n", " 3.5 2\n", Reason.BAD_HEADER),
        (" 30 ", " 91 ", Reason.BAD_HEADER),
        ("4 9999 6", "4 9999", Reason.TRUNCATED),
        ("1 2 3\n4", "a b c\nd", Reason.BAD_VALUE),
        ("4 480", "4 x", Reason.BAD_HEADER),
        ("\n1 2 3\n4 9999 6\n", "", Reason.TRUNCATED),
    ],
)
def test_refused(old: str, new: str, reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        read_scalar(SCALAR.replace(old, new).encode("gbk"), "")
    assert caught.value.reason is reason


def test_size_is_checked_before_values_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(micaps_grids, "MAX_CELLS", 5)
    with pytest.raises(LimitError):
        read_scalar(SCALAR.encode("gbk"), "")


def test_remarks_on_values() -> None:
    assert "more values" in read_scalar(SCALAR.encode("gbk") + b"7 8\n", "").remarks[0]
    odd = read_scalar(SCALAR.replace("1 2 3", "1 ** 3").encode("gbk"), "")
    assert np.isnan(odd.values["value"][1, 1])
    assert "no numbers" in odd.remarks[0]


def test_drawing_by_hand() -> None:
    found = read_drawing(DRAWING.encode(), "")
    assert [(line.section, line.code, line.label) for line in found.lines] == [
        ("LINES", 0, "548"), ("LINES_SYMBOL", 0, ""), ("WEATHER_REGION", 5, ""),
    ]  # fmt: skip
    assert found.lines[0].width == 3
    assert found.lines[1].width == 4
    assert found.lines[0].lat.tolist() == [48.5, 49]
    assert found.symbols[1].text == "Analyser: A B"
    assert found.hours == 24
    assert found.remarks == ("1 of NOTES_SYMBOL not read",)
    assert found.sections["STATION_SITUATION"] == 0


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("LINES: 1", "LINES: 2", Reason.TRUNCATED),
        ("LINES: 1", "LINES: 100001", Reason.BAD_HEADER),
        ("SYMBOLS: 2", "SYMBOLS: 3", Reason.TRUNCATED),
        ("3 2\n", "3 999999999\n", Reason.BAD_VALUE),
        ("49 0", "949 0", Reason.BAD_VALUE),
        ("0 4 1\n", "0 x 1\n", Reason.BAD_VALUE),
        (DRAWING[30:], "", Reason.BAD_HEADER),
    ],
)
def test_drawing_refused(old: str, new: str, reason: Reason) -> None:
    assert old in DRAWING
    with pytest.raises(ReadError) as caught:
        read_drawing(DRAWING.replace(old, new).encode(), "")
    assert caught.value.reason is reason


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=True), min_size=6, max_size=6))
def test_values_written_and_read(values: list[float]) -> None:
    text = SCALAR.replace("1 2 3\n4 9999 6\n", " ".join(map(repr, values)))
    if sum(not np.isfinite(value) for value in values) > 3:  # a grid does not hold NaN or inf
        with pytest.raises(ReadError):
            read_scalar(text.encode("gbk"), "")
        return
    found = read_scalar(text.encode("gbk"), "").values["value"]
    assert not np.isin(np.abs(found), [9999, 99999, 999999, 32766]).any()
    with np.errstate(over="ignore"):
        given_values = np.array(values).reshape(2, 3)[::-1].astype("f4")
    held = ~np.isnan(found)
    np.testing.assert_array_equal(found[held], given_values[held])


@pytest.mark.parametrize("text", [SCALAR, WIND, DRAWING])
def test_damage_raises_read_errors_only(text: str) -> None:
    rng = np.random.default_rng(14)
    whole = text.encode("gbk")
    (form,) = [each for each in FORMATS if each.recognise(whole)]
    for _ in range(400):
        with suppress(ReadError):
            describe(form.read(mutate(whole, rng, 80), "17033108.240"))
