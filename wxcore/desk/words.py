"""Words of the pages, each as a pair (Chinese, English): times, levels, places, states, how sure.

Times are shown on Beijing's clock, absolute, never as a countdown: a page that was left open must not lie.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from wxcore.nowcast.advect import HORIZON_MIN
from wxcore.region import Region
from wxcore.times import beijing, require_utc
from wxcore.warning import words
from wxcore.warning.level import Rulebook
from wxcore.warning.model import Place, Warning

Pair = tuple[str, str]
"""(Chinese, English)."""

STATES: dict[str, Pair] = {
    "draft": ("草稿", "draft"),
    "review": ("审核中", "in review"),
    "signed": ("已签名，未发布", "signed, not released"),
    "released": ("已发布", "released"),
    "rejected": ("已退回", "rejected"),
    "withdrawn": ("已撤回", "withdrawn"),
    "superseded": ("已被修改稿取代", "replaced by an edit"),
    "waiting": ("待发送", "waiting"),
    "sending": ("发送中", "sending"),
    "sent": ("已送达", "delivered"),
    "expired": ("已过期", "expired"),
    "called": ("已叫应，待确认", "called, not yet acknowledged"),
    "acknowledged": ("已确认", "acknowledged"),
    "escalated": ("无应答，已升级", "no answer, escalated"),
    "over": ("已结束", "over"),
    "live": ("生效中", "in force"),
    "ended": ("已被新消息取代", "superseded by a newer message"),
}

ACTS: dict[str, Pair] = {
    "edit": ("修改", "edit"),
    "review": ("送审", "review"),
    "reject": ("退回", "reject"),
    "reopen": ("撤回签发或退回", "take back"),
    "auto_release_refused": ("自动发布被拒", "automatic release refused"),
    "sign": ("签发", "sign"),
    "issue": ("发布", "issue"),
    "update": ("更新", "update"),
    "cancel": ("解除", "cancel"),
    "end": ("被取代", "superseded"),
    "expire": ("到期", "expire"),
    "call": ("叫应", "call"),
    "call_failed": ("叫应失败", "call failed"),
    "escalate": ("升级叫应", "escalate"),
    "acknowledge": ("确认收到", "acknowledge"),
    "override": ("越限发布", "override"),
    "tag_failed": ("未能标记档案", "archive not tagged"),
}
"""Acts of the audit log."""

FIRST: Pair = ("首次发布", "First message")
BY_HAND: Pair = ("预报员添加，无客观概率", "added by the forecaster, no probability computed")

TYPES: dict[str, Pair] = {"Alert": ("发布", "Alert"), "Update": ("更新", "Update"), "Cancel": ("解除", "Cancel")}

ARRIVALS: dict[str, Pair] = {
    "timed": ("预计", "expected about"),
    "possible": ("可能，最早", "possible, at the earliest"),
    "held": ("依据此前分析", "by an earlier analysis"),
}

SURE: tuple[tuple[float, Pair], ...] = (
    (0.8, ("很可能", "very likely")),
    (0.5, ("较可能", "likely")),
    (0.2, ("可能", "possible")),
    (0.0, ("可能性较小", "unlikely, but not to be ignored")),
)
"""Words for a probability, from this value up; `Likely` begins at one half as in CAP (RELIABILITY.md 3)."""


def state_words(state: str) -> Pair:
    """A state in words; one that is not known as it is."""
    return STATES.get(state, (state, state))


def act_words(action: str) -> Pair:
    """An act of the audit log in words; one that is not known as it is."""
    return ACTS.get(action, (action, action))


def when_day(time: datetime) -> Pair:
    """Day and time on Beijing's clock.

    Raises:
        TimeError: a naive time.
    """
    local = beijing(time)
    return f"{local.month}月{local.day}日{local:%H:%M}", f"{local.day} {local:%b %H:%M} BJT"


def when_span(start: datetime, end: datetime) -> Pair:
    """From when to when on Beijing's clock; the day once where it is the same.

    Raises:
        TimeError: a naive time.
    """
    (first, first_en), (last, last_en) = when_day(start), when_day(end)
    if beijing(start).date() == beijing(end).date():
        last, last_en = f"{beijing(end):%H:%M}", f"{beijing(end):%H:%M} BJT"
    return f"{first} 至 {last} 北京时", f"{first_en.removesuffix(' BJT')} to {last_en}"


def lifted_from(time: datetime) -> Pair:
    """From when a warning is lifted, on Beijing's clock.

    Raises:
        TimeError: a naive time.
    """
    zh, en = when_day(time)
    return f"自{zh}（北京时）解除", f"lifted from {en}"


def when_exact(time: datetime) -> str:
    """Date and time to the second on Beijing's clock, for logs.

    Raises:
        TimeError: a naive time.
    """
    return f"{beijing(time):%Y-%m-%d %H:%M:%S}"


def for_input(time: datetime) -> str:
    """The value of `<input type="datetime-local">`: minutes on Beijing's clock.

    Raises:
        TimeError: a naive time.
    """
    return f"{beijing(time):%Y-%m-%dT%H:%M}"


def age(time: datetime, now: datetime) -> Pair:
    """How long ago, in minutes or hours.

    Raises:
        TimeError: a naive time.
    """
    minutes = max(0, round((require_utc(now) - require_utc(time)) / timedelta(minutes=1)))
    if minutes < 120:
        return f"{minutes} 分钟前", f"{minutes} min ago"
    return f"{minutes // 60} 小时前", f"{minutes // 60} h ago"


def percent(p: float) -> str:
    """The probability of a warning or a place in percent, as its messages tell it."""
    return f"{words.percent(p)} %"


def how_sure(p: float) -> Pair:
    """Percent and words."""
    zh, en = next((pair for least, pair in SURE if p >= least), SURE[-1][1])
    return f"{percent(p)}（{zh}）", f"{percent(p)} ({en})"


def colour_of(warning: Warning, book: Rulebook) -> Pair:
    """The level in words: never by colour alone."""
    colour = book.colours[warning.level]
    return f"{colour.zh}（{colour.grade_zh}）", f"{colour.en.capitalize()} ({colour.grade_en})"


def place_names(places: Sequence[Place]) -> Pair:
    """The names in a row."""
    return "、".join(place.name_zh for place in places), ", ".join(place.name_en for place in places)


PLACES_SHOWN = 3
"""Places on one line of a small screen; the others are counted there, and listed on request [our choice]."""


def places_short(places: Sequence[Place]) -> Pair:
    """The first names, and how many places there are in all."""
    zh, en = place_names(places[:PLACES_SHOWN])
    more = len(places) - PLACES_SHOWN
    return (f"{zh}等{len(places)}个区县", f"{en} and {more} more") if more > 0 else (zh, en)


def post_words(post: str, region: Region) -> Pair:
    """A post (`district:500103`) as the name of its place; the code where the region knows no such place."""
    tier, _, area = post.partition(":")
    if tier == "municipal":
        return region.name_zh, region.name_en
    zh, en = next(((row.name_zh, row.name_en) for row in region.districts if row.adcode == area[:6]), (post, post))
    town = next((row for row in region.towns if row.adcode.ljust(12, "0") == area.ljust(12, "0")), None)
    if tier == "district":
        return zh, en
    return (f"{zh}{town.name_zh}", f"{town.name_en or town.name_zh}, {en}") if town else (post, post)


def place_times(place: Place, cycle: datetime) -> Pair:
    """From when to when at one place: absolute times, and what is known of the arrival.

    Without an end where the storm has not left by the horizon: it is not known.

    Raises:
        TimeError: a naive time.
    """
    start, end = (beijing(cycle + timedelta(minutes=minutes)) for minutes in (place.eta_min, place.end_min))
    zh, en = ARRIVALS[place.arrival]
    if place.arrival == "timed" and place.end_min >= HORIZON_MIN:
        return f"{zh} {start:%H:%M} 起", f"{en} {start:%H:%M}, end not known"
    return f"{zh} {start:%H:%M} 至 {end:%H:%M}", f"{en} {start:%H:%M} to {end:%H:%M}"
