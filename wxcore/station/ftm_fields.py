"""What the two FTM station texts share: their names, and how the characters of their fields become numbers.

Both readers cut a report into the same fixed-width record (`record`, RECORD_BYTES characters); `reports_of` turns all
records at once into Reports. Codes [V: javadoc samples of the NMIC decoders DecodeREG and DecodeBABJ, which describe
the fields and show one report each]: slashes are missing, `PPC` is calm, commas are a trace of rain (0 mm here).
"""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.schema import ELEMENT_NAMES, QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT
from wxcore.station.clocks import gust_times, nearest, sexagesimal
from wxcore.station.ids import NO_IDS, with_letter
from wxcore.station.reports import PROVINCIAL, Doubles, Floats, Ids, Reports, Times, revision_of
from wxcore.station.sentinels import CODES, CODES_FROM

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

MAX_BYTES = 32 * 2**20
"""Largest file [our choice]: 40,000 reports of the regional text."""

MAX_LINES = 400_000
"""Most lines that are not empty [our choice]: 80,000 reports of the regional text, 26,000 of the national one."""

NAME = re.compile(
    r"Z_SURF_(?:C_(?P<cc>[A-Z]{4})(?:-REG)?_\d{14}|I_(?P<station>[A-Z0-9]{5})(?:-REG_\d{14}|_(?P<t>\d{14})))"
    r"_O_AWS_FTM(?P<suffix>(?:[-_][A-Z0-9]{1,8})*)\.txt",
    re.IGNORECASE,
)
"""DOMAIN.md 7.6. A collective's time is when it was sent (20131111072206 holds reports of 07:20), so only the time of a
national station's own file is that of its report [V: AHQC names 58342's report of 12:00 BJT ..._20181121040000]."""

FIRST_YEAR, LAST_YEAR = 1951, 2100
"""Years that a report may have [our choice]."""

TOKEN = 8
"""Characters that a record keeps of a number."""

FIELDS = (
    "lat", "lon", "elevation", "gust_time",
    "wind_from_direction", "wind_speed", "wind_from_direction_10min", "wind_speed_10min",
    "wind_gust_from_direction", "wind_speed_of_gust", "precipitation_1h",
    "air_temperature", "relative_humidity", "dew_point_temperature",
    "air_pressure", "air_pressure_at_mean_sea_level", "present_weather",
)  # fmt: skip
"""The numbers of a record, in its order."""

JUDGED = FIELDS[4:]
WHOLE = frozenset({"wind_from_direction", "wind_from_direction_10min", "wind_gust_from_direction", "relative_humidity",
                   "present_weather"})  # fmt: skip
"""In units; all other elements, and the elevation, are in tenths."""

TEMPERATURES = ("air_temperature", "dew_point_temperature")
WINDS = (("wind_from_direction", "wind_speed"), ("wind_from_direction_10min", "wind_speed_10min"),
         ("wind_gust_from_direction", "wind_speed_of_gust"))  # fmt: skip

ID, CLOCK, MARK, RAIN = slice(0, 8), slice(8, 22), slice(22, 25), slice(25, 145)
VERDICTS = slice(145, 145 + len(JUDGED))
NUMBERS = slice(VERDICTS.stop, VERDICTS.stop + len(FIELDS) * TOKEN)
RECORD_BYTES = NUMBERS.stop
NO_RAIN, NO_VERDICTS = b"/" * 120, b"9" * len(JUDGED)

_NINES = 10 ** np.arange(TOKEN + 1, dtype=np.int64) - 1
"""A number of nines only (of three digits or more), as 999 or 99999, is missing here, besides the codes of sentinels.py
[our choice: 99.9 m/s is rather a sentinel than a gust; a pressure of 999.9 hPa has a zero before it]."""

NO_ID, NO_TIME = "no station id", "no possible date or time"


def record(
    station: bytes, clock: bytes, mark: bytes, tokens: Mapping[str, bytes], rain: bytes, verdicts: bytes
) -> bytes:
    """One report as RECORD_BYTES characters; a token that is missing or too long becomes slashes."""
    numbers = (tokens.get(name, b"/") for name in FIELDS)
    fitting = (text if len(text) <= TOKEN else text[:TOKEN] if b"." in text else b"/" for text in numbers)
    return b"".join((
        station[:8].rjust(8) if len(station) <= 8 else b"/" * 8,
        clock if len(clock) == 14 else b"/" * 14,
        mark if len(mark) == 3 else b"000",
        rain if len(rain) == 120 else NO_RAIN,
        verdicts if len(verdicts) == len(JUDGED) else NO_VERDICTS,
        *(text.rjust(TOKEN) for text in fitting),
    ))  # fmt: skip


