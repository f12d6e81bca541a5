"""A storm's story against the hand-made scene: what it says changed is what was changed."""

import math
from pathlib import Path

import pytest

from tests.desk.scene_map import DBZ, OTHER, STORM, TIMES, Scene, build
from wxcore.desk.storm_story import STEPS, Seen, change, changed_features, sightings, storm_story
from wxcore.errors import TimeError
from wxcore.hazard.features.catalogue import NAMES as FEATURE_NAMES


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return build(tmp_path_factory.mktemp("story"))


def test_the_series_are_the_tables_and_gaps_stay_gaps(scene: Scene) -> None:
    story = storm_story(scene.home, scene.ledger, scene.region, STORM, until=TIMES[2])
    assert story is not None
    assert [point["max_dbz"] for point in story["series"]] == list(DBZ)
    assert [point["mesh_mm"] for point in story["series"]] == [10.0, 22.0, None]
    assert [point["p"]["hail"] for point in story["series"]] == [0.3, 0.5, None]
    assert [point["bjt"] for point in story["series"]] == ["16:00", "16:06", "16:12"]
    assert [hazard["hazard"] for hazard in story["hazards"]] == ["hail", "thunderstorm", "gale"]
    assert story["hazards"][0]["drivers_zh"] == ["最大反射率 64 dBZ"]
    assert story["hazards"][0]["missing_zh"] == ["卫星"]


def test_nothing_after_the_time_that_is_looked_at_is_told(scene: Scene) -> None:
    story = storm_story(scene.home, scene.ledger, scene.region, STORM, until=TIMES[1])
    assert story is not None
    assert [point["max_dbz"] for point in story["series"]] == list(DBZ[:2])
    hail = story["changes"][0]
    assert (hail["since"], hail["p_before"], hail["p_now"]) == (6, 0.3, 0.5)
    assert hail["title"]["zh"] == "与 16:00（6 分钟前）相比：由 30% 升至 50%"
    assert hail["title"]["en"].endswith("rose from 30% to 50%")
    assert hail["notes"] == []
    # MESH +12 mm is 2.4 steps, reflectivity +6 dBZ is 2: the rest did not change.
    assert [(item["name"], item["old"], item["new"], item["up"]) for item in story["features"]] == [
        ("mesh_mm", "10.0", "22.0", True),
        ("max_dbz", "55.0", "61.0", True),
    ]


def test_a_new_model_and_a_lost_input_are_told(scene: Scene) -> None:
    story = storm_story(scene.home, scene.ledger, scene.region, STORM, until=TIMES[2])
    assert story is not None
    hail = story["changes"][0]
    assert hail["p_now"] is None
    assert "由 50% 变为未评估" in hail["title"]["zh"]
    assert [note["en"].split(":")[0] for note in hail["notes"]] == ["another model", "inputs lost"]
    assert "hail/1 → hail/2" in hail["notes"][0]["zh"]
    assert hail["notes"][1]["zh"] == "新缺资料：卫星"
    lost = story["features"][0]
    assert (lost["name"], lost["new"], lost["up"]) == ("mesh_mm", "", None)


def test_a_storm_seen_first_has_nothing_to_compare_with(scene: Scene) -> None:
    story = storm_story(scene.home, scene.ledger, scene.region, STORM, until=TIMES[0])
    assert story is not None
    assert story["features"] == []
    assert {item["since"] for item in story["changes"]} == {None}
    assert "首次出现" in story["changes"][0]["title"]["zh"]
    young = storm_story(scene.home, scene.ledger, scene.region, OTHER, until=TIMES[1])
    assert young is not None
    assert STORM in young["changes"][0]["title"]["en"]
    assert STORM in young["notes"][0]["zh"]


def test_a_storm_that_was_not_there_has_no_story(scene: Scene) -> None:
    assert storm_story(scene.home, scene.ledger, scene.region, OTHER, until=TIMES[0]) is None
    assert storm_story(scene.home, scene.ledger, scene.region, "202607010800-999", until=TIMES[2]) is None


def test_naive_times_are_refused(scene: Scene) -> None:
    with pytest.raises(TimeError):
        storm_story(scene.home, scene.ledger, scene.region, STORM, until=TIMES[0].replace(tzinfo=None))


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [(0.5, 0.3, "fell"), (0.3, 0.5, "rose"), (0.3, 0.305, "unchanged"), (math.nan, 0.2, "not assessed then"),
     (math.nan, math.nan, "in neither")],
)  # fmt: skip
def test_the_title_says_the_direction(scene: Scene, old: float, new: float, word: str) -> None:
    first, second = sightings(scene.home, scene.region, [scene.cycle(0), scene.cycle(1)], STORM)
    before = Seen(first.time, first.storm, {"hail": {"p": old, "model": "a", "inputs_missing": ("satellite",)}})
    now = Seen(second.time, second.storm, {"hail": {"p": new, "model": "a", "inputs_missing": ()}})
    told = change("hail", before, now)
    assert word in told["title"]["en"]
    assert told["notes"] == [{"zh": "资料恢复：卫星", "en": "inputs back: satellite"}]


def test_small_changes_are_not_told_and_large_ones_by_their_size() -> None:
    before = dict.fromkeys(STEPS, 1.0)
    assert changed_features(before, before) == []
    assert changed_features(before, before | {"max_dbz": 1.5}) == []  # a sixth of a step
    told = changed_features(before, before | {"max_dbz": 4.1, "vil_kg_m2": 11.0, "area_km2": math.nan})
    assert [item["name"] for item in told] == ["area_km2", "vil_kg_m2", "max_dbz"]


def test_every_number_that_may_be_told_has_its_words() -> None:
    assert set(STEPS) <= set(FEATURE_NAMES)
    assert all(step > 0 for step in STEPS.values())


def test_a_name_says_no_direction_that_the_number_contradicts() -> None:
    """Brightness temperature that fell less than before went up: "cooling" with an upward arrow said the opposite."""
    before = dict.fromkeys(STEPS, 1.0) | {"bt108_change_15min_k": -33.8}
    (told,) = changed_features(before, before | {"bt108_change_15min_k": -1.4})
    assert (told["zh"], told["en"]) == ("15分钟云顶亮温变化", "change of cloud-top temperature in 15 min")
    assert told["up"] is True


def test_expired_tables_leave_a_gap(scene: Scene, tmp_path: Path) -> None:
    elsewhere = type(scene.home)(tmp_path)
    assert sightings(elsewhere, scene.region, [scene.cycle(0)], STORM) == []
