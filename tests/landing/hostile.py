"""Recipes of hostile files. Nothing is stored but recipes: with the locked h5py each gives the same file."""

import bz2
import gzip
import io
import struct
import time
import zipfile
import zlib
from base64 import b85decode
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from wxcore.errors import ReadError
from wxcore.radar.volume import Volume
from wxcore.radar.xradar_door import read_odim

MIB = 2**20


def _hdf5(fill: Callable[[h5py.File], object], libver: str = "earliest") -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as file:
        file.attrs["Conventions"] = np.bytes_("ODIM_H5/V2_2")
        fill(file)
    return buffer.getvalue()


def declares_terabytes(*, chunks: tuple[int, int] | None = None) -> bytes:
    """1.4 kB of HDF5 that declare 4 TB."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("dataset1", shape=(10**6, 10**6), dtype="f4", chunks=chunks)
    return buffer.getvalue()


def declares_past_64_bits() -> bytes:
    """2**62 elements of 8 bytes: the product does not fit in 64 bits."""
    return _hdf5(lambda file: file.create_dataset("d", shape=(2**62,), dtype="f8", chunks=(1,), maxshape=(None,)))


def many_datasets(count: int = 100_000) -> bytes:
    """A group with so many entries."""

    def fill(file: h5py.File) -> None:
        file.create_dataset("d", shape=(), dtype="u1")
        root = h5py.h5g.open(file.id, b"/")
        for number in range(count):
            root.links.create_hard(b"d%d" % number, root, b"d")

    return _hdf5(fill, "latest")


def deep_groups(levels: int = 1000) -> bytes:
    """Group in group in group."""

    def fill(file: h5py.File) -> None:
        group = file
        for _ in range(levels):
            group = group.create_group("g")

    return _hdf5(fill)


def hard_link_cycle() -> bytes:
    """A group that contains itself, two levels down."""

    def fill(file: h5py.File) -> None:
        file.create_group("a/b")
        file["a/b/c"] = file["a"]

    return _hdf5(fill)


def billion_groups(levels: int = 7) -> bytes:
    """Each group holds the next one twice: 2**levels paths."""

    def fill(file: h5py.File) -> None:
        group = file
        for _ in range(levels):
            inner = group.create_group("x")
            group["y"] = inner
            group = inner

    return _hdf5(fill)


def external_link(target: Path) -> bytes:
    """A name that leads into another file."""
    return _hdf5(lambda file: file.__setitem__("dataset1", h5py.ExternalLink(str(target), "/dataset1")))


def soft_link() -> bytes:
    """A name that leads to another name."""
    return _hdf5(lambda file: file.__setitem__("dataset1", h5py.SoftLink("/dataset1")))


def virtual_dataset(target: Path) -> bytes:
    """Data of another file, its extent too: even asking for the shape would open that file."""

    def fill(file: h5py.File) -> None:
        source = h5py.VirtualSource(str(target), "data", (4,), maxshape=(None,))
        layout = h5py.VirtualLayout((4,), "u1", maxshape=(None,))
        layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
        file.create_virtual_dataset("dataset1", layout)

    return _hdf5(fill, "latest")


def external_storage(target: Path) -> bytes:
    """Raw bytes of any other file as data."""
    return _hdf5(lambda file: file.create_dataset("dataset1", shape=(10,), dtype="u1", external=[(str(target), 0, 10)]))


def plug_in_filter() -> bytes:
    """A filter that the library itself does not have."""
    return _hdf5(lambda file: file.create_dataset("d", data=np.zeros(100), compression="lzf"))


def huge_chunk() -> bytes:
    """One element in a chunk of 4 GiB."""
    return _hdf5(lambda file: file.create_dataset("d", shape=(1,), maxshape=(None,), chunks=(2**29 - 1,), dtype="f8"))


def many_dimensions() -> bytes:
    """Twenty dimensions."""
    return _hdf5(lambda file: file.create_dataset("d", shape=(1,) * 20, dtype="u1"))


def huge_element() -> bytes:
    """One element of 2 MB."""
    return _hdf5(lambda file: file.create_dataset("d", shape=(1,), dtype="V2000000"))


def many_strings() -> bytes:
    """Strings of variable length: each could be the same large one."""
    return _hdf5(lambda file: file.create_dataset("d", shape=(20_000,), dtype=h5py.string_dtype()))


def many_attributes() -> bytes:
    """1,500 attributes of one group."""

    def fill(file: h5py.File) -> None:
        group = file.create_group("dataset1")
        for number in range(1500):
            group.attrs.create(f"a{number}", 1)

    return _hdf5(fill, "latest")


def huge_attribute() -> bytes:
    """20 MiB in one attribute."""
    return _hdf5(lambda file: file.create_group("dataset1").attrs.create("a", np.zeros(20 * MIB, "u1")), "latest")


def _loop_in_heap(data: bytes) -> bytes:
    """The free space of the global heap (object 0) has size 0: the library's walk through the heap never ends.

    Found by a seeded mutator and reduced to its one field; seen to hang HDF5 2.0.0 (h5py 3.16), which is what the tests
    run. A mutator of a CfRadial-like file hit it in 211 of 26,600 mutants.
    """
    damaged = bytearray(data)
    position = data.index(b"GCOL") + 16
    while True:
        number, _, size = struct.unpack_from("<HH4xQ", data, position)
        if number == 0:
            struct.pack_into("<Q", damaged, position + 8, 0)
            return bytes(damaged)
        position += 16 + (size + 7) // 8 * 8


def hanging_odim() -> bytes:
    """An ODIM_H5 file of 8 kB, of which the library never reads an attribute to its end."""

    def fill(file: h5py.File) -> None:
        file.create_group("what").attrs["object"] = "PVOL"  # of variable length: it lies in the global heap
        file.create_dataset("dataset1/data1/data", data=np.zeros((4, 3), "u1"))

    return _loop_in_heap(_hdf5(fill))


def hanging_netcdf4() -> bytes:
    """A CfRadial-like netCDF-4 file of the same kind."""

    def fill(file: h5py.File) -> None:
        for name in ("time", "range"):
            scale = file.create_dataset(name, data=np.zeros(4, "f4"))
            scale.make_scale(name)
            scale.attrs["units"] = "m"
        field = file.create_dataset("DBZH", data=np.zeros((4, 4), "i2"))
        field.dims[0].attach_scale(file["time"])
        field.dims[1].attach_scale(file["range"])

    return _loop_in_heap(_hdf5(fill))


def declaring_too_much() -> list[bytes]:
    """Files whose metadata declare too much of something; the first are the 1,400 bytes that declare terabytes."""
    return [
        declares_terabytes(), declares_terabytes(chunks=(1000, 1000)), declares_past_64_bits(), many_datasets(),
        deep_groups(), huge_chunk(), many_dimensions(), huge_element(), many_strings(), many_attributes(),
        huge_attribute(),
    ]  # fmt: skip


def leading_away(other: Path) -> list[bytes]:
    """Files that lead out of themselves, most of them to the file `other`."""
    return [
        hard_link_cycle(), billion_groups(), external_link(other), soft_link(), virtual_dataset(other),
        external_storage(other), plug_in_filter(),
    ]  # fmt: skip


BZ2_1_GIB = b85decode(
    b"LRx4!F+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Z"
    b"jz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^"
    b"sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Z"
    b"jz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^"
    b"sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Z"
    b"jz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^"
    b"sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Z"
    b"jz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^"
    b"sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Zjz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&|oP;@<&Z"
    b"jz9pw000Oe05E_}Mna$^sS1FXF+o`-Q&~uSU&#Q9Qpf<n000C42p|A3%mpc?ks?E3M2Qa<az!{$koJh=0s"
)
"""785 bytes of bzip2 that hold 1 GiB of zeros (RELIABILITY.md finding 9)."""


def gzip_bomb(mebibytes: int) -> bytes:
    """Zeros."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(mebibytes)), packer.flush()])


