"""Echo occurrence: exact counts, and what is learnt from a mountain, a hidden sector and storms that pass."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.radar.siting_scene import real_pair
from tests.radar.synthetic_volumes import MISSING_CODE, SITE, WHEN, sweep, volume
from wxcore.errors import ReadError, Reason, TimeError
from wxcore.radar.siting import occurrence as module
from wxcore.radar.siting.blockage import UNUSABLE, lowest_usable
from wxcore.radar.siting.occurrence import (
    ELEVATION_EDGES_DEG,
    SHAPE,
    Occurrence,
    add,
    blockage_map,
    clutter_map,
    empty_occurrence,
    known_map,
    learn_blockage,
    load_occurrence,
    merge,
    not_enough,
    of_volume,
    save_occurrence,
)
from wxcore.radar.volume import QC_CLUTTER, Volume

LOW, NEXT, THIRD = 2, 4, 6
"""Classes of 0.5, 1.45 and 2.4 deg."""

BLOCKED_FROM_KM, BLOCKED_AZIMUTHS = 47, slice(60, 90)
MOUNTAIN = (slice(200, 206), slice(30, 36))


def same(a: Occurrence, b: Occurrence) -> bool:
    """Equal in every field."""
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in vars(a))


def small(seed: int, minutes: int) -> Volume:
    """A volume of random echo and holes."""
    rng = np.random.default_rng(seed)
    cuts = [sweep(angle, float(rng.integers(-5, 40)), gates=20, rays=90) for angle in (0.5, 1.45)]
    cuts[0].moments["DBZH"].codes[rng.random((90, 20)) < 0.3] = MISSING_CODE
    return volume(cuts, start=WHEN + timedelta(minutes=minutes))


@lru_cache(maxsize=1)
def weather(days: float = 5.0, volumes: int = 400) -> Occurrence:
    """Storms that pass all over; on the lowest tilt a mountain and a sector in which nothing is seen beyond 47 km."""
    rng = np.random.default_rng(1)
    azimuth, km = np.deg2rad(np.arange(360))[:, None], np.arange(SHAPE[2])[None, :]
    x, y = (km * np.cos(azimuth)).astype("f4"), (km * np.sin(azimuth)).astype("f4")
    echo, looked = np.zeros(SHAPE, "u4"), np.zeros(SHAPE, "u4")
    looked[[LOW, NEXT, THIRD]] = volumes
    for _ in range(volumes):
        at, far, wide = rng.uniform(0, 2 * np.pi, 6), rng.uniform(0, 260, 6), rng.uniform(10, 35, 6)
        storms = zip((far * np.cos(at)).astype("f4"), (far * np.sin(at)).astype("f4"), wide, strict=True)
        away = np.min([((x - e) ** 2 + (y - n) ** 2) / w**2 for e, n, w in storms], axis=0)
        low = away < 1
        low[BLOCKED_AZIMUTHS, BLOCKED_FROM_KM:] = False
        low[MOUNTAIN] |= rng.random((6, 6)) < 0.85
        echo[LOW] += low
        echo[NEXT] += away < 0.9
        echo[THIRD] += away < 0.8
    tilts, sums = np.zeros(SHAPE[0], "u4"), np.zeros(SHAPE[0], "i8")
    tilts[[LOW, NEXT, THIRD]] = volumes
    sums[[LOW, NEXT, THIRD]] = volumes * np.array([50, 145, 240])
    return Occurrence("Z9001", 30.0, 106.0, 500.0, looked, echo, tilts, sums, volumes, 0, round(86_400 * days))


class TestCounting:
    def test_by_hand(self) -> None:
        """Gates of 250 m: a kilometre has echo if one of its gates has, and is looked at if one of them was."""
        cut = sweep(0.5, np.nan, gates=40, rays=360, gate_m=250.0)
        codes = cut.moments["DBZH"].codes
        codes[:, :8] = MISSING_CODE
        order = np.argsort(cut.azimuth)
        codes[order[100], 13] = 2 * 30 + 66
        codes[order[101], 13] = 2 * 4 + 66  # weaker than ECHO_FROM_DBZ
        codes[order[102], 4] = 2 * 50 + 66  # one gate of a missing kilometre
        found = of_volume(volume([cut]))
        assert found.volumes == 1
        assert found.looked[LOW, 100].tolist()[:12] == [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]
        assert np.argwhere(found.echo).tolist() == [[LOW, 100, 3], [LOW, 102, 1]]
        assert found.looked[LOW, 102, 1] == 1
        assert found.elevations_deg[LOW] == 0.5
        assert np.isnan(found.elevations_deg[0])
        assert (found.echo <= found.looked).all()

    def test_quality_control_hides_nothing(self) -> None:
        """Clutter that quality control found must be counted, or it would be forgotten."""
        cut = sweep(0.5, 40.0, gates=10, qc=[QC_CLUTTER] * 10)
        assert of_volume(volume([cut])).echo[LOW, :, :10].all()

    def test_tilts_fall_into_their_class_however_the_antenna_points(self) -> None:
        for angle in (0.5, 1.45, 1.5, 2.4, 3.35, 4.3, 5.2, 6.0, 0.9, 1.3, 1.8, 3.1, 4.0, 5.1, 6.4):
            nearest = min(abs(angle - edge) for edge in ELEVATION_EDGES_DEG)
            assert nearest > 0.1, angle

    def test_high_tilts_and_second_tilts_of_a_class_do_not_count(self) -> None:
        found = of_volume(volume([sweep(0.5, 20.0), sweep(0.69, np.nan), sweep(19.5, 20.0)]))
        assert found.tilts.tolist() == [0, 0, 1] + [0] * 8
        assert found.elevations_deg[LOW] == 0.5
        nothing = of_volume(volume([sweep(19.5, 20.0)]))
        assert nothing.volumes == 0

    @pytest.mark.parametrize(("rays", "gates"), [(1, 1), (1, 40), (720, 3)])
    def test_any_shape(self, rays: int, gates: int) -> None:
        found = of_volume(volume([sweep(0.5, 20.0, rays=rays, gates=gates)]))
        assert found.volumes == 1
        assert (found.echo == found.looked).all()
        assert found.echo.any()

    def test_real_volumes(self, radar_data: Path) -> None:
        found = of_volume(real_pair(radar_data)[0])
        assert found.elevations_deg[LOW] == pytest.approx(0.48)
        assert found.looked[LOW].all()
        assert 0.2 < found.echo[LOW].mean() < 0.6
        assert not_enough(found) is not None
        assert not clutter_map(found).any()
        assert blockage_map(found) == {}

    def test_bad_volumes(self) -> None:
        with pytest.raises(ReadError) as caught:
            empty_occurrence(volume([], site=replace(SITE, latitude=np.nan)))
        assert caught.value.reason is Reason.BAD_POSITION
        with pytest.raises(TimeError):
            of_volume(volume([sweep(0.5, 20.0)], start=datetime(2020, 6, 12)))  # noqa: DTZ001


class TestMerge:
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.permutations(list(range(5))), st.integers(1, 4), st.lists(st.integers(0, 5000), min_size=5, max_size=5))
    def test_any_order_and_grouping(self, order: list[int], cut: int, minutes: list[int]) -> None:
        parts = [of_volume(small(seed, minutes[seed])) for seed in range(5)]
        whole = empty_occurrence(small(0, 0))
        for part in parts:
            whole = merge(whole, part)
        shuffled = [parts[k] for k in order]
        left, right = shuffled[0], shuffled[cut]
        for part in shuffled[1:cut]:
            left = merge(left, part)
        for part in shuffled[cut + 1 :]:
            right = merge(part, right)
        assert same(whole, merge(right, left))
        assert whole.volumes == 5
        first = WHEN + timedelta(minutes=min(minutes))
        assert datetime.fromtimestamp(whole.first_s, UTC) == first
        assert whole.days == pytest.approx((max(minutes) - min(minutes)) / 1440)

    def test_add_counts_one_volume(self) -> None:
        one, two = small(1, 0), small(2, 6)
        assert same(add(of_volume(one), two), merge(of_volume(one), of_volume(two)))

    @pytest.mark.parametrize("change", [{"id": "Z9002"}, {"latitude": 30.05}, {"longitude": 105.9},
                                        {"altitude_m": 900.0}])  # fmt: skip
    def test_another_radar_or_place_is_refused(self, change: dict[str, object]) -> None:
        other = of_volume(volume([sweep(0.5, 20.0)], site=replace(SITE, **change)))
        with pytest.raises(ReadError, match="cannot be added") as caught:
            merge(of_volume(small(1, 0)), other)
        assert "不能合并" in caught.value.zh


class TestLearning:
    def test_exactly_the_mountain_is_clutter(self) -> None:
        expected = np.zeros(SHAPE, dtype=bool)
        expected[LOW][MOUNTAIN] = True
        np.testing.assert_array_equal(clutter_map(weather()), expected)
        assert known_map(weather())[[LOW, NEXT, THIRD]].all()
        assert not known_map(weather())[0].any()

    def test_exactly_the_sector_is_blocked(self) -> None:
        found = learn_blockage(weather())
        assert list(found.blocked) == [0.5, 1.45]
        expected = np.zeros(SHAPE[1:], dtype=bool)
        expected[BLOCKED_AZIMUTHS, BLOCKED_FROM_KM:] = True
        low = found.blocked[0.5]
        assert low.dtype == np.float32
        np.testing.assert_array_equal(low > UNUSABLE, expected)
        np.testing.assert_array_equal(low > 0, expected)
        assert not found.blocked[1.45].any()
        # the last kilometres and the first have too few storms to tell
        assert found.known[0.5][:, 60:220].all()
        lowest = lowest_usable(found.blocked)
        np.testing.assert_array_equal(lowest == np.float32(1.45), expected)

    def test_a_sector_that_nothing_passed_is_unknown_and_not_blocked(self) -> None:
        some = weather()
        echo = some.echo.copy()
        echo[:, 150:180] = 0
        found = learn_blockage(replace(some, echo=echo))
        assert not found.blocked[0.5][150:180].any()
        assert not found.known[0.5][150:180].any()

    def test_rain_everywhere_for_long_is_no_clutter(self) -> None:
        some = weather()
        assert not clutter_map(replace(some, echo=(0.8 * some.looked).astype("u4"))).any()

    def test_a_wide_mountain_is_told_by_the_tilt_above(self) -> None:
        some = weather()
        echo = some.echo.copy()
        echo[LOW, 250:350, 20:120] = some.looked[LOW, 250:350, 20:120]
        found = clutter_map(replace(some, echo=echo))[LOW, 250:350, 20:120]
        assert found.all()

    @pytest.mark.parametrize("change", [{"volumes": 150}, {"last_s": 86_400}])
    def test_too_few_volumes_or_days_teach_nothing(self, change: dict[str, int]) -> None:
        some = replace(weather(), **change)
        sentence = not_enough(some)
        assert sentence is not None
        assert "are unknown" in sentence.en
        assert "未知" in sentence.zh
        assert not known_map(some).any()
        assert not clutter_map(some).any()
        assert blockage_map(some) == {}
        assert not_enough(weather()) is None


class TestFiles:
    def test_round_trip(self, tmp_path: Path) -> None:
        some = of_volume(small(1, 0))
        save_occurrence(some, tmp_path / "Z9001.npz")
        save_occurrence(some, tmp_path / "Z9001.npz")
        assert same(load_occurrence(tmp_path / "Z9001.npz"), some)
        assert [path.name for path in tmp_path.iterdir()] == ["Z9001.npz"]

    def test_a_failed_write_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "Z9001.npz"
        save_occurrence(of_volume(small(1, 0)), path)
        before = path.read_bytes()

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(module.os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            save_occurrence(of_volume(small(2, 0)), path)
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def refused(self, path: Path, words: str) -> None:
        with pytest.raises(ReadError, match=words) as caught:
            load_occurrence(path)
        assert caught.value.reason is Reason.BAD_VALUE
        assert "重新统计" in caught.value.zh

    def rewritten(self, path: Path, change: Callable[[dict[str, np.ndarray]], None]) -> Path:
        save_occurrence(of_volume(small(1, 0)), path)
        with np.load(path) as archive:
            members = dict(archive)
        change(members)
        np.savez_compressed(path, **members)
        return path

    def test_contradictions(self, tmp_path: Path) -> None:
        path = tmp_path / "x.npz"
        self.refused(self.rewritten(path, lambda m: m.update(format=np.asarray(9))), "format 9, not 1")
        self.refused(self.rewritten(path, lambda m: m.update(echo=m["echo"] + 1)), "contradict")
        self.refused(self.rewritten(path, lambda m: m.update(latitude=np.asarray(np.nan))), "contradict")
        self.refused(self.rewritten(path, lambda m: m.update(looked=m["looked"][:5])), "looked is uint32")
        self.refused(self.rewritten(path, lambda m: m.update(volumes=np.asarray("many"))), "cannot be read")
        self.refused(self.rewritten(path, lambda m: m.pop("tilts") is None), "cannot be read")
        objects = np.array([{}], dtype=object)
        self.refused(self.rewritten(path, lambda m: m.update(radar=objects)), "cannot be read")

    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError) as caught:
            load_occurrence(tmp_path / "none.npz")
        assert caught.value.reason is Reason.NOT_FOUND

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 10**7), st.integers(0, 255), st.floats(0, 1), st.booleans())
    def test_damage(
        self, tmp_path_factory: pytest.TempPathFactory, at: int, value: int, keep: float, cut: bool
    ) -> None:
        """One byte changed, or the end cut off: the same counts, or a ReadError."""
        some = damaged()
        data = bytearray(some)
        data[at % len(data)] = value
        path = tmp_path_factory.mktemp("damage") / "x.npz"
        path.write_bytes(data[: int(len(data) * keep)] if cut else data)
        try:
            found = load_occurrence(path)
        except ReadError:
            return
        assert found.volumes == 1


@lru_cache(maxsize=1)
def damaged() -> bytes:
    """The bytes of a good file, to be damaged."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.npz"
        save_occurrence(of_volume(small(1, 0)), path)
        return path.read_bytes()
