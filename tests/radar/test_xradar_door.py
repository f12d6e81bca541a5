"""NEXRAD and ODIM volumes through xradar: what it gets wrong is put right, what is broken is refused."""

import bz2
import gzip
import io
import random
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np
import pytest

from wxcore.errors import LimitError, ReadError, Reason
from wxcore.radar import xradar_door
from wxcore.radar.volume import ECHO, FOLDED, MISSING, NO_ECHO, Volume
from wxcore.radar.xradar_door import FORMATS, NEXRAD, ODIM, describe, read_nexrad, read_odim

DAY_1991_06_05 = 7826
"""1970-01-01 is day 1."""


def msg1(azimuth: float, state: int, cut: int, *, reflectivity: bytes, velocity: bytes) -> bytes:
    """One 2432-byte record of an MSG1 ray: 12 bytes of control words, message header, data header, codes."""
    record = bytearray(2432)
    struct.pack_into(">HBBHHIHH", record, 12, 1208, 0, 1, 1, DAY_1991_06_05, 58_886_000, 1, 1)
    angle = 4096 * 8 / 180
    struct.pack_into(
        ">IHhHHHHH", record, 28, 58_886_000 + cut * 1000, DAY_1991_06_05, 466, round(azimuth * angle), 1, state,
        round((0.5 + cut) * angle), cut + 1,
    )  # fmt: skip
    first, spacing = (0, 65536 - 375), (1000, 250)
    struct.pack_into(">HHHHHH", record, 46, *first, *spacing, len(reflectivity), len(velocity))
    pointers = (100, 100 + len(reflectivity), 100 + len(reflectivity) + len(velocity))
    struct.pack_into(">HfHHHHH", record, 58, 1, 0.0, *pointers, 2, 21)
    struct.pack_into(">h", record, 28 + 60, 2610)
    codes = reflectivity + velocity + velocity
    record[128 : 128 + len(codes)] = codes
    return bytes(record)


REFLECTIVITY, VELOCITY = bytes([0, 1, 66, 106, 186]), bytes([0, 1, 129, 149, 109, 2, 3, 4])


RAYS = 90


def nexrad(*, icao: bytes = b"KTLX", blocks: bool = False) -> bytes:
    """A status message and two cuts of RAYS rays: an Archive II file of MSG1, plain or in bzip2 blocks."""
    head = b"ARCHIVE2.001" + struct.pack(">II", DAY_1991_06_05, 58_886_000) + icao
    status = bytearray(2432)
    struct.pack_into(">HBBHHIHH", status, 12, 48, 0, 2, 1, DAY_1991_06_05, 58_886_000, 1, 1)
    rays = [
        msg1(360 / RAYS * k, {0: 0 if cut else 3, RAYS - 1: 4 if cut else 2}.get(k, 1), cut,
             reflectivity=REFLECTIVITY, velocity=VELOCITY)
        for cut in range(2)
        for k in range(RAYS)
    ]  # fmt: skip
    if not blocks:
        return head + bytes(status) + b"".join(rays)
    packed = [bz2.compress(bytes(status) + b"".join(rays[:RAYS])), bz2.compress(b"".join(rays[RAYS:]))]
    return head + b"".join(struct.pack(">i", (-1) ** k * len(part)) + part for k, part in enumerate(packed))


