from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe.benchmark.clusters import Factor
from aloe.benchmark.inference import (
    FLIPS,
    Difference,
    Interval,
    confidence_interval,
    paired_difference,
)
from aloe.benchmark.rare_events import FREE, SHARE, rare_limits
from aloe.benchmark.statistics import average_level, level_slope

NAN = float("nan")
PROFILES = np.repeat(np.arange(20), 5)
PERSONALITIES = np.tile(np.arange(5), 20)
SCORES = np.random.default_rng(3).integers(1, 6, (100, 10)).astype(float)


def crossed(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(rows), columns), np.tile(np.arange(columns), rows)


def mean_of_one_turn(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weights @ scores[:, 0] / weights.sum(axis=1)


def compare(a: np.ndarray, b: np.ndarray, statistic=average_level):
    return paired_difference(a, b, PROFILES, PERSONALITIES, statistic)


def test_a_gain_of_all_is_significant_and_others_may_still_have_another() -> None:
    difference = compare(SCORES + 0.5, SCORES)
    interval = difference.interval
    assert interval.estimate == pytest.approx(0.5)
    most = 1 - 0.025 ** (1 / 20)  # of profiles like none of 20
    assert (interval.low, interval.high) == pytest.approx((0.5 - most, 0.5 + most), abs=2e-3)
    assert difference.p_value < 0.01


def test_no_difference_has_p_one() -> None:
    difference = compare(SCORES, SCORES, level_slope)
    assert difference.interval.low == -difference.interval.high < 0
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
    alone = confidence_interval(base + noise, PROFILES, PERSONALITIES, average_level)
    paired = compare(base + noise, base).interval
    assert paired.high - paired.low < (alone.high - alone.low) / 5


def test_slopes_are_compared_too() -> None:
    steeper = SCORES + 0.1 * np.arange(10)
    assert compare(steeper, SCORES, level_slope).interval.estimate == pytest.approx(0.1)


def test_cells_missing_in_one_are_left_out_of_both() -> None:
    a, b = SCORES + 1, SCORES.copy()
    a[:30, 2] = NAN
    b[50:90, 7] = NAN
    interval, whole = compare(a, b).interval, compare(SCORES + 1, SCORES).interval
    assert interval.estimate == pytest.approx(1)
    assert (interval.low, interval.high) == pytest.approx((whole.low, whole.high), abs=0.03)


def test_other_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a has shape \(100, 10\), but b has \(100, 9\)"):
        compare(SCORES, SCORES[:, :9])


def users_differ(steps: list[float], users: int = 72) -> Difference:
    """Compare two models that give `users` the same, but for these steps in one turn of some."""
    base = np.full((users, 10), 0.5)
    other = base.copy()
    other[np.arange(len(steps)), 3] += steps
    everybody = np.arange(users)
    return paired_difference(other, base, everybody, everybody, average_level)


@pytest.mark.parametrize(
    ("steps", "p_value"),
    [
        ([0.125], 1.0),
        ([0.125, 0.125], 0.5),
        ([0.125] * 3, 0.25),
        ([0.125] * 4, 0.125),
        ([0.125] * 5, 0.0625),
        ([0.125] * 6, 0.03125),
        ([0.125, -0.125], 1.0),
        ([0.5, -0.125], 1.0),
        ([0.125, 0.125, -0.125], 1.0),
    ],
)
def test_few_users_who_differ_are_no_evidence(steps: list[float], p_value: float) -> None:
    # Whatever the other 66 do: signs of a few agree by chance two times in 2**n.
    found = users_differ(steps)
    assert found.p_value == pytest.approx(p_value, abs=0.03)
    assert (found.interval.low > 0) == (found.p_value <= 0.05)


def test_one_user_in_one_figure_is_no_evidence_either() -> None:
    gain = np.zeros((72, 10))
    gain[3, 4] = 0.125
    found = confidence_interval(gain, np.arange(72), np.arange(72), average_level)
    assert found.low <= 0 < found.high


def test_p_value_is_that_of_all_patterns_of_signs() -> None:
    rng = np.random.default_rng(5)
    lives = np.repeat(np.arange(8), [4, 1, 3, 1, 1, 2, 1, 2])
    a, b = rng.normal(0.3, 1, (15, 2)), rng.normal(0, 1, (15, 2))
    found = paired_difference(a, b, lives, np.arange(15), average_level)
    sums = np.bincount(lives, (a - b).mean(axis=1))
    totals = np.abs([np.dot(signs, sums) for signs in product((-1, 1), repeat=8)])
    assert found.p_value == np.mean(totals >= abs(sums.sum()) - 1e-12)


def test_interval_holds_what_the_test_does_not_reject() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.normal(0.3, 1, (30, 4)), rng.normal(0, 1, (30, 4))
    users = np.arange(30)

    def p_value(shift: float) -> float:
        return paired_difference(a - shift, b, users, users, average_level).p_value

    found = paired_difference(a, b, users, users, average_level).interval
    assert p_value(found.low + 1e-4) > 0.05 >= p_value(found.low - 1e-4)
    assert p_value(found.high - 1e-4) > 0.05 >= p_value(found.high + 1e-4)


def test_a_large_cluster_outweighs_what_the_small_ones_agree_on() -> None:
    # 17 of 24 users live one life: if it turned, the difference would.
    lives = np.repeat(np.arange(8), [17] + [1] * 7)
    gain = np.full((24, 1), 0.3) + np.random.default_rng(1).normal(0, 0.1, (24, 1))
    lopsided, even = (
        paired_difference(gain, 0 * gain, labels, np.arange(24), average_level)
        for labels in (lives, np.arange(24))
    )
    assert even.p_value < 0.001 < 0.007 < lopsided.p_value < 0.01


@pytest.mark.parametrize("clusters", [2, 3, 4, 5])
def test_fewer_than_six_clusters_cannot_tell(clusters: int) -> None:
    users = np.arange(clusters)
    gain = 1 + 0.01 * np.arange(clusters)[:, None]
    found = paired_difference(gain, 0 * gain, users, users, average_level)
    assert found.p_value == 2.0 ** (1 - clusters)
    assert found.interval == Interval(estimate=gain.mean(), low=-np.inf, high=np.inf)
    assert not found.interval.bounded


def test_a_factor_of_few_clusters_counts_in_the_error_and_is_not_flipped() -> None:
    effects = np.random.default_rng(7).normal(0, 1, 5)[PERSONALITIES][:, None]
    noise = np.random.default_rng(8).normal(0, 0.1, (100, 1))
    crossed, alone = (
        confidence_interval(3 + effects + noise, PROFILES, labels, average_level)
        for labels in (PERSONALITIES, np.zeros(100))
    )
    assert crossed.high - crossed.low > 5 * (alone.high - alone.low)


def test_a_nested_factor_adds_nothing() -> None:
    lives = np.repeat(np.arange(10), 3)
    scores = np.random.default_rng(9).normal(0, 1, (30, 2))
    nested, single = (
        confidence_interval(scores, lives, labels, average_level)
        for labels in (np.arange(30), np.zeros(30))
    )
    assert nested == single == confidence_interval(
        scores, np.arange(30), lives, average_level
    )  # fmt: skip


@pytest.mark.parametrize("statistic", [average_level, level_slope])
def test_more_flips_leave_the_third_digit_as_it_is(statistic) -> None:
    users = np.arange(100)
    found, more = (
        confidence_interval(SCORES, users, users, statistic, flips=flips)
        for flips in (FLIPS, 3 * FLIPS)
    )
    assert found == confidence_interval(SCORES, users, users, statistic)
    assert found.low < found.estimate < found.high
    assert (found.low, found.high) == pytest.approx((more.low, more.high), abs=1e-3)


def test_labels_only_name_the_clusters() -> None:
    names = [f"person {label:02}" for label in PROFILES]
    by_name, by_number = (
        confidence_interval(SCORES, labels, PERSONALITIES, average_level)
        for labels in (names, PROFILES)
    )
    assert by_name == by_number


def test_noise_of_single_cases_is_counted_once() -> None:
    profiles, personalities = crossed(20, 20)
    scores = np.random.default_rng(5).normal(0, 1, (400, 1))
    interval = confidence_interval(scores, profiles, personalities, mean_of_one_turn)
    right = 2 * 1.96 * scores.std() / np.sqrt(400)
    assert (interval.high - interval.low) / right == pytest.approx(1, rel=0.2)


def test_width_follows_the_spread_between_profiles() -> None:
    profiles, personalities = crossed(40, 3)
    effects = np.random.default_rng(2).normal(0, 1, 40)
    interval = confidence_interval(
        effects[profiles][:, None], profiles, personalities, mean_of_one_turn
    )
    expected = 2 * 1.96 * effects.std() / np.sqrt(40)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.1)


