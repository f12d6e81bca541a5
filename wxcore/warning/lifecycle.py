"""Life cycle of one record: a forecaster's edit, the draft of an update, the draft of a cancellation. Pure.

A draft is never edited in place: each function gives a new record, and what is not changed follows from the rulebook.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shapely.geometry import Polygon, box
from shapely.ops import unary_union

from wxcore.errors import IssueError
from wxcore.region import District, Region
from wxcore.times import require_utc
from wxcore.warning.area import cut_away, is_place, outline
from wxcore.warning.changes import find_change, named_before, references
from wxcore.warning.draft import LIKELY_P, first_arrival, urgency
from wxcore.warning.level import Rulebook
from wxcore.warning.model import Change, Place, Ring, Warning
from wxcore.warning.text import render_texts
from wxcore.warning.words import bjt, is_unseen

MAX_VALIDITY = timedelta(hours=24)
"""No signal of the national scheme is valid longer than the blue gale's 24 h (DOMAIN.md 6.1, 6.3)."""

MAX_REMARK = 200
"""Characters of a remark: a few lines of a phone screen."""

SECOND = timedelta(seconds=1)
"""Messages of one office are sent at least so far apart: identifiers of the national form hold no more."""

CANCEL_LIFE = timedelta(hours=1)
"""How long a cancellation stands: QWeather's practice (DOMAIN.md 6.3)."""


@dataclass(frozen=True)
class Edit:
    """What to change; None leaves it as it is.

    Attributes:
        level: any level that the rulebook has for this signal; response, grade, colours, guidance and validity follow.
        adcodes: all districts that are to be named, those kept and those added.
        expires: end of validity (UTC).
        remark_zh, remark_en: the forecaster's own words, part of the text; "" takes them away.
    """

    level: str | None = None
    adcodes: tuple[str, ...] | None = None
    expires: datetime | None = None
    remark_zh: str | None = None
    remark_en: str | None = None


def is_live(message: Warning, now: datetime) -> bool:
    """Could the message be in force: not a cancellation and not at its end? (Whether it was ended, the ledger knows.)

    Raises:
        TimeError: `now` is naive.
    """
    return message.msg_type != "Cancel" and message.expires > require_utc(now)


def whole_second(now: datetime) -> datetime:
    """`now` in UTC without fractions: what a CAP time can carry."""
    return require_utc(now).replace(microsecond=0)


def edited(
    warning: Warning,
    edit: Edit,
    book: Rulebook,
    *,
    id: str,  # noqa: A002 (as in Warning)
    now: datetime,
    region: Region,
    live: Sequence[Warning] = (),
) -> Warning:
    """A new draft, made from another one by a forecaster; what is not changed stays.

    A district added is possible within the horizon, with probability 0 (the machine gave it none), and its outline
    joins the polygons; one removed is cut from them, and what was told of its storm alone goes with it. A new level is
    valid from `now` for as long as the rulebook says. An end given that is earlier than that of a message in force
    which the draft would supersede stands as a shortening (`shortened_from`) until another level or end is given.

    Args:
        region: for its districts and its frame.
        live: messages in force: the text says what the draft changes against them, and where it ends earlier.

    Raises:
        IssueError: nothing to change; a level, a district, an end or a remark that cannot be.
        TimeError: `now` or the end is naive.
    """
    now = whole_second(now)
    if edit == Edit():
        raise IssueError("the edit changes nothing", "没有任何修改")
    if warning.msg_type == "Cancel" and (edit.level, edit.adcodes, edit.expires) != (None, None, None):
        raise IssueError(
            "a cancellation ends a whole message: only its remark can be edited; update the message instead",
            "解除针对整份预警，只能修改备注；部分调整请使用更新",
        )
    draft = replace(warning, id=id)
    if edit.adcodes is not None and edit.adcodes != warning.adcodes:
        draft = _with_districts(draft, edit, book, region, now)
    if edit.level is not None and edit.level != warning.level:
        draft = replace(_with_level(draft, edit.level, book, now), shortened_from=None)
    if edit.expires is not None:
        draft = _with_end(draft, edit.expires, now)
    draft = replace(
        draft,
        remark_zh=_remark(warning.remark_zh, edit.remark_zh),
        remark_en=_remark(warning.remark_en, edit.remark_en),
    )
    if draft.msg_type != "Cancel":
        draft = _against(draft, [message for message in live if is_live(message, now)], book, edit.expires is not None)
    return render_texts(draft, book)


