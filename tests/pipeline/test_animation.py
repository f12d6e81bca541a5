"""The report's animation: one frame a cycle, out of what the page holds already."""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.faults.scene import START, tiny_region, write_scene
from wxcore.pipeline.analyse import REAL
from wxcore.pipeline.home import Home
from wxcore.pipeline.report import render
from wxcore.pipeline.report_animation import animation
from wxcore.pipeline.result import RunResult
from wxcore.pipeline.run import run
from wxcore.region import Region
from wxcore.times import CYCLE

CYCLES = 2


class Page(HTMLParser):
    """Attributes of every element of a page, by its name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, tag: str) -> Iterator[dict[str, str]]:
        return (attributes for name, attributes in self.found if name == tag)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Region:
    return tiny_region(tmp_path_factory.mktemp("meta"))


@pytest.fixture(scope="module")
def result(region: Region, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    folder = tmp_path_factory.mktemp("run")
    paths = [path for paths in write_scene(region, folder / "in", CYCLES) for path in paths]
    found = run(paths, Home(folder / "home"), region)
    assert len(found.cycles) == CYCLES
    assert found.cycles[-1].active
    return found


@pytest.fixture(scope="module")
def page(region: Region, result: RunResult) -> str:
    return render(region, result)


def test_each_picture_stands_in_the_page_once(page: str, result: RunResult) -> None:
    pictures = [item.png for cycle in result.cycles for item in cycle.pictures]
    assert page.count("data:image/png;base64,") == len(pictures) > CYCLES
    held = re.findall(r'href="data:image/png;base64,([^"]*)"', page)
    assert sorted(held) == sorted(base64.b64encode(png).decode() for png in pictures)


def test_every_reference_leads_to_one_element_of_the_page_and_none_out_of_it(page: str) -> None:
    parsed = Page(page)
    ids = Counter(attributes["id"] for _, attributes in parsed.found if "id" in attributes)
    assert set(ids.values()) == {1}
    asked = [attributes["href"] for attributes in parsed.of("use") if "href" in attributes]
    asked += [f"#{name}" for field in fields(parsed) for name in json.loads(field["data-pictures"]) if name]
    assert asked
    assert {name[1:] for name in asked} <= ids.keys()
    links = [value for _, found in parsed.found for name, value in found.items() if name in {"src", "href", "action"}]
    assert all(link.startswith(("#", "data:")) for link in links)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", page)


def fields(parsed: Page) -> list[dict[str, str]]:
    return [attributes for attributes in parsed.of("use") if attributes.get("class") == "field"]


def test_without_script_the_last_frame_of_reflectivity_shows_and_no_dead_button(page: str, result: RunResult) -> None:
    parsed = Page(page)
    frames = [attributes for attributes in parsed.of("g") if "data-frame" in attributes]
    assert [frame["data-frame"] for frame in frames] == ["0", "1"]
    assert [frame.get("class") for frame in frames] == [None, "on"]
    assert [field["href"] for field in fields(parsed)] == ["#pic-0-0", "#pic-1-0"]
    assert "reflectivity" in result.cycles[-1].pictures[0].title_en
    controls = [found for _, found in parsed.found if found.get("class", "").startswith("controls")]
    assert controls
    assert all("hidden" in found for found in controls)


def test_a_frame_tells_its_clock_its_storms_and_who_is_warned(page: str, result: RunResult) -> None:
    side = page[page.index('class="side"') : page.index("</section>", page.index('class="side"'))]
    assert re.findall(r'class="clock">([^<]*)<', side) == ["16:00", "16:06"]
    assert re.findall(r"(\d\d:\d\d) UTC · (\d{4}-\d\d-\d\d)", side) == [
        ("08:00", "2026-07-01"),
        ("08:06", "2026-07-01"),
    ]
    for draft in result.cycles[-1].active:
        assert draft.headline_zh in side
        assert draft.headline_en in side
    warned = page[page.index('id="warned-1"') : page.index('id="gusts-1"')]
    assert 'class="warned"' in warned
    assert 'href="#warned-1"' in page


def test_a_cycle_without_a_picture_says_so_in_its_frame(region: Region, result: RunResult) -> None:
    one, two = result.cycles
    lacking = replace(two, pictures=two.pictures[1:])
    found = Page(render(region, replace(result, cycles=(one, lacking))))
    first, last = fields(found)
    assert json.loads(first["data-pictures"]) == [f"pic-0-{number}" for number in range(len(one.pictures))]
    assert json.loads(last["data-pictures"])[0] is None
    assert json.loads(last["data-pictures"])[1] == "pic-1-0"
    assert "href" not in last
    absent = [item for item in found.of("text") if item.get("class") == "absent"]
    assert ["visibility" in item for item in absent] == [True, False]


def test_what_is_simulated_is_marked_frame_by_frame(region: Region, result: RunResult) -> None:
    one, two = result.cycles
    bare = tuple(replace(item, title_en=item.title_en.removeprefix("SYN ")) for item in two.pictures)
    mixed = replace(result, cycles=(one, replace(two, truth=REAL, pictures=bare)))
    told = animation(mixed.cycles)
    assert told is not None
    assert [frame["simulated"] for frame in told["frames"]] == [True, False]
    assert len(told["layers"]) == len(one.pictures)
    assert render(region, mixed).count('class="syn-mark"') == 1
    assert render(region, result).count('class="syn-mark"') == CYCLES


def test_one_cycle_or_none_is_no_animation(region: Region, result: RunResult) -> None:
    for cycles in (result.cycles[:1], ()):
        assert animation(cycles) is None
        assert 'id="animation"' not in render(region, replace(result, cycles=cycles))


def test_tracks_and_forecasts_are_in_the_frames(page: str, result: RunResult) -> None:
    last = page[page.index('id="storms-1"') : page.index('id="numbers-1"')]
    storms = result.cycles[-1].storms
    assert last.count('class="storm"') == len(storms)
    followed = set(storms["storm_id"]) & set(result.cycles[0].storms["storm_id"])
    assert last.count('class="track"') == len(followed) > 0
    assert last.count(" min</title>") >= 2 * len(followed)
    assert result.cycles[-1].time == START + CYCLE
