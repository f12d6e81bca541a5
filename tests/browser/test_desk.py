"""The desk in a real browser: log in, compare, edit, sign, release, acknowledge on a phone; every page through axe.

Skipped, visibly, where there is no chromium. WXCORE_SHOTS names a folder for screenshots to look at.
"""

import os
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn

from tests.desk.scene_pages import PASSWORD, Clock, Scene, client, make_scene, released
from tests.desk.test_phone import DELIVERY, call_out, wide_message
from wxcore.desk.accounts import add_account
from wxcore.desk.app import create_app
from wxcore.desk.state import Desk
from wxcore.landing.ledger import list_callouts, list_messages
from wxcore.pipeline.home import Home
from wxcore.pipeline.issue import Policy, drafts_open, open_office
from wxcore.region import load_region

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@contextmanager
def served(scene):
    """The desk on a free port of this machine."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(create_app(scene.desk), log_level="warning", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _context(chromium, size, faults):
    context = chromium.new_context(viewport=size, locale="zh-CN")
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    return page


def _log_in(page, base, name):
    page.goto(f"{base}/login?next=/drafts")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url(f"{base}/drafts")


def _look_at(page, name, faults):
    """No fault of accessibility in Chinese and in English; a screenshot where one is wanted."""
    url = page.url
    for lang in ("zh", "en"):
        page.goto(f"{url}{'&' if '?' in url else '?'}lang={lang}")
        _axe(page, f"{name}_{lang}", faults)
    page.goto(f"{url}{'&' if '?' in url else '?'}lang=zh")


def _axe(page, name, faults):
    """No fault of accessibility in the page as it stands; a screenshot where one is wanted."""
    found = axe.Axe().run(page).response["violations"]
    faults += [f"axe {name}: {(one['id'], node['target'], node['html'])}" for one in found for node in one["nodes"]]
    folder = os.environ.get("WXCORE_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"desk_{name}.png", full_page=name.startswith("full"))


def _visible_at_once(page, selector):
    box = page.locator(selector).first.bounding_box()
    return box is not None and box["y"] + box["height"] <= PHONE["height"]


def test_from_draft_to_acknowledgement(chromium, tmp_path):
    (tmp_path / "delivery.toml").write_text(DELIVERY, encoding="utf-8")
    scene = make_scene(tmp_path, policy=Policy(delivery_file=tmp_path / "delivery.toml"))
    ledger, faults = scene.office.ledger, []
    hail = next(one for (hazard, _), one in scene.drafts.items() if hazard == "hail")
    with served(scene) as base:
        page, phone = _context(chromium, WIDE, faults), _context(chromium, PHONE, faults)
        _log_in(page, base, "forecaster1")
        _log_in(phone, base, "duty1")
        phone.goto(f"{base}/m")
        _look_at(page, "drafts", faults)
        page.goto(f"{base}/drafts/{hail.id}")
        page.fill("#remark_zh", "请尽快收回晾晒物品")
        page.fill("#edit-reason", "补充提示")
        page.check("input[name=adcodes][value='500103']")
        page.click("#edit button[type=submit]")
        page.wait_for_url(f"{base}/drafts/{hail.id}.e1")
        assert page.locator("ins", has_text="丙区").count() >= 1
        _look_at(page, "full_draft", faults)
        page.fill("#password", PASSWORD)
        page.click("form[action$='/sign'] button")
        page.wait_for_selector("form[action='/drafts/release']")
        _look_at(page, "full_signed", faults)
        if page.locator("#release-confirm").count():
            page.fill("#release-confirm", "红色")
            page.fill("#release-password", PASSWORD)
        page.click("form[action='/drafts/release'] button[type=submit]")
        phone.wait_for_selector("#news a")
        page.wait_for_url(f"{base}/warnings/wx-*")
        (message,) = list_messages(ledger, "testland", since=scene.clock.time.replace(hour=0))
        _look_at(page, "full_warning", faults)
        phone.goto(f"{base}/m/{message.identifier}")
        assert all(
            _visible_at_once(phone, one) for one in ("h1", ".facts dd:nth-of-type(1)", ".facts dd:nth-of-type(2)")
        )
        assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        _look_at(phone, "phone", faults)
        phone.click("button.wide")
        phone.wait_for_selector(".done")
        _look_at(phone, "phone_done", faults)
        assert [row.state for row in list_callouts(ledger, identifier=message.identifier)] == ["acknowledged"]
        for path in ("warnings", "outbox", "callouts"):
            page.goto(f"{base}/{path}")
            _look_at(page, path, faults)
        phone.goto(f"{base}/m")
        _look_at(phone, "phone_list", faults)
    assert faults == []


def test_a_storm_of_the_demo_is_opened_warned_of_and_acknowledged(chromium, tmp_path, demo_run, demo_home):
    """The whole way on the archive of a real run: the map, a storm, its draft, the map again, the phone."""
    home = Home(Path(shutil.copytree(demo_home.root, tmp_path / "home")))
    (tmp_path / "delivery.toml").write_text(DELIVERY, encoding="utf-8")
    office = open_office(home, load_region("chongqing"), Policy(delivery_file=tmp_path / "delivery.toml"))
    for name, role in (("forecaster1", "forecaster"), ("duty1", "duty")):
        add_account(tmp_path / "accounts.json", name, role, PASSWORD)
    clock, faults = Clock(demo_run.cycles[-1].time + timedelta(minutes=2)), []
    desk = Desk(office, tmp_path / "accounts.json", clock, lang="zh")
    newest = next(row for row in drafts_open(office, clock.time) if row.hazard == "hail")
    with served(Scene(desk, clock, {})) as base:
        page, phone = _context(chromium, WIDE, faults), _context(chromium, PHONE, faults)
        _log_in(page, base, "forecaster1")
        page.goto(base)
        page.locator("#panel-body tbody button").first.click()
        page.wait_for_selector("#panel-body svg")
        assert "dBZ" in page.locator("#panel-body").inner_text()
        assert page.locator("#syn").is_visible()
        _axe(page, "map_story", faults)
        page.goto(f"{base}/drafts/{newest.id}")
        page.fill("#remark_zh", "演示")
        page.fill("#edit-reason", "补充提示")
        page.click("#edit button[type=submit]")
        page.fill("#password", PASSWORD)
        page.click("form[action$='/sign'] button")
        page.wait_for_selector("form[action='/drafts/release']")
        if page.locator("#release-confirm").count():
            page.fill("#release-confirm", "红色")
            page.fill("#release-password", PASSWORD)
        page.click("form[action='/drafts/release'] button[type=submit]")
        page.wait_for_url(f"{base}/warnings/wx-syn-*")
        (message,) = list_messages(office.ledger, "chongqing", since=clock.time - timedelta(hours=1))
        page.goto(base)
        page.wait_for_selector("#warnings .warn:not(.warn-draft)", state="attached")
        _axe(page, "map_issued", faults)
        _log_in(phone, base, "duty1")
        phone.goto(f"{base}/m/{message.identifier}")
        phone.click("button.wide")
        phone.wait_for_selector(".done")
        assert [row.state for row in list_callouts(office.ledger, identifier=message.identifier)] == ["acknowledged"]
    assert faults == []


def test_nothing_typed_is_lost(chromium, tmp_path):
    """Signed by somebody else meanwhile, or logged out in the middle of an edit: the words stay until saved."""
    scene, faults = make_scene(tmp_path), []
    add_account(tmp_path / "accounts.json", "wang", "forecaster", PASSWORD)
    first, second = (one.id for one in list(scene.drafts.values())[:2])
    with served(scene) as base:
        page, other = _context(chromium, WIDE, faults), _context(chromium, WIDE, faults)
        page.on("dialog", lambda dialog: dialog.accept())
        _log_in(page, base, "forecaster1")
        _log_in(other, base, "wang")
        page.goto(f"{base}/drafts/{first}")
        page.fill("#remark_zh", "请收回晾晒物品")
        other.goto(f"{base}/drafts/{first}")
        other.fill("#password", PASSWORD)
        other.click("form[action$='/sign'] button")
        other.wait_for_url("**#release")
        page.wait_for_selector("#acts > .refusal")
        assert "已签名，未发布" in page.inner_text("h1")
        assert "wang" in page.inner_text("#acts > .refusal")
        assert page.input_value("#remark_zh") == "请收回晾晒物品"
        assert page.is_disabled("form[action$='/sign'] button")
        _axe(page, "full_meanwhile", faults)
        page.reload()
        assert page.inner_text("[data-unsaved] li") == "请收回晾晒物品"

        page.goto(f"{base}/drafts/{second}")
        page.fill("#remark_zh", "请注意行车安全")
        page.fill("#edit-reason", "补充提示")
        page.context.clear_cookies(name="wx_session")
        page.click("#edit button[type=submit]")
        page.wait_for_selector("[data-kept]")
        _axe(page, "ended", faults)
        page.click("main a[href^='/login']")
        page.fill("#name", "forecaster1")
        page.fill("#password", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url(f"{base}/drafts/{second}")
        assert page.is_visible("[data-restored]")
        assert (page.input_value("#remark_zh"), page.input_value("#edit-reason")) == ("请注意行车安全", "补充提示")
        assert PASSWORD not in page.evaluate("JSON.stringify(sessionStorage)")
        page.click("#edit button[type=submit]")
        page.wait_for_url(f"{base}/drafts/{second}.e1")
        page.goto(f"{base}/drafts/release")
        _axe(page, "nothing_ticked", faults)
        assert not page.evaluate(f"Object.keys(sessionStorage).some((key) => key.includes('{second} '))")
    assert faults == []


def test_unsaved_words_can_be_discarded(chromium, tmp_path):
    scene, faults = make_scene(tmp_path), []
    name = next(iter(scene.drafts.values())).id
    with served(scene) as base:
        page = _context(chromium, WIDE, faults)
        page.on("dialog", lambda dialog: dialog.accept())
        _log_in(page, base, "forecaster1")
        page.goto(f"{base}/drafts/{name}")
        page.check("input[name=adcodes][value='500103']")
        page.fill("#remark_en", "Mind the hail")
        page.goto(f"{base}/drafts/{name}?lang=en")
        assert page.is_checked("input[name=adcodes][value='500103']")
        assert page.input_value("#remark_en") == "Mind the hail"
        page.click("[data-restored] button")
        assert not page.is_checked("input[name=adcodes][value='500103']")
        page.reload()
        assert page.input_value("#remark_en") == ""
    assert faults == []


def test_a_wide_warning_is_on_one_screen(chromium, tmp_path):
    """What, where, when, how sure, why, what changed, what to do at once, for 1, 7 and 23 districts, no scripts."""
    (tmp_path / "delivery.toml").write_text(DELIVERY, encoding="utf-8")
    scene, faults = make_scene(tmp_path, policy=Policy(delivery_file=tmp_path / "delivery.toml")), []
    first = released(client(scene, "forecaster"), scene)
    kinds = [(msg_type, count) for msg_type in ("Cancel", "Alert", "Update") for count in (1, 7, 23)]
    paths = {}
    for msg_type, count in kinds:
        identifier, districts = wide_message(scene, first, count, msg_type)
        paths[msg_type, count] = f"m/{identifier}"
    call_out(scene, first, identifier, token="one", tier="district", area=districts[-1].adcode, person="duty9")
    paths["Link", 23] = "a/one"
    with served(scene) as base:
        phone = chromium.new_context(viewport=PHONE, locale="zh-CN", java_script_enabled=False).new_page()
        checked = _context(chromium, PHONE, faults)
        for page in (phone, checked):
            _log_in(page, base, "duty1")
        for (msg_type, count), path in paths.items():
            for lang in ("zh", "en"):
                what = f"wide_{msg_type}_{count}_{lang}"
                phone.goto(f"{base}/{path}?lang={lang}")
                parts = ("h1", ".facts dd:last-child", "button.wide", "#guide")
                faults += [f"{what}: {part} is below the fold" for part in parts if not _visible_at_once(phone, part)]
                if phone.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
                    faults.append(f"{what}: wider than the screen")
                if count == 23:
                    checked.goto(f"{base}/{path}?lang={lang}")
                    _axe(checked, what, faults)
        phone.goto(f"{base}/{paths['Alert', 23]}?lang=zh")
        assert not phone.is_visible(".others")
        phone.click(".facts summary >> nth=0")
        assert "彭水苗族土家族自治县" in phone.inner_text(".others")
        assert phone.is_visible(".others")
    assert faults == []
