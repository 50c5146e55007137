import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aloe.benchmark.statistics import (
    alignment_levels,
    average_level,
    explained_variance,
    fit_lines,
    holm,
    level_slope,
    minimum_detectable_difference,
    normalised_slope,
    summarise,
)

NAN = float("nan")
SCORES = np.random.default_rng(3).integers(1, 6, (100, 10)).astype(float)

# arXiv 2505.15456, RLPA on vanilla ALOE, 0-100.
RLPA = [62.16, 68.92, 70.27, 74.32, 72.97, 74.32, 75.68, 78.38, 77.03, 79.73]

CURVES = [
    RLPA,
    [1.0, 2.0],
    [5.0, 4.0, 3.5, 1.0],
    [3.1, 3.0, 3.2, 3.1, 3.4, 3.3, 3.9],
    list(np.random.default_rng(7).uniform(1, 5, 40)),
]

# Scores of a judge have few decimals; a thousandth apart is far from rounding.
level = st.integers(1000, 5000).map(lambda n: n / 1000)
curves = st.lists(level, min_size=2, max_size=15)
holes = st.lists(level | st.just(NAN), max_size=15)


def test_published_row_is_reproduced() -> None:
    row = summarise(RLPA)
    assert round(row["n_ir"], 3) == 0.090
    assert round(row["r2"], 3) == 0.855
    assert round(row["al_mean"], 2) == 73.38


@pytest.mark.parametrize("levels", CURVES)
def test_slope_and_r2_agree_with_polyfit_and_correlation(levels: list[float]) -> None:
    turns = np.arange(1, len(levels) + 1)
    row = summarise(levels)
    assert row["ir"] == pytest.approx(np.polyfit(turns, levels, 1)[0], abs=1e-9)
    assert row["r2"] == pytest.approx(np.corrcoef(turns, levels)[0, 1] ** 2, abs=1e-9)
    assert row["al_mean"] == pytest.approx(np.mean(levels))


def test_straight_line_is_recovered() -> None:
    row = summarise(2.0 + 0.25 * np.arange(1, 11))
    assert (row["ir"], row["r2"]) == (pytest.approx(0.25), pytest.approx(1))


def test_three_turns_by_hand() -> None:
    # Off the mean: turns -1 0 1, levels -1 1 0; slope 1/2, R2 = (1/2)^2 * 2 / 2.
    row = summarise([1, 3, 2])
    assert (row["al_mean"], row["ir"], row["r2"], row["n_ir"]) == (2.0, 0.5, 0.25, 0.25)


def test_step_in_the_middle_is_the_largest_normalised_slope() -> None:
    assert summarise([0] * 5 + [1] * 5)["n_ir"] == pytest.approx(12.5 / 82.5)
    assert summarise(range(10))["n_ir"] == pytest.approx(1 / 9)


@given(curves)
def test_normalised_slope_is_bounded_by_the_step(levels: list[float]) -> None:
    k = len(levels)
    turns = np.arange(k) - (k - 1) / 2
    bound = turns[turns > 0].sum() / (turns @ turns)
    assert abs(summarise(levels)["n_ir"]) <= bound + 1e-12


@given(curves, st.floats(0.1, 100), st.floats(-100, 100))
def test_affine_maps_scale_the_slope_and_nothing_else(
    levels: list[float], scale: float, shift: float
) -> None:
    assume(len(set(levels)) > 1)
    before, after = summarise(levels), summarise(scale * np.array(levels) + shift)
    assert after["ir"] == pytest.approx(scale * before["ir"], abs=1e-8)
    assert after["r2"] == pytest.approx(before["r2"], abs=1e-8)
    assert after["n_ir"] == pytest.approx(before["n_ir"], abs=1e-8)


@given(curves)
def test_reversed_dialogue_has_the_opposite_slope(levels: list[float]) -> None:
    there, back = summarise(levels), summarise(levels[::-1])
    assert back["ir"] == pytest.approx(-there["ir"], abs=1e-12)
    assert back["r2"] == pytest.approx(there["r2"], abs=1e-9)


