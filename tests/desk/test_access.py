"""Who may do what: every route of the running desk against an explicit table (RELIABILITY.md C1)."""

import re
from collections.abc import Callable, Iterator

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse, Response

from tests.desk.conftest import ORIGIN, client_of, csrf_of, log_in
from wxcore.desk.access import ROLES, permit_of, permits, require_permits
from wxcore.desk.shield import SAFE_METHODS, Shield
from wxcore.desk.state import Desk
from wxcore.errors import AccessError

NOBODY = "none"
SEE = set(ROLES)
PUBLIC = {NOBODY, *ROLES}
ACT = {"forecaster"}
ANSWER = {"duty", "forecaster"}
KEEP_ACCOUNTS = {"admin"}
LOOK_BACK = {"duty", "forecaster", "admin"}

TABLE: dict[tuple[str, str], set[str]] = {
    ("GET", "/login"): PUBLIC, ("POST", "/login"): PUBLIC, ("POST", "/logout"): SEE,
    ("GET", "/me"): SEE, ("POST", "/me/password"): SEE,
    ("GET", "/admin"): KEEP_ACCOUNTS, ("POST", "/admin/users"): KEEP_ACCOUNTS,
    ("POST", "/admin/users/{name}/disable"): KEEP_ACCOUNTS, ("POST", "/admin/users/{name}/enable"): KEEP_ACCOUNTS,
    ("POST", "/admin/users/{name}/role"): KEEP_ACCOUNTS, ("POST", "/admin/users/{name}/password"): KEEP_ACCOUNTS,
    ("GET", "/audit"): LOOK_BACK, ("POST", "/audit/verify"): LOOK_BACK,
    ("GET", "/feed.atom"): PUBLIC, ("HEAD", "/feed.atom"): PUBLIC, ("GET", "/feed.rss"): PUBLIC,
    ("HEAD", "/feed.rss"): PUBLIC, ("GET", "/cap/{identifier}.xml"): PUBLIC, ("HEAD", "/cap/{identifier}.xml"): PUBLIC,
    ("GET", "/status"): PUBLIC, ("GET", "/status.json"): PUBLIC,
    ("GET", "/"): SEE, ("GET", "/api/frames"): SEE, ("GET", "/api/districts"): SEE, ("GET", "/api/frame/{time}"): SEE,
    ("GET", "/layer/{name}/{time}.png"): SEE, ("GET", "/api/storm/{storm_id}"): SEE, ("GET", "/events"): SEE,
    ("GET", "/drafts"): SEE, ("GET", "/drafts/release"): SEE, ("GET", "/drafts/{id}"): SEE,
    ("POST", "/drafts/release"): ACT, ("POST", "/drafts/{id}/edit"): ACT, ("POST", "/drafts/{id}/review"): ACT,
    ("POST", "/drafts/{id}/reject"): ACT, ("POST", "/drafts/{id}/sign"): ACT, ("POST", "/drafts/{id}/reopen"): ACT,
    ("GET", "/warnings"): SEE, ("GET", "/warnings/{identifier}"): SEE, ("GET", "/warnings/{identifier}/{form}"): SEE,
    ("POST", "/warnings/{identifier}/update"): ACT, ("POST", "/warnings/{identifier}/cancel"): ACT,
    ("GET", "/m"): SEE, ("GET", "/m/{identifier}"): SEE, ("POST", "/m/{identifier}/ack"): ANSWER,
    ("GET", "/callouts"): SEE, ("POST", "/callouts/{key}/ack"): ANSWER, ("GET", "/outbox"): SEE,
    ("GET", "/a/{token}"): PUBLIC, ("POST", "/a/{token}"): PUBLIC,
}  # fmt: skip
"""Method and path -> who may. A route that is not here fails: decide, then enter it."""


MAY = {(method, re.sub(r"\{\w+\}", "{}", path)): who for (method, path), who in TABLE.items()}


def may(method: str, route: APIRoute) -> set[str]:
    return MAY[key_of(method, route)]


def key_of(method: str, route: APIRoute) -> tuple[str, str]:
    """As in the table, whatever the parameters are called."""
    return method, re.sub(r"\{[^}]+\}", "{}", route.path)


