"""National FTM text: both published reports, traps, broken reports, verdicts of three levels."""

import numpy as np
import pytest

from tests.radar.samples import mutate
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT
from wxcore.station import ftm, ftm_fields
from wxcore.station.ftm_fields import NO_TIME
from wxcore.station.ftm_national import (
    FORMAT,
    NO_HEADER,
    NOT_ITS_LINES,
    PLACES,
    read_ftm_national,
    recognise_ftm_national,
)  # fmt: skip
from wxcore.station.reports import PROVINCIAL, Reports

NAME = "Z_SURF_C_BEHF_20131111072206_O_AWS_FTM.txt"
ANHUI = f"""\
58015 20131111072000 342700 1162000 00442 00454 4 199 000
PP 10215 ///// //// //// 10217 //// 10215 0720
TH 0856 0853 0704 0856 0720 //// //// //// 1083 020 020 0720 033
RE //// ///// ///// ///// ///// // ///// ////
WI 048 026 027 023 018 024 0713 062 023 015 035 0707 /// /// /// ///
DT 0860 0838 0702 0860 0720 //// 0848 0859 0869 0873 0856 0837 0818 0809 0829 0811 0703 0829 0720
VV ///// ///// ///// ////
CW //// /// /// /// ///// //////////////////////// /// // // / / //
SP //// /// /// /// /// /// / / /// ///
MR {"0" * 40}{"/" * 80}
MW //,.
QC
Q1 03330600 0000033300000 33333333 0000000000003333 0000030000000000000 3333 {"3" * 12} 3333333333 {"0" * 20}{"3" * 40}
Q2 99999999 9999999999999 99999999 9999999999999999 9999999999999999999 9999 999999999999 9999999999 {"9" * 60}
Q3 99999999 9999999999999 99999999 9999999999999999 9999999999999999999 9999 999999999999 9999999999 {"9" * 60}=
"""
"""Shown by a reader of Henan's; DOMAIN.md 7.6 names its values."""

HEBEI = f"""\
54902 20171217030000 355700 1150900 00493 00503 4 119 000
PP 15102 ///// -379 -376 15102 //// 15102 ////
TH 0961 0961 0300 0994 0201 0964 0959 1081 1116 031 031 0251 025
RE 0000 00000 00000 00000 00000 // ///// ////
WI 203 023 209 027 209 029 0238 205 027 229 047 0210 047 229 047 229
DT 0911 0911 0300 0965 0201 1114 1018 1018 1006 0994 0981 0927 0877 0832 0873 0873 0300 0921 0201
VV 15102 15102 15102 ////
CW 0138 /// /// /// ///// //////////////////////// /// 00 // / / //
SP //// /// /// /// /// /// / / /// ///
MR {"0" * 120}
MW (05,03,02,)03,02,05,10,.
QC
Q1 03000303 0000000000000 00000333 0000000000000000 0000000000000000000 0003 033333303003 3333333333 {"0" * 60}
Q2 27002828 0000000000000 00000777 0000000000000000 0000000000000000000 0008 077777707777 7777777777 {"0" * 60}
Q3 99999999 9999999999999 99999999 9999999999999999 9999999999999999999 9999 999999999999 9999999999 {"9" * 60}=
"""
"""Shown by NMIC's DecodeBABJ (its time there lacks a digit); its pressure is damaged, and Q2 says so."""


def read(*blocks: str, end: str = "NNNN\n", name: str = NAME) -> Reports:
    return read_ftm_national(("".join(blocks) + end).encode(), name)


def value(reports: Reports, element: str, row: int = 0) -> float:
    return float(reports.values[element][row]) if element in reports.values else float("nan")


def with_token(text: str, line: str, at: int, token: str) -> str:
    lines = text.splitlines()
    number = next(number for number, one in enumerate(lines) if one.startswith(line))
    tokens = lines[number].split()
    tokens[at] = token
    lines[number] = " ".join(tokens)
    return "\n".join(lines) + "\n"


