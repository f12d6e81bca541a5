"""Does everything in the archive open, decode and agree? Reports every fault with its place; never raises on damage."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import icechunk
import numpy as np
import numpy.typing as npt
import zarr

from wxcore.archive import layout
from wxcore.archive.place import REPO, Place, Root, first_line, place_of
from wxcore.archive.repository import BRANCH, open_repository
from wxcore.archive.series import PLANES, array_of, texts_of
from wxcore.archive.stations import STATIONS, given_slots, slot_faults
from wxcore.archive.tables import decode_table
from wxcore.errors import WxcoreError
from wxcore.schema import HEIGHT, LAT, LON, OPTIONAL, TIME, Var
from wxcore.times import from_datetime64

ORPHAN_AGE = timedelta(hours=1)
"""An unreferenced object younger than this may belong to a commit that is being made."""

AGAIN_EN = "run `wx archive recover`, or delete the day and ingest its landed files again"
AGAIN_ZH = "请运行 `wx archive recover`，或删除该日后由落地文件重新导入"

Progress = Callable[[int, int], None]
"""Called with (cycles read, cycles in all)."""


@dataclass(frozen=True)
class Fault:
    """One fault and where it is; what does not apply is empty or None. `en`, `zh`: what was found, and what to do."""

    en: str
    zh: str
    day: str = ""
    time: datetime | None = None
    variable: str = ""
    file: str = ""


@dataclass(frozen=True)
class Checked:
    """What `check_archive` found. `cycles` were read; `bytes` is the size on a local disk (0 in an object store)."""

    faults: tuple[Fault, ...]
    cycles: int
    snapshots: int
    bytes: int

    @property
    def clean(self) -> bool:
        """Was everything in order?"""
        return not self.faults


def check_archive(root: Root, region: str, *, quick: int | None = None, progress: Progress | None = None) -> Checked:
    """Read and decode everything that the newest state holds, and look at its files.

    Args:
        quick: only this many of the newest cycles, and no views.
        progress: called after each cycle.
    """
    place = place_of(root, region)
    faults: list[Fault] = []
    size = _check_files(place, faults) if place.local else 0
    slots: list[tuple[str, int]] = []
    snapshots = 0
    with _guard(faults, what="the newest state"):
        repository = open_repository(place)
        group = zarr.open_group(repository.readonly_session(BRANCH).store, mode="r")
        slots = _check_days(group, faults)
        slots = slots[-quick:] if quick else slots
        for done, (day, slot) in enumerate(slots, start=1):
            _check_cycle(group, day, slot, faults)
            if progress is not None:
                progress(done, len(slots))
        for day in layout.day_names(group, STATIONS):
            _check_stations(group, day, faults, slots if quick else None)
        if not quick:
            for day in layout.day_names(group, layout.VIEWS):
                _check_view(group, day, faults)
        with _guard(faults, what="the history"):
            snapshots = sum(1 for _ in repository.ancestry(branch=BRANCH))
            if not quick:
                _check_orphans(repository, faults)
    return Checked(tuple(faults), len(slots), snapshots, size)


def _check_files(place: Place, faults: list[Fault]) -> int:
    size = 0
    for path in sorted((place.folder / REPO).rglob("*")):
        if not path.is_file():
            continue
        length = path.stat().st_size
        size += length
        if length == 0:
            faults.append(Fault(
                f"the file is empty, as a power cut leaves it: {AGAIN_EN}", f"文件为空（断电所致）：{AGAIN_ZH}",
                file=_name(place, path),
            ))  # fmt: skip
    return size


def _name(place: Place, path: Path) -> str:
    return str(path.relative_to(place.folder))


def _check_orphans(repository: icechunk.Repository, faults: list[Fault]) -> None:
    told = repository.garbage_collect(datetime.now(UTC) - ORPHAN_AGE, dry_run=True)
    count = told.chunks_deleted + told.manifests_deleted + told.snapshots_deleted
    if count:
        faults.append(Fault(
            f"{count} objects ({told.bytes_deleted / 1e6:.1f} MB) belong to no commit, left by a writer that died: "
            "`wx archive expire` collects them",
            f"有 {count} 个对象（{told.bytes_deleted / 1e6:.1f} MB）不属于任何提交，系写入中断遗留："
            "可用 `wx archive expire` 回收",
        ))  # fmt: skip


def _check_days(group: zarr.Group, faults: list[Fault]) -> list[tuple[str, int]]:
    """Every written slot; days whose coordinates or marks cannot be read are faults."""
    found: list[tuple[str, int]] = []
    for day in layout.day_names(group, layout.CUBES):
        path = f"{layout.CUBES}/{day}"
        with _guard(faults, day, what="the day"):
            _check_coordinates(group, path, day, faults)
            written = np.asarray(array_of(group, f"{path}/{layout.WRITTEN}")[...]) != 0
            found += [(day, int(slot)) for slot in np.flatnonzero(written)]
            told = np.asarray(array_of(group, f"{layout.TABLES}/{day}/{layout.PROVENANCE_TEXT}")[...]) != ""
            for slot in np.flatnonzero(written != told):
                where = (day, _time(day, int(slot)), layout.WRITTEN)
                if written[slot]:
                    faults.append(
                        Fault(f"the cycle has no provenance: {AGAIN_EN}", f"该时次没有溯源信息：{AGAIN_ZH}", *where)
                    )
                else:
                    faults.append(
                        Fault(f"the cycle is not marked: {AGAIN_EN}", f"该时次未标记为已写入：{AGAIN_ZH}", *where)
                    )
    return found


def _check_coordinates(group: zarr.Group, path: str, day: str, faults: list[Fault]) -> None:
    grid: Any = group.attrs["grid"]
    wanted = {
        LAT: (grid["lat_south"], grid["n_lat"]), LON: (grid["lon_west"], grid["n_lon"]),
        HEIGHT: (grid["levels_m"][0], len(grid["levels_m"])),
    }  # fmt: skip
    if path.startswith(layout.VIEWS):
        del wanted[HEIGHT]
    for name, (first, count) in wanted.items():
        values = np.asarray(array_of(group, f"{path}/{name}")[...])
        if values.size != count or abs(float(values[0]) - first) > 1e-6 or (np.diff(values) <= 0).any():
            faults.append(Fault(
                f"{values.size} values from {values[0]:g}, expected {count} ascending from {first:g}: {AGAIN_EN}",
                f"有 {values.size} 个值、起于 {values[0]:g}，应为自 {first:g} 起递增的 {count} 个：{AGAIN_ZH}",
                day, variable=name,
            ))  # fmt: skip
    minutes = np.asarray(array_of(group, f"{path}/{TIME}")[...])
    if not minutes.size or (np.diff(minutes) <= 0).any() or minutes[0] < 0 or minutes[-1] >= 24 * 60:
        faults.append(Fault(
            f"times are not ascending within the day: {AGAIN_EN}", f"时间未按日内递增：{AGAIN_ZH}", day, variable=TIME
        ))  # fmt: skip


def _check_cycle(group: zarr.Group, day: str, slot: int, faults: list[Fault]) -> None:
    when, radars = _time(day, slot), _radars(group)
    cubes = group[f"{layout.CUBES}/{day}"]
    assert isinstance(cubes, zarr.Group)
    for var in layout.variables_of(cubes):
        with _guard(faults, day, when, var.name):
            raw = np.asarray(array_of(group, f"{layout.CUBES}/{day}/{var.name}")[slot])
            faults += [Fault(en, zh, day, when, var.name) for en, zh in _range_faults(raw, var, radars)]
    for name in texts_of(group, f"{layout.TABLES}/{day}"):
        with _guard(faults, day, when, name):
            _parse(name, str(array_of(group, f"{layout.TABLES}/{day}/{name}")[slot]))


def _check_stations(group: zarr.Group, day: str, faults: list[Fault], only: list[tuple[str, int]] | None) -> None:
    """The observations of a day's cycles, or of those in `only`."""
    with _guard(faults, day, variable=STATIONS):
        part = group[f"{STATIONS}/{day}"]
        assert isinstance(part, zarr.Group)
        for slot in (slot for slot in given_slots(part) if only is None or (day, slot) in only):
            when = _time(day, slot)
            with _guard(faults, day, when, STATIONS):
                told = slot_faults(part, slot)
                faults += [Fault(f"{en}: {AGAIN_EN}", f"{zh}：{AGAIN_ZH}", day, when, STATIONS) for en, zh in told]