def test_repetitions_are_not_more_users() -> None:
    once, thrice = (
        confidence_interval(
            np.tile(SCORES[:, :1], (times, 1)),
            np.tile(PROFILES, times),
            np.tile(PERSONALITIES, times),
            mean_of_one_turn,
        )
        for times in (1, 3)
    )
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_missing_cells_do_not_count() -> None:
    scores = SCORES.copy()
    scores[::3, 4:] = NAN
    interval = confidence_interval(scores, PROFILES, PERSONALITIES, average_level)
    assert interval.estimate == pytest.approx(np.nanmean(scores, axis=0).mean())


def test_users_without_data_are_no_evidence() -> None:
    # Five of thirty were asked; the rest must not make the answer surer.
    hits, asked = np.zeros(30), np.zeros(30)
    asked[:5], hits[:5] = 4, [4, 3, 4, 4, 3]
    found = confidence_interval(
        asked[:, None],
        np.arange(30),
        np.arange(30),
        lambda _, w: (w @ hits) / (w @ asked),
        mass=asked,
    )
    assert found.estimate == 0.9
    assert not found.bounded


def share(hits: list[int], of: list[int]) -> Interval:
    """The share of hits among events, of each user by itself."""
    users, asked = np.arange(len(of)), np.array(of, dtype=float)

    def statistic(_: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return (weights @ np.array(hits)) / (weights @ asked)

    return confidence_interval(
        asked[:, None], users, users, statistic, mass=asked, bounds=SHARE, flips=499
    )


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        (0, 8, 0.0, 0.369),  # the last two: Clopper and Pearson's limits
        (1, 8, 0.003, 0.527),
        (8, 8, 0.631, 1.0),
        (0, 72, 0.0, 0.050),
        (3, 72, 0.009, 0.117),
        (71, 72, 0.925, 1.0),
    ],
)
def test_rare_events_get_the_limits_of_a_count(hits: int, of: int, low: float, high: float) -> None:
    found = share([1] * hits + [0] * (of - hits), [1] * of)
    assert found.low <= low + 0.005
    assert found.high >= high - 0.005
    assert found.high - found.low < 1.25 * (high - low) + 0.01


