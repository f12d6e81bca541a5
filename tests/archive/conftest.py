"""syncfs waits for what everybody on the machine writes; only the tests of durability call it."""

from pathlib import Path

import pytest

from wxcore.archive import repository, store

REAL_MAKE_DURABLE = repository.make_durable


@pytest.fixture(autouse=True)
def no_syncfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits of this process return without waiting for the disk."""

    def skip(folder: Path) -> None:
        assert folder.is_dir()

    monkeypatch.setattr(repository, "make_durable", skip)
    monkeypatch.setattr(store, "make_durable", skip)
