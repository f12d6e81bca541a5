"""What a measured gust does to the probability of gale: two witnesses lift it, one is told, none is told as unused."""

import math

import pandas as pd
import pytest

from tests.hazard.test_rules import SEVERE
from wxcore.hazard.gale import GALE_CONSTANTS, gale
from wxcore.hazard.ground import gale_seen, outflow_signs
from wxcore.hazard.rules import probabilities

FLOOR = GALE_CONSTANTS["gust_floor"]
CALM = SEVERE | {"radial_wind_low_m_s": 3.0, "wind_view": 1.0, "velocity_fraction": 1.0}


def now(gust: float, witnesses: float) -> tuple[float, list[str], list[str]]:
    storm = CALM | {"gust_near_m_s": gust, "gust_near_supported": float(witnesses >= 1)}
    rows = probabilities(pd.DataFrame([storm | {"gust_near_witnesses": witnesses}]), levels_quality="good")
    row = rows[(rows["hazard"] == "gale") & (rows["lead_start_min"] == 0)].iloc[0]
    return float(row["p"]), list(row["drivers"]), list(row["drivers_zh"])


@pytest.mark.parametrize(("witnesses", "lifts"), [(math.nan, False), (0, False), (1, False), (2, True), (3, True)])
@pytest.mark.parametrize(("gust", "gale_force"), [(17.1, False), (17.2, True), (28.0, True), (74.0, True)])
def test_two_witnesses_lift_a_gale(gust: float, gale_force: bool, witnesses: float, lifts: bool) -> None:
    before = gale(CALM).p
    assert before < FLOOR
    p, _, _ = now(gust, witnesses)
    assert p == (FLOOR if lifts and gale_force else pytest.approx(before))


@pytest.mark.parametrize(
    ("witnesses", "english", "chinese"),
    [
        (0, "not used", "未采用"),
        (math.nan, "not used", "未采用"),
        (1, "one witness only", "仅一项佐证"),
        (2, "measured gust 28.0 m/s", "实测阵风28.0米/秒"),
    ],
)
def test_the_officer_is_told_how_far_to_believe(witnesses: float, english: str, chinese: str) -> None:
    _, drivers, drivers_zh = now(28.0, witnesses)
    (said,) = [phrase for phrase in drivers if phrase.startswith("measured gust 28.0 m/s")]
    (said_zh,) = [phrase for phrase in drivers_zh if phrase.startswith("实测阵风28.0米/秒")]
    assert english in said
    assert chinese in said_zh
    assert ("," in said) == (not witnesses >= 2)
    assert ("check it" in said) == ("请核实" in said_zh) == (witnesses == 1)


def test_support_of_one_kind_is_no_gale_seen() -> None:
    """Archived storms before the witnesses were counted have the old column alone: they lift nothing."""
    assert not gale_seen({"gust_near_m_s": 28.0, "gust_near_supported": 1.0})
    assert outflow_signs({"gust_near_m_s": 13.8, "gust_near_witnesses": 0.0}) == []