def test_sixteen_questions_of_eight_users_that_brought_nothing_are_no_certainty() -> None:
    found = share([2, 3, 1, 2, 2, 1, 4, 1], [2, 3, 1, 2, 2, 1, 4, 1])
    assert 0.4 < found.low < 0.63
    assert found.high == found.estimate == 1


def test_rarely_differing_is_no_proof_of_never_differing() -> None:
    none, one = users_differ([]).interval, users_differ([0.125]).interval
    assert none.low == -none.high < 0
    assert one.low < 0 < 0.0125 / 72 < 0.0125 * 5 / 72 < one.high < 0.0125 * 7 / 72


def test_where_users_scatter_flips_alone_decide() -> None:
    scores, users = np.random.default_rng(2).normal(0, 1, (72, 6)), np.arange(72)
    found = confidence_interval(scores, users, users, average_level)
    one = Factor(count=72, index=users)
    rare = rare_limits(scores.mean(axis=1) / 72, np.full(72, 1 / 72), [one], FREE)
    assert rare is not None
    assert found.low < rare[0] < found.estimate < rare[1] < found.high


def test_clusters_too_few_to_test_are_too_few_to_count() -> None:
    few = Factor(count=5, index=np.arange(5))
    assert rare_limits(np.zeros(5), np.full(5, 0.2), [few], SHARE) is None


@given(
    steps=st.lists(st.sampled_from([-0.25, -0.125, 0.0, 0.125]), min_size=6, max_size=14),
    twice=st.booleans(),
)
def test_p_value_and_interval_never_contradict_each_other(steps: list[float], twice: bool) -> None:
    gain = np.array([steps, steps if twice else steps[::-1]]).T
    labels = np.arange(len(steps))
    found = paired_difference(gain, 0 * gain, labels, labels // 2, average_level)
    assert 0 < found.p_value <= 1
    assert found.interval.low <= found.interval.estimate <= found.interval.high
    assert (found.p_value > 0.05) == (found.interval.low <= 0 <= found.interval.high)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [1.0, 2.0]}, r"shape \(cases, turns\), got \(2,\)"),
        ({"scores": np.empty((0, 3)), "profiles": [], "personalities": []}, "no cases"),
        ({"profiles": ["a"]}, r"2 cases need as many profiles, got shape \(1,\)"),
        ({"personalities": [["x"], ["y"]]}, r"as many personalities, got shape \(2, 1\)"),
        ({"mass": [1.0]}, r"as many masses, got shape \(1,\)"),
        ({"profiles": ["a", "a"], "personalities": ["x", "x"]}, "nothing varies"),
        ({"flips": 0}, "flips must be 1 or more, got 0"),
        ({"scores": [[NAN], [NAN]]}, "undefined on the sample"),
        ({"scores": [[1.0, NAN], [NAN, 2.0]], "statistic": level_slope}, "undefined without one"),
    ],
)
def test_malformed_samples_are_refused(change: dict, message: str) -> None:
    sample = {
        "scores": [[1.0, 2.0], [2.0, 3.0]],
        "profiles": ["a", "b"],
        "personalities": ["x", "y"],
        "statistic": average_level,
    }
    with pytest.raises(ValueError, match=message):
        confidence_interval(**(sample | change))
