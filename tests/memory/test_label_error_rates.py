"""Do labels by return name a winner where there is none as seldom as they say?"""

from math import erfc, sqrt

import pytest
from label_error_rates import DRAWN, ERRORS, PAGE, ROLLOUTS, RULES, decided
from simulated_rates import read_rates

RUNS = 200


def allowed(z: float) -> float:
    """Return what share a rule of so many standard errors may decide, by chance in these runs."""
    share = erfc(z / sqrt(2))
    return share + 4 * sqrt(share * (1 - share) / RUNS)


@pytest.mark.parametrize("rollouts", ROLLOUTS)
@pytest.mark.parametrize("case", [name for name in DRAWN if name.startswith("same")])
def test_replies_that_lead_to_the_same_are_seldom_told_apart(case: str, rollouts: int) -> None:
    rates = decided(DRAWN[case], rollouts, RUNS, seed=2)
    assert all(rates["now", z] <= allowed(z) for z in ERRORS)


def test_a_clear_difference_is_found_and_equal_branches_used_to_be_certainty() -> None:
    clear = decided(DRAWN["second better: always one more"], 5, RUNS)
    assert clear["now", 1] == clear["now", 2] == 1
    coarse = decided(DRAWN["same: one wish more or not"], 2, RUNS)
    assert coarse["before", 3] > 0.05, "what the rule guards against, so the simulation sees it"


def test_the_page_holds_a_rate_for_every_case() -> None:
    lines = read_rates(PAGE).split("\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    held = {row[0]: [float(cell.strip("%")) for cell in row[1:]] for row in rows if "%" in row[-1]}
    assert list(held) == ["normal", *(f"{case}, {name}" for case in DRAWN for name in RULES)]
    for case, rates in held.items():
        if case.startswith("same") and case.endswith("now"):
            assert all(rate <= most + 4 for rate, most in zip(rates, held["normal"], strict=True))
