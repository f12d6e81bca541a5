"""A small file for every reader of stations, soundings and models, and what must hold of all that they give."""

import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lxml import etree

from tests.environment import makers
from tests.environment.test_soundings import DIAMOND, TEMP
from tests.faults.scene import FOREIGN, REGION, SITES, START, write_region
from tests.pipeline.grounds import HEAD, air, profile, report
from tests.station import test_afile, test_bufr_surface, test_ftm_national, test_micaps, test_micaps_grids
from wxcore.environment.levels import levels_for
from wxcore.environment.profile import Model, Profile, Soundings
from wxcore.environment.tlogp import write_tlogp
from wxcore.environment.wyoming import write_wyoming
from wxcore.landing.guard import run_guarded
from wxcore.pipeline.gather import STATION_BACK
from wxcore.products.surface import station_table
from wxcore.region import Region, load_region
from wxcore.schema import QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT, STATION_TABLE, check_table
from wxcore.station.afile import Month
from wxcore.station.evidence import Evidence
from wxcore.station.ftm_write import write_ftm
from wxcore.station.micaps_grids import Drawing, Field
from wxcore.station.micaps_plots import write_scatter, write_surface
from wxcore.station.micaps_rows import Plot
from wxcore.station.music_write import write_csv, write_json
from wxcore.station.network import network_of
from wxcore.station.qc import quality_control
from wxcore.station.reports import Reports
from wxcore.station.series import series

IDS = ("57516", "A1001", "A1002", "A1003", "658290", "57348", "58015", "54902", "15015", "ZUCK", "ZUUU", "W0054",
       "T0005", "99070")  # fmt: skip
"""Stations of the region: those of the files below (A8290 is what 658290 stands for)."""

GROUND_PRODUCTS = {"cma-afile", *(f"micaps-{diamond}" for diamond in (2, 3, 4, 8, 11, 14, 16, 17))}
"""Formats that are decoded and then refused as inputs (micaps-3: where its header names no element of ours)."""

EARLIEST, LATEST = np.datetime64("1900-01-01"), np.datetime64("2100-01-01")
SENTINELS = (999999.0,)
"""No reader gives these numbers; nor those of its own format in ALSO."""

_MUSIC = (999998.0, 999996.0, 999992.0, 999990.0, 999017.0, 999999.0)
_FTM = (32766.0, 32744.0, 32767.0)
ALSO = {
    "ftm-regional": _FTM,
    "ftm-national": _FTM,
    "music-xml": _MUSIC, "music-json": _MUSIC, "music-csv": _MUSIC, "micaps-1": (9999.0,), "micaps-3": (9999.0,),
    "wtm-5min": (6999.0, 7999.0, -6999.0, -7999.0),
}  # fmt: skip
ID = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,16}")
LEGAL_FLAGS = (QC_GOOD, QC_SUSPECT, QC_BAD, QC_MISSING)
HIGHEST_M, LARGEST_HPA, WARMEST_C, FASTEST_M_S = 60_000.0, 1200.0, 100.0, 300.0
"""No ascent leaves these."""

SYNOP = f"""\
SMCI40 BABJ {START:%d%H}00
AAXX {START:%d%H}1
57516 11458 71204 10311 20226 39734 40012 53021 60091 77172 8453/ 333 10345 20251 91118=
57348 11470 72104 10298 20231 39601 40009 52008 70322 80008 333 55300=
A1001 46/// /1604 10305 20220 39721=
NNNN
"""
METAR = f"""\
SACI31 BABJ {START:%d%H}00
METAR
ZUCK {START:%d%H}00Z 24012G38MPS 210V270 0800 +TSRA SCT030CB M02/M05 Q0998 NOSIG=
ZUUU {START:%d%H}00Z 02003MPS 9999 FEW040 31/22 Q1003 RMK PK WND 21045/0745 P0012 T03110222=
NNNN
"""


class GroundSeed(NamedTuple):
    """A good file, as seeds.Seed."""

    reader: str
    variant: str
    raw: bytes
    name: str
    hot: int = 0
    text: bool = True


