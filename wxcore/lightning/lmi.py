"""Lightning of the FY-4A Lightning Mapping Imager: L2 events, groups or flashes, netCDF-4, one minute a file.

Never read from a real file: names and structure are those of public readers (FORMATS.md B, DOMAIN.md 7.4). Variables
of events are known (LON, LAT, ETT, ER, DQF ...), of flashes only FR; those of groups and flashes are taken to be named
as those of events with G or F for E [M].

Traps: times are TAI, ahead of UTC by the leap seconds (a public reader forgets them); the times in the file's name are
those of a run of ten minutes, and Nnn says which minute of it the file holds; in the winter half-year the satellite is
turned and looks at the southern hemisphere.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from wxcore import schema
from wxcore.errors import ReadError, Reason
from wxcore.hdf5 import is_hdf5, open_checked, read_bytes
from wxcore.lightning.events import EVENT, FLASH, GROUP, TOTAL, Doubles, Lightning, Times, describe
from wxcore.lightning.files import (
    CAP_BYTES,
    FIRST_YEAR,
    LAST_YEAR,
    MARGIN_DEG,
    Records,
    after,
    bad_header,
    believe,
    boxes_touch,
    inside,
    is_simulated,
    outside,
    packed,
    same_length,
)
from wxcore.lightning.lmi_write import LETTERS, MINUTE, NAME, TAI_EPOCH, TAI_MINUS_UTC, write_lmi
from wxcore.schema import Box
from wxcore.times import from_datetime64, to_datetime64

TITLE = "FY-4A LMI L2"
SOURCE = "FY-4A/LMI"

NORTH, SOUTH = (70.0, 15.0, 140.0, 55.0), (70.0, -55.0, 140.0, -15.0)
"""Outer edges of where it looks, in the summer and the winter half-year: the frame on to which a public tool of the
operator's kind maps its flashes. The true field of view is rather smaller, and unknown: unverified."""

NOMINAL_LON = 104.7
"""Longitude of the satellite [deg] for which these hold; from elsewhere (86.5 since 2024, DOMAIN.md) they are taken to
move along [our choice]."""

EQUINOXES = ((3, 21), (9, 22))
"""About when the satellite is turned (month, day) [M]; where a file has lightning, its hemisphere is believed."""

KEPT = (0, 1)
"""DQF: 0 good, 1 conditional, 2 out of range, 3 no value (DOMAIN.md 7.4)."""

SLACK = np.timedelta64(60, "s")
"""Records this much before and after the file's minute are believed [our choice]: more than the 37 s by which they
would be off if they were UTC already; what is off for more is damaged."""

_MINUTES = 10
"""Minutes of a run: N01 to N10, as in the names that public tools show (20180626160510_20180626161449, N02)."""

_LEVELS = {"E": EVENT, "G": GROUP, "F": FLASH}


def read_lmi(path: Path, name: str, box: Box | None) -> Lightning:
    """The records of one LMI file, in UTC.

    Args:
        path: of the uncompressed file; name: its base name, from which its minute is taken; without a well-formed name
            it is the minute of its records.
        box: (west, south, east, north) [deg]; records beyond MARGIN_DEG of it are left out. None: everything.

    Returns:
        level EVENT, GROUP or FLASH; strength [uJ m-2 sr-1], NaN where it is not finite.

    Raises:
        ReadError: BAD_HEADER, BAD_VALUE, TRUNCATED, UNSUPPORTED; OUTSIDE_REGION where it looks at another part.
        LimitError: TOO_LARGE.
    """
    with open_checked(path, name, TITLE, cap_bytes=CAP_BYTES) as file:
        letter = _letter(file)
        names = ("LON", "LAT", f"{letter}TT", f"{letter}R", "DQF")
        columns = {variable: packed(file, variable) for variable in names}
        same_length(columns)
        simulated = is_simulated(file)
    lon, lat, milliseconds, strength, quality = columns.values()
    strength[~np.isfinite(strength)] = np.nan
    records = Records(tai_to_utc(milliseconds), lon, lat, strength)
    records.keep(np.isin(quality, KEPT), "DQF out of range or no value")
    start = _minute(name, records.time)
    remarks = _clock_remarks(records.time, start)
    found = records.time.size
    begin = to_datetime64(start)
    records.settle(begin - SLACK, begin + MINUTE + SLACK, None)
    believe(records, found, f"{name}: {TITLE}")
    coverage = _coverage(name, records.lat, start)
    if box is not None:
        if not boxes_touch(coverage, box):
            raise outside(TITLE, name)
        records.keep(inside(box, records.lon, records.lat, MARGIN_DEG), None)
    return Lightning(
        FORMAT.name, SOURCE, TOTAL, _LEVELS[letter], start, start + timedelta(minutes=1),
        records.time, records.lon, records.lat, records.strength,
        coverage, records.reasons, simulated, remarks,
    )  # fmt: skip


