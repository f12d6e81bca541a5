"""CINRAD legacy base data: round trips, and the real volume that was transcoded from the standard format."""

import bz2
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar import samples
from wxcore.errors import ReadError, Reason
from wxcore.radar import cinrad, codes, legacy
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.legacy import read_legacy, record_length
from wxcore.radar.legacy_write import write_legacy
from wxcore.radar.volume import ECHO, FOLDED, MISSING, NO_ECHO, SIMULATED_TASK, Moment, Sweep, Volume

NAME = "Z_RADR_I_Z9517_20200612053920_O_DOR_SA_CAP.bin"
UNIT = 180 / 4096 / 8


def moment(raw: np.ndarray, offset: float = 66.0, gate: float = 1000.0, scale: float = 2.0) -> Moment:
    return Moment(raw.astype("u1"), scale, offset, gate / 2, gate, codes.CLASSES_LEGACY)


def cut(moments: dict[str, Moment], late_s: int = 0, first_angle: int = 100) -> Sweep:
    """A cut with angles and times that the format holds exactly."""
    rays = next(iter(moments.values())).codes.shape[0]
    begin = np.datetime64(samples.START.replace(tzinfo=None), "ns") + np.timedelta64(late_s, "s")
    return Sweep(
        fixed_angle=float(np.float32(11 * UNIT)),
        azimuth=((first_angle + 8 * np.arange(rays)) % 65536 * UNIT).astype("f4"),
        elevation=np.full(rays, 11 * UNIT, "f4"),
        time=begin + np.arange(rays) * np.timedelta64(87, "ms"),
        nyquist=26.99,
        moments=moments,
    )


def two_cuts(gates_z: int = 460, gates_v: int = 920, scale: float = 2.0, seed: int = 3) -> Volume:
    rng = np.random.default_rng(seed)
    z = moment(rng.integers(0, 255, (6, gates_z)))
    v = moment(rng.integers(0, 255, (5, gates_v)), 129.0, 250.0, scale)
    w = moment(rng.integers(0, 255, (5, gates_v)), 129.0, 250.0)
    return samples.volume(cut({"DBZH": z}), cut({"VRADH": v, "WRADH": w}, 30), form="cinrad-legacy")


def reason_of(data: bytes) -> Reason:
    with pytest.raises(ReadError) as caught:
        read_legacy(data, NAME)
    assert caught.value.zh != caught.value.en
    return caught.value.reason


@pytest.mark.parametrize(
    ("gates_z", "gates_v", "length"),
    [(460, 920, 2432), (70, 280, 2432), (800, 1600, 4132), (500, 900, 4132), (1000, 2000, 5132)],
)
def test_record_lengths(gates_z: int, gates_v: int, length: int) -> None:
    volume = two_cuts(gates_z, gates_v)
    data = write_legacy(volume)
    assert len(data) == 11 * length
    assert record_length(data[:8192]) == length
    assert legacy.FORMAT.recognise(data[:8192])
    found = read_legacy(data, NAME)
    samples.assert_same(found, volume)
    assert found.remarks == ()
    assert write_legacy(found) == data


@settings(max_examples=40, deadline=None)
@given(
    gates=st.tuples(st.integers(1, 60), st.integers(1, 60)), rays=st.integers(2, 9), seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1.0, 2.0]), kinds=st.lists(st.sampled_from(["z", "v", "zv"]), min_size=1, max_size=4),
)  # fmt: skip
def test_what_is_written_is_read_back(
    gates: tuple[int, int], rays: int, seed: int, scale: float, kinds: list[str]
) -> None:
    rng = np.random.default_rng(seed)
    sweeps = []
    for index, kind in enumerate(kinds):
        moments = {}
        if "z" in kind:
            moments["DBZH"] = moment(rng.integers(0, 255, (rays, gates[0])))
        if "v" in kind:
            moments["VRADH"] = moment(rng.integers(0, 255, (rays, gates[1])), 129.0, 250.0, scale)
            moments["WRADH"] = moment(rng.integers(0, 255, (rays, gates[1])), 129.0, 250.0)
        sweeps.append(cut(moments, index * 20, int(rng.integers(0, 65536))))
    volume = samples.volume(*sweeps, form="cinrad-legacy")
    data = write_legacy(volume)
    found = read_legacy(data, NAME)
    samples.assert_same(found, volume)
    assert write_legacy(found) == data