def plain_lines(data: bytes, name: str, title: str) -> bytes:
    """The text with line feeds only, without empty lines, if it is not too large for a reader.

    Raises:
        ReadError: EMPTY. LimitError: TOO_LARGE.
    """
    if not data.strip(b"\r\n\t \0\xef\xbb\xbf"):
        raise ReadError(
            Reason.EMPTY, f"{name}: {title}: no text in it: fetch it again", f"{name}：{title}：文件为空，请重新获取"
        )
    if len(data) > MAX_BYTES:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{name}: {title}: {len(data)} bytes, at most {MAX_BYTES} are read: cut the file",
            f"{name}：{title}：{len(data)} 字节，上限 {MAX_BYTES}，请拆分文件",
        )
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r", b"\n")
    if b"\n\n" in data:
        data = re.sub(rb"\n{2,}", b"\n", data)
    lines = data.count(b"\n")
    if lines > MAX_LINES:
        raise LimitError(
            Reason.TOO_LARGE,
            f"{name}: {title}: {lines} lines, at most {MAX_LINES} are read: cut the file",
            f"{name}：{title}：{lines} 行，上限 {MAX_LINES}，请拆分文件",
        )
    return data


def title_of(name: str) -> str:
    """ "FTM BEHT" by the centre, or "FTM 58342" by the station, of a well-formed name; else "FTM"."""
    match = NAME.search(name)
    return "FTM" if match is None else f"FTM {(match['cc'] or match['station']).upper()}"


def reports_of(
    records: Bytes, form: str, name: str, rejected: dict[str, int], *, simulated: bool, thousand: bool
) -> Reports:
    """Reports of (n, RECORD_BYTES) characters, in their order but corrected rows last.

    Args:
        form: name of the format; name: of the file, which tells centre, correction and quality control.
        rejected: what was left out before, reason -> count; what is left out here is added.
        thousand: temperatures are written as 1000 - 10 T (national text) and not as 10 T.

    Raises:
        ReadError: BAD_VALUE where more is left out than read, or nothing is read.
    """
    time, stations = clocks(records[:, CLOCK]), _has_id(records[:, ID])
    for reason, bad in ((NO_TIME, np.isnat(time)), (NO_ID, ~stations & ~np.isnat(time))):
        if bad.any():
            rejected[reason] = rejected.get(reason, 0) + int(bad.sum())
    good = stations & ~np.isnat(time)
    read, left = int(good.sum()), sum(rejected.values())
    if left > read or not read:
        why = "; ".join(f"{count} {reason}" for reason, count in rejected.items())
        raise ReadError(
            Reason.BAD_VALUE,
            f"{name}: {form}: {read} reports read, {left} left out ({why}), expected most to be whole: fetch it again",
            f"{name}：{form}：读出 {read} 份报告，舍弃 {left} 份（{why}），请重新获取文件",
        )
    marks = np.where(records[:, MARK] >= 97, records[:, MARK] - 32, records[:, MARK])
    corrected = (marks[:, 0] == 67) & (marks[:, 1] == 67) & (marks[:, 2] >= 65) & (marks[:, 2] <= 90)
    revision = np.where(corrected, marks[:, 2].astype(np.int64) - 64, 0)[good]
    remarks: tuple[str, ...] = ()
    if read < good.size or revision.min() != revision.max():
        order = np.flatnonzero(good)[np.argsort(revision, kind="stable")]
        records, time = records[order], time[order]
    if revision.min() != revision.max():
        remarks = (f"{int((revision > 0).sum())} of {read} reports are corrections (BBB); they stand last",)
    reports = _decoded(records, time, thousand=thousand)
    return replace(
        reports, format=form, title=title_of(name),
        revision=revision_of(_revisions(name, np.sort(revision, kind="stable"))),
        rejected=tuple(rejected.items()), simulated=simulated, remarks=remarks + reports.remarks,
    )  # fmt: skip


def _revisions(name: str, marked: Ints) -> Ints:
    """Of rows with marks of their own, in a file whose name may say that all of it is one."""
    match = NAME.search(name)
    suffix = "" if match is None else match["suffix"].upper()
    letter = re.search(r"-CC([A-Z])", suffix)
    named = 0 if letter is None else ord(letter[1]) - ord("A") + 1
    return np.maximum(marked, named) + (PROVINCIAL if "_PQC" in suffix else 0)


