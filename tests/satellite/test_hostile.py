"""Broken and hostile files fed to every reader of satellites and lightning: a ReadError, or an object within range."""

import errno
import io
import math
import os
import tempfile
import traceback
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from tests.faults.mutants import mutate
from tests.faults.sky_seeds import BOX, SkySeed, faults_of, sky_seeds
from tests.landing import hostile
from wxcore.errors import OUR_TROUBLE, LimitError, ReadError, Reason
from wxcore.hdf5 import check_hdf5
from wxcore.landing.guard import run_guarded
from wxcore.lightning import adtd, glm, lmi
from wxcore.lightning.files import text as lightning_text
from wxcore.pipeline.hdf5_door import read_hdf5
from wxcore.satellite import agri, awx, ghi, mersi, vissr
from wxcore.satellite.files import attribute_number, attribute_text
from wxcore.satellite.scene import Geolocation, Scene
from wxcore.schema import HEAD_BYTES, Format

FORMATS: dict[str, Format] = {
    found.name: found
    for found in (
        agri.FORMAT, ghi.FORMAT, *mersi.FORMATS, vissr.FORMAT, awx.FORMAT, lmi.FORMAT, glm.FORMAT, adtd.FORMAT,
    )
}  # fmt: skip
SEEDS = sky_seeds()
IDS = [f"{seed.reader}-{seed.variant}" for seed in SEEDS]
HDF5 = b"\x89HDF"
MUTANTS = 15
"""Of each kind, seed and run of the tests; thousands by hand."""

JOB = 50
"""Mutants that one child reads in one go; one by one where it does not survive that."""

WALL_S = 20.0
MOST_CHANGED = 100_000
"""Values of a dataset that is rewritten: larger ones take too long to pack."""

BOMB = zlib.compress(bytes(32 * 2**20))
"""31 kB."""

SCALARS = (
    math.nan, math.inf, -math.inf, 0.0, -1.0, 1e300, -1e300, 2**31, -(2**63), 65535, 1e-300, "", "x" * 5000,
    b"\xff\xfe", "风云", "NaN", "1e999", "-1", "2026-02-30", "24:60:61", "9999-12-31", "0001-01-01",
    "23:59:59.999999999",
)  # fmt: skip
"""Attributes that break things."""


def _read(form: Format, path: Path, name: str) -> object:
    """What a file holds; a pass or places that lack the other are read together with a good one."""
    if form.read_path is None:
        return form.read(path.read_bytes(), name)
    native = form.read_path(path, name, BOX)
    if form.name == mersi.PLACES_NAME:
        twin = next(seed for seed in SEEDS if seed.variant == "bare")
        (path.parent / twin.name).write_bytes(twin.raw)
        return native if not isinstance(native, Geolocation) else _both(path.parent / twin.name, path)
    if isinstance(native, Scene) and native.geometry is None:
        twin = next(seed for seed in SEEDS if seed.reader == mersi.PLACES_NAME)
        (path.parent / twin.name).write_bytes(twin.raw)
        return _both(path, path.parent / twin.name)
    return native


def _both(path: Path, places: Path) -> Scene:
    return mersi.read_pass(path, places, path.name, BOX)


def end_of(reader: str, data: bytes, name: str) -> str:
    """How a file ends that is fed to a reader: "" where it is read well, a Reason, or "FAULT: ..."."""
    form = FORMATS[reader]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            native = _read(form, path, name)
            told = form.describe(native)
            faults = faults_of(native)
        except ReadError as error:
            good = error.en.isprintable() and error.zh.isprintable() and error.en != error.zh
            return str(error.reason) if good else f"FAULT: message {error.en!r} {error.zh!r}"
        except Exception as error:  # noqa: BLE001 (what is no ReadError is what this looks for)
            where = [frame for frame in traceback.extract_tb(error.__traceback__) if "wxcore" in frame.filename][-1]
            return f"FAULT: {where.name}:{where.lineno}: {type(error).__name__}: {str(error)[:200]}"
    return f"FAULT: {faults} {told}" if faults else ""


