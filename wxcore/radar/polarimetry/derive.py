"""The door of dual polarisation: a controlled volume in, the same with `Sweep.derived` out.

In this order: phase and KDP; attenuation (C, X), without a phase only what it hides; the offset of ZDR, from the
corrected values of the whole volume; S-equivalent reflectivity (C); classes; hail sizes (S, with a known offset). What
is broken is left out and a remark says so.
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


ZDR_UNKNOWN = "ZDR offset unknown (too little light rain or dry snow): neither hail sizes nor HDR"


@dataclass(frozen=True)
class _Known:
    """What a dual-polarisation sweep holds on its gates of DBZH; qc zeros where there was none.

    Without rhoHV (C and X band only) there is a phase and nothing else.
    """

    z: Floats
    zdr: Floats | None
    rho: Floats | None
    phi: Floats | None
    qc: npt.NDArray[np.uint8]
    heights: Heights
    range_m: npt.NDArray[np.float64]
    gate_m: float
    elevation: float


@dataclass(frozen=True)
class _Faded:
    """Attenuation of a sweep at C or X band: corrected or only estimated, at most [dB], and gates hidden by it."""

    corrected: bool
    most: float
    hidden: int


@dataclass(frozen=True)
class _Found:
    """Next to it, what became of the sweep."""

    known: _Known
    phase: Phase | None
    z: Floats
    zdr: Floats | None
    faded: _Faded


def polarimetric(volume: Volume, *, h0_m: float, hm20_m: float, band: str | None = None) -> Volume:
    """The volume with `derived` in its sweeps: DBZH, ZDR, PHIDP, KDP, HCLASS, HSDA as far as they can be known.

    DBZH at C and X band: corrected for attenuation where there is PHIDP, else as measured; NaN where the beam is too
    weak to say anything; at C band S-equivalent. HCLASS: flags of schema.POLARIMETRY's hydrometeor_class_low. HSDA (S
    band, ZDR offset known): 1, 2, 3 as in `hail_size`, 0 without hail, NaN unknown. A volume of which nothing can be
    derived is returned as it is.

    Args:
        volume: after quality control; without it, all echo counts as good.
        h0_m, hm20_m: heights ASL of 0 C (best the wet bulb's) and -20 C; without h0_m there are no classes.
        band: "S", "C" or "X" of the station table; where it is given the file's frequency is not asked.
    """
    which, by_file = band_of(volume, band), band_of(volume)
    remarks: list[str] = []
    if which is not by_file and which is not None and by_file is not None:
        remarks.append(f"the file says {by_file.name} band, the station table {which.name}: {which.name} is used")
    known = [_known(sweep, volume.site, which, remarks) for sweep in volume.sweeps]
    if not any(known) and not remarks and (which is None or which.gamma == 0):
        return volume
    offset = _phase_offsets(known, remarks)
    found = [_find(k, o, which) if k else None for k, o in zip(known, offset, strict=True)]
    bias = _zdr_bias([f for f in found if f], h0_m, remarks)
    sweeps, faded = [], [f.faded for f in found if f]
    for sweep, f in zip(volume.sweeps, found, strict=True):
        derived = _single_pol(sweep, which, faded) if f is None else _derived(f, bias, which, (h0_m, hm20_m))
        sweeps.append(replace(sweep, derived={**sweep.derived, **derived}) if derived else sweep)
    remarks += _summary(faded, which, any(known), h0_m)
    return replace(volume, sweeps=tuple(sweeps), remarks=volume.remarks + tuple(dict.fromkeys(remarks)))


def _single_pol(sweep: Sweep, band: Band | None, faded: list[_Faded]) -> dict[str, Floats]:
    """DBZH of a sweep without usable dual polarisation; its attenuation is added to `faded`."""
    moment = sweep.moments.get("DBZH")
    if band is None or band.gamma == 0 or moment is None or not moment.codes.size:
        return {}
    z = reflectivity(sweep)
    done = attenuation.hide(z, _qc(sweep, z), moment.gate_m, band)
    faded.append(_Faded(False, done.pia_most, int(done.hidden.sum())))
    return {"DBZH": _as_s_band(done.z, band)}


def _as_s_band(z: Floats, band: Band) -> Floats:
    """Reflectivity for those downstream: no echo as they write it, and S-equivalent at C band."""
    dbz = np.where(z == NOTHING, np.float32(NO_ECHO_DBZ), z)
    return attenuation.s_equivalent(dbz) if band.name == "C" else dbz


def _qc(sweep: Sweep, z: Floats) -> npt.NDArray[np.uint8]:
    return sweep.qc if sweep.qc is not None and sweep.qc.shape == z.shape else np.zeros(z.shape, dtype=np.uint8)


def _known(sweep: Sweep, site: Site, band: Band | None, remarks: list[str]) -> _Known | None:
    """None without PhiDP or ZDR that works, and without rhoHV; at C and X band PhiDP does without it."""
    if "DBZH" not in sweep.moments or not sweep.moments["DBZH"].gate_m > 0:
        return None
    fades = band is not None and band.gamma > 0
    rho = on_gates(sweep, "RHOHV")
    if rho is None and not (fades and "PHIDP" in sweep.moments):
        return None
    z = reflectivity(sweep)
    sample = z[::BROKEN_SAMPLE] > NOTHING
    if rho is not None and _of(rho, sample).size and np.median(_of(rho, sample)) > 1.0:
        remarks.append("RHOHV broken (most of it above 1): dual polarisation not used" + ", but PHIDP" * fades)
        if not fades:
            return None
        rho = None
    phi, zdr = on_gates(sweep, "PHIDP"), None if rho is None else on_gates(sweep, "ZDR")
    if phi is not None and _of(phi, sample).size > 100 and np.ptp(_of(phi, sample)) < 1e-3:
        remarks.append("PHIDP broken (constant): neither KDP nor attenuation")
        phi = None
    if zdr is None and phi is None:
        return None
    snr = on_gates(sweep, "SNRH")
    if snr is not None and phi is not None:
        phi[snr < LEAST_SNR_DB] = np.nan
    if rho is None:
        remarks.append("no RHOHV: PHIDP is judged by its texture alone; neither ZDR nor classes")
    dbzh = sweep.moments["DBZH"]
    return _Known(
        z, zdr, rho, phi, _qc(sweep, z), heights(sweep, site), gate_ranges(dbzh), dbzh.gate_m, elevation_of(sweep)
    )  # fmt: skip


def _of(values: Floats, sample: npt.NDArray[np.bool_]) -> Floats:
    part = values[::BROKEN_SAMPLE][sample]
    return part[~np.isnan(part)]


def _phase_offsets(known: list[_Known | None], remarks: list[str]) -> list[float]:
    """The system's phase of each sweep; of the other sweeps where one cannot tell; NaN where none can."""
    own = [
        system_phase(k.z, _judge(k), k.phi, k.qc, k.gate_m) if k is not None and k.phi is not None else np.nan
        for k in known
    ]
    found = [o for o in own if np.isfinite(o)]
    if found:
        remarks.append(f"PHIDP: the system's phase {circular_percentile(found, 50):.1f} deg was taken off")
    elif any(k is not None and k.phi is not None for k in known):
        remarks.append("PHIDP: the system's phase cannot be told (too little rain): neither KDP nor attenuation")
    return [o if np.isfinite(o) else circular_percentile(found, 50) for o in own]


def _judge(known: _Known) -> Floats:
    """rhoHV by which the phase is judged; where there is none, none speaks against it."""
    return np.ones_like(known.z) if known.rho is None else known.rho


def _find(known: _Known, offset: float, band: Band | None) -> _Found:
    """Phase, and reflectivity and ZDR corrected for attenuation where the band has any; without a phase, hidden."""
    phase = None
    if known.phi is not None and np.isfinite(offset):
        phase = differential_phase(
            known.z, _judge(known), known.phi, known.qc, offset=offset, gate_m=known.gate_m,
            ratio=band.kdp_ratio if band else 1.0,
        )  # fmt: skip
    if band is None or band.gamma == 0:
        return _Found(known, phase, known.z, known.zdr, _Faded(False, 0.0, 0))
    if phase is None:
        done = attenuation.hide(known.z, known.qc, known.gate_m, band)
    else:
        done = attenuation.correct(known.z, known.zdr, phase.phidp, known.range_m, band)
    faded = _Faded(phase is not None, done.pia_most, int(done.hidden.sum()))
    return _Found(known, phase, done.z, known.zdr if phase is None else done.zdr, faded)


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
    remarks.append(f"{offset}, subtracted" if offset else ZDR_UNKNOWN)
    return offset


def _count(f: _Found, h0_m: float, counts: dict[str, npt.NDArray[np.int64]]) -> None:
    """Add a sweep's differences from the ZDR that is expected."""
    known, at, zdr, rho = f.known, f.known.heights, f.zdr, f.known.rho
    if zdr is None or rho is None:
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
                (z, zdr, rho, phi), known.qc, (low, high), expected, zdr_offset.RAIN_FROM_DBZ,
                (zdr_offset.OFFSET_RHOHV, zdr_offset.PHIDP_MOST_DEG, zdr_offset.STEP_DB), counts[name],
            )  # fmt: skip
    part = [np.ascontiguousarray(field[::BROKEN_SAMPLE]) for field in (z, zdr, rho, phi)]
    qc = np.ascontiguousarray(known.qc[::BROKEN_SAMPLE])
    zdr_offset.count(
        (part[0], part[1], part[2], part[3]), qc, (0, z.shape[1]), np.zeros(50, dtype=np.float32), 10,
        (zdr_offset.BROKEN_RHOHV, np.inf, zdr_offset.STEP_DB), counts["all echo"],
    )  # fmt: skip


