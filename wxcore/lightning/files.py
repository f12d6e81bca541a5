"""What the readers of lightning files share: packed variables of netCDF-4, and the way from columns to `Lightning`."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import h5py
import numpy as np
import numpy.typing as npt

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.lightning.events import Doubles, Times
from wxcore.schema import SIMULATED_ATTRIBUTE, SIMULATED_MARK, Box

CAP_BYTES = 256 * 2**20
"""Most bytes that a lightning file may declare [our choice]: 300 times the largest GLM file at hand."""

MAX_RECORDS = 1_000_000
"""Most events, groups or flashes of one file [our choice]: GLM's own limit is 630,000 (valid_range of event_count)."""

MARGIN_DEG = 0.5
"""Records this near to the box are kept [deg]: flashes beside it count in its density and storms."""

NO_PLACE, NO_TIME = "no place on Earth", "time not in the file's period"
"""Reasons for which a record is left out."""

FIRST_YEAR, LAST_YEAR = 1995, 2100
"""Years of lightning from space: OTD flew in 1995."""

Mask = npt.NDArray[np.bool_]


def text(item: h5py.File | h5py.Dataset, name: str) -> str:
    """An attribute as text, "" where there is none or it is no text."""
    if name not in item.attrs:
        return ""
    value = np.asarray(item.attrs[name])
    if value.size != 1 or value.dtype.kind not in "SUO":
        return ""
    single = value.reshape(-1)[0]
    raw = single if isinstance(single, bytes) else str(single).encode("utf-8", "replace")
    return raw.decode("utf-8", "replace").strip("\0 ")


def is_simulated(file: h5py.File) -> bool:
    """Does the file itself say that it is simulated?"""
    return text(file, SIMULATED_ATTRIBUTE) == SIMULATED_MARK


def bad_header(what: str, found: str, expected: str) -> ReadError:
    """A BAD_HEADER of one field."""
    shown = found if len(found) <= 80 else found[:79] + "…"
    return ReadError(
        Reason.BAD_HEADER,
        f"{what}: found {shown}, expected {expected}: the file is damaged or of another version",
        f"{what}：读到 {shown}，应为 {expected}：文件损坏或版本不同",
    )


def outside(what: str, name: str) -> ReadError:
    """The instrument does not look at the region."""
    return ReadError(
        Reason.OUTSIDE_REGION,
        f"{name}: {what}: the field of view does not touch the region: leave the file out",
        f"{name}：{what}：视场不覆盖本区域，无需使用该文件",
    )


def dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """A dataset at the root that holds numbers.

    Raises:
        ReadError: BAD_HEADER: it is missing, a group, or no numbers.
    """
    item = file.get(name)
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "iuf":
        raise bad_header(f"variable {name}", "none of numbers", "one of the format")
    return item


def packed(file: h5py.File, name: str) -> Doubles:
    """A variable with fill, `_Unsigned`, `scale_factor` and `add_offset` undone, (n,) float64; NaN where it is fill.

    GLM stores unsigned integers as signed ones with `_Unsigned` = "true" (netCDF Users Guide, attribute conventions);
    the fill is compared before scaling, as the stored bits.

    Raises:
        ReadError: BAD_HEADER: no such variable of numbers, or a scale that is no number.
        LimitError: TOO_LARGE: more than MAX_RECORDS.
    """
    item = dataset(file, name)
    if item.size is None or item.size > MAX_RECORDS:
        raise LimitError(
            Reason.TOO_LARGE,
            f"variable {name}: {item.size} values, at most {MAX_RECORDS} are read: the file is damaged",
            f"变量 {name}：{item.size} 个值，上限 {MAX_RECORDS}：文件可能损坏",
        )
    raw = np.atleast_1d(item[()]).ravel()
    raw = raw.astype(raw.dtype.newbyteorder("="))
    is_fill = np.zeros(raw.shape, dtype=np.bool_)
    for attribute in ("_FillValue", "missing_value"):
        if attribute in item.attrs:
            fill = np.asarray(item.attrs[attribute]).ravel()
            if fill.size == 1 and fill.dtype.kind in "iuf":
                is_fill |= raw == fill.astype(raw.dtype)[0]
    if raw.dtype.kind == "i" and text(item, "_Unsigned").lower() == "true":
        raw = raw.view(raw.dtype.str.replace("i", "u"))
    with np.errstate(over="ignore", invalid="ignore"):
        values = raw.astype(np.float64) * _number(item, "scale_factor", 1.0) + _number(item, "add_offset", 0.0)
    values[is_fill] = np.nan
    return values


def _number(item: h5py.Dataset, name: str, otherwise: float) -> float:
    if name not in item.attrs:
        return otherwise
    value = np.asarray(item.attrs[name]).ravel()
    if value.size != 1 or value.dtype.kind not in "iuf" or not np.isfinite(value[0]):
        raise bad_header(f"{item.name}: {name}", repr(value), "one number")
    return float(value[0])


