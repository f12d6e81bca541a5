"""Real radars: X band in heavy rain (ZG170), S band with storms (KDMX, KLBB). Heights of 0 C are plausible ones:
KDMX 2022-03-05 is no winter storm but the evening of the Winterset tornado, some 3 km."""

import bz2

import numpy as np
import pytest

from wxcore.radar.cinrad import read_standard
from wxcore.radar.polarimetry.attenuation import hide
from wxcore.radar.polarimetry.band import BANDS
from wxcore.radar.polarimetry.derive import polarimetric
from wxcore.radar.polarimetry.gates import reflectivity
from wxcore.radar.polarimetry.planes_of import polarimetric_planes
from wxcore.radar.qc import quality_control
from wxcore.radar.qc_kernels import NOTHING
from wxcore.radar.xradar_door import read_nexrad
from wxcore.schema import NO_ECHO_DBZ

XBAND = "cinrad_base/Z_RADR_I_ZG170_20260329064800_O_DOR_YTD2_CAP_FMT.cuts1-2.bin.bz2"


@pytest.fixture(scope="module")
def xband(radar_data):
    data = bz2.decompress((radar_data / XBAND).read_bytes())
    vol = quality_control(read_standard(data, "Z_RADR_I_ZG170_20260329064800_O_DOR_YTD2_CAP_FMT.bin"))
    return polarimetric(vol, h0_m=4300.0, hm20_m=7400.0)


@pytest.fixture(scope="module")
def nexrad(radar_data):
    def volume(name, h0_m, hm20_m):
        vol = quality_control(read_nexrad((radar_data / "nexrad_l2" / name).read_bytes(), name))
        return polarimetric(vol, h0_m=h0_m, hm20_m=hm20_m)

    return {
        "KDMX": volume("KDMX20220305_232324.bin", 3000.0, 6000.0),
        "KLBB": volume("KLBB20160601_150025_V06", 4100.0, 7300.0),
    }


def test_xband_kdp_is_that_of_the_file_and_follows_its_phase_better(xband):
    for sweep in xband.sweeps:
        moments, ours = sweep.moments, sweep.derived["KDP"]
        z, theirs, phi = (moments[name].values() for name in ("DBZH", "KDP", "PHIDP"))
        both = (z > 35) & np.isfinite(theirs) & np.isfinite(ours)
        assert both.sum() > 10_000
        assert np.corrcoef(ours[both], theirs[both])[0, 1] > 0.85
        assert abs(np.median(ours[both] - theirs[both])) < 0.8
        rise = {"ours": 0.0, "theirs": 0.0, "measured": 0.0}
        for i in range(z.shape[0]):
            known = np.flatnonzero((z[i] > 20) & np.isfinite(theirs[i]) & np.isfinite(ours[i]) & np.isfinite(phi[i]))
            if known.size < 60 or np.isnan(ours[i, known[0] : known[-1]]).any():
                continue
            part = slice(known[0] + 4, known[-1] - 4)
            rise["ours"] += 2 * 0.075 * np.nansum(ours[i, part])
            rise["theirs"] += 2 * 0.075 * np.nansum(theirs[i, part])
            rise["measured"] += np.median(phi[i, known[-9:]]) - np.median(phi[i, known[:9]])
        assert rise["measured"] > 3000
        assert rise["ours"] / rise["measured"] == pytest.approx(1.0, abs=0.06)
        assert rise["theirs"] / rise["measured"] < 0.9


def test_xband_attenuation_lifts_and_hides(xband):
    sweep = xband.sweeps[1]
    measured, corrected = sweep.moments["DBZH"].values(no_echo=NO_ECHO_DBZ), sweep.derived["DBZH"]
    both = np.isfinite(measured) & np.isfinite(corrected)
    lift = (corrected - measured)[both]
    assert lift.min() == 0
    assert 15 < lift.max() <= 20
    assert not np.isfinite(corrected[np.isnan(measured)]).any()
    # south-east of the radar the beam is spent after 15 km; north-west it is not
    far = np.s_[:, 400:700]
    bearing = (sweep.azimuth[:, np.newaxis] + np.zeros(973))[far]
    unknown = np.isnan(corrected[far]) & np.isfinite(measured[far])
    assert unknown[(bearing > 90) & (bearing < 180)].mean() > 0.95
    assert unknown[(bearing > 300) & (bearing < 350)].mean() < 0.1


