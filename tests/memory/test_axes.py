import random
from collections import Counter

import pytest

from aloe.memory.axes import AGE_BANDS, KINDS, MIX, REGIONS, Kind, find_cells, sample, sample_cells


@pytest.mark.parametrize("kind", KINDS)
def test_shares_add_up(kind: Kind) -> None:
    for shares in MIX[kind].values():
        assert sum(shares.values()) == pytest.approx(1)


def test_a_sample_falls_into_its_cells() -> None:
    rng = random.Random(0)
    for _ in range(200):
        found = sample("profile", Counter(), rng)
        named = dict(find_cells(found))
        low, high = AGE_BANDS[named["age"]]
        assert low <= int(found["age"]) <= high
        assert named["region"] in REGIONS
        assert named["expertise"] == str(found["expertise"]).split(":")[0]


def test_growth_is_steered_to_what_is_thin() -> None:
    """A pool that is all young and rich is asked for the old and the poor first."""
    counts = Counter({("age", "16-24"): 500, ("means", "wealthy"): 500})
    rng = random.Random(1)
    drawn = [sample_cells("profile", counts, rng) for _ in range(400)]
    assert sum(each["age"] == "16-24" for each in drawn) < 8
    assert sum(each["means"] == "wealthy" for each in drawn) < 8
    assert {each["age"] for each in drawn} >= set(AGE_BANDS) - {"16-24"}


def test_a_steered_pool_ends_near_the_mix() -> None:
    counts: Counter[tuple[str, str]] = Counter({("age", "16-24"): 100})
    rng = random.Random(2)
    for _ in range(1000):
        counts.update(sample_cells("profile", counts, rng).items())
    for band, share in MIX["profile"]["age"].items():
        assert counts["age", band] / 1100 == pytest.approx(share, abs=0.02)


def test_values_outside_of_the_mix_are_left_out() -> None:
    assert find_cells({"age": 7, "region": "Atlantis", "temper": "blunt", "place": "city"}) == [
        ("place", "city")
    ]
