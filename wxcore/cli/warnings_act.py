"""`wx warnings`: what changes a warning. Each act asks for the password of an account that may do it."""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from wxcore.cli.options import Json, Lang, Out, RegionId, home_of, region_of
from wxcore.cli.show import SCREEN, print_json, say
from wxcore.desk.accounts import ACCOUNTS_FILE, find_account, matches
from wxcore.errors import IssueError
from wxcore.landing.ledger import Actor, find_draft, find_message, list_outbox, record_act
from wxcore.pipeline.issue import (
    Edit,
    Office,
    edit_draft,
    open_office,
    prepare_cancel,
    prepare_update,
    reject,
    release,
    reopen,
    sign,
)
from wxcore.pipeline.policy import ACTUAL
from wxcore.settings import language, load_settings, policy_at
from wxcore.times import parse_time
from wxcore.warning.model import Warning, from_json

SIGNER = "forecaster"
"""The role that edits, signs and releases."""

Id = Annotated[str, typer.Argument(help="A draft, as `wx warnings list` names it. 草稿编号")]
Ids = Annotated[list[str], typer.Argument(help="Signed drafts of one hazard. 同一灾种的已签草稿")]
As = Annotated[str, typer.Option("--as", help="Account that acts. 账号")]
Stdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input. 从标准输入读密码")
]
Why = Annotated[str, typer.Option("--reason", help="Why; kept in the audit. 理由（记入审计）")]
At = Annotated[
    str, typer.Option("--at", help="As if it were now, UTC; Test and Exercise only. 演习时钟起始时刻（仅测试与演练）")
]
RemarkZh = Annotated[str | None, typer.Option("--remark-zh", help="A sentence for the public, Chinese. 补充说明")]
RemarkEn = Annotated[str | None, typer.Option("--remark-en", help="The same in English. 英文补充说明")]


def office_of(region: str, out: Path | None) -> Office:
    """The office of a home, as the environment sets its policy."""
    home = home_of(out)
    return open_office(home, region_of(region), policy_at(home))


def warning_of(office: Office, name: str) -> Warning:
    """The record of a draft or a message.

    Raises:
        IssueError: neither is called so.
    """
    row = find_message(office.ledger, name) or find_draft(office.ledger, name)
    if row is None:
        raise IssueError(
            f"{name}: no such draft or message: `wx warnings list` names them",
            f"{name}：没有此草稿或报文：请用 `wx warnings list` 查看编号",
        )
    return from_json(row.json)


def actor_of(office: Office, name: str, *, from_stdin: bool) -> Actor:
    """Who acts, once the password is right; who failed is audited.

    Raises:
        IssueError: unknown, disabled, wrong password, or no forecaster.
    """
    password = (
        sys.stdin.readline().rstrip("\n") if from_stdin else typer.prompt(f"{name} 密码/password", hide_input=True)
    )
    account = find_account(office.home.root / ACCOUNTS_FILE, name)
    if not matches(account, password) or account is None or account.role != SIGNER:
        record_act(
            office.ledger, Actor(name, ""), "login failed", name, now=datetime.now(UTC), reason="wx warnings",
        )  # fmt: skip
        raise IssueError(
            f"{name}: wrong name or password, or the account is not a forecaster's: `wx desk users list`",
            f"{name}：账号或密码错误，或不是预报员账号：见 `wx desk users list`",
        )
    return Actor(account.name, account.role)


def clock_of(office: Office, at: str) -> Callable[[], datetime]:
    """The clock (aware UTC), or that of an exercise: it starts now at `at`, and runs on.

    Raises:
        IssueError: an exercise's where warnings are Actual.
        TimeError: `at` is no time.
    """
    if not at:
        return lambda: datetime.now(UTC)
    if office.policy.status == ACTUAL:
        raise IssueError("--at is for Test and Exercise only", "--at 仅限测试与演练")
    ahead = parse_time(at) - datetime.now(UTC)
    return lambda: datetime.now(UTC) + ahead


def clock(office: Office, at: str) -> datetime:
    """Now by `clock_of`."""
    return clock_of(office, at)()


def _done(rows: Sequence[tuple[str, str]], *, as_json: bool) -> None:
    """Tell what came of it: (id, headline) each."""
    if as_json:
        print_json([{"id": name, "headline": headline} for name, headline in rows])
    for name, headline in () if as_json else rows:
        SCREEN.print(f"{name}\n  {headline}", markup=False, highlight=False)


