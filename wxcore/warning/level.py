"""Which level of which signal: the rules of a region as frozen records, and the tests against them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Any

from wxcore.errors import RegionError
from wxcore.warning.model import LEVELS

OFFICIAL = "official"
"""`source_grade` of a wording that stands in the decree itself."""


@dataclass(frozen=True)
class Condition:
    """One way to reach a level: probability >= p_up, and each product of `at_least` >= its threshold."""

    p_up: float
    p_down: float
    at_least: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class LevelRule:
    """One colour of a signal. No conditions: only a forecaster can raise to it.

    `source`: where its wording stands; `source_grade`: how far to trust that; `decree`: the dated decree of an official
    one, "" for others; `*_en`: the same in English, the Chinese where the rules have no English for it.
    """

    level: str
    text_zh: str
    text_en: str
    guidance_zh: tuple[str, ...]
    guidance_en: tuple[str, ...]
    validity: timedelta
    response: tuple[str, ...]
    conditions: tuple[Condition, ...]
    source: str
    source_grade: str
    decree: str = ""
    source_en: str = ""
    decree_en: str = ""


@dataclass(frozen=True)
class Signal:
    """A warning signal. `levels` from low to high."""

    hazard: str
    name_zh: str
    name_en: str
    verb_zh: str
    verb_en: str
    risk_zh: str
    risk_en: str
    event_code: str
    levels: tuple[LevelRule, ...]

    def rule(self, level: str) -> LevelRule:
        """The rule of one colour of this signal.

        Raises:
            RegionError: the signal has no such colour.
        """
        found = next((rule for rule in self.levels if rule.level == level), None)
        if found is None:
            known = ", ".join(rule.level for rule in self.levels)
            raise RegionError(
                f"signal {self.hazard} has no level {level!r}: rules.toml knows {known}",
                f"预警信号 {self.hazard} 没有等级 {level!r}：rules.toml 中有 {known}",
            )
        return found


@dataclass(frozen=True)
class Colour:
    """How a level is written: names, roman numeral and grade, CAP severity."""

    zh: str
    en: str
    roman: str
    grade_zh: str
    grade_en: str
    severity: str


@dataclass(frozen=True)
class Rulebook:
    """Everything that drafting needs from rules.toml."""

    signals: tuple[Signal, ...]
    colours: Mapping[str, Colour]
    horizon_min: float
    min_life: timedelta
    hold_runs: int
    renew_before: timedelta
    redraft: timedelta
    keep_fraction: float
    min_overlap_km2: float
    volume_only: frozenset[str]
    languages: tuple[str, ...]
    utc_offset_h: float
    clock_zh: str
    clock_en: str

    def signal(self, hazard: str) -> Signal:
        """The signal of a hazard.

        Raises:
            RegionError: the rule book has no enabled signal of that hazard.
        """
        found = next((signal for signal in self.signals if signal.hazard == hazard), None)
        if found is None:
            known = ", ".join(signal.hazard for signal in self.signals) or "none"
            raise RegionError(
                f"no enabled signal for hazard {hazard!r}: rules.toml knows {known}",
                f"灾种 {hazard!r} 没有启用的预警信号：rules.toml 中有 {known}",
            )
        return found


def rulebook(rules: Mapping[str, Any]) -> Rulebook:
    """The rules of a region (`Region.rules`, `extends` already resolved).

    Raises:
        RegionError: a key is missing, of the wrong kind, or contradicts another; the message names it.
    """
    try:
        drafting, display = rules["drafting"], rules["display"]
        signals = tuple(
            _signal(hazard, rules["signals"][name], str(rules.get("decree", "")), rules.get("sources_en", {}))
            for hazard, name in rules["hazards"].items()
            if rules["signals"][name]["enabled"]
        )
        return Rulebook(
            signals=signals,
            colours={level: _colour(rules["colours"][level]) for level in LEVELS},
            horizon_min=float(drafting["horizon_min"]),
            min_life=timedelta(minutes=drafting["min_life_min"]),
            hold_runs=int(drafting["hold_runs"]),
            renew_before=timedelta(minutes=drafting["renew_before_min"]),
            redraft=timedelta(minutes=drafting["redraft_min"]),
            keep_fraction=float(drafting["keep_fraction"]),
            min_overlap_km2=float(drafting["min_overlap_km2"]),
            volume_only=frozenset(drafting["volume_only"]),
            languages=tuple(display["languages"]),
            utc_offset_h=float(display["utc_offset_h"]),
            clock_zh=str(display["clock_zh"]),
            clock_en=str(display["clock_en"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise RegionError(
            f"rules.toml cannot be used: {type(cause).__name__} {cause}. Compare with station_meta/rules/national.toml",
            f"rules.toml 不能使用：{type(cause).__name__} {cause}。请对照 station_meta/rules/national.toml",
        ) from cause


def _colour(row: Mapping[str, Any]) -> Colour:
    return Colour(row["zh"], row["en"], row["roman"], row["grade_zh"], row["grade_en"], row["severity"])


def _signal(hazard: str, table: Mapping[str, Any], decree: str, english: Mapping[str, str]) -> Signal:
    unknown = set(table["levels"]) - set(LEVELS)
    if unknown:
        raise ValueError(f"{hazard}: unknown levels {sorted(unknown)}")
    return Signal(
        hazard=hazard,
        name_zh=table["name_zh"],
        name_en=table["name_en"],
        verb_zh=table["verb_zh"],
        verb_en=table["verb_en"],
        risk_zh=table["risk_zh"],
        risk_en=table["risk_en"],
        event_code=table["event_code"],
        levels=tuple(
            _level(name, table["levels"][name], decree, english) for name in LEVELS if name in table["levels"]
        ),
    )


def _level(name: str, row: Mapping[str, Any], decree: str, english: Mapping[str, str]) -> LevelRule:
    conditions = tuple(_condition(entry) for entry in row["when"])
    decree = decree if row["source_grade"] == OFFICIAL else ""
    return LevelRule(
        level=name,
        text_zh=row["text_zh"],
        text_en=row["text_en"],
        guidance_zh=tuple(row["guidance_zh"]),
        guidance_en=tuple(row["guidance_en"]),
        validity=timedelta(hours=row["validity_h"]),
        response=tuple(row["response"]),
        conditions=conditions,
        source=row["source"],
        source_grade=row["source_grade"],
        decree=decree,
        source_en=english.get(row["source"], row["source"]),
        decree_en=english.get(decree, decree),
    )


def _condition(entry: Mapping[str, Any]) -> Condition:
    p_up, p_down = float(entry["p_up"]), float(entry["p_down"])
    if not 0 < p_down < p_up <= 1:
        raise ValueError(f"expected 0 < p_down < p_up <= 1, found p_down {p_down:g}, p_up {p_up:g}")
    return Condition(p_up, p_down, tuple((str(k), float(v)) for k, v in entry.get("at_least", {}).items()))


def reaches(rule: LevelRule, p: float, storm: Mapping[Any, Any]) -> bool:
    """Does a storm reach the level anew? A missing product (NaN or no column) never counts as evidence."""
    return any(p >= c.p_up and _has(storm, c.at_least, 1.0) for c in rule.conditions)


def keeps(rule: LevelRule, p: float, storm: Mapping[Any, Any], fraction: float) -> bool:
    """Does a storm hold a level already named? Thresholds p_down, and `fraction` of the product thresholds."""
    return any(p >= c.p_down and _has(storm, c.at_least, fraction) for c in rule.conditions)


def highest(rules: Sequence[LevelRule], p: float, storm: Mapping[Any, Any]) -> str:
    """The highest level reached anew, "" where none."""
    return next((rule.level for rule in reversed(rules) if reaches(rule, p, storm)), "")


def _has(storm: Mapping[Any, Any], at_least: tuple[tuple[str, float], ...], fraction: float) -> bool:
    for column, threshold in at_least:
        value = float(storm.get(column, float("nan")))
        if not isfinite(value) or value < fraction * threshold:
            return False
    return True
