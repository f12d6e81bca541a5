"""A small memory of what is dear to make: made once, however many ask, and forgotten when others need the room."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Once(Generic[Value]):
    """Up to `most` values by their key, the least recently used forgotten first.

    Many viewers ask for a new cycle in the same second: one of them makes it, the others wait for that one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()
        self._door = Lock()
        self._making = Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made where it is not kept; what `make` raises is raised, and nothing is kept."""
        found = self._find(key)
        if found is None:
            with self._making:
                found = self._find(key) or self._keep(key, make())
        return found[0]

    def _find(self, key: Hashable) -> tuple[Value] | None:
        with self._door:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return (self._kept[key],)

    def _keep(self, key: Hashable, value: Value) -> tuple[Value]:
        with self._door:
            self._kept[key] = value
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return (value,)
