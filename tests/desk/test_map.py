"""The map's data against the hand-made scene, and its routes: who may see them, what they refuse."""

import io
import json
import math
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from tests.desk.scene_map import (
    DBZ,
    ECHO,
    LAT,
    LON,
    MESH_MM,
    NOW,
    OTHER,
    STORM,
    TIMES,
    UNSEEN,
    Scene,
    build,
    draft_record,
)  # fmt: skip
from tests.desk.scene_pages import enter, make_drafts
from wxcore.desk import frames, status
from wxcore.desk import map as map_pages
from wxcore.desk.access import ROLES, Permit
from wxcore.desk.frames import (
    LAYERS,
    district_chances,
    district_shapes,
    drafts_now,
    frame,
    issued_at,
    layer_png,
    list_frames,
    outline_of,
    read_plane,
    recent_cycles,
    shown_until,
)  # fmt: skip
from wxcore.desk.once import Once
from wxcore.desk.state import Desk
from wxcore.errors import ArchiveError, TimeError
from wxcore.landing.ledger import MessageRow
from wxcore.landing.ledger.engine import writing
from wxcore.landing.ledger.warnings import withdraw_drafts
from wxcore.pipeline.canvas import Canvas
from wxcore.pipeline.issue import Policy, open_office
from wxcore.times import CYCLE
from wxcore.warning.area import Touch

PAGE = "/api/frame/2026-07-01T08:12:00Z"
PICTURE = "/layer/composite/2026-07-01T08:12:00Z.png"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return build(tmp_path_factory.mktemp("map"))