def ends_of(reader: str, files: list[bytes], name: str) -> list[str]:
    """Of each file."""
    return [end_of(reader, data, name) for data in files]


def guarded_ends(reader: str, files: list[bytes], name: str) -> list[str]:
    """The same in a child that is killed where it hangs."""
    found: list[str] = []
    for at in range(0, len(files), JOB):
        part = files[at : at + JOB]
        try:
            found += run_guarded(ends_of, reader, part, name, wall_s=WALL_S + 0.2 * len(part))
        except LimitError:
            found += [_alone(reader, data, name) for data in part]
    return found


def _alone(reader: str, data: bytes, name: str) -> str:
    try:
        return run_guarded(end_of, reader, data, name, wall_s=WALL_S)
    except LimitError as error:
        return f"FAULT: {error.en}"


def metadata_places(raw: bytes) -> np.ndarray:
    """Bytes of an HDF5 file that are no data of its datasets."""
    is_data = np.zeros(len(raw), bool)

    def look(_: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            if item.chunks:
                parts = [item.id.get_chunk_info(k)[2:] for k in range(item.id.get_num_chunks())]
            else:
                parts = [(item.id.get_offset() or 0, item.id.get_storage_size() if item.id.get_offset() else 0)]
            for place, size in parts:
                is_data[place : place + size] = True

    with h5py.File(io.BytesIO(raw), "r") as file:
        file.visititems(look)
    return np.flatnonzero(~is_data & (np.frombuffer(raw, "u1") != 0))


def bytewise(seed: SkySeed, rng: np.random.Generator) -> Iterator[bytes]:
    """Flipped bits, zero blocks, cuts, noise, insertions, header words; of HDF5 every other one in its metadata."""
    places = metadata_places(seed.raw) if seed.raw.startswith(HDF5) else np.zeros(0, int)
    while True:
        yield mutate(seed.raw, rng)[0]
        if places.size:
            damaged = bytearray(seed.raw)
            for place in rng.choice(places, int(rng.choice([1, 2, 8]))):
                damaged[place] = int(rng.integers(256)) if rng.random() < 0.5 else damaged[place] ^ 1 << rng.integers(8)
            yield bytes(damaged)


def meaning(seed: SkySeed, rng: np.random.Generator) -> Iterator[bytes]:
    """A well-formed HDF5 file with another attribute or dataset than the format has."""
    while True:
        memory = io.BytesIO(seed.raw)
        with h5py.File(memory, "r+") as file, suppress(OSError, TypeError, ValueError, RuntimeError):
            items: list[Any] = [file]
            file.visititems(lambda _, item, items=items: items.append(item))
            for _ in range(int(rng.choice([1, 1, 1, 3]))):
                item = items[int(rng.integers(len(items)))]
                if len(item.attrs) and (rng.random() < 0.6 or item is file):
                    _spoil_attribute(item, rng)
                elif item is not file and item:
                    _spoil_item(file, item, rng)
        yield memory.getvalue()


def _spoil_attribute(item: Any, rng: np.random.Generator) -> None:
    key = list(item.attrs)[int(rng.integers(len(item.attrs)))]
    value = np.asarray(item.attrs[key])
    new: Any = SCALARS[int(rng.integers(len(SCALARS)))]
    match int(rng.integers(6)):
        case 0:
            new = h5py.Empty("f4")
        case 1:
            new = np.zeros((2, 3))
        case 2 if value.dtype.kind in "iuf" and value.size:
            with np.errstate(invalid="ignore"):
                new = (value.astype("f8") * rng.choice([0, -1, 1e-3, 0.99, 1.01, 2, 1e3, 1e6, np.nan])).astype(
                    value.dtype
                )
        case 3 if value.dtype.kind in "iuf" and value.size:
            new = value.astype("f8") + rng.normal() * 10.0 ** rng.integers(-3, 6)
    del item.attrs[key]
    if rng.random() < 0.8:
        item.attrs[key] = new


def _spoil_item(file: h5py.File, item: Any, rng: np.random.Generator) -> None:
    """Other values in a dataset; or in the place of an item a group, another shape, text, or nothing."""
    path, attributes = item.name, dict(item.attrs)
    if path not in file:  # went with its group
        return
    if isinstance(item, h5py.Dataset) and rng.random() < 0.5 and item.dtype.kind in "iuf" and item.size < MOST_CHANGED:
        values = np.atleast_1d(item[()])
        with np.errstate(all="ignore"):
            noise = rng.integers(-(2**31), 2**31, values.shape)
            constant = np.full(values.shape, rng.choice([np.nan, np.inf, -1, 0, 2**15, 2**31, 1e30]))
            changed = (constant, noise, values[..., ::-1], values * rng.normal())[int(rng.integers(4))]
            item[...] = np.asarray(changed).astype(values.dtype).reshape(item.shape)
        return
    del file[path]
    match int(rng.integers(4)):
        case 0:
            file.create_group(path)
        case 1:
            file[path] = np.zeros(tuple(int(length) for length in rng.integers(0, 30, rng.integers(0, 4))))
        case 2:
            file[path] = np.array([b"text"] * 5)
        case _:
            return
    for key, value in attributes.items():
        file[path].attrs[key] = value


Mutator = Callable[[SkySeed, np.random.Generator], Iterator[bytes]]
KINDS: dict[str, Mutator] = {"bytes": bytewise, "meaning": meaning}


def mutants(seed: SkySeed, kind: str, number: int, count: int) -> list[bytes]:
    """So many mutants of a kind; `number` is that of the generator."""
    return list(islice(KINDS[kind](seed, np.random.default_rng(number)), count))


@pytest.mark.parametrize("seed", SEEDS, ids=IDS)
def test_the_seed_itself_is_read(seed: SkySeed) -> None:
    assert end_of(seed.reader, seed.raw, seed.name) == ""
    assert FORMATS[seed.reader].recognise(seed.raw[:HEAD_BYTES])


def test_every_reader_has_seeds() -> None:
    assert {seed.reader for seed in SEEDS} == set(FORMATS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS, ids=IDS)
def test_mutants_are_refused_or_read_within_range(seed: SkySeed, kind: str) -> None:
    if kind == "meaning" and not seed.raw.startswith(HDF5):
        pytest.skip("not HDF5")
    files = mutants(seed, kind, 2026, MUTANTS)
    ends = guarded_ends(seed.reader, files, seed.name)
    assert len(ends) == len(files)
    assert [(number, end) for number, end in enumerate(ends) if end.startswith("FAULT")] == []


@pytest.fixture(scope="module")
def leading_too_far(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """As in tests.landing.test_bombs. The other file is a pipe: opening it would wait for ever."""
    other = tmp_path_factory.mktemp("pipe") / "other.h5"
    os.mkfifo(other)
    return [*hostile.declaring_too_much(), *hostile.leading_away(other)]


@pytest.mark.parametrize("reader", sorted({seed.reader for seed in SEEDS if seed.raw.startswith(HDF5)}))
def test_what_declares_or_leads_too_far_is_refused(reader: str, leading_too_far: list[bytes]) -> None:
    name = next(seed.name for seed in SEEDS if seed.reader == reader)
    ends = guarded_ends(reader, leading_too_far, name)
    assert ends == [Reason.TOO_LARGE] * 11 + [Reason.UNSUPPORTED] * 7
    assert guarded_ends(reader, [hostile.hanging_odim(), hostile.hanging_netcdf4()], name) == [Reason.BAD_VALUE] * 2


@pytest.mark.parametrize("seed", SEEDS, ids=IDS)
def test_a_file_cut_anywhere_is_refused(seed: SkySeed) -> None:
    if not seed.raw.startswith(HDF5):
        pytest.skip("not HDF5: mutants are cut too")
    cut = [seed.raw[: int(len(seed.raw) * share)] for share in (0.02, 0.3, 0.6, 0.9, 0.999)]
    assert set(guarded_ends(seed.reader, cut, seed.name)) == {Reason.TRUNCATED}


@pytest.mark.parametrize(
    "seed", [seed for seed in SEEDS if seed.raw.startswith(HDF5)], ids=lambda seed: f"{seed.reader}-{seed.variant}"
)
def test_images_that_declare_more_than_memory_are_refused(seed: SkySeed) -> None:
    """Everything a thousand million times as long, none of it written: a few hundred bytes more on the disk."""
    memory = io.BytesIO(seed.raw)
    with h5py.File(memory, "r+") as file:
        found: list[h5py.Dataset] = []
        file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
        for item in found:
            if item.ndim and item.dtype.kind in "iuf":
                path, attributes, kind = item.name, dict(item.attrs), item.dtype
                shape = (item.shape[0] * 10**9, *item.shape[1:])
                del file[path]
                file.create_dataset(path, shape=shape, dtype=kind, chunks=tuple(min(100, n) for n in shape))
                for key, value in attributes.items():
                    file[path].attrs[key] = value
    assert guarded_ends(seed.reader, [memory.getvalue()], seed.name) == [Reason.TOO_LARGE]


@pytest.mark.parametrize(
    "seed", [seed for seed in SEEDS if seed.raw.startswith(HDF5)], ids=lambda seed: f"{seed.reader}-{seed.variant}"
)
def test_chunks_that_hold_more_than_they_declare_are_refused(seed: SkySeed) -> None:
    """A chunk that declares 64 bytes holds 32 MiB of zeros."""
    memory = io.BytesIO(seed.raw)
    with h5py.File(memory, "r+") as file:
        item = file.create_dataset("bomb", shape=(64,), chunks=(64,), dtype="u1", compression="gzip")
        item.id.write_direct_chunk((0,), BOMB)
    assert guarded_ends(seed.reader, [memory.getvalue()], seed.name) == [Reason.TOO_LARGE]


@pytest.mark.parametrize(
    "seed", [seed for seed in SEEDS if seed.raw.startswith(HDF5)], ids=lambda seed: f"{seed.reader}-{seed.variant}"
)
def test_the_door_checks_a_file_once(seed: SkySeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells the kind by an open file, and the reader opens the same."""
    calls: list[str] = []

    def counting(file: h5py.File, what: str, *, cap_bytes: int) -> int:
        calls.append(what)
        return check_hdf5(file, what, cap_bytes=cap_bytes)

    monkeypatch.setattr("wxcore.hdf5.files.check_hdf5", counting)
    (tmp_path / seed.name).write_bytes(seed.raw)
    name, native = read_hdf5(tmp_path / seed.name, seed.name, BOX)
    assert name == seed.reader
    assert faults_of(native) == []
    assert calls == ["HDF5"]


@pytest.mark.parametrize("number", sorted(OUR_TROUBLE))
def test_a_failing_disk_is_no_missing_attribute(number: int) -> None:
    class Attributes(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            raise OSError(error, "of the system")

    item = SimpleNamespace(attrs=Attributes(a=1))
    error = number
    for get in (attribute_text, attribute_number):
        with pytest.raises(OSError, match="of the system") as caught:
            get(item, "a")
        assert caught.value.errno == number
    error = errno.EINVAL  # what the library says of damage
    assert attribute_text(item, "a") is None
    assert attribute_number(item, "a") is None


def test_texts_of_attributes_can_be_encoded() -> None:
    """Bytes of no UTF-8 in a text of variable length come out of h5py as lone surrogates, which nothing can store."""
    with h5py.File(io.BytesIO(), "w") as file:
        file.attrs.create("a", b"FY\xff4B\xe9", dtype=h5py.string_dtype())
        assert any("\udc80" <= letter <= "\udcff" for letter in file.attrs["a"])
        for text in (attribute_text(file, "a"), lightning_text(file, "a")):
            assert text == "FY?4B?"
