import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.metrics import (
    alignment_levels,
    average,
    improvement_rate,
    normalised_improvement_rate,
)
from benchmark.statistics import (
    average_level,
    cluster_bootstrap,
    holm,
    level_slope,
    lines,
    minimum_detectable_difference,
    paired_difference,
    t_quantile,
)

NAN = float("nan")
PROFILES = np.repeat(np.arange(20), 5)
PERSONALITIES = np.tile(np.arange(5), 20)
SCORES = np.random.default_rng(3).integers(1, 6, (100, 10)).astype(float)


def crossed(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(rows), columns), np.tile(np.arange(columns), rows)


def mean_of_one_turn(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ scores[:, 0] / weights.sum(axis=1)


def drawn_weights(profiles, personalities, draws: int = 50) -> np.ndarray:
    seen = []

    def spy(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
        seen.extend(weights.copy())
        return np.zeros(len(weights))

    cluster_bootstrap(
        np.zeros((len(profiles), 1)), profiles, personalities, spy, draws=draws, seed=1
    )
    assert len(seen) == 1 + draws  # an estimate that never changes needs no stretching
    return np.array(seen)


def test_estimate_counts_every_case_once() -> None:
    first, *rest = drawn_weights(PROFILES, PERSONALITIES)
    assert (first == 1).all()
    assert len(rest) == 50


def test_weights_are_products_of_two_multiplicities() -> None:
    for weights in drawn_weights(PROFILES, PERSONALITIES)[1:].reshape(-1, 20, 5):
        rows, columns = weights.sum(axis=1) / 5, weights.sum(axis=0) / 20
        np.testing.assert_array_equal(weights, np.outer(rows, columns))
        assert (rows == rows.round()).all()
        assert (columns == columns.round()).all()
        assert (rows.sum(), columns.sum()) == (20, 5)


def test_a_single_label_is_not_resampled() -> None:
    weights = drawn_weights(list("aabbcc"), ["same"] * 6)[1:]
    np.testing.assert_array_equal(weights[:, ::2], weights[:, 1::2])
    assert (weights.sum(axis=1) == 6).all()


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


@pytest.mark.parametrize("statistic", [average_level, level_slope])
def test_bootstrap_is_deterministic_in_its_seed(statistic) -> None:
    def interval(seed: int):
        return cluster_bootstrap(SCORES, PROFILES, PERSONALITIES, statistic, draws=300, seed=seed)

    assert interval(1) == interval(1)
    assert interval(1) != interval(2)
    assert interval(1).estimate == interval(2).estimate
    assert interval(1).low < interval(1).estimate < interval(1).high
    assert interval(1).draws == 300


def test_labels_only_name_the_clusters() -> None:
    names = [f"person {label:02}" for label in PROFILES]
    by_name, by_number = (
        cluster_bootstrap(SCORES, labels, PERSONALITIES, average_level, draws=50, seed=1)
        for labels in (names, PROFILES)
    )
    assert by_name == by_number


@pytest.mark.parametrize("effect", [0.0, 0.2, 0.5])
def test_intervals_cover_the_truth_and_ignoring_clusters_does_not(effect: float) -> None:
    # 200 samples, the truth is 0: 0.95 has a standard error of 0.015. Cases taken as independent
    # do well while there are no effects of profile and personality, and badly else.
    rng = np.random.default_rng(11)
    profiles, personalities = crossed(15, 15)
    clustered, independent = 0, 0
    for seed in range(200):
        effects = rng.normal(0, effect, (2, 15))
        scores = effects[0][profiles] + effects[1][personalities] + rng.normal(0, 1, 225)
        two_way = cluster_bootstrap(
            scores[:, None], profiles, personalities, mean_of_one_turn, draws=200, seed=seed
        )
        clustered += two_way.low <= 0 <= two_way.high
        independent += abs(scores.mean()) <= 1.96 * scores.std() / 15
    assert 0.9 <= clustered / 200 <= 0.985
    assert (independent / 200 < 0.65) == (effect == 0.5)


def test_noise_of_single_cases_is_counted_once() -> None:
    # Unstretched it would be sqrt(3) too wide (Owen 2007). Draws and sample scatter by about 5%.
    profiles, personalities = crossed(20, 20)
    scores = np.random.default_rng(5).normal(0, 1, (400, 1))
    interval = cluster_bootstrap(scores, profiles, personalities, mean_of_one_turn, seed=5)
    right = 2 * 1.96 * scores.std() / np.sqrt(400)
    assert (interval.high - interval.low) / right == pytest.approx(1, rel=0.15)


def test_width_follows_the_spread_between_profiles() -> None:
    profiles, personalities = crossed(40, 3)
    effects = np.random.default_rng(2).normal(0, 1, 40)
    interval = cluster_bootstrap(
        effects[profiles][:, None], profiles, personalities, mean_of_one_turn, seed=2
    )
    expected = 2 * 1.96 * effects.std() / np.sqrt(40)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.1)


def test_repetitions_are_not_more_users() -> None:
    # Three equal repetitions of every case say nothing new.
    once, thrice = (
        cluster_bootstrap(
            np.tile(SCORES[:, :1], (times, 1)),
            np.tile(PROFILES, times),
            np.tile(PERSONALITIES, times),
            mean_of_one_turn,
            seed=3,
        )
        for times in (1, 3)
    )
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=1e-9)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (10, 2.228), (30, 2.042), (1e9, 1.960)],
)
def test_t_is_near_the_printed_tables(freedom: float, quantile: float) -> None:
    assert t_quantile(freedom) == pytest.approx(quantile, rel=0.01)


