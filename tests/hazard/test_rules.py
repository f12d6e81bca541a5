"""Published rules: hand-computed values, what is missing stays missing, monotone in what they look at, cards."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.hazard import rules
from wxcore.hazard.definitions import DEFINITIONS
from wxcore.hazard.features.build import features, missing_groups
from wxcore.hazard.gale import GALE_CONSTANTS, gale
from wxcore.hazard.rules import hail, poh, probabilities, thunderstorm
from wxcore.schema import HAZARDS, PROBABILITIES, STORMS, check_table

NAN = math.nan
SEVERE: dict[str, Any] = {
    "storm_id": "202006120542-001", "max_dbz": 65.0, "vil_kg_m2": 60.0, "vil_density_g_m3": 4.3,
    "echo_top_18_km": 14.0, "mesh_mm": 46.0, "mesh75_mm": 50.0, "posh_percent": 74.0, "h45_above_h0_km": 5.0,
    "u_m_s": 10.0, "v_m_s": 5.0, "observed_fraction": 1.0,
}  # fmt: skip
"""As the storm at 32.78N 119.40E on 2020-06-12 (DATA.md)."""

FLAT = SEVERE | dict.fromkeys(
    ("vil_kg_m2", "vil_density_g_m3", "echo_top_18_km", "mesh_mm", "mesh75_mm", "posh_percent", "h45_above_h0_km"), NAN
) | {"observed_fraction": 0.0}  # fmt: skip
"""The same storm in a 2-D composite."""

CONSTANTS = {
    "hail": rules.HAIL_CONSTANTS,
    "thunderstorm": rules.THUNDERSTORM_CONSTANTS,
    "gale": GALE_CONSTANTS,
}
MODELS = Path(__file__).parents[2] / "models"


class TestHail:
    @pytest.mark.parametrize("above", [NAN, 3.0, 5.0])
    @pytest.mark.parametrize("quality", ["good", "climatology"])
    def test_the_storm_of_2020_06_12(self, above: float, quality: str) -> None:
        assert hail(SEVERE | {"h45_above_h0_km": above}, levels_quality="good").p >= 0.7
        assert hail(SEVERE | {"h45_above_h0_km": above}, levels_quality=quality).p >= 0.6

    @pytest.mark.parametrize("above", [NAN, -1.0, 1.5])
    def test_no_hail_aloft(self, above: float) -> None:
        weak = SEVERE | {
            "max_dbz": 45.0,
            "mesh_mm": 0.0,
            "mesh75_mm": 0.0,
            "posh_percent": 0.0,
            "h45_above_h0_km": above,
        }
        for quality in ("good", "climatology"):
            assert hail(weak, levels_quality=quality).p <= 0.05

    def test_by_hand(self) -> None:
        """0.97 * (0.5 * 0.74 + 0.3 / (1 + exp(-(46 - 25) / 5)) + 0.2 * POH(5 km))."""
        cubic = -1.20231 + 1.00184 * 5 - 0.17018 * 25 + 0.01086 * 125
        expected = 0.97 * (0.37 + 0.3 / (1 + math.exp(-4.2)) + 0.2 * cubic)
        assert hail(SEVERE, levels_quality="good").p == pytest.approx(expected)

    def test_climatological_levels_pull_to_the_middle(self) -> None:
        for storm in (SEVERE, SEVERE | {"mesh_mm": 0.0, "posh_percent": 0.0, "h45_above_h0_km": -1.0}):
            good, unsure = (hail(storm, levels_quality=quality).p for quality in ("good", "climatology"))
            assert abs(unsure - 0.1) == pytest.approx(0.85 * abs(good - 0.1))

    def test_drivers(self) -> None:
        opinion = hail(SEVERE, levels_quality="good")
        assert opinion.drivers[:2] == ("MESH 46 mm (>= 20)", "POSH 74 %")
        assert opinion.drivers_zh[0] == "MESH 46 毫米"

    def test_two_dimensional_is_not_assessed(self) -> None:
        opinion = hail(FLAT, levels_quality="good")
        assert math.isnan(opinion.p)
        assert opinion.drivers == ("2-D composite only: hail not assessed",)

    def test_no_levels_is_not_assessed(self) -> None:
        opinion = hail(SEVERE | {"mesh_mm": NAN, "posh_percent": NAN}, levels_quality="good")
        assert math.isnan(opinion.p)
        assert "MESH" in opinion.drivers[0]

    def test_what_dual_polarisation_sees_counts(self) -> None:
        """By hand: 0.3 more weight on 0.05, 0.4, 0.95 or 1."""
        parts = 0.37 + 0.3 / (1 + math.exp(-4.2)) + 0.2 * poh(5.0)
        found = [hail(SEVERE | {"hail_size_class": size}, levels_quality="good") for size in (1.0, 2.0, 3.0, 4.0)]
        for opinion, value in zip(found, (0.05, 0.4, 0.95, 1.0), strict=True):
            assert opinion.p == pytest.approx(0.97 * (parts + 0.3 * value) / 1.3)
        assert found[2].drivers[-1] == "dual polarisation: hail 25 to 50 mm"
        assert hail(SEVERE | {"hail_size_class": NAN}, levels_quality="good") == hail(SEVERE, levels_quality="good")

    @pytest.mark.parametrize("size", [-1.0, 0.0, 7.0, 2.5, math.inf])
    def test_a_size_class_that_is_none_is_missing(self, size: float) -> None:
        found = hail(SEVERE | {"hail_size_class": size}, levels_quality="good")
        assert found == hail(SEVERE, levels_quality="good")

    @pytest.mark.parametrize(("above", "expected"), [(1.0, 0.0), (1.65, 0.036), (3.0, 0.565), (5.8, 1.0), (9.0, 1.0)])
    def test_poh(self, above: float, expected: float) -> None:
        assert poh(above) == pytest.approx(expected, abs=0.002)


class TestThunderstorm:
    def test_deep_and_strong(self) -> None:
        assert thunderstorm(SEVERE).p > 0.9

    def test_shallow_is_less_probable(self) -> None:
        shallow = SEVERE | {"max_dbz": 45.0, "echo_top_18_km": 5.0, "h45_above_h0_km": -2.0}
        deep = SEVERE | {"max_dbz": 45.0, "echo_top_18_km": 13.0, "h45_above_h0_km": 2.0}
        assert thunderstorm(shallow).p < 0.4
        assert thunderstorm(deep).p > 0.6

    @pytest.mark.parametrize(
        ("dbz", "low", "high"), [(40, 0.05, 0.2), (46, 0.39, 0.41), (55, 0.7, 0.8), (75, 0.75, 0.8)]
    )
    def test_two_dimensional_has_a_ceiling(self, dbz: float, low: float, high: float) -> None:
        opinion = thunderstorm(FLAT | {"max_dbz": dbz})
        assert low <= opinion.p <= high
        assert "2-D composite only: depth unknown" in opinion.drivers

    def test_no_reflectivity(self) -> None:
        assert math.isnan(thunderstorm(FLAT | {"max_dbz": NAN}).p)

    def test_echo_below_the_freezing_level_makes_no_lightning(self) -> None:
        """Mountain clutter, or warm rain: 65 dBZ that end at 2 km."""
        low = SEVERE | {"echo_top_18_km": 2.0, "h45_above_h0_km": -2.5, "top18_above_h0_km": -2.5, "top18_open": 0.0}
        opinion = thunderstorm(low)
        assert opinion.p < 0.05
        assert "all echo below the 0 C level" in opinion.drivers

    def test_an_open_top_is_told_as_a_lower_bound(self) -> None:
        """A scan of two tilts sees 1 km of a storm of 64 dBZ: its depth is unknown, not small."""
        low = SEVERE | {"max_dbz": 64.0, "echo_top_18_km": 1.0, "h45_above_h0_km": NAN, "top18_above_h0_km": -3.0}
        opinion = thunderstorm(low | {"top18_open": 1.0})
        assert opinion.p == pytest.approx(thunderstorm(FLAT | {"max_dbz": 64.0}).p)
        assert "18 dBZ top at least 1.0 km" in opinion.drivers
        assert "18 dBZ 回波顶高至少 1.0 公里" in opinion.drivers_zh


class TestTable:
    def test_every_storm_hazard_window(self) -> None:
        storms = pd.DataFrame([SEVERE, FLAT | {"storm_id": "b"}])
        table = check_table(probabilities(storms, levels_quality="good"), PROBABILITIES, what="probabilities")
        assert len(table) == 2 * 3 * 4
        assert table["hazard"].unique().tolist() == list(HAZARDS)
        assert dict(zip(table["hazard"], table["model"], strict=True)) == rules.MODELS
        assert all(len(en) == len(zh) > 0 for en, zh in zip(table["drivers"], table["drivers_zh"], strict=True))

    def test_later_windows_hold_less(self) -> None:
        table = probabilities(pd.DataFrame([SEVERE]), levels_quality="good").set_index(["hazard", "lead_start_min"])
        for hazard in HAZARDS:
            now, later = table.loc[(hazard, 0), "p"].max(), table.loc[(hazard, 30), "p"].max()
            soon = table.loc[(hazard, 15), "p"].max()
            assert later == pytest.approx(now * math.exp(-30 / CONSTANTS[hazard]["decay_min"]))
            assert soon == pytest.approx(now * math.exp(-15 / CONSTANTS[hazard]["decay_min"]))

    @pytest.mark.parametrize("quality", ["good", "doubtful", "climatology"])
    def test_what_is_missing_is_what_the_features_miss(self, quality: str) -> None:
        """Rules and trained models name the same sources."""
        random = np.random.default_rng(4)
        names = [column.name for column in STORMS if column.kind == "float"]
        values = pd.DataFrame(random.uniform(0, 60, (60, len(names))), columns=names)
        values["echo_top_50_km"] = NAN  # never known where the 18 dBZ top is not
        values["hail_size_class"] = random.integers(1, 5, 60).astype("f8")
        for columns in rules.SOURCES.values():
            values.loc[random.random(60) < 0.5, list(columns)] = NAN
        values[["u_m_s", "v_m_s"]] = values[["u_m_s", "v_m_s"]].mask(values["u_m_s"].isna())
        storms = values.assign(storm_id=[f"s{row}" for row in range(60)], time=pd.Timestamp("2026-07-01T08:00"))
        levels = {"h0_m": 5000.0, "hm20_m": 8300.0, "quality": quality, "source": "sounding", "indices": {}}
        table = probabilities(storms.assign(parents=[()] * 60), levels_quality=quality)
        found = table.drop_duplicates("storm_id")["inputs_missing"].tolist()
        assert found == missing_groups(features(storms, [], levels))
        assert len(set(found)) > 20

    def test_no_storms(self) -> None:
        table = probabilities(pd.DataFrame(columns=list(SEVERE)), levels_quality="good")
        assert table.empty
        check_table(table, PROBABILITIES, what="probabilities")


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high)


storms = st.fixed_dictionaries(
    {
        "max_dbz": numbers(35, 75), "vil_kg_m2": numbers(0, 120), "vil_density_g_m3": numbers(0, 8) | st.just(NAN),
        "echo_top_18_km": numbers(2, 18), "mesh_mm": numbers(0, 120), "mesh75_mm": numbers(0, 80),
        "posh_percent": numbers(0, 100), "h45_above_h0_km": numbers(-5, 12) | st.just(NAN),
        "u_m_s": numbers(-40, 40), "v_m_s": numbers(-40, 40), "observed_fraction": numbers(0.1, 1),
    }
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(storms, st.sampled_from(["good", "climatology"]), numbers(0, 30))
def test_monotone_and_within_0_and_1(storm: dict[str, float], quality: str, more: float) -> None:
    rising = {
        "mesh_mm": lambda row: hail(row, levels_quality=quality).p,
        "posh_percent": lambda row: hail(row, levels_quality=quality).p,
        "h45_above_h0_km": lambda row: hail(row, levels_quality=quality).p + thunderstorm(row).p,
        "max_dbz": lambda row: thunderstorm(row).p,
        "echo_top_18_km": lambda row: thunderstorm(row).p,
        "vil_kg_m2": lambda row: gale(row).p,
        "vil_density_g_m3": lambda row: gale(row).p,
    }
    for name, probability in rising.items():
        if math.isfinite(storm[name]):
            assert probability(storm | {name: storm[name] + more}) >= probability(storm) - 1e-12, name
    for p in (hail(storm, levels_quality=quality).p, thunderstorm(storm).p, gale(storm).p):
        assert 0 <= p <= 1


@settings(max_examples=30, deadline=None)
@given(numbers(35, 75), numbers(0, 20))
def test_two_dimensional_thunderstorm_is_monotone(dbz: float, more: float) -> None:
    assert thunderstorm(FLAT | {"max_dbz": dbz + more}).p >= thunderstorm(FLAT | {"max_dbz": dbz}).p


class TestDefinitionsAndCards:
    def test_hazards_are_the_schemas(self) -> None:
        assert tuple(DEFINITIONS) == HAZARDS
        assert DEFINITIONS["gale"].threshold == 17.2
        assert DEFINITIONS["hail"].threshold == 20

    @pytest.mark.parametrize("hazard", HAZARDS)
    def test_card_says_what_the_code_does(self, hazard: str) -> None:
        folder = MODELS / hazard / rules.MODELS[hazard]
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        assert (card["hazard"], card["version"]) == (hazard, rules.MODELS[hazard])
        assert {name: entry["value"] for name, entry in card["constants"].items()} == CONSTANTS[hazard]
        assert all(entry["source"] for entry in card["constants"].values())
        assert card["truth_class"] == "none: published rule, not trained"
        assert card["skill"] is None
        used = " ".join(card["formula"])
        assert all(name in used for name in CONSTANTS[hazard]), "a constant that no formula names"
        text = (folder / "card.md").read_text(encoding="utf-8")
        assert all(f"| `{name}` | {value:.7g} |" in text for name, value in CONSTANTS[hazard].items())

    def test_poh_is_one_at_the_top_of_its_range(self) -> None:
        assert np.isclose(poh(5.799), 1.0, atol=0.005)