def test_xband_silence_behind_rain_is_doubted_without_a_phase_too(xband):
    for sweep in xband.sweeps:
        z = reflectivity(sweep)
        silent = z == NOTHING
        by_phase = silent & np.isnan(sweep.derived["DBZH"])
        hidden = hide(z, sweep.qc, sweep.moments["DBZH"].gate_m, BANDS["X"]).hidden & silent
        assert by_phase.sum() > 100_000
        assert hidden[by_phase].mean() > 0.8
        # where the phase does not hide, it still says that 3 dB are lost, near enough
        before = np.fmax.accumulate(np.nan_to_num(0.28 * sweep.derived["PHIDP"]), axis=1)
        assert np.percentile(before[hidden & ~by_phase], 5) > 2.0


def test_xband_zdr_no_longer_falls_with_the_phase(xband):
    sweep = xband.sweeps[1]
    phase, z = sweep.derived["PHIDP"], sweep.derived["DBZH"]
    medians = {}
    for name, zdr in (("measured", sweep.moments["ZDR"].values()), ("ours", sweep.derived["ZDR"])):
        medians[name] = [np.nanmedian(zdr[(z > 20) & (z < 30) & (phase >= a) & (phase < a + 20)]) for a in (0, 40)]
    assert medians["measured"][0] - medians["measured"][1] > 1.0
    assert abs(medians["ours"][0] - medians["ours"][1]) < 0.3


def test_xband_classes_are_rain_below_the_melting_layer(xband):
    low = xband.sweeps[0].derived["HCLASS"]
    counts = np.bincount(low[np.isfinite(low)].astype(int), minlength=14)
    assert counts[4:7].sum() > 0.9 * counts[2:].sum()
    assert counts[9:].sum() == 0
    assert "hail_size_class" not in polarimetric_planes(xband, h0_m=4300.0, hm20_m=7400.0)
    assert any("ZDR offset -0.2" in remark for remark in xband.remarks)


@pytest.mark.parametrize(("site", "h0_m"), [("KDMX", 3000.0), ("KLBB", 4100.0)])
def test_sband_has_rain_below_and_ice_above(nexrad, site, h0_m):
    vol = nexrad[site]
    low = vol.sweeps[0]
    slant = low.moments["DBZH"].first_gate_m + 250.0 * np.arange(low.moments["DBZH"].codes.shape[1])
    height = vol.site.altitude_m + slant * np.sin(np.deg2rad(0.5)) + slant**2 / 17e6
    hclass = low.derived["HCLASS"]
    below = hclass[:, height < h0_m - 1800]
    weather = below[below >= 4]
    assert weather.size > 10_000
    assert np.isin(weather, [4, 5, 6, 7, 8]).mean() > 0.995
    above = hclass[:, height > h0_m + 1800]
    assert np.isin(above[above >= 4], [9, 10, 11, 13]).mean() > 0.995


def test_sband_storms_with_hail_and_without(nexrad):
    def hail(site, h0_m, hm20_m):
        return polarimetric_planes(nexrad[site], h0_m=h0_m, hm20_m=hm20_m)["hail_size_class"]

    dmx, lbb = hail("KDMX", 3000.0, 6000.0), hail("KLBB", 4100.0, 7300.0)
    assert (dmx >= 2).sum() > 10 * (lbb >= 2).sum()
    assert (dmx >= 3).any()
    assert nexrad["KDMX"].sweeps[1].derived == {}  # Doppler cut without dual polarisation
    assert "DBZH" not in nexrad["KDMX"].sweeps[0].derived
