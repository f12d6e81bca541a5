"""ecCodes, which is loaded when it is first used, and always after pyproj.

Its wheel loads libproj, libssl, libsqlite3 and more for the whole process (findlibs, RTLD_GLOBAL): what is loaded later
may bind to them. Where it comes before pyproj, that one does not find its database, and the interpreter dies by SIGSEGV
or SIGABRT at exit (measured: eccodeslib 2.50, pyproj 3.7). So nothing imports eccodes but through here, and only
children that decode ever use it (`Format.in_child`).
"""

import importlib
from typing import Any

import pyproj

BEFORE = f"pyproj {pyproj.__version__}"
"""What is loaded before it, whole: its own extension modules are bound by then."""


CHILD_BYTES = 3 * 2**30
"""Address space of the children that load it: with what others load beside it (Arrow reserves much) the usual 2 GiB
did not always hold its 30 libraries (measured). So these children are kept apart."""


class _Late:
    """eccodes, imported at the first look at one of its names."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("eccodes"), name)


eccodes = _Late()


def trouble() -> tuple[type[BaseException], ...]:
    """What eccodes and its Python side raise at a broken message."""
    return (eccodes.CodesInternalError, ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError)
