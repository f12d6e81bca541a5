"""A Volume as an xarray DataTree in CfRadial2/FM301 terms, laid out as xradar lays out its volumes.

The root holds the site, the times covered and the list of sweeps; /sweep_0, /sweep_1, ... hold one cut each, rays
sorted by azimuth, moments float32 with NaN where there is no value. `<MOMENT>_class` beside each moment keeps apart
what NaN cannot: observed without echo, range folded, missing.

One range axis a sweep: FM301 allows no second one. Where a cut has 1-km reflectivity and 250-m velocity, the axis has
the finer gates out to the longer range, and each fine gate carries the coarse gate that its centre lies in (an exact
copy where fine gates tile coarse ones, as CINRAD's do; attribute `native_gate_m` says it). Beyond the shorter
moment's range: NaN, missing. The alternatives, a second range dimension or a second group, break xradar's tools.
"""

import numpy as np
import numpy.typing as npt
import xarray as xr

from wxcore.radar.volume import MISSING, QC_MEANINGS, Moment, Site, Sweep, Volume
from wxcore.times import from_datetime64, iso

_Z = "radar_equivalent_reflectivity_factor_h"
_V = "radial_velocity_of_scatterers_away_from_instrument_h"
_ATTRS: dict[str, tuple[str, str, str]] = {
    "DBTH": (_Z, "total power H (uncorrected reflectivity)", "dBZ"),
    "DBZH": (_Z, "equivalent reflectivity factor H", "dBZ"),
    "VRADH": (_V, "radial velocity of scatterers away from instrument H", "m s-1"),
    "WRADH": ("radar_doppler_spectrum_width_h", "Doppler spectrum width H", "m s-1"),
    "ZDR": ("radar_differential_reflectivity_hv", "log differential reflectivity H/V", "dB"),
    "LDR": ("radar_linear_depolarization_ratio", "log linear depolarization ratio HV", "dB"),
    "RHOHV": ("radar_correlation_coefficient_hv", "correlation coefficient HV", "1"),
    "PHIDP": ("radar_differential_phase_hv", "differential phase HV", "degree"),
    "KDP": ("radar_specific_differential_phase_hv", "specific differential phase HV", "degree km-1"),
    "SNRH": ("signal_noise_ratio_h", "signal noise ratio H", "dB"),
    "SNRV": ("signal_noise_ratio_v", "signal noise ratio V", "dB"),
    "SQIH": ("signal_quality_index_h", "signal quality index H", "1"),
    "DBZHC": (_Z, "equivalent reflectivity factor H, corrected by the signal processor", "dBZ"),
    "VRADHC": (_V, "radial velocity, dealiased by the signal processor", "m s-1"),
    "WRADHC": ("radar_doppler_spectrum_width_h", "spectrum width, corrected by the signal processor", "m s-1"),
    "ZDRC": ("radar_differential_reflectivity_hv", "differential reflectivity, corrected by the processor", "dB"),
}
"""Standard name, long name and units; moments that FM301 does not know get their own name only."""

_CLASS_FLAGS = {"flag_values": np.arange(4, dtype=np.uint8), "flag_meanings": "echo no_echo folded missing"}
_QC_FLAGS = {
    "flag_values": np.array(list(QC_MEANINGS), dtype=np.uint8),
    "flag_meanings": " ".join(QC_MEANINGS.values()),
}


def to_datatree(volume: Volume) -> xr.DataTree:
    """The volume as a DataTree: root, and /sweep_<i> with dims (azimuth, range).

    Args:
        volume: any Volume with at least one sweep.

    Raises:
        ValueError: a volume without sweeps.
    """
    if not volume.sweeps:
        raise ValueError("a volume without sweeps has no DataTree")
    nodes = {f"/sweep_{index}": sweep_dataset(sweep, index) for index, sweep in enumerate(volume.sweeps)}
    return xr.DataTree.from_dict({"/": _root(volume), **nodes})


def sweep_dataset(sweep: Sweep, number: int, site: Site | None = None) -> xr.Dataset:
    """One sweep: moments (azimuth, range), rays sorted by azimuth; with the site as coordinates if given."""
    order = np.argsort(sweep.azimuth, kind="stable")
    distance = _range_axis(sweep)
    ds = xr.Dataset(
        coords={
            "azimuth": ("azimuth", sweep.azimuth[order], _axis("ray_azimuth_angle", "azimuth_angle_from_true_north",
                        "radial_azimuth_coordinate", "degrees")),
            "elevation": ("azimuth", sweep.elevation[order], _axis("ray_elevation_angle",
                          "elevation_angle_from_horizontal_plane", "radial_elevation_coordinate", "degrees")),
            "time": ("azimuth", sweep.time[order], {"standard_name": "time"}),
            "range": ("range", distance, {
                **_axis("projection_range_coordinate", "range_to_measurement_volume", "radial_range_coordinate",
                        "meters"),
                "spacing_is_constant": "true",
            }),
        }
    )  # fmt: skip
    for name, moment in sweep.moments.items():
        ds = ds.assign(_variables(name, moment, order, distance, sweep.qc if name == "DBZH" else None))
    ds = ds.assign(
        sweep_mode="azimuth_surveillance",
        sweep_number=number,
        prt_mode="not_set",
        follow_mode="not_set",
        sweep_fixed_angle=((), sweep.fixed_angle, {"units": "degrees"}),
        nyquist_velocity=((), sweep.nyquist, {"units": "m s-1"}),
    )
    return ds if site is None else ds.assign_coords(_place(site))


