"""People and machine at work on a ledger of test messages, as several tests want it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.landing.doors import record_warnings
from wxcore.landing.ledger import (
    Actor,
    CalloutRow,
    Issue,
    Ledger,
    Message,
    MessageRow,
    Revision,
    acknowledge,
    content_digest,
    end_expired,
    enter_callouts,
    enter_import,
    enter_revision,
    find_draft,
    mark_escalated,
    move_draft,
    record_act,
    release_messages,
    sign_draft,
)
from wxcore.landing.ledger.imports import Incoming

NOON = datetime(2025, 6, 9, 4, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LI, WANG = Actor("li", "forecaster"), Actor("wang", "forecaster")
CONTENT = {"event_zh": "冰雹", "level": "red", "p": 1 / 3}


def put(ledger: Ledger, *names: str, content: Mapping[str, object] = CONTENT) -> None:
    """Drafts of the machine."""
    record_warnings(ledger, [(name, "r", NOON, "hail", "red", content) for name in names])


def sign(ledger: Ledger, name: str, actor: Actor = LI, minute: int = 1) -> None:
    """Sign what is there."""
    row = find_draft(ledger, name)
    assert row is not None
    sign_draft(ledger, actor, name, row.digest, now=NOON + minute * MINUTE)


def issue(identifier: str, draft: str, **changed: object) -> Issue:
    """A message of one hour."""
    made = Issue(
        identifier, draft, "r", "hail", "red", "Alert", "Test", identifier, NOON, NOON + 60 * MINUTE,
        {**CONTENT, "id": identifier}, f"<alert>{identifier}</alert>", "d" * 64,
    )  # fmt: skip
    return replace(made, **changed)  # type: ignore[arg-type]


def callout(identifier: str, person: str, rank: int = 1, post: str = "市级") -> CalloutRow:
    """Somebody who was called at noon, for five minutes."""
    key = hashlib.sha256(f"{identifier} {person}".encode()).hexdigest()
    return CalloutRow(
        key, identifier, "r", post, "municipal", "500000", person, "值班员", rank, key[::-1], "called",
        NOON, NOON + 5 * MINUTE, None, "", "", NOON + 60 * MINUTE,
    )  # fmt: skip


def release(
    ledger: Ledger,
    *issues: Issue,
    seen: Sequence[str] = (),
    ended: Mapping[str, str] | None = None,
    callouts: Sequence[CalloutRow] = (),
    actor: Actor = LI,
    minute: int = 2,
) -> list[MessageRow]:
    """Release, with one recipient a message."""
    outbox = [
        Message(item.identifier, "files", "public", json.dumps({"cap": item.cap}), item.expires) for item in issues
    ]
    return release_messages(
        ledger, actor, issues, seen_live=frozenset(seen), ended=ended or {}, outbox=outbox, callouts=callouts,
        now=NOON + minute * MINUTE, reason="雷达回波",
    )  # fmt: skip


def revision(name: str, parent: str, level: str = "orange", **changed: object) -> Revision:
    """An edit to another level."""
    content = {**CONTENT, "level": level}
    made = Revision(name, parent, "r", NOON, "hail", level, content, content_digest(content))
    return replace(made, **changed)  # type: ignore[arg-type]


def whole_life(ledger: Ledger) -> None:
    """Every act that there is, at least once."""
    put(ledger, "a", "b", "c")
    enter_revision(ledger, LI, revision("a.e1", "a"), now=NOON, reason="降一级")
    row = find_draft(ledger, "b")
    assert row is not None
    for state in ("review", "rejected", "draft"):
        move_draft(ledger, WANG, "b", state, now=NOON, reason="看错", digest=row.digest)
    sign(ledger, "a.e1")
    people = [callout("m1", "zhang"), callout("m1", "zhao", 2), callout("m1", "sun", post="区级")]
    release(ledger, issue("m1", "a.e1"), callouts=people[:2])
    enter_callouts(ledger, people[1:], [Message("m1", "mail", "sun", "{}", NOON + 60 * MINUTE)], now=NOON + 3 * MINUTE)
    mark_escalated(ledger, [people[0].key], now=NOON + 8 * MINUTE)
    acknowledge(ledger, Actor("zhao", "duty"), people[1].key, now=NOON + 9 * MINUTE, how="link", note="收到")
    enter_revision(ledger, WANG, revision("m1.u1", "m1"), now=NOON + 10 * MINUTE, reason="扩大范围")
    sign(ledger, "m1.u1", WANG)
    follow = issue("m2", "m1.u1", msg_type="Update", chain="m1")
    release(ledger, follow, seen=["m1"], ended={"m1": "m2"}, callouts=[callout("m2", "zhang")], minute=11)
    end_expired(ledger, "r", now=NOON + 60 * MINUTE)
    for signature, xml in (("unsigned", "<forged/>"), ("trusted", "<alert/>")):
        enter_import(ledger, Incoming("邻省", "x", NOON, None, xml, signature, xml), now=NOON, source="feed")
    record_act(ledger, LI, "login", "li", now=NOON, detail={"from": "127.0.0.1"})
