"""BUFR surface reports: the reference files, messages made here with eccodes, and what is no message of ours."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from wxcore.codes import eccodes
from wxcore.errors import LimitError, ReadError, Reason
from wxcore.station import bufr

TIME = {"year": 2025, "month": 6, "day": 9, "hour": 10, "minute": 42}


Keys = dict[str, float | str]


def message(
    subsets: list[Keys], descriptors: list[int], *, compressed: bool = False, edition: int = 4,
    category: int = 0, update: int = 0,
) -> bytes:  # fmt: skip
    """A message; keys such as "#2#timePeriod" of a subset, TIME unless given."""
    handle = eccodes.codes_bufr_new_from_samples(f"BUFR{edition}")
    try:
        for field, number in {
            "masterTablesVersionNumber": 40, "dataCategory": category, "updateSequenceNumber": update,
            "numberOfSubsets": len(subsets), "compressedData": int(compressed),
        }.items():  # fmt: skip
            eccodes.codes_set(handle, field, number)
        eccodes.codes_set_array(handle, "unexpandedDescriptors", descriptors)
        names = {name for subset in subsets for name in subset}
        for name in [f"#1#{key}" for key in TIME] + sorted(names):
            column = [subset.get(name, TIME.get(name[3:])) for subset in subsets]
            if compressed:
                kind = eccodes.codes_set_string_array if isinstance(column[0], str) else eccodes.codes_set_double_array
                kind(handle, name, column if len(set(column)) > 1 else column[:1])
            else:
                for at, value in enumerate(column):
                    rank, key = name[1:].split("#")
                    per = PER_SUBSET.get((tuple(descriptors), key), 1)
                    if value is not None:
                        eccodes.codes_set(handle, f"#{int(rank) + at * per}#{key}", value)
        eccodes.codes_set(handle, "pack", 1)
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


LIST = (
    301150, 301011, 301012, 301021, 7030, 10004, 12101, 12103, 13003,
    4025, 11001, 11002, 4025, 11043, 11041, 4024, 13011,
)  # fmt: skip
"""WIGOS id, date, time, place, height, p, T, Td, RH, wind of a period, gust of a period, rain of a period."""

PER_SUBSET: dict[tuple[tuple[int, ...], str], int] = {(LIST, "timePeriod"): 3}


def station(local: str = "15015", **more: float | str) -> Keys:
    base: Keys = {
        "wigosIdentifierSeries": 0, "wigosIssuerOfIdentifier": 20000, "wigosIssueNumber": 0,
        "wigosLocalIdentifierCharacter": local, "latitude": 29.5, "longitude": 106.5,
        "heightOfStationGroundAboveMeanSeaLevel": 259, "nonCoordinatePressure": 97650, "airTemperature": 303.15,
        "dewpointTemperature": 293.15, "relativeHumidity": 55, "windDirection": 250, "windSpeed": 6.5,
        "maximumWindGustDirection": 260, "maximumWindGustSpeed": 21.4, "totalPrecipitationOrTotalWaterEquivalent": 12.3,
    }  # fmt: skip
    periods = {"#1#timePeriod": -2, "#2#timePeriod": -10, "#3#timePeriod": -1}
    return {f"#1#{key}": value for key, value in base.items()} | periods | more


def test_reference_files(data: Path) -> None:
    folder = data / "stations" / "synop" / "data" / "example_with_bufr" / "reference_bufr"
    files = {file.stem: file.read_bytes() for file in folder.glob("*.bin")}
    assert len(files) == 23
    assert all(bufr.recognise_bufr_surface(raw[:8192]) for raw in files.values())
    one = bufr.FORMAT.read(files["15015"], "15015.bin")
    assert one.station.tolist() == ["15015"]
    assert one.time[0] == np.datetime64("2022-03-21T12:00")
    assert (one.lat[0], one.lon[0], one.elevation[0]) == (47.77694, 23.94028, 503)
    expected = {
        "air_pressure": 976.5, "air_temperature": 10.3, "dew_point_temperature": -9, "relative_humidity": 25,
        "wind_speed_10min": 1, "wind_from_direction_10min": 250, "wind_speed_of_gust": 3,
    }  # fmt: skip
    assert {
        key: round(float(value[0]), 2) for key, value in one.values.items()
    } == expected  # ww 508, rain of 6 h: none
    assert one.gust_period_min == 10


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("edition", [3, 4])
def test_several_subsets(compressed: bool, edition: int) -> None:
    cold: Keys = {"#1#airTemperature": 290.65, "#1#maximumWindGustSpeed": 33.0}
    subsets = [station(), station("57516", **cold), station("57511")]
    raw = message(subsets, list(LIST), compressed=compressed, edition=edition)
    assert bufr.recognise_bufr_surface(raw)
    found = bufr.FORMAT.read(
        b"ISMI60 BABJ 091042\r\r\n" + raw + b"\r\r\n" + message([station("57999")], list(LIST)), "x"
    )
    assert found.station.tolist() == ["15015", "57516", "57511", "57999"]
    assert np.unique(found.time) == np.datetime64("2025-06-09T10:42")
    np.testing.assert_allclose(found.values["air_temperature"], [30, 17.5, 30, 30], atol=1e-3)
    np.testing.assert_allclose(found.values["wind_speed_of_gust"], [21.4, 33, 21.4, 21.4], atol=1e-3)
    np.testing.assert_allclose(found.values["wind_speed"], 6.5, atol=1e-3)  # of two minutes
    np.testing.assert_allclose(found.values["precipitation_1h"], 12.3, atol=1e-3)
    np.testing.assert_allclose(found.values["air_pressure"], 976.5, atol=1e-3)
    assert found.gust_period_min == 10


def test_missing_calm_and_periods() -> None:
    quiet: Keys = {"#1#windSpeed": 0, "#1#airTemperature": eccodes.CODES_MISSING_DOUBLE}
    day: Keys = {"#1#timePeriod": -10, "#2#timePeriod": -360, "#3#timePeriod": -24}
    found = bufr.FORMAT.read(message([station("15015", **quiet), station("57516", **day)], list(LIST)), "x")
    assert found.values["wind_speed"][0] == 0
    assert "wind_from_direction" not in found.values  # calm, and a wind of ten minutes
    assert np.isnan(found.values["air_temperature"][0])
    assert np.isnan(found.values["precipitation_1h"][1])
    assert found.values["wind_speed_10min"][1] == np.float32(6.5)
    assert np.asarray(found.gust_period_min).tolist() == [10, 360]
    assert found.values["wind_speed_of_gust"][1] == np.float32(21.4)  # of six hours


def test_ids_and_updates() -> None:
    other: Keys = {"#1#wigosIssuerOfIdentifier": 156}
    raw = message([station("A8290", **other)], list(LIST), update=2)
    found = bufr.FORMAT.read(raw, "x")
    assert found.station.tolist() == ["0-156-0-A8290"]
    assert found.revision == 2


def test_soundings_are_left_to_others() -> None:
    raw = message([station()], list(LIST), category=2)
    assert not bufr.recognise_bufr_surface(raw)
    with pytest.raises(ReadError) as caught:
        bufr.FORMAT.read(raw, "x")
    assert caught.value.reason is Reason.UNSUPPORTED
    both = bufr.FORMAT.read(raw + message([station()], list(LIST)), "x")
    assert "messages of data categories [2] are not read" in both.remarks


def test_damage_ends_as_read_error() -> None:
    raw = message([station()], list(LIST))
    for cut in range(0, len(raw), 7):
        with pytest.raises(ReadError):
            bufr.FORMAT.read(raw[:cut], "x")
    rng = np.random.default_rng(1)
    for _ in range(60):
        spoiled = bytearray(raw)
        spoiled[rng.integers(8, len(raw) - 4)] = rng.integers(256)
        with suppress(ReadError):
            bufr.FORMAT.read(bytes(spoiled), "x")


def test_a_broken_message_does_not_take_the_others() -> None:
    raw = message([station()], list(LIST))
    found = bufr.FORMAT.read(raw[:60] + raw + message([station("57516")], list(LIST)), "x")
    assert found.station.tolist() == ["15015", "57516"]
    assert found.rejected == (("message cut off", 1),)


def test_declared_subsets_are_checked_before_decoding() -> None:
    raw = bytearray(message([station()], list(LIST)))
    at = 8 + int.from_bytes(raw[8:11], "big") + 4
    raw[at : at + 2] = (60_000).to_bytes(2, "big")
    with pytest.raises(ReadError) as caught:
        bufr.FORMAT.read(bytes(raw), "x")
    assert "more subsets than bits" in caught.value.en
    raw[at + 2] |= 0x40
    with pytest.raises(LimitError):
        bufr.FORMAT.read(bytes(raw), "x")


def test_impossible_time_is_rejected() -> None:
    with pytest.raises(ReadError) as caught:
        bufr.FORMAT.read(message([station(**{"#1#day": eccodes.CODES_MISSING_LONG})], list(LIST)), "x")
    assert bufr.NO_TIME in caught.value.en


def test_described() -> None:
    found = bufr.FORMAT.describe(bufr.FORMAT.read(message([station()], list(LIST)), "x"))
    assert (found.kind, found.site, found.time) == ("station", "BUFR", datetime(2025, 6, 9, 10, 42, tzinfo=UTC))
