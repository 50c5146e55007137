"""Wishes in a person's own words: what is heard, what is not, and how often that is right."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.hearing import find_all_heard, find_heard
from aloe.memory.verifiable.phrases import read_phrases

SAID = Path(__file__).parent / "heard.txt"

MEASURED = (91, 5)
"""Wishes heard and missed in the half that the rules were not made on; docs/chat.md has these."""


class Said(NamedTuple):
    text: str
    wishes: dict[str, str]


def read() -> list[Said]:
    found = []
    for line in SAID.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            wishes, text = line.split("|", 1)
            pairs = (each.split("=") for each in _wishes(wishes))
            found.append(Said(text.strip(), dict(pairs)))
    return found


def _wishes(text: str) -> list[str]:
    """Return the wishes before the bar; the value "next step" has a blank."""
    return [w.replace("+", " ") for w in text.replace("next step", "next+step").split()]


def halves() -> tuple[list[Said], list[Said]]:
    """Return the sentences that the rules were made on, and those that they were not."""
    said = read()
    made = [each for each in said if sha256(each.text.encode()).digest()[0] % 2 == 0]
    return made, [each for each in said if each not in made]


def score(said: Iterable[Said]) -> tuple[int, int, int]:
    """Return how many wishes were heard rightly, heard wrongly, and missed."""
    right = wrong = missed = 0
    for text, wishes in said:
        heard = find_heard(text)
        hits = len(heard.items() & wishes.items())
        right, wrong, missed = right + hits, wrong + len(heard) - hits, missed + len(wishes) - hits
    return right, wrong, missed


def test_what_a_person_says_is_heard_and_nothing_else() -> None:
    made, others = halves()
    said = [*made, *others]
    assert sum(bool(each.wishes) for each in said) >= 150
    assert sum(not each.wishes for each in said) >= 60
    stated = {wish for each in said for wish in each.wishes.items()}
    assert stated == {(name, each.value) for name, two in DIMENSIONS.items() for each in two}
    assert score(made) == (112, 0, 0)
    right, wrong, missed = score(others)
    assert wrong == 0
    assert (right, missed) == MEASURED


@pytest.mark.parametrize(
    ("said", "wishes"),
    [
        ("I want no lists.", {"lists": "prose"}),
        ("I don't like lists.", {"lists": "prose"}),
        ("No bullet points, please.", {"lists": "prose"}),
        ("Don\u2019t use emojis. \U0001f600", {"emoji": "none"}),
        ("Please don't use emoji.", {"emoji": "none"}),
        ("I love emojis.", {"emoji": "some"}),
        ("Do not use bold.", {"emphasis": "plain"}),
        ("I want short answers.", {"length": "brief"}),
        ("Keep it short.", {"length": "brief"}),
        ("Always include an example.", {"example": "given"}),
        ("Ask me a question back.", {"question": "asked"}),
        ("Don't ask me questions.", {"question": "none"}),
        ("Use numbers.", {"numbers": "figures"}),
        ("I want no emoji and no lists", {"emoji": "none", "lists": "prose"}),
        ("no emojis, no lists, short answers",
         {"emoji": "none", "lists": "prose", "length": "brief"}),
        ("Less emoji, more examples.", {"emoji": "none", "example": "given"}),
        ("I don't like lists, emoji or bold.",
         {"lists": "prose", "emoji": "none", "emphasis": "plain"}),
        ("I prefer short replies without greetings.", {"length": "brief", "greeting": "none"}),
        ("I like emojis. No, don't use emojis.", {"emoji": "none"}),
        ("No emoji, no fun.", {}),
        ("I like using emojis.", {}),
        ("I must stop using emojis.", {}),
        ("Can you use emojis in a password?", {}),
        ("I love British English.", {}),
        ("I hate novels.", {}),
        ("Ask me anything.", {}),
        ("Don't ask me anything.", {"question": "none"}),
        ("Make my answers shorter.", {}),
        ("Make your answers shorter.", {"length": "brief"}),
        ("Lists are easier for me.", {"lists": "list"}),
        ("Proof-read this:\nDon't use emojis.\nKeep it short.", {}),
    ],
)  # fmt: skip
def test_wishes_in_a_persons_own_words(said: str, wishes: dict[str, str]) -> None:
    assert find_heard(said) == wishes


def test_the_sentences_of_simulated_users_mean_the_same_to_it() -> None:
    for key, texts in read_phrases().items():
        for text in texts[:2]:
            assert find_heard(text) == ({key.dimension: key.value} if key.value else {}), text


def test_the_latest_wish_counts() -> None:
    assert find_all_heard(["Use lists.", "Thanks!", "No lists, please."]) == {"lists": "prose"}


def test_a_sentence_without_end_takes_no_time() -> None:
    assert find_heard("no emoji and " * 5000) == {}
    assert find_heard("i like short, " * 28) == {}
