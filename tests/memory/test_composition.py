import random
from collections import Counter

import pytest

from aloe.memory.axes import KINDS, PERSONALITY_WORDS, Kind, sample
from aloe.memory.composition import compose, read_parts
from aloe.memory.validation import find_reasons


@pytest.mark.parametrize("kind", KINDS)
def test_nearly_all_of_it_is_sound(kind: Kind) -> None:
    rng = random.Random(5)
    made = [compose(kind, sample(kind, Counter(), rng), seed) for seed in range(600)]
    bad = Counter(reason for each in made for reason in find_reasons(each))
    assert bad.keys() <= {"contradiction", "repetition"}, bad
    assert bad.total() < 30


def test_the_same_seed_gives_the_same_text() -> None:
    axes = sample("profile", Counter(), random.Random(3))
    assert compose("profile", axes, 1) == compose("profile", axes, 1)
    assert compose("profile", axes, 1).text != compose("profile", axes, 2).text


def test_axes_say_what_was_composed() -> None:
    rng = random.Random(9)
    for seed in range(300):
        asked = sample("profile", Counter(), rng)
        made = compose("profile", asked, seed)
        assert made.axes["age"] == asked["age"]
        assert any(str(n) in made.text for n in (made.axes["age"], int(made.axes["age"]) + 1))
        work = next(row for row in read_parts("work") if row[6] in made.text)
        assert made.axes["means"] == work[2]
        assert int(work[3]) <= int(made.axes["age"]) <= int(work[4])


def test_nobody_fishes_far_from_water() -> None:
    axes = {"age": 30, "region": "Central Asia", "place": "village", "means": "poor"}
    texts = [compose("profile", {**axes, "expertise": "expert: x"}, s).text for s in range(200)]
    assert not any("nets" in text or "shrimp" in text or "seaweed" in text for text in texts)


def test_every_temper_has_a_sentence() -> None:
    written = {(row[0], row[1]) for row in read_parts("tempers")}
    assert written == {
        (valence, word) for valence, words in PERSONALITY_WORDS.items() for word in words
    }
