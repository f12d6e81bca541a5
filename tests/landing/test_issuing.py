"""Drafts in the hands of people, and what is released of them: once, as signed, nothing lost, nothing rewritten."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import select, update

from tests.landing.conftest import copy_database
from tests.landing.doors import record_warnings, withdraw_drafts
from tests.landing.issued import (
    CONTENT,
    LI,
    MINUTE,
    NOON,
    WANG,
    callout,
    issue,
    put,
    release,
    revision,
    sign,
    whole_life,
)
from wxcore.errors import IssueError, LedgerError, RefusedError, TimeError
from wxcore.landing.ledger import (
    CLOCK,
    MACHINE,
    Actor,
    Ledger,
    WarningRow,
    acknowledge,
    catch_up,
    content_digest,
    end_expired,
    enter_callouts,
    enter_import,
    enter_revision,
    find_callout,
    find_draft,
    find_message,
    list_audit,
    list_callouts,
    list_drafts,
    list_imports,
    list_messages,
    list_outbox,
    live_messages,
    mark_escalated,
    message_count,
    move_draft,
    open_ledger,
    rebuild,
    release_messages,
    sign_draft,
    state_hash,
    verify_audit,
    warnings_before,
)
from wxcore.landing.ledger.connect import connect
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.imports import Incoming
from wxcore.landing.ledger.issuing import EXPIRED
from wxcore.landing.ledger.journal import append
from wxcore.landing.ledger.migrate import config
from wxcore.landing.ledger.recovery import REPLAY
from wxcore.landing.ledger.replay import replay
from wxcore.landing.ledger.tables import JOURNAL_HEADS, WARNINGS

Folders = tuple[Path, Path]


def draft(ledger: Ledger, name: str) -> WarningRow:
    row = find_draft(ledger, name)
    assert row is not None
    return row


def move(ledger: Ledger, name: str, state: str, *, reason: str = "不符实况", digest: str | None = None) -> WarningRow:
    seen = draft(ledger, name).digest if digest is None else digest
    return move_draft(ledger, LI, name, state, now=NOON, reason=reason, digest=seen)


class TestDrafts:
    def test_what_is_signed_is_the_content(self, ledger: Ledger) -> None:
        put(ledger, "a")
        # sha256sum of {"event_zh":"冰雹","level":"red","p":0.3333333333333333}
        assert draft(ledger, "a").digest == "4e7f9faff4c062752ac066931572c2a05b32abd67a3d33702265dc0f4f468140"
        assert draft(ledger, "a").origin == "machine"

    def test_an_edit_is_a_new_row(self, ledger: Ledger) -> None:
        put(ledger, "a")
        made = enter_revision(ledger, LI, revision("a.e1", "a"), now=NOON, reason="降一级")
        assert made == draft(ledger, "a.e1")
        assert (made.state, made.origin, made.parent, made.author, made.level) == (
            "draft",
            "person",
            "a",
            "li",
            "orange",
        )
        assert (draft(ledger, "a").state, draft(ledger, "a").level) == ("superseded", "red")
        with pytest.raises(RefusedError, match="superseded") as caught:
            enter_revision(ledger, WANG, revision("a.e2", "a"), now=NOON, reason="")
        assert "不能编辑" in caught.value.zh
        assert find_draft(ledger, "a.e2") is None
        assert [row.id for row in list_drafts(ledger, "r", since=NOON, states={"draft"})] == ["a.e1"]
        assert [row.id for row in list_drafts(ledger, "r", since=NOON)] == ["a", "a.e1"]
        assert list_drafts(ledger, "r", since=NOON + MINUTE) == list_drafts(ledger, "x", since=NOON) == []

    def test_edits_that_are_refused(self, ledger: Ledger) -> None:
        put(ledger, "a", "b")
        for bad, why in (
            (revision("n", "nothing"), "no such draft"),
            (revision("b", "a"), "of this id already"),
            (revision("n", "a", digest="0" * 64), "not that of the content"),
        ):
            with pytest.raises(RefusedError, match=why):
                enter_revision(ledger, LI, bad, now=NOON, reason="")
        sign(ledger, "a")
        with pytest.raises(RefusedError, match="it is signed"):
            enter_revision(ledger, LI, revision("n", "a"), now=NOON, reason="")
        withdraw_drafts(ledger, "r", NOON, [])
        with pytest.raises(RefusedError, match="it is withdrawn"):
            enter_revision(ledger, LI, revision("n", "b"), now=NOON, reason="")
        assert [row.action for row in list_audit(ledger)] == ["sign"]
        assert issubclass(RefusedError, IssueError)
        assert issubclass(RefusedError, LedgerError)

    def test_moves(self, ledger: Ledger) -> None:
        put(ledger, "a")
        assert move(ledger, "a", "review").state == "review"
        assert move(ledger, "a", "review").state == "review"
        assert move(ledger, "a", "rejected").reason == "不符实况"
        with pytest.raises(RefusedError, match="cannot be moved to review"):
            move(ledger, "a", "review")
        with pytest.raises(RefusedError, match="it is rejected and cannot be signed"):
            sign(ledger, "a")
        assert move(ledger, "a", "draft").state == "draft"
        with pytest.raises(RefusedError, match="why"):
            move(ledger, "a", "rejected", reason=" ")
        with pytest.raises(RefusedError, match="not what was looked at"):
            move(ledger, "a", "review", digest="0" * 64)
        with pytest.raises(RefusedError, match="no such draft"):
            move(ledger, "b", "review", digest="0" * 64)
        with pytest.raises(RefusedError, match="cannot be moved to released"):
            move(ledger, "a", "released")
        assert [row.action for row in list_audit(ledger, subject="a")] == ["review", "reject", "reopen"]

    def test_a_signed_draft_does_not_go_back_to_review(self, ledger: Ledger) -> None:
        put(ledger, "a")
        sign(ledger, "a")
        with pytest.raises(RefusedError, match="it is signed and cannot be moved to review"):
            move(ledger, "a", "review")
        assert (draft(ledger, "a").state, draft(ledger, "a").signed_by) == ("signed", "li")

    def test_two_people_sign_the_same_or_not_at_all(self, ledger: Ledger) -> None:
        put(ledger, "a")
        seen = draft(ledger, "a").digest
        put(ledger, "a", content={"level": "orange"})  # the cycle was run again meanwhile
        with pytest.raises(RefusedError, match="not what was looked at") as caught:
            sign_draft(ledger, LI, "a", seen, now=NOON)
        assert "重新查看" in caught.value.zh
        now = draft(ledger, "a").digest
        signed = sign_draft(ledger, LI, "a", now, now=NOON)
        assert (signed.state, signed.signed_by, signed.signed_at) == ("signed", "li", NOON)
        assert sign_draft(ledger, WANG, "a", now, now=NOON + MINUTE) == signed == draft(ledger, "a")
        with pytest.raises(RefusedError, match="signed by li"):
            sign_draft(ledger, WANG, "a", seen, now=NOON)
        assert len(list_audit(ledger)) == 1
        assert json.loads(list_audit(ledger)[0].detail)["status"] == ""
        reopened = move(ledger, "a", "draft")
        assert (reopened.signed_by, reopened.signed_at) == ("", None)
        assert draft(ledger, "a") == reopened

    def test_a_signature_is_for_a_status_and_a_persons(self, ledger: Ledger) -> None:
        put(ledger, "a")
        digest = draft(ledger, "a").digest
        acts = [
            (MACHINE, "Test"),
            (MACHINE, "Test"),
            (LI, "Test"),
            (WANG, "Test"),
            (MACHINE, "Actual"),
            (WANG, "Actual"),
        ]
        signers = [sign_draft(ledger, actor, "a", digest, now=NOON, status=status).signed_by for actor, status in acts]
        assert signers == ["machine", "machine", "li", "li", "li", "wang"]
        told = [(row.actor, json.loads(row.detail)["status"]) for row in list_audit(ledger)]
        assert told == [("machine", "Test"), ("li", "Test"), ("wang", "Actual")]
        assert draft(ledger, "a").signed_by == "wang"

    @pytest.mark.parametrize("state", ["review", "rejected", "signed", "superseded", "released"])
    def test_a_new_run_leaves_what_people_look_at(self, state: str, ledger: Ledger) -> None:
        put(ledger, "a")
        if state in {"review", "rejected"}:
            move(ledger, "a", state)
        if state in {"signed", "released"}:
            sign(ledger, "a")
        if state == "released":
            release(ledger, issue("m1", "a"))
        if state == "superseded":
            enter_revision(ledger, LI, revision("a.e1", "a"), now=NOON, reason="")
        before = list_drafts(ledger, "r", since=NOON)
        assert record_warnings(ledger, [("a", "r", NOON, "hail", "orange", {"other": 1})]) == 0
        assert withdraw_drafts(ledger, "r", NOON, []) == []
        assert list_drafts(ledger, "r", since=NOON) == before
        assert [(row.id, row.state) for row in warnings_before(ledger, "r", NOON + MINUTE)] == [("a", state)]

    def test_the_machine_never_writes_a_persons_row(self, ledger: Ledger) -> None:
        put(ledger, "a")
        enter_revision(ledger, LI, revision("a.e1", "a"), now=NOON, reason="")
        before = draft(ledger, "a.e1")
        assert record_warnings(ledger, [("a.e1", "r", NOON, "hail", "red", {"other": 1})]) == 0
        assert draft(ledger, "a.e1") == before


class TestRelease:
    def test_released_as_signed(self, ledger: Ledger) -> None:
        put(ledger, "a", "b")
        sign(ledger, "a")
        sign(ledger, "b")
        people = [callout("m1", "zhang"), callout("m2", "zhang")]
        rows = release(ledger, issue("m1", "a"), issue("m2", "b"), callouts=people, actor=WANG)
        assert rows == live_messages(ledger, "r", NOON + 3 * MINUTE)
        assert rows == [find_message(ledger, "m1"), find_message(ledger, "m2")]
        assert (rows[0].signed_by, rows[0].released_by, rows[0].released_at) == ("li", "wang", NOON + 2 * MINUTE)
        assert (draft(ledger, "a").state, draft(ledger, "a").message) == ("released", "m1")
        assert {(row.identifier, row.state) for row in list_outbox(ledger)} == {("m1", "waiting"), ("m2", "waiting")}
        assert list_callouts(ledger) == people
        acts = [(row.action, row.subject, row.actor) for row in list_audit(ledger, since_seq=2)]
        assert acts == [("issue", "m1", "wang"), ("issue", "m2", "wang")]
        assert list_messages(ledger, "r", since=NOON, until=NOON) == []
        assert list_messages(ledger, "r", since=NOON + MINUTE) == []
        assert list_messages(ledger, "r", since=NOON) == rows

    def test_refused_bundles_change_nothing(self, journaled: Ledger) -> None:
        ledger = journaled
        put(ledger, "a", "b", "c")
        sign(ledger, "a")
        sign(ledger, "c")
        release(ledger, issue("m1", "a"))
        sign(ledger, "b")
        move(ledger, "b", "draft")
        before = state_hash(ledger)
        good = issue("m2", "c")
        for why, refused in (
            ("in force are", lambda: release(ledger, good)),
            ("in force are", lambda: release(ledger, good, seen=["m1", "m0"])),
            ("in force are", lambda: release(ledger, good, seen=["m1"], ended={"m0": "m2"})),
            ("ended by", lambda: release(ledger, good, seen=["m1"], ended={"m1": "m9"})),
            ("it is draft and cannot be released", lambda: release(ledger, issue("m2", "b"), seen=["m1"])),
            ("it is released", lambda: release(ledger, issue("m2", "a"), seen=["m1"])),
            ("no such draft", lambda: release(ledger, good, issue("m3", "z"), seen=["m1"])),
            ("already released", lambda: release(ledger, issue("m1", "c"), seen=["m1"])),
            ("one region, hazard", lambda: release(ledger)),
            ("one region, hazard", lambda: release(ledger, good, issue("m3", "b", hazard="gale"), seen=["m1"])),
            ("one region, hazard", lambda: release(ledger, good, issue("m3", "c"), seen=["m1"])),
            ("only a person", lambda: release(ledger, replace(good, status="Actual"), actor=MACHINE)),
        ):
            with pytest.raises(RefusedError, match=why):
                refused()
            assert state_hash(ledger) == before, why
        assert release(ledger, good, seen=["m1"])

    @pytest.mark.parametrize("is_forged", [False, True])
    def test_a_draft_changed_after_its_signature_stays(self, is_forged: bool, ledger: Ledger) -> None:
        put(ledger, "a")
        sign(ledger, "a")
        changed = '{"level": "orange"}'
        digest = content_digest(json.loads(changed)) if is_forged else draft(ledger, "a").digest
        with ledger.engine.begin() as connection:
            connection.execute(update(WARNINGS).values(json=changed, digest=digest))
        with pytest.raises(RefusedError, match=r"changed around .* audit --verify") as caught:
            release(ledger, issue("m1", "a"))
        assert "签名时为 4e7f9faff4c0" in caught.value.zh
        assert live_messages(ledger, "r", NOON) == []
        assert draft(ledger, "a").state == "signed"
        move(ledger, "a", "draft")
        if not is_forged:
            with pytest.raises(RefusedError, match="changed around"):
                sign(ledger, "a")
        assert move(ledger, "a", "rejected").state == "rejected"

    def test_a_signature_that_nobody_gave(self, ledger: Ledger) -> None:
        put(ledger, "a")
        with ledger.engine.begin() as connection:
            connection.execute(update(WARNINGS).values(state="signed", signed_by="li", signed_at=NOON))
        with pytest.raises(RefusedError, match="was none"):
            release(ledger, issue("m1", "a"))

    def test_the_audit_says_why_and_what_was_lifted(self, ledger: Ledger) -> None:
        put(ledger, "a")
        sign(ledger, "a")
        release_messages(
            ledger, LI, [issue("m1", "a")], seen_live=(), ended={}, outbox=(), callouts=(), now=NOON, reason=""
        )
        enter_revision(ledger, LI, revision("m1.u1", "m1"), now=NOON, reason="风暴东移")
        sign(ledger, "m1.u1")
        follow = issue("m2", "m1.u1", msg_type="Update", chain="m1", lifted=("b", "a"))
        release_messages(
            ledger, LI, [follow], seen_live={"m1"}, ended={"m1": "m2"}, outbox=(), callouts=(), now=NOON, reason=""
        )
        acts = [(row.action, row.reason) for row in list_audit(ledger) if row.action != "sign"]
        assert acts == [("issue", ""), ("edit", "风暴东移"), ("update", "风暴东移"), ("end", "风暴东移")]
        told = [json.loads(row.detail).get("lifted") for row in list_audit(ledger)]
        assert told == [None, [], None, None, ["a", "b"], None]

    def test_other_hazards_and_states_are_not_looked_at(self, ledger: Ledger) -> None:
        put(ledger, "a", "b", "c")
        for name in "abc":
            sign(ledger, name)
        release(ledger, issue("m1", "a"))
        release(ledger, issue("m2", "b", hazard="gale"))
        release(ledger, issue("m3", "c", status="Exercise"))
        assert [row.identifier for row in live_messages(ledger, "r", NOON)] == ["m1", "m2", "m3"]
        assert live_messages(ledger, "x", NOON) == []

    def test_update_and_cancel_end_what_was_in_force(self, ledger: Ledger) -> None:
        put(ledger, "a")
        sign(ledger, "a")
        release(ledger, issue("m1", "a"), callouts=[callout("m1", "zhang")])
        for number, kind in ((2, "Update"), (3, "Cancel")):
            old, new = f"m{number - 1}", f"m{number}"
            enter_revision(ledger, LI, revision(f"{old}.n", old), now=NOON, reason="")
            sign(ledger, f"{old}.n")
            release(
                ledger, issue(new, f"{old}.n", msg_type=kind, chain="m1"), seen=[old], ended={old: new}, minute=number
            )
            ended = find_message(ledger, old)
            assert ended is not None
            assert (ended.ended_by, ended.ended_at) == (new, NOON + number * MINUTE)
        assert live_messages(ledger, "r", NOON) == []
        assert [row.state for row in list_callouts(ledger, identifier="m1")] == ["over"]
        with pytest.raises(RefusedError, match=r"ended already \(m2\)"):
            enter_revision(ledger, LI, revision("n", "m1"), now=NOON, reason="")
        acts = [(row.action, row.subject) for row in list_audit(ledger)]
        assert acts[-5:] == [("end", "m1"), ("edit", "m2.n"), ("sign", "m2.n"), ("cancel", "m3"), ("end", "m2")]
        assert end_expired(ledger, "r", now=NOON + 60 * MINUTE) == ["m3"]

    def test_time_ends_a_message(self, ledger: Ledger) -> None:
        put(ledger, "a")
        sign(ledger, "a")
        release(ledger, issue("m1", "a"), callouts=[callout("m1", "zhang")])
        assert end_expired(ledger, "r", now=NOON + 59 * MINUTE) == []
        assert live_messages(ledger, "r", NOON + 60 * MINUTE) == []
        assert end_expired(ledger, "r", now=NOON + 60 * MINUTE) == ["m1"]
        assert end_expired(ledger, "r", now=NOON + 61 * MINUTE) == []
        row = find_message(ledger, "m1")
        assert row is not None
        assert (row.ended_by, row.ended_at) == (EXPIRED, NOON + 60 * MINUTE)
        last = list_audit(ledger, limit=1, newest=True)[0]
        assert (last.action, last.subject, last.actor) == ("expire", "m1", CLOCK.name)
        assert [row.state for row in list_callouts(ledger)] == ["over"]
        made = enter_revision(ledger, LI, revision("m1.u1", "m1"), now=NOON + 61 * MINUTE, reason="")  # gone on from
        assert made == draft(ledger, "m1.u1")

    def test_the_counter_sees_every_act(self, ledger: Ledger) -> None:
        seen = {message_count(ledger, "r")}
        put(ledger, "a")
        seen.add(message_count(ledger, "r"))
        sign(ledger, "a")
        seen.add(message_count(ledger, "r"))
        release(ledger, issue("m1", "a"))
        assert message_count(ledger, "r") == (1, 1, 0, 2)
        assert len(seen) == 3

    @pytest.mark.parametrize("what", ["sign", "release"])
    def test_of_two_at_once_one_wins(self, what: str, kind: str, new_url: Callable[[str], str]) -> None:
        url = new_url(kind)
        ledgers = [open_ledger(url), open_ledger(url)]
        put(ledgers[0], "a", "b")
        if what == "release":
            sign(ledgers[0], "a")
            sign(ledgers[0], "b")
        start, came = threading.Barrier(2), []
        digest = draft(ledgers[0], "a").digest

        def work(number: int) -> None:
            start.wait(60)
            try:
                if what == "release":
                    release(ledgers[number], issue(f"m{number}", "ab"[number]))
                elif number:
                    enter_revision(ledgers[number], LI, revision("a.e1", "a"), now=NOON, reason="")
                else:
                    sign_draft(ledgers[number], WANG, "a", digest, now=NOON)
                came.append("won")
            except RefusedError:
                came.append("refused")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(came) == ["refused", "won"]
        if what == "release":
            assert len(live_messages(ledgers[0], "r", NOON)) == len(list_outbox(ledgers[0])) == 1
        assert verify_audit(ledgers[1]) == []
        for ledger in ledgers:
            ledger.engine.dispose()


class TestCallouts:
    def test_who_answers_frees_the_others_of_the_post(self, ledger: Ledger) -> None:
        first, second, other = callout("m1", "zhang"), callout("m1", "zhao", 2), callout("m1", "sun", post="区级")
        assert enter_callouts(ledger, [first, other], [], now=NOON) == 2
        assert mark_escalated(ledger, [first.key, "nobody"], now=NOON + 5 * MINUTE) == [first.key]
        assert mark_escalated(ledger, [first.key], now=NOON + 6 * MINUTE) == []
        assert enter_callouts(ledger, [second, first], [], now=NOON + 5 * MINUTE) == 1
        assert len(list_callouts(ledger, open_only=True)) == 3
        assert list_callouts(ledger, since=NOON) == list_callouts(ledger, identifier="m1")
        assert list_callouts(ledger, since=NOON + MINUTE) == []
        actor = Actor("zhao", "duty")
        assert acknowledge(ledger, actor, second.key, now=NOON + 7 * MINUTE, how="link", note="收到")
        assert not acknowledge(ledger, actor, second.key, now=NOON + 8 * MINUTE, how="desk", note="again")
        states = {row.person: row.state for row in list_callouts(ledger)}
        assert states == {"zhang": "over", "zhao": "acknowledged", "sun": "called"}
        assert [row.person for row in list_callouts(ledger, open_only=True)] == ["sun"]
        found = find_callout(ledger, second.token_hash)
        assert found is not None
        assert (found.acknowledged_at, found.how, found.note) == (NOON + 7 * MINUTE, "link", "收到")
        assert acknowledge(ledger, actor, first.key, now=NOON + 9 * MINUTE, how="link", note="")  # late, but known
        acts = [(row.action, row.actor) for row in list_audit(ledger, subject="m1")]
        assert acts == [
            ("call", "machine"), ("escalate", "clock"), ("call", "machine"), ("acknowledge", "zhao"),
            ("acknowledge", "zhao"),
        ]  # fmt: skip
        with pytest.raises(RefusedError, match="no such call-out"):
            acknowledge(ledger, actor, "nobody", now=NOON, how="", note="")
        assert find_callout(ledger, "nobody") is None


def incoming(xml: str, signature: str = "unsigned", content: str = "", minute: int = 0, sender: str = "s") -> Incoming:
    return Incoming(sender, "x", NOON + minute * MINUTE, NOON, xml, signature, content or xml)


def test_an_import_is_entered_once(ledger: Ledger) -> None:
    def enter(minute: int, sender: str = "s") -> str:
        return enter_import(ledger, incoming("<冰雹/>", minute=minute, sender=sender), now=NOON, source="feed")

    assert [enter(0), enter(0), enter(1), enter(0, "t")] == ["imported", "known", "imported", "imported"]
    assert [(row.xml, row.signature) for row in list_imports(ledger, since=NOON)] == [("<冰雹/>", "unsigned")] * 3
    assert list_imports(ledger, since=NOON + MINUTE) == []


def test_only_a_trusted_import_takes_the_place_of_another(ledger: Ledger) -> None:
    def enter(one: Incoming) -> str:
        return enter_import(ledger, one, now=NOON, source="feed")

    assert enter(incoming("<forged/>")) == "imported"
    for signature in ("unsigned", "unjudged"):
        with pytest.raises(RefusedError, match="another content"):
            enter(incoming("<true/>", signature))
    assert enter(incoming("<true/>", "trusted", "c")) == "replaced"
    assert [(row.xml, row.signature) for row in list_imports(ledger, since=NOON)] == [("<true/>", "trusted")]
    assert enter(incoming("<true />", "unjudged", "c")) == "known"  # the same, written in another way
    for signature in ("unsigned", "trusted"):
        with pytest.raises(RefusedError, match="another content"):
            enter(incoming("<forged/>", signature))
    acts = [json.loads(act.detail) for act in list_audit(ledger) if act.action == "import"]
    assert [(act["signature"], act.get("replaces")) for act in acts] == [
        ("unsigned", None), ("trusted", acts[0]["sha256"]),
    ]  # fmt: skip
    assert verify_audit(ledger) == []


def test_an_import_that_was_edited_is_not_trusted_any_more(ledger: Ledger) -> None:
    enter_import(ledger, incoming("<true/>", "trusted"), now=NOON, source="feed")
    with writing(ledger) as transaction:
        transaction.connection.exec_driver_sql("UPDATE imports SET xml = '<forged/>'")
    assert [row.signature for row in list_imports(ledger, since=NOON)] == ["unjudged"]
    assert enter_import(ledger, incoming("<true/>", "trusted"), now=NOON, source="feed") == "replaced"


def test_naive_times_are_refused_before_anything(ledger: Ledger) -> None:
    naive = NOON.replace(tzinfo=None)
    for refused in (
        lambda: live_messages(ledger, "r", naive),
        lambda: list_messages(ledger, "r", since=NOON, until=naive),
        lambda: end_expired(ledger, "r", now=naive),
        lambda: sign_draft(ledger, LI, "a", "", now=naive),
        lambda: enter_revision(ledger, LI, revision("n", "", cycle_time=naive), now=NOON, reason=""),
        lambda: list_imports(ledger, since=naive),
        lambda: enter_import(ledger, incoming("<a/>"), now=naive, source=""),
        lambda: mark_escalated(ledger, [], now=naive),
    ):
        with pytest.raises(TimeError):
            refused()


class TestAgain:
    def test_a_lost_ledger_comes_back(
        self, journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders
    ) -> None:
        whole_life(journaled)
        other = "postgresql" if kind == "sqlite" else "sqlite"
        for target in (kind, other):
            again = open_ledger(new_url(target))
            rebuild(again, *folders)
            assert state_hash(again) == state_hash(journaled)
            assert list_audit(again) == list_audit(journaled)
            with writing(again) as transaction:  # the same told twice changes nothing
                for event in replay(folders[1]):
                    REPLAY[event.kind](transaction.connection, [event.data])
            assert state_hash(again) == state_hash(journaled)
            assert verify_audit(again) == []
            again.engine.dispose()
        assert verify_audit(journaled) == []

    def test_newest_commits_come_back(
        self, journaled: Ledger, kind: str, new_url: Callable[[str], str], folders: Folders
    ) -> None:
        put(journaled, "z")
        old = new_url(kind)
        copy_database(journaled, old)
        whole_life(journaled)
        ledger = open_ledger(old, landing=folders[0], warnings=folders[1])
        assert len(verify_audit(ledger)) == len(list_audit(journaled))
        count = catch_up(ledger)
        assert count is not None
        assert count > len(list_audit(journaled))
        assert state_hash(ledger) == state_hash(journaled)
        assert verify_audit(ledger) == []
        ledger.engine.dispose()

    def test_a_ledger_of_revision_2_goes_on(
        self, kind: str, ledger_url: str, new_url: Callable[[str], str], folders: Folders
    ) -> None:
        engine = connect(ledger_url)
        row = {
            "id": "w", "region": "r", "cycle_time": "2025-06-09T04:00:00.000000Z", "hazard": "hail", "level": "red",
            "state": "draft", "json": '{"p": 1}', "created_at": "2025-06-09T04:00:00.000000Z",
        }  # fmt: skip
        with engine.begin() as connection:
            settings = config()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "0002")
            values = ", ".join(f"'{value}'" for value in row.values())
            connection.exec_driver_sql(f"INSERT INTO warnings ({', '.join(row)}) VALUES ({values})")
            wanted = select(JOURNAL_HEADS.c.batch).where(JOURNAL_HEADS.c.journal == "warnings")
            append(folders[1], "b", connection.execute(wanted).scalar_one(), [("draft", row)])
            connection.exec_driver_sql("UPDATE journal_heads SET batch = 'b' WHERE journal = 'warnings'")
        engine.dispose()
        ledger = open_ledger(ledger_url, landing=folders[0], warnings=folders[1])
        assert catch_up(ledger) == 0
        old = draft(ledger, "w")
        assert (old.digest, old.origin) == (content_digest({"p": 1}), "machine")
        sign(ledger, "w")
        release(ledger, issue("m1", "w"))
        rebuilt = open_ledger(new_url(kind))
        rebuild(rebuilt, *folders)
        assert state_hash(rebuilt) == state_hash(ledger)
        for opened in (ledger, rebuilt):
            opened.engine.dispose()


def test_content_is_kept_as_it_is(ledger: Ledger) -> None:
    put(ledger, "a")
    sign(ledger, "a")
    (row,) = release(ledger, issue("m1", "a"))
    assert row.json == '{"event_zh": "冰雹", "id": "m1", "level": "red", "p": 0.3333333333333333}'
    assert content_digest(CONTENT) == draft(ledger, "a").digest
