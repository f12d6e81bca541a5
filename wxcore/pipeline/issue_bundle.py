"""What a release of drafts would enter: messages composed, signed and checked, what is sent and who is called."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from wxcore.errors import IssueError, WarningError
from wxcore.landing.ledger import (
    CalloutRow,
    Issue,
    Message,
    MessageRow,
    WarningRow,
    find_draft,
    find_message,
    list_messages,
    live_messages,
)
from wxcore.landing.ledger.issuing import EXPIRED, refuse_altered
from wxcore.pipeline.issue_calls import new_token
from wxcore.pipeline.issue_office import Office, drafts_open, live_records, record_of
from wxcore.pipeline.policy import ACTUAL
from wxcore.times import beijing, require_utc
from wxcore.warning.cap import cap_xml
from wxcore.warning.cap_read import parse_cap
from wxcore.warning.cap_rules import validate
from wxcore.warning.compose import Composed, compose
from wxcore.warning.contacts import callouts_for, outbox_for
from wxcore.warning.lifecycle import CANCEL_LIFE, SECOND, held_since, is_live, keys_of, predecessors
from wxcore.warning.model import Warning, digest, to_dict
from wxcore.warning.signature import sign_xml, verify_signed
from wxcore.warning.text import render_texts
from wxcore.warning.together import beside
from wxcore.warning.words import bjt

MOST_AHEAD = timedelta(seconds=10)
"""How far the newest message may be ahead of the clock: its own bundle took the seconds. Beyond, a clock is wrong, and
nothing goes out unless somebody says why (`ahead_ok`). Our choice."""


@dataclass(frozen=True)
class Bundle:
    """What one transaction enters. `seen`: identifiers in force when it was made."""

    issues: tuple[Issue, ...]
    ended: Mapping[str, str]
    seen: frozenset[str]
    outbox: tuple[Message, ...]
    callouts: tuple[CalloutRow, ...]


def _live(office: Office, hazard: str, now: datetime) -> list[MessageRow]:
    rows = live_messages(office.ledger, office.region.id, now)
    return [row for row in rows if (row.hazard, row.status) == (hazard, office.policy.status)]


def seen_live(office: Office, hazard: str, now: datetime) -> frozenset[str]:
    """Identifiers of the messages of a hazard in force, of the office's status.

    Raises:
        TimeError: `now` is naive.
    """
    return frozenset(row.identifier for row in _live(office, hazard, now))


def make_bundle(
    office: Office,
    rows: Sequence[WarningRow],
    now: datetime,
    lifted: Collection[str] | None,
    together: Sequence[Composed] = (),
    *,
    ahead_ok: bool = False,
) -> Bundle:
    """What would be entered now.

    Args:
        lifted: None: whatever place of a superseded message no draft names.
        together: what is released with it: the texts name other hazards in force, or about to be, not those it ends.
        ahead_ok: messages ahead of the clock (MOST_AHEAD) hold nothing back. What cancels one of them is sent a second
            after it, for no message may refer to a later one.

    Raises:
        IssueError: as `make_composed`; a key that cannot be read, or a signature that nobody could verify.
        WarningError: a message that breaks a rule of CAP, or a key that cannot sign.
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    composed, live = make_messages(office, rows, now, lifted, together, ahead_ok=ahead_ok)
    issues, outbox, callouts = [], [], []
    for message in composed.messages:
        cap = _signed_cap(office, message, composed, now)
        issues.append(_issue(office, message, composed, live, cap))
        outbox += outbox_for(office.contacts, message, cap)
        calls, told = callouts_for(office.contacts, message, now=now, token=new_token, desk_url=office.policy.desk_url)
        callouts += calls
        outbox += told
    return Bundle(tuple(issues), composed.ended, frozenset(live), tuple(outbox), tuple(callouts))


def make_messages(
    office: Office,
    rows: Sequence[WarningRow],
    now: datetime,
    lifted: Collection[str] | None,
    together: Sequence[Composed] = (),
    *,
    ahead_ok: bool = False,
) -> tuple[Composed, dict[str, MessageRow]]:
    """As `make_composed`, with the texts as they would go out: they name the other hazards there (`together`).

    Raises:
        IssueError: as `make_composed`.
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    composed, live = make_composed(office, rows, now, lifted, ahead_ok=ahead_ok)
    gone = {identifier for one in together for identifier in one.ended}
    others = [record for record in live_records(office, now) if record.id not in gone]
    others += [message for one in together for message in one.messages]
    messages = tuple(beside(message, others, office.book) for message in composed.messages)
    return replace(composed, messages=messages), live


def make_composed(
    office: Office,
    rows: Sequence[WarningRow],
    now: datetime,
    lifted: Collection[str] | None,
    *,
    ahead_ok: bool = False,
) -> tuple[Composed, dict[str, MessageRow]]:
    """The messages of one hazard, and what was in force when they were composed; arguments as in `make_bundle`.

    Raises:
        IssueError: what `compose` refuses; what a draft rests on was ended by another message; a wrong clock.
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    live = {row.identifier: row for row in _live(office, rows[0].hazard, now)}
    if not ahead_ok:
        _refuse_ahead(office, now)
    in_force, records = [record_of(row) for row in live.values()], [_draft_of(office, row, now) for row in rows]
    ahead = _ended_ahead(records, in_force, now)
    sent = _own_second(office, ahead, len(rows), now)
    standing = [record for record in in_force if is_live(record, sent)]
    drafts = [_afresh(office, row, record, standing, now) for row, record in zip(rows, records, strict=True)]
    if lifted is None:
        lifted = _unclaimed(office, drafts, standing, now)
    if ahead:  # cancellations, as old when they are sent as they are now
        drafts = [_later(draft, sent - now) for draft in drafts]
    composed = compose(
        drafts, standing, now=sent, status=office.policy.status, book=office.book, lifted=lifted,
        taken=lambda name: find_message(office.ledger, name) is not None,
        cancelled=_cancelled(office, now),
        made={row.id: row.created_at for row in rows if row.origin == "person"},
    )  # fmt: skip
    cycles = {record.id: record.cycle for record in records}
    messages = (_resting_on(message, cycles[composed.drafts[message.id]], office) for message in composed.messages)
    return replace(composed, messages=tuple(messages)), live


