"""The inbox of drafts: review, edit, reject, sign, release. Every act says who and why, and is refused in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from fastapi import APIRouter, HTTPException
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from wxcore.desk.access import ROLES, permits
from wxcore.desk.answers import REFUSALS, Posted, field, fields, refused, see_other, status_of
from wxcore.desk.compare import compare
from wxcore.desk.login import confirm_password
from wxcore.desk.preview import Effect, asks_again, effect, is_red
from wxcore.desk.render import lang_of, render
from wxcore.desk.state import Desk, address_of, desk_of, user_of
from wxcore.desk.views import (
    MOST_LISTED,
    Sight,
    as_of_now,
    audit_lines,
    draft_lines,
    most_harmful_first,
    overtaken_by,
    sight,
)
from wxcore.desk.words import Pair, for_input, state_words
from wxcore.errors import IssueError, TimeError
from wxcore.landing.ledger import (
    WarningRow,
    find_draft,
    find_message,
    list_audit,
    list_drafts,
    live_messages,
    signed_for,
)
from wxcore.pipeline.issue import (
    Edit,
    digest_of,
    drafts_open,
    edit_draft,
    edited_from,
    record_of,
    reject,
    release,
    reopen,
    review,
    sign,
)
from wxcore.times import BEIJING
from wxcore.warning.model import LEVELS, Warning

router = APIRouter()

RED_WORDS = frozenset({"红色", "RED"})
"""What must be typed before a red warning is released: the highest level is never one click away."""

CLOSED_FOR = timedelta(hours=12)
"""How far back the inbox lists what was released or rejected: a shift."""

SIGNER = "forecaster"


TICK_FIRST = (
    "请先在下列草稿中勾选要发布的（已签发的才可勾选）",
    "tick what is to be released first: signed drafts have a box",
)


@dataclass(frozen=True)
class Typed:
    """What stands in the fields of the forms: what a refused one held, else what the draft says; never a password.

    Attributes:
        act: last part of the path of the form that was refused; "" for none.
        level, expires, adcodes, remark_zh, remark_en: of the edit.
        reason, override, lifted: of the refused form.
    """

    act: str
    level: str
    expires: str
    adcodes: frozenset[str]
    remark_zh: str
    remark_en: str
    reason: str = ""
    override: str = ""
    lifted: frozenset[str] = frozenset()


@router.get("/drafts", dependencies=[permits(*ROLES)])
def inbox(request: Request) -> Response:
    """Open drafts, the most harmful first; below, what became of the others of this shift."""
    return _inbox(request)


def _inbox(request: Request, error: Pair | None = None) -> Response:
    desk = desk_of(request)
    office, now = desk.office, desk.now()
    rows = most_harmful_first(drafts_open(office, now))
    known = {row.id for row in rows}
    every = list_drafts(office.ledger, office.region.id, since=now - CLOSED_FOR)
    closed = [row for row in every if row.id not in known and row.state not in {"draft", "review"}]
    closed.sort(key=lambda row: (row.cycle_time, row.created_at, row.id), reverse=True)
    shown = rows if "all" in request.query_params else [*rows[:MOST_LISTED], *_signed(rows[MOST_LISTED:])]
    overtaken, live = overtaken_by(_signed(rows), every), _live(desk, now)
    return render(
        request,
        "drafts.html",
        status_of(error),
        page="/drafts" if error else f"?{request.url.query}",
        lines=draft_lines(shown, office.book, now=now, overtaken=overtaken, live=live),
        more=len(rows) - len(shown),
        closed=draft_lines(closed[:MOST_LISTED], office.book, now=now),
        edits={row.parent: row.id for row in every if row.parent},
        error=error,
    )


def _live(desk: Desk, now: datetime) -> list[Warning]:
    rows = live_messages(desk.office.ledger, desk.office.region.id, now)
    return [record_of(row) for row in rows if row.status == desk.office.policy.status]


def _signed(rows: Sequence[WarningRow]) -> list[WarningRow]:
    return [row for row in rows if row.state == "signed"]


@router.get("/drafts/release", dependencies=[permits(*ROLES)])
def confirm(request: Request) -> Response:
    """What a release of these drafts (`?ids=`, several of one hazard) would do: shown before it is done."""
    ids = request.query_params.getlist("ids")
    return _confirm(request, ids) if ids else _inbox(request, TICK_FIRST)


@router.post("/drafts/release", dependencies=[permits(SIGNER)])
def release_drafts(request: Request, form: Posted) -> Response:
    """Release signed drafts of one hazard together."""
    desk, ids = desk_of(request), fields(form, "ids")
    if not ids:
        return _inbox(request, TICK_FIRST)
    rows = _rows(desk, ids)
    try:
        _confirmed(request, form, rows)
        messages = release(
            desk.office,
            user_of(request).actor,
            ids,
            now=desk.now(),
            lifted=fields(form, "lifted"),
            reason=field(form, "reason"),
            override=field(form, "override"),
        )
    except REFUSALS as error:
        return _confirm(request, ids, refused(error), form)
    return see_other("warnings", messages[0].identifier)


@router.get("/drafts/{name}", dependencies=[permits(*ROLES)])
def draft_page(request: Request, name: str) -> Response:
    """One draft beside what stands now."""
    return _page(request, name)


@router.post("/drafts/{name}/edit", dependencies=[permits(SIGNER)])
def edit(request: Request, name: str, form: Posted) -> Response:
    """Make a new draft of this one; nothing is changed in place."""
    desk = desk_of(request)
    row = _row(desk, name)
    try:
        reason = _reason(form)
        _unchanged(row, field(form, "digest"))
        new = edit_draft(
            desk.office, user_of(request).actor, name, _edit(form, record_of(row)), now=desk.now(), reason=reason
        )
    except (*REFUSALS, TimeError) as error:
        return _page(request, name, refused(error), form)
    return see_other("drafts", new.id)


@router.post("/drafts/{name}/review", dependencies=[permits(SIGNER)])
def start_review(request: Request, name: str, form: Posted) -> Response:
    """Somebody looks at it now."""
    desk = desk_of(request)
    try:
        review(desk.office, user_of(request).actor, name, now=desk.now(), digest=field(form, "digest"))
    except REFUSALS as error:
        return _page(request, name, refused(error))
    return see_other("drafts", name)


@router.post("/drafts/{name}/reject", dependencies=[permits(SIGNER)])
def reject_draft(request: Request, name: str, form: Posted) -> Response:
    """It is not issued; why is part of the record."""
    desk = desk_of(request)
    try:
        reason = _reason(form)
        reject(desk.office, user_of(request).actor, name, now=desk.now(), reason=reason, digest=field(form, "digest"))
    except REFUSALS as error:
        return _page(request, name, refused(error), form)
    return see_other("drafts")


@router.post("/drafts/{name}/reopen", dependencies=[permits(SIGNER)])
def reopen_draft(request: Request, name: str, form: Posted) -> Response:
    """Take the signature or the rejection back."""
    desk = desk_of(request)
    try:
        reason = _reason(form)
        reopen(desk.office, user_of(request).actor, name, now=desk.now(), reason=reason, digest=field(form, "digest"))
    except REFUSALS as error:
        return _page(request, name, refused(error), form)
    return see_other("drafts", name)


@router.post("/drafts/{name}/sign", dependencies=[permits(SIGNER)])
def sign_draft(request: Request, name: str, form: Posted) -> Response:
    """Sign exactly the content that was looked at; the password is asked again."""
    desk, user = desk_of(request), user_of(request)
    try:
        _same_person(request, form, ("未签发", "not signed"))
        sign(desk.office, user.actor, name, field(form, "digest"), now=desk.now())
    except REFUSALS as error:
        return _page(request, name, refused(error))
    return see_other("drafts", name, at="release")


def _same_person(request: Request, form: FormData, undone: Pair) -> None:
    """Ask for the password again; `undone`: what a wrong one leaves undone."""
    password = str(form.get("password", ""))
    if not confirm_password(desk_of(request), user_of(request), password, address=address_of(request)):
        raise IssueError(
            f"Wrong password: {undone[1]}. Enter your own login password.",
            f"密码不正确，{undone[0]}。请重新输入本人的登录密码。",
        )


def _confirmed(request: Request, form: FormData, rows: Sequence[WarningRow]) -> None:
    """What reaches people in earnest is released by the person who sits there, red never by one click."""
    if is_red(rows) and field(form, "confirm").upper() not in RED_WORDS:
        raise IssueError(
            "A red warning: type RED in the field beside the button to release it.",
            "红色预警：请在按钮旁的输入框中键入“红色”后再发布。",
        )
    if asks_again(desk_of(request), rows):
        _same_person(request, form, ("未发布", "not released"))


def _edit(form: FormData, warning: Warning) -> Edit:
    """What the form changes; None where it says what the draft says already."""
    level, until = field(form, "level"), field(form, "expires")
    adcodes = tuple(sorted(set(fields(form, "adcodes"))))
    remark_zh, remark_en = field(form, "remark_zh"), field(form, "remark_en")
    return Edit(
        level=level if level and level != warning.level else None,
        adcodes=adcodes if adcodes != tuple(sorted(warning.adcodes)) else None,
        expires=from_input(until) if until and until != for_input(warning.expires) else None,
        remark_zh=remark_zh if remark_zh != warning.remark_zh else None,
        remark_en=remark_en if remark_en != warning.remark_en else None,
    )


def from_input(text: str) -> datetime:
    """The time of `<input type="datetime-local">`, which is on Beijing's clock, as UTC.

    Raises:
        TimeError: not a time.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=BEIJING).astimezone(UTC)
    except ValueError as cause:
        raise TimeError(
            f"{text!r} is not a time such as 2025-06-09T19:30 (Beijing): choose day and minute",
            f"{text!r} 不是时间，例如 2025-06-09T19:30（北京时）；请选择日期和时刻",
        ) from cause


