"""`xarray.open_dataset("out/archive/chongqing", engine="wxcore")`."""

import os
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

from wxcore.archive.read import open_archive
from wxcore.archive.repository import has_archive
from wxcore.times import parse_time


class ArchiveBackend(BackendEntrypoint):
    """xarray backend of a region's archive (a class because xarray asks for one)."""

    description = "wxcore archive: the folder of a region, or its s3:// URL"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "as_of")

    def open_dataset(  # type: ignore[override]
        self,
        filename_or_obj: str | os.PathLike[str],
        *,
        drop_variables: str | Iterable[str] | None = None,
        as_of: datetime | str | None = None,
    ) -> xr.Dataset:
        """Open the folder of a region's archive; `as_of` as in `open_archive`, or ISO 8601 text with its zone."""
        moment = parse_time(as_of) if isinstance(as_of, str) else as_of
        dataset = open_archive(os.fspath(filename_or_obj), as_of=moment)
        dropped = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return dataset.drop_vars(dropped, errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Is it the folder of an archive? A URL is never asked for: name the engine."""
        if not isinstance(filename_or_obj, str | os.PathLike) or "://" in os.fspath(filename_or_obj):
            return False
        return has_archive(os.fspath(filename_or_obj))
