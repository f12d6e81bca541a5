"""Whose image each cell is, and how old."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import TimeError
from wxcore.satellite.blend import Image, blend, flag, join
from wxcore.schema import IMAGE, PLATFORMS, SIMULATED_ATTRIBUTE, SIMULATED_MARK

WHEN = datetime(2025, 2, 26, 7, 18, tzinfo=UTC)
LAT, LON = np.array([29.0, 29.01]), np.array([106.0, 106.01, 106.02])
BT, WV, VIS = "brightness_temperature_108", "brightness_temperature_062", "reflectance_065"
NAN = np.nan
Fields = dict[str, Any]


def gridded(
    minutes: float, platform: str = "FY-4B", resolution_m: float = 4000, offset: Any = 0.0, fields: Fields | None = None
) -> xr.Dataset:
    """An image that starts so many minutes before WHEN, with fields by name (numbers or (lat, lon))."""
    start = np.datetime64((WHEN - timedelta(minutes=minutes)).replace(tzinfo=None), "ns")
    planes = {**(fields or {}), "line_offset": offset}
    return xr.Dataset(
        {
            name: (("time", "lat", "lon"), np.broadcast_to(np.asarray(values, np.float32), (1, 2, 3)).copy())
            for name, values in planes.items()
        },
        coords={"time": [start], "lat": LAT, "lon": LON},
        attrs={"platform": platform, "instrument": "AGRI", "resolution_m": resolution_m},
    )


def image(
    minutes: float, platform: str = "FY-4B", priority: float = 35.0, offset: Any = 0.0, fields: Fields | None = None
) -> Image:
    return Image(platform, gridded(minutes, platform, offset=offset, fields=fields), priority)


def owners(data: xr.Dataset) -> list[str]:
    return [PLATFORMS[value] for value in data["satellite"].values.ravel()]


class TestCells:
    def test_never_a_mixture_of_two_satellites(self) -> None:
        first = image(5, fields={BT: [[220, NAN, 220], [220, NAN, 220]], VIS: NAN})
        second = image(40, "FY-2H", fields={BT: 250, VIS: 0.5, WV: 230})
        data = blend([first, second], WHEN)
        mine = np.array([[True, False, True], [True, False, True]])
        assert data[BT].values[0].tolist() == np.where(mine, 220, 250).tolist()
        assert np.isnan(data[VIS].values[0][mine]).all()
        assert np.isnan(data[WV].values[0][mine]).all()
        assert (data[VIS].values[0][~mine] == 0.5).all()
        assert (data[WV].values[0][~mine] == 230).all()
        assert owners(data) == ["FY-4B", "FY-2H", "FY-4B"] * 2

    def test_where_nobody_sees(self) -> None:
        data = blend([image(5, fields={BT: [[NAN, 250, 250], [250, 250, 250]]})], WHEN)
        assert data["satellite"].values[0, 0, 0] == 0
        assert np.isnan(data["satellite_offset"].values[0, 0, 0])
        assert np.isnan(data[BT].values[0, 0, 0])

    def test_offset_is_that_of_the_line_negative_before(self) -> None:
        data = blend([image(5, offset=[[60.0], [61.5]], fields={BT: 250})], WHEN)
        assert data["satellite_offset"].values[0].tolist() == [[-240.0] * 3, [-238.5] * 3]

    def test_form(self) -> None:
        data = blend([image(5, fields={BT: 250, "cloud_top_height": 9000, VIS: 0.5})], WHEN)
        assert set(data.data_vars) == {BT, VIS, "cloud_top_height", "satellite", "satellite_offset"}
        assert data["time"].values.tolist() == [np.datetime64("2025-02-26T07:18", "ns").astype(int)]
        for var in IMAGE:
            if var.name in data:
                assert data[var.name].dtype == var.dtype
                assert data[var.name].dims == var.dims
                assert set(data[var.name].attrs) == set(var.attrs)

    def test_an_unlisted_satellite_is_other(self) -> None:
        assert owners(blend([image(5, "GK-2A", fields={BT: 250})], WHEN)) == ["other"] * 6
        assert flag("not_observed") == flag("GK-2A") == PLATFORMS.index("other")

    def test_simulated_data_stay_marked(self) -> None:
        marked = image(5, fields={BT: 250})
        marked.dataset.attrs[SIMULATED_ATTRIBUTE] = SIMULATED_MARK
        assert blend([image(25, fields={BT: 250}), marked], WHEN).attrs == {SIMULATED_ATTRIBUTE: SIMULATED_MARK}
        assert blend([image(25, fields={BT: 250})], WHEN).attrs == {}


class TestPreference:
    def best(self, *images: Image) -> str:
        found = {owners(blend(order, WHEN))[0] for order in permutations(images)}
        assert len(found) == 1, "the order of the images matters"
        return found.pop()

    def test_the_younger_by_a_slot(self) -> None:
        assert self.best(image(16, "FY-4B", 35, fields={BT: 250}), image(14, "FY-2H", 47, fields={BT: 260})) == "FY-2H"

    def test_within_a_slot_the_steeper_view(self) -> None:
        assert self.best(image(14, "FY-4B", 35, fields={BT: 250}), image(1, "FY-2H", 47, fields={BT: 260})) == "FY-4B"
        assert self.best(image(0, "FY-2H", 47, fields={BT: 260}), image(1, "FY-4B", 35, fields={BT: 250})) == "FY-4B"

    def test_equal_views_the_younger(self) -> None:
        assert self.best(image(4, "FY-4A", 42, fields={BT: 250}), image(9, "FY-4C", 42, fields={BT: 260})) == "FY-4A"

    def test_all_equal_the_name(self) -> None:
        assert self.best(image(4, "FY-4C", 42, fields={BT: 250}), image(4, "FY-4A", 42, fields={BT: 260})) == "FY-4A"

    def test_age_is_of_the_lines_over_the_grid(self) -> None:
        late = image(20, "FY-4B", 35, offset=400.0, fields={BT: 250})
        assert self.best(late, image(14, "FY-2H", 47, fields={BT: 260})) == "FY-4B"

    def test_infrared_before_a_younger_picture_by_day(self) -> None:
        assert self.best(image(1, "FY-4B", 35, fields={VIS: 0.5}), image(50, "FY-2H", 47, fields={BT: 260})) == "FY-2H"

    def test_several_channels_before_one(self) -> None:
        """GHI has 0.65 and 11.4 um, every minute."""
        lone = image(1, "FY-4C", 30, fields={BT: 250, VIS: 0.5})
        assert self.best(lone, image(9, "FY-4B", 35, fields={BT: 250, WV: 230})) == "FY-4B"
        assert self.best(lone, image(19, "FY-4B", 35, fields={BT: 250, WV: 230})) == "FY-4C"

    def test_a_picture_by_day_serves_where_no_infrared_does(self) -> None:
        data = blend(
            [image(1, "FY-4B", fields={VIS: 0.5}), image(50, "FY-2H", fields={BT: [[260, 260, NAN], [260, 260, NAN]]})],
            WHEN,
        )
        assert owners(data) == ["FY-2H", "FY-2H", "FY-4B"] * 2
        assert np.isnan(data[BT].values[0, :, 2]).all()
        assert (data[VIS].values[0, :, 2] == 0.5).all()

    def test_an_image_after_the_analysis_counts_as_old_as_one_before(self) -> None:
        assert self.best(image(-20, "FY-4B", 35, fields={BT: 250}), image(10, "FY-2H", 47, fields={BT: 260})) == "FY-2H"


class TestRefusals:
    def test_no_images(self) -> None:
        with pytest.raises(ValueError, match="no image"):
            blend([], WHEN)

    def test_naive_time(self) -> None:
        with pytest.raises(TimeError):
            blend([image(5, fields={BT: 250})], WHEN.replace(tzinfo=None))

    def test_other_cells(self) -> None:
        moved = image(5, fields={BT: 250})
        moved = Image("FY-2H", moved.dataset.assign_coords(lat=LAT + 0.01), 47)
        with pytest.raises(ValueError, match="different cells"):
            blend([image(5, fields={BT: 250}), moved], WHEN)


class TestJoin:
    def test_the_finer_file_of_the_slot(self) -> None:
        coarse = gridded(15, offset=200.0, fields={BT: 250, VIS: 0.4})
        fine = gridded(14.9, resolution_m=500, offset=190.0, fields={VIS: 0.45})
        for parts in ([coarse, fine], [fine, coarse]):
            (whole,) = join(parts)
            assert whole[VIS].values == pytest.approx(np.full((1, 2, 3), 0.45))
            assert (whole[BT].values == 250).all()
            assert (whole["line_offset"].values == 200).all()
            assert whole["time"].equals(coarse["time"])
            assert whole.attrs["resolution_m"] == 4000

    def test_the_coarser_where_the_finer_has_none(self) -> None:
        fine = gridded(15, resolution_m=500, fields={VIS: [[0.45, NAN, 0.45], [0.45, 0.45, 0.45]]})
        (whole,) = join([gridded(15, fields={BT: 250, VIS: 0.4}), fine])
        assert whole[VIS].values[0, 0].tolist() == pytest.approx([0.45, 0.4, 0.45])

    def test_other_slots_and_satellites_stay_apart(self) -> None:
        parts = [gridded(15, fields={BT: 250}), gridded(30, fields={BT: 251}), gridded(15, "FY-4A", fields={BT: 252})]
        found = [(data.attrs["platform"], float(data[BT].values[0, 0, 0])) for data in join(parts)]
        assert found == [("FY-4A", 252.0), ("FY-4B", 251.0), ("FY-4B", 250.0)]

    def test_other_instruments_stay_apart(self) -> None:
        ghi = gridded(15, resolution_m=2000, fields={BT: 255}).assign_attrs(instrument="GHI")
        assert len(join([gridded(15, fields={BT: 250, WV: 230}), ghi])) == 2

    def test_simulated_data_stay_marked(self) -> None:
        marked = gridded(15, resolution_m=500, fields={VIS: 0.4}).assign_attrs({SIMULATED_ATTRIBUTE: SIMULATED_MARK})
        assert join([gridded(15, fields={BT: 250}), marked])[0].attrs[SIMULATED_ATTRIBUTE] == SIMULATED_MARK


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-10, 60), st.sampled_from(PLATFORMS[1:5]), st.integers(0, 63)),
        min_size=1,
        max_size=4,
        unique_by=lambda one: one[1],
    )
)
def test_every_seen_cell_is_one_image_s_and_every_other_nobody_s(drawn: list[tuple[int, str, int]]) -> None:
    images = []
    for number, (minutes, platform, bits) in enumerate(drawn):
        seen = np.array([(bits >> cell) & 1 for cell in range(6)], bool).reshape(2, 3)
        images.append(
            image(minutes, platform, 40, fields={BT: np.where(seen, 200.0 + number, NAN), VIS: float(number)})
        )
    data = blend(images[::-1], WHEN)
    assert data.identical(blend(images, WHEN))
    anyone = np.any([np.isfinite(one.dataset[BT].values) for one in images], axis=0)
    assert (np.isfinite(data[BT].values) == anyone).all()
    assert ((data["satellite"].values > 0) == anyone).all()
    assert (np.isfinite(data["satellite_offset"].values) == anyone).all()
    assert (data[BT].values - 200 == data[VIS].values)[anyone].all()
    numbers = data[VIS].values[anyone].astype(int)
    assert [flag(images[number].platform) for number in numbers] == data["satellite"].values[anyone].tolist()
