"""A10 and A11: future and odd times, host time zones, naive datetimes at the doors."""

import importlib
import inspect
import pkgutil
import struct
import types
import typing
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from sqlalchemy import Connection

import wxcore
from tests.faults.grids import field, moc_composite, tenths
from tests.faults.harness import Outcome, Tally
from tests.faults.scene import CELLS, REGION, START, packed, storm, tiny_region, volume_at, write_cycle
from tests.faults.state import state
from tests.faults.zygote import Job, zygote
from tests.pipeline.grounds import air, profile, report
from tests.radar import test_moc
from wxcore.archive.expire import Retention
from wxcore.archive.place import Place, place_of
from wxcore.environment.box_mean import Cube
from wxcore.environment.box_mean import Field as ModelField
from wxcore.environment.levels import Levels, levels_for
from wxcore.environment.profile import Model, Soundings
from wxcore.errors import ReadError, Reason, TimeError, WxcoreError
from wxcore.grid import Grid
from wxcore.landing.ledger import Actor, Draft, FileRow, Ledger
from wxcore.landing.ledger import Outcome as Ended
from wxcore.landing.ledger.engine import Writing
from wxcore.landing.ledger.leases import Lease, acquire_lease
from wxcore.landing.ledger.outbox import OutboxRow
from wxcore.lightning.flashes import Flashes, to_flashes
from wxcore.pipeline.catchup import Stale
from wxcore.pipeline.gather import Chosen, choose
from wxcore.pipeline.home import Home
from wxcore.pipeline.ingest import ingest
from wxcore.pipeline.issue import Edit, Office, open_office
from wxcore.pipeline.policy import Policy
from wxcore.pipeline.read import Reading
from wxcore.pipeline.result import QUARANTINED, STORED
from wxcore.pipeline.run import run
from wxcore.products.surface import station_table
from wxcore.radar import cinrad
from wxcore.radar.moc import read_moc
from wxcore.radar.volume import Volume
from wxcore.region import RadarSite, Region
from wxcore.simulate.scene import World
from wxcore.station.network import Network, network_of
from wxcore.station.reports import Reports
from wxcore.station.series import series
from wxcore.storms.identify import Cells
from wxcore.times import CYCLE, parse_time
from wxcore.warning.contacts import Contacts
from wxcore.warning.level import Rulebook, rulebook
from wxcore.warning.model import Warning

ZONES = ("UTC", "Asia/Shanghai", "America/New_York")
INSTANTS = tuple(
    datetime.fromisoformat(text)
    for text in (
        "2025-12-31T23:54+00:00",  # the year ends in UTC
        "2026-03-08T07:00+00:00",  # clocks of New York go forward
        "2025-11-02T06:00+00:00",  # and back
        "2026-06-30T16:00+00:00",  # midnight, and a new month, in Beijing
        "2024-02-28T23:54+00:00",  # before a leap day
        "2016-12-31T23:54+00:00",  # before a leap second
    )
)
MINUTES_AHEAD = (9, 10.5, 11, 60, 6 * 60, 24 * 60, 66 * 60)
"""How far in the future files are dated; only the first is within the limit of 10."""

ODD_TEXTS = (
    "2016-12-31T23:59:60Z", "2016-12-31T24:00:00Z", "2016-12-31T23:59:60+00:00", "2026-07-01T08:00",
    "2026-07-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-29T00:00Z", "2026-07-01T08:00:00+24:01",
    "nan", "",
)  # fmt: skip
EXACT = {"2016-12-31T24:00:00Z": datetime(2017, 1, 1, tzinfo=UTC)}
"""Texts that a newer Python may take, and the only time that they may stand for."""

ODD_CLOCKS = ((2016, 12, 31, 23, 59, 60), (2016, 12, 31, 24, 0, 0), (2026, 2, 29, 0, 0, 0), (0, 0, 0, 0, 0, 0),
              (65535, 12, 31, 0, 0, 0), (2026, 13, 1, 0, 0, 0))  # fmt: skip


def future(n: int, seed: int, folder: Path) -> Outcome:
    """A10: files dated ahead of the clock, `n` at most; a file at +9 min is taken."""
    region, tally = tiny_region(folder / "meta"), Tally()
    for minutes in MINUTES_AHEAD[:n]:
        start = (datetime.now(UTC) + timedelta(minutes=minutes)).replace(microsecond=0)
        path = folder / f"ahead-{minutes}.bin"
        path.write_bytes(packed(volume_at(region.radars[0], start, seed=seed, born=start)))
        (item,) = ingest([path], Home(folder / "home"), region)
        expected = (STORED, "") if minutes <= 10 else (QUARANTINED, str(Reason.FUTURE_TIME))
        wrong = (item.status, item.reason) != expected
        tally.add(f"{minutes} min ahead", [f"{item.status} {item.reason}, expected {expected}"] if wrong else [])
    return tally.outcome("A10 future-dated files")


