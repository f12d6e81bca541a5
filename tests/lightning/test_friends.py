"""Friends of friends: brute force as oracle, crowded places, what would take a pairwise search for ever."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from wxcore.lightning.friends import friends

Doubles = npt.NDArray[np.float64]
CROWD = 30_000


def pairwise(points: Doubles) -> list[int]:
    """Index of the first point of each point's set, by all pairs."""
    square = np.zeros((len(points), len(points)))
    for axis in range(4):
        square += (points[:, None, axis] - points[None, :, axis]) ** 2
    labels = connected_components(square <= 1, directed=False)[1]
    first: dict[int, int] = {}
    return [first.setdefault(int(label), index) for index, label in enumerate(labels)]


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(0, 150), seed=st.integers(0, 10**6), size=st.floats(0.05, 40),
    flat=st.lists(st.sampled_from([0.0, 0.1, 1.0]), min_size=4, max_size=4), step=st.sampled_from([0.0, 0.25, 1.0]),
    clumps=st.integers(0, 4),
)  # fmt: skip
def test_sets_are_those_of_all_pairs(
    count: int, seed: int, size: float, flat: list[float], step: float, clumps: int
) -> None:
    """Spread and in clumps; on a lattice many distances are exactly 1."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-size, size, (count, 4)) * flat
    if clumps:
        points = 0.01 * points + rng.uniform(-1.5, 1.5, (clumps, 4))[rng.integers(0, clumps, count)]
    if step:
        points = np.round(points / step) * step
    assert friends(points).tolist() == pairwise(points)


def test_limits() -> None:
    line = np.zeros((6, 4))
    line[:, 0] = [0, 1, 2, 3.0001, 4, 5.1]
    assert friends(line).tolist() == [0, 0, 0, 3, 3, 5]
    assert friends(np.zeros((0, 4))).tolist() == []
    assert friends(np.zeros((1, 4))).tolist() == [0]


def test_points_far_beyond_the_curve_are_found() -> None:
    far = np.repeat(np.array([0.0, 3e3, -7e4, 9e6]), 5)[:, None] * np.ones(4)
    assert friends(far).tolist() == np.repeat([0, 5, 10, 15], 5).tolist()


@pytest.mark.parametrize(("apart", "sets"), [(0.9, 1), (1.001, 2)])
def test_two_crowds(apart: float, sets: int) -> None:
    """All pairs would be 10^9 distances."""
    points = np.random.default_rng(1).random((2 * CROWD, 4)) * 1e-4
    points[::2, 0] += apart
    assert len(set(friends(points).tolist())) == sets


def test_a_shell_around_a_crowd() -> None:
    """Every point of the shell is as far from the crowd as can be without being its friend."""
    points = np.random.default_rng(2).normal(size=(2 * CROWD, 4))
    points /= np.linalg.norm(points, axis=1)[:, None]
    points[::2] *= 1e-6
    points[1::2] *= 1.0001
    assert len(set(friends(points).tolist())) == 2
    points[1] /= 1.001
    assert len(set(friends(points).tolist())) == 1


def test_a_crowd_wider_than_the_limit() -> None:
    points = np.random.default_rng(3).random((CROWD, 4)) * 4
    assert set(friends(points).tolist()) == {0}
