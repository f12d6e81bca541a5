"""The map in a real browser: what it says without colour, and how much of the screen it uses.

Skipped, visibly, where there is no chromium. WXCORE_SHOTS names a folder for screenshots to look at.
"""

import math
from types import SimpleNamespace

import pytest

from tests.browser import test_desk as browser
from tests.desk.scene_map import NOW, build, draft_record
from tests.desk.scene_pages import PASSWORD
from wxcore.desk import map as map_pages
from wxcore.desk.accounts import add_account
from wxcore.desk.frames import outline_of
from wxcore.desk.state import Desk
from wxcore.pipeline.canvas import Canvas
from wxcore.pipeline.issue import Policy, open_office
from wxcore.warning.model import LEVELS

pytestmark = browser.pytestmark
chromium = browser.chromium

NOTEBOOK = {"width": 1366, "height": 768}


def _box(west, south, size):
    return [[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A desk over the hand-made archive."""
    root = tmp_path_factory.mktemp("map")
    made = build(root)
    add_account(root / "accounts.json", "forecaster1", "forecaster", PASSWORD)
    desk = Desk(open_office(made.home, made.region, Policy()), root / "accounts.json", lambda: NOW)
    return SimpleNamespace(desk=desk, region=made.region)


@pytest.fixture
def warned(scene, monkeypatch):
    """Four drafts of one hazard, a level each, and an issued warning of two polygons."""
    canvas = Canvas.of(scene.region.grid)
    west, south, east, north = scene.region.grid.bounds
    size = (east - west) / 8

    def record(level, *corners):
        rings = [_box(west + x * size, south + y * (north - south) / 8, size) for x, y in corners]
        return {**draft_record(), "level": level, "polygons": rings}

    drafts = [record(level, (1 + number, 2 + number)) for number, level in enumerate(LEVELS)]
    issued = record("orange", (1, 6), (6, 1))
    monkeypatch.setattr(
        map_pages, "drafts_now", lambda *args: [outline_of(one, canvas, kind="draft") for one in drafts]
    )
    monkeypatch.setattr(map_pages, "issued_at", lambda *args: [outline_of(issued, canvas, kind="issued")])


def _open(page, base, lang):
    browser._log_in(page, base, "forecaster1")
    page.goto(f"{base}/?lang={lang}")
    page.wait_for_selector("#warnings .warn", state="attached")


def _overlap(one, other):
    return (
        one["left"] < other["right"]
        and other["left"] < one["right"]
        and one["top"] < other["bottom"]
        and other["top"] < one["bottom"]
    )


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_map_fills_its_box_and_all_is_in_sight(chromium, scene, warned, lang):
    faults = []
    with browser.served(scene) as base:
        page = browser._context(chromium, NOTEBOOK, faults)
        _open(page, base, lang)
        page.check("input[name=hazard][value=hail]")
        for _ in range(2):
            box = page.locator("#map").bounding_box()
            _, _, across, down = (float(part) for part in page.get_attribute("#map", "viewBox").split())
            assert across / down == pytest.approx(box["width"] / box["height"], rel=0.01)
            page.click("#zoom-in")
        assert box["width"] > NOTEBOOK["width"] / 2
        assert page.evaluate("document.documentElement.scrollHeight") <= NOTEBOOK["height"]
        legend = page.locator("#legend").bounding_box()
        assert legend["y"] + legend["height"] <= NOTEBOOK["height"]
        assert len({tools["y"] for tools in page.locator(".tools fieldset").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().toJSON())")}) == 1  # fmt: skip
        table = page.locator("#panel .scroll")
        assert table.evaluate("one => one.scrollWidth <= one.clientWidth")
        browser._axe(page, f"map_{lang}", faults)
    assert faults == []


def test_levels_are_told_by_word_and_dash(chromium, scene, warned):
    faults = []
    with browser.served(scene) as base:
        page = browser._context(chromium, NOTEBOOK, faults)
        _open(page, base, "zh")
        words = page.locator("#labels .label-w[visibility=visible]").all_text_contents()
        assert sorted(words) == sorted([*(f"{one} 冰雹（草稿）" for one in "蓝黄橙红"), "橙 冰雹", "橙 冰雹"])
        dashes = page.locator("#warnings .warn-draft").evaluate_all(
            "all => all.map(one => getComputedStyle(one).strokeDasharray)"
        )
        assert len(set(dashes)) == len(LEVELS)
        edges = [
            page.locator(f"#warnings .edge-{kind}").first.evaluate("one => getComputedStyle(one).stroke")
            for kind in ("draft", "issued")
        ]
        assert edges[0] != edges[1]
    assert faults == []


def test_labels_do_not_lie_on_each_other(chromium, scene, warned):
    """Both storms of the scene are at one place: the number of the weaker stands beside."""
    faults = []
    with browser.served(scene) as base:
        page = browser._context(chromium, NOTEBOOK, faults)
        _open(page, base, "zh")
        assert page.locator("#storms .label[visibility=visible]").all_text_contents() == ["1", "2"]
        boxes = page.locator("#map .label[visibility=visible]").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().toJSON())"
        )
        assert all(math.isfinite(one["left"]) for one in boxes)
        shrunk = [{**one, "top": one["top"] + 3, "bottom": one["bottom"] - 3} for one in boxes]  # ascent and descent
        assert not any(_overlap(one, other) for place, one in enumerate(shrunk) for other in shrunk[:place])
    assert faults == []
