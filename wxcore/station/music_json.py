"""MUSIC's answer as JSON: `{"returnCode": "0", "returnMessage": ..., "DS": [{...}, ...]}` (FORMATS.md C).

Values are texts or numbers.
"""

import json
import re
from typing import Any

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.station.music import check_answer, empty, too_large
from wxcore.station.music_rows import read_rows
from wxcore.station.music_write import write_json
from wxcore.station.reports import Reports, describe

_START = re.compile(rb'(?:\xef\xbb\xbf)?\s{0,64}\{\s{0,64}"')
_ANSWER = re.compile(rb'"returnCode"\s{0,8}:')
_ROWS = re.compile(rb'"DS"\s{0,8}:\s{0,8}\[\s{0,64}(?:\]|\{[^{}]{0,4000}?"Station_Id)', re.IGNORECASE)
_NAME = re.compile(r"^SURF_[A-Z]+(?:_[A-Z]+)*_.*\.json", re.IGNORECASE)


def read_music_json(data: bytes, name: str) -> Reports:
    """The reports of an answer.

    Args:
        data: the whole file, uncompressed; name: its base name.

    Raises:
        ReadError: BAD_HEADER where it is no such JSON or says that the query failed; EMPTY without rows; BAD_VALUE
            where most rows are bad.
        LimitError: TOO_LARGE.
    """
    too_large(data, name)
    answer = _answer(data, name)
    check_answer(name, answer.get("returnCode", "0"), answer.get("returnMessage", ""))
    rows = answer.get("DS")
    if rows is None or rows in ([], {}, ""):
        raise empty(name)
    if not isinstance(rows, list):
        raise _refused(name, f"DS is {type(rows).__name__}, expected a list of rows", "DS 不是记录列表")
    return read_rows(rows, name, FORMAT.name, answer, simulated=answer.get(SIMULATED_ATTRIBUTE) == SIMULATED_MARK)


def _answer(data: bytes, name: str) -> dict[str, Any]:
    try:
        answer = json.loads(_text(data))
    except (ValueError, RecursionError) as cause:
        raise _refused(name, f"not JSON: {str(cause)[:200]}", f"不是合法的 JSON：{str(cause)[:200]}") from cause
    if not isinstance(answer, dict):
        raise _refused(name, f"{type(answer).__name__} at the top, expected an object", "顶层不是对象")
    return answer


def _text(data: bytes) -> str:
    """UTF-8, or GBK where it is no UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gbk", errors="replace")


def _refused(name: str, en: str, zh: str) -> ReadError:
    return ReadError(
        Reason.BAD_HEADER, f"{name}: MUSIC JSON: {en}: fetch it again", f"{name}：MUSIC JSON：{zh}，请重新获取"
    )


def recognise_music_json(head: bytes) -> bool:
    """Does it begin as an object with a query's return code, or with rows of stations?"""
    return _START.match(head) is not None and (_ANSWER.search(head) is not None or _ROWS.search(head) is not None)


FORMAT = schema.Format(
    name="music-json",
    title_en="CMADaaS/CIMISS MUSIC answer (JSON)",
    title_zh="CMADaaS/CIMISS MUSIC 接口数据（JSON）",
    recognise=recognise_music_json,
    name_pattern=_NAME,
    read=read_music_json,
    describe=describe,
    write=write_json,
    in_child=True,
)
