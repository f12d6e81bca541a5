"""Message pages: texts, dialects, chain, update and cancel, deliveries; and nothing hostile gets through any page."""

import json
from dataclasses import replace
from datetime import timedelta
from random import Random
from xml.sax.saxutils import escape

import pytest
from lxml import etree, html
from sqlalchemy import insert

from tests.desk.scene_pages import (
    client,
    make_drafts,
    make_scene,
    post,
    release,
    released,
    sign,
    text_of,
)
from tests.warning.scene import WHEN
from tests.warning.test_cap_rules import GOOD
from wxcore.desk.views import MOST_LISTED
from wxcore.landing.ledger import claim_due, enter_import, find_message, list_outbox, mark_failed
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.imports import Incoming
from wxcore.landing.ledger.issue_tables import MESSAGES
from wxcore.pipeline.issue import record_of
from wxcore.warning.national import parse_national


@pytest.fixture
def scene(tmp_path):
    return make_scene(tmp_path)


def test_message_page_shows_both_texts_sms_and_who_did_it(scene):
    browser = client(scene, "forecaster")
    identifier = released(browser, scene)
    page = browser.get(f"/warnings/{identifier}")
    shown, record = text_of(page.text), record_of(find_message(scene.office.ledger, identifier))
    for words in (record.headline_zh, record.headline_en):
        assert words in shown
    assert "生效中" in shown
    assert "forecaster1" in shown
    for act in ("签发", "首次发布"):
        assert act in shown


def test_dialects(scene):
    browser = client(scene, "forecaster")
    identifier = released(browser, scene)
    row = find_message(scene.office.ledger, identifier)
    assert browser.get(f"/warnings/{identifier}/cap.xml").content == row.cap.encode()
    assert etree.fromstring(browser.get(f"/warnings/{identifier}/national.xml").content).tag == "alert"
    features = json.loads(browser.get(f"/warnings/{identifier}/geojson").content)["features"]
    assert features[0]["id"] == identifier
    zh, en = browser.get(f"/warnings/{identifier}/sms").text.splitlines()
    assert len(zh) <= 70
    assert len(en) <= 140
    assert browser.get(f"/warnings/{identifier}/exe").status_code == 404
    assert browser.get("/warnings/none/cap.xml").status_code == 404


def test_national_xml_names_the_issuer_of_the_region(scene):
    identifier = released(client(scene, "forecaster"), scene)
    here = scene.office.region
    region = replace(here, issuer=replace(here.issuer, adcode="500101"))
    other = replace(scene, desk=replace(scene.desk, office=replace(scene.office, region=region)))
    sent = client(other, "viewer").get(f"/warnings/{identifier}/national.xml").content
    assert parse_national(sent).sender_code.startswith("500101")


def test_a_long_list_is_cut_but_for_what_is_in_force(scene):
    browser = client(scene, "forecaster")
    identifier = released(browser, scene)
    row = find_message(scene.office.ledger, identifier)
    ended = [
        replace(row, identifier=f"{identifier}-x{n}", sent=row.sent - timedelta(minutes=n), ended_by=identifier)
        for n in range(1, MOST_LISTED + 11)
    ]
    with writing(scene.office.ledger) as transaction:
        transaction.connection.execute(insert(MESSAGES).values([vars(one) for one in ended]))
    for path in ("/warnings", "/m"):
        tree = html.fromstring(browser.get(path).text)
        assert len(tree.xpath("//section[@id='past']//li")) == MOST_LISTED
        assert len(tree.xpath("//section[@id='live']//li")) == 1
        (link,) = tree.xpath("//a[contains(@href, 'all=1')]/@href")
        assert "10 条" in text_of(browser.get(path).text)
        every = html.fromstring(browser.get(link).text)
        assert len(every.xpath("//section[@id='past']//li")) == MOST_LISTED + 10


def test_update_and_cancel_make_one_chain(scene):
    browser = client(scene, "forecaster")
    first = released(browser, scene)
    update = post(browser, f"/warnings/{first}", f"/warnings/{first}/update", reason="延长")
    name = update.url.path.removeprefix("/drafts/")
    assert name.startswith(first)
    sign(browser, name)
    scene.clock.time += timedelta(minutes=1)
    second = release(browser, name, confirm="红色").url.path.removeprefix("/warnings/")
    assert find_message(scene.office.ledger, first).ended_by == second
    again = post(browser, f"/warnings/{second}", f"/warnings/{first}/update", reason="再改")
    assert again.status_code == 409
    assert second in text_of(again.text)
    cancel = post(browser, f"/warnings/{second}", f"/warnings/{second}/cancel", reason="风暴消散", remark_zh="已移出")
    name = cancel.url.path.removeprefix("/drafts/")
    assert sign(browser, name).status_code == 200
    scene.clock.time += timedelta(minutes=1)
    done = release(browser, name, confirm="红色")
    assert done.status_code == 200, text_of(done.text)
    third = done.url.path.removeprefix("/warnings/")
    links = html.fromstring(done.text).xpath("//section[@id='chain']//a/text()")
    assert links == [first, second, third]
    assert find_message(scene.office.ledger, third).msg_type == "Cancel"
    page = text_of(browser.get("/warnings").text)
    assert "目前没有生效预警" in page


