"""What people read: headline, body and instruction, Chinese and English (elements of DOMAIN.md 6.2).

Short lines for one phone screen: now, next (where, from when to when), how sure and why, what changed, risk, standard.
Every text says that it is a draft under test, simulated data say so first, 2-D data say what they cannot tell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from math import atan2, degrees, hypot, isfinite
from typing import Any

from wxcore.times import require_utc
from wxcore.warning.level import LevelRule, Rulebook, Signal
from wxcore.warning.model import ARRIVALS, Place, Warning

NAMES_SHOWN = 12
"""Places of each kind of arrival in the body; the others are counted there and listed in the area description."""

DRIVERS_SHOWN = 3

_VERB_ZH = {"Alert": "发布", "Update": "更新", "Cancel": "解除"}
_VERB_EN = {"Alert": "issues", "Update": "updates", "Cancel": "lifts"}
_TO_ZH = ("北", "东北", "东", "东南", "南", "西南", "西", "西北")
_TO_EN = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@dataclass(frozen=True)
class Move:
    """Places, names (zh, en), that go from one level to another."""

    names: tuple[tuple[str, str], ...]
    old: str
    new: str


@dataclass(frozen=True)
class Change:
    """What differs from the messages before: names (zh, en) of places added and released, and other notes."""

    added: tuple[tuple[str, str], ...] = ()
    released: tuple[tuple[str, str], ...] = ()
    raised: tuple[Move, ...] = ()
    lowered: tuple[Move, ...] = ()
    renewed: bool = False


def write_texts(
    warning: Warning, signal: Signal, book: Rulebook, storms: Sequence[Mapping[Any, Any]], change: Change
) -> Warning:
    """The warning with its six texts. `storms`: rows of schema.STORMS behind it (may be none)."""
    rule = signal.rule(warning.level)
    return replace(
        warning,
        headline_zh=_headline_zh(warning, book),
        headline_en=_headline_en(warning, book),
        description_zh=_body_zh(warning, signal, book, storms, change),
        description_en=_body_en(warning, signal, book, storms, change),
        instruction_zh="\n".join(f"{n}.{line}" for n, line in enumerate(rule.guidance_zh, 1)),
        instruction_en="\n".join(f"{n}. {line}" for n, line in enumerate(rule.guidance_en, 1)),
    )


def area_words(warning: Warning) -> tuple[str, str]:
    """All places of the warning in one line, (Chinese, English)."""
    zh = "、".join(place.name_zh for place in warning.districts)
    return zh, ", ".join(place.name_en for place in warning.districts)


def _headline_zh(warning: Warning, book: Rulebook) -> str:
    colour = book.colours[warning.level]
    mark = "【模拟】" if warning.truth == "SYN" else ""
    verb = _VERB_ZH[warning.msg_type]
    title = f"{verb}{warning.event_zh}{colour.zh}预警[{colour.roman}级/{colour.grade_zh}]"
    return f"{mark}【草稿·测试】{warning.sender_name_zh}{title}"


def _headline_en(warning: Warning, book: Rulebook) -> str:
    colour = book.colours[warning.level]
    mark = "SIMULATED - " if warning.truth == "SYN" else ""
    title = f"{_VERB_EN[warning.msg_type]} {colour.en} {warning.event_en.lower()} warning ({colour.grade_en})"
    return f"{mark}DRAFT, TEST - {warning.sender_name_en} {title}"


def _body_zh(
    warning: Warning, signal: Signal, book: Rulebook, storms: Sequence[Mapping[Any, Any]], change: Change
) -> str:
    rule, clock = signal.rule(warning.level), _clock(book)
    sent, until = clock(warning.sent), clock(warning.expires)
    colour = book.colours[warning.level]
    head = (
        f"{warning.sender_name_zh}{_date_zh(sent)}（{book.clock_zh}）{_VERB_ZH[warning.msg_type]}"
        f"{warning.event_zh}{colour.zh}预警信号（草稿，须经预报员签发）。"
    )
    horizon = clock(warning.cycle + timedelta(minutes=book.horizon_min))
    lines = [
        "模拟资料，仅供演练，并非真实天气。" if warning.truth == "SYN" else "",
        head,
        f"实况：{_now_zh(warning, storms)}",
        f"预计：{_hm_zh(sent)}至{_hm_zh(horizon)}，{_places_zh(warning, signal, book)}预警有效至{_day_hm_zh(until)}。",
        f"把握：概率约{_percent(warning.p)}%。{_reasons('依据：', warning.drivers_zh, '；')}",
        _change_zh(change, warning, book),
        _data_zh(warning),
        f"风险：{signal.risk_zh}请注意防范。",
        f"标准：{rule.text_zh}（{_source(rule)}）",
    ]
    return "\n".join(line for line in lines if line)


def _body_en(
    warning: Warning, signal: Signal, book: Rulebook, storms: Sequence[Mapping[Any, Any]], change: Change
) -> str:
    rule, clock = signal.rule(warning.level), _clock(book)
    sent, until = clock(warning.sent), clock(warning.expires)
    horizon = clock(warning.cycle + timedelta(minutes=book.horizon_min))
    lines = [
        "SIMULATED data, exercise only: this is not real weather." if warning.truth == "SYN" else "",
        f"{warning.sender_name_en}, {sent:%Y-%m-%d %H:%M} {book.clock_en}: {_VERB_EN[warning.msg_type]} "
        f"{book.colours[warning.level].en} {warning.event_en.lower()} warning (draft, a forecaster must sign).",
        f"Now: {_now_en(warning, storms)}",
        f"Next: {sent:%H:%M} to {horizon:%H:%M} {book.clock_en}, {_places_en(warning, signal, book)} "
        f"Valid until {until:%d %b %H:%M} {book.clock_en}.",
        f"How sure: about {_percent(warning.p)} %. {_reasons('Why: ', warning.drivers, '; ')}".rstrip(),
        _change_en(change, warning, book),
        _data_en(warning),
        f"Risk: {signal.risk_en}",
        f"Standard: {rule.text_en}",
    ]
    return "\n".join(line for line in lines if line)


def _source(rule: LevelRule) -> str:
    return rule.source if rule.source_grade == "official" else f"{rule.source}，非国家标准，未核实"


def _clock(book: Rulebook) -> Callable[[datetime], datetime]:
    zone = timezone(timedelta(hours=book.utc_offset_h))
    return lambda time: require_utc(time).astimezone(zone)


def _date_zh(time: datetime) -> str:
    return f"{time.year}年{time.month}月{time.day}日{_hm_zh(time)}"


def _hm_zh(time: datetime) -> str:
    return f"{time.hour}时{time.minute:02d}分"


def _day_hm_zh(time: datetime) -> str:
    return f"{time.day}日{_hm_zh(time)}"


def _percent(p: float) -> int:
    return min(99, round(p * 20) * 5)  # steps of five, and a machine is never certain


def _reasons(label: str, drivers: Sequence[str], joint: str) -> str:
    return f"{label}{joint.join(drivers[:DRIVERS_SHOWN])}" if drivers else ""


def _by_arrival(warning: Warning) -> dict[str, list[Place]]:
    """The places of each kind of arrival, soonest first."""
    places = sorted(warning.districts, key=lambda place: (place.eta_min, place.key))
    return {kind: [place for place in places if place.arrival == kind] for kind in ARRIVALS}


def _places_zh(warning: Warning, signal: Signal, book: Rulebook) -> str:
    clock, hours = _clock(book), book.horizon_min / 60
    groups = _by_arrival(warning)
    timed, possible, held = (_listed_zh(groups[kind], warning, clock) for kind in ARRIVALS)
    parts = [f"{timed}{signal.verb_zh}。"] if timed else []
    parts += [f"未来{hours:g}小时内可能出现{signal.name_zh}（到达时间不定）：{possible}。"] if possible else []
    parts += [f"此前预警继续有效：{held}。"] if held else []
    return "".join(parts)


def _listed_zh(places: Sequence[Place], warning: Warning, clock: Callable[[datetime], datetime]) -> str:
    words = [place.name_zh + _eta_zh(warning, place, clock) for place in places[:NAMES_SHOWN]]
    return "、".join(words) + (f"等{len(places)}处" if len(places) > len(words) else "")


def _eta_zh(warning: Warning, place: Place, clock: Callable[[datetime], datetime]) -> str:
    if place.arrival != "timed":
        return ""
    if place.eta_min <= 0:
        return "（现在起）"
    return f"（约{_hm_zh(clock(warning.cycle + timedelta(minutes=place.eta_min)))}起）"


def _places_en(warning: Warning, signal: Signal, book: Rulebook) -> str:
    clock, hours = _clock(book), book.horizon_min / 60
    within = "the hour" if hours == 1 else f"{hours:g} h"
    groups = _by_arrival(warning)
    timed, possible, held = (_listed_en(groups[kind], warning, clock) for kind in ARRIVALS)
    parts = [f"{signal.verb_en} in {timed}."] if timed else []
    parts += [f"{signal.name_en} possible within {within} (no arrival time) in {possible}."] if possible else []
    parts += [f"Held over, the earlier warning stands: {held}."] if held else []
    return " ".join(parts)


def _listed_en(places: Sequence[Place], warning: Warning, clock: Callable[[datetime], datetime]) -> str:
    words = [place.name_en + _eta_en(warning, place, clock) for place in places[:NAMES_SHOWN]]
    return ", ".join(words) + (f" and {len(places) - len(words)} more" if len(places) > len(words) else "")


def _eta_en(warning: Warning, place: Place, clock: Callable[[datetime], datetime]) -> str:
    if place.arrival != "timed":
        return ""
    if place.eta_min <= 0:
        return " (now)"
    return f" (about {clock(warning.cycle + timedelta(minutes=place.eta_min)):%H:%M})"


def _most(storms: Sequence[Mapping[Any, Any]], column: str) -> float:
    values = [float(storm.get(column, float("nan"))) for storm in storms]
    return max((value for value in values if isfinite(value)), default=float("nan"))


def _motion(storms: Sequence[Mapping[Any, Any]]) -> tuple[int, int] | None:
    """Compass index (towards) and speed [km/h] of the storm with the largest echo, None where unknown or still."""
    if not storms:
        return None
    lead = max(storms, key=lambda storm: (_most([storm], "max_dbz"), str(storm.get("storm_id", ""))))
    u, v = float(lead.get("u_m_s", float("nan"))), float(lead.get("v_m_s", float("nan")))
    if not (isfinite(u) and isfinite(v)) or hypot(u, v) < 1.0:
        return None
    return round((degrees(atan2(u, v)) % 360) / 45) % 8, round(hypot(u, v) * 3.6)


def _now_zh(warning: Warning, storms: Sequence[Mapping[Any, Any]]) -> str:
    if not storms:
        return "目前无新的强回波，此前预警继续有效。"
    parts = [f"监测到{len(storms)}个对流单体"]
    for column, words in (
        ("max_dbz", "最强回波{:.0f} dBZ"),
        ("echo_top_18_km", "回波顶高{:.0f}公里"),
        ("mesh_mm", "雷达估测冰雹尺寸{:.0f}毫米"),
    ):
        value = _most(storms, column)
        if isfinite(value) and value > 0 and (column != "mesh_mm" or warning.hazard == "hail"):
            parts.append(words.format(value))
    motion = _motion(storms)
    if motion:
        parts.append(f"向{_TO_ZH[motion[0]]}移动，时速约{motion[1]}公里")
    return "，".join(parts) + "。"


def _now_en(warning: Warning, storms: Sequence[Mapping[Any, Any]]) -> str:
    if not storms:
        return "no new strong echo; the earlier warning stands."
    parts = [f"{len(storms)} storm{'s' if len(storms) > 1 else ''}"]
    for column, words in (
        ("max_dbz", "up to {:.0f} dBZ"),
        ("echo_top_18_km", "tops to {:.0f} km"),
        ("mesh_mm", "radar hail size {:.0f} mm"),
    ):
        value = _most(storms, column)
        if isfinite(value) and value > 0 and (column != "mesh_mm" or warning.hazard == "hail"):
            parts.append(words.format(value))
    motion = _motion(storms)
    if motion:
        parts.append(f"moving {_TO_EN[motion[0]]} at about {motion[1]} km/h")
    return ", ".join(parts) + "."


def _names(pairs: Sequence[tuple[str, str]], index: int) -> str:
    shown = [pair[index] for pair in pairs[:NAMES_SHOWN]]
    more = len(pairs) - len(shown)
    return ("、" if index == 0 else ", ").join(shown) + (
        (f"等{len(pairs)}处" if index == 0 else ", ...") if more else ""
    )


def _change_zh(change: Change, warning: Warning, book: Rulebook) -> str:
    if warning.msg_type == "Alert" and not (change.raised or change.lowered):
        return "变化：新发布。"
    parts = [f"新增{_names(change.added, 0)}"] if change.added else []
    for moves, verb in ((change.raised, "升"), (change.lowered, "降")):
        for move in moves:
            old, new = book.colours[move.old], book.colours[move.new]
            parts.append(f"{_names(move.names, 0)}由{old.zh}{verb}为{new.zh}")
    parts += [f"解除{_names(change.released, 0)}{warning.event_zh}预警"] if change.released else []
    parts += ["有效时间延长"] if change.renewed else []
    return f"变化：{'；'.join(parts)}。" if parts else ""


def _change_en(change: Change, warning: Warning, book: Rulebook) -> str:
    if warning.msg_type == "Alert" and not (change.raised or change.lowered):
        return "Changed: new."
    parts = [f"added {_names(change.added, 1)}"] if change.added else []
    for moves, verb in ((change.raised, "raised"), (change.lowered, "lowered")):
        for move in moves:
            old, new = book.colours[move.old].en.lower(), book.colours[move.new].en.lower()
            parts.append(f"{_names(move.names, 1)} {verb} from {old} to {new}")
    parts += [f"lifted for {_names(change.released, 1)}"] if change.released else []
    parts += ["valid longer"] if change.renewed else []
    return f"Changed: {'; '.join(parts)}." if parts else ""


def _data_zh(warning: Warning) -> str:
    told = any("二维" in note and "冰雹" in note for note in warning.degraded_zh)
    parts = ["仅有二维拼图资料，未评估冰雹"] if warning.data_kind == "composite" and not told else []
    return f"资料：{'；'.join([*parts, *warning.degraded_zh])}。" if parts or warning.degraded_zh else ""


def _data_en(warning: Warning) -> str:
    told = any("2-D only" in note and "hail" in note for note in warning.degraded)
    parts = ["2-D only, hail not assessed"] if warning.data_kind == "composite" and not told else []
    return f"Data: {'; '.join([*parts, *warning.degraded])}." if parts or warning.degraded else ""
