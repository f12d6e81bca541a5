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
from wxcore.warning.model import Place, Warning

NAMES_SHOWN = 12
"""Places written out in the body; the others are counted there and listed in the area description."""

DRIVERS_SHOWN = 3

_VERB_ZH = {"Alert": "发布", "Update": "更新", "Cancel": "解除"}
_VERB_EN = {"Alert": "issues", "Update": "updates", "Cancel": "lifts"}
_TO_ZH = ("北", "东北", "东", "东南", "南", "西南", "西", "西北")
_TO_EN = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@dataclass(frozen=True)
class Change:
    """What differs from the messages superseded: names (zh, en) of places added and released, and other notes."""

    added: tuple[tuple[str, str], ...] = ()
    released: tuple[tuple[str, str], ...] = ()
    raised: tuple[tuple[str, str], ...] = ()
    lowered: tuple[tuple[str, str], ...] = ()
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
        f"预计：{_hm_zh(sent)}至{_hm_zh(horizon)}，{_places_zh(warning, clock)}{signal.verb_zh}。"
        f"预警有效至{_day_hm_zh(until)}。",
        f"把握：概率约{_percent(warning.p)}%。{_reasons('依据：', warning.drivers_zh, '；')}",
        _change_zh(change, warning),
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
        f"Next: {sent:%H:%M} to {horizon:%H:%M} {book.clock_en}, {signal.verb_en} in {_places_en(warning, clock)}. "
        f"Valid until {until:%d %b %H:%M} {book.clock_en}.",
        f"How sure: about {_percent(warning.p)} %. {_reasons('Why: ', warning.drivers, '; ')}".rstrip(),
        _change_en(change, warning),
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


def _by_arrival(warning: Warning) -> list[Place]:
    return sorted(warning.districts, key=lambda place: (place.eta_min, place.key))


def _places_zh(warning: Warning, clock: Callable[[datetime], datetime]) -> str:
    named = [f"{place.name_zh}（{_eta_zh(warning, place, clock)}）" for place in _by_arrival(warning)[:NAMES_SHOWN]]
    rest = len(warning.districts) - len(named)
    return "、".join(named) + (f"等{len(warning.districts)}处" if rest else "")


def _eta_zh(warning: Warning, place: Place, clock: Callable[[datetime], datetime]) -> str:
    if place.eta_min <= 0:
        return "现在起"
    return f"约{_hm_zh(clock(warning.cycle + timedelta(minutes=place.eta_min)))}起"


def _places_en(warning: Warning, clock: Callable[[datetime], datetime]) -> str:
    named = []
    for place in _by_arrival(warning)[:NAMES_SHOWN]:
        arrival = clock(warning.cycle + timedelta(minutes=place.eta_min))
        named.append(f"{place.name_en} ({'now' if place.eta_min <= 0 else f'about {arrival:%H:%M}'})")
    rest = len(warning.districts) - len(named)
    return ", ".join(named) + (f" and {rest} more" if rest else "")


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
        if isfinite(value) and value > 0 and not (column == "mesh_mm" and warning.data_kind == "composite"):
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
        if isfinite(value) and value > 0 and not (column == "mesh_mm" and warning.data_kind == "composite"):
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


def _change_zh(change: Change, warning: Warning) -> str:
    if warning.msg_type == "Alert":
        return "变化：新发布。"
    parts = [f"新增{_names(change.added, 0)}"] if change.added else []
    parts += [f"{_names(change.raised, 0)}级别提高"] if change.raised else []
    parts += [f"{_names(change.lowered, 0)}级别降低"] if change.lowered else []
    parts += [f"解除{_names(change.released, 0)}{warning.event_zh}预警"] if change.released else []
    parts += ["有效时间延长"] if change.renewed else []
    return f"变化：{'；'.join(parts)}。" if parts else ""


def _change_en(change: Change, warning: Warning) -> str:
    if warning.msg_type == "Alert":
        return "Changed: new."
    parts = [f"added {_names(change.added, 1)}"] if change.added else []
    parts += [f"raised in {_names(change.raised, 1)}"] if change.raised else []
    parts += [f"lowered in {_names(change.lowered, 1)}"] if change.lowered else []
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