def ground_region(root: Path) -> Region:
    """The tiny region with the sites and stations of all samples."""
    folder = write_region(root, sites=(*SITES, *FOREIGN)) / REGION
    ids = [one.replace("658290", "A8290") for one in IDS]
    rows = [
        f"{one},站,Station,{29.05 + 0.02 * k},{106.05 + 0.02 * k},300,,plain,,,2000-01-01,,test\n"
        for k, one in enumerate(ids)
    ]
    (folder / "stations.csv").write_text(HEAD + "".join(rows))
    return load_region(REGION, root=root)


def _reports(count: int = 4) -> Reports:
    """Reports of the first stations, as the writers take them: with holes, a calm and verdicts."""
    values = {name: column[:count].copy() for name, column in air(START, outflow=True).items()}
    values["air_temperature"][1] = np.nan
    values["wind_speed"][2], values["wind_from_direction"][2] = 0.0, np.nan
    native = report(START, values, ids=IDS[:count])
    flags = np.resize(np.array(LEGAL_FLAGS, "u1"), count)
    return replace(native, provider={"air_temperature": flags, "wind_speed_of_gust": flags[::-1]})


def _music_xml(answer: bytes) -> bytes:
    """The JSON answer as XML."""
    rows = json.loads(answer)["DS"]
    root = etree.Element("DS", {"returnCode": "0", "returnMessage": "Query Succeed", "rowCount": str(len(rows))})
    for row in rows:
        etree.SubElement(root, "R", row)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _music() -> list[GroundSeed]:
    answer, name = write_json(_reports()), f"SURF_CHN_MUL_MIN_{START:%Y%m%d%H%M%S}"
    return [
        GroundSeed("music-json", "minutes", answer, f"{name}.json"),
        GroundSeed("music-xml", "minutes", _music_xml(answer), f"{name}.xml"),
        GroundSeed("music-csv", "commas", write_csv(_reports()), f"{name}.csv"),
        GroundSeed("music-csv", "blanks", write_csv(_reports(), delimiter=" "), f"{name}.txt"),
    ]


def _ftm() -> list[GroundSeed]:
    name = f"Z_SURF_C_BECQ-REG_{START:%Y%m%d%H%M%S}_O_AWS_FTM.TXT"
    rain = np.tile((np.arange(60) % 7 / 10).astype(np.float32), (4, 1))
    national = (test_ftm_national.ANHUI + test_ftm_national.HEBEI + "NNNN\n").encode()
    return [
        GroundSeed("ftm-regional", "plain", write_ftm(_reports()), name),
        GroundSeed("ftm-regional", "rain", write_ftm(replace(_reports(), minute_rain=rain, revision=1)), name),
        GroundSeed("ftm-national", "two", national, test_ftm_national.NAME),
    ]


def _micaps() -> list[GroundSeed]:
    name = f"{START + timedelta(hours=8):%y%m%d%H}.000"
    upper = b"diamond 2 t\n20 03 27 08 500 1\n57516 106.47 29.58 259 1 576 -12 3.5 270 22\n"
    cities = b"diamond 8 t\n20 03 27 08 24 1\n57516 106.47 29.58 259 1 0 2 12 20 3 0 9999\n"
    warmth = {"air_temperature": _reports().values["air_temperature"]}
    scatter = replace(_reports(), title="MICAPS 气温", values=warmth)
    lists = test_micaps.LIST.encode()
    return [
        GroundSeed("micaps-1", "writer", write_surface(_reports()), name),
        GroundSeed("micaps-1", "hand", test_micaps.SURFACE.encode("gbk"), "20032714.000"),
        GroundSeed("micaps-3", "writer", write_scatter(scatter), name),
        GroundSeed("micaps-3", "hand", test_micaps.SCATTER.encode("gbk"), "17011418.000"),
        GroundSeed("micaps-2", "hand", upper, "20032708.000"),
        GroundSeed("micaps-8", "hand", cities, "20032708.024"),
        GroundSeed("micaps-4", "hand", test_micaps_grids.SCALAR.encode("gbk"), "17033108.240"),
        GroundSeed("micaps-11", "hand", test_micaps_grids.WIND.encode(), "17033108.000"),
        GroundSeed("micaps-14", "hand", test_micaps_grids.DRAWING.encode(), "21011508.000"),
        GroundSeed("micaps-17", "hand", lists, "stations.000"),
        GroundSeed("micaps-16", "hand", lists.replace(b"diamond 17", b"diamond 16"), "stations.000"),
        GroundSeed("micaps-5", "writer", write_tlogp(_ascent("micaps-5")), name),
        GroundSeed("micaps-5", "hand", DIAMOND, "20061220.000"),
    ]


