"""Is a Dataset or a table as the schema says? Every fault at once."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from wxcore.errors import SchemaError
from wxcore.schema.variables import TIME, Column, Var


def check(ds: xr.Dataset, variables: Iterable[Var], *, what: str) -> xr.Dataset:
    """Return `ds` if each of `variables` that it holds is as the schema says, and it holds all of them.

    Args:
        ds: any Dataset; more variables than the schema's are allowed.
        variables: the schema.
        what: how messages name the Dataset.

    Raises:
        SchemaError: with every fault: missing variable, dims, dtype, units, values out of range.
    """
    faults: list[str] = []
    for var in variables:
        if var.name not in ds:
            faults.append(f"{var.name}: missing")
            continue
        faults += _variable_faults(ds[var.name], var)
    if TIME in ds.coords and not np.issubdtype(ds[TIME].dtype, np.datetime64):
        faults.append(f"time: dtype {ds[TIME].dtype}, expected datetime64[ns] in UTC")
    if faults:
        raise SchemaError(what, faults)
    return ds


def _variable_faults(array: xr.DataArray, var: Var) -> list[str]:
    faults: list[str] = []
    if array.dims != var.dims:
        faults.append(f"{var.name}: dims {array.dims}, expected {var.dims}")
    if array.dtype != np.dtype(var.dtype):
        faults.append(f"{var.name}: dtype {array.dtype}, expected {np.dtype(var.dtype)}")
    if array.attrs.get("units") != var.units:
        faults.append(f"{var.name}: units {array.attrs.get('units')!r}, expected {var.units!r}")
    bounded = np.isfinite(var.valid_min) or np.isfinite(var.valid_max)
    if bounded and array.size and np.issubdtype(array.dtype, np.number):
        faults += _range_faults(var.name, array.to_numpy(), var.valid_min, var.valid_max)
    return faults


def _range_faults(name: str, values: np.ndarray, low: float, high: float) -> list[str]:
    present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    if present.size == 0:
        return []
    smallest, largest = float(present.min()), float(present.max())
    if smallest < low or largest > high:
        return [f"{name}: values {smallest:g} to {largest:g}, expected {low:g} to {high:g}"]
    return []


_KINDS = {"float": "f", "int": "iu", "time": "M", "str": "OUT", "object": "O"}


def check_table(table: pd.DataFrame, columns: Iterable[Column], *, what: str) -> pd.DataFrame:
    """Return `table` if it holds each of `columns` with the right kind and range.

    Raises:
        SchemaError: with every fault.
    """
    faults: list[str] = []
    for column in columns:
        if column.name not in table:
            faults.append(f"{column.name}: missing")
            continue
        series = table[column.name]
        if len(table) and column.kind != "str" and series.dtype.kind not in _KINDS[column.kind]:
            faults.append(f"{column.name}: dtype {series.dtype}, expected {column.kind}")
        elif len(table) and column.kind in {"float", "int"}:
            faults += _range_faults(column.name, series.to_numpy(dtype="f8"), column.valid_min, column.valid_max)
    if faults:
        raise SchemaError(what, faults)
    return table
