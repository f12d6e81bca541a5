"""Variables that only some cycles have: velocities where there are Doppler cuts, polarimetry where there are two."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

from tests.archive.cubes import GRID, NOON, SIX, cube, provenance, storms, table
from wxcore.archive import check as check_module
from wxcore.archive import digest, layout, read, series, store
from wxcore.archive.check import check_archive
from wxcore.archive.compact import compact
from wxcore.archive.digest import content_digest
from wxcore.archive.export import export_day
from wxcore.archive.read import open_archive
from wxcore.archive.series import open_day, point_series
from wxcore.archive.store import commit_cycle
from wxcore.archive.storms import read_cloud_cells
from wxcore.schema import CLOUD_CELLS, CUBE, LAT, OPTIONAL, TIME, Var, check

R = "r"


def commit(root: Path, slot: int, *, optional: bool, version: int = 0, seed: int | None = None) -> xr.Dataset:
    when = NOON + slot * SIX
    content = cube(when, seed=slot if seed is None else seed, optional=optional)
    cells = table(CLOUD_CELLS, when) if optional else None
    commit_cycle(root, R, GRID, when, content, storms(when), provenance(when, version), cloud_cells=cells)
    return content


def test_cloud_cells_are_kept_with_the_cycles_that_have_them(tmp_path: Path) -> None:
    for slot, optional in ((0, False), (1, True), (2, False)):
        commit(tmp_path, slot, optional=optional)
    cells = read_cloud_cells(tmp_path, R, NOON + SIX)
    assert cells is not None
    pd.testing.assert_frame_equal(cells, table(CLOUD_CELLS, NOON + SIX))
    assert read_cloud_cells(tmp_path, R, NOON) is None
    assert compact(tmp_path, R, NOON.date()).new
    kept = export_day(tmp_path, R, NOON.date(), tmp_path / "day.zarr", format="zarr")
    with xr.open_zarr(kept, consolidated=False) as exported:
        assert [bool(text) for text in exported["cloud_cells"].to_numpy()] == [False, True, False]
    assert check_archive(tmp_path, R).faults == ()
    commit(tmp_path, 1, optional=False, version=1)
    assert read_cloud_cells(tmp_path, R, NOON + SIX) is None


def test_every_optional_map_has_a_quantum() -> None:
    assert {var.name for var in OPTIONAL if var.dtype == "f4" and LAT in var.dims} <= layout.QUANTUM.keys()


NUMBERS = (
    Var("test_level", (TIME,), "m", "a height that some cycles know"),
    Var("test_quality", (TIME,), "1", "and how well", dtype="u1", flags=((0, "unknown"), (1, "good"), (2, "poor"))),
)


def test_numbers_join_a_day_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of optional variables with the dimension time alone, such as those of the environment."""
    for module in (layout, store, read, digest, check_module, series):
        monkeypatch.setattr(module, "OPTIONAL", (*OPTIONAL, *NUMBERS))

    def write(folder: str, slot: int, level: float | None, version: int = 0) -> None:
        when = NOON + slot * SIX
        content = cube(when)
        if level is not None:
            for var, value in zip(NUMBERS, (level, 2), strict=True):
                content[var.name] = ((TIME,), np.array([value], var.dtype), dict(var.attrs))
        commit_cycle(tmp_path / folder, R, GRID, when, content, storms(when), provenance(when, version))

    monkeypatch.setattr(digest, "_OPTIONAL", digest._OPTIONAL | {var.name for var in NUMBERS})
    for slot, level in ((0, None), (1, 3456.25), (2, np.nan), (240, None)):
        write("a", slot, level)
    found = open_archive(tmp_path / "a", region=R).load()
    np.testing.assert_array_equal(found["test_level"], np.array([np.nan, 3456.25, np.nan, np.nan], "f4"))
    assert found["test_quality"].to_numpy().tolist() == [0, 2, 2, 0]
    ahead = NOON + timedelta(days=2)
    line = point_series(tmp_path / "a", R, 29.02, 106.03, start=NOON, end=ahead, variables=["test_level"])
    np.testing.assert_array_equal(line["test_level"], found["test_level"])
    compact(tmp_path / "a", R, NOON.date())
    view = open_day(tmp_path / "a", R, NOON.date()).load()
    assert view.attrs["view"] == 1
    np.testing.assert_array_equal(view["test_level"], found["test_level"][:3])
    with xr.open_dataset(export_day(tmp_path / "a", R, NOON.date(), tmp_path / "day.nc")) as exported:
        np.testing.assert_array_equal(exported["test_level"], found["test_level"][:3])
    assert check_archive(tmp_path / "a", R).faults == ()
    write("b", 1, 3456.25)
    write("b", 1, None, version=1)
    write("c", 1, None, version=1)
    assert content_digest(tmp_path / "b", R) == content_digest(tmp_path / "c", R)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written = commit(tmp_path, 0, optional=True)
    found = open_archive(tmp_path, region=R).load()
    check(found, OPTIONAL, what="archive")
    for var in OPTIONAL:
        step = layout.QUANTUM.get(var.name, 0)
        np.testing.assert_allclose(found[var.name], written[var.name], rtol=0, atol=step * 0.501 + 1e-6)