def _derived(f: _Found, bias: ZdrOffset | None, band: Band | None, levels: tuple[float, float]) -> dict[str, Floats]:
    """What a sweep is given."""
    known, rho, out = f.known, f.known.rho, dict[str, Floats]()
    zdr = f.zdr
    if zdr is not None and bias is not None:
        zdr = None if np.isnan(bias.offset_db) else zdr - np.float32(bias.offset_db)
    if band is not None and band.gamma > 0:
        out["DBZH"] = _as_s_band(f.z, band)
    if zdr is not None:
        out["ZDR"] = zdr
    if f.phase is not None:
        out |= {"PHIDP": f.phase.phidp, "KDP": f.phase.kdp}
    h0_m, hm20_m = levels
    if band is None or rho is None or not np.isfinite(h0_m):
        return out
    z = f.z
    kdp, texture = (_nobody_knows(z), _nobody_knows(z)) if f.phase is None else (f.phase.kdp, f.phase.texture)
    fields = classes.Fields(z, _nobody_knows(z) if zdr is None else zdr, rho, kdp, texture, known.qc)
    out["HCLASS"], _ = classes.hydrometeors(fields, known.heights, h0_m, known.gate_m, band)
    if band.name == "S" and zdr is not None and bias is not None and np.isfinite(hm20_m):
        layer = hail_size.layers(known.heights.centre, h0_m, h0_m + MINUS_25_OVER_MINUS_20 * (hm20_m - h0_m))
        out["HSDA"] = hail_size.hail_sizes(z, zdr, rho, out["HCLASS"], layer, (classes.RAIN_HAIL, classes.HAIL))
    return out


def _nobody_knows(like: Floats) -> Floats:
    return np.full_like(like, np.nan)


def _summary(faded: list[_Faded], band: Band | None, dual: bool, h0_m: float) -> list[str]:
    """What was done, and what was not; nothing to say of a single-polarisation radar at S band or of unknown band."""
    remarks = []
    if dual and band is None:
        return ["band unknown (no frequency in the file): no attenuation, no classes, no hail sizes"]
    if dual and not np.isfinite(h0_m):
        remarks.append("0 C level unknown: no hydrometeor classes, no hail sizes")
    if band is None or band.gamma == 0:
        return remarks
    for corrected, words in ((True, "corrected"), (False, "estimated from reflectivity (no PhiDP), not corrected")):
        of = [f for f in faded if f.corrected == corrected]
        if of:
            most, hidden = max(f.most for f in of), sum(f.hidden for f in of)
            remarks.append(
                f"{band.name} band: attenuation of up to {most:.1f} dB {words}, {hidden} gates behind unknown"
            )
    if band.name == "C":
        remarks.append("C band: reflectivity as S-equivalent above 34.8 dBZ; no hail sizes")
    if band.name == "X":
        remarks.append("X band: no conversion to S band is known; no hail sizes")
    return remarks
