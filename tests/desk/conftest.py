"""A desk with an empty home, a clock that can be moved, and clients logged in as each role."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from wxcore.desk import accounts
from wxcore.desk.app import create_app
from wxcore.desk.state import Desk
from wxcore.pipeline.home import Home
from wxcore.pipeline.issue import Office, Policy, open_office
from wxcore.region import Region

BASE = "http://127.0.0.1:8080"
ORIGIN = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
START = datetime(2025, 6, 9, 6, 0, tzinfo=UTC)
PASSWORD = "correct horse battery 1"
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    time: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.time

    def move(self, **by: float) -> None:
        self.time += timedelta(**by)


@pytest.fixture(scope="session", autouse=True)
def cheap_hashes() -> Iterator[None]:
    """Argon2id with little work, so that a test is not 64 MiB and 50 ms a login."""
    real, accounts.HASHER = accounts.HASHER, CHEAP
    yield
    accounts.HASHER = real


@pytest.fixture
def desk_clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def made_home(tmp_path_factory: pytest.TempPathFactory, cheap_hashes: None) -> Path:
    """An empty home with one account a role: its name is the role, its password PASSWORD. Made once, then copied."""
    root = tmp_path_factory.mktemp("desk") / "home"
    Home(root).ledger()
    for role in accounts.ROLES:
        accounts.add_account(root / accounts.ACCOUNTS_FILE, role, role, PASSWORD)
    return root


@pytest.fixture
def office(made_home: Path, tmp_path: Path, chongqing: Region) -> Office:
    return open_office(Home(Path(shutil.copytree(made_home, tmp_path / "home"))), chongqing, Policy())


@pytest.fixture
def desk(office: Office, desk_clock: Clock) -> Desk:
    """A desk with one account a role."""
    return Desk(office, office.home.root / accounts.ACCOUNTS_FILE, desk_clock, "en")


@pytest.fixture
def desk_app(desk: Desk) -> FastAPI:
    return create_app(desk)


@pytest.fixture
def anonymous(desk_app: FastAPI) -> TestClient:
    """Somebody who is not logged in."""
    return client_of(desk_app)


@pytest.fixture
def as_role(desk_app: FastAPI) -> Callable[[str], TestClient]:
    """A new client that is logged in as this role."""

    def logged_in(role: str) -> TestClient:
        client = client_of(desk_app)
        assert log_in(client, role).status_code == 303
        return client

    return logged_in


def client_of(app: FastAPI, base: str = BASE) -> TestClient:
    return TestClient(app, base_url=base, follow_redirects=False, raise_server_exceptions=False)


def log_in(client: TestClient, name: str, password: str = PASSWORD, **more: str) -> Response:
    data = {"name": name, "password": password, "csrf": csrf_of(client, "/login"), **more}
    return client.post("/login", data=data, headers=ORIGIN)


def csrf_of(client: TestClient, path: str = "/me") -> str:
    """The token of the forms on this page."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found, f"no form on {path}"
    return found[1]


def post(client: TestClient, path: str, data: dict[str, Any] | None = None, *, page: str = "/me") -> Response:
    """Post a form as a browser would from a page of ours."""
    return client.post(path, data={**(data or {}), "csrf": csrf_of(client, page)}, headers=ORIGIN)
