import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.metrics import average, improvement_rate
from benchmark.statistics import (
    average_level,
    cluster_bootstrap,
    holm,
    level_slope,
    minimum_detectable_difference,
    paired_difference,
)

NAN = float("nan")
PROFILES = np.repeat(np.arange(20), 5)
PERSONALITIES = np.tile(np.arange(5), 20)
SCORES = np.random.default_rng(3).integers(1, 6, (100, 10)).astype(float)


def crossed(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(rows), columns), np.tile(np.arange(columns), rows)


def mean_of_one_turn(scores: np.ndarray, weights: np.ndarray) -> float:
    return float(weights @ scores[:, 0] / weights.sum())


def drawn_weights(profiles, personalities, draws: int = 50) -> np.ndarray:
    seen = []

    def spy(scores: np.ndarray, weights: np.ndarray) -> float:
        seen.append(weights.copy())
        return 0.0

    cluster_bootstrap(
        np.zeros((len(profiles), 1)), profiles, personalities, spy, draws=draws, seed=1
    )
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
    ones = np.ones(100)
    assert average_level(SCORES, ones) == pytest.approx(SCORES.mean())
    assert level_slope(SCORES, ones) == improvement_rate(SCORES.mean(axis=0)).slope
    weights = np.arange(100) % 3
    repeated = np.repeat(SCORES, weights, axis=0).mean(axis=0)
    assert average_level(SCORES, weights) == pytest.approx(average(repeated))
    assert level_slope(SCORES, weights) == pytest.approx(improvement_rate(repeated).slope)


def test_own_statistics_are_nan_where_undefined() -> None:
    assert np.isnan(average_level(SCORES, np.zeros(100)))
    assert np.isnan(level_slope(SCORES[:, :1], np.ones(100)))


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


def test_intervals_cover_the_truth_and_ignoring_clusters_does_not() -> None:
    # 200 samples with profile and personality effects; the truth is 0. With 20 levels each, about
    # 0.94 is expected: its standard error is 0.017, so 0.88 is more than three of them away. Cases
    # taken as independent cover less than half, so the bound tells the two apart.
    rng = np.random.default_rng(11)
    profiles, personalities = crossed(20, 20)
    everyone, nobody = np.arange(400), np.zeros(400)
    clustered, independent = 0, 0
    for seed in range(200):
        effects = rng.normal(0, 0.5, 20)[profiles] + rng.normal(0, 0.5, 20)[personalities]
        scores = (effects + rng.normal(0, 1, 400))[:, None]
        two_way = cluster_bootstrap(
            scores, profiles, personalities, mean_of_one_turn, draws=200, seed=seed
        )
        naive = cluster_bootstrap(scores, everyone, nobody, mean_of_one_turn, draws=200, seed=seed)
        clustered += two_way.low <= 0 <= two_way.high
        independent += naive.low <= 0 <= naive.high
    assert clustered / 200 >= 0.88
    assert independent / 200 < 0.65


def test_noise_of_single_cases_is_counted_three_times() -> None:
    # Owen 2007: the variance is three times too large up to terms of 1/20; in width sqrt(3).
    # Percentiles of 2000 draws and the sample's own variance leave about 5% of scatter.
    profiles, personalities = crossed(20, 20)
    scores = np.random.default_rng(5).normal(0, 1, (400, 1))
    interval = cluster_bootstrap(scores, profiles, personalities, mean_of_one_turn, seed=5)
    right = 2 * 1.96 * scores.std() / np.sqrt(400)
    assert (interval.high - interval.low) / right == pytest.approx(np.sqrt(3), rel=0.15)


def test_width_follows_the_spread_between_profiles() -> None:
    profiles, personalities = crossed(40, 3)
    effects = np.random.default_rng(2).normal(0, 1, 40)
    interval = cluster_bootstrap(
        effects[profiles][:, None], profiles, personalities, mean_of_one_turn, seed=2
    )
    expected = 2 * 1.96 * effects.std() / np.sqrt(40)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.1)


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


@pytest.mark.parametrize("shift", [-0.3, -0.1, 0.0, 0.02, 0.1, 0.3])
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
    # Noise of single cases only, where the bootstrap is conservative: far fewer than 5% of 200.
    # A test at exactly 5% would reject three times or less with a chance of one in a hundred.
    rng = np.random.default_rng(21)
    p_values = [
        compare(rng.normal(0, 1, (100, 2)), rng.normal(0, 1, (100, 2)), draws=199).p_value
        for _ in range(200)
    ]
    assert sum(p < 0.05 for p in p_values) <= 3
    assert np.median(p_values) < 0.95


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