def test_what_ran_out_can_be_taken_up_again_for_an_hour(scene):
    browser = client(scene, "forecaster")
    first = released(browser, scene)
    forms = "//form[contains(@action, '/update') or contains(@action, '/cancel')]/@action"
    assert len(html.fromstring(browser.get(f"/warnings/{first}").text).xpath(forms)) == 2
    scene.clock.time = find_message(scene.office.ledger, first).expires + timedelta(minutes=5)
    gone = html.fromstring(browser.get(f"/warnings/{first}").text)
    assert gone.xpath(forms) == [f"/warnings/{first}/update"]
    assert "将作为新预警发布" in gone.text_content()
    begun = post(browser, f"/warnings/{first}", f"/warnings/{first}/update", reason="威胁仍在")
    assert begun.status_code == 200
    assert begun.url.path.startswith("/drafts/")
    scene.clock.time += timedelta(hours=1)
    assert html.fromstring(browser.get(f"/warnings/{first}").text).xpath(forms) == []


def test_update_needs_a_reason_and_a_forecaster(scene):
    browser = client(scene, "forecaster")
    identifier = released(browser, scene)
    for act in ("update", "cancel"):
        assert post(browser, f"/warnings/{identifier}", f"/warnings/{identifier}/{act}", reason="").status_code == 409
        duty = client(scene, "duty")
        assert post(duty, "/drafts", f"/warnings/{identifier}/{act}", reason="x").status_code == 403


def test_a_failed_delivery_is_on_the_desk_with_its_error(scene):
    browser = client(scene, "forecaster")
    identifier = released(browser, scene)
    now = scene.clock.time
    rows = claim_due(scene.office.ledger, now=now, holder="sender", limit=1)
    mark_failed(scene.office.ledger, rows[0], error="HTTP 503 <b>busy</b>", now=now, random=Random(1))
    assert list_outbox(scene.office.ledger, identifier=identifier)
    for path in ("/outbox", f"/warnings/{identifier}"):
        page = browser.get(path)
        assert "HTTP 503 <b>busy</b>" in text_of(page.text)
        assert not html.fromstring(page.text).xpath("//b")


TAGS = (
    "<script>alert({n})</script>", "<img src=x onerror=alert({n})>", "<svg/onload=alert({n})>",
    "'><b onmouseover=a({n})>",
    '"><script src=//x.example/{n}></script>', "javascript:alert({n})", "</title><script>a({n})</script>",
    "<a href='javascript:a({n})'>", "{{{{ {n} * 7 }}}}", "<iframe srcdoc='<script>a({n})</script>'>",
)  # fmt: skip
PAYLOADS = tuple(tag.format(n=n) for n in range(5) for tag in TAGS)


def _hostile():
    """Drafts whose every word that comes from elsewhere holds payloads."""
    words = iter(range(10_000))

    def bad():
        return PAYLOADS[next(words) % len(PAYLOADS)]

    for one in make_drafts():
        places = tuple(replace(place, name_zh=bad(), name_en=bad(), storm_id=bad()) for place in one.districts)
        yield replace(
            one, districts=places, towns=tuple(replace(place, adcode=place.adcode + "001") for place in places),
            storm_ids=(bad(),), drivers=tuple(PAYLOADS[:25]), drivers_zh=tuple(PAYLOADS[25:]), model=bad(),
            degraded=(bad(),), degraded_zh=(bad(),), headline_zh=bad(), headline_en=bad(), description_zh=bad(),
            description_en=bad(), instruction_zh=bad(), instruction_en=bad(), remark_zh=bad(), remark_en=bad(),
            event_zh=bad(), event_en=bad(),
        )  # fmt: skip


def unescaped(page: str) -> list[str]:
    """What a browser would run of a page: scripts of others, event attributes, javascript links, foreign frames."""
    tree = html.fromstring(page)
    found = [etree.tostring(script).decode() for script in tree.iter("script") if not _own(script)]
    found += [f"{one.tag}@{name}" for one in tree.iter() for name in one.attrib if name.lower().startswith("on")]
    found += [value for value in tree.xpath("//@href | //@src | //@action") if value.lower().startswith("javascript")]
    return found + [one.tag for one in tree.iter("iframe", "svg", "img", "object", "embed")]


def _own(script) -> bool:
    return script.get("src", "").startswith("/static/") and not (script.text or "").strip()


