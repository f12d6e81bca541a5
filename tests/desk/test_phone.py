"""The phone page: all seven answers, light, acknowledged by button and by link; call-outs."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256

import pytest
from lxml import html
from sqlalchemy import insert

from tests.desk.scene_pages import client, make_scene, post, release, released, sign, text_of
from wxcore.desk.phone import GUIDE_ROWS, fold
from wxcore.desk.render import STATIC
from wxcore.desk.words import post_words
from wxcore.landing.ledger import find_message, list_audit, list_callouts, list_outbox
from wxcore.landing.ledger.callouts import add_callouts
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.issue_tables import MESSAGES
from wxcore.pipeline.issue import Policy, record_of
from wxcore.region import Town, load_region
from wxcore.warning.model import Change, Move, to_dict
from wxcore.warning.text import render_texts

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


CHONGQING = tuple(row for row in load_region("chongqing").districts if row.valid_to is None)
WHY = (
    "45 dBZ 高度相对0℃层 +7.2 公里", "MESH 35 毫米", "强冰雹概率 POSH 53%", "0℃、-20℃层高度非当日资料：把握降低",
)  # fmt: skip
WHY_EN = (
    "45 dBZ height above 0 C +7.2 km", "MESH 35 mm", "POSH 53 %", "0 C and -20 C heights of another day: less certain",
)  # fmt: skip


def wide_message(scene, released, count, msg_type="Alert"):
    """Enter a message like the released one, of so many real districts; its identifier and these districts."""
    row = find_message(scene.office.ledger, released)
    record = record_of(row)
    districts = tuple(
        replace(record.districts[0], adcode=one.adcode, name_zh=one.name_zh, name_en=one.name_en)
        for one in CHONGQING[-count:]
    )
    names = tuple((place.name_zh, place.name_en) for place in districts)
    change = Change(added=names[1:], raised=(Move(names[:1], "yellow", record.level),), renewed=True)
    wide = replace(
        record, id=f"wide-{msg_type}-{count}", msg_type=msg_type, districts=districts, drivers=WHY_EN, drivers_zh=WHY,
        change=Change(released=names) if msg_type == "Cancel" else change if msg_type == "Update" else Change(),
    )  # fmt: skip
    body = json.dumps(to_dict(render_texts(wide, scene.office.book)))
    with writing(scene.office.ledger) as transaction:
        values = {**vars(row), "identifier": wide.id, "chain": wide.id, "msg_type": msg_type, "json": body}
        transaction.connection.execute(insert(MESSAGES).values(values))
    return wide.id, districts


def call_out(scene, released, identifier, *, token, tier, area, person):
    """Enter a call-out like that of the released message for another one, with this token."""
    (row,) = list_callouts(scene.office.ledger, identifier=released)
    call = replace(
        row, key=token, identifier=identifier, post=f"{tier}:{area}", tier=tier, area=area, person=person,
        token_hash=sha256(token.encode()).hexdigest(),
    )  # fmt: skip
    with writing(scene.office.ledger) as transaction:
        add_callouts(transaction, [call])


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


def test_a_cancel_lifts_and_threatens_nobody(scene):
    browser = client(scene, "forecaster")
    identifier, districts = wide_message(scene, released(browser, scene), 2, "Cancel")
    for path in (f"/m/{identifier}", "/m", f"/warnings/{identifier}"):
        tree = html.fromstring(browser.get(path).text)
        badges = tree.xpath("//main//*[contains(@class, 'level-')]/@class") if path != "/m" else tree.xpath(
            f"//li[.//a[@href='/m/{identifier}']]/descendant-or-self::*[contains(@class, 'level-')]/@class"
        )  # fmt: skip
        assert badges, path
        assert all("over" in badge for badge in badges), path
    page = text_of(browser.get(f"/m/{identifier}").text)
    assert "自6月9日18:44（北京时）解除" in page
    assert all(place.name_zh in page for place in districts)
    for words in ("把握", "依据", "各地时间", "至", "%", WHY[0]):
        assert words not in page, words
    english = text_of(browser.get(f"/m/{identifier}?lang=en").text)
    assert "lifted from 9 Jun 18:44 BJT" in english
    assert not re.search(r"How sure|Why|Place by place|until|%", english)


@pytest.mark.parametrize("count", [1, 3, 7, 23])
def test_three_places_at_once_the_others_on_request(scene, count):
    browser = client(scene, "forecaster")
    identifier, districts = wide_message(scene, released(browser, scene), count)
    (where,) = html.fromstring(browser.get(f"/m/{identifier}").text).xpath("//dl[@class='facts']/dd[1]")
    names = [place.name_zh for place in districts]
    if count <= 3:
        assert where.text_content() == "、".join(names)
    else:
        assert where.xpath("details/summary/text()") == ["、".join(names[:3]) + f"等{count}个区县"]
        assert where.text_content().endswith("、".join(names[3:]))


def test_the_district_of_ones_own_post_is_named_first(scene):
    browser = client(scene, "forecaster")
    first = released(browser, scene)
    identifier, districts = wide_message(scene, first, 23)
    own = districts[-1]
    call_out(scene, first, identifier, token="one", tier="district", area=own.adcode, person="someone")
    call_out(scene, first, identifier, token="two", tier="town", area=f"{own.adcode}001", person="duty1")
    for visitor, path in ((client(scene), "/a/one"), (client(scene, "duty"), f"/m/{identifier}")):
        tree = html.fromstring(visitor.get(path).text)
        assert tree.xpath("//dl[@class='facts']/dd[1]//summary/text()")[0].startswith(f"{own.name_zh}、")
        assert tree.xpath("//h2[text()='各地时间']/following-sibling::ul[1]/li/text()")[0].startswith(own.name_zh)
    other = html.fromstring(client(scene, "viewer").get(f"/m/{identifier}").text)
    assert other.xpath("//dl[@class='facts']/dd[1]//summary/text()")[0].startswith(districts[0].name_zh)


def test_a_guide_is_folded_after_what_fits():
    assert fold("预警已解除。", 20) == ("预警已解除。", "")
    assert fold("1.甲\n2.乙\n3.丙", 20) == ("1.甲\n2.乙\n3.丙", "")
    long = ["长" * 20 * GUIDE_ROWS, "乙", "丙", "丁"]
    assert fold("\n".join(long), 20) == ("\n".join(long[:2]), "\n".join(long[2:]))


def test_a_post_is_told_by_the_name_of_its_place(scene):
    region = load_region("chongqing")
    assert post_words("district:500111", region) == ("大足区", "Dazu")
    assert post_words("municipal:500000", region) == (region.name_zh, region.name_en)
    assert post_words("district:999999", region) == ("district:999999", "district:999999")
    town = Town("500111001", "龙岗街道", "", 29.7, 105.7, "500111", date(1990, 1, 1), None, "made up")
    with_town = replace(region, towns=(town,))
    assert post_words("town:500111001", with_town) == ("大足区龙岗街道", "龙岗街道, Dazu")
    assert post_words("town:500111001000", with_town) == ("大足区龙岗街道", "龙岗街道, Dazu")
    assert post_words("town:500111002", with_town)[0] == "town:500111002"
    browser = client(scene, "duty")
    identifier = released(client(scene, "forecaster"), scene)
    for path in ("/callouts", f"/warnings/{identifier}", f"/a/{_token(scene, identifier)}"):
        page = text_of(browser.get(path).text)
        assert "municipal:" not in page, path
        assert "测试地" in page, path
