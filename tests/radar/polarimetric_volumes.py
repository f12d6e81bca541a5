"""Synthetic dual-polarisation volumes: fine codes, so that what a test puts in comes out to 0.01."""

from datetime import UTC, datetime

import numpy as np

from wxcore.radar.volume import ECHO, MISSING, NO_ECHO, Moment, Site, Sweep, Volume

CLASSES = np.full(65_536, ECHO, dtype=np.uint8)
CLASSES[0], CLASSES[1:5] = NO_ECHO, MISSING
MHZ = {"S": 2800.0, "C": 5600.0, "X": 9400.0}


def moment(values, gate_m=250.0):
    """u2 codes in hundredths; NaN is missing, -inf is no echo."""
    values = np.asarray(values, dtype=np.float64)
    codes = np.clip(np.rint(np.where(np.isfinite(values), values, 0.0) * 100 + 20_000), 5, 65_535)
    codes = np.where(np.isnan(values), 1, np.where(np.isneginf(values), 0, codes))
    return Moment(codes.astype(np.uint16), 100.0, 20_000.0, gate_m / 2, gate_m, CLASSES)


def sweep(elevation=0.5, *, gate_m=250.0, qc=None, rays=None, **values):
    """A sweep of moments named by keyword; `qc` a (ray, gate) array."""
    shape = np.asarray(values["DBZH"]).shape
    azimuth = ((np.arange(shape[0]) + 0.5) * 360.0 / shape[0]).astype(np.float32)
    return Sweep(
        elevation, azimuth, np.full(shape[0], elevation, np.float32), np.zeros(shape[0], "datetime64[ns]"), np.nan,
        {name: moment(v, gate_m) for name, v in values.items()}, qc,
    )  # fmt: skip


def volume(*sweeps, band="S", altitude=0.0):
    site = Site("T0001", "test", 29.5, 106.5, altitude, MHZ.get(band, np.nan))
    return Volume("test", site, datetime(2026, 7, 1, 6, tzinfo=UTC), "VCP21", sweeps)


def rain(dbz=25.0, *, zdr=0.35, rho=0.99, slope=0.5, system=60.0, shape=(60, 240), gate_m=250.0):
    """Moments of rain that fills the sweep; KDP = `slope` [deg km-1]."""
    ones = np.ones(shape)
    phase = np.mod(system + 2 * slope * (np.arange(shape[1]) + 0.5) * gate_m / 1000.0, 360.0)
    return {"DBZH": dbz * ones, "ZDR": zdr * ones, "RHOHV": rho * ones, "PHIDP": phase * ones}
