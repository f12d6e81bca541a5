"""CINRAD standard base data: written by hand, by our writer, and by real radars."""

import bz2
import struct
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar import samples
from wxcore.errors import ReadError, Reason
from wxcore.radar import cinrad, codes
from wxcore.radar.cinrad import FORMAT, read_standard
from wxcore.radar.cinrad_write import write_standard
from wxcore.radar.volume import ECHO, FOLDED, MISSING, NO_ECHO, Volume

CUTS_END = 416 + 256


def patch(data: bytes, at: int, form: str, *values: object) -> bytes:
    raw = bytearray(data)
    struct.pack_into(form, raw, at, *values)
    return bytes(raw)


def one_cut(rays: int = 5, gates: int = 12) -> bytes:
    raw = (np.arange(rays * gates).reshape(rays, gates) % 200).astype("u1")
    return write_standard(samples.volume(samples.sweep({"DBZH": samples.moment(raw)})))


def spliced(*parts: bytes) -> bytes:
    """One-cut files made one: the headers of the first, the rays of all, states put right."""
    raw = bytearray(parts[0][:CUTS_END] + b"".join(part[CUTS_END:] for part in parts))
    at, last = CUTS_END, CUTS_END
    while at < len(raw):
        struct.pack_into("<i", raw, at, codes.MIDDLE)
        last, at = at, at + 64 + struct.unpack_from("<i", raw, at + 36)[0]
    struct.pack_into("<i", raw, last, codes.END_VOLUME)
    return bytes(raw)


def reason_of(data: bytes) -> Reason:
    with pytest.raises(ReadError) as caught:
        read_standard(data)
    assert caught.value.zh != caught.value.en
    return caught.value.reason


@settings(max_examples=60, deadline=None)
@given(samples.volumes())
def test_what_is_written_is_read_back_to_the_code(volume: Volume) -> None:
    data = write_standard(volume)
    found = read_standard(data)
    samples.assert_same(found, volume)
    assert found.site == volume.site
    assert found.remarks == ()
    assert write_standard(found) == data


def test_values_and_classes_by_hand() -> None:
    raw = np.array([[0, 1, 2, 3, 4, 5, 66, 156]], "u1")  # (156 - 66) / 2 = 45 dBZ
    found = read_standard(write_standard(samples.volume(samples.sweep({"DBZH": samples.moment(raw)}))))
    moment = found.sweeps[0].moments["DBZH"]
    assert moment.classes[raw[0]].tolist() == [NO_ECHO, FOLDED, MISSING, MISSING, MISSING, ECHO, ECHO, ECHO]
    np.testing.assert_array_equal(moment.values(no_echo=-10.0)[0], [-10] + [np.nan] * 4 + [-30.5, 0, 45])
    assert (moment.first_gate_m, moment.gate_m) == (500.0, 1000.0)


def test_split_cuts_stay_apart_with_their_own_rays_and_gates() -> None:
    volume = samples.split_cut_volume()
    found = read_standard(write_standard(volume))
    samples.assert_same(found, volume)
    assert [s.azimuth.size for s in found.sweeps] == [7, 9, 8]
    batch = found.sweeps[2].moments
    assert (batch["DBZH"].gate_m, batch["VRADH"].gate_m, batch["PHIDP"].gate_m) == (1000, 250, 1000)
    assert batch["PHIDP"].codes.dtype == np.uint16


def test_fine_scan_gates() -> None:
    raw = np.full((3, 5), 80, "u1")
    data = write_standard(samples.volume(samples.sweep({"VRADH": samples.moment(raw, "VRADH", 62.5)})))
    assert struct.unpack_from("<i", data, 416 + 48)[0] == 32768 + 6250
    assert read_standard(data).sweeps[0].moments["VRADH"].gate_m == 62.5


