"""Headers, host names, large requests, and what people type coming back as text (RELIABILITY.md C2, C10)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.testclient import TestClient

from tests.desk.conftest import ORIGIN, client_of, csrf_of, log_in, post
from wxcore.desk import accounts, app
from wxcore.desk.access import ROLES, permits
from wxcore.desk.accounts import OWNER_ONLY, Account, find_account
from wxcore.desk.app import create_app
from wxcore.desk.render import STATIC, TEMPLATES, bjt, environment, utc
from wxcore.desk.shield import LARGEST_BODY, host_of
from wxcore.desk.state import Desk
from wxcore.errors import IssueError, TimeError
from wxcore.landing.ledger import Actor, record_act

AsRole = Callable[[str], TestClient]
ATTACKS = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>",
    "</title><script>x</script>", "<iframe src=javascript:alert(1)>", "<body onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>", "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<style>@import'//evil'</style>", "<!--<img src='-->'>",
)  # fmt: skip
AROUND = (("", ""), ("\"'>", ""), ("' autofocus onfocus=alert(1) x='", ""), ("</textarea>", "{{7*7}}"), ("]]>", "%00"))
XSS = tuple(f"{before}{attack}{after}" for attack in ATTACKS for before, after in AROUND)
"""50 payloads: out of text, of attributes in both quotes, of a textarea, of CDATA, into a template."""


def pages(client: TestClient) -> Iterator[str]:
    for path in ("/", "/me", "/admin", "/audit", "/drafts", "/warnings", "/status", "/m", "/nothing/here"):
        yield client.get(path).text


class TestHeaders:
    def test_every_page_of_every_kind(self, desk_app: FastAPI, as_role: AsRole, anonymous: TestClient) -> None:
        admin = as_role("admin")
        answers = [
            anonymous.get("/login"), anonymous.get("/admin"), anonymous.get("/nothing"), anonymous.get("/status"),
            anonymous.get("/static/desk.css"), anonymous.get("/feed.atom"), anonymous.post("/login"),
            admin.get("/admin"), admin.delete("/admin"), admin.get("/audit?before=x"),
            client_of(desk_app, "http://evil.example").get("/"),
        ]  # fmt: skip
        assert [answer.status_code for answer in answers] == [200, 303, 404, 200, 200, 200, 403, 200, 405, 422, 400]
        for answer in answers:
            policy = answer.headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "*" not in policy
            for part in ("default-src 'self'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
                         "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):  # fmt: skip
                assert part in policy.split("; ")
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert not any(name.startswith("access-control-") for name in answer.headers)
            assert "server" not in answer.headers

    def test_pages_are_not_kept(self, as_role: AsRole) -> None:
        client = as_role("admin")
        assert all(client.get(path).headers["cache-control"] == "no-store" for path in ("/me", "/admin", "/audit"))

    def test_no_preflight_is_answered(self, as_role: AsRole) -> None:
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        response = as_role("admin").options("/admin/users", headers=headers)
        assert response.status_code == 405
        assert "access-control-allow-origin" not in response.headers

    def test_nothing_inline_in_any_template(self) -> None:
        bad = re.compile(r"<style|\sstyle\s*=|\son[a-z]+\s*=|javascript:|<script(?![^>]*\ssrc=)|https?://|\|\s*safe\b")
        found = {path.name: bad.findall(path.read_text()) for path in TEMPLATES.glob("*.html")}
        assert {name: hits for name, hits in found.items() if hits} == {}

    def test_no_script_writes_markup_or_calls_out(self) -> None:
        bad = re.compile(
            r"(?:inner|outer)HTML\s*=[^=]|insertAdjacentHTML|document\.write|\beval\(|new Function|https?://(?!www\.w3\.org)"
        )
        found = {path.name: bad.findall(path.read_text()) for path in Path(STATIC).glob("*.js")}
        assert {name: hits for name, hits in found.items() if hits} == {}


class TestHosts:
    def test_ours(self, desk: Desk) -> None:
        client = client_of(create_app(replace(desk, hosts=("desk.example",))))
        for host in ("127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "Desk.Example:443"):
            assert client.get("/login", headers={"Host": host}).status_code == 200, host

    def test_rebound_names_are_refused(self, anonymous: TestClient) -> None:
        for host in ("evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example", "0.0.0.0", "[::1",
                     "localhost.", "desk.example"):  # fmt: skip
            response = anonymous.get("/login", headers={"Host": host})
            assert response.status_code == 400, host
            assert "--name" in response.json()["error"]

    @pytest.mark.parametrize(
        ("header", "host"), [("a:80", "a"), ("[::1]:80", "[::1]"), ("u@a", "a"), ("", ""), ("[", "")]
    )  # fmt: skip
    def test_host_of(self, header: str, host: str) -> None:
        assert host_of(header) == host


class TestBodies:
    def test_what_is_too_large(self, anonymous: TestClient) -> None:
        answer = anonymous.post("/login", content=b"x" * (LARGEST_BODY + 1), headers=ORIGIN)
        assert answer.status_code == 413

    def test_without_a_length_too(self, anonymous: TestClient) -> None:
        def pieces() -> Iterator[bytes]:
            for _ in range(300):
                yield b"x" * 1024

        assert anonymous.post("/login", content=pieces(), headers=ORIGIN).status_code == 413

    @pytest.mark.parametrize("length", ["-1", "1e9", "x", "９"])
    def test_lengths_that_are_none(self, anonymous: TestClient, length: str) -> None:
        headers = {**ORIGIN, "Content-Length": length.encode()}
        assert anonymous.post("/login", headers=headers).status_code == 413  # type: ignore[arg-type]

    def test_just_small_enough(self, anonymous: TestClient) -> None:
        data = {"csrf": csrf_of(anonymous, "/login"), "name": "x" * 200_000}
        assert anonymous.post("/login", data=data, headers=ORIGIN).status_code == 401


class TestErrors:
    @pytest.fixture
    def broken(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> TestClient:
        class Broken:
            router = APIRouter()

        def crash() -> None:
            raise ZeroDivisionError("secret detail of ours")

        def refuse() -> None:
            raise IssueError("draft x was changed meanwhile", "草稿 x 已被更改")

        def tea() -> None:
            raise HTTPException(418)

        for path, handler in (("/crash", crash), ("/api/crash", crash), ("/refuse", refuse), ("/tea", tea)):
            Broken.router.add_api_route(path, handler, dependencies=[permits(*ROLES)])
        monkeypatch.setattr(app, "ROUTERS", (*app.ROUTERS, Broken))
        client = client_of(create_app(desk))
        log_in(client, "duty")
        return client

    @pytest.mark.parametrize("path", ["/crash", "/api/crash"])
    def test_a_crash_tells_nothing(self, broken: TestClient, path: str) -> None:
        answer = broken.get(path)
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert "内部错误" in answer.text
        assert "content-security-policy" in answer.headers

    def test_a_refusal_is_told_in_both_languages(self, broken: TestClient) -> None:
        answer = broken.get("/refuse")
        assert answer.status_code == 409
        assert "draft x was changed meanwhile" in answer.text
        assert "草稿 x 已被更改" in answer.text
        as_json = broken.get("/refuse", headers={"Accept": "application/json"}).json()
        assert as_json["error_zh"] == "草稿 x 已被更改"

    def test_codes_without_words_have_a_page_too(self, broken: TestClient) -> None:
        assert broken.get("/tea").status_code == 418

    @pytest.mark.parametrize("before", ["-1", str(2**63), str(10**20), str(10**400)])
    def test_numbers_that_no_ledger_holds(self, as_role: AsRole, before: str) -> None:
        client = as_role("duty")
        assert client.get(f"/audit?before={before}").status_code == 422
        assert client.get(f"/audit?before={2**63 - 1}").status_code == 200

    def test_broken_parameters(self, as_role: AsRole) -> None:
        answer = as_role("duty").get("/audit?before=<script>")
        assert answer.status_code == 422
        assert "<script>" not in answer.text


class TestEscaping:
    @pytest.fixture
    def hostile(self, desk: Desk, as_role: AsRole) -> TestClient:
        """An admin's client at a desk whose names, reasons and audit hold all payloads (put there past the checks)."""
        client = as_role("admin")
        some = find_account(desk.accounts, "admin")
        assert some is not None
        odd = [Account(payload, payload, some.hash, payload) for payload in XSS]
        accounts._change(desk.accounts, lambda known: (*known, *odd))
        record_act(
            desk.office.ledger, Actor("a", "b"), "x", "y", now=desk.now(), reason="\n".join(XSS), detail={"z": XSS}
        )
        assert desk.accounts.stat().st_mode & 0o777 == OWNER_ONLY
        return client

    def test_fifty_payloads(self) -> None:
        assert len(set(XSS)) == 50

    def test_stored(self, hostile: TestClient) -> None:
        for page in pages(hostile):
            assert not any(payload in page for payload in XSS if "<" in payload)
            assert "49%00" not in page
            assert not re.search(r"<(img src=x|svg/|iframe|math|script(?! (type=.module. )?src=./static/))", page)
        shown = unescape(hostile.get("/admin").text)
        assert all(payload in shown for payload in XSS), "they are shown, as text"

    def test_reflected(self, anonymous: TestClient) -> None:
        for payload in XSS:
            answers = [
                anonymous.get("/login", params={"next": payload, "lang": payload}),
                anonymous.get("/nothing", params={"x": payload}),
                anonymous.get(f"/cap/{payload.replace('/', '')}.xml"),
            ]
            for answer in answers:
                assert payload not in answer.text
                assert not re.search(r"<(img|svg|iframe|math|script)", answer.text)


