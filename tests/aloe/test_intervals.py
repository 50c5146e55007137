"""Intervals of what is counted within trees."""

import pytest

from aloe.intervals import LEAST_CLUSTERS, mean_interval, share_interval

HALF = [[1.0], [0.0]] * 10


def test_too_few_trees_say_nothing() -> None:
    for interval in (share_interval, mean_interval):
        assert interval([[0.0, 1.0]] * (LEAST_CLUSTERS - 1)) is None
        assert interval([[0.0, 1.0]] * LEAST_CLUSTERS) is not None


def test_a_share_has_the_interval_of_wilson() -> None:
    found = share_interval(HALF)
    assert found is not None
    assert found == pytest.approx((0.295, 0.705), abs=0.001)  # of 19: one is spent on the mean
    assert share_interval([[1.0]] * 8) == pytest.approx((8 / (8 + 1.96**2), 1.0), abs=1e-3)
    assert share_interval([[0.0]] * 8) == pytest.approx((0.0, 1.96**2 / (8 + 1.96**2)), abs=1e-3)


def test_a_mean_has_the_interval_of_student() -> None:
    found = mean_interval([[float(value)] for value in range(1, 7)])
    assert found == pytest.approx((3.5 - 2.571 * 0.7638, 3.5 + 2.571 * 0.7638), abs=0.02)
    found = mean_interval([[float(value)] for value in range(1, 32)])
    assert found == pytest.approx((16 - 2.042 * 1.633, 16 + 2.042 * 1.633), abs=0.01)


@pytest.mark.parametrize("interval", [share_interval, mean_interval])
def test_saying_the_same_ten_times_in_a_tree_makes_nothing_surer(interval: object) -> None:
    assert callable(interval)
    often = [each * 10 for each in HALF]
    assert interval(often) == pytest.approx(interval(HALF))
    assert interval([[value] for each in often for value in each]) != pytest.approx(interval(HALF))