def test_ragged_rays_are_padded_with_missing() -> None:
    found = read_standard(spliced(one_cut(3, 10), one_cut(2, 16), one_cut(70, 10)))
    (sweep,) = found.sweeps
    moment = sweep.moments["DBZH"]
    assert moment.codes.shape == (75, 16)
    assert (moment.classes[moment.codes[:3, 10:]] == MISSING).all()
    assert (moment.classes[moment.codes[5:, 10:]] == MISSING).all()
    np.testing.assert_array_equal(moment.codes[3:5], np.arange(32).reshape(2, 16))
    np.testing.assert_array_equal(moment.codes[:3, :10], np.arange(30).reshape(3, 10))
    np.testing.assert_array_equal(moment.codes[5:, :10], np.arange(700).reshape(70, 10) % 200)
    assert found.remarks == ()


def test_a_moment_that_some_rays_lack_is_missing_there() -> None:
    raw = np.full((2, 10), 80, "u1")
    both = {"DBZH": samples.moment(raw), "ZDR": samples.moment(raw, "ZDR")}
    data = spliced(one_cut(3, 10), write_standard(samples.volume(samples.sweep(both))))
    moments = read_standard(data).sweeps[0].moments
    assert (moments["ZDR"].classes[moments["ZDR"].codes[:3]] == MISSING).all()
    assert (moments["ZDR"].codes[3:] == 80).all()
    assert moments["DBZH"].codes.shape == (5, 10)


def test_a_ray_with_another_scale_is_left_out_and_told() -> None:
    data = one_cut(5, 12)
    stride = 64 + 32 + 12
    found = read_standard(patch(data, CUTS_END + 2 * stride + 64 + 4, "<i", 100))
    moment = found.sweeps[0].moments["DBZH"]
    assert moment.scale == 2.0
    assert (moment.classes[moment.codes[2]] == MISSING).all()
    assert "another scale" in found.remarks[0]


def test_padding_never_takes_far_more_memory_than_the_file() -> None:
    data = spliced(one_cut(1, 30_000), *[one_cut(100, 1)] * 10)
    assert reason_of(data) is Reason.BAD_VALUE


@settings(max_examples=80, deadline=None)
@given(st.floats(0, 1, exclude_max=True))
def test_a_cut_off_file_gives_its_whole_rays(part: float) -> None:
    volume = samples.split_cut_volume()
    data = write_standard(volume)
    size = int(part * len(data))
    begin = 416 + 3 * 256
    if size < begin + 64 + 32 + 23:
        assert reason_of(data[:size]) is (Reason.NO_RADIALS if size == begin else Reason.TRUNCATED)
        return
    found = read_standard(data[:size])
    rays = [sweep.azimuth.size for sweep in found.sweeps]
    assert rays[:-1] == [7, 9, 8][: len(rays) - 1]
    for one, two in zip(found.sweeps, volume.sweeps, strict=False):
        for name, moment in one.moments.items():
            np.testing.assert_array_equal(moment.codes, two.moments[name].codes[: one.azimuth.size])
    assert found.remarks == (f"truncated at byte {size}: {len(rays)} of 3 cuts",)


def test_no_whole_ray() -> None:
    data = one_cut()
    assert reason_of(data[:CUTS_END]) is Reason.NO_RADIALS
    assert reason_of(data[: CUTS_END + 70]) is Reason.TRUNCATED
    assert reason_of(data[:400]) is Reason.TRUNCATED
    assert reason_of(data[: CUTS_END - 1]) is Reason.TRUNCATED
    assert reason_of(b"") is Reason.TRUNCATED