class TestPages:
    def test_language(self, anonymous: TestClient) -> None:
        assert "Log in" in anonymous.get("/login").text
        page = anonymous.get("/login?lang=zh")
        assert '<html lang="zh-CN">' in page.text
        assert "测试" in page.text
        assert "登录" in anonymous.get("/login").text, "kept in a cookie"
        assert 'lang="en"' in anonymous.get("/login", headers={"Cookie": "wx_lang=<script>"}).text

    @pytest.mark.parametrize(("status", "word"), [("Test", "TEST"), ("Exercise", "EXERCISE")])
    def test_banner(self, desk: Desk, status: str, word: str) -> None:
        office = replace(desk.office, policy=replace(desk.office.policy, status=status))
        page = client_of(create_app(replace(desk, office=office))).get("/login").text
        assert f"<strong>{word}" in page

    def test_no_banner_in_earnest(self, desk: Desk) -> None:
        policy = replace(desk.office.policy, status="Actual", actual_allowed=True)
        page = client_of(create_app(replace(desk, office=replace(desk.office, policy=policy)))).get("/login").text
        assert "banner" not in page

    def test_menus_by_role(self, as_role: AsRole) -> None:
        seen = {role: set(re.findall(r'<li><a href="(/[a-z]*)"', as_role(role).get("/me").text)) for role in ROLES}
        assert "/admin" in seen["admin"]
        assert not any("/admin" in seen[role] for role in ROLES if role != "admin")
        assert "/audit" not in seen["viewer"] | seen["modeller"]

    def test_get_changes_nothing(self, desk: Desk, as_role: AsRole) -> None:
        client = as_role("admin")
        for path, page in (
            ("/logout", "/"), ("/admin/users", "/admin"), ("/admin/users/duty/disable", "/admin"),
            ("/audit/verify", "/audit"), ("/warnings/x/update?lang=en", "/warnings/x?lang=en"),
        ):  # fmt: skip
            answer = client.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, page)
            as_program = client.get(path, headers={"Accept": "application/json"})
            assert as_program.status_code in {404, 405}
        account = find_account(desk.accounts, "duty")
        assert account is not None
        assert not account.disabled
        assert post(client, "/logout").status_code == 303

    def test_times(self) -> None:
        time = datetime(2025, 6, 9, 17, 30, 5, tzinfo=UTC)
        assert (bjt(time), utc(time), bjt(None)) == ("06-10 01:30", "2025-06-09T17:30:05Z", "–")
        for show in (bjt, utc):
            with pytest.raises(TimeError):
                show(time.replace(tzinfo=None))

    def test_templates_escape(self) -> None:
        assert environment().from_string("{{ x }}").render(x="<b>'\"") == "&lt;b&gt;&#39;&#34;"
