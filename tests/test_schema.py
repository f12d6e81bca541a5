import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.errors import SchemaError
from wxcore.schema import (
    COLUMN,
    HAZARDS,
    LAT,
    LON,
    MOSAIC,
    NO_ECHO_DBZ,
    PROBABILITIES,
    PRODUCTS,
    STORMS,
    TIME,
    Var,
    check,
    check_table,
)  # fmt: skip

SIZES = {"time": 1, "height": 2, "lat": 3, "lon": 4}


def dataset(variables: tuple[Var, ...], value: float = 1.0) -> xr.Dataset:
    """A Dataset as the schema says, filled with `value`."""
    ds = xr.Dataset(
        {
            var.name: xr.Variable(var.dims, np.full([SIZES[dim] for dim in var.dims], value, var.dtype), var.attrs)
            for var in variables
        }
    )
    return ds.assign_coords({TIME: np.array(["2020-06-12T05:42"], "datetime64[ns]")})


@pytest.mark.parametrize("variables", [MOSAIC, PRODUCTS], ids=["mosaic", "products"])
class TestCheck:
    def test_returns_what_it_was_given(self, variables: tuple[Var, ...]) -> None:
        ds = dataset(variables)
        assert check(ds, variables, what="test") is ds

    def test_more_variables_are_allowed(self, variables: tuple[Var, ...]) -> None:
        check(dataset(variables).assign(other=1), variables, what="test")

    @settings(max_examples=30, deadline=None)
    @given(data=st.data())
    def test_lists_each_missing_variable(self, variables: tuple[Var, ...], data: st.DataObject) -> None:
        names = [var.name for var in variables]
        gone = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        with pytest.raises(SchemaError) as caught:
            check(dataset(variables).drop_vars(gone), variables, what="test")
        assert sorted(caught.value.faults) == sorted(f"{name}: missing" for name in gone)


def test_every_kind_of_fault_at_once() -> None:
    ds = dataset(MOSAIC).drop_vars("nearest_radar")
    ds["reflectivity"] = ds.reflectivity.transpose("time", "lat", "lon", "height").astype("f8") * 0 + 200.0
    ds["reflectivity"].attrs["units"] = "km"
    ds["observed"] = ds.observed.astype("i8")
    ds = ds.assign_coords({TIME: [0.0]})
    with pytest.raises(SchemaError) as caught:
        check(ds, MOSAIC, what="mosaic of 05:42")
    faults = "\n".join(caught.value.faults)
    assert str(caught.value).startswith("mosaic of 05:42: ")
    for expected in (
        "reflectivity: dims ('time', 'lat', 'lon', 'height'), expected ('time', 'height', 'lat', 'lon')",
        "reflectivity: dtype float64, expected float32",
        "reflectivity: units 'km', expected 'dBZ'",
        "reflectivity: values 200 to 200, expected -10 to 90",
        "observed: dtype int64, expected uint8",
        "nearest_radar: missing",
        "time: dtype float64",
    ):
        assert expected in faults
    assert len(caught.value.faults) == 7


def test_no_data_is_in_range_and_no_echo_is_a_value() -> None:
    check(dataset((MOSAIC[0],), np.nan), (MOSAIC[0],), what="unobserved")
    check(dataset((MOSAIC[0],), NO_ECHO_DBZ), (MOSAIC[0],), what="no echo")
    with pytest.raises(SchemaError, match="values -11"):
        check(dataset((MOSAIC[0],), -11), (MOSAIC[0],), what="below no echo")


def test_a_range_may_be_open_above() -> None:
    shi = next(var for var in PRODUCTS if var.name == "shi")
    ds = dataset((shi,))
    ds["shi"][0, 0, 0] = -5
    with pytest.raises(SchemaError, match="shi: values -5 to 1, expected 0 to inf"):
        check(ds, (shi,), what="test")


def test_flags_are_told_the_cf_way() -> None:
    observed = next(var for var in MOSAIC if var.name == "observed")
    assert observed.attrs["flag_meanings"] == "not_observed composite_only volume"
    np.testing.assert_array_equal(observed.attrs["flag_values"], np.array([0, 1, 2], "u1"))


def test_names_are_unique_and_units_given() -> None:
    variables = [*MOSAIC, *PRODUCTS]
    assert len({var.name for var in variables}) == len(variables)
    assert all(var.units and var.long_name for var in variables)
    assert all(var.dims == COLUMN and var.dims[-2:] == (LAT, LON) for var in PRODUCTS)
    assert HAZARDS == ("hail", "thunderstorm", "gale")


def probabilities(**changed: object) -> pd.DataFrame:
    row = {
        "storm_id": "20200612T0542-1", "hazard": "hail", "lead_start_min": 0, "lead_end_min": 60, "p": 0.7,
        "model": "mesh/1", "drivers": ("MESH 46 mm",), "drivers_zh": ("MESH 46 毫米",),
        "inputs_missing": ("lightning",),
    }  # fmt: skip
    return pd.DataFrame([{**row, **changed}])


def test_table_as_the_schema_says() -> None:
    table = probabilities()
    assert check_table(table, PROBABILITIES, what="p") is table
    check_table(probabilities(p=np.nan), PROBABILITIES, what="missing inputs")


def test_an_empty_table_needs_its_columns_only() -> None:
    check_table(pd.DataFrame(columns=[column.name for column in STORMS]), STORMS, what="storms")
    with pytest.raises(SchemaError) as caught:
        check_table(pd.DataFrame(), STORMS, what="storms")
    assert len(caught.value.faults) == len(STORMS)


def test_every_fault_of_a_table_at_once() -> None:
    table = probabilities(p=1.2, lead_start_min=-6, lead_end_min=1.5).drop(columns="model")
    with pytest.raises(SchemaError) as caught:
        check_table(table, PROBABILITIES, what="p")
    assert caught.value.faults == [
        "lead_start_min: values -6 to -6, expected 0 to inf",
        "lead_end_min: dtype float64, expected int",
        "p: values 1.2 to 1.2, expected 0 to 1",
        "model: missing",
    ]
