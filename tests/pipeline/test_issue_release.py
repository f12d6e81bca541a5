"""What goes out and what does not: signatures, clocks, half-done releases, what the machine may lift."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

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
    signed,
)
from tests.warning.identity import identity_files
from wxcore.errors import IssueError, LedgerError
from wxcore.landing.ledger import (
    MACHINE,
    MessageRow,
    content_digest,
    find_message,
    list_audit,
    list_messages,
    live_messages,
    sign_draft,
    verify_audit,
)
from wxcore.landing.ledger.tables import WARNINGS
from wxcore.landing.ledger.warnings import content_text
from wxcore.pipeline import issue_release
from wxcore.pipeline.issue import (
    Edit,
    Office,
    Policy,
    auto_release,
    digest_of,
    edit_draft,
    prepare_cancel,
    prepare_update,
    record_of,
    reject,
    release,
    review,
    sign,
    tick,
)
from wxcore.pipeline.issue_office import draft_row

NOW = WHEN + minutes(2)


def out(office: Office) -> list[MessageRow]:
    return list_messages(office.ledger, "testland", since=WHEN - minutes(600))


def fail(*args: object, **more: object) -> None:
    raise LedgerError("disk full", "磁盘已满")


@pytest.fixture
def actual(tmp_path: Path) -> Policy:
    key, cert = identity_files(tmp_path)
    return Policy(status="Actual", actual_allowed=True, key_file=key, cert_file=cert)


def alter(office: Office, name: str, *, is_forged: bool = False) -> None:
    """Lower the probability of a draft around the programme; `is_forged`: its digest too."""
    content = {**json.loads(draft_row(office, name).json), "p": 0.35}
    values = {"json": content_text(content)} | ({"digest": content_digest(content)} if is_forged else {})
    with office.ledger.engine.begin() as connection:
        connection.execute(update(WARNINGS).where(WARNINGS.c.id == name).values(values))


REAL = replace(REGION, issuer=replace(REGION.issuer, sender="wx@cqmb.gov.cn"))


class TestSignatures:
    def test_a_refused_draft_of_the_machine_is_not_left_signed(
        self, office: Office, actual: Policy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = replace(office, policy=Policy(auto_release=True))
        (name,) = enter(office, machine_draft("hail", "red", (D1,), WHEN))
        monkeypatch.setattr(issue_release, "release_messages", fail)
        for _ in range(2):
            assert auto_release(free, [name], now=NOW) == []
        row = draft_row(office, name)
        assert (row.state, row.signed_by) == ("draft", "")
        acts = [act.action for act in list_audit(office.ledger, subject=name)]
        assert acts == ["sign", "reopen", "auto_release_refused"] * 2
        monkeypatch.undo()
        real = replace(office, policy=actual, region=REAL)
        with pytest.raises(IssueError, match="is not signed"):
            release(real, LI, [name], now=NOW)
        assert out(office) == []

    @pytest.mark.parametrize("is_forged", [False, True])
    def test_a_draft_changed_after_its_signature_holds_all_back(self, office: Office, is_forged: bool) -> None:
        """Whoever edits the database releases nothing, nor the other hazard that goes out with it."""
        hail, storm = signed(office, D1), signed(office, D1, hazard="thunderstorm", level="orange")
        alter(office, storm, is_forged=is_forged)
        with pytest.raises(IssueError, match=rf"{storm}: the content was changed .* audit --verify"):
            release(office, LI, [hail, storm], now=NOW)
        assert out(office) == []
        assert [row.identifier for row in release(office, LI, [hail], now=NOW)]

    def test_the_machine_signs_nothing_that_was_changed(self, office: Office) -> None:
        free = replace(office, policy=Policy(auto_release=True))
        (name,) = enter(free, machine_draft("hail", "red", (D1,), WHEN))
        alter(office, name)
        for _ in range(3):
            assert auto_release(free, [name], now=NOW) == []
        assert [act.action for act in list_audit(office.ledger, subject=name)] == ["auto_release_refused"]

    def test_a_refusal_before_signing_is_told_once(self, office: Office) -> None:
        free = replace(office, policy=Policy(auto_release=True))
        (name,) = enter(free, machine_draft("hail", "red", (D1,), WHEN - minutes(90)))
        for _ in range(3):
            auto_release(free, [name], now=NOW)
        assert [act.action for act in list_audit(office.ledger, subject=name)] == ["auto_release_refused"]

    def test_what_only_the_machine_signed_never_goes_out_as_actual(self, office: Office, actual: Policy) -> None:
        """The machine fell over between its signature and the release; the office comes back as a real one."""
        (name,) = enter(office, machine_draft("hail", "red", (D1,), WHEN))
        digest = digest_of(draft_row(office, name))
        sign_draft(office.ledger, MACHINE, name, digest, now=NOW, status="Actual")
        real = replace(office, policy=actual, region=REAL)
        with pytest.raises(IssueError, match="not given by a person for Actual"):
            release(real, LI, [name], now=NOW)
        sign(real, WANG, name, digest, now=NOW)
        (message,) = release(real, LI, [name], now=NOW)
        assert (message.status, message.signed_by) == ("Actual", "wang")

    def test_what_only_the_machine_signed_is_released_by_its_next_round(self, office: Office) -> None:
        (name,) = enter(office, machine_draft("hail", "red", (D1,), WHEN))
        sign_draft(office.ledger, MACHINE, name, digest_of(draft_row(office, name)), now=NOW, status="Test")
        tick(replace(office, policy=Policy(auto_release=True)), now=NOW)
        assert [row.draft_id for row in out(office)] == [name]

    def test_what_the_row_says_the_machine_signed_never_goes_out_as_actual(
        self, office: Office, actual: Policy
    ) -> None:
        """A person signed it by the audit log; the row says the machine did."""
        real = replace(office, policy=actual, region=REAL)
        name = signed(real, D1)
        with office.ledger.engine.begin() as connection:
            connection.execute(update(WARNINGS).where(WARNINGS.c.id == name).values(signed_by="machine"))
        with pytest.raises(IssueError, match="not given by a person for Actual"):
            release(real, LI, [name], now=NOW)
        assert out(real) == []

    def test_a_signature_for_a_test_is_none_for_actual(self, office: Office, actual: Policy) -> None:
        name, real = signed(office, D1), replace(office, policy=actual, region=REAL)
        with pytest.raises(IssueError, match="sign again"):
            release(real, LI, [name], now=NOW)
        assert out(office) == []
        sign(real, LI, name, draft_row(office, name).digest, now=NOW)
        assert [row.status for row in release(real, LI, [name], now=NOW)] == ["Actual"]

    @pytest.mark.parametrize("status", ["Test", "Actual"])
    def test_an_expired_certificate_releases_nothing(self, office: Office, status: str, tmp_path: Path) -> None:
        key, cert = identity_files(tmp_path, last=NOW - timedelta(seconds=1))
        policy = Policy(status=status, actual_allowed=True, key_file=key, cert_file=cert)
        old = replace(office, policy=policy, region=REAL)
        with pytest.raises(IssueError, match=r"cert\.pem.*Renew") as caught:
            release(old, LI, [signed(old, D1)], now=NOW)
        assert "证书" in caught.value.zh
        assert out(office) == []


class TestHalfDone:
    def test_the_error_says_what_is_out(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        names = [signed(office, D1), signed(office, D1, hazard="gale"), signed(office, D1, hazard="thunderstorm")]
        enters = issue_release.release_messages

        def second_fails(*args: object, **more: object) -> object:
            return fail() if out(office) else enters(*args, **more)

        monkeypatch.setattr(issue_release, "release_messages", second_fails)
        with pytest.raises(IssueError) as caught:
            release(office, LI, names, now=NOW)
        (message,) = out(office)
        assert caught.value.en == (
            f"released {message.identifier}; refused {names[1]}: disk full; not tried {names[2]}"
        )
        assert caught.value.zh == f"已发布 {message.identifier}；未发布 {names[1]}：磁盘已满；尚未处理 {names[2]}"
        assert [act.subject for act in list_audit(office.ledger) if act.action == "tag_failed"] == [message.identifier]

    def test_the_first_refusal_stays_what_it_is(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        names = [signed(office, D1), signed(office, D1, hazard="gale")]
        monkeypatch.setattr(issue_release, "release_messages", fail)
        with pytest.raises(LedgerError, match=r"^disk full$"):
            release(office, LI, names, now=NOW)

    def test_what_fails_for_no_race_is_tried_once(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        tried: list[object] = []

        def count(*args: object, **more: object) -> None:
            tried.append(args)
            fail()

        monkeypatch.setattr(issue_release, "release_messages", count)
        with pytest.raises(LedgerError, match="disk full"):
            release(office, LI, [signed(office, D1)], now=NOW)
        assert len(tried) == 1

    @pytest.mark.parametrize("broken", ["record_act", "find_cycle", "tag_snapshot"])
    def test_naming_the_snapshot_never_says_refused(
        self, office: Office, broken: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(issue_release, broken, fail)
        assert release(office, LI, [signed(office, D1)], now=NOW) == out(office)


class TestRanOut:
    def prepared(self, office: Office, message: MessageRow, *, at: float, until: float) -> str:
        """An update prepared `at` minutes from the end of the message, to last `until`; signed."""
        now, end = message.expires + minutes(at), message.expires + minutes(until)
        draft = prepare_update(office, LI, message.identifier, now=now, reason="延长")
        draft = edit_draft(office, LI, draft.id, Edit(expires=end), now=now, reason="延长")
        sign(office, LI, draft.id, draft.digest, now=now)
        return draft.id

    @pytest.mark.parametrize("ticked", [True, False])
    @pytest.mark.parametrize("at", [-5, 3])
    def test_an_extension_goes_out_as_a_new_alert(self, office: Office, at: float, ticked: bool) -> None:
        (first,) = release(office, LI, [signed(office, D1)], now=NOW)
        if ticked and at > 0:
            tick(office, now=first.expires)
        name = self.prepared(office, first, at=at, until=60)
        later = first.expires + minutes(4)
        if ticked:
            tick(office, now=later)
        (message,) = release(office, LI, [name], now=later)
        record = record_of(message)
        assert (message.msg_type, record.references, message.chain) == ("Alert", (), message.identifier)
        assert record.cycle == WHEN
        assert record.adcodes == (D1,)
        assert message.expires == first.expires + minutes(60)
        assert {place.arrival for place in record.districts} == {"held"}
        assert verify_audit(office.ledger) == []

    def test_without_an_edit_it_lasts_as_long_as_before(self, office: Office) -> None:
        (first,) = release(office, LI, [signed(office, D1)], now=NOW)
        now = first.expires + minutes(10)
        draft = record_of(prepare_update(office, LI, first.identifier, now=now, reason="继续"))
        assert draft.expires - draft.onset == first.expires - record_of(first).onset
        assert (draft.msg_type, draft.references) == ("Alert", ())

    def test_not_for_ever(self, office: Office) -> None:
        (first,) = release(office, LI, [signed(office, D1)], now=NOW)
        name = self.prepared(office, first, at=-5, until=180)
        with pytest.raises(IssueError, match="more than 60 min ago"):
            release(office, LI, [name], now=first.expires + minutes(56))
        with pytest.raises(IssueError, match="not in force"):
            prepare_update(office, LI, first.identifier, now=first.expires + minutes(61), reason="x")
        with pytest.raises(IssueError, match="not in force"):
            prepare_cancel(office, LI, first.identifier, now=first.expires + minutes(1), reason="x")


class TestOrder:
    def test_nothing_goes_out_behind_a_cancellation(self, office: Office) -> None:
        old = signed(office, D1, D2, number=9)
        (message,) = release(office, LI, [signed(office, D1)], now=NOW)
        later = NOW + minutes(3)
        cancel = prepare_cancel(office, LI, message.identifier, now=later, reason="结束")
        sign(office, LI, cancel.id, cancel.digest, now=later)
        release(office, LI, [cancel.id], now=later)
        with pytest.raises(IssueError, match="lifted the warning there"):
            release(office, LI, [old], now=later + minutes(1))
        assert release(office, LI, [signed(office, D2, number=8)], now=later + minutes(1))  # not lifted there
        reject(office, LI, old, now=later, reason="x", digest=draft_row(office, old).digest)
        again = edit_draft(office, WANG, old, Edit(adcodes=(D1,)), now=later + minutes(2), reason="又起")
        sign(office, WANG, again.id, again.digest, now=later + minutes(2))
        assert release(office, WANG, [again.id], now=later + minutes(2))  # made after it, by a person

    def test_an_analysis_of_an_hour_ago_is_not_too_old(self, office: Office) -> None:
        name = signed(office, D1)
        with pytest.raises(IssueError, match="more than 60 min ago"):
            release(office, LI, [name], now=WHEN + minutes(60) + timedelta(seconds=1))
        assert release(office, LI, [name], now=WHEN + minutes(60))

    def test_nothing_goes_out_behind_a_newer_analysis(self, office: Office) -> None:
        old = signed(office, D1, level="orange")
        release(office, LI, [signed(office, D1, now=NOW + minutes(12))], now=NOW + minutes(12))
        with pytest.raises(IssueError, match="release a newer draft"):
            release(office, LI, [old], now=NOW + minutes(13))


class TestClocks:
    def test_a_clock_that_was_ahead_is_told(self, office: Office) -> None:
        (first,) = release(office, LI, [signed(office, D1, now=NOW + minutes(20))], now=NOW + minutes(20))
        with pytest.raises(IssueError, match="clock is wrong") as caught:
            release(office, LI, [signed(office, D1, number=2)], now=NOW)
        assert "时钟" in caught.value.zh
        assert out(office) == [first]

    @pytest.mark.parametrize(("ahead_s", "goes"), [(10, True), (11, False)])
    def test_how_far_ahead_is_no_fault(self, office: Office, ahead_s: int, goes: bool) -> None:
        later = NOW + timedelta(seconds=ahead_s)
        release(office, LI, [signed(office, D1, now=later)], now=later)
        name = signed(office, D2, number=2)
        if not goes:
            with pytest.raises(IssueError, match="clock is wrong"):
                release(office, LI, [name], now=NOW)
            return
        assert [row.sent for row in release(office, LI, [name], now=NOW)] == [later + timedelta(seconds=1)]

    def test_seconds_of_the_own_bundle_are_no_fault(self, office: Office) -> None:
        for number in range(3):
            release(office, LI, [signed(office, D1, number=number)], now=NOW)
        assert [row.sent - NOW for row in out(office)] == [timedelta(seconds=count) for count in range(3)]

    def test_nothing_goes_out_before_its_analysis(self, office: Office) -> None:
        (name,) = enter(office, machine_draft("hail", "red", (D1,), WHEN + minutes(30)))
        sign(office, LI, name, digest_of(draft_row(office, name)), now=NOW)
        with pytest.raises(IssueError, match="after now"):
            release(office, LI, [name], now=NOW)


class TestOverride:
    """Messages were released while the clock was ahead; it is right again."""

    SECOND = timedelta(seconds=1)

    def ahead(self, office: Office, by_min: float = 170) -> MessageRow:
        later = NOW + minutes(by_min)
        (message,) = release(office, LI, [signed(office, D1, now=later)], now=later)
        return message

    def cancel(self, office: Office, message: MessageRow, override: str = "时钟曾超前") -> MessageRow:
        draft = prepare_cancel(office, LI, message.identifier, now=NOW, reason="时钟有误")
        sign(office, LI, draft.id, draft.digest, now=NOW)
        (end,) = release(office, LI, [draft.id], now=NOW, override=override)
        return end

    def test_a_release_elsewhere_goes_out_now(self, office: Office) -> None:
        first = self.ahead(office)
        name = signed(office, D2, number=2)
        for override in ("", " "):
            with pytest.raises(IssueError, match="21:34:00 BJT, ahead of the clock") as refused:
                release(office, LI, [name], now=NOW, override=override)
        assert "21:34:00（北京时）" in refused.value.zh
        (message,) = release(office, LI, [name], now=NOW, override=" 时钟曾超前 ")
        assert (message.sent, message.msg_type, record_of(message).references) == (NOW, "Alert", ())
        (act,) = [act for act in list_audit(office.ledger) if act.action == "override"]
        assert (act.actor, act.reason, json.loads(act.detail)["ahead"]) == ("li", "时钟曾超前", "2025-06-09T13:34:00Z")
        assert find_message(office.ledger, first.identifier) == first
        assert verify_audit(office.ledger) == []

    def test_what_cancels_it_comes_a_second_after_it_and_makes_way(self, office: Office) -> None:
        first, new = self.ahead(office), signed(office, D1, number=2)
        update = prepare_update(office, LI, first.identifier, now=NOW, reason="x")
        with pytest.raises(IssueError, match="cancel it first") as refused:
            release(office, LI, [new], now=NOW, override="时钟曾超前")
        assert "21:34:00（北京时）" in refused.value.zh
        with pytest.raises(IssueError, match="clock is wrong"):
            self.cancel(office, first, override="")
        end = self.cancel(office, first)
        assert (end.sent, end.chain) == (first.sent + self.SECOND, first.identifier)
        assert [ref.identifier for ref in record_of(end).references] == [first.identifier]
        (message,) = release(office, LI, [new], now=NOW, override="时钟曾超前")
        assert (message.sent, message.msg_type) == (NOW, "Alert")
        assert live_messages(office.ledger, "testland", NOW) == [message]
        assert draft_row(office, update.id).state == "draft"
        assert verify_audit(office.ledger) == []

    def test_a_cancellation_of_it_grows_old_as_any_other(self, office: Office) -> None:
        draft = prepare_cancel(office, LI, self.ahead(office).identifier, now=NOW, reason="时钟有误")
        sign(office, LI, draft.id, draft.digest, now=NOW)
        with pytest.raises(IssueError, match="more than 60 min ago"):
            release(office, LI, [draft.id], now=NOW + minutes(61), override="时钟曾超前")

    def test_another_cancellation_is_not_sent_that_late_with_it(self, office: Office) -> None:
        (old,) = release(office, LI, [signed(office, D2)], now=NOW)
        names = []
        for message in (old, self.ahead(office)):
            draft = prepare_cancel(office, LI, message.identifier, now=NOW, reason="结束")
            names.append(sign(office, LI, draft.id, draft.digest, now=NOW).id)
        with pytest.raises(IssueError, match="in a release by itself"):
            release(office, LI, names, now=NOW, override="时钟曾超前")
        sent = [release(office, LI, [name], now=NOW, override="时钟曾超前")[0].sent - NOW for name in names]
        assert sent == [self.SECOND, minutes(170) + self.SECOND]

    def test_no_second_is_taken_twice(self, office: Office) -> None:
        """The national form tells messages apart by the second: a bundle goes around those that are taken."""
        self.ahead(office, 0.2)
        for number in range(11):
            release(office, WANG, [signed(office, D2, number=10 + number)], now=NOW, override="时钟曾超前")
        bundle = [signed(office, D2, number=30), signed(office, D3, level="orange", number=31)]
        release(office, WANG, bundle, now=NOW, override="时钟曾超前")
        seconds = [(row.sent - NOW) // self.SECOND for row in out(office)]
        assert seconds == [*range(11), 12, 13, 14]

    def test_its_signature_can_be_verified_then(self, office: Office, actual: Policy) -> None:
        real = replace(office, policy=actual, region=REAL)
        first = self.ahead(real)
        assert self.cancel(real, first).sent == first.sent + self.SECOND


class TestBeside:
    def test_what_the_release_ends_is_not_named(self, office: Office) -> None:
        release(office, LI, [signed(office, D1)], now=NOW)  # red hail, which becomes orange with the gale
        names = [
            signed(office, D1, hazard="gale", level="orange", now=NOW + minutes(3)),
            signed(office, D1, level="orange", now=NOW + minutes(3), number=2),
        ]
        messages = release(office, LI, names, now=NOW + minutes(3))
        gale = next(record_of(row) for row in messages if row.hazard == "gale")
        assert [(also.hazard, also.level) for also in gale.also] == [("hail", "orange")]

    def test_what_the_release_cancels_is_not_named(self, office: Office) -> None:
        (hail,) = release(office, LI, [signed(office, D1)], now=NOW)
        later = NOW + minutes(3)
        gale = signed(office, D1, hazard="gale", level="orange", now=later)
        cancel = prepare_cancel(office, LI, hail.identifier, now=later, reason="结束")
        sign(office, LI, cancel.id, cancel.digest, now=later)
        messages = release(office, LI, [gale, cancel.id], now=later)
        assert [record_of(row).also for row in messages if row.hazard == "gale"] == [()]


def test_the_machine_lifts_nothing_that_a_person_has_in_hand(office: Office) -> None:
    free = replace(office, policy=Policy(auto_release=True))
    auto_release(free, enter(free, machine_draft("hail", "orange", (D1, D2), WHEN)), now=NOW)
    later = WHEN + minutes(7)
    (ours,) = enter(free, machine_draft("hail", "orange", (D2,), WHEN + minutes(6)))
    review(office, LI, ours, now=later, digest=draft_row(office, ours).digest)
    (new,) = enter(free, machine_draft("hail", "red", (D1,), WHEN + minutes(6)))
    tick(free, now=later)
    assert draft_row(office, new).state == "draft"
    assert [record_of(row).adcodes for row in live_messages(office.ledger, "testland", later)] == [(D1, D2)]
    (act,) = list_audit(office.ledger, subject=new)
    assert (act.action, "District 2 would lose" in act.reason) == ("auto_release_refused", True)
    reject(office, LI, ours, now=later, reason="x", digest=draft_row(office, ours).digest)
    (message,) = auto_release(free, [new], now=later)
    assert record_of(message).change.released == (("乙区", "District 2"),)
