"""Who is trained on and who is tested on: lives and combinations of wishes are kept apart."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from demonstration import demonstrate

from aloe.benchmark.experiment.people import candidates, draw_people, holds
from aloe.benchmark.swaps import assign_stand_ins
from aloe.config import ExperimentConfig
from aloe.errors import ConfigError
from aloe.memory.embedder import MiniLmEmbedder
from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.phrases import find_remarks, find_stated, find_traits
from aloe.memory.verifiable.scoring import measure_satisfaction

SMALL = ExperimentConfig(train=12, validation=3, test=4)


@pytest.fixture(scope="module")
def small() -> Any:
    return draw_people(SMALL, 3, 0.71, MiniLmEmbedder())


def test_no_combination_of_the_test_is_in_training(small: Any) -> None:
    parts = small.parts
    assert [len(parts[part]) for part in ("train", "validation", "test")] == [12, 3, 4]
    seen = [*parts["train"], *parts["validation"]]
    known, tested = (
        {frozenset(p.preferences.items()) for p in each} for each in (seen, parts["test"])
    )
    assert len(tested) == 4
    assert not known & tested
    for part in ("test", "validation"):
        assert all(holds(each, small.reserved[part]) for each in parts[part])
    assert not small.reserved["test"] & small.reserved["validation"]
    assert not any(holds(each, small.reserved["test"]) for each in seen)
    assert not any(holds(each, small.reserved["validation"]) for each in parts["train"])


def test_no_sentence_of_training_states_the_wishes_of_other_users(small: Any) -> None:
    """Nor does the ceiling hear one, which is told the persona."""
    for part in ("test", "validation"):
        for persona in small.parts[part]:
            assert find_stated(persona.personality) == persona.preferences
            for name, value in persona.preferences.items():
                phrases = (*find_traits(name, value, "train"), *find_remarks(name, value, "train"))
                assert not any(each in persona.personality for each in phrases)


def test_wishes_are_about_the_dimensions_that_were_named() -> None:
    named = ("emoji", "example", "greeting", "question", "thanks")
    config = SMALL.model_copy(update={"dimensions": named, "wishes": 3, "train": 6})
    found = draw_people(config, 3, 0.71, MiniLmEmbedder())
    wished = {name for part in found.parts.values() for p in part for name in p.preferences}
    assert wished == set(named)


def test_personas_end_where_there_are_no_other_wishes() -> None:
    for wishes, everybody in ((2, 12), (3, 24)):
        found = list(candidates(wishes, {"emoji", "example", "lists", "thanks"}, 0))
        assert len({frozenset(each.preferences.items()) for each in found}) == everybody


@pytest.mark.parametrize(
    ("named", "said"),
    [(("emoji", "length"), "cannot serve length"), (("emoji", "lists"), "too few for 4 wishes")],
)
def test_dimensions_that_will_not_do_are_refused(named: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        draw_people(SMALL.model_copy(update={"dimensions": named}), 3, 0.71, MiniLmEmbedder())


def test_no_life_is_on_two_sides(small: Any) -> None:
    lives = [{small.clusters[p.id] for p in each} for each in small.parts.values()]
    assert sum(map(len, lives)) == len(set.union(*lives))


class Lumped:
    """Vectors of lives of which the first share are near-copies, and others so by twos or not."""

    name = "lumped"

    def __init__(self, share: float, size: int) -> None:
        self._share, self._size = share, size

    def embed(self, texts: Sequence[str]) -> Any:
        lump = round(self._share * len(texts))
        rows = [0] * lump + [1 + n // self._size for n in range(len(texts) - lump)]
        return np.eye(len(texts) + 1, dtype=np.float32)[rows]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("share", "size"), [(0.3, 1), (0.6, 1), (0.5, 2), (0.2, 3)])
def test_no_large_cluster_fills_the_test(share: float, size: int, seed: int) -> None:
    config = ExperimentConfig(train=20, validation=6, test=16)
    found = draw_people(config, seed, 0.71, Lumped(share, size))
    for part in ("test", "validation"):
        lives = Counter(found.clusters[each.id] for each in found.parts[part])
        assert max(lives.values()) <= size, part
        cases = found.cases(part, 6)
        assert {case.id for case in cases} == set(assign_stand_ins(cases)), part
    sides = [{found.clusters[p.id] for p in each} for each in found.parts.values()]
    assert sum(map(len, sides)) == len(set.union(*sides))


def test_replies_for_nobody_in_particular_keep_half_of_the_wishes(small: Any) -> None:
    everybody = [persona for part in small.parts.values() for persona in part]
    plain = demonstrate({"spelling": "American"})
    assert {measure_satisfaction(each.preferences, plain) for each in everybody} == {0.5}


def test_the_same_seed_gives_the_same_people(small: Any) -> None:
    assert draw_people(SMALL, 3, 0.71, MiniLmEmbedder()) == small


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_no_wish_is_commoner_than_its_opposite(seed: int) -> None:
    """Else what is common in training is rare in the test, and knowing nothing is better."""
    named = ("apology", "closing", "emoji", "emphasis", "example", "greeting", "lists", "thanks")
    config = ExperimentConfig(train=100, validation=16, test=48, dimensions=named)
    found = draw_people(config, seed, 0.71, Lumped(0.0, 1))
    for part, slack in (("test", 0.1), ("train", 0.1), ("validation", 0.25)):
        wishes = Counter(w for each in found.parts[part] for w in each.preferences.items())
        for name in named:
            one, other = (wishes[name, wish.value] for wish in DIMENSIONS[name])
            assert abs(one / (one + other) - 0.5) <= slack, (part, name)
