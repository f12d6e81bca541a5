"""`wx warnings`: list, show, export, import, audit, send; what changes a warning is in warnings_act.py."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from wxcore.archive.read import list_cycles, read_provenance
from wxcore.cli.options import Json, Lang, Out, RegionId, home_of, region_of, until_told
from wxcore.cli.show import SCREEN, print_json, say
from wxcore.cli.warnings_act import At, add_acts, clock_of, office_of, warning_of
from wxcore.cli.warnings_show import in_words, nothing_since, state_of
from wxcore.desk.words import act_words, post_words, state_words
from wxcore.errors import IssueError, WxcoreError
from wxcore.landing.ledger import (
    AuditRow,
    MessageRow,
    WarningRow,
    find_draft,
    find_message,
    list_audit,
    list_callouts,
    list_drafts,
    list_imports,
    list_messages,
    list_outbox,
    live_messages,
    verify_audit,
)
from wxcore.landing.ledger.issuing import EXPIRED
from wxcore.pipeline.foreign import REFUSED, Received, import_file, received
from wxcore.pipeline.issue import Office, tick
from wxcore.pipeline.send import send_due, send_loop
from wxcore.settings import language, load_settings
from wxcore.times import beijing, iso, parse_time
from wxcore.warning.cap import cap_xml
from wxcore.warning.flips import flip_rate
from wxcore.warning.foreign import SIGNATURES
from wxcore.warning.geojson import geojson_bytes
from wxcore.warning.level import rulebook
from wxcore.warning.model import Warning, from_dict
from wxcore.warning.national import national_xml
from wxcore.warning.sms import sms

warnings_app = typer.Typer(no_args_is_help=True, help="Drafts and issued warnings. 预警草稿与已发布预警")
add_acts(warnings_app)

WIDEST_ID = 58
"""Characters of an id that stand on one line, to be copied, even on a screen of 80."""

FORMATS = ("cap", "national", "geojson", "sms", "text")
Id = Annotated[str, typer.Argument(help="A draft or a message, as `wx warnings list` names it. 草稿或报文编号")]
AsIf = Annotated[str, typer.Option("--at", help="As if it were now, UTC. 指定时刻（UTC）")]
Pins = Annotated[list[Path] | None, typer.Option("--pin", help="PEM certificate that must have signed. 信任的证书")]
Back = Annotated[float, typer.Option("--back-h", min=0, help="How far back, hours. 回溯小时数")]


def _lang(lang: str) -> str:
    return language(lang or load_settings().lang)


@warnings_app.command("list")
def list_command(
    region: RegionId = "", out: Out = None, back_h: Back = 24.0, at: AsIf = "", as_json: Json = False, lang: Lang = ""
) -> None:
    """Drafts that wait, messages, and warnings taken in from others, newest first. 列出草稿、报文与外部预警."""
    lang, office = _lang(lang), office_of(region, out)
    now = parse_time(at) if at else datetime.now(UTC)
    since = now - timedelta(hours=back_h)
    drafts = list_drafts(office.ledger, office.region.id, since=since)
    messages = list_messages(office.ledger, office.region.id, since=since)
    live = {row.identifier for row in live_messages(office.ledger, office.region.id, now)}
    imports = sorted(list_imports(office.ledger, since=since), key=lambda row: (row.sent, row.key), reverse=True)
    others = [received(row) for row in imports]
    if as_json:
        print_json({
            "drafts": [_draft_json(row) for row in drafts],
            "imports": [_import_json(one, lang) for one in others],
            "messages": [_message_json(row, live=row.identifier in live) for row in messages],
        })  # fmt: skip
        return
    told = Column(say(lang, "id and warning", "编号与预警"), min_width=WIDEST_ID, overflow="fold")
    table = Table(Column(say(lang, "state", "状态"), max_width=15), told)
    for message in reversed(messages):
        state = state_of(message, lang, live=message.identifier in live)
        by = f"\n→ {message.ended_by}" if message.ended_by not in {"", EXPIRED} else ""
        table.add_row(state, f"{message.identifier}\n{_headline(message.json, lang)}{by}")
    for draft in reversed(drafts):
        table.add_row(in_words(state_words(draft.state), lang), f"{draft.id}\n{_headline(draft.json, lang)}")
    SCREEN.print(table)
    if not (drafts or messages or others):
        SCREEN.print(nothing_since(office, since, lang), style="yellow", markup=False)
    if others:
        SCREEN.print(_others(others, lang, now))


def _others(rows: list[Received], lang: str, now: datetime) -> Table:
    """Strangers' words: as Text, so that nothing in them is taken for markup."""
    heads = ("sender and id", "发送者与编号"), ("state", "状态"), ("signature", "签名状态"), ("warning", "预警")
    table = Table(
        *(say(lang, *pair) for pair in heads), title=say(lang, "Warnings of others", "其他单位的预警"),
    )  # fmt: skip
    for row in rows:
        over = row.expires is not None and row.expires <= now
        state = f"{row.status} {row.msg_type} {say(lang, 'expired', '已过期') if over else ''}"
        zh, en = SIGNATURES[row.signature]
        words = say(lang, row.headline[1] or row.event[1], row.headline[0] or row.event[0])
        table.add_row(*(Text(cell) for cell in (f"{row.sender} {row.identifier}", state, say(lang, en, zh), words)))
    return table