def _afresh(office: Office, row: WarningRow, record: Warning, standing: Sequence[Warning], now: datetime) -> Warning:
    """The draft; as young as the person made it where it goes on from a message that ran out and nothing replaced."""
    above = _message_above(office, row)
    over = above is not None and (above.ended_by == EXPIRED or above.expires <= now)
    stale = now - record.cycle > timedelta(minutes=office.book.horizon_min)
    if not (over and stale) or record.msg_type == "Cancel" or predecessors(record, standing):
        return record
    return replace(held_since(record, now), cycle=record.sent)


def _resting_on(message: Warning, cycle: datetime, office: Office) -> Warning:
    """The message, of the analysis that it rests on."""
    if message.cycle == cycle:
        return message
    return render_texts(replace(message, cycle=cycle), office.book)


def _unclaimed(office: Office, drafts: Sequence[Warning], standing: Sequence[Warning], now: datetime) -> set[str]:
    """Keys of places of superseded messages that neither these drafts name nor any other open draft."""
    ids, named = {draft.id for draft in drafts}, {key for draft in drafts for key in keys_of(draft)}
    before = {key for draft in drafts for old in predecessors(draft, standing) for key in keys_of(old)}
    open_ = [row for row in drafts_open(office, now) if row.hazard == drafts[0].hazard and row.id not in ids]
    return before - named - {key for row in open_ for key in keys_of(record_of(row))}


def ahead_of_clock(office: Office, now: datetime) -> datetime | None:
    """When the newest message was sent, where that is later than a right clock allows (MOST_AHEAD).

    Raises:
        TimeError: `now` is naive.
    """
    now = require_utc(now)
    newest = max(_times_sent(office, now), default=now)
    return newest if newest - now > MOST_AHEAD else None


def _times_sent(office: Office, now: datetime) -> set[datetime]:
    return {row.sent for row in list_messages(office.ledger, office.region.id, since=now - timedelta(minutes=1))}


def _refuse_ahead(office: Office, now: datetime) -> None:
    newest = ahead_of_clock(office, now)
    if newest is not None:
        raise IssueError(
            f"the newest message was sent at {beijing(newest):%Y-%m-%d %H:%M:%S} BJT, ahead of the clock: the clock is "
            "wrong, or was; set it right, wait until then, or give a reason to override (a cancellation of that "
            "message is then sent a second after it, any other release now)",
            f"最新预警的发布时间为 {beijing(newest):%Y-%m-%d %H:%M:%S}（北京时），晚于当前时钟：时钟有误或曾经有误，"
            "请校正时钟，或等到该时间之后；如须立即发布，请填写越限理由"
            "（解除该预警的发布时间为其后一秒，其他发布以当前时间为准）",
        )


def _ended_ahead(records: Sequence[Warning], in_force: Sequence[Warning], now: datetime) -> list[Warning]:
    """The messages ahead of the clock that these drafts cancel; an update of one would tell the hazard for then."""
    ahead = [message for message in in_force if message.sent - now > MOST_AHEAD]
    ended = [_ended_by(record, ahead) for record in records]
    found = [message for messages in ended for message in messages]
    if found and not (all(ended) and all(record.msg_type == "Cancel" for record in records)):
        last = max(found, key=lambda message: message.sent)
        raise IssueError(
            f"{last.id} in force there was sent at {beijing(last.sent):%Y-%m-%d %H:%M:%S} BJT, ahead of the clock: "
            "cancel it first, in a release by itself, then release this",
            f"当地生效的 {last.id} 发布时间为 {beijing(last.sent):%Y-%m-%d %H:%M:%S}（北京时），晚于当前时钟："
            "请先单独解除该预警，再发布本稿",
        )
    return found


def _ended_by(record: Warning, messages: Sequence[Warning]) -> list[Warning]:
    if record.msg_type != "Cancel":
        return predecessors(record, messages)
    named = {reference.identifier for reference in record.references}
    return [message for message in messages if message.id in named]


