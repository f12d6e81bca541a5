"""The Chinese texts, as CMA writes them (DOMAIN.md 6.2, 6.3): title, body, guide."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from wxcore.warning.level import OFFICIAL, LevelRule, Rulebook, Signal
from wxcore.warning.model import Also, Move, Place, Warning
from wxcore.warning.words import (
    NAMES_SHOWN,
    TOWNS_SHOWN,
    added_places,
    by_arrival,
    clock_of,
    ends_sooner,
    harm,
    held_places,
    is_added,
    is_dated,
    is_past,
    is_raise,
    is_unseen,
    mark_of,
    others_by_place,
    percent,
    possible_until,
    reasons,
    shift,
    stay_at,
    towns_by_district,
)

VERBS = {"Alert": "发布", "Update": "更新", "Cancel": "解除"}
STATUS_MARKS = {"Test": "【测试】", "Exercise": "【演练】", "Draft": "【草稿】", "Actual": ""}
DRAFT_MARK = "【草稿·测试】"
SYN_MARK = "【模拟】"
OVER = "预警已解除，请继续关注最新天气信息。"
_TO = ("北", "东北", "东", "东南", "南", "西南", "西", "西北")


def mark(warning: Warning) -> str:
    """What must stand before every text: simulated, draft, test, exercise; nothing before a real message."""
    return mark_of(warning, SYN_MARK, DRAFT_MARK, STATUS_MARKS)


def headline(warning: Warning, book: Rulebook) -> str:
    """Title: {发布单位}发布{灾种}{颜色}预警[Ⅲ级/较重]; upgrades and downgrades name both colours."""
    colour, move = book.colours[warning.level], shift(warning)
    unit = f"{mark(warning)}{warning.sender_name_zh}"
    grade = f"[{colour.roman}级/{colour.grade_zh}]"
    if warning.msg_type == "Cancel":
        return f"{unit}解除{warning.event_zh}{colour.zh}预警信号"
    if move:
        return f"{unit}{_shifted(move, warning, book)}{grade}"
    return f"{unit}{VERBS[warning.msg_type]}{warning.event_zh}{colour.zh}预警{grade}"


def body(warning: Warning, book: Rulebook) -> str:
    """Now, next, how sure and why, what changed, other hazards, data, risk, the forecaster's words, standard."""
    signal = book.signal(warning.hazard)
    rule = signal.rule(warning.level)
    lines = [
        "模拟资料，仅供演练，并非真实天气。" if warning.truth == "SYN" else "",
        _head(warning, book),
        *(
            [f"变化：解除{_names([(p.name_zh, p.name_en) for p in warning.districts])}{warning.event_zh}预警。"]
            if warning.msg_type == "Cancel"
            else [
                "" if is_past(warning, book) else _now(warning, book),
                _next(warning, signal, book),
                _towns(warning),
                _sure(warning, book),
                _change(warning, book),
                _sooner(warning, book),
                _also(warning, book),
                _data(warning),
                f"风险：{signal.risk_zh}请注意防范。",
            ]
        ),
        f"预报员补充：{warning.remark_zh}" if warning.remark_zh else "",
        "" if warning.msg_type == "Cancel" else f"标准：{rule.text_zh}（{_source(rule)}）",
    ]
    return "\n".join(line for line in lines if line)


def instruction(warning: Warning, book: Rulebook) -> str:
    """The defence guide of the level, numbered."""
    if warning.msg_type == "Cancel":
        return OVER
    guide = book.signal(warning.hazard).rule(warning.level).guidance_zh
    return "\n".join(f"{n}.{line}" for n, line in enumerate(guide, 1))


def _hm(time: datetime) -> str:
    """18时05分."""
    return f"{time.hour}时{time.minute:02d}分"


def _head(warning: Warning, book: Rulebook) -> str:
    sent = clock_of(book)(warning.sent)
    date = f"{sent.year}年{sent.month}月{sent.day}日{_hm(sent)}（{book.clock_zh}）"
    colour, move = book.colours[warning.level].zh, shift(warning)
    act = f"{VERBS[warning.msg_type]}{warning.event_zh}{colour}预警信号"
    if move:
        act = _shifted(move, warning, book)
    if warning.stage == "draft":
        return f"{warning.sender_name_zh}{date}{act}（草稿，须经预报员签发）。"
    end = "。" if warning.msg_type == "Cancel" else "："
    return f"{STATUS_MARKS[warning.status]}{warning.sender_name_zh}{date}{act}{end}"


