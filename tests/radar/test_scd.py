"""CINRAD/SC and CD base data: bytes made by hand from FORMATS.md A.4, round trips, damage. No real file is known."""

import struct
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar import old_volumes, samples
from wxcore.errors import ReadError, Reason
from wxcore.radar import codes
from wxcore.radar.scd import FORMAT, read_scd
from wxcore.radar.scd_write import ANGLE, write_scd
from wxcore.radar.volume import MISSING, NO_ECHO

UP = round(1.5 / ANGLE)
"""The elevation of the files made by hand."""


def by_hand(count: int = 4, first: int = 65_400) -> bytes:
    """Rays of one degree across north, the first with values in gates 0 and 1."""
    step = round(1 / ANGLE)
    angles = [((first + k * step) % 65536, UP, (first + (k + 1) * step) % 65536, UP + 40) for k in range(count)]
    gates = np.zeros((count, 998, 4), "u1")
    gates[0, 0] = (154, 192, 160, 64)  # 45 dBZ, half of Nyquist away, 48 dBZ uncorrected, a quarter of Nyquist wide
    gates[0, 1] = (0, 64, 1, 0)
    return old_volumes.scd_by_hand(angles, gates)


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def reason_of(data: bytes) -> Reason:
    with pytest.raises(ReadError) as caught:
        read_scd(data, "")
    assert caught.value.zh != caught.value.en
    return caught.value.reason


class TestByHand:
    def test_values_and_place(self) -> None:
        found = read_scd(by_hand(), "")
        (sweep,) = found.sweeps
        m = sweep.moments
        np.testing.assert_array_equal(m["DBZH"].values(no_echo=-99)[0, :3], [45, -99, -99])
        np.testing.assert_allclose(m["VRADH"].values()[0, :3], [13.25 / 2, -13.25 / 2, np.nan])
        np.testing.assert_array_equal(m["DBTH"].values()[0, :3], [48, -31.5, np.nan])
        np.testing.assert_allclose(m["WRADH"].values()[0, :3], [13.25 / 4, np.nan, np.nan])
        assert (m["DBZH"].codes.shape, m["DBZH"].gate_m, m["DBZH"].first_gate_m) == ((4, 998), 300, 150)
        assert (sweep.fixed_angle, sweep.nyquist) == (1.5, 13.25)
        assert found.start == datetime(2020, 6, 12, 5, 39, 20, tzinfo=UTC)  # 13:39:20 in China
        assert sweep.time[1] - sweep.time[0] == np.timedelta64(85, "s")  # 340 s to the end, over four rays
        assert (found.site.latitude, found.site.longitude, found.site.altitude_m) == (29.5, 106.5, 585)
        assert found.remarks == (codes.UNMET,)

    def test_angles_are_the_middle_of_a_ray_also_across_north(self) -> None:
        sweep = read_scd(by_hand()).sweeps[0]
        expected = (65_400 + 91 + 182 * np.arange(4)) % 65536 * ANGLE
        np.testing.assert_allclose(sweep.azimuth, expected, atol=1e-4)
        assert sweep.azimuth[0] > 359
        assert sweep.azimuth[1] < 2
        np.testing.assert_allclose(sweep.elevation, (UP + 20) * ANGLE, atol=1e-4)

    def test_rays_without_angles_are_dropped(self) -> None:
        data = patched(by_hand(), 1024 + 2 * 4000, bytes(4000))  # a ray that was never written
        data = patched(data, 1024 + 3 * 4000 + 4, struct.pack("<H", 30_000))  # a ray as wide as a third of the circle
        found = read_scd(data)
        assert found.sweeps[0].azimuth.size == 2
        assert "2 of 4 rays dropped" in found.remarks[-1]
        data = patched(data, 1024, bytes(4000))
        assert reason_of(data) is Reason.BAD_VALUE  # most of them: the coding is not what we take it for

    def test_without_a_nyquist_velocity_there_are_no_velocities(self) -> None:
        found = read_scd(patched(by_hand(), 217 + 9, b"\0\0"))
        assert list(found.sweeps[0].moments) == ["DBZH", "DBTH"]
        assert np.isnan(found.sweeps[0].nyquist)
        assert "velocity and width left out" in found.remarks[-1]

    def test_a_cut_without_one_value_is_not_observed(self) -> None:
        seen = read_scd(by_hand()).sweeps[0].moments["DBZH"]
        assert (seen.classes[seen.codes[1:]] == NO_ECHO).all()
        found = read_scd(patched(by_hand(), 1024 + 8, bytes(8)))
        z = found.sweeps[0].moments["DBZH"]
        assert (z.classes[z.codes] == MISSING).all()
        assert "not one value" in found.remarks[-1]

    def test_360_rays_where_the_header_tells_another_number(self) -> None:
        found = read_scd(patched(by_hand(360), 217 + 17, b"\0\0"))
        assert found.sweeps[0].azimuth.size == 360
        assert reason_of(patched(by_hand(359), 217 + 17, struct.pack("<H", 300))) is Reason.BAD_HEADER