def routes(app: FastAPI) -> list[tuple[str, APIRoute]]:
    return [(method, route) for route in app.routes if isinstance(route, APIRoute) for method in sorted(route.methods)]


def path_of(route: APIRoute) -> str:
    return re.sub(r"\{[^}]+\}", "x", route.path)


def send(client: TestClient, method: str, path: str, csrf: str) -> Response:
    headers = ORIGIN if method not in SAFE_METHODS else {}
    return client.request(method, path, data={"csrf": csrf} if method not in SAFE_METHODS else None, headers=headers)


def is_refused(response: Response) -> bool:
    at_login = response.status_code == 303 and response.headers["location"].startswith("/login")
    return response.status_code in {401, 403} or at_login


@pytest.fixture
def clients(desk_app: FastAPI) -> dict[str, TestClient]:
    """By role, and NOBODY."""
    found = {who: client_of(desk_app) for who in (NOBODY, *ROLES)}
    for role in ROLES:
        assert log_in(found[role], role).status_code == 303
    return found


@pytest.fixture
def hollow(desk_app: FastAPI, desk: Desk) -> FastAPI:
    """The desk's own routes and permissions; behind each only the word "in"."""

    def inside() -> Response:
        return PlainTextResponse("in")

    app = FastAPI(openapi_url=None)
    app.state.desk = desk
    for route in [item for item in desk_app.routes if isinstance(item, APIRoute)]:
        app.add_api_route(route.path, inside, methods=list(route.methods), dependencies=route.dependencies)
    app.add_middleware(Shield, desk=desk)
    return app


class TestMatrix:
    def test_the_table_names_every_route_and_no_other(self, desk_app: FastAPI) -> None:
        found = {key_of(method, route) for method, route in routes(desk_app)}
        assert found == set(MAY)

    def test_every_cell(self, hollow: FastAPI, clients: dict[str, TestClient]) -> None:
        wrong, cells = [], 0
        for who, real in clients.items():
            client = client_of(hollow)
            csrf = csrf_of(real, "/login" if who == NOBODY else "/me")
            client.cookies = real.cookies
            for method, route in routes(hollow):
                response = send(client, method, path_of(route), csrf)
                passed = response.status_code == 200
                assert passed or response.status_code == (401 if who == NOBODY else 403)
                cells += 1
                if passed != (who in may(method, route)):
                    wrong.append((who, method, route.path, response.status_code))
        assert wrong == []
        assert cells == len(TABLE) * 6

    def test_the_real_desk_refuses_where_the_table_does(
        self, desk_app: FastAPI, clients: dict[str, TestClient]
    ) -> None:
        for who, client in clients.items():
            csrf = csrf_of(client, "/login" if who == NOBODY else "/me")
            for method, route in routes(desk_app):
                if who not in may(method, route):
                    assert is_refused(send(client, method, path_of(route), csrf)), (who, method, route.path)

    def test_admin_neither_signs_nor_releases_and_viewers_change_nothing(self) -> None:
        own = {"/logout", "/me/password", "/login", "/a/{token}"}
        for (method, path), who in TABLE.items():
            if method == "POST" and path not in own:
                assert not who & {"viewer", "modeller", NOBODY}, path
                assert "admin" not in who or path.startswith(("/admin/", "/audit/")), path


class TestActsAskedForWithGet:
    """A reload or a link after a refusal asks for an act with GET: it leads to the act's page, and permits no more."""

    def test_each_leads_to_a_page_of_the_table(self, desk_app: FastAPI, clients: dict[str, TestClient]) -> None:
        pages = {path for method, path in MAY if method == "GET"}
        acts = [route for method, route in routes(desk_app) if method == "POST"]
        lonely = [route for route in acts if re.sub(r"\{[^}]+\}", "{}", route.path) not in pages]
        assert len(lonely) >= 15
        for who, client in clients.items():
            for route in lonely:
                answer = client.get(path_of(route), headers={"Accept": "text/html"})
                assert answer.status_code == 303, (who, route.path)
                target = answer.headers["location"]
                if target.startswith("/login?next="):  # a GET of the table of another form, behind the same permission
                    assert who == NOBODY
                    continue
                assert target in {re.sub(r"\{\}", "x", page) for page in pages}, (who, route.path)
                assert path_of(route).startswith(target)
                last = client.get(target)
                shown = next(page for page in pages if re.sub(r"\{\}", "x", page) == target)
                assert is_refused(last) == (who not in MAY["GET", shown]), (who, route.path)

    def test_programs_are_told_405(self, clients: dict[str, TestClient]) -> None:
        answer = clients["forecaster"].get("/drafts/x/edit", headers={"Accept": "application/json"})
        assert answer.status_code == 405


