"""`wx desk`: the web desk, and the accounts of those who use it."""

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from wxcore.cli.options import Json, Lang, Out, RegionId, home_of, region_of, whole_home
from wxcore.cli.show import SCREEN, print_json, say
from wxcore.cli.warnings_act import At, clock_of
from wxcore.desk.accounts import (
    ACCOUNTS_FILE,
    ROLES,
    Account,
    Audit,
    add_account,
    audited,
    change_account,
    load_accounts,
)
from wxcore.desk.serve import HOST, PORT, serve
from wxcore.desk.shield import host_of
from wxcore.desk.state import LOCAL_HOSTS, Desk
from wxcore.errors import AccountError
from wxcore.landing.ledger import Actor, close_sessions
from wxcore.pipeline.issue import open_office
from wxcore.settings import language, load_settings, policy_at

desk_app = typer.Typer(invoke_without_command=True, help="The web desk and its accounts. 网页值班台与账户")
users_app = typer.Typer(no_args_is_help=True, help="Accounts of the desk. 值班台账户")
desk_app.add_typer(users_app, name="users")

Name = Annotated[str, typer.Argument(help="Name of the account. 用户名")]
Role = Annotated[str, typer.Option("--role", help=f"{', '.join(ROLES)}. 角色")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin. 从标准输入读取密码")]
Hosts = Annotated[list[str] | None, typer.Option("--name", help="Host name it is called by, besides localhost. 主机名")]


@desk_app.callback()
def desk_command(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to listen on. 监听地址")] = HOST,
    port: Annotated[int, typer.Option("--port", help="Port. 端口", min=1, max=65535)] = PORT,
    name: Hosts = None,
    https: Annotated[
        bool, typer.Option("--https", help="Behind a proxy with TLS on this machine. 经本机TLS代理")
    ] = False,
    no_send: Annotated[bool, typer.Option("--no-send", help="Do not send from here. 不在此进程发送")] = False,
    at: At = "",
    region: RegionId = "",
    out: Out = None,
    lang: Lang = "",
) -> None:
    """Run the web desk until it is stopped; `--at`: on a clock that starts there. 运行网页值班台."""
    if context.invoked_subcommand is not None:
        return
    lang = language(lang or load_settings().lang)
    where = region_of(region)
    home = whole_home(out, where, lang)
    office = open_office(home, where, policy_at(home))
    now = clock_of(office, at)
    accounts = home.root / ACCOUNTS_FILE
    if not load_accounts(accounts):
        words = (
            "no account yet: wx desk users add NAME --role admin",
            "尚无账户：请先运行 wx desk users add 用户名 --role admin",
        )
        SCREEN.print(say(lang, *words), style="yellow", markup=False)
    if host_of(host) not in LOCAL_HOSTS and not https:
        words = ("passwords cross the network unencrypted, and one caller can take all connections: put a proxy with "
                 "TLS, timeouts and a limit of connections by address before it and give --https",
                 "密码将以明文经过网络，且单个来访者可占满全部连接：请在前面设 TLS 代理"
                 "（限制超时和每个地址的连接数）并加 --https")  # fmt: skip
        SCREEN.print(say(lang, *words), style="bold yellow", markup=False)
    own = () if host in {"0.0.0.0", "::"} else (host_of(host),)
    desk = Desk(
        office, accounts, now, lang, exercise_clock=bool(at), secure_cookies=https,
        hosts=(*own, *(host_of(item) for item in name or ())),
    )  # fmt: skip
    SCREEN.print(f"http://{host}:{port}", markup=False)
    with _exercise(desk, lang) if at else nullcontext():
        serve(desk, host=host, port=port, send=not no_send, behind_proxy=https)


@contextmanager
def _exercise(desk: Desk, lang: str) -> Iterator[None]:
    """Say that the clock is an exercise's; logins end with it and before it, for their ends are of another clock."""
    words = (
        "EXERCISE CLOCK: pages, sender and escalation run from --at on; run nothing else on this folder meanwhile",
        "演习时钟：页面、发送和叫应均自 --at 起走；其间请勿在此目录运行其他进程",
    )
    SCREEN.print(say(lang, *words), style="bold yellow", markup=False)
    close_sessions(desk.office.ledger)
    try:
        yield
    finally:
        close_sessions(desk.office.ledger)


@users_app.command("add")
def add_command(
    name: Name,
    role: Role,
    display: Annotated[str, typer.Option("--display", help="Name as people read it. 显示名")] = "",
    password_stdin: FromStdin = False,
    out: Out = None,
    lang: Lang = "",
) -> None:
    """Make an account; the password is asked for twice. 新建账户."""
    lang = _lang(lang)
    path = _file(out)
    try:
        password = _password(lang, password_stdin)
        entry = _entry(out, "account added", name, {"role": role})
        account = add_account(path, name, role, password, display=display, audit=entry)
    except AccountError as error:
        raise _bad(error, lang) from error
    _tell(account, lang)


@users_app.command("list")
def list_command(out: Out = None, as_json: Json = False, lang: Lang = "") -> None:
    """All accounts, without their passwords. 列出账户."""
    lang = _lang(lang)
    rows = [{key: value for key, value in asdict(item).items() if key != "hash"} for item in load_accounts(_file(out))]
    if as_json:
        print_json(rows)
        return
    table = Table(
        *(say(lang, *pair) for pair in (("name", "用户名"), ("shown as", "显示名"), ("role", "角色"), ("", "状态")))
    )
    for row in rows:
        table.add_row(
            row["name"], row["display"], row["role"], say(lang, "disabled", "停用") if row["disabled"] else ""
        )
    SCREEN.print(table)


@users_app.command("disable")
def disable_command(
    name: Name, enable: Annotated[bool, typer.Option("--enable", help="The other way round. 重新启用")] = False,
    out: Out = None, lang: Lang = "",
) -> None:  # fmt: skip
    """Nobody logs in with it any more; its sessions are closed. 停用账户."""
    _change(out, "account enabled" if enable else "account disabled", name, lang, disabled=not enable)


@users_app.command("password")
def password_command(name: Name, password_stdin: FromStdin = False, out: Out = None, lang: Lang = "") -> None:
    """Another password; its sessions are closed. 更改密码."""
    _change(out, "account password", name, lang, password=_password(_lang(lang), password_stdin))


@users_app.command("role")
def role_command(name: Name, role: Annotated[str, typer.Argument(help=f"{', '.join(ROLES)}. 角色")], out: Out = None,
                 lang: Lang = "") -> None:  # fmt: skip
    """Another role; its sessions are closed. 更改角色."""
    _change(out, "account role", name, lang, role=role)


def _change(
    out: Path | None, action: str, name: str, lang: str, *, role: str | None = None, password: str | None = None,
    disabled: bool | None = None,
) -> None:  # fmt: skip
    lang = _lang(lang)
    try:
        entry = _entry(out, action, name, {} if role is None else {"role": role})
        account = change_account(_file(out), name, role=role, password=password, disabled=disabled, audit=entry)
    except AccountError as error:
        raise _bad(error, lang) from error
    close_sessions(home_of(out).ledger(), user=name)
    _tell(account, lang)


def _entry(out: Path | None, action: str, name: str, detail: dict[str, str]) -> Audit:
    """Audited as whoever owns this terminal."""
    actor = Actor(getpass.getuser(), "terminal")
    return audited(home_of(out).ledger(), actor, action, name, now=datetime.now(UTC), detail=detail)


def _tell(account: Account, lang: str) -> None:
    SCREEN.print(
        say(lang, f"done: {account.name} ({account.role})", f"完成：{account.name}（{account.role}）"), markup=False
    )


def _password(lang: str, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    first = typer.prompt(say(lang, "password", "密码"), hide_input=True)
    if first != typer.prompt(say(lang, "again", "再次输入"), hide_input=True):
        raise typer.BadParameter(say(lang, "the two do not agree", "两次输入不一致"))
    return str(first)


def _bad(error: AccountError, lang: str) -> typer.BadParameter:
    return typer.BadParameter(say(lang, error.en, error.zh))


def _file(out: Path | None) -> Path:
    return home_of(out).root / ACCOUNTS_FILE


def _lang(lang: str) -> str:
    return language(lang or load_settings().lang)