def _decoded(records: Bytes, time: Times, *, thousand: bool) -> Reports:
    text = records[:, NUMBERS].reshape(-1, len(FIELDS), TOKEN)
    number, digits = numbers(text)
    column = {name: number[:, at] for at, name in enumerate(FIELDS)}
    values: dict[str, Floats] = {}
    for name in JUDGED:
        value = np.where(np.abs(column[name]) >= CODES_FROM, np.nan, column[name])
        if name in TEMPERATURES and thousand:
            value = 1000 - value
        if name == "precipitation_1h":
            commas = text[:, FIELDS.index(name)] == ord(",")
            value = np.where(commas.any(axis=1) & (digits[:, FIELDS.index(name)] == 0), 0.0, value)
        if name == "present_weather":
            value = np.where(digits[:, FIELDS.index(name)] == 2, value, np.nan)
        values[name] = (value if name in WHOLE else value / 10).astype(np.float32)
    for direction, speed in WINDS:
        values[direction][values[speed] == 0] = np.nan
    clock = _minutes(column["gust_time"], digits[:, FIELDS.index("gust_time")])
    gust_time, odd = gust_times(time, nearest(time, clock), ~np.isnan(values["wind_speed_of_gust"]))
    rain = minute_rain(records[:, RAIN], time)
    values["precipitation_1min"] = rain[:, -1].copy()
    values = {name: values[name] for name in ELEMENT_NAMES if name in values and not np.isnan(values[name]).all()}
    lat, lon = (_degrees(column[name], digits[:, at], text[:, at], 6 + at) for at, name in enumerate(("lat", "lon")))
    lost = int((np.isnan(lat) | np.isnan(lon)).sum())
    return Reports(
        "", "", station_ids(records[:, ID]), time, lat, lon, (column["elevation"] / 10).astype(np.float32),
        values, gust_time, minute_rain=None if np.isnan(rain).all() else rain,
        provider=_verdicts(records[:, VERDICTS], values),
        remarks=(*odd, *((f"{lost} reports have no position that is understood (DDMMSS, DDDMMSS)",) if lost else ())),
    )  # fmt: skip


def numbers(text: Bytes) -> tuple[Doubles, Ints]:
    """Whole numbers of right-justified characters along the last axis, NaN where they are none or a sentinel; and how
    many digits each has."""
    shape = text.shape[:-1]
    value, count, minus = np.zeros(shape, np.int32), np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    broken, begun = np.zeros(shape, bool), np.zeros(shape, bool)
    for character in np.ascontiguousarray(np.moveaxis(text, -1, 0)):  # one array a place is quickest
        figure = character - np.uint8(48)
        digit = figure < 10
        value *= 10
        value += figure * digit
        count += digit
        negative = character == ord("-")
        minus += negative
        broken |= (begun & ~digit) | ~(digit | negative | (character == 32))
        begun |= digit
    whole = ~broken & begun & (minus <= 1)
    for missing in CODES:
        whole &= value != missing
    whole &= (value != _NINES[count]) | (count < 3)
    signed = np.where(minus > 0, -value, value).astype(np.float64)
    signed[~whole] = np.nan
    return signed, count.astype(np.int64)


def clocks(text: Bytes) -> Times:
    """yyyymmddHHMMSS in (n, 14) characters to UTC, NaT where impossible. 24:00 and a leap second are of the next day
    and minute."""
    figures = (text - np.uint8(48)).astype(np.int64)
    possible = (figures < 10).all(axis=1)
    figures[~possible] = 1
    year = figures[:, :4] @ np.array([1000, 100, 10, 1])
    month, day, hour, minute, second = (figures[:, at] * 10 + figures[:, at + 1] for at in range(4, 14, 2))
    possible &= (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12) & (minute < 60)
    possible &= (second < 60) | ((second == 60) & (minute == 59))
    possible &= (hour < 24) | ((hour == 24) & (minute == 0) & (second == 0))
    months = (np.where(possible, (year - 1970) * 12 + month - 1, 0)).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    possible &= (day >= 1) & (days.astype("datetime64[M]") == months)
    time = days.astype("datetime64[s]") + ((hour * 60 + minute) * 60 + second)
    time[~possible] = np.datetime64("NaT")
    return np.asarray(time.astype("datetime64[ns]"))


