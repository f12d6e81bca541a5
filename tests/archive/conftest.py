"""syncfs waits for what everybody on the machine writes; only the tests of durability call it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.archive.s3 import BUCKET, credentials, serve_moto
from wxcore.archive import place

REAL_SYNC = place.sync_file_system


@pytest.fixture(autouse=True)
def no_syncfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits of this process return without waiting for the disk."""
    monkeypatch.setattr(place, "sync_file_system", lambda descriptor: None)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A real HTTP S3 endpoint (moto) with a bucket."""
    yield from serve_moto()


@pytest.fixture
def s3_root(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Root of archives that nobody else uses, in an object store."""
    credentials(monkeypatch)
    return f"s3://{BUCKET}/{uuid4().hex}?endpoint_url={s3_endpoint}&region=us-east-1&allow_http=true"