@pytest.mark.parametrize(
    ("at", "form", "value", "reason"),
    [
        (0, "<4s", b"XXXX", Reason.BAD_HEADER),
        (8, "<i", 7, Reason.BAD_HEADER),
        (8, "<i", codes.PRODUCT, Reason.UNSUPPORTED),
        (8, "<i", codes.PHASED_ARRAY, Reason.UNSUPPORTED),
        (72, "<f", float("nan"), Reason.BAD_POSITION),
        (72, "<f", 91.0, Reason.BAD_POSITION),
        (76, "<f", float("inf"), Reason.BAD_POSITION),
        (80, "<i", 20_000, Reason.BAD_POSITION),
        (324, "<i", 2, Reason.UNSUPPORTED),
        (332, "<i", 0, Reason.BAD_VALUE),
        (336, "<i", 0, Reason.BAD_HEADER),
        (336, "<i", 257, Reason.BAD_HEADER),
        (336, "<i", 250, Reason.TRUNCATED),
        (416 + 24, "<f", float("nan"), Reason.BAD_VALUE),
        (416 + 44, "<i", 0, Reason.BAD_VALUE),
        (416 + 44, "<i", -1000, Reason.BAD_VALUE),
        (416 + 60, "<i", 10**9, Reason.BAD_VALUE),
        (CUTS_END + 16, "<i", 2, Reason.BAD_HEADER),
        (CUTS_END + 36, "<i", 3, Reason.BAD_HEADER),
        (CUTS_END + 40, "<i", 1000, Reason.BAD_HEADER),
        (CUTS_END + 50, "<B", 77, Reason.BAD_HEADER),
        (CUTS_END + 64 + 4, "<i", 0, Reason.BAD_HEADER),
        (CUTS_END + 64 + 12, "<h", 3, Reason.BAD_HEADER),
        (CUTS_END + 64 + 16, "<i", -5, Reason.BAD_HEADER),
    ],
)
def test_header_fields(at: int, form: str, value: object, reason: Reason) -> None:
    assert reason_of(patch(one_cut(), at, form, value)) is reason


def test_unplaceable_rays_are_dropped_and_told() -> None:
    data = one_cut(5, 12)
    stride = 64 + 32 + 12
    data = patch(data, CUTS_END + stride + 20, "<f", float("nan"))
    data = patch(data, CUTS_END + 3 * stride + 28, "<i", 5)
    found = read_standard(data)
    assert found.sweeps[0].azimuth.size == 3
    np.testing.assert_array_equal(found.sweeps[0].moments["DBZH"].codes[1], np.arange(24, 36))
    assert "2 of 5 rays dropped" in found.remarks[0]
    for ray in range(5):
        data = patch(data, CUTS_END + ray * stride + 20, "<f", float("inf"))
    assert reason_of(data) is Reason.NO_RADIALS


@pytest.mark.parametrize("rays", [300, 348, 720])
def test_any_number_of_rays(rays: int) -> None:
    raw = np.random.default_rng(rays).integers(0, 256, (rays, 5)).astype("u1")
    volume = samples.volume(samples.sweep({"DBZH": samples.moment(raw)}))
    samples.assert_same(read_standard(write_standard(volume)), volume)


def test_duplicate_azimuths_are_kept() -> None:
    raw = np.random.default_rng(1).integers(0, 256, (9, 5)).astype("u1")
    sweep = samples.sweep({"DBZH": samples.moment(raw)})
    sweep.azimuth[3:6] = sweep.azimuth[3]
    volume = samples.volume(sweep)
    samples.assert_same(read_standard(write_standard(volume)), volume)


def test_a_missing_sweep_leaves_the_others_where_they_are() -> None:
    data, begin = write_standard(samples.split_cut_volume()), 416 + 3 * 256
    first, second = 7 * (64 + 32 + 23), 9 * (64 + 2 * (32 + 46))
    found = read_standard(data[: begin + first] + data[begin + first + second :])
    assert [(s.fixed_angle, s.azimuth.size) for s in found.sweeps] == [(0.5, 7), (1.5, 8)]
    assert list(found.sweeps[1].moments) == ["DBZH", "VRADH", "PHIDP"]