def test_one_ray_by_hand() -> None:
    """Bytes from the table of FORMATS.md A.2, not from our writer."""
    record = bytearray(2432)
    record[14:16] = struct.pack("<H", 1)
    ms = (5 * 3600 + 39 * 60 + 20) * 1000 + 213
    fields = (ms, 18_426, 4600, 2 * 91 * 8 * 2, 1, 3, 88, 1, 0, 0, 1000, 250, 4, 2, 1, 0, 0, 100, 104, 106, 4, 21)
    struct.pack_into("<IHHHHHHHhhHHHHHHHHHHHH", record, 28, *fields)
    struct.pack_into("<H", record, 88, 857)
    record[128:136] = bytes([0, 1, 2, 156, 129, 139, 129, 133])
    second = bytearray(record)
    struct.pack_into("<H", second, 38, 2)
    found = read_legacy(bytes(record + second), NAME)
    (sweep,) = found.sweeps
    assert found.site.id == "Z9517"
    assert np.isnan(found.site.latitude)
    assert str(sweep.time[0]) == "2020-06-12T05:39:20.213000000"  # day 1 is 1970-01-01
    assert sweep.azimuth[0] == 2912 / 8 * 180 / 4096
    assert sweep.elevation[0] == 88 / 8 * 180 / 4096 == sweep.fixed_angle
    assert sweep.nyquist == 8.57
    z, v, w = (sweep.moments[name] for name in ("DBZH", "VRADH", "WRADH"))
    assert z.classes[z.codes[0]].tolist() == [NO_ECHO, FOLDED, ECHO, ECHO]
    np.testing.assert_array_equal(z.values(no_echo=-10.0)[0], [-10, np.nan, (2 - 2) / 2 - 32, (156 - 2) / 2 - 32])
    np.testing.assert_array_equal(v.values()[0], [129 - 2 - 127, 139 - 2 - 127])  # resolution code 4: 1 m/s
    np.testing.assert_array_equal(w.values()[0], [(129 - 2) / 2 - 63.5, (133 - 2) / 2 - 63.5])
    assert (z.first_gate_m, z.gate_m, v.first_gate_m, v.gate_m) == (500, 1000, 125, 250)


def test_ragged_rays_keep_their_length() -> None:
    raw = np.full((5, 30), 80)
    raw[2, 20:] = codes.LEGACY_PAD
    raw[3, :] = codes.LEGACY_PAD
    volume = samples.volume(cut({"DBZH": moment(raw)}), form="cinrad-legacy")
    data = write_legacy(volume)
    assert struct.unpack_from("<H", data, 2 * 2432 + 54)[0] == 20
    found = read_legacy(data, NAME)
    samples.assert_same(found, volume)
    z = found.sweeps[0].moments["DBZH"]
    assert (z.classes[z.codes[2, 20:]] == MISSING).all()


def test_cut_off_file() -> None:
    data = write_legacy(two_cuts())
    found = read_legacy(data[: 8 * 2432 + 100], NAME)
    assert [s.azimuth.size for s in found.sweeps] == [6, 2]
    assert found.remarks == (f"truncated at byte {8 * 2432 + 100}: 2 cuts",)
    assert reason_of(data[:1000]) is Reason.TRUNCATED
    assert read_legacy(data[:2432], NAME).sweeps[0].azimuth.size == 1


def test_implausible_records_are_dropped_and_told() -> None:
    data = bytearray(write_legacy(two_cuts()))
    struct.pack_into("<H", data, 3 * 2432 + 14, 7)
    struct.pack_into("<H", data, 4 * 2432 + 32, 9000)
    found = read_legacy(bytes(data), NAME)
    assert [s.azimuth.size for s in found.sweeps] == [4, 5]
    assert found.remarks == ("2 of 11 rays dropped (header implausible)",)
    assert reason_of(bytes(data[: 2 * 2432] + data[2 * 2432 + 1 :])) is Reason.BAD_HEADER  # one byte lost


def test_a_damaged_first_ray_does_not_hide_that_it_is_simulated() -> None:
    data = bytearray(write_legacy(replace(two_cuts(), task=f"{SIMULATED_TASK} VCP21")))
    data[:3] = bytes(3)
    assert read_legacy(bytes(data), NAME).task == f"{SIMULATED_TASK} VCP21"
    assert SIMULATED_TASK not in read_legacy(write_legacy(two_cuts()), NAME).task


