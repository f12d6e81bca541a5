"""Hypothesis: any Warning that the system may make, and the number of examples (WXCORE_EXAMPLES for the long run)."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

from wxcore.warning.cap_fields import ROMAN
from wxcore.warning.model import (
    ARRIVALS,
    LEVELS,
    Also,
    Change,
    Move,
    Observed,
    Place,
    Reference,
    Warning,
)

T = TypeVar("T")

EXAMPLES = int(os.environ.get("WXCORE_EXAMPLES", "0"))


def examples(ci: int) -> int:
    """Examples of one property: those of CI, or WXCORE_EXAMPLES."""
    return EXAMPLES or ci


COLOURS = dict(zip(LEVELS, ("Blue", "Yellow", "Orange", "Red"), strict=True))
GRADES = dict(zip(reversed(LEVELS), ROMAN, strict=True))
HAZARDS = {
    "hail": ("冰雹", "Hail", "11B15"),
    "thunderstorm": ("雷电", "Lightning", "11B14"),
    "gale": ("雷雨大风", "Gale", "11B20"),
}

NASTY = (
    "<script>alert(1)</script>", "]]>&amp;", "?>", "a & b < c", "甲区、乙区", "\t tab \n line ", "=SUM(A1)", "𠀀",
    "\u2028", "\r\n", '"', "x" * 40, " ", "District 1", "渝中区",
)  # fmt: skip
letters = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))
text = st.one_of(st.text(letters, max_size=20), st.sampled_from(NASTY))
names = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,12}", fullmatch=True)


class Noise(Random):
    """What need not shrink is drawn from a seed: a tenth of the time of one hypothesis draw a number."""

    def words(self) -> str:
        return self.choice(NASTY).strip() or "w"

    def some(self, make: Callable[[], T], most: int = 2, least: int = 0) -> tuple[T, ...]:
        return tuple(make() for _ in range(self.randint(least, most)))

    def maybe(self, value: float) -> float | None:
        return self.choice((None, value, round(value)))

    def time(self) -> datetime:
        return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=self.randrange(600_000_000))

    def pair(self) -> tuple[str, str]:
        return self.words(), self.words()

    def place(self, digits: int = 6) -> Place:
        code = self.choice(("", "50" + "".join(self.choices("0123456789", k=digits - 2))))
        start = self.uniform(0, 60)
        return Place(
            adcode=code, name_zh=self.words(), name_en=self.words(), storm_id=f"s{self.randint(0, 9)}", eta_min=start,
            end_min=start + self.uniform(0, 60), p=self.random(), since=self.time(), arrival=self.choice(ARRIVALS),
            below_runs=self.randint(0, 3),
        )  # fmt: skip

    def ring(self) -> tuple[tuple[float, float], ...]:
        """A closed ring in the region, corners counter-clockwise; four decimals or more."""
        lon, lat = self.uniform(105.5, 109.5), self.uniform(28.5, 31.5)
        east, north = lon + self.uniform(0.01, 0.4), lat + self.uniform(0.01, 0.4)
        digits = self.choice((4, 6, 15))
        corners = [(lon, lat), (east, lat), (east, north), (lon, north), (lon, lat)]
        return tuple((round(x, digits), round(y, digits)) for x, y in corners)

    def observed(self) -> Observed | None:
        if self.random() < 0.2:
            return None
        numbers = [self.maybe(self.uniform(0, 90)) for _ in range(3)]
        return Observed(self.randint(0, 9), *numbers, self.choice((None, 0, 7)), self.choice((None, 0, 123)))

    def change(self) -> Change:
        def move() -> Move:
            return Move(self.some(self.pair), self.choice(LEVELS), self.choice(LEVELS))

        some = [self.some(self.pair) for _ in range(2)]
        return Change(*some, self.some(move, 1), self.some(move, 1), self.choice((True, False)))

    def also(self) -> Also:
        hazard = self.choice(sorted(HAZARDS))
        return Also(hazard, self.choice(LEVELS), *HAZARDS[hazard][:2], self.some(self.pair))


@st.composite
def warnings(draw: st.DrawFn) -> Warning:
    """Drafts and messages of every kind, with texts that hold markup and numbers that no decimal holds exactly."""
    noise = Noise(draw(st.integers(0, 2**32 - 1)))
    hazard, level = draw(st.sampled_from(sorted(HAZARDS))), draw(st.sampled_from(LEVELS))
    stage = draw(st.sampled_from(("draft", "issued")))
    kind = draw(st.sampled_from(("Alert", "Update", "Cancel")))
    statuses = ("Test", "Exercise", "Draft", *(("Actual",) if stage == "issued" else ()))
    sent = noise.time()
    effective = sent + timedelta(seconds=noise.randint(0, 600))
    onset = effective + timedelta(seconds=noise.randint(0, 3600))
    sender = f"{draw(names)}@example.org"
    identifier = f"wx-{draw(names)}-{hazard}"

    def reference(n: int) -> Reference:
        age = timedelta(seconds=noise.randint(0, 7200))
        return Reference(sender, f"{identifier}.{n}", sent - age, sent + timedelta(seconds=60 + n))

    return Warning(
        id=identifier, region="testland", cycle=noise.time(), hazard=hazard, level=level, msg_type=kind,
        serial=noise.randint(1, 99), sender=sender, sender_name_zh=noise.words(), sender_name_en=noise.words(),
        references=() if kind == "Alert" else tuple(reference(n) for n in range(noise.randint(1, 3))),
        sent=sent, effective=effective, onset=onset, expires=onset + timedelta(seconds=noise.randint(1, 90_000)),
        event_zh=HAZARDS[hazard][0], event_en=HAZARDS[hazard][1], event_code=HAZARDS[hazard][2],
        colour_en=COLOURS[level], grade=GRADES[level],
        severity=noise.choice(("Extreme", "Severe", "Moderate", "Minor")),
        urgency=noise.choice(("Immediate", "Expected", "Future", "Past")),
        certainty=noise.choice(("Observed", "Likely", "Possible", "Unlikely")),
        response=noise.some(lambda: noise.choice(("Shelter", "Prepare", "Avoid", "Monitor"))),
        districts=noise.some(noise.place, 3, 1), polygons=noise.some(noise.ring, 2, 1), p=draw(st.floats(0, 1)),
        storm_ids=noise.some(noise.words), model=noise.words(), drivers=noise.some(noise.words),
        drivers_zh=noise.some(noise.words), degraded=noise.some(noise.words), degraded_zh=noise.some(noise.words),
        data_kind=noise.choice(("volume", "composite")), truth=noise.choice(("real", "SYN")),
        languages=draw(st.sampled_from((("zh-CN", "en-US"), ("en-US", "zh-CN"), ("zh-CN",), ("en-US",)))),
        utc_offset_h=draw(st.sampled_from((8.0, 0.0, -3.5, 5.75))), headline_zh=f"H{draw(text)}",
        headline_en=f"E{noise.words()}", description_zh=f"描{draw(text)}", description_en=f"D{noise.words()}.",
        instruction_zh=draw(text), instruction_en=noise.words(), status=draw(st.sampled_from(statuses)),
        observed=noise.observed(), change=noise.change(), also=noise.some(noise.also),
        leads=noise.choice((True, False)), towns=noise.some(lambda: noise.place(12)), remark_zh=noise.words(),
        remark_en=noise.words(), stage=stage,
    )  # fmt: skip