def _ascent(reader: str) -> Soundings:
    return Soundings(reader, "a sounding", (profile(START.replace(hour=0), h0_m=5200.0),))


def _bulletins() -> list[GroundSeed]:
    sent = f"{START:%d%H}00_C_BABJ_{START + timedelta(minutes=5):%Y%m%d%H%M%S}_1.txt"
    rows = [wtm_row(minute) for minute in range(0, 30, 5)]
    ascent = write_wyoming(_ascent("sounding-wyoming"))
    return [
        GroundSeed("synop-text", "land", SYNOP.encode(), f"A_SMCI40BABJ{sent}"),
        GroundSeed("metar-text", "two", METAR.encode(), f"A_SACI31BABJ{sent}"),
        GroundSeed("wtm-5min", "rows", "".join(rows).encode(), f"FIVEMIN_{START:%Y%j}.txt"),
        GroundSeed("cma-afile", "february", test_afile.made(), "A58237-202102.TXT"),
        GroundSeed("temp-text", "parts", TEMP, "USCI01BABJ121200.txt"),
        GroundSeed("sounding-wyoming", "writer", ascent, f"57516_{START:%Y%m%d}00.txt"),
        GroundSeed("station-list", "table", HEAD.encode() + b"57516,a,b,29.5,106.4,259\n" * 6, "stations.csv"),
    ]


def wtm_row(minute: int) -> str:
    """A row of a logger, local time."""
    values = "2.337,2.334,84.9,2.864,.199,2.842,11.81,12.95,12.03,55.08,350.8,0,2.855,1.195,0"
    return f"1,{START:%j},{minute},54,{values}\r\n"


def binary() -> dict[str, bytes]:
    """BUFR and GRIB, made by ecCodes: to be called where it may be loaded."""
    made = test_bufr_surface
    when = {"#1#year": START.year, "#1#month": START.month, "#1#day": START.day, "#1#hour": 7, "#1#minute": 50}
    stations = [made.station("57516", **when), made.station("15015", **when)]
    box = {"box": (28.0, 31.0, 105.0, 108.0), "run": (int(f"{START:%Y%m%d}"), 0), "valid_h": 6}
    return {
        "bufr-surface plain": made.message(stations, list(made.LIST)),
        "bufr-surface compressed": made.message(stations, list(made.LIST), compressed=True),
        "bufr-sounding plain": makers.bufr([makers.simple(START)]),
        "bufr-sounding compressed": makers.bufr([makers.simple(START)], compressed=1),
        "nwp-grib two": makers.grib_profile(**box),
        "nwp-grib one": makers.grib_profile(sample="regular_ll_pl_grib1", **box),
    }


def _coded() -> list[GroundSeed]:
    ends = {"bufr-surface": "surface.bufr", "bufr-sounding": "UPAR_57516.BIN", "nwp-grib": "model.grib2"}
    made = run_guarded(binary, wall_s=60.0)
    seeds = []
    for key, raw in made.items():
        reader, word = key.split(" ")
        seeds.append(GroundSeed(reader, word, raw, ends[reader], text=False))
    return seeds


@cache
def ground_seeds() -> tuple[GroundSeed, ...]:
    """Good files of every format of stations and of the air above them; made once."""
    return tuple(seed for make in (_music, _ftm, _micaps, _bulletins, _coded) for seed in make())


