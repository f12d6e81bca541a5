"""Flashes: hand-made strokes and events at and beyond every limit, brute force as oracle, overlaps, sources."""

from datetime import timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lightning.makers import CHINA, DEGREE_KM, START, lightning, strokes
from wxcore.lightning.events import EVENT, FLASH, GROUP
from wxcore.lightning.flashes import to_flashes
from wxcore.times import to_datetime64

LAT = 30.0
KM_LON = 1 / (DEGREE_KM * np.cos(np.deg2rad(LAT)))
REAL = "OR_GLM-L2-LCFA_G16_s20181830433000_e20181830433200_c20181830433231.nc"
KM_LAT = 1 / DEGREE_KM


class TestStrokes:
    @pytest.mark.parametrize(
        ("seconds", "north_km", "flashes"),
        [
            ([0, 0.3], [0, 5], 1),
            ([0, 0.3], [0, 9.9], 1),
            ([0, 0.3], [0, 10.1], 2),
            ([0, 0.499], [0, 0], 1),
            ([0, 0.501], [0, 0], 2),  # more than 0.5 s since the last one
            ([0, 0.4, 0.8], [0, 0, 0], 1),  # each within 0.5 s of the last, 1 s of the first
            ([0, 0.4, 0.8, 1.1], [0, 0, 0, 0], 2),  # more than 1 s after the first
            ([0, 0.2, 0.4], [0, 8, 16], 2),  # 16 km from the first, though 8 from the second
        ],
    )
    def test_limits(self, seconds: list[float], north_km: list[float], flashes: int) -> None:
        found = to_flashes([strokes(seconds, 107, LAT + np.array(north_km) * KM_LAT)])
        assert found.time.size == flashes

    def test_two_storms_at_once(self) -> None:
        found = to_flashes([strokes([0, 0.1, 0.2, 0.3], [107, 108, 107, 108], LAT)])
        assert found.lon.tolist() == [107, 108]

    def test_place_of_the_first_current_of_the_strongest(self) -> None:
        found = to_flashes([strokes([0, 0.1, 0.2], [107, 107.01, 107.02], LAT, [-20, 45, -60])])
        assert (found.lon[0], found.strength_ka[0], found.positive[0]) == (107, -60, 0)

    def test_unknown_current(self) -> None:
        found = to_flashes([strokes([0, 0.1, 9], [107, 107, 108], LAT, [np.nan, 45, np.nan])])
        np.testing.assert_array_equal(found.strength_ka, [45, np.nan])
        np.testing.assert_array_equal(found.positive, [1, np.nan])

    def test_a_growing_file_counts_once(self) -> None:
        old = strokes([0, 5, 9], [107, 107.5, 108], LAT, cover_s=10)
        new = strokes([0, 5, 9, 20], [107, 107.5, 108, 109], LAT, cover_s=21)
        assert to_flashes([new, old, old]).time.size == 4


class TestOptical:
    @pytest.mark.parametrize(
        ("seconds", "north_km", "flashes"),
        [
            ([0, 0.1], [0, 10], 1),
            ([0, 0], [0, 16.4], 1),
            ([0, 0], [0, 16.6], 2),
            ([0, 0.329], [0, 0], 1),
            ([0, 0.331], [0, 0], 2),
            ([0, 0.3], [0, 14], 2),  # each within its limit, not so together
            ([0, 0.2, 0.4, 0.6], [0, 10, 20, 30], 1),  # a chain
        ],
    )
    def test_limits(self, seconds: list[float], north_km: list[float], flashes: int) -> None:
        found = to_flashes([lightning(seconds, 107, LAT + np.array(north_km) * KM_LAT, level=EVENT)])
        assert found.time.size == flashes

    def test_centroid_by_radiance_first_time(self) -> None:
        found = to_flashes([lightning([1, 1.1], [107, 107.04], LAT, [3, 1], level=EVENT)])
        assert found.lon[0] == pytest.approx(107.01)
        assert found.time[0] == to_datetime64(START + timedelta(seconds=1))
        assert np.isnan(found.strength_ka[0])

    def test_centroid_by_number_where_radiance_is_unknown(self) -> None:
        found = to_flashes([lightning([1, 1.1], [107, 107.04], LAT, [3, np.nan], level=EVENT)])
        assert found.lon[0] == pytest.approx(107.02)

    @pytest.mark.parametrize("strength", [1e308, 1e-300])
    def test_centroid_of_a_radiance_beyond_sense(self, strength: float) -> None:
        found = to_flashes([lightning([1, 1.1, 1.2], [107, 107.03, 107.06], LAT, strength, level=EVENT)])
        assert found.lon[0] == pytest.approx(107.03)
        assert found.lat[0] == pytest.approx(LAT)

    def test_more_events_in_one_place_than_could_be_compared(self) -> None:
        rng = np.random.default_rng(4)
        seconds, lon = rng.uniform(0, 0.3, 60_000), rng.uniform(107, 107.1, 60_000)
        assert to_flashes([lightning(seconds, lon, LAT + 2 * (seconds > 0.15), level=EVENT)]).time.size == 2

    def test_across_the_date_line(self) -> None:
        found = to_flashes([lightning([1, 1.1], [179.97, -179.95], 0, level=EVENT, source="GOES-18/GLM")])
        assert found.time.size == 1
        assert abs(found.lon[0]) == pytest.approx(179.99)

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 999), count=st.integers(1, 120))
    def test_brute_force(self, seed: int, count: int) -> None:
        rng = np.random.default_rng(seed)
        seconds, lon, lat = rng.uniform(0, 3, count), rng.uniform(107, 108, count), rng.uniform(29, 30, count)
        found = to_flashes([lightning(seconds, lon, lat, level=GROUP)])
        x, y = np.deg2rad(lon), np.deg2rad(lat)
        cosine = np.sin(y[:, None]) * np.sin(y) + np.cos(y[:, None]) * np.cos(y) * np.cos(x[:, None] - x)
        km = 6371 * np.arccos(np.clip(cosine, -1, 1))
        near = (km / 16.5) ** 2 + ((seconds[:, None] - seconds) / 0.33) ** 2 <= 1
        np.fill_diagonal(near, val=True)
        for _ in range(8):  # paths of 2, 4, ... 256 steps
            near = (near.astype(int) @ near) > 0
        assert found.time.size == len({tuple(row) for row in near})

    @pytest.mark.parametrize(("level", "number", "shared"), [(EVENT, 293, 292), (GROUP, 318, 283)])
    def test_real_glm_events_and_groups_against_its_own_flashes(
        self, level: str, number: int, shared: int, data: Path
    ) -> None:
        """GLM's own algorithm made 302 flashes of them; ours is simpler."""
        with h5py.File(data / "satellite" / "glm" / REAL) as file:
            lon, lat = (file[f"{level}_{axis}"][()] for axis in ("lon", "lat"))
            if level == EVENT:
                lon, lat = lon.view("u2") * 0.00203128 - 141.56, lat.view("u2") * 0.00203128 - 66.56
            seconds, energy = file[f"{level}_time_offset"][()] * 2e-3, file[f"{level}_energy"][()].view("u2") * 1.0
            truth = [file[f"flash_{name}"][()] for name in ("lon", "lat", "time_offset_of_first_event")]
        found = to_flashes([lightning(seconds, lon, lat, energy, level=level, cover_s=20)])
        late = (found.time - to_datetime64(START)) / np.timedelta64(1, "s")
        east = (found.lon[:, None] - truth[0]) * np.cos(np.deg2rad(truth[1]))
        km = DEGREE_KM * np.hypot(east, found.lat[:, None] - truth[1])
        same = (km < 5) & (np.abs(late[:, None] - truth[2] * 2e-3) < 0.05)
        assert (found.time.size, int(np.count_nonzero(same.any(axis=0)))) == (number, shared)


