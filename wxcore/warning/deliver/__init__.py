"""Ways out of the house: feed and files, webhook, e-mail, WIS2 notification."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parcel:
    """One message to one recipient, ready to be carried.

    Attributes:
        key: the idempotency key: a receiver that has seen it drops the message.
        facts: the payload of the outbox row (`contacts.facts`, and for a person text, address and link).
        cap: the CAP message as it was signed; "" where there is none.
        base_url: where the public folder is seen from outside.
        timeout_s: longest time that may be taken [s]; the claim on the row outlasts it.
    """

    key: str
    identifier: str
    recipient: str
    facts: Mapping[str, Any]
    cap: str
    base_url: str
    timeout_s: float
