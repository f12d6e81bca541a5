"""Quality control: two hundred absurd observations are flagged, sane ones are not, and nothing ever raises."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.station import absurd
from tests.station.absurd import ALL, MINUTES, OUTFLOW, RH, STATIONS, TD, D, G, P, T, W, break_one
from wxcore.schema import ELEMENT_NAMES, QC_BAD, QC_GOOD, QC_MISSING, QC_SUSPECT, REASON, qc_name, reason_name
from wxcore.station.evidence import Evidence
from wxcore.station.qc import quality_control

SANE = absurd.sane()
NEWEST = -1
LONE = 20
"""A station far from the outflow."""


def flags(out: xr.Dataset, element: str) -> np.ndarray:
    return out[qc_name(element)].values


def reasons(out: xr.Dataset, element: str) -> np.ndarray:
    return out[reason_name(element)].values


def with_values(element: str, rows: int | slice, station: int, value: Any) -> xr.Dataset:
    out = SANE.copy(deep=True)
    out[element].values[rows, station] = value
    return out


def counts(out: xr.Dataset) -> dict[str, tuple[int, int]]:
    found = {
        name: ((flags(out, name) == QC_SUSPECT).sum(), (flags(out, name) == QC_BAD).sum()) for name in ELEMENT_NAMES
    }
    return {name: pair for name, pair in found.items() if sum(pair)}


class TestSaneNetwork:
    def test_nothing_is_flagged_and_nothing_changed(self) -> None:
        out = quality_control(SANE, absurd.evidence())
        assert not counts(out)
        for name in ELEMENT_NAMES:
            np.testing.assert_array_equal(out[name].values, SANE[name].values)

    def test_its_outflow_breaks_steps_and_is_cleared(self) -> None:
        out = quality_control(SANE, absurd.evidence())
        cleared = (reasons(out, P) & REASON["step_cleared"]) > 0
        assert cleared[:, OUTFLOW].any()
        assert not cleared[:, : OUTFLOW.start - 10].any()

    def test_without_radar_the_ground_speaks_for_it(self) -> None:
        out = quality_control(SANE)
        assert not counts(out).get(G)
        assert all(bad == 0 for _, bad in counts(out).values())


@pytest.mark.parametrize("number", range(len(ALL)), ids=[f"{i}-{row.kind}" for i, row in enumerate(ALL)])
def test_absurd_is_flagged_and_the_sane_are_not(number: int) -> None:
    row, station = ALL[number], 3 + number % 20
    out = quality_control(break_one(SANE, row, station), absurd.evidence())
    assert flags(out, row.element)[NEWEST, station] in {QC_SUSPECT, QC_BAD}, row
    others = np.arange(STATIONS) != station
    for name in ELEMENT_NAMES:
        assert not (flags(out, name)[:, others] == QC_BAD).any(), name
        assert not (flags(out, name)[:, OUTFLOW] == QC_SUSPECT).any(), name


def test_table_has_two_hundred() -> None:
    assert len({(row.kind, row.since) for row in ALL}) == len(ALL) >= 200
    assert {row.element for row in ALL} == set(ELEMENT_NAMES)


class TestSteps:
    def test_the_return_from_a_spike_is_no_failure(self) -> None:
        spike = SANE[T].values[40, LONE] + 8
        out = quality_control(with_values(T, 40, LONE, spike), absurd.evidence())
        assert np.flatnonzero(flags(out, T)[:, LONE]).tolist() == [40]

    def test_a_spike_at_the_windows_start_judges_nobody(self) -> None:
        out = quality_control(with_values(T, 0, LONE, SANE[T].values[0, LONE] + 8), absurd.evidence())
        assert np.flatnonzero(flags(out, T)[:, LONE]).tolist() == [0]

    def test_a_spike_inside_of_the_storm_is_never_cleared(self) -> None:
        out = quality_control(with_values(T, 60, 55, SANE[T].values[60, 55] - 5), absurd.evidence())
        assert flags(out, T)[60, 55] == QC_SUSPECT

    def test_a_jump_larger_than_any_outflow_is_never_cleared(self) -> None:
        out = quality_control(with_values(T, slice(60, None), 55, SANE[T].values[60:, 55] - 25), absurd.evidence())
        assert (flags(out, T)[60:, 55] >= QC_SUSPECT).all()

    def test_one_kind_of_support_leaves_it_suspect_and_two_clear_it(self) -> None:
        obs = with_values(T, slice(66, None), LONE, SANE[T].values[66:, LONE] - 6)
        seen = [np.full(STATIONS, value, "f4") for value in (np.nan, 50, 3)]
        one = quality_control(obs, Evidence(seen[1], seen[0]), spatial_minutes=0)
        two = quality_control(obs, Evidence(seen[1], seen[2]), spatial_minutes=0)
        assert flags(one, T)[66, LONE] == QC_SUSPECT
        assert flags(two, T)[66, LONE] == QC_GOOD
        assert reasons(two, T)[66, LONE] == REASON["step_cleared"]

    def test_hourly_reports_are_not_compared(self) -> None:
        values = np.full(MINUTES, np.nan, "f4")
        values[[0, 60]] = 28, 40
        out = quality_control(with_values(T, slice(None), LONE, values), spatial_minutes=0)
        assert flags(out, T)[[0, 60], LONE].tolist() == [QC_GOOD, QC_GOOD]
        assert (np.delete(flags(out, T)[:, LONE], [0, 60]) == QC_MISSING).all()


def speaking(out: xr.Dataset, row: int = NEWEST, station: int = LONE) -> float:
    return float(out["gust_witnesses"].values[row, station])


def slowly(*names: str, since: int = 65, rows: int = 6, obs: xr.Dataset | None = None) -> xr.Dataset:
    """Lone gust; at LONE temperature falls by 4 K and pressure rises by 1.8 hPa from `since` on, in steps that pass."""
    out = (TestGust.gust if obs is None else obs).copy(deep=True)
    for name, change in ((T, -4.0), (P, 1.8)):
        if name in names:
            share = np.clip((np.arange(MINUTES) - since + 1) / rows, 0, 1)
            out[name].values[:, LONE] += (change * share).astype("f4")
    return out


class TestGust:
    gust = with_values(G, NEWEST, LONE, 28.0)

    def test_alone_it_is_suspect_and_kept(self) -> None:
        out = quality_control(self.gust, absurd.evidence())
        assert flags(out, G)[NEWEST, LONE] == QC_SUSPECT
        assert reasons(out, G)[NEWEST, LONE] == REASON["isolated_gust"]
        assert out[G].values[NEWEST, LONE] == 28
        assert speaking(out) == 0

    @pytest.mark.parametrize(
        ("what", "count"),
        [("echo", 1), ("flash", 1), ("echo flash", 1), ("neighbour", 1), ("air", 1), ("temperature", 0),
         ("pressure", 0), ("echo neighbour", 2), ("echo air", 2), ("echo neighbour air", 3)],
    )  # fmt: skip
    def test_witnesses_are_counted_and_one_makes_it_good(self, what: str, count: int) -> None:
        dbz, flashes = np.full(STATIONS, -10, "f4"), np.zeros(STATIONS, "f4")
        names = {"air": (T, P), "temperature": (T,), "pressure": (P,)}
        obs = slowly(*next((names[word] for word in what.split() if word in names), ()))
        if "echo" in what:
            dbz[LONE] = 35
        if "flash" in what:
            flashes[LONE] = 1
        if "neighbour" in what:
            obs[G].values[50, LONE + 1] = 0.61 * 28
        out = quality_control(obs, Evidence(dbz, flashes), spatial_minutes=0)
        assert speaking(out) == count
        assert flags(out, G)[NEWEST, LONE] == (QC_GOOD if count else QC_SUSPECT)

    def test_another_id_at_the_same_mast_is_no_witness(self) -> None:
        obs = self.gust.copy(deep=True)
        obs[G].values[NEWEST, LONE + 1] = 28
        for name, off in (("lat", 0.0), ("lon", 0.004)):
            obs[name].values[LONE + 1] = obs[name].values[LONE] + off
        assert speaking(quality_control(obs, absurd.evidence(), spatial_minutes=0)) == 0
        obs["lon"].values[LONE + 1] += 0.01
        assert speaking(quality_control(obs, absurd.evidence(), spatial_minutes=0)) == 1

    @pytest.mark.parametrize(("since", "count"), [(20, 0), (38, 1), (60, 1), (65, 0)])
    def test_the_own_air_speaks_within_ten_minutes_of_the_gust(self, since: int, count: int) -> None:
        """The newest report tells of a gust at row 55, 15 minutes before."""
        obs = slowly(T, P, since=since, rows=6)
        blew = np.broadcast_to(obs.time.values[:, None], (MINUTES, STATIONS)).copy()
        blew[NEWEST, LONE] -= np.timedelta64(15, "m")
        known = obs.assign(gust_time=(("time", "station"), blew))
        out = quality_control(known, absurd.evidence(), spatial_minutes=0)
        assert speaking(out) == count
        if since <= 38:  # it may have blown then: nobody told when
            assert speaking(quality_control(obs, absurd.evidence(), spatial_minutes=0)) == 1
            short = obs.assign(
                gust_time=(("time", "station"), np.full(blew.shape, np.datetime64("NaT", "ns"))),
                gust_earliest=(
                    ("time", "station"),
                    obs.time.values[:, None] - np.full(blew.shape, np.timedelta64(5, "m")),
                ),
            )
            assert speaking(quality_control(short, absurd.evidence(), spatial_minutes=0)) == 0

    def test_a_spike_of_temperature_and_pressure_is_no_witness(self) -> None:
        obs = self.gust.copy(deep=True)
        obs[T].values[60, LONE] -= 8
        obs[P].values[60, LONE] += 3
        assert speaking(quality_control(obs, absurd.evidence(), spatial_minutes=0)) == 0

    @pytest.mark.parametrize("doubt", ["moved", "provider", "below the mean wind", "frozen"])
    def test_a_gust_that_is_not_good_has_no_witness(self, doubt: str) -> None:
        storm = Evidence(np.full(STATIONS, 50, "f4"), np.full(STATIONS, 3, "f4"))
        obs = slowly(T, P)
        if doubt == "moved":
            obs = obs.assign_coords(moved=("station", np.arange(STATIONS) == LONE))
        if doubt == "provider":
            verdict = np.zeros((MINUTES, STATIONS), "u1")
            verdict[NEWEST, LONE] = QC_SUSPECT
            obs = obs.assign({f"{G}_provider": (("time", "station"), verdict)})
        if doubt == "below the mean wind":
            obs[W].values[-3:, LONE] = 40
        if doubt == "frozen":
            obs[G].values[:, LONE] = 28
        out = quality_control(obs, storm, spatial_minutes=0)
        assert flags(out, G)[NEWEST, LONE] == QC_SUSPECT
        assert speaking(out) == 0

    def test_neighbours_that_are_not_good_are_no_witness(self) -> None:
        obs = self.gust.copy(deep=True)
        obs[G].values[:, LONE + 1] = 28.0  # frozen
        assert speaking(quality_control(obs, absurd.evidence(), spatial_minutes=0)) == 0
        moved = obs.assign_coords(moved=("station", np.arange(STATIONS) == LONE + 1))
        moved[G].values[:NEWEST, LONE + 1] = SANE[G].values[:NEWEST, LONE + 1]
        assert speaking(quality_control(moved, absurd.evidence(), spatial_minutes=0)) == 0

    @pytest.mark.parametrize(("minutes", "asked"), [(5, True), (10, True), (20, False), (60, False)])
    def test_an_hourly_station_cannot_be_asked_about_its_air(self, minutes: int, asked: bool) -> None:
        alone = self.gust.isel(station=[LONE])[[G, T, P]].copy(deep=True)
        silent = (np.arange(MINUTES - 1, -1, -1) % minutes) > 0
        for name in (T, P):
            alone[name].values[silent] = np.nan
        assert np.isnan(speaking(quality_control(alone), station=0)) != asked

    def test_weak_gusts_are_not_asked_about(self) -> None:
        out = quality_control(SANE, absurd.evidence())
        np.testing.assert_array_equal(np.isnan(out["gust_witnesses"].values), ~(SANE[G].values >= 13.9))

    def test_out_of_range_it_is_bad_whatever_speaks_for_it(self) -> None:
        out = quality_control(with_values(G, NEWEST, 55, 75.1), absurd.evidence())
        assert flags(out, G)[NEWEST, 55] == QC_BAD

    def test_nothing_to_ask_is_nan_and_no_zero(self) -> None:
        alone = self.gust[[G]].isel(station=[LONE])
        out = quality_control(alone)
        assert np.isnan(speaking(out, station=0))
        assert flags(out, G)[NEWEST, 0] == QC_SUSPECT

    @pytest.mark.parametrize("where", ["ridge", "mountain", "plain"])
    def test_the_class_of_the_place_changes_nothing(self, where: str) -> None:
        obs = self.gust.assign_coords(elev_class=("station", [where] * STATIONS))
        assert flags(quality_control(obs, absurd.evidence()), G)[NEWEST, LONE] == QC_SUSPECT


class TestVerdicts:
    def test_a_provider_who_doubts_makes_suspect_and_never_overrules_range(self) -> None:
        obs = with_values(T, 5, LONE, 80)
        provider = np.full((MINUTES, STATIONS), QC_GOOD, "u1")
        provider[4, LONE] = QC_BAD
        out = quality_control(obs.assign({f"{T}_provider": (("time", "station"), provider)}), absurd.evidence())
        assert flags(out, T)[[4, 5], LONE].tolist() == [QC_SUSPECT, QC_BAD]
        assert reasons(out, T)[4, LONE] & REASON["provider"]

    def test_a_moved_station_is_suspect(self) -> None:
        obs = SANE.assign_coords(moved=("station", np.arange(STATIONS) == LONE))
        out = quality_control(obs, absurd.evidence())
        assert (flags(out, W)[:, LONE] == QC_SUSPECT).all()
        assert not flags(out, W)[:, LONE + 1].any()

    def test_a_direction_that_is_missing_in_a_wind_keeps_its_reason(self) -> None:
        out = quality_control(with_values(D, 30, LONE, np.nan), absurd.evidence())
        assert flags(out, D)[30, LONE] == QC_MISSING
        assert reasons(out, D)[30, LONE] == REASON["internal"]

    def test_a_gust_that_blew_before_its_hour_is_suspect(self) -> None:
        blew = np.broadcast_to(SANE.time.values[:, None], (MINUTES, STATIONS)).copy()
        blew[30, LONE] -= np.timedelta64(90, "m")
        blew[31, LONE] += np.timedelta64(5, "m")
        out = quality_control(SANE.assign(gust_time=(("time", "station"), blew)), absurd.evidence())
        assert np.flatnonzero(flags(out, G)[:, LONE]).tolist() == [30, 31]

    def test_typhoon_pressure_is_suspect_and_no_error(self) -> None:
        shape = (3, 1)
        low = SANE.isel(time=slice(3), station=[LONE])[[P]].assign(
            {P: (("time", "station"), np.full(shape, 962, "f4"))}
        )
        low = low.assign_coords(elevation=("station", np.zeros(1, "f4")), barometer=("station", np.zeros(1, "f4")))
        assert (flags(quality_control(low), P) == QC_SUSPECT).all()

    def test_frozen_where_the_air_stands_still_is_sane(self) -> None:
        obs = SANE.copy(deep=True)
        for name in (T, TD, RH):
            obs[name].values[:] = obs[name].values[0]
        assert not (reasons(quality_control(obs, absurd.evidence()), T) & REASON["persistence"]).any()

    def test_five_reports_an_hour_are_too_few_to_be_frozen(self) -> None:
        values = np.full(MINUTES, np.nan, "f4")
        values[::15] = 20.0
        out = quality_control(with_values("wind_speed_10min", slice(None), LONE, values / 4), absurd.evidence())
        assert not (reasons(out, "wind_speed_10min")[:, LONE] & REASON["persistence"]).any()

    def test_evidence_of_other_stations_is_refused(self) -> None:
        with pytest.raises(ValueError, match="evidence of 3 stations"):
            quality_control(SANE, Evidence(np.zeros(3, "f4"), np.zeros(3, "f4")))

    @pytest.mark.parametrize("shape", [(0, 60), (71, 0), (1, 60), (71, 1)])
    def test_small_windows(self, shape: tuple[int, int]) -> None:
        out = quality_control(SANE.isel(time=slice(shape[0]), station=slice(shape[1])))
        assert flags(out, T).shape == shape


numbers = st.floats(width=64) | st.sampled_from([9999.0, 999999.0, 32766.0, -9999.0, 999017.0, 1e39, -1e300, 0.0])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_value_is_put_in(data: st.DataObject) -> None:
    obs = SANE.isel(time=slice(-12, None), station=slice(15)).astype("f8")
    where = data.draw(
        st.lists(st.tuples(st.sampled_from(ELEMENT_NAMES), st.integers(0, 11), st.integers(0, 14), numbers))
    )
    for name, row, station, value in where:
        obs[name].values[row, station] = value
    for name in ("elevation", "lat"):
        with np.errstate(over="ignore"):
            obs[name].values[data.draw(st.integers(0, 14))] = data.draw(numbers)
    out = quality_control(obs)
    for name in ELEMENT_NAMES:
        assert set(np.unique(flags(out, name))) <= {QC_GOOD, QC_SUSPECT, QC_BAD, QC_MISSING}
        np.testing.assert_array_equal(flags(out, name) == QC_MISSING, np.isnan(obs[name].values))
        assert (flags(out, name)[np.isinf(obs[name].values)] == QC_BAD).all()
    assert not (out["gust_witnesses"].values > 3).any()
