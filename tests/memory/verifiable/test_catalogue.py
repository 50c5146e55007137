import pytest

from aloe.memory.verifiable.catalogue import DIMENSIONS, find_wish
from aloe.schema import sentences


def test_there_are_enough_dimensions() -> None:
    assert len(DIMENSIONS) >= 12


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
    rule = find_wish(dimension, value).kept
    assert rule(good)
    assert not rule(bad)


def test_a_traits_sentence_is_one_fact() -> None:
    for pair in DIMENSIONS.values():
        for each in pair:
            assert sentences(each.trait) == (each.trait,)
