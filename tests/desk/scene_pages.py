"""A desk over a made-up region: drafts of two hazards, made by `wxcore.warning.draft` and entered like a cycle's."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from fastapi.testclient import TestClient
from lxml import html

from tests.warning.scene import WHEN, chance, region, storm, tables
from wxcore.desk.accounts import ROLES, add_account
from wxcore.desk.app import create_app
from wxcore.desk.state import Desk
from wxcore.landing.ledger import Draft
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.warnings import enter_drafts
from wxcore.pipeline.home import Home
from wxcore.pipeline.issue import Office, Policy, open_office
from wxcore.warning.draft import draft
from wxcore.warning.model import Warning, to_dict

PASSWORD = "correct horse 3 a.m."
NOW = WHEN + timedelta(minutes=2)
ORIGIN = "http://127.0.0.1"


@dataclass
class Clock:
    """A clock that stands until it is set."""

    time: datetime = NOW

    def __call__(self) -> datetime:
        return self.time


@dataclass(frozen=True)
class Scene:
    """A desk, its clock, and its drafts by (hazard, level)."""

    desk: Desk
    clock: Clock
    drafts: dict[tuple[str, str], Warning]

    @property
    def office(self) -> Office:
        return self.desk.office


def make_drafts(*, mesh: float = 44.0, when: datetime = WHEN, **over: object) -> list[Warning]:
    storms, chances = tables(
        [storm(mesh_mm=mesh)],
        [chance("s1", "hail", 0.8), chance("s1", "gale", 0.7), chance("s1", "thunderstorm", 0.9)],
    )
    return [replace(found, **over) for found in draft(storms, chances, region(), when=when)]


def enter(office: Office, drafts: list[Warning], time: datetime = WHEN) -> None:
    rows = [Draft(one.id, one.hazard, one.level, to_dict(one)) for one in drafts]
    with writing(office.ledger) as transaction:
        enter_drafts(transaction, office.region.id, time, rows)


def make_scene(root: Path, drafts: list[Warning] | None = None, policy: Policy | None = None) -> Scene:
    office = open_office(Home(root / "home"), region(), policy or Policy())
    found = make_drafts() if drafts is None else drafts
    enter(office, found)
    accounts = root / "accounts.json"
    for role in ROLES:
        add_account(accounts, f"{role}1", role, PASSWORD)
    clock = Clock()
    desk = Desk(office, accounts, clock, lang="zh")
    return Scene(desk, clock, {(one.hazard, one.level): one for one in found})


def client(scene: Scene, role: str = "") -> TestClient:
    """A browser, logged in as the account of this role."""
    found = TestClient(create_app(scene.desk), base_url=ORIGIN, headers={"Origin": ORIGIN}, follow_redirects=True)
    if role:
        page = found.get("/login")
        answer = found.post(
            "/login", data={"csrf": csrf_of(page.text), "name": f"{role}1", "password": PASSWORD, "next": "/drafts"}
        )
        assert answer.status_code == 200, answer.text
    return found


def csrf_of(page: str) -> str:
    return html.fromstring(page).xpath("//input[@name='csrf']/@value")[0]


def post(browser: TestClient, page: str, path: str, **fields: object):
    """Send the form of a page: its token, its digest where it has one, and these fields."""
    tree = html.fromstring(browser.get(page).text)
    data = {"csrf": tree.xpath("//input[@name='csrf']/@value")[0]}
    digest = tree.xpath("//input[@name='digest']/@value")
    if digest:
        data["digest"] = digest[0]
    return browser.post(path, data={**data, **fields})


def sign(browser: TestClient, name: str):
    return post(browser, f"/drafts/{name}", f"/drafts/{name}/sign", password=PASSWORD)


def release(browser: TestClient, *names: str, **fields: object):
    return post(browser, f"/drafts/{names[0]}", "/drafts/release", ids=list(names), **{"password": PASSWORD, **fields})


def released(browser: TestClient, scene: Scene, hazard: str = "hail") -> str:
    """Sign and release the draft of a hazard; the identifier of its message."""
    name = next(one.id for (found, _), one in scene.drafts.items() if found == hazard)
    assert sign(browser, name).status_code == 200
    answer = release(browser, name, confirm="红色")
    assert answer.status_code == 200, text_of(answer.text)
    return answer.url.path.removeprefix("/warnings/")


def text_of(page: str) -> str:
    main = html.fromstring(page).xpath("//main")[0]
    return re.sub(r"\s+", " ", main.text_content())
