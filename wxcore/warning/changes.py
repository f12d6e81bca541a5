"""What a message changes: against its predecessors, and against the level that each place had in any message."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from wxcore.warning.model import LEVELS, Change, Move, Place, Reference, Warning

RANK = {level: rank for rank, level in enumerate(("", *LEVELS))}

Named = Mapping[str, tuple[str, Place]]
"""Place key -> its highest level among the standing messages, and its row there."""


def named_before(before: Sequence[Warning]) -> dict[str, tuple[str, Place]]:
    """Where each place stands before this run."""
    named: dict[str, tuple[str, Place]] = {}
    for warning in before:
        for place in warning.districts:
            if place.key not in named or RANK[warning.level] >= RANK[named[place.key][0]]:
                named[place.key] = (warning.level, place)
    return named


def is_released(place: Place, hold_runs: int) -> bool:
    """Was the place let go by an earlier run, though the message that names it still stands?"""
    return place.below_runs >= hold_runs


def references(superseded: Sequence[Warning], when: datetime) -> tuple[Reference, ...]:
    """Every predecessor that has not run out, directly or down the chain, oldest first (RELIABILITY.md 3)."""
    every = [ref for warning in superseded for ref in (*warning.references, warning.reference)]
    unique = {ref.identifier: ref for ref in every if ref.expires > when}
    return tuple(sorted(unique.values(), key=lambda ref: (ref.sent, ref.identifier)))


def find_change(
    warning: Warning, superseded: Sequence[Warning], named: Named, levels: Mapping[str, str], hold_runs: int
) -> Change:
    """What the message says has changed, at its places and at those of the messages that it supersedes.

    Args:
        named: of all standing messages of the hazard, superseded or not: a place may come from another level's message.
        levels: place key -> its level after this run, in any message.
        hold_runs: runs below p_down that release a place; one that was released and comes again is added.
    """
    names = {
        place.key: (place.name_zh, place.name_en) for message in (warning, *superseded) for place in message.districts
    }
    added, released = [], []
    moved: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key, words in names.items():
        new, (old, place) = levels.get(key, ""), named.get(key, ("", None))
        if not new:
            released.append(words)
        elif place is None or (new == old and is_released(place, hold_runs)):
            added.append(words)
        elif new != old:
            moved.setdefault((old, new), []).append(words)
    return Change(
        added=tuple(added),
        released=tuple(released),
        raised=_moves(moved, (pair for pair in moved if RANK[pair[1]] > RANK[pair[0]])),
        lowered=_moves(moved, (pair for pair in moved if RANK[pair[1]] < RANK[pair[0]])),
        renewed=any(old.level == warning.level and old.expires < warning.expires for old in superseded),
    )


def _moves(
    moved: Mapping[tuple[str, str], Sequence[tuple[str, str]]], pairs: Iterable[tuple[str, str]]
) -> tuple[Move, ...]:
    return tuple(Move(tuple(moved[pair]), *pair) for pair in pairs)
