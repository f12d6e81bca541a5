"""The evening of 2025-06-09 over Chongqing, on real national composites: from first draft to last cancellation."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wxcore.landing.ledger import (
    Actor,
    list_audit,
    list_messages,
    live_messages,
    open_ledger,
    rebuild,
    state_hash,
    verify_audit,
)
from wxcore.pipeline.home import Home
from wxcore.pipeline.issue import Office, open_office, prepare_cancel, release, sign
from wxcore.pipeline.issue_office import digest_of, draft_row
from wxcore.pipeline.policy import Policy
from wxcore.pipeline.result import RunResult
from wxcore.pipeline.run import run
from wxcore.region import load_region
from wxcore.warning.cap_read import parse_cap
from wxcore.warning.cap_record import warning_from_cap
from wxcore.warning.cap_rules import validate
from wxcore.warning.model import Warning, from_dict
from wxcore.warning.national import national_xml, warning_from_national
from wxcore.warning.sms import sms

LI = Actor("li", "forecaster")
LATE = timedelta(minutes=3)
"""How long after a cycle its drafts are released."""


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory, radar_data: Path) -> tuple[Home, RunResult]:
    home = Home(tmp_path_factory.mktemp("evening"))
    return home, run([radar_data / "cma_mosaic_cref"], home, load_region("chongqing"))


@pytest.fixture(scope="module")
def issued(evening: tuple[Home, RunResult]) -> Office:
    """Every cycle's drafts signed and released as Test, and at the end what stands is cancelled."""
    home, result = evening
    office = open_office(home, load_region("chongqing"), Policy())
    for cycle in result.cycles:
        now = cycle.time + LATE
        if cycle.drafts:
            release(office, LI, list(sign_all(office, [draft.id for draft in cycle.drafts], now)), now=now)
    end = result.cycles[-1].time + 4 * LATE
    for row in live_messages(office.ledger, "chongqing", end):
        draft = prepare_cancel(
            office, LI, row.identifier, now=end, reason="storms have left", remark_zh="强回波已移出。",
            remark_en="The storms have left.",
        )  # fmt: skip
        release(office, LI, list(sign_all(office, [draft.id], end)), now=end)
    return office


def sign_all(office: Office, ids: list[str], now: datetime) -> Iterator[str]:
    for name in ids:
        sign(office, LI, name, digest_of(draft_row(office, name)), now=now)
        yield name


def messages(office: Office) -> list[Warning]:
    rows = list_messages(office.ledger, "chongqing", since=datetime(2025, 6, 9, tzinfo=UTC))
    return sorted((from_dict(json.loads(row.json)) for row in rows), key=lambda item: (item.sent, item.id))


def test_national_composites_give_thunderstorm_drafts_and_no_hail(evening: tuple[Home, RunResult]) -> None:
    result = evening[1]
    assert [f"{cycle.time:%H%M}" for cycle in result.cycles] == [
        "1042", "1048", "1054", "1100", "1106", "1112", "1118", "1124", "1130",
    ]  # fmt: skip
    drafts = [draft for cycle in result.cycles for draft in cycle.drafts]
    assert {draft.hazard for draft in drafts} == {"thunderstorm"}
    named = {district.name_zh for district in load_region("chongqing").districts}
    assert any(name in draft.description_zh for draft in drafts for name in named)
    assert all("二维" in draft.description_zh and "2-D" in draft.description_en for draft in drafts)
    for cycle in result.cycles:
        hail = cycle.probabilities[cycle.probabilities["hazard"] == "hail"]
        assert hail["p"].isna().all()
        assert cycle.storms["mesh_mm"].isna().all()
        assert any("2-D only" in note for note in cycle.notes_en)
    last = result.cycles[-1].storms
    assert (last["age_min"] >= 30).sum() >= 10
    assert last["u_m_s"].notna().mean() > 0.8


def test_from_the_first_alert_to_the_last_cancellation(issued: Office) -> None:
    told = messages(issued)
    assert told[0].msg_type == "Alert"
    assert not told[0].references
    assert {item.msg_type for item in told} == {"Alert", "Update", "Cancel"}
    assert {item.status for item in told} == {"Test"}
    by_id = {item.id: item for item in told}
    for item in told[1:]:
        assert (item.msg_type == "Alert") == (not item.references)
        for reference in item.references:
            assert by_id[reference.identifier].sent == reference.sent < item.sent
    assert told[-1].msg_type == "Cancel"
    assert live_messages(issued.ledger, "chongqing", told[-1].sent) == []


def test_every_message_leaves_in_both_dialects_and_comes_back(issued: Office) -> None:
    region = load_region("chongqing")
    rows = list_messages(issued.ledger, "chongqing", since=datetime(2025, 6, 9, tzinfo=UTC))
    known = [parse_cap(row.cap.encode()) for row in rows]
    for row in rows:
        record = from_dict(json.loads(row.json))
        earlier = [alert for alert in known if alert.sent < parse_cap(row.cap.encode()).sent]
        validate(row.cap.encode(), region.grid.bounds, earlier)
        assert warning_from_cap(row.cap.encode()) == record
        assert warning_from_national(national_xml(record)) == record


def test_an_independent_reader_of_the_cap_files_finds_the_same_in_force(issued: Office) -> None:
    told = messages(issued)
    alerts = [parse_cap(row.cap.encode()) for row in list_messages(
        issued.ledger, "chongqing", since=datetime(2025, 6, 9, tzinfo=UTC))]  # fmt: skip
    standing: dict[str, datetime] = {}
    for alert in sorted(alerts, key=lambda one: one.sent):
        for triple in alert.references.split():
            standing.pop(triple.split(",")[1], None)
        if alert.msg_type != "Cancel":
            standing[alert.identifier] = datetime.fromisoformat(alert.infos[0].expires)
    assert standing == {}
    middle = told[len(told) // 2].sent
    expected = {item.id for item in told if item.sent <= middle < item.expires and item.msg_type != "Cancel"}
    ended = {ref.identifier for item in told if item.sent <= middle for ref in item.references}
    assert expected - ended


def test_texts_say_test_where_until_when_and_what_changed(issued: Office) -> None:
    named = {district.name_zh for district in load_region("chongqing").districts}
    for item in messages(issued):
        assert item.headline_zh.startswith("【测试】重庆市气象台")
        assert "草稿" not in item.headline_zh + item.description_zh
        assert "draft" not in (item.headline_en + item.description_en).lower()
        assert any(name in item.description_zh for name in named)
        assert len(sms(item, "zh")) <= 70
        assert len(sms(item, "en")) <= 140
        assert "测试" in sms(item, "zh")
    assert "强回波已移出。" in messages(issued)[-1].description_zh
    assert "解除" in messages(issued)[-1].headline_zh


def test_every_act_is_in_the_audit_and_a_rebuilt_ledger_is_the_same(issued: Office, tmp_path: Path) -> None:
    assert verify_audit(issued.ledger) == []
    acts = [act.action for act in list_audit(issued.ledger, limit=1000)]
    assert acts.count("sign") == len(messages(issued))
    again = open_ledger(tmp_path / "again.sqlite")
    rebuild(again, issued.home.landing, issued.home.warnings)
    assert state_hash(again) == state_hash(issued.ledger)