def _later(draft: Warning, by: timedelta) -> Warning:
    times = {name: getattr(draft, name) + by for name in ("sent", "effective", "onset", "expires")}
    return replace(draft, **times)


def _own_second(office: Office, ahead: Sequence[Warning], count: int, now: datetime) -> datetime:
    """The first of `count` seconds from `now` on that no message has: the national form tells messages apart by them.

    After what is not ahead of the clock, and after what is ended (`ahead`).
    """
    taken = _times_sent(office, now)
    before = [*(time for time in taken if time - now <= MOST_AHEAD), *(message.sent for message in ahead)]
    first = max([now, *(time + SECOND for time in before)])
    while any(first + number * SECOND in taken for number in range(count)):
        first += SECOND
    return first


def _cancelled(office: Office, now: datetime) -> list[Warning]:
    """Cancellations of the last hour; those ahead of the clock make way for what is released now."""
    recent = list_messages(office.ledger, office.region.id, since=now - CANCEL_LIFE)
    return [record_of(row) for row in recent if row.msg_type == "Cancel" and row.sent - now <= MOST_AHEAD]


def _draft_of(office: Office, row: WarningRow, now: datetime) -> Warning:
    """The record of a draft that may go out now.

    A person's update or cancellation is of the message they looked at, and of no other one that replaced it.
    """
    refuse_altered(row)
    record = record_of(row)
    if record.cycle > now and record.msg_type != "Cancel":  # what was issued by a clock that was ahead can be cancelled
        raise IssueError(
            f"{row.id} rests on the analysis of {bjt(record.cycle)} BJT, which is after now: the clock is wrong",
            f"{row.id} 依据 {bjt(record.cycle)}（北京时）的分析，晚于当前时间：时钟有误，请校正",
        )
    parent = _message_above(office, row)
    if parent is not None and parent.ended_by not in {"", EXPIRED}:
        raise IssueError(
            f"{row.id}: {parent.identifier} was ended meanwhile by {parent.ended_by}: prepare the update of that one",
            f"{row.id}：{parent.identifier} 已被 {parent.ended_by} 取代：请针对后者重新拟制",
        )
    return record


def _message_above(office: Office, row: WarningRow) -> MessageRow | None:
    """The message that a person began this draft from; None where it comes from the machine."""
    parent, seen = row.parent, {row.id}
    while parent and parent not in seen:
        seen.add(parent)
        above = find_draft(office.ledger, parent)
        if above is None:
            return find_message(office.ledger, parent)
        parent = above.parent
    return None


def _signed_cap(office: Office, message: Warning, composed: Composed, now: datetime) -> str:
    """The CAP message as it leaves: signed where there is a key, and checked against what was issued before."""
    xml, policy = cap_xml(message), office.policy
    if policy.key_file is not None and policy.cert_file is not None:
        try:
            cert = policy.cert_file.read_bytes()
            xml = sign_xml(xml, policy.key_file.read_bytes(), cert)
        except OSError as cause:
            raise IssueError(f"the signing key cannot be read: {cause}", f"无法读取签名密钥：{cause}") from cause
        _check_signature(xml, cert, policy.cert_file, max(now, message.sent))
    elif policy.status == ACTUAL:
        raise IssueError("an Actual message needs a signing key", "正式预警必须配置签名密钥")
    chain = [reference for old in composed.predecessors[message.id] for reference in (*old.references, old.reference)]
    rows = [find_message(office.ledger, name) for name in dict.fromkeys(ref.identifier for ref in chain)]
    validate(xml, office.region.grid.bounds, [parse_cap(row.cap.encode()) for row in rows if row is not None])
    return xml.decode()


def _check_signature(xml: bytes, cert: bytes, path: Path, now: datetime) -> None:
    """What nobody could verify does not go out: recipients refuse it (RELIABILITY.md C7)."""
    try:
        verify_signed(xml, [cert], now=now)
    except WarningError as cause:
        raise IssueError(
            f"recipients would refuse the signature made with {path}: {cause.en}; is the certificate expired, or not "
            "valid yet? Renew it",
            f"接收方将拒绝用 {path} 签名的报文（{cause.zh}）：请检查证书是否过期或尚未生效，并更换证书",
        ) from cause


def _issue(office: Office, message: Warning, composed: Composed, live: Mapping[str, MessageRow], cap: str) -> Issue:
    before = composed.predecessors[message.id]
    chains = {live[old.id].chain for old in before}
    named = {key for one in composed.messages for key in keys_of(one)}
    rows = [row for row in (find_message(office.ledger, chain) for chain in chains) if row is not None]
    chain = min(((row.sent, row.identifier) for row in rows), default=(message.sent, message.id))[1]
    return Issue(
        identifier=message.id, draft_id=composed.drafts[message.id], region=message.region, hazard=message.hazard,
        level=message.level, msg_type=message.msg_type, status=message.status, chain=chain, sent=message.sent,
        expires=message.expires, content=to_dict(message), cap=cap, digest=digest(message),
        lifted=tuple(sorted({key for old in before for key in keys_of(old)} - named)),
    )  # fmt: skip
