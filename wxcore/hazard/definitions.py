"""What each hazard means: one row a hazard. Truth, labels, rules and texts refer to these words and thresholds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hazard:
    """One hazard.

    Attributes:
        code: as in schema.HAZARDS.
        name_en, name_zh: what people call it.
        event_en, event_zh: the event whose probability is given, within the storm and the lead window.
        threshold, units: what makes the event, where it has a number; NaN where it has none.
        source: of the threshold.
    """

    code: str
    name_en: str
    name_zh: str
    event_en: str
    event_zh: str
    threshold: float
    units: str
    source: str


HAIL = Hazard(
    code="hail",
    name_en="hail",
    name_zh="冰雹",
    event_en="severe hail of at least 20 mm diameter falls from the storm",
    event_zh="风暴降下直径不小于20毫米的强冰雹",
    threshold=20.0,
    units="mm",
    source="DOMAIN.md 5.1: severe hail in China is 2 cm",
)

THUNDERSTORM = Hazard(
    code="thunderstorm",
    name_en="thunderstorm",
    name_zh="雷暴",
    event_en="the storm makes at least one lightning flash within 10 km of its outline",
    event_zh="风暴轮廓10公里范围内至少出现一次闪电",
    threshold=1.0,
    units="flash",
    source="DOMAIN.md 5.1",
)

GALE = Hazard(
    code="gale",
    name_en="thunderstorm gale",
    name_zh="雷暴大风",
    event_en="the storm makes a convective gust of at least 17.2 m/s (Beaufort 8)",
    event_zh="风暴产生不小于17.2米/秒（8级）的对流性阵风",
    threshold=17.2,
    units="m s-1",
    source="DOMAIN.md 5.1: Beaufort 8; convective only",
)

DEFINITIONS: dict[str, Hazard] = {hazard.code: hazard for hazard in (HAIL, THUNDERSTORM, GALE)}
"""By code, in the order of schema.HAZARDS."""