def zip_bomb(mebibytes: int) -> bytes:
    """One member of zeros."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("0.bin", "w") as member,
    ):
        for _ in range(mebibytes):
            member.write(bytes(MIB))
    return buffer.getvalue()


def lying_zip() -> bytes:
    """A member of 64 MiB that says it holds 10 bytes."""
    data = bytearray(zip_bomb(64))
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.rindex(magic) + offset, 10)
    return bytes(data)


def zip_of_many(members: int) -> bytes:
    """A zip with a directory of so many empty members, which says that it has one."""
    entry = b"PK\1\2" + struct.pack("<4B4HL2L5H2L", 20, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = entry * members
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), 30, 0)
    return b"PK\3\4" + bytes(26) + directory + end


BOMBS: dict[str, Callable[[], bytes]] = {
    "bz2 785 bytes to 1 GiB": lambda: BZ2_1_GIB,
    "bz2 2 GiB in two streams": lambda: BZ2_1_GIB * 2,
    "bz2 in gzip": lambda: gzip.compress(BZ2_1_GIB),
    "bz2 in bz2": lambda: bz2.compress(BZ2_1_GIB),
    "bz2 behind a small stream": lambda: bz2.compress(b"small") + BZ2_1_GIB,
    "gzip": lambda: gzip_bomb(300),
    "gzip in many streams": lambda: gzip_bomb(8) * 40,
    "zip": lambda: zip_bomb(300),
    "zip of a million members": lambda: zip_of_many(1_000_000),
    "8 MiB of empty bz2 streams": lambda: bz2.compress(b"") * (8 * MIB // 14),
    "8 MiB of empty gzip streams": lambda: gzip.compress(b"", mtime=0) * (8 * MIB // 20),
    "three layers": lambda: gzip.compress(gzip.compress(BZ2_1_GIB)),
}


SPARSE_MIB = 600


def _sparse() -> bytes:
    """A MiB that shrinks to an eightieth: below the limit of the ratio, so that only the cap can stop it."""
    return np.random.default_rng(1).bytes(MIB // 100) + bytes(MIB - MIB // 100)


SPARSE_BOMBS: dict[str, Callable[[], bytes]] = {
    "bz2 below the ratio": lambda: bz2.compress(_sparse(), 1) * SPARSE_MIB,
    "gzip below the ratio": lambda: gzip.compress(_sparse(), 1) * SPARSE_MIB,
}
"""Bombs that unpack up to the cap itself."""


def read_trusting(data: bytes, name: str) -> Volume:
    """`read_odim` as it would be if nothing were checked before the first attribute is read."""
    with h5py.File(io.BytesIO(data), "r") as file:
        for group in file.values():
            dict(group.attrs)
    return read_odim(data, name)


def sleep_for_ever() -> None:
    """A reader that hangs without using the processor."""
    while True:
        time.sleep(60)


def open_with_xarray(data: bytes) -> None:
    """A reader of any netCDF-4 file."""
    with xr.open_dataset(io.BytesIO(data), engine="h5netcdf") as dataset:
        dataset.load()


def refusals(read: Callable[[bytes, str], object], files: list[bytes]) -> tuple[list[str], int]:
    """The reason with which each is refused (empty: read), and the peak memory of this process [bytes]."""
    reasons = []
    for data in files:
        try:
            read(data, "x")
            reasons.append("")
        except ReadError as error:
            reasons.append(str(error.reason))
    status = Path("/proc/self/status").read_text()
    return reasons, int(status.split("VmHWM:")[1].split()[0]) * 1024
