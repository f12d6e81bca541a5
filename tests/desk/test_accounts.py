"""Accounts: Argon2id in a private file of the home."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from wxcore.desk import accounts
from wxcore.desk.accounts import (
    add_account,
    audited,
    change_account,
    find_account,
    load_accounts,
    matches,
)
from wxcore.errors import AccountError, LedgerError
from wxcore.landing.ledger import Actor, Ledger, list_audit
from wxcore.pipeline.home import Home

PASSWORD = "correct horse battery 1"
NOW = datetime(2025, 6, 9, 6, tzinfo=UTC)
BOSS = Actor("boss", "admin")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "accounts.json"


class TestAdd:
    def test_there_is_none_by_default(self, path: Path) -> None:
        assert load_accounts(path) == ()
        assert find_account(path, "admin") is None

    def test_file_is_private_and_holds_no_password(self, path: Path) -> None:
        add_account(path, "li", "forecaster", PASSWORD, display="李雷")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert PASSWORD not in path.read_text()
        assert json.loads(path.read_text())["accounts"][0]["hash"].startswith("$argon2id$")
        assert {item.name for item in path.parent.iterdir()} <= {"accounts.json", "accounts.json.lock"}

    def test_defaults_are_the_second_choice_of_rfc_9106(self) -> None:
        found = extract_parameters(PasswordHasher().hash("x"))
        assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (Type.ID, 65536, 3, 4)

    @pytest.mark.parametrize(
        ("password", "word"),
        [("elevenchars", "11"), ("", "0"), ("x" * 1025, "1025"), ("aaaaaaaaaaaaaa", "guess"),
         ("DutyOfficer-1", "guess"), ("dutyofficer-1dutyofficer-1", "guess")],
    )  # fmt: skip
    def test_weak_passwords_are_refused(self, path: Path, password: str, word: str) -> None:
        with pytest.raises(AccountError, match=word):
            add_account(path, "DutyOfficer-1", "duty", password)
        assert not path.exists()

    @pytest.mark.parametrize("name", ["", "a b", "a/b", "../x", "<b>", "x" * 33, "a\n", ".hidden", "a\u202eb"])
    def test_odd_names_are_refused(self, path: Path, name: str) -> None:
        with pytest.raises(AccountError, match="name"):
            add_account(path, name, "duty", PASSWORD)

    def test_unknown_roles_are_refused_by_name(self, path: Path) -> None:
        with pytest.raises(AccountError, match="'root': expected viewer, duty, forecaster, modeller, admin"):
            add_account(path, "li", "root", PASSWORD)

    def test_a_name_is_taken_whatever_its_case(self, path: Path) -> None:
        add_account(path, "li", "duty", PASSWORD)
        with pytest.raises(AccountError, match="already"):
            add_account(path, "LI", "admin", PASSWORD)

    def test_twenty_at_once_are_all_kept(self, path: Path) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: add_account(path, f"user{n}", "viewer", PASSWORD), range(20)))
        assert {item.name for item in load_accounts(path)} == {f"user{n}" for n in range(20)}

    def test_a_crash_in_the_middle_leaves_the_old_file(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        add_account(path, "li", "duty", PASSWORD)
        before = path.read_bytes()

        def fails(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(accounts.os, "fsync", fails)
        with pytest.raises(OSError, match="space"):
            add_account(path, "han", "duty", PASSWORD)
        assert path.read_bytes() == before

    def test_a_link_is_written_through(self, path: Path, tmp_path: Path) -> None:
        add_account(path, "li", "duty", PASSWORD)
        link = tmp_path / "link.json"
        link.symlink_to(path)
        add_account(link, "han", "duty", PASSWORD)
        assert link.is_symlink()
        assert {item.name for item in load_accounts(path)} == {"li", "han"}
        assert {item.name for item in path.parent.iterdir()} <= {"accounts.json", "accounts.json.lock"}


class TestAudited:
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Ledger:
        return Home(tmp_path / "home").ledger()

    def entries(self, ledger: Ledger) -> list[tuple[str, str, str]]:
        return [(row.action, row.subject, row.reason) for row in list_audit(ledger)]

    def test_the_entry_is_there_before_the_change(
        self, path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object) -> None:
            assert self.entries(ledger) == [("account added", "li", "")]
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(accounts, "_write", fails)
        with pytest.raises(OSError, match="space"):
            add_account(path, "li", "duty", PASSWORD, audit=audited(ledger, BOSS, "account added", "li", now=NOW))
        assert not path.exists()
        assert self.entries(ledger)[1] == ("account added failed", "li", "[Errno 28] No space left on device")

    def test_no_change_without_an_entry(self, path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        add_account(path, "li", "viewer", PASSWORD)

        def fails(*_: object, **__: object) -> None:
            raise LedgerError("database or disk is full", "磁盘已满")

        monkeypatch.setattr(accounts, "record_act", fails)
        with pytest.raises(LedgerError):
            change_account(path, "li", role="admin", audit=audited(ledger, BOSS, "account role", "li", now=NOW))
        found = find_account(path, "li")
        assert found is not None
        assert found.role == "viewer"

    def test_what_is_refused_leaves_no_entry(self, path: Path, ledger: Ledger) -> None:
        with pytest.raises(AccountError):
            change_account(path, "nobody", disabled=True, audit=audited(ledger, BOSS, "x", "nobody", now=NOW))
        assert self.entries(ledger) == []


class TestChange:
    def test_each_thing_alone(self, path: Path) -> None:
        add_account(path, "li", "duty", PASSWORD)
        change_account(path, "li", role="forecaster")
        change_account(path, "li", password="another long phrase")
        found = find_account(path, "li")
        assert found is not None
        assert found.role == "forecaster"
        assert matches(found, "another long phrase")
        assert not matches(found, PASSWORD)
        assert not matches(change_account(path, "li", disabled=True), "another long phrase")
        assert matches(change_account(path, "li", disabled=False), "another long phrase")

    def test_unknown_name(self, path: Path) -> None:
        with pytest.raises(AccountError, match="'li'"):
            change_account(path, "li", disabled=True)

    @pytest.mark.parametrize("change", [{"disabled": True}, {"role": "viewer"}])
    def test_the_last_admin_stays(self, path: Path, change: dict[str, object]) -> None:
        add_account(path, "boss", "admin", PASSWORD)
        with pytest.raises(AccountError, match="only admin"):
            change_account(path, "boss", **change)  # type: ignore[arg-type]
        add_account(path, "other", "admin", PASSWORD)
        change_account(path, "boss", **change)  # type: ignore[arg-type]

    @pytest.mark.parametrize("damage", ["", "{", '{"accounts": [{"name": "li"}]}', "[]", '{"accounts": [{"x": 1}]}'])
    def test_a_damaged_file_is_named_and_not_overwritten(self, path: Path, damage: str) -> None:
        path.parent.mkdir()
        path.write_text(damage)
        with pytest.raises(AccountError, match=r"accounts\.json"):
            add_account(path, "li", "duty", PASSWORD)
        assert path.read_text() == damage


class TestMatches:
    def test_nobody_matches_nothing(self) -> None:
        assert not matches(None, PASSWORD)

    def test_unknown_names_cost_the_same_work(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        account = add_account(path, "li", "duty", PASSWORD)
        hashes: list[str] = []

        class Counting:
            def __init__(self, real: PasswordHasher) -> None:
                self.real = real

            def hash(self, password: str) -> str:
                return self.real.hash(password)

            def verify(self, digest: str, password: str) -> bool:
                hashes.append(digest)
                return self.real.verify(digest, password)

        matches(None, "x")  # the dummy hash is made once
        monkeypatch.setattr(accounts, "HASHER", Counting(accounts.HASHER))
        for who in (account, None, change_account(path, "li", disabled=True)):
            assert not matches(who, "wrong")
        assert len(hashes) == 3
        assert len({repr(extract_parameters(digest)) for digest in hashes}) == 1
