"""MUSIC's rows as text: comma, tab or spaces; a header row of column names, or the columns of FORMATS.md C in order.

Minutes of a whole network come so (150,000 rows an hour): Arrow parses the wanted columns, ids and clocks as
dictionaries. Names of places may be GBK or UTF-8: they are not read. Quotes join no lines and no columns: one that is
not closed would swallow every row up to the next.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.station.music import (
    DAY,
    IDS,
    KNOWN_VALUES,
    TEXTS,
    WANTED,
    Delivery,
    Ints,
    build,
    check_answer,
    data_code,
    empty,
    too_large,
)
from wxcore.station.music_rows import numbers
from wxcore.station.music_write import write_csv
from wxcore.station.reports import Reports, describe

DOCUMENTED = (
    "Station_Id_C", "Station_Id_d", "Lat", "Lon", "Year", "Mon", "Day", "Hour", "WIN_S_Avg_2mi", "WIN_D_Avg_2mi",
    "PRE_1h", "Q_PRE_1h", "WIN_S_Inst_Max", "WIN_D_INST_Max", "WIN_S_INST_Max_OTime", "PRS_Sea", "TEM", "RHU", "DPT",
)  # fmt: skip
"""Columns of a delivery without a header row (FORMATS.md C)."""

WRONG_WIDTH = "row with another number of columns"
HEAD_LINES = 20
"""So many lines of comments and return codes may stand before the rows [our choice]."""

_RETURN = re.compile(r"\"?returnCode\"?\s{0,4}[=:,]\s{0,4}\"?(-?\w{1,20})", re.IGNORECASE)
_SIMULATED_LINE = f"{SIMULATED_ATTRIBUTE}={SIMULATED_MARK}"
_NUMBER = r"-?\d{1,6}(?:\.\d{1,6})?"
_FIRST_ROW = re.compile(
    r"[A-Z]?\d{4,5}[,\t ]+\d{5,6}[,\t ]+" + _NUMBER + r"[,\t ]+" + _NUMBER + r"[,\t ]+(?:19|20)\d\d[,\t ]+"
    r"\d{1,2}[,\t ]+\d{1,2}[,\t ]+\d{1,2}[,\t ]", re.IGNORECASE,
)  # fmt: skip
_ASCII = bytes(range(128)) + b"?" * 128
"""Names of places become ???: Arrow decodes a bad row as UTF-8 to tell of it, and loses count where it cannot."""

_NULLS = ["", "null", "NULL", "None", "NaN", "nan", "-"]
_TEXT = pa.dictionary(pa.int32(), pa.binary())
_NAME = re.compile(r"^SURF_[A-Z]+(?:_[A-Z]+)*_.*\.(?:csv|txt|dat)", re.IGNORECASE)


class _Table:
    """An Arrow table as `music.Columns`."""

    def __init__(self, table: Any) -> None:
        self._table, self._bad = table, dict[str, int]()
        self.names = frozenset(table.column_names)

    @property
    def size(self) -> int:
        return int(self._table.num_rows)

    @property
    def bad(self) -> int:
        return sum(self._bad.values())

    def numbers(self, name: str) -> npt.NDArray[np.floating[Any]]:
        if name not in self.names:
            return np.full(self.size, np.nan, dtype=np.float32)
        if pa.types.is_dictionary(self._table[name].type):
            texts, which = self.texts(name)
            found = np.array([numbers([text])[0][0] for text in texts])
            wrong = np.array([numbers([text])[1] for text in texts])
            self._bad[name] = int(wrong[which].sum())
            return np.asarray(found[which])
        found = self._table[name].to_numpy()
        endless = np.isinf(found)
        self._bad[name] = int(np.count_nonzero(endless))
        return np.where(endless, np.nan, found) if self._bad[name] else np.asarray(found)

    def texts(self, name: str) -> tuple[list[str], Ints]:
        column = self._table[name].unify_dictionaries()
        if not column.num_chunks:
            return [], np.zeros(0, dtype=np.int64)
        raw = column.chunk(0).dictionary.to_pylist()
        which = np.concatenate([chunk.indices.to_numpy() for chunk in column.chunks]).astype(np.int64)
        return [text.decode("ascii", errors="replace").strip(" \"'\t\r") for text in raw], which


def read_music_csv(data: bytes, name: str) -> Reports:
    """The reports of a delivery.

    Args:
        data: the whole file, uncompressed; name: its base name, whose data code tells what PRE is.

    Raises:
        ReadError: BAD_HEADER where neither header row nor order of columns is known, or where the query failed; EMPTY
            without rows; BAD_VALUE where most rows are bad.
        LimitError: TOO_LARGE.
    """
    too_large(data, name)
    data = data if data.isascii() else data.translate(_ASCII)
    before, columns, offset, delimiter = _header(data, name)
    rejected: dict[str, int] = {}
    if not data[offset : offset + 4096].strip():
        raise empty(name)
    rows = pa.py_buffer(_single_spaces(data[offset:])) if delimiter == " " else pa.py_buffer(data).slice(offset)
    table = _table(rows, columns, delimiter, rejected, name)
    remarks = () if data.endswith((b"\n", b"\r")) else ("last line without its end: the file may be cut off",)
    simulated = any(_SIMULATED_LINE in line for line in before)
    code = data_code(name, *before)
    return build(_Table(table), Delivery(name, FORMAT.name, code, rejected, simulated, remarks))


def _single_spaces(rows: bytes) -> bytes:
    return re.sub(rb"(?m)^ | (?=\r?$)", b"", re.sub(rb"[ \t]+", b" ", rows))


def _header(data: bytes, name: str) -> tuple[list[str], list[str], int, str]:
    """Lines before the header, names of columns in lower case, where the rows begin, and what separates them."""
    offset = 3 if data.startswith((b"\xef\xbb\xbf", b"???")) else 0
    before: list[str] = []
    for _ in range(HEAD_LINES):
        end = data.find(b"\n", offset, offset + 65536)
        line = data[offset : end if end >= 0 else offset + 65536].decode("latin-1").strip()
        columns, delimiter, is_row = _names(line)
        if columns:
            return before, columns, offset if is_row else (end + 1 if end >= 0 else len(data)), delimiter
        code = _RETURN.search(line)
        if code is not None:
            check_answer(name, code[1], line)
        elif line and not line.startswith("#"):
            break
        before.append(line)
        if end < 0:
            break
        offset = end + 1
    if not any(line and not line.startswith("#") and not _RETURN.search(line) for line in (*before, line)):
        raise empty(name)
    raise ReadError(
        Reason.BAD_HEADER,
        f"{name}: MUSIC CSV: line {line[:80]!r} names no columns such as {IDS[0]}, {', '.join(DAY)}, TEM, "
        f"and is no row of the {len(DOCUMENTED)} documented ones: ask for a header row",
        f"{name}：MUSIC CSV：{line[:80]!r} 不是表头（如 {IDS[0]}、{'、'.join(DAY)}、TEM），也不合约定列序，请附表头",
        offset=offset,
    )


def _names(line: str) -> tuple[list[str], str, bool]:
    """Columns in lower case, separator, and whether the line is itself a row; no columns where it tells none."""
    delimiter = next((mark for mark in (",", "\t") if mark in line), " ")
    parts = [part.strip(" \"'\r").lower() for part in (line.split(delimiter) if delimiter != " " else line.split())]
    if is_header(parts):
        once = [part if parts.index(part) == place else f"{part}#{place}" for place, part in enumerate(parts)]
        return once, delimiter, False
    if _FIRST_ROW.match(line) and len(parts) == len(DOCUMENTED):
        return [column.lower() for column in DOCUMENTED], delimiter, True
    return [], delimiter, False


def is_header(parts: list[str]) -> bool:
    """Do lower-case names tell a station, a time and a value?"""
    names = set(parts)
    timed = "datetime" in names or {part.lower() for part in DAY} <= names
    return timed and bool(names & {one.lower() for one in IDS}) and bool(names & KNOWN_VALUES)


def _table(rows: Any, columns: list[str], delimiter: str, rejected: dict[str, int], name: str) -> Any:
    """The wanted columns; a value that is no number makes them be read as texts, one by one."""
    wanted = [column for column in columns if column in WANTED]
    types = {column: _TEXT if column in TEXTS else pa.float32() for column in wanted}
    types |= {column: pa.float64() for column in ("lat", "lon") if column in wanted}
    try:
        return _parsed(rows, columns, delimiter, types, rejected)
    except pa.ArrowInvalid:
        rejected.clear()
    try:
        return _parsed(rows, columns, delimiter, dict.fromkeys(wanted, _TEXT), rejected)
    except pa.ArrowInvalid as cause:
        why = str(cause)[:200]
        raise ReadError(
            Reason.BAD_VALUE,
            f"{name}: MUSIC CSV: {why}: fetch it again",
            f"{name}：MUSIC CSV：{why}，请重新获取文件",
        ) from cause


def _parsed(rows: Any, columns: list[str], delimiter: str, types: dict[str, Any], rejected: dict[str, int]) -> Any:
    def skip(_: Any) -> str:
        rejected[WRONG_WIDTH] = rejected.get(WRONG_WIDTH, 0) + 1
        return "skip"

    return csv.read_csv(
        pa.BufferReader(rows),
        read_options=csv.ReadOptions(column_names=columns),
        parse_options=csv.ParseOptions(delimiter=delimiter, quote_char=False, invalid_row_handler=skip),
        convert_options=csv.ConvertOptions(
            include_columns=list(types), column_types=types, null_values=_NULLS, strings_can_be_null=False
        ),
    )


def recognise_music_csv(head: bytes) -> bool:
    """Is there a header row, or a first row of the documented columns, after comments and a return code?"""
    for line in head.removeprefix(b"\xef\xbb\xbf").decode("latin-1").split("\n")[:HEAD_LINES]:
        if _names(line.strip())[0]:
            return True
        if line.strip() and not line.startswith("#") and not _RETURN.search(line):
            return False
    return False


FORMAT = schema.Format(
    name="music-csv",
    title_en="CMADaaS/CIMISS MUSIC rows (CSV)",
    title_zh="CMADaaS/CIMISS MUSIC 接口数据（CSV）",
    recognise=recognise_music_csv,
    name_pattern=_NAME,
    read=read_music_csv,
    describe=describe,
    write=write_csv,
    in_child=True,
)