def odim(
    *, source: str = "WMO:95753,RAD:AU40,PLC:Captains", kind: str = "PVOL", codes: object = None, nodata: float = 255,
    undetect: float = 0, quantity: str = "DBZH",
) -> bytes:  # fmt: skip
    """One sweep of 4 rays x 3 gates; value = 0.5 code - 32."""
    data = np.array([[0, 255, 64], [1, 144, 200], [0, 0, 0], [64, 64, 64]], "u1") if codes is None else codes
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["Conventions"] = np.bytes_("ODIM_H5/V2_2")
        what = {"object": kind, "source": source, "date": "20181220", "time": "060600", "version": "H5rad 2.2"}
        put(file.create_group("what"), what)
        put(file.create_group("where"), {"lat": -35.661, "lon": 149.512, "height": 1383.0})
        put(file.create_group("how"), {"wavelength": 10.0, "beamwH": 2.0})
        sweep = file.create_group("dataset1")
        span = {"startdate": "20181220", "starttime": "060600", "enddate": "20181220", "endtime": "060620"}
        put(sweep.create_group("what"), {"product": "SCAN", **span})
        where = {"elangle": 0.5, "nrays": 4, "nbins": 3, "rstart": 1.0, "rscale": 500.0, "a1gate": 0}
        put(sweep.create_group("where"), where)
        put(sweep.create_group("how"), {"NI": 39.0})
        moment = sweep.create_group("data1")
        scale = {"quantity": quantity, "gain": 0.5, "offset": -32.0, "nodata": nodata, "undetect": undetect}
        put(moment.create_group("what"), scale)
        moment.create_dataset("data", data=data)
    return buffer.getvalue()


def put(group: h5py.Group, attrs: Mapping[str, object]) -> None:
    for key, value in attrs.items():
        group.attrs[key] = np.bytes_(value) if isinstance(value, str) else value


class TestNexrad:
    def test_rays_and_angles(self) -> None:
        volume = read_nexrad(nexrad(), "KTLX19910605_162126")
        assert [len(sweep.azimuth) for sweep in volume.sweeps] == [RAYS, RAYS]
        np.testing.assert_allclose(volume.sweeps[0].azimuth, np.arange(RAYS) * 360 / RAYS, atol=0.01)
        assert [sweep.fixed_angle for sweep in volume.sweeps] == pytest.approx([0.5, 1.5], abs=0.01)
        assert volume.start == datetime(1991, 6, 5, 16, 21, 26, tzinfo=UTC)
        assert volume.sweeps[1].time[0] == np.datetime64("1991-06-05T16:21:27")
        assert volume.sweeps[0].nyquist == pytest.approx(26.1)
        assert volume.task == "VCP-21"

    def test_each_moment_has_its_own_gates(self) -> None:
        moments = read_nexrad(nexrad(), "").sweeps[0].moments
        assert (moments["DBZH"].first_gate_m, moments["DBZH"].gate_m) == (0, 1000)
        assert (moments["VRADH"].first_gate_m, moments["VRADH"].gate_m) == (-375, 250)
        assert (moments["DBZH"].codes.shape, moments["VRADH"].codes.shape) == ((RAYS, 5), (RAYS, 8))

    def test_values_and_classes(self) -> None:
        moments = read_nexrad(nexrad(), "").sweeps[0].moments
        np.testing.assert_array_equal(moments["DBZH"].values(no_echo=-10)[0], [-10, np.nan, 0, 20, 60])
        np.testing.assert_array_equal(moments["VRADH"].values()[0][:5], [np.nan, np.nan, 0, 10, -10])
        np.testing.assert_array_equal(moments["WRADH"].values()[0][3:4], [10])
        assert moments["DBZH"].classes[[0, 1, 2]].tolist() == [NO_ECHO, FOLDED, ECHO]

    def test_msg1_has_no_position(self) -> None:
        site = read_nexrad(nexrad(), "").site
        assert site.id == "KTLX"
        assert np.isnan([site.latitude, site.longitude, site.altitude_m]).all()

    @pytest.mark.parametrize("name", ["KTLX19910605_162126", "Level2_KTLX_19910605_1621.ar2v"])
    def test_site_from_the_name(self, name: str) -> None:
        assert read_nexrad(nexrad(icao=b"    "), name).site.id == "KTLX"

    def test_bzip2_blocks_read_alike(self) -> None:
        plain, packed = read_nexrad(nexrad(), ""), read_nexrad(nexrad(blocks=True), "")
        assert len(packed.sweeps) == 2
        for one, other in zip(plain.sweeps, packed.sweeps, strict=True):
            np.testing.assert_array_equal(one.moments["DBZH"].codes, other.moments["DBZH"].codes)

    def test_cut_short(self) -> None:
        volume = read_nexrad(nexrad()[: 24 + (1 + RAYS + 60) * 2432 + 700], "")
        assert [len(sweep.azimuth) for sweep in volume.sweeps] == [RAYS, 60]
        assert "cut 1 has no end" in volume.remarks[0]

    def test_no_rays(self) -> None:
        with pytest.raises(ReadError):
            read_nexrad(nexrad()[:24], "")

    def test_a_bomb_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(xradar_door, "MAX_BYTES", 2**20)
        bomb = bz2.compress(bytes(2**24))
        with pytest.raises(LimitError) as caught:
            read_nexrad(nexrad()[:24] + struct.pack(">i", len(bomb)) + bomb, "")
        assert caught.value.reason is Reason.TOO_LARGE

    def test_broken_block(self) -> None:
        data = bytearray(nexrad(blocks=True))
        data[60:64] = b"\0\0\0\0"
        with pytest.raises(ReadError) as caught:
            read_nexrad(bytes(data), "")
        assert caught.value.reason is Reason.BAD_COMPRESSION


