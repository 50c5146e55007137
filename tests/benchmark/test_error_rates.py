"""Does the test err as often as it says, and do the intervals hold the truth?"""

import re
from itertools import product

import pytest
from error_rates import (
    MODELS,
    NULLS,
    PAGE,
    RARE,
    Design,
    coverage,
    designs,
    false_positives,
    rare_coverage,
)
from simulated_rates import read_rates

DESIGNS = {each.name: each for each in designs()}
RUNS = 200
"""A rate of 5% then has a standard error of 1.5%."""


@pytest.mark.parametrize(
    ("design", "null"),
    [
        *product(["72 users", "24 users in 8 lives"], NULLS),
        ("aloe-100", "each suits other users"),
        ("aloe-100", "5% of users differ"),
    ],
)
def test_a_difference_that_is_none_is_rarely_found(design: str, null: str) -> None:
    assert false_positives(NULLS[null], DESIGNS[design], RUNS, seed=2) <= 0.1


def test_a_difference_of_all_users_is_found_as_often_as_it_should_be() -> None:
    assert 0.01 <= false_positives(NULLS["noise alone"], DESIGNS["24 users"], RUNS, seed=2) <= 0.1


@pytest.mark.parametrize(
    ("design", "model"),
    [
        *product(["24 users", "24 users in 8 lives"], MODELS),
        ("verifiable", "slope, gains 0.1 a turn"),
    ],
)
def test_intervals_hold_the_truth(design: str, model: str) -> None:
    assert coverage(MODELS[model], DESIGNS[design], RUNS, seed=2) >= 0.9


@pytest.mark.parametrize(
    ("design", "rare"),
    [
        *product(["72 users"], RARE),
        ("8 users", "one turn: 5 in 72"),
        ("aloe-100", "one turn: 3 in 72"),
    ],
)
def test_intervals_of_what_is_rare_hold_the_truth(design: str, rare: str) -> None:
    assert rare_coverage(*RARE[rare], DESIGNS[design], RUNS // 2, seed=2) >= 0.93


def test_taking_near_copies_for_users_of_their_own_errs_often() -> None:
    # What the lopsided design guards against: a negative control of the whole simulation.
    lives = DESIGNS["24 users in 8 lives"]
    blind = Design.clustered("blind", [1] * lives.users)

    def drawn(_: Design, rng):
        return NULLS["each suits other users"](lives, rng)

    assert false_positives(drawn, blind, RUNS) > 0.15


def test_the_page_holds_a_rate_for_every_design_and_case() -> None:
    rows = re.findall(r"^\| *([^|]*?) *\|(.*)\|$", read_rates(PAGE), re.MULTILINE)
    heads = [cells for name, cells in rows if not name]
    assert [[cell.strip() for cell in cells.split("|")] for cells in heads] == [list(DESIGNS)] * 3
    rates = {
        name: [float(cell.strip(" %")) for cell in cells.split("|")]
        for name, cells in rows
        if "%" in cells
    }
    assert list(rates) == [*NULLS, *MODELS, *RARE]
    assert all(rate <= 6.5 for name in NULLS for rate in rates[name])
    assert all(92 <= rate <= 98 for name in MODELS for rate in rates[name])
    assert all(rate >= 93 for name in RARE for rate in rates[name])
