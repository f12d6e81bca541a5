"""MUSIC's answer as XML: `<DS returnCode="0" ...><R Station_Id_C="A8290" .../>...</DS>` (FORMATS.md C).

Hostile bytes are expected: no document type, so no entities; no network; bounded size and depth.
"""

import re

from lxml import etree

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK
from wxcore.station.music import check_answer, empty, too_large
from wxcore.station.music_rows import read_rows
from wxcore.station.reports import Reports, describe

_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}(?:<\?xml[^>]{0,200}\?>)?\s{0,64}<DS[\s>]", re.IGNORECASE)
_NAME = re.compile(r"^SURF_[A-Z]+(?:_[A-Z]+)*_.*\.xml", re.IGNORECASE)


def read_music_xml(data: bytes, name: str) -> Reports:
    """The reports of an answer.

    Args:
        data: the whole file, uncompressed; name: its base name.

    Raises:
        ReadError: BAD_HEADER where it is no such XML, holds a document type or says that the query failed; EMPTY
            without rows; BAD_VALUE where most rows are bad.
        LimitError: TOO_LARGE.
    """
    too_large(data, name)
    root = _root(data, name)
    check_answer(name, root.get("returnCode", "0"), root.get("returnMessage", ""))
    rows = [{str(key): str(value) for key, value in row.items()} for row in root if row.tag in {"R", "r"}]
    if not rows:
        raise empty(name)
    told: dict[str, object] = {str(key): str(value) for key, value in root.items()}
    return read_rows(rows, name, FORMAT.name, told, simulated=told.get(SIMULATED_ATTRIBUTE) == SIMULATED_MARK)


def _root(data: bytes, name: str) -> etree._Element:
    if b"<!DOCTYPE" in data.replace(b"\x00", b""):  # before any parser sees it; NULs dropped for UTF-16
        raise _refused(name, "a document type (DOCTYPE) is refused", "拒绝含 DOCTYPE 的文件")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as cause:
        raise _refused(name, f"not well-formed: {str(cause)[:200]}", f"不是合法的 XML：{str(cause)[:200]}") from cause
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]  # missing in the stub
        raise _refused(name, "a document type (DOCTYPE) is refused", "拒绝含 DOCTYPE 的文件")
    if root.tag != "DS":
        raise _refused(
            name, f"root element {str(root.tag)[:40]}, expected DS", f"根元素应为 DS，实为 {str(root.tag)[:40]}"
        )
    return root


def _refused(name: str, en: str, zh: str) -> ReadError:
    return ReadError(
        Reason.BAD_HEADER, f"{name}: MUSIC XML: {en}: fetch it again", f"{name}：MUSIC XML：{zh}，请重新获取"
    )


def recognise_music_xml(head: bytes) -> bool:
    """Does it begin with the element DS of a query's answer?"""
    return _HEAD.match(head) is not None and (b"returnCode" in head or b"Station_Id" in head)


FORMAT = schema.Format(
    name="music-xml",
    title_en="CMADaaS/CIMISS MUSIC answer (XML)",
    title_zh="CMADaaS/CIMISS MUSIC 接口数据（XML）",
    recognise=recognise_music_xml,
    name_pattern=_NAME,
    read=read_music_xml,
    describe=describe,
    in_child=True,
)