def test_report_of_2013() -> None:
    reports = read(ANHUI)
    assert reports.title == "FTM BEHF"
    assert reports.station.tolist() == ["58015"]
    assert reports.time[0] == np.datetime64("2013-11-11T07:20:00")
    assert reports.gust_time[0] == np.datetime64("2013-11-11T07:07:00")
    assert (reports.lat[0], round(reports.lon[0], 4), reports.elevation[0]) == (34.45, 116.3333, np.float32(44.2))
    expected = {
        "air_pressure": 1021.5, "air_temperature": 14.4, "dew_point_temperature": -8.3, "relative_humidity": 20,
        "wind_speed": 2.6, "wind_from_direction": 48, "wind_speed_10min": 2.3, "wind_from_direction_10min": 27,
        "wind_speed_of_gust": 3.5, "wind_gust_from_direction": 15, "precipitation_1min": 0,
    }  # fmt: skip
    assert set(reports.values) == set(expected)
    for name, number in expected.items():
        assert reports.values[name][0] == np.float32(number), name
    assert reports.minute_rain is not None
    assert np.isnan(reports.minute_rain[0, :40]).all()
    assert (reports.minute_rain[0, 40:] == 0).all()
    assert set(reports.provider) == set(expected) - {"precipitation_1min"}
    assert all(flags.tolist() == [QC_GOOD] for flags in reports.provider.values())


@pytest.mark.parametrize("text", [ANHUI, HEBEI], ids=["anhui", "hebei"])
def test_vapour_pressure_bears_the_encoding_out(text: str) -> None:
    reports = read(text)
    dew, air = value(reports, "dew_point_temperature"), value(reports, "air_temperature")
    vapour, saturated = (6.112 * np.exp(17.67 * celsius / (celsius + 243.5)) for celsius in (dew, air))
    assert vapour == pytest.approx(int(text.splitlines()[2].split()[13]) / 10, abs=0.06)
    assert 100 * vapour / saturated == pytest.approx(value(reports, "relative_humidity"), abs=1)


def test_report_of_2017_and_its_verdicts() -> None:
    reports = read(HEBEI)
    assert value(reports, "air_temperature") == np.float32(3.9)
    assert value(reports, "dew_point_temperature") == np.float32(-11.6)
    assert (value(reports, "present_weather"), value(reports, "precipitation_1h")) == (0, 0)
    assert value(reports, "air_pressure") == np.float32(1510.2)
    assert reports.provider["air_pressure"].tolist() == [QC_BAD]
    assert reports.provider["air_temperature"].tolist() == [QC_GOOD]
    assert reports.minute_rain is not None
    assert (reports.minute_rain == 0).all()


def test_last_level_with_a_verdict_is_taken() -> None:
    text = with_token(with_token(HEBEI, "Q3", 2, "1999999999999"), "Q2", 4, "2999999999999999")
    reports = read(text, with_token(text, "Q3", 2, "1"))
    assert reports.provider["air_temperature"].tolist() == [QC_SUSPECT, QC_GOOD]
    assert reports.provider["wind_from_direction"].tolist() == [QC_BAD, QC_BAD]
    assert reports.provider["wind_speed"].tolist() == [QC_GOOD, QC_GOOD]


@pytest.mark.parametrize("token", ["////", "9999", "99999", "32766", "null", "1//5", "----", "0.85"])
@pytest.mark.parametrize("element", [name for name in PLACES if name != "gust_time"])
def test_no_sentinel_becomes_a_value(element: str, token: str) -> None:
    line, at = PLACES[element]
    reports = read(HEBEI, with_token(HEBEI, line, at, token))
    assert np.isnan(value(reports, element, 1))
    if element in reports.provider:
        assert reports.provider[element][1] == QC_MISSING


def test_calm_trace_and_gust_that_is_not_of_the_hour() -> None:
    text = with_token(with_token(HEBEI, "WI", 1, "PPC"), "RE", 1, ",,,,")
    reports = read(with_token(text, "WI", 12, "2358"), with_token(HEBEI, "WI", 2, "000"))
    assert "wind_from_direction" not in reports.values
    assert value(reports, "wind_speed", 1) == 0
    assert value(reports, "precipitation_1h") == 0
    assert np.isnat(reports.gust_time[0])
    assert reports.remarks == ("1 gusts with a clock that is not of the hour before their report: is it UTC?",)


