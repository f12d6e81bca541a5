"""How an installation issues warnings: under which status, signed by which key, told to whom."""

from dataclasses import dataclass
from pathlib import Path

TEST, EXERCISE, ACTUAL = "Test", "Exercise", "Actual"
STATUSES = (TEST, EXERCISE, ACTUAL)
"""What messages may go out as; nothing is Actual by default (RELIABILITY.md C13)."""

DESK_URL = "http://127.0.0.1:8080"
"""Where `wx desk` is by default."""


@dataclass(frozen=True)
class Policy:
    """What the operator has set.

    Attributes:
        status: CAP status of what is released.
        actual_allowed: the operator's word that Actual is meant.
        auto_release: Test and Exercise go out without a person.
        key_file, cert_file: PEM of the key that signs, and of its certificate; None: unsigned.
        desk_url: how recipients reach the desk.
        delivery_file: channels and recipients (delivery.toml); None: files and feed only.
    """

    status: str = TEST
    actual_allowed: bool = False
    auto_release: bool = False
    key_file: Path | None = None
    cert_file: Path | None = None
    desk_url: str = DESK_URL
    delivery_file: Path | None = None
