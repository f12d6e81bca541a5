"""The short message: what, where, when, how sure, what to do, in the space of one SMS.

The status mark, the hazard, the times, the probability and the action are never cut; names of places are counted
instead of told, soonest first, where they do not fit.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import chain

from wxcore.errors import WarningError
from wxcore.warning import text_en, text_zh
from wxcore.warning.model import Place, Warning
from wxcore.warning.words import by_arrival, is_added, percent

ONE_SMS = {"zh": 70, "en": 140}
"""Characters of one short message: 140 octets, two an ideograph (UCS-2, 3GPP TS 23.040); 140 in Chinese are two parts.

English of GSM 7-bit letters would have 160; 140 leaves room for the operator's signature."""

ACTIONS_ZH = {
    "Shelter": "请立即到室内躲避", "Evacuate": "请立即撤离", "Prepare": "请做好防范", "Avoid": "请避免户外活动",
    "Execute": "请按预案行动", "Monitor": "请关注天气", "Assess": "请注意研判",
    "AllClear": "请关注天气", "None": "请关注天气",
}  # fmt: skip
ACTIONS_EN = {
    "Shelter": "Take shelter now", "Evacuate": "Leave the area", "Prepare": "Get ready", "Avoid": "Stay indoors",
    "Execute": "Follow the plan", "Monitor": "Watch the weather", "Assess": "Watch the weather",
    "AllClear": "Watch the weather", "None": "Watch the weather",
}  # fmt: skip
"""What to do, by CAP responseType: the first of the record's is told [our wording]."""


COLOURS_ZH = {"blue": "蓝色", "yellow": "黄色", "orange": "橙色", "red": "红色"}
"""The names of the colours: the decree's, the same in every rule book."""


def sms(warning: Warning, language: str, limit: int | None = None) -> str:
    """A message of at most `limit` characters (ONE_SMS by default), from the record alone.

    Args:
        language: "zh" or "en", or a tag that begins so.
        limit: in Chinese 140 for two parts.

    Raises:
        WarningError: what must be said does not fit the limit, even with every place only counted.
    """
    zh = language.startswith("zh")
    most = ONE_SMS["zh" if zh else "en"] if limit is None else limit
    places = list(chain.from_iterable(by_arrival(warning).values()))
    before, after = _frame_zh(warning) if zh else _frame_en(warning)
    listed = _listed_zh if zh else _listed_en
    for count in range(len(places), -1, -1):
        text = f"{before}{listed(places, count)}{after}"
        if len(text) <= most:
            return text
    raise WarningError(
        f"warning {warning.id}",
        [f"its short message needs {len(text)} characters, limit {most} 短信至少需 {len(text)} 字，限 {most} 字"],
    )


def _frame_zh(warning: Warning) -> tuple[str, str]:
    """What stands before and after the places."""
    sent, onset, until = _times(warning)
    what = f"{warning.event_zh}{COLOURS_ZH[warning.level]}预警"
    mark = text_zh.mark(warning)
    if warning.msg_type == "Cancel":
        return f"{mark}{what}{sent:%-H:%M}解除：", f"。{ACTIONS_ZH['None']}。"
    action = ACTIONS_ZH[(*warning.response, "None")[0]]
    times = f"{onset:%-H:%M}起，有效至{until.day}日{until:%-H:%M}"
    sure = "预报员添加" if is_added(warning) else f"概率约{percent(warning.p)}%"
    return f"{mark}{what}：", f"，{times}，{sure}。{action}。"


def _frame_en(warning: Warning) -> tuple[str, str]:
    sent, onset, until = _times(warning)
    what = f"{warning.colour_en} {warning.event_en.lower()} warning"
    mark = text_en.mark(warning)
    if warning.msg_type == "Cancel":
        return f"{mark}{what} lifted {sent:%H:%M}: ", f". {ACTIONS_EN['None']}."
    action = ACTIONS_EN[(*warning.response, "None")[0]]
    times = f"from {onset:%H:%M}, until {until:%d %b %H:%M}"
    sure = "by forecaster" if is_added(warning) else f"about {percent(warning.p)} %"
    return f"{mark}{what}: ", f", {times}, {sure}. {action}."


def _times(warning: Warning) -> list[datetime]:
    """Sent, onset and expiry on the record's own clock."""
    zone = timezone(timedelta(hours=warning.utc_offset_h))
    return [time.astimezone(zone) for time in (warning.sent, warning.onset, warning.expires)]


def _listed_zh(places: Sequence[Place], count: int) -> str:
    names = "、".join(place.name_zh for place in places[:count])
    return names + (f"{'等' if count else ''}{len(places)}处" if count < len(places) else "")


def _listed_en(places: Sequence[Place], count: int) -> str:
    names = ", ".join(place.name_en for place in places[:count])
    rest = len(places) - count
    return names + (f" +{rest}" if rest and count else f"{rest} places" if rest else "")