def zones(n: int, seed: int, folder: Path) -> Outcome:
    """A11: two cycles at `n` awkward instants under each host TZ; all must give the same."""
    meta, tally = folder / "meta", Tally()
    region = tiny_region(meta)
    with zygote() as maker:
        for number, when in enumerate(INSTANTS[:n]):
            files = [
                path
                for step in range(2)
                for path in write_cycle(
                    region, folder / f"in{number}", when + step * CYCLE, seed=seed + step, born=when
                )
            ]
            found = {}
            for zone in ZONES:
                home = folder / f"home-{number}-{zone.replace('/', '-')}"
                words = ["run", *map(str, files), "--region", REGION, "--out", str(home), "--direct", "--lang", "en"]
                ended = maker.run(Job(words, str(meta), zone=zone))
                found[zone] = (ended.code, state(Home(home), REGION, files))
            code, expected = found["UTC"]
            whole = code == 0 and len(expected.cycles) == 2 and bool(expected.drafts)
            for zone, (ended_code, mine) in found.items():
                faults = mine.differences(expected) + ([] if ended_code == code else [f"exit code {ended_code}"])
                tally.add(f"{when} under {zone}", faults if whole else [*faults, f"two cycles expected: {expected}"])
    return tally.outcome("A11 host time zones")


def odd_times(n: int, seed: int, folder: Path) -> Outcome:
    """A11: leap seconds, 24:00, years out of range, as texts and in file headers: refused, or the right instant."""
    del n, seed
    region, tally = tiny_region(folder / "meta"), Tally()
    for text in ODD_TEXTS:
        try:
            found = parse_time(text)
        except TimeError:
            tally.add(text, [])
            continue
        tally.add(text, [] if EXACT.get(text) == found else [f"taken as {found}"])
    for number, clock in enumerate(ODD_CLOCKS):
        data = bytearray(test_moc.moc())
        struct.pack_into("<6H", data, 100, *clock)
        path = folder / f"{number}.bin"
        path.write_bytes(data)
        (item,) = ingest([path], Home(folder / "home"), region)
        good = item.status == QUARANTINED and item.reason == Reason.BAD_HEADER
        tally.add(f"MOC clock {clock}", [] if good else [f"{item.status} {item.reason} {item.time}"])
    return tally.outcome("A11 odd times")


NO_DOORS = {
    "wxcore.warning.changes.references", "wxcore.pipeline.catchup.history_of",
    "wxcore.pipeline.catchup.next_cycle", "wxcore.pipeline.catchup.ready", "wxcore.pipeline.gather.choose_from",
    "wxcore.pipeline.checks.accept", "wxcore.pipeline.ingest.decode_and_decide", "wxcore.pipeline.status.silences",
    "wxcore.pipeline.maintain.finished_days", "wxcore.pipeline.analyse.mosaic_cube",
    "wxcore.pipeline.sky_images.instruments", "wxcore.pipeline.sky_images.one_image",
    "wxcore.pipeline.sky_images.passes", "wxcore.station.micaps_rows.make_plot", "wxcore.environment.texts.day_before",
}  # fmt: skip
"""Steps inside a room that take a time which its door has checked: `scan`, `draft`, `stale_cycles`, `take_in`,
`decide_pending`, `analyse`, `sky_of`, `watch`, the readers of MICAPS, `environment.temp.read_dated`."""


ECHO = xr.Dataset({"composite_reflectivity": (("time", "lat", "lon"), np.zeros((1, CELLS, CELLS), "f4"))})
BESIDES: dict[str, dict[str, Any]] = {
    "wxcore.archive.read.open_archive": {"region": REGION},
    "wxcore.pipeline.ground_evidence.evidence_at": {"cube": ECHO},
}  # fmt: skip
"""Arguments that may be left out, and are needed here."""


