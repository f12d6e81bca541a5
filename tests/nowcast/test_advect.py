"""Advection of storms: distances on the ground, growth of the error, arrival at districts."""

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box

from wxcore.grid import EARTH_RADIUS_M
from wxcore.nowcast.advect import (
    SIGMA0_KM,
    STATIONARY_SPEED_M_S,
    Arrival,
    area_at_risk,
    arrival_window,
    forecast_positions,
    hit_probability,
    sigma_km,
)

DEGREE_KM = np.deg2rad(1) * EARTH_RADIUS_M / 1000
LON, LAT = 107.0, 30.0
EAST_KM = DEGREE_KM * np.cos(np.deg2rad(LAT))


def square(east_km: float, north_km: float, half_km: float) -> Polygon:
    """Square about a place given from (LON, LAT)."""
    lon, lat = LON + east_km / EAST_KM, LAT + north_km / DEGREE_KM
    return box(lon - half_km / EAST_KM, lat - half_km / DEGREE_KM, lon + half_km / EAST_KM, lat + half_km / DEGREE_KM)


def storm(u: float = 10.0, v: float = 0.0, sd: float = 3.0, half_km: float = 5.0) -> pd.Series:
    return pd.Series(
        {"storm_id": "a", "lat": LAT, "lon": LON, "polygon": square(0, 0, half_km), "u_m_s": u, "v_m_s": v,
         "motion_sd_m_s": sd}
    )  # fmt: skip


def area_km2(polygon: Polygon) -> float:
    return polygon.area * EAST_KM * DEGREE_KM


class TestSigma:
    def test_domain_formula(self) -> None:
        assert sigma_km(storm(), 0) == pytest.approx(3)
        assert sigma_km(storm(), 20) == pytest.approx(np.hypot(3, 6))

    def test_an_unsure_motion_grows_faster(self) -> None:
        assert sigma_km(storm(sd=10), 60) == pytest.approx(np.hypot(3, 36))

    def test_unknown_motion(self) -> None:
        assert sigma_km(storm(np.nan, np.nan, np.nan), 30) == pytest.approx(np.hypot(3, STATIONARY_SPEED_M_S * 1.8))


class TestPositions:
    def test_lead_zero_is_the_input(self) -> None:
        row = forecast_positions(pd.DataFrame([storm()])).iloc[0]
        assert (row["lead_min"], row["lat"], row["lon"]) == (0, LAT, LON)
        assert row["polygon"].equals_exact(square(0, 0, 5), 0)
        assert row["sigma_km"] == SIGMA0_KM

    @pytest.mark.parametrize(("u", "v"), [(10, 0), (0, 10), (-7, 12)])
    def test_distance_on_the_ground(self, u: float, v: float) -> None:
        row = forecast_positions(pd.DataFrame([storm(u, v)]), (30,)).iloc[0]
        assert (row["lon"] - LON) * EAST_KM == pytest.approx(u * 1.8)  # 10 m/s for 30 min is 18 km
        assert (row["lat"] - LAT) * DEGREE_KM == pytest.approx(v * 1.8)
        assert area_km2(row["polygon"]) == pytest.approx(100)
        middle = row["polygon"].centroid
        assert (middle.x, middle.y) == (pytest.approx(row["lon"]), pytest.approx(row["lat"]))

    def test_unknown_motion_stays(self) -> None:
        table = forecast_positions(pd.DataFrame([storm(np.nan, np.nan, np.nan)]), (0, 60))
        assert not table["moving"].any()
        assert table["lon"].tolist() == [LON, LON]
        assert table["sigma_km"].iloc[1] > 40

    def test_no_storms(self) -> None:
        assert forecast_positions(pd.DataFrame(columns=list(storm().index))).empty


class TestAreaAtRisk:
    def test_lead_zero_is_the_outline_and_sigma(self) -> None:
        """Square of 10 km with a rim of 3 km: 100 + 4 * 10 * 3 + pi * 9."""
        assert area_km2(area_at_risk(storm(), 0, 0)) == pytest.approx(100 + 120 + np.pi * 9, rel=0.01)

    def test_along_the_track(self) -> None:
        risk = area_at_risk(storm(u=10), 0, 60)  # 36 km, the rim grows from 3 to 18.2 km
        inside = [(-7.5, 0), (0, 7.5), (20, 9), (58, 0), (36, 22)]
        outside = [(-9, 0), (0, 12), (60.5, 0), (36, 24)]
        for east, north in inside:
            assert risk.contains(Point(LON + east / EAST_KM, LAT + north / DEGREE_KM)), (east, north)
        for east, north in outside:
            assert not risk.contains(Point(LON + east / EAST_KM, LAT + north / DEGREE_KM)), (east, north)

    @settings(max_examples=25, deadline=None)
    @given(st.floats(-40, 40), st.floats(-40, 40), st.floats(0, 30), st.floats(0, 30))
    def test_holds_every_position_in_between(self, u: float, v: float, start: float, length: float) -> None:
        risk = area_at_risk(storm(u, v), start, start + length)
        assert risk.is_valid
        assert not risk.interiors
        leads = np.linspace(start, start + length, 7)
        for row in forecast_positions(pd.DataFrame([storm(u, v)]), tuple(leads)).itertuples():
            assert risk.contains(row.polygon)

    def test_later_windows_are_inside_the_whole(self) -> None:
        whole = area_at_risk(storm(), 0, 60)
        assert shapely.difference(area_at_risk(storm(), 30, 60), whole).area < 1e-3 * whole.area


