"""The office: who may do what, what is refused, races, keys, automatic release, calls."""

import json
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from tests.pipeline.issuing import (
    D1,
    D2,
    D3,
    LI,
    REGION,
    WANG,
    WHEN,
    enter,
    machine_draft,
    minutes,
    new_office,
    signed,
    tokens,
)
from tests.warning.identity import identity_files
from wxcore.errors import IssueError
from wxcore.landing.ledger import (
    Actor,
    list_audit,
    list_callouts,
    list_messages,
    list_outbox,
    live_messages,
    verify_audit,
)
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.warnings import withdraw_drafts
from wxcore.pipeline import issue_release
from wxcore.pipeline.issue import (
    MOST_A_MINUTE,
    Edit,
    Office,
    Policy,
    acknowledge_token,
    auto_release,
    digest_of,
    drafts_open,
    edit_draft,
    open_office,
    prepare_cancel,
    prepare_update,
    ran_out_lately,
    record_of,
    reject,
    release,
    review,
    sign,
    tick,
)
from wxcore.pipeline.issue_office import draft_row, is_real_sender
from wxcore.warning.signature import verify_signed

NOW = WHEN + minutes(2)


def actions(office: Office) -> list[tuple[str, str]]:
    return [(entry.action, entry.actor) for entry in list_audit(office.ledger)]


def test_from_draft_to_message_to_cancel(office: Office) -> None:
    (name,) = enter(office, machine_draft("hail", "red", (D1,), WHEN))
    assert [row.id for row in drafts_open(office, NOW)] == [name]
    made = edit_draft(office, LI, name, Edit(adcodes=(D1, D2)), now=NOW, reason="雷达回波东移")
    assert made.id == f"{name}.e1"
    again = edit_draft(office, LI, made.id, Edit(remark_zh="山洪"), now=NOW, reason="补充")
    assert (again.id, again.parent) == (f"{name}.e2", made.id)
    assert [row.id for row in drafts_open(office, NOW)] == [again.id]
    review(office, LI, again.id, now=NOW, digest=again.digest)
    sign(office, WANG, again.id, again.digest, now=NOW)
    (message,) = release(office, WANG, [again.id], now=NOW, reason="发布")
    assert (message.signed_by, message.released_by, message.chain) == ("wang", "wang", message.identifier)
    cancel = prepare_cancel(office, LI, message.identifier, now=NOW + minutes(9), reason="结束")
    sign(office, LI, cancel.id, cancel.digest, now=NOW + minutes(9))
    (end,) = release(office, LI, [cancel.id], now=NOW + minutes(9))
    assert (end.msg_type, end.chain) == ("Cancel", message.identifier)
    assert live_messages(office.ledger, "testland", NOW + minutes(9)) == []
    with pytest.raises(IssueError, match="was ended by"):
        prepare_update(office, LI, message.identifier, now=NOW + minutes(10), reason="x")
    assert verify_audit(office.ledger) == []


def test_only_a_forecaster_issues_and_always_says_why(office: Office) -> None:
    name = signed(office, D1)
    draft, mark = draft_row(office, name), Edit(remark_zh="x")
    for actor in (Actor("root", "admin"), Actor("duty", "duty"), Actor("machine", "")):
        for act in (
            lambda actor=actor: edit_draft(office, actor, name, mark, now=NOW, reason="x"),
            lambda actor=actor: sign(office, actor, name, draft.digest, now=NOW),
            lambda actor=actor: reject(office, actor, name, now=NOW, reason="x", digest=draft.digest),
            lambda actor=actor: release(office, actor, [name], now=NOW),
            lambda actor=actor: prepare_update(office, actor, "any", now=NOW, reason="x"),
        ):
            with pytest.raises(IssueError, match="only a forecaster"):
                act()
    for act in (
        lambda: edit_draft(office, LI, name, mark, now=NOW, reason=" "),
        lambda: reject(office, LI, name, now=NOW, reason="", digest=draft.digest),
    ):
        with pytest.raises(IssueError, match="reason"):
            act()
    assert list_messages(office.ledger, "testland", since=WHEN) == []


