"""The 2-D composite fills only what no beam saw, and brings no hail."""

import numpy as np
import xarray as xr

from wxcore.pipeline.analyse import _by_sweep, fill_with_composite
from wxcore.schema import COLUMN, OBSERVED_COMPOSITE, OBSERVED_NONE, OBSERVED_VOLUME


def fields(observed: list[int], dbz: list[float]) -> xr.Dataset:
    return xr.Dataset(
        {
            "observed": (COLUMN, np.array([[observed]], dtype="u1"), {"units": "1"}),
            "composite_reflectivity": (COLUMN, np.array([[dbz]], dtype="f4"), {"units": "dBZ"}),
        }
    )


def test_beams_go_before_the_composite_and_nothing_stays_nothing() -> None:
    nan = float("nan")
    cube = fields([OBSERVED_VOLUME, OBSERVED_NONE, OBSERVED_NONE], [20.0, nan, nan])
    flat = fields([OBSERVED_COMPOSITE, OBSERVED_COMPOSITE, OBSERVED_NONE], [55.0, 45.0, nan])
    got = fill_with_composite(cube, flat)
    np.testing.assert_array_equal(got["composite_reflectivity"].to_numpy()[0, 0], np.array([20, 45, nan], dtype="f4"))
    assert got["observed"].to_numpy()[0, 0].tolist() == [OBSERVED_VOLUME, OBSERVED_COMPOSITE, OBSERVED_NONE]
    assert got["observed"].dtype == np.uint8
    assert got["composite_reflectivity"].attrs == {"units": "dBZ"}


def test_remarks_of_several_sweeps_are_one_sentence() -> None:
    told = ["sweep 2: no Nyquist velocity", "noise: 2 of 11 sweeps", "sweep 4: no Nyquist velocity", "sweep 4: else"]
    assert _by_sweep(told) == ["sweep 2, 4: no Nyquist velocity", "noise: 2 of 11 sweeps", "sweep 4: else"]
    assert _by_sweep(["第 2 层：速度未使用", "第 4 层：速度未使用"]) == ["第 2, 4 层：速度未使用"]