class TestArrival:
    def test_by_hand(self) -> None:
        """A district 27 to 33 km east; the front edge is at 5 + 0.6 t km: 36.7 min (its rim is there at 25 min)."""
        assert arrival_window(storm(u=10), square(30, 0, 3)) == Arrival(37, 60, timed=True)

    def test_where_only_the_rim_comes_there_is_no_arrival_time(self) -> None:
        """A district 8 to 14 km south of the track of a storm 10 km wide; the rim 3 to 18 km wide touches it."""
        found = arrival_window(storm(u=10), square(20, -11, 3))
        assert found is not None
        assert not found.timed

    def test_a_storm_of_unknown_motion_is_timed_only_where_it_is(self) -> None:
        row = storm(u=np.nan, v=np.nan, sd=np.nan)
        assert arrival_window(row, square(4, 0, 3)) == Arrival(0, 60, timed=True)
        far = arrival_window(row, square(30, 0, 3))  # rim: 5 + hypot(3, 0.72 t) >= 27 at 30.3 min
        assert far == Arrival(31, 60, timed=False)

    def test_just_at_the_horizon_is_not_before_it(self) -> None:
        """The front edge is at 40.4 km after 59 min and at 41 km after 60."""
        found = [arrival_window(storm(u=10), square(east, 0, 3)) for east in (43.3, 43.9)]
        assert [arrival is not None and arrival.timed for arrival in found] == [True, False]

    def test_already_there(self) -> None:
        assert arrival_window(storm(u=0), square(4, 0, 3)) == Arrival(0, 60, timed=True)

    def test_leaves_again(self) -> None:
        """A fast storm that leaves a district behind it."""
        found = arrival_window(storm(u=30), square(-7, 0, 3))
        assert found is not None
        assert (found.eta_min, found.timed) == (0, True)
        assert found.end_min < 10

    @pytest.mark.parametrize("place", [(-60, 0), (0, 80), (150, 0)])
    def test_never(self, place: tuple[float, float]) -> None:
        assert arrival_window(storm(u=10), square(*place, 3)) is None

    @settings(max_examples=25, deadline=None)
    @given(st.floats(-25, 25), st.floats(-25, 25), st.floats(-60, 60), st.floats(-60, 60))
    def test_agrees_with_the_area_at_risk(self, u: float, v: float, east: float, north: float) -> None:
        district = square(east, north, 3)
        risk = area_at_risk(storm(u, v), 0, 60)
        margin = 0.5 / DEGREE_KM  # steps of one and of two minutes, corners of the rim
        if arrival_window(storm(u, v), district) is None:
            assert not shapely.buffer(risk, -margin).intersects(district)
        else:
            assert shapely.buffer(risk, margin).intersects(district)


class TestHit:
    """Chance that a district is reached at all."""

    @staticmethod
    def disc_storm(**motion: float) -> pd.Series:
        row = storm(**motion)
        row["area_km2"] = 100.0
        return row

    def test_is_sure_where_the_storm_is(self) -> None:
        assert hit_probability(self.disc_storm(), square(8, 0, 5)) == 1.0

    def test_by_hand_for_a_storm_at_rest(self) -> None:
        """Border 40 km east, radius sqrt(100/pi) = 5.64 km, sigma at 60 min hypot(3, 43.2) = 43.3 km: Phi(-0.793)."""
        row = self.disc_storm(u=np.nan, v=np.nan, sd=np.nan)
        assert hit_probability(row, square(90, 0, 50)) == pytest.approx(0.214, abs=0.002)

    def test_a_storm_that_comes_straight_on_is_nearly_sure_and_one_that_leaves_is_not(self) -> None:
        place = square(40, 0, 15)
        coming, leaving = (hit_probability(self.disc_storm(u=u, sd=1.0), place) for u in (12.0, -12.0))
        assert coming > 0.85  # deepest inside at 55 min: Phi((5.6 + 15) / 16.8)
        assert leaving < 0.01

    @settings(max_examples=40, deadline=None)
    @given(st.floats(10, 80), st.floats(1, 30))
    def test_farther_is_never_likelier(self, east: float, more: float) -> None:
        row = self.disc_storm(u=5.0)
        near, far = (hit_probability(row, square(place, 0, 4)) for place in (east, east + more))
        assert 0 <= far <= near + 1e-9 <= 1 + 1e-9