def _reason(form: FormData) -> str:
    reason = field(form, "reason")
    if not reason:
        raise IssueError(
            "No reason given: say why, it is kept in the audit log.", "未填写理由：请说明原因，将记入审计日志。"
        )
    return reason


def _unchanged(row: WarningRow, seen: str) -> None:
    if seen and seen != digest_of(row):
        raise IssueError(
            f"{row.id} changed while you looked at it: compare again, then repeat.",
            f"{row.id} 在您查看期间已改变：请重新核对后再操作。",
        )


def _row(desk: Desk, name: str) -> WarningRow:
    row = find_draft(desk.office.ledger, name)
    if row is None or row.region != desk.office.region.id:
        raise HTTPException(404)
    return row


def _rows(desk: Desk, ids: Sequence[str]) -> list[WarningRow]:
    return [_row(desk, name) for name in ids]


def _typed(request: Request, warning: Warning, form: FormData | None) -> Typed:
    own = Typed("", warning.level, for_input(warning.expires), frozenset(warning.adcodes), warning.remark_zh,
                warning.remark_en)  # fmt: skip
    if form is None:
        return own
    own = replace(
        own, act=request.url.path.rpartition("/")[2], reason=field(form, "reason"), override=field(form, "override"),
        lifted=frozenset(fields(form, "lifted")),
    )  # fmt: skip
    if own.act != "edit":
        return own
    return replace(
        own, level=field(form, "level"), expires=field(form, "expires"), adcodes=frozenset(fields(form, "adcodes")),
        remark_zh=field(form, "remark_zh"), remark_en=field(form, "remark_en"),
    )  # fmt: skip