def _import_json(row: Received, lang: str) -> dict[str, Any]:
    return {
        "sender": row.sender, "identifier": row.identifier, "sent": iso(row.sent), "status": row.status,
        "msg_type": row.msg_type, "event": say(lang, row.event[1], row.event[0]),
        "headline": say(lang, row.headline[1], row.headline[0]),
        "expires": iso(row.expires) if row.expires else None, "signature": row.signature,
    }  # fmt: skip


def _headline(content: str, lang: str) -> str:
    record = json.loads(content)
    return str(record["headline_zh" if lang == "zh" else "headline_en"])


def _draft_json(row: WarningRow) -> dict[str, Any]:
    return {
        "id": row.id, "state": row.state, "origin": row.origin, "parent": row.parent, "author": row.author,
        "signed_by": row.signed_by, "message": row.message, "warning": json.loads(row.json),
    }  # fmt: skip


def _message_json(row: MessageRow, *, live: bool) -> dict[str, Any]:
    return {
        "identifier": row.identifier, "live": live, "draft": row.draft_id, "chain": row.chain, "status": row.status,
        "msg_type": row.msg_type, "sent": iso(row.sent), "expires": iso(row.expires), "signed_by": row.signed_by,
        "released_by": row.released_by, "ended_by": row.ended_by, "warning": json.loads(row.json),
    }  # fmt: skip


@warnings_app.command("show")
def show_command(name: Id, region: RegionId = "", out: Out = None, as_json: Json = False, lang: Lang = "") -> None:
    """Texts of one draft or message, who did what with it, whom it reached. 查看预警全文与处理经过."""
    lang, office = _lang(lang), office_of(region, out)
    warning, message = warning_of(office, name), find_message(office.ledger, name)
    acts = list_audit(office.ledger, subject=name)
    sent = list_outbox(office.ledger, identifier=name) if message else []
    calls = list_callouts(office.ledger, identifier=name) if message else []
    if as_json:
        draft = find_draft(office.ledger, name)
        row = _message_json(message, live=not message.ended_by) if message else _draft_json(draft) if draft else {}
        print_json(row | {
            "audit": [_act_json(act) for act in acts],
            "deliveries": [
                {"channel": d.channel, "state": d.state, "attempts": d.attempts, "error": d.last_error} for d in sent
            ],
            "callouts": [{"post": c.post, "person": c.person, "state": c.state} for c in calls],
        })  # fmt: skip
        return
    SCREEN.print(text_of(warning, lang), markup=False, highlight=False)
    for act in acts:
        SCREEN.print(f"  {_clock(act, lang)} {act.actor} {_act(act, lang)} {act.reason}", markup=False)
    for item in sent:
        state = in_words(state_words(item.state), lang)
        SCREEN.print(f"  → {item.channel}: {state} ({item.attempts}) {item.last_error}", markup=False)
    for call in calls:
        post, state = (in_words(pair, lang) for pair in (post_words(call.post, office.region), state_words(call.state)))
        SCREEN.print(f"  ☎ {post} {call.name}: {state}", markup=False)