def test_no_echo_of_a_blanked_ray_is_missing() -> None:
    data = write_standard(samples.volume(samples.sweep({"DBZH": samples.moment(np.array([[0, 1, 90]] * 3, "u1"))})))
    stride = 64 + 32 + 3
    blanked = patch(data, CUTS_END + stride + 4, "<i", 1)
    found = read_standard(blanked)
    moment = found.sweeps[0].moments["DBZH"]
    assert moment.classes[moment.codes].tolist() == [
        [NO_ECHO, FOLDED, ECHO],
        [MISSING, FOLDED, ECHO],
        [NO_ECHO, FOLDED, ECHO],
    ]
    assert "1 of 3 rays blanked" in found.remarks[0]
    blanked = patch(patch(blanked, CUTS_END + 4, "<i", 1), CUTS_END + 2 * stride + 4, "<i", 1)
    assert read_standard(blanked).remarks == ()  # all round: a flag that is not kept


def test_angles_are_brought_home() -> None:
    data = patch(one_cut(), CUTS_END + 20, "<ff", 360.0, 359.75)
    sweep = read_standard(data).sweeps[0]
    assert (sweep.azimuth[0], sweep.elevation[0]) == (0.0, -0.25)


def test_a_header_without_position_is_for_the_pipeline_to_fill() -> None:
    found = read_standard(patch(one_cut(), 72, "<ff", 0.0, 0.0))
    assert np.isnan([found.site.latitude, found.site.longitude, found.site.altitude_m]).all()
    assert found.remarks == ("the header has no position",)


def test_site_texts() -> None:
    data = patch(one_cut(), 32, "<8s32s", b"", "淮安".encode("gbk"))
    found = read_standard(data, "Z_RADR_I_ZG170_20260329064800_O_DOR_YTD2_CAP_FMT.bin")
    assert (found.site.id, found.site.name) == ("ZG170", "淮安")
    assert read_standard(patch(one_cut(), 4, "<h", 1)).site.id == "Z9517"  # version 1
    found = read_standard(one_cut(), "Z_RADR_I_Z9523_20200612053920_O_DOR_SA_CAP_FMT.bin")
    assert (found.site.id, found.remarks) == ("Z9517", ("the file's name says Z9523, its header Z9517",))


def test_bytes_after_the_end_are_ignored_and_told() -> None:
    data = one_cut()
    assert read_standard(data + b"\xff" * 100).remarks == ("100 bytes after the end of the volume ignored",)
    assert read_standard(data + data).remarks == (f"{len(data)} bytes after the end of the volume ignored",)


def test_unknown_moment_types_are_skipped_and_told() -> None:
    data = one_cut(1)
    found = read_standard(patch(data, CUTS_END + 64, "<i", 99))
    assert found.sweeps[0].moments == {}
    assert found.remarks == ("moment types skipped: 99",)


def test_recognise_and_describe() -> None:
    data = one_cut()
    assert FORMAT.recognise(data[:8192])
    assert not FORMAT.recognise(patch(data, 8, "<i", codes.PRODUCT))
    assert not FORMAT.recognise(b"RSTM")
    assert not FORMAT.recognise(b"")
    what = FORMAT.describe(read_standard(data))
    assert (what.kind, what.site, what.time, what.sweeps, what.moments) == (
        "volume", "Z9517", samples.START, 1, ("DBZH",),
    )  # fmt: skip
    assert FORMAT.name_pattern.search("Z_RADR_I_Z9517_20200612053920_O_DOR_SA_CAP_FMT.bin.bz2")


@pytest.mark.parametrize(
    "sweeps",
    [
        (),
        (samples.sweep({"DBZH": samples.moment(np.zeros((2, 2), "u1"), gate=33.3333)}),),
        (samples.sweep({"DBZH": samples.moment(np.zeros((2, 2), "u1"), begin=0.5)}),),
        (
            samples.sweep({
                "VRADH": samples.moment(np.zeros((2, 2), "u1"), "VRADH", 250.0),
                "WRADH": samples.moment(np.zeros((2, 2), "u1"), "WRADH", 125.0),
            }),
        ),
    ],
)  # fmt: skip
def test_the_writer_refuses_what_the_format_cannot_hold(sweeps: tuple[samples.Sweep, ...]) -> None:
    with pytest.raises(ValueError, match=r"format|sizes|begin"):
        write_standard(samples.volume(*sweeps))


