"""Whatever people, the machine and the clock do in whatever order, also across restarts: what is in force stays sound.

WXCORE_EXAMPLES: how many histories are tried (14 in CI).
"""

import json
import os
import shutil
import tempfile
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from tests.pipeline.issuing import (
    D1,
    D2,
    D3,
    LI,
    WANG,
    WHEN,
    empty_ledger,
    enter,
    machine_draft,
    minutes,
    new_office,
    reopen,
    tokens,
)
from wxcore.errors import IssueError
from wxcore.landing.ledger import (
    MessageRow,
    find_draft,
    list_audit,
    list_callouts,
    list_messages,
    live_messages,
    message_count,
    open_ledger,
    rebuild,
    state_hash,
    verify_audit,
)
from wxcore.pipeline.issue import (
    Edit,
    acknowledge_token,
    drafts_open,
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
from wxcore.warning.cap_model import Alert
from wxcore.warning.cap_read import parse_cap
from wxcore.warning.model import Warning, from_dict

EXAMPLES = int(os.environ.get("WXCORE_EXAMPLES", "14"))
PLACES = st.lists(st.sampled_from((D1, D2, D3)), min_size=1, max_size=3, unique=True).map(lambda x: tuple(sorted(x)))
LEVELS = st.sampled_from(("orange", "red"))
HAZARDS = st.sampled_from(("hail", "thunderstorm"))
PEOPLE = st.sampled_from((LI, WANG))


@cache
def parsed(text: str) -> Alert:
    return parse_cap(text.encode())


@cache
def recorded(text: str) -> Warning:
    return from_dict(json.loads(text))


def read_as_stranger(caps: list[str], now: datetime) -> dict[tuple[str, str, str], str]:
    """What is in force by the CAP texts alone: (status, event, district) -> identifier; fails on two at one place."""
    alerts = [parsed(text) for text in caps]
    gone = {ref.split(",")[1] for alert in alerts for ref in alert.references.split()}
    found: dict[tuple[str, str, str], str] = {}
    for alert in alerts:
        info = alert.infos[0]
        if alert.identifier in gone or alert.msg_type == "Cancel" or datetime.fromisoformat(info.expires) <= now:
            continue
        for code in {code.value for area in info.areas for code in area.geocodes if code.name == "adcode"}:
            assert (alert.status, info.event, code) not in found
            found[alert.status, info.event, code] = alert.identifier
    return found


class Issuing(RuleBasedStateMachine):
    drafts = Bundle("drafts")

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="wxcore-machine-"))
        self.office = new_office(self.root)
        self.now, self.count = WHEN + minutes(1), 0

    def teardown(self) -> None:
        if hasattr(self, "root"):
            assert verify_audit(self.office.ledger) == []
            self.office.ledger.engine.dispose()
            shutil.rmtree(self.root)

    @rule(target=drafts, hazard=HAZARDS, level=LEVELS, places=PLACES)
    def draft(self, hazard: str, level: str, places: tuple[str, ...]) -> str:
        self.count += 1
        made = machine_draft(hazard, level, places, self.now, self.count)
        (name,) = enter(self.office, made)
        assert name in {row.id for row in drafts_open(self.office, self.now)}
        return name

    @rule(target=drafts, name=drafts, person=PEOPLE, level=LEVELS, places=PLACES, hours=st.integers(1, 8))
    def edit(self, name: str, person: object, level: str, places: tuple[str, ...], hours: int) -> str:
        row = find_draft(self.office.ledger, name)
        edit = Edit(level=level, adcodes=places, expires=self.now + minutes(60 * hours))
        may = row.state in {"draft", "review", "rejected"} and recorded(row.json).msg_type != "Cancel"
        try:
            made = edit_draft(self.office, person, name, edit, now=self.now, reason="实况")
        except IssueError:
            assert not may or recorded(row.json).onset >= edit.expires
            return name
        assert may
        assert find_draft(self.office.ledger, name).state == "superseded"
        assert record_of(made).adcodes == places
        return made.id

    @rule(name=drafts, person=PEOPLE, away=st.booleans())
    def look(self, name: str, person: object, away: bool) -> None:
        row = find_draft(self.office.ledger, name)
        act = reject if away else review
        try:
            act(self.office, person, name, now=self.now, reason="看过", digest=row.digest)
        except IssueError:
            assert row.state not in {"draft", "review"}

    @rule(name=drafts, person=PEOPLE)
    def sign(self, name: str, person: object) -> None:
        row = find_draft(self.office.ledger, name)
        try:
            sign(self.office, person, name, row.digest, now=self.now)
        except IssueError:
            one = record_of(row)
            is_over = one.expires <= self.now or self.now - one.sent > minutes(self.office.book.horizon_min)
            assert row.state not in {"draft", "review", "signed"} or is_over

    @rule(names=st.lists(drafts, min_size=1, max_size=2), person=PEOPLE, lift=st.booleans())
    def release(self, names: list[str], person: object, lift: bool) -> None:
        self.attempt(list(dict.fromkeys(names)), person, lift)

    @rule(target=drafts, hazard=HAZARDS, level=LEVELS, places=PLACES, person=PEOPLE)
    def warn(self, hazard: str, level: str, places: tuple[str, ...], person: object) -> str:
        """The straight way, which must never be refused."""
        name = self.draft(hazard, level, places)
        self.sign(name, person)
        assert self.attempt([name], person, lift=True)
        return name

    @rule(hazard=HAZARDS, red=st.sampled_from((D1, D2)), person=PEOPLE)
    def warn_two(self, hazard: str, red: str, person: object) -> None:
        """Two levels in one release, which may split one message in two."""
        names = [self.draft(hazard, "red", (red,)), self.draft(hazard, "orange", (D3,))]
        for name in names:
            self.sign(name, person)
        assert self.attempt(names, person, lift=True)

    @rule(index=st.integers(0, 5), person=PEOPLE)
    def cancel(self, index: int, person: object) -> None:
        live = live_messages(self.office.ledger, "testland", self.now)
        if live:
            identifier = live[index % len(live)].identifier
            name = prepare_cancel(self.office, person, identifier, now=self.now, reason="天气过程结束").id
            self.sign(name, person)
            before = self.places()
            assert self.attempt([name], person, lift=False)
            assert self.places() == {key: one for key, one in before.items() if one.id != identifier}

    @rule(index=st.integers(0, 5), person=PEOPLE, level=LEVELS, places=PLACES)
    def change(self, index: int, person: object, level: str, places: tuple[str, ...]) -> None:
        live = live_messages(self.office.ledger, "testland", self.now)
        if live:
            identifier = live[index % len(live)].identifier
            made = prepare_update(self.office, person, identifier, now=self.now, reason="调整")
            edit = Edit(level=level, adcodes=places, expires=self.now + minutes(90))
            name = edit_draft(self.office, person, made.id, edit, now=self.now, reason="调整").id
            self.sign(name, person)
            row, there = find_draft(self.office.ledger, name), self.places()
            others = [there[row.hazard, code] for code in places if (row.hazard, code) in there]
            is_behind = any(one.cycle > row.cycle_time and one.id != identifier for one in others)
            if not self.attempt([name], person, lift=True):
                assert is_behind  # a newer analysis stands at a place that the edit adds
                return
            issued = find_draft(self.office.ledger, name).message
            assert {code for (_, code), one in self.places().items() if one.id == issued} == set(places)

    def attempt(self, names: list[str], person: object, lift: bool) -> bool:
        self.now += timedelta(seconds=3)  # two messages a release
        rows = [find_draft(self.office.ledger, name) for name in names]
        before, counts = self.places(), message_count(self.office.ledger, "testland")
        named = {(row.hazard, code) for row in rows for code in recorded(row.json).adcodes}
        touched = {before[key].id for key in named if key in before}
        touched |= {ref.identifier for row in rows for ref in recorded(row.json).references}
        lost = [key for key, message in before.items() if message.id in touched and key not in named]
        lifted = [code for _, code in lost] if lift and len({row.hazard for row in rows}) == 1 else []
        try:
            release(self.office, person, names, now=self.now, lifted=lifted, reason="发布", override="演练")
        except IssueError:
            assert message_count(self.office.ledger, "testland")[:3] == counts[:3]
            return False
        assert all(row.state == "signed" for row in rows), "released without a signature"
        after = self.places()
        if recorded(rows[0].json).msg_type != "Cancel":
            assert named <= set(after)
            assert not lost or lifted, "a place lost its warning and nobody said so"
        return True

    @rule(target=drafts, index=st.integers(0, 5), person=PEOPLE, cancel=st.booleans())
    def follow(self, index: int, person: object, cancel: bool) -> str:
        live = live_messages(self.office.ledger, "testland", self.now)
        if not live:
            return self.draft("hail", "red", (D1,))
        identifier = live[index % len(live)].identifier
        prepare = prepare_cancel if cancel else prepare_update
        return prepare(self.office, person, identifier, now=self.now, reason="更新").id

    @rule(index=st.integers(0, 9))
    def answer(self, index: int) -> None:
        sent = tokens(self.office)
        if sent:
            token = sent[index % len(sent)]
            try:
                row = acknowledge_token(self.office, token, now=self.now)
            except IssueError:
                return
            assert row.state == "acknowledged"

    @rule(step=st.sampled_from((1, 4, 31, 70, 200)))
    def wait(self, step: int) -> None:
        self.now += minutes(step)
        tick(self.office, now=self.now)
        live = live_messages(self.office.ledger, "testland", self.now)
        for message in live:  # who is due is called, and nobody after an answer
            calls = list_callouts(self.office.ledger, identifier=message.identifier)
            post = [row for row in calls if row.post == "municipal:500000"]
            if post[0].due_at <= self.now and not any(row.acknowledged_at for row in post):
                assert [row.person for row in post] == ["a", "b"]

    @rule()
    def reopen(self) -> None:
        self.office.ledger.engine.dispose()
        self.office = reopen(self.root)

    @rule()
    def rebuild(self) -> None:
        home, before = self.office.home, state_hash(self.office.ledger)
        self.office.ledger.engine.dispose()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{home.ledger_file}{suffix}").unlink(missing_ok=True)
        empty_ledger(home.ledger_file)
        fresh = open_ledger(home.ledger_file)
        rebuild(fresh, home.landing, home.warnings)
        fresh.engine.dispose()
        self.office = reopen(self.root)
        assert state_hash(self.office.ledger) == before
        assert verify_audit(self.office.ledger) == []

    def places(self) -> dict[tuple[str, str], Warning]:
        """(hazard, district) -> the message in force there; fails on two."""
        found: dict[tuple[str, str], Warning] = {}
        for row in live_messages(self.office.ledger, "testland", self.now):
            for code in recorded(row.json).adcodes:
                assert (row.hazard, code) not in found
                found[row.hazard, code] = recorded(row.json)
        return found

    @invariant()
    def sound(self) -> None:
        if not hasattr(self, "office"):
            return
        rows = list_messages(self.office.ledger, "testland", since=WHEN - minutes(600))
        ours = {("Test", record.event_zh, code): record.id for (_, code), record in self.places().items()}
        assert read_as_stranger([row.cap for row in rows], self.now) == ours
        known = {row.identifier: row for row in rows}
        signed = {entry.subject for entry in list_audit(self.office.ledger, limit=10_000) if entry.action == "sign"}
        for row in rows:
            assert row.signed_by
            assert row.draft_id in signed
            self.check_chain(row, known)

    def check_chain(self, row: MessageRow, known: dict[str, MessageRow]) -> None:
        record = recorded(row.json)
        refs = {ref.identifier for ref in record.references}
        assert refs <= set(known), "orphan reference"
        assert (row.msg_type == "Alert") == (not refs)
        direct = {old for old, other in known.items() if other.ended_by == row.identifier}
        assert direct <= refs
        for name in refs:
            older = {ref.identifier for ref in recorded(known[name].json).references if ref.expires > record.sent}
            assert older <= refs, "a predecessor that has not expired is not referred to"
            assert known[name].ended_by not in {"", "expired"}
        first = known[row.chain]
        assert first.msg_type == "Alert"
        assert first.chain == first.identifier
        assert row.chain == (
            min((known[name].chain for name in refs), key=lambda c: (known[c].sent, c)) if refs else row.identifier
        )


Issuing.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=15, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip
TestIssuing = Issuing.TestCase