def _with_level(draft: Warning, level: str, book: Rulebook, now: datetime) -> Warning:
    signal = next((signal for signal in book.signals if signal.hazard == draft.hazard), None)
    rules = {} if signal is None else {rule.level: rule for rule in signal.levels}
    if level not in rules:
        raise IssueError(
            f"{draft.hazard} has no level {level!r}: the rulebook knows {', '.join(rules) or 'none'}",
            f"{draft.event_zh}没有 {level!r} 等级：现行标准只有 {'、'.join(rules) or '无'}",
        )
    colour = book.colours[level]
    return replace(
        draft,
        level=level,
        response=rules[level].response,
        colour_en=colour.en,
        grade=colour.roman,
        severity=colour.severity,
        expires=max(now, draft.onset) + rules[level].validity,
        districts=tuple(replace(place, since=now) for place in draft.districts),
    )


def _with_end(draft: Warning, expires: datetime, now: datetime) -> Warning:
    expires, start = whole_second(expires), max(draft.onset, now)
    if not start < expires <= now + MAX_VALIDITY:
        raise IssueError(
            f"end {bjt(expires)} BJT: expected after {bjt(start)} BJT and at most "
            f"{MAX_VALIDITY // timedelta(hours=1)} h from now",
            f"失效时间 {bjt(expires)}（北京时）不合理：须晚于 {bjt(start)}（北京时），"
            f"且不超过{MAX_VALIDITY // timedelta(hours=1)}小时",
        )
    return replace(draft, expires=expires)


def _remark(old: str, new: str | None) -> str:
    text = old if new is None else new.replace("\r\n", "\n").strip()  # a browser's text area sends CRLF
    if len(text) > MAX_REMARK or not all(char.isprintable() or char == "\n" for char in text):
        raise IssueError(
            f"remark: at most {MAX_REMARK} printable characters, found {len(text)}",
            f"备注须为不超过{MAX_REMARK}个可显示字符，现有{len(text)}个",
        )
    return text


def _with_districts(draft: Warning, edit: Edit, book: Rulebook, region: Region, now: datetime) -> Warning:
    table, wanted = {district.adcode: district for district in region.districts_at(now)}, set(edit.adcodes or ())
    unknown = sorted(wanted - set(table) - set(draft.adcodes))
    if unknown or not wanted:
        raise IssueError(
            f"districts: {', '.join(unknown) or 'none'} given; expected codes of {region.id}, at least one",
            f"行政区代码 {'、'.join(unknown) or '（空）'} 无效：须为{region.name_zh}现行代码，且至少一个",
        )
    kept = {place.adcode: place for place in draft.districts}
    age = _age_min(draft, now)
    places = tuple(kept.get(code) or _added(table[code], book, now, age) for code in sorted(wanted))
    made = replace(
        draft,
        districts=places,
        towns=tuple(town for town in draft.towns if (town.district or town.adcode[:6]) in wanted),
        polygons=_outlines(draft, wanted, table, region),
    )
    return made if set(kept) <= wanted else _retold(made, draft, edit, now)


def _added(district: District, book: Rulebook, now: datetime, age_min: float) -> Place:
    names = (district.adcode, district.name_zh, district.name_en)
    return Place(*names, "", age_min, age_min + book.horizon_min, 0.0, now, "possible")


def _age_min(warning: Warning, now: datetime) -> float:
    """Minutes since the analysis that the warning rests on."""
    return (now - warning.cycle) / timedelta(minutes=1)


