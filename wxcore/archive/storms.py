"""Tables of storms, probabilities, cloud cells and stations of past cycles, out of the archive."""

from datetime import datetime, timedelta

import pandas as pd

from wxcore.archive.layout import CLOUD_CELLS_TEXT, PROBABILITIES_TEXT, STATION_TABLE_TEXT, STORMS_TEXT, slot_of
from wxcore.archive.place import Root
from wxcore.archive.read import read_text, read_texts
from wxcore.archive.tables import decode_table
from wxcore.times import CYCLE, require_utc

BACK_MIN = 30
"""How far back tracking looks [min]: motion is fitted to five positions, and one cycle may be absent."""


def read_storms(root: Root, region: str, when: datetime, *, as_of: datetime | None = None) -> pd.DataFrame | None:
    """Storm table of a cycle (schema STORMS, as it was committed); None where the cycle is not in the archive.

    Raises:
        ArchiveError: no slot, or versions that cannot be opened.
    """
    text = read_text(root, region, when, STORMS_TEXT, as_of=as_of)
    return None if text is None else decode_table(text)


def read_probabilities(
    root: Root, region: str, when: datetime, *, as_of: datetime | None = None
) -> pd.DataFrame | None:
    """Probability table of a cycle (schema PROBABILITIES); None where the cycle, or its table, is not there.

    Tables of before `inputs_missing` was kept get it empty: what was missing then is not known.
    """
    text = read_text(root, region, when, PROBABILITIES_TEXT, as_of=as_of)
    if text is None:
        return None
    table = decode_table(text)
    return (
        table if "inputs_missing" in table else table.assign(inputs_missing=pd.Series([()] * len(table), dtype=object))
    )


def read_cloud_cells(root: Root, region: str, when: datetime, *, as_of: datetime | None = None) -> pd.DataFrame | None:
    """Cloud cell table of a cycle (schema CLOUD_CELLS); None where the cycle is not there, or had no satellite."""
    text = read_text(root, region, when, CLOUD_CELLS_TEXT, as_of=as_of)
    return None if text is None else decode_table(text)


def read_station_table(
    root: Root, region: str, when: datetime, *, as_of: datetime | None = None
) -> pd.DataFrame | None:
    """Station table of a cycle (schema STATION_TABLE); None where the cycle is not there, or had no stations."""
    text = read_text(root, region, when, STATION_TABLE_TEXT, as_of=as_of)
    return None if text is None else decode_table(text)


def recent_storms(root: Root, region: str, when: datetime, back_min: int = BACK_MIN) -> list[pd.DataFrame]:
    """Storm tables of the cycles from `when` - `back_min` until before `when`, oldest first; absent cycles left out."""
    when = require_utc(when)
    slot_of(when)
    steps = int(timedelta(minutes=back_min) // CYCLE)
    texts = read_texts(root, region, [when - step * CYCLE for step in range(steps, 0, -1)], STORMS_TEXT)
    return [decode_table(text) for text in texts if text is not None]
