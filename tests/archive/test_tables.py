"""Tables to text and back, without loss."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.archive.cubes import NOON, storms
from wxcore.archive.tables import decode_table, encode_table
from wxcore.errors import ArchiveError, SchemaError
from wxcore.schema import STORMS, check_table


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_infinity=False),
            st.integers(-(2**63), 2**63 - 1),
            st.text(st.characters(exclude_categories=["Cs"])),
            st.lists(st.text(st.characters(exclude_categories=["Cs"]))),
            st.booleans(),
        ),
        min_size=1,
    )
)
def test_what_comes_back_is_what_went_in(rows: list[tuple[float, int, str, list[str], bool]]) -> None:
    table = pd.DataFrame({
        "f": [row[0] for row in rows], "i": pd.Series([row[1] for row in rows], dtype="int64"),
        "s": [row[2] for row in rows], "t": [tuple(row[3]) for row in rows], "b": [row[4] for row in rows],
    })  # fmt: skip
    found = decode_table(encode_table(table))
    pd.testing.assert_frame_equal(found, table, check_exact=True)
    assert list(found["t"]) == list(table["t"])


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_storm_table_keeps_its_schema(rows: int) -> None:
    found = decode_table(encode_table(storms(NOON, rows)))
    check_table(found, STORMS, what="read back")
    assert len(found) == rows
    assert list(found.columns) == [column.name for column in STORMS]
    assert (found["time"].to_numpy() == storms(NOON, rows)["time"].to_numpy()).all()


def test_missing_stays_missing() -> None:
    table = pd.DataFrame({"f": [np.nan, 1.0], "t": np.array(["NaT", "2020-06-12T05:42:00.123456789"], "M8[ns]")})
    found = decode_table(encode_table(table))
    assert np.isnan(found["f"][0])
    assert pd.isna(found["t"][0])
    assert found["t"].to_numpy()[1] == table["t"].to_numpy()[1]


@pytest.mark.parametrize("values", [[np.inf], [object()], [{"a": 1}], [(1, 2)], ["a", 1]])
def test_what_no_kind_can_hold(values: list[object]) -> None:
    with pytest.raises(SchemaError, match="bad"):
        encode_table(pd.DataFrame({"bad": values}))


def test_damaged_text() -> None:
    for text in ("", "{}", '{"rows": 1, "columns": {"p": {"kind": "wkt", "values": ["POLYGON (("]}}}'):
        with pytest.raises(ArchiveError, match="damaged"):
            decode_table(text)