def _act(act: AuditRow, lang: str) -> str:
    return in_words(act_words(act.action), lang)


def _clock(act: AuditRow, lang: str) -> str:
    return f"{beijing(act.time):%Y-%m-%d %H:%M:%S} {say(lang, 'BJT', '北京时')}"


def _act_json(act: AuditRow) -> dict[str, Any]:
    return {
        "seq": act.seq, "time": iso(act.time), "actor": act.actor, "role": act.role, "action": act.action,
        "subject": act.subject, "reason": act.reason,
    }  # fmt: skip


def text_of(warning: Warning, lang: str) -> str:
    """Headline, body and instruction in one language."""
    zh = (warning.headline_zh, warning.description_zh, warning.instruction_zh)
    en = (warning.headline_en, warning.description_en, warning.instruction_en)
    return "\n".join(zh if lang == "zh" else en)


@warnings_app.command("export")
def export_command(
    name: Id,
    form: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}. 格式")] = "cap",
    target: Annotated[Path | None, typer.Option("-o", "--output", help="File; stdout where none. 输出文件")] = None,
    region: RegionId = "",
    out: Out = None,
    lang: Lang = "",
) -> None:
    """One draft or message in another form: CAP 1.2 (as signed), national XML, GeoJSON, SMS. 导出预警."""
    lang, office = _lang(lang), office_of(region, out)
    if form not in FORMATS:
        raise typer.BadParameter(f"{form!r}: expected {', '.join(FORMATS)} 应为其中之一", param_hint="--format")
    content = exported(office, name, form, lang)
    if target is None:
        typer.echo(content.decode(), nl=not content.endswith(b"\n"))
    else:
        target.write_bytes(content)
        SCREEN.print(str(target), markup=False)


def exported(office: Office, name: str, form: str, lang: str) -> bytes:
    """The bytes of a draft or message in one of FORMATS; a message's CAP is the one that was signed."""
    warning, message = warning_of(office, name), find_message(office.ledger, name)
    if form == "cap":
        return message.cap.encode() if message else cap_xml(warning)
    if form == "national":
        return national_xml(warning, issuer_adcode=office.region.issuer.adcode)
    if form == "geojson":
        return geojson_bytes([warning])
    return (sms(warning, lang) if form == "sms" else text_of(warning, lang)).encode()


