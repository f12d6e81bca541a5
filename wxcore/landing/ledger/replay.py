"""Read a journal back: which of its batches were committed, which is the last, and where one is (see journal.py)."""

import os
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from wxcore.landing.ledger.journal import Event, day_files, parse

MOST_RIVALS = 64
"""Batches of which one was committed at most: held in memory until a later one names it. Zombies are few."""

REMEMBERED = 4096
"""Batches gone by whose names are remembered: a zombie names one of the last, not one of last week."""

BLOCK = 2**18
"""What is read at once from the end of a file [bytes]."""

Place = tuple[Path, int]
"""A day file, and the offset of a line in it [bytes]."""


@dataclass
class Damage:
    """Lines that were not used, counted by day file: broken ones, and those of transactions that never committed."""

    broken: Counter[str] = field(default_factory=Counter)
    abandoned: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Batch:
    name: str
    after: str
    lines: list[tuple[str, Event]]


def replay(
    folder: Path, damage: Damage | None = None, *, start: Place | None = None, committed: str = ""
) -> Iterator[Event]:
    """The events of committed transactions, in the order of their commits.

    Of batches that name the same one before them at most one was committed: the one that a later batch names, else the
    last. So the very last batch is given even where a crash came between its line and its commit: what it says did
    happen. A batch that names one long gone (an older ledger was put back) or a broken one is given as well.

    Args:
        damage: counts the lines that were left out; nothing damaged is ever raised.
        start: the first line to read; None reads the whole journal.
        committed: a batch that is known to be committed; it is not given itself.
    """
    damage = Damage() if damage is None else damage
    for batch in _committed(_batches(folder, damage, start), damage, committed):
        if batch.name != committed:
            yield from (event for _, event in batch.lines)


def _committed(batches: Iterator[_Batch], damage: Damage, known: str) -> Iterator[_Batch]:
    held: list[_Batch] = []
    passed: deque[str] = deque(maxlen=REMEMBERED)
    for batch in batches:
        named = next((old for old in held if old.name == batch.after), None)
        is_rival = batch.after in passed or any(old.after == batch.after for old in held)
        if held and (named is not None or not is_rival):
            yield from _choose(held, named, known, damage)
            passed.extend((held[0].after, *(old.name for old in held)))
            held = []
        held.append(batch)
        if len(held) > MOST_RIVALS:
            _leave_out(held.pop(0), damage)
    yield from _choose(held, None, known, damage)


def _choose(held: list[_Batch], named: _Batch | None, known: str, damage: Damage) -> Iterator[_Batch]:
    """Those of `held` that were committed; `named`: the one that the batch after them names."""
    rivals = [batch for batch in held if batch.after == held[0].after]
    chosen = [named or next((batch for batch in rivals if batch.name == known), rivals[-1])] if rivals else []
    if named is not None and named not in rivals:  # an older ledger was put back; the newer one had gone on till here
        chosen.append(rivals[-1])
    if named is None and held and held[-1] not in rivals:
        chosen.append(held[-1])
    for batch in held:
        if batch in chosen:
            yield batch
        else:
            _leave_out(batch, damage)


def _leave_out(batch: _Batch, damage: Damage) -> None:
    damage.abandoned.update(day for day, _ in batch.lines)


def _batches(folder: Path, damage: Damage, start: Place | None) -> Iterator[_Batch]:
    for (name, after), lines in groupby(
        _events(folder, damage, start), key=lambda line: (line[1].batch, line[1].after)
    ):
        yield _Batch(name, after, list(lines))


def _events(folder: Path, damage: Damage, start: Place | None) -> Iterator[tuple[str, Event]]:
    first, offset = start or (None, 0)
    for path in day_files(folder):
        if first is not None and path.name < first.name:
            continue
        with path.open("rb") as lines:
            lines.seek(offset if path == first else 0)
            for line in lines:
                event = parse(line.rstrip(b"\n"))
                if event is not None:
                    yield path.name, event
                elif line.strip():
                    damage.broken[path.name] += 1


def events_of(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Kind and data of every whole line of one day file, of abandoned transactions too."""
    with path.open("rb") as lines:
        for line in lines:
            event = parse(line.rstrip(b"\n"))
            if event is not None:
                yield event.kind, event.data


def last_event(folder: Path) -> tuple[Event | None, bool]:
    """The last whole line of the journal, of whichever transaction, and whether broken ones follow it."""
    is_broken = False
    for _, line in _backwards(folder):
        event = parse(line)
        if event is not None:
            return event, is_broken
        is_broken = is_broken or bool(line.strip())
    return None, is_broken


def find_batch(folder: Path, name: str) -> Place | None:
    """The first line of a batch, else of the oldest one that came after it; looked for from the end."""
    found: Place | None = None
    is_inside = False
    for place, line in _backwards(folder):
        event = parse(line) if is_inside or name.encode() in line else None
        if event is None:
            continue
        if event.batch == name:
            found, is_inside = place, True
        elif is_inside:
            break
        elif event.after == name:
            found = place
    return found


def _backwards(folder: Path) -> Iterator[tuple[Place, bytes]]:
    """All lines, the last first: no file need be read whole, they may be hundreds of MB."""
    for path in reversed(day_files(folder)):
        with path.open("rb") as file:
            start = end = file.seek(0, os.SEEK_END)
            rest = b""
            while start:
                start = max(0, start - BLOCK)
                file.seek(start)
                rest, *lines = (file.read(end - start - len(rest)) + rest).split(b"\n")
                for line in reversed(lines):
                    yield (path, end - len(line)), line
                    end -= len(line) + 1
            yield (path, 0), rest