def _page(request: Request, name: str, error: Pair | None = None, form: FormData | None = None) -> Response:
    desk, lang = desk_of(request), lang_of(request)
    office, now, row = desk.office, desk.now(), _row(desk, name)
    warning, result = record_of(row), effect(desk, [row], lang, now=now)
    parent = find_draft(office.ledger, row.parent) if row.parent else None
    child = edited_from(office, row)
    acts = list_audit(office.ledger, subject=name)
    return render(
        request,
        "draft.html",
        status_of(error),
        row=row,
        state=state_words(row.state),
        signed=signed_for(office.ledger, row, office.policy.status),
        sight=sight(warning, office.book),
        told=_told(desk, row, result, now),
        digest=digest_of(row),
        levels=[(level, office.book.colours[level]) for level in LEVELS],
        districts=office.region.districts_at(now),
        typed=_typed(request, warning, form),
        before=None if parent is None else compare(record_of(parent), warning, office.book, lang),
        parent=parent,
        child=child,
        by=_by(desk, row, child) or (acts[-1].actor if acts else ""),
        effect=result,
        audit=audit_lines(acts),
        error=error,
    )


def _by(desk: Desk, row: WarningRow, child: WarningRow | None) -> str:
    """Who edited, released or signed it; "" where nobody did."""
    message = find_message(desk.office.ledger, row.message) if row.message else None
    return child.author if child else message.released_by if message else row.signed_by


def _told(desk: Desk, row: WarningRow, result: Effect, now: datetime) -> Sight:
    """What became of the draft, else what would go out now, else the draft after what is in force."""
    book = desk.office.book
    message = find_message(desk.office.ledger, row.message) if row.message else None
    if message is not None:
        return sight(record_of(message), book)
    found = result.preview.messages.get(row.id) or as_of_now(record_of(row), _live(desk, now), book)
    return sight(found, book)


def _confirm(request: Request, ids: Sequence[str], error: Pair | None = None, form: FormData | None = None) -> Response:
    desk = desk_of(request)
    rows, now = _rows(desk, ids), desk.now()
    result = effect(desk, rows, lang_of(request), now=now)
    return render(
        request,
        "release.html",
        status_of(error),
        page=f"{request.url.path}?{urlencode([('ids', name) for name in ids])}",
        lines=draft_lines(rows, desk.office.book, now=now),
        told={row.id: _told(desk, row, result, now) for row in rows},
        typed=_typed(request, record_of(rows[0]), form),
        effect=result,
        error=error,
        partly=any(row.message for row in rows),
    )