def header_time(what: str, found: str) -> datetime:
    """A header's ISO time (with or without T, Z and fraction) as aware UTC.

    Raises:
        ReadError: BAD_HEADER: no such time, or outside of the years that lightning is looked for from space.
    """
    plain = found.strip().removesuffix("Z").removesuffix("UTC").strip()
    try:
        time = datetime.fromisoformat(plain)
    except ValueError as cause:
        raise bad_header(what, repr(found), "such as 2018-07-02T04:33:00.0Z") from cause
    if time.tzinfo is not None or not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise bad_header(what, repr(found), f"UTC in the years {FIRST_YEAR} to {LAST_YEAR}")
    return time.replace(tzinfo=UTC)


def same_length(columns: dict[str, npt.NDArray[np.float64]]) -> None:
    """Refuse columns of different lengths.

    Raises:
        ReadError: BAD_HEADER.
    """
    if len({column.size for column in columns.values()}) > 1:
        found = ", ".join(f"{name} {column.size}" for name, column in columns.items())
        raise bad_header("lengths of the variables", found, "one length")


def after(origin: np.datetime64, seconds: Doubles) -> Times:
    """`origin` plus seconds, datetime64[ns]; NaT where they are not finite or more than 100 years."""
    known = np.isfinite(seconds) & (np.abs(seconds) < 3.2e9)
    step = np.where(known, np.round(np.where(known, seconds, 0) * 1e6), 0).astype(np.int64)
    time = origin.astype("datetime64[ns]") + (step * 1000).astype("timedelta64[ns]")
    time[~known] = np.datetime64("NaT", "ns")
    return np.asarray(time)


def believe(records: "Records", found: int, what: str) -> None:
    """Refuse a file most of whose records are impossible: it must not count as "looked and saw none".

    Args:
        records: after `settle`; found: how many there were; what: the file and its format, for the message.

    Raises:
        ReadError: BAD_VALUE.
    """
    left = records.rejected.get(NO_PLACE, 0) + records.rejected.get(NO_TIME, 0)
    if 2 * left > found:
        raise ReadError(
            Reason.BAD_VALUE,
            f"{what}: {left} of {found} records have no possible place or time: fetch the file again",
            f"{what}：{found} 条记录中有 {left} 条位置或时间不合理，请重新获取文件",
        )


@dataclass
class Records:
    """Columns of a file on their way: what is left out is counted by reason."""

    time: Times
    lon: Doubles
    lat: Doubles
    strength: Doubles
    rejected: dict[str, int] = field(default_factory=dict)

    def keep(self, mask: Mask, why: str | None) -> None:
        """Keep where `mask`; count the others as left out for `why` (None: silently, as for another region)."""
        left = int(mask.size - np.count_nonzero(mask))
        if not left:
            return
        if why is not None:
            self.rejected[why] = self.rejected.get(why, 0) + left
        self.time, self.lon = self.time[mask], self.lon[mask]
        self.lat, self.strength = self.lat[mask], self.strength[mask]

    def settle(self, earliest: np.datetime64, latest: np.datetime64, box: Box | None) -> None:
        """Leave out what is nowhere or at no time of the file, what is far from the box; sort by time.

        Longitudes come out in [-180, 180).
        """
        on_earth = (np.abs(self.lat) <= 90) & (self.lon >= -360) & (self.lon <= 360)
        self.keep(on_earth, NO_PLACE)
        self.keep(
            ~np.isnat(self.time) & (self.time >= earliest) & (self.time <= latest), "time not in the file's period"
        )
        turned = (self.lon < -180) | (self.lon >= 180)
        self.lon = np.where(turned, (self.lon + 180) % 360 - 180, self.lon)
        if box is not None:
            self.keep(inside(box, self.lon, self.lat, MARGIN_DEG), None)
        order = np.argsort(self.time, kind="stable")
        self.time, self.lon = self.time[order], self.lon[order]
        self.lat, self.strength = self.lat[order], self.strength[order]

    @property
    def reasons(self) -> tuple[tuple[str, int], ...]:
        """As `Lightning.rejected` has it."""
        return tuple(sorted(self.rejected.items()))


def inside(box: Box, lon: npt.ArrayLike, lat: npt.ArrayLike, margin: float = 0.0) -> Mask:
    """Which places are in the box, edges included, whatever turn of the Earth their longitudes [deg] are counted in."""
    west, south, east, north = box
    turned = np.mod(np.asarray(lon, dtype=np.float64) - (west - margin), 360.0)
    y = np.asarray(lat, dtype=np.float64)
    return np.asarray((turned <= east - west + 2 * margin) & (y >= south - margin) & (y <= north + margin))


def boxes_touch(one: Box, two: Box) -> bool:
    """Do two boxes have a place in common?"""
    if one[1] > two[3] or two[1] > one[3]:
        return False
    return (two[0] - one[0]) % 360 <= one[2] - one[0] or (one[0] - two[0]) % 360 <= two[2] - two[0]
