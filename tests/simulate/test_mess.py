"""What befalls files: by their path and the seed alone, at the rates asked for."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxcore.simulate.mess import (
    COPY_MIN,
    EMPTY,
    FLIPPED,
    KINDS,
    LATE_MIN,
    MOST_FLIPPED,
    PAGE,
    RESENT,
    TRUNCATED,
    ZEROS,
    Mess,
    broken_bytes,
    disturb,
    missing,
    overtaken,
)
from wxcore.simulate.planned import Planned

START = datetime(2026, 7, 1, 8, tzinfo=UTC)
COUNT = 2500
PLANNED = [
    Planned(f"radar/{n % 14}/{n:04d}.bin", START, START, START + timedelta(seconds=10 * n), "radar", (n,))
    for n in range(COUNT)
]
EACH = Mess(late=0.05, missing=0.01, duplicated=0.02, broken=0.03, seed=7)


def test_without_a_mess_all_arrive_as_planned() -> None:
    for sent in (disturb(PLANNED), disturb(PLANNED, Mess(seed=3))):
        assert [(item.path, item.arrives, item.broken, item.copy) for item in sent] == [
            (item.path, item.arrives, "", 0) for item in PLANNED
        ]


def test_rates_are_those_asked_for() -> None:
    sent = disturb(PLANNED, EACH)
    lost = missing(PLANNED, sent)
    assert not overtaken(lost, EACH)
    first = [item for item in sent if not item.copy]
    assert len(first) + len(lost) == COUNT
    # Five standard deviations of a binomial.
    for count, rate in (
        (len(lost), 0.01), (sum(item.late > timedelta(0) for item in first), 0.05),
        (len(sent) - len(first), 0.02), (sum(bool(item.broken) for item in first), 0.03),
    ):  # fmt: skip
        assert abs(count - rate * COUNT) < 5 * (rate * COUNT) ** 0.5
    kinds = Counter(item.broken for item in first if item.broken)
    assert set(kinds) == set(KINDS)


def test_the_late_the_copies_and_the_order() -> None:
    sent = disturb(PLANNED, EACH)
    assert sent == sorted(sent, key=lambda item: (item.arrives, item.path))
    by_path = {item.path: item for item in sent}
    assert len(by_path) == len(sent)
    for item in sent:
        if item.copy:
            once = by_path[item.path.removeprefix(f"{RESENT}/")]
            after = (item.arrives - once.arrives) / timedelta(minutes=1)
            assert COPY_MIN[0] <= after <= COPY_MIN[1]
            assert (item.broken, item.planned) == (once.broken, once.planned)
        elif item.late:
            assert LATE_MIN[0] <= item.late / timedelta(minutes=1) <= LATE_MIN[1]


def test_order_and_other_rates_change_no_fate() -> None:
    assert disturb(reversed(PLANNED), EACH) == disturb(PLANNED, EACH)
    late = {item.path for item in disturb(PLANNED, Mess(late=0.05, seed=7)) if item.late}
    more = {item.path for item in disturb(PLANNED, Mess(late=0.5, broken=0.5, duplicated=0.1, seed=7))
            if item.late and not item.copy}  # fmt: skip
    assert late < more
    other = {item.path for item in disturb(PLANNED, Mess(late=0.05, seed=8)) if item.late}
    assert late != other


@pytest.mark.parametrize("rate", [-0.01, 1.01, float("nan")])
def test_rates_are_parts(rate: float) -> None:
    with pytest.raises(ValueError, match="expected a part"):
        Mess(broken=rate)


@given(content=st.binary(min_size=3, max_size=2000), seed=st.integers(0, 2**32 - 1))
def test_broken_bytes_are_broken(content: bytes, seed: int) -> None:
    made = {kind: broken_bytes(content, kind, "a/b.bin", seed) for kind in KINDS}
    assert made == {kind: broken_bytes(content, kind, "a/b.bin", seed) for kind in KINDS}
    assert made[EMPTY] == b""
    assert made[ZEROS] == b"\0" * len(content)
    assert made[PAGE].startswith(b"<!DOCTYPE html>")
    assert 0 < len(made[TRUNCATED]) < len(content)
    assert content.startswith(made[TRUNCATED])
    changed = [place for place, (a, b) in enumerate(zip(content, made[FLIPPED], strict=True)) if a != b]
    assert 1 <= len(changed) <= MOST_FLIPPED
    third = len(content) // 3
    assert third <= changed[0]
    assert changed[-1] <= 2 * len(content) // 3


def test_places_of_damage_depend_on_path_and_seed() -> None:
    content = bytes(range(256)) * 40
    cut = [len(broken_bytes(content, TRUNCATED, path, seed)) for path in ("a", "b", "c") for seed in (1, 2)]
    assert len(set(cut)) == len(cut)


def test_tiny_files_and_unknown_kinds() -> None:
    assert broken_bytes(b"ab", FLIPPED, "a", 1) == broken_bytes(b"a", TRUNCATED, "a", 1) == b""
    with pytest.raises(ValueError, match="expected one of"):
        broken_bytes(b"abc", "burnt", "a", 1)


def test_no_version_of_a_file_comes_after_a_newer_one() -> None:
    grown = [replace(item, path="day.txt") for item in PLANNED[:400]]
    sent = disturb(grown, Mess(late=0.3, duplicated=0.1, seed=7))
    for path in ("day.txt", f"{RESENT}/day.txt"):
        versions = [item.planned.arrives for item in sent if item.path == path]
        assert versions == sorted(set(versions))
    lost = missing(grown, sent)
    assert lost
    assert {item.planned for item in sent} == set(grown) - set(lost)
    assert overtaken(lost, Mess(late=0.3, duplicated=0.1, seed=7)) == lost
    gaps = Mess(late=0.3, missing=0.1, seed=7)
    never = missing(grown, disturb(grown, gaps))
    older = overtaken(never, gaps)
    certain = missing(grown, disturb(grown, Mess(missing=0.1, seed=7)))
    assert [item for item in never if item not in older] == certain
    assert older
    assert certain
    assert len({item.broken for item in disturb(grown, Mess(broken=0.5, seed=7))}) > 1, (
        "versions have fates of their own"
    )
