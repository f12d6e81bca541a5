"""The band of a radar, and the constants that depend on it."""

from dataclasses import dataclass

from wxcore.radar.volume import Volume

BANDS_MHZ = {"S": (2000.0, 4000.0), "C": (4000.0, 8000.0), "X": (8000.0, 12_000.0)}
"""IEEE 521: lower limit inclusive, upper exclusive."""

ALL_S_BAND_FORMATS = frozenset({"nexrad-level2"})
"""Formats that only S-band radars write: all WSR-88D work at 2.7-3.0 GHz. Their files state no frequency."""


@dataclass(frozen=True)
class Band:
    """What differs between the bands.

    Attributes:
        gamma, beta: attenuation and differential attenuation for a degree of PhiDP [dB deg-1] (DOMAIN.md 1.3, 5);
            0 at S band, where neither is corrected.
        kdp_ratio: KDP over that at S band in the same rain, about the ratio of frequencies (Bringi & Chandrasekar
            2001, 7.2).
        zdr_wider: what resonance of big drops adds to the upper limit of ZDR in rain [dB]: 5.4 cm waves resonate with
            drops of 5 to 6 mm (Zrnic et al. 2000) [our choice].
        rhohv_lower: what resonance takes from the lower limits of rhoHV in rain and hail [our choice].
    """

    name: str
    gamma: float
    beta: float
    kdp_ratio: float
    zdr_wider: float
    rhohv_lower: float


BANDS = {
    "S": Band("S", 0.0, 0.0, 1.0, 0.0, 0.0),
    "C": Band("C", 0.08, 0.02, 2.0, 1.0, 0.03),
    "X": Band("X", 0.28, 0.04, 3.3, 0.3, 0.02),
}


def band_of(volume: Volume, given: str | None = None) -> Band | None:
    """The band by the file's frequency; without one by its format, then `given`.

    Args:
        given: "S", "C" or "X" of the station table; None where it does not know.

    Raises:
        KeyError: `given` is another word.
    """
    for name, (low, high) in BANDS_MHZ.items():
        if low <= volume.site.frequency_mhz < high:
            return BANDS[name]
    if volume.format in ALL_S_BAND_FORMATS:
        return BANDS["S"]
    return None if given is None else BANDS[given]