@given(curves)
def test_r2_is_a_share(levels: list[float]) -> None:
    assume(len(set(levels)) > 1)
    r2 = summarise(levels)["r2"]
    assert r2 is not None
    assert 0 <= r2 <= 1


# 0.1 + 0.2 is not 0.3, but it is the same level.
@pytest.mark.parametrize("flat", [[4.0] * 10, [0.0, 0.0], [0.3, 0.1 + 0.2, 0.3], [NAN, 2, 2]])
def test_flat_series_does_not_improve_and_has_no_r2(flat: list[float]) -> None:
    level = pytest.approx(flat[-1])
    assert summarise(flat) == {"al_mean": level, "ir": 0.0, "n_ir": 0.0, "r2": None}


def test_small_rise_is_not_flat() -> None:
    small = summarise([4.80, 4.81])
    assert small["ir"] == pytest.approx(0.01)
    assert small["n_ir"] == pytest.approx(summarise([1, 5])["n_ir"])


@pytest.mark.parametrize("short", [[], [3.0], [NAN, 3.0, NAN]])
def test_fewer_than_two_levels_are_refused(short: list[float]) -> None:
    present = int(np.sum(~np.isnan(short)))
    with pytest.raises(ValueError, match=rf"2 turn\(s\) or more, got {present}"):
        summarise(short)


@pytest.mark.parametrize("bad", [[1, float("-inf"), 2], [1, 1e300, 2], [[1, 2], [3, 4]]])
def test_what_is_no_finite_row_is_refused(bad: list) -> None:
    with pytest.raises(ValueError, match="one row, finite"):
        summarise(bad)


@given(holes)
def test_missing_turns_are_left_out_and_keep_their_number(levels: list[float]) -> None:
    turns = np.arange(1, len(levels) + 1)
    present = ~np.isnan(levels)
    assume(present.sum() >= 2)
    slope, _ = np.polyfit(turns[present], np.array(levels)[present], 1)
    row = summarise(levels)
    assert row["ir"] == pytest.approx(slope, abs=1e-9)
    assert row["al_mean"] == pytest.approx(np.array(levels)[present].mean())


def test_levels_are_means_over_present_cells() -> None:
    scores = np.array([[1, 2, NAN], [3, NAN, NAN], [5, 4, NAN]])
    np.testing.assert_array_equal(alignment_levels(scores, np.ones((1, 3))), [[3, 3, NAN]])


def test_weight_is_how_often_a_case_counts() -> None:
    scores = np.array([[1, 2, NAN], [3, NAN, 2], [5, 4, NAN]])
    weights = np.array([[3, 0, 1], [0, 0, 0]])
    repeated = alignment_levels(scores[[0, 0, 0, 2]], np.ones((1, 4)))
    np.testing.assert_array_equal(
        alignment_levels(scores, weights), np.vstack([repeated, [[NAN] * 3]])
    )


def test_many_weightings_at_once_are_each_of_them_alone() -> None:
    weights = np.stack([np.ones(100), np.arange(100) % 3, np.arange(100) % 2])
    scores = SCORES.copy()
    scores[::2, 3] = scores[::7, 8] = NAN
    names = ("al_mean", "ir", "n_ir", "r2")
    statistics = (average_level, level_slope, normalised_slope, explained_variance)
    for draw, weight in enumerate(weights):
        repeated = np.repeat(scores, weight.astype(int), axis=0)
        alone = summarise(np.nanmean(repeated, axis=0))
        for name, statistic in zip(names, statistics, strict=True):
            assert statistic(scores, weights)[draw] == pytest.approx(alone[name])


def test_flat_levels_have_no_slope_and_no_r2() -> None:
    flat = fit_lines(np.full((3, 4), 0.1), np.ones((2, 3)))
    assert flat.slope.tolist() == flat.spread.tolist() == [0, 0]
    assert np.isnan(flat.r2).all()


def test_statistics_are_nan_where_undefined() -> None:
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