def test_mutants_are_read_or_refused() -> None:
    data = write_standard(samples.split_cut_volume())
    rng = np.random.default_rng(20200612)
    refused = defaultdict(int)
    for _ in range(600):
        mutant = samples.mutate(data, rng, 416 + 3 * 256 + 400)
        try:
            found = cinrad.FORMAT.read(mutant, "")
        except ReadError as error:
            refused[error.reason] += 1
            continue
        held = sum(m.codes.nbytes for s in found.sweeps for m in s.moments.values())
        assert held <= 4 * len(mutant) + 3 * cinrad.PADDING_SLACK
        assert all(np.isfinite(s.azimuth).all() and not np.isnat(s.time).any() for s in found.sweeps)
    assert len(refused) >= 3
    assert sum(refused.values()) < 600


def oracle(data: bytes) -> dict[tuple[int, int], list[bytes]]:
    """Slow, independent walk over a sound file: (cut, moment type) to its rays' bytes."""
    rays = defaultdict(list)
    at = 416 + 256 * struct.unpack_from("<i", data, 336)[0]
    while at < len(data):
        (cut,), (count,) = struct.unpack_from("<i", data, at + 16), struct.unpack_from("<i", data, at + 40)
        at += 64
        for _ in range(count):
            kind, length = struct.unpack_from("<i12xi", data, at)
            rays[cut, kind].append(data[at + 32 : at + 32 + length])
            at += 32 + length
    return rays


@pytest.mark.parametrize(
    ("pattern", "site", "largest", "shapes"),
    [
        ("*Z9517*", "Z9517", 65.5, {"DBZH": (460, 1000.0), "VRADH": (920, 250.0)}),
        ("*Z9523*", "Z9523", 68.0, {"DBZH": (460, 1000.0), "VRADH": (920, 250.0)}),
        ("*ZG170*", "ZG170", 55.0, {"DBZH": (973, 75.0), "PHIDP": (973, 75.0), "VRADH": (973, 75.0)}),
    ],
)
def test_real_volumes(
    radar_data: Path, pattern: str, site: str, largest: float, shapes: dict[str, tuple[int, float]]
) -> None:
    (path,) = (radar_data / "cinrad_base").glob(pattern)
    data = bz2.decompress(path.read_bytes())
    assert FORMAT.recognise(data[:8192])
    found = read_standard(data, path.name)
    assert found.site.id == site
    assert [int(remark.split()[2]) for remark in found.remarks] == ([110, 15] if site == "ZG170" else [])  # blanked
    assert len(found.sweeps) == (2 if site == "ZG170" else 11)
    values = [s.moments["DBZH"].values() for s in found.sweeps if "DBZH" in s.moments]
    assert max(np.nanmax(v) for v in values) == largest
    for name, (gates, step) in shapes.items():
        first = next(s.moments[name] for s in found.sweeps if name in s.moments)
        assert (first.codes.shape[1], first.gate_m) == (gates, step)
    rays = oracle(data)
    for number, sweep in enumerate(found.sweeps, 1):
        for name, moment in sweep.moments.items():
            held = b"".join(rays[number, codes.TYPES[name]])
            raw = np.frombuffer(held, moment.codes.dtype).reshape(moment.codes.shape)
            changed = moment.codes != raw
            assert changed.any() == (site == "ZG170")  # blanked rays only
            assert (raw[changed] == 0).all()
            assert (moment.codes[changed] == codes.PAD).all()
    assert sum(len(s.moments) for s in found.sweeps) == len(rays)
    samples.assert_same(read_standard(write_standard(found)), found)
