"""What a release makes of signed drafts and of the live messages. Pure: no ledger, no clock.

Updates supersede, references are complete, each place has one message a hazard, and no place loses its warning unless
somebody says so.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from wxcore.errors import IssueError
from wxcore.warning.changes import RANK, find_change, named_before, references
from wxcore.warning.draft import urgency
from wxcore.warning.level import Rulebook
from wxcore.warning.lifecycle import (
    CANCEL_LIFE,
    SECOND,
    held_since,
    is_live,
    keys_of,
    levels_of,
    predecessors,
    whole_second,
)
from wxcore.warning.model import Warning
from wxcore.warning.text import render_texts
from wxcore.warning.words import bjt


@dataclass(frozen=True)
class Composed:
    """What a release will be.

    Attributes:
        messages: highest level first.
        ended: superseded or cancelled identifier -> the identifier of the message that ends it.
        drafts: identifier of a message -> id of its draft.
        predecessors: identifier of a message -> the messages that it ends or shares in ending, oldest first.
    """

    messages: tuple[Warning, ...]
    ended: Mapping[str, str]
    drafts: Mapping[str, str]
    predecessors: Mapping[str, tuple[Warning, ...]]


def compose(  # noqa: PLR0913  # what a release knows, each by its name
    drafts: Sequence[Warning],
    live: Sequence[Warning],
    *,
    now: datetime,
    status: str,
    book: Rulebook,
    lifted: Collection[str] | None = (),
    taken: Callable[[str], bool] = frozenset().__contains__,
    cancelled: Sequence[Warning] = (),
    made: Mapping[str, datetime] | None = None,
) -> Composed:
    """The messages that a release of these drafts (one hazard, one transaction) consists of.

    Args:
        drafts: signed; all cancellations, or none.
        live: messages in force; those of another hazard, region or status are left alone.
        lifted: keys of places of superseded messages that nothing names any more, on purpose; None: all such places.
        taken: was this identifier used before?
        cancelled: cancellations of the last hour; those of another hazard, region or status are left alone.
        made: id of a draft that a person made -> when; `sent` of the draft where it is not there.

    Returns:
        messages, highest level first, each sent a second after the one before it. A message ends no earlier than the
        one of its level that it supersedes, unless an edit shortened it; where one that it supersedes ended later,
        `shortened_from` says when. What is told of now (places held over, urgency) is so when it is sent.

    Raises:
        IssueError: several hazards or regions; a place twice; a draft too old or at its end, older than a message that
            it would supersede or than a cancellation at its places; a place that would lose its warning; a message to
            be cancelled that is not in force.
        TimeError: `now` is naive.
    """
    now = whole_second(now)
    _check_bundle(drafts)
    head = drafts[0]
    kind = (head.region, head.hazard, status)
    standing = [one for one in live if _kind(one) == kind and is_live(one, now)]
    _check_age(drafts, standing, now, book)
    ordered = sorted(drafts, key=lambda draft: (-RANK[draft.level], draft.id))
    old = {draft.id: _predecessors(draft, standing) for draft in ordered}
    _check_order(old, ordered, [one for one in cancelled if _kind(one) == kind], made or {})
    superseded = [message for message in standing if any(message in found for found in old.values())]
    if head.msg_type != "Cancel" and lifted is not None:
        _check_places(ordered, superseded, frozenset(lifted))
    levels = levels_of([message for message in standing if message not in superseded])
    levels |= levels_of([draft for draft in ordered if draft.msg_type != "Cancel"])
    named, messages = named_before(standing), list[Warning]()
    for number, draft in enumerate(ordered):
        before, sent = old[draft.id], now + number * SECOND
        message = _cancel(draft, before, sent) if draft.msg_type == "Cancel" else _write(draft, before, sent)
        name = _name(draft, before, sent, taken, {message.id for message in messages})
        message = replace(message, id=name, status=status, stage="issued")
        if message.msg_type != "Cancel":
            message = replace(message, change=find_change(message, before, named, levels, book.hold_runs))
        messages.append(render_texts(message, book))
    return _composed(messages, ordered, old)


def _kind(message: Warning) -> tuple[str, str, str]:
    return message.region, message.hazard, message.status


def _composed(messages: Sequence[Warning], drafts: Sequence[Warning], old: Mapping[str, Sequence[Warning]]) -> Composed:
    ended: dict[str, str] = {}
    pairs = list(zip(messages, drafts, strict=True))
    for message, draft in pairs:
        for predecessor in old[draft.id]:
            ended.setdefault(predecessor.id, message.id)
    return Composed(
        tuple(messages),
        ended,
        {message.id: draft.id for message, draft in pairs},
        {message.id: tuple(sorted(old[draft.id], key=lambda one: (one.sent, one.id))) for message, draft in pairs},
    )


def _check_bundle(drafts: Sequence[Warning]) -> None:
    if not drafts:
        raise IssueError("nothing to release: name at least one draft", "没有可发布的草稿：请至少指定一份")
    if len({(draft.region, draft.hazard) for draft in drafts}) > 1:
        found = ", ".join(sorted({f"{draft.region} {draft.hazard}" for draft in drafts}))
        raise IssueError(
            f"one release holds one hazard of one region, found {found}: release them one after another",
            f"一次只能发布同一区域的一种灾害，现有 {found}：请分次发布",
        )
    if len({draft.msg_type == "Cancel" for draft in drafts}) > 1:
        raise IssueError(
            "a cancellation is released by itself: release the others one after another",
            "解除须单独发布，不能与其他草稿同时发布",
        )
    seen: set[str] = set()
    for draft in drafts:
        for place in draft.districts:
            if place.key in seen and draft.msg_type != "Cancel":
                raise IssueError(
                    f"{place.name_en} is named by two of the drafts: each place has one level; edit one of them",
                    f"{place.name_zh}被两份草稿同时列出：每地只能有一个等级，请修改其中一份",
                )
        seen |= {place.key for place in draft.districts}


def _check_age(drafts: Sequence[Warning], standing: Sequence[Warning], now: datetime, book: Rulebook) -> None:
    ids = {message.id for message in standing}
    horizon = timedelta(minutes=book.horizon_min)
    for draft in drafts:
        made = draft.sent if _refers(draft) & ids else draft.cycle
        if now - made > horizon:
            raise IssueError(
                f"{draft.id} rests on {bjt(made)} BJT, more than {book.horizon_min:g} min ago: release a newer "
                "draft, or prepare the update again",
                f"{draft.id} 依据 {bjt(made)}（北京时）的分析，已超过{book.horizon_min:g}分钟："
                "请发布较新的草稿，或重新拟制更新",
            )


def _check_order(
    old: Mapping[str, Sequence[Warning]],
    drafts: Sequence[Warning],
    cancelled: Sequence[Warning],
    made: Mapping[str, datetime],
) -> None:
    """Nothing goes back: neither behind a newer analysis that was issued, nor behind a cancellation."""
    for draft in (draft for draft in drafts if draft.msg_type != "Cancel"):
        newer = [one for one in old[draft.id] if one.cycle > draft.cycle and one.id not in _refers(draft)]
        if newer:
            last = max(newer, key=lambda one: (one.cycle, one.id))
            raise IssueError(
                f"{draft.id} rests on the analysis of {bjt(draft.cycle)} BJT, but {last.id} in force on that of "
                f"{bjt(last.cycle)} BJT: release a newer draft, or prepare the update of that message",
                f"{draft.id} 依据 {bjt(draft.cycle)}（北京时）的分析，而现行预警 {last.id} 依据 "
                f"{bjt(last.cycle)}（北京时）的分析：请发布较新的草稿，或针对该预警拟制更新",
            )
        known = max(draft.cycle, made.get(draft.id, draft.sent))
        lifted = [one for one in cancelled if one.sent > known and keys_of(one) & keys_of(draft)]
        if lifted:
            last = max(lifted, key=lambda one: (one.sent, one.id))
            raise IssueError(
                f"{draft.id} is of {bjt(known)} BJT, but {last.id} lifted the warning there at "
                f"{bjt(last.sent)} BJT: release a newer draft, or edit this one again if it is meant",
                f"{draft.id} 形成于 {bjt(known)}（北京时），而 {last.id} 已于 {bjt(last.sent)}（北京时）"
                "解除当地预警：请发布较新的草稿；如确需发布，请重新修改后再签发",
            )


def _refers(draft: Warning) -> set[str]:
    return {reference.identifier for reference in draft.references}


def _predecessors(draft: Warning, standing: Sequence[Warning]) -> list[Warning]:
    """Messages that this one ends: a cancellation those it refers to, others also those that share a place."""
    if draft.msg_type != "Cancel":
        return predecessors(draft, standing)
    found = [message for message in standing if message.id in _refers(draft)]
    if not found:
        raise IssueError(
            f"{draft.id}: the message to be cancelled is not in force any more; nothing is left to cancel",
            f"{draft.id}：拟解除的预警已不生效，无需解除",
        )
    return found


def _check_places(drafts: Sequence[Warning], superseded: Sequence[Warning], lifted: frozenset[str]) -> None:
    named = {key for draft in drafts for key in keys_of(draft)}
    before = {place.key: place for message in superseded for place in message.districts}
    lost = [place for key, place in sorted(before.items()) if key not in named | lifted]
    if lost:
        raise IssueError(
            f"{', '.join(place.name_en for place in lost)} would lose the warning in force: name them in a draft of "
            "this release, or lift them expressly",
            f"{'、'.join(place.name_zh for place in lost)}将失去现行预警：请在本次草稿中列入，或明确解除",
        )
    wrong = sorted(lifted & named) + sorted(lifted - named - set(before))
    if wrong:
        raise IssueError(
            f"cannot lift {', '.join(wrong)}: lifted places are those of the superseded messages that no draft names",
            f"不能解除 {'、'.join(wrong)}：只能解除被更新预警中、本次草稿未列出的地区",
        )


def _name(
    draft: Warning, old: Sequence[Warning], now: datetime, taken: Callable[[str], bool], beside: Collection[str]
) -> str:
    synthetic = "syn-" if draft.truth == "SYN" else ""
    serial = 1 + max((message.serial for message in old), default=0)
    name = f"wx-{synthetic}{draft.region}-{now:%Y%m%dT%H%M%SZ}-{draft.hazard}-{draft.level}-{serial}"
    count, first = 1, name
    while name in beside or taken(name):
        count += 1
        name = f"{first}-{count}"
    return name


def _cancel(draft: Warning, old: Sequence[Warning], now: datetime) -> Warning:
    serial = 1 + max(message.serial for message in old)
    return replace(
        draft,
        serial=serial,
        references=references(old, now),
        sent=now,
        effective=now,
        onset=now,
        expires=now + CANCEL_LIFE,
    )


def _write(draft: Warning, old: Sequence[Warning], now: datetime) -> Warning:
    onset, expires = max(draft.onset, now), draft.expires
    if draft.shortened_from is None:
        expires = max([expires, *(message.expires for message in old if message.level == draft.level)])
    if expires <= onset:
        raise IssueError(
            f"{draft.id} would end at {bjt(expires)} BJT, before it begins: edit its end or take a newer one",
            f"{draft.id} 的有效时间已于 {bjt(expires)}（北京时）结束：请修改失效时间，或发布较新的草稿",
        )
    held = held_since(draft, now)
    latest = max((message.expires for message in old), default=expires)
    return replace(
        held,
        msg_type="Update" if old else "Alert",
        serial=1 + max((message.serial for message in old), default=0),
        references=references(old, now),
        sent=now,
        effective=now,
        onset=onset,
        expires=expires,
        urgency=urgency(held.districts, (now - draft.cycle) / timedelta(minutes=1)),
        shortened_from=latest if latest > expires else None,
    )
