"""Which cycles are run again, and in which order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from wxcore.landing.ledger import STORED, CycleRow, FileRow
from wxcore.pipeline.catchup import (
    CUT_OFF,
    HISTORY,
    PATIENCE,
    RERUN_EVERY,
    SKY_RERUN_EVERY,
    Ran,
    Stale,
    basis_of,
    history_of,
    next_cycle,
    radar_files,
    ready,
)
from wxcore.pipeline.gather import Chosen
from wxcore.times import CYCLE

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def volume(site: str, when: datetime, content: str = "a") -> FileRow:
    return FileRow(content * 64, f"{site}.bin", 10, "cinrad-standard", "volume", site, when, when, STORED)


def version(when: datetime, fingerprint: str = "f") -> CycleRow:
    return CycleRow(
        "chongqing", when, "snapshot", fingerprint, degraded=False, missing=(), committed_at=when, basis="b",
        reanalysis=False,
    )  # fmt: skip


def stale(when: datetime, *, run_before: bool = False, sites: tuple[str, ...] = ("Z9230",)) -> Stale:
    chosen = Chosen(tuple(volume(site, when - timedelta(minutes=3)) for site in sites), None, None)
    return Stale(when, chosen, "basis", version(when) if run_before else None)


def cycles(count: int, newest: datetime = NOON) -> list[datetime]:
    return [newest - step * CYCLE for step in range(count - 1, -1, -1)]


def test_the_basis_tells_files_and_past() -> None:
    chosen = stale(NOON).chosen
    base = basis_of(chosen, [version(NOON - CYCLE)])
    assert basis_of(chosen, [version(NOON - CYCLE)]) == base
    assert basis_of(chosen, [version(NOON - CYCLE, "g")]) != base
    assert basis_of(chosen, []) != base
    corrected = replace(chosen, volumes=(volume("Z9230", NOON, "b"),))
    assert basis_of(corrected, [version(NOON - CYCLE)]) != base


def test_history_is_what_tracking_reads_else_the_newest_before() -> None:
    known = [version(time) for time in cycles(20)]
    assert [row.time for row in history_of(known, NOON)] == cycles(5, NOON - CYCLE)
    late = NOON + timedelta(hours=3)
    assert [row.time for row in history_of(known, late)] == [NOON]
    assert history_of(known, NOON + timedelta(hours=25)) == []
    assert history_of([], NOON) == []


def order(times: list[datetime], now: datetime) -> list[datetime]:
    """The order in which cycles run that change nothing after them."""
    left, ran = [stale(time) for time in times], list[datetime]()
    while (item := next_cycle(left, now, max(ran, default=None))) is not None:
        ran.append(item.time)
        left.remove(item)
    return ran


def test_after_an_outage_the_present_comes_first_then_its_half_hour_then_the_rest_in_order() -> None:
    backlog = cycles(60)
    ran = order(backlog, NOON)
    assert ran[0] == NOON
    assert sorted(ran) == backlog
    rest = ran[1:]
    while rest and rest[0] != backlog[0]:
        rest = rest[1:]
    assert rest == sorted(rest)


def test_a_past_case_runs_in_the_order_of_time_newest_gap_first() -> None:
    old, older = cycles(5, NOON - timedelta(hours=2)), cycles(5, NOON - timedelta(hours=6))
    assert order([*older, *old], NOON) == [*old, *older]


@given(st.sets(st.integers(0, 200), min_size=1, max_size=60))
def test_every_cycle_is_run_once_and_a_new_present_always_first(steps: set[int]) -> None:
    times = sorted(NOON - step * CYCLE for step in steps)
    ran = order(times, NOON)
    assert sorted(ran) == times
    if times[-1] >= NOON - CUT_OFF:
        assert ran[0] == times[-1]


def test_a_late_file_in_the_last_half_hour_does_not_wait_for_older_ones() -> None:
    left = [stale(NOON - 40 * CYCLE), stale(NOON - 2 * CYCLE, run_before=True), stale(NOON, run_before=True)]
    chosen = next_cycle(left, NOON, NOON)
    assert chosen is not None
    assert chosen.time == NOON - 2 * CYCLE >= NOON - HISTORY


def test_a_new_cycle_waits_for_radars_that_delivered_lately_but_not_for_ever() -> None:
    item = stale(NOON, sites=("Z9230",))
    recent = {"Z9230", "Z9092"}
    assert not ready(item, recent, {}, NOON)
    assert ready(item, recent, {}, NOON + PATIENCE)
    assert ready(stale(NOON, sites=("Z9230", "Z9092")), recent, {}, NOON)
    assert not ready(stale(NOON, sites=("Z9230", "Z9092")), recent, {}, NOON - timedelta(seconds=1))


def test_a_cycle_is_not_run_again_for_every_late_file() -> None:
    item = stale(NOON, run_before=True)
    assert ready(item, set(), {}, NOON)
    assert not ready(item, set(), {NOON: Ran(NOON)}, NOON + RERUN_EVERY / 2)
    assert ready(item, set(), {NOON: Ran(NOON)}, NOON + RERUN_EVERY)


def test_late_lightning_alone_runs_a_cycle_again_less_often() -> None:
    item = stale(NOON, run_before=True)
    flash = replace(volume("FY-4A/LMI", NOON), kind="lightning")
    struck = replace(item, chosen=replace(item.chosen, lightning=(flash,)))
    same, other = Ran(NOON, radar_files(item.chosen)), Ran(NOON, ("other",))
    assert ready(item, set(), {NOON: same}, NOON + RERUN_EVERY)
    assert not ready(struck, set(), {NOON: same}, NOON + RERUN_EVERY)
    assert ready(struck, set(), {NOON: same}, NOON + SKY_RERUN_EVERY)
    assert ready(struck, set(), {NOON: other}, NOON + RERUN_EVERY)