def _check_view(group: zarr.Group, day: str, faults: list[Fault]) -> None:
    path, radars = f"{layout.VIEWS}/{day}", _radars(group)
    with _guard(faults, day, variable="view"):
        _check_coordinates(group, path, day, faults)
    view = group[path]
    assert isinstance(view, zarr.Group)
    for var in (*PLANES, *(var for var in OPTIONAL if var.name in view)):
        with _guard(faults, day, variable=f"view/{var.name}"):
            array = array_of(group, f"{path}/{var.name}")
            for begin in range(0, array.shape[0], layout.VIEW_SLOTS):
                raw = np.asarray(array[begin : begin + layout.VIEW_SLOTS])
                faults += [Fault(en, zh, day, None, f"view/{var.name}") for en, zh in _range_faults(raw, var, radars)]
    for name in texts_of(group, path):
        with _guard(faults, day, variable=f"view/{name}"):
            for text in np.asarray(array_of(group, f"{path}/{name}")[...]):
                _parse(name, str(text))


def _radars(group: zarr.Group) -> int:
    return len(group.attrs.get("radars", []))  # type: ignore[arg-type]


def _range_faults(raw: npt.NDArray[Any], var: Var, radars: int) -> Iterator[tuple[str, str]]:
    quantum = layout.QUANTUM.get(var.name, 1.0)
    present = raw[raw != layout.PACKED_FILL] if var.name in layout.QUANTUM else raw[~np.isnan(raw)]
    if not present.size:
        return
    low, high = float(present.min()) * quantum, float(present.max()) * quantum
    largest = float(radars - 1) if var.name == "nearest_radar" else var.valid_max
    if var.flags:
        largest = max(value for value, _ in var.flags)
    if low < var.valid_min - quantum / 2 or high > largest + quantum / 2 or not np.isfinite([low, high]).all():
        bounds = f"{var.valid_min:g} … {largest:g} {var.units}"
        yield (
            f"values {low:g} to {high:g}, expected {bounds}: {AGAIN_EN}",
            f"数值 {low:g} 至 {high:g} 超出 {bounds}：{AGAIN_ZH}",
        )


def _parse(name: str, text: str) -> None:
    if name == layout.PROVENANCE_TEXT:
        json.loads(text)
    elif text or name == layout.STORMS_TEXT:
        decode_table(text)


@contextmanager
def _guard(
    faults: list[Fault], day: str = "", when: datetime | None = None, variable: str = "", what: str = "it"
) -> Iterator[None]:
    """What is raised inside becomes a fault: damage shows as any kind of error, of Icechunk, Zarr, JSON or NumPy."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        told = error.en if isinstance(error, WxcoreError) else f"{type(error).__name__}: {first_line(error)}"
        told_zh = error.zh if isinstance(error, WxcoreError) else told
        faults.append(Fault(
            f"{what} cannot be read ({told}): {AGAIN_EN}", f"无法读取（{told_zh}）：{AGAIN_ZH}", day, when, variable
        ))  # fmt: skip


def _time(day: str, slot: int) -> datetime:
    midnight = np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}", "m")
    return from_datetime64(midnight + np.timedelta64(6 * slot, "m"))