class TestOdim:
    def test_header(self) -> None:
        volume = read_odim(odim(), "x.h5")
        site = volume.site
        assert (site.id, site.name, site.latitude, site.longitude) == ("AU40", "Captains", -35.661, 149.512)
        assert (site.altitude_m, site.beam_width_deg) == (1383, 2)
        assert site.frequency_mhz == pytest.approx(2997.92, abs=0.01)
        assert volume.start.date().isoformat() == "2018-12-20"
        assert volume.sweeps[0].nyquist == 39

    def test_values_and_classes(self) -> None:
        moment = read_odim(odim(), "x.h5").sweeps[0].moments["DBZH"]
        assert (moment.first_gate_m, moment.gate_m) == (1250, 500)
        np.testing.assert_array_equal(moment.values(no_echo=-10)[0], [-10, np.nan, 0])
        np.testing.assert_array_equal(moment.values()[1], [-31.5, 40, 68])
        assert moment.classes[[0, 255, 7]].tolist() == [NO_ECHO, MISSING, ECHO]

    def test_one_code_for_both_is_no_echo(self) -> None:
        moment = read_odim(odim(nodata=0, undetect=0), "x.h5").sweeps[0].moments["DBZH"]
        assert moment.classes[0] == NO_ECHO

    def test_floats_become_codes(self) -> None:
        codes = np.array([[0, 255, 64], [1, 144, 200], [0, 0, 0], [64, 64.25, 64]], "f4")
        moment = read_odim(odim(codes=codes), "x.h5").sweeps[0].moments["DBZH"]
        assert moment.codes.dtype == np.uint16
        np.testing.assert_allclose(moment.values(no_echo=-10)[0], [-10, np.nan, 0], atol=2e-3)
        np.testing.assert_allclose(moment.values()[3], [0, 0.125, 0], atol=2e-3)

    def test_two_files_are_two_files(self) -> None:
        other = np.full((4, 3), 100, "u1")
        first, second = read_odim(odim(), "x.h5"), read_odim(odim(codes=other), "x.h5")
        assert first.sweeps[0].moments["DBZH"].codes.max() == 255
        assert (second.sweeps[0].moments["DBZH"].codes == 100).all()

    @pytest.mark.parametrize(("source", "site"), [("NOD:sekir,PLC:Kiruna", "sekir"), ("WMO:02032", "02032"), ("", "x")])
    def test_source(self, source: str, site: str) -> None:
        assert read_odim(odim(source=source), "x.h5").site.id == site

    def test_other_objects_are_unsupported(self) -> None:
        with pytest.raises(ReadError) as caught:
            read_odim(odim(kind="COMP"), "x.h5")
        assert caught.value.reason is Reason.UNSUPPORTED

    def test_no_moment_that_we_know(self) -> None:
        with pytest.raises(ReadError) as caught:
            read_odim(odim(quantity="QIND"), "x.h5")
        assert caught.value.reason is Reason.NO_RADIALS

    def test_declared_size_is_checked_first(self) -> None:
        buffer = io.BytesIO(odim())
        with h5py.File(buffer, "a") as file:
            file.create_dataset("dataset2/data1/data", shape=(2**20, 2**12), dtype="u1", chunks=(64, 64))
        with pytest.raises(LimitError) as caught:
            read_odim(buffer.getvalue(), "x.h5")
        assert caught.value.reason is Reason.TOO_LARGE

    @pytest.mark.parametrize("trap", ["external", "soft", "loop", "virtual"])
    def test_what_leads_out_of_the_file(self, trap: str) -> None:
        buffer = io.BytesIO(odim())
        with h5py.File(buffer, "a") as file:
            if trap == "external":
                file["dataset2"] = h5py.ExternalLink("other.h5", "/dataset1")
            elif trap == "soft":
                file["dataset2"] = h5py.SoftLink("/dataset1")
            elif trap == "loop":
                file["dataset1"]["loop"] = file["dataset1"]
            else:
                layout = h5py.VirtualLayout(shape=(4, 3), dtype="u1")
                layout[:] = h5py.VirtualSource("other.h5", "data", shape=(4, 3))
                file.create_virtual_dataset("dataset2", layout)
        with pytest.raises(ReadError):
            read_odim(buffer.getvalue(), "x.h5")


