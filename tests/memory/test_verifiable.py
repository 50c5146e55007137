import random

import pytest

from aloe.memory.verifiable import (
    DIMENSIONS,
    demonstration,
    generate,
    kept,
    next_words,
    revealed,
    satisfaction,
    wish,
)


def mixes(count: int) -> list[dict[str, str]]:
    rng = random.Random(4)
    return [{n: rng.choice(pair).value for n, pair in DIMENSIONS.items()} for _ in range(count)]


def test_there_are_enough_dimensions() -> None:
    assert len(DIMENSIONS) >= 12


def test_any_mix_can_be_kept_and_its_opposite_is_then_broken() -> None:
    """That one reply keeps any mix of values is what makes the dimensions independent."""
    for wanted in mixes(400):
        reply = demonstration(wanted)
        assert [name for name, fine in kept(wanted, reply).items() if not fine] == [], reply
        other = {
            name: next(each.value for each in DIMENSIONS[name] if each.value != value)
            for name, value in wanted.items()
        }
        assert not any(kept(other, reply).values()), reply


@pytest.mark.parametrize("name", DIMENSIONS)
def test_one_wish_changes_one_verdict(name: str) -> None:
    one, other = ({n: p[1].value for n, p in DIMENSIONS.items()} for _ in range(2))
    one |= {"sentences": "short", "length": "brief"}
    other = {**one, name: next(w.value for w in DIMENSIONS[name] if w.value != one[name])}
    verdict = kept(one, demonstration(other))
    assert [each for each, fine in verdict.items() if not fine] == [name]


@pytest.mark.parametrize(
    ("dimension", "value", "good", "bad"),
    [
        ("length", "brief", "word " * 60, "word " * 61),
        ("length", "thorough", "word " * 120, "word " * 119),
        ("emoji", "some", "Fine 🙂", "Fine :)"),
        ("lists", "list", "- one\n- two", "- one only"),
        ("lists", "list", "1. one\n2. two", "In 1. and 2. place."),
        ("contractions", "formal", "The dog's bone is here.", "It's here."),
        ("contractions", "relaxed", "I don\u2019t know.", "I do not know."),
        ("spelling", "British", "The colour is fine.", "The color is fine."),
        ("greeting", "greeted", "Good morning. Sit.", "It was a good morning."),
        ("emphasis", "bold", "Take **care**.", "2 * 3 * 4"),
        ("paragraphs", "several", "One.\n\nTwo.", "One.\nTwo."),
        ("sentences", "short", "This is short. So is this.", "word " * 13 + "."),
        ("sentences", "long", "word " * 16 + ".", "word " * 16 + ". No."),
        ("question", "none", "Try it.", "Shall we try?"),
        ("hedging", "hedged", "Perhaps.", "Certainly."),
    ],
)
def test_rules_measure_what_they_say(dimension: str, value: str, good: str, bad: str) -> None:
    rule = wish(dimension, value).kept
    assert rule(good)
    assert not rule(bad)


def test_personas_carry_their_wishes_as_text_and_as_data() -> None:
    seen: set[str] = set()
    for seed in range(60):
        persona = generate(seed, wishes=5)
        traits = [fact.text for fact in persona.facts if fact.kind == "trait"]
        assert traits == [wish(n, v).trait for n, v in persona.preferences.items()]
        assert len(persona.preferences) == 5
        seen |= set(persona.preferences)
    assert seen == set(DIMENSIONS)
    assert generate(3) == generate(3)
    assert generate(3) != generate(4)


def test_a_traits_sentence_is_one_fact() -> None:
    from aloe.schema import sentences

    for pair in DIMENSIONS.values():
        for each in pair:
            assert sentences(each.trait) == (each.trait,)


def test_wishes_come_to_light_bit_by_bit() -> None:
    persona = generate(11, wishes=6)
    said: list[str] = []
    known = []
    reply = None
    for _ in range(12):
        words = next_words(persona, said, reply)
        if not words:
            break
        said.append(words)
        known.append(len(revealed(persona, said)))
        reply = demonstration(revealed(persona, said))
    assert known == [1, 2, 3, 4, 5, 6]
    assert revealed(persona, said) == persona.preferences
    assert satisfaction(persona.preferences, reply or "") == 1.0


def test_a_broken_wish_is_remarked_on_even_if_known() -> None:
    persona = generate(11, wishes=6)
    everything = [wish(n, v).trait for n, v in persona.preferences.items()]
    name, value = next(iter(persona.preferences.items()))
    other = next(w.value for w in DIMENSIONS[name] if w.value != value)
    spoiled = demonstration({**persona.preferences, name: other})
    assert next_words(persona, everything, spoiled) == wish(name, value).remark
    assert satisfaction(persona.preferences, spoiled) == pytest.approx(5 / 6)


def test_silence_satisfies_nobody() -> None:
    assert satisfaction(generate(0).preferences, "  ") == 0.0
