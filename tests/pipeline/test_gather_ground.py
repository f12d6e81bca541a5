"""Which files of stations, soundings and models feed a cycle, and which cycles they make."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxcore.landing.ledger import STORED, FileRow
from wxcore.pipeline.catchup import LATE_RERUN_EVERY, SKY_RERUN_EVERY, Ran, Stale, ready
from wxcore.pipeline.gather import MODELS, STATION_BACK, Chosen, choose_from, cycles_covered, span_of
from wxcore.region import Region
from wxcore.times import CYCLE

WHEN = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def row(minutes: float, *, kind: str = "station", site: str = "FTM", size: int = 1, name: str = "") -> FileRow:
    """A file whose time is so many minutes after WHEN."""
    time = WHEN + minutes * MINUTE
    sha256 = hashlib.sha256(f"{time} {kind} {site} {size} {name}".encode()).hexdigest()
    return FileRow(sha256, name or f"{site}{minutes}", size, "f", kind, site, time, WHEN, STORED)


def chosen(rows: list[FileRow], region: Region, when: datetime = WHEN) -> Chosen:
    return choose_from(sorted(rows, key=lambda one: one.obs_time or WHEN), region, when)


def minutes(files: tuple[FileRow, ...]) -> list[float]:
    return [(one.obs_time - WHEN) / MINUTE for one in files if one.obs_time is not None]


def test_minute_files_of_the_last_two_hours_are_taken(chongqing: Region) -> None:
    found = chosen([row(number) for number in range(-140, 10)], chongqing).stations
    assert minutes(found) == list(range(round(-STATION_BACK / MINUTE) + 1, 1))


def test_an_hours_file_serves_and_makes_every_cycle_of_its_hour(chongqing: Region) -> None:
    hour = row(0, site="MUSIC SURF_CHN_MUL_MIN/59min")
    assert span_of(hour.site) == timedelta(minutes=59)
    covered = cycles_covered([(hour.kind, hour.site, WHEN)])
    assert covered == [WHEN - number * CYCLE for number in range(9, -1, -1)]
    for when in covered:
        assert chosen([hour], chongqing, when).stations == (hour,)
    assert chosen([hour], chongqing, WHEN - timedelta(hours=1)).stations == ()


@settings(max_examples=25, deadline=None)
@given(ends=st.sets(st.integers(-200, 60), min_size=1, max_size=60), span=st.integers(7, 90))
def test_what_is_polled_again_and_again_is_read_as_seldom_as_can_be(
    chongqing: Region, ends: set[int], span: int
) -> None:
    site = f"MUSIC SURF_CHN_MUL_MIN/{span}min"
    rows = [row(end, site=site) for end in ends]
    found = chosen(rows, chongqing).stations
    assert len(found) <= 2 * (STATION_BACK / MINUTE) / span + 3
    told = {minute for end in ends for minute in range(end - span, end + 1) if -129 <= minute <= 0}
    read = {minute for end in minutes(found) for minute in range(round(end) - span, round(end) + 1)}
    assert told <= read  # nothing of the last two hours is left unread
    reaching = [end for end in ends if end >= 0]
    if reaching:  # then what comes later changes nothing any more
        later = [row(end, site=site) for end in range(max(reaching) + 1, max(reaching) + 30)]
        assert chosen([*rows, *later], chongqing).stations == found


def test_of_two_deliveries_of_one_time_the_fuller_counts_whenever_it_came(chongqing: Region) -> None:
    thin, full = row(0, size=100, name="a"), row(0, size=200, name="b")
    assert chosen([full, thin], chongqing).stations == chosen([thin, full], chongqing).stations == (thin, full)


def test_the_environment_makes_no_cycle(chongqing: Region) -> None:
    files = [row(-30, kind="sounding", site="57516"), row(0, kind="nwp", site="ECMF")]
    assert cycles_covered([(one.kind, one.site, WHEN) for one in files]) == []
    found = chosen(files, chongqing)
    assert set(found.air) == set(files)
    assert not found.observed


@pytest.mark.parametrize(("hours", "taken"), [(-13, False), (-11, True), (0, True), (0.1, False)])
def test_soundings_of_half_a_day_and_none_of_later(hours: float, taken: bool, chongqing: Region) -> None:
    assert bool(chosen([row(60 * hours, kind="sounding")], chongqing).air) is taken


def test_a_models_file_of_many_steps_serves_until_its_last(chongqing: Region) -> None:
    whole = row(16 * 60, kind="nwp", site="ECMF 128")  # valid from 8 h ago until 16 h ahead: its time is the last
    assert chosen([whole], chongqing).air == (whole,)
    steps = [row(180 * number, kind="nwp", site="ECMF 128") for number in range(-10, 40)]
    near = chosen(steps, chongqing).air
    assert len(near) == MODELS
    assert {-180, 0, 180} <= set(minutes(near))


@pytest.mark.parametrize(("age", "every"), [(6, SKY_RERUN_EVERY), (60, LATE_RERUN_EVERY)])
def test_late_reports_run_a_past_cycle_again_but_seldom(age: int, every: timedelta) -> None:
    late = Stale(WHEN, Chosen((), None, None, stations=(row(-3),)), "b", None)
    ran = {WHEN: Ran(WHEN + age * MINUTE)}
    assert not ready(late, (), ran, WHEN + age * MINUTE + every - MINUTE)
    assert ready(late, (), ran, WHEN + age * MINUTE + every)
