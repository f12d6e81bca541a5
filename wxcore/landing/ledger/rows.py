"""Rows that the journal is told whole: what enters, and what is changed of it, for all tables of issue_tables.py."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, func, insert, select, update

from wxcore.landing.ledger.engine import Writing
from wxcore.landing.ledger.issue_tables import AUDIT, CALLOUTS, IMPORTS, MESSAGES
from wxcore.landing.ledger.journal import WARNINGS_JOURNAL, Replayer, plain, row_of
from wxcore.landing.ledger.tables import WARNINGS

TOLD = {table.name: table for table in (WARNINGS, MESSAGES, CALLOUTS, IMPORTS, AUDIT)}

MOST_KEYS = 500
"""Keys in one statement: older SQLite takes 999 values at most (sqlite.org/limits.html, number 9)."""


def enter_rows(transaction: Writing, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert new rows, and tell."""
    if rows:
        transaction.connection.execute(insert(table), list(rows))
    for row in rows:
        transaction.tell(WARNINGS_JOURNAL, "enter", {"table": table.name, "row": plain(row)})


def change_rows(transaction: Writing, table: Table, keys: Sequence[str], values: Mapping[str, Any]) -> None:
    """Set the same values in rows that are there, and tell."""
    if keys:
        _change(transaction.connection, table, keys, values)
        told = {"table": table.name, "keys": list(keys), "values": plain(values)}
        transaction.tell(WARNINGS_JOURNAL, "change", told)


def known_keys(connection: Connection, table: Table, keys: Sequence[str]) -> set[str]:
    """Those of `keys` that the table has."""
    key = _key(table)
    found = (connection.execute(select(key).where(key.in_(some))).scalars() for some in portions(keys))
    return {str(known) for some in found for known in some}


def portions(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """`keys` in parts that one statement takes."""
    return (keys[start : start + MOST_KEYS] for start in range(0, len(keys), MOST_KEYS))


def _key(table: Table) -> Column[Any]:
    (key,) = table.primary_key.columns
    return key


def _change(connection: Connection, table: Table, keys: Sequence[str], values: Mapping[str, Any]) -> None:
    for some in portions(keys):
        connection.execute(update(table).where(_key(table).in_(some)).values(dict(values)))


def _replay_enter(connection: Connection, events: Iterable[Mapping[str, Any]]) -> None:
    for data in events:
        table = TOLD.get(data["table"])
        if table is not None and not _is_known(connection, table, data["row"]):
            connection.execute(insert(table).values(row_of(table, data["row"])))


def _is_known(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    key = _key(table)
    if table is AUDIT:  # only appended to: where lines of the journal are lost, their numbers stay empty
        return bool(row["seq"] <= (connection.execute(select(func.max(key))).scalar() or 0))
    return connection.execute(select(key).where(key == row[key.name])).first() is not None


def _replay_change(connection: Connection, events: Iterable[Mapping[str, Any]]) -> None:
    for data in events:
        table = TOLD.get(data["table"])
        if table is not None:
            _change(connection, table, data["keys"], row_of(table, data["values"]))


REPLAY: Mapping[str, Replayer] = {"enter": _replay_enter, "change": _replay_change}
