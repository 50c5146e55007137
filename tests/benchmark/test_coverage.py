"""Do the intervals hold the truth as often as they say, on the very design of the 100 cases?"""

import numpy as np
import pytest

from benchmark.cases import load_cases
from benchmark.metrics import Array
from benchmark.statistics import Statistic, average_level, cluster_bootstrap, level_slope

RUNS = 200
CASES = load_cases("aloe-100")
PROFILES = [case.profile for case in CASES]
PERSONALITIES = [case.personality for case in CASES]


def effects(rng: np.random.Generator, sd: float) -> Array:
    """What a case owes to its profile and its personality, shape (cases, 1)."""
    found = np.zeros(len(CASES))
    for labels in (PROFILES, PERSONALITIES):
        different, index = np.unique(labels, return_inverse=True)
        found += rng.normal(0, sd, len(different))[index]
    return found[:, None]


def ignorant(rng: np.random.Generator) -> Array:
    """A model that ignores the user: levels differ between users, and none of them moves."""
    return 3 + effects(rng, 0.4) + rng.normal(0, 0.9, (len(CASES), 10))


def learning(rng: np.random.Generator) -> Array:
    """A model that gains 0.1 a turn, with some users more than with others."""
    slopes = 0.1 + effects(rng, 0.03)
    return 3 + effects(rng, 0.4) + slopes * np.arange(1, 11) + rng.normal(0, 0.9, (len(CASES), 10))


@pytest.mark.parametrize(
    ("model", "statistic", "truth"),
    [
        (ignorant, level_slope, 0.0),
        (ignorant, average_level, 3.0),
        (learning, level_slope, 0.1),
        (learning, average_level, 3.55),
    ],
)
def test_intervals_hold_the_truth_92_to_98_times_in_100(
    model, statistic: Statistic, truth: float
) -> None:
    rng, held = np.random.default_rng(12), 0
    for seed in range(RUNS):
        found = cluster_bootstrap(
            model(rng), PROFILES, PERSONALITIES, statistic, draws=500, seed=seed
        )
        held += found.low <= truth <= found.high
    assert 0.92 <= held / RUNS <= 0.98