def attacks(csrf: str) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    yield "no token", {}, ORIGIN
    yield "wrong token", {"csrf": "0" * 43}, ORIGIN
    yield "token not ASCII", {"csrf": "证"}, ORIGIN
    yield "foreign origin", {"csrf": csrf}, {"Origin": "https://evil.example"}
    yield "null origin", {"csrf": csrf}, {"Origin": "null"}
    yield "other port", {"csrf": csrf}, {"Origin": "http://127.0.0.1:9999"}
    yield "our name in front", {"csrf": csrf}, {"Origin": "http://127.0.0.1:8080.evil.example"}
    yield "cross-site", {"csrf": csrf}, {**ORIGIN, "Sec-Fetch-Site": "cross-site"}
    yield "same-site", {"csrf": csrf}, {**ORIGIN, "Sec-Fetch-Site": "same-site"}
    yield "neither header", {"csrf": csrf}, {}


class TestCrossSite:
    def test_every_unsafe_route_refuses_every_attack(self, desk_app: FastAPI, clients: dict[str, TestClient]) -> None:
        unsafe = [(method, route) for method, route in routes(desk_app) if method not in SAFE_METHODS]
        assert len(unsafe) >= 8
        for method, route in unsafe:
            who = min(may(method, route) - {NOBODY}, key=lambda role: role != "forecaster")
            client = clients[who]
            for name, data, headers in attacks(csrf_of(client)):
                response = client.request(method, path_of(route), data=data, headers=headers)
                assert response.status_code == 403, (name, method, route.path)

    def test_another_session_s_token_is_refused(self, clients: dict[str, TestClient]) -> None:
        csrf = csrf_of(clients["forecaster"])
        assert clients["admin"].post("/logout", data={"csrf": csrf}, headers=ORIGIN).status_code == 403

    def test_token_in_the_header_is_enough(self, clients: dict[str, TestClient]) -> None:
        headers = {**ORIGIN, "X-CSRF-Token": csrf_of(clients["duty"])}
        assert clients["duty"].post("/logout", headers=headers).status_code == 303

    def test_visitors_tokens_are_their_own(self, desk_app: FastAPI) -> None:
        one, other = client_of(desk_app), client_of(desk_app)
        data = {"name": "duty", "password": "x", "csrf": csrf_of(one, "/login")}
        csrf_of(other, "/login")
        assert other.post("/login", data=data, headers=ORIGIN).status_code == 403
        assert one.post("/login", data=data, headers=ORIGIN).status_code == 401


class TestPermits:
    @pytest.mark.parametrize(("roles", "public"), [((), False), (("root",), False), (("viewer",), True)])
    def test_says_exactly_who(self, roles: tuple[str, ...], public: bool) -> None:
        with pytest.raises(AccessError, match="permits"):
            permits(*roles, public=public)

    @pytest.mark.parametrize("dependencies", [[], [Depends(lambda: None)], [permits("duty"), permits(public=True)]])
    def test_a_route_that_does_not_keeps_the_desk_from_starting(self, dependencies: list[object]) -> None:
        router = APIRouter()
        router.add_api_route("/secret", lambda: "x", dependencies=dependencies)  # type: ignore[arg-type]
        with pytest.raises(AccessError, match="/secret"):
            require_permits(router.routes)

    def test_hidden_routes_are_seen(self) -> None:
        app, router = FastAPI(openapi_url=None), APIRouter()
        router.add_api_route("/secret", lambda: "x")
        app.include_router(router)
        with pytest.raises(AccessError):
            require_permits(app.routes)

    def test_docs_are_off(self, as_role: Callable[[str], TestClient]) -> None:
        client = as_role("admin")
        assert [client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404] * 3

    def test_every_route_of_the_desk_has_one(self, desk_app: FastAPI) -> None:
        assert all(permit_of(route) is not None for _, route in routes(desk_app))
