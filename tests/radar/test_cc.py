"""CINRAD/CC base data: bytes made by hand from FORMATS.md A.3, round trips, damage. No real file is known."""

import struct
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.radar import old_volumes, samples
from wxcore.errors import ReadError, Reason
from wxcore.pipeline.checks import accept
from wxcore.pipeline.read import Reading
from wxcore.radar import cc, codes
from wxcore.radar.cc import FORMAT, read_cc
from wxcore.radar.cc_write import write_cc
from wxcore.radar.volume import ECHO, MISSING, NO_ECHO
from wxcore.region import Region

NOTHING = -32768


def ray(z: dict[int, int], v: int = NOTHING) -> np.ndarray:
    """One ray: nothing but reflectivities by gate, and a velocity at gate 2."""
    raw = np.full((3, 500), NOTHING)
    for gate, value in z.items():
        raw[0, gate] = value
    raw[1, 2] = v
    return raw


def reason_of(data: bytes) -> Reason:
    with pytest.raises(ReadError) as caught:
        read_cc(data, "")
    assert caught.value.zh != caught.value.en
    return caught.value.reason


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


class TestByHand:
    def test_values_times_and_place(self) -> None:
        found = read_cc(old_volumes.cc_by_hand([ray({0: 455, 1: -105, 3: 2000}, v=-123), ray({}), ray({4: 0})]), "")
        (sweep,) = found.sweeps
        z, v = sweep.moments["DBZH"], sweep.moments["VRADH"]
        np.testing.assert_allclose(z.values(no_echo=-99)[0, :5], [45.5, -10.5, -99, np.nan, -99])  # 200 dBZ is none
        assert z.values()[2, 4] == 0
        np.testing.assert_allclose(v.values()[0, :3], [np.nan, np.nan, -12.3])
        assert z.classes[z.codes[0, :5]].tolist() == [ECHO, ECHO, NO_ECHO, MISSING, NO_ECHO]
        assert (z.codes.shape, z.first_gate_m, z.gate_m) == ((3, 500), 150, 300)
        assert (sweep.fixed_angle, sweep.nyquist) == (1.5, 8.57)
        assert sweep.azimuth.tolist() == [0, 120, 240]
        assert found.start == datetime(2020, 6, 12, 5, 39, 20, tzinfo=UTC)  # 13:39:20 in China
        assert sweep.time[1] - sweep.time[0] == np.timedelta64(340_000 // 3, "ms") + np.timedelta64(333_333, "ns")
        assert (found.site.latitude, found.site.longitude, found.site.altitude_m) == (29.5, 106.5, 585)
        assert (found.site.id, found.site.name) == ("Z9230", "Station")
        assert found.remarks[0] == codes.UNMET

    @pytest.mark.parametrize("unit", [100, 1000, 3600, 3_600_000])
    def test_the_unit_of_the_position_is_told_by_its_size(self, unit: int) -> None:
        data = old_volumes.cc_by_hand([ray({0: 1})])
        data = patched(data, 168, struct.pack("<iii", round(106.5 * unit), round(29.5 * unit), 585))
        site = read_cc(data).site
        assert (site.longitude, site.latitude, site.altitude_m) == (106.5, 29.5, 585)

    def test_an_implausible_position_is_for_the_pipeline_to_fill(self) -> None:
        data = patched(old_volumes.cc_by_hand([ray({0: 1})]), 168, struct.pack("<iii", 7, -7, 100))
        found = read_cc(data, old_volumes.NAME.replace("Z9230", "Z9999"))
        assert np.isnan([found.site.latitude, found.site.longitude, found.site.altitude_m]).all()
        assert "no plausible position" in found.remarks[-1]
        assert found.site.id == "Z9999"

    def test_a_cut_without_one_value_is_not_observed(self) -> None:
        found = read_cc(old_volumes.cc_by_hand([ray({}), ray({})]))
        z = found.sweeps[0].moments["DBZH"]
        assert (z.classes[z.codes] == MISSING).all()
        assert "not one value" in found.remarks[-1]

    def test_512_rays_where_the_header_tells_another_number(self) -> None:
        found = read_cc(old_volumes.cc_by_hand([ray({0: 1})] * 512, told=360))
        assert found.sweeps[0].azimuth.size == 512
        assert found.sweeps[0].azimuth[1] == np.float32(360 / 512)
        assert reason_of(old_volumes.cc_by_hand([ray({0: 1})] * 400, told=360)) is Reason.BAD_HEADER

    @pytest.mark.parametrize(("raw", "metres"), [(300, 300), (3000, 300), (250, 250), (0, 300), (65535, 300)])
    def test_gate_sizes(self, raw: int, metres: float) -> None:
        found = read_cc(old_volumes.cc_by_hand([ray({0: 1})], gate=raw))
        assert found.sweeps[0].moments["DBZH"].gate_m == metres
        assert any("not believed" in remark for remark in found.remarks) == (raw in {0, 65535})

    def test_two_byte_year(self) -> None:
        data = patched(old_volumes.cc_by_hand([ray({0: 1})]), 184, struct.pack("<H", 2016))
        assert read_cc(data).start.year == 2016

    def test_an_end_that_is_no_end(self) -> None:
        data = patched(old_volumes.cc_by_hand([ray({0: 1})] * 2), 192, bytes([20, 20, 6, 13]))
        time = read_cc(data).sweeps[0].time
        assert time[0] == time[1]


@pytest.mark.parametrize(
    ("at", "new", "reason"),
    [
        (116, b"CINRAD/XX", Reason.BAD_HEADER),
        (199, b"\1", Reason.UNSUPPORTED),
        (199, b"\x83", Reason.UNSUPPORTED),
        (186, b"\x0d", Reason.BAD_VALUE),
        (188, b"\x18", Reason.BAD_VALUE),
        (184, b"\0\0", Reason.BAD_VALUE),
        (236, struct.pack("<h", 9100), Reason.BAD_VALUE),
        (236, struct.pack("<h", -900), Reason.BAD_VALUE),
    ],
)
def test_header_fields(at: int, new: bytes, reason: Reason) -> None:
    assert reason_of(patched(old_volumes.cc_by_hand([ray({0: 1})]), at, new)) is reason


def test_cc2_is_refused_by_name() -> None:
    data = old_volumes.cc_by_hand([ray({0: 1})])[:1024].ljust(1498 + 49_163, b"\0")
    with pytest.raises(ReadError, match="CC2") as caught:
        read_cc(data)
    assert caught.value.reason is Reason.UNSUPPORTED
    with pytest.raises(ReadError, match="CC2"):
        read_cc(patched(old_volumes.cc_by_hand([ray({0: 1})]), 125, b"2"))


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 60)), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1), gate_m=st.sampled_from([75.0, 150.0, 300.0]),
)  # fmt: skip
def test_what_is_written_is_read_back(shapes: list[tuple[int, int]], seed: int, gate_m: float) -> None:
    volume = old_volumes.cc_volume(shapes, seed, gate_m)
    data = write_cc(volume)
    assert FORMAT.recognise(data[:8192])
    found = read_cc(data)
    samples.assert_same(found, volume)
    assert found.site == volume.site
    assert write_cc(found) == data


