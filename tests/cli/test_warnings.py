"""`wx warnings` as its users type it: from the list to the cancellation, and what it refuses."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from typer.testing import CliRunner, Result

from tests.landing.doors import record_cycle
from tests.pipeline.issuing import D1, D2, LI, REGION, WHEN, enter, machine_draft, new_office, reopen, signed
from tests.warning.identity import identity_files
from tests.warning.test_cap_rules import GOOD
from wxcore.cli import warnings, warnings_act
from wxcore.cli.warnings import warnings_app
from wxcore.desk import accounts
from wxcore.errors import IssueError, WxcoreError
from wxcore.pipeline.issue import release
from wxcore.times import iso
from wxcore.warning.cap_rules import validate
from wxcore.warning.signature import sign_xml

PASSWORD = "hail at three o'clock"
AT = iso(WHEN + timedelta(minutes=3))


@pytest.fixture(autouse=True)
def cheap() -> Iterator[None]:
    """The made-up region, and hashes that cost nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        for module in (warnings, warnings_act):
            patch.setattr(module, "region_of", lambda _: REGION)
        yield


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one red hail draft of two districts, a forecaster and a duty officer."""
    office = new_office(tmp_path)
    enter(office, machine_draft("hail", "red", (D1, D2), WHEN))
    for name, role in (("li", "forecaster"), ("chen", "duty")):
        accounts.add_account(office.home.root / accounts.ACCOUNTS_FILE, name, role, PASSWORD)
    return office.home.root


def wx(home: Path, *words: str, password: str = "") -> Result:
    said = ("--password-stdin",) if password else ()
    return CliRunner().invoke(warnings_app, [*words, *said, "--out", str(home), "--lang", "zh"], input=f"{password}\n")


def done(home: Path, *words: str, password: str = "") -> Any:
    result = wx(home, *words, "--json", password=password)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def act(home: Path, *words: str) -> Result:
    result = wx(home, *words, "--as", "li", "--at", AT, password=PASSWORD)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refusal(home: Path, *words: str, password: str = PASSWORD) -> WxcoreError:
    error = wx(home, *words, password=password).exception
    assert isinstance(error, WxcoreError)
    return error


def listed(home: Path) -> Any:
    return done(home, "list", "--at", AT)


def test_from_the_draft_to_the_cancellation(home: Path, tmp_path: Path) -> None:
    (draft,) = listed(home)["drafts"]
    act(home, "edit", draft["id"], "--districts", D1, "--remark-zh", "请收回晾晒物品。", "--reason", "实况")
    edited = f"{draft['id']}.e1"
    assert "请收回晾晒物品。" in act(home, "sign", edited).output
    (message,) = json.loads(act(home, "release", edited, "--json").stdout)
    (row,) = [one for one in listed(home)["messages"] if one["live"]]
    assert (row["identifier"], row["msg_type"], row["signed_by"], row["status"]) == (
        message["id"],
        "Alert",
        "li",
        "Test",
    )
    assert [place["adcode"] for place in row["warning"]["districts"]] == [D1]
    cap = wx(home, "export", message["id"]).stdout.encode()
    validate(cap, REGION.grid.bounds)
    assert (
        json.loads(wx(home, "export", message["id"], "--format", "geojson").stdout)["features"][0]["id"]
        == message["id"]
    )
    assert wx(home, "export", message["id"], "--format", "national").stdout.startswith("<?xml")
    assert len(wx(home, "export", message["id"], "--format", "sms").stdout.strip()) <= 70
    target = tmp_path / "text"
    assert wx(home, "export", message["id"], "--format", "text", "-o", str(target)).exit_code == 0
    assert "请收回晾晒物品。" in target.read_text()
    (cancel,) = json.loads(act(home, "cancel", message["id"], "--reason", "结束", "--json").stdout)
    act(home, "sign", cancel["id"])
    act(home, "release", cancel["id"])
    assert [one for one in listed(home)["messages"] if one["live"]] == []
    acts = [one["action"] for one in done(home, "audit")["acts"]]
    assert [one for one in acts if one in {"edit", "sign", "issue", "cancel"}] == [
        "edit", "sign", "issue", "edit", "sign", "cancel",
    ]  # fmt: skip
    assert done(home, "audit", "--last", "1")["acts"][0]["action"] == acts[-1]
    assert done(home, "audit", "--verify")["verified"] is True
    assert {one["action"] for one in done(home, "show", message["id"])["audit"]} >= {"issue", "end"}


def test_a_signature_is_taken_back(home: Path) -> None:
    (draft,) = listed(home)["drafts"]
    act(home, "sign", draft["id"])
    assert (
        "signed"
        in refusal(home, "edit", draft["id"], "--as", "li", "--at", AT, "--level", "orange", "--reason", "x").en
    )
    assert draft["id"] in act(home, "reopen", draft["id"], "--reason", "漏了一区").output
    assert [(one["state"], one["signed_by"]) for one in listed(home)["drafts"]] == [("draft", "")]
    assert draft["id"] in act(home, "reject", draft["id"], "--reason", "回波减弱").output
    act(home, "reopen", draft["id"], "--reason", "又发展了")
    act(home, "edit", draft["id"], "--level", "orange", "--reason", "实况")


def test_an_edit_of_the_ledger_is_found(home: Path) -> None:
    (draft,) = listed(home)["drafts"]
    act(home, "sign", draft["id"])
    engine = new_office_engine(home)
    with engine.begin() as connection:
        for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql("UPDATE audit SET actor = 'chen' WHERE action = 'sign'")
    result = wx(home, "audit", "--verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["faults"]


def new_office_engine(home: Path) -> Any:
    return warnings_act.office_of("", home).ledger.engine


@pytest.mark.parametrize(("name", "password"), [("li", "wrong"), ("chen", PASSWORD), ("nobody", PASSWORD)])
def test_only_a_forecaster_with_the_password_acts(home: Path, name: str, password: str) -> None:
    (draft,) = listed(home)["drafts"]
    error = refusal(home, "sign", draft["id"], "--as", name, "--at", AT, password=password)
    assert isinstance(error, IssueError)
    assert name in error.zh
    assert done(home, "audit", "--last", "1")["acts"][0]["action"] == "login failed"
    assert listed(home)["drafts"][0]["state"] == "draft"


def test_refusals_say_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (draft,) = listed(home)["drafts"]
    assert "wx warnings list" in refusal(home, "show", "wx-none", password="").en
    assert "not signed" in refusal(home, "release", draft["id"], "--as", "li", "--at", AT).en
    monkeypatch.setenv("WXCORE_STATUS", "Actual")
    assert "--at" in refusal(home, "sign", draft["id"], "--as", "li", "--at", AT).en
    assert wx(home, "export", draft["id"], "--format", "pdf").exit_code == 2
    monkeypatch.setenv("WXCORE_STATUS", "Real")
    assert "WXCORE_STATUS" in refusal(home, "list", password="").en


def test_ours_comes_in_again_once(home: Path, tmp_path: Path) -> None:
    (draft,) = listed(home)["drafts"]
    act(home, "sign", draft["id"])
    (message,) = json.loads(act(home, "release", draft["id"], "--json").stdout)
    file, broken = tmp_path / "one.cap", tmp_path / "two.cap"
    file.write_text(wx(home, "export", message["id"]).stdout)
    broken.write_text("<alert/>")
    other = new_office(tmp_path / "other").home.root
    assert [one["status"] for one in done(other, "import", str(file), "--old")] == ["imported"]
    assert [one["status"] for one in done(other, "import", str(file), "--old")] == ["known"]
    for refused in (file, broken):  # the first is of last year
        result = wx(other, "import", str(refused), "--json")
        assert (result.exit_code, json.loads(result.stdout)[0]["status"]) == (1, "refused")


def test_what_is_due_is_sent_once(home: Path) -> None:
    assert wx(home, "send", "--once").exit_code == 0


def test_flips_need_an_archive(home: Path) -> None:
    assert "no cycle" in refusal(home, "flips", "--from", AT, "--to", AT, password="").en


def test_what_others_sent_is_listed_with_its_signature_state(home: Path, tmp_path: Path) -> None:
    file, copy, forged = tmp_path / "true.cap", tmp_path / "copy.cap", tmp_path / "forged.cap"
    key, certificate = identity_files(tmp_path, last=WHEN + timedelta(days=36500))
    headline = "[red]大风橙色预警[/red]\u202e"
    xml = GOOD.replace("冰雹橙色预警", headline)
    file.write_bytes(sign_xml(xml.encode(), key.read_bytes(), certificate.read_bytes()))
    copy.write_bytes(file.read_bytes().replace("大风".encode(), "暴雨".encode()))
    forged.write_text(GOOD)

    said = wx(home, "import", str(forged), "--old")
    assert (said.exit_code, said.output.split()[1:4]) == (0, ["imported", "wx-1", "未签名"])
    assert wx(home, "import", str(file), "--old").exit_code == 1  # nobody vouches for it either
    taken = wx(home, "import", str(file), "--old", "--pin", str(certificate), "--json")
    assert (taken.exit_code, [one["status"] for one in json.loads(taken.stdout)]) == (0, ["replaced"])
    for bad in (forged, copy):
        for pins in ((), ("--pin", str(certificate))):
            said = wx(home, "import", str(bad), "--old", *pins)
            assert (said.exit_code, said.output.split()[1]) == (1, "refused")
    assert listed(home)["imports"] == [{
        "sender": "wx@example.org", "identifier": "wx-1", "sent": "2025-06-09T10:42:00Z", "status": "Test",
        "msg_type": "Alert", "event": "冰雹", "headline": "[red]大风橙色预警[/red]",
        "expires": "2025-06-09T16:42:00Z", "signature": "trusted",
    }]  # fmt: skip
    shown = wx(home, "list", "--at", AT).output
    assert all(words in shown for words in ("其他单位的预警", "已验证", "wx@example.org"))
    assert "已过期" not in shown
    assert "已过期" in wx(home, "list").output


def test_the_state_of_a_signature_that_nobody_judged_is_said(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "signed.cap"
    key, certificate = identity_files(tmp_path)
    file.write_bytes(sign_xml(GOOD.encode(), key.read_bytes(), certificate.read_bytes()))
    assert wx(home, "import", str(file), "--old").output.split()[3] == "未核验"
    assert listed(home)["imports"][0]["signature"] == "unjudged"


def test_times_of_acts_say_their_zone(home: Path) -> None:
    (draft,) = listed(home)["drafts"]
    act(home, "sign", draft["id"])
    for command in (("audit",), ("show", draft["id"])):
        assert re.search(r"2025-06-09 18:45:00 北京时 li ", wx(home, *command).output)
        english = CliRunner().invoke(warnings_app, [*command, "--out", str(home), "--lang", "en"]).output
        assert re.search(r"2025-06-09 18:45:00 BJT li ", english)
        assert done(home, *command)["acts" if command == ("audit",) else "audit"][0]["time"] == AT


def test_verify_names_a_time_that_is_none(home: Path) -> None:
    (draft,) = listed(home)["drafts"]
    act(home, "sign", draft["id"])
    with new_office_engine(home).begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_update")
        connection.exec_driver_sql("UPDATE audit SET time = 'soon', reason = CAST(reason AS BLOB) WHERE seq = 1")
    result = wx(home, "audit", "--verify")
    assert result.exit_code == 1
    assert "第 1 条" in result.output


def test_each_act_says_what_comes_next(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # what is to be copied is never wrapped
    (draft,) = listed(home)["drafts"]
    same = f"--at {AT} --out {home}"
    edited = f"{draft['id']}.e1"
    edit = act(home, "edit", draft["id"], "--districts", D1, "--reason", "实况").output
    assert f"wx warnings sign {edited} --as li {same}" in edit
    signed = act(home, "sign", edited).output
    assert "未通知任何人" in signed.replace("\n", "")
    assert f"wx warnings release {edited} --as li {same}" in signed
    released = act(home, "release", edited).output
    assert "2 条待发送" in released
    assert f"wx warnings send --once {same}" in released
    (message,) = [one["identifier"] for one in listed(home)["messages"]]
    for verb, kind in (("update", "u"), ("cancel", "c")):
        told = act(home, verb, message, "--reason", "调整").output
        assert f"wx warnings sign {message}.{kind}1 --as li {same}" in told


def test_what_is_sent_is_sent_by_the_clock_of_the_exercise(home: Path) -> None:
    (draft,) = listed(home)["drafts"]
    act(home, "sign", draft["id"])
    act(home, "release", draft["id"])
    (message,) = [one["identifier"] for one in listed(home)["messages"]]
    assert wx(home, "send", "--once", "--at", AT).exit_code == 0
    assert (home / "public" / "cap" / f"{message}.xml").exists()
    states = {one["channel"]: one["state"] for one in done(home, "show", message)["deliveries"]}
    assert (states["files"], states["feed"]) == ("sent", "sent")


def test_an_empty_list_says_where_to_look(home: Path) -> None:
    assert "尚无分析时次" in wx(home, "list").output
    record_cycle(reopen(home).ledger, REGION.id, WHEN, snapshot_id="s", fingerprint="f", degraded=False, missing=[])
    told = wx(home, "list").output.replace("\n", "")
    assert f"--at {iso(WHEN)}" in told
    assert "没有草稿和报文" in told
    assert "没有草稿和报文" not in wx(home, "list", "--at", AT).output


def test_the_list_is_newest_first_and_in_the_users_words(home: Path) -> None:
    later = machine_draft("gale", "orange", (D1,), WHEN + timedelta(minutes=1))
    enter(reopen(home), later)
    told = wx(home, "list", "--at", AT).output
    first, second = (told.index(word) for word in ("-gale-", "-hail-"))
    assert first < second
    assert "草稿" in told
    (draft,) = [one for one in listed(home)["drafts"] if "hail" in one["id"]]
    act(home, "sign", draft["id"])
    act(home, "release", draft["id"])
    assert "测试 生效中" in wx(home, "list", "--at", AT).output
    assert "签发" in wx(home, "audit").output
    assert "hours" in wx(home, "list", "--help").output


def test_whom_it_reached_is_told_by_the_place_s_name(home: Path) -> None:
    office = reopen(home)
    now = WHEN + timedelta(minutes=2)
    (message,) = release(office, LI, [signed(office, D1, now=now, number=2)], now=now)
    told = [line for line in wx(home, "show", message.identifier).output.splitlines() if "☎" in line]
    assert {line.split("☎ ")[1].split(":")[0] for line in told} == {f"{REGION.name_zh} 甲某", "甲区 丙某"}