def test_t_falls_with_the_degrees_of_freedom() -> None:
    quantiles = [t_quantile(freedom) for freedom in np.linspace(1, 5, 41)]
    assert (np.diff(quantiles) < 0).all()


def test_missing_cells_do_not_count() -> None:
    scores = SCORES.copy()
    scores[::3, 4:] = NAN
    interval = cluster_bootstrap(scores, PROFILES, PERSONALITIES, average_level, draws=100, seed=1)
    assert interval.estimate == pytest.approx(np.nanmean(scores, axis=0).mean())


def test_undefined_draws_are_left_out_until_they_are_too_many() -> None:
    # Each case has its own profile and personality, so a draw can miss all: 1 in 8 of two cases,
    # 1 in 17 of three.
    def diagonal(cases: int):
        labels, scores = np.arange(cases), np.arange(float(cases))[:, None]
        return cluster_bootstrap(scores, labels, labels, average_level, seed=1)

    assert diagonal(3).draws == pytest.approx(2000 * (1 - 42 / 729), abs=40)
    with pytest.raises(ValueError, match=r"defined in only 17\d\d of 2000 draws"):
        diagonal(2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [1.0, 2.0]}, r"shape \(cases, turns\), got \(2,\)"),
        ({"scores": np.empty((0, 3)), "profiles": [], "personalities": []}, "no cases"),
        ({"profiles": ["a"]}, r"2 cases need as many profiles, got shape \(1,\)"),
        ({"personalities": [["x"], ["y"]]}, r"as many personalities, got shape \(2, 1\)"),
        ({"profiles": ["a", "a"], "personalities": ["x", "x"]}, "nothing to resample"),
        ({"draws": 0}, "draws must be 1 or more, got 0"),
        ({"scores": [[NAN], [NAN]]}, "undefined on the sample"),
    ],
)
def test_malformed_samples_are_refused(change: dict, message: str) -> None:
    sample = {
        "scores": [[1.0, 2.0], [2.0, 3.0]],
        "profiles": ["a", "b"],
        "personalities": ["x", "y"],
        "statistic": average_level,
        "seed": 1,
    }
    with pytest.raises(ValueError, match=message):
        cluster_bootstrap(**(sample | change))


def compare(a: np.ndarray, b: np.ndarray, statistic=average_level, draws: int = 400):
    return paired_difference(a, b, PROFILES, PERSONALITIES, statistic, draws=draws, seed=4)


def test_constant_gain_is_certain() -> None:
    difference = compare(SCORES + 0.5, SCORES)
    interval = difference.interval
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((0.5, 0.5, 0.5))
    assert difference.p_value == pytest.approx(2 / 401)


def test_no_difference_has_p_one() -> None:
    difference = compare(SCORES, SCORES, level_slope)
    assert (difference.interval.low, difference.interval.high) == (0, 0)
    assert difference.p_value == 1


def test_exchanging_the_two_changes_the_sign_only() -> None:
    other = SCORES + np.random.default_rng(8).normal(0.05, 1, SCORES.shape)
    there, back = compare(other, SCORES), compare(SCORES, other)
    assert back.interval.estimate == pytest.approx(-there.interval.estimate)
    assert back.interval.low == pytest.approx(-there.interval.high)
    assert back.p_value == there.p_value


@pytest.mark.parametrize("shift", [-0.3, -0.1, 0.0, 0.02, 0.13, 0.3])
def test_p_value_and_interval_agree(shift: float) -> None:
    other = SCORES + np.random.default_rng(8).normal(shift, 1, SCORES.shape)
    difference = compare(other, SCORES)
    outside = not difference.interval.low <= 0 <= difference.interval.high
    assert (difference.p_value < 0.05) == outside


def test_pairing_removes_what_personas_do_to_both() -> None:
    base = SCORES + np.random.default_rng(1).normal(0, 2, 20)[PROFILES][:, None]
    noise = np.random.default_rng(2).normal(0.2, 0.5, base.shape)
    alone = cluster_bootstrap(
        base + noise, PROFILES, PERSONALITIES, average_level, draws=400, seed=4
    )
    paired = compare(base + noise, base).interval
    assert paired.high - paired.low < (alone.high - alone.low) / 5


def test_slopes_are_compared_too() -> None:
    steeper = SCORES + 0.1 * np.arange(10)
    assert compare(steeper, SCORES, level_slope).interval.estimate == pytest.approx(0.1)


def test_cells_missing_in_one_are_left_out_of_both() -> None:
    a, b = SCORES + 1, SCORES.copy()
    a[:30, 2] = NAN
    b[50:90, 7] = NAN
    interval = compare(a, b).interval
    assert (interval.low, interval.high) == pytest.approx((1, 1))


def test_other_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a has shape \(100, 10\), but b has \(100, 9\)"):
        compare(SCORES, SCORES[:, :9])


def test_null_is_rarely_rejected() -> None:
    # 5% of 200 are 10; more than 20 would happen once in a thousand.
    rng = np.random.default_rng(21)
    p_values = [
        compare(rng.normal(0, 1, (100, 2)), rng.normal(0, 1, (100, 2)), draws=199).p_value
        for _ in range(200)
    ]
    assert 2 <= sum(p < 0.05 for p in p_values) <= 20
    assert 0.3 < np.median(p_values) < 0.7


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