def _retold(draft: Warning, before: Warning, edit: Edit, now: datetime) -> Warning:
    """The draft after places were removed: probability, times, storms and reasons are those of the places that remain.

    What the record cannot tell of these alone (what was observed, the drivers) is left out. Where only districts added
    by hand remain, the probability is 0: nothing but the forecaster stands behind it.
    """
    found = [place for place in draft.districts if place.storm_id]  # the others were added by hand
    fresh = _fresh(draft)
    p = max((place.p for place in fresh or found), default=0.0)
    lost = {place.storm_id for place in before.districts} - {place.storm_id for place in draft.districts}
    storm_ids = tuple(name for name in draft.storm_ids if name in {place.storm_id for place in found})
    storm_ids = storm_ids if lost - {""} else draft.storm_ids
    same = bool(found) and storm_ids[:1] == draft.storm_ids[:1] and p == draft.p
    seen = bool(found) and {place.storm_id for place in fresh} == {place.storm_id for place in _fresh(before)}
    arrival = draft.cycle + timedelta(minutes=round(first_arrival(draft.districts) or 0.0))
    onset = max(draft.effective, arrival)
    if onset >= draft.expires and edit.expires is None and edit.level in (None, draft.level):
        raise IssueError(
            f"the first storm reaches the districts that remain at {bjt(onset)} BJT, after the end "
            f"{bjt(draft.expires)} BJT: give a later end",
            f"保留地区最早于 {bjt(onset)}（北京时）受影响，晚于失效时间 {bjt(draft.expires)}（北京时）："
            "请同时修改失效时间",
        )
    return replace(
        draft,
        p=p,
        certainty="Likely" if p > LIKELY_P else "Possible",
        urgency=urgency(draft.districts, _age_min(draft, now)),
        onset=onset,
        expires=max(draft.expires, onset + SECOND),
        storm_ids=storm_ids,
        observed=draft.observed if seen else None,
        drivers=draft.drivers if same else (),
        drivers_zh=draft.drivers_zh if same else (),
    )


def _fresh(warning: Warning) -> list[Place]:
    """The places that a storm supports in the warning's run."""
    return [place for place in warning.districts if place.storm_id and place.arrival != "held"]


def _outlines(
    draft: Warning, wanted: Collection[str], table: Mapping[str, District], region: Region
) -> tuple[Ring, ...]:
    """The draft's polygons without the districts removed, with those added; whole districts where nothing is left."""
    frame = box(*region.grid.bounds)
    old = set(draft.adcodes)
    ground = unary_union([Polygon(ring) for ring in draft.polygons])
    cut, whole = [table[code].polygon for code in old - set(wanted) if code in table], set(wanted) - old
    if cut:
        rest = cut_away(ground, cut)
        kept = {code: table[code].polygon for code in old & set(wanted) if code in table}
        whole |= {code for code in kept if is_place(ground, kept[code]) and not is_place(rest, kept[code])}
        ground = rest
    rings = outline([ground, *(table[code].polygon.intersection(frame) for code in sorted(whole))])
    return rings or outline([table[code].polygon.intersection(frame) for code in sorted(wanted) if code in table])


def _against(draft: Warning, live: Sequence[Warning], book: Rulebook, says_end: bool) -> Warning:
    """The draft, saying what it changes against the messages in force that it would supersede.

    `says_end`: the forecaster gave the end now; `shortened_from` holds that an earlier edit did.
    """
    standing = [message for message in live if (message.region, message.hazard) == (draft.region, draft.hazard)]
    old = predecessors(draft, standing)
    levels = levels_of([*(message for message in standing if message not in old), draft])
    change = find_change(draft, old, named_before(standing), levels, book.hold_runs) if old else Change()
    latest = max((message.expires for message in old), default=draft.expires)
    shorter = draft.expires < latest and (says_end or draft.shortened_from is not None)
    return replace(draft, change=change, shortened_from=latest if shorter else None)


