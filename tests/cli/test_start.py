"""Where nothing can be written, numba still gets a place for its kernels before they are imported."""

import importlib
import os
from types import SimpleNamespace

import pytest

from wxcore.cli import start


@pytest.mark.parametrize(("writable", "expected"), [(True, False), (False, True)])
def test_numba_gets_a_place_only_where_it_has_none(
    monkeypatch: pytest.MonkeyPatch, writable: bool, expected: bool
) -> None:
    seen: list[bool] = []
    app = SimpleNamespace(main=lambda: seen.append("NUMBA_CACHE_DIR" in os.environ))
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"})
    monkeypatch.setattr(os, "access", lambda *_: writable)
    monkeypatch.setattr(importlib, "import_module", lambda name: {"wxcore.cli.app": app}[name])
    start.main()
    assert seen == [expected]