@pytest.mark.parametrize("dress", ["crlf", "bom", "no_nnnn", "blank_lines", "trailing", "comment", "cut"])
def test_dress_does_not_matter(dress: str) -> None:
    text = ANHUI + HEBEI + "NNNN\n"
    changed = {
        "crlf": text.replace("\n", "\r\n"), "bom": "\ufeff" + text, "no_nnnn": ANHUI + HEBEI,
        "blank_lines": text.replace("\n", "\n\n"), "trailing": text.replace("\n", " \n"), "comment": "# x\n" + text,
        "cut": (ANHUI + HEBEI)[:-200],
    }[dress]  # fmt: skip
    reports = read_ftm_national(changed.encode(), NAME)
    assert reports.station.tolist() == ["58015", "54902"]
    assert not reports.rejected
    assert value(reports, "air_temperature", 1) == np.float32(3.9)
    assert value(reports, "air_pressure") == 1021.5


def test_broken_reports_are_counted_and_harm_no_other() -> None:
    cut = "\n".join(HEBEI.splitlines()[:2]) + "\n"
    timeless = HEBEI.replace("20171217030000", "2017121703000")
    reports = read(HEBEI[60:], ANHUI, cut, HEBEI, timeless, ANHUI, HEBEI)
    assert reports.station.tolist() == ["58015", "54902", "58015", "54902"]
    assert dict(reports.rejected) == {NOT_ITS_LINES: 1, NO_HEADER: 1, NO_TIME: 1}


def test_line_of_another_length_is_not_understood() -> None:
    reports = read(HEBEI.replace("TH 0961 0961", "TH 0961"))
    assert "air_temperature" not in reports.values
    assert value(reports, "wind_speed") == np.float32(2.3)


def test_corrections_and_provincial_control() -> None:
    reports = read(ANHUI.replace(" 199 000", " 199 CCB"), HEBEI, name=NAME.replace("FTM", "FTM_PQC"))
    assert reports.station.tolist() == ["54902", "58015"]
    assert np.asarray(reports.revision).tolist() == [PROVINCIAL, PROVINCIAL + 2]
    assert reports.remarks == ("1 of 2 reports are corrections (BBB); they stand last",)


def test_ids_and_time_of_a_name() -> None:
    assert read(ANHUI.replace("58015", "658290")).station.tolist() == ["A8290"]
    match = FORMAT.name_pattern.search("Z_SURF_I_58015_20131111070000_O_AWS_FTM.txt")
    assert match is not None
    assert match["t"] == "20131111070000"


@pytest.mark.parametrize(("data", "reason"), [
    (b"", Reason.EMPTY), (b"NNNN\n", Reason.BAD_VALUE), (b"PP 1\n", Reason.BAD_VALUE),
    (b"\xff\n" * 99, Reason.BAD_VALUE),
])  # fmt: skip
def test_nothing_in_it(data: bytes, reason: Reason) -> None:
    with pytest.raises(ReadError) as caught:
        read_ftm_national(data, NAME)
    assert caught.value.reason is reason


def test_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ftm_fields, "MAX_BYTES", 100)
    with pytest.raises(LimitError):
        read(ANHUI)


def test_claims_its_own_and_nothing_else() -> None:
    assert recognise_ftm_national(ANHUI.encode())
    assert recognise_ftm_national(("\ufeff" + HEBEI).replace("\n", "\r\n").encode())
    assert not ftm.recognise_ftm(ANHUI.encode())
    for head in (b"", b"NNNN\n", b"PP 10215 /////\n", ANHUI.splitlines()[0].encode(), b"diamond 3\n"):
        assert not recognise_ftm_national(head)


def test_mutants_raise_nothing_but_read_errors() -> None:
    data = ((ANHUI + HEBEI) * 3 + "NNNN\n").encode()
    rng = np.random.default_rng(6)
    read_whole = 0
    for _ in range(300):
        try:
            read_whole += read_ftm_national(mutate(data, rng, 40), NAME).time.size > 0
        except ReadError:
            continue
    assert read_whole > 100
