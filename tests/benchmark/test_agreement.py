import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe.benchmark.agreement import (
    clustered_share,
    cohen_kappa,
    intraclass_correlation,
    krippendorff_alpha,
    wilson,
)

NAN = float("nan")

labels = st.sampled_from(["first", "second", "tie"])


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)  # fmt: skip
def test_wilson_as_in_the_literature(hits: int, total: int, low: float, high: float) -> None:
    share = wilson(hits, total)
    assert share.value == hits / total
    assert (share.low, share.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_no_case_says_nothing() -> None:
    share = wilson(0, 0)
    assert (share.value, share.low, share.high) == (None, 0.0, 1.0)
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)


def test_cases_of_one_cluster_count_as_far_as_they_differ() -> None:
    alone = clustered_share(enumerate([True] * 7 + [False] * 3))
    assert alone == wilson(7, 10)
    assert clustered_share([]) == wilson(0, 0)
    same = clustered_share((pair, pair < 7) for pair in range(10) for _ in range(4))
    assert (same.value, same.count) == (0.7, 40)
    assert (same.low, same.high) == pytest.approx((alone.low, alone.high))
    mixed = clustered_share((case % 4, case < 28) for case in range(40))
    assert (mixed.low, mixed.high) == pytest.approx((wilson(28, 40).low, wilson(28, 40).high))
    agreed = clustered_share((pair, True) for pair in range(10) for _ in range(4))
    assert agreed.low == pytest.approx(wilson(10, 10).low)


def test_kappa_of_a_known_table() -> None:
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)


def test_alpha_of_a_known_table() -> None:
    # Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, nominal example C.
    a = [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None]
    b = [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3]
    c = [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None]
    d = [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None]
    assert krippendorff_alpha(list(zip(a, b, c, d, strict=True))) == pytest.approx(0.743, abs=5e-4)


@given(st.lists(labels, min_size=2))
def test_full_agreement_is_one_or_undefined(said: list[str]) -> None:
    kappa = cohen_kappa([(each, each) for each in said])
    alpha = krippendorff_alpha([(each, each) for each in said])
    expected = 1.0 if len(set(said)) > 1 else None
    assert kappa == alpha == (expected and pytest.approx(expected))


@given(st.lists(st.tuples(labels, labels), min_size=1))
def test_nobody_agrees_more_than_fully_and_the_raters_can_swap(
    pairs: list[tuple[str, str]],
) -> None:
    kappa = cohen_kappa(pairs)
    assert kappa is None or kappa <= 1
    mirrored = cohen_kappa([(b, a) for a, b in pairs])
    assert mirrored == (kappa if kappa is None else pytest.approx(kappa))


def test_the_same_answer_to_everything_agrees_no_better_than_chance() -> None:
    pairs = [("first", "first"), ("second", "first")] * 10
    assert cohen_kappa(pairs) == pytest.approx(0)
    assert krippendorff_alpha(pairs) == pytest.approx(-0.3, abs=0.05)


def test_a_missing_rating_is_no_disagreement() -> None:
    pairs = [("a", "a"), ("b", "b"), ("a", None), ("b", None)]
    assert krippendorff_alpha(pairs) == pytest.approx(1)
    assert krippendorff_alpha([("a", None)]) is None


def test_intraclass_correlation_as_in_the_literature() -> None:
    # Shrout & Fleiss (1979), table 2: four judges rate six targets.
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    single, average = intraclass_correlation(ratings) or (None, None)
    assert (single, average) == (pytest.approx(0.29, abs=5e-3), pytest.approx(0.62, abs=5e-3))
    with_gap = [*ratings, [NAN, 1, 2, 3]]
    assert intraclass_correlation(with_gap) == (single, average)


def test_a_stricter_rater_agrees_less_and_an_equal_one_fully() -> None:
    ratings = np.arange(12.0)[:, None] / 3
    assert intraclass_correlation(np.hstack([ratings, ratings])) == pytest.approx((1, 1))
    single, _ = intraclass_correlation(np.hstack([ratings, ratings - 2])) or (None, None)
    assert single is not None
    assert single < 0.6


@pytest.mark.parametrize("ratings", [[[1.0], [2.0]], [[1.0, 2.0]], [[3.0, 3.0], [3.0, 3.0]]])
def test_too_few_ratings_agree_neither_way(ratings: list[list[float]]) -> None:
    assert intraclass_correlation(ratings) is None
