import random

import pytest

from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.demonstration import demonstrate
from aloe.memory.verifiable.scoring import check_wishes


def draw_preferences(count: int) -> list[dict[str, str]]:
    rng = random.Random(4)
    return [{n: rng.choice(pair).value for n, pair in DIMENSIONS.items()} for _ in range(count)]


def test_any_mix_can_be_kept_and_its_opposite_is_then_broken() -> None:
    """That one reply keeps any mix of values is what makes the dimensions independent."""
    for wanted in draw_preferences(400):
        reply = demonstrate(wanted)
        assert [name for name, fine in check_wishes(wanted, reply).items() if not fine] == [], reply
        other = {
            name: next(each.value for each in DIMENSIONS[name] if each.value != value)
            for name, value in wanted.items()
        }
        assert not any(check_wishes(other, reply).values()), reply


@pytest.mark.parametrize("name", DIMENSIONS)
def test_one_wish_changes_one_verdict(name: str) -> None:
    one, other = ({n: p[1].value for n, p in DIMENSIONS.items()} for _ in range(2))
    one |= {"sentences": "short", "length": "brief"}
    other = {**one, name: next(w.value for w in DIMENSIONS[name] if w.value != one[name])}
    verdict = check_wishes(one, demonstrate(other))
    assert [each for each, fine in verdict.items() if not fine] == [name]