def _minutes(hhmm: Doubles, digits: Ints) -> Doubles:
    """HHMM (UTC) to minutes of the day, NaN where it is no clock."""
    known = (digits == 4) & ~np.isnan(hhmm)
    hour, minute = np.divmod(np.where(known, hhmm, 0).astype(np.int64), 100)
    known &= (minute < 60) & ((hour < 24) | ((hour == 24) & (minute == 0)))
    return np.where(known, hour * 60 + minute, np.nan)


def minute_rain(text: Bytes, time: Times) -> Floats:
    """Two characters for each minute of the running hour, HH:01 first, to (n, 60) [mm] that end at `time` - 59 min ...
    `time`; minutes of the hour before are NaN [V: the sample of 15:10 has ten minutes and then slashes]."""
    amount = _RAIN_OF[np.ascontiguousarray(text).view(np.uint16)]
    rain = np.full(amount.shape, np.nan, np.float32)
    elapsed = minutes_elapsed(time)
    for minutes in np.unique(elapsed):
        rows = elapsed == minutes
        rain[rows, 60 - minutes :] = amount[rows, :minutes]
    return rain


def _rain_table() -> Floats:
    """Amount [mm] of every two characters (as the machine's 16-bit number): digits, or commas for a trace; else NaN."""
    table = np.full(2**16, np.nan, np.float32)
    for tenths in range(100):
        table[np.frombuffer(b"%02d" % tenths, np.uint16)] = tenths / 10
    table[np.frombuffer(b",,", np.uint16)] = 0
    return table


_RAIN_OF = _rain_table()


def minutes_elapsed(time: Times) -> Ints:
    """Minutes of the running hour that have ended: 10 at 15:10, 60 at 16:00."""
    minute = time.astype("datetime64[m]").astype(np.int64) % 60
    return np.where(minute == 0, 60, minute)


def _degrees(value: Doubles, digits: Ints, text: Bytes, width: int) -> Doubles:
    """DDMMSS or DDDMMSS (`width` digits) to degrees; decimal degrees where there is a point; else NaN."""
    result = np.where(digits == width, sexagesimal(value, seconds=True), np.nan)
    for row in np.flatnonzero((text == ord(".")).sum(axis=1) == 1):
        number = text[row].tobytes().strip()
        result[row] = float(number) if re.fullmatch(rb"-?\d{1,3}\.\d{1,6}", number) else np.nan
    result[np.abs(result) > (90 if width == 6 else 180)] = np.nan
    return result


def _has_id(text: Bytes) -> npt.NDArray[np.bool_]:
    letter = ((text | 32) >= 97) & ((text | 32) <= 122)
    alphanumeric = letter | ((text >= 48) & (text <= 57))
    inside = alphanumeric[:, :-1] & ~alphanumeric[:, 1:]
    named = np.zeros(text.shape[0], bool)
    for word in NO_IDS:
        named |= ((text & 0xDF) == np.frombuffer(word.rjust(8, "\0").encode(), np.uint8)).all(axis=1)
    return np.asarray((alphanumeric | (text == 32)).all(axis=1) & ~inside.any(axis=1) & alphanumeric[:, -1] & ~named)


def station_ids(text: Bytes) -> Ids:
    """(n, 8) right-justified characters to ids in upper case; 658290 becomes A8290 (FORMATS.md C)."""
    upper = np.where((text >= 97) & (text <= 122), text - 32, text).astype(np.uint8)
    if (upper[:, 2] == 32).all() and (upper[:, 3] != 32).all():
        return np.ascontiguousarray(upper[:, 3:]).view("S5")[:, 0].astype(np.str_)
    names = (row.tobytes().strip().decode("ascii") for row in upper)
    return np.array([with_letter(name) for name in names], dtype=np.str_)


def _verdicts(text: Bytes, values: Mapping[str, Floats]) -> dict[str, npt.NDArray[np.uint8]]:
    """0 good, 1 suspect, 2 bad [V: NMIC Quality codes; the 2017 sample flags its 1510.2 hPa with 2]. No verdict: 3
    (missing in station level strings of both samples, corrected in the later list), 4, 7 no task, 8 missing, 9 none."""
    code = np.full(256, QC_MISSING, np.uint8)
    code[ord("0")], code[ord("1")], code[ord("2")] = QC_GOOD, QC_SUSPECT, QC_BAD
    found = {}
    for at, name in enumerate(JUDGED):
        if name in values:
            flags = np.where(np.isnan(values[name]), np.uint8(QC_MISSING), code[text[:, at]])
            if (flags != QC_MISSING).any():
                found[name] = flags
    return found