def _root(volume: Volume) -> xr.Dataset:
    times = np.concatenate([sweep.time for sweep in volume.sweeps])
    return xr.Dataset(
        {
            "volume_number": 0,
            "platform_type": "fixed",
            "instrument_type": "radar",
            "time_coverage_start": iso(from_datetime64(times.min())),
            "time_coverage_end": iso(from_datetime64(times.max())),
            "sweep_group_name": ("sweep", [f"sweep_{index}" for index in range(len(volume.sweeps))]),
            "sweep_fixed_angle": ("sweep", [sweep.fixed_angle for sweep in volume.sweeps], {"units": "degrees"}),
        },
        coords=_place(volume.site),
        attrs={
            "Conventions": "CF-1.7, CfRadial-2.0",
            "instrument_name": volume.site.id,
            "site_name": volume.site.name,
            "scan_name": volume.task,
            "source": volume.format,
            **dict.fromkeys(("title", "institution", "references", "history"), ""),  # xradar's exporters add to them
            "comment": "; ".join(volume.remarks),
        },
    )


def _place(site: Site) -> dict[str, tuple[tuple[()], float, dict[str, str]]]:
    return {
        "latitude": ((), site.latitude, {"standard_name": "latitude", "units": "degrees_north"}),
        "longitude": ((), site.longitude, {"standard_name": "longitude", "units": "degrees_east"}),
        "altitude": ((), site.altitude_m, {"standard_name": "altitude", "units": "meters", "positive": "up"}),
    }


def _axis(standard: str, long: str, axis: str, units: str) -> dict[str, object]:
    return {"standard_name": standard, "long_name": long, "axis": axis, "units": units}


def _range_axis(sweep: Sweep) -> npt.NDArray[np.float32]:
    """Centres of the finest gates [m], from where that moment begins to where the longest moment ends."""
    if not sweep.moments:
        return np.zeros(0, np.float32)
    finest = min(sweep.moments.values(), key=lambda m: m.gate_m)
    begin = finest.first_gate_m - finest.gate_m / 2
    end = max(m.first_gate_m + (m.codes.shape[1] - 0.5) * m.gate_m for m in sweep.moments.values())
    count = max(0, round((end - begin) / finest.gate_m))
    return (finest.first_gate_m + np.arange(count) * finest.gate_m).astype(np.float32)


def _variables(
    name: str,
    moment: Moment,
    order: npt.NDArray[np.intp],
    distance: npt.NDArray[np.float32],
    qc: npt.NDArray[np.uint8] | None,
) -> dict[str, xr.DataArray]:
    begin = moment.first_gate_m - moment.gate_m / 2
    gate = np.floor((distance.astype("f8") - begin) / moment.gate_m).astype(np.intp)
    inside = (gate >= 0) & (gate < moment.codes.shape[1])
    standard, long, units = _ATTRS.get(name, ("", name, ""))
    attrs: dict[str, object] = {"long_name": long, "units": units, "native_gate_m": moment.gate_m}
    if standard:
        attrs["standard_name"] = standard
    dims = ("azimuth", "range")
    size = (order.size, distance.size)
    raw = moment.codes[order][:, gate[inside]]
    values = np.full(size, np.nan, np.float32)
    values[:, inside] = moment.table()[raw]
    classes = np.full(size, MISSING, np.uint8)
    classes[:, inside] = moment.classes[raw]
    attrs["ancillary_variables"] = f"{name}_class" + (f" {name}_qc" if qc is not None else "")
    found = {
        name: xr.DataArray(values, dims=dims, attrs=attrs),
        f"{name}_class": xr.DataArray(classes, dims=dims, attrs={"long_name": f"class of {name}", **_CLASS_FLAGS}),
    }
    if qc is not None:
        flags = np.zeros(size, np.uint8)
        flags[:, inside] = qc[order][:, gate[inside]]
        found[f"{name}_qc"] = xr.DataArray(flags, dims=dims, attrs={"long_name": f"quality of {name}", **_QC_FLAGS})
    return found