def faults_of_ground(native: object, region: Region) -> list[str]:
    """What is wrong with an object that a reader gave, and with what a cycle would make of it alone."""
    match native:
        case Reports():
            return faults_of_reports(native) or _faults_of_table(native, region)
        case Month():
            return faults_of_reports(native.reports)
        case Soundings():
            profiles = list(native.profiles)
        case Model():
            profiles = list(native.profiles.values())
            if any(spread < 0 or math.isinf(spread) for spread in native.spread_h0_m.values()):
                return [f"spread {native.spread_h0_m}"]
        case Plot() | Field():
            columns = native.values.items()
            return [f"{name}: infinite" for name, column in columns if np.isinf(column).any()]
        case _:
            return [] if isinstance(native, Drawing) else [f"a {type(native).__name__}"]
    faults = [fault for one in profiles for fault in _faults_of_profile(one)]
    return faults or _faults_of_levels(native, max(one.time for one in profiles), region)


def faults_of_reports(native: Reports) -> list[str]:
    """What is wrong with reports: sentinels, infinities, times, places, ids, verdicts."""
    faults = [] if ((native.time >= EARLIEST) & (native.time <= LATEST)).all() else [f"times {native.time}"]
    faults += [f"id {one!r}" for one in native.station.tolist() if not ID.fullmatch(one) or one != one.upper()]
    sentinels = (*SENTINELS, *ALSO.get(native.format, ()))
    for name, column in {**native.values, "elevation": native.elevation}.items():
        if (
            column.dtype != np.float32
            or np.isinf(column).any()
            or np.isin(column, np.array(sentinels, np.float32)).any()
        ):
            faults.append(f"{name}: {column.dtype} {column}")
    for axis, low, high in ((native.lat, -90, 90), (native.lon, -180, 360)):
        if not (np.isnan(axis) | ((axis >= low) & (axis <= high))).all():
            faults.append(f"place {axis}")
    age = native.time - native.gust_time
    known = ~np.isnat(native.gust_time)
    if (age[known] < np.timedelta64(0)).any() or (age[known] > np.timedelta64(1, "D")).any():
        faults.append(f"gusts blew at {native.gust_time}, reports of {native.time}")
    faults += [f"{name}: verdicts {flags}" for name, flags in native.provider.items() if set(flags) - set(LEGAL_FLAGS)]
    rain = native.minute_rain
    if rain is not None and (rain.shape != (native.time.size, 60) or np.isinf(rain).any() or (rain < 0).any()):
        faults.append(f"minute rain {rain.shape}")
    words = " ".join([native.title, *native.remarks, *(why for why, _ in native.rejected)])
    return faults + ([] if words.isprintable() else [f"words {words!r}"])


def _faults_of_table(native: Reports, region: Region) -> list[str]:
    """The network's quality control and table of these reports alone, at the time of the newest."""
    network, when = network_of(region, native.end), native.end
    blind = np.full(network.ids.size, np.nan, np.float32)
    judged = quality_control(series([native], network, when - STATION_BACK, when), Evidence(blind, blind))
    check_table(station_table(judged, when), STATION_TABLE, what="stations")
    return []


def _faults_of_profile(one: Profile) -> list[str]:
    faults = [] if datetime(1900, 1, 1, tzinfo=UTC) <= one.time <= datetime(2100, 1, 1, tzinfo=UTC) else ["time"]
    place = abs(one.lat) > 90 or not -180 <= one.lon <= 360
    faults += ["place"] if place and math.isfinite(one.lat + one.lon) else []
    for name, low, high in (
        ("pressure", 0, LARGEST_HPA), ("height", -1000, HIGHEST_M), ("temperature", -150, WARMEST_C),
        ("dew_point", -300, WARMEST_C), ("u", -FASTEST_M_S, FASTEST_M_S), ("v", -FASTEST_M_S, FASTEST_M_S),
    ):  # fmt: skip
        column = getattr(one, name)
        if not (np.isnan(column) | ((column >= low) & (column <= high))).all() or column.dtype != np.float64:
            faults.append(f"{name} {column}")
    return faults + ([] if one.place and one.place.isprintable() else [f"place {one.place!r}"])


def _faults_of_levels(native: object, when: datetime, region: Region) -> list[str]:
    """The heights that a cycle would take from it."""
    assert isinstance(native, Model | Soundings)
    levels = levels_for(region, when, natives=[native])
    return [] if 0 < levels.h0_m < levels.hm20_m < HIGHEST_M else [f"levels {levels.h0_m} {levels.hm20_m}"]
