"""Where a region's archive is: a folder of a local disk, or a prefix in an S3-compatible object store.

    out/archive                                                         a folder
    s3://bucket/prefix?endpoint_url=http://127.0.0.1:9000&region=us-east-1&allow_http=true

Credentials of a store come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN).
On a local disk one OS lock makes one writer and syncfs makes a commit durable. An object store keeps what it has
acknowledged, and conditional PUT (If-None-Match) arbitrates between writers: a store that ignores it loses
acknowledged commits (37 of 80 and 20 of 80, ECOSYSTEM.md section 5), so it is probed and refused.
"""

import ctypes
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import icechunk
import obstore
from filelock import FileLock, Timeout
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import S3Store

from wxcore.errors import ArchiveError

MARKER, LOCK, REPO = "archive.json", "lock", "repo"
LOCK_S = 120.0
"""How long a writer waits for another one [s]: a commit takes about a second, a cycle has six minutes."""

CONNECT_S, ANSWER_S = 5, 10
"""How long a store may take to accept a connection, and to go on answering [s]."""
TRIES = 3
"""How often a request to a store is tried. ANSWER_S x TRIES is well within a cycle (RELIABILITY.md B4)."""

SCHEME = "s3://"
OPTIONS = ("endpoint_url", "region", "allow_http")


@dataclass(frozen=True)
class Place:
    """One place. A local one has only `path`.

    Attributes:
        path: folder, or prefix in the bucket.
        bucket: empty on a local disk.
        endpoint_url: of an S3-compatible store that is not Amazon's.
        allow_http: plain http is meant.
    """

    path: str
    bucket: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    allow_http: bool = False

    @property
    def local(self) -> bool:
        """Is it a folder of a local disk?"""
        return not self.bucket

    @property
    def folder(self) -> Path:
        """The folder of a local place."""
        assert self.local
        return Path(self.path)

    def __str__(self) -> str:
        return self.path if self.local else f"{SCHEME}{self.bucket}/{self.path}"


Root = Path | str | Place
"""What every door of the archive takes: a folder, the URL of a store, or a place."""


def place_of(root: Root, region: str | None = None) -> Place:
    """The place of a region's archive; `root` itself where `region` is None.

    Raises:
        ArchiveError: a URL that is not `s3://bucket/prefix`, or with an option that we do not know.
    """
    if isinstance(root, Place):
        return root if region is None else Place(
            "/".join(part for part in (root.path, region) if part), root.bucket, root.endpoint_url, root.region,
            root.allow_http,
        )  # fmt: skip
    if isinstance(root, Path) or "://" not in root:
        return Place(str(Path(root) / region if region else Path(root)))
    url = urlsplit(root)
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    unknown = sorted(set(options) - set(OPTIONS))
    if url.scheme != "s3" or not url.netloc or unknown:
        found = f"unknown option {', '.join(unknown)}" if unknown else "no bucket, or another scheme"
        raise ArchiveError(
            f"{root}: {found}: write s3://bucket/prefix with no options but {', '.join(OPTIONS)}, or a folder",
            f"{root}：{found}：请写成 s3://桶/前缀，选项只有 {', '.join(OPTIONS)}，或者给出本地目录",
        )
    return place_of(
        Place(
            url.path.strip("/"), url.netloc, options.get("endpoint_url"), options.get("region"),
            options.get("allow_http", "").lower() in {"1", "true", "yes"},
        ),
        region,
    )  # fmt: skip


def storage(place: Place) -> icechunk.Storage:
    """Icechunk's handle on the repository of this place."""
    if place.local:
        return icechunk.local_filesystem_storage(str(place.folder / REPO))
    return icechunk.s3_storage(
        bucket=place.bucket, prefix="/".join(part for part in (place.path, REPO) if part), region=place.region,
        endpoint_url=place.endpoint_url, allow_http=place.allow_http, from_env=True,
        force_path_style=place.endpoint_url is not None, network_stream_timeout_seconds=ANSWER_S,
    )  # fmt: skip


def config(place: Place) -> icechunk.RepositoryConfig | None:
    """Bounded tries and times on a store; Icechunk's own on a local disk."""
    if place.local:
        return None
    retries = icechunk.StorageRetriesSettings(max_tries=TRIES, initial_backoff_ms=100, max_backoff_ms=2000)
    settings = icechunk.StorageSettings(retries=retries)
    timeouts = getattr(icechunk, "StorageTimeoutSettings", None)  # Icechunk 1 has only the stream's
    if timeouts is not None:
        settings.timeouts = timeouts(  # type: ignore[attr-defined,unused-ignore]
            connect_timeout_ms=CONNECT_S * 1000, read_timeout_ms=ANSWER_S * 1000,
            operation_attempt_timeout_ms=ANSWER_S * 1000, operation_timeout_ms=ANSWER_S * 1000 * TRIES,
        )  # fmt: skip
    return icechunk.RepositoryConfig(storage=settings)


