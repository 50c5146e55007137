"""Wishes in a person's own words: what is heard, what is not, and how often that is right."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from aloe.memory.verifiable.catalogue import DIMENSIONS
from aloe.memory.verifiable.hearing import find_all_heard, find_heard, find_wishing
from aloe.memory.verifiable.phrases import read_phrases

SAID = Path(__file__).parent / "heard.txt"

MEASURED = (93, 3)
"""Wishes heard and missed in the half that the rules were not made on; docs/chat.md has these."""
MEASURED_LATER = (45, 21)
"""The same in the sentences that were written later; docs/chat.md has these too."""


class Said(NamedTuple):
    text: str
    wishes: dict[str, str]


def read(part: int) -> list[Said]:
    """Return the sentences that were written first (0) or later (1)."""
    found = []
    for line in SAID.read_text(encoding="utf-8").split("# Later:")[part].splitlines():
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
    said = read(0)
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


def test_sentences_written_later_are_heard_less_often_but_never_wrongly() -> None:
    said = read(1)
    assert sum(bool(each.wishes) for each in said) == 60
    assert sum(not each.wishes for each in said) == 62
    right, wrong, missed = score(said)
    assert wrong == 0
    assert (right, missed) == MEASURED_LATER


@pytest.mark.parametrize(
    ("said", "wishes"),
    [
        ("I want no lists.", {"lists": "prose"}),
        ("If I were rich, please use lists.", {}),
        ("Tell me a joke and use emojis.", {"emoji": "some"}),
        (":smile: no emojis", {"emoji": "none"}),
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
        # "and" carries no denial on, but for the second of two verbs in -ing
        ("Please don't apologise and keep it short.", {"apology": "none", "length": "brief"}),
        ("Stop rambling and be concise.", {"length": "brief"}),
        ("Never use emojis and always thank me.", {"emoji": "none", "thanks": "given"}),
        ("Don't apologise or hedge.", {"apology": "none", "hedging": "plain"}),
        ("Stop using lists and adding emojis.", {"lists": "prose", "emoji": "none"}),
        ("I don't want you to apologise and thank me.", {"apology": "none"}),
        # something that there is gets something more
        ("Please add numbers to the list.", {}),
        ("Could you add an example to my essay?", {}),
        ("I'd like examples to the list.", {}),
        ("I prefer prose to lists.", {"lists": "prose"}),
        ("I like prose over lists.", {"lists": "prose"}),
        # the words of others
        ('My boss wrote: "Hi Tom. Keep it short. No emojis. Thanks."', {}),
        ('Translate this: "I want short answers. I hate emojis. Thanks." Use lists.', {}),
        ("\u201cKeep it short. No emojis. Thanks.\u201d is rude.", {}),
        ("'I hate emojis. No lists.' is rude. Use bold.", {"emphasis": "bold"}),
        ("Please translate: I want short answers. I hate lists.", {}),
        ("Look:\n```\nKeep it short.\n```", {}),
        ("```\nKeep it short.\n```\nUse lists.", {"lists": "list"}),
        ("> Keep it short.\nUse lists.", {"lists": "list"}),
        ("Is this email ok?\n\nHi Tom,\nplease keep it short.\n\nBest, Ann", {}),
        ("My wish: no emojis.", {"emoji": "none"}),
        ("We meet at 10:30. Keep it short.", {"length": "brief"}),
        ('He calls me "boss". Keep it short.', {"length": "brief"}),
        ("No emojis, my boss says.", {}),
        ("Keep it short, said the teacher.", {}),
        ("Emojis are annoying, or so my daughter says.", {}),
        ("Use short sentences, Tom says.", {}),
        ("Keep it short, as I said.", {"length": "brief"}),
        ("Lists help, don't they?", {}),
        ("Emojis are annoying, right?", {}),
        ("Keep it short, will you?", {"length": "brief"}),
        # texts that are ordered
        ("Write me an apology, please.", {}),
        ("Please write a detailed explanation.", {}),
        ("Write a thank you.", {}),
        ("Can I have a list?", {}),
        ("Write short answers.", {"length": "brief"}),
        ("Can I have more examples?", {"example": "given"}),
        ("Write an example in each of your replies.", {"example": "given"}),
    ],
)  # fmt: skip
def test_wishes_in_a_persons_own_words(said: str, wishes: dict[str, str]) -> None:
    assert find_heard(said) == wishes


def test_the_sentences_of_simulated_users_mean_the_same_to_it() -> None:
    for key, texts in read_phrases().items():
        for text in texts[:2]:
            assert find_heard(text) == ({key.dimension: key.value} if key.value else {}), text


def test_what_simulated_users_say_is_not_heard_where_it_is_quoted() -> None:
    for key, texts in read_phrases().items():
        for text in texts[:1] if key.value else ():
            for frame in ('My boss wrote: "{}"', "She told me: Well. {}", 'Mend "Hm. {}", please.'):
                assert find_heard(frame.format(text)) == {}, text


def test_the_sentences_marked_are_those_in_which_a_wish_was_heard() -> None:
    assert find_wishing("Hi! Keep it short.\nNo lists.") == ("Keep it short.", "No lists.")
    assert find_wishing("Proof-read this:\nDon't use emojis.\nKeep it short.") == ()
    assert find_wishing('"No lists. Keep it short." Use bold.') == ("Use bold.",)


def test_the_latest_wish_counts() -> None:
    assert find_all_heard(["Use lists.", "Thanks!", "No lists, please."]) == {"lists": "prose"}


def test_a_sentence_without_end_takes_no_time() -> None:
    assert find_heard("no emoji and " * 5000) == {}
    assert find_heard("i like short, " * 28) == {}
    assert find_heard("'a " * 2000 + "my boss " * 1000 + "do not: " * 1000) == {}
