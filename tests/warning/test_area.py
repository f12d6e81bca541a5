"""Places touched, areas and outlines."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon, box

from tests.warning.scene import SQUARE, WHEN, region, storm, tables, touches_of, town
from wxcore.errors import TimeError
from wxcore.warning.area import (
    MAX_POINTS,
    MIN_RING_KM2,
    area_km2,
    cut_away,
    describe_position,
    find_touches,
    find_towns,
    outline,
)


def touches(*storms, districts=True, min_overlap_km2=4.0):
    table, _ = tables(list(storms), [])
    place = region(districts=districts)
    return find_touches(table, place, WHEN, horizon_min=60.0, min_overlap_km2=min_overlap_km2)


def test_a_storm_moving_east_reaches_the_districts_in_turn():
    found, areas = touches(storm(lon=105.8, u_m_s=10.0))  # 36 km in the hour: 0.37 degree
    assert touches_of(found) == [("s1", "500101"), ("s1", "500102")]
    first, second = found
    assert first.eta_min == 0
    # edge at 106.0: 0.2 degree minus radius 0.05 = 14.6 km at 0.6 km/min
    assert (second.eta_min, second.timed) == (25, True)
    assert areas["s1"].bounds[2] > 106.2


def test_without_districts_the_storms_place_is_told():
    found, _ = touches(storm(lon=106.0, lat=29.488), districts=False)
    assert [(t.key, t.name_en, t.name_zh) for t in found] == [("s1", "32 km N of Z9999", "Z9999北方向32公里")]


def test_position_without_radars_is_coordinates():
    bare = replace(region(), radars=())
    assert describe_position(106.0, 29.5, bare, WHEN) == ("29.50°N 106.00°E", "29.50N 106.00E")
    assert describe_position(-60.25, -33.5, bare, WHEN) == ("33.50°S 60.25°W", "33.50S 60.25W")


def test_a_sliver_is_no_touch():
    # radius 4.9 km and an error of 18.2 km after an hour reach 23.1 km, 0.4 km over the edge at 106.0
    edge = storm(lon=105.766, u_m_s=0.0, v_m_s=0.0, radius=0.05)
    assert touches_of(touches(edge)[0]) == [("s1", "500101")]
    assert touches_of(touches(edge, min_overlap_km2=0.01)[0]) == [("s1", "500101"), ("s1", "500102")]


def towns_of(storms, *rows):
    table, _ = tables(list(storms), [])
    place = replace(region(), towns=rows)
    found, areas = find_touches(table, place, WHEN, horizon_min=60.0, min_overlap_km2=4.0)
    return {touch.adcode: touch for touch in find_towns(found, areas, place, WHEN, horizon_min=60.0)}


def test_a_town_is_reached_by_the_hour_hand():
    # from 105.8 east at 36 km/h; the disc of 2 km about 106.0 begins 19.42 - 4.85 - 2 km = 12.6 km ahead: 21 min
    near, far = town("500101001", "近镇", 106.0 - 1e-9), town("500102009", "远镇", 106.8)
    aside = town("500101002", "旁镇", 105.9, 28.7)
    (reached,) = towns_of([storm(lon=105.8)], near, far, aside).values()
    assert (reached.adcode, reached.name_zh, reached.district) == ("500101001", "近镇", "500101")
    assert (reached.eta_min, reached.timed) == (21, True)
    assert 0.5 < reached.p_hit <= 1


def test_a_storm_leaves_a_town_behind():
    here = town("500101001", "此镇", 105.8)
    found = towns_of([storm(lon=105.8, u_m_s=20.0)], here)["500101001"]
    # rear 4.85 + 2 km behind, 1.2 km/min: 1.2 t - 6.85 is below the rim hypot(3, 0.3 t) until 9 min (3.95, 4.04)
    assert found.eta_min == 0
    assert found.end_min == 9


def test_a_region_without_towns_and_a_naive_time():
    assert towns_of([storm()]) == {}
    with pytest.raises(TimeError):
        find_towns([], {}, region(), WHEN.replace(tzinfo=None), horizon_min=60.0)


def test_area_of_a_square():
    assert area_km2(SQUARE) == pytest.approx(0.2 * 111.195 * 0.2 * 111.195 * np.cos(np.deg2rad(29.1)), rel=1e-3)


def test_outline_fills_holes_and_closes():
    ring = box(106, 29, 107, 30) - box(106.4, 29.4, 106.6, 29.6)
    (found,) = outline([ring])
    assert found[0] == found[-1]
    assert Polygon(found).area == pytest.approx(1.0)


def test_a_ring_too_small_to_see_is_dropped_beside_a_larger_one():
    # 0.01 degree squared at 29 N: 1.08 km2; 0.009: 0.87 km2
    large, seen, unseen = box(106, 29, 106.2, 29.2), box(107, 29, 107.01, 29.01), box(108, 29, 108.009, 29.009)
    assert area_km2(unseen) < MIN_RING_KM2 < area_km2(seen)
    assert [Polygon(ring).bounds[0] for ring in outline([unseen, large, seen])] == [106.0, 107.0]
    assert len(outline([unseen])) == 1


@pytest.mark.parametrize("tip", [1e-5, 4e-5, 1e-4])
def test_no_ring_collapses(tip):
    # comb of teeth thinner than the rounding: once made valid, some have no area or touch themselves
    teeth = [box(106 + n * 0.002, 29, 106 + n * 0.002 + tip, 29.3) for n in range(60)]
    for rings in (outline(teeth), outline([*teeth, box(105.9, 28.9, 106.2, 29.01)])):
        assert all(Polygon(ring).is_valid and Polygon(ring).area > 0 for ring in rings)


def test_a_cut_leaves_no_slivers():
    square, frayed = box(106, 29, 106.5, 29.5), box(106.494, 29, 107, 29.5)
    assert cut_away(square.union(frayed), [box(106.5, 29, 107, 29.5)]).area == pytest.approx(0.25, rel=0.01)
    assert cut_away(frayed, [box(106.5, 29, 107, 29.5)]).is_empty  # 0.6 km of it are left


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(105, 108), st.floats(28, 30.5), st.floats(0.001, 0.6), st.integers(3, 90)),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_outlines_are_valid_closed_and_small(blobs):
    rings = outline([Point(x, y).buffer(r, quad_segs=n) for x, y, r, n in blobs])
    for ring in rings:
        assert 4 <= len(ring) <= MAX_POINTS
        assert ring[0] == ring[-1]
        polygon = Polygon(ring)
        assert polygon.is_valid
        assert polygon.exterior.is_ccw
    union = MultiPolygon([Polygon(ring) for ring in rings]).buffer(0)
    largest = max(blobs, key=lambda blob: blob[2])
    if largest[2] > 0.05:
        assert union.buffer(0.02).contains(Point(largest[0], largest[1]))
