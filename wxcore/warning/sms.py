"""The short message: what, where, when, how sure, what to do, in the space of one SMS.

The status mark, the hazard, the times, the probability and the action are never cut; names of places are counted
instead of told, soonest first, where they do not fit. Which places a forecaster added, and which are lifted, is told in
full, else in short, and the lifting left out only where not even one name would fit beside it: people there get
`sms_lifted`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from itertools import chain

from wxcore.errors import WarningError
from wxcore.warning import text_en, text_zh
from wxcore.warning.model import Place, Warning
from wxcore.warning.words import added_places, by_arrival, held_places, is_added, is_held, is_raise, percent, shift

Names = Sequence[tuple[str, str]]
"""Names of places (Chinese, English)."""

Frame = tuple[str, str]
"""What stands before and after the places."""

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
    frames = _frames_zh(warning) if zh else _frames_en(warning)
    places = _names(chain.from_iterable(by_arrival(warning).values()))
    lifted = () if warning.msg_type == "Cancel" else warning.change.released
    fuller = [(before, after + over) for over in _lifted(lifted, zh) for before, after in frames]
    most = _most(zh, limit)
    return _first_fit(places, fuller, zh, most, least=1) or _fitted(warning, places, frames, zh, most)


def sms_lifted(warning: Warning, language: str, limit: int | None = None) -> str:
    """What people of the places that an update lifts are told: that the warning is over there, and nothing else.

    Args:
        warning: names the places in `change.released`; arguments as `sms`.

    Raises:
        WarningError: as `sms`.
    """
    zh, sent = language.startswith("zh"), _times(warning)[0]
    frame = _over_zh(warning, sent) if zh else _over_en(warning, sent)
    return _fitted(warning, warning.change.released, [frame], zh, _most(zh, limit))


def _fitted(warning: Warning, places: Names, frames: Sequence[Frame], zh: bool, most: int) -> str:
    text = _first_fit(places, frames, zh, most)
    if text is None:
        need = min(len(before) + len(_listed(places, 0, zh)) + len(after) for before, after in frames)
        raise WarningError(
            f"warning {warning.id}",
            [f"its short message needs {need} characters, limit {most} 短信至少需 {need} 字，限 {most} 字"],
        )
    return text


def _first_fit(places: Names, frames: Sequence[Frame], zh: bool, most: int, least: int = 0) -> str | None:
    """As many names as fit, in the first frame that holds them; None where `least` names fit in none."""
    for count in range(len(places), least - 1, -1):
        names = _listed(places, count, zh)
        for before, after in frames:
            if len(before) + len(names) + len(after) <= most:
                return f"{before}{names}{after}"
    return None


def _most(zh: bool, limit: int | None) -> int:
    return ONE_SMS["zh" if zh else "en"] if limit is None else limit


def _frames_zh(warning: Warning) -> list[Frame]:
    """What is told but the places, in full and in short."""
    sent, onset, until = _times(warning)
    if warning.msg_type == "Cancel":
        return [_over_zh(warning, sent, COLOURS_ZH[warning.level])]
    move, held = shift(warning), is_held(warning)
    what = f"{warning.event_zh}{COLOURS_ZH[warning.level]}预警"
    if move:
        verb = f"{'升' if is_raise(move) else '降'}级为{COLOURS_ZH[move.new]}"
        what = f"{warning.event_zh}{COLOURS_ZH[move.old]}预警{verb}"
    elif warning.msg_type == "Update":
        what += "维持" if _stands(warning) else "更新"
    times = ("" if held else f"{onset:%-H:%M}起，") + f"有效至{until.day}日{until:%-H:%M}"
    action = ACTIONS_ZH[(*warning.response, "None")[0]]
    before = f"{text_zh.mark(warning)}{what}："
    return [(before, f"，{times}{how}。{action}。") for how in _sure_zh(warning)]


def _frames_en(warning: Warning) -> list[Frame]:
    sent, onset, until = _times(warning)
    if warning.msg_type == "Cancel":
        return [_over_en(warning, sent, f"{warning.colour_en} ")]
    move, held, event = shift(warning), is_held(warning), warning.event_en.lower()
    whats = [f"{warning.colour_en} {event} warning"]
    if move:
        verb = f"{'raised' if is_raise(move) else 'lowered'} to {move.new}"
        whats = [f"{move.old.capitalize()} {event} warning {verb}", f"{warning.event_en} {verb}"]
    elif warning.msg_type == "Update":
        act = "stands" if _stands(warning) else "update"
        whats = [f"{whats[0]} {act}", f"{warning.colour_en} {event} {act}"]
    times = ("" if held else f"from {onset:%H:%M}, ") + f"until {until:%d %b %H:%M}"
    action = ACTIONS_EN[(*warning.response, "None")[0]]
    mark = text_en.mark(warning)
    return [(f"{mark}{what}: ", f", {times}{how}. {action}.") for how in _sure_en(warning) for what in whats]


def _over_zh(warning: Warning, sent: datetime, colour: str = "") -> Frame:
    """Of a lifting; without the colour where the places may have stood at another level."""
    return f"{text_zh.mark(warning)}{warning.event_zh}{colour}预警{sent:%-H:%M}解除：", f"。{ACTIONS_ZH['None']}。"


def _over_en(warning: Warning, sent: datetime, colour: str = "") -> Frame:
    what = f"{colour}{warning.event_en.lower()} warning"
    return f"{text_en.mark(warning)}{what[:1].upper()}{what[1:]} lifted {sent:%H:%M}: ", f". {ACTIONS_EN['None']}."


def _stands(warning: Warning) -> bool:
    """Does it say nothing but that earlier messages stand?"""
    return is_held(warning) and not held_places(warning)[1]


def _sure_zh(warning: Warning) -> list[str]:
    """How sure, in full and in short; nothing where only the earlier warning stands behind it."""
    if is_held(warning):
        return ["" if _stands(warning) else "，依据此前分析"]
    if is_added(warning):
        return ["，预报员添加"]
    own, about = _names(added_places(warning)), f"，概率约{percent(warning.p)}%"
    full = f"{about}（{_listed(own, len(own), zh=True)}人工添加）"
    return [full, f"，概率最高约{percent(warning.p)}%"] if own else [about]


def _sure_en(warning: Warning) -> list[str]:
    if is_held(warning):
        return ["" if _stands(warning) else ", earlier analysis"]
    if is_added(warning):
        return [", by forecaster"]
    own, about = _names(added_places(warning)), f", about {percent(warning.p)} %"
    full = f"{about} ({_listed(own, len(own), zh=False)} by forecaster)"
    return [full, f", up to {percent(warning.p)} %"] if own else [about]


def _lifted(names: Names, zh: bool) -> list[str]:
    """The lifting of these places, in full and in short."""
    told = [_listed(names, count, zh) for count in (len(names), 0) if names]
    return [f"解除：{words}。" if zh else f" Lifted: {words}." for words in told]


def _names(places: Iterable[Place]) -> Names:
    return [(place.name_zh, place.name_en) for place in places]


def _times(warning: Warning) -> list[datetime]:
    """Sent, onset and expiry on the record's own clock."""
    zone = timezone(timedelta(hours=warning.utc_offset_h))
    return [time.astimezone(zone) for time in (warning.sent, warning.onset, warning.expires)]


def _listed(places: Names, count: int, zh: bool) -> str:
    """The first `count` names; the others counted."""
    rest = len(places) - count
    if zh:
        names = "、".join(name for name, _ in places[:count])
        return names + (f"{'等' if count else ''}{len(places)}处" if rest else "")
    names = ", ".join(name for _, name in places[:count])
    return names + (f" +{rest}" if rest and count else f"{rest} place{'s' * (rest > 1)}" if rest else "")
