"""Tables as JSON text and back, without loss.

    {"rows": 2, "columns": {"lat": {"kind": "float", "values": [32.78, null]}, ...}}

Kinds: float (NaN is null; repr of IEEE doubles, so exact), int, bool, str, time (ISO 8601 UTC with nanoseconds, NaT is
null), wkt (a shapely geometry as Well-Known Text, lon lat), tuple (of text), object (a table without rows).
"""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from wxcore.errors import ArchiveError, SchemaError

_KIND_OF_DTYPE = {"f": "float", "i": "int", "u": "int", "b": "bool", "M": "time"}
_DTYPES = {"float": "float64", "int": "int64", "bool": "bool", "time": "datetime64[ns]", "str": "str"}


def encode_table(table: pd.DataFrame) -> str:
    """A table to JSON text. The index is dropped.

    Raises:
        SchemaError: a column holds what no kind can.
    """
    faults: list[str] = []
    columns: dict[str, Any] = {}
    for name in table.columns:
        try:
            kind = _kind(table[name])
            columns[str(name)] = {"kind": kind, "values": _encode(table[name], kind)}
        except (TypeError, ValueError) as cause:
            faults.append(f"{name}: {cause}")
    if faults:
        raise SchemaError("archive, table", faults)
    return json.dumps({"rows": len(table), "columns": columns}, ensure_ascii=False, allow_nan=False)


def decode_table(text: str) -> pd.DataFrame:
    """JSON text of `encode_table` to the table.

    Raises:
        ArchiveError: not such text.
    """
    try:
        content = json.loads(text)
        columns = {name: _decode(column["values"], column["kind"]) for name, column in content["columns"].items()}
    except (ValueError, KeyError, TypeError, shapely.errors.ShapelyError) as cause:
        raise ArchiveError(f"damaged table in the archive: {cause}", f"归档中的表已损坏：{cause}") from cause
    return pd.DataFrame(columns, index=pd.RangeIndex(content["rows"]))


def _kind(series: "pd.Series[Any]") -> str:
    dtype_kind = getattr(series.dtype, "kind", "O")
    if dtype_kind in _KIND_OF_DTYPE:
        return _KIND_OF_DTYPE[dtype_kind]
    if isinstance(series.dtype, pd.StringDtype):
        return "str"
    values = list(series)
    for kind, wanted in (("str", str), ("wkt", BaseGeometry), ("tuple", tuple)):
        if values and all(isinstance(value, wanted) for value in values):
            return kind
    if values:
        raise TypeError(f"{sorted({type(value).__name__ for value in values})}, expected text, geometries or tuples")
    return "object"


def _encode(series: "pd.Series[Any]", kind: str) -> list[Any]:
    if kind == "float":
        values = series.to_numpy(dtype="f8")
        if np.isinf(values).any():
            raise ValueError("infinite values, expected finite ones or NaN")
        return [None if math.isnan(value) else value for value in values.tolist()]
    if kind == "time":
        texts = np.datetime_as_string(series.to_numpy(dtype="datetime64[ns]")).tolist()
        return [None if text == "NaT" else text for text in texts]
    if kind == "wkt":
        return [shapely.to_wkt(value, rounding_precision=-1, trim=True) for value in series]
    if kind == "tuple":
        return [[_text(part) for part in value] for value in series]
    if kind == "str":
        return [_text(value) for value in series]
    return list(series.tolist())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} where text is expected")
    return value


def _decode(values: Sequence[Any], kind: str) -> "pd.Series[Any]":
    if kind == "wkt":
        return _objects([shapely.from_wkt(value) for value in values])
    if kind == "tuple":
        return _objects([tuple(value) for value in values])
    if kind == "object":
        return _objects([])
    return pd.Series(list(values), dtype=_DTYPES[kind])


def _objects(values: Sequence[Any]) -> "pd.Series[Any]":
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return pd.Series(array, dtype=object)
