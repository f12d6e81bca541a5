"""Release: signed drafts become messages, in one transaction with what is sent and who is called."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from wxcore.archive.log import tag_snapshot
from wxcore.errors import IssueError, LedgerError, WxcoreError
from wxcore.landing.ledger import (
    DRAFT,
    MACHINE,
    Actor,
    MessageRow,
    WarningRow,
    find_cycle,
    list_audit,
    list_messages,
    move_draft,
    record_act,
    release_messages,
    sign_draft,
    signed_for,
)
from wxcore.landing.ledger.issuing import require_as_signed
from wxcore.pipeline.issue_bundle import Bundle, ahead_of_clock, make_bundle, make_composed, seen_live
from wxcore.pipeline.issue_office import (
    Office,
    digest_of,
    draft_row,
    is_real_sender,
    record_of,
    require_issuer,
)
from wxcore.pipeline.policy import ACTUAL
from wxcore.times import iso
from wxcore.warning.compose import Composed
from wxcore.warning.lifecycle import whole_second

MOST_A_MINUTE = 6
"""Messages that one person releases in a minute without an override: three hazards, two levels each. Our choice."""


def release(
    office: Office,
    actor: Actor,
    ids: Sequence[str],
    *,
    now: datetime,
    lifted: Collection[str] = (),
    reason: str = "",
    override: str = "",
) -> list[MessageRow]:
    """Release signed drafts: one transaction a hazard; all are composed and checked before the first is entered.

    Args:
        ids: of drafts; those of one hazard that touch the same messages belong together.
        lifted: keys (adcodes) of places whose warning is lifted although nothing names them any more.
        reason: for the audit; "": why each draft was made.
        override: why more than MOST_A_MINUTE must go out, or go out although messages are ahead of the clock; audited.

    Raises:
        IssueError: not signed, or not what was signed, not allowed, too old, too many, changed meanwhile, or a place
            would lose its warning; or a later hazard was refused after an earlier one went out, and the error says
            which.
        WarningError: a message that breaks a rule of CAP, or a key that cannot sign.
        LedgerError: the ledger refuses or fails; nothing is entered then.
        TimeError: `now` is naive.
    """
    now = whole_second(now)
    require_issuer(actor, "release")
    groups = _by_hazard([_signed(office, name) for name in dict.fromkeys(ids)])
    if len(groups) > 1 and lifted:
        raise IssueError(
            "places are lifted for one hazard at a time: release the others by themselves",
            "一次只能针对一种灾害解除部分地区，请分次发布",
        )
    _check_status(office, [row for rows in groups for row in rows])
    ahead_ok, several = bool(override.strip()), groups if len(groups) > 1 else []
    together = [make_composed(office, rows, now, lifted, ahead_ok=ahead_ok)[0] for rows in several]
    for rows in groups:
        make_bundle(office, rows, now, lifted, together, ahead_ok=ahead_ok)
    _check_pace(office, actor, sum(map(len, groups)), now, override.strip())
    done: list[MessageRow] = []
    for number, rows in enumerate(groups):
        try:
            done += _release(office, actor, rows, now, lifted, reason, together, ahead_ok=ahead_ok)
        except WxcoreError as refusal:
            if not done:
                raise
            raise _half_done(done, groups[number:], refusal) from refusal
    return done


def _half_done(done: Sequence[MessageRow], left: Sequence[Sequence[WarningRow]], refusal: WxcoreError) -> IssueError:
    out = [message.identifier for message in done]
    refused, later = ([row.id for row in rows] for rows in (left[0], [row for rows in left[1:] for row in rows]))
    en = f"released {', '.join(out)}; refused {', '.join(refused)}: {refusal.en}"
    zh = f"已发布 {'、'.join(out)}；未发布 {'、'.join(refused)}：{refusal.zh}"
    if later:
        en, zh = f"{en}; not tried {', '.join(later)}", f"{zh}；尚未处理 {'、'.join(later)}"
    return IssueError(en, zh)


def auto_release(office: Office, ids: Sequence[str], *, now: datetime) -> list[MessageRow]:
    """Release machine drafts with nobody signing, for tests and exercises; one hazard's refusal holds back no other.

    Places that the machine released are lifted, but none that another open draft names. A refusal is audited, once, and
    the drafts stay unsigned. Drafts that people have taken up are left alone.

    Raises:
        IssueError: the policy does not allow it, or the status is Actual.
        TimeError: `now` is naive.
    """
    now = whole_second(now)
    if not office.policy.auto_release or office.policy.status == ACTUAL:
        raise IssueError(
            f"automatic release is not allowed (status {office.policy.status}): a forecaster signs and releases",
            f"不允许自动发布（状态 {office.policy.status}）：须由预报员签发",
        )
    rows = [draft_row(office, name) for name in dict.fromkeys(ids)]
    done: list[MessageRow] = []
    ours = [row for row in rows if row.origin == "machine" and (row.state == DRAFT or _by_machine(row))]
    for group in _by_hazard(ours):
        try:
            make_bundle(office, group, now, None)  # before anything is signed
            for row in group:
                sign_draft(office.ledger, MACHINE, row.id, digest_of(row), now=now, status=office.policy.status)
            done += _release(office, MACHINE, [_signed(office, row.id) for row in group], now, None, "auto_release")
        except WxcoreError as refusal:
            with suppress(LedgerError):  # what stays signed is taken up again by the next call
                _take_back(office, group, refusal, now)
    return done


def _by_machine(row: WarningRow) -> bool:
    """Is it signed, and by nobody?"""
    return row.state == "signed" and row.signed_by == MACHINE.name


def _take_back(office: Office, rows: Sequence[WarningRow], refusal: WxcoreError, now: datetime) -> None:
    """No draft stays signed by the machine; the refusal is told once, however often it is tried again."""
    for row in [draft_row(office, row.id) for row in rows]:
        if _by_machine(row):
            digest = digest_of(row)
            move_draft(office.ledger, MACHINE, row.id, DRAFT, now=now, reason=refusal.en, digest=digest)
        told = list_audit(office.ledger, subject=row.id, limit=1, newest=True)
        if [(act.action, act.reason) for act in told] != [("auto_release_refused", refusal.en)]:
            record_act(office.ledger, MACHINE, "auto_release_refused", row.id, now=now, reason=refusal.en)


def _signed(office: Office, name: str) -> WarningRow:
    row = draft_row(office, name)
    if row.state != "signed":
        raise IssueError(
            f"{name} is not signed (state {row.state}): review and sign it first",
            f"{name} 尚未签发（状态 {row.state}）：请先审核并签发",
        )
    require_as_signed(office.ledger, row)
    return row


def _by_hazard(rows: Sequence[WarningRow]) -> list[list[WarningRow]]:
    groups: dict[str, list[WarningRow]] = {}
    for row in rows:
        groups.setdefault(row.hazard, []).append(row)
    return list(groups.values())


def _check_status(office: Office, rows: Sequence[WarningRow]) -> None:
    """A test never goes out as real, and nothing goes out as real by accident (RELIABILITY.md C13)."""
    policy = office.policy
    if policy.status != ACTUAL:
        return
    refusals = {
        ("Actual is not allowed by this installation", "本机未获准发布正式预警"): not policy.actual_allowed,
        (
            f"the sender {office.region.issuer.sender!r} stands for nobody",
            f"发布者 {office.region.issuer.sender!r} 并非真实单位",
        ): not is_real_sender(office.region.issuer.sender),
        ("there is no signing key", "未配置签名密钥"): policy.key_file is None or policy.cert_file is None,
        ("simulated data are never Actual", "模拟资料不得作为正式预警发布"): any(
            record_of(row).truth != "real" for row in rows
        ),
        (
            "a signature was not given by a person for Actual: sign again",
            "签名并非由人员为正式预警所签：请重新签发",
        ): not all(signed_for(office.ledger, row, ACTUAL) for row in rows),
    }
    found = [words for words, broken in refusals.items() if broken]
    if found:
        raise IssueError(
            f"not released as Actual: {'; '.join(en for en, _ in found)}", f"未发布：{'；'.join(zh for _, zh in found)}"
        )


def _check_pace(office: Office, actor: Actor, count: int, now: datetime, override: str) -> None:
    """Refuse too many within a minute without a reason; enter the reason where it was needed, also for the clock."""
    since = now - timedelta(minutes=1)
    recent = [
        row
        for row in list_messages(office.ledger, office.region.id, since=since)
        if row.released_by == actor.name and row.released_at > since
    ]
    ahead, is_within = ahead_of_clock(office, now), len(recent) + count <= MOST_A_MINUTE
    if is_within and ahead is None:
        return
    if not is_within and not override:
        raise IssueError(
            f"{len(recent)} released within a minute and {count} more asked for, at most {MOST_A_MINUTE}: wait, or "
            "give a reason to override",
            f"一分钟内已发布{len(recent)}份，再发{count}份将超过上限{MOST_A_MINUTE}份：请稍候，或填写越限理由",
        )
    detail = {"recent": len(recent), "asked": count} | ({"ahead": iso(ahead)} if ahead else {})
    subject = f"{office.region.id} release"
    record_act(office.ledger, actor, "override", subject, now=now, reason=override, detail=detail)


def _release(
    office: Office,
    actor: Actor,
    rows: Sequence[WarningRow],
    now: datetime,
    lifted: Collection[str] | None,
    reason: str,
    together: Sequence[Composed] = (),
    *,
    ahead_ok: bool = False,
) -> list[MessageRow]:
    """Enter one hazard; composed anew, once, where what is in force has changed meanwhile."""
    bundle = make_bundle(office, rows, now, lifted, together, ahead_ok=ahead_ok)
    try:
        done = _enter(office, actor, bundle, now, reason)
    except LedgerError:
        if seen_live(office, rows[0].hazard, now) == bundle.seen:
            raise
        bundle = make_bundle(office, rows, now, lifted, together, ahead_ok=ahead_ok)
        done = _enter(office, actor, bundle, now, reason)
    _tag(office, actor, done, now)
    return done


def _enter(office: Office, actor: Actor, bundle: Bundle, now: datetime, reason: str) -> list[MessageRow]:
    return release_messages(
        office.ledger, actor, bundle.issues, seen_live=bundle.seen, ended=bundle.ended, outbox=bundle.outbox,
        callouts=bundle.callouts, now=now, reason=reason,
    )  # fmt: skip


def _tag(office: Office, actor: Actor, rows: Sequence[MessageRow], now: datetime) -> None:
    """Name the archive's snapshots, so that what the warnings rest on is kept; what cannot be named is audited.

    After the release, and never a fault of it: no archive, a slow one or a ledger that fails now holds no warning back.
    """
    for row in rows:
        cycle = record_of(row).cycle
        detail = {"cycle": cycle.isoformat(), "snapshot": ""}
        try:
            found = find_cycle(office.ledger, office.region.id, cycle)
            detail["snapshot"] = found.snapshot_id if found else ""
            fault = "" if detail["snapshot"] else "no archived cycle"
            if not fault:
                tag_snapshot(office.home.archive, office.region.id, row.identifier, detail["snapshot"])
        except Exception as cause:  # noqa: BLE001 (the warning is out: nothing here may say that it is not)
            fault = str(cause) or type(cause).__name__
        if fault:
            with suppress(LedgerError):
                record_act(office.ledger, actor, "tag_failed", row.identifier, now=now, reason=fault, detail=detail)
