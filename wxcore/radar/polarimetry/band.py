"""The band of a radar, and the constants that depend on it."""

from dataclasses import dataclass

from wxcore.radar.volume import Volume

BANDS_MHZ = {"S": (2000.0, 4000.0), "C": (4000.0, 8000.0), "X": (8000.0, 12_000.0)}
"""IEEE 521: lower limit inclusive, upper exclusive."""

ALL_S_BAND_FORMATS = frozenset({"nexrad-level2"})
"""Formats that only S-band radars write: all WSR-88D work at 2.7-3.0 GHz. Their files state no frequency."""


MARSHALL_PALMER = (200.0, 1.6)
"""Z = 200 R^1.6."""


@dataclass(frozen=True)
class Band:
    """What differs between the bands.

    Attributes:
        gamma, beta: attenuation and differential attenuation for a degree of PhiDP [dB deg-1] (DOMAIN.md 1.3, 5);
            0 at S band, where neither is corrected.
        rain_loss: one-way attenuation by rain of R mm h-1 as a R^b [dB km-1]: 5.7 cm and 3.2 cm at 18 C (Wexler & Atlas
            1963; Battan 1973, table 6.4); 0 at S band.
        kdp_ratio: KDP over that at S band in the same rain, about the ratio of frequencies (Bringi & Chandrasekar
            2001, 7.2).
        zdr_wider: what resonance of big drops adds to the upper limit of ZDR in rain [dB]: 5.4 cm waves resonate with
            drops of 5 to 6 mm (Zrnic et al. 2000) [our choice].
        rhohv_lower: what resonance takes from the lower limits of rhoHV in rain and hail [our choice].
    """

    name: str
    gamma: float
    beta: float
    rain_loss: tuple[float, float]
    kdp_ratio: float
    zdr_wider: float
    rhohv_lower: float


BANDS = {
    "S": Band("S", 0.0, 0.0, (0.0, 1.0), 1.0, 0.0, 0.0),
    "C": Band("C", 0.08, 0.02, (0.0022, 1.17), 2.0, 1.0, 0.03),
    "X": Band("X", 0.28, 0.04, (0.0074, 1.31), 3.3, 0.3, 0.02),
}


def band_of(volume: Volume, given: str | None = None) -> Band | None:
    """The band by `given`; without it by the file's frequency, then by its format.

    Headers are often wrong, as in position (DOMAIN.md 1.3, 2): the station table is asked first.

    Args:
        given: "S", "C" or "X" of the station table; None where it does not know.

    Raises:
        KeyError: `given` is another word.
    """
    if given is not None:
        return BANDS[given]
    for name, (low, high) in BANDS_MHZ.items():
        if low <= volume.site.frequency_mhz < high:
            return BANDS[name]
    return BANDS["S"] if volume.format in ALL_S_BAND_FORMATS else None