@pytest.mark.parametrize("rays", [300, 512, 720])
def test_any_number_of_rays(rays: int) -> None:
    volume = old_volumes.cc_volume([(rays, 4)])
    samples.assert_same(read_cc(write_cc(volume)), volume)


def test_cut_off_file() -> None:
    volume = old_volumes.cc_volume([(6, 10), (5, 10), (4, 10)])
    data = write_cc(volume)
    end = 1024 + 8 * 3000 + 17
    found = read_cc(data[:end])
    assert [s.azimuth.size for s in found.sweeps] == [6, 2]
    np.testing.assert_array_equal(found.sweeps[1].azimuth, volume.sweeps[1].azimuth[:2])  # steps of the whole cut
    assert found.truncated_at == end
    assert found.remarks[-1] == f"truncated at byte {end}: 2 of 3 cuts"
    assert reason_of(data[:1024]) is Reason.NO_RADIALS
    assert reason_of(data[:1000]) is Reason.TRUNCATED
    assert reason_of(b"") is Reason.TRUNCATED
    told = read_cc(data + b"tail")
    assert (told.remarks[-1], told.truncated_at) == ("4 bytes after the end of the volume ignored", None)


def test_the_writer_refuses_what_the_format_cannot_hold() -> None:
    volume = old_volumes.cc_volume([(3, 4)])
    (sweep,) = volume.sweeps
    z = sweep.moments["DBZH"]
    wrong = [
        replace(z, scale=2.0), replace(z, codes=z.codes.astype("u1")), replace(z, gate_m=62.5, first_gate_m=31.25),
        replace(z, first_gate_m=0.0), replace(z, codes=np.zeros((3, 501), "u2")),
    ]  # fmt: skip
    for moment in wrong:
        with pytest.raises(ValueError, match="format"):
            write_cc(replace(volume, sweeps=(replace(sweep, moments={"DBZH": moment}),)))
    for sweeps in ((), (sweep,) * 31):
        with pytest.raises(ValueError, match="1 to 30"):
            write_cc(replace(volume, sweeps=sweeps))


def test_sub_second_starts_are_cut() -> None:
    volume = old_volumes.cc_volume([(2, 2)])
    late = replace(volume, start=volume.start + timedelta(milliseconds=900))
    assert read_cc(write_cc(late)).start == volume.start


def test_a_name_of_another_hour_is_refused(chongqing: Region) -> None:
    """Were the header's clock not China's, a usual name would tell."""
    volume = read_cc(write_cc(old_volumes.cc_volume([(6, 10)])))
    reading = Reading(FORMAT, volume, FORMAT.describe(volume))
    now = volume.start + timedelta(minutes=9)
    with pytest.raises(ReadError) as caught:
        accept(reading, old_volumes.NAME.replace("053920", "133920"), chongqing, now + timedelta(hours=9))
    assert caught.value.reason is Reason.NAME_MISMATCH


def test_mutants_are_read_or_refused() -> None:
    data = write_cc(old_volumes.cc_volume([(6, 40), (5, 30)]))
    rng = np.random.default_rng(3830)
    seen: Counter[str] = Counter()
    for _ in range(300):
        mutant = samples.mutate(data, rng, 300)
        try:
            found = read_cc(mutant, old_volumes.NAME)
        except ReadError as error:
            seen[error.reason] += 1
            continue
        seen["read"] += 1
        assert FORMAT.describe(found).kind == "volume"
        assert sum(m.codes.nbytes for s in found.sweeps for m in s.moments.values()) <= 2 * len(mutant)
        for name in ("DBZH", "VRADH"):
            values = np.concatenate([s.moments[name].values().ravel() for s in found.sweeps])
            low, high = cc.LIMITS[name]
            assert not ((values < low) | (values > high)).any()
    assert seen["read"] > 60
    assert len(seen) > 3