@pytest.mark.parametrize(
    ("at", "new", "reason"),
    [
        (107, b"XX", Reason.BAD_HEADER),
        (201, b"\x0a", Reason.UNSUPPORTED),
        (204, b"\0", Reason.BAD_VALUE),
        (202, b"\0\0", Reason.BAD_VALUE),
        (217 + 13, b"\0\0", Reason.BAD_VALUE),
        (217 + 15, struct.pack("<H", 999), Reason.BAD_VALUE),
        (217 + 19, struct.pack("<h", 9100), Reason.BAD_VALUE),
        (217 + 19, struct.pack("<h", 1450), Reason.BAD_VALUE),  # rays at 1.5 degrees contradict it
    ],
)
def test_header_fields(at: int, new: bytes, reason: Reason) -> None:
    assert reason_of(patched(by_hand(), at, new)) is reason


def test_cc2_is_refused_by_name() -> None:
    with pytest.raises(ReadError, match="CC2") as caught:
        read_scd(by_hand()[:1024].ljust(1498 + 49_163, b"\0"))
    assert caught.value.reason is Reason.UNSUPPORTED


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 60)), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1), gate_m=st.sampled_from([62.5, 150.0, 300.0]), nyquist=st.sampled_from([8.57, 27.0]),
)  # fmt: skip
def test_what_is_written_is_read_back(shapes: list[tuple[int, int]], seed: int, gate_m: float, nyquist: float) -> None:
    volume = old_volumes.scd_volume(shapes, seed, gate_m, nyquist)
    data = write_scd(volume)
    assert FORMAT.recognise(data[:8192])
    found = read_scd(data)
    samples.assert_same(found, volume)
    assert found.site == volume.site
    assert write_scd(found) == data


@pytest.mark.parametrize("rays", [300, 360, 720])
def test_any_number_of_rays(rays: int) -> None:
    volume = old_volumes.scd_volume([(rays, 4)])
    samples.assert_same(read_scd(write_scd(volume)), volume)


def test_duplicate_azimuths_are_kept() -> None:
    volume = old_volumes.scd_volume([(6, 4)])
    (sweep,) = volume.sweeps
    volume = replace(volume, sweeps=(replace(sweep, azimuth=np.full(6, sweep.azimuth[0])),))
    samples.assert_same(read_scd(write_scd(volume)), volume)


def test_cut_off_file() -> None:
    data = write_scd(old_volumes.scd_volume([(6, 10), (5, 10), (4, 10)]))
    end = 1024 + 8 * 4000 + 17
    found = read_scd(data[:end])
    assert [s.azimuth.size for s in found.sweeps] == [6, 2]
    assert (found.truncated_at, found.remarks[-1]) == (end, f"truncated at byte {end}: 2 of 3 cuts")
    assert reason_of(data[:1024]) is Reason.NO_RADIALS
    assert reason_of(data[:1000]) is Reason.TRUNCATED
    told = read_scd(data + b"tail")
    assert (told.remarks[-1], told.truncated_at) == ("4 bytes after the end of the volume ignored", None)


def test_the_writer_refuses_what_the_format_cannot_hold() -> None:
    volume = old_volumes.scd_volume([(3, 4)])
    (sweep,) = volume.sweeps
    v = sweep.moments["VRADH"]
    wrong = [
        replace(v, scale=2.0), replace(v, codes=v.codes.astype("u2")), replace(v, gate_m=62.53, first_gate_m=31.265),
        replace(v, first_gate_m=0.0), replace(v, codes=np.zeros((3, 999), "u1")),
    ]  # fmt: skip
    for moment in wrong:
        with pytest.raises(ValueError, match="format"):
            write_scd(replace(volume, sweeps=(replace(sweep, moments={"VRADH": moment}),)))
    with pytest.raises(ValueError, match="Nyquist"):
        write_scd(replace(volume, sweeps=(replace(sweep, nyquist=float("nan")),)))
    for sweeps in ((), (sweep,) * 31):
        with pytest.raises(ValueError, match="1 to 30"):
            write_scd(replace(volume, sweeps=sweeps))


def test_mutants_are_read_or_refused() -> None:
    data = write_scd(old_volumes.scd_volume([(6, 40), (5, 30)]))
    rng = np.random.default_rng(1024)
    seen: Counter[str] = Counter()
    for _ in range(300):
        mutant = samples.mutate(data, rng, 300)
        try:
            found = read_scd(mutant, old_volumes.NAME)
        except ReadError as error:
            seen[error.reason] += 1
            continue
        seen["read"] += 1
        assert FORMAT.describe(found).kind == "volume"
        assert sum(m.codes.nbytes for s in found.sweeps for m in s.moments.values()) <= 2 * len(mutant)
        assert all(abs(s.elevation - s.fixed_angle).max() <= 2 for s in found.sweeps)
    assert seen["read"] > 60
    assert len(seen) > 3