@warnings_app.command("import")
def import_command(
    files: Annotated[list[Path], typer.Argument(help="CAP messages, ATOM or EDXL of others. 外部 CAP 报文")],
    pin: Pins = None,
    old: Annotated[bool, typer.Option("--old", help="Messages of any age too. 允许过期报文")] = False,
    region: RegionId = "",
    out: Out = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:  # fmt: skip
    """Take in CAP messages of others; each once, bad ones are refused by element and line. 导入外部 CAP."""
    lang, office = _lang(lang), office_of(region, out)
    rows = list[dict[str, Any]]()
    pins = [path.read_bytes() for path in pin or []]
    for path in files:
        try:
            rows += [
                {"file": path.name, **found}
                for found in import_file(office, path, now=datetime.now(UTC), pinned=pins, old=old)
            ]
        except WxcoreError as error:
            rows.append({"file": path.name, "status": REFUSED, "message_en": error.en, "message_zh": error.zh})
    if as_json:
        print_json(rows)
    for row in () if as_json else rows:
        words = say(lang, str(row["message_en"]), str(row["message_zh"]))
        zh, en = SIGNATURES.get(row.get("signature", ""), ("", ""))
        SCREEN.print(
            f"{row['file']} {row['status']} {row.get('identifier', '')} {say(lang, en, zh)} {words}", markup=False
        )
    raise typer.Exit(1 if any(row["status"] == REFUSED for row in rows) else 0)


@warnings_app.command("audit")
def audit_command(
    verify: Annotated[bool, typer.Option("--verify", help="Check the chain of hashes, and the messages. 校验")] = False,
    last: Annotated[int, typer.Option("--last", min=1, help="How many acts. 条数")] = 50,
    region: RegionId = "",
    out: Out = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """Who did what, when and why; `--verify` finds any edit. 审计日志."""
    lang, office = _lang(lang), office_of(region, out)
    faults = verify_audit(office.ledger) if verify else []
    acts = [] if faults else list_audit(office.ledger, limit=last, newest=True)  # what was edited may be no entry
    if as_json:
        print_json({
            "verified": not faults if verify else None,
            "faults": [{"seq": f.seq, "message_en": f.en, "message_zh": f.zh} for f in faults],
            "acts": [_act_json(act) for act in acts],
        })  # fmt: skip
        raise typer.Exit(1 if faults else 0)
    for act in () if verify else acts:
        SCREEN.print(
            f"{act.seq} {_clock(act, lang)} {act.actor} {_act(act, lang)} {act.subject} {act.reason}", markup=False
        )
    for fault in faults:
        SCREEN.print(say(lang, fault.en, fault.zh), style="bold red", markup=False)
    if verify and not faults:
        SCREEN.print(say(lang, "the audit is whole", "审计日志完整"), style="green", markup=False)
    raise typer.Exit(1 if faults else 0)


@warnings_app.command("send")
def send_command(
    once: Annotated[bool, typer.Option("--once", help="Send what is due and end. 只发送一轮")] = False,
    at: At = "",
    region: RegionId = "",
    out: Out = None,
    lang: Lang = "",
) -> None:
    """Deliver what was released, for ever: `wx desk` does it too, several at a time do no harm. 投递预警."""
    lang, office = _lang(lang), office_of(region, out)
    now = clock_of(office, at)
    if once:
        tick(office, now=now())
        count = send_due(office, now=now(), random=Random())
        SCREEN.print(say(lang, f"sent {count}", f"已发送 {count} 条"), markup=False)
        return
    send_loop(office, stop=until_told(), now=now, tick=lambda time: tick(office, now=time))


@warnings_app.command("flips")
def flips_command(
    since: Annotated[str, typer.Option("--from", help="First cycle, UTC. 起始时次")],
    until: Annotated[str, typer.Option("--to", help="Last cycle, UTC. 结束时次")],
    region: RegionId = "",
    out: Out = None,
    as_json: Json = False,
    lang: Lang = "",
) -> None:
    """How often drafts came, went and came again at a place, from the archive. 草稿反复率."""
    lang, where, home = _lang(lang), region_of(region), home_of(out)
    first, last = parse_time(since), parse_time(until)
    times = [time for time in list_cycles(home.archive, where.id, since=first) if time <= last]
    if not times:
        raise IssueError(
            f"no cycle of {where.id} in the archive from {since} to {until}",
            f"归档中没有 {where.name_zh} {since} 至 {until} 的时次",
        )
    hold_runs = rulebook(where.rules).hold_runs
    history = [(time, _drafted(read_provenance(home.archive, where.id, time) or {})) for time in times]
    found = flip_rate(history, hold_runs=hold_runs)
    if as_json:
        print_json({**asdict(found), "cycles": len(times), "rate_per_place_hour": found.rate})
        return
    flips, hours = found.again + found.back, found.place_hours
    SCREEN.print(say(
        lang, f"{flips} flips in {hours:.1f} place-hours of warning: {found.rate:.2f} an hour; {len(times)} cycles",
        f"{hours:.1f} 个地区·小时预警中反复 {flips} 次：每小时 {found.rate:.2f} 次；共 {len(times)} 个时次",
    ), markup=False)  # fmt: skip


def _drafted(provenance: Mapping[str, Any]) -> list[Warning]:
    return [from_dict(item) for item in provenance.get("warnings", [])]