class TestFiles:
    def test_flashes_before_groups_before_events(self) -> None:
        # three levels of the first minute, events only of the second
        later = START + timedelta(minutes=1)
        files = [
            lightning([1, 2, 3], [107, 108, 109], LAT, level=EVENT),
            lightning([1, 2], [107, 108], LAT, level=GROUP),
            lightning([1], [107], LAT, level=FLASH),
            lightning([1, 2], [110, 111], LAT, level=EVENT, start=later),
        ]
        found = to_flashes(files)
        assert found.lon.tolist() == [107, 110, 111]
        assert to_flashes(files[:1] + files[3:]).time.size == 5

    def test_overlapping_files_count_once(self) -> None:
        one = lightning([50, 58], [107, 108], LAT)
        two = lightning([-2, 3], [108, 109], LAT, start=START + timedelta(minutes=1))
        assert to_flashes([one, two]).lon.tolist() == [107, 108, 109]

    def test_another_imager_repeats(self) -> None:
        one = lightning([10, 30], [107, 108], LAT, source="FY-4A/LMI")
        two = lightning([10.2, 45], [107.05, 108], LAT, source="FY-4C/LMI")
        found = to_flashes([two, one])
        assert found.repeat.tolist() == [False, True, False, False]
        assert found.sources == ("FY-4A/LMI", "FY-4C/LMI")

    def test_a_network_flash_that_an_imager_saw(self) -> None:
        imager = lightning([10, 30], [107, 108], LAT)
        network = strokes([10.3, 11.5, 30.2], [107.1, 107.1, 108.5], LAT, -30)
        found = to_flashes([network, imager])
        assert found.imaged.tolist() == [False, True, False, False, False]
        assert not found.repeat.any()

    def test_one_to_one(self) -> None:
        imager = lightning([10], [107], LAT)
        network = strokes([10.2, 10.8], [107, 107], LAT)  # 0.6 s apart: two flashes
        assert to_flashes([network, imager]).imaged.tolist() == [False, True, False]

    def test_nothing(self) -> None:
        found = to_flashes([])
        assert (found.time.size, found.looks, found.positive.size) == (0, (), 0)
        empty = to_flashes([lightning([], [], [], level=EVENT), strokes([], [], [])])
        assert empty.time.size == 0
        assert [look.total for look in empty.looks] == [True, False]
        assert empty.looks[0].coverage == CHINA

    @settings(max_examples=15, deadline=None)
    @given(order=st.permutations(range(4)))
    def test_order_of_files_does_not_matter(self, order: list[int]) -> None:
        files = [
            lightning([10, 30], [107, 108], LAT), lightning([10.2, 45], [107.05, 108], LAT, source="FY-4C/LMI"),
            strokes([10.3, 11.5, 30.2], [107.1, 107.1, 108.5], LAT),
            lightning([70], 109, LAT, level=EVENT, cover_s=120),
        ]  # fmt: skip
        expected, found = to_flashes(files), to_flashes([files[i] for i in order])
        for name in ("time", "lon", "lat", "total", "repeat", "imaged"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