@pytest.mark.parametrize("name", ["nexrad-level2", "odim-h5"])
def test_mutants_read_or_raise_read_error(name: str) -> None:
    found = next(candidate for candidate in FORMATS if candidate.name == name)
    seeds = [odim()] if found is ODIM else [nexrad(), nexrad(blocks=True)]
    rng = random.Random(20200612)
    read = refused = 0
    for _ in range(70):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.3:
            data = data[: rng.randrange(len(data))]
        try:
            volume = found.read(bytes(data), "KTLX19910605_162126")
        except ReadError:
            refused += 1
            continue
        read += 1
        assert describe(volume).sweeps >= 1
    assert read
    assert refused


def everything(radar_data: Path) -> dict[str, Volume]:
    paths = [*(radar_data / "nexrad_l2").iterdir(), *(radar_data / "odim").iterdir()]
    volumes = {}
    for path in paths:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        (found,) = [candidate for candidate in FORMATS if candidate.recognise(data[:8192])]
        volumes[path.name] = found.read(data, path.name)
    return volumes


def test_real_files(radar_data: Path) -> None:
    volumes = everything(radar_data)
    # sweeps, maximum dBZ of all sweeps, site, latitude
    expected = {
        "KDMX20220305_232324.bin": (3, "KDMX", 41.7312),
        "KLBB20160601_150025_V06": (11, "KLBB", 33.6541),
        "KTLX19910605_162126.gz": (11, "KTLX", np.nan),
        "KTLX20140101_000624_V06.gz": (7, "KTLX", 35.3331),
        "Level2_KFTG_20150430_1419.ar2v": (12, "KFTG", 39.7866),
        "40_20181220_060630.pvol.h5": (14, "AU40", -35.661),
        "IDR66_20141206_094829.vol.h5": (14, "AU66", -27.7181),
    }
    assert set(volumes) == set(expected)
    for name, (sweeps, site, latitude) in expected.items():
        volume = volumes[name]
        assert (len(volume.sweeps), volume.site.id) == (sweeps, site), name
        np.testing.assert_allclose(volume.site.latitude, latitude, atol=1e-4)
        tops = [
            float(np.nanmax(sweep.moments["DBZH"].values(no_echo=-10)))
            for sweep in volume.sweeps
            if "DBZH" in sweep.moments
        ]
        assert 40 <= max(tops) <= 80, name
        assert name == "IDR66_20141206_094829.vol.h5" or "VRADH" in describe(volume).moments
        assert all((np.diff(sweep.time) >= np.timedelta64(0, "ns")).all() for sweep in volume.sweeps), name
    assert NEXRAD.in_child
    assert ODIM.in_child