def test_foreign_codes_without_a_place_become_no_echo() -> None:
    raw = np.array([[0, 1, 2, 3, 90, 4]] * 2, "u1")
    data = write_legacy(samples.volume(samples.sweep({"DBZH": samples.moment(raw)})))
    found = read_legacy(data, NAME).sweeps[0].moments["DBZH"]
    assert found.codes[0].tolist() == [0, 1, 0, 0, 90]


def test_the_writer_refuses_what_the_format_cannot_hold() -> None:
    wrong = [
        {"DBZH": moment(np.zeros((2, 2)), offset=60.0)},
        {"VRADH": moment(np.zeros((2, 2)), 129.0, 250.0, 4.0)},
        {"DBZH": moment(np.zeros((2, 2)), gate=62.5)},
    ]
    for moments in wrong:
        with pytest.raises(ValueError, match="legacy format"):
            write_legacy(samples.volume(cut(moments)))
    with pytest.raises(ValueError, match="without sweeps"):
        write_legacy(samples.volume())


def test_converted_sc_is_refused() -> None:
    data = write_legacy(two_cuts(1000, 1000))
    assert len(data) == 11 * legacy.SPECIAL_BYTES
    assert [f.name for f in legacy.FORMATS if f.recognise(data[:8192])] == ["cinrad-3132"]
    assert reason_of(data) is Reason.UNSUPPORTED
    form = next(f for f in legacy.FORMATS if f.name == "cinrad-3132")
    with pytest.raises(ReadError, match="scales"):
        form.read(data, "")


def test_duplicate_azimuths_and_many_rays_are_kept() -> None:
    rays = 720
    raw = np.random.default_rng(1).integers(0, 255, (rays, 4))
    twice = cut({"DBZH": moment(raw)})
    twice.azimuth[1::2] = twice.azimuth[::2]
    volume = samples.volume(twice, form="cinrad-legacy")
    samples.assert_same(read_legacy(write_legacy(volume), NAME), volume)


def test_other_bytes_are_not_recognised() -> None:
    rng = np.random.default_rng(5)
    others = [b"", bytes(8192), b"\1\0" * 4096, write_standard(samples.split_cut_volume()), rng.bytes(8192)]
    for head in others:
        assert not any(f.recognise(head[:8192]) for f in legacy.FORMATS)
    assert reason_of(rng.bytes(8192)) is Reason.UNKNOWN_FORMAT


def test_mutants_are_read_or_refused() -> None:
    data = write_legacy(two_cuts(60, 90))
    rng = np.random.default_rng(1970)
    seen: Counter[str] = Counter()
    for _ in range(600):
        mutant = samples.mutate(data, rng, 2432)
        try:
            found = read_legacy(mutant, NAME)
        except ReadError as error:
            seen[error.reason] += 1
            continue
        seen["read"] += 1
        assert sum(m.codes.nbytes for s in found.sweeps for m in s.moments.values()) <= 4 * len(mutant)
    assert seen["read"] > 100
    assert len(seen) > 1


def test_the_transcoded_real_volume_equals_the_original(radar_data: Path) -> None:
    (old,) = (radar_data / "cinrad_base_legacy").glob("*Z9517*")
    (new,) = (radar_data / "cinrad_base").glob("*Z9517*")
    data = bz2.decompress(old.read_bytes())
    assert legacy.FORMAT.recognise(data[:8192])
    found = read_legacy(data, old.name)
    original = cinrad.read_standard(bz2.decompress(new.read_bytes()), new.name)
    assert (found.site.id, found.task, found.remarks) == ("Z9517", "VCP21", ())
    assert len(found.sweeps) == 11
    for one, two in zip(found.sweeps, original.sweeps, strict=True):
        np.testing.assert_array_equal(one.azimuth, two.azimuth)
        assert np.abs(one.time - two.time).max() <= np.timedelta64(1, "ms")
        assert abs(one.fixed_angle - two.fixed_angle) < 0.05
        assert abs(one.nyquist - two.nyquist) < 0.01
        assert list(one.moments) == list(two.moments)
        for name, mine in one.moments.items():
            theirs = two.moments[name]
            np.testing.assert_array_equal(mine.values(), theirs.values())
            assert (mine.first_gate_m, mine.gate_m) == (theirs.first_gate_m, theirs.gate_m)
    samples.assert_same(read_legacy(write_legacy(found), old.name), found)
