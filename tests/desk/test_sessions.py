"""Sessions, login and asking for the password again (RELIABILITY.md C3, C4)."""

import asyncio
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from httpx import ASGITransport, AsyncClient, Response
from lxml import html

from tests.desk.conftest import BASE, ORIGIN, PASSWORD, Clock, client_of, csrf_of, log_in, post
from wxcore.desk import accounts, login, sessions
from wxcore.desk.accounts import change_account
from wxcore.desk.app import create_app
from wxcore.desk.login import confirm_password, safe_path
from wxcore.desk.render import STATIC
from wxcore.desk.sessions import hash_of
from wxcore.desk.state import HASHING_AT_ONCE, Desk, User
from wxcore.errors import LedgerError
from wxcore.landing.ledger import Actor, Ledger, close_sessions, find_session, list_audit, record_act

AsRole = Callable[[str], TestClient]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not log anybody out here."""
    monkeypatch.setattr(sessions, "TOUCH_WAIT_S", 60.0)


def wait_until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not holds() and time.monotonic() < limit:
        time.sleep(0.01)
    assert holds()


def is_in(client: TestClient) -> bool:
    return client.get("/me").status_code == 200


def actions(desk: Desk) -> list[tuple[str, str]]:
    return [(row.action, row.subject) for row in list_audit(desk.office.ledger)]


class TestCookie:
    def test_flags(self, anonymous: TestClient) -> None:
        cookie = log_in(anonymous, "duty").headers["set-cookie"]
        assert cookie.startswith("wx_session=")
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
        assert "Domain" not in cookie

    def test_secure_ones_are_tied_to_the_host(self, desk: Desk) -> None:
        client = client_of(create_app(replace(desk, secure_cookies=True)), "https://127.0.0.1:8080")
        data = {"name": "duty", "password": PASSWORD, "csrf": csrf_of(client, "/login")}
        plain = client.post("/login", data=data, headers=ORIGIN)
        assert plain.status_code == 403, "an http origin is not ours where we are reached by https"
        headers = {"Origin": "https://127.0.0.1:8080"}
        response = client.post("/login", data=data, headers=headers)
        cookie = response.headers["set-cookie"]
        assert cookie.startswith("__Host-wx_session=")
        assert "Secure" in cookie.split("; ")
        assert response.headers["strict-transport-security"].startswith("max-age=")
        assert is_in(client)

    def test_the_ledger_knows_only_the_hash(self, desk: Desk, as_role: AsRole) -> None:
        token = as_role("duty").cookies["wx_session"]
        assert len(token) == 43  # 32 bytes in base64, without padding
        assert find_session(desk.office.ledger, hash_of(token), desk.now()) is not None
        file = desk.office.home.ledger_file
        assert file is not None
        with sqlite3.connect(file) as connection:
            assert token not in "\n".join(connection.iterdump())

    @pytest.mark.parametrize("token", ["", "x", "0" * 43, "' OR 1=1 --", "a" * 4000])
    def test_made_up_tokens_are_nobody(self, anonymous: TestClient, token: str) -> None:
        anonymous.cookies.set("wx_session", token)
        assert not is_in(anonymous)


class TestLife:
    def test_login_renews_the_token_and_ends_the_old_one(self, desk_app: FastAPI, as_role: AsRole) -> None:
        client = as_role("duty")
        old = client.cookies["wx_session"]
        data = {"name": "viewer", "password": PASSWORD, "csrf": csrf_of(client)}
        assert client.post("/login", data=data, headers=ORIGIN).status_code == 303
        assert client.cookies["wx_session"] != old
        thief = client_of(desk_app)
        thief.cookies.set("wx_session", old)
        assert not is_in(thief)

    def test_a_planted_token_is_never_taken(self, desk_app: FastAPI) -> None:
        victim = client_of(desk_app)
        victim.cookies.set("wx_session", "planted", domain="127.0.0.1", path="/")
        log_in(victim, "duty")
        thief = client_of(desk_app)
        thief.cookies.set("wx_session", "planted")
        assert not is_in(thief)

    @pytest.mark.parametrize(
        ("role", "minutes", "stays"),
        [("viewer", 29, True), ("viewer", 30, False), ("modeller", 30, False), ("admin", 30, False),
         ("duty", 719, True), ("forecaster", 719, True), ("duty", 720, False), ("forecaster", 720, False)],
    )  # fmt: skip
    def test_idle(self, as_role: AsRole, desk_clock: Clock, role: str, minutes: float, stays: bool) -> None:
        client = as_role(role)
        desk_clock.move(minutes=minutes)
        assert is_in(client) is stays

    def test_a_busy_viewer_stays_until_twelve_hours(self, as_role: AsRole, desk_clock: Clock) -> None:
        client = as_role("viewer")
        for _ in range(35):
            desk_clock.move(minutes=20)
            assert is_in(client)
        desk_clock.move(minutes=20)
        assert not is_in(client)

    @pytest.mark.parametrize(
        "headers",
        [{"X-Requested-By": "page"}, {"Accept": "text/event-stream"}, {"Accept": "image/avif,image/webp,*/*;q=0.8"}],
    )
    def test_what_an_open_page_asks_by_itself_is_no_use(
        self, as_role: AsRole, desk_clock: Clock, headers: dict[str, str]
    ) -> None:
        client = as_role("viewer")
        for _ in range(5):
            desk_clock.move(minutes=5)
            assert client.get("/me", headers=headers).status_code == 200
        desk_clock.move(minutes=5)
        assert not is_in(client)

    def test_a_ledger_that_is_locked_holds_up_no_page(
        self, desk: Desk, as_role: AsRole, desk_clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Entering somebody as seen waits for another writer: one entry a session, and no request for more than a
        moment."""
        client, other = as_role("viewer"), as_role("duty")
        entries, go_on, real = [], threading.Event(), sessions.touch_session

        def touch(ledger: Ledger, token_hash: str, now: datetime) -> None:
            entries.append(token_hash)
            assert go_on.wait(60)
            real(ledger, token_hash, now)

        monkeypatch.setattr(sessions, "touch_session", touch)
        monkeypatch.setattr(sessions, "TOUCH_WAIT_S", 0.01)
        desk_clock.move(minutes=2)
        assert all(is_in(client) for _ in range(5))
        assert is_in(other)
        assert len(entries) == 1, "they are entered one after the other"
        assert len(sessions._TOUCHES._waiting) == 2, "one entry a session"
        go_on.set()
        wait_until(lambda: not sessions._TOUCHES._works)
        assert len(entries) == len(set(entries)) == 2
        for each in (client, other):
            row = find_session(desk.office.ledger, hash_of(each.cookies["wx_session"]), desk.now())
            assert row is not None
            assert row.seen_at == desk.now()

    def test_an_entry_that_fails_shuts_no_page_and_the_next_is_made(
        self, desk: Desk, as_role: AsRole, desk_clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client, real, failures = as_role("viewer"), sessions.touch_session, iter([LedgerError("full"), OSError("disk")])

        def touch(ledger: Ledger, token_hash: str, now: datetime) -> None:
            for error in failures:
                raise error
            real(ledger, token_hash, now)

        monkeypatch.setattr(sessions, "touch_session", touch)
        for _ in range(3):
            desk_clock.move(minutes=8)
            assert is_in(client)
        desk_clock.move(minutes=29)
        assert is_in(client)

    def test_every_script_says_so(self) -> None:
        texts = [path.read_text() for path in STATIC.glob("*.js")]
        asking = [text for text in texts if "fetch(" in text]
        assert len(asking) == 2
        for text in asking:
            assert text.count("fetch(") == text.count('"X-Requested-By"') == text.count("userActivation?.isActive") == 1
            assert re.search(r"fetch\([^)]*\bheaders\b", text)

    def test_logout_ends_it_in_the_ledger_too(self, desk: Desk, desk_app: FastAPI, as_role: AsRole) -> None:
        client = as_role("duty")
        token = client.cookies["wx_session"]
        response = post(client, "/logout")
        assert response.headers["location"] == "/login"
        assert 'wx_session=""' in response.headers["set-cookie"]
        thief = client_of(desk_app)
        thief.cookies.set("wx_session", token)
        assert not is_in(thief)
        assert actions(desk) == [("login", "duty"), ("logout", "duty")]

    @pytest.mark.parametrize("change", [{"disabled": True}, {"role": "viewer"}], ids=["disabled", "another role"])
    def test_changed_in_another_process_it_is_over_at_once(self, desk: Desk, as_role: AsRole, change: dict) -> None:
        client = as_role("duty")
        change_account(desk.accounts, "duty", **change)
        assert not is_in(client)

    def test_sessions_of_others_stay(self, desk: Desk, as_role: AsRole) -> None:
        duty, viewer = as_role("duty"), as_role("viewer")
        close_sessions(desk.office.ledger, user="duty")
        assert (is_in(duty), is_in(viewer)) == (False, True)


class TestAdmin:
    @pytest.mark.parametrize(
        ("path", "data"),
        [("disable", {}), ("role", {"role": "viewer"}),
         ("password", {"password": "a new long one", "again": "a new long one"})],
    )  # fmt: skip
    def test_changes_end_the_sessions(self, desk: Desk, as_role: AsRole, path: str, data: dict[str, str]) -> None:
        admin, duty = as_role("admin"), as_role("duty")
        assert post(admin, f"/admin/users/duty/{path}", data).status_code == 303
        assert not is_in(duty)
        action, subject = actions(desk)[-1]
        assert action.startswith("account ")
        assert subject == "duty"

    def test_a_role_that_cannot_be_audited_is_not_given(
        self, desk: Desk, as_role: AsRole, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        admin = as_role("admin")
        csrf = csrf_of(admin)

        def fails(*_: object, **__: object) -> None:
            raise LedgerError("database is locked", "数据库被锁定")

        monkeypatch.setattr(accounts, "record_act", fails)
        for path, data in (("role", {"role": "admin"}), ("disable", {}), ("password", {"password": "y" + PASSWORD})):
            again = {"again": data["password"]} if "password" in data else {}
            answer = admin.post(f"/admin/users/viewer/{path}", data={**data, **again, "csrf": csrf}, headers=ORIGIN)
            assert answer.status_code == 409
        data = {"name": "han", "role": "admin", "password": PASSWORD, "again": PASSWORD, "csrf": csrf}
        assert admin.post("/admin/users", data=data, headers=ORIGIN).status_code == 409
        assert accounts.find_account(desk.accounts, "han") is None
        found = accounts.find_account(desk.accounts, "viewer")
        assert found is not None
        assert (found.role, found.disabled, accounts.matches(found, PASSWORD)) == ("viewer", False, True)

    def test_a_change_that_failed_is_read_as_one(self, desk: Desk, as_role: AsRole) -> None:
        record_act(desk.office.ledger, Actor("boss", "admin"), "account role failed", "li", now=desk.now())
        client = as_role("duty")
        assert "account role failed" in client.get("/audit").text
        assert "更改角色（未成功）" in client.get("/audit?lang=zh").text

    def test_disabled_then_enabled(self, as_role: AsRole, anonymous: TestClient) -> None:
        admin = as_role("admin")
        post(admin, "/admin/users/duty/disable")
        assert log_in(anonymous, "duty").status_code == 401
        post(admin, "/admin/users/duty/enable")
        assert log_in(anonymous, "duty").status_code == 303

    def test_add(self, as_role: AsRole, anonymous: TestClient) -> None:
        admin = as_role("admin")
        data = {"name": "han", "role": "duty", "password": "some long words", "again": "some long words"}
        assert post(admin, "/admin/users", {**data, "again": "other"}).status_code == 422
        assert post(admin, "/admin/users", {**data, "role": "root"}).status_code == 422
        assert post(admin, "/admin/users", data).status_code == 303
        assert "some long words" not in admin.get("/admin").text
        assert log_in(anonymous, "han", "some long words").status_code == 303

    def test_a_refused_account_keeps_what_was_typed(self, as_role: AsRole) -> None:
        client = as_role("admin")
        typed = {"name": "li", "display": "李 <b>", "role": "forecaster", "password": PASSWORD}
        for again in ("something else", PASSWORD):
            page = post(client, "/admin/users", {**typed, "name": "l i", "again": again}, page="/admin")
            assert page.status_code == 422
            form = html.fromstring(page.text).xpath("//form[@action='/admin/users']")[0]
            assert form.xpath(".//input[@name='name']/@value") == ["l i"]
            assert form.xpath(".//input[@name='display']/@value") == ["李 <b>"]
            assert form.xpath(".//option[@selected]/@value") == ["forecaster"]
            assert not form.xpath(".//input[@type='password']/@value")

    def test_audit_page_and_verification(self, as_role: AsRole) -> None:
        client = as_role("duty")
        assert "login" in client.get("/audit").text
        assert "chain of entries is whole" in post(client, "/audit/verify").text

    def test_own_password(self, desk_app: FastAPI, as_role: AsRole) -> None:
        client, other = as_role("viewer"), as_role("viewer")
        new = {"new": "a quite new phrase", "again": "a quite new phrase"}
        assert post(client, "/me/password", {"old": "wrong", **new}).status_code == 403
        assert post(client, "/me/password", {"old": PASSWORD, **new, "again": "x"}).status_code == 422
        assert post(client, "/me/password", {"old": PASSWORD, "new": "viewer", "again": "viewer"}).status_code == 422
        assert post(client, "/me/password", {"old": PASSWORD, **new}).status_code == 303
        assert not is_in(client)
        assert not is_in(other)
        assert log_in(client_of(desk_app), "viewer").status_code == 401
        assert log_in(client_of(desk_app), "viewer", "a quite new phrase").status_code == 303


class TestGuessing:
    def test_sixth_failure_in_a_minute(self, desk: Desk, anonymous: TestClient, desk_clock: Clock) -> None:
        assert [log_in(anonymous, "duty", "wrong").status_code for _ in range(6)] == [401] * 5 + [429]
        response = log_in(anonymous, "duty")
        assert (response.status_code, response.headers["retry-after"]) == (429, "60"), "not even the right one"
        desk_clock.move(seconds=60)
        assert log_in(anonymous, "duty").status_code == 303
        assert actions(desk) == [("login failed", "duty")] * 5 + [("login", "duty")]

    def test_five_names_from_one_address(self, anonymous: TestClient) -> None:
        statuses = [log_in(anonymous, f"nobody{n}", "wrong").status_code for n in range(6)]
        assert statuses == [401] * 5 + [429]

    def test_one_name_from_many_addresses(self, desk_app: FastAPI) -> None:
        statuses = []
        for n in range(6):
            client = TestClient(
                desk_app, base_url="http://127.0.0.1:8080", client=(f"10.0.0.{n}", 1), follow_redirects=False
            )
            statuses.append(log_in(client, "Duty" if n % 2 else "duty", "wrong").status_code)
        assert statuses == [401] * 5 + [429]

    def test_a_forged_forwarded_address_is_not_believed(self, anonymous: TestClient) -> None:
        statuses = []
        for n in range(6):
            anonymous.headers["X-Forwarded-For"] = f"10.0.0.{n}"
            statuses.append(log_in(anonymous, f"nobody{n}", "wrong").status_code)
        assert statuses[-1] == 429

    def test_unknown_disabled_and_wrong_read_the_same(self, desk: Desk, anonymous: TestClient) -> None:
        change_account(desk.accounts, "viewer", disabled=True)
        tried = (("nobody", PASSWORD), ("viewer", PASSWORD), ("duty", "wrong"))
        pages = [log_in(anonymous, *who) for who in tried]
        assert {page.status_code for page in pages} == {401}
        echoes = [f'value="{name}"' for name, _ in tried]
        assert all(page.text.count(echo) == 1 for page, echo in zip(pages, echoes, strict=True))
        assert len({page.text.replace(echo, "") for page, echo in zip(pages, echoes, strict=True)}) == 1

    def test_the_name_stays_the_password_does_not(self, anonymous: TestClient) -> None:
        for _ in range(6):  # the sixth is turned away before anything is checked
            page = log_in(anonymous, "du<ty", "wrong password")
            assert 'value="du&lt;ty"' in page.text
            assert "wrong password" not in page.text.replace("wrong name or password", "")

    def test_what_was_typed_as_a_name_is_not_written_down(self, desk: Desk, anonymous: TestClient) -> None:
        log_in(anonymous, "my secret password", "x")
        assert actions(desk) == [("login failed", "(unknown)")]
        assert all("secret" not in repr(row) for row in list_audit(desk.office.ledger))

    def test_strangers_cannot_keep_a_forecaster_from_signing(
        self, desk: Desk, as_role: AsRole, anonymous: TestClient
    ) -> None:
        signer = as_role("forecaster")
        statuses = [log_in(anonymous, "forecaster", "wrong").status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        user = User("forecaster", "forecaster", csrf_of(signer))
        assert confirm_password(desk, user, PASSWORD, address="testclient")

    def test_one_session_s_failures_are_not_another_s(self, desk: Desk) -> None:
        one, other = User("forecaster", "forecaster", "1"), User("forecaster", "forecaster", "2")
        assert [confirm_password(desk, one, "wrong") for _ in range(5)] == [False] * 5
        assert confirm_password(desk, other, PASSWORD)

    def test_a_flood_of_logins_holds_up_no_page(
        self, desk: Desk, desk_app: FastAPI, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The check of a password hangs; 60 callers of as many addresses log in. More than the 40 threads there are."""
        monkeypatch.setattr(login, "BUSY_S", 0.1)
        go_on = threading.Event()
        monkeypatch.setattr(login, "matches", lambda account, password: go_on.wait(120) and False)

        def caller(n: int) -> AsyncClient:
            return AsyncClient(transport=ASGITransport(desk_app, client=(f"10.0.0.{n}", 1)), base_url=BASE)

        async def tries(n: int) -> Response:
            async with caller(n) as client:
                csrf = hash_of("form:seed")
                data = {"name": f"nobody{n}", "password": "x", "csrf": csrf}
                return await client.post("/login", data=data, headers={**ORIGIN, "Cookie": "wx_visitor=seed"})

        async def flood() -> tuple[Response, list[Response]]:
            knocking = [asyncio.create_task(tries(n)) for n in range(60)]
            try:
                async with caller(99) as client, asyncio.timeout(60):
                    while not desk.logins.locked():
                        await asyncio.sleep(0.01)
                    page = await client.get("/login")
                    while sum(task.done() for task in knocking) < 60 - HASHING_AT_ONCE:
                        await asyncio.sleep(0.01)
            finally:
                go_on.set()
            return page, await asyncio.gather(*knocking)

        page, answers = asyncio.run(flood())
        assert page.status_code == 200
        late = [answer for answer in answers if answer.status_code == 429]
        assert len(late) == 60 - HASHING_AT_ONCE
        assert {answer.headers["retry-after"] for answer in late} == {"1"}
        counted = sum(len(times) for times in desk.attempts._times.values())
        assert counted == 2 * HASHING_AT_ONCE, "who was not looked at has not failed"

    def test_nor_a_signature(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        user = User("forecaster", "forecaster", "1")
        monkeypatch.setattr(login, "BUSY_S", 0.01)

        async def busy() -> None:
            for _ in range(HASHING_AT_ONCE):
                await desk.logins.acquire()

        asyncio.run(busy())
        assert confirm_password(desk, user, PASSWORD)

    def test_too_many_signatures_at_once_come_back(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        user = User("forecaster", "forecaster", "1")
        monkeypatch.setattr(login, "BUSY_S", 0.01)
        for _ in range(HASHING_AT_ONCE):
            desk.hashing.acquire()
        for _ in range(9):
            with pytest.raises(HTTPException) as caught:
                confirm_password(desk, user, PASSWORD)
            assert caught.value.headers == {"Retry-After": "1"}, "no failure: it is not counted"
        desk.hashing.release()
        assert confirm_password(desk, user, PASSWORD)

    def test_asking_again_counts_too(self, desk: Desk, desk_clock: Clock) -> None:
        user = User("forecaster", "forecaster", "1")
        assert confirm_password(desk, user, PASSWORD)
        assert [confirm_password(desk, user, "wrong") for _ in range(5)] == [False] * 5
        with pytest.raises(HTTPException) as caught:
            confirm_password(desk, user, PASSWORD)
        assert (caught.value.status_code, caught.value.headers) == (429, {"Retry-After": "60"})
        desk_clock.time += timedelta(minutes=1)
        assert confirm_password(desk, user, PASSWORD)


class TestNext:
    @pytest.mark.parametrize("path", ["/", "/drafts/x?y=1&z=%2F", "/warnings#a"])
    def test_ours(self, path: str) -> None:
        assert safe_path(path) == path

    @pytest.mark.parametrize(
        "path",
        ["", "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "/\t/evil",
         "///evil", "http:evil", "/login?next=/login", "/a\r\nSet-Cookie: x=y", "//[", "evil.example"],
    )  # fmt: skip
    def test_elsewhere(self, path: str) -> None:
        assert safe_path(path) == "/"

    def test_a_page_leads_to_the_login_and_back(self, anonymous: TestClient) -> None:
        location = anonymous.get("/audit?before=3").headers["location"]
        assert location == "/login?next=%2Faudit%3Fbefore%3D3"
        assert 'value="/audit?before=3"' in anonymous.get(location).text
        assert log_in(anonymous, "duty", next="/audit?before=3").headers["location"] == "/audit?before=3"
        assert log_in(anonymous, "duty", next="//evil.example").headers["location"] == "/"

    def test_programs_are_told_401(self, anonymous: TestClient) -> None:
        response = anonymous.get("/audit", headers={"Accept": "application/json"})
        assert response.status_code == 401
        assert response.json()["error"] == "log in first"