def _shifted(move: Move, warning: Warning, book: Rulebook) -> str:
    """将冰雹橙色预警信号升级为红色 (DOMAIN.md 6.3)."""
    old, new = book.colours[move.old].zh, book.colours[move.new].zh
    return f"将{warning.event_zh}{old}预警信号{'升' if is_raise(move) else '降'}级为{new}"


def _source(rule: LevelRule) -> str:
    if rule.source_grade != OFFICIAL:
        return f"{rule.source}，非国家标准，未核实"
    return f"{rule.source}；{rule.decree}" if rule.decree else rule.source


def _analysed(warning: Warning, book: Rulebook) -> str:
    """When the analysis was, with the day where it is not that of the message."""
    cycle, sent = clock_of(book)(warning.cycle), clock_of(book)(warning.sent)
    return ("" if cycle.date() == sent.date() else f"{cycle.day}日") + _hm(cycle)


def _now(warning: Warning, book: Rulebook) -> str:
    seen, when = warning.observed, _analysed(warning, book) if is_dated(warning) else ""
    if seen is None:
        return ""
    if is_unseen(warning):
        stands = "，此前预警继续有效" if held_places(warning)[0] else ""
        return f"实况：{f'{when}未监测到' if when else '目前无'}新的强回波{stands}。"
    parts = [f"{when}监测到{seen.storms}个对流单体"]
    parts += [f"最强回波{seen.max_dbz:.0f} dBZ"] if seen.max_dbz is not None else []
    parts += [f"回波顶高{seen.echo_top_km:.0f}公里"] if seen.echo_top_km is not None else []
    hail = warning.hazard == "hail" and seen.mesh_mm is not None
    parts += [f"雷达估测冰雹尺寸{seen.mesh_mm:.0f}毫米"] if hail else []
    moves = seen.towards is not None and seen.speed_km_h is not None
    parts += [f"向{_TO[seen.towards or 0]}移动，时速约{seen.speed_km_h}公里"] if moves else []
    return f"实况：{'，'.join(parts)}。"


def _next(warning: Warning, signal: Signal, book: Rulebook) -> str:
    clock = clock_of(book)
    sent, until = clock(warning.sent), clock(warning.expires)
    horizon = clock(warning.cycle + timedelta(minutes=book.horizon_min))
    told_of = (by_arrival(warning)["timed"], *held_places(warning))
    timed, stands, new = (_listed(places, warning, book) for places in told_of)
    told = not is_past(warning, book) and (bool(timed) or not is_dated(warning))
    window = f"{_hm(sent)}至{_hm(horizon)}，" if told else ""
    parts = [f"{timed}{signal.verb_zh}。"] if timed else []
    parts += _possible(warning, signal, book)
    parts += [f"此前预警继续有效：{stands}。"] if stands else []
    parts += [f"可能影响（依据此前分析）：{new}。"] if new else []
    return f"预计：{window}{''.join(parts)}预警有效至{until.day}日{_hm(until)}。"


def _possible(warning: Warning, signal: Signal, book: Rulebook) -> list[str]:
    """Where a storm may come: within the horizon, or until when, where that counts from an earlier analysis."""
    groups, hour = possible_until(warning, book), f"未来{book.horizon_min / 60:g}小时内"
    sent = clock_of(book)(warning.sent)
    if is_dated(warning):
        rows = [(f"{_hm(until)}前" if until > sent else "", places) for until, places in groups.items()]
    else:
        rows = [(hour, by_arrival(warning)["possible"])] if groups else []
    what = f"可能出现{signal.name_zh}（到达时间不定）"
    return [f"{within}{what}：{_listed(places, warning, book)}。" for within, places in rows]


def _listed(places: Sequence[Place], warning: Warning, book: Rulebook) -> str:
    words = [place.name_zh + _stay(warning, place, book) for place in places[:NAMES_SHOWN]]
    return "、".join(words) + (f"等{len(places)}处" if len(places) > len(words) else "")