def _then(lang: str, words: tuple[str, str], *command: str, at: str, region: str, out: Path | None) -> None:
    """Say what is still to be done, and the command for it, with the options of this one."""
    kept = ("--at", at), ("--region", region), ("--out", "" if out is None else str(out))
    more = [part for name, value in kept if value for part in (name, value)]
    SCREEN.print(say(lang, *words), style="yellow", markup=False)
    line = shlex.join(["wx", "warnings", *command, *more])
    SCREEN.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


TO_SIGN = (
    "A draft; nothing has gone out. Next: sign it, then release it:",
    "仅为草稿，尚未发布。下一步：签发，然后发布：",
)
TO_RELEASE = (
    "Signed, not released: nobody has been told. Next:",
    "已签名，尚未发布，未通知任何人。下一步：",
)


def _waiting(office: Office, identifiers: Sequence[str]) -> tuple[str, str]:
    """How many deliveries of these messages still lie here, in words."""
    rows = [row for name in identifiers for row in list_outbox(office.ledger, identifier=name)]
    count = sum(row.state == "waiting" for row in rows)
    return (
        f"{count} deliveries wait; nothing leaves until `wx desk` or `wx warnings send` runs:",
        f"{count} 条待发送；须运行 `wx desk` 或 `wx warnings send` 才会发出：",
    )


def _headline(text: str, lang: str) -> str:
    return str(json.loads(text)["headline_zh" if lang == "zh" else "headline_en"])