@contextmanager
def writer_lock(root: Root) -> Iterator[None]:
    """Be the one writer of this place, across processes and threads. A store has no lock: conditional PUT arbitrates.

    Raises:
        ArchiveError: another writer held it for LOCK_S.
    """
    place = place_of(root)
    if not place.local:
        yield
        return
    place.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(place.folder / LOCK, timeout=LOCK_S, thread_local=False):
            yield
    except Timeout as cause:
        raise ArchiveError(
            f"{place}: another process has been writing for {LOCK_S:g} s: end it, then run again",
            f"{place}：另一进程占用写锁已超过 {LOCK_S:g} 秒，请先结束它再重试",
        ) from cause


def read_marker(place: Place) -> bytes | None:
    """The bytes of archive.json; None where there is none.

    Raises:
        ArchiveError: the store does not answer, or refuses.
    """
    if place.local:
        path = place.folder / MARKER
        return path.read_bytes() if path.is_file() else None
    try:
        return bytes(obstore.get(_store(place), MARKER).bytes())
    except (NotFoundError, FileNotFoundError):
        return None
    except BaseError as cause:
        raise unreachable(place, cause) from cause


def write_marker(place: Place, content: bytes) -> None:
    """Write archive.json, durable and all or nothing. What was written before it on this disk is durable too.

    Raises:
        ArchiveError: the store does not answer, or refuses.
        OSError: disk full, or a write error.
    """
    if place.local:
        make_durable(place)
        write_file(place.folder / MARKER, content)
        return
    try:
        obstore.put(_store(place), MARKER, content)
    except BaseError as cause:
        raise unreachable(place, cause) from cause


def write_file(path: Path, content: bytes) -> None:
    """Replace a file: after a power cut it holds the old bytes or the new ones.

    Raises:
        OSError: disk full, or a write error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_durable(root: Root) -> None:
    """Return only when everything written to this file system so far is on the disk; at once on an object store.

    Raises:
        OSError: the disk reports a write error.
    """
    place = place_of(root)
    if not place.local:
        return
    descriptor = os.open(place.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync_file_system(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(descriptor: int) -> None:
    """syncfs of Linux; where the C library has none, sync.

    Raises:
        OSError: the disk reports a write error.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
    elif syncfs(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@cache
def require_conditional_put(place: Place) -> None:
    """Refuse a store that lets a key be created twice. Asked once a process and place; nothing on a local disk.

    Raises:
        ArchiveError: it ignores If-None-Match, does not answer, or refuses.
    """
    if place.local:
        return
    store, key = _store(place), f"probe-{uuid.uuid4().hex}"
    try:
        obstore.put(store, key, b"1", mode="create")
        try:
            obstore.put(store, key, b"2", mode="create")
        except AlreadyExistsError:
            return
        finally:
            with suppress(BaseError):  # left behind it does no harm
                obstore.delete(store, key)
    except BaseError as cause:
        raise unreachable(place, cause) from cause
    raise ArchiveError(
        f"{place}: this store ignores conditional PUT (If-None-Match), so two writers would lose acknowledged commits: "
        "use a store that honours it (Amazon S3, MinIO, Ceph), or a local disk",
        f"{place}：该对象存储不支持条件写入（If-None-Match），并发写入会丢失已确认的提交：请改用支持它的存储"
        "（Amazon S3、MinIO、Ceph），或本地磁盘",
    )


def unreachable(place: Place, cause: Exception) -> ArchiveError:
    """The error of a store that does not answer, or refuses."""
    return ArchiveError(
        f"{place}: the object store refuses or does not answer within {ANSWER_S * TRIES} s ({first_line(cause)}): "
        "check endpoint, bucket and credentials; nothing changed, run again when it answers",
        f"{place}：对象存储拒绝访问，或在 {ANSWER_S * TRIES} 秒内无应答（{first_line(cause)}）：请检查地址、桶和凭据；"
        "归档未改变，恢复后重试",
    )


def first_line(error: Exception) -> str:
    """First line of an error of a library whose errors have many."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@cache
def _store(place: Place) -> S3Store:
    store: S3Store = S3Store(
        place.bucket, prefix=place.path or None, endpoint=place.endpoint_url, region=place.region or "us-east-1",
        client_options={
            "allow_http": place.allow_http, "connect_timeout": timedelta(seconds=CONNECT_S),
            "timeout": timedelta(seconds=ANSWER_S),
        },
        retry_config={"max_retries": TRIES - 1, "retry_timeout": timedelta(seconds=ANSWER_S * TRIES)},
    )  # fmt: skip
    return store
