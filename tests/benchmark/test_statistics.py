import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe.benchmark.metrics import (
    alignment_levels,
    average,
    improvement_rate,
    normalised_improvement_rate,
)
from aloe.benchmark.statistics import (
    average_level,
    holm,
    level_slope,
    lines,
    minimum_detectable_difference,
)

NAN = float("nan")
SCORES = np.random.default_rng(3).integers(1, 6, (100, 10)).astype(float)


def test_own_statistics_are_the_metrics() -> None:
    weights = np.stack([np.ones(100), np.arange(100) % 3, np.arange(100) % 2])
    scores = SCORES.copy()
    scores[::2, 3] = scores[::7, 8] = NAN
    for draw, weight in enumerate(weights):
        level = alignment_levels(scores, weight)
        fit = improvement_rate(level)
        found = lines(scores, weights)
        assert average_level(scores, weights)[draw] == pytest.approx(average(level))
        assert found.slope[draw] == level_slope(scores, weights)[draw]
        assert found.slope[draw] == pytest.approx(fit.slope)
        assert found.r2[draw] == pytest.approx(fit.r2)
        assert found.slope[draw] / found.spread[draw] == pytest.approx(
            normalised_improvement_rate(level)
        )


def test_flat_levels_have_no_slope_and_no_r2() -> None:
    flat = lines(np.full((3, 4), 0.1), np.ones((2, 3)))
    assert flat.slope.tolist() == flat.spread.tolist() == [0, 0]
    assert np.isnan(flat.r2).all()


def test_own_statistics_are_nan_where_undefined() -> None:
    weights = np.stack([np.zeros(100), np.ones(100)])
    assert np.isnan(average_level(SCORES, weights)).tolist() == [True, False]
    assert np.isnan(level_slope(SCORES, weights)).tolist() == [True, False]
    assert np.isnan(level_slope(SCORES[:, :1], weights)).all()


def test_holm_by_hand() -> None:
    # Sorted .005 .01 .03 .04 times 4 3 2 1 is .02 .03 .06 .04; the last may not fall below .06.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_holm_stops_at_one_and_takes_none_or_one() -> None:
    np.testing.assert_array_equal(holm([0.7, 0.6]), [1, 1])
    np.testing.assert_array_equal(holm([0.2]), [0.2])
    assert holm([]).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_between_the_raw_value_and_bonferroni(p_values: list[float]) -> None:
    raw, adjusted = np.array(p_values), holm(p_values)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(1, raw * len(raw))).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()


@pytest.mark.parametrize("p_values", [[0.1, NAN], [-0.1], [1.1], [[0.1]]])
def test_holm_refuses_what_is_no_probability(p_values) -> None:
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        holm(p_values)


def test_detectable_difference_by_hand() -> None:
    # 1.95996 + 0.84162
    assert minimum_detectable_difference(1, 25) == pytest.approx(2.80158 / 5, abs=1e-5)
    assert minimum_detectable_difference(3, 100) == pytest.approx(3 * 0.280158, abs=1e-5)
    assert minimum_detectable_difference(0, 25) == 0


def test_detectable_difference_is_detected_with_its_power() -> None:
    n, sd = 30, 2.0
    truth = minimum_detectable_difference(sd, n, power=0.9, alpha=0.1)
    means = truth + sd / np.sqrt(n) * np.random.default_rng(6).normal(size=40_000)
    found = np.abs(means) > 1.644854 * sd / np.sqrt(n)
    assert found.mean() == pytest.approx(0.9, abs=0.006)


@pytest.mark.parametrize(
    "arguments",
    [
        (-1, 20),
        (NAN, 20),
        (float("inf"), 20),
        (1, 1),
        (1, 20, 1),
        (1, 20, 0.8, 0),
        (1, 20, 0.1, 0.2),
    ],
)
def test_detectable_difference_refuses_what_is_out_of_range(arguments: tuple) -> None:
    with pytest.raises(ValueError, match="got"):
        minimum_detectable_difference(*arguments)