def keys_of(warning: Warning) -> set[str]:
    """Keys of the places named."""
    return {place.key for place in warning.districts}


def levels_of(warnings: Sequence[Warning]) -> dict[str, str]:
    """Place key -> its highest level in these messages."""
    return {key: level for key, (level, _) in named_before(warnings).items()}


def predecessors(draft: Warning, standing: Sequence[Warning]) -> list[Warning]:
    """Of these messages of the same hazard: those the draft refers to (an officer's update), or that share a place."""
    named, keys = {reference.identifier for reference in draft.references}, keys_of(draft)
    return [message for message in standing if message.id in named or keys_of(message) & keys]


def follow_up(message: Warning, *, id: str, now: datetime, book: Rulebook) -> Warning:  # noqa: A002 (as in Warning)
    """The draft of an update of an issued message: same content, to be edited and signed.

    The cycle stays that of the analysis it rests on. A place whose time is over by `now` is only held over; once the
    analysis is past its horizon all are, and neither the storms observed nor the drivers are told as of now. Remarks
    belonged to the message.

    Raises:
        IssueError: the message is not in force.
        TimeError: `now` is naive.
    """
    now = _begin(message, now)
    draft = _as_draft(message, id, now, "Update")
    if _age_min(message, now) >= book.horizon_min:
        places = tuple(replace(place, arrival="held") for place in message.districts)
        towns = tuple(replace(town, arrival="held") for town in message.towns)
        seen = draft.observed if is_unseen(draft) else None
        draft = replace(draft, districts=places, towns=towns, observed=seen, drivers=(), drivers_zh=())
    draft = replace(held_since(draft, now), remark_zh="", remark_en="", change=Change())
    return render_texts(draft, book)


def held_since(warning: Warning, now: datetime) -> Warning:
    """The warning, its places and towns whose stay is over at `now` only held over (arrival "held").

    Raises:
        TimeError: `now` is naive.
    """
    past = _age_min(warning, require_utc(now))
    districts, towns = (
        tuple(replace(place, arrival="held") if place.end_min <= past else place for place in places)
        for places in (warning.districts, warning.towns)
    )
    return replace(warning, districts=districts, towns=towns)


def cancellation(
    message: Warning,
    *,
    id: str,  # noqa: A002 (as in Warning)
    now: datetime,
    remark_zh: str,
    remark_en: str,
    book: Rulebook,
) -> Warning:
    """The draft of a cancellation of an issued message: it ends the whole message, and stands for CANCEL_LIFE itself.

    Raises:
        IssueError: the message is not in force; a remark that cannot be.
        TimeError: `now` is naive.
    """
    now = _begin(message, now)
    names = tuple((place.name_zh, place.name_en) for place in message.districts)
    draft = replace(
        _as_draft(message, id, now, "Cancel", now + CANCEL_LIFE),
        urgency="Past",
        response=("None",),
        change=Change(released=names),
        remark_zh=_remark("", remark_zh),
        remark_en=_remark("", remark_en),
    )
    return render_texts(draft, book)


def _begin(message: Warning, now: datetime) -> datetime:
    now = whole_second(now)
    if not is_live(message, now):
        raise IssueError(
            f"{message.id} is not in force at {bjt(now)} BJT: it can be neither updated nor cancelled",
            f"{message.id} 在 {bjt(now)}（北京时）已不生效，不能更新或解除",
        )
    return now


def _as_draft(message: Warning, name: str, now: datetime, msg_type: str, expires: datetime | None = None) -> Warning:
    return replace(
        message,
        id=name,
        msg_type=msg_type,
        serial=message.serial + 1,
        references=references([message], now),
        sent=now,
        effective=now,
        onset=now if expires else max(message.onset, now),
        expires=expires or message.expires,
        stage="draft",
        shortened_from=None,
        status="Draft" if message.status == "Actual" else message.status,
    )