@pytest.mark.parametrize("order", [(False, True), (True, False)])
def test_a_day_in_which_some_cycles_have_them(tmp_path: Path, order: tuple[bool, bool]) -> None:
    written = [commit(tmp_path, slot, optional=given) for slot, given in enumerate(order)]
    found = open_archive(tmp_path, region=R).load()
    for slot, given in enumerate(order):
        for var in OPTIONAL:
            values = found[var.name].isel(time=slot).to_numpy()
            if given:
                np.testing.assert_array_equal(np.isnan(values), np.isnan(written[slot][var.name].to_numpy()[0]))
            elif var.dtype == "f4":
                assert np.isnan(values).all(), var.name
            else:
                assert not values.any(), var.name
    assert not check_archive(tmp_path, R).faults


def test_days_with_and_without_them_are_joined(tmp_path: Path) -> None:
    commit(tmp_path, 0, optional=False)
    commit(tmp_path, 240, optional=True)
    found = open_archive(tmp_path, region=R)
    check(found.load(), OPTIONAL, what="archive")
    assert found["reflectivity"].dims == CUBE
    assert np.isnan(found["marc"].isel(time=0)).all()
    assert np.isfinite(found["marc"].isel(time=1)).any()
    series = point_series(tmp_path, R, 29.02, 106.03, start=NOON, end=NOON + timedelta(days=2), variables=["marc"])
    assert np.isnan(series["marc"][0])
    assert series["marc"].dtype == np.float32
    assert np.asarray(found["marc"].sel(lat=29.02, lon=106.03, method="nearest"))[1] == pytest.approx(
        float(series["marc"][1]), nan_ok=True
    )


def test_a_new_version_without_them_leaves_nothing_behind(tmp_path: Path) -> None:
    commit(tmp_path / "a", 0, optional=True)
    commit(tmp_path / "a", 0, optional=False, version=1)
    commit(tmp_path / "b", 0, optional=False, version=1)
    found = open_archive(tmp_path / "a", region=R).load()
    assert np.isnan(found["marc"]).all()
    assert not found["velocity_observed"].any()
    assert content_digest(tmp_path / "a", R) == content_digest(tmp_path / "b", R)


def test_the_view_and_the_export_hold_them(tmp_path: Path) -> None:
    written = commit(tmp_path, 0, optional=True)
    plain = open_day(tmp_path, R, NOON.date()).load()
    compact(tmp_path, R, NOON.date())
    view = open_day(tmp_path, R, NOON.date()).load()
    assert view.attrs["view"] == 1
    for var in OPTIONAL:
        if var.dims != CUBE:
            np.testing.assert_array_equal(view[var.name], plain[var.name])
    assert not check_archive(tmp_path, R).faults
    path = export_day(tmp_path, R, NOON.date(), tmp_path / "day.nc")
    with xr.open_dataset(path) as exported:
        step = layout.QUANTUM["radial_wind_low"]
        np.testing.assert_allclose(exported["radial_wind_low"], written["radial_wind_low"], atol=step)


def test_a_day_of_an_older_version_takes_them(tmp_path: Path) -> None:
    """The template made before these variables were known: they join with the first cycle that has them."""
    layout.create_day(zarr.open_group(tmp_path, mode="w", zarr_format=3), "20200612", GRID, R)
    cubes = zarr.open_group(tmp_path, mode="a")["cubes/20200612"]
    assert isinstance(cubes, zarr.Group)
    assert layout.variables_of(cubes) == layout.VARIABLES
    layout.add_optional(cubes, OPTIONAL[0], GRID)
    layout.add_optional(cubes, OPTIONAL[0], GRID)
    assert layout.variables_of(cubes) == (*layout.VARIABLES, OPTIONAL[0])
