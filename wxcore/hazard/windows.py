"""Lead windows: for which minutes ahead a probability is meant."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Window:
    """The minutes from `start` (exclusive) to `end` (inclusive) after the analysis."""

    start_min: int
    end_min: int

    @property
    def name(self) -> str:
        """Such as 0-60."""
        return f"{self.start_min}-{self.end_min}"


HOUR = Window(0, 60)
WINDOWS = (HOUR, Window(0, 15), Window(15, 30), Window(30, 60))
"""In the order of the tables."""


def window_of(name: str) -> Window:
    """The window of a name such as 0-60.

    Raises:
        ValueError: not such a name.
    """
    start, _, end = name.partition("-")
    return Window(int(start), int(end))
