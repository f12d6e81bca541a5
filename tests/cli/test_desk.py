"""`wx desk`: accounts by terminal, and what the desk is started with."""

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from typer.testing import CliRunner, Result
from uvicorn.server import ServerState

from wxcore.cli import desk as commands
from wxcore.cli.desk import desk_app
from wxcore.desk import accounts, serve
from wxcore.desk.accounts import find_account, load_accounts, matches
from wxcore.desk.app import create_app
from wxcore.desk.serve import tick_loop, working
from wxcore.desk.state import Desk
from wxcore.errors import LedgerError
from wxcore.landing.ledger import find_session, list_audit, open_session
from wxcore.pipeline.home import Home

PASSWORD = "a long enough one"
NOW = datetime(2025, 6, 9, 6, tzinfo=UTC)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


def run(home: Path, *words: str, given: str = "") -> Result:
    return CliRunner().invoke(desk_app, [*words, "--out", str(home), "--lang", "en"], input=given)


def add(home: Path, name: str = "li", role: str = "forecaster", password: str = PASSWORD) -> Result:
    return run(home, "users", "add", name, "--role", role, "--password-stdin", given=f"{password}\n")


class TestUsers:
    def test_a_life(self, tmp_path: Path) -> None:
        assert json.loads(run(tmp_path, "users", "list", "--json").stdout) == []
        assert add(tmp_path).exit_code == 0
        assert json.loads(run(tmp_path, "users", "list", "--json").stdout) == [
            {"name": "li", "role": "forecaster", "display": "li", "disabled": False}
        ]
        assert run(tmp_path, "users", "role", "li", "duty").exit_code == 0
        assert run(tmp_path, "users", "password", "li", "--password-stdin", given="another long one\n").exit_code == 0
        assert run(tmp_path, "users", "disable", "li").exit_code == 0
        assert "disabled" in run(tmp_path, "users", "list").output
        assert run(tmp_path, "users", "disable", "li", "--enable").exit_code == 0
        found = find_account(tmp_path / "accounts.json", "li")
        assert found is not None
        assert (found.role, found.disabled) == ("duty", False)
        assert matches(found, "another long one")
        audit = list_audit(Home(tmp_path).ledger(), subject="li")
        assert [row.action for row in audit] == [
            "account added", "account role", "account password", "account disabled", "account enabled",
        ]  # fmt: skip
        assert {row.role for row in audit} == {"terminal"}
        assert PASSWORD not in repr(audit)

    def test_the_password_is_asked_for_twice(self, tmp_path: Path) -> None:
        words = ("users", "add", "li", "--role", "duty")
        differs = run(tmp_path, *words, given=f"{PASSWORD}\nother\n")
        assert differs.exit_code == 2
        assert "do not agree" in differs.output
        agrees = run(tmp_path, *words, given=f"{PASSWORD}\n{PASSWORD}\n")
        assert agrees.exit_code == 0
        assert PASSWORD not in agrees.output

    @pytest.mark.parametrize(
        ("name", "role", "password"),
        [("li", "duty", "short"), ("li", "root", PASSWORD), ("longenoughname", "duty", "longenoughname"),
         ("a b", "duty", PASSWORD)],
    )  # fmt: skip
    def test_bad_arguments(self, tmp_path: Path, name: str, role: str, password: str) -> None:
        assert add(tmp_path, name, role, password).exit_code == 2
        assert not (tmp_path / "accounts.json").exists()

    def test_unknown_names(self, tmp_path: Path) -> None:
        assert run(tmp_path, "users", "disable", "nobody").exit_code == 2

    def test_a_change_that_cannot_be_audited_is_not_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        add(tmp_path)

        def fails(*_: object, **__: object) -> None:
            raise LedgerError("database is locked", "数据库被锁定")

        monkeypatch.setattr(accounts, "record_act", fails)
        assert isinstance(run(tmp_path, "users", "role", "li", "admin").exception, LedgerError)
        assert isinstance(add(tmp_path, "han", "admin").exception, LedgerError)
        assert [(item.name, item.role) for item in load_accounts(tmp_path / "accounts.json")] == [("li", "forecaster")]

    def test_changes_close_the_sessions(self, tmp_path: Path) -> None:
        add(tmp_path)
        ledger = Home(tmp_path).ledger()
        open_session(ledger, token_hash="h", user="li", role="forecaster", csrf="c", now=NOW,
                     expires_at=NOW.replace(hour=18), idle_s=43200)  # fmt: skip
        assert find_session(ledger, "h", NOW) is not None
        run(tmp_path, "users", "disable", "li")
        assert find_session(ledger, "h", NOW) is None

    def test_accounts_outlive_the_ledger(self, tmp_path: Path) -> None:
        add(tmp_path)
        for file in tmp_path.glob("ledger.sqlite*"):
            file.unlink()
        assert find_account(tmp_path / "accounts.json", "li") is not None


class TestServe:
    @pytest.fixture
    def served(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Desk, dict[str, Any]]]:
        calls: list[tuple[Desk, dict[str, Any]]] = []
        monkeypatch.setattr(commands, "serve", lambda desk, **how: calls.append((desk, how)))
        return calls

    def test_bound_to_this_machine_by_default(self, tmp_path: Path, served: list[tuple[Desk, dict[str, Any]]]) -> None:
        result = run(tmp_path)
        assert result.exit_code == 0, result.output
        assert "wx desk users add" in result.output, "there is no default account"
        desk, how = served[0]
        assert how == {"host": "127.0.0.1", "port": 8080, "send": True, "behind_proxy": False}
        assert not desk.secure_cookies
        assert desk.all_hosts == {"127.0.0.1", "localhost", "[::1]"}
        assert desk.office.policy.status == "Test"
        assert desk.now().tzinfo is UTC

    def test_elsewhere_without_tls_is_warned_of(
        self, tmp_path: Path, served: list[tuple[Desk, dict[str, Any]]]
    ) -> None:
        result = run(tmp_path, "--host", "10.1.2.3", "--no-send", "--name", "Desk.example")
        assert "unencrypted" in result.output
        desk, how = served[0]
        assert how["send"] is False
        assert {"10.1.2.3", "desk.example"} <= desk.all_hosts

    def test_behind_tls(self, tmp_path: Path, served: list[tuple[Desk, dict[str, Any]]]) -> None:
        assert "unencrypted" not in run(tmp_path, "--https", "--name", "desk.example").output
        desk, how = served[0]
        assert desk.secure_cookies
        assert how["behind_proxy"] is True


