"""Is a model of our storms and our event? One of somebody else's table may name a column as we do and mean another."""

from collections.abc import Mapping
from typing import Any

from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.features.catalogue import FEATURES

UNITS: Mapping[str, str] = {feature.name: feature.units for feature in FEATURES}
MOST_NAMED = 3
"""Features that the reason names."""


def strangers(card: Mapping[str, Any]) -> list[str]:
    """Why it cannot speak for our storms, in one line; empty: every feature is of the catalogue in the same units, and
    the event is that of `DEFINITIONS`."""
    odd = [
        f"feature {item['name']} in units {item.get('units') or 'unknown'}"
        for item in card["features"]
        if item.get("units") is None or UNITS.get(item["name"]) != item["units"]
    ]
    told = [*odd[:MOST_NAMED], *([f"{len(odd) - MOST_NAMED} more"] if len(odd) > MOST_NAMED else [])]
    if card.get("label") != DEFINITIONS[card["hazard"]].event_en:
        told.append(f"label {card.get('label') or 'unknown'}")
    return [f"made from a table of others ({', '.join(told)}): it cannot speak for our storms"] if told else []
