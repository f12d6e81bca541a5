"""The phone page: all seven answers, light, acknowledged by button and by link; call-outs."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from lxml import html
from sqlalchemy import insert

from tests.desk.scene_pages import client, make_scene, post, release, released, sign, text_of
from wxcore.desk.render import STATIC
from wxcore.landing.ledger import find_message, list_audit, list_callouts, list_outbox
from wxcore.landing.ledger.callouts import add_callouts
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.issue_tables import MESSAGES
from wxcore.pipeline.issue import Policy, record_of

LIGHT = 200_000
"""Bytes of a phone page with all that it loads (issue 9)."""

DELIVERY = """
[[channel]]
id = "mail"
kind = "mail"
host = "127.0.0.1"
port = 25
sender = "wx@example.org"

[[person]]
id = "duty1"
name = "王值班"
tier = "municipal"
area = "500000"
rank = 1
channel = "mail"
address = "wang@example.org"
"""


@pytest.fixture
def scene(tmp_path):
    (tmp_path / "delivery.toml").write_text(DELIVERY, encoding="utf-8")
    return make_scene(tmp_path, policy=Policy(delivery_file=tmp_path / "delivery.toml"))


def _token(scene, identifier):
    found = [re.search(r'/a/([\w-]+)"', row.payload) for row in list_outbox(scene.office.ledger, identifier=identifier)]
    return next(match[1] for match in found if match)


def test_all_seven_answers_and_light(scene):
    identifier = released(client(scene, "forecaster"), scene)
    browser = client(scene, "duty")
    page = browser.get(f"/m/{identifier}")
    shown, record = text_of(page.text), record_of(find_message(scene.office.ledger, identifier))
    facts = (
        record.event_zh, "甲区", "6月9日18:4", "把握", record.drivers_zh[0], "变化",
        record.instruction_zh.split("\n")[0],
    )  # fmt: skip
    for words in facts:
        assert " ".join(words.split()) in shown, words
    tree = html.fromstring(page.text)
    loads = [*tree.xpath("//link[@rel='stylesheet']/@href"), *tree.xpath("//script/@src"), *tree.xpath("//img/@src")]
    assert all(path.startswith("/static/") for path in loads)
    total = len(page.content) + sum((STATIC / path.removeprefix("/static/")).stat().st_size for path in loads)
    assert total < LIGHT


def test_button_acknowledges_ones_own_callout_once(scene):
    identifier = released(client(scene, "forecaster"), scene)
    browser = client(scene, "duty")
    assert "确认收到" in text_of(browser.get(f"/m/{identifier}").text)
    for _ in range(2):
        assert post(browser, "/drafts", f"/m/{identifier}/ack").status_code == 200
    (row,) = list_callouts(scene.office.ledger, identifier=identifier)
    assert (row.state, row.how) == ("acknowledged", "desk")
    assert "您已确认收到" in text_of(browser.get(f"/m/{identifier}").text)
    acts = [act.action for act in list_audit(scene.office.ledger, subject=identifier)]
    assert acts.count("acknowledge") == 1


def test_somebody_who_was_not_called_is_noted_once(scene):
    browser = client(scene, "forecaster")
    identifier = released(browser, scene)
    for _ in range(2):
        post(browser, "/drafts", f"/m/{identifier}/ack")
    acts = [act for act in list_audit(scene.office.ledger, subject=identifier) if act.action == "acknowledge"]
    assert [act.actor for act in acts] == ["forecaster1"]
    assert list_callouts(scene.office.ledger, identifier=identifier)[0].state == "called"


def test_viewer_may_not_acknowledge(scene):
    identifier = released(client(scene, "forecaster"), scene)
    browser = client(scene, "viewer")
    assert not html.fromstring(browser.get(f"/m/{identifier}").text).xpath("//form[contains(@action, '/ack')]")
    assert post(browser, "/drafts", f"/m/{identifier}/ack").status_code == 403


def test_link_shows_and_acknowledges_without_login(scene):
    identifier = released(client(scene, "forecaster"), scene)
    token = _token(scene, identifier)
    browser = client(scene)
    page = browser.get(f"/a/{token}")
    assert page.status_code == 200
    assert "王值班" in text_of(page.text)
    assert list_callouts(scene.office.ledger, identifier=identifier)[0].state == "called"  # looking changes nothing
    for _ in range(2):
        answer = post(browser, "/login", f"/a/{token}")
        assert answer.status_code == 200
        assert "已确认收到" in text_of(answer.text)
    (row,) = list_callouts(scene.office.ledger, identifier=identifier)
    assert (row.state, row.how) == ("acknowledged", "link")


def test_link_without_form_token_or_unknown_is_refused(scene):
    identifier = released(client(scene, "forecaster"), scene)
    token = _token(scene, identifier)
    browser = client(scene)
    assert browser.post(f"/a/{token}").status_code == 403
    assert browser.get(f"/a/{token[:-1]}").status_code == 404
    assert post(browser, "/login", "/a/none").status_code == 404


def test_expired_is_told(scene):
    identifier = released(client(scene, "forecaster"), scene)
    token = _token(scene, identifier)
    browser = client(scene)
    scene.clock.time = find_message(scene.office.ledger, identifier).expires + timedelta(minutes=1)
    assert "预警已过期，无需再确认" in text_of(browser.get(f"/a/{token}").text)
    answer = post(browser, "/login", f"/a/{token}")
    assert answer.status_code == 409
    assert list_callouts(scene.office.ledger, identifier=identifier)[0].state != "acknowledged"


def test_old_message_points_to_the_newest(scene):
    browser = client(scene, "forecaster")
    first = released(browser, scene)
    update = post(browser, f"/warnings/{first}", f"/warnings/{first}/update", reason="延长")
    name = update.url.path.removeprefix("/drafts/")
    sign(browser, name)
    scene.clock.time += timedelta(minutes=1)
    second = release(browser, name, confirm="红色").url.path.removeprefix("/warnings/")
    old = browser.get(f"/m/{first}")
    assert "这不是最新消息" in text_of(old.text)
    assert f"/m/{second}" in html.fromstring(old.text).xpath("//p[@class='old']//a/@href")
    assert "这不是最新消息" not in text_of(browser.get(f"/m/{second}").text)
    assert second in browser.get("/m").text


def test_a_sibling_of_the_chain_is_not_the_newest_word_on_other_places(scene):
    """One chain, two branches: the red stands on; the orange beside it is updated, then cancelled."""
    browser = client(scene, "forecaster")
    red = released(browser, scene)
    row = find_message(scene.office.ledger, red)
    names = [f"{row.chain}-orange{n}" for n in range(3)]
    siblings = [
        replace(
            row, identifier=name, sent=row.sent + timedelta(minutes=n), ended_by=ended_by,
            msg_type="Update" if ended_by else "Cancel",
        )
        for n, (name, ended_by) in enumerate(zip(names, [*names[1:], ""], strict=True), start=1)
    ]  # fmt: skip
    with writing(scene.office.ledger) as transaction:
        transaction.connection.execute(insert(MESSAGES).values([vars(one) for one in siblings]))
    page = text_of(browser.get(f"/m/{red}").text)
    assert "这不是最新消息" not in page
    assert "解除" not in page.split("怎么办")[0]
    old = browser.get(f"/m/{names[0]}")
    assert "这不是最新消息" in text_of(old.text)
    assert html.fromstring(old.text).xpath("//p[@class='old']//a/@href") == [f"/m/{names[2]}"]


def test_the_duty_of_one_region_answers_no_call_of_another(scene):
    identifier = released(client(scene, "forecaster"), scene)
    (row,) = list_callouts(scene.office.ledger, identifier=identifier)
    foreign = replace(row, key="foreign", region="elsewhere", identifier="wx-elsewhere-1", token_hash="f" * 64)
    with writing(scene.office.ledger) as transaction:
        add_callouts(transaction, [foreign])
    browser = client(scene, "duty")
    assert post(browser, "/callouts", "/callouts/foreign/ack", note="x").status_code == 404
    (after,) = list_callouts(scene.office.ledger, identifier="wx-elsewhere-1")
    assert after.state == "called"


def test_a_call_by_telephone_is_logged(scene):
    browser = client(scene, "duty")
    identifier = released(client(scene, "forecaster"), scene)
    (row,) = list_callouts(scene.office.ledger, identifier=identifier)
    assert "王值班" in text_of(browser.get("/callouts").text)
    assert post(browser, "/callouts", f"/callouts/{row.key}/ack", note="来电确认").status_code == 200
    (row,) = list_callouts(scene.office.ledger, identifier=identifier)
    assert (row.state, row.how, row.note) == ("acknowledged", "telephone", "来电确认")
    assert post(browser, "/drafts", "/callouts/none/ack").status_code == 404