def edit_command(
    name: Id,
    who: As,
    reason: Why,
    level: Annotated[str | None, typer.Option("--level", help="blue, yellow, orange, red. 等级")] = None,
    districts: Annotated[str | None, typer.Option("--districts", help="Codes, comma separated. 区县代码")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Valid until, UTC. 有效至（UTC）")] = None,
    remark_zh: RemarkZh = None,
    remark_en: RemarkEn = None,
    password_stdin: Stdin = False,
    at: At = "",
    region: RegionId = "",
    out: Out = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """Make a new draft from one: other level, places, end, or a remark. 修改草稿（另存新稿）."""
    lang, office = language(lang or load_settings().lang), office_of(region, out)
    edit = Edit(
        level=level,
        adcodes=None if districts is None else tuple(code.strip() for code in districts.split(",") if code.strip()),
        expires=None if until is None else parse_time(until),
        remark_zh=remark_zh,
        remark_en=remark_en,
    )
    actor = actor_of(office, who, from_stdin=password_stdin)
    row = edit_draft(office, actor, name, edit, now=clock(office, at), reason=reason)
    _done([(row.id, _headline(row.json, lang))], as_json=as_json)
    if not as_json:
        _then(lang, TO_SIGN, "sign", row.id, "--as", who, at=at, region=region, out=out)


def reject_command(
    name: Id, who: As, reason: Why, password_stdin: Stdin = False, at: At = "", region: RegionId = "", out: Out = None,
    lang: Lang = "",
) -> None:  # fmt: skip
    """Say why a draft shall not go out. 退回草稿."""
    lang, office = language(lang or load_settings().lang), office_of(region, out)
    actor, digest = actor_of(office, who, from_stdin=password_stdin), _digest(office, name)
    reject(office, actor, name, now=clock(office, at), reason=reason, digest=digest)
    SCREEN.print(say(lang, f"rejected {name}", f"已退回 {name}"), markup=False)


def reopen_command(
    name: Id, who: As, reason: Why, password_stdin: Stdin = False, at: At = "", region: RegionId = "", out: Out = None,
    lang: Lang = "",
) -> None:  # fmt: skip
    """Take a signature or a rejection back: the draft is open again. 撤回签发或退回."""
    lang, office = language(lang or load_settings().lang), office_of(region, out)
    actor, digest = actor_of(office, who, from_stdin=password_stdin), _digest(office, name)
    reopen(office, actor, name, now=clock(office, at), reason=reason, digest=digest)
    SCREEN.print(say(lang, f"open again: {name}", f"已撤回，可重新修改、签发：{name}"), markup=False)


def _digest(office: Office, name: str) -> str:
    warning_of(office, name)
    draft = find_draft(office.ledger, name)
    return draft.digest if draft else ""


def sign_command(
    name: Id, who: As, password_stdin: Stdin = False, at: At = "", region: RegionId = "", out: Out = None,
    lang: Lang = "",
) -> None:  # fmt: skip
    """Read a draft, and sign exactly this content. 阅读并签发草稿."""
    lang, office = language(lang or load_settings().lang), office_of(region, out)
    warning, draft = warning_of(office, name), find_draft(office.ledger, name)
    zh = lang == "zh"
    SCREEN.print(warning.headline_zh if zh else warning.headline_en, style="bold", markup=False)
    SCREEN.print(warning.description_zh if zh else warning.description_en, markup=False, highlight=False)
    actor = actor_of(office, who, from_stdin=password_stdin)
    sign(office, actor, name, draft.digest if draft else "", now=clock(office, at))
    SCREEN.print(say(lang, f"signed {name}", f"已签 {name}"), markup=False)
    _then(lang, TO_RELEASE, "release", name, "--as", who, at=at, region=region, out=out)


def release_command(
    names: Ids,
    who: As,
    lift: Annotated[str, typer.Option("--lift", help="Places let go: codes, comma separated. 解除的区县代码")] = "",
    reason: Annotated[str, typer.Option("--reason", help="For the audit. 理由")] = "",
    override: Annotated[
        str, typer.Option("--override", help="Why beyond the cap a minute, or ahead of a clock. 越限或时钟超前时的理由")
    ] = "",
    password_stdin: Stdin = False,
    at: At = "",
    region: RegionId = "",
    out: Out = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """Send signed drafts out: from here on nothing changes them. 发布已签草稿."""
    lang, office = language(lang or load_settings().lang), office_of(region, out)
    actor = actor_of(office, who, from_stdin=password_stdin)
    lifted = tuple(code.strip() for code in lift.split(",") if code.strip())
    rows = release(office, actor, names, now=clock(office, at), lifted=lifted, reason=reason, override=override)
    _done([(row.identifier, _headline(row.json, lang)) for row in rows], as_json=as_json)
    if not as_json:
        waiting = _waiting(office, [row.identifier for row in rows])
        _then(lang, waiting, "send", "--once", at=at, region=region, out=out)


def update_command(
    name: Id, who: As, reason: Why, password_stdin: Stdin = False, at: At = "", region: RegionId = "", out: Out = None,
    as_json: Json = False, lang: Lang = "",
) -> None:  # fmt: skip
    """A draft that will update an issued message: edit it, sign it, release it. 拟更新已发布预警."""
    lang, office = language(lang or load_settings().lang), office_of(region, out)
    actor = actor_of(office, who, from_stdin=password_stdin)
    row = prepare_update(office, actor, name, now=clock(office, at), reason=reason)
    _done([(row.id, _headline(row.json, lang))], as_json=as_json)
    if not as_json:
        _then(lang, TO_SIGN, "sign", row.id, "--as", who, at=at, region=region, out=out)


def cancel_command(
    name: Id, who: As, reason: Why, remark_zh: RemarkZh = None, remark_en: RemarkEn = None,
    password_stdin: Stdin = False, at: At = "", region: RegionId = "", out: Out = None, as_json: Json = False,
    lang: Lang = "",
) -> None:  # fmt: skip
    """A draft that will cancel an issued message: sign it, release it. 拟解除已发布预警."""
    lang, office = language(lang or load_settings().lang), office_of(region, out)
    actor = actor_of(office, who, from_stdin=password_stdin)
    row = prepare_cancel(
        office, actor, name, now=clock(office, at), reason=reason, remark_zh=remark_zh or "", remark_en=remark_en or ""
    )
    _done([(row.id, _headline(row.json, lang))], as_json=as_json)
    if not as_json:
        _then(lang, TO_SIGN, "sign", row.id, "--as", who, at=at, region=region, out=out)


def add_acts(app: typer.Typer) -> None:
    """The commands of this module."""
    app.command("edit")(edit_command)
    app.command("reject")(reject_command)
    app.command("reopen")(reopen_command)
    app.command("sign")(sign_command)
    app.command("release")(release_command)
    app.command("update")(update_command)
    app.command("cancel")(cancel_command)