def doors() -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """Every public function of wxcore with a parameter that is a datetime, and its annotations."""
    for info in pkgutil.walk_packages(wxcore.__path__, "wxcore."):
        if info.name.startswith("wxcore.cli"):  # its doors take text
            continue
        module = importlib.import_module(info.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("_") or function.__module__ != info.name:
                continue
            hints = typing.get_type_hints(function)
            if f"{info.name}.{name}" in NO_DOORS:
                continue
            if any(_is_time(hint) for key, hint in hints.items() if key != "return"):
                yield f"{info.name}.{name}", function, hints


def _is_time(hint: Any) -> bool:
    """A datetime, or one that may be left out."""
    return hint is datetime or (isinstance(hint, types.UnionType) and datetime in typing.get_args(hint))


def arguments(function: Callable[..., Any], hints: dict[str, Any], known: dict[Any, Any]) -> dict[str, Any] | None:
    """An argument of its type for every parameter that must be given, every time naive; None where one is not known."""
    naive = datetime(2026, 7, 1, 8, 0)  # noqa: DTZ001 (that it is naive is the test)
    given = {}
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints.get(name)
        if _is_time(hint):
            given[name] = naive
        elif parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            found = [known[option] for option in _options(name, hint) if option in known]
            if not found:
                return None
            given[name] = found[0]
    return given


def _options(name: str, hint: Any) -> Iterator[Any]:
    """Under what an argument may be known: its name, its type, one of a union, its kind of collection."""
    yield name
    for each in (hint, typing.get_origin(hint), *typing.get_args(hint)):
        if isinstance(each, Hashable):
            yield each


def call(function: Callable[..., Any], given: dict[str, Any]) -> list[str]:
    """Call a door with naive times: TimeError is what must come of it."""
    try:
        names = inspect.signature(function).parameters
        places = [given[name] for name in given if names[name].kind is not inspect.Parameter.KEYWORD_ONLY]
        words = {name: given[name] for name in given if names[name].kind is inspect.Parameter.KEYWORD_ONLY}
        result = function(*places, **words)
        if hasattr(result, "__enter__"):
            with result:
                pass
    except TimeError:
        return []
    except WxcoreError as error:
        return [f"{type(error).__name__} before the time was looked at: {error.en[:80]}"]
    except Exception as error:  # noqa: BLE001
        return [f"{type(error).__name__}: {str(error)[:80]}"]
    return ["took a naive time"]


def plain_arguments(region: Region, home: Home, connection: Connection, drafted: Warning) -> dict[Any, Any]:
    """A good argument of each type (or of a name, where the type says too little) that stands beside a time."""
    ledger, nothing = home.ledger(), pd.DataFrame()
    volume, chosen = volume_at(region.radars[0], START), choose(ledger, region, START)
    grid, hour = read_moc(moc_composite(tenths(field()), START), "composite.bin"), START + timedelta(hours=1)
    return {
        Region: region, Home: home, Path: home.archive, Place: place_of(home.archive, REGION), Grid: region.grid,
        RadarSite: region.radars[0], Ledger: ledger, Writing: Writing(connection), FileRow: chosen.rows[0],
        Lease: acquire_lease(ledger, REGION, START, holder="the test"), Ended: Ended("", "", False, ()),
        OutboxRow: OutboxRow("k", "i", "c", "r", "p", "waiting", 0, START, hour, "", None, "", START, None),
        Levels: levels_for(region, START), Chosen: chosen, Stale: Stale(START, chosen, "", None), Volume: volume,
        Reading: Reading(cinrad.FORMAT, volume, cinrad.FORMAT.describe(volume)), "native": grid,
        Retention: Retention(), date: START.date(), Reason: Reason.EMPTY,
        ReadError: ReadError(Reason.EMPTY, "e", "z"), Random: Random(1), Warning: drafted,
        pd.DataFrame: nothing, xr.Dataset: xr.Dataset(), Cells: Cells(nothing, np.zeros((1, 1), "i4")),
        np.ndarray: np.zeros((1, 1)), World: storm(START), "lon": 1.0, "lat": 1.0, "height_m": 1.0,
        str: REGION, float: 1.0, int: 1, bool: False,
        list: [], Sequence: (), Mapping: {}, Collection: (), Iterable: (),
        Iterable[Draft]: [Draft("id", "hail", "blue", {})], Actor: Actor("li", "forecaster"), Edit: Edit(level="red"),
        Office: open_office(home, region, Policy()), Rulebook: rulebook(region.rules), Contacts: Contacts(),
    } | ground_arguments(region)  # fmt: skip


def ground_arguments(region: Region) -> dict[Any, Any]:
    """The same of stations, soundings, models and flashes."""
    network, ascent, cube = network_of(region, START), profile(START, h0_m=5000.0), Cube()
    observed = series([], network, START - timedelta(hours=2), START)
    for pressure, height, kelvin in zip(ascent.pressure, ascent.height, ascent.temperature + 273.15, strict=True):
        cube.add(ModelField.HEIGHT, float(pressure), np.full(4, height))
        cube.add(ModelField.TEMPERATURE, float(pressure), np.full(4, kelvin))
    return {
        Network: network, "obs": observed, "table": station_table(observed, START), Cube: cube, bytes: b"",
        Iterable[Model]: [Model("nwp-grib", "m", START, {START: ascent})],
        Sequence[Soundings]: [Soundings("temp-text", "s", (ascent,))], Flashes: to_flashes([]),
        Reports: report(START, air(START, outflow=False)),
    }  # fmt: skip


def naive(n: int, seed: int, folder: Path) -> Outcome:
    """A11: naive datetimes at every public function that takes one, with good arguments for the rest."""
    del n, seed
    region, home, tally = tiny_region(folder / "meta"), Home(folder / "home"), Tally()
    result = run(write_cycle(region, folder / "in", START), home, region)
    skipped = 0
    with home.ledger().engine.connect() as connection:
        known = plain_arguments(region, home, connection, result.cycles[0].drafts[0])
        for name, function, hints in doors():
            given = arguments(function, hints, known)
            skipped += given is None
            if given is not None:
                tally.add(name, call(function, given | BESIDES.get(name, {})))
    return tally.outcome("A11 naive times", {"doors not reached by plain arguments": skipped})