def _letter(file: h5py.File) -> str:
    """E, G or F: of events, groups or flashes, by the variable of time."""
    found = [letter for letter in LETTERS.values() if f"{letter}TT" in file]
    if len(found) != 1:
        raise bad_header("variables", ", ".join(sorted(file))[:60] or "none", "one of ETT, GTT and FTT")
    return found[0]


def tai_to_utc(milliseconds: Doubles) -> Times:
    """TAI milliseconds since 2000-01-01 00:00:00 TAI to UTC, datetime64[ns]; NaT where they are no time.

    Within a leap second UTC has no name of its own here: it is given as the second after it.
    """
    clock = after(TAI_EPOCH, milliseconds * 1e-3)
    changes = np.array([day + np.timedelta64(ahead, "s") for day, ahead in TAI_MINUS_UTC])
    ahead = np.array([seconds for _, seconds in TAI_MINUS_UTC])[
        np.maximum(np.searchsorted(changes, clock, side="right") - 1, 0)
    ]
    return np.asarray(clock - ahead.astype("timedelta64[s]"))


def _minute(name: str, time: Times) -> datetime:
    """When the file's minute begins: by its name, else by its records."""
    match = NAME.search(name)
    if match is not None:
        try:
            start = datetime.strptime(match["start"], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError as cause:
            raise bad_header("time in the file's name", match["start"], "yyyymmddHHMMSS") from cause
        number = int(match["number"])
        if not (1 <= number <= _MINUTES and FIRST_YEAR <= start.year <= LAST_YEAR):
            raise bad_header(
                "the file's name", f"N{number:02d} of {start.year}", f"N01 to N{_MINUTES:02d} of our years"
            )
        return start + timedelta(minutes=number - 1)
    known = time[~np.isnat(time)]
    if not known.size:
        raise ReadError(
            Reason.NAME_MISMATCH,
            f"{name}: {TITLE}: no record, and the name does not tell its minute: give it its operational name",
            f"{name}：{TITLE}：文件无记录，文件名也不含时次，请恢复业务文件名",
        )
    middle = from_datetime64(known[np.argsort(known)[known.size // 2]])
    if not FIRST_YEAR <= middle.year <= LAST_YEAR:
        raise bad_header("times of the records", f"{middle:%Y-%m-%d}", f"{FIRST_YEAR} to {LAST_YEAR}")
    return middle.replace(second=0, microsecond=0)


def _clock_remarks(time: Times, start: datetime) -> tuple[str, ...]:
    """A remark where the records' times would fit the file's minute better without the leap seconds."""
    known = time[~np.isnat(time)]
    begin = to_datetime64(start)
    ahead = np.timedelta64(TAI_MINUS_UTC[-1][1], "s")

    def fitting(shift: np.timedelta64) -> int:
        moved = known + shift
        return int(np.count_nonzero((moved >= begin) & (moved <= begin + MINUTE)))

    now, unshifted = fitting(np.timedelta64(0, "s")), fitting(ahead)
    if unshifted <= now:
        return ()
    return (f"{unshifted} records are in the file's minute if their times are UTC, {now} if TAI as documented",)


def _coverage(name: str, lat: npt.NDArray[np.float64], start: datetime) -> Box:
    """The northern or the southern field of view: where its lightning is, by the season where there is none."""
    north = EQUINOXES[0] <= (start.month, start.day) < EQUINOXES[1]
    if lat.size:
        north = bool(np.count_nonzero(lat > 0) * 2 >= lat.size)
    west, low, east, high = NORTH if north else SOUTH
    match = NAME.search(name)
    moved = int(match["place"]) / 10 - NOMINAL_LON if match is not None else 0.0
    return west + moved, low, east + moved, high


def claims_lmi(file: h5py.File) -> bool:
    """Is it an LMI L2 file, by its variables?"""
    return all(name in file for name in ("LON", "LAT", "DQF")) and any(f"{x}TT" in file for x in LETTERS.values())


FORMAT = schema.Format(
    name="fy4-lmi-l2",
    title_en="FY-4A lightning imager, L2 events, groups or flashes",
    title_zh="FY-4A 闪电成像仪二级产品（事件/组/闪电）",
    recognise=is_hdf5,
    name_pattern=NAME,
    read=read_bytes(read_lmi),
    describe=describe,
    write=write_lmi,
    in_child=True,
    read_path=read_lmi,
    claims=claims_lmi,
)
