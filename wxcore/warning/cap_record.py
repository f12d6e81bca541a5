"""From one of our CAP messages back to the record, losing nothing."""

from wxcore.errors import TimeError, WarningError
from wxcore.warning.cap import cap_xml
from wxcore.warning.cap_fields import RECORD, fields_of
from wxcore.warning.cap_model import Alert
from wxcore.warning.cap_read import parse_alert, read_xml
from wxcore.warning.lossless import refuse_contradiction, restored
from wxcore.warning.model import Warning


def warning_from_cap(xml: bytes) -> Warning:
    """The record of a message that `cap_xml` wrote, signed or not (a signature is not looked at here).

    What CAP has an element for is read from the element; the rest from the parameter `wx.record`.

    Raises:
        WarningError: refused by `parse_cap`; not a message of ours; or elements and `wx.record` contradict each other,
            with the element and line.
    """
    root = read_xml(xml)
    alert = parse_alert(root)
    what = f"CAP {alert.identifier}"
    rest = _rest(alert)
    if rest is None:
        raise WarningError(what, [f"no parameter {RECORD}: not a message of ours 没有 {RECORD}，不是本系统的报文"])
    try:
        told = fields_of(alert)
    except (TimeError, ValueError, LookupError) as cause:
        raise WarningError(what, [f"not a message of ours 不是本系统的报文: {cause!r}"]) from cause
    warning = restored(told, rest, what)
    refuse_contradiction(root, lambda: cap_xml(warning), what)
    return warning


def _rest(alert: Alert) -> str | None:
    for pair in alert.infos[0].parameters if alert.infos else ():
        if pair.name == RECORD:
            return pair.value
    return None