@pytest.fixture(scope="module")
def app(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The map and the status page alone, behind their permissions."""
    office = open_office(scene.home, scene.region, Policy())
    found = FastAPI()
    found.state.desk = Desk(office, tmp_path_factory.mktemp("accounts") / "accounts.json", lambda: NOW)
    for module in (map_pages, status):
        found.include_router(module.router)
    return found


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """Somebody who may see the map."""
    app.dependency_overrides = {Permit(frozenset(ROLES)): lambda: None}
    return TestClient(app, base_url="http://127.0.0.1")


def test_the_slider_holds_the_last_hours_up_to_the_newest_cycle(scene: Scene) -> None:
    found = list_frames(scene.ledger, scene.region, now=NOW, hours=2)
    assert [item["time"] for item in found["frames"]] == [
        "2026-07-01T08:00:00Z", "2026-07-01T08:06:00Z", "2026-07-01T08:12:00Z",
    ]  # fmt: skip
    assert found["frames"][2]["bjt"] == "07-01 16:12"
    assert [layer["name"] for layer in found["layers"]] == ["composite", "mesh"]
    short = recent_cycles(scene.ledger, scene.region, now=NOW, hours=0.1)
    assert [row.time for row in short] == list(TIMES[1:])
    long_after = recent_cycles(scene.ledger, scene.region, now=NOW + timedelta(days=30), hours=2)
    assert [row.time for row in long_after] == list(TIMES)


def test_a_frame_holds_the_storm_and_where_it_will_be(scene: Scene) -> None:
    shown = frame(scene.home, scene.region, scene.cycle(1))
    storm = shown["storms"][0]
    canvas = Canvas.of(scene.region.grid)
    assert (storm["id"], storm["max_dbz"], storm["mesh_mm"]) == (STORM, DBZ[1], MESH_MM[1])
    assert (storm["x"], storm["y"]) == (canvas.x(LON), canvas.y(LAT))
    assert storm["speed_km_h"] == pytest.approx(36.0)
    assert storm["towards_deg"] == pytest.approx(90.0)
    first = next(item for item in storm["leads"] if item["min"] == 30)
    east_deg = 18.0 / (math.radians(1) * 6371.0 * math.cos(math.radians(LAT)))  # 10 m/s for 30 min
    assert first["x"] == pytest.approx(canvas.x(LON + east_deg), abs=1.5)
    assert first["y"] == pytest.approx(storm["y"], abs=0.2)
    assert first["r"] == pytest.approx(canvas.length(math.hypot(3.0, 0.3 * 30)), abs=0.2)
    assert next((item["from"], item["to"], item["p"]) for item in storm["chances"]["hail"]) == (0, 60, 0.5)
    assert storm["risk"].startswith("M")
    assert shown["simulated"]


def test_unassessed_is_null_and_not_zero(scene: Scene) -> None:
    shown = frame(scene.home, scene.region, scene.cycle(2))
    assert {window["p"] for window in shown["storms"][0]["chances"]["hail"]} == {None}
    assert shown["storms"][0]["mesh_mm"] is None
    text = json.dumps(shown, allow_nan=False)
    assert "NaN" not in text


def test_districts_have_the_largest_probability_of_the_storms_that_come() -> None:
    touches = [Touch("1", "", "", name, 0, 60, True, hit, {}) for name, hit in (("a", 0.5), ("b", 1.0), ("c", 1.0))]
    hour = {("a", "hail"): {"p": 0.9}, ("b", "hail"): {"p": 0.3}, ("c", "hail"): {"p": math.nan},
            ("c", "gale"): {"p": math.nan}}  # fmt: skip
    assert district_chances(touches, hour) == {"1": {"hail": 0.45}}


def test_no_echo_is_not_no_data(scene: Scene) -> None:
    values = read_plane(scene.home, scene.region, TIMES[0], "composite_reflectivity")
    assert values[ECHO] == pytest.approx(55.0)
    assert np.isnan(values[UNSEEN])
    image = Image.open(io.BytesIO(layer_png(scene.home, scene.region, scene.cycle(0), "composite"))).convert("RGBA")
    rows = scene.region.grid.n_lat
    pixel = {name: image.getpixel((column, rows - 1 - row)) for name, (row, column) in
             {"echo": ECHO, "unseen": UNSEEN}.items()}  # fmt: skip
    assert pixel["echo"] == (255, 0, 0, 255)
    assert pixel["unseen"] == (205, 205, 205, 255)
    assert image.getpixel((5, rows - 6))[3] == 0  # type: ignore[index]  # a tuple: the image is RGBA


def test_what_is_not_in_the_archive_is_refused(scene: Scene) -> None:
    with pytest.raises(ArchiveError):
        read_plane(scene.home, scene.region, TIMES[0] + timedelta(days=1), "mesh")
    with pytest.raises(ArchiveError):
        read_plane(scene.home, scene.region, TIMES[0], "../../etc/passwd")


def test_drafts_are_drawn_from_their_record(scene: Scene) -> None:
    (shown,) = frame(scene.home, scene.region, scene.cycle(2))["drafts"]
    assert (shown["kind"], shown["level"], shown["hazard"]) == ("past", "orange", "hail")
    canvas = Canvas.of(scene.region.grid)
    ((top, bottom, middle),) = shown["spots"]
    assert (top[1], bottom[1]) == (canvas.y(29.2), canvas.y(29.1))
    assert middle == (canvas.x(106.15), canvas.y(29.15))
    assert outline_of({**draft_record(), "polygons": []}, canvas, kind="draft")["spots"] == []


def test_each_polygon_has_its_own_places_for_a_word_the_largest_first(scene: Scene) -> None:
    canvas = Canvas.of(scene.region.grid)
    small = [[106.3, 29.3], [106.32, 29.3], [106.32, 29.32], [106.3, 29.32], [106.3, 29.3]]
    shown = outline_of({**draft_record(), "polygons": [small, *draft_record()["polygons"]]}, canvas, kind="issued")
    assert [spots[0][1] for spots in shown["spots"]] == [canvas.y(29.2), canvas.y(29.32)]


def test_the_newest_frame_shows_the_drafts_that_can_be_acted_on_and_no_other(
    app: FastAPI, client: TestClient, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was released, cancelled or rejected is no draft any more; earlier frames show what was drafted then."""
    office = app.state.desk.office
    assert client.get(PAGE).json()["drafts"] == []  # the machine's record of the cycle names one; the ledger has none
    made = make_drafts()[0]
    enter(office, [made], TIMES[2])
    (shown,) = client.get(PAGE).json()["drafts"]
    assert (shown["id"], shown["kind"], len(shown["spots"])) == (made.id, "draft", len(made.polygons))
    with writing(office.ledger) as transaction:
        withdraw_drafts(transaction, scene.region.id, TIMES[2], keep=set())
    assert client.get(PAGE).json()["drafts"] == []
    monkeypatch.setattr(map_pages, "recent_cycles", lambda *args, **kwargs: [SimpleNamespace(time=NOW)])
    (then,) = client.get(PAGE).json()["drafts"]  # not the newest frame any more
    assert then["kind"] == "past"


def test_a_message_stands_from_its_sending_to_its_end(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def message(identifier: str, **values: Any) -> MessageRow:
        row = {"identifier": identifier, "draft_id": "d", "region": "tiny", "hazard": "hail", "level": "red",
               "msg_type": "Alert", "status": "Test", "chain": "c", "sent": TIMES[0], "expires": TIMES[2] + CYCLE,
               "json": json.dumps(draft_record()), "cap": "", "digest": "", "signed_by": "", "released_by": "",
               "released_at": TIMES[0]}  # fmt: skip
        return MessageRow(**{**row, **values})

    rows = [
        message("plain"), message("ended", ended_by="x", ended_at=TIMES[1]), message("cancel", msg_type="Cancel"),
        message("late", sent=TIMES[2]), message("over", expires=TIMES[1]),
    ]  # fmt: skip
    monkeypatch.setattr(frames, "list_messages", lambda *args, **kwargs: rows)

    def standing(number: int) -> list[str]:
        return [item["id"] for item in issued_at(scene.ledger, scene.region, TIMES[number])]

    assert standing(0) == ["plain", "ended", "over"]
    assert standing(1) == ["plain"]
    assert standing(2) == ["plain", "late"]


def test_the_newest_frame_shows_what_stands_now() -> None:
    assert shown_until(TIMES[2], TIMES[2], NOW) == NOW
    assert shown_until(TIMES[0], TIMES[2], NOW) == TIMES[1]


def test_districts_are_sent_with_the_size_of_the_map(scene: Scene) -> None:
    shapes = district_shapes(scene.region, NOW)
    assert [item["adcode"] for item in shapes["districts"]] == ["500101"]
    assert shapes["width"] == 1000.0
    assert [radar["id"] for radar in shapes["radars"]] == ["Z9001", "Z9002"]


def test_naive_times_are_refused(scene: Scene) -> None:
    naive = NOW.replace(tzinfo=None)
    for call in (
        lambda: list_frames(scene.ledger, scene.region, now=naive, hours=2),
        lambda: read_plane(scene.home, scene.region, naive, "mesh"),
        lambda: issued_at(scene.ledger, scene.region, naive),
        lambda: shown_until(naive, NOW, NOW),
        lambda: district_shapes(scene.region, naive),
        lambda: drafts_now(open_office(scene.home, scene.region, Policy()), naive),
    ):
        with pytest.raises(TimeError):
            call()


def test_a_value_is_made_once_and_the_oldest_goes() -> None:
    made: list[str] = []
    kept: Once[str] = Once(2)

    def get(key: str) -> str:
        return kept.get(key, lambda: made.append(key) or key.upper())  # type: ignore[func-returns-value]

    assert [get(key) for key in "abacab"] == list("ABACAB")
    assert made == ["a", "b", "c", "b"]


def test_a_failure_is_not_kept() -> None:
    kept: Once[int] = Once(1)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 // 0)
    assert kept.get("a", lambda: 3) == 3


@pytest.mark.parametrize("path", ["/", "/api/frames", "/api/districts", PAGE, PICTURE,
                                  f"/api/storm/{STORM}?until=2026-07-01T08:12:00Z"])  # fmt: skip
def test_the_map_is_for_those_who_are_logged_in(app: FastAPI, path: str) -> None:
    app.dependency_overrides = {}
    assert TestClient(app, base_url="http://127.0.0.1").get(path).status_code == 401


def test_status_is_open_to_anybody(app: FastAPI) -> None:
    app.dependency_overrides = {}
    anybody = TestClient(app, base_url="http://127.0.0.1")
    page = anybody.get("/status")
    assert page.status_code == 200
    assert "最新时次" in page.text
    assert "<style" not in page.text
    assert "style=" not in page.text
    assert anybody.get("/status.json").json()["region"] == "tiny"


@pytest.mark.parametrize(
    "path",
    ["/layer/evil/2026-07-01T08:12:00Z.png", "/layer/..%2fmesh/2026-07-01T08:12:00Z.png", "/layer/mesh/newest.png",
     "/layer/mesh/2026-07-01T08:13:00Z.png", "/layer/mesh/2026-07-01T08:12:00%2b08:00.png", "/api/frame/2026-07-01",
     "/api/frame/2026-07-01T08:18:00Z", "/api/frame/9999-99-99T99:99:00Z", "/api/frame/0001-01-01T00:00:00Z",
     "/api/storm/x?until=2026-07-01T08:12:00Z", "/api/storm/202607010800-999?until=2026-07-01T08:12:00Z",
     f"/api/storm/{STORM}?until=now", f"/api/storm/{OTHER}?until=2026-07-01T08:00:00Z"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_hours_are_bounded(client: TestClient) -> None:
    assert client.get("/api/frames?hours=1000").status_code == 422
    assert client.get("/api/frames?hours=nan").status_code == 422


def test_pictures_and_frames_carry_an_etag(client: TestClient) -> None:
    for path in (PICTURE, PAGE, "/api/districts"):
        first = client.get(path)
        assert first.status_code == 200
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get(PICTURE).headers["content-type"] == "image/png"
    assert client.get(PAGE).json()["issued"] == []


def test_the_page_holds_no_inline_script_or_style(client: TestClient) -> None:
    page = client.get("/").text
    assert page.count("<script") == 1
    assert 'src="/static/map.js"' in page
    for forbidden in ("<style", "style=", "onclick", "http://", "https://"):
        assert forbidden not in page


def test_every_layer_has_a_variable_of_the_schema_and_a_legend(scene: Scene) -> None:
    for name, layer in LAYERS.items():
        assert layer_png(scene.home, scene.region, scene.cycle(0), name).startswith(b"\x89PNG")
        assert layer.title_zh


def test_scripts_are_our_own_and_set_no_style(tmp_path: Path) -> None:
    folder = Path(map_pages.__file__).parent / "static"
    for path in folder.glob("map*.js"):
        text = path.read_text(encoding="utf-8")
        assert "innerHTML" not in text
        assert ".style" not in text
        assert "http" not in text.replace("http://www.w3.org", "")
