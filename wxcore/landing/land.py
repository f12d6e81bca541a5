"""Keep a file's bytes under their sha256, durably, before anybody decodes them (RELIABILITY.md A12, B1)."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wxcore.errors import LimitError, Reason
from wxcore.landing.files import display_name, open_regular
from wxcore.landing.unpack import CAP_BYTES

BLOCK = 4 * 2**20
INCOMING = "incoming"
"""Folder of files that are being copied; what a crash leaves there was never landed and may be deleted."""


@dataclass(frozen=True)
class Landed:
    """A file in our keeping.

    Attributes:
        sha256: of the bytes as they came (before decompression), hex.
        size: [bytes].
        name: the original base name, made safe to show; data only, never a path.
        path: where the bytes are now.
        new: False where the same bytes were here already.
    """

    sha256: str
    size: int
    name: str
    path: Path
    new: bool


def land(path: Path, landing_root: Path, *, cap_bytes: int = CAP_BYTES) -> Landed:
    """Copy a file to `landing_root/ab/abcdef...` (its sha256) and make it durable before returning.

    The name of the source plays no part in the place, so no name can lead outside of `landing_root`.

    Raises:
        ReadError: NOT_FOUND, IS_DIRECTORY, NOT_A_FILE or EMPTY.
        LimitError: TOO_LARGE, more than `cap_bytes`; nothing is kept of it.
    """
    source, _ = open_regular(path)
    incoming = landing_root / INCOMING
    incoming.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=incoming)
    copied = Path(temporary)
    try:
        with source, os.fdopen(descriptor, "wb") as target:
            sha256, size = _copy(source, target, cap_bytes, display_name(path.name))
            final = landed_path(landing_root, sha256)
            new = not (final.is_file() and final.stat().st_size == size)
            if new:
                target.flush()
                os.fsync(target.fileno())
        if new:
            _place(copied, final, landing_root)
    finally:
        copied.unlink(missing_ok=True)
    return Landed(sha256, size, display_name(os.fspath(path)), final, new)


def landed_path(landing_root: Path, sha256: str) -> Path:
    """Where the bytes with this hash are, or would be."""
    return landing_root / sha256[:2] / sha256


def _copy(source: BinaryIO, target: BinaryIO, cap: int, name: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while block := source.read(BLOCK):
        if size + len(block) > cap:
            raise LimitError(
                Reason.TOO_LARGE,
                f"{name}: larger than {cap} bytes: no weather file of ours is, so it is not kept",
                f"{name}：超过 {cap} 字节，不是本系统的气象文件，不予保存",
            )
        digest.update(block)
        target.write(block)
        size += len(block)
    return digest.hexdigest(), size


def _place(copied: Path, final: Path, landing_root: Path) -> None:
    copied.chmod(0o444)
    if not final.parent.is_dir():
        final.parent.mkdir(exist_ok=True)
        _sync_folder(landing_root)
    copied.replace(final)
    _sync_folder(final.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