def test_nothing_unsigned_and_nothing_changed_goes_out(office: Office) -> None:
    (name,) = enter(office, machine_draft("hail", "red", (D1,), WHEN))
    with pytest.raises(IssueError, match="is not signed"):
        release(office, LI, [name], now=NOW)
    seen = digest_of(draft_row(office, name))
    enter(office, replace(machine_draft("hail", "red", (D1,), WHEN), p=0.7))  # the machine's re-run
    with pytest.raises(IssueError, match="not what was looked at"):
        sign(office, LI, name, seen, now=NOW)
    sign(office, LI, name, digest_of(draft_row(office, name)), now=NOW)
    with pytest.raises(IssueError):
        sign(office, WANG, name, seen, now=NOW)
    with pytest.raises(IssueError, match="no such draft"):
        release(office, LI, ["nothing"], now=NOW)


def test_late_data_never_change_a_message(office: Office) -> None:
    (message,) = release(office, LI, [signed(office, D1)], now=NOW)
    enter(office, replace(machine_draft("hail", "red", (D1,), WHEN), p=0.4))
    assert live_messages(office.ledger, "testland", NOW) == [message]
    assert record_of(message).p == 0.9


def test_hazards_go_out_one_by_one_but_are_checked_together(office: Office) -> None:
    hail, storm = signed(office, D1), signed(office, D1, hazard="thunderstorm", level="orange")
    (name,) = enter(office, machine_draft("gale", "orange", (D1,), WHEN))
    with pytest.raises(IssueError, match="is not signed"):
        release(office, LI, [hail, storm, name], now=NOW)
    assert live_messages(office.ledger, "testland", NOW) == []
    assert {row.hazard for row in release(office, LI, [hail, storm], now=NOW)} == {"hail", "thunderstorm"}


def test_six_a_minute_without_a_word(office: Office) -> None:
    for number in range(MOST_A_MINUTE):
        release(office, LI, [signed(office, D1, number=number)], now=NOW + timedelta(seconds=number))
    more, now = signed(office, D1, number=99), NOW + timedelta(seconds=9)
    with pytest.raises(IssueError, match="at most 6"):
        release(office, LI, [more], now=now)
    release(office, LI, [more], now=now, override="多地同时出现冰雹")
    assert ("override", "li") in actions(office)
    release(office, LI, [signed(office, D1, number=100)], now=NOW + minutes(2))


def test_the_pace_is_everybodys_own(office: Office) -> None:
    for number in range(MOST_A_MINUTE):
        release(office, LI, [signed(office, D1, number=number)], now=NOW + timedelta(seconds=number))
    assert release(office, WANG, [signed(office, D1, number=99)], now=NOW + timedelta(seconds=9))
    assert ("override", "wang") not in actions(office)


