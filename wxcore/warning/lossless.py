"""A record inside of a message: what the elements say, what they leave out, and whether the two agree.

Each dialect gives the fields that its elements hold; the rest travels beside them as compact JSON. Reading joins the
two, writes the message again from the record and compares: a message of which one part was edited tells two stories,
and is refused with the element and line at which they part.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

from lxml import etree

from wxcore.errors import WarningError
from wxcore.times import iso, parse_time
from wxcore.warning.cap_model import SIGNATURE
from wxcore.warning.cap_read import at
from wxcore.warning.model import Warning, from_dict, to_dict

Fields = dict[str, Any]
"""Some fields of a Warning, as `model.to_dict` writes them."""


def rest_of(warning: Warning, told: Mapping[str, Any]) -> str:
    """Compact JSON of the fields that the elements do not hold, or hold with less precision."""
    rest = {name: value for name, value in to_dict(warning).items() if name not in told or told[name] != value}
    return json.dumps(rest, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def restored(told: Mapping[str, Any], rest: str, what: str) -> Warning:
    """The record of which `told` are the fields in the elements and `rest` is the JSON beside them.

    Raises:
        WarningError: the JSON is damaged, or the record breaks a rule of Warning.
    """
    try:
        fields = json.loads(rest)
        return from_dict({**told, **fields})
    except WarningError:
        raise
    except Exception as cause:  # whatever hostile JSON does to the reader of records
        raise WarningError(what, [f"wx.record cannot be read 附带的记录无法读取: {cause!r}"[:300]]) from cause


def refuse_contradiction(root: etree._Element, write: Callable[[], bytes], what: str) -> None:
    """Refuse a message that differs from what its own record writes.

    Raises:
        WarningError: it differs, with element and line; or the record, of hostile values, cannot be written at all.
    """
    try:
        expected = etree.fromstring(write())
    except WarningError:
        raise
    except Exception as cause:  # a record of the right names and the wrong types
        raise WarningError(what, [f"wx.record cannot be written again 附带的记录无效: {cause!r}"[:300]]) from cause
    fault = difference(root, expected)
    if fault is not None:
        raise WarningError(what, [fault])


def difference(found: etree._Element, expected: etree._Element) -> str | None:
    """Where a message stops to be what its record says, with line and element; None where they agree.

    White space between elements and signatures are not compared.
    """
    for one, other in zip_longest(_elements(found), _elements(expected)):
        if one is None:
            return f"{at(found)}: <{_name(other)}> {_text(other)!r} of the record is missing 缺少记录中的元素"
        if other is None:
            return f"{at(one)}: {_text(one)!r} is not in the record 记录中没有此元素"
        if one.tag != other.tag or _text(one) != _text(other):
            return (
                f"{at(one)}: {_text(one)!r}, the rest of the message says <{_name(other)}> {_text(other)!r}: "
                f"one of them was changed 与报文其余内容矛盾，其中一处被改动"
            )
    return None


def _elements(root: etree._Element) -> Iterator[etree._Element]:
    for element in root.iter(etree.Element):
        inside = element.tag == SIGNATURE or any(parent.tag == SIGNATURE for parent in element.iterancestors())
        if not inside:
            yield element


def _text(element: etree._Element) -> str:
    """Text of a leaf; "" for what holds elements."""
    return "" if len(element) else (element.text or "")


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname


def time_field(text: str) -> str:
    """A time of a message as `to_dict` writes it.

    Raises:
        TimeError: not a time with its offset.
    """
    return iso(parse_time(text))


def ring_field(text: str) -> list[list[float]]:
    """`lat,lon lat,lon ...` as a ring [[lon, lat], ...].

    Raises:
        ValueError: not pairs of numbers.
    """
    pairs = [pair.split(",") for pair in text.split()]
    return [[float(lon), float(lat)] for lat, lon in pairs]


def ring_text(ring: tuple[tuple[float, float], ...]) -> str:
    """A ring (lon, lat) as `lat,lon lat,lon ...` to 0.0001 degree (11 m)."""
    return " ".join(f"{lat:.4f},{lon:.4f}" for lon, lat in ring)
