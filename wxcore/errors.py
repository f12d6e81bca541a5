"""Every exception that wxcore raises on purpose.

    WxcoreError
    ├── ReadError        a file's bytes are not what its format says (carries a Reason)
    │   └── LimitError   a file, or its decoding, is larger or slower than we allow
    ├── FaultsError      rules are broken; lists every broken one at once
    │   ├── SchemaError  a Dataset or table that crosses a door is not what the schema says
    │   ├── WarningError a warning or a CAP message that must not leave the house
    │   ├── SampleError  a table of samples that nothing can honestly be trained on
    │   └── ModelError   a model that is not used: damaged, of another kind, or of other features
    ├── TimeError        a naive datetime, or one that is not UTC, at a door
    ├── RegionError      a region's folder is missing, incomplete or contradicts itself
    ├── ArchiveError     the archive refuses: another grid, another format version, no such cycle
    ├── LedgerError      the ledger refuses: unknown key, illegal change of state
    ├── IssueError       the office refuses to issue: not signed, changed meanwhile, not allowed
    │   ├── RefusedError   what is asked does not fit what the ledger holds by now (a LedgerError too)
    │   └── DeliveryError  a message that its receiver did not take
    ├── AccountError     an account that cannot be made or changed as asked, or a damaged file of accounts
    └── AccessError      a page of the desk that does not say who may use it

A message names the file or field, what was found, what was expected and what to do, in English and Chinese.
"""

import errno
from enum import StrEnum

OUR_TROUBLE = frozenset({
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT,
})  # fmt: skip
"""What the system refuses for want of means or because a disk fails: it says nothing about a file's bytes."""


def is_our_trouble(error: BaseException) -> bool:
    """Is it an error of the system (OUR_TROUBLE), after which the same file may well be readable?"""
    return isinstance(error, OSError) and error.errno in OUR_TROUBLE


class Reason(StrEnum):
    """Why a file is quarantined. The codes are stable: ledgers and other programs keep them."""

    NOT_FOUND = "NOT_FOUND"
    IS_DIRECTORY = "IS_DIRECTORY"
    NOT_A_FILE = "NOT_A_FILE"
    OUTSIDE_ROOT = "OUTSIDE_ROOT"
    STILL_WRITTEN = "STILL_WRITTEN"
    EMPTY = "EMPTY"
    UNKNOWN_FORMAT = "UNKNOWN_FORMAT"
    UNSUPPORTED = "UNSUPPORTED"
    NAME_MISMATCH = "NAME_MISMATCH"
    BAD_COMPRESSION = "BAD_COMPRESSION"
    TRUNCATED = "TRUNCATED"
    BAD_HEADER = "BAD_HEADER"
    BAD_VALUE = "BAD_VALUE"
    NO_RADIALS = "NO_RADIALS"
    BAD_POSITION = "BAD_POSITION"
    UNKNOWN_SITE = "UNKNOWN_SITE"
    OUTSIDE_REGION = "OUTSIDE_REGION"
    FUTURE_TIME = "FUTURE_TIME"
    TOO_LARGE = "TOO_LARGE"
    DECODE_TIMEOUT = "DECODE_TIMEOUT"
    DECODE_CRASH = "DECODE_CRASH"


class WxcoreError(Exception):
    """Root of the tree. `str(error)` is English; `error.zh` is the same in Chinese (English where none is given)."""

    def __init__(self, en: str, zh: str = "") -> None:
        super().__init__(en)
        self.en = en
        self.zh = zh or en


class ReadError(WxcoreError):
    """A file cannot be read. `offset` is the byte (after decompression) where it breaks, where one is known."""

    def __init__(self, reason: Reason, en: str, zh: str = "", *, offset: int | None = None) -> None:
        super().__init__(en, zh)
        self.reason = reason
        self.offset = offset

    def __reduce__(self) -> tuple[object, ...]:  # it crosses a process border (landing.guard)
        return (_rebuild_read_error, (type(self), self.reason, self.en, self.zh, self.offset))


def _rebuild_read_error(kind: type[ReadError], reason: Reason, en: str, zh: str, offset: int | None) -> ReadError:
    return kind(reason, en, zh, offset=offset)


class LimitError(ReadError):
    """Larger or slower than we allow: TOO_LARGE, DECODE_TIMEOUT or DECODE_CRASH."""


class FaultsError(WxcoreError):
    """Something breaks rules; `faults` lists every broken one at once."""

    def __init__(self, what: str, faults: list[str]) -> None:
        listing = "; ".join(faults)
        super().__init__(f"{what}: {listing}", f"{what}：{listing}")
        self.what = what
        self.faults = faults

    def __reduce__(self) -> tuple[object, ...]:  # it crosses a process border (landing.guard)
        return (type(self), (self.what, self.faults))


class SchemaError(FaultsError):
    """A Dataset or table that crosses a door is not what the schema says."""


class TimeError(WxcoreError):
    """A time that is naive or not UTC."""


class RegionError(WxcoreError):
    """A region that cannot be used as it is written."""


class ArchiveError(WxcoreError):
    """The archive refuses."""


class LedgerError(WxcoreError):
    """The ledger refuses."""


class IssueError(WxcoreError):
    """The office refuses to issue."""


class WarningError(FaultsError):
    """A warning or a CAP message that must not leave the house."""


class SampleError(FaultsError):
    """A table of samples that nothing can honestly be trained on, or that is not what it says."""


class ModelError(FaultsError):
    """A model that is not used: damaged, of another kind, or made for other features."""


class RefusedError(IssueError, LedgerError):
    """What is asked does not fit what the ledger holds by now (changed, released, ended meanwhile): no row changed."""


class DeliveryError(IssueError):
    """A message that was not taken. `lasting`: trying again will not help until a person changes something.

    `retry_after`: how long the receiver asks us to wait [s]; 0 where it asks for nothing.
    """

    def __init__(self, en: str, zh: str = "", *, lasting: bool = False, retry_after: float = 0.0) -> None:
        super().__init__(en, zh)
        self.lasting, self.retry_after = lasting, retry_after


class AccountError(WxcoreError):
    """An account that cannot be made or changed as asked, or a file of accounts that cannot be read."""


class AccessError(WxcoreError):
    """A route of the desk that does not say who may use it, or names a role that does not exist."""