def test_who_is_faster_is_not_overwritten(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, fast = signed(office, D1, number=1), signed(office, D1, D2, level="orange", number=2)
    enters = issue_release.release_messages
    raced: list[str] = []

    def race(*args: object, **more: object) -> object:
        if not raced:
            raced.append("once")
            raced.append(release(office, WANG, [fast], now=NOW)[0].identifier)
        return enters(*args, **more)

    monkeypatch.setattr(issue_release, "release_messages", race)
    with pytest.raises(IssueError, match="District 2 would lose"):  # composed anew, and now it matters
        release(office, LI, [slow], now=NOW)
    monkeypatch.setattr(issue_release, "release_messages", enters)
    (message,) = release(office, LI, [slow], now=NOW, lifted=[D2])
    assert [ref.identifier for ref in record_of(message).references] == raced[1:]


def test_an_update_of_what_was_superseded_is_refused(office: Office) -> None:
    (first,) = release(office, LI, [signed(office, D1)], now=NOW)
    draft = prepare_update(office, LI, first.identifier, now=NOW, reason="调整")
    release(office, WANG, [signed(office, D1, number=2)], now=NOW + minutes(1))
    sign(office, LI, draft.id, draft.digest, now=NOW + minutes(2))
    with pytest.raises(IssueError, match="was ended meanwhile"):
        release(office, LI, [draft.id], now=NOW + minutes(2))


def test_actual_needs_permission_a_sender_a_key_and_real_data(tmp_path: Path) -> None:
    key, cert = identity_files(tmp_path)
    real = replace(REGION, issuer=replace(REGION.issuer, sender="wx@cqmb.gov.cn"))
    full = Policy(status="Actual", actual_allowed=True, key_file=key, cert_file=cert)
    office = new_office(tmp_path / "home", full, real)
    name = signed(office, D1)
    cases = (
        (replace(full, actual_allowed=False), real, "not allowed"),
        (full, REGION, "stands for nobody"),
        (replace(full, key_file=None), real, "no signing key"),
        (replace(full, key_file=tmp_path / "gone"), real, "cannot be read"),
    )
    for policy, region, words in cases:
        with pytest.raises(IssueError, match=words):
            release(replace(office, policy=policy, region=region), LI, [name], now=NOW)
    (simulated,) = enter(office, replace(machine_draft("hail", "red", (D2,), WHEN, 7), truth="SYN"))
    sign(office, LI, simulated, digest_of(draft_row(office, simulated)), now=NOW)
    with pytest.raises(IssueError, match="simulated"):
        release(office, LI, [simulated], now=NOW)
    with pytest.raises(IssueError, match="not allowed"):
        auto_release(replace(office, policy=replace(full, auto_release=True)), [name], now=NOW)
    (message,) = release(office, LI, [name], now=NOW)
    assert message.status == "Actual"
    assert "测试" not in record_of(message).headline_zh.replace("测试气象台", "")
    assert verify_signed(message.cap.encode(), [cert.read_bytes()], now=NOW)
    update = prepare_update(office, LI, message.identifier, now=NOW, reason="x")
    assert record_of(update).status == "Draft"
    with pytest.raises(IssueError, match="status"):
        open_office(office.home, real, Policy(status="Real"))


def test_senders() -> None:
    assert not any(map(is_real_sender, ("", "a@b.example", "a@example.org", "A@B.TEST", "x.invalid", "x.invalid.")))
    assert is_real_sender("wx@cqmb.gov.cn")


def test_the_machine_releases_tests_where_it_may(office: Office) -> None:
    names = enter(
        office, machine_draft("hail", "orange", (D1, D2), WHEN), machine_draft("thunderstorm", "red", (D1,), WHEN)
    )
    with pytest.raises(IssueError, match="not allowed"):
        auto_release(office, names, now=NOW)
    free = replace(office, policy=Policy(auto_release=True))
    assert len(auto_release(free, names, now=NOW)) == 2
    assert auto_release(free, names, now=NOW) == []  # released already
    later = NOW + minutes(6)
    (new,) = enter(free, machine_draft("hail", "red", (D1,), WHEN + minutes(6)))
    (old,) = enter(free, machine_draft("thunderstorm", "red", (D1,), WHEN - minutes(90)))
    (message,) = auto_release(free, [old, new], now=later)
    assert record_of(message).change.released == (("乙区", "District 2"),)
    assert ("auto_release_refused", "machine") in actions(office)
    assert message.signed_by == "machine"


def test_calls_go_up_until_somebody_answers(office: Office) -> None:
    (message,) = release(office, LI, [signed(office, D1)], now=NOW)
    called = {(row.post, row.person) for row in list_callouts(office.ledger)}
    assert called == {("municipal:500000", "a"), (f"district:{D1}", "c")}
    assert {row.channel for row in list_outbox(office.ledger)} >= {"files", "feed", "sms"}
    tick(office, now=NOW + minutes(2.9))
    assert len(list_callouts(office.ledger)) == 2
    tick(office, now=NOW + minutes(3))  # contacts.ESCALATE_MIN: red 3 min
    tick(office, now=NOW + minutes(3.1))
    states = {row.person: row.state for row in list_callouts(office.ledger)}
    assert states == {"a": "escalated", "b": "called", "c": "called"}  # nobody comes after c
    first = tokens(office)[0]
    answered = acknowledge_token(office, first, now=NOW + minutes(4), note="收到")
    assert acknowledge_token(office, first, now=NOW + minutes(5)) == answered
    with pytest.raises(IssueError, match="not known"):
        acknowledge_token(office, "guessed", now=NOW)
    tick(office, now=NOW + minutes(30))
    assert len(list_callouts(office.ledger)) == 3
    assert {"acknowledge", "escalate", "call"} <= {action for action, _ in actions(office)}
    tick(office, now=message.expires)
    assert [row.ended_by for row in list_messages(office.ledger, "testland", since=WHEN)] == ["expired"]
    assert not list_outbox(office.ledger, state="waiting")


def test_an_answer_comes_until_the_warning_ends(office: Office) -> None:
    (message,) = release(office, LI, [signed(office, D1)], now=NOW)
    first, second = tokens(office)
    last = message.expires - timedelta(seconds=1)
    assert acknowledge_token(office, first, now=last).acknowledged_at == last
    with pytest.raises(IssueError, match="nothing is left to acknowledge"):
        acknowledge_token(office, second, now=message.expires)


def test_the_calls_of_another_region_are_not_ours(office: Office) -> None:
    (ours,) = release(office, LI, [signed(office, D1)], now=NOW)
    there = replace(office, region=replace(REGION, id="elsewhere"))
    tick(there, now=NOW + minutes(3))
    assert {row.state for row in list_callouts(office.ledger)} == {"called"}
    tick(office, now=NOW + minutes(3))
    assert {row.identifier for row in list_callouts(office.ledger) if row.state == "escalated"} == {ours.identifier}


def test_no_archive_holds_no_warning_back(office: Office) -> None:
    (message,) = release(office, LI, [signed(office, D1)], now=NOW)
    (entry,) = [entry for entry in list_audit(office.ledger) if entry.action == "tag_failed"]
    assert (entry.subject, entry.reason) == (message.identifier, "no archived cycle")
    assert not (office.home.root / "archive").exists()


def test_what_is_overtaken_or_old_is_not_on_the_desk(office: Office) -> None:
    first = machine_draft("hail", "orange", (D1,), WHEN)
    second = replace(machine_draft("hail", "red", (D1, D3), WHEN + minutes(6)), references=(first.reference,))
    enter(office, first, second)
    assert [row.id for row in drafts_open(office, WHEN + minutes(7))] == [second.id]
    third = replace(machine_draft("hail", "red", (D1,), WHEN + minutes(12)), references=(second.reference,))
    sign(office, LI, second.id, digest_of(draft_row(office, second.id)), now=WHEN + minutes(8))
    enter(office, third)
    assert [row.id for row in drafts_open(office, WHEN + minutes(13))] == [third.id, second.id]  # signed: it may go out
    reject(office, LI, second.id, now=WHEN + minutes(13), reason="x", digest=draft_row(office, second.id).digest)
    assert drafts_open(office, (WHEN + minutes(73)).astimezone(UTC)) == []


def test_a_withdrawn_successor_overtakes_nothing(office: Office) -> None:
    first = machine_draft("hail", "orange", (D1,), WHEN)
    second = replace(machine_draft("hail", "red", (D1,), WHEN + minutes(6)), references=(first.reference,))
    enter(office, first, second)
    with writing(office.ledger) as transaction:
        assert withdraw_drafts(transaction, "testland", second.cycle, []) == [second.id]
    assert [row.id for row in drafts_open(office, WHEN + minutes(7))] == [first.id]


def test_the_audit_says_why_it_ended_and_where_it_was_lifted(office: Office) -> None:
    (first,) = release(office, LI, [signed(office, D1, D2)], now=NOW)
    later = NOW + minutes(6)
    (second,) = release(office, LI, [signed(office, D2, now=later)], now=later, lifted=[D1])
    cancel = prepare_cancel(office, WANG, second.identifier, now=later + minutes(1), reason="风暴已移出")
    review(office, WANG, cancel.id, now=later + minutes(1), digest=cancel.digest)
    sign(office, WANG, cancel.id, cancel.digest, now=later + minutes(1))
    (last,) = release(office, WANG, [cancel.id], now=later + minutes(1))
    acts = {(act.action, act.subject): act for act in list_audit(office.ledger)}
    assert json.loads(acts["update", second.identifier].detail)["lifted"] == [D1]
    assert acts["cancel", last.identifier].reason == acts["end", second.identifier].reason == "风暴已移出"
    assert json.loads(acts["cancel", last.identifier].detail)["lifted"] == []
    assert acts["end", first.identifier].reason == ""
    assert verify_audit(office.ledger) == []


def test_a_message_changed_around_the_programme_is_named(office: Office) -> None:
    (message,) = release(office, LI, [signed(office, D1)], now=NOW)
    with office.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER messages_update")
        connection.exec_driver_sql("UPDATE messages SET cap = replace(cap, '<status>Test', '<status>Actual')")
    (fault,) = verify_audit(office.ledger)
    assert f"message {message.identifier}: cap is" in fault.en
    assert "发布时（第 2 条）" in fault.zh


def test_what_could_not_be_released_is_not_signed(office: Office) -> None:
    old = machine_draft("hail", "red", (D1,), WHEN)
    over = replace(machine_draft("gale", "red", (D1,), WHEN), expires=WHEN + minutes(20))
    for name, last, words in (
        (old.id, WHEN + minutes(60), "more than 60 min ago"),
        (over.id, WHEN + minutes(19), "ended at"),
    ):
        enter(office, old, over)
        digest = digest_of(draft_row(office, name))
        with pytest.raises(IssueError, match=words) as refusal:
            sign(office, LI, name, digest, now=last + minutes(1))
        assert "北京时" in refusal.value.zh
        assert draft_row(office, name).state == "draft"
        assert sign(office, LI, name, digest, now=last).state == "signed"


def test_the_age_of_an_update_counts_from_its_preparation(office: Office) -> None:
    (message,) = release(office, LI, [signed(office, D1)], now=NOW)
    later = NOW + minutes(59)
    update = prepare_update(office, LI, message.identifier, now=later, reason="调整")
    assert sign(office, LI, update.id, update.digest, now=later + minutes(30)).state == "signed"
    cancel = prepare_cancel(office, LI, message.identifier, now=later, reason="结束")
    assert sign(office, LI, cancel.id, cancel.digest, now=later + minutes(30)).state == "signed"


def test_a_cancellation_that_ran_out_is_not_taken_up_again(office: Office) -> None:
    (message,) = release(office, LI, [signed(office, D1)], now=NOW)
    draft = prepare_cancel(office, LI, message.identifier, now=NOW + minutes(5), reason="结束")
    sign(office, LI, draft.id, draft.digest, now=NOW + minutes(5))
    (cancel,) = release(office, LI, [draft.id], now=NOW + minutes(5))
    with pytest.raises(IssueError, match="not in force") as refused:
        prepare_update(office, LI, cancel.identifier, now=cancel.expires, reason="继续")
    assert "（北京时）已不生效" in refused.value.zh
    assert ran_out_lately(office, record_of(message), now=message.expires)
    assert not ran_out_lately(office, record_of(cancel), now=cancel.expires)