def test_fifty_payloads_are_escaped_on_every_page(tmp_path):
    assert len(set(PAYLOADS)) == 50
    scene = make_scene(tmp_path, list(_hostile()))
    browser = client(scene, "forecaster")
    names = [one.id for one in scene.drafts.values()]
    for name in names:
        note = post(browser, f"/drafts/{name}", f"/drafts/{name}/review")
        assert note.status_code == 200
    rejected = names.pop()
    post(browser, f"/drafts/{rejected}", f"/drafts/{rejected}/reject", reason=PAYLOADS[0])
    pages = ["/drafts", "/warnings", "/m", "/callouts", "/outbox", f"/drafts/release?ids={names[0]}"]
    pages += [f"/drafts/{name}" for name in (*names, rejected)]
    seen = ""
    for lang in ("zh", "en"):
        browser.get(f"/drafts?lang={lang}")
        for path in pages:
            answer = browser.get(path)
            assert answer.status_code == 200
            assert not unescaped(answer.text), path
            seen += text_of(answer.text)
    assert all(" ".join(payload.split()) in seen for payload in PAYLOADS)


def test_hostile_words_in_issued_messages_stay_words(tmp_path):
    scene = make_scene(tmp_path)
    browser = client(scene, "forecaster")
    hail = next(one for (hazard, _), one in scene.drafts.items() if hazard == "hail")
    remark = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    answer = post(
        browser, f"/drafts/{hail.id}", f"/drafts/{hail.id}/edit", reason=remark, level=hail.level,
        adcodes=list(hail.adcodes), remark_zh=remark, remark_en=remark,
    )  # fmt: skip
    name = answer.url.path.removeprefix("/drafts/")
    assert not unescaped(answer.text)
    sign(browser, name)
    identifier = release(browser, name, confirm="红色", reason=remark).url.path.removeprefix("/warnings/")
    assert find_message(scene.office.ledger, identifier).sent > WHEN
    for path in (f"/warnings/{identifier}", f"/m/{identifier}", "/warnings", "/m", "/outbox", "/drafts", "/callouts"):
        page = browser.get(path).text
        assert not unescaped(page), path
    assert remark in text_of(browser.get(f"/m/{identifier}").text)


def test_warnings_of_others_are_marked_and_their_words_stay_words(scene):
    browser = client(scene, "viewer")
    assert "其他单位的预警 (0)" in text_of(browser.get("/warnings").text)
    bad = escape(PAYLOADS[0])
    xml = GOOD.replace("冰雹橙色预警", f"{bad}\u202e").replace("<event>冰雹", f"<event>{bad}")
    for signature in ("unsigned", "unjudged", "trusted"):
        own = xml.replace("wx-1", signature).replace("wx@example.org", escape(PAYLOADS[1]))
        one = Incoming(PAYLOADS[1], signature, scene.clock.time, WHEN + timedelta(minutes=9), own, signature, own)
        enter_import(scene.office.ledger, one, now=scene.clock.time, source="x.xml")
    for lang, words in (
        ("zh", ("非本单位发布", "外单位", "测试", "签名状态：已验证", "签名状态：未签名", "签名状态：未核验")),
        ("en", ("not issued by this office", "Of others", "Signature: verified", "unsigned", "not verified")),
    ):
        page = browser.get(f"/warnings?lang={lang}").text
        shown = text_of(page)
        assert not unescaped(page)
        assert "\u202e" not in page
        assert all(word in shown for word in (*words, PAYLOADS[0], PAYLOADS[1])), shown
        items = html.fromstring(page).xpath("//section[@id='others']//li")
        assert len(items) == 3
        assert not html.fromstring(page).xpath("//section[@id='live']//li")
    browser.get("/warnings?lang=zh")
    scene.clock.time += timedelta(minutes=9)
    assert text_of(browser.get("/warnings").text).count("已过期") == 3
    with writing(scene.office.ledger) as transaction:
        transaction.connection.exec_driver_sql("UPDATE imports SET xml = 'no xml'")
    assert text_of(browser.get("/warnings").text).count("未核验") == 3


def test_a_long_list_of_others_is_cut(scene):
    browser = client(scene, "viewer")
    for n in range(MOST_LISTED + 3):
        one = Incoming("wx@example.org", f"x{n}", scene.clock.time, None, GOOD, "unsigned", GOOD)
        enter_import(scene.office.ledger, one, now=scene.clock.time, source="x.xml")
    tree = html.fromstring(browser.get("/warnings").text)
    assert len(tree.xpath("//section[@id='others']//li")) == MOST_LISTED
    assert f"({MOST_LISTED + 3})" in tree.text_content()
    every = html.fromstring(browser.get("/warnings?all=1").text)
    assert len(every.xpath("//section[@id='others']//li")) == MOST_LISTED + 3