def _stay(warning: Warning, place: Place, book: Rulebook) -> str:
    if place.arrival != "timed":
        return ""
    stay = stay_at(warning, place, book)
    if stay.start is None:
        return f"（现在起至约{_hm(stay.end)}）" if stay.end else "（现在起）"
    return f"（约{_hm(stay.start)}至{_hm(stay.end)}）" if stay.end else f"（约{_hm(stay.start)}起）"


def _sure(warning: Warning, book: Rulebook) -> str:
    if is_added(warning):
        return "把握：预报员添加，无客观概率。"
    own = [(place.name_zh, place.name_en) for place in added_places(warning)]
    basis = "此前" if is_unseen(warning) else _analysed(warning, book) if is_dated(warning) else ""
    p = f"{f'{basis}分析的' if basis else ''}{'最高' if own else ''}概率约{percent(warning.p)}%"
    rest = f"；{_names(own)}为预报员添加，无客观概率" if own else ""
    return f"把握：{p}{rest}。{reasons('依据：', warning.drivers_zh, '；')}"


def _sooner(warning: Warning, book: Rulebook) -> str:
    promised = ends_sooner(warning)
    if promised is None:
        return ""
    old, new = clock_of(book)(promised), clock_of(book)(warning.expires)
    return f"有效时间缩短：改为{new.day}日{_hm(new)}（原定{old.day}日{_hm(old)}）。"


def _towns(warning: Warning) -> str:
    parts = []
    for district, towns in towns_by_district(warning):
        words = "、".join(town.name_zh for town in towns[:TOWNS_SHOWN])
        more = f"等{len(towns)}个" if len(towns) > TOWNS_SHOWN else ""
        parts.append(f"{district.name_zh}{words}{more}")
    more = f"等{len(parts)}个区县" if len(parts) > NAMES_SHOWN else ""
    return f"乡镇（街道）：{'；'.join(parts[:NAMES_SHOWN])}{more}。" if parts else ""


def _names(pairs: Sequence[tuple[str, str]]) -> str:
    shown = [zh for zh, _ in pairs[:NAMES_SHOWN]]
    return "、".join(shown) + (f"等{len(pairs)}处" if len(pairs) > len(shown) else "")


def _change(warning: Warning, book: Rulebook) -> str:
    change = warning.change
    if warning.msg_type == "Alert" and not (change.raised or change.lowered):
        return "变化：新发布。"
    parts = [f"新增{_names(change.added)}"] if change.added else []
    for move in (*change.raised, *change.lowered):
        old, new = book.colours[move.old].zh, book.colours[move.new].zh
        verb = "升" if is_raise(move) else "降"
        parts.append(f"将{_names(move.names)}{warning.event_zh}{old}预警信号{verb}级为{new}")
    parts += [f"解除{_names(change.released)}{warning.event_zh}预警"] if change.released else []
    parts += ["有效时间延长"] if change.renewed else []
    if not parts and warning.stage == "issued":
        parts = ["预警区域和等级不变"]
    return f"变化：{'；'.join(parts)}。" if parts else ""


def _also(warning: Warning, book: Rulebook) -> str:
    parts = [_beside(others, places, warning, book) for others, places in others_by_place(warning).items()]
    return f"多灾种并存：{'；'.join(parts)}。" if parts else ""


def _beside(others: Sequence[Also], places: Sequence[Place], warning: Warning, book: Rulebook) -> str:
    """Which others there are, and who leads; the places where they are not all of the warning."""
    told, leads = [_other(other, book) for other in others], harm(others[0]) <= harm(warning)
    if len(places) < len(warning.districts):
        where = _names([(place.name_zh, place.name_en) for place in places])
        return f"{where}同时有{'、'.join(told)}预警，以{warning.event_zh if leads else others[0].event_zh}为主"
    if leads:
        return f"同时注意{'、'.join(told)}预警，以{warning.event_zh}为主"
    rest = f"，同时注意{'、'.join(told[1:])}预警" if told[1:] else ""
    return f"以{told[0]}预警为主{rest}"


def _other(other: Also, book: Rulebook) -> str:
    return f"{other.event_zh}{book.colours[other.level].zh}"


def _data(warning: Warning) -> str:
    told = any("二维" in note and "冰雹" in note for note in warning.degraded_zh)
    parts = ["仅有二维拼图资料，未评估冰雹"] if warning.data_kind == "composite" and not told else []
    return f"资料：{'；'.join([*parts, *warning.degraded_zh])}。" if parts or warning.degraded_zh else ""