class TestExerciseClock:
    AT = "2026-07-01T08:24:00Z"

    def test_it_starts_there_and_runs_on_and_every_page_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add(tmp_path)
        ledger = Home(tmp_path).ledger()
        told: list[str] = []

        def login(token: str) -> None:
            open_session(ledger, token_hash=token, user="li", role="forecaster", csrf="c", now=NOW,
                         expires_at=NOW.replace(hour=18), idle_s=43200)  # fmt: skip

        def served(desk: Desk, **_: object) -> None:
            first = desk.now()
            assert timedelta(0) <= first - datetime(2026, 7, 1, 8, 24, tzinfo=UTC) < timedelta(minutes=2)
            assert desk.now() > first
            assert find_session(ledger, "before", NOW) is None
            login("during")
            with TestClient(create_app(desk), base_url="http://127.0.0.1") as client:
                told.extend((client.get("/status?lang=zh").text, client.get("/login?lang=en").text))
                assert client.get("/status.json").json()["exercise_clock"] is True

        monkeypatch.setattr(commands, "serve", served)
        login("before")
        result = run(tmp_path, "--at", self.AT)
        assert result.exit_code == 0, (result.output, result.exception)
        assert "EXERCISE CLOCK" in result.output
        assert "演习时钟" in told[0]
        assert "2026-07-01 16:2" in told[0]
        assert "EXERCISE CLOCK" in told[1]
        assert find_session(ledger, "during", NOW) is None, "no login outlives the exercise"

    def test_never_with_actual(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WXCORE_STATUS", "Actual")
        monkeypatch.setattr(commands, "serve", lambda *_, **__: pytest.fail("served"))
        assert "Test and Exercise only" in str(run(tmp_path, "--at", self.AT).exception)

    def test_the_real_clock_says_nothing_of_exercises(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        desks: list[Desk] = []
        monkeypatch.setattr(commands, "serve", lambda desk, **_: desks.append(desk))
        assert "EXERCISE" not in run(tmp_path).output
        assert not desks[0].exercise_clock
        assert abs(desks[0].now() - datetime.now(UTC)) < timedelta(minutes=1)


class TestConnections:
    @pytest.mark.parametrize("sent", [b"", b"GET /login HT", b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "])
    def test_one_that_never_asks_is_closed(self, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
        monkeypatch.setattr(serve, "FIRST_REQUEST_S", 0.05)
        config = uvicorn.Config(FastAPI(), http=serve.Impatient, log_level="warning")
        config.load()

        async def waits() -> bytes:
            loop, state = asyncio.get_running_loop(), ServerState()
            server = await loop.create_server(lambda: serve.Impatient(config, state, {}), "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(sent)
            async with asyncio.timeout(60):
                answer = await reader.read()
            writer.close()
            server.close()
            return answer

        assert asyncio.run(waits()) == b""

    def test_what_the_server_is_told(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        told: list[uvicorn.Config] = []

        class Server:
            def __init__(self, config: uvicorn.Config) -> None:
                told.append(config)

            def run(self) -> None:
                pass

        monkeypatch.setattr(serve.uvicorn, "Server", Server)
        monkeypatch.setattr(serve, "tick_loop", lambda office, *, stop, now: None)
        serve.serve(Desk(None, tmp_path / "x", lambda: NOW), send=False)  # type: ignore[arg-type]
        assert told[0].http is serve.Impatient
        assert told[0].timeout_keep_alive <= 5
        assert told[0].forwarded_allow_ips == "127.0.0.1"


class TestThreads:
    def test_they_work_beside_the_server_and_end_with_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ran: list[str] = []
        both = threading.Barrier(3, timeout=60)

        def loop(name: str, stop: threading.Event) -> None:
            ran.append(name)
            both.wait()
            stop.wait(60)
            ran.append(f"{name} ended")

        monkeypatch.setattr(serve, "send_loop", lambda office, *, stop, now: loop("send", stop))
        monkeypatch.setattr(serve, "tick_loop", lambda office, *, stop, now: loop("tick", stop))
        desk = Desk(None, Path("x"), lambda: NOW)  # type: ignore[arg-type]
        with working(desk, send=True):
            both.wait()
            assert sorted(ran) == ["send", "tick"]
        assert sorted(ran[2:]) == ["send ended", "tick ended"]

    @pytest.mark.parametrize(
        "trouble",
        [LedgerError("database is locked", "数据库被锁定"), OSError(28, "full"), KeyError("x"), RecursionError()],
    )
    def test_trouble_does_not_end_the_tick(self, monkeypatch: pytest.MonkeyPatch, trouble: Exception) -> None:
        stop = threading.Event()
        times: list[datetime] = []

        def tick(office: object, *, now: datetime) -> None:
            times.append(now)
            if len(times) == 3:
                stop.set()
            raise trouble

        monkeypatch.setattr(serve, "tick", tick)
        tick_loop(None, stop=stop, now=lambda: NOW, every_s=0.001)  # type: ignore[arg-type]
        assert times == [NOW] * 3
