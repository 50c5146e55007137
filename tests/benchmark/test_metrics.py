import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aloe.benchmark.metrics import (
    Fit,
    alignment_levels,
    average,
    improvement_rate,
    normalised,
    normalised_improvement_rate,
    personalisation_gain,
    summary,
)

NAN = float("nan")

# arXiv 2505.15456, RLPA on vanilla ALOE, 0-100.
RLPA = [62.16, 68.92, 70.27, 74.32, 72.97, 74.32, 75.68, 78.38, 77.03, 79.73]

TABLES = [
    RLPA,
    [1.0, 2.0],
    [5.0, 4.0, 3.5, 1.0],
    [3.1, 3.0, 3.2, 3.1, 3.4, 3.3, 3.9],
    list(np.random.default_rng(7).uniform(1, 5, 40)),
]

# Scores of a judge have few decimals; a thousandth apart is far from rounding.
curves = st.lists(st.integers(1000, 5000).map(lambda n: n / 1000), min_size=2, max_size=15)
holes = st.lists(st.integers(1000, 5000).map(lambda n: n / 1000) | st.just(NAN), max_size=15)


def test_published_row_is_reproduced() -> None:
    row = summary(RLPA)
    assert round(row["n_ir"], 3) == 0.090
    assert round(row["r2"], 3) == 0.855
    assert round(row["al_mean"], 2) == 73.38


@pytest.mark.parametrize("levels", TABLES)
def test_fit_agrees_with_polyfit_and_correlation(levels: list[float]) -> None:
    turns = np.arange(1, len(levels) + 1)
    slope, intercept = np.polyfit(turns, levels, 1)
    fit = improvement_rate(levels)
    assert fit.slope == pytest.approx(slope, abs=1e-9)
    assert fit.intercept == pytest.approx(intercept, abs=1e-9)
    assert fit.r2 == pytest.approx(np.corrcoef(turns, levels)[0, 1] ** 2, abs=1e-9)


def test_straight_line_is_recovered() -> None:
    fit = improvement_rate(2.0 + 0.25 * np.arange(1, 11))
    assert fit == Fit(slope=pytest.approx(0.25), intercept=pytest.approx(2.0), r2=pytest.approx(1))


def test_three_turns_by_hand() -> None:
    # Off the mean: turns -1 0 1, levels -1 1 0; slope 1/2, R2 = (1/2)^2 * 2 / 2.
    fit = improvement_rate([1, 3, 2])
    assert (fit.slope, fit.intercept, fit.r2) == (0.5, 1.0, 0.25)
    assert normalised([1, 3, 2]).tolist() == [0, 1, 0.5]
    assert normalised_improvement_rate([1, 3, 2]) == 0.25


def test_step_in_the_middle_is_the_largest_normalised_slope() -> None:
    assert normalised_improvement_rate([0] * 5 + [1] * 5) == pytest.approx(12.5 / 82.5)
    assert normalised_improvement_rate(range(10)) == pytest.approx(1 / 9)


@given(curves)
def test_normalised_slope_is_bounded_by_the_step(levels: list[float]) -> None:
    k = len(levels)
    turns = np.arange(k) - (k - 1) / 2
    bound = turns[turns > 0].sum() / (turns @ turns)
    assert abs(normalised_improvement_rate(levels)) <= bound + 1e-12


@given(curves, st.floats(0.1, 100), st.floats(-100, 100))
def test_affine_maps_scale_the_slope_and_nothing_else(
    levels: list[float], scale: float, shift: float
) -> None:
    assume(len(set(levels)) > 1)
    mapped = scale * np.array(levels) + shift
    before, after = improvement_rate(levels), improvement_rate(mapped)
    assert after.slope == pytest.approx(scale * before.slope, abs=1e-8)
    assert after.r2 == pytest.approx(before.r2, abs=1e-8)
    assert normalised_improvement_rate(mapped) == pytest.approx(
        normalised_improvement_rate(levels), abs=1e-8
    )


@given(curves)
def test_reversed_dialogue_has_the_opposite_slope(levels: list[float]) -> None:
    there, back = improvement_rate(levels), improvement_rate(levels[::-1])
    assert back.slope == pytest.approx(-there.slope, abs=1e-12)
    assert back.r2 == pytest.approx(there.r2, abs=1e-9)


@given(curves)
def test_r2_of_normalised_levels_is_r2(levels: list[float]) -> None:
    assert improvement_rate(normalised(levels)).r2 == pytest.approx(
        improvement_rate(levels).r2, abs=1e-9
    )


