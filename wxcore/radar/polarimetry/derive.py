"""The door of dual polarisation: a controlled volume in, the same with `Sweep.derived` out.

In this order: phase and KDP; attenuation (C, X); the offset of ZDR, from the corrected values of the whole volume;
S-equivalent reflectivity (C); classes; hail sizes (S). What is broken is left out and a remark says so.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wxcore.radar.polarimetry import attenuation, classes, hail_size, zdr_offset
from wxcore.radar.polarimetry.band import Band, band_of
from wxcore.radar.polarimetry.gates import Heights, elevation_of, gate_ranges, heights, on_gates, reflectivity
from wxcore.radar.polarimetry.phase import Phase, circular_percentile, differential_phase, system_phase
from wxcore.radar.polarimetry.zdr_offset import ZdrOffset
from wxcore.radar.qc_kernels import NOTHING
from wxcore.radar.volume import Site, Sweep, Volume
from wxcore.schema import NO_ECHO_DBZ

Floats = npt.NDArray[np.float32]

LEAST_SNR_DB = 3.0
"""As DOMAIN.md 1.3, step 3."""
VERTICAL_DEG = 85.0
SNOW_ABOVE_M = (1000.0, 3000.0)
"""Dry snow is looked for so far above 0 C."""
BROKEN_SAMPLE = 20
"""Of a moment, every so many rays are asked whether it works."""
MINUS_25_OVER_MINUS_20 = 1.25
"""H(-25 C) - H0 over H(-20 C) - H0 with one lapse rate between."""


@dataclass(frozen=True)
class _Known:
    """What a dual-polarisation sweep holds on its gates of DBZH; qc zeros where there was none."""

    z: Floats
    zdr: Floats | None
    rho: Floats
    phi: Floats | None
    qc: npt.NDArray[np.uint8]
    heights: Heights
    range_m: npt.NDArray[np.float64]
    gate_m: float
    elevation: float


@dataclass(frozen=True)
class _Found:
    """Next to it, what became of the sweep."""

    known: _Known
    phase: Phase | None
    z: Floats
    zdr: Floats | None
    hidden: int
    pia_most: float


def polarimetric(volume: Volume, *, h0_m: float, hm20_m: float, band: str | None = None) -> Volume:
    """The volume with `derived` in its sweeps: DBZH, ZDR, PHIDP, KDP, HCLASS, HSDA as far as they can be known.

    DBZH only where it differs from what was measured: corrected for attenuation (C, X) and S-equivalent (C, also of a
    single-polarisation radar). HCLASS: flags of schema.POLARIMETRY's hydrometeor_class_low. HSDA (S band): 1, 2, 3 as
    in `hail_size`, 0 without hail. A volume of which nothing can be derived is returned as it is.

    Args:
        volume: after quality control; without it, all echo counts as good.
        h0_m, hm20_m: heights ASL of 0 C (best the wet bulb's) and -20 C; without h0_m there are no classes.
        band: "S", "C" or "X" of the station table, for files without a frequency.
    """
    which = band_of(volume, band)
    remarks: list[str] = []
    known = [_known(sweep, volume.site, remarks) for sweep in volume.sweeps]
    if not any(known):
        return _single(volume, which, remarks)
    offset = _phase_offsets(known, remarks)
    found = [_find(k, o, which) if k else None for k, o in zip(known, offset, strict=True)]
    bias = _zdr_bias([f for f in found if f], h0_m, remarks)
    sweeps = []
    for sweep, f in zip(volume.sweeps, found, strict=True):
        derived = _single_pol(sweep, which) if f is None else _derived(f, bias, which, (h0_m, hm20_m))
        sweeps.append(replace(sweep, derived={**sweep.derived, **derived}) if derived else sweep)
    remarks += _summary([f for f in found if f], which, h0_m)
    return replace(volume, sweeps=tuple(sweeps), remarks=volume.remarks + tuple(dict.fromkeys(remarks)))


def _single(volume: Volume, band: Band | None, remarks: list[str]) -> Volume:
    """A volume without usable dual polarisation."""
    if band is not None and band.name == "C":
        remarks.append("C band: reflectivity as S-equivalent above 34.8 dBZ, attenuation unknown (no PhiDP)")
    elif band is not None and band.name == "X":
        remarks.append("X band: attenuation unknown (no PhiDP), no conversion to S band is known")
    if not remarks:
        return volume
    sweeps = []
    for sweep in volume.sweeps:
        derived = _single_pol(sweep, band)
        sweeps.append(replace(sweep, derived={**sweep.derived, **derived}) if derived else sweep)
    return replace(volume, sweeps=tuple(sweeps), remarks=volume.remarks + tuple(dict.fromkeys(remarks)))


def _single_pol(sweep: Sweep, band: Band | None) -> dict[str, Floats]:
    moment = sweep.moments.get("DBZH")
    if band is None or band.name != "C" or moment is None or not moment.codes.size:
        return {}
    return {"DBZH": attenuation.s_equivalent(moment.table(no_echo=NO_ECHO_DBZ))[moment.codes]}


def _known(sweep: Sweep, site: Site, remarks: list[str]) -> _Known | None:
    """None without rhoHV and one of ZDR and PhiDP that work."""
    rho = on_gates(sweep, "RHOHV") if "DBZH" in sweep.moments else None
    if rho is None or not sweep.moments["DBZH"].gate_m > 0:
        return None
    z = reflectivity(sweep)
    zdr, phi = on_gates(sweep, "ZDR"), on_gates(sweep, "PHIDP")
    sample = z[::BROKEN_SAMPLE] > NOTHING
    if _of(rho, sample).size and np.median(_of(rho, sample)) > 1.0:
        remarks.append("RHOHV broken (most of it above 1): dual polarisation not used")
        return None
    if phi is not None and _of(phi, sample).size > 100 and np.ptp(_of(phi, sample)) < 1e-3:
        remarks.append("PHIDP broken (constant): neither KDP nor attenuation")
        phi = None
    if zdr is None and phi is None:
        return None
    snr = on_gates(sweep, "SNRH")
    if snr is not None and phi is not None:
        phi[snr < LEAST_SNR_DB] = np.nan
    qc = sweep.qc if sweep.qc is not None and sweep.qc.shape == z.shape else np.zeros(z.shape, dtype=np.uint8)
    dbzh = sweep.moments["DBZH"]
    return _Known(
        z, zdr, rho, phi, qc, heights(sweep, site), gate_ranges(dbzh), dbzh.gate_m, elevation_of(sweep)
    )  # fmt: skip


def _of(values: Floats, sample: npt.NDArray[np.bool_]) -> Floats:
    part = values[::BROKEN_SAMPLE][sample]
    return part[~np.isnan(part)]


def _phase_offsets(known: list[_Known | None], remarks: list[str]) -> list[float]:
    """The system's phase of each sweep; of the other sweeps where one cannot tell; NaN where none can."""
    own = [
        system_phase(k.z, k.rho, k.phi, k.qc, k.gate_m) if k is not None and k.phi is not None else np.nan
        for k in known
    ]
    found = [o for o in own if np.isfinite(o)]
    if found:
        remarks.append(f"PHIDP: the system's phase {circular_percentile(found, 50):.1f} deg was taken off")
    elif any(k is not None and k.phi is not None for k in known):
        remarks.append("PHIDP: the system's phase cannot be told (too little rain): neither KDP nor attenuation")
    return [o if np.isfinite(o) else circular_percentile(found, 50) for o in own]


def _find(known: _Known, offset: float, band: Band | None) -> _Found:
    """Phase, and reflectivity and ZDR corrected for attenuation where the band has any."""
    phase = None
    if known.phi is not None and np.isfinite(offset):
        phase = differential_phase(
            known.z, known.rho, known.phi, known.qc, offset=offset, gate_m=known.gate_m,
            ratio=band.kdp_ratio if band else 1.0,
        )  # fmt: skip
    if phase is None or band is None or band.gamma == 0:
        return _Found(known, phase, known.z, known.zdr, 0, 0.0)
    done = attenuation.correct(known.z, known.zdr, phase.phidp, known.range_m, band)
    return _Found(known, phase, done.z, done.zdr, int(done.hidden.sum()), done.pia_most)


def _zdr_bias(found: list[_Found], h0_m: float, remarks: list[str]) -> ZdrOffset | None:
    """The offset of the volume's ZDR. Its offset is NaN where the channel is broken."""
    found = [f for f in found if f.zdr is not None]
    if not found:
        return None
    counts = {name: zdr_offset.new_counts() for name in ("vertical pointing", "light rain", "dry snow", "all echo")}
    for f in found:
        _count(f, h0_m, counts)
    told = {name: zdr_offset.summary(count, name) for name, count in counts.items()}
    offset, overall = zdr_offset.best([told[name] for name in list(counts)[:3]]), told["all echo"]
    judged = offset or (overall if overall is not None and overall.gates >= zdr_offset.LEAST_GATES else None)
    if judged is not None and abs(judged.offset_db) > zdr_offset.BROKEN_DB:
        remarks.append(f"ZDR broken ({judged}): not used")
        return ZdrOffset(np.nan, judged.gates, judged.spread_db, judged.method)
    remarks.append(f"{offset}, subtracted" if offset else "ZDR offset unknown (too little light rain or dry snow)")
    return offset


def _count(f: _Found, h0_m: float, counts: dict[str, npt.NDArray[np.int64]]) -> None:
    """Add a sweep's differences from the ZDR that is expected."""
    known, at, zdr = f.known, f.known.heights, f.zdr
    if zdr is None:
        return
    z = f.z
    phi = np.zeros_like(z) if f.phase is None else f.phase.phidp
    near = (known.range_m >= zdr_offset.NEAR_M) & (known.range_m <= zdr_offset.FAR_M)
    rain = near & (at.top < h0_m - classes.MELTING_DEPTH_M)
    snow = near & (at.bottom > h0_m + SNOW_ABOVE_M[0]) & (at.top < h0_m + SNOW_ABOVE_M[1])
    up = np.full(z.shape[1], known.elevation >= VERTICAL_DEG)
    light = np.array(zdr_offset.RAIN_ZDR, dtype=np.float32)
    for name, columns, expected in (
        ("vertical pointing", up, np.full(10, zdr_offset.VERTICAL_ZDR, dtype=np.float32)),
        ("light rain", rain & ~up, light),
        ("dry snow", snow & ~up, np.full(10, zdr_offset.SNOW_ZDR, dtype=np.float32)),
    ):
        if columns.any():
            low, high = int(columns.argmax()), int(columns.size - columns[::-1].argmax())
            zdr_offset.count(
                (z, zdr, known.rho, phi), known.qc, (low, high), expected, zdr_offset.RAIN_FROM_DBZ,
                (zdr_offset.OFFSET_RHOHV, zdr_offset.PHIDP_MOST_DEG, zdr_offset.STEP_DB), counts[name],
            )  # fmt: skip
    part = [np.ascontiguousarray(field[::BROKEN_SAMPLE]) for field in (z, zdr, known.rho, phi)]
    qc = np.ascontiguousarray(known.qc[::BROKEN_SAMPLE])
    zdr_offset.count(
        (part[0], part[1], part[2], part[3]), qc, (0, z.shape[1]), np.zeros(50, dtype=np.float32), 10,
        (zdr_offset.BROKEN_RHOHV, np.inf, zdr_offset.STEP_DB), counts["all echo"],
    )  # fmt: skip


def _derived(f: _Found, bias: ZdrOffset | None, band: Band | None, levels: tuple[float, float]) -> dict[str, Floats]:
    """What a sweep is given."""
    known, out = f.known, dict[str, Floats]()
    zdr = f.zdr
    if zdr is not None and bias is not None:
        zdr = None if np.isnan(bias.offset_db) else zdr - np.float32(bias.offset_db)
    if band is not None and (f.z is not known.z or band.name == "C"):
        dbz = np.where(f.z == NOTHING, np.float32(NO_ECHO_DBZ), f.z)
        out["DBZH"] = attenuation.s_equivalent(dbz) if band.name == "C" else dbz
    if zdr is not None:
        out["ZDR"] = zdr
    if f.phase is not None:
        out |= {"PHIDP": f.phase.phidp, "KDP": f.phase.kdp}
    h0_m, hm20_m = levels
    if band is None or not np.isfinite(h0_m):
        return out
    z = f.z
    kdp, texture = (_nobody_knows(z), _nobody_knows(z)) if f.phase is None else (f.phase.kdp, f.phase.texture)
    fields = classes.Fields(z, _nobody_knows(z) if zdr is None else zdr, known.rho, kdp, texture, known.qc)
    out["HCLASS"], hail = classes.hydrometeors(fields, known.heights, h0_m, known.gate_m, band)
    if band.name == "S" and zdr is not None and np.isfinite(hm20_m):
        out["HSDA"] = _hail_sizes(z, zdr, known, out["HCLASS"], levels) if hail else np.zeros_like(z)
    return out


def _nobody_knows(like: Floats) -> Floats:
    return np.full_like(like, np.nan)


def _hail_sizes(z: Floats, zdr: Floats, known: _Known, hclass: Floats, levels: tuple[float, float]) -> Floats:
    h0_m, hm20_m = levels
    layer = hail_size.layers(known.heights.centre, h0_m, h0_m + MINUS_25_OVER_MINUS_20 * (hm20_m - h0_m))
    return hail_size.hail_sizes(z, zdr, known.rho, hclass, layer, (classes.RAIN_HAIL, classes.HAIL))


def _summary(found: list[_Found], band: Band | None, h0_m: float) -> list[str]:
    """What was done, and what was not."""
    remarks = []
    if band is None:
        return ["band unknown (no frequency in the file): no attenuation, no classes, no hail sizes"]
    if not np.isfinite(h0_m):
        remarks.append("0 C level unknown: no hydrometeor classes, no hail sizes")
    if band.gamma > 0:
        most, hidden = max(f.pia_most for f in found), sum(f.hidden for f in found)
        remarks.append(f"{band.name} band: attenuation of up to {most:.1f} dB corrected, {hidden} gates behind unknown")
    if band.name == "C":
        remarks.append("C band: reflectivity as S-equivalent above 34.8 dBZ; no hail sizes")
    if band.name == "X":
        remarks.append("X band: no conversion to S band is known; no hail sizes")
    return remarks
