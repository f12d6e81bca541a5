"""Which version of a hazard is in use: current.json, the newest last, so that one step back is one entry less.

    {"hail": [{"version": "a", "truth_class": "report", "promoted": "2026-06-30T00:00:00Z", "card": "<sha256>"}]}

`card` is the sha256 of the card that was judged: live, no other will do. Of several folders the first that says
anything about a hazard counts; where nothing is left, the published rule stands.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wxcore.archive.place import write_file
from wxcore.errors import ModelError
from wxcore.hazard.registry.card import SYN
from wxcore.hazard.registry.store import load_model, root_of, writing
from wxcore.hazard.registry.verdict import why_not

__all__ = ["CURRENT", "current", "history", "promote", "rollback", "standing", "why_not"]

CURRENT = "current.json"
MOST_BYTES = 1 << 20
"""Of current.json [our choice]: some ten thousand promotions."""

Entry = dict[str, str]


def history(roots: Sequence[Path], hazard: str) -> tuple[Entry, ...]:
    """What was promoted and not taken back, the newest last.

    Raises:
        ModelError: a current.json that is damaged.
    """
    for root in roots:
        found = _read(root)
        if hazard in found:
            return tuple(found[hazard])
    return ()


def current(roots: Sequence[Path], hazard: str, *, syn: bool = True) -> str:
    """Version in use; empty: the published rule stands.

    Args:
        syn: False leaves out models whose truth class is SYN: the one in use on real weather.

    Raises:
        ModelError: a current.json that is damaged.
    """
    return standing(roots, hazard, syn=syn).get("version", "")


def standing(roots: Sequence[Path], hazard: str, *, syn: bool = True) -> Entry:
    """As `current`: the whole entry; empty where the published rule stands.

    Raises:
        ModelError: a current.json that is damaged.
    """
    entries = history(roots, hazard)
    return next((dict(entry) for entry in reversed(entries) if syn or entry["truth_class"] != SYN), {})


def promote(roots: Sequence[Path], hazard: str, version: str, at: str) -> Entry:
    """Put a model to use: written into the first folder. One whose labels are SYN is promoted for SYN only.

    Args:
        roots: the home's folder first. at: ISO 8601 UTC, by the caller's clock.

    Raises:
        ModelError: it does not beat the baselines, is worse on a slice, made from a table of others, in use already,
            damaged, or not there.
        OSError: disk full, or a write error.
    """
    loaded = load_model(root_of(roots, hazard, version), hazard, version)
    card = loaded.card
    try:
        reasons = why_not(card)
    except (KeyError, TypeError, AttributeError) as cause:
        raise ModelError(f"card of {hazard}/{version}", [f"the board cannot be read ({cause!r})"]) from cause
    if reasons:
        raise ModelError(f"{hazard}/{version} is not promoted", reasons)
    entry = {"version": version, "truth_class": str(card["truth_class"]), "promoted": at, "card": loaded.card_sha256}
    with writing(roots[0]):
        entries = history(roots, hazard)
        if entries and all(entries[-1].get(name) == entry[name] for name in ("version", "card")):
            raise ModelError(f"{hazard}/{version}", ["in use already"])
        _write(roots[0], hazard, (*entries, entry))
    return entry


def rollback(roots: Sequence[Path], hazard: str) -> tuple[Entry, str]:
    """Take the newest promotion back.

    Returns:
        What was taken back, and the version that stands now; empty: the published rule.

    Raises:
        ModelError: nothing was promoted.
        OSError: disk full, or a write error.
    """
    with writing(roots[0]):
        entries = history(roots, hazard)
        if not entries:
            raise ModelError(hazard, ["nothing was promoted: the published rule stands already"])
        _write(roots[0], hazard, entries[:-1])
    return entries[-1], entries[-2]["version"] if len(entries) > 1 else ""


def _read(root: Path) -> dict[str, list[Entry]]:
    path = root / CURRENT
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ModelError(str(path), [f"larger than {MOST_BYTES} bytes"])
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as cause:
        raise ModelError(str(path), [f"not readable as JSON ({cause})"]) from cause
    if not isinstance(found, dict) or not all(_sound(entries) for entries in found.values()):
        raise ModelError(
            str(path), ["expected lists of {version, truth_class, promoted} by hazard: restore or delete it"]
        )
    return found


def _sound(entries: Any) -> bool:
    return isinstance(entries, list) and all(
        isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) for key in ("version", "truth_class"))
        and isinstance(entry.get("card", ""), str)
        for entry in entries
    )


def _write(root: Path, hazard: str, entries: Sequence[Entry]) -> None:
    told = {**_read(root), hazard: list(entries)}
    write_file(root / CURRENT, (json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode())