@given(curves)
def test_r2_is_a_share_and_normalised_levels_span_zero_to_one(levels: list[float]) -> None:
    assume(len(set(levels)) > 1)
    r2 = improvement_rate(levels).r2
    assert r2 is not None
    assert 0 <= r2 <= 1
    stretched = normalised(levels)
    assert (stretched.min(), stretched.max()) == (0, 1)


# 0.1 + 0.2 is not 0.3, but it is the same level.
@pytest.mark.parametrize("flat", [[4.0] * 10, [0.0, 0.0], [0.3, 0.1 + 0.2, 0.3], [NAN, 2, 2]])
def test_flat_series_does_not_improve_and_has_no_r2(flat: list[float]) -> None:
    level = flat[-1]
    assert improvement_rate(flat) == Fit(slope=0.0, intercept=pytest.approx(level), r2=None)
    np.testing.assert_array_equal(normalised(flat), np.where(np.isnan(flat), NAN, 0.0))
    assert summary(flat) == {"al_mean": pytest.approx(level), "ir": 0.0, "n_ir": 0.0, "r2": None}


def test_small_rise_is_not_flat() -> None:
    assert improvement_rate([4.80, 4.81]).slope == pytest.approx(0.01)
    assert normalised_improvement_rate([4.80, 4.81]) == pytest.approx(
        normalised_improvement_rate([1, 5])
    )


@pytest.mark.parametrize("short", [[], [3.0], [NAN, 3.0, NAN]])
@pytest.mark.parametrize(
    "function", [improvement_rate, normalised, normalised_improvement_rate, summary]
)
def test_fewer_than_two_levels_are_refused(function, short: list[float]) -> None:
    present = int(np.sum(~np.isnan(short)))
    with pytest.raises(ValueError, match=rf"2 turn\(s\) or more, got {present}"):
        function(short)


def test_average_counts_turns_alike_and_needs_one() -> None:
    assert average([1, NAN, 4]) == 2.5
    assert average([3]) == 3
    with pytest.raises(ValueError, match="got 0"):
        average([NAN, NAN])


@given(holes)
def test_missing_turns_are_left_out_and_keep_their_number(levels: list[float]) -> None:
    turns = np.arange(1, len(levels) + 1)
    present = ~np.isnan(levels)
    assume(present.sum() >= 2)
    slope, intercept = np.polyfit(turns[present], np.array(levels)[present], 1)
    fit = improvement_rate(levels)
    assert fit.slope == pytest.approx(slope, abs=1e-9)
    assert fit.intercept == pytest.approx(intercept, abs=1e-9)
    np.testing.assert_array_equal(np.isnan(normalised(levels)), ~present)


def test_levels_are_means_over_present_cells() -> None:
    scores = [[1, 2, NAN], [3, NAN, NAN], [5, 4, NAN]]
    np.testing.assert_array_equal(alignment_levels(scores), [3, 3, NAN])


def test_weight_is_how_often_a_case_counts() -> None:
    scores = np.array([[1, 2, NAN], [3, NAN, 2], [5, 4, NAN]])
    repeated = scores[[0, 0, 0, 2]]
    np.testing.assert_array_equal(alignment_levels(scores, [3, 0, 1]), alignment_levels(repeated))
    np.testing.assert_array_equal(alignment_levels(scores, [0, 0, 0]), [NAN] * 3)


@pytest.mark.parametrize(
    ("scores", "weights", "message"),
    [
        ([1, 2, 3], None, r"2 dimension\(s\), got shape \(3,\)"),
        ([[1, float("inf")]], None, "finite"),
        ([[1, 2]], [1, 1], r"1 cases need as many weights, got shape \(2,\)"),
        ([[1, 2]], [-1], "negative"),
        ([[1, 2]], [NAN], "missing"),
    ],
)
def test_malformed_tables_are_refused(scores, weights, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        alignment_levels(scores, weights)


def test_infinite_level_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        improvement_rate([1, float("-inf"), 2])


def test_gain_is_own_minus_swapped_where_both_are_present() -> None:
    np.testing.assert_array_equal(
        personalisation_gain([4, 3, NAN, 2], [1, 3, 2, NAN]), [3, 0, NAN, NAN]
    )


def test_gain_of_tables_is_paired_within_cases() -> None:
    own, swapped = [[4.0, 4.0], [2.0, 2.0]], [[3.0, 3.0], [NAN, 1.0]]
    gain = alignment_levels(personalisation_gain(own, swapped))
    np.testing.assert_array_equal(gain, [1, 1])
    of_means = personalisation_gain(alignment_levels(own), alignment_levels(swapped))
    np.testing.assert_array_equal(of_means, [0, 1])


def test_gain_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"own has shape \(2,\), but swapped has \(1,\)"):
        personalisation_gain([1, 2], [1])
