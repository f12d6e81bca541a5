"""An office of the made-up region, with two people on the municipal post and one in a district; drafts at will."""

import json
import shutil
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from tests.warning import scene
from wxcore.landing.ledger import Actor, Draft, list_outbox
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.warnings import enter_drafts
from wxcore.pipeline.home import Home
from wxcore.pipeline.issue import Office, Policy, digest_of, open_office, sign
from wxcore.pipeline.issue_office import draft_row
from wxcore.region import Region
from wxcore.warning.contacts import Contacts, Person
from wxcore.warning.deliver.channels import Channel
from wxcore.warning.draft import draft
from wxcore.warning.level import Rulebook, rulebook
from wxcore.warning.lifecycle import Edit, edited
from wxcore.warning.model import Warning, to_dict

WHEN = scene.WHEN
REGION = scene.region()
BOOK: Rulebook = rulebook(REGION.rules)
LI, WANG = Actor("li", "forecaster"), Actor("wang", "forecaster")
D1, D2, D3 = "500101", "500102", "500103"
PEOPLE = (
    Person("a", "甲某", "municipal", "500000", 1, "sms", "10086"),
    Person("b", "乙某", "municipal", "500000", 2, "sms", "10010"),
    Person("c", "丙某", "district", D1, 1, "sms", "10000"),
)
CONTACTS = Contacts((Channel("sms", "webhook", {"url": "http://127.0.0.1:1/", "everyone": False}),), PEOPLE)


@cache
def prototype(hazard: str = "hail") -> Warning:
    """A machine draft of district 1, of the highest level: p 0.9."""
    found = draft(
        *scene.tables([scene.storm()], [scene.chance("s1", hazard, 0.9)]),
        REGION,
        when=WHEN,
    )
    return next(warning for warning in found if warning.hazard == hazard and D1 in warning.adcodes)


@cache
def shape(hazard: str, level: str, adcodes: tuple[str, ...]) -> Warning:
    """The prototype at a level and with districts."""
    found = prototype(hazard)
    edit = Edit(level=None if level == found.level else level, adcodes=None if adcodes == found.adcodes else adcodes)
    return found if edit == Edit() else edited(found, edit, BOOK, id="shape", now=WHEN, region=REGION)


def machine_draft(hazard: str, level: str, adcodes: tuple[str, ...], cycle: datetime, number: int = 1) -> Warning:
    """A draft of the machine of this cycle."""
    found, later = shape(hazard, level, adcodes), cycle - WHEN
    return replace(
        found,
        id=f"wx-testland-{cycle:%Y%m%dT%H%MZ}-{hazard}-{level}-{number}",
        cycle=cycle, sent=cycle, effective=cycle, onset=max(cycle, found.onset + later), expires=found.expires + later,
    )  # fmt: skip


def enter(office: Office, *drafts: Warning) -> tuple[str, ...]:
    """Enter drafts as a cycle does; their ids."""
    for one in drafts:
        with writing(office.ledger) as transaction:
            rows = [Draft(one.id, one.hazard, one.level, to_dict(one))]
            enter_drafts(transaction, office.region.id, one.cycle, rows)
    return tuple(one.id for one in drafts)


@cache
def _empty() -> Path:
    """A home with an empty ledger: copied, for a new one takes a third of a second."""
    root = Path(tempfile.mkdtemp(prefix="wxcore-office-"))
    Home(root).ledger().engine.dispose()
    return root


def empty_ledger(path: Path) -> None:
    """Put an empty ledger there."""
    shutil.copyfile(_empty() / "ledger.sqlite", path)


def new_office(root: Path, policy: Policy | None = None, region: Region = REGION) -> Office:
    """An office in an empty home."""
    shutil.copytree(_empty(), root, dirs_exist_ok=True)
    return reopen(root, policy, region)


def reopen(root: Path, policy: Policy | None = None, region: Region = REGION) -> Office:
    """The office of a home that is there."""
    return replace(open_office(Home(root), region, policy or Policy()), contacts=CONTACTS)


def tokens(office: Office) -> list[str]:
    """Tokens of all acknowledgement links that were sent, in their order."""
    links = [json.loads(row.payload).get("link", "") for row in list_outbox(office.ledger)]
    return [link.rsplit("/", 1)[1] for link in links if link]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def signed(
    office: Office,
    *places: str,
    level: str = "red",
    hazard: str = "hail",
    now: datetime = WHEN + timedelta(minutes=2),
    number: int = 1,
) -> str:
    """Id of a machine draft of 2 min before `now`, signed by li."""
    (name,) = enter(office, machine_draft(hazard, level, places, now - minutes(2), number))
    sign(office, LI, name, digest_of(draft_row(office, name)), now=now)
    return name
