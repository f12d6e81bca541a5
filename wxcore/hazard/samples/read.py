"""Samples from whatever a modeller offers: our own table, or one of a bureau's or a publication's."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from wxcore.errors import SampleError
from wxcore.hazard.samples.outside import read_outside
from wxcore.hazard.samples.table import META, Samples, read_samples


def read_any(paths: Sequence[Path], hazard: str, columns: Path | None = None) -> Samples:
    """Samples of a hazard.

    Args:
        columns: what the columns of a table of others are; needed where it is not one that is known by its header.

    Raises:
        SampleError: samples of another hazard, or as `read_samples` and `read_outside`.
    """
    if columns is not None or len(paths) != 1 or not _is_ours(paths[0]):
        return read_outside(paths, hazard, columns)
    samples = read_samples(paths[0])
    if samples.hazard != hazard:
        raise SampleError(str(paths[0]), [f"samples of {samples.hazard}, asked for {hazard}"])
    return samples


def _is_ours(path: Path) -> bool:
    try:
        return META in (pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False
